//! The record in the database of every step: the truth after a crash.
//!
//! On PostgreSQL it lies in the schema `downhaul`, on SQLite in tables that begin with
//! `downhaul_`, as on MySQL and MariaDB. The same tables and the same SQL serve all.

mod definition;
mod operations;
mod planned;
mod points;
mod steps;
mod taken_back;

pub(crate) use planned::{Planned, STATE, fail_if};

use std::collections::BTreeMap;
use std::fmt::Display;

use downhaul_engine::{DumpObject, EngineError, ObjectId, SchemaDump, Session};
use downhaul_plan::{Checksum, Direction, Phase, Version};
use downhaul_snapshot::{Kept, sql};
use downhaul_syntax::Dialect;

use crate::stepwise;

/// Format of the journal. Raised whenever a reader of the old one would misunderstand the new one.
const FORMAT: i64 = 4;

/// What the journal says of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationState {
    /// Done.
    Applied,
    /// Its up, which no transaction can hold, is under way or was interrupted.
    Applying,
    /// Its down, which no transaction can hold, is under way or was interrupted.
    Reverting,
}

impl MigrationState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Applying => "applying",
            Self::Reverting => "reverting",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, EngineError> {
        match text {
            "applied" => Ok(Self::Applied),
            "applying" => Ok(Self::Applying),
            "reverting" => Ok(Self::Reverting),
            other => Err(EngineError::Protocol(format!("migration state `{other}`"))),
        }
    }
}

/// A migration that the journal knows.
#[derive(Clone, Debug)]
pub struct JournalEntry {
    /// Version.
    pub version: Version,
    /// Name.
    pub name: String,
    /// State.
    pub state: MigrationState,
    /// Checksum of the up as it ran.
    pub up: Checksum,
    /// Text of the up as it ran.
    pub up_sql: String,
    /// Checksum of the down that was beside it.
    pub down: Option<Checksum>,
    /// Text of the down that was beside it.
    pub down_sql: Option<String>,
    /// When.
    pub applied_at: String,
    /// By whom.
    pub applied_by: String,
    /// Application release that it belongs to.
    pub release: Option<String>,
    /// The phase that it was applied as.
    pub phase: Option<Phase>,
    /// Versions that its file stands for: it was written by `squash`.
    pub squashed: Vec<Version>,
}

impl JournalEntry {
    /// `0007_slim_customers`.
    #[must_use]
    pub fn label(&self) -> String {
        if self.name.is_empty() {
            self.version.to_string()
        } else {
            format!("{}_{}", self.version, self.name)
        }
    }

    /// Checksum of the down over its tokens, and over its bytes, as two columns hold it.
    fn down_checksum(&self) -> (Option<&str>, Option<&str>) {
        self.down.as_ref().map(|down| (down.tokens.as_str(), down.raw.as_str())).unzip()
    }
}

/// A run of a command.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Number.
    pub id: i64,
    /// `up` or `down`.
    pub verb: String,
    /// Versions that it meant to handle.
    pub versions: String,
    /// When it began.
    pub started_at: String,
    /// Who ran it, and where.
    pub who: String,
    /// How it ended: `running`, `done`, `failed`, `interrupted`.
    pub state: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Application release that it was run for.
    pub release: Option<String>,
    /// Newest applied version when it ended.
    pub head: Option<Version>,
    /// Commit of the migration files.
    pub commit: Option<String>,
}

/// What is kept of one table.
#[derive(Clone, Debug)]
pub struct Holding {
    /// The migration that destroyed it.
    pub version: Version,
    /// The way in which it ran.
    pub direction: Direction,
    /// When (UTC): `2026-01-02T03:04:05.678Z`.
    pub since: String,
    /// Bytes that it takes, where the server tells.
    pub bytes: Option<u64>,
    /// What it is.
    pub kept: Kept,
}

/// A restore point as the journal holds it.
#[derive(Clone, Debug)]
pub struct RestorePoint {
    /// Number.
    pub id: i64,
    /// The schema before the migration.
    pub before: SchemaDump,
    /// The schema after the migration.
    pub after: SchemaDump,
    /// Data kept.
    pub kept: Vec<Kept>,
    /// Tables of which data was kept until somebody gave it up, and when.
    pub pruned: Vec<(String, String)>,
    /// Its data has gone back already, in a way back that was cut off afterwards (MySQL).
    pub returned: bool,
}

/// The schema before and after a migration, as far as it changed, from its restore points, the last one first.
/// Each may hold what its own part of the migration changed: of an object, what it was before the first of these
/// and after the last.
#[must_use]
pub(crate) fn schemas_of(points: &[RestorePoint]) -> (SchemaDump, SchemaDump) {
    if let [only] = points {
        return (only.before.clone(), only.after.clone());
    }
    let mut found: BTreeMap<&ObjectId, usize> = BTreeMap::new();
    // Those of the last part come first: what was dropped earlier may need what was dropped later.
    let mut all: Vec<[Option<&DumpObject>; 2]> = Vec::new();
    for point in points {
        let (before, after) = (point.before.by_id(), point.after.by_id());
        let only_after = point.after.objects.iter().filter(|o| !before.contains_key(&o.id));
        for object in point.before.objects.iter().chain(only_after) {
            let was = before.get(&object.id).copied();
            match found.get(&object.id) {
                Some(at) => all[*at][0] = was,
                None => {
                    found.insert(&object.id, all.len());
                    all.push([was, after.get(&object.id).copied()]);
                }
            }
        }
    }
    let side =
        |of: usize| SchemaDump { objects: all.iter().filter_map(|o| o[of].cloned()).collect() };
    (side(0), side(1))
}

/// SQL of the journal for one dialect.
#[derive(Clone, Copy, Debug)]
pub struct Journal {
    dialect: Dialect,
}

impl Journal {
    /// The journal of a dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect }
    }

    pub(crate) fn table(self, name: &str) -> String {
        sql::own(self.dialect, name)
    }

    pub(crate) fn text(self, value: &str) -> String {
        self.dialect.literal(value)
    }

    fn opt(self, value: Option<&str>) -> String {
        value.map_or_else(|| "NULL".into(), |value| self.text(value))
    }

    pub(crate) fn now(self) -> &'static str {
        sql::now(self.dialect)
    }

    /// Every migration that the journal knows, in the order of versions.
    pub async fn entries(
        self,
        session: &mut dyn Session,
    ) -> Result<Vec<JournalEntry>, EngineError> {
        let newer = self.since_two(session, "phase, squashed", "NULL, NULL").await?;
        let rows = session
            .rows(&format!(
                "SELECT version, name, state, up_tokens, up_raw, up_sql, down_tokens, down_raw, down_sql, applied_at, applied_by, release_label, {newer} FROM {}",
                self.table("migration")
            ))
            .await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            entries.push(JournalEntry {
                version: Version::new(row.text(0)),
                name: row.text(1).to_owned(),
                state: MigrationState::parse(row.text(2))?,
                up: Checksum { tokens: row.text(3).to_owned(), raw: row.text(4).to_owned() },
                up_sql: row.text(5).to_owned(),
                down: row
                    .opt(6)
                    .zip(row.opt(7))
                    .map(|(tokens, raw)| Checksum { tokens: tokens.into(), raw: raw.into() }),
                down_sql: row.opt(8).map(str::to_owned),
                applied_at: row.text(9).to_owned(),
                applied_by: row.text(10).to_owned(),
                release: row.opt(11).map(str::to_owned),
                phase: row.opt(12).and_then(Phase::parse),
                squashed: row
                    .opt(13)
                    .and_then(|list| serde_json::from_str(list).ok())
                    .unwrap_or_default(),
            });
        }
        if entries.iter().any(|entry| entry.state != MigrationState::Applied) {
            // Of a message that was cut off, the catalog tells what took effect.
            for doubt in stepwise::in_doubt(session, self).await? {
                match doubt.state() {
                    None => entries.retain(|entry| entry.version != doubt.version),
                    Some(state) => entries
                        .iter_mut()
                        .filter(|entry| entry.version == doubt.version)
                        .for_each(|entry| entry.state = state),
                }
            }
        }
        entries.sort_by(|a, b| a.version.cmp(&b.version));
        Ok(entries)
    }

    /// Whether a migration is recorded, asked within its own transaction.
    pub async fn has(
        self,
        session: &mut dyn Session,
        version: &Version,
    ) -> Result<bool, EngineError> {
        Ok(session.number(&self.count(version)).await? > 0)
    }

    /// The query behind [`Self::has`].
    pub(crate) fn count(self, version: &Version) -> String {
        format!(
            "SELECT count(*) FROM {} WHERE version = {}",
            self.table("migration"),
            self.text(version.as_str())
        )
    }

    /// Versions that the journal knows, oldest first.
    pub async fn versions(self, session: &mut dyn Session) -> Result<Vec<Version>, EngineError> {
        let rows = session
            .rows(&format!("SELECT version, state FROM {}", self.table("migration")))
            .await?;
        let mut versions: Vec<Version> = rows.iter().map(|row| Version::new(row.text(0))).collect();
        versions.sort();
        if rows.iter().any(|row| row.text(1) != "applied") {
            for doubt in stepwise::in_doubt(session, self).await? {
                if doubt.state().is_none() {
                    versions.retain(|version| *version != doubt.version);
                }
            }
        }
        Ok(versions)
    }

    /// Statement that takes a file's present text for what was applied.
    #[must_use]
    pub fn accept(self, entry: &JournalEntry) -> String {
        let (tokens, raw) = entry.down_checksum();
        format!(
            "UPDATE {} SET up_tokens = {}, up_raw = {}, up_sql = {}, down_tokens = {}, down_raw = {}, down_sql = {} WHERE version = {}",
            self.table("migration"),
            self.text(&entry.up.tokens),
            self.text(&entry.up.raw),
            self.text(&entry.up_sql),
            self.opt(tokens),
            self.opt(raw),
            self.opt(entry.down_sql.as_deref()),
            self.text(entry.version.as_str())
        )
    }

    /// Statement that records a migration.
    #[must_use]
    pub fn record(self, entry: &JournalEntry, operation: i64, duration_ms: impl Display) -> String {
        self.record_all(std::slice::from_ref(entry), operation, duration_ms)
    }

    /// Statement that records migrations.
    #[must_use]
    pub(crate) fn record_all(
        self,
        entries: &[JournalEntry],
        operation: i64,
        duration_ms: impl Display,
    ) -> String {
        let values: Vec<String> =
            entries.iter().map(|entry| self.values(entry, operation, &duration_ms)).collect();
        format!(
            "INSERT INTO {} (version, name, state, up_tokens, up_raw, up_sql, down_tokens, down_raw, down_sql, applied_at, applied_by, release_label, operation, duration_ms, phase, squashed) VALUES {}",
            self.table("migration"),
            values.join(", ")
        )
    }

    fn values(self, entry: &JournalEntry, operation: i64, duration_ms: impl Display) -> String {
        let (tokens, raw) = entry.down_checksum();
        format!(
            "({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {operation}, {duration_ms}, {}, {})",
            self.text(entry.version.as_str()),
            self.text(&entry.name),
            self.text(entry.state.as_str()),
            self.text(&entry.up.tokens),
            self.text(&entry.up.raw),
            self.text(&entry.up_sql),
            self.opt(tokens),
            self.opt(raw),
            self.opt(entry.down_sql.as_deref()),
            self.now(),
            self.text(&entry.applied_by),
            self.opt(entry.release.as_deref()),
            self.opt(entry.phase.map(Phase::as_str)),
            self.opt(squashed_text(&entry.squashed).as_deref()),
        )
    }

    /// Statement that notes what a file in the place of a migration stands for.
    #[must_use]
    pub fn mark_squashed(self, version: &Version, squashed: &[Version]) -> String {
        format!(
            "UPDATE {} SET squashed = {} WHERE version = {}",
            self.table("migration"),
            self.opt(squashed_text(squashed).as_deref()),
            self.text(version.as_str())
        )
    }

    /// Statement that changes the state of a migration.
    #[must_use]
    pub fn set_state(self, version: &Version, state: MigrationState) -> String {
        self.set_states(&[version], state)
    }

    /// The same of several.
    #[must_use]
    pub(crate) fn set_states(self, versions: &[&Version], state: MigrationState) -> String {
        format!(
            "UPDATE {} SET state = {} WHERE version IN ({})",
            self.table("migration"),
            self.text(state.as_str()),
            self.list(versions)
        )
    }

    /// Versions as a list of literals.
    pub(crate) fn list(self, versions: &[&Version]) -> String {
        let all: Vec<String> = versions.iter().map(|version| self.text(version.as_str())).collect();
        all.join(", ")
    }

    /// Statement that forgets a migration that was reverted.
    #[must_use]
    pub fn forget(self, version: &Version) -> String {
        format!(
            "DELETE FROM {} WHERE version = {}",
            self.table("migration"),
            self.text(version.as_str())
        )
    }
}

/// Versions as the journal writes them; nothing where there are none.
fn squashed_text(versions: &[Version]) -> Option<String> {
    if versions.is_empty() {
        return None;
    }
    serde_json::to_string(versions).ok()
}
