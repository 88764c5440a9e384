//! The promise: on MariaDB and MySQL too, tracked tables come back to any mark, in the way a person
//! asks for. `scripts/mysql-tests` runs the same stories on MySQL.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul::exit_code::Code;
use downhaul_kit::{
    DatabaseHandle, MariaDb, MariaDbOptions, MySql, Program, Session, check, on_mariadb_and_mysql,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

on_mariadb_and_mysql!(
    a_day_with_a_bad_release,
    what_was_written_since_is_kept,
    what_history_cannot_follow_is_refused_or_told,
    a_migration_without_its_mark_is_done_all_the_same,
    columns_that_are_not_plain,
    members_of_lists_over_versions,
    rows_that_an_ignored_update_left,
    partitions_that_were_emptied_by_hand
);

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

async fn shop(database: &DatabaseHandle) -> (Program, Session) {
    let program = Program::new(PROGRAM).database(database.url());
    let mut session = Session::connect(database.url()).await;
    let (nine, twenty) = (numbers(9), numbers(20));
    session
        .run(&format!(
            "CREATE TABLE Customers (id int PRIMARY KEY, name varchar(20) NOT NULL, email varchar(20) UNIQUE, credit decimal(8,2)) ENGINE=InnoDB; \
             CREATE TABLE orders (id int PRIMARY KEY AUTO_INCREMENT, customer int NOT NULL, note text, FOREIGN KEY (customer) REFERENCES Customers (id)) ENGINE=InnoDB; \
             CREATE TABLE log (at int, what varbinary(9)) ENGINE=InnoDB; \
             INSERT INTO Customers SELECT seq, CONCAT('c', seq), CONCAT('c', seq, '@x'), seq FROM {nine}; \
             INSERT INTO orders (customer, note) SELECT 1 + seq % 8, CONCAT('n', seq) FROM {twenty}; \
             INSERT INTO log VALUES (1, 'a'), (1, 'a'), (2, NULL);"
        ))
        .await;
    (program, session)
}

/// Numbers from 1, for `INSERT … SELECT`.
fn numbers(up_to: u32) -> String {
    format!(
        "(WITH RECURSIVE s (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM s WHERE seq < {up_to}) SELECT seq FROM s) AS n"
    )
}

mod stories {
    use super::*;

    /// A table in partitions that is emptied at once, or loses one, is told, and never said to be as it was. A plan
    /// that was looked at holds for the rows that were there.
    pub(super) async fn partitions_that_were_emptied_by_hand(database: DatabaseHandle) {
        let (program, mut db) = shop(&database).await;
        db.run(
            "CREATE TABLE days (day date NOT NULL, id int NOT NULL, what text, PRIMARY KEY (id, day)) ENGINE=InnoDB \
             PARTITION BY RANGE (year(day)) (PARTITION p25 VALUES LESS THAN (2026), PARTITION p26 VALUES LESS THAN (2027)); \
             INSERT INTO days VALUES ('2025-05-01', 1, 'a'), ('2026-05-01', 2, 'b')",
        )
        .await;
        let tracked = program.run(&["snapshot", "track", "days", "Customers", "--yes"]);
        check(&tracked, Code::Clean, &["by about 100 B for", "2 tables tracked"]);
        assert!(!tracked.stdout.contains("without the PROCESS"), "{}", tracked.stdout);
        program.ok(&["snapshot", "mark", "m"]);
        db.run("ALTER TABLE days ADD PARTITION (PARTITION p27 VALUES LESS THAN (2028)); INSERT INTO days VALUES ('2027-05-01', 3, 'c')").await;
        check(&program.run(&["snapshot", "status"]), Code::Clean, &["days"]);
        check(&program.run(&["snapshot", "diff", "m"]), Code::Clean, &["days: 1 row inserted"]);
        for emptied in [
            "TRUNCATE days",
            "ALTER TABLE days TRUNCATE PARTITION p26",
            "ALTER TABLE days DROP PARTITION p25",
        ] {
            db.run(emptied).await;
            check(&program.run(&["snapshot", "status"]), Code::Drift, &["emptied or built anew"]);
            let told = ["days was emptied or built anew by hand", "begins it anew"];
            let diff = program.run(&["snapshot", "diff", "m"]);
            check(
                &diff,
                Code::Clean,
                &[&["nothing differs in the tables that can be compared"][..], &told].concat(),
            );
            check(&program.run(&["snapshot", "restore", "--to", "m"]), Code::Clean, &told);
            check(
                &program.run(&["snapshot", "track", "days", "--yes"]),
                Code::Clean,
                &["begins anew"],
            );
            check(&program.run(&["snapshot", "status"]), Code::Clean, &["days"]);
        }
        db.run("UPDATE Customers SET credit = 0 WHERE id < 4").await;
        program.ok(&[
            "snapshot",
            "restore",
            "--to",
            "m",
            "--table",
            "Customers",
            "--out",
            "plan.json",
        ]);
        db.run("UPDATE Customers SET credit = 5 WHERE id = 2").await;
        let plan = ["snapshot", "restore", "--plan", "plan.json"];
        check(&program.run(&plan), Code::Findings, &["rows have changed since"]);
        db.run("UPDATE Customers SET credit = 0 WHERE id = 2").await;
        check(&program.run(&plan), Code::Clean, &["restored"]);
    }

    pub(super) async fn a_day_with_a_bad_release(database: DatabaseHandle) {
        let (program, mut db) = shop(&database).await;
        check(
            &program.run(&["snapshot", "track", "--all"]),
            Code::Findings,
            &["Customers", "row triggers", "TRUNCATE by hand fires no trigger", "add --yes"],
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
            &program.run(&[
                "snapshot",
                "show",
                "Customers",
                "--as-of",
                "lunch",
                "--where",
                "id = 9",
            ]),
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
        check(
            &program.run(&["snapshot", "restore", "--undo", "--yes"]),
            Code::Clean,
            &["restore 2"],
        );
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

    pub(super) async fn what_was_written_since_is_kept(database: DatabaseHandle) {
        let (program, mut db) = shop(&database).await;
        check(
            &program.run(&["snapshot", "track", "Customers", "--yes"]),
            Code::Clean,
            &["1 table"],
        );
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

    pub(super) async fn what_history_cannot_follow_is_refused_or_told(database: DatabaseHandle) {
        let (program, mut db) = shop(&database).await;
        db.run(
        "CREATE TABLE items (id int PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE far (id int PRIMARY KEY, FOREIGN KEY (id) REFERENCES items (id) ON UPDATE CASCADE) ENGINE=InnoDB; \
             ALTER TABLE items ADD FOREIGN KEY (id) REFERENCES far (id) ON UPDATE CASCADE; \
             CREATE TABLE bag (o int, FOREIGN KEY (o) REFERENCES orders (id) ON DELETE CASCADE) ENGINE=InnoDB; \
         CREATE TABLE old (id int PRIMARY KEY) ENGINE=MyISAM",
    )
    .await;
        check(
            &program.run(&["snapshot", "track", "items"]),
            Code::Findings,
            &["from far back to far", "fires no trigger on this server"],
        );
        check(
            &program.run(&["snapshot", "track", "far"]),
            Code::Findings,
            &["from far back to far"],
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
        // What was done by hand before a migration is none of its own.
        db.run("INSERT INTO log VALUES (7, 'x'); TRUNCATE log").await;
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        file("1_tax.up.sql", "ALTER TABLE Customers ADD COLUMN tax int DEFAULT 3;");
        file("1_tax.down.sql", "SELECT 1;");
        let path = dir.path().to_str().unwrap().to_owned();
        check(
            &program.run(&["up", "--dir", &path]),
            Code::Clean,
            &["the history of log begins anew"],
        );
        db.run("UPDATE Customers SET tax = 4, credit = 9 WHERE id = 1").await;
        check(
            &program.run(&["snapshot", "restore", "--to", "after 1_tax", "--yes"]),
            Code::Clean,
            &["tax in 1 row"],
        );
        check(
            &program.run(&["snapshot", "diff", "m", "now", "Customers"]),
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
    pub(super) async fn what_foreign_keys_do_is_history_too(database: DatabaseHandle) {
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
    pub(super) async fn a_migration_without_its_mark_is_done_all_the_same(
        database: DatabaseHandle,
    ) {
        let (program, mut db) = shop(&database).await;
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

    /// A key that leads back to its own table takes rows along, through as many of them as the server
    /// follows.
    pub(super) async fn rows_that_go_with_others_of_their_table(database: DatabaseHandle) {
        let program = Program::new(PROGRAM).database(database.url());
        let mut db = Session::connect(database.url()).await;
        let (chain, leaves, long) = (numbers(12), numbers(10), numbers(18));
        db.run(&format!(
            "CREATE TABLE part (id int PRIMARY KEY, up int, name varchar(9), FOREIGN KEY (up) REFERENCES part (id) ON DELETE CASCADE) ENGINE=InnoDB; \
             CREATE TABLE label (id int PRIMARY KEY, part int, FOREIGN KEY (part) REFERENCES part (id) ON DELETE SET NULL) ENGINE=InnoDB; \
             INSERT INTO part SELECT seq, NULLIF(seq - 1, 0), CONCAT('p', seq) FROM {chain} ORDER BY seq; \
             INSERT INTO part SELECT 100 + seq, seq, 'leaf' FROM {leaves}; INSERT INTO label SELECT id, id FROM part"
        ))
        .await;
        check(
            &program.run(&["snapshot", "track", "--all", "--yes"]),
            Code::Clean,
            &["its rows go or change with those of part", "2 tables tracked"],
        );
        let read = "SELECT CONCAT_WS(';', (SELECT GROUP_CONCAT(CONCAT_WS(',', id, COALESCE(up, '-'), name) ORDER BY id) FROM part), \
                    (SELECT GROUP_CONCAT(CONCAT_WS(',', id, COALESCE(part, '-')) ORDER BY id) FROM label))";
        let then = db.value(read).await;
        // Further than the triggers look, the server does not go.
        let too_long = format!(
            "BEGIN; INSERT INTO part SELECT 200 + seq, IF(seq = 1, NULL, 199 + seq), 'long' FROM {long} ORDER BY seq; DELETE FROM part WHERE id = 203"
        );
        assert!(db.try_run(&too_long).await.is_err(), "so long a chain");
        db.run("ROLLBACK").await;
        for (at, harm) in [
            "DELETE FROM part WHERE id = 2",
            "DELETE FROM part WHERE id IN (12, 5, 103)",
            "DELETE FROM part WHERE id > 1 ORDER BY id DESC; DELETE FROM part",
            "UPDATE part SET up = NULL WHERE id = 9; DELETE FROM part WHERE id IN (1, 9)",
        ]
        .iter()
        .enumerate()
        {
            let mark = format!("m{at}");
            program.ok(&["snapshot", "mark", &mark]);
            db.run(harm).await;
            let bad = db.value(read).await;
            assert_ne!(bad, then, "{harm}");
            program.ok(&["snapshot", "restore", "--to", &mark, "--yes"]);
            assert_eq!(db.value(read).await, then, "{harm}");
            program.ok(&["snapshot", "restore", "--undo", "--yes"]);
            assert_eq!(db.value(read).await, bad, "undo of {harm}");
            program.ok(&["snapshot", "restore", "--undo", "--yes"]);
            assert_eq!(db.value(read).await, then, "{harm}");
        }
    }

    /// What an ENUM or a SET held, in a table whose form changed since, where no key tells rows apart.
    pub(super) async fn members_of_lists_over_versions(database: DatabaseHandle) {
        let mut db = Session::connect(database.url()).await;
        db.run(
            "CREATE TABLE bag (e enum('a','b',''), s set('x','it''s')) ENGINE=InnoDB; \
             INSERT INTO bag VALUES ('a', 'x'), ('', 'x,it''s'), ('', ''), (NULL, NULL), ('b', 'it''s'), ('b', 'it''s')",
        )
        .await;
        let program = Program::new(PROGRAM).database(database.url());
        program.ok(&["snapshot", "track", "bag", "--yes"]);
        program.ok(&["snapshot", "mark", "good"]);
        let read = "SELECT GROUP_CONCAT(CONCAT_WS(',', COALESCE(e, '-'), COALESCE(s, '-')) ORDER BY e + 0, s + 0 SEPARATOR ';') FROM bag";
        let then = db.value(read).await.unwrap();
        db.run("UPDATE bag SET s = 'x' WHERE e = ''; DELETE FROM bag WHERE e = 'b' LIMIT 1").await;
        program.migration(
            "0001_members",
            "ALTER TABLE bag ADD COLUMN n int;",
            "ALTER TABLE bag DROP COLUMN n;",
        );
        program.ok(&["up", "--yes"]);
        db.run("DELETE FROM bag WHERE e = 'a'; INSERT INTO bag VALUES ('a', 'it''s', 1), ('', 'it''s', 2)")
            .await;
        let bad = db.value(read).await.unwrap();
        let restore = ["snapshot", "restore", "--to", "good", "--yes"];
        check(&program.run(&restore), Code::Clean, &["all as they should be"]);
        assert_eq!(db.value(read).await.unwrap(), then);
        program.ok(&["snapshot", "restore", "--undo", "--yes"]);
        assert_eq!(db.value(read).await.unwrap(), bad);
    }

    /// Hidden and computed columns, dates that are none, times that the server writes by itself, and
    /// thousands of rows that nothing tells apart.
    /// The triggers fire for rows that `UPDATE IGNORE` could not change, too.
    pub(super) async fn rows_that_an_ignored_update_left(database: DatabaseHandle) {
        let (program, mut session) = shop(&database).await;
        program.ok(&["snapshot", "track", "Customers", "orders", "--yes"]);
        program.ok(&["snapshot", "mark", "m"]);
        let then = [rows(&mut session, "Customers").await, rows(&mut session, "orders").await];
        session
            .run(
                "UPDATE IGNORE orders SET id = 5 WHERE id IN (1, 2); UPDATE IGNORE Customers SET email = 'c3@x' WHERE id = 9; \
                 UPDATE IGNORE orders SET id = id + 1, note = 'up' WHERE id > 15 ORDER BY id; UPDATE orders SET id = 100 WHERE id = 7; \
                 UPDATE IGNORE orders SET id = 100 WHERE id = 8; UPDATE orders SET id = id - 50 WHERE id = 100",
            )
            .await;
        let later = [rows(&mut session, "Customers").await, rows(&mut session, "orders").await];
        program.ok(&["snapshot", "restore", "--to", "m", "--yes"]);
        assert_eq!(
            [rows(&mut session, "Customers").await, rows(&mut session, "orders").await],
            then
        );
        program.ok(&["snapshot", "restore", "--undo", "--yes"]);
        assert_eq!(
            [rows(&mut session, "Customers").await, rows(&mut session, "orders").await],
            later
        );
    }

    pub(super) async fn columns_that_are_not_plain(database: DatabaseHandle) {
        let program = Program::new(PROGRAM).database(database.url());
        let mut db = Session::connect(database.url()).await;
        let many = numbers(400);
        db.run(&format!(
            "SET SESSION sql_mode = ''; \
             CREATE TABLE odd (id int PRIMARY KEY, hidden int DEFAULT 5 INVISIBLE, twice int GENERATED ALWAYS AS (id * 2) STORED, day date, \
               seen timestamp NULL ON UPDATE CURRENT_TIMESTAMP, doc json, flag bit(3)) ENGINE=InnoDB; \
             CREATE TABLE bag (n int, hidden int DEFAULT 5 INVISIBLE) ENGINE=InnoDB; \
             INSERT INTO odd (id, hidden, day, seen, doc, flag) VALUES (1, 7, '0000-00-00', '2026-01-01 00:00:00', '{{\"a\": 1.5}}', b'101'), \
               (2, NULL, '2026-02-00', NULL, 'null', NULL); \
             INSERT INTO bag (n, hidden) SELECT 1, 6 FROM {many}; INSERT INTO bag (n, hidden) SELECT 1, 6 FROM {many}; INSERT INTO bag (n, hidden) SELECT 1, 6 FROM {many}"
        ))
        .await;
        let odd = "SELECT GROUP_CONCAT(CONCAT_WS(',', id, twice, COALESCE(hidden, '-'), day, COALESCE(seen, '-'), doc, COALESCE(flag + 0, '-')) ORDER BY id SEPARATOR ';') FROM odd";
        let bag = "SELECT CONCAT_WS(',', COUNT(*), SUM(n), SUM(hidden)) FROM bag";
        let (odd_then, bag_then) = (db.value(odd).await.unwrap(), db.value(bag).await.unwrap());
        program.ok(&["snapshot", "track", "--all", "--yes"]);
        program.ok(&["snapshot", "mark", "good"]);
        // A time that is named is not written by the server.
        db.run(
            "UPDATE odd SET hidden = 1, day = '2026-05-05', seen = seen WHERE id = 1; DELETE FROM odd WHERE id = 2; \
             DELETE FROM bag LIMIT 1100; UPDATE bag SET hidden = 0 LIMIT 2",
        )
        .await;
        program.ok(&["snapshot", "mark", "bad"]);
        db.run("UPDATE odd SET flag = b'010', seen = seen WHERE id = 1; INSERT INTO bag (n, hidden) VALUES (2, 9)").await;
        let bad = (db.value(odd).await.unwrap(), db.value(bag).await.unwrap());
        program.ok(&["snapshot", "show", "bag", "--as-of", "good", "--view"]);
        let view =
            db.value("SELECT CONCAT_WS(',', COUNT(*), SUM(n), SUM(hidden)) FROM downhaul_bag_at_1");
        assert_eq!(view.await.unwrap(), bag_then);
        check(
            &program.run(&["snapshot", "diff", "good", "bad"]),
            Code::Clean,
            &["odd: 1 row updated, 1 row deleted", "bag: 2 rows inserted, 1,102 rows deleted"],
        );
        // Rows that a condition leaves out, with a key and without.
        let restore = [
            "snapshot",
            "restore",
            "--to",
            "good",
            "--keep-since",
            "bad",
            "--where",
            "hidden = 7 OR hidden = 0 -- those",
        ];
        check(
            &program.run(&restore),
            Code::Clean,
            &["odd: 1 row changed", "bag: 2 rows taken out"],
        );
        let restore = ["snapshot", "restore", "--to", "good", "--keep-since", "bad", "--yes"];
        check(&program.run(&restore), Code::Clean, &["restored", "all as they should be"]);
        let now = (db.value(odd).await.unwrap(), db.value(bag).await.unwrap());
        assert_eq!(now.0, odd_then.replacen(",5;", ",2;", 1), "what was written since is kept");
        assert_eq!(now.1, "1201,1202,7209");
        check(&program.run(&["snapshot", "restore", "--undo", "--yes"]), Code::Clean, &[]);
        assert_eq!((db.value(odd).await.unwrap(), db.value(bag).await.unwrap()), bad);
        check(&program.run(&["snapshot", "restore", "--to", "good", "--yes"]), Code::Clean, &[]);
        assert_eq!(db.value(odd).await.unwrap(), odd_then);
        assert_eq!(db.value(bag).await.unwrap(), bag_then);
    }
}

#[tokio::test]
async fn what_foreign_keys_do_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    stories::what_foreign_keys_do_is_history_too(database).await;
    let database = MariaDb::shared().fresh_database().await;
    stories::rows_that_go_with_others_of_their_table(database).await;
}

/// MySQL 9.7's own way of foreign keys leaves rows behind that point to nothing, where a chain of
/// `ON DELETE CASCADE` ends in `ON DELETE SET NULL`, and refuses both beside each other where one leads back
/// to its own table; InnoDB's does not.
#[tokio::test]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn what_foreign_keys_do_on_mysql() {
    let server = MySql::start(&["innodb-native-foreign-keys=ON"]);
    stories::what_foreign_keys_do_is_history_too(server.fresh_database().await).await;
    stories::rows_that_go_with_others_of_their_table(server.fresh_database().await).await;
}

/// Tables of which MariaDB keeps a history itself: what migrations destroy comes back, the server's history
/// with it, and they are tracked as others are, since that history knows no commits.
#[tokio::test]
async fn tables_with_system_versioning() {
    let database = MariaDb::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut db = Session::connect(database.url()).await;
    let make = "CREATE TABLE kept (id int PRIMARY KEY, a int, b varchar(9)) ENGINE=InnoDB WITH SYSTEM VERSIONING";
    db.run(&format!(
        "{make}; \
         CREATE TABLE period (id int PRIMARY KEY, a int, since timestamp(6) GENERATED ALWAYS AS ROW START, until timestamp(6) GENERATED ALWAYS AS ROW END, \
           PERIOD FOR SYSTEM_TIME (since, until)) ENGINE=InnoDB WITH SYSTEM VERSIONING; \
         CREATE TABLE bag (a int) ENGINE=InnoDB WITH SYSTEM VERSIONING; \
         INSERT INTO kept VALUES (1, 1, 'x'), (2, 2, 'y'), (3, 3, NULL); UPDATE kept SET a = a + 10; \
         INSERT INTO period (id, a) VALUES (1, 1), (2, 2); INSERT INTO bag VALUES (1), (1), (2)"
    ))
    .await;
    let read = "SELECT CONCAT_WS(';', (SELECT GROUP_CONCAT(CONCAT_WS(',', id, a, COALESCE(b, '-')) ORDER BY id) FROM kept), \
                (SELECT GROUP_CONCAT(CONCAT_WS(',', id, a) ORDER BY id) FROM period), (SELECT GROUP_CONCAT(a ORDER BY a) FROM bag))";
    let then = db.value(read).await;
    let history = "SELECT GROUP_CONCAT(CONCAT_WS(',', id, a) ORDER BY id, a) FROM kept FOR SYSTEM_TIME ALL WHERE row_end < now(6)";
    program.migration(
        "1_rows",
        "UPDATE kept SET a = 0; DELETE FROM kept WHERE id = 2; DELETE FROM period WHERE id = 1; DELETE FROM bag WHERE a = 1;",
        "SELECT 1;",
    );
    program.ok(&["up"]);
    assert_ne!(db.value(read).await, then);
    program.ok(&["down", "--yes"]);
    assert_eq!(db.value(read).await, then, "rows");
    std::fs::remove_file(program.dir().join("migrations/1_rows.up.sql")).unwrap();
    std::fs::remove_file(program.dir().join("migrations/1_rows.down.sql")).unwrap();
    program.migration(
        "2_column",
        "SET system_versioning_alter_history = KEEP; ALTER TABLE kept DROP COLUMN b;",
        "SET system_versioning_alter_history = KEEP; ALTER TABLE kept ADD COLUMN b varchar(9);",
    );
    program.ok(&["up"]);
    program.ok(&["down", "--yes"]);
    assert_eq!(db.value(read).await, then, "a column");
    std::fs::remove_file(program.dir().join("migrations/2_column.up.sql")).unwrap();
    std::fs::remove_file(program.dir().join("migrations/2_column.down.sql")).unwrap();
    program.migration("3_table", "DROP TABLE kept;", &format!("{make};"));
    let versions = db.value(history).await;
    program.ok(&["up"]);
    program.ok(&["down", "--yes"]);
    assert_eq!(db.value(read).await, then, "a table");
    assert_eq!(db.value(history).await, versions, "its history came back with it");

    check(
        &program.run(&["snapshot", "track", "--all", "--yes"]),
        Code::Clean,
        &["SYSTEM VERSIONING", "triggers write another one", "3 tables tracked"],
    );
    program.ok(&["snapshot", "mark", "m"]);
    db.run("UPDATE kept SET a = 0, b = NULL; DELETE FROM kept WHERE id = 2; REPLACE INTO period (id, a) VALUES (1, 7); DELETE FROM bag WHERE a = 1 LIMIT 1")
        .await;
    let bad = db.value(read).await;
    check(
        &program.run(&["snapshot", "show", "kept", "--as-of", "m", "--where", "id = 2"]),
        Code::Clean,
        &["12", "y"],
    );
    program.ok(&["snapshot", "restore", "--to", "m", "--yes"]);
    assert_eq!(db.value(read).await, then);
    program.ok(&["snapshot", "restore", "--undo", "--yes"]);
    assert_eq!(db.value(read).await, bad);
    check(&program.run(&["snapshot", "status"]), Code::Clean, &["kept"]);
}

/// What a server wants for triggers is said before anything is made; one that asks every table for a key
/// gets one.
#[tokio::test]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn mysql_with_a_binary_log() {
    let server = MySql::start(&["log-bin=binlog", "sql-require-primary-key=ON"]);
    let database = server.fresh_database().await;
    let mut db = Session::connect(database.url()).await;
    db.run(&format!(
        "CREATE TABLE t (id int PRIMARY KEY, a int) ENGINE=InnoDB; INSERT INTO t VALUES (1, 1), (2, 2); \
         CREATE USER plain@'127.0.0.1'; GRANT ALL ON {}.* TO plain@'127.0.0.1'",
        database.name()
    ))
    .await;
    let program = Program::new(PROGRAM).database(server.url_as("plain", "", database.name()));
    check(
        &program.run(&["snapshot", "track", "t", "--yes"]),
        Code::Findings,
        &["t cannot be tracked", "log_bin_trust_function_creators", "plain"],
    );
    let left = "SELECT CAST(count(*) AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";
    assert_eq!(db.value(left).await.as_deref(), Some("1"), "nothing was made");
    db.run("SET GLOBAL log_bin_trust_function_creators = ON").await;
    check(
        &program.run(&["snapshot", "track", "t", "--yes"]),
        Code::Clean,
        &["PROCESS privilege", "1 table tracked"],
    );
    program.ok(&["snapshot", "mark", "m"]);
    db.run("UPDATE t SET a = 9; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (3, 3)").await;
    check(
        &program.run(&["snapshot", "diff", "m"]),
        Code::Clean,
        &["t: 1 row inserted, 1 row updated, 1 row deleted"],
    );
    program.ok(&["snapshot", "restore", "--to", "m", "--where", "id > 0", "--yes"]);
    let rows = "SELECT GROUP_CONCAT(CONCAT_WS(',', id, a) ORDER BY id SEPARATOR ';') FROM t";
    assert_eq!(db.value(rows).await.as_deref(), Some("1,1;2,2"));
}

/// An account that may only read and write a table is not told that nothing is tracked.
#[tokio::test]
async fn an_account_without_rights_on_the_history() {
    let server = MariaDbOptions::default().start();
    let database = server.fresh_database().await;
    let (program, mut db) = shop(&database).await;
    db.run(&format!(
        "CREATE USER app@'127.0.0.1'; GRANT SELECT, INSERT, UPDATE, DELETE ON {}.Customers TO app@'127.0.0.1'",
        database.name()
    ))
    .await;
    program.ok(&["snapshot", "track", "Customers", "--yes"]);
    program.ok(&["snapshot", "mark", "m"]);
    let app = Program::new(PROGRAM).database(server.url_as("app", "", database.name()));
    for args in
        [&["snapshot", "status"][..], &["snapshot", "mark", "x"], &["snapshot", "diff", "m"]]
    {
        check(&app.run(args), Code::Findings, &["may not read downhaul_tracked"]);
    }
    // What it writes is written down all the same.
    let mut session = Session::connect(&server.url_as("app", "", database.name())).await;
    session.run("UPDATE Customers SET credit = 0 WHERE id = 3").await;
    check(&program.run(&["snapshot", "diff", "m"]), Code::Clean, &["Customers: 1 row updated"]);
}

/// Where the server quotes names as standard SQL does, its definitions are read all the same: a run ends, and
/// says so.
#[tokio::test]
async fn a_server_that_quotes_as_standard_sql_does() {
    for mode in ["ANSI", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES"] {
        let server = MariaDbOptions::default().setting(format!("sql-mode={mode}")).start();
        let database = server.fresh_database().await;
        let (program, mut db) = shop(&database).await;
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        file(
            "1_a.up.sql",
            "CREATE TABLE a (id int PRIMARY KEY, b varchar(9) DEFAULT 'it''s'); INSERT INTO a VALUES (1, 'x');",
        );
        file("1_a.down.sql", "DROP TABLE a;");
        file("2_b.up.sql", "ALTER TABLE a DROP COLUMN b;");
        file("2_b.down.sql", "ALTER TABLE a ADD COLUMN b varchar(9) DEFAULT 'it''s';");
        let path = dir.path().to_str().unwrap().to_owned();
        let up = program.run(&["up", "--dir", &path, "--yes"]);
        check(&up, Code::Clean, &["2 migrations applied"]);
        let down = program.run(&["down", "--dir", &path, "--to", "1", "--yes"]);
        check(&down, Code::Clean, &["restored a: b in 1 row"]);
        program.ok(&["snapshot", "track", "Customers", "a", "--yes"]);
        program.ok(&["snapshot", "mark", "m"]);
        let then = rows(&mut db, "Customers").await;
        db.run("UPDATE Customers SET name = 'x' WHERE id < 4; DELETE FROM a").await;
        check(
            &program.run(&["snapshot", "restore", "--to", "m", "--yes"]),
            Code::Clean,
            &["3 rows changed", "a: 1 row put back"],
        );
        assert_eq!(rows(&mut db, "Customers").await, then, "{mode}");
        let states = "SELECT GROUP_CONCAT(DISTINCT state) FROM downhaul_operation";
        assert_eq!(db.value(states).await.as_deref(), Some("done"), "{mode}");
    }
}

/// Rows that the server has written so far, into tables of its own as well.
async fn written(session: &mut Session) -> u64 {
    let rows = session
        .rows("SELECT SUM(VARIABLE_VALUE) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ('HANDLER_WRITE', 'HANDLER_TMP_WRITE')")
        .await;
    rows[0][0].as_ref().unwrap().parse::<f64>().unwrap() as u64
}

/// A row that goes back is written once into the plan and once into the history; not into a copy of what the
/// table was, nor by the server for a sort or an update.
#[tokio::test]
async fn each_row_is_written_down_once() {
    const ROWS: u64 = 5000;
    let server = MariaDbOptions::default().start();
    let database = server.fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut session = Session::connect(database.url()).await;
    session
        .run(&format!(
            "CREATE TABLE t (id int PRIMARY KEY, grp int, v varchar(20), KEY (grp)); INSERT INTO t SELECT seq, seq, 'v' FROM seq_1_to_{ROWS}"
        ))
        .await;
    program.ok(&["snapshot", "track", "t", "--yes"]);
    program.ok(&["snapshot", "mark", "m"]);
    session.run("UPDATE t SET v = 'w'").await;
    for (args, most) in [
        (vec!["snapshot", "restore", "--to", "m"], ROWS * 3 / 2),
        (vec!["snapshot", "restore", "--to", "m", "--yes"], ROWS * 5 / 2),
        (vec!["snapshot", "restore", "--undo"], ROWS * 3 / 2),
        (vec!["snapshot", "restore", "--undo", "--yes"], ROWS * 5 / 2),
    ] {
        let before = written(&mut session).await;
        program.ok(&args);
        let rows = written(&mut session).await - before;
        assert!((ROWS..most).contains(&rows), "{args:?}: {rows} rows");
    }
    let other = session.value("SELECT count(*) FROM t WHERE v <> 'w'").await;
    assert_eq!(other.as_deref(), Some("0"));
}
