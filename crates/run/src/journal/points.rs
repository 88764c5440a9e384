//! Restore points.

use std::collections::BTreeSet;

use downhaul_engine::{EngineError, SchemaDump, Session};
use downhaul_plan::{Direction, Version};
use downhaul_snapshot::tombstone::column;
use downhaul_snapshot::{Kept, KeptMode, packed};
use downhaul_syntax::Dialect;

use super::{Holding, Journal, RestorePoint};

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
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let kept = parse(row.text(1))?;
            if kept.pruned.is_none() {
                found.push((Version::new(row.text(0)), kept));
            }
        }
        Ok(found)
    }

    /// What the way back of some versions kept in restore points from the lowest of these numbers on: of
    /// which version, of which table, and how many rows.
    pub(crate) async fn kept_since(
        self,
        session: &mut dyn Session,
        points: impl Iterator<Item = i64>,
    ) -> Result<Vec<(Version, String, u64)>, EngineError> {
        let Some(first) = points.min() else { return Ok(Vec::new()) };
        let rows = session
            .rows(&format!(
                "SELECT r.version, k.table_name, k.rows_kept FROM {} r JOIN {} k ON k.restore_point = r.id WHERE r.id >= {first} ORDER BY k.id",
                self.table("restore_point"),
                self.table("kept")
            ))
            .await?;
        rows.iter()
            .map(|row| {
                let count = u64::try_from(row.number(2)?).unwrap_or(0);
                Ok((Version::new(row.text(0)), row.text(1).to_owned(), count))
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
            let mut kept = Vec::with_capacity(details.len());
            let mut pruned = Vec::new();
            for row in &details {
                let one = parse(row.text(0))?;
                match &one.pruned {
                    Some(when) => pruned.push((one.table.to_string(), when.clone())),
                    None => kept.push(one),
                }
            }
            points.push(RestorePoint {
                id,
                before: serde_json::from_str(row.text(1)).map_err(bad)?,
                after: serde_json::from_str(row.text(2)).map_err(bad)?,
                kept,
                pruned,
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
            if kept.packed {
                session.execute(&packed::forget(self.dialect, kept)).await?;
            } else if kept.has_store() {
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

    /// What is kept, oldest first, and how much room it takes.
    pub async fn holdings(self, session: &mut dyn Session) -> Result<Vec<Holding>, EngineError> {
        let rows = session
            .rows(&format!(
                "SELECT r.version, r.direction, r.created_at, k.detail FROM {} r JOIN {} k ON k.restore_point = r.id WHERE r.state = 'held' ORDER BY k.id",
                self.table("restore_point"),
                self.table("kept")
            ))
            .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let sizes = match self.dialect {
            Dialect::Postgres => {
                "SELECT 'downhaul.' || c.relname, pg_catalog.pg_total_relation_size(c.oid) FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = 'downhaul' AND c.relkind = 'r' AND c.relname ~ '^(kept|tomb)_[0-9]+$'"
            }
            Dialect::Mysql | Dialect::MariaDb => {
                "SELECT TABLE_NAME, coalesce(DATA_LENGTH + INDEX_LENGTH, 0) FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = DATABASE() AND (TABLE_NAME LIKE 'downhaul\\_kept\\_%' OR TABLE_NAME LIKE 'downhaul\\_tomb\\_%')"
            }
            Dialect::Sqlite => "SELECT '', 0",
        };
        let mut sizes = session.rows(sizes).await?;
        let all = rows.iter().map(|row| parse(row.text(3))).collect::<Result<Vec<_>, _>>()?;
        if all.iter().any(|kept| kept.packed) {
            sizes.extend(session.rows(packed::sizes(self.dialect)).await?);
        }
        let mut holdings = Vec::with_capacity(rows.len());
        for (row, kept) in rows.iter().zip(all) {
            if kept.pruned.is_some() {
                continue;
            }
            let store = self.table(&kept.store());
            let size = sizes.iter().find(|size| size.text(0) == store);
            holdings.push(Holding {
                version: Version::new(row.text(0)),
                direction: if row.text(1) == "down" { Direction::Down } else { Direction::Up },
                since: row.text(2).to_owned(),
                bytes: size.and_then(|size| size.text(1).parse().ok()),
                kept,
            });
        }
        Ok(holdings)
    }

    /// The server's time (UTC) so many seconds ago, written as the journal writes times.
    pub async fn ago(self, session: &mut dyn Session, seconds: u64) -> Result<String, EngineError> {
        let sql = match self.dialect {
            Dialect::Postgres => self.now().replace(
                "clock_timestamp()",
                &format!("(clock_timestamp() - interval '{seconds} seconds')"),
            ),
            Dialect::Mysql | Dialect::MariaDb => self.now().replace(
                "UTC_TIMESTAMP(3)",
                &format!("UTC_TIMESTAMP(3) - INTERVAL {seconds} SECOND"),
            ),
            Dialect::Sqlite => self.now().replace("'now'", &format!("'now', '-{seconds} seconds'")),
        };
        let row = session.row(&format!("SELECT {sql}")).await?;
        Ok(row.map(|row| row.text(0).to_owned()).unwrap_or_default())
    }

    /// Statements that give up what was kept: what is known of it stays, its store goes.
    pub(crate) fn give_up(self, holding: &Holding, now: &str) -> Result<[String; 2], EngineError> {
        let kept = Kept { pruned: Some(now.to_owned()), ..holding.kept.clone() };
        let detail = serde_json::to_string(&kept)
            .map_err(|error| EngineError::Protocol(error.to_string()))?;
        Ok([
            format!(
                "UPDATE {} SET rows_kept = 0, detail = {} WHERE id = {}",
                self.table("kept"),
                self.text(&detail),
                kept.id
            ),
            if kept.mode == KeptMode::Hidden {
                column::give_up(self.dialect, &kept)
            } else if kept.packed && self.dialect.is_mysql_family() {
                // And the table that a killed run began to make of it.
                let store = self.table(&kept.store());
                let forget = packed::forget(self.dialect, &kept);
                format!("{forget}; DROP TABLE IF EXISTS {store}")
            } else if kept.packed {
                packed::forget(self.dialect, &kept)
            } else {
                format!("DROP TABLE {}", self.table(&kept.store()))
            },
        ])
    }
}

pub(super) fn parse(detail: &str) -> Result<Kept, EngineError> {
    serde_json::from_str(detail)
        .map_err(|error| EngineError::Protocol(format!("restore point: {error}")))
}
