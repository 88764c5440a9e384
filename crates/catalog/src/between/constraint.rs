//! Constraints.

use super::table::parent_of;
use super::{Builder, Step};
use crate::apply::{constraint_def, is_key};
use crate::diff::same_constraint;
use crate::{Constraint, Part, Table};
use downhaul_syntax::{
    Change, ConstraintKind, Ident, IndexDef, ObjectKind, ObjectName, Partitioning,
};

impl Builder<'_> {
    pub(super) fn drop_constraint(&mut self, table: &Table, name: &Ident) {
        let change = Change::DropConstraint {
            table: table.name.clone(),
            name: name.clone(),
            if_exists: false,
            cascade: false,
        };
        self.push(Step::DropForeignKeys, change);
    }

    pub(super) fn constraints(&mut self, from: &Table, to: &Table) {
        let parent = match &to.partitioning {
            Some(Partitioning::Of { parent, .. }) => self.to.tables.get(parent),
            _ => None,
        };
        let mysql = self.is_mysql();
        let gone_with_column = |c: &Constraint| {
            let mut gone = false;
            c.each_column(&mut |column| {
                gone |= from.column(column).is_some() && to.column(column).is_none();
            });
            gone && !mysql
        };
        let (only_from, only_to) = from.constraints.unshared(&to.constraints);
        let mut changed: Vec<&Constraint> = Vec::new();
        for old in only_from {
            let twin = match &old.name {
                Some(name) => to.constraints.named(name),
                None => to.constraints.iter().find(|c| same_constraint(old, c, self.from, self.to)),
            };
            if twin.is_some_and(|t| same_constraint(old, t, self.from, self.to)) {
                continue;
            }
            changed.push(old);
        }
        let there = |c: &Constraint| match &c.name {
            Some(name) => {
                let mut twins = from.constraints.all_named(name);
                twins.any(|o| same_constraint(o, c, self.from, self.to))
            }
            None => from
                .constraints
                .iter()
                .any(|o| o.name.is_none() && same_constraint(o, c, self.from, self.to)),
        };
        let missing: Vec<&Constraint> = only_to.iter().copied().filter(|c| !there(c)).collect();
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
            for new in only_to {
                let old = new.name.as_ref().and_then(|name| from.constraints.named(name));
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
}

/// The statements that add a constraint. What it includes can only come through its index.
pub(super) fn add_constraint(table: &Table, constraint: &Constraint) -> Vec<Change> {
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
