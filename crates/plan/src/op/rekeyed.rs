//! Another primary key, said in several actions or statements: `DROP CONSTRAINT …; ADD PRIMARY KEY …`, or a
//! column of the old key that goes and takes it along. Together they are one change
//! ([`super::change_primary_key`]); what else the statements do comes behind it.

use downhaul_catalog::{Catalog, Table};
use downhaul_syntax::{Change, ConstraintDef, ConstraintKind, Dialect, Ident, ObjectName, Script};

use super::piece::Slot;

/// A statement, said otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reworded {
    /// What it says now.
    pub(crate) changes: Vec<Change>,
    /// Statements whose directives count for it too.
    pub(crate) heard: Vec<usize>,
}

/// For each statement, what is left of it where others say a part, or where it says a part of others.
pub(crate) fn statements(script: &Script, before: &Catalog) -> Vec<Option<Reworded>> {
    let mut out = vec![None; script.statements.len()];
    if before.dialect != Dialect::Postgres {
        return out;
    }
    let made_anew = |name: &ObjectName| {
        let mut changes = script.statements.iter().flat_map(|statement| statement.changes());
        changes.any(|change| {
            matches!(change, Change::CreateTable { def, .. } if before.normalize(&def.name) == *name)
        })
    };
    for (at, statement) in script.statements.iter().enumerate() {
        for change in statement.changes() {
            if let Change::AddConstraint { table, constraint, .. } = change
                && let ConstraintKind::PrimaryKey { columns, using_index: None, .. } =
                    &constraint.kind
                && let Some(known) = before.table(table)
                && !made_anew(&known.name)
                && let Some(old) = key_of(known)
            {
                reword(script, at, (known, &old), (constraint, columns), before, &mut out);
            }
        }
    }
    out
}

/// Tables to which a file adds a primary key, and when the old one goes: behind the contract where columns of
/// the new one have to be proven free of NULLs first.
pub(crate) fn tables(script: &Script, now: &Catalog) -> Vec<(ObjectName, Slot)> {
    let changes = script.statements.iter().flat_map(|statement| statement.changes());
    let keyed = changes.filter_map(|change| match change {
        Change::AddConstraint { table, constraint, .. } => match &constraint.kind {
            ConstraintKind::PrimaryKey { columns, .. } => {
                let known = now.table(table)?;
                let proven = |c| known.column(c).is_none_or(|column| column.not_null);
                let slot = match columns.iter().all(proven) {
                    true => Slot::CONTRACT,
                    false => Slot::CONTRACT_LATER,
                };
                Some((known.name.clone(), slot))
            }
            _ => None,
        },
        _ => None,
    });
    keyed.collect()
}

/// The name of the primary key.
fn key_of(table: &Table) -> Option<Ident> {
    let key =
        |c: &&downhaul_catalog::Constraint| matches!(c.kind, ConstraintKind::PrimaryKey { .. });
    table.constraints.iter().find(key).and_then(|c| c.name.clone())
}

/// Rewords the statement that takes the old key away, the one that adds the new one, and those that say what
/// the new one implies.
fn reword(
    script: &Script,
    adds: usize,
    (known, old): (&Table, &Ident),
    (constraint, columns): (&ConstraintDef, &[Ident]),
    before: &Catalog,
    out: &mut [Option<Reworded>],
) {
    let is_it = |table: &ObjectName| before.normalize(table) == known.name;
    let drops = |change: &Change| matches!(change, Change::DropConstraint { table, name, cascade: false, .. } if is_it(table) && name == old);
    let takes_along = |change: &Change| matches!(change, Change::DropColumn { table, column, .. } if is_it(table) && known.primary_key().contains(column));
    let all = script.statements[..=adds].iter().enumerate();
    let named: Vec<usize> =
        all.clone().filter(|(_, s)| s.changes().iter().any(&drops)).map(|(at, _)| at).collect();
    let goes = match named.as_slice() {
        [one] => *one,
        // Nothing names it: the column does it.
        [] => match all.clone().find(|(_, s)| s.changes().iter().any(&takes_along)) {
            Some((at, _)) => at,
            None => return,
        },
        _ => return,
    };
    if goes == adds && script.statements[goes].changes().len() == 2 && named.len() == 1 {
        // One statement that says just that.
        return;
    }
    // Before the columns that the new key names are there, nothing can be built over them.
    let is_new = |c: &&Ident| known.column(c).is_none();
    let brings = |column: &Ident| {
        let mut earlier = script.statements[..adds].iter().flat_map(|s| s.changes());
        earlier.any(|change| matches!(change, Change::AddColumn { table, column: new, .. } if is_it(table) && new.name == *column))
    };
    let place = match columns.iter().any(|c| is_new(&c)) {
        false => goes,
        true if columns.iter().filter(is_new).all(brings)
            && !script.statements.iter().any(|s| s.changes().iter().any(takes_along)) =>
        {
            adds
        }
        true => return,
    };
    let implied = |change: &Change| matches!(change, Change::SetNotNull { table, column } if is_it(table) && columns.contains(column));
    let is_key = |change: &Change| matches!(change, Change::AddConstraint { table, constraint: one, .. } if is_it(table) && one == constraint);
    let mut heard = Vec::new();
    for (at, statement) in script.statements.iter().enumerate() {
        let said = |change: &Change| drops(change) || is_key(change) || implied(change);
        if !statement.changes().iter().any(said) && at != place {
            continue;
        }
        heard.push(at);
        let rest = match out[at].take() {
            Some(Reworded { changes, .. }) => changes,
            None => statement.changes().to_vec(),
        };
        let changes = rest.into_iter().filter(|change| !said(change)).collect();
        out[at] = Some(Reworded { changes, heard: Vec::new() });
    }
    let pair = [
        Change::DropConstraint {
            table: known.name.clone(),
            name: old.clone(),
            if_exists: false,
            cascade: false,
        },
        Change::AddConstraint {
            table: known.name.clone(),
            constraint: constraint.clone(),
            if_not_exists: false,
        },
    ];
    if let Some(Reworded { changes, heard: of }) = &mut out[place] {
        changes.splice(0..0, pair);
        heard.retain(|at| *at != place);
        of.extend(heard);
    }
}
