//! One `UPDATE` in many small transactions.
//!
//! Batches follow the primary key (or another unique key without NULLs), else the blocks of the
//! table. Each commits together with the place that it reached, so that a kill at any instant loses
//! no batch and repeats none. What writers change meanwhile behind that place is the matter of the
//! trigger that the expand phase made; at the end the condition of the `UPDATE` is asked once more
//! of the whole table, and rows that it still finds are gone over again.
//!
//! Where it is asked for, several sessions do so at once, each in a stretch of the table (`split.rs`)
//! with a place of its own in the journal; the run itself then only directs them (`team.rs`).

mod batch;
mod control;
mod ledger;
mod pace;
mod parts;
mod reads;
mod split;
mod stretches;
mod team;
mod throttle;
mod walk;

use std::sync::Arc;
use std::time::{Duration, Instant};

use downhaul_engine::{Blocker, EngineError, Session};
use downhaul_plan::{Direction, Version};
use downhaul_syntax::{Change, Dialect, Statement};

use crate::apply::gives_way;
use crate::patience::{blame, next_pause};
use crate::{Event, Observer, RunError, Runner};

pub use control::{Backfill, Want, backfills, tell};
pub use throttle::Throttle;

use batch::{Fill, Shape};
use ledger::{Ledger, Place};
use pace::{BOUNDS, Pace, Rests};
pub(crate) use parts::{MARK, parts};
use stretches::Stretch;
use throttle::{Finding, Watch};
use walk::{Walk, Way};

/// How often the whole table is gone over before rows that remain are taken for what they are.
const PASSES: u32 = 3;
/// How long a run rests before it looks again.
const REST: Duration = Duration::from_millis(500);
/// How often a run that is at work looks what is wanted of it, and tells how far it is.
const LOOK: Duration = Duration::from_millis(100);
/// First pause behind a batch that did not get its locks.
const PAUSE: Duration = Duration::from_millis(100);

/// How a backfill ended, where nothing went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Every row is done. The statements that say so in its line of the journal belong into the
    /// transaction that records the step: between the two it would begin anew.
    Done {
        /// The statements.
        close: String,
    },
    /// It was asked to stop, and will go on from where it is.
    Stopped,
}

/// How going over the table once, or a part of it, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    Done,
    Stopped,
}

/// A backfill under way.
struct Work {
    fill: Arc<Fill>,
    watch: Watch,
    /// What was last told of a rest.
    told: Option<String>,
}

/// Runs an `UPDATE` in batches to its end, from where an earlier run left it. `statements` are those
/// of its file, of which it is the one at `index`.
pub(crate) async fn run(
    runner: &mut Runner,
    (version, direction): (&Version, Direction),
    index: usize,
    statements: &[Statement],
    observer: &mut dyn Observer,
) -> Result<End, EngineError> {
    let dialect = runner.session.dialect();
    let statement = &statements[index];
    let table = match statement.changes() {
        [Change::Update { table, .. }] => table,
        _ => return Err(unfit()),
    };
    let Some(parts) = parts(statement, dialect) else { return Err(unfit()) };
    let mut walk =
        reads::patiently(runner, observer, async |session| Walk::of(session, table).await).await?;
    if walk.loses_rows(parts.filter) {
        walk.way = Way::Whole;
        observer.event(Event::Note(&format!(
            "{}: in one statement, since it has no key and the UPDATE no condition: rows that are written meanwhile change their blocks",
            parts.table()
        )));
    }
    let ledger = Ledger {
        journal: runner.journal,
        dialect,
        version: version.clone(),
        direction,
        ordinal: index + 1,
    };
    let mut watch = Watch::new(runner.options.throttle.clone());
    // A query that never worked is a mistake to be told now; one that stops working is a reason to
    // wait.
    if let Finding::Unknown(why) = watch.look(&mut *runner.session).await? {
        return Err(EngineError::Protocol(format!(
            "the throttle query of the configuration fails: {why}"
        )));
    }
    let mut place = ledger.open(&mut *runner.session, &table.to_string(), walk.total).await?;
    let mut stretches = ledger.stretches(&mut *runner.session).await?;
    let rows = place.rows.max(stretches.iter().map(|stretch| stretch.place.rows).sum());
    if place.cursor.is_some() || place.ended || !stretches.is_empty() {
        observer.event(Event::Note(&format!(
            "an earlier run was cut off in this backfill: it goes on behind {rows} rows"
        )));
    }
    let begun = Instant::now();
    let shape = Shape::of(&mut *runner.session, &walk).await?;
    let fill = Fill {
        ledger,
        walk,
        head: match runner.session.dialect() {
            Dialect::Mysql => parts::unwaiting(parts.head),
            _ => parts.head.to_owned(),
        },
        target: parts.target.to_owned(),
        filter: parts.filter.to_owned(),
        table: parts.table().to_owned(),
        shape,
        budget: runner.options.budget,
        retry: runner.options.lock_retry,
    };
    let mut work = Work { fill: Arc::new(fill), watch, told: None };
    if stretches.is_empty() {
        stretches = work.divide(runner, &place, &statements[..index], observer).await?;
    }
    let passed = if stretches.is_empty() {
        work.alone(runner, &mut place, observer).await?
    } else {
        team::run(&mut work, runner, stretches, &mut place, observer).await?
    };
    if passed == Passed::Stopped {
        return Ok(End::Stopped);
    }
    place.passed = place.passed.max(work.fill.walk.total);
    let table = &work.fill.table;
    let note = match place.rows {
        0 => format!("{table}: there was nothing to fill"),
        filled => format!(
            "{table}: {filled} rows filled in batches, {:.0} rows a second",
            filled.saturating_sub(rows) as f64 / begun.elapsed().as_secs_f64().max(0.001)
        ),
    };
    observer.event(Event::Note(&note));
    Ok(End::Done { close: work.fill.ledger.close(&place) })
}

fn unfit() -> EngineError {
    EngineError::Protocol("the statement cannot be run in batches".into())
}

/// Batches that did not get their locks, one behind the other.
struct Tries {
    pause: Duration,
    since: Option<Instant>,
}

impl Tries {
    fn none() -> Self {
        Self { pause: PAUSE, since: None }
    }

    /// How the batch is tried again, half as large: a smaller one holds, and waits for, fewer rows. `None` where
    /// the error is another one, or the time for it is over.
    fn again(
        &mut self,
        error: &EngineError,
        begun: Instant,
        place: &mut Place,
        fill: &Fill,
    ) -> Option<Again> {
        let since = *self.since.get_or_insert(begun);
        if !gives_way(error) {
            return None;
        }
        place.ahead = None;
        if fill.gives_way(place) {
            place.batch /= 2;
            return Some(Again::Soon);
        }
        if since.elapsed() >= fill.retry {
            return None;
        }
        place.batch = (place.batch / 2).max(BOUNDS.0.min(place.batch));
        let pause = self.pause;
        self.pause = next_pause(pause, since);
        Some(Again::Later(pause))
    }
}

/// When a batch is tried again that did not get its locks.
enum Again {
    /// At once, since it has hardly waited; nothing is said of it.
    Soon,
    Later(Duration),
}

/// Whoever was in its way may go on first.
const SOON: Duration = Duration::from_millis(5);

/// What those at work are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Go on, at this pace.
    Work(Pace),
    Rest,
    Stop,
}

impl Work {
    /// Divides the table, where more than one session is asked for and more than one can be at work.
    async fn divide(
        &self,
        runner: &mut Runner,
        place: &Place,
        before: &[Statement],
        observer: &mut dyn Observer,
    ) -> Result<Vec<Stretch>, EngineError> {
        let sessions = u64::from(runner.options.parallel);
        if sessions < 2 {
            return Ok(Vec::new());
        }
        let fill = &self.fill;
        let alone = |why: &str| format!("{}: filled by one session: {why}", fill.table);
        if fill.ledger.dialect == Dialect::Sqlite {
            observer.event(Event::Note(&alone("SQLite has one writer at a time")));
            return Ok(Vec::new());
        }
        if before.iter().any(is_of_its_session) {
            observer.event(Event::Note(&alone(
                "statements before it set or make what only their own session sees",
            )));
            return Ok(Vec::new());
        }
        let stretches = reads::patiently(runner, observer, async |session| {
            fill.walk.split(session, place, sessions).await
        })
        .await?;
        if stretches.is_empty() {
            observer.event(Event::Note(&alone("it is small, or has no key to divide it by")));
        } else {
            fill.ledger.divide(&mut *runner.session, &stretches).await?;
        }
        Ok(stretches)
    }

    /// All of it in the session of the run.
    async fn alone(
        &mut self,
        runner: &mut Runner,
        place: &mut Place,
        observer: &mut dyn Observer,
    ) -> Result<Passed, EngineError> {
        let mut pass = 1;
        loop {
            if !place.ended && self.pass(runner, place, observer).await? == Passed::Stopped {
                return Ok(Passed::Stopped);
            }
            if !self.goes_round(runner, &mut pass, observer).await? {
                return Ok(Passed::Done);
            }
            *place = Place { cursor: None, ended: false, passed: 0, ahead: None, ..place.clone() };
        }
    }

    /// The assertion: what the statement wants done is done, also for rows written meanwhile. Whether
    /// the table is to be gone over once more.
    async fn goes_round(
        &self,
        runner: &mut Runner,
        pass: &mut u32,
        observer: &mut dyn Observer,
    ) -> Result<bool, EngineError> {
        if *pass == PASSES {
            return Ok(false);
        }
        let remains = async |session: &mut dyn Session| self.fill.remains(session).await;
        if !reads::patiently(runner, observer, remains).await? {
            return Ok(false);
        }
        *pass += 1;
        Ok(true)
    }

    /// The table once, from the place on.
    async fn pass(
        &mut self,
        runner: &mut Runner,
        place: &mut Place,
        observer: &mut dyn Observer,
    ) -> Result<Passed, EngineError> {
        let fill = Arc::clone(&self.fill);
        let mut tries = Tries::none();
        let mut rests = Rests::default();
        let mut told: Option<Instant> = None;
        let mut last: Option<(Instant, Pace)> = None;
        loop {
            // Batches are short: not before each of them is asked what is wanted.
            let order = match last {
                Some((looked, pace)) if looked.elapsed() < LOOK && !runner.stop_asked() => {
                    Order::Work(pace)
                }
                _ => self.order(runner, observer).await?,
            };
            let pace = match order {
                Order::Stop => return Ok(Passed::Stopped),
                Order::Rest => {
                    last = None;
                    tokio::time::sleep(REST).await;
                    place.since = Instant::now();
                    place.ahead = None;
                    continue;
                }
                Order::Work(pace) => pace,
            };
            if last.is_none_or(|(looked, _)| looked.elapsed() >= LOOK) {
                last = Some((Instant::now(), pace));
            }
            let begun = Instant::now();
            let session = &mut *runner.session;
            let took = match fill.turn(session, place, None).await {
                Ok(took) => took,
                Err(error) => {
                    let again = tries.again(&error, begun, place, &fill);
                    if matches!(again, Some(Again::Soon)) {
                        tokio::time::sleep(SOON).await;
                        continue;
                    }
                    let blockers = in_the_way(session, &error, &[]).await;
                    let Some(Again::Later(pause)) = again else {
                        return Err(blame(error, &blockers));
                    };
                    observer.event(Event::Waiting { blockers: &blockers, pause, queued: true });
                    // Who looks from another session sees no rows go by, and asks why. SQLite's one lock is
                    // the one that is waited for; and a line that cannot be written ends nothing.
                    if fill.ledger.dialect != Dialect::Sqlite {
                        let _ = fill.ledger.rests(session, &held_by(&blockers)).await;
                    }
                    tokio::time::sleep(pause).await;
                    continue;
                }
            };
            tries = Tries::none();
            if place.ended || told.is_none_or(|at| at.elapsed() >= LOOK) {
                told = Some(Instant::now());
                let total = fill.walk.total.max(place.passed);
                observer.event(Event::Progress { what: &fill.table, done: place.passed, total });
            }
            if place.ended {
                return Ok(Passed::Done);
            }
            pace.adapt(place, took);
            if let Some(rest) = rests.owe(pace.rest(took)) {
                let since = Instant::now();
                tokio::time::sleep(rest).await;
                rests.took(since.elapsed());
            }
        }
    }

    /// What is to be done now, as the journal, the throttle and whoever may stop the run say.
    async fn order(
        &mut self,
        runner: &mut Runner,
        observer: &mut dyn Observer,
    ) -> Result<Order, EngineError> {
        if runner.stop_asked() {
            return Ok(Order::Stop);
        }
        match runner.check_lock().await {
            Ok(()) => {}
            Err(RunError::Engine(error)) => return Err(error),
            // Somebody else may be at work by now.
            Err(error) => return Err(EngineError::Disconnected(error.to_string())),
        }
        let wish = self.fill.ledger.wish(&mut *runner.session).await?;
        if self.rests(&mut *runner.session, wish.paused, observer).await? {
            return Ok(Order::Rest);
        }
        let others = wish.speed.is_none() && self.watch.others(&mut *runner.session).await?;
        Ok(Order::Work(Pace::of(wish.speed, others, self.fill.ledger.dialect)))
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
                self.fill.ledger.rests(session, "paused").await?;
            } else {
                self.fill.ledger.alive(session).await?;
            }
            return Ok(true);
        }
        let why = match self.watch.look(session).await? {
            Finding::Free => {
                if self.told.take().is_some() {
                    observer.event(Event::Note("the backfill goes on"));
                }
                return Ok(false);
            }
            Finding::Wait(why) => why,
            Finding::Unknown(why) => {
                let why = format!("paused because the throttle query fails: {why}");
                self.fill.ledger.pause(session, &why).await?;
                observer.event(Event::Note(&format!(
                    "{why}\n  mend it, then `downhaul backfill resume`"
                )));
                self.told = Some(why);
                return Ok(true);
            }
        };
        self.fill.ledger.rests(session, &why).await?;
        if self.told.as_ref() != Some(&why) {
            observer.event(Event::Note(&format!("the backfill waits: {why}")));
            self.told = Some(why);
        }
        Ok(true)
    }
}

/// Who may be in the way of a batch that did not get its locks; `own` are sessions of this run.
async fn in_the_way(session: &mut dyn Session, error: &EngineError, own: &[i64]) -> Vec<Blocker> {
    if !gives_way(error) {
        return Vec::new();
    }
    let mut blockers = session.oldest_transactions().await.unwrap_or_default();
    blockers.retain(|blocker| !own.contains(&blocker.id));
    blockers
}

/// Why a batch waits for its locks, as `backfill status` shows it.
fn held_by(blockers: &[Blocker]) -> String {
    match blockers.first() {
        Some(one) => format!("a lock is held by another session: {one}"),
        None => "a lock is held by another session".to_owned(),
    }
}

/// Whether a statement leaves something behind that only its own session sees.
fn is_of_its_session(statement: &Statement) -> bool {
    statement.changes().iter().any(|change| match change {
        Change::SetVariable { local, .. } => !local,
        Change::CreateTable { def, .. } => def.temporary,
        Change::CreateView { temporary, .. } => *temporary,
        _ => false,
    })
}
