//! The promise: `lint --queries` names exactly the queries that a migration breaks.
//!
//! Each `*.sql` here holds a schema, queries and migrations. Every query is run on a real server
//! before and after every migration (one with parameters is prepared first), and the verdict of the
//! analyzer is compared with what the server did. The rates are in `docs/query-truth.md`
//! (`DOWNHAUL_BLESS=1` writes it) and may not fall.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use downhaul_kit::{MariaDb, Postgres, Session, SqliteFile};
use downhaul_lint::{KnownQuery, LintOptions, MigrationInput, SourceText, lint_series};
use downhaul_syntax::{Dialect, parse_script};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A schema, queries and migrations.
struct Sample {
    dialect: Dialect,
    schema: String,
    queries: Vec<String>,
    /// One a line.
    migrations: Vec<String>,
}

impl Sample {
    fn load(dialect: Dialect) -> Self {
        let path = root().join(format!("tests/query_truth/{}.sql", dialect.as_str()));
        let text = fs::read_to_string(path).unwrap();
        let (schema, rest) = text.split_once("-- queries\n").unwrap();
        let (queries, migrations) = rest.split_once("-- migrations\n").unwrap();
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        Self {
            dialect,
            schema: schema.to_owned(),
            queries: lines(queries),
            migrations: lines(migrations),
        }
    }

    /// Queries that the analyzer says the migration breaks.
    fn verdict(&self, migration: &str) -> BTreeSet<usize> {
        let mut options = LintOptions::new(self.dialect);
        options.queries = self
            .queries
            .iter()
            .enumerate()
            .map(|(at, query)| KnownQuery::new(at.to_string(), 1, query.as_str()))
            .collect();
        let input = |text: &str, judged| MigrationInput {
            up: Some(SourceText::new("m.sql", text)),
            version: if judged { "2".into() } else { "1".into() },
            judged,
            ..MigrationInput::default()
        };
        let series = [input(&self.schema, false), input(migration, true)];
        let report = lint_series(&series, &options);
        report.findings.iter().flat_map(|f| &f.queries).map(|q| q.source.parse().unwrap()).collect()
    }

    /// Judges each migration on a server that can take its tables back.
    async fn play_in_transactions(&self, mut session: Session) -> Score {
        session.run(&self.schema).await;
        session.run("BEGIN").await;
        let before = self.working(&mut session).await;
        assert_eq!(before.len(), self.queries.len(), "{:?}", failing(self, &before));
        let mut score = Score::default();
        for migration in &self.migrations {
            session.run("ROLLBACK; BEGIN").await;
            if let Err(error) = session.try_run(migration).await {
                panic!("{migration}: {error}");
            }
            let after = self.working(&mut session).await;
            score.add(self, migration, &before.difference(&after).copied().collect());
        }
        score
    }

    /// Whether a query goes through, and leaves nothing behind.
    async fn works(&self, session: &mut Session, query: &str) -> bool {
        // Values of parameters stand in a comment behind the query.
        let (query, args) = query.split_once("; -- args: ").unwrap_or((query, ""));
        let query = query.trim_end_matches(';');
        let (begin, end) = match self.dialect {
            Dialect::Postgres => ("SAVEPOINT query", "ROLLBACK TO query"),
            _ => ("SAVEPOINT query", "ROLLBACK TO SAVEPOINT query"),
        };
        session.run(begin).await;
        let sql = match (args.is_empty(), self.dialect) {
            (true, _) => query.to_owned(),
            (false, Dialect::Postgres) => format!("PREPARE q AS {query}; EXECUTE q({args})"),
            (false, Dialect::Sqlite) => {
                args.split(", ").fold(query.to_owned(), |sql, arg| sql.replacen('?', arg, 1))
            }
            (false, _) => {
                format!("PREPARE q FROM '{}'; EXECUTE q USING {args}", query.replace('\'', "''"))
            }
        };
        let works = session.try_run(&sql).await.is_ok();
        session.run(end).await;
        if !args.is_empty() && self.dialect == Dialect::Postgres {
            session.run("DEALLOCATE ALL").await;
        }
        works
    }

    async fn working(&self, session: &mut Session) -> BTreeSet<usize> {
        let mut working = BTreeSet::new();
        for (at, query) in self.queries.iter().enumerate() {
            if self.works(session, query).await {
                working.insert(at);
            }
        }
        working
    }
}

/// What the servers did and what the analyzer said.
#[derive(Default)]
struct Score {
    pairs: usize,
    broken: usize,
    missed: Vec<String>,
    false_alarms: Vec<String>,
}

impl Score {
    fn add(&mut self, sample: &Sample, migration: &str, broken: &BTreeSet<usize>) {
        let said = sample.verdict(migration);
        self.pairs += sample.queries.len();
        self.broken += broken.len();
        let pair = |at: &usize| format!("{migration}\n    {}", sample.queries[*at]);
        self.missed.extend(broken.difference(&said).map(pair));
        self.false_alarms.extend(said.difference(broken).map(pair));
    }

    fn row(&self, dialect: Dialect) -> String {
        let found = self.broken - self.missed.len();
        let harmless = self.pairs - self.broken;
        format!(
            "| {} | {} | {} | {} ({:.1} %) | {} of {} ({:.2} %) |\n",
            dialect.as_str(),
            self.pairs,
            self.broken,
            found,
            100.0 * found as f64 / self.broken as f64,
            self.false_alarms.len(),
            harmless,
            100.0 * self.false_alarms.len() as f64 / harmless as f64,
        )
    }

    /// At most so many may be missed, and so many reported without need.
    fn check(&self, dialect: Dialect, missed: usize, false_alarms: usize) {
        let path = page(dialect);
        let row = self.row(dialect);
        if std::env::var_os("DOWNHAUL_BLESS").is_some() {
            let text = fs::read_to_string(&path).unwrap();
            let start = format!("| {} |", dialect.as_str());
            let mut out = String::new();
            for line in text.lines() {
                if line.starts_with(&start) {
                    out.push_str(&row);
                } else {
                    writeln!(out, "{line}").unwrap();
                }
            }
            fs::write(&path, out).unwrap();
        }
        let mut wrong = String::new();
        for (what, list) in [("missed", &self.missed), ("false alarm", &self.false_alarms)] {
            for pair in list {
                writeln!(wrong, "{what}: {pair}").unwrap();
            }
        }
        assert!(
            self.missed.len() <= missed && self.false_alarms.len() <= false_alarms,
            "{row}{wrong}"
        );
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(row.trim_end()), "{} is out of date: {row}\n{wrong}", path.display());
    }
}

fn page(_: Dialect) -> PathBuf {
    root().join("docs/query-truth.md")
}

#[tokio::test]
async fn postgres_refuses_what_the_analyzer_says() {
    let sample = Sample::load(Dialect::Postgres);
    let database = Postgres::shared().fresh_database().await;
    let score = sample.play_in_transactions(database.session().await).await;
    score.check(Dialect::Postgres, 0, 1);
}

#[tokio::test]
async fn mariadb_refuses_what_the_analyzer_says() {
    let sample = Sample::load(Dialect::MariaDb);
    let mut score = Score::default();
    for migration in &sample.migrations {
        let database = MariaDb::shared().fresh_database().await;
        let mut session = database.session().await;
        session.run(&sample.schema).await;
        session.run("BEGIN").await;
        let before = sample.working(&mut session).await;
        assert_eq!(before.len(), sample.queries.len(), "{:?}", failing(&sample, &before));
        session.run("ROLLBACK").await;
        if let Err(error) = session.try_run(migration).await {
            panic!("{migration}: {error}");
        }
        session.run("BEGIN").await;
        let after = sample.working(&mut session).await;
        session.run("ROLLBACK").await;
        score.add(&sample, migration, &before.difference(&after).copied().collect());
        session.close().await;
    }
    score.check(Dialect::MariaDb, 0, 1);
}

#[tokio::test]
async fn sqlite_refuses_what_the_analyzer_says() {
    let sample = Sample::load(Dialect::Sqlite);
    let database = SqliteFile::new();
    let score = sample.play_in_transactions(database.session().await).await;
    score.check(Dialect::Sqlite, 0, 0);
}

fn failing<'s>(sample: &'s Sample, working: &BTreeSet<usize>) -> Vec<&'s str> {
    let all = sample.queries.iter().enumerate();
    all.filter(|(at, _)| !working.contains(at)).map(|(_, q)| q.as_str()).collect()
}

#[test]
fn every_query_is_understood() {
    for dialect in [Dialect::Postgres, Dialect::MariaDb, Dialect::Sqlite] {
        let sample = Sample::load(dialect);
        assert!(sample.queries.len() * sample.migrations.len() >= 500);
        for query in &sample.queries {
            if let Err(error) = downhaul_syntax::parse_query(query, dialect) {
                panic!("{query}: {error:?}");
            }
        }
        assert!(parse_script(&sample.schema, dialect).errors.is_empty());
    }
}
