//! The promise: Ctrl-C, or SIGTERM, stops at the next safe point; once more, it ends the statement that
//! the server works on; and it is said, and known, how far things have come.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::process::Child;
use std::time::{Duration, Instant};

use downhaul::exit_code::Code;
use downhaul_kit::{MariaDb, Outcome, Postgres, Program, Session, check, fault};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// Asks until the answer is a number other than 0, a minute at the most.
async fn until(session: &mut Session, question: &str) {
    let begun = Instant::now();
    while session.value(question).await.as_deref() == Some("0") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came to pass: {question}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends a signal again and again until the program has ended: the first asks for a safe point, the
/// next ones that the statement be ended.
async fn interrupt(program: &Program, child: Child, signal: &str) -> Outcome {
    let pid = child.id();
    let waiter = {
        let signal = signal.to_owned();
        tokio::spawn(async move {
            while fault::is_running(pid) && fault::signal(pid, &signal) {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
    };
    let outcome = tokio::task::block_in_place(|| program.wait(child));
    waiter.abort();
    outcome
}

fn migrations(program: &Program, slow: &str) {
    program.migration("0001_first", "CREATE TABLE a (x int);\n", "DROP TABLE a;\n");
    program.migration(
        "0002_slow",
        &format!("CREATE TABLE b (x int);\n{slow};\n"),
        "DROP TABLE b;\nDROP TABLE c;\n",
    );
    program.migration("0003_after", "CREATE TABLE d (x int);\n", "DROP TABLE d;\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_postgres_is_ended_and_its_migration_is_as_if_it_had_not_begun() {
    let database = Postgres::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    migrations(&program, "CREATE TABLE c AS SELECT 1 AS s, pg_sleep(600)::text");
    let mut session = Session::connect(database.url()).await;
    let works = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    for signal in ["TERM", "INT"] {
        let child = program.spawn(&["up", "--yes"]);
        until(&mut session, works).await;
        let outcome = interrupt(&program, child, signal).await;
        check(
            &outcome,
            Code::Interrupted,
            &["stopping at the next safe point", "either whole or untouched"],
        );
        assert_eq!(session.value(works).await.as_deref(), Some("0"));
        check(&program.run(&["status"]), Code::Clean, &["1 applied, 2 pending"]);
    }
    migrations(&program, "CREATE TABLE c AS SELECT 1 AS s");
    check(&program.run(&["up", "--yes"]), Code::Clean, &["2 migrations applied"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_mariadb_is_ended_and_the_journal_knows_how_far_it_came() {
    let database = MariaDb::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    migrations(&program, "CREATE TABLE c AS SELECT 1 AS s, SLEEP(600) AS t");
    let mut session = Session::connect(database.url()).await;
    let works = "SELECT count(*) FROM information_schema.PROCESSLIST \
                 WHERE DB = DATABASE() AND STATE = 'User sleep' AND ID <> CONNECTION_ID()";
    for signal in ["INT", "TERM"] {
        let child = program.spawn(&["up", "--yes"]);
        until(&mut session, works).await;
        let outcome = interrupt(&program, child, signal).await;
        check(
            &outcome,
            Code::Interrupted,
            &[
                "stopping at the next safe point",
                "0002_slow",
                "1 of 2",
                "the journal knows how far",
            ],
        );
        assert_eq!(session.value(works).await.as_deref(), Some("0"), "the server goes on with it");
        check(&program.run(&["status"]), Code::Clean, &["0002_slow"]);
    }
    // What has not run may be mended.
    migrations(&program, "CREATE TABLE c AS SELECT 1 AS s");
    check(&program.run(&["up", "--yes"]), Code::Clean, &["2 migrations applied"]);
    session.run("SELECT s FROM c").await;
    check(&program.run(&["down", "--all", "--yes"]), Code::Clean, &["3 migrations taken back"]);
}
