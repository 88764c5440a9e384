//! BC21.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a column that may be NULL from now on.
    ///
    /// ## Why is this bad
    ///
    /// The running release may not expect NULL where it reads. And the way back is not sure: once a
    /// NULL is written, `NOT NULL` cannot be set again.
    ///
    /// ## What to do
    ///
    /// Make sure that readers can take NULL, and that the down says what becomes of NULLs.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
    /// CREATE VIEW open_orders AS SELECT id, note FROM orders;
    /// CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN total DROP NOT NULL;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (a int NOT NULL);
    /// ALTER TABLE t ALTER COLUMN a DROP NOT NULL;
    /// ```
    "BC21" "drop-not-null"
    severity: Info,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::DropNotNull { table, column } = cx.change else { return None };
    if cx.is_contract()
        || !cx.column_in_use(table, column)
        || cx.column(table, column).is_some_and(|c| !c.not_null)
    {
        return None;
    }
    let readers = cx.listed(cx.queries.of_column(table, column));
    Some(
        Draft::new(format!(
            "the running release may not expect NULL in `{table}.{column}`{readers}"
        ))
        .help("make sure that readers can take NULL"),
    )
}
