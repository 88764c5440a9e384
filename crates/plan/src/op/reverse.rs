//! What takes an expression back, where its form says so: the example that a refusal gives. A person looks at
//! it before it is used; a wrong one would be worse than none.

use downhaul_syntax::{Dialect, Ident};

use super::conversion::Conv;

/// What to do where nothing says how a value returns to its old type, with an example where there is one.
pub(crate) fn say_how(forward: &Conv, column: &Ident, old: &str, dialect: Dialect) -> String {
    let text = match forward {
        Conv::Same(_) | Conv::Cast(..) => dialect.quote_if_needed(column),
        Conv::Expr { text, .. } => text.clone(),
    };
    let say = "add -- downhaul:back \"EXPRESSION\" above the statement";
    match reverse(&text, column, old, dialect) {
        Some(back) => format!("{say}, for example -- downhaul:back \"{back}\""),
        None => format!("{say}: what makes a {old} again of what `{text}` makes"),
    }
}

/// The reverse of `text`, which computes a column anew from itself: of a cast, of a number that is multiplied
/// or divided by another one, and of `AT TIME ZONE`. `old` is the type to which the value returns.
fn reverse(text: &str, column: &Ident, old: &str, dialect: Dialect) -> Option<String> {
    let name = dialect.quote_if_needed(column);
    let text = text.trim();
    let inner = rounded(text).unwrap_or(text);
    let begins = inner.get(..name.len())?.eq_ignore_ascii_case(&name);
    let rest = if begins { inner[name.len()..].trim_start() } else { cast_call(inner, &name)? };
    let rest = behind_cast(rest);
    let cast = |expression: &str| match dialect {
        Dialect::Postgres => format!("{expression}::{old}"),
        _ => format!("CAST({expression} AS {old})"),
    };
    if rest.is_empty() {
        return Some(cast(&name));
    }
    let zone = rest.get(..12).filter(|word| word.eq_ignore_ascii_case("at time zone"));
    if zone.is_some() {
        let zone = rest[12..].trim();
        return is_text(zone).then(|| format!("{name} AT TIME ZONE {zone}"));
    }
    let other = match rest.chars().next()? {
        '*' => '/',
        '/' => '*',
        _ => return None,
    };
    let number = rest[1..].trim();
    let digits = number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let counts = number.parse::<f64>().is_ok_and(|n| n > 0.0);
    (digits && counts).then(|| cast(&format!("({name} {other} {number})")))
}

/// The argument of `round(…)` or `round(…, 2)`, or what parentheses hold.
fn rounded(text: &str) -> Option<&str> {
    let begins = text.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("round"));
    let inner = text[if begins { 5 } else { 0 }..].trim_start();
    let inner = inner.strip_prefix('(')?.strip_suffix(')')?;
    if inner.contains('(') {
        return None;
    }
    match inner.split_once(',') {
        None => Some(inner.trim()),
        Some((first, places)) if begins => places.trim().parse::<u32>().ok().map(|_| first.trim()),
        Some(_) => None,
    }
}

/// What follows `CAST(column AS type)`.
fn cast_call<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let call = text.get(..5).filter(|word| word.eq_ignore_ascii_case("cast("))?;
    let body = text[call.len()..].trim_start();
    let begins = body.get(..name.len())?.eq_ignore_ascii_case(name);
    let body = body[name.len().min(body.len())..].trim_start();
    let is_cast = begins && body.get(..3)?.eq_ignore_ascii_case("as ");
    let end = body.rfind(')')?;
    (is_cast && !body[..end].contains(['(', '\''])).then(|| body[end + 1..].trim_start())
}

/// What follows `::type`, or all of it where no cast stands there.
fn behind_cast(rest: &str) -> &str {
    let Some(ty) = rest.strip_prefix("::") else { return rest };
    let end = ty.find(['*', '/', '+', '-', '|', '\'']).unwrap_or(ty.len());
    let words = ty[..end].to_lowercase();
    match words.find(" at time zone") {
        // `timestamp with time zone` is a type.
        Some(at) => ty[at..].trim_start(),
        None => &ty[end..],
    }
}

fn is_text(literal: &str) -> bool {
    literal.len() > 2
        && literal.starts_with('\'')
        && literal.ends_with('\'')
        && !literal[1..literal.len() - 1].contains('\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, old: &str) -> Option<String> {
        let d = Dialect::Postgres;
        reverse(text, &Ident::stored(d, "price"), old, d)
    }

    #[test]
    fn forms_that_say_how_they_are_taken_back() {
        for (text, old, wanted) in [
            ("price::numeric", "integer", Some("price::integer")),
            ("price::timestamp with time zone", "date", Some("price::date")),
            ("CAST(price AS text)", "integer", Some("price::integer")),
            ("round(price::numeric, 2)", "float8", Some("price::float8")),
            ("(price)", "float8", Some("price::float8")),
            ("price / 100.0", "integer", Some("(price * 100.0)::integer")),
            ("(price::numeric * 1000)", "bigint", Some("(price / 1000)::bigint")),
            ("price AT TIME ZONE 'UTC'", "timestamp", Some("price AT TIME ZONE 'UTC'")),
            (
                "price::timestamp at time zone 'Europe/Paris'",
                "text",
                Some("price AT TIME ZONE 'Europe/Paris'"),
            ),
            ("price AT TIME ZONE zone", "timestamp", None),
            ("price / 0", "integer", None),
            ("price / other", "integer", None),
            ("price || 'x'", "text", None),
            ("upper(price)", "text", None),
            ("100 / price", "integer", None),
            ("price + 1", "integer", None),
            ("round(price, other)", "integer", None),
            ("pricey", "integer", None),
            ("p", "integer", None),
        ] {
            assert_eq!(of(text, old).as_deref(), wanted, "{text}");
        }
    }
}
