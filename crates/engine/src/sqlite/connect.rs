//! Opening SQLite files and running statements.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use downhaul_syntax::{Dialect, Ident, ObjectName};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use sqlx::sqlite::{Sqlite as Driver, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Decode, Row as _, ValueRef};

use crate::session::{LockBudget, Row, ServerInfo, Session, TakeRow};
use crate::{EngineError, SchemaDump, TableShape, TableSize, Target, exact};

/// A session on a SQLite file.
pub(crate) struct Sqlite {
    connection: SqliteConnection,
    server: ServerInfo,
    /// How long a statement outside a transaction waits for another writer.
    patience: Duration,
    /// When statements are to end, once there is somebody who looks at it.
    end: Option<Arc<Mutex<Option<Instant>>>>,
}

/// Steps of SQLite's machine, a fraction of a millisecond, between two looks at the time.
const STEPS: i32 = 5000;

/// Until [`Session::set_patience`] says otherwise.
const PATIENCE: Duration = Duration::from_secs(2);

/// Opens a session.
pub(crate) async fn connect(
    target: &Target,
    path: &Path,
    create: bool,
    read_only: bool,
) -> Result<Box<dyn Session>, EngineError> {
    if (!create || read_only) && !path.exists() {
        return Err(EngineError::NoFile { target: target.to_string() });
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(create)
        .read_only(read_only)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        // 64 MiB at most: the schema of thousands of tracked tables is read many times.
        .pragma("cache_size", "-65536")
        .disable_statement_logging();
    let connection =
        options.connect().await.map_err(|error| EngineError::connecting(target, &error))?;
    let mut session = Sqlite {
        connection,
        server: ServerInfo {
            dialect: Dialect::Sqlite,
            version: String::new(),
            major: 3,
            minor: 0,
            user: String::new(),
            cluster: false,
            pooled: false,
            session: 0,
        },
        patience: PATIENCE,
        end: None,
    };
    // Reading the schema version also proves that the file is a database.
    let rows = session
        .rows("SELECT sqlite_version(), (SELECT count(*) FROM sqlite_schema)")
        .await
        .map_err(|error| EngineError::Unreachable {
            target: target.to_string(),
            cause: error.to_string(),
        })?;
    let version = rows.first().map(|row| row.text(0).to_owned()).unwrap_or_default();
    session.server.minor =
        version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0);
    session.server.version = format!("SQLite {version}");
    Ok(Box::new(session))
}

fn text_row(row: &SqliteRow) -> Result<Row, EngineError> {
    let mut values = Vec::with_capacity(row.len());
    for column in 0..row.len() {
        let raw = row.try_get_raw(column).map_err(|e| EngineError::Protocol(e.to_string()))?;
        values.push(if raw.is_null() {
            None
        } else {
            // A text may hold any bytes; what is no UTF-8 is only ever shown, never written back.
            let bytes = <&[u8] as Decode<'_, Driver>>::decode(raw)
                .map_err(|e| EngineError::Protocol(e.to_string()))?;
            Some(String::from_utf8_lossy(bytes).into_owned())
        });
    }
    Ok(Row(values))
}

impl Sqlite {
    /// Lets the statements that follow wait as long as those outside a transaction may.
    fn waits(&self) -> String {
        format!("PRAGMA busy_timeout = {}", self.patience.as_millis().min(i32::MAX as u128))
    }
}

#[async_trait]
impl Session for Sqlite {
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
        let busy = budget.lock_timeout.as_millis();
        // The write lock at once: a reader that becomes a writer can only fail (SQLITE_BUSY).
        self.execute(&format!("PRAGMA busy_timeout = {busy}; BEGIN IMMEDIATE")).await.map(drop)
    }

    async fn begin_reading(&mut self, budget: LockBudget) -> Result<(), EngineError> {
        let busy = budget.lock_timeout.as_millis();
        self.execute(&format!("PRAGMA busy_timeout = {busy}; BEGIN")).await.map(drop)
    }

    async fn begin_with(
        &mut self,
        budget: LockBudget,
        queries: &[&str],
        about: &str,
    ) -> Result<Vec<Row>, EngineError> {
        let busy = budget.lock_timeout.as_millis();
        let about = Dialect::Sqlite.literal(about);
        let questions: Vec<String> =
            queries.iter().map(|query| query.replace("$1", &about)).collect();
        let mut rows = self
            .rows(&format!(
                "PRAGMA busy_timeout = {busy}; BEGIN IMMEDIATE; {}",
                questions.join("; ")
            ))
            .await?;
        // The first row is the pragma's.
        rows.drain(..rows.len().min(1));
        Ok(rows)
    }

    async fn set_patience(&mut self, patience: Duration) -> Result<(), EngineError> {
        self.patience = patience;
        self.execute(&self.waits()).await.map(drop)
    }

    async fn work_until(&mut self, end: Option<Instant>) -> Result<(), EngineError> {
        if let Some(known) = &self.end {
            *known.lock().unwrap_or_else(PoisonError::into_inner) = end;
        } else if end.is_some() {
            let shared = Arc::new(Mutex::new(end));
            self.end = Some(Arc::clone(&shared));
            let mut handle = self
                .connection
                .lock_handle()
                .await
                .map_err(|error| EngineError::running("", error))?;
            handle.set_progress_handler(STEPS, move || {
                let end = *shared.lock().unwrap_or_else(PoisonError::into_inner);
                end.is_none_or(|end| Instant::now() < end)
            });
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), EngineError> {
        self.execute(&format!("COMMIT; {}", self.waits())).await.map(drop)
    }

    async fn commit_with(&mut self, statements: &str) -> Result<(), EngineError> {
        self.execute(&format!("{statements}; COMMIT; {}", self.waits())).await.map(drop)
    }

    async fn rollback(&mut self) -> Result<(), EngineError> {
        match self.execute("ROLLBACK").await {
            // "cannot rollback - no transaction is active": some errors have rolled back already.
            Err(EngineError::Statement(_)) | Ok(_) => self.execute(&self.waits()).await.map(drop),
            Err(error) => Err(error),
        }
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
        super::shape::table_shapes(self, names).await
    }

    async fn tables_of_schema(&mut self, schema: &str) -> Result<Vec<ObjectName>, EngineError> {
        if !schema.eq_ignore_ascii_case("main") {
            return Ok(Vec::new());
        }
        let rows = self
            .rows(
                "SELECT name FROM sqlite_schema WHERE type = 'table' \
                 AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'downhaul_*' ORDER BY rowid",
            )
            .await?;
        Ok(rows
            .iter()
            .map(|row| ObjectName::bare(Ident::stored(Dialect::Sqlite, row.text(0))))
            .collect())
    }

    async fn sizes(&mut self) -> Result<Vec<TableSize>, EngineError> {
        // A row takes 6 bytes at least: its place, its length, its number, and what its columns are.
        let file = self
            .rows("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            .await?;
        let file: u64 = file.first().and_then(|row| row.text(0).parse().ok()).unwrap_or(0);
        let most = file / 6;
        // The first and the last row number cost nothing to read; rows that were deleted between them are
        // counted too.
        let tables = self
            .rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'downhaul\\_%' ESCAPE '\\'")
            .await?;
        let mut sizes = Vec::new();
        for table in &tables {
            let name = Ident::stored(Dialect::Sqlite, table.text(0));
            let quoted = Dialect::Sqlite.quote(&name);
            // Virtual tables, and those without row numbers, do not tell.
            let numbers = format!(
                "SELECT (SELECT min(rowid) FROM {quoted}), (SELECT max(rowid) FROM {quoted})"
            );
            let Ok(found) = self.rows(&numbers).await else {
                continue;
            };
            let number = |at| found.first().and_then(|row| row.text(at).parse::<i64>().ok());
            let rows = match (number(0), number(1)) {
                (Some(first), Some(last)) => last.abs_diff(first).saturating_add(1).min(most),
                _ => 0,
            };
            sizes.push(TableSize { name: ObjectName::bare(name), rows, bytes: 0 });
        }
        let all: u64 = sizes.iter().map(|size| size.rows).sum();
        for size in &mut sizes {
            // The file shared out by rows: a guess, and the best without reading it all.
            size.bytes =
                u64::try_from(u128::from(file) * u128::from(size.rows) / u128::from(all.max(1)))
                    .unwrap_or(0);
        }
        Ok(sizes)
    }

    async fn digest(&mut self, table: &str, columns: &[String]) -> Result<String, EngineError> {
        let sql = format!("SELECT {} FROM {table}", exact::row(columns));
        let (mut count, mut sum) = (0_u64, 0_u128);
        let mut rows = sqlx::raw_sql(AssertSqlSafe(sql.as_str())).fetch(&mut self.connection);
        while let Some(row) = rows.try_next().await.map_err(|e| EngineError::running(&sql, e))? {
            let text: String =
                row.try_get_unchecked(0).map_err(|e| EngineError::Protocol(e.to_string()))?;
            let hash = Sha256::digest(text.as_bytes());
            let mut half = [0_u8; 16];
            half.copy_from_slice(&hash[..16]);
            // A sum does not depend on the order of the rows.
            sum = sum.wrapping_add(u128::from_be_bytes(half));
            count += 1;
        }
        Ok(format!("{count}:{sum:032x}"))
    }

    async fn close(self: Box<Self>) {
        // An error while saying goodbye changes nothing: all work is committed or rolled back.
        let _ = self.connection.close().await;
    }
}
