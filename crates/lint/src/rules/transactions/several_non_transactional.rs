//! TX06.

use downhaul_syntax::Change;

use crate::Severity;

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a file that runs outside a transaction and holds several statements that change
    /// something. Information where the runner notes every step, as Downhaul does.
    ///
    /// ## Why is this bad
    ///
    /// When a later statement fails, the earlier ones stay, and the file cannot simply be run
    /// again.
    ///
    /// ## What to do
    ///
    /// One such statement a file.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres no-restore-points
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// -- downhaul:no-transaction
    /// CREATE INDEX CONCURRENTLY a ON orders (note);
    /// CREATE INDEX CONCURRENTLY b ON orders (total);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// -- downhaul:no-transaction
    /// CREATE INDEX CONCURRENTLY a ON orders (note);
    /// ```
    "TX06" "several-non-transactional"
    severity: Warning,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let Some(up) = cx.up else { return Vec::new() };
    let mut changing: Vec<usize> = up
        .items
        .iter()
        .filter(|i| {
            !matches!(
                i.change,
                Change::NoEffect { .. }
                    | Change::Transaction { .. }
                    | Change::SetVariable { .. }
                    | Change::Select { .. }
                    | Change::Analyze { .. }
                    | Change::Vacuum { .. }
            ) && !guarded(i.change)
        })
        .map(|i| i.statement)
        .collect();
    changing.dedup();
    let (Some(first), Some(second)) = (changing.first(), changing.get(1)) else {
        return Vec::new();
    };
    let (a, b) = (&up.statements[*first], &up.statements[*second]);
    if a.in_block || b.in_block || a.transaction == b.transaction {
        return Vec::new();
    }
    let severity = if cx.after.options.restore_points { Severity::Info } else { Severity::Warning };
    vec![
        Draft::new(format!(
            "if the statement at line {} fails, what line {} did stays",
            b.line, a.line
        ))
        .severity(severity)
        .help("one such statement a file, or a runner that notes every step")
        .at(b.statement.span),
    ]
}

/// It can be run again.
fn guarded(change: &Change) -> bool {
    matches!(
        change,
        Change::DropIndex { if_exists: true, .. } | Change::DropTable { if_exists: true, .. }
    )
}
