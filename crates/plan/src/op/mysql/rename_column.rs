//! `RENAME COLUMN`: both names at once, kept in step, until nobody uses the old one.

use downhaul_catalog::{Column, constraint_def, index_def};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Expr, Ident, IndexDef, ObjectName,
};

use super::{INPLACE, INSTANT, add, added, dropped, modify, stated, triggers};
use crate::Direction;
use crate::op::conversion::Conv;
use crate::op::dependents::Dependents;
use crate::op::pair::{Pair, Twin, trigger_names};
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
    if let Some((rule, _)) = parts.rules.first() {
        return refused(
            format!(
                "the constraint {} reads {table}.{from}, and cannot be built without copying the table",
                rule.name.as_ref().map(Ident::to_string).unwrap_or_default()
            ),
            "drop it in a migration before this one, and add it again afterwards",
        );
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
    phases(&pair, old, &sync, &keys, &mut made)?;
    Ok(made)
}

/// An index or key of the old column, and its counterpart.
struct Key {
    old: Change,
    new: Change,
    /// The names of the indexes.
    names: (Ident, Ident),
}

fn keys(pair: &Pair<'_>, parts: &Dependents) -> Result<Vec<Key>, Refused> {
    let mut out = Vec::new();
    let constraint = |def: ConstraintDef| Change::AddConstraint {
        table: pair.table.clone(),
        constraint: def,
        if_not_exists: false,
    };
    for (old, def) in &parts.keys {
        let twin: Twin<ConstraintDef> = pair.twin(old.name.as_ref(), def.clone())?;
        if !matches!(twin.def.kind, ConstraintKind::Unique { .. }) {
            return refused(format!("{} is no UNIQUE key", twin.old), "write the phases by hand");
        }
        out.push(Key {
            old: constraint(constraint_def(old)),
            new: constraint(ConstraintDef { name: Some(twin.new.clone()), ..twin.def }),
            names: (twin.old, twin.new),
        });
    }
    for (old, def) in &parts.indexes {
        let twin: Twin<IndexDef> = pair.twin(Some(&old.name.name), def.clone())?;
        let create =
            |index| Change::CreateIndex { index, concurrently: false, if_not_exists: false };
        out.push(Key {
            old: create(index_def(old, &pair.table)),
            new: create(pair.index(&twin)),
            names: (twin.old, twin.new),
        });
    }
    Ok(out)
}

impl Key {
    fn build(change: &Change, why: &str, side: &mut Side, pair: &Pair<'_>) -> Result<(), Refused> {
        let clause = match change {
            Change::CreateIndex { .. } => " ALGORITHM=INPLACE LOCK=NONE",
            _ => INPLACE,
        };
        add(side, why, change, clause, pair.scene.dialect())
    }

    fn drop(&self, name: &Ident, side: &mut Side, pair: &Pair<'_>) {
        let dialect = pair.scene.dialect();
        side.sql(
            "",
            format!(
                "ALTER TABLE {} DROP INDEX {}{INPLACE}",
                dialect.quote_name_if_needed(&pair.table),
                dialect.quote_if_needed(name)
            ),
        );
    }

    fn rename(&self, from: &Ident, to: &Ident, side: &mut Side, pair: &Pair<'_>) {
        let dialect = pair.scene.dialect();
        side.sql(
            "",
            format!(
                "ALTER TABLE {} RENAME INDEX {} TO {}{INPLACE}",
                dialect.quote_name_if_needed(&pair.table),
                dialect.quote_if_needed(from),
                dialect.quote_if_needed(to)
            ),
        );
    }
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
    let (mut up, mut down) = (Side::default(), Side::default());
    add(
        &mut up,
        "Empty and without a default: this touches no row.",
        &added(table, bare(&pair.new)),
        INSTANT,
        dialect,
    )?;
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
        key.drop(&key.names.1, &mut down, pair);
    }
    add(&mut down, "", &dropped(table, &pair.new), INPLACE, dialect)?;
    made.push(Slot::EXPAND, Piece::made(up, down));
    made.derive(Slot::EXPAND, &[Direction::Down]);

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
        add(
            &mut up,
            "Every row is filled. The table is built anew in the background, while others read and write.",
            &set(&pair.new, true, false),
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
    }
    triggers::drop(sync, &mut up, "The old release is gone: nothing has to follow any more.");
    for key in keys {
        key.drop(&key.names.0, &mut up, pair);
    }
    add(
        &mut up,
        "The values are all in the new column.",
        &dropped(table, &old.name),
        INPLACE,
        dialect,
    )?;
    for key in keys {
        key.rename(&key.names.1, &key.names.0, &mut up, pair);
        key.rename(&key.names.0, &key.names.1, &mut down, pair);
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
    if old.default.is_some() {
        // Last: without it and without the triggers the new release could not leave the column out.
        add(&mut down, "", &drop_default(table, &pair.new), "", dialect)?;
    }
    made.push(Slot::CONTRACT, Piece::made(up, down));
    made.derive(Slot::CONTRACT, &[Direction::Up]);
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
