//! `down`: take back what was applied, newest first, with its data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use downhaul_plan::{
    Checksum, Direction, Series, SourceFile, SourceMigration, TransactionMode, Variables, Version,
};

use downhaul_snapshot::added::added;
use downhaul_snapshot::losses;
use downhaul_syntax::{Dialect, DirectiveKind, Statement, parse_script};

use crate::apply::{self, Applied, KeptSummary, Work};
use crate::journal::{JournalEntry, MigrationState, Operation, RestorePoint};
use crate::up::text_diff;
use crate::{Event, GeneratedDown, Observer, Prepared, RunError, Runner, footing, inverse, squash};

/// Which applied migrations are taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownSelection {
    /// The newest so many.
    Steps(usize),
    /// All that are newer than this version, which stays.
    To(Version),
    /// All that are newer than what was applied when this release went out.
    ToRelease(String),
    /// All that were applied after this time: `2026-01-02T03:04:05.678Z`.
    ToTime(String),
    /// All.
    All,
}

/// A migration that will be taken back.
#[derive(Clone, Debug)]
pub struct PlannedDown {
    /// Version.
    pub version: Version,
    /// Its down, ready to run.
    pub down: Prepared,
    /// What its up kept and its down brings back.
    pub kept: Vec<KeptSummary>,
    /// Tables of which data was kept until somebody gave it up, and when.
    pub pruned: Vec<(String, String)>,
    /// A file of the series stands for it, which has no up of its own any more.
    pub squashed: Option<String>,
    /// Its down was not written but found as the inverse of its up: what it leaves, and what may make it fail.
    pub generated: Option<Vec<String>>,
    entry: JournalEntry,
    points: Vec<RestorePoint>,
}

impl PlannedDown {
    fn work(&self, operation: i64) -> Work<'_> {
        Work {
            version: &self.version,
            prepared: &self.down,
            entry: self.entry.clone(),
            operation,
            points: self.points.clone(),
        }
    }

    /// Text of its up as it ran.
    #[must_use]
    pub fn up_sql(&self) -> &str {
        &self.entry.up_sql
    }

    /// When it was applied (UTC).
    #[must_use]
    pub fn applied_at(&self) -> &str {
        &self.entry.applied_at
    }
}

/// What `down` will do.
#[derive(Clone, Debug, Default)]
pub struct DownPlan {
    /// In order: newest first.
    pub migrations: Vec<PlannedDown>,
    /// The newest version that stays.
    target: Option<Version>,
    /// Runs that were cut off and from which this one goes on, newest first.
    pub(crate) earlier: Vec<Operation>,
    /// All that is applied, oldest first.
    entries: Vec<JournalEntry>,
    /// What stands for the placeholders of repeatable migrations that are stated again.
    pub(crate) variables: Option<Arc<Variables>>,
}

/// All that a way back did, together with the runs of it that were cut off.
#[derive(Clone, Debug, Default)]
pub struct TakenBack {
    /// Of all its migrations.
    pub all: Applied,
    /// Versions that those runs had taken back, newest first.
    pub before: Vec<Version>,
}

impl DownPlan {
    /// Versions that runs which were cut off had taken back already, newest first.
    #[must_use]
    pub fn taken_before(&self) -> Vec<Version> {
        let going: BTreeSet<&Version> = self.migrations.iter().map(|m| &m.version).collect();
        let oldest = self.earlier.last();
        let meant = oldest.and_then(|run| serde_json::from_str::<Vec<Version>>(&run.versions).ok());
        meant.unwrap_or_default().into_iter().filter(|v| !going.contains(v)).collect()
    }

    /// Migrations that destroy something of which nothing is kept, and of which table.
    #[must_use]
    pub fn not_kept(&self, dialect: Dialect) -> Vec<(String, String)> {
        let mut not_kept = Vec::new();
        for migration in &self.migrations {
            let script = parse_script(migration.up_sql(), dialect);
            let gives_up = script.directives.iter().any(
                |d| matches!(&d.kind, DirectiveKind::Protect { policy, .. } if policy == "off"),
            );
            for (table, loss) in &losses(&script.statements, dialect).tables {
                let bare = table.name.as_str();
                let kept = migration
                    .kept
                    .iter()
                    .any(|k| k.table == bare || k.table.ends_with(&format!(".{bare}")));
                // Rows that a statement would change may have been none.
                let destroyed = loss.dropped || loss.truncated || !loss.columns.is_empty();
                if (destroyed || loss.destroys() && gives_up) && !kept {
                    not_kept.push((migration.down.label.clone(), table.to_string()));
                }
            }
        }
        not_kept
    }

    /// What the written downs will leave otherwise than it was, or why they will fail, as far as the
    /// journal tells. Reads all that is applied: for a preview.
    #[must_use]
    pub fn astray(&self, dialect: Dialect) -> BTreeMap<Version, Vec<String>> {
        let written = self.migrations.iter().filter(|m| m.generated.is_none());
        let downs = written.map(|m| (&m.version, m.down.text.as_str())).collect();
        inverse::astray(&self.entries, &downs, dialect, self.variables.as_deref())
    }
}

/// How an applied migration is to be taken back.
enum WayBack {
    /// By what somebody wrote.
    Written(Box<Prepared>),
    /// Nobody wrote how, and why that is said.
    Missing(&'static str),
}

impl WayBack {
    fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }
}

/// Whether somebody means this migration: `0007`, or `0007_slim`.
fn is_called(entry: &JournalEntry, name: &str) -> bool {
    entry.version.as_str() == name || entry.label() == name
}

/// The migration of an entry, whose files are looked for elsewhere.
fn nameless(entry: &JournalEntry) -> SourceMigration {
    SourceMigration {
        version: entry.version.clone(),
        name: entry.name.clone(),
        up: None,
        down: None,
        repeatable: false,
    }
}

/// The files of a series by their versions: a long one is looked up for each migration.
struct Files<'a> {
    by_version: BTreeMap<&'a Version, Vec<&'a SourceMigration>>,
    /// What squashes stand for.
    members: BTreeMap<Version, Vec<&'a SourceMigration>>,
}

impl<'a> Files<'a> {
    fn of(series: &'a Series, dialect: Dialect) -> Self {
        let mut files = Self { by_version: BTreeMap::new(), members: BTreeMap::new() };
        for migration in &series.migrations {
            files.by_version.entry(&migration.version).or_default().push(migration);
            for member in squash::of(migration, dialect) {
                files.members.entry(member.version).or_default().push(migration);
            }
        }
        files
    }

    fn of_version(&self, version: &Version) -> impl Iterator<Item = &'a SourceMigration> {
        self.by_version.get(version).into_iter().flatten().copied()
    }

    /// Label of the squash that stands for a version which has no file of its own.
    fn stands_for(&self, version: &Version) -> Option<String> {
        let mut squashes = self.members.get(version).into_iter().flatten();
        squashes.find(|m| m.version != *version).map(|m| m.label())
    }
}

/// The statements of an applied up, as the journal keeps them.
fn up_statements(
    entry: &JournalEntry,
    variables: Option<&Variables>,
    dialect: Dialect,
) -> Vec<Statement> {
    let expanded = variables.and_then(|v| v.expand(&entry.up_sql, dialect).ok());
    let text = expanded.map_or_else(|| entry.up_sql.clone(), |expanded| expanded.text);
    parse_script(&text, dialect).statements
}

impl Runner {
    /// Finds what is to be taken back, from the journal: what is applied decides, not what lies on
    /// disk. Refuses a migration without a down rather than reverting an older one underneath it.
    pub async fn plan_down(
        &mut self,
        series: &Series,
        selection: &DownSelection,
    ) -> Result<DownPlan, RunError> {
        let release = match selection {
            DownSelection::ToRelease(release) => Some(release.as_str()),
            _ => None,
        };
        let selection = &match selection {
            DownSelection::ToRelease(release) => DownSelection::To(
                self.journal
                    .head_of_release(&mut *self.session, release)
                    .await?
                    .ok_or_else(|| RunError::UnknownRelease(release.clone()))?,
            ),
            other => other.clone(),
        };
        let entries = self.journal.entries(&mut *self.session).await?;
        let applied: Vec<&JournalEntry> = entries.iter().rev().collect();
        if let DownSelection::To(version) = selection
            && !entries.iter().any(|e| e.version == *version)
        {
            if let Some(release) = release {
                let newest = entries.last().map(|e| &e.version);
                return Err(footing::behind(release, version, newest));
            }
            let within = |e: &&JournalEntry| e.squashed.contains(version);
            return Err(match entries.iter().find(within) {
                Some(entry) => {
                    RunError::WithinSquash { version: version.clone(), squash: entry.label() }
                }
                None => RunError::UnknownVersion(version.clone()),
            });
        }
        let chosen = applied.iter().enumerate().filter(|(index, entry)| match selection {
            DownSelection::All => true,
            DownSelection::Steps(steps) => index < steps,
            DownSelection::To(version) => entry.version > *version,
            // Both are UTC and written alike, so their texts compare as their times do.
            DownSelection::ToTime(time) => entry.applied_at > *time,
            DownSelection::ToRelease(_) => false,
        });
        let chosen: Vec<_> = chosen.collect();
        // Migrations that stay must not lose the ground that they stand on.
        let going: BTreeSet<usize> = chosen.iter().map(|(index, _)| *index).collect();
        if let Some((_, stays)) = applied
            .iter()
            .enumerate()
            .take(chosen.last().map_or(0, |(last, _)| *last))
            .find(|(index, _)| !going.contains(index))
        {
            let below = chosen.last().map(|(_, entry)| entry.label()).unwrap_or_default();
            return Err(RunError::NoDown {
                label: below,
                reason: format!("{} comes after it and would stay", stays.label()),
            });
        }
        let mut plan = DownPlan::default();
        let journal = self.journal;
        let dialect = self.session.dialect();
        let with_points = journal.with_restore_points(&mut *self.session, Direction::Up).await?;
        let files = Files::of(series, dialect);
        let variables = series.variables.as_deref();
        let mut ways = Vec::new();
        if let GeneratedDown::InPlaceOf(versions) = &self.options.generated_down
            && let Some(other) =
                versions.iter().find(|name| !chosen.iter().any(|(_, e)| is_called(e, name)))
        {
            return Err(RunError::NotTakenBack(other.clone()));
        }
        for (_, entry) in chosen {
            if entry.state == MigrationState::Applying {
                return Err(RunError::HalfWay {
                    version: entry.version.clone(),
                    label: entry.label(),
                    direction: Direction::Up,
                });
            }
            ways.push((*entry, self.way_back(&files, variables, entry)?));
        }
        let lacking: Vec<&Version> =
            ways.iter().filter(|(_, way)| way.is_missing()).map(|(e, _)| &e.version).collect();
        let mut inverses = inverse::generate(&entries, &lacking, dialect, variables);
        for (entry, way) in ways {
            let (mut down, generated) = match way {
                WayBack::Written(down) => (*down, None),
                WayBack::Missing(why) => match inverses.remove(&entry.version) {
                    Some(Ok(inverse)) => {
                        let (migration, file) = (nameless(entry), &inverse.file);
                        let down =
                            Prepared::new(&migration, Direction::Down, file, dialect, variables)?;
                        (down, Some(inverse.notes))
                    }
                    Some(Err(reason)) => {
                        let (label, reason) = (
                            entry.label(),
                            format!("{why}, and its up has no exact inverse: {reason}"),
                        );
                        return Err(RunError::NoDown { label, reason });
                    }
                    None => {
                        return Err(RunError::NoDown { label: entry.label(), reason: why.into() });
                    }
                },
            };
            let points = if with_points.contains(&entry.version) {
                journal.restore_points(&mut *self.session, &entry.version, Direction::Up).await?
            } else {
                Vec::new()
            };
            down.added = added(&up_statements(entry, variables, dialect));
            let squashed = files
                .of_version(&entry.version)
                .find(|m| squash::is_stood_for(entry, m, dialect))
                .map(SourceMigration::label)
                .or_else(|| files.stands_for(&entry.version));
            let kept = points.iter().flat_map(|point| &point.kept).map(KeptSummary::of).collect();
            let pruned = points.iter().flat_map(|point| point.pruned.clone()).collect();
            plan.migrations.push(PlannedDown {
                version: entry.version.clone(),
                down,
                kept,
                pruned,
                squashed,
                generated,
                entry: (*entry).clone(),
                points,
            });
        }
        let versions: Vec<Version> = plan.migrations.iter().map(|m| m.version.clone()).collect();
        plan.earlier =
            journal.goes_on_from(&mut *self.session, &versions, &self.interrupted).await?;
        if plan.migrations.is_empty() {
            self.nothing_to_do().await?;
        }
        let going: BTreeSet<&Version> = plan.migrations.iter().map(|m| &m.version).collect();
        plan.target =
            entries.iter().rev().map(|e| &e.version).find(|v| !going.contains(v)).cloned();
        plan.variables.clone_from(&series.variables);
        plan.entries = entries;
        Ok(plan)
    }

    /// The down of an applied migration: the file beside its up, or, where that is gone, the text
    /// that the journal keeps. Without statements it is refused, unless its inverse may stand in for it.
    fn way_back(
        &self,
        files: &Files<'_>,
        variables: Option<&Variables>,
        entry: &JournalEntry,
    ) -> Result<WayBack, RunError> {
        // One that was cut off half way goes on as it began.
        let may_generate = self.options.generated_down != GeneratedDown::Never
            || entry.state == MigrationState::Reverting;
        if let GeneratedDown::InPlaceOf(versions) = &self.options.generated_down
            && versions.iter().any(|name| is_called(entry, name))
        {
            return Ok(WayBack::Missing("its down file is not to be used"));
        }
        let missing = |why: &'static str| {
            if may_generate {
                Ok(WayBack::Missing(why))
            } else {
                Err(RunError::DownMissing { label: entry.label(), reason: why })
            }
        };
        let dialect = self.session.dialect();
        // A file that only stands for what ran has another way back.
        let on_disk = files
            .of_version(&entry.version)
            .next()
            .filter(|m| !squash::is_stood_for(entry, m, dialect));
        let file = match (on_disk.and_then(|m| m.down.as_ref()), &entry.down_sql) {
            (Some(file), recorded) => {
                let edited = entry
                    .down
                    .as_ref()
                    .is_some_and(|d| d.tokens != Checksum::of(&file.text, dialect).tokens);
                if edited && !self.options.edited_down {
                    let name = format!("{}.down.sql", entry.label());
                    return Err(RunError::Edited {
                        label: entry.label(),
                        direction: Direction::Down,
                        path: file.path.clone(),
                        diff: text_diff(&name, recorded.as_deref().unwrap_or(""), &file.text),
                    });
                }
                file.clone()
            }
            (None, Some(text)) => SourceFile::sql(
                PathBuf::from(format!("journal:{}.down.sql", entry.label())),
                text.clone(),
                TransactionMode::Wrapped,
            ),
            (None, None) => return missing("it has no down file"),
        };
        let migration = nameless(entry);
        let prepared = Prepared::new(&migration, Direction::Down, &file, dialect, variables)?;
        let up = SourceFile { text: entry.up_sql.clone(), ..file };
        let up = Prepared::new(&migration, Direction::Up, &up, dialect, variables)?;
        if prepared.statements.is_empty() && !up.statements.is_empty() {
            return missing("its down file holds no statement");
        }
        Ok(WayBack::Written(Box::new(prepared)))
    }

    /// Takes a plan's migrations back, newest first. Returns what each did.
    pub async fn down(
        &mut self,
        plan: &DownPlan,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Applied>, RunError> {
        if plan.migrations.is_empty() {
            return Ok(Vec::new());
        }
        let versions: Vec<Version> = plan.migrations.iter().map(|m| m.version.clone()).collect();
        let operation = self.begin_operation("down", &versions, observer).await?;
        let not_kept = plan.not_kept(self.session.dialect());
        self.journal.note_not_kept(&mut *self.session, operation, &not_kept).await?;
        observer.event(Event::Planned { migrations: plan.migrations.len() });
        let result = self.revert_all(plan, operation, observer).await;
        self.end_operation(operation, &result).await;
        result
    }

    /// All that a way back did, of which `done` is what its last run did: where earlier ones were cut off, the
    /// journal tells what they did.
    pub async fn whole_way_back(
        &mut self,
        plan: &DownPlan,
        done: Vec<Applied>,
    ) -> Result<TakenBack, RunError> {
        let mut all = Applied::default();
        if plan.earlier.is_empty() {
            done.into_iter().for_each(|one| all.extend(one));
            return Ok(TakenBack { all, before: Vec::new() });
        }
        let (journal, session) = (self.journal, &mut *self.session);
        let mut runs: Vec<i64> = plan.earlier.iter().map(|run| run.id).collect();
        if !plan.migrations.is_empty() {
            // Under the migration lock, the newest is the one that has just ended.
            runs.extend(journal.operations(session, 1).await?.iter().map(|run| run.id));
        }
        let all = journal.taken_back(session, &runs).await?;
        Ok(TakenBack { all, before: plan.taken_before() })
    }

    async fn revert_all(
        &mut self,
        plan: &DownPlan,
        operation: i64,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Applied>, RunError> {
        let (variables, target) = (plan.variables.as_deref(), plan.target.as_ref());
        let later = self.return_repeatables(variables, target, operation, observer).await?;
        let mut done = Vec::new();
        let mut rest = plan.migrations.as_slice();
        while let Some((migration, others)) = rest.split_first() {
            self.check_lock().await?;
            if self.stop_asked() {
                return Err(RunError::Interrupted { completed: done.len() });
            }
            let ahead = rest.iter().take(self.pace.look_ahead());
            let ahead = ahead.take_while(|migration| migration.points.is_empty());
            let ahead: Vec<Work<'_>> = ahead.map(|m| m.work(operation)).collect();
            let together = apply::together(self, &ahead, observer).await?;
            if !together.is_empty() {
                rest = &rest[together.len()..];
                done.extend(together);
                continue;
            }
            let label = &migration.down.label;
            observer.allow(label, Direction::Down).map_err(|reason| RunError::Vetoed {
                label: label.clone(),
                direction: Direction::Down,
                reason,
                completed: done.len(),
            })?;
            let work = migration.work(operation);
            done.push(apply::run(self, &work, done.len(), observer).await?);
            rest = others;
        }
        self.return_later(later, operation, done.len(), observer).await?;
        Ok(done)
    }
}
