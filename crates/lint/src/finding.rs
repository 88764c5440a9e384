//! What a lint run says.

use std::fmt;

use downhaul_syntax::{Position, Span};
use serde::{Deserialize, Serialize};

use crate::{BrokenQuery, StatementEffects};

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Hygiene.
    Info,
    /// May break something, or is a trap.
    Warning,
    /// Breaks the running release, loses data, fails, or blocks traffic for as long as the table
    /// is large.
    Error,
}

impl Severity {
    /// `error`, `warning`, `info`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A replacement of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub text: String,
}

/// A mechanical fix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// What it does, as an imperative: "add CONCURRENTLY".
    pub title: String,
    /// Edits that do not overlap, in order.
    pub edits: Vec<Edit>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Code of the rule: `BC01`.
    pub code: &'static str,
    /// Name of the rule: `drop-column`.
    pub name: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Path of the file.
    pub file: String,
    /// Bytes in the file.
    pub span: Span,
    /// First character.
    pub start: Position,
    /// One past the last character.
    pub end: Position,
    /// What is wrong and why, naming the object.
    pub message: String,
    /// What to do.
    pub help: String,
    /// A safe way, as SQL.
    pub rewrite: Option<String>,
    /// A mechanical fix.
    pub fix: Option<Fix>,
    /// Page of the documentation: `docs/rules/drop-column.md`.
    pub docs: String,
    /// Known statements of the running release that it breaks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<BrokenQuery>,
    /// The same as long as rule, file and statement are the same, wherever it stands in the file:
    /// 16 hexadecimal digits.
    pub fingerprint: String,
}

/// A finding that a comment silenced.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suppressed {
    /// What would have been said.
    #[serde(flatten)]
    pub finding: Finding,
    /// The reason that the comment gives.
    pub reason: Option<String>,
}

/// Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Migrations judged.
    pub migrations: usize,
    /// Statements judged, both directions.
    pub statements: usize,
    /// Statements that nothing understood.
    pub not_understood: usize,
    /// Findings of severity error.
    pub errors: usize,
    /// Findings of severity warning.
    pub warnings: usize,
    /// Findings of severity info.
    pub infos: usize,
    /// Findings silenced by a comment.
    pub suppressed: usize,
}

impl Summary {
    /// One finding more.
    pub(crate) fn count(&mut self, severity: Severity) {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Info => self.infos += 1,
        }
    }
}

/// All that a run says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LintReport {
    /// By migration in order, then by place.
    pub findings: Vec<Finding>,
    /// Effects of every judged statement of the ups that has any, in order.
    pub effects: Vec<StatementEffects>,
    /// Findings that a comment silenced.
    pub suppressed: Vec<Suppressed>,
    /// Counts.
    pub summary: Summary,
}

impl LintReport {
    /// The worst severity found.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|f| f.severity).max()
    }
}

/// A finding before the driver knows its file, place and rule.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Place; `None` = the clause or statement that is judged.
    pub(crate) span: Option<Span>,
    /// In the down file.
    pub(crate) in_down: bool,
    /// Belongs to the file as a whole.
    pub(crate) whole_file: bool,
    /// Of several such findings in a transaction the first is enough.
    pub(crate) once: bool,
    pub(crate) severity: Option<Severity>,
    pub(crate) message: String,
    pub(crate) help: String,
    pub(crate) rewrite: Option<String>,
    pub(crate) fix: Option<Fix>,
    pub(crate) queries: Vec<BrokenQuery>,
}

impl Draft {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            span: None,
            in_down: false,
            whole_file: false,
            once: false,
            severity: None,
            message: message.into(),
            help: String::new(),
            rewrite: None,
            fix: None,
            queries: Vec::new(),
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    pub(crate) fn rewrite(mut self, sql: impl Into<String>) -> Self {
        self.rewrite = Some(sql.into());
        self
    }

    pub(crate) fn fix(mut self, title: &str, edits: Vec<Edit>) -> Self {
        self.fix = Some(Fix { title: title.to_owned(), edits });
        self
    }

    pub(crate) fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    pub(crate) fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    pub(crate) fn in_down(mut self) -> Self {
        self.in_down = true;
        self
    }

    pub(crate) fn once(mut self) -> Self {
        self.once = true;
        self
    }

    pub(crate) fn whole_file(mut self) -> Self {
        self.whole_file = true;
        self
    }
}
