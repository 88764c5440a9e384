//! Whether two texts mean the same to the server.

use downhaul_syntax::{Dialect, Expr, SqlType};

use super::expression::canonical;
use super::tokens::{Kind, Token, tokens, unquoted};

/// Whether two expressions are the same but for spelling.
pub(crate) fn same_expr(left: &Expr, right: &Expr, dialect: Dialect) -> bool {
    left.text == right.text || same_text(&left.text, &right.text, dialect)
}

/// Whether two texts are the same but for what the server normalises: white space, comments, the
/// case of words, needless quotes; in expressions also parentheses, casts of literals, and the
/// many ways to write one operator.
pub(crate) fn same_text(left: &str, right: &str, dialect: Dialect) -> bool {
    if left == right {
        return true;
    }
    let (l, r) = (words(left, dialect), words(right, dialect));
    if l == r {
        return true;
    }
    match (canonical(left, dialect), canonical(right, dialect)) {
        (Some(l), Some(r)) => l == r,
        _ => false,
    }
}

/// Whether two key parts of an index are the same: `a`, `a ASC`, `(a)`.
pub(crate) fn same_list(left: &str, right: &str, dialect: Dialect) -> bool {
    if left == right {
        return true;
    }
    let ((l, l_order), (r, r_order)) = (key_part(left, dialect), key_part(right, dialect));
    l_order == r_order && same_text(&l, &r, dialect)
}

/// A key part and its order, without the words that only state the default: `ASC`, and the place of NULLs that
/// its direction brings (PostgreSQL manual §11.4).
fn key_part(text: &str, dialect: Dialect) -> (String, String) {
    let mut all = words(text, dialect);
    let ends = |all: &[String], tail: &[&str]| {
        all.len() > tail.len() && all[all.len() - tail.len()..] == *tail
    };
    let nulls = ends(&all, &["nulls", "last"]).then_some(false);
    let nulls = nulls.or(ends(&all, &["nulls", "first"]).then_some(true));
    if nulls.is_some() {
        all.truncate(all.len() - 2);
    }
    let descending = ends(&all, &["desc"]);
    if descending || ends(&all, &["asc"]) {
        all.pop();
    }
    let mut order = if descending { "desc".to_owned() } else { String::new() };
    match nulls {
        Some(first) if first != descending => {
            order.push_str(if first { " nulls first" } else { " nulls last" });
        }
        _ => {}
    }
    (all.join(" "), order)
}

/// Whether two types are one to the server.
#[must_use]
pub fn same_type(left: &SqlType, right: &SqlType, dialect: Dialect) -> bool {
    if left == right {
        return true;
    }
    let schema = |t: &SqlType| {
        t.schema.as_ref().map(|s| s.key().to_owned()).filter(|s| {
            !(dialect == Dialect::Postgres && matches!(s.as_str(), "public" | "pg_catalog"))
        })
    };
    let array = |t: &SqlType| match dialect {
        // PostgreSQL does not enforce the number of dimensions (manual §8.15.1).
        Dialect::Postgres => t.dimensions.min(1),
        _ => t.dimensions,
    };
    if dialect == Dialect::Sqlite {
        let spelled = |t: &SqlType| t.raw.split_whitespace().collect::<String>().to_lowercase();
        return spelled(left) == spelled(right);
    }
    left.name.eq_ignore_ascii_case(&right.name)
        && arguments(left, dialect) == arguments(right, dialect)
        && array(left) == array(right)
        && left.unsigned == right.unsigned
        && left.charset == right.charset
        && schema(left) == schema(right)
}

/// Arguments of a type, those that only state the default left out.
fn arguments(ty: &SqlType, dialect: Dialect) -> Vec<String> {
    let args: Vec<String> = ty.args.iter().map(|a| a.trim().to_owned()).collect();
    let one = |value: &str| args.len() == 1 && args[0] == value;
    match (dialect, ty.name.as_str()) {
        (Dialect::Postgres, "numeric") if args.len() == 2 && args[1] == "0" => {
            vec![args[0].clone()]
        }
        (Dialect::Postgres, "char" | "bit") if args.is_empty() => vec!["1".to_owned()],
        // MySQL 8.0.19 no longer keeps the display width of integers.
        (Dialect::Mysql, "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint") => {
            if one("1") && ty.name == "tinyint" {
                args
            } else {
                Vec::new()
            }
        }
        (Dialect::Mysql | Dialect::MariaDb, "decimal" | "numeric") if args.is_empty() => {
            vec!["10".to_owned(), "0".to_owned()]
        }
        (Dialect::Mysql | Dialect::MariaDb, "decimal" | "numeric") if args.len() == 1 => {
            vec![args[0].clone(), "0".to_owned()]
        }
        (Dialect::Mysql | Dialect::MariaDb, "char") if args.is_empty() => vec!["1".to_owned()],
        _ => args,
    }
}

/// Whether two defaults of a column of a type are one: the server stores the value, not its text
/// (`'0'` for an integer, `'f'` for a boolean).
pub(crate) fn same_default(
    left: &str,
    right: &str,
    ty: Option<&SqlType>,
    dialect: Dialect,
) -> bool {
    let value = |text: &str| {
        let mut text = canonical(text, dialect)?;
        let name = ty.map_or("", |t| t.name.as_str());
        if let Some(inner) = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
            let number = inner.parse::<f64>().is_ok();
            if number || name == "boolean" {
                text = inner.to_owned();
            }
        }
        if name == "boolean" || name == "tinyint" {
            let lower = text.to_lowercase();
            text = match lower.as_str() {
                "t" | "true" | "yes" | "on" | "1" => "true".into(),
                "f" | "false" | "no" | "off" | "0" => "false".into(),
                _ => text,
            };
        }
        if let Ok(number) = text.parse::<f64>()
            && (dialect != Dialect::Postgres || name != "numeric")
        {
            text = number.to_string();
        }
        Some(text)
    };
    match (value(left), value(right)) {
        (Some(l), Some(r)) => l == r,
        _ => false,
    }
}

fn words(text: &str, dialect: Dialect) -> Vec<String> {
    let mut out: Vec<String> = tokens(text, dialect)
        .iter()
        .filter(|t| t.kind != Kind::Space)
        .map(|t| word(t, dialect))
        .collect();
    while out.last().is_some_and(|w| w == ";") {
        out.pop();
    }
    if dialect == Dialect::Postgres {
        // The server leaves out what the search path finds.
        let mut at = 0;
        while at + 1 < out.len() {
            if matches!(out[at].as_str(), "public" | "pg_catalog") && out[at + 1] == "." {
                out.drain(at..at + 2);
            }
            at += 1;
        }
    }
    out
}

/// A token in one spelling: words in lower case, quotes only where they matter.
pub(super) fn word(token: &Token<'_>, dialect: Dialect) -> String {
    match token.kind {
        Kind::Word => token.text.to_lowercase(),
        Kind::Quoted => {
            let name = unquoted(token.text);
            let plain = name
                .bytes()
                .enumerate()
                .all(|(i, b)| b == b'_' || b.is_ascii_alphabetic() || i > 0 && b.is_ascii_digit());
            let folded =
                dialect == Dialect::Postgres && name.bytes().any(|b| b.is_ascii_uppercase());
            if plain && !folded { name.to_lowercase() } else { format!("\"{name}\"") }
        }
        Kind::Str if token.text.starts_with(['E', 'e']) && !token.text.contains('\\') => {
            token.text[1..].to_owned()
        }
        Kind::Op if token.text == "!=" => "<>".to_owned(),
        _ => token.text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dialect: Dialect, left: &str, right: &str, same: bool) {
        assert_eq!(same_text(left, right, dialect), same, "{left}  /  {right}");
        assert_eq!(same_text(right, left, dialect), same, "{right}  /  {left}");
    }

    #[test]
    fn what_the_server_normalises_is_one() {
        let pg = Dialect::Postgres;
        for (left, right) in [
            ("a > 0", "((A > 0))"),
            ("a > 0 AND b < 1", "((a > 0) AND (b < 1))"),
            ("a OR b AND c", "(a OR (b AND c))"),
            ("a != 1", "a <> 1"),
            ("'x'", "'x'::text"),
            ("CAST('x' AS text)", "'x'::character varying"),
            (
                "status IN ('a', 'b')",
                "((status)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
            ),
            ("status NOT IN (1, 2)", "(status <> ALL (ARRAY[1, 2]))"),
            ("a BETWEEN 1 AND 2", "((a >= 1) AND (a <= 2))"),
            ("name LIKE 'a%'", "(name ~~ 'a%'::text)"),
            ("\"name\" IS NOT NULL", "(name IS NOT NULL)"),
            ("nextval('s')", "nextval('s'::regclass)"),
            ("lower(email)", "LOWER((email)::text)"),
            ("a AND b AND c", "((a AND b) AND c)"),
            ("NOT a", "(NOT a)"),
            ("x -> 'a'", "(x -> 'a'::text)"),
            ("a::date", "(a)::date"),
            ("a - 1 + 2", "((a - 1) + 2)"),
            ("-1", "'-1'::integer"),
            (
                "CASE WHEN a = 1 THEN 'x' ELSE 'y' END",
                "case when (a = 1) then 'x'::text else 'y'::text end",
            ),
            ("a AT TIME ZONE 'utc'", "(a AT TIME ZONE 'utc'::text)"),
            ("SELECT a FROM t;", "select  a\nfrom t"),
            ("EXTRACT(year FROM a)", "extract(YEAR from a)"),
        ] {
            check(pg, left, right, true);
        }
    }

    #[test]
    fn what_differs_stays_different() {
        let pg = Dialect::Postgres;
        for (left, right) in [
            ("a > 0", "a >= 0"),
            ("a OR b AND c", "(a OR b) AND c"),
            ("a - (b - c)", "a - b - c"),
            ("'x'", "'X'"),
            ("\"A\"", "a"),
            ("a IN (1)", "a IN (2)"),
            ("now()", "CURRENT_TIMESTAMP"),
            ("lower(a)", "upper(a)"),
            ("NOT a AND b", "NOT (a AND b)"),
        ] {
            check(pg, left, right, false);
        }
    }

    #[test]
    fn key_parts_without_what_they_imply() {
        let pg = Dialect::Postgres;
        for (left, right, same) in [
            ("a", "a ASC", true),
            ("a", "\"a\" asc NULLS LAST", true),
            ("a DESC", "a DESC NULLS FIRST", true),
            ("a DESC", "a", false),
            ("a", "a NULLS FIRST", false),
            ("lower(a)", "(LOWER(a))", true),
            ("f(a) DESC", "public.f((a)::numeric) desc", true),
        ] {
            assert_eq!(same_list(left, right, pg), same, "{left} / {right}");
        }
    }
}
