//! `DROP COLUMN`: first nobody has to write it, then nobody reads it, then it goes.

use downhaul_syntax::{Change, Ident, ObjectName};

use super::anew::{lead, nullable, with};
use super::triggers::{self, Triggers};
use super::{is_key_column, unread};
use crate::Direction;
use crate::op::as_written::piece;
use crate::op::conversion::{Conv, directive_for};
use crate::op::piece::{Piece, Side, Slot};
use crate::op::sync::Sync;
use crate::op::{Made, Refused, Scene, refused};

/// A column that goes.
pub(crate) fn drop_column(
    change: &Change,
    table: &ObjectName,
    column: &Ident,
    text: &str,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let known = scene.table(table)?;
    let mut made = Made::default();
    let Some(found) = known.column(column) else {
        made.push(Slot::CONTRACT, piece(change, Some(text), scene, "")?);
        return Ok(made);
    };
    let table = &known.name;
    if is_key_column(known, column) {
        return refused(
            format!("{table}.{column} is part of the primary key"),
            "build a new table beside the old one",
        );
    }
    unread(known, column, scene)?;
    let needs_value = found.not_null && found.default.is_none() && found.generated.is_none();
    let back = directive_for(&scene.back, column, true)
        .map(|directive| Conv::of_directive(directive, known, dialect))
        .transpose()?;
    let between =
        if needs_value { with(scene.now, &[nullable(table, column)]) } else { scene.now.clone() };
    let q = dialect.quote_if_needed(column);
    let fill = back.as_ref().map(|back| {
        format!(
            "UPDATE {} SET {q} = {}\nWHERE {q} IS NULL",
            dialect.quote_name_if_needed(table),
            back.plain(dialect)
        )
    });
    let named = triggers::name(scene.now, table, column.as_str());
    let sync = back.filter(|_| needs_value).map(|back| {
        Sync::one_way(table, Vec::new(), (column, found.ty.as_ref()), &back, named, dialect)
    });
    let triggers = sync.as_ref().map(|sync| Triggers::new(sync, known, true)).transpose()?;
    if needs_value {
        let (mut up, mut down) = (Side::default(), Side::default());
        let why = "The new release leaves it out when it inserts.";
        lead(scene.now, &between, &[], why, &mut up)?;
        if let Some(triggers) = &triggers {
            triggers.create(&mut up, "The old release goes on finding values.");
            triggers.drop(&mut down, "");
        } else {
            made.note(format!(
                "rows of the new release have no {table}.{column}, and `down` cannot make it NOT NULL again: say what they get with -- downhaul:back \"EXPRESSION\" above the statement"
            ));
        }
        lead(
            &between,
            scene.now,
            &[],
            "Fails where a row has no value: fill those first.",
            &mut down,
        )?;
        made.push(Slot::EXPAND, Piece::made(up, down));
        made.derive(Slot::EXPAND, &[Direction::Up, Direction::Down]);
    }
    let after = with(&between, std::slice::from_ref(change));
    let (mut up, mut down) = (Side::default(), Side::default());
    if let Some(triggers) = &triggers {
        triggers.drop(&mut up, "The old release is gone.");
    }
    let why = "Neither release uses it. Downhaul keeps its values, and `down` brings them back.";
    lead(&between, &after, &[], why, &mut up)?;
    lead(&after, &between, &[], "", &mut down)?;
    if let (Some(triggers), Some(fill)) = (&triggers, &fill) {
        triggers.create(&mut down, "");
        down.sql("What was inserted since has none yet.", fill.clone());
    }
    made.push(Slot::CONTRACT, Piece::made(up, down));
    Ok(made)
}
