//! DS10.

use downhaul_syntax::{Change, Ident};

use super::new_columns;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports names of new tables, columns and indexes that are not `snake_case`: letters a to z in
    /// lower case, digits, underscores.
    ///
    /// ## Why is this bad
    ///
    /// PostgreSQL folds what is not quoted, so that a name with a capital must be quoted for ever;
    /// MySQL compares names of tables with case on Linux and without on macOS and Windows.
    ///
    /// ## What to do
    ///
    /// Use `snake_case`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE "OrderItems" (id bigint PRIMARY KEY);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE order_items (id bigint PRIMARY KEY);
    /// ```
    "DS10" "naming"
    severity: Info,
    dialects: ALL,
    default: off,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let mut names: Vec<&Ident> = new_columns(cx.change).into_iter().map(|c| &c.name).collect();
    match cx.change {
        Change::CreateTable { def, .. } => names.insert(0, &def.name.name),
        Change::CreateIndex { index, .. } => names.extend(index.name.as_ref().map(|n| &n.name)),
        Change::CreateView { name, .. } | Change::RenameTable { to: name, .. } => {
            names.push(&name.name);
        }
        Change::RenameColumn { to, .. } => names.push(to),
        _ => {}
    }
    let odd = names.into_iter().find(|n| !is_snake_case(n.as_str()))?;
    Some(Draft::new(format!("`{odd}` is not snake_case")).help("use a to z, 0 to 9 and _"))
}

fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                ("mysql", "-- up\nCREATE TABLE t (`createdAt` int);", true),
                ("postgres", "-- up\nCREATE TABLE Orders (Id int);", false),
            ],
        );
    }
}
