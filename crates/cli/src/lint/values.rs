//! Placeholders `${name}` in the files that are judged, and the values in their places.

use std::collections::HashMap;

use downhaul_lint::{LintReport, MigrationInput};
use downhaul_plan::variables::{Expanded, Variables};
use downhaul_report::Problem;
use downhaul_syntax::{Dialect, LineIndex};

/// Values of a project, and where they were put in.
#[derive(Debug, Default)]
pub struct Values {
    /// `None`: the project has no variables, and placeholders are left alone.
    variables: Option<Variables>,
    /// Files with placeholders: their own text, and how it was expanded.
    expanded: HashMap<String, (String, Expanded)>,
}

impl Values {
    /// Nothing is put in yet.
    #[must_use]
    pub fn new(variables: Option<Variables>) -> Self {
        Self { variables, expanded: HashMap::new() }
    }

    /// The text that stands in a file in which values were put.
    #[must_use]
    pub fn own_text(&self, path: &str) -> Option<String> {
        self.expanded.get(path).map(|(own, _)| own.clone())
    }

    /// Puts values in the place of placeholders, as the runner would.
    pub fn expand(
        &mut self,
        inputs: &mut [MigrationInput],
        dialect: Dialect,
        problems: &mut Vec<Problem>,
    ) {
        let Some(variables) = &self.variables else { return };
        for input in inputs {
            for source in [&mut input.up, &mut input.down].into_iter().flatten() {
                match variables.expand(&source.text, dialect) {
                    Ok(expanded) if expanded.text != source.text => {
                        let own = std::mem::replace(&mut source.text, expanded.text.clone());
                        self.expanded.insert(source.path.clone(), (own, expanded));
                    }
                    Ok(_) => {}
                    // Read as a name or a value that is not known.
                    Err(_) if !input.judged => {}
                    Err(unknown) => {
                        let lines = LineIndex::new(&source.text);
                        let place = lines.position(&source.text, unknown.offset);
                        let name = unknown.name;
                        problems.push(Problem {
                            file: source.path.clone(),
                            line: place.line,
                            column: place.column,
                            message: format!("`${{{name}}}` has no value"),
                            help: format!(
                                "set it in [variables] of downhaul.toml, as DOWNHAUL_VAR_{name}, or with --var {name}=…"
                            ),
                        });
                    }
                }
            }
        }
    }

    /// Brings findings and effects back to the text that stands in the files.
    pub fn to_files(&self, report: &mut LintReport) {
        let Some(variables) = self.variables.as_ref().filter(|_| !self.expanded.is_empty()) else {
            return;
        };
        let mut lines: HashMap<&str, LineIndex> = HashMap::new();
        for finding in &mut report.findings {
            let Some((path, (own, expanded))) = self.expanded.get_key_value(&finding.file) else {
                continue;
            };
            let lines = lines.entry(path).or_insert_with(|| LineIndex::new(own));
            finding.span = expanded.span_in_file(finding.span);
            finding.start = lines.position(own, finding.span.start);
            finding.end = lines.position(own, finding.span.end);
            // A fix that replaces text would write a value into the file.
            finding.fix = finding.fix.take().filter(|f| f.edits.iter().all(|e| e.span.is_empty()));
            for edit in finding.fix.iter_mut().flat_map(|fix| &mut fix.edits) {
                edit.span = expanded.span_in_file(edit.span);
            }
            for text in
                [&mut finding.message, &mut finding.help].into_iter().chain(&mut finding.rewrite)
            {
                *text = variables.redact(text);
            }
        }
        for effects in &mut report.effects {
            let Some((path, (own, expanded))) = self.expanded.get_key_value(&effects.file) else {
                continue;
            };
            let lines = lines.entry(path).or_insert_with(|| LineIndex::new(own));
            effects.span = expanded.span_in_file(effects.span);
            effects.start = lines.position(own, effects.span.start);
        }
    }
}
