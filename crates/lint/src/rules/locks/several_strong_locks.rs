//! LK15.

use crate::effects::Blocks;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a transaction that takes strong locks on several populated tables, one after the
    /// other.
    ///
    /// ## Why is this bad
    ///
    /// Each further lock is waited for while the earlier ones are held. Two transactions that take
    /// them in another order stop each other (deadlock).
    ///
    /// ## What to do
    ///
    /// One table a migration; where that cannot be, a lock timeout and another try, as Downhaul
    /// does.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// ALTER TABLE orders ADD COLUMN a int;
    /// ALTER TABLE customers ADD COLUMN a int;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// ALTER TABLE orders ADD COLUMN a int;
    /// ALTER TABLE orders ADD COLUMN b int;
    /// ```
    "LK15" "several-strong-locks"
    severity: Info,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let strong = |table, blocks| blocks >= Blocks::Reads && cx.populated(table);
    let new = cx.effects.locks.iter().find(|l| strong(&l.table, l.blocks))?;
    let other = cx.held.iter().find(|h| {
        h.statement != cx.statement.index && strong(&h.table, h.blocks) && h.table != new.table
    })?;
    // Once for each transaction: the second table says it.
    let said = cx.held.iter().any(|h| {
        h.statement != other.statement && strong(&h.table, h.blocks) && h.table != other.table
    });
    (!said).then(|| {
        Draft::new(format!(
            "this waits for {} while line {} holds `{}`",
            cx.describe(&new.table),
            other.line,
            other.table
        ))
        .severity(cx.brief_lock())
        .once()
        .help("change one table in each migration")
    })
}
