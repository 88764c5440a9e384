//! Columns that change their type.

use downhaul_syntax::{Ident, ObjectName, SqlType};

use super::Applier;
use super::column::stated_collation;
use super::dependents::Dependent;
use super::generated::{owned_sequence_text, serial_base};

impl Applier<'_> {
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
        names.extend(self.descendants(&name));
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
