//! LK03.

use downhaul_syntax::Change;
use downhaul_syntax::change::ReindexTarget;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `REINDEX` of an index, table, schema or database without `CONCURRENTLY`.
    ///
    /// ## Why is this bad
    ///
    /// Writes to the table wait for the whole build, and so does every query that would use the
    /// index: it is locked `ACCESS EXCLUSIVE`.
    ///
    /// ## What to do
    ///
    /// Use `REINDEX … CONCURRENTLY` outside a transaction.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// REINDEX TABLE orders;
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
    /// -- downhaul:no-transaction
    /// REINDEX TABLE CONCURRENTLY orders;
    /// ```
    "LK03" "reindex-not-concurrent"
    severity: Error,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::Reindex { target, concurrently: false } = cx.change else { return None };
    let tables = cx.populated_of(&cx.effects.builds_indexes);
    let unknown = match target {
        ReindexTarget::Index(_) => {
            cx.effects.locks.is_empty() && (!cx.history_known || cx.catalog.uncertain)
        }
        ReindexTarget::Database | ReindexTarget::Schema(_) => true,
        ReindexTarget::Table(_) => false,
    };
    if tables.is_empty() && !unknown {
        return None;
    }
    let which = match tables.as_slice() {
        [table] => cx.describe(table),
        _ => "its tables".to_owned(),
    };
    Some(
        Draft::new(format!(
            "rebuilding indexes blocks writes to {which}, and queries that use them"
        ))
        .help("use `REINDEX … CONCURRENTLY` in a migration that runs outside a transaction"),
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
REINDEX INDEX orders_note;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
REINDEX INDEX i;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TABLE t (a int);
REINDEX TABLE t;"#,
                    false,
                ),
            ],
        );
    }
}
