//! Expressions: precedence climbing over operands and operators.

use super::Reader;
use crate::lexer::TokenKind;
use crate::parse::cursor::Parse;
use crate::parse::types::parse_type;
use crate::query::{Expr, ExprKind, LiteralKind, Path};

// Binding strengths, weakest first.
const OR: u8 = 1;
const AND: u8 = 3;
const NOT: u8 = 4;
const COMPARE: u8 = 5;
const OTHER: u8 = 7;
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

    fn bound(&mut self, least: u8) -> Parse<Expr> {
        self.deeper(|reader| reader.bound_here(least))
    }

    fn node(&self, from: usize, kind: ExprKind) -> Expr {
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

    /// A function call with all that may stand in and behind it.
    fn call(&mut self, from: usize, upper: &str) -> Parse<Expr> {
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

    fn skip_type(&mut self) -> bool {
        parse_type(&mut self.cursor).is_ok()
    }
}
