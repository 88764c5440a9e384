//! LK04.

use downhaul_syntax::{Change, ConstraintKind, Span};

use crate::finding::Edit;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a CHECK or FOREIGN KEY that is added without `NOT VALID` to a table that holds rows,
    /// and a constraint on a domain that columns use.
    ///
    /// ## Why is this bad
    ///
    /// PostgreSQL reads the whole table while it holds the lock: for a CHECK `ACCESS EXCLUSIVE`
    /// (nobody reads), for a FOREIGN KEY `SHARE ROW EXCLUSIVE` on both tables (nobody writes to
    /// either).
    ///
    /// ## What to do
    ///
    /// Add it `NOT VALID`, which only looks at new rows, and `VALIDATE CONSTRAINT` in a later
    /// migration: that lets reads and writes go on.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0);
    /// ```
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ADD CONSTRAINT of_customer FOREIGN KEY (customer) REFERENCES customers;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;
    /// ```
    "LK04" "add-constraint-validated"
    severity: Error,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    match cx.change {
        Change::AddConstraint { table, constraint, .. } => {
            if constraint.not_valid || constraint.not_enforced || !cx.hits(&cx.effects.scans, table)
            {
                return None;
            }
            let own = cx.describe(table);
            match &constraint.kind {
                ConstraintKind::Check { .. } => Some(
                    Draft::new(format!("checking all rows of {own} blocks reads and writes until it is done"))
                        .help("add the constraint `NOT VALID`, and `VALIDATE CONSTRAINT` in a later migration")
                        .fix("add NOT VALID", not_valid(cx)),
                ),
                ConstraintKind::ForeignKey { table: to, .. } => {
                    let partitioned = cx.is_partitioned(table) && !cx.options.at_least(18, 0, 0);
                    let draft = Draft::new(format!(
                        "checking all rows of {own} blocks writes to it and to {} until it is done",
                        cx.describe(to)
                    ));
                    Some(if partitioned {
                        draft.help("before PostgreSQL 18 a partitioned table takes no `NOT VALID` foreign key: add it to each partition `NOT VALID`, validate there, then add it to the parent")
                    } else {
                        draft
                            .help("add the constraint `NOT VALID`, and `VALIDATE CONSTRAINT` in a later migration")
                            .fix("add NOT VALID", not_valid(cx))
                    })
                }
                _ => None,
            }
        }
        Change::AlterDomain { name, .. } => {
            let tables: Vec<String> =
                cx.populated_of(&cx.effects.scans).into_iter().map(|t| cx.describe(t)).collect();
            (!tables.is_empty()).then(|| {
                Draft::new(format!(
                    "checking domain `{name}` reads every table that uses it while writes wait: {}",
                    tables.join(", ")
                ))
                .help("add the constraint `NOT VALID`, and `VALIDATE CONSTRAINT` in a later migration")
            })
        }
        _ => None,
    }
}

fn not_valid(cx: &ChangeContext<'_>) -> Vec<Edit> {
    vec![Edit { span: Span::new(cx.span.end, cx.span.end), text: " NOT VALID".to_owned() }]
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
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
CREATE TABLE t (c bigint);
ALTER TABLE t ADD FOREIGN KEY (c) REFERENCES customers;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- up
ALTER TABLE orders ADD CHECK (a > 0);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE DOMAIN d AS int;
CREATE TABLE t (a d);
-- up
ALTER DOMAIN d ADD CHECK (VALUE > 0);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE DOMAIN d AS int;
CREATE TABLE t (a d);
-- up
ALTER DOMAIN d ADD CHECK (VALUE > 0) NOT VALID;"#,
                    false,
                ),
            ],
        );
    }
}
