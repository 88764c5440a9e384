//! The record in the database of every step: the truth after a crash.
//!
//! On PostgreSQL it lies in the schema `downhaul`, on SQLite in tables that begin with
//! `downhaul_`, as on MySQL and MariaDB. The same tables and the same SQL serve all.

use std::collections::BTreeSet;

use downhaul_engine::{EngineError, LockBudget, SchemaDump, Session};
use downhaul_plan::{Checksum, Direction, Phase, Version};
use downhaul_snapshot::{Kept, sql};
use downhaul_syntax::Dialect;

use crate::RunError;
use crate::runner::Options;

/// Columns of an operation, as [`operations`] reads them.
const OPERATION: &str = "id, verb, versions, started_at, who, state, finished_at, error, release_label, head, git_commit";

/// Format of the journal. Raised whenever a reader of the old one would misunderstand the new one.
const FORMAT: i64 = 2;

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
    /// Versions that it stands for since they were folded into it.
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
    /// Its data has gone back already, in a way back that was cut off afterwards (MySQL).
    pub returned: bool,
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
        match self.dialect {
            Dialect::Postgres => {
                "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
            }
            Dialect::Mysql | Dialect::MariaDb => {
                "CONCAT(LEFT(DATE_FORMAT(UTC_TIMESTAMP(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z')"
            }
            Dialect::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
        }
    }

    /// Whether the database has a journal.
    pub async fn exists(self, session: &mut dyn Session) -> Result<bool, EngineError> {
        let sql = match self.dialect {
            Dialect::Postgres => "SELECT to_regclass('downhaul.format') IS NOT NULL",
            Dialect::Mysql | Dialect::MariaDb => {
                "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'downhaul_format'"
            }
            Dialect::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE name = 'downhaul_format'",
        };
        Ok(session.row(sql).await?.is_some_and(|row| row.flag(0)))
    }

    /// Makes the journal if it is not there, and checks that it is one that we understand. Within
    /// a transaction, under the migration lock.
    pub async fn ensure(self, session: &mut dyn Session) -> Result<(), RunError> {
        if !self.exists(session).await? {
            for statement in self.definition() {
                session.execute(&statement).await?;
            }
        }
        self.check_format(session).await
    }

    /// Refuses a journal of a newer Downhaul.
    pub async fn check_format(self, session: &mut dyn Session) -> Result<(), RunError> {
        let found =
            session.number(&format!("SELECT max(version) FROM {}", self.table("format"))).await?;
        if found > FORMAT {
            return Err(RunError::NewerJournal { found, known: FORMAT });
        }
        Ok(())
    }

    /// Columns that a journal of format 2 has, or what stands for them in an older one, which a
    /// command that only reads must understand too.
    async fn since_two(
        self,
        session: &mut dyn Session,
        columns: &'static str,
        else_: &'static str,
    ) -> Result<&'static str, EngineError> {
        let found =
            session.number(&format!("SELECT max(version) FROM {}", self.table("format"))).await?;
        Ok(if found >= 2 { columns } else { else_ })
    }

    async fn operation_columns(self, session: &mut dyn Session) -> Result<String, EngineError> {
        let commit = self.since_two(session, "git_commit", "NULL").await?;
        Ok(OPERATION.replace("git_commit", commit))
    }

    /// Brings the journal of an older Downhaul to the present format. Under the migration lock;
    /// after a kill the next run does the rest.
    pub async fn upgrade(
        self,
        session: &mut dyn Session,
        budget: LockBudget,
    ) -> Result<(), EngineError> {
        let found =
            session.number(&format!("SELECT max(version) FROM {}", self.table("format"))).await?;
        if found >= FORMAT {
            return Ok(());
        }
        session.begin(budget).await?;
        let done = self.upgrade_from_one(session).await;
        match done {
            Ok(()) => session.commit().await,
            Err(error) => {
                session.rollback().await?;
                Err(error)
            }
        }
    }

    async fn upgrade_from_one(self, session: &mut dyn Session) -> Result<(), EngineError> {
        let mysql = self.dialect.is_mysql_family();
        let text = if mysql { "longtext" } else { "text" };
        for (table, column) in
            [("migration", "phase"), ("migration", "squashed"), ("operation", "git_commit")]
        {
            if mysql {
                // Each of these commits by itself, so a kill may have left some.
                let there = session
                    .number(&format!(
                        "SELECT count(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{}' AND COLUMN_NAME = '{column}'",
                        self.table(table)
                    ))
                    .await?;
                if there > 0 {
                    continue;
                }
            }
            session
                .execute(&format!("ALTER TABLE {} ADD COLUMN {column} {text}", self.table(table)))
                .await?;
        }
        for statement in self.definition() {
            if statement.contains(&format!("{} (id", self.table("note"))) {
                session.execute(&statement).await?;
            }
        }
        session
            .execute(&format!("UPDATE {} SET version = {FORMAT}", self.table("format")))
            .await
            .map(drop)
    }

    /// Writes down something beside the steps: a session that was ended, for example.
    pub async fn note(
        self,
        session: &mut dyn Session,
        operation: i64,
        version: Option<&Version>,
        kind: &str,
        detail: &str,
    ) -> Result<(), EngineError> {
        let table = self.table("note");
        let id = session.number(&format!("SELECT coalesce(max(id), 0) + 1 FROM {table}")).await?;
        session
            .execute(&format!(
                "INSERT INTO {table} (id, operation, version, at, kind, detail) VALUES ({id}, {operation}, {}, {}, {}, {})",
                self.opt(version.map(Version::as_str)),
                self.now(),
                self.text(kind),
                self.text(detail),
            ))
            .await
            .map(drop)
    }

    /// Notes of the newest operations: number of the operation, kind, text.
    pub async fn notes(
        self,
        session: &mut dyn Session,
        operations: &[Operation],
    ) -> Result<Vec<(i64, String, String)>, EngineError> {
        let Some(first) = operations.iter().map(|o| o.id).min() else { return Ok(Vec::new()) };
        if self.since_two(session, "1", "").await?.is_empty() {
            return Ok(Vec::new());
        }
        let rows = session
            .rows(&format!(
                "SELECT operation, kind, detail FROM {} WHERE operation >= {first} ORDER BY id",
                self.table("note")
            ))
            .await?;
        rows.iter()
            .map(|row| Ok((row.number(0)?, row.text(1).to_owned(), row.text(2).to_owned())))
            .collect()
    }

    fn definition(self) -> Vec<String> {
        let mut statements = Vec::new();
        if self.dialect == Dialect::Postgres {
            statements.push("CREATE SCHEMA IF NOT EXISTS downhaul".to_owned());
            // Kept rows are as secret as the tables that they come from.
            statements.push("REVOKE ALL ON SCHEMA downhaul FROM PUBLIC".to_owned());
        }
        let tables = [
            ("format", "version bigint NOT NULL"),
            (
                "migration",
                "version text PRIMARY KEY, name text NOT NULL, state text NOT NULL, \
                 up_tokens text NOT NULL, up_raw text NOT NULL, up_sql text NOT NULL, \
                 down_tokens text, down_raw text, down_sql text, \
                 applied_at text NOT NULL, applied_by text NOT NULL, release_label text, \
                 operation bigint NOT NULL, duration_ms bigint NOT NULL, phase text, squashed text",
            ),
            (
                "operation",
                "id bigint PRIMARY KEY, verb text NOT NULL, versions text NOT NULL, state text NOT NULL, \
                 started_at text NOT NULL, finished_at text, who text NOT NULL, tool text NOT NULL, error text, \
                 release_label text, head text, schema_after text, git_commit text",
            ),
            (
                "step",
                "operation bigint NOT NULL, version text NOT NULL, direction text NOT NULL, ordinal bigint NOT NULL, \
                 statement text NOT NULL, state text NOT NULL, at text NOT NULL, duration_ms bigint NOT NULL, \
                 PRIMARY KEY (operation, version, direction, ordinal)",
            ),
            (
                "note",
                "id bigint PRIMARY KEY, operation bigint NOT NULL, version text, at text NOT NULL, kind text NOT NULL, detail text NOT NULL",
            ),
            (
                "restore_point",
                "id bigint PRIMARY KEY, version text NOT NULL, direction text NOT NULL, operation bigint NOT NULL, \
                 created_at text NOT NULL, state text NOT NULL, schema_before text NOT NULL, schema_after text NOT NULL",
            ),
            (
                "kept",
                "id bigint PRIMARY KEY, restore_point bigint NOT NULL, table_name text NOT NULL, rows_kept bigint NOT NULL, detail text NOT NULL",
            ),
        ];
        if self.dialect.is_mysql_family() {
            // Each of these commits. The format comes last, at once with its table: it says that
            // the journal is whole.
            for (name, columns) in tables.into_iter().skip(1) {
                let columns = mysql_columns(columns);
                let probe = if name == "step" { "probe longtext NULL, " } else { "" };
                statements.push(format!(
                    "CREATE TABLE IF NOT EXISTS {} ({probe}{columns}) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                    self.table(name)
                ));
            }
            statements.push(format!(
                "CREATE TABLE {} (version bigint NOT NULL PRIMARY KEY) ENGINE=InnoDB AS SELECT {FORMAT} AS version",
                self.table("format")
            ));
            return statements;
        }
        for (name, columns) in tables {
            statements.push(format!("CREATE TABLE {} ({columns})", self.table(name)));
        }
        statements.push(format!("INSERT INTO {} VALUES ({FORMAT})", self.table("format")));
        statements
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

    /// Operations that ended without saying so: with the lock in our hands, they are dead.
    pub async fn interrupted(
        self,
        session: &mut dyn Session,
    ) -> Result<Vec<Operation>, EngineError> {
        let columns = self.operation_columns(session).await?;
        let rows = session
            .rows(&format!(
                "SELECT {columns} FROM {} WHERE state = 'running' ORDER BY id",
                self.table("operation")
            ))
            .await?;
        operations(&rows)
    }

    /// The newest operations first.
    pub async fn operations(
        self,
        session: &mut dyn Session,
        limit: usize,
    ) -> Result<Vec<Operation>, EngineError> {
        let columns = self.operation_columns(session).await?;
        let rows = session
            .rows(&format!(
                "SELECT {columns} FROM {} ORDER BY id DESC LIMIT {limit}",
                self.table("operation")
            ))
            .await?;
        operations(&rows)
    }

    /// Statement that marks operations found running as interrupted. Only with the lock in hand.
    #[must_use]
    pub fn settle_operations(self) -> String {
        format!(
            "UPDATE {} SET state = 'interrupted', finished_at = {} WHERE state = 'running'",
            self.table("operation"),
            self.now()
        )
    }

    /// Begins an operation; returns its number. Operations found running are marked interrupted.
    pub async fn begin_operation(
        self,
        session: &mut dyn Session,
        verb: &str,
        versions: &[Version],
        options: &Options,
    ) -> Result<i64, EngineError> {
        let table = self.table("operation");
        let id = session.number(&format!("SELECT coalesce(max(id), 0) + 1 FROM {table}")).await?;
        let versions = serde_json::to_string(versions)
            .map_err(|error| EngineError::Protocol(error.to_string()))?;
        session.execute(&self.settle_operations()).await?;
        session
            .execute(&format!(
                "INSERT INTO {table} (id, verb, versions, state, started_at, who, tool, release_label, git_commit) VALUES ({id}, {}, {}, 'running', {}, {}, {}, {}, {})",
                self.text(verb),
                self.text(&versions),
                self.now(),
                self.text(&options.who),
                self.text(concat!("downhaul ", env!("CARGO_PKG_VERSION"))),
                self.opt(options.release.as_deref()),
                self.opt(options.commit.as_deref()),
            ))
            .await?;
        Ok(id)
    }

    /// Statements that end an operation. The schema that it leaves is what the next `verify`
    /// compares with; only the newest is kept.
    pub fn end_operation(
        self,
        id: i64,
        state: &str,
        error: Option<&str>,
        head: Option<&Version>,
        schema: &SchemaDump,
    ) -> Result<String, EngineError> {
        let table = self.table("operation");
        let schema = serde_json::to_string(schema)
            .map_err(|error| EngineError::Protocol(error.to_string()))?;
        Ok(format!(
            "UPDATE {table} SET schema_after = NULL WHERE schema_after IS NOT NULL; \
             UPDATE {table} SET state = {}, finished_at = {}, error = {}, head = {}, schema_after = {} WHERE id = {id}",
            self.text(state),
            self.now(),
            self.opt(error),
            self.opt(head.map(Version::as_str)),
            self.text(&schema),
        ))
    }

    /// The schema as the last operation left it.
    pub async fn schema_left(
        self,
        session: &mut dyn Session,
    ) -> Result<Option<SchemaDump>, EngineError> {
        let row = session
            .row(&format!(
                "SELECT schema_after FROM {} WHERE schema_after IS NOT NULL ORDER BY id DESC LIMIT 1",
                self.table("operation")
            ))
            .await?;
        row.map(|row| {
            serde_json::from_str(row.text(0))
                .map_err(|error| EngineError::Protocol(format!("recorded schema: {error}")))
        })
        .transpose()
    }

    /// The newest version that was applied when a run for this release ended well.
    pub async fn head_of_release(
        self,
        session: &mut dyn Session,
        release: &str,
    ) -> Result<Option<Version>, EngineError> {
        let row = session
            .row(&format!(
                "SELECT head FROM {} WHERE release_label = {} AND state = 'done' AND head IS NOT NULL ORDER BY id DESC LIMIT 1",
                self.table("operation"),
                self.text(release)
            ))
            .await?;
        Ok(row.map(|row| Version::new(row.text(0))))
    }

    /// Versions that the journal knows, oldest first.
    pub async fn versions(self, session: &mut dyn Session) -> Result<Vec<Version>, EngineError> {
        let rows =
            session.rows(&format!("SELECT version FROM {}", self.table("migration"))).await?;
        let mut versions: Vec<Version> = rows.iter().map(|row| Version::new(row.text(0))).collect();
        versions.sort();
        Ok(versions)
    }

    /// Every restore point that is still held, newest first, with the migration it belongs to.
    pub async fn all_kept(
        self,
        session: &mut dyn Session,
    ) -> Result<Vec<(Version, Kept)>, EngineError> {
        let rows = session
            .rows(&format!(
                "SELECT r.version, k.detail FROM {} r JOIN {} k ON k.restore_point = r.id WHERE r.state = 'held' ORDER BY k.id",
                self.table("restore_point"),
                self.table("kept")
            ))
            .await?;
        rows.iter()
            .map(|row| {
                let kept = serde_json::from_str(row.text(1))
                    .map_err(|error| EngineError::Protocol(format!("restore point: {error}")))?;
                Ok((Version::new(row.text(0)), kept))
            })
            .collect()
    }

    /// Statement that takes a file's present text for what was applied.
    #[must_use]
    pub fn accept(self, entry: &JournalEntry) -> String {
        let (tokens, raw) = match &entry.down {
            Some(down) => (Some(down.tokens.as_str()), Some(down.raw.as_str())),
            None => (None, None),
        };
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
    pub fn record(self, entry: &JournalEntry, operation: i64, duration_ms: u128) -> String {
        let (tokens, raw) = match &entry.down {
            Some(down) => (Some(down.tokens.as_str()), Some(down.raw.as_str())),
            None => (None, None),
        };
        format!(
            "INSERT INTO {} (version, name, state, up_tokens, up_raw, up_sql, down_tokens, down_raw, down_sql, applied_at, applied_by, release_label, operation, duration_ms, phase, squashed) \
             VALUES ({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {operation}, {duration_ms}, {}, {})",
            self.table("migration"),
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

    /// Statement that changes the state of a migration.
    #[must_use]
    pub fn set_state(self, version: &Version, state: MigrationState) -> String {
        format!(
            "UPDATE {} SET state = {} WHERE version = {}",
            self.table("migration"),
            self.text(state.as_str()),
            self.text(version.as_str())
        )
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

    /// Statement that records steps (number from 1, text, milliseconds) in a state.
    #[must_use]
    pub fn steps(
        self,
        operation: i64,
        version: &Version,
        direction: Direction,
        steps: &[(usize, &str, u128)],
        state: &str,
    ) -> Option<String> {
        let rows: Vec<String> = steps
            .iter()
            .map(|(ordinal, statement, ms)| {
                format!(
                    "({operation}, {}, '{direction}', {ordinal}, {}, '{state}', {}, {ms})",
                    self.text(version.as_str()),
                    self.text(statement),
                    self.now()
                )
            })
            .collect();
        (!rows.is_empty()).then(|| {
            format!(
                "INSERT INTO {} (operation, version, direction, ordinal, statement, state, at, duration_ms) VALUES {}",
                self.table("step"),
                rows.join(", ")
            )
        })
    }

    /// Statement that marks a step that was recorded as intended.
    #[must_use]
    pub fn finish_step(
        self,
        operation: i64,
        version: &Version,
        direction: Direction,
        ordinal: usize,
        state: &str,
        ms: u128,
    ) -> String {
        format!(
            "UPDATE {} SET state = '{state}', at = {}, duration_ms = {ms} WHERE operation = {operation} AND version = {} AND direction = '{direction}' AND ordinal = {ordinal}",
            self.table("step"),
            self.now(),
            self.text(version.as_str())
        )
    }

    /// Newest state of each step (from 1) of a migration that is half done: its number, text, and
    /// whether it is done.
    pub async fn half_done(
        self,
        session: &mut dyn Session,
        version: &Version,
        direction: Direction,
    ) -> Result<Vec<(usize, String, bool)>, EngineError> {
        let table = self.table("step");
        // Steps of earlier, completed runs of the same migration do not count: a run that ended
        // marks its steps `settled`.
        let rows = session
            .rows(&format!(
                "SELECT ordinal, statement, state FROM {table} WHERE version = {} AND direction = '{direction}' AND state IN ('intended', 'started', 'done') ORDER BY operation, ordinal",
                self.text(version.as_str())
            ))
            .await?;
        let mut steps: Vec<(usize, String, bool)> = Vec::new();
        for row in &rows {
            let ordinal = usize::try_from(row.number(0)?).unwrap_or(0);
            let done = row.text(2) == "done";
            match steps.iter_mut().find(|(n, ..)| *n == ordinal) {
                Some(step) => step.2 |= done,
                None => steps.push((ordinal, row.text(1).to_owned(), done)),
            }
        }
        Ok(steps)
    }

    /// Statement that closes the steps of a migration which is whole again.
    #[must_use]
    pub fn settle_steps(self, version: &Version, direction: Direction) -> String {
        format!(
            "UPDATE {} SET state = 'settled' WHERE version = {} AND direction = '{direction}' AND state IN ('intended', 'started', 'done')",
            self.table("step"),
            self.text(version.as_str())
        )
    }

    /// Number for the next store.
    pub async fn next_kept(self, session: &mut dyn Session) -> Result<i64, EngineError> {
        session
            .number(&format!("SELECT coalesce(max(id), 0) + 1 FROM {}", self.table("kept")))
            .await
    }

    /// Records a restore point.
    pub async fn add_restore_point(
        self,
        session: &mut dyn Session,
        version: &Version,
        direction: Direction,
        operation: i64,
        schemas: (&SchemaDump, &SchemaDump),
        kept: &[Kept],
    ) -> Result<(), EngineError> {
        let table = self.table("restore_point");
        let id = session.number(&format!("SELECT coalesce(max(id), 0) + 1 FROM {table}")).await?;
        let json = |value: &SchemaDump| {
            serde_json::to_string(value).map_err(|error| EngineError::Protocol(error.to_string()))
        };
        session
            .execute(&format!(
                "INSERT INTO {table} (id, version, direction, operation, created_at, state, schema_before, schema_after) VALUES ({id}, {}, '{direction}', {operation}, {}, 'held', {}, {})",
                self.text(version.as_str()),
                self.now(),
                self.text(&json(schemas.0)?),
                self.text(&json(schemas.1)?),
            ))
            .await?;
        for kept in kept {
            let detail = serde_json::to_string(kept)
                .map_err(|error| EngineError::Protocol(error.to_string()))?;
            session
                .execute(&format!(
                    "INSERT INTO {} (id, restore_point, table_name, rows_kept, detail) VALUES ({}, {id}, {}, {}, {})",
                    self.table("kept"),
                    kept.id,
                    self.text(&kept.table.to_string()),
                    kept.rows,
                    self.text(&detail),
                ))
                .await?;
        }
        Ok(())
    }

    /// Migrations of which [`Self::restore_points`] has something, all at once.
    pub async fn with_restore_points(
        self,
        session: &mut dyn Session,
        direction: Direction,
    ) -> Result<BTreeSet<Version>, EngineError> {
        let rows = session
            .rows(&format!(
                "SELECT DISTINCT version FROM {} WHERE direction = '{direction}' AND state IN ('held', 'returned')",
                self.table("restore_point")
            ))
            .await?;
        Ok(rows.iter().map(|row| Version::new(row.text(0))).collect())
    }

    /// The restore points that the last run of a migration in a direction left and that are still
    /// held, newest first: one for each of its transactions that destroyed something.
    pub async fn restore_points(
        self,
        session: &mut dyn Session,
        version: &Version,
        direction: Direction,
    ) -> Result<Vec<RestorePoint>, EngineError> {
        let rows = session
            .rows(&format!(
                "SELECT id, schema_before, schema_after, state FROM {} WHERE version = {} AND direction = '{direction}' AND state IN ('held', 'returned') ORDER BY id DESC",
                self.table("restore_point"),
                self.text(version.as_str())
            ))
            .await?;
        let bad =
            |error: serde_json::Error| EngineError::Protocol(format!("restore point: {error}"));
        let mut points = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = row.number(0)?;
            let details = session
                .rows(&format!(
                    "SELECT detail FROM {} WHERE restore_point = {id} ORDER BY id",
                    self.table("kept")
                ))
                .await?;
            points.push(RestorePoint {
                id,
                before: serde_json::from_str(row.text(1)).map_err(bad)?,
                after: serde_json::from_str(row.text(2)).map_err(bad)?,
                kept: details
                    .iter()
                    .map(|row| serde_json::from_str(row.text(0)).map_err(bad))
                    .collect::<Result<_, _>>()?,
                returned: row.text(3) == "returned",
            });
        }
        Ok(points)
    }

    /// Closes a restore point. Its stores go, but for those (by number) that still hold what could
    /// not go back.
    pub async fn close_restore_point(
        self,
        session: &mut dyn Session,
        point: &RestorePoint,
        remaining: &[i64],
    ) -> Result<(), EngineError> {
        session
            .execute(&format!(
                "UPDATE {} SET state = 'restored' WHERE id = {}",
                self.table("restore_point"),
                point.id
            ))
            .await?;
        for kept in point.kept.iter().filter(|kept| !remaining.contains(&kept.id)) {
            session.execute(&format!("DROP TABLE {}", self.table(&kept.store()))).await?;
            session
                .execute(&format!(
                    "UPDATE {} SET rows_kept = 0 WHERE id = {}",
                    self.table("kept"),
                    kept.id
                ))
                .await?;
        }
        Ok(())
    }

    /// Rows kept for each migration (version, table, rows), for `status`.
    pub async fn held(
        self,
        session: &mut dyn Session,
    ) -> Result<Vec<(Version, Direction, String, u64)>, EngineError> {
        let rows = session
            .rows(&format!(
                "SELECT r.version, r.direction, k.table_name, k.rows_kept FROM {} r JOIN {} k ON k.restore_point = r.id WHERE r.state = 'held' ORDER BY k.id",
                self.table("restore_point"),
                self.table("kept")
            ))
            .await?;
        rows.iter()
            .map(|row| {
                let direction = if row.text(1) == "down" { Direction::Down } else { Direction::Up };
                let rows = u64::try_from(row.number(3)?).unwrap_or(0);
                Ok((Version::new(row.text(0)), direction, row.text(2).to_owned(), rows))
            })
            .collect()
    }
}

/// Versions as the journal writes them; nothing where there are none.
fn squashed_text(versions: &[Version]) -> Option<String> {
    if versions.is_empty() {
        return None;
    }
    serde_json::to_string(versions).ok()
}

/// A `text` of MySQL holds 64 KiB and cannot be a key.
fn mysql_columns(columns: &str) -> String {
    columns
        .replace(" text", " longtext")
        .replace("version longtext", "version varchar(191)")
        .replace("direction longtext", "direction varchar(8)")
        .replace("state longtext", "state varchar(16)")
}

fn operations(rows: &[downhaul_engine::Row]) -> Result<Vec<Operation>, EngineError> {
    rows.iter()
        .map(|row| {
            Ok(Operation {
                id: row.number(0)?,
                verb: row.text(1).to_owned(),
                versions: row.text(2).to_owned(),
                started_at: row.text(3).to_owned(),
                who: row.text(4).to_owned(),
                state: row.text(5).to_owned(),
                finished_at: row.opt(6).map(str::to_owned),
                error: row.opt(7).map(str::to_owned),
                release: row.opt(8).map(str::to_owned),
                head: row.opt(9).map(Version::new),
                commit: row.opt(10).map(str::to_owned),
            })
        })
        .collect()
}
