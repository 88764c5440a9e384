//! The promise: tracked tables come back to any mark, in the way a person asks for.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul::exit_code::Code;
use downhaul_kit::{MariaDb, Postgres, Program, Session, SqliteFile, check};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// Every row of a table, as text.
async fn rows(session: &mut Session, table: &str) -> Vec<String> {
    let found = session.rows(&format!("SELECT t::text FROM {table} t ORDER BY t::text")).await;
    found.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

async fn shop() -> (Program, Session) {
    let database = Postgres::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut session = Session::connect(database.url()).await;
    session
        .run(
            "CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text UNIQUE, credit numeric(8,2)); \
             CREATE TABLE orders (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, customer int NOT NULL REFERENCES customers (id) ON DELETE CASCADE, note text); \
             CREATE TABLE log (at int, what text); \
             INSERT INTO customers SELECT g, 'c' || g, 'c' || g || '@x', g FROM generate_series(1, 9) g; \
             INSERT INTO orders (customer, note) SELECT 1 + g % 9, 'n' || g FROM generate_series(1, 20) g; \
             INSERT INTO log VALUES (1, 'a'), (1, 'a'), (2, NULL);",
        )
        .await;
    std::mem::forget(database);
    (program, session)
}

#[tokio::test]
async fn a_day_with_a_bad_release() {
    let (program, mut db) = shop().await;
    check(&program.run(&["snapshot", "status"]), Code::Clean, &["no table is tracked"]);
    check(
        &program.run(&["snapshot", "track", "--all"]),
        Code::Findings,
        &["customers", "statement triggers", "history grows", "add --yes"],
    );
    check(
        &program.run(&["snapshot", "track", "--all", "--yes"]),
        Code::Clean,
        &["3 tables tracked"],
    );
    check(&program.run(&["snapshot", "mark", "lunch"]), Code::Clean, &["mark `lunch` made"]);
    check(&program.run(&["snapshot", "mark", "lunch"]), Code::Usage, &["already"]);
    let tables = ["customers", "orders", "log"];
    let mut then = Vec::new();
    for table in tables {
        then.push(rows(&mut db, table).await);
    }

    db.run(
        "UPDATE customers SET credit = 0; DELETE FROM customers WHERE id = 3; \
         UPDATE customers SET email = CASE id WHEN 1 THEN NULL ELSE 'c1@x' END WHERE id IN (1, 2); \
         UPDATE customers SET email = 'c2@x' WHERE id = 1; \
         INSERT INTO orders (customer, note) VALUES (1, 'new'); UPDATE log SET what = 'b' WHERE at = 1; \
         INSERT INTO log VALUES (3, 'c')",
    )
    .await;
    let bad = [
        rows(&mut db, "customers").await,
        rows(&mut db, "orders").await,
        rows(&mut db, "log").await,
    ];

    check(
        &program.run(&["snapshot", "diff", "lunch"]),
        Code::Clean,
        &[
            "customers: 8 rows updated, 1 row deleted",
            "credit in 8 rows",
            "email in 2 rows",
            "orders: 1 row inserted, 3 rows deleted",
            "~ id=1  email: c1@x → c2@x",
        ],
    );
    check(
        &program.run(&[
            "snapshot",
            "diff",
            "lunch",
            "now",
            "--table",
            "customers,orders",
            "--format",
            "csv",
        ]),
        Code::Clean,
        &["customers,updated,id=1,email,c1@x,c2@x"],
    );
    check(
        &program.run(&["snapshot", "show", "customers", "--as-of", "lunch", "--where", "id = 3"]),
        Code::Clean,
        &["c3@x"],
    );

    let preview = program.run(&["snapshot", "restore", "--to", "lunch"]);
    check(
        &preview,
        Code::Clean,
        &["customers: 8 rows changed, 1 row put back", "preview: nothing was changed"],
    );
    assert_eq!(rows(&mut db, "customers").await, bad[0]);
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
    check(&program.run(&["snapshot", "restore", "--undo", "--yes"]), Code::Clean, &["restore 3"]);
    for (table, then) in tables.iter().zip(&then) {
        assert_eq!(rows(&mut db, table).await, *then, "{table}");
    }
    check(
        &program.run(&["snapshot", "marks"]),
        Code::Clean,
        &["lunch", "before restore 1", "after restore 3"],
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
        &program.run(&["snapshot", "untrack", "--all", "--yes"]),
        Code::Clean,
        &["3 tables no longer tracked"],
    );
    db.run("UPDATE customers SET credit = 1; TRUNCATE log").await;
}

#[tokio::test]
async fn what_was_written_since_is_kept() {
    let (program, mut db) = shop().await;
    check(&program.run(&["snapshot", "track", "--all", "--yes"]), Code::Clean, &[]);
    program.migration(
        "0001_bad",
        "UPDATE customers SET credit = 0, name = upper(name); DELETE FROM orders WHERE id > 18;",
        "SELECT 1;",
    );
    check(&program.run(&["up", "--yes"]), Code::Clean, &["1 migration applied"]);
    // A colleague goes on.
    db.run(
        "UPDATE customers SET email = 'new@x' WHERE id = 1; UPDATE customers SET name = 'Ada' WHERE id = 2; \
         INSERT INTO customers VALUES (50, 'new', NULL, 7); INSERT INTO orders (customer, note) VALUES (50, 'keep me')",
    )
    .await;
    let out = program.run(&["snapshot", "restore", "--to", "before 0001_bad", "--keep-since"]);
    check(
        &out,
        Code::Clean,
        &["what was written after `after 0001_bad` is kept", "1 row changed again since", "(2)"],
    );
    let out =
        program.run(&["snapshot", "restore", "--to", "before 0001_bad", "--keep-since", "--yes"]);
    check(&out, Code::Findings, &["1 row was changed", "customers: (2)", "nothing was changed"]);
    let out = program.run(&[
        "snapshot",
        "restore",
        "--to",
        "before 0001_bad",
        "--keep-since",
        "--on-conflict",
        "keep-new",
        "--yes",
    ]);
    check(&out, Code::Clean, &["restored to"]);
    assert_eq!(
        db.rows("SELECT id, name, email, credit FROM customers WHERE id IN (1, 2, 50) ORDER BY id")
            .await,
        [
            vec![Some("1".into()), Some("c1".into()), Some("new@x".into()), Some("1.00".into())],
            vec![Some("2".into()), Some("Ada".into()), Some("c2@x".into()), Some("2.00".into())],
            vec![Some("50".into()), Some("new".into()), None, Some("7.00".into())],
        ]
    );
    assert_eq!(db.value("SELECT count(*) FROM orders").await, Some("21".into()));
    // Only some columns, only some rows, from a file that was looked at.
    db.run("UPDATE customers SET credit = 99, name = 'x' WHERE id IN (4, 5)").await;
    check(
        &program.run(&[
            "snapshot",
            "restore",
            "--to",
            "after restore 1",
            "--table",
            "customers",
            "--where",
            "id = 4",
            "--columns",
            "credit",
            "--out",
            "plan.json",
        ]),
        Code::Clean,
        &["customers: 1 row changed", "--plan plan.json"],
    );
    // What was written to its rows since was not looked at; another column of theirs does not go back.
    db.run("UPDATE customers SET credit = 98 WHERE id = 4").await;
    check(
        &program.run(&["snapshot", "restore", "--plan", "plan.json"]),
        Code::Findings,
        &["rows have changed since"],
    );
    db.run("UPDATE customers SET credit = 99, name = 'x' WHERE id = 4").await;
    check(
        &program.run(&["snapshot", "restore", "--plan", "plan.json"]),
        Code::Clean,
        &["restored"],
    );
    assert_eq!(
        db.rows("SELECT name, credit FROM customers WHERE id IN (4, 5) ORDER BY id").await,
        [vec![Some("x".into()), Some("4.00".into())], vec![Some("x".into()), Some("99.00".into())]]
    );
    check(
        &program.run(&["snapshot", "restore", "--plan", "plan.json"]),
        Code::Findings,
        &["rows have changed since"],
    );
}

/// Rows that came since the mark would go, and rows that changed would change: whatever is written to them, a plan that
/// was looked at before is no more what somebody looked at.
#[tokio::test]
async fn a_plan_holds_for_the_rows_that_were_looked_at() {
    let (program, mut db) = shop().await;
    program.ok(&["snapshot", "track", "--all", "--yes"]);
    program.ok(&["snapshot", "mark", "a"]);
    db.run("UPDATE customers SET credit = 0 WHERE id < 4; INSERT INTO customers VALUES (50, 'new', NULL, 1)").await;
    let plan = ["snapshot", "restore", "--to", "a", "--out", "plan.json"];
    let doing = ["snapshot", "restore", "--plan", "plan.json"];
    for change in [
        "UPDATE customers SET credit = 7.77 WHERE id = 2",
        "UPDATE customers SET name = 'paid' WHERE id = 50",
    ] {
        check(&program.run(&plan), Code::Clean, &["3 rows changed, 1 row taken out"]);
        db.run(change).await;
        let before = rows(&mut db, "customers").await;
        check(&program.run(&doing), Code::Findings, &["rows have changed since"]);
        assert_eq!(rows(&mut db, "customers").await, before, "{change}");
    }
    check(&program.run(&plan), Code::Clean, &[]);
    // Nobody asks for rows that stay as they are.
    db.run("UPDATE customers SET name = name WHERE id = 9").await;
    check(&program.run(&doing), Code::Clean, &["restored"]);
}

/// A table that was dropped by hand, and is there again out of a backup: its name means the one that is there.
#[tokio::test]
async fn a_table_that_is_made_again_is_another_one() {
    let (program, mut db) = shop().await;
    program.ok(&["snapshot", "track", "--all", "--yes"]);
    program.ok(&["snapshot", "mark", "a"]);
    db.run("UPDATE log SET at = 5; CREATE TABLE \"Saved\" AS TABLE log; DROP TABLE log").await;
    let untrack = "`downhaul snapshot untrack log` forgets it";
    check(&program.run(&["snapshot", "status"]), Code::Drift, &["the table is gone", untrack]);
    let marked = program.run(&["snapshot", "mark", "b"]);
    check(&marked, Code::Clean, &["not of log: the table is gone"]);
    assert!(!marked.stderr.contains("fit again"), "{}", marked.stderr);
    check(
        &program.run(&["snapshot", "restore", "--to", "a", "--yes"]),
        Code::Clean,
        &[
            "nothing differs in the tables that can go back",
            "left out: log is gone",
            "is tracked anew",
        ],
    );
    db.run("CREATE TABLE log (at int, what text); INSERT INTO log SELECT * FROM \"Saved\"").await;
    check(
        &program.run(&["snapshot", "track", "log", "\"Saved\"", "--yes"]),
        Code::Clean,
        &["2 tables tracked"],
    );
    program.ok(&["snapshot", "mark", "c"]);
    let then = rows(&mut db, "log").await;
    db.run("DELETE FROM log WHERE what IS NULL").await;
    check(
        &program.run(&["snapshot", "diff", "c", "now", "--table", "log"]),
        Code::Clean,
        &["1 row deleted"],
    );
    check(&program.run(&["snapshot", "show", "log", "--as-of", "c"]), Code::Clean, &["NULL"]);
    check(
        &program.run(&["snapshot", "show", "Saved", "--as-of", "c"]),
        Code::Findings,
        &["one is named '\"Saved\"'"],
    );
    check(
        &program.run(&["snapshot", "restore", "--to", "c", "--table", "log", "--yes"]),
        Code::Clean,
        &["restored"],
    );
    assert_eq!(rows(&mut db, "log").await, then);
    check(
        &program.run(&["snapshot", "restore", "--to", "c"]),
        Code::Clean,
        &["left out: log is gone", "not the table that has its name now"],
    );
    // The one that is gone is forgotten; the other goes on.
    check(
        &program.run(&["snapshot", "untrack", "log", "--yes"]),
        Code::Clean,
        &["log (the table is gone): its history"],
    );
    db.run("DELETE FROM log").await;
    check(
        &program.run(&["snapshot", "restore", "--to", "c", "--yes"]),
        Code::Clean,
        &["log: 3 rows put back"],
    );
    check(&program.run(&["snapshot", "status"]), Code::Clean, &["log"]);
}

/// What tracking will cost is told of what rows hold, not of the room that dead ones left behind.
#[tokio::test]
async fn the_cost_of_tracking_is_that_of_rows() {
    let (program, mut db) = shop().await;
    db.run(
        "CREATE TABLE stock (id int PRIMARY KEY, n int NOT NULL) WITH (autovacuum_enabled = off); \
         INSERT INTO stock SELECT g, 0 FROM generate_series(1, 100) g",
    )
    .await;
    for _ in 0..100 {
        db.run("UPDATE stock SET n = n + 1").await;
    }
    db.run("ANALYZE stock").await;
    let told = program.run(&["snapshot", "track", "stock"]);
    check(
        &told,
        Code::Findings,
        &["history grows by about 56 B for each changed or deleted row\n"],
    );
}

#[tokio::test]
async fn a_time_that_is_still_to_come_is_told() {
    let (program, _db) = shop().await;
    program.ok(&["snapshot", "track", "log", "--yes"]);
    program.ok(&["snapshot", "mark", "a"]);
    let told = |time: &'static str| program.run(&["snapshot", "restore", "--to-time", time]);
    check(
        &told("9000-01-01 12:00"),
        Code::Clean,
        &["is `a`", "still to come: without a zone times are UTC"],
    );
}

/// Names of columns are written as in SQL: with commas between them, or quoted, and then with commas in them.
#[tokio::test]
async fn columns_are_named_as_in_sql() {
    let (program, mut db) = shop().await;
    db.run(
        r#"CREATE TABLE odd (id int PRIMARY KEY, plain int, "Mixed" int, "a, ""b""" int, extra int);
           INSERT INTO odd VALUES (1, 1, 1, 1, 1)"#,
    )
    .await;
    check(&program.run(&["snapshot", "track", "odd", "--yes"]), Code::Clean, &["1 table"]);
    check(&program.run(&["snapshot", "mark", "a"]), Code::Clean, &[]);
    let change = r#"UPDATE odd SET plain = 2, "Mixed" = 2, "a, ""b""" = 2, extra = 2"#;
    let restore = |columns: &'static str, out: &'static [&'static str]| {
        let mut args = vec!["snapshot", "restore", "--to", "a", "--columns", columns];
        args.extend(out);
        args
    };
    for (columns, expected) in
        [("PLAIN, extra", ["1", "2", "2", "1"]), (r#""Mixed","a, ""b""""#, ["2", "1", "1", "2"])]
    {
        db.run(change).await;
        check(&program.run(&restore(columns, &["--yes"])), Code::Clean, &["restored"]);
        let now = db.rows(r#"SELECT plain, "Mixed", "a, ""b""", extra FROM odd"#).await;
        assert_eq!(now, [expected.map(|n| Some(n.to_owned())).to_vec()], "{columns}");
        // By way of a plan.
        db.run(change).await;
        check(&program.run(&restore(columns, &["--out", "plan.json"])), Code::Clean, &[]);
        check(&program.run(&["snapshot", "restore", "--plan", "plan.json"]), Code::Clean, &[]);
        let now = db.rows(r#"SELECT plain, "Mixed", "a, ""b""", extra FROM odd"#).await;
        assert_eq!(now, [expected.map(|n| Some(n.to_owned())).to_vec()], "{columns}");
    }
    check(
        &program.run(&restore("mixed", &["--yes"])),
        Code::SnapshotNotSound,
        &["odd has no column mixed", "it has id, plain, Mixed, a, \"b\", extra"],
    );
    check(
        &program.run(&restore("odd.plain", &["--yes"])),
        Code::Usage,
        &["--columns takes names of columns", "--table"],
    );
}

/// What the server refuses of a part of a restore is said with what can be done, and nothing is changed.
#[tokio::test]
async fn part_of_a_restore_may_be_refused() {
    let (program, mut db) = shop().await;
    db.run("CREATE TABLE note (customer int REFERENCES customers)").await;
    check(&program.run(&["snapshot", "track", "--all", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["snapshot", "mark", "a"]), Code::Clean, &[]);
    db.run(
        "INSERT INTO customers VALUES (20, 'new', 'new@x', 1); INSERT INTO note VALUES (20); \
         UPDATE customers SET email = 'changed' WHERE id = 4; UPDATE customers SET email = 'c4@x' WHERE id = 5; \
         INSERT INTO log VALUES (3, 'c')",
    )
    .await;
    let then = rows(&mut db, "customers").await;
    for (part, expected) in [
        (["--table", "customers"], ["Key (id)=(20)", "restore both tables together"]),
        (
            ["--where", "id = 4"],
            ["Key (email)=(c4@x)", "a row that does not go back holds this value"],
        ),
    ] {
        let mut args = vec!["snapshot", "restore", "--to", "a", "--yes"];
        args.extend(part);
        args.extend(["--table", "customers"].iter().filter(|_| part[0] == "--where"));
        let outcome = program.run(&args);
        assert!(outcome.code != Some(0), "{outcome}");
        for text in expected.into_iter().chain(["nothing was changed"]) {
            assert!(outcome.stderr.contains(text), "{text} is missing in {outcome}");
        }
        assert_eq!(rows(&mut db, "customers").await, then);
    }
    check(&program.run(&["snapshot", "restore", "--to", "a", "--yes"]), Code::Clean, &["restored"]);
}

/// A migration took a column: `nothing differs` would be read as if nothing had happened.
async fn columns_that_are_gone_are_told(url: &str) {
    let program = Program::new(PROGRAM).database(url);
    let mut db = Session::connect(url).await;
    program.migration(
        "0001_t",
        "CREATE TABLE t (id integer NOT NULL PRIMARY KEY, a varchar(20), b varchar(20));",
        "DROP TABLE t;",
    );
    program.ok(&["up", "--yes"]);
    db.run("INSERT INTO t VALUES (1, 'of a', 'of b')").await;
    program.ok(&["snapshot", "track", "t", "--yes"]);
    program.ok(&["snapshot", "mark", "before"]);
    check(&program.run(&["snapshot", "diff", "before"]), Code::Clean, &["nothing differs\n"]);
    program.migration(
        "0002_no_a",
        "ALTER TABLE t DROP COLUMN a;",
        "ALTER TABLE t ADD COLUMN a varchar(20);",
    );
    program.ok(&["up", "--yes"]);
    check(
        &program.run(&["snapshot", "diff", "before"]),
        Code::Clean,
        &[
            "nothing differs in the columns that both moments have",
            "t: not compared, since only one of the moments has it: a",
        ],
    );
    check(
        &program.run(&["snapshot", "restore", "--to", "before"]),
        Code::Clean,
        &["nothing differs in the columns that are still there", "stay in the history: a;"],
    );
    check(
        &program.run(&["snapshot", "show", "t", "--as-of", "before"]),
        Code::Clean,
        &["1   of b", "gone since, so not shown: a;"],
    );
}

#[tokio::test]
async fn columns_that_are_gone_are_told_on_postgres() {
    columns_that_are_gone_are_told(Postgres::shared().fresh_database().await.url()).await;
}

#[tokio::test]
async fn columns_that_are_gone_are_told_on_mariadb() {
    columns_that_are_gone_are_told(MariaDb::shared().fresh_database().await.url()).await;
}

#[tokio::test]
async fn columns_that_are_gone_are_told_on_sqlite() {
    columns_that_are_gone_are_told(&SqliteFile::new().url()).await;
}

/// More than stays in memory, with values that a terminal would take for orders.
#[tokio::test]
async fn a_large_result_is_written_whole_or_said_not_to_be() {
    let database = Postgres::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut db = Session::connect(database.url()).await;
    db.run(
        "CREATE TABLE notes (id int PRIMARY KEY, note text); \
         INSERT INTO notes SELECT g, repeat('x', 1000) FROM generate_series(1, 10000) g; \
         INSERT INTO notes VALUES (0, E'\\x1b[31mred\\x1b[0m \\x07 = 1')",
    )
    .await;
    program.ok(&["snapshot", "track", "notes", "--yes"]);
    program.ok(&["snapshot", "mark", "m"]);
    db.run("UPDATE notes SET note = 'y'").await;

    let show = |format| {
        ["snapshot", "show", "notes", "--as-of", "m", "--limit", "10001", "--format", format]
    };
    let csv = program.ok(&show("csv")).stdout;
    assert_eq!(csv.lines().count(), 10_002);
    assert!(
        csv.starts_with("id,note\n0,\u{1b}[31mred\u{1b}[0m \u{7} = 1\n1,xxx"),
        "{:?}",
        &csv[..80]
    );
    let json: serde_json::Value = serde_json::from_str(&program.ok(&show("json")).stdout).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(
        (rows.len(), &rows[0]["note"]),
        (10_001, &"\u{1b}[31mred\u{1b}[0m \u{7} = 1".into())
    );
    assert!(
        rows[1..].iter().all(|row| row["note"].as_str().is_some_and(|note| note.len() == 1000))
    );

    let diff = |format| ["snapshot", "diff", "m", "--limit", "10001", "--format", format];
    let csv = program.ok(&diff("csv")).stdout;
    assert_eq!(csv.lines().count(), 10_002);
    let json: serde_json::Value = serde_json::from_str(&program.ok(&diff("json")).stdout).unwrap();
    let table = &json["tables"][0];
    assert_eq!(
        (&table["updated"], table["rows"].as_array().unwrap().len()),
        (&10_001.into(), 10_001)
    );
    let html = program.ok(&diff("html")).stdout;
    assert!(html.ends_with("</table>\n</body></html>\n"));
    assert_eq!(html.matches("<td class=\"v new\">y</td>").count(), 10_001);

    // No room where it is written to, and none where it is put down.
    for args in [&show("csv")[..], &diff("json"), &diff("html")] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let out = program.command(args).stdout(full).output().unwrap();
        assert_eq!(out.status.code(), Some(Code::FailedUnchanged as i32));
        assert!(String::from_utf8_lossy(&out.stderr).contains("the result was not written whole"));
        let out = program.command(args).env("TMPDIR", "/not/there").output().unwrap();
        let error = String::from_utf8_lossy(&out.stderr);
        assert!(out.stdout.is_empty() && error.contains("temporary folder /not/there"), "{error}");
        assert_eq!(out.status.code(), Some(Code::FailedUnchanged as i32));
    }
}

/// Rows that are nothing but a key, and rows that nothing tells apart.
#[tokio::test]
async fn no_row_is_left_out_of_a_difference_as_csv() {
    let database = Postgres::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let mut db = Session::connect(database.url()).await;
    db.run(
        "CREATE TABLE links (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE log (what text); \
         INSERT INTO links VALUES (1, 2), (1, 3); INSERT INTO log VALUES ('x'), ('x'), ('y')",
    )
    .await;
    program.ok(&["snapshot", "track", "--all", "--yes"]);
    program.ok(&["snapshot", "mark", "m"]);
    db.run("DELETE FROM links WHERE b = 3; INSERT INTO links VALUES (4, 5); DELETE FROM log").await;
    let csv = program.ok(&["snapshot", "diff", "m", "--format", "csv"]).stdout;
    assert_eq!(
        csv,
        "table,change,key,column,old,new,copies\n\
         links,deleted,a=1 b=3,,,,1\nlinks,inserted,a=4 b=5,,,,1\n\
         log,deleted,\"\",what,y,,1\nlog,deleted,\"\",what,x,,2\n"
    );
}
