//! Several statements about one column, put together to one `CHANGE`.
//!
//! `MODIFY` and `CHANGE` state a whole column: of several the last counts, under the name that it ends with.
//! Frameworks that rename in one statement and change in the next write it so.

use downhaul_catalog::{Catalog, column_def, mentions_ident};
use downhaul_syntax::{Change, ColumnDef, Ident, ObjectName, Script};

/// What statements say of a column that was there before the file.
struct Column {
    table: ObjectName,
    /// Its name before.
    first: Ident,
    /// What it is by now.
    now: ColumnDef,
    /// The statement that says it all, and which of its changes.
    home: (usize, usize),
}

/// A statement whose change is said by an earlier one, which is the home of both.
pub(crate) struct Folded {
    pub(crate) home: usize,
    pub(crate) emptied: usize,
    /// The changes of the home, as they are with that.
    pub(crate) changes: Vec<Change>,
}

/// The first statement that can be put together with one before it. `told` says which have directives: of two
/// that have some nobody could tell over which of the values in between they speak.
pub(crate) fn fold(
    script: &Script,
    emptied: &[bool],
    told: &dyn Fn(usize) -> bool,
    before: &Catalog,
) -> Option<Folded> {
    let mut columns: Vec<Column> = Vec::new();
    for (at, statement) in script.statements.iter().enumerate() {
        if emptied[at] {
            continue;
        }
        for (n, change) in statement.changes().iter().enumerate() {
            let Some((table, from)) = subject(change) else { continue };
            let table = before.normalize(table);
            let alone = statement.changes().len() == 1;
            let held = columns.iter().find(|c| c.table == table && c.now.name == *from);
            if let Some(held) = held
                && alone
                && held.home.0 < at
                && !(told(at) && told(held.home.0))
                && undisturbed(script, (held.home.0, at), held)
                && let Some(column) = stated(change, &held.now)
            {
                let mut changes = script.statements[held.home.0].changes().to_vec();
                let from = held.first.clone();
                changes[held.home.1] = Change::ModifyColumn { table, from, column, position: None };
                return Some(Folded { home: held.home.0, emptied: at, changes });
            }
            let known = before.table(&table).and_then(|known| known.column(from));
            let Some(column) = known.and_then(|known| stated(change, &column_def(known))) else {
                continue;
            };
            columns.push(Column { table, first: from.clone(), now: column, home: (at, n) });
        }
    }
    None
}

/// The table and the column that a change is about.
fn subject(change: &Change) -> Option<(&ObjectName, &Ident)> {
    match change {
        Change::RenameColumn { table, from, .. } | Change::ModifyColumn { table, from, .. } => {
            Some((table, from))
        }
        Change::SetDefault { table, column, .. } | Change::DropDefault { table, column } => {
            Some((table, column))
        }
        _ => None,
    }
}

/// What a column is behind a change.
fn stated(change: &Change, now: &ColumnDef) -> Option<ColumnDef> {
    match change {
        Change::RenameColumn { to, .. } => Some(ColumnDef { name: to.clone(), ..now.clone() }),
        Change::ModifyColumn { column, .. } => Some(column.clone()),
        Change::SetDefault { default, .. } => {
            Some(ColumnDef { default: Some(default.clone()), ..now.clone() })
        }
        Change::DropDefault { .. } => Some(ColumnDef { default: None, ..now.clone() }),
        _ => None,
    }
}

/// Nothing between two statements writes rows, or names the column as it is called there.
fn undisturbed(script: &Script, (from, to): (usize, usize), column: &Column) -> bool {
    script.statements[from + 1..to].iter().all(|statement| {
        let shapes = statement.changes().iter().all(|change| {
            subject(change).is_some()
                || matches!(
                    change,
                    Change::AddColumn { .. }
                        | Change::DropColumn { .. }
                        | Change::AddConstraint { .. }
                        | Change::DropConstraint { .. }
                        | Change::CreateIndex { .. }
                        | Change::DropIndex { .. }
                        | Change::RenameIndex { .. }
                )
        });
        let named = |name: &Ident| mentions_ident(&statement.text, script.dialect, name);
        statement.copy_data.is_none() && shapes && !named(&column.first) && !named(&column.now.name)
    })
}
