//! The parts of a table that several sessions go over at once: each has its line in the journal, and
//! its place is written there by the session that is at work in it, with each of its batches.

use downhaul_engine::{EngineError, Session};
use downhaul_syntax::Dialect;

use super::ledger::{Ledger, Place, count, read, written};

/// A part of a table: the rows behind one key, up to and with another; or blocks from one number up to
/// before another.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    /// Which one, from 1.
    pub(crate) number: u64,
    /// Where it begins; `None` at the table's beginning.
    pub(crate) lower: Option<Vec<String>>,
    /// Where it ends; `None` at the table's end.
    pub(crate) upper: Option<Vec<String>>,
    /// How far it is.
    pub(crate) place: Place,
}

/// The columns of the table of stretches.
pub(super) fn definition(dialect: Dialect) -> String {
    let word = if dialect.is_mysql_family() { "varchar(190)" } else { "text" };
    format!(
        "version {word} NOT NULL, direction {word} NOT NULL, ordinal bigint NOT NULL, number bigint NOT NULL, lower_end text, upper_end text, place text, row_count bigint NOT NULL, passed bigint NOT NULL, batch bigint NOT NULL, done boolean NOT NULL, PRIMARY KEY (version, direction, ordinal, number)"
    )
}

impl Ledger {
    pub(super) fn stretches_table(&self) -> String {
        self.journal.table("backfill_range")
    }

    /// The stretches in which an earlier run was at work; none where one session went over the table.
    pub(crate) async fn stretches(
        &self,
        session: &mut dyn Session,
    ) -> Result<Vec<Stretch>, EngineError> {
        let rows = session
            .rows(&format!(
                "SELECT number, lower_end, upper_end, place, row_count, passed, batch, done FROM {} WHERE {} ORDER BY number",
                self.stretches_table(),
                self.key()
            ))
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Stretch {
                    number: count(row, 0)?,
                    lower: read(row.opt(1)),
                    upper: read(row.opt(2)),
                    place: Place {
                        cursor: read(row.opt(3)),
                        ended: row.flag(7),
                        rows: count(row, 4)?,
                        passed: count(row, 5)?,
                        batch: count(row, 6)?.max(1),
                        ..Place::behind(None)
                    },
                })
            })
            .collect()
    }

    /// Records all of them, at once.
    pub(crate) async fn divide(
        &self,
        session: &mut dyn Session,
        stretches: &[Stretch],
    ) -> Result<(), EngineError> {
        let lines: Vec<String> = stretches
            .iter()
            .map(|stretch| {
                let cursor =
                    |at: &Option<Vec<String>>| self.opt(at.as_deref().map(written).as_deref());
                let place = &stretch.place;
                format!(
                    "({}, '{}', {}, {}, {}, {}, {}, {}, {}, {}, {})",
                    self.journal.text(self.version.as_str()),
                    self.direction,
                    self.ordinal,
                    stretch.number,
                    cursor(&stretch.lower),
                    cursor(&stretch.upper),
                    cursor(&place.cursor),
                    place.rows,
                    place.passed,
                    place.batch,
                    place.ended
                )
            })
            .collect();
        session
            .execute(&format!(
                "INSERT INTO {} (version, direction, ordinal, number, lower_end, upper_end, place, row_count, passed, batch, done) VALUES {}",
                self.stretches_table(),
                lines.join(", ")
            ))
            .await
            .map(drop)
    }

    /// Statement that records a place in a stretch, and says itself how many rows were changed and gone
    /// over.
    pub(crate) fn reach_in(&self, number: u64, place: &Place, rows: &str, passed: &str) -> String {
        format!(
            "UPDATE {} SET place = {}, row_count = {rows}, passed = {passed}, batch = {}, done = {} WHERE {} AND number = {number}",
            self.stretches_table(),
            self.opt(place.cursor.as_deref().map(written).as_deref()),
            place.batch,
            place.ended,
            self.key()
        )
    }

    /// Statement that sets all of them back to their beginnings.
    pub(crate) fn stretches_again(&self) -> String {
        format!(
            "UPDATE {} SET place = lower_end, passed = 0, done = false WHERE {}",
            self.stretches_table(),
            self.key()
        )
    }

    pub(super) fn forget_stretches(&self) -> String {
        format!("DELETE FROM {} WHERE {}", self.stretches_table(), self.key())
    }
}
