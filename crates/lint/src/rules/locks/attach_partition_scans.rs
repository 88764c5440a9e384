//! LK16.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `ATTACH PARTITION` of a table that holds rows and has no CHECK that proves its
    /// bounds, or beside a DEFAULT partition.
    ///
    /// ## Why is this bad
    ///
    /// The new partition is read in full under an `ACCESS EXCLUSIVE` lock, and so is the DEFAULT
    /// partition (measured).
    ///
    /// ## What to do
    ///
    /// Add a CHECK with exactly the bounds to the new partition, and its negation to the DEFAULT
    /// partition, validate both, attach, drop the CHECKs.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE events (at int NOT NULL) PARTITION BY RANGE (at);
    /// CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (100);
    /// CREATE TABLE events_2 (at int NOT NULL);
    /// -- up
    /// ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM (100) TO (200);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE events (at int NOT NULL) PARTITION BY RANGE (at);
    /// CREATE TABLE events_2 (at int NOT NULL, CONSTRAINT bounds CHECK (at >= 100 AND at < 200));
    /// -- up
    /// ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM (100) TO (200);
    /// ```
    "LK16" "attach-partition-scans"
    severity: Error,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::AttachPartition { .. } = cx.change else { return None };
    let tables: Vec<String> =
        cx.populated_of(&cx.effects.scans).into_iter().map(|t| cx.describe(t)).collect();
    (!tables.is_empty()).then(|| {
        Draft::new(format!(
            "all of {} is read while reads and writes on it wait",
            tables.join(" and of ")
        ))
        .help("add a CHECK with exactly the bounds first, validate it, attach, drop it")
    })
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn a_default_partition_that_leaves_the_bounds_out() {
        for (check, expect) in [
            ("at < 100 OR at >= 200", false),
            ("at >= 200 OR at < 100", false),
            ("NOT (at >= 100 AND at < 200)", false),
            // That it leaves out more is not worked out.
            ("at < 100 OR at >= 300", true),
            ("at < 100 OR at > 150", true),
            ("at < 90", true),
        ] {
            let text = format!(
                "-- history\nCREATE TABLE events (at int NOT NULL) PARTITION BY RANGE (at);\n\
                 CREATE TABLE rest PARTITION OF events DEFAULT;\n\
                 CREATE TABLE events_2 (at int NOT NULL, CONSTRAINT b CHECK (at >= 100 AND at < 200));\n\
                 ALTER TABLE rest ADD CONSTRAINT c CHECK ({check});\n-- up\n\
                 ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM (100) TO (200);"
            );
            cases(&super::RULE, &[("postgres", &text, expect)]);
        }
    }
}
