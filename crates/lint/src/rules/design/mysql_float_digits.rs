//! DS16.

use super::new_columns;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `FLOAT(m, d)` and `DOUBLE(m, d)`.
    ///
    /// ## Why is this bad
    ///
    /// The form is not standard, is deprecated since MySQL 8.0.17, and rounds what is stored without
    /// a word.
    ///
    /// ## What to do
    ///
    /// `FLOAT`, `DOUBLE`, or `DECIMAL(m, d)`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql mysql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, f float(7,3));
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql mysql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, f decimal(7,3));
    /// ```
    "DS16" "mysql-float-digits"
    severity: Info,
    dialects: MYSQL_FAMILY,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    new_columns(cx.change).into_iter().find_map(|column| {
        let ty = column.ty.as_ref()?;
        (matches!(ty.name.as_str(), "float" | "double" | "real" | "double precision")
            && ty.args.len() == 2)
            .then(|| {
                Draft::new(format!(
                    "`{}` is a `{}`, a form that is deprecated",
                    column.name, ty.raw
                ))
                .help("use DECIMAL(m, d), or leave the digits out")
                .at(column.span)
            })
    })
}
