//! What a release of the application ran on, and what stands between that and what going back
//! leaves.

use downhaul_plan::Version;

use crate::{DownPlan, Operation, RunError, Runner};

/// What a release ran on, seen from now.
#[derive(Clone, Debug)]
pub struct Footing {
    /// The newest migration that was applied when it went out: `0007_slim_customers`.
    pub head: String,
    /// The run that says so.
    pub run: Operation,
    /// Releases that went out later, oldest first: they need what goes.
    pub later: Vec<String>,
    /// Migrations that were applied since, below the head: the release never saw them, and they stay.
    pub strangers: Vec<Stranger>,
    /// Parts of the schema that somebody changed behind the journal's back.
    pub drift: Vec<Drifted>,
    /// Texts of the ups that had been applied when it went out, in order.
    pub ups: Vec<String>,
    /// What was destroyed since and is not kept: migration and table.
    pub not_kept: Vec<(String, String)>,
}

/// A migration that the release never saw.
#[derive(Clone, Debug)]
pub struct Stranger {
    /// `0003_late`.
    pub label: String,
    /// Text of its up as it ran.
    pub up: String,
}

/// Part of the schema that was changed by hand.
#[derive(Clone, Debug)]
pub struct Drifted {
    /// For people: "index shop.orders_note_idx".
    pub object: String,
    /// Statement that would have done it, as far as one tells.
    pub statement: String,
}

impl Footing {
    /// The schema that comes out is the one that the release knew.
    #[must_use]
    pub fn is_the_same(&self) -> bool {
        self.strangers.is_empty() && self.drift.is_empty()
    }
}

impl Runner {
    /// What a release ran on, given the way back to it.
    pub async fn footing(&mut self, release: &str, plan: &DownPlan) -> Result<Footing, RunError> {
        let journal = self.journal;
        let dialect = self.session.dialect();
        let runs = journal.operations(&mut *self.session, usize::from(u16::MAX)).await?;
        let unknown = || RunError::UnknownRelease(release.to_owned());
        let run = runs
            .iter()
            .find(|run| {
                run.release.as_deref() == Some(release) && run.state == "done" && run.head.is_some()
            })
            .ok_or_else(unknown)?
            .clone();
        let head = run.head.clone().ok_or_else(unknown)?;
        let mut later: Vec<String> = Vec::new();
        for other in runs.iter().rev().filter(|r| r.id > run.id && r.state == "done") {
            if let Some(label) = other.release.as_ref().filter(|l| *l != release)
                && !later.contains(label)
            {
                later.push(label.clone());
            }
        }
        let entries = journal.entries(&mut *self.session).await?;
        let ended = run.finished_at.as_deref().unwrap_or(&run.started_at);
        let text = |entry: &crate::JournalEntry| {
            let expanded = plan.variables.as_ref().map(|v| v.expand(&entry.up_sql, dialect));
            match expanded {
                Some(Ok(expanded)) => expanded.text,
                _ => entry.up_sql.clone(),
            }
        };
        let below = entries.iter().filter(|e| e.version <= head);
        // Both are UTC and written alike, so their texts compare as their times do.
        let (late, known): (Vec<_>, Vec<_>) = below.partition(|e| e.applied_at.as_str() > ended);
        let strangers = late.iter().map(|e| Stranger { label: e.label(), up: text(e) }).collect();
        let ups = known.into_iter().map(text).collect();
        let label = entries.iter().find(|e| e.version == head).map(crate::JournalEntry::label);
        let drift = match journal.schema_left(&mut *self.session).await? {
            None => Vec::new(),
            Some(left) => {
                let now = self.session.dump().await?;
                let differences = left.differences(&now);
                differences
                    .iter()
                    .map(|d| Drifted {
                        object: format!("{} {}", d.id().kind.as_str(), d.id().name),
                        statement: match (d.left, d.right) {
                            (Some(left), None) => left.remove.clone(),
                            (Some(left), Some(right)) if !right.part => {
                                format!("{};\n{}", left.remove, right.create)
                            }
                            (_, Some(right)) => right.create.clone(),
                            (None, None) => String::new(),
                        },
                    })
                    .collect()
            }
        };
        let earlier: Vec<i64> = plan.earlier.iter().map(|run| run.id).collect();
        let mut not_kept = journal.not_kept(&mut *self.session, &earlier).await?;
        for one in plan.not_kept(dialect) {
            if !not_kept.contains(&one) {
                not_kept.push(one);
            }
        }
        Ok(Footing {
            head: label.unwrap_or_else(|| head.to_string()),
            run,
            later,
            strangers,
            drift,
            ups,
            not_kept,
        })
    }
}

/// The version that a release ran on has to be applied for there to be a way back to it.
pub(crate) fn behind(release: &str, head: &Version, newest: Option<&Version>) -> RunError {
    RunError::BehindRelease {
        release: release.to_owned(),
        head: head.clone(),
        newest: newest.map_or_else(|| "nothing".to_owned(), ToString::to_string),
    }
}
