//! A small lossless tokenizer for stored text.

use downhaul_syntax::{Dialect, Ident};

/// Kinds of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// White space and comments.
    Space,
    /// An unquoted identifier or keyword.
    Word,
    /// A quoted identifier.
    Quoted,
    /// A string literal, prefix and quotes included.
    Str,
    /// A number.
    Number,
    /// An operator or punctuation.
    Op,
}

/// A piece of text; all pieces together are the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'t> {
    pub(crate) kind: Kind,
    pub(crate) text: &'t str,
}

impl Token<'_> {
    /// The identifier that the token may be; keywords count as identifiers.
    pub(crate) fn ident(&self, dialect: Dialect) -> Option<Ident> {
        match self.kind {
            Kind::Word => Some(Ident::new(dialect, self.text, false)),
            Kind::Quoted => Some(Ident::new(dialect, &unquoted(self.text), true)),
            _ => None,
        }
    }
}

/// The content of a quoted identifier or plain string literal.
pub(crate) fn unquoted(text: &str) -> String {
    let mut chars = text.chars();
    let Some(open) = chars.next() else { return String::new() };
    let close = if open == '[' { ']' } else { open };
    let inner = text.get(open.len_utf8()..text.len().saturating_sub(1)).unwrap_or("");
    inner.replace(&format!("{close}{close}"), &close.to_string())
}

/// Cuts a text into tokens. An unterminated literal reaches to the end.
pub(crate) fn tokens(text: &str, dialect: Dialect) -> Vec<Token<'_>> {
    let lexical = dialect.lexical();
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let byte = bytes[at];
        let (kind, len) = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => {
                (Kind::Space, count(rest, |b| b.is_ascii_whitespace() || b == 0x0c))
            }
            b'-' if rest.starts_with(b"--") => (Kind::Space, count(rest, |b| b != b'\n')),
            b'/' if rest.starts_with(b"/*") => {
                (Kind::Space, find(rest, b"*/").map_or(rest.len(), |i| i + 2))
            }
            b'\'' => (Kind::Str, literal(rest, b'\'', lexical.backslash_escapes)),
            b'"' if lexical.double_quotes_are_strings => {
                (Kind::Str, literal(rest, b'"', lexical.backslash_escapes))
            }
            b'"' => (Kind::Quoted, literal(rest, b'"', false)),
            b'`' if lexical.backtick_identifiers => (Kind::Quoted, literal(rest, b'`', false)),
            b'[' if lexical.bracket_identifiers => {
                (Kind::Quoted, find(rest, b"]").map_or(rest.len(), |i| i + 1))
            }
            b'$' if lexical.dollar_quotes => match dollar(rest) {
                Some(len) => (Kind::Str, len),
                None => (Kind::Op, 1 + count(&rest[1..], |b| b.is_ascii_digit())),
            },
            b'0'..=b'9' => (Kind::Number, number(rest)),
            b'.' if rest.get(1).is_some_and(u8::is_ascii_digit) => (Kind::Number, number(rest)),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => {
                let word = count(rest, |b| {
                    b == b'_' || b == b'$' || b.is_ascii_alphanumeric() || b >= 0x80
                });
                let prefixed = rest.get(word) == Some(&b'\'')
                    && word == 1
                    && matches!(byte | 0x20, b'e' | b'b' | b'x' | b'n');
                if prefixed {
                    let escapes = lexical.backslash_escapes || byte | 0x20 == b'e';
                    (Kind::Str, word + literal(&rest[word..], b'\'', escapes))
                } else {
                    (Kind::Word, word)
                }
            }
            _ => (Kind::Op, operator(rest)),
        };
        let end = at + len.max(1);
        // A cut inside a character cannot happen: every byte tested for is ASCII, and all bytes of
        // a longer character are at least 0x80 and stay in one word.
        out.push(Token { kind, text: text.get(at..end).unwrap_or(&text[at..]) });
        at = end;
    }
    out
}

fn count(bytes: &[u8], test: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|b| test(**b)).count()
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|w| w == needle)
}

/// Length of a literal that begins at its opening quote.
fn literal(bytes: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        if escapes && bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at] == quote {
            if bytes.get(at + 1) == Some(&quote) {
                at += 2;
            } else {
                return at + 1;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// Length of a dollar-quoted string, where one begins here.
fn dollar(bytes: &[u8]) -> Option<usize> {
    let tag = 1 + count(&bytes[1..], |b| b == b'_' || b.is_ascii_alphanumeric() || b >= 0x80);
    if bytes.get(tag) != Some(&b'$') || bytes[1].is_ascii_digit() {
        return None;
    }
    let mark = &bytes[..=tag];
    Some(find(&bytes[tag + 1..], mark).map_or(bytes.len(), |i| tag + 1 + i + mark.len()))
}

fn number(bytes: &[u8]) -> usize {
    let mut len = count(bytes, |b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_');
    if matches!(bytes[len - 1], b'e' | b'E')
        && matches!(bytes.get(len), Some(b'+' | b'-'))
        && bytes[0].is_ascii_digit()
        && !bytes.starts_with(b"0x")
    {
        len += 1 + count(&bytes[len + 1..], |b| b.is_ascii_digit());
    }
    len
}

fn operator(bytes: &[u8]) -> usize {
    const SINGLE: &[u8] = b"()[],;.?";
    if SINGLE.contains(&bytes[0]) {
        return 1;
    }
    if bytes.starts_with(b"::") {
        return 2;
    }
    let len = count(bytes, |b| b"+-*/<>=~!@#%^&|:".contains(&b));
    // `a=-1` is two operators: `-` and `+` end an operator only behind a special character.
    let special = bytes[..len].iter().any(|b| b"~!@#%^&|?".contains(b));
    let mut end = len;
    while end > 1 && !special && matches!(bytes[end - 1], b'-' | b'+') {
        end -= 1;
    }
    end.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, dialect: Dialect, expect: &[(Kind, &str)]) {
        let all = tokens(text, dialect);
        assert_eq!(all.iter().map(|t| t.text).collect::<String>(), text, "lossless");
        let seen: Vec<_> =
            all.iter().filter(|t| t.kind != Kind::Space).map(|t| (t.kind, t.text)).collect();
        assert_eq!(seen, expect, "{text}");
    }

    #[test]
    fn texts_are_cut_as_the_dialect_reads_them() {
        use Kind::{Number, Op, Quoted, Str, Word};
        check(
            "a>=-1 AND \"B\"\"c\"<>E'x\\'y'",
            Dialect::Postgres,
            &[
                (Word, "a"),
                (Op, ">="),
                (Op, "-"),
                (Number, "1"),
                (Word, "AND"),
                (Quoted, "\"B\"\"c\""),
                (Op, "<>"),
                (Str, "E'x\\'y'"),
            ],
        );
        check(
            "x::text || $$a'b$$ || 1.5e-3",
            Dialect::Postgres,
            &[
                (Word, "x"),
                (Op, "::"),
                (Word, "text"),
                (Op, "||"),
                (Str, "$$a'b$$"),
                (Op, "||"),
                (Number, "1.5e-3"),
            ],
        );
        check("`a``b` = \"s\"", Dialect::Mysql, &[(Quoted, "`a``b`"), (Op, "="), (Str, "\"s\"")]);
        check("[a b]='it''s", Dialect::Sqlite, &[(Quoted, "[a b]"), (Op, "="), (Str, "'it''s")]);
    }

    #[test]
    fn unquoting_undoes_doubling() {
        assert_eq!(unquoted("\"a\"\"b\""), "a\"b");
        assert_eq!(unquoted("[a b]"), "a b");
        assert_eq!(unquoted("'it''s'"), "it's");
    }
}
