//! Small migrations on SQLite, many in one transaction.

use std::time::{Duration, Instant};

use downhaul::exit_code::Code;
use downhaul_kit::{Outcome, Program, Session, SqliteFile, check};

use super::{numbers, series};

/// Transactions that have written to the file so far: its change counter (fileformat2.html §1.3).
fn commits(file: &SqliteFile) -> u32 {
    let Ok(bytes) = std::fs::read(file.path()) else { return 0 };
    u32::from_be_bytes(bytes[24..28].try_into().unwrap())
}

/// The events of a run with `--log json`, without what differs from run to run.
fn events(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.stderr.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| {
            let mut event: serde_json::Value = serde_json::from_str(line).unwrap();
            for varying in ["at", "ms"] {
                event.as_object_mut().unwrap().remove(varying);
            }
            event.to_string()
        })
        .collect()
}

#[tokio::test]
async fn many_share_a_commit() {
    let file = SqliteFile::new();
    let program = series(&file.url());
    let up = program.run(&["up", "--yes"]);
    check(&up, Code::Clean, &["↑ 0001_step", "↑ 0036_step", "36 migrations applied"]);
    let all = commits(&file);
    assert!(all < 25, "{all} commits for 36 migrations");
    let mut session = file.session().await;
    let recorded = numbers(
        &mut session,
        "SELECT count(*), min(duration_ms) >= 0, max(duration_ms) < 600000 FROM downhaul_migration",
    )
    .await;
    assert_eq!(recorded, ["36", "1", "1"]);
    let steps = numbers(
        &mut session,
        "SELECT count(*), min(state = 'settled'), min(duration_ms >= 0) FROM downhaul_step WHERE direction = 'up'",
    )
    .await;
    assert_eq!(steps, ["48", "1", "1"]);
    check(&program.run(&["verify"]), Code::Clean, &["as the last run left it"]);
    let down = program.run(&["down", "--yes", "--to", "0003"]);
    check(&down, Code::Clean, &["↓ 0036_step", "↓ 0004_step", "33 migrations taken back"]);
    let more = commits(&file) - all;
    assert!(more < 25, "{more} commits for 33 migrations");
    check(&program.run(&["status"]), Code::Clean, &["3 applied, 33 pending"]);
    check(&program.run(&["up", "--yes"]), Code::Clean, &["33 migrations applied"]);
    check(&program.run(&["down", "--yes", "--all"]), Code::Clean, &["36 migrations taken back"]);
    let left = session
        .value("SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'downhaul%' AND name NOT LIKE 'sqlite%'")
        .await;
    assert_eq!(left.as_deref(), Some("0"));
}

#[tokio::test]
async fn the_one_that_fails_is_named_and_those_before_it_stand() {
    let file = SqliteFile::new();
    let program = series(&file.url());
    program.migration(
        "0007_step",
        "CREATE TABLE t2 (id int PRIMARY KEY, name text);\nCREATE TABLE t0 (id int);\n",
        "DROP TABLE t2;\n",
    );
    let failed = program.run(&["up", "--yes"]);
    check(
        &failed,
        Code::FailedUnchanged,
        &["0007_step", "0007_step.up.sql:2", "table t0 already exists", "↑ 0006_step"],
    );
    check(&program.run(&["status"]), Code::Clean, &["6 applied, 30 pending"]);
    let mut session = file.session().await;
    let half = "SELECT count(*) FROM sqlite_schema WHERE name = 't2'";
    assert_eq!(session.value(half).await.as_deref(), Some("0"));
    program.migration(
        "0007_step",
        "CREATE TABLE t2 (id int PRIMARY KEY, name text);\n",
        "DROP TABLE t2;\n",
    );
    check(&program.run(&["up", "--yes"]), Code::Clean, &["30 migrations applied"]);
    // On the way back as well.
    session.run("DROP VIEW v5").await;
    let failed = program.run(&["down", "--yes", "--all"]);
    check(&failed, Code::FailedUnchanged, &["0018_step", "no such view: v5", "↓ 0019_step"]);
    check(&program.run(&["status"]), Code::Clean, &["18 applied, 18 pending"]);
}

#[tokio::test]
async fn a_locked_file_is_waited_for_by_one() {
    let file = SqliteFile::new();
    let program = series(&file.url());
    program.ok(&["up", "--yes", "--to", "0013"]);
    let mut writer = file.session().await;
    writer.run("BEGIN IMMEDIATE").await;
    let locked = program.run(&["up", "--yes", "--lock-timeout", "300", "--lock-retry", "1"]);
    check(&locked, Code::Locked, &[]);
    writer.run("ROLLBACK").await;
    check(&program.run(&["status"]), Code::Clean, &["13 applied, 23 pending"]);
    // One who reads keeps a transaction from its commit: then nothing of it is there.
    writer.run("BEGIN").await;
    writer.value("SELECT count(*) FROM t0").await;
    let locked = program.run(&["up", "--yes", "--lock-timeout", "300", "--lock-retry", "1"]);
    check(&locked, Code::Locked, &[]);
    assert!(!locked.stdout.contains("↑ 0014"), "{locked}");
    writer.run("ROLLBACK").await;
    check(&program.run(&["status"]), Code::Clean, &["13 applied, 23 pending"]);
    check(&program.run(&["up", "--yes"]), Code::Clean, &["23 migrations applied"]);
}

#[tokio::test]
async fn events_come_in_the_order_of_those_that_go_by_themselves() {
    let (together, alone) = (SqliteFile::new(), SqliteFile::new());
    let with_rows = |file: &SqliteFile| {
        let program = series(&file.url());
        program.migration(
            "0037_rows",
            "INSERT INTO t3 (id, name) VALUES (1, 'one'), (2, 'two');\n",
            "DELETE FROM t3 WHERE id IN (1, 2);\n",
        );
        program
    };
    let (one, other) = (with_rows(&together), with_rows(&alone));
    other.write("downhaul.toml", "[hooks]\nbefore-migration = [\"cat >> told; echo >> told\"]\n");
    for command in [["up", "--yes"].as_slice(), &["down", "--yes", "--all"], &["up", "--yes"]] {
        let command = [command, &["--log", "json"]].concat();
        let before = commits(&together);
        let (seen, wanted) = (one.run(&command), other.run(&command));
        check(&seen, Code::Clean, &[]);
        let (seen, wanted) = (events(&seen), events(&wanted));
        assert!(seen.len() > 100, "{seen:?}");
        assert_eq!(seen, wanted);
        assert!(commits(&together) - before < 25);
    }
    let told = std::fs::read_to_string(other.dir().join("told")).unwrap();
    assert_eq!(told.matches("before-migration").count(), 3 * 37);
}

#[tokio::test]
async fn what_holds_rows_is_kept_as_ever() {
    let file = SqliteFile::new();
    let program = series(&file.url());
    program.ok(&["up", "--yes"]);
    let mut session = file.session().await;
    session.run("INSERT INTO t5 VALUES (1, 'one', 'a note'), (2, 'two', NULL)").await;
    let down = program.run(&["down", "--yes", "--all"]);
    check(&down, Code::Clean, &["36 migrations taken back", "kept", "2 rows"]);
    check(&program.run(&["verify"]), Code::Clean, &[]);
    program.ok(&["up", "--yes"]);
    let rows = session.rows("SELECT id || name || coalesce(note, '-') FROM t5 ORDER BY id").await;
    let rows: Vec<_> = rows.into_iter().map(|mut row| row.remove(0).unwrap()).collect();
    assert_eq!(rows, ["1onea note", "2two-"]);
}

#[tokio::test]
async fn several_runners_apply_each_once() {
    let file = SqliteFile::new();
    let program = series(&file.url());
    let children: Vec<_> = (0..6).map(|_| program.spawn(&["up", "--yes"])).collect();
    let outcomes: Vec<Outcome> = children.into_iter().map(|child| program.wait(child)).collect();
    assert!(outcomes.iter().all(|outcome| outcome.code == Some(0)), "{}", outcomes[0]);
    let mut session = file.session().await;
    let steps = numbers(
        &mut session,
        "SELECT count(*), count(DISTINCT version || '/' || ordinal), count(DISTINCT operation) FROM downhaul_step",
    )
    .await;
    assert_eq!(steps, ["48", "48", "1"]);
}

/// Counts for about a second.
const LONG: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000000) \
    INSERT INTO t0 (id) SELECT count(*) FROM n;\n";

#[tokio::test]
async fn nobody_else_waits_long() {
    let file = SqliteFile::new();
    let program = series(&file.url());
    program.migration("0003_step", LONG, "DELETE FROM t0;\n");
    let child = program.spawn(&["up", "--yes"]);
    let mut reader = file.session().await;
    let begun = Instant::now();
    // The two before the long one are committed while it runs.
    let applied = "SELECT count(*) FROM downhaul_migration";
    let mut seen = 0;
    while begun.elapsed() < Duration::from_secs(60) {
        seen = match reader.try_rows(applied).await {
            Ok(rows) => rows[0][0].as_deref().unwrap_or_default().parse().unwrap(),
            Err(_) => 0,
        };
        if seen >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(seen, 2);
    let outcome = program.wait(child);
    check(&outcome, Code::Clean, &["↑ 0003_step", "36 migrations applied"]);
    assert_eq!(reader.value("SELECT id FROM t0").await.as_deref(), Some("6000000"));
}

/// What a commit checks is checked for each of them.
#[tokio::test]
async fn deferred_foreign_keys_are_checked_for_each() {
    let file = SqliteFile::new();
    let program = Program::new(super::PROGRAM).database(file.url());
    program.migration(
        "0001_tables",
        "CREATE TABLE parent (id integer PRIMARY KEY);\nCREATE TABLE child (parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);\n",
        "DROP TABLE child;\nDROP TABLE parent;\n",
    );
    program.migration("0002_child", "INSERT INTO child VALUES (1);\n", "DELETE FROM child;\n");
    program.migration("0003_parent", "INSERT INTO parent VALUES (1);\n", "DELETE FROM parent;\n");
    let failed = program.run(&["up", "--yes"]);
    assert_ne!(failed.code, Some(0), "{failed}");
    check(&program.run(&["status"]), Code::Clean, &["1 applied, 2 pending"]);
    let mut session = Session::connect(&file.url()).await;
    assert_eq!(session.value("SELECT count(*) FROM child").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_hook_for_each_migration_comes_between() {
    let file = SqliteFile::new();
    let program = series(&file.url());
    program.write("downhaul.toml", "[hooks]\nafter-migration = [\"cat >> told; echo >> told\"]\n");
    program.ok(&["up", "--yes", "--steps", "7"]);
    let told = std::fs::read_to_string(program.dir().join("told")).unwrap();
    assert_eq!(told.matches("after-migration").count(), 7, "{told}");
}
