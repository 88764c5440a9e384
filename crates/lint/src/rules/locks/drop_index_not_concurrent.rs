//! LK02.

use downhaul_syntax::Change;

use crate::Severity;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `DROP INDEX` without `CONCURRENTLY` on a table that holds rows: information where the
    /// runner bounds every wait for a lock, a warning where it does not and on tables named as hot
    /// or known to be large.
    ///
    /// ## Why is this bad
    ///
    /// It takes an `ACCESS EXCLUSIVE` lock on the table: it waits for every running query, and
    /// every new query waits behind it. The lock itself is brief, as that of any `ALTER TABLE`.
    ///
    /// ## What to do
    ///
    /// Use `DROP INDEX CONCURRENTLY` in a migration that runs outside a transaction. An index of a
    /// constraint or of a partitioned table cannot be dropped so.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// DROP INDEX orders_note;
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
    /// DROP INDEX CONCURRENTLY orders_note;
    /// ```
    "LK02" "drop-index-not-concurrent"
    severity: Warning,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::DropIndex { name, concurrently: false, .. } = cx.change else { return None };
    let table = match cx.index_table(name, None) {
        Some(table) => table,
        None if cx.history_known && !cx.catalog.uncertain => return None,
        None => {
            return Some(
                Draft::new(format!(
                    "dropping `{name}` waits for all queries on its table, and new ones wait behind it"
                ))
                .severity(cx.brief_lock())
                .help("use `DROP INDEX CONCURRENTLY` in a migration that runs outside a transaction"),
            );
        }
    };
    let young = cx.index(name, None).is_some_and(|(_, i)| !cx.existed(i.origin));
    if young || !cx.populated(&table) || cx.is_partitioned(&table) {
        return None;
    }
    let severity = if cx.is_large(&table) { Severity::Warning } else { cx.brief_lock() };
    let draft = Draft::new(format!(
        "dropping `{name}` waits for all queries on {}, and new ones wait behind it",
        cx.describe(&table)
    ))
    .severity(severity)
    .help("use `DROP INDEX CONCURRENTLY` in a migration that runs outside a transaction");
    Some(cx.fix_concurrently(draft))
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
CREATE TABLE t (a int);
CREATE INDEX i ON t (a);
DROP INDEX i;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
DROP INDEX IF EXISTS nothing;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- up
DROP INDEX i;"#,
                    true,
                ),
            ],
        );
    }
}
