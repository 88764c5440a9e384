//! The promise: `downhaul lint` judges what it is given, in the right order and dialect, by the
//! settings that hold for it, says so in every format, and its exit code can be trusted.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

const CREATE: &str = "CREATE TABLE orders (id bigserial PRIMARY KEY, total int, note text);\n";
const DROP: &str = "DROP TABLE orders;\n";
const DROP_NOTE: &str = "ALTER TABLE orders DROP COLUMN note;\n";
const ADD_NOTE: &str = "ALTER TABLE orders ADD COLUMN note text;\n";

/// A folder in which the program runs.
struct Folder(tempfile::TempDir);

struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    /// A table, and then a column that goes away although the running release may use it.
    fn shop() -> Self {
        Self::new(&[
            ("migrations/0001_orders.up.sql", CREATE),
            ("migrations/0001_orders.down.sql", DROP),
            ("migrations/0002_slim.up.sql", DROP_NOTE),
            ("migrations/0002_slim.down.sql", ADD_NOTE),
        ])
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_downhaul"));
        command.args(args).current_dir(self.path());
        for name in ["DATABASE_URL", "NO_COLOR", "CLICOLOR_FORCE", "GITHUB_BASE_REF"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Outcome {
        outcome(self.command(args).stdin(Stdio::null()).output().unwrap())
    }

    fn run_with(&self, args: &[&str], stdin: &[u8]) -> Outcome {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        outcome(child.wait_with_output().unwrap())
    }

    fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["lint", "--format", "json"];
        all.extend_from_slice(args);
        let outcome = self.run(&all);
        serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}\n{}", outcome.stdout, outcome.stderr))
    }

    /// `CODE file:line` of every finding.
    fn findings(&self, args: &[&str]) -> Vec<String> {
        places(&self.json(args))
    }

    fn git(&self, args: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.email=t@example.org", "-c", "user.name=t"])
            .args(args)
            .current_dir(self.path())
            .output()
            .expect("git is installed");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn outcome(output: std::process::Output) -> Outcome {
    let outcome = Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("reports are UTF-8"),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    outcome
}

fn places(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| format!("{} {}:{}", text(&f["code"]), text(&f["file"]), f["line"]))
        .collect()
}

fn has(findings: &[String], wanted: &str) -> bool {
    findings.iter().any(|finding| finding == wanted)
}

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
fn changed_reports_new_and_edited_files_only() {
    let shop = Folder::shop();
    assert_eq!(shop.run(&["lint", "--changed"]).code, 2, "no repository");
    shop.git(&["init", "--quiet", "--initial-branch=main"]);
    shop.git(&["add", "."]);
    shop.git(&["commit", "--quiet", "--message=one"]);
    assert_eq!(shop.findings(&["--changed"]), Vec::<String>::new());
    shop.git(&["checkout", "--quiet", "-b", "feature"]);
    // New: committed, staged, and not yet known to git.
    shop.write("migrations/0003_a.up.sql", "ALTER TABLE orders DROP COLUMN total;\n");
    shop.git(&["add", "."]);
    shop.git(&["commit", "--quiet", "--message=two"]);
    shop.write("migrations/0004_b.up.sql", "TRUNCATE orders;\n");
    let found = shop.findings(&["--changed"]);
    assert!(has(&found, "BC01 migrations/0003_a.up.sql:1"), "{found:?}");
    assert!(has(&found, "DL02 migrations/0004_b.up.sql:1"), "{found:?}");
    assert!(!found.iter().any(|f| f.contains("0002_slim")), "{found:?}");
    // Since the last commit only what is not committed.
    let since = shop.findings(&["--changed", "--since", "HEAD"]);
    assert!(!since.is_empty() && since.iter().all(|f| f.contains("0004_b")), "{since:?}");
    assert_eq!(shop.run(&["lint", "--changed", "--since", "nowhere"]).code, 2);
    // An applied file that was edited is reported, and so is one that comes too late.
    shop.write("migrations/0001_orders.up.sql", CREATE.replace("total int", "total bigint"));
    shop.write("migrations/0001_z.up.sql", "");
    fs::remove_file(shop.path().join("migrations/0001_z.up.sql")).unwrap();
    let edited = shop.findings(&["--changed"]);
    assert!(
        edited.iter().any(|f| f.starts_with("RV07 migrations/0001_orders.up.sql")),
        "{edited:?}"
    );
    shop.write("migrations/00015_late.up.sql", "SELECT 1;\n");
    fs::rename(
        shop.path().join("migrations/00015_late.up.sql"),
        shop.path().join("migrations/0001.5_late.up.sql"),
    )
    .unwrap();
    let late = shop.findings(&["--changed"]);
    assert!(late.iter().any(|f| f.starts_with("RV08 migrations/0001.5_late.up.sql")), "{late:?}");
    // From a folder below, too.
    let below = outcome(
        shop.command(&["lint", "--changed", "--format", "json", "."])
            .current_dir(shop.path().join("migrations"))
            .output()
            .unwrap(),
    );
    let below = places(&serde_json::from_str(&below.stdout).unwrap());
    assert!(has(&below, "DL02 0004_b.up.sql:1"), "{below:?}");
}

#[test]
fn what_another_branch_brought_in_meanwhile_is_seen() {
    let shop = Folder::shop();
    let commit = |message: &str| {
        shop.git(&["add", "."]);
        shop.git(&["commit", "--quiet", "--message", message]);
    };
    shop.git(&["init", "--quiet", "--initial-branch=main"]);
    commit("one");
    shop.git(&["checkout", "--quiet", "-b", "feature"]);
    for name in ["0003_mine", "0005_late"] {
        shop.write(&format!("migrations/{name}.up.sql"), "CREATE TABLE a (id int PRIMARY KEY);\n");
        shop.write(&format!("migrations/{name}.down.sql"), "DROP TABLE a;\n");
    }
    commit("mine");
    let clashes = || -> Vec<(String, String)> {
        let report = shop.json(&["--changed", "--since", "main"]);
        let found = report["findings"].as_array().unwrap().iter().filter(|f| f["code"] == "RV08");
        found
            .filter(|f| !f["message"].as_str().unwrap().contains("number before"))
            .map(|f| {
                let text = |key: &str| f[key].as_str().unwrap().to_owned();
                (text("file"), text("message"))
            })
            .collect()
    };
    assert_eq!(clashes(), [], "main has not moved");
    shop.git(&["checkout", "--quiet", "main"]);
    for name in ["0003_theirs", "0007_theirs"] {
        shop.write(&format!("migrations/{name}.up.sql"), "CREATE TABLE b (id int PRIMARY KEY);\n");
    }
    commit("theirs");
    shop.git(&["checkout", "--quiet", "feature"]);
    let found = clashes();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].0.contains("0003_mine") && found[0].1.contains("taken by"), "{found:?}");
    assert!(found[0].1.contains("migrations/0003_theirs.up.sql` of main"), "{found:?}");
    assert!(found[1].0.contains("0005_late") && found[1].1.contains("0007_theirs"), "{found:?}");
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
fn a_baseline_holds_what_is_known_and_lets_through_what_is_new() {
    let shop = Folder::shop();
    let before = shop.findings(&[]);
    assert_eq!(shop.run(&["lint", "--write-baseline", "--baseline", "known.json"]).code, 0);
    let after = shop.run(&["lint", "--baseline", "known.json"]);
    assert_eq!(after.code, 0, "{}", after.stdout);
    assert!(
        after.stdout.contains(&format!("{} in the baseline", before.len())),
        "{}",
        after.stdout
    );
    // A line above does not make an old finding new.
    shop.write("migrations/0002_slim.up.sql", format!("-- why\n\n{DROP_NOTE}"));
    assert_eq!(shop.findings(&["--baseline", "known.json"]), Vec::<String>::new());
    shop.write("migrations/0003_more.up.sql", "DROP TABLE orders;\n");
    let new = shop.findings(&["--baseline", "known.json"]);
    assert!(!new.is_empty() && new.iter().all(|f| f.contains("0003_more")), "{new:?}");
    // The configuration can name it.
    shop.write("downhaul.toml", "[lint]\nbaseline = \"known.json\"\n");
    assert_eq!(shop.findings(&[]), new);
    shop.write("known.json", "{}");
    assert_eq!(shop.run(&["lint"]).code, 2);
    assert_eq!(shop.run(&["lint", "--baseline", "none.json"]).code, 2);
}

#[test]
fn settings_hold_for_rules_families_paths_and_tables() {
    let shop = Folder::shop();
    shop.write("migrations/0003_index.up.sql", "CREATE INDEX orders_total ON orders (total);\n");
    shop.write("migrations/0003_index.down.sql", "DROP INDEX orders_total;\n");
    let severity = |code: &str| -> Option<String> {
        let report = shop.json(&[]);
        let found = report["findings"].as_array().unwrap().iter().find(|f| f["code"] == code)?;
        found["severity"].as_str().map(str::to_owned)
    };
    let set = |text: &str| shop.write("downhaul.toml", text);
    assert_eq!(severity("BC01").as_deref(), Some("error"));
    set("[lint]\nallow = [\"BC\"]\n");
    assert_eq!(severity("BC01"), None);
    set("[lint]\nallow = [\"all\"]\nwarn = [\"drop-column\"]\n");
    assert_eq!(severity("BC01").as_deref(), Some("warning"), "a rule beats its family");
    assert_eq!(severity("LK01"), None);
    set(
        "[lint]\nallow = [\"breaks-release\"]\n[[lint.path]]\nglob = \"migrations/0002*\"\ndeny = [\"BC01\"]\n",
    );
    assert_eq!(severity("BC01").as_deref(), Some("error"), "the path brings it back");
    set("[[lint.path]]\nglob = \"migrations/0002*\"\nallow = [\"all\"]\n");
    assert_eq!(severity("BC01"), None);
    assert!(severity("LK01").is_some(), "other files keep it");
    set("[lint]\nwarn = [\"LK01\"]\n");
    assert_eq!(severity("LK01").as_deref(), Some("warning"));
    set("[lint.tables]\nsmall = [\"orders\"]\n");
    assert_eq!(severity("LK01"), None, "locks on small tables hurt nobody");
    for (bad, hint) in [
        ("[lint]\nallow = [\"drop-colum\"]\n", "drop-column"),
        ("[lint]\nalow = []\n", "alow"),
        ("[lint]\nlayout = \"nope\"\n", "nope"),
        ("[[lint.path]]\nallow = [\"BC\"]\n", "glob"),
    ] {
        set(bad);
        let outcome = shop.run(&["lint"]);
        assert_eq!(outcome.code, 2, "{bad}");
        assert!(outcome.stderr.contains(hint), "{bad}: {}", outcome.stderr);
    }
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
fn before_the_first_commit_everything_is_changed() {
    let folder = Folder::shop();
    folder.git(&["init", "-q", "-b", "main"]);
    for staged in [false, true] {
        if staged {
            folder.git(&["add", "-A"]);
        }
        let found = folder.findings(&["--changed"]);
        assert!(has(&found, "RV03 migrations/0001_orders.down.sql:1"), "{staged}: {found:?}");
    }
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

#[test]
fn suppression_by_comment_counts_and_unused_ones_are_found() {
    let shop = Folder::shop();
    shop.write(
        "migrations/0002_slim.up.sql",
        format!("-- downhaul:allow drop-column \"nobody reads it since March\"\n{DROP_NOTE}"),
    );
    let report = shop.json(&[]);
    assert!(!places(&report).iter().any(|f| f.starts_with("BC01")));
    assert_eq!(report["summary"]["suppressed"], 1);
    shop.write(
        "migrations/0002_slim.up.sql",
        "-- downhaul:allow drop-column \"no column is dropped here\"\nSELECT 1;\n",
    );
    let unused = shop.findings(&[]);
    assert!(has(&unused, "UN03 migrations/0002_slim.up.sql:1"), "{unused:?}");
}

#[test]
fn rules_are_listed_and_explained() {
    let folder = Folder::new(&[]);
    let list = folder.run(&["rules", "--format", "json"]);
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let rules = list["rules"].as_array().unwrap();
    assert!(rules.len() >= 20, "{}", rules.len());
    for rule in rules {
        let (code, name) = (rule["code"].as_str().unwrap(), rule["name"].as_str().unwrap());
        let by_code = folder.run(&["explain", code]);
        assert_eq!(by_code.code, 0, "{code}");
        assert_eq!(by_code.stdout, folder.run(&["explain", name]).stdout, "{code}");
        assert!(by_code.stdout.contains("Why is this bad"), "{code}");
    }
    let people = folder.run(&["rules"]).stdout;
    assert!(people.contains("BC01  drop-column"), "{people}");
    let typo = folder.run(&["explain", "drop-colum"]);
    assert_eq!(typo.code, 2);
    assert!(typo.stderr.contains("drop-column"), "{}", typo.stderr);
}

#[test]
fn completions_and_man_pages_name_every_command() {
    let folder = Folder::new(&[]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = folder.run(&["generate", "completions", shell]).stdout;
        assert!(text.contains("lint") && text.contains("explain"), "{shell}");
    }
    assert_eq!(folder.run(&["generate", "man", "--out", "man"]).code, 0);
    let lint = fs::read_to_string(folder.path().join("man/downhaul-lint.1")).unwrap();
    assert!(lint.contains(".TH downhaul-lint 1") && lint.contains("baseline"), "{lint}");
    assert!(folder.path().join("man/downhaul.1").is_file());
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
fn the_generated_down_leads_back() {
    let folder = Folder::new(&[
        (
            "migrations/0001_a.up.sql",
            "CREATE TABLE a (id bigserial PRIMARY KEY, x text NOT NULL DEFAULT 'n', y int);\n\
             CREATE INDEX a_y ON a (y) WHERE y > 0;\nCOMMENT ON COLUMN a.x IS 'why';\n",
        ),
        ("migrations/0001_a.down.sql", "DROP TABLE a;\n"),
        (
            "migrations/0002_b.up.sql",
            "ALTER TABLE a DROP COLUMN y;\nALTER TABLE a ALTER COLUMN x DROP DEFAULT;\n\
             ALTER TABLE a RENAME COLUMN x TO z;\n",
        ),
    ]);
    let file = "migrations/0002_b.up.sql";
    let printed = folder.run(&["generate-down", file]);
    assert!(printed.stderr.contains("data:"), "the values of y: {}", printed.stderr);
    for part in ["RENAME COLUMN z TO x", "SET DEFAULT 'n'", "ADD COLUMN y", "a_y", "WHERE"] {
        assert!(printed.stdout.contains(part), "{part}: {}", printed.stdout);
    }
    assert!(
        !folder.path().join("migrations/0002_b.down.sql").exists(),
        "nothing is written unasked"
    );
    assert_eq!(folder.run(&["generate-down", file, "--write"]).code, 0);
    let down = "migrations/0002_b.down.sql";
    assert_eq!(fs::read_to_string(folder.path().join(down)).unwrap(), printed.stdout);
    // The analyzer agrees that it leads back.
    let found = folder.findings(&["migrations/0002_b.up.sql"]);
    for code in ["RV01", "RV10"] {
        assert!(!found.iter().any(|f| f.starts_with(code)), "{found:?}");
    }
    // Another's text is not overwritten unasked.
    let again = folder.run(&["generate-down", file, "--write"]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
    folder.write(down, "SELECT 1;\n");
    assert_eq!(folder.run(&["generate-down", file, "--write", "--force"]).code, 0);
    assert_eq!(fs::read_to_string(folder.path().join(down)).unwrap(), printed.stdout);
}

#[test]
fn what_has_no_way_back_is_named() {
    let folder = Folder::new(&[
        ("migrations/0001_a.up.sql", CREATE),
        ("migrations/0001_a.down.sql", DROP),
        (
            "migrations/0002_b.up.sql",
            "FROBNICATE TABLE orders;\nALTER TABLE orders ADD COLUMN x int;\n",
        ),
    ]);
    let outcome = folder.run(&["generate-down", "migrations/0002_b.up.sql"]);
    assert_eq!(outcome.code, 1, "{}", outcome.stdout);
    assert!(outcome.stdout.starts_with("-- Not undone:"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("DROP COLUMN x;"), "the rest is undone: {}", outcome.stdout);
    assert!(
        outcome.stderr.contains("not undone: migrations/0002_b.up.sql:1"),
        "{}",
        outcome.stderr
    );
    assert_eq!(folder.run(&["generate-down", "migrations/0009_none.up.sql"]).code, 2);
}

/// What pre-commit does with a hook whose `language` is told and whose files are not passed: it runs
/// the words of `entry` in the root of the repository.
#[test]
fn the_hooks_for_pre_commit_run() {
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml");
    let hooks = fs::read_to_string(hooks).unwrap();
    let values = |key: &str| -> Vec<String> {
        let lines = hooks.lines().map(|line| line.trim_start_matches(['-', ' ']));
        lines.filter_map(|line| line.strip_prefix(key)).map(|v| v.trim().to_owned()).collect()
    };
    assert_eq!(values("id:"), ["downhaul-lint", "downhaul-lint-changed"]);
    assert_eq!(values("pass_filenames:"), ["false", "false"]);
    let shop = Folder::shop();
    shop.git(&["init", "--quiet", "--initial-branch=main"]);
    shop.git(&["add", "."]);
    shop.git(&["commit", "--quiet", "--message=one"]);
    shop.git(&["checkout", "--quiet", "-b", "feature"]);
    // The first judges the whole series, the second what is new: nothing, and then a mistake.
    for (staged, codes) in [(None, [1, 0]), (Some("TRUNCATE orders;\n"), [1, 1])] {
        if let Some(text) = staged {
            shop.write("migrations/0003_a.up.sql", text);
            shop.git(&["add", "."]);
        }
        for (entry, code) in values("entry:").iter().zip(codes) {
            let words: Vec<&str> = entry.split_whitespace().collect();
            assert_eq!(words[0], "downhaul");
            let outcome = shop.run(&words[1..]);
            assert_eq!(outcome.code, code, "{entry}: {}{}", outcome.stdout, outcome.stderr);
        }
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
