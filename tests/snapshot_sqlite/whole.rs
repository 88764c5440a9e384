//! Copies of the whole file: made, put back, read table by table, killed on the way.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use downhaul::exit_code::Code;
use downhaul_kit::fault::kill9;
use downhaul_kit::{Program, Session, SqliteFile, check};

use crate::{CUSTOMERS, LOG, ORDERS, PROGRAM, rows, shop};

async fn all(db: &mut Session) -> Vec<Vec<String>> {
    vec![
        rows(db, "customers", &CUSTOMERS).await,
        rows(db, "orders", &ORDERS).await,
        rows(db, "log", &LOG).await,
    ]
}

const HARM: &str = "UPDATE customers SET credit = 0; DELETE FROM customers WHERE id = 3; INSERT INTO customers VALUES (30, 'new', NULL, 1.0); \
     UPDATE customers SET email = NULL WHERE id = 1; UPDATE customers SET email = 'c1@x' WHERE id = 2; \
     UPDATE log SET what = x'00' WHERE at = 1; INSERT INTO log VALUES (2, NULL); DELETE FROM orders WHERE id > 15";

/// Where the copy lies that `snapshot marks` names so.
fn place(program: &Program, name: &str) -> Option<PathBuf> {
    let json = program.ok(&["snapshot", "marks", "--format", "json"]).stdout;
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let mark = value["marks"].as_array().unwrap().iter().find(|m| m["name"] == name)?.clone();
    mark["file"]["path"].as_str().map(PathBuf::from)
}

fn leftovers(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".downhaul-partial")).collect()
}

#[tokio::test]
async fn tables_that_are_not_tracked_come_back_from_a_copy() {
    let file = SqliteFile::new();
    let (program, mut db) = shop(&file).await;
    let then = all(&mut db).await;
    check(
        &program.run(&["snapshot", "mark", "lunch", "--file"]),
        Code::Clean,
        &["mark `lunch` made", "32 rows of 3 tables", "no table is tracked"],
    );
    let copy = place(&program, "lunch").unwrap();
    assert_eq!(copy.parent(), Some(file.dir().canonicalize().unwrap().as_path()));
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(leftovers(file.dir()).is_empty());
    check(
        &program.run(&["snapshot", "mark", "lunch", "--file"]),
        Code::SnapshotNotSound,
        &["already"],
    );
    db.run(HARM).await;
    let bad = all(&mut db).await;
    check(
        &program.run(&["snapshot", "restore", "--to", "lunch"]),
        Code::Clean,
        &[
            "read from",
            "customers: 8 rows changed, 1 row put back, 1 row taken out",
            "orders: 7 rows put back",
            "log: ",
            "preview: nothing was changed",
        ],
    );
    assert_eq!(all(&mut db).await, bad);
    // Some rows of one table; then all of them.
    check(
        &program.run(&[
            "snapshot",
            "restore",
            "--to",
            "lunch",
            "--table",
            "customers",
            "--columns",
            "credit",
            "--where",
            "id = 5",
            "--yes",
        ]),
        Code::Clean,
        &["customers: 1 row changed", "before restore to lunch"],
    );
    assert_eq!(db.value("SELECT credit FROM customers WHERE id = 5").await.as_deref(), Some("5"));
    let done = program.run(&["snapshot", "restore", "--to", "lunch", "--yes"]);
    check(
        &done,
        Code::Clean,
        &["restored to `lunch`", "all as they should be", "before restore to lunch #2"],
    );
    assert_eq!(all(&mut db).await, then);
    // What was there before that is in a copy too.
    check(
        &program.run(&[
            "snapshot",
            "restore",
            "--from-file",
            "--to",
            "before restore to lunch",
            "--yes",
        ]),
        Code::Clean,
        &["restored"],
    );
    assert_eq!(all(&mut db).await, bad);
    // A copy that somebody has changed is not trusted.
    let mut other = Session::connect(&format!("sqlite://{}", copy.display())).await;
    other.run("DELETE FROM log").await;
    other.close().await;
    check(
        &program.run(&["snapshot", "restore", "--to", "lunch"]),
        Code::SnapshotNotSound,
        &["other rows than when it was made"],
    );
    std::fs::write(&copy, "no database").unwrap();
    check(
        &program.run(&["snapshot", "restore", "--to", "lunch"]),
        Code::SnapshotNotSound,
        &["not sound"],
    );
    check(
        &program.run(&["snapshot", "restore", "--to", "lunch", "--whole", "--yes"]),
        Code::Unreachable,
        &[],
    );
    assert_eq!(all(&mut db).await, bad);
    check(&program.run(&["snapshot", "mark", "--delete", "lunch"]), Code::Clean, &["is gone"]);
    assert!(!copy.exists() && place(&program, "lunch").is_none());
    check(
        &program.run(&["snapshot", "prune", "--files", "--older-than", "0d", "--yes"]),
        Code::Clean,
        &["3 files removed"],
    );
    assert_eq!(
        std::fs::read_dir(file.dir())
            .unwrap()
            .filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|e| e == "snapshot"))
            .count(),
        0
    );
}

#[tokio::test]
async fn what_was_written_after_another_copy_is_kept() {
    let file = SqliteFile::new();
    let (program, mut db) = shop(&file).await;
    program.ok(&["snapshot", "mark", "a", "--file"]);
    db.run("UPDATE customers SET credit = 100; DELETE FROM customers WHERE id = 9; INSERT INTO log VALUES (7, 'bad')").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("b.db");
    program.ok(&["snapshot", "mark", "b", "--file", "--into", path.to_str().unwrap()]);
    assert!(path.exists());
    db.run("UPDATE customers SET name = 'later' WHERE id = 1; UPDATE customers SET credit = 7 WHERE id = 2; \
            INSERT INTO customers VALUES (20, 'kept', NULL, 1); INSERT INTO log VALUES (8, 'kept')").await;
    let restore = ["snapshot", "restore", "--to", "a", "--keep-since", "b"];
    check(&program.run(&restore), Code::Clean, &["1 row changed again since", "(2)"]);
    check(
        &program.run(&[&restore[..], &["--yes"]].concat()),
        Code::Findings,
        &["changed by what is undone"],
    );
    // What was looked at is what is done.
    let plan = [&restore[..], &["--on-conflict", "keep-new", "--out", "plan.json"]].concat();
    check(&program.run(&plan), Code::Clean, &["--plan plan.json"]);
    check(
        &program.run(&["snapshot", "restore", "--plan", "plan.json"]),
        Code::Clean,
        &["restored"],
    );
    let found = db
        .rows("SELECT id || name || credit FROM customers WHERE id IN (1, 2, 9, 20) ORDER BY id")
        .await;
    let found: Vec<&str> = found.iter().map(|row| row[0].as_deref().unwrap()).collect();
    assert_eq!(found, ["1later1", "2c27", "9c99", "20kept1"]);
    assert_eq!(
        db.value("SELECT group_concat(what) FROM log WHERE at > 5").await.as_deref(),
        Some("kept")
    );
    check(
        &program.run(&["snapshot", "restore", "--plan", "plan.json"]),
        Code::Findings,
        &["rows have changed"],
    );
}

#[tokio::test]
async fn a_tracked_table_has_its_history_of_a_restore_from_a_copy() {
    let file = SqliteFile::new();
    let (program, mut db) = shop(&file).await;
    program.ok(&["snapshot", "track", "--all", "--yes"]);
    program.ok(&["snapshot", "mark", "m", "--file"]);
    let then = all(&mut db).await;
    db.run("CREATE TRIGGER loud AFTER UPDATE ON customers BEGIN SELECT RAISE(ABORT, 'fired') WHERE NEW.credit = 3; END").await;
    db.run("UPDATE customers SET credit = 0; DELETE FROM log").await;
    let bad = all(&mut db).await;
    // The same by both ways: the mark is the moment of the copy.
    for way in [&["--from-file"][..], &[]] {
        let out = program.run(&[&["snapshot", "restore", "--to", "m", "--yes"], way].concat());
        check(&out, Code::Clean, &["`downhaul snapshot restore --undo` takes it back"]);
        assert_eq!(all(&mut db).await, then, "{way:?}");
        program.ok(&["snapshot", "restore", "--undo", "--yes"]);
        assert_eq!(all(&mut db).await, bad, "{way:?}");
    }
    check(&program.run(&["snapshot", "status"]), Code::Clean, &["customers"]);
}

#[tokio::test]
async fn the_whole_file_goes_back_and_the_one_before_is_kept() {
    for mode in ["delete", "wal"] {
        let file = SqliteFile::new();
        let (program, mut db) = shop(&file).await;
        assert_eq!(db.value(&format!("PRAGMA journal_mode = {mode}")).await.as_deref(), Some(mode));
        program.ok(&["snapshot", "track", "log", "--yes"]);
        let then = all(&mut db).await;
        program.ok(&["snapshot", "mark", "lunch", "--file"]);
        db.run(HARM).await;
        db.run("CREATE TABLE later (n INT); DROP TABLE orders; CREATE VIEW v AS SELECT 1").await;
        check(
            &program.run(&["snapshot", "restore", "--whole", "--to", "lunch"]),
            Code::Clean,
            &[
                "later: goes",
                "orders: comes back, 20 rows",
                "log: 3 rows, now 4",
                "nothing was changed",
            ],
        );
        let whole = [
            "snapshot",
            "restore",
            "--whole",
            "--to",
            "lunch",
            "--yes",
            "--lock-retry",
            "1",
            "--lock-timeout",
            "100",
        ];
        db.run("BEGIN IMMEDIATE").await;
        check(
            &program.run(&whole),
            Code::SnapshotNotSound,
            &["another program has the database open"],
        );
        db.run("ROLLBACK").await;
        if mode == "wal" {
            // It need not do anything: its log goes with the file.
            check(
                &program.run(&whole),
                Code::SnapshotNotSound,
                &["another program has the database open"],
            );
            db.close().await;
            db = file.session().await;
            db.run("SELECT 1").await;
        }
        assert!(leftovers(file.dir()).is_empty());
        let mut idle = file.session().await;
        assert_eq!(idle.value("SELECT count(*) FROM later").await.as_deref(), Some("0"));
        if mode == "wal" {
            idle.close().await;
            db.close().await;
            let before = std::fs::metadata(file.path()).unwrap();
            check(
                &program.run(&whole),
                Code::Clean,
                &["the database is what it was", "takes it back"],
            );
            assert_eq!(std::fs::metadata(file.path()).unwrap().mode(), before.mode());
        } else {
            check(
                &program.run(&whole),
                Code::Clean,
                &["the database is what it was", "takes it back"],
            );
            // Who had it open cannot write to the file that is no longer the database.
            let error = idle.try_run("INSERT INTO later VALUES (1)").await.unwrap_err();
            assert!(error.to_string().contains("readonly"), "{error}");
            db.close().await;
        }
        db = file.session().await;
        assert_eq!(db.value("PRAGMA journal_mode").await.as_deref(), Some(mode));
        assert_eq!(all(&mut db).await, then, "{mode}");
        assert_eq!(
            db.value("SELECT count(*) FROM sqlite_schema WHERE name IN ('later', 'v')")
                .await
                .as_deref(),
            Some("0")
        );
        // Its mark and its copy are still there, and it is tracked as it was.
        db.run("UPDATE log SET what = 'z'").await;
        program.ok(&["snapshot", "restore", "--to", "lunch", "--table", "log", "--yes"]);
        assert_eq!(all(&mut db).await, then, "{mode}");
        db.close().await;
        check(&program.run(&["history"]), Code::Clean, &[]);
        let kept = place(&program, "before restore to lunch").unwrap();
        let mut kept = Session::connect(&format!("sqlite://{}", kept.display())).await;
        assert_eq!(kept.value("SELECT count(*) FROM later").await.as_deref(), Some("0"));
        kept.close().await;
        program.ok(&["snapshot", "restore", "--whole", "--to", "before restore to lunch", "--yes"]);
        db = file.session().await;
        assert_eq!(
            db.value("SELECT count(*) FROM v, customers WHERE credit = 0").await.as_deref(),
            Some("8")
        );
        assert_eq!(db.value("PRAGMA integrity_check").await.as_deref(), Some("ok"));
    }
}

#[tokio::test]
async fn whoever_is_killed_leaves_the_database_as_it_was() {
    let file = SqliteFile::new();
    let program = Program::new(PROGRAM).database(file.url());
    let mut db = file.session().await;
    db.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB); \
            INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, randomblob(600) FROM n")
        .await;
    let sum = "SELECT count(*) || hex(sum(length(v) * id)) || (SELECT group_concat(hex(v)) FROM t WHERE id % 4999 = 0) FROM t";
    let then = db.value(sum).await;
    db.close().await;
    let killed = |args: &[&str]| {
        for name in leftovers(file.dir()) {
            std::fs::remove_file(file.dir().join(name)).unwrap();
        }
        let mut child = program.spawn(args);
        // As soon as it has begun to write a file, if it is seen in time.
        while leftovers(file.dir()).is_empty() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        kill9(child.id());
        child.wait().unwrap();
    };
    killed(&["snapshot", "mark", "a", "--file"]);
    let mut db = file.session().await;
    assert_eq!(db.value(sum).await, then);
    db.close().await;
    if place(&program, "a").is_none() {
        program.ok(&["snapshot", "mark", "a", "--file"]);
    }
    let mut db = file.session().await;
    db.run("DELETE FROM t WHERE id % 2 = 0").await;
    let later = db.value(sum).await;
    db.close().await;
    for _ in 0..3 {
        killed(&["snapshot", "restore", "--whole", "--to", "a", "--yes"]);
        let mut db = file.session().await;
        assert_eq!(db.value("PRAGMA integrity_check").await.as_deref(), Some("ok"));
        let now = db.value(sum).await;
        assert!(now == then || now == later);
        db.close().await;
    }
    program.ok(&["snapshot", "restore", "--whole", "--to", "a", "--yes"]);
    let mut db = file.session().await;
    assert_eq!(db.value(sum).await, then);
    assert!(leftovers(file.dir()).is_empty());
}
