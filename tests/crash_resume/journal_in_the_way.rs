//! MariaDB and MySQL: a statement took effect, and the journal could not be told. It must not run again, and nothing
//! may say that it never ran.

use std::process::Child;
use std::time::Duration;

use downhaul::exit_code::Code;
use downhaul_kit::fault::{Fault, kill9};
use downhaul_kit::{
    DatabaseHandle, LockHolder, MariaDb, MySql, Photograph, Program, Proxy, Session, check,
};

use crate::stage::PROGRAM;

/// Statements that other sessions are at, as a pattern.
async fn until_at(session: &mut Session, text: &str) {
    let question = format!(
        "SELECT count(*) FROM information_schema.PROCESSLIST \
         WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND INFO LIKE '{text}'"
    );
    for _ in 0..3000 {
        if session.value(&question).await.as_deref() != Some("0") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody is ever at {text}");
}

/// Which server: MariaDB, or MySQL, by hand (`scripts/mysql-tests`).
#[derive(Clone, Copy)]
enum Server {
    MariaDb(&'static MariaDb),
    MySql(&'static MySql),
}

impl Server {
    async fn fresh_database(self) -> DatabaseHandle {
        match self {
            Self::MariaDb(server) => server.fresh_database().await,
            Self::MySql(server) => server.fresh_database().await,
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::MariaDb(server) => server.port(),
            Self::MySql(server) => server.port(),
        }
    }
}

/// The stories on both servers.
macro_rules! on_both {
    ($($story:ident),+ $(,)?) => {$(
        mod $story {
            use super::{MariaDb, MySql, Server};

            #[tokio::test(flavor = "multi_thread")]
            async fn mariadb() {
                super::$story(Server::MariaDb(MariaDb::shared())).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            #[ignore = "wants MySQL: scripts/mysql-tests"]
            async fn mysql() {
                super::$story(Server::MySql(MySql::shared())).await;
            }
        }
    )+};
}

on_both!(
    a_locked_journal_does_not_make_a_statement_run_again,
    an_unwritten_journal_is_no_statement_that_never_ran,
    a_migration_whose_end_cannot_be_written_is_half_applied,
    what_begins_at_the_second_try_is_known_to_have_begun,
    an_answer_is_lost,
);

struct Stage {
    program: Program,
    database: DatabaseHandle,
    db: Session,
}

/// What a migration does, what waits for its table, and how often it has done it.
struct Case {
    up: &'static str,
    waits: &'static str,
    effect: &'static str,
}

const CASES: [Case; 3] = [
    Case {
        up: "ALTER TABLE t ADD COLUMN b int NOT NULL DEFAULT 1, ADD KEY (b); INSERT INTO t (id) VALUES (7);\n",
        waits: "ALTER TABLE t ADD%",
        effect: "SELECT count(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME = 'b'",
    },
    Case {
        up: "CREATE INDEX k ON t (a); INSERT INTO t (id) VALUES (7);\n",
        waits: "CREATE INDEX k%",
        effect: "SELECT count(*) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME = 'k'",
    },
    // It destroys something: the table is locked, copied, and only then changed.
    Case {
        up: "ALTER TABLE t DROP COLUMN a; INSERT INTO t (id) VALUES (7);\n",
        waits: "LOCK TABLES%",
        effect: "SELECT 1 - count(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 't' AND COLUMN_NAME = 'a'",
    },
];

/// Where the journal tells that a statement is done, and that a migration is: the table, and what writes it.
const STEP: (&str, &str) = ("downhaul_step", "REPLACE INTO downhaul\\_step%");
const MIGRATION: (&str, &str) = ("downhaul_migration", "DELETE FROM downhaul\\_migration%");

const DOWN: &str = "DELETE FROM t WHERE id = 7;\n";

impl Stage {
    async fn new(case: &Case, server: Server) -> Self {
        let database = server.fresh_database().await;
        let mut db = Session::connect(database.url()).await;
        db.run("CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 10)").await;
        let program = Program::new(PROGRAM).database(database.url());
        program.migration(
            "0001_first",
            "CREATE TABLE u (id int PRIMARY KEY);\n",
            "DROP TABLE u;\n",
        );
        program.ok(&["up", "--yes"]);
        program.write("downhaul.toml", "[protect]\npolicy = \"copy\"\n");
        program.migration("0002_change", case.up, DOWN);
        Self { program, database, db }
    }

    /// A run whose statement takes effect while somebody keeps the journal from being written; whoever
    /// does is a session of its own.
    async fn effect_without_a_word(
        &mut self,
        case: &Case,
        (table, writes): (&str, &str),
        args: &[&str],
    ) -> (Child, Session) {
        let reader = LockHolder::reader(self.database.url(), "t").await;
        let child = self.program.spawn(args);
        until_at(&mut self.db, case.waits).await;
        let mut locker = Session::connect(self.database.url()).await;
        locker.run(&format!("LOCK TABLES {table} READ")).await;
        reader.release().await;
        until_at(&mut self.db, writes).await;
        (child, locker)
    }

    async fn ends_well(&mut self, case: &Case) {
        assert_eq!(self.db.value(case.effect).await.as_deref(), Some("1"), "{}", case.up);
        let rows = "SELECT count(*) FROM t";
        assert_eq!(self.db.value(rows).await.as_deref(), Some("2"), "{}", case.up);
        let status = self.program.ok(&["status"]).stdout;
        assert!(status.contains("2 applied, 0 pending"), "{}: {status}", case.up);
    }
}

/// Somebody reads the journal for longer than a lock may be waited for (a dump does): the run waits for it,
/// and does not run the statement again.
async fn a_locked_journal_does_not_make_a_statement_run_again(server: Server) {
    for case in &CASES {
        let mut stage = Stage::new(case, server).await;
        let args = ["up", "--yes", "--lock-timeout", "3000", "--lock-retry", "60"];
        let (child, mut locker) = stage.effect_without_a_word(case, STEP, &args).await;
        tokio::time::sleep(Duration::from_millis(3500)).await;
        locker.run("UNLOCK TABLES").await;
        check(&stage.program.wait(child), Code::Clean, &["1 migration applied"]);
        stage.ends_well(case).await;
    }
}

/// It stays locked until the time for it is over, or the journal's statement is ended, or its session: the
/// next run finds that the statement took effect.
async fn an_unwritten_journal_is_no_statement_that_never_ran(server: Server) {
    for case in &CASES {
        for end in ["", "QUERY", "CONNECTION"] {
            let mut stage = Stage::new(case, server).await;
            let retry = if end.is_empty() { "1" } else { "60" };
            let args = ["up", "--yes", "--lock-timeout", "3000", "--lock-retry", retry];
            let (child, mut locker) = stage.effect_without_a_word(case, STEP, &args).await;
            if !end.is_empty() {
                let id = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE 'REPLACE INTO downhaul\\_step%' AND ID <> CONNECTION_ID()";
                let id = stage.db.value(id).await.unwrap();
                stage.db.run(&format!("KILL {end} {id}")).await;
                // What the run does then must not wait: it is seen to end by itself.
                locker.run("UNLOCK TABLES").await;
            }
            let outcome = stage.program.wait(child);
            locker.run("UNLOCK TABLES").await;
            assert_ne!(outcome.code, Some(Code::Clean as i32), "{end}: {outcome}");
            let status = stage.program.ok(&["status"]).stdout;
            assert!(status.contains("half applied"), "{}{end}: {status}\n{outcome}", case.up);
            let outcome = stage.program.run(&["up", "--yes"]);
            check(&outcome, Code::Clean, &["1 migration applied"]);
            stage.ends_well(case).await;
            check(&stage.program.run(&["down", "--yes"]), Code::Clean, &["1 migration taken back"]);
            let rows = "SELECT GROUP_CONCAT(a) FROM t";
            assert_eq!(stage.db.value(rows).await.as_deref(), Some("10"), "{}{end}", case.up);
        }
    }
}

/// The last word of a migration waits for as long as it may; and where that is not enough, the migration is
/// half applied, and the message says so.
async fn a_migration_whose_end_cannot_be_written_is_half_applied(server: Server) {
    for case in &CASES {
        let mut stage = Stage::new(case, server).await;
        let args = ["up", "--yes", "--lock-timeout", "2000", "--lock-retry", "60"];
        let (child, mut locker) = stage.effect_without_a_word(case, MIGRATION, &args).await;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        locker.run("UNLOCK TABLES").await;
        check(&stage.program.wait(child), Code::Clean, &["1 migration applied"]);
        stage.ends_well(case).await;

        let mut stage = Stage::new(case, server).await;
        let args = ["up", "--yes", "--lock-timeout", "2000", "--lock-retry", "1"];
        let (child, mut locker) = stage.effect_without_a_word(case, MIGRATION, &args).await;
        let outcome = stage.program.wait(child);
        locker.run("UNLOCK TABLES").await;
        assert_ne!(outcome.code, Some(Code::Clean as i32), "{outcome}");
        assert!(!outcome.stderr.contains("as it was"), "{outcome}");
        let status = stage.program.ok(&["status"]).stdout;
        assert!(status.contains("half applied"), "{}: {status}\n{outcome}", case.up);
        check(&stage.program.run(&["up", "--yes"]), Code::Clean, &["1 migration applied"]);
        stage.ends_well(case).await;
    }
}

/// That a migration begins is written down before its rows are, also where that took two tries.
async fn what_begins_at_the_second_try_is_known_to_have_begun(server: Server) {
    let case = Case {
        up: "INSERT INTO t (id) VALUES (7); ALTER TABLE t ADD COLUMN b int, ADD KEY (b);\n",
        ..CASES[0]
    };
    let mut stage = Stage::new(&case, server).await;
    let reader = LockHolder::reader(stage.database.url(), "t").await;
    let mut locker = Session::connect(stage.database.url()).await;
    locker.run("LOCK TABLES downhaul_migration READ").await;
    let args = ["up", "--yes", "--lock-timeout", "1000", "--lock-retry", "60"];
    let mut child = stage.program.spawn(&args);
    until_at(&mut stage.db, "INSERT INTO downhaul\\_migration%").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    locker.run("UNLOCK TABLES").await;
    // The row is there; the definition waits for the reader.
    for _ in 0..3000 {
        if stage.db.value("SELECT count(*) FROM t").await.as_deref() == Some("2") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    kill9(child.id());
    child.wait().unwrap();
    let status = stage.program.ok(&["status"]).stdout;
    assert!(status.contains("half applied"), "{status}");
    reader.release().await;
    check(&stage.program.run(&["up", "--yes"]), Code::Clean, &["1 migration applied"]);
    stage.ends_well(&case).await;
}

/// Every kind of statement, several in a file; the way back forgets what it destroyed.
const LOST_UP: &str = "ALTER TABLE t ADD COLUMN b int; UPDATE t SET b = a WHERE id < 3; INSERT INTO t VALUES (7, 70, 700); \
    CREATE INDEX k ON t (b); ALTER TABLE t DROP COLUMN a; CREATE TABLE v (id int); DELETE FROM w WHERE id = 2; \
    TRUNCATE TABLE x; DROP TABLE y; CREATE VIEW all_of_t AS SELECT id FROM t;\n";
const LOST_DOWN: &str = "DROP VIEW all_of_t; CREATE TABLE y (id int PRIMARY KEY); DROP TABLE v; ALTER TABLE t ADD COLUMN a int AFTER id; \
    DROP INDEX k ON t; DELETE FROM t WHERE id = 7; ALTER TABLE t DROP COLUMN b;\n";

/// How many places of each way an answer is lost at; `DOWNHAUL_CUTS=n` for more, up to each of them.
fn cuts() -> u64 {
    std::env::var("DOWNHAUL_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(6)
}

/// The server has done what it was sent, its answer is lost, and the connection with it: the next run goes
/// on, and ends as if nothing had been.
#[allow(clippy::print_stdout, reason = "a long run says what it was")]
async fn an_answer_is_lost(server: Server) {
    let database = server.fresh_database().await;
    let mut db = Session::connect(database.url()).await;
    db.run(
        "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 10), (2, 20), (3, 30); \
         CREATE TABLE w (id int PRIMARY KEY); INSERT INTO w VALUES (1), (2); CREATE TABLE x LIKE w; INSERT INTO x VALUES (5); \
         CREATE TABLE y LIKE w; INSERT INTO y VALUES (6)",
    )
    .await;
    let proxy = Proxy::start(server.port());
    let program = Program::new(PROGRAM).database(database.url());
    let cut = Program::new(PROGRAM).database(proxy.url(database.url(), server.port()));
    for program in [&program, &cut] {
        program.migration("0001_all", LOST_UP, LOST_DOWN);
    }
    let before = Photograph::of(&mut db).await;
    let ways: [&[&str]; 2] = [&["up", "--yes"], &["down", "--yes"]];
    let (mut messages, mut after) = (Vec::new(), Photograph::default());
    for args in ways {
        proxy.set(Fault::None);
        check(&cut.run(args), Code::Clean, &[]);
        messages.push(proxy.messages());
        if args[0] == "up" {
            after = Photograph::of(&mut db).await;
        }
    }
    let differences = before.differences(&Photograph::of(&mut db).await);
    assert!(differences.is_empty(), "undisturbed:\n{}", differences.join("\n"));
    let cuts = cuts().min(messages[0].max(messages[1]));
    for n in 1..=cuts {
        for ((args, messages), end) in ways.iter().zip(&messages).zip([&after, &before]) {
            let at = messages * n / (cuts + 1);
            let when = format!("{args:?}, the answer to message {at} of {messages} lost");
            proxy.set(Fault::LoseAnswer(at));
            let lost = cut.run(args);
            proxy.set(Fault::None);
            let outcome = program.run(args);
            assert_eq!(outcome.code, Some(Code::Clean as i32), "{when}:\n{lost}\n{outcome}");
            let differences = end.differences(&Photograph::of(&mut db).await);
            assert!(differences.is_empty(), "{when}:\n{}", differences.join("\n"));
        }
    }
    println!("answers lost: {} of {messages:?} messages, each way", cuts);
}
