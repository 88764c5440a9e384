//! Migrations whose down nobody wrote, or whose down is wrong: the inverse of the up stands in for it.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul::exit_code::Code;
use downhaul_kit::{MariaDb, Postgres, Program, Session, SqliteFile, check};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

const BASE: &str = "CREATE TABLE a (id int PRIMARY KEY, v varchar(20) NOT NULL DEFAULT 'x', w int);\n\
    CREATE INDEX a_w ON a (w);\n\
    INSERT INTO a VALUES (1, 'one', 10), (2, 'two', 20);\n";

/// Drops, adds and rewrites.
const UP: &str = "CREATE TABLE b (id int PRIMARY KEY);\n\
    DROP INDEX a_w;\n\
    ALTER TABLE a DROP COLUMN w;\n\
    ALTER TABLE a ADD COLUMN n int;\n\
    UPDATE a SET v = 'changed';\n\
    INSERT INTO b VALUES (1);\nINSERT INTO a (id) VALUES (9);\nDELETE FROM a WHERE id = 9;\n";

/// Applied twice: the base, and `up`, whose down is `down`.
fn applied(url: &str, base: &str, up: &str, down: &str) -> (Program, String) {
    let program = Program::new(PROGRAM).database(url);
    program.migration("0001_base", base, "DROP TABLE a;\n");
    program.ok(&["up"]);
    let before = program.ok(&["schema", "dump"]).stdout;
    program.migration("0002_slim", up, down);
    program.ok(&["up"]);
    (program, before)
}

async fn stands_in(url: &str, up: &str) {
    let (program, before) = applied(url, BASE, up, "-- to be done\n");
    let mut app = Session::connect(url).await;
    app.run("INSERT INTO a (id, v, n) VALUES (3, 'new', 3)").await;
    app.run("UPDATE a SET v = 'since' WHERE id = 2").await;
    let refused = program.run(&["down", "--yes"]);
    let why = ["holds no statement", "nothing was changed", "add --use-generated-down"];
    check(&refused, Code::Findings, &why);

    let shown = program.ok(&["down", "--use-generated-down", "--preview"]).stdout;
    assert!(!shown.contains("written to b"), "{shown}");
    for part in ["generated", "written to a stay", "DROP TABLE", "ADD COLUMN", "brings back"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json =
        program.ok(&["down", "--use-generated-down", "--preview", "--format", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["migrations"][0]["generated"], true);

    let done = program.run(&["down", "--yes", "--use-generated-down"]);
    check(&done, Code::Clean, &["0002_slim is taken back by the inverse of its up"]);
    assert_eq!(program.ok(&["schema", "dump"]).stdout, before);
    let rows = app.rows("SELECT id, v, w FROM a ORDER BY id").await;
    let rows: Vec<Vec<&str>> =
        rows.iter().map(|r| r.iter().map(|v| v.as_deref().unwrap_or("-")).collect()).collect();
    let kept = [vec!["1", "one", "10"], vec!["2", "since", "20"], vec!["3", "new", "-"]];
    assert_eq!(rows, kept, "what the up destroyed, and what was written since");
    app.close().await;
    program.ok(&["up"]);
    program.ok(&["down", "--yes", "--use-generated-down"]);
    assert_eq!(program.ok(&["schema", "dump"]).stdout, before, "the second time");
}

#[tokio::test]
async fn an_inverse_stands_in_for_a_missing_down_on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    stands_in(database.url(), UP).await;
}

#[tokio::test]
async fn an_inverse_stands_in_for_a_missing_down_on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    stands_in(database.url(), &UP.replace("DROP INDEX a_w", "DROP INDEX a_w ON a")).await;
}

#[tokio::test]
async fn an_inverse_stands_in_for_a_missing_down_on_sqlite() {
    let file = SqliteFile::new();
    stands_in(&file.url(), UP).await;
}

/// Another column takes the name of one that is dropped, and is NOT NULL as that was.
#[tokio::test]
async fn a_column_whose_name_was_taken_comes_back_as_it_was() {
    let database = Postgres::shared().fresh_database().await;
    let base = "CREATE TABLE a (id text NOT NULL, k bigserial PRIMARY KEY, v text);\n\
        INSERT INTO a (id, v) VALUES ('p', 'one'), ('q', 'two');\n";
    let up = "ALTER TABLE a ADD COLUMN n int;\nUPDATE a SET n = k + 10;\n\
        ALTER TABLE a DROP COLUMN id, DROP COLUMN k;\nALTER TABLE a RENAME COLUMN n TO id;\n\
        ALTER TABLE a ADD PRIMARY KEY (id);\n";
    let written = "ALTER TABLE a DROP COLUMN id;\nALTER TABLE a ADD COLUMN k bigserial PRIMARY KEY;\n\
        ALTER TABLE a ADD COLUMN id text NOT NULL;\n";
    for (down, flag) in [("", "--use-generated-down"), (written, "--log=text")] {
        let (program, before) = applied(database.url(), base, up, down);
        program.ok(&["down", "--yes", flag]);
        let now = program.ok(&["schema", "dump"]).stdout;
        // The columns stand in another order now, and what is said of them.
        let but_order = |dump: &str| {
            let dump = dump.replace("v text, k bigint, id text", "id text, k bigint, v text");
            let mut lines: Vec<String> = dump.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(but_order(&now), but_order(&before), "{down}");
        let mut app = Session::connect(database.url()).await;
        let rows = app.rows("SELECT id, k, v FROM a ORDER BY k").await;
        assert_eq!(
            rows.iter().flatten().flatten().collect::<Vec<_>>(),
            ["p", "1", "one", "q", "2", "two"]
        );
        app.close().await;
        program.ok(&["down", "--yes"]);
    }
}

#[tokio::test]
async fn a_down_that_fails_can_be_left_out() {
    let database = Postgres::shared().fresh_database().await;
    let (program, before) = applied(database.url(), BASE, UP, "DROP TABLE nowhere;\n");
    let shown = program.ok(&["down", "--preview"]).stdout;
    assert!(shown.contains("its file will fail: table nowhere does not exist"), "{shown}");
    let failed = program.run(&["down", "--yes"]);
    check(&failed, Code::FailedUnchanged, &["nowhere", "--use-generated-down=0002_slim"]);
    // Without its name the file is used: somebody wrote it.
    assert_eq!(program.run(&["down", "--yes", "--use-generated-down"]).code, failed.code);
    program.ok(&["down", "--yes", "--use-generated-down=0002_slim"]);
    assert_eq!(program.ok(&["schema", "dump"]).stdout, before);
}

#[tokio::test]
async fn a_down_that_leaves_what_was_added_can_be_left_out() {
    let file = SqliteFile::new();
    let (program, before) = applied(&file.url(), BASE, UP, "SELECT 1;\n");
    let shown = program.ok(&["down", "--preview"]).stdout;
    for part in
        ["table b is left over", "column a.n is left over", "--use-generated-down=0002_slim"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    // What it forgets of what was destroyed comes back, and is not told.
    assert!(!shown.contains("a_w"), "{shown}");
    let base = program.ok(&["down", "--preview", "--all"]).stdout;
    assert_eq!(base.matches("astray").count(), 2, "{base}");
    program.ok(&["down", "--yes", "--use-generated-down=0002"]);
    assert_eq!(program.ok(&["schema", "dump"]).stdout, before);
}

/// SQLite builds a table anew for this; dropping it would delete the rows that refer to it.
#[tokio::test]
async fn a_table_to_which_others_refer_is_built_anew() {
    let file = SqliteFile::new();
    let base = "CREATE TABLE a (id integer PRIMARY KEY, v text NOT NULL CHECK (v <> ''));\n\
        CREATE TABLE c (id integer PRIMARY KEY, a integer NOT NULL REFERENCES a ON DELETE CASCADE);\n\
        INSERT INTO a VALUES (1, 'one');\nINSERT INTO c VALUES (1, 1);\n";
    let up = "PRAGMA foreign_keys = OFF;\nCREATE TABLE a_new (id integer PRIMARY KEY, v text);\n\
        INSERT INTO a_new SELECT id, v FROM a;\nDROP TABLE a;\nALTER TABLE a_new RENAME TO a;\n\
        PRAGMA foreign_keys = ON;\n";
    let (program, _) = applied(&file.url(), base, up, "");
    let mut app = Session::connect(&file.url()).await;
    app.run("INSERT INTO a VALUES (2, 'two'); INSERT INTO c VALUES (2, 2)").await;
    let done = program.ok(&["down", "--yes", "--use-generated-down"]).stdout;
    assert!(!done.contains("a_new"), "{done}");
    for refused in ["UPDATE a SET v = NULL", "UPDATE a SET v = ''", "INSERT INTO c VALUES (3, 3)"] {
        let on = format!("PRAGMA foreign_keys = ON; {refused}");
        assert!(app.try_run(&on).await.is_err(), "{refused}");
    }
    let rows =
        "SELECT (SELECT group_concat(id || v) FROM a) || (SELECT group_concat(id || a) FROM c)";
    assert_eq!(app.value(rows).await.as_deref(), Some("1one,2two11,22"));
    app.close().await;
}

#[tokio::test]
async fn a_name_that_is_not_taken_back_is_an_error() {
    let file = SqliteFile::new();
    let (program, _) = applied(&file.url(), BASE, UP, "SELECT 1;\n");
    let refused = program.run(&["down", "--yes", "--use-generated-down=0001"]);
    check(&refused, Code::Usage, &["0001 is not among the migrations"]);
    assert!(program.ok(&["status"]).stdout.contains("2 applied"));
}

#[tokio::test]
async fn what_has_no_exact_inverse_is_refused_with_the_reason() {
    let database = Postgres::shared().fresh_database().await;
    // The table was there before Downhaul, which does not know its columns.
    let mut app = Session::connect(database.url()).await;
    app.run("CREATE TABLE old (id int PRIMARY KEY, v text)").await;
    let up = "ALTER TABLE old DROP COLUMN v;\n";
    let (program, _) = applied(database.url(), BASE, up, "");
    let refused = program.run(&["down", "--yes", "--use-generated-down"]);
    check(
        &refused,
        Code::Findings,
        &["0002_slim", "no exact inverse", "old does not exist", "nothing was changed"],
    );
    assert!(program.ok(&["status"]).stdout.contains("2 applied"));
    app.close().await;
}

/// On a server that commits each statement by itself, a generated down that was cut off half way is
/// finished by the same statements, whether or not the flag is there again.
#[tokio::test]
async fn what_was_cut_off_half_way_goes_on() {
    let database = MariaDb::shared().fresh_database().await;
    let up =
        "DROP INDEX a_w ON a;\nALTER TABLE a ADD COLUMN n int;\nALTER TABLE a DROP COLUMN w;\n";
    let (program, before) = applied(database.url(), BASE, up, "");
    // The inverse begins with the column, which somebody has brought back by hand.
    let mut app = Session::connect(database.url()).await;
    app.run("ALTER TABLE a RENAME COLUMN n TO m").await;
    let halfway = program.run(&["down", "--yes", "--use-generated-down"]);
    check(&halfway, Code::PartlyApplied, &["half"]);
    app.run("ALTER TABLE a RENAME COLUMN m TO n").await;
    app.close().await;
    program.ok(&["down", "--yes"]);
    assert_eq!(program.ok(&["schema", "dump"]).stdout, before);
}
