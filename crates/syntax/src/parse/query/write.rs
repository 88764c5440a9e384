//! `INSERT`, `UPDATE`, `DELETE`, `MERGE`.

use super::Reader;
use crate::lexer::TokenKind;
use crate::parse::cursor::Parse;
use crate::query::{
    Assignment, Conflict, Delete, Insert, Item, Merge, MergeAction, MergeArm, Select, SetBody,
    Source, Update, With,
};

impl Reader<'_> {
    pub(super) fn insert(&mut self, with: With) -> Parse<Insert> {
        self.cursor.bump();
        let mut ignore = false;
        loop {
            if self.cursor.eat("IGNORE") {
                ignore = true;
            } else if self.cursor.is_sqlite() && self.cursor.eat("OR") {
                ignore |= self.cursor.is("IGNORE");
                self.cursor.bump();
            } else if self.cursor.eat_any(&["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY"]).is_none() {
                break;
            }
        }
        if !self.cursor.eat("INTO") && !self.cursor.is_mysql() {
            return Err(self.cursor.expected("INTO"));
        }
        let table = self.path("a table")?;
        if self.cursor.is("PARTITION") && self.cursor.kind_at(1) == Some(TokenKind::LeftParen) {
            self.cursor.bump();
            self.cursor.skip_group()?;
        }
        let alias = if self.cursor.eat("AS") { Some(self.cursor.ident("an alias")?) } else { None };
        let mut insert = Insert {
            with,
            table,
            alias,
            columns: Vec::new(),
            has_columns: false,
            rows: None,
            row_alias: None,
            overriding: false,
            conflict: None,
            on_duplicate: Vec::new(),
            ignore,
            returning: Vec::new(),
        };
        if self.cursor.is_kind(TokenKind::LeftParen) && !self.starts_select_in_parens() {
            insert.has_columns = true;
            insert.columns = self.name_list()?;
            // MySQL's `()` means no list.
            insert.has_columns = !insert.columns.is_empty();
        }
        if self.cursor.eat("OVERRIDING") {
            insert.overriding = self.cursor.eat("SYSTEM");
            self.cursor.eat("USER");
            self.cursor.expect("VALUE")?;
        }
        if self.cursor.eat_all(&["DEFAULT", "VALUES"]) {
        } else if self.cursor.is_mysql() && self.cursor.eat("SET") {
            let assignments = self.assignments()?;
            insert.has_columns = true;
            let mut row = Vec::new();
            for assignment in assignments {
                for column in &assignment.columns {
                    insert.columns.push(crate::query::Name {
                        ident: column.name().clone(),
                        span: column.span,
                    });
                }
                row.push(assignment.value);
            }
            insert.rows = Some(Select {
                with: With::default(),
                body: SetBody::Values(vec![row]),
                order_by: Vec::new(),
                limits: Vec::new(),
                locks: Vec::new(),
            });
        } else {
            // MySQL says VALUE too.
            if self.cursor.is_mysql() && self.cursor.is("VALUE") {
                insert.rows = Some(self.value_rows()?);
            } else {
                insert.rows = Some(self.select()?);
            }
        }
        if self.cursor.is_mysql() && self.cursor.eat("AS") {
            // The new row's alias: what it names is a column of the table.
            insert.row_alias = Some(self.cursor.ident("an alias")?);
            if self.cursor.is_kind(TokenKind::LeftParen) {
                self.cursor.skip_group()?;
            }
        }
        while self.cursor.is("ON") {
            let from = self.cursor.pos;
            self.cursor.bump();
            if self.cursor.eat_all(&["DUPLICATE", "KEY", "UPDATE"]) {
                insert.on_duplicate = self.assignments()?;
                continue;
            }
            self.cursor.expect("CONFLICT")?;
            insert.conflict = Some(self.conflict(from)?);
        }
        insert.returning = self.returning()?;
        Ok(insert)
    }

    fn value_rows(&mut self) -> Parse<Select> {
        self.cursor.bump();
        let mut rows = Vec::new();
        loop {
            self.cursor.expect_left()?;
            rows.push(self.expr_list()?);
            self.cursor.expect_right()?;
            if !self.cursor.eat_comma() {
                break;
            }
        }
        Ok(Select {
            with: With::default(),
            body: SetBody::Values(rows),
            order_by: Vec::new(),
            limits: Vec::new(),
            locks: Vec::new(),
        })
    }

    fn conflict(&mut self, from: usize) -> Parse<Conflict> {
        let mut conflict = Conflict {
            target: Vec::new(),
            target_filter: None,
            constraint: None,
            assignments: Vec::new(),
            filter: None,
            span: self.span_from(from),
        };
        let at = self.cursor.pos;
        if self.cursor.eat_kind(TokenKind::LeftParen) {
            loop {
                conflict.target.push(self.expr()?);
                // An operator class.
                if self.cursor.is_name() && !self.cursor.is_any(&["ASC", "DESC"]) {
                    self.cursor.bump();
                }
                self.cursor.eat_any(&["ASC", "DESC"]);
                if !self.cursor.eat_comma() {
                    break;
                }
            }
            self.cursor.expect_right()?;
            conflict.span = self.span_from(at);
            if self.cursor.eat("WHERE") {
                conflict.target_filter = Some(self.expr()?);
            }
        } else if self.cursor.eat_all(&["ON", "CONSTRAINT"]) {
            let name = self.name("a constraint")?;
            conflict.span = name.span;
            conflict.constraint = Some(name);
        }
        self.cursor.expect("DO")?;
        if self.cursor.eat("NOTHING") {
            return Ok(conflict);
        }
        self.cursor.expect("UPDATE")?;
        self.cursor.expect("SET")?;
        conflict.assignments = self.assignments()?;
        if self.cursor.eat("WHERE") {
            conflict.filter = Some(self.expr()?);
        }
        Ok(conflict)
    }

    fn assignments(&mut self) -> Parse<Vec<Assignment>> {
        let mut list = Vec::new();
        loop {
            let mut columns = Vec::new();
            if self.cursor.eat_kind(TokenKind::LeftParen) {
                loop {
                    columns.push(self.path("a column")?);
                    if !self.cursor.eat_comma() {
                        break;
                    }
                }
                self.cursor.expect_right()?;
            } else {
                columns.push(self.path("a column")?);
                while self.cursor.is_kind(TokenKind::LeftBracket) {
                    self.cursor.skip_group()?;
                    // An element has another type than its array.
                    columns.clear();
                }
            }
            if !self.cursor.eat_op("=") && !self.cursor.eat_op(":=") {
                return Err(self.cursor.expected("`=`"));
            }
            let value = self.expr()?;
            list.push(Assignment { columns, value });
            if !self.cursor.eat_comma() {
                return Ok(list);
            }
        }
    }

    fn returning(&mut self) -> Parse<Vec<Item>> {
        if self.cursor.eat("RETURNING") { self.items() } else { Ok(Vec::new()) }
    }

    /// A table that is written, with its alias.
    fn target(&mut self) -> Parse<Source> {
        self.cursor.eat("ONLY");
        let name = self.path("a table")?;
        self.cursor.eat_op("*");
        let (alias, columns) = self.alias()?;
        let mut indexes = Vec::new();
        if self.cursor.is_sqlite() && self.cursor.eat_all(&["INDEXED", "BY"]) {
            indexes.push(self.name("an index")?);
        }
        Ok(Source::Table { name, alias, columns, indexes })
    }

    pub(super) fn update(&mut self, with: With) -> Parse<Update> {
        self.cursor.expect("UPDATE")?;
        while self.cursor.eat_any(&["LOW_PRIORITY", "IGNORE"]).is_some() {}
        if self.cursor.is_sqlite() && self.cursor.eat("OR") {
            self.cursor.bump();
        }
        let target = if self.cursor.is_mysql() { self.sources()? } else { vec![self.target()?] };
        self.cursor.expect("SET")?;
        let assignments = self.assignments()?;
        let from = if self.cursor.eat("FROM") { self.sources()? } else { Vec::new() };
        let filter = self.filter()?;
        let order_by = self.bounds()?;
        let returning = self.returning()?;
        Ok(Update { with, target, assignments, from, filter, order_by, returning })
    }

    /// `WHERE …`; `WHERE CURRENT OF cursor` names nothing.
    fn filter(&mut self) -> Parse<Option<crate::query::Expr>> {
        if !self.cursor.eat("WHERE") {
            return Ok(None);
        }
        if self.cursor.eat_all(&["CURRENT", "OF"]) {
            self.cursor.bump();
            return Ok(None);
        }
        Ok(Some(self.expr()?))
    }

    fn bounds(&mut self) -> Parse<Vec<crate::query::Expr>> {
        let mut list = Vec::new();
        if self.cursor.eat_all(&["ORDER", "BY"]) {
            list = self.order_list()?;
        }
        if self.cursor.eat("LIMIT") {
            list.push(self.expr()?);
            if self.cursor.eat("OFFSET") {
                list.push(self.expr()?);
            }
        }
        Ok(list)
    }

    pub(super) fn delete(&mut self, with: With) -> Parse<Delete> {
        self.cursor.expect("DELETE")?;
        while self.cursor.is_mysql()
            && self.cursor.eat_any(&["LOW_PRIORITY", "QUICK", "IGNORE"]).is_some()
        {}
        let (mut target, mut using, mut multi) = (Vec::new(), Vec::new(), false);
        if self.cursor.is_mysql() && !self.cursor.is("FROM") {
            // DELETE a, b FROM a JOIN b …
            multi = true;
            target = self.written_tables()?;
            self.cursor.expect("FROM")?;
            using = self.sources()?;
        } else {
            self.cursor.expect("FROM")?;
            if self.cursor.is_mysql() && self.using_follows() {
                multi = true;
                target = self.written_tables()?;
            } else {
                target.push(self.target()?);
            }
            if self.cursor.eat("USING") {
                using = self.sources()?;
            }
        }
        let filter = self.filter()?;
        let mut order_by = Vec::new();
        let mut returning = self.returning()?;
        order_by.extend(self.bounds()?);
        if returning.is_empty() {
            returning = self.returning()?;
        }
        Ok(Delete { with, target, using, multi, filter, order_by, returning })
    }

    fn using_follows(&self) -> bool {
        let mut ahead = self.cursor;
        ahead.skip_until(|c| c.is_any(&["USING", "WHERE", "ORDER", "LIMIT"]));
        ahead.is("USING")
    }

    /// `a, b.*`
    fn written_tables(&mut self) -> Parse<Vec<Source>> {
        let mut list = Vec::new();
        loop {
            let name = self.path("a table")?;
            if self.cursor.eat_kind(TokenKind::Dot) {
                self.cursor.eat_op("*");
            }
            list.push(Source::Table {
                name,
                alias: None,
                columns: Vec::new(),
                indexes: Vec::new(),
            });
            if !self.cursor.eat_comma() {
                return Ok(list);
            }
        }
    }

    pub(super) fn merge(&mut self, with: With) -> Parse<Merge> {
        self.cursor.expect("MERGE")?;
        self.cursor.expect("INTO")?;
        self.cursor.eat("ONLY");
        let table = self.path("a table")?;
        let (alias, _) = self.alias()?;
        self.cursor.expect("USING")?;
        let mut sources = self.sources()?;
        if sources.len() != 1 {
            return Err(self.cursor.expected("ON"));
        }
        let source = sources.remove(0);
        self.cursor.expect("ON")?;
        let on = self.expr()?;
        let mut arms = Vec::new();
        while self.cursor.eat("WHEN") {
            self.cursor.eat("NOT");
            self.cursor.expect("MATCHED")?;
            if self.cursor.eat("BY") {
                self.cursor.eat_any(&["SOURCE", "TARGET"]);
            }
            let condition = if self.cursor.eat("AND") { Some(self.expr()?) } else { None };
            self.cursor.expect("THEN")?;
            let action = if self.cursor.eat("UPDATE") {
                self.cursor.expect("SET")?;
                MergeAction::Update(self.assignments()?)
            } else if self.cursor.eat("INSERT") {
                let columns = if self.cursor.is_kind(TokenKind::LeftParen) {
                    self.name_list()?
                } else {
                    Vec::new()
                };
                if self.cursor.eat("OVERRIDING") {
                    self.cursor.bump();
                    self.cursor.expect("VALUE")?;
                }
                if self.cursor.eat_all(&["DEFAULT", "VALUES"]) {
                    MergeAction::Insert(columns, None)
                } else {
                    self.cursor.expect("VALUES")?;
                    self.cursor.expect_left()?;
                    let row = self.expr_list()?;
                    self.cursor.expect_right()?;
                    MergeAction::Insert(columns, Some(row))
                }
            } else {
                if !self.cursor.eat("DELETE") && !self.cursor.eat_all(&["DO", "NOTHING"]) {
                    return Err(self.cursor.expected("UPDATE, INSERT, DELETE or DO NOTHING"));
                }
                MergeAction::Other
            };
            arms.push(MergeArm { condition, action });
        }
        let returning = self.returning()?;
        Ok(Merge { with, table, alias, source, on, arms, returning })
    }
}
