//! BC18.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a table that makes room for a view of the same name, or a view that makes room for a
    /// table.
    ///
    /// ## Why is this bad
    ///
    /// Names go on working, but not what is done with them: writes through a view may be refused,
    /// its rows may have other columns, and a table that was a view no longer follows what it
    /// showed.
    ///
    /// ## What to do
    ///
    /// Make sure that the view can be written through (one table, no grouping), and has every
    /// column under its old name.
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
    /// CREATE TABLE open_orders (id bigint, note text);
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
    /// CREATE VIEW open_orders AS SELECT id, note FROM orders;
    /// ```
    "BC18" "table-view-swap"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (name, becomes) = match cx.change {
        Change::DropView { name, .. } => {
            let used = cx.catalog.view(name).is_some_and(|v| cx.existed(v.origin));
            let table = cx.later().any(|i| {
                matches!(i.change, Change::CreateTable { def, .. } if def.name.name == name.name)
                    || matches!(i.change, Change::RenameTable { to, .. } if to.name == name.name)
            });
            if !used || !table {
                return None;
            }
            (name, "a table")
        }
        Change::DropTable { name, .. } => {
            let view = cx.later().any(
                |i| matches!(i.change, Change::CreateView { name: v, .. } if v.name == name.name),
            );
            if !cx.in_use(name) || !view {
                return None;
            }
            (name, "a view")
        }
        _ => return None,
    };
    Some(
        Draft::new(format!(
            "`{name}` becomes {becomes}: what the running release writes or reads there may fail"
        ))
        .help("make sure that every statement of the running release works on the new object"),
    )
}
