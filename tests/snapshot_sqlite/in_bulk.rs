//! Many rows go back at once: our triggers stand aside, and nothing is missing afterwards.

use downhaul::exit_code::Code;
use downhaul_kit::{Program, Session, SqliteFile, check};

use crate::{PROGRAM, rows};

const COLUMNS: [&str; 4] = ["id", "u", "n", "anything"];

const TRIGGERS: &str = "SELECT group_concat(name || sql, '; ') FROM (SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid)";
const SCHEMA: &str = "SELECT schema_version FROM pragma_schema_version";
const EVENTS: &str = "SELECT count(*) FROM downhaul_log_1_1";

async fn number(session: &mut Session, sql: &str) -> i64 {
    session.value(sql).await.unwrap().parse().unwrap()
}

#[tokio::test]
async fn triggers_stand_aside_and_come_back() {
    let file = SqliteFile::new();
    let program = Program::new(PROGRAM).database(file.url());
    let mut db = Session::connect(&file.url()).await;
    db.run(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n NUMERIC, anything); CREATE TABLE seen (id); \
         CREATE TRIGGER \"the user's\" AFTER UPDATE ON t BEGIN INSERT INTO seen VALUES (NEW.id); END; \
         WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 3000) \
           INSERT INTO t SELECT i, 'u' || i, i, CASE i % 2 WHEN 1 THEN i ELSE i * 1.0 END FROM i",
    )
    .await;
    program.ok(&["snapshot", "track", "t", "--yes"]);
    program.ok(&["snapshot", "mark", "good"]);
    let good = rows(&mut db, "t", &COLUMNS).await;
    // Values that change places, rows that go and come, and one that only changes its kind of number.
    db.run(
        "UPDATE t SET n = n + 1, anything = CASE typeof(anything) WHEN 'real' THEN CAST(anything AS INTEGER) ELSE anything * 1.0 END; \
         UPDATE t SET u = NULL WHERE id = 1; UPDATE t SET u = 'u1' WHERE id = 2; UPDATE t SET u = 'u2' WHERE id = 1; \
         DELETE FROM t WHERE id > 2500; \
         WITH RECURSIVE i (i) AS (SELECT 4001 UNION ALL SELECT i + 1 FROM i WHERE i < 4700) INSERT INTO t SELECT i, NULL, NULL, x'00' FROM i; \
         DELETE FROM seen",
    )
    .await;
    let bad = rows(&mut db, "t", &COLUMNS).await;
    let (triggers, schema) = (db.value(TRIGGERS).await, number(&mut db, SCHEMA).await);
    let mut events = number(&mut db, EVENTS).await;

    // Each is itself undone by the next.
    let undo = ["snapshot", "restore", "--undo", "--yes"];
    let back = ["snapshot", "restore", "--to", "good", "--yes"];
    for (args, expect) in [(&back[..], &good), (&undo[..], &bad), (&undo[..], &good)] {
        let outcome = program.run(args);
        check(&outcome, Code::Clean, &["3,700 rows compared afterwards, all as they should be"]);
        assert!(rows(&mut db, "t", &COLUMNS).await == *expect, "{args:?}: {outcome}");
        // One event for each row, whatever the way it took.
        let now = number(&mut db, EVENTS).await;
        assert_eq!(now - events, 3700, "{args:?}");
        events = now;
        assert_eq!(db.value(TRIGGERS).await, triggers, "{args:?}");
    }
    assert!(number(&mut db, SCHEMA).await > schema, "no trigger was ever away");
    assert_eq!(number(&mut db, "SELECT count(*) FROM seen").await, 0, "the user's fired");
    check(&program.run(&["snapshot", "diff", "good"]), Code::Clean, &["nothing"]);

    // They are at work again; few rows go through them, and the schema stays as it is.
    let schema = number(&mut db, SCHEMA).await;
    db.run("DROP TRIGGER \"the user's\"; UPDATE t SET n = 0 WHERE id < 10").await;
    let schema_now = number(&mut db, SCHEMA).await;
    assert!(schema_now > schema);
    program.ok(&["snapshot", "restore", "--to", "good", "--yes"]);
    assert!(rows(&mut db, "t", &COLUMNS).await == good);
    assert_eq!(number(&mut db, SCHEMA).await, schema_now);
}
