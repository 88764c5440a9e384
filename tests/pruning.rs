//! What pruning takes along, and that it takes no more than it says: on every engine.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul::exit_code::Code;
use downhaul_kit::{MariaDb, Postgres, Program, Session, SqliteFile, check};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// A table with two rows, tracked, on each engine: `first` at the mark `one`, `second` at `two`, `third` now.
async fn three_values(url: &str) -> (Program, Session) {
    let program = Program::new(PROGRAM).database(url);
    let mut db = Session::connect(url).await;
    db.run("CREATE TABLE notes (id integer NOT NULL PRIMARY KEY, v varchar(20))").await;
    check(&program.run(&["snapshot", "track", "notes", "--yes"]), Code::Clean, &[]);
    db.run("INSERT INTO notes VALUES (1, 'first'), (2, 'first')").await;
    program.ok(&["snapshot", "mark", "one"]);
    db.run("UPDATE notes SET v = 'second'").await;
    program.ok(&["snapshot", "mark", "two"]);
    db.run("UPDATE notes SET v = 'third' WHERE id = 1").await;
    (program, db)
}

/// Makes a view of the table as it was; its name, quoted.
fn view(program: &Program, mark: &str) -> String {
    let outcome = program.ok(&["snapshot", "show", "notes", "--as-of", mark, "--view"]);
    outcome.stdout.split(" shows ").next().unwrap().to_owned()
}

async fn values(db: &mut Session, view: &str) -> String {
    let rows = db.rows(&format!("SELECT v FROM {view} ORDER BY id")).await;
    rows.iter().map(|row| row[0].clone().unwrap()).collect::<Vec<_>>().join(" ")
}

/// A view of the past reads the history: it would go on, and show rows that never were.
async fn what_shows_the_past_goes_with_it(url: &str) {
    let (program, mut db) = three_values(url).await;
    let (one, two) = (view(&program, "one"), view(&program, "two"));
    assert_eq!(values(&mut db, &one).await, "first first");
    // Once more is no mistake.
    assert_eq!(view(&program, "two"), two);
    let asked = program.run(&["snapshot", "prune", "--before", "two"]);
    check(&asked, Code::Findings, &["`one`", &one, "nobody is there to confirm"]);
    assert!(!asked.stdout.contains(&two), "{asked}");
    program.ok(&["snapshot", "prune", "--before", "two", "--yes"]);
    assert_eq!(values(&mut db, &two).await, "second second");
    let gone = db.try_run(&format!("SELECT v FROM {one}")).await;
    assert!(gone.is_err(), "{one} is still there");
    // It neither stops that its table is forgotten, nor stays behind.
    program.ok(&["snapshot", "untrack", "notes", "--yes"]);
    assert!(db.try_run(&format!("SELECT v FROM {two}")).await.is_err(), "{two} is still there");
    db.run("ALTER TABLE notes RENAME TO renamed").await;
}

/// The way back from a restore goes by the numbers of its marks: none of them may come to mean another moment.
async fn a_restore_without_its_marks_is_not_undone(url: &str) {
    let (program, mut db) = three_values(url).await;
    program.ok(&["snapshot", "restore", "--to", "two", "--yes"]);
    program.ok(&["snapshot", "mark", "--delete", "before restore 1"]);
    program.ok(&["snapshot", "mark", "--delete", "after restore 1"]);
    db.run("UPDATE notes SET v = 'of x'").await;
    program.ok(&["snapshot", "mark", "x"]);
    db.run("UPDATE notes SET v = 'of y'").await;
    program.ok(&["snapshot", "mark", "y"]);
    check(
        &program.run(&["snapshot", "restore", "--undo", "--yes"]),
        Code::SnapshotNotSound,
        &["restore 1 (to `two`", "cannot be undone: its marks were pruned or removed since"],
    );
    assert_eq!(values(&mut db, "notes").await, "of y of y");
}

async fn pruning_says_which_restore_stays(url: &str) {
    let (program, _db) = three_values(url).await;
    program.ok(&["snapshot", "restore", "--to", "two", "--yes"]);
    program.ok(&["snapshot", "mark", "three"]);
    check(
        &program.run(&["snapshot", "prune", "--before", "three"]),
        Code::Findings,
        &["restore 1 cannot be undone any more", "`one`, `two`, `before restore 1`"],
    );
    program.ok(&["snapshot", "prune", "--before", "three", "--yes"]);
    check(
        &program.run(&["snapshot", "restore", "--undo"]),
        Code::SnapshotNotSound,
        &["restore 1 (to `two`"],
    );
    check(
        &program.run(&["snapshot", "restore", "--to", "one"]),
        Code::Usage,
        &["no mark `one`", "`snapshot prune` takes marks away"],
    );
}

#[tokio::test]
async fn views_of_the_past_on_postgres() {
    what_shows_the_past_goes_with_it(Postgres::shared().fresh_database().await.url()).await;
}

#[tokio::test]
async fn views_of_the_past_on_mariadb() {
    what_shows_the_past_goes_with_it(MariaDb::shared().fresh_database().await.url()).await;
}

#[tokio::test]
async fn views_of_the_past_on_sqlite() {
    what_shows_the_past_goes_with_it(&SqliteFile::new().url()).await;
}

#[tokio::test]
async fn marks_of_restores_on_postgres() {
    let (one, other) =
        (Postgres::shared().fresh_database().await, Postgres::shared().fresh_database().await);
    a_restore_without_its_marks_is_not_undone(one.url()).await;
    pruning_says_which_restore_stays(other.url()).await;
}

#[tokio::test]
async fn marks_of_restores_on_mariadb() {
    let (one, other) =
        (MariaDb::shared().fresh_database().await, MariaDb::shared().fresh_database().await);
    a_restore_without_its_marks_is_not_undone(one.url()).await;
    pruning_says_which_restore_stays(other.url()).await;
}

#[tokio::test]
async fn marks_of_restores_on_sqlite() {
    let (one, other) = (SqliteFile::new(), SqliteFile::new());
    a_restore_without_its_marks_is_not_undone(&one.url()).await;
    pruning_says_which_restore_stays(&other.url()).await;
}

/// The files of a history keep the size that they had: by it the same command, night after night, took a part of
/// what was left each time, until nothing was.
#[tokio::test]
async fn pruning_to_a_size_is_done_once() {
    let database = Postgres::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut db = Session::connect(database.url()).await;
    db.run("CREATE TABLE t (id int PRIMARY KEY, n int, v text) WITH (autovacuum_enabled = off)")
        .await;
    db.run("INSERT INTO t SELECT g, 0, repeat('x', 100) FROM generate_series(1, 5000) g").await;
    program.ok(&["snapshot", "track", "t", "--yes"]);
    for n in 1..=8 {
        program.ok(&["snapshot", "mark", &format!("m{n}")]);
        db.run(&format!("UPDATE t SET n = {n}")).await;
    }
    let size = db.value("SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relnamespace = 'downhaul'::regnamespace AND relname LIKE 'log%' AND relkind = 'r'").await;
    let wanted = format!("{}KB", size.unwrap().parse::<u64>().unwrap() * 11 / 20_000);
    let prune = ["snapshot", "prune", "--keep-size", &wanted, "--yes"];
    check(&program.run(&prune), Code::Clean, &["the history before `m5`", "20,000 events dropped"]);
    for _ in 0..2 {
        let again = program.run(&prune);
        check(&again, Code::Clean, &["nothing to drop", "free for new history", "VACUUM FULL"]);
    }
    check(&program.run(&["snapshot", "marks"]), Code::Clean, &["m5", "m6", "m7", "m8"]);
    // Where the room is used again, it counts again.
    db.run("VACUUM downhaul.log_1_1").await;
    for n in 9..=12 {
        program.ok(&["snapshot", "mark", &format!("m{n}")]);
        db.run(&format!("UPDATE t SET n = {n}")).await;
    }
    check(&program.run(&prune), Code::Clean, &["the history before `m9`"]);
}
