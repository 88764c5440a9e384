//! DS04.

use super::new_columns;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `char(n)` and `varchar(n)`.
    ///
    /// ## Why is this bad
    ///
    /// `char(n)` pads with blanks and ignores them when it compares; the limit of `varchar(n)` is a
    /// constraint that can only be narrowed by reading every row under a lock.
    ///
    /// ## What to do
    ///
    /// `text`, with a `CHECK` on its length where that matters.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, code char(3));
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, code text CHECK (length(code) = 3));
    /// ```
    "DS04" "limited-text"
    severity: Info,
    dialects: POSTGRES,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    new_columns(cx.change).into_iter().find_map(|column| {
        let ty = column.ty.as_ref()?;
        (ty.name == "varchar" && !ty.args.is_empty()
            || matches!(ty.name.as_str(), "char" | "bpchar"))
        .then(|| {
            Draft::new(format!("`{}` is a `{}`", column.name, ty.raw))
                .help("use text, with CHECK (length(x) <= n) where that matters")
                .at(column.span)
        })
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
                ("postgres", "-- up\nCREATE TABLE t (a varchar);", false),
                ("postgres", "-- up\nCREATE TABLE t (a varchar(20));", true),
            ],
        );
    }
}
