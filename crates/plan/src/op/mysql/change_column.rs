//! `CHANGE` and `MODIFY` that say several things of a column at once: another name, another type, a default,
//! NOT NULL. Each goes into the phase that can bear it.
//!
//! First, under the old name, what the old release does not notice; then the column under the other name, or
//! of the other type; last what only the new release can bear, when the old one is gone.

use downhaul_catalog::{Catalog, Column, DiffOptions, column_def, diff, rename_ident};
use downhaul_syntax::{Change, ColumnDef, Conversion, Ident, ObjectName};

use super::change_type::change_type;
use super::modify_column::{in_place, moves_rows};
use super::rename_column::{Ways, rename_column, successor};
use super::storage::{example, is_recoded, takes_all};
use super::{INPLACE, modify};
use crate::op::conversion::{Conv, directive_for};
use crate::op::piece::Slot;
use crate::op::{HERE, Made, Refused, Scene, refused, series};

/// What is said of the column, a step at a time.
pub(super) struct Steps {
    /// Under its name and, where rows move, of its type.
    first: Option<ColumnDef>,
    /// Under the other name or of the other type.
    middle: Option<ColumnDef>,
    /// As the statement has it.
    last: Option<ColumnDef>,
}

impl Steps {
    /// `None` where one step does it.
    pub(super) fn of(
        table: &ObjectName,
        old: &Column,
        new: &ColumnDef,
        scene: &Scene<'_>,
    ) -> Option<Self> {
        let known = scene.now.table(table)?;
        if old.generated.is_some() || new.generated.is_some() {
            return None;
        }
        let renamed = old.name != new.name;
        let moves = moves_rows(old, new, known, scene.dialect());
        let key = known.primary_key().contains(&old.name);
        let not_null = key || old.not_null && new.not_null;
        let goes = new.default.is_none() && old.default.is_some() && !new.auto_increment;
        // One that the new type may not take goes with the old type.
        let kept = goes && (!moves || takes_all(old, new, known));
        let default = if kept { old.default.clone() } else { new.default.clone() };
        let first = match moves {
            true => ColumnDef { not_null, ..column_def(old) },
            false => {
                let (name, default) = (old.name.clone(), default.clone());
                ColumnDef { name, not_null, default, ..new.clone() }
            }
        };
        let middle = ColumnDef { not_null, default, ..new.clone() };
        let met = after(scene.now, table, &old.name, &first);
        let carried = after(&met, table, &old.name, &middle);
        let end = after(&carried, table, &new.name, new);
        let steps = Self {
            first: differs(scene.now, &met).then_some(first),
            middle: (renamed || moves).then_some(middle),
            last: differs(&carried, &end).then(|| new.clone()),
        };
        let all = [&steps.first, &steps.middle, &steps.last];
        let several = all.iter().filter(|step| step.is_some()).count() > 1;
        (several || renamed).then_some(steps)
    }

    /// The pieces of all steps.
    pub(super) fn pieces(
        &self,
        table: &ObjectName,
        from: &Ident,
        new: &ColumnDef,
        scene: &Scene<'_>,
    ) -> Result<Made, Refused> {
        let known = scene.table(table)?;
        let old = scene.column(table, from)?;
        let moves = moves_rows(old, new, known, scene.dialect());
        let said = |all, column: &Ident| directive_for(all, column, true).is_some();
        let told = said(&scene.forward, &new.name) || said(&scene.forward, from);
        let told_back = said(&scene.back, &new.name) || said(&scene.back, from);
        // Both say how rows get from the one type to the other; one alone, what a NULL becomes.
        let converts = moves && (told && told_back || !takes_all(old, new, known));
        let hears = |now, of_type: bool| {
            let mut scene = scene.over(now);
            if of_type != converts {
                scene.forward.clear();
                scene.back.clear();
            }
            scene
        };
        let mut all = Vec::new();
        let met = match &self.first {
            Some(first) => {
                let scene = hears(scene.now, false);
                let change = modify(table, first.clone());
                all.push(in_place(&change, table, old, first, (Slot::EXPAND, INPLACE), &scene)?);
                after(scene.now, table, from, first)
            }
            None => scene.now.clone(),
        };
        let carried = match &self.middle {
            Some(middle) => {
                let scene = hears(&met, true);
                let old = scene.column(table, from)?;
                all.push(match (*from != middle.name, moves) {
                    (true, true) => {
                        let (ways, read) = ways(table, old, middle, converts, &scene)?;
                        let mut made = successor(table, old, middle, Some(ways), &scene)?;
                        made.read.extend(read);
                        made
                    }
                    (true, false) => rename_column(table, from, &middle.name, &scene)?,
                    (false, _) => change_type(table, old, middle, &scene)?,
                });
                after(&met, table, from, middle)
            }
            None => met.clone(),
        };
        if let Some(last) = &self.last {
            let scene = hears(&carried, false);
            let old = scene.column(table, &last.name)?;
            let change = modify(table, last.clone());
            // Behind the contract, which keeps nothing of the column that goes: what the old release left
            // empty is kept here.
            let slot = if self.middle.is_some() { Slot::CONTRACT_LATER } else { Slot::CONTRACT };
            all.push(in_place(&change, table, old, last, (slot, INPLACE), &scene)?);
        }
        series::keep_apart(&mut all);
        let mut made = Made::default();
        all.into_iter().for_each(|one| made.append(one));
        Ok(made)
    }
}

/// How values go to a column of another type and another name, and the expressions that say it.
fn ways(
    table: &ObjectName,
    old: &Column,
    new: &ColumnDef,
    converts: bool,
    scene: &Scene<'_>,
) -> Result<(Ways, Vec<String>), Refused> {
    let (dialect, known) = (scene.dialect(), scene.table(table)?);
    let (from, to) = (&old.name, &new.name);
    if !converts {
        let (forward, back) = (Conv::Same(from.clone()), Conv::Same(to.clone()));
        let recoded = is_recoded(old, new, known);
        return Ok((Ways { forward, back, recoded }, Vec::new()));
    }
    let find = |all: &[Conversion]| {
        let named = |column: &Ident| directive_for(all, column, false);
        named(to).or_else(|| named(from)).or_else(|| directive_for(all, to, true)).cloned()
    };
    let (Some(there), Some(back)) = (find(&scene.forward), find(&scene.back)) else {
        return refused(
            format!(
                "nothing says how values of {table}.{from} go from the one type to the other and back"
            ),
            match example(old, new, dialect) {
                Some([forward, back]) => format!(
                    "say it above the statement, for example\n-- downhaul:forward \"{forward}\"\n-- downhaul:back \"{back}\""
                ),
                None => format!(
                    "add -- downhaul:forward \"EXPRESSION\" over {from} and -- downhaul:back \"EXPRESSION\" over {to} above the statement"
                ),
            },
        );
    };
    let renamed = after(scene.now, table, from, new);
    let Some(known_after) = renamed.table(table) else {
        return refused(format!("{table} is not known"), "give the schema with --schema FILE");
    };
    // Each reads the column as it is called on its side, whichever name is written.
    let forward = Conv::of_text(&rename_ident(&there.expr, dialect, to, from), known, dialect)?;
    let reverse =
        Conv::of_text(&rename_ident(&back.expr, dialect, from, to), known_after, dialect)?;
    if forward.columns().iter().any(|c| c != from) || reverse.columns().iter().any(|c| c != to) {
        return refused(
            format!("{table}.{from} is computed from other columns too"),
            "add the column with -- downhaul:forward and drop this one, in one ALTER TABLE",
        );
    }
    Ok((Ways { forward, back: reverse, recoded: false }, vec![there.expr, back.expr]))
}

/// The schema behind a `CHANGE`.
fn after(now: &Catalog, table: &ObjectName, from: &Ident, column: &ColumnDef) -> Catalog {
    let mut after = now.clone();
    let (table, from, column) = (table.clone(), from.clone(), column.clone());
    after.apply(&Change::ModifyColumn { table, from, column, position: None }, HERE);
    after
}

fn differs(left: &Catalog, right: &Catalog) -> bool {
    !diff(left, right, DiffOptions::default()).is_empty()
}
