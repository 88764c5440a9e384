//! DS06.

use super::new_columns;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a column of a floating-point type whose name says that it holds money.
    ///
    /// ## Why is this bad
    ///
    /// Floating point cannot hold 0.1: sums of prices drift.
    ///
    /// ## What to do
    ///
    /// `numeric(12,2)`, or whole cents in a `bigint`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, price double precision);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, price numeric(12,2), weight double precision);
    /// ```
    "DS06" "float-for-money"
    severity: Info,
    dialects: ALL,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    new_columns(cx.change).into_iter().find_map(|column| {
        let ty = column.ty.as_ref()?;
        (is_float(&ty.name) && is_money(column.name.as_str())).then(|| {
            Draft::new(format!("`{}` holds money in a `{}`, which rounds it", column.name, ty.raw))
                .help("use numeric, or whole cents in a bigint")
                .at(column.span)
        })
    })
}

fn is_float(name: &str) -> bool {
    matches!(name, "real" | "float" | "double" | "double precision")
}

/// Some word of the name.
fn is_money(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "price", "amount", "cost", "fee", "balance", "salary", "tax", "money", "revenue",
        "discount",
    ];
    name.to_lowercase().split('_').any(|w| WORDS.contains(&w))
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                ("mysql", "-- up\nCREATE TABLE t (total_amount float);", true),
                ("postgres", "-- up\nCREATE TABLE t (priceless_ratio real);", false),
            ],
        );
    }
}
