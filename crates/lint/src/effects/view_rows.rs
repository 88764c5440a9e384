//! Whether a view that is defined anew leaves out rows that it showed.

use downhaul_syntax::lexer::{self, TokenKind};
use downhaul_syntax::{Dialect, Query};

use super::condition;
use crate::state::State;

/// What a simple query reads, and on which condition.
struct Filter<'q> {
    /// All between `FROM` and the condition, in lower case.
    from: String,
    condition: Option<&'q str>,
}

impl<'q> Filter<'q> {
    /// `None` where rows are grouped, joined to others, or picked in another way.
    fn of(query: &'q Query, dialect: Dialect) -> Option<Self> {
        let text = query.text.as_str();
        let (mut from, mut condition, mut end) = (None, None, text.len());
        let mut depth = 0_usize;
        for token in lexer::lex(text, dialect).tokens {
            match token.kind {
                TokenKind::LeftParen => depth += 1,
                TokenKind::RightParen => depth = depth.saturating_sub(1),
                TokenKind::Word if depth == 0 => {
                    let word = text.get(token.span.start..token.span.end)?.to_lowercase();
                    match word.as_str() {
                        "with" if from.is_none() => return None,
                        "union" | "except" | "intersect" | "group" | "having" | "limit"
                        | "fetch" | "offset" | "distinct" => return None,
                        "from" if from.is_none() => from = Some(token.span.end),
                        "where" => condition = Some((token.span.start, token.span.end)),
                        "order" | "window" | "with" if end == text.len() => end = token.span.start,
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        let (start, stop) = (from?, condition.map_or(end, |(start, _)| start));
        let condition = match condition {
            Some((_, behind)) => Some(text.get(behind..end)?.trim()),
            None => None,
        };
        Some(Self { from: plain(text.get(start..stop)?, dialect), condition })
    }
}

/// Lower case, without quotes, blanks and brackets.
fn plain(text: &str, dialect: Dialect) -> String {
    let mut out = Vec::new();
    for token in lexer::lex(text, dialect).tokens {
        let part = text.get(token.span.start..token.span.end).unwrap_or_default();
        match token.kind {
            TokenKind::LeftParen | TokenKind::RightParen => {}
            TokenKind::String => out.push(part.to_owned()),
            kind if kind.is_trivia() => {}
            _ => out.push(part.trim_matches(['"', '`', '[', ']']).to_lowercase()),
        }
    }
    out.join(" ")
}

/// What is joined by AND, outside of brackets.
fn conjuncts(text: &str, dialect: Dialect) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut depth, mut start, mut between) = (0_usize, 0, false);
    for token in lexer::lex(text, dialect).tokens {
        match token.kind {
            TokenKind::LeftParen => depth += 1,
            TokenKind::RightParen => depth = depth.saturating_sub(1),
            TokenKind::Word if depth == 0 => {
                let word = text.get(token.span.start..token.span.end).unwrap_or_default();
                if word.eq_ignore_ascii_case("or") {
                    return vec![text];
                } else if word.eq_ignore_ascii_case("between") {
                    between = true;
                } else if word.eq_ignore_ascii_case("and") && !std::mem::take(&mut between) {
                    out.extend(text.get(start..token.span.start));
                    start = token.span.end;
                }
            }
            _ => {}
        }
    }
    out.extend(text.get(start..));
    out
}

/// A condition of the new query that the old one did not make, and that does not follow from those it
/// made. Only where both read the same.
pub(crate) fn left_out<'q>(old: &Query, new: &'q Query, state: &State<'_>) -> Option<&'q str> {
    let dialect = state.dialect();
    let (was, is) = (Filter::of(old, dialect)?, Filter::of(new, dialect)?);
    if was.from != is.from {
        return None;
    }
    let before: Vec<String> = was
        .condition
        .map(|text| conjuncts(text, dialect).into_iter().map(|c| plain(c, dialect)).collect())
        .unwrap_or_default();
    let tables = || new.tables.iter().filter_map(|t| state.table(t));
    // Numbers of rows count from 1 on.
    let keys: Vec<String> = tables()
        .filter_map(|t| match t.primary_key() {
            [key] if t.column(key)?.ty.as_ref()?.name.contains("int") => {
                Some(format!("{key} >= 1"))
            }
            _ => None,
        })
        .collect();
    let told: Vec<&str> =
        was.condition.into_iter().chain(keys.iter().map(String::as_str)).collect();
    conjuncts(is.condition?, dialect).into_iter().map(str::trim).find(|text| {
        !before.contains(&plain(text, dialect))
            && !tables().any(|t| condition::holds_already(text, t, &told, state.catalog))
    })
}
