//! What stands between quotes: strings, identifiers, dollar-quoted text.

use super::Lexer;
use super::token::TokenKind;
use super::word::is_word_start;

impl<'a> Lexer<'a> {
    /// A string from its quote on; the position stands on the quote.
    pub(super) fn string(&mut self, quote: u8, backslash: bool) -> TokenKind {
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

    pub(super) fn quoted_ident(&mut self, quote: u8) -> TokenKind {
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

    pub(super) fn bracket_ident(&mut self) -> TokenKind {
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

    /// From `$tag$` at the position to the next one.
    pub(super) fn dollar_string(&mut self, tag: &str) -> TokenKind {
        let start = self.pos;
        self.pos += tag.len();
        match self.source.get(self.pos..).and_then(|rest| rest.find(tag)) {
            Some(at) => {
                self.pos += at + tag.len();
                TokenKind::DollarString
            }
            None => self.unterminated(start, &format!("a dollar-quoted string `{tag}`")),
        }
    }

    /// `$$` or `$tag$` at the position.
    pub(super) fn dollar_tag(&self) -> Option<&'a str> {
        let mut len = 1;
        loop {
            match self.peek(len) {
                b'$' => return self.source.get(self.pos..=self.pos + len),
                b if is_word_start(b) || (len > 1 && b.is_ascii_digit()) => len += 1,
                _ => return None,
            }
        }
    }
}
