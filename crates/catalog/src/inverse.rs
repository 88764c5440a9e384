//! A change turned back.

use downhaul_syntax::Change;

use crate::Catalog;

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

/// The inverse of a change, given the catalog before it.
#[must_use]
pub fn inverse(_change: &Change, _before: &Catalog) -> Inverse {
    Inverse::Nothing
}
