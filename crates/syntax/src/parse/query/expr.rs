//! Expressions: precedence climbing over operands and operators.

use super::Reader;
use crate::lexer::TokenKind;
use crate::parse::cursor::Parse;
use crate::parse::types::parse_type;
use crate::query::{Expr, ExprKind};

// Binding strengths, weakest first.
const OR: u8 = 1;
const AND: u8 = 3;
const NOT: u8 = 4;
const COMPARE: u8 = 5;
pub(super) const OTHER: u8 = 7;
const ADD: u8 = 8;
const MULTIPLY: u8 = 9;
const UNARY: u8 = 11;

impl Reader<'_> {
    pub(super) fn expr(&mut self) -> Parse<Expr> {
        self.bound(0)
    }

    pub(super) fn expr_list(&mut self) -> Parse<Vec<Expr>> {
        let mut list = vec![self.expr()?];
        while self.cursor.eat_comma() {
            list.push(self.expr()?);
        }
        Ok(list)
    }

    pub(super) fn bound(&mut self, least: u8) -> Parse<Expr> {
        self.deeper(|reader| reader.bound_here(least))
    }

    pub(super) fn node(&self, from: usize, kind: ExprKind) -> Expr {
        Expr { kind, span: self.span_from(from) }
    }

    fn bound_here(&mut self, least: u8) -> Parse<Expr> {
        let from = self.cursor.pos;
        let mut left = self.prefix(least)?;
        loop {
            let before = self.cursor.pos;
            let Some((op, strength)) = self.infix() else { return Ok(left) };
            if strength < least {
                self.cursor.pos = before;
                return Ok(left);
            }
            left = self.behind(from, left, op, strength)?;
        }
    }

    /// What stands before an operand.
    fn prefix(&mut self, least: u8) -> Parse<Expr> {
        let from = self.cursor.pos;
        if self.cursor.is("NOT") && least <= NOT {
            self.cursor.bump();
            let inner = self.bound(NOT)?;
            return Ok(self.node(from, ExprKind::Unary("NOT".to_owned(), Box::new(inner))));
        }
        if self.cursor.is_kind(TokenKind::Operator)
            && matches!(self.cursor.text(), "-" | "+" | "~" | "!" | "@" | "|/" | "||/" | "!!")
        {
            let op = self.cursor.text().to_owned();
            self.cursor.bump();
            let inner = self.bound(UNARY)?;
            return Ok(self.node(from, ExprKind::Unary(op, Box::new(inner))));
        }
        if self.cursor.is("PRIOR") || self.cursor.is_mysql() && self.cursor.is("BINARY") {
            self.cursor.bump();
            return self.bound(UNARY);
        }
        let operand = self.operand()?;
        self.postfix(from, operand)
    }

    /// The operator that comes next, taken, and how strongly it binds.
    fn infix(&mut self) -> Option<(String, u8)> {
        let kind = self.cursor.kind()?;
        let take = |reader: &mut Self, words: usize, op: &str, strength: u8| {
            reader.cursor.pos += words;
            Some((op.to_owned(), strength))
        };
        if kind == TokenKind::Operator {
            let op = self.cursor.text().to_owned();
            let strength = match op.as_str() {
                "=" | "==" | "<" | ">" | "<=" | ">=" | "<>" | "!=" | "<=>" => COMPARE,
                "+" | "-" => ADD,
                "*" | "/" | "%" => MULTIPLY,
                "^" if self.cursor.is_postgres() => MULTIPLY + 1,
                "||" if self.cursor.is_mysql() => OR,
                "&&" if self.cursor.is_mysql() => AND,
                "=>" | ":=" | "::" | "*)" => return None,
                _ => OTHER,
            };
            let op = if op == "||" && self.cursor.is_mysql() {
                "OR".to_owned()
            } else if op == "&&" && self.cursor.is_mysql() {
                "AND".to_owned()
            } else {
                op
            };
            self.cursor.bump();
            return Some((op, strength));
        }
        if kind != TokenKind::Word {
            return None;
        }
        let upper = self.cursor.text().to_ascii_uppercase();
        match upper.as_str() {
            "OR" | "XOR" => take(self, 1, "OR", OR),
            "AND" => take(self, 1, "AND", AND),
            "IS" | "ISNULL" | "NOTNULL" => take(self, 1, &upper, COMPARE),
            "IN" | "LIKE" | "ILIKE" | "BETWEEN" | "REGEXP" | "RLIKE" | "GLOB" | "MATCH"
            | "OVERLAPS" => take(self, 1, &upper, COMPARE),
            "SIMILAR" if self.cursor.is_at(1, "TO") => take(self, 2, "SIMILAR", COMPARE),
            "SOUNDS" if self.cursor.is_at(1, "LIKE") => take(self, 2, "LIKE", COMPARE),
            "MEMBER" if self.cursor.is_at(1, "OF") => take(self, 2, "MEMBER", COMPARE),
            "NOT" => {
                let next = self.cursor.text_at(1).to_ascii_uppercase();
                match next.as_str() {
                    "IN" | "LIKE" | "ILIKE" | "BETWEEN" | "REGEXP" | "RLIKE" | "GLOB" | "MATCH" => {
                        take(self, 2, &next, COMPARE)
                    }
                    "SIMILAR" => take(self, 3, "SIMILAR", COMPARE),
                    "NULL" if self.cursor.is_sqlite() => take(self, 2, "NOTNULL", COMPARE),
                    _ => None,
                }
            }
            "DIV" | "MOD" if self.cursor.is_mysql() => take(self, 1, "/", MULTIPLY),
            "AT" if self.cursor.is_at(1, "TIME") || self.cursor.is_at(1, "LOCAL") => {
                take(self, 1, "AT", UNARY)
            }
            "COLLATE" => take(self, 1, "COLLATE", UNARY + 1),
            "OPERATOR" if self.cursor.kind_at(1) == Some(TokenKind::LeftParen) => {
                self.cursor.bump();
                let (a, b) = self.cursor.skip_group().ok()?;
                let op = self.cursor.text_of(b.saturating_sub(1).max(a), b);
                Some((op, OTHER))
            }
            _ => None,
        }
    }

    /// What stands behind an operator.
    fn behind(&mut self, from: usize, left: Expr, op: String, strength: u8) -> Parse<Expr> {
        let left = Box::new(left);
        let kind = match op.as_str() {
            "IS" => {
                self.cursor.eat("NOT");
                if self.cursor.eat("DISTINCT") {
                    self.cursor.expect("FROM")?;
                    let right = self.bound(strength + 1)?;
                    ExprKind::Binary("=".to_owned(), left, Box::new(right))
                } else if self
                    .cursor
                    .eat_any(&["NULL", "UNKNOWN", "DOCUMENT", "NORMALIZED"])
                    .is_some()
                {
                    ExprKind::Unary("IS NULL".to_owned(), left)
                } else if self.cursor.eat_any(&["TRUE", "FALSE"]).is_some() {
                    ExprKind::Unary("IS TRUE".to_owned(), left)
                } else if self.cursor.eat("JSON") {
                    self.cursor.eat_any(&["VALUE", "OBJECT", "ARRAY", "SCALAR"]);
                    ExprKind::Unary("IS NULL".to_owned(), left)
                } else {
                    let right = self.bound(strength + 1)?;
                    ExprKind::Binary("IS".to_owned(), left, Box::new(right))
                }
            }
            "ISNULL" | "NOTNULL" => ExprKind::Unary("IS NULL".to_owned(), left),
            "IN" => {
                if self.cursor.is_kind(TokenKind::LeftParen) {
                    if self.starts_select_in_parens() {
                        self.cursor.expect_left()?;
                        let select = self.select()?;
                        self.cursor.expect_right()?;
                        ExprKind::AmongRows(left, Box::new(select))
                    } else {
                        self.cursor.expect_left()?;
                        let list = if self.cursor.is_kind(TokenKind::RightParen) {
                            Vec::new()
                        } else {
                            self.expr_list()?
                        };
                        self.cursor.expect_right()?;
                        ExprKind::Among(left, list)
                    }
                } else {
                    // SQLite: `x IN table`; a parameter that a driver expands.
                    let right = self.bound(strength + 1)?;
                    let list = if matches!(right.kind, ExprKind::Param(_)) {
                        vec![right]
                    } else {
                        Vec::new()
                    };
                    ExprKind::Among(left, list)
                }
            }
            "BETWEEN" => {
                self.cursor.eat_any(&["SYMMETRIC", "ASYMMETRIC"]);
                let low = self.bound(OTHER)?;
                self.cursor.expect("AND")?;
                let high = self.bound(OTHER)?;
                ExprKind::Among(left, vec![low, high])
            }
            "AT" => {
                if !self.cursor.eat("LOCAL") {
                    self.cursor.expect("TIME")?;
                    self.cursor.expect("ZONE")?;
                    let zone = self.bound(UNARY)?;
                    ExprKind::Binary("AT TIME ZONE".to_owned(), left, Box::new(zone))
                } else {
                    return Ok(*left);
                }
            }
            "COLLATE" => {
                self.cursor.object_name("a collation")?;
                return Ok(*left);
            }
            "LIKE" | "ILIKE" | "SIMILAR" | "GLOB" | "MATCH" | "REGEXP" | "RLIKE" => {
                let right = self.quantified(strength, left, &op)?;
                if self.cursor.eat("ESCAPE") {
                    self.bound(strength + 1)?;
                }
                right
            }
            _ => self.quantified(strength, left, &op)?,
        };
        let expr = self.node(from, kind);
        self.postfix(from, expr)
    }

    /// `ANY (…)`, `ALL (…)` or a plain right side.
    fn quantified(&mut self, strength: u8, left: Box<Expr>, op: &str) -> Parse<ExprKind> {
        if self.cursor.is_any(&["ANY", "ALL", "SOME"])
            && self.cursor.kind_at(1) == Some(TokenKind::LeftParen)
        {
            self.cursor.bump();
            let selects = self.starts_select_in_parens();
            self.cursor.expect_left()?;
            let kind = if selects {
                ExprKind::AmongRows(left, Box::new(self.select()?))
            } else {
                ExprKind::AnyOf(left, Box::new(self.expr()?))
            };
            self.cursor.expect_right()?;
            return Ok(kind);
        }
        let right = self.bound(strength + 1)?;
        Ok(ExprKind::Binary(op.to_owned(), left, Box::new(right)))
    }

    /// `::type`, `[…]`, `.field` behind an operand.
    fn postfix(&mut self, from: usize, mut expr: Expr) -> Parse<Expr> {
        loop {
            if self.cursor.is_op("::") {
                self.cursor.bump();
                let ty = parse_type(&mut self.cursor)?;
                expr = self.node(from, ExprKind::Cast(Box::new(expr), ty));
            } else if self.cursor.is_kind(TokenKind::LeftBracket) {
                self.cursor.bump();
                let mut subscripts = Vec::new();
                while !self.cursor.is_kind(TokenKind::RightBracket) {
                    if self.cursor.at_end() {
                        return Err(self.cursor.expected("`]`"));
                    }
                    if self.cursor.is_op(":") {
                        self.cursor.bump();
                    } else {
                        subscripts.push(self.expr()?);
                    }
                }
                self.cursor.bump();
                expr = self.node(from, ExprKind::Index(Box::new(expr), subscripts));
            } else if self.cursor.is_kind(TokenKind::Dot)
                && !matches!(expr.kind, ExprKind::Column(_) | ExprKind::Literal(..))
            {
                self.cursor.bump();
                if self.cursor.eat_op("*") {
                    continue;
                }
                let name = self.name("a field")?;
                expr = self.node(from, ExprKind::Field(Box::new(expr), name));
            } else {
                return Ok(expr);
            }
        }
    }

    pub(super) fn skip_type(&mut self) -> bool {
        parse_type(&mut self.cursor).is_ok()
    }
}
