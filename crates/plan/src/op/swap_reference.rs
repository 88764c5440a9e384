//! A foreign key that a file drops and adds again between the same columns, with another action or another name, as
//! frameworks write it. Dropped for the new release and added when the old one is gone, nothing would bind in between,
//! and no `ON DELETE` act: so the two change places at one instant.

use downhaul_catalog::{Catalog, Constraint, Table, constraint_def};
use downhaul_syntax::{
    Change, ConstraintDef, ConstraintKind, Dialect, Ident, ObjectName, ReferentialAction, Script,
};

use super::dependents::key_of;
use super::pair::drop_constraint;
use super::piece::{Piece, Side, Slot};
use super::{HERE, Made, Refused, Scene};

/// Such a foreign key.
#[derive(Clone, Debug)]
pub(crate) struct Swap {
    table: ObjectName,
    old: ConstraintDef,
    /// As the file says it.
    said: ConstraintDef,
    /// The same with its name.
    new: ConstraintDef,
    /// The key to which it refers changes in between: one goes, and the other comes where the file says so.
    apart: bool,
}

/// Those of a file.
pub(crate) fn swaps(script: &Script, before: &Catalog) -> Vec<Swap> {
    let mut out = Vec::new();
    // There a table is built anew for each change of its rules.
    if before.dialect == Dialect::Sqlite {
        return out;
    }
    let changes = || script.statements.iter().flat_map(|statement| statement.changes());
    for dropped in changes() {
        let Change::DropConstraint { table, name, .. } = dropped else { continue };
        let Some(known) = before.table(table).filter(|t| t.partitioning.is_none()) else {
            continue;
        };
        let Some(old) = known.constraint(name).filter(|c| !c.not_valid) else { continue };
        let ConstraintKind::ForeignKey { table: target, .. } = &old.kind else { continue };
        let Some(parent) = before.table(target) else { continue };
        let reshaped = changes().any(|change| {
            reshapes(change, before).is_some_and(|t| t == known.name || t == parent.name)
        });
        let again = changes().find_map(|change| match change {
            Change::AddConstraint { table: of, constraint, .. } => {
                let same = before.normalize(of) == known.name
                    && same_ends(old, constraint, parent, before);
                same.then_some((change, constraint))
            }
            _ => None,
        });
        let Some((add, said)) = again.filter(|_| !reshaped) else { continue };
        let named = |after: &Catalog| -> Vec<Ident> {
            let table = after.table(&known.name);
            table.into_iter().flat_map(|t| &t.constraints).filter_map(|c| c.name.clone()).collect()
        };
        let mut after = before.clone();
        after.apply(dropped, HERE);
        let there = named(&after);
        after.apply(add, HERE);
        let newest = || named(&after).into_iter().find(|name| !there.contains(name));
        let Some(new) = said.name.clone().or_else(newest) else { continue };
        let key_goes = changes().any(|change| match change {
            Change::DropConstraint { table, name, .. } => {
                before.normalize(table) == parent.name
                    && parent.constraint(name).is_some_and(|c| {
                        matches!(
                            c.kind,
                            ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. }
                        )
                    })
            }
            Change::DropPrimaryKey { table } => before.normalize(table) == parent.name,
            _ => false,
        });
        out.push(Swap {
            table: known.name.clone(),
            old: constraint_def(old),
            said: said.clone(),
            new: ConstraintDef { name: Some(new), ..said.clone() },
            apart: key_goes || before.dialect != Dialect::Postgres,
        });
    }
    out
}

/// Whether a foreign key has the ends of another one.
fn same_ends(old: &Constraint, new: &ConstraintDef, parent: &Table, before: &Catalog) -> bool {
    match (&old.kind, &new.kind) {
        (
            ConstraintKind::ForeignKey { columns, referred, .. },
            ConstraintKind::ForeignKey { columns: with, table, referred: to, .. },
        ) => {
            columns == with
                && before.normalize(table) == parent.name
                && key_of(parent, referred) == key_of(parent, to)
        }
        _ => false,
    }
}

/// The table of which a change gives columns, or itself, another shape or name.
fn reshapes(change: &Change, before: &Catalog) -> Option<ObjectName> {
    match change {
        Change::AlterColumnType { table, .. }
        | Change::ModifyColumn { table, .. }
        | Change::RenameColumn { table, .. }
        | Change::DropColumn { table, .. }
        | Change::RenameTable { from: table, .. }
        | Change::DropTable { name: table, .. } => Some(before.normalize(table)),
        _ => None,
    }
}

impl Swap {
    /// The one that takes the old one's place, as it has to be said.
    fn of<'s>(
        table: &ObjectName,
        constraint: &ConstraintDef,
        scene: &'s Scene<'_>,
    ) -> Option<&'s Self> {
        let table = scene.now.normalize(table);
        scene.swaps.iter().find(|swap| swap.table == table && swap.said == *constraint)
    }

    /// The phase: where the old one refuses what the new one does, no statement that went through before ends
    /// otherwise; where it acts itself, the old release may count on that.
    fn slots(&self) -> (Slot, Slot) {
        let refuses = |action: &ReferentialAction| {
            matches!(action, ReferentialAction::NoAction | ReferentialAction::Restrict)
        };
        let free = match (&self.old.kind, &self.new.kind) {
            (
                ConstraintKind::ForeignKey { on_delete, on_update, match_full, .. },
                ConstraintKind::ForeignKey {
                    on_delete: deletes,
                    on_update: updates,
                    match_full: full,
                    ..
                },
            ) => {
                (on_delete == deletes || refuses(on_delete))
                    && (on_update == updates || refuses(on_update))
                    && (*match_full || !full)
            }
            _ => false,
        };
        match free {
            true => (Slot::EXPAND, Slot::BACKFILL),
            false => (Slot::CONTRACT, Slot::CONTRACT_LATER),
        }
    }

    fn pieces(&self, scene: &Scene<'_>) -> Result<Made, Refused> {
        let (dialect, table) = (scene.dialect(), &self.table);
        let (Some(old), Some(new)) = (&self.old.name, &self.new.name) else {
            return Ok(Made::default());
        };
        let add = |constraint: ConstraintDef| Change::AddConstraint {
            table: table.clone(),
            constraint,
            if_not_exists: false,
        };
        let light = add(ConstraintDef { not_valid: true, ..self.new.clone() });
        let (first, then) = self.slots();
        let mut made = Made::default();
        let (mut up, mut down) = (Side::default(), Side::default());
        let why = if first == Slot::EXPAND {
            "One takes the other's place in one statement, so rows are bound all the while. NOT VALID: no row is read under the lock, and the old one has proven them."
        } else {
            "The old release counts on what the old one does: it must be gone. One takes the other's place in one statement, so rows are bound all the while. NOT VALID: no row is read under the lock."
        };
        up.together(why, table, &[drop_constraint(table, old), light.clone()], dialect)?;
        let back = [drop_constraint(table, new), add(self.old.clone())];
        down.together("", table, &back, dialect)?;
        made.push(first, Piece::made(up, down));
        if !self.new.not_valid {
            let (mut up, mut down) = (Side::default(), Side::default());
            up.change(
                "Proves it for the rows that were there, while others read and write.",
                &Change::ValidateConstraint { table: table.clone(), name: new.clone() },
                dialect,
            )?;
            down.together("", table, &[drop_constraint(table, new), light], dialect)?;
            made.push(then, Piece::made(up, down));
        }
        Ok(made)
    }
}

/// Where a foreign key goes that comes again: with the other one, or where the file says so, but at the contract.
pub(crate) fn drop(table: &ObjectName, name: &Ident, scene: &Scene<'_>) -> Option<Made> {
    goes(table, name, scene).filter(|swap| !swap.apart).map(|_| Made::default())
}

/// A foreign key that goes and comes again.
pub(crate) fn goes<'s>(table: &ObjectName, name: &Ident, scene: &'s Scene<'_>) -> Option<&'s Swap> {
    let table = scene.now.normalize(table);
    scene.swaps.iter().find(|swap| swap.table == table && swap.old.name.as_ref() == Some(name))
}

/// Whether the file drops a foreign key before the key changes to which it refers.
pub(crate) fn goes_first(table: &ObjectName, name: Option<&Ident>, scene: &Scene<'_>) -> bool {
    name.and_then(|name| goes(table, name, scene)).is_some_and(|swap| swap.apart)
}

/// What takes a foreign key's place.
pub(crate) fn add(
    table: &ObjectName,
    constraint: &ConstraintDef,
    scene: &Scene<'_>,
) -> Option<Result<Made, Refused>> {
    let swap = Swap::of(table, constraint, scene)?;
    (!swap.apart).then(|| swap.pieces(scene))
}

/// The same with its name, which the old one still has in the schema that the expand phase leaves.
pub(crate) fn named(
    table: &ObjectName,
    constraint: &ConstraintDef,
    scene: &Scene<'_>,
) -> Option<ConstraintDef> {
    Swap::of(table, constraint, scene).map(|swap| swap.new.clone())
}
