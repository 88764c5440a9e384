//! What binds a column, from light to full and back.
//!
//! While one side of a pair is empty or half filled, its rules bind new rows only (`NOT VALID`);
//! once it is filled they are validated, without a lock that writers would feel. On the way back
//! the two sides change places: so neither the one nor the other direction ever scans a table
//! under a strong lock.

use downhaul_catalog::Catalog;
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Dialect, Expr, Ident, ObjectName,
};

use super::Refused;
use super::names;
use super::piece::Side;

/// The rules of one side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// Columns that must not be NULL, with the CHECK that says so for the time being.
    pub(crate) not_null: Vec<(Ident, Ident)>,
    /// CHECKs and foreign keys, under the names that they have now; those that bind new rows only go on
    /// to bind no others.
    pub(crate) constraints: Vec<ConstraintDef>,
}

impl Rules {
    /// What binds a column that is added and filled behind the writers.
    pub(crate) fn of_column(table: &ObjectName, column: &ColumnDef, now: &Catalog) -> Self {
        let base = format!("{}_{}_not_null", table.name, column.name);
        let check = || (column.name.clone(), names::free_part(now, table, &base));
        let not_null = if column.not_null { vec![check()] } else { Vec::new() };
        Self { not_null, constraints: Vec::new() }
    }
}

/// `CHECK (column IS NOT NULL)`.
pub(crate) fn not_null_check(column: &Ident, name: &Ident, dialect: Dialect) -> ConstraintDef {
    let expr = Expr {
        text: format!("{} IS NOT NULL", dialect.quote_if_needed(column)),
        columns: vec![column.clone()],
        functions: Vec::new(),
        span: downhaul_syntax::Span::default(),
    };
    ConstraintDef {
        name: Some(name.clone()),
        kind: ConstraintKind::Check { expr, no_inherit: false },
        not_valid: true,
        deferrable: false,
        initially_deferred: false,
        not_enforced: false,
        span: downhaul_syntax::Span::default(),
    }
}

/// Locks tables for an instant, referring ones first.
pub(crate) fn lock(tables: &[ObjectName], dialect: Dialect, side: &mut Side) {
    let names: Vec<String> = tables.iter().map(|t| dialect.quote_name_if_needed(t)).collect();
    side.sql(
        "All locks at once, in the order in which writers take them: nobody can be caught in between.",
        format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", names.join(", ")),
    );
}

impl Rules {
    /// Takes the locks of all tables that foreign keys tie to this one, before anything else does:
    /// in the order in which an INSERT takes them, so that no writer and this transaction wait for
    /// each other.
    pub(crate) fn lock_first(&self, table: &ObjectName, dialect: Dialect, side: &mut Side) {
        let mut tables = vec![table.clone()];
        for constraint in &self.constraints {
            if let ConstraintKind::ForeignKey { table: target, .. } = &constraint.kind
                && !tables.contains(target)
            {
                tables.push(target.clone());
            }
        }
        if tables.len() > 1 {
            lock(&tables, dialect, side);
        }
    }

    /// Adds them for new rows only.
    pub(crate) fn add(
        &self,
        table: &ObjectName,
        dialect: Dialect,
        side: &mut Side,
        why: &str,
    ) -> Result<(), Refused> {
        let mut why = why;
        let checks = self.not_null.iter().map(|(c, name)| not_null_check(c, name, dialect));
        for constraint in checks.chain(self.constraints.iter().cloned()) {
            let constraint = ConstraintDef { not_valid: true, ..constraint };
            let change =
                Change::AddConstraint { table: table.clone(), constraint, if_not_exists: false };
            side.change(why, &change, dialect)?;
            why = "";
        }
        Ok(())
    }

    /// From binding new rows only to binding all.
    pub(crate) fn promote(
        &self,
        table: &ObjectName,
        dialect: Dialect,
        side: &mut Side,
    ) -> Result<(), Refused> {
        self.validate(table, dialect, side)?;
        self.harden(table, dialect, side)
    }

    /// Proves the rules for the rows that are there.
    pub(crate) fn validate(
        &self,
        table: &ObjectName,
        dialect: Dialect,
        side: &mut Side,
    ) -> Result<(), Refused> {
        let mut why = "Every row is filled: prove it. Reads the table while others read and write.";
        let names = self
            .constraints
            .iter()
            .filter(|c| !c.not_valid)
            .filter_map(|c| c.name.as_ref())
            .chain(self.not_null.iter().map(|(_, check)| check));
        for name in names {
            let change = Change::ValidateConstraint { table: table.clone(), name: name.clone() };
            side.change(why, &change, dialect)?;
            why = "";
        }
        Ok(())
    }

    /// NOT NULL in the place of the validated CHECKs.
    pub(crate) fn harden(
        &self,
        table: &ObjectName,
        dialect: Dialect,
        side: &mut Side,
    ) -> Result<(), Refused> {
        let mut why = "The validated CHECK spares SET NOT NULL its scan under a strong lock.";
        for (column, check) in &self.not_null {
            let set = Change::SetNotNull { table: table.clone(), column: column.clone() };
            side.change(why, &set, dialect)?;
            why = "";
            let drop = Change::DropConstraint {
                table: table.clone(),
                name: check.clone(),
                if_exists: false,
                cascade: false,
            };
            side.change("", &drop, dialect)?;
        }
        Ok(())
    }

    /// From binding all rows to binding new rows only.
    pub(crate) fn demote(
        &self,
        table: &ObjectName,
        dialect: Dialect,
        side: &mut Side,
        why: &str,
    ) -> Result<(), Refused> {
        let mut why = why;
        for constraint in &self.constraints {
            let Some(name) = &constraint.name else { continue };
            let drop = Change::DropConstraint {
                table: table.clone(),
                name: name.clone(),
                if_exists: false,
                cascade: false,
            };
            let constraint = ConstraintDef { not_valid: true, ..constraint.clone() };
            let add =
                Change::AddConstraint { table: table.clone(), constraint, if_not_exists: false };
            side.together(why, table, &[drop, add], dialect)?;
            why = "";
        }
        for (column, check) in &self.not_null {
            let constraint = not_null_check(column, check, dialect);
            let add =
                Change::AddConstraint { table: table.clone(), constraint, if_not_exists: false };
            let drop = Change::DropNotNull { table: table.clone(), column: column.clone() };
            side.together(why, table, &[add, drop], dialect)?;
            why = "";
        }
        Ok(())
    }
}
