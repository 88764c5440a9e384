//! Reading what a column follows from: a lookup of one row of one other table.

use downhaul_catalog::{Catalog, Table};
use downhaul_syntax::query::{Expr, ExprKind, Item, Path, QueryStatement, Select, SetBody, Source};
use downhaul_syntax::{Dialect, Ident, ObjectName, parse_query};

use crate::op::{Refused, refused};

/// A lookup: every column in its texts is written with its table.
pub(super) struct Lookup {
    pub(super) source: ObjectName,
    pub(super) alias: Ident,
    pub(super) value: String,
    pub(super) condition: String,
    pub(super) links: Vec<(Ident, Ident)>,
    pub(super) own: Vec<Ident>,
    pub(super) read: Vec<Ident>,
}

impl Lookup {
    /// As a scalar subquery.
    pub(super) fn text(&self, dialect: Dialect) -> String {
        format!(
            "(SELECT {} FROM {} AS {} WHERE {})",
            self.value,
            dialect.quote_name_if_needed(&self.source),
            dialect.quote_if_needed(&self.alias),
            self.condition
        )
    }
}

/// Reads a scalar subquery over one other table; `None` where the text is none.
pub(super) fn lookup(text: &str, fed: &Table, now: &Catalog) -> Result<Option<Lookup>, Refused> {
    lookup_as(text, fed, None, now)
}

/// As [`lookup`], where the fed table has an alias.
pub(super) fn lookup_as(
    text: &str,
    fed: &Table,
    fed_alias: Option<&Ident>,
    now: &Catalog,
) -> Result<Option<Lookup>, Refused> {
    let Ok(QueryStatement::Select(select)) = parse_query(text, now.dialect) else {
        return Ok(None);
    };
    let select = bare(select);
    let SetBody::Core(core) = &select.body else { return Ok(None) };
    if core.from.is_empty() {
        return Ok(None);
    }
    let plain = select.with.parts.is_empty()
        && select.order_by.is_empty()
        && select.limits.is_empty()
        && core.distinct_on.is_empty()
        && core.group_by.is_empty()
        && core.having.is_none()
        && core.windows.is_empty();
    let ([Item::Expr(value, _)], [Source::Table { name, alias, columns, .. }], Some(filter)) =
        (core.items.as_slice(), core.from.as_slice(), &core.filter)
    else {
        return no_lookup(text);
    };
    if !plain || !columns.is_empty() {
        return no_lookup(text);
    }
    let source = now.normalize(&named(name));
    of_parts(text, value, &[filter], (&source, alias.as_ref()), (fed, fed_alias), now).map(Some)
}

fn no_lookup<T>(text: &str) -> Result<T, Refused> {
    refused(
        format!("`{text}` does not look up one row of one other table"),
        "write (SELECT t.a FROM other_table t WHERE t.id = this_table.other_id): one table, no join, no aggregate, no LIMIT; what needs more is filled by a backfill of your own",
    )
}

/// A select without its parentheses.
pub(crate) fn bare(mut select: Select) -> Select {
    while let SetBody::Nested(inner) = select.body {
        select = *inner;
    }
    select
}

/// A table's name.
pub(crate) fn named(path: &Path) -> ObjectName {
    let mut name = ObjectName::bare(path.name().clone());
    if let [.., schema, _] = path.parts.as_slice() {
        name.schema = Some(schema.clone());
    }
    name
}

/// A lookup of its parts: the value, conditions that all hold, the source and the fed table with their
/// aliases.
pub(super) fn of_parts(
    text: &str,
    value: &Expr,
    filters: &[&Expr],
    (source, alias): (&ObjectName, Option<&Ident>),
    (fed, fed_alias): (&Table, Option<&Ident>),
    now: &Catalog,
) -> Result<Lookup, Refused> {
    let Some(table) = now.table(source) else {
        return refused(
            format!("no migration creates the table {source}"),
            "check the name, or give the schema with --schema FILE",
        );
    };
    if table.name == fed.name {
        return refused(
            format!("{} is filled from itself", fed.name),
            "fill it in a backfill of your own",
        );
    }
    let alias = alias.unwrap_or(&table.name.name);
    let scope = Scope {
        dialect: now.dialect,
        text,
        source: table,
        alias,
        // There an alias is locked by name: one letter could be that of another lock.
        written: if now.dialect.is_mysql_family() && table.name.name != fed.name.name {
            &table.name.name
        } else {
            alias
        },
        fed,
        fed_alias: fed_alias.unwrap_or(&fed.name.name),
    };
    if *scope.alias == fed.name.name {
        return refused(
            format!("{} stands for another table in `{text}`", fed.name),
            "give the other table another alias",
        );
    }
    let mut found = Found::default();
    let value = scope.qualified(value, &mut found)?;
    let mut parts = Vec::new();
    for filter in filters {
        conjuncts(filter, &mut parts);
    }
    let (mut links, mut conditions) = (Vec::new(), Vec::new());
    for part in parts {
        if let Some(link) = scope.link(part) {
            links.push(link);
            conditions.push(scope.qualified(part, &mut Found::default())?);
        } else {
            let text = scope.qualified(part, &mut found)?;
            conditions.push(
                if matches!(part.kind, ExprKind::Binary(..)) && !text.starts_with('(') {
                    format!("({text})")
                } else {
                    text
                },
            );
        }
    }
    for (own, other) in &links {
        found.own.retain(|c| c != own);
        if !found.read.contains(other) {
            found.read.push(other.clone());
        }
    }
    Ok(Lookup {
        source: table.name.clone(),
        alias: scope.written.clone(),
        value,
        condition: conditions.join(" AND "),
        links,
        own: found.own,
        read: found.read,
    })
}

/// `a AND b AND c`.
pub(super) fn conjuncts<'e>(expr: &'e Expr, out: &mut Vec<&'e Expr>) {
    match &expr.kind {
        ExprKind::Binary(op, left, right) if op == "AND" => {
            conjuncts(left, out);
            conjuncts(right, out);
        }
        _ => out.push(expr),
    }
}

/// Columns that are read.
#[derive(Default)]
struct Found {
    own: Vec<Ident>,
    read: Vec<Ident>,
}

enum Side {
    Source,
    Fed,
}

/// What names mean.
struct Scope<'a> {
    dialect: Dialect,
    text: &'a str,
    source: &'a Table,
    /// What the text calls the source, and what it is called in ours.
    alias: &'a Ident,
    written: &'a Ident,
    fed: &'a Table,
    fed_alias: &'a Ident,
}

impl Scope<'_> {
    /// Which table a column belongs to.
    fn side(&self, path: &Path) -> Result<Side, Refused> {
        let column = path.name();
        let qualifier = path.parts.len().checked_sub(2).map(|at| &path.parts[at]);
        let side = match qualifier {
            Some(name) if name == self.alias => Some(Side::Source),
            Some(name) if name == self.fed_alias => Some(Side::Fed),
            Some(_) => None,
            None if self.source.column(column).is_some() => Some(Side::Source),
            None if self.fed.column(column).is_some() => Some(Side::Fed),
            None => None,
        };
        let known = match side {
            Some(Side::Source) => self.source.column(column).is_some(),
            Some(Side::Fed) => self.fed.column(column).is_some(),
            None => false,
        };
        match side {
            Some(side) if known => Ok(side),
            _ => refused(
                format!(
                    "`{}` in `{}` is no column of {} or {}",
                    path.span.text(self.text),
                    self.text,
                    self.source.name,
                    self.fed.name
                ),
                "check the names",
            ),
        }
    }

    /// `source.key = fed.reference`, either way round.
    fn link(&self, expr: &Expr) -> Option<(Ident, Ident)> {
        let ExprKind::Binary(_, left, right) = &expr.kind else { return None };
        let (ExprKind::Column(left), ExprKind::Column(right)) = (&left.kind, &right.kind) else {
            return None;
        };
        // The parser takes IS DISTINCT FROM for a comparison like any other.
        if self.text.get(left.span.end..right.span.start)?.trim() != "=" {
            return None;
        }
        match (self.side(left).ok()?, self.side(right).ok()?) {
            (Side::Fed, Side::Source) => Some((left.name().clone(), right.name().clone())),
            (Side::Source, Side::Fed) => Some((right.name().clone(), left.name().clone())),
            _ => None,
        }
    }

    /// The text of an expression with every column written with its table.
    fn qualified(&self, expr: &Expr, found: &mut Found) -> Result<String, Refused> {
        let mut paths = Vec::new();
        if !expr.row_columns(&mut paths) {
            return no_lookup(self.text);
        }
        paths.sort_by_key(|path| path.span.start);
        let (mut out, mut at) = (String::new(), expr.span.start);
        for path in paths {
            let (table, list) = match self.side(path)? {
                Side::Source => (self.written, &mut found.read),
                Side::Fed => (&self.fed.name.name, &mut found.own),
            };
            let column = path.name();
            if !list.contains(column) {
                list.push(column.clone());
            }
            out.push_str(&self.text[at..path.span.start]);
            out.push_str(&format!(
                "{}.{}",
                self.dialect.quote_if_needed(table),
                self.dialect.quote_if_needed(column)
            ));
            at = path.span.end;
        }
        out.push_str(&self.text[at..expr.span.end]);
        Ok(out)
    }
}
