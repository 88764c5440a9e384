//! What the random rounds have shown, each as a short story.

use downhaul::exit_code::Code;
use downhaul_kit::{Program, Session, check, on_engines};

/// A condition is judged over what rows were; a computed column is not written down.
async fn a_condition_over_a_computed_column_is_refused(url: &str) {
    let program = Program::new(env!("CARGO_BIN_EXE_downhaul")).database(url);
    let mut db = Session::connect(url).await;
    db.run(
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, word varchar(9), loud varchar(9) GENERATED ALWAYS AS (upper(word)) STORED); \
         INSERT INTO t (id, word) VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    )
    .await;
    check(&program.run(&["snapshot", "track", "t", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["snapshot", "mark", "m"]), Code::Clean, &[]);
    db.run("DELETE FROM t WHERE id = 1; UPDATE t SET word = 'x' WHERE id = 2").await;
    // Row 1 was loud, and row 2 was 'B'.
    for condition in ["loud IS NULL", "loud = 'B'"] {
        check(
            &program.run(&["snapshot", "restore", "--to", "m", "--where", condition, "--yes"]),
            Code::SnapshotNotSound,
            &["computed columns (loud) are not part of a history"],
        );
    }
    let by_hand = ["snapshot", "restore", "--to", "m", "--where", "upper(word) = 'B'", "--yes"];
    check(&program.run(&by_hand), Code::Clean, &["1 row"]);
    let words = db.rows("SELECT loud FROM t ORDER BY id").await;
    assert_eq!(words, [[Some("B".to_owned())], [Some("C".to_owned())]]);
}
on_engines!(
    computed,
    super::a_condition_over_a_computed_column_is_refused,
    sqlite,
    postgres,
    mariadb
);

/// A row that others wrote again is all that there is: that is no success either.
async fn a_conflict_alone_is_refused(url: &str) {
    let program = Program::new(env!("CARGO_BIN_EXE_downhaul")).database(url);
    let mut db = Session::connect(url).await;
    db.run("CREATE TABLE t (id int NOT NULL PRIMARY KEY, word varchar(9)); INSERT INTO t VALUES (1, 'a')")
        .await;
    check(&program.run(&["snapshot", "track", "t", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["snapshot", "mark", "m"]), Code::Clean, &[]);
    db.run("DELETE FROM t").await;
    check(&program.run(&["snapshot", "mark", "n"]), Code::Clean, &[]);
    db.run("INSERT INTO t VALUES (1, 'b')").await;
    let restore = ["snapshot", "restore", "--to", "m", "--keep-since", "n", "--yes"];
    check(&program.run(&restore), Code::Findings, &["again since", "--on-conflict"]);
    let new = [&restore[..], &["--on-conflict", "keep-new"]].concat();
    check(&program.run(&new), Code::Clean, &[]);
    assert_eq!(db.value("SELECT word FROM t").await.as_deref(), Some("b"));
    let old = [&restore[..], &["--on-conflict", "restore-old"]].concat();
    check(&program.run(&old), Code::Clean, &["1 row"]);
    assert_eq!(db.value("SELECT word FROM t").await.as_deref(), Some("a"));
}
on_engines!(conflict, super::a_conflict_alone_is_refused, sqlite, postgres, mariadb);

/// A row that was deleted and written again comes back as a whole: the NULLs that it held, too.
async fn a_row_that_was_written_again_comes_back_whole(url: &str) {
    let program = Program::new(env!("CARGO_BIN_EXE_downhaul")).database(url);
    let mut db = Session::connect(url).await;
    db.run(
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, word varchar(9), price int UNIQUE, note varchar(9)); \
         INSERT INTO t VALUES (1, 'a', NULL, 'n'), (2, 'b', NULL, 'n')",
    )
    .await;
    check(&program.run(&["snapshot", "track", "t", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["snapshot", "mark", "m"]), Code::Clean, &[]);
    db.run("DELETE FROM t WHERE id = 1").await;
    check(&program.run(&["snapshot", "mark", "n"]), Code::Clean, &[]);
    db.run("INSERT INTO t VALUES (1, 'z', 7, 'n')").await;
    let restore = [
        "snapshot",
        "restore",
        "--to",
        "m",
        "--keep-since",
        "n",
        "--on-conflict",
        "restore-old",
        "--yes",
    ];
    check(
        &program.run(&restore),
        Code::Clean,
        &["word in 1 row", "price in 1 row", "the old values come back"],
    );
    let rows = db.rows("SELECT word, price, note FROM t ORDER BY id").await;
    let row = |word: &str| vec![Some(word.to_owned()), None, Some("n".to_owned())];
    assert_eq!(rows, [row("a"), row("b")]);
}
on_engines!(
    written_again,
    super::a_row_that_was_written_again_comes_back_whole,
    sqlite,
    postgres,
    mariadb
);

/// Rows without a key are told apart by all that they hold: of two moments between which a column came, by the
/// columns that they have in common.
async fn a_column_that_came_makes_no_other_rows(url: &str) {
    let program = Program::new(env!("CARGO_BIN_EXE_downhaul")).database(url);
    let mut db = Session::connect(url).await;
    db.run("CREATE TABLE t (a int, b varchar(9)); INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, 'y'), (3, NULL)")
        .await;
    check(&program.run(&["snapshot", "track", "t", "--yes"]), Code::Clean, &[]);
    program.migration(
        "0001_more",
        "ALTER TABLE t ADD COLUMN c int DEFAULT 5;",
        "ALTER TABLE t DROP COLUMN c;",
    );
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    db.run(
        "UPDATE t SET b = 'z' WHERE a = 2; DELETE FROM t WHERE a = 3; INSERT INTO t VALUES (9, 'n', 9)",
    )
    .await;
    let (before, after) = ("before 0001_more", "after 0001_more");
    let counts = |said: &str| said.lines().find(|line| line.starts_with("t:")).map(str::to_owned);
    let differs = |from: &str, to: &str| {
        let outcome = program.run(&["snapshot", "diff", from, to]);
        check(&outcome, Code::Clean, &[]);
        counts(&outcome.stdout)
    };
    assert_eq!(differs(before, after), None);
    assert_eq!(differs(after, "now").as_deref(), Some("t: 2 rows inserted, 2 rows deleted"));
    assert_eq!(differs(before, "now").as_deref(), Some("t: 2 rows inserted, 2 rows deleted"));
    // All that was written came since, and stays.
    let written = db.rows("SELECT a, b, c FROM t ORDER BY a").await;
    for policy in ["fail", "keep-new", "restore-old"] {
        let restore = [
            "snapshot",
            "restore",
            "--to",
            before,
            "--keep-since",
            "--on-conflict",
            policy,
            "--yes",
        ];
        check(&program.run(&restore), Code::Clean, &["nothing differs"]);
        assert_eq!(db.rows("SELECT a, b, c FROM t ORDER BY a").await, written, "{policy}");
    }
    check(&program.run(&["snapshot", "restore", "--to", before, "--yes"]), Code::Clean, &[]);
    let row = |a: &str, b: Option<&str>| {
        vec![Some(a.to_owned()), b.map(str::to_owned), Some("5".to_owned())]
    };
    assert_eq!(
        db.rows("SELECT a, b, c FROM t ORDER BY a").await,
        [row("1", Some("x")), row("1", Some("x")), row("2", Some("y")), row("3", None)]
    );
}
on_engines!(column_came, super::a_column_that_came_makes_no_other_rows, sqlite, postgres, mariadb);
