//! The promise: a migration that cannot have its lock makes nobody else wait, says who is in its way,
//! ends only whom it may, and leaves by itself when its time is over.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use downhaul::exit_code::Code;
use downhaul_kit::{LockHolder, MariaDb, MariaDbOptions, Postgres, Program, Rng, Session, check};
use tokio::task::JoinHandle;

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// A table with rows, and a migration that needs all of it for a moment.
async fn orders(url: &str) -> Program {
    let mut session = Session::connect(url).await;
    session.run("CREATE TABLE orders (id int PRIMARY KEY, note varchar(20))").await;
    session.run("INSERT INTO orders VALUES (1, 'a'), (2, 'b')").await;
    session.close().await;
    let program = Program::new(PROGRAM).database(url);
    program.migration(
        "0001_total",
        "ALTER TABLE orders ADD COLUMN total int;\n",
        "ALTER TABLE orders DROP COLUMN total;\n",
    );
    program
}

/// Asks until the answer is `t`, a minute at the most.
async fn until(session: &mut Session, question: &str) {
    let begun = Instant::now();
    while session.value(question).await.as_deref().is_none_or(|v| !v.starts_with('t')) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never came to pass: {question}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Behind a transaction that is older than the budget nothing queues, so that readers pass freely,
/// and it is named before any try.
#[tokio::test]
async fn nobody_queues_behind_a_long_transaction() {
    let database = Postgres::shared().fresh_database().await;
    let program = orders(database.url()).await;
    let holder = LockHolder::with_statements(
        database.url(),
        "SET application_name = 'report'; SELECT count(*) FROM orders",
    )
    .await;
    // Older than the budget that follows, by far.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let child = program.spawn(&["up", "--yes", "--lock-timeout", "500", "--lock-retry", "600"]);
    // It looks again and again, and has never queued meanwhile.
    let mut session = Session::connect(database.url()).await;
    let mut looks = std::collections::BTreeSet::new();
    let begun = Instant::now();
    while looks.len() < 4 {
        let seen = session
            .rows(
                "SELECT query_start::text, (SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass)::text \
                 FROM pg_stat_activity WHERE application_name = 'downhaul' AND datname = current_database() AND query LIKE '%Lock \"orders\"%'",
            )
            .await;
        for row in seen {
            assert_eq!(row[1].as_deref(), Some("0"), "it queues");
            looks.extend(row[0].clone());
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not look: {looks:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A stop ends the waiting: it tries once, with its budget, and gives up.
    assert!(downhaul_kit::fault::signal(child.id(), "INT"));
    let outcome = program.wait(child);
    check(
        &outcome,
        Code::Locked,
        &[
            "not queueing behind it",
            "(postgres@127.0.0.1, report): idle in transaction for",
            "AccessShareLock on orders",
            "SELECT count(*) FROM orders",
            "in the way: pid",
            "the database is as it was",
        ],
    );
    holder.release().await;
    check(&program.run(&["up", "--yes"]), Code::Clean, &["1 migration applied"]);
}

/// A reader is no reason to wait for a statement that reads may run beside.
#[tokio::test]
async fn who_is_in_the_way_depends_on_the_lock() {
    let database = Postgres::shared().fresh_database().await;
    let program = orders(database.url()).await;
    let holder = LockHolder::reader(database.url(), "orders").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    program.migration(
        "0001_total",
        "CREATE INDEX orders_note ON orders (note);\n",
        "DROP INDEX orders_note;\n",
    );
    let outcome = program.run(&["up", "--yes", "--lock-timeout", "200", "--lock-retry", "2"]);
    check(&outcome, Code::Clean, &["1 migration applied"]);
    assert!(!outcome.stdout.contains("waiting"), "{outcome}");
    holder.release().await;
}

/// A row that another transaction has changed: found by asking the server while the statement waits.
#[tokio::test]
async fn the_holder_of_a_row_is_named() {
    let database = Postgres::shared().fresh_database().await;
    let program = orders(database.url()).await;
    program.migration(
        "0001_total",
        "UPDATE orders SET note = 'x' WHERE id = 2;\n",
        "UPDATE orders SET note = 'b' WHERE id = 2;\n",
    );
    let mut idle = LockHolder::reader(database.url(), "orders").await;
    let holder = LockHolder::with_statements(
        database.url(),
        "SET application_name = 'holds row 2'; UPDATE orders SET note = 'y' WHERE id = 2",
    )
    .await;
    // `--unprotected` takes no lock on the table, which would be found first.
    let outcome = program.run(&[
        "up",
        "--yes",
        "--unprotected",
        "--lock-timeout",
        "300",
        "--lock-retry",
        "1",
    ]);
    check(&outcome, Code::Locked, &["holds row 2"]);
    idle.session().run("SELECT 1").await;
    holder.release().await;
    idle.release().await;
}

/// What is idle in its transaction for too long is ended if that is wanted, told, and written down;
/// what works is left alone.
#[tokio::test]
async fn idle_holders_are_ended_and_busy_ones_are_not() {
    let database = Postgres::shared().fresh_database().await;
    let program = orders(database.url()).await;
    let mut holder = LockHolder::with_statements(
        database.url(),
        "SET application_name = 'forgotten'; SELECT count(*) FROM orders",
    )
    .await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let short = ["--lock-timeout", "200", "--lock-retry", "1"];
    let with = |age: &'static str| {
        let mut args = vec!["up", "--yes", age];
        args.extend(short);
        args
    };
    // Not old enough.
    check(&program.run(&with("--kill-blockers=1h")), Code::Locked, &["forgotten"]);
    check(
        &program.run(&with("--kill-blockers=1s")),
        Code::Clean,
        &["ended", "forgotten", "1 migration applied"],
    );
    assert!(holder.session().try_run("SELECT 1").await.is_err(), "the holder lives");
    check(&program.run(&["history"]), Code::Clean, &["ended pid", "forgotten"]);
    let json = program.run(&["history", "--format", "json"]);
    check(&json, Code::Clean, &["\"kind\": \"ended\""]);

    // One that works, however long, is not ended.
    let busy = {
        let url = database.url().to_owned();
        tokio::spawn(async move {
            let mut session = Session::connect(&url).await;
            session.try_run("BEGIN; SELECT count(*) FROM orders; SELECT pg_sleep(600)").await
        })
    };
    let mut session = Session::connect(database.url()).await;
    let works = "SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep' AND datname = current_database()";
    until(&mut session, works).await;
    let outcome = program.run(&[
        "down",
        "--yes",
        "--kill-blockers=0s",
        "--lock-timeout",
        "200",
        "--lock-retry",
        "1",
    ]);
    check(&outcome, Code::Locked, &["active"]);
    until(&mut session, works).await;
    session.run("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()").await;
    let ended = busy.await.unwrap().unwrap_err().to_string();
    assert!(ended.contains("user request"), "{ended}");
}

/// Without the right to end others, and against a superuser, it is said why, and nothing is ended.
#[tokio::test]
async fn whom_it_may_not_end_it_does_not() {
    let server = Postgres::shared();
    let database = server.fresh_database().await;
    let program = orders(database.url()).await;
    let mut admin = Session::connect(database.url()).await;
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    for role in ["mover", "other"] {
        // Roles are the server's, and its databases come and go.
        let _ = admin.try_run(&format!("CREATE ROLE {role}_{name} LOGIN")).await;
    }
    let (mover, other) = (format!("mover_{name}"), format!("other_{name}"));
    admin
        .run(&format!(
            "GRANT CREATE ON DATABASE {name} TO {mover}; ALTER TABLE orders OWNER TO {mover}; \
             GRANT CREATE ON SCHEMA public TO {mover}; GRANT SELECT ON orders TO {other}; \
             GRANT pg_read_all_stats TO {mover}"
        ))
        .await;
    let program = program.database(server.url_as(&mover, "", &name));
    let args = ["up", "--yes", "--kill-blockers=0s", "--lock-timeout", "200", "--lock-retry", "1"];

    let mut holder = LockHolder::reader(&server.url_as(&other, "", &name), "orders").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    check(&program.run(&args), Code::Locked, &["cannot be ended", "pg_signal_backend", &other]);
    holder.session().run("SELECT 1").await;
    holder.release().await;

    let mut holder = LockHolder::reader(database.url(), "orders").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    check(&program.run(&args), Code::Locked, &["is not ended", "it is a superuser's"]);
    holder.session().run("SELECT 1").await;
    holder.release().await;
    check(&program.run(&args), Code::Clean, &["1 migration applied"]);
    admin.run(&format!("DROP OWNED BY {mover}, {other}")).await;
}

/// Somebody who changes a row of one table, and then of another, again and again; what went wrong, if anything.
fn writer(
    url: &str,
    over: &Arc<AtomicBool>,
    (first, second): (&'static str, &'static str),
    id: u32,
) -> JoinHandle<Result<(), String>> {
    let (url, over) = (url.to_owned(), over.clone());
    tokio::spawn(async move {
        let mut session = Session::connect(&url).await;
        while !over.load(Ordering::SeqCst) {
            let sql = format!(
                "BEGIN; UPDATE {first} SET n = n + 1 WHERE id = {id}; SELECT pg_sleep(0.01); UPDATE {second} SET n = n + 1 WHERE id = {id}; COMMIT"
            );
            session.try_run(&sql).await.map_err(|error| error.to_string())?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    })
}

/// Two tables that are locked together, while writers take them in either order all the time: nobody is ended,
/// and the migration finds a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_writers_take_in_either_order_are_locked_together() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    session
        .run(
            "CREATE TABLE a (id int PRIMARY KEY, n int DEFAULT 0, x int); CREATE TABLE b (id int PRIMARY KEY, n int DEFAULT 0, y int); \
             INSERT INTO a SELECT g, 0, g FROM generate_series(1, 9) g; INSERT INTO b SELECT g, 0, g FROM generate_series(1, 9) g",
        )
        .await;
    let over = Arc::new(AtomicBool::new(false));
    let writers = [("a", "b", 1), ("b", "a", 2), ("a", "b", 3), ("b", "a", 4)]
        .map(|(first, second, id)| writer(database.url(), &over, (first, second), id));
    let program = Program::new(PROGRAM).database(database.url());
    // Kept before they go, so both are locked; where nothing is kept, by the file itself; where that
    // comes behind a change of one of them; and where one of them is kept before.
    let both = "-- downhaul:protect off\nLOCK TABLE a, b IN ACCESS EXCLUSIVE MODE;\n";
    for (name, up, down) in [
        (
            "0001_kept",
            "ALTER TABLE a DROP COLUMN x;\nALTER TABLE b DROP COLUMN y;\n".to_owned(),
            format!("{both}ALTER TABLE a ADD COLUMN x int;\nALTER TABLE b ADD COLUMN y int;\n"),
        ),
        (
            "0002_locked",
            format!("{both}ALTER TABLE a ADD COLUMN z int;\nALTER TABLE b ADD COLUMN z int;\n"),
            format!("{both}ALTER TABLE a DROP COLUMN z;\nALTER TABLE b DROP COLUMN z;\n"),
        ),
        (
            "0003_locked_late",
            "ALTER TABLE a ADD COLUMN v int;\nLOCK TABLE b, a IN ACCESS EXCLUSIVE MODE;\nALTER TABLE b ADD COLUMN v int;\n".to_owned(),
            "-- downhaul:protect off\nALTER TABLE b DROP COLUMN v;\nLOCK TABLE a, b IN ACCESS EXCLUSIVE MODE;\nALTER TABLE a DROP COLUMN v;\n".to_owned(),
        ),
        (
            "0004_one_kept",
            "ALTER TABLE b DROP COLUMN z;\nLOCK TABLE a, b IN ACCESS EXCLUSIVE MODE;\nALTER TABLE a ADD COLUMN w int;\n".to_owned(),
            "ALTER TABLE a DROP COLUMN w;\nLOCK TABLE a, b IN ACCESS EXCLUSIVE MODE;\nALTER TABLE b ADD COLUMN z int;\n".to_owned(),
        ),
    ] {
        program.migration(name, &up, &down);
        for _ in 0..3 {
            program.ok(&["up", "--yes", "--lock-retry", "20"]);
            program.ok(&["down", "--yes", "--lock-retry", "20"]);
        }
        program.ok(&["up", "--yes", "--lock-retry", "20"]);
    }
    over.store(true, Ordering::SeqCst);
    for writer in writers {
        assert_eq!(writer.await.unwrap(), Ok(()));
    }
}

/// Two tables that a file changes one behind the other, by a role whose waits the server looks at no sooner than
/// those of an application: no writer is ended who takes them the other way round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_a_file_changes_one_by_one_are_locked_together() {
    let server = Postgres::shared();
    let database = server.fresh_database().await;
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    let mover = format!("mover_{name}");
    let mut admin = database.session().await;
    let _ = admin.try_run(&format!("CREATE ROLE {mover} LOGIN")).await;
    admin
        .run(&format!(
            "GRANT CREATE ON DATABASE {name} TO {mover}; GRANT CREATE ON SCHEMA public TO {mover}; SET ROLE {mover}; \
             CREATE TABLE a (id int PRIMARY KEY, n int DEFAULT 0); CREATE TABLE b (id int PRIMARY KEY, n int DEFAULT 0); \
             CREATE TABLE free (id int); ALTER TABLE b ADD of_a int REFERENCES a; INSERT INTO a SELECT g FROM generate_series(1, 9) g; INSERT INTO b SELECT g FROM generate_series(1, 9) g; RESET ROLE"
        ))
        .await;
    let over = Arc::new(AtomicBool::new(false));
    let writers = [("a", "b", 1), ("b", "a", 2), ("a", "b", 3), ("b", "a", 4)]
        .map(|(first, second, id)| writer(database.url(), &over, (first, second), id));
    let program = Program::new(PROGRAM).database(server.url_as(&mover, "", &name));
    program.migration(
        "0001_one_by_one",
        "ALTER TABLE b ADD COLUMN x int;\nALTER TABLE free ADD COLUMN x int;\nALTER TABLE a ADD COLUMN x int;\n",
        "ALTER TABLE a DROP COLUMN x;\nALTER TABLE free DROP COLUMN x;\nALTER TABLE b DROP COLUMN x;\n",
    );
    // What goes with a foreign key stands on the table at its other end.
    program.migration(
        "0002_other_end",
        "ALTER TABLE b DROP CONSTRAINT b_of_a_fkey;\n",
        "ALTER TABLE b ADD CONSTRAINT b_of_a_fkey FOREIGN KEY (of_a) REFERENCES a NOT VALID;\n",
    );
    for _ in 0..5 {
        for _ in 0..2 {
            program.ok(&["up", "--yes", "--steps", "1", "--lock-retry", "20"]);
        }
        program.ok(&["down", "--yes", "--steps", "1", "--lock-retry", "20"]);
        program.ok(&["down", "--yes", "--steps", "1", "--lock-retry", "20"]);
    }
    over.store(true, Ordering::SeqCst);
    for writer in writers {
        assert_eq!(writer.await.unwrap(), Ok(()));
    }
    admin.run(&format!("DROP OWNED BY {mover} CASCADE")).await;
}

/// A restore of tables that writers take in either order: nobody is ended, and it finds its moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_locks_its_tables_together() {
    let server = Postgres::shared();
    let database = server.fresh_database().await;
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    let mover = format!("mover_{name}");
    let mut admin = database.session().await;
    let _ = admin.try_run(&format!("CREATE ROLE {mover} LOGIN")).await;
    admin
        .run(&format!(
            "GRANT CREATE ON DATABASE {name} TO {mover}; GRANT CREATE ON SCHEMA public TO {mover}; SET ROLE {mover}; \
             CREATE TABLE a (id int PRIMARY KEY, n int DEFAULT 0); CREATE TABLE b (id int PRIMARY KEY, n int DEFAULT 0); \
             CREATE TABLE c (id int PRIMARY KEY, n int DEFAULT 0); INSERT INTO a SELECT g FROM generate_series(1, 9) g; \
             INSERT INTO b SELECT g FROM generate_series(1, 9) g; INSERT INTO c SELECT g FROM generate_series(1, 9) g; RESET ROLE"
        ))
        .await;
    let program = Program::new(PROGRAM).database(server.url_as(&mover, "", &name));
    program.ok(&["snapshot", "track", "a", "b", "c", "--yes"]);
    program.ok(&["snapshot", "mark", "calm"]);
    let over = Arc::new(AtomicBool::new(false));
    let writers = [("a", "b", 1), ("b", "c", 2), ("c", "a", 3), ("b", "a", 4), ("c", "b", 5)]
        .map(|(first, second, id)| writer(database.url(), &over, (first, second), id));
    for _ in 0..5 {
        program.ok(&["snapshot", "restore", "--to", "calm", "--yes"]);
    }
    over.store(true, Ordering::SeqCst);
    for writer in writers {
        assert_eq!(writer.await.unwrap(), Ok(()));
    }
    admin.run(&format!("DROP OWNED BY {mover} CASCADE")).await;
}

/// A backfill beside transactions that change rows in the other order: nobody is ended, and the
/// backfill comes to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_gives_way_to_who_changes_its_rows_in_another_order() {
    let server = Postgres::shared();
    let database = server.fresh_database().await;
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    let mover = format!("mover_{name}");
    let mut admin = database.session().await;
    let _ = admin.try_run(&format!("CREATE ROLE {mover} LOGIN")).await;
    admin
        .run(&format!(
            "GRANT CREATE ON DATABASE {name} TO {mover}; GRANT CREATE ON SCHEMA public TO {mover}; SET ROLE {mover}; \
             CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0, a int DEFAULT 1, b int); INSERT INTO t SELECT g FROM generate_series(1, 400) g; RESET ROLE"
        ))
        .await;
    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (1..=6)
        .map(|seed| {
            let (url, over) = (database.url().to_owned(), over.clone());
            tokio::spawn(async move {
                let (mut session, mut rng) = (Session::connect(&url).await, Rng::new(seed));
                while !over.load(Ordering::SeqCst) {
                    // Each writer has rows of its own, so that they never meet each other.
                    let id = rng.between(0, 65) * 6 + i64::try_from(seed).unwrap() + 6;
                    let sql = format!(
                        "BEGIN; UPDATE t SET n = n + 1 WHERE id = {id}; SELECT pg_sleep(0.003); UPDATE t SET n = n + 1 WHERE id = {}; COMMIT", id - 6
                    );
                    session.try_run(&sql).await.map_err(|error| error.to_string())?;
                }
                Ok::<_, String>(())
            })
        })
        .collect();
    let program = Program::new(PROGRAM).database(server.url_as(&mover, "", &name));
    let fill = |value: &str| {
        format!(
            "-- downhaul:phase backfill\n-- downhaul:protect off\nUPDATE t SET b = {value} WHERE b IS DISTINCT FROM {value};\n"
        )
    };
    program.migration("0001_fill", &fill("a"), &fill("a + 1"));
    for _ in 0..20 {
        program.ok(&["up", "--yes"]);
        program.ok(&["down", "--yes"]);
    }
    over.store(true, Ordering::SeqCst);
    for writer in writers {
        assert_eq!(writer.await.unwrap(), Ok(()));
    }
    admin.run(&format!("DROP OWNED BY {mover} CASCADE")).await;
}

/// A concurrent build waits for old snapshots as long as it takes, says for whom, and leaves no
/// INVALID index when it fails, also where the index has no name of its own.
#[tokio::test]
async fn concurrent_builds_are_patient_and_leave_nothing_invalid() {
    let database = Postgres::shared().fresh_database().await;
    let program = orders(database.url()).await;
    program.migration(
        "0001_total",
        "CREATE INDEX CONCURRENTLY ON orders (note);\n",
        "DROP INDEX orders_note_idx;\n",
    );
    let holder = LockHolder::with_statements(
        database.url(),
        "SET application_name = 'old snapshot'; INSERT INTO orders VALUES (3, 'c')",
    )
    .await;
    let child = program.spawn(&["up", "--yes", "--lock-timeout", "200", "--lock-retry", "1"]);
    // The build waits, and the other session of the run has looked for whom since then.
    let mut session = Session::connect(database.url()).await;
    let waits =
        "SELECT count(*) > 0 FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'";
    until(&mut session, waits).await;
    for _ in 0..2 {
        let now = session.value("SELECT clock_timestamp()::text").await.unwrap();
        let looked = format!(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'downhaul' AND datname = current_database() \
             AND state = 'idle' AND query LIKE '%pg_stat_progress%' AND query_start > '{now}'"
        );
        until(&mut session, &looked).await;
    }
    session.close().await;
    holder.release().await;
    check(&program.wait(child), Code::Clean, &["nobody queues", "old snapshot"]);

    let mut session = Session::connect(database.url()).await;
    session.run("UPDATE orders SET note = 'same'").await;
    program.migration(
        "0002_unique",
        "CREATE UNIQUE INDEX CONCURRENTLY ON orders (note);\n",
        "DROP INDEX orders_note_idx1;\n",
    );
    check(&program.run(&["up", "--yes"]), Code::FailedUnchanged, &["duplicated"]);
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(session.value(invalid).await.as_deref(), Some("0"));
    session.run("UPDATE orders SET note = id::text").await;
    check(&program.run(&["up", "--yes"]), Code::Clean, &["1 migration applied"]);
}

/// An index that another session is building is INVALID too, until it is done: it is left to its
/// builder, also where the migration wanted one of the same name.
#[tokio::test]
async fn an_index_that_another_session_builds_is_left_alone() {
    let database = Postgres::shared().fresh_database().await;
    let program = orders(database.url()).await;
    let holder =
        LockHolder::with_statements(database.url(), "INSERT INTO orders VALUES (3, 'c')").await;
    let url = database.url().to_owned();
    let builder = tokio::spawn(async move {
        let mut session = Session::connect(&url).await;
        session.run("CREATE INDEX CONCURRENTLY theirs ON orders (note)").await;
        session.close().await;
    });
    let mut session = Session::connect(database.url()).await;
    until(&mut session, "SELECT count(*) > 0 FROM pg_index WHERE indexrelid = to_regclass('theirs') AND NOT indisvalid").await;
    program.migration(
        "0001_total",
        "CREATE INDEX CONCURRENTLY theirs ON orders (note);\n",
        "DROP INDEX theirs;\n",
    );
    let args = ["up", "--yes", "--statement-timeout", "1500"];
    let outcome = program.run(&args);
    check(&outcome, Code::FailedUnchanged, &[]);
    program.migration(
        "0001_total",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS theirs ON orders (note);\n",
        "DROP INDEX theirs;\n",
    );
    check(&program.run(&args), Code::FailedUnchanged, &[]);
    let there = "SELECT count(*) > 0 FROM pg_index WHERE indexrelid = to_regclass('theirs') AND NOT indisvalid";
    until(&mut session, there).await;
    holder.release().await;
    builder.await.unwrap();
    until(&mut session, "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('theirs')")
        .await;
    check(&program.run(&["up", "--yes"]), Code::Clean, &["1 migration applied"]);
}

/// A statement that runs for too long is ended, and everything is as it was.
#[tokio::test]
async fn a_statement_has_its_time() {
    let database = Postgres::shared().fresh_database().await;
    let program = orders(database.url()).await;
    program.migration(
        "0001_total",
        "CREATE TABLE t (a int);\nSELECT pg_sleep(600);\n",
        "DROP TABLE t;\n",
    );
    let outcome = program.run(&["up", "--yes", "--statement-timeout", "300"]);
    check(&outcome, Code::FailedUnchanged, &["statement timeout", "pg_sleep"]);
    let mut session = Session::connect(database.url()).await;
    assert_eq!(session.value("SELECT to_regclass('t')::text").await, None);
}

/// A procedure that commits by itself may lose rows, which no restore point could hold.
#[tokio::test]
async fn what_commits_by_itself_is_not_run_unprotected_in_silence() {
    let database = Postgres::shared().fresh_database().await;
    let program = orders(database.url()).await;
    let batches = "DO $$ BEGIN UPDATE orders SET note = 'x'; COMMIT; END $$;\n";
    let down = "SELECT 1;\n";
    program.migration("0001_total", &format!("-- downhaul:no-transaction\n{batches}"), down);
    check(
        &program.run(&["up", "--yes"]),
        Code::SnapshotNotSound,
        &["commits by itself", "downhaul:protect off"],
    );
    let mut session = Session::connect(database.url()).await;
    let changed = "SELECT count(*) FROM orders WHERE note = 'x'";
    assert_eq!(session.value(changed).await.as_deref(), Some("0"));
    program.migration(
        "0001_total",
        &format!("-- downhaul:no-transaction\n-- downhaul:protect off\n{batches}"),
        down,
    );
    check(&program.run(&["up", "--yes"]), Code::Clean, &["1 migration applied"]);
    assert_eq!(session.value(changed).await.as_deref(), Some("2"));
}

/// The server asks after a silent client every few seconds, not after two hours.
#[tokio::test]
async fn a_host_that_vanishes_is_noticed_soon() {
    let server = Postgres::shared();
    let database = server.fresh_database().await;
    let program = orders(database.url()).await;
    let holder = LockHolder::reader(database.url(), "orders").await;
    let child = program.spawn(&["up", "--yes", "--lock-retry", "600"]);
    let mut session = Session::connect(database.url()).await;
    until(
        &mut session,
        "SELECT count(*) = 2 FROM pg_stat_activity WHERE application_name = 'downhaul' AND datname = current_database()",
    )
    .await;
    // The server's ends of the two connections of `up`: a timer of kind 2 is a keepalive, its time
    // is in hundredths of a second (proc(5), /proc/net/tcp). While data is on its way it is another.
    let port = format!(":{:04X}", server.port());
    let begun = Instant::now();
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let keepalives = table
            .lines()
            .filter_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let (kind, left) = fields.get(5)?.split_once(':')?;
                let left = u64::from_str_radix(left, 16).ok()?;
                (fields[1].ends_with(&port) && fields[3] == "01" && kind == "02" && left <= 2000)
                    .then_some(left)
            })
            .count();
        if keepalives >= 2 {
            break;
        }
        let patience = begun.elapsed() < Duration::from_secs(60);
        assert!(patience, "{keepalives} of 2 connections are watched\n{table}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    holder.release().await;
    check(&program.wait(child), Code::Clean, &[]);
}

/// MariaDB: with the performance schema, or the plugin, metadata locks have names; without, the
/// oldest transactions are told. Idle holders are ended either way.
async fn metadata_locks(server: &MariaDb, queued: bool) {
    let database = server.fresh_database().await;
    let program = orders(database.url()).await;
    let mut holder = LockHolder::reader(database.url(), "orders").await;
    tokio::time::sleep(Duration::from_millis(2200)).await;
    let args = ["up", "--yes", "--lock-timeout", "1000", "--lock-retry", "2"];
    let outcome = program.run(&args);
    check(&outcome, Code::Locked, &["(root@127.0.0.1): idle in transaction for"]);
    assert_eq!(outcome.stdout.contains("not queueing behind it"), !queued, "{outcome}");
    assert_eq!(outcome.stdout.contains("on orders"), !queued, "{outcome}");
    holder.session().run("SELECT 1").await;
    tokio::time::sleep(Duration::from_millis(2200)).await;
    let mut args = args.to_vec();
    args.push("--kill-blockers=1s");
    check(&program.run(&args), Code::Clean, &["ended", "1 migration applied"]);
    assert!(holder.session().try_run("SELECT 1").await.is_err(), "the holder lives");
    check(&program.run(&["history"]), Code::Clean, &["ended pid"]);
}

#[tokio::test]
async fn metadata_locks_without_the_performance_schema() {
    metadata_locks(MariaDb::shared(), true).await;
}

#[tokio::test]
async fn metadata_locks_with_the_performance_schema() {
    let server = MariaDbOptions::default()
        .setting("performance-schema=ON")
        .setting("performance-schema-instrument=wait/lock/metadata/sql/mdl=ON")
        .start();
    metadata_locks(&server, false).await;
}

#[tokio::test]
async fn metadata_locks_with_the_plugin() {
    let server = MariaDbOptions::default().start();
    let mut session = Session::connect(&server.url()).await;
    session.run("INSTALL SONAME 'metadata_lock_info'").await;
    metadata_locks(&server, false).await;
}

/// The holder of a row of MariaDB is named too.
#[tokio::test]
async fn the_holder_of_a_row_is_named_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    let program = orders(database.url()).await;
    program.migration(
        "0001_total",
        "UPDATE orders SET note = 'x' WHERE id = 2;\n",
        "UPDATE orders SET note = 'b' WHERE id = 2;\n",
    );
    let holder =
        LockHolder::with_statements(database.url(), "UPDATE orders SET note = 'y' WHERE id = 2")
            .await;
    let outcome = program.run(&["up", "--yes", "--lock-timeout", "1000", "--lock-retry", "1"]);
    check(&outcome, Code::Locked, &["in the way: pid", "holds row locks"]);
    holder.release().await;
    check(&program.run(&["up", "--yes"]), Code::Clean, &["1 migration applied"]);
}

/// Kept values that go back wait as statements do: for a row that somebody holds they try again, and say
/// who it is.
#[tokio::test]
async fn what_goes_back_waits_for_the_holder_of_a_row_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    let program = orders(database.url()).await;
    program.migration("0001_total", "UPDATE orders SET note = 'x' WHERE id = 2;\n", "SELECT 1;\n");
    program.ok(&["up", "--yes"]);
    let holder =
        LockHolder::with_statements(database.url(), "SELECT * FROM orders WHERE id = 2 FOR UPDATE")
            .await;
    let child = program.spawn(&["down", "--yes", "--lock-timeout", "1000", "--lock-retry", "300"]);
    let mut session = Session::connect(database.url()).await;
    // InnoDB's own list of who waits stands still while it is read often.
    let waits = |yes: bool| {
        format!(
            "SELECT IF(count(*) {} 0, 'true', 'false') FROM information_schema.PROCESSLIST \
             WHERE DB = DATABASE() AND INFO LIKE 'INSERT INTO downhaul\\_hold%'",
            if yes { ">" } else { "=" }
        )
    };
    // It gives up its place, and comes again.
    for yes in [true, false, true] {
        until(&mut session, &waits(yes)).await;
    }
    holder.release().await;
    check(&program.wait(child), Code::Clean, &["holds row locks", "1 migration taken back"]);
    let note = session.value("SELECT note FROM orders WHERE id = 2").await;
    assert_eq!(note.as_deref(), Some("b"));
}

/// MariaDB: a transaction that inserts a row and then one that refers to it is not ended because a
/// definition has queued in between (error 1213).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_both_ends_of_a_foreign_key_is_not_ended_on_mariadb() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    const DEFINITIONS: usize = 24;
    let database = MariaDb::shared().fresh_database().await;
    let mut session = Session::connect(database.url()).await;
    session
        .run("CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY, user_id int, KEY of_user (user_id), FOREIGN KEY (user_id) REFERENCES users (id))")
        .await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut up = String::new();
    for at in 0..DEFINITIONS / 3 {
        up.push_str(&format!(
            "ALTER TABLE orders ADD COLUMN c{at} int, ALGORITHM=INSTANT;\n\
             CREATE TRIGGER t{at} BEFORE INSERT ON orders FOR EACH ROW SET NEW.c{at} = 1;\n\
             DROP TRIGGER t{at};\n"
        ));
    }
    program.migration("0001_many", &up, "SELECT 1;\n");
    let over = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicU64::new(0));
    let mut writers = Vec::new();
    for writer in 1..=4_u64 {
        let (url, over, written) = (database.url().to_owned(), over.clone(), written.clone());
        writers.push(tokio::spawn(async move {
            let mut session = Session::connect(&url).await;
            let mut failures = Vec::new();
            let mut id = writer * 1_000_000;
            while !over.load(Ordering::SeqCst) {
                id += 1;
                for sql in [
                    "BEGIN".to_owned(),
                    format!("INSERT INTO users (id) VALUES ({id})"),
                    format!("INSERT INTO orders (id, user_id) VALUES ({id}, {id})"),
                    "COMMIT".to_owned(),
                ] {
                    if let Err(error) = session.try_run(&sql).await {
                        failures.push(format!("{sql}: {error}"));
                    }
                }
                written.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            failures
        }));
    }
    while written.load(Ordering::SeqCst) < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let outcome = tokio::task::spawn_blocking(move || program.run(&["up", "--yes"])).await.unwrap();
    check(&outcome, Code::Clean, &["1 migration applied"]);
    over.store(true, Ordering::SeqCst);
    for writer in writers {
        let failures = writer.await.unwrap();
        assert!(failures.is_empty(), "{:?} of {}", failures.first(), failures.len());
    }
}

/// MariaDB: a server that was killed while it dropped a trigger leaves a file behind, and the name would be
/// taken for good.
#[tokio::test]
async fn what_is_left_of_a_dropped_trigger_is_no_trigger_on_mariadb() {
    let server = MariaDb::start();
    Session::connect(&server.url()).await.run("CREATE DATABASE shop").await;
    let url = server.database_url("shop");
    let mut session = Session::connect(&url).await;
    session.run("CREATE TABLE t (a int)").await;
    session.run("CREATE TRIGGER tt BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1").await;
    let file = server.socket_dir().join("data/shop/tt.TRN");
    let left = std::fs::read(&file).unwrap();
    session.run("DROP TRIGGER tt").await;
    std::fs::write(&file, left).unwrap();
    let program = Program::new(PROGRAM).database(&url);
    program.migration(
        "0001_trigger",
        "CREATE TRIGGER tt BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 2;\nALTER TABLE t ADD COLUMN b int, ALGORITHM=INSTANT;\n",
        "SELECT 1;\n",
    );
    check(&program.run(&["up", "--yes"]), Code::Clean, &["1 migration applied"]);
    session.run("INSERT INTO t (a) VALUES (9)").await;
    assert_eq!(session.value("SELECT a FROM t").await.as_deref(), Some("2"));
}

/// A network that goes away without a word: the server gives the lock of a silent runner to the next
/// one within about a minute.
#[tokio::test]
async fn a_silent_runner_loses_its_lock_on_mariadb() {
    use downhaul_kit::Proxy;
    use downhaul_kit::fault::Fault;
    let server = MariaDb::shared();
    let database = server.fresh_database().await;
    let program = orders(database.url()).await;
    let holder = LockHolder::reader(database.url(), "orders").await;
    let proxy = Proxy::start(server.port());
    let through =
        database.url().replace(&format!(":{}", server.port()), &format!(":{}", proxy.port()));
    let child = program.spawn(&["up", "--yes", "--lock-retry", "600", "--database-url", &through]);
    // It has the right to run, and waits for the table.
    let mut session = Session::connect(database.url()).await;
    until(
        &mut session,
        "SELECT IF(count(*) > 0, 'true', 'false') FROM information_schema.PROCESSLIST \
         WHERE STATE LIKE 'Waiting for table metadata lock%' AND DB = DATABASE()",
    )
    .await;
    session.close().await;
    proxy.set(Fault::Stall);
    holder.release().await;
    let stalled = Instant::now();
    check(
        &program.run(&["up", "--yes", "--wait", "0"]),
        Code::Locked,
        &["another run is going on"],
    );
    let outcome = program.run(&["up", "--yes", "--wait", "110"]);
    check(&outcome, Code::Clean, &[]);
    // Not at once: a runner that is only slow beats its heart every 15 s.
    let took = stalled.elapsed();
    assert!(took > Duration::from_secs(20), "{took:?}");
    downhaul_kit::fault::kill9(child.id());
    let _ = child.wait_with_output();
}
