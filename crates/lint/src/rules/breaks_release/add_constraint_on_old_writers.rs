//! BC09.

use downhaul_syntax::{Change, ConstraintKind};

use crate::Severity;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a new CHECK, UNIQUE, FOREIGN KEY or EXCLUDE constraint, or a unique index, on
    /// columns that the running release writes. With `NOT VALID`, and for an index, it is
    /// information: the author is on the careful path.
    ///
    /// ## Why is this bad
    ///
    /// A constraint binds new writes at once, also `NOT VALID`: what the running release still
    /// writes may be refused.
    ///
    /// ## What to do
    ///
    /// Make sure that the running release already keeps the rule. Where it does not, release that
    /// first.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total > 0);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders ADD COLUMN weight int;
    /// ALTER TABLE orders ADD CONSTRAINT w CHECK (weight > 0) NOT VALID;
    /// ```
    "BC09" "add-constraint-on-old-writers"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.is_contract() {
        return None;
    }
    let (table, columns, what, careful) = match cx.change {
        Change::AddConstraint { table, constraint, .. } if !constraint.not_enforced => {
            let (columns, what): (Vec<_>, _) = match &constraint.kind {
                ConstraintKind::Check { expr, .. } => {
                    (expr.columns.clone(), "rows that fail the check")
                }
                ConstraintKind::ForeignKey { columns, .. } => {
                    (columns.clone(), "rows whose referenced row is missing")
                }
                ConstraintKind::Unique { columns, using_index: None, .. }
                | ConstraintKind::PrimaryKey { columns, using_index: None } => {
                    (columns.clone(), "duplicates")
                }
                ConstraintKind::Exclude { columns, .. } => (columns.clone(), "rows that conflict"),
                _ => return None,
            };
            (table, columns, what, constraint.not_valid)
        }
        Change::CreateIndex { index, .. } if index.unique => {
            let columns = index.parts.iter().filter_map(|p| p.column.clone()).collect();
            (&index.table, columns, "duplicates", true)
        }
        _ => return None,
    };
    let written = columns.is_empty() || columns.iter().any(|c| cx.column_in_use(table, c));
    if !cx.in_use(table) || !written {
        return None;
    }
    let draft = Draft::new(format!(
        "from now on {what} are refused in `{table}`, also those that the running release writes"
    ))
    .help("make sure that the running release already keeps this rule");
    // Not valid for old rows, it binds new ones all the same (measured).
    Some(if careful { draft.severity(Severity::Warning) } else { draft })
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
                    r#"-- up
CREATE TABLE t (a int);
ALTER TABLE t ADD CHECK (a > 0);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders ADD COLUMN c bigint;
ALTER TABLE orders ADD FOREIGN KEY (c) REFERENCES orders (id);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders ADD UNIQUE (note);"#,
                    true,
                ),
            ],
        );
    }
}
