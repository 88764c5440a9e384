//! Plain sessions, for what a test does beside the program under test.

use std::path::PathBuf;

use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Row};

/// One connection to any of the engines. Statements go out as written, without preparation, so
/// that several may stand in one text and values come back as the server prints them.
#[derive(Debug)]
pub enum Session {
    /// PostgreSQL.
    Postgres(PgConnection),
    /// MySQL or MariaDB.
    MySql(MySqlConnection),
    /// SQLite.
    Sqlite(SqliteConnection),
}

/// The code with which a server refused: SQLSTATE, or SQLite's result code; `none` where no server
/// answered.
#[must_use]
pub fn error_code(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.map_or_else(|| "none".to_owned(), std::borrow::Cow::into_owned)
}

/// A row, every value as text; `None` is NULL.
pub type TextRow = Vec<Option<String>>;

/// All that a server says of an error: on PostgreSQL also in which function it happened.
#[must_use]
pub fn error_text(error: &sqlx::Error) -> String {
    let mut text = error.to_string();
    if let Some(postgres) = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>())
    {
        for more in [postgres.detail(), postgres.r#where()].into_iter().flatten() {
            text.push_str(" | ");
            text.push_str(more);
        }
    }
    text
}

impl Session {
    /// Connects by the scheme of the URL: `postgres:`, `mysql:`, `sqlite:`.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn try_connect(url: &str) -> Result<Self, sqlx::Error> {
        Ok(match url.split(':').next() {
            Some("postgres" | "postgresql") => Self::Postgres(PgConnection::connect(url).await?),
            Some("mysql" | "mariadb") => Self::MySql(MySqlConnection::connect(url).await?),
            Some("sqlite") => Self::Sqlite(SqliteConnection::connect(url).await?),
            _ => panic!("not a URL of a known engine: {url}"),
        })
    }

    /// Connects.
    ///
    /// # Panics
    /// When that fails.
    pub async fn connect(url: &str) -> Self {
        Self::try_connect(url).await.unwrap_or_else(|e| panic!("cannot connect to {url}: {e}"))
    }

    /// Runs statements.
    ///
    /// # Errors
    /// Of the first statement that fails; the rest did not run.
    pub async fn try_run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Postgres(c) => sql.execute(c).await.map(drop),
            Self::MySql(c) => sql.execute(c).await.map(drop),
            Self::Sqlite(c) => sql.execute(c).await.map(drop),
        }
    }

    /// Runs statements.
    ///
    /// # Panics
    /// When one fails.
    pub async fn run(&mut self, sql: &str) {
        if let Err(e) = self.try_run(sql).await {
            panic!("{e}\nin: {sql}");
        }
    }

    /// Rows of a query, as text.
    ///
    /// # Errors
    /// What the server says.
    pub async fn try_rows(&mut self, sql: &str) -> Result<Vec<TextRow>, sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Postgres(c) => sql.fetch_all(c).await?.iter().map(postgres_texts).collect(),
            Self::MySql(c) => sql.fetch_all(c).await?.iter().map(mysql_texts).collect(),
            Self::Sqlite(c) => sql.fetch_all(c).await?.iter().map(sqlite_texts).collect(),
        }
    }

    /// Rows of a query, as text.
    ///
    /// # Panics
    /// When it fails.
    pub async fn rows(&mut self, sql: &str) -> Vec<TextRow> {
        self.try_rows(sql).await.unwrap_or_else(|e| panic!("{e}\nin: {sql}"))
    }

    /// First value of the first row.
    ///
    /// # Panics
    /// When the query fails or returns no row.
    pub async fn value(&mut self, sql: &str) -> Option<String> {
        let rows = self.rows(sql).await;
        let first = rows.into_iter().next().unwrap_or_else(|| panic!("no row from: {sql}"));
        first.into_iter().next().flatten()
    }

    /// Takes leave in good order.
    pub async fn close(self) {
        // The server may be gone already, which is what closing was for.
        let _ = match self {
            Self::Postgres(c) => c.close().await,
            Self::MySql(c) => c.close().await,
            Self::Sqlite(c) => c.close().await,
        };
    }
}

fn postgres_texts(row: &PgRow) -> Result<TextRow, sqlx::Error> {
    (0..row.len()).map(|i| row.try_get_unchecked(i)).collect()
}

fn mysql_texts(row: &MySqlRow) -> Result<TextRow, sqlx::Error> {
    // Binary columns need not be UTF-8.
    let text = |bytes: Option<Vec<u8>>| bytes.map(|b| String::from_utf8_lossy(&b).into_owned());
    (0..row.len()).map(|i| row.try_get_unchecked(i).map(text)).collect()
}

fn sqlite_texts(row: &SqliteRow) -> Result<TextRow, sqlx::Error> {
    (0..row.len()).map(|i| row.try_get_unchecked(i)).collect()
}

/// A database of its own on a shared server, dropped with this handle.
#[derive(Debug)]
pub struct DatabaseHandle {
    admin_url: String,
    drop_sql: String,
    url: String,
    name: String,
    log: PathBuf,
}

impl DatabaseHandle {
    pub(crate) fn new(
        admin_url: String,
        drop_sql: String,
        url: String,
        name: String,
        log: PathBuf,
    ) -> Self {
        Self { admin_url, drop_sql, url, name, log }
    }

    /// URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Name on the server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A session on it.
    ///
    /// # Panics
    /// When it cannot connect.
    pub async fn session(&self) -> Session {
        Session::connect(&self.url).await
    }
}

impl Drop for DatabaseHandle {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_log();
            return;
        }
        // A server that was killed by the test has no database to drop.
        crate::block_on(async {
            if let Ok(mut session) = Session::try_connect(&self.admin_url).await {
                let _ = session.try_run(&self.drop_sql).await;
                session.close().await;
            }
        });
    }
}

impl DatabaseHandle {
    /// The server dies with the test process: its log must not.
    #[expect(clippy::print_stderr, reason = "the reader of a failed test needs the place")]
    fn keep_log(&self) {
        let kept = std::env::temp_dir().join("downhaul-kit-logs");
        let target = kept.join(format!("{}-{}.log", std::process::id(), self.name));
        if std::fs::create_dir_all(&kept).and_then(|()| std::fs::copy(&self.log, &target)).is_ok() {
            eprintln!("database `{}` failed; the server's log: {}", self.name, target.display());
        }
    }
}
