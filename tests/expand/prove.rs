//! `prove` rehearses on a database of its own, tells what does not come back and which release breaks
//! where, and its certificate is what `up --require-proof` demands.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::fs;

use downhaul_kit::{MariaDb, Outcome, Postgres, Program, Session, SqliteFile};
use serde_json::Value;

use crate::PROGRAM;

fn certificate(program: &Program) -> Value {
    let text = fs::read_to_string(program.dir().join("downhaul-proof.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn proof_refused(outcome: &Outcome, why: &str) {
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains("does not prove this run"), "{outcome}");
    assert!(outcome.stderr.contains(why), "{why}\n{outcome}");
}

const SHOP: &str = "CREATE TABLE teams (id int PRIMARY KEY, title varchar(20) NOT NULL UNIQUE);
CREATE TABLE users (id int PRIMARY KEY, name varchar(40) NOT NULL, team int, born date, score decimal(6,2) DEFAULT 1.5, CONSTRAINT in_team FOREIGN KEY (team) REFERENCES teams (id));";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expansion_is_proven_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let down = "DROP TABLE users;\nDROP TABLE teams;\n";
    program.migration("0001_base", SHOP, down);
    program.ok(&["up", "--yes"]);
    let mut session = Session::connect(database.url()).await;
    program.write("drafts/change.sql", "ALTER TABLE users RENAME COLUMN name TO full_name;");
    program.ok(&["expand", "drafts/change.sql", "--dialect", "postgres"]);
    program.write("old.sql", "SELECT id, name FROM users;\nINSERT INTO users (id, name) VALUES (900, 'x');\nSELECT name FROM users WHERE id = $1;\n");
    program.write(
        "new.sql",
        "SELECT full_name FROM users WHERE full_name = $1 OR full_name = 'a$1';\n",
    );
    let args = ["prove", "--old-queries", "old.sql", "--new-queries", "new.sql"];
    let outcome = program.ok(&args);
    assert!(outcome.stdout.contains("proven: 3 migrations"), "{outcome}");
    let made = certificate(&program);
    assert_eq!(made["result"], "proven");
    assert_eq!(made["migrations"].as_array().unwrap().len(), 3);
    for table in made["tables"].as_array().unwrap() {
        assert_eq!(table["rows"], 50, "{table}");
    }
    let text = made.to_string();
    assert!(text.contains("users AccessExclusiveLock"), "{text}");
    // 21 times between migrations, and beside each way up or down at least once more.
    assert!(made["queries_run"].as_u64().unwrap() >= 35, "{text}");
    assert_eq!(session.value("SELECT count(*) FROM users").await.as_deref(), Some("0"));
    let own = outcome.stderr.split(' ').find(|word| word.starts_with("downhaul_prove_")).unwrap();
    let databases = format!("SELECT count(*) FROM pg_database WHERE datname = '{own}'");
    assert_eq!(session.value(&databases).await.as_deref(), Some("0"), "{own} stays");

    let up = ["up", "--yes", "--phase", "expand", "--require-proof"];
    let path = program.dir().join("downhaul-proof.json");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, good.replace("\"rows\": 50", "\"rows\": 51")).unwrap();
    proof_refused(&program.run(&up), "it was edited");
    fs::write(&path, &good).unwrap();
    let expand = program.dir().join("migrations/0002_change_expand.down.sql");
    let text = fs::read_to_string(&expand).unwrap();
    fs::write(&expand, format!("{text}SELECT 1;\n")).unwrap();
    proof_refused(&program.run(&up), "the down file of 0002_change_expand has changed");
    fs::write(&expand, text).unwrap();
    program.ok(&up);
    program.migration("0009_later", "CREATE TABLE later (id int);", "DROP TABLE later;\n");
    let all = ["up", "--yes", "--require-proof=downhaul-proof.json"];
    proof_refused(&program.run(&all), "it says nothing of 0009_later");
}

/// What does not come back, and what breaks a release, is named; a rewrite is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_hold_is_told() {
    let database = Postgres::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    program.migration("0001_base", SHOP, "DROP TABLE users;\nDROP TABLE teams;\n");
    program.ok(&["up", "--yes"]);
    program.migration(
        "0002_wider",
        "ALTER TABLE users ALTER COLUMN id TYPE bigint;",
        "ALTER TABLE users ALTER COLUMN id TYPE int;\n",
    );
    program.migration(
        "0003_lossy",
        "-- downhaul:protect off\nUPDATE users SET score = 0;",
        "SELECT 1;\n",
    );
    program.migration(
        "0004_gone_contract",
        "ALTER TABLE users DROP COLUMN born;",
        "ALTER TABLE users ADD COLUMN born date;\n",
    );
    program.write("old.sql", "SELECT born, nothing FROM users;\n");
    let outcome = program.run(&["prove", "--old-queries", "old.sql"]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let made = certificate(&program);
    assert_eq!(made["result"], "failed");
    let problems = made["problems"].to_string();
    for part in [
        "old.sql:1 of the old release fails",
        "nothing",
        "the whole series, behind all downs: the rows of users differ",
    ] {
        assert!(problems.contains(part), "{part}\n{problems}");
    }
    let wider = &made["migrations"][0];
    assert_eq!(
        (&wider["data_comes_back"], &wider["schema_comes_back"]),
        (&true.into(), &true.into())
    );
    assert_eq!(wider["statements"][0]["rewrites"][0], "users", "{wider}");
    assert_eq!(made["migrations"][1]["data_comes_back"], false);
    let up = program.run(&["up", "--yes", "--require-proof"]);
    proof_refused(&up, "the rehearsal failed");
}

/// What is right before and behind a migration, and fails while it runs, is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_only_meanwhile_is_told() {
    let database = Postgres::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    program.migration("0001_base", SHOP, "DROP TABLE users;\nDROP TABLE teams;\n");
    program.ok(&["up", "--yes"]);
    // Gone between two transactions, and there again.
    let away = "-- downhaul:phase expand\n-- downhaul:no-transaction\nALTER TABLE teams RENAME TO elsewhere;\nSELECT pg_sleep(1.5);\nALTER TABLE elsewhere RENAME TO teams;\n";
    program.migration("0002_away", away, away);
    program.write("old.sql", "SELECT title FROM teams;\n");
    let outcome = program.run(&["prove", "--old-queries", "old.sql"]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let problems = certificate(&program)["problems"].to_string();
    assert!(problems.contains("old.sql:1 of the old release fails while it runs"), "{problems}");
    assert!(!problems.contains("migrations applied"), "{problems}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_and_mariadb_are_rehearsed_too() {
    let file = SqliteFile::new();
    let maria = MariaDb::shared().fresh_database().await;
    for url in [file.url(), maria.url().to_owned()] {
        let program = Program::new(PROGRAM).database(&url);
        program.migration("0001_base", SHOP, "DROP TABLE users;\nDROP TABLE teams;\n");
        program.migration(
            "0002_note",
            "ALTER TABLE users ADD COLUMN note varchar(30) DEFAULT 'none';",
            "ALTER TABLE users DROP COLUMN note;\n",
        );
        program.migration(
            "0003_born_contract",
            "ALTER TABLE users DROP COLUMN born;",
            "ALTER TABLE users ADD COLUMN born date;\n",
        );
        program.write("new.sql", "SELECT note FROM users WHERE id = ?;\n");
        program.write("old.sql", "SELECT count(*) FROM users WHERE id = ?;\n");
        let outcome = program.run(&["prove", "--new-queries", "new.sql", "--rows", "20"]);
        assert_eq!(outcome.code, Some(0), "{outcome}");
        let made = certificate(&program);
        assert_eq!(made["result"], "proven", "{made}");
        assert!(made["tables"].as_array().unwrap().iter().all(|t| t["rows"] == 20), "{made}");
        program.ok(&["up", "--yes", "--require-proof"]);
    }
    let mut session = Session::connect(&MariaDb::shared().url()).await;
    let left = session.rows("SHOW DATABASES LIKE 'downhaul_prove%'").await;
    assert!(left.is_empty(), "{left:?}");
}

/// Of a rehearsal on SQLite nothing stays behind, neither the file nor its lock, however it ends.
#[test]
fn a_rehearsal_in_a_file_leaves_nothing_behind() {
    let file = SqliteFile::new();
    let program = Program::new(PROGRAM).database(file.url());
    let place = program.dir().join("tmp");
    fs::create_dir(&place).unwrap();
    let program = program.env("TMPDIR", place.to_str().unwrap());
    let left = || -> Vec<String> {
        let entries = fs::read_dir(&place).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    program.migration("0001_base", "CREATE TABLE t (a int);", "DROP TABLE t;\n");
    let outcome = program.ok(&["prove"]);
    assert!(outcome.stderr.contains("tmp/downhaul_prove_"), "{outcome}");
    assert_eq!(left(), Vec::<String>::new());

    program.migration("0002_wrong", "ALTER TABLE nowhere ADD COLUMN b int;", "SELECT 1;\n");
    let outcome = program.run(&["prove"]);
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains("the rehearsal stopped"), "{outcome}");
    assert_eq!(left(), Vec::<String>::new());

    fs::remove_file(program.dir().join("migrations/0002_wrong.up.sql")).unwrap();
    fs::remove_file(program.dir().join("migrations/0002_wrong.down.sql")).unwrap();
    let outcome = program.ok(&["prove", "--keep"]);
    let kept = left();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(outcome.stderr.contains("is left"), "{outcome}");
    assert!(place.join(&kept[0]).join("rehearsal.db").exists(), "{outcome}");
}
