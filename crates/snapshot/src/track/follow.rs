//! Keeping tracking in step with a table whose form changes.

use downhaul_engine::{LockBudget, Session, TableShape};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName};

use super::around::{Around, form};
use super::choose::{self, Facts};
use super::install::{hand_over, install, leaves, version_of};
use super::intend::facts_here as facts;
use super::{Capture, Event, Tracked, TrackedColumn, Version, postgres, record};
use crate::numbered;
use crate::sql;
use crate::store::SnapshotError;

const D: Dialect = Dialect::Postgres;

/// A way in which tracking is not in step with its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// The table is gone.
    Gone,
    /// Its name changed.
    Renamed,
    /// Columns or key changed.
    Reshaped,
    /// Triggers are missing, switched off, or no longer suffice.
    Triggers,
    /// It was emptied or built anew behind the triggers.
    Emptied,
    /// A partition was detached or dropped, and its rows with it.
    Partitions,
    /// A migration has its triggers out of the way, or was cut off while it had.
    Paused,
}

/// Looks whether tracking still fits the table. Reads only.
pub async fn drift(
    session: &mut dyn Session,
    around: &Around,
    tracked: &Tracked,
) -> Result<Option<Drift>, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::follow::drift(session, around, tracked).await;
    }
    if around.is_as_seen(tracked) {
        return Ok(None);
    }
    let Some(name) = name_of(session, tracked.relation).await? else {
        return Ok(Some(Drift::Gone));
    };
    let Some(shape) = session.table_shape(&name).await? else { return Ok(Some(Drift::Gone)) };
    let facts = facts(session, &name).await?;
    let current = tracked.current();
    let now = version_of(session, &shape, &facts, current.number).await?;
    if now.columns != current.columns || now.key != current.key {
        return Ok(Some(Drift::Reshaped));
    }
    if name != tracked.name {
        return Ok(Some(Drift::Renamed));
    }
    let (capture, _) = choose::capture(&facts, tracked.chosen.then_some(tracked.capture));
    let must_be_row = capture == Capture::Row && tracked.capture == Capture::Statement && {
        facts.subscribed || facts.inherits || facts.again || facts.kind == "p"
    };
    if must_be_row || now.nested && !current.nested || now.again && !current.again {
        return Ok(Some(Drift::Triggers));
    }
    let leaves = leaves(session, tracked).await?;
    if tracked.leaves.iter().any(|known| !leaves.iter().any(|(number, _)| number == known)) {
        return Ok(Some(Drift::Partitions));
    }
    let wanted = postgres::expected_triggers(tracked, leaves.len());
    let found = session
        .number(&format!(
            "SELECT count(*) FROM pg_catalog.pg_trigger t WHERE t.tgname LIKE '_downhaul\\_track%' AND t.tgenabled = 'A' AND t.tgparentid = 0 \
             AND t.tgrelid = ANY ({})",
            sql::tree(&tracked.relation.to_string())
        ))
        .await?;
    let missing = usize::try_from(found).unwrap_or(0) != wanted;
    Ok(missing.then_some(Drift::Triggers))
}

async fn name_of(
    session: &mut dyn Session,
    relation: i64,
) -> Result<Option<ObjectName>, SnapshotError> {
    let row = session
        .row(&format!(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {relation}"
        ))
        .await?;
    Ok(row.map(|row| ObjectName {
        schema: Some(Ident::stored(D, row.text(0))),
        name: Ident::stored(D, row.text(1)),
    }))
}

/// What a migration is about to do to a tracked table that its triggers cannot see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endangering {
    /// `DROP TABLE`.
    Drop(ObjectName),
    /// Columns dropped or of another type.
    Reshape(ObjectName, Vec<Ident>),
    /// `DETACH PARTITION`.
    Detach(ObjectName),
}

impl Endangering {
    /// The table.
    #[must_use]
    pub fn table(&self) -> &ObjectName {
        match self {
            Self::Drop(name) | Self::Reshape(name, _) | Self::Detach(name) => name,
        }
    }
}

/// Before a statement of a migration: writes down what its triggers would not see, and takes a
/// trigger out of the way that would forbid the statement. Within the migration's transaction. `all`
/// that the statement does of this kind.
pub async fn before(
    session: &mut dyn Session,
    endangering: &Endangering,
    all: &[Endangering],
) -> Result<(), SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::follow::before(session, endangering).await;
    }
    let name = endangering.table();
    if matches!(endangering, Endangering::Drop(_) | Endangering::Detach(_)) {
        leave(session, name, all).await?;
    }
    let Some(shape) = session.table_shape(name).await? else { return Ok(()) };
    let here =
        format!("t.relation = pg_catalog.to_regclass({})", D.literal(&D.quote_name(&shape.name)));
    let found = super::those(session, &here).await?.into_iter().find(|t| t.name == shape.name);
    let Some(mut tracked) = found.filter(|t| t.relation != 0) else { return Ok(()) };
    // The statement takes this lock anyway; the copy then sees the same rows.
    let table = D.quote_name(&shape.name);
    session.execute(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await?;
    let current = tracked.current().clone();
    match endangering {
        Endangering::Drop(_) => {
            session.execute(&postgres::copy_all(&tracked, &current, Event::Truncated)).await?;
            tracked.kept_whole = true;
            session.execute(&record(&tracked, false)?).await?;
        }
        Endangering::Reshape(_, columns) if tracked.has_key() => {
            session.execute(&postgres::copy_all(&tracked, &current, Event::Reshaped)).await?;
            if columns.iter().any(|c| current.key.contains(c)) {
                let name = D.quote_str(&format!("{}_k", postgres::FIRST));
                session.execute(&format!("DROP TRIGGER IF EXISTS {name} ON {table}")).await?;
            }
        }
        Endangering::Reshape(..) => {
            // Counted rows: all of this form go, and come again in the next.
            session.execute(&postgres::copy_all(&tracked, &current, Event::Truncated)).await?;
            tracked.kept_whole = true;
            session.execute(&record(&tracked, false)?).await?;
        }
        // What is tracked is no partition.
        Endangering::Detach(_) => {}
    }
    Ok(())
}

/// MariaDB and MySQL, before a statement of a migration: the tracking of tables pauses whose triggers it
/// endangers, and of those in `also`. Returns what a person should know.
pub async fn pause(
    session: &mut dyn Session,
    budget: LockBudget,
    changes: &[Change],
    also: &[ObjectName],
) -> Result<Vec<String>, SnapshotError> {
    numbered::pause::pause(session, budget, changes, also).await
}

/// The same after it. `took`: whether it took effect, where that is known. `again`: what later statements
/// do, for which they would pause once more. Within a transaction, for its limits.
pub async fn resume(
    session: &mut dyn Session,
    took: Option<bool>,
    again: &[Change],
) -> Result<Vec<String>, SnapshotError> {
    numbered::pause::resume(session, took, again).await
}

/// Rows of a partition are about to leave its table: they are written down as deleted.
async fn leave(
    session: &mut dyn Session,
    name: &ObjectName,
    all: &[Endangering],
) -> Result<(), SnapshotError> {
    let oid =
        |name: &ObjectName| format!("pg_catalog.to_regclass({})", D.literal(&D.quote_name(name)));
    let going: Vec<String> = all
        .iter()
        .filter(|e| !matches!(e, Endangering::Reshape(..)))
        .map(|e| oid(e.table()))
        .collect();
    let row = session
        .row(&format!(
            "SELECT pg_catalog.pg_partition_root(c.oid)::oid, pg_catalog.format('%I.%I', n.nspname, c.relname), \
               (SELECT pg_catalog.format('%I.%I', pn.nspname, p.relname) FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid = i.inhparent \
                  JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = c.oid), \
               EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) a WHERE a.relid <> c.oid AND a.relid IN ({})) \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {} AND c.relispartition",
            going.join(", "),
            oid(name)
        ))
        .await?;
    // Where the whole goes too, its rows are written down with it.
    let Some(row) = row.filter(|row| !row.flag(3)) else { return Ok(()) };
    let root = row.number(0)?;
    let found = super::all(session).await?.into_iter().find(|t| t.relation == root);
    let Some(tracked) = found else { return Ok(()) };
    let (partition, parent) = (row.text(1), row.text(2));
    // The statement takes these locks anyway, in this order.
    session
        .execute(&format!("LOCK TABLE ONLY {parent}, {partition} IN ACCESS EXCLUSIVE MODE"))
        .await?;
    let version = tracked.current();
    session.execute(&postgres::copy_from(&tracked, version, Event::Truncated, partition)).await?;
    Ok(())
}

/// Who changed a table's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The migration that runs: [`before`] was called where it had to be.
    Migration,
    /// Somebody, by hand: nobody kept what that destroyed.
    Outside,
}

/// A tracked table whose form this transaction may have changed: every statement that changes the form of a
/// table, or adds or removes its triggers, indexes and keys, holds a lock on it that conflicts with itself
/// (PostgreSQL manual, table 13.2). A partition has such a lock, and not always the table that is tracked.
/// Tables that are gone may have come back, and a trigger on statements like these may do anything.
const LOCKED: &str = "(t.relation IS NULL \
     OR t.relation IN (SELECT relation FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND granted \
          AND mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')) \
     OR t.relation IN (SELECT partrelid FROM pg_catalog.pg_partitioned_table) \
     OR EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D'))";

/// What changes a table in no other way than by statements that lock it. Not so the names of types and
/// schemas, which tables have part of, and whatever runs code.
fn locks_its_tables(change: &Change) -> bool {
    matches!(
        change,
        Change::CreateTable { .. }
            | Change::DropTable { .. }
            | Change::AttachPartition { .. }
            | Change::DetachPartition { .. }
            | Change::AddColumn { .. }
            | Change::DropColumn { .. }
            | Change::RenameColumn { .. }
            | Change::AlterColumnType { .. }
            | Change::SetNotNull { .. }
            | Change::DropNotNull { .. }
            | Change::SetDefault { .. }
            | Change::DropDefault { .. }
            | Change::AddConstraint { .. }
            | Change::DropConstraint { .. }
            | Change::ValidateConstraint { .. }
            | Change::CreateIndex { .. }
            | Change::DropIndex { .. }
            | Change::CreateTrigger { .. }
            | Change::DropTrigger { .. }
            | Change::SetTriggerEnabled { .. }
            | Change::Comment { .. }
    )
}

/// Brings tracking back into step with the tables: after each statement of a migration, so that
/// nobody meets a table whose form and triggers do not fit, and before its first one. Within a
/// transaction. `changes`: what that statement does, which says what got another name where the
/// server does not number tables and columns. Returns what a person should know.
pub async fn resync(
    session: &mut dyn Session,
    origin: Origin,
    changes: &[Change],
) -> Result<Vec<String>, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::follow::resync(session, origin, changes).await;
    }
    let mut notes = Vec::new();
    // What may have changed: of thousands of tables, the few that the statement has locked.
    let which = match origin {
        Origin::Migration if !changes.is_empty() && changes.iter().all(locks_its_tables) => LOCKED,
        _ => "true",
    };
    if !super::exists(session).await? {
        return Ok(notes);
    }
    let all = super::those(session, which).await?;
    let around = if all.is_empty() {
        Around::default()
    } else if which == LOCKED {
        let ids: Vec<String> = all.iter().map(|tracked| tracked.id.to_string()).collect();
        Around::read_of(session, &format!("t.id IN ({})", ids.join(", "))).await?
    } else {
        Around::read(session).await?
    };
    for mut tracked in all {
        let broken = if tracked.relation == 0 {
            // It may have come back under its name.
            let Some(shape) = session.table_shape(&tracked.name).await? else { continue };
            come_back(session, &mut tracked, &shape).await?
        } else {
            match drift(session, &around, &tracked).await? {
                None if around.is_as_seen(&tracked) => continue,
                None => {
                    tracked.seen = around.form_of(&tracked).cloned();
                    if tracked.seen.is_some() {
                        session.execute(&record(&tracked, false)?).await?;
                    }
                    continue;
                }
                Some(Drift::Gone) => {
                    tracked.relation = 0;
                    session.execute(&record(&tracked, false)?).await?;
                    continue;
                }
                Some(Drift::Renamed) => {
                    let Some(name) = name_of(session, tracked.relation).await? else { continue };
                    tracked.name = name;
                    false
                }
                Some(
                    drift @ (Drift::Reshaped
                    | Drift::Triggers
                    | Drift::Emptied
                    | Drift::Partitions
                    | Drift::Paused),
                ) => follow(session, &mut tracked, drift, origin).await?,
            }
        };
        session.execute(&record(&tracked, false)?).await?;
        tracked.seen = form(session, &around, &tracked).await?;
        session.execute(&record(&tracked, false)?).await?;
        if broken {
            notes.push(format!(
                "the history of {} begins anew: marks from before cannot be reached for it",
                tracked.label()
            ));
            session
                .execute(&format!(
                    "UPDATE downhaul.tracked SET since_xid = pg_catalog.pg_current_xact_id(), \
                     since_at = pg_catalog.clock_timestamp() WHERE id = {}",
                    tracked.id
                ))
                .await?;
        }
    }
    Ok(notes)
}

/// A table that was dropped is there again. Returns whether the history has a hole.
async fn come_back(
    session: &mut dyn Session,
    tracked: &mut Tracked,
    shape: &TableShape,
) -> Result<bool, SnapshotError> {
    let facts = facts(session, &shape.name).await?;
    if !matches!(facts.kind.as_str(), "r" | "p") || facts.is_partition {
        return Ok(false);
    }
    let before = tracked.current().clone();
    tracked.relation = facts.relation;
    new_version(session, tracked, shape, &facts).await?;
    let current = tracked.current().clone();
    session.execute(&postgres::copy_all(tracked, &current, Event::Born)).await?;
    let whole = std::mem::take(&mut tracked.kept_whole);
    Ok(!whole || before.key != current.key)
}

/// The form of a table, or what may happen to it, changed. Returns whether the history has a hole.
async fn follow(
    session: &mut dyn Session,
    tracked: &mut Tracked,
    drift: Drift,
    origin: Origin,
) -> Result<bool, SnapshotError> {
    let Some(name) = name_of(session, tracked.relation).await? else { return Ok(false) };
    let Some(shape) = session.table_shape(&name).await? else { return Ok(false) };
    let facts = facts(session, &name).await?;
    tracked.name = name;
    let before = tracked.current().clone();
    let known = tracked.leaves.clone();
    let wish = tracked.chosen.then_some(tracked.capture);
    let (capture, _) = choose::capture(&facts, wish);
    if facts.subscribed || facts.inherits || facts.again || facts.kind == "p" {
        tracked.capture = capture;
    }
    new_version(session, tracked, &shape, &facts).await?;
    let now = tracked.current().clone();
    let numbers = |v: &Version| -> Vec<i64> {
        v.key.iter().filter_map(|k| v.column(k)).map(|c| c.number).collect()
    };
    if numbers(&before) != numbers(&now) {
        tracked.kept_whole = false;
        return Ok(true);
    }
    let still_there =
        |old: &TrackedColumn| now.columns.iter().any(|c| c.number == old.number && c.ty == old.ty);
    let lost_something = !before.columns.iter().all(still_there);
    let unseen = matches!(drift, Drift::Triggers | Drift::Partitions);
    if origin == Origin::Outside && (lost_something || unseen) {
        return Ok(true);
    }
    if tracked.partitioned && drift != Drift::Reshaped {
        // Rows with which a partition comes are new to the table.
        let unborn = postgres::not_born_yet(tracked);
        for (number, leaf) in leaves(session, tracked).await? {
            if !known.contains(&number) {
                let born = postgres::copy_from(tracked, &now, Event::Born, &leaf);
                session.execute(&format!("{born}{unborn}")).await?;
            }
        }
    }
    if drift == Drift::Reshaped && now.key.is_empty() {
        if !std::mem::take(&mut tracked.kept_whole) {
            session.execute(&postgres::copy_all(tracked, &before, Event::Truncated)).await?;
        }
        session.execute(&postgres::copy_all(tracked, &now, Event::Born)).await?;
    }
    Ok(false)
}

async fn new_version(
    session: &mut dyn Session,
    tracked: &mut Tracked,
    shape: &TableShape,
    facts: &Facts,
) -> Result<(), SnapshotError> {
    let number = tracked.current().number + 1;
    let version = version_of(session, shape, facts, number).await?;
    tracked.name = shape.name.clone();
    tracked.partitioned = facts.kind == "p";
    tracked.versions.push(version);
    for statement in postgres::create_history(tracked) {
        session.execute(&statement).await?;
    }
    install(session, tracked).await?;
    hand_over(session, tracked, facts).await
}
