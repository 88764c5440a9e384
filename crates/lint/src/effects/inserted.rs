//! What an `INSERT … VALUES` gives: as many values as columns, and something for each column that
//! must have it. Each case was run on PostgreSQL 15, MariaDB 10.11 and SQLite 3.50.

use std::collections::HashSet;

use downhaul_catalog::{Column, Table, view_columns};
use downhaul_syntax::change::InsertConflict;
use downhaul_syntax::lexer::{self, TokenKind};
use downhaul_syntax::{
    Change, ConstraintKind, Dialect, Ident, Identity, ObjectName, Query, SqlType,
};

use super::Scene;
use super::condition::{self, Given as Value};
use super::postgres_types::{can_be, quoted};

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
    if !lenient && let Some(reason) = rows.iter().find_map(|row| given.unfit(row, scene)) {
        return Some(reason);
    }
    let first = rows.first().filter(|_| !lenient)?;
    let targets = given.targets();
    let clash = (*conflict == InsertConflict::Fail)
        .then(|| given.twice(&rows).or_else(|| given.seeded(&rows, table, scene)))
        .flatten()
        .or_else(|| given.drawn(&rows, scene));
    if let Some(reason) = clash.or_else(|| given.left_out(scene)) {
        return Some(reason);
    }
    let missing = known.columns.iter().find(|c| {
        let value = targets.iter().position(|t| *t == &c.name).and_then(|at| first.get(at));
        must_be_given(c, known, scene) && value.is_none_or(|v| v.eq_ignore_ascii_case("default"))
            || refuses_null(c, known, scene)
                && value.is_some_and(|v| v.eq_ignore_ascii_case("null"))
    })?;
    Some(format!("`{table}` must have a value for \"{}\": it is NOT NULL", missing.name))
}

/// The migrations fill the table with constant rows alone, and none of them has a key of these: as far
/// as they tell, nothing is overwritten.
pub(crate) fn meets_no_row(change: &Change, scene: &Scene<'_>) -> bool {
    let Change::Insert { table, columns, from_query: None, .. } = change else { return false };
    let dialect = scene.state.dialect();
    let name = scene.state.catalog.normalize(table);
    let Some(known) = scene.state.table(table).filter(|t| !t.columns_unknown && !t.assumed) else {
        return false;
    };
    let Some(rows) = rows(scene.statement, dialect).filter(|r| r.len() <= MOST_ROWS) else {
        return false;
    };
    let given = Given { known, columns, dialect };
    let targets = given.targets();
    // Every key that it names has to be constant.
    let constant = rows.iter().all(|row| {
        given.keys().all(|key| {
            let mut values = key
                .iter()
                .filter_map(|c| targets.iter().position(|t| *t == c).and_then(|at| row.get(at)));
            values.all(|v| literal(v).is_some())
        })
    });
    let indexed = known.indexes.iter().any(|i| i.unique);
    // Rows that left out the key drew a number, which may be the one given here.
    let drawn = given.keys().flatten().any(|column| {
        let given_here = targets.contains(&column);
        given_here && !scene.seeds.all_give(&name, column)
    });
    scene.seeds.is_list(&name)
        && constant
        && !drawn
        && !indexed
        && given.seeded(&rows, table, scene).is_none()
}

/// So many rows of a statement are compared with each other.
const MOST_ROWS: usize = 200;

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

    /// A value that a check refuses, or that the type does not hold.
    fn unfit(&self, row: &[&str], scene: &Scene<'_>) -> Option<String> {
        let given = self.targets().into_iter().filter_map(|t| self.known.column(t)).zip(row);
        given.into_iter().find_map(|(column, text)| {
            let value = literal(text)?;
            let ty = column.ty.as_ref();
            let name = &column.name;
            let fits = match (&value, ty) {
                // SQLite takes any number anywhere.
                (Value::Number(n), Some(ty)) if self.dialect != Dialect::Sqlite => {
                    !condition::out_of_range(ty, *n)
                }
                (Value::Text(text), Some(ty)) if self.dialect.is_mysql_family() => holds(ty, text),
                _ => true,
            };
            if !fits {
                return Some(format!("\"{name}\" of type {} takes no {text}", ty?.raw));
            }
            let check = condition::failed(self.known, column, &value, scene.state.catalog)?;
            Some(format!("{text} for \"{name}\" fails its check: {check}"))
        })
    }

    /// A column that is left out gets NULL, which its check refuses.
    fn left_out(&self, scene: &Scene<'_>) -> Option<String> {
        let targets = self.targets();
        self.known.columns.iter().filter(|c| !targets.contains(&&c.name)).find_map(|column| {
            let filled = column.default.is_some()
                || column.generated.is_some()
                || column.identity.is_some()
                || column.auto_increment;
            let check = (!filled)
                .then(|| condition::failed(self.known, column, &Value::Null, scene.state.catalog))
                .flatten()?;
            Some(format!("\"{}\" gets NULL, which fails its check: {check}", column.name))
        })
    }

    /// Columns of each unique key.
    fn keys(&self) -> impl Iterator<Item = &'a [Ident]> {
        let keys = self.known.constraints.iter().filter_map(|c| match &c.kind {
            ConstraintKind::PrimaryKey { columns, .. } | ConstraintKind::Unique { columns, .. } => {
                Some(columns.as_slice())
            }
            _ => None,
        });
        keys.filter(|c| !c.is_empty())
    }

    /// An earlier migration put a row with the same key there, and none took it away.
    fn seeded(&self, rows: &[Vec<&str>], table: &ObjectName, scene: &Scene<'_>) -> Option<String> {
        let (targets, name) = (self.targets(), scene.state.catalog.normalize(table));
        let constant = |row: &Vec<&str>, column: &Ident| {
            let text = row.get(targets.iter().position(|t| *t == column)?)?;
            match literal(text)? {
                Value::Null => None,
                Value::Number(n) => Some(n.to_string()),
                Value::Text(t) => Some(t),
            }
        };
        for key in self.keys() {
            for row in rows.iter().take(MOST_ROWS) {
                let values: Option<Vec<String>> = key.iter().map(|c| constant(row, c)).collect();
                let Some(values) = values else { continue };
                let pairs: Vec<_> = key.iter().zip(values.iter().map(String::as_str)).collect();
                if scene.seeds.holds(&name, &pairs) {
                    return Some(format!(
                        "an earlier migration inserted the key ({}) already",
                        values.join(", ")
                    ));
                }
            }
        }
        None
    }

    /// A reference is given a value drawn by chance: no row has it.
    fn drawn(&self, rows: &[Vec<&str>], scene: &Scene<'_>) -> Option<String> {
        let targets = self.targets();
        let unchecked = self.dialect == Dialect::Sqlite
            || scene.setting_is("foreign_key_checks", &["0", "off"])
            || scene.setting_is("session_replication_role", &["replica"]);
        self.known.constraints.iter().filter(|_| !unchecked).find_map(|c| {
            let ConstraintKind::ForeignKey { columns, table, .. } = &c.kind else { return None };
            let [column] = &columns[..] else { return None };
            let at = targets.iter().position(|t| *t == column)?;
            let row = rows.iter().find(|row| {
                let flat = row.get(at).map(|v| v.to_lowercase().replace(' ', ""));
                flat.is_some_and(|v| {
                    ["gen_random_uuid()", "uuid_generate_v4()", "uuidv7()", "uuid()"]
                        .contains(&v.as_str())
                })
            })?;
            Some(format!("no row of `{table}` has the number that {} draws", row[at]))
        })
    }

    /// Two rows of the statement have the same key.
    fn twice(&self, rows: &[Vec<&str>]) -> Option<String> {
        let targets = self.targets();
        for columns in self.keys() {
            let places: Option<Vec<usize>> =
                columns.iter().map(|c| targets.iter().position(|t| *t == c)).collect();
            let Some(places) = places else { continue };
            let mut seen = HashSet::new();
            for row in rows.iter().take(MOST_ROWS) {
                let key: Option<Vec<&str>> = places
                    .iter()
                    .map(|at| {
                        let value = *row.get(*at)?;
                        literal(value).filter(|v| *v != Value::Null).map(|_| value)
                    })
                    .collect();
                let Some(key) = key else { continue };
                if let Some(key) = seen.replace(key) {
                    return Some(format!("two rows have the key ({})", key.join(", ")));
                }
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

/// A constant; `None` for what is computed.
pub(super) fn literal(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("null") {
        return Some(Value::Null);
    }
    if let Ok(number) = text.parse::<f64>() {
        return text
            .starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.'))
            .then_some(Value::Number(number));
    }
    quoted(text).filter(|t| !t.contains('\\')).map(|t| Value::Text(t.to_owned()))
}

/// A text column of MySQL is long enough, or its enum has the label.
fn holds(ty: &SqlType, text: &str) -> bool {
    match ty.name.as_str() {
        "varchar" | "char" => {
            let longest = ty.args.first().and_then(|n| n.trim().parse::<usize>().ok());
            longest.is_none_or(|n| text.trim_end().chars().count() <= n)
        }
        "enum" if !ty.args.is_empty() => {
            let label = |l: &String| l.trim_matches('\'').trim_end().to_lowercase();
            let text = text.trim_end().to_lowercase();
            // A number is that of a label.
            ty.args.iter().any(|l| label(l) == text) || text.parse::<u16>().is_ok()
        }
        _ => true,
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
pub(super) fn rows(statement: &str, dialect: Dialect) -> Option<Vec<Vec<&str>>> {
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
                        CREATE TABLE e (id int GENERATED ALWAYS AS IDENTITY, m mood, v varchar(3));\n\
                        CREATE DOMAIN plate AS text CHECK (VALUE = upper(VALUE));\n\
                        CREATE TABLE c (n int CHECK (n > 0), p plate, s smallint);\n\
                        CREATE TABLE n (a int, b int CHECK (b IS NOT NULL));";
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
                ("INSERT INTO c VALUES (1, 'AB', 5)", false),
                ("INSERT INTO c VALUES (0, 'AB', 5)", true),
                ("INSERT INTO t (id, a) VALUES (7, 'x'), (7, 'y')", true),
                ("INSERT INTO t (id, a) VALUES (7, 'x'), (8, 'x')", false),
                ("INSERT INTO t (id, a) VALUES (7, 'x'), (7, 'y') ON CONFLICT DO NOTHING", false),
                ("INSERT INTO n (a) VALUES (1)", true),
                ("INSERT INTO n (b) VALUES (1)", false),
                ("INSERT INTO c VALUES (1, 'ab', 5)", true),
                ("INSERT INTO c VALUES (1, 'AB', 40000)", true),
                ("INSERT INTO c VALUES (1, NULL, 1 + 5)", false),
            ],
        );
        let mysql = "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, a varchar(9) NOT NULL, b int);\n\
             CREATE TABLE c (k enum('x', 'y'), n decimal(4,2) CHECK (n >= 0));";
        check(
            "mariadb",
            mysql,
            &[
                ("INSERT INTO t (a) VALUES ('0123456789')", true),
                ("INSERT IGNORE INTO t (a) VALUES ('0123456789')", false),
                ("INSERT INTO c VALUES ('X', 99.99)", false),
                ("INSERT INTO c VALUES ('z', 1)", true),
                ("INSERT INTO c VALUES ('x', -1)", true),
                ("INSERT INTO c VALUES ('x', 100)", true),
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
