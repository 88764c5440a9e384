//! Schemas of real projects, tracked as a whole: random traffic made up from the catalog, marks in the middle
//! of it, and every kind of restore, compared with what the rows say that it must lead to.
//!
//! Short here, over the schemas in `tests/projects/schema`; `scripts/soak projects --dir DIR` takes
//! checkouts of public projects, laid out as `scripts/real-projects` has them.
//!
//! `DOWNHAUL_SEED=n` repeats a run, `DOWNHAUL_ROUNDS=n` says how many rounds each project has,
//! `DOWNHAUL_PROGRAM=path` takes another build, `DOWNHAUL_ONLY=name` those projects alone.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot set its stage has failed; a long one shows where it is"
)]

mod catalog;
mod found;
mod migrate;
mod picture;
#[path = "../real_projects/project.rs"]
mod project;
mod round;
mod traffic;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use downhaul_engine::Target;
use downhaul_kit::{
    DatabaseHandle, MariaDb, MariaDbOptions, Postgres, PostgresOptions, Program, Rng, Session,
    SqliteFile,
};
use downhaul_plan::load;
use downhaul_run::observer::Silent;
use downhaul_run::{Options, Runner, UpSelection};

use crate::catalog::Catalog;
use crate::project::{Engine, PROJECTS, Pair, Project};
use crate::round::{Ending, Kind, Place};
use crate::traffic::Traffic;

/// A server, if the engine has one.
enum Server {
    Postgres(Postgres),
    MariaDb(MariaDb),
    None,
}

impl Server {
    fn start(engine: Engine) -> Self {
        match engine {
            Engine::Postgres => Self::Postgres(
                PostgresOptions::default().setting("max_locks_per_transaction", "256").start(),
            ),
            Engine::MySql => Self::MariaDb(MariaDbOptions::default().start()),
            Engine::Sqlite => Self::None,
        }
    }
}

/// A database that goes with it.
enum Database {
    Server { url: String, _handle: DatabaseHandle },
    File(SqliteFile),
}

impl Database {
    /// On PostgreSQL it belongs to somebody who is no superuser, by turns.
    async fn new(server: &Server, powerful: bool) -> Self {
        match server {
            Server::Postgres(server) => {
                let database = server.fresh_database().await;
                let mut admin = Session::connect(database.url()).await;
                for name in [
                    "pgcrypto",
                    "ltree",
                    "citext",
                    "pg_trgm",
                    "btree_gist",
                    "btree_gin",
                    "uuid-ossp",
                    "hstore",
                    "intarray",
                ] {
                    // Where a server has not got it, what needs it fails.
                    let _ = admin.try_run(&format!("CREATE EXTENSION \"{name}\"")).await;
                }
                // The role is the server's, and there from the second database on.
                let _ = admin.try_run("CREATE ROLE app LOGIN CREATEROLE").await;
                admin
                    .run(&format!(
                        "ALTER DATABASE {} OWNER TO app; ALTER SCHEMA public OWNER TO app",
                        database.name()
                    ))
                    .await;
                admin.close().await;
                let user = if powerful { "postgres" } else { "app" };
                let url = server.url_as(user, "", database.name());
                Self::Server { url, _handle: database }
            }
            Server::MariaDb(server) => {
                let database = server.fresh_database().await;
                let url = database.url().to_owned();
                Self::Server { url, _handle: database }
            }
            Server::None => Self::File(SqliteFile::new()),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Server { url, .. } => url.clone(),
            Self::File(file) => file.url(),
        }
    }
}

/// The migrations go up one by one, those that the engine refuses are left out. Returns how many.
async fn apply(program: &Program, url: &str, pairs: &[Pair]) -> usize {
    for (n, pair) in pairs.iter().enumerate() {
        program.write(&format!("migrations/{n:05}_step.up.sql"), &pair.up);
        if let Some(down) = &pair.down {
            program.write(&format!("migrations/{n:05}_step.down.sql"), down);
        }
    }
    let all = load(&program.dir().join("migrations")).unwrap();
    let target = Target::parse(url).unwrap();
    let mut runner = Runner::open(&target, true, Options::default()).await.unwrap();
    let mut failed = 0;
    for migration in &all.migrations {
        let mut series = all.clone();
        series.migrations.retain(|m| m.version == migration.version);
        let plan = runner.plan_up(&series, &UpSelection::All).await;
        let done = match plan {
            Ok(plan) => runner.up(&plan, &mut Silent).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            failed += 1;
            for way in ["up", "down"] {
                let file = format!("migrations/{}_step.{way}.sql", migration.version);
                // There may be no way back.
                let _ = std::fs::remove_file(program.dir().join(file));
            }
            if std::env::var_os("DOWNHAUL_REFUSED").is_some() {
                let at: usize = migration.version.to_string().parse().unwrap();
                println!("      {} refused: {error:?}", pairs[at].name);
            }
        }
    }
    runner.close().await;
    failed
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Plays the rounds of one project; what failed, if something did.
async fn play(
    name: &str,
    pairs: &[Pair],
    (engine, server): (Engine, &Server),
    (seed, rounds): (u64, u64),
) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    let database = Database::new(server, rng.one_in(3)).await;
    let url = database.url();
    let path = std::env::var("DOWNHAUL_PROGRAM")
        .unwrap_or_else(|_| env!("CARGO_BIN_EXE_downhaul").to_owned());
    let program = Program::new(path).database(&url).patience(Duration::from_secs(600));
    let failed = apply(&program, &url, pairs).await;
    let mut reader = Session::connect(&url).await;
    let catalog = Catalog::read(engine, &mut reader).await;
    let tables = catalog.tables.len();
    let clerks = if engine == Engine::Sqlite { 2 } else { 3 };
    let mut traffic = Traffic::new(catalog, &url, clerks).await;
    let early = rng.one_in(2);
    if early {
        traffic.fill(&mut rng, 2).await;
    }
    let watched = !rng.one_in(3);
    let tracked = if watched {
        program.run(&["snapshot", "track", "--all", "--yes"])
    } else {
        program.run(&["status"])
    };
    if tracked.code != Some(0) {
        println!("  FAILED: {name}, seed {seed}: {tracked}");
        return Err(tracked.to_string());
    }
    traffic.fill(&mut rng, 4).await;
    println!(
        "{name} on {}, seed {seed}: {} migrations ({failed} refused), {tables} tables{}",
        engine.dialect(),
        pairs.len(),
        if watched { "" } else { ", not tracked" }
    );
    let may_migrate = failed == 0 || engine != Engine::MySql;
    if !watched && !may_migrate {
        return Ok(());
    }
    let mut place = Place {
        program,
        reader,
        traffic,
        rng,
        marks: 0,
        migrations: 0,
        may_migrate,
        past: Vec::new(),
        stuck: false,
    };
    let mut endings: BTreeMap<(Kind, Ending), usize> = BTreeMap::new();
    for round in 0..rounds {
        let ended = if watched { place.round().await } else { place.migrate(false).await };
        match ended {
            Ok(ended) => *endings.entry(ended).or_default() += 1,
            Err(why) => {
                println!("  FAILED: {name}, seed {seed}, round {round}: {why}");
                if std::env::var_os("DOWNHAUL_KEEP").is_some() {
                    println!("  the database is still there for five minutes: {url}");
                    tokio::time::sleep(Duration::from_secs(300)).await;
                }
                return Err(why);
            }
        }
        if place.stuck {
            break;
        }
    }
    println!(
        "  {} statements, {} refused; {endings:?}",
        place.traffic.taken, place.traffic.refused
    );
    place.traffic.close().await;
    place.reader.close().await;
    Ok(())
}

/// The schema of this repository, or those of checkouts.
fn projects(engine: Engine) -> Vec<(String, Vec<Pair>)> {
    let only = std::env::var("DOWNHAUL_ONLY").unwrap_or_default();
    let Ok(root) = std::env::var("DOWNHAUL_PROJECTS") else {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let path = match engine {
            Engine::Postgres => "postgres",
            Engine::MySql => "mariadb",
            Engine::Sqlite => "sqlite",
        };
        let own = Project { name: "projects", path, engine, tag: "" };
        return vec![("schema".into(), own.read(&schema))];
    };
    PROJECTS
        .iter()
        .filter(|p| p.engine == engine && p.name.contains(&only))
        .map(|p| (p.name.to_owned(), p.read(&PathBuf::from(&root))))
        .filter(|(_, pairs)| !pairs.is_empty())
        .collect()
}

async fn on(engine: Engine) {
    let (seed, rounds) = (number("DOWNHAUL_SEED", 4711), number("DOWNHAUL_ROUNDS", 6));
    let server = Server::start(engine);
    let mut failed = Vec::new();
    let found = projects(engine);
    assert!(!found.is_empty(), "there is no project on {}", engine.name());
    for (name, pairs) in found {
        if play(&name, &pairs, (engine, &server), (seed, rounds)).await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "seed {seed}: these failed: {failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    on(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb() {
    on(Engine::MySql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    on(Engine::Sqlite).await;
}
