//! Tracked tables while a migration runs: each statement commits by itself, so between one that
//! changes a table's form and triggers that fit, others would write past the history. What takes
//! away or changes what the triggers name is therefore refused; what only adds is followed.

use downhaul_plan::Direction;
use downhaul_snapshot::mark::{self, Origin};
use downhaul_snapshot::track::follow;
use downhaul_snapshot::{SnapshotError, track};
use downhaul_syntax::{Change, ObjectName};

use super::{Run, Stop};

/// The table whose form or rows a change takes away behind its triggers.
fn endangered(change: &Change) -> Vec<&ObjectName> {
    match change {
        Change::DropColumn { table, .. }
        | Change::RenameColumn { table, .. }
        | Change::AlterColumnType { table, .. } => vec![table],
        Change::Truncate { tables, .. } => tables.iter().collect(),
        Change::DropTable { name, .. } => vec![name],
        Change::RenameTable { from, .. } => vec![from],
        _ => Vec::new(),
    }
}

impl Run<'_> {
    /// Before the first statement: refuses what history cannot follow, and sets the first mark. Whether
    /// any table is tracked.
    pub(super) async fn check_tracked(&mut self) -> Result<bool, Stop> {
        let session = &mut *self.runner.session;
        let tracked = track::all(session).await?;
        if !tracked.iter().any(|t| t.relation != 0) {
            return Ok(false);
        }
        let changes = self.work.prepared.statements.iter().flat_map(|s| s.changes());
        for name in changes.flat_map(endangered) {
            if tracked.iter().any(|t| t.relation != 0 && t.name.name == name.name) {
                let label = self.work.prepared.label.clone();
                return Err(Stop::Snapshot(SnapshotError::CannotTrack(format!(
                    "{label} takes away or changes a part of {name}, which is tracked, and on this server its history cannot follow: `downhaul snapshot untrack {name}` first (its history goes), and track it again afterwards",
                ))));
            }
        }
        self.set_mark("before").await?;
        Ok(true)
    }

    /// After the last one: history follows what was added, and the second mark is set.
    pub(super) async fn follow_tracked(&mut self) -> Result<(), Stop> {
        let session = &mut *self.runner.session;
        if !track::all(session).await?.iter().any(|t| t.relation != 0) {
            return Ok(());
        }
        let notes = follow::resync(session, follow::Origin::Migration, &[]).await?;
        for note in &notes {
            self.observer.event(crate::Event::Note(note));
        }
        self.set_mark("after").await
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
