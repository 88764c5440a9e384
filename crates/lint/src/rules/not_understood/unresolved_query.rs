//! UN04.

use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// With the queries of the running release given (`--queries`): names each query that is not
    /// understood, and each that names something which the schema did not have before any of the
    /// migrations that are judged.
    ///
    /// ## Why is this bad
    ///
    /// Nothing can be said of such a query. It is not blamed on a migration.
    ///
    /// ## What to do
    ///
    /// Correct the query, leave it out, or give the schema that it belongs to (`--database-url`,
    /// `--schema`).
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres queries=SELECT_nothing_FROM_orders
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY);
    /// -- up
    /// CREATE TABLE items (id bigint PRIMARY KEY);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres queries=SELECT_id_FROM_orders
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY);
    /// -- up
    /// CREATE TABLE items (id bigint PRIMARY KEY);
    /// ```
    "UN04" "unresolved-query"
    severity: Info,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Driver,
}
