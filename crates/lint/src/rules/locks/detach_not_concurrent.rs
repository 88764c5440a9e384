//! LK17.

use downhaul_syntax::{Change, Partitioning};

use crate::Severity;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `DETACH PARTITION` without `CONCURRENTLY` (PostgreSQL 14 and later), and `CREATE
    /// TABLE … PARTITION OF` an existing table: an error where a DEFAULT partition has to be read.
    ///
    /// ## Why is this bad
    ///
    /// Both lock the parent `ACCESS EXCLUSIVE`: every query on any partition waits (measured).
    /// `ATTACH PARTITION` only takes a lock that lets them go on.
    ///
    /// ## What to do
    ///
    /// Use `DETACH PARTITION … CONCURRENTLY`; create the partition as a table of its own, then
    /// attach it.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE events (at int NOT NULL) PARTITION BY RANGE (at);
    /// CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (100);
    /// CREATE TABLE events_2 (at int NOT NULL);
    /// -- up
    /// -- downhaul:phase contract
    /// ALTER TABLE events DETACH PARTITION events_1;
    /// ```
    ///
    /// ```sql postgres no-lock-budget
    /// -- history
    /// CREATE TABLE events (at int NOT NULL) PARTITION BY RANGE (at);
    /// CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (100);
    /// CREATE TABLE events_2 (at int NOT NULL);
    /// -- up
    /// CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (200) TO (300);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE events (at int NOT NULL) PARTITION BY RANGE (at);
    /// CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (100);
    /// CREATE TABLE events_2 (at int NOT NULL);
    /// -- up
    /// -- downhaul:no-transaction
    /// -- downhaul:phase contract
    /// ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY;
    /// ```
    "LK17" "detach-not-concurrent"
    severity: Warning,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    match cx.change {
        Change::DetachPartition { table, concurrently: false, finalize: false, .. } => {
            if !cx.populated(table) || !cx.options.at_least(14, 0, 0) {
                return None;
            }
            let draft = Draft::new(format!(
                "every query on {} waits while this is done",
                cx.describe(table)
            ));
            Some(if cx.default_partition(table).is_some() {
                draft.severity(cx.brief_lock()).help(
                    "beside a DEFAULT partition there is no concurrent way: use a lock timeout",
                )
            } else {
                draft.help("use DETACH PARTITION … CONCURRENTLY outside a transaction")
            })
        }
        Change::CreateTable { def, .. } => {
            let Some(Partitioning::Of { parent, .. }) = &def.partitioning else { return None };
            if !cx.populated(parent) {
                return None;
            }
            let draft = Draft::new(format!(
                "every query on {} waits while this is done",
                cx.describe(parent)
            ));
            let scanned = cx.populated_of(&cx.effects.scans);
            Some(match scanned.first() {
                Some(default) => Draft::new(format!(
                    "every query on {} waits while all of {} is read",
                    cx.describe(parent),
                    cx.describe(default)
                ))
                .severity(Severity::Error)
                .help("add a CHECK to the DEFAULT partition that excludes the bounds, create the table alone, then attach it"),
                None => draft.severity(cx.brief_lock()).help("create the table alone, then ATTACH PARTITION"),
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
                    r#"-- history
CREATE TABLE e (a int) PARTITION BY RANGE (a);
CREATE TABLE d PARTITION OF e DEFAULT;
-- up
CREATE TABLE e1 PARTITION OF e FOR VALUES FROM (1) TO (2);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TABLE e (a int) PARTITION BY RANGE (a);
CREATE TABLE e1 PARTITION OF e FOR VALUES FROM (1) TO (2);"#,
                    false,
                ),
            ],
        );
    }
}
