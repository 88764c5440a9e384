//! Partitions come with rows, and go with them: a migration's are history, those by hand are told.

use downhaul::exit_code::Code;

use crate::stage::{Stage, check};

const TREE: &str = "CREATE TABLE ev (id int, d int, v text, PRIMARY KEY (id, d)) PARTITION BY RANGE (d); \
     CREATE TABLE ev1 PARTITION OF ev FOR VALUES FROM (0) TO (10); \
     CREATE TABLE ev2 PARTITION OF ev FOR VALUES FROM (10) TO (20) PARTITION BY LIST (d); \
     CREATE TABLE ev2a PARTITION OF ev2 FOR VALUES IN (10, 11); CREATE TABLE ev2b PARTITION OF ev2 DEFAULT; \
     INSERT INTO ev SELECT g, g % 20, 'v' || g FROM generate_series(1, 60) g; \
     CREATE TABLE bag (d int, v text) PARTITION BY RANGE (d); \
     CREATE TABLE bag1 PARTITION OF bag FOR VALUES FROM (0) TO (10); INSERT INTO bag SELECT 1, 'x' FROM generate_series(1, 3)";

/// What the history says that a table was at a mark, by plain SQL.
async fn as_of(stage: &mut Stage, table: &str, mark: &str) -> Vec<String> {
    let out = stage.program.ok(&["snapshot", "show", table, "--as-of", mark, "--view"]);
    let name = out.stdout.split('"').nth(1).unwrap();
    let rows =
        stage.db.rows(&format!("SELECT t::text FROM downhaul.\"{name}\" t ORDER BY 1")).await;
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

#[tokio::test]
async fn a_migrations_partitions_come_and_go_with_their_rows() {
    let mut stage = Stage::new(TREE).await;
    stage.track("auto");
    stage.mark("m");
    let (then, bag) = (stage.photograph(&["ev"]).await, stage.photograph(&["bag"]).await);
    let migrations = [
        // One that stays, with rows that were there before.
        (
            "0001_attach",
            "CREATE TABLE ev3 (LIKE ev INCLUDING ALL); INSERT INTO ev3 VALUES (91, 25, 'came'), (92, 26, 'came'); \
          ALTER TABLE ev ATTACH PARTITION ev3 FOR VALUES FROM (20) TO (30); \
          CREATE TABLE bag2 (d int, v text); INSERT INTO bag2 VALUES (11, 'b'), (11, 'b'); ALTER TABLE bag ATTACH PARTITION bag2 FOR VALUES FROM (10) TO (20);",
        ),
        (
            "0002_more",
            "CREATE TABLE ev4 PARTITION OF ev FOR VALUES FROM (30) TO (40); INSERT INTO ev VALUES (93, 31, 'n');",
        ),
        (
            "0003_detach",
            "UPDATE ev SET v = 'late' WHERE d < 3; ALTER TABLE ev DETACH PARTITION ev1; ALTER TABLE bag DETACH PARTITION bag1;",
        ),
        ("0004_drop", "DROP TABLE ev2;"),
    ];
    for (name, up) in migrations {
        stage.program.migration(name, up, "SELECT 1;");
    }
    check(&stage.program.run(&["up", "--yes", "--unprotected"]), Code::Clean, &[]);
    let out = stage.program.run(&["snapshot", "status"]);
    check(&out, Code::Clean, &["ev"]);
    assert!(!out.stdout.contains("begins anew") && !out.stdout.contains("by hand"), "{out}");
    // Whatever happened to the rows since is none of the table's past.
    stage.db.run("UPDATE ev1 SET v = 'elsewhere'; DELETE FROM ev3 WHERE id = 92").await;
    assert_eq!(as_of(&mut stage, "ev", "m").await, then);
    assert_eq!(as_of(&mut stage, "bag", "m").await, bag);
    let late = as_of(&mut stage, "ev", "after 0003_detach").await;
    assert!(!late.is_empty() && late.iter().all(|row| !row.contains("late")), "{late:?}");
    // No partition takes the rows: nothing happens at all.
    let now = stage.photograph(&["ev"]).await;
    let out = stage.program.run(&["snapshot", "restore", "--to", "m", "--yes"]);
    assert_ne!(out.code, Some(0), "{out}");
    assert_eq!(stage.photograph(&["ev"]).await, now);
    stage.program.migration(
        "0005_room",
        "CREATE TABLE ev_rest PARTITION OF ev DEFAULT; CREATE TABLE bag_rest PARTITION OF bag DEFAULT;",
        "SELECT 1;",
    );
    check(&stage.program.run(&["up", "--yes"]), Code::Clean, &[]);
    let with_bag = [now, stage.photograph(&["bag"]).await].concat();
    check(&stage.program.run(&["snapshot", "restore", "--to", "m", "--yes"]), Code::Clean, &[]);
    assert_eq!(stage.photograph(&["ev"]).await, then);
    assert_eq!(stage.photograph(&["bag"]).await, bag);
    check(&stage.program.run(&["snapshot", "restore", "--undo", "--yes"]), Code::Clean, &[]);
    assert_eq!(stage.photograph(&["ev", "bag"]).await, with_bag);
}

#[tokio::test]
async fn partitions_that_go_by_hand_are_told() {
    for by_hand in ["ALTER TABLE ev DETACH PARTITION ev1", "DROP TABLE ev2a"] {
        let mut stage = Stage::new(TREE).await;
        stage.track("auto");
        stage.mark("m");
        stage.db.run(by_hand).await;
        check(
            &stage.program.run(&["snapshot", "status"]),
            Code::Drift,
            &["a partition was detached or dropped by hand"],
        );
        check(
            &stage.program.run(&["snapshot", "restore", "--to", "m", "--table", "ev"]),
            Code::Findings,
            &["partitions of ev went by hand"],
        );
        check(
            &stage.program.run(&["snapshot", "track", "ev", "--yes"]),
            Code::Clean,
            &["the history of ev begins anew"],
        );
        let out = stage.program.run(&["snapshot", "restore", "--to", "m", "--table", "ev"]);
        assert_ne!(out.code, Some(0), "{by_hand}: the mark is out of reach\n{out}");
        // What was not touched goes back all the same.
        check(
            &stage.program.run(&["snapshot", "restore", "--to", "m", "--table", "bag"]),
            Code::Clean,
            &["nothing differs"],
        );
    }
}

/// The first row of each partition has the same `ctid`.
#[tokio::test]
async fn rows_without_a_key_come_back_in_their_own_partition() {
    let mut stage = Stage::new(
        "CREATE TABLE bag (d int, v text, w text) PARTITION BY LIST (d); \
         CREATE TABLE bag1 PARTITION OF bag FOR VALUES IN (1); CREATE TABLE bag2 PARTITION OF bag FOR VALUES IN (2); \
         INSERT INTO bag SELECT 1 + g % 2, 'v' || g, 'w' || g FROM generate_series(1, 40) g",
    )
    .await;
    let before = stage.photograph(&["bag"]).await;
    stage.program.migration(
        "0001_column",
        "ALTER TABLE bag DROP COLUMN w;",
        "ALTER TABLE bag ADD COLUMN w text;",
    );
    stage.program.ok(&["up", "--yes"]);
    stage.program.ok(&["down", "--yes", "--all"]);
    assert_eq!(stage.photograph(&["bag"]).await, before);
    stage.program.migration("0002_rows", "UPDATE bag SET v = 'x' WHERE d = 1;", "SELECT 1;");
    stage.program.ok(&["up", "--yes"]);
    stage.program.ok(&["down", "--yes", "--all"]);
    assert_eq!(stage.photograph(&["bag"]).await, before);
}
