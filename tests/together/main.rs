//! The promise: small migrations go to PostgreSQL many in one message, and nobody can tell: each is a
//! transaction of its own, is recorded as ever, and the one that needs more gets it. On SQLite many share
//! one transaction ([`sqlite`]), and nobody can tell either.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod sqlite;

use downhaul::exit_code::Code;
use downhaul_kit::{LockHolder, Postgres, Program, Session, check};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// Twelve tables, three migrations each: the table, a column and an index with a remark behind it, a
/// view.
fn series(url: &str) -> Program {
    let program = Program::new(PROGRAM).database(url);
    for n in 0..12 {
        let label = |step: usize| format!("{:04}_step", n * 3 + step);
        program.migration(
            &label(1),
            &format!("CREATE TABLE t{n} (id int PRIMARY KEY, name text);\n"),
            &format!("DROP TABLE t{n};\n"),
        );
        program.migration(
            &label(2),
            &format!(
                "ALTER TABLE t{n} ADD COLUMN note text;\nCREATE INDEX t{n}_note ON t{n} (note) -- by note\n"
            ),
            &format!("DROP INDEX t{n}_note;\nALTER TABLE t{n} DROP COLUMN note -- and all\n"),
        );
        program.migration(
            &label(3),
            &format!("CREATE VIEW v{n} AS SELECT id, name FROM t{n};\n"),
            &format!("DROP VIEW v{n};\n"),
        );
    }
    program
}

async fn numbers(session: &mut Session, question: &str) -> Vec<String> {
    let rows = session.rows(question).await;
    rows[0].iter().map(|value| value.clone().unwrap_or_default()).collect()
}

#[tokio::test]
async fn each_is_a_transaction_of_its_own() {
    let database = Postgres::shared().fresh_database().await;
    let program = series(database.url());
    let up = program.run(&["up", "--yes"]);
    check(&up, Code::Clean, &["↑ 0001_step", "↑ 0036_step", "36 migrations applied"]);
    let mut session = Session::connect(database.url()).await;
    let recorded = numbers(
        &mut session,
        "SELECT count(*), count(DISTINCT xmin::text), min(duration_ms) >= 0, max(duration_ms) < 600000 FROM downhaul.migration",
    )
    .await;
    assert_eq!(recorded, ["36", "36", "t", "t"]);
    let steps = numbers(
        &mut session,
        "SELECT count(*), count(DISTINCT xmin::text), bool_and(state = 'settled'), bool_and(duration_ms >= 0) FROM downhaul.step WHERE direction = 'up'",
    )
    .await;
    assert_eq!(steps, ["48", "36", "t", "t"]);
    let left = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(session.value(left).await.as_deref(), Some("0"));
    check(&program.run(&["verify"]), Code::Clean, &["as the last run left it"]);
    let down = program.run(&["down", "--yes", "--to", "0003"]);
    check(&down, Code::Clean, &["↓ 0036_step", "↓ 0004_step", "33 migrations taken back"]);
    check(&program.run(&["status"]), Code::Clean, &["3 applied, 33 pending"]);
    check(&program.run(&["up", "--yes"]), Code::Clean, &["33 migrations applied"]);
    check(&program.run(&["down", "--yes", "--all"]), Code::Clean, &["36 migrations taken back"]);
    let tables = session
        .value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        .await;
    assert_eq!(tables.as_deref(), Some("0"));
}

#[tokio::test]
async fn the_one_that_fails_is_named_and_those_before_it_stand() {
    let database = Postgres::shared().fresh_database().await;
    let program = series(database.url());
    program.migration(
        "0007_step",
        "CREATE TABLE t2 (id int PRIMARY KEY, name text);\nCREATE TABLE t0 (id int);\n",
        "DROP TABLE t2;\n",
    );
    let failed = program.run(&["up", "--yes"]);
    check(
        &failed,
        Code::FailedUnchanged,
        &["0007_step", "0007_step.up.sql:2", "relation \"t0\" already exists", "↑ 0006_step"],
    );
    check(&program.run(&["status"]), Code::Clean, &["6 applied, 30 pending"]);
    program.migration(
        "0007_step",
        "CREATE TABLE t2 (id int PRIMARY KEY, name text);\n",
        "DROP TABLE t2;\n",
    );
    check(&program.run(&["up", "--yes"]), Code::Clean, &["30 migrations applied"]);
}

#[tokio::test]
async fn what_holds_rows_is_kept_as_ever() {
    let database = Postgres::shared().fresh_database().await;
    let program = series(database.url());
    program.ok(&["up", "--yes"]);
    let mut session = Session::connect(database.url()).await;
    session.run("INSERT INTO t5 VALUES (1, 'one', 'a note')").await;
    let down = program.run(&["down", "--yes", "--all"]);
    check(&down, Code::Clean, &["36 migrations taken back", "kept"]);
    program.ok(&["up", "--yes"]);
    let row = numbers(&mut session, "SELECT id, name, note FROM t5").await;
    assert_eq!(row, ["1", "one", "a note"]);
}

#[tokio::test]
async fn what_a_trigger_changes_behind_the_text_is_refused() {
    let database = Postgres::shared().fresh_database().await;
    let mut session = Session::connect(database.url()).await;
    session
        .run(
            "CREATE TABLE victim (id int); INSERT INTO victim VALUES (1), (2); CREATE TABLE trap (id int); \
             CREATE FUNCTION spring() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM victim; RETURN NEW; END $$; \
             CREATE TRIGGER spring AFTER INSERT ON trap FOR EACH ROW EXECUTE FUNCTION spring()",
        )
        .await;
    let program = series(database.url());
    program.migration("0005_step", "INSERT INTO trap VALUES (1);\n", "SELECT 1;\n");
    let refused = program.run(&["up", "--yes"]);
    assert_ne!(refused.code, Some(0), "{refused}");
    check(&program.run(&["status"]), Code::Clean, &["4 applied"]);
    let left = session.value("SELECT count(*) FROM victim").await;
    assert_eq!(left.as_deref(), Some("2"), "{refused}");
}

#[tokio::test]
async fn the_one_that_must_wait_waits_by_itself() {
    let database = Postgres::shared().fresh_database().await;
    let program = series(database.url());
    program.ok(&["up", "--yes", "--to", "0013"]);
    // Younger than the budget at first, so that it is tried; then it is in the way.
    let holder = LockHolder::with_statements(database.url(), "SELECT count(*) FROM t4").await;
    let waiting = program.run(&["up", "--yes", "--lock-timeout", "300", "--lock-retry", "1"]);
    check(&waiting, Code::Locked, &["in the way: pid", "SELECT count(*) FROM t4"]);
    check(&program.run(&["status"]), Code::Clean, &["13 applied, 23 pending"]);
    holder.release().await;
    check(&program.run(&["up", "--yes"]), Code::Clean, &["23 migrations applied"]);
}

#[tokio::test]
async fn a_hook_for_each_migration_comes_between() {
    let database = Postgres::shared().fresh_database().await;
    let program = series(database.url());
    program.write("downhaul.toml", "[hooks]\nbefore-migration = [\"cat >> told; echo >> told\"]\n");
    program.ok(&["up", "--yes", "--steps", "7"]);
    let told = std::fs::read_to_string(program.dir().join("told")).unwrap();
    assert_eq!(told.matches("before-migration").count(), 7, "{told}");
}

/// A table of many types, with a key, odd values, and rows that go and come.
const TYPES: &str = "CREATE TYPE mood AS ENUM ('sad', 'ok, \"fine\"');\n\
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);\n\
    CREATE TABLE odd (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, i smallint, b boolean, n numeric, n2 numeric(12, 2), r real, \
      d double precision, t text, v varchar(100) COLLATE \"C\", c char(5), y bytea, u uuid, da date, ts timestamp, tz timestamptz(3), ti time, \
      iv interval, j json, jb jsonb, ip inet, a int[], at text[], m mood, p positive, g text GENERATED ALWAYS AS (t || '!') STORED);\n";
const ODD_ROWS: &str = "INSERT INTO odd (id, i, b, n, n2, r, d, t, v, c, y, u, da, ts, tz, ti, iv, j, jb, ip, a, at, m, p) VALUES \
    (1, -1, true, 'NaN', 1.50, '-0', 1e-300, E'a\\nb{\"\\\\,}NULL', '', 'ab', '\\x00ff5c', '00000000-0000-0000-0000-000000000001', '0044-03-15 BC', 'infinity', \
     '2026-03-29 02:30:00.123+02', '24:00', '-1 mon +1 day -00:00:00.000001', '{\"a\": 1,  \"a\": 2}', '{\"z\": 1.00}', '10.0.0.1/8', '[0:1]={1,NULL}', \
     ARRAY['NULL', NULL, '', '\"'], 'ok, \"fine\"', 7), \
    (2, NULL, NULL, 1.000, NULL, 0.1, 'NaN', '', NULL, '', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', NULL, NULL, NULL), \
    (3, 1, false, 1e40, 0, 16777217, 0.1, 'NULL', 'NULL', '     ', 'x', NULL, '5874897-12-31', '-infinity', 'epoch', '00:00', '1 year', 'null', 'null', '::1', NULL, '{}', 'sad', 1);\n";

/// A table with rows, its way back taking them, and others around it that go with it in one message.
fn with_rows(url: &str) -> Program {
    let program = series(url);
    program.migration(
        "0040_odd",
        &format!("{TYPES}CREATE TABLE pairs (a int, b text, PRIMARY KEY (a, b), note text);\n"),
        "DROP TABLE pairs;\nDROP TABLE odd;\nDROP DOMAIN positive;\nDROP TYPE mood;\n",
    );
    program.migration("0041_rows", ODD_ROWS, "DELETE FROM odd WHERE id IN (1, 2, 3, 4);\n");
    program.migration(
        "0042_more",
        "INSERT INTO pairs VALUES (1, 'x', NULL), (1, 'y', 'of y');\nINSERT INTO t3 VALUES (7, 'seven', 'noted');\n",
        "DELETE FROM pairs WHERE a = 1 -- both\n;\nDELETE FROM \"t3\";\n",
    );
    program.migration(
        "0043_index",
        "CREATE INDEX t9_name ON t9 (name);\n",
        "DROP INDEX t9_name;\n",
    );
    program
}

/// Rows of all tables, as text.
async fn rows_of_all(session: &mut Session) -> Vec<Vec<Option<String>>> {
    session
        .rows("SELECT o::text FROM odd o UNION ALL SELECT p::text FROM pairs p UNION ALL SELECT t::text FROM t3 t ORDER BY 1")
        .await
}

#[tokio::test]
async fn few_deleted_rows_need_no_table() {
    let database = Postgres::shared().fresh_database().await;
    let program = with_rows(database.url());
    program.ok(&["up", "--yes"]);
    let mut session = Session::connect(database.url()).await;
    let before = rows_of_all(&mut session).await;
    assert_eq!(before.len(), 6);
    let down = program.run(&["down", "--yes", "--to", "0040"]);
    check(
        &down,
        Code::Clean,
        &[
            "3 migrations taken back",
            "odd: deleted rows (3 rows)",
            "pairs: deleted rows (2 rows)",
            "t3: deleted rows (1 row)",
        ],
    );
    let kept = numbers(
        &mut session,
        "SELECT (SELECT count(*) FROM downhaul.kept_rows), (SELECT sum(rows_kept) FROM downhaul.kept), (SELECT count(*) FROM downhaul.restore_point), \
           (SELECT count(*) FROM pg_class WHERE relname ~ '^kept_[0-9]+$' AND relkind = 'r'), (SELECT count(*) FROM odd) + (SELECT count(*) FROM t3)",
    )
    .await;
    assert_eq!(kept, ["3", "6", "2", "0", "0"], "{down}");
    check(&program.run(&["verify"]), Code::Clean, &["6 rows kept"]);
    // Nobody reads what is kept, not even who was granted everything.
    session
        .run("DROP ROLE IF EXISTS curious; CREATE ROLE curious; GRANT USAGE ON SCHEMA downhaul TO curious; GRANT ALL ON ALL TABLES IN SCHEMA downhaul TO curious; SET ROLE curious")
        .await;
    assert_eq!(
        session.value("SELECT count(*) FROM downhaul.kept_rows").await.as_deref(),
        Some("0")
    );
    session.run("RESET ROLE; DROP OWNED BY curious; DROP ROLE curious").await;
    // What somebody changes is found before it is needed.
    let forge = |from: &str, to: &str| {
        format!(
            "UPDATE downhaul.kept_rows SET cells = array_replace(cells, '{from}', '{to}') WHERE cells::text LIKE '%{from}%'"
        )
    };
    session.run(&forge("of y", "forged")).await;
    check(&program.run(&["verify"]), Code::SnapshotNotSound, &["not sound", "downhaul.kept_rows"]);
    check(&program.run(&["up", "--yes"]), Code::SnapshotNotSound, &["not sound"]);
    session.run(&forge("forged", "of y")).await;
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    assert_eq!(rows_of_all(&mut session).await, before);
    let left = session.value("SELECT count(*) FROM downhaul.kept_rows").await;
    assert_eq!(left.as_deref(), Some("0"));
    check(&program.run(&["verify"]), Code::Clean, &["0 rows kept"]);
}

#[tokio::test]
async fn rows_as_they_were_when_they_went_come_back() {
    let database = Postgres::shared().fresh_database().await;
    let program = with_rows(database.url());
    program.ok(&["up", "--yes"]);
    let mut session = Session::connect(database.url()).await;
    session
        .run("INSERT INTO odd (id, t, d, y) VALUES (4, 'written since', 0.30000000000000004, '\\x0102'), (9, 'stays', NULL, NULL)")
        .await;
    let before = rows_of_all(&mut session).await;
    let packed = "SELECT count(*) FROM downhaul.kept_rows";
    let name = database.url().rsplit('/').next().unwrap();
    let set = |setting: &str| format!("ALTER DATABASE {name} SET {setting}");
    check(&program.run(&["down", "--yes", "--to", "0040"]), Code::Clean, &[]);
    assert_eq!(session.value(packed).await.as_deref(), Some("3"));
    // Whoever reads it has other settings than those who wrote it.
    session.run(&set("bytea_output = 'escape'")).await;
    session.run(&set("IntervalStyle = 'sql_standard'")).await;
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    assert_eq!(rows_of_all(&mut session).await, before);
    // With these nobody could read what is written.
    check(&program.run(&["down", "--yes", "--to", "0040"]), Code::Clean, &[]);
    assert_eq!(session.value(packed).await.as_deref(), Some("0"));
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    assert_eq!(rows_of_all(&mut session).await, before);
}

#[tokio::test]
async fn many_rows_and_other_tables_have_a_store_of_their_own() {
    let database = Postgres::shared().fresh_database().await;
    let program = series(database.url());
    program.migration(
        "0040_many",
        "INSERT INTO t1 SELECT i, 'row' FROM generate_series(1, 501) i;\n",
        "DELETE FROM t1 WHERE id > 0;\n",
    );
    program.migration(
        "0041_triggered",
        "CREATE TABLE seen (id int PRIMARY KEY);\nINSERT INTO t2 VALUES (1);\nCREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (OLD.id); RETURN NULL; END $$;\nCREATE TRIGGER see AFTER DELETE ON t2 FOR EACH ROW EXECUTE FUNCTION see();\n",
        "DELETE FROM t2 WHERE id = 1;\n",
    );
    program.migration(
        "0042_cascade",
        "CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES t4 ON DELETE CASCADE);\nINSERT INTO t4 VALUES (1);\nINSERT INTO child VALUES (1, 1);\n",
        "DELETE FROM t4 WHERE id = 1;\n",
    );
    program.migration("0043_view", "CREATE VIEW last AS SELECT 1 AS one;\n", "DROP VIEW last;\n");
    program.ok(&["up", "--yes"]);
    let mut session = Session::connect(database.url()).await;
    check(
        &program.run(&["down", "--yes", "--to", "0036"]),
        Code::Clean,
        &["t1: deleted rows (501 rows)", "child: deleted rows (1 row)", "t2: deleted rows (1 row)"],
    );
    let packed = session.value("SELECT count(*) FROM downhaul.kept_rows").await;
    assert_eq!(packed.as_deref(), Some("0"));
    session
        .run("DROP TABLE child; DROP TRIGGER see ON t2; DROP FUNCTION see; DROP TABLE seen")
        .await;
    check(&program.run(&["up", "--yes", "--to", "0040"]), Code::Clean, &[]);
    assert_eq!(session.value("SELECT count(*) FROM t1").await.as_deref(), Some("501"));
}

#[tokio::test]
async fn what_is_kept_of_few_rows_can_be_given_up() {
    let database = Postgres::shared().fresh_database().await;
    let program = with_rows(database.url());
    program.ok(&["up", "--yes"]);
    program.ok(&["down", "--yes", "--to", "0040"]);
    let mut session = Session::connect(database.url()).await;
    check(
        &program.run(&["snapshot", "prune", "--kept", "--older-than", "0s", "--yes"]),
        Code::Clean,
        &[],
    );
    let left = session.value("SELECT count(*) FROM downhaul.kept_rows").await;
    assert_eq!(left.as_deref(), Some("0"));
    check(&program.run(&["verify"]), Code::Clean, &["0 rows kept"]);
    check(&program.run(&["up", "--yes"]), Code::Clean, &[]);
    check(&program.run(&["down", "--yes", "--all"]), Code::Clean, &[]);
}
