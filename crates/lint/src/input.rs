//! What the caller gives: migrations and options.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use downhaul_catalog::Catalog;
use downhaul_syntax::{Dialect, Ident};
use serde::{Deserialize, Serialize};

use crate::Severity;

/// SQL of one direction, and the file it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceText {
    /// Path as findings shall name it.
    pub path: String,
    /// The text.
    pub text: String,
    /// Overrides [`MigrationInput::transactional`] for this direction.
    pub transactional: Option<TransactionMode>,
    /// A runner that sends the whole text as one string, by its name: PostgreSQL takes several
    /// statements of one string for a transaction block (manual §55.2.2.1).
    pub sent_whole_by: Option<String>,
}

impl SourceText {
    /// A text and its path.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), transactional: None, sent_whole_by: None }
    }
}

/// What the runner does about transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionMode {
    /// The runner wraps the file in one transaction.
    #[default]
    Wrapped,
    /// The runner sends each statement on its own.
    None,
}

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationInput {
    /// Path for findings that belong to no file (a missing up).
    pub path: String,
    /// Version as text.
    pub version: String,
    /// Name.
    pub name: String,
    /// Up.
    pub up: Option<SourceText>,
    /// Down.
    pub down: Option<SourceText>,
    /// What the runner does about transactions.
    pub transactional: TransactionMode,
    /// `false`: history, replayed only; no finding is reported for it.
    pub judged: bool,
    /// Applied already, and its text differs from what was applied (RV07).
    pub edited: bool,
    /// Run again whenever its text changes (Flyway `R__`): it states what shall be, and the way back
    /// is its earlier text.
    pub repeatable: bool,
    /// The version before it in a row of consecutive numbers is missing (RV08).
    pub after_gap: bool,
    /// Newer than one that was applied already, yet older in version (RV08).
    pub out_of_order: bool,
    /// A file of this version that another branch has brought in meanwhile (RV08).
    pub clashes_with: Option<String>,
    /// A file of a later version that another branch has brought in meanwhile (RV08).
    pub overtaken_by: Option<String>,
}

impl Default for MigrationInput {
    fn default() -> Self {
        Self {
            path: String::new(),
            version: String::new(),
            name: String::new(),
            up: None,
            down: None,
            transactional: TransactionMode::default(),
            judged: true,
            edited: false,
            repeatable: false,
            after_gap: false,
            out_of_order: false,
            clashes_with: None,
            overtaken_by: None,
        }
    }
}

/// When a missing down is a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownPolicy {
    /// Where the files come in pairs: some migration of the series has a down, or this one's file
    /// is called `….up.sql` or `up.sql`.
    #[default]
    Auto,
    /// Always.
    Required,
    /// Never.
    Ignored,
}

/// A server version: `15.3`, `8.0.29`, `3.45`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServerVersion {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

impl ServerVersion {
    /// Assumed where none is told: what the field commonly runs, and on which every claim of the
    /// documentation holds.
    #[must_use]
    pub fn assumed(dialect: Dialect) -> Self {
        let (major, minor, patch) = match dialect {
            Dialect::Postgres => (15, 0, 0),
            Dialect::Mysql => (8, 0, 36),
            Dialect::MariaDb => (10, 11, 0),
            Dialect::Sqlite => (3, 40, 0),
        };
        Self { major, minor, patch }
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch > 0 {
            write!(f, ".{}", self.patch)?;
        }
        Ok(())
    }
}

/// Not a version number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a server version: write it as 15, 15.3 or 8.0.29")]
pub struct ParseVersionError(String);

impl FromStr for ServerVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseVersionError(text.to_owned());
        let mut numbers = [0; 3];
        let mut parts = text.trim().split('.');
        for (i, slot) in numbers.iter_mut().enumerate() {
            match parts.next() {
                Some(part) => *slot = part.parse().map_err(|_| error())?,
                None if i > 0 => break,
                None => return Err(error()),
            }
        }
        if parts.next().is_some() {
            return Err(error());
        }
        Ok(Self { major: numbers[0], minor: numbers[1], patch: numbers[2] })
    }
}

/// What the caller decides about one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleSetting {
    /// Not run.
    Off,
    /// Run, at its own severity.
    On,
    /// Run, at this severity.
    Severity(Severity),
}

/// A column of the result that a client was built for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientColumn {
    /// Its name.
    pub name: String,
    /// Whether the client takes NULL there, where it says so.
    pub nullable: Option<bool>,
}

/// A statement that the running release is known to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownQuery {
    /// Where it stands: `src/orders.rs`, `pg_stat_statements`.
    pub source: String,
    /// Line there, from 1.
    pub line: usize,
    /// Column there, from 1.
    pub column: usize,
    /// The text stands in `source` as it is, so that places in it are places there.
    pub verbatim: bool,
    /// Its text.
    pub text: String,
    /// Schemas that its session searches; empty means the default one.
    pub search_path: Vec<Ident>,
    /// Types that the client gives to its parameters, where they are known.
    pub parameters: Vec<String>,
    /// The result that the client was built for, where it is known.
    pub columns: Vec<ClientColumn>,
}

impl KnownQuery {
    /// A statement that stands as it is in a file.
    #[must_use]
    pub fn new(source: impl Into<String>, line: usize, text: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            line,
            column: 1,
            verbatim: true,
            text: text.into(),
            ..Self::default()
        }
    }
}

/// How to judge.
#[derive(Clone, Debug)]
pub struct LintOptions {
    /// Dialect of the texts.
    pub dialect: Dialect,
    /// Server version; `None` = [`ServerVersion::assumed`].
    pub server_version: Option<ServerVersion>,
    /// All judged migrations go out as one deployment: what one of them creates is new to the
    /// others. Otherwise each migration is its own deployment.
    pub one_deployment: bool,
    /// By rule code.
    pub rules: BTreeMap<String, RuleSetting>,
    /// When a missing down is a finding.
    pub down: DownPolicy,
    /// The runner keeps a restore point before it destroys something (Downhaul's does).
    pub restore_points: bool,
    /// The runner bounds every wait for a lock (Downhaul's does).
    pub lock_budget: bool,
    /// The schema before the first migration: a live server's, or a dump's. Then what it lacks
    /// does not exist. Without it the series is taken to be the whole history if that fits.
    pub baseline: Option<Catalog>,
    /// Statements of the running release.
    pub queries: Vec<KnownQuery>,
    /// Tables known to be small: locks on them are not reported.
    pub small_tables: Vec<Ident>,
    /// Tables known to be large or busy: also short locks on them are warnings.
    pub hot_tables: Vec<Ident>,
}

impl LintOptions {
    /// The defaults for a dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            server_version: None,
            one_deployment: false,
            rules: BTreeMap::new(),
            down: DownPolicy::default(),
            restore_points: true,
            lock_budget: true,
            baseline: None,
            queries: Vec::new(),
            small_tables: Vec::new(),
            hot_tables: Vec::new(),
        }
    }

    /// The version to judge by.
    #[must_use]
    pub fn version(&self) -> ServerVersion {
        self.server_version.unwrap_or_else(|| ServerVersion::assumed(self.dialect))
    }

    /// Whether the server is at least this version.
    #[must_use]
    pub fn at_least(&self, major: u32, minor: u32, patch: u32) -> bool {
        self.version() >= ServerVersion { major, minor, patch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse_and_order() {
        let v = |s: &str| s.parse::<ServerVersion>();
        assert!(v("15").unwrap() < v("15.3").unwrap());
        assert!(v("8.0.29").unwrap() < v("8.0.30").unwrap());
        assert_eq!(v("8.0.29").unwrap().to_string(), "8.0.29");
        for bad in ["", "x", "1.2.3.4", "15.x"] {
            assert!(v(bad).is_err(), "{bad}");
        }
    }
}
