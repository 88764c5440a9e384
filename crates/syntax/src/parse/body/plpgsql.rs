//! PL/pgSQL: finds the SQL statements between the language's own words (PostgreSQL manual §43).
//!
//! A walk over tokens from statement to statement. Control structures are passed through, so
//! every statement of every branch is read; what a variable holds is followed as far as string
//! constants go, for `EXECUTE`.

use super::dynamic::{Values, execute};
use super::{at_terminator, piece, rest_of_statement, select, significant, skip_to};
use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::cursor::Cursor;

/// Reads a body; the cursor's tokens may hold white space and comments.
pub(super) fn read(cursor: &Cursor<'_>, out: &mut Out) {
    let tokens = significant(cursor.tokens);
    let cursor = Cursor { tokens: &tokens, pos: 0, in_body: true, ..*cursor };
    let mut walk = Walk { values: Values::for_body(&cursor), cursor, branches: 0, out };
    while !walk.cursor.at_end() {
        let before = walk.cursor.pos;
        walk.step();
        if walk.cursor.pos == before {
            walk.cursor.bump();
        }
    }
}

struct Walk<'a, 'o> {
    cursor: Cursor<'a>,
    values: Values,
    /// How many `IF`, `CASE` and `LOOP` are open: there an assignment may not happen.
    branches: usize,
    out: &'o mut Out,
}

/// First words of SQL statements.
const VERBS: [&str; 40] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "WITH",
    "VALUES",
    "CREATE",
    "ALTER",
    "DROP",
    "TRUNCATE",
    "GRANT",
    "REVOKE",
    "COMMENT",
    "COPY",
    "LOCK",
    "REFRESH",
    "ANALYZE",
    "ANALYSE",
    "VACUUM",
    "CLUSTER",
    "REINDEX",
    "SET",
    "RESET",
    "CALL",
    "DO",
    "NOTIFY",
    "LISTEN",
    "UNLISTEN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "IMPORT",
    "SECURITY",
    "REASSIGN",
    "DISCARD",
    "EXPLAIN",
    "SHOW",
    "PREPARE",
    "TABLE",
];

impl Walk<'_, '_> {
    fn step(&mut self) {
        let cursor = &mut self.cursor;
        if at_terminator(cursor) {
            cursor.bump();
            return;
        }
        if cursor.is_op("<<") {
            // A label: <<name>>
            while !cursor.at_end() && !cursor.is_op(">>") {
                cursor.bump();
            }
            cursor.bump();
            return;
        }
        if self.assignment() {
            return;
        }
        let cursor = &mut self.cursor;
        if cursor.kind() != Some(TokenKind::Word) {
            rest_of_statement(cursor);
            return;
        }
        match cursor.text().to_ascii_uppercase().as_str() {
            "DECLARE" => {
                cursor.bump();
                self.declarations();
            }
            "BEGIN" | "EXCEPTION" | "ELSE" => cursor.bump(),
            "IF" => {
                self.branches += 1;
                skip_to(cursor, &["THEN"]);
                cursor.bump();
            }
            "ELSIF" | "ELSEIF" | "WHEN" => {
                skip_to(cursor, &["THEN"]);
                cursor.bump();
            }
            "CASE" => {
                self.branches += 1;
                cursor.bump();
                skip_to(cursor, &["WHEN"]);
            }
            "LOOP" => {
                self.branches += 1;
                cursor.bump();
            }
            "WHILE" => {
                skip_to(cursor, &["LOOP"]);
            }
            "FOR" => self.for_loop(),
            "FOREACH" => self.foreach(),
            "END" => {
                cursor.bump();
                if cursor.is_any(&["IF", "LOOP", "CASE"]) {
                    self.branches = self.branches.saturating_sub(1);
                }
                rest_of_statement(cursor);
            }
            "RETURN" => {
                cursor.bump();
                if cursor.eat("QUERY") {
                    self.query();
                } else {
                    rest_of_statement(cursor);
                }
            }
            "OPEN" => {
                skip_to(cursor, &["FOR"]);
                if cursor.eat("FOR") {
                    self.query();
                } else {
                    rest_of_statement(cursor);
                }
            }
            "PERFORM" => {
                cursor.bump();
                let (from, to) = rest_of_statement(cursor);
                select(&self.cursor.over(from, to), self.out);
            }
            "EXECUTE" => self.query(),
            verb if VERBS.contains(&verb) => {
                let (from, to) = rest_of_statement(cursor);
                self.values.forget_targets(&self.cursor.over(from, to));
                piece(&self.cursor.over(from, to), self.out);
            }
            // RAISE, ASSERT, GET DIAGNOSTICS, FETCH, CLOSE, EXIT, CONTINUE, NULL …
            _ => {
                rest_of_statement(cursor);
            }
        }
    }

    /// `EXECUTE expr [INTO x] [USING y]` or a query, up to the statement's end.
    fn query(&mut self) {
        let (from, to) = rest_of_statement(&mut self.cursor);
        self.query_in(from, to);
    }

    fn query_in(&mut self, from: usize, to: usize) {
        let mut inner = self.cursor.over(from, to);
        if inner.eat("EXECUTE") {
            let (a, b) = skip_to(&mut inner, &["INTO", "USING"]);
            execute(&inner.over(a, b), &mut self.values, self.out);
        } else if from < to {
            piece(&inner, self.out);
        }
    }

    /// `name type [:= value];` up to `BEGIN`.
    fn declarations(&mut self) {
        while !self.cursor.at_end() && !self.cursor.is("BEGIN") {
            let (from, to) = rest_of_statement(&mut self.cursor);
            let mut inner = self.cursor.over(from, to);
            let Some(name) = inner.ident_opt() else { continue };
            inner.skip_until(|c| c.is_op(":=") || c.is_op("=") || c.is("DEFAULT"));
            if !inner.at_end() {
                inner.bump();
                let value = inner.over(inner.pos, inner.tokens.len());
                self.values.assign(name.key(), &value, false);
            }
        }
    }

    /// `name := value;`, `name.field := value;`, `name[i] := value;`
    fn assignment(&mut self) -> bool {
        let mut ahead = self.cursor;
        let Some(name) = ahead.ident_opt() else { return false };
        let mut whole = true;
        loop {
            if ahead.is_kind(TokenKind::Dot) && ahead.is_name_at(1) {
                ahead.pos += 2;
            } else if ahead.is_kind(TokenKind::LeftBracket) {
                if ahead.skip_group().is_err() {
                    return false;
                }
            } else {
                break;
            }
            whole = false;
        }
        if !ahead.eat_op(":=") && !ahead.eat_op("=") {
            return false;
        }
        let (from, to) = rest_of_statement(&mut ahead);
        self.cursor.pos = ahead.pos;
        if whole {
            let value = self.cursor.over(from, to);
            self.values.assign(name.key(), &value, self.branches > 0);
        }
        true
    }

    /// `FOR x IN query LOOP`, `FOR x IN EXECUTE text LOOP`, `FOR i IN 1..n LOOP`.
    fn for_loop(&mut self) {
        self.cursor.bump();
        let (a, b) = skip_to(&mut self.cursor, &["IN"]);
        self.values.forget(&self.cursor.over(a, b));
        self.cursor.eat("IN");
        let (from, to) = skip_to(&mut self.cursor, &["LOOP"]);
        let inner = self.cursor.over(from, to);
        let query = inner.is_any(&VERBS) || inner.is("EXECUTE");
        if query || inner.is_kind(TokenKind::LeftParen) && inner.is_any_at(1, &VERBS) {
            self.query_in(from, to);
        }
    }

    /// `FOREACH x [SLICE n] IN ARRAY expr LOOP`: the elements of a literal array are known.
    fn foreach(&mut self) {
        self.cursor.bump();
        let name = self.cursor.ident_opt();
        skip_to(&mut self.cursor, &["IN"]);
        self.cursor.eat_all(&["IN", "ARRAY"]);
        let (from, to) = skip_to(&mut self.cursor, &["LOOP"]);
        if let Some(name) = name {
            self.values.elements(name.key(), &self.cursor.over(from, to));
        }
    }
}
