//! The promise: while the rows of a large table are copied for a restore point, it is told how far that
//! is, in numbers that are true.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul::exit_code::Code;
use downhaul_kit::{MariaDb, Outcome, Postgres, Program, Session, SqliteFile, check};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// What was told of copies, in order.
fn copying(outcome: &Outcome) -> Vec<Value> {
    let lines = outcome.stderr.lines().filter(|line| line.starts_with('{'));
    let events = lines.map(|line| serde_json::from_str(line).unwrap());
    events.filter(|event: &Value| event["event"] == "copying").collect()
}

/// One column goes and comes back. Returns what was told meanwhile.
async fn there_and_back(
    url: &str,
    (setup, up, down): (&[&str], &str, &str),
    sum: &str,
) -> Vec<Value> {
    let mut session = Session::connect(url).await;
    for sql in setup {
        session.run(sql).await;
    }
    let before = session.rows(sum).await;
    session.close().await;
    let program = Program::new(PROGRAM).database(url);
    program.migration("0001_gone", up, down);
    let went = program.run(&["up", "--yes", "--log", "json"]);
    check(&went, Code::Clean, &["\"event\":\"kept\""]);
    program.ok(&["down", "--yes", "--all"]);
    let mut session = Session::connect(url).await;
    assert_eq!(session.rows(sum).await, before);
    session.close().await;
    copying(&went)
}

/// Ever more, up to all.
fn grows_to(told: &[Value], rows: u64) {
    let counts: Vec<u64> = told.iter().map(|event| event["rows"].as_u64().unwrap()).collect();
    assert!(counts.len() >= 2, "{told:?}");
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!(counts.last(), Some(&rows), "{counts:?}");
    assert!(told.iter().all(|event| event["table"].as_str().unwrap().contains("orders")));
}

#[tokio::test]
async fn on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    let setup = [
        "CREATE TABLE orders (id int PRIMARY KEY, note text, place text)",
        "INSERT INTO orders SELECT i, CASE WHEN i % 7 > 0 THEN repeat('x', 150) || i END, 'p' || i FROM generate_series(1, 250000) i",
        // Pages that hold nothing, pages that hold other rows.
        "DELETE FROM orders WHERE id BETWEEN 50000 AND 60000; UPDATE orders SET place = place || '!' WHERE id % 50 = 0",
    ];
    let told = there_and_back(
        database.url(),
        (
            &setup,
            "-- downhaul:protect copy orders\nDROP TABLE orders;\n",
            "CREATE TABLE orders (id int PRIMARY KEY, note text, place text);\n",
        ),
        "SELECT count(*), sum(hashtext(orders::text)::bigint) FROM orders",
    )
    .await;
    grows_to(&told, 239_999);
    let last = told.last().unwrap();
    assert_eq!((last["total"].as_u64(), last["estimated"].as_bool()), (Some(239_999), Some(false)));
    // As many as the pages read so far promise: not far off.
    for event in &told {
        let total = event["total"].as_u64().unwrap();
        assert!((150_000..400_000).contains(&total), "{event}");
    }
}

#[tokio::test]
async fn on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    let setup = [
        "CREATE TABLE orders (id int PRIMARY KEY, note varchar(200), place varchar(20))",
        "INSERT INTO orders SELECT seq, CONCAT(REPEAT('x', 100), seq), CONCAT('p', seq) FROM seq_1_to_250000",
    ];
    let told = there_and_back(
        database.url(),
        (
            &setup,
            "-- downhaul:protect copy orders\nALTER TABLE orders DROP COLUMN note;\n",
            "ALTER TABLE orders ADD COLUMN note varchar(200);\n",
        ),
        "SELECT COUNT(*), SUM(CRC32(note)), SUM(CRC32(place)) FROM orders",
    )
    .await;
    // How often depends on the machine; what is said does not.
    assert!(!told.is_empty());
    for event in &told {
        let rows = event["rows"].as_u64().unwrap();
        assert!((1..=250_000).contains(&rows), "{event}");
        assert_eq!(event["estimated"], true, "{event}");
    }
}

const FILL: &str = "INSERT INTO orders (id, note, place) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
    SELECT i, CASE WHEN i % 7 > 0 THEN 'note ' || i END, x'00ff' FROM n";
const SUM: &str = "SELECT count(*), sum(id * length(coalesce(note, 'none'))), min(note), max(note), count(note), min(typeof(place)) FROM orders";
const GOES: [&str; 2] =
    ["ALTER TABLE orders DROP COLUMN note;\n", "ALTER TABLE orders ADD COLUMN note text;\n"];

#[tokio::test]
async fn on_sqlite() {
    let file = SqliteFile::new();
    let setup = [
        "CREATE TABLE orders (id int PRIMARY KEY NOT NULL, note text, place blob)",
        FILL,
        // Row numbers at both ends of what there is, with a gap.
        "UPDATE orders SET rowid = -9223372036854775808 WHERE id = 5",
        "UPDATE orders SET rowid = 9223372036854775807 WHERE id = 6",
    ];
    let told = there_and_back(&file.url(), (&setup, GOES[0], GOES[1]), SUM).await;
    grows_to(&told, 100_000);
    assert!(told.iter().all(|event| event["total"] == 100_000 && event["estimated"] == false));
}

/// A column has the name of the row number, or there is none.
#[tokio::test]
async fn on_sqlite_without_the_usual_row_number() {
    for (table, in_parts) in [
        (
            "CREATE TABLE orders (id int PRIMARY KEY NOT NULL, note text, place blob, rowid int DEFAULT 3)",
            true,
        ),
        (
            "CREATE TABLE orders (id int PRIMARY KEY NOT NULL, note text, place blob) WITHOUT ROWID",
            false,
        ),
    ] {
        let file = SqliteFile::new();
        let told = there_and_back(&file.url(), (&[table, FILL], GOES[0], GOES[1]), SUM).await;
        assert_eq!(told.len() > 1, in_parts, "{table}: {told:?}");
    }
}
