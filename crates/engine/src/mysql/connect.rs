//! Connecting to MySQL and MariaDB and running statements.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use downhaul_syntax::{Dialect, ObjectName};
use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Either, Row as _};

use super::blockers::{self, MetadataLocks};
use crate::session::{LockBudget, Row, ServerInfo, Session, TakeRow, WorkDone};
use crate::{Blocker, EngineError, SchemaDump, TableLock, TableShape, TableSize, Target};

/// A session on MySQL or MariaDB.
pub(crate) struct MySql {
    connection: MySqlConnection,
    server: ServerInfo,
    /// Statement that sets the session's time limits back to what they were.
    put_back: String,
    /// The limits of a transaction are in force.
    limited: bool,
    /// Where metadata locks can be read, once that was asked.
    metadata_locks: Option<MetadataLocks>,
}

/// Seconds after which the server takes a silent session for gone: between steps, where a person may
/// be asked something, and within a transaction, where we never pause.
const IDLE: u32 = 3600;
const IDLE_IN_TRANSACTION: u32 = 60;

/// Opens a session.
pub(crate) async fn connect(
    target: &Target,
    options: &MySqlConnectOptions,
) -> Result<Box<dyn Session>, EngineError> {
    Ok(Box::new(MySql::open(target, options).await?))
}

impl MySql {
    /// Opens a connection.
    pub(crate) async fn open(
        target: &Target,
        options: &MySqlConnectOptions,
    ) -> Result<Self, EngineError> {
        // Migrations are to run with the server's own settings, so the driver's are off.
        let connection = options
            .clone()
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .disable_statement_logging()
            .connect()
            .await
            .map_err(|error| EngineError::connecting(target, &error))?;
        let mut session = Self {
            connection,
            server: ServerInfo {
                dialect: Dialect::MariaDb,
                version: String::new(),
                major: 0,
                minor: 0,
                user: String::new(),
                cluster: false,
                pooled: false,
                session: 0,
            },
            put_back: String::new(),
            limited: false,
            metadata_locks: None,
        };
        session.greet().await?;
        Ok(session)
    }

    /// Learns what the server is, and makes the session one in which our statements mean what they
    /// say.
    async fn greet(&mut self) -> Result<(), EngineError> {
        let rows = self
            .rows(
                "SELECT VERSION(), CURRENT_USER(), DATABASE(), @@SESSION.lock_wait_timeout, @@SESSION.innodb_lock_wait_timeout, CONNECTION_ID()",
            )
            .await?;
        let row = rows.first().ok_or_else(|| EngineError::Protocol("no version".into()))?;
        let version = row.text(0);
        let mariadb = version.to_ascii_lowercase().contains("mariadb");
        // Replication of old made MariaDB call itself `5.5.5-10.11.2-MariaDB`.
        let number = version.strip_prefix("5.5.5-").unwrap_or(version);
        let number = number.split('-').next().unwrap_or(number);
        let mut parts = number.split('.').map(|part| part.parse().unwrap_or(0));
        self.server.major = parts.next().unwrap_or(0);
        self.server.minor = parts.next().unwrap_or(0);
        self.server.dialect = if mariadb { Dialect::MariaDb } else { Dialect::Mysql };
        let name = if mariadb { "MariaDB" } else { "MySQL" };
        self.server.version = format!("{name} {number}");
        row.text(1).clone_into(&mut self.server.user);
        self.put_back = format!(
            "SET SESSION lock_wait_timeout = {}, innodb_lock_wait_timeout = {}, wait_timeout = {IDLE}",
            row.number(3)?,
            row.number(4)?
        );
        self.server.session = row.number(5)?;
        let cluster = self.rows("SHOW SESSION VARIABLES LIKE 'wsrep_on'").await?;
        self.server.cluster = cluster.first().is_some_and(|row| row.text(1) == "ON");
        // Texts are cut into statements, and our literals written, with backslash as escape. A
        // connection that waits for a person's answer must not be closed at once for idleness.
        // On a cluster, what another node has committed must be seen before we go on from it.
        let sync = if self.server.cluster { ", wsrep_sync_wait = 1" } else { "" };
        self.execute(&format!(
            "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, 'NO_BACKSLASH_ESCAPES', ''), wait_timeout = {IDLE}, group_concat_max_len = 1048576{sync}"
        ))
        .await
        .map(drop)
    }

    /// Statement that sets the limits of a budget.
    fn limits(&self, budget: LockBudget) -> String {
        // Whole seconds, at least one (MySQL manual §7.1.8).
        let seconds = budget.lock_timeout.as_millis().div_ceil(1000).max(1);
        let mut limits = format!(
            "SET SESSION lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}, wait_timeout = {IDLE_IN_TRANSACTION}"
        );
        if self.server.dialect == Dialect::MariaDb {
            let limit = budget.statement_timeout.map_or(0.0, |limit| limit.as_secs_f64());
            limits.push_str(&format!(", max_statement_time = {limit:.3}"));
        }
        limits
    }

    /// Statements that open a transaction within a budget.
    fn opening(&self, budget: LockBudget) -> String {
        let limits = self.limits(budget);
        // SERIALIZABLE: every read is one of the newest rows and locks them. A snapshot taken
        // before the last lock was to be had would compare rows with what they no longer are.
        format!("{limits}; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION")
    }

    /// The statement that sets the time limits back.
    fn no_limits(&self) -> String {
        let mut put_back = self.put_back.clone();
        if self.server.dialect == Dialect::MariaDb {
            put_back.push_str(", max_statement_time = DEFAULT");
        }
        put_back
    }

    /// Where metadata locks can be read.
    pub(super) async fn metadata_locks(&mut self) -> MetadataLocks {
        if let Some(known) = self.metadata_locks {
            return known;
        }
        let found = blockers::metadata_locks(self).await;
        self.metadata_locks = Some(found);
        found
    }

    async fn lift_limits(&mut self) -> Result<(), EngineError> {
        if !self.limited {
            return Ok(());
        }
        self.limited = false;
        self.execute(&self.no_limits()).await.map(drop)
    }
}

fn text_row(row: &MySqlRow) -> Result<Row, EngineError> {
    let mut values = Vec::with_capacity(row.len());
    for column in 0..row.len() {
        // The text protocol sends every value as the server prints it.
        let bytes: Option<Vec<u8>> =
            row.try_get_unchecked(column).map_err(|e| EngineError::Protocol(e.to_string()))?;
        values.push(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }
    Ok(Row(values))
}

#[async_trait]
impl Session for MySql {
    fn server(&self) -> &ServerInfo {
        &self.server
    }

    async fn execute(&mut self, sql: &str) -> Result<u64, EngineError> {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut self.connection)
            .await
            .map(|done| done.rows_affected())
            .map_err(|error| EngineError::running(sql, error))
    }

    async fn rows(&mut self, sql: &str) -> Result<Vec<Row>, EngineError> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql))
            .fetch_all(&mut self.connection)
            .await
            .map_err(|error| EngineError::running(sql, error))?;
        rows.iter().map(text_row).collect()
    }

    async fn each_row(&mut self, sql: &str, take: &mut TakeRow<'_>) -> Result<(), EngineError> {
        let mut rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&mut self.connection);
        while let Some(row) =
            rows.try_next().await.map_err(|error| EngineError::running(sql, error))?
        {
            if take(text_row(&row)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    async fn begin(&mut self, budget: LockBudget) -> Result<(), EngineError> {
        self.limited = true;
        self.execute(&self.opening(budget)).await.map(drop)
    }

    async fn begin_reading(&mut self, budget: LockBudget) -> Result<(), EngineError> {
        self.limited = true;
        // Not SERIALIZABLE, in which reads lock rows.
        let limits = self.limits(budget);
        let begin = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION READ ONLY";
        self.execute(&format!("{limits}; {begin}")).await.map(drop)
    }

    async fn commit(&mut self) -> Result<(), EngineError> {
        self.execute("COMMIT").await?;
        self.lift_limits().await
    }

    async fn commit_with(&mut self, statements: &str) -> Result<(), EngineError> {
        let put_back = if self.limited { self.no_limits() } else { "DO 0".to_owned() };
        self.execute(&format!("{statements}; COMMIT; {put_back}")).await?;
        self.limited = false;
        Ok(())
    }

    async fn transact(&mut self, budget: LockBudget, statements: &str) -> Result<(), EngineError> {
        self.limited = true;
        let (opening, put_back) = (self.opening(budget), self.no_limits());
        let result = self.execute(&format!("{opening}; {statements}; COMMIT; {put_back}")).await;
        if result.is_err() {
            // After a broken connection there is nothing to roll back: the server does it.
            let _ = self.rollback().await;
        } else {
            self.limited = false;
        }
        result.map(drop)
    }

    async fn transact_rows(
        &mut self,
        budget: LockBudget,
        statements: &str,
    ) -> Result<Vec<Row>, EngineError> {
        self.limited = true;
        let (opening, put_back) = (self.opening(budget), self.no_limits());
        let result = self.rows(&format!("{opening}; {statements}; COMMIT; {put_back}")).await;
        if result.is_err() {
            // After a broken connection there is nothing to roll back: the server does it.
            let _ = self.rollback().await;
        } else {
            self.limited = false;
        }
        result
    }

    async fn in_turn(
        &mut self,
        budget: LockBudget,
        statements: &[String],
    ) -> (Vec<Duration>, Option<EngineError>) {
        self.limited = true;
        // A statement may end in a comment.
        let message = format!("{}\n;\n{}", self.limits(budget), statements.join("\n;\n"));
        let mut took = Vec::with_capacity(statements.len());
        let mut failure = None;
        {
            let mut results =
                sqlx::raw_sql(AssertSqlSafe(message)).fetch_many(&mut self.connection);
            // The limits come first.
            let mut begun = None;
            while failure.is_none() {
                match results.try_next().await {
                    Ok(None) => break,
                    // The end of a statement; else a row of one.
                    Ok(Some(Either::Left(_))) => {
                        let now = Instant::now();
                        took.extend(begun.map(|begun| now - begun));
                        begun = Some(now);
                    }
                    Ok(Some(Either::Right(_))) => {}
                    Err(error) => failure = Some(error),
                }
            }
        }
        let failure = failure.map(|error| {
            EngineError::running(statements.get(took.len()).map_or("", String::as_str), error)
        });
        match failure {
            None => match self.lift_limits().await {
                Ok(()) => (took, None),
                Err(error) => (took, Some(error)),
            },
            failure => (took, failure),
        }
    }

    async fn rollback(&mut self) -> Result<(), EngineError> {
        self.execute("ROLLBACK").await?;
        self.lift_limits().await
    }

    async fn dump(&mut self) -> Result<SchemaDump, EngineError> {
        super::dump::dump(self).await
    }

    async fn table_shape(&mut self, name: &ObjectName) -> Result<Option<TableShape>, EngineError> {
        super::shape::table_shape(self, name).await
    }

    async fn table_shapes(
        &mut self,
        names: &[ObjectName],
    ) -> Result<Vec<Option<TableShape>>, EngineError> {
        super::shape::table_shapes(self, names, super::shape::Asked::All).await
    }

    async fn table_forms(
        &mut self,
        names: &[ObjectName],
    ) -> Result<Vec<Option<TableShape>>, EngineError> {
        super::shape::table_shapes(self, names, super::shape::Asked::Form).await
    }

    async fn tables_of_schema(&mut self, schema: &str) -> Result<Vec<ObjectName>, EngineError> {
        super::shape::tables_of_schema(self, schema).await
    }

    async fn sizes(&mut self) -> Result<Vec<TableSize>, EngineError> {
        super::shape::sizes(self).await
    }

    async fn holders(&mut self, needs: &[TableLock]) -> Result<Vec<Blocker>, EngineError> {
        blockers::holders(self, needs).await
    }

    async fn blockers_of(&mut self, waiting: i64) -> Result<Vec<Blocker>, EngineError> {
        blockers::blockers_of(self, waiting).await
    }

    async fn oldest_transactions(&mut self) -> Result<Vec<Blocker>, EngineError> {
        blockers::oldest(self).await
    }

    async fn end_idle(&mut self, id: i64, idle: Duration) -> Result<bool, EngineError> {
        blockers::end_idle(self, id, idle).await
    }

    async fn cancel(&mut self, working: i64) -> Result<(), EngineError> {
        self.execute(&format!("KILL QUERY {working}")).await.map(drop)
    }

    async fn work_done(&mut self, working: i64) -> Result<Option<WorkDone>, EngineError> {
        // MariaDB counts the stages of ALTER TABLE and its kin, and the share of the present one.
        if self.server.dialect != Dialect::MariaDb {
            return Ok(None);
        }
        let rows = self
            .rows(&format!(
                "SELECT STATE, STAGE, MAX_STAGE, ROUND(PROGRESS * 100) FROM information_schema.PROCESSLIST WHERE ID = {working} AND MAX_STAGE > 0"
            ))
            .await?;
        rows.first()
            .map(|row| {
                let part = |column: usize| -> Result<u64, EngineError> {
                    Ok(u64::try_from(row.number(column)?).unwrap_or(0))
                };
                // Each stage counts 10,000.
                let stage = part(1)?.saturating_sub(1);
                Ok(WorkDone {
                    phase: row.text(0).to_owned(),
                    done: stage * 10_000 + part(3)?.min(10_000),
                    total: part(2)? * 10_000,
                })
            })
            .transpose()
    }

    async fn rows_written(&mut self, working: i64) -> Result<Option<u64>, EngineError> {
        // Needs PROCESS.
        let rows = self
            .rows(&format!(
                "SELECT trx_rows_modified FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id = {working}"
            ))
            .await?;
        Ok(rows.first().and_then(|row| row.text(0).parse().ok()))
    }

    async fn digest(&mut self, table: &str, columns: &[String]) -> Result<String, EngineError> {
        // How a TIMESTAMP looks as text depends on the zone; a fixed one makes digests comparable
        // between sessions.
        let zone = self.rows("SELECT @@SESSION.time_zone").await?;
        let zone = zone.first().map(|row| row.text(0).to_owned()).unwrap_or_default();
        self.execute("SET SESSION time_zone = '+00:00'").await?;
        let parts: Vec<String> = columns
            .iter()
            .map(|column| format!("COALESCE(HEX(CAST({column} AS BINARY)), 'N')"))
            .collect();
        let row = if parts.is_empty() {
            "''".to_owned()
        } else {
            format!("CONCAT_WS(',', {})", parts.join(", "))
        };
        // MySQL 9 has no MD5() any more.
        let hash = if self.dialect() == Dialect::Mysql && self.server.major >= 9 {
            format!("SHA2({row}, 256)")
        } else {
            format!("MD5({row})")
        };
        // The sum does not depend on the order of the rows; 60 bits of each hash.
        let digest = self
            .rows(&format!(
                "SELECT CONCAT(COUNT(*), ':', COALESCE(SUM(CAST(CONV(LEFT({hash}, 15), 16, 10) AS UNSIGNED)), 0)) FROM {table}"
            ))
            .await;
        self.execute(&format!("SET SESSION time_zone = {}", Dialect::MariaDb.literal(&zone)))
            .await?;
        Ok(digest?.first().map(|row| row.text(0).to_owned()).unwrap_or_default())
    }

    async fn close(self: Box<Self>) {
        // An error while saying goodbye changes nothing: all work is committed or rolled back.
        let _ = self.connection.close().await;
    }
}
