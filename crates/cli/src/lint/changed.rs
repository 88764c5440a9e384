//! Which files git calls new or edited.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::CliError;

/// What happened to a file since the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    New,
    /// It was there, with another text.
    Edited,
    /// It was there.
    Deleted,
}

/// Changes of a repository.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// What was compared with, for people: `main (1a2b3c4)`.
    pub base: String,
    /// Absolute paths.
    pub files: BTreeMap<PathBuf, Change>,
    /// What was compared with has gone on since, and brought these files in: absolute paths.
    pub elsewhere: Vec<PathBuf>,
}

impl Changes {
    /// What happened to a file.
    #[must_use]
    pub fn of(&self, path: &Path) -> Option<Change> {
        let path = std::fs::canonicalize(path).ok()?;
        self.files.get(&path).copied()
    }
}

/// Compares the working tree around `dir` with the commit where it left `since`; without one, with
/// the commit where it left the main branch.
pub fn changes(dir: &Path, since: Option<&str>) -> Result<Changes, CliError> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let top = git(dir, &["rev-parse", "--show-toplevel"]).map_err(|error| {
        CliError::usage(format!("--changed needs git: {error}"))
            .hint("run it inside of the repository, or leave --changed out")
    })?;
    let top = PathBuf::from(top.trim_end_matches('\n'));
    let (name, tip, base) = base(&top, since)?;
    let mut files = BTreeMap::new();
    let diff = git(&top, &["diff", "--name-status", "--no-renames", "-z", &base, "--"])
        .map_err(|error| CliError::usage(format!("cannot compare with `{name}`: {error}")))?;
    let mut fields = diff.split('\0');
    while let (Some(status), Some(path)) = (fields.next(), fields.next()) {
        let change = match status {
            "A" => Change::New,
            "D" => Change::Deleted,
            _ => Change::Edited,
        };
        files.insert(top.join(path), change);
    }
    let untracked = git(&top, &["ls-files", "--others", "--exclude-standard", "-z"])
        .map_err(|error| CliError::usage(format!("cannot list new files: {error}")))?;
    for path in untracked.split('\0').filter(|path| !path.is_empty()) {
        files.insert(top.join(path), Change::New);
    }
    let mut elsewhere = Vec::new();
    if tip != base {
        let came =
            ["diff", "--name-only", "--no-renames", "--diff-filter=A", "-z", &base, &tip, "--"];
        let came = git(&top, &came)
            .map_err(|error| CliError::usage(format!("cannot read `{name}`: {error}")))?;
        elsewhere.extend(came.split('\0').filter(|path| !path.is_empty()).map(|p| top.join(p)));
    }
    let short = base.get(..7).unwrap_or(&base);
    Ok(Changes { base: format!("{name} ({short})"), files, elsewhere })
}

/// What to compare with: its name, its commit, and the commit where the working tree left it.
fn base(top: &Path, since: Option<&str>) -> Result<(String, String, String), CliError> {
    let commit = |name: &str| -> Option<String> {
        let spec = format!("{name}^{{commit}}");
        let full =
            git(top, &["rev-parse", "--verify", "--quiet", "--end-of-options", &spec]).ok()?;
        Some(full.trim().to_owned())
    };
    // Without a common ancestor (a shallow clone) the commit itself is the best there is.
    let fork = |name: String, full: String| {
        let base = git(top, &["merge-base", &full, "HEAD"]);
        let base = base.map_or_else(|_| full.clone(), |base| base.trim().to_owned());
        (name, full, base)
    };
    if let Some(name) = since {
        return match commit(name) {
            Some(full) => Ok(fork(name.to_owned(), full)),
            None => Err(CliError::usage(format!("git knows no commit `{name}`"))
                .hint("fetch it (`git fetch origin`), or name another with --since")),
        };
    }
    let mut candidates = Vec::new();
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    candidates.extend(var("GITHUB_BASE_REF").map(|branch| format!("origin/{branch}")));
    candidates.extend(var("CI_MERGE_REQUEST_DIFF_BASE_SHA"));
    candidates.extend(
        ["origin/HEAD", "origin/main", "origin/master", "main", "master"].map(str::to_owned),
    );
    for name in candidates {
        if let Some(full) = commit(&name) {
            return Ok(fork(name, full));
        }
    }
    match commit("HEAD") {
        Some(full) => Ok(("HEAD".into(), full.clone(), full)),
        // Before the first commit everything is new: compared with the tree that holds nothing.
        None => git(top, &["hash-object", "-t", "tree", "/dev/null"])
            .map(|empty| {
                let empty = empty.trim().to_owned();
                ("nothing".to_owned(), empty.clone(), empty)
            })
            .map_err(|error| {
                CliError::usage(format!("the repository has no commit to compare with: {error}"))
                    .hint("commit first, or leave --changed out")
            }),
    }
}

fn git(dir: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(args)
        .output()
        .map_err(|error| format!("git does not run: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
