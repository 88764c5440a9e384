//! What other linters say of the same statements: `other_linters.tsv`, written by
//! `scripts/compare-linters`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::data::{Engine, stem};
use crate::verdict::{Counts, Score};

/// A tool and what it found.
pub(crate) struct Other {
    /// Name and version.
    pub(crate) tool: String,
    pub(crate) counts: Counts,
    /// Statements that it was not asked about: written since.
    pub(crate) unasked: usize,
}

/// Each tool on one set of PostgreSQL.
pub(crate) fn others(score: &Score) -> Vec<Other> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint_truth/other_linters.tsv");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let set = stem(Engine::Postgres, score.set);
    let mut tools: BTreeMap<String, BTreeMap<(&str, &str), bool>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [tool, of, history, statement, version, findings] = cells[..] else {
            panic!("not six cells: {line}")
        };
        if of == set {
            let said = tools.entry(format!("{tool} {version}")).or_default();
            said.insert((history, statement), findings != "-");
        }
    }
    tools
        .into_iter()
        .map(|(tool, said)| {
            let mut other = Other { tool, counts: Counts::default(), unasked: 0 };
            for judged in score.judged.iter().filter(|j| !j.idle()) {
                let case = &judged.case;
                match said.get(&(case.history.as_str(), case.statement.as_str())) {
                    Some(said) => other.counts.add(!judged.measured.is_empty(), *said),
                    None => other.unasked += 1,
                }
            }
            other
        })
        .collect()
}
