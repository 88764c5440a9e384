//! A position in the significant tokens of one statement, and the small words of the grammar.

use crate::lexer::{Token, TokenKind};
use crate::parse::SyntaxError;
use crate::parse::literal;
use crate::{Dialect, Ident, ObjectName, Span};

/// Result of reading a piece of grammar.
pub(crate) type Parse<T> = Result<T, SyntaxError>;

/// Bodies inside bodies inside bodies are read to this depth.
pub(crate) const MAX_DEPTH: usize = 12;

/// Reads the tokens of one statement, white space and comments left out.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) source: &'a str,
    pub(crate) tokens: &'a [Token],
    pub(crate) pos: usize,
    pub(crate) dialect: Dialect,
    /// How many bodies this statement stands in.
    pub(crate) depth: usize,
    /// Inside a PL/pgSQL or MySQL body: `INTO` names variables.
    pub(crate) in_body: bool,
    /// Set where `source` is not the file itself (text taken out of a string literal): the place
    /// in the file that every span then gives.
    pub(crate) place: Option<Span>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(source: &'a str, tokens: &'a [Token], dialect: Dialect) -> Self {
        Self { source, tokens, pos: 0, dialect, depth: 0, in_body: false, place: None }
    }

    /// A cursor over some of the tokens.
    pub(crate) fn over(&self, from: usize, to: usize) -> Self {
        let to = to.min(self.tokens.len());
        Self { tokens: &self.tokens[from.min(to)..to], pos: 0, ..*self }
    }

    pub(crate) fn is_mysql(&self) -> bool {
        self.dialect.is_mysql_family()
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    // Looking

    pub(crate) fn at_end(&self) -> bool {
        self.pos >= self.tokens.len()
    }

    pub(crate) fn kind_at(&self, ahead: usize) -> Option<TokenKind> {
        self.tokens.get(self.pos + ahead).map(|t| t.kind)
    }

    pub(crate) fn kind(&self) -> Option<TokenKind> {
        self.kind_at(0)
    }

    pub(crate) fn text_at(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.pos + ahead).map_or("", |t| t.span.text(self.source))
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text_at(0)
    }

    pub(crate) fn is_at(&self, ahead: usize, word: &str) -> bool {
        self.kind_at(ahead) == Some(TokenKind::Word)
            && self.text_at(ahead).eq_ignore_ascii_case(word)
    }

    /// The current token is this keyword.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.is_at(0, word)
    }

    /// The current token is one of these keywords.
    pub(crate) fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|w| self.is(w))
    }

    /// These keywords follow one another from here.
    pub(crate) fn are(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(i, w)| self.is_at(i, w))
    }

    pub(crate) fn is_kind(&self, kind: TokenKind) -> bool {
        self.kind() == Some(kind)
    }

    pub(crate) fn is_op(&self, op: &str) -> bool {
        self.is_kind(TokenKind::Operator) && self.text() == op
    }

    /// A name could stand here.
    pub(crate) fn is_name_at(&self, ahead: usize) -> bool {
        match self.kind_at(ahead) {
            Some(TokenKind::Word | TokenKind::QuotedIdent | TokenKind::Placeholder) => true,
            Some(TokenKind::String) => match self.dialect {
                // SQLite takes a string where a name belongs; MySQL does under ANSI_QUOTES.
                Dialect::Sqlite => true,
                Dialect::Mysql | Dialect::MariaDb => self.text_at(ahead).starts_with('"'),
                Dialect::Postgres => false,
            },
            _ => false,
        }
    }

    pub(crate) fn is_name(&self) -> bool {
        self.is_name_at(0)
    }

    // Taking

    pub(crate) fn bump(&mut self) {
        self.pos += 1;
    }

    pub(crate) fn eat(&mut self, word: &str) -> bool {
        let found = self.is(word);
        if found {
            self.pos += 1;
        }
        found
    }

    /// Takes all of these keywords, or none.
    pub(crate) fn eat_all(&mut self, words: &[&str]) -> bool {
        let found = self.are(words);
        if found {
            self.pos += words.len();
        }
        found
    }

    /// Takes one of these keywords and says which.
    pub(crate) fn eat_any<'w>(&mut self, words: &[&'w str]) -> Option<&'w str> {
        let found = words.iter().copied().find(|w| self.is(w))?;
        self.pos += 1;
        Some(found)
    }

    pub(crate) fn eat_kind(&mut self, kind: TokenKind) -> bool {
        let found = self.is_kind(kind);
        if found {
            self.pos += 1;
        }
        found
    }

    pub(crate) fn eat_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        if found {
            self.pos += 1;
        }
        found
    }

    pub(crate) fn eat_comma(&mut self) -> bool {
        self.eat_kind(TokenKind::Comma)
    }

    pub(crate) fn expect(&mut self, word: &str) -> Parse<()> {
        if self.eat(word) { Ok(()) } else { Err(self.expected(word)) }
    }

    pub(crate) fn expect_kind(&mut self, kind: TokenKind, what: &str) -> Parse<()> {
        if self.eat_kind(kind) { Ok(()) } else { Err(self.expected(what)) }
    }

    pub(crate) fn expect_left(&mut self) -> Parse<()> {
        self.expect_kind(TokenKind::LeftParen, "`(`")
    }

    pub(crate) fn expect_right(&mut self) -> Parse<()> {
        self.expect_kind(TokenKind::RightParen, "`)`")
    }

    /// The error "expected …, found …" at the current token.
    pub(crate) fn expected(&self, what: &str) -> SyntaxError {
        let message = if self.at_end() {
            format!("expected {what}, found the end of the statement")
        } else {
            format!("expected {what}, found `{}`", literal::shortened(self.text()))
        };
        SyntaxError { message, span: self.here() }
    }

    /// The current token's place; at the end, the last token's end.
    pub(crate) fn here(&self) -> Span {
        if let Some(place) = self.place {
            return place;
        }
        match (self.tokens.get(self.pos), self.tokens.last()) {
            (Some(token), _) => token.span,
            (None, Some(last)) => last.span,
            (None, None) => Span::default(),
        }
    }

    /// The place of the tokens from `from` up to, not including, the current one.
    pub(crate) fn span_from(&self, from: usize) -> Span {
        self.span_of(from, self.pos)
    }

    pub(crate) fn span_of(&self, from: usize, to: usize) -> Span {
        if let Some(place) = self.place {
            return place;
        }
        match (self.tokens.get(from), to.checked_sub(1).and_then(|i| self.tokens.get(i))) {
            (Some(first), Some(last)) if to > from => first.span.cover(last.span),
            (Some(first), _) => Span::new(first.span.start, first.span.start),
            _ => self.here(),
        }
    }

    /// Text of the tokens from `from` up to the current one, white space normalised.
    pub(crate) fn text_from(&self, from: usize) -> String {
        self.text_of(from, self.pos)
    }

    /// The source text of the tokens `from..to`, comments included.
    pub(crate) fn verbatim(&self, from: usize, to: usize) -> &'a str {
        match (self.tokens.get(from), to.checked_sub(1).and_then(|i| self.tokens.get(i))) {
            (Some(first), Some(last)) if to > from => first.span.cover(last.span).text(self.source),
            _ => "",
        }
    }

    /// Tokens that stand apart in the source are joined by one space (two string literals by a
    /// line end, without which PostgreSQL would not take them for one).
    pub(crate) fn text_of(&self, from: usize, to: usize) -> String {
        let to = to.min(self.tokens.len());
        let tokens = &self.tokens[from.min(to)..to];
        let capacity = match (tokens.first(), tokens.last()) {
            (Some(first), Some(last)) => last.span.end - first.span.start,
            _ => 0,
        };
        let mut out = String::with_capacity(capacity);
        let mut previous: Option<&Token> = None;
        for token in tokens {
            if let Some(previous) = previous
                && previous.span.end < token.span.start
            {
                let strings = previous.kind == TokenKind::String && token.kind == TokenKind::String;
                out.push(if strings { '\n' } else { ' ' });
            }
            if !matches!(token.kind, TokenKind::ExecutableOpen | TokenKind::ExecutableClose) {
                out.push_str(token.span.text(self.source));
            }
            previous = Some(token);
        }
        out
    }

    /// All that is left, as text.
    pub(crate) fn rest(&mut self) -> String {
        let from = self.pos;
        self.pos = self.tokens.len();
        self.text_from(from)
    }

    // Names

    pub(crate) fn ident(&mut self, what: &str) -> Parse<Ident> {
        match self.ident_opt() {
            Some(ident) => Ok(ident),
            None => Err(self.expected(what)),
        }
    }

    pub(crate) fn ident_opt(&mut self) -> Option<Ident> {
        if !self.is_name() {
            return None;
        }
        let ident = self.ident_at(0);
        self.pos += 1;
        Some(ident)
    }

    /// The name that the token ahead spells.
    pub(crate) fn ident_at(&self, ahead: usize) -> Ident {
        let text = self.text_at(ahead);
        match self.kind_at(ahead) {
            Some(TokenKind::Word) => Ident::new(self.dialect, text, false),
            Some(TokenKind::QuotedIdent) => {
                Ident::new(self.dialect, &literal::unquoted_ident(text), true)
            }
            Some(TokenKind::String) => {
                Ident::new(self.dialect, &literal::string_value(text, self.dialect), true)
            }
            _ => Ident::new(self.dialect, text, true),
        }
    }

    /// A name that may be written as a string too: MySQL's character sets and collations.
    /// In lower case.
    pub(crate) fn name_or_string(&mut self, what: &str) -> Parse<String> {
        match self.string_opt() {
            Some(text) => Ok(text.to_ascii_lowercase()),
            None => Ok(self.ident(what)?.as_str().to_ascii_lowercase()),
        }
    }

    /// `name`, `schema.name` or `database.schema.name` (the first part is then left out).
    pub(crate) fn object_name(&mut self, what: &str) -> Parse<ObjectName> {
        let mut parts = vec![self.ident(what)?];
        while self.is_kind(TokenKind::Dot) && self.is_name_at(1) {
            self.bump();
            parts.extend(self.ident_opt());
        }
        // MySQL lets a leading dot name the default database.
        Ok(name_of_parts(parts))
    }

    /// `name, name, …`
    pub(crate) fn object_names(&mut self, what: &str) -> Parse<Vec<ObjectName>> {
        let mut names = Vec::new();
        loop {
            self.eat("ONLY");
            names.push(self.object_name(what)?);
            self.eat_op("*");
            if !self.eat_comma() {
                return Ok(names);
            }
        }
    }

    /// `(a, b, …)`
    pub(crate) fn column_list(&mut self) -> Parse<Vec<Ident>> {
        self.expect_left()?;
        let mut columns = Vec::new();
        loop {
            columns.push(self.ident("a column name")?);
            if self.eat_comma() {
                continue;
            }
            self.expect_right()?;
            return Ok(columns);
        }
    }

    pub(crate) fn if_exists(&mut self) -> bool {
        self.eat_all(&["IF", "EXISTS"])
    }

    pub(crate) fn if_not_exists(&mut self) -> bool {
        self.eat_all(&["IF", "NOT", "EXISTS"])
    }

    /// `CASCADE` or `RESTRICT`; true for the first.
    pub(crate) fn cascade(&mut self) -> bool {
        let cascade = self.eat("CASCADE");
        if !cascade {
            self.eat("RESTRICT");
        }
        cascade
    }

    // Literals

    /// A string literal (adjacent ones joined), its value.
    pub(crate) fn string_opt(&mut self) -> Option<String> {
        match self.kind()? {
            TokenKind::String | TokenKind::DollarString => {}
            TokenKind::Placeholder if self.text().starts_with(":'") => {
                let text = self.text().to_owned();
                self.bump();
                return Some(text);
            }
            // A charset introducer: _utf8mb4'x'.
            TokenKind::Word
                if self.is_mysql()
                    && self.text().starts_with('_')
                    && self.kind_at(1) == Some(TokenKind::String) =>
            {
                self.bump();
            }
            _ => return None,
        }
        let mut value = literal::string_value(self.text(), self.dialect);
        self.bump();
        while self.is_kind(TokenKind::String) && self.text().starts_with('\'') {
            value.push_str(&literal::string_value(self.text(), self.dialect));
            self.bump();
        }
        Some(value)
    }

    pub(crate) fn string(&mut self, what: &str) -> Parse<String> {
        match self.string_opt() {
            Some(value) => Ok(value),
            None => Err(self.expected(what)),
        }
    }

    // Extents

    /// Index of the token behind the parenthesis or bracket that opens at `open`; the end of the
    /// tokens where it is never closed.
    pub(crate) fn behind_group(&self, open: usize) -> Option<usize> {
        let mut depth = 0usize;
        for (index, token) in self.tokens.iter().enumerate().skip(open) {
            match token.kind {
                TokenKind::LeftParen | TokenKind::LeftBracket => depth += 1,
                TokenKind::RightParen | TokenKind::RightBracket => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(index + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Skips `( … )` or `[ … ]`; gives the range of tokens inside.
    pub(crate) fn skip_group(&mut self) -> Parse<(usize, usize)> {
        if !matches!(self.kind(), Some(TokenKind::LeftParen | TokenKind::LeftBracket)) {
            return Err(self.expected("`(`"));
        }
        match self.behind_group(self.pos) {
            Some(end) => {
                let inner = (self.pos + 1, end - 1);
                self.pos = end;
                Ok(inner)
            }
            None => Err(SyntaxError {
                message: format!("`{}` is never closed", self.text()),
                span: self.here(),
            }),
        }
    }

    /// Skips to the first token outside of parentheses for which `stop` holds, or to the end.
    /// A closing parenthesis that was not opened here stops too.
    pub(crate) fn skip_until(&mut self, stop: impl Fn(&Self) -> bool) -> (usize, usize) {
        let from = self.pos;
        let mut depth = 0usize;
        while let Some(kind) = self.kind() {
            match kind {
                TokenKind::LeftParen | TokenKind::LeftBracket => {
                    if depth == 0 && stop(self) {
                        break;
                    }
                    depth += 1;
                }
                TokenKind::RightParen | TokenKind::RightBracket => {
                    if depth == 0 {
                        break;
                    }
                    depth -= 1;
                }
                _ if depth == 0 && stop(self) => break,
                _ => {}
            }
            self.bump();
        }
        (from, self.pos)
    }
}

/// The last part is the name, the one before it the schema.
pub(crate) fn name_of_parts(mut parts: Vec<Ident>) -> ObjectName {
    let name = parts.pop().expect("every caller has at least one part");
    ObjectName { schema: parts.pop(), name }
}
