//! A file that stands for older ones, on databases that have run those one by one.
//!
//! Such a database keeps its journal as it is: each migration with its texts, its restore points
//! and its own way back. The file in their place runs on new databases only.

use std::collections::BTreeSet;
use std::path::PathBuf;

use downhaul_plan::{Checksum, Member, Series, SourceMigration, Version, members};
use downhaul_syntax::Dialect;

use crate::journal::{JournalEntry, MigrationState};
use crate::{Event, Observer, RunError, Runner};

/// Migrations of the journal that a file of the series stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// The file's version.
    pub version: Version,
    /// `0007_squashed`.
    pub label: String,
    /// What it stands for.
    pub versions: Vec<Version>,
    /// The journal says so already.
    marked: bool,
}

/// What a journal knows of a squash.
#[derive(Debug)]
pub(crate) enum Standing {
    /// Nothing, or the file itself ran here: it is a migration as any other.
    Plain,
    /// What it stands for was applied one by one.
    Recognised(Recognised),
}

/// What a migration of the series stands for; nothing for most.
pub(crate) fn of(migration: &SourceMigration, dialect: Dialect) -> Vec<Member> {
    migration.up.as_ref().map(|up| members(&up.text, dialect)).unwrap_or_default()
}

/// Versions, each once.
pub(crate) fn versions(members: &[Member]) -> Vec<Version> {
    members.iter().map(|m| m.version.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether a file of the series is a squash in the place of what this entry says was applied, or the
/// other way round.
pub(crate) fn is_stood_for(
    entry: &JournalEntry,
    migration: &SourceMigration,
    dialect: Dialect,
) -> bool {
    let Some(up) = &migration.up else { return false };
    let tokens = Checksum::of(&up.text, dialect).tokens;
    if tokens == entry.up.tokens {
        return false;
    }
    let holds = |all: &[Member], tokens: &str| {
        all.iter().any(|m| m.version == entry.version && m.tokens == tokens)
    };
    holds(&of(migration, dialect), &entry.up.tokens)
        || !entry.squashed.is_empty() && holds(&members(&entry.up_sql, dialect), &tokens)
}

/// Whether a squash that ran here stands for a migration which the journal has no row of.
pub(crate) fn is_within(
    migration: &SourceMigration,
    entries: &[JournalEntry],
    dialect: Dialect,
) -> Result<bool, RunError> {
    let version = &migration.version;
    let Some(entry) = entries
        .iter()
        .find(|e| e.state == MigrationState::Applied && e.squashed.iter().any(|v| v == version))
    else {
        return Ok(false);
    };
    let Some(up) = &migration.up else { return Ok(true) };
    let tokens = Checksum::of(&up.text, dialect).tokens;
    if members(&entry.up_sql, dialect).iter().any(|m| m.version == *version && m.tokens == tokens) {
        return Ok(true);
    }
    Err(RunError::SquashedOtherwise {
        label: migration.label(),
        squash: entry.label(),
        archive: archive(migration),
    })
}

/// Where `squash` puts the files that it takes the place of.
fn archive(migration: &SourceMigration) -> PathBuf {
    let folder = migration.up.as_ref().and_then(|up| up.path.parent()).unwrap_or("".as_ref());
    folder.join("squashed").join(migration.version.as_str())
}

/// What the journal says of what a squash stands for.
pub(crate) fn standing(
    migration: &SourceMigration,
    entries: &[JournalEntry],
    dialect: Dialect,
) -> Result<Standing, RunError> {
    let all = of(migration, dialect);
    let Some(up) = migration.up.as_ref().filter(|_| !all.is_empty()) else {
        return Ok(Standing::Plain);
    };
    let wanted = versions(&all);
    let row = |version: &Version| entries.iter().find(|e| e.version == *version);
    if let Some(own) = row(&migration.version)
        && (own.up.tokens == Checksum::of(&up.text, dialect).tokens
            || versions(&members(&own.up_sql, dialect)) == wanted)
    {
        return Ok(Standing::Plain);
    }
    let mut missing = Vec::new();
    let mut there = 0;
    for version in &wanted {
        let label =
            || all.iter().find(|m| m.version == *version).map_or_else(String::new, Member::label);
        match row(version) {
            Some(entry) if entry.state != MigrationState::Applied => missing.push(label()),
            Some(entry) => {
                let ran = |m: &&Member| m.version == *version && m.tokens == entry.up.tokens;
                if !all.iter().any(|m| ran(&m)) {
                    return Err(RunError::SquashedOtherwise {
                        label: entry.label(),
                        squash: migration.label(),
                        archive: archive(migration),
                    });
                }
                there += 1;
            }
            // An earlier squash that ran here stands for it.
            None if entries
                .iter()
                .any(|e| e.state == MigrationState::Applied && e.squashed.contains(version)) =>
            {
                there += 1;
            }
            None => missing.push(label()),
        }
    }
    if there == 0 && !wanted.iter().any(|v| row(v).is_some()) {
        return Ok(Standing::Plain);
    }
    if !missing.is_empty() {
        return Err(RunError::HalfSquashed {
            label: migration.label(),
            version: migration.version.clone(),
            there,
            missing,
            archive: archive(migration),
        });
    }
    let marked = row(&migration.version).is_some_and(|e| e.squashed == wanted);
    Ok(Standing::Recognised(Recognised {
        version: migration.version.clone(),
        label: migration.label(),
        versions: wanted,
        marked,
    }))
}

/// Label of the squash of the series that stands for a version which has no file of its own.
pub(crate) fn stands_for(series: &Series, version: &Version, dialect: Dialect) -> Option<String> {
    series
        .migrations
        .iter()
        .find(|m| m.version != *version && of(m, dialect).iter().any(|o| o.version == *version))
        .map(SourceMigration::label)
}

impl Runner {
    /// Notes in the journal what files of the series stand for, where it does not say so yet.
    pub(crate) async fn mark_squashed(
        &mut self,
        recognised: &[Recognised],
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        let new: Vec<&Recognised> = recognised.iter().filter(|r| !r.marked).collect();
        if new.is_empty() {
            return Ok(());
        }
        let versions: Vec<Version> = new.iter().flat_map(|r| r.versions.clone()).collect();
        let statements: Vec<String> =
            new.iter().map(|r| self.journal.mark_squashed(&r.version, &r.versions)).collect();
        let operation = self.begin_operation("squash", &versions, observer).await?;
        let result = self.in_transaction(&statements).await;
        self.end_operation(operation, &result).await;
        result?;
        for one in new {
            observer.event(Event::Note(&format!(
                "{} stands for {} migrations that were applied here one by one: nothing of it runs, and each keeps its own way back",
                one.label,
                one.versions.len()
            )));
        }
        Ok(())
    }
}
