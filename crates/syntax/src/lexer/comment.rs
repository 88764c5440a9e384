//! Comments, and the code that MySQL and MariaDB run out of some of them.

use super::Lexer;
use super::token::TokenKind;
use crate::Dialect;

impl Lexer<'_> {
    pub(super) fn dash_comment(&self) -> bool {
        self.peek(1) == b'-'
            && (!self.rules.dashes_need_space
                || self.pos + 2 >= self.bytes.len()
                || self.peek(2).is_ascii_whitespace()
                || self.peek(2).is_ascii_control()
                // No statement begins with two minus signs: some runners take such a line for
                // a comment, and leave it out.
                || (self.at_statement_start() && self.at_line_start()))
    }

    pub(super) fn line_comment(&mut self) -> TokenKind {
        self.skip_line();
        TokenKind::LineComment
    }

    pub(super) fn skip_line(&mut self) {
        while self.pos < self.bytes.len() && !matches!(self.bytes[self.pos], b'\n' | b'\r') {
            self.pos += 1;
        }
    }

    pub(super) fn block_comment(&mut self) -> TokenKind {
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
}
