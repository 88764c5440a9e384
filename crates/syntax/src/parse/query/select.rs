//! `WITH`, `SELECT`, `VALUES`, set operations, `ORDER BY`.

use super::Reader;
use crate::lexer::TokenKind;
use crate::parse::cursor::Parse;
use crate::query::{Core, Cte, Expr, Item, Select, SetBody, With};

impl Reader<'_> {
    /// `WITH …`, or nothing.
    pub(super) fn with(&mut self) -> Parse<With> {
        let mut with = With::default();
        if !self.cursor.eat("WITH") {
            return Ok(with);
        }
        with.recursive = self.cursor.eat("RECURSIVE");
        loop {
            let name = self.cursor.ident("a name")?;
            let columns = if self.cursor.is_kind(TokenKind::LeftParen) {
                self.cursor.column_list()?
            } else {
                Vec::new()
            };
            self.cursor.expect("AS")?;
            self.cursor.eat("NOT");
            self.cursor.eat("MATERIALIZED");
            self.cursor.expect_left()?;
            let body = self.statement()?;
            self.cursor.expect_right()?;
            // SEARCH and CYCLE add columns of their own: named like any.
            let mut columns = columns;
            if self.cursor.eat("SEARCH") {
                self.cursor.skip_until(|c| c.is("SET"));
                self.cursor.expect("SET")?;
                let added = self.cursor.ident("a column")?;
                if !columns.is_empty() {
                    columns.push(added);
                }
            }
            if self.cursor.eat("CYCLE") {
                self.cursor.skip_until(|c| c.is("USING"));
                self.cursor.expect("USING")?;
                self.cursor.ident("a column")?;
            }
            with.parts.push(Cte { name, columns, body });
            if !self.cursor.eat_comma() {
                return Ok(with);
            }
        }
    }

    /// A select with its own `WITH`.
    pub(super) fn select(&mut self) -> Parse<Select> {
        self.deeper(|reader| {
            let with = reader.with()?;
            reader.select_behind(with)
        })
    }

    /// What stands behind `WITH`.
    pub(super) fn select_behind(&mut self, with: With) -> Parse<Select> {
        let body = self.set_body()?;
        let mut select =
            Select { with, body, order_by: Vec::new(), limits: Vec::new(), locks: Vec::new() };
        self.tail(&mut select)?;
        Ok(select)
    }

    fn tail(&mut self, select: &mut Select) -> Parse<()> {
        loop {
            if self.cursor.eat_all(&["ORDER", "BY"]) {
                select.order_by = self.order_list()?;
            } else if self.cursor.eat("LIMIT") {
                if !self.cursor.eat("ALL") {
                    select.limits.push(self.expr()?);
                    if self.cursor.eat_comma() {
                        select.limits.push(self.expr()?);
                    }
                }
            } else if self.cursor.eat("OFFSET") {
                select.limits.push(self.expr()?);
                self.cursor.eat_any(&["ROWS", "ROW"]);
            } else if self.cursor.eat("FETCH") {
                self.cursor.eat_any(&["FIRST", "NEXT"]);
                if !self.cursor.is_any(&["ROW", "ROWS"]) {
                    select.limits.push(self.expr()?);
                }
                self.cursor.eat_any(&["ROWS", "ROW"]);
                if !self.cursor.eat("ONLY") {
                    self.cursor.expect("WITH")?;
                    self.cursor.expect("TIES")?;
                }
            } else if self.cursor.eat("FOR") {
                if self.cursor.eat("NO") {
                    self.cursor.expect("KEY")?;
                }
                self.cursor.eat("KEY");
                if self.cursor.eat_any(&["UPDATE", "SHARE"]).is_none() {
                    return Err(self.cursor.expected("UPDATE or SHARE"));
                }
                if self.cursor.eat("OF") {
                    loop {
                        select.locks.push(self.name("a table")?);
                        if !self.cursor.eat_comma() {
                            break;
                        }
                    }
                }
                if !self.cursor.eat("NOWAIT") && self.cursor.eat("SKIP") {
                    self.cursor.expect("LOCKED")?;
                }
            } else if self.cursor.eat("LOCK") {
                // LOCK IN SHARE MODE
                self.cursor.expect("IN")?;
                self.cursor.expect("SHARE")?;
                self.cursor.expect("MODE")?;
            } else {
                return Ok(());
            }
        }
    }

    /// `a DESC NULLS LAST, b USING <`
    pub(super) fn order_list(&mut self) -> Parse<Vec<Expr>> {
        let mut list = Vec::new();
        loop {
            list.push(self.expr()?);
            if self.cursor.eat("USING") {
                self.cursor.bump();
            }
            self.cursor.eat_any(&["ASC", "DESC"]);
            if self.cursor.eat("NULLS") && self.cursor.eat_any(&["FIRST", "LAST"]).is_none() {
                return Err(self.cursor.expected("FIRST or LAST"));
            }
            if !self.cursor.eat_comma() {
                return Ok(list);
            }
        }
    }

    fn set_body(&mut self) -> Parse<SetBody> {
        let mut left = self.set_operand()?;
        loop {
            let span = self.cursor.here();
            if self.cursor.eat_any(&["UNION", "INTERSECT", "EXCEPT", "MINUS"]).is_none() {
                return Ok(left);
            }
            self.cursor.eat_any(&["ALL", "DISTINCT"]);
            let right = self.set_operand()?;
            left = SetBody::Set(Box::new(left), Box::new(right), span);
        }
    }

    fn set_operand(&mut self) -> Parse<SetBody> {
        if self.cursor.eat_kind(TokenKind::LeftParen) {
            let select = self.select()?;
            self.cursor.expect_right()?;
            return Ok(SetBody::Nested(Box::new(select)));
        }
        if self.cursor.eat("VALUES") {
            let mut rows = Vec::new();
            loop {
                self.cursor.eat("ROW");
                self.cursor.expect_left()?;
                rows.push(if self.cursor.is_kind(TokenKind::RightParen) {
                    Vec::new()
                } else {
                    self.expr_list()?
                });
                self.cursor.expect_right()?;
                if !self.cursor.eat_comma() {
                    return Ok(SetBody::Values(rows));
                }
            }
        }
        if self.cursor.eat("TABLE") {
            return Ok(SetBody::Table(self.path("a table")?));
        }
        self.cursor.expect("SELECT")?;
        Ok(SetBody::Core(Box::new(self.core()?)))
    }

    fn core(&mut self) -> Parse<Core> {
        let mut core = Core::default();
        loop {
            if self.cursor.eat("DISTINCT") {
                if self.cursor.eat("ON") {
                    self.cursor.expect_left()?;
                    core.distinct_on = self.expr_list()?;
                    self.cursor.expect_right()?;
                }
            } else if self.cursor.eat("ALL")
                || self.cursor.is_mysql()
                    && self
                        .cursor
                        .eat_any(&[
                            "DISTINCTROW",
                            "HIGH_PRIORITY",
                            "STRAIGHT_JOIN",
                            "SQL_SMALL_RESULT",
                            "SQL_BIG_RESULT",
                            "SQL_BUFFER_RESULT",
                            "SQL_NO_CACHE",
                            "SQL_CACHE",
                            "SQL_CALC_FOUND_ROWS",
                        ])
                        .is_some()
            {
            } else {
                break;
            }
        }
        // PostgreSQL takes a select without any column.
        if !self.at_clause_end() {
            core.items = self.items()?;
        }
        if self.cursor.eat("INTO") {
            // Variables of MySQL, a new table of PostgreSQL.
            self.cursor.skip_until(|c| c.is("FROM"));
        }
        if self.cursor.eat("FROM") {
            core.from = self.sources()?;
        }
        if self.cursor.eat("WHERE") {
            core.filter = Some(self.expr()?);
        }
        if self.cursor.eat_all(&["GROUP", "BY"]) {
            self.cursor.eat_any(&["ALL", "DISTINCT"]);
            core.group_by = self.group_list(&mut core.grouping_sets)?;
            if self.cursor.eat_all(&["WITH", "ROLLUP"]) {
                core.grouping_sets = true;
            }
        }
        if self.cursor.eat("HAVING") {
            core.having = Some(self.expr()?);
        }
        if self.cursor.eat("WINDOW") {
            loop {
                self.cursor.ident("a window")?;
                self.cursor.expect("AS")?;
                self.window(&mut core.windows)?;
                if !self.cursor.eat_comma() {
                    break;
                }
            }
        }
        Ok(core)
    }

    fn group_list(&mut self, sets: &mut bool) -> Parse<Vec<Expr>> {
        let mut list = Vec::new();
        loop {
            if self.cursor.is_any(&["ROLLUP", "CUBE"])
                && self.cursor.kind_at(1) == Some(TokenKind::LeftParen)
            {
                *sets = true;
                self.cursor.bump();
                self.cursor.expect_left()?;
                list.extend(self.expr_list()?);
                self.cursor.expect_right()?;
            } else if self.cursor.eat_all(&["GROUPING", "SETS"]) {
                *sets = true;
                self.cursor.expect_left()?;
                list.extend(self.group_list(sets)?);
                self.cursor.expect_right()?;
            } else if self.cursor.is_kind(TokenKind::LeftParen)
                && self.cursor.kind_at(1) == Some(TokenKind::RightParen)
            {
                self.cursor.pos += 2;
            } else {
                list.push(self.expr()?);
                self.cursor.eat_any(&["ASC", "DESC"]);
            }
            if !self.cursor.eat_comma() {
                return Ok(list);
            }
        }
    }

    fn at_clause_end(&self) -> bool {
        self.cursor.at_end()
            || self.cursor.is_kind(TokenKind::RightParen)
            || self.cursor.is_any(&["FROM", "WHERE", "UNION", "EXCEPT", "INTERSECT", "ORDER"])
                && self.cursor.kind_at(1) != Some(TokenKind::Dot)
    }

    /// A select list.
    pub(super) fn items(&mut self) -> Parse<Vec<Item>> {
        let mut items = Vec::new();
        loop {
            items.push(self.item()?);
            if !self.cursor.eat_comma() {
                return Ok(items);
            }
        }
    }

    fn item(&mut self) -> Parse<Item> {
        let span = self.cursor.here();
        if self.cursor.eat_op("*") {
            return Ok(Item::Star(span));
        }
        let before = self.cursor;
        if self.cursor.is_name()
            && let Ok(path) = self.path("a name")
            && self.cursor.is_kind(TokenKind::Dot)
            && self.cursor.kind_at(1) == Some(TokenKind::Operator)
            && self.cursor.text_at(1) == "*"
        {
            self.cursor.pos += 2;
            return Ok(Item::TableStar(path));
        }
        self.cursor = before;
        let expr = self.expr()?;
        let alias = if self.cursor.eat("AS") {
            // Any word may stand here, and a string on MySQL and SQLite.
            match self.cursor.ident_opt() {
                Some(ident) => Some(ident),
                None => {
                    let text = self.cursor.string("a name")?;
                    Some(crate::Ident::new(self.cursor.dialect, &text, true))
                }
            }
        } else if self.cursor.is_kind(TokenKind::QuotedIdent)
            || self.cursor.is_kind(TokenKind::Word) && !ends_item(self.cursor.text())
        {
            self.cursor.ident_opt()
        } else if !self.cursor.is_postgres() && self.cursor.is_kind(TokenKind::String) {
            let text = self.cursor.string("a name")?;
            Some(crate::Ident::new(self.cursor.dialect, &text, true))
        } else {
            None
        };
        Ok(Item::Expr(expr, alias))
    }

    /// `(PARTITION BY … ORDER BY … ROWS …)` or the name of a window.
    pub(super) fn window(&mut self, into: &mut Vec<Expr>) -> Parse<()> {
        if !self.cursor.is_kind(TokenKind::LeftParen) {
            self.cursor.ident("a window")?;
            return Ok(());
        }
        self.cursor.expect_left()?;
        if self.cursor.is_name()
            && !self.cursor.is_any(&["PARTITION", "ORDER", "ROWS", "RANGE", "GROUPS"])
        {
            self.cursor.ident("a window")?;
        }
        if self.cursor.eat_all(&["PARTITION", "BY"]) {
            into.extend(self.expr_list()?);
        }
        if self.cursor.eat_all(&["ORDER", "BY"]) {
            into.extend(self.order_list()?);
        }
        if self.cursor.eat_any(&["ROWS", "RANGE", "GROUPS"]).is_some() {
            // Frame bounds name nothing of a schema but constants.
            while !self.cursor.at_end() && !self.cursor.is_kind(TokenKind::RightParen) {
                if self.cursor.is_kind(TokenKind::LeftParen) {
                    self.cursor.skip_group()?;
                } else {
                    self.cursor.bump();
                }
            }
        }
        self.cursor.expect_right()
    }
}

/// Words that no alias without `AS` can be.
pub(super) fn ends_item(word: &str) -> bool {
    const WORDS: [&str; 46] = [
        "FROM",
        "WHERE",
        "GROUP",
        "HAVING",
        "ORDER",
        "LIMIT",
        "OFFSET",
        "FETCH",
        "FOR",
        "UNION",
        "INTERSECT",
        "EXCEPT",
        "MINUS",
        "WINDOW",
        "INTO",
        "ON",
        "USING",
        "JOIN",
        "LEFT",
        "RIGHT",
        "FULL",
        "INNER",
        "CROSS",
        "NATURAL",
        "SET",
        "VALUES",
        "RETURNING",
        "WHEN",
        "THEN",
        "ELSE",
        "END",
        "AND",
        "OR",
        "AS",
        "ASC",
        "DESC",
        "NULLS",
        "LOCK",
        "WITH",
        "STRAIGHT_JOIN",
        "DO",
        "DEFAULT",
        "SELECT",
        "TABLESAMPLE",
        "INDEXED",
        "NOT",
    ];
    WORDS.iter().any(|w| w.eq_ignore_ascii_case(word))
}
