//! One runner at a time.
//!
//! | engine | what is held | and when its holder vanishes |
//! | --- | --- | --- |
//! | PostgreSQL | a session's advisory lock | the session ends, at the latest when keepalives fail |
//! | PostgreSQL behind a pooler | a transaction's advisory lock, the transaction left open | the same |
//! | MySQL, MariaDB | `GET_LOCK` | the session ends, at the latest when its heart has not beaten for a minute |
//! | Galera | `GET_LOCK` of the node, and a row that all nodes certify ([`lease`]) | the row's counter stands still |
//! | MySQL, MariaDB, sessions at work | `GET_LOCK` of each of them | the session ends |
//! | SQLite | the kernel's lock on a file beside the database | the process ends |
//!
//! A lock of a session is asked for anew every few seconds (its *heart* beats), so that the server
//! sees that we live and we see whether we still hold it.

mod holder;
mod lease;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use downhaul_syntax::Dialect;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::session::Session;
use crate::{Blocker, EngineError, Target, WorkDone};
pub use holder::{Presence, presence};
use holder::{mysql_holder, postgres_holder};
use lease::Lease;

/// Key of the advisory lock: the first eight bytes of SHA-256("downhaul migration lock").
const POSTGRES_KEY: i64 = 0x1d0c_5a71_6e3b_92f4;

/// How often the heart beats.
const BEAT: Duration = Duration::from_secs(15);

/// How often a runner that asks is told by the session itself.
const LOOK: Duration = Duration::from_secs(1);

/// Seconds of silence after which MySQL and MariaDB end the session that holds the lock.
const SILENCE: u32 = 60;

/// Who holds the lock, as far as can be told.
#[derive(Clone, Debug)]
pub struct LockHolder {
    /// For people: "pid 4711 (deploy@10.0.0.5), since 12:04:31".
    pub description: String,
}

/// The right to run migrations on a database. It dies with the process: an advisory lock of the
/// server on a connection of its own, a lock on a file beside a SQLite database.
pub struct MigrationLock {
    held: Held,
    lost: Arc<AtomicBool>,
    heart: Option<JoinHandle<()>>,
    lease: Option<Lease>,
    /// When it was last seen to be ours.
    seen: Instant,
}

enum Held {
    /// Of a server: it dies with this connection.
    Session(Watcher),
    File {
        _file: File,
    },
}

/// The session that holds the lock, which has time to look at what others do.
#[derive(Clone)]
pub struct Watcher(Arc<Mutex<Option<Box<dyn Session>>>>);

impl Watcher {
    /// Sessions that a session (by its number) waits for now.
    pub async fn blockers_of(&self, waiting: i64) -> Vec<Blocker> {
        match self.0.lock().await.as_mut() {
            // What cannot be seen is not told; the wait itself is reported anyway.
            Some(session) => session.blockers_of(waiting).await.unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// Ends what a session (by its number) is doing now.
    pub async fn cancel(&self, working: i64) -> Result<(), EngineError> {
        match self.0.lock().await.as_mut() {
            Some(session) => session.cancel(working).await,
            None => Ok(()),
        }
    }

    /// How far a session (by its number) is with its statement.
    pub async fn work_done(&self, working: i64) -> Option<WorkDone> {
        let mut session = self.0.lock().await;
        session.as_mut()?.work_done(working).await.ok().flatten()
    }

    /// Rows that the open transaction of a session (by its number) has written so far.
    pub async fn rows_written(&self, working: i64) -> Option<u64> {
        let mut session = self.0.lock().await;
        session.as_mut()?.rows_written(working).await.ok().flatten()
    }
}

impl MigrationLock {
    /// Takes the lock, asking again and again up to `patience`. `who` is told to those who wait.
    ///
    /// It polls: a session that waits inside `pg_advisory_lock()` holds a snapshot, with which the
    /// holder's `CREATE INDEX CONCURRENTLY` deadlocks.
    pub async fn acquire(
        target: &Target,
        patience: Duration,
        who: &str,
    ) -> Result<Result<Self, LockHolder>, EngineError> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(20);
        let mut attempt = Attempt::new(target, who).await?;
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

    /// The session that holds it, for looking at others; none for a file.
    #[must_use]
    pub fn watcher(&self) -> Option<Watcher> {
        match &self.held {
            Held::Session(watcher) => Some(watcher.clone()),
            Held::File { .. } => None,
        }
    }

    /// Whether it is still ours: once a second the session that holds it is asked for an answer, since from the
    /// instant in which it ends another runner may begin. On a cluster this asks for the row that all nodes
    /// certify, on the session that is about to work.
    pub async fn still_held(&mut self, session: &mut dyn Session) -> Result<bool, EngineError> {
        if self.lost.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if let Some(lease) = &self.lease {
            return lease.beat(session).await;
        }
        let Held::Session(watcher) = &self.held else { return Ok(true) };
        if self.seen.elapsed() < LOOK {
            return Ok(true);
        }
        // Where somebody else talks with it just now, the next look will tell.
        let Ok(mut holder) = watcher.0.try_lock() else { return Ok(true) };
        if let Some(holder) = holder.as_mut()
            && holder.rows("SELECT 1").await.is_err()
        {
            self.lost.store(true, Ordering::Relaxed);
            return Ok(false);
        }
        self.seen = Instant::now();
        Ok(true)
    }

    /// Gives the lock back.
    pub async fn release(self) {
        if let Some(heart) = &self.heart {
            heart.abort();
        }
        let Held::Session(watcher) = self.held else { return };
        if let Some(mut session) = watcher.0.lock().await.take() {
            if let Some(lease) = &self.lease {
                // If this fails, the others see that its counter stands still.
                let _ = lease.give_up(&mut *session).await;
            }
            session.close().await;
        }
    }
}

enum Attempt {
    Postgres(Box<dyn Session>),
    MySql { session: Box<dyn Session>, name: String, lease: Option<Lease> },
    File { file: File, path: PathBuf },
}

impl Attempt {
    async fn new(target: &Target, who: &str) -> Result<Self, EngineError> {
        match target {
            Target::Postgres(_) => Ok(Self::Postgres(crate::connect(target, false).await?)),
            Target::MySql(options) => {
                let mut session = crate::connect(target, false).await?;
                session.execute(&format!("SET SESSION wait_timeout = {SILENCE}")).await?;
                let name = mysql_name("run", options.get_database().unwrap_or_default());
                let lease = if session.server().cluster {
                    Some(Lease::new(&mut *session, who).await?)
                } else {
                    None
                };
                Ok(Self::MySql { session, name, lease })
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
            Self::Postgres(session) if session.server().pooled => {
                // A session's lock would stay with the pool's session after we are gone, for nobody
                // to give back. An open transaction keeps its server session to itself; while it
                // does nothing it holds no snapshot, so nobody waits for it.
                session
                    .execute("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0")
                    .await?;
                let row = session
                    .row(&format!("SELECT pg_catalog.pg_try_advisory_xact_lock({POSTGRES_KEY})"))
                    .await?;
                let got = row.is_some_and(|row| row.flag(0));
                if !got {
                    session.execute("ROLLBACK").await?;
                }
                Ok(got)
            }
            Self::Postgres(session) => {
                let row = session
                    .row(&format!("SELECT pg_catalog.pg_try_advisory_lock({POSTGRES_KEY})"))
                    .await?;
                Ok(row.is_some_and(|row| row.flag(0)))
            }
            Self::MySql { session, name, lease } => {
                let row = session.row(&format!("SELECT GET_LOCK('{name}', 0)")).await?;
                let got = row.is_some_and(|row| row.flag(0));
                match lease {
                    Some(lease) if got => {
                        let leased = lease.try_take(&mut **session).await?;
                        if !leased {
                            session.execute(&format!("DO RELEASE_LOCK('{name}')")).await?;
                        }
                        Ok(leased)
                    }
                    _ => Ok(got),
                }
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
        let lost = Arc::new(AtomicBool::new(false));
        let (session, lease) = match self {
            Self::File { file, .. } => {
                return MigrationLock {
                    held: Held::File { _file: file },
                    lost,
                    heart: None,
                    lease: None,
                    seen: Instant::now(),
                };
            }
            Self::Postgres(session) => (session, None),
            Self::MySql { session, lease, .. } => (session, lease),
        };
        let watcher = Watcher(Arc::new(Mutex::new(Some(session))));
        let heart = tokio::spawn(beat(watcher.clone(), lease.clone(), Arc::clone(&lost)));
        let held = Held::Session(watcher);
        MigrationLock { held, lost, heart: Some(heart), lease, seen: Instant::now() }
    }

    async fn holder(&mut self) -> Result<LockHolder, EngineError> {
        let description = match self {
            Self::Postgres(session) => postgres_holder(&mut **session, POSTGRES_KEY)
                .await?
                .unwrap_or_else(|| "another runner".to_owned()),
            Self::MySql { session, name, lease } => {
                match mysql_holder(&mut **session, name).await? {
                    Some(holder) => holder,
                    None => match lease {
                        Some(lease) => lease.holder(&mut **session).await?,
                        None => "another runner".to_owned(),
                    },
                }
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

/// Beats until the lock is given back or lost.
async fn beat(watcher: Watcher, lease: Option<Lease>, lost: Arc<AtomicBool>) {
    let pause = if lease.is_some() { lease::BEAT } else { BEAT };
    loop {
        tokio::time::sleep(pause).await;
        let mut session = watcher.0.lock().await;
        let Some(session) = session.as_mut() else { return };
        let alive = match &lease {
            Some(lease) => lease.beat(&mut **session).await,
            None => session.rows("SELECT 1").await.map(|_| true),
        };
        match alive {
            Ok(true) => {}
            // Another transaction of ours was at the row; the next beat will tell.
            Err(EngineError::LockTimeout(_)) => {}
            Ok(false) | Err(_) => {
                lost.store(true, Ordering::Relaxed);
                return;
            }
        }
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
pub(crate) fn mysql_name(purpose: &str, database: &str) -> String {
    let hash = Sha256::digest(database.as_bytes());
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("downhaul-{purpose}-{hex}")
}

/// A server goes on with what it was sent after the client was killed; until that has ended, nobody
/// else may begin. On MySQL and MariaDB the session that does the work holds a lock of its own too, on
/// PostgreSQL each of its transactions does.
///
/// Returns the holder if the lock is not to be had within `patience`.
pub async fn claim_session(
    session: &mut dyn Session,
    patience: Duration,
) -> Result<Option<LockHolder>, EngineError> {
    match session.dialect() {
        Dialect::Sqlite => return Ok(None),
        Dialect::Postgres => return nobody_is_left(session, patience).await,
        Dialect::Mysql | Dialect::MariaDb => {}
    }
    let database = current_database(session).await?;
    let name = mysql_name("work", &database);
    // Those that were at work beside it count too.
    let beside: Vec<String> = (1..=MOST_BESIDE).map(|n| beside_name(n, &database)).collect();
    let held: Vec<String> =
        beside.iter().map(|name| format!("IS_FREE_LOCK('{name}') = 0")).collect();
    let question = format!("SELECT GET_LOCK('{name}', 0), {}", held.join(" OR "));
    let started = Instant::now();
    loop {
        let row = session.row(&question).await?;
        if row.is_some_and(|row| row.flag(0) && !row.flag(1)) {
            return Ok(None);
        }
        if started.elapsed() >= patience {
            let mut holder = None;
            for name in std::iter::once(&name).chain(&beside) {
                holder = mysql_holder(session, name).await?;
                if holder.is_some() {
                    break;
                }
            }
            let holder = holder.unwrap_or_else(|| "another session".to_owned());
            return Ok(Some(LockHolder {
                description: format!("{holder}, still busy with a statement of an earlier run"),
            }));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sessions that can be at work beside that of a run, at most.
pub const MOST_BESIDE: u32 = 32;

async fn current_database(session: &mut dyn Session) -> Result<String, EngineError> {
    let row = session.row("SELECT DATABASE()").await?;
    Ok(row.map(|row| row.text(0).to_owned()).unwrap_or_default())
}

fn beside_name(number: u32, database: &str) -> String {
    mysql_name(&format!("work-{number}"), database)
}

/// Makes a session one that works for a run beside others, numbered from 1 to [`MOST_BESIDE`]. The
/// next run waits for it, as it does for the run's own session ([`claim_session`]).
pub async fn claim_beside(
    session: &mut dyn Session,
    number: u32,
    patience: Duration,
) -> Result<(), EngineError> {
    session.beside_others();
    if !session.dialect().is_mysql_family() {
        return Ok(());
    }
    let name = beside_name(number, &current_database(session).await?);
    let started = Instant::now();
    // Of an earlier backfill of this run, whose session is just being closed.
    while !session.row(&format!("SELECT GET_LOCK('{name}', 0)")).await?.is_some_and(|r| r.flag(0)) {
        if started.elapsed() >= patience {
            let holder = mysql_holder(session, &name).await?.unwrap_or_default();
            return Err(EngineError::Protocol(format!("{holder} holds the lock of this session")));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// PostgreSQL: waits until no transaction of ours is at work any more.
async fn nobody_is_left(
    session: &mut dyn Session,
    patience: Duration,
) -> Result<Option<LockHolder>, EngineError> {
    let key = crate::postgres::TRANSACTION_KEY;
    let started = Instant::now();
    loop {
        // Taken and given back with the statement, also behind a pooler.
        let free = format!("SELECT pg_catalog.pg_try_advisory_xact_lock({key})");
        if session.row(&free).await?.is_some_and(|row| row.flag(0)) {
            return Ok(None);
        }
        if started.elapsed() >= patience {
            return Ok(Some(LockHolder {
                description: "a server process that is still busy with a transaction of Downhaul"
                    .into(),
            }));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
