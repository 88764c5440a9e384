//! SARIF 2.1.0 (OASIS Standard, 27 March 2020), for code scanning.

use std::collections::BTreeMap;

use downhaul_lint::{Edit, Finding, Rule, Severity, all_rules, rule_page};
use downhaul_syntax::{LineIndex, Position};
use serde_json::{Value, json};

use crate::json::to_text;
use crate::{Document, fingerprints};

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

pub(crate) fn render(document: &Document<'_>) -> String {
    let used: Vec<&Rule> = all_rules()
        .iter()
        .copied()
        .filter(|r| document.findings.iter().any(|f| f.code == r.code))
        .collect();
    let index: BTreeMap<&str, usize> = used.iter().enumerate().map(|(i, r)| (r.code, i)).collect();
    let prints = fingerprints(document.findings);
    let lines: BTreeMap<&str, LineIndex> = document
        .findings
        .iter()
        .filter(|f| f.fix.is_some())
        .map(|f| (f.file.as_str(), LineIndex::new(document.text(&f.file))))
        .collect();
    let results: Vec<Value> = document
        .findings
        .iter()
        .zip(prints)
        .map(|(finding, print)| {
            let mut value = result(finding, index.get(finding.code).copied(), &print);
            if let (Some(fix), Some(lines)) = (&finding.fix, lines.get(finding.file.as_str())) {
                let text = document.text(&finding.file);
                value["fixes"] = json!([{
                    "description": { "text": fix.title },
                    "artifactChanges": [{
                        "artifactLocation": artifact(&finding.file),
                        "replacements": fix.edits.iter()
                            .map(|edit| replacement(edit, text, lines)).collect::<Vec<_>>(),
                    }],
                }]);
            }
            value
        })
        .collect();
    let notifications: Vec<Value> = document
        .problems
        .iter()
        .map(|problem| {
            let start = Position { line: problem.line, column: problem.column };
            json!({
                "level": "error",
                "message": { "text": format!("{} {}", sentence(&problem.message), problem.help) },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": artifact(&problem.file),
                    "region": { "startLine": start.line, "startColumn": start.column },
                } }],
            })
        })
        .collect();
    to_text(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Downhaul",
                "version": document.tool_version,
                "semanticVersion": document.tool_version,
                "informationUri": REPOSITORY,
                "rules": used.iter().map(|r| descriptor(r)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": document.problems.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    }))
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "name": rule.name,
        "shortDescription": { "text": rule.summary() },
        "fullDescription": { "text": rule.summary() },
        "help": { "text": rule_page(rule), "markdown": rule_page(rule) },
        "helpUri": format!("{REPOSITORY}/blob/main/{}", rule.docs_path()),
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": { "tags": [rule.hazard().folder()] },
    })
}

fn result(finding: &Finding, index: Option<usize>, print: &str) -> Value {
    let mut text = sentence(&finding.message);
    if !finding.help.is_empty() {
        text.push(' ');
        text.push_str(&sentence(&finding.help));
    }
    let mut value = json!({
        "ruleId": finding.code,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": artifact(&finding.file),
            "region": region(finding.start, finding.end),
        } }],
        "partialFingerprints": { "downhaul/v1": print },
    });
    if let Some(index) = index {
        value["ruleIndex"] = json!(index);
    }
    value
}

fn replacement(edit: &Edit, text: &str, lines: &LineIndex) -> Value {
    let (start, end) = (lines.position(text, edit.span.start), lines.position(text, edit.span.end));
    json!({ "deletedRegion": region(start, end), "insertedContent": { "text": edit.text } })
}

fn region(start: Position, end: Position) -> Value {
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// A path as a URI reference (RFC 3986): relative ones hang on the root of the source.
fn artifact(path: &str) -> Value {
    let path = path.strip_prefix("./").unwrap_or(path).replace('\\', "/");
    let uri: String = path
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => {
                char::from(b).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    if uri.starts_with('/') {
        json!({ "uri": format!("file://{uri}") })
    } else {
        json!({ "uri": uri, "uriBaseId": "%SRCROOT%" })
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?', ':']) { text.to_owned() } else { format!("{text}.") }
}
