//! TX01.

use downhaul_syntax::{Dialect, Span};

use crate::finding::Edit;

use crate::context::ChangeContext;
use crate::effects::refused::needs_no_block;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports statements that the server refuses inside a transaction block: `VACUUM`; on
    /// PostgreSQL also `CREATE INDEX CONCURRENTLY`, `DROP INDEX CONCURRENTLY`, `REINDEX
    /// CONCURRENTLY`, `DETACH PARTITION CONCURRENTLY`, `CREATE DATABASE`, and before PostgreSQL 12
    /// `ALTER TYPE … ADD VALUE`.
    ///
    /// ## Why is this bad
    ///
    /// The statement fails (on PostgreSQL with SQLSTATE 25001), and the migration with it.
    ///
    /// ## What to do
    ///
    /// Mark the migration `-- downhaul:no-transaction` (or as your runner calls it) and put the
    /// statement in a migration of its own.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// CREATE INDEX CONCURRENTLY i ON orders (note);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// -- downhaul:no-transaction
    /// CREATE INDEX CONCURRENTLY i ON orders (note);
    /// ```
    "TX01" "concurrently-in-transaction"
    severity: Error,
    dialects: &[Dialect::Postgres, Dialect::Sqlite],
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let what = needs_no_block(cx.change, cx.scene)?;
    let nested = cx.facts.items.get(cx.index).is_some_and(|i| i.nested);
    if !cx.statement.in_block && !nested {
        return None;
    }
    let draft = Draft::new(format!("`{what}` cannot run inside a transaction block"));
    if nested {
        return Some(draft.help("take it out of the DO block"));
    }
    Some(if cx.facts.wrapped {
        draft.help("mark the migration `-- downhaul:no-transaction`").fix(
            "run the migration outside a transaction",
            vec![Edit { span: Span::new(0, 0), text: "-- downhaul:no-transaction\n".to_owned() }],
        )
    } else {
        draft.help("put it before BEGIN or behind COMMIT")
    })
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
                    r#"-- up
-- downhaul:no-transaction
BEGIN;
VACUUM t;
COMMIT;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
-- downhaul:no-transaction
BEGIN;
SELECT 1;
COMMIT;
VACUUM t;"#,
                    false,
                ),
            ],
        );
    }
}
