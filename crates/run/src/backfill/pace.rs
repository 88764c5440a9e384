//! How fast a backfill goes: how long its batches take, and how long it rests between them.
//!
//! What others notice of a backfill is mostly the wait behind one batch: for a processor, and for the log
//! that the batch has written to reach the disk. So beside others the batches are short, and the rests
//! between them let those go who have waited; with nobody there neither is of use to anybody
//! (docs/benchmarks.md has what was measured).

use std::time::Duration;

use downhaul_syntax::Dialect;

use super::batch::Took;
use super::ledger::Place;

/// The size of the first batch, and the bounds that later ones keep to, in rows.
pub(super) const FIRST: u64 = 1000;
pub(super) const BOUNDS: (u64, u64) = (20, 50_000);

/// What a batch should take with nobody else there: short enough still that whoever comes and waits for
/// one of its rows hardly notices.
const ALONE: Duration = Duration::from_millis(50);

/// Percent of the time at work beside others, where nobody has said how many. Longer rests made
/// nobody's wait shorter, but the backfill longer (docs/benchmarks.md).
const BESIDE: u64 = 95;

/// A batch takes at least so many times as long as to record its place. Beside a transaction that was
/// open before it, which keeps the server from clearing away the places before (PostgreSQL manual §24.1.2),
/// that takes longer from batch to batch: then batches grow with it, instead of being little else.
const RECORDS: u32 = 4;

/// And at least so many times as long as its message and the answer are on their way, up to a limit: on a slow
/// line most of the time would go by with nobody at work.
const WAYS: u32 = 3;
const LONGEST_FOR_WAY: Duration = Duration::from_millis(8);

/// The first guess at what is measured from batch to batch, and the least that it is taken for.
const LEAST_KNOWN: Duration = Duration::from_micros(20);

/// The shortest rest, in seconds.
const LEAST_REST: f64 = 0.002;

/// What those at work keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// What a batch should take.
    target: Duration,
    /// Percent of the time at work.
    percent: u64,
}

impl Pace {
    /// What follows from the percentage that somebody asked for, if anybody did, and from whether others
    /// are at work.
    pub(super) fn of(asked: Option<u64>, others: bool, dialect: Dialect) -> Self {
        let percent = asked.unwrap_or(if others { BESIDE } else { 100 });
        let target = if percent == 100 { ALONE } else { short(dialect) };
        Self { target, percent }
    }

    /// Sets the size of the next batch, given what the last one took.
    pub(super) fn adapt(self, place: &mut Place, took: Took) {
        place.record = towards(place.record, took.record);
        place.way = towards(place.way, took.way);
        let target = self.target.max((place.way * WAYS).min(LONGEST_FOR_WAY));
        place.batch = adapted(took.rows, took.work, target.max(place.record * RECORDS));
    }

    /// How long to rest behind a batch, so that only so many percent of the time are spent at work. While
    /// a message and its answer are on their way nobody is at work.
    pub(super) fn rest(self, took: Took) -> Duration {
        let ratio = (100 - self.percent) as f64 / self.percent as f64;
        let rest = (took.work + took.record).mul_f64(ratio);
        rest.min(Duration::from_secs(60)).saturating_sub(took.way)
    }
}

/// The size of a batch that takes as long as wanted, by one of so many rows that took so long.
fn adapted(rows: u64, took: Duration, target: Duration) -> u64 {
    let ratio = target.as_secs_f64() / took.as_secs_f64().max(0.000_1);
    ((rows as f64 * ratio.clamp(0.5, 2.0)) as u64).clamp(BOUNDS.0, BOUNDS.1)
}

/// A median of what is measured, about: a moment in which the server was elsewhere says nothing.
fn towards(known: Duration, measured: Duration) -> Duration {
    if measured.is_zero() {
        return known;
    }
    known.max(LEAST_KNOWN).mul_f64(if measured > known { 1.05 } else { 0.95 })
}

/// Rests that are owed. One behind a short batch is shorter than what a timer can tell apart, and each
/// would be a millisecond longer than it should be: so several are taken together.
#[derive(Debug, Default)]
pub(super) struct Rests {
    /// Seconds; less than none where one was longer than it should have been.
    owed: f64,
}

impl Rests {
    /// Adds the rest behind a batch. Returns what is to be rested now, if anything.
    pub(super) fn owe(&mut self, rest: Duration) -> Option<Duration> {
        self.owed += rest.as_secs_f64();
        (self.owed >= LEAST_REST).then(|| Duration::from_secs_f64(self.owed))
    }

    /// So long it was rested.
    pub(super) fn took(&mut self, rested: Duration) {
        // Whoever was held up much longer has not rested for the batches to come.
        self.owed = (self.owed - rested.as_secs_f64()).max(-LEAST_REST);
    }
}

/// What a batch should take beside others: on PostgreSQL less than a turn at the processor, which is some
/// milliseconds. With each message the server waits for the next one, and lets those go who have waited.
/// Elsewhere each batch waits for the disk once.
fn short(dialect: Dialect) -> Duration {
    Duration::from_millis(match dialect {
        Dialect::Postgres => 1,
        Dialect::Sqlite => 8,
        Dialect::Mysql | Dialect::MariaDb => 25,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn took(rows: u64, work: Duration) -> Took {
        Took { rows, work, record: Duration::ZERO, way: Duration::ZERO }
    }

    /// The size of a batch after many whose rows take 4 µs each.
    fn settled(pace: Pace, place: &mut Place, record: Duration, way: Duration) -> u64 {
        for _ in 0..500 {
            let work = Duration::from_micros(4) * u32::try_from(place.batch).unwrap();
            pace.adapt(place, Took { record, way, ..took(place.batch, work) });
        }
        place.batch
    }

    #[test]
    fn batches_grow_and_shrink_towards_the_target() {
        let pace = Pace::of(None, false, Dialect::Postgres);
        let adapted = |rows, took| adapted(rows, took, pace.target);
        assert_eq!(adapted(1000, MS(10)), 2000);
        assert_eq!(adapted(1000, MS(500)), 500);
        assert_eq!(adapted(1000, MS(9000)), 500);
        assert_eq!(adapted(20, MS(9000)), BOUNDS.0);
        assert_eq!(adapted(50_000, MS(1)), BOUNDS.1);
        assert_eq!(pace.rest(took(1000, MS(50))), MS(0));
    }

    #[test]
    fn beside_others_batches_are_short_and_followed_by_rests() {
        let (alone, beside) =
            (Pace::of(None, false, Dialect::Postgres), Pace::of(None, true, Dialect::Postgres));
        assert!(beside.target < alone.target);
        assert_eq!(beside.rest(took(1000, MS(190))), MS(10));
        // What somebody asks for holds in both cases.
        for others in [false, true] {
            assert_eq!(Pace::of(Some(100), others, Dialect::Postgres), alone);
            let half = Pace::of(Some(50), others, Dialect::Postgres);
            assert_eq!(half.rest(took(1000, MS(10))), MS(10));
            assert_eq!(half.rest(Took { way: MS(4), ..took(1000, MS(10)) }), MS(6));
            assert_eq!(half.rest(Took { way: MS(40), ..took(1000, MS(10)) }), MS(0));
        }
    }
    #[test]
    fn batches_are_longer_than_their_places_take_to_record() {
        let pace = Pace::of(None, true, Dialect::Postgres);
        let mut place = Place::behind(None);
        let few = settled(pace, &mut place, Duration::from_micros(40), Duration::ZERO);
        assert!((200..=300).contains(&few), "{few} rows of 4 µs are no batch of 1 ms");
        let many = settled(pace, &mut place, MS(3), Duration::ZERO);
        assert!((2500..=3500).contains(&many), "{many} rows of 4 µs behind records of 3 ms");
        // One that was held up is none that takes long.
        let rows = place.batch;
        pace.adapt(&mut place, Took { record: MS(900), ..took(rows, MS(12)) });
        assert!(place.record < MS(4), "{:?}", place.record);
    }

    #[test]
    fn batches_are_longer_on_a_slow_line() {
        let pace = Pace::of(None, true, Dialect::Postgres);
        let mut place = Place::behind(None);
        for (way, rows) in [(Duration::from_micros(200), 250), (MS(2), 1500), (MS(80), 2000)] {
            let found = settled(pace, &mut place, Duration::ZERO, way);
            assert!((rows * 9 / 10..=rows * 11 / 10).contains(&found), "{way:?}: {found} rows");
        }
    }

    #[test]
    fn short_rests_are_taken_together() {
        let mut rests = Rests::default();
        assert_eq!((rests.owe(MS(1)), rests.owe(MS(1))), (None, Some(MS(2))));
        rests.took(MS(3));
        assert_eq!(rests.owe(MS(2)), None, "one was too long");
        assert!(rests.owe(MS(2)).is_some());
        rests.took(MS(900));
        assert!(rests.owe(MS(5)).is_some(), "who was held up rests again");
    }
}
