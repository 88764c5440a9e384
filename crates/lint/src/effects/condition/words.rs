//! Reads the text of a condition: comparisons of a column or of its length with constants, lists,
//! `IS NOT NULL`, joined by AND.

use downhaul_syntax::lexer::{self, TokenKind};
use downhaul_syntax::{Dialect, Ident};

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Subject {
    Value(Ident),
    Length(Ident),
}

/// A bound and whether it belongs to the range.
pub(super) type Bound = (f64, bool);

/// One condition that must not be false.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Atom {
    NotNull(Ident),
    Range {
        of: Subject,
        low: Option<Bound>,
        high: Option<Bound>,
    },
    OneOf(Ident, Vec<String>),
    Not(Ident, String),
    NotNumber(Ident, f64),
    /// `c = upper(c)`; the other way round with `lower`.
    Folded {
        column: Ident,
        upper: bool,
    },
}

/// A condition as words, without casts.
pub(super) struct Words {
    dialect: Dialect,
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    /// A name or keyword; whether it was quoted.
    Name(String, bool),
    Text(String),
    Number(f64),
    /// An operator, a bracket or a comma.
    Sign(String),
}

impl Word {
    fn is(&self, word: &str) -> bool {
        match self {
            Self::Name(name, quoted) => !quoted && name.eq_ignore_ascii_case(word),
            Self::Sign(sign) => sign == word,
            _ => false,
        }
    }
}

impl Words {
    pub(super) fn of(text: &str, dialect: Dialect) -> Self {
        let mut words = Vec::new();
        for token in lexer::lex(text, dialect).tokens.into_iter().filter(|t| !t.kind.is_trivia()) {
            let part = text.get(token.span.start..token.span.end).unwrap_or_default();
            words.push(match token.kind {
                TokenKind::Word => Word::Name(part.to_owned(), false),
                TokenKind::QuotedIdent => {
                    Word::Name(part.trim_matches(['"', '`', '[', ']']).to_owned(), true)
                }
                TokenKind::String if part.starts_with('\'') && part.len() > 1 => {
                    Word::Text(part[1..part.len() - 1].replace("''", "'"))
                }
                TokenKind::Number => match part.parse() {
                    Ok(number) => Word::Number(number),
                    Err(_) => Word::Sign(part.to_owned()),
                },
                _ => Word::Sign(part.to_owned()),
            });
        }
        let words = without_casts(words);
        Self { dialect, words }
    }

    /// What is joined by OR, each by itself.
    pub(super) fn alternatives(&self) -> Vec<Self> {
        let either = split(without_brackets(&self.words), "or");
        either.iter().map(|w| Self { dialect: self.dialect, words: w.to_vec() }).collect()
    }

    /// What is joined by AND; `None` for what is not understood.
    pub(super) fn conjuncts(&self) -> Vec<Option<Atom>> {
        let mut out = Vec::new();
        self.conjuncts_of(&self.words, &mut out);
        out
    }

    fn conjuncts_of(&self, words: &[Word], out: &mut Vec<Option<Atom>>) {
        let words = without_brackets(words);
        let parts = split(words, "and");
        if parts.len() > 1 {
            for part in parts {
                self.conjuncts_of(part, out);
            }
            return;
        }
        let either = split(words, "or");
        if let [a, b] = either[..] {
            // A check that is neither true nor false is passed: `c IS NULL OR …` says no more.
            let alone = match (self.demands_null(a), self.demands_null(b)) {
                (Some(c), None) => Some((c, b)),
                (None, Some(c)) => Some((c, a)),
                _ => None,
            };
            let mut inner = Vec::new();
            if let Some((column, rest)) = alone {
                self.conjuncts_of(rest, &mut inner);
                let about = |a: &Option<Atom>| match a {
                    Some(Atom::Range { of: Subject::Value(c) | Subject::Length(c), .. })
                    | Some(
                        Atom::OneOf(c, _)
                        | Atom::Not(c, _)
                        | Atom::NotNumber(c, _)
                        | Atom::Folded { column: c, .. },
                    ) => *c == column,
                    _ => false,
                };
                if inner.iter().all(about) {
                    out.extend(inner);
                    return;
                }
            }
            out.push(None);
            return;
        }
        out.push(if either.len() > 1 { None } else { self.atom(words) });
    }

    fn demands_null(&self, words: &[Word]) -> Option<Ident> {
        match without_brackets(words) {
            [name @ .., is, null] if is.is("is") && null.is("null") => self.column(name),
            _ => None,
        }
    }

    fn column(&self, words: &[Word]) -> Option<Ident> {
        match without_brackets(words) {
            [Word::Name(name, quoted)] => Some(Ident::new(self.dialect, name, *quoted)),
            [Word::Name(..), dot, Word::Name(name, quoted)] if dot.is(".") => {
                Some(Ident::new(self.dialect, name, *quoted))
            }
            _ => None,
        }
    }

    fn subject(&self, words: &[Word]) -> Option<Subject> {
        let words = without_brackets(words);
        if let [function, open, inner @ .., close] = words
            && open.is("(")
            && close.is(")")
        {
            let counts = ["length", "char_length", "character_length"];
            // MySQL's `length` counts bytes.
            let bytes = self.dialect.is_mysql_family() && function.is("length");
            return (counts.iter().any(|f| function.is(f)) && !bytes)
                .then(|| self.column(inner).map(Subject::Length))?;
        }
        self.column(words).map(Subject::Value)
    }

    fn atom(&self, words: &[Word]) -> Option<Atom> {
        if let [name @ .., is, not, null] = words
            && is.is("is")
            && not.is("not")
            && null.is("null")
        {
            return self.column(name).map(Atom::NotNull);
        }
        if let Some(at) = place(words, "between") {
            let (subject, rest) = (self.subject(&words[..at])?, &words[at + 1..]);
            let and = place(rest, "and")?;
            let (low, high) = (number(&rest[..and])?, number(&rest[and + 1..])?);
            return Some(Atom::Range {
                of: subject,
                low: Some((low, true)),
                high: Some((high, true)),
            });
        }
        if let Some(at) = place(words, "in") {
            return Some(Atom::OneOf(self.column(&words[..at])?, texts(&words[at + 1..])?));
        }
        let signs = ["<=", ">=", "<>", "!=", "<", ">", "="];
        let (at, sign) = signs.iter().find_map(|s| Some((place(words, s)?, *s)))?;
        let (left, right) = (&words[..at], &words[at + 1..]);
        if sign == "="
            && let [any, list @ ..] = right
            && any.is("any")
        {
            return Some(Atom::OneOf(self.column(left)?, texts(list)?));
        }
        if sign == "="
            && let [function, open, inner @ .., close] = right
            && open.is("(")
            && close.is(")")
            && (function.is("upper") || function.is("lower"))
        {
            let (column, upper) = (self.column(left)?, function.is("upper"));
            return (self.column(inner)? == column).then_some(Atom::Folded { column, upper });
        }
        if let [Word::Text(text)] = without_brackets(right) {
            let column = self.column(left)?;
            match sign {
                "<>" | "!=" => return Some(Atom::Not(column, text.clone())),
                "=" => return Some(Atom::OneOf(column, vec![text.clone()])),
                _ if date(text).is_none() => return None,
                _ => {}
            }
        }
        let (of, sign, limit) = match (number(right), number(left)) {
            (Some(limit), None) => (self.subject(left)?, sign, limit),
            (None, Some(limit)) => {
                let turned = match sign {
                    "<=" => ">=",
                    ">=" => "<=",
                    "<" => ">",
                    ">" => "<",
                    other => other,
                };
                (self.subject(right)?, turned, limit)
            }
            _ => return None,
        };
        let (low, high) = match sign {
            "<=" => (None, Some((limit, true))),
            "<" => (None, Some((limit, false))),
            ">=" => (Some((limit, true)), None),
            ">" => (Some((limit, false)), None),
            "=" => (Some((limit, true)), Some((limit, true))),
            _ => match of {
                Subject::Value(column) => return Some(Atom::NotNumber(column, limit)),
                Subject::Length(_) => return None,
            },
        };
        Some(Atom::Range { of, low, high })
    }
}

/// `('a', 'b')`, `(ARRAY['a', 'b'])`.
fn texts(words: &[Word]) -> Option<Vec<String>> {
    let inside = |w: &&Word| !(w.is("(") || w.is(")") || w.is("[") || w.is("]") || w.is("array"));
    words
        .iter()
        .filter(inside)
        .filter(|w| !w.is(","))
        .map(|w| match w {
            Word::Text(text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

fn number(words: &[Word]) -> Option<f64> {
    match without_brackets(words) {
        [Word::Number(n)] => Some(*n),
        [sign, Word::Number(n)] if sign.is("-") => Some(-n),
        [Word::Text(text)] => date(text),
        _ => None,
    }
}

/// `'2024-01-31'` and `'2024-01-31 10:00:00'` as numbers in their order.
fn date(text: &str) -> Option<f64> {
    let digits = |part: &str, n: usize| part.len() == n && part.bytes().all(|b| b.is_ascii_digit());
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let parts: Vec<&str> = day.split('-').collect();
    let [year, month, of_month] = parts[..] else { return None };
    let clock: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = clock[..] else { return None };
    let plain = digits(year, 4)
        && [month, of_month, hour, minute, second].iter().all(|part| digits(part, 2));
    plain.then(|| [year, month, of_month, hour, minute, second].concat().parse().ok())?
}

/// Where a word stands that is in no brackets.
fn place(words: &[Word], word: &str) -> Option<usize> {
    let mut depth = 0_i32;
    words.iter().position(|w| {
        depth += i32::from(w.is("(") || w.is("[")) - i32::from(w.is(")") || w.is("]"));
        depth == 0 && w.is(word)
    })
}

/// Cuts at a word that is in no brackets, and at no AND of a BETWEEN.
fn split<'w>(words: &'w [Word], at: &str) -> Vec<&'w [Word]> {
    let (mut depth, mut start, mut between, mut out) = (0_i32, 0, false, Vec::new());
    for (place, word) in words.iter().enumerate() {
        depth += i32::from(word.is("(") || word.is("[")) - i32::from(word.is(")") || word.is("]"));
        if depth > 0 {
            continue;
        }
        if word.is("between") {
            between = true;
        } else if word.is("and") && between {
            between = false;
        } else if word.is(at) {
            out.push(&words[start..place]);
            start = place + 1;
        }
    }
    out.push(&words[start..]);
    out
}

/// Without brackets around all of it.
fn without_brackets(mut words: &[Word]) -> &[Word] {
    while let [open, inner @ .., close] = words
        && open.is("(")
        && close.is(")")
        && {
            let mut depth = 1_i32;
            inner.iter().all(|w| {
                depth += i32::from(w.is("(")) - i32::from(w.is(")"));
                depth > 0
            })
        }
    {
        words = inner;
    }
    words
}

/// Leaves out `::character varying(20)[]` of PostgreSQL.
fn without_casts(words: Vec<Word>) -> Vec<Word> {
    const MORE: &[&str] = &["varying", "precision", "with", "without", "time", "zone"];
    let mut out = Vec::with_capacity(words.len());
    let mut rest = words.into_iter().peekable();
    while let Some(word) = rest.next() {
        if !word.is("::") {
            out.push(word);
            continue;
        }
        rest.next();
        while rest.next_if(|w| MORE.iter().any(|m| w.is(m))).is_some() {}
        for (open, close) in [("(", ")"), ("[", "]")] {
            if rest.next_if(|w| w.is(open)).is_some() {
                while rest.next().is_some_and(|w| !w.is(close)) {}
            }
        }
    }
    out
}
