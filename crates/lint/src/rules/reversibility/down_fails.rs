//! RV10.

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Replays the up and then the down, and reports each statement of the down that the server
    /// would refuse: a missing object, a dependency, a wrong name.
    ///
    /// ## Why is this bad
    ///
    /// A way back that fails on its first use fails when it is needed most.
    ///
    /// ## What to do
    ///
    /// Correct the down, or let `downhaul generate-down` write it.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN channel text;
    /// -- down
    /// ALTER TABLE orders DROP COLUMN chanel;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN channel text;
    /// -- down
    /// ALTER TABLE orders DROP COLUMN channel;
    /// ```
    "RV10" "down-fails"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let (Some(replay), Some(down)) = (cx.replay, cx.down) else { return Vec::new() };
    // One failure is often the cause of the next.
    replay
        .problems
        .iter()
        .take(1)
        .filter_map(|p| {
            let statement = down.statements.get(p.statement)?;
            Some(
                Draft::new(format!("after this up the down cannot run: {}", p.problem))
                    .help("correct it, or let `downhaul generate-down` write it")
                    .in_down()
                    .at(statement.statement.span),
            )
        })
        .collect()
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
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
CREATE TABLE t (a int);
CREATE VIEW v AS SELECT a FROM t;
-- down
DROP TABLE t;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
CREATE TABLE t (a int);
-- down
DROP TABLE IF EXISTS s;
DROP TABLE t;"#,
                    false,
                ),
            ],
        );
    }
}
