//! A change turned back.
//!
//! What only moves (renames, schemas, partitions) is turned back by its mirror image. All else
//! comes from comparing the schema after the change with the one before it: so what a change took
//! along unsaid (the indexes of a dropped column, the views of a CASCADE) comes back too.

mod enumeration;
mod mirror;
mod script;

use downhaul_syntax::{Change, Parsed, Statement};

use crate::between::{Way, changes_between};
use crate::{Catalog, Origin};

pub use script::{
    InverseScript, InverseStatement, NotInverted, NotInvertedKind, inverse_script,
    inverse_without_foreign_keys,
};

/// How a change is undone.
#[derive(Clone, Debug, PartialEq)]
pub enum Inverse {
    /// These changes, in this order, lead back to the catalog before (data aside).
    Changes(Vec<Change>),
    /// There is nothing to undo.
    Nothing,
    /// The schema has no way back, and why ("PostgreSQL cannot remove an enum value").
    Impossible(String),
}

/// The inverse of a change, given the catalog before it. Rows are not looked at: what a change
/// does to data is no matter of the schema, and is kept by restore points.
#[must_use]
pub fn inverse(change: &Change, before: &Catalog) -> Inverse {
    let mut after = before.clone();
    // The session goes on: what it set (`search_path`) holds.
    after.apply(change, before.lookup.session_of.unwrap_or(ORIGIN));
    let way = way_back(change, before, &after, changes_between);
    if let Some(why) = way.blocked.into_iter().next() {
        return Inverse::Impossible(why);
    }
    if way.changes.is_empty() { Inverse::Nothing } else { Inverse::Changes(way.changes) }
}

/// Nothing asks when the objects of a down were made.
const ORIGIN: Origin = Origin::Series(usize::MAX);

/// How two catalogs are compared: with or without foreign keys that act (SQLite).
type Between = fn(&Catalog, &Catalog) -> Way;

/// The way from the catalog after a change to the one before it, as far as there is one.
fn way_back(change: &Change, before: &Catalog, after: &Catalog, between: Between) -> Way {
    if let Some(why) = unreadable(change) {
        return Way { changes: Vec::new(), blocked: vec![why] };
    }
    let mut mirrored = mirror::mirror(change, before, after);
    let mut way = if mirrored.is_empty() {
        between(after, before)
    } else {
        // The down runs in a session of its own.
        let mut half = after.clone();
        for change in &mirrored {
            half.apply(change, Origin::Series(usize::MAX - 1));
        }
        between(&half, before)
    };
    mirrored.append(&mut way.changes);
    way.changes = mirrored;
    if !way.blocked.is_empty()
        && let Some(changes) = enumeration::without_new_values(change, before, after)
    {
        return Way { changes, blocked: Vec::new() };
    }
    for undo in &mut way.changes {
        as_the_change(change, undo);
    }
    way
}

/// Takes over how the change was made: CONCURRENTLY, or under a condition.
fn as_the_change(change: &Change, undo: &mut Change) {
    let online = matches!(
        change,
        Change::CreateIndex { concurrently: true, .. }
            | Change::DropIndex { concurrently: true, .. }
    );
    let conditional = matches!(change, Change::Do { .. } | Change::Dynamic { .. });
    match undo {
        Change::CreateIndex { concurrently, if_not_exists, .. } => {
            *concurrently = online;
            *if_not_exists |= conditional;
        }
        Change::DropIndex { concurrently, if_exists, .. } => {
            *concurrently = online;
            *if_exists |= conditional;
        }
        Change::DropTable { if_exists, .. }
        | Change::DropColumn { if_exists, .. }
        | Change::DropConstraint { if_exists, .. }
        | Change::DropView { if_exists, .. }
        | Change::DropType { if_exists, .. }
        | Change::DropSequence { if_exists, .. }
        | Change::DropRoutine { if_exists, .. }
        | Change::DropTrigger { if_exists, .. }
        | Change::DropPolicy { if_exists, .. }
        | Change::DropSchema { if_exists, .. }
        | Change::DropExtension { if_exists, .. } => *if_exists |= conditional,
        Change::AddColumn { if_not_exists, .. } | Change::CreateTable { if_not_exists, .. } => {
            *if_not_exists |= conditional;
        }
        _ => {}
    }
}

/// Why the effects of a change cannot be known at all.
fn unreadable(change: &Change) -> Option<String> {
    match change {
        Change::DynamicUnknown { .. } => {
            Some("it runs SQL that is put together at run time".to_owned())
        }
        Change::Do { body, .. } | Change::Dynamic { changes: body, .. } => {
            body.iter().find_map(unreadable)
        }
        Change::DropDatabase { .. } => Some("a dropped database cannot be described".to_owned()),
        Change::AlterSequence { restart: true, .. } | Change::SetSequenceValue { .. } => {
            Some("where the sequence stood before is not in any migration".to_owned())
        }
        _ => None,
    }
}

/// The changes of a statement in the order in which the server runs them.
fn changes_of(statement: &Statement) -> &[Change] {
    match &statement.parsed {
        Parsed::Changes(changes) => changes,
        Parsed::Unparsed(_) => &[],
    }
}
