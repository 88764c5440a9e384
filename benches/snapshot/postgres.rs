//! PostgreSQL: tracking by statement and by row triggers, restores and undos, and E-Maj beside them.
//!
//! CPU seconds of the server's backends: the kernel adds the time of each to its postmaster when it ends
//! (`/proc/<pid>/stat`, fields 16 and 17), so every step runs in a session of its own.
//!
//! `DOWNHAUL_BENCH_EMAJ` names E-Maj's own script of SQL (`emaj-<version>.sql` of its distribution, for
//! where no extension can be installed): then the same update runs and goes back by E-Maj as well.

use std::time::Duration;

use downhaul_kit::{Postgres, PostgresOptions, Program, Session};

use crate::{BACK, Step, UPDATE};

/// CPU seconds of the postmaster's children that have ended.
fn spent(postmaster: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{postmaster}/stat")).unwrap();
    // The name in parentheses may hold blanks.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap();
    ticks / 100.0
}

/// Backends of clients, and their workers, by process. A zombie has no command line, but its time has
/// not been added yet.
fn serving(postmaster: &str) -> Vec<String> {
    let children = format!("/proc/{postmaster}/task/{postmaster}/children");
    let children = std::fs::read_to_string(children).unwrap();
    let serves = |child: &&str| {
        let line = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        line.is_empty()
            || ["127.0.0.1(", "[local]", "parallel worker"].iter().any(|part| line.contains(part))
    };
    children.split_whitespace().filter(serves).map(str::to_owned).collect()
}

struct Bench {
    server: Postgres,
    postmaster: String,
}

/// What no restore can go below: all rows from a copy, with their indexes.
const COPY: &str = "CREATE TABLE copied AS SELECT * FROM acct; ALTER TABLE copied ADD PRIMARY KEY (id); \
     CREATE INDEX ON copied (grp); DROP TABLE acct; ALTER TABLE copied RENAME TO acct";
/// E-Maj's rollback that can itself be undone.
const EMAJ_BACK: &str = "SELECT * FROM emaj.emaj_logged_rollback_group('g', 'm')";

impl Bench {
    async fn start() -> Self {
        let server = PostgresOptions::default()
            .setting("shared_buffers", "512MB")
            .setting("work_mem", "128MB")
            .setting("autovacuum", "off")
            .setting("max_wal_size", "8GB")
            .start();
        let mut session = Session::connect(&server.url()).await;
        let file = session.value("SELECT current_setting('data_directory')").await.unwrap();
        session.close().await;
        let pid = std::fs::read_to_string(format!("{file}/postmaster.pid")).unwrap();
        Self { postmaster: pid.lines().next().unwrap().to_owned(), server }
    }

    /// Measures what a step costs the server.
    async fn step(&self, work: impl Future<Output = ()>) -> f64 {
        let others = serving(&self.postmaster);
        let before = spent(&self.postmaster);
        work.await;
        // A backend ends after its client has left, later on a busy machine.
        while serving(&self.postmaster).iter().any(|child| !others.contains(child)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        spent(&self.postmaster) - before
    }

    async fn sql(&self, url: &str, sql: &str) -> f64 {
        self.step(async {
            let mut session = Session::connect(url).await;
            session.run(sql).await;
            session.close().await;
        })
        .await
    }

    /// The table of all runs, fresh.
    async fn table(&self, url: &str, rows: u64) {
        self.sql(
            url,
            &format!(
                "CREATE TABLE acct (id bigint PRIMARY KEY, grp int, bal numeric(12,2), name text, payload text, updated_at timestamptz); \
                 INSERT INTO acct SELECT g, g % 1000, g, 'name ' || g, repeat('x', 96), '2026-01-01' FROM generate_series(1, {rows}) g; \
                 CREATE INDEX ON acct (grp); ANALYZE acct"
            ),
        )
        .await;
    }

    /// The update and the way back by E-Maj, installed by its own script, with every value compared.
    async fn emaj(&self, rows: u64, script: &str) -> [Step; 3] {
        let database = self.server.fresh_database().await;
        let url = database.url();
        self.table(url, rows).await;
        self.sql(url, script).await;
        self.sql(
            url,
            "CREATE TABLE before AS SELECT * FROM acct; SELECT emaj.emaj_create_group('g'); \
             SELECT emaj.emaj_assign_table('public', 'acct', 'g'); SELECT emaj.emaj_start_group('g', 'm')",
        )
        .await;
        let update = self.sql(url, UPDATE).await;
        let back = self.sql(url, EMAJ_BACK).await;
        let mut session = Session::connect(url).await;
        let other =
            "SELECT count(*)::text FROM (SELECT * FROM acct EXCEPT SELECT * FROM before) other";
        assert_eq!(session.value(other).await.unwrap(), "0", "E-Maj did not put the rows back");
        session.close().await;
        // The same as for us: a mark, an update, and another that takes it back.
        self.sql(url, "SELECT emaj.emaj_set_mark_group('g', 'n')").await;
        self.sql(url, UPDATE).await;
        self.sql(url, BACK).await;
        let nothing = self
            .logging("E-Maj's, of what was made and reverted", url, async {
                self.sql(url, &EMAJ_BACK.replace("'m'", "'n'")).await
            })
            .await;
        [
            ("update, E-Maj", update),
            ("E-Maj's logged rollback", back),
            ("E-Maj's, of what was made and reverted", nothing),
        ]
    }

    /// Says how much log a step writes.
    async fn logging(&self, name: &str, url: &str, work: impl Future<Output = f64>) -> f64 {
        let place = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint / 1000000";
        let mut session = Session::connect(url).await;
        let before: i64 = session.value(place).await.unwrap().parse().unwrap();
        let cpu = work.await;
        let after: i64 = session.value(place).await.unwrap().parse().unwrap();
        session.close().await;
        println!("{name}: {} MB of log", after - before);
        cpu
    }

    /// One run: the steps with their CPU seconds.
    async fn run(&self, rows: u64, emaj: Option<&str>) -> Vec<Step> {
        let mut found = Vec::new();
        for (label, triggers) in
            [("plain", None), ("statement", Some("statement")), ("row", Some("row"))]
        {
            let database = self.server.fresh_database().await;
            let url = database.url();
            self.table(url, rows).await;
            // A restore of millions of rows on a busy machine is no program that hangs.
            let program = Program::new(env!("CARGO_BIN_EXE_downhaul"))
                .database(url)
                .patience(Duration::from_secs(3600));
            if let Some(triggers) = triggers {
                program.ok(&["snapshot", "track", "acct", "--yes", "--triggers", triggers]);
                program.ok(&["snapshot", "mark", "m"]);
            }
            let update = self.sql(url, UPDATE).await;
            match label {
                "plain" => {
                    found.push(("update, not tracked", update));
                    let copy = self.sql(url, COPY).await;
                    found.push(("copy of all rows with indexes, and swap", copy));
                }
                "row" => found.push(("update, row triggers", update)),
                _ => {
                    found.push(("update, statement triggers", update));
                    for (name, args) in [
                        ("preview of the restore", vec!["snapshot", "restore", "--to", "m"]),
                        ("restore", vec!["snapshot", "restore", "--to", "m", "--yes"]),
                        ("its undo", vec!["snapshot", "restore", "--undo", "--yes"]),
                        (
                            "undo of that, row by row",
                            vec!["snapshot", "restore", "--undo", "--strategy", "rows", "--yes"],
                        ),
                    ] {
                        let work = self.step(async { drop(program.ok(&args)) });
                        found.push((name, self.logging(name, url, work).await));
                    }
                    program.ok(&["snapshot", "mark", "n"]);
                    self.sql(url, UPDATE).await;
                    self.sql(url, BACK).await;
                    let table = ["snapshot", "restore", "--to", "n", "--columns", "bal", "--yes"];
                    let name = "restore of what was made and reverted";
                    let work = self.step(async { drop(program.ok(&table)) });
                    found.push((name, self.logging(name, url, work).await));
                }
            }
        }
        if let Some(script) = emaj {
            found.extend(self.emaj(rows, script).await);
        }
        found
    }
}

/// All runs: the steps of each.
pub(crate) async fn runs(rows: u64, runs: u64) -> Vec<Vec<Step>> {
    let emaj = std::env::var("DOWNHAUL_BENCH_EMAJ").ok().map(|file| {
        std::fs::read_to_string(&file).unwrap_or_else(|why| panic!("cannot read {file}: {why}"))
    });
    let bench = Bench::start().await;
    let mut all = Vec::new();
    for _ in 0..runs {
        all.push(bench.run(rows, emaj.as_deref()).await);
    }
    all
}
