//! Many runners at once: each migration is applied once and reverted once.

use std::time::Instant;

use downhaul_kit::{MariaDb, Outcome, Postgres, Program, Session};

use crate::stage::{Engine, Place, expect, number, program};

const RUNNERS: usize = 20;
const MIGRATIONS: usize = 4;

/// Each migration writes down that it ran.
fn write_series(program: &Program, engine: Engine) {
    let serial = match engine {
        Engine::Postgres => "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        Engine::MariaDb | Engine::MySql => "bigint AUTO_INCREMENT PRIMARY KEY",
        Engine::Sqlite => "integer PRIMARY KEY",
    };
    program.migration(
        "0000_log",
        &format!("CREATE TABLE log (id {serial}, entry varchar(20) NOT NULL);\n"),
        "DROP TABLE log;\n",
    );
    for n in 1..=MIGRATIONS {
        program.migration(
            &format!("000{n}_table"),
            &format!("CREATE TABLE t{n} (a int);\nINSERT INTO log (entry) VALUES ('up {n}');\n"),
            &format!("DROP TABLE t{n};\nINSERT INTO log (entry) VALUES ('down {n}');\n"),
        );
    }
}

async fn race(engine: Engine, place: Place) {
    let (seed, rounds) = (number("DOWNHAUL_SEED", 4711), number("DOWNHAUL_ROUNDS", 2));
    let program = program().database(place.url());
    write_series(&program, engine);
    program.ok(&["up", "--yes", "--to", "0000"]);
    let started = Instant::now();
    for round in 1..=rounds {
        for (verb, args) in [
            ("up", ["up", "--yes", "--wait", "100", "--to", "0004"]),
            ("down", ["down", "--yes", "--wait", "100", "--to", "0000"]),
        ] {
            let children: Vec<_> = (0..RUNNERS).map(|_| program.spawn(&args)).collect();
            let outcomes: Vec<Outcome> =
                children.into_iter().map(|child| program.wait(child)).collect();
            for outcome in &outcomes {
                // 4: others were at it for as long as this one was ready to wait.
                expect(outcome, &[0, 4], &format!("round {round}, {verb}"));
            }
            for n in 1..=MIGRATIONS {
                let label = format!("000{n}_table");
                let told = outcomes.iter().filter(|o| o.stdout.contains(&label)).count();
                assert_eq!(told, 1, "round {round}: {told} runners say {verb} {n}");
            }
        }
        let mut session = Session::connect(&place.url()).await;
        for n in 1..=MIGRATIONS {
            for verb in ["up", "down"] {
                let sql = format!("SELECT count(*) FROM log WHERE entry = '{verb} {n}'");
                let times = session.value(&sql).await;
                assert_eq!(times, Some(round.to_string()), "round {round}: {verb} {n}");
            }
        }
        session.close().await;
        if round % 25 == 0 {
            println!("{engine:?}: {round} rounds, {:?}", started.elapsed());
        }
    }
    println!(
        "race {engine:?}, seed {seed}, {rounds} rounds of {RUNNERS} runners up and {RUNNERS} down in {:.0} s: each of {MIGRATIONS} migrations once",
        started.elapsed().as_secs_f64()
    );
}

#[tokio::test]
async fn on_postgres() {
    let server = Postgres::start();
    race(Engine::Postgres, Place::postgres(&server).await).await;
}

#[tokio::test]
async fn on_mariadb() {
    let server = MariaDb::start();
    race(Engine::MariaDb, Place::mariadb(&server).await).await;
}

#[tokio::test]
async fn on_sqlite() {
    race(Engine::Sqlite, Place::sqlite()).await;
}
