//! TX08.

use downhaul_syntax::{
    Change, ColumnDef, ConstraintKind, Dialect, Ident, IndexDef, IndexPart, SqlType, TableDef,
};

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
                let columns =
                    || def.columns.iter().filter_map(|c| old.column(&c.name).zip(Some(c)));
                let retyped = columns().find(|(old, new)| {
                    old.ty.as_ref().zip(new.ty.as_ref()).is_some_and(|(a, b)| is_another(cx, a, b))
                });
                if let Some((_, new)) = retyped {
                    format!(
                        "table `{}` exists, and its column `{}` is of another type",
                        def.name, new.name
                    )
                } else {
                    let other = columns().find(|(old, new)| {
                        old.not_null != (refuses_null(cx, new) || in_key(def, &new.name))
                    });
                    if let Some((old, _)) = other {
                        let may = if old.not_null { "may hold no NULL" } else { "may hold NULL" };
                        format!("table `{}` exists, and its column `{}` {may}", def.name, old.name)
                    } else if old.columns.iter().zip(&def.columns).all(|(a, b)| a.name == b.name) {
                        return None;
                    } else {
                        format!("table `{}` exists with its columns in another order", def.name)
                    }
                }
            } else {
                format!("table `{}` exists with other columns", def.name)
            }
        }
        Change::AddColumn { table, column, if_not_exists: true, .. } => {
            let old = cx.column(table, &column.name)?;
            let (Some(a), Some(b)) = (&old.ty, &column.ty) else { return None };
            if b.name.ends_with("serial") {
                return None;
            }
            if fit(a, b, cx.catalog) == Fit::Same && a.name == b.name && !is_another(cx, a, b) {
                let key = column.constraints.iter().any(|c| is_key(&c.kind));
                if old.not_null == (refuses_null(cx, column) || key) {
                    return None;
                }
                let may = if old.not_null { "holds no NULL" } else { "may hold NULL" };
                return Some(hidden(&format!("`{table}.{}` exists and {may}", column.name)));
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
    // Text of another length fits where it is longer; the display width of a number says nothing.
    let longer =
        matches!(new.name.as_str(), "varchar" | "char" | "bpchar" | "varbinary" | "binary")
            && old.name == new.name
            && old.args != new.args;
    cx.dialect() != Dialect::Sqlite
        && !new.name.ends_with("serial")
        && (longer || !matches!(fit(old, new, cx.catalog), Fit::Same | Fit::Unknown))
        && old.charset == new.charset
}

/// By its own words: `NOT NULL`, a key, a number of its own.
fn refuses_null(cx: &ChangeContext<'_>, column: &ColumnDef) -> bool {
    let numbered = cx.dialect() != Dialect::Sqlite
        && (column.auto_increment
            || column.identity.is_some()
            || column.ty.as_ref().is_some_and(|t| t.name.ends_with("serial")));
    let key = cx.dialect() != Dialect::Sqlite && column.constraints.iter().any(|c| is_key(&c.kind));
    // MariaDB's first TIMESTAMP may hold none whether it says so or not.
    let timestamp =
        cx.dialect().is_mysql_family() && column.ty.as_ref().is_some_and(|t| t.name == "timestamp");
    column.not_null || numbered || key || timestamp
}

/// The table's primary key has the column.
fn in_key(table: &TableDef, column: &Ident) -> bool {
    let mut constraints = table.constraints.iter();
    constraints.any(|c| matches!(&c.kind, ConstraintKind::PrimaryKey { columns, .. } if columns.contains(column)))
}

fn is_key(kind: &ConstraintKind) -> bool {
    matches!(kind, ConstraintKind::PrimaryKey { .. })
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
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (k varchar(100) PRIMARY KEY, v jsonb NOT NULL);
-- up
CREATE TABLE IF NOT EXISTS t (k varchar(256) NOT NULL, v jsonb NOT NULL, PRIMARY KEY (k));"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (id bigserial PRIMARY KEY, v jsonb);
-- up
CREATE TABLE IF NOT EXISTS t (id bigserial PRIMARY KEY, v jsonb NOT NULL);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (id bigserial, v text NOT NULL, PRIMARY KEY (id));
-- up
CREATE TABLE IF NOT EXISTS t (id bigserial PRIMARY KEY, v text NOT NULL);
ALTER TABLE t ADD COLUMN IF NOT EXISTS v text NOT NULL DEFAULT '';"#,
                    false,
                ),
                // `INSERT INTO t VALUES (…)` goes by the order.
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (n bigint NOT NULL, k text NOT NULL PRIMARY KEY);
-- up
CREATE TABLE IF NOT EXISTS t (k text NOT NULL PRIMARY KEY, n bigint NOT NULL);"#,
                    true,
                ),
                (
                    "mariadb",
                    r#"-- history
CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, v varchar(20));
-- up
ALTER TABLE t ADD COLUMN IF NOT EXISTS v varchar(30);"#,
                    true,
                ),
                (
                    "mariadb",
                    r#"-- history
CREATE TABLE t (id int(11) NOT NULL AUTO_INCREMENT PRIMARY KEY, v varchar(20));
-- up
CREATE TABLE IF NOT EXISTS t (id int AUTO_INCREMENT PRIMARY KEY, v varchar(20) DEFAULT NULL);"#,
                    false,
                ),
            ],
        );
    }
}
