//! The promise: what the documentation shows is what happens.
//!
//! - A block marked `console` is a session: lines that begin with `$ ` are commands, those that
//!   begin with `> ` continue them, all others are the output, compared where any is shown. `…`
//!   in it stands for anything within a line, alone on a line for any number of lines. Each
//!   command must succeed.
//! - A block marked `sh` holds commands to copy into another place than ours: the program must
//!   know every command and option in it.
//! - All blocks of a file run in one shell, in a copy of the repository with the program first on
//!   `PATH`. A URL of PostgreSQL is replaced by that of a private server.
//! - Links to files lead to files.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use downhaul_kit::{Postgres, Program, without_what_varies};

const PROGRAM: &str = env!("CARGO_BIN_EXE_downhaul");

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README and everything below `docs/`.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![repository().join("README.md")];
    let mut pending = vec![repository().join("docs")];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if entry.path().is_dir() {
            if name != "target" && name != ".git" {
                copy(&entry.path(), &to.join(name));
            }
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// A command of a document.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// Line of the document, from 1.
    line: usize,
    command: String,
    /// What it must print, where the document shows it.
    output: Vec<String>,
    /// From a `sh` block.
    copied: bool,
}

/// The commands of a document's blocks.
fn steps(markdown: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut block: Option<String> = None;
    for (number, line) in markdown.lines().enumerate() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(info.trim().to_owned()) };
            continue;
        }
        let step = |command: &str, copied| Step {
            line: number + 1,
            command: command.to_owned(),
            output: Vec::new(),
            copied,
        };
        match block.as_deref() {
            Some("sh") => {
                let command = line.split(" # ").next().unwrap_or(line).trim();
                if !command.is_empty() && !command.starts_with('#') {
                    steps.push(step(command, true));
                }
            }
            Some("console") => {
                if let Some(command) = line.strip_prefix("$ ") {
                    steps.push(step(command, false));
                } else if let Some(step) = steps.last_mut() {
                    match line.strip_prefix('>').filter(|_| step.output.is_empty()) {
                        Some(more) => {
                            step.command.push('\n');
                            step.command.push_str(more.strip_prefix(' ').unwrap_or(more));
                        }
                        None => step.output.push(line.to_owned()),
                    }
                }
            }
            _ => {}
        }
    }
    steps
}

/// Commands that fetch, build or test the program itself: that they name files that exist is all
/// that is asked of them.
fn concerns_the_build(command: &str) -> bool {
    if command.starts_with("scripts/") || command.starts_with("./scripts/") {
        let script = command.split_whitespace().next().unwrap_or(command);
        assert!(repository().join(script).is_file(), "there is no {script}");
        return true;
    }
    command.split_whitespace().any(|word| word == "cargo")
        || ["git ", "cd ", "just "].iter().any(|word| command.starts_with(word))
}

fn matches_line(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.trim_end().split('…').map(str::trim);
    let first = pieces.next().unwrap_or_default();
    let text = text.trim_end();
    if !pattern.contains('…') {
        return pattern.trim_end() == text;
    }
    let lead = pattern.len() - pattern.trim_start().len();
    let Some(mut rest) = text.get(lead..).and_then(|text| text.strip_prefix(first)) else {
        return false;
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    pattern.trim_end().ends_with('…') || rest.trim().is_empty()
}

fn matches(pattern: &[String], text: &[&str]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((line, rest)) if line.trim() == "…" => {
            (0..=text.len()).any(|skipped| matches(rest, &text[skipped..]))
        }
        Some((line, rest)) => text
            .split_first()
            .is_some_and(|(t, texts)| matches_line(line, t) && matches(rest, texts)),
    }
}

/// The commands of a document, but for those that concern the build.
fn program_steps(path: &Path) -> Vec<Step> {
    let mut steps = steps(&fs::read_to_string(path).unwrap());
    for step in &mut steps {
        step.command = step.command.replace("cargo run --release -- ", "downhaul ");
    }
    steps.retain(|step| !concerns_the_build(&step.command));
    steps
}

/// Runs a document; returns what is not as it says.
fn play(path: &Path, steps: &[Step], postgres_url: &str) -> Vec<String> {
    let place = Program::new(PROGRAM);
    copy(repository(), place.dir());
    if !steps.iter().any(|step| step.command.starts_with("downhaul init")) {
        copy(
            &repository().join("migrations-examples/demo/postgres"),
            &place.dir().join("migrations"),
        );
        fs::remove_file(place.dir().join("migrations/seed.sql")).unwrap();
        fs::remove_file(place.dir().join("migrations/new_release_writes.sql")).unwrap();
    } else {
        // The document begins in an empty folder.
        for entry in fs::read_dir(place.dir()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
    }
    let mut script = String::new();
    for (number, step) in steps.iter().enumerate() {
        let mut command = step.command.clone();
        if let Some(at) = command.find("postgres://") {
            let end = command[at..].find([' ', '\'', '"', '\n']).map_or(command.len(), |n| at + n);
            command.replace_range(at..end, postgres_url);
        }
        let _ = writeln!(
            script,
            "printf '\\036{number}\\n'\n{{\n{command}\n}} 2>&1 </dev/null\nprintf '\\037%d\\n' $?"
        );
    }
    let bin = Path::new(PROGRAM).parent().unwrap();
    let path_variable = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .arg("-c")
        .arg(&script)
        .current_dir(place.dir())
        .env_clear()
        .env("PATH", path_variable)
        .env("HOME", place.dir())
        .env("USER", "you")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let name = path.strip_prefix(repository()).unwrap().display().to_string();
    let mut wrong = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let at = format!("{name}:{}: `{}`", step.line, step.command);
        let printed = text
            .split_once(&format!("\u{1e}{number}\n"))
            .and_then(|(_, rest)| rest.split_once('\u{1f}'))
            .map(|(printed, rest)| (printed, rest.lines().next().unwrap_or_default()));
        let Some((printed, code)) = printed else {
            wrong.push(format!("{at} was not reached\n{text}"));
            break;
        };
        // What the argument parser says at the end of each of its errors.
        let unknown = printed.contains("For more information, try '--help'");
        let good = if step.copied { !unknown } else { code == "0" };
        if !good {
            wrong.push(format!("{at} ended with {code}:\n{printed}"));
        }
        let lines: Vec<&str> = printed.lines().collect();
        if !step.output.is_empty() && !matches(&step.output, &lines) {
            wrong.push(format!("{at} printed\n{printed}and not\n{}", step.output.join("\n")));
        }
    }
    wrong
}

#[tokio::test]
async fn every_command_does_what_is_shown() {
    let mut wrong = Vec::new();
    for path in documents() {
        let steps = program_steps(&path);
        if !steps.is_empty() {
            let database = Postgres::shared().fresh_database().await;
            wrong.extend(play(&path, &steps, database.url()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The text in the README is what `downhaul demo` prints, but for the times that it takes.
#[test]
fn the_demo_in_the_readme_is_real() {
    let place = Program::new(PROGRAM);
    let plain = |text: &str| -> Vec<String> {
        without_what_varies(text, place.dir())
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| !line.is_empty())
            .collect()
    };
    let printed = plain(&place.ok(&["demo"]).stdout);
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let shown = readme.split("```text\n").nth(1).and_then(|t| t.split("```").next()).unwrap();
    for line in plain(shown) {
        assert!(printed.contains(&line), "not printed: {line}\n{}", printed.join("\n"));
    }
}

#[test]
fn links_lead_to_files() {
    let mut wrong = Vec::new();
    for path in documents().into_iter().chain([repository().join("CONTRIBUTING.md")]) {
        let markdown = fs::read_to_string(&path).unwrap();
        for piece in markdown.split("](").skip(1) {
            let target = piece.split([')', '#', ' ']).next().unwrap_or_default();
            let elsewhere =
                target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !elsewhere && !path.parent().unwrap().join(target).exists() {
                let name = path.strip_prefix(repository()).unwrap().display();
                wrong.push(format!("{name}: ({target})"));
            }
        }
    }
    assert!(wrong.is_empty(), "links to nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn blocks_are_read() {
    let markdown = "x\n```console\n$ cat <<E\n> a\n> E\na\n$ true\n```\n```sh\nls  # all\n\n# no\n```\n```text\n$ no\n```\n";
    let step = |line, command: &str, output: &[&str], copied| Step {
        line,
        command: command.into(),
        output: output.iter().map(|l| (*l).to_owned()).collect(),
        copied,
    };
    assert_eq!(
        steps(markdown),
        [
            step(3, "cat <<E\na\nE", &["a"], false),
            step(7, "true", &[], false),
            step(10, "ls", &[], true)
        ]
    );
    let check = |pattern: &str, text: &str, expect: bool| {
        let pattern: Vec<String> = pattern.lines().map(str::to_owned).collect();
        assert_eq!(
            matches(&pattern, &text.lines().collect::<Vec<_>>()),
            expect,
            "{pattern:?} {text}"
        );
    };
    check("a\nb", "a\nb\n", true);
    check("a\nb", "a\nb\nc", false);
    check("a …", "a 12 ms", true);
    check("a … in …", "a 3 rows in 4 ms", true);
    check("a … in …", "a 3 rows", false);
    check("  ↑ 1_a …", "  ↑ 1_a      12 ms", true);
    check("… done", "all is done", true);
    check("… done", "all is done now", false);
    check("a\n…\nz", "a\nb\nc\nz", true);
    check("a\n…", "b", false);
}
