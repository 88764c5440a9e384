//! DS14.

use downhaul_syntax::Change;

use super::new_columns;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `utf8` and `utf8mb3` as character set of a table or column.
    ///
    /// ## Why is this bad
    ///
    /// It holds at most three bytes a character: emoji and some Chinese characters are refused, or
    /// cut off without strict mode.
    ///
    /// ## What to do
    ///
    /// `utf8mb4`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql mysql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY) DEFAULT CHARSET=utf8;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql mysql
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY) DEFAULT CHARSET=utf8mb4;
    /// ```
    "DS14" "mysql-utf8mb3"
    severity: Info,
    dialects: MYSQL_FAMILY,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let narrow =
        |c: &str| matches!(c.trim_matches(['\'', '"']).to_lowercase().as_str(), "utf8" | "utf8mb3");
    let options: &[(String, String)] = match cx.change {
        Change::CreateTable { def, .. } => &def.options,
        Change::SetTableOptions { options, .. } => options,
        _ => &[],
    };
    let by_option = options
        .iter()
        .any(|(name, value)| matches!(name.as_str(), "charset" | "character set") && narrow(value));
    let by_column = new_columns(cx.change)
        .into_iter()
        .any(|c| c.ty.as_ref().and_then(|t| t.charset.as_deref()).is_some_and(narrow));
    let by_conversion =
        matches!(cx.change, Change::ConvertCharset { charset, .. } if narrow(charset));
    (by_option || by_column || by_conversion)
        .then(|| Draft::new("utf8mb3 cannot hold every character").help("use utf8mb4"))
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[("mysql", "-- up\nCREATE TABLE t (a varchar(9) CHARACTER SET utf8mb3);", true)],
        );
    }
}
