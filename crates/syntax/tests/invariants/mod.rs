//! What must hold of every text, whatever it is. Used by the property tests and by the fuzz
//! target.

use downhaul_syntax::lexer::{Token, TokenKind, lex};
use downhaul_syntax::split::split;
use downhaul_syntax::{Change, Dialect, LineIndex, Parsed, Span, parse_script};

/// Reads the text in a dialect and checks everything that is promised about the result.
pub(crate) fn check(source: &str, dialect: Dialect) {
    let tokens = lex(source, dialect).tokens;
    lexer_is_lossless(source, &tokens);
    splitter_is_lossless(source, &tokens, dialect);
    let script = parse_script(source, dialect);
    let lines = LineIndex::new(source);
    let mut end = 0;
    for statement in &script.statements {
        assert!(statement.span.start >= end, "statements stand in order");
        end = statement.span.end;
        assert_eq!(statement.text, inside(source, statement.span), "the text is the source's");
        match &statement.parsed {
            Parsed::Changes(changes) => {
                assert!(!changes.is_empty(), "what was understood says something");
                nested(source, statement.span, changes, &statement.change_spans);
            }
            Parsed::Unparsed(error) => {
                inside(source, error.span);
                assert!(!error.message.is_empty());
                let _ = lines.position(source, error.span.start);
            }
        }
        if let Some(rows) = statement.copy_data {
            assert!(rows.start >= end);
            inside(source, rows);
            end = rows.end;
        }
    }
    for error in &script.errors {
        inside(source, error.span);
    }
    for directive in &script.directives {
        inside(source, directive.span);
    }
}

/// The text at a span that lies in the source on character boundaries.
fn inside(source: &str, span: Span) -> &str {
    source.get(span.start..span.end).unwrap_or_else(|| panic!("{span:?} lies in the source"))
}

fn nested(source: &str, outer: Span, changes: &[Change], spans: &[Span]) {
    assert_eq!(changes.len(), spans.len(), "one span for each change");
    for (change, span) in changes.iter().zip(spans) {
        inside(source, *span);
        assert!(outer.start <= span.start && span.end <= outer.end, "{span:?} lies in {outer:?}");
        match change {
            Change::Do { body, body_spans, .. } => nested(source, outer, body, body_spans),
            Change::CreateRoutine { body_changes, body_spans, .. } => {
                nested(source, outer, body_changes, body_spans);
            }
            Change::Dynamic { changes, change_spans, .. } => {
                nested(source, outer, changes, change_spans);
            }
            _ => {}
        }
    }
}

fn lexer_is_lossless(source: &str, tokens: &[Token]) {
    let mut at = 0;
    for token in tokens {
        assert_eq!(token.span.start, at, "no gap and no overlap");
        assert!(!token.span.is_empty(), "no empty token");
        inside(source, token.span);
        at = token.span.end;
    }
    assert_eq!(at, source.len(), "the tokens cover the text");
}

/// Between the statements stands nothing but white space, comments, terminators and rows.
fn splitter_is_lossless(source: &str, tokens: &[Token], dialect: Dialect) {
    let between = |tokens: &[Token]| {
        for token in tokens {
            let nothing = token.kind.is_trivia()
                || matches!(
                    token.kind,
                    TokenKind::Terminator | TokenKind::Semicolon | TokenKind::CopyData
                );
            assert!(nothing, "{:?} belongs to no statement", inside(source, token.span));
        }
    };
    let mut next = 0;
    for raw in split(source, tokens, dialect) {
        assert!(next <= raw.first && raw.first <= raw.last && raw.last < tokens.len());
        between(&tokens[next..raw.first]);
        next = raw.last + 1;
    }
    between(&tokens[next..]);
}
