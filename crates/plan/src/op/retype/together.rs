//! Which columns of a file change places together, and which of its statements that leaves nothing of.
//!
//! A key and what refers to it, columns of one key or index: each by itself would build what stands on
//! both for a state that never comes. And PostgreSQL refuses another type for one end of a foreign key
//! where it knows no `=` between the two, so files drop the key, change both ends and add it again:
//! written so, it stays, since the phases see to it.

use downhaul_catalog::{Catalog, DiffOptions, Origin, diff};
use downhaul_syntax::{Change, ConstraintKind, Dialect, Ident, ObjectName, Script};

use super::Retyped;
use crate::op::alter_column_type::{Read, is_phased, read};
use crate::op::compose::Composed;
use crate::op::dependents::key_of;
use crate::op::{HERE, Refused, Scene, refused};

/// A change of a file: its statement, and which of that.
pub(crate) type At = (usize, usize);

/// What a file says of columns that change their type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    /// Changes that go together, two at least each.
    pub(crate) groups: Vec<Vec<At>>,
    /// Constraints that go and come back as they were.
    left_out: Vec<At>,
}

/// What is left of a statement.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    pub(crate) changes: Vec<Change>,
    /// Columns of which the statement says too that they change their type.
    pub(crate) retyped: Vec<Place>,
}

impl Draft {
    /// Reads a file.
    pub(crate) fn of(composed: &Composed, before: &Catalog) -> Self {
        let script = &composed.script;
        if before.dialect != Dialect::Postgres {
            return Self::default();
        }
        let mut retyped: Vec<(At, Place)> = Vec::new();
        // Enums that the file makes anew: the names of the types change for all columns at once.
        let mut enums: Vec<Option<&ObjectName>> = Vec::new();
        for (at, change) in changes(script) {
            if let Change::AlterColumnType { table, column, ty, .. } = change
                && let Some(known) = before.table(table)
                && let Some(old) = known.column(column)
                && is_phased(old.ty.as_ref(), ty)
            {
                retyped.push((at, (known.name.clone(), column.clone())));
                let remade = composed.remade.iter().find(|remade| remade.is(ty, before));
                enums.push(remade.map(|remade| &remade.name));
            }
        }
        let left_out = left_out(script, before, &retyped);
        let stands: Vec<Vec<Part>> =
            retyped.iter().map(|(_, place)| standing(place, before)).collect();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for new in 0..retyped.len() {
            let tied = |group: &Vec<usize>| {
                group.iter().any(|old| {
                    stands[*old].iter().any(|part| stands[new].contains(part))
                        || enums[*old].is_some() && enums[*old] == enums[new]
                })
            };
            let (mut mine, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(tied);
            mine.push(vec![new]);
            groups = apart;
            groups.push(mine.concat());
        }
        let twice = |group: &Vec<usize>| {
            group
                .iter()
                .enumerate()
                .any(|(n, a)| group[..n].iter().any(|b| retyped[*a].1 == retyped[*b].1))
        };
        groups.retain(|group| group.len() > 1 && !twice(group));
        let mut groups: Vec<Vec<At>> = groups
            .into_iter()
            .map(|mut group| {
                group.sort_unstable();
                group.into_iter().map(|at| retyped[at].0).collect()
            })
            .collect();
        groups.sort();
        Self { groups, left_out }
    }

    /// What is left of a statement; `None` where that is all of it.
    pub(crate) fn rest(&self, script: &Script, index: usize, now: &Catalog) -> Option<Rest> {
        let in_group = |at: &At| self.groups.iter().any(|group| group.contains(at));
        let all = script.statements[index].changes().iter().enumerate();
        let mut rest = Rest { changes: Vec::new(), retyped: Vec::new() };
        for (n, change) in all.clone() {
            match change {
                Change::AlterColumnType { table, column, .. } if in_group(&(index, n)) => {
                    rest.retyped.push((now.normalize(table), column.clone()));
                }
                _ if self.left_out.contains(&(index, n)) => {}
                _ => rest.changes.push(change.clone()),
            }
        }
        (rest.changes.len() < all.len()).then_some(rest)
    }

    /// Groups that begin with a statement.
    pub(crate) fn begin_at(&self, statement: usize) -> impl Iterator<Item = &Vec<At>> {
        self.groups.iter().filter(move |group| group.first().is_some_and(|at| at.0 == statement))
    }
}

/// What the changes of a group say, each with what its own statement says beside.
pub(crate) fn columns<'s>(
    script: &Script,
    group: &[At],
    scene: impl Fn(usize) -> Scene<'s>,
) -> Result<Vec<Retyped>, Refused> {
    let mut out = Vec::new();
    for (statement, change) in group {
        match read(&script.statements[*statement].changes()[*change], None, &scene(*statement))? {
            Read::Retyped(retyped) => out.push(*retyped),
            Read::Made(_) => {
                return refused(
                    "of two columns that go together one does not change its values",
                    "put the two into migrations of their own",
                );
            }
        }
    }
    Ok(out)
}

type Place = (ObjectName, Ident);

/// A constraint or an index of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Constraint(ObjectName, usize),
    Index(ObjectName, usize),
}

fn changes(script: &Script) -> impl Iterator<Item = (At, &Change)> {
    script.statements.iter().enumerate().flat_map(|(statement, s)| {
        s.changes().iter().enumerate().map(move |(n, change)| ((statement, n), change))
    })
}

/// What stands on a column.
fn standing((table, column): &Place, now: &Catalog) -> Vec<Part> {
    let mut out = Vec::new();
    let mut after = now.clone();
    let mut to = format!("{column}_downhaul");
    while now.table(table).is_some_and(|t| t.columns.iter().any(|c| c.name.as_str() == to)) {
        to.push('_');
    }
    let (from, to) = (column.clone(), Ident::stored(now.dialect, &to));
    let change = Change::RenameColumn { table: table.clone(), from, to };
    after.apply(&change, Origin::Series(usize::MAX));
    let (Some(known), Some(renamed)) = (now.table(table), after.table(table)) else { return out };
    for (at, (old, new)) in known.constraints.iter().zip(&renamed.constraints).enumerate() {
        if old.kind != new.kind {
            out.push(Part::Constraint(table.clone(), at));
        }
    }
    for (at, (old, new)) in known.indexes.iter().zip(&renamed.indexes).enumerate() {
        if (&old.parts, &old.predicate, &old.include) != (&new.parts, &new.predicate, &new.include)
        {
            out.push(Part::Index(table.clone(), at));
        }
    }
    for other in now.perhaps_referencing(table) {
        for (at, rule) in now.table(other).into_iter().flat_map(|t| &t.constraints).enumerate() {
            let part = Part::Constraint(other.clone(), at);
            if let ConstraintKind::ForeignKey { table: target, referred, .. } = &rule.kind
                && target == table
                && key_of(known, referred).contains(column)
                && !out.contains(&part)
            {
                out.push(part);
            }
        }
    }
    out
}

/// Constraints on such columns that the file drops and adds again as they were.
fn left_out(script: &Script, before: &Catalog, retyped: &[(At, Place)]) -> Vec<At> {
    let mut out = Vec::new();
    let mut stands: Option<Vec<Part>> = None;
    for (dropped, change) in changes(script) {
        let Change::DropConstraint { table, name, .. } = change else { continue };
        let Some(known) = before.table(table) else { continue };
        let Some(at) = known.constraints.iter().position(|c| c.name.as_ref() == Some(name)) else {
            continue;
        };
        let stands = stands.get_or_insert_with(|| {
            retyped.iter().flat_map(|(_, place)| standing(place, before)).collect()
        });
        if !stands.contains(&Part::Constraint(known.name.clone(), at)) {
            continue;
        }
        let as_it_was = |again: &Change| {
            let mut after = before.clone();
            after.apply(change, HERE);
            after.apply(again, HERE);
            diff(before, &after, DiffOptions::default()).is_empty()
        };
        let again = changes(script).find(|(at, again)| {
            *at > dropped
                && matches!(again, Change::AddConstraint { table: of, .. }
                    if before.normalize(of) == known.name)
                && as_it_was(again)
        });
        if let Some((again, _)) = again {
            out.extend([dropped, again]);
        }
    }
    out
}
