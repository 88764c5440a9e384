//! Repeatable migrations: views, functions and the like, stated whole in one file that runs again
//! whenever its text (or a value in it) has changed, after all versioned ones.
//!
//! Each run is recorded with the newest version that was applied then. So a `down` knows what was
//! stated before: the text of the last run that is not newer than the version to which it returns.
//! That text runs again *before* the versioned downs, since what it states may stand in their way.
//! Where the newer schema does not take it, or nothing was stated before, the views, routines and
//! triggers that the newer text made are dropped instead, and the older text, where there is one,
//! runs after the downs.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use downhaul_engine::{EngineError, Session};
use downhaul_plan::{
    Direction, Series, SourceFile, SourceMigration, TransactionMode, Variables, Version,
};
use downhaul_syntax::{Change, Dialect, ObjectName};

use crate::journal::Journal;
use crate::prepare::Group;
use crate::{Event, Observer, Prepared, RunError, Runner};

/// A repeatable migration that will run.
#[derive(Clone, Debug)]
pub struct PlannedRepeatable {
    /// Its name.
    pub name: String,
    /// Its text, ready to run.
    pub up: Prepared,
    /// It ran before, with another text.
    pub again: bool,
}

/// Where a repeatable migration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatableStatus {
    /// Its name.
    pub name: String,
    /// It never ran, or not since it changed: the next `up` runs it.
    pub pending: bool,
    /// When it ran last.
    pub applied_at: Option<String>,
    /// Its file is gone.
    pub file_missing: bool,
}

/// One run, as the journal has it.
#[derive(Clone, Debug)]
struct Ran {
    name: String,
    /// Hash of tokens, and of bytes and values; empty: what it had made was dropped.
    tokens: String,
    raw: String,
    sql: String,
    /// The newest version that was applied then; empty for none.
    head: String,
    at: String,
}

/// What a `down` does about one repeatable migration.
#[derive(Clone, Debug)]
struct Return {
    /// What stands now.
    now: Prepared,
    /// What shall stand: text and hashes; `None`: nothing.
    then: Option<(Prepared, Ran)>,
}

/// What is left to do after the versioned downs.
pub(crate) struct Later(Vec<(Prepared, Ran)>);

impl Journal {
    async fn has_repeatable(self, session: &mut dyn Session) -> Result<bool, EngineError> {
        let sql = match session.dialect() {
            Dialect::Postgres => "SELECT to_regclass('downhaul.repeatable') IS NOT NULL",
            Dialect::Mysql | Dialect::MariaDb => {
                "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'downhaul_repeatable'"
            }
            Dialect::Sqlite => {
                "SELECT count(*) FROM sqlite_schema WHERE name = 'downhaul_repeatable'"
            }
        };
        Ok(session.row(sql).await?.is_some_and(|row| row.flag(0)))
    }

    /// All runs, oldest first.
    async fn repeatables(self, session: &mut dyn Session) -> Result<Vec<Ran>, EngineError> {
        if !self.has_repeatable(session).await? {
            return Ok(Vec::new());
        }
        let rows = session
            .rows(&format!(
                "SELECT name, tokens, raw, sql_text, head, applied_at FROM {} ORDER BY id",
                self.table("repeatable")
            ))
            .await?;
        Ok(rows
            .iter()
            .map(|row| Ran {
                name: row.text(0).to_owned(),
                tokens: row.text(1).to_owned(),
                raw: row.text(2).to_owned(),
                sql: row.text(3).to_owned(),
                head: row.text(4).to_owned(),
                at: row.text(5).to_owned(),
            })
            .collect())
    }

    async fn ensure_repeatable(self, session: &mut dyn Session) -> Result<(), EngineError> {
        if self.has_repeatable(session).await? {
            return Ok(());
        }
        let (text, tail) = if session.dialect().is_mysql_family() {
            ("longtext", " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        } else {
            ("text", "")
        };
        let table = self.table("repeatable");
        session
            .execute(&format!(
                "CREATE TABLE {table} (id bigint PRIMARY KEY, name {text} NOT NULL, tokens {text} NOT NULL, \
                 raw {text} NOT NULL, sql_text {text} NOT NULL, head {text} NOT NULL, \
                 applied_at {text} NOT NULL, operation bigint NOT NULL){tail}"
            ))
            .await
            .map(drop)
    }

    /// Statement that records a run.
    fn ran(self, ran: &Ran, operation: i64) -> String {
        let table = self.table("repeatable");
        format!(
            "INSERT INTO {table} (id, name, tokens, raw, sql_text, head, applied_at, operation) \
             SELECT coalesce(max(id), 0) + 1, {}, {}, {}, {}, {}, {}, {operation} FROM {table}",
            self.text(&ran.name),
            self.text(&ran.tokens),
            self.text(&ran.raw),
            self.text(&ran.sql),
            self.text(&ran.head),
            self.now(),
        )
    }
}

fn last<'r>(runs: &'r [Ran], name: &str) -> Option<&'r Ran> {
    runs.iter().rfind(|ran| ran.name == name)
}

fn of_text(name: &str, text: &str) -> (SourceMigration, SourceFile) {
    let path = PathBuf::from(format!("journal:{name}.sql"));
    let file = SourceFile::sql(path, text.to_owned(), TransactionMode::Wrapped);
    let migration = SourceMigration {
        version: Version::new(name),
        name: String::new(),
        up: None,
        down: None,
        repeatable: true,
    };
    (migration, file)
}

/// Repeatable migrations whose text is not what ran last. Reads only; without a journal none ever ran.
pub(crate) async fn pending(
    session: &mut dyn Session,
    series: &Series,
    journal: bool,
) -> Result<Vec<PlannedRepeatable>, RunError> {
    let dialect = session.dialect();
    if !journal || !series.migrations.iter().any(|m| m.repeatable) {
        return never_run(series, dialect);
    }
    let runs = Journal::new(dialect).repeatables(session).await?;
    not_as_last(series, &runs, dialect)
}

/// Repeatable migrations, where none ever ran.
pub(crate) fn never_run(
    series: &Series,
    dialect: Dialect,
) -> Result<Vec<PlannedRepeatable>, RunError> {
    not_as_last(series, &[], dialect)
}

fn not_as_last(
    series: &Series,
    runs: &[Ran],
    dialect: Dialect,
) -> Result<Vec<PlannedRepeatable>, RunError> {
    let mut found = Vec::new();
    for migration in series.migrations.iter().filter(|m| m.repeatable) {
        let Some(file) = &migration.up else { continue };
        let variables = series.variables.as_deref();
        let up = Prepared::new(migration, Direction::Up, file, dialect, variables)?;
        let before = last(runs, migration.version.as_str());
        if !before.is_some_and(|ran| ran.is(&up)) {
            refuse_losses(&up, dialect)?;
            let name = migration.version.to_string();
            found.push(PlannedRepeatable { name, up, again: before.is_some() });
        }
    }
    Ok(found)
}

impl Ran {
    /// That text ran, with the values that it has now.
    fn is(&self, up: &Prepared) -> bool {
        // The raw hash carries that of the values; without values, comments do not matter.
        let values = |raw: &str| raw.split_once('+').map(|(_, values)| values.to_owned());
        self.tokens == up.checksum.tokens
            && (values(&self.raw).is_none() && values(&up.checksum.raw).is_none()
                || self.raw == up.checksum.raw)
    }
}

/// A repeatable migration has no restore point, so it must not destroy data.
fn refuse_losses(up: &Prepared, dialect: Dialect) -> Result<(), RunError> {
    let losses = up.losses(&up.statements, dialect);
    match losses.tables.iter().find(|(_, loss)| loss.destroys()) {
        Some((table, _)) => Err(RunError::Syntax {
            path: up.path.clone(),
            line: 1,
            column: 1,
            message: format!(
                "a repeatable migration keeps nothing of what it destroys, and this one changes or destroys data of {table}; do that in a versioned migration, or say `-- downhaul:protect off`"
            ),
        }),
        None => Ok(()),
    }
}

/// Where repeatable migrations stand. Reads only.
pub async fn status(
    session: &mut dyn Session,
    series: &Series,
) -> Result<Vec<RepeatableStatus>, RunError> {
    let journal = Journal::new(session.dialect());
    let runs = if journal.exists(session).await? {
        journal.repeatables(session).await?
    } else {
        Vec::new()
    };
    let (dialect, variables) = (session.dialect(), series.variables.as_deref());
    // A file that `up` will refuse waits too.
    let waits = |migration: &SourceMigration| {
        migration.up.as_ref().is_some_and(|file| {
            let up = Prepared::new(migration, Direction::Up, file, dialect, variables);
            let ran = last(&runs, migration.version.as_str());
            !up.is_ok_and(|up| ran.is_some_and(|ran| ran.is(&up)))
        })
    };
    let mut out: Vec<RepeatableStatus> = series
        .migrations
        .iter()
        .filter(|m| m.repeatable)
        .map(|m| {
            let name = m.version.to_string();
            RepeatableStatus {
                pending: waits(m),
                applied_at: last(&runs, &name).map(|ran| ran.at.clone()),
                file_missing: false,
                name,
            }
        })
        .collect();
    for ran in &runs {
        let known = out.iter().any(|row| row.name == ran.name);
        let stands = last(&runs, &ran.name).filter(|ran| !ran.tokens.is_empty());
        if let (false, Some(ran)) = (known, stands) {
            out.push(RepeatableStatus {
                name: ran.name.clone(),
                pending: false,
                applied_at: Some(ran.at.clone()),
                file_missing: true,
            });
        }
    }
    Ok(out)
}

impl Runner {
    /// Runs repeatable migrations, in order.
    pub(crate) async fn run_repeatables(
        &mut self,
        planned: &[PlannedRepeatable],
        operation: i64,
        completed: usize,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        if planned.is_empty() {
            return Ok(());
        }
        let journal = self.journal;
        journal.ensure_repeatable(&mut *self.session).await?;
        let head = journal.versions(&mut *self.session).await?.pop();
        for (at, repeatable) in planned.iter().enumerate() {
            if self.stop_asked() {
                return Err(RunError::Interrupted { completed: completed + at });
            }
            let label = &repeatable.up.label;
            observer.allow(label, Direction::Up).map_err(|reason| RunError::Vetoed {
                label: label.clone(),
                direction: Direction::Up,
                reason,
                completed: completed + at,
            })?;
            let ran = Ran {
                name: repeatable.name.clone(),
                tokens: repeatable.up.checksum.tokens.clone(),
                raw: repeatable.up.checksum.raw.clone(),
                sql: repeatable.up.text.clone(),
                head: head.as_ref().map_or_else(String::new, ToString::to_string),
                at: String::new(),
            };
            self.state_again(&repeatable.up, &ran, operation, completed + at, observer).await?;
        }
        Ok(())
    }

    /// Runs one text and records it, in one transaction where the engine has such; what is cut off
    /// before the record is run again.
    async fn state_again(
        &mut self,
        prepared: &Prepared,
        ran: &Ran,
        operation: i64,
        completed: usize,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        let begun = Instant::now();
        observer.event(Event::Started {
            label: &prepared.label,
            direction: Direction::Up,
            statements: prepared.statements.len(),
        });
        let mut pause = Duration::from_millis(100);
        loop {
            match self.attempt(prepared, &self.journal.ran(ran, operation)).await {
                Ok(()) => break,
                Err((_, EngineError::LockTimeout(_)))
                    if begun.elapsed() + pause < self.options.lock_retry =>
                {
                    observer.event(Event::Waiting { blockers: &[], pause, queued: true });
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Err((Some(index), error)) => {
                    return Err(RunError::Failed {
                        label: prepared.label.clone(),
                        direction: Direction::Up,
                        completed,
                        statement: prepared.failed(index, error),
                    });
                }
                Err((None, error)) => return Err(error.into()),
            }
        }
        for statement in &prepared.statements {
            observer.event(Event::Statement { sql: statement.shown(), took: Duration::ZERO });
        }
        let took = begun.elapsed();
        observer.event(Event::Done { label: &prepared.label, direction: Direction::Up, took });
        Ok(())
    }

    async fn attempt(
        &mut self,
        prepared: &Prepared,
        record: &str,
    ) -> Result<(), (Option<usize>, EngineError)> {
        let budget = self.options.budget;
        let session = &mut *self.session;
        let groups = prepared.groups.len();
        for (at, group) in prepared.groups.iter().enumerate() {
            match group {
                Group::Single(index) | Group::Batched(index) => {
                    let sql = &prepared.statements[*index].text;
                    session.execute(sql).await.map_err(|error| (Some(*index), error))?;
                }
                Group::Transaction(members) => {
                    session.begin(budget).await.map_err(|error| (None, error))?;
                    let mut failed = None;
                    for index in members {
                        let sql = &prepared.statements[*index].text;
                        if let Err(error) = session.execute(sql).await {
                            failed = Some((Some(*index), error));
                            break;
                        }
                    }
                    if failed.is_none()
                        && at + 1 == groups
                        && let Err(error) = session.execute(record).await
                    {
                        failed = Some((None, error));
                    }
                    match failed {
                        None => session.commit().await.map_err(|error| (None, error))?,
                        Some(failed) => {
                            // The failure is what counts.
                            let _ = session.rollback().await;
                            return Err(failed);
                        }
                    }
                }
            }
        }
        if !matches!(prepared.groups.last(), Some(Group::Transaction(_))) {
            session.execute(record).await.map_err(|error| (None, error))?;
        }
        Ok(())
    }

    /// Before the versioned downs: states again what was stated when `target` was the newest
    /// version, as far as the schema takes it now.
    pub(crate) async fn return_repeatables(
        &mut self,
        variables: Option<&Variables>,
        target: Option<&Version>,
        operation: i64,
        observer: &mut dyn Observer,
    ) -> Result<Later, RunError> {
        let runs = self.journal.repeatables(&mut *self.session).await?;
        let mut later = Vec::new();
        let mut names: Vec<&str> = runs.iter().map(|ran| ran.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        // What depends on others stands behind them.
        for name in names.into_iter().rev() {
            let Some(back) = self.return_of(variables, &runs, name, target)? else { continue };
            let head = target.map_or_else(String::new, ToString::to_string);
            if let Some((then, ran)) = &back.then {
                let ran = Ran { head: head.clone(), ..ran.clone() };
                match self.attempt(then, &self.journal.ran(&ran, operation)).await {
                    Ok(()) => {
                        observer.event(Event::Note(&format!(
                            "repeatable {name}: stated again as it was before"
                        )));
                        continue;
                    }
                    // The newer schema does not take it.
                    Err((Some(_), EngineError::Statement(_))) => {}
                    Err((_, error)) => return Err(error.into()),
                }
            }
            let nothing = Ran {
                name: name.to_owned(),
                tokens: String::new(),
                raw: String::new(),
                sql: String::new(),
                head: head.clone(),
                at: String::new(),
            };
            self.drop_made(&back.now, &nothing, operation).await?;
            observer.event(Event::Note(&format!("repeatable {name}: what it had made is dropped")));
            if let Some((then, ran)) = back.then {
                later.push((then, Ran { head, ..ran }));
            }
        }
        later.reverse();
        Ok(Later(later))
    }

    /// After the versioned downs: states again what could not be stated before them.
    pub(crate) async fn return_later(
        &mut self,
        later: Later,
        operation: i64,
        completed: usize,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        for (prepared, ran) in later.0 {
            self.state_again(&prepared, &ran, operation, completed, observer).await?;
        }
        Ok(())
    }

    fn return_of(
        &self,
        variables: Option<&Variables>,
        runs: &[Ran],
        name: &str,
        target: Option<&Version>,
    ) -> Result<Option<Return>, RunError> {
        let newer = |ran: &Ran| {
            !ran.head.is_empty() && target.is_none_or(|t| Version::new(ran.head.as_str()) > *t)
        };
        let Some(now) = last(runs, name).filter(|ran| !ran.tokens.is_empty() && newer(ran)) else {
            return Ok(None);
        };
        let dialect = self.session.dialect();
        let prepare = |text: &str| {
            let (migration, file) = of_text(name, text);
            Prepared::new(&migration, Direction::Up, &file, dialect, variables)
        };
        let then = runs.iter().rfind(|ran| ran.name == name && !newer(ran));
        let then = match then.filter(|ran| !ran.tokens.is_empty()) {
            Some(ran) => Some((prepare(&ran.sql)?, ran.clone())),
            None => None,
        };
        Ok(Some(Return { now: prepare(&now.sql)?, then }))
    }

    /// Drops the views, routines and triggers that a text makes, the last one first.
    async fn drop_made(
        &mut self,
        prepared: &Prepared,
        nothing: &Ran,
        operation: i64,
    ) -> Result<(), RunError> {
        let dialect = self.session.dialect();
        let (budget, record) = (self.options.budget, self.journal.ran(nothing, operation));
        let session = &mut *self.session;
        session.begin(budget).await?;
        let mut result = Ok(());
        for statement in prepared.statements.iter().rev() {
            for sql in statement.changes().iter().filter_map(|change| undo(change, dialect)) {
                if result.is_ok() {
                    result = session.execute(&sql).await.map(drop);
                }
            }
        }
        if result.is_ok() {
            result = session.execute(&record).await.map(drop);
        }
        match result {
            Ok(()) => Ok(session.commit().await?),
            Err(error) => {
                let _ = session.rollback().await;
                Err(error.into())
            }
        }
    }
}

/// What drops the object that a change makes.
fn undo(change: &Change, dialect: Dialect) -> Option<String> {
    let quoted = |name: &ObjectName| dialect.quote_name(name);
    match change {
        Change::CreateView { name, materialized, .. } => {
            let kind = if *materialized { "MATERIALIZED VIEW" } else { "VIEW" };
            Some(format!("DROP {kind} IF EXISTS {}", quoted(name)))
        }
        Change::CreateRoutine { def, .. } => {
            let kind = match def.kind {
                downhaul_syntax::RoutineKind::Function => "FUNCTION",
                downhaul_syntax::RoutineKind::Procedure => "PROCEDURE",
                downhaul_syntax::RoutineKind::Aggregate => "AGGREGATE",
            };
            let args = if dialect == Dialect::Postgres {
                format!("({})", def.args.join(", "))
            } else {
                String::new()
            };
            Some(format!("DROP {kind} IF EXISTS {}{args}", quoted(&def.name)))
        }
        Change::CreateTrigger { def, .. } => {
            let trigger = dialect.quote(&def.name);
            Some(match dialect {
                Dialect::Postgres => {
                    format!("DROP TRIGGER IF EXISTS {trigger} ON {}", quoted(&def.table))
                }
                _ => format!("DROP TRIGGER IF EXISTS {trigger}"),
            })
        }
        _ => None,
    }
}
