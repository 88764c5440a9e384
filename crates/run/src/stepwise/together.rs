//! Small migrations, many in one message, where each statement commits by itself.
//!
//! One transaction says before all of them that they begin, and by what it will be known of each
//! statement whether it took effect ([`super::signs`]); one after them says that they are done. Of a
//! table a message only makes things or only takes them away, so that what a statement did is still to
//! be seen once those behind it ran: after a kill between the two the catalog tells which took effect
//! ([`super::doubt`]). Migrations of nothing but rows are transactions of their own among them, with
//! their end in the journal. The first statement that fails ends the message, and its migration is run
//! again by itself, as any other is: there it waits for locks, keeps what it destroys, and tells why it
//! cannot go on.

mod deletions;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use downhaul_engine::{EngineError, Row, TableLock};
use downhaul_plan::{Direction, Version};
use downhaul_snapshot::empty;
use downhaul_snapshot::packed::{self, Deletion};
use downhaul_syntax::lexer::{TokenKind, lex};
use downhaul_syntax::{Change, Dialect, Statement, change::InsertConflict};

use super::doubt::{self, Doubt};
use super::signs::{self, Known, Sign, Thing, bare};
use crate::apply::{Applied, Work};
use crate::journal::{Journal, JournalEntry, MigrationState};
use crate::patience::{Lookout, someone_is_slow};
use crate::prepare::Group;
use crate::runner::Options;
use crate::{Observer, RunError, Runner};
use deletions::Keeping;

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
    /// Statements that delete a few rows, which are kept with them: then it does nothing else.
    deletions: Vec<(usize, Deletion)>,
    /// How, once it is known that they can be.
    keeping: Vec<Keeping>,
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
            && prepared.foreseen.len() == statements.len()
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
        let rows = Self {
            work,
            texts: Vec::new(),
            signs: Vec::new(),
            empty: Vec::new(),
            filled: Vec::new(),
            deletions: Vec::new(),
            keeping: Vec::new(),
            needs,
        };
        if let [Group::Transaction(_)] = prepared.groups.as_slice() {
            let down = prepared.direction == Direction::Down && options.protect;
            let deletions = packed::deletions(statements, &losses, dialect).unwrap_or_default();
            if down && deletions.len() == statements.len() && dialect == Dialect::MariaDb {
                let bare = deletions.iter().all(|(_, deletion)| bare(&deletion.table).is_some());
                return bare.then_some(Self { texts, deletions, ..rows });
            }
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
            return (!nothing).then_some(Self { texts, filled, ..rows });
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
        Some(Self { texts, signs, empty, ..rows })
    }

    /// Whether it does nothing but add or delete rows.
    fn is_of_rows(&self) -> bool {
        self.signs.is_empty()
    }

    /// Tables that rows are deleted from.
    fn deleted_from(&self) -> impl Iterator<Item = &str> {
        self.deletions.iter().map(|(_, deletion)| deletion.table.name.as_str())
    }

    fn tables(&self) -> impl Iterator<Item = &str> {
        let named = self.signs.iter().flatten().map(|sign| sign.thing.table());
        named.chain(self.filled.iter().map(String::as_str)).chain(self.deleted_from())
    }

    fn place(&self) -> (&'a Version, Direction, i64) {
        (self.work.version, self.work.prepared.direction, self.work.operation)
    }

    /// The transaction of one that does nothing but add or delete rows.
    fn transact(
        &self,
        number: usize,
        journal: Journal,
        message: &mut Message,
    ) -> Result<(), EngineError> {
        let statements = &self.work.prepared.statements;
        message.statements.push("START TRANSACTION".to_owned());
        for (index, text) in self.texts.iter().enumerate() {
            match self.keeping.iter().find(|keeping| keeping.statement == index) {
                Some(keeping) => {
                    let [before, after] = keeping.around();
                    message.statements.push(before);
                    message.send(text, number, index);
                    message.statements.push(after);
                }
                None => message.send(text, number, index),
            }
        }
        message.statements.extend(deletions::records(self, journal)?);
        let (version, direction, operation) = self.place();
        let steps: Vec<(usize, &str, u128)> = statements
            .iter()
            .enumerate()
            .map(|(index, statement)| (index + 1, statement.shown(), 0))
            .collect();
        let steps = journal.steps_again((version, direction, operation), &steps, "settled");
        message.statements.extend(steps);
        message.statements.push(match direction {
            Direction::Up => journal.record(&self.work.entry, operation, 0),
            Direction::Down => journal.forget(version),
        });
        message.statements.push("COMMIT".to_owned());
        message.commits.push((message.statements.len() - 1, number));
        Ok(())
    }
}

/// One message.
#[derive(Default)]
struct Message {
    statements: Vec<String>,
    /// Which of them is which statement of which piece.
    texts: Vec<(usize, usize, usize)>,
    /// Which of them makes a piece of rows whole.
    commits: Vec<(usize, usize)>,
}

impl Message {
    fn of(pieces: &[Piece<'_>], journal: Journal, dialect: Dialect) -> Result<Self, EngineError> {
        let mut message = Self::default();
        message.statements.extend(beginning(pieces, journal)?);
        for (number, piece) in pieces.iter().enumerate() {
            if piece.is_of_rows() {
                piece.transact(number, journal, &mut message)?;
                continue;
            }
            for (index, text) in piece.texts.iter().enumerate() {
                let empty = piece.empty.get(index).map(Vec::as_slice).unwrap_or_default();
                for table in empty {
                    let table = dialect.quote_str(table);
                    message.statements.push(format!("LOCK TABLES {table} WRITE"));
                    // Fails where there is a row: too large a number.
                    message
                        .statements
                        .push(format!("SELECT EXP(1000 * EXISTS (SELECT 1 FROM {table}))"));
                }
                message.send(text, number, index);
                if !empty.is_empty() {
                    message.statements.push("UNLOCK TABLES".to_owned());
                }
            }
        }
        Ok(message)
    }

    fn send(&mut self, text: &str, piece: usize, index: usize) {
        self.texts.push((self.statements.len(), piece, index));
        self.statements.push(text.to_owned());
    }

    /// How many statements of a piece took effect, of a message of which so many ran.
    fn took(&self, piece: &Piece<'_>, number: usize, ran: usize) -> usize {
        if piece.is_of_rows() {
            let whole = self.commits.iter().any(|(at, of)| *of == number && *at < ran);
            return if whole { piece.texts.len() } else { 0 };
        }
        self.texts.iter().filter(|(at, of, _)| *of == number && *at < ran).count()
    }

    /// How long each statement of a piece took.
    fn durations(&self, number: usize, took: &[Duration]) -> Vec<Duration> {
        let own = self.texts.iter().filter(|(_, of, _)| *of == number);
        own.map(|(at, ..)| took.get(*at).copied().unwrap_or_default()).collect()
    }
}

/// Statements of the transaction that records, before anything else, that the definitions of a message
/// begin, and by what it will be known which of them took effect.
fn beginning(pieces: &[Piece<'_>], journal: Journal) -> Result<Vec<String>, EngineError> {
    let definitions = || pieces.iter().filter(|piece| !piece.is_of_rows());
    let Some(first) = definitions().next() else { return Ok(Vec::new()) };
    let (_, direction, operation) = first.place();
    let begin = match direction {
        Direction::Up => {
            let entries: Vec<JournalEntry> = definitions()
                .map(|piece| JournalEntry {
                    state: MigrationState::Applying,
                    ..piece.work.entry.clone()
                })
                .collect();
            journal.record_all(&entries, operation, 0)
        }
        Direction::Down => {
            let versions: Vec<&Version> = definitions().map(|piece| piece.work.version).collect();
            journal.set_states(&versions, MigrationState::Reverting)
        }
    };
    let mut steps = Vec::new();
    for piece in definitions() {
        for (index, statement) in piece.work.prepared.statements.iter().enumerate() {
            let probe = signs::probe(&piece.signs[index])?;
            steps.push((piece.work.version, index + 1, statement.shown(), probe));
        }
    }
    let steps = journal.started((direction, operation), &steps);
    Ok(vec!["START TRANSACTION".to_owned(), begin, steps, "COMMIT".to_owned()])
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
    let (took, failure) = lookout.while_running(sent).await;
    match failure {
        None => runner.pace.went_well(pieces.len(), begun.elapsed()),
        Some(EngineError::Disconnected(why)) => return Err(EngineError::Disconnected(why).into()),
        Some(_) => {
            runner.pace.failed();
            // What the failed transaction holds was not told to anybody.
            runner.session.execute("ROLLBACK; UNLOCK TABLES").await?;
        }
    }
    let complete = write_down(runner, &pieces, &message, &took).await?;
    told(runner, &pieces[..complete], &message, &took, observer).await
}

/// Records what took effect, and forgets what did not. Returns how many of the first are whole.
async fn write_down(
    runner: &mut Runner,
    pieces: &[Piece<'_>],
    message: &Message,
    took: &[Duration],
) -> Result<usize, EngineError> {
    let journal = runner.journal;
    let mut records = Vec::new();
    let mut ends = Vec::new();
    let mut complete = 0;
    for (number, piece) in pieces.iter().enumerate() {
        let (version, direction, operation) = piece.place();
        let effective = message.took(piece, number, took.len());
        let all = piece.texts.len();
        complete += usize::from(effective == all);
        if !piece.is_of_rows() {
            let steps = (0..all).map(|index| (index + 1, index < effective)).collect();
            ends.push(Doubt { version: version.clone(), direction, operation, steps });
        }
    }
    records.extend(doubt::records(&ends, journal));
    let (_, direction, operation) = pieces[0].place();
    let times: Vec<(&Version, usize, Duration)> = pieces[..complete]
        .iter()
        .enumerate()
        .flat_map(|(number, piece)| {
            let durations = message.durations(number, took).into_iter().enumerate();
            durations.map(|(index, took)| (piece.work.version, index + 1, took))
        })
        .collect();
    records.extend(journal.took_so_long((direction, operation), &times));
    if !records.is_empty() {
        let budget = runner.options.for_the_journal();
        runner.session.transact(budget, &records.join("; ")).await?;
    }
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
    let signs = || pieces.iter().flat_map(|piece| &piece.signs).flatten();
    let of_signs = |column: bool| -> BTreeSet<&str> {
        signs()
            .filter_map(|sign| match &sign.thing {
                Thing::Column(table, _) if column => Some(table.as_str()),
                Thing::Index(table, _) if !column => Some(table.as_str()),
                _ => None,
            })
            .collect()
    };
    let filled: BTreeSet<&str> =
        pieces.iter().flat_map(|piece| &piece.filled).map(String::as_str).collect();
    let all = [(names, false), (of_signs(true), false), (of_signs(false), false), (filled, true)];
    let wanted = all.map(|(names, of_triggers)| by_name(journal, &names, of_triggers));
    let [tables, columns, indexes, triggers] = wanted;
    questions.extend(tables.iter().map(|of| format!(
        "SELECT 't', TABLE_NAME, TABLE_TYPE, ENGINE, COALESCE(AUTO_INCREMENT, 0), COALESCE(DATA_LENGTH, 0) FROM information_schema.TABLES WHERE {of}"
    )));
    questions.extend(columns.iter().map(|of| {
        format!("SELECT 'c', TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE {of}")
    }));
    questions.extend(indexes.iter().map(|of| format!(
        "SELECT DISTINCT 'i', TABLE_NAME, INDEX_NAME FROM information_schema.STATISTICS WHERE {of}"
    )));
    questions.extend(triggers.iter().map(|of| {
        format!(
            "SELECT 'g', count(*) FROM information_schema.TRIGGERS WHERE {of} HAVING count(*) > 0"
        )
    }));
    questions.join("; ")
}

/// So many tables are asked for at once: with a list of names the server reads those of all tables that
/// there are, once for each question, and opens only these.
const MANY: usize = 8;

/// Conditions that find tables by their names: one for all, or for each its own, by which the server
/// looks nowhere else.
fn by_name(journal: Journal, names: &BTreeSet<&str>, of_triggers: bool) -> Vec<String> {
    let (schema, table) = if of_triggers {
        ("EVENT_OBJECT_SCHEMA", "EVENT_OBJECT_TABLE")
    } else {
        ("TABLE_SCHEMA", "TABLE_NAME")
    };
    let names: Vec<String> = names.iter().map(|name| journal.text(name)).collect();
    if names.len() < MANY {
        let one = |name| format!("{schema} = DATABASE() AND {table} = {name}");
        return names.iter().map(one).collect();
    }
    vec![format!("{schema} = DATABASE() AND {table} IN ({})", names.join(", "))]
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
    let (mut made, mut ways) = (BTreeSet::new(), BTreeMap::new());
    let fitting = pieces.iter().position(|piece| {
        !piece.goes_the_same_way(&mut ways) || !piece.fits(&mut known, &before, &mut made, table)
    });
    pieces.truncate(fitting.unwrap_or(pieces.len()));
    deletions::keep(runner, pieces).await
}

impl Piece<'_> {
    /// Whether what was done to its tables in this message can still be seen once it ran, and what is
    /// known of tables that it deletes rows from still holds then. `ways`: whether things of a table
    /// were made or taken away.
    fn goes_the_same_way(&self, ways: &mut BTreeMap<String, bool>) -> bool {
        let signs = self.signs.iter().flatten();
        let seen = signs.clone().all(|sign| {
            ways.get(&sign.thing.table().to_lowercase()).is_none_or(|there| *there == sign.there)
        });
        ways.extend(signs.map(|sign| (sign.thing.table().to_lowercase(), sign.there)));
        seen && self.deleted_from().all(|table| !ways.contains_key(&table.to_lowercase()))
    }

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
        let rows = rows && self.deleted_from().all(|name| table(name).is_some_and(innodb));
        let followed = self.is_of_rows() || changes().all(|change| known.follow(change).is_some());
        there && blank && rows && followed
    }
}

/// Tells of those that are whole.
async fn told(
    runner: &mut Runner,
    pieces: &[Piece<'_>],
    message: &Message,
    took: &[Duration],
    observer: &mut dyn Observer,
) -> Result<Vec<Applied>, RunError> {
    let points = pieces.iter().flat_map(|piece| &piece.keeping).map(|keeping| keeping.point);
    let kept = runner.journal.kept_since(&mut *runner.session, points).await?;
    let mut done = Vec::with_capacity(pieces.len());
    for (number, piece) in pieces.iter().enumerate() {
        let steps = message.durations(number, took);
        done.push(piece.work.tell(&steps, &kept, observer));
    }
    Ok(done)
}
