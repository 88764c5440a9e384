//! One runner at a time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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

/// The right to run migrations on a database. It dies with the process: a PostgreSQL advisory lock
/// on a connection of its own, a lock on a file beside a SQLite database.
pub struct MigrationLock(Held);

enum Held {
    Postgres(Box<dyn Session>),
    File { _file: File },
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
        if let Held::Postgres(session) = self.0 {
            session.close().await;
        }
    }
}

enum Attempt {
    Postgres(Box<dyn Session>),
    File { file: File, path: PathBuf },
}

impl Attempt {
    async fn new(target: &Target) -> Result<Self, EngineError> {
        match target {
            Target::Postgres(_) => Ok(Self::Postgres(crate::connect(target, false).await?)),
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
            Self::Postgres(session) => Held::Postgres(session),
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
