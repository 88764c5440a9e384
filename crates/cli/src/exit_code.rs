//! What the program tells the shell. Documented in `docs/exit-codes.md`.

use std::process::ExitCode;

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Done, or nothing found.
    Clean = 0,
    /// There are findings, or the command was refused.
    Findings = 1,
    /// The command line, the configuration or a migration file is wrong.
    Usage = 2,
    /// The database cannot be reached, or refused the login.
    Unreachable = 3,
    /// A lock was not to be had in time, or another run is going on.
    Locked = 4,
    /// A migration failed; the database is as it was before it.
    FailedUnchanged = 5,
    /// A migration failed half way; what it did is recorded.
    PartlyApplied = 6,
    /// Files and database disagree.
    Drift = 7,
    /// A restore point is not sound, or data cannot be put back.
    SnapshotNotSound = 8,
    /// Interrupted at a safe point, and recorded.
    Interrupted = 130,
}

impl Code {
    /// Every code with what it means, for the documentation.
    pub const ALL: [(Self, &str); 10] = [
        (Self::Clean, "done, or nothing found"),
        (Self::Findings, "there are findings, or the command was refused"),
        (Self::Usage, "the command line, the configuration or a migration file is wrong"),
        (Self::Unreachable, "the database cannot be reached, or refused the login"),
        (Self::Locked, "a lock was not to be had in time, or another run is going on"),
        (Self::FailedUnchanged, "a migration failed; the database is as it was before it"),
        (Self::PartlyApplied, "a migration failed half way; what it did is recorded"),
        (Self::Drift, "files and database disagree"),
        (Self::SnapshotNotSound, "a restore point is not sound, or data cannot be put back"),
        (Self::Interrupted, "interrupted at a safe point, and recorded"),
    ];
}

impl From<Code> for i32 {
    fn from(code: Code) -> Self {
        code as Self
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}
