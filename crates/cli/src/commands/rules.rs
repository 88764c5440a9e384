//! `downhaul rules`.

use downhaul_lint::{all_rules, rule_index_page};
use downhaul_report::rules;

use crate::args::{RulesArgs, RulesFormat};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::Ui;

/// Lists the rules.
pub fn run(args: &RulesArgs, ui: &Ui) -> Result<Code, CliError> {
    ui.text(&match args.format {
        RulesFormat::Pretty => rules::pretty(all_rules(), ui.colors(), ui.width()),
        RulesFormat::Json => rules::json(all_rules()),
        RulesFormat::Markdown => rule_index_page(),
    });
    Ok(Code::Clean)
}
