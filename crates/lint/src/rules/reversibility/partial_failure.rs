//! RV06.

use crate::Severity;
use crate::rules::transactions::commits;

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a migration of several statements of which each commits by itself. Information where
    /// the runner notes every step, as Downhaul does.
    ///
    /// ## Why is this bad
    ///
    /// When a later statement fails, the earlier ones stay: neither up nor down fits the schema
    /// then.
    ///
    /// ## What to do
    ///
    /// One statement a migration; or let Downhaul run it, which knows what was done and goes on
    /// from there.
    ///
    /// ## Unsafe example
    ///
    /// ```sql mysql no-restore-points
    /// -- history
    /// CREATE TABLE t (a int);
    /// -- up
    /// ALTER TABLE t ADD b int;
    /// ALTER TABLE t ADD c int;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE t (a int);
    /// -- up
    /// ALTER TABLE t ADD b int, ADD c int;
    /// ```
    "RV06" "partial-failure"
    severity: Warning,
    dialects: MYSQL_FAMILY,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let Some(up) = cx.up else { return Vec::new() };
    let mut ddl: Vec<usize> =
        up.items.iter().filter(|i| commits(i.change)).map(|i| i.statement).collect();
    ddl.dedup();
    let (Some(first), Some(second)) = (ddl.first(), ddl.get(1)) else { return Vec::new() };
    let line = |at: &usize| up.statements.get(*at).map_or(0, |s| s.line);
    let Some(statement) = up.statements.get(*second) else { return Vec::new() };
    let severity = if cx.after.options.restore_points { Severity::Info } else { Severity::Warning };
    vec![
        Draft::new(format!(
            "if the statement at line {} fails, what line {} did stays",
            line(second),
            line(first)
        ))
        .severity(severity)
        .help("one statement a migration, or a runner that notes every step")
        .at(statement.statement.span),
    ]
}
