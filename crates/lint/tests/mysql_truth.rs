//! What the analyzer says of MySQL, against what a MySQL server was measured to do.
//!
//! `mysql_truth.tsv` is written by `scripts/mysql-truth`, which runs the statements of the MariaDB sets
//! of `tests/lint_truth` on a real MySQL; no label was given by hand. This test needs no server: it
//! judges each statement and counts. `DOWNHAUL_BLESS=1` writes `docs/mysql-truth.md`.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use downhaul_lint::{
    DownPolicy, LintOptions, MigrationInput, Severity, SourceText, TransactionMode, lint_series,
};
use downhaul_syntax::Dialect;

/// What is missed and what is reported without need, at most: lower these.
const AT_MOST: (usize, usize) = (5, 5);

/// The same before the rules were mended by it, of so many hazardous and harmless ones: by what was
/// measured on MySQL alone.
const FIRST: [(usize, usize); 2] = [(14, 475), (11, 178)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

struct Case {
    set: String,
    outside: bool,
    history: String,
    statement: String,
    truth: String,
    /// What MariaDB did, probed, where that lies in the statement and not in the server.
    probed: String,
}

/// What the probes of MariaDB told of a case: what is let in or refused from now on, rows that are all
/// written, what is dropped while empty, that no row was there to be changed. MySQL has the same keys,
/// locks and rows.
fn probed(set: &str, history: &str, statement: &str) -> String {
    let path = root().join(format!("tests/lint_truth/{set}.tsv"));
    let text = fs::read_to_string(path).unwrap();
    let case = text.lines().find_map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        (cells[1] == history && cells[2] == statement).then(|| cells[3].to_owned())
    });
    let told = case.unwrap_or_default();
    let kept = told.split("; ").filter(|part| {
        ["lets=", "refuses=", "rows=", "drops=", "idle="].iter().any(|key| part.starts_with(key))
    });
    kept.collect::<Vec<_>>().join("; ")
}

/// Version of the server, and the cases.
fn load() -> (String, Vec<Case>) {
    let text = fs::read_to_string(root().join("crates/lint/tests/mysql_truth.tsv")).unwrap();
    let mut lines = text.lines();
    let version = lines.next().unwrap().trim_start_matches("# ").to_owned();
    let cases = lines
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let [set, mode, history, statement, truth] = cells[..] else { panic!("{line}") };
            Case {
                set: set.to_owned(),
                outside: mode == "auto",
                history: history.to_owned(),
                statement: statement.to_owned(),
                truth: truth.to_owned(),
                probed: probed(set, history, statement),
            }
        })
        .collect();
    (version, cases)
}

/// The names behind a key of a truth: `locks=t:writes; rewrites=t`.
fn names<'t>(truth: &'t str, key: &str) -> Vec<&'t str> {
    truth
        .split("; ")
        .filter_map(|part| part.split_once('='))
        .find(|(k, _)| *k == key)
        .map_or_else(Vec::new, |(_, value)| value.split(' ').collect())
}

/// It is refused, keeps traffic or replicas waiting as long as a table is large, breaks statements of
/// the running release, loses values, hides an object of another shape, or leaves settings changed.
fn is_hazardous(truth: &str) -> bool {
    let builds = names(truth, "builds");
    let blocks = names(truth, "locks")
        .iter()
        .filter_map(|lock| lock.split_once(':'))
        .any(|(table, _)| builds.contains(&table));
    let plain = ["fails", "rewrites", "breaks", "loses", "hides", "leaves"];
    blocks || plain.iter().any(|key| !names(truth, key).is_empty())
}

/// Families about what a statement does to a running system.
fn counts(code: &str) -> bool {
    code == "SE04" || ["BC", "LK", "DL", "TX", "UN"].iter().any(|family| code.starts_with(family))
}

/// Codes of the warnings and errors about a case.
fn judge(case: &Case, setup: &str, version: &str) -> Vec<&'static str> {
    let mut options = LintOptions::new(Dialect::Mysql);
    options.server_version = Some(version.parse().unwrap());
    options.down = DownPolicy::Ignored;
    options.restore_points = false;
    let migration = |number: &str, text: &str, judged: bool| MigrationInput {
        version: number.to_owned(),
        up: Some(SourceText::new(format!("{number}.sql"), text)),
        judged,
        transactional: if case.outside && judged {
            TransactionMode::None
        } else {
            TransactionMode::Wrapped
        },
        ..MigrationInput::default()
    };
    let series = [
        migration("1", setup, false),
        migration("2", &case.history, false),
        migration("3", &case.statement, true),
    ];
    let mut codes: Vec<&str> = lint_series(&series, &options)
        .findings
        .iter()
        .filter(|f| f.severity >= Severity::Warning && counts(f.code))
        .map(|f| f.code)
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

const INTRODUCTION: &str = "# What the analyzer finds on MySQL, measured

`scripts/mysql-truth` runs the statements of the MariaDB sets on a real MySQL, each on the schema of its
set with rows in every table, and writes down what they do there: the least lock that the server takes,
tables and indexes that are others afterwards, values that are gone, statements of the running release
that fail, settings that stay changed, or the refusal. Statements that MySQL does not parse are left out.
No label was given by hand. `cargo test -p downhaul-lint --test mysql_truth` judges them without a server,
with `--dialect mysql` and the version that was measured, and writes this page. What counts as hazardous is
told in [lint-truth.md](lint-truth.md), where the same statements are judged for MariaDB. MySQL was not
measured with the probes that are told of there: what is let in or refused from then on, that all rows of a
table are written, what is dropped while empty, and that no row was there to be changed, is taken from MariaDB,
with the same schema and the same rows. The first score is of what was measured on MySQL alone, by which a key that goes is harmless.

";

#[test]
fn the_analyzer_knows_mysql() {
    let (version, cases) = load();
    let number = version.rsplit(' ').next().unwrap().split('-').next().unwrap().to_owned();
    let mut setups = BTreeMap::new();
    for case in &cases {
        setups.entry(case.set.clone()).or_insert_with(|| {
            let path = root().join(format!("tests/lint_truth/{}_setup.sql", case.set));
            fs::read_to_string(path).unwrap()
        });
    }
    let (mut missed, mut false_alarms, mut details) = (String::new(), String::new(), String::new());
    let (mut hazardous, mut harmless, mut misses, mut alarms) = (0, 0, 0, 0);
    let (mut other_on_8_4, mut idle) = (0, 0);
    let mut set = "";
    for case in &cases {
        let codes = judge(case, &setups[&case.set], &number);
        other_on_8_4 += usize::from(judge(case, &setups[&case.set], "8.4.0") != codes);
        let title = match case.history.as_str() {
            "" => format!("`{}`", case.statement),
            history => format!("`{}` after `{history}`", case.statement),
        };
        let line = format!("- {title}: {}; says {}\n", case.truth, codes.join(" "));
        let shared = ["lets", "refuses", "rows", "drops"]
            .iter()
            .any(|key| !names(&case.probed, key).is_empty());
        let works = names(&case.truth, "fails").is_empty();
        let hazardous_here = is_hazardous(&case.truth) || works && shared;
        if !hazardous_here && !names(&case.probed, "idle").is_empty() {
            idle += 1;
            continue;
        }
        match (hazardous_here, codes.is_empty()) {
            (true, silent) => {
                hazardous += 1;
                if silent {
                    misses += 1;
                    missed.push_str(line.trim_end().trim_end_matches("; says"));
                    missed.push('\n');
                }
            }
            (false, silent) => {
                harmless += 1;
                if !silent {
                    alarms += 1;
                    false_alarms.push_str(&line);
                }
            }
        }
        if case.set != set {
            set = &case.set;
            let _ = write!(
                details,
                "\n## `{set}`\n\n| statement | measured | Downhaul |\n| --- | --- | --- |\n"
            );
        }
        let cell = |text: &str| text.replace('|', "\\|");
        let _ =
            writeln!(details, "| {} | {} | {} |", cell(&title), cell(&case.truth), codes.join(" "));
    }
    let [missed_first, alarms_first] = FIRST;
    let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole as f64;
    let mut page = String::from(INTRODUCTION);
    let _ = write!(
        page,
        "| | hazardous | found | recall | harmless | false alarms | rate |\n\
         | --- | --: | --: | --: | --: | --: | --: |\n\
         | {version}, first score | {} | {} | {:.1} % | {} | {} | {:.1} % |\n\
         | {version}, mended | {hazardous} | {} | {:.1} % | {harmless} | {alarms} | {:.1} % |\n\n\
         {idle} statements are left out, which are there to change rows and found none to change.\n\n\
         With `--server-version 8.4` the analyzer says something else of {other_on_8_4} of the {} statements; no \
         server of that version was measured.\n\n\
         Missed:\n\n{missed}\nFalse alarms:\n\n{false_alarms}{details}",
        missed_first.1,
        missed_first.1 - missed_first.0,
        percent(missed_first.1 - missed_first.0, missed_first.1),
        alarms_first.1,
        alarms_first.0,
        percent(alarms_first.0, alarms_first.1),
        hazardous - misses,
        percent(hazardous - misses, hazardous),
        percent(alarms, harmless),
        cases.len(),
    );
    let path = root().join("docs/mysql-truth.md");
    if std::env::var_os("DOWNHAUL_BLESS").is_some() {
        fs::write(path, page).unwrap();
    } else {
        let now = fs::read_to_string(path).unwrap_or_default();
        assert!(
            now == page,
            "docs/mysql-truth.md is not current: run this test with DOWNHAUL_BLESS=1"
        );
    }
    assert!(
        misses <= AT_MOST.0 && alarms <= AT_MOST.1,
        "{misses} missed, {alarms} false alarms\n{missed}\n{false_alarms}"
    );
}
