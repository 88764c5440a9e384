//! Text to tokens: lossless, linear, never fails.
//!
//! Concatenating the tokens' texts gives the source back. What is wrong with the text (an
//! unterminated quote, dollar quote or comment) becomes a [`TokenKind::Unterminated`] token that
//! reaches to the end, and a [`SyntaxError`].
//!
//! Client-side text is recognised here too, since it decides what the rest means: psql
//! meta-commands and `COPY … FROM stdin` data, MySQL's `DELIMITER`, SQLite's dot commands, and
//! template placeholders (`${x}`, `{{ x }}`, `:'x'`, `:x`).

mod client;
mod comment;
mod placeholder;
mod quoted;
mod token;
mod word;

pub use token::{Lexed, Token, TokenKind};

use crate::dialect::Lexical;
use crate::parse::SyntaxError;
use crate::{Dialect, Span};
use client::StatementHead;
use word::{is_operator, is_word_start};

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
