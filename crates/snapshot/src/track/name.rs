//! Names of live tables as people write them.

use downhaul_syntax::{Dialect, Ident, ObjectName};

use crate::store::SnapshotError;

const D: Dialect = Dialect::Postgres;

fn no_name(text: &str) -> SnapshotError {
    SnapshotError::CannotTrack(format!("`{text}` is no name of a table"))
}

/// As [`parse_name`], for any engine.
pub fn parse_name_in(dialect: Dialect, text: &str) -> Result<ObjectName, SnapshotError> {
    if !dialect.is_mysql_family() {
        return parse_name(text);
    }
    // Names keep their case: on some systems it tells tables apart.
    let bare = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    let name = bare.map_or_else(|| text.to_owned(), |name| name.replace("``", "`"));
    if name.is_empty() {
        return Err(no_name(text));
    }
    Ok(ObjectName::bare(Ident::stored(dialect, &name)))
}

/// How a live table's name is written by a person: `orders`, `shop.orders`, `"Odd name"`.
pub fn parse_name(text: &str) -> Result<ObjectName, SnapshotError> {
    let mut parts: Vec<Ident> = Vec::new();
    let mut rest = text;
    loop {
        let (part, quoted, after) = if let Some(body) = rest.strip_prefix('"') {
            let mut end = 0;
            let bytes = body.as_bytes();
            loop {
                match bytes.get(end) {
                    Some(b'"') if bytes.get(end + 1) == Some(&b'"') => end += 2,
                    Some(b'"') => break,
                    Some(_) => end += 1,
                    None => {
                        return Err(no_name(text));
                    }
                }
            }
            (body[..end].replace("\"\"", "\""), true, &body[end + 1..])
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (rest[..end].to_owned(), false, &rest[end..])
        };
        if part.is_empty() {
            return Err(no_name(text));
        }
        parts.push(if quoted { Ident::stored(D, &part) } else { Ident::new(D, &part, false) });
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None if after.is_empty() => break,
            None => {
                return Err(no_name(text));
            }
        }
    }
    let name = parts.pop().expect("a loop that ends has pushed a part");
    match (parts.pop(), parts.is_empty()) {
        (schema, true) => Ok(ObjectName { schema, name }),
        _ => Err(SnapshotError::CannotTrack(format!("`{text}` has too many parts"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_people_write_them() {
        let read = |text: &str| D.quote_name(&parse_name(text).unwrap());
        assert_eq!(read("Orders"), r#""orders""#);
        assert_eq!(read("shop.Orders"), r#""shop"."orders""#);
        assert_eq!(read(r#""Odd ""name"".x""#), r#""Odd ""name"".x""#);
        assert_eq!(read(r#"shop."a.b""#), r#""shop"."a.b""#);
        for wrong in ["", "a.", ".a", "\"a", "a.b.c", "\"a\"b"] {
            assert!(parse_name(wrong).is_err(), "{wrong}");
        }
    }
}
