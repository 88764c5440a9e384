//! The promise: the examples are true. Every up and down of `migrations-examples/` runs on a real
//! server; what `shop` destroys comes back exactly; and the rules that a file's header names after
//! `Downhaul says:` do speak up.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use downhaul_kit::{MariaDb, Photograph, Postgres, Program, Session, SqliteFile};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

fn examples(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations-examples").join(folder)
}

async fn photograph(url: &str) -> Photograph {
    let mut session = Session::connect(url).await;
    let photograph = Photograph::of(&mut session).await;
    session.close().await;
    photograph
}

fn same(expect: &Photograph, found: &Photograph, when: &str) {
    let differences = expect.differences(found);
    assert!(differences.is_empty(), "{when}:\n{}", differences.join("\n"));
}

/// Up with rows in the tables, back, up again, back again: each time all is as it was.
async fn shop(engine: &str, url: &str) {
    let program = Program::new(PROGRAM).database(url);
    let folder = examples("shop").join(engine);
    program.migrations_from(&folder);
    let empty = photograph(url).await;
    program.ok(&["up", "--yes", "--to", "0008"]);
    let seed = fs::read_to_string(folder.join("seed.sql")).unwrap();
    let mut session = Session::connect(url).await;
    session.run(&format!("BEGIN;\n{seed}\nCOMMIT;")).await;
    session.close().await;
    let seeded = photograph(url).await;
    assert_eq!(seeded.0["rows of coupons"].len(), 3);
    program.ok(&["up", "--yes"]);
    let newest = photograph(url).await;
    assert!(!seeded.differences(&newest).is_empty());
    for round in ["first", "second"] {
        program.ok(&["down", "--yes", "--to", "0008"]);
        same(&seeded, &photograph(url).await, &format!("{round} way back to 0008"));
        program.ok(&["up", "--yes"]);
        same(&newest, &photograph(url).await, &format!("up again after the {round} way back"));
    }
    program.ok(&["down", "--yes", "--all"]);
    same(&empty, &photograph(url).await, "all taken back");
}

#[tokio::test]
async fn the_shop_on_postgres() {
    shop("postgres", Postgres::shared().fresh_database().await.url()).await;
}

#[tokio::test]
async fn the_shop_on_sqlite() {
    shop("sqlite", &SqliteFile::new().url()).await;
}

/// Up, down and up again through the program; the last has no down, which is its point.
async fn hazards(engine: &str, url: &str, last_but_one: &str) {
    let program = Program::new(PROGRAM).database(url);
    program.migrations_from(&examples("hazards").join(engine));
    let empty = photograph(url).await;
    for round in ["first", "second"] {
        program.ok(&["up", "--yes", "--to", last_but_one]);
        program.ok(&["down", "--yes", "--all"]);
        same(&empty, &photograph(url).await, &format!("{round} way back"));
    }
    program.ok(&["up", "--yes"]);
    assert_eq!(program.run(&["down", "--yes"]).code, Some(1), "its down holds no statement");
}

#[tokio::test]
async fn the_hazards_on_postgres() {
    hazards("postgres", Postgres::shared().fresh_database().await.url(), "0010").await;
}

#[tokio::test]
async fn the_hazards_on_sqlite() {
    hazards("sqlite", &SqliteFile::new().url(), "0009").await;
}

/// SQL files of a folder whose name ends like this, in order.
fn sql_files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect();
    found.sort();
    found
}

/// As any client would run them, twice.
#[tokio::test]
async fn the_hazards_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    let folder = examples("hazards/mysql");
    let mut session = database.session().await;
    for _ in 0..2 {
        for path in sql_files(&folder, ".up.sql") {
            session.run(&fs::read_to_string(path).unwrap()).await;
        }
        session.run("ALTER TABLE accounts DROP COLUMN referrer").await;
        let mut downs = sql_files(&folder, ".down.sql");
        assert!(downs.pop().is_some_and(|path| path.to_string_lossy().contains("no_way_back")));
        for path in downs.iter().rev() {
            session.run(&fs::read_to_string(path).unwrap()).await;
        }
        assert_eq!(session.rows("SHOW TABLES").await.len(), 0);
    }
}

/// Names of the rules that speak up, with the worst severity, by file name.
fn findings(folder: &Path, dialect: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let program = Program::new(PROGRAM);
    let outcome = program.run(&[
        "lint",
        "--format",
        "json",
        "--dialect",
        dialect,
        &folder.display().to_string(),
    ]);
    assert!([Some(0), Some(1)].contains(&outcome.code), "{outcome}");
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for finding in json["findings"].as_array().unwrap() {
        let text = |name: &str| finding[name].as_str().unwrap().to_owned();
        let file = text("file").rsplit('/').next().unwrap().to_owned();
        found.entry(file).or_default().insert(text("name"), text("severity"));
    }
    found
}

/// What a header announces is found; what it calls good has no finding that would stop it.
#[test]
fn headers_tell_what_lint_says() {
    let mut wrong = Vec::new();
    for (folder, dialect) in [
        ("demo/postgres", "postgres"),
        ("demo/sqlite", "sqlite"),
        ("shop/postgres", "postgres"),
        ("shop/sqlite", "sqlite"),
        ("hazards/postgres", "postgres"),
        ("hazards/sqlite", "sqlite"),
        ("hazards/mysql", "mysql"),
    ] {
        let path = examples(folder);
        let found = findings(&path, dialect);
        for file in [sql_files(&path, ".up.sql"), sql_files(&path, ".down.sql")].concat() {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&file).unwrap();
            let nothing = BTreeMap::new();
            let found = found.get(&name).unwrap_or(&nothing);
            let announced: BTreeSet<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("-- Downhaul says: "))
                .flat_map(|names| names.split(", "))
                .collect();
            for rule in &announced {
                if !found.contains_key(*rule) {
                    wrong.push(format!("{folder}/{name}: {rule} is silent; found {found:?}"));
                }
            }
            for (rule, _) in found.iter().filter(|(_, severity)| *severity == "error") {
                let good = text.starts_with("-- Good") || folder.starts_with("shop");
                if good && !announced.contains(rule.as_str()) {
                    wrong.push(format!(
                        "{folder}/{name}: {rule} is an error that it does not announce"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
