//! What stands inside bodies: `DO` blocks, functions, procedures, dynamic SQL.

use crate::Change;
use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::cursor::{Cursor, Parse};

/// A body in the quoted string that token `at` is.
pub(crate) fn quoted(_cursor: &Cursor<'_>, _at: usize, _language: &str, _out: &mut Vec<Change>) {}

/// The statements of a `BEGIN ATOMIC` body.
pub(crate) fn sql_statements(_cursor: &Cursor<'_>, _out: &mut Vec<Change>) {}

/// The statements of a MySQL body.
pub(crate) fn blocks(_cursor: &Cursor<'_>, _out: &mut Vec<Change>) {}

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
    let mut body = Vec::new();
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
    quoted(cursor, at, &language.to_lowercase(), &mut body);
    out.push(cursor, from, Change::Do { body, body_text });
    Ok(())
}
