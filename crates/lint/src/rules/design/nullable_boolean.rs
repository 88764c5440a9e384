//! DS12.

use super::new_columns;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a boolean column that may be NULL.
    ///
    /// ## Why is this bad
    ///
    /// Neither `WHERE x` nor `WHERE NOT x` finds the rows that hold NULL.
    ///
    /// ## What to do
    ///
    /// `NOT NULL DEFAULT false`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, paid boolean);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, paid boolean NOT NULL DEFAULT false);
    /// ```
    "DS12" "nullable-boolean"
    severity: Info,
    dialects: ALL,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    new_columns(cx.change).into_iter().find_map(|column| {
        let ty = column.ty.as_ref()?;
        (ty.name == "boolean" && !column.not_null && column.generated.is_none()).then(|| {
            Draft::new(format!("`{}` has three values: true, false and NULL", column.name))
                .help("NOT NULL DEFAULT false")
                .at(column.span)
        })
    })
}
