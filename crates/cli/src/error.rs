//! Every error becomes a message, what state the database is in, a next step, and an exit code.

use downhaul_engine::EngineError;
use downhaul_plan::Direction;
use downhaul_plan::SourceError;
use downhaul_run::error::FailedStatement;
use downhaul_run::{Obstacle, RunError};
use downhaul_snapshot::SnapshotError;

use crate::exit_code::Code;

/// An error as the user reads it.
#[derive(Debug)]
pub struct CliError {
    /// What is wrong.
    pub message: String,
    /// More about it: a diff, a statement, what the server said.
    pub detail: Option<String>,
    /// What state the database is in.
    pub state: Option<String>,
    /// What to type next.
    pub hint: Option<String>,
    /// Exit code.
    pub code: Code,
}

impl CliError {
    /// An error with a code.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { message: message.into(), detail: None, state: None, hint: None, code }
    }

    /// Wrong use.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// Something that should not happen.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// Adds what to type next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds more about it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what state the database is in.
    #[must_use]
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }
}

impl From<SourceError> for CliError {
    fn from(error: SourceError) -> Self {
        // These messages end with their own next step.
        let text = error.to_string();
        match text.split_once("\n  next: ") {
            Some((message, next)) => Self::usage(message).hint(next),
            None => Self::usage(text),
        }
    }
}

/// What to do where the connection broke.
const AFTER_A_BREAK: &str = "run `downhaul status`, then the command again; where the server itself went down, as it may with a full disk, its log says why";

/// What to do where the disk of the database is full.
const MAKE_ROOM: &str = "the disk of the database is full: make room there, then run the same command again; what a migration destroys is kept, and takes about as much room (`downhaul snapshot prune --kept` gives up older copies)";

/// What to do where a part of what a restore brings back refers to what it leaves.
pub(crate) const BOTH_ENDS: &str =
    "restore both tables together, or leave these rows out with --where";

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        let full = error.disk_is_full();
        match error {
            EngineError::BadUrl { .. } => Self::usage(message)
                .hint("set DATABASE_URL=postgres://user@host/database, mysql://user@host/database or sqlite:file.db"),
            EngineError::Unreachable { target, .. } => {
                let hint = if target.starts_with("sqlite ") {
                    "check that the path leads to a SQLite database, or to a folder where one can be made"
                } else {
                    "check that the server runs and that host, port and database name are right"
                };
                Self::new(Code::Unreachable, message).state("nothing was changed").hint(hint)
            }
            EngineError::Untrusted { .. } => {
                Self::new(Code::Unreachable, message).state("nothing was changed").hint(
                    "name the root certificate with sslrootcert=/path (mysql: ssl-ca=/path) in the URL, use the host name that the certificate is for, or ask for less with sslmode (ssl-mode)",
                )
            }
            EngineError::NoFile { .. } => Self::new(Code::Unreachable, message)
                .hint("check the path; `downhaul up` makes the file"),
            EngineError::LoginRefused { target, .. } => {
                let elsewhere = if target.starts_with("mysql ") {
                    "MYSQL_PWD"
                } else {
                    "PGPASSWORD or ~/.pgpass"
                };
                Self::new(Code::Unreachable, message).state("nothing was changed").hint(format!(
                    "check user and password; the password may also come from {elsewhere}"
                ))
            }
            EngineError::ReadOnly(_) => Self::new(Code::FailedUnchanged, message)
                .state("nothing was changed")
                .hint("connect to the primary, or give the user the right to write"),
            EngineError::LockTimeout(failure) => Self::new(Code::Locked, message)
                .detail(match failure.detail {
                    Some(detail) => format!("{}\n{detail}", failure.sql),
                    None => failure.sql,
                })
                .state("the transaction was rolled back: nothing of it is applied")
                .hint("run the command again, or give it longer with --lock-retry"),
            EngineError::Statement(failure) => {
                let mut error = Self::new(Code::FailedUnchanged, message);
                // insufficient_privilege (PostgreSQL manual, appendix A).
                if failure.code.as_deref() == Some("42501") {
                    error.hint = Some(if failure.sql.contains("SCHEMA IF NOT EXISTS downhaul") {
                        "the journal lives in a schema of its own: GRANT CREATE ON DATABASE … to this user, or let an administrator run CREATE SCHEMA downhaul AUTHORIZATION …".to_owned()
                    } else {
                        "connect as a user who may do this, or let an administrator grant it".to_owned()
                    });
                    error.state = Some("whatever was not committed has been rolled back".to_owned());
                }
                if full {
                    error.hint = Some(MAKE_ROOM.to_owned());
                    error.state = Some("whatever was not committed has been rolled back".to_owned());
                }
                error.detail = Some(match failure.detail {
                    Some(detail) => format!("{}\n{detail}", failure.sql),
                    None => failure.sql,
                });
                error
            }
            EngineError::Disconnected(_) => Self::new(Code::Unreachable, message)
                .state("whatever was not committed has been rolled back by the database")
                .hint(AFTER_A_BREAK),
            EngineError::Protocol(_) => Self::new(Code::FailedUnchanged, message),
        }
    }
}

/// The failed statement with its place.
fn place(statement: &FailedStatement) -> String {
    let mut text = format!(
        "{}:{}:{}: {}",
        statement.path.display(),
        statement.line,
        statement.column,
        statement.error
    );
    if let Some(detail) = statement.error.failure().and_then(|f| f.detail.as_ref()) {
        text.push_str(&format!("\n{detail}"));
    }
    let sql: String = statement.sql.lines().take(8).map(|line| format!("\n  | {line}")).collect();
    text.push_str(&sql);
    text
}

impl From<SnapshotError> for CliError {
    fn from(error: SnapshotError) -> Self {
        let message = error.to_string();
        let unchanged = |code| Self::new(code, message.clone()).state("nothing was changed");
        match error {
            SnapshotError::Engine(error) => error.into(),
            SnapshotError::CannotTrack(_) => unchanged(Code::Findings),
            SnapshotError::UnknownMark { known, .. } => {
                let error = unchanged(Code::Usage);
                if known.is_empty() {
                    error.hint("there are no marks yet: `downhaul snapshot mark NAME` makes one")
                } else {
                    error.hint(format!(
                        "`downhaul snapshot marks` lists those that are left; the newest: {}. `snapshot prune` takes marks away with the history before them",
                        known.join(", ")
                    ))
                }
            }
            SnapshotError::OutOfReach { .. } => unchanged(Code::SnapshotNotSound)
                .hint("`downhaul snapshot status` shows how far back each table reaches"),
            SnapshotError::Conflicts { which, .. } => unchanged(Code::Findings)
                .detail(which.join("\n"))
                .hint("--on-conflict keep-new keeps what was written since, --on-conflict restore-old brings the old values back"),
            SnapshotError::PointsToNothing { .. } => {
                unchanged(Code::SnapshotNotSound).hint(BOTH_ENDS)
            }
            SnapshotError::PlanOutdated => unchanged(Code::Findings)
                .hint("look again: downhaul snapshot restore … --out FILE"),
            _ => unchanged(Code::SnapshotNotSound),
        }
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        let message = error.to_string();
        match error {
            RunError::Engine(error) => error.into(),
            RunError::Source(error) => error.into(),
            RunError::Snapshot(error) => error.into(),
            RunError::Locked(_) => Self::new(Code::Locked, message)
                .state("nothing was changed")
                .hint("let it end (`downhaul status` and `downhaul backfill status` show where it is), or wait longer for it with --wait SECONDS"),
            RunError::LockLost => Self::new(Code::Unreachable, message)
                .state("what was done is recorded; nothing further was begun")
                .hint("`downhaul status` shows where it stands; then run the command again"),
            RunError::Halted { .. } => Self::new(Code::Interrupted, message)
                .state("the migration is half applied, and the journal knows how far")
                .hint("run the same command again: it goes on from there"),
            RunError::Unmarked { obstacle, .. } => {
                let code = match obstacle {
                    Obstacle::Locks => Code::Locked,
                    Obstacle::Connection => Code::Unreachable,
                    Obstacle::Other => Code::Findings,
                };
                Self::new(code, message)
                    .state("the migration is done; history of tracked tables goes on without the mark")
                    .hint("set one once the way is clear: `downhaul snapshot mark NAME`; `downhaul snapshot status` says whether a table needs `snapshot track`")
            }
            RunError::Syntax { .. } => Self::usage(message)
                .state("nothing was changed")
                .hint("mend the file at that place"),
            RunError::Edited { direction, diff, .. } => Self::new(Code::Drift, message)
                .detail(diff)
                .state("nothing was changed")
                .hint(match direction {
                    Direction::Up => {
                        "put the file back as it was, and write the change as a new migration: `downhaul new NAME`"
                    }
                    Direction::Down => {
                        "if the new text is the right way back, add --use-edited-down"
                    }
                }),
            RunError::OutOfOrder { .. } => Self::new(Code::Findings, message)
                .state("nothing was changed")
                .hint("give it a version after the last applied one, or add --allow-out-of-order"),
            RunError::NoDown { .. } => Self::new(Code::Findings, message)
                .state("nothing was changed")
                .hint("write its down file beside the up file; an older migration is never reverted underneath it"),
            RunError::NotTakenBack(_) => Self::usage(message).hint(
                "name versions of the migrations that --to, --steps or --all takes back; `--preview` lists them",
            ),
            RunError::DownMissing { .. } => Self::new(Code::Findings, message)
                .state("nothing was changed")
                .hint("write its down file beside the up file (`downhaul generate-down` does), or add --use-generated-down, after a look with --preview; an older migration is never reverted underneath it"),
            RunError::HalfWay { direction, ref version, .. } => Self::new(Code::PartlyApplied, message)
                .state("what it did is recorded; nothing was changed by this run")
                .hint(match direction {
                    // No further: what comes behind it may be a contract.
                    Direction::Up => format!("`downhaul up --to {version}` finishes it; then run this command again"),
                    Direction::Down => "`downhaul down` finishes it; then run this command again".to_owned(),
                }),
            RunError::AlreadyKnown(_) => Self::new(Code::Findings, message)
                .state("nothing was changed")
                .hint("`downhaul status` shows what it knows; a baseline is for a database that is new to Downhaul"),
            RunError::UnknownRelease(_) => {
                Self::usage(message).hint("`downhaul history` lists the runs and their releases")
            }
            RunError::HalfSquashed { ref version, ref archive, .. } => {
                Self::new(Code::Findings, message).state("nothing was changed").hint(if archive.is_dir() {
                    format!(
                        "apply the rest of them one by one: downhaul up --dir {} --to {version}; then run this command again",
                        crate::lint::shown(archive)
                    )
                } else {
                    format!(
                        "bring the old files back into a folder of their own (git has them), run `downhaul up --dir FOLDER --to {version}` there, then this command again"
                    )
                })
            }
            RunError::SquashedOtherwise { ref archive, .. } => Self::new(Code::Drift, message)
                .state("nothing was changed")
                .hint(format!(
                    "compare the two: downhaul verify --dir {}; if the difference is meant, downhaul repair --accept VERSION --dir {}",
                    crate::lint::shown(archive),
                    crate::lint::shown(archive)
                )),
            RunError::BehindRelease { ref head, .. } => Self::new(Code::Findings, message)
                .state("nothing was changed")
                .hint(format!("`downhaul up --to {head}` brings the schema there")),
            RunError::WithinSquash { .. } => Self::new(Code::Findings, message)
                .state("nothing was changed")
                .hint("it can be taken back as a whole only: name a version before or behind it"),
            RunError::NotApplied(_) => Self::usage(message)
                .state("nothing was changed")
                .hint("`downhaul status` shows what is applied"),
            RunError::UnknownVersion(_) => {
                Self::usage(message).hint("`downhaul status` lists the versions")
            }
            RunError::Failed { ref label, direction, completed, ref statement } => {
                let locked = matches!(statement.error, EngineError::LockTimeout(_));
                let broken = matches!(statement.error, EngineError::Disconnected(_));
                let code = if locked {
                    Code::Locked
                } else if broken {
                    Code::Unreachable
                } else {
                    Code::FailedUnchanged
                };
                let done = match direction {
                    Direction::Up => "applied",
                    Direction::Down => "taken back",
                };
                let before = match completed {
                    0 => "the database is as it was".to_owned(),
                    1 => format!("the 1 migration before it in this run is {done}"),
                    n => format!("the {n} migrations before it in this run are {done}"),
                };
                let error = Self::new(code, message).detail(place(statement)).state(before);
                if locked {
                    error.hint("something else holds the lock, named above where the server tells: let it end, then run the command again, or give it longer with --lock-retry")
                } else if broken {
                    error.hint(AFTER_A_BREAK)
                } else if statement.error.disk_is_full() {
                    error.hint(MAKE_ROOM)
                } else if direction == Direction::Up {
                    error.hint("mend the statement and run the command again")
                } else {
                    error.hint(format!("mend the down file and add --use-edited-down, or leave it out: --use-generated-down={label} runs the inverse of what its up did, and --preview shows it"))
                }
            }
            RunError::Refused { ref reason, .. } => {
                let hint = match reason {
                    SnapshotError::UnforeseenLoss { .. } => {
                        "write the destructive statement out as plain SQL, so that what it destroys can be kept"
                    }
                    SnapshotError::HiddenChange { .. } => {
                        "name the tables in the migration: `-- downhaul:protect copy TABLE` keeps their rows, `-- downhaul:protect off TABLE` gives them up"
                    }
                    SnapshotError::TooWide { .. } => {
                        "a table that is dropped can be set aside instead (`-- downhaul:protect tombstone TABLE`); `-- downhaul:protect off TABLE` gives up what is destroyed"
                    }
                    SnapshotError::NoValue { .. } => {
                        "say in the down file what new rows get: ADD COLUMN … NOT NULL DEFAULT …, and run it with --use-edited-down"
                    }
                    SnapshotError::NotSound { .. } => {
                        "look at the kept data before you go on: `downhaul status` names it"
                    }
                    _ => "mend the file as the message says, and run the same command again",
                };
                Self::new(Code::SnapshotNotSound, message)
                    .detail(reason.to_string())
                    .state("the database is as it was")
                    .hint(hint)
            }
            RunError::Partial { ref statement, .. } => Self::new(Code::PartlyApplied, message)
                .detail(place(statement))
                .state("the migration is half applied, and the journal knows how far")
                .hint(if statement.error.disk_is_full() {
                    MAKE_ROOM
                } else if matches!(statement.error, EngineError::LockTimeout(_)) {
                    "something else holds the lock: let it end, or give it longer with --lock-retry, and run the same command again: it goes on from there"
                } else if matches!(statement.error, EngineError::Disconnected(_)) {
                    AFTER_A_BREAK
                } else {
                    "mend the cause and run the same command again: it goes on from there"
                }),
            RunError::EditedHalfway { .. } => Self::new(Code::PartlyApplied, message)
                .state("nothing was changed by this run")
                .hint("put the statements that have run back as they were; those after them may change"),
            RunError::NewerJournal { .. } => Self::usage(message).hint("use a newer Downhaul"),
            RunError::Vetoed { completed, .. } => Self::new(Code::Findings, message)
                .state(match completed {
                    0 => "no migration ran".to_owned(),
                    n => format!("the {n} before it are done and recorded; it and the rest are untouched"),
                })
                .hint("mend what the hook complains of, or run without hooks: --no-hooks"),
            RunError::Interrupted { .. } => Self::new(Code::Interrupted, message)
                .state("every migration is either whole or untouched")
                .hint("run the command again to go on"),
        }
    }
}
