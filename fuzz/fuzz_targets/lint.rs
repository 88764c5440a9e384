//! Any series of migrations, in any dialect and version: no panic, no hang, findings that point
//! into their files, reports that can be read.
//!
//! The first byte chooses the dialect and the options. In the rest, `\x1e` begins the next
//! migration and `\x1f` its down.

#![no_main]

use std::collections::BTreeMap;

use downhaul_catalog::{Catalog, Origin, inverse_script};
use downhaul_lint::{LintOptions, LintReport, MigrationInput, SourceText, lint_series};
use downhaul_report::{Document, Format, Look, render};
use downhaul_syntax::{Dialect, Span, parse_script};
use libfuzzer_sys::fuzz_target;

/// Oldest, common and newest of each dialect.
const VERSIONS: [[&str; 3]; 4] = [
    ["12", "15.3", "18.0"],
    ["8.0.12", "8.0.36", "9.1.0"],
    ["10.6.0", "10.11.6", "12.0.0"],
    ["3.24.0", "3.40.0", "3.50.0"],
];

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let at = usize::from(first & 3);
    let dialect = Dialect::ALL[at];
    let mut options = LintOptions::new(dialect);
    options.server_version = match (first >> 2) & 3 {
        0 => None,
        n => Some(VERSIONS[at][usize::from(n) - 1].parse().expect("a version")),
    };
    options.one_deployment = first & 0x10 != 0;
    options.restore_points = first & 0x20 != 0;
    // The first of several migrations is history.
    let history = first & 0x40 != 0;
    let text = String::from_utf8_lossy(rest);
    let mut files = BTreeMap::new();
    let mut series: Vec<MigrationInput> = Vec::new();
    for (n, part) in text.split('\u{1e}').enumerate() {
        let (up, down) = match part.split_once('\u{1f}') {
            Some((up, down)) => (up, Some(down)),
            None => (part, None),
        };
        let mut source = |direction: &str, text: &str| {
            let path = format!("{n:04}.{direction}.sql");
            files.insert(path.clone(), text.to_owned());
            SourceText::new(path, text)
        };
        series.push(MigrationInput {
            version: format!("{n:04}"),
            up: Some(source("up", up)),
            down: down.map(|down| source("down", down)),
            judged: !(history && n == 0),
            ..MigrationInput::default()
        });
    }
    let report = lint_series(&series, &options);
    check(&report, &files);
    let look = Look { color: first & 0x80 != 0, width: 80 };
    for format in Format::ALL {
        let document = Document {
            tool_version: "0",
            series: &[],
            findings: &report.findings,
            effects: &report.effects,
            summary: report.summary,
            problems: &[],
            files: &files,
            in_baseline: 0,
        };
        let text = render(&document, format, &look);
        assert!(text.is_empty() || text.ends_with('\n'), "{format} ends its last line");
    }
    // What `generate-down` does with each file.
    let mut catalog = Catalog::new(dialect);
    for (n, migration) in series.iter().enumerate() {
        let Some(up) = &migration.up else { continue };
        let script = parse_script(&up.text, dialect);
        let _ = inverse_script(&script, &catalog).sql();
        catalog.apply_script(&script, Origin::Series(n));
    }
});

fn check(report: &LintReport, files: &BTreeMap<String, String>) {
    let inside = |file: &str, span: Span| {
        let text = &files[file];
        assert!(text.get(span.start..span.end).is_some(), "{span:?} lies in {file}");
    };
    for finding in &report.findings {
        inside(&finding.file, finding.span);
        assert!(!finding.message.is_empty() && !finding.fingerprint.is_empty());
        for edit in finding.fix.iter().flat_map(|fix| &fix.edits) {
            inside(&finding.file, edit.span);
        }
    }
    for effects in &report.effects {
        inside(&effects.file, effects.span);
    }
    let summary = report.summary;
    assert_eq!(summary.errors + summary.warnings + summary.infos, report.findings.len());
}
