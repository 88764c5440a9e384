//! What a statement does to a running system, as facts: no opinion.

use std::collections::BTreeMap;

use downhaul_catalog::view_columns;
use downhaul_syntax::change::OnlineDdl;
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, Position, Span};
use serde::{Serialize, Serializer};

use crate::state::State;

pub use table::{LOCK_FACTS_SETUP, LockFact, Versions, lock_facts};

mod changing;
pub(crate) mod collation;
pub(crate) mod computed;
pub(crate) mod condition;
mod default_value;
pub(crate) mod dropped;
pub(crate) mod inserted;
pub(crate) mod logical;
pub(crate) mod mysql;
pub(crate) mod policy;
pub(crate) mod postgres;
mod postgres_types;
pub(crate) mod published;
pub(crate) mod rebuilt;
pub(crate) mod refused;
pub(crate) mod refused_in_block;
pub(crate) mod refused_mysql;
mod refused_partitions;
mod refused_routine;
mod refused_sqlite;
mod row_counts;
pub(crate) mod seeds;
pub(crate) mod sqlite;
pub(crate) mod table;
pub(crate) mod type_change;
pub(crate) mod unique;
pub(crate) mod view_rows;

/// What surrounds a change whose effects are asked.
pub(crate) struct Scene<'a> {
    /// Catalog before it.
    pub(crate) state: State<'a>,
    /// Session settings in force, by lower-case name.
    pub(crate) settings: &'a BTreeMap<String, String>,
    /// MySQL `ALGORITHM=` and `LOCK=` of its statement.
    pub(crate) online: Option<&'a OnlineDdl>,
    /// All changes of its statement.
    pub(crate) siblings: &'a [Change],
    /// It is part of a rebuild of a table (create new, copy, drop, rename), which loses nothing.
    pub(crate) in_rebuild: bool,
    /// A table whose rebuild begins with it.
    pub(crate) remade: Option<rebuilt::Remade<'a>>,
    /// Text of its statement; empty where that holds other statements (`DO`, dynamic SQL).
    pub(crate) statement: &'a str,
    /// What earlier changes of the migration dropped.
    pub(crate) dropped: &'a [dropped::Dropped],
    /// Rows that earlier migrations and statements are known to have made.
    pub(crate) seeds: &'a seeds::Seeds,
    /// Changes of the migration after it.
    pub(crate) later: &'a [crate::facts::Item<'a>],
}

impl Scene<'_> {
    pub(crate) fn setting_is(&self, name: &str, values: &[&str]) -> bool {
        self.settings.get(name).is_some_and(|v| {
            values.iter().any(|w| v.trim_matches(['\'', '"', ' ']).eq_ignore_ascii_case(w))
        })
    }

    /// `ALTER TABLE ONLY`: partitions and heirs are left as they are.
    pub(crate) fn only(&self) -> bool {
        let mut words = self.statement.split_ascii_whitespace().take(5);
        self.state.dialect() == Dialect::Postgres
            && words.next().is_some_and(|w| w.eq_ignore_ascii_case("alter"))
            && words.next().is_some_and(|w| w.eq_ignore_ascii_case("table"))
            && words
                .find(|w| !w.eq_ignore_ascii_case("if") && !w.eq_ignore_ascii_case("exists"))
                .is_some_and(|w| w.eq_ignore_ascii_case("only"))
    }

    /// The session's time zone is known to be UTC.
    pub(crate) fn session_is_utc(&self) -> bool {
        ["timezone", "time zone"]
            .iter()
            .any(|name| self.setting_is(name, &["utc", "etc/utc", "gmt", "zulu", "0"]))
    }

    /// A trigger of this name is made again by this migration.
    pub(crate) fn trigger_again(&self, name: &Ident) -> bool {
        self.later
            .iter()
            .any(|i| matches!(i.change, Change::CreateTrigger { def, .. } if def.name == *name))
    }

    /// This migration makes the view again with all its columns.
    pub(crate) fn view_again(&self, name: &ObjectName) -> bool {
        let dialect = self.state.dialect();
        let Some(old) = self.state.catalog.view(name) else { return false };
        let Some(before) = view_columns::of_view(old, dialect) else { return false };
        self.later.iter().any(|i| match i.change {
            Change::CreateView { name: new, columns, query, .. } if new.name == name.name => {
                view_columns::of_definition(columns, query, dialect)
                    .is_some_and(|after| before.iter().all(|c| after.contains(c)))
            }
            _ => false,
        })
    }

    /// The routine that a change drops is created again by this migration.
    pub(crate) fn recreated_later(&self, change: &Change) -> bool {
        let Change::DropRoutine { name, .. } = change else { return false };
        self.later.iter().any(
            |i| matches!(i.change, Change::CreateRoutine { def, .. } if def.name.name == name.name),
        )
    }
}

/// Effects of a change on the catalog that it meets.
pub(crate) fn effects(change: &Change, scene: &Scene<'_>) -> Effects {
    let mut out = Effects::none();
    match scene.state.dialect() {
        Dialect::Postgres => postgres::physical(change, scene, &mut out),
        Dialect::Mysql | Dialect::MariaDb => mysql::physical(change, scene, &mut out),
        Dialect::Sqlite => sqlite::physical(change, scene, &mut out),
    }
    logical::logical(change, scene, &mut out);
    out.locks.sort_by_key(|l| std::cmp::Reverse(l.blocks));
    out
}

/// Whom a lock keeps waiting. Ordered: each also blocks what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocks {
    /// Nobody but row locks of the same rows.
    Nothing,
    /// Other DDL, vacuum, analyze.
    Ddl,
    /// `INSERT`, `UPDATE`, `DELETE`, and DDL.
    Writes,
    /// Everything, `SELECT` included.
    Reads,
}

impl Blocks {
    /// "nothing", "DDL", "writes", "reads and writes".
    #[must_use]
    pub fn for_people(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Ddl => "DDL",
            Self::Writes => "writes",
            Self::Reads => "reads and writes",
        }
    }
}

/// A lock on a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockEffect {
    /// The table (or view, materialized view, sequence).
    #[serde(serialize_with = "as_text")]
    pub table: ObjectName,
    /// As the server calls it: `ACCESS EXCLUSIVE`; MySQL: `COPY, LOCK=SHARED`.
    pub mode: &'static str,
    /// Whom it keeps waiting.
    pub blocks: Blocks,
}

/// What kind of statement of the running release stops working.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// Reads and writes that name the object.
    Any,
    /// Reads.
    Select,
    /// Inserts, or inserts that leave a column out.
    Insert,
    /// Updates.
    Update,
    /// Deletes.
    Delete,
    /// Calls of a routine.
    Call,
}

/// A kind of statement of the running release that stops working.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    /// Which statements.
    pub uses: Use,
    /// The object they name: `orders.total`.
    pub object: String,
    /// What happens to them: "column is gone".
    pub reason: String,
}

/// Data that is gone after the statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The table.
    #[serde(serialize_with = "as_text")]
    pub table: ObjectName,
    /// The column; `None` = rows.
    #[serde(serialize_with = "ident_as_text", skip_serializing_if = "Option::is_none")]
    pub column: Option<Ident>,
    /// Only some of it: values that do not fit, rows that a filter names.
    pub partial: bool,
}

/// Effects of a change or of a whole statement. Tables are named as the catalog names them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// Locks on tables that existed before the statement, strongest first.
    pub locks: Vec<LockEffect>,
    /// Tables that are written anew in full.
    #[serde(serialize_with = "all_as_text")]
    pub rewrites: Vec<ObjectName>,
    /// Tables that are read in full.
    #[serde(serialize_with = "all_as_text")]
    pub scans: Vec<ObjectName>,
    /// Tables on which indexes are built over all rows.
    #[serde(serialize_with = "all_as_text")]
    pub builds_indexes: Vec<ObjectName>,
    /// Statements of the running release that stop working.
    pub breaks: Vec<Break>,
    /// Data that is gone.
    pub loses: Vec<Loss>,
    /// Why the server refuses the statement.
    pub fails: Vec<String>,
    /// Whether a later statement can bring schema and data back without a restore point.
    pub reversible: bool,
}

impl Effects {
    /// No effect at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.locks.is_empty()
            && self.rewrites.is_empty()
            && self.scans.is_empty()
            && self.builds_indexes.is_empty()
            && self.breaks.is_empty()
            && self.loses.is_empty()
            && self.fails.is_empty()
            && self.reversible
    }

    /// Effects of nothing.
    #[must_use]
    pub fn none() -> Self {
        Self { reversible: true, ..Self::default() }
    }

    /// What the lock on this table blocks.
    #[must_use]
    pub fn blocks(&self, table: &ObjectName) -> Blocks {
        self.locks
            .iter()
            .filter(|l| l.table == *table)
            .map(|l| l.blocks)
            .max()
            .unwrap_or(Blocks::Nothing)
    }

    /// Takes up the effects of another change of the same statement.
    pub fn absorb(&mut self, other: &Self) {
        for lock in &other.locks {
            match self.locks.iter_mut().find(|l| l.table == lock.table) {
                Some(mine) if mine.blocks < lock.blocks => *mine = lock.clone(),
                Some(_) => {}
                None => self.locks.push(lock.clone()),
            }
        }
        self.locks.sort_by_key(|l| std::cmp::Reverse(l.blocks));
        extend_new(&mut self.rewrites, &other.rewrites);
        extend_new(&mut self.scans, &other.scans);
        extend_new(&mut self.builds_indexes, &other.builds_indexes);
        extend_new(&mut self.breaks, &other.breaks);
        extend_new(&mut self.loses, &other.loses);
        extend_new(&mut self.fails, &other.fails);
        self.reversible &= other.reversible;
    }
}

fn extend_new<T: Clone + PartialEq>(into: &mut Vec<T>, from: &[T]) {
    for item in from {
        if !into.contains(item) {
            into.push(item.clone());
        }
    }
}

/// Effects of one statement of an up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatementEffects {
    /// Path of the file.
    pub file: String,
    /// Version of the migration.
    pub version: String,
    /// Index of the statement in its file.
    pub statement: usize,
    /// Bytes in the file.
    pub span: Span,
    /// First character.
    pub start: Position,
    /// What it does.
    #[serde(flatten)]
    pub effects: Effects,
}

fn as_text<S: Serializer>(name: &ObjectName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(name)
}

fn ident_as_text<S: Serializer>(name: &Option<Ident>, serializer: S) -> Result<S::Ok, S::Error> {
    match name {
        Some(name) => serializer.collect_str(name),
        None => serializer.serialize_none(),
    }
}

fn all_as_text<S: Serializer>(names: &[ObjectName], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(ToString::to_string))
}
