//! Text for the client: meta-commands, `DELIMITER`, and the rows behind `COPY … FROM stdin`.

use super::Lexer;
use super::token::TokenKind;
use crate::Dialect;

/// How much of `COPY … FROM stdin` the current statement has shown so far.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StatementHead {
    Start,
    Copy,
    CopyFrom,
    CopyFromStdin,
    Other,
}

impl Lexer<'_> {
    pub(super) fn client_line(&mut self) -> TokenKind {
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
    pub(super) fn copy_data(&mut self) {
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

    pub(super) fn at_delimiter(&self) -> bool {
        self.delimiter.is_some_and(|d| self.rest_starts(d))
    }

    /// `DELIMITER x` to the end of its line, where it is the client's command.
    pub(super) fn delimiter_command(&mut self, start: usize) -> TokenKind {
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

    /// Remembers where in a statement the lexer is.
    pub(super) fn track(&mut self, kind: TokenKind, start: usize) {
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
