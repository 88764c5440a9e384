//! MariaDB: row triggers, restores and undos.
//!
//! CPU seconds of the server, which is one process, without what it spends while nothing is asked of it.

use std::time::{Duration, Instant};

use downhaul_kit::{MariaDb, MariaDbOptions, Program, Session};

use crate::{BACK, Step, UPDATE};

struct Bench {
    server: MariaDb,
    /// CPU seconds that an idle second costs.
    idle: f64,
}

impl Bench {
    fn start() -> Self {
        let server = MariaDbOptions::default()
            .setting("innodb-buffer-pool-size=2G")
            .setting("innodb-log-file-size=1G")
            .start();
        let mut bench = Self { server, idle: 0.0 };
        let before = bench.spent();
        std::thread::sleep(Duration::from_secs(5));
        bench.idle = (bench.spent() - before) / 5.0;
        bench
    }

    fn spent(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.server.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // utime and stime: fields 14 and 15 (proc(5)).
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        ticks / 100.0
    }

    async fn step(&self, work: impl Future<Output = ()>) -> f64 {
        let (before, start) = (self.spent(), Instant::now());
        work.await;
        (self.spent() - before - self.idle * start.elapsed().as_secs_f64()).max(0.0)
    }

    async fn sql(&self, session: &mut Session, statements: &[&str]) -> f64 {
        self.step(async {
            for statement in statements {
                session.run(statement).await;
            }
        })
        .await
    }

    async fn run(&self, rows: u64) -> Vec<Step> {
        let mut found = Vec::new();
        for tracked in [false, true] {
            let database = self.server.fresh_database().await;
            let url = database.url();
            let mut session = Session::connect(url).await;
            let filled = format!(
                "INSERT INTO acct SELECT seq, seq % 1000, seq, concat('name ', seq), repeat('x', 96), '2026-01-01' FROM seq_1_to_{rows}"
            );
            self.sql(
                &mut session,
                &[
                    "CREATE TABLE acct (id bigint PRIMARY KEY, grp int, bal decimal(12,2), name varchar(100), payload varchar(200), updated_at datetime, KEY (grp))",
                    &filled,
                    "ANALYZE TABLE acct",
                ],
            )
            .await;
            if !tracked {
                found.push(("update, not tracked", self.sql(&mut session, &[UPDATE]).await));
                let copy = [
                    "CREATE TABLE copied LIKE acct",
                    "INSERT INTO copied SELECT * FROM acct",
                    "DROP TABLE acct",
                    "RENAME TABLE copied TO acct",
                ];
                let cost = self.sql(&mut session, &copy).await;
                found.push(("copy of all rows with indexes, and swap", cost));
                continue;
            }
            let program = Program::new(env!("CARGO_BIN_EXE_downhaul"))
                .database(url)
                .patience(Duration::from_secs(3600));
            program.ok(&["snapshot", "track", "acct", "--yes"]);
            program.ok(&["snapshot", "mark", "m"]);
            found.push(("update, tracked", self.sql(&mut session, &[UPDATE]).await));
            for (name, args) in [
                ("preview of the restore", vec!["snapshot", "restore", "--to", "m"]),
                ("restore", vec!["snapshot", "restore", "--to", "m", "--yes"]),
                ("its undo", vec!["snapshot", "restore", "--undo", "--yes"]),
            ] {
                found.push((name, self.step(async { drop(program.ok(&args)) }).await));
            }
            program.ok(&["snapshot", "mark", "n"]);
            self.sql(&mut session, &[UPDATE, BACK]).await;
            let args = ["snapshot", "restore", "--to", "n", "--columns", "bal", "--yes"];
            let cost = self.step(async { drop(program.ok(&args)) }).await;
            found.push(("restore of what was made and reverted", cost));
        }
        found
    }
}

/// All runs: the steps of each.
pub(crate) async fn runs(rows: u64, runs: u64) -> Vec<Vec<Step>> {
    let bench = Bench::start();
    let mut all = Vec::new();
    for _ in 0..runs {
        all.push(bench.run(rows).await);
    }
    all
}
