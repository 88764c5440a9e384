//! Random kills of the runner, of its sessions and of the server while a table is filled in batches, by
//! one session and by several, with a writer beside it. Each row counts how often it was filled, and no
//! condition hides a second time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use downhaul_kit::{MariaDb, MySql, Postgres, Program, Rng, Session};

use crate::accident::Server;
use crate::stage::{Engine, Place, number, program};

const ROWS: u64 = 20_000;
/// How long anything is waited for.
const LIMIT: Duration = Duration::from_secs(120);

/// Types of the key, and the key of the nth row.
fn keys(engine: Engine) -> &'static [(&'static str, &'static str)] {
    match engine {
        Engine::Postgres => &[
            ("id bigint PRIMARY KEY", "i - 2000"),
            ("id int, part text, PRIMARY KEY (id, part)", "i % 7, 'it''s ' || i"),
            ("id uuid PRIMARY KEY", "md5(i::text)::uuid"),
        ],
        Engine::MariaDb | Engine::MySql => &[
            ("id bigint PRIMARY KEY", "i - 2000"),
            ("id int, part varchar(20), PRIMARY KEY (id, part)", "i % 7, concat('it''s ', i)"),
        ],
        Engine::Sqlite => &[("id integer PRIMARY KEY", "i")],
    }
}

/// What the writer has been told, and what it was not told of.
#[derive(Default)]
struct Written {
    over: AtomicBool,
    sure: AtomicU64,
    perhaps: AtomicU64,
}

/// Counts in another column of random rows, each a while within a transaction.
async fn write(url: String, seed: u64, written: Arc<Written>) {
    let mut rng = Rng::new(seed);
    let mut session = None;
    while !written.over.load(Ordering::SeqCst) {
        let Some(open) = &mut session else {
            session = Session::try_connect(&url).await.ok();
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let n = rng.below(ROWS as usize);
        let sql = format!("UPDATE filled SET w = w + 1 WHERE n = {}", n + 1);
        let begun = open.try_run("BEGIN").await.is_ok() && open.try_run(&sql).await.is_ok();
        if begun {
            tokio::time::sleep(Duration::from_millis(2)).await;
            match open.try_run("COMMIT").await {
                Ok(()) => written.sure.fetch_add(1, Ordering::SeqCst),
                Err(_) => written.perhaps.fetch_add(1, Ordering::SeqCst),
            };
            tokio::time::sleep(Duration::from_millis(3)).await;
        } else {
            session = None;
        }
    }
}

/// Statements that end the sessions of the program, newest first; the writer's is named.
fn sessions(engine: Engine) -> Option<&'static str> {
    match engine {
        Engine::Postgres => Some(
            "SELECT 'SELECT pg_terminate_backend(' || pid || ')' FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND (query LIKE '%downhaul%') ORDER BY backend_start DESC LIMIT 1",
        ),
        Engine::MariaDb | Engine::MySql => Some(
            "SELECT CONCAT('KILL ', ID) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID() ORDER BY ID DESC LIMIT 1",
        ),
        Engine::Sqlite => None,
    }
}

async fn stage(url: &str, engine: Engine, columns: &str, key: &str) -> Program {
    let program = program().database(url);
    program.migration(
        "0001_fill",
        "-- downhaul:phase backfill\n-- downhaul:protect off\nUPDATE filled SET v = v + 1;\n",
        "SELECT 1;\n",
    );
    let mut session = Session::connect(url).await;
    if engine.is_mariadb_like() {
        // MariaDB's name of it, and MySQL's.
        session
            .run("SET SESSION /*M! max_recursive_iterations = 100000 */ /*!80003 cte_max_recursion_depth = 100000 */")
            .await;
    }
    let names = if columns.contains("part") { "id, part" } else { "id" };
    session
        .run(&format!(
            "CREATE TABLE filled ({columns}, n int NOT NULL UNIQUE, v int NOT NULL DEFAULT 0, w int NOT NULL DEFAULT 0)"
        ))
        .await;
    session
        .run(&format!(
            "INSERT INTO filled ({names}, n) WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {ROWS}) SELECT {key}, i FROM c"
        ))
        .await;
    let analyze = if engine.is_mariadb_like() { "ANALYZE TABLE filled" } else { "ANALYZE" };
    session.run(analyze).await;
    session.close().await;
    program
}

/// Kills until so many have met a run; returns how many of each kind did.
async fn killed(
    server: &mut Server,
    url: &str,
    engine: Engine,
    (columns, key): (&str, &str),
    (rng, wanted): (&mut Rng, u64),
) -> [u64; 3] {
    let program = stage(url, engine, columns, key).await;
    let written = Arc::new(Written::default());
    let writer = tokio::spawn(write(url.to_owned(), rng.bits(), Arc::clone(&written)));
    let (mut met, mut fills, mut begun) = ([0; 3], 0_u64, Instant::now());
    let mut alone = Duration::from_millis(300);
    while met.iter().sum::<u64>() < wanted {
        let parallel = if engine == Engine::Sqlite { 1 } else { rng.between(1, 3) }.to_string();
        let args = ["up", "--yes", "--parallel", &parallel, "--lock-timeout", "300"];
        let mut child = program.spawn(&args);
        let started = Instant::now();
        let wait = rng.below(usize::try_from(alone.as_millis()).unwrap());
        tokio::time::sleep(Duration::from_millis(wait as u64)).await;
        let how = match engine {
            Engine::Sqlite => 0,
            _ => [0, 0, 1, 2][rng.below(4)],
        };
        if child.try_wait().unwrap().is_none() {
            match (how, sessions(engine)) {
                (1, Some(which)) => {
                    let mut session = Session::connect(url).await;
                    // Whoever has ended since, ended by itself.
                    for row in session.rows(which).await {
                        let kill = row.into_iter().next().flatten().unwrap();
                        let _ = session.try_run(&kill).await;
                    }
                    session.close().await;
                }
                (2, _) => {
                    server.kill();
                    server.restart();
                }
                _ => child.kill().unwrap(),
            }
        }
        let ended = child.wait_with_output().unwrap();
        if !ended.status.success() {
            met[how] += 1;
            assert!(begun.elapsed() < LIMIT, "it never ends");
            continue;
        }
        alone = started.elapsed().max(Duration::from_millis(50));
        fills += 1;
        begun = Instant::now();
        check(url, &format!("{columns}, fill {fills}, seed {}", number("DOWNHAUL_SEED", 4711)))
            .await;
        program.ok(&["down", "--yes"]);
        let mut session = Session::connect(url).await;
        session.run("UPDATE filled SET v = 0").await;
        session.close().await;
    }
    program.ok(&["up", "--yes"]);
    written.over.store(true, Ordering::SeqCst);
    writer.await.unwrap();
    check(url, columns).await;
    let (sure, perhaps) =
        (written.sure.load(Ordering::SeqCst), written.perhaps.load(Ordering::SeqCst));
    let mut session = Session::connect(url).await;
    let found = session.value("SELECT sum(w) FROM filled").await.unwrap().parse().unwrap();
    assert!((sure..=sure + perhaps).contains(&found), "{sure} writes, {perhaps} untold: {found}");
    session.run("DROP TABLE filled").await;
    session.close().await;
    program.ok(&["down", "--yes"]);
    println!("{engine:?}, {columns}: {met:?} kills in {} fills, {sure} writes", fills + 1);
    met
}

/// Each row was filled once, and the journal says so.
async fn check(url: &str, when: &str) {
    let mut session = Session::connect(url).await;
    let odd = session.value("SELECT count(*) FROM filled WHERE v <> 1").await;
    assert_eq!(odd.as_deref(), Some("0"), "{when}: rows that were not filled once");
    session.close().await;
}

async fn fill(engine: Engine, mut server: Server, place: Place) {
    let (seed, rounds) = (number("DOWNHAUL_SEED", 4711), number("DOWNHAUL_ROUNDS", 6));
    let mut rng = Rng::new(seed);
    let started = Instant::now();
    let keys = keys(engine);
    let mut all = [0; 3];
    for key in keys {
        let wanted = rounds.div_ceil(keys.len() as u64);
        let met = killed(&mut server, &place.url(), engine, *key, (&mut rng, wanted)).await;
        for (all, met) in all.iter_mut().zip(met) {
            *all += met;
        }
    }
    println!(
        "fill {engine:?}, seed {seed}: {} kills of the runner, {} of a session, {} of the server in {:.0} s: each row filled once",
        all[0],
        all[1],
        all[2],
        started.elapsed().as_secs_f64()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    let server = Postgres::start();
    let place = Place::postgres(&server).await;
    fill(Engine::Postgres, Server::Postgres(server), place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_mariadb() {
    let server = MariaDb::start();
    let place = Place::mariadb(&server).await;
    fill(Engine::MariaDb, Server::MariaDb(server), place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn on_mysql() {
    let server = MySql::start(&[]);
    let place = Place::mysql(&server).await;
    fill(Engine::MySql, Server::MySql(server), place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    fill(Engine::Sqlite, Server::None, Place::sqlite()).await;
}
