//! The promise: through pgbouncer in transaction mode everything works as it does without, nothing of
//! ours reaches the next client, and what cannot work is refused before it begins.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::time::{Duration, Instant};

use downhaul::exit_code::Code;
use downhaul_kit::{DatabaseHandle, LockHolder, PgBouncer, Photograph, Postgres, Program, check};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

struct Stage {
    bouncer: PgBouncer,
    database: DatabaseHandle,
    name: String,
    program: Program,
}

/// A pooler with few sessions, so that every statement may meet another one.
async fn stage(mode: &str) -> Stage {
    let server = Postgres::shared();
    let database = server.fresh_database().await;
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    let bouncer = PgBouncer::start(server, mode, 4);
    let program = Program::new(PROGRAM).database(bouncer.database_url(&name));
    Stage { bouncer, database, name, program }
}

impl Stage {
    /// Waits until a run has the migration lock.
    async fn somebody_runs(&self) {
        let mut direct = self.database.session().await;
        let begun = Instant::now();
        let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted \
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while direct.value(held).await.as_deref() == Some("0") {
            assert!(begun.elapsed() < Duration::from_secs(60), "nobody took the lock");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the next clients of the pool find: settings, and locks that nobody of them took.
    async fn leaks(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..4 {
            let mut client = self.bouncer.session(&self.name).await;
            client.run("BEGIN").await;
            clients.push(client);
        }
        for client in &mut clients {
            for (setting, expect) in [
                ("lock_timeout", "0"),
                ("statement_timeout", "0"),
                ("search_path", "\"$user\", public"),
                ("work_mem", "4MB"),
                ("client_min_messages", "notice"),
            ] {
                let value = client.value(&format!("SHOW {setting}")).await.unwrap();
                if value != expect {
                    found.push(format!("{setting} = {value}"));
                }
            }
        }
        let mut direct = self.database.session().await;
        let locks = direct
            .value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
            .await
            .unwrap();
        if locks != "0" {
            found.push(format!("{locks} advisory locks"));
        }
        found
    }
}

/// Three migrations: data that is lost and comes back, a session setting, a concurrent index.
fn migrations(program: &Program) {
    program.migration(
        "0001_customers",
        "CREATE TABLE customers (id int PRIMARY KEY, name text, fax text);\n\
         INSERT INTO customers SELECT i, 'c' || i, i::text FROM generate_series(1, 500) i;\n",
        "DROP TABLE customers;\n",
    );
    program.migration(
        "0002_setting",
        "SET work_mem = '7MB';\nSET search_path = public;\nCREATE TABLE sorted AS SELECT * FROM customers ORDER BY name;\n",
        "DROP TABLE sorted;\n",
    );
    program.migration(
        "0003_index",
        "CREATE INDEX CONCURRENTLY customers_name ON customers (name);\n",
        "DROP INDEX CONCURRENTLY customers_name;\n",
    );
    program.migration(
        "0004_no_fax",
        "ALTER TABLE customers DROP COLUMN fax;\nDELETE FROM customers WHERE id > 400;\n",
        "ALTER TABLE customers ADD COLUMN fax text;\n",
    );
}

async fn up_and_down(mode: &str) {
    let stage = stage(mode).await;
    migrations(&stage.program);
    check(
        &stage.program.run(&["up", "--yes", "--steps", "3"]),
        Code::Clean,
        &["3 migrations applied"],
    );
    let mut session = stage.database.session().await;
    let before = Photograph::of(&mut session).await;
    check(&stage.program.run(&["up", "--yes"]), Code::Clean, &["1 migration applied"]);
    assert!(!before.differences(&Photograph::of(&mut session).await).is_empty());
    check(&stage.program.run(&["verify"]), Code::Clean, &[]);
    check(&stage.program.run(&["down", "--yes"]), Code::Clean, &["fax in"]);
    let differences = before.differences(&Photograph::of(&mut session).await);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    check(
        &stage.program.run(&["down", "--yes", "--all"]),
        Code::Clean,
        &["3 migrations taken back"],
    );
    check(&stage.program.run(&["status"]), Code::Clean, &["0 applied, 4 pending"]);
    assert_eq!(stage.leaks().await, Vec::<String>::new());
}

#[tokio::test]
async fn up_and_down_in_transaction_mode() {
    up_and_down("transaction").await;
}

#[tokio::test]
async fn up_and_down_in_session_mode() {
    up_and_down("session").await;
}

/// Through the pooler or past it, there is one runner at a time; and one that is killed leaves no
/// lock in the pool.
#[tokio::test]
async fn one_runner_at_a_time_whichever_way_it_comes() {
    let stage = stage("transaction").await;
    migrations(&stage.program);
    check(&stage.program.run(&["up", "--yes", "--steps", "2"]), Code::Clean, &[]);
    let direct = Program::new(PROGRAM).database(stage.database.url());
    migrations(&direct);

    let holder = LockHolder::reader(stage.database.url(), "customers").await;
    stage.program.migration(
        "0003_index",
        "ALTER TABLE customers ADD COLUMN x int;\n",
        "ALTER TABLE customers DROP COLUMN x;\n",
    );
    direct.migration(
        "0003_index",
        "ALTER TABLE customers ADD COLUMN x int;\n",
        "ALTER TABLE customers DROP COLUMN x;\n",
    );
    let first = stage.program.spawn(&["up", "--yes", "--steps", "1", "--lock-retry", "600"]);
    stage.somebody_runs().await;
    for other in [&direct, &stage.program] {
        let outcome = other.run(&["up", "--yes", "--wait", "0"]);
        check(&outcome, Code::Locked, &["another run is going on"]);
    }
    downhaul_kit::fault::kill9(first.id());
    let _ = first.wait_with_output();
    holder.release().await;
    // Neither a session of the pool nor anybody else has kept its lock.
    check(
        &direct.run(&["up", "--yes", "--steps", "1", "--wait", "60"]),
        Code::Clean,
        &["1 migration applied"],
    );

    let holder = LockHolder::reader(stage.database.url(), "customers").await;
    let first = direct.spawn(&["down", "--yes", "--lock-retry", "600"]);
    stage.somebody_runs().await;
    let outcome = stage.program.run(&["up", "--yes", "--wait", "0"]);
    check(&outcome, Code::Locked, &["another run is going on"]);
    holder.release().await;
    check(&direct.wait(first), Code::Clean, &[]);
    check(&stage.program.run(&["up", "--yes"]), Code::Clean, &["2 migrations applied"]);
    assert_eq!(stage.leaks().await, Vec::<String>::new());
}

/// A lock budget holds there too: in a transaction it is set for it alone.
#[tokio::test]
async fn a_lock_is_not_waited_for_longer_than_its_budget() {
    let stage = stage("transaction").await;
    migrations(&stage.program);
    check(&stage.program.run(&["up", "--yes", "--steps", "3"]), Code::Clean, &[]);
    let holder = LockHolder::reader(stage.database.url(), "customers").await;
    let outcome = stage.program.run(&["up", "--yes", "--lock-timeout", "200", "--lock-retry", "1"]);
    check(&outcome, Code::Locked, &["in the way: pid"]);
    holder.release().await;
    assert_eq!(stage.leaks().await, Vec::<String>::new());
}

/// What would need a setting for its session is refused before anything runs.
#[tokio::test]
async fn what_needs_a_session_is_refused() {
    let stage = stage("transaction").await;
    migrations(&stage.program);
    stage.program.migration(
        "0003_index",
        "CREATE TABLE before (a int);\nVACUUM FULL customers;\n",
        "DROP TABLE before;\n",
    );
    let outcome = stage.program.run(&["up", "--yes"]);
    check(
        &outcome,
        Code::SnapshotNotSound,
        &["VACUUM FULL", "behind a pooler", "connect to the server itself"],
    );
    let mut session = stage.database.session().await;
    assert_eq!(session.value("SELECT to_regclass('before')::text").await, None);
    let direct = Program::new(PROGRAM).database(stage.database.url());
    migrations(&direct);
    direct.migration(
        "0003_index",
        "CREATE TABLE before (a int);\nVACUUM FULL customers;\n",
        "DROP TABLE before;\n",
    );
    check(&direct.run(&["up", "--yes"]), Code::Clean, &["2 migrations applied"]);
}

/// Batches of a backfill meet any of the pool's sessions: each row is filled once, also where the run is
/// killed, and their settings stay with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_filled_in_batches() {
    let stage = stage("transaction").await;
    let mut session = stage.database.session().await;
    session
        .run("CREATE TABLE filled (id int PRIMARY KEY, v int NOT NULL DEFAULT 0); INSERT INTO filled SELECT generate_series(1, 60000); ANALYZE filled")
        .await;
    stage.program.migration(
        "0001_fill",
        "-- downhaul:phase backfill\n-- downhaul:protect off\nUPDATE filled SET v = v + 1;\n",
        "SELECT 1;\n",
    );
    let mut child = stage.program.spawn(&["up", "--yes"]);
    let begun = Instant::now();
    while session.value("SELECT v FROM filled WHERE id = 1").await.as_deref() == Some("0") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never begins");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let outcome = stage.program.ok(&["up", "--yes"]);
    assert!(outcome.to_string().contains("was cut off in this backfill"), "{outcome}");
    let odd = session.value("SELECT count(*) FROM filled WHERE v <> 1").await;
    assert_eq!(odd.as_deref(), Some("0"), "rows that were not filled once");
    let mut leaks = stage.leaks().await;
    for _ in 0..4 {
        let mut client = stage.bouncer.session(&stage.name).await;
        let value = client.value("SHOW synchronous_commit").await.unwrap();
        if value != "on" {
            leaks.push(format!("synchronous_commit = {value}"));
        }
    }
    assert_eq!(leaks, Vec::<String>::new());
}
