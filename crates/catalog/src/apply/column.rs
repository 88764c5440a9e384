//! Columns.

use std::collections::BTreeMap;

use downhaul_syntax::change::ColumnPosition;
use downhaul_syntax::{
    ColumnDef, ConstraintKind, Expr, Ident, Identity, ObjectName, Partitioning, Span, SqlType,
};

use super::dependents::Dependent;
use super::{Applier, names};
use crate::text::mentions_ident;
use crate::{Column, Index, Sequence};

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
fn stated_collation(collation: Option<&str>) -> Option<String> {
    collation
        .filter(|c| !matches!(c.trim_matches('"'), "default" | "pg_catalog.default"))
        .map(str::to_owned)
}

/// The integer type behind a `serial` type of PostgreSQL.
pub(crate) fn serial_base(name: &str) -> Option<&'static str> {
    Some(match name {
        "smallserial" | "serial2" => "smallint",
        "serial" | "serial4" => "integer",
        "bigserial" | "serial8" => "bigint",
        _ => return None,
    })
}

/// The `serial` type of PostgreSQL over an integer type.
pub(crate) fn serial_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "smallint" => "smallserial",
        "integer" => "serial",
        "bigint" => "bigserial",
        _ => return None,
    })
}

/// Options of the sequence behind a column of a type: its type, where it is not the default one.
pub(crate) fn owned_sequence_text(ty: Option<&str>) -> &'static str {
    match ty {
        Some("smallint") => "AS smallint",
        Some("integer") => "AS integer",
        _ => "",
    }
}

/// An expression that reads no column.
pub(crate) fn call_expr(text: String, function: &str) -> Expr {
    Expr { text, columns: Vec::new(), functions: vec![function.to_owned()], span: Span::default() }
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

    /// A sequence named as the server names that of a `serial` or identity column.
    pub(super) fn own_sequence(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        text: &str,
        of_identity: bool,
    ) -> ObjectName {
        let name = self.catalog.choose_relation_name(table, Some(column.as_str()), "seq", false);
        self.catalog.sequences.insert(
            name.clone(),
            Sequence {
                name: name.clone(),
                text: text.to_owned(),
                owned_by: Some((table.clone(), column.clone())),
                of_identity,
                origin: self.origin,
            },
        );
        self.catalog.lookup.owned.or_default(table).insert(name.clone(), ());
        name
    }

    /// `nextval('sequence'::regclass)`, as the server deparses it.
    pub(super) fn nextval(&self, sequence: &ObjectName) -> Expr {
        let name = self.dialect().quote_name_if_needed(sequence);
        call_expr(format!("nextval({}::regclass)", self.dialect().literal(&name)), "nextval")
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
        for child in self.children(&name) {
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
        if current || text.starts_with('(') || !default.functions.is_empty() {
            self.refuse(format!("cannot add a column with non-constant default: {table}.{column}"));
        }
    }

    pub(super) fn drop_column(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        if_exists: bool,
        cascade: bool,
    ) {
        let Some(name) = self.altered_table(table) else { return };
        if self.catalog.tables.get(&name).is_some_and(|t| t.column(column).is_none()) {
            if !if_exists {
                self.missing_part("column", &name, column);
            }
            return;
        }
        let dependents = self.catalog.dependents_on_column(&name, column);
        let of = format!("column {name}.{column}");
        if self.is_postgres() {
            self.refuse_partition_key(&name, column);
            if cascade {
                self.drop_dependents(&dependents);
            } else {
                let blocking = dependents
                    .iter()
                    .filter(|d| d.blocks_drop())
                    .map(ToString::to_string)
                    .collect();
                self.depends(of, blocking);
            }
        } else if self.is_sqlite() {
            self.refuse_for_broken_views();
            self.refuse_sqlite_drop(&name, column, &dependents);
        } else {
            self.refuse_mysql_drop(&name, column, &dependents);
        }
        for child in self.children(&name) {
            // A child keeps a column that it has by another parent or by itself; only what it
            // inherited alone goes, and that is all that is modelled.
            self.remove_column(&child, column);
        }
        self.remove_column(&name, column);
    }

    /// SQLite reads the whole schema again for `DROP COLUMN` and every rename: a view over a table
    /// that is not there makes it refuse (measured on 3.40).
    pub(super) fn refuse_for_broken_views(&mut self) {
        let broken = self.catalog.broken_view();
        if let Some((view, table)) = broken {
            self.refuse(format!("error in view {view}: no such table: {table}"));
        }
    }

    fn refuse_partition_key(&mut self, table: &ObjectName, column: &Ident) {
        let in_key = self.catalog.tables.get(table).is_some_and(|t| match &t.partitioning {
            Some(Partitioning::By(text)) => mentions_ident(text, self.dialect(), column),
            _ => false,
        });
        if in_key {
            self.refuse(format!(
                "cannot drop column {column}: it is part of the partition key of {table}"
            ));
        }
    }

    /// What SQLite's `DROP COLUMN` cannot do (measured on 3.40).
    fn refuse_sqlite_drop(&mut self, table: &ObjectName, column: &Ident, outer: &[Dependent]) {
        let Some(t) = self.catalog.tables.get(table) else { return };
        let mut reasons = Vec::new();
        if t.columns.len() == 1 && !t.columns_unknown {
            reasons.push(format!("cannot drop column {table}.{column}: no other columns exist"));
        }
        for c in t.constraints.reading(column) {
            match &c.kind {
                ConstraintKind::PrimaryKey { .. } => {
                    reasons.push(format!("cannot drop PRIMARY KEY column {table}.{column}"));
                }
                ConstraintKind::Unique { .. } => {
                    reasons.push(format!("cannot drop UNIQUE column {table}.{column}"));
                }
                // A foreign key of one column goes with it; a table constraint stays and breaks.
                ConstraintKind::ForeignKey { columns, .. } if columns.len() > 1 => {
                    reasons.push(format!(
                        "cannot drop column {table}.{column}: a foreign key of several columns uses it"
                    ));
                }
                ConstraintKind::Check { expr, .. }
                    if expr.columns.iter().any(|other| other != column) =>
                {
                    reasons.push(format!(
                        "cannot drop column {table}.{column}: a CHECK constraint uses it"
                    ));
                }
                _ => {}
            }
        }
        for index in t.indexes.reading(column) {
            reasons
                .push(format!("cannot drop column {table}.{column}: index {} uses it", index.name));
        }
        for dependent in outer {
            // SQLite checks no foreign key of another table here, but all views and triggers.
            let blocks = matches!(
                dependent,
                Dependent::View { certain: true, .. }
                    | Dependent::Trigger { .. }
                    | Dependent::GeneratedColumn { .. }
            );
            if blocks {
                reasons.push(format!("cannot drop column {table}.{column}: {dependent} uses it"));
            }
        }
        for reason in reasons {
            self.refuse(reason);
        }
    }

    /// Takes a column away with the constraints and indexes of its own table that use it, and the
    /// sequences that it owns.
    pub(super) fn remove_column(&mut self, name: &ObjectName, column: &Ident) {
        let mysql = self.is_mysql();
        let mut freed: Vec<Ident> = Vec::new();
        let Some(table) = self.table(name) else { return };
        table.columns.remove_named(column);
        if mysql {
            // MySQL manual, ALTER TABLE: the column leaves the indexes that it is part of; an
            // index without columns left is dropped.
            let alone = |i: &Index| i.parts.iter().all(|p| p.column.as_ref() == Some(column));
            table.indexes.retain_reading(column, |i| !alone(i));
            table.indexes.change_reading(column, |index| {
                index.parts.retain(|p| p.column.as_ref() != Some(column));
            });
            table.constraints.retain_reading(column, |c| match &c.kind {
                ConstraintKind::PrimaryKey { columns, .. }
                | ConstraintKind::Unique { columns, .. } => columns.iter().any(|c| c != column),
                _ => false,
            });
            table.constraints.change_reading(column, |c| match &mut c.kind {
                ConstraintKind::PrimaryKey { columns, .. }
                | ConstraintKind::Unique { columns, .. } => columns.retain(|c| c != column),
                _ => {}
            });
        } else {
            freed.extend(table.constraints.reading(column).filter_map(|c| c.name.clone()));
            freed.extend(table.indexes.reading(column).map(|i| i.name.name.clone()));
            table.constraints.retain_reading(column, |_| false);
            table.indexes.retain_reading(column, |_| false);
        }
        for index in freed {
            self.forget_index_name(name, &index);
        }
        self.drop_owned_sequences(name, column, |_| true);
    }

    /// Takes sequences of a column away, those that are meant.
    pub(super) fn drop_owned_sequences(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        meant: impl Fn(&Sequence) -> bool,
    ) {
        let owned = self.catalog.lookup.owned.get(table).cloned().unwrap_or_default();
        for sequence in owned.keys() {
            let owned = self.catalog.sequences.get(sequence).is_some_and(|s| {
                s.owned_by.as_ref().is_some_and(|(t, c)| t == table && c == column) && meant(s)
            });
            if owned {
                self.catalog.sequences.remove(sequence);
            }
        }
    }

    pub(super) fn alter_column_type(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        ty: &SqlType,
        collation: Option<&str>,
        using: bool,
    ) {
        let Some(name) = self.altered_column(table, column) else { return };
        if self.is_postgres() {
            self.refuse_conversion(&name, column, ty, using);
        }
        if self.is_postgres() && ty.schema.is_none() && serial_base(&ty.name).is_some() {
            self.refuse(format!(
                "type {} does not exist: it is a word of CREATE TABLE and ADD COLUMN",
                ty.name
            ));
            return;
        }
        let mut blocking = Vec::new();
        for dependent in self.catalog.dependents_on_column(&name, column) {
            // PostgreSQL refuses for views, rules, policies, `UPDATE OF` and `WHEN` of triggers,
            // and generated columns; foreign keys and indexes are rebuilt.
            let blocks = match &dependent {
                Dependent::View { certain, .. } => *certain,
                Dependent::Policy { .. }
                | Dependent::Trigger { .. }
                | Dependent::GeneratedColumn { .. } => true,
                _ => false,
            };
            if blocks {
                blocking.push(dependent.to_string());
            }
        }
        if !blocking.is_empty() {
            self.refuse(format!(
                "cannot alter type of column {name}.{column}: used by {}",
                blocking.join(", ")
            ));
        }
        let mut names = vec![name.clone()];
        names.extend(self.children(&name));
        for name in &names {
            if let Some(column) = self.table(name).and_then(|t| t.column_mut(column)) {
                column.ty = Some(ty.clone());
                // Without COLLATE the new type's own collation holds (PostgreSQL, ALTER TABLE).
                column.collation = stated_collation(collation);
            }
        }
        let identity = self
            .catalog
            .tables
            .get(&name)
            .and_then(|t| t.column(column))
            .is_some_and(|c| c.identity.is_some());
        if identity {
            // The type of an identity's sequence follows (ATExecAlterColumnType).
            let owned = self.identity_sequence(&name, column);
            if let Some(sequence) = owned.and_then(|s| self.catalog.sequences.get_mut(&s)) {
                owned_sequence_text(Some(&ty.name)).clone_into(&mut sequence.text);
            }
        }
    }

    /// What PostgreSQL refuses about the types alone: without `USING` there has to be an assignment
    /// cast, and a default needs one in any case (`ATPrepAlterColumnType`).
    fn refuse_conversion(&mut self, name: &ObjectName, column: &Ident, ty: &SqlType, using: bool) {
        let Some(old) = self.catalog.tables.get(name).and_then(|t| t.column(column)) else {
            return;
        };
        let castable = old.ty.as_ref().and_then(|from| has_assignment_cast(from, ty));
        let (has_default, identity) = (old.default.is_some(), old.identity.is_some());
        if identity && !matches!(ty.name.as_str(), "smallint" | "integer" | "bigint") {
            self.refuse(format!(
                "identity column {name}.{column} has to be smallint, integer or bigint"
            ));
        }
        if castable != Some(false) {
            return;
        }
        if !using {
            self.refuse(format!(
                "column {name}.{column} cannot be cast automatically to type {}: USING is needed",
                ty.raw
            ));
        } else if has_default {
            self.refuse(format!(
                "default for column {name}.{column} cannot be cast automatically to type {}",
                ty.raw
            ));
        }
    }

    /// The sequence of an identity column.
    pub(super) fn identity_sequence(
        &self,
        table: &ObjectName,
        column: &Ident,
    ) -> Option<ObjectName> {
        self.catalog
            .lookup
            .owned
            .get(table)?
            .keys()
            .find(|name| {
                self.catalog.sequences.get(*name).is_some_and(|s| {
                    s.of_identity
                        && s.owned_by.as_ref().is_some_and(|(t, c)| t == table && c == column)
                })
            })
            .cloned()
    }

    /// Changes a column here and in the tables that inherit it.
    fn alter_column(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        change: impl Fn(&mut Column),
    ) -> Option<ObjectName> {
        let name = self.altered_column(table, column)?;
        let mut all = vec![name.clone()];
        all.extend(self.children(&name));
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

    pub(super) fn add_identity(&mut self, table: &ObjectName, column: &Ident, identity: Identity) {
        let Some(name) = self.altered_column(table, column) else { return };
        let Some(c) = self.catalog.tables.get(&name).and_then(|t| t.column(column)) else { return };
        let (has_identity, nullable, has_default) =
            (c.identity.is_some(), !c.not_null, c.default.is_some());
        let text = owned_sequence_text(c.ty.as_ref().map(|t| t.name.as_str()));
        if has_identity {
            self.refuse(format!("column {name}.{column} is already an identity column"));
            return;
        }
        if nullable {
            self.refuse(format!(
                "column {name}.{column} must be NOT NULL before identity can be added"
            ));
        }
        if has_default {
            self.refuse(format!("column {name}.{column} already has a default value"));
        }
        self.own_sequence(&name, column, text, true);
        self.alter_column(table, column, |c| {
            c.identity = Some(identity);
            c.not_null = true;
        });
    }

    pub(super) fn alter_identity(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        identity: Option<Identity>,
    ) {
        let Some(name) = self.altered_column(table, column) else { return };
        if self.has_no(&name, column, |c| c.identity.is_none()) {
            self.refuse(format!("column {name}.{column} is not an identity column"));
            return;
        }
        if identity.is_some() {
            self.alter_column(table, column, |c| c.identity = identity);
        }
    }

    /// Whether the column lacks something, and that is known.
    fn has_no(&self, table: &ObjectName, column: &Ident, lacks: impl Fn(&Column) -> bool) -> bool {
        self.catalog.tables.get(table).and_then(|t| t.column(column)).is_some_and(lacks)
    }

    pub(super) fn drop_identity(&mut self, table: &ObjectName, column: &Ident, if_exists: bool) {
        let Some(name) = self.altered_column(table, column) else { return };
        if self.has_no(&name, column, |c| c.identity.is_none()) {
            if !if_exists {
                self.refuse(format!("column {name}.{column} is not an identity column"));
            }
            return;
        }
        self.alter_column(table, column, |c| c.identity = None);
        self.drop_owned_sequences(&name, column, |sequence| sequence.of_identity);
    }

    pub(super) fn set_expression(&mut self, table: &ObjectName, column: &Ident, expr: &Expr) {
        let Some(name) = self.altered_column(table, column) else { return };
        if self.has_no(&name, column, |c| c.generated.is_none()) {
            self.refuse(format!("column {name}.{column} is not a generated column"));
            return;
        }
        self.alter_column(table, column, |c| {
            if let Some(generated) = &mut c.generated {
                generated.expr = expr.clone();
            }
        });
    }

    pub(super) fn drop_expression(&mut self, table: &ObjectName, column: &Ident, if_exists: bool) {
        let Some(name) = self.altered_column(table, column) else { return };
        if self.has_no(&name, column, |c| c.generated.is_none()) {
            if !if_exists {
                self.refuse(format!("column {name}.{column} is not a generated column"));
            }
            return;
        }
        self.alter_column(table, column, |c| c.generated = None);
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

/// Whether PostgreSQL assigns values of one type to a column of another without being told how
/// (`pg_cast.castcontext`, and every type to text); `None` where one of them is not known here.
pub(crate) fn has_assignment_cast(from: &SqlType, to: &SqlType) -> Option<bool> {
    let family = |t: &SqlType| {
        if t.schema.is_some() {
            return None;
        }
        Some(match t.name.as_str() {
            "text" | "varchar" | "char" | "bpchar" => "text",
            "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => "number",
            "date" | "timestamp" | "timestamptz" => "date",
            "json" | "jsonb" => "json",
            "boolean" => "boolean",
            "uuid" => "uuid",
            "bytea" => "bytea",
            "interval" => "interval",
            _ => return None,
        })
    };
    if from.name == to.name && from.schema == to.schema {
        return Some(from.dimensions.min(1) == to.dimensions.min(1));
    }
    let text = family(to) == Some("text") && to.dimensions == 0;
    if text && from.schema.is_none() && from.dimensions == 0 {
        return Some(true);
    }
    let (f, t) = (family(from)?, family(to)?);
    if from.dimensions.min(1) != to.dimensions.min(1) {
        return Some(text);
    }
    Some(f == t)
}

/// The storage that a type has by itself (pg_type.typstorage), where it is known here.
pub(crate) fn default_storage(ty: Option<&SqlType>) -> Option<&'static str> {
    let ty = ty?;
    if ty.dimensions > 0 {
        return Some("EXTENDED");
    }
    Some(match ty.name.as_str() {
        "text" | "varchar" | "char" | "bytea" | "json" | "jsonb" | "xml" | "tsvector" => "EXTENDED",
        "numeric" | "inet" | "cidr" => "MAIN",
        _ => return None,
    })
}

/// Whether an expression is the word NULL, perhaps cast.
pub(crate) fn is_null(expr: &Expr) -> bool {
    let text = expr.text.trim();
    let head = text.split("::").next().unwrap_or(text).trim();
    head.eq_ignore_ascii_case("null")
}

/// A type without arguments.
pub(crate) fn plain_type(name: &str) -> SqlType {
    SqlType {
        schema: None,
        name: name.to_owned(),
        args: Vec::new(),
        dimensions: 0,
        unsigned: false,
        charset: None,
        raw: name.to_owned(),
    }
}
