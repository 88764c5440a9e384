//! What tracking costs, and what a restore costs, on a private PostgreSQL.
//!
//! CPU seconds of the server's backends, since wall time on a busy machine says nothing: the kernel
//! adds the time of each backend to its postmaster when it ends (`/proc/<pid>/stat`, fields 16 and
//! 17), so every step runs in a session of its own. `DOWNHAUL_ROWS` (default 100,000), and
//! `DOWNHAUL_RUNS` (default 3, the median counts).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and one that cannot set its stage has failed"
)]

use std::time::Duration;

use downhaul_kit::{Postgres, PostgresOptions, Program, Session};

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

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

const UPDATE: &str = "UPDATE acct SET bal = bal + 1, updated_at = now()";
/// What no restore can go below: all rows from a copy, with their indexes.
const COPY: &str = "CREATE TABLE copied AS SELECT * FROM acct; ALTER TABLE copied ADD PRIMARY KEY (id); \
     CREATE INDEX ON copied (grp); DROP TABLE acct; ALTER TABLE copied RENAME TO acct";
const BACK: &str = "UPDATE acct SET bal = bal - 1, updated_at = '2026-01-01'";

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

    /// One run: the steps with their CPU seconds.
    async fn run(&self, rows: u64) -> Vec<(&'static str, f64)> {
        let mut found = Vec::new();
        for (label, triggers) in
            [("plain", None), ("statement", Some("statement")), ("row", Some("row"))]
        {
            let database = self.server.fresh_database().await;
            let url = database.url();
            self.sql(
                url,
                &format!(
                    "CREATE TABLE acct (id bigint PRIMARY KEY, grp int, bal numeric(12,2), name text, payload text, updated_at timestamptz); \
                     INSERT INTO acct SELECT g, g % 1000, g, 'name ' || g, repeat('x', 96), '2026-01-01' FROM generate_series(1, {rows}) g; \
                     CREATE INDEX ON acct (grp); ANALYZE acct"
                ),
            )
            .await;
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
                        let cpu = self.step(async { drop(program.ok(&args)) }).await;
                        found.push((name, cpu));
                    }
                    program.ok(&["snapshot", "mark", "n"]);
                    self.sql(url, UPDATE).await;
                    self.sql(url, &BACK.replace("'2026-01-01'", "updated_at")).await;
                    let table = ["snapshot", "restore", "--to", "n", "--columns", "bal", "--yes"];
                    let cpu = self.step(async { drop(program.ok(&table)) }).await;
                    found.push(("restore of what was made and reverted", cpu));
                }
            }
        }
        found
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let rows = variable("DOWNHAUL_ROWS", 100_000);
    let runs = variable("DOWNHAUL_RUNS", 3);
    let bench = Bench::start().await;
    let mut all = Vec::new();
    for _ in 0..runs {
        all.push(bench.run(rows).await);
    }
    println!("{rows} rows, CPU seconds of the server, median of {runs}");
    let median = |step: usize| {
        let mut values: Vec<f64> = all.iter().map(|run| run[step].1).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let base = median(0);
    for (step, (name, _)) in all[0].iter().enumerate() {
        let cpu = median(step);
        println!("{name:<40} {cpu:>8.2} s {:>6.2}", cpu / base);
    }
}
