//! A folder with migrations, in which the program runs.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

pub(crate) const CREATE: &str =
    "CREATE TABLE orders (id bigserial PRIMARY KEY, total int, note text);\n";

pub(crate) const DROP: &str = "DROP TABLE orders;\n";

pub(crate) const DROP_NOTE: &str = "ALTER TABLE orders DROP COLUMN note;\n";

pub(crate) const ADD_NOTE: &str = "ALTER TABLE orders ADD COLUMN note text;\n";

/// A folder in which the program runs.
pub(crate) struct Folder(tempfile::TempDir);

pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    /// A table, and then a column that goes away although the running release may use it.
    pub(crate) fn shop() -> Self {
        Self::new(&[
            ("migrations/0001_orders.up.sql", CREATE),
            ("migrations/0001_orders.down.sql", DROP),
            ("migrations/0002_slim.up.sql", DROP_NOTE),
            ("migrations/0002_slim.down.sql", ADD_NOTE),
        ])
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_downhaul"));
        command.args(args).current_dir(self.path());
        for name in ["DATABASE_URL", "NO_COLOR", "CLICOLOR_FORCE", "GITHUB_BASE_REF"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        outcome(self.command(args).stdin(Stdio::null()).output().unwrap())
    }

    pub(crate) fn run_with(&self, args: &[&str], stdin: &[u8]) -> Outcome {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        outcome(child.wait_with_output().unwrap())
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["lint", "--format", "json"];
        all.extend_from_slice(args);
        let outcome = self.run(&all);
        serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}\n{}", outcome.stdout, outcome.stderr))
    }

    /// `CODE file:line` of every finding.
    pub(crate) fn findings(&self, args: &[&str]) -> Vec<String> {
        places(&self.json(args))
    }

    pub(crate) fn git(&self, args: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.email=t@example.org", "-c", "user.name=t"])
            .args(args)
            .current_dir(self.path())
            .output()
            .expect("git is installed");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

pub(crate) fn outcome(output: std::process::Output) -> Outcome {
    let outcome = Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("reports are UTF-8"),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    outcome
}

pub(crate) fn places(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| format!("{} {}:{}", text(&f["code"]), text(&f["file"]), f["line"]))
        .collect()
}

pub(crate) fn has(findings: &[String], wanted: &str) -> bool {
    findings.iter().any(|finding| finding == wanted)
}
