//! DS17.

use super::new_columns;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a column of type `ENUM` or `SET`.
    ///
    /// ## Why is this bad
    ///
    /// Its labels are part of the table: taking one away or putting one in the middle copies the
    /// table, and an unknown label becomes an empty string without strict mode.
    ///
    /// ## What to do
    ///
    /// A table of labels with a foreign key, or a `CHECK`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql mysql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, state enum('a','b'));
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql mysql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, state varchar(10));
    /// ```
    "DS17" "enum-column"
    severity: Info,
    dialects: MYSQL_FAMILY,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    new_columns(cx.change).into_iter().find_map(|column| {
        let ty = column.ty.as_ref()?;
        (matches!(ty.name.as_str(), "enum" | "set")).then(|| {
            Draft::new(format!("`{}` keeps its labels in the type of the column", column.name))
                .help("use a table of labels with a foreign key")
                .at(column.span)
        })
    })
}
