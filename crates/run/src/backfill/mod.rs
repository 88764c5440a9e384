//! One `UPDATE` in many small transactions.
//!
//! Batches follow the primary key (or another unique key without NULLs), else the blocks of the
//! table. Each commits together with the place that it reached, so that a kill at any instant loses
//! no batch and repeats none. What writers change meanwhile behind that place is the matter of the
//! trigger that the expand phase made; at the end the condition of the `UPDATE` is asked once more
//! of the whole table, and rows that it still finds are gone over again.

mod control;
mod ledger;
mod parts;
mod throttle;
mod walk;

use std::time::{Duration, Instant};

use downhaul_engine::{EngineError, Session};
use downhaul_plan::{Direction, Version};
use downhaul_syntax::{Change, Dialect, Statement};

use crate::apply::gives_way;
use crate::patience::next_pause;
use crate::{Event, Observer, Runner};

pub use control::{Backfill, Want, backfills, tell};
pub use throttle::Throttle;

use ledger::{Ledger, Place};
pub(crate) use parts::{MARK, Parts, parts};
use throttle::{Finding, Watch};
use walk::Walk;

/// What a batch should take: short enough that nobody who waits for one of its rows notices.
const TARGET: Duration = Duration::from_millis(50);
/// Rows of the first batch, and the bounds that later ones keep to.
const FIRST: u64 = 1000;
const BOUNDS: (u64, u64) = (20, 50_000);
/// How often the whole table is gone over before rows that remain are taken for what they are.
const PASSES: u32 = 3;
/// How long a run rests before it looks again.
const REST: Duration = Duration::from_millis(500);

/// How a backfill ended, where nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Every row is done.
    Done,
    /// It was asked to stop, and will go on from where it is.
    Stopped,
}

/// A backfill under way.
struct Work<'a> {
    ledger: Ledger<'a>,
    parts: Parts<'a>,
    walk: Walk,
    watch: Watch,
    /// What was last told of a rest.
    told: Option<String>,
    /// When the last batch ended.
    last: Instant,
    /// Makes the transaction of a batch what it has to be beside writers ([`gently`]).
    anew: Option<String>,
}

/// Runs an `UPDATE` in batches to its end, from where an earlier run left it.
pub(crate) async fn run(
    runner: &mut Runner,
    (version, direction): (&Version, Direction),
    index: usize,
    statement: &Statement,
    observer: &mut dyn Observer,
) -> Result<End, EngineError> {
    let dialect = runner.session.dialect();
    let table = match statement.changes() {
        [Change::Update { table, .. }] => table,
        _ => return Err(unfit()),
    };
    let Some(parts) = parts(statement, dialect) else { return Err(unfit()) };
    let walk = Walk::of(&mut *runner.session, table).await?;
    let ledger =
        Ledger { journal: runner.journal, dialect, version, direction, ordinal: index + 1 };
    let mut watch = Watch::new(runner.options.throttle.clone());
    // A query that never worked is a mistake to be told now; one that stops working is a reason to
    // wait.
    if let Finding::Unknown(why) = watch.look(&mut *runner.session).await? {
        return Err(EngineError::Protocol(format!(
            "the throttle query of the configuration fails: {why}"
        )));
    }
    let mut place = ledger.open(&mut *runner.session, &table.to_string(), walk.total).await?;
    if place.cursor.is_some() {
        observer.event(Event::Note(&format!(
            "an earlier run was cut off in this backfill: it goes on behind {} rows",
            place.rows
        )));
    }
    let begun = Instant::now();
    let anew = gently(&mut *runner.session).await?;
    let mut work = Work { ledger, parts, walk, watch, told: None, last: begun, anew };
    let mut pass = 1;
    loop {
        if work.pass(runner, &mut place, observer).await? == End::Stopped {
            return Ok(End::Stopped);
        }
        // The assertion: what the statement wants done is done, also for rows written meanwhile.
        if pass == PASSES || !work.remains(&mut *runner.session).await? {
            break;
        }
        pass += 1;
        place.cursor = None;
        place.passed = 0;
    }
    runner.session.execute(&work.ledger.reach(&place, true)).await?;
    observer.event(Event::Note(&format!(
        "{}: {} rows filled in batches, {:.0} rows a second",
        work.parts.table(),
        place.rows,
        place.rows as f64 / begun.elapsed().as_secs_f64().max(0.001)
    )));
    Ok(End::Done)
}

/// What makes the transaction of a batch one that writers do not notice.
///
/// PostgreSQL: nobody waits until a batch has reached the disk, so that its log goes there with that
/// of the writers, little by little, and not all at once while they wait. What a crash of the server
/// takes back are the last batches together with the place that they reached; the end of the backfill
/// is on disk with all before it (PostgreSQL manual §30.4).
///
/// MySQL: no writer is caught with it in a deadlock, of which the server would end the writer, who has
/// done less. It locks no gaps between keys (not where the binary log holds statements, which need
/// them), and on MariaDB it never waits for a row: the batch is rolled back and tried again.
async fn gently(session: &mut dyn Session) -> Result<Option<String>, EngineError> {
    if session.dialect() == Dialect::Postgres {
        return Ok(Some("SET LOCAL synchronous_commit = off".into()));
    }
    if !session.dialect().is_mysql_family() {
        return Ok(None);
    }
    let free = session
        .number("SELECT @@global.log_bin = 0 OR @@session.binlog_format <> 'STATEMENT'")
        .await?;
    let level = if free == 0 { "REPEATABLE READ" } else { "READ COMMITTED" };
    let wait = u8::from(session.dialect() == Dialect::Mysql);
    Ok(Some(format!(
        "ROLLBACK; SET SESSION innodb_lock_wait_timeout = {wait}; SET TRANSACTION ISOLATION LEVEL {level}; START TRANSACTION"
    )))
}

fn unfit() -> EngineError {
    EngineError::Protocol("the statement cannot be run in batches".into())
}

impl Work<'_> {
    /// The table once, from the place on.
    async fn pass(
        &mut self,
        runner: &mut Runner,
        place: &mut Place,
        observer: &mut dyn Observer,
    ) -> Result<End, EngineError> {
        let mut pause = Duration::from_millis(100);
        let mut held_since: Option<Instant> = None;
        loop {
            if runner.stop_asked() {
                return Ok(End::Stopped);
            }
            let wish = self.ledger.wish(&mut *runner.session).await?;
            if self.rests(&mut *runner.session, wish.paused, observer).await? {
                tokio::time::sleep(REST).await;
                continue;
            }
            let batch = Instant::now();
            let budget = runner.options.budget;
            let session = &mut *runner.session;
            session.begin(budget).await?;
            if let Some(anew) = &self.anew {
                session.execute(anew).await?;
            }
            let more = match self.one(session, place).await {
                Ok(more) => {
                    session.commit().await?;
                    held_since = None;
                    pause = Duration::from_millis(100);
                    more
                }
                Err(error) => {
                    if !matches!(error, EngineError::Disconnected(_)) {
                        session.rollback().await?;
                    }
                    let since = *held_since.get_or_insert(batch);
                    if gives_way(&error) && since.elapsed() < runner.options.lock_retry {
                        // A smaller batch holds, and waits for, fewer rows.
                        place.batch = (place.batch / 2).max(BOUNDS.0);
                        let blockers = session.oldest_transactions().await.unwrap_or_default();
                        observer.event(Event::Waiting { blockers: &blockers, pause, queued: true });
                        tokio::time::sleep(pause).await;
                        pause = next_pause(pause, since);
                        continue;
                    }
                    return Err(error);
                }
            };
            observer.event(Event::Progress {
                what: self.parts.table(),
                done: place.passed,
                total: self.walk.total.max(place.passed),
            });
            if !more {
                return Ok(End::Done);
            }
            let took = batch.elapsed();
            place.batch = adapted(place.batch, took);
            let rest = took.mul_f64((100 - wish.speed) as f64 / wish.speed as f64);
            tokio::time::sleep(rest.min(Duration::from_secs(60))).await;
        }
    }

    /// Whether it has to rest, which it tells the journal, and once the observer.
    async fn rests(
        &mut self,
        session: &mut dyn Session,
        paused: bool,
        observer: &mut dyn Observer,
    ) -> Result<bool, EngineError> {
        if paused {
            // What the throttle query said is old by the time somebody lets it go on.
            self.watch.forget();
            if !self.told.as_ref().is_some_and(|told| told.starts_with("paused")) {
                let note = "paused; `downhaul backfill resume` lets it go on";
                observer.event(Event::Note(note));
                self.told = Some(note.to_owned());
                self.ledger.rests(session, "paused").await?;
            } else {
                self.ledger.alive(session).await?;
            }
            return Ok(true);
        }
        let why = match self.watch.look(session).await? {
            Finding::Free => {
                if self.told.take().is_some() {
                    observer.event(Event::Note("the backfill goes on"));
                    self.last = Instant::now();
                }
                return Ok(false);
            }
            Finding::Wait(why) => why,
            Finding::Unknown(why) => {
                let why = format!("paused because the throttle query fails: {why}");
                self.ledger.pause(session, &why).await?;
                observer.event(Event::Note(&format!(
                    "{why}\n  mend it, then `downhaul backfill resume`"
                )));
                self.told = Some(why);
                return Ok(true);
            }
        };
        self.ledger.rests(session, &why).await?;
        if self.told.as_ref() != Some(&why) {
            observer.event(Event::Note(&format!("the backfill waits: {why}")));
            self.told = Some(why);
        }
        Ok(true)
    }

    /// One batch within a transaction; whether more follow.
    async fn one(
        &mut self,
        session: &mut dyn Session,
        place: &mut Place,
    ) -> Result<bool, EngineError> {
        let (range, next) = self.walk.next(session, place).await?;
        let filter = match (self.parts.filter, range.as_str()) {
            ("", "") => String::new(),
            (filter, "") => format!("WHERE {filter}"),
            ("", range) => format!("WHERE {range}"),
            (filter, range) => format!("WHERE ({filter}\n) AND {range}"),
        };
        let changed = session.execute(&format!("{} {MARK} {filter}", self.parts.head)).await?;
        let passed = match &next {
            Some(_) => place.passed + self.walk.passes(place.batch),
            None => (place.passed + changed).max(self.walk.total),
        };
        let seconds = self.last.elapsed().as_secs_f64().max(0.001);
        let rate = passed.saturating_sub(place.passed) as f64 / seconds;
        let reached = Place {
            cursor: next.clone().or_else(|| place.cursor.clone()),
            rows: place.rows + changed,
            passed,
            batch: place.batch,
            // What the last few batches say.
            rate: if place.rate > 0.0 { place.rate * 0.7 + rate * 0.3 } else { rate },
        };
        session.execute(&self.ledger.reach(&reached, false)).await?;
        *place = reached;
        self.last = Instant::now();
        Ok(next.is_some())
    }

    /// Whether the statement would still find a row.
    async fn remains(&self, session: &mut dyn Session) -> Result<bool, EngineError> {
        if self.parts.filter.is_empty() {
            return Ok(false);
        }
        let rows = session
            .rows(&format!(
                "SELECT 1 FROM {} {MARK} WHERE {} LIMIT 1",
                self.parts.target, self.parts.filter
            ))
            .await?;
        Ok(!rows.is_empty())
    }
}

/// The size of the next batch, given what the last one took.
fn adapted(batch: u64, took: Duration) -> u64 {
    let ratio = TARGET.as_secs_f64() / took.as_secs_f64().max(0.001);
    ((batch as f64 * ratio.clamp(0.5, 2.0)) as u64).clamp(BOUNDS.0, BOUNDS.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_and_shrink_towards_the_target() {
        assert_eq!(adapted(1000, Duration::from_millis(10)), 2000);
        assert_eq!(adapted(1000, Duration::from_millis(500)), 500);
        assert_eq!(adapted(1000, Duration::from_secs(9)), 500);
        assert_eq!(adapted(20, Duration::from_secs(9)), BOUNDS.0);
        assert_eq!(adapted(50_000, Duration::from_millis(1)), BOUNDS.1);
    }
}
