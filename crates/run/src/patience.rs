//! Waiting for locks without making anybody else wait.
//!
//! A statement that queues for a strong lock holds up everything that comes after it, readers too.
//! So before it queues we look who holds the table: behind a transaction that has been open for
//! longer than the statement may wait, it is not even tried. What is tried waits for its budget, is
//! rolled back, and tried again after a growing pause, until the time for it is over.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use downhaul_engine::{Blocker, EngineError, Session, TableLock, Watcher};
use downhaul_plan::Version;
use downhaul_snapshot::in_parts::Copied;

use crate::journal::Journal;
use crate::runner::Options;
use crate::{Event, Observer, RunError, Runner};

/// First pause; doubled from try to try.
const FIRST: Duration = Duration::from_millis(100);

/// For whom somebody is ended, in the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause<'a> {
    pub(crate) operation: i64,
    pub(crate) version: &'a Version,
}

/// Somebody holds one of the tables for longer than a statement may wait: what needs it goes by
/// itself, and waits without queueing.
pub(crate) async fn someone_is_slow<'a>(
    runner: &mut Runner,
    wanted: impl Iterator<Item = &'a TableLock>,
) -> Result<bool, EngineError> {
    let mut needs: Vec<TableLock> = Vec::new();
    for need in wanted {
        if !needs.contains(need) {
            needs.push(need.clone());
        }
    }
    let limit = runner.options.budget.lock_timeout;
    match runner.session.holders(&needs).await {
        Ok(holders) => Ok(holders.iter().any(|h| h.transaction.is_some_and(|t| t >= limit))),
        Err(EngineError::Disconnected(why)) => Err(EngineError::Disconnected(why)),
        // What cannot be seen is found out by trying.
        Err(_) => Ok(false),
    }
}

/// The tries of one statement or transaction.
#[derive(Debug)]
pub(crate) struct Patience {
    started: Instant,
    pause: Duration,
    /// Nobody was found who could be ended, or we may not: once is enough to say so.
    complained: bool,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), pause: FIRST, complained: false }
    }

    fn is_over(&self, options: &Options) -> bool {
        self.started.elapsed() >= options.lock_retry || options.stop_asked()
    }

    /// How long to wait now: never beyond the time for it.
    fn pause(&self, options: &Options) -> Duration {
        self.pause.min(options.lock_retry.saturating_sub(self.started.elapsed()))
    }

    async fn sleep(&mut self, pause: Duration) {
        tokio::time::sleep(pause).await;
        self.pause = next_pause(self.pause, self.started);
    }

    /// Before a try: waits, without queueing, for those who will not be done within the budget of a
    /// statement. When the time for it is over, the statement is tried all the same.
    pub(crate) async fn clear_way(
        &mut self,
        runner: &mut Runner,
        needs: &[TableLock],
        cause: Cause<'_>,
        observer: &mut dyn Observer,
    ) -> Result<(), EngineError> {
        let options = runner.options.clone();
        loop {
            let holders = match runner.session.holders(needs).await {
                Ok(holders) => holders,
                Err(EngineError::Disconnected(why)) => return Err(EngineError::Disconnected(why)),
                // What cannot be seen is found out by trying.
                Err(_) => return Ok(()),
            };
            let slow: Vec<Blocker> = holders
                .into_iter()
                .filter(|holder| {
                    holder.transaction.is_some_and(|t| t >= options.budget.lock_timeout)
                })
                .collect();
            if slow.is_empty() {
                return Ok(());
            }
            let (journal, session) = (runner.journal, &mut *runner.session);
            if !self.give_room(session, journal, &options, &slow, false, cause, observer).await? {
                return Ok(());
            }
        }
    }

    /// After a try that got no lock: tells who was in the way, and waits. False when the time for it
    /// is over.
    pub(crate) async fn again(
        &mut self,
        session: &mut dyn Session,
        journal: Journal,
        options: &Options,
        blockers: &[Blocker],
        cause: Cause<'_>,
        observer: &mut dyn Observer,
    ) -> Result<bool, EngineError> {
        self.give_room(session, journal, options, blockers, true, cause, observer).await
    }

    /// Ends those in the way, if that is wanted, or waits. False when the time for it is over.
    #[allow(clippy::too_many_arguments, reason = "what both kinds of waiting know")]
    async fn give_room(
        &mut self,
        session: &mut dyn Session,
        journal: Journal,
        options: &Options,
        blockers: &[Blocker],
        queued: bool,
        cause: Cause<'_>,
        observer: &mut dyn Observer,
    ) -> Result<bool, EngineError> {
        if self.end_idle(session, journal, options, blockers, cause, observer).await? {
            return Ok(true);
        }
        if self.is_over(options) {
            return Ok(false);
        }
        let pause = self.pause(options);
        observer.event(Event::Waiting { blockers, pause, queued });
        self.sleep(pause).await;
        Ok(true)
    }

    /// Ends the sessions among them that may be ended, if that is wanted. True where one was.
    async fn end_idle(
        &mut self,
        session: &mut dyn Session,
        journal: Journal,
        options: &Options,
        blockers: &[Blocker],
        cause: Cause<'_>,
        observer: &mut dyn Observer,
    ) -> Result<bool, EngineError> {
        let Some(after) = options.kill_blockers else { return Ok(false) };
        let mut ended = false;
        for blocker in blockers {
            if !blocker.may_be_ended(after) {
                if let Some(why) = blocker.protected.as_ref().filter(|_| !self.complained) {
                    self.complained = true;
                    observer.event(Event::Note(&format!(
                        "pid {} is not ended, although it is in the way: {why}",
                        blocker.id
                    )));
                }
                continue;
            }
            match session.end_idle(blocker.id, after).await {
                Ok(true) => {
                    ended = true;
                    observer.event(Event::Ended(blocker));
                    let detail = blocker.to_string();
                    let note = journal
                        .note(session, cause.operation, Some(cause.version), "ended", &detail)
                        .await;
                    if let Err(EngineError::Disconnected(why)) = note {
                        return Err(EngineError::Disconnected(why));
                    }
                }
                Ok(false) => {}
                Err(EngineError::Disconnected(why)) => return Err(EngineError::Disconnected(why)),
                Err(error) if !self.complained => {
                    self.complained = true;
                    let detail = error.failure().and_then(|f| f.detail.clone()).unwrap_or_default();
                    observer.event(Event::Note(&format!(
                        "pid {} cannot be ended: {error}{}{detail}",
                        blocker.id,
                        if detail.is_empty() { "" } else { "; " },
                    )));
                }
                Err(_) => {}
            }
        }
        if ended {
            // Its locks go with its last breath.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(ended)
    }
}

/// Twice as long, at most five seconds, give or take a quarter so that runners do not march in step.
pub(crate) fn next_pause(pause: Duration, started: Instant) -> Duration {
    let doubled = (pause * 2).min(Duration::from_secs(5));
    let spread = u64::from(started.elapsed().subsec_nanos()) ^ u64::from(std::process::id());
    let quarter = doubled.as_millis() / 4;
    let jitter = u128::from(spread) % (2 * quarter + 1);
    doubled - Duration::from_millis(u64::try_from(quarter).unwrap_or(0))
        + Duration::from_millis(u64::try_from(jitter).unwrap_or(0))
}

/// Looks at a session while it works, from the one that holds the migration lock.
pub(crate) struct Lookout {
    watcher: Option<Watcher>,
    session: i64,
    every: Duration,
    /// Whom it waited for when we last saw it wait.
    seen: RefCell<Vec<Blocker>>,
    /// Its statement is to be ended.
    cancel: Arc<AtomicBool>,
}

impl Lookout {
    pub(crate) fn new(runner: &Runner) -> Self {
        let session = runner.session.server().session;
        let limit = runner.options.budget.lock_timeout / 4;
        Self {
            watcher: runner.watcher().filter(|_| session != 0),
            session,
            every: limit.clamp(Duration::from_millis(25), Duration::from_millis(500)),
            seen: RefCell::new(Vec::new()),
            cancel: Arc::clone(&runner.options.cancel),
        }
    }

    /// Ends the statement once that is asked for. Again at each look: between two statements there is
    /// nothing to end.
    async fn cancel_if_asked(&self, watcher: &Watcher) {
        if self.cancel.load(Ordering::Relaxed) {
            // Where it cannot be ended, it goes on to its end, as it would have.
            let _ = watcher.cancel(self.session).await;
        }
    }

    /// Runs work to its end, and notes meanwhile whom it waits for.
    pub(crate) async fn while_running<T>(&self, work: impl Future<Output = T>) -> T {
        let Some(watcher) = &self.watcher else { return work.await };
        let look = async {
            loop {
                tokio::time::sleep(self.every).await;
                self.cancel_if_asked(watcher).await;
                let found = watcher.blockers_of(self.session).await;
                if !found.is_empty() {
                    *self.seen.borrow_mut() = found;
                }
            }
        };
        tokio::pin!(work);
        tokio::select! {
            biased;
            result = &mut work => result,
            () = look => unreachable!("it looks as long as the work lasts"),
        }
    }

    /// Runs a statement to its end, and tells meanwhile how far it is and whom it waits for.
    pub(crate) async fn while_told<T>(
        &self,
        work: impl Future<Output = T>,
        observer: &mut dyn Observer,
    ) -> T {
        let Some(watcher) = &self.watcher else { return work.await };
        let look = async {
            let mut told: Vec<i64> = Vec::new();
            // A statement that is over at once is nothing to tell of.
            let mut every = Duration::from_millis(300);
            loop {
                tokio::time::sleep(every).await;
                every = Duration::from_millis(500);
                self.cancel_if_asked(watcher).await;
                let found = watcher.blockers_of(self.session).await;
                let ids: Vec<i64> = found.iter().map(|blocker| blocker.id).collect();
                if !found.is_empty() {
                    if ids != told {
                        observer.event(Event::Held { blockers: &found });
                        told = ids;
                    }
                    *self.seen.borrow_mut() = found;
                }
                if let Some(work) = watcher.work_done(self.session).await {
                    observer.event(Event::Progress {
                        what: &work.phase,
                        done: work.done,
                        total: work.total,
                    });
                }
            }
        };
        tokio::pin!(work);
        tokio::select! {
            biased;
            result = &mut work => result,
            () = look => unreachable!("it looks as long as the work lasts"),
        }
    }

    /// Copies a table of about so many rows to its end, and tells meanwhile how many are there, in a
    /// transaction that has written `before` others.
    pub(crate) async fn while_copying<T>(
        &self,
        work: impl Future<Output = T>,
        (table, total, before): (&str, Option<u64>, u64),
        observer: &mut dyn Observer,
    ) -> T {
        observer.event(Event::Keeping { table });
        let Some(watcher) = &self.watcher else { return work.await };
        let look = async {
            // A copy that is over at once is nothing to tell of.
            let mut every = Duration::from_millis(300);
            loop {
                tokio::time::sleep(every).await;
                every = Duration::from_millis(500);
                self.cancel_if_asked(watcher).await;
                let written = watcher.rows_written(self.session).await;
                if let Some(rows) = written.and_then(|n| n.checked_sub(before)).filter(|n| *n > 0) {
                    // An estimate of the server's that is too low says nothing any more.
                    let total = total.filter(|total| *total >= rows).unwrap_or(0);
                    let copied = Copied { rows, total, about: true };
                    observer.event(Event::Copying { table, copied });
                }
            }
        };
        tokio::pin!(work);
        tokio::select! {
            biased;
            result = &mut work => result,
            () = look => unreachable!("it looks as long as the work lasts"),
        }
    }

    /// Who was in the way: as seen while it waited, else who holds the tables, else who might.
    pub(crate) async fn blockers(
        &self,
        session: &mut dyn Session,
        needs: &[TableLock],
    ) -> Vec<Blocker> {
        let seen = self.seen.take();
        if !seen.is_empty() {
            return seen;
        }
        let holders = session.holders(needs).await.unwrap_or_default();
        if !holders.is_empty() {
            return holders;
        }
        session.oldest_transactions().await.unwrap_or_default()
    }
}

/// Adds to a failure who was in the way.
pub(crate) fn blame(error: EngineError, blockers: &[Blocker]) -> EngineError {
    match error {
        EngineError::LockTimeout(mut failure) if !blockers.is_empty() => {
            let mut lines: Vec<String> = failure.detail.take().into_iter().collect();
            lines.extend(blockers.iter().map(|blocker| format!("in the way: {blocker}")));
            failure.detail = Some(lines.join("\n"));
            EngineError::LockTimeout(failure)
        }
        error => error,
    }
}

impl Runner {
    pub(crate) fn watcher(&self) -> Option<Watcher> {
        self.lock.watcher()
    }

    /// Refuses to go on when the migration lock has been lost.
    pub(crate) async fn check_lock(&mut self) -> Result<(), RunError> {
        // The row of a cluster may be busy with a beat for a moment.
        for _ in 0..20 {
            match self.lock.still_held(&mut *self.session).await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(RunError::LockLost),
                Err(EngineError::LockTimeout(_)) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(RunError::LockLost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let started = Instant::now();
        let mut pause = FIRST;
        for _ in 0..3 {
            let next = next_pause(pause, started);
            assert!(next >= pause * 3 / 2 && next <= pause * 5 / 2, "{pause:?} → {next:?}");
            pause = next;
        }
        for _ in 0..20 {
            pause = next_pause(pause, started);
        }
        assert!(pause >= Duration::from_millis(3750) && pause <= Duration::from_millis(6250));
    }
}
