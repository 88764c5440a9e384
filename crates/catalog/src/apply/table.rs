//! Tables as a whole.

use downhaul_syntax::{
    ColumnDef, ConstraintDef, ConstraintKind, Ident, ObjectKind, ObjectName, Partitioning, TableDef,
};

use super::dependents::Dependent;
use super::{Applier, known, names};
use crate::lookup::Tie;
use crate::{Column, Origin, Parts, Table};

impl Table {
    /// A table without columns.
    pub(crate) fn new(name: ObjectName, origin: Origin) -> Self {
        Self {
            name,
            columns: Parts::new(),
            constraints: Parts::new(),
            indexes: Parts::new(),
            triggers: Vec::new(),
            disabled_triggers: Vec::new(),
            partitioning: None,
            inherits: Vec::new(),
            unlogged: false,
            temporary: false,
            options: std::collections::BTreeMap::new(),
            comment: None,
            row_security: false,
            row_security_forced: false,
            replica_identity: None,
            policies: std::collections::BTreeMap::new(),
            grants: Vec::new(),
            owner: None,
            columns_unknown: false,
            assumed: false,
            origin,
            stats: None,
        }
    }
}

impl Applier<'_> {
    pub(super) fn create_table(&mut self, def: &TableDef, if_not_exists: bool) {
        let name = self.new_name(&def.name);
        self.require_schema(&name);
        let taken = self.catalog.tables.contains_key(&name)
            || self.catalog.views.contains_key(&name)
            || !self.is_mysql() && self.catalog.has_relation(&name);
        if taken {
            if !if_not_exists && self.muted == 0 {
                self.exists("table", &name);
            }
            if self.catalog.tables.get(&name).is_none_or(|t| !t.assumed) {
                return;
            }
            self.catalog.tables.remove(&name);
        }
        self.note_maybe(&name);

        let mut table = Table::new(name.clone(), self.origin);
        table.temporary = def.temporary;
        table.unlogged = def.unlogged;
        // The columns of a virtual table are its module's.
        let is_virtual = def.options.iter().any(|(option, _)| option == "virtual");
        table.columns_unknown = def.as_query.is_some() || is_virtual;
        for (option, value) in &def.options {
            if option == "comment" {
                table.comment = Some(value.clone());
            } else {
                table.options.insert(option.clone(), value.clone());
            }
        }
        table.partitioning = match &def.partitioning {
            Some(Partitioning::Of { parent, bounds }) => Some(Partitioning::Of {
                parent: self.catalog.normalize(parent),
                bounds: bounds.clone(),
            }),
            other => other.clone(),
        };
        self.catalog.tables.insert(name.clone(), table);

        self.inherit_at_creation(&name, def);
        for (source, including) in &def.like {
            self.copy_like(&name, source, including);
        }
        self.define_columns(&name, &def.columns);
        self.define_constraints(&name, def);
        self.copy_indexes_like(&name, def);
        self.inherit_indexes_at_creation(&name, def);
        if let Some(query) = &def.as_query {
            self.reads(query);
        }
        self.catalog.note_table(&name);
    }

    /// The key of an object about to be created, its name cut as the server does.
    pub(super) fn new_name(&self, name: &ObjectName) -> ObjectName {
        let mut name = self.catalog.normalize_new(name);
        if name.name.as_str().len() > 63 {
            name.name = names::truncated(self.dialect(), &name.name);
        }
        name
    }

    /// Reports a schema that nobody created.
    pub(super) fn require_schema(&mut self, name: &ObjectName) {
        let Some(schema) = &name.schema else { return };
        if !self.is_postgres()
            || self.catalog.schemas.contains(schema)
            || known::is_provided(self.catalog, name)
        {
            return;
        }
        let schema = schema.clone();
        let as_name = ObjectName::bare(schema.clone());
        self.problem(super::Problem::Missing { kind: "schema".into(), name: as_name.to_string() });
        self.catalog.schemas.push(schema);
    }

    fn define_columns(&mut self, name: &ObjectName, columns: &[ColumnDef]) {
        for def in columns {
            let column = self.column_of(name, def);
            let inherited =
                self.catalog.tables.get(name).and_then(|t| t.columns.position(&column.name));
            match inherited {
                // PARTITION OF and INHERITS: a column stated again adds to the inherited one.
                Some(at) => {
                    let merges = self.catalog.tables.get(name).is_some_and(|t| {
                        !t.inherits.is_empty()
                            || matches!(t.partitioning, Some(Partitioning::Of { .. }))
                    });
                    if merges {
                        if let Some(old) = self.table(name).and_then(|t| t.columns.get_mut(at)) {
                            old.not_null |= column.not_null;
                            if column.default.is_some() {
                                old.default = column.default;
                            }
                        }
                    } else {
                        self.exists_part("column", name, &column.name);
                    }
                }
                None => {
                    if let Some(table) = self.table(name) {
                        table.columns.push(column);
                    }
                }
            }
        }
    }

    /// Constraints in the order in which the server names them: checks first, then those with an
    /// index, then foreign keys (PostgreSQL, `DefineRelation` and `transformCreateStmt`).
    fn define_constraints(&mut self, name: &ObjectName, def: &TableDef) {
        let all: Vec<(&ConstraintDef, bool)> = def
            .columns
            .iter()
            .flat_map(|c| &c.constraints)
            .map(|c| (c, true))
            .chain(def.constraints.iter().map(|c| (c, false)))
            .collect();
        let pass = |c: &ConstraintDef| match c.kind {
            ConstraintKind::NotNull { .. } | ConstraintKind::Check { .. } => 0,
            ConstraintKind::PrimaryKey { .. } => 1,
            ConstraintKind::Unique { .. } | ConstraintKind::Exclude { .. } => 2,
            ConstraintKind::ForeignKey { .. } => 3,
        };
        for wanted in 0..4 {
            if wanted == 3 {
                for index in &def.indexes {
                    let mut index = index.clone();
                    index.table = name.clone();
                    self.create_index(&index, false);
                }
            }
            for (constraint, inline) in all.iter().filter(|(c, _)| pass(c) == wanted) {
                // A new table has no rows: NOT VALID means nothing (PostgreSQL, CREATE TABLE
                // accepts it for CHECK and FOREIGN KEY and ignores it).
                let mut constraint = (*constraint).clone();
                constraint.not_valid = false;
                self.define_constraint(name, &constraint, *inline);
            }
        }
    }

    pub(super) fn drop_table(&mut self, name: &ObjectName, if_exists: bool, cascade: bool) {
        let name = self.catalog.normalize(name);
        let known = self.catalog.tables.get(&name);
        if self.catalog.lookup.temporary_only && known.is_some_and(|t| !t.temporary) {
            return;
        }
        self.note_maybe(&name);
        if !self.catalog.tables.contains_key(&name) {
            if self.catalog.views.contains_key(&name) {
                self.refuse(format!("{name} is a view, not a table"));
            } else if !if_exists {
                self.missing("table", &name);
            }
            return;
        }
        let dependents = self.table_dependents(&name);
        if !cascade {
            let together = &self.catalog.lookup.together;
            let blocking: Vec<String> = dependents
                .iter()
                // MySQL lets a table go that a view reads.
                .filter(|d| !(self.is_mysql() && matches!(d, Dependent::View { .. })))
                .filter(|d| d.blocks_drop() && !d.owner().is_some_and(|o| together.contains(o)))
                .map(ToString::to_string)
                .collect();
            if !blocking.is_empty() {
                if self.is_mysql() {
                    self.refuse(format!(
                        "cannot drop table {name}: referenced by {}",
                        blocking.join(", ")
                    ));
                } else if self.is_postgres() {
                    self.depends(name.to_string(), blocking);
                }
            }
        }
        if cascade && self.is_postgres() {
            self.drop_dependents(&dependents);
        }
        self.remove_table(&name);
    }

    /// Takes a table out of the catalog with all that belongs to it.
    pub(super) fn remove_table(&mut self, name: &ObjectName) {
        if self.is_postgres() {
            // Partitions go with their parent; children by inheritance need CASCADE.
            for child in self.children(name) {
                let partition = self
                    .catalog
                    .tables
                    .get(&child)
                    .is_some_and(|t| matches!(t.partitioning, Some(Partitioning::Of { .. })));
                if partition {
                    self.remove_table(&child);
                } else if let Some(table) = self.table(&child) {
                    table.inherits.retain(|p| p != name);
                }
            }
        }
        let Some(table) = self.catalog.tables.remove(name) else { return };
        let all = self.catalog.lookup.owned.remove(name).unwrap_or_default();
        for owned in all.keys() {
            let still = self
                .catalog
                .sequences
                .get(owned)
                .is_some_and(|s| s.owned_by.as_ref().is_some_and(|(t, _)| t == name));
            if still {
                self.forget_sequence(owned);
            }
        }
        if !self.is_mysql() {
            for index in table.indexes.iter().map(|i| i.name.clone()) {
                self.catalog.lookup.index_owner.remove(&index);
            }
            for constraint in &table.constraints {
                if let Some(constraint) = &constraint.name {
                    self.forget_index_name(name, constraint);
                }
            }
        }
        self.catalog.comments.retain(|(_, part_of, _), _| part_of.as_ref() != Some(name));
    }

    /// An index name is free again, if it was this table's.
    pub(super) fn forget_index_name(&mut self, table: &ObjectName, index: &Ident) {
        let index = ObjectName { schema: table.schema.clone(), name: index.clone() };
        if self.catalog.lookup.index_owner.get(&index) == Some(table) {
            self.catalog.lookup.index_owner.remove(&index);
        }
    }

    pub(super) fn set_table_options(&mut self, table: &ObjectName, options: &[(String, String)]) {
        if self.set_view_options(table, options) {
            return;
        }
        // A character set comes with its own order, unless another one is said with it.
        let named = |name: &str| options.iter().any(|(option, _)| option == name);
        let recoded = self.is_mysql() && named("charset") && !named("collate");
        self.alter(table, |t| {
            if recoded {
                t.options.remove("collate");
            }
            for (option, value) in options {
                match option.as_str() {
                    "comment" => t.comment = (!value.is_empty()).then(|| value.clone()),
                    // `RESET (option)`.
                    _ if option.starts_with("reset ") => {
                        t.options.remove(&option["reset ".len()..]);
                    }
                    _ => {
                        t.options.insert(option.clone(), value.clone());
                    }
                }
            }
        });
    }

    pub(super) fn set_tablespace(&mut self, kind: ObjectKind, name: &ObjectName, tablespace: &str) {
        if kind == ObjectKind::Table {
            self.alter(name, |t| {
                t.options.insert("tablespace".into(), tablespace.to_owned());
            });
        }
    }

    pub(super) fn replica_identity(&mut self, table: &ObjectName, text: &str) {
        let text = text.trim();
        self.alter(table, |t| {
            t.replica_identity = (!text.eq_ignore_ascii_case("default")).then(|| text.to_owned());
        });
    }

    /// Tables that inherit from this one or are partitions of it.
    /// None where the statement leaves them alone.
    pub(super) fn children(&self, name: &ObjectName) -> Vec<ObjectName> {
        if self.catalog.lookup.only {
            return Vec::new();
        }
        let is_child = |child: &&ObjectName| {
            self.catalog.tables.get(*child).is_some_and(|t| {
                t.inherits.contains(name)
                    || matches!(&t.partitioning, Some(Partitioning::Of { parent, .. }) if parent == name)
            })
        };
        self.catalog.lookup.tied(Tie::Child, name).filter(is_child).cloned().collect()
    }

    /// The same, with the children of those.
    pub(super) fn descendants(&self, name: &ObjectName) -> Vec<ObjectName> {
        let mut all = self.children(name);
        let mut at = 0;
        while at < all.len() {
            let below = self.children(&all[at]);
            all.extend(below);
            at += 1;
        }
        all
    }

    pub(super) fn inherit(&mut self, table: &ObjectName, parent: &ObjectName, remove: bool) {
        let Some(parent) = self.altered_table(parent) else { return };
        let Some(name) = self.altered_table(table) else { return };
        if remove {
            self.alter(&name, |t| t.inherits.retain(|p| *p != parent));
            return;
        }
        self.require_parent_columns(&name, &parent);
        self.alter(&name, |t| {
            if !t.inherits.contains(&parent) {
                t.inherits.push(parent.clone());
            }
        });
        self.catalog.note_table(&name);
    }

    fn require_parent_columns(&mut self, child: &ObjectName, parent: &ObjectName) {
        let Some(parent) = self.catalog.tables.get(parent) else { return };
        let wanted: Vec<Ident> = parent.columns.iter().map(|c| c.name.clone()).collect();
        for column in wanted {
            if self.catalog.tables.get(child).is_some_and(|t| t.column(&column).is_none()) {
                self.missing_part("column", child, &column);
            }
        }
    }

    pub(super) fn attach_partition(
        &mut self,
        table: &ObjectName,
        partition: &ObjectName,
        bounds: Option<&str>,
    ) {
        let Some(parent) = self.altered_table(table) else { return };
        let Some(child) = self.altered_table(partition) else { return };
        let divided = self
            .catalog
            .tables
            .get(&parent)
            .is_some_and(|t| t.partitioning.is_some() || t.assumed || t.columns_unknown);
        if !divided {
            self.refuse(format!("table {parent} is not partitioned"));
        }
        self.require_parent_columns(&child, &parent);
        let sub = self.catalog.tables.get(&child).and_then(|t| match &t.partitioning {
            Some(Partitioning::By(text)) => Some(text.clone()),
            _ => None,
        });
        self.alter(&child, |t| {
            if let Some(by) = sub {
                t.options.insert("partition by".into(), by);
            }
            t.partitioning = Some(Partitioning::Of {
                parent: parent.clone(),
                bounds: bounds.map(str::to_owned),
            });
        });
        self.catalog.note_table(&child);
        self.inherit_parts(&child, &parent);
    }

    pub(super) fn detach_partition(&mut self, table: &ObjectName, partition: &ObjectName) {
        let Some(parent) = self.altered_table(table) else { return };
        let Some(child) = self.altered_table(partition) else { return };
        let attached = self.catalog.tables.get(&child).is_some_and(|t| {
            t.assumed
                || matches!(&t.partitioning, Some(Partitioning::Of { parent: p, .. }) if *p == parent)
        });
        if !attached {
            self.refuse(format!("relation {child} is not a partition of relation {parent}"));
            return;
        }
        self.alter(&child, |t| {
            t.partitioning = t.options.remove("partition by").map(Partitioning::By);
        });
    }

    /// `NOT NULL` columns, for `LIKE`, `INHERITS` and `PARTITION OF`.
    pub(super) fn push_column(&mut self, name: &ObjectName, column: Column) {
        if let Some(table) = self.table(name)
            && table.column(&column.name).is_none()
        {
            table.columns.push(column);
        }
    }
}
