//! `RENAME COLUMN` of a column that a CHECK or a foreign key names.
//!
//! Neither can be built over a second column without copying the table. But both follow the column when
//! it changes its name: so at the change of places the first column takes the new name with all that
//! stands on it, and the second one serves the old release under the old name. Until then, and from then
//! on, the triggers write what either release writes to the column that the rule guards.

use downhaul_catalog::Column;
use downhaul_syntax::{
    Change, ConstraintKind, Dialect, Expr, Ident, ObjectName, ReferentialAction,
};

use super::keys::{Key, named};
use super::rename_column::{beside, drop_default, set_default};
use super::{INPLACE, INSTANT, add, added, default_of, dropped, stated, triggers};
use crate::Direction;
use crate::op::conversion::Conv;
use crate::op::dependents::Dependents;
use crate::op::pair::Pair;
use crate::op::piece::{Piece, Side, Slot};
use crate::op::sync::Sync;
use crate::op::{Made, Refused, refused};

/// Refuses rules that the way does not carry.
pub(super) fn check(
    table: &ObjectName,
    old: &Column,
    parts: &Dependents,
    dialect: Dialect,
) -> Result<(), Refused> {
    let column = &old.name;
    for (rule, _) in &parts.rules {
        let name = rule.name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
        let next = "drop it in a migration before this one, and add it again afterwards";
        match &rule.kind {
            ConstraintKind::ForeignKey { on_delete, on_update, .. } => {
                let writes = |action: &ReferentialAction| {
                    matches!(action, ReferentialAction::SetNull | ReferentialAction::SetDefault)
                };
                if writes(on_delete)
                    || writes(on_update)
                    || *on_update == ReferentialAction::Cascade
                {
                    return refused(
                        format!(
                            "the foreign key{name} writes to {table}.{column} itself, and no trigger sees it"
                        ),
                        next,
                    );
                }
            }
            _ if dialect == Dialect::Mysql => {
                return refused(
                    format!(
                        "the constraint{name} reads {table}.{column}, and MySQL renames no such column"
                    ),
                    next,
                );
            }
            _ => {}
        }
    }
    if old.default.is_some() {
        return refused(
            format!("{table}.{column} has a default, which would move with its rules"),
            "drop the default in a migration before this one, and set it again afterwards",
        );
    }
    Ok(())
}

/// The phases.
pub(super) fn phases(
    pair: &Pair<'_>,
    old: &Column,
    sync: &Sync,
    keys: &[Key],
    made: &mut Made,
) -> Result<(), Refused> {
    let (table, dialect) = (&pair.table, pair.scene.dialect());
    let (from, to) = (&old.name, &pair.new);
    // It serves one release for a while, and never has to refuse a NULL: the column with the rules does.
    let second = |name: &Ident| stated(old, name, false);
    // What the ruled column has as its default as long as there are two.
    let follows = |other: &Ident| {
        let default = default_of(&Conv::Same(other.clone()), dialect).filter(|_| old.not_null);
        default.map(|default| Expr { columns: vec![other.clone()], ..default })
    };
    let swap = |side: &mut Side, why: &str| {
        let rename = |from: &Ident, to: &Ident| Change::RenameColumn {
            table: table.clone(),
            from: from.clone(),
            to: to.clone(),
        };
        side.together(why, table, &[rename(from, to), rename(to, from)], dialect)?;
        if let Some(step) = side.steps.last_mut() {
            step.sql.push_str(INSTANT);
        }
        Ok(())
    };

    beside(pair, second(to), "Empty: this touches no row.", sync, keys, made)?;

    let (mut up, mut down) = (Side::default(), Side::default());
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
        sync.backfill(),
    );
    if let Some(default) = follows(to) {
        let change = Change::SetDefault { table: table.clone(), column: from.clone(), default };
        add(
            &mut up,
            "INSERT … SELECT asks for a value or a default before a trigger fires: the one column has the other for it, also once they have changed names.",
            &change,
            "",
            dialect,
        )?;
        add(&mut down, "", &drop_default(table, from), "", dialect)?;
    }
    made.push(Slot::BACKFILL, Piece::made(up, down));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    swap(
        &mut up,
        "The columns change names in an instant: the one with the rules takes the new name, and they follow it.",
    )?;
    down.sql(
        "Fills the old name again with what was written after contract. Nothing to do where contract never ran.",
        sync.backfill_back(),
    );
    swap(&mut down, "The columns change names in an instant, and the rules follow.")?;
    made.push(Slot::SWITCH, Piece::made(up, down));
    made.derive(Slot::SWITCH, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    let default = follows(from);
    if default.is_some() {
        add(&mut up, "", &drop_default(table, to), "", dialect)?;
    }
    triggers::drop(sync, &mut up, "The old release is gone: nothing has to follow any more.");
    for key in keys {
        Key::drop(&key.names.1, &mut up, pair);
    }
    add(
        &mut up,
        "The values are all in the other column.",
        &dropped(table, from),
        INPLACE,
        dialect,
    )?;
    add(
        &mut down,
        "The old name comes back empty; `down` of the switch fills it. Both follow each other again.",
        &added(table, second(from)),
        INSTANT,
        dialect,
    )?;
    triggers::create(sync, &mut down, "");
    for key in keys {
        Key::build(&named(&key.old, &key.names.1), "", &mut down, pair)?;
    }
    // Last: without it and without the triggers the new release could not leave the column out.
    if let Some(default) = &default {
        set_default(&mut down, table, to, default, dialect)?;
    }
    made.push(Slot::CONTRACT, Piece::made(up, down));
    made.derive(Slot::CONTRACT, &[Direction::Up]);
    Ok(())
}
