//! Defects that were seen in runners of migrations in wide use; each is named after what went
//! wrong there, and must not happen here.

use downhaul::exit_code::Code;
use downhaul_kit::{Outcome, Postgres, Program, Session, SqliteFile, check};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

fn two_tables(url: &str) -> Program {
    let program = Program::new(PROGRAM).database(url);
    program.migration("1_a", "CREATE TABLE a (id int PRIMARY KEY);\n", "DROP TABLE a;\n");
    program.migration("2_b", "CREATE TABLE b (id int PRIMARY KEY);\n", "DROP TABLE b;\n");
    program
}

/// Twenty runners start at once: there each ran the same statements, and all but one died half way.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_runners_at_once_apply_each_migration_once() {
    let database = Postgres::shared().fresh_database().await;
    let file = SqliteFile::new();
    for url in [database.url().to_owned(), file.url()] {
        let program = Program::new(PROGRAM).database(&url);
        for n in 1..=5 {
            program.migration(
                &format!("{n}_step"),
                &format!("CREATE TABLE t{n} (id int); INSERT INTO t{n} VALUES (1);\n"),
                &format!("DROP TABLE t{n};\n"),
            );
        }
        let program = &program;
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let runners: Vec<_> = (0..20)
                .map(|_| scope.spawn(move || program.run(&["up", "--yes", "--wait", "90"])))
                .collect();
            runners.into_iter().map(|runner| runner.join().unwrap()).collect()
        });
        for outcome in &outcomes {
            check(outcome, Code::Clean, &[]);
        }
        let applied = outcomes.iter().filter(|o| o.stdout.contains("applied in")).count();
        assert_eq!(applied, 1, "one runner does all the work, the others find nothing pending");
        let mut session = Session::connect(&url).await;
        for n in 1..=5 {
            let rows = session.value(&format!("SELECT count(*) FROM t{n}")).await;
            assert_eq!(rows.as_deref(), Some("1"));
        }
    }
}

/// A migration without a down was skipped, and the older one underneath was reverted.
#[tokio::test]
async fn down_never_reverts_underneath_a_migration_without_a_down() {
    let file = SqliteFile::new();
    let program = two_tables(&file.url());
    std::fs::remove_file(program.dir().join("migrations/2_b.down.sql")).unwrap();
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["down", "--yes"]), Code::Findings, &["2_b", "no down file"]);
    check(&program.run(&["down", "--yes", "--steps", "2"]), Code::Findings, &["2_b"]);
    check(&program.run(&["status"]), Code::Clean, &["2 applied, 0 pending"]);
}

/// The newest file was gone from disk, and the older migration was reverted instead.
#[tokio::test]
async fn down_takes_back_what_is_applied_not_what_lies_on_disk() {
    let file = SqliteFile::new();
    let program = two_tables(&file.url());
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    std::fs::remove_file(program.dir().join("migrations/2_b.up.sql")).unwrap();
    std::fs::remove_file(program.dir().join("migrations/2_b.down.sql")).unwrap();
    // The journal keeps the text of the down.
    check(&program.run(&["down", "--yes"]), Code::Clean, &["↓ 2_b"]);
    check(&program.run(&["status"]), Code::Clean, &["1_a", "1 applied, 0 pending"]);
}

/// A pending migration older than an applied one was applied without a word.
#[tokio::test]
async fn out_of_order_is_refused_until_it_is_asked_for() {
    let file = SqliteFile::new();
    let program = two_tables(&file.url());
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    program.migration("1.5_late", "CREATE TABLE late (id int);\n", "DROP TABLE late;\n");
    check(&program.run(&["up", "--yes"]), Code::Findings, &["1.5_late", "2_b"]);
    check(&program.run(&["up", "--yes", "--allow-out-of-order"]), Code::Clean, &["↑ 1.5_late"]);
}

/// `info` made the history table, and so needed the right to write.
#[tokio::test]
async fn status_writes_nothing() {
    let database = Postgres::shared().fresh_database().await;
    let program = two_tables(database.url());
    check(&program.run(&["status"]), Code::Clean, &["2 pending"]);
    check(&program.run(&["history"]), Code::Clean, &["nothing was ever run"]);
    let schemas = database.session().await.value("SELECT to_regnamespace('downhaul')").await;
    assert_eq!(schemas, None);
}

/// A failed `CREATE INDEX CONCURRENTLY` left an INVALID index: every retry failed with "already
/// exists", and `IF NOT EXISTS` succeeded on the ruin.
#[tokio::test]
async fn a_failed_concurrent_index_leaves_no_ruin() {
    for create in [
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (v)",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (v)",
    ] {
        let database = Postgres::shared().fresh_database().await;
        let mut session = database.session().await;
        session.run("CREATE TABLE t (id int PRIMARY KEY, v int)").await;
        session.run("INSERT INTO t VALUES (1, 1), (2, 1)").await;
        let program = Program::new(PROGRAM).database(database.url());
        // Other statements in the same file are no obstacle either.
        program.migration(
            "1_index",
            &format!("ALTER TABLE t ADD COLUMN w int;\n{create};\n"),
            "DROP INDEX CONCURRENTLY i;\nALTER TABLE t DROP COLUMN w;\n",
        );
        check(
            &program.run(&["up", "--yes"]),
            Code::PartlyApplied,
            &["could not create unique index"],
        );
        check(
            &program.run(&["status"]),
            Code::Clean,
            &["half applied", "0 applied, 1 half done, 0 pending"],
        );
        let ruins = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
        session.run("DELETE FROM t WHERE id = 2").await;
        check(&program.run(&["up", "--yes"]), Code::Clean, &["↑ 1_index"]);
        assert_eq!(session.value(ruins).await.as_deref(), Some("0"));
        let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass";
        assert_eq!(session.value(valid).await.as_deref(), Some("t"));
        check(&program.run(&["down", "--yes"]), Code::Clean, &["↓ 1_index"]);
    }
}

/// A runner that waited for the lock in one long statement held a snapshot, with which the holder's
/// `CREATE INDEX CONCURRENTLY` deadlocked.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_runner_does_not_block_a_concurrent_index() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    session.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    session.run("INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 100000) g").await;
    let program = Program::new(PROGRAM).database(database.url());
    program.migration(
        "1_index",
        "CREATE INDEX CONCURRENTLY i ON t (v);\nCREATE INDEX CONCURRENTLY j ON t (v, id);\n",
        "DROP INDEX CONCURRENTLY j;\nDROP INDEX CONCURRENTLY i;\n",
    );
    let program = &program;
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let runners: Vec<_> =
            (0..4).map(|_| scope.spawn(move || program.run(&["up", "--yes"]))).collect();
        runners.into_iter().map(|runner| runner.join().unwrap()).collect()
    });
    for outcome in &outcomes {
        check(outcome, Code::Clean, &[]);
    }
    let valid = "SELECT count(*) FROM pg_index WHERE indexrelid IN ('i'::regclass, 'j'::regclass) AND indisvalid";
    assert_eq!(session.value(valid).await.as_deref(), Some("2"));
}

/// The table rebuild that SQLite's manual recommends ran inside the runner's transaction, where
/// `PRAGMA foreign_keys = OFF` does nothing: the drop deleted the rows of every child.
#[tokio::test]
async fn a_sqlite_rebuild_keeps_the_rows_of_children() {
    let file = SqliteFile::new();
    let mut session = file.session().await;
    session
        .run(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY, v TEXT); \
             CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent (id) ON DELETE CASCADE); \
             INSERT INTO parent VALUES (1, 'a'), (2, 'b'); INSERT INTO child VALUES (1, 1), (2, 2)",
        )
        .await;
    let rebuild = "CREATE TABLE new_parent (id INTEGER PRIMARY KEY, v TEXT NOT NULL);\n\
        INSERT INTO new_parent SELECT id, v FROM parent;\nDROP TABLE parent;\n\
        ALTER TABLE new_parent RENAME TO parent;\n";
    let program = Program::new(PROGRAM).database(file.url());
    program.migration(
        "1_rebuild",
        &format!("PRAGMA foreign_keys = OFF;\n{rebuild}PRAGMA foreign_keys = ON;\n"),
        &rebuild.replace("TEXT NOT NULL", "TEXT"),
    );
    program.migration("2_again_without_pragma", rebuild, rebuild);
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    assert_eq!(session.value("SELECT count(*) FROM child").await.as_deref(), Some("2"));
    check(&program.run(&["down", "--yes", "--all"]), Code::Clean, &[]);
    assert_eq!(session.value("SELECT count(*) FROM child").await.as_deref(), Some("2"));
    assert_eq!(session.value("SELECT count(*) FROM parent").await.as_deref(), Some("2"));
}

/// An edited or missing migration was a warning, and the exit code 0.
#[tokio::test]
async fn an_edited_migration_is_an_error() {
    let file = SqliteFile::new();
    let program = two_tables(&file.url());
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    program.write("migrations/1_a.up.sql", "CREATE TABLE a (id int PRIMARY KEY, more int);\n");
    check(
        &program.run(&["up", "--yes"]),
        Code::Drift,
        &["1_a", "+CREATE TABLE a (id int PRIMARY KEY, more int)"],
    );
    // Line ends and comments are no edit.
    program.write("migrations/1_a.up.sql", "-- why\r\nCREATE TABLE a (id int PRIMARY KEY);\r\n");
    check(&program.run(&["up", "--yes"]), Code::Clean, &["nothing is pending"]);
}

/// An index that was not built, and cannot be taken away at once (the disk is full, say), is not forgotten:
/// the migration stays half done until a run has cleaned up.
#[tokio::test]
async fn what_could_not_be_cleaned_up_is_remembered() {
    let database = Postgres::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut app = Session::connect(database.url()).await;
    app.run("CREATE TABLE a (v int); INSERT INTO a VALUES (1), (1)").await;
    app.run(
        "CREATE FUNCTION keep() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no room''; END'; \
         CREATE EVENT TRIGGER keep ON ddl_command_start WHEN TAG IN ('DROP INDEX') EXECUTE FUNCTION keep()",
    )
    .await;
    let up = "CREATE UNIQUE INDEX CONCURRENTLY a_v ON a (v);\n";
    program.migration("1_unique", up, "DROP INDEX a_v;\n");
    check(&program.run(&["up"]), Code::PartlyApplied, &["no room"]);
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('a_v')";
    assert_eq!(app.value(valid).await.as_deref(), Some("f"), "it is left");
    let status = program.ok(&["status"]).stdout;
    assert!(status.contains("half applied"), "and known: {status}");
    app.run("DROP EVENT TRIGGER keep; DELETE FROM a").await;
    program.ok(&["up"]);
    assert_eq!(app.value(valid).await.as_deref(), Some("t"));
    app.close().await;
}
