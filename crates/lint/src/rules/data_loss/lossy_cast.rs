//! DL04.

use downhaul_syntax::{Change, Dialect};

use crate::Severity;
use crate::effects::type_change::{Fit, fit, labels_fit, using_is_plain};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a change of type that cuts, rounds or refuses stored values, a `USING` that computes
    /// other values, and a change to a character set that cannot hold all characters.
    ///
    /// ## Why is this bad
    ///
    /// Depending on the database and on `USING`, values that do not fit make the statement fail
    /// halfway through a release, or are cut without a word. The down cannot bring them back.
    ///
    /// ## What to do
    ///
    /// Look for values that do not fit first. Add a new column and keep the old one until nobody
    /// misses it.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN total TYPE numeric(10,2);
    /// ```
    ///
    /// ```sql mysql
    /// -- history
    /// CREATE TABLE t (a text) DEFAULT CHARSET=utf8mb4;
    /// -- up
    /// ALTER TABLE t CONVERT TO CHARACTER SET latin1;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN total TYPE numeric(12,4);
    /// ```
    "DL04" "lossy-cast"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (table, column, new, using) = match cx.change {
        Change::AlterColumnType { table, column, ty, using, .. } => {
            (table, column, ty, using.as_ref())
        }
        Change::ModifyColumn { table, from, column, .. } => {
            (table, from, column.ty.as_ref()?, None)
        }
        Change::ConvertCharset { table, charset, .. } => {
            let narrow =
                matches!(charset.to_lowercase().as_str(), "latin1" | "ascii" | "utf8" | "utf8mb3");
            let from = cx
                .table(table)
                .and_then(|t| t.options.get("charset").or_else(|| t.options.get("default charset")))
                .map(|c| c.to_lowercase());
            let same = from.as_deref() == Some(charset.to_lowercase().as_str());
            return (narrow && !same && cx.in_use(table)).then(|| {
                Draft::new(format!(
                    "characters of {} that `{charset}` does not have are lost or make the statement fail",
                    cx.describe(table)
                ))
                .help("use utf8mb4")
            });
        }
        _ => return None,
    };
    if !cx.column_in_use(table, column) {
        return None;
    }
    let old = cx.column(table, column)?.ty.as_ref()?;
    let computed = using.is_some_and(|u| !using_is_plain(u, column, new));
    let kind = if matches!(old.name.as_str(), "enum" | "set")
        && old.name == new.name
        && !old.args.is_empty()
    {
        labels_fit(old, new)
    } else {
        fit(old, new, cx.catalog)
    };
    match kind {
        Fit::Narrower(values) => {
            let how = if cx.dialect() == Dialect::Postgres && using.is_none() && fails(values) {
                "make the statement fail"
            } else {
                "are lost or make the statement fail"
            };
            Some(
                Draft::new(format!(
                    "`{table}.{column}` from `{}` to `{}`: {values} {how}",
                    old.raw, new.raw
                ))
                .help("look for such values first; keep the old column until nobody misses it"),
            )
        }
        Fit::Same | Fit::Wider | Fit::Other if computed => Some(
            Draft::new(format!(
                "`USING` computes new values of `{table}.{column}`: what it leaves out is lost"
            ))
            .severity(Severity::Warning)
            .help("keep the old column until nobody misses it"),
        ),
        _ => None,
    }
}

/// PostgreSQL rounds some values and refuses others.
fn fails(values: &str) -> bool {
    !values.contains("rounded") && !values.contains("dropped") && !values.contains("precision of a")
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
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
ALTER TABLE orders ALTER COLUMN note TYPE varchar(10);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
ALTER TABLE orders ALTER COLUMN id TYPE int;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
ALTER TABLE orders ALTER COLUMN customer TYPE text;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
ALTER TABLE orders ALTER COLUMN state TYPE int USING length(state);"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a bigint);
-- up
ALTER TABLE t MODIFY a int;"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a int);
-- up
ALTER TABLE t MODIFY a bigint;"#,
                    false,
                ),
            ],
        );
    }
}
