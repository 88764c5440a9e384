//! What stands on a column and has to be made for its successor as well.
//!
//! The catalog knows how a rename moves through everything that mentions a column: so the column is
//! renamed in a copy, and what differs afterwards is what depends on it, already rewritten.

use downhaul_catalog::{Catalog, Constraint, Index, Origin, constraint_def, index_def};
use downhaul_syntax::{
    Change, ConstraintDef, ConstraintKind, Ident, IndexDef, ObjectName, Partitioning,
};

use super::{Refused, Scene, refused};

/// What follows the column wherever it goes, and cannot be built beside it for a successor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tie {
    /// A view that reads it.
    View(ObjectName),
    /// A policy of the table that reads it, with its text over the successor.
    Policy { name: Ident, text: String },
    /// A generated column of the table that is computed from it.
    Generated(Ident),
    /// An exclusion constraint.
    Exclusion(Option<Ident>),
}

impl Tie {
    /// For who cannot carry it.
    pub(crate) fn refuse<T>(&self, table: &ObjectName, columns: &str) -> Result<T, Refused> {
        match self {
            Self::View(view) => refused(
                format!("the view {view} reads {table}.{columns}"),
                "drop the view in a migration before this one, and create it over the new column in one behind it; or let it read both for the time being",
            ),
            Self::Policy { .. } => refused(
                format!("a policy of {table} reads {columns}"),
                "drop the policy and create it over both columns in a migration before this one",
            ),
            Self::Generated(column) => refused(
                format!("the generated column {table}.{column} is computed from {columns}"),
                "drop the generated column first, and add it again afterwards",
            ),
            Self::Exclusion(name) => refused(
                format!(
                    "the constraint {} of {table} cannot be built without locking out writers",
                    name.as_ref().map(Ident::to_string).unwrap_or_default()
                ),
                "drop it in a migration before this one, and add it again afterwards",
            ),
        }
    }
}

/// Constraints and indexes of a column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dependents {
    /// CHECKs and foreign keys of the table: as they are, and over the successor.
    pub(crate) rules: Vec<(Constraint, ConstraintDef)>,
    /// UNIQUE constraints and the primary key.
    pub(crate) keys: Vec<(Constraint, ConstraintDef)>,
    /// Indexes that no constraint owns.
    pub(crate) indexes: Vec<(Index, IndexDef)>,
    /// Foreign keys that refer to the column, of other tables or of the table itself.
    pub(crate) incoming: Vec<(ObjectName, Constraint, ConstraintDef)>,
    /// What only a renamed column takes along.
    pub(crate) ties: Vec<Tie>,
}

impl Dependents {
    /// Whether a key over the column takes NULLs for equal: to it, all rows of an empty column would be one.
    pub(crate) fn take_nulls_for_equal(&self) -> bool {
        let equal = |(key, _): &(Constraint, ConstraintDef)| {
            matches!(key.kind, ConstraintKind::Unique { nulls_not_distinct: true, .. })
        };
        self.keys.iter().any(equal)
            || self.indexes.iter().any(|(index, _)| index.nulls_not_distinct)
    }

    /// Finds them. `to` is the successor, which must not be there yet.
    pub(crate) fn of(
        scene: &Scene<'_>,
        table: &ObjectName,
        column: &Ident,
        to: &Ident,
    ) -> Result<Self, Refused> {
        let known = scene.table(table)?;
        let itself = known.constraints.iter().any(|c| refers(c, known, column));
        if itself {
            return refused(
                format!("{} refers to itself through {column}", known.name),
                "drop that foreign key in a migration before this one, and add it again afterwards",
            );
        }
        Self::of_all(scene, table, &[(column.clone(), to.clone())])
    }

    /// Those of several columns that get their successors together.
    pub(crate) fn of_all(
        scene: &Scene<'_>,
        table: &ObjectName,
        pairs: &[(Ident, Ident)],
    ) -> Result<Self, Refused> {
        let mut found = Self::with_ties(scene, table, pairs)?;
        if let Some(tie) = found.ties.first() {
            let named: Vec<String> = pairs.iter().map(|(from, _)| from.to_string()).collect();
            return tie.refuse(&scene.table(table)?.name, &named.join(", "));
        }
        // Those of the table itself are for who asks for them: a rule of both ends.
        found.incoming.retain(|(other, ..)| *other != scene.now.normalize(table));
        Ok(found)
    }

    /// As [`Self::of_all`], with what cannot be built beside the columns, and with foreign keys of the table
    /// to itself.
    pub(crate) fn with_ties(
        scene: &Scene<'_>,
        table: &ObjectName,
        pairs: &[(Ident, Ident)],
    ) -> Result<Self, Refused> {
        let before = scene.now;
        let successor = |column: &Ident| pairs.iter().find(|(from, _)| from == column);
        let named =
            || pairs.iter().map(|(from, _)| from.to_string()).collect::<Vec<_>>().join(", ");
        let known = scene.table(table)?;
        let name = known.name.clone();
        if !known.inherits.is_empty() || is_inherited(before, &name) {
            return refused(
                format!("{name} is part of an inheritance tree or a partition"),
                "change the partitioned table itself; with INHERITS, write the phases by hand",
            );
        }
        let mut after = before.clone();
        for (from, to) in pairs {
            let (table, from, to) = (name.clone(), from.clone(), to.clone());
            after.apply(&Change::RenameColumn { table, from, to }, Origin::Series(usize::MAX));
        }
        let Some(renamed) = after.table(&name) else {
            return refused(format!("{name} is not known"), "give the schema with --schema FILE");
        };
        if known.partitioning != renamed.partitioning
            || pairs.iter().any(|(from, _)| divides(before, &name, from))
        {
            return refused(
                format!("{name} is partitioned by {}", named()),
                "a partition key cannot be replaced in place: build a new table beside it",
            );
        }
        let mut out = Self::default();
        for (policy, text) in &renamed.policies {
            if known.policies.get(policy) != Some(text) {
                out.ties.push(Tie::Policy { name: policy.clone(), text: text.clone() });
            }
        }
        for (old, new) in known.columns.iter().zip(&renamed.columns) {
            if successor(&old.name).is_none() && old.generated != new.generated {
                out.ties.push(Tie::Generated(old.name.clone()));
            }
        }
        for (view, old) in &before.views {
            let reads = old.reads.iter().any(|r| r.table == name && successor(&r.column).is_some())
                || after.views.get(view).is_some_and(|new| new.query != old.query);
            if reads {
                out.ties.push(Tie::View(view.clone()));
            }
        }
        for (old, new) in known.constraints.iter().zip(&renamed.constraints) {
            if old.kind == new.kind {
                continue;
            }
            let pair = (old.clone(), constraint_def(new));
            match &old.kind {
                ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } => {
                    out.rules.push(pair);
                }
                ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. } => {
                    out.keys.push(pair);
                }
                _ => out.ties.push(Tie::Exclusion(old.name.clone())),
            }
        }
        for (old, new) in known.indexes.iter().zip(&renamed.indexes) {
            let differs = (&old.parts, &old.predicate, &old.include)
                != (&new.parts, &new.predicate, &new.include);
            if differs {
                out.indexes.push((old.clone(), index_def(new, &name)));
            }
        }
        for other in before.perhaps_referencing(&name) {
            let (Some(old), Some(new)) = (before.table(other), after.table(other)) else {
                continue;
            };
            for (old, new) in old.constraints.iter().zip(&new.constraints) {
                if !pairs.iter().any(|(from, _)| refers(old, known, from)) {
                    continue;
                }
                let mut def = constraint_def(new);
                // REFERENCES t without columns means the key, whatever it is called.
                if let ConstraintKind::ForeignKey { referred, .. } = &mut def.kind
                    && referred.is_empty()
                {
                    *referred = key_of(known, &[])
                        .iter()
                        .map(|c| successor(c).map_or(c, |(_, to)| to).clone())
                        .collect();
                }
                out.incoming.push((other.clone(), old.clone(), def));
            }
        }
        Ok(out)
    }
}

/// The columns that a foreign key refers to.
pub(crate) fn key_of(table: &downhaul_catalog::Table, referred: &[Ident]) -> Vec<Ident> {
    if referred.is_empty() { table.primary_key().to_vec() } else { referred.to_vec() }
}

/// Whether a constraint is a foreign key to a column of `target`.
fn refers(constraint: &Constraint, target: &downhaul_catalog::Table, column: &Ident) -> bool {
    matches!(&constraint.kind, ConstraintKind::ForeignKey { table, referred, .. }
        if *table == target.name && key_of(target, referred).contains(column))
}

/// Whether other tables are parts of this one by `INHERITS`, or it is itself a partition.
fn is_inherited(catalog: &Catalog, name: &ObjectName) -> bool {
    let partition = catalog
        .table(name)
        .is_some_and(|t| matches!(t.partitioning, Some(Partitioning::Of { .. })));
    partition
        || catalog
            .perhaps_children(name)
            .any(|other| catalog.table(other).is_some_and(|t| t.inherits.contains(name)))
}

/// Whether the key of a partitioned table, or of one of its partitions, may name a column; rather too often
/// than too seldom.
fn divides(now: &Catalog, name: &ObjectName, column: &Ident) -> bool {
    let Some(table) = now.table(name) else { return false };
    let by = match &table.partitioning {
        Some(Partitioning::By(key)) => Some(key),
        _ => table.options.get("partition by"),
    };
    let wanted = column.as_str().to_lowercase();
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mentions = |key: &str| {
        let key = key.to_lowercase();
        match wanted.chars().all(word) {
            true => key.split(|c| !word(c)).any(|found| found == wanted),
            false => key.contains(&wanted),
        }
    };
    by.is_some_and(|key| mentions(key))
        || now.perhaps_children(name).any(|child| {
            matches!(now.table(child).and_then(|t| t.partitioning.as_ref()),
                Some(Partitioning::Of { parent, .. }) if parent == name)
                && divides(now, child, column)
        })
}
