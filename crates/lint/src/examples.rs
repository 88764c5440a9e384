//! The examples in the documentation of every rule, run.
//!
//! A fenced block is a series of migrations: `-- history` opens one that is replayed only (several
//! are several migrations), `-- judged` one that is judged too, `-- up` and `-- down` open the two
//! directions of the last one. The word behind `sql` is the dialect, with a version behind a colon where it matters.

use crate::docs::section;
use crate::rule::Rule;
use crate::rules::all_rules;
use crate::{LintOptions, LintReport, MigrationInput, RuleSetting, SourceText, lint_series};

/// Fenced blocks of a section: info string and text.
fn blocks(section: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in section.lines() {
        let line = line.strip_prefix(' ').unwrap_or(line);
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.trim().to_owned(), String::new())),
            (Some(_), Some(_)) => out.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    out
}

/// The series that an example describes.
pub(crate) fn series(text: &str) -> Vec<MigrationInput> {
    let mut history = Vec::new();
    let mut last = MigrationInput { version: "9".into(), ..MigrationInput::default() };
    let mut parts: Vec<(&str, String)> = vec![("up", String::new())];
    for line in text.lines() {
        match line.trim() {
            "-- history" => parts.push(("history", String::new())),
            "-- judged" => parts.push(("judged", String::new())),
            "-- up" => parts.push(("up", String::new())),
            "-- down" => parts.push(("down", String::new())),
            _ => {
                let (_, body) = parts.last_mut().expect("never empty");
                body.push_str(line);
                body.push('\n');
            }
        }
    }
    if parts[0].1.trim().is_empty() {
        parts.remove(0);
    }
    for (what, body) in parts {
        match what {
            "history" | "judged" => history.push(MigrationInput {
                version: history.len().to_string(),
                up: Some(SourceText::new(format!("{}.sql", history.len()), body)),
                judged: what == "judged",
                ..MigrationInput::default()
            }),
            "up" => last.up = Some(SourceText::new("9.up.sql", body)),
            _ => last.down = Some(SourceText::new("9.down.sql", body)),
        }
    }
    history.push(last);
    history
}

/// Options that an info string asks for.
fn options(info: &str, rule: &Rule) -> LintOptions {
    let wanted = info.split_whitespace().nth(1);
    let (dialect, version) = match wanted.map(|w| w.split_once(':').unwrap_or((w, ""))) {
        Some((name, version)) => (name.parse().expect("a dialect"), version),
        None => (rule.dialects[0], ""),
    };
    let mut options = LintOptions::new(dialect);
    if !version.is_empty() {
        options.server_version = Some(version.parse().expect("a version"));
    }
    for word in info.split_whitespace().skip(2) {
        match word {
            "no-restore-points" => options.restore_points = false,
            "edited" | "duplicate" | "sent-whole" => {}
            "no-lock-budget" => options.lock_budget = false,
            "one-deployment" => options.one_deployment = true,
            query if query.starts_with("queries=") => options.queries.push(crate::KnownQuery::new(
                "src/app.sql",
                1,
                query["queries=".len()..].replace('_', " "),
            )),
            other => panic!("unknown word {other} in the info string of an example"),
        }
    }
    options.rules.insert(rule.code.to_owned(), RuleSetting::On);
    options
}

fn run(rule: &Rule, info: &str, text: &str) -> LintReport {
    let mut series = series(text);
    let says = |word: &str| info.split_whitespace().any(|w| w == word);
    if let Some(last) = series.last_mut() {
        last.edited = says("edited");
        if let Some(up) = last.up.as_mut().filter(|_| says("sent-whole")) {
            up.sent_whole_by = Some("sqlx".to_owned());
        }
    }
    if says("duplicate") {
        let mut twin = series.last().cloned().expect("never empty");
        twin.judged = false;
        twin.up = Some(SourceText::new("8.up.sql", "SELECT 1"));
        series.insert(0, twin);
    }
    lint_series(&series, &options(info, rule))
}

fn shown(report: &LintReport) -> String {
    report.findings.iter().map(|f| format!("  {} {}: {}\n", f.code, f.name, f.message)).collect()
}

#[test]
fn unsafe_examples_fire_their_rule_and_safe_ones_nothing_serious() {
    let mut wrong = String::new();
    for rule in all_rules() {
        let all = |heading: &str| section(rule.docs, heading).map(blocks).unwrap_or_default();
        let (bad, good) = (all("Unsafe example"), all("Safe example"));
        if bad.is_empty() || good.is_empty() {
            wrong.push_str(&format!("{}: no example\n", rule.name));
        }
        for (info, text) in bad {
            let report = run(rule, &info, &text);
            let count = report.findings.iter().filter(|f| f.code == rule.code).count();
            if count == 0 {
                wrong.push_str(&format!("{} is silent on\n{text}{}\n", rule.name, shown(&report)));
            }
        }
        for (info, text) in good {
            let report = run(rule, &info, &text);
            let bad = report.findings.iter().any(|f| {
                f.code == rule.code
                    || f.severity == crate::Severity::Error && !rule.name.starts_with("unparsed")
            });
            if bad {
                wrong.push_str(&format!("{} speaks on\n{text}{}\n", rule.name, shown(&report)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn examples_parse_in_every_dialect_they_are_written_for() {
    for rule in all_rules() {
        for heading in ["Unsafe example", "Safe example"] {
            for (info, text) in section(rule.docs, heading).map(blocks).unwrap_or_default() {
                let report = run(rule, &info, &text);
                if rule.code != "UN01" {
                    assert_eq!(report.summary.not_understood, 0, "{}:\n{text}", rule.name);
                }
            }
        }
    }
}

/// Runs cases of one rule: dialect (and version), series, whether the rule speaks.
pub(crate) fn cases(rule: &Rule, cases: &[(&str, &str, bool)]) {
    let mut wrong = String::new();
    for (info, text, expect) in cases {
        let report = run(rule, &format!("sql {info}"), text);
        let speaks = report.findings.iter().any(|f| f.code == rule.code);
        if speaks != *expect {
            wrong.push_str(&format!(
                "{} should {}speak on ({info})\n{text}\n{}\n",
                rule.name,
                if *expect { "" } else { "not " },
                shown(&report)
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Severities of what one rule says of a series.
pub(crate) fn severities(rule: &Rule, info: &str, text: &str) -> Vec<crate::Severity> {
    let report = run(rule, &format!("sql {info}"), text);
    let own = report.findings.iter().filter(|f| f.code == rule.code);
    own.map(|f| f.severity).collect()
}
