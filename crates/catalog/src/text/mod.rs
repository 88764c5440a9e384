//! Stored SQL text (expressions, queries, trigger bodies) read token by token: enough to rename an
//! identifier in it, to see what it mentions, and to compare two texts.

mod expression;
mod normal;
mod tokens;

pub(crate) use expression::usual_name;
pub use normal::same_type;
pub(crate) use normal::{same_default, same_expr, same_list, same_text};
pub(crate) use tokens::{Kind, Token, tokens, unquoted};

use downhaul_syntax::{Dialect, Expr, Ident, Query};

/// Replaces an identifier wherever it stands as a column, not as a function's name or as a type: a column
/// is often called what its type is (`state::state`).
#[must_use]
pub fn rename_ident(text: &str, dialect: Dialect, from: &Ident, to: &Ident) -> String {
    renamed(text, dialect, from, to, Types::Stay)
}

/// The same for a table, which is a type too.
pub(crate) fn rename_table_ident(text: &str, dialect: Dialect, from: &Ident, to: &Ident) -> String {
    renamed(text, dialect, from, to, Types::Follow)
}

/// What becomes of a type that has the name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Types {
    Stay,
    Follow,
}

fn renamed(text: &str, dialect: Dialect, from: &Ident, to: &Ident, types: Types) -> String {
    let all = tokens(text, dialect);
    let mut out = String::with_capacity(text.len());
    let (mut before, mut casts) = ("", Vec::new());
    // Behind `::`, or behind AS in the parentheses of a CAST; with its schema.
    let mut typed = false;
    for (i, token) in all.iter().enumerate() {
        let called = || {
            all[i + 1..].iter().find(|t| t.kind != Kind::Space).is_some_and(|t| t.text == "(")
                && token.kind == Kind::Word
        };
        if token.kind != Kind::Space && token.text != "." {
            let cast = casts.last() == Some(&true) && before.eq_ignore_ascii_case("as");
            typed = before == "::" || cast || typed && before == ".";
        }
        let stays = types == Types::Stay && typed;
        if token.ident(dialect).is_some_and(|ident| ident == *from) && !called() && !stays {
            out.push_str(&dialect.quote_if_needed(to));
        } else {
            out.push_str(token.text);
        }
        match token.text {
            "(" => casts.push(before.eq_ignore_ascii_case("cast")),
            ")" => {
                casts.pop();
            }
            _ => {}
        }
        if token.kind != Kind::Space {
            before = token.text;
        }
    }
    out
}

/// Replaces names of types: behind `::`, and behind AS in the parentheses of a CAST. A schema before it stays.
#[must_use]
pub fn rename_types(text: &str, dialect: Dialect, to: &dyn Fn(&Ident) -> Option<Ident>) -> String {
    let all: Vec<Token<'_>> = tokens(text, dialect);
    let mut out = String::with_capacity(text.len());
    let (mut before, mut casts, mut typed) = ("", Vec::new(), false);
    for (i, token) in all.iter().enumerate() {
        if token.kind == Kind::Space {
            out.push_str(token.text);
            continue;
        }
        let cast = casts.last() == Some(&true) && before.eq_ignore_ascii_case("as");
        typed = before == "::" || cast || typed && (before == "." || token.text == ".");
        let next = all[i + 1..].iter().find(|t| t.kind != Kind::Space);
        let schema = next.is_some_and(|t| t.text == ".");
        match token.ident(dialect).filter(|_| typed && !schema).and_then(|ident| to(&ident)) {
            Some(name) => out.push_str(&dialect.quote_if_needed(&name)),
            None => out.push_str(token.text),
        }
        match token.text {
            "(" => casts.push(before.eq_ignore_ascii_case("cast")),
            ")" => {
                casts.pop();
            }
            _ => {}
        }
        before = token.text;
    }
    out
}

/// Replaces the name of a called function, its schema included.
pub(crate) fn rename_called(
    text: &str,
    dialect: Dialect,
    from: &Ident,
    to: &downhaul_syntax::ObjectName,
) -> String {
    let all = tokens(text, dialect);
    let mut out = String::with_capacity(text.len());
    for (i, token) in all.iter().enumerate() {
        let mut behind = all[i + 1..].iter().filter(|t| t.kind != Kind::Space);
        let called = behind.next().is_some_and(|t| t.text == "(");
        if called && token.ident(dialect).is_some_and(|ident| ident == *from) {
            out.push_str(&dialect.quote_if_needed(&to.name));
        } else {
            out.push_str(token.text);
        }
    }
    out
}

/// Whether a text mentions an identifier, other than as a function's name.
#[must_use]
pub fn mentions_ident(text: &str, dialect: Dialect, ident: &Ident) -> bool {
    let all = tokens(text, dialect);
    all.iter().enumerate().any(|(i, token)| {
        token.ident(dialect).is_some_and(|found| found == *ident)
            && !(token.kind == Kind::Word
                && all[i + 1..]
                    .iter()
                    .find(|t| t.kind != Kind::Space)
                    .is_some_and(|t| t.text == "("))
    })
}

/// Renames a column in an expression; whether it was mentioned.
pub(crate) fn rename_in_expr(expr: &mut Expr, dialect: Dialect, from: &Ident, to: &Ident) -> bool {
    if !expr.columns.contains(from) {
        return false;
    }
    expr.text = rename_ident(&expr.text, dialect, from, to);
    for column in &mut expr.columns {
        if column == from {
            *column = to.clone();
        }
    }
    true
}

/// Renames a column in a query.
pub(crate) fn rename_in_query(query: &mut Query, dialect: Dialect, from: &Ident, to: &Ident) {
    query.text = rename_ident(&query.text, dialect, from, to);
    for column in &mut query.columns {
        if column == from {
            *column = to.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_renamed_and_columns_of_their_name_stay() {
        let to = |name: &Ident| {
            (name.as_str() == "mood").then(|| Ident::stored(Dialect::Postgres, "Mood2"))
        };
        for (text, wanted) in [
            ("mood::text::mood", "mood::text::\"Mood2\""),
            ("CAST(mood AS public.mood)", "CAST(mood AS public.\"Mood2\")"),
            (
                "CASE mood WHEN 'mood' :: mood THEN mood END",
                "CASE mood WHEN 'mood' :: \"Mood2\" THEN mood END",
            ),
            ("(SELECT mood AS mood)", "(SELECT mood AS mood)"),
            ("x::mood[] || mood.mood", "x::\"Mood2\"[] || mood.mood"),
        ] {
            assert_eq!(rename_types(text, Dialect::Postgres, &to), wanted);
        }
    }

    #[test]
    fn a_type_of_the_same_name_stays() {
        let dialect = Dialect::Postgres;
        let ident = |name: &str| Ident::stored(dialect, name);
        let renamed = |text: &str| rename_ident(text, dialect, &ident("state"), &ident("rank"));
        assert_eq!(renamed("lower(t.state)::state"), "lower(t.rank)::state");
        assert_eq!(renamed("state :: public.state"), "rank :: public.state");
        assert_eq!(renamed("CAST(state AS state) = state"), "CAST(rank AS state) = rank");
        assert_eq!(renamed("cast((state) AS \"state\")"), "cast((rank) AS \"state\")");
        assert_eq!(renamed("SELECT state AS state, state(1)"), "SELECT rank AS rank, state(1)");
        let table = rename_table_ident("t.state::state", dialect, &ident("state"), &ident("rank"));
        assert_eq!(table, "t.rank::rank");
    }
}
