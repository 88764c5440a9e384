//! MariaDB and MySQL: the same phases, by other means.
//!
//! Nothing of the schema can be rolled back here, so each statement stands by itself and says which
//! algorithm it needs: the server then refuses what would copy the table or lock out writers,
//! instead of doing it. A rule that binds new rows only (`NOT VALID`) is not to be had: a column
//! may be NULL until it is filled.

mod add_column;
mod change_primary_key;
mod change_type;
mod convert_charset;
mod copy_table;
mod drop_column;
mod feed;
mod keys;
mod modify_column;
mod rename_column;
mod rename_ruled;
mod rename_table;
mod reshape_columns;
mod storage;
mod triggers;

use downhaul_catalog::{Column, column_def, render};
use downhaul_syntax::{Change, ColumnDef, ConstraintKind, Dialect, Ident, ObjectName};

use super::piece::{Piece, Side, Slot};
use super::{Made, Refused, Scene, as_written, refused};

pub(crate) use change_primary_key::{change_primary_key, is_meant as changes_primary_key};
pub(crate) use copy_table::{copy_table, is_asked_for as asks_for_copy};
pub(crate) use reshape_columns::reshape_columns;

/// The pieces of one change.
pub(crate) fn one_change(
    change: &Change,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    match change {
        Change::RenameColumn { table, from, to } => {
            rename_column::rename_column(table, from, to, scene)
        }
        Change::AddColumn { table, column, .. } => {
            add_column::add_column(change, table, column, text, scene)
        }
        Change::DropColumn { table, column, .. } => {
            drop_column::drop_column(change, table, column, text, scene)
        }
        Change::ModifyColumn { table, from, column, .. } => {
            modify_column::modify_column(change, table, from, column, scene)
        }
        Change::RenameTable { from, to } if scene.now.table(from).is_some() => {
            rename_table::rename_table(from, to, scene)
        }
        Change::ConvertCharset { table, charset, collation } => {
            convert_charset::convert_charset(table, charset, collation.as_deref(), scene)
        }
        Change::CreateIndex { index, .. } => {
            let slot = if index.unique { Slot::CONTRACT } else { Slot::EXPAND };
            online(
                change,
                slot,
                " ALGORITHM=INPLACE LOCK=NONE",
                "Writers go on while it is built.",
                scene,
            )
        }
        Change::DropIndex { .. } => online(
            change,
            Slot::CONTRACT,
            "",
            "The old release may be fast only because of it: it goes last.",
            scene,
        ),
        Change::AddConstraint { constraint, .. } => {
            let (clause, why) = match &constraint.kind {
                ConstraintKind::Unique { .. } => (
                    INPLACE,
                    "The old release must not write duplicates any more. Writers go on while it is built.",
                ),
                ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } => (
                    "",
                    "The old release may break it: it must be gone. Every row is read, and writers wait meanwhile.",
                ),
                _ => {
                    return refused(
                        "the key of a table is how its rows are stored: to add one copies the table where another was made up for it",
                        "where it replaces one, write both in one statement: DROP PRIMARY KEY, ADD PRIMARY KEY (…)",
                    );
                }
            };
            online(change, Slot::CONTRACT, clause, why, scene)
        }
        Change::AlterColumnType { .. } | Change::SetNotNull { .. } | Change::DropNotNull { .. } => {
            refused(
                format!("{dialect} has no such statement"),
                "state the whole column: ALTER TABLE … MODIFY COLUMN …",
            )
        }
        _ => as_written::as_written(change, text, scene),
    }
}

/// The end of an `ALTER TABLE` that neither copies nor locks out writers.
pub(super) const INPLACE: &str = ", ALGORITHM=INPLACE, LOCK=NONE";
/// The end of one that touches no row at all.
pub(super) const INSTANT: &str = ", ALGORITHM=INSTANT";

/// A change with the algorithm that it needs.
fn online(
    change: &Change,
    slot: Slot,
    clause: &str,
    why: &str,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let mut side = Side::default();
    add(&mut side, why, change, clause, scene.dialect())?;
    let mut made = Made::default();
    for step in side.steps {
        made.push(slot, Piece::AsWritten { why: step.why, text: step.sql });
    }
    Ok(made)
}

/// Adds a change with the algorithm that it needs.
pub(super) fn add(
    side: &mut Side,
    why: &str,
    change: &Change,
    clause: &str,
    dialect: Dialect,
) -> Result<(), Refused> {
    let statements = match render(change, dialect) {
        Ok(statements) => statements,
        Err(error) => return refused(error.to_string(), "write this change by hand"),
    };
    for (at, sql) in statements.into_iter().enumerate() {
        side.sql(if at == 0 { why } else { "" }, format!("{sql}{clause}"));
    }
    Ok(())
}

/// `MODIFY COLUMN` to this definition.
pub(super) fn modify(table: &ObjectName, column: ColumnDef) -> Change {
    Change::ModifyColumn { table: table.clone(), from: column.name.clone(), column, position: None }
}

/// A column under a name, NULL or not.
pub(super) fn stated(column: &Column, name: &Ident, not_null: bool) -> ColumnDef {
    ColumnDef { name: name.clone(), not_null, not_null_name: None, ..column_def(column) }
}

/// `ADD COLUMN`.
pub(super) fn added(table: &ObjectName, column: ColumnDef) -> Change {
    Change::AddColumn { table: table.clone(), column, if_not_exists: false, position: None }
}

/// `DROP COLUMN`.
pub(super) fn dropped(table: &ObjectName, column: &Ident) -> Change {
    Change::DropColumn {
        table: table.clone(),
        column: column.clone(),
        if_exists: false,
        cascade: false,
    }
}
