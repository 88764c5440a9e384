//! Values of string literals and quoted identifiers.

use crate::Dialect;

/// The value of a string literal with its quotes and prefix. Bit and hex strings keep their
/// digits.
pub(crate) fn string_value(text: &str, dialect: Dialect) -> String {
    if let Some(inner) = dollar_inner(text) {
        return inner.to_owned();
    }
    let Some(open) = text.find(['\'', '"']) else { return text.to_owned() };
    let prefix = &text[..open];
    let quote = text.as_bytes()[open];
    let inner = match text.len() {
        len if len > open + 1 && text.as_bytes()[len - 1] == quote => &text[open + 1..len - 1],
        _ => &text[open + 1..],
    };
    let backslash = match dialect {
        Dialect::Postgres => prefix.eq_ignore_ascii_case("e"),
        Dialect::Mysql | Dialect::MariaDb => true,
        Dialect::Sqlite => false,
    };
    if prefix.eq_ignore_ascii_case("u&") {
        return unicode_escapes(&doubled(inner, char::from(quote)));
    }
    if !backslash {
        return doubled(inner, char::from(quote));
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == char::from(quote) {
            out.push(c);
            chars.next();
        } else if c == '\\' {
            escape(&mut chars, dialect, &mut out);
        } else {
            out.push(c);
        }
    }
    out
}

/// Where a literal's value stands in its text, if that is the value byte for byte.
pub(crate) fn verbatim_range(text: &str, dialect: Dialect) -> Option<std::ops::Range<usize>> {
    if let Some(inner) = dollar_inner(text) {
        let start = (text.len() - inner.len()) / 2;
        return Some(start..start + inner.len());
    }
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = text.get(1..)?.strip_suffix(quote)?;
    let escapes = inner.contains(quote) || dialect.is_mysql_family() && inner.contains('\\');
    (!escapes).then_some(1..text.len() - 1)
}

/// What stands inside `$tag$ … $tag$`.
pub(crate) fn dollar_inner(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('$')?;
    let tag = rest.find('$')? + 2;
    text.get(tag..text.len().checked_sub(tag)?)
}

fn escape(chars: &mut std::str::Chars<'_>, dialect: Dialect, out: &mut String) {
    let Some(c) = chars.next() else { return };
    match (c, dialect) {
        ('n', _) => out.push('\n'),
        ('t', _) => out.push('\t'),
        ('r', _) => out.push('\r'),
        ('b', _) => out.push('\u{8}'),
        ('0', Dialect::Mysql | Dialect::MariaDb) => out.push('\0'),
        ('Z', Dialect::Mysql | Dialect::MariaDb) => out.push('\u{1a}'),
        // Kept, since they matter inside LIKE patterns (MySQL manual §11.1.1).
        ('%' | '_', Dialect::Mysql | Dialect::MariaDb) => {
            out.push('\\');
            out.push(c);
        }
        ('f', Dialect::Postgres) => out.push('\u{c}'),
        ('u', Dialect::Postgres) => hex(chars, 4, out),
        ('U', Dialect::Postgres) => hex(chars, 8, out),
        ('x', Dialect::Postgres) => hex(chars, 2, out),
        _ => out.push(c),
    }
}

fn hex(chars: &mut std::str::Chars<'_>, digits: usize, out: &mut String) {
    let mut value = 0u32;
    for _ in 0..digits {
        let Some(digit) = chars.clone().next().and_then(|c| c.to_digit(16)) else { break };
        value = value.wrapping_mul(16).wrapping_add(digit);
        chars.next();
    }
    out.push(char::from_u32(value).unwrap_or('\u{fffd}'));
}

/// `\0041` and `\+000041` with the default escape character.
fn unicode_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.clone().next() {
            Some('\\') => {
                chars.next();
                out.push('\\');
            }
            Some('+') => {
                chars.next();
                hex(&mut chars, 6, &mut out);
            }
            Some(d) if d.is_ascii_hexdigit() => hex(&mut chars, 4, &mut out),
            _ => out.push('\\'),
        }
    }
    out
}

fn doubled(inner: &str, quote: char) -> String {
    if !inner.contains(quote) {
        return inner.to_owned();
    }
    let pair: String = [quote, quote].iter().collect();
    inner.replace(&pair, quote.encode_utf8(&mut [0; 4]))
}

/// The name inside `"x"`, `` `x` ``, `[x]` or `U&"x"`.
pub(crate) fn unquoted_ident(text: &str) -> String {
    if let Some(rest) = text.strip_prefix(['u', 'U']).and_then(|t| t.strip_prefix('&')) {
        return unicode_escapes(&unquoted_ident(rest));
    }
    let mut chars = text.chars();
    let Some(open) = chars.next() else { return String::new() };
    let close = if open == '[' { ']' } else { open };
    let inner = chars.as_str();
    let inner = inner.strip_suffix(close).unwrap_or(inner);
    doubled(inner, close)
}

/// For messages: at most 40 characters of one line.
pub(crate) fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    let mut short: String = line.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (dialect, text, value) in [
            (Dialect::Postgres, "'it''s \\n'", "it's \\n"),
            (Dialect::Postgres, r"E'a\n\'\u00e9'", "a\n'é"),
            (Dialect::Postgres, r"U&'\0061\+000062'", "ab"),
            (Dialect::Postgres, "$x$ ' $$ $x$", " ' $$ "),
            (Dialect::Postgres, "$$$$", ""),
            (Dialect::Mysql, r#""a\"b""c""#, "a\"b\"c"),
            (Dialect::Mysql, r"'50\%'", "50\\%"),
            (Dialect::Sqlite, r"'\'", "\\"),
            (Dialect::Postgres, "X'ff'", "ff"),
        ] {
            assert_eq!(string_value(text, dialect), value, "{text}");
        }
        for (text, name) in
            [("\"a\"\"b\"", "a\"b"), ("`x`", "x"), ("[a b]", "a b"), ("U&\"\\0061\"", "a")]
        {
            assert_eq!(unquoted_ident(text), name, "{text}");
        }
    }
}
