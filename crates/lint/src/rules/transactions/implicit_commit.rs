//! TX04.

use super::commits;

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a statement of MySQL or MariaDB that commits by itself, in a transaction that also
    /// changes rows.
    ///
    /// ## Why is this bad
    ///
    /// The transaction ends there: what was changed before can no longer be rolled back, what comes
    /// after runs on its own (measured).
    ///
    /// ## What to do
    ///
    /// Keep changes of rows and of tables in migrations of their own.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (a int);
    /// -- up
    /// INSERT INTO t VALUES (1);
    /// ALTER TABLE t ADD b int;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (a int);
    /// -- up
    /// ALTER TABLE t ADD b int;
    /// ```
    "TX04" "implicit-commit"
    severity: Warning,
    dialects: MYSQL_FAMILY,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let Some(up) = cx.up else { return Vec::new() };
    let in_block = |s: usize| up.statements.get(s).is_some_and(|s| s.in_block);
    let Some(first) = up.items.iter().find(|i| i.change.is_dml() && in_block(i.statement)) else {
        return Vec::new();
    };
    let transaction = up.statements[first.statement].transaction;
    let Some(ddl) = up
        .items
        .iter()
        .find(|i| commits(i.change) && up.statements[i.statement].transaction == transaction)
    else {
        return Vec::new();
    };
    let line = up.statements[first.statement].line;
    vec![
        Draft::new(format!(
            "this commits by itself: it cannot be rolled back together with line {line}"
        ))
        .help("keep changes of rows and of tables in migrations of their own")
        .at(ddl.span),
    ]
}
