//! How a batch goes to the server: in one message, beside others a short one, and whatever stands on the
//! table.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::time::{Duration, Instant};

use downhaul_kit::fault::Fault;
use downhaul_kit::{MariaDb, Postgres, Program, Proxy, Session};

use crate::PROGRAM;
use crate::control::{MANY, told};

const FILL: &str = "-- downhaul:phase backfill\n-- downhaul:protect off\nUPDATE users SET b = a;\n";

/// Longest wait for something that has to happen.
const LIMIT: Duration = Duration::from_secs(60);

/// Fills `rows` rows in batches of 20, the smallest, through a proxy that counts what is sent.
/// `sizes` says how many batches there were. The last number is the seconds that it took, rounded up.
async fn messages(url: &str, port: u16, session: &mut Session, rows: u64, sizes: &str) -> [u64; 3] {
    session
        .run(&format!(
            "INSERT INTO users (id, a) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i, i FROM n"
        ))
        .await;
    let proxy = Proxy::start(port);
    let program = Program::new(PROGRAM).database(proxy.url(url, port));
    program.migration("0001_fill", FILL, "SELECT 1;\n");
    proxy.set(Fault::None);
    let begun = Instant::now();
    program.ok(&["up", "--yes"]);
    let seconds = begun.elapsed().as_secs() + 1;
    let sent = proxy.messages();
    let unfilled = "SELECT count(*) FROM users WHERE b IS NULL OR b <> a";
    assert_eq!(session.value(unfilled).await.as_deref(), Some("0"));
    assert_eq!(told(&program, &["--all"])[0]["rows_changed"], rows);
    [sent, session.value(sizes).await.unwrap().parse().unwrap(), seconds]
}

/// Most of a short batch would be the way of its messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_one_message() {
    let server = Postgres::shared();
    let database = server.fresh_database().await;
    let mut session = database.session().await;
    session
        .run(
            "CREATE TABLE users (id int PRIMARY KEY, a int, b int);
             CREATE TABLE sizes (at serial);
             CREATE FUNCTION measure() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               INSERT INTO sizes DEFAULT VALUES; PERFORM pg_sleep(0.005); RETURN NULL; END $$;
             CREATE TRIGGER measure AFTER UPDATE ON users FOR EACH STATEMENT EXECUTE FUNCTION measure()",
        )
        .await;
    let url = database.url().to_owned();
    let busy = tokio::spawn(async move {
        // Ended by force below.
        let _ = Session::connect(&url).await.try_run("SELECT pg_sleep(602)").await;
    });
    let asleep = "SELECT max(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(602)' AND state = 'active'";
    let begun = Instant::now();
    let pid = loop {
        if let Some(pid) = session.value(asleep).await {
            break pid;
        }
        assert!(begun.elapsed() < LIMIT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let count = "SELECT count(*) FROM sizes";
    let [sent, batches, seconds] =
        messages(database.url(), server.port(), &mut session, 6000, count).await;
    session.run(&format!("SELECT pg_terminate_backend({pid})")).await;
    busy.await.unwrap();
    assert!(
        batches > 100,
        "{sent} messages, {batches} batches, though they take five times as long as they should"
    );
    // What others want is asked ten times a second, and who else is at work, and whether the lock is still held,
    // once; the rest of the run takes some messages, and so does a batch that is tried again.
    let most = batches + batches / 4 + 12 * seconds + 100;
    assert!(sent < most, "{sent} messages for {batches} batches in {seconds} s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_one_message_on_mariadb() {
    let server = MariaDb::shared();
    let database = server.fresh_database().await;
    let mut session = database.session().await;
    session.run(MANY).await;
    for sql in [
        "CREATE TABLE users (id int PRIMARY KEY, a int, b int)",
        "CREATE TABLE sizes (at bigint)",
        "CREATE TRIGGER measure BEFORE UPDATE ON users FOR EACH ROW \
         IF SLEEP(0.003) = 0 AND NOT EXISTS (SELECT 1 FROM sizes WHERE at = UNIX_TIMESTAMP(NOW(6)) * 1000000) \
         THEN INSERT INTO sizes VALUES (UNIX_TIMESTAMP(NOW(6)) * 1000000); END IF",
    ] {
        session.run(sql).await;
    }
    let count = "SELECT count(*) FROM sizes";
    let [sent, batches, _] =
        messages(database.url(), server.port(), &mut session, 3000, count).await;
    assert!(batches > 40, "{sent} messages, {batches} batches");
    assert!(sent < 4 * batches, "{sent} messages for {batches} batches");
}

/// A rule that adds something to each `UPDATE` cannot stand within a statement that counts its rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_with_rules_is_filled() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    session
        .run(
            "CREATE TABLE users (id int PRIMARY KEY, a int, b int);
             CREATE TABLE notes (n bigint);
             CREATE RULE noted AS ON UPDATE TO users DO ALSO INSERT INTO notes VALUES (1);
             INSERT INTO users SELECT i, i FROM generate_series(1, 3000) i",
        )
        .await;
    let program = Program::new(PROGRAM).database(database.url());
    program.migration("0001_fill", FILL, "SELECT 1;\n");
    program.ok(&["up", "--yes"]);
    let unfilled = "SELECT count(*) FROM users WHERE b IS DISTINCT FROM a";
    assert_eq!(session.value(unfilled).await.as_deref(), Some("0"));
    assert_eq!(told(&program, &["--all"])[0]["rows_changed"], 3000);
    assert_ne!(session.value("SELECT count(*) FROM notes").await.as_deref(), Some("0"));
}

/// What a batch fails with is told of its statement, and not of the message that it was part of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_fails_is_told_as_its_statement() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = database.session().await;
    session
        .run(
            "CREATE TABLE users (id int PRIMARY KEY, a int, b int CHECK (b < 2500));
             INSERT INTO users SELECT i, i FROM generate_series(1, 3000) i",
        )
        .await;
    let program = Program::new(PROGRAM).database(database.url());
    program.migration("0001_fill", FILL, "SELECT 1;\n");
    let outcome = program.run(&["up", "--yes"]);
    assert_ne!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.stderr.contains("users_b_check"), "{outcome}");
    assert!(!outcome.to_string().contains("synchronous_commit"), "{outcome}");
    // What was filled before stays, and is not done again.
    let before = session.value("SELECT count(*) FROM users WHERE b = a").await.unwrap();
    assert_ne!(before, "0");
    session.run("ALTER TABLE users DROP CONSTRAINT users_b_check").await;
    program.ok(&["up", "--yes"]);
    assert_eq!(told(&program, &["--all"])[0]["rows_changed"], 3000);
}
