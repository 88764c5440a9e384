//! BC19.

use downhaul_syntax::{Change, Dialect, Ident, ObjectName};

use crate::Severity;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a new name that is longer than the server keeps (63 bytes on PostgreSQL, 64
    /// characters on MySQL), and one that differs from an existing name only in case.
    ///
    /// ## Why is this bad
    ///
    /// PostgreSQL cuts long names without an error: two long names can become one, and code that
    /// asks for the long one finds the short one. Names that differ only in case are mistaken for
    /// each other, and clash on servers that ignore case.
    ///
    /// ## What to do
    ///
    /// Choose a shorter or clearly different name.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE a_table_whose_name_is_so_long_that_the_server_will_cut_it_without_a_word (id int);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE orders (id int);
    /// ```
    "BC19" "case-or-name-clash"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (name, what): (&Ident, &str) = match cx.change {
        Change::CreateTable { def, .. } => (&def.name.name, "table"),
        Change::AddColumn { column, .. } => (&column.name, "column"),
        Change::CreateIndex { index, .. } => (&index.name.as_ref()?.name, "index"),
        Change::CreateView { name, .. } => (&name.name, "view"),
        Change::RenameTable { to, .. } => (&to.name, "table"),
        Change::RenameColumn { to, .. } => (to, "column"),
        Change::AddConstraint { constraint, .. } => (constraint.name.as_ref()?, "constraint"),
        _ => return None,
    };
    if let Some(draft) = too_long(cx, name, what) {
        return Some(draft);
    }
    if let Change::CreateTable { def, .. } = cx.change
        && let Some(long) = def.columns.iter().find_map(|c| too_long(cx, &c.name, "column"))
    {
        return Some(long);
    }
    clash(cx).map(|(new, old)| {
        Draft::new(format!("`{new}` differs from the existing `{old}` only in case"))
            .help("choose a clearly different name")
    })
}

fn too_long(cx: &ChangeContext<'_>, name: &Ident, what: &str) -> Option<Draft> {
    match cx.dialect() {
        Dialect::Postgres if name.as_str().len() > 63 => {
            let mut end = 63;
            while !name.as_str().is_char_boundary(end) {
                end -= 1;
            }
            Some(
                Draft::new(format!(
                    "PostgreSQL keeps 63 bytes of a name: this {what} will be called `{}`",
                    &name.as_str()[..end]
                ))
                .help("choose a shorter name"),
            )
        }
        Dialect::Mysql | Dialect::MariaDb if name.as_str().chars().count() > 64 => Some(
            Draft::new(format!("a name has at most 64 characters: this {what} is refused"))
                .severity(Severity::Error)
                .help("choose a shorter name"),
        ),
        _ => None,
    }
}

/// The new name and the one it is mistaken for. Only PostgreSQL tells them apart.
fn clash(cx: &ChangeContext<'_>) -> Option<(String, String)> {
    if cx.dialect() != Dialect::Postgres {
        return None;
    }
    match cx.change {
        Change::CreateTable { def, .. } => {
            let name = &def.name.name;
            if !name.as_str().bytes().any(|b| b.is_ascii_uppercase()) {
                return None;
            }
            let lower = Ident::stored(cx.dialect(), &name.as_str().to_ascii_lowercase());
            let other = ObjectName { schema: def.name.schema.clone(), name: lower };
            cx.table(&other).map(|t| (name.to_string(), t.name.to_string()))
        }
        Change::AddColumn { table, column, .. } => cx
            .table(table)?
            .columns
            .alike(&column.name)
            .next()
            .map(|c| (column.name.to_string(), c.name.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                (
                    "postgres",
                    r#"-- history
CREATE TABLE users (id int);
-- up
CREATE TABLE "Users" (id int);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE users (id int, name text);
-- up
ALTER TABLE users ADD COLUMN "Name" text;"#,
                    true,
                ),
            ],
        );
    }
}
