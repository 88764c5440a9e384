//! A rehearsal on a database of its own: every migration up, down and up again, with rows, and with
//! the queries of both releases in every state between.
//!
//! What is compared is the whole schema as the server tells it and a digest of every table. What is
//! observed is what the server did: locks in `pg_locks`, rewrites as changed file nodes, durations.

mod beside;
mod certificate;
mod fill;
mod observe;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use downhaul_catalog::Catalog;
use downhaul_engine::live::catalog_of;
use downhaul_engine::{EngineError, LockBudget, SchemaDump, Session, Target, connect};
use downhaul_plan::{Checksum, Phase, Series, Version};
use downhaul_syntax::Dialect;
use downhaul_syntax::lexer::lex;

use beside::beside;
pub use certificate::{Certificate, Counted, Proven, Statement, Unproven};

use crate::{DownSelection, Event, Observer, RunError, Runner, UpSelection};

/// A query of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseQuery {
    /// Where it stands, for people: `queries.sql:3`.
    pub place: String,
    /// The statement.
    pub text: String,
}

/// What to rehearse.
#[derive(Clone, Debug, Default)]
pub struct Rehearsal {
    /// Migrations that the database has already; they are the stage and are not judged.
    pub applied: Vec<Version>,
    /// The phases of the others.
    pub phases: BTreeMap<Version, Phase>,
    /// Rows to make in each table.
    pub rows: u64,
    /// SQL that fills the tables instead, run behind the stage.
    pub fill: Option<String>,
    /// Queries of the release that runs.
    pub old: Vec<ReleaseQuery>,
    /// Queries of the next release.
    pub new: Vec<ReleaseQuery>,
    /// The database of the rehearsal, for a second session that runs the queries while migrations
    /// do; `None` runs them in between only.
    pub beside: Option<Target>,
}

/// A moment of the database.
struct Photograph {
    schema: SchemaDump,
    /// Digest of each table.
    tables: BTreeMap<String, String>,
}

impl Photograph {
    async fn of(session: &mut dyn Session) -> Result<(Self, Catalog), EngineError> {
        let schema = session.dump().await?;
        let catalog = catalog_of(session, &schema).await?;
        let dialect = session.dialect();
        let mut tables = BTreeMap::new();
        // Digests need fixed settings, which last for a transaction.
        session.begin(LockBudget::default()).await?;
        for table in catalog.tables.values() {
            let mut columns: Vec<String> =
                table.columns.iter().map(|c| dialect.quote(&c.name)).collect();
            columns.sort();
            let digest = session.digest(&dialect.quote_name(&table.name), &columns).await;
            match digest {
                Ok(digest) => {
                    tables.insert(table.name.to_string(), digest);
                }
                Err(error) => {
                    session.rollback().await?;
                    return Err(error);
                }
            }
        }
        session.rollback().await?;
        Ok((Self { schema, tables }, catalog))
    }

    /// How the schema differs, for people.
    fn schema_differences(&self, now: &Self) -> Vec<String> {
        self.schema
            .differences(&now.schema)
            .iter()
            .map(|d| {
                let what = match (d.left, d.right) {
                    (None, _) => "is new",
                    (_, None) => "is gone",
                    _ => "differs",
                };
                format!("{} {} {what}", d.id().kind.as_str(), d.id().name)
            })
            .collect()
    }

    /// Tables whose rows differ.
    fn data_differences(&self, now: &Self) -> Vec<String> {
        let mut names: Vec<&String> = self.tables.keys().chain(now.tables.keys()).collect();
        names.sort();
        names.dedup();
        names
            .into_iter()
            .filter(|name| self.tables.get(*name) != now.tables.get(*name))
            .map(|name| format!("the rows of {name} differ"))
            .collect()
    }
}

/// Counts what ran, and passes everything on.
struct Listener<'a> {
    inner: &'a mut dyn Observer,
    statements: Vec<(String, Duration)>,
}

impl Observer for Listener<'_> {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Statement { sql, took } = &event {
            self.statements.push(((*sql).to_owned(), *took));
        }
        self.inner.event(event);
    }
}

/// Rehearses on a database that is empty and that nobody else uses. What does not hold stands in the
/// certificate; an error is what kept the rehearsal from going on.
pub async fn rehearse(
    runner: &mut Runner,
    series: &Series,
    rehearsal: &Rehearsal,
    observer: &mut dyn Observer,
) -> Result<Certificate, RunError> {
    let mut second = match &rehearsal.beside {
        Some(target) => Some(connect(target, false).await?),
        None => None,
    };
    let result = rehearsed(runner, series, rehearsal, second.as_mut(), observer).await;
    if let Some(session) = second {
        session.close().await;
    }
    result
}

async fn rehearsed(
    runner: &mut Runner,
    series: &Series,
    rehearsal: &Rehearsal,
    mut second: Option<&mut Box<dyn Session>>,
    observer: &mut dyn Observer,
) -> Result<Certificate, RunError> {
    let server = runner.session.server().version.clone();
    let dialect = runner.session.dialect();
    let mut certificate = Certificate::new(&server, dialect, rehearsal);
    for _ in &rehearsal.applied {
        step_up(runner, series, observer).await?;
    }
    let pending = runner.plan_up(series, &UpSelection::All).await?;
    if let Some(sql) = &rehearsal.fill {
        runner.session.execute(sql).await?;
    }
    fill::fill(&mut *runner.session, rehearsal.rows, &mut certificate).await?;
    let contract = pending
        .migrations
        .iter()
        .position(|m| rehearsal.phases.get(&m.version) == Some(&Phase::Contract))
        .unwrap_or(pending.migrations.len());
    let queries = Queries { rehearsal, contract, dialect };
    let (base, _) = Photograph::of(&mut *runner.session).await?;
    queries.run(runner, 0, pending.migrations.len(), &mut certificate).await?;
    let mut gives_up = false;
    for (at, migration) in pending.migrations.iter().enumerate() {
        let count = pending.migrations.len();
        // Tables that an earlier migration made have rows, too.
        fill::fill(&mut *runner.session, rehearsal.rows, &mut certificate).await?;
        let observed = observe::statements(&mut *runner.session, &migration.up).await?;
        let given_up = migration.up.text.contains("downhaul:protect off");
        gives_up |= given_up;
        let label = migration.up.label.clone();
        let (before, _) = Photograph::of(&mut *runner.session).await?;
        let edge = (at, at + 1, count);
        let up = step_up(runner, series, observer);
        let (up, told) = beside(&queries, second.as_deref_mut(), edge, up).await;
        let slowest = told.enter(&label, "on its way up", &mut certificate);
        let (up_ms, ran) = up?;
        let (after, _) = Photograph::of(&mut *runner.session).await?;
        queries.run(runner, at + 1, count, &mut certificate).await?;
        let mut proven = Proven {
            version: migration.version.to_string(),
            label: label.clone(),
            up: migration.up.checksum.tokens.clone(),
            down: migration.down().map(|down| Checksum::of(down, dialect).tokens),
            phase: rehearsal.phases.get(&migration.version).map(|p| p.as_str().to_owned()),
            up_ms,
            slowest_query_ms: slowest,
            statements: observe::joined(ran, observed),
            ..Proven::default()
        };
        let down = step_down(runner, series, observer);
        let (down, told) = beside(&queries, second.as_deref_mut(), edge, down).await;
        let slowest = told.enter(&label, "on its way down", &mut certificate);
        proven.slowest_query_ms = proven.slowest_query_ms.max(slowest);
        match down {
            Ok(ms) => {
                proven.down_ms = Some(ms);
                let (back, _) = Photograph::of(&mut *runner.session).await?;
                let schema = before.schema_differences(&back);
                let data = before.data_differences(&back);
                proven.schema_comes_back = schema.is_empty();
                proven.data_comes_back = data.is_empty();
                certificate.tell(&label, "behind its down", schema);
                if !given_up {
                    certificate.tell(&label, "behind its down", data);
                }
                queries.run(runner, at, count, &mut certificate).await?;
                let (again_ms, _) = step_up(runner, series, observer).await?;
                proven.again_ms = Some(again_ms);
                let (again, _) = Photograph::of(&mut *runner.session).await?;
                let schema = after.schema_differences(&again);
                let data = after.data_differences(&again);
                proven.goes_up_again = schema.is_empty() && (data.is_empty() || given_up);
                certificate.tell(&label, "behind its second up", schema);
                if !given_up {
                    certificate.tell(&label, "behind its second up", data);
                }
            }
            Err(error) => {
                certificate.tell(&label, "on its way down", vec![said(&error)]);
                certificate.migrations.push(proven);
                certificate.finish();
                return Ok(certificate);
            }
        }
        certificate.migrations.push(proven);
    }
    // All the way back: what one migration leaves behind must not stay.
    for _ in &pending.migrations {
        step_down(runner, series, observer).await?;
    }
    let (back, _) = Photograph::of(&mut *runner.session).await?;
    certificate.tell("the whole series", "behind all downs", base.schema_differences(&back));
    // Tables that a migration made had rows of ours, which went with them.
    certificate.tell("the whole series", "behind all downs", base.data_differences(&back));
    certificate.gives_up = gives_up;
    certificate.finish();
    Ok(certificate)
}

/// An error with what the server said.
fn said(error: &RunError) -> String {
    match error {
        RunError::Failed { statement, .. } | RunError::Partial { statement, .. } => {
            format!("{error}: {}", statement.error)
        }
        _ => error.to_string(),
    }
}

type Ran = Vec<(String, Duration)>;

async fn step_up(
    runner: &mut Runner,
    series: &Series,
    observer: &mut dyn Observer,
) -> Result<(u64, Ran), RunError> {
    let plan = runner.plan_up(series, &UpSelection::Steps(1)).await?;
    let begun = Instant::now();
    let mut listener = Listener { inner: observer, statements: Vec::new() };
    runner.up(&plan, &mut listener).await?;
    Ok((millis(begun), listener.statements))
}

async fn step_down(
    runner: &mut Runner,
    series: &Series,
    observer: &mut dyn Observer,
) -> Result<u64, RunError> {
    let plan = runner.plan_down(series, &DownSelection::Steps(1)).await?;
    let begun = Instant::now();
    runner.down(&plan, observer).await?;
    Ok(millis(begun))
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The queries of both releases.
struct Queries<'a> {
    rehearsal: &'a Rehearsal,
    /// How many migrations come before the first contract.
    contract: usize,
    dialect: Dialect,
}

impl Queries<'_> {
    /// Runs those that must work while so many migrations are applied, each in a transaction that is
    /// rolled back.
    async fn run(
        &self,
        runner: &mut Runner,
        applied: usize,
        count: usize,
        certificate: &mut Certificate,
    ) -> Result<(), EngineError> {
        for (release, query) in self.valid(applied, count) {
            let session = &mut *runner.session;
            certificate.queries_run += 1;
            if let Err(error) = self.one(session, &query.text).await {
                if matches!(error, EngineError::Disconnected(_)) {
                    return Err(error);
                }
                let problem = format!(
                    "{} of the {release} release fails: {error}: {}",
                    query.place, query.text
                );
                let when = format!("with {applied} of {count} migrations applied");
                certificate.tell("queries", &when, vec![problem]);
            }
        }
        Ok(())
    }

    /// The queries that must work while so many migrations are applied, with their release.
    fn valid(&self, applied: usize, count: usize) -> Vec<(&'static str, &ReleaseQuery)> {
        let old = applied <= self.contract && applied <= count;
        let new = applied >= self.contract.min(count);
        let old = self.rehearsal.old.iter().filter(|_| old).map(|query| ("old", query));
        let new = self.rehearsal.new.iter().filter(|_| new).map(|query| ("new", query));
        old.chain(new).collect()
    }

    async fn one(&self, session: &mut dyn Session, text: &str) -> Result<(), EngineError> {
        let text = text.trim().trim_end_matches(';');
        // Values of parameters are not known: the server plans the statement, and does not run it.
        let sql = match (self.has_parameters(text), self.dialect) {
            (false, _) => text.to_owned(),
            (true, Dialect::Postgres) => format!("PREPARE downhaul_rehearsal AS {text}"),
            (true, Dialect::Sqlite) => format!("EXPLAIN {text}"),
            (true, dialect) => {
                format!("PREPARE downhaul_rehearsal FROM {}", dialect.literal(text))
            }
        };
        session.begin(LockBudget::default()).await?;
        let result = session.rows(&sql).await;
        session.rollback().await?;
        if sql.starts_with("PREPARE") && result.is_ok() {
            let end = match self.dialect {
                Dialect::Postgres => "DEALLOCATE downhaul_rehearsal",
                _ => "DEALLOCATE PREPARE downhaul_rehearsal",
            };
            session.execute(end).await?;
        }
        result.map(drop)
    }

    fn has_parameters(&self, text: &str) -> bool {
        lex(text, self.dialect).tokens.iter().any(|token| {
            let word = token.span.text(text);
            let mut chars = word.chars();
            match chars.next() {
                Some('$') => chars.next().is_some_and(|c| c.is_ascii_digit()),
                Some('?') => self.dialect != Dialect::Postgres,
                _ => false,
            }
        })
    }
}
