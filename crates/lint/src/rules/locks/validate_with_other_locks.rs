//! LK10.

use downhaul_syntax::Change;

use crate::effects::Blocks;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `VALIDATE CONSTRAINT` in a transaction that already holds a strong lock on the
    /// table, mostly because it added the constraint just before.
    ///
    /// ## Why is this bad
    ///
    /// `VALIDATE` alone lets reads and writes go on; that is the point of it. In one transaction
    /// with the `ADD CONSTRAINT` the lock of that statement is held while all rows are read.
    ///
    /// ## What to do
    ///
    /// Validate in a migration of its own.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;
    /// ALTER TABLE orders VALIDATE CONSTRAINT positive;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, total int);
    /// ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;
    /// -- up
    /// ALTER TABLE orders VALIDATE CONSTRAINT positive;
    /// ```
    "LK10" "validate-with-other-locks"
    severity: Error,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::ValidateConstraint { table, name } = cx.change else { return None };
    let known = cx.catalog.normalize(table);
    if !cx.populated(table) {
        return None;
    }
    let beside =
        cx.scene.siblings.iter().any(|c| {
            !matches!(c, Change::ValidateConstraint { .. } | Change::SetColumnOption { .. })
        });
    if beside {
        return Some(
            Draft::new(format!(
                "all rows of {} are read for `{name}` under the lock of the other actions of this \
                 statement",
                cx.describe(table)
            ))
            .help("validate in a migration of its own"),
        );
    }
    let held = cx.held.iter().find(|h| h.table == known && h.blocks >= Blocks::Writes)?;
    Some(
        Draft::new(format!(
            "all rows of {} are read for `{name}` while line {} still holds {}, which blocks {}",
            cx.describe(table),
            held.line,
            held.mode,
            held.blocks.for_people()
        ))
        .help("validate in a migration of its own"),
    )
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[(
                "postgres",
                r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
-- up
-- downhaul:no-transaction
ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT positive;"#,
                false,
            )],
        );
    }
}
