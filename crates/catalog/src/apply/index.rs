//! Indexes.

use downhaul_syntax::change::ReindexTarget;
use downhaul_syntax::{
    ConstraintDef, ConstraintKind, Expr, Ident, IndexDef, IndexPart, ObjectName, Partitioning, Span,
};

use super::copy::is_key;
use super::dependents::Dependent;
use super::{Applier, names};
use crate::text::same_text;
use crate::{Constraint, Index, Problem};

/// Columns that every table of PostgreSQL has.
const SYSTEM_COLUMNS: &[&str] = &["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid"];

impl Applier<'_> {
    pub(super) fn create_index(&mut self, def: &IndexDef, if_not_exists: bool) {
        let target = self.catalog.normalize(&def.table);
        let on_view = self.catalog.views.get(&target).is_some_and(|v| v.materialized);
        let table = if on_view {
            target
        } else {
            match self.altered_table(&def.table) {
                Some(table) => table,
                None => return,
            }
        };
        if self.is_mysql() && def.unique && plain_columns(def).is_some() && def.method.is_none() {
            self.create_mysql_unique(&table, def, if_not_exists);
            return;
        }
        let stated = def.name.as_ref().map(|name| ObjectName {
            schema: if self.is_postgres() { table.schema.clone() } else { None },
            name: names::truncated(self.dialect(), &name.name),
        });
        if let Some(name) = &stated {
            let taken = if self.is_mysql() {
                self.mysql_key_exists(&table, &name.name)
            } else {
                self.catalog.has_relation(name)
            };
            if taken {
                if !if_not_exists {
                    self.exists("index", name);
                }
                return;
            }
        }
        if !on_view {
            self.require_index_columns(&table, def);
        }
        let name_generated = stated.is_none();
        let name = stated.unwrap_or_else(|| self.invent_index_name(&table, def));
        let divided = self
            .catalog
            .tables
            .get(&table)
            .is_some_and(|t| matches!(t.partitioning, Some(Partitioning::By(_))));
        let index = Index {
            name: name.clone(),
            name_generated,
            parts: def.parts.clone(),
            unique: def.unique,
            method: def.method.clone().filter(|m| m != "btree"),
            include: def.include.clone(),
            predicate: def.predicate.clone(),
            nulls_not_distinct: def.nulls_not_distinct,
            invisible: def.invisible,
            invalid: def.only && divided,
            implied: false,
            options: def.options.clone(),
            comment: None,
            origin: self.origin,
        };
        if !self.is_mysql() {
            self.catalog.lookup.index_owner.insert(name, table.clone());
        }
        if on_view {
            if let Some(view) = self.catalog.views.get_mut(&table) {
                view.indexes.push(index);
            }
            return;
        }
        if let Some(t) = self.table(&table) {
            t.indexes.push(index);
        }
        if self.is_mysql() {
            self.drop_implied_indexes(&table);
        }
        if self.is_postgres() && !def.only {
            for child in self.children(&table) {
                let partition = self
                    .catalog
                    .tables
                    .get(&child)
                    .is_some_and(|t| matches!(t.partitioning, Some(Partitioning::Of { .. })));
                if partition && !self.takes_over_index(&table, &child, def) {
                    let mut def = def.clone();
                    def.name = None;
                    def.table = child;
                    self.create_index(&def, false);
                }
            }
        }
    }

    /// Whether a partition has such an index, which belongs to no other index of the parent: the server takes
    /// it over (`DefineIndex`).
    fn takes_over_index(&self, parent: &ObjectName, child: &ObjectName, def: &IndexDef) -> bool {
        let like = |index: &&Index| {
            let same = |a: &[IndexPart], b: &[IndexPart]| {
                a.len() == b.len()
                    && a.iter().zip(b).all(|(a, b)| same_text(&a.text, &b.text, self.dialect()))
            };
            let predicate = |e: &Option<Expr>| e.as_ref().map(|e| e.text.clone());
            !index.invalid
                && index.unique == def.unique
                && same(&index.parts, &def.parts)
                && predicate(&index.predicate) == predicate(&def.predicate)
                && index.include == def.include
                && index.nulls_not_distinct == def.nulls_not_distinct
                && index.method == def.method.clone().filter(|m| m != "btree")
        };
        let count = |table: &ObjectName| {
            self.catalog.tables.get(table).map_or(0, |t| t.indexes.iter().filter(like).count())
        };
        // The parent has the new one already.
        count(child) >= count(parent)
    }

    fn invent_index_name(&self, table: &ObjectName, def: &IndexDef) -> ObjectName {
        if self.is_mysql() {
            let first = def.parts.iter().find_map(|p| p.column.as_ref());
            return ObjectName::bare(self.mysql_key_name(table, first));
        }
        let columns = names::index_column_names(&def.parts, &def.include, self.dialect());
        let addition = names::addition(columns.iter().map(String::as_str));
        self.catalog.choose_relation_name(table, Some(&addition), "idx", false)
    }

    fn require_index_columns(&mut self, table: &ObjectName, def: &IndexDef) {
        let columns: Vec<Ident> = def
            .parts
            .iter()
            .filter_map(|p| p.column.clone())
            .chain(def.include.iter().cloned())
            .chain(def.parts.iter().filter_map(|p| p.expr.as_ref()).flat_map(|e| e.columns.clone()))
            .collect();
        for column in columns {
            let there = self.catalog.tables.get(table).is_none_or(|t| t.column(&column).is_some())
                || self.is_postgres() && SYSTEM_COLUMNS.contains(&column.as_str())
                || self.is_sqlite() && matches!(column.key(), "rowid" | "_rowid_" | "oid");
            if !there {
                self.missing_part("column", table, &column);
            }
        }
    }

    /// `CREATE UNIQUE INDEX` and `ADD UNIQUE` are one thing in MySQL.
    fn create_mysql_unique(&mut self, table: &ObjectName, def: &IndexDef, if_not_exists: bool) {
        let name = def.name.as_ref().map(|n| n.name.clone());
        if let Some(name) = &name
            && self.mysql_key_exists(table, name)
        {
            if !if_not_exists {
                self.exists_part("index", table, name);
            }
            return;
        }
        let constraint = ConstraintDef {
            name,
            kind: ConstraintKind::Unique {
                columns: plain_columns(def).unwrap_or_default(),
                nulls_not_distinct: false,
                using_index: None,
            },
            not_valid: false,
            deferrable: false,
            initially_deferred: false,
            not_enforced: false,
            span: Span::default(),
        };
        self.define_constraint(table, &constraint, false);
    }

    pub(super) fn drop_index(
        &mut self,
        name: &ObjectName,
        table: Option<&ObjectName>,
        if_exists: bool,
        cascade: bool,
    ) {
        if self.is_mysql() {
            let Some(table) = table.and_then(|t| self.altered_table(t)) else { return };
            if !self.drop_mysql_key(&table, &name.name) && !if_exists {
                self.missing_part("index", &table, &name.name);
            }
            return;
        }
        let name = self.index_key(name);
        self.note_maybe(&name);
        let Some(owner) = self.catalog.lookup.index_owner.get(&name).cloned() else {
            if !if_exists {
                self.missing("index", &name);
            }
            return;
        };
        if let Some(t) = self.catalog.tables.get(&owner) {
            if t.constraint(&name.name).is_some_and(|c| is_key(&c.kind)) {
                self.depends(
                    format!("index {name}"),
                    vec![format!("constraint {} on table {owner}", name.name)],
                );
                return;
            }
            let key =
                t.indexes.named(&name.name).filter(|i| i.unique).map(|i| {
                    i.parts.iter().filter_map(|p| p.column.clone()).collect::<Vec<Ident>>()
                });
            let unique_once = key.filter(|key| {
                t.unique_column_sets().filter(|set| super::constraint::same_set(set, key)).count()
                    == 1
            });
            if let Some(key) = unique_once
                && self.is_postgres()
            {
                let dependents = self.catalog.foreign_keys_on_key(&owner, &key, false);
                if cascade {
                    self.drop_dependents(&dependents);
                } else {
                    self.depends(
                        format!("index {name}"),
                        dependents.iter().map(ToString::to_string).collect(),
                    );
                }
            }
        }
        self.remove_index(&name);
    }

    /// The key of an index: in its table's schema.
    pub(super) fn index_key(&self, name: &ObjectName) -> ObjectName {
        let wanted = self.catalog.normalize(name);
        if self.is_sqlite() { ObjectName::bare(wanted.name) } else { wanted }
    }

    /// Takes an index out of its table or view.
    pub(super) fn remove_index(&mut self, name: &ObjectName) {
        let Some(owner) = self.catalog.lookup.index_owner.remove(name) else { return };
        let mut removed = None;
        if let Some(t) = self.catalog.tables.get_mut(&owner) {
            removed = t.indexes.remove_named(&name.name);
        } else if let Some(v) = self.catalog.views.get_mut(&owner) {
            v.indexes.remove_named(&name.name);
        }
        // The indexes of partitions that belong to this one go too.
        let Some(removed) = removed else { return };
        if self.catalog.tables.get(&owner).is_some_and(|t| t.partitioning.is_none()) {
            return;
        }
        for child in self.children(&owner) {
            let belongs = self.catalog.tables.get(&child).and_then(|t| {
                t.indexes
                    .iter()
                    .find(|i| {
                        i.parts == removed.parts
                            && i.unique == removed.unique
                            && i.predicate == removed.predicate
                    })
                    .map(|i| i.name.clone())
            });
            if let Some(index) = belongs {
                self.remove_index(&index);
            }
        }
    }

    /// Changes an index, wherever it is; `false` where there is none of this name.
    pub(super) fn alter_index(
        &mut self,
        name: &ObjectName,
        change: impl FnOnce(&mut Index),
    ) -> bool {
        let Some(owner) = self.catalog.lookup.index_owner.get(name).cloned() else { return false };
        let indexes = if let Some(t) = self.catalog.tables.get_mut(&owner) {
            &mut t.indexes
        } else if let Some(v) = self.catalog.views.get_mut(&owner) {
            &mut v.indexes
        } else {
            return false;
        };
        match indexes.named_mut(&name.name) {
            Some(index) => {
                change(index);
                true
            }
            // The index of a constraint is not modelled apart from it.
            None => self.catalog.lookup.index_owner.contains_key(name),
        }
    }

    pub(super) fn rename_index(
        &mut self,
        table: Option<&ObjectName>,
        from: &ObjectName,
        to: &Ident,
    ) {
        if self.is_mysql() {
            let Some(table) = table.and_then(|t| self.altered_table(t)) else { return };
            if self.mysql_key_exists(&table, to) {
                self.exists_part("index", &table, to);
                return;
            }
            let Some(t) = self.table(&table) else { return };
            let mut found = false;
            t.indexes.change_named(
                &from.name,
                |_| true,
                |index| {
                    index.name.name = to.clone();
                    index.name_generated = false;
                    index.implied = false;
                    found = true;
                },
            );
            let unique = |c: &Constraint| matches!(c.kind, ConstraintKind::Unique { .. });
            t.constraints.change_named(&from.name, unique, |c| {
                c.name = Some(to.clone());
                c.name_generated = false;
                found = true;
            });
            if !found {
                self.missing_part("index", &table, &from.name);
            }
            return;
        }
        let from = self.index_key(from);
        let target = ObjectName { schema: from.schema.clone(), name: to.clone() };
        let Some(owner) = self.catalog.lookup.index_owner.get(&from).cloned() else {
            self.missing("index", &from);
            return;
        };
        if self.catalog.has_relation(&target) {
            self.exists("index", &target);
            return;
        }
        self.alter_index(&from, |index| {
            index.name = target.clone();
            index.name_generated = false;
        });
        // The index of a constraint carries the constraint's name along.
        if let Some(t) = self.catalog.tables.get_mut(&owner) {
            t.constraints.change_named(
                &from.name,
                |c| is_key(&c.kind),
                |c| {
                    c.name = Some(to.clone());
                    c.name_generated = false;
                },
            );
        }
        self.catalog.lookup.index_owner.remove(&from);
        self.catalog.lookup.index_owner.insert(target, owner);
    }

    pub(super) fn attach_index(&mut self, index: &ObjectName) {
        let name = self.index_key(index);
        // It turns valid once every partition has its part; which of them have is not modelled.
        if !self.alter_index(&name, |i| i.invalid = false) {
            self.missing("index", &name);
        }
    }

    pub(super) fn alter_index_options(
        &mut self,
        index: &ObjectName,
        table: Option<&ObjectName>,
        text: &str,
    ) {
        let lower = text.to_lowercase();
        let invisible = if lower.contains("invisible")
            || lower.contains("ignored") && !lower.contains("not ignored")
        {
            Some(true)
        } else if lower.contains("visible") || lower.contains("not ignored") {
            Some(false)
        } else {
            None
        };
        if self.is_mysql() {
            let Some(table) = table.and_then(|t| self.altered_table(t)) else { return };
            if !self.mysql_key_exists(&table, &index.name) {
                self.missing_part("index", &table, &index.name);
                return;
            }
            if let (Some(invisible), Some(t)) = (invisible, self.table(&table)) {
                t.indexes.change_named(&index.name, |_| true, |i| i.invisible = invisible);
            }
            return;
        }
        let name = self.index_key(index);
        if !self.alter_index(&name, |_| {}) {
            self.missing("index", &name);
        }
    }

    pub(super) fn reindex(&mut self, target: &ReindexTarget) {
        match target {
            ReindexTarget::Index(name) if self.is_postgres() => {
                let name = self.index_key(name);
                if !self.alter_index(&name, |i| i.invalid = false) {
                    self.missing("index", &name);
                }
            }
            ReindexTarget::Table(name) => self.reads_columns(name, &[]),
            _ => {}
        }
    }

    /// Reports that an index serves a foreign key and cannot go.
    pub(super) fn index_needed(&mut self, table: &ObjectName, index: &Ident, by: &Dependent) {
        let reason = format!("cannot drop index {table}.{index}: needed in {by}");
        if !self.quiet() {
            self.problems.push(Problem::Refused { reason });
        }
    }
}

/// The columns of an index that has nothing but plain columns.
pub(super) fn plain_columns(def: &IndexDef) -> Option<Vec<Ident>> {
    def.parts
        .iter()
        .map(|p| {
            let column = p.column.clone()?;
            let plain = p.text.trim_matches(['`', '"', ' ']) == column.as_str();
            plain.then_some(column)
        })
        .collect()
}
