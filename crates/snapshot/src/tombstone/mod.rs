//! Tombstones: a table that a migration drops is moved out of sight instead, whatever its size, and
//! moved back on the way back. Nothing is copied.
//!
//! On PostgreSQL what the real statement does stays the measure. It is run first, and taken back: its
//! error is the error, and what `CASCADE` takes with it goes. Only then is the table stripped of what
//! would act on others or keep them from being dropped (triggers, rules, policies, foreign keys), given
//! names that are in nobody's way, and moved into the schema `downhaul`, which its owner alone can
//! read.
//!
//! On SQLite the table gets a name of ours, and so do its indexes, within the migration's transaction.
//!
//! On MariaDB and MySQL the table gets a name of ours within its database, and loses its foreign keys
//! in the same statement. Nothing can be tried first there, so whatever a `DROP TABLE` might be refused
//! for is looked for beforehand, and such a table is copied.
//!
//! A tombstone goes back as it is only where that is the same as putting its rows back one by one:
//! the way back has made the table anew, it is empty, it has the same columns, and no row has lost
//! its parent since. Else it becomes a copy and goes the way of all copies.

use downhaul_engine::Session;
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, Statement};
use serde::{Deserialize, Serialize};

use crate::keep::Endangered;
use crate::loss::TableLoss;
use crate::store::{Kept, KeptMode, SnapshotError};

pub mod back;
pub mod column;
pub mod mysql;
mod mysql_column;
pub mod postgres;
mod sqlite;

/// What stands against setting a table aside.
struct Obstacles {
    /// Bytes of the table: without its indexes on PostgreSQL, guessed on SQLite.
    bytes: u64,
    /// The first of them.
    why: Option<&'static str>,
}

/// How what a statement destroys is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Small tables are copied, large ones set aside as tombstones.
    #[default]
    Auto,
    /// A copy, which depends on nothing.
    Copy,
    /// A tombstone wherever one can be made, whatever the size.
    Tombstone,
}

/// From so many bytes on (indexes left out) [`Policy::Auto`] sets a table aside. Copying less takes
/// well under a second.
pub const LARGE: u64 = 64 << 20;

/// A table that was set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// What was renamed with it, since names of these are shared by a whole schema.
    pub parts: Vec<Part>,
    /// Bytes that it held then, indexes included.
    pub bytes: u64,
    /// What is said behind `ADD` to give it its foreign keys again, where they do not come back with
    /// the schema (MariaDB, MySQL).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<String>,
    /// Its definition and those of its parts, where names within them were changed (SQLite).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    /// Columns of a table that stays.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<column::HiddenColumn>,
}

/// An index, sequence or statistics object of a table that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Its own name.
    pub name: Ident,
    /// Its name while it is out of sight.
    pub hidden: Ident,
}

/// Kinds of [`Part`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// An index, a constraint's own included.
    Index,
    /// A sequence that belongs to a column.
    Sequence,
    /// Extended statistics.
    Statistics,
}

impl PartKind {
    /// The word behind `ALTER`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Index => "INDEX",
            Self::Sequence => "SEQUENCE",
            Self::Statistics => "STATISTICS",
        }
    }
}

/// How one table is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Its rows are copied.
    Copy {
        /// Why it could not be set aside, where that was wanted.
        why: Option<String>,
    },
    /// It is set aside.
    Tombstone,
    /// The columns that it loses are renamed.
    Hidden,
}

impl Choice {
    /// Whether nothing is copied.
    #[must_use]
    pub fn is_aside(&self) -> bool {
        matches!(self, Self::Tombstone | Self::Hidden)
    }

    fn copy(why: &str) -> Self {
        Self::Copy { why: Some(why.to_owned()) }
    }

    const PLAIN: Self = Self::Copy { why: None };
}

/// Whether the text of a migration allows a table to be set aside; else why not.
fn refusal(
    table: &ObjectName,
    loss: &TableLoss,
    statements: &[&Statement],
) -> Option<&'static str> {
    let changed = loss.truncated
        || loss.rows
        || loss.renamed_to.is_some()
        || !loss.columns.is_empty()
        || !loss.retyped.is_empty()
        || !loss.renamed_columns.is_empty();
    if changed {
        return Some("the migration changes it before it drops it");
    }
    let drops_only = |statement: &Statement| {
        let changes = statement.changes();
        changes.iter().all(|change| matches!(change, Change::DropTable { .. }))
            && changes.iter().any(|change| {
                matches!(change, Change::DropTable { name, .. }
                    if name.name == table.name && (name.schema.is_none() || name.schema == table.schema))
            })
    };
    if statements.iter().any(|statement| drops_only(statement)) {
        None
    } else {
        Some("it is dropped by a statement that does other things too")
    }
}

/// Whether a migration drops what tables may be made of: types, functions, sequences, extensions.
#[must_use]
pub fn takes_other_objects(statements: &[&Statement]) -> bool {
    statements.iter().any(|statement| {
        statement.changes().is_empty()
            || statement.changes().iter().any(|change| {
                !matches!(
                    change,
                    Change::DropTable { .. }
                        | Change::CreateTable { .. }
                        | Change::AddColumn { .. }
                        | Change::DropColumn { .. }
                        | Change::AddConstraint { .. }
                        | Change::DropConstraint { .. }
                        | Change::CreateIndex { .. }
                        | Change::DropIndex { .. }
                        | Change::Insert { .. }
                        | Change::Update { .. }
                        | Change::Delete { .. }
                        | Change::Select { .. }
                        | Change::Comment { .. }
                        | Change::DropView { .. }
                        | Change::CreateView { .. }
                        | Change::RenameTable { .. }
                        | Change::RenameColumn { .. }
                        | Change::AlterColumnType { .. }
                        | Change::SetNotNull { .. }
                        | Change::DropNotNull { .. }
                        | Change::SetDefault { .. }
                        | Change::DropDefault { .. }
                        | Change::Truncate { .. }
                        | Change::Grant { .. }
                        | Change::CreateTrigger { .. }
                        | Change::DropTrigger { .. }
                        | Change::CreateType { .. }
                        | Change::CreateRoutine { .. }
                        | Change::CreateSequence { .. }
                        | Change::CreateSchema { .. }
                        | Change::SetVariable { .. }
                )
            })
    })
}

/// Decides how a table is kept of which a migration drops something. `hide` says that somebody asked
/// for the columns that it loses to be renamed. `statements` are those that run in the same
/// transaction. Asks the server for the size, the rights and whatever else stands against it.
pub async fn choose(
    session: &mut dyn Session,
    table: &Endangered,
    (policy, hide): (Policy, bool),
    statements: &[&Statement],
) -> Result<Choice, SnapshotError> {
    let columns = !table.loss.dropped && !table.loss.columns.is_empty();
    if columns && !table.loss.follows.is_empty() {
        // Of a column that follows from others, only what differs is kept.
        return Ok(Choice::PLAIN);
    }
    if columns && session.dialect().is_mysql_family() {
        if !hide && !mysql_column::is_wanted(session, table, policy).await? {
            return Ok(Choice::PLAIN);
        }
        let why = mysql_column::obstacle(session, table, statements).await?;
        return Ok(why.map_or(Choice::Hidden, Choice::copy));
    }
    if hide && columns {
        let others = takes_other_objects(statements);
        let why = column::obstacle(session, table, statements, others).await?;
        return Ok(why.map_or(Choice::Hidden, Choice::copy));
    }
    if policy == Policy::Copy {
        return Ok(Choice::PLAIN);
    }
    let mysql = session.dialect().is_mysql_family();
    if mysql && table.loss.dropped {
        return mysql::choose(session, table, policy, statements).await;
    }
    if !table.loss.dropped {
        let columns = policy == Policy::Tombstone && !table.loss.columns.is_empty();
        return Ok(if columns {
            Choice::copy(
                "a column cannot be put out of the sight of `SELECT *`; name it to have it renamed",
            )
        } else {
            Choice::PLAIN
        });
    }
    if session.dialect() == Dialect::Sqlite {
        let found = sqlite::obstacles(session, table, statements).await?;
        if policy == Policy::Auto && found.bytes < LARGE {
            return Ok(Choice::PLAIN);
        }
        let why = refusal(&table.shape.name, &table.loss, statements).or(found.why);
        return Ok(why.map_or(Choice::Tombstone, Choice::copy));
    }
    let others = takes_other_objects(statements);
    let Some(found) = postgres::obstacles(session, &table.shape.name, others).await? else {
        return Ok(Choice::PLAIN);
    };
    if policy == Policy::Auto && found.bytes < LARGE {
        return Ok(Choice::PLAIN);
    }
    let why = refusal(&table.shape.name, &table.loss, statements).or(found.why);
    Ok(why.map_or(Choice::Tombstone, Choice::copy))
}

/// What a tombstone looks like: a change of it means that somebody altered or dropped it.
pub async fn signature(session: &mut dyn Session, kept: &Kept) -> Result<String, SnapshotError> {
    if kept.mode == KeptMode::Hidden {
        return column::signature(session, kept).await;
    }
    match session.dialect() {
        Dialect::Mysql | Dialect::MariaDb => mysql::signature(session, kept).await,
        Dialect::Sqlite => sqlite::signature(session, kept).await,
        Dialect::Postgres => postgres::signature(session, kept).await,
    }
}

/// Describes the tombstone that a table will become, within the migration's transaction; on PostgreSQL
/// it is locked as its drop will lock it.
pub async fn announce(
    session: &mut dyn Session,
    table: &Endangered,
    id: i64,
) -> Result<Kept, SnapshotError> {
    match session.dialect() {
        Dialect::Sqlite => sqlite::announce(session, table, id).await,
        _ => postgres::announce(session, table, id).await,
    }
}

/// Runs a statement whose tables or columns are to be set aside; `None` where it drops none of them.
/// Returns the statements that stood for it, and a remark where a copy had to be made after all.
pub async fn drop_aside(
    session: &mut dyn Session,
    statement: &Statement,
    kept: &mut [Kept],
) -> Result<Option<(Vec<String>, Option<String>)>, SnapshotError> {
    if kept.iter().any(|k| k.mode == KeptMode::Hidden)
        && let Some(done) = column::drop_columns(session, statement, kept).await?
    {
        return Ok(Some(done));
    }
    if !kept.iter().any(|k| k.mode == KeptMode::Tombstone && k.tombstone.is_none()) {
        return Ok(None);
    }
    match session.dialect() {
        Dialect::Sqlite => sqlite::drop_table(session, statement, kept).await,
        _ => postgres::drop_tables(session, statement, kept).await,
    }
}
