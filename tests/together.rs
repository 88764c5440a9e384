//! The promise: small migrations go to PostgreSQL many in one message, and nobody can tell: each is a
//! transaction of its own, is recorded as ever, and the one that needs more gets it.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

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
