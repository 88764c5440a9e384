//! Tables and their parts.

use std::collections::BTreeSet;

use downhaul_syntax::change::ColumnPosition;
use downhaul_syntax::{
    Change, ColumnDef, ConstraintDef, ConstraintKind, Ident, Identity, IndexDef, ObjectKind,
    ObjectName, Partitioning, SqlType, TableDef, TriggerDef,
};

use super::{Builder, Step};
use crate::apply::{
    column_def, constraint_def, default_storage, has_assignment_cast, index_def, is_key,
    owned_sequence_text, plain_type, serial_name,
};
use crate::diff::{matched, same_constraint, same_index, same_policy, same_trigger};
use crate::text::{same_default, same_text, same_type};
use crate::{Column, Constraint, Index, Table};

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

    fn drop_constraint(&mut self, table: &Table, name: &Ident) {
        let change = Change::DropConstraint {
            table: table.name.clone(),
            name: name.clone(),
            if_exists: false,
            cascade: false,
        };
        self.push(Step::DropForeignKeys, change);
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

    /// A column's definition; where its default draws from a sequence of its own under the usual
    /// name, as `serial`.
    fn column(&self, table: &Table, column: &Column) -> ColumnDef {
        let mut def = column_def(column);
        if !self.is_postgres() {
            return def;
        }
        if let Some(serial) = self.serial_type(table, column) {
            def.ty = Some(plain_type(serial));
            def.default = None;
            def.not_null = false;
        }
        if def.identity.is_some() {
            def.not_null = false;
        }
        def
    }

    /// `serial`, where exactly this would make the column, its default and its sequence again.
    fn serial_type(&self, table: &Table, column: &Column) -> Option<&'static str> {
        let ty = column.ty.as_ref()?;
        let serial = serial_name(&ty.name)?;
        let name = self.to.usual_sequence_name(&table.name, &column.name);
        let sequence = self.to.sequences.get(&name)?;
        let owned = sequence.owned_by.as_ref() == Some(&(table.name.clone(), column.name.clone()));
        let default = column.default.as_ref()?;
        let wanted = format!(
            "nextval({}::regclass)",
            self.dialect().literal(&self.dialect().quote_name_if_needed(&name))
        );
        let plain = sequence.text == owned_sequence_text(Some(&ty.name));
        // Where the sequence is there already, `serial` would make a second one.
        let free = !self.from.sequences.contains_key(&name);
        (owned
            && plain
            && free
            && column.not_null
            && same_text(&default.text, &wanted, self.dialect()))
        .then_some(serial)
    }

    /// Whether a sequence comes with a `serial` or identity column that is created anew.
    pub(super) fn comes_with_column(&self, owner: &(ObjectName, Ident)) -> bool {
        let Some(table) = self.to.tables.get(&owner.0) else { return false };
        let Some(column) = table.column(&owner.1) else { return false };
        let there = self.from.tables.get(&owner.0).and_then(|t| t.column(&owner.1));
        match there {
            None => column.identity.is_some() || self.serial_type(table, column).is_some(),
            Some(old) => column.identity.is_some() && old.identity.is_none(),
        }
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

    fn columns(&mut self, from: &Table, to: &Table) {
        let name = &to.name;
        for column in &from.columns {
            if to.column(&column.name).is_none() && !to.columns_unknown {
                if self.is_sqlite() && self.sqlite_keeps(from, &column.name) {
                    continue;
                }
                self.push(
                    Step::DropColumns,
                    Change::DropColumn {
                        table: name.clone(),
                        column: column.name.clone(),
                        if_exists: false,
                        cascade: false,
                    },
                );
            }
        }
        for (at, column) in to.columns.iter().enumerate() {
            match from.column(&column.name) {
                Some(old) => self.column_change(to, old, column),
                None => self.add_column(from, to, at),
            }
        }
    }

    /// SQLite refuses to drop a column that a key or constraint of the table uses.
    fn sqlite_keeps(&mut self, table: &Table, column: &Ident) -> bool {
        let used = table.constraints.iter().any(|c| {
            c.uses(column)
                && match &c.kind {
                    ConstraintKind::ForeignKey { columns, .. } => columns.len() > 1,
                    ConstraintKind::Check { expr, .. } => expr.columns.iter().any(|o| o != column),
                    _ => true,
                }
        });
        if used {
            self.blocked(format!(
                "SQLite cannot drop column {}.{column}: a key or constraint of the table uses it",
                table.name
            ));
        }
        used
    }

    fn add_column(&mut self, from: &Table, to: &Table, at: usize) {
        let column = &to.columns[at];
        let mut def = self.column(to, column);
        let last = at + 1 == to.columns.len();
        let position = (self.is_mysql() && !last).then(|| match at {
            0 => ColumnPosition::First,
            _ => ColumnPosition::After(to.columns[at - 1].name.clone()),
        });
        if self.is_sqlite() {
            // SQLite adds constraints only with their column.
            for constraint in &to.constraints {
                let own = match &constraint.kind {
                    ConstraintKind::ForeignKey { columns, .. } => {
                        columns.as_slice() == [column.name.clone()]
                    }
                    ConstraintKind::Check { expr, .. } => {
                        expr.columns.iter().all(|c| *c == column.name)
                            && expr.columns.contains(&column.name)
                    }
                    _ => false,
                };
                let there = from
                    .constraints
                    .iter()
                    .any(|c| same_constraint(c, constraint, self.from, self.to));
                if own && !there {
                    def.constraints.push(constraint_def(constraint));
                }
            }
        }
        self.push(
            Step::AlterColumns,
            Change::AddColumn {
                table: to.name.clone(),
                column: def,
                if_not_exists: false,
                position,
            },
        );
        if !self.is_mysql() {
            self.column_details(to, &Column::new(column.name.clone(), None, column.origin), column);
        }
    }

    /// Comment and options, which no column definition of PostgreSQL holds.
    fn column_details(&mut self, table: &Table, from: &Column, to: &Column) {
        for (option, f, t) in matched(&from.options, &to.options) {
            if f == t {
                continue;
            }
            let value = match (t, option.as_str()) {
                (Some(value), _) => value.clone(),
                (None, "statistics") => "-1".into(),
                (None, "options") => {
                    let names: Vec<&str> = f
                        .map(String::as_str)
                        .unwrap_or_default()
                        .split(',')
                        .filter_map(|o| o.split('=').next())
                        .map(str::trim)
                        .collect();
                    names.join(", ")
                }
                (None, "storage") => match default_storage(to.ty.as_ref()) {
                    Some(storage) => storage.to_owned(),
                    None => {
                        self.blocked(format!(
                            "the storage that column {}.{} had is not known",
                            table.name, to.name
                        ));
                        continue;
                    }
                },
                (None, _) => "DEFAULT".into(),
            };
            self.push(
                Step::AlterColumns,
                Change::SetColumnOption {
                    table: table.name.clone(),
                    column: to.name.clone(),
                    option: option.clone(),
                    value,
                },
            );
        }
        if from.comment != to.comment && !self.is_mysql() {
            self.push(
                Step::Describe,
                Change::Comment {
                    kind: ObjectKind::Column,
                    table: Some(table.name.clone()),
                    name: ObjectName::bare(to.name.clone()),
                    text: to.comment.clone(),
                },
            );
        }
    }

    fn column_change(&mut self, table: &Table, from: &Column, to: &Column) {
        if from == to {
            return;
        }
        let dialect = self.dialect();
        let same_ty = match (&from.ty, &to.ty) {
            (Some(f), Some(t)) => same_type(f, t, dialect),
            (f, t) => f == t,
        };
        let same_collation = from.collation == to.collation;
        let same_generated = match (&from.generated, &to.generated) {
            (Some(f), Some(t)) => {
                f.stored == t.stored && same_text(&f.expr.text, &t.expr.text, dialect)
            }
            (f, t) => f.is_none() == t.is_none(),
        };
        let same_value = match (&from.default, &to.default) {
            (Some(f), Some(t)) => {
                same_text(&f.text, &t.text, dialect)
                    || same_default(&f.text, &t.text, to.ty.as_ref(), dialect)
            }
            (f, t) => f.is_none() == t.is_none(),
        };
        let full = format!("{}.{}", table.name, to.name);
        if self.is_sqlite() {
            let same = same_ty
                && same_collation
                && same_generated
                && same_value
                && from.not_null == to.not_null
                && from.auto_increment == to.auto_increment;
            if !same {
                self.blocked(format!("SQLite cannot alter column {full} in place"));
            }
            return;
        }
        if self.is_mysql() {
            let origin = from.origin;
            if (Column { origin, ..to.clone() }) != *from {
                self.push(
                    Step::AlterColumns,
                    Change::ModifyColumn {
                        table: table.name.clone(),
                        from: to.name.clone(),
                        column: column_def(to),
                        position: None,
                    },
                );
            }
            return;
        }
        let (t, c) = (table.name.clone(), to.name.clone());
        if !same_generated {
            match (&from.generated, &to.generated) {
                (Some(_), None) => self.push(
                    Step::DropColumns,
                    Change::DropExpression {
                        table: t.clone(),
                        column: c.clone(),
                        if_exists: false,
                    },
                ),
                _ => self.blocked(format!(
                    "PostgreSQL cannot make {full} a generated column again: it has to be dropped \
                     and added"
                )),
            }
        }
        if from.identity.is_some() && to.identity.is_none() {
            let (table, column) = (t.clone(), c.clone());
            self.push(Step::DropColumns, Change::DropIdentity { table, column, if_exists: false });
        }
        if !same_ty || !same_collation {
            // A default of the newer type may have no cast to the older one.
            let in_the_way = from.default.is_some() && !same_ty;
            if in_the_way {
                let (table, column) = (t.clone(), c.clone());
                self.push(Step::DropColumns, Change::DropDefault { table, column });
            }
            if let Some(ty) = &to.ty {
                self.push(
                    Step::AlterColumns,
                    Change::AlterColumnType {
                        table: t.clone(),
                        column: c.clone(),
                        ty: ty.clone(),
                        collation: to.collation.clone().or_else(|| {
                            from.collation.is_some().then(|| "pg_catalog.default".to_owned())
                        }),
                        using: from.ty.as_ref().and_then(|f| conversion(&c, f, ty, dialect)),
                    },
                );
            }
            if in_the_way && let Some(default) = &to.default {
                let (table, column, default) = (t.clone(), c.clone(), default.clone());
                self.push(Step::AlterColumns, Change::SetDefault { table, column, default });
            }
        }
        let default_set = !same_ty && from.default.is_some();
        if !same_value && !default_set {
            let (table, column) = (t.clone(), c.clone());
            let change = match &to.default {
                Some(default) => Change::SetDefault { table, column, default: default.clone() },
                None => Change::DropDefault { table, column },
            };
            self.push(Step::AlterColumns, change);
        }
        if from.not_null != to.not_null {
            let (table, column) = (t.clone(), c.clone());
            // A key or an identity brings NOT NULL, and keeps it.
            let change = if to.not_null {
                Change::SetNotNull { table, column }
            } else {
                Change::DropNotNull { table, column }
            };
            self.push(Step::AlterColumns, change);
        }
        match (from.identity, to.identity) {
            (None, Some(identity)) => {
                self.push(Step::AlterColumns, Change::AddIdentity { table: t, column: c, identity })
            }
            (Some(f), Some(identity)) if f != identity => {
                let text = match identity {
                    Identity::Always => "SET GENERATED ALWAYS",
                    Identity::ByDefault => "SET GENERATED BY DEFAULT",
                };
                self.push(
                    Step::AlterColumns,
                    Change::AlterIdentity {
                        table: t,
                        column: c,
                        identity: Some(identity),
                        text: text.into(),
                    },
                );
            }
            _ => {}
        }
        self.column_details(table, from, to);
    }

    fn constraints(&mut self, from: &Table, to: &Table) {
        let parent = match &to.partitioning {
            Some(Partitioning::Of { parent, .. }) => self.to.tables.get(parent),
            _ => None,
        };
        let mysql = self.is_mysql();
        let gone_with_column = |c: &Constraint| {
            from.columns
                .iter()
                .any(|column| c.uses(&column.name) && to.column(&column.name).is_none())
                && !mysql
        };
        let mut changed: Vec<&Constraint> = Vec::new();
        for old in &from.constraints {
            let twin = to.constraints.iter().find(|c| match &old.name {
                Some(name) => c.name.as_ref() == Some(name),
                None => same_constraint(old, c, self.from, self.to),
            });
            if twin.is_some_and(|t| same_constraint(old, t, self.from, self.to)) {
                continue;
            }
            changed.push(old);
        }
        let missing: Vec<&Constraint> = to
            .constraints
            .iter()
            .filter(|c| {
                !from
                    .constraints
                    .iter()
                    .any(|o| o.name == c.name && same_constraint(o, c, self.from, self.to))
            })
            .collect();
        let mut renamed: Vec<&Constraint> = Vec::new();
        let with_parent = |parent: Option<&Table>, c: &Constraint| {
            parent.is_some_and(|p| p.constraints.iter().any(|o| o.kind == c.kind))
        };
        let parent_from = parent_of(self.from, &to.name);
        for old in changed {
            if gone_with_column(old) || with_parent(parent_from, old) && !with_parent(parent, old) {
                continue;
            }
            let other_name = missing.iter().find(|c| {
                same_constraint(old, c, self.from, self.to)
                    && !to.constraints.iter().any(|t| t.name == old.name)
            });
            if self.is_postgres()
                && let (Some(new), Some(from_name)) = (other_name, &old.name)
                && let Some(to_name) = &new.name
                && !renamed.iter().any(|r| r.name == new.name)
            {
                renamed.push(new);
                self.push(
                    Step::AddKeys,
                    Change::RenameConstraint {
                        table: to.name.clone(),
                        from: from_name.clone(),
                        to: to_name.clone(),
                    },
                );
                continue;
            }
            self.remove_constraint(from, to, old);
        }
        for new in missing {
            if renamed.iter().any(|r| r.name == new.name)
                || parent.is_some_and(|p| p.constraints.iter().any(|o| o.kind == new.kind))
            {
                continue;
            }
            let with_column = new.key_columns().iter().any(|c| from.column(c).is_none())
                || matches!(&new.kind, ConstraintKind::Check { expr, .. }
                    if expr.columns.iter().any(|c| from.column(c).is_none()));
            if self.is_sqlite() {
                let added_inline = with_column && new.key_columns().len() < 2;
                if !added_inline || is_key(&new.kind) {
                    self.blocked(format!(
                        "SQLite cannot add a constraint to table {}: the table has to be built \
                         anew",
                        to.name
                    ));
                }
                continue;
            }
            let step = match new.kind {
                ConstraintKind::ForeignKey { .. } => Step::AddForeignKeys,
                _ => Step::AddKeys,
            };
            for change in add_constraint(to, new) {
                self.push(step, change);
            }
        }
        if !self.is_mysql() {
            for new in to.constraints.iter().filter(|c| c.name.is_some()) {
                let old = from.constraints.iter().find(|o| o.name == new.name);
                if let (true, Some(name)) =
                    (old.and_then(|o| o.comment.as_ref()) != new.comment.as_ref(), &new.name)
                {
                    self.push(
                        Step::Describe,
                        Change::Comment {
                            kind: ObjectKind::Constraint,
                            table: Some(to.name.clone()),
                            name: ObjectName::bare(name.clone()),
                            text: new.comment.clone(),
                        },
                    );
                }
            }
        }
    }

    fn remove_constraint(&mut self, from: &Table, to: &Table, old: &Constraint) {
        if self.is_sqlite() {
            let gone = old.key_columns().iter().any(|c| to.column(c).is_none());
            if !gone {
                self.blocked(format!(
                    "SQLite cannot drop a constraint of table {}: the table has to be built anew",
                    to.name
                ));
            }
            return;
        }
        let primary = matches!(old.kind, ConstraintKind::PrimaryKey { .. });
        let step = match old.kind {
            ConstraintKind::ForeignKey { .. } => Step::DropForeignKeys,
            _ => Step::DropConstraints,
        };
        let change = match (&old.name, self.is_mysql()) {
            (_, true) if primary => Change::DropPrimaryKey { table: to.name.clone() },
            (Some(name), true) if is_key(&old.kind) => Change::DropIndex {
                name: ObjectName::bare(name.clone()),
                table: Some(to.name.clone()),
                concurrently: false,
                if_exists: false,
                cascade: false,
            },
            (Some(name), _) => Change::DropConstraint {
                table: to.name.clone(),
                name: name.clone(),
                if_exists: false,
                cascade: false,
            },
            (None, _) => {
                self.blocked(format!("a constraint of {} has no name", from.name));
                return;
            }
        };
        self.push(step, change);
        if primary && self.is_postgres() {
            // The columns keep the NOT NULL that the key brought.
            for column in old.key_columns() {
                let still = to.column(column).is_some_and(|c| !c.not_null)
                    && from.column(column).is_some_and(|c| !c.not_null);
                if still {
                    self.push(
                        Step::AlterColumns,
                        Change::DropNotNull { table: to.name.clone(), column: column.clone() },
                    );
                }
            }
        }
    }

    pub(super) fn indexes(&mut self, table: &ObjectName, from: &[Index], to: &[Index]) {
        let dialect = self.dialect();
        let (parent_from, parent_to) = (parent_of(self.from, table), parent_of(self.to, table));
        // The index of a partition comes and goes with its parent's.
        let of_parent = |parent: Option<&Table>, index: &Index| {
            parent.is_some_and(|p| {
                p.indexes.iter().any(|i| {
                    i.parts == index.parts
                        && i.unique == index.unique
                        && i.predicate == index.predicate
                })
            })
        };
        for old in from.iter().filter(|i| !i.implied) {
            let twin = to.iter().find(|i| i.name == old.name);
            if twin.is_some_and(|t| same_index(old, t, dialect))
                || of_parent(parent_from, old) && !of_parent(parent_to, old)
            {
                continue;
            }
            // It goes with its column.
            let gone = !self.is_mysql()
                && self.to.tables.get(table).is_some_and(|t| {
                    old.parts
                        .iter()
                        .filter_map(|p| p.column.as_ref())
                        .any(|c| t.column(c).is_none())
                })
                && !self.is_sqlite();
            if !gone {
                self.push(
                    Step::DropIndexes,
                    Change::DropIndex {
                        name: old.name.clone(),
                        table: self.is_mysql().then(|| table.clone()),
                        concurrently: false,
                        if_exists: false,
                        cascade: false,
                    },
                );
            }
        }
        for new in to.iter().filter(|i| !i.implied) {
            let twin = from.iter().find(|i| i.name == new.name);
            let inherited = of_parent(parent_to, new) && !of_parent(parent_from, new);
            if !inherited && !twin.is_some_and(|t| same_index(new, t, dialect)) {
                self.push(
                    Step::CreateIndexes,
                    Change::CreateIndex {
                        index: index_def(new, table),
                        concurrently: false,
                        if_not_exists: false,
                    },
                );
            }
            if twin.and_then(|t| t.comment.as_ref()) != new.comment.as_ref() && !self.is_mysql() {
                self.push(
                    Step::Describe,
                    Change::Comment {
                        kind: ObjectKind::Index,
                        table: None,
                        name: new.name.clone(),
                        text: new.comment.clone(),
                    },
                );
            }
        }
    }

    pub(super) fn triggers(&mut self, table: &ObjectName, from: &[TriggerDef], to: &[TriggerDef]) {
        let dialect = self.dialect();
        for old in from {
            let twin = to.iter().find(|t| t.name == old.name);
            if twin.is_some_and(|t| same_trigger(old, t, dialect)) {
                continue;
            }
            self.push(
                Step::DropTriggers,
                Change::DropTrigger {
                    name: old.name.clone(),
                    table: Some(table.clone()),
                    if_exists: false,
                    cascade: false,
                },
            );
        }
        for new in to {
            let twin = from.iter().find(|t| t.name == new.name);
            if twin.is_some_and(|t| same_trigger(new, t, dialect)) {
                continue;
            }
            if new.event.is_empty() {
                self.blocked(format!("the text of trigger {} on {table} is not known", new.name));
                continue;
            }
            let def = new.clone();
            self.push(
                Step::CreateTriggers,
                Change::CreateTrigger { def, or_replace: false, if_not_exists: false },
            );
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

    fn policies(&mut self, from: &Table, to: &Table) {
        for (policy, f, t) in matched(&from.policies, &to.policies) {
            let same = match (f, t) {
                (Some(f), Some(t)) => same_policy(f, t, self.dialect()),
                _ => false,
            };
            if same {
                continue;
            }
            if f.is_some() {
                let (name, table) = (policy.clone(), to.name.clone());
                self.push(Step::DropTriggers, Change::DropPolicy { name, table, if_exists: false });
            }
            if let Some(text) = t {
                let (name, table, text) = (policy.clone(), to.name.clone(), text.clone());
                self.push(Step::CreateTriggers, Change::CreatePolicy { name, table, text });
            }
        }
    }

    pub(super) fn grants(
        &mut self,
        kind: ObjectKind,
        name: &ObjectName,
        from: &[(String, String)],
        to: &[(String, String)],
    ) {
        let who = |all: &[(String, String)], other: &[(String, String)]| {
            let roles: BTreeSet<String> =
                all.iter().filter(|g| !other.contains(g)).map(|(role, _)| role.clone()).collect();
            roles
        };
        let what = |all: &[(String, String)], other: &[(String, String)], role: &str| {
            all.iter()
                .filter(|g| g.0 == role && !other.contains(g))
                .map(|g| g.1.clone())
                .collect::<Vec<_>>()
        };
        for role in who(from, to) {
            let privileges = what(from, to, &role);
            self.push(
                Step::Describe,
                Change::Revoke {
                    privileges,
                    kind,
                    objects: vec![name.clone()],
                    from: vec![role],
                    cascade: false,
                },
            );
        }
        for role in who(to, from) {
            let privileges = what(to, from, &role);
            self.push(
                Step::Describe,
                Change::Grant { privileges, kind, objects: vec![name.clone()], to: vec![role] },
            );
        }
    }

    pub(super) fn owner(&mut self, kind: ObjectKind, name: &ObjectName, owner: Option<&str>) {
        match owner {
            Some(owner) => {
                let (name, owner) = (name.clone(), owner.to_owned());
                self.push(Step::Describe, Change::SetOwner { kind, name, owner });
            }
            None => self.blocked(format!(
                "who owned {name} is not stated by any migration (the role that created it)"
            )),
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

/// The statements that add a constraint. What it includes can only come through its index.
fn add_constraint(table: &Table, constraint: &Constraint) -> Vec<Change> {
    let mut def = constraint_def(constraint);
    let mut out = Vec::new();
    if let (false, Some(name)) = (constraint.include.is_empty(), &constraint.name) {
        let using = Some(name.clone());
        let parts = constraint
            .key_columns()
            .iter()
            .map(|c| downhaul_syntax::IndexPart {
                column: Some(c.clone()),
                expr: None,
                text: String::new(),
            })
            .collect();
        out.push(Change::CreateIndex {
            index: IndexDef {
                name: Some(ObjectName { schema: None, name: name.clone() }),
                table: table.name.clone(),
                parts,
                unique: true,
                method: None,
                include: constraint.include.clone(),
                predicate: None,
                nulls_not_distinct: false,
                only: false,
                invisible: false,
                options: None,
            },
            concurrently: false,
            if_not_exists: false,
        });
        match &mut def.kind {
            ConstraintKind::PrimaryKey { using_index, .. }
            | ConstraintKind::Unique { using_index, .. } => *using_index = using,
            _ => {}
        }
    }
    out.push(Change::AddConstraint {
        table: table.name.clone(),
        constraint: def,
        if_not_exists: false,
    });
    out
}

/// The table of which a table is a partition.
fn parent_of<'c>(catalog: &'c crate::Catalog, table: &ObjectName) -> Option<&'c Table> {
    match &catalog.tables.get(table)?.partitioning {
        Some(Partitioning::Of { parent, .. }) => catalog.tables.get(parent),
        _ => None,
    }
}

/// Indexes that a partition gets from its parent.
fn inherited_indexes(table: &Table, parent: &Table) -> Vec<Index> {
    table
        .indexes
        .iter()
        .filter(|i| {
            parent
                .indexes
                .iter()
                .any(|p| p.parts == i.parts && p.unique == i.unique && p.predicate == i.predicate)
        })
        .cloned()
        .collect()
}

/// `USING`, where PostgreSQL has no assignment cast from the one type to the other.
fn conversion(
    column: &Ident,
    from: &SqlType,
    to: &SqlType,
    dialect: downhaul_syntax::Dialect,
) -> Option<downhaul_syntax::Expr> {
    let text = |t: &SqlType| matches!(t.name.as_str(), "text" | "varchar" | "char" | "bpchar");
    let number = |t: &SqlType| {
        matches!(
            t.name.as_str(),
            "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision"
        )
    };
    let stamp = |t: &SqlType| matches!(t.name.as_str(), "date" | "timestamp" | "timestamptz");
    if has_assignment_cast(from, to) == Some(true) {
        return None;
    }
    let name = dialect.quote_if_needed(column);
    let ty = crate::render::render_type(to, dialect);
    // Between types of the user's own, and between families that have no cast, the way leads
    // through text.
    let castable = text(from)
        || text(to)
        || number(from) && number(to)
        || stamp(from) && stamp(to)
        || matches!(
            (from.name.as_str(), to.name.as_str()),
            ("integer", "boolean") | ("boolean", "integer")
        );
    let array = if to.dimensions > 0 { "text[]" } else { "text" };
    let through = if castable { String::new() } else { format!("::{array}") };
    Some(downhaul_syntax::Expr {
        text: format!("{name}{through}::{ty}"),
        columns: vec![column.clone()],
        functions: Vec::new(),
        span: downhaul_syntax::Span::default(),
    })
}
