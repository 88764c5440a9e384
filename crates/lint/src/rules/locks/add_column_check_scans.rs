//! LK09.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a new column with a CHECK behind it, or with a foreign key and a default, on a table
    /// that holds rows.
    ///
    /// ## Why is this bad
    ///
    /// PostgreSQL checks every row under an `ACCESS EXCLUSIVE` lock. A nullable column that only
    /// references another table is not checked (measured).
    ///
    /// ## What to do
    ///
    /// Add the column alone, then the constraint `NOT VALID`, and validate it in a later migration.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN weight int CHECK (weight > 0);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN parent bigint REFERENCES orders;
    /// ```
    "LK09" "add-column-check-scans"
    severity: Error,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::AddColumn { table, column, .. } = cx.change else { return None };
    if !cx.hits(&cx.effects.scans, table)
        || !cx.effects.rewrites.is_empty()
        || !cx.effects.builds_indexes.is_empty()
    {
        return None;
    }
    Some(
        Draft::new(format!(
            "the constraint of `{}` is checked for every row of {} while reads and writes wait",
            column.name,
            cx.describe(table)
        ))
        .help("add the column alone, then the constraint NOT VALID, and validate it in a later migration"),
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
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
ALTER TABLE orders ADD COLUMN c bigint DEFAULT 1 REFERENCES customers;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TABLE t (a int);
ALTER TABLE t ADD b int CHECK (b > 0);"#,
                    false,
                ),
            ],
        );
    }
}
