//! TX10.

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a statement that the server would refuse on the schema that it meets: an unknown
    /// table or column, a name that is taken, a view that depends on the column, a foreign key of
    /// another type or without a unique target, a type change that a view blocks, a default that
    /// does not fit.
    ///
    /// ## Why is this bad
    ///
    /// The migration fails when it is applied. Without transactional DDL (MySQL, MariaDB)
    /// everything before the failing statement stays.
    ///
    /// ## What to do
    ///
    /// Correct the statement. If the object was made outside of the migrations, give Downhaul the
    /// live schema.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN note text;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN IF NOT EXISTS note text;
    /// ```
    "TX10" "fails-outright"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    cx.failures
        .iter()
        .map(|(span, problem)| {
            Draft::new(format!("the server refuses this: {problem}"))
                .help(
                    "correct it; if the object was made elsewhere, give the live schema or a dump",
                )
                .at(*span)
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
ALTER TABLE orders DROP COLUMN nothing;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
ALTER TABLE nothing ADD COLUMN a int;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
ALTER TABLE nothing ADD COLUMN a int;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
CREATE VIEW v AS SELECT note FROM orders;
-- up
ALTER TABLE orders ALTER note TYPE varchar(9);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
CREATE TABLE t (id int PRIMARY KEY);
ALTER TABLE t ADD COLUMN o text REFERENCES orders (note);"#,
                    true,
                ),
            ],
        );
    }
}
