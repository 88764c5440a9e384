//! LK06.

use downhaul_syntax::{Change, ConstraintKind};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `SET NOT NULL` on a table that holds rows where no validated CHECK proves that the
    /// column is never NULL.
    ///
    /// ## Why is this bad
    ///
    /// PostgreSQL reads the whole table under an `ACCESS EXCLUSIVE` lock: nobody reads or writes
    /// until it is done.
    ///
    /// ## What to do
    ///
    /// Add `CHECK (column IS NOT NULL) NOT VALID`, validate it in a later migration, then `SET NOT
    /// NULL` (instant, measured on PostgreSQL 12 and later), then drop the CHECK. On PostgreSQL 18:
    /// `ADD CONSTRAINT … NOT NULL column NOT VALID`, then validate.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN note SET NOT NULL;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, CONSTRAINT note_given CHECK (note IS NOT NULL));
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN note SET NOT NULL;
    /// ```
    "LK06" "set-not-null-scans"
    severity: Error,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (table, column) = match cx.change {
        Change::SetNotNull { table, column } => (table, column),
        Change::AddConstraint { table, constraint, .. } => match &constraint.kind {
            ConstraintKind::NotNull { column } => (table, column),
            _ => return None,
        },
        _ => return None,
    };
    if !cx.hits(&cx.effects.scans, table) {
        return None;
    }
    let dialect = cx.dialect();
    let (t, c) = (dialect.quote_name_if_needed(table), dialect.quote_if_needed(column));
    let name = dialect.quote_str(&format!("{}_not_null", column.as_str()));
    Some(
        Draft::new(format!(
            "reading all of {} to see that `{column}` is never NULL blocks reads and writes",
            cx.describe(table)
        ))
        .help("add a CHECK NOT VALID, validate it in a later migration, then SET NOT NULL")
        .rewrite(if cx.options.at_least(18, 0, 0) {
            format!(
                "ALTER TABLE {t} ADD CONSTRAINT {name} NOT NULL {c} NOT VALID;\n\
                 -- in a later migration\n\
                 ALTER TABLE {t} VALIDATE CONSTRAINT {name};"
            )
        } else {
            format!(
                "ALTER TABLE {t} ADD CONSTRAINT {name} CHECK ({c} IS NOT NULL) NOT VALID;\n\
                 -- in a later migration\n\
                 ALTER TABLE {t} VALIDATE CONSTRAINT {name};\n\
                 -- in the one after\n\
                 ALTER TABLE {t} ALTER COLUMN {c} SET NOT NULL;\n\
                 ALTER TABLE {t} DROP CONSTRAINT {name};"
            )
        }),
    )
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
CREATE TABLE t (a int CONSTRAINT k CHECK (a > 1));
ALTER TABLE t ADD CONSTRAINT nn CHECK (a IS NOT NULL) NOT VALID;
-- up
ALTER TABLE t ALTER a SET NOT NULL;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int);
ALTER TABLE t ADD CONSTRAINT nn CHECK (a IS NOT NULL) NOT VALID;
-- history
ALTER TABLE t VALIDATE CONSTRAINT nn;
-- up
ALTER TABLE t ALTER a SET NOT NULL;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
ALTER TABLE orders ALTER total SET NOT NULL;"#,
                    false,
                ),
            ],
        );
    }
}
