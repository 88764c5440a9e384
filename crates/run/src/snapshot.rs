//! The runner's work on tracked tables: everything that changes them or their history does so under
//! the migration lock, within the budget for locks, and is recorded in the journal.

use std::time::{Duration, Instant};

use downhaul_engine::{EngineError, LockBudget, Session};
use downhaul_snapshot::mark::{self, Mark, Origin};
use downhaul_snapshot::merge::OnConflict;
use downhaul_snapshot::restore_to::apply::Context;
use downhaul_snapshot::restore_to::{self, Done, Plan, Request};
use downhaul_snapshot::track::intend::Intent;
use downhaul_snapshot::track::{Around, Tracked, prune};
use downhaul_snapshot::track::{follow, install};
use downhaul_snapshot::{SnapshotError, track, views};
use downhaul_syntax::Dialect;

use crate::journal::Holding;
use crate::patience::next_pause;
use crate::{Event, Observer, RunError, Runner};

/// What a restore came to.
#[derive(Debug)]
pub struct Outcome {
    /// What had to change.
    pub plan: Plan,
    /// What was done; `None` where it was a preview, or nothing had to change.
    pub done: Option<Done>,
}

/// Makes a mark beside whatever runs: neither waits for the other.
pub async fn mark(
    session: &mut dyn Session,
    name: &str,
    who: &str,
) -> Result<Option<Mark>, RunError> {
    track::check_engine(session)?;
    if !track::exists(session).await? {
        return Err(SnapshotError::CannotTrack(
            "no table is tracked, so there is nothing that could go back to a mark".into(),
        )
        .into());
    }
    let budget = LockBudget { lock_timeout: Duration::from_secs(10), ..LockBudget::default() };
    loop {
        match mark::alone(session, budget, name, Origin::Person, who).await {
            // Somebody else has taken the same number at the same moment.
            Err(SnapshotError::Engine(EngineError::Statement(failure)))
                if failure.code.as_deref() == Some("23505") => {}
            result => return Ok(result?),
        }
    }
}

/// Works out a restore without changing anything. Needs no lock.
pub async fn preview(
    session: &mut dyn Session,
    request: &Request,
    fingerprint: bool,
) -> Result<Plan, RunError> {
    session.begin(downhaul_engine::LockBudget::default()).await?;
    let result = async {
        let mut plan = restore_to::plan(session, request, false).await?;
        if fingerprint {
            restore_to::plan::fingerprint(session, &mut plan).await?;
        }
        plan.missing = restore_to::missing::find(session, &plan).await?;
        Ok::<_, SnapshotError>(plan)
    }
    .await;
    session.rollback().await?;
    Ok(result?)
}

/// So many tables are tracked, or no longer, by one transaction. SQLite reads its whole schema for each; nobody
/// else writes meanwhile.
fn at_once(dialect: Dialect) -> usize {
    if dialect == Dialect::Sqlite { 1000 } else { 1 }
}

/// Runs one transaction again and again while locks are not to be had.
macro_rules! in_transaction {
    ($runner:expr, $observer:expr, $session:ident => $work:expr) => {{
        let started = Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            let budget = $runner.options.budget;
            let result: Result<_, SnapshotError> = async {
                let $session = &mut *$runner.session;
                $session.begin(budget).await?;
                let value = $work;
                $session.commit().await?;
                Ok(value)
            }
            .await;
            let error = match result {
                Ok(value) => break Ok(value),
                Err(error) => error,
            };
            let _ = $runner.session.rollback().await;
            let waits = matches!(&error, SnapshotError::Engine(e) if e.is_contention());
            if !waits || started.elapsed() + pause >= $runner.options.lock_retry || $runner.stop_asked() {
                break Err(RunError::from(error));
            }
            let blockers = $runner.session.oldest_transactions().await.unwrap_or_default();
            $observer.event(Event::Waiting { blockers: &blockers, pause, queued: true });
            tokio::time::sleep(pause).await;
            pause = next_pause(pause, started);
        }
    }};
}

impl Runner {
    /// Begins to track tables, a few in a transaction.
    pub async fn track(
        &mut self,
        intents: &[Intent],
        observer: &mut dyn Observer,
    ) -> Result<Vec<Tracked>, RunError> {
        let operation = self.begin_operation("snapshot track", &[], observer).await?;
        let result = async {
            let mut tracked = Vec::new();
            let mut around = Around::read(&mut *self.session).await?;
            if self.session.dialect() == Dialect::Sqlite {
                // Nobody changes a table while it is tracked there.
                around.read_shapes_of(&mut *self.session, intents).await?;
            }
            for intents in intents.chunks(at_once(self.session.dialect())) {
                if self.stop_asked() {
                    return Err(RunError::Interrupted { completed: tracked.len() });
                }
                let (done, as_of) = in_transaction!(self, observer, session => {
                    around.refresh(session).await?;
                    let done = install::track(session, &around, intents).await?;
                    (done, around.number(session).await?)
                })?;
                around.note(&done, as_of);
                tracked.extend(done);
            }
            Ok(tracked)
        }
        .await;
        self.end_operation(operation, &result).await;
        result
    }

    /// Makes the history of tables fit whose form was changed by hand.
    pub async fn resync(&mut self, observer: &mut dyn Observer) -> Result<Vec<String>, RunError> {
        in_transaction!(self, observer, session => follow::resync(session, follow::Origin::Outside, &[]).await?)
    }

    /// Ends the tracking of tables; their history goes.
    pub async fn untrack(
        &mut self,
        tables: &[Tracked],
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        let operation = self.begin_operation("snapshot untrack", &[], observer).await?;
        let result = async {
            let standing = install::Standing::read(&mut *self.session).await?;
            let past = views::of(&mut *self.session, tables).await?;
            in_transaction!(self, observer, session => views::drop(session, &past).await?)?;
            for tables in tables.chunks(at_once(self.session.dialect())) {
                in_transaction!(self, observer, session => install::untrack(session, tables, &standing).await?)?;
            }
            Ok(())
        }
        .await;
        self.end_operation(operation, &result).await;
        result
    }

    /// Brings tables back to a mark in one transaction. With `expected`, a fingerprint that was
    /// shown before, it refuses where something else would be done by now.
    pub async fn restore(
        &mut self,
        request: &Request,
        expected: Option<&str>,
        undoes: Option<i64>,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, RunError> {
        let verb = if undoes.is_some() { "snapshot restore --undo" } else { "snapshot restore" };
        let operation = self.begin_operation(verb, &[], observer).await?;
        let who = self.options.who.clone();
        let dialect = self.session.dialect();
        if dialect == Dialect::Sqlite {
            // Nothing may cascade; what would point to nothing is looked for before the commit.
            self.session.execute("PRAGMA foreign_keys = OFF").await?;
        }
        let result = in_transaction!(self, observer, session => {
            let mut plan = restore_to::plan(session, request, true).await?;
            if let Some(expected) = expected {
                restore_to::plan::fingerprint(session, &mut plan).await?;
                if plan.digest() != expected {
                    return Err(SnapshotError::PlanOutdated);
                }
            }
            // Conflicts are refused also where nothing else is to be done.
            let refuses = request.on_conflict == OnConflict::Fail && plan.conflicts() > 0;
            let done = if plan.is_empty() && !refuses {
                None
            } else {
                Some(restore_to::apply(session, &plan, &Context { who: &who, undoes }).await?)
            };
            Outcome { plan, done }
        });
        if dialect == Dialect::Sqlite {
            let _ = self.session.execute("PRAGMA foreign_keys = ON").await;
        }
        self.end_operation(operation, &result).await;
        result
    }

    /// What migrations kept until now and more than so many seconds ago.
    pub async fn kept_before(&mut self, seconds: u64) -> Result<Vec<Holding>, RunError> {
        let limit = self.journal.ago(&mut *self.session, seconds).await?;
        let mut found = self.journal.holdings(&mut *self.session).await?;
        // Both are UTC and written alike, so their texts compare as their times do.
        found.retain(|holding| holding.since <= limit);
        Ok(found)
    }

    /// Gives up what migrations kept, each table in a transaction of its own: their way back then
    /// brings the schema back without these rows, and says so.
    pub async fn give_up(
        &mut self,
        holdings: &[Holding],
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        let operation = self.begin_operation("snapshot prune --kept", &[], observer).await?;
        let journal = self.journal;
        let result = async {
            for (done, holding) in holdings.iter().enumerate() {
                if self.stop_asked() {
                    return Err(RunError::Interrupted { completed: done });
                }
                in_transaction!(self, observer, session => {
                    let now = journal.ago(session, 0).await?;
                    for statement in journal.give_up(holding, &now)? {
                        session.execute(&statement).await?;
                    }
                })?;
            }
            Ok(())
        }
        .await;
        self.end_operation(operation, &result).await;
        result
    }

    /// Takes away history from before a mark, in small transactions. Returns the events that went.
    pub async fn prune(
        &mut self,
        mark: &Mark,
        observer: &mut dyn Observer,
    ) -> Result<u64, RunError> {
        let operation = self.begin_operation("snapshot prune", &[], observer).await?;
        let result = async {
            // First, for they would show wrong rows from the first event on that is missing.
            let past = views::before(&mut *self.session, mark).await?;
            in_transaction!(self, observer, session => views::drop(session, &past).await?)?;
            in_transaction!(self, observer, session => prune::forget_before(session, mark).await?)?;
            let mut gone = 0;
            for tracked in track::all(&mut *self.session).await? {
                loop {
                    if self.stop_asked() {
                        return Err(RunError::Interrupted { completed: 0 });
                    }
                    let step = in_transaction!(self, observer, session => prune::step(session, &tracked, mark).await?)?;
                    gone += step;
                    if step == 0 {
                        break;
                    }
                }
            }
            Ok(gone)
        }
        .await;
        self.end_operation(operation, &result).await;
        result
    }
}
