//! Arguments of `snapshot`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{StatusFormat, Waiting};

/// `snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SnapshotCommand,
}

/// Commands of `snapshot`.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Keep the history of tables from now on; shows the cost first
    Track(TrackArgs),
    /// Stop keeping the history of tables, and drop it
    Untrack(UntrackArgs),
    /// Show which tables are tracked, since when, and how large their history is
    Status(SnapshotStatusArgs),
    /// Name this moment, to return to it later
    Mark(MarkArgs),
    /// List the marks
    #[command(visible_alias = "list")]
    Marks(MarksArgs),
    /// Show a table as it was at a mark
    Show(ShowArgs),
    /// Show what changed between two marks, or between a mark and now
    Diff(DiffArgs),
    /// Bring tables back to what they were at a mark; shows what would change, --yes does it
    Restore(Box<RestoreArgs>),
    /// Drop history that lies before a mark, or what migrations kept and is old
    Prune(PruneArgs),
}

/// The database.
#[derive(Clone, Debug, Args)]
pub struct Database {
    /// Database: `postgres://user@host/db` or `sqlite:path`. Prefer the environment variable: arguments are visible
    /// to every user of the machine
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

/// How changes are caught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Triggers {
    /// By what the table is and how it is written.
    #[default]
    Auto,
    /// Once a statement: cheapest where many rows change at once.
    Statement,
    /// Once a row: cheapest where single rows change.
    Row,
}

/// `snapshot track`.
#[derive(Debug, Args)]
pub struct TrackArgs {
    /// Tables
    #[arg(value_name = "TABLE", required_unless_present = "all")]
    pub tables: Vec<String>,
    /// All tables that are not tracked yet
    #[arg(long, conflicts_with = "tables")]
    pub all: bool,
    /// How changes are caught
    #[arg(long, value_enum, default_value_t)]
    pub triggers: Triggers,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// The database.
    #[command(flatten)]
    pub database: Database,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `snapshot untrack`.
#[derive(Debug, Args)]
pub struct UntrackArgs {
    /// Tables
    #[arg(value_name = "TABLE", required_unless_present = "all")]
    pub tables: Vec<String>,
    /// All tracked tables
    #[arg(long, conflicts_with = "tables")]
    pub all: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// The database.
    #[command(flatten)]
    pub database: Database,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `snapshot status`.
#[derive(Debug, Args)]
pub struct SnapshotStatusArgs {
    /// The database.
    #[command(flatten)]
    pub database: Database,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: StatusFormat,
}

/// `snapshot mark`.
#[derive(Debug, Args)]
pub struct MarkArgs {
    /// Name of the mark
    #[arg(required_unless_present = "delete")]
    pub name: Option<String>,
    /// Remove this mark instead, and the copy of the whole file that goes with it
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    pub delete: Option<String>,
    /// Copy the whole file too (SQLite), beside the database: it can go back as a whole, or single tables of
    /// it, tracked or not
    #[arg(long, conflicts_with = "delete")]
    pub file: bool,
    /// Where that copy goes
    #[arg(long, value_name = "PATH", requires = "file")]
    pub into: Option<PathBuf>,
    /// The database.
    #[command(flatten)]
    pub database: Database,
}

/// `snapshot marks`.
#[derive(Debug, Args)]
pub struct MarksArgs {
    /// The database.
    #[command(flatten)]
    pub database: Database,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: StatusFormat,
}

/// Formats of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// For people.
    #[default]
    Pretty,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

/// Formats of differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DiffFormat {
    /// For people.
    #[default]
    Pretty,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
    /// A page of its own, for a browser.
    Html,
}

/// A moment.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Moment {
    /// Mark
    #[arg(long, value_name = "MARK")]
    pub as_of: Option<String>,
    /// The newest mark at or before this time: `2026-05-01 14:05` (UTC)
    #[arg(long, value_name = "TIME")]
    pub at_time: Option<String>,
}

/// `snapshot show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Table
    pub table: String,
    /// Which moment.
    #[command(flatten)]
    pub moment: Moment,
    /// Only rows for which this SQL condition held
    #[arg(long, value_name = "SQL")]
    pub r#where: Option<String>,
    /// Show so many rows
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
    /// Make a view instead, to look at with SQL: `downhaul."TABLE_at_N"`
    #[arg(long, conflicts_with_all = ["where", "format"])]
    pub view: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: RowFormat,
    /// The database.
    #[command(flatten)]
    pub database: Database,
}

/// `snapshot diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// First mark
    pub from: String,
    /// Second mark (default: now)
    pub to: Option<String>,
    /// Only these tables (after both marks; also as --table)
    #[arg(value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Only these tables; may be repeated
    #[arg(long, value_name = "TABLE")]
    pub table: Vec<String>,
    /// Show so many rows of each table; 0 shows counts alone
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u64,
    /// Leave out so many rows of each table
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub offset: u64,
    /// Exit with 1 if anything differs
    #[arg(long)]
    pub exit_code: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: DiffFormat,
    /// The database.
    #[command(flatten)]
    pub database: Database,
}

/// What happens where what is undone and what came later changed the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// Refuse, and list the rows.
    #[default]
    Fail,
    /// What was written since stays.
    KeepNew,
    /// The old value comes back.
    RestoreOld,
}

/// How rows are written back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// By the share of rows that change.
    #[default]
    Auto,
    /// Row by row: readers go on.
    Rows,
    /// The table is emptied and filled anew where that is possible: readers wait.
    Rewrite,
}

/// `snapshot restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Mark to return to
    #[arg(long, value_name = "MARK", required_unless_present_any = ["to_time", "undo", "plan"])]
    pub to: Option<String>,
    /// Return to the newest mark at or before this time: `2026-05-01 14:05` (UTC), or
    /// `2026-05-01T16:05+02:00`
    #[arg(long, value_name = "TIME", conflicts_with_all = ["to", "undo"])]
    pub to_time: Option<String>,
    /// Undo the last restore; what was written since is kept
    #[arg(long, conflicts_with_all = ["to", "keep_since", "where", "columns", "table"])]
    pub undo: bool,
    /// Only this table; may be repeated (default: all tracked ones)
    #[arg(long, value_name = "TABLE")]
    pub table: Vec<String>,
    /// Only rows for which this SQL condition holds, then or now
    #[arg(long, value_name = "SQL")]
    pub r#where: Option<String>,
    /// Only these columns: rows neither come nor go. May be repeated, or several with commas between them
    #[arg(long, value_name = "COLUMN")]
    pub columns: Vec<String>,
    /// Keep what was written after this mark (without a name: after the mark that follows the one
    /// to return to), column by column
    #[arg(long, value_name = "MARK", num_args = 0..=1, default_missing_value = "")]
    pub keep_since: Option<String>,
    /// What happens where both sides changed the same value
    #[arg(long, value_enum, default_value_t)]
    pub on_conflict: Policy,
    /// Read the tables from the copy of the whole file that was made with the mark (SQLite), also those whose
    /// history reaches so far
    #[arg(long, conflicts_with_all = ["undo", "plan", "whole"])]
    pub from_file: bool,
    /// Put the copy of the whole file in the database's place (SQLite); the database is kept beside it.
    /// Nobody else may have it open
    #[arg(long, conflicts_with_all = ["undo", "plan", "out", "to_time", "keep_since", "where", "columns", "table", "on_conflict"])]
    pub whole: bool,
    /// How rows are written back (PostgreSQL)
    #[arg(long, value_enum, default_value_t)]
    pub strategy: Way,
    /// Do it
    #[arg(long, short)]
    pub yes: bool,
    /// Write the plan to a file, for --plan
    #[arg(long, value_name = "FILE", conflicts_with_all = ["yes", "plan"])]
    pub out: Option<PathBuf>,
    /// Do exactly what this plan says, or refuse when rows have changed since
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "to_time", "undo", "table", "where", "columns", "keep_since", "on_conflict"])]
    pub plan: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: StatusFormat,
    /// The database.
    #[command(flatten)]
    pub database: Database,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `snapshot prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Instead of history, give up what migrations kept and that is older than --older-than: they
    /// can then be taken back without these rows only
    #[arg(long, requires = "older_than", conflicts_with_all = ["before", "keep_size"])]
    pub kept: bool,
    /// Instead of history, remove copies of the whole file that are older than --older-than (SQLite)
    #[arg(long, requires = "older_than", conflicts_with_all = ["before", "keep_size", "kept"])]
    pub files: bool,
    /// Drop what lies before this mark
    #[arg(long, value_name = "MARK", required_unless_present_any = ["older_than", "keep_size"])]
    pub before: Option<String>,
    /// Drop what lies before the newest mark that is older than this: `30d`, `12h`
    #[arg(long, value_name = "AGE", conflicts_with = "before", value_parser = crate::moment::age)]
    pub older_than: Option<Duration>,
    /// Drop as much as needed so that the history of all tables is smaller than this: `20GB`
    #[arg(long, value_name = "SIZE", conflicts_with_all = ["before", "older_than"])]
    pub keep_size: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// The database.
    #[command(flatten)]
    pub database: Database,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}
