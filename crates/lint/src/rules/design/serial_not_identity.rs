//! DS02.

use super::new_columns;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `serial`, `bigserial` and `smallserial`.
    ///
    /// ## Why is this bad
    ///
    /// The sequence behind it has rights, an owner and a default of its own, which copies and dumps
    /// of the table can lose; and anybody may insert a value that the sequence gives out later.
    ///
    /// ## What to do
    ///
    /// `bigint GENERATED ALWAYS AS IDENTITY`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (id bigserial PRIMARY KEY);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
    /// ```
    "DS02" "serial-not-identity"
    severity: Info,
    dialects: POSTGRES,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    new_columns(cx.change).into_iter().find_map(|column| {
        let ty = column.ty.as_ref()?;
        (ty.name.ends_with("serial")).then(|| {
            Draft::new(format!("`{}` is a `{}`", column.name, ty.raw))
                .help("use GENERATED ALWAYS AS IDENTITY")
                .at(column.span)
        })
    })
}
