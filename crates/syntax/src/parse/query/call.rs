//! Function calls, with all that may stand in and behind them.

use super::Reader;
use super::expr::OTHER;
use crate::lexer::TokenKind;
use crate::parse::cursor::Parse;
use crate::query::{Expr, ExprKind};

impl Reader<'_> {
    /// A function call with all that may stand in and behind it.
    pub(super) fn call(&mut self, from: usize, upper: &str) -> Parse<Expr> {
        let name = self.path("a function")?;
        self.cursor.expect_left()?;
        let (mut args, mut more) = (Vec::new(), Vec::new());
        let (mut star, mut windowed, mut special) = (false, false, false);
        if upper == "EXTRACT" {
            special = true;
            if self.cursor.is_at(1, "FROM") {
                self.cursor.pos += 2;
            }
            args.push(self.expr()?);
        } else if matches!(upper, "TIMESTAMPDIFF" | "TIMESTAMPADD" | "GET_FORMAT")
            && self.cursor.is_mysql()
        {
            special = true;
            self.cursor.bump();
            while self.cursor.eat_comma() {
                args.push(self.expr()?);
            }
        } else {
            self.cursor.eat_any(&["DISTINCT", "ALL", "VARIADIC"]);
            if self.cursor.eat_any(&["BOTH", "LEADING", "TRAILING"]).is_some() {
                special = true;
                if self.cursor.eat("FROM") {}
            }
            if self.cursor.is_op("*") && self.cursor.kind_at(1) == Some(TokenKind::RightParen) {
                self.cursor.bump();
                star = true;
            }
            while !self.cursor.is_kind(TokenKind::RightParen) {
                if self.cursor.at_end() {
                    return Err(self.cursor.expected("`)`"));
                }
                // name => value
                if self.cursor.is_name()
                    && self.cursor.kind_at(1) == Some(TokenKind::Operator)
                    && matches!(self.cursor.text_at(1), "=>" | ":=")
                {
                    self.cursor.pos += 2;
                    special = true;
                }
                self.cursor.eat("VARIADIC");
                let at = self.cursor.pos;
                // POSITION(a IN b) reads as an operand with IN behind it.
                if upper == "POSITION" {
                    special = true;
                    args.push(self.bound(OTHER)?);
                    if self.cursor.eat("IN") {
                        args.push(self.bound(OTHER)?);
                    }
                } else {
                    args.push(self.expr()?);
                }
                if self.cursor.eat_comma() {
                    continue;
                }
                if self.cursor.is_any(&["FROM", "FOR", "PLACING", "SEPARATOR", "USING", "SIMILAR"])
                {
                    special = true;
                    let charset = self.cursor.is("USING");
                    self.cursor.bump();
                    if charset {
                        self.cursor.bump();
                    }
                } else if self.cursor.eat_all(&["ORDER", "BY"]) {
                    more.extend(self.order_list()?);
                } else if self.cursor.eat("AS") {
                    // Functions of SQL/JSON and XML: `x AS name`, `x AS type`.
                    special = true;
                    self.cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
                    self.cursor.eat_comma();
                } else if self.cursor.eat_any(&["LIMIT", "COLLATE", "WITH"]).is_some() {
                    special = true;
                    self.cursor.skip_until(|_| false);
                } else if self.cursor.is_mysql() && self.cursor.is("IN")
                    || self.cursor.eat_all(&["RESPECT", "NULLS"])
                    || self.cursor.eat_all(&["IGNORE", "NULLS"])
                    || self.cursor.eat_all(&["ABSENT", "ON", "NULL"])
                    || self.cursor.eat_all(&["NULL", "ON", "NULL"])
                    || self.cursor.eat("RETURNING") && self.skip_type()
                {
                    special = true;
                    if self.cursor.is("IN") {
                        self.cursor.skip_until(|_| false);
                    }
                }
                if self.cursor.pos == at
                    || !self.cursor.is_kind(TokenKind::RightParen) && !special && more.is_empty()
                {
                    return Err(self.cursor.expected("`)`"));
                }
            }
        }
        self.cursor.expect_right()?;
        // MATCH (a, b) AGAINST ('x' IN BOOLEAN MODE)
        if upper == "MATCH" && self.cursor.eat("AGAINST") {
            special = true;
            self.cursor.skip_group()?;
        }
        if self.cursor.eat_all(&["WITHIN", "GROUP"]) {
            self.cursor.expect_left()?;
            self.cursor.expect("ORDER")?;
            self.cursor.expect("BY")?;
            more.extend(self.order_list()?);
            self.cursor.expect_right()?;
        }
        if self.cursor.is("FILTER") && self.cursor.kind_at(1) == Some(TokenKind::LeftParen) {
            self.cursor.bump();
            self.cursor.expect_left()?;
            self.cursor.expect("WHERE")?;
            more.push(self.expr()?);
            self.cursor.expect_right()?;
        }
        if !self.cursor.eat_all(&["RESPECT", "NULLS"]) {
            self.cursor.eat_all(&["IGNORE", "NULLS"]);
        }
        if self.cursor.eat("OVER") {
            windowed = true;
            self.window(&mut more)?;
        }
        Ok(self.node(from, ExprKind::Call { name, args, more, windowed, star, special }))
    }
}
