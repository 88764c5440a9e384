//! Expressions: where they end, and what they mention.

use crate::lexer::TokenKind;
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::mention::mentions;
use crate::parse::types::parse_type;
use crate::{Expr, Query};

impl Cursor<'_> {
    /// The expression that the tokens `from..to` hold.
    pub(crate) fn expr_of(&self, from: usize, to: usize) -> Expr {
        let found = mentions(self, from, to);
        Expr {
            text: self.text_of(from, to),
            columns: found.columns.items,
            functions: found.functions.items,
            span: self.span_of(from, to),
        }
    }

    /// The query that the tokens `from..to` hold.
    pub(crate) fn query_of(&self, from: usize, to: usize) -> Query {
        let found = mentions(self, from, to);
        Query {
            text: self.text_of(from, to),
            tables: found.tables.items,
            columns: found.columns.items,
            star: found.star,
            functions: found.functions.items,
            span: self.span_of(from, to),
        }
    }

    /// `( expression )`: what stands inside.
    pub(crate) fn paren_expr(&mut self) -> Parse<Expr> {
        let (from, to) = self.skip_group()?;
        if from == to {
            return Err(self.over(0, from).expected("an expression"));
        }
        Ok(self.expr_of(from, to))
    }

    /// An expression up to a token outside of parentheses for which `stop` holds.
    pub(crate) fn expr_until(&mut self, stop: impl Fn(&Self) -> bool) -> Parse<Expr> {
        let (from, to) = self.skip_until(stop);
        if from == to {
            return Err(self.expected("an expression"));
        }
        Ok(self.expr_of(from, to))
    }

    /// An expression as it may stand behind `DEFAULT`: PostgreSQL's `b_expr`, so that
    /// `DEFAULT 1 NOT NULL` ends before `NOT`.
    pub(crate) fn short_expr(&mut self) -> Parse<Expr> {
        let from = self.pos;
        self.skip_short_expr()?;
        Ok(self.expr_of(from, self.pos))
    }

    fn skip_short_expr(&mut self) -> Parse<()> {
        loop {
            self.skip_operand()?;
            if self.is_kind(TokenKind::Operator) && !self.is_op("::") {
                if self.text() == ":=" {
                    return Ok(());
                }
                self.bump();
            } else if self.are(&["IS", "DISTINCT", "FROM"]) {
                self.pos += 3;
            } else if self.are(&["IS", "NOT", "DISTINCT", "FROM"]) {
                self.pos += 4;
            } else if self.is("OPERATOR") && self.kind_at(1) == Some(TokenKind::LeftParen) {
                self.bump();
                self.skip_group()?;
            } else if self.is_any(&["DIV", "MOD", "AND", "OR", "XOR"]) {
                self.bump();
            } else {
                return Ok(());
            }
        }
    }

    fn skip_operand(&mut self) -> Parse<()> {
        while (self.is_kind(TokenKind::Operator)
            && matches!(self.text(), "+" | "-" | "~" | "!" | "@" | "|/"))
            || (self.is("NOT") && !self.is_at(1, "NULL"))
        {
            self.bump();
        }
        match self.kind() {
            Some(TokenKind::LeftParen) => {
                self.skip_group()?;
            }
            Some(TokenKind::String | TokenKind::DollarString) => {
                self.string_opt();
            }
            Some(
                TokenKind::Number | TokenKind::Parameter | TokenKind::Variable | TokenKind::Unknown,
            ) => self.bump(),
            Some(TokenKind::Word | TokenKind::QuotedIdent | TokenKind::Placeholder) => {
                self.skip_named_operand()?;
            }
            _ => return Err(self.expected("an expression")),
        }
        loop {
            if self.eat_op("::") {
                parse_type(self)?;
            } else if self.is_kind(TokenKind::LeftBracket) {
                self.skip_group()?;
            } else if self.is_kind(TokenKind::Dot) && self.is_name_at(1) {
                self.pos += 2;
            } else if self.eat_all(&["AT", "TIME", "ZONE"]) {
                self.skip_operand()?;
            } else if !self.eat_all(&["AT", "LOCAL"]) {
                return Ok(());
            }
        }
    }

    fn skip_named_operand(&mut self) -> Parse<()> {
        if self.eat("CASE") {
            let mut depth = 1usize;
            while depth > 0 {
                if self.at_end() {
                    return Err(self.expected("END"));
                }
                if self.is("CASE") {
                    depth += 1;
                } else if self.is("END") {
                    depth -= 1;
                }
                self.bump();
            }
            return Ok(());
        }
        if self.is("ARRAY")
            && matches!(self.kind_at(1), Some(TokenKind::LeftBracket | TokenKind::LeftParen))
        {
            self.bump();
            self.skip_group()?;
            return Ok(());
        }
        if self.is("INTERVAL") {
            self.bump();
            if self.is_kind(TokenKind::LeftParen) {
                self.skip_group()?;
            }
            if !self.at_end() {
                self.bump();
            }
            while self.is_any(&["YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "TO"]) {
                self.bump();
            }
            return Ok(());
        }
        if self.is_any(&["TIMESTAMP", "TIME"]) && self.is_any_at(1, &["WITH", "WITHOUT"]) {
            self.pos += 4;
            self.string_opt();
            return Ok(());
        }
        if self.eat_all(&["NEXT", "VALUE", "FOR"]) || self.eat_all(&["PREVIOUS", "VALUE", "FOR"]) {
            // MariaDB sequences.
            self.object_name("a sequence")?;
            return Ok(());
        }
        if self.are(&["DOUBLE", "PRECISION"]) {
            self.pos += 2;
            self.string("a string")?;
            return Ok(());
        }
        self.bump();
        while self.is_kind(TokenKind::Dot) && (self.is_name_at(1)) {
            self.pos += 2;
        }
        if self.is_kind(TokenKind::String) {
            // A typed literal: date '2024-01-01', _utf8mb4'x'.
            self.string_opt();
        } else if self.is_kind(TokenKind::LeftParen) {
            self.skip_group()?;
            while self.is_any(&["FILTER", "OVER"]) && self.kind_at(1) == Some(TokenKind::LeftParen)
            {
                self.bump();
                self.skip_group()?;
            }
        }
        Ok(())
    }

    pub(crate) fn is_any_at(&self, ahead: usize, words: &[&str]) -> bool {
        words.iter().any(|w| self.is_at(ahead, w))
    }
}
