//! The changes that lead from one catalog to another.
//!
//! Order is what makes them run: first what depends goes (triggers, policies, views, foreign
//! keys, keys), then what it depended on; then the same way up again.

mod attached;
mod column;
mod constraint;
mod index;
mod object;
mod rebuild;
mod table;

use std::collections::BTreeMap;

use downhaul_syntax::{Change, Dialect, ObjectName};

use crate::{Catalog, View};

/// A way from one catalog to another.
#[derive(Debug, Default)]
pub struct Way {
    /// Changes in the order in which they run.
    pub changes: Vec<Change>,
    /// What has no statement, and why.
    pub blocked: Vec<String>,
}

/// The changes that make `from` like `to`. What both share costs no more than its comparison.
#[must_use]
pub fn changes_between(from: &Catalog, to: &Catalog) -> Way {
    way(from, to, false)
}

/// As [`changes_between`], for SQLite while `PRAGMA foreign_keys` is off: tables to which others refer
/// are built anew as well.
#[must_use]
pub fn changes_without_foreign_keys(from: &Catalog, to: &Catalog) -> Way {
    way(from, to, true)
}

fn way(from: &Catalog, to: &Catalog, foreign_keys_off: bool) -> Way {
    let mut builder =
        Builder { from, to, steps: BTreeMap::new(), blocked: Vec::new(), foreign_keys_off };
    builder.schemas();
    builder.types();
    builder.sequences();
    builder.routines();
    builder.tables();
    builder.views();
    builder.rest();
    Way { changes: builder.steps.into_values().flatten().collect(), blocked: builder.blocked }
}

/// When a change runs among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    DropTriggers,
    DropViews,
    DropForeignKeys,
    /// MySQL: indexes without which others cannot go.
    ServeForeignKeys,
    DropIndexes,
    DropConstraints,
    CreateSchemas,
    CreateTypes,
    CreateSequences,
    CreateRoutines,
    CreateTables,
    DropColumns,
    AlterColumns,
    OwnSequences,
    AddKeys,
    CreateIndexes,
    AddForeignKeys,
    CreateSqlRoutines,
    CreateViews,
    CreateTriggers,
    Describe,
    DropTables,
    DropRoutines,
    DropSequences,
    DropTypes,
    DropSchemas,
}

struct Builder<'c> {
    from: &'c Catalog,
    to: &'c Catalog,
    steps: BTreeMap<Step, Vec<Change>>,
    blocked: Vec<String>,
    /// SQLite: nothing acts on rows that refer to a table while it is dropped.
    foreign_keys_off: bool,
}

impl<'c> Builder<'c> {
    /// The same two catalogs, and nothing found yet.
    fn empty(&self) -> Builder<'c> {
        Builder { steps: BTreeMap::new(), blocked: Vec::new(), ..*self }
    }

    fn push(&mut self, step: Step, change: Change) {
        self.steps.entry(step).or_default().push(change);
    }

    fn dialect(&self) -> Dialect {
        self.from.dialect
    }

    fn is_postgres(&self) -> bool {
        self.dialect() == Dialect::Postgres
    }

    fn is_mysql(&self) -> bool {
        self.dialect().is_mysql_family()
    }

    fn is_sqlite(&self) -> bool {
        self.dialect() == Dialect::Sqlite
    }

    fn blocked(&mut self, why: impl Into<String>) {
        self.blocked.push(why.into());
    }
}

/// Views so ordered that each stands behind those that it reads.
fn in_order_of_reading<'v>(views: &[&'v View]) -> Vec<&'v View> {
    let mut out: Vec<&View> = Vec::new();
    let mut left: Vec<&View> = views.to_vec();
    while !left.is_empty() {
        let waiting: Vec<ObjectName> = left.iter().map(|v| v.name.clone()).collect();
        let (ready, rest): (Vec<&View>, Vec<&View>) = left
            .iter()
            .copied()
            .partition(|v| v.query.tables.iter().all(|t| *t == v.name || !waiting.contains(t)));
        if ready.is_empty() {
            // A circle cannot be; a name that only looks like one must not stop us.
            out.extend(rest);
            break;
        }
        out.extend(ready);
        left = rest;
    }
    out
}
