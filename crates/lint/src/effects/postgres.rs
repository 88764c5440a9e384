//! Which measured operation of PostgreSQL a change is, and on which tables it plays.

use std::collections::BTreeSet;

use downhaul_catalog::{Constraint, Table};
use downhaul_syntax::change::{DomainAction, ReindexTarget, RowFilter};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Ident, ObjectKind, ObjectName, Partitioning,
    TableDef,
};

use super::default_value::{is_null, is_volatile};
use super::table::{fact, mode};
use super::type_change::{Storage, is_constrained_domain, storage, using_is_plain};
use super::{Blocks, Effects, LockEffect, Scene};
use crate::state::State;

/// Adds the locks, rewrites, scans and index builds of a change.
pub(super) fn physical(change: &Change, scene: &Scene<'_>, out: &mut Effects) {
    let mut stage = Stage { scene, out };
    stage.change(change);
}

/// A new index lies in the schema of its table.
pub(crate) fn beside(index: &ObjectName, table: &ObjectName) -> ObjectName {
    ObjectName {
        schema: index.schema.clone().or_else(|| table.schema.clone()),
        name: index.name.clone(),
    }
}

/// Where measured rows are played with real tables in their roles.
struct Stage<'a, 's> {
    scene: &'a Scene<'s>,
    out: &'a mut Effects,
}

impl Stage<'_, '_> {
    /// Adds what the table of facts says of an operation, the roles filled by these tables. Tables
    /// that nobody uses yet are left out.
    fn play(&mut self, operation: &str, cast: &[(&str, &[ObjectName])]) {
        let Some(fact) = fact(operation, self.scene.state.options.version().major) else {
            debug_assert!(false, "no measured row for {operation}");
            return;
        };
        let scene = self.scene;
        let actors = |role: &str| {
            cast.iter()
                .filter(move |(r, _)| *r == role)
                .flat_map(|(_, tables)| tables.iter())
                .filter(|t| scene.state.relation_in_use(t))
                .map(|t| scene.state.catalog.normalize(t))
                .collect::<Vec<_>>()
        };
        for (role, mode) in &fact.locks {
            for table in actors(role) {
                self.lock(table, *mode);
            }
        }
        let rewrites = !fact.rewrites.is_empty();
        for (into, roles, builds) in [
            (&mut self.out.rewrites, &fact.rewrites, false),
            (&mut self.out.scans, &fact.scans, false),
            (&mut self.out.builds_indexes, &fact.builds, true),
        ] {
            for role in roles {
                for table in actors(role) {
                    // A partitioned table has no rows of its own, and one without indexes has none
                    // to build anew.
                    let nothing = scene.state.is_partitioned(&table)
                        || builds && rewrites && scene.state.has_no_index(&table);
                    if !nothing && !into.contains(&table) {
                        into.push(table);
                    }
                }
            }
        }
    }

    fn lock(&mut self, table: ObjectName, mut mode: super::table::Mode) {
        // Nobody writes to a materialized view but a refresh.
        let view = self.scene.state.catalog.view(&table).is_some_and(|v| v.materialized);
        if view && mode.blocks == Blocks::Writes {
            mode.blocks = Blocks::Ddl;
        }
        match self.out.locks.iter_mut().find(|l| l.table == table) {
            Some(held) if held.blocks < mode.blocks => {
                held.mode = mode.name;
                held.blocks = mode.blocks;
            }
            Some(_) => {}
            None => {
                self.out.locks.push(LockEffect { table, mode: mode.name, blocks: mode.blocks });
            }
        }
    }

    /// A table in the role `t`.
    fn on(&mut self, operation: &str, table: &ObjectName) {
        self.play(operation, &[("t", std::slice::from_ref(table))]);
    }

    /// An `ALTER TABLE` action, which descends to the partitions.
    fn alter(&mut self, operation: &str, table: &ObjectName) {
        let family = self.family(table);
        self.play(operation, &[("t", &family)]);
    }

    fn family(&self, table: &ObjectName) -> Vec<ObjectName> {
        let mut family = vec![table.clone()];
        if self.scene.only() {
            return family;
        }
        let mut seen: BTreeSet<ObjectName> = family.iter().cloned().collect();
        let mut at = 0;
        while let Some(parent) = family.get(at) {
            for child in self.scene.state.children(parent) {
                if seen.insert(child.clone()) {
                    family.push(child);
                }
            }
            at += 1;
        }
        family
    }

    /// Views that go with what they read.
    fn views_of(&mut self, table: &ObjectName, column: Option<&Ident>) {
        let views: Vec<ObjectName> = self
            .scene
            .state
            .views_reading(table)
            .into_iter()
            .filter(|v| column.is_none_or(|c| v.query.columns.contains(c) || v.query.star))
            .map(|v| v.name.clone())
            .collect();
        self.play("drop-view", &[("vw", &views)]);
    }

    /// `SET TABLESPACE pg_default` of a table that never left it.
    fn stays(&self, change: &Change) -> bool {
        stays_in_tablespace(change, &self.scene.state)
    }

    fn table(&self, name: &ObjectName) -> Option<&Table> {
        self.scene.state.table(name)
    }

    #[allow(clippy::too_many_lines, reason = "one arm a change: the table of contents")]
    fn change(&mut self, change: &Change) {
        use Change as C;
        match change {
            C::CreateTable { def, if_not_exists }
                if !(*if_not_exists && self.table(&def.name).is_some()) =>
            {
                self.create_table(def);
            }
            C::DropTable { name, cascade, .. } => self.drop_table(name, *cascade),
            C::RenameTable { from: table, .. } => self.alter("rename-table", table),
            C::SetSchema { kind: ObjectKind::Table, name, .. } => self.alter("set-schema", name),
            C::SetTableOptions { table, .. } => self.on("set-table-options", table),
            C::SetLogged { table, logged } => {
                let changes = self.table(table).is_none_or(|t| t.unlogged == *logged);
                self.on(if changes { "set-logged" } else { "owner" }, table);
            }
            C::SetTablespace {
                kind: ObjectKind::Table | ObjectKind::MaterializedView,
                name,
                ..
            } => self
                .on(if self.stays(change) { "replica-identity" } else { "set-tablespace" }, name),
            C::SetTablespace { kind: ObjectKind::Index, name, .. } => {
                if let Some(owner) = self.scene.state.index_table(name, None) {
                    self.on("drop-index", &owner);
                    self.on("reindex-index", &owner);
                }
            }
            C::SetAccessMethod { table, method } => {
                let now = self.table(table).and_then(|t| t.options.get("access method"));
                if now.map_or("heap", String::as_str) == method {
                    self.on("replica-identity", table);
                } else {
                    self.on("set-access-method", table);
                }
            }
            C::ReplicaIdentity { table, .. } => self.on("replica-identity", table),
            C::Inherit { table, remove: true, .. } => {
                self.play("no-inherit", &[("heir", std::slice::from_ref(table))]);
            }
            C::Inherit { table, parent, .. } => self.play(
                "inherit",
                &[("inh", std::slice::from_ref(table)), ("p", std::slice::from_ref(parent))],
            ),
            C::AttachPartition { table, partition, bounds } => {
                self.attach_partition(table, partition, bounds.as_deref());
            }
            C::DetachPartition { table, partition, concurrently, .. } => {
                self.detach_partition(table, partition, *concurrently);
            }

            C::AddColumn { table, column, if_not_exists, .. } => {
                let there =
                    *if_not_exists && self.scene.state.column(table, &column.name).is_some();
                if there {
                    self.alter("add-column", table);
                } else {
                    self.add_column(table, column);
                }
            }
            C::DropColumn { table, column, cascade, .. } => {
                self.alter("drop-column", table);
                if *cascade {
                    self.views_of(table, Some(column));
                }
                for to in self.referenced_by(table, column) {
                    self.on_both("drop-foreign-key", table, &to);
                }
            }
            C::RenameColumn { table, .. } => self.alter("rename-column", table),
            C::AlterColumnType { table, column, .. } => self.alter_type(table, column, change),
            C::SetNotNull { table, column } => {
                let proven = self.scene.state.column(table, column).is_some_and(|c| c.not_null)
                    || self.scene.state.not_null_proven(table, column);
                self.alter(if proven { "set-not-null-proven" } else { "set-not-null" }, table);
            }
            C::DropNotNull { table, .. } => self.alter("drop-not-null", table),
            C::SetDefault { table, .. } => self.alter("set-default", table),
            C::DropDefault { table, .. } => self.alter("drop-default", table),
            C::AddIdentity { table, .. } => self.alter("add-identity", table),
            C::AlterIdentity { table, .. } => self.alter("alter-identity", table),
            C::DropIdentity { table, .. } => self.alter("drop-identity", table),
            C::SetExpression { table, column, .. } => {
                let is_virtual = self
                    .scene
                    .state
                    .column(table, column)
                    .is_some_and(|c| c.generated.as_ref().is_some_and(|g| !g.stored));
                self.alter(if is_virtual { "set-default" } else { "set-expression" }, table);
            }
            C::DropExpression { table, .. } => self.alter("drop-expression", table),
            C::SetColumnOption { table, option, .. } => self.alter(
                match option.as_str() {
                    "statistics" => "set-statistics",
                    "storage" | "compression" => "set-storage",
                    _ => "set-column-options",
                },
                table,
            ),

            C::AddConstraint { table, constraint, if_not_exists: true }
                if constraint
                    .name
                    .as_ref()
                    .is_some_and(|name| self.constraint(table, name).is_some()) => {}
            C::AddConstraint { table, constraint, .. } => self.add_constraint(table, constraint),
            C::DropConstraint { table, name, .. } => match self.constraint(table, name) {
                Some(Constraint { kind: ConstraintKind::ForeignKey { table: to, .. }, .. }) => {
                    let to = to.clone();
                    self.on_both("drop-foreign-key", table, &to);
                }
                _ => self.alter("drop-constraint", table),
            },
            C::ValidateConstraint { table, name } => match self.constraint(table, name) {
                Some(Constraint { kind: ConstraintKind::ForeignKey { table: to, .. }, .. }) => {
                    let to = to.clone();
                    self.on_both("validate-foreign-key", table, &to);
                }
                _ => self.alter("validate-check", table),
            },
            C::RenameConstraint { table, .. } => self.alter("rename-constraint", table),
            C::AlterConstraint { table, name, text } => match self.constraint(table, name) {
                Some(Constraint { kind: ConstraintKind::ForeignKey { table: to, .. }, .. }) => {
                    let to = to.clone();
                    let ends = text.to_uppercase().contains("NOT ENFORCED");
                    self.on_both(
                        if ends { "not-enforced" } else { "alter-constraint" },
                        table,
                        &to,
                    );
                }
                _ => self.alter("drop-constraint", table),
            },

            C::CreateIndex { index, concurrently, if_not_exists } => {
                let there = *if_not_exists
                    && index.name.as_ref().is_some_and(|n| {
                        let name = beside(n, &index.table);
                        self.scene.state.index_table(&name, Some(&index.table)).is_some()
                    });
                if there {
                    // The lock is taken before it looks (measured).
                    if !*concurrently {
                        self.on("create-trigger", &index.table);
                    }
                    return;
                }
                if index.only && self.scene.state.is_partitioned(&index.table) {
                    self.play("create-index-only", &[("part", std::slice::from_ref(&index.table))]);
                } else if *concurrently {
                    self.on("create-index-concurrently", &index.table);
                } else {
                    self.alter("create-index", &index.table);
                }
            }
            C::DropIndex { name, table, concurrently, .. } => {
                if let Some(owner) = self.scene.state.index_table(name, table.as_ref()) {
                    let operation =
                        if *concurrently { "drop-index-concurrently" } else { "drop-index" };
                    self.on(operation, &owner);
                }
            }
            C::Reindex { target, concurrently } => self.reindex(target, *concurrently),

            C::CreateView { name, or_replace: true, .. } => {
                self.play("create-or-replace-view", &[("vw", std::slice::from_ref(name))]);
            }
            C::CreateView { materialized: true, query, no_data: false, .. } => {
                self.play("select-into", &[("t", &query.tables)]);
            }
            C::DropView { name, .. } => {
                self.play("drop-view", &[("vw", std::slice::from_ref(name))]);
            }
            C::RenameView { from, .. } => {
                self.play("rename-view", &[("vw", std::slice::from_ref(from))]);
            }
            C::Rename { kind: ObjectKind::Trigger, table: Some(table), .. } => {
                self.on("rename-trigger", table);
            }
            C::RefreshMaterializedView { name, concurrently, no_data } => {
                let reads = self.scene.state.catalog.view(name).map_or_else(Vec::new, |v| {
                    if *no_data { Vec::new() } else { v.query.tables.clone() }
                });
                let operation = if *concurrently { "refresh-concurrently" } else { "refresh" };
                self.play(operation, &[("mv", std::slice::from_ref(name)), ("t", &reads)]);
            }
            C::AlterDomain { name, action } => self.alter_domain(name, action),
            C::AlterSequence { name, .. } => {
                self.play("alter-sequence", &[("sq", std::slice::from_ref(name))]);
            }
            C::CreateTrigger { def, .. } => self.on("create-trigger", &def.table),
            C::DropTrigger { table: Some(table), name, if_exists: true, .. }
                if self
                    .table(table)
                    .is_some_and(|t| !t.assumed && !t.triggers.iter().any(|g| g.name == *name)) => {
            }
            C::DropTrigger { table: Some(table), .. } => self.on("drop-trigger", table),
            C::DropSequence { name, .. } => {
                self.play("drop-view", &[("vw", std::slice::from_ref(name))]);
            }
            C::DropType { name, cascade: true, .. } => {
                for table in self.scene.state.tables_of_type(name) {
                    self.alter("drop-column", &table);
                }
            }
            C::DropSchema { name, cascade: true, .. } => {
                for table in self.scene.state.tables_in_schema(name) {
                    self.play("drop-view", &[("vw", std::slice::from_ref(&table))]);
                }
                let views: Vec<ObjectName> = self.scene.state.views_in_schema(name);
                self.play("drop-view", &[("vw", &views)]);
            }
            C::SetTriggerEnabled { table, .. } => self.on("set-trigger-enabled", table),
            C::CreatePolicy { table, .. } | C::AlterPolicy { table, .. } => {
                self.on("create-policy", table);
            }
            C::DropPolicy { table, .. } => self.on("drop-policy", table),
            C::RowSecurity { table, .. } => self.on("row-security", table),
            C::SetOwner { kind: ObjectKind::Table, name, .. } => self.on("owner", name),
            C::Comment { kind: ObjectKind::Table, name, .. } => self.on("comment", name),
            C::Comment { kind: ObjectKind::Column, table: Some(table), .. } => {
                self.on("comment", table);
            }
            C::CreateOther { kind: ObjectKind::Rule, table: Some(table), .. }
            | C::DropOther { kind: ObjectKind::Rule, table: Some(table), .. } => {
                self.on("create-rule", table);
            }
            C::CreateOther { kind: ObjectKind::Statistics, table: Some(table), .. } => {
                self.on("create-statistics", table);
            }

            C::Insert { table, from_query, .. } => {
                self.writes(table);
                if let Some(query) = from_query {
                    self.play("select-into", &[("t", &query.tables)]);
                }
            }
            C::Update { table, rows, .. } => match rows {
                RowFilter::All => self.on("update", table),
                RowFilter::Where(_) => self.writes(table),
            },
            C::Delete { table, rows, .. } => match rows {
                RowFilter::All => self.on("delete", table),
                RowFilter::Where(_) => self.writes(table),
            },
            C::Merge { table, .. } | C::CopyFrom { table, .. } => self.writes(table),
            C::Truncate { tables, cascade, .. } => {
                for table in self.scene.state.truncated(tables, *cascade) {
                    self.alter("truncate", &table);
                }
            }
            C::LockTable { tables, mode: wanted } => {
                for table in tables {
                    if self.scene.state.relation_in_use(table) {
                        let table = self.scene.state.catalog.normalize(table);
                        self.lock(table, mode(wanted));
                    }
                }
            }
            C::Vacuum { tables, full } => {
                for table in tables {
                    self.on(if *full { "vacuum-full" } else { "vacuum" }, table);
                }
            }
            C::Cluster { table: Some(table) } => self.on("cluster", table),
            C::Analyze { tables } => {
                for table in tables {
                    self.on("analyze", table);
                }
            }
            _ => {}
        }
    }

    /// Changes some rows.
    fn writes(&mut self, table: &ObjectName) {
        self.play("insert", &[("p", std::slice::from_ref(table))]);
    }

    /// Tables that foreign keys on this column reference.
    fn referenced_by(&self, table: &ObjectName, column: &Ident) -> Vec<ObjectName> {
        let Some(table) = self.table(table) else { return Vec::new() };
        table
            .constraints
            .reading(column)
            .filter_map(|c| match &c.kind {
                ConstraintKind::ForeignKey { columns, table: to, .. }
                    if columns.contains(column) =>
                {
                    Some(to.clone())
                }
                _ => None,
            })
            .collect()
    }

    fn on_both(&mut self, operation: &str, table: &ObjectName, referenced: &ObjectName) {
        let family = self.family(table);
        self.play(operation, &[("t", &family), ("p", std::slice::from_ref(referenced))]);
    }

    fn constraint(&self, table: &ObjectName, name: &Ident) -> Option<&Constraint> {
        self.table(table)?.constraint(name)
    }

    fn create_table(&mut self, def: &TableDef) {
        for constraint in
            def.constraints.iter().chain(def.columns.iter().flat_map(|c| &c.constraints))
        {
            if let ConstraintKind::ForeignKey { table, .. } = &constraint.kind {
                self.play("create-table-references", &[("p", std::slice::from_ref(table))]);
            }
        }
        if !def.inherits.is_empty() {
            self.play("create-table-inherits", &[("t", &def.inherits)]);
        }
        if let Some(Partitioning::Of { parent, .. }) = &def.partitioning {
            let default: Vec<ObjectName> = self
                .scene
                .state
                .default_partition(parent)
                .map(|t| t.name.clone())
                .into_iter()
                .collect();
            self.play(
                "create-partition",
                &[("part", std::slice::from_ref(parent)), ("part_def", &default)],
            );
        }
        if let Some(query) = &def.as_query {
            self.play("select-into", &[("t", &query.tables)]);
        }
    }

    fn drop_table(&mut self, name: &ObjectName, cascade: bool) {
        let parents = self.scene.state.references(name);
        let mut family = self.family(name);
        if cascade {
            family.extend(self.scene.state.referencing(name));
            self.views_of(name, None);
        }
        self.play("drop-table-foreign-key", &[("child", &family), ("p", &parents)]);
        if let Some(Partitioning::Of { parent, .. }) =
            self.table(name).and_then(|t| t.partitioning.as_ref())
        {
            let parent = parent.clone();
            let default: Vec<ObjectName> = self
                .scene
                .state
                .default_partition(&parent)
                .map(|t| t.name.clone())
                .into_iter()
                .collect();
            let roles = [("part", std::slice::from_ref(&parent)), ("part_def", &default)];
            self.play("drop-partition", &roles);
        }
    }

    fn attach_partition(
        &mut self,
        table: &ObjectName,
        partition: &ObjectName,
        bounds: Option<&str>,
    ) {
        let default: Vec<ObjectName> = if bounds.is_none() {
            Vec::new()
        } else {
            self.scene.state.default_partition(table).map(|t| t.name.clone()).into_iter().collect()
        };
        let roles = [
            ("part", std::slice::from_ref(table)),
            ("part_new", std::slice::from_ref(partition)),
            ("part_def", default.as_slice()),
        ];
        self.play("attach-partition", &roles);
        let state = &self.scene.state;
        if state.bounds_proven(partition, bounds) {
            let known = state.catalog.normalize(partition);
            self.out.scans.retain(|t| *t != known);
        }
        if let (Some(default), Some(bounds)) = (state.default_partition(table), bounds)
            && state.default_leaves_out(default, bounds)
        {
            self.out.scans.retain(|t| *t != default.name);
        }
    }

    fn detach_partition(&mut self, table: &ObjectName, partition: &ObjectName, concurrently: bool) {
        if concurrently {
            self.play(
                "detach-partition-concurrently",
                &[
                    ("lone", std::slice::from_ref(table)),
                    ("lone1", std::slice::from_ref(partition)),
                ],
            );
            return;
        }
        let default: Vec<ObjectName> =
            self.scene.state.default_partition(table).map(|t| t.name.clone()).into_iter().collect();
        self.play(
            "detach-partition",
            &[
                ("part", std::slice::from_ref(table)),
                ("part1", std::slice::from_ref(partition)),
                ("part_def", &default),
            ],
        );
    }

    fn add_column(&mut self, table: &ObjectName, column: &ColumnDef) {
        self.alter("add-column", table);
        if add_column_rewrites(column, self.scene) {
            self.alter("add-column-rewrites", table);
        }
        let filled = column.default.as_ref().is_some_and(|d| !is_null(d));
        for constraint in &column.constraints {
            match &constraint.kind {
                ConstraintKind::Check { .. } if !constraint.not_valid => {
                    self.alter("add-column-checks", table);
                }
                ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. } => {
                    self.alter("add-column-unique", table);
                }
                ConstraintKind::ForeignKey { table: to, .. } => {
                    let operation = match (filled, &column.default) {
                        (true, _) => "add-column-references-default",
                        (false, Some(_)) => "add-column-references-null-default",
                        (false, None) => "add-column-references",
                    };
                    self.on_both(operation, table, to);
                }
                _ => {}
            }
        }
    }

    fn alter_type(&mut self, table: &ObjectName, column: &Ident, change: &Change) {
        match type_change_storage(table, column, change, self.scene) {
            None => {}
            Some(Storage::Rewrite) => {
                self.alter("alter-type-rewrites", table);
                // Foreign keys on the column are dropped and made again.
                for to in self.referenced_by(table, column) {
                    self.on_both("drop-foreign-key", table, &to);
                    self.on_both("add-foreign-key", table, &to);
                }
            }
            Some(kind) => {
                self.alter("alter-type-free", table);
                let reindexes = kind == Storage::Reindex
                    && self.scene.state.is_indexed(table, column)
                    || self.scene.state.is_indexed_anew(table, column);
                if reindexes {
                    self.alter("alter-type-reindexes", table);
                }
                if self.scene.state.is_checked(table, column) {
                    self.alter("alter-type-checks", table);
                }
            }
        }
    }

    fn add_constraint(&mut self, table: &ObjectName, constraint: &ConstraintDef) {
        let lazy = constraint.not_valid || constraint.not_enforced;
        match &constraint.kind {
            ConstraintKind::Check { .. } => {
                self.alter(if lazy { "add-check-not-valid" } else { "add-check" }, table);
            }
            ConstraintKind::NotNull { column } => {
                let proven = lazy || self.scene.state.not_null_proven(table, column);
                self.alter(if proven { "set-not-null-proven" } else { "set-not-null" }, table);
            }
            ConstraintKind::ForeignKey { table: to, .. } => {
                let operation = if lazy { "add-foreign-key-not-valid" } else { "add-foreign-key" };
                self.on_both(operation, table, to);
            }
            ConstraintKind::Unique { using_index: Some(_), .. } => {
                self.alter("add-unique-using-index", table);
            }
            ConstraintKind::PrimaryKey { using_index: Some(index), .. } => {
                if self.scene.state.index_has_nullable_column(table, index) {
                    self.play(
                        "add-primary-key-using-nullable-index",
                        &[("nopk", std::slice::from_ref(table))],
                    );
                } else {
                    self.alter("add-unique-using-index", table);
                }
            }
            ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. } => {
                self.alter("add-unique", table);
            }
            ConstraintKind::Exclude { .. } => self.alter("add-exclude", table),
        }
    }

    fn reindex(&mut self, target: &ReindexTarget, concurrently: bool) {
        let (operation, tables) = match target {
            ReindexTarget::Table(table) => ("reindex-table", vec![table.clone()]),
            ReindexTarget::Index(index) => {
                ("reindex-index", self.scene.state.index_table(index, None).into_iter().collect())
            }
            ReindexTarget::Schema(schema) => (
                "reindex-table",
                self.scene
                    .state
                    .catalog
                    .tables
                    .keys()
                    .filter(|t| match &t.schema {
                        Some(s) => s == schema,
                        None => self.scene.state.catalog.default_schema.as_ref() == Some(schema),
                    })
                    .cloned()
                    .collect(),
            ),
            ReindexTarget::Database => {
                ("reindex-table", self.scene.state.catalog.tables.keys().cloned().collect())
            }
        };
        let operation = if concurrently { "reindex-concurrently" } else { operation };
        self.play(operation, &[("t", &tables)]);
    }

    fn alter_domain(&mut self, name: &ObjectName, action: &DomainAction) {
        let lazy = match action {
            DomainAction::AddConstraint(constraint) => constraint.not_valid,
            DomainAction::SetNotNull | DomainAction::ValidateConstraint(_) => false,
            _ => return,
        };
        if lazy {
            return;
        }
        let users = self.scene.state.tables_of_type(name);
        self.play("alter-domain", &[("dt", &users)]);
    }
}

/// `SET TABLESPACE pg_default` of a table that the known history never moved.
pub(crate) fn stays_in_tablespace(change: &Change, state: &State<'_>) -> bool {
    let Change::SetTablespace { kind: ObjectKind::Table, name, tablespace } = change else {
        return false;
    };
    tablespace == "pg_default"
        && state.table(name).is_some_and(|t| !t.assumed && !t.options.contains_key("tablespace"))
}

/// Whether adding this column writes every row anew.
pub(crate) fn add_column_rewrites(column: &ColumnDef, scene: &Scene<'_>) -> bool {
    let serial = column.ty.as_ref().is_some_and(|ty| ty.name.ends_with("serial"));
    let constrained =
        column.ty.as_ref().is_some_and(|ty| is_constrained_domain(ty, scene.state.catalog));
    let default = column.default.as_ref().filter(|d| !is_null(d));
    let before_11 = !scene.state.options.at_least(11, 0, 0);
    serial
        || column.identity.is_some()
        || constrained
        || column.generated.as_ref().is_some_and(|g| g.stored)
        || default.is_some_and(|d| before_11 || is_volatile(d, scene.state.catalog))
}

/// What a change of type does to the rows; `None` where the column already has the type.
pub(crate) fn type_change_storage(
    table: &ObjectName,
    column: &Ident,
    change: &Change,
    scene: &Scene<'_>,
) -> Option<Storage> {
    let Change::AlterColumnType { ty, collation, using, .. } = change else { return None };
    let Some(known) = scene.state.column(table, column) else { return Some(Storage::Rewrite) };
    let Some(old) = &known.ty else { return Some(Storage::Rewrite) };
    if using.as_ref().is_some_and(|u| !using_is_plain(u, column, ty)) {
        return Some(Storage::Rewrite);
    }
    let recollates = collation.is_some() && *collation != known.collation;
    Some(storage(old, ty, scene.state.catalog, scene.session_is_utc(), recollates))
}
