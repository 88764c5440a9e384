//! Workflow commands of GitHub Actions: an annotation on the line of a pull request.
//! <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>

use downhaul_lint::Severity;

use crate::Document;

pub(crate) fn render(document: &Document<'_>) -> String {
    let mut out = String::new();
    for problem in document.problems {
        out.push_str(&format!(
            "::error file={},line={},col={},title={}::{}\n",
            property(&problem.file),
            problem.line,
            problem.column,
            property("Downhaul: not judged"),
            data(&format!("{}\n{}", problem.message, problem.help)),
        ));
    }
    for finding in document.findings {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let mut message = finding.message.clone();
        for more in [Some(&finding.help), finding.rewrite.as_ref()].into_iter().flatten() {
            if !more.is_empty() {
                message.push('\n');
                message.push_str(more);
            }
        }
        // GitHub refuses columns on annotations of more than one line.
        let columns = if finding.start.line == finding.end.line {
            format!(",col={},endColumn={}", finding.start.column, finding.end.column)
        } else {
            String::new()
        };
        out.push_str(&format!(
            "::{command} file={},line={},endLine={}{columns},title={}::{}\n",
            property(&finding.file),
            finding.start.line,
            finding.end.line,
            property(&format!("{} {}", finding.code, finding.name)),
            data(&message),
        ));
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
