//! Arguments of what reads migrations without a database.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use downhaul_plan::LayoutId;
use downhaul_syntax::Dialect;
use schemars::JsonSchema;
use serde::Deserialize;

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

/// What a series is written in, and what it begins with.
#[derive(Clone, Debug, Args)]
pub struct Series {
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
    /// What the series is written in.
    #[command(flatten)]
    pub series: Series,
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
    /// What the series is written in.
    #[command(flatten)]
    pub series: Series,
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
