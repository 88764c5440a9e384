//! The program under test, run as a user runs it.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use regex::Regex;
use tempfile::TempDir;

/// How long a program may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder of its own with migrations in `migrations/`, and the program to run in it. Nothing of
/// this process's environment reaches the program but `PATH`.
#[derive(Debug)]
pub struct Program {
    dir: TempDir,
    program: PathBuf,
    env: Vec<(String, String)>,
    patience: Duration,
}

/// What a run of the program came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    dir: PathBuf,
}

impl Program {
    /// A new folder for `program`, which is `env!("CARGO_BIN_EXE_downhaul")` in a test.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("downhaul-work-")
            .tempdir()
            .unwrap_or_else(|e| panic!("cannot make a temporary folder: {e}"));
        Self { dir, program: program.into(), env: Vec::new(), patience: PATIENCE }
    }

    /// Gives the program a database by `DATABASE_URL`.
    #[must_use]
    pub fn database(self, url: impl Into<String>) -> Self {
        self.env("DATABASE_URL", url)
    }

    /// How long the program may take before it counts as hanging.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Gives the program an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.env.retain(|(n, _)| *n != name);
        self.env.push((name, value.into()));
        self
    }

    /// The folder in which it runs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file of the folder, and the folders above it.
    ///
    /// # Panics
    /// When that fails.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.dir().join(name);
        let parent = path.parent().unwrap_or(self.dir());
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, content))
            .unwrap_or_else(|e| panic!("cannot write `{}`: {e}", path.display()));
        self
    }

    /// Writes both files of a migration: `0001_a` with what it does and what takes it back.
    pub fn migration(&self, label: &str, up: &str, down: &str) -> &Self {
        self.write(&format!("migrations/{label}.up.sql"), up)
            .write(&format!("migrations/{label}.down.sql"), down)
    }

    /// Copies a folder of this repository into `migrations/`.
    ///
    /// # Panics
    /// When it cannot be read or holds folders.
    pub fn migrations_from(&self, folder: &Path) -> &Self {
        let entries = fs::read_dir(folder)
            .unwrap_or_else(|e| panic!("cannot read `{}`: {e}", folder.display()));
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let content = fs::read(entry.path())
                .unwrap_or_else(|e| panic!("cannot read `{}`: {e}", entry.path().display()));
            self.write(&format!("migrations/{name}"), content);
        }
        self
    }

    /// A command ready to run, all streams caught, nothing to read from standard input.
    #[must_use]
    pub fn command<A: AsRef<OsStr>>(&self, args: &[A]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .env_clear()
            .env("HOME", self.dir())
            .env("USER", "tester")
            .env("HOSTNAME", "bench")
            .envs(self.env.iter().cloned())
            .current_dir(self.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run<A: AsRef<OsStr>>(&self, args: &[A]) -> Outcome {
        self.wait(self.spawn(args))
    }

    /// Runs the program to its end, which must be exit code 0.
    ///
    /// # Panics
    /// With what it printed, when it ends otherwise.
    pub fn ok<A: AsRef<OsStr>>(&self, args: &[A]) -> Outcome {
        let outcome = self.run(args);
        assert_eq!(outcome.code, Some(0), "{:?}\n{outcome}", args_text(args));
        outcome
    }

    /// Starts the program and does not wait.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn<A: AsRef<OsStr>>(&self, args: &[A]) -> Child {
        self.command(args)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot run `{}`: {e}", self.program.display()))
    }

    /// Waits for a program that [`Self::spawn`] started, as long as its [`Self::patience`] lasts:
    /// two minutes, if nothing else is said.
    ///
    /// # Panics
    /// When its output cannot be read, or when it does not end.
    pub fn wait(&self, child: Child) -> Outcome {
        let (pid, patience) = (child.id(), self.patience);
        let (ended, end) = std::sync::mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            let hangs = end.recv_timeout(patience) == Err(RecvTimeoutError::Timeout);
            if hangs {
                crate::fault::kill9(pid);
            }
            hangs
        });
        let output =
            child.wait_with_output().unwrap_or_else(|e| panic!("cannot wait for the program: {e}"));
        drop(ended);
        let hangs = watch.join().unwrap_or(false);
        assert!(!hangs, "the program hung; so far it printed {output:?}");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Outcome {
            code: code(output.status),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            dir: self.dir().to_owned(),
        }
    }
}

fn code(status: ExitStatus) -> Option<i32> {
    status.code()
}

fn args_text<A: AsRef<OsStr>>(args: &[A]) -> Vec<String> {
    args.iter().map(|a| a.as_ref().to_string_lossy().into_owned()).collect()
}

/// What differs from run to run, and what stands for it in a snapshot.
static VARIES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        // A slow machine takes seconds where another takes milliseconds.
        (r"\b([0-9]+ min )?[0-9][0-9.,]* (ms|s)\b", "# ms"),
        (r"127\.0\.0\.1:[0-9]+", "127.0.0.1:PORT"),
        (r"\bfresh_[0-9]+\b", "fresh"),
        (r"\b(pid|process) [0-9]+", "$1 #"),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+Z?", "TIME"),
        (r"\b[0-9]{2}:[0-9]{2}:[0-9]{2}\b", "CLOCK"),
        (r"PostgreSQL [0-9.]+", "PostgreSQL #"),
        (r"MariaDB [0-9.]+", "MariaDB #"),
        (r"SQLite [0-9.]+", "SQLite #"),
        (r"downhaul-work-[A-Za-z0-9]+", "WORK"),
        (r"(failed to lookup address information): .*", "$1: REASON"),
    ]
    .into_iter()
    .map(|(pattern, with)| (Regex::new(pattern).expect("the pattern is tested below"), with))
    .collect()
});

/// Text with folders, ports, times and numbers of processes replaced by what stands for them.
#[must_use]
pub fn without_what_varies(text: &str, dir: &Path) -> String {
    let mut text = text.replace(&dir.display().to_string(), "DIR");
    for (pattern, with) in VARIES.iter() {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    text
}

/// For snapshots: what a user sees, without what varies from run to run.
/// Asserts how a run ended, and that it said each of these texts.
///
/// # Panics
/// When the code is another one, or a text is missing.
pub fn check(outcome: &Outcome, code: impl Into<i32>, wanted: &[&str]) {
    assert_eq!(outcome.code, Some(code.into()), "{outcome}");
    for text in wanted {
        let said = outcome.stdout.contains(text) || outcome.stderr.contains(text);
        assert!(said, "`{text}` is missing in\n{outcome}");
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |text: &str| without_what_varies(text, &self.dir);
        f.write_str(&show(&self.stdout))?;
        f.write_str(&show(&self.stderr))?;
        match self.code {
            Some(code) => writeln!(f, "(exit {code})"),
            None => writeln!(f, "(ended by a signal)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_replaced() {
        let check = |text: &str, expect: &str| {
            assert_eq!(without_what_varies(text, Path::new("/tmp/x")), expect);
        };
        check("3 migrations applied in 1.5 s, 20 ms", "3 migrations applied in # ms, # ms");
        check("postgres fresh_12 at 127.0.0.1:5432", "postgres fresh at 127.0.0.1:PORT");
        check("by a@b (pid 4711), since 12:03:04", "by a@b (pid #), since CLOCK");
        check("/tmp/x/migrations at 2026-01-02T03:04:05.678Z", "DIR/migrations at TIME");
    }

    #[test]
    fn a_program_runs_in_its_folder() {
        let program = Program::new("/bin/sh").env("WORD", "hello");
        program.write("a/b.txt", "there");
        let outcome = program.run(&["-c", "echo $WORD $(cat a/b.txt); pwd >&2; exit 3"]);
        assert_eq!(outcome.to_string(), "hello there\nDIR\n(exit 3)\n");
    }
}
