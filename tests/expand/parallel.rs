//! Several sessions fill a table at once: each row once, whichever of them is held up or killed, and
//! all of them heed who pauses and slows the backfill.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::process::Child;
use std::time::{Duration, Instant};

use downhaul_kit::{MariaDb, Postgres, Program, Session, SqliteFile};
use serde_json::Value;

use crate::PROGRAM;
use crate::control::{MANY, reason, steered, told, until};

/// Longest wait for something that has to happen.
const LIMIT: Duration = Duration::from_secs(60);

const ROWS: u64 = 9000;

/// Counts how often each row was filled: there is no condition that would hide a second time.
const FILL: &str =
    "-- downhaul:phase backfill\n-- downhaul:protect off\nUPDATE filled SET v = v + 1;\n";

const ARGS: [&str; 6] = ["up", "--yes", "--parallel", "3", "--lock-timeout", "100"];

/// A table with a key, and a program that will fill it.
async fn stage(url: &str, session: &mut Session, columns: &str, key: &str) -> Program {
    if matches!(session, Session::MySql(_)) {
        session.run(MANY).await;
    }
    let program = Program::new(PROGRAM).database(url);
    session.run(&format!("CREATE TABLE filled ({columns}, v int NOT NULL DEFAULT 0)")).await;
    session
        .run(&format!(
            "INSERT INTO filled ({}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) SELECT {key} FROM n",
            if columns.contains("part") { "id, part" } else { "id" }
        ))
        .await;
    session
        .run(if matches!(session, Session::MySql(_)) {
            "ANALYZE TABLE filled"
        } else {
            "ANALYZE filled"
        })
        .await;
    program.migration("0001_fill", FILL, "SELECT 1;\n");
    program
}

/// Rows by how often they were filled: `1: 9000`.
async fn counts(session: &mut Session) -> String {
    let rows = session.rows("SELECT v, count(*) FROM filled GROUP BY v ORDER BY v").await;
    let line = |row: &Vec<Option<String>>| {
        let text = |at: usize| row[at].clone().unwrap_or_default();
        format!("{}: {}", text(0), text(1))
    };
    rows.iter().map(line).collect::<Vec<_>>().join(", ")
}

/// Waits until no row is left but those of the stretch in which one is locked.
async fn others_are_done(session: &mut Session, child: &mut Child) {
    let begun = Instant::now();
    let left = format!("SELECT count(*) FROM filled WHERE v = 0 AND id > {}", ROWS / 2);
    while session.value(&left).await.as_deref() != Some("0") {
        assert!(begun.elapsed() < LIMIT, "{}", counts(session).await);
        assert!(child.try_wait().unwrap().is_none(), "it ended: {}", counts(session).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Each row once, over every kind of key, and however a run before it ended.
async fn each_row_once(url: String, mut session: Session, kinds: &[(&str, &str)]) {
    for (columns, key) in kinds {
        let program = stage(&url, &mut session, columns, key).await;
        let outcome = program.ok(&ARGS);
        assert!(outcome.to_string().contains("3 sessions over"), "{columns}: {outcome}");
        assert_eq!(counts(&mut session).await, format!("1: {ROWS}"), "{columns}");
        let done = told(&program, &["--all"]);
        assert_eq!(done[0]["rows_changed"], ROWS, "{done:#?}");
        assert_eq!((&done[0]["done"], &done[0]["rows_left"]), (&true.into(), &0.into()));
        session.run("DROP TABLE filled").await;
        program.ok(&["down", "--yes"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_row_is_filled_once_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    let kinds = [
        ("id bigint PRIMARY KEY", "i - 2000"),
        ("id int, part text, PRIMARY KEY (id, part)", "i % 7, 'it''s ' || i"),
        ("id uuid PRIMARY KEY", "md5(i::text)::uuid"),
    ];
    each_row_once(database.url().to_owned(), database.session().await, &kinds).await;
    // By blocks, where a condition tells the rows that are done: each one moves as it is written.
    let mut session = database.session().await;
    let program = stage(database.url(), &mut session, "id int", "i").await;
    let outcome = program.ok(&ARGS);
    assert!(outcome.to_string().contains("in one statement"), "{outcome}");
    assert_eq!(counts(&mut session).await, format!("1: {ROWS}"));
    program.migration("0002_fill", &FILL.replace(';', " WHERE v = 1;"), "SELECT 1;\n");
    let outcome = program.ok(&ARGS);
    assert!(outcome.to_string().contains("3 sessions over"), "{outcome}");
    assert_eq!(counts(&mut session).await, format!("2: {ROWS}"));
    session.run("DROP TABLE filled").await;
    program.ok(&["down", "--yes", "--all"]);
    // Partitions are gone over by their common key.
    session.run("CREATE TABLE filled (id int PRIMARY KEY, v int NOT NULL DEFAULT 0) PARTITION BY RANGE (id); CREATE TABLE low PARTITION OF filled FOR VALUES FROM (0) TO (3000); CREATE TABLE high PARTITION OF filled DEFAULT").await;
    session.run(&format!("INSERT INTO filled SELECT generate_series(1, {ROWS}); ANALYZE")).await;
    let program = Program::new(PROGRAM).database(database.url());
    program.migration("0002_fill", FILL, "SELECT 1;\n");
    let outcome = program.ok(&ARGS);
    assert!(outcome.to_string().contains("3 sessions over"), "{outcome}");
    assert_eq!(counts(&mut session).await, format!("1: {ROWS}"));
    // Without one by the blocks of all partitions at once.
    session.run("ALTER TABLE filled DROP CONSTRAINT filled_pkey").await;
    program.migration("0003_fill", &FILL.replace(';', " WHERE v = 1;"), "SELECT 1;\n");
    let outcome = program.ok(&ARGS);
    assert!(outcome.to_string().contains("3 sessions over"), "{outcome}");
    assert_eq!(counts(&mut session).await, format!("2: {ROWS}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_row_is_filled_once_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    let kinds = [
        ("id bigint PRIMARY KEY", "i - 2000"),
        ("id int, part varchar(20), PRIMARY KEY (id, part)", "i % 7, concat('it''s ', i)"),
        ("id binary(16) PRIMARY KEY", "unhex(left(sha2(i, 256), 32))"),
    ];
    each_row_once(database.url().to_owned(), database.session().await, &kinds).await;
}

/// While one session waits for a row the others go on; killed there, the whole run or its sessions
/// at work, which are the newest ones, the next run does what is left and nothing twice, also alone.
async fn held_up_and_killed(url: String, mut session: Session, kill: &str) {
    let program = stage(&url, &mut session, "id int PRIMARY KEY", "i").await;
    for (how, again) in [("run", &ARGS[..]), ("run", &["up", "--yes"][..]), ("sessions", &ARGS[..])]
    {
        let mut holder = Session::connect(&url).await;
        holder.run("BEGIN").await;
        holder.run("UPDATE filled SET v = v WHERE id = 1").await;
        // Where the first wait takes all the time that there is, the holder is named too, if the server answers in time.
        let mut named = false;
        for _ in 0..10 {
            let gives_up = program.run(&[&ARGS[..], &["--lock-retry", "0"]].concat());
            assert_ne!(gives_up.code, Some(0), "{gives_up}");
            named = gives_up.stderr.contains("in the way: pid ");
            if named {
                break;
            }
        }
        assert!(named, "the holder is never named");
        let mut child = program.spawn(&ARGS);
        others_are_done(&mut session, &mut child).await;
        assert_eq!(session.value("SELECT v FROM filled WHERE id = 2").await.as_deref(), Some("0"));
        let held = |b: &Value| reason(b).contains("a lock is held by another session: pid ");
        let waits = until(&program, "seen to wait", held).await;
        assert!(waits["rows_changed"].as_u64() < Some(ROWS), "{waits}");
        if how == "run" {
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            let victims = session.value(kill).await.expect("sessions at work");
            session.run(&victims).await;
            let outcome = program.wait(child);
            assert_ne!(outcome.code, Some(0), "{outcome}");
        }
        holder.run("ROLLBACK").await;
        holder.close().await;
        let outcome = program.ok(again);
        assert!(outcome.to_string().contains("was cut off in this backfill"), "{outcome}");
        assert_eq!(counts(&mut session).await, format!("1: {ROWS}"), "{how} killed");
        session.run("UPDATE filled SET v = 0").await;
        program.ok(&["down", "--yes"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_held_up_and_killed_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    let kill = "SELECT string_agg('SELECT pg_terminate_backend(' || pid || ')', '; ') FROM (SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY backend_start DESC LIMIT 3) newest";
    held_up_and_killed(database.url().to_owned(), database.session().await, kill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_held_up_and_killed_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    let kill = "SELECT GROUP_CONCAT(CONCAT('KILL ', ID) SEPARATOR '; ') FROM (SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID() ORDER BY ID DESC LIMIT 3) newest";
    held_up_and_killed(database.url().to_owned(), database.session().await, kill).await;
}

/// A run that was alone and was killed is gone on with by several, from where it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_session_began_several_end() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    let program = stage(database.url(), &mut session, "id int PRIMARY KEY", "i").await;
    let mut holder = database.session().await;
    holder.run("BEGIN; UPDATE filled SET v = v WHERE id = 1200").await;
    let mut child = program.spawn(&["up", "--yes", "--lock-timeout", "100"]);
    let begun = Instant::now();
    while session.value("SELECT v FROM filled WHERE id = 2").await.as_deref() == Some("0") {
        assert!(begun.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    holder.run("ROLLBACK").await;
    let outcome = program.ok(&ARGS);
    assert!(outcome.to_string().contains("3 sessions over"), "{outcome}");
    assert_eq!(counts(&mut session).await, format!("1: {ROWS}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_sessions_are_steered() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    let program = Program::new(PROGRAM).database(database.url());
    steered(&program, &mut session, 6000, "parallel = 3\n").await;
    let database = MariaDb::shared().fresh_database().await;
    let mut session = database.session().await;
    session.run(MANY).await;
    let program = Program::new(PROGRAM).database(database.url());
    steered(&program, &mut session, 6000, "parallel = 3\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_only_one_can_be_at_work_it_is_said() {
    let file = SqliteFile::new();
    let mut session = file.session().await;
    let program = stage(&file.url(), &mut session, "id int PRIMARY KEY", "i").await;
    let outcome = program.ok(&ARGS);
    assert!(outcome.to_string().contains("SQLite has one writer at a time"), "{outcome}");
    assert_eq!(counts(&mut session).await, format!("1: {ROWS}"));

    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    let program = stage(database.url(), &mut session, "id int PRIMARY KEY", "i").await;
    let fill = "-- downhaul:phase backfill\n-- downhaul:protect off\nSET work_mem = '8MB';\nUPDATE filled SET v = v + 1;\n";
    program.migration("0001_fill", fill, "SELECT 1;\n");
    let outcome = program.ok(&ARGS);
    assert!(outcome.to_string().contains("only their own session sees"), "{outcome}");
    assert_eq!(counts(&mut session).await, format!("1: {ROWS}"));
    assert_eq!(program.run(&["up", "--yes", "--parallel", "0"]).code, Some(2));
}
