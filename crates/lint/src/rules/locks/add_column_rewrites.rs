//! LK08.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a new column that makes PostgreSQL write the whole table anew: a volatile default
    /// (`random()`, `gen_random_uuid()`, `clock_timestamp()`, `nextval()`), `serial`, identity, a
    /// stored generated column, a domain with a constraint. `now()` and constants are not volatile
    /// and cost nothing (measured).
    ///
    /// ## Why is this bad
    ///
    /// Table and indexes are written anew under an `ACCESS EXCLUSIVE` lock: nobody reads or writes
    /// until it is done.
    ///
    /// ## What to do
    ///
    /// Add the column nullable without a default, set the default for new rows, backfill in
    /// batches.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid();
    /// ```
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN no bigserial;
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
    /// ALTER TABLE orders ADD COLUMN created timestamptz NOT NULL DEFAULT now();
    /// ```
    "LK08" "add-column-rewrites"
    severity: Error,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::AddColumn { table, column, .. } = cx.change else { return None };
    if !cx.hits(&cx.effects.rewrites, table) {
        return None;
    }
    let why = if column.generated.is_some() {
        "a stored generated column is computed for every row"
    } else if column.identity.is_some()
        || column.ty.as_ref().is_some_and(|t| t.name.ends_with("serial"))
    {
        "every row gets its own number"
    } else if column.default.is_some() {
        "its default is computed anew for every row"
    } else {
        "the constraint of its domain is checked by writing every row"
    };
    Some(
        Draft::new(format!(
            "adding `{}` writes {} and its indexes anew while reads and writes wait: {why}",
            column.name,
            cx.describe(table)
        ))
        .help(
            "add it nullable without a default, set the default for new rows, backfill in batches",
        ),
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
ALTER TABLE orders ADD COLUMN a jsonb NOT NULL DEFAULT '{}'::jsonb;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
ALTER TABLE orders ADD COLUMN a timestamptz DEFAULT CURRENT_TIMESTAMP;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
ALTER TABLE orders ADD COLUMN a timestamptz DEFAULT clock_timestamp();"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
ALTER TABLE orders ADD COLUMN a int GENERATED ALWAYS AS (1 + 1) STORED;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
ALTER TABLE orders ADD COLUMN a int GENERATED BY DEFAULT AS IDENTITY;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
CREATE DOMAIN pos AS int CHECK (VALUE > 0);
ALTER TABLE orders ADD COLUMN a pos DEFAULT 1;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TABLE t (a int);
ALTER TABLE t ADD b serial;"#,
                    false,
                ),
                (
                    "postgres:10",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
ALTER TABLE orders ADD COLUMN a int DEFAULT 1;"#,
                    true,
                ),
            ],
        );
    }
}
