//! `status`: what is applied, what is pending, what is held. Reads only.

use downhaul_engine::Session;
use downhaul_engine::lock::{Presence, presence};
use downhaul_plan::{Checksum, Direction, Series, Version};

use crate::journal::{Journal, JournalEntry, MigrationState, Operation};
use crate::{RepeatableStatus, RunError, repeatable, squash, up};

/// State of one migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusState {
    /// Applied, and its file says what ran.
    Applied,
    /// Applied, and its up file has been changed since.
    Edited,
    /// Applied, and its file is not on disk.
    FileMissing,
    /// Applied; a later file stands for it.
    Squashed,
    /// Not applied.
    Pending,
    /// Not applied, although a later one is.
    OutOfOrder,
    /// Its up was cut off half way: `up` goes on.
    Applying,
    /// Its down was cut off half way: `down` goes on.
    Reverting,
}

/// One migration.
#[derive(Clone, Debug)]
pub struct StatusRow {
    /// Version.
    pub version: Version,
    /// `0007_slim_customers`.
    pub label: String,
    /// State.
    pub state: StatusState,
    /// When it was applied.
    pub applied_at: Option<String>,
    /// By whom.
    pub applied_by: Option<String>,
    /// Whether it can be taken back at all.
    pub has_down: bool,
    /// What is kept of it.
    pub held: Vec<HeldTable>,
}

/// What is kept of one table.
#[derive(Clone, Debug)]
pub struct HeldTable {
    /// The table.
    pub table: String,
    /// Rows; as the server estimates, where the table was set aside.
    pub rows: u64,
    /// The table itself was set aside.
    pub set_aside: bool,
    /// Bytes that it takes, where the server tells.
    pub bytes: Option<u64>,
}

/// The whole picture.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The database has a journal.
    pub journal: bool,
    /// Migrations in order.
    pub rows: Vec<StatusRow>,
    /// A run that is going on, or was cut off.
    pub running: Vec<Operation>,
    /// Which of the two, where there is one and that can be told.
    pub presence: Option<Presence>,
    /// Repeatable migrations, in order.
    pub repeatables: Vec<RepeatableStatus>,
}

impl Status {
    /// Of a database that does not exist yet: everything is pending.
    #[must_use]
    pub fn of_nothing(series: &Series) -> Self {
        let mut status = Self::default();
        status.add_pending(series, &[]);
        status.repeatables = series
            .migrations
            .iter()
            .filter(|m| m.repeatable)
            .map(|m| RepeatableStatus {
                name: m.version.to_string(),
                pending: true,
                applied_at: None,
                file_missing: false,
            })
            .collect();
        status
    }

    /// Adds what the journal does not know.
    fn add_pending(&mut self, series: &Series, entries: &[JournalEntry]) {
        let last = entries.iter().rfind(|e| e.state == MigrationState::Applied);
        for migration in series.migrations.iter().filter(|m| !m.repeatable) {
            let within = |e: &JournalEntry| e.squashed.contains(&migration.version);
            if entries.iter().any(|e| e.version == migration.version || within(e)) {
                continue;
            }
            let late = last.is_some_and(|last| last.version > migration.version);
            self.rows.push(StatusRow {
                version: migration.version.clone(),
                label: migration.label(),
                state: if late { StatusState::OutOfOrder } else { StatusState::Pending },
                applied_at: None,
                applied_by: None,
                has_down: migration.down.is_some(),
                held: Vec::new(),
            });
        }
        self.rows.sort_by(|a, b| a.version.cmp(&b.version));
    }

    /// How many are in a state.
    #[must_use]
    pub fn count(&self, state: StatusState) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }
}

/// Reads the status. Needs no right to write.
pub async fn status(session: &mut dyn Session, series: &Series) -> Result<Status, RunError> {
    let dialect = session.dialect();
    let journal = Journal::new(dialect);
    let found = up::entries_if_any(session).await?;
    let mut status = Status { journal: found.is_some(), ..Status::default() };
    let entries = found.unwrap_or_default();
    let held = if status.journal { journal.holdings(session).await? } else { Vec::new() };
    if status.journal {
        status.running = journal.interrupted(session).await?;
        if !status.running.is_empty() {
            // Who may not look there is not refused the rest.
            status.presence = presence(session).await.ok();
        }
    }
    for entry in &entries {
        let on_disk = series.migrations.iter().find(|m| m.version == entry.version);
        let state = match (entry.state, on_disk.and_then(|m| m.up.as_ref())) {
            (MigrationState::Applying, _) => StatusState::Applying,
            (MigrationState::Reverting, _) => StatusState::Reverting,
            (MigrationState::Applied, file)
                if on_disk.is_some_and(|m| squash::is_stood_for(entry, m, dialect))
                    || file.is_none()
                        && squash::stands_for(series, &entry.version, dialect).is_some() =>
            {
                StatusState::Squashed
            }
            (MigrationState::Applied, None) => StatusState::FileMissing,
            (MigrationState::Applied, Some(file))
                if Checksum::of(&file.text, dialect).tokens != entry.up.tokens =>
            {
                StatusState::Edited
            }
            (MigrationState::Applied, Some(_)) => StatusState::Applied,
        };
        status.rows.push(StatusRow {
            version: entry.version.clone(),
            label: entry.label(),
            state,
            applied_at: Some(entry.applied_at.clone()),
            applied_by: Some(entry.applied_by.clone()),
            has_down: entry.down_sql.is_some() || on_disk.is_some_and(|m| m.down.is_some()),
            held: held
                .iter()
                .filter(|h| h.version == entry.version && h.direction == Direction::Up)
                .map(|h| HeldTable {
                    table: h.kept.table.to_string(),
                    rows: h.kept.rows,
                    set_aside: h.kept.is_aside(),
                    bytes: h.bytes,
                })
                .collect(),
        });
    }
    status.add_pending(series, &entries);
    status.repeatables = repeatable::status(session, series).await?;
    Ok(status)
}
