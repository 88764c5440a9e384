//! Sequences.

use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::cursor::{Cursor, Parse, name_of_parts};
use crate::{Change, Ident, ObjectKind, ObjectName};

/// `OWNED BY table.column`, `OWNED BY NONE` and the other options to the end.
struct Options {
    text: String,
    restart: bool,
    owned_by: Option<(ObjectName, Ident)>,
}

fn options(cursor: &mut Cursor<'_>) -> Parse<Options> {
    let from = cursor.pos;
    let (mut restart, mut owned_by) = (false, None);
    while !cursor.at_end() {
        if cursor.eat_all(&["OWNED", "BY"]) {
            let mut parts = vec![cursor.ident("a column")?];
            while cursor.eat_kind(TokenKind::Dot) {
                parts.push(cursor.ident("a column")?);
            }
            if parts.len() > 1
                && let Some(column) = parts.pop()
            {
                owned_by = Some((name_of_parts(parts), column));
            }
        } else if cursor.eat("RESTART") {
            restart = true;
        } else if matches!(cursor.kind(), Some(TokenKind::LeftParen | TokenKind::Comma)) {
            return Err(cursor.expected("a sequence option"));
        } else {
            cursor.bump();
        }
    }
    Ok(Options { text: cursor.text_from(from), restart, owned_by })
}

/// Behind `CREATE [TEMPORARY] SEQUENCE`.
pub(crate) fn create_sequence(
    cursor: &mut Cursor<'_>,
    out: &mut Out,
    temporary: bool,
) -> Parse<()> {
    let from = cursor.pos;
    let if_not_exists = cursor.if_not_exists();
    let name = cursor.object_name("a sequence name")?;
    let Options { text, owned_by, .. } = options(cursor)?;
    out.push(
        cursor,
        from,
        Change::CreateSequence { name, if_not_exists, temporary, text, owned_by },
    );
    Ok(())
}

/// Behind `ALTER SEQUENCE`.
pub(crate) fn alter_sequence(cursor: &mut Cursor<'_>, out: &mut Out) -> Parse<()> {
    let from = cursor.pos;
    let if_exists = cursor.if_exists();
    let name = cursor.object_name("a sequence name")?;
    let kind = ObjectKind::Sequence;
    let change = if cursor.eat_all(&["RENAME", "TO"]) {
        let to = cursor.ident("a new name")?;
        Change::Rename { kind, table: None, from: name, to }
    } else if cursor.eat_all(&["OWNER", "TO"]) {
        Change::SetOwner { kind, name, owner: cursor.ident("a role")?.as_str().to_owned() }
    } else if cursor.eat_all(&["SET", "SCHEMA"]) {
        Change::SetSchema { kind, name, schema: cursor.ident("a schema name")? }
    } else {
        if cursor.at_end() {
            return Err(cursor.expected("a sequence option"));
        }
        let Options { text, restart, owned_by } = options(cursor)?;
        Change::AlterSequence { name, if_exists, text, restart, owned_by }
    };
    out.push(cursor, from, change);
    Ok(())
}
