//! A statement that locks several tables comes before whatever locks one of them by itself (PostgreSQL).
//!
//! Each operation locks what it needs and then changes it. Put together to one file, the change of one may
//! come before the lock of another: the first table is held while the second is waited for, and writers who
//! hold that one wait for the first. The server then ends one of the two.

use downhaul_syntax::{Change, Dialect, ObjectName, parse_script};

use super::piece::{Side, Slot};

/// Moves such locks up, with the time that they may wait.
pub(crate) fn locks_first(side: Side, slot: Slot, dialect: Dialect) -> Side {
    if dialect != Dialect::Postgres
        || !side.steps.iter().any(|step| step.sql.starts_with("LOCK TABLE "))
    {
        return side;
    }
    let mut steps: Vec<(_, Vec<Change>)> = Vec::with_capacity(side.steps.len());
    for step in side.steps {
        let script = parse_script(&step.sql, dialect);
        let changes: Vec<Change> =
            script.statements.into_iter().flat_map(|s| s.changes().to_vec()).collect();
        let from = match changes.as_slice() {
            [Change::LockTable { tables, .. }] if tables.len() > 1 => {
                let same_transaction = steps.iter().rev().take_while(|(_, changes)| {
                    !changes
                        .iter()
                        .any(|change| runs_by_itself(change, slot) || makes(change, tables))
                });
                let first = same_transaction
                    .enumerate()
                    .filter(|(_, (_, changes))| changes.iter().any(|change| alters(change, tables)))
                    .last();
                first.map(|(back, _)| steps.len() - 1 - back)
            }
            _ => None,
        };
        let Some(to) = from else {
            steps.push((step, changes));
            continue;
        };
        let waits = steps.pop_if(|(step, _)| step.sql.starts_with("SET LOCAL lock_timeout"));
        steps.insert(to, (step, changes));
        if let Some(waits) = waits {
            steps.insert(to, waits);
        }
    }
    // What was done before the lock and once more behind it is now done twice behind it.
    steps.dedup_by(|later, earlier| later.0.sql == earlier.0.sql);
    Side { steps: steps.into_iter().map(|(step, _)| step).collect() }
}

/// Whether a statement ends the transaction before it: an index that is built beside the writers, or rows
/// that a backfill writes in batches.
fn runs_by_itself(change: &Change, slot: Slot) -> bool {
    match change {
        Change::CreateIndex { concurrently, .. } | Change::DropIndex { concurrently, .. } => {
            *concurrently
        }
        Change::Update { .. } | Change::Delete { .. } | Change::Insert { .. } => {
            slot == Slot::BACKFILL
        }
        _ => false,
    }
}

/// Whether one of the tables is not there, or not under its name, before a change.
fn makes(change: &Change, tables: &[ObjectName]) -> bool {
    match change {
        Change::CreateTable { def, .. } => tables.iter().any(|table| table.name == def.name.name),
        Change::RenameTable { from, to } => {
            tables.iter().any(|table| table.name == to.name || table.name == from.name)
        }
        _ => false,
    }
}

/// Whether a change locks one of the tables so that its writers wait.
fn alters(change: &Change, tables: &[ObjectName]) -> bool {
    let table = match change {
        Change::CreateTrigger { def, .. } => &def.table,
        Change::DropTrigger { table: Some(table), .. }
        | Change::SetTriggerEnabled { table, .. }
        | Change::AddColumn { table, .. }
        | Change::DropColumn { table, .. }
        | Change::RenameColumn { table, .. }
        | Change::AlterColumnType { table, .. }
        | Change::SetDefault { table, .. }
        | Change::DropDefault { table, .. }
        | Change::SetNotNull { table, .. }
        | Change::DropNotNull { table, .. }
        | Change::AddConstraint { table, .. }
        | Change::DropConstraint { table, .. }
        | Change::RenameConstraint { table, .. } => table,
        _ => return false,
    };
    tables.contains(table)
}
