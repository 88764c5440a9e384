//! `UPDATE people SET first = split_part(name, ' ', 1)`: a column that the file adds, computed from others
//! of its row. As written it would be computed once, and what the old release writes afterwards would be
//! missing.

use downhaul_catalog::{Catalog, render_type};
use downhaul_syntax::query::{Expr, ExprKind, Path, QueryStatement, Source, Update};
use downhaul_syntax::{
    Change, ColumnDef, Conversion, Dialect, Ident, ObjectName, Script, SqlType, Statement,
    parse_query,
};

use super::draft::{Added, is_empty_test};
use super::read;
use crate::op::add_column::VOLATILE;

/// Functions that give another value later, beside those that give one for every row.
const LATER: &[&str] = &[
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "currval",
    "setval",
    "lastval",
    "current_setting",
    "uuid",
    "uuid_short",
    "rand",
    "random_bytes",
    "randomblob",
    "sysdate",
    "curdate",
    "curtime",
    "unix_timestamp",
    "utc_timestamp",
    "utc_date",
    "utc_time",
    "last_insert_id",
    "last_insert_rowid",
    "changes",
];

/// What one `UPDATE` says of one column.
struct Said {
    /// Statement.
    at: usize,
    /// Column, as a place among those that are added.
    added: usize,
    /// Rows that it is for; `None`: all.
    filter: Option<String>,
    value: String,
}

/// What the `UPDATE`s of a file say of columns that it adds.
pub(super) struct OwnRow<'a> {
    before: &'a Catalog,
    /// Columns of which the file changes more than their values: the expression would meet them half way.
    changed: Vec<(ObjectName, Option<Ident>)>,
    said: Vec<Said>,
    /// Columns to which an `UPDATE` writes something else.
    spoiled: Vec<usize>,
}

impl<'a> OwnRow<'a> {
    pub(super) fn of(script: &Script, before: &'a Catalog) -> Self {
        let changes = script.statements.iter().flat_map(Statement::changes);
        let changed = changes.filter_map(|change| {
            let (table, column) = match change {
                Change::RenameColumn { table, from, .. }
                | Change::ModifyColumn { table, from, .. } => (table, Some(from)),
                Change::AlterColumnType { table, column, .. } => (table, Some(column)),
                Change::RenameTable { from, .. } => (from, None),
                Change::ConvertCharset { table, .. } => (table, None),
                _ => return None,
            };
            Some((before.normalize(table), column.cloned()))
        });
        Self { before, changed: changed.collect(), said: Vec::new(), spoiled: Vec::new() }
    }

    /// Reads an `UPDATE` that does not fill from another table.
    pub(super) fn read(&mut self, at: usize, text: &str, table: &ObjectName, added: &[Added]) {
        let Ok(QueryStatement::Update(update)) = parse_query(text, self.before.dialect) else {
            return;
        };
        let place = |column: &Path| {
            added.iter().position(|(_, of, def, _)| of == table && def.name == *column.name())
        };
        let written = || update.assignments.iter().flat_map(|a| &a.columns);
        // Of these all rows are empty yet.
        let empty: Vec<&Ident> = written()
            .filter(|c| place(c).is_some_and(|at| !self.said.iter().any(|s| s.added == at)))
            .map(Path::name)
            .collect();
        let all: Option<Vec<Said>> = update
            .assignments
            .iter()
            .map(|assignment| {
                let [column] = assignment.columns.as_slice() else { return None };
                let added = place(column)?;
                let (filter, value) =
                    self.computed(text, &update, (&empty, &assignment.value), table)?;
                Some(Said { at, added, filter, value })
            })
            .collect();
        match all {
            Some(all) => self.said.extend(all),
            None => self.spoiled.extend(written().filter_map(place)),
        }
    }

    /// Which rows, and the value, over the columns that the table had before the file.
    fn computed(
        &self,
        text: &str,
        update: &Update,
        (empty, value): (&[&Ident], &Expr),
        table: &ObjectName,
    ) -> Option<(Option<String>, String)> {
        let plain = update.with.parts.is_empty()
            && update.from.is_empty()
            && update.order_by.is_empty()
            && update.returning.is_empty();
        let [Source::Table { alias, .. }] = update.target.as_slice() else { return None };
        if !plain {
            return None;
        }
        let called = alias.as_ref().unwrap_or(&table.name);
        let mut reads = false;
        let mut over = |expr: &Expr| self.over(text, expr, (table, called), &mut reads);
        let mut parts = Vec::new();
        update.filter.iter().for_each(|filter| read::conjuncts(filter, &mut parts));
        // Which rows are still empty the backfill asks by itself.
        parts.retain(|part| !empty.iter().any(|column| is_empty_test(text, part, column)));
        let parts: Option<Vec<String>> = parts.into_iter().map(&mut over).collect();
        let (parts, value) = (parts?, over(value)?);
        // A constant for all rows is no computation: what a release leaves out stays empty.
        let filter = match parts.as_slice() {
            [] => None,
            [only] => Some(only.clone()),
            all => {
                Some(all.iter().map(|part| format!("({part})")).collect::<Vec<_>>().join(" AND "))
            }
        };
        reads.then_some((filter, value))
    }

    /// An expression with bare names of columns, on one line; `None` where it is none over a row as it was, or
    /// gives another value each time.
    fn over(
        &self,
        text: &str,
        expr: &Expr,
        (table, called): (&ObjectName, &Ident),
        reads: &mut bool,
    ) -> Option<String> {
        let written = expr.span.text(text);
        let mut paths = Vec::new();
        let comment = ["--", "/*", "#"].iter().any(|mark| written.contains(mark));
        if comment || !expr.row_columns(&mut paths) || !is_lasting(expr) {
            return None;
        }
        let known = self.before.table(table)?;
        paths.sort_by_key(|path| path.span.start);
        let (mut out, mut at) = (String::new(), expr.span.start);
        for path in paths {
            let fits = match path.parts.as_slice() {
                [_] => true,
                [name, _] => name == called,
                _ => false,
            };
            let column = path.name();
            let changed = |(of, c): &(ObjectName, Option<Ident>)| {
                of == table && c.as_ref().is_none_or(|c| c == column)
            };
            if !fits || known.column(column).is_none() || self.changed.iter().any(changed) {
                return None;
            }
            *reads = true;
            out.push_str(&text[at..path.span.start]);
            out.push_str(&self.before.dialect.quote_if_needed(column));
            at = path.span.end;
        }
        out.push_str(&text[at..expr.span.end]);
        // A line break between quotes is part of a value.
        let quoted = out.contains(['\'', '"', '`', '$']);
        Some(if quoted && out.contains('\n') {
            unbroken(&out)?
        } else {
            out.split_whitespace().collect::<Vec<_>>().join(" ")
        })
    }

    /// What the columns hold, each with the statements that say so.
    pub(super) fn conversions(mut self, added: &[Added]) -> Vec<(Vec<usize>, usize, Conversion)> {
        // An UPDATE is one: where one of its columns cannot follow, none does.
        loop {
            let whole = |at: usize, spoiled: &[usize]| {
                !self.said.iter().any(|s| s.at == at && spoiled.contains(&s.added))
            };
            let more: Vec<usize> = self
                .said
                .iter()
                .filter(|s| !self.spoiled.contains(&s.added) && !whole(s.at, &self.spoiled))
                .map(|s| s.added)
                .collect();
            if more.is_empty() {
                break;
            }
            self.spoiled.extend(more);
        }
        let mut out = Vec::new();
        for (index, (_, _, def, _)) in added.iter().enumerate() {
            let mine: Vec<&Said> = self.said.iter().filter(|s| s.added == index).collect();
            if mine.is_empty() || self.spoiled.contains(&index) {
                continue;
            }
            let expr = match mine.as_slice() {
                [Said { filter: None, value, .. }] => value.clone(),
                all => one_of(all, |value| self.typed(value, def)),
            };
            let conversion = Conversion { column: Some(def.name.as_str().to_owned()), expr };
            out.push((mine.iter().map(|s| s.at).collect(), index, conversion));
        }
        out
    }

    /// A value as it stands in a `CASE`, whose type is that of its values: one without a type, all of which are
    /// texts there, gets the column's on PostgreSQL. A text fits each type of texts, and is not cut off.
    fn typed(&self, value: &str, def: &ColumnDef) -> String {
        let dialect = self.before.dialect;
        match &def.ty {
            Some(ty)
                if dialect == Dialect::Postgres
                    && is_untyped(value)
                    && (ty.dimensions > 0
                        || !["text", "varchar", "char", "bit"].contains(&ty.name.as_str())) =>
            {
                let ty = SqlType { args: Vec::new(), ..ty.clone() };
                format!("CAST({value} AS {})", render_type(&ty, dialect))
            }
            _ => value.to_owned(),
        }
    }
}

/// A text in quotes, or NULL: PostgreSQL takes its type from where it stands.
fn is_untyped(value: &str) -> bool {
    let quoted = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    value.eq_ignore_ascii_case("null")
        || quoted.is_some_and(|text| !text.replace("''", "").contains('\''))
}

/// Several, each for its rows: the last one wins.
fn one_of(all: &[&Said], typed: impl Fn(&str) -> String) -> String {
    let mut out = "CASE".to_owned();
    for said in all.iter().rev() {
        match &said.filter {
            Some(filter) => out.push_str(&format!(" WHEN {filter} THEN {}", typed(&said.value))),
            None => {
                out.push_str(&format!(" ELSE {}", typed(&said.value)));
                break;
            }
        }
    }
    // Nothing comes before one for all rows.
    match out.strip_prefix("CASE ELSE ") {
        Some(value) => value.to_owned(),
        None => out + " END",
    }
}

/// Whether an expression gives the same value for the same row at any time, as far as its names tell.
fn is_lasting(expr: &Expr) -> bool {
    let all = |mut list: &mut dyn Iterator<Item = &Expr>| Iterator::all(&mut list, is_lasting);
    match &expr.kind {
        ExprKind::Keyword(_) => false,
        ExprKind::Call { name, args, more, .. } => {
            let name = name.name().as_str().to_lowercase();
            !VOLATILE.contains(&name.as_str())
                && !LATER.contains(&name.as_str())
                && all(&mut args.iter().chain(more))
        }
        ExprKind::Cast(inner, _) | ExprKind::Unary(_, inner) | ExprKind::Field(inner, _) => {
            is_lasting(inner)
        }
        ExprKind::Binary(_, left, right) | ExprKind::AnyOf(left, right) => {
            is_lasting(left) && is_lasting(right)
        }
        ExprKind::Among(first, rest) | ExprKind::Index(first, rest) => {
            is_lasting(first) && all(&mut rest.iter())
        }
        ExprKind::Array(list) | ExprKind::Row(list) => all(&mut list.iter()),
        ExprKind::Case(operand, arms, rest) => {
            let arms = arms.iter().flat_map(|(when, then)| [when, then]);
            all(&mut operand.as_deref().into_iter().chain(arms).chain(rest.as_deref()))
        }
        _ => true,
    }
}

/// On one line; `None` where a line ends within quotes.
fn unbroken(text: &str) -> Option<String> {
    let (mut out, mut within) = (String::new(), None);
    for c in text.chars() {
        match (c, within) {
            ('\'' | '"' | '`', None) => within = Some(c),
            (_, Some(quote)) if c == quote => within = None,
            ('\n' | '\r', Some(_)) | ('$', None) => return None,
            ('\n' | '\r', None) => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
                continue;
            }
            (' ' | '\t', None) if out.ends_with(' ') => continue,
            _ => {}
        }
        out.push(c);
    }
    Some(out)
}
