//! What tracking costs, and what a restore costs, on private servers.
//!
//! CPU seconds, since wall time on a busy machine says nothing: of the server (PostgreSQL, MariaDB), or of
//! the program and `sqlite3` (SQLite). `DOWNHAUL_ROWS` (default 100,000), `DOWNHAUL_RUNS` (default 3, the
//! median counts), `DOWNHAUL_BENCH_ENGINE` (`postgres`, `mariadb`, `sqlite`; all by default).
//!
//! `DOWNHAUL_BENCH_SINGLE=seconds` measures transactions of one row instead, on PostgreSQL
//! ([`single_rows`]).

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints, and one that cannot set its stage has failed"
)]

mod mariadb;
mod postgres;
mod single_rows;
mod sqlite;

/// What was done, and the CPU seconds that it cost.
type Step = (&'static str, f64);

const UPDATE: &str = "UPDATE acct SET bal = bal + 1, updated_at = now()";
/// Takes the update back, and leaves the time as it is.
const BACK: &str = "UPDATE acct SET bal = bal - 1, updated_at = updated_at";

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let seconds = variable("DOWNHAUL_BENCH_SINGLE", 0);
    let runs = variable("DOWNHAUL_RUNS", 3);
    if seconds > 0 {
        single_rows::measure(seconds, runs).await;
        return;
    }
    let rows = variable("DOWNHAUL_ROWS", 100_000);
    let engine = std::env::var("DOWNHAUL_BENCH_ENGINE").unwrap_or_default();
    for name in ["postgres", "mariadb", "sqlite"] {
        if !engine.is_empty() && engine != name {
            continue;
        }
        let all = match name {
            "postgres" => postgres::runs(rows, runs).await,
            "mariadb" => mariadb::runs(rows, runs).await,
            _ => sqlite::runs(rows, runs),
        };
        println!("{name}: {rows} rows, CPU seconds, median of {runs}");
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
}
