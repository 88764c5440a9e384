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
mod retype_keys;
mod storage;
mod triggers;

use downhaul_catalog::{Column, Table, column_def, render};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintKind, Dialect, Expr, Ident, ObjectName, Span, SqlType,
};

use super::piece::{Piece, Side, Slot};
use super::{Made, Refused, Scene, as_written, refused};

pub(crate) use change_primary_key::{change_primary_key, is_meant as changes_primary_key};
pub(crate) use copy_table::{copy_table, is_asked_for as asks_for_copy};
pub(crate) use reshape_columns::reshape_columns;
pub(crate) use retype_keys::said;

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

/// A column beside another one, which triggers always write: without what only the first one needs.
///
/// Where it takes no NULL it has a default, which nobody ever finds: `INSERT … SELECT` asks for a value or
/// a default before it fires a trigger (error 1364).
pub(super) fn beside(def: &ColumnDef, name: &Ident, not_null: bool, dialect: Dialect) -> ColumnDef {
    let default = def.ty.as_ref().filter(|_| not_null).and_then(|ty| filler(ty, dialect));
    ColumnDef {
        name: name.clone(),
        not_null,
        not_null_name: None,
        default,
        comment: None,
        ..def.clone()
    }
}

/// Some value of a type.
fn filler(ty: &SqlType, dialect: Dialect) -> Option<Expr> {
    let text = match ty.name.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "decimal"
        | "numeric" | "float" | "double" | "boolean" | "year" | "bit" => "0",
        "char" | "varchar" | "binary" | "varbinary" | "set" => "''",
        "tinytext" | "text" | "mediumtext" | "longtext" | "tinyblob" | "blob" | "mediumblob"
        | "longblob"
            if dialect == Dialect::MariaDb =>
        {
            "''"
        }
        "enum" => ty.args.first()?,
        "date" => "'1970-01-02'",
        "datetime" | "timestamp" => "'1970-01-02 00:00:00'",
        "time" => "'00:00:00'",
        _ => return None,
    };
    Some(literal(text))
}

/// A constant.
pub(super) fn literal(text: &str) -> Expr {
    Expr {
        text: text.to_owned(),
        columns: Vec::new(),
        functions: Vec::new(),
        span: Span::default(),
    }
}

/// Assignments that a backfill makes so that columns with `ON UPDATE CURRENT_TIMESTAMP` stay as they are:
/// nobody has changed the row.
pub(super) fn stamps_kept(table: &Table, dialect: Dialect) -> Vec<String> {
    let stamped = table.columns.iter().filter(|column| column.on_update.is_some());
    stamped
        .map(|column| {
            let name = dialect.quote_if_needed(&column.name);
            format!("{name} = {name}")
        })
        .collect()
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
