//! RV09.

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports what the new release relies on and the down takes away.
    ///
    /// ## Why is this bad
    ///
    /// When the schema goes back before the code does, the statements of the new release fail: the
    /// same as an up that comes too early, the other way round.
    ///
    /// ## What to do
    ///
    /// Take the code back first, then the schema.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN channel text;
    /// -- down
    /// ALTER TABLE orders DROP COLUMN channel;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN total SET DEFAULT 0;
    /// -- down
    /// ALTER TABLE orders ALTER COLUMN customer SET DEFAULT 1;
    /// ```
    "RV09" "down-breaks-new-release"
    severity: Info,
    dialects: ALL,
    default: off,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let (Some(replay), Some(down)) = (cx.replay, cx.down) else { return Vec::new() };
    let Some((first, _)) = replay.breaks.first() else { return Vec::new() };
    let Some(statement) = down.statements.get(*first) else { return Vec::new() };
    let mut names: Vec<String> =
        replay.breaks.iter().map(|(_, b)| format!("`{}`", b.object)).collect();
    names.dedup();
    names.truncate(5);
    vec![
        Draft::new(format!("the new release relies on {}", names.join(", ")))
            .help("take the code back first, then the schema")
            .in_down()
            .at(statement.statement.span),
    ]
}
