//! How fast `downhaul lint` is, measured on the program itself.
//!
//! `cargo bench --bench lint` prints a table: wall time, CPU time and memory of the program, and as
//! a ratio the CPU time of reading and hashing (SHA-256) the same files in the same run, so that
//! numbers of different machines can be compared. `DOWNHAUL_BENCH_DIR=DIR` measures the migrations
//! of a folder of yours as well, `SQUAWK=/path/to/squawk` another linter on the same files.

// A benchmark's result is what it prints.
#![allow(clippy::print_stdout)]

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use sha2::{Digest, Sha256};

/// Each measurement is the best of so many runs.
const RUNS: usize = 5;

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let program = PathBuf::from(env!("CARGO_BIN_EXE_downhaul"));
    println!("| what | files | MB | wall ms | CPU ms | hashing ms | ratio | memory MB |");
    println!("| --- | --: | --: | --: | --: | --: | --: | --: |");
    let version = measure(|| run(&program, ["--version"], folder.path()));
    println!(
        "| start-up (`--version`) | 0 | 0.0 | {} | {} | – | – | – |",
        ms(version.wall),
        ms(version.cpu)
    );
    let mut wall = Vec::new();
    for (name, migrations, paired) in [
        ("500 paired migrations", 500, true),
        ("1,500 paired migrations (3,000 files)", 1500, true),
        ("1,000 migrations", 1000, false),
        ("10,000 migrations", 10_000, false),
    ] {
        let dir = folder.path().join(migrations.to_string());
        generate(&dir, migrations, paired);
        wall.push((migrations, report(name, &program, &dir).wall));
        fs::remove_dir_all(&dir).expect("the folder is ours");
    }
    let of = |n: usize| wall.iter().find(|(m, _)| *m == n).map_or(0.0, |(_, w)| w.as_secs_f64());
    println!("\nTen times the migrations take {:.1} times the time.", of(10_000) / of(1000));
    if let Some(dir) = std::env::var_os("DOWNHAUL_BENCH_DIR").map(PathBuf::from) {
        println!();
        report(&format!("`{}`", dir.display()), &program, &dir);
        if let Some(squawk) = std::env::var_os("SQUAWK").map(PathBuf::from) {
            let files = sql_files(&dir);
            let theirs = measure(|| run(&squawk, &files, &dir));
            println!(
                "| squawk on the same files | {} | | {} | {} | | | {} |",
                files.len(),
                ms(theirs.wall),
                ms(theirs.cpu),
                theirs.memory_mb
            );
        }
    }
}

/// Measures one folder, and prints its line.
fn report(name: &str, program: &Path, dir: &Path) -> Cost {
    let files = sql_files(dir);
    let bytes: u64 = files.iter().filter_map(|f| fs::metadata(f).ok()).map(|m| m.len()).sum();
    let hashing = measure(|| {
        for file in &files {
            let bytes = fs::read(file).expect("the file is there");
            std::hint::black_box(Sha256::digest(&bytes));
        }
    });
    let args = ["lint", "--dialect", "postgres", "--format", "json", "--output", "/dev/null"];
    let mut args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    args.push(dir.as_os_str());
    let lint = measure(|| run(program, &args, dir));
    println!(
        "| {name} | {} | {:.1} | {} | {} | {} | {:.1} | {} |",
        files.len(),
        bytes as f64 / 1e6,
        ms(lint.wall),
        ms(lint.cpu),
        ms(hashing.cpu),
        lint.cpu.as_secs_f64() / hashing.cpu.as_secs_f64().max(1e-6),
        lint.memory_mb
    );
    lint
}

/// What a run took: the least of several.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    /// User and system time, of this process and its children.
    cpu: Duration,
    /// Most memory that a child of this process ever held.
    memory_mb: i64,
}

fn measure(mut work: impl FnMut()) -> Cost {
    let mut best = Cost { wall: Duration::MAX, cpu: Duration::MAX, memory_mb: 0 };
    for _ in 0..RUNS {
        let (start, before) = (Instant::now(), cpu());
        work();
        best.wall = best.wall.min(start.elapsed());
        best.cpu = best.cpu.min(cpu() - before);
    }
    let children = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel keeps accounts");
    best.memory_mb = children.max_rss() / 1024;
    best
}

fn cpu() -> Duration {
    [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN]
        .into_iter()
        .map(|who| getrusage(who).expect("the kernel keeps accounts"))
        .flat_map(|usage| [usage.user_time(), usage.system_time()])
        .map(|time| {
            Duration::new(time.tv_sec().unsigned_abs(), 0)
                + Duration::from_micros(time.tv_usec().unsigned_abs())
        })
        .sum()
}

fn run(program: &Path, args: impl IntoIterator<Item = impl AsRef<OsStr>>, dir: &Path) {
    let status = Command::new(program)
        .args(args)
        .current_dir(dir)
        .env_remove("DATABASE_URL")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    // 1 = there are findings.
    assert!(matches!(status.code(), Some(0 | 1)), "{}: {status}", program.display());
}

fn ms(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

fn sql_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).expect("the folder can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "sql") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A series as a project of some years has it: tables that grow, indexes, keys, functions, changes
/// of type, removals; about 1 kB a file.
fn generate(dir: &Path, migrations: usize, paired: bool) {
    fs::create_dir_all(dir).expect("the folder can be made");
    for n in 1..=migrations {
        let (table, older) =
            (format!("t{n}"), format!("t{}", (n * 7919) % n.saturating_sub(1).max(1) + 1));
        let mut up = format!(
            "-- Migration {n}: what it is for, in a line or two as people write them.\n\
             CREATE TABLE {table} (\n    id bigserial PRIMARY KEY,\n    name text NOT NULL,\n    \
             state varchar(20) NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'paid', 'done')),\n    \
             total numeric(12, 2),\n    created_at timestamptz NOT NULL DEFAULT now()\n);\n\
             CREATE INDEX {table}_state ON {table} (state, created_at DESC) WHERE total > 0;\n"
        );
        if n == 1 {
            up.push_str("CREATE TABLE settings_of_the_shop (name text, value text);\n");
        }
        let mut down = String::new();
        if n > 1 && older != table {
            let _ = match n % 5 {
                0 => write!(
                    up,
                    "ALTER TABLE {older} ADD COLUMN extra{n} jsonb;\nCREATE INDEX CONCURRENTLY {older}_extra{n} ON {older} USING gin (extra{n});\n"
                ),
                1 => writeln!(
                    up,
                    "ALTER TABLE {table} ADD COLUMN other bigint REFERENCES {older} (id) ON DELETE CASCADE;"
                ),
                2 => write!(
                    up,
                    "CREATE FUNCTION touch{n}() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n    NEW.created_at := now();\n    UPDATE {older} SET total = total + 1 WHERE id = NEW.id;\n    RETURN NEW;\nEND;\n$$;\nCREATE TRIGGER {table}_touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION touch{n}();\n"
                ),
                3 => write!(
                    up,
                    "UPDATE {older} SET name = lower(name) WHERE name <> lower(name);\nALTER TABLE {older} ALTER COLUMN name TYPE varchar(200);\n"
                ),
                _ => write!(
                    up,
                    "ALTER TABLE {older} ADD CONSTRAINT {older}_total{n} CHECK (total >= 0) NOT VALID;\nALTER TABLE {older} VALIDATE CONSTRAINT {older}_total{n};\n"
                ),
            };
            down.push_str(&match n % 5 {
                0 => format!("ALTER TABLE {older} DROP COLUMN extra{n};\n"),
                2 => format!("DROP TRIGGER {table}_touch ON {table};\nDROP FUNCTION touch{n}();\n"),
                3 => format!("ALTER TABLE {older} ALTER COLUMN name TYPE text;\n"),
                4 => format!("ALTER TABLE {older} DROP CONSTRAINT {older}_total{n};\n"),
                _ => String::new(),
            });
        }
        let _ =
            writeln!(up, "COMMENT ON TABLE {table} IS 'What the table of migration {n} is for.';");
        while up.len() < 1000 {
            up.push_str(
                "INSERT INTO settings_of_the_shop (name, value) VALUES ('key', 'a value');\n",
            );
        }
        let _ = writeln!(down, "DROP TABLE {table};");
        write_file(&dir.join(format!("{n:06}_step.up.sql")), &up);
        if paired {
            write_file(&dir.join(format!("{n:06}_step.down.sql")), &down);
        }
    }
}

fn write_file(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
