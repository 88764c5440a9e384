//! `RENAME COLUMN`: both names at once, kept in step, until nobody uses the old one.

use downhaul_catalog::{Column, column_def, render};
use downhaul_syntax::{Change, ColumnDef, Dialect, Expr, Ident, ObjectName, SqlType};

use super::keys::{Key, keys};
use super::{
    INPLACE, INSTANT, add, added, default_of, dropped, literal, modify, rename_ruled, stated,
    triggers,
};
use crate::Direction;
use crate::op::conversion::Conv;
use crate::op::dependents::Dependents;
use crate::op::pair::Pair;
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
    let old = scene.column(table, from)?;
    let new = ColumnDef { name: to.clone(), ..column_def(old) };
    successor(table, old, &new, None, scene)
}

/// How values go to the column under the other name, and back.
pub(super) struct Ways {
    pub(super) forward: Conv,
    pub(super) back: Conv,
    /// Characters are other bytes there.
    pub(super) recoded: bool,
}

/// A column under another name; with `ways` it has another type as well. Both may be NULL, or none.
pub(super) fn successor(
    table: &ObjectName,
    old: &Column,
    new: &ColumnDef,
    ways: Option<Ways>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let known = scene.table(table)?;
    let (from, to) = (&old.name, &new.name);
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
    if let (Some((rule, _)), Some(_)) = (parts.rules.first(), &ways) {
        let name = rule.name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
        return refused(
            format!(
                "{table}.{from} gets another name and another type at once, and the constraint{name} names it"
            ),
            in_two_files(table, from, new, scene),
        );
    }
    if !parts.rules.is_empty() {
        rename_ruled::check(table, old, &parts, scene.dialect())?;
    }
    let pair = Pair { scene, table: table.clone(), old: old.clone(), new: to.clone() };
    let mut made = Made::default();
    let naming = scene.now.triggers_naming(table, from);
    let own = naming.iter().map(|found| found.trigger).filter(|trigger| trigger.table == *table);
    let names: Vec<&str> = own.map(|trigger| trigger.name.as_str()).collect();
    if !names.is_empty() {
        let names = names.join(", ");
        made.note(format!("{table} has triggers ({names}): they still name {from}, and fire before the ones that keep both in step"));
    }
    let (trigger, function) = triggers::name(scene.now, table, &format!("{from}_{to}"));
    let recoded = ways.as_ref().is_some_and(|ways| ways.recoded);
    let side_of = |name: &Ident, ty: &Option<SqlType>| {
        let mut ty = ty.clone();
        if let Some(ty) = ty.as_mut().filter(|_| recoded) {
            // Compared as characters: see `differ`.
            ty.charset = Some("utf8mb4".to_owned());
        }
        vec![(name.clone(), ty)]
    };
    let (forward, back) = match ways {
        Some(ways) => {
            made.note(format!(
                "until the contract a value of {table}.{to} has to fit the old type, too: what does not is refused"
            ));
            (ways.forward, ways.back)
        }
        None => (Conv::Same(from.clone()), Conv::Same(to.clone())),
    };
    let sync = Sync {
        dialect: scene.dialect(),
        table: table.clone(),
        first: side_of(from, &old.ty),
        second: side_of(to, &new.ty),
        forward: vec![forward],
        back: vec![back],
        required: if old.not_null { vec![to.clone()] } else { Vec::new() },
        trigger,
        function,
        schema: None,
    };
    let keys = keys(&pair, &parts)?;
    if parts.rules.is_empty() {
        phases(&pair, (old, new), &sync, &keys, &mut made)?;
    } else {
        rename_ruled::phases(&pair, old, &sync, &keys, &mut made)?;
    }
    Ok(made)
}

/// What to write where a name and a type do not change together.
pub(super) fn in_two_files(
    table: &ObjectName,
    from: &Ident,
    new: &ColumnDef,
    scene: &Scene<'_>,
) -> String {
    let dialect = scene.dialect();
    let rename =
        Change::RenameColumn { table: table.clone(), from: from.clone(), to: new.name.clone() };
    let lines: Vec<String> = [rename, modify(table, new.clone())]
        .iter()
        .filter_map(|change| render(change, dialect).ok())
        .map(|sql| format!("\n  {};", sql.join("; ")))
        .collect();
    format!("write two files, the second behind the contract of the first:{}", lines.concat())
}

fn phases(
    pair: &Pair<'_>,
    (old, new): (&Column, &ColumnDef),
    sync: &Sync,
    keys: &[Key],
    made: &mut Made,
) -> Result<(), Refused> {
    let (table, dialect) = (&pair.table, pair.scene.dialect());
    let bare = || ColumnDef { not_null: false, not_null_name: None, default: None, ..new.clone() };
    let follows = sync.forward.first().filter(|_| old.not_null);
    let follows = follows.and_then(|conv| default_of(conv, dialect));
    let why = "Empty and without a default: this touches no row.";
    beside(pair, bare(), why, sync, keys, made)?;

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
        let set = |not_null: bool| modify(table, stated(old, &old.name, not_null));
        let full = ColumnDef { not_null: true, default: follows.clone(), ..new.clone() };
        add(
            &mut up,
            "Every row is filled. The table is built anew in the background, while others read and write.",
            &modify(table, full),
            INPLACE,
            dialect,
        )?;
        add(
            &mut up,
            "From here on the old name may be empty, as it is when the way back from contract brings it back.",
            &set(false),
            INPLACE,
            dialect,
        )?;
        add(&mut down, "", &set(true), INPLACE, dialect)?;
        add(&mut down, "", &modify(table, bare()), INPLACE, dialect)?;
    }
    made.push(Slot::BACKFILL, Piece::made(up, down));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    if new.default.is_some() {
        let full = ColumnDef { not_null: old.not_null, not_null_name: None, ..new.clone() };
        state_default(&mut up, table, full, dialect)?;
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
        &added(table, ColumnDef { default: None, ..stated(old, &old.name, false) }),
        INSTANT,
        dialect,
    )?;
    state_default(&mut down, table, stated(old, &old.name, false), dialect)?;
    triggers::create(sync, &mut down, "");
    for key in keys {
        Key::build(&key.old, "", &mut down, pair)?;
    }
    // Last: without it and without the triggers the new release could not leave the column out.
    if let Some(follows) = &follows {
        set_default(&mut down, table, &pair.new, follows, dialect)?;
    } else if new.default.is_some() {
        let full = ColumnDef { not_null: old.not_null, not_null_name: None, ..new.clone() };
        add(&mut down, "", &no_default(table, full, dialect), "", dialect)?;
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

/// Gives a column the default that it is to have, if any.
pub(super) fn state_default(
    side: &mut Side,
    table: &ObjectName,
    column: ColumnDef,
    dialect: Dialect,
) -> Result<(), Refused> {
    let Some(default) = &column.default else { return Ok(()) };
    if dialect == Dialect::Mysql && is_defined(default) {
        return add(side, "", &modify(table, column), INPLACE, dialect);
    }
    set_default(side, table, &column.name, default, dialect)
}

pub(super) fn set_default(
    side: &mut Side,
    table: &ObjectName,
    column: &Ident,
    default: &Expr,
    dialect: Dialect,
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

/// Takes the default of a column away. One that may be NULL has NULL again where it is left out: without a default
/// MySQL refuses that of such a column, too, whenever the triggers stand aside.
pub(super) fn no_default(table: &ObjectName, column: ColumnDef, dialect: Dialect) -> Change {
    if dialect == Dialect::Mysql && column.default.as_ref().is_some_and(is_defined) {
        return modify(table, ColumnDef { default: None, ..column });
    }
    if column.not_null {
        return drop_default(table, &column.name);
    }
    Change::SetDefault { table: table.clone(), column: column.name, default: literal("NULL") }
}

/// A default that MySQL has in the definition of a column only: it takes `SET DEFAULT` with a literal and with
/// an expression in brackets, which is another default than the `CURRENT_TIMESTAMP` of a definition.
fn is_defined(default: &Expr) -> bool {
    !default.functions.is_empty() && !default.text.starts_with('(')
}
