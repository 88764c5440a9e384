//! MySQL and MariaDB: the statements of routine bodies, and prepared statements.

use super::dynamic::{Values, execute, run};
use super::{at_terminator, piece, rest_of_statement, skip_to, too_deep};
use crate::lexer::TokenKind;
use crate::parse::Out;
use crate::parse::cursor::Cursor;
use crate::{Change, Span};

/// The statements of a body, from the cursor's position on.
pub(crate) fn blocks(cursor: &Cursor<'_>, out: &mut Out) {
    let inner = cursor.over(cursor.pos, cursor.tokens.len());
    if too_deep(&inner, out) {
        return;
    }
    let mut walk = Walk {
        session: Session { values: Values::for_body(&inner) },
        cursor: Cursor { in_body: true, depth: inner.depth + 1, ..inner },
        branches: 0,
        locals: Vec::new(),
        out,
    };
    while !walk.cursor.at_end() {
        let before = walk.cursor.pos;
        walk.step();
        if walk.cursor.pos == before {
            walk.cursor.bump();
        }
    }
}

/// What `@variables` and prepared statements hold while a script runs.
pub(crate) struct Session {
    values: Values,
}

impl Session {
    /// For a script of this many bytes.
    pub(crate) fn new(len: usize) -> Self {
        Self { values: Values::for_text(len) }
    }

    /// Follows `SET @x = …`, `SELECT … INTO @x`, `PREPARE s FROM …`; what `EXECUTE s` does goes to
    /// `out`, and true is given. The cursor covers one statement.
    pub(crate) fn statement(&mut self, cursor: &Cursor<'_>, out: &mut Out) -> bool {
        self.follow(cursor, false, out)
    }

    fn follow(&mut self, cursor: &Cursor<'_>, perhaps: bool, out: &mut Out) -> bool {
        let mut inner = *cursor;
        if inner.eat("SET") {
            while !inner.at_end() {
                let from = inner.pos;
                let (_, to) = inner.skip_until(|c| c.is_kind(TokenKind::Comma));
                self.assignment(&inner.over(from, to), perhaps);
                inner.bump();
            }
        } else if inner.eat("SELECT") {
            self.select_into(&inner, perhaps);
        } else if inner.eat("PREPARE") {
            if let Some(name) = inner.ident_opt()
                && inner.eat("FROM")
            {
                let text = inner.over(inner.pos, inner.tokens.len());
                self.values.assign(&prepared(name.key()), &text, perhaps);
            }
        } else if inner.eat("EXECUTE") {
            let span = inner.span_of(0, inner.tokens.len());
            if inner.eat("IMMEDIATE") {
                let (a, b) = skip_to(&mut inner, &["USING"]);
                execute(&inner.over(a, b), &mut self.values, out);
                return true;
            }
            if let Some(name) = inner.ident_opt() {
                return self.execute(&inner, &prepared(name.key()), span, out);
            }
        }
        false
    }

    fn execute(&mut self, cursor: &Cursor<'_>, key: &str, span: Span, out: &mut Out) -> bool {
        match self.values.get(key).map(<[String]>::to_vec) {
            Some(texts) => {
                let before = out.len();
                run(cursor, span, texts, &mut self.values, out);
                if out.len() == before {
                    out.push_span(span, Change::NoEffect { verb: "execute".to_owned() });
                }
            }
            None => {
                let text = cursor.text_of(0, cursor.tokens.len());
                out.push_span(span, Change::DynamicUnknown { text });
            }
        }
        true
    }

    /// `@x = value` or `x = value`.
    fn assignment(&mut self, cursor: &Cursor<'_>, perhaps: bool) {
        let mut inner = *cursor;
        let name = match inner.kind() {
            Some(TokenKind::Variable) => inner.text().to_lowercase(),
            Some(TokenKind::Word | TokenKind::QuotedIdent) => inner.ident_at(0).key().to_owned(),
            _ => return,
        };
        inner.bump();
        if inner.eat_op("=") || inner.eat_op(":=") {
            self.values.assign(&name, &inner.over(inner.pos, inner.tokens.len()), perhaps);
        }
    }

    /// Behind `SELECT`: `expr INTO @x`, `@x := expr`.
    fn select_into(&mut self, cursor: &Cursor<'_>, perhaps: bool) {
        let mut inner = *cursor;
        if inner.is_kind(TokenKind::Variable) && inner.text_at(1) == ":=" {
            let (from, to) = inner.skip_until(|c| c.is("FROM"));
            self.assignment(&inner.over(from, to), perhaps);
            return;
        }
        let (from, to) = inner.skip_until(|c| c.is_any(&["INTO", "FROM"]));
        let item = inner.over(from, to);
        inner.skip_until(|c| c.is("INTO"));
        if !inner.eat("INTO") {
            return;
        }
        let single = item.tokens.iter().all(|t| t.kind != TokenKind::Comma)
            || inner.tokens.len() == inner.pos + 1;
        let name = match inner.kind() {
            Some(TokenKind::Variable) => inner.text().to_lowercase(),
            Some(TokenKind::Word | TokenKind::QuotedIdent) => inner.ident_at(0).key().to_owned(),
            _ => return,
        };
        if single {
            self.values.assign(&name, &item, perhaps);
        } else {
            self.values.forget(&inner.over(inner.pos, inner.tokens.len()));
        }
    }
}

/// Prepared statements have names of their own.
fn prepared(name: &str) -> String {
    format!("prepare {name}")
}

struct Walk<'a, 'o> {
    cursor: Cursor<'a>,
    session: Session,
    branches: usize,
    /// Declared variables: `SET` of these is no setting of the server.
    locals: Vec<String>,
    out: &'o mut Out,
}

impl Walk<'_, '_> {
    fn step(&mut self) {
        let cursor = &mut self.cursor;
        if at_terminator(cursor) {
            cursor.bump();
            return;
        }
        if cursor.is_name()
            && cursor.kind_at(1) == Some(TokenKind::Operator)
            && cursor.text_at(1) == ":"
        {
            // A label.
            cursor.pos += 2;
            return;
        }
        if cursor.kind() != Some(TokenKind::Word) {
            let (from, to) = rest_of_statement(cursor);
            if cursor.over(from, to).is_kind(TokenKind::LeftParen) {
                piece(&cursor.over(from, to), self.out);
            }
            return;
        }
        match cursor.text().to_ascii_uppercase().as_str() {
            "BEGIN" => {
                cursor.bump();
                cursor.eat_all(&["NOT", "ATOMIC"]);
            }
            "ELSE" | "EXCEPTION" => cursor.bump(),
            "REPEAT" | "LOOP" => {
                self.branches += 1;
                cursor.bump();
            }
            "IF" => {
                self.branches += 1;
                skip_to(cursor, &["THEN"]);
                cursor.bump();
            }
            "ELSEIF" | "ELSIF" | "WHEN" => {
                skip_to(cursor, &["THEN"]);
                cursor.bump();
            }
            "CASE" => {
                self.branches += 1;
                cursor.bump();
                skip_to(cursor, &["WHEN"]);
            }
            "WHILE" | "FOR" => {
                self.branches += 1;
                skip_to(cursor, &["DO", "LOOP"]);
                cursor.bump();
            }
            "UNTIL" => {
                skip_to(cursor, &["END"]);
            }
            "END" => {
                cursor.bump();
                if cursor.is_any(&["IF", "CASE", "LOOP", "REPEAT", "WHILE", "FOR"]) {
                    self.branches = self.branches.saturating_sub(1);
                }
                rest_of_statement(cursor);
            }
            "DECLARE" => self.declare(),
            "LEAVE" | "ITERATE" | "RETURN" | "OPEN" | "FETCH" | "CLOSE" | "SIGNAL" | "RESIGNAL"
            | "GET" | "DEALLOCATE" | "NULL" => {
                rest_of_statement(cursor);
            }
            _ => self.statement(),
        }
    }

    fn statement(&mut self) {
        let (from, to) = rest_of_statement(&mut self.cursor);
        let one = self.cursor.over(from, to);
        if self.session.follow(&one, self.branches > 0, self.out) || one.is("PREPARE") {
            return;
        }
        if one.is("SET") {
            let mut found = Out::default();
            piece(&one, &mut found);
            for (change, span) in found.changes.into_iter().zip(found.spans) {
                let local = match &change {
                    Change::SetVariable { name, .. } => {
                        name.starts_with('@')
                            || name.starts_with("new.")
                            || self.locals.iter().any(|l| l == name)
                    }
                    // `SET x := …` in forms that only a body has.
                    Change::DynamicUnknown { .. } => true,
                    _ => false,
                };
                if !local {
                    self.out.push_span(span, change);
                }
            }
            return;
        }
        piece(&one, self.out);
    }

    /// `DECLARE a, b type [DEFAULT x]`, `DECLARE c CURSOR FOR …`,
    /// `DECLARE CONTINUE HANDLER FOR … statement`.
    fn declare(&mut self) {
        let cursor = &mut self.cursor;
        cursor.bump();
        if cursor.is_any(&["CONTINUE", "EXIT", "UNDO"]) && cursor.is_at(1, "HANDLER") {
            cursor.pos += 2;
            cursor.eat("FOR");
            loop {
                if cursor.eat("SQLSTATE") {
                    cursor.eat("VALUE");
                } else {
                    cursor.eat("NOT");
                }
                cursor.bump();
                if !cursor.eat_comma() {
                    break;
                }
            }
            return;
        }
        let (from, to) = rest_of_statement(cursor);
        let mut inner = cursor.over(from, to);
        let mut names = Vec::new();
        while let Some(name) = inner.ident_opt() {
            names.push(name.key().to_owned());
            if !inner.eat_comma() {
                break;
            }
        }
        inner.skip_until(|c| c.is("DEFAULT") || c.is_op(":=") || c.is_op("="));
        if !inner.at_end() {
            inner.bump();
            let value = inner.over(inner.pos, inner.tokens.len());
            for name in &names {
                self.session.values.assign(name, &value, false);
            }
        }
        self.locals.extend(names);
    }
}
