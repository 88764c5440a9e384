//! Several sessions at one backfill, each in a stretch of the table at a time.
//!
//! The run's own session changes no row meanwhile: it reads what others want, looks whether something
//! is in the way, adds up how far all are, and tells them what to do. A session that fails ends the
//! run, behind the present batches of the others; the places of all of them stand in the journal.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use downhaul_engine::lock::{MOST_BESIDE, claim_beside};
use downhaul_engine::{Blocker, EngineError, Session, connect};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::ledger::Place;
use super::pace::Rests;
use super::stretches::Stretch;
use super::{Again, Fill, Order, Passed, SOON, Tries, Work, held_by, in_the_way};
use crate::patience::blame;
use crate::{Event, Observer, Runner};

/// How often the sessions are looked after.
const EVERY: Duration = Duration::from_millis(250);

/// A batch that did not get its locks.
struct Held {
    blockers: Vec<Blocker>,
    pause: Duration,
}

/// What the sessions share.
struct Team {
    fill: Arc<Fill>,
    /// Stretches that nobody has begun.
    open: Mutex<VecDeque<Stretch>>,
    /// How far each stretch is, by its number.
    reached: Mutex<BTreeMap<u64, Place>>,
    orders: watch::Receiver<Order>,
    held: mpsc::UnboundedSender<Held>,
    /// Stretches whose batch does not get its locks, by number, and why.
    waiting: Mutex<BTreeMap<u64, String>>,
    /// Numbers of the sessions, as the server gives them.
    ids: Vec<i64>,
}

/// Goes over all stretches until no row is left, with as many sessions as are wanted and to be had.
/// `place` becomes the sum of all places.
pub(super) async fn run(
    work: &mut Work,
    runner: &mut Runner,
    mut stretches: Vec<Stretch>,
    place: &mut Place,
    observer: &mut dyn Observer,
) -> Result<Passed, EngineError> {
    let unfinished = stretches.iter().filter(|stretch| !stretch.place.ended).count();
    let unfinished = u32::try_from(unfinished).unwrap_or(u32::MAX).max(1);
    let wanted = runner.options.parallel.clamp(1, MOST_BESIDE).min(unfinished);
    let mut sessions = gather(runner, wanted, observer).await?;
    observer.event(Event::Note(&format!(
        "{}: {} over {} stretches of the table",
        work.fill.table,
        if sessions.len() == 1 {
            "1 session".into()
        } else {
            format!("{} sessions", sessions.len())
        },
        stretches.len()
    )));
    let mut pass = 1;
    let passed = loop {
        match once(work, runner, &mut sessions, &mut stretches, place, observer).await {
            Ok(Passed::Done) => {}
            ended => break ended,
        }
        match work.goes_round(runner, &mut pass, observer).await {
            Ok(true) => {}
            Ok(false) => break Ok(Passed::Done),
            Err(error) => break Err(error),
        }
        if let Err(error) = runner.session.execute(&work.fill.ledger.stretches_again()).await {
            break Err(error);
        }
        for stretch in &mut stretches {
            let (cursor, place) = (stretch.lower.clone(), stretch.place.clone());
            stretch.place = Place { cursor, ended: false, passed: 0, ahead: None, ..place };
        }
    };
    for session in sessions {
        session.close().await;
    }
    passed
}

/// Opens the sessions: fewer than wanted where the server gives no more.
async fn gather(
    runner: &Runner,
    wanted: u32,
    observer: &mut dyn Observer,
) -> Result<Vec<Box<dyn Session>>, EngineError> {
    let mut sessions: Vec<Box<dyn Session>> = Vec::new();
    for number in 1..=wanted {
        let opened = async {
            let mut session = connect(&runner.target, false).await?;
            claim_beside(&mut *session, number, runner.options.lock_patience).await?;
            Ok(session)
        };
        match opened.await {
            Ok(session) => sessions.push(session),
            Err(error) if sessions.is_empty() => return Err(error),
            Err(error) => {
                observer.event(Event::Note(&format!(
                    "{} of {wanted} sessions could be opened: {error}",
                    sessions.len()
                )));
                break;
            }
        }
    }
    Ok(sessions)
}

/// Goes over all stretches once, and puts back into `stretches` how far they are.
async fn once(
    work: &mut Work,
    runner: &mut Runner,
    sessions: &mut Vec<Box<dyn Session>>,
    stretches: &mut [Stretch],
    place: &mut Place,
    observer: &mut dyn Observer,
) -> Result<Passed, EngineError> {
    let first = work.order(runner, observer).await?;
    let (orders, received) = watch::channel(first);
    let (held, mut told) = mpsc::unbounded_channel();
    let team = Arc::new(Team {
        fill: Arc::clone(&work.fill),
        open: Mutex::new(stretches.iter().filter(|s| !s.place.ended).cloned().collect()),
        reached: Mutex::new(stretches.iter().map(|s| (s.number, s.place.clone())).collect()),
        orders: received,
        held,
        waiting: Mutex::default(),
        ids: sessions.iter().map(|session| session.server().session).collect(),
    });
    work.watch.knows(&team.ids);
    let mut members = JoinSet::new();
    for mut session in sessions.drain(..) {
        let team = Arc::clone(&team);
        members.spawn(async move {
            let result = team.member(&mut *session).await;
            (session, result)
        });
    }
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failed: Option<EngineError> = None;
    let mut order = first;
    loop {
        tokio::select! {
            joined = members.join_next() => match joined {
                None => break,
                Some(Ok((session, result))) => {
                    sessions.push(session);
                    if let Err(error) = result {
                        failed.get_or_insert(error);
                    }
                }
                Some(Err(lost)) => {
                    failed.get_or_insert(EngineError::Protocol(format!("a session was lost: {lost}")));
                }
            },
            Some(held) = told.recv() => observer.event(Event::Waiting {
                blockers: &held.blockers,
                pause: held.pause,
                queued: true,
            }),
            _ = ticks.tick(), if failed.is_none() && order != Order::Stop => {
                match directed(work, runner, &team, place, observer).await {
                    Ok(now) => order = now,
                    Err(error) => failed = Some(error),
                }
            }
        }
        if failed.is_some() {
            order = Order::Stop;
        }
        orders.send_if_modified(|sent| std::mem::replace(sent, order) != order);
    }
    let reached = team.reached();
    *place = sum(&reached, place);
    for stretch in stretches {
        if let Some(place) = reached.get(&stretch.number) {
            stretch.place = place.clone();
        }
    }
    match failed {
        Some(error) => Err(error),
        None if order == Order::Stop && reached.values().any(|place| !place.ended) => {
            Ok(Passed::Stopped)
        }
        None => Ok(Passed::Done),
    }
}

/// Reads what is to be done now, and records and tells how far all are together.
async fn directed(
    work: &mut Work,
    runner: &mut Runner,
    team: &Team,
    place: &mut Place,
    observer: &mut dyn Observer,
) -> Result<Order, EngineError> {
    let order = work.order(runner, observer).await?;
    let now = sum(&team.reached(), place);
    let session = &mut *runner.session;
    match order {
        Order::Work(_) => {
            let ledger = &work.fill.ledger;
            match team.waits() {
                // Who looks from another session sees few rows go by, or none, and asks why.
                Some(why) => ledger.held(session, &now, &why).await?,
                None => drop(session.execute(&ledger.reach(&now, false)).await?),
            }
        }
        Order::Rest => work.fill.ledger.counted(session, &now).await?,
        Order::Stop => {}
    }
    *place = now;
    let total = work.fill.walk.total.max(place.passed);
    observer.event(Event::Progress { what: &work.fill.table, done: place.passed, total });
    Ok(order)
}

/// All places together. The rate is that of all since the last look.
fn sum(reached: &BTreeMap<u64, Place>, last: &Place) -> Place {
    let mut all = Place::behind(None);
    all.rows = reached.values().map(|place| place.rows).sum();
    all.passed = reached.values().map(|place| place.passed).sum();
    let busy = reached.values().filter(|place| !place.ended && place.passed > 0);
    all.batch = busy.map(|place| place.batch).max().unwrap_or(last.batch);
    let seconds = last.since.elapsed().as_secs_f64().max(0.001);
    let rate = all.passed.saturating_sub(last.passed) as f64 / seconds;
    all.rate = if last.rate > 0.0 { last.rate * 0.9 + rate * 0.1 } else { rate };
    all
}

impl Team {
    fn reached(&self) -> BTreeMap<u64, Place> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What keeps sessions from their batches, for people; `None` while all are at work.
    fn waits(&self) -> Option<String> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let why = waiting.values().next()?;
        match self.ids.len() {
            1 => Some(why.clone()),
            all => Some(format!("{} of {all} sessions: {why}", waiting.len())),
        }
    }

    fn next(&self) -> Option<Stretch> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Takes one stretch after the other to its end.
    async fn member(&self, session: &mut dyn Session) -> Result<(), EngineError> {
        let mut orders = self.orders.clone();
        let mut batch = None;
        while let Some(mut stretch) = self.next() {
            // What has proven right in one stretch will do in the next.
            let place = &mut stretch.place;
            place.batch = batch.unwrap_or(place.batch);
            if !self.stretch(session, &mut stretch, &mut orders).await? {
                return Ok(());
            }
            batch = Some(stretch.place.batch);
        }
        Ok(())
    }

    /// Whether it came to its end; false where it was stopped.
    async fn stretch(
        &self,
        session: &mut dyn Session,
        stretch: &mut Stretch,
        orders: &mut watch::Receiver<Order>,
    ) -> Result<bool, EngineError> {
        let fill = &self.fill;
        let mut tries = Tries::none();
        let mut rests = Rests::default();
        loop {
            let Ok(order) = orders.wait_for(|order| *order != Order::Rest).await.map(|o| *o) else {
                return Ok(false);
            };
            let Order::Work(pace) = order else { return Ok(false) };
            let begun = Instant::now();
            let mut place = stretch.place.clone();
            let took = match fill.turn(session, &mut place, Some(stretch)).await {
                Ok(took) => took,
                Err(error) => {
                    let again = tries.again(&error, begun, &mut place, fill);
                    stretch.place = place;
                    if matches!(again, Some(Again::Soon)) {
                        tokio::time::sleep(SOON).await;
                        continue;
                    }
                    let blockers = in_the_way(session, &error, &self.ids).await;
                    let Some(Again::Later(pause)) = again else {
                        return Err(blame(error, &blockers));
                    };
                    self.waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(stretch.number, held_by(&blockers));
                    // Nobody listens any more once the run has failed elsewhere.
                    let _ = self.held.send(Held { blockers, pause });
                    tokio::time::sleep(pause).await;
                    continue;
                }
            };
            tries = Tries::none();
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&stretch.number);
            let ended = place.ended;
            self.reached
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(stretch.number, place.clone());
            pace.adapt(&mut place, took);
            stretch.place = place;
            if ended {
                return Ok(true);
            }
            let Some(rest) = rests.owe(pace.rest(took)) else { continue };
            // Whoever says stop need not wait for the end of a rest.
            let stopped = async { orders.wait_for(|order| *order == Order::Stop).await.is_ok() };
            let since = Instant::now();
            tokio::select! {
                () = tokio::time::sleep(rest) => rests.took(since.elapsed()),
                _ = stopped => return Ok(false),
            }
        }
    }
}
