//! Words, numbers, variables, parameters and operators.

use super::Lexer;
use super::token::TokenKind;
use crate::Dialect;

impl Lexer<'_> {
    pub(super) fn word(&mut self) -> TokenKind {
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

    pub(super) fn number(&mut self) -> TokenKind {
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

    pub(super) fn dollar(&mut self) -> TokenKind {
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
            return self.dollar_string(tag);
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

    pub(super) fn at_sign(&mut self) -> TokenKind {
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

    /// The byte before belongs to a name or closes one.
    pub(super) fn follows_name(&self) -> bool {
        self.pos > self.begin
            && matches!(self.bytes[self.pos - 1], b if is_word_part(b) || matches!(b, b'"' | b'`' | b']' | b')' | b'}'))
    }

    pub(super) fn operator(&mut self) -> TokenKind {
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
}

pub(super) fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

pub(super) fn is_word_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

pub(super) fn is_operator(byte: u8) -> bool {
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
