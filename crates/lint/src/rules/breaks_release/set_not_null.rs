//! BC07.

use downhaul_syntax::{Change, ConstraintKind};

use crate::Severity;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a column that becomes `NOT NULL` while the running release may leave it out or write
    /// NULL.
    ///
    /// ## Why is this bad
    ///
    /// Inserts and updates of the running release that leave the column empty are refused from then
    /// on. With a default only explicit NULLs are, which is a warning.
    ///
    /// ## What to do
    ///
    /// First give it a default or release code that always writes it; then demand it. A CHECK that
    /// already says `IS NOT NULL` proves that nobody writes NULL, and the rule is silent.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
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
    /// ALTER TABLE orders DROP CONSTRAINT note_given;
    /// ```
    "BC07" "set-not-null"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (table, column) = match cx.change {
        Change::SetNotNull { table, column } => (table, column),
        Change::ModifyColumn { table, from, column, .. } if column.not_null => (table, from),
        Change::AddConstraint { table, constraint, .. } => match &constraint.kind {
            ConstraintKind::NotNull { column } => (table, column),
            _ => return None,
        },
        _ => return None,
    };
    if cx.is_contract() || !cx.in_use(table) {
        return None;
    }
    let known = cx.column(table, column);
    if known.is_some_and(|c| c.not_null || c.generated.is_some() || c.identity.is_some()) {
        return None;
    }
    if cx.null_refused(table, column) {
        return None;
    }
    let filled = match cx.change {
        // A NULL counts on, too.
        Change::ModifyColumn { column, .. } if column.auto_increment => return None,
        // It states the whole column, the default too.
        Change::ModifyColumn { column, .. } => column.default.is_some(),
        _ => known.is_some_and(|c| c.default.is_some() || c.auto_increment),
    };
    let draft = if filled {
        Draft::new(format!(
            "writes of NULL to `{table}.{column}` by the running release are refused"
        ))
        .severity(Severity::Warning)
    } else {
        let (writers, severity) = cx.release_writes(cx.queries.of_table(table));
        Draft::new(format!(
            "inserts of the running release that leave out `{table}.{column}` are refused{writers}"
        ))
        .severity(severity)
    };
    Some(draft.help(
        "give the column a default, or first release code that always writes it; then demand it",
    ))
}

#[cfg(test)]
mod tests {
    use crate::Severity;
    use crate::examples::{cases, severities};

    /// `MODIFY` states the default too, also of a table that nobody knows.
    #[test]
    fn an_insert_that_gets_the_default_is_not_refused() {
        for (up, wanted) in [
            ("ALTER TABLE t MODIFY a int NOT NULL DEFAULT 0;", &[Severity::Warning][..]),
            ("ALTER TABLE t MODIFY a int NOT NULL;", &[Severity::Error]),
            ("ALTER TABLE t MODIFY id bigint NOT NULL AUTO_INCREMENT;", &[]),
        ] {
            assert_eq!(severities(&super::RULE, "mysql", up), wanted, "{up}");
        }
        // One that it leaves out is gone.
        let gone = "-- history\nCREATE TABLE t (a int DEFAULT 3);\n-- up\nALTER TABLE t MODIFY a int NOT NULL;";
        assert_eq!(severities(&super::RULE, "mysql", gone), [Severity::Error]);
    }

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
ALTER TABLE orders ALTER COLUMN total SET NOT NULL;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders ADD COLUMN b int;
ALTER TABLE orders ALTER COLUMN b SET NOT NULL;"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a int);
-- up
ALTER TABLE t MODIFY a int NOT NULL;"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a int NOT NULL);
-- up
ALTER TABLE t MODIFY a bigint NOT NULL;"#,
                    false,
                ),
            ],
        );
    }
}
