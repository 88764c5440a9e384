//! `verify`: do the files, the journal, the schema and what is kept still agree? Changes nothing.

use downhaul_engine::Session;
use downhaul_plan::{Checksum, Series};
use similar::TextDiff;

use crate::journal::{Journal, MigrationState};
use crate::up::{self, text_diff};
use crate::{RunError, gate, squash};

/// A way in which the schema is not what the last run left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// `index public.orders_note_idx`.
    pub object: String,
    /// What happened to it.
    pub kind: DriftKind,
    /// Its definition then and now, as a unified diff without headers.
    pub diff: String,
}

/// What happened to an object behind the journal's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DriftKind {
    Added,
    Removed,
    Changed,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Verification {
    /// Applied migrations looked at.
    pub applied: usize,
    /// Applied files that say something else now: label with direction, diff.
    pub edited: Vec<(String, String)>,
    /// Applied migrations that are not on disk.
    pub missing: Vec<String>,
    /// Migrations that are half applied or half reverted.
    pub half_done: Vec<String>,
    /// Differences of the schema; `None` where no run has recorded one yet.
    pub drift: Option<Vec<Drift>>,
    /// Tables of which rows are kept, and how many rows.
    pub kept: (usize, u64),
    /// Restore points that are not sound, with the reason.
    pub unsound: Vec<String>,
}

impl Verification {
    /// Nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.edited.is_empty()
            && self.half_done.is_empty()
            && self.unsound.is_empty()
            && self.drift.as_ref().is_none_or(Vec::is_empty)
    }
}

/// Compares everything. A database without a journal has nothing to disagree with.
pub async fn verify(session: &mut dyn Session, series: &Series) -> Result<Verification, RunError> {
    let dialect = session.dialect();
    let journal = Journal::new(dialect);
    let mut found = Verification::default();
    let Some(entries) = up::entries_if_any(session).await? else { return Ok(found) };
    found.applied = entries.len();
    for entry in &entries {
        let label = entry.label();
        if entry.state != MigrationState::Applied {
            found.half_done.push(label.clone());
        }
        let Some(on_disk) = series.migrations.iter().find(|m| m.version == entry.version) else {
            if squash::stands_for(series, &entry.version, dialect).is_none() {
                found.missing.push(label);
            }
            continue;
        };
        if squash::is_stood_for(entry, on_disk, dialect) {
            continue;
        }
        let up_recorded = Some((&entry.up, entry.up_sql.as_str()));
        let down_recorded = entry.down.as_ref().zip(entry.down_sql.as_deref());
        for (direction, file, recorded) in
            [("up", &on_disk.up, up_recorded), ("down", &on_disk.down, down_recorded)]
        {
            let (Some(file), Some((checksum, text))) = (file, recorded) else { continue };
            if Checksum::of(&file.text, dialect).tokens != checksum.tokens {
                let name = format!("{label}.{direction}.sql");
                found.edited.push((name.clone(), text_diff(&name, text, &file.text)));
            }
        }
    }
    if let Some(left) = journal.schema_left(session).await? {
        let now = session.dump().await?;
        let drift = left
            .plain_differences(&now)
            .iter()
            .map(|difference| {
                let text = |object: Option<&downhaul_engine::DumpObject>| {
                    object.map(|o| format!("{}\n", o.create)).unwrap_or_default()
                };
                let (then, now) = (text(difference.left), text(difference.right));
                let diff: String = TextDiff::from_lines(&then, &now)
                    .iter_all_changes()
                    .map(|change| format!("{}{change}", change.tag()))
                    .collect();
                let id = difference.id();
                Drift {
                    object: format!("{} {}", id.kind.as_str(), id.name),
                    kind: match (difference.left, difference.right) {
                        (None, _) => DriftKind::Added,
                        (_, None) => DriftKind::Removed,
                        _ => DriftKind::Changed,
                    },
                    diff,
                }
            })
            .collect();
        found.drift = Some(drift);
    }
    let kept = journal.all_kept(session).await?;
    found.kept = (kept.len(), kept.iter().map(|(_, kept)| kept.rows).sum());
    found.unsound = gate::unsound(session, &kept).await?;
    Ok(found)
}
