//! RV07.

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a file that was applied and has been changed since.
    ///
    /// ## Why is this bad
    ///
    /// Databases that ran the old text are not what the file says, and no tool can tell how they
    /// differ.
    ///
    /// ## What to do
    ///
    /// Put the old text back and write a new migration for the change.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres edited
    /// -- up
    /// CREATE TABLE t (a int);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (a int);
    /// ```
    "RV07" "edited-after-apply"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    if !cx.input.edited {
        return Vec::new();
    }
    vec![
        Draft::new("this file was applied and has been changed since")
            .help("put the old text back and write a new migration for the change")
            .whole_file(),
    ]
}
