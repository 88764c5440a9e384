//! TX08.

use downhaul_syntax::{Change, ConstraintKind, Dialect, IndexDef, IndexPart, SqlType};

use crate::effects::postgres::beside;
use crate::effects::type_change::{Fit, fit};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `IF NOT EXISTS` on a table, column or index that exists already in another shape.
    ///
    /// ## Why is this bad
    ///
    /// The statement does nothing, and the migration counts as done: the schema is not what the
    /// file says.
    ///
    /// ## What to do
    ///
    /// Alter what is there, or choose another name.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// ALTER TABLE orders ADD COLUMN IF NOT EXISTS note jsonb;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// ALTER TABLE orders ADD COLUMN IF NOT EXISTS note text;
    /// ```
    "TX08" "if-not-exists-hides"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let what = match cx.change {
        Change::CreateTable { def, if_not_exists: true } => {
            let old = cx.table(&def.name)?;
            if old.columns_unknown
                || old.assumed
                || def.columns.is_empty()
                || !def.like.is_empty()
                || !def.inherits.is_empty()
            {
                return None;
            }
            let names = |c: &downhaul_catalog::Column| c.name.clone();
            let same = old.columns.len() == def.columns.len()
                && def.columns.iter().all(|c| old.columns.iter().map(names).any(|n| n == c.name));
            if same {
                let retyped = def.columns.iter().find(|c| {
                    let old = old.column(&c.name).and_then(|old| old.ty.as_ref());
                    old.zip(c.ty.as_ref()).is_some_and(|(old, new)| is_another(cx, old, new))
                })?;
                format!(
                    "table `{}` exists, and its column `{}` is of another type",
                    def.name, retyped.name
                )
            } else {
                format!("table `{}` exists with other columns", def.name)
            }
        }
        Change::AddColumn { table, column, if_not_exists: true, .. } => {
            let old = cx.column(table, &column.name)?;
            let (Some(a), Some(b)) = (&old.ty, &column.ty) else { return None };
            if fit(a, b, cx.catalog) == Fit::Same && a.name == b.name {
                return None;
            }
            if b.name.ends_with("serial") {
                return None;
            }
            format!("`{table}.{}` exists as `{}`", column.name, a.raw)
        }
        Change::CreateIndex { index, if_not_exists: true, .. } => {
            let name = beside(index.name.as_ref()?, &index.table);
            let Some((owner, old)) = cx.index(&name, Some(&index.table)) else {
                return unique_key(cx, index);
            };
            let key = |parts: &[IndexPart]| -> Vec<String> {
                // One column alone is read from either end.
                let plain = |p: &IndexPart| {
                    let lower = p.text.to_lowercase();
                    let alone = parts.len() == 1;
                    let order = [" desc", " asc"].iter().find_map(|o| lower.strip_suffix(o));
                    order.filter(|_| alone).unwrap_or(&lower).replace(['"', '`', ' '], "")
                };
                parts.iter().map(plain).collect()
            };
            if key(&old.parts) == key(&index.parts)
                && old.unique == index.unique
                && owner.name.name == index.table.name
            {
                return None;
            }
            format!("index `{}` exists with another definition", old.name)
        }
        _ => return None,
    };
    Some(hidden(&what))
}

fn hidden(what: &str) -> Draft {
    Draft::new(format!("{what}: this statement does nothing"))
        .help("alter what is there, or choose another name")
}

/// A type that holds other values; `serial` is the number that it makes, and SQLite has none to speak
/// of.
fn is_another(cx: &ChangeContext<'_>, old: &SqlType, new: &SqlType) -> bool {
    cx.dialect() != Dialect::Sqlite
        && !new.name.ends_with("serial")
        && !matches!(fit(old, new, cx.catalog), Fit::Same | Fit::Unknown)
        && old.charset == new.charset
}

/// A unique key of MySQL is a constraint: an index of its name is not made.
fn unique_key(cx: &ChangeContext<'_>, index: &IndexDef) -> Option<Draft> {
    let name = &index.name.as_ref().filter(|_| cx.dialect().is_mysql_family())?.name;
    let known = cx.table(&index.table)?.constraint(name)?;
    let ConstraintKind::Unique { columns, .. } = &known.kind else { return None };
    let parts: Vec<_> = index.parts.iter().filter_map(|p| p.column.clone()).collect();
    let same = index.unique && parts == *columns;
    (!same).then(|| hidden(&format!("index `{name}` exists with another definition")))
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int);
-- up
CREATE TABLE IF NOT EXISTS t (a int, b int);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int);
-- up
CREATE TABLE IF NOT EXISTS t (a int);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int, b int);
CREATE INDEX i ON t (a);
-- up
CREATE INDEX IF NOT EXISTS i ON t (b);"#,
                    true,
                ),
            ],
        );
    }
}
