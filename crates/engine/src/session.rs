//! One connection to a database.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use downhaul_syntax::{Dialect, ObjectName};

use crate::{
    Blocker, EngineError, RowDigest, SchemaDump, TableLock, TableShape, TableSize, Target,
};

/// What the server said of itself.
#[derive(Clone, Debug)]
pub struct ServerInfo {
    /// Dialect.
    pub dialect: Dialect,
    /// Version for people: `PostgreSQL 15.18`.
    pub version: String,
    /// Major version: 15 for PostgreSQL 15.18, 3 for SQLite.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
    /// Whom we are logged in as.
    pub user: String,
    /// A node of a Galera cluster, where locks of one node do not bind the others.
    pub cluster: bool,
    /// A pooler stands between us and the server: two transactions may meet two server sessions,
    /// and what one sets for its session reaches the next client.
    pub pooled: bool,
    /// Process id of the server process, or number of the connection; 0 where it may change.
    pub session: i64,
}

/// How far a long statement is, as the server tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkDone {
    /// What is going on: "building index: scanning table".
    pub phase: String,
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
}

/// One row of a result, every value as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(pub Vec<Option<String>>);

impl Row {
    /// The value of a column, or `""` where it is NULL or absent.
    #[must_use]
    pub fn text(&self, column: usize) -> &str {
        self.0.get(column).and_then(Option::as_deref).unwrap_or("")
    }

    /// The value of a column, NULL kept apart.
    #[must_use]
    pub fn opt(&self, column: usize) -> Option<&str> {
        self.0.get(column).and_then(Option::as_deref)
    }

    /// The value of a column as a number.
    pub fn number(&self, column: usize) -> Result<i64, EngineError> {
        self.text(column).parse().map_err(|_| {
            EngineError::Protocol(format!("expected a number, got `{}`", self.text(column)))
        })
    }

    /// The value of a column as a truth value.
    #[must_use]
    pub fn flag(&self, column: usize) -> bool {
        matches!(self.text(column), "t" | "true" | "1")
    }
}

/// How long statements may wait.
#[derive(Clone, Copy, Debug)]
pub struct LockBudget {
    /// Longest wait of one statement for one lock.
    pub lock_timeout: Duration,
    /// Longest run of one statement; `None` = no limit.
    pub statement_timeout: Option<Duration>,
}

impl Default for LockBudget {
    fn default() -> Self {
        Self { lock_timeout: Duration::from_secs(2), statement_timeout: None }
    }
}

/// What becomes of each row.
pub type TakeRow<'a> = dyn FnMut(Row) -> ControlFlow<()> + Send + 'a;

/// A connection. Not `Sync`: one task at a time.
#[async_trait]
pub trait Session: Send {
    /// What the server said of itself.
    fn server(&self) -> &ServerInfo;

    /// Runs one statement; returns the rows it touched.
    async fn execute(&mut self, sql: &str) -> Result<u64, EngineError>;

    /// Runs one statement and returns its rows.
    async fn rows(&mut self, sql: &str) -> Result<Vec<Row>, EngineError>;

    /// Runs one statement and hands its rows over as they come, for as long as `take` wants more: so many
    /// that they do not fit into memory.
    async fn each_row(&mut self, sql: &str, take: &mut TakeRow<'_>) -> Result<(), EngineError>;

    /// How long statements outside a transaction wait for whoever writes. Only SQLite heeds it: its
    /// whole file has one writer, who is asked for again and again, and nobody queues behind that.
    async fn set_patience(&mut self, _patience: Duration) -> Result<(), EngineError> {
        Ok(())
    }

    /// Has whatever is at work at this time end with an error, until it is told otherwise. Only SQLite
    /// heeds it, where nobody else can write meanwhile.
    async fn work_until(&mut self, _end: Option<Instant>) -> Result<(), EngineError> {
        Ok(())
    }

    /// From now on its transactions may run beside those of other sessions of the same run, which say
    /// the same ([`crate::lock::claim_beside`]).
    fn beside_others(&mut self) {}

    /// Opens a transaction that may write (SQLite: takes the write lock at once) within a budget.
    async fn begin(&mut self, budget: LockBudget) -> Result<(), EngineError>;

    /// Opens a transaction that reads only, within a budget: it keeps nobody waiting, no run either, and
    /// waits for none. It sees what is committed as each of its statements begins (MySQL, MariaDB: as the
    /// first one does), and ends with [`Self::rollback`].
    async fn begin_reading(&mut self, budget: LockBudget) -> Result<(), EngineError>;

    /// Asks what is asked again and again: queries in which `$1` stands for the same text. Returns the
    /// rows of all of them, in order; a server that can keeps their plans.
    async fn ask(&mut self, queries: &[&str], about: &str) -> Result<Vec<Row>, EngineError> {
        let about = self.dialect().literal(about);
        let mut rows = Vec::new();
        for query in queries {
            rows.extend(self.rows(&query.replace("$1", &about)).await?);
        }
        Ok(rows)
    }

    /// Opens a transaction as [`Self::begin`] does and asks its first questions as [`Self::ask`] does,
    /// where the server allows in the same message.
    async fn begin_with(
        &mut self,
        budget: LockBudget,
        queries: &[&str],
        about: &str,
    ) -> Result<Vec<Row>, EngineError> {
        self.begin(budget).await?;
        self.ask(queries, about).await
    }

    /// Commits.
    async fn commit(&mut self) -> Result<(), EngineError>;

    /// Runs the last statements of a transaction and commits, all in one message: what a journal
    /// writes last need not cost a round trip of its own.
    async fn commit_with(&mut self, statements: &str) -> Result<(), EngineError> {
        self.execute(statements).await?;
        self.commit().await
    }

    /// Runs statements as one transaction of their own. After an error nothing of them is left.
    async fn transact(&mut self, budget: LockBudget, statements: &str) -> Result<(), EngineError> {
        self.begin(budget).await?;
        let result = self.commit_with(statements).await;
        if result.is_err() {
            // After a broken connection there is nothing to roll back: the server does it.
            let _ = self.rollback().await;
        }
        result
    }

    /// Runs statements as one transaction of their own, as [`Self::transact`] does, and returns the rows of
    /// those that ask.
    async fn transact_rows(
        &mut self,
        budget: LockBudget,
        statements: &str,
    ) -> Result<Vec<Row>, EngineError> {
        self.begin(budget).await?;
        let result = match self.rows(statements).await {
            Ok(rows) => self.commit().await.map(|()| rows),
            Err(error) => Err(error),
        };
        if result.is_err() {
            // After a broken connection there is nothing to roll back: the server does it.
            let _ = self.rollback().await;
        }
        result
    }

    /// Has the server keep the plans of statements, each with the types of its parameters, for as long as
    /// the session lasts. Returns the names under which `EXECUTE` runs them; none where it cannot.
    async fn keep_plans(
        &mut self,
        _statements: &[(&str, String)],
    ) -> Result<Vec<String>, EngineError> {
        Ok(Vec::new())
    }

    /// Opens a row of transactions that are sent in one message, and asks their first questions as
    /// [`Self::ask`] does. Until [`Self::together`] or [`Self::close_together`] nobody else of ours
    /// changes anything. `None` where transactions cannot be sent together.
    async fn open_together(
        &mut self,
        _budget: LockBudget,
        _queries: &[&str],
        _about: &str,
    ) -> Result<Option<Vec<Row>>, EngineError> {
        Ok(None)
    }

    /// Runs transactions one after the other, each by itself, within the budget they were opened with.
    /// The first one that fails is rolled back and ends the row: those before it stand, those after it
    /// are not begun. None is told of before all that were committed would survive a crash.
    async fn together(&mut self, _transactions: &[String]) -> Result<(), EngineError> {
        Err(EngineError::Protocol("transactions cannot be sent together".into()))
    }

    /// Runs statements one after the other, within a budget, in one message where the server takes it.
    /// The first one that fails ends them. Returns how long each one took that ran, and why no more did.
    async fn in_turn(
        &mut self,
        _budget: LockBudget,
        statements: &[String],
    ) -> (Vec<Duration>, Option<EngineError>) {
        let mut took = Vec::with_capacity(statements.len());
        for statement in statements {
            let begun = Instant::now();
            if let Err(error) = self.execute(statement).await {
                return (took, Some(error));
            }
            took.push(begun.elapsed());
        }
        (took, None)
    }

    /// Gives up what [`Self::open_together`] opened.
    async fn close_together(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Rolls back. Harmless outside a transaction.
    async fn rollback(&mut self) -> Result<(), EngineError>;

    /// The schema of the whole database, Downhaul's own objects left out.
    async fn dump(&mut self) -> Result<SchemaDump, EngineError>;

    /// The table of this name, as the session resolves it; `None` where there is none.
    async fn table_shape(&mut self, name: &ObjectName) -> Result<Option<TableShape>, EngineError>;

    /// The same of many tables at once, in their order.
    async fn table_shapes(
        &mut self,
        names: &[ObjectName],
    ) -> Result<Vec<Option<TableShape>>, EngineError> {
        let mut shapes = Vec::with_capacity(names.len());
        for name in names {
            shapes.push(self.table_shape(name).await?);
        }
        Ok(shapes)
    }

    /// The same, where columns, key and triggers are enough: the rest may be there or not.
    async fn table_forms(
        &mut self,
        names: &[ObjectName],
    ) -> Result<Vec<Option<TableShape>>, EngineError> {
        self.table_shapes(names).await
    }

    /// Names of all tables of the user in a schema (SQLite: `main`; MySQL: a database, `""` being
    /// the current one).
    async fn tables_of_schema(&mut self, schema: &str) -> Result<Vec<ObjectName>, EngineError>;

    /// How large tables are, where the server knows without counting; tables may be missing.
    async fn sizes(&mut self) -> Result<Vec<TableSize>, EngineError> {
        Ok(Vec::new())
    }

    /// Sessions that hold locks with which these conflict, longest first. Empty where the server
    /// does not tell.
    async fn holders(&mut self, _needs: &[TableLock]) -> Result<Vec<Blocker>, EngineError> {
        Ok(Vec::new())
    }

    /// Sessions that another session (by its number) waits for at this moment.
    async fn blockers_of(&mut self, _waiting: i64) -> Result<Vec<Blocker>, EngineError> {
        Ok(Vec::new())
    }

    /// Sessions with the oldest open transactions: who may be in the way where nothing better is
    /// known.
    async fn oldest_transactions(&mut self) -> Result<Vec<Blocker>, EngineError> {
        Ok(Vec::new())
    }

    /// Ends another session that has done nothing in its transaction for so long; false where that
    /// is no longer so.
    async fn end_idle(&mut self, _id: i64, _idle: Duration) -> Result<bool, EngineError> {
        Ok(false)
    }

    /// Ends what another session (by its number) is doing now, not the session.
    async fn cancel(&mut self, _working: i64) -> Result<(), EngineError> {
        Ok(())
    }

    /// How far another session (by its number) is with its statement, where the server tells.
    async fn work_done(&mut self, _working: i64) -> Result<Option<WorkDone>, EngineError> {
        Ok(None)
    }

    /// Rows that the open transaction of another session (by its number) has written so far, where the
    /// server tells.
    async fn rows_written(&mut self, _working: i64) -> Result<Option<u64>, EngineError> {
        Ok(None)
    }

    /// Sets the session's settings back to what they were when it was opened.
    async fn reset_settings(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    /// A fingerprint of the rows of a table, whatever their order: `count:hash`. `columns` are
    /// quoted. Only within a transaction.
    async fn digest(&mut self, table: &str, columns: &[String]) -> Result<String, EngineError>;

    /// PostgreSQL: sends what `out`, a `COPY … TO STDOUT`, returns into `into`, a `COPY … FROM STDIN`.
    /// All of it stands in memory in between, and goes into `digest`. Returns the rows that were written.
    async fn pass_rows(
        &mut self,
        _out: &str,
        _into: &str,
        _digest: &mut RowDigest,
    ) -> Result<u64, EngineError> {
        Err(EngineError::Protocol("this server has no COPY".into()))
    }

    /// PostgreSQL: what `out`, a `COPY … TO STDOUT`, returns goes into `digest`, and nowhere else.
    async fn digest_rows(
        &mut self,
        _out: &str,
        _digest: &mut RowDigest,
    ) -> Result<(), EngineError> {
        Err(EngineError::Protocol("this server has no COPY".into()))
    }

    /// Closes it in an orderly way.
    async fn close(self: Box<Self>);

    /// Dialect of the server.
    fn dialect(&self) -> Dialect {
        self.server().dialect
    }
}

impl dyn Session + '_ {
    /// The first row of a result.
    pub async fn row(&mut self, sql: &str) -> Result<Option<Row>, EngineError> {
        Ok(self.rows(sql).await?.into_iter().next())
    }

    /// The first value of the first row as a number; 0 where there is none.
    pub async fn number(&mut self, sql: &str) -> Result<i64, EngineError> {
        self.row(sql).await?.map_or(Ok(0), |row| row.number(0))
    }
}

/// Opens a session. SQLite files are made only if `create` says so.
pub async fn connect(target: &Target, create: bool) -> Result<Box<dyn Session>, EngineError> {
    match target {
        Target::Postgres(options) => crate::postgres::connect(target, options).await,
        Target::MySql(options) => crate::mysql::connect(target, options).await,
        Target::Sqlite { path, read_only } => {
            crate::sqlite::connect(target, path, create, *read_only).await
        }
    }
}
