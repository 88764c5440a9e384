//! `DROP COLUMN`: first nobody has to write it, then nobody reads it, then it goes.

use downhaul_syntax::change::ColumnPosition;
use downhaul_syntax::{Change, Ident, ObjectName};

use super::rename_column::set_default;
use super::{INPLACE, add, default_of, modify, stated, triggers};
use crate::Direction;
use crate::op::as_written::piece;
use crate::op::conversion::{Conv, directive_for};
use crate::op::piece::{Piece, Side, Slot};
use crate::op::sync::Sync;
use crate::op::{Made, Refused, Scene};

/// A column that goes.
pub(crate) fn drop_column(
    change: &Change,
    table: &ObjectName,
    column: &Ident,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let known = scene.table(table)?;
    let mut made = Made::default();
    let Some(found) = known.column(column) else {
        made.push(Slot::CONTRACT, piece(change, text, scene, "")?);
        return Ok(made);
    };
    let table = &known.name;
    let needs_value = found.not_null
        && found.default.is_none()
        && found.generated.is_none()
        && found.identity.is_none()
        && !known.primary_key().contains(column);
    let back = directive_for(&scene.back, column, true)
        .map(|directive| Conv::of_directive(directive, known, dialect))
        .transpose()?;
    // Where it has a default meanwhile: as it comes back, without, or the table would be built anew for that.
    let mut plain = None;
    if needs_value {
        let empty = modify(table, stated(found, column, false));
        let full = modify(table, stated(found, column, true));
        let (mut up, mut down) = (Side::default(), Side::default());
        add(
            &mut up,
            "The new release leaves it out when it inserts. Built anew in the background, while others read and write.",
            &empty,
            INPLACE,
            dialect,
        )?;
        match back {
            Some(back) => {
                let named = triggers::name(scene.now, table, column.as_str());
                let of = (column, found.ty.as_ref());
                let sync = Sync {
                    required: vec![column.clone()],
                    ..Sync::one_way(table, Vec::new(), of, &back, named, dialect)
                };
                triggers::fill_only(&sync, &mut up, "The old release goes on finding values.");
                let q = dialect.quote_if_needed(column);
                let fill = format!(
                    "UPDATE {} SET {q} = {}\nWHERE {q} IS NULL",
                    dialect.quote_name_if_needed(table),
                    sync.forward[0].plain(dialect)
                );
                down.sql(
                    "Rows that were inserted while contract had dropped one and not yet the other.",
                    fill.clone(),
                );
                triggers::drop(&sync, &mut down, "");
                let (mut last_up, mut last_down) = (Side::default(), Side::default());
                // Statements commit one by one, and triggers are taken off while kept values go back: rows that
                // come meanwhile have the default.
                if let Some(default) = default_of(&sync.forward[0], dialect) {
                    set_default(&mut up, table, column, &default, dialect)?;
                    set_default(&mut last_down, table, column, &default, dialect)?;
                    plain = Some(stated(found, column, false));
                }
                triggers::drop(&sync, &mut last_up, "The old release is gone.");
                triggers::fill_only(&sync, &mut last_down, "");
                last_down.sql("What was inserted since has none yet.", fill);
                made.push(Slot::CONTRACT, Piece::made(last_up, last_down));
                // An empty value that was filled must not come back with the next way up.
                made.derive(Slot::EXPAND, &[Direction::Down]);
                made.derive(Slot::CONTRACT, &[Direction::Down]);
            }
            None => made.note(format!(
                "rows of the new release have no {table}.{column}, and `down` cannot make it NOT NULL again: say what they get with -- downhaul:back \"EXPRESSION\" above the statement"
            )),
        }
        add(
            &mut down,
            "Fails where a row has no value: fill those first.",
            &full,
            INPLACE,
            dialect,
        )?;
        made.pieces.insert(0, (Slot::EXPAND, Piece::made(up, down)));
    }
    let why = "Neither release uses it. Downhaul keeps its values, and `down` brings them back.";
    if let Some(column) = plain {
        let at = known.columns.iter().position(|c| c.name == column.name);
        let before = at.and_then(|at| at.checked_sub(1)).map(|at| known.columns[at].name.clone());
        let (mut up, mut down) = (Side::default(), Side::default());
        up.change(why, change, dialect)?;
        let again = Change::AddColumn {
            table: table.clone(),
            column,
            if_not_exists: false,
            position: Some(before.map_or(ColumnPosition::First, ColumnPosition::After)),
        };
        down.change("", &again, dialect)?;
        made.push(Slot::CONTRACT, Piece::made(up, down));
        return Ok(made);
    }
    made.push(Slot::CONTRACT, piece(change, text, scene, why)?);
    Ok(made)
}
