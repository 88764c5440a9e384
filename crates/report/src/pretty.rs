//! For people.

use std::collections::{BTreeSet, HashSet};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use downhaul_lint::{Finding, Severity};
use downhaul_syntax::{Dialect, LineIndex, Span};

use crate::{Document, count};

/// How the text for people looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// With colours (ANSI codes).
    pub color: bool,
    /// Width of the terminal in characters; longer source lines are cut around the place.
    pub width: usize,
}

impl Default for Look {
    fn default() -> Self {
        Self { color: false, width: 140 }
    }
}

impl Look {
    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const GREEN: &str = "32";

pub(crate) fn render(document: &Document<'_>, look: &Look) -> String {
    let renderer = if look.color { Renderer::styled() } else { Renderer::plain() }
        .decor_style(DecorStyle::Unicode)
        .term_width(look.width);
    let mut out = String::new();
    for problem in document.problems {
        let place = Origin::path(&problem.file).line(problem.line).char_column(problem.column);
        let group = Group::with_title(Level::ERROR.primary_title(&problem.message))
            .element(place)
            .element(Level::HELP.message(&problem.help));
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    // The same advice is not given twice.
    let mut told = HashSet::new();
    for (file, findings) in document.by_file() {
        out.push_str(&look.paint(BOLD, file));
        out.push_str(&look.paint(DIM, &format!("  {}", tally(findings.iter().copied()))));
        out.push_str("\n\n");
        let text = document.text(file);
        let lines = LineIndex::new(text);
        for same_place in by_place(&findings) {
            out.push_str(&renderer.render(&[group(&same_place, text, &lines, &mut told)]));
            out.push_str("\n\n");
        }
    }
    out.push_str(&summary(document, *look));
    out
}

/// Findings on the same place, the worst first; places in order of their first finding.
fn by_place<'a>(findings: &[&'a Finding]) -> Vec<Vec<&'a Finding>> {
    let mut places: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        match places.last_mut() {
            Some(place) if place[0].span == finding.span => place.push(finding),
            _ => places.push(vec![finding]),
        }
    }
    for place in &mut places {
        place.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    }
    places
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    }
}

/// One place with all that is said of it.
fn group<'a>(
    findings: &[&'a Finding],
    text: &'a str,
    lines: &LineIndex,
    told: &mut HashSet<(&'a str, &'a str)>,
) -> Group<'a> {
    let first = findings[0];
    let mut group =
        Group::with_title(level(first.severity).primary_title(&first.message).id(first.code));
    group = match first_line(text, first.span, lines) {
        Some((line, from, span)) => group.element(
            Snippet::source(line)
                .line_start(from)
                .path(&first.file)
                .annotation(AnnotationKind::Primary.span(span.start..span.end).label(first.name)),
        ),
        None => group.element(
            Origin::path(&first.file).line(first.start.line).char_column(first.start.column),
        ),
    };
    for finding in findings {
        if finding.code != first.code || finding.message != first.message {
            let name = format!("{}[{}]", finding.severity, finding.code);
            group =
                group.element(level(finding.severity).with_name(name).message(&finding.message));
        }
        if finding.help.is_empty() || !told.insert((finding.code, finding.help.as_str())) {
            continue;
        }
        group = group.element(Level::HELP.message(&finding.help));
        if let Some(sql) = &finding.rewrite {
            group = group.element(Level::HELP.with_name("safe").message(sql));
        }
    }
    group
}

/// The first line of the source that the span touches with a visible character, its number, and
/// the span within it: a statement of forty lines is shown by the line on which it begins.
fn first_line<'a>(text: &'a str, span: Span, lines: &LineIndex) -> Option<(&'a str, usize, Span)> {
    let found = span.text(text);
    let start = span.start + (found.len() - found.trim_start().len());
    if start >= text.len() || found.trim().is_empty() {
        return None;
    }
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |at| start + at);
    let end = span.end.min(line_end).max(start);
    let line = lines.position(text, start).line;
    Some((&text[line_start..line_end], line, Span::new(start - line_start, end - line_start)))
}

/// `2 errors, 1 warning`.
fn tally<'a>(findings: impl Iterator<Item = &'a Finding> + Clone) -> String {
    let of = |severity| findings.clone().filter(|f| f.severity == severity).count();
    let parts: Vec<String> = [
        (of(Severity::Error), "error"),
        (of(Severity::Warning), "warning"),
        (of(Severity::Info), "info"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, noun)| if noun == "info" { format!("{n} info") } else { count(n, noun) })
    .collect();
    parts.join(", ")
}

fn summary(document: &Document<'_>, look: Look) -> String {
    let summary = document.summary;
    let judged = format!(
        "{} with {}{}",
        count(summary.migrations, "migration"),
        count(summary.statements, "statement"),
        dialects(document)
    );
    let mut asides = Vec::new();
    if !document.problems.is_empty() {
        asides.push(format!("{} not judged", count(document.problems.len(), "file")));
    }
    if summary.suppressed > 0 {
        asides.push(format!("{} allowed by comments", summary.suppressed));
    }
    if document.in_baseline > 0 {
        asides.push(format!("{} in the baseline", document.in_baseline));
    }
    let asides =
        if asides.is_empty() { String::new() } else { format!(" ({})", asides.join(", ")) };
    if summary.migrations == 0 && document.problems.is_empty() {
        return format!("{} nothing to judge\n", look.paint(GREEN, "✓"));
    }
    if document.findings.is_empty() {
        let mark = if document.problems.is_empty() {
            look.paint(GREEN, "✓")
        } else {
            look.paint(RED, "✗")
        };
        return format!("{mark} {judged}: nothing found{asides}\n");
    }
    let worst = document.findings.iter().map(|f| f.severity).max();
    let color = match worst {
        Some(Severity::Error) => RED,
        Some(Severity::Warning) => YELLOW,
        _ => BOLD,
    };
    // What is only worth knowing stops nobody, and a warning stops only who asks for it (`--fail-on`).
    let mark = match worst {
        _ if !document.problems.is_empty() => look.paint(color, "✗"),
        Some(Severity::Info) => look.paint(GREEN, "✓"),
        Some(Severity::Warning) => look.paint(color, "!"),
        _ => look.paint(color, "✗"),
    };
    let found = look.paint(color, &tally(document.findings.iter()));
    let first = document.findings.iter().find(|f| Some(f.severity) == worst).map_or("", |f| f.code);
    let more = look.paint(DIM, &format!("  more on one: downhaul explain {first}"));
    format!("{mark} {judged}: {found}{asides}\n{more}\n")
}

/// ` of PostgreSQL`, ` of PostgreSQL and SQLite`.
fn dialects(document: &Document<'_>) -> String {
    let names: BTreeSet<Dialect> = document.series.iter().map(|s| s.dialect).collect();
    let names: Vec<&str> = names.into_iter().map(dialect_name).collect();
    if names.is_empty() { String::new() } else { format!(" of {}", names.join(" and ")) }
}

/// The name of a database as its makers write it.
#[must_use]
pub fn dialect_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "PostgreSQL",
        Dialect::Mysql => "MySQL",
        Dialect::MariaDb => "MariaDB",
        Dialect::Sqlite => "SQLite",
    }
}
