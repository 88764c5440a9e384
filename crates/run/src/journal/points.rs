//! Restore points.

use std::collections::BTreeSet;

use downhaul_engine::{EngineError, SchemaDump, Session};
use downhaul_plan::{Direction, Version};
use downhaul_snapshot::Kept;

use super::{Journal, RestorePoint};

impl Journal {
    /// Every restore point that is still held, newest first, with the migration it belongs to.
    pub async fn all_kept(
        self,
        session: &mut dyn Session,
    ) -> Result<Vec<(Version, Kept)>, EngineError> {
        let rows = session
            .rows(&format!(
                "SELECT r.version, k.detail FROM {} r JOIN {} k ON k.restore_point = r.id WHERE r.state = 'held' ORDER BY k.id",
                self.table("restore_point"),
                self.table("kept")
            ))
            .await?;
        rows.iter()
            .map(|row| {
                let kept = serde_json::from_str(row.text(1))
                    .map_err(|error| EngineError::Protocol(format!("restore point: {error}")))?;
                Ok((Version::new(row.text(0)), kept))
            })
            .collect()
    }

    /// Number for the next store.
    pub async fn next_kept(self, session: &mut dyn Session) -> Result<i64, EngineError> {
        let query = format!("SELECT coalesce(max(id), 0) + 1 FROM {}", self.table("kept"));
        session.ask(&[&query], "").await?.first().map_or(Ok(1), |row| row.number(0))
    }

    /// Statements that record a restore point, within its transaction.
    pub fn add_restore_point(
        self,
        version: &Version,
        direction: Direction,
        operation: i64,
        schemas: (&SchemaDump, &SchemaDump),
        kept: &[Kept],
    ) -> Result<Vec<String>, EngineError> {
        let table = self.table("restore_point");
        let json = |value: &SchemaDump| {
            serde_json::to_string(value).map_err(|error| EngineError::Protocol(error.to_string()))
        };
        let mut statements = vec![format!(
            "INSERT INTO {table} (id, version, direction, operation, created_at, state, schema_before, schema_after) \
             SELECT coalesce(max(id), 0) + 1, {}, '{direction}', {operation}, {}, 'held', {}, {} FROM {table}",
            self.text(version.as_str()),
            self.now(),
            self.text(&json(schemas.0)?),
            self.text(&json(schemas.1)?),
        )];
        for kept in kept {
            let detail = serde_json::to_string(kept)
                .map_err(|error| EngineError::Protocol(error.to_string()))?;
            statements.push(format!(
                "INSERT INTO {} (id, restore_point, table_name, rows_kept, detail) SELECT {}, max(id), {}, {}, {} FROM {table}",
                self.table("kept"),
                kept.id,
                self.text(&kept.table.to_string()),
                kept.rows,
                self.text(&detail),
            ));
        }
        Ok(statements)
    }

    /// Migrations of which [`Self::restore_points`] has something, all at once.
    pub async fn with_restore_points(
        self,
        session: &mut dyn Session,
        direction: Direction,
    ) -> Result<BTreeSet<Version>, EngineError> {
        let rows = session
            .rows(&format!(
                "SELECT DISTINCT version FROM {} WHERE direction = '{direction}' AND state IN ('held', 'returned')",
                self.table("restore_point")
            ))
            .await?;
        Ok(rows.iter().map(|row| Version::new(row.text(0))).collect())
    }

    /// The restore points that the last run of a migration in a direction left and that are still
    /// held, newest first: one for each of its transactions that destroyed something.
    pub async fn restore_points(
        self,
        session: &mut dyn Session,
        version: &Version,
        direction: Direction,
    ) -> Result<Vec<RestorePoint>, EngineError> {
        let rows = session
            .rows(&format!(
                "SELECT id, schema_before, schema_after, state FROM {} WHERE version = {} AND direction = '{direction}' AND state IN ('held', 'returned') ORDER BY id DESC",
                self.table("restore_point"),
                self.text(version.as_str())
            ))
            .await?;
        let bad =
            |error: serde_json::Error| EngineError::Protocol(format!("restore point: {error}"));
        let mut points = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = row.number(0)?;
            let details = session
                .rows(&format!(
                    "SELECT detail FROM {} WHERE restore_point = {id} ORDER BY id",
                    self.table("kept")
                ))
                .await?;
            points.push(RestorePoint {
                id,
                before: serde_json::from_str(row.text(1)).map_err(bad)?,
                after: serde_json::from_str(row.text(2)).map_err(bad)?,
                kept: details
                    .iter()
                    .map(|row| serde_json::from_str(row.text(0)).map_err(bad))
                    .collect::<Result<_, _>>()?,
                returned: row.text(3) == "returned",
            });
        }
        Ok(points)
    }

    /// Closes a restore point. Its stores go, but for those (by number) that still hold what could
    /// not go back.
    pub async fn close_restore_point(
        self,
        session: &mut dyn Session,
        point: &RestorePoint,
        remaining: &[i64],
    ) -> Result<(), EngineError> {
        session
            .execute(&format!(
                "UPDATE {} SET state = 'restored' WHERE id = {}",
                self.table("restore_point"),
                point.id
            ))
            .await?;
        for kept in point.kept.iter().filter(|kept| !remaining.contains(&kept.id)) {
            if kept.has_store() {
                session.execute(&format!("DROP TABLE {}", self.table(&kept.store()))).await?;
            }
            session
                .execute(&format!(
                    "UPDATE {} SET rows_kept = 0 WHERE id = {}",
                    self.table("kept"),
                    kept.id
                ))
                .await?;
        }
        Ok(())
    }

    /// Rows kept for each migration (version, table, rows), for `status`.
    pub async fn held(
        self,
        session: &mut dyn Session,
    ) -> Result<Vec<(Version, Direction, String, u64)>, EngineError> {
        let rows = session
            .rows(&format!(
                "SELECT r.version, r.direction, k.table_name, k.rows_kept FROM {} r JOIN {} k ON k.restore_point = r.id WHERE r.state = 'held' ORDER BY k.id",
                self.table("restore_point"),
                self.table("kept")
            ))
            .await?;
        rows.iter()
            .map(|row| {
                let direction = if row.text(1) == "down" { Direction::Down } else { Direction::Up };
                let rows = u64::try_from(row.number(3)?).unwrap_or(0);
                Ok((Version::new(row.text(0)), direction, row.text(2).to_owned(), rows))
            })
            .collect()
    }
}
