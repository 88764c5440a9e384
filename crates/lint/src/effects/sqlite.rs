//! What SQLite does: one writer at a time, and few changes in place (measured on 3.40).

use downhaul_syntax::Change;

use super::{Blocks, Effects, LockEffect, Scene};

/// The lock of SQLite: while it is held nobody else writes to the database file.
const MODE: &str = "RESERVED (whole database)";

/// Adds what a change locks, rewrites and builds.
pub(super) fn physical(change: &Change, scene: &Scene<'_>, out: &mut Effects) {
    let state = &scene.state;
    match change {
        Change::DropColumn { table, .. } if state.in_use(table) => {
            let table = state.catalog.normalize(table);
            out.locks.push(LockEffect { table: table.clone(), mode: MODE, blocks: Blocks::Writes });
            out.rewrites.push(table);
        }
        Change::CreateIndex { index, .. } if state.in_use(&index.table) => {
            let table = state.catalog.normalize(&index.table);
            out.locks.push(LockEffect { table: table.clone(), mode: MODE, blocks: Blocks::Writes });
            out.scans.push(table.clone());
            out.builds_indexes.push(table);
        }
        Change::AddColumn { table, column, .. }
            if state.in_use(table)
                && column
                    .constraints
                    .iter()
                    .any(|c| matches!(c.kind, downhaul_syntax::ConstraintKind::Check { .. })) =>
        {
            let table = state.catalog.normalize(table);
            out.locks.push(LockEffect { table: table.clone(), mode: MODE, blocks: Blocks::Writes });
            out.scans.push(table);
        }
        Change::Insert { from_query: Some(query), .. } => {
            for table in query.tables.iter().filter(|t| state.in_use(t)) {
                out.scans.push(state.catalog.normalize(table));
            }
        }
        _ => {}
    }
}
