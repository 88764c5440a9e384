//! `MODIFY` and `CHANGE`: the whole column is stated anew, so what is meant is found by comparing.

use downhaul_catalog::{Column, Table, column_def};
use downhaul_syntax::{Change, ColumnDef, Dialect, Ident, ObjectName, SqlType};

use super::change_column::Steps;
use super::change_type::change_type;
use super::retype_keys::{is_tied, retype_keys};
use super::storage::{character_bytes, is_recoded, is_same, narrowed};
use super::{INPLACE, add, modify};
use crate::op::conversion::{Conv, differ, directive_for};
use crate::op::piece::{Piece, Side, Slot};
use crate::op::{Made, Refused, Scene, refused};

/// A column stated anew.
pub(crate) fn modify_column(
    change: &Change,
    table: &ObjectName,
    from: &Ident,
    column: &ColumnDef,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let known = scene.table(table)?;
    let old = scene.column(table, from)?;
    let moves = moves_rows(old, column, known, scene.dialect());
    if moves && *from == column.name && is_tied(&known.name, from, scene) {
        return retype_keys(&known.name, old, column, None, scene);
    }
    if let Some(steps) = Steps::of(&known.name, old, column, scene) {
        return steps.pieces(&known.name, from, column, scene);
    }
    if moves {
        return change_type(table, old, column, scene);
    }
    let stricter = column.not_null && !old.not_null;
    let goes = old.default.is_some() && column.default.is_none();
    let slot = if stricter || goes { Slot::CONTRACT } else { Slot::EXPAND };
    in_place(change, &known.name, old, column, (slot, INPLACE), scene)
}

/// Whether a TIMESTAMP that may be NULL becomes NOT NULL. MariaDB takes a NULL in it for "now", and does that
/// by a copy only (measured on 10.11, error 1846).
pub(super) fn needs_copy(old: &Column, new: &ColumnDef, dialect: Dialect) -> bool {
    let is_stamp = new.ty.as_ref().is_some_and(|ty| ty.name == "timestamp");
    dialect == Dialect::MariaDb && is_stamp && new.not_null && !old.not_null
}

/// Whether the server stores the rows anew.
pub(super) fn moves_rows(old: &Column, new: &ColumnDef, known: &Table, dialect: Dialect) -> bool {
    !is_same(old, new, dialect) && !widens(old, new, known) || is_recoded(old, new, known)
}

/// A column stated anew where the server does it beside writers.
pub(super) fn in_place(
    change: &Change,
    table: &ObjectName,
    old: &Column,
    column: &ColumnDef,
    (slot, clause): (Slot, &str),
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let known = scene.table(table)?;
    let from = &old.name;
    if clause == INPLACE && needs_copy(old, column, dialect) {
        return refused(
            format!(
                "MariaDB makes a timestamp NOT NULL only by copying {table}, and writers wait meanwhile"
            ),
            format!(
                "take the pause, and say so: `ALTER TABLE {} MODIFY {q} …, ALGORITHM=COPY, LOCK=SHARED` in a statement of its own; or let it be NULL, which with DEFAULT CURRENT_TIMESTAMP only a statement writes that says NULL",
                dialect.quote_name_if_needed(table),
                q = dialect.quote_if_needed(from)
            ),
        );
    }
    let mut made = Made::default();
    let q = dialect.quote_if_needed(from);
    let fill = |conv: String| {
        format!(
            "UPDATE {} SET {q} = {conv}\nWHERE {q} IS NULL",
            dialect.quote_name_if_needed(&known.name)
        )
    };
    let (mut up, mut down) = (Side::default(), Side::default());
    if column.not_null && !old.not_null {
        let said = match directive_for(&scene.forward, from, true) {
            Some(directive) => Some(Conv::of_directive(directive, known, dialect)?.plain(dialect)),
            None => column.default.as_ref().map(|default| default.text.clone()),
        };
        match said {
            Some(conv) => {
                let mut side = Side::default();
                side.sql("Rows without a value get one, in small batches.", fill(conv.clone()));
                made.push(Slot::BACKFILL, Piece::made(side, Side::default()));
                up.sql("What the old release left empty since.", fill(conv));
            }
            None => made.note(format!(
                "rows in which {table}.{from} is NULL are not filled, and make the last step fail: say how with -- downhaul:forward \"EXPRESSION\" above the statement"
            )),
        }
    } else if old.not_null && !column.not_null {
        match directive_for(&scene.back, from, true) {
            Some(directive) => {
                let conv = Conv::of_directive(directive, known, dialect)?.plain(dialect);
                down.sql("What the new release left empty is filled.", fill(conv));
            }
            None => made.note(format!(
                "once NULL was written to {table}.{from}, `down` has to fill it and does not know with what: say so with -- downhaul:back \"EXPRESSION\" above the statement"
            )),
        }
    }
    if !is_same(old, column, dialect) {
        match directive_for(&scene.back, from, true).filter(|_| old.not_null == column.not_null) {
            Some(directive) => {
                let conv = Conv::of_directive(directive, known, dialect)?.plain(dialect);
                let other = differ(&q, &conv, old.ty.as_ref(), dialect);
                down.sql(
                    "What the old type does not hold becomes something else.",
                    format!(
                        "UPDATE {} SET {q} = {conv}\nWHERE {other}",
                        dialect.quote_name_if_needed(&known.name)
                    ),
                );
            }
            None => made.note(format!(
                "once {table}.{from} holds what the old type does not, `down` stops there: say what becomes of it above the statement{}",
                narrowed(old, dialect).map_or_else(
                    || " with -- downhaul:back \"EXPRESSION\"".to_owned(),
                    |back| format!(", for example -- downhaul:back \"{back}\"")
                )
            )),
        }
    }
    let why = if clause == INPLACE {
        "Others read and write meanwhile; where that cannot be, the server refuses."
    } else {
        "The table is copied, as the statement asks for."
    };
    add(&mut up, why, change, clause, dialect)?;
    // A narrower type is a copy; one that lets NULLs in again is none.
    let loosens = !old.not_null && is_same(old, column, dialect);
    let back_clause = if clause == INPLACE && !loosens { "" } else { clause };
    add(&mut down, "", &modify(&known.name, column_def(old)), back_clause, dialect)?;
    made.push(slot, Piece::made(up, down));
    Ok(made)
}

/// A longer VARCHAR with as many bytes for its length, or an ENUM or SET with more labels behind those that
/// it has and as many bytes for them: no row changes.
fn widens(old: &Column, new: &ColumnDef, known: &Table) -> bool {
    if let (Some(from), Some(to)) = (&old.ty, &new.ty)
        && from.name == to.name
        && matches!(from.name.as_str(), "enum" | "set")
    {
        let bytes = |labels: usize| match from.name.as_str() {
            "enum" => usize::from(labels > 255) + 1,
            _ if labels > 32 => 8,
            _ => labels.div_ceil(8),
        };
        return to.args.starts_with(&from.args) && bytes(from.args.len()) == bytes(to.args.len());
    }
    let length = |ty: Option<&SqlType>| {
        let ty = ty?;
        (ty.name == "varchar").then(|| ty.args.first()?.trim().parse::<u32>().ok()).flatten()
    };
    let (Some(from), Some(to)) = (length(old.ty.as_ref()), length(new.ty.as_ref())) else {
        return false;
    };
    // Up to 255 bytes have a length of one byte.
    let is_long = |length: u32, bytes: u32| length * bytes > 255;
    to >= from
        && match character_bytes(old, known) {
            Some(bytes) => is_long(from, bytes) == is_long(to, bytes),
            None => is_long(from, 4) == is_long(to, 4) || is_long(from, 1),
        }
}
