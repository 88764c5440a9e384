//! How fast a backfill goes: how long its batches take, and how long it rests between them.
//!
//! What others notice of a backfill is mostly the wait behind one batch: for a processor, and for the log
//! that the batch has written to reach the disk. So beside others the batches are short, and the rests
//! between them let those go who have waited; with nobody there neither is of use to anybody
//! (docs/benchmarks.md has what was measured).

use std::time::Duration;

use downhaul_syntax::Dialect;

/// The size of the first batch, and the bounds that later ones keep to, in rows.
pub(super) const FIRST: u64 = 1000;
pub(super) const BOUNDS: (u64, u64) = (20, 50_000);

/// What a batch should take with nobody else there: short enough still that whoever comes and waits for
/// one of its rows hardly notices.
const ALONE: Duration = Duration::from_millis(50);

/// Percent of the time at work beside others, where nobody has said how many. Longer rests made
/// nobody's wait shorter, but the backfill longer (docs/benchmarks.md).
const BESIDE: u64 = 95;

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

    /// The size of the next batch, given what the last one took.
    pub(super) fn adapted(self, batch: u64, took: Duration) -> u64 {
        let ratio = self.target.as_secs_f64() / took.as_secs_f64().max(0.001);
        ((batch as f64 * ratio.clamp(0.5, 2.0)) as u64).clamp(BOUNDS.0, BOUNDS.1)
    }

    /// How long to rest behind a batch, so that only so many percent of the time are spent at work.
    pub(super) fn rest(self, took: Duration) -> Duration {
        let ratio = (100 - self.percent) as f64 / self.percent as f64;
        took.mul_f64(ratio).min(Duration::from_secs(60))
    }
}

/// What a batch should take beside others. On MariaDB and MySQL each waits for the disk once.
fn short(dialect: Dialect) -> Duration {
    Duration::from_millis(if dialect.is_mysql_family() { 25 } else { 8 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn batches_grow_and_shrink_towards_the_target() {
        let pace = Pace::of(None, false, Dialect::Postgres);
        assert_eq!(pace.adapted(1000, MS(10)), 2000);
        assert_eq!(pace.adapted(1000, MS(500)), 500);
        assert_eq!(pace.adapted(1000, MS(9000)), 500);
        assert_eq!(pace.adapted(20, MS(9000)), BOUNDS.0);
        assert_eq!(pace.adapted(50_000, MS(1)), BOUNDS.1);
        assert_eq!(pace.rest(MS(50)), MS(0));
    }

    #[test]
    fn beside_others_batches_are_short_and_followed_by_rests() {
        let (alone, beside) =
            (Pace::of(None, false, Dialect::Postgres), Pace::of(None, true, Dialect::Postgres));
        assert!(beside.target < alone.target);
        assert_eq!(beside.rest(MS(190)), MS(10));
        // What somebody asks for holds in both cases.
        for others in [false, true] {
            assert_eq!(Pace::of(Some(100), others, Dialect::Postgres), alone);
            assert_eq!(Pace::of(Some(50), others, Dialect::Postgres).rest(MS(10)), MS(10));
        }
    }
}
