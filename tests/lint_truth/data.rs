//! The files: cases, setup, statements of the running release.

use std::fs;
use std::path::Path;

use downhaul_syntax::Dialect;

use crate::truth::Truth;

/// Engines with a file of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    MariaDb,
    Sqlite,
}

impl Engine {
    pub(crate) const ALL: [Self; 3] = [Self::Postgres, Self::MariaDb, Self::Sqlite];

    /// Name of its files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MariaDb => "mariadb",
            Self::Sqlite => "sqlite",
        }
    }

    /// For headings.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL 15",
            Self::MariaDb => "MariaDB 10.11",
            Self::Sqlite => "SQLite",
        }
    }

    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::Postgres => Dialect::Postgres,
            Self::MariaDb => Dialect::MariaDb,
            Self::Sqlite => Dialect::Sqlite,
        }
    }
}

/// One statement.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Runs outside of a transaction block.
    pub(crate) outside: bool,
    /// Run before, on top of the setup.
    pub(crate) history: String,
    pub(crate) statement: String,
    pub(crate) truth: Truth,
}

/// All of one engine.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) engine: Engine,
    pub(crate) setup: String,
    /// Name and text of statements that the running release sends.
    pub(crate) queries: Vec<(String, String)>,
    pub(crate) cases: Vec<Case>,
}

impl Sample {
    pub(crate) fn load(engine: Engine) -> Self {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint_truth");
        let read = |name: String| {
            fs::read_to_string(dir.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"))
        };
        let queries = read(format!("{}_queries.tsv", engine.name()))
            .lines()
            .map(|line| {
                let (name, text) = line.split_once('\t').expect("name, tab, statement");
                (name.to_owned(), text.to_owned())
            })
            .collect();
        let cases = read(format!("{}.tsv", engine.name()))
            .lines()
            .skip(1)
            .map(|line| {
                let cells: Vec<&str> = line.split('\t').collect();
                let [mode, history, statement, truth] = cells[..] else {
                    panic!("not four cells: {line}")
                };
                Case {
                    outside: mode == "auto",
                    history: history.to_owned(),
                    statement: statement.to_owned(),
                    truth: Truth::read(truth),
                }
            })
            .collect();
        Self { engine, setup: read(format!("{}_setup.sql", engine.name())), queries, cases }
    }
}

/// The file of cases.
pub(crate) fn write(cases: &[Case]) -> String {
    let mut out = String::from("mode\thistory\tstatement\ttruth\n");
    for case in cases {
        let mode = if case.outside { "auto" } else { "tx" };
        out.push_str(&format!("{mode}\t{}\t{}\t{}\n", case.history, case.statement, case.truth));
    }
    out
}
