//! By which algorithm MySQL and MariaDB carry out an operation.
//!
//! `facts/mysql.tsv` holds it for each operation: for MariaDB 10.11 measured (ask for `INSTANT`,
//! `NOCOPY`, `INPLACE`, `COPY` with `LOCK=NONE` in turn and see which is refused), for MySQL by
//! version from the manual (8.0 §15.12.1, "Online DDL Operations"), and for 9.7 measured by
//! `scripts/mysql-matrix`.
use std::collections::HashMap;
use std::sync::LazyLock;

use downhaul_syntax::Dialect;

use crate::ServerVersion;

const MYSQL: &str = include_str!("../../../facts/mysql.tsv");

/// How the server carries out an `ALTER`, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Algorithm {
    /// Only metadata.
    Instant,
    /// Without writing the clustered index anew (MariaDB).
    Nocopy,
    /// Inside the engine.
    Inplace,
    /// Row by row into a new table; writes wait.
    Copy,
}

impl Algorithm {
    /// As `ALGORITHM=` names it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Instant => "INSTANT",
            Self::Nocopy => "NOCOPY",
            Self::Inplace => "INPLACE",
            Self::Copy => "COPY",
        }
    }
}

/// What an operation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Online {
    pub(crate) algorithm: Algorithm,
    /// Every row is written anew.
    pub(crate) rebuilds: bool,
    /// An index is built over all rows.
    pub(crate) builds: bool,
    /// Writes wait for as long as it lasts.
    pub(crate) blocks_writes: bool,
    /// A short lock that keeps readers out too.
    pub(crate) exclusive: bool,
}

struct Row {
    mysql: &'static str,
    mariadb: &'static str,
}

static ROWS: LazyLock<HashMap<&'static str, Row>> = LazyLock::new(|| {
    rows().map(|[operation, _, mysql, mariadb]| (operation, Row { mysql, mariadb })).collect()
});

/// All operations in order: name, statement that shows it, what it needs on MySQL and on MariaDB.
pub(crate) fn rows() -> impl Iterator<Item = [&'static str; 4]> {
    MYSQL.lines().skip(1).filter_map(|line| {
        let mut cells = line.split('\t');
        Some([cells.next()?, cells.next()?, cells.next()?, cells.next()?])
    })
}

/// What an operation costs on a server.
pub(crate) fn online(operation: &str, dialect: Dialect, version: ServerVersion) -> Online {
    let cell = match ROWS.get(operation) {
        Some(row) if dialect == Dialect::MariaDb => row.mariadb,
        Some(row) => row.mysql,
        None => "copy",
    };
    let chosen = cell
        .split(',')
        .map(str::trim)
        .find_map(|alternative| match alternative.split_once(' ') {
            Some((since, word)) => {
                since.parse::<ServerVersion>().ok().filter(|v| version >= *v).map(|_| word)
            }
            None => Some(alternative),
        })
        .unwrap_or("copy");
    read(chosen)
}

/// What a word of the facts says, as `inplace-rebuild`.
pub(super) fn read(word: &str) -> Online {
    let algorithm = match word.split('-').next() {
        Some("instant") => Algorithm::Instant,
        Some("nocopy") => Algorithm::Nocopy,
        Some("inplace") => Algorithm::Inplace,
        _ => Algorithm::Copy,
    };
    let copy = algorithm == Algorithm::Copy;
    let says = |flag: &str| word.split('-').any(|w| w == flag);
    Online {
        algorithm,
        rebuilds: copy || says("rebuild"),
        builds: copy || says("rebuild") || says("index"),
        blocks_writes: copy || says("shared"),
        exclusive: says("exclusive"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_choose_the_algorithm() {
        let at = |operation: &str, dialect: Dialect, version: &str| {
            online(operation, dialect, version.parse().unwrap()).algorithm
        };
        assert_eq!(at("drop-column", Dialect::Mysql, "8.0.28"), Algorithm::Inplace);
        assert_eq!(at("drop-column", Dialect::Mysql, "8.0.29"), Algorithm::Instant);
        assert_eq!(at("drop-column", Dialect::MariaDb, "10.11"), Algorithm::Instant);
        assert_eq!(at("change-type", Dialect::Mysql, "9.0"), Algorithm::Copy);
        let fulltext = online("add-fulltext", Dialect::Mysql, "8.0.36".parse().unwrap());
        assert!(fulltext.blocks_writes && fulltext.builds && !fulltext.rebuilds);
    }

    #[test]
    fn every_row_reads() {
        for line in MYSQL.lines().skip(1) {
            assert_eq!(line.split('\t').count(), 4, "{line}");
        }
        assert_eq!(rows().count(), MYSQL.lines().count() - 1);
    }
}
