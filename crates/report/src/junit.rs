//! JUnit XML, as Jenkins and most CI servers read it: one suite a file, one failed case a finding,
//! one passed case a clean file.

use std::collections::BTreeSet;

use crate::Document;

pub(crate) fn render(document: &Document<'_>) -> String {
    let groups = document.by_file();
    let found: BTreeSet<&str> = groups.iter().map(|(file, _)| *file).collect();
    let clean: Vec<&str> =
        document.files.keys().map(String::as_str).filter(|file| !found.contains(file)).collect();
    let failures = document.findings.len();
    let errors = document.problems.len();
    let tests = failures + errors + clean.len();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"downhaul\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">\n"
    );
    for problem in document.problems {
        let file = escape(&problem.file);
        out.push_str(&format!(
            "  <testsuite name=\"{file}\" tests=\"1\" failures=\"0\" errors=\"1\">\n    \
             <testcase name=\"readable\" classname=\"{file}\" file=\"{file}\" line=\"{}\">\n      \
             <error message=\"{}\">{}</error>\n    </testcase>\n  </testsuite>\n",
            problem.line,
            escape(&problem.message),
            escape(&problem.help),
        ));
    }
    for (file, findings) in &groups {
        let name = escape(file);
        let n = findings.len();
        out.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"{n}\" failures=\"{n}\" errors=\"0\">\n"
        ));
        for finding in findings {
            let (line, column) = (finding.start.line, finding.start.column);
            out.push_str(&format!(
                "    <testcase name=\"{} {} at {line}:{column}\" classname=\"{name}\" \
                 file=\"{name}\" line=\"{line}\">\n      \
                 <failure type=\"{}\" message=\"{}\">{}</failure>\n    </testcase>\n",
                finding.code,
                finding.name,
                finding.severity,
                escape(&finding.message),
                escape(&format!("{file}:{line}:{column}\n{}", finding.help)),
            ));
        }
        out.push_str("  </testsuite>\n");
    }
    for file in clean {
        let name = escape(file);
        out.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"1\" failures=\"0\" errors=\"0\">\n    \
             <testcase name=\"nothing found\" classname=\"{name}\" file=\"{name}\"/>\n  </testsuite>\n"
        ));
    }
    out.push_str("</testsuites>\n");
    out
}

/// Text for an attribute or an element. Characters that XML 1.0 cannot hold become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_takes_any_text() {
        assert_eq!(escape("a<b> & \"c\"\u{1}\n"), "a&lt;b&gt; &amp; &quot;c&quot;\u{fffd}&#10;");
    }
}
