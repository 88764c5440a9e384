//! What of a text matters: its tokens without white space and comments.

use crate::directive::parse_directive;
use crate::{Dialect, Span, lexer};

/// The tokens that decide what a text does, in order. Comments go, except directives, which change
/// what is done.
#[must_use]
pub fn significant(source: &str, dialect: Dialect) -> Vec<&str> {
    lexer::lex(source, dialect)
        .tokens
        .iter()
        .map(|token| (token.kind, token.span.text(source)))
        .filter(|(kind, text)| {
            !kind.is_trivia()
                || (kind.is_comment() && parse_directive(text, Span::default()).is_some())
        })
        .map(|(_, text)| text)
        .collect()
}
