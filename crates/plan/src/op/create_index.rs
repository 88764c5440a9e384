//! `CREATE INDEX`: built while writers go on.

use downhaul_syntax::{Change, IndexDef};

use super::as_written::piece;
use super::piece::{Piece, Slot};
use super::{HERE, Made, Refused, Scene, replace};

/// A new index.
pub(crate) fn create_index(
    change: &Change,
    index: &IndexDef,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    if let Some(made) = replace::index(change, index, scene)? {
        return Ok(made);
    }
    let mut made = Made::default();
    let table = scene.now.table(&index.table);
    let Change::CreateIndex { concurrently, if_not_exists, .. } = change else {
        return super::as_written::as_written(change, text, scene);
    };
    let existed = table.is_some_and(|t| t.origin != HERE);
    let slot = if index.unique { Slot::CONTRACT } else { Slot::EXPAND };
    if *concurrently || !existed {
        // A table that this file makes is empty, and nobody writes to it.
        let slot = if existed { slot } else { Slot::EXPAND };
        made.push(slot, piece(change, text, scene, "")?);
        return Ok(made);
    }
    let change = Change::CreateIndex {
        index: index.clone(),
        concurrently: true,
        if_not_exists: *if_not_exists,
    };
    let why = if index.unique {
        "CONCURRENTLY: writers go on. Unique: the old release must not write duplicates any more."
    } else {
        "CONCURRENTLY: writers go on while it is built."
    };
    let made_piece = piece(&change, None, scene, why)?;
    debug_assert!(matches!(made_piece, Piece::AsWritten { .. }), "an index is made as written");
    made.push(slot, made_piece);
    Ok(made)
}
