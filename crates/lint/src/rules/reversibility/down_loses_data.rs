//! RV03.

use crate::Severity;

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports what the down destroys of that which the new release has written since. A warning
    /// where the runner keeps no restore point.
    ///
    /// ## Why is this bad
    ///
    /// Going back for an hour and forward again then costs what users did in between.
    ///
    /// ## What to do
    ///
    /// Let Downhaul run the down, which keeps the values; or copy them to another place first.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres no-restore-points
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN channel text;
    /// -- down
    /// ALTER TABLE orders DROP COLUMN channel;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN note SET DEFAULT '';
    /// -- down
    /// ALTER TABLE orders ALTER COLUMN note DROP DEFAULT;
    /// ```
    "RV03" "down-loses-data"
    severity: Info,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let (Some(replay), Some(down)) = (cx.replay, cx.down) else { return Vec::new() };
    let mut names: Vec<String> = replay
        .losses
        .iter()
        .filter(|(_, l)| !l.partial)
        .map(|(_, l)| match &l.column {
            Some(column) => format!("`{}.{column}`", l.table),
            None => format!("`{}`", l.table),
        })
        .collect();
    names.dedup();
    let Some((first, _)) = replay.losses.iter().find(|(_, l)| !l.partial) else {
        return Vec::new();
    };
    let Some(statement) = down.statements.get(*first) else { return Vec::new() };
    let draft = Draft::new(format!("going back loses what was written to {}", names.join(", ")))
        .in_down()
        .at(statement.statement.span);
    vec![if cx.after.options.restore_points {
        draft.help("`downhaul down` keeps it first; another tool would not")
    } else {
        draft
            .severity(Severity::Warning)
            .help("let Downhaul keep a restore point, or copy the values to another place first")
    }]
}
