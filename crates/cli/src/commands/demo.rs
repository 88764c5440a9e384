//! `downhaul demo`.

use crate::args::DemoArgs;
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::Ui;

/// Shows the whole tool at work.
pub async fn run(_args: &DemoArgs, _ui: &Ui) -> Result<Code, CliError> {
    Err(CliError::internal("not yet"))
}
