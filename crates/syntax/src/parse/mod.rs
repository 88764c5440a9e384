//! Statements to changes: one file a topic, `statement.rs` leads to them.

mod alter_table;
mod body;
mod column;
mod constraint;
mod create_table;
mod cursor;
mod dml;
mod drop;
mod expr;
mod index;
pub(crate) mod literal;
mod mention;
mod mysql;
mod other;
mod partition;
mod query;
mod routine;
mod sequence;
mod session;
mod statement;
mod trigger;
mod types;
mod types_ddl;
mod view;

use serde::{Deserialize, Serialize};

use crate::directive::parse_directive;
use crate::lexer::{Token, TokenKind, lex, lex_range};
use crate::split::split;
use crate::{Change, Dialect, Directive, Span};
use cursor::Cursor;
pub use query::parse_query;

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
    /// The text to show and to record, where it is another: placeholders in the place of values.
    #[serde(skip)]
    pub shown: Option<String>,
    /// What it does.
    pub parsed: Parsed,
    /// One span for each change (the clause it came from), as long as `changes()`.
    pub change_spans: Vec<Span>,
    /// The rows behind `COPY … FROM stdin`, the closing `\\.` line included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_data: Option<Span>,
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
    /// The text to show and to record.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.shown.as_deref().unwrap_or(&self.text)
    }

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

/// Changes of one statement with the clause that each came from.
#[derive(Default)]
struct Out {
    changes: Vec<Change>,
    spans: Vec<Span>,
}

impl Out {
    /// Adds a change that the tokens from `from` up to the cursor state.
    fn push(&mut self, cursor: &Cursor<'_>, from: usize, change: Change) {
        self.push_span(cursor.span_from(from), change);
    }

    fn push_span(&mut self, span: Span, change: Change) {
        self.changes.push(change);
        self.spans.push(span);
    }

    fn len(&self) -> usize {
        self.changes.len()
    }

    fn append(&mut self, other: Out) {
        self.changes.extend(other.changes);
        self.spans.extend(other.spans);
    }
}

/// Reads a whole source text. Never fails and never panics; linear in the length of the text.
#[must_use]
pub fn parse_script(source: &str, dialect: Dialect) -> Script {
    let lexed = lex(source, dialect);
    let directives = directives(source, &lexed.tokens, dialect);
    let mut significant: Vec<Token> = Vec::new();
    let mut session = dialect.is_mysql_family().then(|| body::Session::new(source.len()));
    let statements = split(source, &lexed.tokens, dialect)
        .iter()
        .map(|raw| {
            let tokens = &lexed.tokens[raw.first..=raw.last];
            significant.clear();
            significant.extend(tokens.iter().filter(|t| is_significant(t.kind)));
            let span = tokens[0].span.cover(tokens[tokens.len() - 1].span);
            let cursor = Cursor::new(source, &significant, dialect);
            parse_statement(cursor, span, raw.copy_data, session.as_mut())
        })
        .collect();
    Script { dialect, statements, directives, errors: lexed.errors }
}

/// The directives among the comments, those inside dollar-quoted bodies included.
fn directives(source: &str, tokens: &[Token], dialect: Dialect) -> Vec<Directive> {
    if !source.contains("downhaul:") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut read = |tokens: &[Token]| {
        found.extend(
            tokens
                .iter()
                .filter(|t| t.kind.is_comment())
                .filter_map(|t| parse_directive(t.span.text(source), t.span)),
        );
    };
    for token in tokens {
        let text = token.span.text(source);
        if token.kind != TokenKind::DollarString || !text.contains("downhaul:") {
            read(std::slice::from_ref(token));
        } else if let Some(range) = literal::verbatim_range(text, dialect) {
            let start = token.span.start;
            let inner = Span::new(start + range.start, start + range.end);
            read(&lex_range(source, inner, dialect).tokens);
        }
    }
    found
}

/// The grammar sees through executable comments.
fn is_significant(kind: TokenKind) -> bool {
    !kind.is_trivia() && !matches!(kind, TokenKind::ExecutableOpen | TokenKind::ExecutableClose)
}

fn parse_statement(
    mut cursor: Cursor<'_>,
    span: Span,
    copy_data: Option<Span>,
    session: Option<&mut body::Session>,
) -> Statement {
    let text = span.text(cursor.source).to_owned();
    let mut out = Out::default();
    let result = match cursor.tokens.iter().find(|t| t.kind == TokenKind::Unterminated) {
        Some(open) => Err(SyntaxError {
            message: "a string, quoted name or comment is not closed".to_owned(),
            span: open.span,
        }),
        None if cursor.tokens.is_empty() => {
            out.push_span(span, Change::NoEffect { verb: String::new() });
            Ok(())
        }
        None => {
            let executed = session.is_some_and(|s| s.statement(&cursor, &mut out));
            if executed { Ok(()) } else { statement::statement(&mut cursor, &mut out) }
        }
    };
    match result {
        Ok(()) => Statement {
            span,
            text,
            shown: None,
            parsed: Parsed::Changes(out.changes),
            change_spans: out.spans,
            copy_data,
        },
        Err(error) => Statement {
            span,
            text,
            shown: None,
            parsed: Parsed::Unparsed(error),
            change_spans: Vec::new(),
            copy_data,
        },
    }
}
