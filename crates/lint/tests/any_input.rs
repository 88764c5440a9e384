//! No text makes the analyzer panic, and its time grows with the length of the text.

use std::time::Duration;

use downhaul_lint::{LintOptions, MigrationInput, RuleSetting, SourceText, all_rules, lint_series};
use downhaul_syntax::Dialect;
use proptest::prelude::*;

/// Everything on, so that every rule sees the text.
fn options(dialect: Dialect) -> LintOptions {
    let mut options = LintOptions::new(dialect);
    options.lock_budget = false;
    options.restore_points = false;
    for rule in all_rules() {
        options.rules.insert(rule.code.to_owned(), RuleSetting::On);
    }
    options
}

fn lint(texts: &[(&str, Option<&str>)], dialect: Dialect) -> usize {
    let series: Vec<MigrationInput> = texts
        .iter()
        .enumerate()
        .map(|(at, (up, down))| MigrationInput {
            version: at.to_string(),
            up: Some(SourceText::new(format!("{at}.up.sql"), *up)),
            down: down.map(|d| SourceText::new(format!("{at}.down.sql"), d)),
            judged: at > 0 || texts.len() == 1,
            ..MigrationInput::default()
        })
        .collect();
    let report = lint_series(&series, &options(dialect));
    for finding in &report.findings {
        assert!(finding.span.start <= finding.span.end, "{finding:?}");
        assert!(!finding.message.is_empty(), "{finding:?}");
    }
    report.findings.len()
}

const BASE: &str = "CREATE TABLE p (id int PRIMARY KEY, v varchar(20), n numeric(8,2));
CREATE TABLE t (id int PRIMARY KEY, p int REFERENCES p, a int NOT NULL DEFAULT 1, b text);
CREATE INDEX i ON t (a);
CREATE VIEW w AS SELECT id, a FROM t;";

/// Pieces of SQL that together touch every rule.
const PIECES: &[&str] = &[
    "ALTER TABLE t DROP COLUMN a",
    "ALTER TABLE t ADD COLUMN c int NOT NULL",
    "ALTER TABLE t ADD COLUMN c uuid DEFAULT gen_random_uuid()",
    "ALTER TABLE t RENAME COLUMN a TO z",
    "ALTER TABLE t RENAME TO u",
    "ALTER TABLE t ALTER COLUMN b TYPE varchar(5) USING left(b, 5)",
    "ALTER TABLE t MODIFY a bigint",
    "ALTER TABLE t CHANGE a a2 enum('x','y')",
    "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p ON DELETE CASCADE",
    "ALTER TABLE t VALIDATE CONSTRAINT k",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)",
    "DROP INDEX i",
    "DROP TABLE t CASCADE",
    "DROP VIEW w",
    "CREATE TABLE t2 (LIKE t)",
    "CREATE TABLE new_t (id int)",
    "INSERT INTO new_t SELECT id FROM t",
    "ALTER TABLE new_t RENAME TO t",
    "UPDATE t SET a = 1",
    "DELETE FROM t WHERE a = 1",
    "TRUNCATE p CASCADE",
    "BEGIN",
    "COMMIT",
    "SET foreign_key_checks = 0",
    "SET search_path = x",
    "DO $$ BEGIN EXECUTE format('DROP TABLE %I', 't'); END $$",
    "GRANT ALL ON t TO PUBLIC",
    "ALTER TYPE e ADD VALUE 'x'",
    "-- downhaul:allow drop-column, nothing \"because\"",
    "/* downhaul:allow-file LK01 */",
    "-- downhaul:phase contract",
    "VACUUM FULL t",
    "PRAGMA foreign_keys = OFF",
    "'",
    "\"",
    "$$",
    "(",
    "é",
    "\u{0}",
];

fn dialects() -> impl Strategy<Value = Dialect> {
    prop::sample::select(Dialect::ALL.to_vec())
}

fn script() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..12).prop_flat_map(|pieces| {
        let text = pieces.join(";\n");
        let len = text.chars().count().max(1);
        // Characters cut out, doubled or replaced anywhere.
        prop::collection::vec((0..len, any::<char>(), 0..3u8), 0..4).prop_map(move |edits| {
            let mut chars: Vec<char> = text.chars().collect();
            for (at, c, how) in edits {
                let at = at.min(chars.len());
                match how {
                    0 if at < chars.len() => {
                        chars.remove(at);
                    }
                    1 => chars.insert(at, c),
                    _ if at < chars.len() => chars[at] = c,
                    _ => {}
                }
            }
            chars.into_iter().collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_judged_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        dialect in dialects(),
    ) {
        let text = String::from_utf8_lossy(&bytes);
        lint(&[(&text, Some(&text))], dialect);
    }

    #[test]
    fn mutated_sql_is_judged_without_a_panic(
        up in script(),
        down in script(),
        dialect in dialects(),
    ) {
        lint(&[(BASE, None), (&up, Some(&down))], dialect);
        lint(&[(&up, Some(&down))], dialect);
    }
}

/// Ten times the input may take about ten times as long, not a hundred.
/// The CPU time of this thread so far: what else the machine does leaves no mark on it. Where the
/// system does not tell, the time of day.
fn clock() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(
        || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
        Duration::from_nanos,
    )
}

#[test]
fn time_is_linear_in_the_number_of_statements_and_of_migrations() {
    let statements = |n: usize| -> String {
        (0..n)
            .map(|i| {
                format!(
                    "CREATE TABLE t{i} (id int PRIMARY KEY, p int REFERENCES t{});\n\
                     ALTER TABLE t{i} ADD COLUMN a int;\nCREATE INDEX i{i} ON t{i} (a);\n",
                    i.saturating_sub(1)
                )
            })
            .collect()
    };
    let one_file = |n: usize| {
        let text = statements(n);
        let start = clock();
        lint(&[(&text, None)], Dialect::Postgres);
        clock().saturating_sub(start)
    };
    let many_files = |n: usize| {
        let texts: Vec<String> = (0..n)
            .map(|i| {
                format!(
                    "CREATE TABLE t{i} (id int PRIMARY KEY, p int REFERENCES t{});\n\
                     ALTER TABLE t{} ADD COLUMN a{i} int;",
                    i.saturating_sub(1),
                    i / 2
                )
            })
            .collect();
        let downs: Vec<String> = (0..n)
            .map(|i| format!("ALTER TABLE t{} DROP COLUMN a{i};\nDROP TABLE t{i};", i / 2))
            .collect();
        let series: Vec<(&str, Option<&str>)> =
            texts.iter().zip(&downs).map(|(u, d)| (u.as_str(), Some(d.as_str()))).collect();
        let start = clock();
        lint(&series, Dialect::Postgres);
        clock().saturating_sub(start)
    };
    for (name, run) in
        [("one file", &one_file as &dyn Fn(usize) -> Duration), ("many files", &many_files)]
    {
        run(50);
        let least = |n: usize| (0..3).map(|_| run(n)).min().unwrap_or_default();
        let (small, large) = (least(200), least(2000));
        let ratio = large.as_secs_f64() / small.as_secs_f64().max(1e-6);
        assert!(ratio < 50.0, "{name}: {small:?} for 200, {large:?} for 2000: ratio {ratio:.0}");
    }
}

/// A long history is replayed once, its downs are not looked at.
#[test]
fn ten_thousand_migrations_of_history_take_seconds_even_unoptimised() {
    let series: Vec<MigrationInput> = (0..10_000)
        .map(|i| MigrationInput {
            version: i.to_string(),
            up: Some(SourceText::new(
                format!("{i}.up.sql"),
                format!(
                    "CREATE TABLE t{i} (id int PRIMARY KEY, p int REFERENCES t{});\n\
                     ALTER TABLE t{i} ADD COLUMN a int;",
                    i / 2
                ),
            )),
            judged: i == 9_999,
            ..MigrationInput::default()
        })
        .collect();
    let start = clock();
    let report = lint_series(&series, &LintOptions::new(Dialect::Postgres));
    assert_eq!(report.summary.migrations, 1);
    let took = clock().saturating_sub(start);
    // Optimised it is below two seconds; this build is some ten times slower.
    assert!(took < Duration::from_secs(40), "{took:?}");
}
