//! Names that a server invents where a statement gives none.

use downhaul_syntax::{Dialect, Expr, Ident, IndexPart, ObjectName};

use crate::Catalog;
use crate::text::{Kind, tokens};

/// Longest identifier of PostgreSQL in bytes (`NAMEDATALEN - 1`).
const MAX_BYTES: usize = 63;

/// PostgreSQL's `makeObjectName`: `name1_name2_label`, the longer of both names cut first, on a
/// character boundary.
pub(super) fn object_name(name1: &str, name2: Option<&str>, label: &str) -> String {
    let overhead = 1 + label.len() + usize::from(name2.is_some());
    let room = MAX_BYTES.saturating_sub(overhead);
    let (mut len1, mut len2) = (name1.len(), name2.map_or(0, str::len));
    while len1 + len2 > room {
        if len1 > len2 {
            len1 -= 1;
        } else {
            len2 -= 1;
        }
    }
    let mut out = clip(name1, len1).to_owned();
    if let Some(name2) = name2 {
        out.push('_');
        out.push_str(clip(name2, len2));
    }
    out.push('_');
    out.push_str(label);
    out
}

/// The longest prefix of at most `len` bytes that ends on a character boundary.
fn clip(text: &str, len: usize) -> &str {
    let mut len = len.min(text.len());
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    &text[..len]
}

/// An identifier as PostgreSQL cuts it when it is too long.
pub(crate) fn truncated(dialect: Dialect, ident: &Ident) -> Ident {
    if dialect == Dialect::Postgres && ident.as_str().len() > MAX_BYTES {
        Ident::stored(dialect, clip(ident.as_str(), MAX_BYTES))
    } else {
        ident.clone()
    }
}

/// PostgreSQL's `ChooseIndexNameAddition`: column names joined by `_`, cut at 63 bytes.
pub(super) fn addition<'n>(columns: impl IntoIterator<Item = &'n str>) -> String {
    let mut out = String::new();
    for column in columns {
        if !out.is_empty() {
            out.push('_');
        }
        out.push_str(column);
        if out.len() > MAX_BYTES {
            break;
        }
    }
    out
}

/// PostgreSQL's `ChooseIndexColumnNames`: a column's name, a function's name, or `expr`; numbered
/// where one occurs twice.
pub(super) fn index_column_names(
    parts: &[IndexPart],
    include: &[Ident],
    dialect: Dialect,
) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let wanted = parts
        .iter()
        .map(|part| match (&part.column, &part.expr) {
            (Some(column), _) => column.as_str().to_owned(),
            (None, Some(expr)) => expression_name(&expr.text, dialect),
            (None, None) => expression_name(&part.text, dialect),
        })
        .chain(include.iter().map(|c| c.as_str().to_owned()));
    for name in wanted {
        let mut unique = name.clone();
        let mut number = 0;
        while out.contains(&unique) {
            number += 1;
            unique = format!("{name}{number}");
        }
        out.push(unique);
    }
    out
}

/// PostgreSQL's `FigureIndexColname`, for the shapes that occur: a call names its function, a cast
/// of one column its column, `CASE` and `COALESCE` themselves.
fn expression_name(text: &str, dialect: Dialect) -> String {
    let all: Vec<_> = tokens(text, dialect).into_iter().filter(|t| t.kind != Kind::Space).collect();
    let mut all = all.as_slice();
    // Redundant parentheses around the whole.
    while let [open, inner @ .., close] = all
        && open.text == "("
        && close.text == ")"
        && balanced(inner.iter().map(|t| t.text))
    {
        all = inner;
    }
    let fallback = || "expr".to_owned();
    let Some(first) = all.first() else { return fallback() };
    if first.kind == Kind::Word && first.text.eq_ignore_ascii_case("case") {
        return if all.last().is_some_and(|t| t.text.eq_ignore_ascii_case("end")) {
            "case".to_owned()
        } else {
            fallback()
        };
    }
    // A dotted name, then perhaps arguments that reach to the end, then perhaps casts.
    let mut at = 0;
    let mut name = None;
    while let Some(ident) = all.get(at).and_then(|t| t.ident(dialect)) {
        name = Some(ident);
        at += 1;
        if all.get(at).is_some_and(|t| t.text == ".") {
            at += 1;
        } else {
            break;
        }
    }
    let Some(name) = name else {
        // `(expr)::type` takes the type's name, as nothing else has one.
        return match all {
            [.., cast, ty] if cast.text == "::" && closes_at(all, all.len() - 3) => {
                ty.ident(dialect).map_or_else(fallback, |t| internal_type(t.as_str()).to_owned())
            }
            _ => fallback(),
        };
    };
    if all.get(at).is_some_and(|t| t.text == "(") {
        let Some(len) = group_len(&all[at..]) else { return fallback() };
        at += len;
    }
    let casts_only = all[at..].is_empty()
        || all[at].text == "::"
            && !all[at..].iter().any(|t| {
                t.kind == Kind::Op && !matches!(t.text, "::" | "(" | ")" | "," | "." | "[" | "]")
            });
    if casts_only { name.as_str().to_owned() } else { fallback() }
}

/// The catalog's own name of a type, which is what an index is named after.
fn internal_type(name: &str) -> &str {
    match name {
        "integer" | "int" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "boolean" => "bool",
        "real" => "float4",
        "decimal" => "numeric",
        other => other,
    }
}

/// Whether a group that begins at the first token ends at `last`.
fn closes_at(all: &[crate::text::Token<'_>], last: usize) -> bool {
    group_len(all).is_some_and(|len| len == last + 1)
}

/// Number of tokens of the parenthesised group at the start.
fn group_len(all: &[crate::text::Token<'_>]) -> Option<usize> {
    let mut depth = 0_i32;
    for (i, token) in all.iter().enumerate() {
        match token.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (token.text == ")").then_some(i + 1);
        }
    }
    None
}

/// Whether parentheses close in order, never below the start.
fn balanced<'t>(texts: impl Iterator<Item = &'t str>) -> bool {
    let mut depth = 0_i32;
    for text in texts {
        match text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// The one column that an expression reads, where it reads exactly one.
pub(super) fn only_column(expr: &Expr) -> Option<&Ident> {
    let first = expr.columns.first()?;
    expr.columns.iter().all(|c| c == first).then_some(first)
}

impl Catalog {
    /// PostgreSQL's `ChooseRelationName`: the first of `label`, `label1`, `label2` … that no
    /// relation of the schema has; with `constraint` no constraint of the table either.
    pub(super) fn choose_relation_name(
        &self,
        table: &ObjectName,
        name2: Option<&str>,
        label: &str,
        constraint: bool,
    ) -> ObjectName {
        self.choose(table, name2, label, |name| {
            self.has_relation(name) || constraint && self.has_constraint(table, &name.name)
        })
    }

    /// The name that the sequence of a `serial` or identity column gets where it is free.
    pub(crate) fn usual_sequence_name(&self, table: &ObjectName, column: &Ident) -> ObjectName {
        self.choose(table, Some(column.as_str()), "seq", |_| false)
    }

    /// PostgreSQL's `ChooseConstraintName`. The server looks at the whole schema; names of two
    /// tables clash only in cases such as `a` + `b_c` and `a_b` + `c`, which are not followed.
    pub(super) fn choose_constraint_name(
        &self,
        table: &ObjectName,
        name2: Option<&str>,
        label: &str,
    ) -> Ident {
        self.choose(table, name2, label, |name| self.has_constraint(table, &name.name)).name
    }

    fn choose(
        &self,
        table: &ObjectName,
        name2: Option<&str>,
        label: &str,
        taken: impl Fn(&ObjectName) -> bool,
    ) -> ObjectName {
        let mut number = 0;
        loop {
            let label = if number == 0 { label.to_owned() } else { format!("{label}{number}") };
            let name = object_name(table.name.as_str(), name2, &label);
            let name = ObjectName {
                schema: table.schema.clone(),
                name: Ident::stored(self.dialect, &name),
            };
            if !taken(&name) {
                return name;
            }
            number += 1;
        }
    }

    fn has_constraint(&self, table: &ObjectName, name: &Ident) -> bool {
        self.tables.get(table).is_some_and(|t| t.constraint(name).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_as_make_object_name_does() {
        assert_eq!(object_name("t", Some("a"), "fkey"), "t_a_fkey");
        assert_eq!(object_name("t", None, "pkey"), "t_pkey");
        let long = "a".repeat(70);
        let name = object_name(&long, Some("column"), "key");
        assert_eq!(name.len(), 63);
        assert_eq!(name, format!("{}_column_key", "a".repeat(52)));
        let both = object_name(&long, Some(&"b".repeat(70)), "idx");
        assert_eq!(both, format!("{}_{}_idx", "a".repeat(29), "b".repeat(29)));
    }

    #[test]
    fn a_character_is_never_cut_in_two() {
        let name = object_name(&"é".repeat(40), None, "pkey");
        assert_eq!(name, format!("{}_pkey", "é".repeat(29)));
    }

    #[test]
    fn expressions_are_named_as_the_server_names_them() {
        for (text, expect) in [
            ("lower(email)", "lower"),
            ("(lower(email))", "lower"),
            ("pg_catalog.lower(email)", "lower"),
            ("a + b", "expr"),
            ("lower(a) || b", "expr"),
            ("lower(a)::varchar", "lower"),
            ("(data ->> 'x')", "expr"),
            ("((data ->> 'x'))::integer", "int4"),
            ("created_at::date", "created_at"),
            ("coalesce(a, b)", "coalesce"),
            ("case when a then b end", "case"),
        ] {
            assert_eq!(expression_name(text, Dialect::Postgres), expect, "{text}");
        }
    }
}
