//! A migration of tracked tables that is cut off between any two of its steps: applications go on writing,
//! a mark that is made then means what it says or knows nothing of the table, and the next run ends it all
//! as if nothing had been.

use std::collections::BTreeMap;

use downhaul::exit_code::Code;
use downhaul_kit::fault::Fault;
use downhaul_kit::{DatabaseHandle, MariaDb, Program, Proxy, Session, check};

use super::{PROGRAM, rows};

const SETUP: &str = "CREATE TABLE t (id int PRIMARY KEY, k int, a int, b varchar(9), c decimal(10,4)) ENGINE=InnoDB; \
    INSERT INTO t VALUES (1, 1, 1, 'one', 1.5), (2, 2, 2, 'two', 2.5), (3, 3, 3, 'three', 3.5), (9, 9, 9, 'nine', 9); \
    CREATE TABLE kid (id int PRIMARY KEY, t int, k int, n int, FOREIGN KEY (t) REFERENCES t (id) ON DELETE CASCADE) ENGINE=InnoDB; \
    INSERT INTO kid VALUES (1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 3, 3), (9, 9, 9, 9); \
    CREATE TABLE bag (k int, b int) ENGINE=InnoDB; INSERT INTO bag VALUES (1, 1), (1, 1), (2, 2), (3, NULL); \
    CREATE TABLE old (id int PRIMARY KEY, k int) ENGINE=InnoDB; INSERT INTO old VALUES (1, 1), (2, 2)";

const UP: &str = "ALTER TABLE t DROP COLUMN a; ALTER TABLE t CHANGE b label varchar(20), MODIFY c varchar(12); ALTER TABLE kid ADD COLUMN extra int; \
    ALTER TABLE kid DROP COLUMN n; ALTER TABLE bag DROP COLUMN b; RENAME TABLE old TO new;";
const DOWN: &str = "RENAME TABLE new TO old; ALTER TABLE bag ADD COLUMN b int; ALTER TABLE kid ADD COLUMN n int; ALTER TABLE kid DROP COLUMN extra; \
    ALTER TABLE t MODIFY c decimal(10,4), CHANGE label b varchar(9); ALTER TABLE t ADD COLUMN a int AFTER k;";

/// What stays the same of each table, by the name that it has for good.
async fn kept(session: &mut Session) -> BTreeMap<&'static str, Vec<String>> {
    let mut found = BTreeMap::new();
    for (name, columns) in [("t", "id, k"), ("kid", "id, t, k"), ("bag", "k"), ("old", "id, k")] {
        let read =
            |table: &str| format!("SELECT CONCAT_WS(',', {columns}) FROM {table} ORDER BY 1");
        let rows = match session.try_rows(&read(name)).await {
            Ok(rows) => rows,
            Err(_) => session.rows(&read("new")).await,
        };
        found.insert(name, rows.into_iter().map(|row| row[0].clone().unwrap()).collect());
    }
    found
}

/// How many places a run is cut off at, each way; `DOWNHAUL_CUTS=n` for more, up to each of them.
fn cuts() -> u64 {
    std::env::var("DOWNHAUL_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(4)
}

struct Stage {
    program: Program,
    /// The same through the proxy.
    cut: Program,
    db: Session,
    number: u64,
}

impl Stage {
    /// As applications do that know nothing of all this; none of it may be refused.
    async fn write(&mut self) {
        self.number += 1;
        let n = self.number;
        let (new, kid, gone) = (n * 2 + 100, n * 2 + 101, n * 2 + 96);
        self.db
            .run(&format!(
                "UPDATE t SET k = {n} WHERE id = 1; INSERT INTO t (id, k) VALUES ({new}, {n}); INSERT INTO kid (id, t, k) VALUES ({new}, {new}, {n}), ({kid}, 2, {n}); \
                 DELETE FROM t WHERE id = {gone}; UPDATE kid SET k = {n} WHERE id = 2; UPDATE bag SET k = k + 1 LIMIT 2; INSERT INTO bag (k) VALUES ({n})",
            ))
            .await;
        let old = format!("UPDATE old SET k = {n} WHERE id = 1");
        if self.db.try_run(&old).await.is_err() {
            self.db.run(&old.replace("old", "new")).await;
        }
    }

    fn ok(&self, args: &[&str], when: &str) {
        let outcome = self.program.run(args);
        assert_eq!(outcome.code, Some(Code::Clean as i32), "{when}: {args:?}: {outcome}");
    }

    /// Cuts a run off after so many messages, and finishes it.
    async fn cut_off(&mut self, proxy: &Proxy, args: &[&str], messages: u64) {
        let when = format!("{args:?} cut off after {messages} messages");
        self.ok(&["snapshot", "mark", &format!("a {}", args[0])], &when);
        let marked = kept(&mut self.db).await;
        self.write().await;
        proxy.set(Fault::CutAfterClientMessages(messages));
        let _ = self.cut.run(args);
        proxy.set(Fault::None);
        self.write().await;
        let between = format!("b {}", args[0]);
        // One that knows nothing of some tables says so.
        check(&self.program.run(&["snapshot", "mark", &between]), Code::Clean, &["made"]);
        let marked_between = kept(&mut self.db).await;
        self.write().await;
        let outcome = self.program.run(args);
        assert_eq!(outcome.code, Some(Code::Clean as i32), "{when}: {outcome}");
        self.ok(&["snapshot", "status"], &when);
        assert!(!outcome.stdout.contains("begins anew"), "{when}: {outcome}");
        let now = kept(&mut self.db).await;
        let whole = rows(&mut self.db, "t").await;
        self.ok(&["snapshot", "restore", "--to", &format!("a {}", args[0]), "--yes"], &when);
        assert_eq!(kept(&mut self.db).await, marked, "{when}");
        self.ok(&["snapshot", "restore", "--undo", "--yes"], &when);
        assert_eq!(rows(&mut self.db, "t").await, whole, "{when}: undone");
        for table in ["t", "kid", "bag", "old"] {
            let name = if table == "old" && args[0] == "up" { "new" } else { table };
            let outcome = self
                .program
                .run(&["snapshot", "show", name, "--as-of", &between, "--format", "csv"]);
            if outcome.code == Some(Code::SnapshotNotSound as i32) {
                // It paused then.
                assert!(outcome.stderr.contains("reach"), "{when}: {outcome}");
                continue;
            }
            assert_eq!(outcome.code, Some(Code::Clean as i32), "{when}: {outcome}");
            let mut lines: Vec<&str> = outcome.stdout.lines().skip(1).collect();
            lines.sort_unstable();
            let mut wanted: Vec<&String> = marked_between[table].iter().collect();
            wanted.sort_unstable();
            assert_eq!(lines.len(), wanted.len(), "{when}: {table} as of {between}\n{lines:#?}");
            for (line, wanted) in lines.iter().zip(wanted) {
                let whole = format!("{line},");
                assert!(
                    whole.starts_with(&format!("{wanted},")),
                    "{when}: {table}: {line} is not {wanted}"
                );
            }
        }
        assert_eq!(kept(&mut self.db).await, now, "{when}");
    }
}

impl Stage {
    /// In a database of its own, so that each run takes as many steps as the one before.
    async fn new(server: &'static MariaDb) -> (Self, Proxy, DatabaseHandle) {
        let database = server.fresh_database().await;
        let mut db = Session::connect(database.url()).await;
        db.run(SETUP).await;
        let proxy = Proxy::start(server.port());
        let program = Program::new(PROGRAM).database(database.url());
        let cut = Program::new(PROGRAM).database(proxy.url(database.url(), server.port()));
        for program in [&program, &cut] {
            program.migration("1_change", UP, DOWN);
        }
        let stage = Self { program, cut, db, number: 0 };
        stage.ok(&["snapshot", "track", "t", "kid", "bag", "old", "--yes"], "track");
        stage.ok(&["snapshot", "mark", "first"], "mark");
        (stage, proxy, database)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_off_between_any_two_steps() {
    let server = MariaDb::shared();
    let ways: [&[&str]; 2] = [&["up"], &["down", "--yes"]];
    let (stage, proxy, _database) = Stage::new(server).await;
    let mut steps = Vec::new();
    for args in ways {
        proxy.set(Fault::None);
        check(&stage.cut.run(args), Code::Clean, &[]);
        steps.push(proxy.messages());
    }
    let cuts = cuts().min(steps[0].max(steps[1]));
    for n in 1..=cuts {
        let (mut stage, proxy, _database) = Stage::new(server).await;
        let first = kept(&mut stage.db).await;
        for (args, steps) in ways.iter().zip(&steps) {
            stage.cut_off(&proxy, args, (steps * n / (cuts + 1)).max(1)).await;
        }
        stage.ok(&["snapshot", "restore", "--to", "first", "--yes"], "at the end");
        assert_eq!(kept(&mut stage.db).await, first);
    }
}
