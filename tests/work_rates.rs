//! The promise: the estimates of `plan` hold. Work of each kind is done on real servers, and takes as
//! long as was estimated, give or take the range that is shown.
//!
//! Prints what it measured: `cargo test --test work_rates -- --ignored --nocapture`. CI leaves it
//! out: time is measured on a quiet machine only.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]
#![allow(clippy::print_stderr, reason = "the measurement is for its reader")]

use std::time::{Duration, Instant};

use downhaul_kit::{MariaDb, Postgres, Program, Session, SqliteFile};
use downhaul_report::plan::{Size, Work, WorkKind, estimate};
use downhaul_syntax::Dialect;

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");
const ROWS: u64 = 200_000;

struct Stage {
    dialect: Dialect,
    url: String,
    fill: &'static str,
    size: &'static str,
    steps: [(WorkKind, &'static str); 4],
}

async fn measure(stage: Stage) {
    let mut session = Session::connect(&stage.url).await;
    session
        .run("CREATE TABLE work (id int PRIMARY KEY, a int, note varchar(100), gone varchar(20))")
        .await;
    session.run(stage.fill).await;
    let bytes: u64 = session.value(stage.size).await.unwrap().parse().unwrap();
    let size = Size { rows: ROWS, bytes };
    let mut wrong = Vec::new();
    let mut judge = |kind: WorkKind, took: Duration| {
        let expect = estimate(stage.dialect, &[Work { kind, size: Some(size), whole: true }]);
        let ms = u64::try_from(took.as_millis()).unwrap();
        let rate = ROWS as f64 / took.as_secs_f64();
        let line = format!(
            "{:?} {kind:?}: {ms} ms, {rate:.0} rows/s, {:.0} MB/s; estimated {} to {} ms",
            stage.dialect,
            bytes as f64 / 1e6 / took.as_secs_f64(),
            expect.low_ms,
            expect.high_ms
        );
        eprintln!("{line}");
        // Other tests share the machine.
        if ms < expect.low_ms / 2 || ms > expect.high_ms * 2 {
            wrong.push(line);
        }
    };
    for (kind, sql) in stage.steps {
        let begun = Instant::now();
        session.rows(sql).await;
        judge(kind, begun.elapsed());
    }
    session.close().await;
    let program = Program::new(PROGRAM).database(&stage.url);
    program.migration(
        "0001_gone",
        "ALTER TABLE work DROP COLUMN gone;\n",
        "ALTER TABLE work ADD COLUMN gone varchar(20);\n",
    );
    let begun = Instant::now();
    program.ok(&["up", "--yes"]);
    judge(WorkKind::Keep, begun.elapsed());
    assert!(wrong.is_empty(), "not as estimated:\n{}", wrong.join("\n"));
}

#[tokio::test]
#[ignore = "measures time: cargo test --test work_rates -- --ignored --nocapture"]
async fn on_postgres() {
    let database = Postgres::shared().fresh_database().await;
    measure(Stage {
        dialect: Dialect::Postgres,
        url: database.url().to_owned(),
        fill: "INSERT INTO work SELECT i, i % 1000, repeat('x', 60) || i, 'gone ' || i FROM generate_series(1, 200000) i; ANALYZE work; CHECKPOINT",
        size: "SELECT pg_total_relation_size('work')",
        steps: [
            (WorkKind::Scan, "SELECT count(*) FROM work WHERE note IS NULL"),
            (WorkKind::Index, "CREATE INDEX work_a ON work (a)"),
            (WorkKind::Write, "UPDATE work SET a = a + 1"),
            (WorkKind::Rewrite, "ALTER TABLE work ALTER COLUMN a TYPE bigint"),
        ],
    })
    .await;
}

#[tokio::test]
#[ignore = "measures time: cargo test --test work_rates -- --ignored --nocapture"]
async fn on_mariadb() {
    let database = MariaDb::shared().fresh_database().await;
    measure(Stage {
        dialect: Dialect::MariaDb,
        url: database.url().to_owned(),
        fill: "INSERT INTO work SELECT seq, seq % 1000, CONCAT(REPEAT('x', 60), seq), CONCAT('gone ', seq) FROM seq_1_to_200000",
        size: "SELECT DATA_LENGTH + INDEX_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'work'",
        steps: [
            (WorkKind::Scan, "SELECT count(*) FROM work WHERE note IS NULL"),
            (WorkKind::Index, "CREATE INDEX work_a ON work (a)"),
            (WorkKind::Write, "UPDATE work SET a = a + 1"),
            (WorkKind::Rewrite, "ALTER TABLE work MODIFY a bigint"),
        ],
    })
    .await;
}

#[tokio::test]
#[ignore = "measures time: cargo test --test work_rates -- --ignored --nocapture"]
async fn on_sqlite() {
    let file = SqliteFile::new();
    measure(Stage {
        dialect: Dialect::Sqlite,
        url: file.url(),
        fill: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) INSERT INTO work SELECT i, i % 1000, printf('%.60c', 'x') || i, 'gone ' || i FROM n",
        size: "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
        steps: [
            (WorkKind::Scan, "SELECT count(*) FROM work WHERE note IS NULL"),
            (WorkKind::Index, "CREATE INDEX work_a ON work (a)"),
            (WorkKind::Write, "UPDATE work SET a = a + 1"),
            (WorkKind::Rewrite, "CREATE TABLE work_new AS SELECT * FROM work"),
        ],
    })
    .await;
}
