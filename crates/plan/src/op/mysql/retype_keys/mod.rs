//! Another type for columns that foreign keys tie together: the key, what refers to it, what refers to
//! that. Both ends of a reference have to be of one type at every instant (errors 1832 and 1833, and a
//! reference between two types is not taken at all), so all of them change places together.
//!
//! Each column gets a second one of the new type, kept in step by triggers and filled in batches. Then
//! every reference gets a twin over the second columns: from there on both bind, and both act (`ON DELETE`,
//! `ON UPDATE`, for which no trigger fires). A reference follows its columns when they change names: so
//! the tables change places one behind the other, in any order, and at no instant is a column without
//! its reference, or a reference between two types.
//!
//! A key that counts (`AUTO_INCREMENT`) has no second column: see [`stand_in`].

mod group;
mod phases;
mod stand_in;

use downhaul_catalog::Column;
use downhaul_syntax::{Change, ColumnDef, ConstraintKind, Ident, ObjectName};

use crate::op::{Made, Refused, Said, Scene};
use group::{Asked, Group};

/// Whether a foreign key names the column, on either side.
pub(super) fn is_tied(table: &ObjectName, column: &Ident, scene: &Scene<'_>) -> bool {
    scene
        .now
        .table(table)
        .is_some_and(|known| !group::neighbours(&known.name, column, scene.now).is_empty())
}

/// The column and all that foreign keys tie to it, in the new type. `copy` is the lock of the copy that
/// the statement asks for.
pub(super) fn retype_keys(
    table: &ObjectName,
    old: &Column,
    new: &ColumnDef,
    copy: Option<&'static str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let known = scene.table(table)?;
    let asked = Asked { table: &known.name, old, new, copy };
    Group::of(&asked, scene)?.phases()
}

/// What a statement says of columns, where it does nothing but state them anew.
pub(crate) fn said(changes: &[Change]) -> Vec<Said> {
    let (copy, changes) = match changes {
        [Change::Online { online, .. }, rest @ ..] => {
            let copies = online.algorithm.as_deref() == Some("copy");
            (copies.then(|| lock_of(online.lock.as_deref())), rest)
        }
        all => (None, all),
    };
    let one = |change: &Change| match change {
        Change::ModifyColumn { table, from, column, .. } if *from == column.name => {
            Some(Said { table: table.clone(), column: column.clone(), copy })
        }
        _ => None,
    };
    changes.iter().map(one).collect::<Option<_>>().unwrap_or_default()
}

/// The lock of a copy, as it is written.
pub(super) fn lock_of(word: Option<&str>) -> &'static str {
    match word {
        Some("none") => "NONE",
        Some("exclusive") => "EXCLUSIVE",
        _ => "SHARED",
    }
}

/// Columns of a foreign key and those that they refer to.
fn ends(kind: &ConstraintKind, key: &[Ident]) -> Option<(Vec<Ident>, Vec<Ident>)> {
    let ConstraintKind::ForeignKey { columns, referred, .. } = kind else { return None };
    let referred = if referred.is_empty() { key } else { referred };
    Some((columns.clone(), referred.to_vec()))
}
