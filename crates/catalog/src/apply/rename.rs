//! Renames, and all that has to follow them.

use downhaul_syntax::{ConstraintKind, Ident, ObjectKind, ObjectName, Partitioning, TriggerDef};

use super::Applier;
use super::constraint::rename_in_constraint;
use crate::text::{
    mentions_ident, rename_ident, rename_in_expr, rename_in_query, rename_table_ident,
};
use crate::{Constraint, Index, Parts};

impl Applier<'_> {
    pub(super) fn rename_table(&mut self, from: &ObjectName, to: &ObjectName) {
        let from = self.catalog.normalize(from);
        // `ALTER TABLE … RENAME TO` takes the new name alone: the object stays in its schema.
        let to = match (&to.schema, self.dialect()) {
            (None, _) => ObjectName { schema: from.schema.clone(), name: to.name.clone() },
            (Some(_), _) => self.catalog.normalize(to),
        };
        self.note_maybe(&from);
        self.note_maybe(&to);
        if !self.catalog.tables.contains_key(&from) {
            if self.catalog.views.contains_key(&from) {
                self.rename_view(&from, &to);
                return;
            }
            if self.catalog.sequences.contains_key(&from) {
                self.move_sequence(&from, &to);
                return;
            }
            if self.catalog.lookup.index_owner.contains_key(&from) {
                self.rename_index(None, &from, &to.name);
                return;
            }
            if self.altered_table(&from).is_none() {
                return;
            }
        }
        if self.is_sqlite() {
            self.refuse_for_broken_views();
        }
        let taken = from != to
            && (self.catalog.tables.contains_key(&to)
                || self.catalog.views.contains_key(&to)
                || !self.is_mysql() && self.catalog.has_relation(&to));
        if taken {
            self.exists("table", &to);
            return;
        }
        self.move_table(&from, &to);
    }

    /// Gives a table another name or schema; everything that names it follows.
    fn move_table(&mut self, from: &ObjectName, to: &ObjectName) {
        let Some(mut table) = self.catalog.tables.remove(from) else { return };
        table.name = to.clone();
        for trigger in &mut table.triggers {
            trigger.table = to.clone();
        }
        if !self.is_mysql() {
            let schema = to.schema.clone();
            let names = table
                .indexes
                .iter()
                .map(|i| i.name.name.clone())
                .chain(table.constraints.iter().filter_map(|c| c.name.clone()));
            for index in names {
                let old = ObjectName { schema: from.schema.clone(), name: index.clone() };
                if self.catalog.lookup.index_owner.get(&old) == Some(from) {
                    self.catalog.lookup.index_owner.remove(&old);
                }
            }
            if self.is_postgres() {
                let moves = |index: &Index| index.name.schema != schema;
                table.indexes.change_where(moves, |index| index.name.schema.clone_from(&schema));
            }
        } else if from.name != to.name {
            // InnoDB renames the constraints that it had named after the table.
            for prefix in ["_ibfk_", "_chk_"] {
                let old = format!("{}{prefix}", from.name.key());
                let number = |c: &Constraint| {
                    c.name.as_ref().and_then(|n| n.key().strip_prefix(&old)).map(str::to_owned)
                };
                table.constraints.change_where(
                    |c| number(c).is_some(),
                    |c| {
                        let number = number(c).unwrap_or_default();
                        let name = format!("{}{prefix}{number}", to.name);
                        c.name = Some(Ident::stored(self.catalog.dialect, &name));
                    },
                );
            }
        }
        retarget(&mut table.constraints, from, to);
        self.catalog.tables.insert(to.clone(), table);
        for by in self.catalog.lookup.rename_target(from, to) {
            self.follow_table(&by, from, to);
        }
        self.catalog.note_table(to);

        let owned = self.catalog.lookup.owned.remove(from).unwrap_or_default();
        for sequence in owned.keys() {
            let Some(s) = self.catalog.sequences.get_mut(sequence) else { continue };
            if let Some((owner, _)) = &mut s.owned_by
                && owner == from
            {
                *owner = to.clone();
                self.catalog.lookup.owned.or_default(to).insert(sequence.clone(), ());
                if from.schema != to.schema {
                    let moved =
                        ObjectName { schema: to.schema.clone(), name: sequence.name.clone() };
                    self.move_sequence(sequence, &moved);
                }
            }
        }
        self.move_comments(from, to);
        if self.is_sqlite() && from.name != to.name {
            self.rename_in_sqlite_triggers(&from.name, &to.name);
        }
    }

    fn move_comments(&mut self, from: &ObjectName, to: &ObjectName) {
        let moved: Vec<_> = self
            .catalog
            .comments
            .keys()
            .filter(|(_, part_of, _)| part_of.as_ref() == Some(from))
            .cloned()
            .collect();
        for key in moved {
            if let Some(text) = self.catalog.comments.remove(&key) {
                self.catalog.comments.insert((key.0, Some(to.clone()), key.2), text);
            }
        }
    }

    /// A table or view that mentions a renamed one.
    fn follow_table(&mut self, by: &ObjectName, from: &ObjectName, to: &ObjectName) {
        let dialect = self.dialect();
        if let Some(table) = self.catalog.tables.get_mut(by) {
            retarget(&mut table.constraints, from, to);
            if let Some(Partitioning::Of { parent, .. }) = &mut table.partitioning
                && parent == from
            {
                *parent = to.clone();
            }
            for parent in &mut table.inherits {
                if parent == from {
                    *parent = to.clone();
                }
            }
        }
        // MySQL stores the text of a view: it goes on naming the old table, and fails.
        if dialect.is_mysql_family() {
            return;
        }
        if let Some(view) = self.catalog.views.get_mut(by) {
            if !view.query.tables.contains(from) {
                return;
            }
            for table in &mut view.query.tables {
                if table == from {
                    *table = to.clone();
                }
            }
            for read in &mut view.reads {
                if read.table == *from {
                    read.table = to.clone();
                }
            }
            if from.name != to.name {
                view.query.text =
                    rename_table_ident(&view.query.text, dialect, &from.name, &to.name);
            }
        }
    }

    /// SQLite rewrites the bodies of triggers (since 3.25).
    fn rename_in_sqlite_triggers(&mut self, from: &Ident, to: &Ident) {
        let dialect = self.dialect();
        let hit = |all: &[TriggerDef]| all.iter().any(|t| mentions_ident(&t.text, dialect, from));
        let rewrite = |all: &mut Vec<TriggerDef>| {
            for trigger in all {
                trigger.text = rename_ident(&trigger.text, dialect, from, to);
            }
        };
        let tables = self.catalog.tables.values().filter(|t| hit(&t.triggers));
        for name in tables.map(|t| t.name.clone()).collect::<Vec<_>>() {
            if let Some(table) = self.catalog.tables.get_mut(&name) {
                rewrite(&mut table.triggers);
            }
        }
        let views = self.catalog.views.values().filter(|v| hit(&v.triggers));
        for name in views.map(|v| v.name.clone()).collect::<Vec<_>>() {
            if let Some(view) = self.catalog.views.get_mut(&name) {
                rewrite(&mut view.triggers);
            }
        }
    }

    pub(super) fn rename_column(&mut self, table: &ObjectName, from: &Ident, to: &Ident) {
        let view = self.catalog.normalize(table);
        if self.catalog.views.contains_key(&view) {
            if let Some(view) = self.catalog.views.get_mut(&view) {
                for column in &mut view.columns {
                    if column == from {
                        *column = to.clone();
                    }
                }
            }
            return;
        }
        let from = &self.as_named_before(table, from);
        let Some(name) = self.altered_column(table, from) else { return };
        if self.is_sqlite() {
            self.refuse_for_broken_views();
        }
        self.make_room(&name, to);
        if from != to && self.catalog.tables.get(&name).is_some_and(|t| t.column(to).is_some()) {
            self.exists_part("column", &name, to);
            return;
        }
        for child in self.children(&name) {
            if self.catalog.tables.get(&child).is_some_and(|t| t.column(from).is_some()) {
                self.rename_column(&child, from, to);
            }
        }
        self.rename_in_own_table(&name, from, to);
        // MySQL keeps the text of a trigger as it was written.
        if !self.is_mysql() {
            self.follow_in_triggers(&name, from, to);
        }
        for by in self.catalog.lookup.mentioning(&name) {
            self.follow_column(&by, &name, from, to);
        }
        let owned = self.catalog.lookup.owned.get(&name).cloned().unwrap_or_default();
        for sequence in owned.keys() {
            if let Some((owner, column)) =
                self.catalog.sequences.get_mut(sequence).and_then(|s| s.owned_by.as_mut())
                && *owner == name
                && column == from
            {
                *column = to.clone();
            }
        }
    }

    fn rename_in_own_table(&mut self, name: &ObjectName, from: &Ident, to: &Ident) {
        let dialect = self.dialect();
        let Some(table) = self.catalog.tables.get_mut(name) else { return };
        if let Some(column) = table.columns.named_mut(from) {
            column.name = to.clone();
        }
        table.columns.change_where(
            |c| {
                c.generated.is_some()
                    || c.default.as_ref().is_some_and(|d| d.columns.contains(from))
            },
            |column| {
                if let Some(generated) = &mut column.generated {
                    rename_in_expr(&mut generated.expr, dialect, from, to);
                }
                // MariaDB's may read other columns, and follows them.
                if let Some(default) = &mut column.default {
                    rename_in_expr(default, dialect, from, to);
                }
            },
        );
        table.constraints.change_reading(from, |c| rename_in_constraint(c, dialect, from, to));
        rename_referred(&mut table.constraints, name, from, to);
        table.indexes.change_reading(from, |index| {
            for part in &mut index.parts {
                let plain = part.column.as_ref() == Some(from);
                if plain {
                    part.column = Some(to.clone());
                }
                let in_expr =
                    part.expr.as_mut().is_some_and(|e| rename_in_expr(e, dialect, from, to));
                if plain || in_expr {
                    part.text = rename_ident(&part.text, dialect, from, to);
                }
            }
            for column in &mut index.include {
                if column == from {
                    *column = to.clone();
                }
            }
            if let Some(predicate) = &mut index.predicate {
                rename_in_expr(predicate, dialect, from, to);
            }
        });
        for policy in table.policies.values_mut() {
            if mentions_ident(policy, dialect, from) {
                *policy = rename_ident(policy, dialect, from, to);
            }
        }
        if let Some(Partitioning::By(text)) = &mut table.partitioning
            && mentions_ident(text, dialect, from)
        {
            *text = rename_ident(text, dialect, from, to);
        }
    }

    /// A table or view that may mention a renamed column.
    fn follow_column(&mut self, by: &ObjectName, table: &ObjectName, from: &Ident, to: &Ident) {
        let dialect = self.dialect();
        if by != table
            && let Some(other) = self.catalog.tables.get_mut(by)
        {
            rename_referred(&mut other.constraints, table, from, to);
        }
        if dialect.is_mysql_family() {
            return;
        }
        if let Some(view) = self.catalog.views.get_mut(by) {
            let mut certain = false;
            for read in &mut view.reads {
                if read.table == *table && read.column == *from {
                    read.column = to.clone();
                    certain = read.certain;
                }
            }
            // Where the name may be another table's column, the text is better left alone.
            if certain {
                rename_in_query(&mut view.query, dialect, from, to);
            }
        }
    }

    /// Any object's `SET SCHEMA`.
    pub(super) fn set_schema(&mut self, kind: ObjectKind, name: &ObjectName, schema: &Ident) {
        let from = self.catalog.normalize(name);
        let to = self.catalog.in_schema(schema, &from);
        self.require_schema(&to);
        match kind {
            ObjectKind::Type | ObjectKind::Domain => self.move_type(&from, &to),
            ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate => {
                self.move_routines(&from, &to);
            }
            ObjectKind::Extension => {}
            _ => {
                if self.catalog.has_relation(&to) && from != to {
                    self.exists("relation", &to);
                    return;
                }
                if self.catalog.tables.contains_key(&from) {
                    self.move_table(&from, &to);
                } else if self.catalog.views.contains_key(&from) {
                    self.move_view(&from, &to);
                } else if self.catalog.sequences.contains_key(&from) {
                    self.move_sequence(&from, &to);
                } else if kind == ObjectKind::Table {
                    self.missing("table", &from);
                } else {
                    self.missing("relation", &from);
                }
            }
        }
    }

    /// Rename of an object that has no change of its own.
    pub(super) fn rename(
        &mut self,
        kind: ObjectKind,
        table: Option<&ObjectName>,
        from: &ObjectName,
        to: &Ident,
    ) {
        let name = self.catalog.normalize(from);
        let target = ObjectName { schema: name.schema.clone(), name: to.clone() };
        match kind {
            ObjectKind::Table | ObjectKind::ForeignTable => self.rename_table(&name, &target),
            ObjectKind::View | ObjectKind::MaterializedView => self.rename_view(&name, &target),
            ObjectKind::Index => self.rename_index(table, from, to),
            ObjectKind::Sequence => {
                if !self.catalog.sequences.contains_key(&name) {
                    self.missing("sequence", &name);
                } else if self.catalog.has_relation(&target) {
                    self.exists("relation", &target);
                } else {
                    self.move_sequence(&name, &target);
                }
            }
            ObjectKind::Type | ObjectKind::Domain => {
                if self.catalog.types.contains_key(&target) {
                    self.exists("type", &target);
                } else {
                    self.move_type(&name, &target);
                }
            }
            ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate => {
                self.move_routines(&name, &target);
            }
            ObjectKind::Column => {
                if let Some(table) = table {
                    self.rename_column(table, &from.name, to);
                }
            }
            ObjectKind::Constraint => {
                if let Some(table) = table {
                    self.rename_constraint(table, &from.name, to);
                }
            }
            ObjectKind::Trigger => self.rename_trigger(table, &from.name, to),
            ObjectKind::Policy => {
                if let Some(table) = table {
                    let (from, to) = (from.name.clone(), to.clone());
                    self.alter(table, |t| {
                        if let Some(text) = t.policies.remove(&from) {
                            t.policies.insert(to, text);
                        }
                    });
                }
            }
            ObjectKind::Schema => self.rename_schema(&from.name, to),
            _ => {
                if let Some(text) = self.catalog.others.remove(&(kind, name.clone())) {
                    self.catalog.others.insert((kind, target.clone()), text);
                }
                if let Some(owner) = self.catalog.owners.remove(&(kind, name)) {
                    self.catalog.owners.insert((kind, target), owner);
                }
            }
        }
    }

    /// Every object of a schema moves along with its name.
    fn rename_schema(&mut self, from: &Ident, to: &Ident) {
        if let Some(schema) = self.catalog.schemas.iter_mut().find(|s| *s == from) {
            *schema = to.clone();
        } else if self.catalog.default_schema.as_ref() == Some(from) {
            // What was in it keeps its keys, which leave the default schema out.
            self.catalog.default_schema = Some(to.clone());
            return;
        } else {
            let name = ObjectName::bare(from.clone());
            self.missing("schema", &name);
            return;
        }
        let inside = |name: &ObjectName| name.schema.as_ref() == Some(from);
        let moved =
            |name: &ObjectName| ObjectName { schema: Some(to.clone()), name: name.name.clone() };
        let tables: Vec<_> = self.catalog.tables.keys().filter(|n| inside(n)).cloned().collect();
        for name in tables {
            self.move_table(&name, &moved(&name));
        }
        let views: Vec<_> = self.catalog.views.keys().filter(|n| inside(n)).cloned().collect();
        for name in views {
            self.move_view(&name, &moved(&name));
        }
        let sequences: Vec<_> =
            self.catalog.sequences.keys().filter(|n| inside(n)).cloned().collect();
        for name in sequences {
            self.move_sequence(&name, &moved(&name));
        }
        let types: Vec<_> = self.catalog.types.keys().filter(|n| inside(n)).cloned().collect();
        for name in types {
            self.move_type(&name, &moved(&name));
        }
        let routines: Vec<_> =
            self.catalog.routines.keys().map(|k| k.name.clone()).filter(|n| inside(n)).collect();
        for name in routines {
            self.move_routines(&name, &moved(&name));
        }
    }
}

/// Foreign keys to `from` refer to `to` from now on.
fn retarget(constraints: &mut Parts<Constraint>, from: &ObjectName, to: &ObjectName) {
    constraints.change_where(
        |c| matches!(&c.kind, ConstraintKind::ForeignKey { table, .. } if table == from),
        |c| {
            if let ConstraintKind::ForeignKey { table, .. } = &mut c.kind {
                *table = to.clone();
            }
        },
    );
}

/// Foreign keys to a column of `table` follow its new name.
fn rename_referred(
    constraints: &mut Parts<Constraint>,
    table: &ObjectName,
    from: &Ident,
    to: &Ident,
) {
    constraints.change_where(
        |c| {
            matches!(&c.kind, ConstraintKind::ForeignKey { table: target, referred, .. }
                if target == table && referred.contains(from))
        },
        |c| {
            if let ConstraintKind::ForeignKey { referred, .. } = &mut c.kind {
                for column in referred.iter_mut().filter(|c| *c == from) {
                    *column = to.clone();
                }
            }
        },
    );
}
