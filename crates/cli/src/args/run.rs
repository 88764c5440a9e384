//! Arguments of what looks at a database's migrations, applies them and takes them back.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use downhaul_engine::lock::MOST_BESIDE;
use downhaul_plan::Phase;
use downhaul_run::GateName;

use super::{HookArgs, PROOF, Place, StatusFormat, Waiting};

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
    /// Apply what comes before the first migration of a later phase; a migration that declares no
    /// phase is classified by what it does
    #[arg(long, value_enum, value_name = "PHASE", conflicts_with_all = ["to", "steps"])]
    pub phase: Option<PhaseName>,
    /// Apply exactly what this plan says, or refuse when files, journal or schema have changed since
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Apply a pending migration that is older than an applied one
    #[arg(long)]
    pub allow_out_of_order: bool,
    /// Keep nothing of what destructive statements destroy: what they destroy is gone for good
    #[arg(long)]
    pub unprotected: bool,
    /// How to keep what destructive statements destroy, where a migration does not say so itself
    /// (default: auto, or what downhaul.toml says)
    #[arg(long, value_enum, value_name = "HOW", conflicts_with = "unprotected")]
    pub protect: Option<Protect>,
    /// Sessions that fill a table at once in a backfill, each in a part of it (default: 1, or what
    /// downhaul.toml says; not SQLite)
    #[arg(long, value_name = "N", value_parser = sessions())]
    pub parallel: Option<u32>,
    /// Release of the application that these migrations belong to; with `--phase contract`, the one
    /// that is live
    #[arg(long, value_name = "NAME")]
    pub release: Option<String>,
    /// Statements that are sent now, for the gate `unused` of a contract: as `lint --queries`
    #[arg(long, value_name = "PATH")]
    pub queries: Vec<PathBuf>,
    /// Refuse what a certificate of `downhaul prove` does not prove
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = PROOF)]
    pub require_proof: Option<PathBuf>,
    /// Let a contract run though this gate is closed; may be repeated. The journal keeps the reason
    #[arg(long, value_name = "GATE", requires = "reason", value_parser = gate_parser())]
    pub override_gate: Vec<GateName>,
    /// Why a gate is overridden
    #[arg(long, value_name = "TEXT", requires = "override_gate")]
    pub reason: Option<String>,
    /// Hooks.
    #[command(flatten)]
    pub hooks: HookArgs,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

fn sessions() -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=i64::from(MOST_BESIDE))
}

fn gate_parser() -> impl TypedValueParser<Value = GateName> {
    PossibleValuesParser::new(GateName::ALL.map(GateName::as_str))
        .map(|name| GateName::parse(&name).expect("only names of gates are possible values"))
}

/// How what statements destroy is kept, as users type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protect {
    /// Small tables are copied, large ones that are dropped are set aside
    Auto,
    /// Everything is copied
    Copy,
    /// Tables that are dropped are set aside wherever that can be done, whatever their size
    Tombstone,
    /// Nothing is kept: what they destroy is gone for good
    Off,
}

/// Phases as users type them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PhaseName {
    /// Before the new release: both releases work afterwards
    Expand,
    /// Data moves
    Backfill,
    /// After the old release is gone
    Contract,
}

impl From<PhaseName> for Phase {
    fn from(name: PhaseName) -> Self {
        match name {
            PhaseName::Expand => Self::Expand,
            PhaseName::Backfill => Self::Backfill,
            PhaseName::Contract => Self::Contract,
        }
    }
}

/// `down`.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// Where migrations and database are.
    #[command(flatten)]
    pub place: Place,
    /// Take back all that is newer than this version
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["steps", "all", "to_release", "to_time"])]
    pub to: Option<String>,
    /// Take back all that is newer than what was applied when this release went out
    #[arg(long, value_name = "NAME", conflicts_with_all = ["steps", "all", "to_time"])]
    pub to_release: Option<String>,
    /// Take back all that was applied after this time: `2026-01-02T03:04:05Z`, `2026-01-02 03:04`
    /// (UTC, as `history` shows it) or `2026-01-02T05:04+02:00`
    #[arg(long, value_name = "TIME", conflicts_with_all = ["steps", "all"], value_parser = crate::moment::utc)]
    pub to_time: Option<String>,
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
    /// Statements that the release of --to-release sends, as for `lint --queries`: said first is which
    /// of them would fail; may be repeated
    #[arg(long, value_name = "PATH", requires = "to_release")]
    pub queries: Vec<PathBuf>,
    /// Output format; json needs --yes or --preview
    #[arg(long, value_enum, default_value_t)]
    pub format: StatusFormat,
    /// Use down files that were changed after their migration was applied
    #[arg(long)]
    pub use_edited_down: bool,
    /// Where a down file is missing or holds no statement, run the exact inverse of the up, as `generate-down`
    /// writes it; with versions (`=0007,0009`) also in the place of their files. --preview shows it
    #[arg(long, value_name = "VERSION", num_args = 0.., require_equals = true, value_delimiter = ',')]
    pub use_generated_down: Option<Vec<String>>,
    /// How to keep what destructive statements destroy, where a migration does not say so itself
    /// (default: auto, or what downhaul.toml says)
    #[arg(long, value_enum, value_name = "HOW")]
    pub protect: Option<Protect>,
    /// Sessions that fill a table at once in a backfill, each in a part of it (default: 1, or what
    /// downhaul.toml says; not SQLite)
    #[arg(long, value_name = "N", value_parser = sessions())]
    pub parallel: Option<u32>,
    /// Hooks.
    #[command(flatten)]
    pub hooks: HookArgs,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `revert`.
#[derive(Debug, Args)]
pub struct RevertArgs {
    /// Where migrations and database are.
    #[command(flatten)]
    pub place: Place,
    /// The release, as it was named with `up --release`
    #[arg(long, value_name = "NAME")]
    pub to_release: String,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Say whether the release can live with the result, show what would be done, and stop
    #[arg(long)]
    pub preview: bool,
    /// Statements that the release sends, as for `lint --queries`: said first is which of them would
    /// fail; may be repeated
    #[arg(long, value_name = "PATH")]
    pub queries: Vec<PathBuf>,
    /// Output format; json needs --yes or --preview
    #[arg(long, value_enum, default_value_t)]
    pub format: StatusFormat,
    /// Use down files that were changed after their migration was applied
    #[arg(long)]
    pub use_edited_down: bool,
    /// Where a down file is missing or holds no statement, run the exact inverse of the up, as `generate-down`
    /// writes it; with versions (`=0007,0009`) also in the place of their files. --preview shows it
    #[arg(long, value_name = "VERSION", num_args = 0.., require_equals = true, value_delimiter = ',')]
    pub use_generated_down: Option<Vec<String>>,
    /// Hooks.
    #[command(flatten)]
    pub hooks: HookArgs,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Where migrations and database are.
    #[command(flatten)]
    pub place: Place,
    /// Up to and with this version
    #[arg(long, value_name = "VERSION", conflicts_with = "steps")]
    pub to: Option<String>,
    /// So many migrations
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// With a pending migration that is older than an applied one
    #[arg(long)]
    pub allow_out_of_order: bool,
    /// How to keep what destructive statements destroy, where a migration does not say so itself
    /// (default: auto, or what downhaul.toml says)
    #[arg(long, value_enum, value_name = "HOW")]
    pub protect: Option<Protect>,
    /// Write the plan to a file, for `up --plan`; with `--format html`, the page
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: PlanFormat,
}

/// Formats of `plan`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people.
    #[default]
    Pretty,
    /// For programs, and for `up --plan`.
    Json,
    /// One page for a review: nothing else is needed to show or print it.
    Html,
}

/// `redo`.
#[derive(Debug, Args)]
pub struct RedoArgs {
    /// Where migrations and database are.
    #[command(flatten)]
    pub place: Place,
    /// Hooks.
    #[command(flatten)]
    pub hooks: HookArgs,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Database: `postgres://user@host/db` or `sqlite:file.db`
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Show so many runs, the newest
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: StatusFormat,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Where migrations and database are.
    #[command(flatten)]
    pub place: Place,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: StatusFormat,
}

/// `baseline`.
#[derive(Debug, Args)]
pub struct BaselineArgs {
    /// The newest version that the database already has
    #[arg(value_name = "VERSION")]
    pub newest: String,
    /// Where migrations and database are.
    #[command(flatten)]
    pub place: Place,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `repair`.
#[derive(Debug, Args)]
pub struct RepairArgs {
    /// Take the present files of this version for what was applied; may be given several times
    #[arg(long, value_name = "VERSION")]
    pub accept: Vec<String>,
    /// Take the present schema for what it should be
    #[arg(long)]
    pub accept_drift: bool,
    /// Where migrations and database are.
    #[command(flatten)]
    pub place: Place,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SchemaCommand,
}

/// Commands of `schema`.
#[derive(Debug, Subcommand)]
pub enum SchemaCommand {
    /// Print it as statements
    Dump {
        /// Database: `postgres://user@host/db` or `sqlite:file.db`
        #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
        database_url: Option<String>,
    },
}
