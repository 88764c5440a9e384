//! PH03.

use downhaul_syntax::Change;
use downhaul_syntax::change::RowFilter;

use crate::context::ChangeContext;
use crate::facts::Phase;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports, in a migration marked `-- downhaul:phase backfill`, an `UPDATE`, `DELETE` or `INSERT
    /// … SELECT` that takes all rows of a populated table in one statement, and a change of the
    /// schema beside it.
    ///
    /// ## Why is this bad
    ///
    /// A backfill in one statement locks every row until its end, and one beside a change of the
    /// schema keeps that change's lock as long.
    ///
    /// ## What to do
    ///
    /// Take a range of keys at a time, each in a transaction of its own: one statement a range, or a
    /// loop that commits. Keep changes of the schema in the expand.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, total int, sum bigint);
    /// -- up
    /// -- downhaul:phase backfill
    /// UPDATE orders SET sum = total;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, total int, sum bigint);
    /// -- up
    /// -- downhaul:phase backfill
    /// -- downhaul:no-transaction
    /// UPDATE orders SET sum = total WHERE id BETWEEN 1 AND 10000;
    /// UPDATE orders SET sum = total WHERE id BETWEEN 10001 AND 20000;
    /// ```
    "PH03" "backfill-not-batched"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.facts.phase != Some(Phase::Backfill) {
        return None;
    }
    let table = match cx.change {
        Change::Update { table, rows: RowFilter::All, .. }
        | Change::Delete { table, rows: RowFilter::All, .. } => table,
        Change::Insert { from_query: Some(query), .. } => {
            let whole = !query.text.to_ascii_lowercase().contains(" where ")
                && !query.text.to_ascii_lowercase().contains(" limit ");
            query.tables.iter().find(|t| whole && cx.populated(t))?
        }
        Change::AddColumn { table, .. }
        | Change::DropColumn { table, .. }
        | Change::AlterColumnType { table, .. }
        | Change::SetNotNull { table, .. }
            if cx.in_use(table) =>
        {
            return Some(
                Draft::new("a backfill changes rows, but this changes the schema")
                    .help("move it to the expand or to the contract"),
            );
        }
        _ => return None,
    };
    cx.populated(table).then(|| {
        Draft::new(format!(
            "this backfill takes all rows of {} in one statement",
            cx.describe(table)
        ))
        .help("take a range of keys at a time, each in a transaction of its own")
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
                    "-- history\nCREATE TABLE orders (id bigint PRIMARY KEY, total int, sum bigint);\n-- up\n-- downhaul:phase backfill\nALTER TABLE orders ADD COLUMN x int;",
                    true,
                ),
                (
                    "postgres",
                    "-- history\nCREATE TABLE orders (id bigint PRIMARY KEY, total int, sum bigint);\n-- up\nUPDATE orders SET sum = total;",
                    false,
                ),
            ],
        );
    }
}
