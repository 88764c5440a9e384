//! Tokens to statements: lossless, linear, and one broken statement never hides the next.

use crate::lexer::{Token, TokenKind};
use crate::{Dialect, Span};

/// The tokens of one statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawStatement {
    /// Index of its first token that is neither white space nor comment.
    pub first: usize,
    /// Index of its last such token; the terminator is left out.
    pub last: usize,
    /// Rows that follow a `COPY … FROM stdin`.
    pub copy_data: Option<Span>,
}

/// Cuts a token list into statements.
///
/// `;` inside the bodies of MySQL and SQLite triggers and routines, of PostgreSQL's
/// `BEGIN ATOMIC` and inside the parentheses of `CREATE RULE` does not end a statement. A client
/// command is a statement of its own. A comment that some runner takes for the end of a piece
/// (`-- +goose StatementEnd`, `--> statement-breakpoint`) ends a statement that has no `;`.
#[must_use]
pub fn split(source: &str, tokens: &[Token], dialect: Dialect) -> Vec<RawStatement> {
    let mut splitter = Splitter { source, tokens, dialect, bodies: true, out: Vec::new() };
    let mut from = 0;
    while let Some(next) = splitter.statement(from) {
        from = next;
    }
    splitter.out
}

struct Splitter<'a> {
    source: &'a str,
    tokens: &'a [Token],
    dialect: Dialect,
    /// Bodies are looked for; switched off once one has no end, so that the time stays linear.
    bodies: bool,
    out: Vec<RawStatement>,
}

impl Splitter<'_> {
    fn word(&self, index: usize) -> &str {
        match self.tokens.get(index) {
            Some(t) if t.kind == TokenKind::Word => t.span.text(self.source),
            _ => "",
        }
    }

    fn is(&self, index: usize, word: &str) -> bool {
        self.word(index).eq_ignore_ascii_case(word)
    }

    /// Reads one statement from `from` on; gives where the next begins, `None` at the end.
    fn statement(&mut self, from: usize) -> Option<usize> {
        let mut first = from;
        loop {
            let token = self.tokens.get(first)?;
            match token.kind {
                TokenKind::CopyData => {
                    if let Some(last) = self.out.last_mut() {
                        last.copy_data = Some(token.span);
                    }
                    first += 1;
                }
                TokenKind::ClientCommand => {
                    self.out.push(RawStatement { first, last: first, copy_data: None });
                    return Some(first + 1);
                }
                kind if kind.is_trivia() || kind == TokenKind::Terminator => first += 1,
                _ => break,
            }
        }
        let body = if self.bodies { self.body_kind(first) } else { Body::None };
        let mut tracker = BodyTracker::new(body);
        let mut last = first;
        let mut first_terminator = None;
        let mut index = first;
        while let Some(token) = self.tokens.get(index) {
            match token.kind {
                TokenKind::ClientCommand | TokenKind::CopyData => break,
                TokenKind::Terminator if !tracker.inside() => break,
                TokenKind::Terminator => {
                    first_terminator.get_or_insert((index, last));
                    tracker.see(self, index);
                }
                TokenKind::LineComment if self.is_boundary(index) => break,
                kind if kind.is_trivia() => {}
                _ => {
                    tracker.see(self, index);
                    last = index;
                }
            }
            index += 1;
        }
        if let (true, Some((end, before))) = (tracker.inside(), first_terminator)
            && index >= self.tokens.len()
        {
            self.bodies = false;
            (index, last) = (end, before);
        }
        // Before a terminator of another kind, a `;` at the end says nothing.
        while last > first && !self.significant(last) {
            last -= 1;
        }
        self.out.push(RawStatement { first, last, copy_data: None });
        Some(index)
    }

    fn significant(&self, index: usize) -> bool {
        let kind = self.tokens[index].kind;
        !kind.is_trivia() && kind != TokenKind::Semicolon
    }

    /// The line comment is one at which a migration runner cuts the text, whether or not a
    /// terminator stands before it.
    fn is_boundary(&self, index: usize) -> bool {
        let text = self.tokens[index].span.text(self.source).trim_start_matches('-').trim_start();
        ["+goose ", "+migrate ", "> statement-breakpoint"].iter().any(|mark| text.starts_with(mark))
    }

    /// What kind of body the statement that begins here may have. Looks at its first words only.
    fn body_kind(&self, first: usize) -> Body {
        let mysql = self.dialect.is_mysql_family();
        let mut words = 0;
        let mut index = first;
        if mysql && self.is(first, "BEGIN") {
            return if self.next_word_is(first, "NOT") { Body::Blocks } else { Body::None };
        }
        if self.dialect == Dialect::MariaDb
            && ["IF", "CASE", "LOOP", "WHILE", "REPEAT", "FOR"].iter().any(|w| self.is(first, w))
        {
            return Body::Blocks;
        }
        while let Some(token) = self.tokens.get(index) {
            match token.kind {
                TokenKind::Terminator | TokenKind::LeftParen => return Body::None,
                kind if kind.is_trivia() => {}
                TokenKind::Word => {
                    words += 1;
                    if words == 1 {
                        if !self.is(index, "CREATE") && !self.is(index, "ALTER") {
                            return Body::None;
                        }
                    } else {
                        let word = self.word(index).to_ascii_uppercase();
                        match (word.as_str(), self.dialect) {
                            ("TRIGGER", Dialect::Sqlite) => return Body::UntilEnd,
                            ("TRIGGER" | "PROCEDURE" | "FUNCTION" | "EVENT" | "PACKAGE", _)
                                if mysql =>
                            {
                                return Body::Blocks;
                            }
                            ("FUNCTION" | "PROCEDURE", Dialect::Postgres) => return Body::Atomic,
                            ("RULE", Dialect::Postgres) => return Body::Parens,
                            ("TABLE" | "INDEX" | "VIEW" | "DATABASE" | "USER", _) => {
                                return Body::None;
                            }
                            _ => {}
                        }
                        if words > 12 {
                            return Body::None;
                        }
                    }
                }
                _ => {}
            }
            index += 1;
        }
        Body::None
    }

    fn next_word_is(&self, index: usize, word: &str) -> bool {
        self.tokens[index + 1..]
            .iter()
            .position(|t| !t.kind.is_trivia())
            .is_some_and(|at| self.is(index + 1 + at, word))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    None,
    /// MySQL: `BEGIN … END`, `IF … END IF` and so on.
    Blocks,
    /// SQLite: ends at `; END ;`, as its shell decides.
    UntilEnd,
    /// PostgreSQL: `BEGIN ATOMIC … END`.
    Atomic,
    /// PostgreSQL: `CREATE RULE … DO ( …; … )`.
    Parens,
}

struct BodyTracker {
    body: Body,
    depth: usize,
    /// The two significant tokens before the current one.
    previous: [Option<usize>; 2],
    /// `END IF` and its kin: the second word closes nothing and opens nothing.
    skip: bool,
    ended: bool,
}

impl BodyTracker {
    fn new(body: Body) -> Self {
        Self { body, depth: 0, previous: [None, None], skip: false, ended: false }
    }

    fn inside(&self) -> bool {
        match self.body {
            Body::None => false,
            Body::UntilEnd => self.depth > 0 && !self.ended,
            _ => self.depth > 0,
        }
    }

    fn see(&mut self, splitter: &Splitter<'_>, index: usize) {
        let kind = splitter.tokens[index].kind;
        let previous = self.previous[1];
        let previous_is = |word: &str| previous.is_some_and(|p| splitter.is(p, word));
        let previous_kind =
            |kind: TokenKind| previous.is_some_and(|p| splitter.tokens[p].kind == kind);
        let ends_statement =
            || previous_kind(TokenKind::Terminator) || previous_kind(TokenKind::Semicolon);
        let is = |word: &str| kind == TokenKind::Word && splitter.is(index, word);
        match self.body {
            Body::None => {}
            Body::Parens => match kind {
                TokenKind::LeftParen => self.depth += 1,
                TokenKind::RightParen => self.depth = self.depth.saturating_sub(1),
                _ => {}
            },
            Body::UntilEnd => {
                if is("BEGIN") {
                    self.depth = 1;
                }
                self.ended = is("END") && ends_statement();
            }
            Body::Atomic => {
                if is("ATOMIC") && previous_is("BEGIN") || self.depth > 0 && is("CASE") {
                    self.depth += 1;
                } else if self.depth > 0 && is("END") && !previous_kind(TokenKind::Dot) {
                    self.depth -= 1;
                }
            }
            Body::Blocks => self.see_block(splitter, index, previous, ends_statement()),
        }
        self.previous = [self.previous[1], Some(index)];
    }

    fn see_block(
        &mut self,
        splitter: &Splitter<'_>,
        index: usize,
        previous: Option<usize>,
        after_end: bool,
    ) {
        if splitter.tokens[index].kind != TokenKind::Word {
            return;
        }
        if std::mem::take(&mut self.skip) {
            return;
        }
        let before = previous.map(|p| splitter.tokens[p]);
        if before.is_some_and(|t| t.kind == TokenKind::Dot) {
            return;
        }
        let word = splitter.word(index);
        let opens_statement = after_end
            || before.is_none()
            || before.is_some_and(|t| match t.kind {
                TokenKind::Word => ["BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT", "ROW"]
                    .iter()
                    .any(|w| t.span.text(splitter.source).eq_ignore_ascii_case(w)),
                TokenKind::Operator => t.span.text(splitter.source) == ":",
                _ => false,
            });
        let is_any = |words: &[&str]| words.iter().any(|w| word.eq_ignore_ascii_case(w));
        if is_any(&["BEGIN", "CASE"])
            || opens_statement && is_any(&["IF", "LOOP", "WHILE", "REPEAT", "FOR"])
        {
            self.depth += 1;
        } else if word.eq_ignore_ascii_case("END") && self.depth > 0 {
            self.depth -= 1;
            self.skip = ["IF", "LOOP", "WHILE", "REPEAT", "CASE", "FOR"]
                .iter()
                .any(|w| splitter.next_word_is(index, w));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::lex;

    fn check(dialect: Dialect, source: &str, expect: &[&str]) {
        let lexed = lex(source, dialect);
        let got: Vec<_> = split(source, &lexed.tokens, dialect)
            .iter()
            .map(|s| lexed.tokens[s.first].span.cover(lexed.tokens[s.last].span).text(source))
            .collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn plain() {
        check(
            Dialect::Postgres,
            "a; -- x;\n b /* ; */ 'c;' ;; \n d",
            &["a", "b /* ; */ 'c;'", "d"],
        );
        check(Dialect::Sqlite, "-- only a comment\n", &[]);
    }

    #[test]
    fn postgres_bodies() {
        check(Dialect::Postgres, "DO $$ a; b; $$; c;", &["DO $$ a; b; $$", "c"]);
        check(
            Dialect::Postgres,
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC a; SELECT CASE WHEN b THEN 1 END; END; c",
            &[
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC a; SELECT CASE WHEN b THEN 1 END; END",
                "c",
            ],
        );
        check(
            Dialect::Postgres,
            "CREATE RULE r AS ON INSERT TO t DO ALSO (a; b); c",
            &["CREATE RULE r AS ON INSERT TO t DO ALSO (a; b)", "c"],
        );
        check(Dialect::Postgres, "BEGIN; a; END;", &["BEGIN", "a", "END"]);
    }

    #[test]
    fn sqlite_triggers() {
        check(
            Dialect::Sqlite,
            "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE WHEN 1 THEN 2 END; b; END; c;",
            &[
                "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE WHEN 1 THEN 2 END; b; END",
                "c",
            ],
        );
    }

    #[test]
    fn mysql_bodies() {
        let body = "CREATE DEFINER=`a`@`b` PROCEDURE p() BEGIN IF a THEN b; END IF; CASE x WHEN 1 THEN c; END CASE; l: LOOP d; END LOOP; END";
        check(Dialect::Mysql, &format!("{body}; e"), &[body, "e"]);
        let single =
            "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW IF NEW.a THEN SET NEW.b = 1; END IF";
        check(Dialect::Mysql, &format!("{single}; e"), &[single, "e"]);
        check(
            Dialect::Mysql,
            "DELIMITER //\nCREATE PROCEDURE p() BEGIN a; END //\nDELIMITER ;\nb;",
            &["DELIMITER //", "CREATE PROCEDURE p() BEGIN a; END", "DELIMITER ;", "b"],
        );
    }

    #[test]
    fn a_body_without_end_hides_nothing() {
        check(
            Dialect::Mysql,
            "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN a; b; c",
            &["CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN a", "b", "c"],
        );
    }

    #[test]
    fn marks_of_runners() {
        check(
            Dialect::Mysql,
            "-- +goose StatementBegin\na; b\n-- +goose StatementEnd\nc;",
            &["a", "b", "c"],
        );
        check(
            Dialect::Mysql,
            "-- +goose StatementBegin\nCREATE PROCEDURE p() BEGIN a; END\n-- +goose StatementEnd\nc;",
            &["CREATE PROCEDURE p() BEGIN a; END", "c"],
        );
        check(Dialect::Sqlite, "a --> statement-breakpoint\nb", &["a", "b"]);
    }
}
