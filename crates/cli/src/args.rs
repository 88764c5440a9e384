//! Arguments, and nothing else.

pub mod snapshot;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use downhaul_plan::{LayoutId, Phase};
use downhaul_run::GateName;
use downhaul_syntax::Dialect;
use schemars::JsonSchema;
use serde::Deserialize;

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
    /// End sessions that are in the way and have done nothing in an open transaction for so long
    /// (default: 60s). Never another run, the server's own or an administrator's
    #[arg(long, value_name = "AGE", num_args = 0..=1, require_equals = true, default_missing_value = "60s", value_parser = crate::moment::span)]
    pub kill_blockers: Option<Duration>,
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
    /// Use down files that were changed after their migration was applied
    #[arg(long)]
    pub use_edited_down: bool,
    /// How to keep what destructive statements destroy, where a migration does not say so itself
    /// (default: auto, or what downhaul.toml says)
    #[arg(long, value_enum, value_name = "HOW")]
    pub protect: Option<Protect>,
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
    /// Use down files that were changed after their migration was applied
    #[arg(long)]
    pub use_edited_down: bool,
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

/// Formats of `lint`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    /// For people.
    #[default]
    Pretty,
    /// For programs, versioned: docs/json-format.md.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
    /// GitLab's Code Quality report.
    Gitlab,
    /// JUnit XML.
    Junit,
}

/// What makes `lint` exit with 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailOn {
    /// Errors.
    #[default]
    Error,
    /// Errors and warnings.
    Warning,
    /// Any finding.
    Info,
    /// Nothing.
    Never,
}

/// Dialects as users type them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum DialectName {
    Postgres,
    Mysql,
    Mariadb,
    Sqlite,
}

impl From<DialectName> for Dialect {
    fn from(name: DialectName) -> Self {
        match name {
            DialectName::Postgres => Self::Postgres,
            DialectName::Mysql => Self::Mysql,
            DialectName::Mariadb => Self::MariaDb,
            DialectName::Sqlite => Self::Sqlite,
        }
    }
}

fn layout_parser() -> impl TypedValueParser<Value = LayoutId> {
    PossibleValuesParser::new(LayoutId::ALL.map(LayoutId::as_str))
        .map(|name| name.parse().expect("only names of layouts are possible values"))
}

/// `lint`.
#[derive(Clone, Debug, Args)]
pub struct LintArgs {
    /// Files, folders, or `-` for standard input (default: the folder of the migrations). A file
    /// that belongs to a series is judged against the schema that the files before it leave
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Folder of the migrations; with `-` it is the history that standard input follows
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Dialect (default: a `-- downhaul:dialect` line, the configuration, DATABASE_URL, else what
    /// the SQL itself shows)
    #[arg(long, value_enum, value_name = "DIALECT")]
    pub dialect: Option<DialectName>,
    /// Version of the server, such as 15 or 8.0.29
    #[arg(long, value_name = "VERSION")]
    pub server_version: Option<String>,
    /// Layout of the folder (default: found out)
    #[arg(long, value_name = "LAYOUT", value_parser = layout_parser())]
    pub layout: Option<LayoutId>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: LintFormat,
    /// Write the report to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Exit with 1 if there are findings of this severity or worse
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<FailOn>,
    /// Report only files that git calls new or edited; the others are replayed
    #[arg(long)]
    pub changed: bool,
    /// Compare with this commit or branch (default: where this branch left the main one)
    #[arg(long, value_name = "REF", requires = "changed")]
    pub since: Option<String>,
    /// Leave out the findings that this file holds
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Write all findings to the baseline file, and exit with 0
    #[arg(long)]
    pub write_baseline: bool,
    /// Do not report a rule (code, name, family such as LK, or `all`); may be repeated
    #[arg(long, value_name = "RULE")]
    pub allow: Vec<String>,
    /// Report a rule as a warning; may be repeated
    #[arg(long, value_name = "RULE")]
    pub warn: Vec<String>,
    /// Report a rule as an error; may be repeated
    #[arg(long, value_name = "RULE")]
    pub deny: Vec<String>,
    /// Judge against the live schema of this database, with the sizes of its tables: only what its
    /// journal does not know is judged. Nothing is changed in it
    #[arg(long, value_name = "URL", conflicts_with = "schema")]
    pub database_url: Option<String>,
    /// Schema that is there before the first migration: the output of `pg_dump --schema-only`,
    /// `mysqldump --no-data` or `.schema`
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// Statements that the running release sends: a folder or file of SQL, sqlx's `.sqlx`, a CSV or
    /// JSON export of `pg_stat_statements`, or `live` for what the server of --database-url has
    /// counted; may be repeated
    #[arg(long, value_name = "PATH")]
    pub queries: Vec<PathBuf>,
    /// All judged migrations go out as one deployment: what one makes is new to the others
    #[arg(long)]
    pub one_deployment: bool,
    /// Name of standard input in the report
    #[arg(long, value_name = "NAME", default_value = "<stdin>")]
    pub stdin_name: String,
    /// Value of a placeholder `${NAME}` in migration files; may be repeated. Beats DOWNHAUL_VAR_NAME
    /// and [variables] of the configuration
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
}

/// `generate-down`.
#[derive(Debug, Args)]
pub struct GenerateDownArgs {
    /// The up file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write the down file beside the up file, instead of to standard output
    #[arg(long)]
    pub write: bool,
    /// Write it although there is a down file
    #[arg(long, requires = "write")]
    pub force: bool,
    /// Folder of the migrations (default: where the file belongs to)
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Dialect (default: found out as `lint` does)
    #[arg(long, value_enum, value_name = "DIALECT")]
    pub dialect: Option<DialectName>,
    /// Layout of the folder (default: found out)
    #[arg(long, value_name = "LAYOUT", value_parser = layout_parser())]
    pub layout: Option<LayoutId>,
    /// Schema that is there before the first migration
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
}

/// `expand`.
#[derive(Debug, Args)]
pub struct ExpandArgs {
    /// The up file: one of the series, which its phases then replace, or a draft
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write the phases to this folder, and leave the file alone
    #[arg(long, value_name = "DIR", conflicts_with = "dry_run")]
    pub out: Option<PathBuf>,
    /// Print the phases, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Folder of the migrations (default: where the file belongs to, else the configuration's)
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Dialect (default: found out as `lint` does)
    #[arg(long, value_enum, value_name = "DIALECT")]
    pub dialect: Option<DialectName>,
    /// Layout of the folder (default: found out)
    #[arg(long, value_name = "LAYOUT", value_parser = layout_parser())]
    pub layout: Option<LayoutId>,
    /// Schema that is there before the first migration
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
}

/// `backfill`.
#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: BackfillCommand,
}

/// Which backfills, and where.
#[derive(Clone, Debug, Args)]
pub struct BackfillPlace {
    /// Database: `postgres://user@host/db`, `mysql://…` or `sqlite:file.db`
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Only the backfill of this migration
    #[arg(long = "of", value_name = "VERSION")]
    pub of: Option<String>,
}

/// Commands of `backfill`.
#[derive(Debug, Subcommand)]
pub enum BackfillCommand {
    /// Rows done and left, rate, time left, why it waits
    Status {
        /// Where.
        #[command(flatten)]
        place: BackfillPlace,
        /// Finished ones too
        #[arg(long)]
        all: bool,
        /// Output format
        #[arg(long, value_enum, default_value_t)]
        format: StatusFormat,
    },
    /// Rest behind the present batch
    Pause {
        /// Where.
        #[command(flatten)]
        place: BackfillPlace,
    },
    /// Go on
    Resume {
        /// Where.
        #[command(flatten)]
        place: BackfillPlace,
    },
    /// Work only so many percent of the time
    Speed {
        /// Percent
        #[arg(value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
        percent: u8,
        /// Where.
        #[command(flatten)]
        place: BackfillPlace,
    },
}

/// Where a certificate lies unless another place is named.
pub const PROOF: &str = "downhaul-proof.json";

/// `prove`.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// Where migrations and database are: on a server, a database is made beside the given one and
    /// dropped afterwards; of SQLite a temporary file. The given one is only read
    #[command(flatten)]
    pub place: Place,
    /// Rows to make in each table
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub rows: u64,
    /// SQL that fills the tables, run before the first migration that is proven
    #[arg(long, value_name = "FILE")]
    pub fill: Option<PathBuf>,
    /// Queries of the release that runs, as for `lint --queries`; may be repeated
    #[arg(long, value_name = "PATH")]
    pub old_queries: Vec<PathBuf>,
    /// Queries of the next release; may be repeated
    #[arg(long, value_name = "PATH")]
    pub new_queries: Vec<PathBuf>,
    /// Write the certificate to this file
    #[arg(long, value_name = "FILE", default_value = PROOF)]
    pub out: PathBuf,
    /// Leave the database of the rehearsal where it is, and name it
    #[arg(long)]
    pub keep: bool,
    /// How to wait.
    #[command(flatten)]
    pub waiting: Waiting,
}

/// `gates`.
#[derive(Debug, Args)]
pub struct GatesArgs {
    /// Where migrations and database are.
    #[command(flatten)]
    pub place: Place,
    /// Record that this release is live, and no process of the one before it is left
    #[arg(long, value_name = "RELEASE")]
    pub live: Option<String>,
    /// Statements that are sent now, as for `lint --queries`; may be repeated
    #[arg(long, value_name = "PATH")]
    pub queries: Vec<PathBuf>,
    /// Exit with 1 if a gate is closed
    #[arg(long)]
    pub exit_code: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: StatusFormat,
}

/// `squash`.
#[derive(Debug, Args)]
pub struct SquashArgs {
    /// The newest version that becomes part of it, and the version that it gets
    #[arg(value_name = "VERSION")]
    pub newest: String,
    /// Name of the new migration
    #[arg(long, value_name = "NAME", default_value = "squashed")]
    pub name: String,
    /// Print the pair, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write the pair to this folder, and leave the migrations alone
    #[arg(long, value_name = "DIR", conflicts_with = "dry_run")]
    pub out: Option<PathBuf>,
    /// Folder of the migrations (default: the configuration's, else `migrations`)
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Dialect (default: found out as `lint` does)
    #[arg(long, value_enum, value_name = "DIALECT")]
    pub dialect: Option<DialectName>,
    /// Layout of the folder (default: found out)
    #[arg(long, value_name = "LAYOUT", value_parser = layout_parser())]
    pub layout: Option<LayoutId>,
    /// Schema that is there before the first migration
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
}

/// Formats of `rules`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RulesFormat {
    /// For people.
    #[default]
    Pretty,
    /// For programs.
    Json,
    /// For the documentation.
    Markdown,
}

/// `rules`.
#[derive(Debug, Args)]
pub struct RulesArgs {
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    pub format: RulesFormat,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Code or name of the rule: LK01, index-not-concurrent
    pub rule: String,
}

/// `generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// What
    #[command(subcommand)]
    pub what: Generated,
}

/// What `generate` makes.
#[derive(Debug, Subcommand)]
pub enum Generated {
    /// The generated pages of docs/, below the repository's root
    Docs {
        /// The repository's root
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
    /// Man pages
    Man {
        /// Folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Completions of a shell, to standard output
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}
