//! Connecting to PostgreSQL and running statements.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use downhaul_syntax::{Dialect, Ident, ObjectName};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row as _, ValueRef};

use super::blockers;
use crate::row_digest::{RowDigest, Unframed};
use crate::session::{LockBudget, Row, ServerInfo, Session, TakeRow, WorkDone};
use crate::{Blocker, EngineError, SchemaDump, TableLock, TableShape, TableSize, Target};

/// Where the server lets us (superusers: manual, `deadlock_timeout`), a wait of ours is looked at before
/// that of an application, which waits a second: so the migration is what is ended of two that wait for
/// each other, and it tries again.
const LOOKS_FIRST: &str = "CASE WHEN pg_catalog.current_setting('is_superuser') = 'on' THEN pg_catalog.set_config('deadlock_timeout', '100ms', true) END";

/// Advisory lock of every transaction: the first 63 bits of SHA-256("downhaul transaction").
pub(crate) const TRANSACTION_KEY: i64 = 0x3c2c_997c_5c51_dd86;

/// Setting by which a session knows that the server itself has read what we sent while connecting.
const MARK: &str = "downhaul.session";

/// So many bytes of rows go to the server in one message.
const COPY_MESSAGE: usize = 64 << 10;

/// How the server finds out that we are gone without a word: a first question after 20 s, then
/// every 10 s, and after three without an answer the session ends, and its locks with it. Without
/// them that takes as long as the kernel's defaults, two hours and more.
const KEEPALIVE: [(&str, &str); 3] = [
    ("tcp_keepalives_idle", "20"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
];

/// A session on PostgreSQL.
pub(crate) struct Postgres {
    connection: PgConnection,
    server: ServerInfo,
    pub(super) in_transaction: bool,
    /// Its transactions share their lock with those of other sessions of the same run.
    beside: bool,
    /// Queries whose plans the server keeps for this session, and the numbers in their names.
    plans: HashMap<String, u32>,
    /// Number for the next plan: none is used twice, since nobody can know which are still there after
    /// a failure.
    next_plan: u32,
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
        let (connection, mark) =
            dial(options).await.map_err(|error| EngineError::connecting(target, &error))?;
        let mut session = Self {
            connection,
            server: ServerInfo {
                dialect: Dialect::Postgres,
                version: String::new(),
                major: 0,
                minor: 0,
                user: String::new(),
                cluster: false,
                pooled: false,
                session: 0,
            },
            in_transaction: false,
            beside: false,
            plans: HashMap::new(),
            next_plan: 1,
        };
        let rows = session
            .rows(&format!(
                "SELECT current_setting('server_version'), current_setting('server_version_num'), current_user, \
                        coalesce(current_setting('{MARK}', true), ''), pg_backend_pid()"
            ))
            .await?;
        let row = rows.first().ok_or_else(|| EngineError::Protocol("no version".into()))?;
        let number = row.number(1)?;
        let short = row.text(0).split(' ').next().unwrap_or("").to_owned();
        session.server.version = format!("PostgreSQL {short}");
        session.server.major = u32::try_from(number / 10_000).unwrap_or(0);
        session.server.minor = u32::try_from(number % 10_000).unwrap_or(0);
        session.server.user = row.text(2).to_owned();
        session.server.pooled = row.text(3) != mark;
        if !session.server.pooled {
            session.server.session = row.number(4)?;
        }
        session.notice_the_gone().await?;
        Ok(session)
    }

    /// The message that asks queries about a text; those that it makes plans for are added to `new`.
    /// Planning a query over the catalog takes the server several times as long as answering it.
    fn questions(&mut self, queries: &[&str], about: &str, new: &mut Vec<String>) -> String {
        let about = Dialect::Postgres.literal(about);
        let mut parts = Vec::with_capacity(queries.len());
        for query in queries {
            if self.server.pooled {
                // A plan would stay with a server session that others use.
                parts.push(query.replace("$1", &about));
                continue;
            }
            let number = match self.plans.get(*query) {
                Some(number) => *number,
                None => {
                    let number = self.next_plan;
                    self.next_plan += 1;
                    parts.push(format!("PREPARE downhaul_{number} (text) AS {query}"));
                    self.plans.insert((*query).to_owned(), number);
                    new.push((*query).to_owned());
                    number
                }
            };
            parts.push(format!("EXECUTE downhaul_{number} ({about})"));
        }
        parts.join("; ")
    }

    /// Statements that open a transaction within a budget; the last one returns a row.
    fn opening(&self, budget: LockBudget) -> String {
        // SET LOCAL: nothing leaks to the next client of a pooled connection.
        let statement = budget.statement_timeout.map_or(0, |limit| limit.as_millis());
        // Capture needs each statement to see what is committed when it starts, so a default of
        // REPEATABLE READ must not reach us.
        // The server goes on with the statement of a run that was killed, whose migration lock is
        // free by then: the lock at the end is free only when that transaction has ended. One
        // message: each of its statements is run on its own, after the one before it.
        let shared = if self.beside { "_shared" } else { "" };
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {statement}; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL client_min_messages = warning; \
             SELECT pg_catalog.pg_advisory_xact_lock{shared}({TRANSACTION_KEY}), {LOOKS_FIRST}",
            budget.lock_timeout.as_millis(),
        )
    }

    /// Questions of which the server makes one plan, instead of trying five times whether one for the
    /// very text asked about is better.
    fn planned_once(&self, questions: &str) -> String {
        if self.server.pooled || self.server.major < 12 {
            return questions.to_owned();
        }
        format!("SET plan_cache_mode = force_generic_plan; {questions}; RESET plan_cache_mode")
    }

    /// Asks as [`Session::ask`] does what the catalog says of a few tables. Plans that are kept outlive the size
    /// that the catalog had when they were made, and before it is analyzed the server takes it for small:
    /// they go by indexes, which is right for thousands of tables and no worse for few.
    pub(super) async fn ask_by_index(
        &mut self,
        queries: &[&str],
        about: &str,
    ) -> Result<Vec<Row>, EngineError> {
        let mut new = Vec::new();
        let questions = self.questions(queries, about, &mut new);
        let mut message = self.planned_once(&questions);
        if !new.is_empty() {
            let set = |end: &str, value: &str| {
                ["seqscan", "hashjoin", "mergejoin"]
                    .map(|way| format!("{end} enable_{way}{value}"))
                    .join("; ")
            };
            message = format!("{}; {message}; {}", set("SET", " = off"), set("RESET", ""));
        }
        self.answers(&message, &new).await
    }

    /// Sends what [`Self::questions`] wrote.
    async fn answers(&mut self, message: &str, new: &[String]) -> Result<Vec<Row>, EngineError> {
        let result = self.rows(message).await;
        if result.is_err() {
            for query in new {
                self.plans.remove(query);
            }
        }
        result
    }

    /// What the server of this version has beside keepalives: a limit for data that is on its way,
    /// and a look at the connection while a statement runs.
    async fn notice_the_gone(&mut self) -> Result<(), EngineError> {
        let mut settings = Vec::new();
        if self.server.major >= 12 {
            settings.push("SET tcp_user_timeout = '50s'");
        }
        if self.server.major >= 14 {
            settings.push("SET client_connection_check_interval = '10s'");
        }
        if self.server.pooled {
            return Ok(());
        }
        for setting in settings {
            match self.execute(setting).await {
                // Not every platform can; then keepalives alone must do.
                Ok(_) | Err(EngineError::Statement(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Connects, with a mark that only the server itself can show us again. Poolers refuse what they do
/// not know, or swallow it.
async fn dial(options: &PgConnectOptions) -> Result<(PgConnection, String), sqlx::Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    let mark = format!("{}-{now}", std::process::id());
    let quiet = options.clone().disable_statement_logging();
    let marked = KEEPALIVE
        .iter()
        .fold(quiet.clone().options([(MARK, mark.as_str())]), |options, setting| {
            options.options([*setting])
        });
    let refused = |error: &sqlx::Error, what: &str| {
        error.as_database_error().is_some_and(|error| {
            error.message().contains("startup parameter") && error.message().contains(what)
        })
    };
    let error = match marked.connect().await {
        Ok(connection) => return Ok((connection, mark)),
        Err(error) => error,
    };
    if !refused(&error, "") {
        return Err(error);
    }
    match quiet.connect().await {
        Err(error) if refused(&error, "extra_float_digits") => {
            Ok((quiet.extra_float_digits(None).connect().await?, mark))
        }
        result => Ok((result?, mark)),
    }
}

/// Whether a statement makes the server forget the plans of the session.
fn forgets_plans(sql: &str) -> bool {
    ["deallocate", "discard"].iter().any(|word| {
        sql.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    })
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
        if forgets_plans(sql) {
            self.plans.clear();
        }
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

    fn beside_others(&mut self) {
        self.beside = true;
    }

    async fn begin(&mut self, budget: LockBudget) -> Result<(), EngineError> {
        self.begin_with(budget, &[], "").await.map(drop)
    }

    async fn begin_reading(&mut self, budget: LockBudget) -> Result<(), EngineError> {
        let statement = budget.statement_timeout.map_or(0, |limit| limit.as_millis());
        // Without the lock of those that work: whoever only looks does not wait for a run, nor it for them.
        self.execute(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {statement}; \
             SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL client_min_messages = warning",
            budget.lock_timeout.as_millis()
        ))
        .await?;
        self.in_transaction = true;
        Ok(())
    }

    async fn ask(&mut self, queries: &[&str], about: &str) -> Result<Vec<Row>, EngineError> {
        let mut new = Vec::new();
        let questions = self.questions(queries, about, &mut new);
        let message = self.planned_once(&questions);
        self.answers(&message, &new).await
    }

    async fn begin_with(
        &mut self,
        budget: LockBudget,
        queries: &[&str],
        about: &str,
    ) -> Result<Vec<Row>, EngineError> {
        let mut new = Vec::new();
        let questions = self.questions(queries, about, &mut new);
        let opening = format!("{}; {questions}", self.opening(budget));
        match self.answers(&opening, &new).await {
            Ok(mut rows) => {
                self.in_transaction = true;
                // The first row is that of the lock.
                rows.drain(..rows.len().min(1));
                Ok(rows)
            }
            Err(error) => {
                let _ = self.execute("ROLLBACK").await;
                Err(error)
            }
        }
    }

    async fn keep_plans(
        &mut self,
        statements: &[(&str, String)],
    ) -> Result<Vec<String>, EngineError> {
        if self.server.pooled {
            return Ok(Vec::new());
        }
        let (mut names, mut parts, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (types, text) in statements {
            let number = match self.plans.get(text) {
                Some(number) => *number,
                None => {
                    let number = self.next_plan;
                    self.next_plan += 1;
                    parts.push(format!("PREPARE downhaul_{number} ({types}) AS {text}"));
                    self.plans.insert(text.clone(), number);
                    new.push(text.clone());
                    number
                }
            };
            names.push(format!("downhaul_{number}"));
        }
        if !parts.is_empty() {
            self.answers(&parts.join("; "), &new).await?;
        }
        Ok(names)
    }

    async fn open_together(
        &mut self,
        budget: LockBudget,
        queries: &[&str],
        about: &str,
    ) -> Result<Option<Vec<Row>>, EngineError> {
        if self.server.pooled {
            // Settings and a lock of the session would reach the next client.
            return Ok(None);
        }
        let mut new = Vec::new();
        let questions = self.questions(queries, about, &mut new);
        let questions = self.planned_once(&questions);
        let statement = budget.statement_timeout.map_or(0, |limit| limit.as_millis());
        // The session's own lock, for as long as the row lasts: the server goes on with it after a
        // kill, and nobody may begin between two of its transactions.
        let opening = format!(
            "SET lock_timeout = {}; SET statement_timeout = {statement}; SET idle_in_transaction_session_timeout = 0; \
             SET client_min_messages = warning; SET synchronous_commit = off; \
             SELECT pg_catalog.pg_advisory_lock({TRANSACTION_KEY}); {questions}",
            budget.lock_timeout.as_millis(),
        );
        match self.answers(&opening, &new).await {
            Ok(mut rows) => {
                rows.drain(..rows.len().min(1));
                Ok(Some(rows))
            }
            Err(EngineError::Disconnected(why)) => Err(EngineError::Disconnected(why)),
            Err(error) => {
                // The settings went with the failure, the lock of the session did not.
                self.close_together().await?;
                Err(error)
            }
        }
    }

    async fn together(&mut self, transactions: &[String]) -> Result<(), EngineError> {
        let mut message = String::new();
        for (index, statements) in transactions.iter().enumerate() {
            message.push_str("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n");
            if index + 1 == transactions.len() {
                // The last one waits for the disk as the server is set up to, and with it for all
                // before it, which stand earlier in the same log (PostgreSQL manual §30.4). The others
                // need not: what is lost of them in a crash is lost as a whole, journal included, and
                // nobody has been told of it yet.
                message.push_str("SET LOCAL synchronous_commit TO DEFAULT;\n");
            }
            message.push_str(statements);
            message.push_str(";\nCOMMIT;\n");
        }
        match self.execute(&message).await {
            Ok(_) => self.close_together().await,
            Err(EngineError::Disconnected(why)) => Err(EngineError::Disconnected(why)),
            Err(error) => {
                self.rollback().await?;
                self.close_together().await?;
                // A transaction with a number waits for the disk as it ends, and so for those before it.
                self.execute("SELECT pg_catalog.txid_current()").await?;
                Err(error)
            }
        }
    }

    async fn close_together(&mut self) -> Result<(), EngineError> {
        self.execute(&format!(
            "RESET synchronous_commit; RESET lock_timeout; RESET statement_timeout; RESET idle_in_transaction_session_timeout; \
             RESET client_min_messages; SELECT pg_catalog.pg_advisory_unlock({TRANSACTION_KEY})"
        ))
        .await
        .map(drop)
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

    async fn transact_rows(
        &mut self,
        budget: LockBudget,
        statements: &str,
    ) -> Result<Vec<Row>, EngineError> {
        let message = format!("{}; {statements}; COMMIT", self.opening(budget));
        match self.rows(&message).await {
            Ok(mut rows) => {
                // The first row is that of the lock.
                rows.drain(..rows.len().min(1));
                Ok(rows)
            }
            Err(error) => {
                // After a broken connection there is nothing to roll back: the server does it.
                let _ = self.execute("ROLLBACK").await;
                Err(error)
            }
        }
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

    async fn table_shapes(
        &mut self,
        names: &[ObjectName],
    ) -> Result<Vec<Option<TableShape>>, EngineError> {
        super::shape::table_shapes(self, names).await
    }

    async fn tables_of_schema(&mut self, schema: &str) -> Result<Vec<ObjectName>, EngineError> {
        super::shape::tables_of_schema(self, schema).await
    }

    async fn sizes(&mut self) -> Result<Vec<TableSize>, EngineError> {
        // A partitioned table is as large as its partitions.
        let rows = self
            .rows(
                "SELECT n.nspname, c.relname, \
                   sum(CASE WHEN p.reltuples > 0 THEN p.reltuples ELSE pg_catalog.pg_relation_size(p.oid) / 100 END)::bigint, \
                   sum(pg_catalog.pg_total_relation_size(p.oid))::bigint \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 LEFT JOIN LATERAL pg_catalog.pg_partition_tree(CASE c.relkind WHEN 'p' THEN c.oid END) t ON true \
                 JOIN pg_catalog.pg_class p ON p.oid = coalesce(t.relid::oid, c.oid) \
                 WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'downhaul') \
                   AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%' \
                 GROUP BY c.oid, n.nspname, c.relname",
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
        self.rows(&format!("SELECT pg_catalog.pg_cancel_backend({working})")).await.map(drop)
    }

    async fn work_done(&mut self, working: i64) -> Result<Option<WorkDone>, EngineError> {
        // Views of progress: PostgreSQL manual §28.4. Index builds since 12, CLUSTER and VACUUM FULL
        // since 12.
        if self.server.major < 12 {
            return Ok(None);
        }
        let rows = self
            .rows(&format!(
                "SELECT 'index: ' || phase, CASE WHEN blocks_total > 0 THEN blocks_done ELSE tuples_done END, \
                        CASE WHEN blocks_total > 0 THEN blocks_total ELSE tuples_total END \
                 FROM pg_catalog.pg_stat_progress_create_index WHERE pid = {working} \
                 UNION ALL SELECT lower(command) || ': ' || phase, heap_blks_scanned, heap_blks_total \
                 FROM pg_catalog.pg_stat_progress_cluster WHERE pid = {working} \
                 UNION ALL SELECT 'vacuum: ' || phase, heap_blks_scanned, heap_blks_total \
                 FROM pg_catalog.pg_stat_progress_vacuum WHERE pid = {working} LIMIT 1"
            ))
            .await?;
        rows.first()
            .map(|row| {
                Ok(WorkDone {
                    phase: row.text(0).to_owned(),
                    done: u64::try_from(row.number(1)?).unwrap_or(0),
                    total: u64::try_from(row.number(2)?).unwrap_or(0),
                })
            })
            .transpose()
    }

    async fn reset_settings(&mut self) -> Result<(), EngineError> {
        self.execute("RESET ALL").await?;
        self.notice_the_gone().await
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
        let before = self.ask(&[&format!("SELECT {list}")], "").await?;
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
        let fixed = set(FIXED.iter().map(|(_, value)| (*value).to_owned()).collect());
        let before =
            before.first().map(|row| (0..FIXED.len()).map(|i| row.text(i).to_owned()).collect());
        let back = set(before.unwrap_or_default());
        let columns = if columns.is_empty() { "1".to_owned() } else { columns.join(", ") };
        // The sum does not depend on the order of the rows; 60 bits of MD5 each. One message: where it
        // fails, the transaction and its settings are over.
        let answers = self
            .rows(&format!(
                "{fixed}; \
                 SELECT count(*) || ':' || coalesce(sum(('x' || substr(md5(r::text), 1, 15))::bit(60)::bigint), 0) \
                 FROM (SELECT {columns} FROM {table}) r; {back}"
            ))
            .await?;
        Ok(answers.get(1).map(|row| row.text(0).to_owned()).unwrap_or_default())
    }

    async fn digest_rows(&mut self, out: &str, digest: &mut RowDigest) -> Result<(), EngineError> {
        let failed = |error| EngineError::running(out, error);
        let mut rows = Unframed::new(digest);
        let mut parts = self.connection.copy_out_raw(out).await.map_err(failed)?;
        while let Some(part) = parts.try_next().await.map_err(failed)? {
            rows.add(&part);
        }
        rows.end();
        Ok(())
    }

    async fn pass_rows(
        &mut self,
        out: &str,
        into: &str,
        digest: &mut RowDigest,
    ) -> Result<u64, EngineError> {
        let mut rows = Vec::new();
        {
            let failed = |error| EngineError::running(out, error);
            let mut parts = self.connection.copy_out_raw(out).await.map_err(failed)?;
            while let Some(part) = parts.try_next().await.map_err(failed)? {
                rows.extend_from_slice(&part);
            }
        }
        let mut all = Unframed::new(digest);
        all.add(&rows);
        all.end();
        let failed = |error| EngineError::running(into, error);
        let mut copy = self.connection.copy_in_raw(into).await.map_err(failed)?;
        // The server keeps a message in memory as a whole: small ones all stand in the same place.
        for piece in rows.chunks(COPY_MESSAGE) {
            copy.send(piece).await.map_err(failed)?;
        }
        copy.finish().await.map_err(failed)
    }

    async fn close(self: Box<Self>) {
        // An error while saying goodbye changes nothing: all work is committed or rolled back.
        let _ = self.connection.close().await;
    }
}
