//! The measured table of what PostgreSQL locks, rewrites, scans and builds.
//!
//! `facts/postgres.tsv` is data: it was measured on the schema of `facts/postgres_setup.sql` by
//! running each statement in a transaction and reading `pg_locks`, file nodes and scan counters.
//! Where versions of the server differ, an operation has a row for each range of versions.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use super::Blocks;

const POSTGRES: &str = include_str!("../../facts/postgres.tsv");

/// The schema on which the table was measured, as SQL.
pub const LOCK_FACTS_SETUP: &str = include_str!("../../facts/postgres_setup.sql");

/// One row of the measured table, for documentation and for the test that measures it again.
/// Tables are named as in [`LOCK_FACTS_SETUP`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockFact {
    /// Name of the operation: `add-column-rewrites`.
    pub operation: &'static str,
    /// Major versions of the server on which it holds; the others have a row of their own, or refuse
    /// the statement.
    pub versions: Versions,
    /// The statement that was measured.
    pub statement: &'static str,
    /// Tables and their locks, as the manual writes modes.
    pub locks: Vec<(&'static str, &'static str)>,
    /// Tables that are written anew.
    pub rewrites: Vec<&'static str>,
    /// Tables that are read in full.
    pub scans: Vec<&'static str>,
    /// Tables on which indexes are built.
    pub builds_indexes: Vec<&'static str>,
}

/// A range of major versions, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// First, where it is not the oldest that is known.
    pub first: Option<u32>,
    /// Last, where it is not the newest that is known.
    pub last: Option<u32>,
}

impl Versions {
    /// Whether a major version lies in the range.
    #[must_use]
    pub fn contains(self, major: u32) -> bool {
        self.first.is_none_or(|first| first <= major) && self.last.is_none_or(|last| major <= last)
    }

    /// `14-`, `-13`, `14-16`, or nothing for all.
    fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self { first: None, last: None });
        }
        let number = |text: &str| match text {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        };
        let (first, last) = text.split_once('-')?;
        Some(Self { first: number(first)?, last: number(last)? })
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (None, None) => f.write_str("all"),
            (Some(first), None) => write!(f, "from {first}"),
            (None, Some(last)) => write!(f, "to {last}"),
            (Some(first), Some(last)) => write!(f, "{first} to {last}"),
        }
    }
}

/// What PostgreSQL was measured to lock, rewrite, scan and build.
#[must_use]
pub fn lock_facts() -> Vec<LockFact> {
    facts()
        .iter()
        .map(|f| LockFact {
            operation: f.operation,
            versions: f.versions,
            statement: f.statement,
            locks: f.locks.iter().map(|(table, mode)| (*table, mode.name)).collect(),
            rewrites: f.rewrites.clone(),
            scans: f.scans.clone(),
            builds_indexes: f.builds.clone(),
        })
        .collect()
}

/// One row. Tables are named by their role in the measured statement: `t` the table that is
/// altered, `p` the one it references …
pub(crate) struct Fact {
    pub(crate) operation: &'static str,
    pub(crate) versions: Versions,
    /// The statement that was measured.
    pub(crate) statement: &'static str,
    /// Role and mode.
    pub(crate) locks: Vec<(&'static str, Mode)>,
    pub(crate) rewrites: Vec<&'static str>,
    pub(crate) scans: Vec<&'static str>,
    pub(crate) builds: Vec<&'static str>,
}

/// A table lock of PostgreSQL (manual §13.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    /// As the manual writes it: `ACCESS EXCLUSIVE`.
    pub(crate) name: &'static str,
    pub(crate) blocks: Blocks,
}

const MODES: [(&str, Mode); 8] = [
    ("AccessShare", Mode { name: "ACCESS SHARE", blocks: Blocks::Nothing }),
    ("RowShare", Mode { name: "ROW SHARE", blocks: Blocks::Nothing }),
    ("RowExclusive", Mode { name: "ROW EXCLUSIVE", blocks: Blocks::Nothing }),
    ("ShareUpdateExclusive", Mode { name: "SHARE UPDATE EXCLUSIVE", blocks: Blocks::Ddl }),
    ("Share", Mode { name: "SHARE", blocks: Blocks::Writes }),
    ("ShareRowExclusive", Mode { name: "SHARE ROW EXCLUSIVE", blocks: Blocks::Writes }),
    ("Exclusive", Mode { name: "EXCLUSIVE", blocks: Blocks::Writes }),
    ("AccessExclusive", Mode { name: "ACCESS EXCLUSIVE", blocks: Blocks::Reads }),
];

/// The mode of a name as `pg_locks` or `LOCK TABLE` writes it; the strongest where it is unknown,
/// for that is what `LOCK TABLE` takes without a mode.
pub(crate) fn mode(name: &str) -> Mode {
    let plain: String =
        name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_lowercase();
    let plain = plain.trim_end_matches("mode").trim_end_matches("lock");
    MODES.iter().find(|(key, _)| key.to_lowercase() == plain).map_or(MODES[7].1, |(_, mode)| *mode)
}

/// Where the rows of an operation are: next to one another.
type Index = HashMap<&'static str, Range<usize>>;

/// Rows in order.
static FACTS: LazyLock<(Vec<Fact>, Index)> = LazyLock::new(|| {
    let facts: Vec<Fact> = POSTGRES.lines().skip(1).filter_map(read).collect();
    let mut index = Index::new();
    for (i, fact) in facts.iter().enumerate() {
        index.entry(fact.operation).or_insert(i..i).end = i + 1;
    }
    (facts, index)
});

fn read(line: &'static str) -> Option<Fact> {
    let mut cells = line.split('\t');
    let operation = cells.next().filter(|c| !c.is_empty())?;
    let versions = cells.next().and_then(Versions::read)?;
    let statement = cells.next()?;
    let mut words = || cells.next().unwrap_or_default().split_whitespace();
    let locks = words().filter_map(|w| w.split_once(':')).map(|(r, m)| (r, mode(m))).collect();
    let rewrites = words().collect();
    let scans = words().collect();
    let builds = words().collect();
    Some(Fact { operation, versions, statement, locks, rewrites, scans, builds })
}

/// All rows, in order.
pub(crate) fn facts() -> &'static [Fact] {
    &FACTS.0
}

/// The row of an operation on a major version; a row of other versions where this one refuses it.
pub(crate) fn fact(operation: &str, major: u32) -> Option<&'static Fact> {
    let rows = &FACTS.0[FACTS.1.get(operation)?.clone()];
    rows.iter().find(|row| row.versions.contains(major)).or(rows.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_reads_and_stands_once_for_each_version() {
        assert_eq!(POSTGRES.lines().count() - 1, facts().len());
        for line in POSTGRES.lines() {
            assert_eq!(line.split('\t').count(), 7, "{line}");
        }
        let rows: usize = FACTS.1.values().map(Range::len).sum();
        assert_eq!(rows, facts().len(), "the rows of an operation stand together");
        for (operation, rows) in &FACTS.1 {
            for major in 9..30 {
                let of_version =
                    FACTS.0[rows.clone()].iter().filter(|f| f.versions.contains(major)).count();
                assert!(of_version <= 1, "{operation} stands twice for {major}");
            }
        }
    }

    #[test]
    fn versions_read_and_show() {
        for (text, shown, inside, outside) in [
            ("", "all", vec![9, 18, 30], vec![]),
            ("14-", "from 14", vec![14, 30], vec![13]),
            ("-13", "to 13", vec![12, 13], vec![14]),
            ("14-16", "14 to 16", vec![14, 16], vec![13, 17]),
        ] {
            let versions = Versions::read(text).unwrap();
            assert_eq!(versions.to_string(), shown);
            assert!(inside.iter().all(|v| versions.contains(*v)), "{text}");
            assert!(!outside.iter().any(|v| versions.contains(*v)), "{text}");
        }
        assert!(Versions::read("x-").is_none() && Versions::read("14").is_none());
    }

    #[test]
    fn modes_are_known_by_every_spelling() {
        for (written, blocks) in [
            ("ShareRowExclusiveLock", Blocks::Writes),
            ("ACCESS EXCLUSIVE", Blocks::Reads),
            ("row exclusive mode", Blocks::Nothing),
            ("", Blocks::Reads),
        ] {
            assert_eq!(mode(written).blocks, blocks, "{written}");
        }
        let index = fact("create-index", 15).unwrap();
        assert_eq!(index.locks, [("t", mode("SHARE"))]);
        assert_eq!(index.builds, ["t"]);
        assert!(index.rewrites.is_empty());
    }
}
