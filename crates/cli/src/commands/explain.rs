//! `downhaul explain`.

use downhaul_lint::{explain, suggest_rule};

use crate::args::ExplainArgs;
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Style, Ui, paint};

/// Prints the page of a rule; on a terminal its headings stand out.
pub fn run(args: &ExplainArgs, ui: &Ui) -> Result<Code, CliError> {
    let Some(page) = explain(&args.rule) else {
        let error = CliError::usage(format!("there is no rule `{}`", args.rule));
        return Err(match suggest_rule(&args.rule) {
            Some(near) => error.hint(format!("`downhaul explain {near}`, or `downhaul rules`")),
            None => error.hint("`downhaul rules` lists all"),
        });
    };
    let mut out = String::with_capacity(page.len());
    let mut in_code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        let styled = if !in_code && line.starts_with('#') {
            paint(Style::Bold, line)
        } else if in_code && !line.starts_with("```") {
            paint(Style::Accent, line)
        } else {
            line.to_owned()
        };
        out.push_str(&styled);
        out.push('\n');
    }
    ui.text(&out);
    Ok(Code::Clean)
}
