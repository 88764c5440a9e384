//! BC23.

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// With the queries of the running release given (`--queries`): reports a query that works on
    /// the schema which the release sees, and no longer after this change, where no other rule has
    /// named it. Names the place in the query and why: a column is gone or is now in two of its
    /// tables, the number of columns is another, a column demands a value, types no longer fit, the
    /// unique index behind `ON CONFLICT` is gone, an enum lost a value, a view that it reads fails.
    ///
    /// It also speaks in the contract phase: a query that is still sent contradicts it.
    ///
    /// ## Why is this bad
    ///
    /// The release that is running sends it, and gets an error.
    ///
    /// ## What to do
    ///
    /// First release code that does without; then change the schema.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres queries=SELECT_id,_note_FROM_orders_JOIN_items_USING_(id)
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text);
    /// CREATE TABLE items (id bigint PRIMARY KEY, sku text);
    /// -- up
    /// ALTER TABLE items ADD COLUMN note text;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres queries=SELECT_id,_orders.note_FROM_orders_JOIN_items_USING_(id)
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text);
    /// CREATE TABLE items (id bigint PRIMARY KEY, sku text);
    /// -- up
    /// ALTER TABLE items ADD COLUMN note text;
    /// ```
    "BC23" "known-query-fails"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.unsaid.is_empty() {
        return None;
    }
    let queries = cx.broken_queries(std::iter::empty());
    let queries = queries.trim_start().trim_start_matches('(');
    let queries = queries.strip_suffix(')').unwrap_or(queries);
    Some(
        Draft::new(format!("a query of the running release fails after this: {queries}"))
            .help("first release code that does without it, then change the schema"),
    )
}
