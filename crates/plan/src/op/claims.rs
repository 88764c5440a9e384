//! What a file takes through the phases, and what else it says of that.

use downhaul_catalog::Catalog;
use downhaul_syntax::{Change, ConstraintKind, Dialect, Ident, ObjectName, Script};

use super::dependents::key_of;
use super::piece::Slot;
use super::retyped_by_hand;
use super::{Made, Refused, refused};
use crate::Phase;

/// What an earlier statement of the file takes through the phases.
pub(crate) struct Touched {
    pub(crate) table: ObjectName,
    /// `None`: all of it.
    pub(crate) column: Option<Ident>,
    /// What comes of it later.
    pub(crate) later: Later,
}

/// What is still to come of something that a statement takes through the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Later {
    /// Rules for it.
    Rules,
    /// Another column in its place, which has its name behind the contract.
    Successor,
    /// Another column in its place, under another name.
    End,
    Anything,
}

/// A part of the schema that a change is about.
struct Claim {
    table: ObjectName,
    column: Option<Ident>,
    /// Only a default or a rule that binds new rows first.
    rule: bool,
    /// Only at the contract.
    at_contract: bool,
    later: Later,
}

impl Claim {
    fn text(&self) -> String {
        self.column
            .as_ref()
            .map_or_else(|| self.table.to_string(), |column| format!("{}.{column}", self.table))
    }
}

impl Touched {
    fn clashes(&self, claim: &Claim) -> bool {
        let same = self.table == claim.table
            && (self.column.is_none() || claim.column.is_none() || self.column == claim.column);
        // Rules that bind a column later do not mind one another, nor a default; and at the contract the
        // column that they bind is the one that stays.
        let bears = self.later == Later::Rules && claim.rule
            || self.later == Later::Successor && claim.at_contract;
        same && !bears
    }
}

/// Refuses a second change of something that an earlier statement takes through the phases: the
/// two would meet half done. `own` are columns of which another part of the same statement speaks.
pub(crate) fn claim(
    changes: &[Change],
    own: &[(ObjectName, Ident)],
    made: &Made,
    now: &Catalog,
    touched: &mut Vec<Touched>,
) -> Result<(), Refused> {
    let fills = made.pieces.iter().any(|(slot, _)| slot.phase == Phase::Backfill);
    let mut mine: Vec<Claim> =
        changes.iter().flat_map(|change| claims_of(change, fills, now)).collect();
    mine.extend(made.claims.iter().map(|(table, column)| Claim {
        table: table.clone(),
        column: column.clone(),
        rule: false,
        at_contract: false,
        later: Later::Anything,
    }));
    if now.dialect == Dialect::Sqlite {
        // A table that is built anew takes all its columns along.
        mine.iter_mut().for_each(|claim| claim.column = None);
    }
    let own_column = |claim: &Claim| {
        own.iter()
            .any(|(table, column)| *table == claim.table && claim.column.as_ref() == Some(column))
    };
    for claim in &mine {
        if !own_column(claim) && touched.iter().any(|held| held.clashes(claim)) {
            return refused(
                format!(
                    "{} is changed by an earlier statement of the file, in phases",
                    claim.text()
                ),
                "put the second change into a migration of its own, behind this one",
            );
        }
    }
    if made.pieces.iter().any(|(slot, _)| *slot != Slot::EXPAND) {
        touched.extend(mine.into_iter().map(|claim| Touched {
            table: claim.table,
            column: claim.column,
            later: claim.later,
        }));
    }
    Ok(())
}

/// Columns of tables that refer to a column: a change of places moves both ends.
fn references_to(
    table: &ObjectName,
    column: &Ident,
    now: &Catalog,
) -> Vec<(ObjectName, Option<Ident>)> {
    let mut out = Vec::new();
    let Some(known) = now.table(table) else { return out };
    for other in now.perhaps_referencing(table) {
        for constraint in now.table(other).into_iter().flat_map(|t| &t.constraints) {
            if let ConstraintKind::ForeignKey { columns, table: target, referred, .. } =
                &constraint.kind
                && target == table
                && key_of(known, referred).contains(column)
            {
                out.extend(columns.iter().map(|c| (other.clone(), Some(c.clone()))));
            }
        }
    }
    out
}

/// The parts of the schema that a change is about. `fills`: the statement has a backfill.
fn claims_of(change: &Change, fills: bool, now: &Catalog) -> Vec<Claim> {
    let rule = matches!(
        change,
        Change::SetDefault { .. } | Change::DropDefault { .. } | Change::SetNotNull { .. }
    );
    let at_contract = now.dialect == Dialect::Postgres
        && matches!(change, Change::SetNotNull { .. } | Change::DropDefault { .. });
    let claim = |table: &ObjectName, column: Option<&Ident>, later: Later| Claim {
        table: now.normalize(table),
        column: column.cloned(),
        rule,
        at_contract,
        later,
    };
    let anything =
        |table: &ObjectName, column: Option<&Ident>| vec![claim(table, column, Later::Anything)];
    match change {
        Change::RenameColumn { table, from, to } => {
            vec![claim(table, Some(from), Later::End), claim(table, Some(to), Later::Successor)]
        }
        Change::ModifyColumn { table, from, column, .. } => {
            vec![
                claim(table, Some(from), Later::Anything),
                claim(table, Some(&column.name), Later::Anything),
            ]
        }
        Change::AlterColumnType { table, column, .. } => {
            let ends = references_to(&now.normalize(table), column, now);
            let ends = ends.iter().map(|(t, c)| claim(t, c.as_ref(), Later::Anything));
            let itself = claim(table, Some(column), Later::Successor);
            std::iter::once(itself).chain(ends).collect()
        }
        Change::SetNotNull { table, column } => vec![claim(table, Some(column), Later::Rules)],
        Change::AddColumn { table, column, .. } => {
            let later = if fills { Later::Successor } else { Later::Rules };
            vec![claim(table, Some(&column.name), later)]
        }
        Change::DropColumn { table, column, .. } => vec![claim(table, Some(column), Later::End)],
        Change::SetDefault { table, column, .. } | Change::DropDefault { table, column } => {
            vec![claim(table, Some(column), Later::Rules)]
        }
        Change::DropNotNull { table, column } => anything(table, Some(column)),
        Change::AddConstraint { table, .. } | Change::DropConstraint { table, .. }
            if now.dialect == Dialect::Sqlite =>
        {
            anything(table, None)
        }
        Change::RenameTable { from, to } => {
            let mut both = anything(from, None);
            both.extend(anything(to, None));
            both
        }
        Change::DropTable { name, .. } => anything(name, None),
        Change::ConvertCharset { table, .. } | Change::DropPrimaryKey { table } => {
            anything(table, None)
        }
        _ => Vec::new(),
    }
}

/// Refuses what speaks of a name that the file itself gives away, or takes: until the contract the old
/// release has it as it was.
pub(crate) fn is_taken(
    changes: &[Change],
    script: &Script,
    index: usize,
    now: &Catalog,
    touched: &[Touched],
) -> Result<(), Refused> {
    if now.dialect == Dialect::Sqlite {
        return Ok(());
    }
    for change in changes {
        let (table, name) = match change {
            Change::AddColumn { table, column, .. } => (table, &column.name),
            Change::RenameColumn { table, to, .. } => (table, to),
            _ => continue,
        };
        let table = now.normalize(table);
        let goes = touched.iter().any(|held| {
            held.later == Later::End && held.table == table && held.column.as_ref() == Some(name)
        });
        if goes && let Some(lines) = retyped_by_hand::lines(script, &table, name, now) {
            return refused(
                format!(
                    "{table}.{name} gets another type by hand, and what stands on the old column goes with it"
                ),
                format!(
                    "write it as one change, in place of ADD COLUMN, UPDATE, DROP COLUMN and RENAME COLUMN; what stands on the column stays then, so leave out what makes that again, and drop by name what is to go:{lines}"
                ),
            );
        }
        if goes {
            return refused(
                format!(
                    "{table}.{name} goes only at the contract, since the old release uses it: until then no other column can have its name"
                ),
                "give the new column a name of its own; or let this file end before the statement, and put the rest into a second one, whose expand phase comes behind the contract of this one",
            );
        }
    }
    let renamed = script.statements[..index].iter().flat_map(|s| s.changes()).find_map(|change| {
        let Change::RenameTable { from, to } = change else { return None };
        let from = now.normalize(from);
        let to = ObjectName { schema: from.schema.clone(), name: to.name.clone() };
        let is = |name: Option<&ObjectName>| name.is_some_and(|name| now.normalize(name) == to);
        let speaks = changes.iter().any(|change| is(table_of(change)));
        speaks.then_some((from, to))
    });
    if let Some((from, to)) = renamed {
        return refused(
            format!("{to} is a view of {from} until the contract"),
            format!(
                "change {from} first, in a file of its own, and rename it in a second one behind it (ALTER TABLE {from} …; then ALTER TABLE {from} RENAME TO {})",
                to.name
            ),
        );
    }
    Ok(())
}

/// The table that a change alters, under the name that the change gives it.
fn table_of(change: &Change) -> Option<&ObjectName> {
    match change {
        Change::RenameColumn { table, .. }
        | Change::ModifyColumn { table, .. }
        | Change::AlterColumnType { table, .. }
        | Change::SetNotNull { table, .. }
        | Change::DropNotNull { table, .. }
        | Change::SetDefault { table, .. }
        | Change::DropDefault { table, .. }
        | Change::AddColumn { table, .. }
        | Change::DropColumn { table, .. }
        | Change::AddConstraint { table, .. }
        | Change::DropConstraint { table, .. }
        | Change::DropPrimaryKey { table } => Some(table),
        Change::CreateIndex { index, .. } => Some(&index.table),
        Change::RenameTable { from, .. } => Some(from),
        _ => None,
    }
}
