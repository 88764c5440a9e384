//! The measured table of what PostgreSQL locks, rewrites, scans and builds.
//!
//! `facts/postgres.tsv` is data: it was measured on the schema of `facts/postgres_setup.sql` by
//! running each statement in a transaction and reading `pg_locks`, file nodes and scan counters.

use std::collections::HashMap;
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

/// What PostgreSQL was measured to lock, rewrite, scan and build.
#[must_use]
pub fn lock_facts() -> Vec<LockFact> {
    facts()
        .iter()
        .map(|f| LockFact {
            operation: f.operation,
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

static FACTS: LazyLock<(Vec<Fact>, HashMap<&'static str, usize>)> = LazyLock::new(|| {
    let facts: Vec<Fact> = POSTGRES.lines().skip(1).filter_map(read).collect();
    let index = facts.iter().enumerate().map(|(i, f)| (f.operation, i)).collect();
    (facts, index)
});

fn read(line: &'static str) -> Option<Fact> {
    let mut cells = line.split('\t');
    let operation = cells.next().filter(|c| !c.is_empty())?;
    let statement = cells.next()?;
    let mut words = || cells.next().unwrap_or_default().split_whitespace();
    let locks = words().filter_map(|w| w.split_once(':')).map(|(r, m)| (r, mode(m))).collect();
    let rewrites = words().collect();
    let scans = words().collect();
    let builds = words().collect();
    Some(Fact { operation, statement, locks, rewrites, scans, builds })
}

/// All rows, in order.
pub(crate) fn facts() -> &'static [Fact] {
    &FACTS.0
}

/// The row of an operation.
pub(crate) fn fact(operation: &str) -> Option<&'static Fact> {
    FACTS.1.get(operation).map(|i| &FACTS.0[*i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_reads_and_stands_once() {
        assert_eq!(POSTGRES.lines().count() - 1, facts().len());
        assert_eq!(FACTS.1.len(), facts().len(), "an operation stands twice");
        for line in POSTGRES.lines() {
            assert_eq!(line.split('\t').count(), 6, "{line}");
        }
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
        let index = fact("create-index").unwrap();
        assert_eq!(index.locks, [("t", mode("SHARE"))]);
        assert_eq!(index.builds, ["t"]);
        assert!(index.rewrites.is_empty());
    }
}
