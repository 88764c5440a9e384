//! Small migrations, many in one message, where each statement commits by itself.
//!
//! The transaction that each statement ends says, before, that it is sent and that the one before it is
//! done: a commit of its own for the journal there is none. What tells after a kill whether a statement
//! took effect is asked of all before ([`super::signs`]). The first statement that fails ends the
//! message; what it was to record is taken back, and its migration is run again by itself, as any other
//! is: there it waits for locks, keeps what it destroys, and tells why it cannot go on.

use std::collections::BTreeSet;
use std::time::Instant;

use downhaul_engine::{EngineError, Row, TableLock};
use downhaul_plan::{Direction, Version};
use downhaul_snapshot::empty;
use downhaul_syntax::lexer::{TokenKind, lex};
use downhaul_syntax::{Change, Dialect, Statement, change::InsertConflict};

use super::signs::{self, Known, Sign, Thing, bare};
use crate::apply::{Applied, Work};
use crate::journal::{Journal, JournalEntry, MigrationState};
use crate::patience::{Lookout, someone_is_slow};
use crate::prepare::Group;
use crate::runner::Options;
use crate::{Observer, RunError, Runner};

/// Bytes of the files of one message; the journal's entries hold them again, some twice.
const LONGEST: usize = 128 * 1024;

/// Bytes up to which work on a table is short.
const SMALL: i64 = 8 * 1024 * 1024;

/// A migration that may go with others.
struct Piece<'a> {
    work: &'a Work<'a>,
    /// The text of each statement alone.
    texts: Vec<String>,
    /// The signs of each statement; none of one that only adds rows.
    signs: Vec<Vec<Sign>>,
    /// Tables, of each statement, of which something would be lost if they were not empty.
    empty: Vec<Vec<String>>,
    /// Tables that rows are added to: then it adds nothing but rows.
    filled: Vec<String>,
    needs: Vec<TableLock>,
}

/// The text of a statement alone: nothing may stand behind it in a message but the next.
fn single(statement: &Statement, dialect: Dialect) -> Option<String> {
    let text = statement.text.trim_end().trim_end_matches(';');
    let lexed = lex(text, dialect);
    let clean = lexed.errors.is_empty()
        && !lexed.tokens.iter().any(|token| token.kind == TokenKind::Semicolon);
    clean.then(|| text.to_owned())
}

impl<'a> Piece<'a> {
    /// `None` where something is to be decided while it runs.
    fn of(work: &'a Work<'a>, options: &Options, dialect: Dialect) -> Option<Self> {
        let prepared = work.prepared;
        let statements = &prepared.statements;
        let plain = !statements.is_empty()
            && prepared.locks.len() == statements.len()
            && !prepared.changes_settings
            && prepared.protection.is_empty()
            && prepared.follows.is_empty()
            && work.entry.squashed.is_empty()
            && work.points.is_empty();
        if !plain {
            return None;
        }
        let texts = statements.iter().map(|statement| single(statement, dialect));
        let texts = texts.collect::<Option<Vec<_>>>()?;
        let losses = prepared.losses(statements, dialect);
        let unseen = losses.own_triggers_fire || !losses.unreadable.is_empty() || losses.replaces;
        let keeps = options.protect && (!losses.is_empty() || losses.unmakes());
        if unseen || prepared.direction == Direction::Up && keeps {
            return None;
        }
        let members: Vec<usize> = (0..statements.len()).collect();
        let needs = prepared.locks_of(&members);
        if let [Group::Transaction(_)] = prepared.groups.as_slice() {
            let mut filled = Vec::new();
            for change in statements.iter().flat_map(|s| s.changes()) {
                match change {
                    Change::Insert { table, conflict: InsertConflict::Fail, .. } => {
                        filled.push(bare(table)?);
                    }
                    _ => return None,
                }
            }
            let nothing = statements.iter().any(|s| s.changes().is_empty());
            let (signs, empty) = (Vec::new(), Vec::new());
            return (!nothing).then_some(Self { work, texts, signs, empty, filled, needs });
        }
        let (mut signs, mut empty) = (Vec::new(), Vec::new());
        for (index, statement) in statements.iter().enumerate() {
            if !prepared.groups.contains(&Group::Single(index)) || statement.changes().is_empty() {
                return None;
            }
            let own = statement.changes().iter().map(signs::of).collect::<Option<Vec<_>>>()?;
            // Of several tables one may be gone and another not.
            if own.iter().any(|sign| sign.thing.table() != own[0].thing.table()) {
                return None;
            }
            let losses = prepared.losses([statement], dialect);
            let mut tables = Vec::new();
            if options.protect && !losses.is_empty() {
                for table in empty::candidates(&losses)? {
                    tables.push(bare(table)?);
                }
            }
            signs.push(own);
            empty.push(tables);
        }
        Some(Self { work, texts, signs, empty, filled: Vec::new(), needs })
    }

    fn adds_rows(&self) -> bool {
        !self.filled.is_empty()
    }

    fn tables(&self) -> impl Iterator<Item = &str> {
        let named = self.signs.iter().flatten().map(|sign| sign.thing.table());
        named.chain(self.filled.iter().map(String::as_str))
    }

    fn place(&self) -> (&'a Version, Direction, i64) {
        (self.work.version, self.work.prepared.direction, self.work.operation)
    }

    /// Statement that records that it begins.
    fn begin(&self, journal: Journal) -> String {
        let (version, direction, operation) = self.place();
        match direction {
            Direction::Up => {
                let entry =
                    JournalEntry { state: MigrationState::Applying, ..self.work.entry.clone() };
                journal.record(&entry, operation, 0)
            }
            Direction::Down => journal.set_state(version, MigrationState::Reverting),
        }
    }

    /// Statements that record a statement as done, and with the last one the whole. They may be said
    /// again.
    fn done(&self, journal: Journal, index: usize) -> Vec<String> {
        let place = self.place();
        let (version, direction, _) = place;
        if index + 1 < self.work.prepared.statements.len() {
            return vec![journal.took_place(place, Some(index + 1), "done")];
        }
        let end = match direction {
            Direction::Up => journal.is_applied(version),
            Direction::Down => journal.forget(version),
        };
        vec![journal.took_place(place, None, "settled"), end]
    }

    /// Statements that take back the record of one that did not take effect.
    fn forget(&self, journal: Journal, index: usize) -> Vec<String> {
        let (version, direction, operation) = self.place();
        let mut statements = vec![format!(
            "DELETE FROM {} WHERE operation = {operation} AND version = {} AND direction = '{direction}' AND ordinal > {index} AND state = 'started'",
            journal.table("step"),
            journal.text(version.as_str())
        )];
        if index == 0 {
            statements.push(match direction {
                Direction::Up => {
                    format!("{} AND state = 'applying'", journal.forget(version))
                }
                Direction::Down => format!(
                    "{} AND state = 'reverting'",
                    journal.set_state(version, MigrationState::Applied)
                ),
            });
        }
        statements
    }
}

impl Journal {
    /// Statement that ends one step of a migration (from 1), or all, which were recorded as started.
    fn took_place(
        self,
        (version, direction, operation): (&Version, Direction, i64),
        ordinal: Option<usize>,
        state: &str,
    ) -> String {
        let one = ordinal.map(|number| format!(" AND ordinal = {number}")).unwrap_or_default();
        // Assignments are made from left to right, and see what those before them made.
        format!(
            "UPDATE {} SET duration_ms = IF(state = 'started', GREATEST(0, TIMESTAMPDIFF(MICROSECOND, STR_TO_DATE(LEFT(at, 23), '%Y-%m-%dT%H:%i:%s.%f'), UTC_TIMESTAMP(3)) DIV 1000), duration_ms), \
             at = {}, state = '{state}' WHERE operation = {operation} AND version = {} AND direction = '{direction}' AND state IN ('started', 'done'){one}",
            self.table("step"),
            self.now(),
            self.text(version.as_str())
        )
    }

    /// Statement that records a migration as applied now.
    fn is_applied(self, version: &Version) -> String {
        format!(
            "UPDATE {} SET state = 'applied', applied_at = {} WHERE version = {} AND state = 'applying'",
            self.table("migration"),
            self.now(),
            self.text(version.as_str())
        )
    }
}

/// One message.
#[derive(Default)]
struct Message {
    statements: Vec<String>,
    /// Which of them is which statement of which piece: of one that adds rows, its commit for all.
    marks: Vec<(usize, usize, usize)>,
}

impl Message {
    fn of(pieces: &[Piece<'_>], journal: Journal, dialect: Dialect) -> Result<Self, EngineError> {
        let mut message = Self::default();
        let start = || "START TRANSACTION".to_owned();
        let mut before: Option<(usize, usize)> = None;
        let mut locked = false;
        for (number, piece) in pieces.iter().enumerate() {
            let statements = &piece.work.prepared.statements;
            for (index, statement) in statements.iter().enumerate() {
                let out = &mut message.statements;
                if index == 0 || !piece.adds_rows() {
                    out.push(start());
                }
                if let Some((piece, index)) = before.take() {
                    out.extend(pieces[piece].done(journal, index));
                }
                if index == 0 {
                    out.push(piece.begin(journal));
                }
                let probe = match piece.signs.get(index) {
                    Some(signs) => signs::probe(signs)?,
                    None => String::new(),
                };
                let step = (index + 1, statement.shown());
                out.push(journal.intend(piece.place(), step, "started", &probe));
                for table in piece.empty.get(index).into_iter().flatten() {
                    let table = dialect.quote_str(table);
                    // Ends the transaction, as the statement would.
                    out.push(format!("LOCK TABLES {table} WRITE"));
                    // Fails where there is a row: a value is two.
                    out.push(format!(
                        "SELECT (SELECT 1 FROM {table} JOIN (SELECT 1 AS n UNION ALL SELECT 2) downhaul_two LIMIT 2)"
                    ));
                    locked = true;
                }
                out.push(piece.texts[index].clone());
                if piece.adds_rows() {
                    before = Some((number, index));
                    if index + 1 == statements.len() {
                        out.extend(piece.done(journal, index));
                        out.push("COMMIT".to_owned());
                        before = None;
                        message.marks.push((out.len() - 1, number, 0));
                    }
                } else {
                    message.marks.push((out.len() - 1, number, index));
                    before = Some((number, index));
                }
            }
        }
        if locked {
            message.statements.push("UNLOCK TABLES".to_owned());
        }
        if let Some((piece, index)) = before {
            message.statements.push(start());
            message.statements.extend(pieces[piece].done(journal, index));
            message.statements.push("COMMIT".to_owned());
        }
        Ok(message)
    }
}

/// Runs as many of the first of these migrations together as can be. Returns what they did: nothing
/// where the first one has to go by itself.
pub(crate) async fn together(
    runner: &mut Runner,
    works: &[Work<'_>],
    observer: &mut dyn Observer,
) -> Result<Vec<Applied>, RunError> {
    if observer.comes_between() || runner.session.server().cluster {
        return Ok(Vec::new());
    }
    let (options, dialect) = (runner.options.clone(), runner.session.dialect());
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut length = 0;
    for work in works {
        length += work.prepared.text.len();
        match Piece::of(work, &options, dialect) {
            Some(piece) if length <= LONGEST => pieces.push(piece),
            _ => break,
        }
    }
    // One alone gains nothing.
    if pieces.len() < 2 || someone_is_slow(runner, pieces.iter().flat_map(|p| &p.needs)).await? {
        return Ok(Vec::new());
    }
    look(runner, &mut pieces).await?;
    if pieces.len() < 2 {
        // Asking again before each would cost more than it gains.
        runner.pace.failed();
        return Ok(Vec::new());
    }
    let journal = runner.journal;
    let message = Message::of(&pieces, journal, dialect)?;
    let begun = Instant::now();
    let lookout = Lookout::new(runner);
    let sent = runner.session.in_turn(options.budget, &message.statements);
    let (done, failure) = lookout.while_running(sent).await;
    let complete = match failure {
        None => {
            runner.pace.went_well(pieces.len(), begun.elapsed());
            pieces.len()
        }
        Some(EngineError::Disconnected(why)) => return Err(EngineError::Disconnected(why).into()),
        Some(_) => {
            runner.pace.failed();
            take_back(runner, &pieces, &message, done).await?
        }
    };
    told(runner, &pieces[..complete], observer).await
}

/// After a failure: records what took effect, and forgets what did not. Returns how many are whole.
async fn take_back(
    runner: &mut Runner,
    pieces: &[Piece<'_>],
    message: &Message,
    done: usize,
) -> Result<usize, EngineError> {
    let journal = runner.journal;
    // What the failed transaction holds was not told to anybody.
    runner.session.execute("ROLLBACK; UNLOCK TABLES").await?;
    let mut records = Vec::new();
    let in_effect = message.marks.iter().rfind(|(at, ..)| *at < done);
    let failed = message.marks.iter().find(|(at, ..)| *at >= done);
    let mut complete = 0;
    if let Some((_, number, index)) = in_effect {
        let piece = &pieces[*number];
        let last = piece.work.prepared.statements.len() - 1;
        let index = if piece.adds_rows() { last } else { *index };
        records.extend(piece.done(journal, index));
        complete = number + usize::from(index == last);
    }
    if let Some((_, number, index)) = failed {
        records.extend(pieces[*number].forget(journal, *index));
    }
    let budget = runner.options.for_the_journal();
    runner.session.transact(budget, &records.join("; ")).await?;
    Ok(complete)
}

/// What is asked before a message.
fn questions(journal: Journal, pieces: &[Piece<'_>], dialect: Dialect) -> String {
    let versions: Vec<String> =
        pieces.iter().map(|piece| journal.text(piece.work.version.as_str())).collect();
    let mut questions = vec![format!(
        "SELECT 'v', count(*), coalesce(sum(state = 'applied'), 0), (SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'downhaul_tracked') \
         FROM {} WHERE version IN ({})",
        journal.table("migration"),
        versions.join(", ")
    )];
    if dialect == Dialect::Mysql {
        // Else it tells what it knew a day ago.
        questions.push("SET SESSION information_schema_stats_expiry = 0".to_owned());
    }
    let names: BTreeSet<&str> = pieces.iter().flat_map(Piece::tables).collect();
    // Each of these looks one table up by its name; together they would open every one that there is.
    for name in names {
        let of = format!("TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {}", journal.text(name));
        questions.push(format!(
            "SELECT 't', TABLE_NAME, TABLE_TYPE, ENGINE, COALESCE(AUTO_INCREMENT, 0), COALESCE(DATA_LENGTH, 0) FROM information_schema.TABLES WHERE {of}"
        ));
        let signs = || pieces.iter().flat_map(|piece| &piece.signs).flatten();
        let parts = |column: bool| {
            signs().any(|sign| match &sign.thing {
                Thing::Column(table, _) => column && table == name,
                Thing::Index(table, _) => !column && table == name,
                Thing::Table(_) => false,
            })
        };
        if parts(true) {
            questions.push(format!(
                "SELECT 'c', TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE {of}"
            ));
        }
        if parts(false) {
            questions.push(format!(
                "SELECT DISTINCT 'i', TABLE_NAME, INDEX_NAME FROM information_schema.STATISTICS WHERE {of}"
            ));
        }
        if pieces.iter().any(|piece| piece.filled.iter().any(|table| table == name)) {
            questions.push(format!(
                "SELECT 'g', count(*) FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = {} HAVING count(*) > 0",
                journal.text(name)
            ));
        }
    }
    questions.join("; ")
}

/// Asks what is there, and leaves out the pieces from the first one on that cannot go with others.
async fn look(runner: &mut Runner, pieces: &mut Vec<Piece<'_>>) -> Result<(), EngineError> {
    let dialect = runner.session.dialect();
    let rows = match runner.session.rows(&questions(runner.journal, pieces, dialect)).await {
        Ok(rows) => rows,
        Err(EngineError::Disconnected(why)) => return Err(EngineError::Disconnected(why)),
        // By itself a migration says what is wrong.
        Err(_) => {
            pieces.clear();
            return Ok(());
        }
    };
    let of = |letter: &'static str| rows.iter().filter(move |row| row.text(0) == letter);
    let up = pieces[0].work.prepared.direction == Direction::Up;
    let expected = if up { 0 } else { pieces.len() };
    let recorded = of("v")
        .next()
        .map_or((0, 0), |row| (row.number(1).unwrap_or(-1), row.number(2).unwrap_or(-1)));
    let as_expected =
        usize::try_from(recorded.0) == Ok(expected) && usize::try_from(recorded.1) == Ok(expected);
    let tracked = of("v").next().is_none_or(|row| row.text(3) != "0");
    if !as_expected || tracked || of("g").next().is_some() {
        pieces.clear();
        return Ok(());
    }
    let mut known = Known::default();
    for row in of("t") {
        known.add(&Thing::Table(row.text(1).to_owned()));
    }
    for row in of("c") {
        known.add(&Thing::Column(row.text(1).to_owned(), row.text(2).to_owned()));
    }
    for row in of("i") {
        known.add(&Thing::Index(row.text(1).to_owned(), row.text(2).to_owned()));
    }
    let before = known.clone();
    let table = |name: &str| of("t").find(|row| row.text(1).eq_ignore_ascii_case(name));
    let mut made = BTreeSet::new();
    let fitting =
        pieces.iter().position(|piece| !piece.fits(&mut known, &before, &mut made, table));
    pieces.truncate(fitting.unwrap_or(pieces.len()));
    Ok(())
}

impl Piece<'_> {
    /// Whether it fits behind those of which `known` tells what they leave; `before`: what was there
    /// before all of them; `made`: tables that they made.
    fn fits<'r>(
        &self,
        known: &mut Known,
        before: &Known,
        made: &mut BTreeSet<String>,
        table: impl Fn(&str) -> Option<&'r Row>,
    ) -> bool {
        let small = |row: &Row| row.number(5).is_ok_and(|bytes| bytes <= SMALL);
        let innodb = |row: &Row| row.text(2) == "BASE TABLE" && row.text(3) == "InnoDB";
        let unused = |row: &Row| innodb(row) && matches!(row.text(4), "0" | "1");
        let was = |name: &String| before.has(&Thing::Table(name.clone()));
        let there = self.tables().all(|name| table(name).is_none_or(small));
        // A counter that was never used stands at 1.
        let blank =
            self.empty.iter().flatten().all(|name| !was(name) || table(name).is_some_and(unused));
        let rows = self.filled.iter().all(|name| {
            let known = known.has(&Thing::Table(name.clone()));
            known && (made.contains(name) || was(name) && table(name).is_some_and(innodb))
        });
        let changes = || self.work.prepared.statements.iter().flat_map(|s| s.changes());
        for change in changes() {
            match change {
                Change::CreateTable { def, .. }
                    if def.options.iter().all(|(o, _)| o != "engine") =>
                {
                    made.extend(bare(&def.name));
                }
                Change::DropTable { name, .. } | Change::DropView { name, .. } => {
                    made.remove(name.name.as_str());
                }
                _ => {}
            }
        }
        let followed = self.adds_rows() || changes().all(|change| known.follow(change).is_some());
        there && blank && rows && followed
    }
}

/// Tells of those that are whole.
async fn told(
    runner: &mut Runner,
    pieces: &[Piece<'_>],
    observer: &mut dyn Observer,
) -> Result<Vec<Applied>, RunError> {
    let Some(first) = pieces.first() else { return Ok(Vec::new()) };
    let (_, direction, operation) = first.place();
    let versions: Vec<&Version> = pieces.iter().map(|piece| piece.work.version).collect();
    let mut took =
        runner.journal.took(&mut *runner.session, operation, direction, &versions).await?;
    let mut done = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let steps = took.remove(piece.work.version.as_str()).unwrap_or_default();
        done.push(piece.work.tell(&steps, Vec::new(), observer));
    }
    Ok(done)
}
