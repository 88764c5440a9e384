//! Arguments, and nothing else.

use std::path::PathBuf;

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
    /// See the whole tool at work on a database of its own
    Demo(DemoArgs),
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Folder of the migrations
    #[arg(long, value_name = "DIR", default_value = "migrations")]
    pub dir: PathBuf,
}

/// `new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// What the migration does: `add customer phone`
    #[arg(required = true)]
    pub name: Vec<String>,
    /// Folder of the migrations
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Where migrations and database are.
    #[command(flatten)]
    pub place: Place,
    /// Exit with 1 if migrations are pending
    #[arg(long)]
    pub exit_code: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: StatusFormat,
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
    /// How long to wait for another run to end, in seconds
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub wait: u64,
}

/// `up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Where migrations and database are.
    #[command(flatten)]
    pub place: Place,
    /// Apply up to and with this version
    #[arg(long, value_name = "VERSION", conflicts_with = "steps")]
    pub to: Option<String>,
    /// Apply so many migrations
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Apply a pending migration that is older than an applied one
    #[arg(long)]
    pub allow_out_of_order: bool,
    /// Keep nothing of what destructive statements destroy: what they destroy is gone for good
    #[arg(long)]
    pub unprotected: bool,
    /// Release of the application that these migrations belong to
    #[arg(long, value_name = "NAME")]
    pub release: Option<String>,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `down`.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// Where migrations and database are.
    #[command(flatten)]
    pub place: Place,
    /// Take back all that is newer than this version
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["steps", "all"])]
    pub to: Option<String>,
    /// Take back so many migrations
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub steps: usize,
    /// Take back everything
    #[arg(long, conflicts_with = "steps")]
    pub all: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Show what would be done, and stop
    #[arg(long)]
    pub preview: bool,
    /// Use down files that were changed after their migration was applied
    #[arg(long)]
    pub use_edited_down: bool,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Run on this server instead of a SQLite file: a schema of its own is made and removed
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// Keep the SQLite file and the migrations in this folder
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}
