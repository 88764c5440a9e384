//! What a file says in several statements: a column is added, filled from another table or from its own
//! row by an `UPDATE`, and made `NOT NULL` behind it. Together they are one change.

use downhaul_catalog::{Catalog, Table};
use downhaul_syntax::query::{Assignment, Expr, ExprKind, QueryStatement, Source, Update};
use downhaul_syntax::{
    Change, ColumnDef, Conversion, Dialect, Ident, ObjectName, Script, parse_query,
};

use super::own_row::OwnRow;
use super::{Feed, read};
use crate::op::HERE;

/// What other statements of the file say of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    /// How columns that it adds are computed.
    pub(crate) forward: Vec<Conversion>,
    /// Columns that it adds and that a later statement makes `NOT NULL`.
    pub(crate) required: Vec<Ident>,
    /// An earlier statement says it too: nothing is left of it.
    pub(crate) taken: bool,
}

/// Reads them, one for each statement.
pub(crate) fn drafts(script: &Script, before: &Catalog) -> Vec<Draft> {
    let mut drafts = vec![Draft::default(); script.statements.len()];
    // There a table is one change: what follows would be a second one.
    if before.dialect == Dialect::Sqlite {
        return drafts;
    }
    let mut own = OwnRow::of(script, before);
    // What binds columns behind all that fills them: each with its statement.
    let mut binds: Vec<(usize, ObjectName, Ident)> = Vec::new();
    // Columns that the file adds to tables that were there: the statement of each.
    let mut added: Vec<Added> = Vec::new();
    let mut now = before.clone();
    for (at, statement) in script.statements.iter().enumerate() {
        match statement.changes() {
            [Change::Update { table, .. }] => {
                let fed = now.normalize(table);
                let found = filled(&statement.text, &fed, &added, &now);
                if found.is_none() {
                    own.read(at, &statement.text, &fed, &added);
                }
                if let Some(found) = found {
                    for (index, conversion) in found {
                        let (adds, _, _, is_fed) = &mut added[index];
                        *is_fed = true;
                        drafts[*adds].forward.push(conversion);
                    }
                    drafts[at].taken = true;
                }
            }
            [Change::SetNotNull { table, column }] => {
                binds.push((at, now.normalize(table), column.clone()));
            }
            [Change::ModifyColumn { table, from, column, .. }] => {
                let table = now.normalize(table);
                let same = |(_, of, def, _): &Added| {
                    *of == table
                        && def.ty == column.ty
                        && def.name == column.name
                        && *from == column.name
                };
                if column.not_null && added.iter().any(same) {
                    binds.push((at, table, column.name.clone()));
                }
            }
            changes => {
                for change in changes {
                    // Beside a default it is not empty, and nobody could tell what is to be filled.
                    if let Change::AddColumn { table, column, .. } = change
                        && column.default.is_none()
                        && now.table(table).is_some_and(|t| t.origin != HERE)
                    {
                        added.push((at, now.normalize(table), column.clone(), false));
                    }
                }
            }
        }
        for change in statement.changes() {
            now.apply(change, HERE);
        }
    }
    for (at, index, conversion) in own.conversions(&added) {
        let (adds, _, _, is_fed) = &mut added[index];
        *is_fed = true;
        drafts[*adds].forward.push(conversion);
        for at in at {
            drafts[at].taken = true;
        }
    }
    for (at, table, column) in binds {
        if let Some((adds, ..)) = fed_column(&added, &table, &column) {
            drafts[*adds].required.push(column);
            drafts[at].taken = true;
        }
    }
    drafts
}

/// A column that the file adds to a table that was there: the statement, and whether an `UPDATE` fills it.
pub(super) type Added = (usize, ObjectName, ColumnDef, bool);

fn fed_column<'a>(added: &'a [Added], table: &ObjectName, column: &Ident) -> Option<&'a Added> {
    added.iter().find(|(_, of, def, fed)| *fed && of == table && def.name == *column)
}

/// The columns that an `UPDATE` fills from another table, if it does nothing else and the file has added
/// all of them.
fn filled(
    text: &str,
    fed: &ObjectName,
    added: &[Added],
    now: &Catalog,
) -> Option<Vec<(usize, Conversion)>> {
    let Ok(QueryStatement::Update(update)) = parse_query(text, now.dialect) else { return None };
    if !update.with.parts.is_empty() || !update.order_by.is_empty() || !update.returning.is_empty()
    {
        return None;
    }
    let table = now.table(fed)?;
    let mut out = Vec::new();
    for assignment in &update.assignments {
        let [column] = assignment.columns.as_slice() else { return None };
        let column = column.name();
        let index = added.iter().position(|(_, of, def, _)| of == fed && def.name == *column)?;
        let expr = lookup(text, &update, assignment, table, column, now)?;
        // What follows no one row stays an UPDATE as it was written.
        Feed::of_text(&expr, table, (column, None, false), now).ok()??;
        out.push((index, Conversion { column: Some(column.as_str().to_owned()), expr }));
    }
    Some(out)
}

/// The lookup that gives a column its value.
fn lookup(
    text: &str,
    update: &Update,
    assignment: &Assignment,
    fed: &Table,
    column: &Ident,
    now: &Catalog,
) -> Option<String> {
    let (mut tables, mut on) = (Vec::new(), Vec::new());
    for source in update.target.iter().chain(&update.from) {
        flat(source, &mut tables, &mut on)?;
    }
    let mut filters = Vec::new();
    for expr in on.iter().copied().chain(&update.filter) {
        read::conjuncts(expr, &mut filters);
    }
    // Which rows are still empty the backfill asks by itself.
    filters.retain(|part| !is_empty_test(text, part, column));
    let is_fed = |name: &ObjectName| now.normalize(name) == fed.name;
    let (own, others): (Vec<_>, Vec<_>) = tables.into_iter().partition(|(name, _)| is_fed(name));
    let [(_, fed_alias)] = own.as_slice() else { return None };
    let parts = match others.as_slice() {
        [(source, alias)] => {
            let source = now.normalize(source);
            read::of_parts(
                text,
                &assignment.value,
                &filters,
                (&source, *alias),
                (fed, *fed_alias),
                now,
            )
            .ok()?
        }
        [] if filters.is_empty() && matches!(assignment.value.kind, ExprKind::Subquery(_)) => {
            let inner = assignment.value.span.text(text);
            return read::lookup_as(inner, fed, *fed_alias, now).ok()??.text(now.dialect).into();
        }
        _ => return None,
    };
    Some(parts.text(now.dialect))
}

type Named<'a> = (ObjectName, Option<&'a Ident>);

/// Tables of a join, and what it is joined on.
fn flat<'a>(source: &'a Source, tables: &mut Vec<Named<'a>>, on: &mut Vec<&'a Expr>) -> Option<()> {
    match source {
        Source::Table { name, alias, columns, .. } if columns.is_empty() => {
            tables.push((read::named(name), alias.as_ref()));
            Some(())
        }
        Source::Join { left, right, natural: false, using, on: condition, .. }
            if using.is_empty() =>
        {
            flat(left, tables, on)?;
            flat(right, tables, on)?;
            on.extend(condition);
            Some(())
        }
        _ => None,
    }
}

/// `column IS NULL`.
pub(super) fn is_empty_test(text: &str, expr: &Expr, column: &Ident) -> bool {
    let ExprKind::Unary(op, inner) = &expr.kind else { return false };
    let negated = text[inner.span.end..expr.span.end].to_uppercase().contains("NOT");
    matches!(&inner.kind, ExprKind::Column(path) if op == "IS NULL" && path.name() == column)
        && !negated
}
