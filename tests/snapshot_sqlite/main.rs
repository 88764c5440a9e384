//! The promise: on SQLite too, tracked tables come back to any mark, in the way a person asks for.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod in_bulk;
mod whole;

use downhaul::exit_code::Code;
use downhaul_kit::{Program, Session, SqliteFile, check};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// Every value of a table, with its type.
async fn rows(session: &mut Session, table: &str, columns: &[&str]) -> Vec<String> {
    let texts: Vec<String> =
        columns.iter().map(|c| format!("typeof({c}) || ' ' || quote({c})")).collect();
    let found = session
        .rows(&format!("SELECT {} AS r FROM {table} ORDER BY 1", texts.join(" || ', ' || ")))
        .await;
    found.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

const CUSTOMERS: [&str; 4] = ["id", "name", "email", "credit"];
const ORDERS: [&str; 3] = ["id", "customer", "note"];
const LOG: [&str; 2] = ["at", "what"];

async fn shop(file: &SqliteFile) -> (Program, Session) {
    let program = Program::new(PROGRAM).database(file.url());
    let mut session = Session::connect(&file.url()).await;
    session
        .run(
            "PRAGMA foreign_keys = ON; \
             CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE, credit NUMERIC); \
             CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, customer INT NOT NULL REFERENCES customers ON DELETE CASCADE, note TEXT); \
             CREATE TABLE log (at INT, what); \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) \
               INSERT INTO customers SELECT i, 'c' || i, 'c' || i || '@x', i FROM n; \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) \
               INSERT INTO orders (customer, note) SELECT 1 + i % 9, 'n' || i FROM n; \
             INSERT INTO log VALUES (1, 'a'), (1, 'a'), (2, NULL);",
        )
        .await;
    (program, session)
}

/// Numbers of rows that are drawn at random, as many programs draw their keys, tell nothing of how many there are.
#[tokio::test]
async fn row_numbers_at_the_ends_are_no_number_of_rows() {
    let file = SqliteFile::new();
    let program = Program::new(PROGRAM).database(file.url());
    let mut db = Session::connect(&file.url()).await;
    for table in ["a", "b", "c"] {
        db.run(&format!(
            "CREATE TABLE {table} (id INTEGER PRIMARY KEY); INSERT INTO {table} VALUES ({}), ({}), (1)",
            i64::MIN,
            i64::MAX
        ))
        .await;
    }
    check(
        &program.run(&["snapshot", "track", "--all", "--yes"]),
        Code::Clean,
        &["3 tables tracked"],
    );
    let outcome = program.run(&["snapshot", "status", "--format", "json"]);
    check(&outcome, Code::Clean, &[]);
    let outcome = program.run(&["plan"]);
    assert_ne!(outcome.code, Some(101), "{outcome}");
}

#[tokio::test]
async fn a_day_with_a_bad_release() {
    let file = SqliteFile::new();
    let (program, mut db) = shop(&file).await;
    check(&program.run(&["snapshot", "status"]), Code::Clean, &["no table is tracked"]);
    check(
        &program.run(&["snapshot", "track", "--all"]),
        Code::Findings,
        &[
            "customers",
            "row triggers",
            "history grows",
            "SQLite refuses to drop a column",
            "add --yes",
        ],
    );
    check(
        &program.run(&["snapshot", "track", "--all", "--yes"]),
        Code::Clean,
        &["3 tables tracked"],
    );
    check(&program.run(&["snapshot", "mark", "lunch"]), Code::Clean, &["mark `lunch` made"]);
    check(&program.run(&["snapshot", "mark", "lunch"]), Code::Usage, &["already"]);
    let customers = rows(&mut db, "customers", &CUSTOMERS).await;
    let orders = rows(&mut db, "orders", &ORDERS).await;
    let log = rows(&mut db, "log", &LOG).await;

    // Cascades, unique values that change places, and one that a REPLACE takes.
    db.run(
        "UPDATE customers SET credit = 0; DELETE FROM customers WHERE id = 3; \
         UPDATE customers SET email = NULL WHERE id = 1; UPDATE customers SET email = 'c1@x' WHERE id = 2; \
         UPDATE customers SET email = 'c2@x' WHERE id = 1; \
         DELETE FROM orders WHERE customer = 9; INSERT OR REPLACE INTO customers VALUES (12, 'new', 'c9@x', 1); \
         INSERT INTO orders (customer, note) VALUES (1, 'new'); UPDATE log SET what = 'b' WHERE at = 1; \
         INSERT INTO log VALUES (3, x'00')",
    )
    .await;
    let bad = rows(&mut db, "customers", &CUSTOMERS).await;

    check(
        &program.run(&["snapshot", "diff", "lunch"]),
        Code::Clean,
        &[
            "customers: 1 row inserted, 7 rows updated, 2 rows deleted",
            "credit in 7 rows",
            "orders: 1 row inserted, 5 rows deleted",
            "~ id=1  email: c1@x → c2@x",
            "X'00'",
        ],
    );
    check(
        &program.run(&["snapshot", "show", "customers", "--as-of", "lunch", "--where", "id = 3"]),
        Code::Clean,
        &["c3@x"],
    );
    check(
        &program.run(&["snapshot", "show", "customers", "--as-of", "lunch", "--view"]),
        Code::Clean,
        &["downhaul_customers_at_1"],
    );
    assert_eq!(rows(&mut db, "downhaul_customers_at_1", &CUSTOMERS).await, customers);
    db.run("DROP VIEW downhaul_customers_at_1").await;
    check(
        &program.run(&["snapshot", "restore", "--to", "lunch"]),
        Code::Clean,
        &[
            "customers: 7 rows changed, 2 rows put back, 1 row taken out",
            "preview: nothing was changed",
        ],
    );
    assert_eq!(rows(&mut db, "customers", &CUSTOMERS).await, bad);
    // Its orders would point to nothing.
    check(
        &program.run(&["snapshot", "restore", "--to", "lunch", "--table", "orders", "--yes"]),
        Code::SnapshotNotSound,
        &["would point to nothing"],
    );
    check(
        &program.run(&["snapshot", "restore", "--to", "lunch", "--yes"]),
        Code::Clean,
        &["restored to `lunch`", "all as they should be", "this is restore 1"],
    );
    assert_eq!(rows(&mut db, "customers", &CUSTOMERS).await, customers);
    assert_eq!(rows(&mut db, "orders", &ORDERS).await, orders);
    assert_eq!(rows(&mut db, "log", &LOG).await, log);
    check(&program.run(&["snapshot", "restore", "--undo", "--yes"]), Code::Clean, &["restore 2"]);
    assert_eq!(rows(&mut db, "customers", &CUSTOMERS).await, bad);
    check(&program.run(&["snapshot", "restore", "--undo", "--yes"]), Code::Clean, &["restore 3"]);
    assert_eq!(rows(&mut db, "customers", &CUSTOMERS).await, customers);
    check(
        &program.run(&["snapshot", "status"]),
        Code::Clean,
        &["customers", "reaches back to mark `lunch`"],
    );
    check(
        &program.run(&["snapshot", "prune", "--before", "after restore 2", "--yes"]),
        Code::Clean,
        &["events dropped"],
    );
    check(
        &program.run(&["snapshot", "restore", "--to", "lunch"]),
        Code::Usage,
        &["no mark `lunch`"],
    );
    check(
        &program.run(&["snapshot", "restore", "--to", "after restore 2", "--yes"]),
        Code::Clean,
        &["restored"],
    );
    assert_eq!(rows(&mut db, "customers", &CUSTOMERS).await, bad);
    check(
        &program.run(&["snapshot", "untrack", "--all", "--yes"]),
        Code::Clean,
        &["3 tables no longer tracked"],
    );
    assert_eq!(
        db.value("SELECT count(*) FROM sqlite_schema WHERE name GLOB 'downhaul_track_*' OR name GLOB 'downhaul_log_*'").await.as_deref(),
        Some("0")
    );
}

#[tokio::test]
async fn what_was_written_since_is_kept() {
    let file = SqliteFile::new();
    let (program, mut db) = shop(&file).await;
    check(&program.run(&["snapshot", "track", "customers", "--yes"]), Code::Clean, &["1 table"]);
    check(&program.run(&["snapshot", "mark", "a"]), Code::Clean, &[]);
    db.run("UPDATE customers SET credit = 100; DELETE FROM customers WHERE id = 9").await;
    check(&program.run(&["snapshot", "mark", "b"]), Code::Clean, &[]);
    // Another column; the same column; a new row.
    db.run(
        "UPDATE customers SET name = 'later' WHERE id = 1; UPDATE customers SET credit = 7 WHERE id = 2; \
         INSERT INTO customers VALUES (20, 'kept', NULL, 1)",
    )
    .await;
    let restore = ["snapshot", "restore", "--to", "a", "--keep-since", "b"];
    check(&program.run(&restore), Code::Clean, &["1 row changed again since", "(2)"]);
    let mut refused = restore.to_vec();
    refused.push("--yes");
    check(&program.run(&refused), Code::Findings, &["customers: (2)"]);
    let mut kept = refused.clone();
    kept.extend(["--on-conflict", "keep-new"]);
    check(&program.run(&kept), Code::Clean, &["restored"]);
    let now = rows(&mut db, "customers", &["id", "name", "credit"]).await;
    for row in [
        "integer 1, text 'later', integer 1",
        "integer 2, text 'c2', integer 7",
        "integer 3, text 'c3', integer 3",
        "integer 9, text 'c9', integer 9",
        "integer 20, text 'kept', integer 1",
    ] {
        assert!(now.contains(&row.to_owned()), "{row} is missing in {now:#?}");
    }
    // Some rows, some columns.
    db.run("UPDATE customers SET credit = -1, name = 'x'").await;
    check(
        &program.run(&[
            "snapshot",
            "restore",
            "--to",
            "a",
            "--where",
            "id = 4 -- one",
            "--columns",
            "credit",
            "--yes",
        ]),
        Code::Clean,
        &["1 row changed"],
    );
    let now = rows(&mut db, "customers", &["id", "name", "credit"]).await;
    assert!(now.contains(&"integer 4, text 'x', integer 4".to_owned()), "{now:#?}");
    assert!(now.contains(&"integer 5, text 'x', integer -1".to_owned()), "{now:#?}");
}

/// A row in the way of another is written down before it is known whether it goes: once, though it be in
/// the way by two rules, or was so before of a statement that was ignored.
#[tokio::test]
async fn a_row_that_is_replaced_goes_once() {
    for change in [
        "INSERT OR REPLACE INTO t VALUES ('a', 1, 'new')",
        "INSERT OR IGNORE INTO t VALUES ('a', 9, 'ignored'); INSERT OR REPLACE INTO t VALUES ('a', 9, 'new')",
        "INSERT OR IGNORE INTO t VALUES ('a', 9, 'ignored'); UPDATE OR REPLACE t SET k = 'a' WHERE u = 2",
        "INSERT OR IGNORE INTO t VALUES ('a', 9, 'ignored'); INSERT OR REPLACE INTO t VALUES ('c', 1, 'new')",
    ] {
        let file = SqliteFile::new();
        let mut db = Session::connect(&file.url()).await;
        // The key may be NULL, so that nothing tells the rows apart.
        db.run("CREATE TABLE t (k TEXT PRIMARY KEY, u INTEGER UNIQUE, v); INSERT INTO t VALUES ('a', 1, 'old'), ('b', 2, 'old')")
            .await;
        let program = Program::new(PROGRAM).database(file.url());
        check(&program.run(&["snapshot", "track", "t", "--yes"]), Code::Clean, &[]);
        check(&program.run(&["snapshot", "mark", "m"]), Code::Clean, &[]);
        let before = rows(&mut db, "t", &["k", "u", "v"]).await;
        db.run(change).await;
        let changed = rows(&mut db, "t", &["k", "u", "v"]).await;
        check(
            &program.run(&["snapshot", "restore", "--to", "m", "--yes"]),
            Code::Clean,
            &["compared afterwards"],
        );
        assert_eq!(rows(&mut db, "t", &["k", "u", "v"]).await, before, "{change}");
        check(&program.run(&["snapshot", "restore", "--undo", "--yes"]), Code::Clean, &[]);
        assert_eq!(rows(&mut db, "t", &["k", "u", "v"]).await, changed, "{change}");
    }
}

/// Back to what a table of `k`, `u` and `v` was before a change, and to what it was after it.
async fn goes_back_and_forth(setup: &str, change: &str) {
    let file = SqliteFile::new();
    let mut db = Session::connect(&file.url()).await;
    db.run("PRAGMA foreign_keys = ON").await;
    db.run(setup).await;
    let program = Program::new(PROGRAM).database(file.url());
    check(&program.run(&["snapshot", "track", "t", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["snapshot", "mark", "m"]), Code::Clean, &[]);
    let before = rows(&mut db, "t", &["k", "u", "v"]).await;
    db.run(change).await;
    let changed = rows(&mut db, "t", &["k", "u", "v"]).await;
    assert_ne!(before, changed, "{change}");
    let restored = program.run(&["snapshot", "restore", "--to", "m", "--yes"]);
    check(&restored, Code::Clean, &["compared afterwards"]);
    assert_eq!(rows(&mut db, "t", &["k", "u", "v"]).await, before, "{change}");
    check(&program.run(&["snapshot", "restore", "--undo", "--yes"]), Code::Clean, &[]);
    assert_eq!(rows(&mut db, "t", &["k", "u", "v"]).await, changed, "{change}");
}

/// Rows without a key are counted, each once and as it was in that instant, though triggers and foreign
/// keys write to the table while a statement is at work on it.
#[tokio::test]
async fn rows_are_counted_once_where_statements_nest() {
    let table = "CREATE TABLE t (k TEXT PRIMARY KEY, u INTEGER UNIQUE, v); \
                 INSERT INTO t VALUES ('a', 1, 'old'), ('b', 2, 'old'), ('c', 3, 'old');";
    let tree = |acts: &str| {
        format!(
            "CREATE TABLE t (k TEXT PRIMARY KEY, u INTEGER UNIQUE, v REFERENCES t {acts}); \
             INSERT INTO t VALUES ('a', 1, NULL), ('b', 2, 'a'), ('c', 3, 'b');"
        )
    };
    let with = |trigger: &str| format!("{table} CREATE TRIGGER own {trigger};");
    for (setup, change) in [
        // What is in the way changes before it is replaced.
        (
            with(
                "BEFORE UPDATE ON t WHEN NEW.v = 'x' BEGIN UPDATE t SET v = NULL WHERE u = 3; END",
            ),
            "UPDATE OR REPLACE t SET u = 3, v = 'x' WHERE k = 'a'",
        ),
        // The row itself changes before it is changed, or goes.
        (
            with(
                "BEFORE UPDATE ON t WHEN NEW.v = 'x' BEGIN UPDATE t SET v = 'y' WHERE k = OLD.k; END",
            ),
            "UPDATE t SET k = 'd', v = 'x' WHERE k = 'a'",
        ),
        (
            with("BEFORE DELETE ON t BEGIN UPDATE t SET v = 'gone' WHERE k = OLD.k; END"),
            "DELETE FROM t WHERE k = 'a'",
        ),
        // Another row gets in the way.
        (
            with(
                "BEFORE INSERT ON t WHEN NEW.v = 'x' BEGIN UPDATE t SET u = NEW.u WHERE k = 'a'; END",
            ),
            "INSERT OR REPLACE INTO t VALUES ('d', 4, 'x')",
        ),
        (
            with(
                "BEFORE INSERT ON t WHEN NEW.v = 'x' BEGIN INSERT INTO t VALUES ('e', NEW.u, 'y'); END",
            ),
            "INSERT OR REPLACE INTO t VALUES ('d', 4, 'x'), ('f', 5, 'x')",
        ),
        // What was ignored does no harm, nor does what was in its way.
        (
            with("AFTER INSERT ON t BEGIN UPDATE t SET v = v || '!' WHERE u <> NEW.u; END"),
            "INSERT OR IGNORE INTO t VALUES ('a', 9, 'ignored'), ('d', 4, 'new'), ('b', 8, 'ignored'); \
             INSERT OR REPLACE INTO t VALUES ('a', 2, 'new'); \
             INSERT INTO t VALUES ('c', 7, 'upsert') ON CONFLICT (k) DO UPDATE SET v = excluded.v",
        ),
        // The number of a row that went is given again, while its going is not yet written down.
        (
            with(
                "AFTER DELETE ON t BEGIN INSERT OR REPLACE INTO t VALUES ('z', OLD.u, 'again'); END",
            ),
            "DELETE FROM t",
        ),
        // Foreign keys take rows along, those that are changing among them.
        (tree("ON DELETE CASCADE"), "INSERT OR REPLACE INTO t VALUES ('a', 9, NULL)"),
        (tree("ON DELETE CASCADE"), "UPDATE OR REPLACE t SET u = 1 WHERE k = 'b'"),
        (tree("ON DELETE SET NULL"), "UPDATE OR REPLACE t SET u = 1, v = NULL WHERE k = 'b'"),
        (tree("ON UPDATE CASCADE"), "UPDATE t SET v = k; UPDATE t SET k = k || k"),
    ] {
        goes_back_and_forth(&setup, change).await;
    }
}

/// Indexes and triggers that a migration makes ask for other triggers of ours, and the history goes on.
#[tokio::test]
async fn a_migration_makes_an_index_and_a_trigger() {
    let file = SqliteFile::new();
    let mut db = Session::connect(&file.url()).await;
    db.run("CREATE TABLE t (k TEXT PRIMARY KEY, u INT, v); INSERT INTO t VALUES ('a', 1, 'old'), ('b', 2, 'old')")
        .await;
    let program = Program::new(PROGRAM).database(file.url());
    check(&program.run(&["snapshot", "track", "t", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["snapshot", "mark", "m"]), Code::Clean, &[]);
    let before = rows(&mut db, "t", &["k", "u", "v"]).await;
    program.migration(
        "0001_rules",
        "CREATE UNIQUE INDEX one ON t (u); \
         CREATE TRIGGER own BEFORE UPDATE ON t BEGIN UPDATE t SET v = 'own' WHERE k = OLD.k; END;",
        "DROP TRIGGER own; DROP INDEX one;",
    );
    program.ok(&["up"]);
    db.run("UPDATE OR REPLACE t SET u = 2, k = 'c' WHERE k = 'a'").await;
    let restored = program.run(&["snapshot", "restore", "--to", "m", "--yes"]);
    check(&restored, Code::Clean, &["compared afterwards"]);
    assert_eq!(rows(&mut db, "t", &["k", "u", "v"]).await, before);
    program.ok(&["down", "--yes"]);
    db.run("DELETE FROM t").await;
    check(&program.run(&["snapshot", "restore", "--to", "m", "--yes"]), Code::Clean, &[]);
    assert_eq!(rows(&mut db, "t", &["k", "u", "v"]).await, before);
}

/// Rows have a number beside their key, which a statement may give to another row.
#[tokio::test]
async fn a_row_is_replaced_by_its_number() {
    for table in [
        "k, u, v",
        "k TEXT PRIMARY KEY, u INTEGER UNIQUE, v",
        "k TEXT NOT NULL PRIMARY KEY, u INTEGER UNIQUE, v",
        "k TEXT NOT NULL UNIQUE, u, v",
    ] {
        let setup = format!(
            "CREATE TABLE t ({table}); INSERT INTO t VALUES ('a', 1, 'old'), ('b', 2, 'old'), ('c', 3, 'old')"
        );
        for change in [
            "INSERT OR REPLACE INTO t (rowid, k, u, v) VALUES (2, 'd', 4, 'new')",
            "UPDATE OR REPLACE t SET rowid = 3 WHERE k = 'a'",
            "INSERT OR IGNORE INTO t (rowid, k, u, v) VALUES (2, 'd', 4, 'no'); UPDATE t SET rowid = 9 WHERE k = 'b'; \
             INSERT OR REPLACE INTO t (rowid, k, u, v) VALUES (9, 'e', 5, 'new')",
        ] {
            goes_back_and_forth(&setup, change).await;
        }
    }
}

/// Foreign keys act on a row under its new key before its birth can be written down.
#[tokio::test]
async fn a_row_gets_another_key_and_what_refers_to_it_follows() {
    for change in [
        "UPDATE t SET k = 9 WHERE k = 1",
        "UPDATE t SET k = 9 WHERE k = 1; UPDATE t SET v = 'later' WHERE k = 9",
        "UPDATE OR REPLACE t SET k = 2 WHERE k = 1",
        "UPDATE OR IGNORE t SET k = 2 WHERE k = 1; UPDATE t SET v = 'later' WHERE k = 2",
        "UPDATE t SET k = k + 10; UPDATE t SET k = k - 9",
        "UPDATE t SET k = 9 WHERE k = 1; UPDATE t SET k = 1, v = 'back' WHERE k = 9",
        "UPDATE pair SET k = 9 WHERE k = 1",
    ] {
        let file = SqliteFile::new();
        let mut db = Session::connect(&file.url()).await;
        db.run(
            "PRAGMA foreign_keys = ON; \
             CREATE TABLE t (k INT PRIMARY KEY NOT NULL, up INT REFERENCES t ON UPDATE CASCADE ON DELETE SET NULL, v); \
             INSERT INTO t VALUES (1, 1, 'itself'), (2, 1, 'other'), (3, 2, 'third'), (4, NULL, 'none'); \
             CREATE TABLE pair (k INT PRIMARY KEY NOT NULL, other INT REFERENCES back (p) ON UPDATE CASCADE); \
             CREATE TABLE back (k INTEGER PRIMARY KEY, p INT UNIQUE REFERENCES pair ON UPDATE CASCADE); \
             INSERT INTO pair VALUES (1, NULL), (2, NULL); INSERT INTO back VALUES (1, 1), (2, 2); UPDATE pair SET other = k;",
        )
        .await;
        let program = Program::new(PROGRAM).database(file.url());
        check(&program.run(&["snapshot", "track", "--all", "--yes"]), Code::Clean, &[]);
        check(&program.run(&["snapshot", "mark", "m"]), Code::Clean, &[]);
        let before = (
            rows(&mut db, "t", &["k", "up", "v"]).await,
            rows(&mut db, "pair", &["k", "other"]).await,
        );
        db.run(change).await;
        let changed = (
            rows(&mut db, "t", &["k", "up", "v"]).await,
            rows(&mut db, "pair", &["k", "other"]).await,
        );
        assert_ne!(changed, before, "{change}");
        check(
            &program.run(&["snapshot", "restore", "--to", "m", "--yes"]),
            Code::Clean,
            &["compared afterwards"],
        );
        let now = (
            rows(&mut db, "t", &["k", "up", "v"]).await,
            rows(&mut db, "pair", &["k", "other"]).await,
        );
        assert_eq!(now, before, "{change}");
        check(&program.run(&["snapshot", "restore", "--undo", "--yes"]), Code::Clean, &[]);
        let now = (
            rows(&mut db, "t", &["k", "up", "v"]).await,
            rows(&mut db, "pair", &["k", "other"]).await,
        );
        assert_eq!(now, changed, "{change}");
    }
}

#[tokio::test]
async fn what_is_done_by_hand_is_told() {
    let file = SqliteFile::new();
    let (program, mut db) = shop(&file).await;
    check(&program.run(&["snapshot", "track", "--all", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["snapshot", "mark", "m"]), Code::Clean, &[]);
    assert!(db.try_run("ALTER TABLE customers DROP COLUMN credit").await.is_err());
    // Renaming by hand is followed; the history stays.
    db.run("ALTER TABLE log RENAME TO diary; INSERT INTO diary VALUES (9, 'z')").await;
    check(&program.run(&["snapshot", "status"]), Code::Drift, &["renamed by hand"]);
    check(&program.run(&["snapshot", "track", "diary", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["snapshot", "diff", "m"]), Code::Clean, &["diary: 1 row inserted"]);
    // A rebuild by hand loses the triggers, and nobody knows what was written then.
    db.run(
        "CREATE TABLE n (at INT, what); INSERT INTO n SELECT * FROM diary; DROP TABLE diary; ALTER TABLE n RENAME TO diary",
    )
    .await;
    check(&program.run(&["snapshot", "status"]), Code::Drift, &["triggers are missing"]);
    check(
        &program.run(&["snapshot", "restore", "--to", "m", "--table", "diary"]),
        Code::Findings,
        &["changed by hand"],
    );
    check(
        &program.run(&["snapshot", "track", "diary", "--yes"]),
        Code::Clean,
        &["the history of diary begins anew"],
    );
    check(
        &program.run(&["snapshot", "restore", "--to", "m", "--table", "diary"]),
        Code::SnapshotNotSound,
        &["begins at"],
    );
    // A rule over an expression: what a REPLACE takes because of it is not seen, and that is said.
    db.run("CREATE TABLE e (id INTEGER PRIMARY KEY, t TEXT); CREATE UNIQUE INDEX lower_t ON e (lower(t))")
        .await;
    check(
        &program.run(&["snapshot", "track", "e"]),
        Code::Findings,
        &["lower_t, which is over an expression", "recursive_triggers"],
    );
    db.run("CREATE VIRTUAL TABLE f USING fts5(a)").await;
    check(&program.run(&["snapshot", "track", "f"]), Code::Findings, &["it is virtual"]);
}

#[tokio::test]
async fn history_follows_migrations() {
    let file = SqliteFile::new();
    let (program, mut db) = shop(&file).await;
    check(&program.run(&["snapshot", "track", "--all", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["snapshot", "mark", "m"]), Code::Clean, &[]);
    let then = rows(&mut db, "customers", &["id", "name"]).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("1_less.up.sql"),
        "ALTER TABLE customers DROP COLUMN credit; UPDATE customers SET name = 'x' WHERE id < 4;",
    )
    .unwrap();
    std::fs::write(
        dir.path().join("1_less.down.sql"),
        "ALTER TABLE customers ADD COLUMN credit NUMERIC;",
    )
    .unwrap();
    let path = dir.path().to_str().unwrap();
    check(&program.run(&["up", "--dir", path]), Code::Clean, &[]);
    check(&program.run(&["snapshot", "marks"]), Code::Clean, &["before 1_less", "after 1_less"]);
    db.run("UPDATE customers SET name = 'y' WHERE id = 9").await;
    check(
        &program.run(&["snapshot", "restore", "--to", "m", "--table", "customers", "--yes"]),
        Code::Clean,
        &["4 rows changed", "no longer there", "credit"],
    );
    assert_eq!(rows(&mut db, "customers", &["id", "name"]).await, then);
}
