//! How a table's rows are written back. Pure.
//!
//! Row by row costs what each changed row costs, with every index on it, and leaves the old versions
//! behind. To write the table anew costs what the whole table costs, but in bulk and without waste.

use std::time::Duration;

use super::plan::{Plan, TablePlan};

/// What a person wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// The cheaper one.
    #[default]
    Auto,
    /// Row by row.
    Rows,
    /// The whole table, wherever that is possible.
    Rewrite,
}

/// How it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Changed rows alone; readers go on.
    Rows,
    /// The table is emptied and filled anew; readers wait for that long.
    Rewrite,
}

/// Below so many changed rows nobody waits for the difference.
const FEW: i64 = 10_000;

/// So many per cent changed make a table anew cheaper than its rows one by one: measured even at
/// a third (`cargo bench --bench snapshot`).
const SHARE: i64 = 40;

/// So many that it is worth a look how they are written back best.
pub(super) fn are_many(changes: i64) -> bool {
    changes >= FEW
}

/// So much of a table is looked at that to read it from end to end is cheaper than by its index.
pub(super) fn in_bulk(events: i64, rows: i64) -> bool {
    are_many(events) && events.saturating_mul(20) >= rows
}

/// What the counts say: why to write it anew, or why not.
pub(super) fn by_share(table: &TablePlan, wish: Wish) -> Result<String, String> {
    let changes = table.changes();
    // Those that are there and those that come.
    let rows = table.rows.max(table.updates + table.deletes).saturating_add(table.inserts).max(1);
    let share = changes.saturating_mul(100) / rows;
    match wish {
        _ if changes == 0 => Err(String::new()),
        Wish::Rows => Err("you chose so".into()),
        Wish::Rewrite => Ok("you chose so".into()),
        Wish::Auto if !are_many(changes) => Err("few rows change".into()),
        Wish::Auto if share < SHARE => Err(format!("{share} % of its rows change")),
        Wish::Auto => Ok(format!("{share} % of its rows change")),
    }
}

/// The way, and why, where `obstacle` may stand against what the counts say.
pub(super) fn choose(
    share: Result<String, String>,
    obstacle: Option<String>,
) -> (Strategy, String) {
    match (share, obstacle) {
        (Ok(why), None) => (Strategy::Rewrite, why),
        (Ok(why), Some(obstacle)) => (Strategy::Rows, format!("{why}, but {obstacle}")),
        (Err(why), _) => (Strategy::Rows, why),
    }
}

/// How long it will take, from how long its preview took on the same server: both read the same
/// history and the same rows. Measured at 1,000,000 rows.
#[must_use]
pub fn estimate(plan: &Plan, preview: Duration) -> Duration {
    let (mut all, mut weighed) = (0.0, 0.0);
    for table in plan.tables.iter().filter(|t| !t.is_empty()) {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let changes = table.changes() as f64;
        all += changes;
        weighed += changes
            * match table.strategy {
                Strategy::Rows => 4.5,
                Strategy::Rewrite => 3.5,
            };
    }
    if all == 0.0 { Duration::ZERO } else { preview.mul_f64(weighed / all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_obstacle_is_named_with_what_it_stands_against() {
        let (strategy, why) =
            choose(Ok("90 % of its rows change".into()), Some("b refers to it".into()));
        assert_eq!(strategy, Strategy::Rows);
        assert_eq!(why, "90 % of its rows change, but b refers to it");
        assert_eq!(choose(Ok("x".into()), None).0, Strategy::Rewrite);
        assert_eq!(choose(Err("few rows change".into()), None).0, Strategy::Rows);
    }

    #[test]
    fn a_few_rows_of_a_large_table_are_found_by_its_index() {
        assert!(in_bulk(1_000_000, 1_000_000));
        assert!(in_bulk(50_000, 1_000_000));
        assert!(!in_bulk(49_999, 1_000_000));
        assert!(!in_bulk(9_999, 9_999), "small tables do not matter");
        assert!(in_bulk(20_000, 0), "never counted");
    }
}
