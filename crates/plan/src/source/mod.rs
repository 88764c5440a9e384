//! Migration layouts: one file each reads a directory of some tool into a [`Series`].

mod atlas;
mod dbmate;
mod diesel;
mod evidence;
#[cfg(test)]
mod fixture;
mod flyway;
mod golang_migrate;
mod goose;
mod graphile;
mod lenient;
mod liquibase;
mod marked;
mod node_pg_migrate;
mod plain;
mod prisma;
mod refinery;
mod single;
mod sqitch;
mod sql_migrate;
mod sqlx;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Version;

pub use lenient::{load_known, load_lenient};

/// Which way a file leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Towards the new schema.
    Up,
    /// Back.
    Down,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// What the layout's own runner does about transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionMode {
    /// The runner wraps the file.
    Wrapped,
    /// The runner runs each statement on its own.
    None,
}

/// The layouts that Downhaul reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum LayoutId {
    Plain,
    Sqlx,
    Diesel,
    Refinery,
    GolangMigrate,
    Dbmate,
    Goose,
    Flyway,
    Liquibase,
    Sqitch,
    Prisma,
    Atlas,
    NodePgMigrate,
    SqlMigrate,
    Graphile,
}

impl LayoutId {
    /// Every layout, in the order in which they are documented.
    pub const ALL: [Self; 15] = [
        Self::Plain,
        Self::Sqlx,
        Self::Diesel,
        Self::Refinery,
        Self::GolangMigrate,
        Self::Dbmate,
        Self::Goose,
        Self::Flyway,
        Self::Liquibase,
        Self::Sqitch,
        Self::Prisma,
        Self::Atlas,
        Self::NodePgMigrate,
        Self::SqlMigrate,
        Self::Graphile,
    ];

    /// The name as users type it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sqlx => "sqlx",
            Self::Diesel => "diesel",
            Self::Refinery => "refinery",
            Self::GolangMigrate => "golang-migrate",
            Self::Dbmate => "dbmate",
            Self::Goose => "goose",
            Self::Flyway => "flyway",
            Self::Liquibase => "liquibase",
            Self::Sqitch => "sqitch",
            Self::Prisma => "prisma",
            Self::Atlas => "atlas",
            Self::NodePgMigrate => "node-pg-migrate",
            Self::SqlMigrate => "sql-migrate",
            Self::Graphile => "graphile",
        }
    }
}

impl LayoutId {
    /// Whether the layout's own runner sends a file as one string also where no transaction is
    /// asked for. PostgreSQL makes a transaction block of the statements in it.
    #[must_use]
    pub fn sends_whole(self) -> bool {
        match self {
            // `execute_many`, `Exec`, `batch_execute`, `query(text)` of the whole body.
            Self::Sqlx
            | Self::Dbmate
            | Self::Diesel
            | Self::Graphile
            | Self::GolangMigrate
            | Self::Prisma => true,
            Self::Plain
            | Self::Refinery
            | Self::Goose
            | Self::Flyway
            | Self::Liquibase
            | Self::Sqitch
            | Self::Atlas
            | Self::NodePgMigrate
            | Self::SqlMigrate => false,
        }
    }
}

impl fmt::Display for LayoutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is none of [`LayoutId::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown layout `{0}`")]
pub struct UnknownLayout(pub String);

impl std::str::FromStr for LayoutId {
    type Err = UnknownLayout;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|id| id.as_str() == text)
            .ok_or_else(|| UnknownLayout(text.to_owned()))
    }
}

/// One direction of one migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The file it stands in.
    pub path: PathBuf,
    /// SQL of this direction. Where a file holds both directions, the rest is replaced by spaces,
    /// byte for byte, so that places in this text are places in the file.
    pub text: String,
    /// Whether a transaction wraps it.
    pub transaction: TransactionMode,
    /// It is a program in another language (`.go`, `.rs`, `.js`), not SQL: `text` is empty, and
    /// what it does is not known.
    pub program: bool,
}

impl SourceFile {
    /// A file of SQL.
    #[must_use]
    pub fn sql(path: PathBuf, text: String, transaction: TransactionMode) -> Self {
        Self { path, text, transaction, program: false }
    }

    /// A file in another language.
    #[must_use]
    pub fn program(path: PathBuf) -> Self {
        Self { path, text: String::new(), transaction: TransactionMode::Wrapped, program: true }
    }
}

/// A migration as its files state it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceMigration {
    /// Version.
    pub version: Version,
    /// Name, for people.
    pub name: String,
    /// Up, where there is one.
    pub up: Option<SourceFile>,
    /// Down, where there is one.
    pub down: Option<SourceFile>,
    /// Re-run whenever its text changes (Flyway `R__`); it has no place in the order of versions.
    pub repeatable: bool,
}

impl SourceMigration {
    /// The file of a direction.
    #[must_use]
    pub fn file(&self, direction: Direction) -> Option<&SourceFile> {
        match direction {
            Direction::Up => self.up.as_ref(),
            Direction::Down => self.down.as_ref(),
        }
    }

    /// `0007_slim_customers`.
    #[must_use]
    pub fn label(&self) -> String {
        if self.name.is_empty() {
            self.version.to_string()
        } else {
            format!("{}_{}", self.version, self.name)
        }
    }
}

/// The migrations of a directory in the order in which they run, repeatable ones last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Layout it was read by.
    pub layout: LayoutId,
    /// Migrations.
    pub migrations: Vec<SourceMigration>,
    /// What stands for `${name}` in their files; `None`: nothing is replaced.
    pub variables: Option<std::sync::Arc<crate::Variables>>,
}

/// Why a directory cannot be read. The message names the file, the cause and the next step.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No such directory.
    #[error(
        "there is no migrations directory `{}`\n  next: `downhaul init` makes one, or name another with --dir",
        .0.display()
    )]
    NoDirectory(PathBuf),
    /// A file or directory could not be read.
    #[error("cannot read `{}`: {source}\n  next: check that it is there and that you may read it", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not UTF-8.
    #[error(
        "`{}`:{line}:{column}: byte 0x{byte:02x} is not UTF-8\n  next: save the file as UTF-8 (for example `iconv -t utf-8`)",
        path.display()
    )]
    NotUtf8 {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// The offending byte.
        byte: u8,
    },
    /// Two files claim one version and direction.
    #[error(
        "version {version} is claimed twice ({direction}):\n  {}\n  {}\n  next: give one of them a version of its own",
        first.display(), second.display()
    )]
    DuplicateVersion {
        /// The version.
        version: Version,
        /// The direction.
        direction: Direction,
        /// First file.
        first: PathBuf,
        /// Second file.
        second: PathBuf,
    },
    /// An up and a down of one version have different names.
    #[error(
        "the up and the down of version {version} have different names:\n  {}\n  {}\n  next: give both the same name, or one of them a version of its own \
         (`lint --layout golang-migrate` reads files that were paired by their version alone)",
        first.display(), second.display()
    )]
    NamesDiffer {
        /// The version.
        version: Version,
        /// First file.
        first: PathBuf,
        /// Second file.
        second: PathBuf,
    },
    /// A down without its up.
    #[error(
        "`{}` has no up file beside it\n  next: add `{expected}`, or delete the down",
        path.display()
    )]
    DownWithoutUp {
        /// The down file.
        path: PathBuf,
        /// Name of the up file that is missing.
        expected: String,
    },
    /// A file's name or content does not fit the layout.
    #[error("`{}`:{line}: {message}\n  next: {next}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
        /// What to do.
        next: String,
    },
}

impl SourceError {
    /// The file or directory to look at.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::NoDirectory(path)
            | Self::Unreadable { path, .. }
            | Self::NotUtf8 { path, .. }
            | Self::DownWithoutUp { path, .. }
            | Self::Malformed { path, .. } => Some(path),
            Self::DuplicateVersion { second, .. } | Self::NamesDiffer { second, .. } => {
                Some(second)
            }
        }
    }

    /// Line and column in it, from 1, where they are known.
    #[must_use]
    pub fn place(&self) -> Option<(usize, usize)> {
        match self {
            Self::NotUtf8 { line, column, .. } => Some((*line, *column)),
            Self::Malformed { line, .. } => Some((*line, 1)),
            _ => None,
        }
    }
}

/// Directories that hold other people's files, and many of them.
const FOREIGN: [&str; 3] = ["node_modules", "target", "vendor"];

/// The files below a directory, by path relative to it, in order.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The directory.
    pub root: PathBuf,
    /// Relative paths with `/`, hidden files and other people's left out.
    pub files: Vec<String>,
    /// Texts that were read already.
    texts: HashMap<String, String>,
}

impl Listing {
    /// Lists a directory, at most four levels deep.
    pub fn read(root: &Path) -> Result<Self, SourceError> {
        if !root.is_dir() {
            return Err(SourceError::NoDirectory(root.to_owned()));
        }
        let mut files = Vec::new();
        let mut pending = vec![(root.to_owned(), String::new(), 0)];
        while let Some((dir, prefix, depth)) = pending.pop() {
            let unreadable = |source| SourceError::Unreadable { path: dir.clone(), source };
            for entry in std::fs::read_dir(&dir).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with('.') || FOREIGN.contains(&name.as_str()) {
                    continue;
                }
                // The listing knows the kind of most entries; only links are looked up.
                let is_dir = match entry.file_type() {
                    Ok(kind) if !kind.is_symlink() => kind.is_dir(),
                    _ => entry.path().is_dir(),
                };
                if is_dir {
                    if depth < 3 {
                        pending.push((entry.path(), format!("{prefix}{name}/"), depth + 1));
                    }
                } else {
                    files.push(format!("{prefix}{name}"));
                }
            }
        }
        files.sort();
        Ok(Self { root: root.to_owned(), files, texts: HashMap::new() })
    }

    /// Reads every `.sql` file. Those that cannot be read leave the list, and are returned.
    fn preload(&mut self) -> Vec<SourceError> {
        let mut problems = Vec::new();
        let (root, texts) = (&self.root, &mut self.texts);
        self.files.retain(|file| {
            if !file.ends_with(".sql") {
                return true;
            }
            match read_text(&root.join(file)) {
                Ok(text) => {
                    texts.insert(file.clone(), text);
                    true
                }
                Err(error) => {
                    problems.push(error);
                    false
                }
            }
        });
        problems
    }

    /// The `.sql` files of the directory itself, in order of their names.
    fn flat_sql(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str).filter(|f| f.ends_with(".sql") && !f.contains('/'))
    }

    /// Full path of a listed file.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    /// Text of a listed file, a byte-order mark removed.
    pub fn text(&self, file: &str) -> Result<String, SourceError> {
        if let Some(text) = self.texts.get(file) {
            return Ok(text.clone());
        }
        read_text(&self.path(file))
    }
}

/// Reads a file as UTF-8, a byte-order mark removed.
pub fn read_text(path: &Path) -> Result<String, SourceError> {
    let bytes = std::fs::read(path)
        .map_err(|source| SourceError::Unreadable { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = &bytes[..at];
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        SourceError::NotUtf8 {
            path: path.to_owned(),
            line: before.iter().filter(|b| **b == b'\n').count() + 1,
            column: at - line_start + 1,
            byte: bytes[at],
        }
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// In which order a layout's migrations run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Numbers in versions count as numbers.
    Version,
    /// Versions are compared as text.
    Text,
    /// As the layout read them.
    AsRead,
}

/// A layout: one file in this folder.
trait Layout: Sync {
    /// Which one.
    fn id(&self) -> LayoutId;
    /// How sure it is that the directory is its own: 0 = no; higher wins.
    fn detect(&self, listing: &Listing) -> u8;
    /// In which order its migrations run.
    fn order(&self) -> Order {
        Order::Version
    }
    /// Reads the directory.
    fn read(&self, listing: &Listing) -> Result<Vec<SourceMigration>, Problems>;
}

/// Why a directory cannot be read as it is: at least one cause, each with its file.
struct Problems(Vec<SourceError>);

impl Problems {
    /// The cause to tell where one is enough.
    fn first(self) -> SourceError {
        self.0.into_iter().next().expect("problems are made of at least one")
    }
}

impl From<SourceError> for Problems {
    fn from(error: SourceError) -> Self {
        Self(vec![error])
    }
}

/// Every layout. A new one is a file and a line here.
const LAYOUTS: &[&dyn Layout] = &[
    &plain::Plain,
    &sqlx::Sqlx,
    &diesel::Diesel,
    &refinery::Refinery,
    &golang_migrate::GolangMigrate,
    &dbmate::Dbmate,
    &goose::Goose,
    &flyway::Flyway,
    &liquibase::Liquibase,
    &sqitch::Sqitch,
    &prisma::Prisma,
    &atlas::Atlas,
    &node_pg_migrate::NodePgMigrate,
    &sql_migrate::SqlMigrate,
    &graphile::Graphile,
];

/// Reads a directory, finding out its layout.
pub fn load(dir: &Path) -> Result<Series, SourceError> {
    let listing = Listing::read(dir)?;
    read_layout(find_layout(&listing, None), &listing).map_err(Problems::first)
}

/// Reads a directory in a layout that the user named.
pub fn load_with_layout(dir: &Path, id: LayoutId) -> Result<Series, SourceError> {
    let listing = Listing::read(dir)?;
    read_layout(find_layout(&listing, Some(id)), &listing).map_err(Problems::first)
}

/// The layout of a directory; `None` where no layout knows it as its own.
pub fn detect(dir: &Path) -> Result<Option<LayoutId>, SourceError> {
    let listing = Listing::read(dir)?;
    Ok(surest(&listing).map(|layout| layout.id()))
}

fn surest(listing: &Listing) -> Option<&'static dyn Layout> {
    LAYOUTS
        .iter()
        .map(|layout| (layout.detect(listing), *layout))
        .filter(|(sure, _)| *sure > 0)
        .max_by_key(|(sure, _)| *sure)
        .map(|(_, layout)| layout)
}

/// The layout that was named, else the one that is surest of the directory.
fn find_layout(listing: &Listing, named: Option<LayoutId>) -> &'static dyn Layout {
    match named {
        Some(id) => LAYOUTS.iter().copied().find(|layout| layout.id() == id),
        None => surest(listing),
    }
    .unwrap_or(LAYOUTS[0])
}

fn read_layout(layout: &dyn Layout, listing: &Listing) -> Result<Series, Problems> {
    let mut migrations = layout.read(listing)?;
    match layout.order() {
        Order::Version => {
            migrations.sort_by(|a, b| (a.repeatable, &a.version).cmp(&(b.repeatable, &b.version)))
        }
        Order::Text => migrations.sort_by(|a, b| {
            (a.repeatable, a.version.as_str()).cmp(&(b.repeatable, b.version.as_str()))
        }),
        Order::AsRead => {}
    }
    Ok(Series { layout: layout.id(), migrations, variables: None })
}

/// Pairs of up and down files by version, for the layouts that keep them in two files.
#[derive(Default)]
struct Pairs {
    migrations: BTreeMap<Version, SourceMigration>,
    problems: Vec<SourceError>,
}

impl Pairs {
    /// Adds one file; a second one of the same version and direction is a problem.
    fn add(&mut self, version: Version, name: &str, direction: Direction, file: SourceFile) {
        let migration = self.migrations.entry(version.clone()).or_insert_with(|| SourceMigration {
            version: version.clone(),
            name: name.to_owned(),
            up: None,
            down: None,
            repeatable: false,
        });
        let other = match direction {
            Direction::Up => &migration.down,
            Direction::Down => &migration.up,
        };
        if let Some(first) = migration.file(direction) {
            self.problems.push(SourceError::DuplicateVersion {
                version,
                direction,
                first: first.path.clone(),
                second: file.path,
            });
            return;
        }
        if migration.name != name
            && let Some(first) = other
        {
            self.problems.push(SourceError::NamesDiffer {
                version,
                first: first.path.clone(),
                second: file.path,
            });
            return;
        }
        match direction {
            Direction::Up => migration.up = Some(file),
            Direction::Down => migration.down = Some(file),
        }
    }

    /// As [`Self::add`], for runners that pair files by version alone: the names of the two may
    /// differ, and the first one counts.
    fn add_by_version(
        &mut self,
        version: Version,
        name: &str,
        direction: Direction,
        file: SourceFile,
    ) {
        let known = self.migrations.get(&version).filter(|m| m.file(direction).is_none());
        let name = known.map_or_else(|| name.to_owned(), |m| m.name.clone());
        self.add(version, &name, direction, file);
    }

    /// All pairs; two files for one place, or a down alone, are refused.
    fn finish(
        mut self,
        up_name: impl Fn(&SourceMigration) -> String,
    ) -> Result<Vec<SourceMigration>, Problems> {
        for migration in self.migrations.values() {
            if let (None, Some(down)) = (&migration.up, &migration.down) {
                self.problems.push(SourceError::DownWithoutUp {
                    path: down.path.clone(),
                    expected: up_name(migration),
                });
            }
        }
        if !self.problems.is_empty() {
            return Err(Problems(self.problems));
        }
        Ok(self.migrations.into_values().collect())
    }
}
