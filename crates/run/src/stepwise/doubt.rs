//! Migrations that went with others in one message, whose end the journal does not know yet: the catalog
//! tells what of them took effect.

use downhaul_engine::{EngineError, Session};
use downhaul_plan::{Direction, Version};

use super::signs;
use crate::journal::{Journal, MigrationState};
use crate::{RunError, Runner};

/// A migration that was recorded as begun, its statements all at once.
#[derive(Clone, Debug)]
pub(crate) struct Doubt {
    pub(crate) version: Version,
    pub(super) direction: Direction,
    pub(super) operation: i64,
    /// Its statements (from 1), and whether they took effect.
    pub(super) steps: Vec<(usize, bool)>,
}

impl Doubt {
    fn is_whole(&self) -> bool {
        self.steps.iter().all(|(_, took)| *took)
    }

    fn is_nothing(&self) -> bool {
        self.steps.iter().all(|(_, took)| !took)
    }

    /// What the journal should say of it; `None`: nothing.
    pub(crate) fn state(&self) -> Option<MigrationState> {
        let up = self.direction == Direction::Up;
        if self.is_whole() {
            up.then_some(MigrationState::Applied)
        } else if self.is_nothing() {
            (!up).then_some(MigrationState::Applied)
        } else if up {
            Some(MigrationState::Applying)
        } else {
            Some(MigrationState::Reverting)
        }
    }
}

/// Those that the journal holds, judged by the catalog as it is now.
pub(crate) async fn in_doubt(
    session: &mut dyn Session,
    journal: Journal,
) -> Result<Vec<Doubt>, EngineError> {
    if !session.dialect().is_mysql_family() {
        return Ok(Vec::new());
    }
    let rows = session
        .rows(&format!(
            "SELECT s.version, s.direction, s.operation, s.ordinal, s.state, COALESCE(s.probe, '') FROM {} s JOIN {} m ON m.version = s.version \
             WHERE m.state <> 'applied' AND s.direction = IF(m.state = 'applying', 'up', 'down') AND s.state IN ('intended', 'started', 'done') \
             ORDER BY s.version, s.operation, s.ordinal",
            journal.table("step"),
            journal.table("migration")
        ))
        .await?;
    let mut doubts: Vec<Doubt> = Vec::new();
    let mut probes: Vec<Vec<&str>> = Vec::new();
    // Those that went by themselves settle by themselves.
    let mut others: Vec<&str> = Vec::new();
    for row in &rows {
        if row.text(4) != "started" || !signs::are_signs(row.text(5)) {
            others.push(row.text(0));
            continue;
        }
        let direction = if row.text(1) == "up" { Direction::Up } else { Direction::Down };
        let operation = row.number(2)?;
        let step = (usize::try_from(row.number(3)?).unwrap_or(0), false);
        match doubts.last_mut().filter(|last| last.version.as_str() == row.text(0)) {
            Some(last) if last.operation == operation => {
                last.steps.push(step);
                if let Some(probes) = probes.last_mut() {
                    probes.push(row.text(5));
                }
            }
            Some(_) => others.push(row.text(0)),
            None => {
                let version = Version::new(row.text(0));
                doubts.push(Doubt { version, direction, operation, steps: vec![step] });
                probes.push(vec![row.text(5)]);
            }
        }
    }
    let mut all: Vec<(Doubt, Vec<&str>)> = doubts
        .into_iter()
        .zip(probes)
        .filter(|(doubt, _)| !others.contains(&doubt.version.as_str()))
        .collect();
    // The last one first: a server that is still at work has no gap behind it then.
    let newest_last = |one: &Doubt, other: &Doubt| one.version.cmp(&other.version);
    all.sort_by(|(one, _), (other, _)| match one.direction {
        Direction::Up => newest_last(other, one),
        Direction::Down => newest_last(one, other),
    });
    let mut judged = Vec::with_capacity(all.len());
    for (mut doubt, probes) in all {
        for ((_, took), probe) in doubt.steps.iter_mut().zip(probes).rev() {
            *took = signs::took_effect(session, probe).await?.unwrap_or(false);
        }
        judged.push(doubt);
    }
    Ok(judged)
}

/// Statements that record what took effect, and forget what did not.
pub(super) fn records(doubts: &[Doubt], journal: Journal) -> Vec<String> {
    let mut runs: Vec<(i64, Direction)> = Vec::new();
    for doubt in doubts {
        let run = (doubt.operation, doubt.direction);
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    let mut records = Vec::new();
    for (operation, direction) in runs {
        let own = || doubts.iter().filter(|d| (d.operation, d.direction) == (operation, direction));
        let versions = |fits: fn(&Doubt) -> bool| -> Vec<&Version> {
            own().filter(|doubt| fits(doubt)).map(|doubt| &doubt.version).collect()
        };
        let (steps, migrations) = (journal.table("step"), journal.table("migration"));
        let step = |versions: &[&Version]| {
            format!(
                "WHERE operation = {operation} AND version IN ({}) AND direction = '{direction}' AND state = 'started'",
                journal.list(versions)
            )
        };
        let whole = versions(Doubt::is_whole);
        if !whole.is_empty() {
            let (now, list) = (journal.now(), journal.list(&whole));
            records
                .push(format!("UPDATE {steps} SET state = 'settled', at = {now} {}", step(&whole)));
            records.push(match direction {
                Direction::Up => format!(
                    "UPDATE {migrations} SET state = 'applied', applied_at = {now} WHERE state = 'applying' AND version IN ({list})"
                ),
                Direction::Down => {
                    format!("DELETE FROM {migrations} WHERE state = 'reverting' AND version IN ({list})")
                }
            });
        }
        let nothing = versions(Doubt::is_nothing);
        if !nothing.is_empty() {
            let list = journal.list(&nothing);
            records.push(format!("DELETE FROM {steps} {}", step(&nothing)));
            records.push(match direction {
                Direction::Up => {
                    format!("DELETE FROM {migrations} WHERE state = 'applying' AND version IN ({list})")
                }
                Direction::Down => format!(
                    "UPDATE {migrations} SET state = 'applied' WHERE state = 'reverting' AND version IN ({list})"
                ),
            });
        }
        for doubt in own().filter(|doubt| !doubt.is_whole() && !doubt.is_nothing()) {
            let took: Vec<String> = doubt
                .steps
                .iter()
                .filter(|(_, took)| *took)
                .map(|(ordinal, _)| ordinal.to_string())
                .collect();
            let one = step(&[&doubt.version]);
            records.push(format!(
                "UPDATE {steps} SET state = 'done', at = {} {one} AND ordinal IN ({})",
                journal.now(),
                took.join(", ")
            ));
            records.push(format!("DELETE FROM {steps} {one}"));
        }
    }
    records
}

/// Writes down what took effect of a message that was cut off.
pub(crate) async fn settle(runner: &mut Runner) -> Result<(), RunError> {
    let journal = runner.journal;
    let doubts = in_doubt(&mut *runner.session, journal).await?;
    if doubts.is_empty() {
        return Ok(());
    }
    let budget = runner.options.for_the_journal();
    runner.session.transact(budget, &records(&doubts, journal).join("; ")).await?;
    Ok(())
}
