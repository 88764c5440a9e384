//! What can go wrong with a database.

/// A statement that the server refused.
#[derive(Clone, Debug)]
pub struct StatementFailure {
    /// The server's message.
    pub message: String,
    /// SQLSTATE, or the engine's own code.
    pub code: Option<String>,
    /// Detail and hint of the server.
    pub detail: Option<String>,
    /// Character in the statement at which the server points, from 0.
    pub position: Option<usize>,
    /// The statement.
    pub sql: String,
}

/// A rule about rows that a statement would have broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A foreign key.
    ForeignKey,
    /// A unique key, or one that excludes others.
    Unique,
    /// `NOT NULL`, `CHECK`.
    Other,
}

impl StatementFailure {
    /// The rule for which the server refused the statement (PostgreSQL manual, appendix A, class 23; MariaDB's
    /// error numbers; SQLite's extended result codes).
    #[must_use]
    pub fn breaks(&self) -> Option<Rule> {
        match self.code.as_deref()? {
            "23503" | "1216" | "1217" | "1451" | "1452" | "787" => Some(Rule::ForeignKey),
            "23505" | "23P01" | "1062" | "1586" | "1555" | "2067" | "2579" => Some(Rule::Unique),
            "23502" | "23514" | "1048" | "4025" | "3819" | "275" | "1299" => Some(Rule::Other),
            _ => None,
        }
    }
}

/// Any failure of the database or of the way to it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The URL cannot be read. Never holds the URL itself.
    #[error("the database URL cannot be used: {message}")]
    BadUrl {
        /// What is wrong.
        message: String,
    },
    /// No connection.
    #[error("cannot reach {target}: {cause}")]
    Unreachable {
        /// Which database.
        target: String,
        /// Why.
        cause: String,
    },
    /// The connection is not as safe as it must be: no encryption, or a certificate that nobody vouches
    /// for.
    #[error("no safe connection to {target}: {cause}")]
    Untrusted {
        /// Which database.
        target: String,
        /// Why.
        cause: String,
    },
    /// There is no such SQLite file.
    #[error("{target} does not exist")]
    NoFile {
        /// Which database.
        target: String,
    },
    /// The server refused the login.
    #[error("{target} refused the login: {cause}")]
    LoginRefused {
        /// Which database.
        target: String,
        /// Why.
        cause: String,
    },
    /// The database cannot be written to.
    #[error("the database is read-only: {0}")]
    ReadOnly(String),
    /// A lock was not to be had within the budget.
    #[error("a lock was not to be had in time: {}", .0.message)]
    LockTimeout(StatementFailure),
    /// The server refused a statement.
    #[error("{}", .0.message)]
    Statement(StatementFailure),
    /// The connection broke.
    #[error("the connection to the database broke: {0}")]
    Disconnected(String),
    /// The server answered in a way that should not be.
    #[error("unexpected answer of the database: {0}")]
    Protocol(String),
}

impl EngineError {
    /// The same failure with all that the server said of it run through `change`: what stands in a
    /// message may be secret.
    #[must_use]
    pub fn map_text(self, change: &dyn Fn(&str) -> String) -> Self {
        let failure = |f: StatementFailure| StatementFailure {
            message: change(&f.message),
            detail: f.detail.map(|detail| change(&detail)),
            sql: change(&f.sql),
            ..f
        };
        match self {
            Self::LockTimeout(f) => Self::LockTimeout(failure(f)),
            Self::Statement(f) => Self::Statement(failure(f)),
            other => other,
        }
    }

    /// The same failure, told of the one statement that matters of a message of several.
    #[must_use]
    pub fn of_statement(self, sql: &str) -> Self {
        let of = |f: StatementFailure| StatementFailure {
            // Where it is in the message says nothing of the statement.
            position: None,
            sql: sql.to_owned(),
            ..f
        };
        match self {
            Self::LockTimeout(f) => Self::LockTimeout(of(f)),
            Self::Statement(f) => Self::Statement(of(f)),
            other => other,
        }
    }

    /// Translates an error of the driver met while connecting.
    pub(crate) fn connecting(target: &impl std::fmt::Display, error: &sqlx::Error) -> Self {
        let target = target.to_string();
        if let sqlx::Error::Database(db) = error {
            let code = db.code().unwrap_or_default().into_owned();
            let cause = db.message().to_owned();
            if let Some(mysql) = db.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
                // MySQL error reference: 1044, 1045, 1698 access denied, 1251 and 2059 the way of
                // logging in is not known, 1862 the password has expired.
                return if matches!(mysql.number(), 1044 | 1045 | 1251 | 1698 | 1862 | 2059) {
                    Self::LoginRefused { target, cause }
                } else {
                    Self::Unreachable { target, cause: mysql_cause(mysql.number(), cause) }
                };
            }
            // Class 28: invalid authorization (PostgreSQL manual, appendix A).
            return if code.starts_with("28") {
                Self::LoginRefused { target, cause }
            } else {
                Self::Unreachable { target, cause }
            };
        }
        if let Some(cause) = crate::tls::cause(error) {
            return Self::Untrusted { target, cause };
        }
        let cause = match error {
            // Without the driver's "error communicating with database".
            sqlx::Error::Io(broken) => broken.to_string(),
            other => other.to_string(),
        };
        Self::Unreachable { target, cause }
    }

    /// Translates an error of the driver met while running a statement.
    pub(crate) fn running(sql: &str, error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(db) => {
                let code = db.code().map(std::borrow::Cow::into_owned);
                let mut failure = StatementFailure {
                    message: db.message().to_owned(),
                    code: code.clone(),
                    detail: None,
                    position: None,
                    sql: sql.to_owned(),
                };
                if let Some(pg) = db.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
                    let parts: Vec<&str> = [pg.detail(), pg.hint()].into_iter().flatten().collect();
                    failure.detail = (!parts.is_empty()).then(|| parts.join("\n"));
                    failure.position = match pg.position() {
                        Some(sqlx::postgres::PgErrorPosition::Original(at)) => at.checked_sub(1),
                        _ => None,
                    };
                }
                if let Some(mysql) = db.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
                    let number = mysql.number();
                    failure.code = Some(number.to_string());
                    return match number {
                        // Lock wait timeout; deadlock, or certification failed on a cluster; MySQL's NOWAIT.
                        1205 | 1213 | 3572 => Self::LockTimeout(failure),
                        // --read-only, super_read_only, a read-only transaction or InnoDB.
                        1290 if failure.message.contains("read-only") => {
                            Self::ReadOnly(failure.message)
                        }
                        1792 | 1836 | 1874 => Self::ReadOnly(failure.message),
                        // Shutdown, killed, gone, no quorum.
                        1047 | 1053 | 1079 | 1927 | 2006 | 2013 | 3169 => {
                            Self::Disconnected(mysql_cause(number, failure.message))
                        }
                        _ => Self::Statement(failure),
                    };
                }
                // PostgreSQL manual, appendix A: 55P03 lock_not_available, 57014 query_canceled
                // (statement_timeout), 25006 read_only_sql_transaction. SQLite: 5 BUSY, 8 READONLY
                // and their extended codes in the low byte.
                let sqlite = db.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some();
                let primary = code.as_deref().and_then(|c| c.parse::<u32>().ok()).map(|c| c & 0xff);
                match code.as_deref() {
                    Some("55P03") => Self::LockTimeout(failure),
                    Some("25006") => Self::ReadOnly(failure.message),
                    // 0A000, which says many things, here of a transaction begun READ WRITE.
                    _ if failure.message.contains("read-write mode during recovery") => {
                        Self::ReadOnly("the server is a replica".into())
                    }
                    // 57P01 to 57P03: the server is going away or not there yet.
                    Some("57P01" | "57P02" | "57P03") => Self::Disconnected(failure.message),
                    _ if sqlite && primary == Some(5) => Self::LockTimeout(failure),
                    _ if sqlite && primary == Some(8) => Self::ReadOnly(failure.message),
                    _ => Self::Statement(failure),
                }
            }
            sqlx::Error::Io(error) => Self::Disconnected(error.to_string()),
            sqlx::Error::Protocol(message) => Self::Disconnected(message),
            sqlx::Error::WorkerCrashed => Self::Disconnected("the driver's thread died".into()),
            other => Self::Protocol(other.to_string()),
        }
    }

    /// Somebody ended the statement while it ran.
    #[must_use]
    pub fn was_cancelled(&self) -> bool {
        // PostgreSQL manual, appendix A: query_canceled. MySQL error reference: ER_QUERY_INTERRUPTED.
        let code = self.failure().and_then(|failure| failure.code.as_deref());
        matches!(code, Some("57014" | "1317"))
    }

    /// The server, or SQLite, had no room left for what it was to write.
    #[must_use]
    pub fn disk_is_full(&self) -> bool {
        let Some(failure) = self.failure() else { return false };
        let code = failure.code.as_deref().unwrap_or_default();
        // MySQL error reference: 1021 ER_DISK_FULL, 1114 ER_RECORD_FILE_FULL; others, such as 1030
        // ER_GET_ERRNO and 1005 ER_CANT_CREATE_TABLE, bring what the system said, 28 being ENOSPC, or the
        // storage engine, 135 being HA_ERR_RECORD_FILE_FULL.
        let said = &failure.message;
        let of_system = [
            "No space left on device",
            "rrno: 28",
            "rrcode: 28",
            "rror 28 ",
            "rrno: 135",
            "rror 135 ",
        ];
        match code {
            // PostgreSQL manual, appendix A: disk_full.
            "53100" | "1021" | "1114" => true,
            // SQLITE_FULL.
            "13" => true,
            _ => of_system.iter().any(|words| said.contains(words)),
        }
    }

    /// Another session was in the way: a lock was not to be had, or one of two had to give way. The transaction
    /// may be tried again.
    #[must_use]
    pub fn is_contention(&self) -> bool {
        // deadlock_detected (PostgreSQL manual, appendix A).
        let deadlock = || self.failure().is_some_and(|f| f.code.as_deref() == Some("40P01"));
        matches!(self, Self::LockTimeout(_)) || deadlock()
    }

    /// The refused statement, where that is what happened.
    #[must_use]
    pub fn failure(&self) -> Option<&StatementFailure> {
        match self {
            Self::Statement(failure) | Self::LockTimeout(failure) => Some(failure),
            _ => None,
        }
    }
}

/// What the server says, and what it means where it says little.
fn mysql_cause(number: u16, message: String) -> String {
    match number {
        1047 => format!(
            "{message} (this node has no quorum: it is cut off from the majority of its cluster)"
        ),
        _ => message,
    }
}
