//! Tracked tables while a migration runs: their history follows them from form to form, and marks
//! stand around the migration.

use downhaul_engine::Session;
use downhaul_plan::Direction;
use downhaul_snapshot::SnapshotError;
use downhaul_snapshot::track::follow::{self, Endangering, Origin};
use downhaul_snapshot::{mark, track};
use downhaul_syntax::{Change, Parsed, Statement};

/// Follows the tracked tables through one transaction.
pub(crate) struct Tracking {
    /// Forms of the tables before it; `None`: nothing is tracked.
    versions: Option<String>,
    /// What a person should know.
    pub(crate) notes: Vec<String>,
}

impl Tracking {
    /// Begins, within the transaction. `there` says that tables have been tracked in this database.
    pub(crate) async fn begin(
        session: &mut dyn Session,
        there: bool,
    ) -> Result<Self, SnapshotError> {
        if !there || track::all(session).await?.is_empty() {
            return Ok(Self { versions: None, notes: Vec::new() });
        }
        let notes = follow::resync(session, Origin::Outside, &[]).await?;
        let versions = Some(mark::versions(session).await?);
        Ok(Self { versions, notes })
    }

    /// Before a statement.
    pub(crate) async fn before(
        &self,
        session: &mut dyn Session,
        statement: &Statement,
    ) -> Result<(), SnapshotError> {
        if self.versions.is_none() {
            return Ok(());
        }
        let all = endangered(session, statement).await?;
        for endangering in &all {
            follow::before(session, endangering, &all).await?;
        }
        Ok(())
    }

    /// After a statement.
    pub(crate) async fn after(
        &mut self,
        session: &mut dyn Session,
        statement: &Statement,
    ) -> Result<(), SnapshotError> {
        if self.versions.is_none() || only_rows(statement) {
            return Ok(());
        }
        self.resync(session, statement.changes()).await
    }

    /// After statements of our own.
    pub(crate) async fn follow(&mut self, session: &mut dyn Session) -> Result<(), SnapshotError> {
        self.resync(session, &[]).await
    }

    async fn resync(
        &mut self,
        session: &mut dyn Session,
        changes: &[Change],
    ) -> Result<(), SnapshotError> {
        if self.versions.is_some() {
            self.notes.extend(follow::resync(session, Origin::Migration, changes).await?);
        }
        Ok(())
    }

    /// Sets the marks, as the last thing before the commit.
    pub(crate) async fn end(
        &self,
        session: &mut dyn Session,
        label: &str,
        direction: Direction,
        who: &str,
    ) -> Result<(), SnapshotError> {
        let Some(versions) = &self.versions else { return Ok(()) };
        let what = match direction {
            Direction::Up => label.to_owned(),
            Direction::Down => format!("down {label}"),
        };
        let names = (format!("before {what}"), format!("after {what}"));
        mark::around(session, (&names.0, &names.1), versions, who).await
    }
}

/// The statement changes rows and nothing else.
fn only_rows(statement: &Statement) -> bool {
    match &statement.parsed {
        Parsed::Changes(changes) => changes
            .iter()
            .all(|change| change.is_dml() || matches!(change, Change::Truncate { .. })),
        _ => false,
    }
}

/// What a statement does to tables that triggers do not see.
async fn endangered(
    session: &mut dyn Session,
    statement: &Statement,
) -> Result<Vec<Endangering>, SnapshotError> {
    let mut found: Vec<Endangering> = Vec::new();
    let mut reshape = |table: &downhaul_syntax::ObjectName, column: &downhaul_syntax::Ident| {
        for known in &mut found {
            if let Endangering::Reshape(name, columns) = known
                && name == table
            {
                columns.push(column.clone());
                return;
            }
        }
        found.push(Endangering::Reshape(table.clone(), vec![column.clone()]));
    };
    let mut schemas = Vec::new();
    let mut dropped = Vec::new();
    let mut detached = Vec::new();
    for change in statement.changes() {
        match change {
            Change::DropColumn { table, column, .. }
            | Change::AlterColumnType { table, column, .. } => reshape(table, column),
            Change::DropTable { name, .. } => dropped.push(name.clone()),
            Change::DetachPartition { partition, .. } => detached.push(partition.clone()),
            Change::DropSchema { name, .. } => schemas.push(name.clone()),
            _ => {}
        }
    }
    for schema in schemas {
        dropped.extend(session.tables_of_schema(schema.as_str()).await?);
    }
    found.extend(dropped.into_iter().map(Endangering::Drop));
    found.extend(detached.into_iter().map(Endangering::Detach));
    Ok(found)
}
