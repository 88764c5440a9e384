//! PH02.

use downhaul_syntax::Change;

use crate::context::MigrationContext;
use crate::facts::Phase;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a migration marked `-- downhaul:phase contract` that drops a column or table, in a
    /// series in which no earlier migration is marked `-- downhaul:phase expand`.
    ///
    /// ## Why is this bad
    ///
    /// A contract promises that nothing uses the old shape any more. Without an expand before it,
    /// nothing is known to have taken its place.
    ///
    /// ## What to do
    ///
    /// Mark the migration that prepared it, or allow this where the column was simply given up.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, total int, sum bigint);
    /// -- up
    /// -- downhaul:phase contract
    /// ALTER TABLE orders DROP COLUMN total;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, total int);
    /// -- history
    /// -- downhaul:phase expand
    /// ALTER TABLE orders ADD COLUMN sum bigint;
    /// -- up
    /// -- downhaul:phase contract
    /// ALTER TABLE orders DROP COLUMN total;
    /// ```
    "PH02" "contract-without-expand"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let Some(up) = cx.up.filter(|up| up.phase == Some(Phase::Contract)) else { return Vec::new() };
    if cx.series.expands > 0 {
        return Vec::new();
    }
    let removes = up.items.iter().zip(cx.effects).find(|(item, effects)| {
        matches!(item.change, Change::DropColumn { .. } | Change::DropTable { .. })
            && !effects.breaks.is_empty()
    });
    removes
        .map(|(item, _)| {
            Draft::new("this is a contract, but no earlier migration is marked as its expand")
                .help("mark the migration that prepared it `-- downhaul:phase expand`")
                .at(item.span)
        })
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[("postgres", "-- up\n-- downhaul:phase contract\nCREATE TABLE t (a int);", false)],
        );
    }
}
