//! The list of rules, for people and for programs.

use downhaul_lint::{Hazard, Rule};
use serde::Serialize;

use crate::json::to_text;

#[derive(Serialize)]
struct RulesOut {
    version: u32,
    rules: Vec<RuleOut>,
}

#[derive(Serialize)]
struct RuleOut {
    code: &'static str,
    name: &'static str,
    hazard: &'static str,
    severity: downhaul_lint::Severity,
    default_on: bool,
    dialects: Vec<&'static str>,
    since: &'static str,
    summary: String,
    docs: String,
}

/// Rules as JSON.
#[must_use]
pub fn json(rules: &[&Rule]) -> String {
    let rules = rules
        .iter()
        .map(|rule| RuleOut {
            code: rule.code,
            name: rule.name,
            hazard: rule.hazard().folder(),
            severity: rule.severity,
            default_on: rule.default_on,
            dialects: rule.dialects.iter().map(|d| d.as_str()).collect(),
            since: rule.since,
            summary: rule.summary(),
            docs: rule.docs_path(),
        })
        .collect();
    to_text(&RulesOut { version: 1, rules })
}

/// Rules by hazard, one a line. `width`: of the terminal.
#[must_use]
pub fn pretty(rules: &[&Rule], color: bool, width: usize) -> String {
    let paint = |code: &str, text: &str| {
        if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    };
    let widest = rules.iter().map(|r| r.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for hazard in Hazard::ALL {
        let of_hazard: Vec<_> = rules.iter().filter(|r| r.hazard() == hazard).collect();
        if of_hazard.is_empty() {
            continue;
        }
        let title = format!("{} ({})", hazard.title(), hazard.prefix());
        out.push_str(&format!("{}\n", paint("1", &title)));
        for rule in of_hazard {
            let severity = if rule.default_on { rule.severity.as_str() } else { "off" };
            let code = match severity {
                "error" => "31",
                "warning" => "33",
                _ => "2",
            };
            let head = format!("  {}  {:<widest$}  ", rule.code, rule.name);
            let room = width.saturating_sub(head.chars().count() + 9).max(20);
            out.push_str(&format!(
                "{head}{}  {}\n",
                paint(code, &format!("{severity:<7}")),
                cut(brief(&rule.summary()), room)
            ));
        }
        out.push('\n');
    }
    let off = rules.iter().filter(|r| !r.default_on).count();
    out.push_str(&format!(
        "{} rules, {off} of them off unless switched on in downhaul.toml. \
         `downhaul explain CODE` tells all about one.\n",
        rules.len()
    ));
    out
}

/// Every summary begins alike: what follows tells rules apart.
fn brief(summary: &str) -> &str {
    summary.strip_prefix("Reports ").unwrap_or(summary)
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(room - 1).collect();
    short.push('…');
    short
}
