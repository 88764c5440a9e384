//! Files of the repository that are made from the program itself, so that they cannot lie.

use clap::CommandFactory;
use downhaul_lint::rule_pages;

use crate::args::Cli;
use crate::config::Config;
use crate::error::CliError;

/// Every generated page: path below the repository's root, and text.
#[must_use]
pub fn pages() -> Vec<(String, String)> {
    let mut pages = rule_pages();
    pages.push(("docs/config.schema.json".into(), Config::schema()));
    pages.push(("docs/cli.md".into(), reference()));
    pages
}

/// Man pages: file name and text.
pub fn man_pages() -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let mut command = Cli::command();
    command.build();
    let mut pages = Vec::new();
    for (name, command) in commands(&command) {
        let mut text = Vec::new();
        clap_mangen::Man::new(command.clone())
            .render(&mut text)
            .map_err(|error| CliError::internal(format!("cannot write a man page: {error}")))?;
        pages.push((format!("{name}.1"), text));
    }
    Ok(pages)
}

/// The command and those below it that people see, with their full names.
fn commands(root: &clap::Command) -> Vec<(String, &clap::Command)> {
    let name = root.get_name().to_owned();
    let mut all = vec![(name.clone(), root)];
    for command in root.get_subcommands() {
        if !command.is_hide_set() && command.get_name() != "help" {
            all.push((format!("{name}-{}", command.get_name()), command));
        }
    }
    all
}

/// `docs/cli.md`.
fn reference() -> String {
    let mut root = Cli::command().term_width(96);
    root.build();
    let mut out = String::from(
        "# Command line\n\nGenerated from the program by `downhaul generate docs`. \
         Exit codes: [exit-codes.md](exit-codes.md).\n",
    );
    for (name, command) in commands(&root) {
        let help = command.clone().render_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        out.push_str(&format!(
            "\n## {}\n\n```text\n{}\n```\n",
            name.replace('-', " ").replace("config schema", "config-schema"),
            help.join("\n").trim_end()
        ));
    }
    out
}
