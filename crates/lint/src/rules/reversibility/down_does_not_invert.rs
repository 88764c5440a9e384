//! RV02.

use downhaul_catalog::{Difference, DifferenceKind};

use crate::context::MigrationContext;
use crate::facts::MigrationFacts;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Replays the up and then the down on the schema before, and reports every difference that is
    /// left: a lost default, index, comment or constraint, another constraint name, an object left
    /// behind.
    ///
    /// ## Why is this bad
    ///
    /// After the way back the schema is not what it was. The next up may fail, and code that worked
    /// before may not.
    ///
    /// ## What to do
    ///
    /// Let `downhaul generate-down` write the exact inverse, or add what is missing.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders DROP COLUMN total;
    /// -- down
    /// ALTER TABLE orders ADD COLUMN total numeric(10,4);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN channel text;
    /// -- down
    /// ALTER TABLE orders DROP COLUMN channel;
    /// ```
    "RV02" "down-does-not-invert"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let Some(replay) = cx.replay else { return Vec::new() };
    let empty = cx.down.is_none_or(MigrationFacts::is_empty);
    if empty || replay.differences.is_empty() || !replay.problems.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> = replay.differences.iter().map(describe).collect();
    let more = lines.len().saturating_sub(8);
    lines.truncate(8);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    vec![
        Draft::new(format!(
            "after up and down the schema is not what it was: {}",
            lines.join("; ")
        ))
        .help("let `downhaul generate-down` write the exact inverse, or add what is missing")
        .in_down()
        .whole_file(),
    ]
}

fn describe(d: &Difference) -> String {
    let brief = |text: &str| match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    };
    match d.kind {
        DifferenceKind::OnlyLeft => format!("{} `{}` is missing", d.object, d.name),
        DifferenceKind::OnlyRight => format!("{} `{}` is left behind", d.object, d.name),
        DifferenceKind::Changed => format!(
            "{} of `{}` was {} and is {}",
            d.object,
            d.name,
            d.left.as_deref().map_or_else(|| "absent".into(), |t| format!("`{}`", brief(t))),
            d.right.as_deref().map_or_else(|| "absent".into(), |t| format!("`{}`", brief(t))),
        ),
    }
}
