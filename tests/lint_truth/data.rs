//! The files: cases, setup, statements of the running release.

use std::fs;
use std::path::{Path, PathBuf};

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

/// Which statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// Those that the rules were written with.
    Known,
    /// Written before anyone looked at what the analyzer says of them, on a schema of their own.
    HeldOut,
    /// The same again, after the rules were mended by those.
    Third,
    /// And again.
    Fourth,
    /// Written after the measurement learnt to probe, and before the analyzer was asked.
    Fifth,
    /// Shaped after migrations of public projects, by someone who had not seen the rules.
    Sixth,
    /// The same again, after other projects.
    Seventh,
    /// And again.
    Eighth,
    /// And again, with more of what is harmless.
    Ninth,
    /// And again, after the rules were mended by the ninth.
    Tenth,
}

impl Set {
    pub(crate) const ALL: [Self; 10] = [
        Self::Known,
        Self::HeldOut,
        Self::Third,
        Self::Fourth,
        Self::Fifth,
        Self::Sixth,
        Self::Seventh,
        Self::Eighth,
        Self::Ninth,
        Self::Tenth,
    ];

    /// Its number, for tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::HeldOut => "second",
            Self::Third => "third",
            Self::Fourth => "fourth",
            Self::Fifth => "fifth",
            Self::Sixth => "sixth",
            Self::Seventh => "seventh",
            Self::Eighth => "eighth",
            Self::Ninth => "ninth",
            Self::Tenth => "tenth",
        }
    }
}

/// Where the files lie; statements that are still being written lie elsewhere
/// (`DOWNHAUL_TRUTH_DIR`).
pub(crate) fn folder() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint_truth");
    std::env::var_os("DOWNHAUL_TRUTH_DIR").map_or(own, PathBuf::from)
}

/// The statements are still being written.
pub(crate) fn is_draft() -> bool {
    std::env::var_os("DOWNHAUL_TRUTH_DIR").is_some()
}

/// Name of the files of an engine's set.
pub(crate) fn stem(engine: Engine, set: Set) -> String {
    match set {
        Set::Known => engine.name().to_owned(),
        Set::HeldOut => format!("{}_held_out", engine.name()),
        Set::Third => format!("{}_third", engine.name()),
        Set::Fourth => format!("{}_fourth", engine.name()),
        Set::Fifth => format!("{}_fifth", engine.name()),
        Set::Sixth => format!("{}_sixth", engine.name()),
        Set::Seventh => format!("{}_seventh", engine.name()),
        Set::Eighth => format!("{}_eighth", engine.name()),
        Set::Ninth => format!("{}_ninth", engine.name()),
        Set::Tenth => format!("{}_tenth", engine.name()),
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

/// One set of one engine.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) engine: Engine,
    pub(crate) set: Set,
    pub(crate) setup: String,
    /// Name and text of statements that the running release sends.
    pub(crate) queries: Vec<(String, String)>,
    pub(crate) cases: Vec<Case>,
}

impl Sample {
    /// Whether clients are probed before and after each statement. The first sets of the two servers,
    /// the seventh and those after it are large: the probes of these, which take minutes, are repeated
    /// where they are written anew or `DOWNHAUL_TRUTH_PROBES` is set. All else is measured again each
    /// time.
    pub(crate) fn is_probed(&self) -> bool {
        let asked = ["DOWNHAUL_BLESS", "DOWNHAUL_TRUTH_PROBES"]
            .iter()
            .any(|name| std::env::var_os(name).is_some());
        let large =
            matches!(self.set, Set::Known | Set::Seventh | Set::Eighth | Set::Ninth | Set::Tenth);
        let small = self.engine == Engine::Sqlite
            && !matches!(self.set, Set::Eighth | Set::Ninth | Set::Tenth);
        !large || small || asked
    }

    pub(crate) fn load(engine: Engine, set: Set) -> Self {
        let dir = folder();
        let read = |name: String| {
            fs::read_to_string(dir.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"))
        };
        let stem = stem(engine, set);
        let queries = read(format!("{stem}_queries.tsv"))
            .lines()
            .map(|line| {
                let (name, text) = line.split_once('\t').expect("name, tab, statement");
                (name.to_owned(), text.to_owned())
            })
            .collect();
        let cases = read(format!("{stem}.tsv"))
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
        Self { engine, set, setup: read(format!("{stem}_setup.sql")), queries, cases }
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
