//! What the journal says while a migration runs that no transaction can hold.

use downhaul_engine::{EngineError, SchemaDump, Session};
use downhaul_plan::{Direction, Version};
use downhaul_snapshot::track::follow;
use downhaul_snapshot::{Kept, KeptMode, SnapshotError, sql, stepwise, tombstone};

use super::Run;
use super::trace::Begun;
use crate::apply::{Stop, gives_way};
use crate::journal::{Journal, JournalEntry, MigrationState};
use crate::{RunError, Runner};

fn json<T: serde::Serialize>(value: &T) -> Result<String, EngineError> {
    serde_json::to_string(value).map_err(|error| EngineError::Protocol(error.to_string()))
}

impl Journal {
    /// What the journal says of a migration.
    pub(crate) async fn state_of(
        self,
        session: &mut dyn Session,
        version: &Version,
    ) -> Result<Option<MigrationState>, EngineError> {
        let row = session
            .row(&format!(
                "SELECT state FROM {} WHERE version = {}",
                self.table("migration"),
                self.text(version.as_str())
            ))
            .await?;
        row.map(|row| MigrationState::parse(row.text(0))).transpose()
    }

    /// Opens a restore point: `open`, or `making` while its stores are being filled.
    pub(super) async fn open_point(
        self,
        session: &mut dyn Session,
        (version, direction, operation): (&Version, Direction, i64),
        state: &str,
        before: Option<&SchemaDump>,
        kept: &[&Kept],
    ) -> Result<i64, EngineError> {
        let table = self.table("restore_point");
        let id = session.number(&format!("SELECT coalesce(max(id), 0) + 1 FROM {table}")).await?;
        let nothing = SchemaDump::default();
        session
            .execute(&format!(
                "INSERT INTO {table} (id, version, direction, operation, created_at, state, schema_before, schema_after) \
                 VALUES ({id}, {}, '{direction}', {operation}, {}, '{state}', {}, {})",
                self.text(version.as_str()),
                self.now(),
                self.text(&json(before.unwrap_or(&nothing))?),
                self.text(&json(&nothing)?),
            ))
            .await?;
        for kept in kept {
            session
                .execute(&format!(
                    "INSERT INTO {} (id, restore_point, table_name, rows_kept, detail) VALUES ({}, {id}, {}, {}, {})",
                    self.table("kept"),
                    kept.id,
                    self.text(&kept.table.to_string()),
                    kept.rows,
                    self.text(&json(kept)?),
                ))
                .await?;
        }
        Ok(id)
    }

    /// Statement that records a restore point of rows, if there are any in these stores of a table that
    /// many share.
    pub(super) fn point_of(
        self,
        kept: &str,
        stores: &[i64],
        id: i64,
        (version, direction, operation): (&Version, Direction, i64),
    ) -> Result<String, EngineError> {
        let nothing = self.text(&json(&SchemaDump::default())?);
        let stores: Vec<String> = stores.iter().map(i64::to_string).collect();
        Ok(format!(
            "INSERT INTO {} (id, version, direction, operation, created_at, state, schema_before, schema_after) \
             SELECT {id}, {}, '{direction}', {operation}, {}, 'held', {nothing}, {nothing} FROM {kept} WHERE store IN ({}) LIMIT 1",
            self.table("restore_point"),
            self.text(version.as_str()),
            self.now(),
            stores.join(", ")
        ))
    }

    /// What the journal says of a store, as a literal.
    pub(super) fn detail(self, kept: &Kept) -> Result<String, EngineError> {
        Ok(self.text(&json(kept)?))
    }

    /// What was being kept for a statement when its run was cut off.
    pub(super) async fn making(
        self,
        session: &mut dyn Session,
        version: &Version,
        direction: Direction,
    ) -> Result<Vec<(i64, Kept)>, EngineError> {
        let rows = session
            .rows(&format!(
                "SELECT r.id, k.detail FROM {} r JOIN {} k ON k.restore_point = r.id \
                 WHERE r.version = {} AND r.direction = '{direction}' AND r.state = 'making' ORDER BY k.id",
                self.table("restore_point"),
                self.table("kept"),
                self.text(version.as_str())
            ))
            .await?;
        rows.iter()
            .map(|row| {
                let kept = serde_json::from_str(row.text(1))
                    .map_err(|error| EngineError::Protocol(format!("restore point: {error}")))?;
                Ok((row.number(0)?, kept))
            })
            .collect()
    }

    /// Statements that forget a restore point.
    pub(super) fn forget_point(self, id: i64) -> String {
        format!(
            "DELETE FROM {} WHERE restore_point = {id}; DELETE FROM {} WHERE id = {id}",
            self.table("kept"),
            self.table("restore_point")
        )
    }

    /// Statement that writes down what a store holds.
    pub(super) fn update_kept(self, kept: &Kept) -> Result<String, EngineError> {
        Ok(format!(
            "UPDATE {} SET rows_kept = {}, detail = {} WHERE id = {}",
            self.table("kept"),
            kept.rows,
            self.text(&json(kept)?),
            kept.id
        ))
    }

    /// Statement that records one step as `intended` or `started`, whatever was recorded of it in
    /// this operation before.
    pub(super) fn intend(
        self,
        (version, direction, operation): (&Version, Direction, i64),
        (ordinal, statement): (usize, &str),
        state: &str,
        probe: &str,
    ) -> String {
        format!(
            "REPLACE INTO {} (operation, version, direction, ordinal, statement, state, at, duration_ms, probe) \
             VALUES ({operation}, {}, '{direction}', {ordinal}, {}, '{state}', {}, 0, {})",
            self.table("step"),
            self.text(version.as_str()),
            self.text(statement),
            self.now(),
            self.text(probe)
        )
    }

    /// Statement that records steps as done (number from 1, text, milliseconds).
    pub(super) fn done(
        self,
        (version, direction, operation): (&Version, Direction, i64),
        steps: &[(usize, &str, u128)],
    ) -> Option<String> {
        self.steps(operation, version, direction, steps, "done")
            .map(|insert| insert.replacen("INSERT INTO", "REPLACE INTO", 1))
    }
}

impl Run<'_> {
    pub(super) fn place(&self) -> (&Version, Direction, i64) {
        (self.work.version, self.work.prepared.direction, self.work.operation)
    }

    /// Statement that closes the steps of this migration.
    fn settle(&self) -> String {
        let (version, direction, operation) = self.place();
        let own = (!self.resumed).then_some(operation);
        self.runner.journal.settle_steps(version, direction, own)
    }

    /// Reads what earlier runs of this migration did; refuses a file in which that was changed.
    pub(super) async fn read_steps(&mut self) -> Result<(), RunError> {
        let journal = self.runner.journal;
        let prepared = self.work.prepared;
        let rows = self
            .runner
            .session
            .rows(&format!(
                "SELECT ordinal, statement, state, probe FROM {} WHERE version = {} AND direction = '{}' \
                 AND state IN ('intended', 'started', 'done') ORDER BY operation, ordinal",
                journal.table("step"),
                journal.text(self.work.version.as_str()),
                prepared.direction
            ))
            .await?;
        for row in &rows {
            let ordinal = usize::try_from(row.number(0)?).unwrap_or(0);
            let same = prepared.statements.get(ordinal.wrapping_sub(1));
            if same.is_none_or(|statement| statement.shown() != row.text(1)) {
                return Err(RunError::EditedHalfway {
                    label: prepared.label.clone(),
                    done: rows.iter().filter(|row| row.text(2) == "done").count(),
                    total: prepared.statements.len(),
                });
            }
            if row.text(2) == "done" {
                self.done.insert(ordinal);
            } else {
                let begun = match row.text(2) {
                    "started" => Begun::Sent(row.text(3).to_owned()),
                    _ => Begun::Intended,
                };
                self.begun.insert(ordinal, begun);
            }
        }
        for ordinal in &self.done {
            self.begun.remove(ordinal);
        }
        Ok(())
    }

    /// Statement that records that the migration begins. It may be said again: nobody knows whether
    /// a statement that failed had committed what came before it.
    pub(super) fn beginning(&self) -> String {
        let journal = self.runner.journal;
        match self.work.prepared.direction {
            Direction::Up => {
                let entry =
                    JournalEntry { state: MigrationState::Applying, ..self.work.entry.clone() };
                let record = journal.record(&entry, self.work.operation, 0);
                format!("{record} ON DUPLICATE KEY UPDATE version = version")
            }
            Direction::Down => journal.set_state(self.work.version, MigrationState::Reverting),
        }
    }

    /// Records, in one transaction, that the migration begins, unless it is recorded already.
    pub(super) async fn record_beginning(&mut self) -> Result<(), Stop> {
        if !self.unrecorded {
            return Ok(());
        }
        let journal = self.runner.journal;
        let begin = self.beginning();
        let place = (self.work.version, self.work.prepared.direction, self.work.operation);
        let session = &mut *self.runner.session;
        session.begin(self.runner.options.for_the_journal()).await?;
        let recorded = async {
            session.execute(&begin).await?;
            if let Some(before) = &self.before {
                journal.open_point(session, place, "open", Some(before), &[]).await?;
            }
            session.commit().await
        };
        if let Err(error) = recorded.await {
            // After a broken connection there is nothing to roll back: the server does it.
            let _ = self.runner.session.rollback().await;
            return Err(error.into());
        }
        self.unrecorded = false;
        self.before = None;
        Ok(())
    }

    /// Writes the records that the last statement left to the end of the migration.
    pub(super) async fn write_rest(&mut self) -> Result<(), EngineError> {
        if let Some(records) = &self.unwritten {
            let budget = self.runner.options.for_the_journal();
            self.runner.session.transact(budget, records).await?;
            self.unwritten = None;
        }
        Ok(())
    }

    /// Whether the journal tells of something that took effect: an error may come behind a commit.
    async fn knows_of_an_effect(&mut self) -> Result<bool, EngineError> {
        let journal = self.runner.journal;
        let (version, direction, _) = self.place();
        let version = version.clone();
        let done = format!(
            "SELECT count(*) FROM {} WHERE version = {} AND direction = '{direction}' AND state = 'done'",
            journal.table("step"),
            journal.text(version.as_str())
        );
        let session = &mut *self.runner.session;
        if session.number(&done).await? > 0 {
            return Ok(true);
        }
        let state = journal.state_of(session, &version).await?;
        Ok(match direction {
            Direction::Up => state == Some(MigrationState::Applied),
            Direction::Down => state.is_none(),
        })
    }

    /// Where nothing has taken effect: the journal is as it was before.
    pub(super) async fn forget_beginning(&mut self) -> Result<bool, EngineError> {
        if self.knows_of_an_effect().await? {
            return Ok(false);
        }
        let journal = self.runner.journal;
        let (version, direction, _) = self.place();
        let mut statements = vec![match direction {
            Direction::Up => journal.forget(version),
            Direction::Down => journal.set_state(version, MigrationState::Applied),
        }];
        statements.push(self.settle());
        let points = self
            .runner
            .session
            .rows(&format!(
                "SELECT id FROM {} WHERE version = {} AND direction = '{direction}' AND state IN ('open', 'making')",
                journal.table("restore_point"),
                journal.text(self.work.version.as_str())
            ))
            .await?;
        for point in &points {
            statements.push(journal.forget_point(point.number(0)?));
        }
        let session = &mut *self.runner.session;
        session.transact(self.runner.options.for_the_journal(), &statements.join("; ")).await?;
        for kept in self.work.points.iter().flat_map(|point| &point.kept) {
            stepwise::drop_hold(&mut *self.runner.session, kept).await?;
        }
        if self.may_hold {
            drop_unknown(&mut *self.runner.session, journal).await?;
        }
        Ok(true)
    }

    /// Restore points that this migration has opened: number, stores.
    async fn open_points(&mut self) -> Result<Vec<downhaul_engine::Row>, EngineError> {
        let journal = self.runner.journal;
        let (version, direction, _) = self.place();
        let sql = format!(
            "SELECT r.id, count(k.id) FROM {} r LEFT JOIN {} k ON k.restore_point = r.id \
             WHERE r.version = {} AND r.direction = '{direction}' AND r.state = 'open' GROUP BY r.id ORDER BY r.id",
            journal.table("restore_point"),
            journal.table("kept"),
            journal.text(version.as_str())
        );
        self.runner.session.rows(&sql).await
    }

    /// The migration is whole: its restore points are held, those that it used are closed.
    pub(super) async fn finish(&mut self) -> Result<(), Stop> {
        let journal = self.runner.journal;
        let version = self.work.version;
        let direction = self.work.prepared.direction;
        let open = if self.may_hold { self.open_points().await? } else { Vec::new() };
        let mut statements: Vec<String> = self.unwritten.take().into_iter().collect();
        let holds_data = open.iter().any(|row| row.text(1) != "0");
        if let Some(newest) = open.last() {
            if holds_data || direction == Direction::Up {
                if direction == Direction::Up {
                    // Of both schemas, which were needed whole until now, what differs is kept.
                    let oldest = open.first().map_or(newest.text(0), |row| row.text(0));
                    let table = journal.table("restore_point");
                    let after = self.runner.session.dump().await?;
                    let before = self
                        .runner
                        .session
                        .row(&format!("SELECT schema_before FROM {table} WHERE id = {oldest}"))
                        .await?
                        .unwrap_or(downhaul_engine::Row(Vec::new()));
                    let before: SchemaDump =
                        serde_json::from_str(before.text(0)).map_err(|error| {
                            EngineError::Protocol(format!("restore point: {error}"))
                        })?;
                    // Where nobody looked beforehand, there is nothing that could be missing.
                    let (before, after) = if before.objects.is_empty() {
                        Default::default()
                    } else {
                        before.only_differences(&after)
                    };
                    for (column, schema, id) in [
                        ("schema_before", &before, oldest),
                        ("schema_after", &after, newest.text(0)),
                    ] {
                        statements.push(format!(
                            "UPDATE {table} SET {column} = {} WHERE id = {id}",
                            journal.text(&json(schema)?)
                        ));
                    }
                }
                statements.push(format!(
                    "UPDATE {} SET state = 'held' WHERE version = {} AND direction = '{direction}' AND state = 'open'",
                    journal.table("restore_point"),
                    journal.text(version.as_str())
                ));
            } else {
                for point in &open {
                    statements.push(journal.forget_point(point.number(0)?));
                }
            }
        }
        for point in &self.work.points {
            statements.push(format!(
                "UPDATE {} SET state = 'restored' WHERE id = {}",
                journal.table("restore_point"),
                point.id
            ));
        }
        match direction {
            Direction::Up => {
                // The text may have been mended since the first half ran.
                statements.push(journal.forget(version));
                statements.push(journal.record(&self.work.entry, self.work.operation, 0));
            }
            Direction::Down => statements.push(journal.forget(version)),
        }
        if direction == Direction::Down {
            let schema = (&[][..], &self.applied.completed[..], &self.applied.left[..]);
            statements.extend(journal.returned(self.work.operation, version, schema)?);
        }
        statements.push(self.settle());
        let session = &mut *self.runner.session;
        session.transact(self.runner.options.for_the_journal(), &statements.join("; ")).await?;
        for kept in self.work.points.iter().flat_map(|point| &point.kept) {
            stepwise::drop_hold(session, kept).await?;
        }
        if !self.work.points.is_empty() {
            drop_unknown(session, journal).await?;
        }
        Ok(())
    }
}

/// Drops stores that hold nothing any more: those that no restore point needs.
async fn drop_unknown(session: &mut dyn Session, journal: Journal) -> Result<(), EngineError> {
    let dialect = session.dialect();
    let needed = session
        .rows(&format!(
            "SELECT k.id FROM {} k JOIN {} r ON r.id = k.restore_point WHERE r.state <> 'restored' OR k.rows_kept > 0",
            journal.table("kept"),
            journal.table("restore_point")
        ))
        .await?;
    let tables = session
        .rows(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'downhaul\\_kept\\_%'",
        )
        .await?;
    for table in &tables {
        let name = table.text(0);
        let id = name.rsplit('_').next().unwrap_or("");
        if !needed.iter().any(|row| row.text(0) == id) {
            let name = dialect.quote_str(name);
            session.execute(&format!("DROP TABLE IF EXISTS {name}")).await?;
        }
    }
    // Of a tombstone of which the journal says that there is a copy.
    let copied = session
        .rows(&format!(
            "SELECT t.TABLE_NAME, k.detail FROM information_schema.TABLES t JOIN {} k ON t.TABLE_NAME = CONCAT('downhaul_tomb_', k.id) \
             WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME LIKE 'downhaul\\_tomb\\_%'",
            journal.table("kept")
        ))
        .await?;
    for row in &copied {
        let kept: Kept = serde_json::from_str(row.text(1))
            .map_err(|error| EngineError::Protocol(format!("restore point: {error}")))?;
        if kept.mode == KeptMode::Copy {
            tombstone::mysql::drop_copied(session, &Kept { mode: KeptMode::Tombstone, ..kept })
                .await?;
        }
    }
    let columns = session
        .rows(&format!(
            "SELECT c.TABLE_NAME, c.COLUMN_NAME, k.detail FROM information_schema.COLUMNS c JOIN {} k ON c.COLUMN_NAME LIKE CONCAT('downhaul\\_tomb\\_', k.id, '\\_%') \
             WHERE c.TABLE_SCHEMA = DATABASE() AND c.COLUMN_NAME LIKE 'downhaul\\_tomb\\_%' AND c.TABLE_NAME NOT LIKE 'downhaul\\_%'",
            journal.table("kept")
        ))
        .await?;
    for row in &columns {
        let kept: Kept = serde_json::from_str(row.text(2))
            .map_err(|error| EngineError::Protocol(format!("restore point: {error}")))?;
        if kept.mode == KeptMode::Columns {
            let (table, column) = (dialect.quote_str(row.text(0)), dialect.quote_str(row.text(1)));
            session.execute(&format!("ALTER TABLE {table} DROP COLUMN {column}")).await?;
        }
    }
    Ok(())
}

/// Takes away what a killed run left that no later step would look at: row numbers in tables, stores
/// that were never filled, and the absence of triggers that were out of the way for a while.
pub(crate) async fn clean_up(runner: &mut Runner) -> Result<(), RunError> {
    let journal = runner.journal;
    let session = &mut *runner.session;
    restore_triggers(session, journal).await?;
    stepwise::drop_row_ids(session).await?;
    drop_unknown(session, journal).await?;
    let under_way = session
        .number(&format!(
            "SELECT count(*) FROM {} WHERE state <> 'applied'",
            journal.table("migration")
        ))
        .await?;
    if under_way == 0 {
        // What a way back noted before it began, or had no time to forget.
        let holds = session
            .rows(
                "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'downhaul\\_hold\\_%'",
            )
            .await?;
        for hold in &holds {
            let name = session.dialect().quote_str(hold.text(0));
            session.execute(&format!("DROP TABLE IF EXISTS {name}")).await?;
        }
        // A migration was whole, and the history of its tables not yet.
        session.begin(runner.options.budget).await?;
        let resumed = follow::resume(session, None, &[]).await;
        match resumed {
            Ok(_) => session.commit().await?,
            Err(error) => {
                let _ = session.rollback().await;
                // Who holds a table is waited for by whoever wants its history; till then it is told.
                if !matches!(&error, SnapshotError::Engine(error) if gives_way(error)) {
                    return Err(error.into());
                }
            }
        }
    }
    Ok(())
}

/// Where the texts of triggers lie that are out of the way.
fn aside(session: &dyn Session) -> String {
    sql::own(session.dialect(), "trigger")
}

/// Takes the user's triggers on a table out of the way, their texts kept.
pub(super) async fn put_triggers_aside(
    session: &mut dyn Session,
    triggers: &[downhaul_syntax::Ident],
) -> Result<(), EngineError> {
    let d = session.dialect();
    let aside = aside(session);
    if triggers.is_empty() {
        return Ok(());
    }
    session
        .execute(&format!(
            "CREATE TABLE IF NOT EXISTS {aside} (name varchar(64) PRIMARY KEY, position int NOT NULL, sql_mode longtext NOT NULL, definition longtext NOT NULL) \
             ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        ))
        .await?;
    for (position, trigger) in triggers.iter().enumerate() {
        let name = d.quote(trigger);
        let Some(row) = session.row(&format!("SHOW CREATE TRIGGER {name}")).await? else {
            continue;
        };
        session
            .execute(&format!(
                "REPLACE INTO {aside} VALUES ({}, {position}, {}, {})",
                d.literal(trigger.as_str()),
                d.literal(row.text(1)),
                d.literal(row.text(2))
            ))
            .await?;
        session.execute(&format!("DROP TRIGGER IF EXISTS {name}")).await?;
    }
    Ok(())
}

/// Puts them back.
pub(super) async fn restore_triggers(
    session: &mut dyn Session,
    _journal: Journal,
) -> Result<(), EngineError> {
    let d = session.dialect();
    let aside = aside(session);
    let there = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{aside}'"
        ))
        .await?;
    if there == 0 {
        return Ok(());
    }
    let rows = session
        .rows(&format!("SELECT name, sql_mode, definition FROM {aside} ORDER BY position"))
        .await?;
    let mode = session.row("SELECT @@SESSION.sql_mode").await?;
    let mode = mode.map(|row| row.text(0).to_owned()).unwrap_or_default();
    for row in &rows {
        let found = session
            .number(&format!(
                "SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME = {}",
                d.literal(row.text(0))
            ))
            .await?;
        if found == 0 {
            session.execute(&format!("SET SESSION sql_mode = {}", d.literal(row.text(1)))).await?;
            let made = session.execute(row.text(2)).await;
            session.execute(&format!("SET SESSION sql_mode = {}", d.literal(&mode))).await?;
            made?;
        }
        session
            .execute(&format!("DELETE FROM {aside} WHERE name = {}", d.literal(row.text(0))))
            .await?;
    }
    session.execute(&format!("DROP TABLE IF EXISTS {aside}")).await?;
    Ok(())
}
