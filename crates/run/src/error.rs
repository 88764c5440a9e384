//! Why a run stopped, and what state the database is in now.

use std::path::PathBuf;

use downhaul_engine::{EngineError, LockHolder};
use downhaul_plan::{Direction, SourceError, Version};
use downhaul_snapshot::SnapshotError;

/// What keeps a migration that is done from having its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Other sessions.
    Locks,
    /// The connection broke.
    Connection,
    /// Anything else.
    Other,
}

/// A statement of a migration that the server refused, with its place in the file.
#[derive(Debug)]
pub struct FailedStatement {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// The statement.
    pub sql: String,
    /// What the server said.
    pub error: EngineError,
}

/// What a migration that was rolled back is, in words.
fn untouched(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "nothing of it is applied",
        Direction::Down => "it is applied as before",
    }
}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database or the way to it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The migration files.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A restore point.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Another runner is at work.
    #[error("another run is going on: {}", .0.description)]
    Locked(LockHolder),
    /// The lock that keeps other runners out is no longer ours.
    #[error(
        "the migration lock was lost: the connection that held it broke, or another runner took it over"
    )]
    LockLost,
    /// A migration is done, but tracked tables have no mark after it.
    #[error(
        "{label} is {}, but there is no mark after it: {reason}",
        match direction { Direction::Up => "applied", Direction::Down => "taken back" }
    )]
    Unmarked {
        /// The migration.
        label: String,
        /// Which way it went.
        direction: Direction,
        /// What kind of thing was in the way.
        obstacle: Obstacle,
        /// Why.
        reason: String,
    },
    /// The text of a migration cannot be read.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A file was changed after it was applied.
    #[error("{label} was applied and its {direction} file has been changed since ({})", path.display())]
    Edited {
        /// The migration.
        label: String,
        /// Which file.
        direction: Direction,
        /// The file.
        path: PathBuf,
        /// What changed, as a unified diff.
        diff: String,
    },
    /// A pending migration is older than one that is applied.
    #[error("{pending} is not applied, but {applied}, which comes later, is")]
    OutOfOrder {
        /// The pending one.
        pending: String,
        /// The applied one.
        applied: String,
    },
    /// The migration cannot be reverted.
    #[error("{label} cannot be reverted: {reason}")]
    NoDown {
        /// The migration.
        label: String,
        /// Why.
        reason: String,
    },
    /// A generated down was asked for, for a migration that is not among those that are taken back.
    #[error("{0} is not among the migrations that are to be taken back")]
    NotTakenBack(String),
    /// Nobody wrote a way back for the migration.
    #[error("{label} cannot be reverted: {reason}")]
    DownMissing {
        /// The migration.
        label: String,
        /// Why.
        reason: &'static str,
    },
    /// A migration is half done in one direction and asked to go in the other.
    #[error("the {direction} of {label} was cut off half way")]
    HalfWay {
        /// Its version.
        version: Version,
        /// The migration.
        label: String,
        /// The direction that was cut off.
        direction: Direction,
    },
    /// Of what a squash stands for, this database has a part.
    #[error("{label} stands for migrations of which {} missing here: {}", if missing.len() == 1 { "1 is".to_owned() } else { format!("{} are", missing.len()) }, missing.join(", "))]
    HalfSquashed {
        /// The squash.
        label: String,
        /// Its version.
        version: Version,
        /// How many are applied.
        there: usize,
        /// Those that are not, or not wholly.
        missing: Vec<String>,
        /// Where `squash` has put their files.
        archive: PathBuf,
    },
    /// What was applied is not what was squashed.
    #[error("{label} was applied with another text than the one that {squash} stands for")]
    SquashedOtherwise {
        /// The migration.
        label: String,
        /// The squash.
        squash: String,
        /// Where `squash` has put the files.
        archive: PathBuf,
    },
    /// There is no way to the middle of a squash that ran as one.
    #[error("{version} lies within {squash}, which ran here as one migration")]
    WithinSquash {
        /// The version.
        version: Version,
        /// The squash.
        squash: String,
    },
    /// What a release ran on is not applied any more.
    #[error("{release} ran on {head}, which is not applied here: the newest is {newest}")]
    BehindRelease {
        /// The release.
        release: String,
        /// What it ran on.
        head: Version,
        /// What is the newest now.
        newest: String,
    },
    /// It is not applied, so there is nothing to say of it.
    #[error("{0} is not applied here")]
    NotApplied(Version),
    /// No such version.
    #[error("there is no migration {0}")]
    UnknownVersion(Version),
    /// A statement failed and everything of this migration was rolled back.
    #[error("{label} ({direction}) failed and was rolled back: {}", untouched(*direction))]
    Failed {
        /// The migration.
        label: String,
        /// Which way.
        direction: Direction,
        /// Migrations that this run had completed before.
        completed: usize,
        /// The statement.
        statement: Box<FailedStatement>,
    },
    /// A migration was rolled back because what it keeps or restores is not sound.
    #[error("{label} ({direction}) was rolled back: {}", untouched(*direction))]
    Refused {
        /// The migration.
        label: String,
        /// Which way.
        direction: Direction,
        /// Why.
        #[source]
        reason: SnapshotError,
    },
    /// A statement outside a transaction failed after others had taken effect.
    #[error("{label} ({direction}) failed at statement {ordinal}; the {ordinal_before} before it are applied and recorded", ordinal_before = ordinal - 1)]
    Partial {
        /// The migration.
        label: String,
        /// Which way.
        direction: Direction,
        /// Number of the failed statement, from 1.
        ordinal: usize,
        /// The statement.
        statement: Box<FailedStatement>,
    },
    /// A migration that is half applied was changed before it could be finished.
    #[error(
        "{label} is half applied (statement {done} of {total}), and its file has been changed since"
    )]
    EditedHalfway {
        /// The migration.
        label: String,
        /// Statements done.
        done: usize,
        /// Statements in all.
        total: usize,
    },
    /// A baseline is for a database that Downhaul does not know.
    #[error("the journal of this database knows migrations already, the newest being {0}")]
    AlreadyKnown(Version),
    /// No run was made for this release.
    #[error("no run for release {0} is in the journal")]
    UnknownRelease(String),
    /// The journal was made by a newer version of Downhaul.
    #[error("the journal in this database has format {found}; this Downhaul knows {known}")]
    NewerJournal {
        /// Format found.
        found: i64,
        /// Format known.
        known: i64,
    },
    /// Whoever watches the run would not have this migration.
    #[error("{label} ({direction}) was not begun: {reason}")]
    Vetoed {
        /// The migration.
        label: String,
        /// Which way.
        direction: Direction,
        /// Why.
        reason: String,
        /// Migrations that this run had completed before.
        completed: usize,
    },
    /// A stop was asked for and happened between two statements of a migration that no transaction
    /// can hold.
    #[error(
        "stopped as asked within {label} ({direction}): {done} of {total} statements are done and recorded"
    )]
    Halted {
        /// The migration.
        label: String,
        /// Which way.
        direction: Direction,
        /// Statements done.
        done: usize,
        /// Statements in all.
        total: usize,
    },
    /// A stop was asked for and happened at a safe point.
    #[error("stopped as asked after {completed} migrations; the rest is pending")]
    Interrupted {
        /// Migrations that this run had completed.
        completed: usize,
    },
}
