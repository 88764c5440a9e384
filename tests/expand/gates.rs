//! A contract runs when its gates hold, or when a person says so; each refusal names the gate, what
//! was measured, and how to see it.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul_kit::{MariaDb, Outcome, Postgres, PostgresOptions, Program, Session, SqliteFile};
use serde_json::Value;

use crate::PROGRAM;

const BASE: &str = "CREATE TABLE users (id int PRIMARY KEY, name text);";

/// A database on which the phases of a rename are applied but for the contract.
async fn prepared(url: &str, release: Option<&str>) -> Program {
    let program = Program::new(PROGRAM).database(url);
    program.migration("0001_base", BASE, "DROP TABLE users;\n");
    program.ok(&["up", "--yes"]);
    let mut session = Session::connect(url).await;
    session.run("INSERT INTO users VALUES (1, 'a'), (2, 'b')").await;
    session.close().await;
    program.write("drafts/full.sql", "ALTER TABLE users RENAME COLUMN name TO full_name;");
    program.ok(&["expand", "drafts/full.sql", "--dialect", "postgres"]);
    let mut args = vec!["up", "--yes", "--phase", "backfill"];
    args.extend(release.iter().flat_map(|release| ["--release", *release]));
    program.ok(&args);
    program
}

fn contract(program: &Program, more: &[&str]) -> Outcome {
    let mut args = vec!["up", "--yes", "--phase", "contract"];
    args.extend(more);
    program.run(&args)
}

/// It is refused, and says by which gate and what was measured.
fn refused(outcome: &Outcome, gate: &str, measured: &str) {
    assert_eq!(outcome.code, Some(1), "{outcome}");
    for part in
        [&format!("the gate {gate} is closed"), measured, "--override-gate", "nothing was changed"]
    {
        assert!(outcome.stderr.contains(part), "{part}\n{outcome}");
    }
}

/// The state of a gate, as `gates` tells it.
fn state(program: &Program, gate: &str, more: &[&str]) -> String {
    told(program, gate, "state", more)
}

/// What `gates` tells of a gate.
fn told(program: &Program, gate: &str, what: &str, more: &[&str]) -> String {
    let mut args = vec!["gates", "--format", "json"];
    args.extend(more);
    let value: Value = serde_json::from_str(&program.ok(&args).stdout).unwrap();
    let found = value["gates"].as_array().unwrap().iter().find(|g| g["gate"] == gate).unwrap();
    found[what].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_gate_closes_and_opens() {
    let database = Postgres::shared().fresh_database().await;
    let program = prepared(database.url(), Some("r2")).await;
    let mut session = database.session().await;

    refused(&contract(&program, &[]), "release", "nobody has said that r2 is live");
    program.ok(&["up", "--release", "r3", "--phase", "backfill"]);
    // A slip of the pen may be a release without migrations: it is said.
    program.ok(&["gates", "--live", "r22"]);
    assert_eq!(state(&program, "release", &[]), "open");
    assert!(told(&program, "release", "measured", &[]).contains("no run of r22 is known"));
    program.ok(&["gates", "--live", "r2"]);
    assert_eq!(state(&program, "release", &[]), "open");
    assert!(!told(&program, "release", "measured", &[]).contains("no run of"));

    // One row that nobody filled.
    session
        .run("ALTER TABLE users DISABLE TRIGGER ALL; INSERT INTO users VALUES (3, 'c'); ALTER TABLE users ENABLE TRIGGER ALL")
        .await;
    refused(&contract(&program, &[]), "backfill", "1 row of users is not filled");
    // What it says opens it.
    let see = told(&program, "backfill", "see", &[]);
    let (_, fill) = see.split_once("fill them: ").expect(&see);
    session.run(fill).await;
    assert_eq!(state(&program, "backfill", &[]), "open");

    program.write("old.sql", "SELECT id, name FROM users WHERE id = $1;\n");
    program.write("new.sql", "SELECT id, full_name FROM users WHERE id = $1;\n");
    assert_eq!(state(&program, "unused", &["--queries", "new.sql"]), "open");
    let outcome = contract(&program, &["--queries", "old.sql", "--queries", "new.sql"]);
    refused(&outcome, "unused", "SELECT id, name FROM users");
    assert_eq!(state(&program, "unused", &[]), "not_asked");
    program.write("downhaul.toml", "[gates]\nunused = \"proof\"\n");
    refused(&contract(&program, &[]), "unused", "nothing to look at");

    program.write("downhaul.toml", "[gates]\nsoak = \"2d\"\n");
    refused(&contract(&program, &["--queries", "new.sql"]), "soak", "of 2 d 0 h");
    let through = ["--override-gate", "soak", "--reason", "a table of three rows"];
    let other = ["--override-gate", "unused", "--reason", "not that one"];
    refused(&contract(&program, &other), "soak", "of 2 d 0 h");
    let outcome = contract(&program, &through);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let history = program.ok(&["history"]);
    assert!(history.stdout.contains("soak: a table of three rows"), "{history}");
    assert!(program.ok(&["gates"]).stdout.contains("no contract is pending"));
    let gone = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'users' AND column_name = 'name'";
    assert_eq!(session.value(gone).await.as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_has_counted_closes_the_gate() {
    let server = PostgresOptions::default()
        .setting("shared_preload_libraries", "pg_stat_statements")
        .start();
    let database = server.fresh_database().await;
    let mut session = database.session().await;
    session.run("CREATE EXTENSION pg_stat_statements").await;
    let program = prepared(database.url(), None).await;
    session.run("SELECT pg_stat_statements_reset()").await;
    assert_eq!(state(&program, "unused", &[]), "open", "Downhaul's own statements count");
    session.rows("SELECT name FROM users WHERE id = 2").await;
    refused(&contract(&program, &[]), "unused", "pg_stat_statements: SELECT name FROM users");
    session.run("SELECT pg_stat_statements_reset()").await;
    session.rows("SELECT full_name FROM users WHERE id = 2").await;
    let outcome = contract(&program, &[]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
}

/// Phases written by hand, on the other engines; and a database without a release has no gates.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gates_of_the_other_engines() {
    let maria = MariaDb::shared().fresh_database().await;
    let sqlite = SqliteFile::new();
    let fresh = SqliteFile::new();
    for (url, new) in [(maria.url().to_owned(), false), (sqlite.url(), false), (fresh.url(), true)]
    {
        let program = Program::new(PROGRAM).database(&url);
        program.migration("0001_base", BASE, "DROP TABLE users;\n");
        program.write("downhaul.toml", "[gates]\nsoak = \"1d\"\n");
        if !new {
            program.ok(&["up", "--yes"]);
        }
        program.migration(
            "0002_tag_expand",
            "ALTER TABLE users ADD COLUMN tag int;",
            "ALTER TABLE users DROP COLUMN tag;\n",
        );
        program.migration(
            "0003_tag_backfill",
            "-- downhaul:phase backfill\n-- downhaul:protect off\nUPDATE users SET tag = 1 WHERE tag IS NULL;",
            "SELECT 1;\n",
        );
        program.migration(
            "0004_tag_contract",
            "ALTER TABLE users DROP COLUMN name;",
            "ALTER TABLE users ADD COLUMN name text;\n",
        );
        if new {
            assert_eq!(contract(&program, &[]).code, Some(0));
            continue;
        }
        let outcome = contract(&program, &[]);
        assert_eq!(outcome.code, Some(1), "{outcome}");
        assert!(
            outcome.stderr.contains("0002_tag_expand, 0003_tag_backfill are not applied"),
            "{outcome}"
        );
        program.ok(&["up", "--yes", "--phase", "backfill"]);
        refused(&contract(&program, &[]), "soak", "of 1 d 0 h");
        let mut session = Session::connect(&url).await;
        session.run("INSERT INTO users (id, name) VALUES (9, 'x')").await;
        assert_eq!(state(&program, "backfill", &[]), "closed");
        session.run("UPDATE users SET tag = 1").await;
        program.write("downhaul.toml", "");
        assert_eq!(contract(&program, &[]).code, Some(0));
    }
}

/// A watch notes writes of the old column, by whoever has no rights on it, and closes its gate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_sees_who_writes_the_old_side() {
    watched_with("").await;
    // The two columns change names, and the watch stays with the old one.
    watched_with("CREATE VIEW names AS SELECT id, name FROM users;\n").await;
}

async fn watched_with(more: &str) {
    let database = Postgres::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    program.migration("0001_base", &format!("{BASE}{more}"), "DROP TABLE users CASCADE;\n");
    program.ok(&["up", "--yes"]);
    let mut session = database.session().await;
    session.run("INSERT INTO users VALUES (1, 'a'), (2, 'b')").await;
    let role = format!("watched_{}", std::process::id());
    session.run(&format!("CREATE ROLE {role}; GRANT ALL ON users TO {role}")).await;
    program.write("drafts/full.sql", "ALTER TABLE users RENAME COLUMN name TO full_name;");
    program.ok(&["expand", "drafts/full.sql", "--dialect", "postgres", "--watch"]);
    program.ok(&["up", "--yes", "--phase", "backfill"]);
    assert_eq!(state(&program, "watch", &[]), "open", "the backfill itself is no use");

    session.run(&format!("SET ROLE {role}")).await;
    session.run("INSERT INTO users (id, full_name) VALUES (3, 'new'); UPDATE users SET full_name = 'x' WHERE id = 1").await;
    assert_eq!(state(&program, "watch", &[]), "open", "the new release is no use");
    session.run("BEGIN; UPDATE users SET name = 'y' WHERE id = 1; ROLLBACK").await;
    assert_eq!(state(&program, "watch", &[]), "open", "what is rolled back is no use");
    session.run("UPDATE users SET name = 'y' WHERE id = 1").await;
    session.run("INSERT INTO users (id, name) VALUES (4, 'old')").await;
    session.run("RESET ROLE").await;
    refused(&contract(&program, &[]), "watch", "users.name was last written");
    let noted = "SELECT count(*) FROM users_name_watch";
    let count: u32 = session.value(noted).await.unwrap().parse().unwrap();
    assert!((1..=2).contains(&count), "{count} notes of two writes");

    session.run("UPDATE users_name_watch SET at = now() - interval '2 hours'").await;
    program.write("downhaul.toml", "[gates]\nquiet = \"3h\"\n");
    refused(&contract(&program, &[]), "watch", "2 h 0 min ago");
    program.write("downhaul.toml", "");
    let outcome = contract(&program, &[]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'users_name_watch%' AND relnamespace = 'public'::regnamespace";
    assert_eq!(session.value(left).await.as_deref(), Some("0"));
    program.ok(&["down", "--yes"]);
    session.run("UPDATE users SET name = 'z' WHERE id = 1").await;
    assert_eq!(state(&program, "watch", &[]), "closed", "it stands again");
    if !more.is_empty() {
        session.run("UPDATE users_name_watch SET at = now() - interval '2 hours'").await;
        program.ok(&["down", "--yes"]);
        assert_eq!(state(&program, "watch", &[]), "open", "the way back is no use");
        session.run("UPDATE users SET name = 'q' WHERE id = 2").await;
        let again = "SELECT count(*) FROM users_name_watch WHERE at > now() - interval '1 hour'";
        assert_ne!(session.value(again).await.as_deref(), Some("0"), "it watches the old name");
    }
    session.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// The same where triggers keep both sides in step by other means: what they write is no use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_sees_who_writes_on_the_other_engines() {
    let maria = MariaDb::shared().fresh_database().await;
    let sqlite = SqliteFile::new();
    for (dialect, url, ago) in [
        ("mariadb", maria.url().to_owned(), "UTC_TIMESTAMP() - INTERVAL 2 HOUR"),
        ("sqlite", sqlite.url(), "datetime('now', '-2 hours')"),
    ] {
        let program = Program::new(PROGRAM).database(&url);
        let base = "CREATE TABLE users (id int PRIMARY KEY, name varchar(20) NOT NULL, fax varchar(20) NOT NULL);\nCREATE TABLE logs (id int PRIMARY KEY);";
        program.migration("0001_base", base, "DROP TABLE logs;\nDROP TABLE users;\n");
        program.ok(&["up", "--yes"]);
        let mut session = Session::connect(&url).await;
        session.run("INSERT INTO users VALUES (1, 'a', '1'), (2, 'b', '2')").await;
        let rename = match dialect {
            "mariadb" => "ALTER TABLE users CHANGE name full_name varchar(20) NOT NULL;",
            _ => "ALTER TABLE users RENAME COLUMN name TO full_name;",
        };
        for (file, change, used, unused) in [
            (
                "full",
                rename,
                [
                    "UPDATE users SET name = 'y' WHERE id = 1",
                    "INSERT INTO users (id, name, fax) VALUES (4, 'old', '4')",
                ],
                [
                    "UPDATE users SET full_name = 'x' WHERE id = 1",
                    "INSERT INTO users (id, full_name, fax) VALUES (3, 'new', '3')",
                ],
            ),
            (
                "fax",
                "-- downhaul:back \"'none'\"\nALTER TABLE users DROP COLUMN fax;",
                [
                    "UPDATE users SET fax = '9' WHERE id = 1",
                    "INSERT INTO users (id, full_name, fax) VALUES (5, 'old', '5')",
                ],
                [
                    "UPDATE users SET full_name = 'z' WHERE id = 2",
                    "INSERT INTO users (id, full_name) VALUES (6, 'new')",
                ],
            ),
            (
                "logs",
                "DROP TABLE logs;",
                ["INSERT INTO logs VALUES (1)", "DELETE FROM logs"],
                ["SELECT 1", "UPDATE users SET full_name = 'q' WHERE id = 2"],
            ),
        ] {
            program.write(&format!("drafts/{file}.sql"), change);
            program.ok(&["expand", &format!("drafts/{file}.sql"), "--dialect", dialect, "--watch"]);
            program.ok(&["up", "--yes", "--phase", "backfill"]);
            let open = |when: &str| {
                assert_eq!(state(&program, "watch", &[]), "open", "{dialect}: {file}: {when}")
            };
            open("the backfill itself is no use");
            for sql in unused {
                session.run(sql).await;
                open(sql);
            }
            session.run("BEGIN").await;
            session.run(used[0]).await;
            session.run("ROLLBACK").await;
            open("what is rolled back is no use");
            let watch = match file {
                "full" => "users_name_watch",
                "fax" => "users_fax_watch",
                _ => "logs_watch",
            };
            for sql in used {
                session.run(sql).await;
                refused(&contract(&program, &[]), "watch", "was last written");
                session.run(&format!("UPDATE {watch} SET at = {ago}")).await;
                open("it is long ago");
            }
            let outcome = contract(&program, &[]);
            assert_eq!(outcome.code, Some(0), "{outcome}");
            program.ok(&["down", "--yes"]);
            assert_eq!(
                state(&program, "watch", &[]),
                "open",
                "{dialect}: it is there again, and knows when"
            );
            program.ok(&["up", "--yes"]);
        }
    }
}
