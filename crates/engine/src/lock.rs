//! One runner at a time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::session::Session;
use crate::{EngineError, Target};

/// Key of the advisory lock: the first eight bytes of SHA-256("downhaul migration lock").
const POSTGRES_KEY: i64 = 0x1d0c_5a71_6e3b_92f4;

/// Who holds the lock, as far as can be told.
#[derive(Clone, Debug)]
pub struct LockHolder {
    /// For people: "pid 4711 (deploy@10.0.0.5), since 12:04:31".
    pub description: String,
}

/// The right to run migrations on a database. It dies with the process: an advisory lock of the
/// server on a connection of its own, a lock on a file beside a SQLite database.
pub struct MigrationLock(Held);

enum Held {
    /// Of a server: it dies with this connection.
    Session(Box<dyn Session>),
    File {
        _file: File,
    },
}

impl MigrationLock {
    /// Takes the lock, asking again and again up to `patience`.
    ///
    /// It polls: a session that waits inside `pg_advisory_lock()` holds a snapshot, with which the
    /// holder's `CREATE INDEX CONCURRENTLY` deadlocks.
    pub async fn acquire(
        target: &Target,
        patience: Duration,
    ) -> Result<Result<Self, LockHolder>, EngineError> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(20);
        let mut attempt = Attempt::new(target).await?;
        loop {
            if attempt.try_once().await? {
                return Ok(Ok(attempt.held()));
            }
            if started.elapsed() >= patience {
                return Ok(Err(attempt.holder().await?));
            }
            tokio::time::sleep(pause.min(patience.saturating_sub(started.elapsed()))).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Gives the lock back.
    pub async fn release(self) {
        if let Held::Session(session) = self.0 {
            session.close().await;
        }
    }
}

enum Attempt {
    Postgres(Box<dyn Session>),
    MySql { session: Box<dyn Session>, name: String },
    File { file: File, path: PathBuf },
}

impl Attempt {
    async fn new(target: &Target) -> Result<Self, EngineError> {
        match target {
            Target::Postgres(_) => Ok(Self::Postgres(crate::connect(target, false).await?)),
            Target::MySql(options) => {
                let session = crate::connect(target, false).await?;
                let name = mysql_name("run", options.get_database().unwrap_or_default());
                Ok(Self::MySql { session, name })
            }
            Target::Sqlite { path, .. } => {
                let path = lock_path(path);
                let file = File::options()
                    .create(true)
                    .truncate(false)
                    .read(true)
                    .write(true)
                    .open(&path)
                    .map_err(|error| {
                        EngineError::ReadOnly(format!(
                            "cannot make the lock file `{}`: {error}",
                            path.display()
                        ))
                    })?;
                Ok(Self::File { file, path })
            }
        }
    }

    async fn try_once(&mut self) -> Result<bool, EngineError> {
        match self {
            Self::Postgres(session) => {
                let row = session
                    .row(&format!("SELECT pg_catalog.pg_try_advisory_lock({POSTGRES_KEY})"))
                    .await?;
                Ok(row.is_some_and(|row| row.flag(0)))
            }
            Self::MySql { session, name } => {
                let row = session.row(&format!("SELECT GET_LOCK('{name}', 0)")).await?;
                Ok(row.is_some_and(|row| row.flag(0)))
            }
            Self::File { file, path } => match file.try_lock() {
                Ok(()) => {
                    let note = format!("pid {}\n", std::process::id());
                    // For people who wonder who holds it; the lock itself is the kernel's.
                    let _ = std::fs::write(path, note);
                    Ok(true)
                }
                Err(std::fs::TryLockError::WouldBlock) => Ok(false),
                Err(std::fs::TryLockError::Error(error)) => {
                    Err(EngineError::ReadOnly(format!("cannot lock `{}`: {error}", path.display())))
                }
            },
        }
    }

    fn held(self) -> MigrationLock {
        MigrationLock(match self {
            Self::Postgres(session) | Self::MySql { session, .. } => Held::Session(session),
            Self::File { file, .. } => Held::File { _file: file },
        })
    }

    async fn holder(&mut self) -> Result<LockHolder, EngineError> {
        let description = match self {
            Self::Postgres(session) => {
                // A bigint key is shown as two halves (PostgreSQL manual §54.12, pg_locks).
                let row = session
                    .row(&format!(
                        "SELECT a.pid, a.usename, coalesce(a.client_addr::text, 'local'), to_char(a.backend_start, 'HH24:MI:SS') \
                         FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
                         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
                           AND (l.classid::bigint << 32 | l.objid::bigint) = {POSTGRES_KEY} \
                           AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) LIMIT 1"
                    ))
                    .await?;
                row.map_or_else(
                    || "another runner".to_owned(),
                    |row| {
                        format!(
                            "server process {} ({}@{}), connected since {}",
                            row.text(0),
                            row.text(1),
                            row.text(2),
                            row.text(3)
                        )
                    },
                )
            }
            Self::MySql { session, name } => mysql_holder(&mut **session, name).await?,
            Self::File { path, .. } => std::fs::read_to_string(path)
                .ok()
                .map(|note| note.trim().to_owned())
                .filter(|note| !note.is_empty())
                .unwrap_or_else(|| "another runner".to_owned()),
        };
        Ok(LockHolder { description })
    }
}

/// `shop.db` → `shop.db.downhaul-lock`.
fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".downhaul-lock");
    PathBuf::from(name)
}

/// Name of a `GET_LOCK` lock. They are the server's, not the database's, and at most 64 characters
/// long (MySQL manual §14.14).
fn mysql_name(purpose: &str, database: &str) -> String {
    let hash = Sha256::digest(database.as_bytes());
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("downhaul-{purpose}-{hex}")
}

async fn mysql_holder(session: &mut dyn Session, name: &str) -> Result<String, EngineError> {
    // Other users' sessions are shown only to those with the PROCESS privilege.
    let row = session
        .row(&format!(
            "SELECT IS_USED_LOCK('{name}'), p.USER, p.HOST FROM (SELECT 1) one \
             LEFT JOIN information_schema.PROCESSLIST p ON p.ID = IS_USED_LOCK('{name}')"
        ))
        .await?;
    Ok(match row {
        Some(row) if row.opt(0).is_some() => match row.opt(1) {
            Some(user) => {
                format!("server connection {} ({user}@{})", row.text(0), row.text(2))
            }
            None => format!("server connection {}", row.text(0)),
        },
        _ => "another runner".to_owned(),
    })
}

/// MySQL and MariaDB: the session that does the work holds a lock of its own too. A statement goes
/// on after its client was killed; until it has ended, nobody else may begin.
///
/// Returns the holder if the lock is not to be had within `patience`.
pub async fn claim_session(
    session: &mut dyn Session,
    patience: Duration,
) -> Result<Option<LockHolder>, EngineError> {
    if !session.dialect().is_mysql_family() {
        return Ok(None);
    }
    let database = session.row("SELECT DATABASE()").await?;
    let database = database.map(|row| row.text(0).to_owned()).unwrap_or_default();
    let name = mysql_name("work", &database);
    let started = Instant::now();
    loop {
        let row = session.row(&format!("SELECT GET_LOCK('{name}', 0)")).await?;
        if row.is_some_and(|row| row.flag(0)) {
            return Ok(None);
        }
        if started.elapsed() >= patience {
            let holder = mysql_holder(session, &name).await?;
            return Ok(Some(LockHolder {
                description: format!("{holder}, still busy with a statement of an earlier run"),
            }));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
