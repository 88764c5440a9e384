//! A column from another table: who waits for whom, one step after the other, and what a transaction
//! does that sees an old snapshot.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::time::Duration;

use downhaul_kit::{MariaDb, Postgres, Program, Session};

use crate::PROGRAM;

const BASE: &str = "CREATE TABLE customers (id int PRIMARY KEY, name varchar(40), n int DEFAULT 0);\n\
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, n int DEFAULT 0);\n\
    CREATE INDEX orders_customer ON orders (customer_id);\n\
    INSERT INTO customers VALUES (1, 'one', 0), (2, 'two', 0), (3, 'three', 0);\n\
    INSERT INTO orders VALUES (1, 1, 0), (2, 2, 0), (3, 3, 0);";

const CHANGE: &str = "-- downhaul:forward \"(SELECT name FROM customers c WHERE c.id = customer_id)\"\n\
    ALTER TABLE orders ADD COLUMN customer_name varchar(40);";

const NAMES: &str = "SELECT customer_name FROM orders ORDER BY id";

/// Both releases are at work: everything but the contract is applied.
async fn staged(url: &str, dialect: &str) -> Program {
    let program = Program::new(PROGRAM).database(url);
    program.migration("0001_base", BASE, "SELECT 1;\n");
    program.write("drafts/change.sql", CHANGE);
    program.ok(&["expand", "drafts/change.sql", "--dialect", dialect]);
    program.ok(&["up", "--yes", "--steps", "3"]);
    program
}

async fn names(session: &mut Session) -> String {
    let rows = session.rows(NAMES).await;
    let names: Vec<String> =
        rows.iter().map(|row| row[0].clone().unwrap_or_else(|| "-".to_owned())).collect();
    names.join(" ")
}

/// Sends a statement that has to wait, and gives it back once `then` is done.
async fn waits(session: &mut Session, sql: &str, other: &mut Session, then: &str) {
    let blocked = session.try_run(sql);
    tokio::pin!(blocked);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut blocked).await;
    assert!(early.is_err(), "{sql} does not wait");
    other.run(then).await;
    blocked.await.unwrap();
}

/// A new row and a change of the row that it follows: the second waits for the first, and both agree.
async fn the_second_waits_for_the_first(url: &str, dialect: &str, levels: &[&str]) {
    let program = staged(url, dialect).await;
    let (mut a, mut b) = (Session::connect(url).await, Session::connect(url).await);
    assert_eq!(names(&mut a).await, "one two three");
    for (at, level) in levels.iter().enumerate() {
        let id = 10 * (at + 1);
        a.run(level).await;
        b.run(level).await;
        // The change is under way.
        a.run("BEGIN").await;
        a.run(&format!("UPDATE customers SET name = 'new{id}' WHERE id = 1")).await;
        let insert = format!("INSERT INTO orders (id, customer_id) VALUES ({id}, 1)");
        waits(&mut b, &insert, &mut a, "COMMIT").await;
        let given = a.value(&format!("SELECT customer_name FROM orders WHERE id = {id}")).await;
        assert_eq!(given, Some(format!("new{id}")), "{level}");
        // The new row is under way, and one that is moved here.
        a.run("BEGIN").await;
        a.run(&format!("INSERT INTO orders (id, customer_id) VALUES ({}, 2)", id + 1)).await;
        a.run("UPDATE orders SET customer_id = 2 WHERE id = 3").await;
        let change = format!("UPDATE customers SET name = 'late{id}' WHERE id = 2");
        waits(&mut b, &change, &mut a, "COMMIT").await;
        let other = format!(
            "SELECT count(*) FROM orders WHERE customer_id = 2 AND customer_name <> 'late{id}'"
        );
        assert_eq!(a.value(&other).await.as_deref(), Some("0"), "{level}");
        b.run("UPDATE orders SET customer_id = 3 WHERE id = 3").await;
        let back = a.value("SELECT customer_name FROM orders WHERE id = 3").await;
        assert_eq!(back.as_deref(), Some("three"), "{level}");
    }
    // What a release writes itself stands, until the other table changes.
    a.run("UPDATE orders SET customer_name = 'own' WHERE id = 3").await;
    a.run("UPDATE orders SET n = 1 WHERE id = 3").await;
    a.run("UPDATE customers SET n = 1 WHERE id = 3").await;
    let query = "SELECT customer_name FROM orders WHERE id = 3";
    assert_eq!(a.value(query).await.as_deref(), Some("own"));
    program.ok(&["down", "--yes", "--steps", "2"]);
    program.ok(&["up", "--yes", "--steps", "2"]);
    assert_eq!(a.value(query).await.as_deref(), Some("own"), "it comes back with the column");
    a.run("UPDATE customers SET name = 'changed' WHERE id = 3").await;
    assert_eq!(a.value(query).await.as_deref(), Some("changed"));
    a.run("INSERT INTO orders (id, customer_id) VALUES (90, 77)").await;
    a.run("INSERT INTO customers (id, name) VALUES (77, 'after all')").await;
    let late = a.value("SELECT customer_name FROM orders WHERE id = 90").await;
    assert_eq!(late.as_deref(), Some("after all"));
    program.ok(&["up", "--yes"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_waits_for_the_first_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    let levels = ["SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED"];
    the_second_waits_for_the_first(database.url(), "postgres", &levels).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_waits_for_the_first_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    let levels = [
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    ];
    the_second_waits_for_the_first(database.url(), "mariadb", &levels).await;
}

/// MariaDB: a transaction whose snapshot is older than a new row writes that row all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_snapshot_misses_nothing_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    let _program = staged(database.url(), "mariadb").await;
    let (mut a, mut b) = (database.session().await, database.session().await);
    a.run("START TRANSACTION WITH CONSISTENT SNAPSHOT").await;
    b.run("INSERT INTO orders (id, customer_id) VALUES (10, 1)").await;
    a.run("UPDATE customers SET name = 'later' WHERE id = 1").await;
    a.run("COMMIT").await;
    assert_eq!(names(&mut a).await, "later two three later");
}

/// MariaDB: statements over both tables go on, but for those whose trigger would write a table that they use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_over_both_tables_on_mariadb() {
    const GO_ON: [&str; 11] = [
        "UPDATE customers c JOIN orders o ON o.customer_id = c.id SET c.n = 1",
        "UPDATE customers SET n = (SELECT count(*) FROM orders o WHERE o.customer_id = customers.id)",
        "UPDATE orders o JOIN customers c ON o.customer_id = c.id SET o.n = 5",
        "UPDATE orders o JOIN customers c ON o.customer_id = c.id SET o.n = 6, c.n = 6",
        "UPDATE orders o JOIN customers c ON c.id = 3 SET o.customer_id = c.id WHERE o.id = 1",
        "INSERT INTO orders (id, customer_id) SELECT 10 + id, id FROM customers",
        "REPLACE INTO orders (id, customer_id) SELECT 10 + id, 2 FROM customers",
        "DELETE o FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = 11",
        "INSERT INTO customers (id, name) VALUES (1, 'uno') ON DUPLICATE KEY UPDATE n = 2",
        "DELETE c FROM customers c LEFT JOIN orders o ON c.id = o.customer_id WHERE o.id IS NULL",
        "UPDATE customers SET name = concat(name, '!') WHERE id = 2",
    ];
    const FAIL: [&str; 4] = [
        "UPDATE customers c JOIN orders o ON o.customer_id = c.id SET c.name = 'x'",
        "UPDATE customers SET name = 'x' WHERE id IN (SELECT customer_id FROM orders)",
        "INSERT INTO customers (id, name) SELECT customer_id, 'x' FROM orders ON DUPLICATE KEY UPDATE name = 'x'",
        "INSERT INTO customers (id, name) SELECT 100 + id, 'x' FROM orders",
    ];
    let database = MariaDb::shared().fresh_database().await;
    let program = staged(database.url(), "mariadb").await;
    let mut session = database.session().await;
    let apart = "SELECT o.id, customer_name, name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE NOT (BINARY customer_name <=> BINARY name)";
    for sql in GO_ON {
        session.run(sql).await;
        assert!(session.rows(apart).await.is_empty(), "{sql}");
    }
    for sql in FAIL {
        let before = names(&mut session).await;
        let error = session.try_run(sql).await.unwrap_err().to_string();
        assert!(error.contains("1442"), "{sql}: {error}");
        assert_eq!(names(&mut session).await, before, "{sql}");
        assert!(session.rows(apart).await.is_empty(), "{sql}");
    }
    program.ok(&["up", "--yes"]);
    for sql in FAIL {
        session.run(sql).await;
    }
}

/// PostgreSQL: it does not see it; the contract fills it, and leaves alone what a release wrote itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_fills_what_an_old_snapshot_missed() {
    let database = Postgres::shared().fresh_database().await;
    let program = staged(database.url(), "postgres").await;
    let (mut a, mut b) = (database.session().await, database.session().await);
    for (id, level) in [(10, "REPEATABLE READ"), (20, "SERIALIZABLE")] {
        a.run(&format!("BEGIN ISOLATION LEVEL {level}")).await;
        a.rows("SELECT 1 FROM orders").await;
        b.run(&format!("INSERT INTO orders (id, customer_id) VALUES ({id}, 1)")).await;
        b.run(&format!(
            "INSERT INTO orders (id, customer_id, customer_name) VALUES ({id} + 1, 1, 'own')"
        ))
        .await;
        a.run(&format!("UPDATE customers SET name = 'later{id}' WHERE id = 1")).await;
        a.run("COMMIT").await;
    }
    // The second change saw the rows that the first one missed.
    assert_eq!(names(&mut a).await, "later20 two three later20 later20 later10 own");
    program.ok(&["up", "--yes"]);
    assert_eq!(names(&mut a).await, "later20 two three later20 later20 later20 own");
    // And once more, there and back.
    program.ok(&["down", "--yes"]);
    a.run("UPDATE customers SET name = 'again' WHERE id = 2").await;
    assert_eq!(names(&mut a).await, "later20 again three later20 later20 later20 own");
    program.ok(&["up", "--yes"]);
}

/// Roles that may use one table only: the triggers have the rights of their owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_of_one_table_goes_on() {
    let database = Postgres::shared().fresh_database().await;
    let _program = staged(database.url(), "postgres").await;
    let mut session = database.session().await;
    let role = "fed_by_roles";
    session.run(&format!("DROP ROLE IF EXISTS {role}")).await;
    session.run(&format!("CREATE ROLE {role}")).await;
    session.run(&format!("GRANT SELECT, UPDATE ON customers TO {role}")).await;
    session.run(&format!("SET ROLE {role}")).await;
    session.run("UPDATE customers SET name = 'theirs' WHERE id = 1").await;
    session.run("RESET ROLE").await;
    assert_eq!(names(&mut session).await, "theirs two three");
    session
        .run(&format!("REVOKE ALL ON customers FROM {role}; GRANT INSERT ON orders TO {role}"))
        .await;
    session.run(&format!("SET ROLE {role}")).await;
    session.run("INSERT INTO orders (id, customer_id) VALUES (9, 2)").await;
    session.run("RESET ROLE").await;
    assert_eq!(names(&mut session).await, "theirs two three two");
    session.run(&format!("REVOKE ALL ON orders FROM {role}; DROP ROLE {role}")).await;
}

const MOVED: &str = "ALTER TABLE profiles ADD COLUMN email text;\n\
    UPDATE profiles SET email = u.email FROM users u WHERE u.id = profiles.user_id;\n\
    -- downhaul:back \"(SELECT p.email FROM profiles p WHERE p.user_id = users.id)\"\n\
    ALTER TABLE users DROP COLUMN email;";

/// A column that moves: what either release writes in its place the other finds in its own, and behind the
/// contract all of it comes back, row without a place of its own included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moved_column_comes_back_with_what_was_written_since() {
    let database = Postgres::shared().fresh_database().await;
    let program = std::sync::Arc::new(Program::new(PROGRAM).database(database.url()));
    let base = "CREATE TABLE users (id int PRIMARY KEY, email text);\n\
        CREATE TABLE profiles (id int PRIMARY KEY, user_id int NOT NULL UNIQUE REFERENCES users);\n\
        INSERT INTO users VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'alone');\n\
        INSERT INTO profiles VALUES (1, 1), (2, 2), (3, 3);";
    program.migration("0001_base", base, "SELECT 1;\n");
    program.write("drafts/change.sql", MOVED);
    program.ok(&["expand", "drafts/change.sql", "--dialect", "postgres"]);
    program.ok(&["up", "--yes", "--steps", "3"]);
    let mut session = database.session().await;
    let users = "SELECT string_agg(coalesce(email, '-'), ' ' ORDER BY id) FROM users";
    let profiles = "SELECT string_agg(coalesce(email, '-'), ' ' ORDER BY user_id) FROM profiles";
    assert_eq!(session.value(profiles).await.as_deref(), Some("one two three"));
    session.run("UPDATE users SET email = 'old' WHERE id = 1").await;
    session.run("UPDATE profiles SET email = 'new' WHERE user_id = 2").await;
    session.run("UPDATE profiles SET email = NULL WHERE user_id = 3").await;
    session.run("INSERT INTO users (id) VALUES (5)").await;
    session.run("INSERT INTO profiles VALUES (5, 5, 'five')").await;
    session.run("INSERT INTO users VALUES (6, 'six')").await;
    session.run("INSERT INTO profiles VALUES (6, 6)").await;
    assert_eq!(session.value(users).await.as_deref(), Some("old new - alone five six"));
    assert_eq!(session.value(profiles).await.as_deref(), Some("old new - five six"));
    program.ok(&["up", "--yes"]);
    session.run("UPDATE profiles SET email = 'since' WHERE user_id IN (2, 3)").await;
    session.run("UPDATE profiles SET email = NULL WHERE user_id = 1").await;
    program.ok(&["down", "--yes"]);
    session.run("UPDATE profiles SET email = 'both' WHERE user_id = 5").await;
    program.ok(&["down", "--yes"]);
    assert_eq!(session.value(users).await.as_deref(), Some("- since since alone both six"));
    program.ok(&["down", "--yes"]);
    assert_eq!(session.value(users).await.as_deref(), Some("- since since alone both six"));
    program.ok(&["up", "--yes"]);
    assert_eq!(session.value(profiles).await.as_deref(), Some("- since since both six"));
}

/// The way back of a relation that moved: batch by batch, while the old release writes, and without a row that
/// the new release has written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_copied_goes_in_batches_and_what_was_written_stays() {
    let database = Postgres::shared().fresh_database().await;
    let program = std::sync::Arc::new(Program::new(PROGRAM).database(database.url()));
    let base = "CREATE TABLE users (id int PRIMARY KEY, provider text, n int DEFAULT 0);";
    program.migration("0001_base", base, "SELECT 1;\n");
    program.ok(&["up", "--yes"]);
    let mut session = database.session().await;
    session.run("INSERT INTO users SELECT g, 'p' || g FROM generate_series(1, 20000) g").await;
    program.write(
        "drafts/links.sql",
        "CREATE TABLE links (account int PRIMARY KEY, provider text NOT NULL);\nINSERT INTO links SELECT id, provider FROM users;",
    );
    let args = ["expand", "drafts/links.sql", "--dialect", "postgres", "--dry-run"];
    let shown = program.ok(&args).stdout;
    // One that batches are made of, and which the triggers of the way back hear of.
    let batches = "\nUPDATE users SET provider = provider\nWHERE EXISTS (SELECT 1 FROM links AS copied WHERE ";
    assert!(shown.contains(batches) && !shown.contains("\nDELETE FROM links"), "{shown}");
    program.ok(&args[..4]);
    program.ok(&["up", "--yes", "--steps", "2"]);
    session.run("UPDATE links SET provider = 'mine' WHERE account % 100 = 0").await;
    session.run("INSERT INTO links VALUES (-1, 'own')").await;
    let other = program.clone();
    let running =
        tokio::task::spawn_blocking(move || other.run(&["down", "--yes", "--steps", "1"]));
    // The old release goes on meanwhile.
    let mut n = 0;
    while !running.is_finished() {
        n += 1;
        let (one, two) = (1 + n % 99, 20_000 + n);
        session.run(&format!("UPDATE users SET provider = 'late {n}' WHERE id = {one}; INSERT INTO users VALUES ({two}, 'new')")).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let outcome = running.await.unwrap();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let left =
        "SELECT count(*) || ' ' || count(*) FILTER (WHERE provider IN ('mine', 'own')) FROM links";
    assert_eq!(session.value(left).await.as_deref(), Some("201 201"));
}
