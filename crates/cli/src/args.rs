//! Arguments, and nothing else.

mod analysis;
mod phases;
mod run;
mod setting_up;
pub mod snapshot;

pub use analysis::*;
pub use phases::*;
pub use run::*;
pub use setting_up::*;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Every schema change can be taken back, proven before it ships and lossless afterwards.
#[derive(Debug, Parser)]
#[command(name = "downhaul", version, about, propagate_version = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// When to colour the output
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Configuration file (default: `downhaul.toml`, here or in a folder above)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to write on standard error about what goes on: `json` is one object a line
    /// (docs/json-format.md)
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log: LogFormat,
}

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people: lines, and bars on a terminal.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Where migrations and database are.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// Folder of the migrations (default: the configuration's, else `migrations`)
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Database: `postgres://user@host/db` or `sqlite:file.db`. Prefer the environment variable:
    /// arguments are visible to every user of the machine
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Value of a placeholder `${NAME}` in migration files; may be repeated. Beats DOWNHAUL_VAR_NAME
    /// and [variables] of the configuration. Give secrets by the environment
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
}

/// Hooks.
#[derive(Clone, Debug, Args)]
pub struct HookArgs {
    /// Run none of the configuration's hooks
    #[arg(long)]
    pub no_hooks: bool,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a migrations folder and a configuration file
    Init(InitArgs),
    /// Make the files of a new migration
    New(NewArgs),
    /// Show what is applied, pending, edited and held
    Status(StatusArgs),
    /// Apply pending migrations
    Up(UpArgs),
    /// Take migrations back, with the data that they destroyed
    Down(DownArgs),
    /// Go back to what a release of the application ran on: schema and data, new rows kept
    Revert(RevertArgs),
    /// Show what `up` would do: statements, locks, what breaks, what is lost and kept
    Plan(PlanArgs),
    /// Take the last migration back and apply it again
    Redo(RedoArgs),
    /// Keep the history of tables, mark moments, and bring data back to them
    Snapshot(snapshot::SnapshotArgs),
    /// Show what was run, by whom, and how it ended
    History(HistoryArgs),
    /// Compare files, journal, schema and kept data
    Verify(VerifyArgs),
    /// Record migrations as applied without running them
    Baseline(BaselineArgs),
    /// Accept an edited file or a changed schema after looking at it
    Repair(RepairArgs),
    /// Look at the schema of a database
    Schema(SchemaArgs),
    /// See the whole tool at work on a database of its own
    Demo(DemoArgs),
    /// Judge migrations before they run
    Lint(Box<LintArgs>),
    /// List the rules of `lint`
    Rules(RulesArgs),
    /// Explain a rule: what it finds, why it matters, the safe way
    Explain(ExplainArgs),
    /// Write the exact inverse of an up file
    GenerateDown(GenerateDownArgs),
    /// Rewrite a migration into phases that ship around a release: expand, backfill, contract
    Expand(ExpandArgs),
    /// Look at backfills that are under way, pause them, let them go on, slow them down
    Backfill(BackfillArgs),
    /// Show what has to hold before pending contracts may run, and what was measured of it
    Gates(GatesArgs),
    /// Write the migrations up to a version as one pair; databases that have applied them are known
    Squash(SquashArgs),
    /// Rehearse pending migrations on a database of its own: up, down, up, with rows and queries
    Prove(ProveArgs),
    /// Print the JSON Schema of `downhaul.toml`
    ConfigSchema,
    /// Write what is generated: documentation, man pages, shell completions
    #[command(hide = true)]
    Generate(GenerateArgs),
}

/// Formats of `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    /// For people.
    #[default]
    Pretty,
    /// For programs.
    Json,
}

/// How to wait.
#[derive(Clone, Debug, Args)]
pub struct Waiting {
    /// Longest wait of one statement for one lock, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    pub lock_timeout: u64,
    /// How long to try again while a lock is not to be had, in seconds
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub lock_retry: u64,
    /// Longest run of one statement, in milliseconds (default: no limit)
    #[arg(long, value_name = "MS")]
    pub statement_timeout: Option<u64>,
    /// End sessions that are in the way and have done nothing in an open transaction for so long
    /// (default: 60s). Never another run, the server's own or an administrator's
    #[arg(long, value_name = "AGE", num_args = 0..=1, require_equals = true, default_missing_value = "60s", value_parser = crate::moment::span)]
    pub kill_blockers: Option<Duration>,
    /// How long to wait for another run to end, in seconds
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub wait: u64,
}
