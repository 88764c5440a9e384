//! What stands inside bodies: `DO` blocks, functions, procedures, dynamic SQL.
//!
//! A body that is a string literal is read in place, so that spans point into the file; where the
//! literal holds escapes, its value is read instead and every span is the literal's.

mod blocks;
mod dynamic;
mod plpgsql;

pub(crate) use blocks::{Session, blocks};

use crate::Change;
use crate::Span;
use crate::lexer::{Token, TokenKind, lex, lex_range};
use crate::parse::cursor::{Cursor, MAX_DEPTH, Parse};
use crate::parse::{Out, dml, is_significant, literal, statement};
use crate::split::split;

/// A body in the quoted string that token `at` is.
pub(crate) fn quoted(cursor: &Cursor<'_>, at: usize, language: &str, out: &mut Out) {
    let Some(token) = cursor.tokens.get(at) else { return };
    let text = token.span.text(cursor.source);
    if cursor.depth >= MAX_DEPTH {
        let text = literal::string_value(text, cursor.dialect);
        out.push_span(cursor.span_of(at, at + 1), Change::DynamicUnknown { text });
        return;
    }
    let read = |inner: &Cursor<'_>, out: &mut Out| match language {
        "plpgsql" => plpgsql::read(inner, out),
        "sql" => sql(inner, out),
        _ => {}
    };
    match literal::verbatim_range(text, cursor.dialect) {
        Some(range) => {
            let start = token.span.start;
            let range = Span::new(start + range.start, start + range.end);
            let tokens = lex_range(cursor.source, range, cursor.dialect).tokens;
            read(&cursor.inside(cursor.source, &tokens, cursor.place), out);
        }
        None => {
            let value = literal::string_value(text, cursor.dialect);
            let tokens = lex(&value, cursor.dialect).tokens;
            let place = cursor.span_of(at, at + 1);
            read(&cursor.inside(&value, &tokens, Some(place)), out);
        }
    }
}

/// A body inside so many bodies is not read: that is told, and true given.
fn too_deep(cursor: &Cursor<'_>, out: &mut Out) -> bool {
    if cursor.depth < MAX_DEPTH {
        return false;
    }
    let (from, to) = (cursor.pos, cursor.tokens.len());
    let text = cursor.text_of(from, to);
    out.push_span(cursor.span_of(from, to), Change::DynamicUnknown { text });
    true
}

/// Statements one after another; the cursor's tokens may hold white space and comments.
fn sql(cursor: &Cursor<'_>, out: &mut Out) {
    for raw in split(cursor.source, cursor.tokens, cursor.dialect) {
        let tokens = significant(&cursor.tokens[raw.first..=raw.last]);
        piece(&Cursor { tokens: &tokens, pos: 0, ..*cursor }, out);
    }
}

fn significant(tokens: &[Token]) -> Vec<Token> {
    tokens.iter().copied().filter(|t| is_significant(t.kind)).collect()
}

/// One statement of a body. What nothing understands is told as dynamic SQL of unknown effect,
/// so that it is not lost.
fn piece(cursor: &Cursor<'_>, out: &mut Out) {
    if cursor.tokens.is_empty() {
        return;
    }
    let mut inner = *cursor;
    let mut found = Out::default();
    match statement::statement(&mut inner, &mut found) {
        Ok(()) => out.append(found),
        Err(_) => {
            let end = cursor.tokens.len();
            let text = cursor.text_of(0, end);
            out.push_span(cursor.span_of(0, end), Change::DynamicUnknown { text });
        }
    }
}

/// An expression that is evaluated for what it does.
fn select(cursor: &Cursor<'_>, out: &mut Out) {
    if !cursor.tokens.is_empty() {
        // Only parentheses that do not match are refused, and these change nothing.
        let _ = dml::select(&mut { *cursor }, out, 0);
    }
}

/// The statements of a `BEGIN ATOMIC` body, from the cursor's position on.
pub(crate) fn sql_statements(cursor: &Cursor<'_>, out: &mut Out) {
    if too_deep(cursor, out) {
        return;
    }
    let mut inner = Cursor { depth: cursor.depth + 1, ..*cursor };
    while !inner.at_end() {
        let (from, to) = rest_of_statement(&mut inner);
        let one = inner.over(from, to);
        if one.is("RETURN") {
            select(&one.over(1, one.tokens.len()), out);
        } else if !one.is("END") {
            piece(&one, out);
        }
    }
}

/// Moves behind the next terminator; gives the tokens before it.
fn rest_of_statement(cursor: &mut Cursor<'_>) -> (usize, usize) {
    let from = cursor.pos;
    while !cursor.at_end() && !at_terminator(cursor) {
        cursor.bump();
    }
    let to = cursor.pos;
    cursor.bump();
    (from, to)
}

fn at_terminator(cursor: &Cursor<'_>) -> bool {
    matches!(cursor.kind(), Some(TokenKind::Terminator | TokenKind::Semicolon))
}

/// Moves to the next of `words` in this statement, those inside parentheses and `CASE … END` left
/// out; gives the tokens before it. Stops at the statement's end.
fn skip_to(cursor: &mut Cursor<'_>, words: &[&str]) -> (usize, usize) {
    let from = cursor.pos;
    let mut depth = 0usize;
    let mut cases = 0usize;
    while let Some(kind) = cursor.kind() {
        match kind {
            TokenKind::LeftParen => depth += 1,
            TokenKind::RightParen => depth = depth.saturating_sub(1),
            TokenKind::Terminator | TokenKind::Semicolon => break,
            TokenKind::Word if depth == 0 => {
                if cases == 0 && cursor.is_any(words) {
                    break;
                }
                if cursor.is("CASE") {
                    cases += 1;
                } else if cursor.is("END") {
                    cases = cases.saturating_sub(1);
                }
            }
            _ => {}
        }
        cursor.bump();
    }
    (from, cursor.pos)
}

/// Behind `DO`.
pub(crate) fn do_block(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    if cursor.is_mysql() {
        cursor.rest();
        out.push(cursor, from, Change::NoEffect { verb: "do".to_owned() });
        return Ok(());
    }
    let mut language = "plpgsql".to_owned();
    let mut body_text = None;
    let mut at = 0;
    while !cursor.at_end() {
        if cursor.eat("LANGUAGE") {
            language = match cursor.string_opt() {
                Some(text) => text,
                None => cursor.ident("a language")?.as_str().to_owned(),
            };
        } else if matches!(cursor.kind(), Some(TokenKind::String | TokenKind::DollarString)) {
            at = cursor.pos;
            body_text = cursor.string_opt();
        } else {
            return Err(cursor.expected("the body as a string"));
        }
    }
    let Some(body_text) = body_text else { return Err(cursor.expected("the body as a string")) };
    let mut body = Out::default();
    match language.to_lowercase().as_str() {
        known @ ("plpgsql" | "sql") => quoted(cursor, at, known, &mut body),
        _ => body.push_span(
            cursor.span_of(at, at + 1),
            Change::DynamicUnknown { text: body_text.clone() },
        ),
    }
    let Out { changes: mut body, spans: body_spans } = body;
    if passes_duplicates(&body_text) {
        for change in &mut body {
            if let Change::AddConstraint { if_not_exists, .. } = change {
                *if_not_exists = true;
            }
        }
    }
    out.push(cursor, from, Change::Do { body, body_spans, body_text });
    Ok(())
}

/// `EXCEPTION WHEN duplicate_object THEN NULL`: what is there already stays, as with `IF NOT EXISTS`.
fn passes_duplicates(body: &str) -> bool {
    let lower = body.to_lowercase();
    let Some((_, handlers)) = lower.rsplit_once("exception") else { return false };
    let words: Vec<&str> = handlers
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|w| !w.is_empty())
        .collect();
    let passed = words.iter().position(|w| *w == "then").is_some_and(|then| {
        words[..then].iter().any(|w| matches!(*w, "duplicate_object" | "others"))
            && words[then + 1..].first() == Some(&"null")
    });
    passed && words.first() == Some(&"when")
}

impl<'a> Cursor<'a> {
    /// A cursor over the tokens of a body, one level deeper.
    fn inside<'b>(&self, source: &'b str, tokens: &'b [Token], place: Option<Span>) -> Cursor<'b> {
        Cursor {
            source,
            tokens,
            pos: 0,
            dialect: self.dialect,
            depth: self.depth + 1,
            in_body: self.in_body,
            place,
        }
    }
}

#[cfg(test)]
mod tests;
