//! `DROP COLUMN`: first nobody has to write it, then nobody reads it, then it goes.

use downhaul_catalog::render_type;
use downhaul_syntax::{Change, Dialect, Ident, ObjectName};

use super::as_written::piece;
use super::conversion::{Conv, directive_for};
use super::feed::Feed;
use super::move_column::move_column;
use super::pair::drop_constraint;
use super::piece::{Piece, Side, Slot};
use super::rules::not_null_check;
use super::sync::Sync;
use super::{Made, Refused, Scene, names, refused};

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
        // IF EXISTS, or a mistake that the server will tell.
        made.push(Slot::CONTRACT, piece(change, text, scene, "")?);
        return Ok(made);
    };
    if let (Dialect::Postgres, Some(directive)) =
        (dialect, directive_for(&scene.back, column, true))
    {
        let fed = (column, found.ty.as_ref(), false);
        if let Some(feed) = Feed::of_text(&directive.expr, known, fed, scene.now)? {
            let mut made = move_column(change, known, column, text, &feed, scene)?;
            made.read.push(directive.expr.clone());
            return Ok(made);
        }
    }
    let writable = found.generated.is_none() && found.identity.is_none();
    let needs_value = found.not_null && found.default.is_none() && writable;
    let in_key = known.primary_key().contains(column);
    let back = directive_for(&scene.back, column, true)
        .map(|directive| Conv::of_directive(directive, known, dialect))
        .transpose()?;
    // Until the contract the server wants a value in each row.
    let rekeyed = scene.rekeyed.iter().find(|(of, _)| in_key && *of == known.name);
    let slot = rekeyed.map_or(Slot::CONTRACT, |(_, slot)| *slot);
    if needs_value && in_key && back.is_none() {
        return refused(
            format!(
                "until the contract {table}.{column} is part of the primary key and has no default, and the new release does not write it"
            ),
            format!(
                "say what its rows get meanwhile (a value of type {}), on the line above the statement:\n  -- downhaul:back {} \"EXPRESSION\"",
                found.ty.as_ref().map(|ty| render_type(ty, dialect)).unwrap_or_default(),
                column.as_str()
            ),
        );
    }
    if needs_value {
        match &back {
            Some(back) => fed(known, found, back, (scene, slot), &mut made)?,
            None => {
                let (mut up, mut down) = (Side::default(), Side::default());
                up.change(
                    "The new release leaves it out when it inserts. The old one has to bear NULL in rows of the new one.",
                    &Change::DropNotNull { table: known.name.clone(), column: column.clone() },
                    dialect,
                )?;
                down.change(
                    "Fails where the new release has inserted rows: fill them first.",
                    &Change::SetNotNull { table: known.name.clone(), column: column.clone() },
                    dialect,
                )?;
                made.push(Slot::EXPAND, Piece::made(up, down));
                made.note(format!(
                    "rows of the new release have no {table}.{column}, and `down` cannot make it NOT NULL again: say what they get with -- downhaul:back \"EXPRESSION\" above the statement (a value of type {})",
                    found.ty.as_ref().map(|ty| render_type(ty, dialect)).unwrap_or_default()
                ));
            }
        }
    }
    let why = "Neither release uses it. Downhaul keeps its values, and `down` brings them back.";
    made.push(slot, piece(change, text, scene, why)?);
    Ok(made)
}

/// The old release goes on finding values: a trigger writes them for the new release.
fn fed(
    known: &downhaul_catalog::Table,
    found: &downhaul_catalog::Column,
    back: &Conv,
    (scene, slot): (&Scene<'_>, Slot),
    made: &mut Made,
) -> Result<(), Refused> {
    let dialect = scene.dialect();
    let (table, column) = (&known.name, &found.name);
    let named = Sync::named(scene.now, known, column.as_str());
    let mut first = back.typed_columns(known);
    first.retain(|(c, _)| c != column);
    let sync = Sync {
        required: vec![column.clone()],
        schema: table.schema.clone().or_else(|| scene.now.default_schema.clone()),
        ..Sync::one_way(table, first, (column, found.ty.as_ref()), back, named, dialect)
    };
    let check = names::free_part(scene.now, table, &format!("{}_{column}_not_null", table.name));
    let (mut up, mut down) = (Side::default(), Side::default());
    sync.fill_only(
        &mut up,
        "The new release leaves the column out when it inserts: the trigger gives the old one what it expects.",
    );
    sync.drop(&mut down, "");
    made.push(Slot::EXPAND, Piece::made(up, down));

    let (mut up, mut down) = (Side::default(), Side::default());
    sync.drop(&mut up, "The old release is gone.");
    let light = Change::AddConstraint {
        table: table.clone(),
        constraint: not_null_check(column, &check, dialect),
        if_not_exists: false,
    };
    up.change("", &Change::DropNotNull { table: table.clone(), column: column.clone() }, dialect)?;
    down.change(
        "Proves in the background that no row lacks it, then NOT NULL in an instant.",
        &light,
        dialect,
    )?;
    down.sql(
        "What was inserted since has none yet.",
        format!(
            "UPDATE {} SET {q} = {}\nWHERE {q} IS NULL",
            dialect.quote_name_if_needed(table),
            back.plain(dialect),
            q = dialect.quote_if_needed(column)
        ),
    );
    down.change(
        "",
        &Change::ValidateConstraint { table: table.clone(), name: check.clone() },
        dialect,
    )?;
    down.change("", &Change::SetNotNull { table: table.clone(), column: column.clone() }, dialect)?;
    down.change("", &drop_constraint(table, &check), dialect)?;
    sync.fill_only(&mut down, "");
    made.push(slot, Piece::made(up, down));
    Ok(())
}
