//! For programs. Documented in `docs/json-format.md`; a field may be added within a version, none
//! changes its meaning or goes away.

use downhaul_lint::{Edit, Finding, Severity, StatementEffects};
use serde::{Serialize, Serializer};

use crate::{Document, Problem, fingerprints};

/// Version of the format.
pub const VERSION: u32 = 1;

/// The findings and statements are made while they are written: a report of thousands of files
/// stands in memory once, not twice.
#[derive(Serialize)]
struct Output<'a, F: Serialize, S: Serialize> {
    version: u32,
    tool: Tool<'a>,
    series: Vec<SeriesOut<'a>>,
    findings: F,
    statements: S,
    problems: Vec<ProblemOut<'a>>,
    summary: SummaryOut,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'static str,
    version: &'a str,
}

#[derive(Serialize)]
struct SeriesOut<'a> {
    path: &'a str,
    layout: &'a str,
    dialect: &'static str,
    dialect_from: &'a str,
}

#[derive(Serialize)]
struct FindingOut<'a> {
    code: &'static str,
    name: &'static str,
    severity: Severity,
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    start_byte: usize,
    end_byte: usize,
    message: &'a str,
    help: &'a str,
    safe: Option<&'a str>,
    fix: Option<FixOut<'a>>,
    docs: &'a str,
    fingerprint: &'a str,
}

#[derive(Serialize)]
struct FixOut<'a> {
    title: &'a str,
    edits: Vec<EditOut<'a>>,
}

#[derive(Serialize)]
struct EditOut<'a> {
    start_byte: usize,
    end_byte: usize,
    text: &'a str,
}

#[derive(Serialize)]
struct StatementOut<'a> {
    file: &'a str,
    version: &'a str,
    statement: usize,
    line: usize,
    column: usize,
    start_byte: usize,
    end_byte: usize,
    effects: &'a downhaul_lint::Effects,
}

#[derive(Serialize)]
struct ProblemOut<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    message: &'a str,
    help: &'a str,
}

#[derive(Serialize)]
struct SummaryOut {
    migrations: usize,
    statements: usize,
    not_understood: usize,
    errors: usize,
    warnings: usize,
    infos: usize,
    suppressed: usize,
    in_baseline: usize,
    problems: usize,
}

/// A list whose items are made when it is written.
struct List<F>(F);

impl<F: Fn() -> I, I: Iterator<Item: Serialize>> Serialize for List<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

pub(crate) fn render(document: &Document<'_>) -> String {
    let mut text = Vec::new();
    write(document, &mut text).expect("writing to memory cannot fail");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// Writes the document as it is made.
pub(crate) fn write(
    document: &Document<'_>,
    out: &mut impl std::io::Write,
) -> Result<(), std::io::Error> {
    let summary = document.summary;
    let fingerprints = fingerprints(document.findings);
    let output = Output {
        version: VERSION,
        tool: Tool { name: "downhaul", version: document.tool_version },
        series: document
            .series
            .iter()
            .map(|series| SeriesOut {
                path: &series.path,
                layout: &series.layout,
                dialect: series.dialect.as_str(),
                dialect_from: &series.dialect_from,
            })
            .collect(),
        findings: List(|| {
            document
                .findings
                .iter()
                .zip(&fingerprints)
                .map(|(finding, fingerprint)| finding_out(finding, fingerprint))
        }),
        statements: List(|| document.effects.iter().map(statement_out)),
        problems: document.problems.iter().map(problem_out).collect(),
        summary: SummaryOut {
            migrations: summary.migrations,
            statements: summary.statements,
            not_understood: summary.not_understood,
            errors: document.count(Severity::Error),
            warnings: document.count(Severity::Warning),
            infos: document.count(Severity::Info),
            suppressed: summary.suppressed,
            in_baseline: document.in_baseline,
            problems: document.problems.len(),
        },
    };
    serde_json::to_writer_pretty(&mut *out, &output)?;
    out.write_all(b"\n")
}

/// Indented JSON with a line end.
pub(crate) fn to_text(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value)
        .expect("the values hold no map with keys that are not strings, and writing to a String cannot fail");
    text.push('\n');
    text
}

fn finding_out<'a>(finding: &'a Finding, fingerprint: &'a str) -> FindingOut<'a> {
    FindingOut {
        code: finding.code,
        name: finding.name,
        severity: finding.severity,
        file: &finding.file,
        line: finding.start.line,
        column: finding.start.column,
        end_line: finding.end.line,
        end_column: finding.end.column,
        start_byte: finding.span.start,
        end_byte: finding.span.end,
        message: &finding.message,
        help: &finding.help,
        safe: finding.rewrite.as_deref(),
        fix: finding.fix.as_ref().map(|fix| FixOut {
            title: &fix.title,
            edits: fix.edits.iter().map(edit_out).collect(),
        }),
        docs: &finding.docs,
        fingerprint,
    }
}

fn edit_out(edit: &Edit) -> EditOut<'_> {
    EditOut { start_byte: edit.span.start, end_byte: edit.span.end, text: &edit.text }
}

fn statement_out(statement: &StatementEffects) -> StatementOut<'_> {
    StatementOut {
        file: &statement.file,
        version: &statement.version,
        statement: statement.statement,
        line: statement.start.line,
        column: statement.start.column,
        start_byte: statement.span.start,
        end_byte: statement.span.end,
        effects: &statement.effects,
    }
}

fn problem_out(problem: &Problem) -> ProblemOut<'_> {
    ProblemOut {
        file: &problem.file,
        line: problem.line,
        column: problem.column,
        message: &problem.message,
        help: &problem.help,
    }
}
