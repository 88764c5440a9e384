//! `RENAME COLUMN` of a column on which something stands that cannot be built beside it: a primary key or
//! foreign keys that refer to it, an identity, views, policies, generated columns, exclusion constraints.
//!
//! All of that follows a column that changes its name. So the two columns change names once the second
//! one is filled: the first takes the new name with all that stands on it, and the second one serves the
//! old release under the old name until the contract. Nothing is built but indexes for the second one.

use downhaul_catalog::{Table, index_def};
use downhaul_syntax::{Change, ConstraintKind, Ident, IndexDef, ObjectName};

use super::conversion::Conv;
use super::dependents::{Dependents, Tie};
use super::names;
use super::pair::{Pair, bare, create, key_columns};
use super::partitioned::{is_divided, late};
use super::piece::{Piece, Side, Slot};
use super::sync::Sync;
use super::{Made, Refused};
use crate::Direction;

/// Whether the column has to take along what stands on it.
pub(crate) fn is_tied(pair: &Pair<'_>, known: &Table, parts: &Dependents) -> bool {
    pair.old.identity.is_some()
        || known.primary_key().contains(&pair.old.name)
        || !parts.incoming.is_empty()
        || !parts.ties.is_empty()
        || parts.take_nulls_for_equal()
        // Its constraints would have to be built partition by partition, where the first column takes them along.
        || is_divided(pair.scene.now, &known.name)
            && !(parts.keys.is_empty() && parts.rules.is_empty() && parts.indexes.is_empty())
}

/// What stands on the column, for people.
pub(crate) fn standing(pair: &Pair<'_>, known: &Table, parts: &Dependents) -> String {
    let mut all = Vec::new();
    if known.primary_key().contains(&pair.old.name) {
        all.push("the primary key".to_owned());
    }
    if pair.old.identity.is_some() {
        all.push("the counter".to_owned());
    }
    let mut tables: Vec<&ObjectName> = parts.incoming.iter().map(|(other, ..)| other).collect();
    tables.dedup();
    all.extend(tables.iter().map(|other| format!("the foreign keys of {other}")));
    all.extend(parts.ties.iter().map(|tie| match tie {
        Tie::View(view) => format!("the view {view}"),
        Tie::Policy { name, .. } => format!("the policy {name}"),
        Tie::Generated(column) => format!("the generated column {column}"),
        Tie::Exclusion(_) => "the exclusion constraint".to_owned(),
    }));
    if all.is_empty() && parts.take_nulls_for_equal() {
        all.push("the key that takes NULLs for equal".to_owned());
    }
    if all.is_empty() {
        all.push("what stands on a column of a partitioned table".to_owned());
    }
    all.join(", ")
}

/// An index of the second column: over the new name until the change of names, and over the old one
/// from then on.
struct Beside {
    before: IndexDef,
    behind: IndexDef,
}

/// The indexes that the second column needs, for `ON CONFLICT` and for speed.
fn indexes(pair: &Pair<'_>, parts: &Dependents) -> Result<Vec<Beside>, Refused> {
    let mut all = Vec::new();
    for (key, def) in &parts.keys {
        let twin = pair.twin(key.name.as_ref(), def.clone())?;
        let over = |kind: &ConstraintKind| IndexDef {
            // A key that may be broken until the commit is none that ON CONFLICT finds.
            unique: !key.deferrable,
            ..pair.unique_index(&twin.new, key_columns(kind))
        };
        all.push(Beside { before: over(&twin.def.kind), behind: over(&key.kind) });
    }
    for (index, def) in &parts.indexes {
        let twin = pair.twin(Some(&index.name.name), def.clone())?;
        let named = |def: IndexDef| IndexDef {
            name: Some(pair.in_schema(&twin.new)),
            // While the column is empty, all its rows would be one.
            nulls_not_distinct: false,
            ..def
        };
        all.push(Beside {
            before: named(twin.def.clone()),
            behind: named(index_def(index, &pair.table)),
        });
    }
    Ok(all)
}

/// The phases.
#[allow(clippy::too_many_lines, reason = "the phases stand side by side")]
pub(crate) fn phases(pair: &Pair<'_>, parts: &Dependents) -> Result<Made, Refused> {
    let Pair { scene, table, old, new } = pair;
    let (now, dialect) = (scene.now, scene.dialect());
    let known = scene.table(table)?;
    let mut made = Made::default();
    pair.note_triggers(known, &mut made);
    if old.default.is_some() && !old.not_null {
        made.note(format!(
            "{table}.{} may be NULL and has a default: until contract, an INSERT gets that default where it writes NULL to the column of its release that stands beside the other ({new} before the switch, {} behind it)",
            old.name, old.name
        ));
    }
    let beside = indexes(pair, parts)?;
    let (trigger, function) = Sync::named(now, known, &format!("{}_{new}", old.name));
    let required = |column: &Ident| if old.not_null { vec![column.clone()] } else { Vec::new() };
    let there = Sync {
        dialect,
        table: table.clone(),
        first: vec![(old.name.clone(), old.ty.clone())],
        second: vec![(new.clone(), old.ty.clone())],
        forward: vec![Conv::Same(old.name.clone())],
        back: vec![Conv::Same(new.clone())],
        required: required(new),
        trigger,
        function,
        schema: table.schema.clone().or_else(|| now.default_schema.clone()),
    };
    let behind = Sync {
        first: there.second.clone(),
        second: there.first.clone(),
        forward: there.back.clone(),
        back: there.forward.clone(),
        required: required(&old.name),
        ..there.clone()
    };
    let add = |column: &Ident| Change::AddColumn {
        table: table.clone(),
        column: bare(old, column),
        if_not_exists: false,
        position: None,
    };
    let standing = standing(pair, known, parts);

    // Expand: a second column, beside the first one.
    let (mut up, mut down) = (Side::default(), Side::default());
    up.change(
        &format!(
            "A second column, under the new name for the time being. {} cannot be built twice: at the switch the two columns change names, and all of it follows the first one. Empty and without a default: this touches no row, and holds its lock for an instant.",
            capital(&standing)
        ),
        &add(new),
        dialect,
    )?;
    there.create(
        &mut up,
        "Whoever writes one name, the other follows. The trigger compares values and asks no client who it is; it stands before the first row is copied, so that none is missed.",
    );
    let mut why = "The second column needs the same indexes, for ON CONFLICT and for speed. CONCURRENTLY: writers go on.";
    for index in &beside {
        up.change(why, &create(index.before.clone()), dialect)?;
        why = "";
    }
    there.drop(&mut down, "Nobody uses the new name yet, or no longer.");
    down.change("Its indexes go with it.", &pair.drop_column(new), dialect)?;
    made.push(Slot::EXPAND, Piece::made(up, down));
    made.derive(Slot::EXPAND, &[Direction::Down]);
    made.follow(&there);

    // Backfill: the rows that nobody has written since.
    let mut up = Side::default();
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
        there.backfill(),
    );
    made.push(Slot::BACKFILL, Piece::made(up, Side::default()));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    // Switch: the names change.
    let spare = names::free_column(now, table, &format!("{}_spare", old.name));
    let rename = |from: &Ident, to: &Ident| Change::RenameColumn {
        table: table.clone(),
        from: from.clone(),
        to: to.clone(),
    };
    let swap = |side: &mut Side, why: &str| -> Result<(), Refused> {
        side.change(why, &rename(&old.name, &spare), dialect)?;
        side.change("", &rename(new, &old.name), dialect)?;
        side.change("", &rename(&spare, new), dialect)?;
        Ok(())
    };
    let (mut up, mut down) = (Side::default(), Side::default());
    there.drop(
        &mut up,
        "From here to the end nothing is read, and nobody sees a state in between: one transaction, one table locked for an instant.",
    );
    swap(
        &mut up,
        &format!(
            "The first column takes the new name, and with it goes {standing}. The second one holds the same values, and serves the old release under the old name."
        ),
    )?;
    behind.create(
        &mut up,
        "Both go on following each other; the column that may be left out is the other one now.",
    );
    down.sql(
        "Fills the old name again with what was written after contract. Nothing to do where contract never ran.",
        behind.backfill(),
    );
    behind.drop(
        &mut down,
        "From here to the end nothing is read, and nobody sees a state in between.",
    );
    swap(&mut down, "")?;
    there.create(&mut down, "");
    made.push(Slot::SWITCH, Piece::made(up, down));
    made.derive(Slot::SWITCH, &[Direction::Up, Direction::Down]);

    // Contract: the old name goes.
    let (mut up, mut down) = (Side::default(), Side::default());
    if is_divided(now, table) && !old.not_null {
        late(table, &[(new.clone(), dialect.quote_if_needed(&old.name))], dialect, &mut up);
    }
    behind.drop(&mut up, "The old release is gone: nothing has to follow any more.");
    up.change(
        "The values are all in the column with the new name. Indexes of the second column go with it.",
        &pair.drop_column(&old.name),
        dialect,
    )?;
    down.change(
        "The old name comes back empty; `down` of the switch fills it. Both follow each other again.",
        &add(&old.name),
        dialect,
    )?;
    behind.create(&mut down, "");
    for index in &beside {
        down.change("", &create(index.behind.clone()), dialect)?;
    }
    made.push(Slot::CONTRACT, Piece::made(up, down));
    made.derive(Slot::CONTRACT, &[Direction::Up]);
    Ok(made)
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
