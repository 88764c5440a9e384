//! Small migrations, many in one message, each in a transaction of its own.
//!
//! What a migration costs beside its own statements is mostly messages: each is a round trip, and a
//! server process that is woken. Where nothing has to be decided between two migrations, they need
//! none: on PostgreSQL what would be asked of each is asked of all before, and what may have changed
//! until then is tested within the transaction, which fails where it did. A migration that fails, for
//! whatever reason, is rolled back and run again by itself, as any other is: there it waits for locks,
//! keeps what it destroys, and tells why it cannot go on.

mod deletions;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use downhaul_engine::{AT_ONCE, EngineError, Row, TableLock};
use downhaul_plan::{Direction, Version};
use downhaul_snapshot::packed::{self, Deletion};
use downhaul_snapshot::{empty, hidden, tombstone};
use downhaul_syntax::change::InsertConflict;
use downhaul_syntax::{Change, Dialect, Parsed, Statement};

use super::{Applied, Work, one_commit};
use crate::journal::{Journal, Planned, STATE, fail_if};
use crate::patience::{Lookout, someone_is_slow};
use crate::runner::Options;
use crate::{Observer, RunError, Runner, stepwise};
use deletions::Keeping;

/// Migrations of the first message, and at most of one.
const FIRST: usize = 8;
const MOST: usize = 200;

/// Bytes of their statements.
const LONGEST: usize = 256 * 1024;

/// How long the server may work on one message: nothing stops between.
const AIM: Duration = Duration::from_millis(200);

/// Bytes up to which work on a table is short.
const SMALL: i64 = 8 * 1024 * 1024;

/// How many migrations go together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    size: usize,
    /// So many go by themselves before it is tried again.
    alone: usize,
    /// How many went by themselves since the last time that it went well.
    failures: usize,
    /// Never in this run.
    off: bool,
    /// So many go before the one that failed among others, which then goes by itself.
    before: usize,
    /// Time worked since others last had theirs.
    worked: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let worked = Duration::ZERO;
        Self { size: FIRST, alone: 0, failures: 0, off: false, before: 0, worked }
    }
}

impl Pace {
    /// How many migrations are worth looking at now.
    pub(crate) fn look_ahead(&mut self) -> usize {
        if self.off {
            0
        } else if self.before > 1 {
            self.before.min(self.size)
        } else if self.before == 1 {
            self.before = 0;
            0
        } else if self.alone > 0 {
            self.alone -= 1;
            0
        } else {
            self.size
        }
    }

    pub(crate) fn went_well(&mut self, migrations: usize, took: Duration) {
        let fitting = migrations as f64 * AIM.as_secs_f64() / took.as_secs_f64().max(0.001);
        self.size = (fitting as usize).clamp(FIRST, (self.size * 4).min(MOST));
        if self.before > 0 {
            // What they were cut off for is still to come.
            self.before = self.before.saturating_sub(migrations);
        } else {
            self.failures = 0;
        }
    }

    /// Of several the one failed that so many go before, and none of them stands.
    pub(crate) fn failed_behind(&mut self, others: usize) {
        let size = self.size;
        self.failed();
        self.before = others;
        self.size = size;
    }

    /// After so much more work: whether a shift is over, and the next one begins.
    pub(crate) fn is_over(&mut self, shift: Duration, more: Duration) -> bool {
        self.worked += more;
        let over = self.worked >= shift;
        if over {
            self.worked = Duration::ZERO;
        }
        over
    }

    /// Never again in this run.
    pub(crate) fn never(&mut self) {
        self.off = true;
    }

    pub(crate) fn failed(&mut self) {
        self.alone = 1 << self.failures.min(6);
        self.failures += 1;
        self.size = FIRST;
    }
}

/// A migration that may go with others.
struct Piece<'a> {
    work: &'a Work<'a>,
    needs: Vec<TableLock>,
    /// Quoted names of tables of which something would be lost if they were not empty.
    empty: Vec<String>,
    /// Statements that delete a few rows, which are kept with them.
    deletions: Vec<(usize, Deletion)>,
    /// How, once it is known that they can be.
    keeping: Vec<Keeping>,
    /// Code of somebody's may run with it.
    runs_code: bool,
}

impl<'a> Piece<'a> {
    /// `None` where something is to be decided while it runs.
    fn of(work: &'a Work<'a>, options: &Options) -> Option<Self> {
        let prepared = work.prepared;
        let statements: Vec<&Statement> = prepared.statements.iter().collect();
        let foreseen = prepared.foreseen.len() == statements.len() && !statements.is_empty();
        let plain = prepared.is_transactional()
            && !prepared.changes_settings
            && prepared.protection.is_empty()
            && work.entry.squashed.is_empty()
            && work.points.is_empty();
        if !foreseen || !plain || !statements.iter().all(|statement| is_plain(statement)) {
            return None;
        }
        if tombstone::takes_other_objects(&statements) {
            return None;
        }
        let losses = prepared.losses(&prepared.statements, Dialect::Postgres);
        let down = prepared.direction == Direction::Down && options.protect;
        if options.protect && !down && losses.unmakes() {
            return None;
        }
        let deletions =
            packed::deletions(&prepared.statements, &losses, Dialect::Postgres).unwrap_or_default();
        let mut empty = Vec::new();
        if deletions.is_empty() {
            let names = empty::candidates(&losses)?;
            empty.extend(names.into_iter().map(|name| Dialect::Postgres.quote_name(name)));
        }
        let nothing_goes = empty.is_empty() && deletions.is_empty();
        if !nothing_goes && !down {
            return None;
        }
        let code = |(index, statement): (usize, &&Statement)| {
            !deletions.iter().any(|(at, _)| *at == index) && !hidden::runs_no_code(statement)
        };
        let runs_code = statements.iter().enumerate().any(code);
        if runs_code && !deletions.is_empty() {
            return None;
        }
        let members: Vec<usize> = (0..statements.len()).collect();
        Some(Self {
            work,
            needs: prepared.locks_of(&members),
            empty,
            deletions,
            keeping: Vec::new(),
            runs_code,
        })
    }

    fn names(&self) -> impl Iterator<Item = String> {
        let locked = self.needs.iter().map(|need| Dialect::Postgres.quote_name(&need.table));
        locked.chain(self.empty.iter().cloned()).chain(self.deleted_from())
    }

    /// Quoted names of tables that rows are deleted from.
    fn deleted_from(&self) -> impl Iterator<Item = String> {
        self.deletions.iter().map(|(_, deletion)| Dialect::Postgres.quote_name(&deletion.table))
    }

    /// Its transaction.
    fn statements(
        &self,
        journal: Journal,
        planned: &Planned,
        tables: &BTreeMap<String, Table>,
    ) -> Result<String, EngineError> {
        let (work, prepared) = (self.work, self.work.prepared);
        let mut parts = Vec::with_capacity(prepared.statements.len() * 2 + 4);
        if !self.empty.is_empty() {
            let all: Vec<&Table> = self.empty.iter().filter_map(|name| tables.get(name)).collect();
            let names: Vec<&str> = all.iter().map(|table| table.name.as_str()).collect();
            parts.push(format!(
                "LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE",
                names.join(", ONLY ")
            ));
            let (blank, written): (Vec<&Table>, Vec<&Table>) =
                all.into_iter().partition(|table| table.blank);
            parts.extend(blank.iter().map(|table| planned.refuse_unless_blank(&table.oid)));
            if !written.is_empty() {
                let any = any_row(written.iter().map(|table| table.name.as_str()));
                parts.push(format!("SELECT {}", fail_if(&any)));
            }
        }
        let mut steps = Vec::with_capacity(prepared.statements.len());
        let last = prepared.statements.len() - 1;
        for (index, statement) in prepared.statements.iter().enumerate() {
            match self.keeping.iter().find(|keeping| keeping.statement == index) {
                Some(keeping) => parts.extend(keeping.statements(work, journal, planned)?),
                None => parts.push(statement.text.clone()),
            }
            let begun = if index == 0 { clock_before() } else { marked(index) };
            let end = if index == last {
                note_clock()
            } else {
                parts.push(mark(index + 1));
                marked(index + 1)
            };
            steps.push((statement.shown(), format!("(-({begun} - {end}) * 1000)::bigint")));
        }
        if self.runs_code {
            parts.push(planned.refuse_if_touched());
        }
        parts.push(match prepared.direction {
            Direction::Up => journal.end_up(planned, &work.entry, work.operation, &steps),
            Direction::Down => journal.end_down(planned, work.version, work.operation, &steps),
        });
        // A statement may end in a comment.
        Ok(parts.join("\n;\n"))
    }
}

/// Seconds, by the server's clock.
const CLOCK: &str = "extract(epoch FROM clock_timestamp())::float8";

/// Notes the time, in a setting of the transaction.
fn mark(number: usize) -> String {
    format!("SELECT pg_catalog.set_config('downhaul.at_{number}', ({CLOCK})::text, true)")
}

fn marked(number: usize) -> String {
    format!("pg_catalog.current_setting('downhaul.at_{number}')::float8")
}

/// When the transaction before this one ended.
fn clock_before() -> String {
    "pg_catalog.current_setting('downhaul.at')::float8".to_owned()
}

/// The time, noted for the transaction behind this one. What is written to the left of it in an
/// expression is read before.
fn note_clock() -> String {
    format!("pg_catalog.set_config('downhaul.at', ({CLOCK})::text, false)::float8")
}

fn any_row<'a>(tables: impl Iterator<Item = &'a str>) -> String {
    let tests: Vec<String> =
        tables.map(|table| format!("EXISTS (SELECT FROM ONLY {table})")).collect();
    tests.join(" OR ")
}

/// What it does is known, and short where tables are small.
fn is_plain(statement: &Statement) -> bool {
    let Parsed::Changes(changes) = &statement.parsed else { return false };
    statement.copy_data.is_none()
        && !changes.is_empty()
        && changes.iter().all(|change| match change {
            Change::CreateTable { def, .. } => def.as_query.is_none(),
            Change::CreateView { materialized, .. } => !materialized,
            Change::Insert { conflict, .. } => *conflict == InsertConflict::Fail,
            Change::AddColumn { .. }
            | Change::AddConstraint { .. }
            | Change::CreateIndex { .. }
            | Change::Delete { .. } => true,
            _ => hidden::runs_no_code(statement),
        })
}

/// What the server says of a table.
struct Table {
    /// Its full name, quoted.
    name: String,
    bytes: i64,
    /// All of its rows can be seen by looking into it.
    plain: bool,
    /// Its number.
    oid: String,
    /// What rows are deleted from: what changes with its definition, where a `DELETE` does nothing else.
    state: Option<String>,
    /// It has no page, and so no row.
    blank: bool,
}

/// What is asked before a message, of versions, and of tables behind the second separator: whether
/// anything stands against it and how many versions are recorded (v), and of each table (t) that is
/// there what [`Table`] says.
fn questions(journal: Journal) -> [String; 2] {
    [
        format!(
            "SELECT 'v', EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D') \
               OR pg_catalog.to_regclass('downhaul.tracked') IS NOT NULL, \
             (SELECT count(*) FROM {} WHERE version = ANY (string_to_array(split_part($1, chr(2), 1), chr(1)))), \
             {}, (SELECT coalesce(max(id), 0) FROM {}), (SELECT coalesce(max(id), 0) FROM {})",
            journal.table("migration"),
            packed::READY,
            journal.table("restore_point"),
            journal.table("kept"),
        ),
        // As the snapshot manager asks before it takes a table for empty; one that owns a counter is
        // left to it.
        format!(
            "SELECT 't', v.name, pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.pg_table_size(c.oid), \
           c.relkind = 'r' AND NOT c.relispartition AND NOT c.relrowsecurity \
             AND NOT (EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)) \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid \
               WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass \
                 AND d.refobjid = c.oid AND d.deptype IN ('a', 'i') AND s.relkind = 'S'), \
           c.oid, \
           CASE WHEN v.name = ANY (string_to_array(split_part($1, chr(2), 3), chr(1))) \
             AND c.relkind = 'r' AND NOT c.relispartition AND NOT c.relrowsecurity AND NOT c.relhasrules THEN {} END, \
           pg_catalog.pg_relation_size(c.oid) = 0 \
         FROM unnest(string_to_array(split_part($1, chr(2), 2), chr(1))) v (name) \
         JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(v.name) \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
            STATE.replace("{table}", "c.oid")
        ),
    ]
}

/// Runs as many of the first of these migrations together as can be, at most as many as
/// [`Pace::look_ahead`] says. Returns what they did: nothing where the first one has to go by itself.
pub(crate) async fn together(
    runner: &mut Runner,
    works: &[Work<'_>],
    observer: &mut dyn Observer,
) -> Result<Vec<Applied>, RunError> {
    if runner.session.dialect().is_mysql_family() {
        return stepwise::together(runner, works, observer).await;
    }
    if observer.comes_between() {
        return Ok(Vec::new());
    }
    if runner.session.dialect() == Dialect::Sqlite {
        return one_commit::together(runner, works, observer).await;
    }
    let options = runner.options.clone();
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut length = 0;
    for work in works {
        length += work.prepared.text.len();
        let counted =
            !runner.counted.is_nothing() || pieces.iter().any(|p| !p.deletions.is_empty());
        let piece = Piece::of(work, &options).filter(|piece| !piece.runs_code || !counted);
        match piece {
            Some(piece) if length <= LONGEST => pieces.push(piece),
            _ => break,
        }
    }
    // One alone gains nothing.
    if pieces.len() < 2 || someone_is_slow(runner, pieces.iter().flat_map(|p| &p.needs)).await? {
        return Ok(Vec::new());
    }
    let journal = runner.journal;
    let planned = match runner.session.keep_plans(&journal.to_plan()).await {
        Err(EngineError::Disconnected(why)) => return Err(EngineError::Disconnected(why).into()),
        planned => planned.ok().and_then(|names| journal.planned(names)),
    };
    let Some(planned) = planned else {
        runner.pace.never();
        return Ok(Vec::new());
    };
    let Some(tables) = open(runner, &mut pieces).await? else { return Ok(Vec::new()) };
    if pieces.len() < 2 {
        // Asking again before each would cost more than it gains.
        runner.pace.failed();
        runner.session.close_together().await?;
        return Ok(Vec::new());
    }
    let transactions: Result<Vec<String>, EngineError> =
        pieces.iter().map(|piece| piece.statements(journal, &planned, &tables)).collect();
    let mut transactions = transactions?;
    if let Some(first) = transactions.first_mut() {
        first.insert_str(0, &format!("SELECT {};\n", note_clock()));
    }
    deletions::forget_counts(runner, &pieces, &tables, &mut transactions);
    let begun = Instant::now();
    let lookout = Lookout::new(runner);
    let result = lookout.while_running(runner.session.together(&transactions)).await;
    if let Err(EngineError::Disconnected(why)) = result {
        return Err(EngineError::Disconnected(why).into());
    }
    match result {
        Ok(()) => runner.pace.went_well(pieces.len(), begun.elapsed()),
        Err(_) => {
            // The server's counts of changed rows know no rollback.
            runner.counted.anything();
            runner.pace.failed();
        }
    }
    told(runner, &pieces, observer).await
}

/// Opens the row, and leaves out the pieces from the first one on that cannot be in it. `None`: it
/// could not be opened.
async fn open(
    runner: &mut Runner,
    pieces: &mut Vec<Piece<'_>>,
) -> Result<Option<BTreeMap<String, Table>>, EngineError> {
    let up = pieces[0].work.prepared.direction == Direction::Up;
    let versions: Vec<&str> = pieces.iter().map(|piece| piece.work.version.as_str()).collect();
    let mut names: Vec<String> = pieces.iter().flat_map(Piece::names).collect();
    names.sort();
    names.dedup();
    let deleted_from: Vec<String> = pieces.iter().flat_map(Piece::deleted_from).collect();
    let about = [versions.join("\u{1}"), names.join("\u{1}"), deleted_from.join("\u{1}")];
    let about = about.join("\u{2}");
    let queries = questions(runner.journal);
    let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
    let mut budget = runner.options.budget;
    if pieces.iter().any(|piece| !piece.needs.is_empty()) {
        // By itself a migration locks its tables together, and waits as long as it may.
        budget.lock_timeout = budget.lock_timeout.min(AT_ONCE);
    }
    let rows = match runner.session.open_together(budget, &queries, &about).await {
        Ok(Some(rows)) => rows,
        Ok(None) => {
            runner.pace.never();
            return Ok(None);
        }
        Err(EngineError::Disconnected(why)) => return Err(EngineError::Disconnected(why)),
        // Another transaction of ours is at work, or this server does not know what is asked: by
        // itself a migration waits, and says what is wrong.
        Err(_) => {
            runner.pace.failed();
            return Ok(None);
        }
    };
    let of = |letter: &'static str| rows.iter().filter(move |row| row.text(0) == letter);
    let against = of("v").next().is_none_or(|row| row.flag(1));
    let recorded = of("v").next().map(|row| row.number(2)).transpose()?.unwrap_or(0);
    if against {
        runner.pace.never();
        pieces.clear();
        return Ok(Some(BTreeMap::new()));
    }
    let expected = if up { 0 } else { pieces.len() };
    if usize::try_from(recorded) != Ok(expected) {
        // Somebody else was here.
        runner.pace.failed();
        pieces.clear();
        return Ok(Some(BTreeMap::new()));
    }
    let mut tables = BTreeMap::new();
    for row in of("t") {
        let table = Table {
            name: row.text(2).to_owned(),
            bytes: row.number(3)?,
            plain: row.flag(4),
            oid: row.text(5).to_owned(),
            state: row.opt(6).map(str::to_owned),
            blank: row.flag(7),
        };
        tables.insert(row.text(1).to_owned(), table);
    }
    let long = pieces.iter().position(|piece| {
        piece.names().any(|name| tables.get(&name).is_some_and(|table| table.bytes > SMALL))
            || piece.empty.iter().any(|name| tables.get(name).is_none_or(|table| !table.plain))
    });
    pieces.truncate(long.unwrap_or(pieces.len()));
    let mut looked_at: Vec<&str> = Vec::new();
    // What one of them deletes the rows of may be empty for those behind it.
    let mut emptied: Vec<&str> = Vec::new();
    for piece in pieces.iter() {
        let named = |name: &String| tables.get(name);
        for table in piece.empty.iter().filter_map(named).filter(|table| !table.blank) {
            if !emptied.contains(&table.name.as_str()) {
                looked_at.push(&table.name);
            }
        }
        emptied.extend(piece.deleted_from().filter_map(|n| Some(tables.get(&n)?.name.as_str())));
    }
    looked_at.sort_unstable();
    looked_at.dedup();
    if !looked_at.is_empty() {
        let answer = runner.session.row(&filled(&looked_at)).await?.unwrap_or(Row(Vec::new()));
        let full: Vec<&str> = looked_at
            .iter()
            .enumerate()
            .filter(|(place, _)| answer.flag(*place))
            .map(|(_, name)| *name)
            .collect();
        let mut emptied: Vec<&str> = Vec::new();
        let kept = pieces.iter().position(|piece| {
            let names = |name: String| tables.get(&name).map(|table| table.name.as_str());
            emptied.extend(piece.deleted_from().filter_map(names));
            piece.empty.iter().any(|name| {
                tables.get(name).is_some_and(|table| {
                    full.contains(&table.name.as_str()) && !emptied.contains(&table.name.as_str())
                })
            })
        });
        pieces.truncate(kept.unwrap_or(pieces.len()));
    }
    let numbers = of("v")
        .next()
        .map(|row| Ok::<_, EngineError>((row.flag(3), row.number(4)?, row.number(5)?)));
    deletions::keep(runner, pieces, &tables, numbers.transpose()?).await?;
    Ok(Some(tables))
}

/// Asks of each table whether it has a row.
fn filled(tables: &[&str]) -> String {
    let tests: Vec<String> = tables.iter().map(|table| any_row(std::iter::once(*table))).collect();
    format!("SELECT {}", tests.join(", "))
}

/// Tells of those that are committed, by what the journal says of them.
async fn told(
    runner: &mut Runner,
    pieces: &[Piece<'_>],
    observer: &mut dyn Observer,
) -> Result<Vec<Applied>, RunError> {
    let first = pieces[0].work;
    let (operation, direction) = (first.operation, first.prepared.direction);
    let versions: Vec<&Version> = pieces.iter().map(|piece| piece.work.version).collect();
    let mut took =
        runner.journal.took(&mut *runner.session, operation, direction, &versions).await?;
    let points = pieces.iter().flat_map(|piece| &piece.keeping).map(|keeping| keeping.point);
    let kept = runner.journal.kept_since(&mut *runner.session, points).await?;
    let mut done = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let Some(steps) = took.remove(piece.work.version.as_str()) else { break };
        done.push(piece.work.tell(&steps, &kept, observer));
    }
    Ok(done)
}
