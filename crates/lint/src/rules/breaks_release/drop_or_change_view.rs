//! BC11.

use downhaul_catalog::view_columns;
use downhaul_syntax::{Change, Ident, ObjectName};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a view or materialized view that is dropped, renamed, or made again with fewer or
    /// other columns.
    ///
    /// ## Why is this bad
    ///
    /// The running release reads the view under its old name with its old columns.
    ///
    /// ## What to do
    ///
    /// Create the new view under a new name, release code that uses it, drop the old one later. A
    /// view that is dropped and made again in the same transaction with all its columns is fine.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
    /// CREATE VIEW open_orders AS SELECT id, note FROM orders;
    /// CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
    /// -- up
    /// DROP VIEW open_orders;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
    /// CREATE VIEW open_orders AS SELECT id, note FROM orders;
    /// CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
    /// -- up
    /// DROP VIEW open_orders;
    /// CREATE VIEW open_orders AS SELECT id, note, total FROM orders;
    /// ```
    "BC11" "drop-or-change-view"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.is_contract() {
        return None;
    }
    match cx.change {
        Change::RenameColumn { table: view, from, .. } => {
            let known = cx.catalog.view(view)?;
            cx.existed(known.origin).then(|| {
                Draft::new(format!(
                    "the running release reads column `{from}` of view `{view}` under its old name"
                ))
                .help("create a view under a new name")
            })
        }
        Change::DropView { name, .. } => {
            let old = cx.catalog.view(name);
            let used = match old {
                Some(view) => cx.existed(view.origin),
                None => !cx.surely_absent_view(name),
            };
            if !used {
                return None;
            }
            let (readers, severity) = cx.release_use(&name.name, cx.queries.of_table(name));
            let again = cx.later().find_map(|i| match i.change {
                Change::CreateView { name: new, columns, query, .. } if new.name == name.name => {
                    Some((columns, query))
                }
                _ => None,
            });
            match (again, old) {
                (None, _) => {
                    // A table that takes its place has a rule of its own.
                    let table = cx.later().any(|i| {
                        matches!(i.change, Change::CreateTable { def, .. } if def.name.name == name.name)
                    });
                    (!table).then(|| {
                        Draft::new(format!("the running release may still read `{name}`{readers}"))
                            .severity(severity)
                            .help(HELP)
                    })
                }
                (Some((columns, query)), Some(old)) => missing(
                    cx,
                    name,
                    view_columns::of_view(old, cx.dialect()),
                    view_columns::of_definition(columns, query, cx.dialect()),
                ),
                (Some(_), None) => None,
            }
        }
        Change::CreateView { name, or_replace: true, columns, query, .. } => {
            let old = cx.catalog.view(name).filter(|v| cx.existed(v.origin))?;
            missing(
                cx,
                name,
                view_columns::of_view(old, cx.dialect()),
                view_columns::of_definition(columns, query, cx.dialect()),
            )
        }
        Change::RenameView { from, to, .. } => {
            let used = match cx.catalog.view(from) {
                Some(view) => cx.existed(view.origin),
                None => !cx.surely_absent_view(from),
            };
            let again = cx.later().any(
                |i| matches!(i.change, Change::CreateView { name, .. } if name.name == from.name),
            );
            (used && !again).then(|| {
                let (readers, severity) = cx.release_use(&from.name, cx.queries.of_table(from));
                Draft::new(format!(
                    "the running release still reads `{from}`, which would be called \
                     `{to}`{readers}"
                ))
                .severity(severity)
                .help(HELP)
            })
        }
        _ => None,
    }
}

const HELP: &str = "create the new view under a new name, switch the code, drop the old one later";

fn missing(
    cx: &ChangeContext<'_>,
    name: &ObjectName,
    old: Option<Vec<Ident>>,
    new: Option<Vec<Ident>>,
) -> Option<Draft> {
    let (old, new) = (old?, new?);
    let gone: Vec<String> =
        old.iter().filter(|c| !new.contains(c)).map(|c| format!("`{c}`")).collect();
    (!gone.is_empty()).then(|| {
        let (readers, severity) = cx.release_use(&name.name, cx.queries.of_table(name));
        Draft::new(format!(
            "the running release may still read {} of view `{name}`{readers}",
            gone.join(", ")
        ))
        .severity(severity)
        .help(HELP)
    })
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
CREATE TABLE t (a int, b int);
CREATE VIEW v (a, b) AS SELECT a, b FROM t;
-- up
DROP VIEW v;
CREATE VIEW v (a) AS SELECT a FROM t;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TABLE t (a int);
CREATE VIEW v AS SELECT a FROM t;
DROP VIEW v;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
CREATE VIEW open_orders AS SELECT id, note FROM orders;
CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
-- up
DROP VIEW IF EXISTS nothing;"#,
                    false,
                ),
            ],
        );
    }
}
