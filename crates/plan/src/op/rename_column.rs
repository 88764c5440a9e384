//! `RENAME COLUMN`: both names at once, kept in step, until nobody uses the old one.

use downhaul_catalog::{Constraint, Table};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Ident, ObjectName, SqlType,
};

use super::alter_column_type::{Read, read};
use super::conversion::Conv;
use super::dependents::Dependents;
use super::pair::{Pair, Twin, bare, create, drop_constraint, rename_constraint};
use super::partitioned::{is_divided, late};
use super::piece::{Piece, Side, Slot};
use super::rename_tied;
use super::retype::{INTEGERS, Retyped};
use super::rules::Rules;
use super::sync::Sync;
use super::{Made, Refused, Scene, refused};
use crate::Direction;

/// A renamed column.
pub(crate) fn rename_column(
    table: &ObjectName,
    from: &Ident,
    to: &Ident,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let known = scene.table(table)?;
    let column = scene.column(table, from)?;
    if known.column(to).is_some() {
        return refused(format!("{table} has a column {to} already"), "choose another name");
    }
    let pair = Pair { scene, table: known.name.clone(), old: column.clone(), new: to.clone() };
    phases(&pair, None)
}

/// A column that gets another type and then another name, and whether that is one: where no row changes,
/// the type comes first and the name by itself.
pub(crate) fn retyped(
    change: &Change,
    to: &Ident,
    scene: &Scene<'_>,
) -> Result<(Made, bool), Refused> {
    let retyped = match read(change, None, scene)? {
        Read::Made(made) => return Ok((*made, false)),
        Read::Retyped(retyped) => retyped,
    };
    let known = scene.table(&retyped.table)?;
    let old = scene.column(&retyped.table, &retyped.column)?.clone();
    if known.column(to).is_some() {
        return refused(format!("{} has a column {to} already", known.name), "choose another name");
    }
    let pair = Pair { scene, table: known.name.clone(), old, new: to.clone() };
    let mut made = phases(&pair, Some(&retyped))?;
    made.read.extend(scene.forward.iter().chain(&scene.back).map(|c| c.expr.clone()));
    Ok((made, true))
}

/// The second column, without anything that binds it or gives it a value.
fn second_column(pair: &Pair<'_>, retyped: Option<&Retyped>) -> ColumnDef {
    let bare = bare(&pair.old, &pair.new);
    match retyped {
        Some(Retyped { ty, collation, .. }) => {
            ColumnDef { ty: Some(ty.clone()), collation: collation.clone(), ..bare }
        }
        None => bare,
    }
}

/// Refuses what cannot stand on a column of another type.
fn check_rules(
    pair: &Pair<'_>,
    retyped: &Retyped,
    known: &Table,
    parts: &Dependents,
) -> Result<(), Refused> {
    let Pair { table, old, new, .. } = pair;
    let next = format!(
        "write two files: ALTER TABLE {table} ALTER COLUMN {} TYPE … in one, ALTER TABLE {table} RENAME COLUMN {} TO {new} in a second one behind it",
        old.name, old.name
    );
    if rename_tied::is_tied(pair, known, parts) {
        return refused(
            format!(
                "{table}.{} gets another type and another name, and {} goes with it",
                old.name,
                rename_tied::standing(pair, known, parts)
            ),
            next,
        );
    }
    let integer = |ty: &SqlType| ty.dimensions == 0 && INTEGERS.contains(&ty.name.as_str());
    let integers = old.ty.as_ref().is_some_and(integer) && integer(&retyped.ty);
    let refers = |(rule, _): &(Constraint, ConstraintDef)| {
        matches!(rule.kind, ConstraintKind::ForeignKey { .. })
    };
    if !integers && parts.rules.iter().any(refers) {
        return refused(
            format!(
                "{table}.{} gets another type and another name, and refers to another table",
                old.name
            ),
            next,
        );
    }
    Ok(())
}

#[allow(clippy::too_many_lines, reason = "the three phases stand side by side")]
fn phases(pair: &Pair<'_>, retyped: Option<&Retyped>) -> Result<Made, Refused> {
    let Pair { scene, table, old, new } = pair;
    let (now, dialect) = (scene.now, scene.dialect());
    let known = scene.table(table)?;
    if old.generated.is_some() {
        return refused(
            format!("{table}.{} is a generated column", old.name),
            "add a second generated column under the new name, and drop the old one later",
        );
    }
    let successor = [(old.name.clone(), new.clone())];
    let parts = Dependents::with_ties(scene, table, &successor)?;
    if let Some(retyped) = retyped {
        check_rules(pair, retyped, known, &parts)?;
    } else if rename_tied::is_tied(pair, known, &parts) {
        return rename_tied::phases(pair, &parts);
    }
    let mut made = Made::default();
    pair.note_triggers(known, &mut made);
    if old.default.is_some() && !old.not_null {
        made.note(format!(
                "{table}.{new} may be NULL and {} has a default: until contract, an INSERT that writes NULL to {new} gets that default",
                old.name
            ));
    }

    let rule_twins = parts
        .rules
        .iter()
        .map(|(constraint, def)| pair.twin(constraint.name.as_ref(), def.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    let key_twins = parts
        .keys
        .iter()
        .map(|(constraint, def)| pair.twin(constraint.name.as_ref(), def.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    let index_twins = parts
        .indexes
        .iter()
        .map(|(index, def)| pair.twin(Some(&index.name.name), def.clone()))
        .collect::<Result<Vec<_>, _>>()?;

    let new_rules = Rules {
        not_null: pair.not_null_rule(new),
        constraints: rule_twins
            .iter()
            .map(|t| ConstraintDef { name: Some(t.new.clone()), ..t.def.clone() })
            .collect(),
    };
    let old_rules = Rules {
        not_null: pair.not_null_rule(&old.name),
        constraints: parts.rules.iter().map(|(c, _)| downhaul_catalog::constraint_def(c)).collect(),
    };
    let second = second_column(pair, retyped);
    let (forward, back) = match retyped {
        Some(retyped) => {
            (retyped.forward.clone(), retyped.back.of_another(&old.name, new, dialect))
        }
        None => (Conv::Same(old.name.clone()), Conv::Same(new.clone())),
    };
    if retyped.is_some() {
        made.note(format!(
            "where the types of {table}.{} and {new} do not hold the same values, what one release writes and the other cannot hold is cut or refused until the contract: check the conversions with the rows of {table}",
            old.name
        ));
    }
    let (trigger, function) = Sync::named(now, known, &format!("{}_{new}", old.name));
    let sync = Sync {
        dialect,
        table: table.clone(),
        first: vec![(old.name.clone(), old.ty.clone())],
        second: vec![(new.clone(), second.ty.clone())],
        forward: vec![forward.clone()],
        back: vec![back],
        required: if old.not_null { vec![new.clone()] } else { Vec::new() },
        trigger,
        function,
        schema: table.schema.clone().or_else(|| now.default_schema.clone()),
    };

    // Expand: the new name comes, and both follow each other.
    let (mut up, mut down) = (Side::default(), Side::default());
    up.change(
        "Empty and without a default: this touches no row, and holds its lock for an instant.",
        &Change::AddColumn {
            table: table.clone(),
            column: second,
            if_not_exists: false,
            position: None,
        },
        dialect,
    )?;
    pair.describe(new, &mut up)?;
    sync.create(
            &mut up,
            "Whoever writes one name, the other follows. The trigger compares values and asks no client who it is; it stands before the first row is copied, so that none is missed.",
        );
    new_rules.add(
            table,
            dialect,
            &mut up,
            "What binds the old name binds the new one. NOT VALID: rows that are not filled yet are left alone.",
        )?;
    for (at, twin) in key_twins.iter().enumerate() {
        let why = if at == 0 {
            "The new name needs the same keys, for ON CONFLICT and for speed. CONCURRENTLY: writers go on."
        } else {
            ""
        };
        up.change(why, &create(pair.key_index(twin)?), dialect)?;
    }
    for (at, twin) in index_twins.iter().enumerate() {
        let why = if at == 0 {
            "The new name needs the same indexes. CONCURRENTLY: writers go on."
        } else {
            ""
        };
        up.change(why, &create(pair.index(twin)), dialect)?;
    }
    sync.drop(&mut down, "Nobody uses the new name yet, or no longer.");
    down.change("Its indexes and constraints go with it.", &pair.drop_column(new), dialect)?;
    made.push(Slot::EXPAND, Piece::made(up, down));
    // What the one type holds and the other does not is nowhere else: that is kept.
    if retyped.is_none() {
        made.derive(Slot::EXPAND, &[Direction::Down]);
    }
    made.follow(&sync);

    // Backfill: the rows that nobody has written since.
    let (mut up, mut down) = (Side::default(), Side::default());
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
        sync.backfill(),
    );
    new_rules.validate(table, dialect, &mut up)?;
    old_rules.lock_first(table, dialect, &mut up);
    new_rules.harden(table, dialect, &mut up)?;
    let mut why = "The index is there: the constraint takes it over in an instant.";
    for twin in &key_twins {
        up.change(why, &pair.key_over_index(twin), dialect)?;
        why = "";
    }
    old_rules.demote(
            table,
            dialect,
            &mut up,
            "From here on the rules of the old name bind new rows only: so that the way back from contract, where it comes back empty, takes no scan either.",
        )?;
    down.sql(
            "Fills the old name again with what was written after contract. Nothing to do where contract never ran.",
            sync.backfill_back(),
        );
    old_rules.validate(table, dialect, &mut down)?;
    old_rules.lock_first(table, dialect, &mut down);
    old_rules.harden(table, dialect, &mut down)?;
    for twin in &key_twins {
        // Dropping the constraint would drop the index: it is built anew.
        down.change("", &drop_constraint(table, &twin.new), dialect)?;
    }
    new_rules.demote(table, dialect, &mut down, "The new name is the half filled one again.")?;
    for twin in &key_twins {
        down.change("", &create(pair.key_index(twin)?), dialect)?;
    }
    made.push(Slot::BACKFILL, Piece::made(up, down));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    // Contract: the old name goes.
    let (mut up, mut down) = (Side::default(), Side::default());
    if is_divided(now, table) && !old.not_null {
        late(table, &[(new.clone(), forward.plain(dialect))], dialect, &mut up);
    }
    old_rules.lock_first(table, dialect, &mut up);
    sync.drop(&mut up, "The old release is gone: nothing has to follow any more.");
    let why = match retyped {
        Some(_) => "The new column has the values, in its type.",
        None => "The values are all in the new column.",
    };
    up.change(why, &pair.drop_column(&old.name), dialect)?;
    // Of another type, with another default: what the old one comes to serves nobody any more.
    let overtaken = retyped.is_some() && scene.gives_default(table, new);
    if let Some(default) = old.default.as_ref().filter(|_| !overtaken) {
        up.change(
            "",
            &Change::SetDefault {
                table: table.clone(),
                column: new.clone(),
                default: default.clone(),
            },
            dialect,
        )?;
        down.change(
            "",
            &Change::DropDefault { table: table.clone(), column: new.clone() },
            dialect,
        )?;
    }
    let mut why = "The successors take the old names.";
    for twin in rule_twins.iter().chain(&key_twins) {
        up.change(why, &rename_constraint(table, &twin.new, &twin.old), dialect)?;
        down.change("", &rename_constraint(table, &twin.old, &twin.new), dialect)?;
        why = "";
    }
    for twin in &index_twins {
        up.change(why, &pair.rename_index(&twin.new, &twin.old), dialect)?;
        down.change("", &pair.rename_index(&twin.old, &twin.new), dialect)?;
        why = "";
    }
    // With the default in the statement every old row would get it, which is not what it held.
    let (back, default) = (bare(old, &old.name), old.default.clone());
    down.change(
            "The old name comes back empty; `down` of the backfill fills it. Both follow each other again.",
            &Change::AddColumn { table: table.clone(), column: back, if_not_exists: false, position: None },
            dialect,
        )?;
    if let Some(default) = default {
        down.change(
            "",
            &Change::SetDefault { table: table.clone(), column: old.name.clone(), default },
            dialect,
        )?;
    }
    pair.describe(&old.name, &mut down)?;
    sync.create(&mut down, "");
    old_rules.add(table, dialect, &mut down, "")?;
    for (constraint, _) in &parts.keys {
        let twin =
            pair.twin(constraint.name.as_ref(), downhaul_catalog::constraint_def(constraint))?;
        let as_before = Twin { new: twin.old.clone(), ..twin };
        down.change("", &create(pair.key_index(&as_before)?), dialect)?;
        down.change("", &pair.key_over_index(&as_before), dialect)?;
    }
    for (index, _) in &parts.indexes {
        let def = downhaul_catalog::index_def(index, table);
        down.change("", &create(def), dialect)?;
    }
    made.push(Slot::CONTRACT, Piece::made(up, down));
    if retyped.is_none() {
        made.derive(Slot::CONTRACT, &[Direction::Up]);
    }
    Ok(made)
}
