//! A backfill's line in the journal: where it is, how fast it goes, and what others want of it.

use std::time::{Duration, Instant};

use downhaul_engine::{EngineError, Row, Session};
use downhaul_plan::{Direction, Version};
use downhaul_syntax::Dialect;

use super::batch::Ahead;
use super::pace::FIRST;
use crate::Journal;

/// How far a backfill is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Values of the key behind which the next batch begins, or the number of a block.
    pub(crate) cursor: Option<Vec<String>>,
    /// The last batch is done.
    pub(crate) ended: bool,
    /// Rows changed.
    pub(crate) rows: u64,
    /// Rows gone over, whether they needed a change or not.
    pub(crate) passed: u64,
    /// Rows of the next batch.
    pub(crate) batch: u64,
    /// Rows gone over in a second, with the rests.
    pub(crate) rate: f64,
    /// When it was reached.
    pub(crate) since: Instant,
    /// Where the next batch ends, if that is known.
    pub(crate) ahead: Option<Ahead>,
    /// How long it takes to record a place, and how long a message and its answer are on their way, about.
    pub(crate) record: Duration,
    pub(crate) way: Duration,
}

impl Place {
    /// Before the first batch of what lies behind a key.
    pub(crate) fn behind(cursor: Option<Vec<String>>) -> Self {
        let since = Instant::now();
        Self {
            cursor,
            ended: false,
            rows: 0,
            passed: 0,
            batch: FIRST,
            rate: 0.0,
            since,
            ahead: None,
            record: Duration::ZERO,
            way: Duration::ZERO,
        }
    }

    /// Takes the time behind the place before, and what follows from it.
    pub(crate) fn goes_on_from(&mut self, before: &Self) {
        self.since = Instant::now();
        let seconds = (self.since - before.since).as_secs_f64().max(0.000_001);
        let rate = self.passed.saturating_sub(before.passed) as f64 / seconds;
        // What the last second or so says.
        let share = if before.rate > 0.0 { seconds / (seconds + 1.0) } else { 1.0 };
        self.rate = before.rate * (1.0 - share) + rate * share;
    }

    /// The cursor as the journal keeps it.
    pub(crate) fn written(&self) -> Option<String> {
        if self.ended {
            return Some(ENDED.to_owned());
        }
        self.cursor.as_deref().map(written)
    }
}

/// Stands in the journal for a cursor behind which nothing is left.
const ENDED: &str = "end";

/// Values of a key as the journal keeps them.
pub(crate) fn written(cursor: &[String]) -> String {
    serde_json::to_string(cursor).unwrap_or_default()
}

/// What [`written`] wrote.
pub(crate) fn read(text: Option<&str>) -> Option<Vec<String>> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

/// What somebody wants of a backfill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) paused: bool,
    /// Percent of the time at work; `None` leaves it to the backfill.
    pub(crate) speed: Option<u64>,
}

/// A statement's line in the journal's table of backfills.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) journal: Journal,
    pub(crate) dialect: Dialect,
    pub(crate) version: Version,
    pub(crate) direction: Direction,
    pub(crate) ordinal: usize,
}

/// The table's columns; kept in the words that every engine knows.
fn definition(dialect: Dialect) -> String {
    let (word, text, float) = match dialect {
        Dialect::Postgres => ("text", "text", "double precision"),
        Dialect::Mysql | Dialect::MariaDb => ("varchar(190)", "text", "double"),
        Dialect::Sqlite => ("text", "text", "real"),
    };
    format!(
        "version {word} NOT NULL, direction {word} NOT NULL, ordinal bigint NOT NULL, place {text}, row_count bigint NOT NULL, total bigint NOT NULL, batch bigint NOT NULL, paused boolean NOT NULL, speed bigint NOT NULL, done boolean NOT NULL, started_at {word} NOT NULL, at {word} NOT NULL, target {text}, passed bigint NOT NULL DEFAULT 0, rate {float} NOT NULL DEFAULT 0, throttle {text}, PRIMARY KEY (version, direction, ordinal)"
    )
}

impl Ledger {
    fn table(&self) -> String {
        self.journal.table("backfill")
    }

    pub(super) fn key(&self) -> String {
        format!(
            "version = {} AND direction = '{}' AND ordinal = {}",
            self.journal.text(self.version.as_str()),
            self.direction,
            self.ordinal
        )
    }

    async fn ensure(&self, session: &mut dyn Session) -> Result<(), EngineError> {
        let engine = match self.dialect {
            Dialect::Mysql | Dialect::MariaDb => {
                " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
            }
            _ => "",
        };
        for (table, columns) in [
            (self.table(), definition(self.dialect)),
            (self.stretches_table(), super::stretches::definition(self.dialect)),
        ] {
            session
                .execute(&format!("CREATE TABLE IF NOT EXISTS {table} ({columns}){engine}"))
                .await?;
        }
        if self.dialect != Dialect::Postgres {
            return Ok(());
        }
        // The table of an earlier Downhaul, which had PostgreSQL only.
        let columns = session
            .number(&format!(
                "SELECT count(*) FROM pg_attribute WHERE attrelid = CAST('{}' AS regclass) AND attname = 'throttle'",
                self.table()
            ))
            .await?;
        if columns == 0 {
            session
                .execute(&format!(
                    "ALTER TABLE {} ADD COLUMN target text, ADD COLUMN passed bigint NOT NULL DEFAULT 0, ADD COLUMN rate double precision NOT NULL DEFAULT 0, ADD COLUMN throttle text",
                    self.table()
                ))
                .await?;
        }
        Ok(())
    }

    /// The place at which an earlier run was cut off, or the beginning.
    pub(crate) async fn open(
        &self,
        session: &mut dyn Session,
        target: &str,
        total: u64,
    ) -> Result<Place, EngineError> {
        self.ensure(session).await?;
        let rows = session
            .rows(&format!(
                "SELECT place, row_count, batch, passed, rate FROM {} WHERE {} AND NOT done",
                self.table(),
                self.key()
            ))
            .await?;
        if let Some(row) = rows.first() {
            return Ok(Place {
                cursor: read(row.opt(0)),
                ended: row.opt(0) == Some(ENDED),
                rows: count(row, 1)?,
                batch: count(row, 2)?.max(1),
                passed: count(row, 3)?,
                rate: row.text(4).parse().unwrap_or(0.0),
                ..Place::behind(None)
            });
        }
        for table in [self.stretches_table(), self.table()] {
            session.execute(&format!("DELETE FROM {table} WHERE {}", self.key())).await?;
        }
        session
            .execute(&format!(
                "INSERT INTO {table} (version, direction, ordinal, place, row_count, total, batch, paused, speed, done, started_at, at, target) VALUES ({version}, '{direction}', {ordinal}, NULL, 0, {total}, {FIRST}, false, {BY_ITSELF}, false, {now}, {now}, {target})",
                table = self.table(),
                version = self.journal.text(self.version.as_str()),
                direction = self.direction,
                ordinal = self.ordinal,
                now = self.journal.now(),
                target = self.journal.text(target),
            ))
            .await?;
        Ok(Place::behind(None))
    }

    /// Statement that records a place.
    pub(crate) fn reach(&self, place: &Place, done: bool) -> String {
        self.line(place, &place.rows.to_string(), &place.passed.to_string(), done)
    }

    /// The same where the statement itself says how many rows were changed and gone over.
    pub(crate) fn reach_by(&self, place: &Place, rows: &str, passed: &str) -> String {
        self.line(place, rows, passed, false)
    }

    fn line(&self, place: &Place, rows: &str, passed: &str, done: bool) -> String {
        let cursor = self.opt(place.written().as_deref());
        format!(
            "UPDATE {} SET place = {cursor}, row_count = {rows}, passed = {passed}, batch = {}, rate = {:.3}, throttle = NULL, done = {done}, at = {} WHERE {}",
            self.table(),
            place.batch,
            place.rate,
            self.journal.now(),
            self.key()
        )
    }

    pub(super) fn opt(&self, text: Option<&str>) -> String {
        text.map_or_else(|| "NULL".to_owned(), |text| self.journal.text(text))
    }

    /// Statements that record its end.
    pub(crate) fn close(&self, place: &Place) -> String {
        format!("{}; {}", self.reach(place, true), self.forget_stretches())
    }

    /// What somebody wants of it.
    pub(crate) async fn wish(&self, session: &mut dyn Session) -> Result<Wish, EngineError> {
        let rows = session
            .rows(&format!("SELECT paused, speed FROM {} WHERE {}", self.table(), self.key()))
            .await?;
        match rows.first() {
            Some(row) => Ok(Wish { paused: row.flag(0), speed: speed(count(row, 1)?) }),
            None => Ok(Wish { paused: false, speed: None }),
        }
    }

    /// Tells why it rests, and that it is alive.
    pub(crate) async fn rests(
        &self,
        session: &mut dyn Session,
        why: &str,
    ) -> Result<(), EngineError> {
        self.note(session, &format!("throttle = {}, ", self.journal.text(why))).await
    }

    /// Tells that it is alive, and nothing else: why it rests is known.
    pub(crate) async fn alive(&self, session: &mut dyn Session) -> Result<(), EngineError> {
        self.note(session, "").await
    }

    /// Tells how far others are who end their present batches while it rests.
    pub(crate) async fn counted(
        &self,
        session: &mut dyn Session,
        place: &Place,
    ) -> Result<(), EngineError> {
        let counts = format!("row_count = {}, passed = {}, ", place.rows, place.passed);
        self.note(session, &counts).await
    }

    /// Tells how far all sessions are, while some of them do not get their locks.
    pub(crate) async fn held(
        &self,
        session: &mut dyn Session,
        place: &Place,
        why: &str,
    ) -> Result<(), EngineError> {
        let set = format!(
            "row_count = {}, passed = {}, batch = {}, rate = {:.3}, throttle = {}, ",
            place.rows,
            place.passed,
            place.batch,
            place.rate,
            self.journal.text(why)
        );
        self.note(session, &set).await
    }

    /// Pauses it, as `downhaul backfill pause` would.
    pub(crate) async fn pause(
        &self,
        session: &mut dyn Session,
        why: &str,
    ) -> Result<(), EngineError> {
        self.note(session, &format!("paused = true, throttle = {}, ", self.journal.text(why))).await
    }

    /// Sets columns of its line, each with a comma behind it, and the time.
    async fn note(&self, session: &mut dyn Session, set: &str) -> Result<(), EngineError> {
        let (table, now, key) = (self.table(), self.journal.now(), self.key());
        session.execute(&format!("UPDATE {table} SET {set}at = {now} WHERE {key}")).await.map(drop)
    }
}

/// Stands in the journal where nobody has asked for a speed.
pub(crate) const BY_ITSELF: u64 = 0;

/// A speed as the journal keeps it.
pub(crate) fn speed(written: u64) -> Option<u64> {
    (written != BY_ITSELF).then(|| written.min(100))
}

pub(crate) fn count(row: &Row, column: usize) -> Result<u64, EngineError> {
    Ok(u64::try_from(row.number(column)?).unwrap_or(0))
}
