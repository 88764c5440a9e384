//! Text to tokens: lossless, linear, never fails.
//!
//! Concatenating the tokens' texts gives the source back. What is wrong with the text (an
//! unterminated quote, dollar quote or comment) becomes a [`TokenKind::Unterminated`] token that
//! reaches to the end, and a [`SyntaxError`].
//!
//! Client-side text is recognised here too, since it decides what the rest means: psql
//! meta-commands and `COPY … FROM stdin` data, MySQL's `DELIMITER`, SQLite's dot commands, and
//! template placeholders (`${x}`, `{{ x }}`, `:'x'`, `:x`).

use crate::dialect::Lexical;
use crate::parse::SyntaxError;
use crate::{Dialect, Span};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Spaces, tabs, line ends.
    Whitespace,
    /// `-- …` or `# …`, without its line end; template control blocks (`{% … %}`, `{# … #}`).
    LineComment,
    /// `/* … */`.
    BlockComment,
    /// `/*!40101` or `/*M!`: what follows is code.
    ExecutableOpen,
    /// The `*/` that ends executable code.
    ExecutableClose,
    /// Unquoted identifier or keyword.
    Word,
    /// `"x"`, `` `x` ``, `[x]`, `U&"x"`.
    QuotedIdent,
    /// A string literal with its prefix: `'x'`, `E'x'`, `N'x'`, `X'ff'`, MySQL `"x"`.
    String,
    /// `$tag$ … $tag$`.
    DollarString,
    /// A number.
    Number,
    /// A parameter: `$1`, `?`, `?1`, SQLite `@x` and `$x`.
    Parameter,
    /// MySQL `@x`, `@@x`, `@'x'`.
    Variable,
    /// A template placeholder, alone or glued to a word: `${x}`, `{{ x }}`, `:'x'`, `:x`.
    Placeholder,
    /// An operator, the cast `::` and `:=` included.
    Operator,
    /// `,`
    Comma,
    /// `;` that is not the terminator (inside a custom `DELIMITER`).
    Semicolon,
    /// The statement terminator: `;`, or what `DELIMITER` says.
    Terminator,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `[`
    LeftBracket,
    /// `]`
    RightBracket,
    /// `.`
    Dot,
    /// A line for the client: psql `\i x`, MySQL `DELIMITER x`, SQLite `.mode x`.
    ClientCommand,
    /// The rows behind `COPY … FROM stdin;`, the closing `\.` included.
    CopyData,
    /// A character that no dialect rule knows.
    Unknown,
    /// A quote, dollar quote or comment without an end: reaches to the end of the text.
    Unterminated,
}

impl TokenKind {
    /// White space and comments: nothing that a server acts on.
    #[must_use]
    pub fn is_trivia(self) -> bool {
        matches!(self, Self::Whitespace | Self::LineComment | Self::BlockComment)
    }

    /// Comments.
    #[must_use]
    pub fn is_comment(self) -> bool {
        matches!(self, Self::LineComment | Self::BlockComment)
    }
}

/// One token: what it is and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
}

/// The tokens of a text.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    /// All tokens in order; together they cover the text without gap.
    pub tokens: Vec<Token>,
    /// What is wrong with the text.
    pub errors: Vec<SyntaxError>,
}

/// Reads a whole text.
#[must_use]
pub fn lex(source: &str, dialect: Dialect) -> Lexed {
    lex_range(source, Span::new(0, source.len()), dialect)
}

/// Reads a part of a text; the spans count from the beginning of `source`.
/// A range that does not lie on character boundaries gives no tokens.
#[must_use]
pub fn lex_range(source: &str, range: Span, dialect: Dialect) -> Lexed {
    if source.get(range.start..range.end).is_none() {
        return Lexed::default();
    }
    let mut lexer = Lexer {
        source: &source[..range.end],
        bytes: &source.as_bytes()[..range.end],
        pos: range.start,
        begin: range.start,
        dialect,
        rules: dialect.lexical(),
        delimiter: None,
        executable: false,
        no_more_rows: false,
        brackets: 0,
        statement: StatementHead::Start,
        out: Lexed::default(),
    };
    lexer.run();
    lexer.out
}

/// How much of `COPY … FROM stdin` the current statement has shown so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StatementHead {
    Start,
    Copy,
    CopyFrom,
    CopyFromStdin,
    Other,
}

struct Lexer<'a> {
    source: &'a str,
    bytes: &'a [u8],
    pos: usize,
    begin: usize,
    dialect: Dialect,
    rules: &'static Lexical,
    /// Set by `DELIMITER`; `None` is `;`.
    delimiter: Option<&'a str>,
    /// Inside `/*! … */`.
    executable: bool,
    /// No line `\.` stands behind the position: it was looked for.
    no_more_rows: bool,
    /// Depth of `[`: there `:` is a slice, not a placeholder.
    brackets: usize,
    statement: StatementHead,
    out: Lexed,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) {
        while self.pos < self.bytes.len() {
            let start = self.pos;
            let kind = self.next();
            debug_assert!(self.pos > start, "the lexer must move on");
            // `\copy … from stdin` has made a token of its own before its rows.
            let start = self.out.tokens.last().map_or(start, |t| t.span.end);
            if start < self.pos {
                self.push(kind, start);
            }
            if kind == TokenKind::Terminator && self.statement == StatementHead::CopyFromStdin {
                self.copy_data();
            }
            self.track(kind, start);
        }
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        self.out.tokens.push(Token { kind, span: Span::new(start, self.pos) });
    }

    fn unterminated(&mut self, start: usize, what: &str) -> TokenKind {
        self.pos = self.bytes.len();
        self.out.errors.push(SyntaxError {
            message: format!("{what} is not closed before the end of the text"),
            span: Span::new(start, self.pos),
        });
        TokenKind::Unterminated
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.pos + ahead).copied().unwrap_or(0)
    }

    fn rest_starts(&self, with: &str) -> bool {
        self.bytes[self.pos..].starts_with(with.as_bytes())
    }

    /// The character at the position and its length in bytes.
    fn char_len(&self) -> usize {
        self.source.get(self.pos..).and_then(|s| s.chars().next()).map_or(1, char::len_utf8)
    }

    /// Only spaces stand before the position on its line.
    fn at_line_start(&self) -> bool {
        let mut i = self.pos;
        while i > self.begin {
            match self.bytes[i - 1] {
                b'\n' => return true,
                b' ' | b'\t' | b'\r' => i -= 1,
                _ => return false,
            }
        }
        true
    }

    /// No token of a statement stands before the position.
    fn at_statement_start(&self) -> bool {
        self.statement == StatementHead::Start
    }

    fn next(&mut self) -> TokenKind {
        let byte = self.peek(0);
        if byte.is_ascii_whitespace() || byte == 0x0b || byte == 0 || self.rest_starts("\u{feff}") {
            return self.whitespace();
        }
        if let Some(delimiter) = self.delimiter
            && self.rest_starts(delimiter)
        {
            self.pos += delimiter.len();
            return TokenKind::Terminator;
        }
        match byte {
            b'-' if self.dash_comment() => self.line_comment(),
            b'#' if self.rules.hash_comments => self.line_comment(),
            b'/' if self.peek(1) == b'*' => self.block_comment(),
            b'*' if self.executable && self.peek(1) == b'/' => {
                self.executable = false;
                self.pos += 2;
                TokenKind::ExecutableClose
            }
            b'\'' => self.string(b'\'', self.rules.backslash_escapes),
            b'"' if self.rules.double_quotes_are_strings => self.string(b'"', true),
            b'"' => self.quoted_ident(b'"'),
            b'`' if self.rules.backtick_identifiers => self.quoted_ident(b'`'),
            b'[' if self.rules.bracket_identifiers => self.bracket_ident(),
            b'$' => self.dollar(),
            b'{' => self.brace(),
            b':' => self.colon(),
            b'@' if self.dialect != Dialect::Postgres => self.at_sign(),
            b'?' if self.dialect != Dialect::Postgres => {
                self.pos += 1;
                while self.peek(0).is_ascii_digit() {
                    self.pos += 1;
                }
                TokenKind::Parameter
            }
            b'\\' if self.dialect == Dialect::Postgres => self.client_line(),
            b'.' if self.dialect == Dialect::Sqlite
                && self.peek(1).is_ascii_alphabetic()
                && self.at_statement_start()
                && self.at_line_start() =>
            {
                self.client_line()
            }
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() && !self.follows_name() => self.number(),
            b',' => self.single(TokenKind::Comma),
            b';' if self.delimiter.is_some() => self.single(TokenKind::Semicolon),
            b';' => self.single(TokenKind::Terminator),
            b'(' => self.single(TokenKind::LeftParen),
            b')' => self.single(TokenKind::RightParen),
            b'[' => {
                self.brackets += 1;
                self.single(TokenKind::LeftBracket)
            }
            b']' => {
                self.brackets = self.brackets.saturating_sub(1);
                self.single(TokenKind::RightBracket)
            }
            b'.' if self.peek(1) == b'.' => {
                self.pos += 2;
                TokenKind::Operator
            }
            b'.' => self.single(TokenKind::Dot),
            b if is_word_start(b) => self.word(),
            b if is_operator(b) => self.operator(),
            _ => {
                self.pos += self.char_len();
                TokenKind::Unknown
            }
        }
    }

    fn single(&mut self, kind: TokenKind) -> TokenKind {
        self.pos += 1;
        kind
    }

    fn whitespace(&mut self) -> TokenKind {
        loop {
            let byte = self.peek(0);
            if self.pos < self.bytes.len()
                && (byte.is_ascii_whitespace() || byte == 0x0b || byte == 0)
            {
                self.pos += 1;
            } else if self.rest_starts("\u{feff}") {
                self.pos += 3;
            } else {
                return TokenKind::Whitespace;
            }
        }
    }

    fn dash_comment(&self) -> bool {
        self.peek(1) == b'-'
            && (!self.rules.dashes_need_space
                || self.pos + 2 >= self.bytes.len()
                || self.peek(2).is_ascii_whitespace()
                || self.peek(2).is_ascii_control()
                // No statement begins with two minus signs: some runners take such a line for
                // a comment, and leave it out.
                || (self.at_statement_start() && self.at_line_start()))
    }

    fn line_comment(&mut self) -> TokenKind {
        self.skip_line();
        TokenKind::LineComment
    }

    fn skip_line(&mut self) {
        while self.pos < self.bytes.len() && !matches!(self.bytes[self.pos], b'\n' | b'\r') {
            self.pos += 1;
        }
    }

    fn block_comment(&mut self) -> TokenKind {
        let start = self.pos;
        if self.rules.executable_comments
            && !self.executable
            && let Some(len) = self.executable_open()
        {
            self.pos += len;
            self.executable = true;
            return TokenKind::ExecutableOpen;
        }
        self.pos += 2;
        let mut depth = 1usize;
        while self.pos < self.bytes.len() {
            match (self.bytes[self.pos], self.peek(1)) {
                (b'*', b'/') => {
                    self.pos += 2;
                    depth -= 1;
                    if depth == 0 {
                        return TokenKind::BlockComment;
                    }
                }
                (b'/', b'*') if self.rules.nested_comments => {
                    self.pos += 2;
                    depth += 1;
                }
                _ => self.pos += 1,
            }
        }
        // SQLite takes the end of the text as the end of the comment.
        if self.dialect == Dialect::Sqlite {
            return TokenKind::BlockComment;
        }
        self.unterminated(start, "a comment `/*`")
    }

    /// Length of `/*!40101` or `/*M!100100` where the server runs what is inside.
    ///
    /// MariaDB skips `/*!50700` to `/*!99999`, since those are MySQL's own
    /// (MariaDB manual, "Comment Syntax"); six digits above either server's version are skipped.
    fn executable_open(&self) -> Option<usize> {
        let (mut len, maria) = if self.rest_starts("/*!") {
            (3, false)
        } else if self.rest_starts("/*M!") && self.dialect == Dialect::MariaDb {
            (4, true)
        } else {
            return None;
        };
        let mut digits = 0;
        let mut version = 0u32;
        while digits < 6 && self.peek(len).is_ascii_digit() {
            version = version * 10 + u32::from(self.peek(len) - b'0');
            len += 1;
            digits += 1;
        }
        let runs = match self.dialect {
            Dialect::MariaDb => maria || !(50_700..=99_999).contains(&version),
            _ => version < 100_000,
        };
        (runs && version < 990_000).then_some(len)
    }

    /// A string from its quote on; the position stands on the quote.
    fn string(&mut self, quote: u8, backslash: bool) -> TokenKind {
        let start = self.pos;
        self.pos += 1;
        while self.pos < self.bytes.len() {
            let byte = self.bytes[self.pos];
            if byte == b'\\' && backslash {
                self.pos += 1;
                if self.pos < self.bytes.len() {
                    self.pos += self.char_len();
                }
            } else if byte == quote {
                if self.peek(1) == quote {
                    self.pos += 2;
                } else {
                    self.pos += 1;
                    return TokenKind::String;
                }
            } else if let Some(len) = self.quoting_template(quote) {
                self.pos += len;
            } else {
                self.pos += 1;
            }
        }
        self.unterminated(start, "a string")
    }

    fn quoted_ident(&mut self, quote: u8) -> TokenKind {
        let start = self.pos;
        self.pos += 1;
        while self.pos < self.bytes.len() {
            if self.bytes[self.pos] == quote {
                if self.peek(1) == quote {
                    self.pos += 2;
                    continue;
                }
                self.pos += 1;
                return TokenKind::QuotedIdent;
            }
            self.pos += self.quoting_template(quote).unwrap_or(1);
        }
        self.unterminated(start, "a quoted identifier")
    }

    /// Length of a template expression inside a quoted text that itself holds such quotes:
    /// `"{{ index .Options "Namespace" }}"`.
    fn quoting_template(&self, quote: u8) -> Option<usize> {
        if !self.rest_starts("{{") {
            return None;
        }
        let len = self.placeholder_len()?;
        let inner = self.bytes.get(self.pos + 2..self.pos + len - 2)?.trim_ascii_start();
        let quotes = inner.iter().filter(|b| **b == quote).count();
        let call = inner.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'.');
        (call && quotes > 0 && quotes % 2 == 0).then_some(len)
    }

    fn bracket_ident(&mut self) -> TokenKind {
        let start = self.pos;
        while self.pos < self.bytes.len() {
            if self.bytes[self.pos] == b']' {
                self.pos += 1;
                return TokenKind::QuotedIdent;
            }
            self.pos += 1;
        }
        self.unterminated(start, "an identifier `[`")
    }

    fn dollar(&mut self) -> TokenKind {
        if let Some(len) = self.placeholder_len() {
            self.pos += len;
            return self.continue_word(TokenKind::Placeholder);
        }
        if self.peek(1).is_ascii_digit() {
            self.pos += 1;
            while self.peek(0).is_ascii_digit() {
                self.pos += 1;
            }
            return TokenKind::Parameter;
        }
        if self.rules.dollar_quotes
            && let Some(tag) = self.dollar_tag()
        {
            let start = self.pos;
            self.pos += tag.len();
            return match self.source.get(self.pos..).and_then(|rest| rest.find(tag)) {
                Some(at) => {
                    self.pos += at + tag.len();
                    TokenKind::DollarString
                }
                None => self.unterminated(start, &format!("a dollar-quoted string `{tag}`")),
            };
        }
        if is_word_start(self.peek(1)) {
            self.pos += 1;
            let kind = self.word();
            return match (self.dialect, kind) {
                (Dialect::Mysql | Dialect::MariaDb, TokenKind::Word) => TokenKind::Word,
                (_, TokenKind::Word) => TokenKind::Parameter,
                (_, other) => other,
            };
        }
        self.single(TokenKind::Unknown)
    }

    /// `$$` or `$tag$` at the position.
    fn dollar_tag(&self) -> Option<&'a str> {
        let mut len = 1;
        loop {
            match self.peek(len) {
                b'$' => return self.source.get(self.pos..=self.pos + len),
                b if is_word_start(b) || (len > 1 && b.is_ascii_digit()) => len += 1,
                _ => return None,
            }
        }
    }

    /// Length of a placeholder `${x}`, `{{ x }}`, `{x}` or `$%x%$` at the position. Never spans lines, and
    /// looks at most 200 bytes ahead, so that the lexer stays linear.
    fn placeholder_len(&self) -> Option<usize> {
        let window = &self.bytes[self.pos..self.bytes.len().min(self.pos + 200)];
        let line = window.split(|b| *b == b'\n').next().unwrap_or(window);
        let find = |from: usize, what: &[u8]| {
            line.get(from..)?.windows(what.len()).position(|w| w == what).map(|at| from + at)
        };
        if line.starts_with(b"${") {
            return find(2, b"}").filter(|end| *end > 2).map(|end| end + 1);
        }
        if line.starts_with(b"$%") {
            return find(2, b"%$").map(|end| end + 2);
        }
        if line.starts_with(b"{{") {
            return find(2, b"}}").map(|end| end + 2);
        }
        if line.starts_with(b"{") {
            let end = find(1, b"}")?;
            let inner = &line[1..end];
            let named = !inner.is_empty()
                && inner
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
            return named.then_some(end + 1);
        }
        None
    }

    fn brace(&mut self) -> TokenKind {
        for (open, close) in [("{%", "%}"), ("{#", "#}")] {
            if self.rest_starts(open)
                && let Some(at) = self.bytes[self.pos..self.bytes.len().min(self.pos + 500)]
                    .windows(2)
                    .position(|w| w == close.as_bytes())
            {
                self.pos += at + 2;
                return TokenKind::LineComment;
            }
        }
        match self.placeholder_len() {
            Some(len) => {
                self.pos += len;
                self.continue_word(TokenKind::Placeholder)
            }
            None => self.single(TokenKind::Unknown),
        }
    }

    /// Behind a placeholder: what is glued to it belongs to the same name.
    fn continue_word(&mut self, kind: TokenKind) -> TokenKind {
        loop {
            if is_word_part(self.peek(0)) && self.pos < self.bytes.len() && self.peek(0) != b'$' {
                self.pos += self.char_len();
            } else if let Some(len) = self.placeholder_len() {
                self.pos += len;
            } else {
                return kind;
            }
        }
    }

    fn colon(&mut self) -> TokenKind {
        match self.peek(1) {
            b':' | b'=' => {
                self.pos += 2;
                TokenKind::Operator
            }
            quote @ (b'\'' | b'"') if self.dialect == Dialect::Postgres && self.brackets == 0 => {
                self.pos += 1;
                let inner =
                    if quote == b'"' { self.quoted_ident(b'"') } else { self.string(b'\'', false) };
                if inner == TokenKind::Unterminated { inner } else { TokenKind::Placeholder }
            }
            // A word directly before is a label (`retry:LOOP`).
            b if is_word_start(b) && self.brackets == 0 && !self.follows_name() => {
                self.pos += 1;
                self.continue_word(TokenKind::Placeholder)
            }
            _ => self.single(TokenKind::Operator),
        }
    }

    /// The byte before belongs to a name or closes one.
    fn follows_name(&self) -> bool {
        self.pos > self.begin
            && matches!(self.bytes[self.pos - 1], b if is_word_part(b) || matches!(b, b'"' | b'`' | b']' | b')' | b'}'))
    }

    fn at_sign(&mut self) -> TokenKind {
        let kind = if self.dialect == Dialect::Sqlite {
            TokenKind::Parameter
        } else {
            TokenKind::Variable
        };
        self.pos += 1;
        if self.peek(0) == b'@' {
            self.pos += 1;
        }
        match self.peek(0) {
            b'`' => match self.quoted_ident(b'`') {
                TokenKind::Unterminated => TokenKind::Unterminated,
                _ => kind,
            },
            quote @ (b'\'' | b'"') => match self.string(quote, true) {
                TokenKind::Unterminated => TokenKind::Unterminated,
                _ => kind,
            },
            b if is_word_part(b) && self.pos < self.bytes.len() => {
                while is_word_part(self.peek(0)) && self.pos < self.bytes.len() {
                    if self.at_delimiter() {
                        break;
                    }
                    self.pos += self.char_len();
                }
                kind
            }
            _ => TokenKind::Operator,
        }
    }

    fn client_line(&mut self) -> TokenKind {
        let start = self.pos;
        self.skip_line();
        let line = self.source.get(start..self.pos).unwrap_or("");
        if self.dialect == Dialect::Postgres {
            // `\.` on its own can only be a stray end of data.
            let lower = line.to_ascii_lowercase();
            if lower.starts_with("\\copy") && lower.contains("from stdin") {
                self.push(TokenKind::ClientCommand, start);
                // Where no end stands, another program feeds the rows.
                self.take_copy_data();
                return TokenKind::CopyData;
            }
        }
        TokenKind::ClientCommand
    }

    /// Behind the terminator of `COPY … FROM stdin;`: the rows up to `\.`.
    fn copy_data(&mut self) {
        let line_end = self.pos;
        // Comments or other statements on the same line are left to the ordinary rules.
        let mut i = line_end;
        while i < self.bytes.len() && matches!(self.bytes[i], b' ' | b'\t' | b'\r') {
            i += 1;
        }
        if i >= self.bytes.len() || self.bytes[i] != b'\n' {
            return;
        }
        let start = self.pos;
        if self.take_copy_data() {
            self.push(TokenKind::CopyData, start);
        } else {
            // A script that another program feeds: the rows are not in this file.
            self.pos = start;
        }
    }

    /// Moves behind the line `\.`; false where there is none.
    fn take_copy_data(&mut self) -> bool {
        if self.no_more_rows {
            return false;
        }
        let mut from = self.pos;
        while let Some(at) = self.bytes[from..].windows(3).position(|w| w == b"\n\\.") {
            let end = from + at + 3;
            if matches!(self.bytes.get(end), None | Some(b'\n' | b'\r')) {
                self.pos = end;
                return true;
            }
            from = end;
        }
        self.no_more_rows = true;
        false
    }

    fn number(&mut self) -> TokenKind {
        if self.peek(0) == b'0'
            && matches!(self.peek(1), b'x' | b'X' | b'b' | b'B' | b'o' | b'O')
            && self.peek(2).is_ascii_hexdigit()
        {
            self.pos += 2;
            while self.peek(0).is_ascii_hexdigit() || self.peek(0) == b'_' {
                self.pos += 1;
            }
            return TokenKind::Number;
        }
        let digits = |lexer: &mut Self| {
            while lexer.peek(0).is_ascii_digit()
                || (lexer.peek(0) == b'_' && lexer.peek(1).is_ascii_digit())
            {
                lexer.pos += 1;
            }
        };
        digits(self);
        if self.peek(0) == b'.' && self.peek(1) != b'.' {
            self.pos += 1;
            digits(self);
        }
        if matches!(self.peek(0), b'e' | b'E')
            && (self.peek(1).is_ascii_digit()
                || (matches!(self.peek(1), b'+' | b'-') && self.peek(2).is_ascii_digit()))
        {
            self.pos += 2;
            digits(self);
        }
        // MySQL names may begin with digits.
        if self.dialect.is_mysql_family()
            && self.pos < self.bytes.len()
            && is_word_part(self.peek(0))
            && self.peek(0) != b'$'
        {
            return self.word();
        }
        TokenKind::Number
    }

    fn word(&mut self) -> TokenKind {
        let start = self.pos;
        let mut kind = TokenKind::Word;
        while self.pos < self.bytes.len() {
            let byte = self.bytes[self.pos];
            if self.pos > start && self.at_delimiter() {
                break;
            }
            if (byte == b'$' || byte == b'{')
                && let Some(len) = self.placeholder_len()
            {
                self.pos += len;
                kind = TokenKind::Placeholder;
                continue;
            }
            if !is_word_part(byte) {
                break;
            }
            self.pos += self.char_len();
        }
        if kind == TokenKind::Placeholder {
            return kind;
        }
        let text = &self.bytes[start..self.pos];
        match self.peek(0) {
            b'\'' if text.eq_ignore_ascii_case(b"e") && self.dialect == Dialect::Postgres => {
                self.string(b'\'', true)
            }
            b'\''
                if text.len() == 1
                    && matches!(text[0], b'n' | b'N' | b'x' | b'X' | b'b' | b'B') =>
            {
                self.string(b'\'', self.rules.backslash_escapes)
            }
            b'&' if text.eq_ignore_ascii_case(b"u") && self.dialect == Dialect::Postgres => {
                match self.peek(1) {
                    b'\'' => {
                        self.pos += 1;
                        self.string(b'\'', false)
                    }
                    b'"' => {
                        self.pos += 1;
                        self.quoted_ident(b'"')
                    }
                    _ => TokenKind::Word,
                }
            }
            _ if text.eq_ignore_ascii_case(b"delimiter")
                && (self.rules.delimiter_command
                    || self.delimiter.is_some()
                    || self.at_statement_start()) =>
            {
                self.delimiter_command(start)
            }
            _ => TokenKind::Word,
        }
    }

    fn at_delimiter(&self) -> bool {
        self.delimiter.is_some_and(|d| self.rest_starts(d))
    }

    /// `DELIMITER x` to the end of its line, where it is the client's command.
    fn delimiter_command(&mut self, start: usize) -> TokenKind {
        let end = self.pos;
        self.pos = start;
        let at_line_start = self.at_line_start();
        self.pos = end;
        if !at_line_start || !matches!(self.peek(0), b' ' | b'\t') {
            return TokenKind::Word;
        }
        let text = self.source.get(end..).and_then(|rest| rest.lines().next()).unwrap_or("");
        let Some(delimiter) = text.split_ascii_whitespace().next() else { return TokenKind::Word };
        self.skip_line();
        self.delimiter = (delimiter != ";").then_some(delimiter);
        TokenKind::ClientCommand
    }

    fn operator(&mut self) -> TokenKind {
        let start = self.pos;
        if self.dialect == Dialect::Postgres {
            while self.pos < self.bytes.len() && is_operator(self.bytes[self.pos]) {
                if self.pos > start && (self.rest_starts("--") || self.rest_starts("/*")) {
                    break;
                }
                self.pos += 1;
            }
            // PostgreSQL manual §4.1.3: a longer operator ends in + or - only if it also holds
            // one of these.
            let special = self.bytes[start..self.pos].iter().any(|b| {
                matches!(b, b'~' | b'!' | b'@' | b'#' | b'%' | b'^' | b'&' | b'|' | b'`' | b'?')
            });
            while self.pos > start + 1
                && !special
                && matches!(self.bytes[self.pos - 1], b'+' | b'-')
            {
                self.pos -= 1;
            }
            return TokenKind::Operator;
        }
        for op in ["<=>", "->>", "<=", ">=", "<>", "!=", "||", "&&", "<<", ">>", "->", "==", "=>"] {
            if self.rest_starts(op) {
                self.pos += op.len();
                return TokenKind::Operator;
            }
        }
        self.single(TokenKind::Operator)
    }

    /// Remembers where in a statement the lexer is.
    fn track(&mut self, kind: TokenKind, start: usize) {
        use StatementHead as Head;
        if kind.is_trivia() || kind == TokenKind::ExecutableOpen {
            return;
        }
        if matches!(kind, TokenKind::Terminator | TokenKind::ClientCommand | TokenKind::CopyData) {
            self.statement = Head::Start;
            self.brackets = 0;
            return;
        }
        let word = if kind == TokenKind::Word { &self.bytes[start..self.pos] } else { b"" };
        self.statement = match self.statement {
            Head::Start
                if self.dialect == Dialect::Postgres && word.eq_ignore_ascii_case(b"copy") =>
            {
                Head::Copy
            }
            Head::Start => Head::Other,
            Head::Copy if word.eq_ignore_ascii_case(b"from") => Head::CopyFrom,
            Head::CopyFrom if word.eq_ignore_ascii_case(b"stdin") => Head::CopyFromStdin,
            Head::CopyFrom => Head::Other,
            same => same,
        };
    }
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-'
            | b'*'
            | b'/'
            | b'<'
            | b'>'
            | b'='
            | b'~'
            | b'!'
            | b'@'
            | b'#'
            | b'%'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
            | b':'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dialect: Dialect, source: &str, expect: &[(TokenKind, &str)]) {
        let lexed = lex(source, dialect);
        let got: Vec<_> = lexed
            .tokens
            .iter()
            .filter(|t| t.kind != TokenKind::Whitespace)
            .map(|t| (t.kind, t.span.text(source)))
            .collect();
        assert_eq!(got, expect, "{source}");
        let whole: std::string::String = lexed.tokens.iter().map(|t| t.span.text(source)).collect();
        assert_eq!(whole, source);
    }

    use TokenKind::*;

    #[test]
    fn postgres_strings() {
        check(
            Dialect::Postgres,
            r"'a''b\' E'a\'b' $x$ ' $$ $x$ U&'d' U&",
            &[
                (String, r"'a''b\'"),
                (String, r"E'a\'b'"),
                (DollarString, "$x$ ' $$ $x$"),
                (String, "U&'d'"),
                (Word, "U"),
                (Operator, "&"),
            ],
        );
    }

    #[test]
    fn postgres_comments_nest_and_operators_stop_at_comments() {
        check(
            Dialect::Postgres,
            "/* a /* b */ c */ 1+--x\n2 a->>'b' @> -1 x::int",
            &[
                (BlockComment, "/* a /* b */ c */"),
                (Number, "1"),
                (Operator, "+"),
                (LineComment, "--x"),
                (Number, "2"),
                (Word, "a"),
                (Operator, "->>"),
                (String, "'b'"),
                (Operator, "@>"),
                (Operator, "-"),
                (Number, "1"),
                (Word, "x"),
                (Operator, "::"),
                (Word, "int"),
            ],
        );
    }

    #[test]
    fn mysql_dashes() {
        check(
            Dialect::Mysql,
            "--split\na --b\n--c\n-- d",
            &[
                (LineComment, "--split"),
                (Word, "a"),
                (Operator, "-"),
                (Operator, "-"),
                (Word, "b"),
                (Operator, "-"),
                (Operator, "-"),
                (Word, "c"),
                (LineComment, "-- d"),
            ],
        );
    }

    #[test]
    fn placeholders_are_names() {
        check(
            Dialect::Postgres,
            "${a}.t_{{ x }}y :'v' :n ${flyway:s} a[1:n] b::c $1 {schema}.x",
            &[
                (Placeholder, "${a}"),
                (Dot, "."),
                (Placeholder, "t_{{ x }}y"),
                (Placeholder, ":'v'"),
                (Placeholder, ":n"),
                (Placeholder, "${flyway:s}"),
                (Word, "a"),
                (LeftBracket, "["),
                (Number, "1"),
                (Operator, ":"),
                (Word, "n"),
                (RightBracket, "]"),
                (Word, "b"),
                (Operator, "::"),
                (Word, "c"),
                (Parameter, "$1"),
                (Placeholder, "{schema}"),
                (Dot, "."),
                (Word, "x"),
            ],
        );
    }

    #[test]
    fn copy_data_and_meta_commands() {
        check(
            Dialect::Postgres,
            "\\set x 1\nCOPY t (a) FROM stdin;\n1\t'\n\\.\nSELECT 1;",
            &[
                (ClientCommand, "\\set x 1"),
                (Word, "COPY"),
                (Word, "t"),
                (LeftParen, "("),
                (Word, "a"),
                (RightParen, ")"),
                (Word, "FROM"),
                (Word, "stdin"),
                (Terminator, ";"),
                (CopyData, "\n1\t'\n\\."),
                (Word, "SELECT"),
                (Number, "1"),
                (Terminator, ";"),
            ],
        );
    }

    #[test]
    fn mysql_lexemes() {
        check(
            Dialect::Mysql,
            "'a\\'b' \"c\" `d` # x\n--1 -- y\n/*!40101 SET */ @a @@b.c 0xFF 1a",
            &[
                (String, "'a\\'b'"),
                (String, "\"c\""),
                (QuotedIdent, "`d`"),
                (LineComment, "# x"),
                (Operator, "-"),
                (Operator, "-"),
                (Number, "1"),
                (LineComment, "-- y"),
                (ExecutableOpen, "/*!40101"),
                (Word, "SET"),
                (ExecutableClose, "*/"),
                (Variable, "@a"),
                (Variable, "@@b"),
                (Dot, "."),
                (Word, "c"),
                (Number, "0xFF"),
                (Word, "1a"),
            ],
        );
    }

    #[test]
    fn mysql_delimiter() {
        check(
            Dialect::Mysql,
            "DELIMITER $$\nBEGIN x; END$$\ndelimiter ;\nSELECT 1;",
            &[
                (ClientCommand, "DELIMITER $$"),
                (Word, "BEGIN"),
                (Word, "x"),
                (Semicolon, ";"),
                (Word, "END"),
                (Terminator, "$$"),
                (ClientCommand, "delimiter ;"),
                (Word, "SELECT"),
                (Number, "1"),
                (Terminator, ";"),
            ],
        );
    }

    #[test]
    fn sqlite_quotes_and_dot_commands() {
        check(
            Dialect::Sqlite,
            ".mode csv\n[a b] \"c\" `d` 'e' ?1 @p",
            &[
                (ClientCommand, ".mode csv"),
                (QuotedIdent, "[a b]"),
                (QuotedIdent, "\"c\""),
                (QuotedIdent, "`d`"),
                (String, "'e'"),
                (Parameter, "?1"),
                (Parameter, "@p"),
            ],
        );
    }

    #[test]
    fn open_ends_are_reported() {
        for (dialect, source) in [
            (Dialect::Postgres, "SELECT 'a"),
            (Dialect::Postgres, "SELECT $$a"),
            (Dialect::Postgres, "/* /* */"),
            (Dialect::Mysql, "`a"),
            (Dialect::Sqlite, "[a"),
        ] {
            let lexed = lex(source, dialect);
            assert_eq!(lexed.errors.len(), 1, "{source}");
            assert_eq!(lexed.tokens.last().map(|t| t.kind), Some(Unterminated), "{source}");
        }
    }
}
