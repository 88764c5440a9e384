//! SQLite: triggers, restores and undos.
//!
//! CPU seconds of `sqlite3` and of the program, which do the work themselves: the kernel adds the time of
//! each child to its parent when it is waited for (`/proc/self/stat`, fields 16 and 17).

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use downhaul_kit::{Program, SqliteFile};

use crate::{BACK, Step, UPDATE};

fn spent() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap();
    ticks / 100.0
}

fn step(work: impl FnOnce()) -> f64 {
    let before = spent();
    work();
    spent() - before
}

fn sql(file: &Path, statements: &str) -> f64 {
    let statements = statements.replace("now()", "datetime()");
    step(|| {
        let done = Command::new("sqlite3")
            .args(["-bail".as_ref(), file.as_os_str()])
            .arg(&statements)
            .stdin(Stdio::null())
            .output()
            .expect("sqlite3 (Debian's package sqlite3) runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    })
}

fn run(rows: u64) -> Vec<Step> {
    let mut found = Vec::new();
    for tracked in [false, true] {
        let file = SqliteFile::new();
        let path = file.path();
        sql(
            path,
            &format!(
                "CREATE TABLE acct (id INTEGER PRIMARY KEY, grp INTEGER, bal NUMERIC, name TEXT, payload TEXT, updated_at TEXT); \
                 WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < {rows}) \
                 INSERT INTO acct SELECT i, i % 1000, i, 'name ' || i, printf('%.96c', 'x'), '2026-01-01' FROM g; \
                 CREATE INDEX acct_grp ON acct (grp); ANALYZE"
            ),
        );
        if !tracked {
            found.push(("update, not tracked", sql(path, UPDATE)));
            let copy = "BEGIN; CREATE TABLE copied (id INTEGER PRIMARY KEY, grp INTEGER, bal NUMERIC, name TEXT, payload TEXT, updated_at TEXT); \
                        INSERT INTO copied SELECT * FROM acct; DROP TABLE acct; ALTER TABLE copied RENAME TO acct; \
                        CREATE INDEX acct_grp ON acct (grp); COMMIT";
            found.push(("copy of all rows with indexes, and swap", sql(path, copy)));
            continue;
        }
        let program = Program::new(env!("CARGO_BIN_EXE_downhaul"))
            .database(file.url())
            .patience(Duration::from_secs(3600));
        program.ok(&["snapshot", "track", "acct", "--yes"]);
        program.ok(&["snapshot", "mark", "m"]);
        found.push(("update, tracked", sql(path, UPDATE)));
        for (name, args) in [
            ("preview of the restore", vec!["snapshot", "restore", "--to", "m"]),
            ("restore", vec!["snapshot", "restore", "--to", "m", "--yes"]),
            ("its undo", vec!["snapshot", "restore", "--undo", "--yes"]),
        ] {
            found.push((name, step(|| drop(program.ok(&args)))));
        }
        program.ok(&["snapshot", "mark", "n"]);
        sql(path, &format!("{UPDATE}; {BACK}"));
        let args = ["snapshot", "restore", "--to", "n", "--columns", "bal", "--yes"];
        found.push(("restore of what was made and reverted", step(|| drop(program.ok(&args)))));
    }
    found
}

/// All runs: the steps of each.
pub(crate) fn runs(rows: u64, runs: u64) -> Vec<Vec<Step>> {
    (0..runs).map(|_| run(rows)).collect()
}
