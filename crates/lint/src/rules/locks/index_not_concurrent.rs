//! LK01.

use downhaul_syntax::Change;

use crate::Severity;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `CREATE INDEX` without `CONCURRENTLY` on a table that holds rows.
    ///
    /// ## Why is this bad
    ///
    /// The build takes a `SHARE` lock: every `INSERT`, `UPDATE` and `DELETE` on the table waits
    /// until the whole table was read and sorted (measured on PostgreSQL 15). On a materialized view
    /// it is information: nobody writes to one but `REFRESH`, and readers go on.
    ///
    /// ## What to do
    ///
    /// Build it with `CONCURRENTLY`, in a migration of its own that runs outside a transaction.
    /// On a partitioned table build it on each partition concurrently, create it `ON ONLY` the
    /// parent and attach the parts.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint);
    /// -- up
    /// CREATE INDEX orders_customer ON orders (customer);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint);
    /// -- up
    /// -- downhaul:no-transaction
    /// CREATE INDEX CONCURRENTLY orders_customer ON orders (customer);
    /// ```
    "LK01" "index-not-concurrent"
    severity: Error,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::CreateIndex { index, concurrently: false, .. } = cx.change else { return None };
    let known = cx.catalog.normalize(&index.table);
    if !cx.is_among(&index.table, &cx.effects.builds_indexes) {
        return None;
    }
    if cx.catalog.view(&known).is_some() {
        return Some(
            Draft::new(format!("`{known}` cannot be refreshed until the index is built"))
                .severity(Severity::Info)
                .help("use `CREATE INDEX CONCURRENTLY` in a migration that runs outside a transaction"),
        );
    }
    if !cx.populated(&index.table) {
        return None;
    }
    let table = cx.describe(&index.table);
    if cx.is_partitioned(&index.table) {
        return Some(
            Draft::new(format!(
                "building an index on partitioned {table} blocks writes to all its partitions \
                 until it is done"
            ))
            .help(
                "create the index `ON ONLY` the parent, build it `CONCURRENTLY` on each \
                 partition, then `ALTER INDEX … ATTACH PARTITION`",
            ),
        );
    }
    let draft = Draft::new(format!("building the index blocks writes to {table} until it is done"))
        .help("use `CREATE INDEX CONCURRENTLY` in a migration that runs outside a transaction");
    Some(cx.fix_concurrently(draft))
}
