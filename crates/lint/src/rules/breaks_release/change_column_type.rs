//! BC05.

use downhaul_syntax::{Change, SqlType};

use crate::Severity;
use crate::effects::type_change::{Fit, fit};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a change of a column's type that releases which know the old type may not survive:
    /// another kind of value (error), fewer values (error), or more values than the old type holds
    /// (warning). A longer `varchar`, `varchar` to `text`, or a larger `numeric` precision is
    /// silent.
    ///
    /// ## Why is this bad
    ///
    /// Typed clients decode by the type they were built for: a 32-bit field that receives `bigint`,
    /// or a `timestamp` that became `timestamptz`, fails or shows wrong values. Writes of the old
    /// release may be refused by the new type.
    ///
    /// ## What to do
    ///
    /// Add a column of the new type, keep both in step, backfill in batches, switch the code, drop
    /// the old column later.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN id TYPE text;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN state TYPE varchar(40);
    /// ```
    "BC05" "change-column-type"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if let Change::AlterCompositeType { name, .. } = cx.change {
        let users = cx.tables_of_type(name);
        let user = users.iter().find(|t| cx.in_use(t))?;
        return Some(
            Draft::new(format!(
                "values of type `{name}`, which `{user}` holds, have other fields: statements of \
                 the running release that write or take them apart fail"
            ))
            .help("make a new type and a new column of it"),
        );
    }
    let (table, column, new) = match cx.change {
        Change::AlterColumnType { table, column, ty, .. } => (table, column, ty),
        Change::ModifyColumn { table, from, column, .. } => (table, from, column.ty.as_ref()?),
        _ => return None,
    };
    if cx.is_contract() || !cx.column_in_use(table, column) {
        return None;
    }
    let old = cx.column(table, column).and_then(|c| c.ty.as_ref());
    if old.is_some_and(|o| labels(o) && labels(new)) {
        return None;
    }
    let name = format!("`{table}.{column}`");
    let kind = old.map_or(Fit::Unknown, |o| fit(o, new, cx.catalog));
    let was = old.map_or_else(String::new, |o| format!(" from `{}`", o.raw));
    let readers = cx.listed(cx.queries.of_column(table, column));
    let untouched = !cx.queries.is_empty() && readers.is_empty();
    let (what, severity) = match kind {
        Fit::Same => return None,
        Fit::Wider => (
            format!(
                "clients of the running release may not hold what {name} can hold as `{}`",
                new.raw
            ),
            Severity::Warning,
        ),
        Fit::Narrower(values) => (
            format!(
                "writes of the running release to {name} are refused or cut as `{}`: {values}",
                new.raw
            ),
            Severity::Error,
        ),
        Fit::Other if json(old, new) => (
            format!("{name} changes{was} to `{}`: clients that check types may refuse it", new.raw),
            Severity::Warning,
        ),
        Fit::Other => (
            format!(
                "{name} changes{was} to `{}`: statements and clients of the running release \
                     expect the old type",
                new.raw
            ),
            Severity::Error,
        ),
        Fit::Unknown => (
            format!(
                "{name} changes to `{}`: whether the running release survives depends on the \
                     old type, which is not known here",
                new.raw
            ),
            Severity::Warning,
        ),
    };
    // What is refused depends on the values; the rest only concerns who names the column.
    let severity = if untouched && !matches!(kind, Fit::Narrower(_)) {
        severity.min(cx.unless_in_server_code(column))
    } else {
        severity
    };
    Some(
        Draft::new(format!("{what}{readers}"))
            .severity(severity)
            .help("add a column of the new type, keep both in step, backfill, switch the code, drop the old column later"),
    )
}

/// MySQL `ENUM` and `SET` have a rule of their own.
fn labels(ty: &SqlType) -> bool {
    matches!(ty.name.as_str(), "enum" | "set") && !ty.args.is_empty()
}

fn json(old: Option<&SqlType>, new: &SqlType) -> bool {
    old.is_some_and(|o| o.name.starts_with("json")) && new.name.starts_with("json")
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
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders ALTER COLUMN state TYPE text;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders ALTER COLUMN total TYPE numeric(12,2);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders ALTER COLUMN total TYPE integer;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TABLE t (a int);
ALTER TABLE t ALTER a TYPE text;"#,
                    false,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a int);
-- up
ALTER TABLE t MODIFY a varchar(10);"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a int(11));
-- up
ALTER TABLE t MODIFY a int NOT NULL;"#,
                    false,
                ),
            ],
        );
    }
}
