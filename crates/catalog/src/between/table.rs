//! Tables made, dropped and altered.

use super::constraint::add_constraint;
use super::index::inherited_indexes;
use super::{Builder, Step};
use crate::apply::{constraint_def, index_def};
use crate::diff::matched;
use crate::{Column, Constraint, MysqlPartitions, Table};
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Ident, IndexDef, ObjectKind, ObjectName,
    Partitioning, TableDef,
};

impl Builder<'_> {
    pub(super) fn tables(&mut self) {
        let (from, to) = (self.from, self.to);
        let mut created: Vec<&Table> = Vec::new();
        let mut dropped: Vec<&Table> = Vec::new();
        for (_, f, t) in from.tables.unshared(&to.tables) {
            match (f, t) {
                (Some(f), Some(t)) if f == t => {}
                (Some(f), Some(t)) if self.is_sqlite() => self.sqlite_table(f, t),
                (Some(f), Some(t)) => self.alter_table(f, t),
                (Some(f), None) if !f.assumed && !f.temporary => dropped.push(f),
                (None, Some(t)) if !t.assumed && !t.temporary => created.push(t),
                _ => {}
            }
        }
        // A partition or child stands behind its parent, and so does what refers to a table.
        let mut left = created;
        while !left.is_empty() {
            let waiting: Vec<&ObjectName> = left.iter().map(|t| &t.name).collect();
            let ready: Vec<&Table> =
                left.iter().copied().filter(|t| !needs_any(t, &waiting, true)).collect();
            let ready = if ready.is_empty() {
                left.iter().copied().filter(|t| !needs_any(t, &waiting, false)).collect()
            } else {
                ready
            };
            let ready = if ready.is_empty() { left.clone() } else { ready };
            for table in &ready {
                let later: Vec<ObjectName> = left.iter().map(|t| t.name.clone()).collect();
                self.create_table(table, &later);
            }
            left.retain(|t| !ready.iter().any(|r| r.name == t.name));
        }
        self.drop_tables(dropped);
    }

    fn drop_tables(&mut self, dropped: Vec<&Table>) {
        let mut left = dropped;
        while !left.is_empty() {
            let at = left
                .iter()
                .position(|t| {
                    !left.iter().any(|o| o.name != t.name && needs_any(o, &[&t.name], true))
                })
                .unwrap_or(0);
            let table = left.remove(at);
            // Foreign keys in a circle have to go first.
            for other in &left {
                for constraint in &other.constraints {
                    if let (ConstraintKind::ForeignKey { table: target, .. }, Some(name)) =
                        (&constraint.kind, &constraint.name)
                        && *target == table.name
                        && !self.is_sqlite()
                    {
                        self.drop_constraint(other, name);
                    }
                }
            }
            let parent_goes = match &table.partitioning {
                Some(Partitioning::Of { parent, .. }) => {
                    !self.to.tables.contains_key(parent) && self.from.tables.contains_key(parent)
                }
                _ => false,
            };
            if !(parent_goes && self.is_postgres()) {
                self.push(
                    Step::DropTables,
                    Change::DropTable {
                        name: table.name.clone(),
                        if_exists: false,
                        cascade: false,
                    },
                );
            }
        }
    }

    /// A table as it was, with all that belongs to it.
    pub(super) fn create_table(&mut self, table: &Table, later: &[ObjectName]) {
        if table.columns_unknown {
            self.blocked(format!(
                "the columns of {} are not known: it was created from a query or before the first \
                 migration",
                table.name
            ));
            return;
        }
        let sqlite = self.is_sqlite();
        let inline = |builder: &Self, c: &Constraint| match &c.kind {
            ConstraintKind::ForeignKey { table: target, .. } => {
                sqlite
                    || *target == table.name
                    || builder.from.tables.contains_key(target) && !later.contains(target)
                    || builder.to.tables.contains_key(target) && !later.contains(target)
            }
            _ => c.include.is_empty(),
        };
        let of_parent = matches!(table.partitioning, Some(Partitioning::Of { .. }));
        let parent = match &table.partitioning {
            Some(Partitioning::Of { parent, .. }) => self.to.tables.get(parent),
            _ => None,
        };
        let inherited =
            |c: &Constraint| parent.is_some_and(|p| p.constraints.iter().any(|o| o.kind == c.kind));
        let inherited_column = |name: &Ident| {
            table
                .inherits
                .iter()
                .any(|p| self.to.tables.get(p).is_some_and(|p| p.column(name).is_some()))
        };
        let mut constraints: Vec<ConstraintDef> = Vec::new();
        let mut after: Vec<Change> = Vec::new();
        for constraint in &table.constraints {
            if inherited(constraint) {
                continue;
            }
            if inline(self, constraint) && !constraint.not_valid {
                constraints.push(constraint_def(constraint));
            } else {
                after.extend(add_constraint(table, constraint));
            }
        }
        let mut columns: Vec<ColumnDef> = Vec::new();
        let mut indexes: Vec<IndexDef> = Vec::new();
        if !of_parent {
            for column in table.columns.iter().filter(|c| !inherited_column(&c.name)) {
                let mut def = self.column(table, column);
                if sqlite {
                    // AUTOINCREMENT stands only behind the key of its column.
                    let key = constraints.iter().position(
                        |c| matches!(&c.kind, ConstraintKind::PrimaryKey { columns, .. } if columns.as_slice() == [column.name.clone()]),
                    );
                    def.constraints.extend(key.map(|at| constraints.remove(at)));
                    // Behind its column a constraint goes with it; apart it keeps the column from
                    // being dropped.
                    let (own, rest): (Vec<_>, Vec<_>) =
                        constraints.into_iter().partition(|c| match &c.kind {
                            ConstraintKind::Check { expr, .. } => {
                                expr.columns.contains(&column.name)
                                    && expr.columns.iter().all(|o| *o == column.name)
                            }
                            ConstraintKind::ForeignKey { columns, .. } => {
                                columns.as_slice() == [column.name.clone()]
                            }
                            _ => false,
                        });
                    constraints = rest;
                    def.constraints.extend(own);
                }
                columns.push(def);
            }
        }
        if self.is_mysql() {
            indexes.extend(
                table.indexes.iter().filter(|i| !i.implied).map(|i| index_def(i, &table.name)),
            );
        }
        let def = TableDef {
            name: table.name.clone(),
            columns,
            constraints,
            indexes,
            temporary: table.temporary,
            unlogged: table.unlogged,
            partitioning: table.partitioning.clone(),
            inherits: table.inherits.clone(),
            like: Vec::new(),
            as_query: None,
            options: table
                .options
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .chain(
                    table
                        .comment
                        .iter()
                        .filter(|_| self.is_mysql())
                        .map(|c| ("comment".to_owned(), c.clone())),
                )
                .collect(),
        };
        self.push(Step::CreateTables, Change::CreateTable { def, if_not_exists: false });
        for change in after {
            let step = match &change {
                Change::AddConstraint { constraint, .. }
                    if matches!(constraint.kind, ConstraintKind::ForeignKey { .. }) =>
                {
                    Step::AddForeignKeys
                }
                _ => Step::CreateIndexes,
            };
            self.push(step, change);
        }
        let mut bare = Table::new(table.name.clone(), table.origin);
        bare.columns = table
            .columns
            .iter()
            .map(|c| Column {
                comment: if self.is_mysql() { c.comment.clone() } else { None },
                options: std::collections::BTreeMap::new(),
                ..c.clone()
            })
            .collect();
        bare.constraints =
            table.constraints.iter().map(|c| Constraint { comment: None, ..c.clone() }).collect();
        bare.indexes = if self.is_mysql() {
            table.indexes.clone()
        } else {
            parent.map(|p| inherited_indexes(table, p)).unwrap_or_default()
        };
        bare.partitioning.clone_from(&table.partitioning);
        bare.inherits.clone_from(&table.inherits);
        bare.unlogged = table.unlogged;
        bare.temporary = table.temporary;
        bare.options.clone_from(&table.options);
        bare.comment = if self.is_mysql() { table.comment.clone() } else { None };
        self.alter_table(&bare, table);
    }

    #[allow(clippy::too_many_lines, reason = "one clause a property of a table")]
    pub(super) fn alter_table(&mut self, from: &Table, to: &Table) {
        if to.assumed || from.temporary || to.temporary {
            return;
        }
        let name = &to.name;
        self.columns(from, to);
        self.constraints(from, to);
        self.indexes(name, &from.indexes, &to.indexes);
        self.triggers(name, &from.triggers, &to.triggers);
        for trigger in &to.triggers {
            let off = |t: &Table| t.disabled_triggers.contains(&trigger.name);
            let was_off = off(from) && from.triggers.iter().any(|t| t.name == trigger.name);
            if was_off != off(to) {
                self.push(
                    Step::Describe,
                    Change::SetTriggerEnabled {
                        table: name.clone(),
                        trigger: Some(trigger.name.clone()),
                        enabled: !off(to),
                    },
                );
            }
        }
        if from.unlogged != to.unlogged {
            let logged = !to.unlogged;
            self.push(Step::AlterColumns, Change::SetLogged { table: name.clone(), logged });
        }
        if (from.row_security, from.row_security_forced)
            != (to.row_security, to.row_security_forced)
        {
            let differs = |f: bool, t: bool| (f != t).then_some(t);
            self.push(
                Step::Describe,
                Change::RowSecurity {
                    table: name.clone(),
                    enabled: differs(from.row_security, to.row_security),
                    forced: differs(from.row_security_forced, to.row_security_forced),
                },
            );
        }
        if from.replica_identity != to.replica_identity {
            let text = to.replica_identity.clone().unwrap_or_else(|| "DEFAULT".into());
            self.push(Step::Describe, Change::ReplicaIdentity { table: name.clone(), text });
        }
        self.options(from, to);
        self.policies(from, to);
        if from.comment != to.comment {
            self.push(
                Step::Describe,
                Change::Comment {
                    kind: ObjectKind::Table,
                    table: None,
                    name: name.clone(),
                    text: to.comment.clone(),
                },
            );
        }
        self.grants(ObjectKind::Table, name, &from.grants, &to.grants);
        if from.owner != to.owner {
            self.owner(ObjectKind::Table, name, to.owner.as_deref());
        }
        for parent in from.inherits.iter().filter(|p| !to.inherits.contains(p)) {
            let (table, parent) = (name.clone(), parent.clone());
            self.push(Step::DropConstraints, Change::Inherit { table, parent, remove: true });
        }
        for parent in to.inherits.iter().filter(|p| !from.inherits.contains(p)) {
            let (table, parent) = (name.clone(), parent.clone());
            self.push(Step::AddKeys, Change::Inherit { table, parent, remove: false });
        }
        match (&from.partitioning, &to.partitioning) {
            (f, t) if f == t => {}
            (Some(Partitioning::Of { parent, .. }), None) => self.push(
                Step::DropConstraints,
                Change::DetachPartition {
                    table: parent.clone(),
                    partition: name.clone(),
                    concurrently: false,
                    finalize: false,
                },
            ),
            (None, Some(Partitioning::Of { parent, bounds })) => self.push(
                Step::AddForeignKeys,
                Change::AttachPartition {
                    table: parent.clone(),
                    partition: name.clone(),
                    bounds: bounds.clone(),
                },
            ),
            (Some(Partitioning::By(_)), None) if self.is_mysql() => self.push(
                Step::AlterColumns,
                Change::MysqlPartition {
                    table: name.clone(),
                    verb: "remove".into(),
                    text: String::new(),
                },
            ),
            (Some(Partitioning::By(old)), Some(Partitioning::By(new)))
                if self.is_mysql()
                    && let Some(steps) = MysqlPartitions::read(old, self.dialect())
                        .steps_to(&MysqlPartitions::read(new, self.dialect())) =>
            {
                for (verb, text) in steps {
                    let (table, verb) = (name.clone(), verb.to_owned());
                    self.push(Step::AlterColumns, Change::MysqlPartition { table, verb, text });
                }
            }
            (_, Some(Partitioning::By(text))) if self.is_mysql() => self.push(
                Step::AlterColumns,
                Change::MysqlPartition {
                    table: name.clone(),
                    verb: "by".into(),
                    text: text.clone(),
                },
            ),
            _ => self.blocked(format!("the partitioning of {name} cannot be changed in place")),
        }
    }

    fn options(&mut self, from: &Table, to: &Table) {
        let mut options = Vec::new();
        for (option, f, t) in matched(&from.options, &to.options) {
            if f == t || option == "auto_increment" || option == "cluster on" {
                continue;
            }
            match (option.as_str(), t) {
                ("tablespace", t) => self.push(
                    Step::AlterColumns,
                    Change::SetTablespace {
                        kind: ObjectKind::Table,
                        name: to.name.clone(),
                        tablespace: t.cloned().unwrap_or_else(|| "pg_default".into()),
                    },
                ),
                ("access method" | "using", t) => self.push(
                    Step::AlterColumns,
                    Change::SetAccessMethod {
                        table: to.name.clone(),
                        method: t.cloned().unwrap_or_else(|| "heap".into()),
                    },
                ),
                (_, Some(value)) => options.push((option.clone(), value.clone())),
                (_, None) if self.is_postgres() => {
                    options.push((format!("reset {option}"), String::new()));
                }
                (_, None) => self.blocked(format!(
                    "what the option {option} of table {} was before is not known",
                    to.name
                )),
            }
        }
        if !options.is_empty() {
            let table = to.name.clone();
            self.push(Step::AlterColumns, Change::SetTableOptions { table, options });
        }
    }
}

/// Whether a table needs one of the others to be there: by partition, inheritance, foreign key.
fn needs_any(table: &Table, others: &[&ObjectName], foreign_keys: bool) -> bool {
    let hit = |name: &ObjectName| *name != table.name && others.contains(&name);
    matches!(&table.partitioning, Some(Partitioning::Of { parent, .. }) if hit(parent))
        || table.inherits.iter().any(hit)
        || foreign_keys
            && table
                .constraints
                .iter()
                .any(|c| matches!(&c.kind, ConstraintKind::ForeignKey { table: t, .. } if hit(t)))
}

/// The table of which a table is a partition.
pub(super) fn parent_of<'c>(catalog: &'c crate::Catalog, table: &ObjectName) -> Option<&'c Table> {
    match &catalog.tables.get(table)?.partitioning {
        Some(Partitioning::Of { parent, .. }) => catalog.tables.get(parent),
        _ => None,
    }
}
