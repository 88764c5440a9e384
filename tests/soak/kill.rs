//! Random kills of the runner and of the server, cut connections, full disks.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use downhaul_kit::fault::{self, Fault};
use downhaul_kit::{MariaDb, Outcome, Postgres, Program, Proxy, Rng};

use crate::stage::{BASE, Engine, HEAD, Place, Stage, expect, number, program};

/// A server that can be killed.
enum Server {
    Postgres(Postgres),
    MariaDb(MariaDb),
    None,
}

impl Server {
    fn kill(&mut self) {
        match self {
            Self::Postgres(server) => server.kill9(),
            Self::MariaDb(server) => server.kill9(),
            Self::None => {}
        }
    }

    fn restart(&mut self) {
        match self {
            Self::Postgres(server) => server.restart(),
            Self::MariaDb(server) => server.restart(),
            Self::None => {}
        }
    }

    fn port(&self) -> Option<u16> {
        match self {
            Self::Postgres(server) => Some(server.port()),
            Self::MariaDb(server) => Some(server.port()),
            Self::None => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accident {
    /// SIGKILL of the program.
    Runner,
    /// SIGKILL of the server.
    Server,
    /// The connection is reset after so many bytes, from the client or from the server.
    Network,
    /// The file may grow no more (SQLite).
    Disk,
}

/// How often each accident met a run that was still going on, what it left, and what it missed.
#[derive(Default, Debug)]
struct Tally {
    runner: u32,
    server: u32,
    network: u32,
    disk: u32,
    half_done: u32,
    missed: u32,
}

impl Tally {
    fn met(&self) -> u64 {
        u64::from(self.runner + self.server + self.network + self.disk)
    }
}

/// What a run does and where it ends.
#[derive(Clone, Copy, Debug)]
struct Verb {
    name: &'static str,
    args: &'static [&'static str],
    end: &'static str,
}

const UP: Verb = Verb { name: "up", args: &["up", "--yes"], end: HEAD };
const DOWN: Verb = Verb { name: "down", args: &["down", "--yes", "--to", BASE], end: BASE };
const REDO: Verb = Verb { name: "redo", args: &["redo"], end: HEAD };

struct Soak {
    stage: Stage,
    server: Server,
    proxy: Option<(Proxy, Program)>,
    rng: Rng,
    /// How long `up`, `down` and `redo` take here, undisturbed.
    takes: [Duration; 3],
    /// Bytes from the client and from the server in each of them.
    bytes: [(u64, u64); 3],
    tally: Tally,
    /// Where the database stands between two rounds.
    version: &'static str,
}

impl Soak {
    async fn begin(engine: Engine, seed: u64) -> Self {
        let (server, place) = match engine {
            Engine::Postgres => {
                let server = Postgres::start();
                let place = Place::postgres(&server).await;
                (Server::Postgres(server), place)
            }
            Engine::MariaDb => {
                let server = MariaDb::start();
                let place = Place::mariadb(&server).await;
                (Server::MariaDb(server), place)
            }
            Engine::Sqlite => (Server::None, Place::sqlite()),
        };
        let stage = Stage::set(engine, place).await;
        let proxy = match server.port() {
            None => None,
            Some(port) => {
                let proxy = Proxy::start(port);
                let through = program().database(proxy.url(&stage.place.url(), port));
                through.migrations_from(&stage.program.dir().join("migrations"));
                Some((proxy, through))
            }
        };
        let mut soak = Self {
            stage,
            server,
            proxy,
            rng: Rng::new(seed),
            takes: [Duration::ZERO; 3],
            bytes: [(0, 0); 3],
            tally: Tally::default(),
            version: BASE,
        };
        for (at, verb) in [UP, REDO, DOWN].iter().enumerate() {
            let started = Instant::now();
            match &soak.proxy {
                Some((proxy, through)) => {
                    proxy.set(Fault::None);
                    through.ok(verb.args);
                    soak.bytes[at] = proxy.passed();
                }
                None => {
                    soak.stage.program.ok(verb.args);
                }
            }
            soak.takes[at] = started.elapsed();
        }
        soak.stage.check(BASE, "rehearsed").await;
        soak
    }

    /// One accident, what it left, and the way out of it.
    async fn round(&mut self, number: u64) {
        let (at, verb) = match (self.version, self.rng.below(3)) {
            (HEAD, 0) => (1, REDO),
            (HEAD, _) => (2, DOWN),
            _ => (0, UP),
        };
        let accident = self.accident();
        let when = format!("round {number}: {} and {accident:?}", verb.name);
        self.happen(accident, at, verb, &when).await;
        let half = self.stage.check_status(&when).await;
        self.tally.half_done += u32::from(half.is_some());
        // On, or back.
        let on = if verb.name == "redo" { UP } else { verb };
        let back = if on.name == "up" { DOWN } else { UP };
        let next = if self.rng.one_in(4) { back } else { on };
        let mut reached = next;
        let started = Instant::now();
        let outcome = self.stage.program.run(next.args);
        let took = started.elapsed();
        if half.is_some() && outcome.code == Some(6) {
            // What is half done is finished first, and the message says so.
            assert!(outcome.stderr.contains("finishes it"), "{when}:\n{outcome}");
            reached = if next.name == "up" { DOWN } else { UP };
            let outcome = self.stage.program.run(reached.args);
            expect(&outcome, &[0], &when);
        } else {
            expect(&outcome, &[0], &when);
            // How fast the machine is changes with what else it does.
            let takes = &mut self.takes[if next.name == "up" { 0 } else { 2 }];
            *takes = (*takes * 3 + took.min(*takes * 2)) / 4;
        }
        self.stage.check(reached.end, &format!("{when}, then {}", reached.name)).await;
        let (newest, half) = self.stage.status();
        assert!(half.is_none() && newest == reached.end, "{when}: {newest}, {half:?}");
        self.version = reached.end;
        self.clean(&when).await;
    }

    fn accident(&mut self) -> Accident {
        match (self.stage.engine, self.rng.below(20)) {
            (Engine::Sqlite, 0..=2) => Accident::Disk,
            (Engine::Sqlite, _) | (_, 0..=13) => Accident::Runner,
            (_, 14) => Accident::Server,
            _ => Accident::Network,
        }
    }

    async fn happen(&mut self, accident: Accident, at: usize, verb: Verb, when: &str) {
        let share = self.rng.below(1000);
        let delay = self.takes[at].mul_f64(share as f64 / 1000.0);
        match accident {
            Accident::Runner => {
                let mut child = self.stage.program.spawn(verb.args);
                std::thread::sleep(delay);
                let met = child.try_wait().unwrap().is_none();
                fault::kill9(child.id());
                child.wait().unwrap();
                if met {
                    self.tally.runner += 1;
                } else {
                    self.tally.missed += 1;
                }
            }
            Accident::Server => {
                let mut child = self.stage.program.spawn(verb.args);
                std::thread::sleep(delay);
                let met = child.try_wait().unwrap().is_none();
                self.server.kill();
                let outcome = self.stage.program.wait(child);
                self.server.restart();
                expect(&outcome, &[0, 3], when);
                if met {
                    self.tally.server += 1;
                } else {
                    self.tally.missed += 1;
                }
            }
            Accident::Network => {
                let (proxy, through) = self.proxy.as_ref().unwrap();
                let (client, server) = self.bytes[at];
                let of = |total: u64| total * share as u64 / 1000;
                proxy.set(if self.rng.one_in(2) {
                    Fault::CutAfterClientBytes(of(client))
                } else {
                    Fault::CutAfterServerBytes(of(server))
                });
                let outcome = through.run(verb.args);
                proxy.set(Fault::None);
                expect(&outcome, &[0, 3], when);
                if outcome.code == Some(3) {
                    self.tally.network += 1;
                } else {
                    self.tally.missed += 1;
                }
            }
            Accident::Disk => {
                let outcome = self.with_a_full_disk(verb);
                expect(&outcome, &[0, 5], when);
                if outcome.code == Some(5) {
                    self.tally.disk += 1;
                } else {
                    self.tally.missed += 1;
                }
            }
        }
    }

    /// The program with a file that may grow by some kilobytes only.
    fn with_a_full_disk(&mut self, verb: Verb) -> Outcome {
        let size = std::fs::metadata(self.stage.place.file().unwrap()).unwrap().len() / 1024;
        let kib = size + self.rng.below(40) as u64;
        let plain = self.stage.program.command(verb.args);
        let mut command = Command::new("bash");
        let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$@\"");
        command.args(["-c", &script, "bash"]).arg(plain.get_program()).args(plain.get_args());
        command.current_dir(self.stage.program.dir()).env("DATABASE_URL", self.stage.place.url());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.stage.program.wait(command.spawn().unwrap())
    }

    /// Nothing of Downhaul's own is left lying about in the user's schema.
    async fn clean(&self, when: &str) {
        let sql = match self.stage.engine {
            Engine::Postgres => {
                "SELECT (SELECT count(*) FROM pg_trigger WHERE tgname LIKE '%downhaul%') \
                   + (SELECT count(*) FROM pg_index WHERE NOT indisvalid) \
                   + (SELECT count(*) FROM downhaul.operation WHERE state = 'running')"
            }
            Engine::MariaDb => {
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
        if self.stage.engine == Engine::MariaDb && self.version == BASE {
            // InnoDB remembers columns that were dropped instantly until the table is built anew;
            // after hundreds of them a row is too large for it.
            session.run("ALTER TABLE people FORCE; ALTER TABLE notes FORCE").await;
        }
        assert_eq!(session.value(sql).await.as_deref(), Some("0"), "{when}: something is left");
        session.close().await;
    }
}

async fn kill(engine: Engine) {
    let (seed, rounds) = (number("DOWNHAUL_SEED", 4711), number("DOWNHAUL_ROUNDS", 12));
    let started = Instant::now();
    let mut soak = Soak::begin(engine, seed).await;
    // A run that was over before its accident proves nothing, and does not count.
    let mut round = 0;
    while soak.tally.met() < rounds {
        round += 1;
        soak.round(round).await;
        if round % 100 == 0 {
            println!("{engine:?}: {round} rounds, {:?}, {:?}", started.elapsed(), soak.tally);
        }
        assert!(round < 20 + 10 * rounds, "too few are met: {:?}", soak.tally);
    }
    println!(
        "kill {engine:?}, seed {seed}, {rounds} accidents in {:.0} s: {:?}",
        started.elapsed().as_secs_f64(),
        soak.tally
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    kill(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb() {
    kill(Engine::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    kill(Engine::Sqlite).await;
}
