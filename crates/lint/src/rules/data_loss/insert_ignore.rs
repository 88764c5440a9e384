//! DL09.

use downhaul_syntax::change::InsertConflict;
use downhaul_syntax::{Change, Query};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `INSERT … SELECT` with `IGNORE`, `ON CONFLICT DO NOTHING` or `OR IGNORE`.
    ///
    /// ## Why is this bad
    ///
    /// Rows that clash vanish without a word; MySQL's `IGNORE` also turns values that do not fit
    /// into others. After the copy nobody knows what is missing.
    ///
    /// ## What to do
    ///
    /// Copy without it, and say what shall become of rows that clash.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// CREATE TABLE archive (id bigint PRIMARY KEY, note text);
    /// INSERT INTO archive (id, note) SELECT customer, note FROM orders ON CONFLICT DO NOTHING;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// CREATE TABLE archive (id bigint PRIMARY KEY, note text);
    /// INSERT INTO archive (id, note) SELECT id, note FROM orders;
    /// ```
    "DL09" "insert-ignore"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::Insert { table, from_query: Some(query), conflict: InsertConflict::Ignore, .. } =
        cx.change
    else {
        return None;
    };
    let from = query.tables.iter().find(|t| cx.in_use(t))?;
    if is_one_row(query) {
        return None;
    }
    Some(
        Draft::new(format!("rows of `{from}` that clash in `{table}` are left out without a word"))
            .help("copy without it, and say what shall become of rows that clash"),
    )
}

/// `SELECT 'owner', min(id) FROM t`: aggregates of all rows make one, as `VALUES` does.
fn is_one_row(query: &Query) -> bool {
    let lower = query.text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let many = ["group", "over", "union", "with", "distinct"];
    // A function of the list itself, not of one of its subqueries.
    let list = lower.split(" from ").next().unwrap_or_default();
    let aggregates = ["min(", "max(", "count(", "sum(", "avg("];
    let aggregated = list.matches("select ").count() == 1
        && aggregates.iter().any(|f| list.replace(" (", "(").contains(f));
    aggregated && !words.iter().any(|w| many.contains(w)) && !lower.contains("over(")
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn aggregates_make_one_row() {
        cases(
            &super::RULE,
            &[
                (
                    "postgres",
                    r#"-- history
CREATE TABLE s (k text PRIMARY KEY, v text);
CREATE TABLE a (id bigint PRIMARY KEY, name text);
-- up
INSERT INTO s (k, v) SELECT 'first', min(id)::text FROM a ON CONFLICT DO NOTHING;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE s (k text PRIMARY KEY, v text);
CREATE TABLE a (id bigint PRIMARY KEY, name text);
-- up
INSERT INTO s (k, v) SELECT name, min(id)::text FROM a GROUP BY name ON CONFLICT DO NOTHING;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE s (k text PRIMARY KEY, v text);
CREATE TABLE a (id bigint PRIMARY KEY, name text);
-- up
INSERT INTO s (k, v) SELECT name, (SELECT max(id) FROM a)::text FROM a ON CONFLICT DO NOTHING;"#,
                    true,
                ),
            ],
        );
    }
}
