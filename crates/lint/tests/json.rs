//! The shape of the report as JSON: what scripts and the planner read.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul_lint::{LintOptions, MigrationInput, SourceText, lint_series};
use downhaul_syntax::Dialect;
use serde_json::{Value, json};

fn report(history: &str, up: &str) -> Value {
    let migration = |version: &str, text: &str, judged| MigrationInput {
        version: version.into(),
        up: Some(SourceText::new(format!("{version}.sql"), text)),
        judged,
        ..MigrationInput::default()
    };
    let series = [migration("1", history, false), migration("2", up, true)];
    serde_json::to_value(lint_series(&series, &LintOptions::new(Dialect::Postgres))).unwrap()
}

#[test]
fn effects_of_a_statement() {
    let report = report(
        "CREATE TABLE orders (id int PRIMARY KEY, note text);",
        "ALTER TABLE orders ALTER COLUMN id TYPE bigint, DROP COLUMN note;",
    );
    let effects = &report["effects"][0];
    assert_eq!(
        effects["locks"],
        json!([{ "table": "orders", "mode": "ACCESS EXCLUSIVE", "blocks": "reads" }])
    );
    assert_eq!(effects["rewrites"], json!(["orders"]));
    assert_eq!(effects["scans"], json!(["orders"]));
    assert_eq!(effects["builds_indexes"], json!(["orders"]));
    assert_eq!(
        effects["loses"],
        json!([{ "table": "orders", "column": "note", "partial": false }])
    );
    assert_eq!(effects["fails"], json!([]));
    assert_eq!(effects["reversible"], json!(false));
    let broken: Vec<&str> = effects["breaks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b["object"].as_str().unwrap())
        .collect();
    assert_eq!(broken, ["orders.note", "orders.id"]);
}

#[test]
fn a_finding_names_rule_place_and_statement() {
    let report = report("CREATE TABLE t (a int);", "\nCREATE INDEX i ON t (a);");
    let finding = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["code"] == "LK01")
        .expect("LK01 speaks");
    assert_eq!(finding["name"], "index-not-concurrent");
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["file"], "2.sql");
    assert_eq!(finding["start"]["line"], 2);
    assert_eq!(finding["docs"], "docs/rules/index-not-concurrent.md");
}

#[test]
fn what_the_server_refuses_is_among_the_effects() {
    let report = report("CREATE TABLE t (a int);", "ALTER TABLE t DROP COLUMN b;");
    assert_eq!(report["effects"][0]["fails"], json!(["column t.b does not exist"]));
}

#[test]
fn a_harmless_statement_has_no_effects() {
    let report = report("CREATE TABLE t (a int);", "CREATE TABLE u (a int);");
    assert_eq!(report["effects"], json!([]));
}

/// With the statements of the running release known, the one that breaks is named with its place,
/// and what none of them uses is no more than a warning.
#[test]
fn known_queries_are_named_where_they_break() {
    let query =
        |line: usize, text: &str| downhaul_lint::KnownQuery::new("src/orders.rs", line, text);
    let mut options = LintOptions::new(Dialect::Postgres);
    options.queries = vec![
        query(12, "SELECT id, note FROM orders WHERE id = $1"),
        query(20, "INSERT INTO orders (id) VALUES ($1)"),
        query(31, "SELECT name FROM customers"),
    ];
    let history = "CREATE TABLE orders (id int PRIMARY KEY, note text, old text, n int);
                   CREATE TABLE customers (name text);";
    let check = |up: &str, code: &str, severity: &str, place: Option<&str>| {
        let series = [
            MigrationInput {
                version: "1".into(),
                up: Some(SourceText::new("1.sql", history)),
                judged: false,
                ..MigrationInput::default()
            },
            MigrationInput {
                version: "2".into(),
                up: Some(SourceText::new("2.sql", up)),
                ..MigrationInput::default()
            },
        ];
        let report = lint_series(&series, &options);
        let finding = report.findings.iter().find(|f| f.code == code).expect(up);
        assert_eq!(finding.severity.as_str(), severity, "{up}");
        assert_eq!(finding.message.contains("src/orders.rs"), place.is_some(), "{up}");
        if let Some(place) = place {
            assert!(finding.message.contains(place), "{up}: {}", finding.message);
        }
    };
    check("ALTER TABLE orders DROP COLUMN note;", "BC01", "error", Some("src/orders.rs:12"));
    // None of the known queries names it.
    check("ALTER TABLE orders DROP COLUMN old;", "BC01", "info", None);
    check("DROP TABLE customers;", "BC02", "error", Some("src/orders.rs:31"));
    check("ALTER TABLE orders ADD m int NOT NULL;", "BC06", "error", Some("src/orders.rs:20"));
    check("ALTER TABLE orders ALTER n SET NOT NULL;", "BC07", "error", Some("src/orders.rs:20"));
}

/// A fix, applied, leaves a text on which the rule is silent.
#[test]
fn fixes_silence_their_rule() {
    let history = "CREATE TABLE t (a int); CREATE INDEX i ON t (a);";
    for (up, code) in [
        ("CREATE INDEX j ON t (a);", "LK01"),
        ("-- why\nDROP INDEX i;\n", "LK02"),
        ("ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0);", "LK04"),
        ("CREATE INDEX CONCURRENTLY j ON t (a);", "TX01"),
    ] {
        let findings = |text: &str| -> Vec<downhaul_lint::Finding> {
            let migration = |version: &str, text: &str, judged| MigrationInput {
                version: version.into(),
                up: Some(SourceText::new(format!("{version}.sql"), text)),
                judged,
                ..MigrationInput::default()
            };
            let series = [migration("1", history, false), migration("2", text, true)];
            lint_series(&series, &LintOptions::new(Dialect::Postgres)).findings
        };
        let before = findings(up);
        let fix = before.iter().find(|f| f.code == code).and_then(|f| f.fix.clone()).expect(up);
        let mut text = up.to_owned();
        for edit in fix.edits.iter().rev() {
            text.replace_range(edit.span.start..edit.span.end, &edit.text);
        }
        let after = findings(&text);
        assert!(after.iter().all(|f| f.code != code), "{text}: {after:?}");
        assert!(after.iter().all(|f| f.code != "UN01" && f.code != "TX01"), "{text}: {after:?}");
    }
}
