//! The effects that the analyzer claims, item by item, against those that were measured.

use std::collections::BTreeSet;

use downhaul_lint::{Blocks, Effects};

use crate::data::Engine;
use crate::verdict::{Judged, Score};

/// One kind of effect over all cases of an engine.
pub(crate) struct Agreement {
    pub(crate) kind: Kind,
    /// Cases in which claim and measurement are the same, nothing on either side included.
    pub(crate) same: usize,
    /// Cases in which something was measured or claimed.
    pub(crate) some: usize,
    /// Case, what was measured and not claimed, what was claimed and not measured.
    pub(crate) different: Vec<(String, String, String)>,
}

/// Kinds of effect, as in `--format json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Fails,
    Locks,
    Rewrites,
    Scans,
    Builds,
    Loses,
    Breaks,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Fails,
        Self::Locks,
        Self::Rewrites,
        Self::Scans,
        Self::Builds,
        Self::Loses,
        Self::Breaks,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Fails => "`fails`: refused or not",
            Self::Locks => "`locks`: tables, and whom they keep waiting",
            Self::Rewrites => "`rewrites`: tables",
            Self::Scans => "`scans`: tables",
            Self::Builds => "`builds_indexes`: tables",
            Self::Loses => "`loses`: tables",
            Self::Breaks => "`breaks`: anything or nothing",
        }
    }

    /// What this engine was measured for.
    fn is_measured(self, engine: Engine) -> bool {
        match engine {
            Engine::Postgres => true,
            Engine::MariaDb => self != Self::Scans,
            // Pages of the file, not tables.
            Engine::Sqlite => matches!(self, Self::Fails | Self::Loses | Self::Breaks),
        }
    }
}

/// Each kind that was measured.
pub(crate) fn agreement(score: &Score) -> Vec<Agreement> {
    Kind::ALL
        .into_iter()
        .filter(|kind| kind.is_measured(score.engine))
        .map(|kind| {
            let mut out = Agreement { kind, same: 0, some: 0, different: Vec::new() };
            for judged in &score.judged {
                // What a refused statement would have done is not known.
                if kind != Kind::Fails && judged.case.truth.fails.is_some() {
                    continue;
                }
                // The release has no statement about a table that only the case's history made.
                if kind == Kind::Breaks && !judged.case.history.is_empty() {
                    continue;
                }
                let measured = measured(kind, judged);
                let claimed = claimed(kind, &judged.effects, score.engine, &measured);
                out.some += usize::from(!measured.is_empty() || !claimed.is_empty());
                if measured == claimed {
                    out.same += 1;
                } else {
                    let but = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
                        a.difference(b).cloned().collect::<Vec<_>>().join(" ")
                    };
                    out.different.push((
                        judged.title(),
                        but(&measured, &claimed),
                        but(&claimed, &measured),
                    ));
                }
            }
            out
        })
        .collect()
}

fn plain(name: &str) -> String {
    name.replace(['"', '`'], "")
}

fn measured(kind: Kind, judged: &Judged) -> BTreeSet<String> {
    let truth = &judged.case.truth;
    let flag = |set: bool| set.then(|| "yes".to_owned()).into_iter().collect();
    match kind {
        Kind::Fails => flag(truth.fails.is_some()),
        Kind::Locks => truth.locks.iter().map(|(t, b)| format!("{}:{b}", plain(t))).collect(),
        Kind::Rewrites => truth.rewrites.iter().map(|t| plain(t)).collect(),
        Kind::Scans => truth.scans.iter().map(|t| plain(t)).collect(),
        Kind::Builds => truth.builds.iter().map(|t| plain(t)).collect(),
        // Which columns is a question of the values; `schema.table.column` has the column last.
        Kind::Loses => {
            let tables = &judged.tables;
            truth.loses.iter().map(|l| table_of(&plain(l), tables)).collect()
        }
        Kind::Breaks => flag(!truth.breaks.is_empty()),
    }
}

fn table_of(loss: &str, tables: &BTreeSet<String>) -> String {
    match loss.rsplit_once('.') {
        Some((table, _)) if !tables.contains(loss) => table.to_owned(),
        _ => loss.to_owned(),
    }
}

fn claimed(
    kind: Kind,
    effects: &Effects,
    engine: Engine,
    measured: &BTreeSet<String>,
) -> BTreeSet<String> {
    let names = |list: &[downhaul_syntax::ObjectName]| {
        list.iter().map(ToString::to_string).collect::<BTreeSet<_>>()
    };
    let flag = |set: bool| set.then(|| "yes".to_owned()).into_iter().collect();
    match kind {
        Kind::Fails => flag(!effects.fails.is_empty()),
        Kind::Locks => effects
            .locks
            .iter()
            // Of MariaDB the lock clause is measured, not the brief locks that every ALTER takes,
            // nor the locks on rows.
            .filter(|l| engine != Engine::MariaDb || l.mode.contains("LOCK="))
            .filter_map(|l| {
                let blocks = match l.blocks {
                    Blocks::Reads => "reads",
                    Blocks::Writes => "writes",
                    _ => return None,
                };
                Some(format!("{}:{blocks}", l.table))
            })
            .collect(),
        Kind::Rewrites => names(&effects.rewrites),
        Kind::Scans => names(&effects.scans),
        Kind::Builds => names(&effects.builds_indexes),
        // A partial loss is one that depends on the values.
        Kind::Loses => effects
            .loses
            .iter()
            .map(|l| (l.table.to_string(), l.partial))
            .filter(|(table, partial)| !partial || measured.contains(table))
            .map(|(table, _)| table)
            .collect(),
        Kind::Breaks => flag(!effects.breaks.is_empty()),
    }
}
