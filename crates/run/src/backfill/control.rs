//! Backfills as others see them: how far they are, and the words to pause, resume and slow them.
//!
//! What is wanted stands in the journal's own database; the run reads it between two batches.

use downhaul_engine::{EngineError, Row, Session};
use downhaul_plan::Version;
use downhaul_syntax::Dialect;

use super::ledger::{BY_ITSELF, count, speed};
use crate::Journal;
use crate::clock::seconds_since;

/// One `UPDATE` that runs, rests or ran in batches.
#[derive(Clone, Debug, PartialEq)]
pub struct Backfill {
    /// The migration.
    pub version: Version,
    /// `up` or `down`.
    pub direction: String,
    /// Number of the statement in its file, from 1.
    pub ordinal: u64,
    /// The table.
    pub table: String,
    /// Rows changed.
    pub changed: u64,
    /// Rows gone over.
    pub passed: u64,
    /// Rows of the table, as the server guessed at the beginning.
    pub total: u64,
    /// Rows of the next batch.
    pub batch: u64,
    /// Percent of the time at work that somebody asked for; `None` leaves it to the backfill.
    pub speed: Option<u64>,
    /// Rows gone over in a second.
    pub rate: f64,
    /// Somebody, or a failing throttle query, wants it to rest.
    pub paused: bool,
    /// Why it rests.
    pub reason: Option<String>,
    /// It is at its end.
    pub done: bool,
    /// When it began.
    pub started_at: String,
    /// When it was last heard of.
    pub at: String,
    /// Seconds since then.
    pub silent: u64,
}

/// Silence after which nobody seems to run it, in seconds: a resting run speaks every two.
const SILENCE: u64 = 30;

impl Backfill {
    /// Rows left, about.
    #[must_use]
    pub fn left(&self) -> u64 {
        if self.done { 0 } else { self.total.saturating_sub(self.passed) }
    }

    /// Seconds left at the present rate.
    #[must_use]
    pub fn seconds_left(&self) -> Option<u64> {
        let moving = !self.done && !self.paused && !self.is_silent() && self.rate > 0.0;
        moving.then(|| (self.left() as f64 / self.rate).ceil() as u64)
    }

    /// No run has said anything for a while, though it is not at its end.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        !self.done && self.silent > SILENCE
    }
}

async fn is_there(session: &mut dyn Session) -> Result<bool, EngineError> {
    let sql = match session.dialect() {
        Dialect::Postgres => {
            "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('downhaul.backfill') AND attname = 'throttle'"
        }
        Dialect::Mysql | Dialect::MariaDb => {
            "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'downhaul_backfill'"
        }
        Dialect::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE name = 'downhaul_backfill'",
    };
    Ok(session.number(sql).await? > 0)
}

/// Backfills that the database knows, the newest last.
pub async fn backfills(session: &mut dyn Session) -> Result<Vec<Backfill>, EngineError> {
    if !is_there(session).await? {
        return Ok(Vec::new());
    }
    let dialect = session.dialect();
    let rows = session
        .rows(&format!(
            "SELECT version, direction, ordinal, target, row_count, passed, total, batch, speed, rate, paused, throttle, done, started_at, at, {} FROM {} ORDER BY started_at, version, ordinal",
            seconds_since(dialect, "at"),
            Journal::new(dialect).table("backfill")
        ))
        .await?;
    rows.iter().map(backfill).collect()
}

fn backfill(row: &Row) -> Result<Backfill, EngineError> {
    let passed = count(row, 5)?;
    Ok(Backfill {
        version: Version::new(row.text(0)),
        direction: row.text(1).to_owned(),
        ordinal: count(row, 2)?,
        table: row.text(3).to_owned(),
        changed: count(row, 4)?,
        passed,
        total: count(row, 6)?.max(passed),
        batch: count(row, 7)?,
        speed: speed(count(row, 8)?),
        rate: row.text(9).parse().unwrap_or(0.0),
        paused: row.flag(10),
        reason: row.opt(11).map(str::to_owned),
        done: row.flag(12),
        started_at: row.text(13).to_owned(),
        at: row.text(14).to_owned(),
        silent: count(row, 15)?,
    })
}

/// What is wanted of backfills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Rest behind the present batch.
    Pause,
    /// Go on.
    Resume,
    /// So many percent of the time at work, 1 to 100; `None`: as it finds right itself.
    Speed(Option<u8>),
}

/// Tells the unfinished backfills, or the one of a migration, what is wanted of them. Returns how
/// many there are.
pub async fn tell(
    session: &mut dyn Session,
    version: Option<&Version>,
    want: Want,
) -> Result<u64, EngineError> {
    if !is_there(session).await? {
        return Ok(0);
    }
    let journal = Journal::new(session.dialect());
    let set = match want {
        Want::Pause => "paused = true".to_owned(),
        Want::Resume => "paused = false, throttle = NULL".to_owned(),
        Want::Speed(None) => format!("speed = {BY_ITSELF}"),
        Want::Speed(Some(percent)) => format!("speed = {}", percent.clamp(1, 100)),
    };
    let mut which = "NOT done".to_owned();
    if let Some(version) = version {
        which.push_str(&format!(" AND version = {}", journal.text(version.as_str())));
    }
    let table = journal.table("backfill");
    let there = session.number(&format!("SELECT count(*) FROM {table} WHERE {which}")).await?;
    session.execute(&format!("UPDATE {table} SET {set} WHERE {which}")).await?;
    Ok(u64::try_from(there).unwrap_or(0))
}
