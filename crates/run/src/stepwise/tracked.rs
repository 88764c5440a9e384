//! Tracked tables while a migration runs: each statement commits by itself, so between one that
//! changes a table's form and triggers that fit, others would write past the history, or not at all.
//! Tracking therefore pauses around a statement that takes away or changes what triggers name
//! ([`follow::pause`]); what only adds is followed at the end.

use downhaul_engine::{EngineError, LockBudget, Session};
use downhaul_plan::Direction;
use downhaul_snapshot::mark::{self, Origin};
use downhaul_snapshot::track::follow;
use downhaul_snapshot::{Kept, KeptMode, SnapshotError, track};
use downhaul_syntax::{Change, ObjectName};

use super::{Run, Stop};
use crate::Event;
use crate::patience::{Cause, Lookout, Patience};

/// Work on tracked tables that waits for whoever writes to them.
enum Work {
    /// Their history fits them again.
    Follow(follow::Origin),
    /// It pauses.
    Pause(Vec<ObjectName>),
}

impl Work {
    async fn run(
        &self,
        session: &mut dyn Session,
        budget: LockBudget,
    ) -> Result<Vec<String>, SnapshotError> {
        match self {
            Self::Pause(tables) => follow::pause(session, budget, &[], tables).await,
            Self::Follow(origin) => {
                // For its limits.
                session.begin(budget).await?;
                let notes = follow::resync(session, *origin, &[]).await;
                match notes {
                    Ok(_) => session.commit().await?,
                    Err(_) => session.rollback().await?,
                }
                notes
            }
        }
    }
}

/// More than rows go back to a table, so that triggers do not see all of it.
fn changes_form(kept: &Kept) -> bool {
    kept.mode != KeptMode::Copy || kept.after.is_none() || kept.lost_columns().next().is_some()
}

impl Run<'_> {
    /// Before the first statement: follows what was done by hand, and sets the first mark. Whether any
    /// table is tracked.
    pub(super) async fn check_tracked(&mut self) -> Result<bool, Stop> {
        if !self.look_for_tracked().await? {
            return Ok(false);
        }
        self.patiently_tracked(&Work::Follow(follow::Origin::Outside)).await?;
        self.set_mark("before").await?;
        Ok(true)
    }

    pub(super) async fn look_for_tracked(&mut self) -> Result<bool, EngineError> {
        let all = track::all(&mut *self.runner.session).await;
        self.tracks = match all {
            Ok(all) => !all.is_empty(),
            Err(SnapshotError::Engine(error)) => return Err(error),
            Err(_) => false,
        };
        Ok(self.tracks)
    }

    /// Before a statement that commits by itself.
    pub(super) async fn pause_tracking(&mut self, index: usize) -> Result<(), Stop> {
        if !self.tracks {
            return Ok(());
        }
        let changes = self.work.prepared.statements[index].changes();
        let budget = self.runner.options.budget;
        let notes = follow::pause(&mut *self.runner.session, budget, changes, &[]).await?;
        self.tell_notes(&notes);
        Ok(())
    }

    /// After it.
    pub(super) async fn resume_tracking(&mut self, index: usize) -> Result<(), Stop> {
        let later = self.work.prepared.statements[index + 1..].iter();
        let later: Vec<Change> = later.flat_map(|s| s.changes()).cloned().collect();
        self.resume_unless_locked(Some(true), &later).await
    }

    /// A table on which nobody lets us go on does so at the end, patiently.
    pub(super) async fn resume_unless_locked(
        &mut self,
        took: Option<bool>,
        again: &[Change],
    ) -> Result<(), Stop> {
        let went_on = self.go_on_tracking(took, again).await;
        match went_on.map_err(Stop::from) {
            Err(stop) if stop.lock_error().is_none() => Err(stop),
            _ => Ok(()),
        }
    }

    /// Where the migration ends early: tables that pause go on as they are.
    pub(super) async fn resume_anyway(&mut self) {
        // Else the next run finds that they pause.
        let _ = self.go_on_tracking(None, &[]).await;
    }

    async fn go_on_tracking(
        &mut self,
        took: Option<bool>,
        again: &[Change],
    ) -> Result<(), SnapshotError> {
        if !self.tracks {
            return Ok(());
        }
        let budget = self.runner.options.budget;
        let session = &mut *self.runner.session;
        session.begin(budget).await?;
        let notes = match follow::resume(session, took, again).await {
            Ok(notes) => notes,
            Err(error) => {
                let _ = session.rollback().await;
                return Err(error);
            }
        };
        session.commit().await?;
        self.tell_notes(&notes);
        Ok(())
    }

    /// Before data goes back: tables pause of which more than rows come back.
    pub(super) async fn pause_for_return(&mut self) -> Result<(), Stop> {
        if !self.tracks {
            return Ok(());
        }
        let points = self.work.points.iter().filter(|point| !point.returned);
        let tables: Vec<ObjectName> = points
            .flat_map(|point| &point.kept)
            .filter(|kept| changes_form(kept))
            .map(|kept| kept.table.clone())
            .collect();
        if tables.is_empty() {
            return Ok(());
        }
        self.patiently_tracked(&Work::Pause(tables)).await
    }

    /// After the last statement: history follows, and the second mark is set.
    pub(super) async fn follow_tracked(&mut self) -> Result<(), Stop> {
        if !self.look_for_tracked().await? {
            return Ok(());
        }
        self.patiently_tracked(&Work::Follow(follow::Origin::Migration)).await?;
        self.set_mark("after").await
    }

    /// Again and again while somebody writes to the tables.
    async fn patiently_tracked(&mut self, work: &Work) -> Result<(), Stop> {
        let cause = Cause { operation: self.work.operation, version: self.work.version };
        let options = self.runner.options.clone();
        let mut patience = Patience::new();
        loop {
            let lookout = Lookout::new(self.runner);
            let session = &mut *self.runner.session;
            let done = lookout.while_running(work.run(session, options.budget)).await;
            let stop = match done.map_err(Stop::from) {
                Ok(notes) => {
                    self.tell_notes(&notes);
                    return Ok(());
                }
                Err(stop) => stop,
            };
            if stop.lock_error().is_none() {
                return Err(stop);
            }
            let journal = self.runner.journal;
            let session = &mut *self.runner.session;
            let blockers = lookout.blockers(session, &[]).await;
            if !patience.again(session, journal, &options, &blockers, cause, self.observer).await? {
                return Err(stop.blame(&blockers));
            }
        }
    }

    fn tell_notes(&mut self, notes: &[String]) {
        for note in notes {
            self.observer.event(Event::Note(note));
        }
    }

    async fn set_mark(&mut self, side: &str) -> Result<(), Stop> {
        let label = &self.work.prepared.label;
        let what = match self.work.prepared.direction {
            Direction::Up => label.clone(),
            Direction::Down => format!("down {label}"),
        };
        let session = &mut *self.runner.session;
        let name = mark::free_name(session, &format!("{side} {what}")).await?;
        let (budget, who) = (self.runner.options.budget, self.runner.options.who.clone());
        mark::alone(session, budget, &name, Origin::Migration, &who).await?;
        Ok(())
    }
}
