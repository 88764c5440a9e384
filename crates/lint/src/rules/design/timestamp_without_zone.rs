//! DS03.

use super::new_columns;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a column of type `timestamp` without time zone.
    ///
    /// ## Why is this bad
    ///
    /// It holds what a clock on some wall showed, without saying on which: two sessions with
    /// different `TimeZone` write different values for the same moment.
    ///
    /// ## What to do
    ///
    /// `timestamptz`, which takes the same eight bytes.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, made timestamp);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, made timestamptz);
    /// ```
    "DS03" "timestamp-without-zone"
    severity: Info,
    dialects: POSTGRES,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    new_columns(cx.change).into_iter().find_map(|column| {
        let ty = column.ty.as_ref()?;
        (ty.name == "timestamp").then(|| {
            Draft::new(format!("`{}` does not say in which time zone it is", column.name))
                .help("use timestamptz")
                .at(column.span)
        })
    })
}
