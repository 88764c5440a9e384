//! A run of DML statements: one transaction, with what it destroys and what the journal says.

use std::time::Instant;

use downhaul_snapshot::keep::Endangered;
use downhaul_snapshot::stepwise::{self, GroupKind};
use downhaul_snapshot::{Kept, Names};

use super::Run;
use crate::Event;
use crate::apply::{KeptSummary, Stop};
use crate::patience::Lookout;

impl Run<'_> {
    /// One try.
    pub(super) async fn rows(&mut self, members: &[usize], protect: bool) -> Result<(), Stop> {
        if let Some(how) = self.at_once.take() {
            let whole = self.rows_at_once(members, &how).await;
            if !matches!(whole, Ok(false)) {
                self.at_once = Some(how);
            }
            if whole? {
                return Ok(());
            }
        }
        self.record_beginning().await?;
        let prepared = self.work.prepared;
        let journal = self.runner.journal;
        let dialect = self.runner.session.dialect();
        let losses = prepared.losses(members.iter().map(|i| &prepared.statements[*i]), dialect);
        let names = Names::before(&prepared.statements, members[0], dialect);
        let mut tables: Vec<(Endangered, Kept)> = Vec::new();
        let loses = protect
            && (!losses.is_empty()
                || losses.own_triggers_fire
                || self.inserts_may_do_more(&losses).await?);
        if loses {
            let session = &mut *self.runner.session;
            let found = stepwise::endangered(session, &losses, &names, GroupKind::Rows).await?;
            self.may_hold |= !found.is_empty();
            let first = if found.is_empty() { 0 } else { journal.next_kept(session).await? };
            for (id, table) in (first..).zip(found) {
                let kept = stepwise::describe(&table, &names, GroupKind::Rows, id);
                stepwise::create_store(session, &kept, GroupKind::Rows).await?;
                tables.push((table, kept));
            }
        }
        let modes = stepwise::own_modes(&mut *self.runner.session).await?;
        self.runner.session.execute(&modes).await?;
        let result = self.transact(members, &mut tables, &names).await;
        let session = &mut *self.runner.session;
        if result.is_err() {
            // After a broken connection there is nothing to roll back: the server does it.
            let _ = session.rollback().await;
            let _ = session.execute(&modes).await;
        }
        let lost = result.as_ref().map(Vec::as_slice).unwrap_or_default();
        for (_, kept) in tables.iter().filter(|(_, kept)| !lost.contains(&kept.id)) {
            let dropped = stepwise::drop_store(session, kept).await;
            if result.is_ok() {
                dropped?;
            }
        }
        let lost = result?;
        for (_, kept) in tables.iter().filter(|(_, kept)| lost.contains(&kept.id)) {
            let summary = KeptSummary::of(kept);
            self.observer.event(Event::Kept(&summary));
            self.applied.kept.push(summary);
        }
        Ok(())
    }

    /// Returns the stores that hold something.
    async fn transact(
        &mut self,
        members: &[usize],
        tables: &mut [(Endangered, Kept)],
        names: &Names,
    ) -> Result<Vec<i64>, Stop> {
        let prepared = self.work.prepared;
        let journal = self.runner.journal;
        let place = (self.work.version, prepared.direction, self.work.operation);
        let lookout = Lookout::new(self.runner);
        let session = &mut *self.runner.session;
        session.begin(self.runner.options.budget).await?;
        let modes = stepwise::own_modes(session).await?;
        let mut before = 0;
        for (table, kept) in tables.iter_mut() {
            let name = table.shape.name.to_string();
            let about = (name.as_str(), table.shape.rows, before);
            let filling = stepwise::fill(session, table, kept, GroupKind::Rows);
            lookout.while_copying(filling, about, self.observer).await?;
            before += kept.rows;
        }
        session.execute(&modes).await?;
        let mut steps = Vec::new();
        for index in members {
            let statement = &prepared.statements[*index];
            let begun = Instant::now();
            session
                .execute(&statement.text)
                .await
                .map_err(|error| Stop::Statement(*index, error))?;
            let took = begun.elapsed();
            self.observer.event(Event::Statement { sql: statement.shown(), took });
            steps.push((index + 1, statement.shown(), took.as_millis()));
        }
        let modes = stepwise::own_modes(session).await?;
        let mut lost = Vec::new();
        for (table, kept) in tables.iter_mut() {
            if stepwise::settle(session, kept, &table.loss, names, GroupKind::Rows).await? {
                lost.push(kept.id);
            }
        }
        session.execute(&modes).await?;
        let kept: Vec<&Kept> =
            tables.iter().map(|(_, kept)| kept).filter(|kept| lost.contains(&kept.id)).collect();
        if !kept.is_empty() {
            journal.open_point(session, place, "open", None, &kept).await?;
        }
        match journal.done(place, &steps) {
            Some(done) => session.commit_with(&done).await?,
            None => session.commit().await?,
        }
        Ok(lost)
    }
}
