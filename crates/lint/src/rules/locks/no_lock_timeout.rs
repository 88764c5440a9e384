//! LK13.

use crate::effects::Blocks;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports the first statement of a transaction that takes a strong lock on a populated table
    /// while no `lock_timeout` (MySQL: `lock_wait_timeout`) is set. Silent where the runner bounds
    /// every wait, as Downhaul's does.
    ///
    /// ## Why is this bad
    ///
    /// A strong lock waits for the longest running query on the table, and every new query waits
    /// behind it: one slow report stops the application.
    ///
    /// ## What to do
    ///
    /// `SET LOCAL lock_timeout = '2s'` and try again, or let Downhaul run the migration.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres no-lock-budget
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// ALTER TABLE orders ADD COLUMN code text;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres no-lock-budget
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// SET LOCAL lock_timeout = '2s';
    /// ALTER TABLE orders ADD COLUMN code text;
    /// ```
    "LK13" "no-lock-timeout"
    severity: Warning,
    dialects: SERVERS,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.options.lock_budget || cx.held.iter().any(|h| h.statement != cx.statement.index) {
        return None;
    }
    let lock =
        cx.effects.locks.iter().find(|l| l.blocks >= Blocks::Writes && cx.populated(&l.table))?;
    let name = if cx.dialect().is_mysql_family() { "lock_wait_timeout" } else { "lock_timeout" };
    let bounded = cx.scene.settings.iter().any(|(key, value)| {
        key.ends_with(name)
            && !matches!(
                value.trim_matches(['\'', '"']),
                "0" | "0s" | "0ms" | "default" | "DEFAULT"
            )
    });
    if bounded {
        return None;
    }
    Some(
        Draft::new(format!(
            "this waits without limit for {} on {}, and all {} wait behind it",
            lock.mode,
            cx.describe(&lock.table),
            lock.blocks.for_people()
        ))
        .help(format!("set {name} to a few seconds before, and try again when it runs out")),
    )
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
                    "postgres no-lock-budget",
                    r#"-- up
CREATE TABLE t (a int);
ALTER TABLE t ADD b int;"#,
                    false,
                ),
                (
                    "postgres no-lock-budget",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
-- up
SET lock_timeout = 0;
ALTER TABLE orders ADD COLUMN code text;"#,
                    true,
                ),
            ],
        );
    }
}
