//! Placeholders `${name}` in migration files, and the values that stand for them.
//!
//! Nothing is replaced unless the caller gives [`Variables`]. Then every `${name}` outside of
//! comments is, and one without a value is an error with its place. What stands inside of quotes
//! stays inside of them: in `'…'` and `"…"` the quote that would end it is doubled; in dollar quotes
//! and outside of quotes the value goes in as it is. `${$}` is a dollar sign, so that `${$}{x}` comes
//! out as `${x}`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use downhaul_syntax::lexer::{TokenKind, lex};
use downhaul_syntax::{Dialect, Span};

use crate::checksum::sha256;

/// Values by name. `Debug` shows the names alone: values may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables {
    values: BTreeMap<String, String>,
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// A placeholder without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariable {
    /// Its name.
    pub name: String,
    /// Byte in the text.
    pub offset: usize,
}

/// A text with its placeholders replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// What goes to the server.
    pub text: String,
    /// Names that occur.
    pub used: BTreeSet<String>,
    /// Placeholders and the values in their places: byte ranges before and after, in order.
    places: Vec<(Span, Span)>,
}

impl Expanded {
    /// A text without placeholders.
    #[must_use]
    pub fn unchanged(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    /// The place in the file of a place in the expanded text; inside of a value, its placeholder.
    #[must_use]
    pub fn in_file(&self, offset: usize) -> usize {
        let at = self.places.partition_point(|(_, after)| after.start <= offset);
        match at.checked_sub(1).map(|at| self.places[at]) {
            None => offset,
            Some((before, after)) if offset < after.end => before.start,
            Some((before, after)) => before.end + (offset - after.end),
        }
    }

    /// The part of the file that a part of the expanded text was made of.
    #[must_use]
    pub fn source<'f>(&self, file: &'f str, span: Span) -> &'f str {
        let span = self.span_in_file(span);
        file.get(span.start..span.end).unwrap_or_default()
    }

    /// The place in the file of a part of the expanded text: placeholders are taken whole.
    #[must_use]
    pub fn span_in_file(&self, span: Span) -> Span {
        let start = self.in_file(span.start);
        let inside = self.places.iter().find(|(_, a)| a.start < span.end && span.end <= a.end);
        let end = inside.map_or_else(|| self.in_file(span.end), |(before, _)| before.end);
        Span::new(start, end.max(start))
    }
}

impl Variables {
    /// Values by name.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: values.into_iter().collect() }
    }

    /// Names that have a value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Replaces the placeholders of a text.
    ///
    /// # Errors
    /// The first placeholder that has no value.
    pub fn expand(&self, text: &str, dialect: Dialect) -> Result<Expanded, UnknownVariable> {
        let mut out = Expanded::default();
        if !text.contains("${") {
            text.clone_into(&mut out.text);
            return Ok(out);
        }
        for token in lex(text, dialect).tokens {
            let part = token.span.text(text);
            if token.kind.is_comment() {
                out.text.push_str(part);
                continue;
            }
            let quote = quote_of(token.kind, part);
            let (mut at, end) = (token.span.start, token.span.end);
            while let Some(found) = text[at..end].find("${") {
                out.text.push_str(&text[at..at + found]);
                let start = at + found;
                let Some(name) = name_at(&text[start..end]) else {
                    out.text.push_str("${");
                    at = start + 2;
                    continue;
                };
                let behind = start + name.len() + 3;
                let value = match (name, self.values.get(name)) {
                    ("$", _) => "$",
                    (_, Some(value)) => value,
                    (_, None) => {
                        return Err(UnknownVariable { name: name.to_owned(), offset: start });
                    }
                };
                let from = out.text.len();
                push_value(&mut out.text, value, quote, dialect);
                out.places.push((Span::new(start, behind), Span::new(from, out.text.len())));
                if name != "$" {
                    out.used.insert(name.to_owned());
                }
                at = behind;
            }
            out.text.push_str(&text[at..end]);
        }
        Ok(out)
    }

    /// A hash of the values that a file uses, which tells whether one changed and does not tell it:
    /// the file's own hash is part of it, so that equal values in two files do not show.
    #[must_use]
    pub fn hash(&self, used: &BTreeSet<String>, file: &str) -> String {
        let values = used.iter().filter_map(|n| Some([n.as_str(), self.values.get(n)?.as_str()]));
        let parts = std::iter::once(file).chain(values.flatten());
        sha256(parts.flat_map(|part| [part.as_bytes(), b"\0"]))
    }

    /// A message of the server in which no value of four or more characters shows.
    #[must_use]
    pub fn redact(&self, message: &str) -> String {
        let mut message = message.to_owned();
        let mut values: Vec<(&String, &String)> =
            self.values.iter().filter(|(_, value)| value.chars().count() >= 4).collect();
        // A value may be part of another.
        values.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        for (name, value) in values {
            message = message.replace(value.as_str(), &format!("${{{name}}}"));
        }
        message
    }
}

/// The quote that ends a token in which a value is put.
fn quote_of(kind: TokenKind, part: &str) -> Option<char> {
    match kind {
        TokenKind::String | TokenKind::QuotedIdent => part.chars().find(|c| "'\"`[".contains(*c)),
        _ => None,
    }
}

fn push_value(out: &mut String, value: &str, quote: Option<char>, dialect: Dialect) {
    let end = match quote {
        Some('[') => Some(']'),
        other => other,
    };
    for c in value.chars() {
        let escape = c == '\\' && end == Some('\'') && dialect.is_mysql_family();
        if Some(c) == end || escape {
            out.push(c);
        }
        out.push(c);
    }
}

/// `name` of a text that begins with `${name}`.
fn name_at(text: &str) -> Option<&str> {
    let inner = text.get(2..2 + text.get(2..)?.find('}')?)?;
    let mut chars = inner.chars();
    let first = chars.next()?;
    let plain = (first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-'));
    (plain || inner == "$").then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        Variables::new(
            [("schema", "app"), ("who", "O'Brien"), ("odd", "a\"b\\c")]
                .map(|(n, v)| (n.to_owned(), v.to_owned())),
        )
    }

    #[test]
    fn values_stay_inside_of_their_quotes() {
        let check = |dialect, text: &str, expect: &str| {
            assert_eq!(variables().expand(text, dialect).unwrap().text, expect, "{text}");
        };
        let pg = Dialect::Postgres;
        check(pg, "SELECT * FROM ${schema}.t", "SELECT * FROM app.t");
        check(pg, "SELECT 'x ${who}', \"${odd}\"", "SELECT 'x O''Brien', \"a\"\"b\\c\"");
        check(pg, "DO $$ BEGIN RAISE '${who}'; END $$", "DO $$ BEGIN RAISE 'O'Brien'; END $$");
        check(pg, "-- ${nothing}\nSELECT 1 /* ${x} */", "-- ${nothing}\nSELECT 1 /* ${x} */");
        check(pg, "SELECT '${$}{x} ${ schema } $schema'", "SELECT '${x} ${ schema } $schema'");
        check(Dialect::Mysql, "SELECT '${odd}'", "SELECT 'a\"b\\\\c'");
        check(Dialect::Mysql, "SELECT `${schema}`", "SELECT `app`");
        check(Dialect::Sqlite, "SELECT [${odd}]", "SELECT [a\"b\\c]");
    }

    #[test]
    fn one_without_a_value_is_an_error_with_its_place() {
        let error = variables().expand("SELECT ${schema}, ${nope}", Dialect::Postgres).unwrap_err();
        assert_eq!((error.name.as_str(), error.offset), ("nope", 18));
    }

    #[test]
    fn places_lead_back_to_the_file() {
        let file = "SELECT ${schema}.a, ${who} FROM t";
        let expanded = variables().expand(file, Dialect::Postgres).unwrap();
        for word in [".a", "FROM", "SELECT"] {
            let at = expanded.text.find(word).unwrap();
            assert_eq!(expanded.in_file(at), file.find(word).unwrap(), "{word}");
        }
        assert_eq!(expanded.in_file(expanded.text.find("Brien").unwrap()), 20);
        let whole = Span::new(0, expanded.text.len());
        assert_eq!(expanded.source(file, whole), file);
        assert_eq!(expanded.used.len(), 2);
    }

    #[test]
    fn secrets_do_not_show() {
        let variables = Variables::new([("key".to_owned(), "s3cret".to_owned())]);
        assert_eq!(variables.redact("near \"s3cret\""), "near \"${key}\"");
        assert!(!format!("{variables:?}").contains("s3cret"));
        let used = BTreeSet::from(["key".to_owned()]);
        let other = Variables::new([("key".to_owned(), "other".to_owned())]);
        assert_ne!(variables.hash(&used, "f"), other.hash(&used, "f"));
        assert_ne!(variables.hash(&used, "f"), variables.hash(&used, "g"));
    }
}
