//! Arguments of what makes files to begin with.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
