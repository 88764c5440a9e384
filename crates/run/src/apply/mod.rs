//! One migration in one direction: protect, run, restore, record.

mod back;
mod dependents;
mod groups;
mod locks;
mod one_commit;
mod together;
mod transaction;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use downhaul_engine::{Blocker, EngineError};
use downhaul_plan::Version;
use downhaul_snapshot::restore::Restored;
use downhaul_snapshot::{Kept, KeptMode, SnapshotError};
use downhaul_syntax::Dialect;

pub(crate) use back::{Strict, run_completions, substitute};
use groups::in_groups;
pub(crate) use together::{Pace, together};
use transaction::{Whole, transaction};

use crate::journal::{JournalEntry, RestorePoint};
use crate::patience::blame;
use crate::prepare::Prepared;
use crate::{Event, Observer, RunError, Runner, stepwise};

/// What was kept of one table, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSummary {
    /// The table.
    pub table: String,
    /// "table", "columns phone, marketing_opt_in", "rows", "rows and changed values of email".
    pub what: String,
    /// Rows kept.
    pub rows: u64,
}

impl KeptSummary {
    /// Describes what was kept.
    #[must_use]
    pub fn of(kept: &Kept) -> Self {
        let names = |columns: Vec<&downhaul_snapshot::KeptColumn>| {
            columns.iter().map(|c| c.name.to_string()).collect::<Vec<_>>().join(", ")
        };
        let lost: Vec<_> = kept.lost_columns().collect();
        let changed: Vec<_> = kept.changed_columns().collect();
        let what = if kept.mode == KeptMode::Tombstone {
            "the whole table, set aside".to_owned()
        } else if kept.mode == KeptMode::Hidden {
            format!("column {}, renamed out of the way", names(lost))
        } else if kept.after.is_none() {
            "the whole table".to_owned()
        } else {
            let mut parts = Vec::new();
            match kept.rows_gone {
                0 => {}
                gone if gone == kept.rows => parts.push("deleted rows".to_owned()),
                gone => parts.push(format!("{gone} deleted rows")),
            }
            if !lost.is_empty() {
                parts.push(format!("column {}", names(lost)));
            }
            if !changed.is_empty() {
                parts.push(format!("old values of {}", names(changed)));
            }
            parts.join(", ")
        };
        Self { table: kept.table.to_string(), what, rows: kept.rows }
    }
}

/// What running one migration did.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Kept before it was destroyed.
    pub kept: Vec<KeptSummary>,
    /// Put back.
    pub restored: Vec<Restored>,
    /// Parts of the schema that Downhaul put back because the file forgot them.
    pub completed: Vec<String>,
    /// Parts of the schema that differ from what they were, and were left.
    pub left: Vec<String>,
    /// Somebody else had done it already.
    pub skipped: bool,
}

impl Applied {
    /// Adds what a later part did.
    pub(crate) fn extend(&mut self, part: Self) {
        self.kept.extend(part.kept);
        self.restored.extend(part.restored);
        self.completed.extend(part.completed);
        self.left.extend(part.left);
    }
}

/// One direction of one migration, and what the journal needs to know of it.
pub(crate) struct Work<'a> {
    pub(crate) version: &'a Version,
    pub(crate) prepared: &'a Prepared,
    /// What is recorded once an up is applied.
    pub(crate) entry: JournalEntry,
    pub(crate) operation: i64,
    /// What the run in the other direction kept, newest first.
    pub(crate) points: Vec<RestorePoint>,
}

impl Work<'_> {
    /// Tells of a migration that went with others, once it is committed: how long its statements took,
    /// and what was kept of it among all ([`Journal::kept_since`](crate::Journal)).
    pub(crate) fn tell(
        &self,
        steps: &[Duration],
        kept: &[(Version, String, u64)],
        observer: &mut dyn Observer,
    ) -> Applied {
        let prepared = self.prepared;
        let (label, direction) = (&prepared.label, prepared.direction);
        observer.event(Event::Started { label, direction, statements: prepared.statements.len() });
        for note in &prepared.notes {
            observer.event(Event::Note(note));
        }
        for (statement, took) in prepared.statements.iter().zip(steps) {
            observer.event(Event::Statement { sql: statement.shown(), took: *took });
        }
        let own = kept.iter().filter(|(version, ..)| version == self.version);
        let own = own.map(|(_, table, rows)| KeptSummary {
            table: table.clone(),
            what: "deleted rows".into(),
            rows: *rows,
        });
        let kept: Vec<KeptSummary> = own.collect();
        for summary in &kept {
            observer.event(Event::Kept(summary));
        }
        observer.event(Event::Done { label, direction, took: steps.iter().sum() });
        Applied { kept, ..Applied::default() }
    }
}

/// What must be put in the place of a statement, or left as it is.
pub(crate) enum Substitute {
    None,
    Instead(Vec<String>),
}

/// Why an attempt ended.
pub(crate) enum Stop {
    /// The server refused statement `index`.
    Statement(usize, EngineError),
    /// The restore point is not sound.
    Snapshot(SnapshotError),
    /// Anything else of the database.
    Engine(EngineError),
}

impl Stop {
    /// The error, where another session was in the way.
    pub(crate) fn lock_error(&self) -> Option<&EngineError> {
        match self {
            Self::Statement(_, error) | Self::Engine(error) if gives_way(error) => Some(error),
            _ => None,
        }
    }

    /// Why the server, or the snapshot manager, would not: where trying again would end the same way.
    pub(crate) fn refusal(&self) -> Option<String> {
        match self {
            Self::Snapshot(error) => Some(error.to_string()),
            Self::Statement(_, error) | Self::Engine(error) => match error {
                EngineError::Statement(failure)
                    if !error.was_cancelled() && !error.disk_is_full() && !gives_way(error) =>
                {
                    Some(failure.message.clone())
                }
                _ => None,
            },
        }
    }

    /// Adds who was in the way.
    pub(crate) fn blame(self, blockers: &[Blocker]) -> Self {
        match self {
            Self::Statement(index, error) => Self::Statement(index, blame(error, blockers)),
            Self::Engine(error) => Self::Engine(blame(error, blockers)),
            other => other,
        }
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<SnapshotError> for Stop {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Engine(error) => Self::Engine(error),
            error => Self::Snapshot(error),
        }
    }
}

/// Runs one direction of one migration to its end, whatever its groups.
pub(crate) async fn run(
    runner: &mut Runner,
    work: &Work<'_>,
    completed: usize,
    observer: &mut dyn Observer,
) -> Result<Applied, RunError> {
    let prepared = work.prepared;
    let started = Instant::now();
    observer.event(Event::Started {
        label: &prepared.label,
        direction: prepared.direction,
        statements: prepared.statements.len(),
    });
    for note in &prepared.notes {
        observer.event(Event::Note(note));
    }
    let result = if !runner.session.dialect().has_transactional_ddl() {
        stepwise::run(runner, work, completed, observer).await
    } else if prepared.is_transactional() {
        let members: Vec<usize> = (0..prepared.statements.len()).collect();
        transaction(runner, work, &members, Whole::Yes, completed, observer).await
    } else {
        in_groups(runner, work, completed, observer).await
    };
    let applied = match result {
        Err(error) if runner.options.cancel.load(Ordering::Relaxed) => {
            return Err(cancelled(error, prepared.statements.len()));
        }
        Err(error @ RunError::Unmarked { .. }) => {
            let took = started.elapsed();
            observer.event(Event::Done {
                label: &prepared.label,
                direction: prepared.direction,
                took,
            });
            return Err(error);
        }
        result => result?,
    };
    let pooled = runner.session.server().pooled;
    if prepared.changes_settings && runner.session.dialect() == Dialect::Postgres && !pooled {
        // A SET without LOCAL would reach the next migration.
        runner.session.reset_settings().await?;
    }
    let took = started.elapsed();
    observer.event(Event::Done { label: &prepared.label, direction: prepared.direction, took });
    Ok(applied)
}

/// A statement that was ended because that was asked for has not failed.
fn cancelled(error: RunError, total: usize) -> RunError {
    match error {
        RunError::Failed { completed, statement, .. } if statement.error.was_cancelled() => {
            RunError::Interrupted { completed }
        }
        RunError::Partial { label, direction, ordinal, statement }
            if statement.error.was_cancelled() =>
        {
            RunError::Halted { label, direction, done: ordinal.saturating_sub(1), total }
        }
        error => error,
    }
}

/// Another session was in the way: a lock was not to be had, or one of two had to give way.
pub(crate) fn gives_way(error: &EngineError) -> bool {
    let Some(failure) = error.failure() else { return false };
    match failure.code.as_deref() {
        // MariaDB now and then finds that a default refers to its own column while two columns change names
        // (seen once in some hundreds of runs, under load, beside writers). Nothing has changed then, and the same
        // statement goes through the next time.
        Some("4029") => failure.sql.matches("RENAME COLUMN").count() > 1,
        _ => error.is_contention(),
    }
}

#[cfg(test)]
mod tests {
    use downhaul_engine::{EngineError, StatementFailure};

    use super::gives_way;

    #[test]
    fn who_gives_way_tries_again() {
        let failed = |code: &str, sql: &str| {
            EngineError::Statement(StatementFailure {
                message: String::new(),
                code: Some(code.to_owned()),
                detail: None,
                position: None,
                sql: sql.to_owned(),
            })
        };
        let swap = "ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a";
        assert!(gives_way(&failed("40P01", "LOCK TABLE t")));
        assert!(gives_way(&failed("4029", swap)));
        assert!(!gives_way(&failed("4029", "ALTER TABLE t ADD COLUMN a int DEFAULT (a)")));
        assert!(!gives_way(&failed("1060", swap)));
    }
}
