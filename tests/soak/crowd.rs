//! Thousands of tables: nothing is half done, and the time grows with the number of tables alone.

use std::time::{Duration, Instant};

use downhaul_kit::{MariaDb, Postgres, Program, Session};

use crate::stage::{Engine, Place, expect, number, program};

/// How long one command may take: minutes at 10,000 tables.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Times of commands, for the last line.
struct Clock(Vec<String>);

impl Clock {
    fn run(&mut self, program: &Program, label: &str, args: &[&str], codes: &[i32]) -> String {
        let started = Instant::now();
        let outcome = program.run(args);
        expect(&outcome, codes, label);
        let took = format!("{label} {:.1} s", started.elapsed().as_secs_f64());
        println!("  {took}");
        self.0.push(took);
        outcome.stdout
    }
}

/// Every fifth table has rows, and every tenth no key.
async fn stage(session: &mut Session, tables: u64) {
    for first in (0..tables).step_by(100) {
        let mut sql = String::new();
        for n in first..tables.min(first + 100) {
            let key = if n % 10 == 9 { "NOT NULL" } else { "PRIMARY KEY" };
            sql.push_str(&format!("CREATE TABLE crowd_{n} (id int {key}, v varchar(20));\n"));
            if n % 5 == 0 {
                sql.push_str(&format!("INSERT INTO crowd_{n} VALUES (1, 'a'), (2, 'b');\n"));
            }
        }
        session.run(&sql).await;
    }
}

/// All rows of a few tables.
async fn photograph(session: &mut Session, tables: u64) -> Vec<String> {
    let mut rows = Vec::new();
    for n in (0..tables).step_by(5).take(12).chain([9, 19]) {
        for row in session.rows(&format!("SELECT id, v FROM crowd_{n} ORDER BY id, v")).await {
            rows.push(format!("{n}: {row:?}"));
        }
    }
    rows
}

async fn crowd(engine: Engine, place: Place) {
    let tables = number("DOWNHAUL_ROUNDS", 20);
    let program = program().database(place.url()).patience(PATIENCE);
    let mut session = Session::connect(&place.url()).await;
    stage(&mut session, tables).await;
    println!("{engine:?}: {tables} tables");
    let mut clock = Clock(Vec::new());
    clock.run(&program, "track --all", &["snapshot", "track", "--all", "--yes"], &[0]);
    let all =
        clock.run(&program, "track --all again", &["snapshot", "track", "--all", "--yes"], &[0]);
    assert!(all.contains("nothing to do"), "{all}");
    clock.run(&program, "mark", &["snapshot", "mark", "whole"], &[0]);
    let status = clock.run(&program, "status", &["snapshot", "status", "--format", "json"], &[0]);
    assert_eq!(status.matches("\"drift\": null").count() as u64, tables, "all are in step");
    let whole = photograph(&mut session, tables).await;
    for n in (0..tables).step_by(5).take(10) {
        session.run(&format!("UPDATE crowd_{n} SET v = 'bad' WHERE id = 1")).await;
        session.run(&format!("DELETE FROM crowd_{n} WHERE id = 2")).await;
    }
    session.run("INSERT INTO crowd_9 VALUES (7, 'new')").await;
    session.run("INSERT INTO crowd_19 VALUES (7, 'new')").await;
    let spoilt = photograph(&mut session, tables).await;
    assert_ne!(whole, spoilt);
    clock.run(&program, "diff", &["snapshot", "diff", "whole"], &[0, 1]);
    clock.run(&program, "preview", &["snapshot", "restore", "--to", "whole"], &[0, 1]);
    assert_eq!(spoilt, photograph(&mut session, tables).await, "a preview changes nothing");
    clock.run(&program, "restore", &["snapshot", "restore", "--to", "whole", "--yes"], &[0]);
    assert_eq!(whole, photograph(&mut session, tables).await, "restored");
    clock.run(&program, "undo", &["snapshot", "restore", "--undo", "--yes"], &[0]);
    assert_eq!(spoilt, photograph(&mut session, tables).await, "undone");
    program.migration(
        "0001_more",
        "CREATE TABLE more (id int PRIMARY KEY);\n",
        "DROP TABLE more;\n",
    );
    program.migration(
        "0002_note",
        "ALTER TABLE more ADD COLUMN note int;\n",
        "ALTER TABLE more DROP COLUMN note;\n",
    );
    clock.run(&program, "up of 2", &["up", "--yes"], &[0]);
    clock.run(&program, "down of 1", &["down", "--to", "0001", "--yes"], &[0]);
    clock.run(&program, "untrack --all", &["snapshot", "untrack", "--all", "--yes"], &[0]);
    session.close().await;
    println!("crowd {engine:?}, {tables} tables: {}", clock.0.join(", "));
}

#[tokio::test]
async fn on_postgres() {
    let server = Postgres::start();
    crowd(Engine::Postgres, Place::postgres(&server).await).await;
}

#[tokio::test]
async fn on_mariadb() {
    let server = MariaDb::start();
    crowd(Engine::MariaDb, Place::mariadb(&server).await).await;
}

#[tokio::test]
async fn on_sqlite() {
    crowd(Engine::Sqlite, Place::sqlite()).await;
}
