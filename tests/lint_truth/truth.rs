//! What a server was measured to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Effects of one statement. As text: `locks=t:writes; scans=t`, or `nothing`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    /// Code of the error with which the server refuses it.
    pub(crate) fails: Option<String>,
    /// Relations that were there before, and whom the lock keeps waiting: `writes` or `reads`.
    pub(crate) locks: BTreeMap<String, String>,
    /// Tables written anew.
    pub(crate) rewrites: BTreeSet<String>,
    /// Tables read in full.
    pub(crate) scans: BTreeSet<String>,
    /// Tables all of whose rows are written or copied at once (MariaDB).
    pub(crate) rows: BTreeSet<String>,
    /// Tables with an index built over all rows.
    pub(crate) builds: BTreeSet<String>,
    /// Tables or columns whose values are gone.
    pub(crate) loses: BTreeSet<String>,
    /// Statements of the running release that fail afterwards.
    pub(crate) breaks: BTreeSet<String>,
    /// Objects of another shape, on account of which `IF NOT EXISTS` does nothing.
    pub(crate) hides: BTreeSet<String>,
    /// Settings of the session that stay changed (MariaDB, SQLite).
    pub(crate) leaves: BTreeSet<String>,
    /// Roles that see more rows than before (PostgreSQL).
    pub(crate) shows: BTreeSet<String>,
    /// Columns and keys where a probe that was accepted is refused now.
    pub(crate) refuses: BTreeSet<String>,
    /// Keys and references that kept out a probe which is let in now.
    pub(crate) lets: BTreeSet<String>,
    /// Tables and columns where a write no longer does what it did.
    pub(crate) stops: BTreeSet<String>,
    /// What a statement can no longer name.
    pub(crate) names: BTreeSet<String>,
    /// Tables and columns that are dropped, whatever they may hold elsewhere.
    pub(crate) drops: BTreeSet<String>,
    /// Sequences that hand out numbers again, had they come further (PostgreSQL).
    pub(crate) repeats: BTreeSet<String>,
    /// It is there to change rows, and no row matched.
    pub(crate) idle: bool,
}

/// The words of a list, at its spaces; one within a quoted name is a part of the name.
fn words(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    list.split(move |c| {
        quoted ^= c == '"' || c == '`';
        c == ' ' && !quoted
    })
}

/// Whether a probe and no statement of a client told it: a text that is no longer found in a column
/// (`find-t.s`), a right of a role or the rows that it sees (`truth_app-select-t`).
fn is_of_a_probe(name: &str) -> bool {
    let mut parts = name.splitn(3, '-').skip(1);
    let right = parts.next().is_some_and(|what| {
        ["rows", "select", "insert", "update", "delete", "execute"].contains(&what)
    });
    right && parts.next().is_some()
        || name.strip_prefix("find-").is_some_and(|column| column.contains('.'))
}

impl Truth {
    /// What is told of it where no client was probed.
    pub(crate) fn without_probes(&self) -> Self {
        let told = |names: &BTreeSet<String>| {
            names.iter().filter(|name| !is_of_a_probe(name)).cloned().collect()
        };
        Self {
            breaks: told(&self.breaks),
            shows: told(&self.shows),
            refuses: BTreeSet::new(),
            lets: BTreeSet::new(),
            stops: BTreeSet::new(),
            names: BTreeSet::new(),
            drops: BTreeSet::new(),
            repeats: BTreeSet::new(),
            idle: false,
            ..self.clone()
        }
    }

    pub(crate) fn read(text: &str) -> Self {
        let mut truth = Self::default();
        for part in text.split("; ") {
            let Some((key, value)) = part.split_once('=') else { continue };
            let list = || words(value).map(str::to_owned).collect::<BTreeSet<_>>();
            match key {
                "fails" => truth.fails = Some(value.to_owned()),
                "locks" => {
                    truth.locks = words(value)
                        .filter_map(|l| l.split_once(':'))
                        .map(|(t, m)| (t.to_owned(), m.to_owned()))
                        .collect();
                }
                "rewrites" => truth.rewrites = list(),
                "scans" => truth.scans = list(),
                "builds" => truth.builds = list(),
                "rows" => truth.rows = list(),
                "loses" => truth.loses = list(),
                "breaks" => truth.breaks = list(),
                "hides" => truth.hides = list(),
                "leaves" => truth.leaves = list(),
                "shows" => truth.shows = list(),
                "refuses" => truth.refuses = list(),
                "lets" => truth.lets = list(),
                "stops" => truth.stops = list(),
                "names" => truth.names = list(),
                "drops" => truth.drops = list(),
                "repeats" => truth.repeats = list(),
                "idle" => truth.idle = true,
                other => panic!("unknown key {other}"),
            }
        }
        truth
    }

    /// Traffic waits for as long as a table is large.
    pub(crate) fn blocks(&self) -> bool {
        self.locks
            .keys()
            .any(|t| self.rewrites.contains(t) || self.scans.contains(t) || self.builds.contains(t))
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        if let Some(code) = &self.fails {
            parts.push(format!("fails={code}"));
        }
        if !self.locks.is_empty() {
            let locks: Vec<String> = self.locks.iter().map(|(t, m)| format!("{t}:{m}")).collect();
            parts.push(format!("locks={}", locks.join(" ")));
        }
        for (key, set) in [
            ("rewrites", &self.rewrites),
            ("scans", &self.scans),
            ("builds", &self.builds),
            ("rows", &self.rows),
            ("loses", &self.loses),
            ("breaks", &self.breaks),
            ("hides", &self.hides),
            ("leaves", &self.leaves),
            ("shows", &self.shows),
            ("refuses", &self.refuses),
            ("lets", &self.lets),
            ("stops", &self.stops),
            ("names", &self.names),
            ("drops", &self.drops),
            ("repeats", &self.repeats),
        ] {
            if !set.is_empty() {
                let all: Vec<&str> = set.iter().map(String::as_str).collect();
                parts.push(format!("{key}={}", all.join(" ")));
            }
        }
        if self.idle {
            parts.push("idle=yes".to_owned());
        }
        if parts.is_empty() {
            parts.push("nothing".to_owned());
        }
        f.write_str(&parts.join("; "))
    }
}

/// Values of every column: table, column, sorted texts.
pub(crate) type Contents = BTreeMap<(String, String), Vec<Option<String>>>;

/// Columns whose values are nowhere any more: neither in the column, nor in one that is new
/// (a rename). A table whose columns are all gone counts once.
pub(crate) fn lost(before: &Contents, after: &Contents) -> BTreeSet<String> {
    let gone = |key: &(String, String), values: &Vec<Option<String>>| {
        let same = |other: &Vec<Option<String>>| alike(values, other);
        !after.get(key).is_some_and(same)
            && !after.iter().any(|(other, v)| !before.contains_key(other) && same(v))
    };
    let mut out = BTreeSet::new();
    let tables: BTreeSet<&String> = before.keys().map(|(t, _)| t).collect();
    for table in tables {
        let columns: Vec<_> =
            before.iter().filter(|((t, _), v)| t == table && !v.is_empty()).collect();
        let lost: Vec<_> = columns.iter().filter(|(k, v)| gone(k, v)).collect();
        if !columns.is_empty() && lost.len() == columns.len() {
            out.insert(table.clone());
        } else {
            out.extend(lost.iter().map(|((t, c), _)| format!("{t}.{c}")));
        }
    }
    out
}

/// Every old value is still there; more may be.
fn alike(old: &[Option<String>], new: &[Option<String>]) -> bool {
    if old == new {
        return true;
    }
    let mut left: Vec<String> = new.iter().map(normal).collect();
    left.sort_unstable();
    let mut wanted: Vec<String> = old.iter().map(normal).collect();
    wanted.sort_unstable();
    let mut at = 0;
    wanted.iter().all(|w| {
        while at < left.len() && left[at] < *w {
            at += 1;
        }
        at += 1;
        left.get(at - 1) == Some(w)
    })
}

/// Numbers by value, times without trailing zeros, text without trailing blanks.
pub(crate) fn normal(value: &Option<String>) -> String {
    let Some(text) = value else { return "NULL".to_owned() };
    if let Ok(number) = text.trim().parse::<f64>() {
        return format!("{number:e}");
    }
    let text = text.trim_end();
    let text = text.strip_suffix("+00").unwrap_or(text);
    match text.split_once('.') {
        Some((time, fraction))
            if time.contains(':') && fraction.chars().all(|c| c.is_ascii_digit()) =>
        {
            let fraction = fraction.trim_end_matches('0');
            if fraction.is_empty() { time.to_owned() } else { format!("{time}.{fraction}") }
        }
        _ => text.strip_suffix(" 00:00:00").unwrap_or(text).to_owned(),
    }
}
