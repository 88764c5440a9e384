//! From paths to series of migrations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use downhaul_plan::source::{Listing, read_text};
use downhaul_plan::{
    LayoutId, Series, SourceError, SourceFile, SourceMigration, TransactionMode, Version,
    load_known, load_lenient,
};
use downhaul_report::Problem;

use super::shown;
use crate::error::CliError;

/// Migrations that are replayed one after the other.
#[derive(Clone, Debug)]
pub struct Group {
    /// Folder (or file) for people.
    pub path: String,
    /// Folder whose files share a dialect.
    pub home: PathBuf,
    /// How the files were read; `None` = loose files.
    pub layout: Option<LayoutId>,
    /// Standard input, which has no place for a down.
    pub stdin: bool,
    /// Migrations in order, and whether each is to be judged.
    pub migrations: Vec<(SourceMigration, bool)>,
}

/// What the paths name.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Series.
    pub groups: Vec<Group>,
    /// Files that cannot be read.
    pub problems: Vec<Problem>,
    /// Files of the history that cannot be read, and other remarks.
    pub remarks: Vec<String>,
}

/// Standard input.
#[derive(Clone, Debug)]
pub struct Stdin {
    /// Name in the report.
    pub name: String,
    /// What came in.
    pub bytes: Vec<u8>,
    /// Folder of the migrations that it follows.
    pub history: Option<PathBuf>,
}

/// Reads what the paths name. `default_dir` is tried first for a file that belongs to a series.
pub fn select(
    paths: &[PathBuf],
    default_dir: &Path,
    layout: Option<LayoutId>,
) -> Result<Selection, CliError> {
    let mut selection = Selection::default();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            folder(path, layout, 0, &mut selection)?;
        } else if path.is_file() {
            files.push(path.clone());
        } else {
            return Err(CliError::usage(format!(
                "there is no file or folder `{}`",
                path.display()
            ))
            .hint("check the path; without one, the folder of the migrations is judged"));
        }
    }
    single_files(&files, default_dir, layout, &mut selection)?;
    Ok(selection)
}

/// The series of a folder, in the layout that is named or found out.
fn load(
    dir: &Path,
    layout: Option<LayoutId>,
) -> Result<Option<(Series, Vec<SourceError>)>, SourceError> {
    match layout {
        Some(_) => load_lenient(dir, layout).map(Some),
        None => load_known(dir),
    }
}

/// Folders that hold no migrations of the project.
const SKIPPED: [&str; 3] = ["node_modules", "target", "vendor"];

/// A folder: a series in the layout that is named or found out; else its loose files, and the
/// folders in it.
fn folder(
    dir: &Path,
    layout: Option<LayoutId>,
    depth: usize,
    selection: &mut Selection,
) -> Result<(), CliError> {
    if let Some((series, problems)) = load(dir, layout)? {
        selection.problems.extend(problems.iter().map(problem));
        selection.groups.push(Group {
            path: shown(dir),
            home: dir.to_owned(),
            stdin: false,
            layout: Some(series.layout),
            migrations: series.migrations.into_iter().map(judged_if_sql).collect(),
        });
        return Ok(());
    }
    let (files, folders) = children(dir)?;
    loose(dir, &files, |_| true, selection);
    for child in folders {
        if depth < 4 {
            folder(&child, layout, depth + 1, selection)?;
        }
    }
    Ok(())
}

/// The `.sql` files and the folders in a folder, in order.
fn children(dir: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), CliError> {
    let unreadable = |source| SourceError::Unreadable { path: dir.to_owned(), source };
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if name.starts_with('.') || SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            folders.push(path);
        } else if name.ends_with(".sql") {
            files.push(path);
        }
    }
    files.sort_by_key(|path| (Version::new(name_of(path)), path.clone()));
    folders.sort();
    Ok((files, folders))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// `0007_x.sql`: it has a place in an order.
fn is_versioned(path: &Path) -> bool {
    name_of(path).starts_with(|c: char| c.is_ascii_digit())
}

/// Files of no layout: those with a number in front follow one another, the others stand alone.
fn loose(dir: &Path, files: &[PathBuf], wanted: impl Fn(&Path) -> bool, selection: &mut Selection) {
    let mut numbered = Vec::new();
    for file in files {
        let judged = wanted(file);
        if !judged && !is_versioned(file) {
            continue;
        }
        let text = match read_text(file) {
            Ok(text) => text,
            Err(error) if judged => {
                selection.problems.push(problem(&error));
                continue;
            }
            Err(error) => {
                selection.remarks.push(format!("the history lacks a file: {}", first_line(&error)));
                continue;
            }
        };
        let mut migration = single(file, text);
        // A down without its up is still a down.
        let name = file.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        if (name.ends_with(".down.sql") || name == "down.sql") && migration.down.is_none() {
            migration.down = migration.up.take();
            let up = name_of(file).replace(".down.", ".up.").replace("down.sql", "up.sql");
            if judged && !file.with_file_name(&up).exists() {
                selection.problems.push(Problem {
                    file: shown(file),
                    line: 1,
                    column: 1,
                    message: "has no up file beside it".into(),
                    help: format!("add `{up}`, or delete the down"),
                });
            }
        }
        if is_versioned(file) {
            numbered.push((migration, judged));
        } else {
            selection.groups.push(Group {
                path: shown(file),
                home: dir.to_owned(),
                stdin: false,
                layout: None,
                migrations: vec![(migration, true)],
            });
        }
    }
    if numbered.iter().any(|(_, judged)| *judged) {
        selection.groups.push(Group {
            path: shown(dir),
            home: dir.to_owned(),
            stdin: false,
            layout: None,
            migrations: numbered,
        });
    }
}

/// A program is part of the history, but there is nothing in it to judge.
fn judged_if_sql(migration: SourceMigration) -> (SourceMigration, bool) {
    let sql = migration.up.as_ref().is_none_or(|file| !file.program);
    (migration, sql)
}

/// A file as a migration of its own.
fn single(path: &Path, text: String) -> SourceMigration {
    let name = name_of(path);
    let stem = name.strip_suffix(".sql").unwrap_or(&name);
    let (version, rest) = stem.split_once('_').unwrap_or((stem, ""));
    SourceMigration {
        version: Version::new(version),
        name: rest.to_owned(),
        up: Some(SourceFile::sql(path.to_owned(), text, TransactionMode::Wrapped)),
        down: None,
        repeatable: false,
    }
}

/// Files that were named one by one: each is judged in the series that it belongs to.
fn single_files(
    files: &[PathBuf],
    default_dir: &Path,
    layout: Option<LayoutId>,
    selection: &mut Selection,
) -> Result<(), CliError> {
    let mut left: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for file in files {
        left.insert(canonical(file), file.clone());
    }
    let mut homes: Vec<PathBuf> = Vec::new();
    for (full, given) in &left {
        let mut candidates = Vec::new();
        if full.starts_with(canonical(default_dir)) {
            candidates.push(default_dir.to_owned());
        }
        let parent = parent(given);
        let grandparent = parent.join("..");
        candidates.push(parent);
        // Layouts with a folder for each migration.
        candidates.push(grandparent);
        for candidate in candidates {
            if !homes.iter().any(|home| canonical(home) == canonical(&candidate)) {
                homes.push(candidate);
            }
        }
    }
    for home in homes {
        if left.is_empty() {
            break;
        }
        if !home.is_dir() {
            continue;
        }
        let Some((series, problems)) = load(&home, layout)? else { continue };
        let mut taken = BTreeSet::new();
        let mut migrations = Vec::new();
        for migration in series.migrations {
            let mut judged = false;
            for file in [&migration.up, &migration.down].into_iter().flatten() {
                let full = canonical(&file.path);
                if left.contains_key(&full) {
                    judged = true;
                    taken.insert(full);
                }
            }
            migrations.push((migration, judged));
        }
        for error in &problems {
            let full = error.path().map(canonical).unwrap_or_default();
            if left.contains_key(&full) {
                selection.problems.push(problem(error));
                taken.insert(full);
            } else {
                selection.remarks.push(format!("the history lacks a file: {}", first_line(error)));
            }
        }
        if taken.is_empty() {
            continue;
        }
        left.retain(|full, _| !taken.contains(full));
        if migrations.iter().any(|(_, judged)| *judged) {
            selection.groups.push(Group {
                path: shown(&home),
                home: home.clone(),
                stdin: false,
                layout: Some(series.layout),
                migrations,
            });
        }
    }
    let mut by_folder: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
    for given in left.into_values() {
        by_folder.entry(parent(&given)).or_default().insert(given);
    }
    for (dir, wanted) in by_folder {
        let full: BTreeSet<PathBuf> = wanted.iter().map(|file| canonical(file)).collect();
        let mut files: Vec<PathBuf> = wanted.iter().cloned().collect();
        if files.iter().any(|file| is_versioned(file)) {
            let (siblings, _) = children(&dir)?;
            files.extend(siblings.into_iter().filter(|s| !full.contains(&canonical(s))));
        }
        files.sort_by_key(|path| (Version::new(name_of(path)), path.clone()));
        loose(&dir, &files, |file| full.contains(&canonical(file)), selection);
    }
    Ok(())
}

/// Standard input, after the history that it follows.
pub fn select_stdin(
    stdin: Stdin,
    layout: Option<LayoutId>,
    selection: &mut Selection,
) -> Result<(), CliError> {
    let mut migrations = Vec::new();
    let mut home = PathBuf::from(".");
    let mut found = None;
    if let Some(dir) = stdin.history {
        let (series, problems) = load_lenient(&dir, layout)?;
        selection.remarks.extend(
            problems.iter().map(|e| format!("the history lacks a file: {}", first_line(e))),
        );
        found = Some(series.layout);
        migrations.extend(series.migrations.into_iter().map(|m| (m, false)));
        home = dir;
    }
    match String::from_utf8(stdin.bytes) {
        Ok(text) => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
            let mut migration = single(Path::new(&stdin.name), text);
            migration.version = Version::new("");
            migrations.push((migration, true));
            selection.groups.push(Group {
                path: stdin.name,
                home,
                stdin: true,
                layout: found,
                migrations,
            });
        }
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let before = &error.as_bytes()[..at];
            let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
            selection.problems.push(Problem {
                file: stdin.name,
                line: before.iter().filter(|b| **b == b'\n').count() + 1,
                column: at - start + 1,
                message: format!("byte 0x{:02x} is not UTF-8", error.as_bytes()[at]),
                help: "send UTF-8 (for example through `iconv -t utf-8`)".into(),
            });
        }
    }
    Ok(())
}

/// Whether a folder has anything to judge, also where no layout knows it. One that cannot be read may: whoever
/// judges it says so.
#[must_use]
pub fn has_sql(dir: &Path) -> bool {
    Listing::read(dir).map_or(true, |listing| listing.files.iter().any(|f| f.ends_with(".sql")))
}

fn parent(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// An error of the source as the report shows it: place, message, next step.
fn problem(error: &SourceError) -> Problem {
    let text = error.to_string();
    let (message, help) = text.split_once("\n  next: ").unwrap_or((&text, ""));
    let file = error.path().map(shown).unwrap_or_default();
    let (line, column) = error.place().unwrap_or((1, 1));
    // The place stands beside the message: it need not say it again.
    let message = message
        .strip_prefix(&format!("`{}`", error.path().unwrap_or(Path::new("")).display()))
        .map_or(message, |rest| rest.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit()))
        .trim_start();
    Problem { file, line, column, message: message.to_owned(), help: help.to_owned() }
}

fn first_line(error: &SourceError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_not_empty() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(!has_sql(dir.path()));
        assert!(has_sql(&dir.path().join("nobody may read it")));
    }
}
