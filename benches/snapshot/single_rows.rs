//! Transactions of one row each, tracked and not, on PostgreSQL.
//!
//! What counts are transactions a second of one `pgbench` client, so this wants a machine with nothing else to
//! do; the three tables take turns. How much a trigger weighs depends on how long a commit waits for the disk, and
//! that of a test machine may take a hundredth of what another's does: `commit_delay`, with `commit_siblings = 0`,
//! has the server wait so many microseconds before each flush, as a slower disk would make it.

use std::process::Command;

use downhaul_kit::{Durability, Postgres, PostgresOptions, Program, Session};

const TABLES: [(&str, &str); 3] = [("plain", ""), ("by_row", "row"), ("by_statement", "statement")];

/// Transactions a second.
fn pgbench(server: &Postgres, url: &str, table: &str, seconds: u64) -> f64 {
    let script = std::env::temp_dir().join(format!("downhaul-single-{}.sql", std::process::id()));
    let text = format!("\\set i random(1, 100000)\nUPDATE {table} SET v = v + 1 WHERE id = :i;\n");
    std::fs::write(&script, text).unwrap();
    let done = Command::new(server.bin_dir().join("pgbench"))
        .args(["-n", "-M", "prepared", "-c", "1", "-T", &seconds.to_string(), "-f"])
        .arg(&script)
        .arg(url)
        .output()
        .expect("pgbench runs");
    std::fs::remove_file(&script).unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")).unwrap_or_else(|| {
        panic!("pgbench: {text}{}", String::from_utf8_lossy(&done.stderr));
    });
    rate.split_whitespace().next().unwrap().parse().unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// `runs` rounds of `seconds` for each table and each kind of disk.
pub(crate) async fn measure(seconds: u64, runs: u64) {
    let server = PostgresOptions::default()
        .durability(Durability::PowerCut)
        .setting("shared_buffers", "512MB")
        .setting("max_wal_size", "4GB")
        .setting("autovacuum", "off")
        .setting("commit_siblings", "0")
        .start();
    let database = server.fresh_database().await;
    let url = database.url();
    let mut session = Session::connect(url).await;
    let program = Program::new(env!("CARGO_BIN_EXE_downhaul")).database(url);
    for (table, triggers) in TABLES {
        session
            .run(&format!(
                "CREATE TABLE {table} (id int PRIMARY KEY, v int, w text, x timestamptz); \
                 INSERT INTO {table} SELECT g, 0, md5(g::text) || md5(g::text), now() FROM generate_series(1, 100000) g"
            ))
            .await;
        if !triggers.is_empty() {
            program.ok(&["snapshot", "track", table, "--yes", "--triggers", triggers]);
        }
    }
    session.run("VACUUM ANALYZE").await;
    println!("| commit | not tracked | row triggers | of it | statement triggers | of it |");
    println!("| --- | --: | --: | --: | --: | --: |");
    for (label, wait, delay) in [
        ("asynchronous", "off", 0),
        ("waits for the disk", "on", 0),
        ("50 µs more", "on", 50),
        ("100 µs more", "on", 100),
        ("500 µs more", "on", 500),
    ] {
        session.run(&format!("ALTER SYSTEM SET synchronous_commit = {wait}")).await;
        session.run(&format!("ALTER SYSTEM SET commit_delay = {delay}")).await;
        session.run("SELECT pg_reload_conf()").await;
        session.run("CHECKPOINT").await;
        let mut rates = [const { Vec::new() }; 3];
        for run in 0..runs {
            for turn in 0..3 {
                // Each is first, second and last in turn.
                let at = (turn + run as usize) % 3;
                rates[at].push(pgbench(&server, url, TABLES[at].0, seconds));
            }
        }
        let share = |at: usize| {
            let pairs = rates[at].iter().zip(&rates[0]).map(|(one, plain)| one / plain);
            100.0 * median(pairs.collect())
        };
        let [plain, row, statement] = [0, 1, 2].map(|at| median(rates[at].clone()));
        println!(
            "| {label} | {plain:.0} | {row:.0} | {:.0} % | {statement:.0} | {:.0} % |",
            share(1),
            share(2)
        );
    }
}
