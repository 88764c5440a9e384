//! The command line of Downhaul.
//!
//! The only crate that prints, exits, and reads the environment and the configuration. One file a
//! command in [`commands`]; arguments apart from execution in [`args`]; every error becomes a
//! message with a next step and an exit code in [`error`].

pub mod args;
pub mod commands;
pub mod config;
pub mod error;
pub mod exit_code;
pub mod generated;
pub mod hooks;
pub mod lint;
pub mod moment;
pub mod progress;
pub mod ui;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::error::CliError;

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let ui = ui::Ui::new(cli.global.color, cli.global.log);
    let result = run(&cli, &ui);
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            ui.error(&error);
            error.code.into()
        }
    }
}

fn run(cli: &Cli, ui: &ui::Ui) -> Result<exit_code::Code, CliError> {
    match &cli.command {
        Command::Init(args) => commands::init::run(&cli.global, args, ui),
        Command::New(args) => commands::new::run(&cli.global, args, ui),
        Command::Status(args) => block_on(commands::status::run(&cli.global, args, ui)),
        Command::Up(args) => block_on(commands::up::run(&cli.global, args, ui)),
        Command::Down(args) => block_on(commands::down::run(&cli.global, args, ui)),
        Command::Revert(args) => block_on(commands::revert::run(&cli.global, args, ui)),
        Command::Plan(args) => block_on(commands::plan::run(&cli.global, args, ui)),
        Command::Redo(args) => block_on(commands::redo::run(&cli.global, args, ui)),
        Command::Snapshot(args) => block_on(commands::snapshot::run(args, ui)),
        Command::History(args) => block_on(commands::history::run(&cli.global, args, ui)),
        Command::Verify(args) => block_on(commands::verify::run(&cli.global, args, ui)),
        Command::Baseline(args) => block_on(commands::baseline::run(&cli.global, args, ui)),
        Command::Repair(args) => block_on(commands::repair::run(&cli.global, args, ui)),
        Command::Schema(args) => block_on(commands::schema::run(args, ui)),
        Command::Demo(args) => block_on(commands::demo::run(args, ui)),
        Command::Lint(args) => commands::lint::run(&cli.global, args, ui),
        Command::Rules(args) => commands::rules::run(args, ui),
        Command::Explain(args) => commands::explain::run(args, ui),
        Command::GenerateDown(args) => commands::generate_down::run(&cli.global, args, ui),
        Command::Expand(args) => commands::expand::run(&cli.global, args, ui),
        Command::Backfill(args) => block_on(commands::backfill::run(args, ui)),
        Command::Gates(args) => block_on(commands::gates::run(&cli.global, args, ui)),
        Command::Squash(args) => commands::squash::run(&cli.global, args, ui),
        Command::Prove(args) => block_on(commands::prove::run(&cli.global, args, ui)),
        Command::ConfigSchema => commands::config_schema::run(ui),
        Command::Generate(args) => commands::generate::run(args, ui),
    }
}

/// Commands that talk to a database run on one thread: there is one connection to wait for.
pub(crate) fn block_on<T>(
    future: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::internal(format!("cannot start the runtime: {error}")))?
        .block_on(future)
}
