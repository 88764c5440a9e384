//! Small migrations on SQLite, many in one transaction.
//!
//! What a migration costs there beside its own statements is mostly its commit: a journal file is made,
//! filled, synchronised and removed, for every one. So several share one. All of them are in the file or
//! none, so a kill leaves each of them whole, as if every one had been a transaction of its own; and
//! nothing is told of any before all are committed. Where one fails, for whatever reason, all are rolled
//! back: those before it go together again, and it goes by itself, as any other does: there it waits for
//! locks, and tells why it cannot go on.
//!
//! SQLite has one writer. Whoever else wants to write waits as long as the transaction lasts, so it ends
//! soon, whatever the migrations do: no further one begins after [`AIM`], what is still at work at
//! [`LIMIT`] is interrupted and goes by itself, and afterwards others have their turn.

use std::time::{Duration, Instant};

use downhaul_engine::{EngineError, LockBudget};
use downhaul_plan::{Direction, Version};
use downhaul_snapshot::Losses;
use downhaul_syntax::{Change, Dialect, Parsed, Statement};

use super::transaction::{Ground, Whole, foreign_keys_must_be_off, within};
use super::{Applied, Stop, Work};
use crate::observer::Recorder;
use crate::{Event, Observer, RunError, Runner};

/// How long a transaction may last before no other migration begins in it.
const AIM: Duration = Duration::from_millis(100);

/// How long it may last in all.
const LIMIT: Duration = Duration::from_millis(300);

/// After so much work others have [`REST`] for themselves.
const SHIFT: Duration = Duration::from_secs(1);

/// Longer than the longest time between two looks of one who waits for the file: SQLite's own waiting
/// (`sqlite3_busy_timeout`) sleeps 100 ms.
const REST: Duration = Duration::from_millis(110);

/// What it destroys, if it can be in a transaction with others: all that it does is known, is undone
/// with it, and is checked before the commit.
fn fitting(work: &Work<'_>) -> Option<Losses> {
    let prepared = work.prepared;
    let undone = |change: &Change| {
        !matches!(change, Change::Transaction { .. } | Change::SetVariable { .. })
    };
    let known = |statement: &Statement| match &statement.parsed {
        Parsed::Changes(changes) => {
            !changes.is_empty()
                && changes.iter().all(undone)
                && !statement.text.to_ascii_lowercase().contains("deferred")
        }
        _ => false,
    };
    let fits = prepared.is_transactional()
        && work.points.is_empty()
        && prepared.statements.iter().all(known);
    let losses = prepared.losses(&prepared.statements, Dialect::Sqlite);
    (fits && !foreign_keys_must_be_off(work, &losses)).then_some(losses)
}

/// Runs as many of the first of these migrations together as can be. Returns what they did: nothing
/// where the first one has to go by itself.
pub(super) async fn together(
    runner: &mut Runner,
    works: &[Work<'_>],
    observer: &mut dyn Observer,
) -> Result<Vec<Applied>, RunError> {
    let pieces: Vec<(&Work<'_>, Losses)> =
        works.iter().map_while(|work| Some((work, fitting(work)?))).collect();
    // One alone gains nothing.
    if pieces.len() < 2 || !begin(runner, &works[..pieces.len()]).await? {
        return Ok(Vec::new());
    }
    let begun = Instant::now();
    let mut told = Recorder::default();
    let mut done: Vec<Applied> = Vec::with_capacity(pieces.len());
    runner.session.work_until(Some(begun + LIMIT)).await?;
    let mut result = Ok(());
    for (work, losses) in &pieces {
        match one(runner, work, losses, &mut told).await {
            Ok(applied) => done.push(applied),
            Err(stop) => {
                result = Err(stop);
                break;
            }
        }
        if begun.elapsed() >= AIM || runner.stop_asked() {
            break;
        }
    }
    runner.session.work_until(None).await?;
    let well = match result {
        Err(Stop::Engine(EngineError::Disconnected(why))) => {
            return Err(EngineError::Disconnected(why).into());
        }
        // What was interrupted may have gone on without what it asked for.
        Ok(()) if begun.elapsed() < LIMIT => {
            let committed = runner.session.commit().await;
            if committed.is_err() {
                runner.pace.failed();
            }
            committed.is_ok()
        }
        Ok(()) => {
            runner.pace.failed_behind(done.len().saturating_sub(1));
            false
        }
        Err(_) => {
            runner.pace.failed_behind(done.len());
            false
        }
    };
    if !well {
        // After an error that has rolled back already this is harmless.
        runner.session.rollback().await?;
        return Ok(Vec::new());
    }
    runner.pace.went_well(done.len(), begun.elapsed());
    told.tell(observer);
    if runner.pace.is_over(SHIFT, begun.elapsed()) {
        tokio::time::sleep(REST).await;
    }
    Ok(done)
}

/// Opens the transaction; false where they cannot go together. Nobody waits here: the migration that
/// goes by itself does, with all that belongs to it.
async fn begin(runner: &mut Runner, works: &[Work<'_>]) -> Result<bool, EngineError> {
    let budget = LockBudget { lock_timeout: Duration::ZERO, ..runner.options.budget };
    let versions: Vec<&Version> = works.iter().map(|work| work.version).collect();
    let question = format!(
        "SELECT (SELECT count(*) FROM {} WHERE version IN ({})), EXISTS (SELECT 1 FROM pragma_table_info('downhaul_tracked')), \
           EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%deferred%' AND name NOT LIKE 'downhaul\\_%' ESCAPE '\\')",
        runner.journal.table("migration"),
        runner.journal.list(&versions)
    );
    // The commit may wait for readers as any other does.
    let patience =
        format!("PRAGMA busy_timeout = {}", runner.options.budget.lock_timeout.as_millis());
    let answers = match runner.session.begin_with(budget, &[&question, &patience], "").await {
        Ok(answers) => answers,
        Err(EngineError::Disconnected(why)) => return Err(EngineError::Disconnected(why)),
        Err(_) => {
            runner.session.rollback().await?;
            runner.pace.failed();
            return Ok(false);
        }
    };
    let (recorded, apart) = match answers.first() {
        Some(answer) => (usize::try_from(answer.number(0)?).ok(), answer.flag(1) || answer.flag(2)),
        None => (None, true),
    };
    let up = works.iter().all(|work| work.prepared.direction == Direction::Up);
    if apart {
        // Each state that a tracked table was in has a transaction of its own, and so has what deferred
        // foreign keys are to hold for.
        runner.pace.never();
    } else if recorded == Some(if up { 0 } else { works.len() }) {
        return Ok(true);
    } else {
        // Somebody else was here.
        runner.pace.failed();
    }
    runner.session.rollback().await?;
    Ok(false)
}

/// One migration, within the transaction, up to its end in the journal.
async fn one(
    runner: &mut Runner,
    work: &Work<'_>,
    losses: &Losses,
    observer: &mut dyn Observer,
) -> Result<Applied, Stop> {
    let prepared = work.prepared;
    let (label, direction) = (prepared.label.as_str(), prepared.direction);
    let started = Instant::now();
    observer.event(Event::Started { label, direction, statements: prepared.statements.len() });
    for note in &prepared.notes {
        observer.event(Event::Note(note));
    }
    let members: Vec<usize> = (0..prepared.statements.len()).collect();
    let plan = (members.as_slice(), Whole::Yes, false);
    let ran = within(runner, work, plan, losses, Ground::default(), observer).await?;
    runner.session.execute(&ran.records.join("; ")).await?;
    for note in &ran.notes {
        observer.event(Event::Note(note));
    }
    observer.event(Event::Done { label, direction, took: started.elapsed() });
    Ok(ran.applied)
}
