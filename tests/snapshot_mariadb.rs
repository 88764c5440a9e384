//! The promise: on MariaDB too, tracked tables come back to any mark, in the way a person asks for.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul::exit_code::Code;
use downhaul_kit::{DatabaseHandle, MariaDb, Program, Session, check};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

async fn rows(session: &mut Session, table: &str) -> Vec<String> {
    let columns = match table {
        "Customers" => "id, name, HEX(email), credit",
        "orders" => "id, customer, note",
        _ => "at, HEX(what)",
    };
    let found = session
        .rows(&format!("SELECT CAST(CONCAT_WS(',', {columns}) AS CHAR) FROM {table} ORDER BY 1"))
        .await;
    found.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

async fn shop() -> (Program, Session, DatabaseHandle) {
    let database = MariaDb::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut session = Session::connect(database.url()).await;
    session
        .run(
            "CREATE TABLE Customers (id int PRIMARY KEY, name varchar(20) NOT NULL, email varchar(20) UNIQUE, credit decimal(8,2)) ENGINE=InnoDB; \
             CREATE TABLE orders (id int PRIMARY KEY AUTO_INCREMENT, customer int NOT NULL, note text, FOREIGN KEY (customer) REFERENCES Customers (id)) ENGINE=InnoDB; \
             CREATE TABLE log (at int, what varbinary(9)) ENGINE=InnoDB; \
             INSERT INTO Customers SELECT seq, CONCAT('c', seq), CONCAT('c', seq, '@x'), seq FROM seq_1_to_9; \
             INSERT INTO orders (customer, note) SELECT 1 + seq % 8, CONCAT('n', seq) FROM seq_1_to_20; \
             INSERT INTO log VALUES (1, 'a'), (1, 'a'), (2, NULL);",
        )
        .await;
    (program, session, database)
}

#[tokio::test]
async fn a_day_with_a_bad_release() {
    let (program, mut db, _database) = shop().await;
    check(
        &program.run(&["snapshot", "track", "--all"]),
        Code::Findings,
        &["Customers", "row triggers", "TRUNCATE fires no trigger", "add --yes"],
    );
    check(
        &program.run(&["snapshot", "track", "--all", "--yes"]),
        Code::Clean,
        &["3 tables tracked"],
    );
    check(&program.run(&["snapshot", "mark", "lunch"]), Code::Clean, &["mark `lunch` made"]);
    check(&program.run(&["snapshot", "mark", "lunch"]), Code::Usage, &["already"]);
    let tables = ["Customers", "orders", "log"];
    let mut then = Vec::new();
    for table in tables {
        then.push(rows(&mut db, table).await);
    }
    db.run(
        "UPDATE Customers SET credit = 0; DELETE FROM Customers WHERE id = 9; \
         UPDATE Customers SET email = NULL WHERE id = 1; UPDATE Customers SET email = 'c1@x' WHERE id = 2; \
         UPDATE Customers SET email = 'C2@x' WHERE id = 1; \
         INSERT INTO orders (customer, note) VALUES (1, 'new') ON DUPLICATE KEY UPDATE note = 'other'; \
         REPLACE INTO orders VALUES (3, 5, 'replaced'); \
         UPDATE log SET what = 'b' WHERE at = 1; INSERT INTO log VALUES (3, x'00')",
    )
    .await;
    let mut bad = Vec::new();
    for table in tables {
        bad.push(rows(&mut db, table).await);
    }
    check(
        &program.run(&["snapshot", "diff", "lunch"]),
        Code::Clean,
        &[
            "Customers: 8 rows updated, 1 row deleted",
            "credit in 8 rows",
            "orders: 1 row inserted, 1 row updated",
            "~ id=1  email: c1@x → C2@x",
            "0x00",
        ],
    );
    check(
        &program.run(&["snapshot", "show", "Customers", "--as-of", "lunch", "--where", "id = 9"]),
        Code::Clean,
        &["c9@x"],
    );
    check(
        &program.run(&["snapshot", "restore", "--to", "lunch"]),
        Code::Clean,
        &["Customers: 8 rows changed, 1 row put back", "preview: nothing was changed"],
    );
    assert_eq!(rows(&mut db, "Customers").await, bad[0]);
    check(
        &program.run(&["snapshot", "restore", "--to", "lunch", "--yes"]),
        Code::Clean,
        &["restored to `lunch`", "all as they should be", "this is restore 1"],
    );
    for (table, then) in tables.iter().zip(&then) {
        assert_eq!(rows(&mut db, table).await, *then, "{table}");
    }
    check(&program.run(&["snapshot", "restore", "--undo", "--yes"]), Code::Clean, &["restore 2"]);
    for (table, bad) in tables.iter().zip(&bad) {
        assert_eq!(rows(&mut db, table).await, *bad, "{table}");
    }
    check(
        &program.run(&["snapshot", "status"]),
        Code::Clean,
        &["Customers", "reaches back to mark `lunch`"],
    );
    check(
        &program.run(&["snapshot", "prune", "--before", "after restore 1", "--yes"]),
        Code::Clean,
        &["events dropped"],
    );
    check(
        &program.run(&["snapshot", "restore", "--to", "after restore 1", "--yes"]),
        Code::Clean,
        &["restored"],
    );
    for (table, then) in tables.iter().zip(&then) {
        assert_eq!(rows(&mut db, table).await, *then, "{table}");
    }
    check(
        &program.run(&["snapshot", "untrack", "--all", "--yes"]),
        Code::Clean,
        &["3 tables no longer tracked"],
    );
    db.run("UPDATE Customers SET credit = 1; TRUNCATE log").await;
}

#[tokio::test]
async fn what_was_written_since_is_kept() {
    let (program, mut db, _database) = shop().await;
    check(&program.run(&["snapshot", "track", "Customers", "--yes"]), Code::Clean, &["1 table"]);
    check(&program.run(&["snapshot", "mark", "a"]), Code::Clean, &[]);
    db.run("UPDATE Customers SET credit = 100; DELETE FROM Customers WHERE id = 9").await;
    check(&program.run(&["snapshot", "mark", "b"]), Code::Clean, &[]);
    db.run(
        "UPDATE Customers SET name = 'later' WHERE id = 1; UPDATE Customers SET credit = 7 WHERE id = 2; \
         INSERT INTO Customers VALUES (20, 'kept', NULL, 1)",
    )
    .await;
    let restore = ["snapshot", "restore", "--to", "a", "--keep-since", "b"];
    check(&program.run(&restore), Code::Clean, &["1 row changed again since", "(2)"]);
    let mut kept = restore.to_vec();
    kept.extend(["--yes", "--on-conflict", "keep-new", "--where", "id < 9 or id = 9 -- all"]);
    check(&program.run(&kept), Code::Clean, &["restored"]);
    let now = rows(&mut db, "Customers").await;
    for row in ["1,later,", "2,c2,", "9,c9,", "20,kept,"] {
        assert!(now.iter().any(|r| r.starts_with(row)), "{row} is missing in {now:#?}");
    }
    assert!(now.iter().any(|r| r.starts_with("1,later,") && r.ends_with(",1.00")), "{now:#?}");
    assert!(now.iter().any(|r| r.starts_with("2,c2,") && r.ends_with(",7.00")), "{now:#?}");
    // It has its orders: it cannot go without them.
    check(&program.run(&["snapshot", "mark", "c"]), Code::Clean, &[]);
    db.run("INSERT INTO Customers VALUES (30, 'x', NULL, 1); INSERT INTO orders (customer) VALUES (30)")
        .await;
    check(
        &program.run(&["snapshot", "restore", "--to", "c", "--yes"]),
        Code::SnapshotNotSound,
        &["would point to nothing"],
    );
}

#[tokio::test]
async fn what_history_cannot_follow_is_refused_or_told() {
    let (program, mut db, _database) = shop().await;
    db.run(
        "CREATE TABLE items (id int PRIMARY KEY, i int, FOREIGN KEY (i) REFERENCES items (id) ON DELETE CASCADE) ENGINE=InnoDB; \
         CREATE TABLE far (id int PRIMARY KEY, i int, FOREIGN KEY (i) REFERENCES items (id) ON DELETE SET NULL) ENGINE=InnoDB; \
         CREATE TABLE bag (o int, FOREIGN KEY (o) REFERENCES orders (id) ON DELETE CASCADE) ENGINE=InnoDB; \
         CREATE TABLE old (id int PRIMARY KEY) ENGINE=MyISAM",
    )
    .await;
    check(
        &program.run(&["snapshot", "track", "items"]),
        Code::Findings,
        &["from items back to items", "fires no trigger on this server"],
    );
    check(
        &program.run(&["snapshot", "track", "far"]),
        Code::Findings,
        &["from items back to items"],
    );
    check(
        &program.run(&["snapshot", "track", "bag"]),
        Code::Findings,
        &["no key by which to tell them apart"],
    );
    check(
        &program.run(&["snapshot", "track", "old"]),
        Code::Findings,
        &["MyISAM knows no transactions"],
    );
    check(&program.run(&["snapshot", "track", "log", "Customers", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["snapshot", "mark", "m"]), Code::Clean, &[]);
    db.run("TRUNCATE log").await;
    check(&program.run(&["snapshot", "status"]), Code::Drift, &["emptied or built anew"]);
    check(
        &program.run(&["snapshot", "mark", "after that"]),
        Code::Clean,
        &["not of log: it was emptied or built anew"],
    );
    check(
        &program.run(&["snapshot", "track", "log", "--yes"]),
        Code::Clean,
        &["the history of log begins anew"],
    );
    // Migrations: what takes away is refused before anything runs; what adds is followed.
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    file("1_drop.up.sql", "ALTER TABLE Customers DROP COLUMN credit;");
    file("1_drop.down.sql", "ALTER TABLE Customers ADD COLUMN credit decimal(8,2);");
    let path = dir.path().to_str().unwrap().to_owned();
    check(
        &program.run(&["up", "--dir", &path]),
        Code::SnapshotNotSound,
        &["Customers, which is tracked", "untrack"],
    );
    file("1_drop.up.sql", "ALTER TABLE Customers ADD COLUMN tax int DEFAULT 3;");
    file("1_drop.down.sql", "SELECT 1;");
    check(&program.run(&["up", "--dir", &path]), Code::Clean, &[]);
    db.run("UPDATE Customers SET tax = 4, credit = 9 WHERE id = 1").await;
    check(
        &program.run(&["snapshot", "restore", "--to", "after 1_drop", "--yes"]),
        Code::Clean,
        &["tax in 1 row"],
    );
    check(
        &program.run(&["snapshot", "diff", "m", "--table", "Customers"]),
        Code::Clean,
        &["nothing differs"],
    );
    // Its own triggers cannot be switched off.
    db.run("CREATE TRIGGER own AFTER UPDATE ON Customers FOR EACH ROW SET @x = 1; UPDATE Customers SET credit = 8 WHERE id = 1")
        .await;
    check(
        &program.run(&["snapshot", "restore", "--to", "m", "--table", "Customers", "--yes"]),
        Code::SnapshotNotSound,
        &["its triggers would fire", "own"],
    );
}

/// What foreign keys do to rows fires no trigger: those of the tables to which they refer write it down.
#[tokio::test]
async fn what_foreign_keys_do_is_history_too() {
    let database = MariaDb::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut db = Session::connect(database.url()).await;
    // Chains of two, keys of several columns, a key that changes along, one table that refers to itself.
    db.run(
        "CREATE TABLE firm (a int, b varchar(9), PRIMARY KEY (a, b)) ENGINE=InnoDB; \
         CREATE TABLE `Site one` (id int PRIMARY KEY, a int, b varchar(9), FOREIGN KEY (a, b) REFERENCES firm (a, b) ON DELETE CASCADE ON UPDATE CASCADE) ENGINE=InnoDB; \
         CREATE TABLE desk (id int PRIMARY KEY, site int, who varchar(9), FOREIGN KEY (site) REFERENCES `Site one` (id) ON DELETE CASCADE ON UPDATE SET NULL) ENGINE=InnoDB; \
         CREATE TABLE badge (site int, n int, v varchar(9), PRIMARY KEY (site, n), FOREIGN KEY (site) REFERENCES `Site one` (id) ON DELETE CASCADE ON UPDATE CASCADE) ENGINE=InnoDB; \
         CREATE TABLE note (id int PRIMARY KEY, desk int, up int, FOREIGN KEY (desk) REFERENCES desk (id) ON DELETE SET NULL, FOREIGN KEY (up) REFERENCES note (id) ON DELETE SET NULL) ENGINE=InnoDB; \
         INSERT INTO firm VALUES (1, 'x'), (1, 'y'), (2, 'x'); INSERT INTO `Site one` VALUES (1, 1, 'x'), (2, 1, 'x'), (3, 1, 'y'), (4, 2, 'x'); \
         INSERT INTO desk VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c'), (4, 3, 'd'), (5, 4, 'e'); INSERT INTO badge VALUES (1, 1, 'p'), (2, 1, 'q'), (4, 1, 'r'); \
         INSERT INTO note VALUES (1, 1, NULL), (2, 3, 1), (3, 5, 2), (4, NULL, 1)",
    )
    .await;
    // The firms are not.
    let tables = ["`Site one`", "desk", "badge", "note"];
    for table in tables {
        check(
            &program.run(&["snapshot", "track", table, "--yes"]),
            Code::Clean,
            &["triggers on these tables write that down"],
        );
    }
    let read = "SELECT CONCAT_WS(';', (SELECT GROUP_CONCAT(CONCAT_WS(',', id, a, b) ORDER BY id) FROM `Site one`), (SELECT GROUP_CONCAT(CONCAT_WS(',', id, COALESCE(site, '-'), who) ORDER BY id) FROM desk), \
                (SELECT GROUP_CONCAT(CONCAT_WS(',', site, n, v) ORDER BY site) FROM badge), (SELECT GROUP_CONCAT(CONCAT_WS(',', id, COALESCE(desk, '-'), COALESCE(up, '-')) ORDER BY id) FROM note))";
    let then = db.value(read).await;
    let firms = "INSERT INTO firm VALUES (1, 'x'), (1, 'y'), (2, 'x') ON DUPLICATE KEY UPDATE a = VALUES(a)";
    for (at, harm) in [
        "DELETE FROM firm WHERE a = 1",
        "UPDATE firm SET a = a + 8 WHERE b = 'x'",
        "UPDATE `Site one` SET id = id + 10 ORDER BY id DESC",
        "DELETE FROM desk WHERE id IN (1, 3)",
        "REPLACE INTO `Site one` VALUES (1, 2, 'x')",
        "DELETE note, f FROM note JOIN firm f WHERE note.id = 1 AND f.a = 2",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN; DELETE FROM note WHERE id = 2; DELETE FROM firm; COMMIT",
        "BEGIN; DELETE FROM firm WHERE a = 2; ROLLBACK; UPDATE note SET desk = 2 WHERE id = 4",
    ]
    .iter()
    .enumerate()
    {
        let mark = format!("m{at}");
        program.ok(&["snapshot", "mark", &mark]);
        db.run(harm).await;
        let bad = db.value(read).await;
        assert_ne!(bad, then, "{harm}");
        // Rows of the untracked table come by hand, or the others would point to nothing.
        db.run(firms).await;
        let out = program.run(&["snapshot", "restore", "--to", &mark, "--yes"]);
        assert_eq!(out.code, Some(0), "{harm}\n{out}");
        assert_eq!(db.value(read).await, then, "{harm}");
        if at % 3 == 0 {
            program.ok(&["snapshot", "restore", "--undo", "--yes"]);
            assert_eq!(db.value(read).await, bad, "undo of {harm}");
            program.ok(&["snapshot", "restore", "--undo", "--yes"]);
        }
        db.run("DELETE FROM firm WHERE a > 8").await;
        db.run(firms).await;
        assert_eq!(db.value(read).await, then, "{harm}");
    }
    check(&program.run(&["snapshot", "status"]), Code::Clean, &["desk"]);
    // A key that comes by hand, and a trigger behind ours that may change what ours has seen.
    db.run("CREATE TABLE top (id int PRIMARY KEY) ENGINE=InnoDB; ALTER TABLE firm ADD COLUMN t int, ADD FOREIGN KEY (t) REFERENCES top (id) ON DELETE CASCADE").await;
    check(
        &program.run(&["snapshot", "status"]),
        Code::Drift,
        &["triggers are missing or no longer suffice"],
    );
    check(&program.run(&["snapshot", "track", "desk", "--yes"]), Code::Clean, &["begins anew"]);
    check(&program.run(&["snapshot", "status"]), Code::Clean, &[]);
    db.run("CREATE TRIGGER late BEFORE UPDATE ON firm FOR EACH ROW SET NEW.b = 'z'").await;
    check(&program.run(&["snapshot", "status"]), Code::Drift, &["no longer suffice"]);
    db.run("DROP TRIGGER late").await;
    check(&program.run(&["snapshot", "untrack", "--all", "--yes"]), Code::Clean, &[]);
    let left = "SELECT CAST(count(*) AS CHAR) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()";
    assert_eq!(db.value(left).await.as_deref(), Some("0"));
}

/// The mark after a migration waits for transactions that are open; the migration is done all the same,
/// and is said to be.
#[tokio::test]
async fn a_migration_without_its_mark_is_done_all_the_same() {
    let (program, mut db, database) = shop().await;
    check(&program.run(&["snapshot", "track", "log", "--yes"]), Code::Clean, &[]);
    program.migration(
        "1_gate",
        "CREATE TABLE made (id int PRIMARY KEY); SELECT GET_LOCK('downhaul gate', 100);",
        "DROP TABLE made;",
    );
    // The migration stands at the gate, its first mark made, until somebody else has begun to write.
    db.run("SELECT GET_LOCK('downhaul gate', 1)").await;
    let child = program.spawn(&["up", "--yes", "--lock-timeout", "1000", "--lock-retry", "1"]);
    let waits = "SELECT CAST(count(*) AS CHAR) FROM information_schema.processlist WHERE state = 'User lock' AND db = database()";
    let mut waiting = false;
    for _ in 0..3000 {
        waiting = db.value(waits).await.as_deref() == Some("1");
        if waiting {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(waiting, "the migration never came to the gate");
    let mut writer = Session::connect(database.url()).await;
    writer.run("BEGIN; INSERT INTO log VALUES (9, 'open')").await;
    db.run("SELECT RELEASE_LOCK('downhaul gate')").await;
    let outcome = program.wait(child);
    check(&outcome, Code::Locked, &["1_gate is applied", "no mark after it", "snapshot mark"]);
    writer.run("COMMIT").await;
    let status = program.ok(&["status"]).stdout;
    assert!(status.contains("1 applied, 0 pending") && !status.contains("half"), "{status}");
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["snapshot", "mark", "after all"]), Code::Clean, &[]);
}
