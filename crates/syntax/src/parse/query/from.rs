//! `FROM`: tables, functions, subqueries, joins.

use super::Reader;
use super::select::ends_item;
use crate::Ident;
use crate::lexer::TokenKind;
use crate::parse::cursor::Parse;
use crate::query::{Expr, ExprKind, Source};

impl Reader<'_> {
    /// Sources between commas.
    pub(super) fn sources(&mut self) -> Parse<Vec<Source>> {
        let mut sources = Vec::new();
        loop {
            sources.push(self.joined()?);
            if !self.cursor.eat_comma() {
                return Ok(sources);
            }
        }
    }

    fn joined(&mut self) -> Parse<Source> {
        self.deeper(Self::joined_here)
    }

    fn joined_here(&mut self) -> Parse<Source> {
        let mut left = self.source()?;
        loop {
            let span = self.cursor.here();
            let natural = self.cursor.is("NATURAL") && {
                self.cursor.bump();
                true
            };
            let found = if self.cursor.eat_any(&["LEFT", "RIGHT", "FULL"]).is_some() {
                self.cursor.eat("OUTER");
                self.cursor.expect("JOIN")?;
                true
            } else if self.cursor.eat_any(&["INNER", "CROSS"]).is_some() {
                self.cursor.expect("JOIN")?;
                true
            } else {
                self.cursor.eat("JOIN")
                    || self.cursor.is_mysql() && self.cursor.eat("STRAIGHT_JOIN")
            };
            if !found {
                if natural {
                    return Err(self.cursor.expected("JOIN"));
                }
                return Ok(left);
            }
            let mut right = self.source()?;
            // `a JOIN b JOIN c ON … ON …`: the inner join ends at its own condition.
            if !natural && self.inner_join_first() {
                right = self.join_onto(right)?;
            }
            let (mut using, mut on) = (Vec::new(), None);
            if self.cursor.eat("ON") {
                on = Some(self.expr()?);
            } else if self.cursor.eat("USING") {
                using = self.name_list()?;
                if self.cursor.eat("AS") {
                    self.cursor.ident("an alias")?;
                }
            }
            left = Source::Join {
                left: Box::new(left),
                right: Box::new(right),
                natural,
                using,
                on,
                span,
            };
        }
    }

    /// Whether the condition of the join that follows is not the last one: then it comes first.
    fn inner_join_first(&self) -> bool {
        let mut open = 1_usize;
        let mut ahead = self.cursor;
        if !ahead.is_any(&["JOIN", "INNER", "LEFT", "RIGHT", "FULL"]) {
            return false;
        }
        // Each join opens, each condition closes; two conditions in a row close an outer one.
        while !ahead.at_end() {
            ahead.skip_until(|c| {
                c.is_any(&[
                    "JOIN", "CROSS", "NATURAL", "ON", "USING", "WHERE", "GROUP", "ORDER", "LIMIT",
                    "UNION", "SET",
                ]) || c.is_kind(TokenKind::Comma)
            });
            if ahead.is_any(&["CROSS", "NATURAL"]) {
                return false;
            }
            if ahead.eat("JOIN") {
                open += 1;
            } else if ahead.eat_any(&["ON", "USING"]).is_some() {
                open -= 1;
                if open == 0 {
                    return true;
                }
            } else {
                return false;
            }
        }
        false
    }

    /// The join that stands behind its left side, up to its condition.
    fn join_onto(&mut self, left: Source) -> Parse<Source> {
        self.deeper(|reader| {
            let span = reader.cursor.here();
            reader.cursor.eat_any(&["INNER", "LEFT", "RIGHT", "FULL"]);
            reader.cursor.eat("OUTER");
            reader.cursor.expect("JOIN")?;
            let mut right = reader.source()?;
            if reader.inner_join_first() && !reader.cursor.is("ON") {
                right = reader.join_onto(right)?;
            }
            let (mut using, mut on) = (Vec::new(), None);
            if reader.cursor.eat("ON") {
                on = Some(reader.expr()?);
            } else if reader.cursor.eat("USING") {
                using = reader.name_list()?;
            }
            Ok(Source::Join {
                left: Box::new(left),
                right: Box::new(right),
                natural: false,
                using,
                on,
                span,
            })
        })
    }

    fn source(&mut self) -> Parse<Source> {
        let lateral = self.cursor.is("LATERAL") && {
            self.cursor.bump();
            true
        };
        if self.cursor.is_kind(TokenKind::LeftParen) {
            if self.starts_select_in_parens() {
                // `((SELECT …) UNION …)` and `((SELECT …) AS x JOIN …)` look alike.
                let before = (self.cursor, self.parameters);
                self.cursor.expect_left()?;
                if let Ok(select) = self.select()
                    && self.cursor.eat_kind(TokenKind::RightParen)
                {
                    let (alias, columns) = self.alias()?;
                    return Ok(Source::Query { select: Box::new(select), lateral, alias, columns });
                }
                let failed = self.cursor;
                (self.cursor, self.parameters) = before;
                if self.cursor.kind_at(1) != Some(TokenKind::LeftParen) {
                    // Once more for the error.
                    self.cursor.expect_left()?;
                    self.select()?;
                    return Err(failed.expected("`)`"));
                }
            }
            self.cursor.expect_left()?;
            let inner = self.joined()?;
            // MySQL: `(a, b)`.
            let mut inner = inner;
            while self.cursor.eat_comma() {
                let span = self.cursor.here();
                let right = self.joined()?;
                inner = Source::Join {
                    left: Box::new(inner),
                    right: Box::new(right),
                    natural: false,
                    using: Vec::new(),
                    on: None,
                    span,
                };
            }
            self.cursor.expect_right()?;
            self.alias()?;
            return Ok(inner);
        }
        self.cursor.eat("ONLY");
        if self.cursor.are(&["ROWS", "FROM"])
            && self.cursor.kind_at(2) == Some(TokenKind::LeftParen)
        {
            let from = self.cursor.pos;
            self.cursor.pos += 2;
            self.cursor.expect_left()?;
            let args = self.expr_list()?;
            self.cursor.expect_right()?;
            let call = Expr { kind: ExprKind::Row(args), span: self.span_from(from) };
            let (alias, columns) = self.alias()?;
            return Ok(Source::Function { call, alias, columns });
        }
        let from = self.cursor.pos;
        let name = self.path("a table")?;
        if self.cursor.is_kind(TokenKind::LeftParen) {
            self.cursor.pos = from;
            if self.cursor.is_any(&["JSON_TABLE", "XMLTABLE"]) {
                self.cursor.bump();
                self.cursor.skip_group()?;
                let call = Expr {
                    kind: ExprKind::Keyword("JSON_TABLE".to_owned()),
                    span: self.span_from(from),
                };
                let (alias, columns) = self.alias()?;
                return Ok(Source::Function { call, alias, columns });
            }
            let call = self.operand()?;
            self.cursor.eat_all(&["WITH", "ORDINALITY"]);
            let (alias, columns) = self.alias()?;
            return Ok(Source::Function { call, alias, columns });
        }
        self.cursor.eat_op("*");
        if self.cursor.is("PARTITION") && self.cursor.kind_at(1) == Some(TokenKind::LeftParen) {
            self.cursor.bump();
            self.cursor.skip_group()?;
        }
        let (alias, columns) = self.alias()?;
        if self.cursor.eat("TABLESAMPLE") {
            self.operand()?;
            if self.cursor.eat("REPEATABLE") {
                self.cursor.skip_group()?;
            }
        }
        // MySQL's and SQLite's hints.
        let mut indexes = Vec::new();
        loop {
            if self.cursor.is_any(&["USE", "FORCE", "IGNORE"])
                && (self.cursor.is_at(1, "INDEX") || self.cursor.is_at(1, "KEY"))
            {
                self.cursor.pos += 2;
                while self.cursor.eat_any(&["FOR", "JOIN", "ORDER", "GROUP", "BY"]).is_some() {}
                indexes.extend(self.name_list()?);
            } else if self.cursor.is_sqlite() && self.cursor.eat_all(&["INDEXED", "BY"]) {
                indexes.push(self.name("an index")?);
            } else if self.cursor.is_sqlite() && self.cursor.eat_all(&["NOT", "INDEXED"]) {
            } else {
                return Ok(Source::Table { name, alias, columns, indexes });
            }
        }
    }

    /// `[AS] alias [(columns)]`, or PostgreSQL's `AS (a int, b text)`.
    pub(super) fn alias(&mut self) -> Parse<(Option<Ident>, Vec<Ident>)> {
        let told = self.cursor.eat("AS");
        let mut alias = None;
        if told && self.cursor.is_kind(TokenKind::LeftParen) {
            return Ok((None, self.alias_columns()?));
        }
        let hint = self.cursor.is_any(&["USE", "FORCE", "IGNORE"])
            && (self.cursor.is_at(1, "INDEX") || self.cursor.is_at(1, "KEY"));
        if told
            || self.cursor.is_kind(TokenKind::QuotedIdent)
            || self.cursor.is_kind(TokenKind::Word) && !ends_item(self.cursor.text()) && !hint
        {
            alias = Some(self.cursor.ident("an alias")?);
        }
        let columns = if alias.is_some() && self.cursor.is_kind(TokenKind::LeftParen) {
            self.alias_columns()?
        } else {
            Vec::new()
        };
        Ok((alias, columns))
    }

    /// `(a, b)` or `(a int, b text)`.
    fn alias_columns(&mut self) -> Parse<Vec<Ident>> {
        self.cursor.expect_left()?;
        let mut columns = Vec::new();
        loop {
            columns.push(self.cursor.ident("a column")?);
            self.cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
            if self.cursor.eat_comma() {
                continue;
            }
            self.cursor.expect_right()?;
            return Ok(columns);
        }
    }
}
