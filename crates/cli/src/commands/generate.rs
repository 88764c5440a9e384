//! `downhaul generate`: what is generated, for the repository and for packages.

use std::path::Path;

use clap::CommandFactory;

use crate::args::{Cli, GenerateArgs, Generated};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::generated::{man_pages, pages};
use crate::ui::Ui;

/// Writes what is asked for.
pub fn run(args: &GenerateArgs, ui: &Ui) -> Result<Code, CliError> {
    match &args.what {
        Generated::Docs { out } => {
            let rules = out.join("docs/rules");
            if rules.is_dir() {
                remove_stale(&rules)?;
            }
            for (path, text) in pages() {
                write(&out.join(&path), text.as_bytes())?;
                ui.line(path);
            }
        }
        Generated::Man { out } => {
            for (name, page) in man_pages()? {
                write(&out.join(&name), &page)?;
                ui.line(name);
            }
        }
        Generated::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "downhaul", &mut text);
            ui.text(&String::from_utf8_lossy(&text));
        }
    }
    Ok(Code::Clean)
}

/// Pages of rules that are no more.
fn remove_stale(dir: &Path) -> Result<(), CliError> {
    let failed = |error| CliError::usage(format!("cannot tidy `{}`: {error}", dir.display()));
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|e| e == "md") {
            std::fs::remove_file(&path).map_err(failed)?;
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    path.parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(path, bytes))
        .map_err(|error| CliError::usage(format!("cannot write `{}`: {error}", path.display())))
}
