//! The promise: on MariaDB a migration of few rows is one transaction, and the rows that its way back
//! deletes lie in one table with those of others, as exact as in tables of their own; small migrations go
//! many in one message, the one that fails fails as if it had gone alone, and of a message that was cut off
//! it is known what took effect.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use downhaul::exit_code::Code;
use std::time::{Duration, Instant};

use downhaul_kit::{MariaDb, Program, Session, check, fault};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// Every type that a packed row may have, and one column that nobody can write.
const ODD: &str = "CREATE TABLE odd (id bigint unsigned, `a key` varchar(9) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL, \
    t text CHARACTER SET utf8mb4, c char(4) CHARACTER SET utf8mb3, u varchar(5) CHARACTER SET ucs2, n decimal(30, 10), z int(6) unsigned zerofill, \
    d date, w datetime(6), o time(3), s timestamp(6) NULL, y year, b varbinary(9), l blob, g varchar(20) AS (concat(u, '!')) STORED, \
    PRIMARY KEY (id, `a key`));\n";

const ROWS: &str = "INSERT INTO odd (id, `a key`, t, c, u, n, z, d, w, o, s, y, b, l) VALUES \
    (18446744073709551615, 'é', 'a ''quote'', a \\\\ and\\na line', 'ab', 'äö', -12345678901234567890.0123456789, 7, '2026-02-28', '1999-12-31 23:59:59.999999', '-838:59:59.000', NULL, 2026, X'00FF00', X''), \
    (1, 'b', '🦀 and \\0', '', NULL, 0, 0, '0001-01-01', '0001-01-01 00:00:00', '00:00:00', NULL, 1901, X'', X'00'), \
    (2, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);\n";

fn with_rows(url: &str) -> Program {
    let program = Program::new(PROGRAM).database(url);
    program.migration("0001_odd", ODD, "DROP TABLE odd;\n");
    program.migration(
        "0002_rows",
        ROWS,
        "DELETE FROM odd WHERE id IN (18446744073709551615, 1, 2); -- three\n",
    );
    program.migration(
        "0003_more",
        "CREATE TABLE plain (id int PRIMARY KEY, v varchar(20));\nINSERT INTO plain VALUES (1, 'one'), (2, 'two');\n",
        "DROP TABLE plain;\n",
    );
    program.migration(
        "0004_two",
        "INSERT INTO plain VALUES (3, 'three');\nINSERT INTO odd (id, `a key`) VALUES (5, 'five');\n",
        "DELETE FROM `odd` WHERE `a key` = 'five' AND odd.id = 5;\nDELETE FROM plain WHERE v LIKE 'thr%' OR id BETWEEN 3 AND 4;\n",
    );
    program
}

/// Every byte of what the tables hold.
async fn rows_of_all(session: &mut Session) -> Vec<Vec<Option<String>>> {
    session.run("SET time_zone = '+00:00'").await;
    let columns =
        ["id", "`a key`", "t", "c", "u", "n", "z", "d", "w", "o", "s", "y", "b", "l", "g"];
    let columns: Vec<String> =
        columns.iter().map(|c| format!("HEX(CAST({c} AS BINARY))")).collect();
    let sql = format!("SELECT {} FROM odd ORDER BY 1, 2", columns.join(", "));
    let mut rows = session.rows(&sql).await;
    rows.extend(session.rows("SELECT id, v FROM plain ORDER BY 1").await);
    rows
}

const PACKED: &str = "SELECT count(*) FROM downhaul_packed";
const TABLES: &str = "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'downhaul\\_kept\\_%'";

#[tokio::test]
async fn rows_that_go_come_back_as_they_were() {
    let database = MariaDb::shared().fresh_database().await;
    let program = with_rows(database.url());
    program.ok(&["up", "--yes"]);
    let mut session = Session::connect(database.url()).await;
    // What nobody brings back but Downhaul, at an instant that has two names elsewhere.
    session
        .run("SET time_zone = '+00:00'; INSERT INTO odd (id, `a key`, t, s) VALUES (2, 'since', 'written since', '2026-10-25 00:30:00.5'), (1, 'too', '', '2026-10-25 01:30:00.5')")
        .await;
    let before = rows_of_all(&mut session).await;
    assert_eq!(before.len(), 9, "{before:?}");
    let down = program.run(&["down", "--yes", "--steps", "1"]);
    check(&down, Code::Clean, &["odd: deleted rows (1 row)", "plain: deleted rows (1 row)"]);
    let down = program.run(&["down", "--yes", "--to", "0001"]);
    check(&down, Code::Clean, &["odd: deleted rows (5 rows)"]);
    assert_eq!(session.value(PACKED).await.as_deref(), Some("3"));
    check(&program.run(&["verify"]), Code::Clean, &[]);
    // What somebody changes is found before it is needed.
    let forge = |from: &str, to: &str| {
        format!("UPDATE downhaul_packed SET cells = REPLACE(cells, '{from}', '{to}')")
    };
    session.run(&forge("18446744073709551615", "18446744073709551614")).await;
    check(&program.run(&["verify"]), Code::SnapshotNotSound, &["not sound", "downhaul_packed"]);
    check(&program.run(&["up", "--yes"]), Code::SnapshotNotSound, &["not sound"]);
    session.run(&forge("18446744073709551614", "18446744073709551615")).await;
    // Whoever reads it has other settings than those who wrote it.
    session.run("SET GLOBAL time_zone = '-07:00'").await;
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    session.run("SET GLOBAL time_zone = 'SYSTEM'").await;
    assert_eq!(rows_of_all(&mut session).await, before);
    assert_eq!(session.value(PACKED).await.as_deref(), Some("0"));
    assert_eq!(session.value(TABLES).await.as_deref(), Some("0"));
    check(&program.run(&["verify"]), Code::Clean, &["0 rows kept"]);
}

#[tokio::test]
async fn a_migration_of_rows_is_whole_or_not_there() {
    let database = MariaDb::shared().fresh_database().await;
    let program = with_rows(database.url());
    program.ok(&["up", "--yes"]);
    let mut session = Session::connect(database.url()).await;
    program.migration(
        "0005_fails",
        "INSERT INTO plain VALUES (7, 'seven');\nINSERT INTO plain VALUES (1, 'again');\n",
        "DELETE FROM plain WHERE id = 7;\n",
    );
    check(&program.run(&["up", "--yes"]), Code::FailedUnchanged, &["Duplicate entry"]);
    assert_eq!(session.value("SELECT count(*) FROM plain").await.as_deref(), Some("3"));
    check(&program.run(&["status"]), Code::Clean, &["4 applied, 1 pending"]);
    // Nor does a way back that the server refuses keep anything.
    session
        .run("CREATE TABLE child (id int PRIMARY KEY, plain int, FOREIGN KEY (plain) REFERENCES plain (id)); INSERT INTO child VALUES (1, 3)")
        .await;
    check(&program.run(&["down", "--yes"]), Code::FailedUnchanged, &["foreign key"]);
    assert_eq!(session.value(PACKED).await.as_deref(), Some("0"));
    assert_eq!(session.value("SELECT count(*) FROM odd").await.as_deref(), Some("4"));
    session.run("DROP TABLE child").await;
    check(&program.run(&["down", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["history"]), Code::Clean, &[]);
}

#[tokio::test]
async fn other_rows_have_a_store_of_their_own() {
    let database = MariaDb::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    let pair = |label: &str, up: &str, down: &str| program.migration(label, up, down);
    pair(
        "0001_tables",
        "CREATE TABLE many (id int PRIMARY KEY, s timestamp NULL);\nCREATE TABLE parts (id int PRIMARY KEY, f float);\nCREATE TABLE parent (id int PRIMARY KEY);\nCREATE TABLE child (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE);\n",
        "DROP TABLE child; DROP TABLE parent; DROP TABLE parts; DROP TABLE many;\n",
    );
    pair(
        "0002_many",
        "INSERT INTO many SELECT seq, NULL FROM seq_1_to_501;\n",
        "DELETE FROM many WHERE id > 0;\n",
    );
    pair("0003_parts", "INSERT INTO parts VALUES (1, 0.1);\n", "DELETE FROM parts WHERE id = 1;\n");
    pair(
        "0004_zone",
        "INSERT INTO many VALUES (1000, '2026-01-01 00:00:00');\n",
        "DELETE FROM many WHERE s < '2026-06-01 00:00:00';\n",
    );
    pair(
        "0005_cascade",
        "INSERT INTO parent VALUES (1);\nINSERT INTO child VALUES (1, 1);\n",
        "DELETE FROM parent WHERE id = 1;\n",
    );
    program.ok(&["up", "--yes"]);
    let mut session = Session::connect(database.url()).await;
    let counts = "SELECT CONCAT_WS(',', (SELECT count(*) FROM many), (SELECT count(*) FROM parts), (SELECT count(*) FROM parent), (SELECT count(*) FROM child))";
    assert_eq!(session.value(counts).await.as_deref(), Some("502,1,1,1"));
    let down = program.run(&["down", "--yes", "--to", "0001"]);
    check(&down, Code::Clean, &["many: deleted rows (501 rows)", "child: deleted rows (1 row)"]);
    assert_eq!(session.value(PACKED).await.as_deref(), Some("0"));
    assert_eq!(session.value(counts).await.as_deref(), Some("0,0,0,0"));
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    assert_eq!(session.value(counts).await.as_deref(), Some("502,1,1,1"));
}

#[tokio::test]
async fn what_is_kept_of_few_rows_can_be_given_up() {
    let database = MariaDb::shared().fresh_database().await;
    let program = with_rows(database.url());
    program.ok(&["up", "--yes"]);
    program.ok(&["down", "--yes", "--to", "0003"]);
    let mut session = Session::connect(database.url()).await;
    assert_eq!(session.value(PACKED).await.as_deref(), Some("2"));
    program.ok(&["snapshot", "prune", "--kept", "--older-than", "0s", "--yes"]);
    assert_eq!(session.value(PACKED).await.as_deref(), Some("0"));
    check(&program.run(&["verify"]), Code::Clean, &["0 rows kept"]);
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
}

/// Twelve tables, four migrations each: the table, a column and an index with a remark behind it, rows in
/// every third, a view.
fn series(url: &str) -> Program {
    let program = Program::new(PROGRAM).database(url);
    for n in 0..12 {
        let label = |step: usize| format!("{:04}_step", n * 4 + step);
        program.migration(
            &label(1),
            &format!("CREATE TABLE t{n} (id int PRIMARY KEY, name text);\n"),
            &format!("DROP TABLE t{n};\n"),
        );
        program.migration(
            &label(2),
            &format!(
                "ALTER TABLE t{n} ADD COLUMN note varchar(20);\nCREATE INDEX t{n}_note ON t{n} (note) -- by note\n"
            ),
            &format!("DROP INDEX t{n}_note ON t{n};\nALTER TABLE t{n} DROP COLUMN note -- and all\n"),
        );
        let (up, down) = match n % 3 {
            0 => (
                format!(
                    "INSERT INTO t{n} (id) VALUES (1);\nINSERT INTO t{n} (id, name) VALUES (2, 'b;b');\n"
                ),
                format!("DELETE FROM t{n} WHERE id < 3;\n"),
            ),
            _ => (
                format!("CREATE VIEW w{n} AS SELECT id FROM t{n};\n"),
                format!("DROP VIEW w{n};\n"),
            ),
        };
        program.migration(&label(3), &up, &down);
        program.migration(
            &label(4),
            &format!("CREATE VIEW v{n} AS SELECT id, name FROM t{n};\n"),
            &format!("DROP VIEW v{n};\n"),
        );
    }
    program
}

/// States of migrations, states of steps, and how many there are.
async fn journal(session: &mut Session) -> Vec<String> {
    let sql = "SELECT (SELECT count(*) FROM downhaul_migration), (SELECT GROUP_CONCAT(DISTINCT state ORDER BY state) FROM downhaul_migration), \
        (SELECT count(*) FROM downhaul_step WHERE direction = 'up'), (SELECT GROUP_CONCAT(DISTINCT state ORDER BY state) FROM downhaul_step)";
    let rows = session.rows(sql).await;
    rows[0].iter().map(|value| value.clone().unwrap_or_default()).collect()
}

#[tokio::test]
async fn small_migrations_go_together() {
    let database = MariaDb::shared().fresh_database().await;
    let program = series(database.url());
    let up = program.run(&["up", "--yes"]);
    check(&up, Code::Clean, &["↑ 0001_step", "↑ 0048_step", "48 migrations applied"]);
    let mut session = Session::connect(database.url()).await;
    assert_eq!(journal(&mut session).await, ["48", "applied", "64", "settled"]);
    assert_eq!(
        session
            .value("SELECT count(*) FROM downhaul_step WHERE probe LIKE 'signs %'")
            .await
            .as_deref(),
        Some("56"),
        "they went by themselves"
    );
    assert_eq!(
        session
            .value("SELECT count(*) FROM downhaul_step WHERE duration_ms NOT BETWEEN 0 AND 600000")
            .await
            .as_deref(),
        Some("0")
    );
    check(&program.run(&["verify"]), Code::Clean, &[]);
    // Rows that somebody wrote since are kept, wherever they stand among the others.
    session.run("INSERT INTO t7 VALUES (70, 'seventy', 'note')").await;
    let down = program.run(&["down", "--yes", "--all"]);
    check(&down, Code::Clean, &["48 migrations taken back", "t7: ", "t0: deleted rows (2 rows)"]);
    assert_eq!(journal(&mut session).await[0], "0");
    let left = "SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME NOT LIKE 'downhaul\\_%'";
    assert_eq!(session.value(left).await, None);
    check(&program.run(&["up", "--yes"]), Code::Clean, &["48 migrations applied"]);
    let row = session.rows("SELECT id, name, note FROM t7").await;
    assert_eq!(row, [[Some("70".into()), Some("seventy".into()), Some("note".into())]]);
    assert_eq!(session.value("SELECT count(*) FROM t9").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn the_one_that_fails_fails_alone() {
    let database = MariaDb::shared().fresh_database().await;
    let program = series(database.url());
    let mut session = Session::connect(database.url()).await;
    session.run("CREATE TABLE taken (id int)").await;
    let note = "ALTER TABLE t2 ADD COLUMN note varchar(20);\n";
    // A table that is there, a column that is refused, one of two statements that is, a second key.
    for (label, up, next, code, states) in [
        (
            "0005_step",
            "CREATE TABLE taken (id int);\n",
            "CREATE TABLE t1 (id int PRIMARY KEY, name text);\n".to_owned(),
            Code::FailedUnchanged,
            ["4", "applied"],
        ),
        (
            "0009_step",
            "CREATE TABLE t2 (id int PRIMARY KEY, name text COLLATE nowhere);\n",
            "CREATE TABLE t2 (id int PRIMARY KEY, name text);\n".to_owned(),
            Code::FailedUnchanged,
            ["8", "applied"],
        ),
        (
            "0010_step",
            &format!("{note}CREATE INDEX t2_note ON t2 (absent);\n"),
            format!("{note}CREATE INDEX t2_note ON t2 (note);\n"),
            Code::PartlyApplied,
            ["10", "applied,applying"],
        ),
        (
            "0027_step",
            "INSERT INTO t6 (id) VALUES (1);\nINSERT INTO t6 (id) VALUES (1);\n",
            "INSERT INTO t6 (id) VALUES (1);\n".to_owned(),
            Code::FailedUnchanged,
            ["26", "applied"],
        ),
    ] {
        program.migration(label, up, "SELECT 1;\n");
        let run = program.run(&["up", "--yes"]);
        check(&run, code, &[label]);
        assert_eq!(journal(&mut session).await[..2], states, "{label}: {run}");
        program.migration(label, &next, "SELECT 1;\n");
    }
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    assert_eq!(journal(&mut session).await[..2], ["48", "applied"]);
    assert_eq!(session.value("SELECT count(*) FROM t6").await.as_deref(), Some("1"));
}

/// Rows of every type that go among other migrations, where the server alone reads them.
#[tokio::test]
async fn rows_that_go_among_others_come_back_as_they_were() {
    let database = MariaDb::shared().fresh_database().await;
    let program = Program::new(PROGRAM).database(database.url());
    program.migration(
        "0001_odd",
        &format!("{ODD}CREATE TABLE plain (id int PRIMARY KEY, v varchar(20));\n"),
        "DROP TABLE plain;\nDROP TABLE odd;\n",
    );
    program.migration("0002_column", "ALTER TABLE odd DROP COLUMN s;\n", "SELECT 1;\n");
    let rows = ROWS.replace(" s,", "").replace("-838:59:59.000', NULL", "-838:59:59.000'");
    let rows = rows.replace("'00:00:00', NULL", "'00:00:00'").replace("NULL, NULL);", "NULL);");
    program.migration(
        "0003_rows",
        "SELECT 1;\n",
        "DELETE FROM odd WHERE id < 3 OR `a key` = 'é';\n",
    );
    program.migration("0004_none", "SELECT 1;\n", "DELETE FROM plain WHERE id = 1;\n");
    program.migration("0005_view", "CREATE VIEW v AS SELECT 1;\n", "DROP VIEW v;\n");
    program.ok(&["up", "--yes"]);
    let mut session = Session::connect(database.url()).await;
    session.run(&rows).await;
    let all = "SELECT HEX(CONCAT_WS(',', id, HEX(`a key`), HEX(t), HEX(c), HEX(u), n, z, d, w, o, y, HEX(b), HEX(l), g)) FROM odd ORDER BY id, `a key`";
    let before = session.rows(all).await;
    assert_eq!(before.len(), 3);
    let down = program.run(&["down", "--yes", "--to", "0002"]);
    check(&down, Code::Clean, &["odd: deleted rows (3 rows)", "3 migrations taken back"]);
    assert_eq!(session.value("SELECT count(*) FROM odd").await.as_deref(), Some("0"));
    // The server writes JSON with blanks, Downhaul without.
    let by_server = "SELECT GROUP_CONCAT(k.detail LIKE '{\"id\": %') FROM downhaul_kept k JOIN downhaul_restore_point r ON r.id = k.restore_point WHERE r.direction = 'down'";
    assert_eq!(session.value(by_server).await.as_deref(), Some("1"), "it went by itself");
    assert_eq!(session.value(PACKED).await.as_deref(), Some("1"));
    check(&program.run(&["verify"]), Code::Clean, &[]);
    check(&program.run(&["up", "--yes"]), Code::Clean, &["restored odd: 3 "]);
    assert_eq!(session.rows(all).await, before);
}

/// What the catalog and the journal tell must be what is there: everybody below a version, nobody above.
fn applied(program: &Program) -> usize {
    let outcome = program.ok(&["status", "--format", "json"]);
    let status: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let rows = status["migrations"].as_array().unwrap();
    let states: Vec<&str> = rows.iter().map(|row| row["state"].as_str().unwrap()).collect();
    let whole = states.iter().take_while(|state| **state == "applied").count();
    // One of two statements may have taken effect.
    let half =
        states[whole..].iter().take_while(|state| state.ends_with("ing") && **state != "pending");
    let rest = whole + half.count().min(1);
    assert!(states[rest..].iter().all(|state| *state == "pending"), "{states:?}");
    whole
}

/// The server goes on with what it was sent until it notices that nobody listens.
async fn until(session: &mut Session, question: &str, answer: impl Fn(i64) -> bool) {
    let begun = Instant::now();
    while !answer(session.value(question).await.unwrap_or_default().parse().unwrap()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "never so: {question}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_message_that_was_cut_off_is_judged_by_the_catalog() {
    let database = MariaDb::shared().fresh_database().await;
    let program = series(database.url());
    let mut session = Session::connect(database.url()).await;
    let mut reader = Session::connect(database.url()).await;
    let others = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()";
    let waiting = "SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE LIKE 'Waiting for table metadata lock%'";
    // A reader is in the way of a statement of the next message.
    program.ok(&["up", "--yes", "--to", "0001"]);
    for (args, table, ends) in
        [(["up"].as_slice(), "t0", ["up"].as_slice()), (&["down", "--all"], "t10", &["down", "up"])]
    {
        reader.run(&format!("START TRANSACTION; SELECT * FROM {table}")).await;
        let patient: &[&str] = &["--yes", "--lock-timeout", "60000"];
        let mut child = program.spawn(&[args, patient].concat());
        until(&mut session, waiting, |count| count > 0).await;
        fault::kill9(child.id());
        child.wait().unwrap();
        reader.run("ROLLBACK").await;
        until(&mut session, others, |count| count == 1).await;
        let (left, of) = (
            applied(&program),
            "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'v%'",
        );
        let views: usize = session.value(of).await.unwrap().parse().unwrap();
        // Of four migrations the last one makes the view.
        assert_eq!(left / 4, views, "{left}");
        for verb in ends {
            let mut all = vec![verb, "--yes"];
            all.extend((*verb == "down").then_some("--all"));
            check(&program.run(&all), Code::Clean, &[]);
            let expected = if *verb == "up" { ["48", "applied"] } else { ["0", ""] };
            assert_eq!(journal(&mut session).await[..2], expected, "{verb}");
        }
        let open = "SELECT count(*) FROM downhaul_step WHERE state <> 'settled'";
        assert_eq!(session.value(open).await.as_deref(), Some("0"));
    }
}
