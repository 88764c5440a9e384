//! LK12.

use downhaul_syntax::Change;

use crate::effects::Blocks;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports an explicit `LOCK TABLE` or `LOCK TABLES` that keeps readers or writers of a
    /// populated table waiting while other statements run. Information where none follows.
    ///
    /// ## Why is this bad
    ///
    /// It waits for all running transactions on the table, everybody else waits behind it, and it
    /// is held until the end of the transaction.
    ///
    /// ## What to do
    ///
    /// Take the weakest mode that does, as late as possible, with a lock timeout.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// LOCK TABLE orders;
    /// UPDATE orders SET note = '' WHERE id < 1000;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// LOCK TABLE orders IN ROW EXCLUSIVE MODE;
    /// ```
    "LK12" "lock-table"
    severity: Warning,
    dialects: SERVERS,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::LockTable { .. } = cx.change else { return None };
    let hit: Vec<String> = cx
        .effects
        .locks
        .iter()
        .filter(|l| l.blocks >= Blocks::Writes && cx.populated(&l.table))
        .map(|l| format!("{} ({} wait)", cx.describe(&l.table), l.blocks.for_people()))
        .collect();
    (!hit.is_empty()).then(|| {
        let draft =
            Draft::new(format!("this locks {} until the end of the transaction", hit.join(", ")))
                .help("take the weakest mode that does, as late as possible");
        if works_on(cx) { draft } else { draft.severity(cx.brief_lock()) }
    })
}

/// Something runs while the lock is held.
fn works_on(cx: &ChangeContext<'_>) -> bool {
    let idle = |change: &Change| {
        matches!(
            change,
            Change::Transaction { .. }
                | Change::SetVariable { .. }
                | Change::NoEffect { .. }
                | Change::LockTable { .. }
        )
    };
    // MySQL's lasts until UNLOCK TABLES, whatever the transactions do.
    if cx.dialect().is_mysql_family() {
        cx.later().any(|i| !idle(i.change))
    } else {
        cx.later_in_transaction().any(|i| !idle(i.change))
    }
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[(
                "mysql",
                r#"-- history
CREATE TABLE t (a int);
-- up
LOCK TABLES t WRITE;"#,
                true,
            )],
        );
    }
}
