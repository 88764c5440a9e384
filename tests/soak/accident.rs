//! What befalls a run: a kill of the program or of its server, a connection that is reset, a full
//! disk.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use downhaul_kit::fault::{self, Fault};
use downhaul_kit::{
    Disk, MariaDb, MariaDbOptions, MySql, Outcome, Postgres, PostgresOptions, Program, Proxy, Rng,
    Session,
};

use crate::in_the_way::{InTheWay, end_one_of_the_run};
use crate::stage::{Engine, Place, expect, program};

/// A server that can be killed.
pub(crate) enum Server {
    Postgres(Postgres),
    MariaDb(MariaDb),
    MySql(MySql),
    None,
}

impl Server {
    pub(crate) fn kill(&mut self) {
        match self {
            Self::Postgres(server) => server.kill9(),
            Self::MariaDb(server) => server.kill9(),
            Self::MySql(server) => server.kill9(),
            Self::None => {}
        }
    }

    pub(crate) fn restart(&mut self) {
        match self {
            Self::Postgres(server) => server.restart(),
            Self::MariaDb(server) => server.restart(),
            Self::MySql(server) => server.restart(),
            Self::None => {}
        }
    }

    /// It answers again after its disk was full. A PostgreSQL that could not write its log starts
    /// anew by itself, unless that takes room too.
    async fn recover(&mut self, url: &str, when: &str) {
        let begun = Instant::now();
        let pause = match self {
            Self::Postgres(_) => "SELECT pg_sleep(0.3)",
            Self::MariaDb(_) | Self::MySql(_) | Self::None => "DO SLEEP(0.3)",
        };
        loop {
            let ended = match self {
                Self::Postgres(server) => server.has_ended(),
                Self::MariaDb(server) => server.has_ended(),
                Self::MySql(server) => server.has_ended(),
                Self::None => false,
            };
            if ended {
                self.restart();
            }
            // One that is about to start anew still lets people in, and ends their sessions.
            let stays = match Session::try_connect(url).await {
                Ok(mut session) => session.try_run(pause).await,
                Err(error) => Err(error),
            };
            match stays {
                Ok(()) => return,
                Err(error) => {
                    assert!(begun.elapsed() < Duration::from_secs(60), "{when}: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn port(&self) -> Option<u16> {
        match self {
            Self::Postgres(server) => Some(server.port()),
            Self::MariaDb(server) => Some(server.port()),
            Self::MySql(server) => Some(server.port()),
            Self::None => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accident {
    /// SIGKILL of the program.
    Runner,
    /// SIGKILL of the server.
    Server,
    /// The connection is reset after so many bytes, from the client or from the server.
    Network,
    /// The database's files may grow no more.
    Disk,
    /// Somebody ends a session of the run (MariaDB).
    Session,
    /// Somebody ends what a session of the run does (MariaDB).
    Statement,
}

/// How often each accident met a run that was still going on, what it left, and what it missed.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    runner: u32,
    server: u32,
    network: u32,
    disk: u32,
    session: u32,
    statement: u32,
    /// Of these, those beside which others held tables, rows or the journal.
    crowded: u32,
    pub(crate) half_done: u32,
    missed: u32,
}

impl Tally {
    pub(crate) fn met(&self) -> u64 {
        u64::from(
            self.runner + self.server + self.network + self.disk + self.session + self.statement,
        )
    }
}

/// What an undisturbed run takes: time, and bytes from the client and from the server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effort {
    pub(crate) time: Duration,
    bytes: (u64, u64),
    /// By how much files of the server grow, and those of its log.
    growth: (u64, u64),
}

impl Effort {
    /// How fast the machine is changes with what else it does.
    pub(crate) fn learn(&mut self, took: Duration) {
        self.time = (self.time * 3 + took.min(self.time * 2)) / 4;
    }
}

/// A server of its own, and all that can befall it and those who use it.
pub(crate) struct Accidents {
    pub(crate) engine: Engine,
    pub(crate) rng: Rng,
    pub(crate) tally: Tally,
    /// Kilobytes by which a file may grow at the most when its disk is full.
    pub(crate) room: usize,
    server: Server,
    proxy: Option<(Proxy, Program)>,
    /// What the server writes to, where that may fill up.
    disk: Option<Disk>,
    /// Nothing at all may be added to it.
    pub(crate) brim: bool,
    url: String,
}

/// What the path of a server's file holds, and that of a file of PostgreSQL's log.
const DATA: &str = "/data/";
const LOG: &str = "/pg_wal/";

impl Accidents {
    /// With a database of its own.
    pub(crate) async fn begin(engine: Engine, seed: u64) -> (Self, Place) {
        Self::on(engine, seed, None).await
    }

    /// With a database of its own, whose server writes to this disk.
    pub(crate) async fn on(engine: Engine, seed: u64, disk: Option<Disk>) -> (Self, Place) {
        let (server, place) = match engine {
            Engine::Postgres => {
                let mut options = PostgresOptions::default();
                if let Some(disk) = &disk {
                    // Small files of the log, each of them new, so that it fills up as well.
                    options = options
                        .disk(disk)
                        .wal_segment_mb(1)
                        .setting("wal_recycle", "off")
                        .setting("min_wal_size", "2MB");
                }
                let server = options.start();
                let place = Place::postgres(&server).await;
                (Server::Postgres(server), place)
            }
            Engine::MariaDb => {
                let mut options = MariaDbOptions::default();
                if let Some(disk) = &disk {
                    options = options.disk(disk);
                }
                let server = options.start();
                let place = Place::mariadb(&server).await;
                (Server::MariaDb(server), place)
            }
            Engine::MySql => {
                let server = MySql::start(&[]);
                let place = Place::mysql(&server).await;
                (Server::MySql(server), place)
            }
            Engine::Sqlite => (Server::None, Place::sqlite()),
        };
        let proxy = server.port().map(|port| {
            let proxy = Proxy::start(port);
            let through = program().database(proxy.url(&place.url(), port));
            (proxy, through)
        });
        let rng = Rng::new(seed);
        let (tally, url) = (Tally::default(), place.url());
        (Self { engine, rng, tally, room: 40, server, proxy, disk, brim: false, url }, place)
    }

    /// The program that goes through the proxy reads these migrations.
    pub(crate) fn migrations_from(&self, dir: &Path) {
        if let Some((_, through)) = &self.proxy {
            through.migrations_from(dir);
        }
    }

    /// A run without an accident, and what it takes.
    pub(crate) fn rehearse(&self, program: &Program, args: &[&str]) -> Effort {
        let started = Instant::now();
        let (mut bytes, mut growth) = ((0, 0), (0, 0));
        match (&self.disk, &self.proxy) {
            (Some(disk), _) => {
                disk.full_after(u64::MAX, DATA);
                program.ok(args);
                growth = (disk.grown(), 1 << 20);
            }
            (None, Some((proxy, through))) => {
                proxy.set(Fault::None);
                through.ok(args);
                bytes = proxy.passed();
            }
            (None, None) => {
                program.ok(args);
            }
        }
        Effort { time: started.elapsed(), bytes, growth }
    }

    pub(crate) fn draw(&mut self) -> Accident {
        if self.disk.is_some() {
            return Accident::Disk;
        }
        match (self.engine, self.rng.below(20)) {
            (Engine::Sqlite, 0..=2) => Accident::Disk,
            (Engine::Sqlite, _) | (_, 0..=13) => Accident::Runner,
            (_, 14) => Accident::Server,
            _ => Accident::Network,
        }
    }

    /// The same; on MariaDB others may end a session of the run, or what it does, too.
    pub(crate) fn draw_of_more(&mut self) -> Accident {
        if !self.engine.is_mariadb_like() || self.disk.is_some() {
            return self.draw();
        }
        match self.rng.below(16) {
            0 | 1 => Accident::Session,
            2 | 3 => Accident::Statement,
            _ => self.draw(),
        }
    }

    /// As [`Self::happen`], on MariaDB one time in three while others hold tables, rows or the journal.
    pub(crate) async fn happen_in_a_crowd(
        &mut self,
        accident: Accident,
        target: (&Program, Option<&Path>),
        args: &[&str],
        effort: Effort,
        when: &str,
    ) {
        let crowded = self.engine.is_mariadb_like() && self.disk.is_none() && self.rng.one_in(3);
        if !crowded {
            return self.happen(accident, target, args, effort, when).await;
        }
        let seed = self.rng.below(1 << 30) as u64;
        let met = self.tally.met();
        let others = InTheWay::start(self.url.clone(), seed);
        // It waits for them.
        let effort = Effort { time: effort.time * 3, ..effort };
        self.happen(accident, target, args, effort, &format!("{when}, in a crowd")).await;
        others.end().await;
        self.tally.crowded += u32::from(self.tally.met() > met);
    }

    /// A run that the accident meets at a random instant, if it is not over by then.
    pub(crate) async fn happen(
        &mut self,
        accident: Accident,
        (program, file): (&Program, Option<&Path>),
        args: &[&str],
        effort: Effort,
        when: &str,
    ) {
        let share = self.rng.below(1000);
        let delay = effort.time.mul_f64(share as f64 / 1000.0);
        match accident {
            Accident::Session | Accident::Statement => {
                let child = program.spawn(args);
                std::thread::sleep(delay);
                let whole = accident == Accident::Session;
                let what = if whole { "CONNECTION" } else { "QUERY" };
                let met = end_one_of_the_run(&self.url, what, &mut self.rng).await;
                let outcome = program.wait(child);
                // The session that looks on may be the one; or it had nothing to do just then.
                // What was ended may be the mark behind a migration, which is done then.
                let unmarked = outcome.stderr.contains("there is no mark after it");
                let codes: &[i32] = match (whole, unmarked) {
                    (true, _) => &[0, 3, 4],
                    (false, true) => &[1],
                    (false, false) => &[0, 3, 4, 5, 6],
                };
                expect(&outcome, codes, when);
                match (met && outcome.code != Some(0), whole) {
                    (false, _) => self.tally.missed += 1,
                    (true, true) => self.tally.session += 1,
                    (true, false) => self.tally.statement += 1,
                }
            }
            Accident::Runner => {
                let mut child = program.spawn(args);
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
                let mut child = program.spawn(args);
                std::thread::sleep(delay);
                let met = child.try_wait().unwrap().is_none();
                self.server.kill();
                let outcome = program.wait(child);
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
                let (client, server) = effort.bytes;
                let of = |total: u64| total * share as u64 / 1000;
                proxy.set(if self.rng.one_in(2) {
                    Fault::CutAfterClientBytes(of(client))
                } else {
                    Fault::CutAfterServerBytes(of(server))
                });
                let outcome = through.run(args);
                proxy.set(Fault::None);
                expect(&outcome, &[0, 3], when);
                if outcome.code == Some(3) {
                    self.tally.network += 1;
                } else {
                    self.tally.missed += 1;
                }
            }
            Accident::Disk if self.disk.is_some() => {
                let disk = self.disk.clone().expect("it was asked for");
                let (data, log) = effort.growth;
                let share = if self.brim { 0 } else { share };
                let of_the_log = self.engine == Engine::Postgres && self.rng.one_in(3);
                let (grows, only) = if of_the_log { (log, LOG) } else { (data, DATA) };
                disk.full_after(grows * share as u64 / 1000, only);
                let outcome = until_somebody_makes_room(&disk, || program.run(args));
                let refused = disk.refused();
                disk.make_room();
                self.server.recover(&self.url, when).await;
                expect(&outcome, &[0, 3, 5, 6], when);
                if matches!(outcome.code, Some(5 | 6)) {
                    assert!(outcome.stderr.contains("make room"), "{when}:\n{outcome}");
                }
                if refused > 0 && outcome.code != Some(0) {
                    self.tally.disk += 1;
                } else {
                    self.tally.missed += 1;
                }
            }
            Accident::Disk => {
                let file = file.expect("only the disk of a file is full");
                let outcome = self.with_a_full_disk(program, file, args);
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
    fn with_a_full_disk(&mut self, program: &Program, file: &Path, args: &[&str]) -> Outcome {
        let size = std::fs::metadata(file).unwrap().len() / 1024;
        let kib = size + self.rng.below(self.room) as u64;
        let plain = program.command(args);
        let mut command = Command::new("bash");
        let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$@\"");
        command.args(["-c", &script, "bash"]).arg(plain.get_program()).args(plain.get_args());
        command.current_dir(program.dir());
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        program.wait(command.spawn().unwrap())
    }
}

/// Rounds into each of which an accident falls.
pub(crate) trait Rounds {
    fn accidents(&self) -> &Accidents;

    /// One accident, what it left, and the way out of it.
    async fn round(&mut self, number: u64);
}

/// Plays rounds until so many accidents met a run. One that was over before its accident proves
/// nothing, and does not count.
pub(crate) async fn until_met(soak: &mut impl Rounds, what: &str, seed: u64, accidents: u64) {
    let engine = soak.accidents().engine;
    let started = Instant::now();
    let mut round = 0;
    while soak.accidents().tally.met() < accidents {
        round += 1;
        soak.round(round).await;
        let tally = &soak.accidents().tally;
        if round % 100 == 0 {
            println!("{engine:?}: {round} rounds, {:?}, {tally:?}", started.elapsed());
        }
        assert!(round < 20 + 10 * accidents, "too few are met: {tally:?}");
    }
    println!(
        "{what} {engine:?}, seed {seed}, {accidents} accidents in {:.0} s: {:?}",
        started.elapsed().as_secs_f64(),
        soak.accidents().tally
    );
}

/// MariaDB waits in a statement whose disk is full until there is room ("Waiting for someone to free some
/// space"): after half a minute somebody makes some.
fn until_somebody_makes_room(disk: &Disk, run: impl FnOnce() -> Outcome) -> Outcome {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            while !over.load(Ordering::Relaxed) {
                if disk.refused() > 0 && begun.elapsed() > Duration::from_secs(30) {
                    return disk.make_room();
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let outcome = run();
        over.store(true, Ordering::Relaxed);
        outcome
    })
}
