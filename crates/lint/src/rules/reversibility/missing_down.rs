//! RV01.

use crate::Severity;
use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a migration without a down, or whose down is empty or holds only comments,
    /// although its up changes something.
    ///
    /// ## Why is this bad
    ///
    /// When the release has to go back, someone writes the way back by hand, in a hurry, on the
    /// production database.
    ///
    /// ## What to do
    ///
    /// Write the down, or let `downhaul generate-down` write it from the schema.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE orders (id bigint PRIMARY KEY);
    /// -- down
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE orders (id bigint PRIMARY KEY);
    /// -- down
    /// DROP TABLE orders;
    /// ```
    "RV01" "missing-down"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    if !cx.down_wanted() || cx.up.is_none_or(|up| up.is_empty()) {
        return Vec::new();
    }
    match cx.down {
        None => vec![
            Draft::new("this migration has no down: there is no way back")
                .help("write it, or run `downhaul generate-down`")
                .whole_file(),
        ],
        Some(down) if down.is_empty() => {
            // An up that only changes rows leaves the schema as it was.
            let rows_only = cx.replay.is_some_and(|r| r.compared && r.differences.is_empty());
            let draft = if rows_only {
                Draft::new("the down does nothing: the rows that the up changed stay so")
                    .severity(Severity::Info)
            } else {
                Draft::new("the down does nothing: what the up did stays")
            };
            vec![draft.help("write it, or run `downhaul generate-down`").in_down().whole_file()]
        }
        Some(_) => Vec::new(),
    }
}
