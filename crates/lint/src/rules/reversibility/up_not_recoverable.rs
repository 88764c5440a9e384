//! RV04.

use downhaul_syntax::Change;

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports an up that destroys data and a down that can only make the empty shape again, where
    /// no restore point is kept (another runner, or `-- downhaul:protect off`).
    ///
    /// ## Why is this bad
    ///
    /// The down looks like a way back and is none: the column or table returns empty.
    ///
    /// ## What to do
    ///
    /// Let Downhaul keep a restore point, or keep the old data in place (rename it out of sight)
    /// until nobody needs the way back.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres no-restore-points
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders DROP COLUMN note;
    /// -- down
    /// ALTER TABLE orders ADD COLUMN note text;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres no-restore-points
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN code text;
    /// -- down
    /// ALTER TABLE orders DROP COLUMN code;
    /// ```
    "RV04" "up-not-recoverable"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let (Some(up), Some(down)) = (cx.up, cx.down) else { return Vec::new() };
    let mut drafts = Vec::new();
    for (item, effects) in up.items.iter().zip(cx.effects) {
        for loss in effects.loses.iter().filter(|l| !l.partial) {
            if cx.after.options.restore_points && !up.unprotected(&loss.table) {
                continue;
            }
            let again = down.changes().any(|c| match (c, &loss.column) {
                (Change::AddColumn { table, column, .. }, Some(lost)) => {
                    table.name == loss.table.name && column.name == *lost
                }
                (Change::CreateTable { def, .. }, None) => def.name.name == loss.table.name,
                _ => false,
            });
            if again {
                let name = match &loss.column {
                    Some(column) => format!("{}.{column}", loss.table),
                    None => loss.table.to_string(),
                };
                drafts.push(
                    Draft::new(format!("the down makes `{name}` again, but empty"))
                        .help(
                            "let Downhaul keep a restore point, or rename it out of sight instead",
                        )
                        .at(item.span),
                );
            }
        }
    }
    drafts
}
