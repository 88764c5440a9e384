//! BC01.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `DROP COLUMN` of a column that existed before this deployment.
    ///
    /// ## Why is this bad
    ///
    /// The release that is still running names the column in its statements: each of them fails
    /// from the moment the column is gone until the new release has replaced the old one
    /// everywhere. Many object mappers also read the list of columns once, at the start.
    ///
    /// ## What to do
    ///
    /// First release code that neither reads nor writes the column (if it is `NOT NULL` without a
    /// default, let it have a default before that). Drop it in a later migration, in the contract
    /// phase.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text);
    /// -- up
    /// ALTER TABLE orders DROP COLUMN note;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text);
    /// -- up
    /// -- downhaul:phase contract
    /// ALTER TABLE orders DROP COLUMN note;
    /// ```
    "BC01" "drop-column"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::DropColumn { table, column, .. } = cx.change else { return None };
    if cx.is_contract() || !cx.column_in_use(table, column) {
        return None;
    }
    let (readers, severity) = cx.release_use(column, cx.queries.of_column(table, column));
    Some(
        Draft::new(format!(
            "the running release may still use `{table}.{column}`: its statements fail once the \
             column is gone{readers}"
        ))
        .severity(severity)
        .help(
            "release code that no longer names the column, then drop it in a later migration \
             marked `-- downhaul:phase contract`",
        ),
    )
}
