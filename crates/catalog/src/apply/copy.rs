//! Definitions taken over from another table: `LIKE`, `INHERITS`, `PARTITION OF`.

use downhaul_syntax::{
    ColumnDef, ConstraintDef, ConstraintKind, IndexDef, ObjectName, Partitioning, TableDef,
};

use super::Applier;
use crate::{Column, Constraint, Index, Table};

/// What `LIKE` includes.
struct Including(String);

impl Including {
    fn has(&self, what: &str) -> bool {
        let mut on = false;
        let mut words = self.0.split_whitespace();
        while let Some(word) = words.next() {
            let wanted = words.next().unwrap_or("");
            if wanted.eq_ignore_ascii_case(what) || wanted.eq_ignore_ascii_case("all") {
                on = word.eq_ignore_ascii_case("including");
            }
        }
        on
    }
}

impl Applier<'_> {
    /// The source of a copy, where its columns are known; otherwise the copy's are not known.
    fn source_of_copy(&mut self, into: &ObjectName, source: &ObjectName) -> Option<Table> {
        let source = self.catalog.normalize(source);
        if let Some(table) = self.catalog.tables.get(&source) {
            let copy = table.clone();
            if copy.columns_unknown
                && let Some(table) = self.table(into)
            {
                table.columns_unknown = true;
            }
            return Some(copy);
        }
        if !self.catalog.has_relation(&source) && !self.catalog.types.contains_key(&source) {
            self.missing("table", &source);
        }
        if let Some(table) = self.table(into) {
            table.columns_unknown = true;
        }
        None
    }

    pub(super) fn copy_like(&mut self, into: &ObjectName, source: &ObjectName, including: &str) {
        let Some(source) = self.source_of_copy(into, source) else { return };
        let origin = self.origin;
        let all = self.is_mysql();
        let including = Including(including.to_owned());
        for column in &source.columns {
            let mut column = column.clone();
            column.origin = origin;
            if !all {
                if !including.has("defaults") {
                    column.default = None;
                }
                if !including.has("identity") {
                    column.identity = None;
                }
                if !including.has("generated") {
                    column.generated = None;
                }
                if !including.has("comments") {
                    column.comment = None;
                }
                if !including.has("storage") {
                    column.options.remove("storage");
                }
            }
            if column.identity.is_some() && self.is_postgres() {
                self.own_sequence(into, &column.name, "", true);
            }
            self.push_column(into, column);
        }
        if all {
            let copied = self.table(into).is_some_and(|table| {
                table.options.clone_from(&source.options);
                table.constraints = source
                    .constraints
                    .iter()
                    .filter(|c| !matches!(c.kind, ConstraintKind::ForeignKey { .. }))
                    .cloned()
                    .map(|c| Constraint { origin, ..c })
                    .collect();
                table.indexes =
                    source.indexes.iter().cloned().map(|i| Index { origin, ..i }).collect();
                true
            });
            debug_assert!(copied, "the table was inserted before its copy");
            return;
        }
        if including.has("constraints") {
            for constraint in &source.constraints {
                if matches!(constraint.kind, ConstraintKind::Check { .. }) {
                    let mut copy = constraint.clone();
                    copy.origin = origin;
                    if !including.has("comments") {
                        copy.comment = None;
                    }
                    if let Some(table) = self.table(into) {
                        table.constraints.push(copy);
                    }
                }
            }
        }
    }

    /// `LIKE … INCLUDING INDEXES`: after the table's own constraints, with names invented anew.
    pub(super) fn copy_indexes_like(&mut self, into: &ObjectName, def: &TableDef) {
        for (source, including) in &def.like {
            let source = self.catalog.normalize(source);
            let Some(source) = self.catalog.tables.get(&source).cloned() else { continue };
            if !self.is_mysql() && Including(including.clone()).has("indexes") {
                self.copy_indexes(into, &source);
            }
        }
    }

    /// Keys and indexes of `source` for another table.
    fn copy_indexes(&mut self, into: &ObjectName, source: &Table) {
        for constraint in &source.constraints {
            if is_key(&constraint.kind) && !self.has_key_like(into, constraint) {
                let mut def = constraint_def(constraint);
                def.name = None;
                self.define_constraint(into, &def, false);
            }
        }
        for index in &source.indexes {
            let exists = self.catalog.tables.get(into).is_some_and(|t| {
                t.indexes.iter().any(|i| i.parts == index.parts && i.predicate == index.predicate)
            });
            if exists {
                continue;
            }
            let mut def = index_def(index, into);
            def.name = None;
            self.create_index(&def, false);
        }
    }

    fn has_key_like(&self, table: &ObjectName, constraint: &Constraint) -> bool {
        self.catalog.tables.get(table).is_some_and(|t| {
            t.constraints.iter().any(|c| {
                c.kind == constraint.kind
                    || matches!(
                        (&c.kind, &constraint.kind),
                        (ConstraintKind::PrimaryKey { .. }, ConstraintKind::PrimaryKey { .. })
                    )
            })
        })
    }

    /// `INHERITS` and `PARTITION OF`: columns and checks of the parents.
    pub(super) fn inherit_at_creation(&mut self, name: &ObjectName, def: &TableDef) {
        let parents: Vec<ObjectName> = match &def.partitioning {
            Some(Partitioning::Of { parent, .. }) => vec![parent.clone()],
            _ => def.inherits.clone(),
        };
        for parent in &parents {
            let partition = matches!(&def.partitioning, Some(Partitioning::Of { .. }));
            if let Some(source) = self.source_of_copy(name, parent) {
                if partition && source.partitioning.is_none() && !source.columns_unknown {
                    self.refuse(format!("{} is not partitioned", source.name));
                }
                for column in &source.columns {
                    let mut column = column.clone();
                    column.origin = self.origin;
                    column.comment = None;
                    if !partition {
                        column.identity = None;
                    }
                    self.push_column(name, column);
                }
                self.inherit_checks(name, &source);
            }
            let parent = self.catalog.normalize(parent);
            if !partition && let Some(table) = self.table(name) {
                table.inherits.push(parent);
            }
        }
    }

    fn inherit_checks(&mut self, name: &ObjectName, source: &Table) {
        let origin = self.origin;
        if let Some(table) = self.table(name) {
            for constraint in &source.constraints {
                let inherited =
                    matches!(constraint.kind, ConstraintKind::Check { no_inherit: false, .. });
                let there = constraint.name.as_ref().is_some_and(|n| table.constraint(n).is_some());
                if inherited && !there {
                    table.constraints.push(Constraint {
                        origin,
                        comment: None,
                        ..constraint.clone()
                    });
                }
            }
        }
    }

    /// `PARTITION OF`: keys, indexes, foreign keys and row triggers of the parent.
    pub(super) fn inherit_indexes_at_creation(&mut self, name: &ObjectName, def: &TableDef) {
        if let Some(Partitioning::Of { parent, .. }) = &def.partitioning {
            let parent = self.catalog.normalize(parent);
            self.inherit_parts(name, &parent);
        }
    }

    /// What a partition gets from its parent when it becomes one.
    pub(super) fn inherit_parts(&mut self, name: &ObjectName, parent: &ObjectName) {
        let Some(source) = self.catalog.tables.get(parent).cloned() else { return };
        self.inherit_checks(name, &source);
        self.copy_indexes(name, &source);
        for constraint in &source.constraints {
            if matches!(constraint.kind, ConstraintKind::ForeignKey { .. })
                && !self.has_key_like(name, constraint)
            {
                let mut def = constraint_def(constraint);
                let taken = def.name.as_ref().is_some_and(|n| {
                    self.catalog.tables.get(name).is_some_and(|t| t.constraint(n).is_some())
                });
                if taken {
                    def.name = None;
                }
                self.define_constraint(name, &def, false);
            }
        }
    }
}

/// Whether an index stands behind a constraint.
pub(crate) fn is_key(kind: &ConstraintKind) -> bool {
    matches!(
        kind,
        ConstraintKind::PrimaryKey { .. }
            | ConstraintKind::Unique { .. }
            | ConstraintKind::Exclude { .. }
    )
}

/// A constraint as a statement would define it.
#[must_use]
pub fn constraint_def(constraint: &Constraint) -> ConstraintDef {
    ConstraintDef {
        name: constraint.name.clone(),
        kind: constraint.kind.clone(),
        not_valid: constraint.not_valid,
        deferrable: constraint.deferrable,
        initially_deferred: constraint.initially_deferred,
        not_enforced: constraint.not_enforced,
        span: downhaul_syntax::Span::default(),
    }
}

/// A column as a statement would define it, the constraints of its table left out.
#[must_use]
pub fn column_def(column: &Column) -> ColumnDef {
    ColumnDef {
        name: column.name.clone(),
        ty: column.ty.clone(),
        not_null: column.not_null,
        not_null_name: column.not_null_name.clone(),
        default: column.default.clone(),
        generated: column.generated.clone(),
        identity: column.identity,
        auto_increment: column.auto_increment,
        collation: column.collation.clone(),
        comment: column.comment.clone(),
        on_update: column.on_update.clone(),
        invisible: column.invisible,
        constraints: Vec::new(),
        span: downhaul_syntax::Span::default(),
    }
}

/// An index as a statement would define it.
#[must_use]
pub fn index_def(index: &Index, table: &ObjectName) -> IndexDef {
    IndexDef {
        name: Some(index.name.clone()),
        table: table.clone(),
        parts: index.parts.clone(),
        unique: index.unique,
        method: index.method.clone(),
        include: index.include.clone(),
        predicate: index.predicate.clone(),
        nulls_not_distinct: index.nulls_not_distinct,
        only: false,
        invisible: index.invisible,
        options: index.options.clone(),
    }
}
