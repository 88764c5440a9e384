//! What an `INSERT … VALUES` gives: as many values as columns, and something for each column that
//! must have it. Each case was run on PostgreSQL 15, MariaDB 10.11 and SQLite 3.50.

use downhaul_catalog::{Column, Table};
use downhaul_syntax::change::InsertConflict;
use downhaul_syntax::lexer::{self, TokenKind};
use downhaul_syntax::{Change, ConstraintKind, Dialect, Ident, Identity, ObjectName, Query};

use super::refused::{can_be, quoted};
use super::{Scene, view_columns};

/// Why the server refuses an `INSERT`; empty where nothing is known against it.
pub(super) fn refused(change: &Change, scene: &Scene<'_>) -> Option<String> {
    let Change::Insert { table, columns, from_query, conflict } = change else { return None };
    let known = scene.state.table(table).filter(|t| !t.columns_unknown && !t.assumed)?;
    let dialect = scene.state.dialect();
    let given = Given { known, columns, dialect };
    if let Some(query) = from_query {
        return given.counts(table, selected(query)?);
    }
    let rows = rows(scene.statement, dialect)?;
    let uneven = dialect == Dialect::Postgres && rows.windows(2).any(|w| w[0].len() != w[1].len());
    if uneven {
        return Some("VALUES lists must all be the same length".to_owned());
    }
    for row in &rows {
        // MySQL: all defaults.
        if row.is_empty() && dialect.is_mysql_family() {
            return None;
        }
        if let Some(reason) = given.counts(table, row.len()) {
            return Some(reason);
        }
    }
    for row in &rows {
        if let Some(reason) = given.misfit(row, scene) {
            return Some(reason);
        }
    }
    if known.triggers.iter().any(|t| t.text.to_lowercase().contains("before")) {
        return None;
    }
    let lenient = dialect != Dialect::Postgres && *conflict != InsertConflict::Fail
        || scene.settings.contains_key("sql_mode");
    let first = rows.first().filter(|_| !lenient)?;
    let targets = given.targets();
    let missing = known.columns.iter().find(|c| {
        let value = targets.iter().position(|t| *t == &c.name).and_then(|at| first.get(at));
        must_be_given(c, known, scene) && value.is_none_or(|v| v.eq_ignore_ascii_case("default"))
            || refuses_null(c, known, scene)
                && value.is_some_and(|v| v.eq_ignore_ascii_case("null"))
    })?;
    Some(format!("`{table}` must have a value for \"{}\": it is NOT NULL", missing.name))
}

/// A table and the columns that a statement names.
struct Given<'a> {
    known: &'a Table,
    columns: &'a [Ident],
    dialect: Dialect,
}

impl<'a> Given<'a> {
    /// Columns that take the values, in order.
    fn targets(&self) -> Vec<&'a Ident> {
        if !self.columns.is_empty() {
            return self.columns.iter().collect();
        }
        let takes = |c: &&Column| match self.dialect {
            Dialect::Sqlite => c.generated.is_none(),
            Dialect::Mysql | Dialect::MariaDb => !c.invisible,
            Dialect::Postgres => true,
        };
        self.known.columns.iter().filter(takes).map(|c| &c.name).collect()
    }

    /// A value for a column that makes its own, or of which it is plain that the type has no such.
    fn misfit(&self, row: &[&str], scene: &Scene<'_>) -> Option<String> {
        let given = self.targets().into_iter().filter_map(|t| self.known.column(t)).zip(row);
        for (column, value) in given.filter(|(_, v)| !v.eq_ignore_ascii_case("default")) {
            let name = &column.name;
            if column.generated.is_some() && !self.dialect.is_mysql_family() {
                return Some(format!("column \"{name}\" is generated: it takes no value"));
            }
            if self.dialect != Dialect::Postgres {
                continue;
            }
            let overrides = scene.statement.to_ascii_lowercase().contains("overriding");
            if column.identity == Some(Identity::Always) && !overrides {
                return Some(format!(
                    "column \"{name}\" is GENERATED ALWAYS: it takes a value with OVERRIDING SYSTEM VALUE only"
                ));
            }
            let (Some(ty), Some(literal)) = (&column.ty, quoted(value)) else { continue };
            let longest = ty.args.first().and_then(|n| n.parse::<usize>().ok());
            let too_long = ty.name == "varchar"
                && ty.dimensions == 0
                && longest.is_some_and(|n| literal.trim_end().chars().count() > n);
            if too_long || !can_be(literal, ty, scene) {
                return Some(format!("\"{name}\" of type {} takes no '{literal}'", ty.raw));
            }
        }
        None
    }

    fn counts(&self, table: &ObjectName, values: usize) -> Option<String> {
        let columns = self.targets().len();
        // PostgreSQL fills up a short row where no columns are named.
        let short = self.dialect == Dialect::Postgres && self.columns.is_empty();
        let fits = values == columns || short && values < columns;
        (!fits).then(|| {
            let s = |n: usize| if n == 1 { "" } else { "s" };
            format!("{values} value{} for {columns} column{} of `{table}`", s(values), s(columns))
        })
    }
}

/// Without a value the row is refused.
fn must_be_given(column: &Column, table: &Table, scene: &Scene<'_>) -> bool {
    let fills_itself = column.default.is_some()
        || column.generated.is_some()
        || column.identity.is_some()
        || column.auto_increment;
    column.not_null && !fills_itself && refuses_null(column, table, scene)
}

/// NULL is refused: neither a number of its own comes instead, nor the type's own default.
fn refuses_null(column: &Column, table: &Table, scene: &Scene<'_>) -> bool {
    let ty = column.ty.as_ref().map_or("", |t| t.name.as_str());
    let own = match scene.state.dialect() {
        Dialect::Postgres => {
            // A domain may have a default.
            column.ty.as_ref().is_some_and(|t| {
                let name = Ident::stored(Dialect::Postgres, &t.name);
                let name = ObjectName { schema: t.schema.clone(), name };
                let catalog = scene.state.catalog;
                catalog.types.contains_key(&catalog.normalize(&name))
            })
        }
        Dialect::Mysql | Dialect::MariaDb => {
            column.auto_increment || matches!(ty, "timestamp" | "enum")
        }
        Dialect::Sqlite => {
            // `INTEGER PRIMARY KEY` is the row's number.
            table.constraints.iter().any(|c| {
                matches!(&c.kind, ConstraintKind::PrimaryKey { columns, .. }
                    if columns.as_slice() == std::slice::from_ref(&column.name))
            })
        }
    };
    column.not_null && !own
}

/// How many columns a plain `SELECT` puts out.
fn selected(query: &Query) -> Option<usize> {
    let items = view_columns::select_list(query)?;
    items.iter().all(|item| !item.ends_with('*') && !item.is_empty()).then_some(items.len())
}

/// The rows of `INSERT INTO … VALUES (…), (…)`, each as its values' texts; `None` for others.
fn rows(statement: &str, dialect: Dialect) -> Option<Vec<Vec<&str>>> {
    let tokens: Vec<_> =
        lexer::lex(statement, dialect).tokens.into_iter().filter(|t| !t.kind.is_trivia()).collect();
    let text = |at: usize| -> &str {
        tokens.get(at).and_then(|t| statement.get(t.span.start..t.span.end)).unwrap_or_default()
    };
    let is = |at: usize, word: &str| text(at).eq_ignore_ascii_case(word);
    let unsure = |kind: TokenKind| matches!(kind, TokenKind::Placeholder | TokenKind::Unterminated);
    if !(is(0, "insert") || is(0, "replace")) || tokens.iter().any(|t| unsure(t.kind)) {
        return None;
    }
    let mut depth = 0_usize;
    let mut at = (0..tokens.len()).find(|at| {
        match tokens[*at].kind {
            TokenKind::LeftParen => depth += 1,
            TokenKind::RightParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (is(*at, "values") || is(*at, "value"))
    })? + 1;
    let mut out = Vec::new();
    while tokens.get(at)?.kind == TokenKind::LeftParen {
        let (mut depth, mut row, mut start) = (0_usize, Vec::new(), at + 1);
        loop {
            let token = tokens.get(at)?;
            match token.kind {
                TokenKind::LeftParen | TokenKind::LeftBracket => depth += 1,
                TokenKind::RightParen | TokenKind::RightBracket => depth -= 1,
                _ => {}
            }
            let ends = depth == 0;
            if ends || depth == 1 && token.kind == TokenKind::Comma {
                if start < at {
                    let (a, b) = (tokens[start].span.start, tokens[at - 1].span.end);
                    row.push(statement.get(a..b)?);
                }
                start = at + 1;
            }
            at += 1;
            if ends {
                break;
            }
        }
        out.push(row);
        if tokens.get(at).is_none_or(|t| t.kind != TokenKind::Comma) {
            break;
        }
        at += 1;
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;
    use crate::rules::find_rule;

    fn check(dialect: &str, history: &str, all: &[(&str, bool)]) {
        for (up, expect) in all {
            let text = format!("-- history\n{history}\n-- up\n{up};");
            cases(find_rule("TX10").unwrap(), &[(dialect, &text, *expect)]);
        }
    }

    #[test]
    fn as_the_servers_say() {
        let postgres = "CREATE TABLE t (id serial PRIMARY KEY, a text NOT NULL, b int);\n\
                        CREATE TABLE s (x int, y int);\n\
                        CREATE TYPE mood AS ENUM ('ok', 'sad');\n\
                        CREATE TABLE e (id int GENERATED ALWAYS AS IDENTITY, m mood, v varchar(3));";
        check(
            "postgres",
            postgres,
            &[
                ("INSERT INTO t (a, b) VALUES ('x, (y', 1)", false),
                ("INSERT INTO t (a, b) VALUES ('x')", true),
                ("INSERT INTO t (a, b) VALUES ('x', f(1, 2), 3)", true),
                ("INSERT INTO t (a, b) VALUES ('x', f(1, 2))", false),
                ("INSERT INTO t VALUES (1, 'x')", false),
                ("INSERT INTO t VALUES (1, 'x', 2, 3)", true),
                ("INSERT INTO t (a) VALUES ('x'), ('y', 1)", true),
                ("INSERT INTO t (b) VALUES (1)", true),
                ("INSERT INTO t (a, b) VALUES (NULL, 1)", true),
                ("INSERT INTO t (id, a) VALUES (DEFAULT, 'x')", false),
                ("INSERT INTO t (a, b) SELECT x FROM s", true),
                ("INSERT INTO t (a, b) SELECT x, y FROM s", false),
                ("INSERT INTO t (a, b) SELECT * FROM s", false),
                ("INSERT INTO e (id, m) VALUES (1, 'ok')", true),
                ("INSERT INTO e (id, m) OVERRIDING SYSTEM VALUE VALUES (1, 'ok')", false),
                ("INSERT INTO e (m, v) VALUES ('ok', 'abc')", false),
                ("INSERT INTO e (m, v) VALUES ('angry', 'abc')", true),
                ("INSERT INTO e (m, v) VALUES ('ok', 'abcd')", true),
            ],
        );
        let mysql =
            "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, a varchar(9) NOT NULL, b int);";
        check(
            "mariadb",
            mysql,
            &[
                ("INSERT INTO t VALUES (NULL, 'x', 1)", false),
                ("INSERT INTO t VALUES (1, \"x, y\")", true),
                ("INSERT INTO t (a) VALUES ('x'), ('y', 1)", true),
                ("INSERT INTO t (b) VALUES (1)", true),
                ("INSERT IGNORE INTO t (b) VALUES (1)", false),
                ("INSERT INTO t SET a = 'x'", false),
            ],
        );
        let sqlite = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a text NOT NULL, b int);";
        check(
            "sqlite",
            sqlite,
            &[
                ("INSERT INTO t VALUES (1, 'x')", true),
                ("INSERT INTO t VALUES (NULL, 'x', 1)", false),
                ("INSERT INTO t (b) VALUES (1)", true),
                ("INSERT OR IGNORE INTO t (b) VALUES (1)", false),
                ("INSERT INTO t (a) VALUES ('x')", false),
            ],
        );
    }
}
