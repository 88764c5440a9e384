//! How fast a backfill is, and what the traffic beside it notices.
//!
//! `cargo bench --bench backfill` fills a renamed column of `pgbench_accounts` on a private PostgreSQL
//! with the durability of an ordinary installation, while `pgbench` sends its TPC-B-like transactions at
//! a fixed rate: by one `UPDATE` of the whole table (the limit), by `downhaul up --phase backfill` as it
//! finds right itself and at full speed, and in batches of 1,000 rows one behind the other (the default of
//! other tools). Each begins with a fresh copy of the same database. The expand phase's trigger stands in
//! all of them. A session that only counts shows what the traffic notices of any other work on this machine, and
//! one that only writes log, 60 % as much in a second as the one `UPDATE`, what it notices of what has to reach the
//! disk whoever fills the column.
//!
//! A server that is new has to make a file for every 16 MB of its log, and whoever commits waits meanwhile;
//! one that has been at work uses those again that it has. The bench measures the latter, unless
//! `DOWNHAUL_BENCH_LOG=new` asks for the former.
//!
//! On a machine with few processors what the traffic waits for is mostly one of them. `DOWNHAUL_BENCH_CORES=apart`
//! gives the traffic a processor that nothing else uses (`taskset`, Linux).
//!
//! Clients on the same machine, without a network between, are nearer than an application is. `DOWNHAUL_BENCH_AWAY=n`
//! lets them rest for n microseconds behind each statement, as if the answer were so long on its way; the rests count
//! as part of a transaction, as they would there.
//!
//! `DOWNHAUL_BENCH_ROWS=n` (1,000,000, in steps of 100,000), `DOWNHAUL_BENCH_RATE=n` transactions a
//! second (100; 0 is as many as go), `DOWNHAUL_BENCH_CALM=n` seconds of traffic alone (20), `DOWNHAUL_BENCH_SPEED=n` (`auto`) for
//! `downhaul backfill speed n`, `DOWNHAUL_BENCH_ONLY=words` for some of the rows (`alone`, `counts`, `update`, `logs`, `auto`,
//! `full`, `thousands`, `parallel`), `DOWNHAUL_BENCH_ROUNDS=n` for all of them so many times, since a machine changes,
//! `DOWNHAUL_PROGRAM=path` measures another build. Latencies are those that
//! `pgbench --log` writes, the wait for a late start included.

// A benchmark's result is what it prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use downhaul_kit::{Durability, Postgres, PostgresOptions, Program, Session, block_on};

/// Clients of the traffic.
const CLIENTS: &str = "4";

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    block_on(run());
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// What fills the column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Nothing,
    Counting,
    Whole,
    Logging,
    Downhaul,
    FullSpeed,
    Thousands,
    Parallel,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "traffic alone",
            Self::Counting => "a session that only counts",
            Self::Whole => "one UPDATE",
            Self::Logging => "a session that only writes log",
            Self::Downhaul => "downhaul",
            Self::FullSpeed => "downhaul, speed 100",
            Self::Thousands => "batches of 1,000",
            Self::Parallel => "downhaul, --parallel 2",
        }
    }

    /// The word for it in `DOWNHAUL_BENCH_ONLY`.
    fn word(self) -> &'static str {
        match self {
            Self::Nothing => "alone",
            Self::Counting => "counts",
            Self::Whole => "update",
            Self::Logging => "logs",
            Self::Downhaul => "auto",
            Self::FullSpeed => "full",
            Self::Thousands => "thousands",
            Self::Parallel => "parallel",
        }
    }

    /// Fills nothing, but lasts as long as it is told to.
    fn only_lasts(self) -> bool {
        matches!(self, Self::Nothing | Self::Counting | Self::Logging)
    }
}

struct Measured {
    way: Way,
    seconds: f64,
    rows: u64,
    /// Bytes of the server's log.
    log: u64,
    /// Milliseconds, in order.
    latencies: Vec<f64>,
}

impl Measured {
    fn percentile(&self, share: f64) -> f64 {
        let at = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(at.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }

    fn rate(&self) -> f64 {
        self.rows as f64 / self.seconds
    }
}

async fn run() {
    let rows = number("DOWNHAUL_BENCH_ROWS", 1_000_000).div_ceil(100_000) * 100_000;
    let keeps_log = std::env::var("DOWNHAUL_BENCH_LOG").as_deref() != Ok("new");
    let server = PostgresOptions::default()
        .durability(Durability::PowerCut)
        .setting("shared_buffers", "512MB")
        .setting("max_wal_size", "4GB")
        .setting("min_wal_size", if keeps_log { "4GB" } else { "80MB" })
        .setting("autovacuum", "off")
        .start();
    if apart() {
        // What they start from now on begins there too; what runs already, such as the writer of the
        // log, does not.
        pin(REST, server.pid());
        for child in children(server.pid()) {
            pin(REST, child);
        }
        pin(REST, std::process::id());
    }
    let template = Program::new(program());
    let database = server.fresh_database().await;
    let url = database.url().to_owned();
    let scale = (rows / 100_000).to_string();
    pgbench(&server, &url, &["-i", "-q", "-s", &scale]).output().expect("pgbench runs");
    let base = "CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));\n";
    template.migration("0001_base", base, "SELECT 1;\n");
    template.write(
        "drafts/change.sql",
        "ALTER TABLE pgbench_accounts RENAME COLUMN abalance TO balance;\n",
    );
    template.ok(&["expand", "drafts/change.sql", "--dialect", "postgres"]);
    let template = template.database(&url);
    template.ok(&["baseline", "0001"]);
    template.ok(&["up", "--yes", "--phase", "expand"]);
    let fill = statement(template.dir());
    let name = url.rsplit('/').next().expect("a database").to_owned();

    let mut all = Vec::new();
    if keeps_log {
        log_files(&server).await;
    }
    let only = std::env::var("DOWNHAUL_BENCH_ONLY").unwrap_or_default();
    let wanted: Vec<&str> = only.split(',').filter(|word| !word.is_empty()).collect();
    let ways = [
        Way::Nothing,
        Way::Counting,
        Way::Whole,
        Way::Logging,
        Way::Downhaul,
        Way::FullSpeed,
        Way::Thousands,
        Way::Parallel,
    ];
    for _ in 0..number("DOWNHAUL_BENCH_ROUNDS", 1) {
        for way in ways {
            if !wanted.is_empty() && !wanted.contains(&way.word()) {
                continue;
            }
            // Bytes of log a second.
            let share = all
                .iter()
                .find(|one: &&Measured| one.way == Way::Whole)
                .map_or(0.0, |one| 0.6 * one.log as f64 / one.seconds);
            assert!(way != Way::Logging || share > 0.0, "`logs` goes by what `update` writes");
            let one = measure(&server, &template, &name, &fill, way, rows, share as u64).await;
            eprintln!(
                "{}: {:.1} s, {:.0} MB of log, p50 {:.1}, p95 {:.1}, p99 {:.1} ms",
                way.name(),
                one.seconds,
                one.log as f64 / 1e6,
                one.percentile(0.5),
                one.percentile(0.95),
                one.percentile(0.99)
            );
            all.push(one);
        }
    }
    let first = |way: Way| all.iter().find(|one| one.way == way);
    let calm = first(Way::Nothing).map_or(f64::NAN, |one| one.percentile(0.99));
    let limit = first(Way::Whole).map_or(f64::NAN, Measured::rate);
    println!(
        "{rows} rows, {} transactions a second by {CLIENTS} clients\n",
        number("DOWNHAUL_BENCH_RATE", 100)
    );
    println!(
        "| filled by | seconds | rows a second | of one UPDATE | p50 ms | p95 ms | p99 ms | p99 × alone | slowest ms | transactions |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
    for one in &all {
        let fills = !one.way.only_lasts();
        println!(
            "| {} | {:.1} | {} | {} | {:.1} | {:.1} | {:.1} | {:.2} | {:.0} | {} |",
            one.way.name(),
            one.seconds,
            if fills { format!("{:.0}", one.rate()) } else { "-".into() },
            if fills { format!("{:.0} %", 100.0 * one.rate() / limit) } else { "-".into() },
            one.percentile(0.5),
            one.percentile(0.95),
            one.percentile(0.99),
            one.percentile(0.99) / calm,
            one.percentile(1.0),
            one.latencies.len()
        );
    }
}

/// Has the server make as many files of its log as it may keep, which it then uses again.
async fn log_files(server: &Postgres) {
    let mut admin = Session::connect(&server.url()).await;
    admin.run("CREATE TABLE filler (i int)").await;
    let full = "SELECT count(*) >= 250 FROM pg_ls_waldir()";
    let mut files = 0;
    while admin.value(full).await.as_deref() != Some("t") && files < 400 {
        admin.run("INSERT INTO filler VALUES (1); SELECT pg_switch_wal()").await;
        files += 1;
    }
    admin.run("DROP TABLE filler").await;
    admin.run("CHECKPOINT").await;
    admin.close().await;
}

/// The processor of the traffic, and that of everything else.
const TRAFFIC: &str = "1";
const REST: &str = "0";

fn apart() -> bool {
    std::env::var("DOWNHAUL_BENCH_CORES").as_deref() == Ok("apart")
}

/// Keeps a process, with all its threads, to a processor.
fn pin(processor: &str, pid: u32) {
    let pid = pid.to_string();
    let mut command = Command::new("taskset");
    let done = command.args(["-acp", processor, &pid]).stdout(Stdio::null()).status();
    assert!(done.is_ok_and(|status| status.success()), "taskset (util-linux) pins process {pid}");
}

/// Processes that a process has started (Linux).
fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("Linux");
    list.split_whitespace().map(|child| child.parse().expect("a number")).collect()
}

fn program() -> String {
    std::env::var("DOWNHAUL_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_downhaul").to_owned())
}

fn pgbench(server: &Postgres, url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(server.bin_dir().join("pgbench"));
    command.args(args).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The `UPDATE` of the backfill phase.
fn statement(dir: &Path) -> String {
    let text = fs::read_to_string(dir.join("migrations/0003_change_backfill.up.sql"))
        .expect("the backfill phase");
    let from = text.find("UPDATE ").expect("an UPDATE");
    let to = text[from..].find(';').map_or(text.len(), |at| from + at);
    text[from..to].to_owned()
}

async fn measure(
    server: &Postgres,
    template: &Program,
    name: &str,
    fill: &str,
    way: Way,
    rows: u64,
    log_rate: u64,
) -> Measured {
    let copy = format!("bench_{}", way as u8);
    let mut admin = Session::connect(&server.url()).await;
    admin.run(&format!("CREATE DATABASE {copy} TEMPLATE {name}")).await;
    admin.run("CHECKPOINT").await;
    let url = server.url_as("postgres", "", &copy);
    let mut session = Session::connect(&url).await;
    // What a restart forgets is in memory again.
    session.run("SELECT count(*) FROM pgbench_accounts; ANALYZE pgbench_accounts").await;
    let logs = template.dir().join(format!("logs_{copy}"));
    let _ = fs::remove_dir_all(&logs);
    fs::create_dir_all(&logs).expect("a folder for logs");
    let mut traffic = traffic(server, &url, &logs);
    if apart() {
        std::thread::sleep(Duration::from_millis(500));
        pin(TRAFFIC, traffic.id());
        let clients = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench'";
        for row in session.rows(clients).await {
            let pid = row.into_iter().next().flatten().expect("a number");
            pin(TRAFFIC, pid.parse().expect("a number"));
        }
    }
    std::thread::sleep(Duration::from_secs(3));
    let calm = Duration::from_secs(number("DOWNHAUL_BENCH_CALM", 20));
    let log = "SELECT pg_current_wal_insert_lsn() - '0/0'";
    let log_before = whole_number(&mut session, log).await;
    let skipped = Instant::now();
    match way {
        Way::Nothing => std::thread::sleep(calm),
        Way::Counting => count(&mut session, calm).await,
        Way::Whole => session.run(fill).await,
        Way::Logging => write_log(&mut session, calm, log_rate).await,
        Way::Downhaul | Way::FullSpeed | Way::Parallel => {
            let program = Program::new(program()).database(&url);
            program.migrations_from(&template.dir().join("migrations"));
            // Not `ok`, which takes what lasts long for a hang.
            let sessions = if way == Way::Parallel { "2" } else { "1" };
            let mut up =
                program.command(&["up", "--yes", "--phase", "backfill", "--parallel", sessions]);
            let up =
                up.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("downhaul runs");
            let speed = std::env::var("DOWNHAUL_BENCH_SPEED").unwrap_or_else(|_| "auto".into());
            let speed = if way == Way::FullSpeed { "100".into() } else { speed };
            while speed != "auto" && program.run(&["backfill", "speed", &speed]).code != Some(0) {}
            let done = up.wait_with_output().expect("downhaul ends");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        Way::Thousands => thousands(&mut session).await,
    }
    let seconds = skipped.elapsed().as_secs_f64();
    let log = whole_number(&mut session, log).await - log_before;
    let _ = traffic.kill();
    let _ = traffic.wait();
    let left = "SELECT count(*) FROM pgbench_accounts WHERE balance IS DISTINCT FROM abalance";
    let left = session.value(left).await.expect("a number");
    assert!(way.only_lasts() || left == "0", "{}: {left} rows are not filled", way.name());
    session.close().await;
    admin.run(&format!("DROP DATABASE {copy} WITH (FORCE)")).await;
    admin.close().await;
    Measured { way, seconds, rows, log, latencies: latencies(&logs) }
}

async fn whole_number(session: &mut Session, query: &str) -> u64 {
    session.value(query).await.and_then(|n| n.parse().ok()).expect("a whole number")
}

/// What `pgbench` sends by itself, its TPC-B-like transaction, with a rest behind each statement.
fn script_of_clients_away(micros: u64) -> String {
    let statements = [
        "BEGIN",
        "UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid",
        "SELECT abalance FROM pgbench_accounts WHERE aid = :aid",
        "UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid",
        "UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP)",
        "END",
    ];
    let mut script = "\\set aid random(1, 100000 * :scale)\n\\set bid random(1, 1 * :scale)\n\\set tid random(1, 10 * :scale)\n\\set delta random(-5000, 5000)\n".to_owned();
    for statement in statements {
        script += &format!("{statement};\n\\sleep {micros} us\n");
    }
    script
}

fn traffic(server: &Postgres, url: &str, logs: &Path) -> Child {
    let rate = number("DOWNHAUL_BENCH_RATE", 100).to_string();
    let mut args = vec!["-n", "-c", CLIENTS, "-j", "2", "-T", "3600", "-l"];
    let script = logs.with_extension("script");
    let script = script.to_str().expect("a path of this bench is text");
    let scale = format!("scale={}", number("DOWNHAUL_BENCH_ROWS", 1_000_000).div_ceil(100_000));
    let away = number("DOWNHAUL_BENCH_AWAY", 0);
    if away > 0 {
        fs::write(script, script_of_clients_away(away)).expect("the script is written");
        args.extend(["-f", script, "-D", &scale]);
    }
    if rate != "0" {
        args.extend(["-R", &rate]);
    }
    pgbench(server, url, &args).current_dir(logs).spawn().expect("pgbench runs")
}

/// Keeps a processor busy, and nothing else: no lock, no row, no log.
async fn count(session: &mut Session, until: Duration) {
    session.run(&format!("SET statement_timeout = {}", until.as_millis())).await;
    let counted = session
        .try_run("SELECT count(*) FROM generate_series(1, 10000) a, generate_series(1, 10000) b, generate_series(1, 10000) c")
        .await;
    assert!(counted.is_err(), "it counted to its end");
    session.run("RESET statement_timeout").await;
}

/// Writes log at a rate, in bytes a second, in transactions of 64 kB that do not wait for the disk; reads and
/// changes no row.
async fn write_log(session: &mut Session, until: Duration, rate: u64) {
    session.run("SET synchronous_commit = off").await;
    session
        .run(&format!(
            "DO $$ DECLARE began timestamptz := clock_timestamp(); piece text := repeat('x', 8000); written bigint := 0; gone float; \
             BEGIN \
               LOOP \
                 gone := extract(epoch FROM clock_timestamp() - began); \
                 EXIT WHEN gone > {}; \
                 IF written < gone * {rate} THEN \
                   PERFORM pg_logical_emit_message(true, 'bench', piece) FROM generate_series(1, 8); \
                   written := written + 64000; COMMIT; \
                 ELSE PERFORM pg_sleep(0.0005); END IF; \
               END LOOP; \
             END $$",
            until.as_secs()
        ))
        .await;
}

/// Batches of 1,000 rows by key, each locked first and then written, each its own transaction.
async fn thousands(session: &mut Session) {
    let mut last = 0_i64;
    loop {
        let rows = session
            .rows(&format!(
                "WITH batch AS (SELECT aid FROM pgbench_accounts WHERE aid > {last} ORDER BY aid LIMIT 1000 FOR NO KEY UPDATE), \
                 written AS (UPDATE pgbench_accounts a SET aid = a.aid FROM batch WHERE a.aid = batch.aid RETURNING a.aid) \
                 SELECT max(aid) FROM written"
            ))
            .await;
        match rows.first().and_then(|row| row.first().cloned().flatten()) {
            Some(value) => last = value.parse().expect("a key"),
            None => return,
        }
    }
}

/// Milliseconds of every transaction, the first three seconds left out, in order.
fn latencies(logs: &Path) -> Vec<f64> {
    let mut found: Vec<(f64, f64)> = Vec::new();
    for entry in fs::read_dir(logs).expect("the logs").flatten() {
        for line in fs::read_to_string(entry.path()).expect("a log").lines() {
            // client, number, microseconds, script, seconds, microseconds, lag
            let words: Vec<f64> = line.split(' ').filter_map(|w| w.parse().ok()).collect();
            if let [_, _, took, _, seconds, micros, ..] = words.as_slice() {
                found.push((seconds + micros / 1e6, took / 1000.0));
            }
        }
    }
    let first = found.iter().map(|(at, _)| *at).fold(f64::MAX, f64::min);
    let mut all: Vec<f64> =
        found.into_iter().filter(|(at, _)| *at > first + 3.0).map(|(_, took)| took).collect();
    all.sort_by(f64::total_cmp);
    all
}
