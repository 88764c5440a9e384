//! Columns that a migration added and that its way back drops: rows in which nobody has written anything else
//! come again as they were, and need not be kept.

use downhaul_engine::TableShape;
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, Statement};

use crate::loss::TableLoss;
use crate::sql;
use crate::store::{Kept, KeptMode};

/// What each row has in a column that was just added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filled {
    /// Nothing: no default was written.
    Null,
    /// A constant, as SQL.
    Constant(String),
}

/// The columns that a migration adds, with what each row has in them behind it. None of a migration that may write
/// rows, or rename what it added: then a row that looks untouched may come again as another one.
#[must_use]
pub fn added(statements: &[Statement]) -> Vec<(ObjectName, Ident, Filled)> {
    let mut found = Vec::new();
    for statement in statements {
        if statement.changes().is_empty() {
            return Vec::new();
        }
        for change in statement.changes() {
            match change {
                Change::AddColumn { table, column, .. } => {
                    let filled = match &column.default {
                        None => Filled::Null,
                        Some(value) if value.columns.is_empty() && value.functions.is_empty() => {
                            Filled::Constant(value.text.clone())
                        }
                        Some(_) => continue,
                    };
                    found.push((table.clone(), column.name.clone(), filled));
                }
                change if leaves_rows(change) => {}
                _ => return Vec::new(),
            }
        }
    }
    found
}

/// Whether a change writes no row of a table that was there, and renames nothing.
fn leaves_rows(change: &Change) -> bool {
    matches!(
        change,
        Change::CreateTable { .. }
            | Change::CreateIndex { .. }
            | Change::CreateTrigger { .. }
            | Change::CreateRoutine { .. }
            | Change::CreateType { .. }
            | Change::CreateSequence { .. }
            | Change::CreateSchema { .. }
            | Change::CreateView { .. }
            | Change::AddConstraint { .. }
            | Change::ValidateConstraint { .. }
            | Change::SetDefault { .. }
            | Change::DropDefault { .. }
            | Change::SetNotNull { .. }
            | Change::DropNotNull { .. }
            | Change::DropConstraint { .. }
            | Change::DropIndex { .. }
            | Change::DropTrigger { .. }
            | Change::DropView { .. }
            | Change::Comment { .. }
            | Change::Grant { .. }
            | Change::SetVariable { .. }
    )
}

/// The test for rows of which something would be lost, where a table loses columns alone and each of them comes
/// again by itself; `None` where all rows are to be kept.
pub(crate) fn only(loss: &TableLoss, shape: &TableShape, dialect: Dialect) -> Option<String> {
    if loss.columns.is_empty() || !loss.retyped.is_empty() || !loss.renamed_columns.is_empty() {
        return None;
    }
    // Under LOCK TABLES a statement may name another table once by each of its aliases.
    if dialect.is_mysql_family() && !loss.read_elsewhere(dialect).is_empty() {
        return None;
    }
    let mut tests = Vec::new();
    for name in &loss.columns {
        let column = shape.column(name)?;
        if loss.follows.contains_key(name) {
            tests.push(format!("{} IS NOT NULL", loss.kept_value(name, &column.ty, dialect)));
            continue;
        }
        let quoted = dialect.quote(name);
        tests.push(match loss.added.get(name)? {
            // Of a type with a default of its own (a domain) the column comes again with that.
            Filled::Null if column.user_type => return None,
            Filled::Null => format!("{quoted} IS NOT NULL"),
            Filled::Constant(value) => {
                sql::is_another(dialect, &quoted, &format!("({value})"), &column.ty)
            }
        });
    }
    Some(format!("({})", tests.join(" OR ")))
}

/// Whether a store that holds no row says all there is to say: the columns come again by themselves.
pub(crate) fn are_untouched(loss: &TableLoss, kept: &Kept, dialect: Dialect) -> bool {
    kept.mode == KeptMode::Columns && only(loss, &kept.shape, dialect).is_some()
}
