//! Enums, domains, composite and other types.

use downhaul_syntax::change::DomainAction;
use downhaul_syntax::{ConstraintKind, Ident, ObjectName, SqlType, TypeDef};

use super::dependents::Dependent;
use super::{Applier, names};
use crate::UserType;

impl Applier<'_> {
    pub(super) fn create_type(&mut self, name: &ObjectName, def: &TypeDef) {
        let name = self.new_name(name);
        self.require_schema(&name);
        self.note_maybe(&name);
        if self.catalog.types.contains_key(&name) || self.catalog.tables.contains_key(&name) {
            if self.muted == 0 {
                self.exists("type", &name);
            }
            return;
        }
        let mut def = def.clone();
        if let TypeDef::Domain { checks, .. } = &mut def {
            let mut taken: Vec<Ident> = checks.iter().filter_map(|c| c.name.clone()).collect();
            for check in checks.iter_mut().filter(|c| c.name.is_none()) {
                let invented = self.domain_constraint_name(&name, &taken);
                taken.push(invented.clone());
                check.name = Some(invented);
            }
        }
        let user_type = UserType { name: name.clone(), def, comment: None, origin: self.origin };
        self.catalog.types.insert(name, user_type);
    }

    fn domain_constraint_name(&self, domain: &ObjectName, taken: &[Ident]) -> Ident {
        let mut number = 0;
        loop {
            let label = if number == 0 { "check".to_owned() } else { format!("check{number}") };
            let name = names::object_name(domain.name.as_str(), None, &label);
            let name = Ident::stored(self.dialect(), &name);
            if !taken.contains(&name) {
                return name;
            }
            number += 1;
        }
    }

    /// The labels of an enum that is known; a missing type is reported.
    fn enum_labels(&mut self, name: &ObjectName) -> Option<&mut Vec<String>> {
        let name = self.catalog.normalize(name);
        self.note_maybe(&name);
        if !self.catalog.types.contains_key(&name) {
            self.missing("type", &name);
            return None;
        }
        if !matches!(self.catalog.types.get(&name).map(|t| &t.def), Some(TypeDef::Enum(_))) {
            self.refuse(format!("{name} is not an enum"));
            return None;
        }
        match self.catalog.types.get_mut(&name).map(|t| &mut t.def) {
            Some(TypeDef::Enum(labels)) => Some(labels),
            _ => None,
        }
    }

    pub(super) fn add_enum_value(
        &mut self,
        name: &ObjectName,
        value: &str,
        if_not_exists: bool,
        before: Option<&str>,
        after: Option<&str>,
    ) {
        let neighbour = before.or(after);
        let Some(labels) = self.enum_labels(name) else { return };
        if labels.iter().any(|l| l == value) {
            if !if_not_exists {
                self.exists("enum value", &label(self.dialect(), name, value));
            }
            return;
        }
        let at = match neighbour {
            None => Some(labels.len()),
            Some(other) => labels
                .iter()
                .position(|l| l == other)
                .map(|i| if before.is_some() { i } else { i + 1 }),
        };
        labels.insert(at.unwrap_or(labels.len()), value.to_owned());
        if at.is_none() {
            self.missing("enum value", &label(self.dialect(), name, neighbour.unwrap_or_default()));
        }
    }

    pub(super) fn rename_enum_value(&mut self, name: &ObjectName, from: &str, to: &str) {
        let Some(labels) = self.enum_labels(name) else { return };
        if labels.iter().any(|l| l == to) {
            self.exists("enum value", &label(self.dialect(), name, to));
            return;
        }
        match labels.iter_mut().find(|l| *l == from) {
            Some(label) => to.clone_into(label),
            None => {
                self.missing("enum value", &label(self.dialect(), name, from));
                return;
            }
        }
        // A default holds the value's identity, not its name.
        let name = self.catalog.normalize(name);
        let (old, new) = (self.dialect().literal(from), self.dialect().literal(to));
        for (table, column) in self.columns_of_type(&name) {
            let default = self
                .catalog
                .tables
                .get_mut(&table)
                .and_then(|t| t.column_mut(&column))
                .and_then(|c| c.default.as_mut());
            if let Some(default) = default
                && default.text.starts_with(&old)
            {
                default.text = default.text.replacen(&old, &new, 1);
            }
        }
    }

    pub(super) fn alter_composite_type(&mut self, name: &ObjectName, text: &str) {
        let name = self.catalog.normalize(name);
        let Some(user_type) = self.catalog.types.get_mut(&name) else {
            self.missing("type", &name);
            return;
        };
        // Attributes are kept as the statements that made them: exact enough to compare.
        match &mut user_type.def {
            TypeDef::Other(existing) => {
                existing.push_str("; ");
                existing.push_str(text);
            }
            TypeDef::Composite(attributes) => {
                let listed: Vec<String> =
                    attributes.iter().map(|(name, ty)| format!("{name} {}", ty.raw)).collect();
                user_type.def = TypeDef::Other(format!("AS ({}); {text}", listed.join(", ")));
            }
            _ => {}
        }
    }

    pub(super) fn alter_domain(&mut self, name: &ObjectName, action: &DomainAction) {
        let name = self.catalog.normalize(name);
        if !self.catalog.types.contains_key(&name) {
            self.missing("domain", &name);
            return;
        }
        let taken: Vec<Ident> = match self.catalog.types.get(&name).map(|t| &t.def) {
            Some(TypeDef::Domain { checks, .. }) => {
                checks.iter().filter_map(|c| c.name.clone()).collect()
            }
            _ => {
                self.refuse(format!("{name} is not a domain"));
                return;
            }
        };
        let invented = self.domain_constraint_name(&name, &taken);
        let Some(TypeDef::Domain { not_null, default, checks, .. }) =
            self.catalog.types.get_mut(&name).map(|t| &mut t.def)
        else {
            return;
        };
        let mut missing = None;
        let mut exists = None;
        match action {
            DomainAction::SetNotNull => *not_null = true,
            DomainAction::DropNotNull => *not_null = false,
            DomainAction::SetDefault(expr) => *default = Some(expr.clone()),
            DomainAction::DropDefault => *default = None,
            DomainAction::AddConstraint(constraint) => {
                let mut constraint = constraint.clone();
                if matches!(constraint.kind, ConstraintKind::NotNull { .. }) {
                    *not_null = true;
                } else {
                    let wanted = constraint.name.get_or_insert(invented).clone();
                    if taken.contains(&wanted) {
                        exists = Some(wanted);
                    } else {
                        checks.push(constraint);
                    }
                }
            }
            DomainAction::DropConstraint { name: wanted, if_exists } => {
                let before = checks.len();
                checks.retain(|c| c.name.as_ref() != Some(wanted));
                if checks.len() == before && !if_exists {
                    missing = Some(wanted.clone());
                }
            }
            DomainAction::ValidateConstraint(wanted) => {
                match checks.iter_mut().find(|c| c.name.as_ref() == Some(wanted)) {
                    Some(check) => check.not_valid = false,
                    None => missing = Some(wanted.clone()),
                }
            }
            DomainAction::Other(_) => {}
        }
        if let Some(wanted) = missing {
            self.missing_part("constraint", &name, &wanted);
        }
        if let Some(wanted) = exists {
            self.exists_part("constraint", &name, &wanted);
        }
    }

    pub(super) fn drop_type(
        &mut self,
        name: &ObjectName,
        domain: bool,
        if_exists: bool,
        cascade: bool,
    ) {
        let name = self.catalog.normalize(name);
        self.note_maybe(&name);
        let Some(found) = self.catalog.types.get(&name) else {
            if !if_exists {
                self.missing(if domain { "domain" } else { "type" }, &name);
            }
            return;
        };
        if domain && !matches!(found.def, TypeDef::Domain { .. }) {
            self.refuse(format!("{name} is not a domain"));
        }
        let columns = self.columns_of_type(&name);
        if cascade {
            for (table, column) in &columns {
                let dependents = self.catalog.dependents_on_column(table, column);
                self.drop_dependents(&dependents);
                self.remove_column(table, column);
            }
        } else {
            let used = columns
                .into_iter()
                .map(|(table, column)| Dependent::Column { table, column }.to_string())
                .collect();
            self.depends(format!("type {name}"), used);
        }
        self.catalog.types.remove(&name);
    }

    fn columns_of_type(&self, name: &ObjectName) -> Vec<(ObjectName, Ident)> {
        self.catalog
            .tables
            .values()
            .flat_map(|t| t.columns.iter().map(move |c| (t, c)))
            .filter(|(_, c)| c.ty.as_ref().is_some_and(|ty| self.is_type(ty, name)))
            .map(|(t, c)| (t.name.clone(), c.name.clone()))
            .collect()
    }

    /// Whether a column's type is this user-defined one.
    fn is_type(&self, ty: &SqlType, name: &ObjectName) -> bool {
        if !ty.name.eq_ignore_ascii_case(name.name.as_str()) {
            return false;
        }
        match &ty.schema {
            Some(schema) => {
                let full = ObjectName { schema: Some(schema.clone()), name: name.name.clone() };
                self.catalog.normalize(&full) == *name
            }
            None => true,
        }
    }

    pub(super) fn move_type(&mut self, from: &ObjectName, to: &ObjectName) {
        let Some(mut user_type) = self.catalog.types.remove(from) else {
            self.missing("type", from);
            return;
        };
        for (table, column) in self.columns_of_type(from) {
            let ty = self
                .catalog
                .tables
                .get_mut(&table)
                .and_then(|t| t.column_mut(&column))
                .and_then(|c| c.ty.as_mut());
            if let Some(ty) = ty {
                ty.schema.clone_from(&to.schema);
                to.name.as_str().clone_into(&mut ty.name);
                let brackets = "[]".repeat(usize::from(ty.dimensions));
                ty.raw = format!("{}{brackets}", self.catalog.dialect.quote_name_if_needed(to));
            }
        }
        user_type.name = to.clone();
        self.catalog.types.insert(to.clone(), user_type);
    }
}

/// `type.'label'`, as a name for messages.
fn label(dialect: downhaul_syntax::Dialect, name: &ObjectName, value: &str) -> ObjectName {
    ObjectName { schema: Some(name.name.clone()), name: Ident::stored(dialect, value) }
}
