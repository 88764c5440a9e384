//! A migration that no single transaction can hold.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use downhaul_engine::{EngineError, LockBudget, Session};
use downhaul_plan::Direction;
use downhaul_snapshot::SnapshotError;
use downhaul_syntax::{Change, Dialect, Statement};

use super::transaction::{Whole, transaction};
use super::{Applied, Work, gives_way};
use crate::journal::{JournalEntry, MigrationState};
use crate::patience::{Cause, Lookout, Patience, blame};
use crate::prepare::{Group, Prepared};
use crate::{Event, Observer, RunError, Runner, backfill, probe};

/// Runs a migration that no single transaction can hold, group by group, going on where an earlier
/// run was cut off.
pub(super) async fn in_groups(
    runner: &mut Runner,
    work: &Work<'_>,
    completed: usize,
    observer: &mut dyn Observer,
) -> Result<Applied, RunError> {
    let (journal, prepared) = (runner.journal, work.prepared);
    let direction = prepared.direction;
    let earlier = journal.half_done(&mut *runner.session, work.version, direction).await?;
    for (ordinal, text, _) in &earlier {
        let same = prepared.statements.get(ordinal - 1).is_some_and(|s| s.text == *text);
        if !same {
            return Err(RunError::EditedHalfway {
                label: prepared.label.clone(),
                done: earlier.iter().filter(|step| step.2).count(),
                total: prepared.statements.len(),
            });
        }
    }
    if earlier.is_empty() {
        check_singles(runner, prepared)?;
    }
    let begin = match direction {
        Direction::Up if journal.has(&mut *runner.session, work.version).await? => {
            journal.set_state(work.version, MigrationState::Applying)
        }
        Direction::Up => {
            let entry = JournalEntry { state: MigrationState::Applying, ..work.entry.clone() };
            journal.record(&entry, work.operation, 0)
        }
        Direction::Down => journal.set_state(work.version, MigrationState::Reverting),
    };
    runner.session.execute(&begin).await?;
    let mut done: BTreeSet<usize> = earlier.iter().filter(|s| s.2).map(|s| s.0).collect();
    let intended: BTreeSet<usize> = earlier.iter().filter(|s| !s.2).map(|s| s.0).collect();
    let mut applied = Applied::default();
    for (position, group) in prepared.groups.iter().enumerate() {
        let last = position + 1 == prepared.groups.len();
        let failed = match group {
            Group::Transaction(members) => {
                if members.iter().all(|i| done.contains(&(i + 1))) {
                    continue;
                }
                match transaction(runner, work, members, Whole::Group { last }, completed, observer)
                    .await
                {
                    Ok(part) => {
                        applied.extend(part);
                        done.extend(members.iter().map(|i| i + 1));
                        continue;
                    }
                    Err(RunError::Failed { statement, .. }) => (members[0] + 1, statement),
                    Err(error) => return Err(error),
                }
            }
            Group::Batched(index) => {
                let ordinal = index + 1;
                if done.contains(&ordinal) {
                    continue;
                }
                match batched(runner, work, *index, observer).await {
                    Ok(backfill::End::Done { .. }) => {
                        done.insert(ordinal);
                        continue;
                    }
                    Ok(backfill::End::Stopped) => return Err(RunError::Interrupted { completed }),
                    Err(EngineError::Disconnected(reason)) => {
                        return Err(EngineError::Disconnected(reason).into());
                    }
                    Err(error) => (ordinal, prepared.failed(*index, error)),
                }
            }
            Group::Single(index) => {
                let ordinal = index + 1;
                if done.contains(&ordinal) {
                    continue;
                }
                match single(runner, work, *index, intended.contains(&ordinal), observer).await {
                    Ok(()) => {
                        done.insert(ordinal);
                        continue;
                    }
                    Err(
                        Unfinished::Failed(EngineError::Disconnected(reason))
                        | Unfinished::NotCleaned(EngineError::Disconnected(reason)),
                    ) => return Err(EngineError::Disconnected(reason).into()),
                    Err(Unfinished::Failed(error)) => (ordinal, prepared.failed(*index, error)),
                    // The journal goes on saying that it was begun: the next run cleans up.
                    Err(Unfinished::NotCleaned(error)) => {
                        let statement = prepared.failed(*index, error);
                        let label = prepared.label.clone();
                        return Err(RunError::Partial { label, direction, ordinal, statement });
                    }
                }
            }
        };
        let (ordinal, statement) = failed;
        if done.is_empty() {
            // Nothing has taken effect: the journal says so again.
            let back = match direction {
                Direction::Up => journal.forget(work.version),
                Direction::Down => journal.set_state(work.version, MigrationState::Applied),
            };
            let settle = journal.settle_steps(work.version, direction, None);
            runner.session.execute(&format!("{back}; {settle}")).await?;
            return Err(RunError::Failed {
                label: prepared.label.clone(),
                direction,
                completed,
                statement,
            });
        }
        return Err(RunError::Partial {
            label: prepared.label.clone(),
            direction,
            ordinal,
            statement,
        });
    }
    if !matches!(prepared.groups.last(), Some(Group::Transaction(_))) && !work.points.is_empty() {
        let last = Whole::Group { last: true };
        applied.extend(transaction(runner, work, &[], last, completed, observer).await?);
    }
    let finish = match direction {
        Direction::Up => journal.set_state(work.version, MigrationState::Applied),
        Direction::Down => journal.forget(work.version),
    };
    let settle = journal.settle_steps(work.version, direction, None);
    // Both at once: an implicit transaction of one message (PostgreSQL manual §55.2.2.1).
    runner.session.begin(runner.options.budget).await?;
    runner.session.execute(&format!("{finish}; {settle}")).await?;
    runner.session.commit().await?;
    Ok(applied)
}

/// Why a statement outside of a transaction did not come to its end.
enum Unfinished {
    /// Nothing of it is left.
    Failed(EngineError),
    /// What it left, an INVALID index, could not be taken away: the disk is full, say.
    NotCleaned(EngineError),
}

impl From<EngineError> for Unfinished {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

/// Refuses, before anything has run, what would commit by itself and destroy what nobody kept; and
/// what would hold others up for longer than the budget, which behind a pooler cannot be set.
fn check_singles(runner: &Runner, prepared: &Prepared) -> Result<(), RunError> {
    if runner.session.dialect() != Dialect::Postgres {
        return Ok(());
    }
    let protect = runner.options.protect
        && !prepared.losses(&prepared.statements, Dialect::Postgres).all_given_up;
    let pooled = runner.session.server().pooled;
    let singles = prepared.groups.iter().filter_map(|group| match group {
        Group::Single(index) => Some(&prepared.statements[*index]),
        Group::Transaction(_) | Group::Batched(_) => None,
    });
    for statement in singles {
        let destroys = statement.changes().iter().any(|change| {
            matches!(change, Change::Call { .. } | Change::Do { .. } | Change::DropDatabase { .. })
        });
        let why = if protect && destroys {
            "a statement that commits by itself may destroy rows, and no restore point can be made for it; write the batches as plain SQL, or say `-- downhaul:protect off` in the file that nothing needs to be kept"
        } else if pooled && !blocks_nobody(statement) {
            "a statement outside a transaction would wait for its locks without a limit, for behind a pooler a session cannot be given one; connect to the server itself for this migration"
        } else {
            continue;
        };
        let first = statement.shown().lines().next().unwrap_or_default();
        return Err(RunError::Refused {
            label: prepared.label.clone(),
            direction: prepared.direction,
            reason: SnapshotError::CannotRestore(format!("`{first}`: {why}")),
        });
    }
    Ok(())
}

/// Whether a statement runs beside reads and writes, so that nobody queues behind it however long it
/// waits itself.
fn blocks_nobody(statement: &Statement) -> bool {
    statement.changes().iter().any(|change| {
        matches!(
            change,
            Change::CreateIndex { concurrently: true, .. }
                | Change::DropIndex { concurrently: true, .. }
                | Change::Reindex { concurrently: true, .. }
                | Change::DetachPartition { concurrently: true, .. }
                | Change::CreateDatabase { .. }
        ) || matches!(change, Change::Vacuum { full: false, .. })
    })
}

/// Runs a statement outside any transaction, within the budget for locks. What runs concurrently
/// waits for old transactions, which blocks nobody, and so may take its time.
async fn within_budget(
    session: &mut dyn Session,
    statement: &Statement,
    budget: LockBudget,
) -> Result<(), EngineError> {
    if session.dialect() != Dialect::Postgres {
        return session.execute(&statement.text).await.map(drop);
    }
    let concurrent = blocks_nobody(statement);
    if session.server().pooled {
        // A SET would reach whoever gets this server session next.
        return session.execute(&statement.text).await.map(drop);
    }
    let lock = if concurrent { 0 } else { budget.lock_timeout.as_millis() };
    let limit = budget.statement_timeout.map_or(0, |limit| limit.as_millis());
    session.execute(&format!("SET lock_timeout = {lock}; SET statement_timeout = {limit}")).await?;
    let result = session.execute(&statement.text).await.map(drop);
    if !matches!(result, Err(EngineError::Disconnected(_))) {
        session.execute("RESET lock_timeout; RESET statement_timeout").await?;
    }
    result
}

/// Runs a backfill's `UPDATE` in batches, and records it as done with the last one.
async fn batched(
    runner: &mut Runner,
    work: &Work<'_>,
    index: usize,
    observer: &mut dyn Observer,
) -> Result<backfill::End, EngineError> {
    let (journal, prepared) = (runner.journal, work.prepared);
    let statement = &prepared.statements[index];
    let begun = Instant::now();
    let at = (work.version, prepared.direction);
    runner.counted.anything();
    let end = backfill::run(runner, at, index, &prepared.statements, observer).await?;
    if let backfill::End::Done { close } = &end {
        let took = begun.elapsed();
        let step = [(index + 1, statement.text.as_str(), took.as_millis())];
        let record = journal.steps(work.operation, work.version, prepared.direction, &step, "done");
        let record = record.map(|record| format!("; {record}")).unwrap_or_default();
        let budget = runner.options.for_the_journal();
        runner.session.transact(budget, &format!("{close}{record}")).await?;
        observer.event(Event::Statement { sql: &statement.text, took });
    }
    Ok(end)
}

/// Runs one statement outside any transaction: recorded as intended before, as done after.
async fn single(
    runner: &mut Runner,
    work: &Work<'_>,
    index: usize,
    was_intended: bool,
    observer: &mut dyn Observer,
) -> Result<(), Unfinished> {
    let (journal, prepared) = (runner.journal, work.prepared);
    runner.counted.anything();
    let statement = &prepared.statements[index];
    let ordinal = index + 1;
    let started = Instant::now();
    let options = runner.options.clone();
    let needs = prepared.locks_of(&[index]);
    let cause = Cause { operation: work.operation, version: work.version };
    let mut told = false;
    while was_intended
        && probe::still_running(&mut *runner.session, statement).await?
        && started.elapsed() < options.lock_retry
    {
        if !std::mem::replace(&mut told, true) {
            observer.event(Event::Note(
                "the server still works on this statement for a run that was cut off; waiting for it",
            ));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let lookout = Lookout::new(runner);
    let session = &mut *runner.session;
    let took_effect = was_intended && probe::took_effect(session, statement).await?;
    if was_intended {
        observer.event(Event::Note(&format!(
            "an earlier run was cut off in statement {ordinal}: it {}",
            if took_effect { "had taken effect" } else { "had not taken effect and is run again" }
        )));
    }
    let intend = journal
        .steps(
            work.operation,
            work.version,
            prepared.direction,
            &[(ordinal, statement.shown(), 0)],
            "intended",
        )
        .unwrap_or_default();
    session.execute(&intend).await?;
    let begun = Instant::now();
    if !took_effect {
        let invalid = probe::invalid_indexes(session, statement).await?;
        let mut patience = Patience::new();
        let result = loop {
            if !blocks_nobody(statement) {
                patience.clear_way(runner, &needs, cause, observer).await?;
            }
            let session = &mut *runner.session;
            let run = within_budget(session, statement, options.budget);
            let result = match lookout.while_told(run, observer).await {
                Ok(()) => probe::check_valid(session, statement, &invalid).await,
                Err(error) => Err(error),
            };
            let Err(error) = result else { break Ok(()) };
            if !gives_way(&error) {
                break Err(error);
            }
            probe::clean_up(session, statement, &invalid).await.map_err(Unfinished::NotCleaned)?;
            let blockers = lookout.blockers(session, &needs).await;
            if !patience.again(session, journal, &options, &blockers, cause, observer).await? {
                break Err(blame(error, &blockers));
            }
        };
        let session = &mut *runner.session;
        if let Err(error) = result {
            if !matches!(error, EngineError::Disconnected(_)) {
                probe::clean_up(session, statement, &invalid)
                    .await
                    .map_err(Unfinished::NotCleaned)?;
                session
                    .execute(&journal.finish_step(
                        work.operation,
                        work.version,
                        prepared.direction,
                        ordinal,
                        "failed",
                        begun.elapsed().as_millis(),
                    ))
                    .await?;
            }
            return Err(error.into());
        }
    }
    let took = begun.elapsed();
    runner
        .session
        .execute(&journal.finish_step(
            work.operation,
            work.version,
            prepared.direction,
            ordinal,
            "done",
            took.as_millis(),
        ))
        .await?;
    observer.event(Event::Statement { sql: statement.shown(), took });
    Ok(())
}
