//! Columns.

use std::collections::BTreeMap;

use downhaul_syntax::change::ColumnPosition;
use downhaul_syntax::{ColumnDef, ConstraintKind, Expr, Ident, ObjectName, SqlType};

use super::column_type::{default_storage, plain_type};
use super::generated::{owned_sequence_text, serial_base};
use super::{Applier, names};
use crate::Column;

impl Column {
    /// A nullable column without anything else.
    pub(crate) fn new(name: Ident, ty: Option<SqlType>, origin: crate::Origin) -> Self {
        Self {
            name,
            ty,
            not_null: false,
            default: None,
            generated: None,
            identity: None,
            auto_increment: false,
            collation: None,
            not_null_name: None,
            comment: None,
            on_update: None,
            invisible: false,
            options: BTreeMap::new(),
            origin,
        }
    }
}

/// The collation `default` says nothing.
pub(super) fn stated_collation(collation: Option<&str>) -> Option<String> {
    collation
        .filter(|c| !matches!(c.trim_matches('"'), "default" | "pg_catalog.default"))
        .map(str::to_owned)
}

impl Applier<'_> {
    /// The column that a definition makes; PostgreSQL's `serial` and identity bring a sequence.
    pub(super) fn column_of(&mut self, table: &ObjectName, def: &ColumnDef) -> Column {
        let name = names::truncated(self.dialect(), &def.name);
        let mut column = Column::new(name, def.ty.clone(), self.origin);
        column.not_null = def.not_null;
        column.not_null_name.clone_from(&def.not_null_name);
        column.default.clone_from(&def.default);
        column.generated.clone_from(&def.generated);
        column.identity = def.identity;
        column.auto_increment = def.auto_increment;
        column.collation = stated_collation(def.collation.as_deref());
        column.comment.clone_from(&def.comment);
        column.on_update.clone_from(&def.on_update);
        column.invisible = def.invisible;
        if self.is_postgres() {
            let serial = def
                .ty
                .as_ref()
                .filter(|t| t.schema.is_none() && t.dimensions == 0)
                .and_then(|t| serial_base(&t.name));
            if let Some(base) = serial {
                column.ty = Some(plain_type(base));
                column.not_null = true;
                let sequence =
                    self.own_sequence(table, &column.name, owned_sequence_text(Some(base)), false);
                column.default = Some(self.nextval(&sequence));
            }
            if def.identity.is_some() {
                column.not_null = true;
                let text = owned_sequence_text(def.ty.as_ref().map(|t| t.name.as_str()));
                self.own_sequence(table, &column.name, text, true);
            }
        }
        if self.is_mysql() {
            let serial = def.ty.as_ref().is_some_and(|t| t.name == "serial");
            if serial {
                let mut ty = plain_type("bigint");
                ty.unsigned = true;
                "bigint unsigned".clone_into(&mut ty.raw);
                column.ty = Some(ty);
                column.auto_increment = true;
            }
            column.not_null |= column.auto_increment;
            // `DEFAULT NULL` says no more than no default on a column that may be null.
            if !column.not_null && column.default.as_ref().is_some_and(is_null) {
                column.default = None;
            }
        } else if column.default.as_ref().is_some_and(is_null) {
            column.default = None;
        }
        column
    }

    pub(super) fn add_column(
        &mut self,
        table: &ObjectName,
        def: &ColumnDef,
        if_not_exists: bool,
        position: Option<&ColumnPosition>,
    ) {
        let Some(name) = self.altered_table(table) else { return };
        let wanted = names::truncated(self.dialect(), &def.name);
        if self.catalog.tables.get(&name).is_some_and(|t| t.column(&wanted).is_some()) {
            if !if_not_exists {
                self.exists_part("column", &name, &wanted);
            }
            return;
        }
        if self.is_sqlite() {
            self.refuse_sqlite_addition(&name, def);
        }
        let column = self.column_of(&name, def);
        for child in self.descendants(&name) {
            self.push_column(&child, Column { comment: None, ..column.clone() });
        }
        self.place_column(&name, column, position);
        for constraint in &def.constraints {
            self.define_constraint(&name, constraint, true);
        }
        if self.is_mysql() && def.ty.as_ref().is_some_and(|t| t.name == "serial") {
            self.unique_for_serial(&name, &wanted);
        }
    }

    /// Puts a column where the statement says; at the end otherwise.
    pub(super) fn place_column(
        &mut self,
        table: &ObjectName,
        column: Column,
        position: Option<&ColumnPosition>,
    ) {
        let after_missing = match position {
            Some(ColumnPosition::After(other)) => self
                .catalog
                .tables
                .get(table)
                .is_some_and(|t| t.column(other).is_none())
                .then(|| other.clone()),
            _ => None,
        };
        if let Some(other) = after_missing {
            self.missing_part("column", table, &other);
        }
        let Some(table) = self.table(table) else { return };
        let at = match position {
            Some(ColumnPosition::First) => 0,
            Some(ColumnPosition::After(other)) => {
                table.columns.position(other).map_or(table.columns.len(), |i| i + 1)
            }
            None => table.columns.len(),
        };
        table.columns.insert(at, column);
    }

    /// What SQLite's `ADD COLUMN` cannot do (measured on 3.40; <https://www.sqlite.org/lang_altertable.html>).
    /// Some of it fails only where the table holds rows: a table of the same migration is empty.
    fn refuse_sqlite_addition(&mut self, table: &ObjectName, def: &ColumnDef) {
        let column = &def.name;
        for constraint in &def.constraints {
            match constraint.kind {
                ConstraintKind::PrimaryKey { .. } => {
                    self.refuse(format!("cannot add a PRIMARY KEY column: {table}.{column}"));
                }
                ConstraintKind::Unique { .. } => {
                    self.refuse(format!("cannot add a UNIQUE column: {table}.{column}"));
                }
                _ => {}
            }
        }
        let may_hold_rows = self.catalog.tables.get(table).is_some_and(|t| t.origin != self.origin);
        if !may_hold_rows {
            return;
        }
        if def.generated.as_ref().is_some_and(|g| g.stored) {
            self.refuse(format!("cannot add a STORED column: {table}.{column}"));
        }
        let default = def.default.as_ref().filter(|d| !is_null(d));
        if def.not_null && default.is_none() && def.generated.is_none() {
            self.refuse(format!(
                "cannot add a NOT NULL column with default value NULL: {table}.{column}"
            ));
        }
        let Some(default) = default else { return };
        let text = default.text.trim();
        let current = ["current_timestamp", "current_date", "current_time"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word));
        let computed = text.starts_with('(') && !is_constant(text);
        if current || computed || !default.functions.is_empty() {
            self.refuse(format!("cannot add a column with non-constant default: {table}.{column}"));
        }
    }

    /// Changes a column here and in the tables that inherit it.
    pub(super) fn alter_column(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        change: impl Fn(&mut Column),
    ) -> Option<ObjectName> {
        let name = self.altered_column(table, column)?;
        let mut all = vec![name.clone()];
        all.extend(self.descendants(&name));
        for table in &all {
            if let Some(column) = self.table(table).and_then(|t| t.column_mut(column)) {
                change(column);
            }
        }
        Some(name)
    }

    pub(super) fn set_not_null(&mut self, table: &ObjectName, column: &Ident) {
        self.alter_column(table, column, |c| c.not_null = true);
    }

    pub(super) fn drop_not_null(&mut self, table: &ObjectName, column: &Ident) {
        let Some(name) = self.altered_column(table, column) else { return };
        let Some(t) = self.catalog.tables.get(&name) else { return };
        if t.primary_key().contains(column) {
            self.refuse(format!("column {name}.{column} is in a primary key"));
            return;
        }
        if t.column(column).is_some_and(|c| c.identity.is_some()) {
            self.refuse(format!("column {name}.{column} is an identity column"));
            return;
        }
        self.alter_column(table, column, |c| {
            c.not_null = false;
            c.not_null_name = None;
        });
    }

    pub(super) fn set_default(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        default: Option<&Expr>,
    ) {
        let Some(name) = self.altered_column(table, column) else { return };
        let Some(c) = self.catalog.tables.get(&name).and_then(|t| t.column(column)) else { return };
        if c.identity.is_some() && self.is_postgres() {
            self.refuse(format!("column {name}.{column} is an identity column"));
            return;
        }
        if c.generated.is_some() {
            self.refuse(format!("column {name}.{column} is a generated column"));
            return;
        }
        let default = default.filter(|d| !is_null(d)).cloned();
        self.alter_column(table, column, |c| c.default.clone_from(&default));
    }

    pub(super) fn set_column_option(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        option: &str,
        value: &str,
    ) {
        let option = option.to_lowercase();
        // `SET STATISTICS -1`, `SET STORAGE DEFAULT` and RESET give the default back.
        let by_type = self
            .catalog
            .tables
            .get(&self.catalog.normalize(table))
            .and_then(|t| t.column(column))
            .and_then(|c| default_storage(c.ty.as_ref()));
        let default = value.is_empty()
            || option == "storage" && by_type.is_some_and(|s| s.eq_ignore_ascii_case(value))
            || value.eq_ignore_ascii_case("default")
            || option == "statistics" && value == "-1";
        self.alter_column(table, column, |c| {
            if default {
                c.options.remove(&option);
            } else {
                c.options.insert(option.clone(), value.to_owned());
            }
        });
    }
}

/// Whether an expression is the word NULL, perhaps cast.
pub(crate) fn is_null(expr: &Expr) -> bool {
    let text = expr.text.trim();
    let head = text.split("::").next().unwrap_or(text).trim();
    head.eq_ignore_ascii_case("null")
}

/// What SQLite takes for a constant: a literal, in brackets, with a sign or cast. What is computed, also
/// from constants alone, is none.
fn is_constant(text: &str) -> bool {
    let text = text.trim();
    let within = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
    if let Some(inner) = within.or_else(|| text.strip_prefix(['-', '+'])) {
        return is_constant(inner);
    }
    let lower = text.to_lowercase();
    let string = lower.strip_prefix('x').unwrap_or(&lower);
    let quoted = string.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
    if let Some(inner) = quoted {
        return !inner.replace("''", "").contains('\'');
    }
    if let Some(cast) = lower.strip_prefix("cast(").and_then(|t| t.strip_suffix(')')) {
        return cast.rsplit_once(" as ").is_some_and(|(value, _)| is_constant(value));
    }
    matches!(lower.as_str(), "null" | "true" | "false")
        || lower.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && lower.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::is_constant;

    #[test]
    fn what_sqlite_takes_for_a_constant() {
        for text in
            ["('')", "(('it''s'))", "(-1)", "(+ 2)", "(x'00')", "(NULL)", "(- (1))", "(1.5e3)"]
        {
            assert!(is_constant(text), "{text}");
        }
        assert!(is_constant("(CAST('1' AS INTEGER))"));
        for text in ["(1 + 1)", "('a' || 'b')", "(1) + (2)", "(current_timestamp)", "(upper('a'))"]
        {
            assert!(!is_constant(text), "{text}");
        }
    }
}
