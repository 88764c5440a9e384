//! Output columns of a simple query.

use downhaul_syntax::{Dialect, Ident, Query};

use crate::View;

/// Output columns of a view: the list that was stated, or what its query plainly says.
#[must_use]
pub fn of_view(view: &View, dialect: Dialect) -> Option<Vec<Ident>> {
    if view.columns.is_empty() {
        of_query(&view.query, dialect)
    } else {
        Some(view.columns.clone())
    }
}

/// Output columns stated for a view, or what the query plainly says.
#[must_use]
pub fn of_definition(columns: &[Ident], query: &Query, dialect: Dialect) -> Option<Vec<Ident>> {
    if columns.is_empty() { of_query(query, dialect) } else { Some(columns.to_vec()) }
}

/// Names of what `SELECT a, t.b, f(x) AS c FROM …` puts out; `None` where one of them is not plain
/// (`*`, an expression without a name, a query that begins otherwise).
fn of_query(query: &Query, dialect: Dialect) -> Option<Vec<Ident>> {
    select_list(query)?.iter().map(|item| name(item, dialect)).collect()
}

/// The items of a select list as written; `None` where the query begins otherwise.
#[must_use]
pub fn select_list(query: &Query) -> Option<Vec<&str>> {
    let text = query.text.trim();
    let rest = strip_word(text, "select")?;
    let rest = strip_word(rest, "distinct").unwrap_or(rest);
    if strip_word(rest, "on").is_some() {
        return None;
    }
    items(rest)
}

/// For each output column the column that it plainly is, whatever it is called; `None` where the
/// list is not plain.
#[must_use]
pub fn sources(query: &Query, dialect: Dialect) -> Option<Vec<Option<Ident>>> {
    Some(select_list(query)?.iter().map(|item| source(item, dialect)).collect())
}

/// `a`, `t.a`, with or without `AS x`.
fn source(item: &str, dialect: Dialect) -> Option<Ident> {
    let words: Vec<&str> = item.split_whitespace().collect();
    match words.as_slice() {
        [only] => name(only, dialect),
        [column, by, _] if by.eq_ignore_ascii_case("as") => name(column, dialect),
        _ => None,
    }
}

/// The text behind a word, where it begins with that word.
fn strip_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let text = text.trim_start();
    let head = text.get(..word.len())?;
    let rest = &text[word.len()..];
    let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (head.eq_ignore_ascii_case(word) && ends).then_some(rest)
}

/// The select list, cut at its commas.
fn items(text: &str) -> Option<Vec<&str>> {
    let mut out = Vec::new();
    let (mut depth, mut start, mut quote) = (0_i32, 0, None);
    let mut word_may_begin = true;
    for (at, c) in text.char_indices() {
        if let Some(q) = quote {
            if c == q {
                quote = None;
            }
            continue;
        }
        match c {
            '\'' | '"' | '`' => quote = Some(c),
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                out.push(text[start..at].trim());
                start = at + 1;
            }
            // `CASE … END` holds no FROM of its own; a subquery stands in parentheses.
            'f' | 'F'
                if depth == 0 && word_may_begin && strip_word(&text[at..], "from").is_some() =>
            {
                out.push(text[start..at].trim());
                return Some(out);
            }
            _ => {}
        }
        word_may_begin = !(c.is_alphanumeric() || c == '_');
    }
    None
}

/// The name of an item: behind `AS`, or a column with or without its table.
fn name(item: &str, dialect: Dialect) -> Option<Ident> {
    let last = item.split_whitespace().next_back()?;
    let words: Vec<&str> = item.split_whitespace().collect();
    let plain = match words.as_slice() {
        [.., before, _] if before.eq_ignore_ascii_case("as") => last,
        [only] => only.rsplit('.').next()?,
        _ => return None,
    };
    let quoted = plain.starts_with(['"', '`']);
    let bare = plain.trim_matches(['"', '`']);
    let is_name = !bare.is_empty()
        && (quoted || bare.chars().all(|c| c.is_alphanumeric() || c == '_'))
        && !bare.starts_with(|c: char| c.is_ascii_digit());
    is_name.then(|| Ident::new(dialect, bare, quoted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lists_are_read_and_others_left_alone() {
        let check = |text: &str, expect: Option<&[&str]>| {
            let query = Query { text: text.into(), ..Query::default() };
            let got = of_query(&query, Dialect::Postgres);
            let got: Option<Vec<String>> = got.map(|g| g.iter().map(ToString::to_string).collect());
            let expect = expect.map(|e| e.iter().map(|s| (*s).to_owned()).collect());
            assert_eq!(got, expect, "{text}");
        };
        check("SELECT a, t.b, f(x, y) AS c FROM t", Some(&["a", "b", "c"]));
        check("select distinct A, \"B\" as \"Odd\" from t", Some(&["a", "Odd"]));
        check(
            "SELECT (SELECT max(x) FROM u) AS m, CASE WHEN a THEN 1 END AS k FROM t",
            Some(&["m", "k"]),
        );
        check("SELECT * FROM t", None);
        check("SELECT t.*, a FROM t", None);
        check("SELECT a + 1 FROM t", None);
        check("SELECT a b FROM t", None);
        check("WITH x AS (SELECT 1) SELECT a FROM x", None);
        check("SELECT 1", None);
        check("", None);
    }
}
