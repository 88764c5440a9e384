//! Tables that are set aside instead of dropped, and come back.
//!
//! The restore point is recorded, as being made, before the first table is moved; so a table under a
//! name of ours always belongs to a restore point, and after a kill the next run goes on with those
//! that were not moved yet.

use std::time::Instant;

use downhaul_engine::EngineError;
use downhaul_plan::Direction;
use downhaul_snapshot::keep::Endangered;
use downhaul_snapshot::restore::Held;
use downhaul_snapshot::tombstone::mysql::{self, Return};
use downhaul_snapshot::tombstone::{self, Choice};
use downhaul_snapshot::{Kept, KeptMode, Names, SnapshotError, stepwise};
use downhaul_syntax::Statement;

use super::Run;
use super::trace::Begun;
use crate::Event;
use crate::apply::{Stop, gives_way};

impl Run<'_> {
    /// Whether all tables that a statement takes are to be set aside.
    pub(super) async fn may_set_aside(&mut self, tables: &[Endangered]) -> Result<bool, Stop> {
        let prepared = self.work.prepared;
        let statements: Vec<&Statement> = prepared.statements.iter().collect();
        let mut all = true;
        for table in tables {
            let wish = prepared.wish(&table.shape.name, &table.loss, &self.runner.options);
            let session = &mut *self.runner.session;
            match tombstone::choose(session, table, wish, &statements).await? {
                Choice::Tombstone | Choice::Hidden => {}
                Choice::Copy { why } => {
                    all = false;
                    if let Some(why) = why {
                        let note = format!("{} is copied, not set aside: {why}", table.shape.name);
                        self.observer.event(Event::Note(&note));
                    }
                }
            }
        }
        Ok(all)
    }

    /// Sets tables aside instead of running the statement that drops them. False, and nothing has
    /// happened, where the server would not have it.
    pub(super) async fn set_aside(
        &mut self,
        index: usize,
        tables: &[Endangered],
        names: &Names,
    ) -> Result<bool, Stop> {
        self.record_beginning().await?;
        self.may_hold = true;
        let journal = self.runner.journal;
        let place = (self.work.version, self.work.prepared.direction, self.work.operation);
        let budget = self.runner.options.for_the_journal();
        self.intend(index).await?;
        let started = self.mark(index, "started", 0);
        let session = &mut *self.runner.session;
        let first = journal.next_kept(session).await?;
        let mut all = Vec::new();
        for (id, table) in (first..).zip(tables) {
            self.observer.event(Event::Keeping { table: &table.shape.name.to_string() });
            all.push(mysql::announce(session, table, names, id).await?);
        }
        session.begin(budget).await?;
        let stores: Vec<&Kept> = all.iter().collect();
        let point = journal.open_point(session, place, "making", None, &stores).await?;
        session.execute(&started).await?;
        session.commit().await?;

        let begun = Instant::now();
        if let Err(stop) = self.move_away(index, &all).await {
            let Stop::Statement(index, error) = stop else { return Err(stop) };
            if matches!(error, EngineError::Disconnected(_)) {
                return Err(Stop::Statement(index, error));
            }
            self.move_back(index, &all).await?;
            if gives_way(&error) {
                let stop = self.gave_up(index, error, begun.elapsed().as_millis()).await;
                self.discard_making().await?;
                return Err(stop);
            }
            self.discard_making().await?;
            let which: Vec<String> = all.iter().map(|kept| kept.table.to_string()).collect();
            let note =
                format!("{} could not be set aside and is copied: {error}", which.join(", "));
            self.observer.event(Event::Note(&note));
            return Ok(false);
        }
        let making = all.into_iter().map(|kept| (point, kept)).collect();
        self.settle_aside(index, begun.elapsed().as_millis(), making).await?;
        Ok(true)
    }

    /// Goes on where an earlier run was cut off while it set tables aside.
    pub(super) async fn finish_aside(
        &mut self,
        index: usize,
        making: Vec<(i64, Kept)>,
    ) -> Result<(), Stop> {
        let all: Vec<Kept> = making.iter().map(|(_, kept)| kept.clone()).collect();
        self.move_away(index, &all).await?;
        self.settle_aside(index, 0, making).await
    }

    /// Moves those that are not out of sight yet.
    async fn move_away(&mut self, index: usize, all: &[Kept]) -> Result<(), Stop> {
        let budget = self.runner.options.budget;
        for kept in all {
            let session = &mut *self.runner.session;
            let Some(statement) = mysql::hide(session, kept).await? else { continue };
            let begun = Instant::now();
            // For its time limits; the statement ends the transaction.
            session.begin(budget).await?;
            let moved = session.execute(&statement).await;
            if moved.is_err() {
                let _ = session.rollback().await;
            } else {
                session.commit().await?;
            }
            moved.map_err(|error| Stop::Statement(index, error))?;
            self.begun.insert(index + 1, Begun::InEffect);
            self.observer.event(Event::Statement { sql: &statement, took: begun.elapsed() });
        }
        for kept in all {
            let session = &mut *self.runner.session;
            for statement in mysql::strip(session, kept).await? {
                session.execute(&statement).await?;
            }
        }
        Ok(())
    }

    /// Takes back what [`Self::move_away`] did before the server refused.
    async fn move_back(&mut self, index: usize, all: &[Kept]) -> Result<(), Stop> {
        let session = &mut *self.runner.session;
        let modes = stepwise::own_modes(session).await?;
        for kept in all {
            if mysql::is_aside(session, kept).await? {
                mysql::unhide(session, kept).await?;
            }
        }
        session.execute(&modes).await?;
        self.begun.remove(&(index + 1));
        Ok(())
    }

    async fn settle_aside(
        &mut self,
        index: usize,
        ms: u128,
        making: Vec<(i64, Kept)>,
    ) -> Result<(), Stop> {
        let mut settled = Vec::new();
        for (point, mut kept) in making {
            kept.digest = tombstone::signature(&mut *self.runner.session, &kept).await?;
            settled.push((point, kept, true));
        }
        self.record_done(index, ms, settled).await
    }

    /// Brings the tombstones of a restore point back, or makes copies of them. Returns its stores as
    /// they then are: one that went back whole has none any more. May run again after a crash.
    pub(super) async fn return_tombstones(
        &mut self,
        number: usize,
        helds: &[Held],
    ) -> Result<Vec<Kept>, Stop> {
        let mut all = self.work.points[number].kept.clone();
        let whole = self.work.prepared.direction == Direction::Down;
        for at in 0..all.len() {
            if !all[at].is_aside() || all[at].tombstone.is_none() {
                continue;
            }
            let session = &mut *self.runner.session;
            let mut how = mysql::how_back(session, &all, &all[at], &helds[at]).await?;
            if how == Return::Whole && whole {
                let modes = stepwise::own_modes(session).await?;
                session.begin(self.runner.options.budget).await?;
                let exchanged = mysql::exchange(session, &all[at]).await;
                session.commit().await?;
                session.execute(&modes).await?;
                how = if exchanged? { Return::Done } else { Return::AsCopy };
            }
            if how == Return::Done {
                let modes = stepwise::own_modes(session).await?;
                let restored = mysql::returned(session, &all[at]).await;
                session.execute(&modes).await?;
                let restored = restored?;
                self.observer.event(Event::Restored(&restored));
                self.applied.restored.push(restored);
                all[at].tombstone = None;
            } else {
                self.make_copy(&mut all[at]).await?;
            }
        }
        Ok(all)
    }

    /// Brings hidden columns back before anything is done to those that the down file has made, which
    /// go: what would have to be mended of them is right in the old ones.
    pub(super) async fn return_columns(&mut self) -> Result<(), Stop> {
        let work = self.work;
        let points = work.points.iter().filter(|point| !point.returned);
        for kept in points.flat_map(|point| &point.kept) {
            if kept.mode != KeptMode::Hidden || kept.tombstone.is_none() {
                continue;
            }
            let session = &mut *self.runner.session;
            session.begin(self.runner.options.budget).await?;
            let exchanged = mysql::exchange(session, kept).await;
            session.commit().await?;
            exchanged?;
        }
        Ok(())
    }

    /// Makes a copy of a tombstone: what it holds then goes back row by row.
    async fn make_copy(&mut self, kept: &mut Kept) -> Result<(), Stop> {
        let journal = self.runner.journal;
        let session = &mut *self.runner.session;
        let mut copy = mysql::begin_copy(session, kept).await?;
        session.begin(self.runner.options.budget).await?;
        let modes = stepwise::own_modes(session).await?;
        let filled = mysql::fill_copy(session, kept, &mut copy).await;
        session.execute(&modes).await?;
        let record = filled.and_then(|()| Ok(journal.update_kept(&copy)?));
        match record {
            Ok(record) => session.commit_with(&record).await?,
            Err(error) => {
                let _ = session.rollback().await;
                return Err(SnapshotError::into(error));
            }
        }
        mysql::drop_copied(session, kept).await?;
        *kept = copy;
        Ok(())
    }
}
