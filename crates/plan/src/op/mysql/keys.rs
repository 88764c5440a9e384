//! Indexes and keys of a column, and their counterparts over the one that takes its place.

use downhaul_catalog::{constraint_def, index_def};
use downhaul_syntax::{Change, ConstraintDef, ConstraintKind, Ident, IndexDef, ObjectName};

use super::{INPLACE, add, locks_out_writers};
use crate::op::dependents::Dependents;
use crate::op::pair::{Pair, Twin};
use crate::op::piece::Side;
use crate::op::{Refused, refused};

/// An index or key of the old column, and its counterpart.
pub(super) struct Key {
    pub(super) old: Change,
    pub(super) new: Change,
    /// The names of the indexes.
    pub(super) names: (Ident, Ident),
}

/// Those of a column.
pub(super) fn keys(pair: &Pair<'_>, parts: &Dependents) -> Result<Vec<Key>, Refused> {
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
    pub(super) fn build(
        change: &Change,
        why: &str,
        side: &mut Side,
        pair: &Pair<'_>,
    ) -> Result<(), Refused> {
        let clause = match change {
            Change::CreateIndex { index, .. } if locks_out_writers(index) => {
                " ALGORITHM=INPLACE LOCK=SHARED"
            }
            Change::CreateIndex { .. } => " ALGORITHM=INPLACE LOCK=NONE",
            _ => INPLACE,
        };
        add(side, why, change, clause, pair.scene.dialect())
    }

    pub(super) fn drop(name: &Ident, side: &mut Side, pair: &Pair<'_>) {
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

    pub(super) fn rename(from: &Ident, to: &Ident, side: &mut Side, pair: &Pair<'_>) {
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

/// The same index or key under another name.
pub(super) fn named(change: &Change, name: &Ident) -> Change {
    let mut change = change.clone();
    match &mut change {
        Change::CreateIndex { index, .. } => index.name = Some(ObjectName::bare(name.clone())),
        Change::AddConstraint { constraint, .. } => constraint.name = Some(name.clone()),
        _ => {}
    }
    change
}
