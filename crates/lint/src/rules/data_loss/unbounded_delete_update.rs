//! DL03.

use downhaul_syntax::Change;
use downhaul_syntax::change::RowFilter;

use crate::Severity;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `DELETE` or `UPDATE` without a `WHERE`, or with one that is always true, on a table
    /// that existed before this deployment. An `UPDATE` that only fills columns which this
    /// deployment added loses nothing and is silent.
    ///
    /// ## Why is this bad
    ///
    /// Every row is deleted or overwritten. Mostly a condition was forgotten.
    ///
    /// ## What to do
    ///
    /// State which rows are meant. If all are, say so in an allowance with a reason.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// DELETE FROM orders;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// DELETE FROM orders WHERE state = 'draft';
    /// ```
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// -- downhaul:no-transaction
    /// ALTER TABLE orders ADD COLUMN channel text;
    /// UPDATE orders SET channel = 'web';
    /// ```
    "DL03" "unbounded-delete-update"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    match cx.change {
        Change::Delete { table, rows: RowFilter::All, .. } if cx.in_use(table) => Some(
            Draft::new(format!("every row of {} is deleted", cx.describe(table)))
                .help("state which rows are meant"),
        ),
        Change::Update { table, columns, rows: RowFilter::All, .. } if cx.in_use(table) => {
            let old: Vec<String> = columns
                .iter()
                .filter(|c| cx.column_in_use(table, c))
                .map(|c| format!("`{c}`"))
                .collect();
            (!old.is_empty()).then(|| {
                Draft::new(format!(
                    "{} of every row of {} is overwritten",
                    old.join(", "),
                    cx.describe(table)
                ))
                .severity(Severity::Warning)
                .help("state which rows are meant")
            })
        }
        _ => None,
    }
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
UPDATE orders SET note = NULL;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
DELETE FROM orders WHERE true;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
DELETE FROM orders WHERE 1 = 1;"#,
                    true,
                ),
            ],
        );
    }
}
