//! What an expression or a query mentions: tables, columns, functions, `*`.
//!
//! A walk over tokens, not a parse: it takes any dialect's SQL and any mistake in it, in linear
//! time. It knows where tables stand (behind `FROM`, `JOIN`, `INTO`, `UPDATE`, `USING`), where
//! aliases and types stand, and takes every other name for a column.

use std::collections::HashSet;
use std::hash::Hash;

use crate::lexer::TokenKind;
use crate::parse::cursor::{Cursor, name_of_parts};
use crate::parse::types::parse_type;
use crate::{Ident, ObjectName};

/// Items in order of appearance, each once.
pub(crate) struct Distinct<T> {
    pub(crate) items: Vec<T>,
    seen: HashSet<T>,
}

impl<T: Clone + Eq + Hash> Distinct<T> {
    fn new() -> Self {
        Self { items: Vec::new(), seen: HashSet::new() }
    }

    fn add(&mut self, item: T) {
        if self.seen.insert(item.clone()) {
            self.items.push(item);
        }
    }
}

/// What was found.
pub(crate) struct Mentions {
    pub(crate) tables: Distinct<ObjectName>,
    pub(crate) columns: Distinct<Ident>,
    pub(crate) functions: Distinct<String>,
    pub(crate) star: bool,
}

/// Walks the tokens `from..to`.
pub(crate) fn mentions(cursor: &Cursor<'_>, from: usize, to: usize) -> Mentions {
    let mut walk = Walk {
        cursor: cursor.over(from, to),
        frames: vec![Frame::new(Opener::Other)],
        operand: false,
        ctes: HashSet::new(),
        out: Mentions {
            tables: Distinct::new(),
            columns: Distinct::new(),
            functions: Distinct::new(),
            star: false,
        },
    };
    walk.run();
    let Walk { mut out, ctes, .. } = walk;
    if !ctes.is_empty() {
        out.tables.items.retain(|t| t.schema.is_some() || !ctes.contains(&t.name));
    }
    out
}

/// What stood before an opening parenthesis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opener {
    Other,
    /// `CAST(`: `AS` is followed by a type.
    Cast,
    /// `EXTRACT(`, `SUBSTRING(`, `TRIM(`: `FROM` is no clause.
    FromInside,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// An expression or a select list.
    Expr,
    /// A table's name comes next.
    Table,
    /// Behind a table's name: an alias may follow.
    Alias,
    /// Behind `WITH` or a comma there: a common table expression's name comes next.
    Cte,
}

struct Frame {
    opener: Opener,
    place: Place,
    /// Between `FROM` and `WHERE`: a comma brings the next table.
    in_from: bool,
    /// Between `WITH` and the main verb: a comma brings the next name.
    in_with: bool,
    /// Behind `INSERT INTO`: a parenthesis holds columns.
    insert: bool,
}

impl Frame {
    fn new(opener: Opener) -> Self {
        Self { opener, place: Place::Expr, in_from: false, in_with: false, insert: false }
    }
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    frames: Vec<Frame>,
    /// The last token ended an operand: a name right behind it is an alias.
    operand: bool,
    ctes: HashSet<Ident>,
    out: Mentions,
}

impl Walk<'_> {
    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::new(Opener::Other));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn run(&mut self) {
        while let Some(kind) = self.cursor.kind() {
            let before = self.cursor.pos;
            self.token(kind);
            if self.cursor.pos == before {
                self.cursor.bump();
            }
        }
    }

    fn token(&mut self, kind: TokenKind) {
        match kind {
            TokenKind::LeftParen => self.open(Opener::Other),
            TokenKind::RightParen => {
                self.cursor.bump();
                if self.frames.len() > 1 {
                    self.frames.pop();
                }
                let frame = self.frame();
                if frame.place == Place::Table {
                    frame.place = Place::Alias;
                }
                self.operand = true;
            }
            TokenKind::Comma => {
                self.cursor.bump();
                let frame = self.frame();
                if frame.in_with {
                    frame.place = Place::Cte;
                } else if frame.in_from {
                    frame.place = Place::Table;
                }
                self.operand = false;
            }
            TokenKind::Operator => self.operator(),
            TokenKind::Word | TokenKind::QuotedIdent | TokenKind::Placeholder => self.name(kind),
            TokenKind::Semicolon | TokenKind::Terminator => {
                self.cursor.bump();
                self.frames.clear();
                self.operand = false;
            }
            TokenKind::LeftBracket => {
                self.cursor.bump();
                self.operand = false;
            }
            _ => {
                self.cursor.bump();
                self.operand = true;
            }
        }
    }

    fn operator(&mut self) {
        let op = self.cursor.text();
        if op == "::" {
            self.cursor.bump();
            // A failed type leaves the cursor where it can go on.
            let _ = parse_type(&mut self.cursor);
            self.operand = true;
            return;
        }
        if op == "*" && !self.operand {
            // `count(*)` stands alone in its parentheses.
            let counted = self.cursor.kind_at(1) == Some(TokenKind::RightParen)
                && self.cursor.pos > 0
                && self
                    .cursor
                    .over(self.cursor.pos - 1, self.cursor.pos)
                    .is_kind(TokenKind::LeftParen);
            self.out.star |= !counted;
            self.operand = true;
            self.cursor.bump();
            return;
        }
        self.cursor.bump();
        self.operand = false;
    }

    fn open(&mut self, opener: Opener) {
        self.cursor.bump();
        let mut frame = Frame::new(opener);
        let outer = self.frame();
        match outer.place {
            // A join in parentheses, or a subquery (whose SELECT resets this).
            Place::Table => {
                frame.place = Place::Table;
                frame.in_from = true;
            }
            Place::Alias if !outer.insert => outer.place = Place::Expr,
            Place::Alias => outer.insert = false,
            _ => {}
        }
        self.frames.push(frame);
        self.operand = false;
    }

    fn name(&mut self, kind: TokenKind) {
        let place = self.frame().place;
        match place {
            Place::Cte => return self.cte(),
            Place::Table if self.table() => return,
            Place::Alias if self.alias() => return,
            _ => {}
        }
        if kind == TokenKind::Word && self.keyword() {
            return;
        }
        self.path();
    }

    /// `name [(columns)] AS [[NOT] MATERIALIZED]`
    fn cte(&mut self) {
        self.cursor.eat("RECURSIVE");
        let Some(name) = self.cursor.ident_opt() else { return };
        self.ctes.insert(name);
        if self.cursor.is_kind(TokenKind::LeftParen) && self.cursor.skip_group().is_err() {
            self.cursor.bump();
        }
        self.cursor.eat("AS");
        self.cursor.eat("NOT");
        self.cursor.eat("MATERIALIZED");
        self.frame().place = Place::Expr;
        self.operand = false;
    }

    /// A table's name, or a function that gives rows.
    fn table(&mut self) -> bool {
        if self.cursor.is_any(&["SELECT", "WITH", "VALUES", "SET", "WHERE"])
            && self.cursor.kind_at(1) != Some(TokenKind::Dot)
        {
            self.frame().place = Place::Expr;
            return false;
        }
        if self.cursor.is_any(&["LATERAL", "ONLY", "TABLE", "LOW_PRIORITY", "IGNORE", "QUICK"])
            && self.cursor.kind_at(1) != Some(TokenKind::Dot)
        {
            self.cursor.bump();
            return true;
        }
        if self.cursor.are(&["ROWS", "FROM"]) {
            self.cursor.pos += 2;
            return true;
        }
        let Some(parts) = self.parts() else { return false };
        if self.cursor.is_kind(TokenKind::LeftParen) && !self.frame().insert {
            self.out.functions.add(function_name(&parts));
            self.frame().place = Place::Alias;
            self.cursor.bump();
            self.frames.push(Frame::new(Opener::Other));
            self.operand = false;
            return true;
        }
        self.out.tables.add(name_of_parts(parts));
        self.cursor.eat_op("*");
        self.frame().place = Place::Alias;
        self.operand = true;
        true
    }

    /// Behind a table: its alias, or MySQL's index hints.
    fn alias(&mut self) -> bool {
        if self.cursor.is_any(&["USE", "FORCE", "IGNORE"])
            && self.cursor.is_any_at(1, &["INDEX", "KEY"])
        {
            self.cursor.pos += 2;
            while self.cursor.is_any(&["FOR", "JOIN", "ORDER", "GROUP", "BY"]) {
                self.cursor.bump();
            }
            if self.cursor.is_kind(TokenKind::LeftParen) {
                let _ = self.cursor.skip_group();
            }
            return true;
        }
        if self.cursor.is("PARTITION") && self.cursor.kind_at(1) == Some(TokenKind::LeftParen) {
            self.cursor.bump();
            let _ = self.cursor.skip_group();
            return true;
        }
        if self.cursor.eat_all(&["WITH", "ORDINALITY"]) {
            return true;
        }
        let explicit = self.cursor.eat("AS");
        if !explicit && self.cursor.is_kind(TokenKind::Word) && is_reserved(self.cursor.text()) {
            self.frame().place = Place::Expr;
            return false;
        }
        if self.cursor.ident_opt().is_none() {
            return explicit;
        }
        let insert = self.frame().insert;
        if !insert {
            self.frame().place = Place::Expr;
            if self.cursor.is_kind(TokenKind::LeftParen) {
                let _ = self.cursor.skip_group();
            }
        }
        self.operand = true;
        true
    }

    /// Handles a keyword; false where the word is a name.
    fn keyword(&mut self) -> bool {
        let cursor = &mut self.cursor;
        if cursor.kind_at(1) == Some(TokenKind::Dot) {
            return false;
        }
        let upper = cursor.text().to_ascii_uppercase();
        let called = cursor.kind_at(1) == Some(TokenKind::LeftParen);
        match upper.as_str() {
            "SELECT" => {
                cursor.bump();
                let frame = self.frame();
                (frame.place, frame.in_from, frame.in_with) = (Place::Expr, false, false);
                while self
                    .cursor
                    .eat_any(&["DISTINCT", "ALL", "DISTINCTROW", "SQL_CALC_FOUND_ROWS"])
                    .is_some()
                {}
            }
            "FROM" => {
                cursor.bump();
                let distinct =
                    cursor.pos >= 2 && cursor.over(cursor.pos - 2, cursor.pos).is("DISTINCT");
                let frame = self.frame();
                if frame.opener != Opener::FromInside && !distinct {
                    (frame.place, frame.in_from, frame.insert) = (Place::Table, true, false);
                }
            }
            "JOIN" | "STRAIGHT_JOIN" => {
                cursor.bump();
                let frame = self.frame();
                (frame.place, frame.in_from) = (Place::Table, true);
            }
            "UPDATE" => {
                let previous = cursor.pos.checked_sub(1).map(|p| cursor.over(p, p + 1));
                cursor.bump();
                // FOR UPDATE, DO UPDATE, ON UPDATE, FOR NO KEY UPDATE, ON DUPLICATE KEY UPDATE
                if !previous.is_some_and(|p| p.is_any(&["FOR", "DO", "ON", "KEY", "THEN"])) {
                    cursor.eat("OR");
                    let frame = self.frame();
                    (frame.place, frame.in_from, frame.in_with) = (Place::Table, true, false);
                }
            }
            "INTO" => {
                cursor.bump();
                let insert = cursor.pos < 2
                    || !cursor.tokens[..cursor.pos]
                        .iter()
                        .rev()
                        .take(6)
                        .any(|t| matches!(t.kind, TokenKind::Comma | TokenKind::Operator));
                if cursor.in_body && !insert {
                    return true;
                }
                let frame = self.frame();
                (frame.place, frame.insert, frame.in_with) = (Place::Table, true, false);
            }
            "USING" => {
                cursor.bump();
                if !called {
                    let frame = self.frame();
                    if frame.in_from || frame.insert {
                        (frame.place, frame.in_from, frame.insert) = (Place::Table, true, false);
                    }
                }
            }
            "INSERT" | "DELETE" | "MERGE" | "REPLACE" if !called => {
                cursor.bump();
                self.frame().in_with = false;
            }
            "WHERE" | "GROUP" | "ORDER" | "HAVING" | "LIMIT" | "OFFSET" | "WINDOW" | "SET"
            | "RETURNING" | "UNION" | "INTERSECT" | "EXCEPT" | "FETCH" | "FOR" => {
                cursor.bump();
                let frame = self.frame();
                (frame.place, frame.in_from) = (Place::Expr, false);
            }
            "VALUES" => {
                cursor.bump();
                let frame = self.frame();
                (frame.place, frame.in_from, frame.insert) = (Place::Expr, false, false);
            }
            "ON" => {
                cursor.bump();
                cursor.eat_all(&["DUPLICATE", "KEY"]);
                if cursor.eat_all(&["CONFLICT", "ON", "CONSTRAINT"]) {
                    cursor.ident_opt();
                }
                let conflict = cursor.eat("CONFLICT");
                let frame = self.frame();
                frame.place = Place::Expr;
                frame.in_from &= !conflict;
            }
            "WITH" if is_cte(cursor) => {
                cursor.bump();
                let frame = self.frame();
                (frame.place, frame.in_with) = (Place::Cte, true);
            }
            "AS" => {
                cursor.bump();
                if self.frame().opener == Opener::Cast {
                    let _ = parse_type(&mut self.cursor);
                } else if !self.cursor.is_any(&["SELECT", "WITH"]) && self.cursor.is_name() {
                    self.cursor.bump();
                }
                self.operand = true;
                return true;
            }
            "OVER" | "OF" => {
                cursor.bump();
                if !called {
                    cursor.ident_opt();
                }
            }
            "COLLATE" => {
                cursor.bump();
                let _ = cursor.object_name("a collation");
                self.operand = true;
                return true;
            }
            "CAST" | "TRY_CAST" | "SAFE_CAST" if called => {
                cursor.bump();
                self.open(Opener::Cast);
            }
            "EXTRACT" | "SUBSTRING" | "SUBSTR" | "TRIM" | "OVERLAY" | "POSITION" | "JSON_QUERY"
                if called =>
            {
                self.out.functions.add(upper.to_ascii_lowercase());
                cursor.bump();
                self.open(Opener::FromInside);
                if self.cursor.is_at(1, "FROM") && upper == "EXTRACT" {
                    self.cursor.bump();
                }
            }
            "NULL" | "TRUE" | "FALSE" | "END" | "DEFAULT" => {
                cursor.bump();
                self.operand = true;
                return true;
            }
            "CURRENT_TIMESTAMP" | "CURRENT_DATE" | "CURRENT_TIME" | "CURRENT_USER"
            | "CURRENT_ROLE" | "CURRENT_SCHEMA" | "CURRENT_CATALOG" | "SESSION_USER"
            | "LOCALTIME" | "LOCALTIMESTAMP" | "UTC_TIMESTAMP" | "UTC_DATE" | "UTC_TIME" => {
                self.out.functions.add(upper.to_ascii_lowercase());
                cursor.bump();
                self.operand = true;
                return true;
            }
            // A typed literal: date '2024-01-01', interval '1 day'.
            _ if cursor.kind_at(1) == Some(TokenKind::String)
                && !is_reserved(&upper)
                && !self.operand =>
            {
                cursor.bump();
                return true;
            }
            _ if is_column_here(cursor, &upper, self.operand) => return false,
            "INTERVAL" if !called => cursor.bump(),
            "ARRAY" | "ROW" if called || cursor.kind_at(1) == Some(TokenKind::LeftBracket) => {
                cursor.bump();
            }
            _ if is_reserved(&upper) => cursor.bump(),
            _ => return false,
        }
        self.operand = false;
        true
    }

    /// `a`, `a.b`, `a.*`, `f(`, `schema.f(`.
    fn path(&mut self) {
        let after_operand = self.operand;
        let Some(parts) = self.parts() else {
            self.cursor.bump();
            return;
        };
        if self.cursor.is_kind(TokenKind::LeftParen) {
            self.out.functions.add(function_name(&parts));
            self.open(Opener::Other);
            return;
        }
        if self.cursor.is_kind(TokenKind::Dot) {
            // `t.*`
            self.cursor.bump();
            if self.cursor.eat_op("*") {
                self.out.star = true;
            }
            self.operand = true;
            return;
        }
        let argument = self.cursor.is_op("=>") || self.cursor.is_op(":=");
        if !(argument || (after_operand && parts.len() == 1)) {
            self.out.columns.extend_last(parts);
        }
        self.operand = true;
    }

    /// A dotted name; the dot of `t.*` is left.
    fn parts(&mut self) -> Option<Vec<Ident>> {
        let mut parts = vec![self.cursor.ident_opt()?];
        while self.cursor.is_kind(TokenKind::Dot)
            && matches!(
                self.cursor.kind_at(1),
                Some(TokenKind::Word | TokenKind::QuotedIdent | TokenKind::Placeholder)
            )
        {
            self.cursor.bump();
            parts.extend(self.cursor.ident_opt());
        }
        Some(parts)
    }
}

impl Distinct<Ident> {
    fn extend_last(&mut self, mut parts: Vec<Ident>) {
        if let Some(last) = parts.pop() {
            self.add(last);
        }
    }
}

fn function_name(parts: &[Ident]) -> String {
    parts.last().map_or_else(String::new, |p| p.as_str().to_lowercase())
}

/// `WITH` begins common table expressions, not `WITH TIME ZONE` and its kin.
fn is_cte(cursor: &Cursor<'_>) -> bool {
    let mut ahead = *cursor;
    ahead.bump();
    if ahead.eat("RECURSIVE") {
        return true;
    }
    if ahead.ident_opt().is_none() {
        return false;
    }
    if ahead.is_kind(TokenKind::LeftParen) && ahead.skip_group().is_err() {
        return false;
    }
    ahead.eat("AS")
        && (ahead.is_kind(TokenKind::LeftParen) || ahead.is_any(&["NOT", "MATERIALIZED"]))
}

/// Whether a word that belongs to an operator or a clause elsewhere is the name of a column here: PostgreSQL
/// and SQLite take these without quotes (`CHECK (at IS NOT NULL)`).
fn is_column_here(cursor: &Cursor<'_>, upper: &str, after_operand: bool) -> bool {
    let next = |word: &str| cursor.is_at(1, word);
    match upper {
        "AT" => !next("TIME") && !next("LOCAL"),
        "RANGE" | "FILTER" | "PARTITION" | "MATCHED" => {
            let ends = matches!(
                cursor.kind_at(1),
                None | Some(TokenKind::Operator | TokenKind::RightParen | TokenKind::Comma)
            );
            let goes_on = ["IS", "IN", "NOT", "AND", "OR", "FROM"].into_iter().any(next);
            !after_operand && (ends || goes_on)
        }
        _ => false,
    }
}

/// Words that are never a column where an expression stands. Kept short: a word that is only
/// sometimes a keyword is taken for a column.
fn is_reserved(word: &str) -> bool {
    const WORDS: [&str; 92] = [
        "ALL",
        "AND",
        "ANY",
        "AS",
        "ASC",
        "AT",
        "BETWEEN",
        "BOTH",
        "BY",
        "CASE",
        "COLLATE",
        "CONFLICT",
        "CROSS",
        "DELETE",
        "DESC",
        "DISTINCT",
        "DIV",
        "DO",
        "ELSE",
        "END",
        "ESCAPE",
        "EXCEPT",
        "EXISTS",
        "FALSE",
        "FETCH",
        "FILTER",
        "FOLLOWING",
        "FOR",
        "FROM",
        "FULL",
        "GLOB",
        "GROUP",
        "HAVING",
        "ILIKE",
        "IN",
        "INNER",
        "INSERT",
        "INTERSECT",
        "INTO",
        "IS",
        "ISNULL",
        "JOIN",
        "LATERAL",
        "LEADING",
        "LEFT",
        "LIKE",
        "LIMIT",
        "MATCHED",
        "MATERIALIZED",
        "MERGE",
        "NATURAL",
        "NOT",
        "NOTHING",
        "NOTNULL",
        "NULL",
        "NULLS",
        "OFFSET",
        "ON",
        "OR",
        "ORDER",
        "OUTER",
        "OVER",
        "PARTITION",
        "PRECEDING",
        "RANGE",
        "RECURSIVE",
        "REGEXP",
        "RETURNING",
        "RIGHT",
        "RLIKE",
        "ROLLUP",
        "ROWS",
        "SELECT",
        "SET",
        "SIMILAR",
        "SOME",
        "SYMMETRIC",
        "TABLE",
        "THEN",
        "TO",
        "TRAILING",
        "TRUE",
        "UNBOUNDED",
        "UNION",
        "UPDATE",
        "USING",
        "VALUES",
        "WHEN",
        "WHERE",
        "WINDOW",
        "WITH",
        "XOR",
    ];
    WORDS.iter().any(|w| w.eq_ignore_ascii_case(word))
}
