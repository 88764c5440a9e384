//! `MODIFY` and `CHANGE`: the whole column is stated anew, so what is meant is found by comparing.

use downhaul_catalog::{Column, column_def};
use downhaul_syntax::{Change, ColumnDef, Ident, ObjectName, SqlType};

use super::change_type::change_type;
use super::rename_column::rename_column;
use super::retype_keys::{is_tied, retype_keys};
use super::storage::is_recoded;
use super::{INPLACE, add, modify};
use crate::op::conversion::{Conv, directive_for};
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
    let dialect = scene.dialect();
    let known = scene.table(table)?;
    let old = scene.column(table, from)?;
    let same_type = old.ty == column.ty;
    if *from != column.name {
        let renamed = ColumnDef { name: column.name.clone(), ..column_def(old) };
        if !same_type || renamed.not_null != column.not_null {
            return refused(
                format!("{table}.{from} gets another name and another shape at once"),
                "rename it in one migration, and change it in the next",
            );
        }
        return rename_column(table, from, &column.name, scene);
    }
    if !same_type && !widens(old, column) || is_recoded(old, column, known) {
        if is_tied(&known.name, from, scene) {
            return retype_keys(&known.name, old, column, None, scene);
        }
        return change_type(table, old, column, scene);
    }
    let mut made = Made::default();
    let slot = if column.not_null && !old.not_null { Slot::CONTRACT } else { Slot::EXPAND };
    let q = dialect.quote_if_needed(from);
    let fill = |conv: String| {
        format!(
            "UPDATE {} SET {q} = {conv}\nWHERE {q} IS NULL",
            dialect.quote_name_if_needed(&known.name)
        )
    };
    let (mut up, mut down) = (Side::default(), Side::default());
    if slot == Slot::CONTRACT {
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
    add(
        &mut up,
        "Others read and write meanwhile; where that cannot be, the server refuses.",
        change,
        INPLACE,
        dialect,
    )?;
    add(&mut down, "", &modify(&known.name, column_def(old)), "", dialect)?;
    made.push(slot, Piece::made(up, down));
    Ok(made)
}

/// A longer VARCHAR with as many bytes for its length, or an ENUM with more labels behind those that
/// it has and as many bytes for their numbers: no row changes.
fn widens(old: &Column, new: &ColumnDef) -> bool {
    if let (Some(old), Some(new)) = (&old.ty, &new.ty)
        && old.name == "enum"
        && new.name == "enum"
    {
        return new.args.starts_with(&old.args) && (old.args.len() > 255) == (new.args.len() > 255);
    }
    let length = |ty: Option<&SqlType>| {
        let ty = ty?;
        (ty.name == "varchar").then(|| ty.args.first()?.trim().parse::<u32>().ok()).flatten()
    };
    match (length(old.ty.as_ref()), length(new.ty.as_ref())) {
        // 63 characters of four bytes each have a length of one byte.
        (Some(old), Some(new)) => new >= old && ((old > 63) == (new > 63) || old > 255),
        _ => false,
    }
}
