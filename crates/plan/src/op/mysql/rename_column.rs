//! `RENAME COLUMN`: both names at once, kept in step, until nobody uses the old one.

use downhaul_catalog::Column;
use downhaul_syntax::{Change, ColumnDef, Expr, Ident, ObjectName};

use super::keys::{Key, keys};
use super::{
    INPLACE, INSTANT, add, added, default_of, dropped, modify, rename_ruled, stated, triggers,
};
use crate::Direction;
use crate::op::conversion::Conv;
use crate::op::dependents::Dependents;
use crate::op::pair::{Pair, trigger_names};
use crate::op::piece::{Piece, Side, Slot};
use crate::op::sync::Sync;
use crate::op::{Made, Refused, Scene, refused};

/// A renamed column.
pub(crate) fn rename_column(
    table: &ObjectName,
    from: &Ident,
    to: &Ident,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let known = scene.table(table)?;
    let old = scene.column(table, from)?;
    if known.column(to).is_some() {
        return refused(format!("{table} has a column {to} already"), "choose another name");
    }
    if old.generated.is_some() || old.identity.is_some() {
        return refused(
            format!("{table}.{from} is generated or counts by itself"),
            "keep the name, or write the phases by hand",
        );
    }
    let table = &known.name;
    let parts = Dependents::of(scene, table, from, to)?;
    if known.primary_key().contains(from) || !parts.incoming.is_empty() {
        return refused(
            format!("{table}.{from} is part of the primary key, or foreign keys refer to it"),
            "keep the name of the key: a view with the new name serves readers",
        );
    }
    if !parts.rules.is_empty() {
        rename_ruled::check(table, old, &parts, scene.dialect())?;
    }
    let pair = Pair { scene, table: table.clone(), old: old.clone(), new: to.clone() };
    let mut made = Made::default();
    if let Some(names) = trigger_names(known) {
        made.note(format!("{table} has triggers ({names}): they still name {from}, and fire before the ones that keep both in step"));
    }
    let (trigger, function) = triggers::name(scene.now, table, &format!("{from}_{to}"));
    let side_of = |name: &Ident| vec![(name.clone(), old.ty.clone())];
    let sync = Sync {
        dialect: scene.dialect(),
        table: table.clone(),
        first: side_of(from),
        second: side_of(to),
        forward: vec![Conv::Same(from.clone())],
        back: vec![Conv::Same(to.clone())],
        required: if old.not_null { vec![to.clone()] } else { Vec::new() },
        trigger,
        function,
        schema: None,
    };
    let keys = keys(&pair, &parts)?;
    if parts.rules.is_empty() {
        phases(&pair, old, &sync, &keys, &mut made)?;
    } else {
        rename_ruled::phases(&pair, old, &sync, &keys, &mut made)?;
    }
    Ok(made)
}

fn phases(
    pair: &Pair<'_>,
    old: &Column,
    sync: &Sync,
    keys: &[Key],
    made: &mut Made,
) -> Result<(), Refused> {
    let (table, dialect) = (&pair.table, pair.scene.dialect());
    let bare = |name: &Ident| ColumnDef { default: None, ..stated(old, name, false) };
    let follows = sync.forward.first().filter(|_| old.not_null);
    let follows = follows.and_then(|conv| default_of(conv, dialect));
    let why = "Empty and without a default: this touches no row.";
    beside(pair, bare(&pair.new), why, sync, keys, made)?;

    let (mut up, mut down) = (Side::default(), Side::default());
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
        sync.backfill(),
    );
    down.sql(
        "Fills the old name again with what was written after contract. Nothing to do where contract never ran.",
        sync.backfill_back(),
    );
    if old.not_null {
        let set = |name: &Ident, not_null: bool, default: bool| {
            let column = stated(old, name, not_null);
            let default = if default { column.default.clone() } else { None };
            modify(table, ColumnDef { default, ..column })
        };
        let full =
            modify(table, ColumnDef { default: follows.clone(), ..stated(old, &pair.new, true) });
        add(
            &mut up,
            "Every row is filled. The table is built anew in the background, while others read and write.",
            &full,
            INPLACE,
            dialect,
        )?;
        add(
            &mut up,
            "From here on the old name may be empty, as it is when the way back from contract brings it back.",
            &set(&old.name, false, true),
            INPLACE,
            dialect,
        )?;
        add(&mut down, "", &set(&old.name, true, true), INPLACE, dialect)?;
        add(&mut down, "", &set(&pair.new, false, false), INPLACE, dialect)?;
    }
    made.push(Slot::BACKFILL, Piece::made(up, down));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    if let Some(default) = &old.default {
        set_default(&mut up, table, &pair.new, default, dialect)?;
    } else if follows.is_some() {
        add(&mut up, "", &drop_default(table, &pair.new), "", dialect)?;
    }
    triggers::drop(sync, &mut up, "The old release is gone: nothing has to follow any more.");
    for key in keys {
        Key::drop(&key.names.0, &mut up, pair);
    }
    add(
        &mut up,
        "The values are all in the new column.",
        &dropped(table, &old.name),
        INPLACE,
        dialect,
    )?;
    for key in keys {
        Key::rename(&key.names.1, &key.names.0, &mut up, pair);
        Key::rename(&key.names.0, &key.names.1, &mut down, pair);
    }
    add(
        &mut down,
        "The old name comes back empty; `down` of the backfill fills it. Both follow each other again.",
        &added(table, bare(&old.name)),
        INSTANT,
        dialect,
    )?;
    if let Some(default) = &old.default {
        set_default(&mut down, table, &old.name, default, dialect)?;
    }
    triggers::create(sync, &mut down, "");
    for key in keys {
        Key::build(&key.old, "", &mut down, pair)?;
    }
    // Last: without it and without the triggers the new release could not leave the column out.
    if let Some(follows) = &follows {
        set_default(&mut down, table, &pair.new, follows, dialect)?;
    } else if old.default.is_some() {
        add(&mut down, "", &drop_default(table, &pair.new), "", dialect)?;
    }
    made.push(Slot::CONTRACT, Piece::made(up, down));
    made.derive(Slot::CONTRACT, &[Direction::Up]);
    Ok(())
}

/// The expand phase of a renamed column: `second` beside the first one, the triggers, its indexes.
pub(super) fn beside(
    pair: &Pair<'_>,
    second: ColumnDef,
    why: &str,
    sync: &Sync,
    keys: &[Key],
    made: &mut Made,
) -> Result<(), Refused> {
    let (table, dialect) = (&pair.table, pair.scene.dialect());
    let name = second.name.clone();
    let (mut up, mut down) = (Side::default(), Side::default());
    add(&mut up, why, &added(table, second), INSTANT, dialect)?;
    triggers::create(
        sync,
        &mut up,
        "Whoever writes one name, the other follows. The triggers compare values and ask no client who it is; they stand before the first row is copied, so that none is missed.",
    );
    let mut why = "The new name needs the same indexes. Writers go on while they are built.";
    for key in keys {
        Key::build(&key.new, why, &mut up, pair)?;
        why = "";
    }
    triggers::drop(sync, &mut down, "Nobody uses the new name yet, or no longer.");
    for key in keys {
        Key::drop(&key.names.1, &mut down, pair);
    }
    add(&mut down, "", &dropped(table, &name), INPLACE, dialect)?;
    made.push(Slot::EXPAND, Piece::made(up, down));
    made.derive(Slot::EXPAND, &[Direction::Down]);
    Ok(())
}

pub(super) fn set_default(
    side: &mut Side,
    table: &ObjectName,
    column: &Ident,
    default: &Expr,
    dialect: downhaul_syntax::Dialect,
) -> Result<(), Refused> {
    let change = Change::SetDefault {
        table: table.clone(),
        column: column.clone(),
        default: default.clone(),
    };
    add(side, "", &change, "", dialect)
}

pub(super) fn drop_default(table: &ObjectName, column: &Ident) -> Change {
    Change::DropDefault { table: table.clone(), column: column.clone() }
}
