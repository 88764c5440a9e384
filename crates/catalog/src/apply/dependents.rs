//! What stands or falls with a table or a column.

use std::collections::BTreeSet;
use std::fmt;

use downhaul_syntax::{ConstraintKind, Dialect, Ident, ObjectName, Partitioning};

use super::Applier;
use crate::lookup::Tie;
use crate::text::mentions_ident;
use crate::{Catalog, Constraint, Index, Table};

/// Something that depends on a table or column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dependent {
    View { name: ObjectName, materialized: bool, certain: bool },
    ForeignKey { table: ObjectName, name: Option<Ident>, columns: Vec<Ident> },
    Child { name: ObjectName },
    GeneratedColumn { table: ObjectName, column: Ident },
    Policy { table: ObjectName, name: Ident },
    Trigger { table: ObjectName, name: Ident },
    Constraint { table: ObjectName, name: Option<Ident> },
    Index { name: ObjectName },
    Default { table: ObjectName, column: Ident },
    Column { table: ObjectName, column: Ident },
}

impl Dependent {
    /// The table, view or child that it belongs to.
    pub(super) fn owner(&self) -> Option<&ObjectName> {
        match self {
            Self::View { name, .. } | Self::Child { name } => Some(name),
            Self::ForeignKey { table, .. }
            | Self::GeneratedColumn { table, .. }
            | Self::Policy { table, .. }
            | Self::Trigger { table, .. }
            | Self::Constraint { table, .. }
            | Self::Default { table, .. }
            | Self::Column { table, .. } => Some(table),
            Self::Index { .. } => None,
        }
    }

    /// Whether the server refuses the drop for its sake, where CASCADE is not given.
    pub(super) fn blocks_drop(&self) -> bool {
        match self {
            Self::View { certain, .. } => *certain,
            Self::ForeignKey { .. }
            | Self::Child { .. }
            | Self::GeneratedColumn { .. }
            | Self::Policy { .. }
            | Self::Trigger { .. }
            | Self::Default { .. }
            | Self::Column { .. } => true,
            Self::Constraint { .. } | Self::Index { .. } => false,
        }
    }
}

impl fmt::Display for Dependent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let constraint =
            |f: &mut fmt::Formatter<'_>, table: &ObjectName, name: &Option<Ident>| match name {
                Some(name) => write!(f, "constraint {name} on table {table}"),
                None => write!(f, "a constraint on table {table}"),
            };
        match self {
            Self::View { name, materialized: true, .. } => write!(f, "materialized view {name}"),
            Self::View { name, .. } => write!(f, "view {name}"),
            Self::ForeignKey { table, name: Some(name), .. } => {
                write!(f, "constraint {name} on table {table}")
            }
            Self::ForeignKey { table, columns, .. } => {
                let columns: Vec<_> = columns.iter().map(Ident::as_str).collect();
                write!(f, "foreign key ({}) on table {table}", columns.join(", "))
            }
            Self::Child { name } => write!(f, "table {name}"),
            Self::GeneratedColumn { table, column } => {
                write!(f, "generated column {table}.{column}")
            }
            Self::Policy { table, name } => write!(f, "policy {name} on table {table}"),
            Self::Trigger { table, name } => write!(f, "trigger {name} on table {table}"),
            Self::Constraint { table, name } => constraint(f, table, name),
            Self::Index { name } => write!(f, "index {name}"),
            Self::Default { table, column } => write!(f, "default of column {table}.{column}"),
            Self::Column { table, column } => write!(f, "column {table}.{column}"),
        }
    }
}

impl Index {
    /// Whether the index covers a column, by key, expression, predicate or `INCLUDE`.
    pub(crate) fn uses(&self, column: &Ident) -> bool {
        crate::Part::reads(self, column)
    }
}

impl Constraint {
    /// Whether the constraint mentions a column of its own table.
    pub(crate) fn uses(&self, column: &Ident) -> bool {
        crate::Part::reads(self, column)
    }

    /// Columns of a key or foreign key.
    pub(crate) fn key_columns(&self) -> &[Ident] {
        match &self.kind {
            ConstraintKind::PrimaryKey { columns, .. }
            | ConstraintKind::Unique { columns, .. }
            | ConstraintKind::Exclude { columns, .. }
            | ConstraintKind::ForeignKey { columns, .. } => columns,
            _ => &[],
        }
    }
}

impl Catalog {
    /// Views, constraints, indexes, triggers, generated columns and routines that stand or fall
    /// with a table, or with one of its columns, for people and for `DROP … CASCADE`.
    #[must_use]
    pub fn dependents(&self, table: &ObjectName, column: Option<&Ident>) -> Vec<String> {
        let name = self.normalize(table);
        let mut out: BTreeSet<String> = BTreeSet::new();
        let external = match column {
            None => self.dependents_on_table(&name),
            Some(column) => self.dependents_on_column(&name, column),
        };
        out.extend(external.iter().map(ToString::to_string));
        if let Some(table) = self.tables.get(&name) {
            let hit = |uses: bool| column.is_none() || uses;
            for c in &table.constraints {
                if hit(column.is_some_and(|column| c.uses(column))) {
                    let of = Dependent::Constraint { table: name.clone(), name: c.name.clone() };
                    out.insert(of.to_string());
                }
            }
            for i in &table.indexes {
                if hit(column.is_some_and(|column| i.uses(column))) {
                    out.insert(Dependent::Index { name: i.name.clone() }.to_string());
                }
            }
            for t in &table.triggers {
                if hit(column.is_some_and(|column| t.columns.contains(column))) {
                    let of = Dependent::Trigger { table: name.clone(), name: t.name.clone() };
                    out.insert(of.to_string());
                }
            }
        }
        for routine in self.routines.values() {
            let Some(body) = &routine.def.body else { continue };
            if mentions_ident(body, self.dialect, &name.name)
                && column.is_none_or(|column| mentions_ident(body, self.dialect, column))
            {
                out.insert(format!("function {}", routine.def.name));
            }
        }
        out.into_iter().collect()
    }

    /// Tables and views that may mention a table in one of these ways, in order of name. Before
    /// the first `apply` the derived map is empty: then all of them.
    fn candidates(&self, name: &ObjectName, ties: &[Tie]) -> Vec<ObjectName> {
        if !self.lookup.is_fresh(self) {
            return self.tables.keys().chain(self.views.keys()).cloned().collect();
        }
        let mut all: Vec<ObjectName> =
            ties.iter().flat_map(|tie| self.lookup.tied(*tie, name)).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    /// Whether a foreign key may refer to the column: on PostgreSQL it must be part of a key.
    fn may_be_referenced(&self, name: &ObjectName, column: &Ident) -> bool {
        self.dialect != Dialect::Postgres
            || self.tables.get(name).is_none_or(|t| {
                t.columns_unknown
                    || t.constraints.reading(column).next().is_some()
                    || t.indexes.reading(column).next().is_some()
            })
    }

    /// Objects outside of a table that depend on it as a whole.
    pub(super) fn dependents_on_table(&self, name: &ObjectName) -> Vec<Dependent> {
        let mut out = Vec::new();
        for by in self.candidates(name, &[Tie::Child, Tie::ForeignKey, Tie::Query]) {
            if let Some(view) = self.views.get(&by)
                && view.query.tables.contains(name)
            {
                let materialized = view.materialized;
                out.push(Dependent::View { name: by.clone(), materialized, certain: true });
            }
            if by == *name {
                continue;
            }
            let Some(table) = self.tables.get(&by) else { continue };
            for constraint in &table.constraints {
                if let ConstraintKind::ForeignKey { table: target, columns, .. } = &constraint.kind
                    && target == name
                {
                    out.push(Dependent::ForeignKey {
                        table: by.clone(),
                        name: constraint.name.clone(),
                        columns: columns.clone(),
                    });
                }
            }
            if table.inherits.contains(name) {
                out.push(Dependent::Child { name: by.clone() });
            }
        }
        out
    }

    /// Objects that depend on a column, other than indexes and constraints of its own table.
    pub(super) fn dependents_on_column(&self, name: &ObjectName, column: &Ident) -> Vec<Dependent> {
        let mut out = Vec::new();
        let ties: &[Tie] = if self.may_be_referenced(name, column) {
            &[Tie::ForeignKey, Tie::Query]
        } else {
            &[Tie::Query]
        };
        for by in self.candidates(name, ties) {
            if let Some(view) = self.views.get(&by) {
                let read = view.reads.iter().find(|r| r.table == *name && r.column == *column);
                if let Some(read) = read {
                    let (materialized, certain) = (view.materialized, read.certain);
                    out.push(Dependent::View { name: by.clone(), materialized, certain });
                }
            }
            let Some(table) = self.tables.get(&by) else { continue };
            if by != *name {
                out.extend(self.foreign_keys_to(table, name, column));
            }
        }
        let Some(table) = self.tables.get(name) else { return out };
        // A key of the table itself that falls takes the foreign keys of the table with it.
        for other in table.columns.reading(column) {
            out.push(Dependent::GeneratedColumn {
                table: name.clone(),
                column: other.name.clone(),
            });
        }
        for (policy, text) in &table.policies {
            if mentions_ident(text, self.dialect, column) {
                out.push(Dependent::Policy { table: name.clone(), name: policy.clone() });
            }
        }
        for trigger in &table.triggers {
            if trigger.columns.contains(column) {
                out.push(Dependent::Trigger { table: name.clone(), name: trigger.name.clone() });
            }
        }
        out
    }

    /// Foreign keys of `table` that refer to a column of `target`.
    fn foreign_keys_to<'t>(
        &'t self,
        table: &'t Table,
        target: &'t ObjectName,
        column: &'t Ident,
    ) -> impl Iterator<Item = Dependent> + 't {
        table.constraints.iter().filter_map(move |constraint| match &constraint.kind {
            ConstraintKind::ForeignKey { table: to, referred, columns, .. } if to == target => {
                let hit = if referred.is_empty() {
                    self.tables.get(target).is_some_and(|t| t.primary_key().contains(column))
                } else {
                    referred.contains(column)
                };
                hit.then(|| Dependent::ForeignKey {
                    table: table.name.clone(),
                    name: constraint.name.clone(),
                    columns: columns.clone(),
                })
            }
            _ => None,
        })
    }

    /// Foreign keys of any table that need a key on exactly these columns of a table.
    pub(super) fn foreign_keys_on_key(
        &self,
        name: &ObjectName,
        key: &[Ident],
        primary: bool,
    ) -> Vec<Dependent> {
        let mut out = Vec::new();
        for by in self.candidates(name, &[Tie::ForeignKey]) {
            let Some(table) = self.tables.get(&by) else { continue };
            for constraint in &table.constraints {
                let ConstraintKind::ForeignKey { table: to, referred, columns, .. } =
                    &constraint.kind
                else {
                    continue;
                };
                let same = if referred.is_empty() {
                    primary
                } else {
                    referred.len() == key.len() && referred.iter().all(|c| key.contains(c))
                };
                if to == name && same {
                    out.push(Dependent::ForeignKey {
                        table: by.clone(),
                        name: constraint.name.clone(),
                        columns: columns.clone(),
                    });
                }
            }
        }
        out
    }
}

impl Applier<'_> {
    pub(super) fn table_dependents(&self, name: &ObjectName) -> Vec<Dependent> {
        let mut out = self.catalog.dependents_on_table(name);
        if self.is_postgres() {
            // What depends on a partition depends on the parent that takes it along.
            for child in self.children(name) {
                let partition = self
                    .catalog
                    .tables
                    .get(&child)
                    .is_some_and(|t| matches!(t.partitioning, Some(Partitioning::Of { .. })));
                if partition {
                    out.extend(self.table_dependents(&child));
                }
            }
        }
        out
    }

    /// `CASCADE`: takes the dependents away, and what depends on them.
    pub(super) fn drop_dependents(&mut self, dependents: &[Dependent]) {
        for dependent in dependents {
            match dependent {
                Dependent::View { name, certain: true, .. } => self.remove_view(name),
                Dependent::View { .. } => {}
                Dependent::ForeignKey { table, name, columns } => {
                    if let Some(table) = self.catalog.tables.get_mut(table) {
                        table.constraints.retain(|c| {
                            !(matches!(c.kind, ConstraintKind::ForeignKey { .. })
                                && c.name == *name
                                && c.key_columns() == columns.as_slice())
                        });
                    }
                }
                Dependent::Child { name } => {
                    let deeper = self.table_dependents(name);
                    self.drop_dependents(&deeper);
                    self.remove_table(name);
                }
                Dependent::GeneratedColumn { table, column }
                | Dependent::Column { table, column } => {
                    let deeper = self.catalog.dependents_on_column(table, column);
                    self.drop_dependents(&deeper);
                    self.remove_column(table, column);
                }
                Dependent::Policy { table, name } => {
                    if let Some(table) = self.catalog.tables.get_mut(table) {
                        table.policies.remove(name);
                    }
                }
                Dependent::Trigger { table, name } => {
                    if let Some(table) = self.catalog.tables.get_mut(table) {
                        table.triggers.retain(|t| t.name != *name);
                        table.disabled_triggers.retain(|t| t != name);
                    }
                }
                Dependent::Constraint { table, name } => {
                    if let Some(table) = self.catalog.tables.get_mut(table) {
                        table.constraints.retain(|c| c.name != *name);
                    }
                }
                Dependent::Index { name } => self.remove_index(name),
                Dependent::Default { table, column } => {
                    if let Some(column) =
                        self.catalog.tables.get_mut(table).and_then(|t| t.column_mut(column))
                    {
                        column.default = None;
                    }
                }
            }
        }
    }
}
