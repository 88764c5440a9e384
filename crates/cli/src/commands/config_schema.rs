//! `downhaul config-schema`.

use crate::config::Config;
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::Ui;

/// Prints the JSON Schema of `downhaul.toml`.
pub fn run(ui: &Ui) -> Result<Code, CliError> {
    ui.text(&Config::schema());
    Ok(Code::Clean)
}
