//! A backfill is looked at, paused, slowed and let go on from another session, and rests by itself
//! when it is told to by a query.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::time::{Duration, Instant};

use downhaul_kit::{MariaDb, Postgres, Program, Session, SqliteFile};
use serde_json::Value;

use crate::PROGRAM;

/// Longest wait for something that has to happen.
const LIMIT: Duration = Duration::from_secs(60);

const FILL: &str = "-- downhaul:phase backfill\n-- downhaul:protect off\nUPDATE users SET b = a WHERE b IS NULL;\n";

/// MariaDB and MySQL end a recursion after 1000 rounds.
pub(crate) const MANY: &str = "SET SESSION /*M! max_recursive_iterations = 100000 */ /*!80003 cte_max_recursion_depth = 100000 */";

/// The backfills that the program tells.
pub(crate) fn told(program: &Program, args: &[&str]) -> Vec<Value> {
    let mut all = vec!["backfill", "status", "--format", "json"];
    all.extend(args);
    let outcome = program.ok(&all);
    let value: Value = serde_json::from_str(&outcome.stdout).unwrap();
    value["backfills"].as_array().unwrap().clone()
}

/// Waits until the one backfill is as wanted.
pub(crate) async fn until(program: &Program, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let found = told(program, &[]);
        if let [one] = found.as_slice()
            && wanted(one)
        {
            return one.clone();
        }
        assert!(begun.elapsed() < LIMIT, "never {what}: {found:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) fn reason(backfill: &Value) -> &str {
    backfill["reason"].as_str().unwrap_or_default()
}

/// `more` goes into the configuration.
pub(crate) async fn steered(program: &Program, session: &mut Session, rows: u64, more: &str) {
    program.migration(
        "0001_base",
        "CREATE TABLE users (id int PRIMARY KEY, a int, b int);\nCREATE TABLE burden (reason varchar(50));",
        "SELECT 1;\n",
    );
    program.ok(&["up", "--yes"]);
    session
        .run(&format!(
            "INSERT INTO users (id, a) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i, i FROM n"
        ))
        .await;
    session.run("INSERT INTO burden VALUES ('checkout is slow')").await;
    program.migration("0002_fill", FILL, "SELECT 1;\n");
    let config = format!("[backfill]\n{more}throttle-query = \"SELECT max(reason) FROM burden\"\n");
    program.write("downhaul.toml", config);
    let none = program.run(&["backfill", "pause"]);
    assert_eq!(none.code, Some(1), "{none}");

    let child = program.spawn(&["up", "--yes"]);
    let waits = until(program, "throttled", |b| reason(b).contains("checkout is slow")).await;
    assert_eq!(waits["rows_changed"], 0, "{waits}");
    program.ok(&["backfill", "speed", "50"]);
    program.ok(&["backfill", "pause"]);
    session.run("UPDATE burden SET reason = NULL").await;
    let paused = until(program, "paused", |b| reason(b) == "paused").await;
    assert_eq!((&paused["speed"], &paused["paused"]), (&50.into(), &true.into()));
    assert_eq!(paused["rows_changed"], 0, "a paused backfill works: {paused}");

    // A throttle query that fails pauses, and says so.
    session.run("ALTER TABLE burden RENAME TO elsewhere").await;
    program.ok(&["backfill", "resume", "--of", "0002"]);
    let failed = until(program, "paused by the query", |b| b["paused"] == true).await;
    assert!(reason(&failed).contains("the throttle query fails"), "{failed}");
    let pretty = program.ok(&["backfill", "status"]);
    assert!(pretty.stdout.contains("paused because the throttle query fails"), "{pretty}");
    session.run("ALTER TABLE elsewhere RENAME TO burden").await;
    program.ok(&["backfill", "speed", "auto"]);
    assert_eq!(told(program, &[])[0]["speed"], Value::Null, "it is left to itself");
    let pretty = program.ok(&["backfill", "status"]);
    assert!(pretty.stdout.contains("full speed while nobody else is at work"), "{pretty}");
    assert_eq!(program.run(&["backfill", "speed", "101"]).code, Some(2));
    program.ok(&["backfill", "resume"]);

    let outcome = program.wait(child);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(
        outcome.stderr.contains("the throttle query fails")
            || outcome.stdout.contains("the throttle query fails"),
        "{outcome}"
    );
    assert_eq!(told(program, &[]), [] as [Value; 0]);
    let done = told(program, &["--all"]);
    assert_eq!(done[0]["rows_changed"], rows, "{done:#?}");
    assert_eq!((&done[0]["done"], &done[0]["rows_left"]), (&true.into(), &0.into()));
    assert_eq!(
        session.value("SELECT count(*) FROM users WHERE b = a").await,
        Some(rows.to_string())
    );
    // One that never worked is told at once, and nothing is changed.
    program.ok(&["down", "--yes"]);
    session.run("UPDATE users SET b = NULL").await;
    program
        .write("downhaul.toml", "[backfill]\nthrottle-query = \"SELECT nonsense FROM burden\"\n");
    let refused = program.run(&["up", "--yes"]);
    assert!(refused.code != Some(0), "{refused}");
    assert!(refused.stderr.contains("the throttle query of the configuration fails"), "{refused}");
    assert_eq!(session.value("SELECT count(*) FROM users WHERE b = a").await.as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_is_steered_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    steered(&Program::new(PROGRAM).database(database.url()), &mut session, 6000, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_is_steered_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    let mut session = database.session().await;
    session.run(MANY).await;
    steered(&Program::new(PROGRAM).database(database.url()), &mut session, 6000, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_is_steered_on_sqlite() {
    let file = SqliteFile::new();
    let mut session = file.session().await;
    steered(&Program::new(PROGRAM).database(file.url()), &mut session, 6000, "").await;
}

/// A batch is as many rows as it says, in the order of the key and not of the key's text, in which
/// the thousandth of 20,000 numbers is 10,899.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_as_large_as_it_says() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    let program = Program::new(PROGRAM).database(database.url());
    program.migration(
        "0001_base",
        "CREATE TABLE users (id int PRIMARY KEY, a int, b int);
         CREATE TABLE sizes (at serial, changed bigint);
         CREATE FUNCTION measure() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO sizes (changed) SELECT count(*) FROM fresh; RETURN NULL; END $$;
         CREATE TRIGGER measure AFTER UPDATE ON users REFERENCING NEW TABLE AS fresh
           FOR EACH STATEMENT EXECUTE FUNCTION measure();",
        "SELECT 1;\n",
    );
    program.ok(&["up", "--yes"]);
    session.run("INSERT INTO users (id, a) SELECT i, i FROM generate_series(1, 20000) i").await;
    program.migration("0002_fill", FILL, "SELECT 1;\n");
    program.ok(&["up", "--yes"]);
    let first = session.value("SELECT changed FROM sizes ORDER BY at LIMIT 1").await;
    assert_eq!(first.as_deref(), Some("1000"));
    // None is more than twice as large as the one before.
    let grown = session
        .value(
            "SELECT count(*) FROM (SELECT changed, lag(changed) OVER (ORDER BY at) AS before FROM sizes) s WHERE changed > 2 * before",
        )
        .await;
    assert_eq!(grown.as_deref(), Some("0"));
    let all = session.value("SELECT sum(changed) FROM sizes").await;
    assert_eq!(all.as_deref(), Some("20000"));
}

/// Beside a session that is at work a batch of 1,000 rows that takes two seconds is too long: it rests, and
/// the next one is smaller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_others_batches_are_short() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    let program = Program::new(PROGRAM).database(database.url());
    program.migration(
        "0001_base",
        "CREATE TABLE users (id int PRIMARY KEY, a int, b int);
         CREATE TABLE sizes (at serial, changed bigint, noted timestamptz DEFAULT clock_timestamp());
         CREATE FUNCTION measure() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO sizes (changed) SELECT count(*) FROM fresh;
           PERFORM pg_sleep((SELECT count(*) FROM fresh) * 0.002); RETURN NULL; END $$;
         CREATE TRIGGER measure AFTER UPDATE ON users REFERENCING NEW TABLE AS fresh
           FOR EACH STATEMENT EXECUTE FUNCTION measure();",
        "SELECT 1;\n",
    );
    program.ok(&["up", "--yes"]);
    session.run("INSERT INTO users (id, a) SELECT i, i FROM generate_series(1, 1600) i").await;
    program.migration("0002_fill", FILL, "SELECT 1;\n");
    let url = database.url().to_owned();
    let busy = tokio::spawn(async move {
        // Ended by force below.
        let _ = Session::connect(&url).await.try_run("SELECT pg_sleep(601)").await;
    });
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(601)' AND state = 'active'";
    let begun = Instant::now();
    while session.value(asleep).await.as_deref() != Some("1") {
        assert!(begun.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    program.ok(&["up", "--yes"]);
    session
        .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(601)'")
        .await;
    busy.await.unwrap();
    let sizes = session.rows("SELECT changed FROM sizes ORDER BY at LIMIT 2").await;
    let sizes: Vec<&str> = sizes.iter().filter_map(|row| row[0].as_deref()).collect();
    assert_eq!(sizes, ["1000", "500"], "half as large, and not more at a time");
    // The first batch slept for two seconds behind its note; what lies between is the rest.
    let rested = "SELECT (SELECT noted FROM sizes WHERE at = 2) - (SELECT noted FROM sizes WHERE at = 1) > interval '2.1 s'";
    assert_eq!(session.value(rested).await.as_deref(), Some("t"), "it did not rest");
    assert_eq!(
        session.value("SELECT count(*) FROM users WHERE b = a").await.as_deref(),
        Some("1600")
    );
}

/// With somebody at work beside it, a backfill waits, says why, and goes on when they are gone.
async fn gives_way_to_sessions(url: String, sleep: &'static str, end: &str) {
    let program = Program::new(PROGRAM).database(&url);
    program.migration(
        "0001_base",
        "CREATE TABLE users (id int PRIMARY KEY, a int, b int);",
        "SELECT 1;\n",
    );
    program.ok(&["up", "--yes"]);
    let mut session = Session::connect(&url).await;
    if matches!(session, Session::MySql(_)) {
        session.run(MANY).await;
    }
    session
        .run("INSERT INTO users (id, a) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) SELECT i, i FROM n")
        .await;
    program.migration("0002_fill", FILL, "SELECT 1;\n");
    // Our own sessions are no reason to wait.
    program.write("downhaul.toml", "[backfill]\nactive-sessions = 0\nparallel = 2\n");
    let busy = tokio::spawn(async move {
        let mut busy = Session::connect(&url).await;
        // Ended by force below.
        let _ = busy.try_run(sleep).await;
    });
    let child = program.spawn(&["up", "--yes"]);
    let waits = until(&program, "throttled", |b| reason(b).contains("at work (limit 0)")).await;
    assert_eq!(waits["rows_changed"], 0, "{waits}");
    for row in session.rows(end).await {
        if let Some(statement) = row.first().cloned().flatten() {
            session.run(&statement).await;
        }
    }
    busy.await.unwrap();
    let outcome = program.wait(child);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert_eq!(
        session.value("SELECT count(*) FROM users WHERE b = a").await.as_deref(),
        Some("4000")
    );
}

/// Servers of their own: what other tests do would count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_gives_way_to_sessions() {
    let postgres = Postgres::start();
    let database = postgres.fresh_database().await;
    gives_way_to_sessions(
        database.url().to_owned(),
        "SELECT pg_sleep(600)",
        "SELECT 'SELECT pg_terminate_backend(' || pid || ')' FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(6%' AND pid <> pg_backend_pid()",
    )
    .await;
    let maria = MariaDb::start();
    let database = maria.fresh_database().await;
    gives_way_to_sessions(
        database.url().to_owned(),
        "SELECT SLEEP(600)",
        "SELECT CONCAT('KILL ', ID) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP(6%'",
    )
    .await;
}

/// While a streaming replica does not replay what it is sent, the backfill waits and names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_waits_for_a_replica() {
    let primary = Postgres::start();
    let standby = primary.standby("behind");
    let mut replica = Session::connect(&standby.url()).await;
    let database = primary.fresh_database().await;
    let mut session = database.session().await;
    let program = Program::new(PROGRAM).database(database.url());
    session.run("CREATE TABLE users (id int PRIMARY KEY, a int, b int)").await;
    session.run("INSERT INTO users (id, a) SELECT g, g FROM generate_series(1, 3000) g").await;
    program.migration("0001_fill", FILL, "SELECT 1;\n");
    program.write("downhaul.toml", "[backfill]\nreplica-lag = 1\n");
    let begun = Instant::now();
    // It has replayed something by now, and nothing more from here on.
    while replica
        .try_rows("SELECT 1 FROM pg_database WHERE datname LIKE 'fresh%'")
        .await
        .is_ok_and(|r| r.is_empty())
    {
        assert!(begun.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    replica.run("SELECT pg_wal_replay_pause()").await;
    let lag = "SELECT count(*) FROM pg_stat_replication WHERE replay_lag > '1 s'";
    while session.value(lag).await.as_deref() != Some("1") {
        assert!(begun.elapsed() < LIMIT, "the server sees no lag");
        session.run("CREATE TABLE IF NOT EXISTS noise (i int); INSERT INTO noise VALUES (1)").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let child = program.spawn(&["up", "--yes"]);
    let waits =
        until(&program, "throttled", |b| reason(b) == "the replica behind is more than 1 s behind")
            .await;
    assert_eq!(waits["rows_changed"], 0, "{waits}");
    replica.run("SELECT pg_wal_replay_resume()").await;
    let outcome = program.wait(child);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.to_string().contains("the backfill goes on"), "{outcome}");
    assert_eq!(
        session.value("SELECT count(*) FROM users WHERE b = a").await.as_deref(),
        Some("3000")
    );
}

/// Keys of every kind are walked to the end, none missed, on every engine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_key_is_walked() {
    let postgres = Postgres::shared().fresh_database().await;
    let maria = MariaDb::shared().fresh_database().await;
    let sqlite = SqliteFile::new();
    let tables: [(&str, &str, &str); 7] = [
        ("number", "id bigint PRIMARY KEY", "i - 2000"),
        ("words", "id varchar(60) PRIMARY KEY", "concat('O''Neil \\\\ ', i)"),
        ("pair", "id int, part varchar(20), PRIMARY KEY (id, part)", "i % 7, concat('p', i)"),
        ("days", "id date PRIMARY KEY", "DAY"),
        ("keyless", "id int", "i"),
        ("bytes", "id BYTES PRIMARY KEY", "RAW"),
        ("amount", "id decimal(12,3) PRIMARY KEY", "i / 8.0"),
    ];
    for (url, mut session, engine) in [
        (postgres.url().to_owned(), postgres.session().await, "postgres"),
        (maria.url().to_owned(), maria.session().await, "mariadb"),
        (sqlite.url(), sqlite.session().await, "sqlite"),
    ] {
        if engine == "mariadb" {
            session.run(MANY).await;
        }
        let program = Program::new(PROGRAM).database(url);
        let mut fill = "-- downhaul:phase backfill\n-- downhaul:protect off\n".to_owned();
        for (table, columns, key) in tables {
            let (bytes, raw, day, key) = match engine {
                "postgres" => (
                    "uuid",
                    "md5(i::text)::uuid",
                    "date '2001-01-01' + i",
                    key.replace("\\\\", "\\"),
                ),
                "mariadb" => (
                    "binary(16)",
                    "unhex(left(sha2(i, 256), 32))",
                    "date_add('2001-01-01', interval i day)",
                    key.to_owned(),
                ),
                _ => (
                    "blob",
                    "randomblob(16)",
                    "date('2001-01-01', i || ' days')",
                    key.replace("concat('O''Neil \\\\ ', i)", "'O''Neil ' || i")
                        .replace("concat('p', i)", "'p' || i"),
                ),
            };
            let columns = columns.replace("BYTES", bytes);
            let key = key.replace("DAY", day).replace("RAW", raw);
            session.run(&format!("CREATE TABLE {table} (v int, {columns})")).await;
            let names = if table == "pair" { "id, part" } else { "id" };
            session
                .run(&format!(
                    "INSERT INTO {table} ({names}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3500) SELECT {key} FROM n"
                ))
                .await;
            fill.push_str(&format!("UPDATE {table} SET v = 1 WHERE v IS NULL;\n"));
        }
        program.migration("0001_fill", &fill, "SELECT 1;\n");
        program.ok(&["up", "--yes"]);
        for (table, ..) in tables {
            let unfilled = format!("SELECT count(*) FROM {table} WHERE v IS NULL");
            assert_eq!(session.value(&unfilled).await.as_deref(), Some("0"), "{engine} {table}");
        }
        let done = told(&program, &["--all"]);
        assert_eq!(done.len(), tables.len(), "{engine}: {done:#?}");
        for backfill in done {
            assert_eq!(backfill["rows_changed"], 3500, "{engine}: {backfill}");
        }
    }
}

/// Rows that somebody holds: `backfill status` says that it waits for them, and for whom.
async fn held(url: &str) {
    let program = Program::new(PROGRAM).database(url);
    let mut session = Session::connect(url).await;
    program.migration(
        "0001_base",
        "CREATE TABLE users (id int PRIMARY KEY, a int, b int);\nINSERT INTO users VALUES (1, 1, NULL), (2, 2, NULL);",
        "SELECT 1;\n",
    );
    program.ok(&["up", "--yes"]);
    program.migration("0002_fill", FILL, "SELECT 1;\n");
    session.run("BEGIN").await;
    session.run("UPDATE users SET a = 3 WHERE id = 2").await;
    // Where the first wait takes all the time that there is, the holder is named too.
    let outcome = program.run(&["up", "--yes", "--lock-retry", "0", "--lock-timeout", "200"]);
    assert_ne!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.stderr.contains("in the way: pid "), "{outcome}");
    assert!(outcome.stderr.contains("give it longer with --lock-retry"), "{outcome}");
    let child = program.spawn(&["up", "--yes", "--lock-timeout", "200"]);
    let waits = until(&program, "seen to wait", |b| reason(b).contains("a lock is held by")).await;
    // On PostgreSQL the batch is made smaller until it holds no row but the one that it waits for.
    assert!(waits["rows_changed"].as_u64() < Some(2), "{waits}");
    session.run("COMMIT").await;
    let outcome = child.wait_with_output().unwrap();
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(session.value("SELECT sum(b) FROM users").await.as_deref(), Some("4"));
    let told = told(&program, &["--all"]);
    assert_eq!(reason(&told[0]), "", "nothing is waited for any more: {told:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_says_for_whom_it_waits_on_postgres() {
    held(Postgres::shared().fresh_database().await.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backfill_says_for_whom_it_waits_on_mariadb() {
    held(MariaDb::shared().fresh_database().await.url()).await;
}

/// A run that ends because a table is locked is written down as ended, and one that was killed is told from
/// one that is at work: by `status`, by `backfill status`, and by a run that comes second.
async fn told_apart(url: &str, lock: [&str; 2], analyze: &str) {
    let program = Program::new(PROGRAM).database(url);
    let mut session = Session::connect(url).await;
    program.migration(
        "0001_base",
        "CREATE TABLE users (id int PRIMARY KEY, a int, b int);\nINSERT INTO users VALUES (1, 1, NULL), (2, 2, NULL);",
        "SELECT 1;\n",
    );
    program.ok(&["up", "--yes"]);
    program.migration("0002_fill", FILL, "SELECT 1;\n");
    let mut looks = Session::connect(url).await;
    let gives_up = ["up", "--yes", "--lock-retry", "0", "--lock-timeout", "200"];
    // A table of which the server does not guess the rows is counted, which waits no longer than a batch.
    for statement in lock {
        session.run(statement).await;
    }
    let outcome = program.run(&gives_up);
    assert_ne!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.stderr.contains("in the way: pid "), "{outcome}");
    session.run("ROLLBACK").await;
    session.run(analyze).await;
    for statement in lock {
        session.run(statement).await;
    }
    let outcome = program.run(&gives_up);
    assert_ne!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.stderr.contains("in the way: pid "), "{outcome}");
    let history = program.ok(&["history"]);
    assert!(history.stdout.contains("failed"), "{history}");
    let status = program.ok(&["status"]);
    assert!(!status.stdout.contains("going on"), "{status}");
    assert!(!status.stdout.contains("cut off"), "{status}");

    let up = ["up", "--yes", "--lock-timeout", "200", "--lock-retry", "600"];
    let mut child = program.spawn(&up);
    let waits = until(&program, "seen to wait", |b| reason(b).contains("a lock is held by")).await;
    assert_eq!(waits["cut_off"], false, "{waits}");
    let status = program.ok(&["status"]);
    assert!(status.stdout.contains("is going on: server "), "{status}");
    let second = program.run(&["up", "--yes", "--wait", "0"]);
    let run = "another run is going on: run 4 (`up`) by ";
    assert!(second.stderr.contains(run), "{second}");
    assert!(second.stderr.contains("`downhaul backfill status`"), "{second}");

    child.kill().unwrap();
    child.wait().unwrap();
    let cut = until(&program, "seen to be cut off", |b| b["cut_off"] == true).await;
    assert_eq!(cut["seconds_left"], Value::Null, "{cut}");
    let status = program.ok(&["status"]);
    assert!(status.stdout.contains(", was cut off; the next"), "{status}");
    let shown = program.ok(&["backfill", "status"]);
    let next = "cut off, no run is at work: `downhaul up --to 0002` continues it";
    assert!(shown.stdout.contains(next), "{shown}");
    let paused = program.ok(&["backfill", "pause"]);
    assert!(paused.stdout.contains("no run is at work now"), "{paused}");
    program.ok(&["backfill", "resume"]);
    session.run("ROLLBACK").await;
    program.ok(&["up", "--yes"]);
    assert_eq!(looks.value("SELECT sum(b) FROM users").await.as_deref(), Some("3"));
    assert_eq!(told(&program, &["--all"])[0]["cut_off"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_at_work_is_told_from_one_that_is_gone_on_postgres() {
    let lock = ["BEGIN", "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"];
    told_apart(Postgres::shared().fresh_database().await.url(), lock, "ANALYZE users").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_at_work_is_told_from_one_that_is_gone_on_mariadb() {
    let lock = ["BEGIN", "UPDATE users SET a = 7 WHERE id = 2"];
    told_apart(MariaDb::shared().fresh_database().await.url(), lock, "ANALYZE TABLE users").await;
}

/// Once the session that holds the right to run has ended another run may begin: the one that lost it stops at
/// once, not with the next beat of its heart (15 s).
async fn stops_without_its_lock(url: &str, end: &str) {
    let mut session = Session::connect(url).await;
    if matches!(session, Session::MySql(_)) {
        session.run(MANY).await;
    }
    let program = Program::new(PROGRAM).database(url);
    session.run("CREATE TABLE users (id int PRIMARY KEY, a int, b int)").await;
    session
        .run("INSERT INTO users (id, a) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i, i FROM n")
        .await;
    program.migration("0001_fill", FILL, "SELECT 1;\n");
    program.write(
        "downhaul.toml",
        "[backfill]\nthrottle-query = \"SELECT max(reason) FROM burden\"\n",
    );
    session.run("CREATE TABLE burden (reason varchar(50))").await;
    session.run("INSERT INTO burden VALUES ('busy')").await;
    let child = program.spawn(&["up", "--yes"]);
    until(&program, "seen to wait", |b| reason(b).contains("busy")).await;
    let ended = Instant::now();
    session.rows(end).await;
    let outcome = child.wait_with_output().unwrap();
    assert!(ended.elapsed() < Duration::from_secs(10), "{:?}", ended.elapsed());
    let told = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.code(), Some(3), "{told}");
    assert!(told.contains("the migration lock was lost"), "{told}");
    session.run("DELETE FROM burden").await;
    program.ok(&["up", "--yes"]);
    assert_eq!(session.value("SELECT count(b) FROM users").await.as_deref(), Some("5000"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_stops_without_its_lock_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    let end = "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    stops_without_its_lock(database.url(), end).await;
}
