//! Columns that go, with what hangs on them, and what keeps one from going.

use downhaul_syntax::{ConstraintKind, Ident, ObjectName, Partitioning};

use super::Applier;
use super::dependents::Dependent;
use crate::text::mentions_ident;
use crate::{Index, Sequence};

impl Applier<'_> {
    pub(super) fn drop_column(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        if_exists: bool,
        cascade: bool,
    ) {
        let Some(name) = self.altered_table(table) else { return };
        if self.catalog.tables.get(&name).is_some_and(|t| t.column(column).is_none()) {
            if !if_exists {
                self.missing_part("column", &name, column);
            }
            return;
        }
        let dependents = self.catalog.dependents_on_column(&name, column);
        let of = format!("column {name}.{column}");
        if self.is_postgres() {
            self.refuse_partition_key(&name, column);
            if cascade {
                self.drop_dependents(&dependents);
            } else {
                let blocking = dependents
                    .iter()
                    .filter(|d| d.blocks_drop())
                    .map(ToString::to_string)
                    .collect();
                self.depends(of, blocking);
            }
        } else if self.is_sqlite() {
            self.refuse_for_broken_views();
            self.refuse_sqlite_drop(&name, column, &dependents);
        } else {
            self.refuse_mysql_drop(&name, column, &dependents);
        }
        for child in self.descendants(&name) {
            // A child keeps a column that it has by another parent or by itself; only what it
            // inherited alone goes, and that is all that is modelled.
            self.remove_column(&child, column);
        }
        self.remove_column(&name, column);
    }

    /// SQLite reads the whole schema again for `DROP COLUMN` and every rename: a view over a table
    /// that is not there makes it refuse (measured on 3.40).
    pub(super) fn refuse_for_broken_views(&mut self) {
        let broken = self.catalog.broken_view();
        if let Some((view, table)) = broken {
            self.refuse(format!("error in view {view}: no such table: {table}"));
        }
    }

    fn refuse_partition_key(&mut self, table: &ObjectName, column: &Ident) {
        let in_key = self.catalog.tables.get(table).is_some_and(|t| match &t.partitioning {
            Some(Partitioning::By(text)) => mentions_ident(text, self.dialect(), column),
            _ => false,
        });
        if in_key {
            self.refuse(format!(
                "cannot drop column {column}: it is part of the partition key of {table}"
            ));
        }
    }

    /// What SQLite's `DROP COLUMN` cannot do (measured on 3.40).
    fn refuse_sqlite_drop(&mut self, table: &ObjectName, column: &Ident, outer: &[Dependent]) {
        let Some(t) = self.catalog.tables.get(table) else { return };
        let mut reasons = Vec::new();
        if t.columns.len() == 1 && !t.columns_unknown {
            reasons.push(format!("cannot drop column {table}.{column}: no other columns exist"));
        }
        for c in t.constraints.reading(column) {
            match &c.kind {
                ConstraintKind::PrimaryKey { .. } => {
                    reasons.push(format!("cannot drop PRIMARY KEY column {table}.{column}"));
                }
                ConstraintKind::Unique { .. } => {
                    reasons.push(format!("cannot drop UNIQUE column {table}.{column}"));
                }
                // A foreign key of one column goes with it; a table constraint stays and breaks.
                ConstraintKind::ForeignKey { columns, .. } if columns.len() > 1 => {
                    reasons.push(format!(
                        "cannot drop column {table}.{column}: a foreign key of several columns uses it"
                    ));
                }
                ConstraintKind::Check { expr, .. }
                    if expr.columns.iter().any(|other| other != column) =>
                {
                    reasons.push(format!(
                        "cannot drop column {table}.{column}: a CHECK constraint uses it"
                    ));
                }
                _ => {}
            }
        }
        for index in t.indexes.reading(column) {
            reasons
                .push(format!("cannot drop column {table}.{column}: index {} uses it", index.name));
        }
        for dependent in outer {
            // SQLite checks no foreign key of another table here, but all views and triggers.
            let blocks = matches!(
                dependent,
                Dependent::View { certain: true, .. }
                    | Dependent::Trigger { .. }
                    | Dependent::GeneratedColumn { .. }
            );
            if blocks {
                reasons.push(format!("cannot drop column {table}.{column}: {dependent} uses it"));
            }
        }
        for reason in reasons {
            self.refuse(reason);
        }
    }

    /// Takes a column away with the constraints and indexes of its own table that use it, and the
    /// sequences that it owns.
    pub(super) fn remove_column(&mut self, name: &ObjectName, column: &Ident) {
        let mysql = self.is_mysql();
        let mut freed: Vec<Ident> = Vec::new();
        let Some(table) = self.table(name) else { return };
        table.columns.remove_named(column);
        if mysql {
            // MySQL manual, ALTER TABLE: the column leaves the indexes that it is part of; an
            // index without columns left is dropped.
            let alone = |i: &Index| i.parts.iter().all(|p| p.column.as_ref() == Some(column));
            table.indexes.retain_reading(column, |i| !alone(i));
            table.indexes.change_reading(column, |index| {
                index.parts.retain(|p| p.column.as_ref() != Some(column));
            });
            table.constraints.retain_reading(column, |c| match &c.kind {
                ConstraintKind::PrimaryKey { columns, .. }
                | ConstraintKind::Unique { columns, .. } => columns.iter().any(|c| c != column),
                _ => false,
            });
            table.constraints.change_reading(column, |c| match &mut c.kind {
                ConstraintKind::PrimaryKey { columns, .. }
                | ConstraintKind::Unique { columns, .. } => columns.retain(|c| c != column),
                _ => {}
            });
        } else {
            freed.extend(table.constraints.reading(column).filter_map(|c| c.name.clone()));
            freed.extend(table.indexes.reading(column).map(|i| i.name.name.clone()));
            table.constraints.retain_reading(column, |_| false);
            table.indexes.retain_reading(column, |_| false);
        }
        for index in freed {
            self.forget_index_name(name, &index);
        }
        self.drop_owned_sequences(name, column, |_| true);
    }

    /// Takes sequences of a column away, those that are meant.
    pub(super) fn drop_owned_sequences(
        &mut self,
        table: &ObjectName,
        column: &Ident,
        meant: impl Fn(&Sequence) -> bool,
    ) {
        let owned = self.catalog.lookup.owned.get(table).cloned().unwrap_or_default();
        for sequence in owned.keys() {
            let owned = self.catalog.sequences.get(sequence).is_some_and(|s| {
                s.owned_by.as_ref().is_some_and(|(t, c)| t == table && c == column) && meant(s)
            });
            if owned {
                self.forget_sequence(sequence);
            }
        }
    }
}
