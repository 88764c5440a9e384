//! One migration in one direction on an engine without transactional DDL (MySQL, MariaDB).
//!
//! A run of DML statements is one transaction, journal rows and kept data included. Any other
//! statement commits by itself and whatever came before it; so it is recorded as intended with
//! what the objects that it names look like, as started within a transaction that its implicit
//! commit ends, and as done. After a kill the journal therefore tells whether it was ever sent, and
//! the catalog whether it took effect. What it destroys is copied under a table lock that is held
//! from before the copy until after the statement.
//!
//! Where all of a migration is one run of DML that destroys nothing, or a few rows by plain deletions,
//! that transaction holds the whole of it ([`at_once`]).
//!
//! Restore points are `open` while their migration runs and `held` once it is whole. On the way back
//! the groups of a migration are given back one after the other, the last one first; a point whose
//! data has gone back is `returned` until everything has.

mod aside;
mod at_once;
mod back;
mod brief;
mod definition;
mod doubt;
mod record;
mod rows;
mod signs;
mod together;
mod trace;
mod tracked;

use at_once::AtOnce;
use downhaul_engine::{EngineError, SchemaDump, StatementFailure};
use downhaul_plan::Direction;
use downhaul_snapshot::restore::Held;
use downhaul_snapshot::{Kept, KeptMode, Losses, SnapshotError, stepwise};
use downhaul_syntax::Change;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::apply::{Applied, Stop, Work};
use crate::backfill::{self, End};
use crate::error::FailedStatement;
use crate::error::Obstacle;
use crate::journal::MigrationState;
use crate::patience::{Cause, Lookout, Patience};
use crate::prepare::Group;
use crate::{Event, Observer, RunError, Runner};

pub(crate) use doubt::{in_doubt, settle};
pub(crate) use record::clean_up;
pub(crate) use together::together;
use trace::Begun;

/// A migration under way.
struct Run<'a> {
    runner: &'a mut Runner,
    work: &'a Work<'a>,
    observer: &'a mut dyn Observer,
    applied: Applied,
    /// Statements that have taken effect, from 1.
    done: BTreeSet<usize>,
    /// Statements that an earlier run or try was at when it was cut off, and of which the journal does
    /// not say how they ended.
    begun: BTreeMap<usize, Begun>,
    /// What was noted of each restore point's stores before the first statement.
    holds: Vec<Vec<Option<Held>>>,
    /// The schema before the migration, where it matters.
    before: Option<SchemaDump>,
    /// An earlier run of it was cut off, or stopped half way.
    resumed: bool,
    /// One transaction holds all of it, its end in the journal included.
    at_once: Option<AtOnce>,
    /// The journal does not say yet that the migration begins: it will with the first statement.
    unrecorded: bool,
    /// Records of the last statement, which the end of the migration writes with its own.
    unwritten: Option<String>,
    /// The migration may have restore points of its own.
    may_hold: bool,
    /// Tables are tracked.
    tracks: bool,
}

/// Runs one direction of one migration to its end.
pub(crate) async fn run(
    runner: &mut Runner,
    work: &Work<'_>,
    completed: usize,
    observer: &mut dyn Observer,
) -> Result<Applied, RunError> {
    let prepared = work.prepared;
    let direction = prepared.direction;
    let state = runner.journal.state_of(&mut *runner.session, work.version).await?;
    let applied = Applied::default();
    match (direction, state) {
        (Direction::Up, Some(MigrationState::Applied)) | (Direction::Down, None) => {
            return Ok(Applied { skipped: true, ..applied });
        }
        _ => {}
    }
    let resumed = matches!(state, Some(MigrationState::Applying | MigrationState::Reverting));
    let settings = settings(runner, work).await?;
    let own;
    let packed = work.points.iter().flat_map(|point| &point.kept).any(|kept| kept.packed);
    let work = if packed {
        own = at_once::unpacked(runner, work).await?;
        &own
    } else {
        work
    };
    let mut run = Run {
        runner,
        work,
        observer,
        applied,
        done: BTreeSet::new(),
        begun: BTreeMap::new(),
        holds: Vec::new(),
        before: None,
        resumed,
        at_once: None,
        unrecorded: false,
        unwritten: None,
        may_hold: resumed,
        tracks: false,
    };
    let result = run.all(completed).await;
    if result.is_err() {
        run.resume_anyway().await;
    }
    let applied = run.applied;
    if let Some(settings) = settings {
        // After a broken connection there is nothing to set back.
        let _ = runner.session.execute(&settings).await;
    }
    result.map(|()| applied)
}

/// The statement that sets back the session variables that the migration sets.
async fn settings(runner: &mut Runner, work: &Work<'_>) -> Result<Option<String>, EngineError> {
    let dialect = runner.session.dialect();
    let mut names = BTreeSet::new();
    for change in work.prepared.statements.iter().flat_map(|s| s.changes()) {
        if let Change::SetVariable { name, .. } = change {
            let name = name.rsplit('.').next().unwrap_or(name).trim_start_matches('@');
            if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                names.insert(name.to_owned());
            }
        }
    }
    let mut sets = Vec::new();
    for name in names {
        // A variable of the user's own (`@x`) is none of the server's.
        let Ok(rows) = runner.session.rows(&format!("SELECT @@SESSION.{name}")).await else {
            continue;
        };
        if let Some(value) = rows.first().and_then(|row| row.opt(0)) {
            let number = value.parse::<f64>().is_ok();
            let value = if number { value.to_owned() } else { dialect.literal(value) };
            sets.push(format!("{name} = {value}"));
        }
    }
    Ok((!sets.is_empty()).then(|| format!("SET SESSION {}", sets.join(", "))))
}

/// Refuses what could neither be taken back nor be kept.
fn check_readable(work: &Work<'_>, unreadable: bool) -> Result<(), SnapshotError> {
    let whole = "on this server nothing that has run can be rolled back; write it as plain SQL, or say with `-- downhaul:protect off` that nothing needs to be kept";
    if unreadable {
        return Err(SnapshotError::CannotRestore(format!(
            "a statement of {} cannot be read, so what it destroys cannot be kept beforehand, and {whole}",
            work.prepared.label
        )));
    }
    for change in work.prepared.statements.iter().flat_map(|s| s.changes()) {
        let what = match change {
            Change::Call { .. } => "a procedure may destroy anything",
            Change::DropDatabase { .. } | Change::DropSchema { .. } => {
                "DROP DATABASE takes what was kept with it"
            }
            _ => continue,
        };
        return Err(SnapshotError::CannotRestore(format!("{what}, and {whole}")));
    }
    Ok(())
}

impl Run<'_> {
    async fn all(&mut self, completed: usize) -> Result<(), RunError> {
        let (prepared, resumed) = (self.work.prepared, self.resumed);
        let direction = prepared.direction;
        let dialect = self.runner.session.dialect();
        if resumed {
            self.read_steps().await?;
        }
        let losses = prepared.losses(&prepared.statements, dialect);
        let protect = self.runner.options.protect && !losses.all_given_up;
        if !resumed {
            if protect {
                check_readable(self.work, !losses.unreadable.is_empty()).map_err(|reason| {
                    RunError::Refused { label: prepared.label.clone(), direction, reason }
                })?;
            }
            // A way forward again does not look at the schema that the way back found.
            let loses = protect
                && (!losses.is_empty()
                    || losses.own_triggers_fire
                    || direction == Direction::Up && losses.unmakes()
                    || self.inserts_may_do_more(&losses).await?);
            let watch = loses && direction == Direction::Up;
            let tracked = self.check_tracked().await;
            let tracked = tracked.map_err(|stop| self.stopped(stop, None, completed))?;
            self.at_once = if tracked { None } else { self.at_once(&losses, loses) };
            self.begin(watch).await.map_err(|stop| self.stopped(stop, None, completed))?;
        } else {
            self.look_for_tracked().await?;
            if let Err(stop) = self.resume().await {
                return Err(self.failed(stop, &[], completed).await);
            }
        }
        for group in &prepared.groups {
            let members = match group {
                Group::Transaction(members) => members.clone(),
                Group::Single(index) | Group::Batched(index) => vec![*index],
            };
            if members.iter().all(|index| self.done.contains(&(index + 1))) {
                self.repeat_settings(&members).await?;
                continue;
            }
            self.runner.check_lock().await?;
            if self.runner.stop_asked() && !self.done.is_empty() {
                return Err(RunError::Halted {
                    label: prepared.label.clone(),
                    direction,
                    done: self.done.len(),
                    total: prepared.statements.len(),
                });
            }
            let result = match group {
                Group::Batched(index) => match self.batched(*index).await {
                    Ok(End::Stopped) => return Err(RunError::Interrupted { completed }),
                    Ok(End::Done { .. }) => Ok(()),
                    Err(stop) => Err(stop),
                },
                _ => self.patiently(group, &members, protect).await,
            };
            if let Err(stop) = result {
                return Err(self.failed(stop, &members, completed).await);
            }
            self.done.extend(members.iter().map(|index| index + 1));
            if let Group::Single(index) = group
                && let Err(stop) = self.resume_tracking(*index).await
            {
                return Err(self.failed(stop, &members, completed).await);
            }
        }
        if self.at_once.is_some() {
            return Ok(());
        }
        let paused = self.pause_for_return().await;
        let mut result = match paused {
            Ok(()) => self.bring_back().await,
            Err(stop) => Err(stop),
        };
        if result.is_ok() {
            result = self.resume_unless_locked(None, &[]).await;
        }
        if let Err(stop) = result {
            return Err(self.failed(stop, &[], completed).await);
        }
        if let Err(stop) = self.finish().await {
            return Err(self.failed(stop, &[], completed).await);
        }
        let result = self.follow_tracked().await;
        result.map_err(|stop| self.unmarked(stop))
    }

    /// Runs a backfill's `UPDATE` in batches, and records it as done with the last one.
    async fn batched(&mut self, index: usize) -> Result<End, Stop> {
        self.record_beginning().await?;
        let work = self.work;
        let statement = &work.prepared.statements[index];
        let begun = Instant::now();
        let at = (work.version, work.prepared.direction);
        let end = backfill::run(self.runner, at, index, &work.prepared.statements, self.observer)
            .await
            .map_err(|error| Stop::Statement(index, error))?;
        if let End::Done { close } = &end {
            let took = begun.elapsed();
            let step = [(index + 1, statement.shown(), took.as_millis())];
            let place = (work.version, work.prepared.direction, work.operation);
            let done = self.runner.journal.done(place, &step);
            let done = done.map(|done| format!("; {done}")).unwrap_or_default();
            let budget = self.runner.options.for_the_journal();
            self.runner.session.transact(budget, &format!("{close}{done}")).await?;
            self.observer.event(Event::Statement { sql: statement.shown(), took });
        }
        Ok(end)
    }

    /// Whether rows that come may do more than come: through triggers, or where they go is no plain
    /// table. One that the migration makes itself has no triggers.
    pub(super) async fn inserts_may_do_more(
        &mut self,
        losses: &Losses,
    ) -> Result<bool, EngineError> {
        let d = self.runner.session.dialect();
        let statements = &self.work.prepared.statements;
        for table in &losses.inserts {
            let made_here = statements.iter().flat_map(|s| s.changes()).any(
                |change| matches!(change, Change::CreateTable { def, if_not_exists: false } if def.name == *table),
            );
            let schema = match &table.schema {
                Some(schema) => d.literal(schema.as_str()),
                None => "DATABASE()".to_owned(),
            };
            let name = d.literal(table.name.as_str());
            let plain = format!(
                "SELECT EXISTS (SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {name} AND TABLE_TYPE = 'BASE TABLE') \
                 AND NOT EXISTS (SELECT 1 FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = {schema} AND EVENT_OBJECT_TABLE = {name})"
            );
            if !made_here && self.runner.session.number(&plain).await? == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Statements of groups that are done and whose effect ended with the session that ran them.
    async fn repeat_settings(&mut self, members: &[usize]) -> Result<(), EngineError> {
        for index in members {
            let statement = &self.work.prepared.statements[*index];
            if let [Change::SetVariable { .. }] = statement.changes() {
                self.runner.session.execute(&statement.text).await?;
            }
        }
        Ok(())
    }

    /// Runs a group, again and again while locks are not to be had.
    async fn patiently(
        &mut self,
        group: &Group,
        members: &[usize],
        protect: bool,
    ) -> Result<(), Stop> {
        let needs = self.work.prepared.locks_of(members);
        let cause = Cause { operation: self.work.operation, version: self.work.version };
        let options = self.runner.options.clone();
        let mut patience = Patience::new();
        loop {
            patience.clear_way(self.runner, &needs, cause, self.observer).await?;
            let lookout = Lookout::new(self.runner);
            let result = lookout
                .while_running(async {
                    match group {
                        Group::Transaction(_) | Group::Batched(_) => {
                            self.rows(members, protect).await
                        }
                        Group::Single(index) => {
                            self.pause_tracking(*index).await?;
                            self.definition(*index, protect).await
                        }
                    }
                })
                .await;
            let stop = match result {
                Ok(()) => return Ok(()),
                Err(stop) => stop,
            };
            if stop.lock_error().is_none() {
                return Err(stop);
            }
            let journal = self.runner.journal;
            let session = &mut *self.runner.session;
            // Wherever it stopped: the next transaction would commit what this one left.
            let _ = session.rollback().await;
            let blockers = lookout.blockers(session, &needs).await;
            if !patience.again(session, journal, &options, &blockers, cause, self.observer).await? {
                return Err(stop.blame(&blockers));
            }
        }
    }

    /// What to tell of a group that failed. Where nothing at all has taken effect, the journal says
    /// so again.
    async fn failed(&mut self, stop: Stop, members: &[usize], completed: usize) -> RunError {
        let broken = matches!(
            &stop,
            Stop::Statement(_, EngineError::Disconnected(_))
                | Stop::Engine(EngineError::Disconnected(_))
        );
        let untouched = self.done.is_empty()
            && self.begun.values().all(|begun| matches!(begun, Begun::Intended));
        if !broken && untouched && matches!(self.forget_beginning().await, Ok(true)) {
            return self.stopped(stop, None, completed);
        }
        let ordinal = members.first().map_or(self.work.prepared.statements.len(), |i| i + 1);
        self.stopped(stop, Some(ordinal), completed)
    }

    /// The migration is done; what its history needs beside it is not.
    fn unmarked(&self, stop: Stop) -> RunError {
        let obstacle = match &stop {
            stop if stop.lock_error().is_some() => Obstacle::Locks,
            Stop::Statement(_, EngineError::Disconnected(_))
            | Stop::Engine(EngineError::Disconnected(_))
            | Stop::Snapshot(SnapshotError::Engine(EngineError::Disconnected(_))) => {
                Obstacle::Connection
            }
            _ => Obstacle::Other,
        };
        let reason = match stop {
            Stop::Statement(_, error) | Stop::Engine(error) => error.to_string(),
            Stop::Snapshot(error) => error.to_string(),
        };
        let (label, direction) = (self.work.prepared.label.clone(), self.work.prepared.direction);
        RunError::Unmarked { label, direction, obstacle, reason }
    }

    /// An error for the user; `ordinal` is the statement at which a half-run migration stands.
    fn stopped(&self, stop: Stop, ordinal: Option<usize>, completed: usize) -> RunError {
        let prepared = self.work.prepared;
        let (label, direction) = (prepared.label.clone(), prepared.direction);
        let statement = match stop {
            Stop::Statement(_, error @ EngineError::Disconnected(_))
            | Stop::Engine(error @ (EngineError::Disconnected(_) | EngineError::Protocol(_))) => {
                return RunError::Engine(error);
            }
            Stop::Statement(index, error) => prepared.failed(index, error),
            Stop::Snapshot(reason) if ordinal.is_none() => {
                return RunError::Refused { label, direction, reason };
            }
            Stop::Snapshot(reason) => Box::new(FailedStatement {
                path: prepared.path.clone(),
                line: 1,
                column: 1,
                sql: String::new(),
                error: EngineError::Statement(StatementFailure {
                    message: reason.to_string(),
                    code: None,
                    detail: None,
                    position: None,
                    sql: String::new(),
                }),
            }),
            Stop::Engine(error) => match error.failure() {
                Some(failure) => Box::new(FailedStatement {
                    path: prepared.path.clone(),
                    line: 1,
                    column: 1,
                    sql: failure.sql.clone(),
                    error,
                }),
                None => return RunError::Engine(error),
            },
        };
        match ordinal {
            Some(ordinal) => RunError::Partial { label, direction, ordinal, statement },
            None => RunError::Failed { label, direction, completed, statement },
        }
    }

    /// Before the first statement: note what is there, and that it begins.
    async fn begin(&mut self, watch: bool) -> Result<(), Stop> {
        if watch {
            self.before = Some(self.runner.session.dump().await?);
            self.may_hold = true;
        }
        self.hold_all_patiently().await?;
        self.unrecorded = true;
        if watch || !self.work.points.is_empty() {
            self.record_beginning().await?;
        }
        Ok(())
    }

    /// Notes what is still as the migration left it, again and again while somebody holds the rows: what
    /// they are about to write must be seen.
    async fn hold_all_patiently(&mut self) -> Result<(), Stop> {
        if self.work.points.is_empty() {
            return Ok(());
        }
        let cause = Cause { operation: self.work.operation, version: self.work.version };
        let options = self.runner.options.clone();
        let mut patience = Patience::new();
        loop {
            let lookout = Lookout::new(self.runner);
            self.holds.clear();
            // For its limits: what is noted is a table, and commits by itself.
            self.runner.session.begin(options.budget).await?;
            let result = lookout.while_running(self.hold_all()).await;
            let journal = self.runner.journal;
            let session = &mut *self.runner.session;
            let stop = match result {
                Ok(()) => return Ok(session.rollback().await?),
                Err(stop) => stop,
            };
            let _ = session.rollback().await;
            if stop.lock_error().is_none() {
                return Err(stop);
            }
            let blockers = lookout.blockers(session, &[]).await;
            if !patience.again(session, journal, &options, &blockers, cause, self.observer).await? {
                return Err(stop.blame(&blockers));
            }
        }
    }

    /// Notes which values are still as the migration left them, of every point where that can be
    /// told now.
    async fn hold_all(&mut self) -> Result<(), Stop> {
        let work = self.work;
        let session = &mut *self.runner.session;
        for (number, point) in work.points.iter().enumerate() {
            let later: Vec<&Kept> = work.points[..number].iter().flat_map(|p| &p.kept).collect();
            let mut held = Vec::new();
            for kept in &point.kept {
                downhaul_snapshot::restore::check_sound(session, kept).await?;
                let early = stepwise::can_hold_early(kept, &later)
                    && (kept.mode == KeptMode::Tombstone
                        || columns_are_there(session, kept).await?);
                held.push(if early {
                    Some(stepwise::hold_early(session, kept).await?)
                } else {
                    None
                });
            }
            self.holds.push(held);
        }
        Ok(())
    }

    /// Goes on after a run that was cut off.
    async fn resume(&mut self) -> Result<(), Stop> {
        let work = self.work;
        for (number, point) in work.points.iter().enumerate() {
            let later: Vec<&Kept> = work.points[..number].iter().flat_map(|p| &p.kept).collect();
            let mut held = Vec::new();
            for kept in &point.kept {
                let before = if stepwise::can_hold_early(kept, &later) {
                    let before = stepwise::held_before(&mut *self.runner.session, kept).await?;
                    // A table that a later statement of the migration renamed was noted late.
                    (before.is_noted() || kept.changed_columns().next().is_none()).then_some(before)
                } else {
                    None
                };
                held.push(before);
            }
            self.holds.push(held);
        }
        let note = format!(
            "an earlier run of {} was cut off; {} of {} statements had been done",
            work.prepared.label,
            self.done.len(),
            work.prepared.statements.len()
        );
        self.observer.event(Event::Note(&note));
        Ok(())
    }
}

/// Whether the table has every column that the migration changed under the name after it.
async fn columns_are_there(
    session: &mut dyn downhaul_engine::Session,
    kept: &Kept,
) -> Result<bool, EngineError> {
    let Some(name) = &kept.after else { return Ok(false) };
    let Some(shape) = session.table_shape(name).await? else { return Ok(false) };
    Ok(kept
        .columns
        .iter()
        .filter(|c| c.left_as.is_some() || kept.key.contains(&c.name))
        .all(|c| c.after.as_ref().is_some_and(|after| shape.column(after).is_some())))
}
