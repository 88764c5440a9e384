//! One migration in one direction: protect, run, restore, record.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use downhaul_engine::{Blocker, EngineError, LockBudget, SchemaDump, Session};
use downhaul_plan::{Direction, Version};
use downhaul_snapshot::complete::{self, Action, Stage};
use downhaul_snapshot::keep::{self, Endangered};
use downhaul_snapshot::restore::{self, Held, Restored};
use downhaul_snapshot::{Kept, Losses, SnapshotError, seeded, settle};
use downhaul_snapshot::{empty, hidden};
use downhaul_syntax::{Change, Dialect, Parsed, Statement};

use crate::error::FailedStatement;
use crate::journal::{JournalEntry, MigrationState, RestorePoint};
use crate::patience::{Cause, Lookout, Patience, blame};
use crate::prepare::{Group, Prepared};
use crate::tracking::Tracking;
use crate::{Event, Observer, RunError, Runner, backfill, probe, stepwise};

/// What was kept of one table, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSummary {
    /// The table.
    pub table: String,
    /// "table", "columns phone, marketing_opt_in", "rows", "rows and changed values of email".
    pub what: String,
    /// Rows kept.
    pub rows: u64,
}

impl KeptSummary {
    /// Describes what was kept.
    #[must_use]
    pub fn of(kept: &Kept) -> Self {
        let names = |columns: Vec<&downhaul_snapshot::KeptColumn>| {
            columns.iter().map(|c| c.name.to_string()).collect::<Vec<_>>().join(", ")
        };
        let lost: Vec<_> = kept.lost_columns().collect();
        let changed: Vec<_> = kept.changed_columns().collect();
        let what = if kept.after.is_none() {
            "the whole table".to_owned()
        } else {
            let mut parts = Vec::new();
            match kept.rows_gone {
                0 => {}
                gone if gone == kept.rows => parts.push("deleted rows".to_owned()),
                gone => parts.push(format!("{gone} deleted rows")),
            }
            if !lost.is_empty() {
                parts.push(format!("column {}", names(lost)));
            }
            if !changed.is_empty() {
                parts.push(format!("old values of {}", names(changed)));
            }
            parts.join(", ")
        };
        Self { table: kept.table.to_string(), what, rows: kept.rows }
    }
}

/// What running one migration did.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Kept before it was destroyed.
    pub kept: Vec<KeptSummary>,
    /// Put back.
    pub restored: Vec<Restored>,
    /// Parts of the schema that Downhaul put back because the file forgot them.
    pub completed: Vec<String>,
    /// Parts of the schema that differ from what they were, and were left.
    pub left: Vec<String>,
    /// Somebody else had done it already.
    pub skipped: bool,
}

/// One direction of one migration, and what the journal needs to know of it.
pub(crate) struct Work<'a> {
    pub(crate) version: &'a Version,
    pub(crate) prepared: &'a Prepared,
    /// What is recorded once an up is applied.
    pub(crate) entry: JournalEntry,
    pub(crate) operation: i64,
    /// What the run in the other direction kept, newest first.
    pub(crate) points: Vec<RestorePoint>,
}

/// What must be put in the place of a statement, or left as it is.
pub(crate) enum Substitute {
    None,
    Instead(Vec<String>),
}

/// Why an attempt ended.
pub(crate) enum Stop {
    /// The server refused statement `index`.
    Statement(usize, EngineError),
    /// The restore point is not sound.
    Snapshot(SnapshotError),
    /// Anything else of the database.
    Engine(EngineError),
}

impl Stop {
    /// The error, where another session was in the way.
    pub(crate) fn lock_error(&self) -> Option<&EngineError> {
        match self {
            Self::Statement(_, error) | Self::Engine(error) if gives_way(error) => Some(error),
            _ => None,
        }
    }

    /// Adds who was in the way.
    pub(crate) fn blame(self, blockers: &[Blocker]) -> Self {
        match self {
            Self::Statement(index, error) => Self::Statement(index, blame(error, blockers)),
            Self::Engine(error) => Self::Engine(blame(error, blockers)),
            other => other,
        }
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<SnapshotError> for Stop {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Engine(error) => Self::Engine(error),
            error => Self::Snapshot(error),
        }
    }
}

/// Runs one direction of one migration to its end, whatever its groups.
pub(crate) async fn run(
    runner: &mut Runner,
    work: &Work<'_>,
    completed: usize,
    observer: &mut dyn Observer,
) -> Result<Applied, RunError> {
    let prepared = work.prepared;
    let started = Instant::now();
    observer.event(Event::Started {
        label: &prepared.label,
        direction: prepared.direction,
        statements: prepared.statements.len(),
    });
    for note in &prepared.notes {
        observer.event(Event::Note(note));
    }
    let applied = if !runner.session.dialect().has_transactional_ddl() {
        stepwise::run(runner, work, completed, observer).await?
    } else if prepared.is_transactional() {
        let members: Vec<usize> = (0..prepared.statements.len()).collect();
        transaction(runner, work, &members, Whole::Yes, completed, observer).await?
    } else {
        in_groups(runner, work, completed, observer).await?
    };
    let pooled = runner.session.server().pooled;
    if prepared.changes_settings && runner.session.dialect() == Dialect::Postgres && !pooled {
        // A SET without LOCAL would reach the next migration.
        runner.session.reset_settings().await?;
    }
    let took = started.elapsed();
    observer.event(Event::Done { label: &prepared.label, direction: prepared.direction, took });
    Ok(applied)
}

/// Whether a transaction holds the whole migration, or one group of several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    Group { last: bool },
}

/// Runs statements in one transaction, again and again while locks are not to be had.
async fn transaction(
    runner: &mut Runner,
    work: &Work<'_>,
    members: &[usize],
    whole: Whole,
    completed: usize,
    observer: &mut dyn Observer,
) -> Result<Applied, RunError> {
    let prepared = work.prepared;
    let dialect = runner.session.dialect();
    let losses = prepared.losses(members.iter().map(|i| &prepared.statements[*i]), dialect);
    let foreign_keys_off = dialect == Dialect::Sqlite && foreign_keys_must_be_off(work, &losses);
    let needs = prepared.locks_of(members);
    let cause = Cause { operation: work.operation, version: work.version };
    let mut patience = Patience::new();
    loop {
        patience.clear_way(runner, &needs, cause, observer).await?;
        if foreign_keys_off {
            runner.session.execute("PRAGMA foreign_keys = OFF").await?;
        }
        let lookout = Lookout::new(runner);
        let result = lookout
            .while_running(attempt(
                runner,
                work,
                members,
                whole,
                &losses,
                foreign_keys_off,
                observer,
            ))
            .await;
        let stop = match result {
            Ok(applied) => {
                if foreign_keys_off {
                    runner.session.execute("PRAGMA foreign_keys = ON").await?;
                }
                return Ok(applied);
            }
            Err(stop) => stop,
        };
        // The server's counts of changed rows know no rollback.
        runner.changed_rows = true;
        // After a broken connection there is nothing to roll back: the server does it.
        let _ = runner.session.rollback().await;
        if foreign_keys_off {
            let _ = runner.session.execute("PRAGMA foreign_keys = ON").await;
        }
        let stop = match stop.lock_error() {
            None => stop,
            Some(_) => {
                let (journal, options) = (runner.journal, runner.options.clone());
                let session = &mut *runner.session;
                let blockers = lookout.blockers(session, &needs).await;
                if patience.again(session, journal, &options, &blockers, cause, observer).await? {
                    continue;
                }
                stop.blame(&blockers)
            }
        };
        return Err(match stop {
            Stop::Statement(index, error) => RunError::Failed {
                label: prepared.label.clone(),
                direction: prepared.direction,
                completed,
                statement: prepared.failed(index, error),
            },
            Stop::Snapshot(reason) => RunError::Refused {
                label: prepared.label.clone(),
                direction: prepared.direction,
                reason,
            },
            Stop::Engine(error) => match error.failure() {
                // A statement of Downhaul's own, such as the copy or the lock before it.
                Some(failure) => RunError::Failed {
                    label: prepared.label.clone(),
                    direction: prepared.direction,
                    completed,
                    statement: Box::new(FailedStatement {
                        path: prepared.path.clone(),
                        line: 1,
                        column: 1,
                        sql: failure.sql.clone(),
                        error,
                    }),
                },
                None => RunError::Engine(error),
            },
        });
    }
}

/// SQLite: `DROP TABLE` with foreign keys on deletes the rows of referencing tables, and the switch
/// does nothing inside a transaction. So they are off, and checked before the commit, whenever a
/// table is rebuilt; but not where the statements count on cascades.
fn foreign_keys_must_be_off(work: &Work<'_>, losses: &Losses) -> bool {
    if work.prepared.foreign_keys_off {
        return true;
    }
    let counts_on_cascades = losses.tables.values().any(|loss| loss.acts_on_others);
    let drops = losses.tables.values().any(|loss| loss.dropped);
    let rebuilds = drops
        && work.prepared.statements.iter().flat_map(Statement::changes).any(|change| {
            matches!(change, Change::RenameTable { to, .. } if losses.tables.get(to).is_some_and(|l| l.dropped))
        });
    !counts_on_cascades && (rebuilds || !work.points.is_empty())
}

async fn foreign_key_violations(
    session: &mut dyn Session,
) -> Result<BTreeSet<String>, EngineError> {
    let rows =
        session.rows("SELECT \"table\", rowid, parent, fkid FROM pragma_foreign_key_check").await?;
    Ok(rows
        .iter()
        .map(|row| {
            format!("{} row {} → {} (key {})", row.text(0), row.text(1), row.text(2), row.text(3))
        })
        .collect())
}

/// One try.
async fn attempt(
    runner: &mut Runner,
    work: &Work<'_>,
    members: &[usize],
    whole: Whole,
    losses: &Losses,
    foreign_keys_off: bool,
    observer: &mut dyn Observer,
) -> Result<Applied, Stop> {
    let (journal, prepared) = (runner.journal, work.prepared);
    let started = Instant::now();
    let protect = runner.options.protect;
    let budget = runner.options.budget;
    let session = &mut *runner.session;
    let up = prepared.direction == Direction::Up;
    session.begin(budget).await?;
    let mut applied = Applied::default();
    let newest = hidden::Watch::newest(session.dialect());
    let questions: Vec<String> =
        [journal.count(work.version)].into_iter().chain(newest.map(str::to_owned)).collect();
    let answers = session.rows(&questions.join("; ")).await?;
    let recorded = answers.first().is_some_and(|row| row.text(0) != "0");
    let newest = newest.and(answers.get(1)).map(|row| row.number(0)).transpose()?;
    if whole == Whole::Yes && recorded == up {
        session.rollback().await?;
        applied.skipped = true;
        return Ok(applied);
    }
    let mut tracking = Tracking::begin(session).await?;
    // Restore points belong to the whole way back: they are used with its last group.
    let points: &[RestorePoint] =
        if matches!(whole, Whole::Group { last: false }) { &[] } else { &work.points };

    let mut losses = losses.clone();
    // Where an up takes an empty table away, its down still has the schema to bring back.
    let empty =
        if protect && !up { empty::set_aside(session, &mut losses).await? } else { Vec::new() };
    let endangered = if protect { keep::endangered(session, &losses).await? } else { Vec::new() };
    // A way forward again does not look at the schema that the way back found.
    let watch = protect && (up && !endangered.is_empty() || !losses.unreadable.is_empty());
    let before = if watch { Some(session.dump().await?) } else { None };
    let violations =
        if foreign_keys_off { foreign_key_violations(session).await? } else { BTreeSet::new() };

    let mut holds: Vec<Vec<Held>> = Vec::new();
    for point in points {
        let mut held = Vec::new();
        for kept in &point.kept {
            restore::check_sound(session, kept).await?;
            held.push(restore::hold(session, kept).await?);
        }
        holds.push(held);
    }

    if losses.replaces && session.dialect() == Dialect::Sqlite {
        // Without it REPLACE deletes rows behind the back of every trigger.
        session.execute("PRAGMA recursive_triggers = ON").await?;
    }
    let hidden_is_off = !protect || losses.all_given_up;
    let hidden = if !hidden_is_off {
        // A server session of a pool may come with the counts of those who had it before.
        let changed = runner.changed_rows || session.server().pooled;
        Some(hidden::Watch::begin(session, newest, changed).await?)
    } else {
        None
    };
    let mut kept: Vec<Kept> = Vec::new();
    let first = if endangered.is_empty() { 0 } else { journal.next_kept(session).await? };
    for (number, table) in (first..).zip(&endangered) {
        observer.event(Event::Keeping { table: &table.shape.name.to_string() });
        kept.push(keep::keep(session, table, number).await?);
    }

    let mut steps = Vec::with_capacity(members.len());
    for index in members {
        let statement = &prepared.statements[*index];
        let begun = Instant::now();
        tracking.before(session, statement).await?;
        let sql = match substitute(session.dialect(), statement, points) {
            Substitute::None => {
                session
                    .execute(&statement.text)
                    .await
                    .map_err(|error| Stop::Statement(*index, error))?;
                vec![statement.shown().to_owned()]
            }
            Substitute::Instead(instead) => {
                for sql in &instead {
                    session.execute(sql).await.map_err(|error| Stop::Statement(*index, error))?;
                }
                instead
            }
        };
        let took = begun.elapsed();
        tracking.after(session, statement).await?;
        for sql in &sql {
            observer.event(Event::Statement { sql, took });
        }
        steps.push((index + 1, statement.shown(), took.as_millis()));
    }

    if let Some(watch) = hidden {
        let mut known = losses.given_up.clone();
        known.extend(empty);
        runner.changed_rows |= watch.check(session, &endangered, &known).await?;
    }
    runner.changed_rows |= !points.is_empty() || hidden_is_off;

    // What an up adds each time is there again before what its down deleted comes back.
    if up && !points.is_empty() {
        let inserts = prepared.losses(&prepared.statements, session.dialect()).inserts;
        for kept in points.iter().flat_map(|point| &point.kept) {
            seeded::set_aside(session, kept, &inserts).await?;
        }
    }
    let remaining = bring_back(
        session,
        prepared.direction,
        (points, &holds),
        foreign_keys_off,
        &mut applied,
        &mut tracking,
        observer,
    )
    .await?;

    let mut settled = Vec::new();
    for (table, kept) in endangered.iter().zip(kept) {
        settled.extend(settle::settle(session, table, kept).await?);
    }
    if losses.replaces && session.dialect() == Dialect::Sqlite {
        session.execute("PRAGMA recursive_triggers = OFF").await?;
    }
    let after = if watch { Some(session.dump().await?) } else { None };
    if let (Some(before), Some(after), false) = (&before, &after, losses.unreadable.is_empty()) {
        check_foreseen(before, after, &endangered)?;
    }
    if !settled.is_empty() || up && watch {
        let (before, after) = match (&before, &after) {
            (Some(before), Some(after)) => before.only_differences(after),
            _ => (SchemaDump::default(), SchemaDump::default()),
        };
        journal
            .add_restore_point(
                session,
                work.version,
                prepared.direction,
                work.operation,
                (&before, &after),
                &settled,
            )
            .await?;
    }
    if foreign_keys_off {
        let new: Vec<String> =
            foreign_key_violations(session).await?.difference(&violations).cloned().collect();
        if let Some(first) = new.first() {
            return Err(Stop::Snapshot(SnapshotError::CannotRestore(format!(
                "{} rows would point to nothing, the first being {first}",
                new.len()
            ))));
        }
    }
    for kept in &settled {
        let summary = KeptSummary::of(kept);
        observer.event(Event::Kept(&summary));
        applied.kept.push(summary);
    }
    for point in points {
        journal.close_restore_point(session, point, &remaining).await?;
    }

    let mut records = Vec::new();
    records.extend(journal.steps(
        work.operation,
        work.version,
        prepared.direction,
        &steps,
        match whole {
            Whole::Yes => "settled",
            Whole::Group { .. } => "done",
        },
    ));
    if whole == Whole::Yes {
        records.push(match prepared.direction {
            Direction::Up => {
                journal.record(&work.entry, work.operation, started.elapsed().as_millis())
            }
            Direction::Down => journal.forget(work.version),
        });
    }
    tracking.end(session, &prepared.label, prepared.direction, &runner.options.who).await?;
    if prepared.changes_settings && session.server().pooled {
        // A SET without LOCAL would reach whoever gets this server session next.
        records.push("RESET ALL".to_owned());
    }
    // One round trip for all of them.
    if records.is_empty() {
        session.commit().await?;
    } else {
        session.commit_with(&records.join("; ")).await?;
    }
    for note in &tracking.notes {
        observer.event(Event::Note(note));
    }
    Ok(applied)
}

/// Puts back what restore points hold. Returns the numbers of the stores that still hold
/// something that could not go back.
async fn bring_back(
    session: &mut dyn Session,
    direction: Direction,
    (points, holds): (&[RestorePoint], &[Vec<Held>]),
    foreign_keys_off: bool,
    applied: &mut Applied,
    tracking: &mut Tracking,
    observer: &mut dyn Observer,
) -> Result<Vec<i64>, Stop> {
    let mut remaining = Vec::new();
    let (Some(newest), Some(oldest)) = (points.first(), points.last()) else {
        return Ok(remaining);
    };
    // Only the way down promises the old schema; the way up brings the new one by itself.
    let complete = direction == Direction::Down;
    if complete {
        if session.dialect() == Dialect::Sqlite {
            add_missing_columns(session, points).await?;
        }
        run_completions(
            session,
            (&oldest.before, &newest.after),
            Stage::Structure,
            foreign_keys_off,
            applied,
            observer,
        )
        .await?;
        tracking.follow(session).await?;
    }
    let quiet = quiet(session, points).await?;
    for (point, held) in points.iter().zip(holds) {
        let all: Vec<_> = point.kept.iter().zip(held).collect();
        let restored = restore::restore(session, &all).await?;
        for (kept, restored) in point.kept.iter().zip(restored) {
            observer.event(Event::Restored(&restored));
            if restored.remains_in.is_some() {
                remaining.push(kept.id);
            }
            applied.restored.push(restored);
        }
    }
    for statement in quiet {
        session.execute(&statement).await?;
    }
    if complete {
        for kept in points.iter().flat_map(|point| &point.kept) {
            restore::check_filled(session, kept).await?;
        }
        run_completions(
            session,
            (&oldest.before, &newest.after),
            Stage::Rest,
            foreign_keys_off,
            applied,
            observer,
        )
        .await?;
        tracking.follow(session).await?;
    }
    Ok(remaining)
}

pub(crate) async fn run_completions(
    session: &mut dyn Session,
    (before, after): (&SchemaDump, &SchemaDump),
    stage: Stage,
    foreign_keys_off: bool,
    applied: &mut Applied,
    observer: &mut dyn Observer,
) -> Result<(), Stop> {
    let dialect = session.dialect();
    // Putting one object back can bring others with it (a table its columns), so look again after
    // each; every round settles one object, which bounds the loop.
    let mut seen = BTreeSet::new();
    if before.differences(after).is_empty() {
        return Ok(());
    }
    loop {
        let now = session.dump().await?;
        let next = complete::objects(dialect, before, after, &now, stage)
            .into_iter()
            .find(|completion| seen.insert(completion.object.clone()));
        let Some(completion) = next else { return Ok(()) };
        let done = match &completion.action {
            Action::Run(statements) => {
                for statement in statements {
                    session.execute(statement).await?;
                }
                true
            }
            Action::Rebuild { table, create } if foreign_keys_off => {
                complete::rebuild(session, table, create).await?;
                true
            }
            Action::Rebuild { .. } | Action::Leave => false,
        };
        observer.event(Event::Completed { object: &completion.object, done });
        if done {
            applied.completed.push(completion.object);
        } else {
            applied.left.push(completion.object);
        }
    }
}

/// SQLite: columns that the down did not bring back, added bare so that their values can go in; the
/// rebuild by the old definition follows.
async fn add_missing_columns(
    session: &mut dyn Session,
    points: &[RestorePoint],
) -> Result<(), Stop> {
    for kept in points.iter().flat_map(|point| &point.kept) {
        let Some(now) = session.table_shape(&kept.table).await? else { continue };
        for column in kept.lost_columns().filter(|c| now.column(&c.name).is_none()) {
            if let Some(shape) = kept.shape.column(&column.name) {
                session.execute(&bare_column(Dialect::Sqlite, kept, shape)).await?;
            }
        }
    }
    Ok(())
}

/// Turns off the user's triggers and defers foreign keys on the tables that data goes back to.
/// Returns the statements that undo it, in order.
async fn quiet(session: &mut dyn Session, points: &[RestorePoint]) -> Result<Vec<String>, Stop> {
    let dialect = session.dialect();
    let mut off = Vec::new();
    let mut check = Vec::new();
    let mut on = Vec::new();
    let tables: BTreeSet<_> =
        points.iter().flat_map(|point| &point.kept).map(|kept| kept.table.clone()).collect();
    if dialect == Dialect::Sqlite && !tables.is_empty() {
        off.push("PRAGMA defer_foreign_keys = ON".to_owned());
    }
    for name in tables {
        let Some(shape) = session.table_shape(&name).await? else { continue };
        let table = dialect.quote_name(&shape.name);
        for trigger in &shape.triggers {
            let quoted = dialect.quote(trigger);
            if dialect == Dialect::Postgres {
                off.push(format!("ALTER TABLE {table} DISABLE TRIGGER {quoted}"));
                on.push(format!("ALTER TABLE {table} ENABLE TRIGGER {quoted}"));
            } else {
                let literal = dialect.literal(trigger.as_str());
                let row = session
                    .row(&format!(
                        "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = {literal}"
                    ))
                    .await?;
                if let Some(row) = row {
                    off.push(format!("DROP TRIGGER {quoted}"));
                    on.push(row.text(0).to_owned());
                }
            }
        }
        if dialect == Dialect::Postgres {
            for key in shape.foreign_keys.iter().filter(|key| !key.deferrable) {
                let Some(name) = &key.name else { continue };
                let name = dialect.quote(name);
                // The owner may do this, and it costs nothing: no row is checked again.
                off.push(format!(
                    "ALTER TABLE {table} ALTER CONSTRAINT {name} DEFERRABLE INITIALLY DEFERRED"
                ));
                on.push(format!("ALTER TABLE {table} ALTER CONSTRAINT {name} NOT DEFERRABLE"));
                check = vec!["SET CONSTRAINTS ALL IMMEDIATE".to_owned()];
            }
        }
    }
    for statement in &off {
        session.execute(statement).await?;
    }
    check.extend(on);
    Ok(check)
}

/// `ADD COLUMN c text NOT NULL` cannot run on a table with rows, although we hold a value for each
/// of them: the column is added bare, filled, and then made as it was.
pub(crate) fn substitute(
    dialect: Dialect,
    statement: &Statement,
    points: &[RestorePoint],
) -> Substitute {
    let Parsed::Changes(changes) = &statement.parsed else { return Substitute::None };
    let [Change::AddColumn { table, column, .. }] = changes.as_slice() else {
        return Substitute::None;
    };
    // MySQL fills in what the type means by nothing, but for dates and JSON there is no such value.
    let dates = ["date", "datetime", "timestamp", "json"];
    let fills = dialect.is_mysql_family()
        && !column.ty.as_ref().is_some_and(|ty| dates.contains(&ty.name.as_str()));
    if fills
        || !column.not_null
        || column.default.is_some()
        || column.generated.is_some()
        || column.identity.is_some()
    {
        return Substitute::None;
    }
    for kept in points.iter().flat_map(|point| &point.kept) {
        if kept.table.name != table.name {
            continue;
        }
        let lost = kept.column(&column.name).filter(|c| c.is_lost());
        if let (Some(_), Some(shape)) = (lost, kept.shape.column(&column.name)) {
            return Substitute::Instead(vec![bare_column(dialect, kept, shape)]);
        }
    }
    Substitute::None
}

/// Statement that adds a lost column without what would refuse rows written since.
fn bare_column(dialect: Dialect, kept: &Kept, shape: &downhaul_engine::ColumnShape) -> String {
    let default =
        shape.default.as_ref().map(|default| format!(" DEFAULT {default}")).unwrap_or_default();
    format!(
        "ALTER TABLE {} ADD COLUMN {} {}{default}",
        dialect.quote_name(&kept.table),
        dialect.quote(&shape.name),
        shape.ty
    )
}

/// A migration with statements that nobody could read must not have destroyed what nobody kept.
fn check_foreseen(
    before: &SchemaDump,
    after: &SchemaDump,
    endangered: &[Endangered],
) -> Result<(), SnapshotError> {
    use downhaul_engine::DumpKind;
    // Dumps quote names as the server does; here only the names matter.
    let plain = |name: &str| name.replace('"', "");
    let known: BTreeSet<String> =
        endangered.iter().map(|table| plain(&table.shape.name.to_string())).collect();
    let gone: Vec<String> = before
        .differences(after)
        .iter()
        .filter(|d| d.right.is_none() && matches!(d.id().kind, DumpKind::Table | DumpKind::Column))
        .map(|d| plain(&d.id().name))
        .filter(|name| {
            !known.iter().any(|table| name == table || name.starts_with(&format!("{table}.")))
        })
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    Err(SnapshotError::UnforeseenLoss { what: gone.join(", ") })
}

/// Runs a migration that no single transaction can hold, group by group, going on where an earlier
/// run was cut off.
async fn in_groups(
    runner: &mut Runner,
    work: &Work<'_>,
    completed: usize,
    observer: &mut dyn Observer,
) -> Result<Applied, RunError> {
    let (journal, prepared) = (runner.journal, work.prepared);
    let direction = prepared.direction;
    let earlier = journal.half_done(&mut *runner.session, work.version, direction).await?;
    for (ordinal, text, _) in &earlier {
        let same = prepared.statements.get(ordinal - 1).is_some_and(|s| s.text == *text);
        if !same {
            return Err(RunError::EditedHalfway {
                label: prepared.label.clone(),
                done: earlier.iter().filter(|step| step.2).count(),
                total: prepared.statements.len(),
            });
        }
    }
    if earlier.is_empty() {
        check_singles(runner, prepared)?;
    }
    let begin = match direction {
        Direction::Up if journal.has(&mut *runner.session, work.version).await? => {
            journal.set_state(work.version, MigrationState::Applying)
        }
        Direction::Up => {
            let entry = JournalEntry { state: MigrationState::Applying, ..work.entry.clone() };
            journal.record(&entry, work.operation, 0)
        }
        Direction::Down => journal.set_state(work.version, MigrationState::Reverting),
    };
    runner.session.execute(&begin).await?;
    let mut done: BTreeSet<usize> = earlier.iter().filter(|s| s.2).map(|s| s.0).collect();
    let intended: BTreeSet<usize> = earlier.iter().filter(|s| !s.2).map(|s| s.0).collect();
    let mut applied = Applied::default();
    for (position, group) in prepared.groups.iter().enumerate() {
        let last = position + 1 == prepared.groups.len();
        let failed = match group {
            Group::Transaction(members) => {
                if members.iter().all(|i| done.contains(&(i + 1))) {
                    continue;
                }
                match transaction(runner, work, members, Whole::Group { last }, completed, observer)
                    .await
                {
                    Ok(part) => {
                        applied.kept.extend(part.kept);
                        applied.restored.extend(part.restored);
                        applied.completed.extend(part.completed);
                        applied.left.extend(part.left);
                        done.extend(members.iter().map(|i| i + 1));
                        continue;
                    }
                    Err(RunError::Failed { statement, .. }) => (members[0] + 1, statement),
                    Err(error) => return Err(error),
                }
            }
            Group::Batched(index) => {
                let ordinal = index + 1;
                if done.contains(&ordinal) {
                    continue;
                }
                match batched(runner, work, *index, observer).await {
                    Ok(backfill::End::Done) => {
                        done.insert(ordinal);
                        continue;
                    }
                    Ok(backfill::End::Stopped) => return Err(RunError::Interrupted { completed }),
                    Err(EngineError::Disconnected(reason)) => {
                        return Err(EngineError::Disconnected(reason).into());
                    }
                    Err(error) => (ordinal, prepared.failed(*index, error)),
                }
            }
            Group::Single(index) => {
                let ordinal = index + 1;
                if done.contains(&ordinal) {
                    continue;
                }
                match single(runner, work, *index, intended.contains(&ordinal), observer).await {
                    Ok(()) => {
                        done.insert(ordinal);
                        continue;
                    }
                    Err(EngineError::Disconnected(reason)) => {
                        return Err(EngineError::Disconnected(reason).into());
                    }
                    Err(error) => (ordinal, prepared.failed(*index, error)),
                }
            }
        };
        let (ordinal, statement) = failed;
        if done.is_empty() {
            // Nothing has taken effect: the journal says so again.
            let back = match direction {
                Direction::Up => journal.forget(work.version),
                Direction::Down => journal.set_state(work.version, MigrationState::Applied),
            };
            let settle = journal.settle_steps(work.version, direction);
            runner.session.execute(&format!("{back}; {settle}")).await?;
            return Err(RunError::Failed {
                label: prepared.label.clone(),
                direction,
                completed,
                statement,
            });
        }
        return Err(RunError::Partial {
            label: prepared.label.clone(),
            direction,
            ordinal,
            statement,
        });
    }
    if !matches!(prepared.groups.last(), Some(Group::Transaction(_))) && !work.points.is_empty() {
        transaction(runner, work, &[], Whole::Group { last: true }, completed, observer).await?;
    }
    let finish = match direction {
        Direction::Up => journal.set_state(work.version, MigrationState::Applied),
        Direction::Down => journal.forget(work.version),
    };
    let settle = journal.settle_steps(work.version, direction);
    // Both at once: an implicit transaction of one message (PostgreSQL manual §55.2.2.1).
    runner.session.begin(runner.options.budget).await?;
    runner.session.execute(&format!("{finish}; {settle}")).await?;
    runner.session.commit().await?;
    Ok(applied)
}

/// Refuses, before anything has run, what would commit by itself and destroy what nobody kept; and
/// what would hold others up for longer than the budget, which behind a pooler cannot be set.
fn check_singles(runner: &Runner, prepared: &Prepared) -> Result<(), RunError> {
    if runner.session.dialect() != Dialect::Postgres {
        return Ok(());
    }
    let protect = runner.options.protect
        && !prepared.losses(&prepared.statements, Dialect::Postgres).all_given_up;
    let pooled = runner.session.server().pooled;
    let singles = prepared.groups.iter().filter_map(|group| match group {
        Group::Single(index) => Some(&prepared.statements[*index]),
        Group::Transaction(_) | Group::Batched(_) => None,
    });
    for statement in singles {
        let destroys = statement.changes().iter().any(|change| {
            matches!(change, Change::Call { .. } | Change::Do { .. } | Change::DropDatabase { .. })
        });
        let why = if protect && destroys {
            "a statement that commits by itself may destroy rows, and no restore point can be made for it; write the batches as plain SQL, or say `-- downhaul:protect off` in the file that nothing needs to be kept"
        } else if pooled && !blocks_nobody(statement) {
            "a statement outside a transaction would wait for its locks without a limit, for behind a pooler a session cannot be given one; connect to the server itself for this migration"
        } else {
            continue;
        };
        let first = statement.shown().lines().next().unwrap_or_default();
        return Err(RunError::Refused {
            label: prepared.label.clone(),
            direction: prepared.direction,
            reason: SnapshotError::CannotRestore(format!("`{first}`: {why}")),
        });
    }
    Ok(())
}

/// Another session was in the way: a lock was not to be had, or one of two had to give way.
pub(crate) fn gives_way(error: &EngineError) -> bool {
    // 40P01: deadlock_detected (PostgreSQL manual, appendix A).
    matches!(error, EngineError::LockTimeout(_))
        || error.failure().is_some_and(|failure| failure.code.as_deref() == Some("40P01"))
}

/// Whether a statement runs beside reads and writes, so that nobody queues behind it however long it
/// waits itself.
fn blocks_nobody(statement: &Statement) -> bool {
    statement.changes().iter().any(|change| {
        matches!(
            change,
            Change::CreateIndex { concurrently: true, .. }
                | Change::DropIndex { concurrently: true, .. }
                | Change::Reindex { concurrently: true, .. }
                | Change::DetachPartition { concurrently: true, .. }
                | Change::CreateDatabase { .. }
        ) || matches!(change, Change::Vacuum { full: false, .. })
    })
}

/// Runs a statement outside any transaction, within the budget for locks. What runs concurrently
/// waits for old transactions, which blocks nobody, and so may take its time.
async fn within_budget(
    session: &mut dyn Session,
    statement: &Statement,
    budget: LockBudget,
) -> Result<(), EngineError> {
    if session.dialect() != Dialect::Postgres {
        return session.execute(&statement.text).await.map(drop);
    }
    let concurrent = blocks_nobody(statement);
    if session.server().pooled {
        // A SET would reach whoever gets this server session next.
        return session.execute(&statement.text).await.map(drop);
    }
    let lock = if concurrent { 0 } else { budget.lock_timeout.as_millis() };
    let limit = budget.statement_timeout.map_or(0, |limit| limit.as_millis());
    session.execute(&format!("SET lock_timeout = {lock}; SET statement_timeout = {limit}")).await?;
    let result = session.execute(&statement.text).await.map(drop);
    if !matches!(result, Err(EngineError::Disconnected(_))) {
        session.execute("RESET lock_timeout; RESET statement_timeout").await?;
    }
    result
}

/// Runs a backfill's `UPDATE` in batches, and records it as done with the last one.
async fn batched(
    runner: &mut Runner,
    work: &Work<'_>,
    index: usize,
    observer: &mut dyn Observer,
) -> Result<backfill::End, EngineError> {
    let (journal, prepared) = (runner.journal, work.prepared);
    let statement = &prepared.statements[index];
    let begun = Instant::now();
    let at = (work.version, prepared.direction);
    let end = backfill::run(runner, at, index, statement, observer).await?;
    if end == backfill::End::Done {
        let took = begun.elapsed();
        let step = [(index + 1, statement.text.as_str(), took.as_millis())];
        let record = journal.steps(work.operation, work.version, prepared.direction, &step, "done");
        runner.session.execute(&record.unwrap_or_default()).await?;
        observer.event(Event::Statement { sql: &statement.text, took });
    }
    Ok(end)
}

/// Runs one statement outside any transaction: recorded as intended before, as done after.
async fn single(
    runner: &mut Runner,
    work: &Work<'_>,
    index: usize,
    was_intended: bool,
    observer: &mut dyn Observer,
) -> Result<(), EngineError> {
    let (journal, prepared) = (runner.journal, work.prepared);
    runner.changed_rows = true;
    let statement = &prepared.statements[index];
    let ordinal = index + 1;
    let started = Instant::now();
    let options = runner.options.clone();
    let needs = prepared.locks_of(&[index]);
    let cause = Cause { operation: work.operation, version: work.version };
    let mut told = false;
    while was_intended
        && probe::still_running(&mut *runner.session, statement).await?
        && started.elapsed() < options.lock_retry
    {
        if !std::mem::replace(&mut told, true) {
            observer.event(Event::Note(
                "the server still works on this statement for a run that was cut off; waiting for it",
            ));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let lookout = Lookout::new(runner);
    let session = &mut *runner.session;
    let took_effect = was_intended && probe::took_effect(session, statement).await?;
    if was_intended {
        observer.event(Event::Note(&format!(
            "an earlier run was cut off in statement {ordinal}: it {}",
            if took_effect { "had taken effect" } else { "had not taken effect and is run again" }
        )));
    }
    let intend = journal
        .steps(
            work.operation,
            work.version,
            prepared.direction,
            &[(ordinal, statement.shown(), 0)],
            "intended",
        )
        .unwrap_or_default();
    session.execute(&intend).await?;
    let begun = Instant::now();
    if !took_effect {
        let invalid = probe::invalid_indexes(session, statement).await?;
        let mut patience = Patience::new();
        let result = loop {
            if !blocks_nobody(statement) {
                patience.clear_way(runner, &needs, cause, observer).await?;
            }
            let session = &mut *runner.session;
            let run = within_budget(session, statement, options.budget);
            let result = match lookout.while_told(run, observer).await {
                Ok(()) => probe::check_valid(session, statement, &invalid).await,
                Err(error) => Err(error),
            };
            let Err(error) = result else { break Ok(()) };
            if !gives_way(&error) {
                break Err(error);
            }
            probe::clean_up(session, statement, &invalid).await?;
            let blockers = lookout.blockers(session, &needs).await;
            if !patience.again(session, journal, &options, &blockers, cause, observer).await? {
                break Err(blame(error, &blockers));
            }
        };
        let session = &mut *runner.session;
        if let Err(error) = result {
            if !matches!(error, EngineError::Disconnected(_)) {
                probe::clean_up(session, statement, &invalid).await?;
                session
                    .execute(&journal.finish_step(
                        work.operation,
                        work.version,
                        prepared.direction,
                        ordinal,
                        "failed",
                        begun.elapsed().as_millis(),
                    ))
                    .await?;
            }
            return Err(error);
        }
    }
    let took = begun.elapsed();
    runner
        .session
        .execute(&journal.finish_step(
            work.operation,
            work.version,
            prepared.direction,
            ordinal,
            "done",
            took.as_millis(),
        ))
        .await?;
    observer.event(Event::Statement { sql: statement.shown(), took });
    Ok(())
}
