//! GitLab's Code Quality report, the format of the "Code Climate" specification that GitLab reads.
//! <https://docs.gitlab.com/ci/testing/code_quality/>

use downhaul_lint::Severity;
use serde::Serialize;

use crate::json::to_text;
use crate::{Document, fingerprints};

#[derive(Serialize)]
struct Issue<'a> {
    description: String,
    check_name: &'a str,
    fingerprint: String,
    severity: &'static str,
    location: Location<'a>,
}

#[derive(Serialize)]
struct Location<'a> {
    path: &'a str,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
    end: usize,
}

pub(crate) fn render(document: &Document<'_>) -> String {
    let mut issues: Vec<Issue<'_>> = document
        .problems
        .iter()
        .map(|problem| Issue {
            description: format!("{} ({})", problem.message, problem.help),
            check_name: "not-judged",
            fingerprint: format!("{}: {}", problem.file, problem.message),
            severity: "blocker",
            location: Location {
                path: relative(&problem.file),
                lines: Lines { begin: problem.line, end: problem.line },
            },
        })
        .collect();
    let prints = fingerprints(document.findings);
    issues.extend(document.findings.iter().zip(prints).map(|(finding, fingerprint)| Issue {
        description: format!("{}: {}", finding.code, finding.message),
        check_name: finding.name,
        fingerprint,
        severity: match finding.severity {
            Severity::Error => "critical",
            Severity::Warning => "major",
            Severity::Info => "info",
        },
        location: Location {
            path: relative(&finding.file),
            lines: Lines { begin: finding.start.line, end: finding.end.line },
        },
    }));
    to_text(&issues)
}

/// GitLab drops entries whose path begins with `./`.
fn relative(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}
