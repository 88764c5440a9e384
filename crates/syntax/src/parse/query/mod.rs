//! Queries as trees. Unlike the walk of `mention.rs` this is a parse: a query that it does not
//! understand is an error with a place, never a guess.

mod call;
mod expr;
mod from;
mod operand;
mod select;
mod write;

use crate::lexer::{TokenKind, lex};
use crate::parse::cursor::{Cursor, Parse};
use crate::parse::{SyntaxError, is_significant};
use crate::query::{Name, Path, QueryStatement};
use crate::{Dialect, Span};

/// Subqueries inside subqueries are read to this depth, and expressions inside expressions.
const MAX_DEPTH: usize = 120;

/// Reads one statement that reads or writes rows. Spans count from the beginning of `source`.
///
/// # Errors
/// Where and why it is not understood.
pub fn parse_query(source: &str, dialect: Dialect) -> Result<QueryStatement, SyntaxError> {
    let lexed = lex(source, dialect);
    if let Some(error) = lexed.errors.into_iter().next() {
        return Err(error);
    }
    let mut tokens: Vec<_> = lexed.tokens.into_iter().filter(|t| is_significant(t.kind)).collect();
    while tokens.last().is_some_and(|t| t.kind == TokenKind::Terminator) {
        tokens.pop();
    }
    let mut reader =
        Reader { cursor: Cursor::new(source, &tokens, dialect), depth: 0, parameters: 0 };
    let statement = reader.statement()?;
    if reader.cursor.at_end() {
        Ok(statement)
    } else {
        Err(reader.cursor.expected("the end of the statement"))
    }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    depth: usize,
    /// `?` seen so far.
    parameters: usize,
}

impl Reader<'_> {
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= MAX_DEPTH {
            return Err(SyntaxError {
                message: "the query is nested too deeply".to_owned(),
                span: self.cursor.here(),
            });
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn statement(&mut self) -> Parse<QueryStatement> {
        self.deeper(Self::statement_here)
    }

    fn statement_here(&mut self) -> Parse<QueryStatement> {
        if self.cursor.is("EXPLAIN") {
            self.cursor.bump();
            while self
                .cursor
                .eat_any(&["ANALYZE", "VERBOSE", "QUERY", "PLAN", "EXTENDED"])
                .is_some()
            {}
            if self.cursor.is_kind(TokenKind::LeftParen) && !self.starts_select_in_parens() {
                self.cursor.skip_group()?;
            }
        }
        let with = self.with()?;
        if self.cursor.is_any(&["SELECT", "VALUES", "TABLE"])
            || self.cursor.is_kind(TokenKind::LeftParen)
        {
            return Ok(QueryStatement::Select(self.select_behind(with)?));
        }
        if self.cursor.is_any(&["INSERT", "REPLACE"]) {
            return Ok(QueryStatement::Insert(Box::new(self.insert(with)?)));
        }
        if self.cursor.is("UPDATE") {
            return Ok(QueryStatement::Update(self.update(with)?));
        }
        if self.cursor.is("DELETE") {
            return Ok(QueryStatement::Delete(self.delete(with)?));
        }
        if self.cursor.is("MERGE") {
            return Ok(QueryStatement::Merge(Box::new(self.merge(with)?)));
        }
        if self.cursor.is_any(&["CALL", "EXEC"]) {
            self.cursor.bump();
            return Ok(QueryStatement::Call(self.expr()?));
        }
        self.tables()
    }

    /// `TRUNCATE`, `LOCK`, `COPY`, and what names nothing.
    fn tables(&mut self) -> Parse<QueryStatement> {
        let mut found = Vec::new();
        if self.cursor.eat_any(&["TRUNCATE", "LOCK"]).is_some() {
            self.cursor.eat_any(&["TABLES", "TABLE"]);
            loop {
                self.cursor.eat("ONLY");
                found.push((self.path("a table")?, Vec::new()));
                self.cursor.eat_op("*");
                self.cursor.skip_until(|c| c.is_kind(TokenKind::Comma));
                if !self.cursor.eat_comma() {
                    break;
                }
            }
            self.cursor.rest();
            return Ok(QueryStatement::Tables(found));
        }
        if self.cursor.eat("COPY") {
            if self.cursor.is_kind(TokenKind::LeftParen) {
                let (from, to) = self.cursor.skip_group()?;
                self.cursor.rest();
                let mut inner = Reader {
                    cursor: self.cursor.over(from, to),
                    depth: self.depth,
                    parameters: self.parameters,
                };
                let statement = inner.statement()?;
                if !inner.cursor.at_end() {
                    return Err(inner.cursor.expected("`)`"));
                }
                return Ok(statement);
            }
            let table = self.path("a table")?;
            let columns = if self.cursor.is_kind(TokenKind::LeftParen) {
                self.name_list()?
            } else {
                Vec::new()
            };
            self.cursor.rest();
            return Ok(QueryStatement::Tables(vec![(table, columns)]));
        }
        const SESSION: [&str; 27] = [
            "BEGIN",
            "START",
            "COMMIT",
            "ROLLBACK",
            "END",
            "ABORT",
            "SAVEPOINT",
            "RELEASE",
            "SET",
            "RESET",
            "SHOW",
            "DISCARD",
            "LISTEN",
            "NOTIFY",
            "UNLISTEN",
            "DEALLOCATE",
            "PRAGMA",
            "USE",
            "CLOSE",
            "FETCH",
            "MOVE",
            "CHECKPOINT",
            "VACUUM",
            "ANALYZE",
            "UNLOCK",
            "KILL",
            "EXECUTE",
        ];
        if self.cursor.is_any(&SESSION) || self.cursor.at_end() {
            self.cursor.rest();
            return Ok(QueryStatement::Nothing);
        }
        Err(self.cursor.expected("SELECT, INSERT, UPDATE, DELETE, MERGE or CALL"))
    }

    /// A dotted name.
    fn path(&mut self, what: &str) -> Parse<Path> {
        let from = self.cursor.pos;
        let mut parts = vec![self.cursor.ident(what)?];
        while self.cursor.is_kind(TokenKind::Dot) && self.cursor.is_name_at(1) {
            self.cursor.bump();
            parts.extend(self.cursor.ident_opt());
        }
        Ok(Path { parts, span: self.cursor.span_from(from) })
    }

    fn name(&mut self, what: &str) -> Parse<Name> {
        let span = self.cursor.here();
        Ok(Name { ident: self.cursor.ident(what)?, span })
    }

    /// `(a, b)`
    fn name_list(&mut self) -> Parse<Vec<Name>> {
        self.cursor.expect_left()?;
        let mut names = Vec::new();
        if self.cursor.eat_kind(TokenKind::RightParen) {
            return Ok(names);
        }
        loop {
            names.push(self.name("a column")?);
            // A field or a subscript of the column.
            while self.cursor.is_kind(TokenKind::LeftBracket) || self.cursor.is_kind(TokenKind::Dot)
            {
                if self.cursor.eat_kind(TokenKind::Dot) {
                    self.name("a field")?;
                } else {
                    self.cursor.skip_group()?;
                }
            }
            if self.cursor.eat_comma() {
                continue;
            }
            self.cursor.expect_right()?;
            return Ok(names);
        }
    }

    /// A parenthesis that holds a select: `((SELECT`.
    fn starts_select_in_parens(&self) -> bool {
        let mut ahead = 0;
        while self.cursor.kind_at(ahead) == Some(TokenKind::LeftParen) {
            ahead += 1;
        }
        ahead > 0
            && ["SELECT", "WITH", "VALUES", "TABLE"]
                .iter()
                .any(|w| self.cursor.is_at(ahead, w))
            // `(VALUES (a))` of MySQL's ON DUPLICATE KEY is a call.
            && !(self.cursor.is_at(ahead, "VALUES")
                && self.cursor.is_mysql()
                && self.cursor.kind_at(ahead + 1) == Some(TokenKind::LeftParen)
                && self.cursor.kind_at(ahead + 3) == Some(TokenKind::RightParen)
                && self.cursor.kind_at(ahead + 2) == Some(TokenKind::Word))
    }

    fn span_from(&self, from: usize) -> Span {
        self.cursor.span_from(from)
    }
}
