//! What a way back did, so that a run which goes on from one that was cut off can tell of all of it.

use downhaul_engine::{EngineError, Session};
use downhaul_plan::Version;
use downhaul_snapshot::restore::Restored;
use serde::{Deserialize, Serialize};

use super::{Journal, Operation};
use crate::apply::{Applied, KeptSummary};

/// Notes that are the journal's own: `history` does not show them.
pub(super) const RETURNED: &str = "returned";
const NOT_KEPT: &str = "not kept";
pub(super) const OWN_NOTES: [&str; 2] = [RETURNED, NOT_KEPT];

/// How far back is looked for runs that were cut off.
const RUNS: usize = 64;

/// What came back with one transaction of a way back, as its note holds it.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Returned {
    #[serde(default)]
    restored: Vec<Restored>,
    #[serde(default)]
    completed: Vec<String>,
    #[serde(default)]
    left: Vec<String>,
}

fn unreadable(error: serde_json::Error) -> EngineError {
    EngineError::Protocol(format!("note of the journal: {error}"))
}

impl Journal {
    /// Statement that notes what came back, within the transaction in which it does; `None` where nothing did.
    pub(crate) fn returned(
        self,
        operation: i64,
        version: &Version,
        (restored, completed, left): (&[Restored], &[String], &[String]),
    ) -> Result<Option<String>, EngineError> {
        if restored.is_empty() && completed.is_empty() && left.is_empty() {
            return Ok(None);
        }
        let returned = Returned {
            restored: restored.to_vec(),
            completed: completed.to_vec(),
            left: left.to_vec(),
        };
        let detail = serde_json::to_string(&returned).map_err(unreadable)?;
        Ok(Some(self.own_note(operation, Some(version), RETURNED, &detail)))
    }

    fn own_note(
        self,
        operation: i64,
        version: Option<&Version>,
        kind: &str,
        detail: &str,
    ) -> String {
        let table = self.table("note");
        format!(
            "INSERT INTO {table} (id, operation, version, at, kind, detail) \
             SELECT coalesce(max(id), 0) + 1, {operation}, {}, {}, {}, {} FROM {table}",
            self.opt(version.map(Version::as_str)),
            self.now(),
            self.text(kind),
            self.text(detail),
        )
    }

    /// Notes of what a way back cannot bring back, since nothing of it was kept: once its migrations are taken
    /// back, the journal does not know their text any more.
    pub(crate) async fn note_not_kept(
        self,
        session: &mut dyn Session,
        operation: i64,
        not_kept: &[(String, String)],
    ) -> Result<(), EngineError> {
        if not_kept.is_empty() {
            return Ok(());
        }
        let detail = serde_json::to_string(not_kept).map_err(unreadable)?;
        session.execute(&self.own_note(operation, None, NOT_KEPT, &detail)).await.map(drop)
    }

    /// What those operations noted so.
    pub(crate) async fn not_kept(
        self,
        session: &mut dyn Session,
        operations: &[i64],
    ) -> Result<Vec<(String, String)>, EngineError> {
        let mut all: Vec<(String, String)> = Vec::new();
        for detail in self.own_notes(session, operations, NOT_KEPT).await? {
            let some: Vec<(String, String)> = serde_json::from_str(&detail).map_err(unreadable)?;
            for one in some {
                if !all.contains(&one) {
                    all.push(one);
                }
            }
        }
        Ok(all)
    }

    async fn own_notes(
        self,
        session: &mut dyn Session,
        operations: &[i64],
        kind: &str,
    ) -> Result<Vec<String>, EngineError> {
        if operations.is_empty() {
            return Ok(Vec::new());
        }
        let rows = session
            .rows(&format!(
                "SELECT detail FROM {} WHERE kind = {} AND operation IN ({}) ORDER BY id",
                self.table("note"),
                self.text(kind),
                numbers(operations)
            ))
            .await?;
        Ok(rows.iter().map(|row| row.text(0).to_owned()).collect())
    }

    /// All that operations did which took migrations back: what came back with them, and what is kept of
    /// what they took away.
    pub(crate) async fn taken_back(
        self,
        session: &mut dyn Session,
        operations: &[i64],
    ) -> Result<Applied, EngineError> {
        let mut all = Applied::default();
        if operations.is_empty() {
            return Ok(all);
        }
        for detail in self.own_notes(session, operations, RETURNED).await? {
            let one: Returned = serde_json::from_str(&detail).map_err(unreadable)?;
            all.restored.extend(one.restored);
            all.completed.extend(one.completed);
            all.left.extend(one.left);
        }
        let kept = session
            .rows(&format!(
                "SELECT k.detail FROM {} r JOIN {} k ON k.restore_point = r.id \
                 WHERE r.direction = 'down' AND r.state = 'held' AND r.operation IN ({}) ORDER BY k.id",
                self.table("restore_point"),
                self.table("kept"),
                numbers(operations)
            ))
            .await?;
        for row in &kept {
            let kept = super::points::parse(row.text(0))?;
            if kept.pruned.is_none() {
                all.kept.push(KeptSummary::of(&kept));
            }
        }
        Ok(all)
    }

    /// The runs, newest first, from which a way back over these versions (newest first) goes on: those that
    /// meant to take back just these in the end, and did not come so far. Where none of theirs is left,
    /// only the one that was cut off last.
    pub(crate) async fn goes_on_from(
        self,
        session: &mut dyn Session,
        versions: &[Version],
        cut_off: &[Operation],
    ) -> Result<Vec<Operation>, EngineError> {
        let unfinished = |run: &Operation| run.verb == "down" && run.state != "done";
        let newest = self.operations(session, 1).await?;
        let Some(first) = newest.first().filter(|run| unfinished(run)) else {
            return Ok(Vec::new());
        };
        if versions.is_empty() && !cut_off.iter().any(|run| run.id == first.id) {
            return Ok(Vec::new());
        }
        let mut rest = versions.to_vec();
        let mut found = Vec::new();
        for run in self.operations(session, RUNS).await? {
            let meant: Vec<Version> = serde_json::from_str(&run.versions).unwrap_or_default();
            if !unfinished(&run) || !meant.ends_with(&rest) {
                break;
            }
            rest = meant;
            found.push(run);
        }
        Ok(found)
    }
}

fn numbers(operations: &[i64]) -> String {
    operations.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
