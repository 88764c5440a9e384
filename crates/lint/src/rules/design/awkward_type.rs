//! DS05.

use super::new_columns;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `money`, `json`, `timetz` and `xml`.
    ///
    /// ## Why is this bad
    ///
    /// `money` depends on the locale of the server, `json` keeps text that it parses again on every
    /// read and cannot be compared or indexed, `timetz` is hardly ever what is meant.
    ///
    /// ## What to do
    ///
    /// `numeric`, `jsonb`, `timestamptz`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, price money);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, price numeric(12,2));
    /// ```
    "DS05" "awkward-type"
    severity: Info,
    dialects: POSTGRES,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    new_columns(cx.change).into_iter().find_map(|column| {
        let ty = column.ty.as_ref()?;
        (matches!(ty.name.as_str(), "money" | "json" | "timetz" | "xml")).then(|| {
            Draft::new(format!("`{}` is a `{}`", column.name, ty.raw))
                .help("use numeric, jsonb or timestamptz")
                .at(column.span)
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(&super::RULE, &[("postgres", "-- up\nCREATE TABLE t (a jsonb);", false)]);
    }
}
