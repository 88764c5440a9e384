//! Constraints that go, and what they take with them.

use downhaul_syntax::{ConstraintKind, Ident, ObjectName};

use super::constraint::{is_primary, same_set};
use super::copy::is_key;
use super::{Applier, names};
use crate::Constraint;

impl Applier<'_> {
    pub(super) fn drop_constraint(
        &mut self,
        table: &ObjectName,
        wanted: &Ident,
        if_exists: bool,
        cascade: bool,
    ) {
        let Some(name) = self.altered_table(table) else { return };
        let found = self.catalog.tables.get(&name).and_then(|t| t.constraint(wanted)).cloned();
        let Some(constraint) = found else {
            if self.drop_not_null_constraint(&name, wanted) {
                return;
            }
            if self.is_mysql() && self.drop_mysql_key(&name, wanted) {
                return;
            }
            if !if_exists {
                self.missing_part("constraint", &name, wanted);
            }
            return;
        };
        if matches!(
            constraint.kind,
            ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. }
        ) && self.is_postgres()
        {
            let dependents = self.catalog.foreign_keys_on_key(
                &name,
                constraint.key_columns(),
                is_primary(&constraint.kind),
            );
            if cascade {
                self.drop_dependents(&dependents);
            } else if !dependents.is_empty() && !self.another_key_serves(&name, &constraint) {
                self.depends(
                    format!("constraint {wanted} on table {name}"),
                    dependents.iter().map(ToString::to_string).collect(),
                );
            }
        }
        let mut all = vec![name.clone()];
        if self.is_postgres() && !is_key(&constraint.kind) {
            all.extend(self.descendants(&name));
        }
        for table in &all {
            if let Some(t) = self.table(table) {
                t.constraints.retain_named(wanted, |_| false);
            }
            if is_key(&constraint.kind) && !self.is_mysql() {
                self.forget_index_name(table, wanted);
            }
        }
        if is_key(&constraint.kind) && self.is_postgres() {
            self.drop_key_of_children(&name, &constraint);
        }
    }

    /// The keys that partitions got from their parent's key go with it.
    fn drop_key_of_children(&mut self, table: &ObjectName, constraint: &Constraint) {
        if self.catalog.tables.get(table).is_none_or(|t| t.partitioning.is_none()) {
            return;
        }
        for child in self.descendants(table) {
            let found = self.catalog.tables.get(&child).and_then(|t| {
                t.constraints
                    .iter()
                    .find(|c| c.kind == constraint.kind)
                    .and_then(|c| c.name.clone())
            });
            if let Some(found) = found {
                if let Some(t) = self.table(&child) {
                    t.constraints.retain_named(&found, |_| false);
                }
                self.forget_index_name(&child, &found);
            }
        }
    }

    /// Whether a second key on the same columns could serve the foreign keys. The server bound
    /// them to one of both: which one is not known.
    fn another_key_serves(&self, table: &ObjectName, constraint: &Constraint) -> bool {
        self.catalog.tables.get(table).is_some_and(|t| {
            let columns = constraint.key_columns();
            t.unique_column_sets().filter(|set| same_set(set, columns)).count() > 1
        })
    }

    /// PostgreSQL 18 names its NOT NULL constraints `table_column_not_null`.
    fn drop_not_null_constraint(&mut self, table: &ObjectName, wanted: &Ident) -> bool {
        let Some(t) = self.table(table) else { return false };
        let table_name = table.name.as_str();
        let hit = t.columns.iter().position(|column| match &column.not_null_name {
            Some(name) => name == wanted,
            None => {
                column.not_null
                    && wanted.as_str()
                        == names::object_name(table_name, Some(column.name.as_str()), "not_null")
            }
        });
        let Some(column) = hit.and_then(|at| t.columns.get_mut(at)) else { return false };
        column.not_null = false;
        column.not_null_name = None;
        true
    }

    pub(super) fn drop_primary_key(&mut self, table: &ObjectName) {
        let Some(name) = self.altered_table(table) else { return };
        let Some(t) = self.table(&name) else { return };
        let before = t.constraints.len();
        t.constraints.retain(|c| !is_primary(&c.kind));
        let gone = t.constraints.len() < before;
        let auto = t
            .columns
            .iter()
            .find(|c| c.auto_increment)
            .map(|c| c.name.clone())
            .filter(|c| gone && !t.has_prefix_index(std::slice::from_ref(c)));
        if !gone && !t.columns_unknown {
            self.refuse(format!("table {name} has no primary key to drop"));
        }
        // The statement may add another key for it in its next change: that is not known here, so
        // nothing is refused for an AUTO_INCREMENT column left without one.
        let _ = auto;
    }
}
