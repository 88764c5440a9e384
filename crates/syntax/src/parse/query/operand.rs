//! Operands: literals, columns, parentheses, words with a grammar of their own.

use super::Reader;
use crate::lexer::TokenKind;
use crate::parse::cursor::Parse;
use crate::parse::types::parse_type;
use crate::query::{Expr, ExprKind, LiteralKind, Path};

impl Reader<'_> {
    /// One operand.
    pub(super) fn operand(&mut self) -> Parse<Expr> {
        let from = self.cursor.pos;
        let Some(kind) = self.cursor.kind() else {
            return Err(self.cursor.expected("an expression"));
        };
        match kind {
            TokenKind::LeftParen => self.parenthesis(from),
            TokenKind::Number => {
                let text = self.cursor.text().to_owned();
                self.cursor.bump();
                let decimal = !text.starts_with("0x") && text.contains(['.', 'e', 'E']);
                let kind = if decimal { LiteralKind::Decimal } else { LiteralKind::Integer };
                Ok(self.node(from, ExprKind::Literal(kind, text)))
            }
            TokenKind::String if self.cursor.is_sqlite() && self.cursor.text().starts_with('"') => {
                self.column(from)
            }
            TokenKind::String | TokenKind::DollarString => {
                let bytes = self.cursor.text().starts_with(['x', 'X', 'b', 'B']);
                let value = self.cursor.string("a string")?;
                let kind = if bytes { LiteralKind::Bytes } else { LiteralKind::String };
                Ok(self.node(from, ExprKind::Literal(kind, value)))
            }
            TokenKind::Parameter => {
                let text = self.cursor.text();
                let number = text.trim_start_matches(['$', '?', '@', ':']).parse().ok();
                let number = number.or_else(|| {
                    self.parameters += 1;
                    (text == "?").then_some(self.parameters)
                });
                self.cursor.bump();
                Ok(self.node(from, ExprKind::Param(number)))
            }
            TokenKind::Placeholder | TokenKind::Variable => {
                self.cursor.bump();
                if self.cursor.eat_op(":=") {
                    return self.expr();
                }
                Ok(self.node(from, ExprKind::Param(None)))
            }
            TokenKind::Word => self.word(from),
            TokenKind::QuotedIdent => self.column(from),
            // `:name` of a driver; `*` of count(*) is read with the call.
            TokenKind::Operator if self.cursor.text() == ":" && self.cursor.is_name_at(1) => {
                self.cursor.pos += 2;
                Ok(self.node(from, ExprKind::Param(None)))
            }
            _ => Err(self.cursor.expected("an expression")),
        }
    }

    fn parenthesis(&mut self, from: usize) -> Parse<Expr> {
        if self.starts_select_in_parens() {
            let before = (self.cursor, self.parameters);
            self.cursor.expect_left()?;
            match self.select() {
                Ok(select) if self.cursor.eat_kind(TokenKind::RightParen) => {
                    return Ok(self.node(from, ExprKind::Subquery(Box::new(select))));
                }
                // `((SELECT …) + 1)`
                result => {
                    let nested = before.0.kind_at(1) == Some(TokenKind::LeftParen);
                    if !nested {
                        result?;
                        return Err(self.cursor.expected("`)`"));
                    }
                    (self.cursor, self.parameters) = before;
                }
            }
        }
        self.cursor.expect_left()?;
        let mut list = self.expr_list()?;
        self.cursor.expect_right()?;
        if list.len() == 1 {
            let mut inner = list.remove(0);
            inner.span = self.span_from(from);
            // `(column).field` is a field, not another column.
            if self.cursor.is_kind(TokenKind::Dot) {
                inner = self.node(from, ExprKind::Row(vec![inner]));
            }
            return Ok(inner);
        }
        Ok(self.node(from, ExprKind::Row(list)))
    }

    fn word(&mut self, from: usize) -> Parse<Expr> {
        let upper = self.cursor.text().to_ascii_uppercase();
        let next = self.cursor.kind_at(1);
        let called = next == Some(TokenKind::LeftParen);
        if next == Some(TokenKind::Dot) {
            return self.column(from);
        }
        let literal = |kind, text: &str| ExprKind::Literal(kind, text.to_owned());
        let simple = match upper.as_str() {
            "NULL" => Some(literal(LiteralKind::Null, "NULL")),
            "TRUE" | "FALSE" => Some(literal(LiteralKind::Boolean, &upper)),
            "DEFAULT" if !called => Some(ExprKind::Default),
            "CURRENT_TIMESTAMP" | "CURRENT_DATE" | "CURRENT_TIME" | "CURRENT_USER"
            | "CURRENT_ROLE" | "CURRENT_SCHEMA" | "CURRENT_CATALOG" | "SESSION_USER"
            | "LOCALTIME" | "LOCALTIMESTAMP" | "UTC_TIMESTAMP" | "UTC_DATE" | "UTC_TIME" => {
                Some(ExprKind::Keyword(upper.clone()))
            }
            "USER" if self.cursor.is_postgres() => Some(ExprKind::Keyword(upper.clone())),
            _ => None,
        };
        if let Some(kind) = simple {
            self.cursor.bump();
            if matches!(kind, ExprKind::Keyword(_)) && called {
                self.cursor.skip_group()?;
            }
            return Ok(self.node(from, kind));
        }
        match upper.as_str() {
            "CASE" => return self.case(from),
            "EXISTS" if called => {
                self.cursor.bump();
                self.cursor.expect_left()?;
                let select = self.select()?;
                self.cursor.expect_right()?;
                return Ok(self.node(from, ExprKind::Exists(Box::new(select))));
            }
            "CAST" | "TRY_CAST" if called => {
                self.cursor.bump();
                self.cursor.expect_left()?;
                let inner = self.expr()?;
                self.cursor.expect("AS")?;
                let ty = parse_type(&mut self.cursor)?;
                self.cursor.eat("ARRAY");
                self.cursor.expect_right()?;
                return Ok(self.node(from, ExprKind::Cast(Box::new(inner), ty)));
            }
            "ARRAY" if called => {
                self.cursor.bump();
                self.cursor.expect_left()?;
                let select = self.select()?;
                self.cursor.expect_right()?;
                return Ok(self.node(from, ExprKind::ArrayOf(Box::new(select))));
            }
            "ARRAY" if next == Some(TokenKind::LeftBracket) => {
                self.cursor.bump();
                return self.array(from);
            }
            "ROW" if called => {
                self.cursor.bump();
                self.cursor.expect_left()?;
                let list = if self.cursor.is_kind(TokenKind::RightParen) {
                    Vec::new()
                } else {
                    self.expr_list()?
                };
                self.cursor.expect_right()?;
                return Ok(self.node(from, ExprKind::Row(list)));
            }
            "INTERVAL" if !called || self.cursor.is_mysql() => return self.interval(from),
            "SELECT" | "FROM" | "WHERE" | "AND" | "OR" | "THEN" | "WHEN" | "ELSE" | "END"
            | "ON" | "GROUP" | "ORDER" | "HAVING" | "UNION" | "AS" | "USING" | "JOIN" | "SET" => {
                return Err(self.cursor.expected("an expression"));
            }
            _ => {}
        }
        if called {
            return self.call(from, &upper);
        }
        // A typed literal: date '2024-01-01', timestamp with time zone '…', bytea '\x'.
        let introducer = self.cursor.is_mysql() && upper.starts_with('_');
        if next == Some(TokenKind::String)
            && self.cursor.text_at(1).starts_with('\'')
            && !introducer
        {
            let ty = parse_type(&mut self.cursor)?;
            let value = self.cursor.string("a string")?;
            let inner = self.node(from, ExprKind::Literal(LiteralKind::String, value));
            return Ok(self.node(from, ExprKind::Cast(Box::new(inner), ty)));
        }
        if introducer {
            let value = self.cursor.string("a string")?;
            return Ok(self.node(from, ExprKind::Literal(LiteralKind::String, value)));
        }
        if matches!(upper.as_str(), "TIMESTAMP" | "TIME")
            && (self.cursor.is_at(1, "WITH") || self.cursor.is_at(1, "WITHOUT"))
        {
            let ty = parse_type(&mut self.cursor)?;
            let value = self.cursor.string("a string")?;
            let inner = self.node(from, ExprKind::Literal(LiteralKind::String, value));
            return Ok(self.node(from, ExprKind::Cast(Box::new(inner), ty)));
        }
        self.column(from)
    }

    /// A column, with as many parts as are written.
    fn column(&mut self, from: usize) -> Parse<Expr> {
        let quoted = self.cursor.is_sqlite() && self.cursor.text().starts_with('"');
        let path = self.path("an expression")?;
        if self.cursor.is_kind(TokenKind::LeftParen) {
            self.cursor.pos = from;
            return self.call(from, "");
        }
        let lone = quoted && path.parts.len() == 1;
        let kind = if lone { ExprKind::QuotedColumn(path) } else { ExprKind::Column(path) };
        Ok(self.node(from, kind))
    }

    fn array(&mut self, from: usize) -> Parse<Expr> {
        self.cursor.expect_kind(TokenKind::LeftBracket, "`[`")?;
        let mut list = Vec::new();
        while !self.cursor.eat_kind(TokenKind::RightBracket) {
            let at = self.cursor.pos;
            list.push(if self.cursor.is_kind(TokenKind::LeftBracket) {
                self.deeper(|reader| reader.array(at))?
            } else {
                self.expr()?
            });
            if !self.cursor.eat_comma() && !self.cursor.is_kind(TokenKind::RightBracket) {
                return Err(self.cursor.expected("`]`"));
            }
        }
        Ok(self.node(from, ExprKind::Array(list)))
    }

    /// `INTERVAL '1 day'`, MySQL's `INTERVAL x DAY`.
    fn interval(&mut self, from: usize) -> Parse<Expr> {
        const UNITS: [&str; 22] = [
            "MICROSECOND",
            "SECOND",
            "MINUTE",
            "HOUR",
            "DAY",
            "WEEK",
            "MONTH",
            "QUARTER",
            "YEAR",
            "TO",
            "SECOND_MICROSECOND",
            "MINUTE_MICROSECOND",
            "MINUTE_SECOND",
            "HOUR_MICROSECOND",
            "HOUR_SECOND",
            "HOUR_MINUTE",
            "DAY_MICROSECOND",
            "DAY_SECOND",
            "DAY_MINUTE",
            "DAY_HOUR",
            "YEAR_MONTH",
            "ZONE",
        ];
        let name = Path { parts: vec![self.cursor.ident_at(0)], span: self.cursor.here() };
        let bare_column = !self.cursor.is_mysql()
            && !matches!(
                self.cursor.kind_at(1),
                Some(TokenKind::String | TokenKind::LeftParen | TokenKind::Parameter)
            );
        self.cursor.bump();
        if bare_column {
            return Ok(self.node(from, ExprKind::Column(name)));
        }
        if self.cursor.is_postgres() && self.cursor.is_kind(TokenKind::LeftParen) {
            self.cursor.skip_group()?;
        }
        let amount = if self.cursor.is_mysql() { self.expr()? } else { self.operand()? };
        while self.cursor.eat_any(&UNITS).is_some() {
            if self.cursor.is_kind(TokenKind::LeftParen) {
                self.cursor.skip_group()?;
            }
        }
        let call = ExprKind::Call {
            name,
            args: vec![amount],
            more: Vec::new(),
            windowed: false,
            star: false,
            special: true,
        };
        Ok(self.node(from, call))
    }

    fn case(&mut self, from: usize) -> Parse<Expr> {
        self.cursor.expect("CASE")?;
        let subject = if self.cursor.is("WHEN") { None } else { Some(Box::new(self.expr()?)) };
        let mut arms = Vec::new();
        while self.cursor.eat("WHEN") {
            let when = self.expr()?;
            self.cursor.expect("THEN")?;
            arms.push((when, self.expr()?));
        }
        let rest = if self.cursor.eat("ELSE") { Some(Box::new(self.expr()?)) } else { None };
        self.cursor.expect("END")?;
        Ok(self.node(from, ExprKind::Case(subject, arms, rest)))
    }
}
