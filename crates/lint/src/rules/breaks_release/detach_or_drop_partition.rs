//! BC15.

use downhaul_catalog::MysqlPartitions;
use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `DETACH PARTITION`, and MySQL `DROP`, `TRUNCATE`, `EXCHANGE` and `DISCARD` of a
    /// partition, on a table that existed before this deployment.
    ///
    /// ## Why is this bad
    ///
    /// The rows of the partition vanish for the running release, which reads them through the
    /// parent.
    ///
    /// ## What to do
    ///
    /// Make sure that no code asks for that range any more, and do it in the contract phase.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE events (at date NOT NULL) PARTITION BY RANGE (at);
    /// CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    /// -- up
    /// ALTER TABLE events DETACH PARTITION events_2020;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE events (at date NOT NULL) PARTITION BY RANGE (at);
    /// -- up
    /// CREATE TABLE events_2020 (at date NOT NULL);
    /// ALTER TABLE events ATTACH PARTITION events_2020 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    /// ```
    "BC15" "detach-or-drop-partition"
    severity: Error,
    dialects: SERVERS,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.is_contract() {
        return None;
    }
    let (table, which) = match cx.change {
        Change::DetachPartition { table, partition, .. } => (table, format!("`{partition}`")),
        Change::MysqlPartition { table, verb, text } => {
            let hides = ["drop", "truncate", "exchange", "discard", "convert"];
            if !hides.contains(&verb.to_lowercase().as_str()) {
                return None;
            }
            if !cx.may_have_partition(table, text) {
                return None;
            }
            let named = MysqlPartitions::named(text, cx.dialect());
            let named: Vec<String> = named.iter().map(|n| format!("`{n}`")).collect();
            (table, format!("partition {}", named.join(", ")))
        }
        _ => return None,
    };
    cx.in_use(table).then(|| {
        Draft::new(format!("the running release no longer finds the rows of {which} in `{table}`"))
            .help("make sure that no code asks for them, and do it in the contract phase")
    })
}
