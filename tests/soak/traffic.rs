//! An application with long transactions, and fifty migrations that lock its table beside it.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use downhaul_kit::{DatabaseHandle, MariaDb, Postgres, Program, Rng, Session};

use crate::stage::{Engine, expect, number, program};

/// What the scheduler of a busy machine may add to a wait.
const MARGIN: Duration = Duration::from_millis(1000);
/// How long a long transaction holds the table.
const LONG: Duration = Duration::from_millis(2500);

/// How long the application's statements took.
#[derive(Debug, Default)]
struct Waits {
    statements: u64,
    slowest: Duration,
    over_half_a_second: u64,
}

impl Waits {
    fn add(&mut self, took: Duration) {
        self.statements += 1;
        self.slowest = self.slowest.max(took);
        self.over_half_a_second += u64::from(took > Duration::from_millis(500));
    }

    fn merge(&mut self, other: &Self) {
        self.statements += other.statements;
        self.slowest = self.slowest.max(other.slowest);
        self.over_half_a_second += other.over_half_a_second;
    }
}

/// Short statements, one after the other.
async fn clerk(url: String, seed: u64, stop: Arc<AtomicBool>) -> Waits {
    let (mut session, mut rng) = (Session::connect(&url).await, Rng::new(seed));
    let mut waits = Waits::default();
    while !stop.load(Ordering::Relaxed) {
        let id = rng.between(1, 1000);
        let sql = if rng.one_in(2) {
            format!("UPDATE accounts SET balance = balance + 1 WHERE id = {id}")
        } else {
            format!("SELECT balance FROM accounts WHERE id = {id}")
        };
        let asked = Instant::now();
        session.run(&sql).await;
        waits.add(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    session.close().await;
    waits
}

/// Long reports, each of them one transaction. What waits is its first statement.
async fn reporter(url: String, seed: u64, stop: Arc<AtomicBool>) -> Waits {
    let (mut session, mut rng) = (Session::connect(&url).await, Rng::new(seed));
    let mut waits = Waits::default();
    while !stop.load(Ordering::Relaxed) {
        session.run("BEGIN").await;
        let asked = Instant::now();
        session.run("SELECT sum(balance) FROM accounts").await;
        waits.add(asked.elapsed());
        let until = Instant::now() + LONG;
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        session.run("COMMIT").await;
        tokio::time::sleep(Duration::from_millis(rng.between(500, 1500).unsigned_abs())).await;
    }
    session.close().await;
    waits
}

/// The application at work while `work` runs.
async fn beside(url: &str, seed: u64, work: impl FnOnce() + Send + 'static) -> (Waits, Duration) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut people: Vec<_> =
        (0..3).map(|n| tokio::spawn(clerk(url.to_owned(), seed + n, stop.clone()))).collect();
    people.push(tokio::spawn(reporter(url.to_owned(), seed + 9, stop.clone())));
    tokio::time::sleep(Duration::from_millis(300)).await;
    let started = Instant::now();
    tokio::task::spawn_blocking(work).await.unwrap();
    let took = started.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut waits = Waits::default();
    for person in people {
        waits.merge(&person.await.unwrap());
    }
    (waits, took)
}

/// Migrations that need the whole table for an instant each.
fn migrations(number: u64) -> Vec<(String, String, String)> {
    (1..=number)
        .map(|n| {
            (
                format!("{n:04}_column"),
                format!("ALTER TABLE accounts ADD COLUMN c{n} int;\n"),
                format!("ALTER TABLE accounts DROP COLUMN c{n};\n"),
            )
        })
        .collect()
}

async fn accounts(url: &str) {
    let mut session = Session::connect(url).await;
    session.run("CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL)").await;
    let rows: Vec<String> = (1..=1000).map(|n| format!("({n}, {n})")).collect();
    session.run(&format!("INSERT INTO accounts VALUES {}", rows.join(", "))).await;
    session.close().await;
}

/// The client of the engine with all migrations in one file: each waits for its lock as long as it
/// takes, and everybody else behind it.
fn plain_client(engine: Engine, url: &str, script: &str, folder: &Program) -> Command {
    folder.write("all.sql", script);
    let file = folder.dir().join("all.sql");
    let mut command = match engine {
        Engine::MariaDb | Engine::MySql => {
            let rest = url.split_once("@127.0.0.1:").map_or("", |(_, rest)| rest);
            let (port, database) = rest.split_once('/').unwrap();
            let mut command = Command::new("mariadb");
            command.args(["--no-defaults", "-h127.0.0.1", "-uroot", "-P", port, database]);
            command.stdin(std::fs::File::open(&file).unwrap());
            command
        }
        _ => {
            let mut command = Command::new("psql");
            command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f"]).arg(&file);
            command
        }
    };
    command.stdout(Stdio::null());
    command
}

async fn traffic(engine: Engine, urls: [String; 2], budget: Duration) -> Duration {
    let (seed, rounds) = (number("DOWNHAUL_SEED", 4711), number("DOWNHAUL_ROUNDS", 3));
    let [ours, plain] = urls;
    accounts(&ours).await;
    accounts(&plain).await;
    let series = migrations(rounds);
    let runner = program().database(ours.clone());
    for (label, up, down) in &series {
        runner.migration(label, up, down);
    }
    let lock_timeout = budget.as_millis().to_string();
    let (waits, took) = beside(&ours, seed, move || {
        // Two minutes are the longest that the kit lets a program run.
        for _ in 0..rounds {
            let outcome = runner.run(&[
                "up",
                "--yes",
                "--steps",
                "1",
                "--lock-timeout",
                &lock_timeout,
                "--lock-retry",
                "100",
            ]);
            expect(&outcome, &[0], "beside traffic");
        }
        assert!(runner.ok(&["status"]).stdout.contains(&format!("{rounds} applied")));
    })
    .await;
    let ups: String = series.iter().map(|(_, up, _)| up.as_str()).collect();
    let folder = program();
    let mut client = plain_client(engine, &plain, &ups, &folder);
    let (contrast, plain_took) = beside(&plain, seed, move || {
        assert!(client.status().unwrap().success());
    })
    .await;
    println!(
        "traffic {engine:?}, seed {seed}, {rounds} migrations, lock budget {budget:?}\n  \
         downhaul:     {took:.1?}, {waits:?}\n  plain client: {plain_took:.1?}, {contrast:?}"
    );
    assert!(waits.statements > 50, "{waits:?}");
    waits.slowest
}

/// No statement waits longer than the budget and a margin. A machine that stood still for a moment
/// makes one wait, too: what is Downhaul's doing happens every time, so of three attempts one must
/// hold. Long runs (`DOWNHAUL_ROUNDS`) have one.
async fn holds(engine: Engine, budget: Duration, urls: impl AsyncFn() -> [DatabaseHandle; 2]) {
    let attempts = if std::env::var_os("DOWNHAUL_ROUNDS").is_some() { 1 } else { 3 };
    let mut slowest = Vec::new();
    for _ in 0..attempts {
        let databases = urls().await;
        slowest
            .push(traffic(engine, databases.each_ref().map(|d| d.url().to_owned()), budget).await);
        if slowest.iter().any(|waited| *waited < budget + MARGIN) {
            return;
        }
    }
    panic!("with a budget of {budget:?} a statement waited {slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    let server = Postgres::start();
    let databases = async || [server.fresh_database().await, server.fresh_database().await];
    holds(Engine::Postgres, Duration::from_millis(200), databases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb() {
    let server = MariaDb::start();
    let databases = async || [server.fresh_database().await, server.fresh_database().await];
    // The server counts in whole seconds.
    holds(Engine::MariaDb, Duration::from_secs(1), databases).await;
}
