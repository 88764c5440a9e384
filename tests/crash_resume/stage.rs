//! A shop with rows and a series of which the last migration destroys much of it.

use std::path::Path;
use std::time::{Duration, Instant};

use downhaul::exit_code::Code;
use downhaul_kit::{
    DatabaseHandle, MariaDb, MySql, Outcome, Photograph, Postgres, Program, Session, SqliteFile,
};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

/// Up to the newest, and back to the fifth: both may be said again and again.
pub(crate) const UP: &[&str] = &["up", "--yes"];
pub(crate) const DOWN: &[&str] = &["down", "--yes", "--to", "0005"];

/// Where the database lives as long as the stage does.
enum Place {
    File(SqliteFile),
    Server(DatabaseHandle),
}

/// The demo's shop at 0005, with rows; `migrations/` also holds 0006 and what a test adds.
pub(crate) struct Stage {
    pub(crate) program: Program,
    place: Place,
    /// Schema and rows at 0005.
    pub(crate) before: Photograph,
}

fn demo(engine: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations-examples/demo").join(engine)
}

/// A tenth of the demo's rows: a kill must meet every step, not wait for one of them.
fn seed(engine: &str) -> String {
    let mut sql = std::fs::read_to_string(demo(engine).join("seed.sql")).unwrap();
    for (from, to) in [("20000)", "2000)"), ("5000)", "500)"), ("8000)", "800)"), ("6000)", "600)")]
    {
        sql = sql.replace(from, to);
    }
    for (from, to) in [
        ("< 20000)", "< 2000)"),
        ("< 5000)", "< 500)"),
        ("< 8000)", "< 800)"),
        ("< 6000)", "< 600)"),
        ("% 20000", "% 2000"),
        ("% 5000", "% 500"),
    ] {
        sql = sql.replace(from, to);
    }
    sql
}

impl Stage {
    pub(crate) async fn sqlite() -> Self {
        let file = SqliteFile::new();
        Self::set(Program::new(PROGRAM).database(file.url()), Place::File(file), "sqlite").await
    }

    pub(crate) async fn postgres() -> Self {
        Self::postgres_on(Postgres::shared()).await
    }

    pub(crate) async fn postgres_on(server: &Postgres) -> Self {
        let database = server.fresh_database().await;
        let program = Program::new(PROGRAM).database(database.url());
        Self::set(program, Place::Server(database), "postgres").await
    }

    pub(crate) async fn mariadb() -> Self {
        Self::mariadb_on(MariaDb::shared()).await
    }

    pub(crate) async fn mariadb_on(server: &MariaDb) -> Self {
        let database = server.fresh_database().await;
        let program = Program::new(PROGRAM).database(database.url());
        Self::set(program, Place::Server(database), "mysql").await
    }

    pub(crate) async fn mysql() -> Self {
        Self::mysql_on(MySql::shared()).await
    }

    pub(crate) async fn mysql_on(server: &MySql) -> Self {
        let database = server.fresh_database().await;
        let program = Program::new(PROGRAM).database(database.url());
        Self::set(program, Place::Server(database), "mysql").await
    }

    async fn set(program: Program, place: Place, engine: &str) -> Self {
        program.migrations_from(&demo(engine));
        let mut stage = Self { program, place, before: Photograph::default() };
        stage.program.ok(&["up", "--yes", "--to", "0005"]);
        let mut session = stage.session().await;
        // In one transaction: SQLite waits for the disk at each commit.
        session.run(&format!("BEGIN;\n{}\nCOMMIT;", seed(engine))).await;
        session.close().await;
        stage.before = stage.photograph().await;
        assert!(stage.before.0["rows of customers"].len() == 500);
        stage
    }

    pub(crate) fn url(&self) -> String {
        match &self.place {
            Place::File(file) => file.url(),
            Place::Server(database) => database.url().to_owned(),
        }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    pub(crate) fn is_mysql(&self) -> bool {
        self.url().starts_with("mysql:")
    }

    pub(crate) async fn session(&self) -> Session {
        Session::connect(&self.url()).await
    }

    pub(crate) async fn photograph(&self) -> Photograph {
        let mut session = self.session().await;
        let photograph = Photograph::of(&mut session).await;
        session.close().await;
        photograph
    }

    /// The database holds what this photograph shows, and nothing of Downhaul's is left half way.
    pub(crate) async fn check(&self, expect: &Photograph, when: &str) {
        let differences = expect.differences(&self.photograph().await);
        assert!(differences.is_empty(), "{when}:\n{}", differences.join("\n"));
        let status = self.program.ok(&["status"]).stdout;
        for word in ["half", "cut off", "edited"] {
            assert!(!status.contains(word), "{when}: {status}");
        }
        // No trigger and no helper of a capture stays behind.
        let left = if self.is_sqlite() {
            "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '%downhaul%'"
        } else if self.is_mysql() {
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() \
               AND (table_name LIKE 'downhaul\\_hold%' OR table_name LIKE 'downhaul\\_trigger%')"
        } else {
            "SELECT (SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%downhaul%') \
                  + (SELECT count(*) FROM pg_class WHERE relname LIKE 'settling%')"
        };
        let mut session = self.session().await;
        assert_eq!(session.value(left).await.as_deref(), Some("0"), "{when}");
        session.close().await;
    }

    /// Schema and rows after an undisturbed `up`; the stage is back at 0005 afterwards. Returns
    /// also how long `up` and `down` take.
    pub(crate) async fn rehearse(&self) -> (Photograph, Duration, Duration) {
        let started = Instant::now();
        self.program.ok(UP);
        let up = started.elapsed();
        let after = self.photograph().await;
        let started = Instant::now();
        self.program.ok(DOWN);
        let down = started.elapsed();
        self.check(&self.before, "rehearsal").await;
        (after, up, down)
    }
}

/// A run ended with this code and did not panic.
pub(crate) fn expect(outcome: &Outcome, code: Code) {
    assert_eq!(outcome.code, Some(code as i32), "{outcome}");
    assert!(!outcome.stderr.contains("panicked"), "{outcome}");
}
