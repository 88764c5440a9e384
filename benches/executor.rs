//! How fast `downhaul up` and `down` are, beside other runners and the plain client of each engine.
//!
//! `cargo bench --bench executor` makes 1,000 small paired migrations and applies and reverts them on
//! PostgreSQL, MariaDB and SQLite, on private servers with the durability of an ordinary
//! installation. `SQLX=/path/to/sqlx` and `DBMATE=/path/to/dbmate` measure those runners in the same
//! rounds. The limit is the client of the engine (`psql -f`, `mariadb <`, `sqlite3`) with all files
//! in one, which keeps no record and can be neither resumed nor taken back.
//!
//! `DOWNHAUL_BENCH_MIGRATIONS=n` and `DOWNHAUL_BENCH_ROUNDS=n` change the size; of several rounds the
//! best counts. `DOWNHAUL_BENCH_ENGINES=SQLite` leaves the others out, `DOWNHAUL_PROGRAM=path` measures
//! another build. CPU time is that of the tool and of the server together, and of the tool alone. dbmate takes back one
//! migration for each process; fifty of them are measured, and counted as many times as it takes.

// A benchmark's result is what it prints.
#![allow(clippy::print_stdout)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use downhaul_kit::{
    Durability, MariaDb, MariaDbOptions, Postgres, PostgresOptions, SqliteFile, block_on,
};
use nix::sys::resource::{UsageWho, getrusage};

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let number = |name: &str, default| {
        std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
    };
    let migrations = number("DOWNHAUL_BENCH_MIGRATIONS", 1000);
    let rounds = number("DOWNHAUL_BENCH_ROUNDS", 3);
    let engines = std::env::var("DOWNHAUL_BENCH_ENGINES")
        .unwrap_or_else(|_| "PostgreSQL,MariaDB,SQLite".to_owned());
    println!("{migrations} migrations, best of {rounds} rounds, seconds\n");
    println!(
        "| engine | series | tool | up wall | × limit | up CPU | of it tool | × limit | down wall | × limit | down CPU | of it tool | × limit |"
    );
    println!("| --- | --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
    for engine in [Engine::Postgres, Engine::MariaDb, Engine::Sqlite] {
        if engines.split(',').any(|name| name.eq_ignore_ascii_case(engine.name())) {
            for series in [Series::Schema, Series::Rows] {
                measure(engine, series, migrations, rounds);
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Engine {
    Postgres,
    MariaDb,
    Sqlite,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
            Self::Sqlite => "SQLite",
        }
    }
}

/// What the migrations do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Series {
    /// Tables, columns, indexes, views: nothing holds a row, so nothing is lost on the way back.
    Schema,
    /// Every fifth adds rows, and its down deletes them: what it deletes is kept.
    Rows,
}

/// Where the migrations are applied.
enum Place {
    Postgres(Box<Postgres>),
    MariaDb(Box<MariaDb>),
    Sqlite,
}

impl Place {
    /// As an ordinary installation has it: what is committed survives a power cut.
    fn start(engine: Engine) -> Self {
        match engine {
            Engine::Postgres => Self::Postgres(Box::new(
                PostgresOptions::default().durability(Durability::PowerCut).start(),
            )),
            Engine::MariaDb => Self::MariaDb(Box::new(
                MariaDbOptions::default()
                    .setting("innodb-flush-log-at-trx-commit=1")
                    .setting("innodb-doublewrite=1")
                    .setting("innodb-buffer-pool-size=128M")
                    .setting("innodb-log-file-size=96M")
                    .start(),
            )),
            Engine::Sqlite => Self::Sqlite,
        }
    }

    /// User and system time of the server so far, its finished sessions included.
    fn cpu(&self) -> Duration {
        match self {
            Self::Postgres(server) => family_cpu(server.pid()),
            Self::MariaDb(server) => family_cpu(server.pid()),
            Self::Sqlite => Duration::ZERO,
        }
    }
}

/// CPU time of a process, of its living children, and of those that it has waited for.
fn family_cpu(pid: u32) -> Duration {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc").expect("the kernel keeps accounts").flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // `pid (name) state ppid …`; the name may hold anything.
        let Some((head, rest)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = rest.split(' ').collect();
        let own = head.split(' ').next().and_then(|n| n.parse::<u32>().ok());
        let parent = fields.get(1).and_then(|n| n.parse::<u32>().ok());
        if own == Some(pid) || parent == Some(pid) {
            // utime, stime, cutime, cstime: fields 14 to 17 (proc(5)).
            let times = fields.get(11..15).unwrap_or_default();
            ticks += times.iter().filter_map(|n| n.parse::<u64>().ok()).sum::<u64>();
        }
    }
    // USER_HZ is 100 on every Linux that Rust runs on.
    Duration::from_millis(ticks * 10)
}

fn own_cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel keeps accounts");
    [usage.user_time(), usage.system_time()]
        .into_iter()
        .map(|time| {
            Duration::new(time.tv_sec().unsigned_abs(), 0)
                + Duration::from_micros(time.tv_usec().unsigned_abs())
        })
        .sum()
}

/// What one tool took in one direction.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    /// Of the tool and the server.
    cpu: Duration,
    /// Of the tool alone.
    tool: Duration,
}

impl Cost {
    const NEVER: Self = Self { wall: Duration::MAX, cpu: Duration::MAX, tool: Duration::MAX };

    fn of(place: &Place, work: impl FnOnce()) -> Self {
        let (start, own, server) = (Instant::now(), own_cpu(), place.cpu());
        work();
        let (wall, tool) = (start.elapsed(), own_cpu() - own);
        Self { wall, cpu: tool + place.cpu().saturating_sub(server), tool }
    }

    fn times(self, factor: f64) -> Self {
        Self {
            wall: self.wall.mul_f64(factor),
            cpu: self.cpu.mul_f64(factor),
            tool: self.tool.mul_f64(factor),
        }
    }

    fn best(self, other: Self) -> Self {
        Self {
            wall: self.wall.min(other.wall),
            cpu: self.cpu.min(other.cpu),
            tool: self.tool.min(other.tool),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Downhaul,
    Sqlx,
    Dbmate,
    Client,
}

impl Tool {
    fn name(self, engine: Engine) -> &'static str {
        match (self, engine) {
            (Self::Downhaul, _) => "downhaul",
            (Self::Sqlx, _) => "sqlx-cli",
            (Self::Dbmate, _) => "dbmate",
            (Self::Client, Engine::Postgres) => "psql -f (limit)",
            (Self::Client, Engine::MariaDb) => "mariadb < (limit)",
            (Self::Client, Engine::Sqlite) => "sqlite3 < (limit)",
        }
    }

    fn program(self, engine: Engine) -> Option<PathBuf> {
        match (self, engine) {
            (Self::Downhaul, _) => Some(
                std::env::var_os("DOWNHAUL_PROGRAM")
                    .map_or_else(|| env!("CARGO_BIN_EXE_downhaul").into(), PathBuf::from),
            ),
            (Self::Sqlx, _) => std::env::var_os("SQLX").map(PathBuf::from),
            (Self::Dbmate, _) => std::env::var_os("DBMATE").map(PathBuf::from),
            (Self::Client, Engine::Postgres) => Some("psql".into()),
            (Self::Client, Engine::MariaDb) => Some("mariadb".into()),
            (Self::Client, Engine::Sqlite) => Some("sqlite3".into()),
        }
    }
}

fn measure(engine: Engine, series: Series, migrations: usize, rounds: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    write_series(folder.path(), engine, series, migrations);
    let place = Place::start(engine);
    let tools = [Tool::Client, Tool::Downhaul, Tool::Sqlx, Tool::Dbmate];
    let tools: Vec<(Tool, PathBuf)> =
        tools.iter().filter_map(|tool| Some((*tool, tool.program(engine)?))).collect();
    let mut costs = vec![(Cost::NEVER, Cost::NEVER); tools.len()];
    for round in 0..rounds {
        for ((tool, program), (up, down)) in tools.iter().zip(&mut costs) {
            let run = Run { engine, tool: *tool, program, folder: folder.path(), migrations };
            let (went, came) = run.both_ways(&place, round == 0);
            *up = up.best(went);
            *down = came.map_or(*down, |came| down.best(came));
        }
    }
    let limit = costs[0];
    for ((tool, _), (up, down)) in tools.iter().zip(&costs) {
        let seconds = |time: Duration| format!("{:.2}", time.as_secs_f64());
        let ratio = |time: Duration, limit: Duration| {
            format!("{:.2}", time.as_secs_f64() / limit.as_secs_f64().max(1e-6))
        };
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            engine.name(),
            if series == Series::Schema { "schema" } else { "with rows" },
            tool.name(engine),
            seconds(up.wall),
            ratio(up.wall, limit.0.wall),
            seconds(up.cpu),
            seconds(up.tool),
            ratio(up.cpu, limit.0.cpu),
            seconds(down.wall),
            ratio(down.wall, limit.1.wall),
            seconds(down.cpu),
            seconds(down.tool),
            ratio(down.cpu, limit.1.cpu),
        );
    }
}

/// One tool on one database.
struct Run<'a> {
    engine: Engine,
    tool: Tool,
    program: &'a Path,
    folder: &'a Path,
    migrations: usize,
}

impl Run<'_> {
    /// Up and down on a new database.
    fn both_ways(&self, place: &Place, first: bool) -> (Cost, Option<Cost>) {
        match place {
            Place::Postgres(server) => {
                let database = block_on(server.fresh_database());
                self.on(place, database.url(), first)
            }
            Place::MariaDb(server) => {
                let database = block_on(server.fresh_database());
                self.on(place, database.url(), first)
            }
            Place::Sqlite => {
                let file = SqliteFile::new();
                self.on(place, &file.url(), first)
            }
        }
    }

    fn on(&self, place: &Place, url: &str, first: bool) -> (Cost, Option<Cost>) {
        let up = Cost::of(place, || self.up(url));
        // dbmate takes back one migration for each process: once is enough, and of many a part.
        let down = (first || self.tool != Tool::Dbmate).then(|| {
            let cost = Cost::of(place, || self.down(url));
            match self.tool {
                Tool::Dbmate => cost.times(self.migrations as f64 / self.rollbacks() as f64),
                _ => cost,
            }
        });
        (up, down)
    }

    fn up(&self, url: &str) {
        match self.tool {
            Tool::Downhaul => self.run(url, &["up", "--yes"]),
            Tool::Sqlx => {
                self.run(&without_mode(url), &["migrate", "run", "--source", "migrations"])
            }
            Tool::Dbmate => self.run(
                &dbmate_url(self.engine, url),
                &["--no-dump-schema", "--migrations-dir", "dbmate", "up"],
            ),
            Tool::Client => self.client(url, "up.sql"),
        }
    }

    fn down(&self, url: &str) {
        match self.tool {
            Tool::Downhaul => self.run(url, &["down", "--all", "--yes"]),
            Tool::Sqlx => self.run(
                &without_mode(url),
                &["migrate", "revert", "--source", "migrations", "--target-version", "0"],
            ),
            Tool::Dbmate => {
                let url = dbmate_url(self.engine, url);
                for _ in 0..self.rollbacks() {
                    self.run(&url, &["--no-dump-schema", "--migrations-dir", "dbmate", "rollback"]);
                }
            }
            Tool::Client => self.client(url, "down.sql"),
        }
    }

    /// How many processes of dbmate are measured; the others take as long.
    fn rollbacks(&self) -> usize {
        self.migrations.min(50)
    }

    fn run(&self, url: &str, args: &[&str]) {
        let mut command = Command::new(self.program);
        command.args(args).env("DATABASE_URL", url);
        self.finish(command);
    }

    fn client(&self, url: &str, script: &str) {
        let mut command = Command::new(self.program);
        let script = self.folder.join(script);
        match self.engine {
            Engine::Postgres => {
                command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f"]).arg(&script);
            }
            Engine::MariaDb => {
                let rest = url.split_once("@127.0.0.1:").map_or("", |(_, rest)| rest);
                let (port, database) = rest.split_once('/').unwrap_or_default();
                command.args(["--no-defaults", "-h127.0.0.1", "-uroot", "-P", port, database]);
                command.stdin(File::open(&script).expect("the script was written"));
            }
            Engine::Sqlite => {
                command.args(["-bail", &sqlite_path(url)]);
                command.stdin(File::open(&script).expect("the script was written"));
            }
        }
        self.finish(command);
    }

    fn finish(&self, mut command: Command) {
        let output = command
            .current_dir(self.folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        assert!(
            output.status.success(),
            "{}: {}\n{}",
            self.program.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn sqlite_path(url: &str) -> String {
    without_mode(url).trim_start_matches("sqlite://").to_owned()
}

fn without_mode(url: &str) -> String {
    let plain = url.split('?').next().unwrap_or(url).to_owned();
    if let Some(path) = plain.strip_prefix("sqlite://") {
        // sqlx-cli wants the file to be there.
        File::options()
            .create(true)
            .append(true)
            .open(path)
            .expect("the folder of the database can be written");
    }
    plain
}

fn dbmate_url(engine: Engine, url: &str) -> String {
    match engine {
        Engine::Postgres => format!("{url}?sslmode=disable"),
        Engine::MariaDb => url.to_owned(),
        Engine::Sqlite => format!("sqlite:{}", sqlite_path(url)),
    }
}

/// The same migrations for each tool: pairs of files, files with two sections, two long scripts.
fn write_series(folder: &Path, engine: Engine, series: Series, migrations: usize) {
    for name in ["migrations", "dbmate"] {
        fs::create_dir_all(folder.join(name)).expect("the folder is ours");
    }
    let (mut ups, mut downs) = (String::new(), Vec::new());
    for n in 0..migrations {
        let (up, down) = migration(engine, series, n);
        let name = format!("{:06}_step", n + 1);
        write(&folder.join(format!("migrations/{name}.up.sql")), &up);
        write(&folder.join(format!("migrations/{name}.down.sql")), &down);
        write(
            &folder.join(format!("dbmate/{name}.sql")),
            &format!("-- migrate:up\n{up}\n-- migrate:down\n{down}"),
        );
        ups.push_str(&up);
        downs.push(down);
    }
    downs.reverse();
    write(&folder.join("up.sql"), &ups);
    write(&folder.join("down.sql"), &downs.concat());
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A table; a column, an index, rows or a second index, and a view of it.
fn migration(engine: Engine, series: Series, n: usize) -> (String, String) {
    let table = format!("t{}", n / 5);
    let mut up = String::new();
    let of_table = if engine == Engine::MariaDb { format!(" ON {table}") } else { String::new() };
    let down = match (n % 5, series) {
        (0, _) => {
            let _ = writeln!(
                up,
                "CREATE TABLE {table} (\n    id bigint PRIMARY KEY,\n    name varchar(100) NOT NULL,\n    state varchar(20) NOT NULL DEFAULT 'new',\n    total numeric(12, 2)\n);"
            );
            format!("DROP TABLE {table};\n")
        }
        (1, _) => {
            let _ = writeln!(up, "ALTER TABLE {table} ADD COLUMN note varchar(200);");
            format!("ALTER TABLE {table} DROP COLUMN note;\n")
        }
        (2, _) => {
            let _ = writeln!(up, "CREATE INDEX {table}_state ON {table} (state, total);");
            format!("DROP INDEX {table}_state{of_table};\n")
        }
        (3, Series::Schema) => {
            let _ = writeln!(up, "CREATE UNIQUE INDEX {table}_name ON {table} (name);");
            format!("DROP INDEX {table}_name{of_table};\n")
        }
        (3, Series::Rows) => {
            let _ = writeln!(
                up,
                "INSERT INTO {table} (id, name, total) VALUES (1, 'one', 1.50), (2, 'two', 2.50), (3, 'three', 3.50);"
            );
            format!("DELETE FROM {table} WHERE id IN (1, 2, 3);\n")
        }
        _ => {
            let _ = writeln!(
                up,
                "CREATE VIEW {table}_open AS SELECT id, name FROM {table} WHERE state = 'new';"
            );
            format!("DROP VIEW {table}_open;\n")
        }
    };
    (up, down)
}
