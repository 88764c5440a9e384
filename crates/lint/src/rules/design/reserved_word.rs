//! DS13.

use downhaul_syntax::{Change, Dialect, Ident};

use super::new_columns;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a new table or column whose name is a keyword of the database and only works in
    /// quotes.
    ///
    /// ## Why is this bad
    ///
    /// Every query, tool and colleague has to quote it for ever.
    ///
    /// ## What to do
    ///
    /// Choose another name.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, "order" int);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, place int);
    /// ```
    "DS13" "reserved-word"
    severity: Info,
    dialects: ALL,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let mut names: Vec<&Ident> = new_columns(cx.change).into_iter().map(|c| &c.name).collect();
    if let Change::CreateTable { def, .. } = cx.change {
        names.insert(0, &def.name.name);
    }
    let reserved = names.into_iter().find(|n| must_be_quoted(n, cx.dialect()))?;
    Some(
        Draft::new(format!("`{reserved}` is a keyword, and has to be quoted everywhere"))
            .help("choose another name"),
    )
}

/// A plain word that is quoted all the same when it is written.
fn must_be_quoted(ident: &Ident, dialect: Dialect) -> bool {
    let name = ident.as_str();
    let word = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        && !name.starts_with('_');
    word && dialect.quote_if_needed(ident) != name
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                ("mysql", "-- up\nCREATE TABLE t (`key` int);", true),
                ("postgres", "-- up\nCREATE TABLE t (name text);", false),
            ],
        );
    }
}
