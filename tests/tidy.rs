//! The promise: the architecture is what `docs/architecture.md` says. Crates depend one way, pure
//! crates do no I/O, one crate prints, names say what things are, nothing panics on a user.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which of our crates each may use. `downhaul` is the root package, in `crates/cli`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("syntax", &[]),
    ("catalog", &["syntax"]),
    ("lint", &["syntax", "catalog"]),
    ("plan", &["syntax", "catalog"]),
    ("report", &["syntax", "catalog", "lint", "plan"]),
    ("engine", &["syntax", "catalog"]),
    ("snapshot", &["syntax", "catalog", "engine"]),
    ("run", &["syntax", "catalog", "plan", "engine", "snapshot"]),
];

/// No I/O, no waiting, no printing.
const PURE: &[&str] = &["syntax", "catalog", "lint", "plan", "report"];

/// Crates that do I/O or wait, or print; `engine` alone may have a database driver.
const IMPURE_CRATES: &[&str] =
    &["tokio", "async-trait", "futures-util", "sqlx", "anstream", "indicatif", "clap", "reqwest"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder of the repository, relative to the repository.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![root().join(folder)];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Rust files of the program itself.
fn sources() -> Vec<PathBuf> {
    files("crates")
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .filter(|p| p.components().nth(2).is_some_and(|c| c.as_os_str() == "src"))
        .collect()
}

fn crate_of(path: &Path) -> String {
    path.components().nth(1).unwrap().as_os_str().to_string_lossy().into_owned()
}

/// Whether the module above declares a file under `#[cfg(test)]`.
fn is_for_tests(path: &Path) -> bool {
    let (Some(folder), Some(stem)) = (path.parent(), path.file_stem()) else { return false };
    let declaration = format!("#[cfg(test)]\nmod {};", stem.to_string_lossy());
    let beside = folder.with_extension("rs");
    [folder.join("mod.rs"), folder.join("lib.rs"), beside].iter().any(|above| {
        fs::read_to_string(root().join(above)).is_ok_and(|text| text.contains(&declaration))
    })
}

/// The code of a file: without comments and without its `#[cfg(test)]` module, which stands last.
/// Text in strings stays.
fn code(path: &Path) -> Vec<(usize, String)> {
    if is_for_tests(path) {
        return Vec::new();
    }
    let text = read(path);
    let mut lines = Vec::new();
    let mut rest = text.lines().enumerate().peekable();
    while let Some((number, line)) = rest.next() {
        let ends = line.trim() == "#[cfg(test)]"
            && rest.peek().is_some_and(|(_, next)| next.trim_start().starts_with("mod "));
        if ends {
            break;
        }
        let line = match line.find("//") {
            // `https://` and the like in a string.
            Some(at) if !line[..at].ends_with(':') => &line[..at],
            _ => line,
        };
        if !line.trim().is_empty() {
            lines.push((number + 1, line.to_owned()));
        }
    }
    lines
}

/// Names of the dependencies of a manifest, those for tests left out.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut within = false;
    for line in read(manifest).lines() {
        if line.starts_with('[') {
            within = line == "[dependencies]";
        } else if within && let Some((name, _)) = line.split_once(['.', '=', ' ']) {
            found.insert(name.trim().to_owned());
        }
    }
    found
}

fn none(wrong: Vec<String>, rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n{}", wrong.join("\n"));
}

#[test]
fn crates_depend_one_way() {
    let allowed: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let folders: BTreeSet<String> = files("crates").iter().map(|p| crate_of(p)).collect();
    let mut wrong = Vec::new();
    for name in folders.iter().filter(|name| *name != "cli") {
        let Some(allowed) = allowed.get(name.as_str()) else {
            wrong.push(format!("crates/{name} has no place in the order of crates"));
            continue;
        };
        for dependency in dependencies(&format!("crates/{name}/Cargo.toml")) {
            if let Some(ours) = dependency.strip_prefix("downhaul-")
                && !allowed.contains(&ours)
            {
                wrong.push(format!("{name} → {ours}"));
            }
            if dependency == "sqlx" && name != "engine" {
                wrong.push(format!("{name} → sqlx: only engine talks to a database"));
            }
            if PURE.contains(&name.as_str()) && IMPURE_CRATES.contains(&dependency.as_str()) {
                wrong.push(format!("{name} → {dependency}: {name} is pure"));
            }
        }
    }
    none(wrong, "dependencies that the architecture does not have");
}

/// A use of what the rule forbids, outside tests.
fn uses(forbidden: &[&str], except: impl Fn(&Path, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in sources() {
        for (number, line) in code(&path) {
            for word in forbidden {
                if line.contains(word) && !except(&path, &line) {
                    found.push(format!("{}:{number}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    found
}

#[test]
fn pure_crates_do_no_io() {
    let forbidden = [
        "std::fs",
        "std::net",
        "std::process",
        "std::env",
        "std::thread",
        "std::io",
        "async fn",
        ".await",
        "SystemTime",
        "Instant::now",
    ];
    let wrong = uses(&forbidden, |path, line| {
        !PURE.contains(&crate_of(path).as_str())
            // Plan reads migration files, and reading can fail.
            || path.starts_with("crates/plan/src/source")
            // Traits and errors of std::io are no I/O.
            || line.contains("std::io::Error") || line.contains("std::io::Write")
            // Threads that compute, and wait for nothing outside.
            || path == Path::new("crates/lint/src/ahead.rs") && line.contains("std::thread")
            // Compile-time, for versions.
            || line.contains("env!(")
    });
    none(wrong, "I/O in a pure crate");
}

#[test]
fn only_the_command_line_prints_and_exits() {
    let forbidden = [
        "println!",
        "eprintln!",
        "print!(",
        "eprint!(",
        "process::exit",
        "env::var",
        "env::args",
        "std::io::stdout",
        "std::io::stderr",
    ];
    let wrong = uses(&forbidden, |path, _| path.starts_with("crates/cli"));
    none(wrong, "printing, exiting and the environment belong to crates/cli");
    let exits = uses(&["process::exit", "println!("], |_, line| line.contains("eprintln!("));
    none(exits, "the command line prints through ui.rs, and main returns its exit code");
}

#[test]
fn nothing_panics_on_a_user() {
    let wrong = uses(
        &[".unwrap()", "panic!(", "todo!(", "unimplemented!(", ".expect(\"\")", "dbg!("],
        |_, _| false,
    );
    none(wrong, "handle it, or say in an expect why it cannot happen");
}

#[test]
fn names_say_what_things_are() {
    const EMPTY: &[&str] =
        &["util", "utils", "helper", "helpers", "manager", "misc", "common", "stuff"];
    let wrong = files("crates")
        .into_iter()
        .chain(files("tests"))
        .filter(|path| {
            path.components().any(|c| {
                let name = c.as_os_str().to_string_lossy().into_owned();
                let stem = name.split('.').next().unwrap_or_default();
                stem.split(['_', '-']).any(|word| EMPTY.contains(&word))
            })
        })
        .map(|path| path.display().to_string())
        .collect();
    none(wrong, "names that say nothing");
}

/// A long file is two files; tables of data and a lexer's one loop may be long.
#[test]
fn files_are_not_too_long() {
    const LIMIT: usize = 1200;
    let wrong = sources()
        .into_iter()
        .chain(files("tests").into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs")))
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > LIMIT)
        .map(|(lines, path)| format!("{}: {lines} lines", path.display()))
        .collect();
    none(wrong, "split by topic");
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let wrong = files("crates")
        .into_iter()
        .chain([PathBuf::from("Cargo.toml"), PathBuf::from("tests/kit/Cargo.toml")])
        .filter(|path| path.file_name().is_some_and(|n| n == "Cargo.toml"))
        .filter(|path| !read(path).contains("[lints]\nworkspace = true"))
        .map(|path| path.display().to_string())
        .collect();
    none(wrong, "no `[lints] workspace = true`");
    assert!(read("Cargo.toml").contains("unsafe_code = \"forbid\""));
}

/// `autotests` is off, so a file that nobody lists would be a test that never runs.
#[test]
fn every_test_file_runs() {
    let manifest = read("Cargo.toml");
    let wrong = files("tests")
        .into_iter()
        .filter(|path| {
            let parts = path.components().count();
            let name = path.file_name().unwrap();
            let file = parts == 2 && path.extension().is_some_and(|e| e == "rs");
            let folder = parts == 3 && name == "main.rs" && !path.starts_with("tests/kit");
            file || folder
        })
        .filter(|path| !manifest.contains(&format!("path = \"{}\"", path.display())))
        .map(|path| path.display().to_string())
        .collect();
    none(wrong, "not listed as [[test]] in Cargo.toml");
}

/// Files end with one line end, lines with no blanks, and no note to self is left behind.
#[test]
fn text_is_clean() {
    let mut wrong = Vec::new();
    for path in files("crates").into_iter().chain(files("tests")).chain(files("docs")) {
        let checked =
            path.extension().is_some_and(|e| ["rs", "md", "toml", "sql"].iter().any(|x| e == *x));
        if !checked || path == Path::new("tests/tidy.rs") {
            continue;
        }
        let text = read(&path);
        let name = path.display();
        if text.contains('\r') || !text.ends_with('\n') || text.ends_with("\n\n") {
            wrong.push(format!("{name}: does not end with one line end"));
        }
        for (number, line) in text.lines().enumerate() {
            let markdown = path.extension().is_some_and(|e| e == "md");
            let blank_end = line.ends_with([' ', '\t']) && !markdown;
            let note = ["FIXME", "XXX", "HACK"].iter().any(|word| line.contains(word));
            if blank_end || note {
                wrong.push(format!("{name}:{}: {line}", number + 1));
            }
        }
    }
    none(wrong, "not clean");
}
