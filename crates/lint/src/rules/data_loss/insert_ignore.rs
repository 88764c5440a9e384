//! DL09.

use downhaul_syntax::Change;
use downhaul_syntax::change::InsertConflict;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `INSERT … SELECT` with `IGNORE`, `ON CONFLICT DO NOTHING` or `OR IGNORE`.
    ///
    /// ## Why is this bad
    ///
    /// Rows that clash vanish without a word; MySQL's `IGNORE` also turns values that do not fit
    /// into others. After the copy nobody knows what is missing.
    ///
    /// ## What to do
    ///
    /// Copy without it, and say what shall become of rows that clash.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// CREATE TABLE archive (id bigint PRIMARY KEY, note text);
    /// INSERT INTO archive (id, note) SELECT customer, note FROM orders ON CONFLICT DO NOTHING;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// CREATE TABLE archive (id bigint PRIMARY KEY, note text);
    /// INSERT INTO archive (id, note) SELECT id, note FROM orders;
    /// ```
    "DL09" "insert-ignore"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::Insert { table, from_query: Some(query), conflict: InsertConflict::Ignore, .. } =
        cx.change
    else {
        return None;
    };
    let from = query.tables.iter().find(|t| cx.in_use(t))?;
    Some(
        Draft::new(format!("rows of `{from}` that clash in `{table}` are left out without a word"))
            .help("copy without it, and say what shall become of rows that clash"),
    )
}
