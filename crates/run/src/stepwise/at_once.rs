//! A migration of nothing but rows that destroys nothing, or a few rows by plain deletions: one
//! transaction holds it whole.

use std::time::Instant;

use downhaul_engine::EngineError;
use downhaul_plan::Direction;
use downhaul_snapshot::packed::{self, Deletion, mysql};
use downhaul_snapshot::{Kept, Losses, Names, stepwise};

use super::Run;
use crate::apply::{KeptSummary, Stop, Work};
use crate::journal::RestorePoint;
use crate::prepare::Group;
use crate::{Event, RunError, Runner};

/// How one transaction holds a migration.
#[derive(Clone, Debug, Default)]
pub(super) struct AtOnce {
    /// Statements that delete a few rows, which are kept with them.
    deletions: Vec<(usize, Deletion)>,
}

/// Why a try ended without an error.
enum Ended {
    Whole,
    /// What goes cannot be kept with the rest.
    MoreGoes,
}

impl Run<'_> {
    /// How one transaction can hold all of it, if it can: then the journal need not say that it begins.
    /// `loses`: something of what `losses` tells is to be kept.
    pub(super) fn at_once(&self, losses: &Losses, loses: bool) -> Option<AtOnce> {
        let prepared = self.work.prepared;
        let plain = matches!(prepared.groups.as_slice(), [Group::Transaction(_)])
            && !prepared.changes_settings
            && self.work.points.is_empty();
        if !plain {
            return None;
        }
        if !loses {
            return Some(AtOnce::default());
        }
        let dialect = self.runner.session.dialect();
        let few = prepared.direction == Direction::Down
            && prepared.protection.is_empty()
            && !losses.own_triggers_fire;
        let deletions = few.then(|| packed::deletions(&prepared.statements, losses, dialect));
        Some(AtOnce { deletions: deletions.flatten()? })
    }

    /// One try. False: nothing has happened, since what goes is to be kept in tables of its own.
    pub(super) async fn rows_at_once(
        &mut self,
        members: &[usize],
        how: &AtOnce,
    ) -> Result<bool, Stop> {
        self.runner.session.begin(self.runner.options.budget).await?;
        let result = self.transact_at_once(members, how).await;
        if !matches!(result, Ok(Ended::Whole)) {
            // After a broken connection there is nothing to roll back: the server does it.
            let _ = self.runner.session.rollback().await;
        }
        Ok(matches!(result?, Ended::Whole))
    }

    async fn transact_at_once(&mut self, members: &[usize], how: &AtOnce) -> Result<Ended, Stop> {
        let Some(mut keeping) = self.what_goes(how).await? else { return Ok(Ended::MoreGoes) };
        let prepared = self.work.prepared;
        let mut steps = Vec::new();
        let mut records = Vec::new();
        for index in members {
            let statement = &prepared.statements[*index];
            let keep = keeping.iter_mut().find(|(at, ..)| at == index);
            let mut expected = None;
            if let Some((_, deletion, kept)) = keep {
                let session = &mut *self.runner.session;
                let Some(entry) = mysql::read(session, deletion, kept).await? else {
                    return Ok(Ended::MoreGoes);
                };
                if kept.rows > 0 {
                    records.push(entry);
                }
                expected = Some((kept.rows, kept.table.to_string()));
            }
            let begun = Instant::now();
            let gone = self
                .runner
                .session
                .execute(&statement.text)
                .await
                .map_err(|error| Stop::Statement(*index, error))?;
            let took = begun.elapsed();
            if let Some((rows, table)) = expected.filter(|(rows, _)| *rows != gone) {
                let reason = format!("{rows} rows were kept of {gone} that went");
                return Err(downhaul_snapshot::SnapshotError::NotSound { table, reason }.into());
            }
            self.observer.event(Event::Statement { sql: statement.shown(), took });
            steps.push((index + 1, statement.shown(), took.as_millis()));
        }
        let kept: Vec<&Kept> =
            keeping.iter().map(|(_, _, kept)| kept).filter(|kept| kept.rows > 0).collect();
        if !kept.is_empty() {
            let place = (self.work.version, prepared.direction, self.work.operation);
            let journal = self.runner.journal;
            journal.open_point(&mut *self.runner.session, place, "held", None, &kept).await?;
        }
        records.extend(self.end_of_all(&steps));
        self.runner.session.commit_with(&records.join("; ")).await?;
        for kept in kept {
            let summary = KeptSummary::of(kept);
            self.observer.event(Event::Kept(&summary));
            self.applied.kept.push(summary);
        }
        Ok(Ended::Whole)
    }

    /// What the deletions take, each of a table that stays as it is until the transaction ends. `None`
    /// where they take more than rows of these, or what cannot be kept so.
    async fn what_goes<'a>(
        &mut self,
        how: &'a AtOnce,
    ) -> Result<Option<Vec<(usize, &'a Deletion, Kept)>>, Stop> {
        if how.deletions.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let dialect = self.runner.session.dialect();
        let names = Names::before(&self.work.prepared.statements, 0, dialect);
        let journal = self.runner.journal;
        let session = &mut *self.runner.session;
        let first = journal.next_kept(session).await?;
        let mut keeping = Vec::new();
        for (id, (index, deletion)) in (first..).zip(&how.deletions) {
            // Whoever reads it keeps its form.
            let form = format!("SELECT 1 FROM {} LIMIT 0", dialect.quote_name(&deletion.table));
            session.rows(&form).await.map_err(|error| Stop::Statement(*index, error))?;
            let Some(shape) = session.table_shape(&deletion.table).await? else {
                return Ok(None);
            };
            let Some(kept) = mysql::keeps(deletion, &shape, &names, id) else { return Ok(None) };
            stepwise::check_transactional(session, &shape.name).await?;
            keeping.push((*index, deletion, kept));
        }
        Ok(Some(keeping))
    }

    /// Statements that record a migration which is whole with this transaction, its steps (number from
    /// 1, text, milliseconds) settled.
    fn end_of_all(&self, steps: &[(usize, &str, u128)]) -> Vec<String> {
        let (version, direction, operation) = self.place();
        let journal = self.runner.journal;
        // A try before this one may have recorded that it failed.
        let steps = journal.steps_again((version, direction, operation), steps, "settled");
        let end = match direction {
            Direction::Up => journal.record(&self.work.entry, operation, 0),
            Direction::Down => journal.forget(version),
        };
        steps.into_iter().chain([end]).collect()
    }
}

/// The same migration once what its restore points hold in the table that many share lies in tables of
/// its own. May run again after a crash at any point.
pub(super) async fn unpacked<'a>(
    runner: &mut Runner,
    work: &Work<'a>,
) -> Result<Work<'a>, RunError> {
    let mut points: Vec<RestorePoint> = work.points.clone();
    for kept in points.iter_mut().flat_map(|point| &mut point.kept).filter(|kept| kept.packed) {
        unpack(runner, kept).await.map_err(|stop| match stop {
            Stop::Snapshot(reason) => RunError::Refused {
                label: work.prepared.label.clone(),
                direction: work.prepared.direction,
                reason,
            },
            Stop::Engine(error) | Stop::Statement(_, error) => RunError::Engine(error),
        })?;
    }
    Ok(Work {
        version: work.version,
        prepared: work.prepared,
        entry: work.entry.clone(),
        operation: work.operation,
        points,
    })
}

async fn unpack(runner: &mut Runner, kept: &mut Kept) -> Result<(), Stop> {
    let (journal, budget) = (runner.journal, runner.options.for_the_journal());
    let session = &mut *runner.session;
    mysql::begin_unpacking(session, kept).await?;
    session.begin(budget).await?;
    let modes = stepwise::own_modes(session).await?;
    let result = mysql::unpack(session, kept).await;
    let result: Result<String, Stop> = match result {
        Ok(()) => journal.update_kept(kept).map_err(EngineError::into),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(record) => session.commit_with(&format!("{record}; {modes}")).await?,
        Err(stop) => {
            let _ = session.rollback().await;
            let _ = session.execute(&modes).await;
            return Err(stop);
        }
    }
    Ok(())
}
