//! LK05.

use downhaul_syntax::{Change, ConstraintKind};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports UNIQUE, PRIMARY KEY and EXCLUDE constraints that build their index on a table that
    /// holds rows, also written behind a new column, and `PRIMARY KEY USING INDEX` on a column that
    /// may be NULL, which reads the table.
    ///
    /// ## Why is this bad
    ///
    /// The index is built under an `ACCESS EXCLUSIVE` lock: nobody reads or writes until it is
    /// done.
    ///
    /// ## What to do
    ///
    /// Build a unique index `CONCURRENTLY`, then `ADD CONSTRAINT … USING INDEX`, which is instant.
    /// For a primary key make the columns `NOT NULL` before. EXCLUDE has no concurrent form.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ADD CONSTRAINT one_note UNIQUE (note);
    /// ```
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN code text UNIQUE;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text);
    /// CREATE UNIQUE INDEX one_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ADD CONSTRAINT one_note UNIQUE USING INDEX one_note;
    /// ```
    "LK05" "add-unique-or-pk-builds-index"
    severity: Error,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    match cx.change {
        Change::AddConstraint { table, constraint, .. } => {
            let own = cx.describe(table);
            match &constraint.kind {
                ConstraintKind::PrimaryKey { using_index: Some(index), .. } => {
                    cx.hits(&cx.effects.scans, table).then(|| {
                        Draft::new(format!(
                            "a column of `{index}` may be NULL: making it NOT NULL reads all of {own} \
                             while reads and writes wait"
                        ))
                        .help("make the columns NOT NULL first, proven by a validated CHECK")
                    })
                }
                ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. } => {
                    cx.hits(&cx.effects.builds_indexes, table).then(|| {
                        Draft::new(format!(
                            "building the index of the constraint blocks reads and writes on {own} \
                             until it is done"
                        ))
                        .help("build a unique index CONCURRENTLY, then add the constraint USING INDEX")
                    })
                }
                ConstraintKind::Exclude { .. } => {
                    cx.hits(&cx.effects.builds_indexes, table).then(|| {
                        Draft::new(format!(
                            "building the index of the constraint blocks reads and writes on {own} \
                             until it is done, and there is no concurrent way"
                        ))
                        .help("add it in a maintenance window, or to a new table that is filled in batches")
                    })
                }
                _ => None,
            }
        }
        Change::AddColumn { table, column, .. } => {
            let unique = column.constraints.iter().any(|c| {
                matches!(c.kind, ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. })
            });
            (unique && cx.hits(&cx.effects.builds_indexes, table)).then(|| {
                Draft::new(format!(
                    "building the index of `{}` blocks reads and writes on {} until it is done",
                    column.name,
                    cx.describe(table)
                ))
                .help("add the column alone, build a unique index CONCURRENTLY, then add the constraint USING INDEX")
            })
        }
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
                    r#"-- up
CREATE TABLE t (a int);
ALTER TABLE t ADD PRIMARY KEY (a);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int);
CREATE UNIQUE INDEX u ON t (a);
-- up
ALTER TABLE t ADD PRIMARY KEY USING INDEX u;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int NOT NULL);
CREATE UNIQUE INDEX u ON t (a);
-- up
ALTER TABLE t ADD PRIMARY KEY USING INDEX u;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- up
ALTER TABLE t ADD EXCLUDE USING gist (r WITH &&);"#,
                    true,
                ),
            ],
        );
    }
}
