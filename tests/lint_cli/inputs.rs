//! What is judged: series, loose files, standard input; against which schema and queries, in which
//! dialect and with which values.

use std::process::Stdio;

use serde_json::Value;

use crate::folder::{ADD_NOTE, CREATE, DROP, DROP_NOTE, Folder, has, outcome, places};

#[test]
fn a_file_is_judged_in_the_series_that_it_belongs_to() {
    let shop = Folder::shop();
    let wanted = "BC01 migrations/0002_slim.up.sql:1";
    let alone = shop.findings(&["migrations/0002_slim.up.sql"]);
    assert!(has(&alone, wanted), "{alone:?}");
    assert!(alone.iter().all(|f| f.contains("0002_slim")), "{alone:?}");
    // Without its history nobody knows that the table is made by this very deployment.
    let both = shop.findings(&["--one-deployment"]);
    assert!(!has(&both, wanted), "{both:?}");
    // Both files of one migration are one migration.
    let pair = shop.findings(&["migrations/0002_slim.up.sql", "migrations/0002_slim.down.sql"]);
    assert_eq!(pair, alone);
    // A column that the history never made.
    shop.write("migrations/0003_typo.up.sql", "ALTER TABLE orders DROP COLUMN nope;\n");
    let typo = shop.findings(&["migrations/0003_typo.up.sql"]);
    assert!(has(&typo, "TX10 migrations/0003_typo.up.sql:1"), "{typo:?}");
}

#[test]
fn loose_files_are_judged_too() {
    let numbered = Folder::new(&[
        ("db/1_a.sql", CREATE),
        ("db/10_c.sql", DROP_NOTE),
        ("db/2_b.sql", "SELECT 1;\n"),
    ]);
    assert!(has(&numbered.findings(&["db"]), "BC01 db/10_c.sql:1"));
    assert!(has(&numbered.findings(&["db/10_c.sql"]), "BC01 db/10_c.sql:1"));
    // Without a number in front they have no order: each stands alone.
    let cases = Folder::new(&[("cases/drop.sql", DROP_NOTE), ("cases/sub/more.sql", DROP_NOTE)]);
    let found = cases.findings(&["cases"]);
    assert!(
        has(&found, "BC01 cases/drop.sql:1") && has(&found, "BC01 cases/sub/more.sql:1"),
        "{found:?}"
    );
}

#[test]
fn standard_input_is_judged_alone_or_after_a_history() {
    let shop = Folder::new(&[
        ("migrations/0001_orders.up.sql", CREATE),
        ("migrations/0001_orders.down.sql", DROP),
    ]);
    let alone = shop.run_with(&["lint", "-", "--format", "json"], DROP_NOTE.as_bytes());
    let alone = places(&serde_json::from_str(&alone.stdout).unwrap());
    assert!(has(&alone, "BC01 <stdin>:1"), "{alone:?}");
    assert!(!alone.iter().any(|f| f.starts_with("RV01")), "a pipe has no down file: {alone:?}");
    let typo = b"ALTER TABLE orders DROP COLUMN nope;";
    let after = ["lint", "-", "--dir", "migrations", "--format", "json", "--stdin-name", "x.sql"];
    let after = places(&serde_json::from_str(&shop.run_with(&after, typo).stdout).unwrap());
    assert!(has(&after, "TX10 x.sql:1"), "{after:?}");
    let latin1 = shop.run_with(&["lint", "-"], b"SELECT 1;\nSELECT '\xe9';");
    assert_eq!(latin1.code, 2);
    assert!(latin1.stdout.contains("<stdin>:2:9"), "{}", latin1.stdout);
    assert_eq!(shop.run_with(&["lint", "-"], b"").code, 0);
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let shop = Folder::shop();
    shop.write("migrations/0003_latin1.up.sql", b"SELECT 1;\nSELECT '\xe9';\n");
    shop.write("migrations/0004_nothing.up.sql", "");
    shop.write("migrations/0005_comment.up.sql", "-- later\n");
    shop.write("migrations/0006_open.up.sql", "CREATE TABLE t (a int);\nSELECT 'never closed;\n");
    shop.write("migrations/0007_odd.up.sql", "FROBNICATE TABLE orders;\nDROP TABLE orders;\n");
    shop.write("migrations/7_twice.up.sql", "SELECT 1;\n");
    shop.write("migrations/0008_bom.up.sql", "\u{feff}SELECT 1;\r\n");
    std::os::unix::fs::symlink("nowhere", shop.path().join("migrations/0009_gone.up.sql")).unwrap();
    let outcome = shop.run(&["lint", "--format", "json"]);
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let problems: Vec<String> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| format!("{}:{}:{}", p["file"].as_str().unwrap(), p["line"], p["column"]))
        .collect();
    for wanted in [
        "migrations/0003_latin1.up.sql:2:9",
        "migrations/7_twice.up.sql:1:1",
        "migrations/0009_gone.up.sql:1:1",
    ] {
        assert!(has(&problems, wanted), "{wanted}: {problems:?}");
    }
    let found = places(&report);
    for wanted in [
        "BC01 migrations/0002_slim.up.sql:1",
        "UN01 migrations/0006_open.up.sql:2",
        "UN01 migrations/0007_odd.up.sql:1",
        "BC02 migrations/0007_odd.up.sql:2",
    ] {
        assert!(has(&found, wanted), "{wanted}: {found:?}");
    }
    let people = shop.run(&["lint"]).stdout;
    assert!(people.contains("byte 0xe9 is not UTF-8"), "{people}");
    assert!(people.contains("3 files not judged"), "{people}");
}

#[test]
fn the_dialect_is_told_or_found_out_and_said_aloud() {
    let dialect = |folder: &Folder, args: &[&str], url: Option<&str>| {
        let mut all = vec!["lint", "--format", "json"];
        all.extend_from_slice(args);
        let mut command = folder.command(&all);
        if let Some(url) = url {
            command.env("DATABASE_URL", url);
        }
        let outcome = outcome(command.stdin(Stdio::null()).output().unwrap());
        let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let series = &report["series"][0];
        let said = outcome.stderr.contains("is read as");
        (series["dialect"].as_str().unwrap().to_owned(), said)
    };
    let sqlite = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT);\n";
    let plain = Folder::new(&[("migrations/0001_t.up.sql", "CREATE TABLE t (a int);\n")]);
    assert_eq!(dialect(&plain, &[], None), ("postgres".into(), true));
    assert_eq!(dialect(&plain, &["--dialect", "mariadb"], None), ("mariadb".into(), false));
    assert_eq!(dialect(&plain, &[], Some("mysql://u@h/d")), ("mysql".into(), false));
    let shown = Folder::new(&[("migrations/0001_t.up.sql", sqlite)]);
    assert_eq!(dialect(&shown, &[], None), ("sqlite".into(), true));
    shown.write("downhaul.toml", "dialect = \"mysql\"\n");
    assert_eq!(dialect(&shown, &[], None), ("mysql".into(), false));
    shown.write("migrations/0002_u.up.sql", "-- downhaul:dialect mariadb\nSELECT 1;\n");
    assert_eq!(dialect(&shown, &[], None), ("mariadb".into(), false));
    let directive = shown.findings(&[]);
    assert!(
        !directive.iter().any(|f| f.starts_with("UN03")),
        "the directive is known: {directive:?}"
    );
}

#[test]
fn placeholders_have_the_values_that_the_runner_would_give_them() {
    let up = "CREATE TABLE ${schema}.orders (id bigint PRIMARY KEY, ${column} text);\n\
              ALTER TABLE ${schema}.orders ALTER COLUMN ${column} TYPE ${type};\n";
    let folder = Folder::new(&[
        ("downhaul.toml", "[variables]\nschema = \"app_of_the_shop\"\ncolumn = \"note\"\n"),
        ("migrations/0001_schema.up.sql", "CREATE SCHEMA app_of_the_shop;\n"),
        ("migrations/0001_schema.down.sql", "DROP SCHEMA app_of_the_shop;\n"),
        ("migrations/0002_orders.up.sql", up),
        ("migrations/0002_orders.down.sql", "DROP TABLE ${schema}.items;\n"),
    ]);
    // One without a value is named where it stands.
    let outcome = folder.run(&["lint", "--dialect", "postgres"]);
    assert_eq!(outcome.code, 2, "{}", outcome.stdout);
    assert!(outcome.stdout.contains("`${type}` has no value"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("migrations/0002_orders.up.sql:2:"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("DOWNHAUL_VAR_type"), "{}", outcome.stdout);
    // The values decide, and places are those of the file, whatever the length of the values.
    let report = folder.json(&["--dialect", "postgres", "--var", "type=varchar(20)"]);
    let left = report["findings"].as_array().unwrap().iter().find(|f| f["code"] == "RV02");
    let left = left.unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!((&left["line"], &left["end_byte"]), (&1.into(), &26.into()));
    assert!(left["message"].as_str().unwrap().contains("`${schema}.orders` is left"), "{left:#}");
    let text = folder.run(&["lint", "--dialect", "postgres", "--var", "type=varchar(20)"]).stdout;
    assert!(text.contains("DROP TABLE ${schema}.items;"), "{text}");
    assert!(!text.contains("app_of_the_shop"), "{text}");
}

#[test]
fn a_down_without_its_up_is_told() {
    let folder = Folder::new(&[("sql/drop.down.sql", DROP)]);
    let outcome = folder.run(&["lint", "--dialect", "postgres", "sql/drop.down.sql"]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stdout.contains("has no up file beside it"), "{}", outcome.stdout);
    folder.write("sql/drop.up.sql", CREATE);
    let outcome = folder.run(&["lint", "--dialect", "postgres", "sql/drop.down.sql"]);
    assert!(!outcome.stdout.contains("no up file"), "{}", outcome.stdout);
}

#[test]
fn a_down_alone_is_judged_as_a_down() {
    let folder = Folder::new(&[("sql/0002_slim.down.sql", "DROP TABLE orders;\n")]);
    let found = folder.findings(&["--dialect", "postgres", "sql/0002_slim.down.sql"]);
    assert!(!found.iter().any(|f| f.starts_with("BC02") || f.starts_with("DL01")), "{found:?}");
}

#[test]
fn a_gap_in_counted_versions_is_told() {
    let file = |n: u32| format!("migrations/000{n}_t.up.sql");
    let folder = Folder::new(&[]);
    for n in [1, 2, 3, 4, 6] {
        folder.write(&file(n), format!("CREATE TABLE t{n} (id bigint PRIMARY KEY);\n"));
        folder.write(&file(n).replace(".up.", ".down."), format!("DROP TABLE t{n};\n"));
    }
    let found = folder.findings(&["--dialect", "postgres"]);
    assert!(found.iter().any(|f| f.starts_with("RV08 migrations/0006")), "{found:?}");
    folder.write(&file(5), "CREATE TABLE t5 (id bigint PRIMARY KEY);\n");
    folder.write(&file(5).replace(".up.", ".down."), "DROP TABLE t5;\n");
    let found = folder.findings(&["--dialect", "postgres"]);
    assert!(!found.iter().any(|f| f.starts_with("RV08")), "{found:?}");
}

#[test]
fn text_that_never_ends_is_an_error() {
    let folder =
        Folder::new(&[("migrations/0001_a.up.sql", "INSERT INTO t VALUES ('never closed);\n")]);
    let outcome = folder.run(&["lint", "--dialect", "postgres"]);
    assert_eq!(outcome.code, 1, "{}", outcome.stdout);
    assert!(outcome.stdout.contains("UN01"), "{}", outcome.stdout);
}

#[test]
fn a_schema_and_queries_sharpen_the_verdict() {
    let folder = Folder::new(&[
        ("schema.sql", CREATE),
        ("migrations/0001_slim.up.sql", DROP_NOTE),
        ("migrations/0001_slim.down.sql", ADD_NOTE),
        ("queries/list.sql", "SELECT id FROM orders;\nSELECT note FROM orders WHERE id = $1;\n"),
        (".sqlx/query-1.json", r#"{"db_name":"PostgreSQL","query":"SELECT note FROM orders"}"#),
    ]);
    let with = folder.findings(&["--schema", "schema.sql", "--dialect", "postgres"]);
    assert!(has(&with, "BC01 migrations/0001_slim.up.sql:1"), "{with:?}");
    let named = folder.run(&[
        "lint",
        "--schema",
        "schema.sql",
        "--queries",
        "queries",
        "--queries",
        ".sqlx",
    ]);
    assert!(named.stdout.contains("queries/list.sql:2:8"), "{}", named.stdout);
    assert!(named.stdout.contains("query-1.json:1 (1:8 of the query)"), "{}", named.stdout);
    // An export as JSON, and the live view without a database.
    folder.write("live.json", r#"[{"query":"SELECT note FROM orders WHERE id = $1","calls":3}]"#);
    let args = ["lint", "--schema", "schema.sql", "--queries", "live.json"];
    assert!(folder.run(&args).stdout.contains("live.json:1 (1:8 of the query)"));
    let live = folder.run(&["lint", "--queries", "live"]);
    assert_eq!(live.code, 2);
    assert!(live.stderr.contains("--database-url"), "{}", live.stderr);
    assert_eq!(folder.run(&["lint", "--queries", "migrations/none"]).code, 2);
}

#[test]
fn each_of_500_paired_migrations_is_judged() {
    let folder = Folder::new(&[]);
    for n in 1..=500 {
        folder.write(
            &format!("migrations/{n:04}_t.up.sql"),
            format!("CREATE TABLE t{n} (id bigint PRIMARY KEY, a int);\nDROP TABLE old{n};\n"),
        );
        folder.write(&format!("migrations/{n:04}_t.down.sql"), format!("DROP TABLE t{n};\n"));
    }
    let report = folder.json(&[]);
    assert_eq!(report["summary"]["migrations"], 500);
    assert_eq!(report["summary"]["statements"], 1500);
    let found = places(&report);
    for n in 1..=500 {
        let file = format!("migrations/{n:04}_t.up.sql:2");
        assert!(found.iter().any(|f| f.ends_with(&file)), "{file}");
    }
}

#[test]
fn a_file_that_its_tool_sends_as_one_string_is_no_place_for_concurrently() {
    let index =
        "-- no-transaction\nSET lock_timeout = 0;\nCREATE INDEX CONCURRENTLY i ON orders (note);\n";
    let folder = Folder::new(&[
        ("Cargo.toml", "[dependencies]\nsqlx = \"0.9\"\n"),
        ("migrations/1_orders.sql", CREATE),
        ("migrations/2_index.sql", index),
    ]);
    let said = |args: &[&str]| folder.findings(args).into_iter().find(|f| f.starts_with("TX01"));
    assert_eq!(said(&[]).as_deref(), Some("TX01 migrations/2_index.sql:3"));
    assert_eq!(
        folder.run(&["lint", "--allow", "TX09"]).code,
        0,
        "a warning: it may be ours to run"
    );
    folder.write("downhaul.toml", "[lint]\nrunner = \"other\"\n");
    assert_eq!(folder.run(&["lint", "--allow", "TX09"]).code, 1);
    folder.write("downhaul.toml", "[lint]\nrunner = \"downhaul\"\n");
    assert_eq!(said(&[]), None);
    // A single statement is no transaction block.
    folder.write("downhaul.toml", "[lint]\nrunner = \"other\"\n");
    folder.write("migrations/2_index.sql", index.replace("SET lock_timeout = 0;\n", ""));
    assert_eq!(said(&[]), None);
}
