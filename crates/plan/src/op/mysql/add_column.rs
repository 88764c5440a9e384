//! `ADD COLUMN`: at once where it touches no row, else empty first and filled afterwards.

use downhaul_syntax::{Change, ColumnDef, ObjectName};

use super::feed::add_fed_column;
use super::rename_column::{drop_default, set_default};
use super::{INPLACE, INSTANT, add, added, default_of, dropped, modify, triggers};
use crate::Direction;
use crate::op::as_written::piece;
use crate::op::feed::Holds;
use crate::op::piece::{Piece, Side, Slot};
use crate::op::sync::Sync;
use crate::op::{HERE, Made, Refused, Scene, refused, stale, unfilled};

/// A new column.
pub(crate) fn add_column(
    change: &Change,
    table: &ObjectName,
    column: &ColumnDef,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let known = scene.table(table)?;
    let mut made = Made::default();
    if known.origin == HERE {
        made.push(Slot::EXPAND, piece(change, text, scene, "")?);
        return Ok(made);
    }
    if column.generated.as_ref().is_some_and(|g| g.stored)
        || column.identity.is_some()
        || !column.constraints.is_empty()
    {
        return refused(
            format!(
                "{table}.{} gets a value for every row, or a rule over all of them, while the table is copied",
                column.name
            ),
            "add a plain column with -- downhaul:forward \"EXPRESSION\" above the statement, and its rules in a statement of their own",
        );
    }
    let (forward, column) = match Holds::said_of(column, known, scene, &mut made)? {
        Holds::Fed(fed) => {
            let (feed, column) = *fed;
            add_fed_column(known, &column, &feed, scene, &mut made)?;
            return Ok(made);
        }
        Holds::Computed(conv, column) => (Some(conv), column),
        Holds::Unsaid => (None, Box::new(column.clone())),
    };
    let Some(conv) = forward else {
        if column.not_null && column.default.is_none() {
            return unfilled::refuse(known, &[&column], scene);
        }
        let constant = column.default.as_ref().is_none_or(|default| default.functions.is_empty());
        if !constant {
            return refused(
                format!("the default of {table}.{} differs from row to row", column.name),
                "add the column without it, say how it is computed with -- downhaul:forward \"EXPRESSION\" above the statement, and set the default afterwards",
            );
        }
        let Change::AddColumn { position, if_not_exists, .. } = change else {
            return Ok(made);
        };
        let change = Change::AddColumn {
            table: known.name.clone(),
            column: *column,
            if_not_exists: *if_not_exists,
            position: position.clone(),
        };
        return super::online(&change, Slot::EXPAND, INSTANT, "", scene);
    };
    let table = &known.name;
    let named = triggers::name(scene.now, table, column.name.as_str());
    let first = conv.typed_columns(known);
    let computed = !first.is_empty();
    let sync = Sync {
        required: if column.not_null { vec![column.name.clone()] } else { Vec::new() },
        ..Sync::one_way(table, first, (&column.name, column.ty.as_ref()), &conv, named, dialect)
    };
    let create = |side: &mut Side, why: &str| {
        if computed {
            triggers::create(&sync, side, why);
        } else {
            triggers::fill_only(&sync, side, why);
        }
    };
    let needed = column.not_null && column.default.is_none();
    let follows = if needed { default_of(&conv, dialect) } else { None };
    let bare =
        ColumnDef { not_null: false, not_null_name: None, default: None, ..(*column).clone() };
    let (mut up, mut down) = (Side::default(), Side::default());
    add(&mut up, "Empty: this touches no row.", &added(table, bare.clone()), INSTANT, dialect)?;
    if let Some(default) = &column.default {
        set_default(&mut up, table, &column.name, default, dialect)?;
    }
    create(
        &mut up,
        "The old release does not know the column: the triggers compute it. What a release writes itself stands.",
    );
    triggers::drop(&sync, &mut down, "");
    let mut gone = Side::default();
    add(&mut gone, "", &dropped(table, &column.name), INPLACE, dialect)?;
    down.append(if computed { stale::follows(&sync, gone) } else { gone });
    made.push(Slot::EXPAND, Piece::made(up, down));

    let (mut up, mut down) = (Side::default(), Side::default());
    let q = dialect.quote_if_needed(&column.name);
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
        format!(
            "UPDATE {} SET {q} = {}\nWHERE {}",
            dialect.quote_name_if_needed(table),
            conv.plain(dialect),
            conv.unfilled(&column.name, column.not_null, dialect)
        ),
    );
    if column.not_null {
        let empty = ColumnDef { default: column.default.clone(), ..bare };
        let default = empty.default.clone().or_else(|| follows.clone());
        let full = ColumnDef { not_null: true, default, ..empty.clone() };
        add(
            &mut up,
            "Every row is filled. The table is built anew in the background, while others read and write.",
            &modify(table, full),
            INPLACE,
            dialect,
        )?;
        add(&mut down, "", &modify(table, empty), INPLACE, dialect)?;
    }
    made.push(Slot::BACKFILL, Piece::made(up, down));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    triggers::drop(
        &sync,
        &mut up,
        "The old release is gone: the new one writes the column itself.",
    );
    create(&mut down, "");
    if let Some(follows) = &follows {
        add(&mut up, "", &drop_default(table, &column.name), "", dialect)?;
        set_default(&mut down, table, &column.name, follows, dialect)?;
    }
    made.push(Slot::CONTRACT, Piece::made(up, down));
    Ok(made)
}
