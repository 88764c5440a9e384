//! How many rows a query can give at most, as far as its text and the tables that the migrations
//! filled tell: counters (`WITH RECURSIVE`, `generate_series`, MariaDB's `seq_1_to_9`), bounds on them,
//! `LIMIT`, and constant rows.

use downhaul_syntax::lexer::{self, TokenKind};
use downhaul_syntax::{Dialect, Ident, ObjectName};

/// A word, number or sign of a query; strings are no more than that.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Word(String),
    Number(u64),
    Sign(String),
    Open,
    Close,
    Comma,
    Text,
}

impl Part {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(w) if w == word)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self, Self::Sign(s) if s == sign)
    }
}

/// What is known of a table that a query reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// Its rows, at most.
    pub(super) rows: u64,
    /// Its only column counts from 0 or 1 on.
    pub(super) counter: bool,
}

/// Tables by name.
pub(super) type Lookup<'a> = &'a dyn Fn(&ObjectName) -> Option<Source>;

/// Rows that a statement selects at most: `INSERT … SELECT`, `CREATE TABLE … AS`, with the common table
/// expressions before or within. `None` where that is not known.
pub(super) fn selected(statement: &str, dialect: Dialect, tables: Lookup<'_>) -> Option<u64> {
    let parts = parts(statement, dialect)?;
    let mut scope = Scope { dialect, tables, named: Vec::new() };
    let parts = scope.take_named(&parts)?;
    // Behind `INSERT INTO t (a, b)` or `CREATE TABLE t AS`.
    let mut depth = 0_usize;
    let start = parts.iter().position(|part| {
        match part {
            Part::Open => depth += 1,
            Part::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (part.is("select") || part.is("values") || part.is("with"))
    })?;
    scope.query(&parts[start..])
}

fn parts(statement: &str, dialect: Dialect) -> Option<Vec<Part>> {
    let mut out = Vec::new();
    for token in lexer::lex(statement, dialect).tokens {
        let text = statement.get(token.span.start..token.span.end)?;
        out.push(match token.kind {
            TokenKind::Placeholder | TokenKind::Unterminated => return None,
            kind if kind.is_trivia() => continue,
            TokenKind::Word => Part::Word(text.to_lowercase()),
            TokenKind::QuotedIdent => {
                Part::Word(text.trim_matches(['"', '`', '[', ']']).to_lowercase())
            }
            TokenKind::Number => Part::Number(text.parse().unwrap_or(u64::MAX)),
            TokenKind::LeftParen => Part::Open,
            TokenKind::RightParen => Part::Close,
            TokenKind::Comma => Part::Comma,
            TokenKind::String | TokenKind::DollarString => Part::Text,
            _ => Part::Sign(text.to_owned()),
        });
    }
    Some(out)
}

/// Queries within queries, at most: beyond, nothing is known.
const DEEPEST: usize = 8;

struct Scope<'a> {
    dialect: Dialect,
    tables: Lookup<'a>,
    /// Common table expressions.
    named: Vec<(String, Option<Source>)>,
}

impl Scope<'_> {
    /// Takes `WITH a AS (…), b AS (…)` out of a statement.
    fn take_named(&mut self, parts: &[Part]) -> Option<Vec<Part>> {
        let mut depth = 0_usize;
        let with = parts.iter().position(|part| {
            match part {
                Part::Open => depth += 1,
                Part::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && part.is("with")
        });
        let Some(with) = with else { return Some(parts.to_vec()) };
        let mut at = with + 1;
        if parts.get(at)?.is("recursive") {
            at += 1;
        }
        loop {
            let Part::Word(name) = parts.get(at)? else { return None };
            at += 1;
            if parts.get(at) == Some(&Part::Open) {
                at = closing(parts, at)? + 1;
            }
            while !matches!(parts.get(at)?, Part::Open) {
                at += 1;
            }
            let end = closing(parts, at)?;
            let source = self.common(name, &parts[at + 1..end]);
            self.named.push((name.clone(), source));
            at = end + 1;
            if parts.get(at) != Some(&Part::Comma) {
                break;
            }
            at += 1;
        }
        Some([&parts[..with], &parts[at..]].concat())
    }

    /// A common table expression; one that reads itself has to be a counter with an end.
    fn common(&self, name: &str, body: &[Part]) -> Option<Source> {
        if !body.iter().any(|p| p.is(name)) {
            return self.query(body).map(|rows| Source { rows, counter: false });
        }
        let behind = body.iter().position(|p| p.is("where") || p.is("limit"))?;
        let bound = match &body[behind..] {
            [Part::Word(_), Part::Word(_), Part::Sign(sign), Part::Number(n), ..]
                if sign == "<" || sign == "<=" =>
            {
                n.saturating_add(1)
            }
            [limit, Part::Number(n), ..] if limit.is("limit") => *n,
            _ => return None,
        };
        Some(Source { rows: bound, counter: true })
    }

    fn query(&self, parts: &[Part]) -> Option<u64> {
        self.query_at(parts, 0)
    }

    /// A query with its `UNION`s.
    fn query_at(&self, parts: &[Part], level: usize) -> Option<u64> {
        if level > DEEPEST {
            return None;
        }
        let joins = |p: &Part| p.is("union") || p.is("except") || p.is("intersect");
        let mut rows = 0_u64;
        for piece in split(parts, joins) {
            let piece = match piece.first() {
                Some(all) if all.is("all") || all.is("distinct") => &piece[1..],
                _ => piece,
            };
            rows = rows.saturating_add(self.one(piece, level)?);
        }
        Some(rows)
    }

    /// `SELECT … FROM … WHERE …`, or `VALUES (…), (…)`.
    fn one(&self, parts: &[Part], level: usize) -> Option<u64> {
        match parts.first()? {
            Part::Open => {
                let end = closing(parts, 0)?;
                return self.query_at(&parts[1..end], level + 1);
            }
            first if first.is("values") => {
                return u64::try_from(split(&parts[1..], |p| *p == Part::Comma).len()).ok();
            }
            first if first.is("select") => {}
            _ => return None,
        }
        let limit = clause(parts, "limit").and_then(|limit| match limit {
            [Part::Number(n)] | [Part::Number(n), ..] => Some(*n),
            _ => None,
        });
        let Some(from) = clause(parts, "from") else { return Some(1) };
        let mut rows = 1_u64;
        let mut only = None;
        let items = split(from, |p| *p == Part::Comma || p.is("join"));
        for item in &items {
            let Some(source) = self.source(item, level) else {
                return limit;
            };
            // Each row of one side has few on the other where a condition joins them.
            let joined = item.iter().any(|p| p.is("on") || p.is("using"));
            rows = if joined { rows.max(source.rows) } else { rows.saturating_mul(source.rows) };
            only = Some(source);
        }
        let counter = only.is_some_and(|s| s.counter) && items.len() == 1;
        if let Some(condition) = clause(parts, "where")
            && counter
        {
            for part in split(condition, |p| p.is("and")) {
                rows = rows.min(bound(part, rows));
            }
        }
        Some(limit.map_or(rows, |limit| rows.min(limit)))
    }

    /// A table, function or query behind `FROM`.
    fn source(&self, item: &[Part], level: usize) -> Option<Source> {
        match item {
            [Part::Open, ..] => {
                let rows = self.query_at(&item[1..closing(item, 0)?], level + 1)?;
                Some(Source { rows, counter: false })
            }
            [
                Part::Word(function),
                Part::Open,
                Part::Number(a),
                Part::Comma,
                Part::Number(b),
                ..,
            ] if function == "generate_series" => {
                Some(Source { rows: b.checked_sub(*a)?.saturating_add(1), counter: *a <= 1 })
            }
            [Part::Word(schema), Part::Sign(dot), Part::Word(name), ..] if dot == "." => {
                let ident = |text: &str| Ident::new(self.dialect, text, true);
                (self.tables)(&ObjectName { schema: Some(ident(schema)), name: ident(name) })
            }
            [Part::Word(name), ..] => {
                if let Some((_, source)) = self.named.iter().rev().find(|(n, _)| n == name) {
                    return *source;
                }
                if name == "dual" {
                    return Some(Source { rows: 1, counter: false });
                }
                if self.dialect == Dialect::MariaDb
                    && let Some(source) = sequence(name)
                {
                    return Some(source);
                }
                (self.tables)(&ObjectName::bare(Ident::new(self.dialect, name, false)))
            }
            _ => None,
        }
    }
}

/// MariaDB's `seq_1_to_500` and `seq_1_to_500_step_5`.
fn sequence(name: &str) -> Option<Source> {
    let mut words = name.strip_prefix("seq_")?.split("_to_");
    let first: u64 = words.next()?.parse().ok()?;
    let (last, step) = match words.next()?.split_once("_step_") {
        Some((last, step)) => (last.parse().ok()?, step.parse::<u64>().ok()?),
        None => (name.rsplit('_').next()?.parse::<u64>().ok()?, 1),
    };
    let rows = last.checked_sub(first)?.checked_div(step)?.saturating_add(1);
    Some(Source { rows, counter: first <= 1 && step == 1 })
}

/// How many numbers of a counter a condition lets through, of so many.
fn bound(condition: &[Part], rows: u64) -> u64 {
    let condition = match condition {
        [Part::Word(_), Part::Sign(dot), rest @ ..] if dot == "." => rest,
        all => all,
    };
    match condition {
        [Part::Word(_), sign, Part::Number(n)] if sign.is_sign("<=") || sign.is_sign("<") => *n,
        [Part::Word(_), sign, Part::Number(_)] if sign.is_sign("=") => 1,
        [Part::Word(_), sign, Part::Number(n)] if sign.is_sign(">") || sign.is_sign(">=") => {
            rows.saturating_sub(*n).saturating_add(1)
        }
        [Part::Word(_), between, Part::Number(a)] if between.is("between") => {
            rows.saturating_sub(*a).saturating_add(1)
        }
        // The rest of `BETWEEN a AND b`.
        [Part::Number(b)] => *b,
        [Part::Word(_), percent, Part::Number(k), sign, Part::Number(_)]
            if percent.is_sign("%") && sign.is_sign("=") =>
        {
            rows.checked_div(*k).unwrap_or(rows).saturating_add(1)
        }
        [Part::Word(_), within, Part::Open, list @ .., Part::Close] if within.is("in") => {
            let all = split(list, |p| *p == Part::Comma);
            let numbers = all.iter().all(|p| matches!(p, [Part::Number(_)]));
            if numbers { u64::try_from(all.len()).unwrap_or(rows) } else { rows }
        }
        _ => rows,
    }
}

/// What stands behind a keyword outside of parentheses, up to the next clause.
fn clause<'a>(parts: &'a [Part], word: &str) -> Option<&'a [Part]> {
    const CLAUSES: &[&str] = &[
        "from",
        "where",
        "group",
        "having",
        "order",
        "limit",
        "offset",
        "window",
        "returning",
        "for",
    ];
    let mut depth = 0_usize;
    let mut start = None;
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Open => depth += 1,
            Part::Close => depth = depth.saturating_sub(1),
            Part::Word(w) if depth == 0 => match start {
                None if w == word => start = Some(at + 1),
                Some(start) if CLAUSES.contains(&w.as_str()) => return parts.get(start..at),
                // `ON CONFLICT` and `ON DUPLICATE KEY` belong to the `INSERT`.
                Some(start)
                    if w == "on"
                        && parts
                            .get(at + 1)
                            .is_some_and(|p| p.is("conflict") || p.is("duplicate")) =>
                {
                    return parts.get(start..at);
                }
                _ => {}
            },
            Part::Sign(s) if s == ";" && start.is_some() => return parts.get(start?..at),
            _ => {}
        }
    }
    parts.get(start?..)
}

/// The pieces between separators that stand outside of parentheses.
fn split(parts: &[Part], separates: impl Fn(&Part) -> bool) -> Vec<&[Part]> {
    let mut out = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Open => depth += 1,
            Part::Close => depth = depth.saturating_sub(1),
            _ if depth == 0 && separates(part) => {
                out.push(&parts[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(&parts[start..]);
    out
}

/// The parenthesis that closes one.
fn closing(parts: &[Part], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    parts.iter().enumerate().skip(open).find_map(|(at, part)| {
        match part {
            Part::Open => depth += 1,
            Part::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(statement: &str, dialect: Dialect) -> Option<u64> {
        let tables = |name: &ObjectName| {
            let source = |rows, counter| Some(Source { rows, counter });
            match name.name.as_str() {
                "numbers" => source(9_000, true),
                "users" => source(20, false),
                "posts" => source(3_000, false),
                _ => None,
            }
        };
        selected(statement, dialect, &tables)
    }

    #[test]
    fn rows_of_queries() {
        let sqlite = |text| rows(text, Dialect::Sqlite);
        for (text, expect) in [
            ("INSERT INTO t (a) SELECT 'x'", Some(1)),
            ("INSERT INTO t SELECT 'x' UNION ALL SELECT 'y'", Some(2)),
            ("INSERT INTO t SELECT n FROM numbers", Some(9_000)),
            ("INSERT INTO t (a, b) SELECT n, 'and' || n FROM numbers WHERE n <= 60", Some(60)),
            ("INSERT INTO t SELECT n FROM numbers WHERE n % 10 = 0", Some(901)),
            ("INSERT INTO t SELECT n FROM numbers WHERE n BETWEEN 100 AND 150", Some(150)),
            ("INSERT INTO t SELECT n FROM numbers WHERE n IN (1, 2, 7)", Some(3)),
            ("INSERT INTO t SELECT id FROM users", Some(20)),
            ("INSERT INTO t SELECT u.id FROM users u, users v", Some(400)),
            ("INSERT INTO t SELECT p.id FROM posts p JOIN users u ON u.id = p.by", Some(3_000)),
            ("INSERT INTO t SELECT id FROM elsewhere", None),
            ("INSERT INTO t SELECT id FROM elsewhere LIMIT 5", Some(5)),
            ("INSERT INTO t SELECT id FROM posts WHERE id <= 5", Some(3_000)),
            ("INSERT INTO t SELECT id FROM (SELECT id FROM posts LIMIT 7) q", Some(7)),
            ("CREATE TABLE t AS SELECT id FROM users", Some(20)),
            ("CREATE TABLE t AS WITH x AS (VALUES (1), (2)) SELECT * FROM x", Some(2)),
            (
                "INSERT INTO numbers WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up \
                 WHERE n < 700) SELECT n FROM up",
                Some(701),
            ),
            (
                "WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c LIMIT 900) \
                 INSERT INTO t SELECT n FROM c WHERE n <= 30 ON CONFLICT DO NOTHING",
                Some(30),
            ),
            (
                "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) INSERT INTO t SELECT n FROM c",
                None,
            ),
        ] {
            assert_eq!(sqlite(text), expect, "{text}");
        }
        assert_eq!(rows("INSERT INTO t SELECT seq FROM seq_1_to_500", Dialect::MariaDb), Some(500));
        assert_eq!(
            rows("INSERT INTO t SELECT seq FROM seq_1_to_500_step_5", Dialect::MariaDb),
            Some(100)
        );
        assert_eq!(
            rows("INSERT INTO t SELECT i FROM generate_series(1, 40) i", Dialect::Postgres),
            Some(40)
        );
    }
}
