//! Tracked tables: what is known of them, and where their history lies.
//!
//! A tracked table has, for each form that it had since, a history table with typed columns
//! ([`Version`]) into which triggers write what a row was before it changed. Events carry:
//!
//! - `downhaul_pos`: drawn from a sequence once the rows are locked, so that it orders the
//!   transactions that touched one row;
//! - `downhaul_seq`: drawn when the statement begins, only where triggers may nest
//!   ([`Version::nested`]), since there the events of one transaction are written in another order
//!   than they happened; elsewhere no such column is needed, and newer histories have none. Each of INSERT,
//!   UPDATE and DELETE has its own stack of beginnings: what foreign keys do belongs to the statement that
//!   made them do it, so that its statement triggers end in another order than they began;
//! - `downhaul_xid`: the whole transaction, whatever its savepoints: a moment is a set of
//!   transactions ([`crate::mark`]), not a time;
//! - `downhaul_op`: what happened, see [`Event`].

pub mod around;
pub mod choose;
pub mod follow;
pub mod install;
pub mod intend;
pub mod name;
pub mod postgres;
pub mod prune;
pub(crate) mod quiet;
pub mod report;

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, Ident, ObjectName};
use serde::{Deserialize, Serialize};

pub use around::Around;

use crate::numbered;
use crate::store::SnapshotError;

/// What an event says, as written in `downhaul_op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The row had this content before an UPDATE.
    Updated,
    /// The row had this content and is in the way of another, which may replace it.
    InTheWay,
    /// The row had this content and went.
    Deleted,
    /// The row had this content when the table was emptied.
    Truncated,
    /// The row had this content before the form of the table changed.
    Reshaped,
    /// A row with this key was inserted; without a key: a row of this content.
    Born,
    /// A row got this key.
    KeyBorn,
    /// The row with this key got another one.
    KeyLeft,
}

impl Event {
    /// As written in the history.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Updated => 'U',
            Self::InTheWay => 'W',
            Self::Deleted => 'D',
            Self::Truncated => 'T',
            Self::Reshaped => 'S',
            Self::Born => 'I',
            Self::KeyBorn => 'K',
            Self::KeyLeft => 'X',
        }
    }
}

/// Events that carry what the row was.
pub const IMAGES: &str = "'U', 'W', 'D', 'T', 'S'";
/// Events with which a key comes into being.
pub const BIRTHS: &str = "'I', 'K'";
/// Events with which a key ceases to be.
pub const DEATHS: &str = "'D', 'T', 'X'";

/// How changes are caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// Once a statement, by transition tables: cheap in bulk.
    Statement,
    /// Once a row: cheaper for single rows, and the only way in a partition tree, in inheritance,
    /// and where a subscription applies changes.
    Row,
}

/// A column of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackedColumn {
    /// Name.
    pub name: Ident,
    /// Type, as the server writes it.
    pub ty: String,
    /// Held as text, since the type may be dropped.
    pub user_type: bool,
    /// Number within its table, which renaming does not change.
    pub number: i64,
}

/// One form of a tracked table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// From 1.
    pub number: i64,
    /// The table that this was a form of.
    pub relation: i64,
    /// Columns, generated ones left out.
    pub columns: Vec<TrackedColumn>,
    /// Columns that tell rows apart; empty where nothing does.
    pub key: Vec<Ident>,
    /// There is `downhaul_seq`, and it is filled.
    pub nested: bool,
    /// Foreign keys of its own change its rows ([`choose::Facts::again`]): what happens to a row is written
    /// down just before it happens, by row triggers.
    #[serde(default)]
    pub again: bool,
    /// The history holds each row as one value ([`crate::composite`]).
    #[serde(default)]
    pub composite: bool,
}

impl Version {
    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &Ident) -> Option<&TrackedColumn> {
        self.columns.iter().find(|c| c.name == *name)
    }
}

/// A table whose triggers are out of the way while a migration changes what they name. Its rows were
/// written down before, and what is there afterwards is noted as new, so that every mark from before and
/// after finds what it should; a mark made meanwhile knows nothing of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Number of the last event that counts: those behind it go when the pause ends.
    pub at: i64,
    /// New names of columns that the statement under way gives, and …
    pub columns: Vec<(Ident, Ident)>,
    /// … that of the table.
    pub table: Option<ObjectName>,
    /// Marks from before cannot be reached: its rows cannot be told apart across the change.
    pub broken: bool,
}

/// What is being done to the triggers of a table, where each statement commits by itself (MariaDB, MySQL):
/// written down before, so that a run that is killed leaves no hole that nobody knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnderWay {
    /// They are out of the way of a migration.
    Paused(Pause),
    /// Others are made in their place.
    Exchanging(Box<Exchange>),
}

/// Triggers of a table that take the place of others while nobody can write: first all of the new ones are
/// made, then the old ones go, so that one set is whole at any moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Number of the newest event before it.
    pub at: i64,
    /// The table as it is then.
    pub next: Tracked,
}

/// A tracked table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracked {
    /// Number, unique within the database.
    pub id: i64,
    /// The table's number on the server; 0 while the table is gone.
    pub relation: i64,
    /// Its name.
    pub name: ObjectName,
    /// How changes are caught.
    pub capture: Capture,
    /// The person chose [`Self::capture`].
    pub chosen: bool,
    /// It has partitions.
    pub partitioned: bool,
    /// Its forms, oldest first; the last one is written now.
    pub versions: Vec<Version>,
    /// Names of the triggers that must be there.
    pub triggers: Vec<String>,
    /// A migration wrote down all rows before it took the table, or its form, away.
    #[serde(default)]
    pub kept_whole: bool,
    /// Engine.
    #[serde(default = "postgres")]
    pub dialect: Dialect,
    /// The name that it had before a migration renamed it, perhaps to make room for another.
    #[serde(default)]
    pub former: Option<ObjectName>,
    /// Numbers of its partitions that hold rows; empty where it has none, or nobody noted them. On MariaDB and MySQL
    /// each gets another one when it is emptied at once.
    #[serde(default)]
    pub leaves: Vec<i64>,
    /// Number that the server gives a table anew when it is emptied at once, where it tells.
    #[serde(default)]
    pub built: Option<i64>,
    /// Fingerprint of what the server's catalog said of the table when tracking was last seen to fit it
    /// ([`Around`]); none where nobody made one.
    #[serde(default)]
    pub seen: Option<String>,
    /// How often its triggers were made in the place of others: those have other names.
    #[serde(default, skip_serializing_if = "is_first")]
    pub generation: i64,
    /// What is being done to its triggers, or was when a run was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_way: Option<UnderWay>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_first(generation: &i64) -> bool {
    *generation == 0
}

/// The only engine when the first histories were written.
fn postgres() -> Dialect {
    Dialect::Postgres
}

impl Tracked {
    /// A table in its forms, on which nothing is installed yet; its number is the last form's.
    pub(crate) fn new(id: i64, name: ObjectName, dialect: Dialect, versions: Vec<Version>) -> Self {
        Self {
            id,
            relation: versions.last().map_or(0, |version| version.relation),
            name,
            capture: Capture::Row,
            chosen: false,
            partitioned: false,
            versions,
            triggers: Vec::new(),
            kept_whole: false,
            dialect,
            former: None,
            leaves: Vec::new(),
            built: None,
            seen: None,
            generation: 0,
            under_way: None,
        }
    }

    /// The table is there, and what happens to it is not written down, or not as it will be.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.relation != 0 && self.under_way.is_some()
    }

    /// A migration wrote down all rows before it took the table away.
    #[must_use]
    pub fn was_written_down(&self) -> bool {
        self.kept_whole || self.pause().is_some()
    }

    /// Its pause, if a migration has it under its hands.
    #[must_use]
    pub fn pause(&self) -> Option<&Pause> {
        match &self.under_way {
            Some(UnderWay::Paused(pause)) => Some(pause),
            _ => None,
        }
    }

    /// The form that is written now.
    #[must_use]
    pub fn current(&self) -> &Version {
        self.versions.last().expect("a tracked table has a version from its first moment on")
    }

    /// Rows can be told apart.
    #[must_use]
    pub fn has_key(&self) -> bool {
        !self.current().key.is_empty()
    }

    /// Quoted name, as rows are read and written: without the rows of inheriting tables.
    #[must_use]
    pub fn live(&self) -> String {
        let name = self.dialect.quote_name(&self.name);
        if self.partitioned || self.dialect != Dialect::Postgres {
            name
        } else {
            format!("ONLY {name}")
        }
    }

    /// Name for people.
    #[must_use]
    pub fn label(&self) -> String {
        let d = self.dialect;
        match &self.name.schema {
            Some(schema) if schema.as_str() == "public" => d.quote_if_needed(&self.name.name),
            _ => d.quote_name_if_needed(&self.name),
        }
    }
}

/// Name of a history table, qualified.
#[must_use]
pub fn history(id: i64, version: i64) -> String {
    format!("downhaul.log_{id}_{version}")
}

/// Whether this database has anything of tracking.
pub async fn exists(session: &mut dyn Session) -> Result<bool, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::exists(session).await;
    }
    let row = session.row("SELECT pg_catalog.to_regclass('downhaul.tracked') IS NOT NULL").await?;
    Ok(row.is_some_and(|row| row.flag(0)))
}

/// Refuses engines that cannot track yet.
pub fn check_engine(session: &dyn Session) -> Result<(), SnapshotError> {
    match session.dialect() {
        Dialect::Postgres if session.server().major >= 13 => Ok(()),
        Dialect::Postgres => Err(SnapshotError::CannotTrack(format!(
            "{} is too old: tracking needs PostgreSQL 13 (64-bit transaction numbers)",
            session.server().version
        ))),
        Dialect::Mysql if session.server().major < 8 => Err(SnapshotError::CannotTrack(format!(
            "{} is too old: tracking needs MySQL 8.0 (window functions)",
            session.server().version
        ))),
        Dialect::Sqlite | Dialect::MariaDb | Dialect::Mysql => Ok(()),
    }
}

/// Makes what tracking needs beside the journal. Within a transaction.
pub async fn ensure(session: &mut dyn Session) -> Result<(), SnapshotError> {
    check_engine(session)?;
    if numbered::is(session.dialect()) {
        return numbered::ensure(session).await;
    }
    if exists(session).await? {
        return Ok(());
    }
    for statement in [
        "CREATE SCHEMA IF NOT EXISTS downhaul",
        "REVOKE ALL ON SCHEMA downhaul FROM PUBLIC",
        "CREATE TABLE downhaul.tracked (id bigint PRIMARY KEY, relation oid, table_name text NOT NULL, \
         since_xid xid8 NOT NULL, since_at timestamptz NOT NULL, version bigint NOT NULL, detail text NOT NULL)",
        "CREATE INDEX tracked_relation ON downhaul.tracked (relation)",
        "CREATE TABLE downhaul.mark (id bigint PRIMARY KEY, name text NOT NULL UNIQUE, origin text NOT NULL, \
         at timestamptz NOT NULL, snap_min xid8 NOT NULL, snap_max xid8 NOT NULL, running xid8[] NOT NULL, lsn pg_lsn, \
         versions jsonb NOT NULL, sequences jsonb NOT NULL, who text NOT NULL)",
        "CREATE TABLE downhaul.restoration (id bigint PRIMARY KEY, at timestamptz NOT NULL, who text NOT NULL, \
         target text NOT NULL, before_mark bigint NOT NULL, after_mark bigint NOT NULL, tables text NOT NULL, \
         undoes bigint, undone_by bigint)",
    ] {
        session.execute(statement).await?;
    }
    Ok(())
}

/// Every tracked table.
pub async fn all(session: &mut dyn Session) -> Result<Vec<Tracked>, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::all(session).await;
    }
    if !exists(session).await? {
        return Ok(Vec::new());
    }
    those(session, "true").await
}

/// The tracked table that is meant by a name as people write it: the one that is there, where another one that
/// is gone had the same name.
pub async fn find<'a>(
    session: &mut dyn Session,
    all: &'a [Tracked],
    name: &ObjectName,
) -> Result<Option<&'a Tracked>, SnapshotError> {
    let shape = session.table_shape(name).await?;
    let full = shape.map_or_else(|| name.clone(), |shape| shape.name);
    let d = session.dialect();
    if d == Dialect::Postgres {
        let relation = session
            .number(&format!(
                "SELECT coalesce(pg_catalog.to_regclass({})::oid::bigint, 0)",
                d.literal(&d.quote_name(&full))
            ))
            .await?;
        if let Some(there) = all.iter().find(|t| relation != 0 && t.relation == relation) {
            return Ok(Some(there));
        }
    }
    Ok(all.iter().rfind(|t| t.name == full))
}

/// PostgreSQL: tracked tables for which a condition on their entry `t` holds.
async fn those(session: &mut dyn Session, condition: &str) -> Result<Vec<Tracked>, SnapshotError> {
    let rows = session
        .rows(&format!("SELECT detail FROM downhaul.tracked t WHERE {condition} ORDER BY id"))
        .await?;
    rows.iter()
        .map(|row| {
            serde_json::from_str(row.text(0)).map_err(|error| {
                SnapshotError::CannotTrack(format!("downhaul.tracked cannot be read: {error}"))
            })
        })
        .collect()
}

/// Statement that writes down what is known of a tracked table.
pub(crate) fn record(tracked: &Tracked, new: bool) -> Result<String, SnapshotError> {
    let d = Dialect::Postgres;
    let detail = d.literal(
        &serde_json::to_string(tracked)
            .map_err(|error| SnapshotError::CannotTrack(error.to_string()))?,
    );
    let name = d.literal(&d.quote_name(&tracked.name));
    let (id, relation, version) = (tracked.id, tracked.relation, tracked.current().number);
    let relation = if relation == 0 { "NULL".to_owned() } else { relation.to_string() };
    Ok(if new {
        format!(
            "INSERT INTO downhaul.tracked VALUES ({id}, {relation}, {name}, pg_catalog.pg_current_xact_id(), \
             pg_catalog.clock_timestamp(), {version}, {detail})"
        )
    } else {
        format!(
            "UPDATE downhaul.tracked SET relation = {relation}, table_name = {name}, version = {version}, \
             detail = {detail} WHERE id = {id}"
        )
    })
}
