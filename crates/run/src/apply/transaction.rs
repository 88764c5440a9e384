//! A transaction: what it will destroy is kept, its statements run, what was lost goes back, and the
//! journal says so, all of it or nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use downhaul_engine::{DumpKind, EngineError, Row, SchemaDump, Session, lock_tables};
use downhaul_plan::Direction;
use downhaul_snapshot::keep::{self, Endangered};
use downhaul_snapshot::restore::{self, Held};
use downhaul_snapshot::tombstone::{self, Choice};
use downhaul_snapshot::{
    Kept, KeptMode, Losses, SnapshotError, empty, hidden, packed, seeded, settle,
};
use downhaul_syntax::{Change, Dialect, ObjectName, Statement};

use super::back::{bring_back, substitute};
use super::locks;
use super::{Applied, KeptSummary, Stop, Substitute, Work};
use crate::error::FailedStatement;
use crate::journal::{Journal, RestorePoint};
use crate::patience::{Cause, Lookout, Patience};
use crate::prepare::Prepared;
use crate::tracking::Tracking;
use crate::{Event, Observer, RunError, Runner};

/// Objects of a schema (columns count) up to which it is looked at only for what a down file may forget:
/// that took 0.2 s for 12,000, and the second look is taken while locks are held.
const LARGE_SCHEMA: usize = 12_000;

/// Tables that are looked at before they are locked, to see whether they are empty.
const FEW: usize = 100;

/// Whether a transaction holds the whole migration, or one group of several.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    Yes,
    Group { last: bool },
}

/// Runs statements in one transaction, again and again while locks are not to be had.
pub(super) async fn transaction(
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
        runner.counted.anything();
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
pub(super) fn foreign_keys_must_be_off(work: &Work<'_>, losses: &Losses) -> bool {
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

/// What is asked when a transaction begins, of `$1`, a version: is it recorded, which table is the
/// newest, may event triggers fire, have tables been tracked? Only the first and the last where no server
/// counts.
fn first_question(journal: Journal, newest: Option<&str>) -> String {
    let recorded =
        format!("SELECT count(*) FROM {} WHERE version = $1", journal.table("migration"));
    match newest {
        None => format!(
            "SELECT ({recorded}), 0, 0, EXISTS (SELECT 1 FROM pragma_table_info('downhaul_tracked'))"
        ),
        Some(newest) => format!(
            "SELECT ({recorded}), ({newest}), \
             EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D'), \
             pg_catalog.to_regclass('downhaul.tracked') IS NOT NULL"
        ),
    }
}

/// What a transaction knows when it has begun.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ground {
    /// Number of the newest table; `None` where no server counts rows.
    newest: Option<i64>,
    /// Event triggers may fire.
    triggers: bool,
    /// Tables have been tracked in this database.
    tracked: bool,
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
    let journal = runner.journal;
    let budget = runner.options.budget;
    let session = &mut *runner.session;
    let newest = hidden::Watch::newest(session.dialect());
    let first = first_question(journal, newest);
    let answers = session.begin_with(budget, &[&first], work.version.as_str()).await?;
    let answer = answers.into_iter().next().unwrap_or(Row(Vec::new()));
    let recorded = answer.text(0) != "0";
    if whole == Whole::Yes && recorded == (work.prepared.direction == Direction::Up) {
        session.rollback().await?;
        return Ok(Applied { skipped: true, ..Applied::default() });
    }
    let ground = Ground {
        newest: newest.map(|_| answer.number(1)).transpose()?,
        triggers: answer.flag(2),
        tracked: answer.flag(3),
    };
    let plan = (members, whole, foreign_keys_off);
    let ran = within(runner, work, plan, losses, ground, observer).await?;
    // One round trip for all of them.
    if ran.records.is_empty() {
        runner.session.commit().await?;
    } else {
        runner.session.commit_with(&ran.records.join("; ")).await?;
    }
    for note in &ran.notes {
        observer.event(Event::Note(note));
    }
    Ok(ran.applied)
}

/// Tables that hold nothing, which a way back empties or takes away; `losses` forgets them. And whether all
/// tables of the transaction are locked since.
async fn empty_tables(
    session: &mut dyn Session,
    losses: &mut Losses,
    (prepared, members): (&Prepared, &[usize]),
    lock_timeout: Duration,
) -> Result<(Vec<ObjectName>, bool), Stop> {
    let names: Vec<ObjectName> =
        empty::candidates(losses).unwrap_or_default().into_iter().cloned().collect();
    // A single lock is waited for with nothing else held. So many tables that a look at each costs more than
    // it saves are locked one after the other.
    let several = names.len() > 1 || locks::locks_several(prepared, members);
    let mut locked = false;
    if session.dialect() == Dialect::Postgres && several && (1..=FEW).contains(&names.len()) {
        if !empty::seem_empty(session, &names).await? {
            return Ok((Vec::new(), false));
        }
        let needed = locks::Needed::Empty(&names);
        locked = locks::at_first(session, needed, (prepared, members), lock_timeout).await?;
    }
    Ok((empty::set_aside(session, losses).await?, locked))
}

/// Indexes that earlier statements of the migration have built, outside of any transaction. One that a
/// constraint or the index of a partitioned table has taken over since goes with that: the way back has not
/// forgotten it.
async fn built_before(
    session: &mut dyn Session,
    prepared: &Prepared,
    members: &[usize],
) -> Result<BTreeSet<String>, EngineError> {
    let mut built = BTreeSet::new();
    if session.dialect() != Dialect::Postgres {
        return Ok(built);
    }
    let end = members.first().copied().unwrap_or(prepared.statements.len());
    for change in prepared.statements[..end].iter().flat_map(Statement::changes) {
        let Change::CreateIndex { index, concurrently: true, .. } = change else { continue };
        let Some(name) = &index.name else { continue };
        let schema = name.schema.clone().or_else(|| index.table.schema.clone());
        let name = ObjectName { schema, name: name.name.clone() };
        let found = session
            .rows(&format!(
                "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.oid = pg_catalog.to_regclass({})",
                Dialect::Postgres.literal(&Dialect::Postgres.quote_name(&name))
            ))
            .await?;
        built.extend(found.first().map(|row| row.text(0).to_owned()));
    }
    Ok(built)
}

/// What statements did whose transaction is still open.
pub(super) struct Ran {
    pub(super) applied: Applied,
    /// What the journal has yet to be told.
    pub(super) records: Vec<String>,
    /// What a person should know, once it is committed.
    pub(super) notes: Vec<String>,
}

/// Runs statements within a transaction that is open.
pub(super) async fn within(
    runner: &mut Runner,
    work: &Work<'_>,
    (members, whole, foreign_keys_off): (&[usize], Whole, bool),
    losses: &Losses,
    ground: Ground,
    observer: &mut dyn Observer,
) -> Result<Ran, Stop> {
    let (journal, prepared) = (runner.journal, work.prepared);
    let started = Instant::now();
    let protect = runner.options.protect;
    let lock_timeout = runner.options.budget.lock_timeout;
    let session = &mut *runner.session;
    let up = prepared.direction == Direction::Up;
    let mut applied = Applied::default();
    let newest = ground.newest;
    let mut tracking = Tracking::begin(session, ground.tracked).await?;
    // Restore points belong to the whole way back: they are used with its last group.
    let mut points: Vec<RestorePoint> = match whole {
        Whole::Group { last: false } => Vec::new(),
        _ => work.points.clone(),
    };

    let mut losses = losses.clone();
    // Where an up takes an empty table away, its down still has the schema to bring back.
    let (empty, locked) = if protect && !up {
        empty_tables(session, &mut losses, (prepared, members), lock_timeout).await?
    } else {
        (Vec::new(), false)
    };
    let mut endangered =
        if protect { keep::endangered(session, &losses).await? } else { Vec::new() };
    for table in endangered.extract_if(.., |table| table.is_catalog(session.dialect())) {
        let name = &table.shape.name;
        let note = format!("{name} belongs to the server: nothing is kept of what changes in it");
        observer.event(Event::Note(&note));
    }
    // A way forward again does not look at the schema that the way back found.
    let must = protect && (up && !endangered.is_empty() || !losses.unreadable.is_empty());
    let look = must || protect && up && losses.unmakes();
    let before = if look { Some(session.dump().await?) } else { None };
    let before = before.filter(|dump| must || dump.objects.len() <= LARGE_SCHEMA);
    let watch = before.is_some();
    let built =
        if up && watch { built_before(session, prepared, members).await? } else { BTreeSet::new() };
    let violations =
        if foreign_keys_off { foreign_key_violations(session).await? } else { BTreeSet::new() };

    let mut holds: Vec<Vec<Held>> = Vec::new();
    for point in &mut points {
        let mut held = Vec::new();
        for kept in &mut point.kept {
            restore::check_sound(session, kept).await?;
            packed::unpack(session, kept).await?;
            let mut one = restore::hold(session, kept).await?;
            if !up {
                one.unclaimed = seeded::unclaimed(session, kept, &losses.inserts).await?;
            }
            held.push(one);
        }
        holds.push(held);
    }

    if losses.replaces && session.dialect() == Dialect::Sqlite {
        // Without it REPLACE deletes rows behind the back of every trigger.
        session.execute("PRAGMA recursive_triggers = ON").await?;
    }
    let hidden_is_off = !protect || losses.all_given_up;
    // Event triggers run with statements that run no other code; what is put in the place of one on a
    // way back may have a default.
    let nothing_hides = newest.is_none()
        || !ground.triggers
            && points.is_empty()
            && members.iter().all(|index| hidden::runs_no_code(&prepared.statements[*index]));
    let hidden = if hidden_is_off || nothing_hides {
        None
    } else {
        Some(hidden::Watch::begin(session, newest, &mut runner.counted).await?)
    };
    let mut kept: Vec<Kept> = Vec::new();
    let statements: Vec<&Statement> = prepared.statements.iter().collect();
    if !locked || !endangered.is_empty() {
        let needed = locks::Needed::Kept(&endangered);
        locks::at_first(session, needed, (prepared, members), lock_timeout).await?;
    }
    let first = if endangered.is_empty() { 0 } else { journal.next_kept(session).await? };
    for (number, table) in (first..).zip(&endangered) {
        observer.event(Event::Keeping { table: &table.shape.name.to_string() });
        let wish = prepared.wish(&table.shape.name, &table.loss, &runner.options);
        kept.push(match tombstone::choose(session, table, wish, &statements).await? {
            Choice::Tombstone => tombstone::announce(session, table, number).await?,
            Choice::Hidden => tombstone::column::announce(session, table, number).await?,
            Choice::Copy { why } => {
                if let Some(why) = why {
                    let note = format!("{} is copied, not set aside: {why}", table.shape.name);
                    observer.event(Event::Note(&note));
                }
                let name = table.shape.name.to_string();
                let mut tell = |copied| observer.event(Event::Copying { table: &name, copied });
                keep::keep(session, table, number, &mut tell).await?
            }
        });
    }
    if session.dialect() == Dialect::Postgres {
        keep::counters(session, &mut kept).await?;
    }
    let takes_others =
        session.dialect() == Dialect::Postgres && tombstone::takes_other_objects(&statements);
    let tombstones =
        if takes_others { tombstone::postgres::all(session).await? } else { BTreeSet::new() };

    let mut steps = Vec::with_capacity(members.len());
    for index in members {
        let statement = &prepared.statements[*index];
        let begun = Instant::now();
        tracking.before(session, statement).await?;
        let dropped = tombstone::drop_aside(session, statement, &mut kept).await;
        let dropped = dropped.map_err(|error| match error {
            SnapshotError::Engine(error) => Stop::Statement(*index, error),
            error => Stop::Snapshot(error),
        })?;
        let sql = match substitute(session.dialect(), statement, &points) {
            Substitute::None if dropped.is_some() => {
                let (instead, note) = dropped.unwrap_or_default();
                if let Some(note) = note {
                    observer.event(Event::Note(&note));
                }
                instead
            }
            Substitute::None => {
                let done = match locks::of_statement(statement, session.dialect()) {
                    Some(wanted) => lock_tables(session, &wanted).await,
                    None => session.execute(&statement.text).await.map(|_| ()),
                };
                done.map_err(|error| Stop::Statement(*index, error))?;
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

    if !tombstones.is_empty() {
        let now = tombstone::postgres::all(session).await?;
        let hurt = tombstones.difference(&now).filter_map(|found| found.split(' ').next());
        let hurt: Vec<String> = hurt.map(|name| format!("downhaul.{name}")).collect();
        if !hurt.is_empty() {
            return Err(Stop::Snapshot(SnapshotError::UnforeseenLoss { what: hurt.join(", ") }));
        }
    }
    if let Some(watch) = hidden {
        let mut known = losses.given_up.clone();
        known.extend(empty);
        watch.check(session, &endangered, &known, &mut runner.counted).await?;
    }
    if !points.is_empty() || hidden_is_off {
        runner.counted.anything();
    }

    // What an up adds each time is there again before what its down deleted comes back.
    if up && !points.is_empty() {
        let inserts = prepared.losses(&prepared.statements, session.dialect()).inserts;
        for point in &mut points {
            tombstone::back::into_copies(session, &mut point.kept).await?;
        }
        for kept in points.iter().flat_map(|point| &point.kept) {
            seeded::set_aside(session, kept, &inserts).await?;
        }
    }
    // What the way back itself writes to a column that it has made counts.
    for kept in points.iter_mut().flat_map(|point| &mut point.kept) {
        let writes = losses.tables.iter().any(|(name, l)| name.name == kept.table.name && l.rows);
        if kept.mode == KeptMode::Hidden && writes {
            tombstone::back::into_copies(session, std::slice::from_mut(kept)).await?;
        }
    }
    let remaining = bring_back(
        session,
        prepared.direction,
        (&mut points, &holds),
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
    let mut records = Vec::new();
    if !settled.is_empty() || up && watch {
        let (mut before, after) = match (&before, &after) {
            (Some(before), Some(after)) => before.only_differences(after),
            _ => (SchemaDump::default(), SchemaDump::default()),
        };
        before.objects.retain(|o| o.id.kind != DumpKind::Index || !built.contains(&o.id.name));
        if !settled.is_empty() || !before.objects.is_empty() || !after.objects.is_empty() {
            records.extend(journal.add_restore_point(
                work.version,
                prepared.direction,
                work.operation,
                (&before, &after),
                &settled,
            )?);
        }
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
    for point in &points {
        journal.close_restore_point(session, point, &remaining).await?;
    }

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
    if !up {
        let returned = (&applied.restored[..], &applied.completed[..], &applied.left[..]);
        records.extend(journal.returned(work.operation, work.version, returned)?);
    }
    tracking.end(session, &prepared.label, prepared.direction, &runner.options.who).await?;
    if prepared.changes_settings && session.server().pooled {
        // A SET without LOCAL would reach whoever gets this server session next.
        records.push("RESET ALL".to_owned());
    }
    Ok(Ran { applied, records, notes: tracking.notes })
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
