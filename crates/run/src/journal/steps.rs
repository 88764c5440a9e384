//! Statements of a migration, one by one.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use downhaul_engine::{EngineError, Session};
use downhaul_plan::{Direction, Version};

use super::Journal;

impl Journal {
    /// Statement that records steps (number from 1, text, milliseconds: a number, or SQL for one) in a
    /// state.
    #[must_use]
    pub fn steps(
        self,
        operation: i64,
        version: &Version,
        direction: Direction,
        steps: &[(usize, &str, impl Display)],
        state: &str,
    ) -> Option<String> {
        self.written_steps("INSERT", (version, direction, operation), steps, state)
    }

    /// The same where a try before may have recorded them already (MariaDB, MySQL).
    pub(crate) fn steps_again(
        self,
        place: (&Version, Direction, i64),
        steps: &[(usize, &str, impl Display)],
        state: &str,
    ) -> Option<String> {
        self.written_steps("REPLACE", place, steps, state)
    }

    fn written_steps(
        self,
        verb: &str,
        (version, direction, operation): (&Version, Direction, i64),
        steps: &[(usize, &str, impl Display)],
        state: &str,
    ) -> Option<String> {
        let rows: Vec<String> = steps
            .iter()
            .map(|(ordinal, statement, ms)| {
                format!(
                    "({operation}, {}, '{direction}', {ordinal}, {}, '{state}', {}, {ms})",
                    self.text(version.as_str()),
                    self.text(statement),
                    self.now()
                )
            })
            .collect();
        (!rows.is_empty()).then(|| {
            format!(
                "{verb} INTO {} (operation, version, direction, ordinal, statement, state, at, duration_ms) VALUES {}",
                self.table("step"),
                rows.join(", ")
            )
        })
    }

    /// Statement that marks a step that was recorded as intended.
    #[must_use]
    pub fn finish_step(
        self,
        operation: i64,
        version: &Version,
        direction: Direction,
        ordinal: usize,
        state: &str,
        ms: u128,
    ) -> String {
        format!(
            "UPDATE {} SET state = '{state}', at = {}, duration_ms = {ms} WHERE operation = {operation} AND version = {} AND direction = '{direction}' AND ordinal = {ordinal}",
            self.table("step"),
            self.now(),
            self.text(version.as_str())
        )
    }

    /// Statement that records steps of several migrations (version, number from 1, text, probe) as started,
    /// all at once (MariaDB, MySQL).
    pub(crate) fn started(
        self,
        (direction, operation): (Direction, i64),
        steps: &[(&Version, usize, &str, String)],
    ) -> String {
        let rows: Vec<String> = steps
            .iter()
            .map(|(version, ordinal, statement, probe)| {
                format!(
                    "({operation}, {}, '{direction}', {ordinal}, {}, 'started', {}, 0, {})",
                    self.text(version.as_str()),
                    self.text(statement),
                    self.now(),
                    self.text(probe)
                )
            })
            .collect();
        format!(
            "REPLACE INTO {} (operation, version, direction, ordinal, statement, state, at, duration_ms, probe) VALUES {}",
            self.table("step"),
            rows.join(", ")
        )
    }

    /// Statement that writes down how long steps of several migrations took (version, number from 1), where
    /// it is known (MariaDB, MySQL).
    pub(crate) fn took_so_long(
        self,
        (direction, operation): (Direction, i64),
        steps: &[(&Version, usize, Duration)],
    ) -> Option<String> {
        let long: Vec<_> = steps.iter().filter(|(.., took)| took.as_millis() > 0).collect();
        let mut versions: Vec<&Version> = long.iter().map(|(version, ..)| *version).collect();
        versions.dedup();
        let names: Vec<String> =
            long.iter().map(|(v, ordinal, _)| self.text(&format!("{v} {ordinal}"))).collect();
        let times: Vec<String> = long.iter().map(|(.., t)| t.as_millis().to_string()).collect();
        (!long.is_empty()).then(|| {
            format!(
                "UPDATE {} SET duration_ms = COALESCE(ELT(FIELD(CONCAT(version, ' ', ordinal), {}), {}), 0) \
                 WHERE operation = {operation} AND version IN ({}) AND direction = '{direction}'",
                self.table("step"),
                names.join(", "),
                times.join(", "),
                self.list(&versions)
            )
        })
    }

    /// How long the steps of some versions took in a run, in their order: a version of which there is
    /// something is committed.
    pub async fn took(
        self,
        session: &mut dyn Session,
        operation: i64,
        direction: Direction,
        versions: &[&Version],
    ) -> Result<BTreeMap<String, Vec<Duration>>, EngineError> {
        let versions: Vec<String> = versions.iter().map(|v| self.text(v.as_str())).collect();
        let rows = session
            .rows(&format!(
                "SELECT version, duration_ms FROM {} WHERE operation = {operation} AND direction = '{direction}' AND version IN ({}) ORDER BY version, ordinal",
                self.table("step"),
                versions.join(", ")
            ))
            .await?;
        let mut took: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
        for row in &rows {
            let ms = u64::try_from(row.number(1)?).unwrap_or(0);
            took.entry(row.text(0).to_owned()).or_default().push(Duration::from_millis(ms));
        }
        Ok(took)
    }

    /// Newest state of each step (from 1) of a migration that is half done: its number, text, and
    /// whether it is done.
    pub async fn half_done(
        self,
        session: &mut dyn Session,
        version: &Version,
        direction: Direction,
    ) -> Result<Vec<(usize, String, bool)>, EngineError> {
        let table = self.table("step");
        // Steps of earlier, completed runs of the same migration do not count: a run that ended
        // marks its steps `settled`.
        let rows = session
            .rows(&format!(
                "SELECT ordinal, statement, state FROM {table} WHERE version = {} AND direction = '{direction}' AND state IN ('intended', 'started', 'done') ORDER BY operation, ordinal",
                self.text(version.as_str())
            ))
            .await?;
        let mut steps: Vec<(usize, String, bool)> = Vec::new();
        for row in &rows {
            let ordinal = usize::try_from(row.number(0)?).unwrap_or(0);
            let done = row.text(2) == "done";
            match steps.iter_mut().find(|(n, ..)| *n == ordinal) {
                Some(step) => step.2 |= done,
                None => steps.push((ordinal, row.text(1).to_owned(), done)),
            }
        }
        Ok(steps)
    }

    /// Statement that closes the steps of a migration which is whole again: those of all operations, or
    /// of the one that ran it from its beginning to its end, which needs no search.
    #[must_use]
    pub fn settle_steps(
        self,
        version: &Version,
        direction: Direction,
        operation: Option<i64>,
    ) -> String {
        let of = operation.map(|id| format!("operation = {id} AND ")).unwrap_or_default();
        format!(
            "UPDATE {} SET state = 'settled' WHERE {of}version = {} AND direction = '{direction}' AND state IN ('intended', 'started', 'done')",
            self.table("step"),
            self.text(version.as_str())
        )
    }
}
