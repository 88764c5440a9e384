//! Which database a series of files was written for.

use std::path::Path;

use downhaul_report::dialect_name;
use downhaul_syntax::Dialect;

use super::select::Group;
use super::{glob, shown};
use crate::args::DialectName;
use crate::config::{self, Config};
use crate::ui::{Style, paint};

/// A dialect, and how it was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The dialect.
    pub dialect: Dialect,
    /// For people: "--dialect", "`serial` in 0001_init.up.sql:3".
    pub from: String,
    /// It was told, not read off the SQL.
    pub told: bool,
}

impl Found {
    /// Someone said so.
    #[must_use]
    pub fn told(dialect: Dialect, from: impl Into<String>) -> Self {
        Self { dialect, from: from.into(), told: true }
    }

    /// Says aloud what was found out.
    #[must_use]
    pub fn remark(&self, home: &Path) -> String {
        format!(
            "{} {} is read as {}: {} (--dialect or `dialect` in {} says otherwise)",
            paint(Style::Dim, "note:"),
            shown(home),
            dialect_name(self.dialect),
            self.from,
            config::FILE,
        )
    }
}

/// The dialect of the files of one folder: told, else read off the SQL.
#[must_use]
pub fn find(config: &Config, option: Option<DialectName>, home: &Path, groups: &[&Group]) -> Found {
    if let Some(name) = option {
        return Found::told(name.into(), "--dialect");
    }
    let sources = || {
        groups
            .iter()
            .flat_map(|group| &group.migrations)
            .flat_map(|(migration, _)| [&migration.up, &migration.down])
            .flatten()
    };
    for file in sources() {
        if let Some((dialect, line)) = of_directive(&file.text) {
            return Found::told(dialect, format!("{}:{line}", shown(&file.path)));
        }
    }
    let here = shown(home);
    let by_path = config.lint.path.iter().rev().find_map(|section| {
        let matched = glob::matches(&section.glob, &here)
            || sources().next().is_some_and(|f| glob::matches(&section.glob, &shown(&f.path)));
        section.dialect.filter(|_| matched)
    });
    if let Some(name) = by_path.or(config.dialect) {
        return Found::told(name.into(), config::FILE);
    }
    if let Some(dialect) = std::env::var("DATABASE_URL").ok().and_then(|url| of_url(&url)) {
        return Found::told(dialect, "DATABASE_URL");
    }
    if let Some(dialect) = of_prisma_lock(home) {
        return Found::told(dialect, "migration_lock.toml");
    }
    let texts = sources().map(|file| (shown(&file.path), file.text.as_str()));
    of_evidence(texts).unwrap_or_else(|| Found {
        dialect: Dialect::Postgres,
        from: "nothing in the SQL tells".into(),
        told: false,
    })
}

/// The dialect that a database URL speaks of.
#[must_use]
pub fn of_url(url: &str) -> Option<Dialect> {
    let (scheme, _) = url.split_once(':')?;
    // SQLAlchemy writes `postgresql+psycopg2://`, JDBC `jdbc:postgresql://`.
    let scheme = if scheme == "jdbc" { url.split(':').nth(1)? } else { scheme };
    match scheme.split('+').next()?.to_ascii_lowercase().as_str() {
        "postgres" | "postgresql" => Some(Dialect::Postgres),
        "mysql" => Some(Dialect::Mysql),
        "mariadb" => Some(Dialect::MariaDb),
        "sqlite" | "sqlite3" => Some(Dialect::Sqlite),
        _ => None,
    }
}

/// A `-- downhaul:dialect NAME` line.
#[must_use]
pub fn of_directive(text: &str) -> Option<(Dialect, usize)> {
    // Most files have none: one search tells.
    if !text.contains("downhaul:dialect") {
        return None;
    }
    text.lines().enumerate().find_map(|(at, line)| {
        let comment = line.trim().trim_start_matches(['-', '#', '/', '*', ' ']);
        let name = comment.strip_prefix("downhaul:dialect")?.trim().trim_end_matches("*/").trim();
        Some((name.parse().ok()?, at + 1))
    })
}

/// What Prisma's `migration_lock.toml` says.
#[must_use]
pub fn of_prisma_lock(dir: &Path) -> Option<Dialect> {
    let text = std::fs::read_to_string(dir.join("migration_lock.toml")).ok()?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("provider"))?;
    match line.trim_start_matches([' ', '=']).trim_matches(['"', ' ']) {
        "postgresql" | "cockroachdb" => Some(Dialect::Postgres),
        "mysql" => Some(Dialect::Mysql),
        "sqlite" => Some(Dialect::Sqlite),
        _ => None,
    }
}

/// A word that one dialect has and the others have not, or hardly.
struct Clue {
    word: &'static str,
    dialect: Dialect,
    weight: u32,
}

const fn clue(word: &'static str, dialect: Dialect, weight: u32) -> Clue {
    Clue { word, dialect, weight }
}

/// Sorted by word, for the search.
const CLUES: &[Clue] = &[
    clue("access_method", Dialect::Postgres, 2),
    clue("auto_increment", Dialect::Mysql, 6),
    clue("autoincrement", Dialect::Sqlite, 6),
    clue("bigserial", Dialect::Postgres, 6),
    clue("bytea", Dialect::Postgres, 6),
    clue("charset", Dialect::Mysql, 4),
    clue("citext", Dialect::Postgres, 4),
    clue("concurrently", Dialect::Postgres, 6),
    clue("datetime", Dialect::Mysql, 1),
    clue("delimiter", Dialect::Mysql, 4),
    clue("engine", Dialect::Mysql, 3),
    clue("extension", Dialect::Postgres, 2),
    clue("gen_random_uuid", Dialect::Postgres, 5),
    clue("gin", Dialect::Postgres, 2),
    clue("glob", Dialect::Sqlite, 2),
    clue("inet6", Dialect::MariaDb, 6),
    clue("innodb", Dialect::Mysql, 6),
    clue("jsonb", Dialect::Postgres, 5),
    clue("julianday", Dialect::Sqlite, 6),
    clue("longtext", Dialect::Mysql, 5),
    clue("mediumint", Dialect::Mysql, 4),
    clue("mediumtext", Dialect::Mysql, 5),
    clue("plpgsql", Dialect::Postgres, 6),
    clue("pragma", Dialect::Sqlite, 6),
    clue("randomblob", Dialect::Sqlite, 6),
    clue("rowid", Dialect::Sqlite, 4),
    clue("serial", Dialect::Postgres, 5),
    clue("smallserial", Dialect::Postgres, 6),
    clue("sqlite_master", Dialect::Sqlite, 8),
    clue("sqlite_sequence", Dialect::Sqlite, 8),
    clue("strftime", Dialect::Sqlite, 6),
    clue("timestamptz", Dialect::Postgres, 6),
    clue("tinyint", Dialect::Mysql, 2),
    clue("tsvector", Dialect::Postgres, 6),
    clue("uca1400_as_ci", Dialect::MariaDb, 8),
    clue("unixepoch", Dialect::Sqlite, 4),
    clue("unlogged", Dialect::Postgres, 6),
    clue("unsigned", Dialect::Mysql, 3),
    clue("utf8mb4", Dialect::Mysql, 6),
    clue("uuid_generate_v4", Dialect::Postgres, 6),
    clue("versioning", Dialect::MariaDb, 4),
    clue("virtual", Dialect::Sqlite, 1),
    clue("without_rowid", Dialect::Sqlite, 8),
];

/// A lead of so many points over the second decides, and nothing more is read.
const DECISIVE: u32 = 12;

/// What the SQL itself shows; `None` where it shows nothing.
#[must_use]
pub fn of_evidence<'a>(files: impl Iterator<Item = (String, &'a str)>) -> Option<Found> {
    let mut tally = Tally::default();
    for (path, text) in files {
        tally.read(&path, text);
        if tally.lead() >= DECISIVE {
            break;
        }
    }
    tally.winner()
}

/// Points of each dialect, and the clue that speaks loudest for it.
#[derive(Default)]
struct Tally {
    points: [u32; 4],
    best: [Option<(u32, String)>; 4],
}

impl Tally {
    fn add(&mut self, dialect: Dialect, weight: u32, clue: impl FnOnce() -> String) {
        let at = dialect as usize;
        self.points[at] += weight;
        if self.best[at].as_ref().is_none_or(|(best, _)| *best < weight) {
            self.best[at] = Some((weight, clue()));
        }
    }

    fn read(&mut self, path: &str, text: &str) {
        for (at, line) in text.lines().enumerate() {
            let code = line.split("--").next().unwrap_or("");
            if code.trim().is_empty() {
                continue;
            }
            let place = |what: &str| format!("`{what}` in {path}:{}", at + 1);
            if code.contains('`') {
                self.add(Dialect::Mysql, 2, || place("`name`"));
            }
            if code.contains("::") {
                self.add(Dialect::Postgres, 2, || place("::"));
            }
            if code.contains("$$") {
                self.add(Dialect::Postgres, 4, || place("$$"));
            }
            if code.contains("/*M!") {
                self.add(Dialect::MariaDb, 8, || place("/*M!"));
            }
            let mut before = String::new();
            for word in code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                if word.len() < 3 {
                    continue;
                }
                let word = word.to_ascii_lowercase();
                if let Ok(found) = CLUES.binary_search_by(|clue| clue.word.cmp(&word)) {
                    self.add(CLUES[found].dialect, CLUES[found].weight, || place(&word));
                }
                match (before.as_str(), word.as_str()) {
                    ("integer", "primary") => {
                        self.add(Dialect::Sqlite, 1, || place("integer primary key"));
                    }
                    ("column", "type") | ("set", "schema") => {
                        self.add(Dialect::Postgres, 1, || place(&word));
                    }
                    ("modify", "column") => {
                        self.add(Dialect::Mysql, 4, || place("modify column"));
                    }
                    _ => {}
                }
                before = word;
            }
        }
    }

    fn ranked(&self) -> [(u32, Dialect); 4] {
        let mut ranked = Dialect::ALL.map(|dialect| (self.points[dialect as usize], dialect));
        // MariaDB's own words count on top of what it shares with MySQL.
        let shared = self.points[Dialect::Mysql as usize];
        for (points, dialect) in &mut ranked {
            if *dialect == Dialect::MariaDb && *points > 0 {
                *points += shared;
            }
        }
        ranked.sort_by_key(|(points, _)| std::cmp::Reverse(*points));
        ranked
    }

    fn lead(&self) -> u32 {
        let ranked = self.ranked();
        ranked[0].0 - ranked[1].0
    }

    fn winner(&self) -> Option<Found> {
        let (points, dialect) = self.ranked()[0];
        let (_, clue) = self.best[dialect as usize].as_ref()?;
        (points > 0).then(|| Found { dialect, from: clue.clone(), told: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clues_are_sorted() {
        assert!(CLUES.windows(2).all(|pair| pair[0].word < pair[1].word));
    }

    #[test]
    fn urls() {
        let check = |url, expect| assert_eq!(of_url(url), expect, "{url}");
        check("postgres://u@h/d", Some(Dialect::Postgres));
        check("postgresql+psycopg2://u@h/d", Some(Dialect::Postgres));
        check("jdbc:mariadb://h/d", Some(Dialect::MariaDb));
        check("sqlite:shop.db", Some(Dialect::Sqlite));
        check("mysql://h/d", Some(Dialect::Mysql));
        check("mongodb://h", None);
        check("", None);
    }

    #[test]
    fn the_sql_shows_what_it_was_written_for() {
        let check = |text: &str, expect: Option<Dialect>| {
            let found = of_evidence(std::iter::once(("a.sql".to_owned(), text)));
            assert_eq!(found.as_ref().map(|f| f.dialect), expect, "{text}: {found:?}");
        };
        check("CREATE TABLE t (id BIGSERIAL PRIMARY KEY, at timestamptz)", Some(Dialect::Postgres));
        check("CREATE TABLE `t` (id int AUTO_INCREMENT)", Some(Dialect::Mysql));
        check("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)", Some(Dialect::Sqlite));
        check("CREATE TABLE t (a INET6) ENGINE=InnoDB", Some(Dialect::MariaDb));
        check("CREATE TABLE `t` (a int, b datetime)", Some(Dialect::Mysql));
        check("SELECT a::int FROM t", Some(Dialect::Postgres));
        check("-- autoincrement is not used\nALTER TABLE t ADD a int", None);
        check("", None);
    }

    #[test]
    fn a_directive_names_the_dialect() {
        assert_eq!(of_directive("\n-- downhaul:dialect sqlite\n"), Some((Dialect::Sqlite, 2)));
        assert_eq!(of_directive("/* downhaul:dialect mysql */"), Some((Dialect::Mysql, 1)));
        assert_eq!(of_directive("-- downhaul:dialect oracle"), None);
    }
}
