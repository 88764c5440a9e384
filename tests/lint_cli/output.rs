//! What comes out: exit codes, formats, colours.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::folder::{Folder, outcome};

#[test]
fn the_exit_code_says_whether_something_is_wrong() {
    let shop = Folder::shop();
    assert_eq!(shop.run(&["lint"]).code, 1);
    assert_eq!(shop.run(&["lint", "--fail-on", "never"]).code, 0);
    assert_eq!(shop.run(&["lint", "--allow", "BC01"]).code, 0, "only warnings and below are left");
    assert_eq!(shop.run(&["lint", "--warn", "BC01", "--fail-on", "warning"]).code, 1);
    assert_eq!(shop.run(&["lint", "migrations/0001_orders.up.sql"]).code, 0);
    assert_eq!(shop.run(&["lint", "nowhere"]).code, 2);
    assert_eq!(shop.run(&["lint", "--format", "xml"]).code, 2);
    assert_eq!(shop.run(&["lint", "--layout", "nope"]).code, 2);
    assert_eq!(Folder::new(&[]).run(&["lint"]).code, 2);
    // A project that has just begun is not in the wrong.
    let young = Folder::new(&[("migrations/.keep", "")]);
    assert_eq!(young.run(&["lint"]).code, 0);
    assert_eq!(young.run(&["lint", "migrations"]).code, 2, "but what is named must hold something");
}

#[test]
fn json_has_the_documented_fields() {
    let report = Folder::shop().json(&[]);
    assert_eq!(report["version"], 1);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let documented = fs::read_to_string("docs/json-format.md").unwrap();
    let finding = report["findings"].as_array().unwrap().iter().find(|f| f["code"] == "BC01");
    let finding = finding.expect("a dropped column is found");
    let statement = report["statements"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["file"] == "migrations/0002_slim.up.sql")
        .expect("the statement has effects");
    for part in [
        &report,
        finding,
        statement,
        &statement["effects"],
        &report["summary"],
        &report["series"][0],
    ] {
        for key in keys(part) {
            assert!(documented.contains(&format!("`{key}`")), "docs/json-format.md lacks `{key}`");
        }
    }
    for key in ["code", "name", "severity", "file", "line", "column", "message", "help"] {
        assert!(!finding[key].is_null(), "{key}");
    }
    assert_eq!(finding["line"], 1);
    assert_eq!(finding["column"], 20);
    assert_eq!(finding["end_column"], 36);
    assert_eq!(statement["effects"]["loses"][0]["table"], "orders");
    assert_eq!(statement["effects"]["locks"][0]["mode"], "ACCESS EXCLUSIVE");
}

#[test]
fn every_format_is_well_formed_and_goes_to_a_file_if_asked() {
    let shop = Folder::shop();
    let report = |format: &str| shop.run(&["lint", "--format", format]).stdout;
    let sarif: Value = serde_json::from_str(&report("sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(sarif["runs"][0]["results"].as_array().is_some_and(|r| !r.is_empty()));
    let gitlab: Value = serde_json::from_str(&report("gitlab")).unwrap();
    let prints: Vec<&str> =
        gitlab.as_array().unwrap().iter().map(|i| i["fingerprint"].as_str().unwrap()).collect();
    let distinct: std::collections::BTreeSet<&&str> = prints.iter().collect();
    assert_eq!(distinct.len(), prints.len(), "GitLab takes each fingerprint once");
    assert!(report("github").lines().all(|line| line.starts_with("::")));
    let junit = report("junit");
    assert_eq!(
        junit.matches("<testcase").count(),
        junit.matches("</testcase>").count() + junit.matches("\"/>").count()
    );
    let outcome = shop.run(&["lint", "--format", "junit", "--output", "out.xml"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""));
    assert_eq!(fs::read_to_string(shop.path().join("out.xml")).unwrap(), junit);
}

#[test]
fn colour_is_for_terminals_or_on_demand() {
    let shop = Folder::shop();
    assert!(!shop.run(&["lint"]).stdout.contains('\u{1b}'));
    assert!(shop.run(&["lint", "--color", "always"]).stdout.contains('\u{1b}'));
    let mut forced = shop.command(&["lint"]);
    forced.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
    assert!(
        !outcome(forced.output().unwrap()).stdout.contains('\u{1b}'),
        "NO_COLOR is the last word"
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let shop = Folder::shop();
    for n in 3..200 {
        shop.write(&format!("migrations/{n:04}_x.up.sql"), "TRUNCATE orders;\n");
    }
    let mut child =
        shop.command(&["lint"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
    let status = child.wait().unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert_eq!(status.code(), Some(1));
}

/// The way out that the help names has to be one that there is.
#[test]
fn the_help_names_expand_where_it_carries_the_change() {
    const BASE: &str =
        "CREATE TABLE orders (id int PRIMARY KEY AUTO_INCREMENT, total int, note varchar(40));\n";
    let cases = [
        ("mariadb", "ALTER TABLE orders MODIFY total bigint;", "LK20", true),
        ("mysql", "ALTER TABLE orders MODIFY total bigint;", "BC05", true),
        ("mariadb", "ALTER TABLE orders CONVERT TO CHARACTER SET utf8mb4;", "BC16", true),
        ("mariadb", "RENAME TABLE orders TO sales;", "BC04", true),
        ("mariadb", "ALTER TABLE orders RENAME COLUMN note TO remark;", "BC03", true),
        // What counts by itself it refuses, and so it does what this file does besides.
        ("mariadb", "ALTER TABLE orders MODIFY id bigint AUTO_INCREMENT;", "LK20", false),
        ("mariadb", "ALTER TABLE orders MODIFY total bigint, DROP COLUMN note;", "LK20", false),
        ("mariadb", "DROP TABLE orders;", "BC02", false),
        ("sqlite", "ALTER TABLE orders RENAME TO sales;", "BC04", false),
    ];
    for (dialect, change, code, carried) in cases {
        let base = if dialect == "sqlite" {
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, total int, note text);\n"
        } else {
            BASE
        };
        let folder = Folder::new(&[
            ("migrations/0001_orders.up.sql", base),
            ("migrations/0002_change.up.sql", change),
        ]);
        let report = folder.json(&["--dialect", dialect]);
        let finding = report["findings"].as_array().unwrap().iter().find(|f| f["code"] == code);
        let finding =
            finding.unwrap_or_else(|| panic!("{dialect}, {change}: no {code} in {report}"));
        let help = finding["help"].as_str().unwrap();
        assert_eq!(
            help.contains("`downhaul expand migrations/0002_change.up.sql` writes it in phases"),
            carried,
            "{dialect}, {change}: {help}"
        );
    }
}
