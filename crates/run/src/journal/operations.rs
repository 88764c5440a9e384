//! Runs of commands, and what happened in them.

use downhaul_engine::{EngineError, SchemaDump, Session};
use downhaul_plan::Version;

use super::taken_back::OWN_NOTES;
use super::{Journal, Operation};
use crate::runner::Options;

/// Columns of an operation, as [`operations`] reads them.
const OPERATION: &str = "id, verb, versions, started_at, who, state, finished_at, error, release_label, head, git_commit";

impl Journal {
    async fn operation_columns(self, session: &mut dyn Session) -> Result<String, EngineError> {
        let commit = self.since_two(session, "git_commit", "NULL").await?;
        Ok(OPERATION.replace("git_commit", commit))
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
                "SELECT operation, kind, detail FROM {} WHERE operation >= {first} AND kind NOT IN ({}) ORDER BY id",
                self.table("note"),
                OWN_NOTES.map(|kind| self.text(kind)).join(", ")
            ))
            .await?;
        rows.iter()
            .map(|row| Ok((row.number(0)?, row.text(1).to_owned(), row.text(2).to_owned())))
            .collect()
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
    /// compares with; only the newest is kept, and none where it could not be read.
    pub fn end_operation(
        self,
        id: i64,
        state: &str,
        error: Option<&str>,
        head: Option<&Version>,
        schema: Option<&SchemaDump>,
    ) -> Result<String, EngineError> {
        let table = self.table("operation");
        let schema = schema
            .map(serde_json::to_string)
            .transpose()
            .map_err(|error| EngineError::Protocol(error.to_string()))?;
        Ok(format!(
            "UPDATE {table} SET schema_after = NULL WHERE schema_after IS NOT NULL; \
             UPDATE {table} SET state = {}, finished_at = {}, error = {}, head = {}, schema_after = {} WHERE id = {id}",
            self.text(state),
            self.now(),
            self.opt(error),
            self.opt(head.map(Version::as_str)),
            self.opt(schema.as_deref()),
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
        row.map(|row| recorded_schema(&row)).transpose()
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
}

fn recorded_schema(row: &downhaul_engine::Row) -> Result<SchemaDump, EngineError> {
    serde_json::from_str(row.text(0))
        .map_err(|error| EngineError::Protocol(format!("recorded schema: {error}")))
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
