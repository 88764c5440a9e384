//! Connecting to PostgreSQL and running statements.

use async_trait::async_trait;
use downhaul_syntax::{Dialect, Ident, ObjectName};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row as _, ValueRef};

use crate::session::{LockBudget, Row, ServerInfo, Session};
use crate::{EngineError, SchemaDump, TableShape, TableSize, Target};

/// Advisory lock of every transaction: the first 63 bits of SHA-256("downhaul transaction").
const TRANSACTION_KEY: i64 = 0x3c2c_997c_5c51_dd86;

/// A session on PostgreSQL.
pub(crate) struct Postgres {
    connection: PgConnection,
    server: ServerInfo,
    pub(super) in_transaction: bool,
}

/// Opens a session.
pub(crate) async fn connect(
    target: &Target,
    options: &PgConnectOptions,
) -> Result<Box<dyn Session>, EngineError> {
    Ok(Box::new(Postgres::open(target, options).await?))
}

impl Postgres {
    /// Opens a connection.
    pub(crate) async fn open(
        target: &Target,
        options: &PgConnectOptions,
    ) -> Result<Self, EngineError> {
        let connection = options
            .clone()
            .disable_statement_logging()
            .connect()
            .await
            .map_err(|error| EngineError::connecting(target, &error))?;
        let mut session = Self {
            connection,
            server: ServerInfo {
                dialect: Dialect::Postgres,
                version: String::new(),
                major: 0,
                minor: 0,
                user: String::new(),
                cluster: false,
            },
            in_transaction: false,
        };
        let rows = session
            .rows("SELECT current_setting('server_version'), current_setting('server_version_num'), current_user")
            .await?;
        let row = rows.first().ok_or_else(|| EngineError::Protocol("no version".into()))?;
        let number = row.number(1)?;
        let short = row.text(0).split(' ').next().unwrap_or("").to_owned();
        session.server.version = format!("PostgreSQL {short}");
        session.server.major = u32::try_from(number / 10_000).unwrap_or(0);
        session.server.minor = u32::try_from(number % 10_000).unwrap_or(0);
        session.server.user = row.text(2).to_owned();
        Ok(session)
    }
}

fn text_row(row: &PgRow) -> Result<Row, EngineError> {
    let mut values = Vec::with_capacity(row.len());
    for column in 0..row.len() {
        let raw = row.try_get_raw(column).map_err(|e| EngineError::Protocol(e.to_string()))?;
        values.push(if raw.is_null() {
            None
        } else {
            // The simple protocol always answers in text.
            Some(raw.as_str().map_err(|e| EngineError::Protocol(e.to_string()))?.to_owned())
        });
    }
    Ok(Row(values))
}

#[async_trait]
impl Session for Postgres {
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

    async fn begin(&mut self, budget: LockBudget) -> Result<(), EngineError> {
        // SET LOCAL: nothing leaks to the next client of a pooled connection.
        let statement = budget.statement_timeout.map_or(0, |limit| limit.as_millis());
        // Capture needs each statement to see what is committed when it starts, so a default of
        // REPEATABLE READ must not reach us.
        // The server goes on with the statement of a run that was killed, whose migration lock is
        // free by then: the lock at the end is free only when that transaction has ended. One
        // message: each of its statements is run on its own, after the one before it.
        let opening = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {statement}; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL client_min_messages = warning; \
             SELECT pg_catalog.pg_advisory_xact_lock({TRANSACTION_KEY})",
            budget.lock_timeout.as_millis(),
        );
        if let Err(error) = self.execute(&opening).await {
            let _ = self.execute("ROLLBACK").await;
            return Err(error);
        }
        self.in_transaction = true;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), EngineError> {
        self.in_transaction = false;
        self.execute("COMMIT").await.map(drop)
    }

    async fn commit_with(&mut self, statements: &str) -> Result<(), EngineError> {
        self.execute(&format!("{statements}; COMMIT")).await?;
        self.in_transaction = false;
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), EngineError> {
        self.in_transaction = false;
        self.execute("ROLLBACK").await.map(drop)
    }

    async fn dump(&mut self) -> Result<SchemaDump, EngineError> {
        super::dump::dump(self).await
    }

    async fn table_shape(&mut self, name: &ObjectName) -> Result<Option<TableShape>, EngineError> {
        super::shape::table_shape(self, name).await
    }

    async fn tables_of_schema(&mut self, schema: &str) -> Result<Vec<ObjectName>, EngineError> {
        super::shape::tables_of_schema(self, schema).await
    }

    async fn sizes(&mut self) -> Result<Vec<TableSize>, EngineError> {
        // A partitioned table is as large as its partitions.
        let rows = self
            .rows(
                "SELECT n.nspname, c.relname, \
                   (SELECT sum(greatest(p.reltuples, 0))::bigint FROM pg_catalog.pg_class p WHERE p.oid = c.oid OR p.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(c.oid))), \
                   (SELECT sum(pg_catalog.pg_total_relation_size(p.oid))::bigint FROM pg_catalog.pg_class p WHERE p.oid = c.oid OR p.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(c.oid))) \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'downhaul') \
                   AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'",
            )
            .await?;
        let mut sizes = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut name = ObjectName::bare(Ident::stored(Dialect::Postgres, row.text(1)));
            name.schema = Some(Ident::stored(Dialect::Postgres, row.text(0)));
            sizes.push(TableSize {
                name,
                rows: u64::try_from(row.number(2)?).unwrap_or(0),
                bytes: u64::try_from(row.number(3)?).unwrap_or(0),
            });
        }
        Ok(sizes)
    }

    async fn digest(&mut self, table: &str, columns: &[String]) -> Result<String, EngineError> {
        // How values look as text depends on these settings; fixed ones make digests comparable
        // between sessions.
        const FIXED: [(&str, &str); 5] = [
            ("TimeZone", "UTC"),
            ("DateStyle", "ISO, YMD"),
            ("IntervalStyle", "postgres"),
            ("bytea_output", "hex"),
            ("extra_float_digits", "1"),
        ];
        let list = FIXED.map(|(name, _)| format!("current_setting('{name}')")).join(", ");
        let before = self.rows(&format!("SELECT {list}")).await?;
        let set = |values: Vec<String>| {
            let calls: Vec<String> = FIXED
                .iter()
                .zip(values)
                .map(|((name, _), value)| {
                    format!("set_config('{name}', {}, true)", Dialect::Postgres.literal(&value))
                })
                .collect();
            format!("SELECT {}", calls.join(", "))
        };
        self.execute(&set(FIXED.iter().map(|(_, value)| (*value).to_owned()).collect())).await?;
        let columns = if columns.is_empty() { "1".to_owned() } else { columns.join(", ") };
        // The sum does not depend on the order of the rows; 60 bits of MD5 each.
        let digest = self
            .rows(&format!(
                "SELECT count(*) || ':' || coalesce(sum(('x' || substr(md5(r::text), 1, 15))::bit(60)::bigint), 0) \
                 FROM (SELECT {columns} FROM {table}) r"
            ))
            .await?;
        let before =
            before.first().map(|row| (0..FIXED.len()).map(|i| row.text(i).to_owned()).collect());
        self.execute(&set(before.unwrap_or_default())).await?;
        Ok(digest.first().map(|row| row.text(0).to_owned()).unwrap_or_default())
    }

    async fn close(self: Box<Self>) {
        // An error while saying goodbye changes nothing: all work is committed or rolled back.
        let _ = self.connection.close().await;
    }
}
