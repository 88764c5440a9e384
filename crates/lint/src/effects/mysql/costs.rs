//! What an operation costs on the table that it meets.

use downhaul_catalog::{Column, Table};
use downhaul_syntax::change::ColumnPosition;
use downhaul_syntax::{Change, ConstraintKind, Dialect, Ident, ObjectName};

use super::super::Scene;
use super::algorithm::{Algorithm, Online, online};

/// What a change costs on the table that it meets, and as which operation: the engine, virtual
/// columns, a fulltext index and the row format stand in the way of cheaper ones (measured on
/// MariaDB 10.11; MySQL manual §15.12.1).
pub(crate) fn costs(
    change: &Change,
    operation: &'static str,
    table: &ObjectName,
    scene: &Scene<'_>,
) -> (&'static str, Online) {
    let (dialect, version) = (scene.state.dialect(), scene.state.options.version());
    if is_copied(operation, table, scene)
        || moves_virtual(change, table, scene)
        || checks_json(change, table, scene)
    {
        return ("change-type", online("change-type", dialect, version));
    }
    let mut costs = online(operation, dialect, version);
    let Some(known) = scene.state.table(table) else { return (operation, costs) };
    let instant = costs.algorithm == Algorithm::Instant
        && matches!(operation, "add-column-last" | "add-column-position" | "drop-column");
    // Where no row changes its form at once, none changes its order (measured on MariaDB 10.11).
    let moves = dialect == Dialect::MariaDb
        && matches!(operation, "reorder-column" | "drop-indexed-column");
    let fulltext = known.indexes.iter().any(|i| matches!(i.method.as_deref(), Some("fulltext")));
    let compressed = known
        .options
        .get("row_format")
        .is_some_and(|format| format.eq_ignore_ascii_case("compressed"));
    let indexed = indexed_virtual(known);
    // MySQL adds and drops columns at once only where nothing else of the statement needs more.
    let beside = dialect == Dialect::Mysql
        && scene.siblings.iter().any(|sibling| {
            super::operation(sibling, scene)
                .is_some_and(|(o, _)| online(o, dialect, version).algorithm > Algorithm::Instant)
        });
    if instant && (fulltext || compressed || indexed || beside) || moves && (fulltext || compressed)
    {
        costs = Online {
            algorithm: Algorithm::Inplace,
            rebuilds: true,
            builds: true,
            blocks_writes: false,
            exclusive: false,
        };
    }
    // A rebuild cannot follow what is written meanwhile, nor can the build of an index over a column
    // that is not there yet.
    costs.blocks_writes |= costs.rebuilds && (fulltext || indexed)
        || dialect == Dialect::MariaDb && indexes_new_virtual(change, scene.siblings);
    (operation, costs)
}

/// It builds an index over a virtual column that comes with the same statement (measured on MariaDB
/// 10.11).
fn indexes_new_virtual(change: &Change, siblings: &[Change]) -> bool {
    let columns: Vec<&Ident> = match change {
        Change::CreateIndex { index, .. } => {
            index.parts.iter().filter_map(|p| p.column.as_ref()).collect()
        }
        Change::AddConstraint { constraint, .. } => match &constraint.kind {
            ConstraintKind::Unique { columns, .. } => columns.iter().collect(),
            _ => return false,
        },
        _ => return false,
    };
    siblings.iter().any(|sibling| match sibling {
        Change::AddColumn { column, .. } => {
            columns.contains(&&column.name) && column.generated.as_ref().is_some_and(|g| !g.stored)
        }
        _ => false,
    })
}

/// An index holds a virtual column.
fn indexed_virtual(table: &Table) -> bool {
    let is_virtual = |name: &Ident| {
        let column = table.column(name);
        column.and_then(|c| c.generated.as_ref()).is_some_and(|g| !g.stored)
    };
    let parts = table.indexes.iter().flat_map(|i| &i.parts);
    parts.filter_map(|p| p.column.as_ref()).any(is_virtual)
        || table.constraints.iter().any(|c| {
            matches!(&c.kind, ConstraintKind::Unique { columns, .. } if columns.iter().any(is_virtual))
        })
}

/// A virtual column comes to stand elsewhere: MariaDB then copies the table (measured).
fn moves_virtual(change: &Change, table: &ObjectName, scene: &Scene<'_>) -> bool {
    let Some(known) = scene.state.table(table) else { return false };
    if scene.state.dialect() != Dialect::MariaDb {
        return false;
    }
    let is_virtual = |c: &Column| c.generated.as_ref().is_some_and(|g| !g.stored);
    let place = |name: &Ident| known.columns.iter().position(|c| c.name == *name);
    // Index of the first column that stands behind what is put there.
    let behind = |position: &ColumnPosition| match position {
        ColumnPosition::First => Some(0),
        ColumnPosition::After(other) => place(other).map(|at| at + 1),
    };
    match change {
        Change::AddColumn { position: Some(position), .. } => {
            behind(position).is_some_and(|at| known.columns.iter().skip(at).any(is_virtual))
        }
        Change::ModifyColumn { from, position: Some(position), .. } => {
            let (Some(from), Some(to)) = (place(from), behind(position)) else { return false };
            let (first, behind) = if from < to { (from + 1, to) } else { (to, from) };
            known.columns.iter().take(behind).skip(first).any(is_virtual)
        }
        Change::DropColumn { column, .. } if indexed_virtual(known) => {
            place(column).is_some_and(|at| known.columns.iter().skip(at + 1).any(is_virtual))
        }
        _ => false,
    }
}

/// MySQL copies for any `MODIFY` of a table with a CHECK that calls `json_valid` (measured on 9.7; a
/// CHECK without a function is in nobody's way).
fn checks_json(change: &Change, table: &ObjectName, scene: &Scene<'_>) -> bool {
    scene.state.dialect() == Dialect::Mysql
        && matches!(change, Change::ModifyColumn { .. })
        && scene.state.table(table).is_some_and(|t| {
            t.constraints.iter().any(|c| {
                matches!(&c.kind, ConstraintKind::Check { expr, .. }
                    if expr.functions.iter().any(|f| f == "json_valid"))
            })
        })
}

/// An engine other than InnoDB copies what is more than metadata (measured on MyISAM).
fn is_copied(operation: &str, table: &ObjectName, scene: &Scene<'_>) -> bool {
    let engine = scene.state.table(table).and_then(|t| t.options.get("engine"));
    let other = engine.is_some_and(|e| !e.eq_ignore_ascii_case("innodb"));
    let touches_rows = [
        "add-column",
        "drop-column",
        "drop-indexed-column",
        "add-index",
        "add-unique",
        "add-fulltext",
        "add-spatial",
        "drop-index",
        "set-not-null",
        "drop-not-null",
        "reorder-column",
        "add-primary-key",
        "drop-primary-key",
        "change-primary-key",
        "widen-varchar",
        "same-engine",
        "change-engine",
        "force",
    ];
    other && touches_rows.iter().any(|o| operation.starts_with(o))
}
