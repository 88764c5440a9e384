//! How long statements may take, from the sizes of tables and what kinds of work were measured to
//! cost. An estimate: a range, never a promise. Waiting for locks is not in it.

use downhaul_syntax::Dialect;
use serde::Serialize;

/// A kind of work whose time grows with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkKind {
    /// Reading all of it.
    Scan,
    /// Writing all of it anew, its indexes too.
    Rewrite,
    /// Building an index over all rows.
    Index,
    /// Changing or deleting rows.
    Write,
    /// Keeping what is about to be destroyed, and counting it.
    Keep,
}

/// How large a table is, as the server estimates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Rows.
    pub rows: u64,
    /// Bytes, indexes included.
    pub bytes: u64,
}

/// Work on one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// What kind.
    pub kind: WorkKind,
    /// On how much; `None` where nobody knows.
    pub size: Option<Size>,
    /// On all rows; else on some of them, perhaps none.
    pub whole: bool,
}

/// From, to, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// On a fast machine with nothing else to do.
    pub low_ms: u64,
    /// On a slow or busy one.
    pub high_ms: u64,
    /// Some of the work is on tables whose size nobody knows: it may take longer.
    pub unknown: bool,
}

/// Rows a second and megabytes a second, measured on two shared cores with a warm cache and tables
/// of 200,000 rows of about 120 bytes, rounded. `tests/work_rates.rs` measures them again.
fn rate(dialect: Dialect, kind: WorkKind) -> (f64, f64) {
    match (dialect, kind) {
        (Dialect::Postgres, WorkKind::Scan) => (3e6, 400.0),
        (Dialect::Postgres, WorkKind::Rewrite) => (300e3, 50.0),
        (Dialect::Postgres, WorkKind::Index) => (900e3, 150.0),
        (Dialect::Postgres, WorkKind::Write) => (120e3, 25.0),
        (Dialect::Postgres, WorkKind::Keep) => (150e3, 30.0),
        (Dialect::Mysql | Dialect::MariaDb, WorkKind::Scan) => (1.5e6, 200.0),
        (Dialect::Mysql | Dialect::MariaDb, WorkKind::Rewrite) => (80e3, 15.0),
        (Dialect::Mysql | Dialect::MariaDb, WorkKind::Index) => (300e3, 50.0),
        (Dialect::Mysql | Dialect::MariaDb, WorkKind::Write) => (100e3, 15.0),
        (Dialect::Mysql | Dialect::MariaDb, WorkKind::Keep) => (50e3, 8.0),
        (Dialect::Sqlite, WorkKind::Scan) => (2e6, 300.0),
        (Dialect::Sqlite, WorkKind::Rewrite) => (300e3, 40.0),
        (Dialect::Sqlite, WorkKind::Index) => (700e3, 100.0),
        (Dialect::Sqlite, WorkKind::Write) => (150e3, 25.0),
        (Dialect::Sqlite, WorkKind::Keep) => (100e3, 15.0),
    }
}

/// Machines differ by this much, to either side.
const SPREAD: f64 = 5.0;

/// What a statement takes that does no such work.
const AT_ONCE: (u64, u64) = (1, 50);

/// Estimates a statement that does all of this work.
#[must_use]
pub fn estimate(dialect: Dialect, work: &[Work]) -> Estimate {
    let mut total = Estimate { low_ms: AT_ONCE.0, high_ms: AT_ONCE.1, unknown: false };
    for part in work {
        let Some(size) = part.size else {
            total.unknown = true;
            continue;
        };
        let (rows, megabytes) = rate(dialect, part.kind);
        // Counts of rows and bytes are far below 2^52.
        #[allow(clippy::cast_precision_loss)]
        let seconds = (size.rows as f64 / rows).max(size.bytes as f64 / 1e6 / megabytes);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let ms = |seconds: f64| (seconds * 1000.0) as u64;
        if part.whole {
            total.low_ms += ms(seconds / SPREAD);
        }
        total.high_ms += ms(seconds * SPREAD);
    }
    total
}

impl Estimate {
    /// Both one after the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            low_ms: self.low_ms + other.low_ms,
            high_ms: self.high_ms + other.high_ms,
            unknown: self.unknown || other.unknown,
        }
    }

    /// Whether nobody needs to think of it.
    #[must_use]
    pub fn at_once(self) -> bool {
        self.high_ms <= 500 && !self.unknown
    }
}

/// `at once`, `2 s to 40 s`, `5 min to 2 h, or longer: the size of a table is not known`.
impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.unknown {
            return f.write_str("not known: the size of a table is not known");
        }
        if self.at_once() {
            return f.write_str("at once");
        }
        if self.low_ms < 500 {
            return write!(f, "up to {}", rounded(self.high_ms));
        }
        write!(f, "{} to {}", rounded(self.low_ms), rounded(self.high_ms))
    }
}

/// Two digits at the most: more would claim what an estimate cannot know.
fn rounded(ms: u64) -> String {
    let two = |n: u64| match n {
        0..100 => n,
        100..1000 => n / 10 * 10,
        _ => n / 100 * 100,
    };
    match ms {
        0..1000 => format!("{} ms", ms.max(10) / 10 * 10),
        1000..120_000 => format!("{} s", two(ms / 1000)),
        120_000..7_200_000 => format!("{} min", two(ms / 60_000)),
        _ => format!("{} h", two(ms / 3_600_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_grow_with_tables_and_say_what_they_do_not_know() {
        let work = |rows: u64, whole| Work {
            kind: WorkKind::Rewrite,
            size: Some(Size { rows, bytes: rows * 100 }),
            whole,
        };
        let say = |work: &[Work]| estimate(Dialect::Postgres, work).to_string();
        assert_eq!(say(&[]), "at once");
        assert_eq!(say(&[work(1000, true)]), "at once");
        assert_eq!(say(&[work(1_000_000, true)]), "660 ms to 16 s");
        assert_eq!(say(&[work(1_000_000, false)]), "up to 16 s");
        assert_eq!(say(&[work(1_000_000_000, true)]), "11 min to 4 h");
        let nobody_knows = Work { size: None, ..work(0, true) };
        assert!(say(&[nobody_knows]).contains("not known"));
        let both = estimate(Dialect::Sqlite, &[work(1_000_000, true), work(1_000_000, true)]);
        let one = estimate(Dialect::Sqlite, &[work(1_000_000, true)]);
        assert_eq!(both.high_ms - 50, (one.high_ms - 50) * 2);
    }
}
