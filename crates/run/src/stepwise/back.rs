//! The way back: what restore points hold goes where it was, group by group, the last one first.

use downhaul_plan::Direction;
use downhaul_snapshot::complete::Stage;
use downhaul_snapshot::restore;
use downhaul_snapshot::seeded;
use downhaul_snapshot::{Kept, stepwise};

use super::Run;
use super::record::{put_triggers_aside, restore_triggers};
use crate::Event;
use crate::apply::{Stop, Strict, run_completions};
use crate::journal::schemas_of;
use crate::patience::{Cause, Lookout, Patience};

impl Run<'_> {
    /// After the last statement. May run again after a crash at any point.
    pub(super) async fn bring_back(&mut self) -> Result<(), Stop> {
        let work = self.work;
        if work.points.is_empty() {
            return Ok(());
        }
        self.write_rest().await?;
        let strict = Strict::of(&work.points);
        // Only the way down promises the old schema; the way up brings the new one by itself.
        let complete = work.prepared.direction == Direction::Down;
        let schemas = schemas_of(&work.points);
        let schemas = (&schemas.0, &schemas.1);
        if complete {
            self.return_columns().await?;
            run_completions(
                &mut *self.runner.session,
                schemas,
                (Stage::Structure, strict),
                false,
                &mut self.applied,
                self.observer,
            )
            .await?;
        }
        for number in 0..work.points.len() {
            if !work.points[number].returned {
                self.give_back_patiently(number).await?;
            }
        }
        for kept in work.points.iter().flat_map(|point| &point.kept) {
            stepwise::move_counter(&mut *self.runner.session, kept).await?;
        }
        if complete {
            for kept in work.points.iter().flat_map(|point| &point.kept) {
                restore::check_filled(&mut *self.runner.session, kept).await?;
            }
            run_completions(
                &mut *self.runner.session,
                schemas,
                (Stage::Rest, strict),
                false,
                &mut self.applied,
                self.observer,
            )
            .await?;
        }
        Ok(())
    }

    /// Gives back one group's data, again and again while somebody holds the rows or their table. Each
    /// try leaves all as it was.
    async fn give_back_patiently(&mut self, number: usize) -> Result<(), Stop> {
        let cause = Cause { operation: self.work.operation, version: self.work.version };
        let options = self.runner.options.clone();
        let mut patience = Patience::new();
        let from = self.applied.restored.len();
        loop {
            // What went back whole is found so again by the next try.
            self.applied.restored.truncate(from);
            let lookout = Lookout::new(self.runner);
            let stop = match lookout.while_running(self.give_back(number)).await {
                Ok(()) => return Ok(()),
                Err(stop) if stop.lock_error().is_none() => return Err(stop),
                Err(stop) => stop,
            };
            let journal = self.runner.journal;
            let session = &mut *self.runner.session;
            // Wherever it stopped.
            let _ = session.rollback().await;
            let blockers = lookout.blockers(session, &[]).await;
            let _ = restore_triggers(session, journal).await;
            let _ = stepwise::drop_row_ids(session).await;
            if !patience.again(session, journal, &options, &blockers, cause, self.observer).await? {
                return Err(stop.blame(&blockers));
            }
        }
    }

    /// Gives back one group's data.
    async fn give_back(&mut self, number: usize) -> Result<(), Stop> {
        let journal = self.runner.journal;
        let budget = self.runner.options.budget;
        let point = &self.work.points[number];
        let session = &mut *self.runner.session;
        // For its limits: what follows commits by itself.
        session.begin(budget).await?;
        let mut helds = Vec::new();
        for (kept, early) in point.kept.iter().zip(self.holds[number].clone()) {
            helds.push(match early {
                Some(held) => held,
                None => stepwise::hold_late(session, kept).await?,
            });
        }
        for kept in &point.kept {
            if stepwise::needs_row_id(kept) {
                stepwise::add_row_id(session, kept).await?;
            }
            if let Some(shape) = session.table_shape(&kept.table).await? {
                put_triggers_aside(session, &shape.triggers).await?;
            }
        }
        session.rollback().await?;
        let from = self.applied.restored.len();
        let mut whole = Vec::new();
        let mut rest = Vec::new();
        for (kept, held) in self.return_tombstones(number, &helds).await?.into_iter().zip(helds) {
            match kept.has_store() {
                true => rest.push((kept, held)),
                false => whole.push(kept),
            }
        }
        let session = &mut *self.runner.session;
        session.begin(budget).await?;
        let modes = stepwise::own_modes(session).await?;
        if self.work.prepared.direction == Direction::Up {
            // What an up adds each time is there again before what its down deleted comes back.
            let prepared = self.work.prepared;
            let inserts = prepared.losses(&prepared.statements, session.dialect()).inserts;
            for (kept, _) in &rest {
                seeded::set_aside(session, kept, &inserts).await?;
            }
        }
        let all: Vec<_> = rest.iter().map(|(kept, held)| (kept, held)).collect();
        let restored = match restore::restore(session, &all).await {
            Ok(restored) => restored,
            Err(error) => {
                let _ = session.rollback().await;
                let _ = session.execute(&modes).await;
                let _ = restore_triggers(session, journal).await;
                let _ = stepwise::drop_row_ids(session).await;
                return Err(error.into());
            }
        };
        session.execute(&modes).await?;
        let mut records = vec![format!(
            "UPDATE {} SET state = 'returned' WHERE id = {}",
            journal.table("restore_point"),
            point.id
        )];
        for kept in &whole {
            records.push(journal.update_kept(&Kept { rows: 0, ..kept.clone() })?);
        }
        for ((kept, _), restored) in rest.iter().zip(&restored) {
            if restored.remains_in.is_none() {
                records.push(format!(
                    "UPDATE {} SET rows_kept = 0 WHERE id = {}",
                    journal.table("kept"),
                    kept.id
                ));
            }
        }
        if self.work.prepared.direction == Direction::Down {
            let whole = self.applied.restored[from..].iter();
            let all: Vec<_> = whole.chain(&restored).cloned().collect();
            let (operation, version) = (self.work.operation, self.work.version);
            records.extend(journal.returned(operation, version, (&all, &[], &[]))?);
        }
        session.execute(&records.join("; ")).await?;
        session.commit().await?;
        restore_triggers(session, journal).await?;
        stepwise::drop_row_ids(session).await?;
        for restored in restored {
            self.observer.event(Event::Restored(&restored));
            self.applied.restored.push(restored);
        }
        Ok(())
    }
}
