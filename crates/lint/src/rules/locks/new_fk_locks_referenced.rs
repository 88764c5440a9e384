//! LK23.

use downhaul_syntax::Change;

use crate::effects::Blocks;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `CREATE TABLE` with a foreign key to a populated table. A warning where the runner
    /// does not bound waits.
    ///
    /// ## Why is this bad
    ///
    /// It takes a `SHARE ROW EXCLUSIVE` lock on the referenced table (measured): shortly, but it
    /// waits for every running write, and every new write waits behind it.
    ///
    /// ## What to do
    ///
    /// Use a lock timeout and try again, as Downhaul does; or add the foreign key `NOT VALID` in a
    /// migration of its own.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// CREATE TABLE lines (id bigint PRIMARY KEY, customer bigint REFERENCES customers);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE a (id bigint PRIMARY KEY);
    /// CREATE TABLE b (a bigint REFERENCES a);
    /// ```
    "LK23" "new-fk-locks-referenced"
    severity: Info,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::CreateTable { .. } = cx.change else { return None };
    let hit: Vec<String> = cx
        .effects
        .locks
        .iter()
        .filter(|l| l.blocks == Blocks::Writes && cx.populated(&l.table))
        .map(|l| cx.describe(&l.table))
        .collect();
    (!hit.is_empty()).then(|| {
        Draft::new(format!("the foreign key blocks writes to {} for a moment", hit.join(", ")))
            .severity(cx.brief_lock())
            .help("use a lock timeout and try again")
    })
}
