//! A runner: a session, the lock, and what it was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use downhaul_engine::lock::claim_session;
use downhaul_engine::{LockBudget, LockHolder, MigrationLock, Session, Target, connect};
use downhaul_plan::Version;
use downhaul_snapshot::hidden::Counted;
use downhaul_snapshot::tombstone::Policy;
use downhaul_syntax::Dialect;
use downhaul_syntax::ObjectName;

use crate::apply::Pace;
use crate::journal::{Journal, Operation};
use crate::{Observer, RunError, Throttle, stepwise};

/// When the inverse of an up runs in the place of its down file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GeneratedDown {
    /// Never: a migration without a down is refused.
    #[default]
    Never,
    /// Where the file is missing or holds no statement.
    Missing,
    /// There, and where one of these (versions, or versions with names: `0007_slim`) is taken back,
    /// whatever its file says.
    InPlaceOf(Vec<String>),
}

/// How a runner behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long to wait for another runner.
    pub lock_patience: Duration,
    /// How long one statement may wait for a lock, or run.
    pub budget: LockBudget,
    /// How long to go on trying when a lock is not to be had.
    pub lock_retry: Duration,
    /// End sessions that are in the way and have done nothing in their transaction for so long.
    pub kill_blockers: Option<Duration>,
    /// Keep what destructive statements destroy.
    pub protect: bool,
    /// How it is kept, where a migration does not say so itself.
    pub policy: Policy,
    /// The same for single tables.
    pub policies: Vec<(ObjectName, Policy)>,
    /// Apply a pending migration that is older than an applied one.
    pub out_of_order: bool,
    /// When a backfill gives way.
    pub throttle: Throttle,
    /// Sessions that fill a table in a backfill, each in a part of it (not SQLite).
    pub parallel: u32,
    /// Use a down file that was changed after its migration was applied.
    pub edited_down: bool,
    /// When the inverse of an up runs in the place of its down file.
    pub generated_down: GeneratedDown,
    /// Who runs it, for the journal: `deploy@host (pid 4711)`.
    pub who: String,
    /// Application release that the migrations belong to.
    pub release: Option<String>,
    /// Commit of the migration files, for the journal.
    pub commit: Option<String>,
    /// Gates that a person overrides, with the reason: written to the journal.
    pub overrides: Vec<String>,
    /// Set to ask for a stop at the next safe point.
    pub stop: Arc<AtomicBool>,
    /// Set to ask that the statement which the server works on be ended too.
    pub cancel: Arc<AtomicBool>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lock_patience: Duration::from_secs(30),
            budget: LockBudget::default(),
            lock_retry: Duration::from_secs(60),
            kill_blockers: None,
            protect: true,
            policy: Policy::Auto,
            policies: Vec::new(),
            out_of_order: false,
            throttle: Throttle::default(),
            parallel: 1,
            edited_down: false,
            generated_down: GeneratedDown::Never,
            who: String::new(),
            release: None,
            commit: None,
            overrides: Vec::new(),
            stop: Arc::new(AtomicBool::new(false)),
            cancel: Arc::new(AtomicBool::new(false)),
        }
    }
}

impl Options {
    /// Whether a stop was asked for.
    #[must_use]
    pub fn stop_asked(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// For a transaction that writes the journal's own tables alone: nobody queues behind it.
    pub(crate) fn for_the_journal(&self) -> LockBudget {
        LockBudget { lock_timeout: self.lock_retry, statement_timeout: None }
    }
}

/// The right, and the means, to change one database.
pub struct Runner {
    /// Where more sessions are opened.
    pub(crate) target: Target,
    pub(crate) session: Box<dyn Session>,
    pub(crate) lock: MigrationLock,
    pub(crate) journal: Journal,
    pub(crate) options: Options,
    /// What earlier transactions of this session are still counted for.
    pub(crate) counted: Counted,
    /// How many migrations are sent together.
    pub(crate) pace: Pace,
    /// Runs that ended without saying so, found at the start.
    pub interrupted: Vec<Operation>,
}

impl Runner {
    /// Connects, takes the migration lock, and makes the journal if there is none.
    pub async fn open(target: &Target, create: bool, options: Options) -> Result<Self, RunError> {
        let mut session = connect(target, create).await?;
        let lock = match MigrationLock::acquire(target, options.lock_patience, &options.who).await?
        {
            Ok(lock) => lock,
            Err(holder) => {
                let holder = named(holder, &mut *session).await;
                session.close().await;
                return Err(RunError::Locked(holder));
            }
        };
        if let Some(holder) = claim_session(&mut *session, options.lock_patience).await? {
            let holder = named(holder, &mut *session).await;
            session.close().await;
            lock.release().await;
            return Err(RunError::Locked(holder));
        }
        session.set_patience(options.lock_retry).await?;
        let mut budget = options.budget;
        if session.dialect() == Dialect::Sqlite {
            // The journal's own tables: nobody queues behind who waits for the file.
            budget.lock_timeout = options.lock_retry;
        }
        let journal = Journal::new(session.dialect());
        if journal.exists(&mut *session).await? {
            journal.check_format(&mut *session).await?;
            journal.upgrade(&mut *session, budget).await?;
        } else {
            session.begin(budget).await?;
            let made = journal.ensure(&mut *session).await;
            if let Err(error) = made {
                session.rollback().await?;
                return Err(error);
            }
            session.commit().await?;
        }
        let interrupted = journal.interrupted(&mut *session).await?;
        let mut runner = Self {
            target: target.clone(),
            session,
            lock,
            journal,
            options,
            counted: Counted::nothing(),
            pace: Pace::default(),
            interrupted,
        };
        stepwise::settle(&mut runner).await?;
        if !runner.interrupted.is_empty() && !runner.session.dialect().has_transactional_ddl() {
            stepwise::clean_up(&mut runner).await?;
        }
        Ok(runner)
    }

    /// The session, for reading.
    pub fn session(&mut self) -> &mut dyn Session {
        &mut *self.session
    }

    /// Takes down for the journal that a gate is overridden, and why.
    pub fn override_gate(&mut self, text: String) {
        self.options.overrides.push(text);
    }

    /// Says anew when the inverse of an up runs in the place of its down file, for plans made from now on.
    pub fn generate_downs(&mut self, when: GeneratedDown) {
        self.options.generated_down = when;
    }

    /// Gives everything back.
    pub async fn close(self) {
        self.session.close().await;
        self.lock.release().await;
    }

    pub(crate) fn stop_asked(&self) -> bool {
        self.options.stop_asked()
    }

    /// Nothing is left to do: runs that were cut off had done it all or nothing, and are marked so.
    pub(crate) async fn nothing_to_do(&mut self) -> Result<(), RunError> {
        if !std::mem::take(&mut self.interrupted).is_empty() {
            self.session.execute(&self.journal.settle_operations()).await?;
        }
        Ok(())
    }

    /// Opens an operation in the journal and tells of runs that were cut off.
    pub(crate) async fn begin_operation(
        &mut self,
        verb: &str,
        versions: &[Version],
        observer: &mut dyn Observer,
    ) -> Result<i64, RunError> {
        for operation in std::mem::take(&mut self.interrupted) {
            observer.event(crate::Event::Note(&format!(
                "run {} (`{}`, begun {} by {}) was cut off; what it had not committed was rolled back by the database, so this run goes on from there",
                operation.id, operation.verb, operation.started_at, operation.who
            )));
        }
        let options = self.options.clone();
        let session = &mut *self.session;
        let id = self.journal.begin_operation(session, verb, versions, &options).await?;
        for text in &options.overrides {
            self.journal.note(session, id, None, "override", text).await?;
        }
        Ok(id)
    }

    /// Closes an operation in the journal. A failure to do so does not hide how the run ended: the
    /// next run finds the operation and says so.
    pub(crate) async fn end_operation<T>(&mut self, id: i64, result: &Result<T, RunError>) {
        let _ = self.try_end_operation(id, result).await;
    }

    async fn try_end_operation<T>(
        &mut self,
        id: i64,
        result: &Result<T, RunError>,
    ) -> Result<(), RunError> {
        let error = result.as_ref().err().map(ToString::to_string);
        let state = if error.is_some() { "failed" } else { "done" };
        let head = self.journal.versions(&mut *self.session).await?.pop();
        // What kept the run from its locks may keep us from reading the schema too. That it has ended is
        // written down all the same.
        let schema = self.session.dump().await.ok();
        let sql = self.journal.end_operation(
            id,
            state,
            error.as_deref(),
            head.as_ref(),
            schema.as_ref(),
        )?;
        self.session.execute(&sql).await?;
        Ok(())
    }
}

/// Adds to the holder of the lock which run it is, as the journal tells.
async fn named(holder: LockHolder, session: &mut dyn Session) -> LockHolder {
    let journal = Journal::new(session.dialect());
    // To name it is a courtesy: what cannot be read is left out.
    let running = match journal.exists(session).await {
        Ok(true) => journal.interrupted(session).await.unwrap_or_default(),
        _ => Vec::new(),
    };
    let Some(run) = running.last() else { return holder };
    let which = format!("run {} (`{}`) by {}, begun {}", run.id, run.verb, run.who, run.started_at);
    LockHolder { description: format!("{which}: {}", holder.description) }
}
