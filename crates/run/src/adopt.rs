//! `baseline` and `repair`: make the journal agree with what is there, without running anything.

use downhaul_plan::{Checksum, Series, Version};

use crate::journal::{JournalEntry, MigrationState};
use crate::{RunError, Runner, Silent, squash};

impl Runner {
    /// Records every migration up to and with a version as applied, for a database that was built
    /// before Downhaul came. Returns their labels. Refused where the journal knows migrations.
    pub async fn baseline(
        &mut self,
        series: &Series,
        version: &Version,
    ) -> Result<Vec<String>, RunError> {
        if !series.migrations.iter().any(|m| m.version == *version) {
            return Err(RunError::UnknownVersion(version.clone()));
        }
        let known = self.journal.versions(&mut *self.session).await?;
        if let Some(newest) = known.last() {
            return Err(RunError::AlreadyKnown(newest.clone()));
        }
        let dialect = self.session.dialect();
        let mut entries = Vec::new();
        for migration in series.migrations.iter().filter(|m| !m.repeatable) {
            let Some(up) = migration.up.as_ref().filter(|_| migration.version <= *version) else {
                continue;
            };
            entries.push(JournalEntry {
                version: migration.version.clone(),
                name: migration.name.clone(),
                state: MigrationState::Applied,
                up: Checksum::of(&up.text, dialect),
                up_sql: up.text.clone(),
                down: migration.down.as_ref().map(|down| Checksum::of(&down.text, dialect)),
                down_sql: migration.down.as_ref().map(|down| down.text.clone()),
                applied_at: String::new(),
                applied_by: self.options.who.clone(),
                release: self.options.release.clone(),
                phase: migration.phase(dialect),
                squashed: squash::versions(&squash::of(migration, dialect)),
            });
        }
        let versions: Vec<Version> = entries.iter().map(|e| e.version.clone()).collect();
        let operation = self.begin_operation("baseline", &versions, &mut Silent).await?;
        let result = self.record_all(&entries, operation).await;
        self.end_operation(operation, &result).await;
        result?;
        Ok(entries.iter().map(JournalEntry::label).collect())
    }

    async fn record_all(
        &mut self,
        entries: &[JournalEntry],
        operation: i64,
    ) -> Result<(), RunError> {
        let statements: Vec<String> =
            entries.iter().map(|entry| self.journal.record(entry, operation, 0)).collect();
        self.in_transaction(&statements).await
    }

    /// Takes the present text of applied files for what was applied: after a review, when a file was
    /// changed in a way that changes nothing. Returns the labels of what was accepted.
    pub async fn accept_edited(
        &mut self,
        series: &Series,
        versions: &[Version],
    ) -> Result<Vec<String>, RunError> {
        let dialect = self.session.dialect();
        let entries = self.journal.entries(&mut *self.session).await?;
        let mut accepted = Vec::new();
        for version in versions {
            let entry = entries
                .iter()
                .find(|e| e.version == *version)
                .ok_or_else(|| RunError::NotApplied(version.clone()))?;
            let Some(on_disk) = series.migrations.iter().find(|m| m.version == *version) else {
                return Err(RunError::UnknownVersion(version.clone()));
            };
            if squash::is_stood_for(entry, on_disk, dialect) {
                // What ran is what the journal says; its file stands for it, and was not edited.
                continue;
            }
            let mut entry = entry.clone();
            if let Some(up) = &on_disk.up {
                entry.up = Checksum::of(&up.text, dialect);
                entry.up_sql.clone_from(&up.text);
            }
            if let Some(down) = &on_disk.down {
                entry.down = Some(Checksum::of(&down.text, dialect));
                entry.down_sql = Some(down.text.clone());
            }
            accepted.push(entry);
        }
        let operation = self.begin_operation("repair", versions, &mut Silent).await?;
        let statements: Vec<String> =
            accepted.iter().map(|entry| self.journal.accept(entry)).collect();
        let result = self.in_transaction(&statements).await;
        self.end_operation(operation, &result).await;
        result?;
        Ok(accepted.iter().map(JournalEntry::label).collect())
    }

    /// Takes the schema as it is now for what it should be: the next `verify` compares with it.
    pub async fn accept_drift(&mut self) -> Result<(), RunError> {
        let operation = self.begin_operation("repair", &[], &mut Silent).await?;
        self.end_operation(operation, &Ok::<(), RunError>(())).await;
        Ok(())
    }

    pub(crate) async fn in_transaction(&mut self, statements: &[String]) -> Result<(), RunError> {
        if statements.is_empty() {
            return Ok(());
        }
        self.session.begin(self.options.budget).await?;
        match self.session.execute(&statements.join("; ")).await {
            Ok(_) => Ok(self.session.commit().await?),
            Err(error) => {
                self.session.rollback().await?;
                Err(error.into())
            }
        }
    }
}
