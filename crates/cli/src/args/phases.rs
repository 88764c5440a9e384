//! Arguments of what carries a change through its phases: expand, backfill, gates, proofs.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

use super::{Place, Series, StatusFormat, Waiting};

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
    /// Note who still writes what goes, from expand to contract: the gate `watch` asks
    #[arg(long)]
    pub watch: bool,
    /// What the series is written in.
    #[command(flatten)]
    pub series: Series,
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
    /// Work so many percent of the time; `auto` goes at full speed only while nobody else is at work
    Speed {
        /// 1 to 100, or `auto`, which is how a backfill begins
        #[arg(value_name = "PERCENT")]
        percent: Percent,
        /// Where.
        #[command(flatten)]
        place: BackfillPlace,
    },
}

/// Percent of the time at work, or `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub Option<u8>);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            _ if text == "auto" => Ok(Self(None)),
            Ok(percent @ 1..=100) => Ok(Self(Some(percent))),
            _ => Err("a number from 1 to 100, or auto".into()),
        }
    }
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
