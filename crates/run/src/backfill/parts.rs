//! An `UPDATE` cut into the parts that batches are made of.

use downhaul_syntax::lexer::{Token, TokenKind, lex};
use downhaul_syntax::query::{Expr, ExprKind, Path, QueryStatement, Update};
use downhaul_syntax::{Change, Dialect, Statement, parse_query};

/// The parts of an `UPDATE` that can be cut into batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts<'s> {
    /// All before `WHERE`.
    pub(crate) head: &'s str,
    /// What stands between `UPDATE` and `SET`: the table, perhaps with an alias.
    pub(crate) target: &'s str,
    /// The condition; empty where there is none.
    pub(crate) filter: &'s str,
}

/// Cuts an `UPDATE` of one table apart; `None` where it reads other tables in a `FROM` or a join,
/// returns rows, has an order or a limit, or is something else.
pub(crate) fn parts(statement: &Statement, dialect: Dialect) -> Option<Parts<'_>> {
    let [Change::Update { .. }] = statement.changes() else { return None };
    let text = statement.text.as_str();
    let lexed = lex(text, dialect);
    let (mut depth, mut before) = (0_i32, String::new());
    let (mut update, mut set, mut filter) = (None, None, None);
    for token in &lexed.tokens {
        let found = token.span.text(text);
        match found {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "," if depth == 0 && set.is_none() => return None,
            _ => {}
        }
        if token.kind != TokenKind::Word || depth != 0 {
            if !matches!(
                token.kind,
                TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment
            ) {
                before.clear();
            }
            continue;
        }
        let word = found.to_ascii_uppercase();
        match word.as_str() {
            "UPDATE" if update.is_none() => update = Some(token.span.end),
            "SET" if set.is_none() => set = Some(token.span.start),
            "WHERE" if filter.is_none() => filter = Some(token.span),
            "FROM" if before != "DISTINCT" => return None,
            "WITH" | "RETURNING" | "CURRENT" | "JOIN" | "LIMIT" => return None,
            "ORDER" | "IGNORE" | "LOW_PRIORITY" if dialect != Dialect::Postgres => return None,
            "OR" if dialect == Dialect::Sqlite && set.is_none() => return None,
            _ => {}
        }
        before = word;
    }
    let target = text.get(update?..set?)?.trim();
    let (head, filter) = match filter {
        Some(span) => (text.get(..span.start)?, text.get(span.end..)?.trim()),
        None => (text, ""),
    };
    Some(Parts { head, target, filter })
}

impl Parts<'_> {
    /// The table as the statement names it, for people.
    pub(crate) fn table(&self) -> &str {
        self.target.split_whitespace().next().unwrap_or(self.target)
    }

    /// Queries for the number of rows that the statement would still change: the second where the
    /// server knows no equality for the first. `None` where its condition does not tell them from those
    /// that are done, since it asks for nothing that the statement writes.
    pub(crate) fn left(&self, dialect: Dialect) -> Option<Vec<String>> {
        if self.filter.is_empty() {
            return None;
        }
        let count =
            |filter: &str| format!("SELECT count(*) FROM {} {MARK} WHERE {filter}", self.target);
        let text = format!("{}WHERE {}", self.head, self.filter);
        let Ok(QueryStatement::Update(update)) = parse_query(&text, dialect) else {
            return Some(vec![count(self.filter)]);
        };
        if !asks_for_what_it_writes(&update) {
            return None;
        }
        // A row of which all values are what they would become is done, whatever the condition says.
        let differ: Option<Vec<String>> = update
            .assignments
            .iter()
            .map(|a| differs(&a.columns, &a.value, &text, dialect))
            .collect();
        let exact = differ.map(|all| format!("({})\n  AND ({})", self.filter, all.join(" OR ")));
        Some(exact.iter().map(String::as_str).chain([self.filter]).map(count).collect())
    }
}

/// Whether the condition reads a column that the statement writes, as far as it can be read.
fn asks_for_what_it_writes(update: &Update) -> bool {
    let Some(filter) = &update.filter else { return false };
    let mut read = Vec::new();
    if !filter.row_columns(&mut read) {
        return true;
    }
    let written = update.assignments.iter().flat_map(|a| &a.columns);
    written.into_iter().any(|column| read.iter().any(|path| path.name() == column.name()))
}

/// `column <> value`, NULLs too; `None` where the value is looked up elsewhere, or is another one
/// each time.
fn differs(columns: &[Path], value: &Expr, text: &str, dialect: Dialect) -> Option<String> {
    let [column] = columns else { return None };
    if !value.row_columns(&mut Vec::new()) || matches!(value.kind, ExprKind::Default) {
        return None;
    }
    let (column, value) = (column.span.text(text), value.span.text(text));
    Some(match dialect {
        Dialect::Mysql | Dialect::MariaDb => format!("NOT ({column} <=> ({value}))"),
        Dialect::Sqlite => format!("{column} IS NOT ({value})"),
        Dialect::Postgres => format!("{column} IS DISTINCT FROM ({value})"),
    })
}

/// MySQL: a statement whose locking reads do not wait. `LOCK IN SHARE MODE` has no such form, `FOR SHARE` has.
pub(super) fn unwaiting(head: &str) -> String {
    const WORDS: [&str; 4] = ["LOCK", "IN", "SHARE", "MODE"];
    let lexed = lex(head, Dialect::Mysql);
    let tokens: Vec<_> = lexed.tokens.iter().filter(|token| !token.kind.is_trivia()).collect();
    let (mut out, mut from) = (String::new(), 0);
    for found in tokens.windows(WORDS.len()) {
        let is = |(token, word): (&&Token, &str)| {
            token.kind == TokenKind::Word && token.span.text(head).eq_ignore_ascii_case(word)
        };
        if found.iter().zip(WORDS).all(is) {
            out.push_str(&head[from..found[0].span.start]);
            out.push_str("FOR SHARE NOWAIT");
            from = found[WORDS.len() - 1].span.end;
        }
    }
    out + &head[from..]
}

/// Stands in the statements of a backfill, so that who counts statements can tell them from a
/// release's.
pub(crate) const MARK: &str = "/* downhaul backfill */";

#[cfg(test)]
mod tests {
    use downhaul_syntax::parse_script;

    use super::*;

    fn cut_in(dialect: Dialect, sql: &str) -> Option<(String, String, String)> {
        let script = parse_script(sql, dialect);
        let parts = parts(&script.statements[0], dialect)?;
        Some((parts.head.trim().into(), parts.target.into(), parts.filter.into()))
    }

    #[test]
    fn locking_reads_of_mysql_do_not_wait() {
        for (head, wanted) in [
            (
                "UPDATE t SET a = (SELECT b FROM s LOCK IN  SHARE /* x */ MODE)",
                "UPDATE t SET a = (SELECT b FROM s FOR SHARE NOWAIT)",
            ),
            ("UPDATE t SET a = 'LOCK IN SHARE MODE'", "UPDATE t SET a = 'LOCK IN SHARE MODE'"),
            (
                "UPDATE t SET a = (SELECT b FROM s lock in share mode), c = (SELECT d FROM s LOCK IN SHARE MODE)",
                "UPDATE t SET a = (SELECT b FROM s FOR SHARE NOWAIT), c = (SELECT d FROM s FOR SHARE NOWAIT)",
            ),
            ("UPDATE t SET a = 1", "UPDATE t SET a = 1"),
        ] {
            assert_eq!(unwaiting(head), wanted);
        }
    }

    fn cut(sql: &str) -> Option<(String, String, String)> {
        cut_in(Dialect::Postgres, sql)
    }

    #[test]
    fn an_update_is_cut_at_its_own_where() {
        let cut_one = cut(
            "UPDATE \"a b\" SET c = (SELECT 1 WHERE true), d = x IS DISTINCT FROM y /* where */ WHERE c IS DISTINCT FROM d OR e = 'where'",
        )
        .unwrap();
        assert_eq!(cut_one.1, "\"a b\"");
        assert!(cut_one.0.ends_with("y /* where */"), "{}", cut_one.0);
        assert_eq!(cut_one.2, "c IS DISTINCT FROM d OR e = 'where'");
        assert_eq!(cut("UPDATE a SET b = 1").unwrap().2, "");
        assert_eq!(cut("UPDATE a SET b = c.d FROM c WHERE c.id = a.id"), None);
        assert_eq!(cut("UPDATE a SET b = 1 WHERE b = 2 RETURNING id"), None);
        assert_eq!(cut("WITH x AS (SELECT 1) UPDATE a SET b = 1"), None);
        assert_eq!(cut("DELETE FROM a"), None);
    }

    #[test]
    fn what_mysql_can_add_is_no_batch() {
        let cut = |sql| cut_in(Dialect::MariaDb, sql);
        assert_eq!(cut("UPDATE `a b` SET c = `where` WHERE NOT (c <=> d)").unwrap().1, "`a b`");
        assert_eq!(cut("UPDATE a SET b = 1 WHERE b = 2 ORDER BY id LIMIT 5"), None);
        assert_eq!(cut("UPDATE a JOIN c ON a.id = c.id SET a.b = c.d"), None);
        assert_eq!(cut("UPDATE a, c SET a.b = c.d WHERE a.id = c.id"), None);
    }
}
