//! Statements to changes.

use serde::{Deserialize, Serialize};

use crate::{Change, Dialect, Directive, Span};

/// A parsed source text.
#[derive(Clone, Debug)]
pub struct Script {
    /// Dialect it was read in.
    pub dialect: Dialect,
    /// Statements in order.
    pub statements: Vec<Statement>,
    /// Directives in order.
    pub directives: Vec<Directive>,
    /// What is wrong with the text as a whole (an unterminated string …): place and message.
    pub errors: Vec<SyntaxError>,
}

/// One statement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Statement {
    /// Place in the source, without the terminator and without leading comments.
    pub span: Span,
    /// Exactly the text to send to the server.
    pub text: String,
    /// What it does.
    pub parsed: Parsed,
    /// One span for each change (the clause it came from), as long as `changes()`.
    pub change_spans: Vec<Span>,
}

/// Result of reading one statement.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parsed {
    /// Understood: at least one change (possibly [`Change::NoEffect`]).
    Changes(Vec<Change>),
    /// Nothing understands it.
    Unparsed(SyntaxError),
}

/// Why and where a text could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyntaxError {
    /// For people: "expected a column name, found `)`".
    pub message: String,
    /// The offending place.
    pub span: Span,
}

impl Statement {
    /// Its changes; none where it was not understood.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        match &self.parsed {
            Parsed::Changes(changes) => changes,
            Parsed::Unparsed(_) => &[],
        }
    }

    /// Changes with the clause each came from.
    pub fn spanned_changes(&self) -> impl Iterator<Item = (&Change, Span)> {
        self.changes()
            .iter()
            .enumerate()
            .map(|(i, c)| (c, self.change_spans.get(i).copied().unwrap_or(self.span)))
    }
}

/// Reads a whole source text. Never fails and never panics; linear in the length of the text.
#[must_use]
pub fn parse_script(_source: &str, dialect: Dialect) -> Script {
    Script { dialect, statements: Vec::new(), directives: Vec::new(), errors: Vec::new() }
}
