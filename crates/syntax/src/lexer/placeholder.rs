//! Templates: placeholders `${x}`, `{{ x }}`, `{x}`, `$%x%$`, `:'x'`, `:x`, and control blocks `{% … %}`.

use super::Lexer;
use super::token::TokenKind;
use super::word::{is_word_part, is_word_start};
use crate::Dialect;

impl Lexer<'_> {
    /// Length of a placeholder `${x}`, `{{ x }}`, `{x}` or `$%x%$` at the position. Never spans lines, and
    /// looks at most 200 bytes ahead, so that the lexer stays linear.
    pub(super) fn placeholder_len(&self) -> Option<usize> {
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

    pub(super) fn brace(&mut self) -> TokenKind {
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
    pub(super) fn continue_word(&mut self, kind: TokenKind) -> TokenKind {
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

    pub(super) fn colon(&mut self) -> TokenKind {
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
}
