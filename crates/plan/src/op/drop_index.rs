//! `DROP INDEX`: when no release needs it, and without waiting in front of readers.

use downhaul_syntax::{Change, Partitioning};

use super::as_written::piece;
use super::piece::Slot;
use super::{Made, Refused, Scene, replace};

/// An index that goes.
pub(crate) fn drop_index(
    change: &Change,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let mut made = Made::default();
    if replace::hands_over(change, scene) {
        // It goes when its successor takes its name.
        return Ok(made);
    }
    if replace::makes_room(change, scene)? {
        return super::as_written::as_written(change, text, scene);
    }
    let Change::DropIndex { name, table, concurrently, if_exists, cascade } = change else {
        return super::as_written::as_written(change, text, scene);
    };
    let of_partitioned = scene
        .now
        .index_owner(name)
        .and_then(|owner| scene.now.table(owner))
        .is_some_and(|t| matches!(t.partitioning, Some(Partitioning::By(_))));
    if *concurrently || *cascade || of_partitioned {
        made.push(Slot::CONTRACT, piece(change, text, scene, "")?);
        return Ok(made);
    }
    let change = Change::DropIndex {
        name: name.clone(),
        table: table.clone(),
        concurrently: true,
        if_exists: *if_exists,
        cascade: false,
    };
    let why = "The old release may be fast only because of it: it goes last. CONCURRENTLY: nobody waits behind it.";
    made.push(Slot::CONTRACT, piece(&change, None, scene, why)?);
    Ok(made)
}
