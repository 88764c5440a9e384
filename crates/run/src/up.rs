//! `up`: apply what is pending.

use downhaul_engine::Session;
use std::collections::BTreeMap;

use downhaul_plan::{Checksum, Direction, Phase, Series, SourceMigration, Version};
use downhaul_syntax::Dialect;
use similar::TextDiff;

use crate::apply::{self, Applied, Work};
use crate::journal::{JournalEntry, MigrationState, RestorePoint};
use crate::squash::{self, Recognised, Standing};
use crate::{Event, Observer, PlannedRepeatable, Prepared, RunError, Runner, repeatable};

/// Which pending migrations are applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UpSelection {
    /// All.
    #[default]
    All,
    /// So many.
    Steps(usize),
    /// Up to and with this version.
    To(Version),
    /// In order, up to the first one of a later phase.
    Phase {
        /// The phase.
        last: Phase,
        /// The phases of migrations that declare none.
        unmarked: BTreeMap<Version, Phase>,
    },
}

impl UpSelection {
    /// The phase of a migration, as far as it is known.
    fn phase(&self, migration: &SourceMigration, dialect: Dialect) -> Option<Phase> {
        let unmarked = match self {
            Self::Phase { unmarked, .. } => unmarked.get(&migration.version).copied(),
            _ => None,
        };
        migration.phase(dialect).or(unmarked)
    }
}

/// A migration that will be applied.
#[derive(Clone, Debug)]
pub struct PlannedUp {
    /// Version.
    pub version: Version,
    /// Its up, ready to run.
    pub up: Prepared,
    /// What the journal will say.
    entry: JournalEntry,
}

impl PlannedUp {
    fn work(&self, operation: i64, points: Vec<RestorePoint>) -> Work<'_> {
        let entry = self.entry.clone();
        Work { version: &self.version, prepared: &self.up, entry, operation, points }
    }

    /// The phase that it declares, or was found to belong to.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.entry.phase
    }

    /// Text of its down, where it has one.
    #[must_use]
    pub fn down(&self) -> Option<&str> {
        self.entry.down_sql.as_deref()
    }
}

/// What `up` will do.
#[derive(Clone, Debug, Default)]
pub struct UpPlan {
    /// In order.
    pub migrations: Vec<PlannedUp>,
    /// The migration at which the selection ends because it belongs to a later phase.
    pub waits_at: Option<(String, Phase)>,
    /// Repeatable migrations that have changed; they run after all others, and only where no other
    /// one is left pending.
    pub repeatables: Vec<PlannedRepeatable>,
    /// Files that stand for what was applied here one by one.
    pub recognised: Vec<Recognised>,
}

impl UpPlan {
    /// There is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.migrations.is_empty() && self.repeatables.is_empty()
    }
}

/// What differs between the text that ran and the text now, as a unified diff.
#[must_use]
pub fn text_diff(label: &str, applied: &str, now: &str) -> String {
    TextDiff::from_lines(applied, now)
        .unified_diff()
        .context_radius(2)
        .header(&format!("{label} (as applied)"), &format!("{label} (on disk)"))
        .to_string()
}

/// Refuses an applied migration whose file says something else now.
fn check_unedited(
    entry: &JournalEntry,
    migration: &SourceMigration,
    dialect: Dialect,
) -> Result<(), RunError> {
    let Some(file) = &migration.up else { return Ok(()) };
    if Checksum::of(&file.text, dialect).tokens == entry.up.tokens {
        return Ok(());
    }
    Err(RunError::Edited {
        label: entry.label(),
        direction: Direction::Up,
        path: file.path.clone(),
        diff: text_diff(&format!("{}.up.sql", entry.label()), &entry.up_sql, &file.text),
    })
}

/// Finds what is pending; refuses edited files and migrations out of order. Reads only.
pub async fn plan_up(
    session: &mut dyn Session,
    series: &Series,
    selection: &UpSelection,
    out_of_order: bool,
) -> Result<UpPlan, RunError> {
    let dialect = session.dialect();
    let entries = entries_if_any(session).await?;
    let applied = entries.as_deref().unwrap_or_default();
    let mut found = plan(series, selection, applied, dialect, out_of_order)?;
    if takes_all(series, selection, &found, applied, dialect, out_of_order)? {
        found.repeatables = repeatable::pending(session, series, entries.is_some()).await?;
    }
    Ok(found)
}

/// Whether a selection leaves nothing pending.
fn takes_all(
    series: &Series,
    selection: &UpSelection,
    found: &UpPlan,
    applied: &[JournalEntry],
    dialect: Dialect,
    out_of_order: bool,
) -> Result<bool, RunError> {
    Ok(match selection {
        UpSelection::All => true,
        _ => {
            let all = plan(series, &UpSelection::All, applied, dialect, out_of_order)?;
            all.migrations.len() == found.migrations.len()
        }
    })
}

/// What `up` would do on a database that does not exist yet.
pub fn plan_up_of_nothing(
    series: &Series,
    selection: &UpSelection,
    dialect: Dialect,
) -> Result<UpPlan, RunError> {
    let mut found = plan(series, selection, &[], dialect, false)?;
    if takes_all(series, selection, &found, &[], dialect, false)? {
        found.repeatables = repeatable::never_run(series, dialect)?;
    }
    Ok(found)
}

/// Versions that are applied, oldest first; none where there is no journal.
pub async fn applied(session: &mut dyn Session) -> Result<Vec<Version>, RunError> {
    let journal = crate::Journal::new(session.dialect());
    if !journal.exists(session).await? {
        return Ok(Vec::new());
    }
    Ok(journal.versions(session).await?)
}

fn plan(
    series: &Series,
    selection: &UpSelection,
    entries: &[JournalEntry],
    dialect: Dialect,
    out_of_order: bool,
) -> Result<UpPlan, RunError> {
    let by_version: BTreeMap<&Version, &JournalEntry> =
        entries.iter().map(|entry| (&entry.version, entry)).collect();
    let known = |version: &Version| by_version.get(version).copied();
    let last_applied = entries.iter().rfind(|e| e.state == MigrationState::Applied);
    if let UpSelection::To(version) = selection
        && !series.migrations.iter().any(|m| m.version == *version)
    {
        return Err(RunError::UnknownVersion(version.clone()));
    }
    let mut plan = UpPlan::default();
    for migration in series.migrations.iter().filter(|m| !m.repeatable) {
        let Some(file) = &migration.up else { continue };
        if let Standing::Recognised(found) = squash::standing(migration, entries, dialect)? {
            plan.recognised.push(found);
            continue;
        }
        if known(&migration.version).is_none() && squash::is_within(migration, entries, dialect)? {
            continue;
        }
        let half_done = match known(&migration.version) {
            Some(entry) if entry.state == MigrationState::Applied => {
                if squash::is_stood_for(entry, migration, dialect) {
                    continue;
                }
                check_unedited(entry, migration, dialect)?;
                continue;
            }
            Some(entry) if entry.state == MigrationState::Reverting => {
                return Err(RunError::HalfWay {
                    version: entry.version.clone(),
                    label: entry.label(),
                    direction: Direction::Down,
                });
            }
            Some(_) => true,
            None => false,
        };
        let enough = match selection {
            UpSelection::All => false,
            UpSelection::Steps(steps) => plan.migrations.len() >= *steps,
            UpSelection::To(version) => migration.version > *version,
            UpSelection::Phase { last, .. } => {
                // What is half done is finished, whatever it is.
                let later =
                    selection.phase(migration, dialect).filter(|phase| phase > last && !half_done);
                if let Some(phase) = later.filter(|_| plan.waits_at.is_none()) {
                    plan.waits_at = Some((migration.label(), phase));
                }
                plan.waits_at.is_some()
            }
        };
        if enough {
            continue;
        }
        if let Some(later) = last_applied.filter(|e| e.version > migration.version)
            && !half_done
            && !out_of_order
        {
            return Err(RunError::OutOfOrder {
                pending: migration.label(),
                applied: later.label(),
            });
        }
        let up =
            Prepared::new(migration, Direction::Up, file, dialect, series.variables.as_deref())?;
        let entry = JournalEntry {
            version: migration.version.clone(),
            name: migration.name.clone(),
            state: MigrationState::Applied,
            up: up.checksum.clone(),
            up_sql: file.text.clone(),
            down: migration.down.as_ref().map(|down| Checksum::of(&down.text, dialect)),
            down_sql: migration.down.as_ref().map(|down| down.text.clone()),
            applied_at: String::new(),
            applied_by: String::new(),
            release: None,
            phase: selection.phase(migration, dialect),
            squashed: squash::versions(&squash::of(migration, dialect)),
        };
        plan.migrations.push(PlannedUp { version: migration.version.clone(), up, entry });
    }
    Ok(plan)
}

impl Runner {
    /// Finds what is pending; refuses edited files and migrations out of order.
    pub async fn plan_up(
        &mut self,
        series: &Series,
        selection: &UpSelection,
    ) -> Result<UpPlan, RunError> {
        let out_of_order = self.options.out_of_order;
        let mut found = plan_up(&mut *self.session, series, selection, out_of_order).await?;
        if found.is_empty() {
            self.nothing_to_do().await?;
        }
        for migration in &mut found.migrations {
            migration.entry.applied_by.clone_from(&self.options.who);
            migration.entry.release.clone_from(&self.options.release);
        }
        Ok(found)
    }

    /// Applies a plan, one migration after the other. Returns what each did.
    pub async fn up(
        &mut self,
        plan: &UpPlan,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Applied>, RunError> {
        self.mark_squashed(&plan.recognised, observer).await?;
        // A release without migrations of its own is still one to which one can go back.
        if plan.is_empty() && self.options.release.is_none() {
            return Ok(Vec::new());
        }
        let versions: Vec<Version> = plan.migrations.iter().map(|m| m.version.clone()).collect();
        let operation = self.begin_operation("up", &versions, observer).await?;
        observer.event(Event::Planned { migrations: plan.migrations.len() });
        let result = self.apply_all(plan, operation, observer).await;
        self.end_operation(operation, &result).await;
        result
    }

    async fn apply_all(
        &mut self,
        plan: &UpPlan,
        operation: i64,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Applied>, RunError> {
        let mut done = Vec::new();
        let journal = self.journal;
        let kept = journal.with_restore_points(&mut *self.session, Direction::Down).await?;
        let mut rest = plan.migrations.as_slice();
        while let Some((migration, others)) = rest.split_first() {
            self.check_lock().await?;
            if self.stop_asked() {
                return Err(RunError::Interrupted { completed: done.len() });
            }
            let ahead = rest.iter().take(self.pace.look_ahead());
            let ahead = ahead.take_while(|migration| !kept.contains(&migration.version));
            let ahead: Vec<Work<'_>> = ahead.map(|m| m.work(operation, Vec::new())).collect();
            let together = apply::together(self, &ahead, observer).await?;
            if !together.is_empty() {
                rest = &rest[together.len()..];
                done.extend(together);
                continue;
            }
            let label = &migration.up.label;
            observer.allow(label, Direction::Up).map_err(|reason| RunError::Vetoed {
                label: label.clone(),
                direction: Direction::Up,
                reason,
                completed: done.len(),
            })?;
            // What an earlier down kept of this migration's data comes back with its up.
            let points = if kept.contains(&migration.version) {
                let session = &mut *self.session;
                journal.restore_points(session, &migration.version, Direction::Down).await?
            } else {
                Vec::new()
            };
            let work = migration.work(operation, points);
            done.push(apply::run(self, &work, done.len(), observer).await?);
            rest = others;
        }
        self.run_repeatables(&plan.repeatables, operation, done.len(), observer).await?;
        Ok(done)
    }
}

/// The journal of a session that only reads; empty where there is none.
pub(crate) async fn entries_if_any(
    session: &mut dyn Session,
) -> Result<Option<Vec<JournalEntry>>, RunError> {
    let journal = crate::Journal::new(session.dialect());
    if !journal.exists(session).await? {
        return Ok(None);
    }
    journal.check_format(session).await?;
    Ok(Some(journal.entries(session).await?))
}
