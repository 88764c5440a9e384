//! Statements of a migration, one by one.

use downhaul_engine::{EngineError, Session};
use downhaul_plan::{Direction, Version};

use super::Journal;

impl Journal {
    /// Statement that records steps (number from 1, text, milliseconds) in a state.
    #[must_use]
    pub fn steps(
        self,
        operation: i64,
        version: &Version,
        direction: Direction,
        steps: &[(usize, &str, u128)],
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
                "INSERT INTO {} (operation, version, direction, ordinal, statement, state, at, duration_ms) VALUES {}",
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

    /// Statement that closes the steps of a migration which is whole again.
    #[must_use]
    pub fn settle_steps(self, version: &Version, direction: Direction) -> String {
        format!(
            "UPDATE {} SET state = 'settled' WHERE version = {} AND direction = '{direction}' AND state IN ('intended', 'started', 'done')",
            self.table("step"),
            self.text(version.as_str())
        )
    }
}
