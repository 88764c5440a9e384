//! What SQLite does: one writer at a time, and few changes in place (measured on 3.40).

use downhaul_catalog::Table;
use downhaul_syntax::{Change, Ident};

use super::{Blocks, Effects, LockEffect, Scene};

/// The lock of SQLite: while it is held nobody else writes to the database file.
const MODE: &str = "RESERVED (whole database)";

/// Where the rows are known: what fills no more than some fifteen pages is written at once.
pub(crate) const FEW_BYTES: u64 = 60_000;

/// Bytes of a text that is looked up by, as it usually is.
pub(crate) const TEXT_WIDTH: u64 = 12;

/// Bytes of a column's value, or of an expression's, as they usually are.
pub(crate) fn usual_width(table: &Table, column: Option<&Ident>) -> u64 {
    let ty = column.and_then(|c| table.column(c)).and_then(|c| c.ty.as_ref());
    let name = ty.map(|ty| ty.name.to_lowercase()).unwrap_or_default();
    let any = |kinds: &[&str]| kinds.iter().any(|kind| name.contains(kind));
    if any(&["int", "bool"]) {
        3
    } else if any(&["real", "doub", "floa", "numeric"]) {
        9
    } else if any(&["date", "time"]) {
        20
    } else {
        TEXT_WIDTH
    }
}

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
