//! Random kills of the runner and of the server, cut connections, full disks.

use std::time::Instant;

use downhaul_kit::Disk;

use crate::accident::{Accidents, Effort, Rounds, until_met};
use crate::stage::{BASE, Engine, Series, Stage, expect, number};

/// What a run does and where it ends.
#[derive(Clone, Copy, Debug)]
struct Verb {
    name: &'static str,
    args: &'static [&'static str],
    end: &'static str,
}

impl Verb {
    fn up(head: &'static str) -> Self {
        Self { name: "up", args: &["up", "--yes"], end: head }
    }

    fn down() -> Self {
        Self { name: "down", args: &["down", "--yes", "--to", BASE], end: BASE }
    }

    fn redo(head: &'static str) -> Self {
        Self { name: "redo", args: &["redo"], end: head }
    }
}

struct Soak {
    stage: Stage,
    accidents: Accidents,
    /// What `up`, `redo` and `down` take here, undisturbed.
    takes: [Effort; 3],
    /// Where the database stands between two rounds.
    version: &'static str,
}

impl Soak {
    async fn begin(engine: Engine, series: Series, seed: u64) -> Self {
        // What every row of a table passes through fills a disk.
        let disk = (series.is_bulky() && engine != Engine::Sqlite).then(Disk::new);
        let (mut accidents, place) = Accidents::on(engine, seed, disk).await;
        accidents.brim = series == Series::Brim;
        let stage = Stage::set(engine, series, place).await;
        accidents.migrations_from(&stage.program.dir().join("migrations"));
        let head = stage.head;
        let takes = [Verb::up(head), Verb::redo(head), Verb::down()]
            .map(|verb| accidents.rehearse(&stage.program, verb.args));
        stage.check(BASE, "rehearsed").await;
        Self { stage, accidents, takes, version: BASE }
    }

    /// One accident, what it left, and the way out of it.
    async fn one(&mut self, number: u64) {
        let up = Verb::up(self.stage.head);
        let (at, verb) = match (self.version, self.accidents.rng.below(3)) {
            (BASE, _) => (0, up),
            (_, 0) => (1, Verb::redo(self.stage.head)),
            _ => (2, Verb::down()),
        };
        let accident = self.accidents.draw_of_more();
        let when = format!("round {number}: {} and {accident:?}", verb.name);
        let target = (&self.stage.program, self.stage.place.file());
        let takes = self.takes[at];
        self.accidents.happen_in_a_crowd(accident, target, verb.args, takes, &when).await;
        let half = self.stage.check_status(&when).await;
        self.accidents.tally.half_done += u32::from(half.is_some());
        // On, or back.
        let on = if verb.name == "redo" { up } else { verb };
        let back = if on.name == "up" { Verb::down() } else { up };
        let next = if self.accidents.rng.one_in(4) { back } else { on };
        let mut reached = next;
        let started = Instant::now();
        let outcome = self.stage.program.run(next.args);
        let took = started.elapsed();
        if half.is_some() && outcome.code == Some(6) {
            // What is half done is finished first, and the message says so.
            assert!(outcome.stderr.contains("finishes it"), "{when}:\n{outcome}");
            reached = if next.name == "up" { Verb::down() } else { up };
            let outcome = self.stage.program.run(reached.args);
            expect(&outcome, &[0], &when);
        } else {
            expect(&outcome, &[0], &when);
            self.takes[if next.name == "up" { 0 } else { 2 }].learn(took);
        }
        self.stage.check(reached.end, &format!("{when}, then {}", reached.name)).await;
        let (newest, half) = self.stage.status();
        assert!(half.is_none() && newest == reached.end, "{when}: {newest}, {half:?}");
        self.version = reached.end;
        self.clean(&when).await;
    }

    /// Nothing of Downhaul's own is left lying about in the user's schema.
    async fn clean(&self, when: &str) {
        let sql = match self.stage.engine {
            Engine::Postgres => {
                "SELECT (SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%downhaul%') \
                   + (SELECT count(*) FROM pg_index WHERE NOT indisvalid) \
                   + (SELECT count(*) FROM downhaul.operation WHERE state = 'running')"
            }
            Engine::MariaDb | Engine::MySql => {
                "SELECT (SELECT count(*) FROM information_schema.tables WHERE table_schema = database() \
                     AND (table_name LIKE 'downhaul\\_hold%' OR table_name LIKE 'downhaul\\_trigger%')) \
                   + (SELECT count(*) FROM downhaul_operation WHERE state = 'running')"
            }
            Engine::Sqlite => {
                "SELECT (SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '%downhaul%') \
                   + (SELECT count(*) FROM downhaul_operation WHERE state = 'running')"
            }
        };
        let mut session = downhaul_kit::Session::connect(&self.stage.place.url()).await;
        if self.stage.engine.is_mariadb_like() && self.version == BASE {
            // InnoDB remembers columns that were dropped instantly until the table is built anew;
            // after hundreds of them a row is too large for it.
            session.run("ALTER TABLE people FORCE; ALTER TABLE notes FORCE").await;
        }
        assert_eq!(session.value(sql).await.as_deref(), Some("0"), "{when}: something is left");
        session.close().await;
    }
}

impl Rounds for Soak {
    fn accidents(&self) -> &Accidents {
        &self.accidents
    }

    async fn round(&mut self, number: u64) {
        self.one(number).await;
    }
}

async fn kill(engine: Engine, series: Series, rounds: u64) {
    let (seed, rounds) = (number("DOWNHAUL_SEED", 4711), number("DOWNHAUL_ROUNDS", rounds));
    let mut soak = Soak::begin(engine, series, seed).await;
    until_met(&mut soak, &format!("kill, {series:?}"), seed, rounds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    kill(Engine::Postgres, Series::Destructive, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb() {
    kill(Engine::MariaDb, Series::Destructive, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    kill(Engine::Sqlite, Series::Destructive, 12).await;
}

/// Many small migrations in one message, of which an accident meets the midst.
#[tokio::test(flavor = "multi_thread")]
async fn small_on_postgres() {
    kill(Engine::Postgres, Series::Small, 8).await;
}

/// The same, where each commits by itself.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "for scripts/soak: they are tried on PostgreSQL and SQLite"]
async fn small_on_mariadb() {
    kill(Engine::MariaDb, Series::Small, 8).await;
}

/// Many in one transaction.
#[tokio::test(flavor = "multi_thread")]
async fn small_on_sqlite() {
    kill(Engine::Sqlite, Series::Small, 8).await;
}

/// The server's disk fills up while rows are copied for a restore point, while a backfill writes, while
/// rows come back; on PostgreSQL sometimes only that of its log.
#[tokio::test(flavor = "multi_thread")]
async fn disk_on_postgres() {
    kill(Engine::Postgres, Series::Bulky, 4).await;
}

/// MariaDB ends itself where a rollback finds no room, and then does not always find back by itself
/// (docs/reliability.md): so only in long runs.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "for scripts/soak: a full disk may cost MariaDB its files"]
async fn disk_on_mariadb() {
    kill(Engine::MariaDb, Series::Bulky, 6).await;
}

/// Nothing is begun that would have to be rolled back.
#[tokio::test(flavor = "multi_thread")]
async fn no_room_on_mariadb() {
    kill(Engine::MariaDb, Series::Brim, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn on_mysql() {
    kill(Engine::MySql, Series::Destructive, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "wants MySQL: scripts/mysql-tests"]
async fn small_on_mysql() {
    kill(Engine::MySql, Series::Small, 8).await;
}
