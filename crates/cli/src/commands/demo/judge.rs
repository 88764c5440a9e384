//! What lint says of the demo's last migration, in short.

use downhaul_lint::{LintOptions, MigrationInput, Severity, SourceText, lint_series};
use downhaul_syntax::Dialect;

use super::files::Files;
use crate::ui::{Style, Ui, count, paint};

/// Findings shown; the rest are counted.
const SHOWN: usize = 8;

/// Judges the last migration against the schema that those before it build.
pub(super) fn show(files: &Files, dialect: Dialect, ui: &Ui) {
    let last = files.migrations.len() - 1;
    let series: Vec<MigrationInput> = files
        .migrations
        .iter()
        .enumerate()
        .map(|(number, (name, up, down))| {
            let (version, title) = name.split_once('_').unwrap_or((name, name));
            MigrationInput {
                path: format!("{name}.up.sql"),
                version: version.to_owned(),
                name: title.to_owned(),
                up: Some(SourceText::new(format!("{name}.up.sql"), *up)),
                down: Some(SourceText::new(format!("{name}.down.sql"), *down)),
                judged: number == last,
                ..MigrationInput::default()
            }
        })
        .collect();
    let report = lint_series(&series, &LintOptions::new(dialect));
    let mut findings: Vec<_> = report.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in findings.iter().take(SHOWN) {
        let (style, word) = match finding.severity {
            Severity::Error => (Style::Bad, "error  "),
            Severity::Warning => (Style::Warn, "warning"),
            Severity::Info => (Style::Dim, "info   "),
        };
        let direction = if finding.file.ends_with(".down.sql") { "down" } else { "up" };
        ui.line(format!(
            "    {} {} {:<22} {}",
            paint(style, word),
            finding.code,
            finding.name,
            paint(Style::Dim, format!("{direction} line {}", finding.start.line)),
        ));
        ui.line(format!("        {}", finding.message));
    }
    if findings.len() > SHOWN {
        ui.line(format!("    and {} more", findings.len() - SHOWN));
    }
    ui.line(format!(
        "    {}",
        paint(
            Style::Bold,
            format!(
                "{}, {}",
                count(report.summary.errors as u64, "error"),
                count(report.summary.warnings as u64, "warning")
            )
        )
    ));
}
