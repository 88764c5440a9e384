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
    /// populated table waiting while other statements run, and `FLUSH TABLES … WITH READ LOCK`.
    /// Information where none follows, and around rows that are written down (MariaDB, MySQL).
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
    let Change::LockTable { tables, .. } = cx.change else { return None };
    if tables.is_empty() {
        return Some(
            Draft::new(
                "this waits for every statement that runs, and keeps all writes to all databases \
                 waiting until UNLOCK TABLES or the end of the session",
            )
            .help("lock the tables that it is about, or take the copy with mariadb-backup or --single-transaction"),
        );
    }
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
    // MySQL's lasts until UNLOCK TABLES or the next LOCK TABLES, whatever the transactions do. Rows
    // that are written down, as a dump has them, are put in at once; what DDL takes is said of itself.
    if cx.dialect().is_mysql_family() {
        let ends = |change: &Change| match change {
            Change::NoEffect { verb } => verb.eq_ignore_ascii_case("unlock"),
            Change::LockTable { .. } => true,
            _ => false,
        };
        let long = |change: &Change| {
            matches!(
                change,
                Change::Insert { from_query: Some(_), .. }
                    | Change::Update { .. }
                    | Change::Delete { .. }
                    | Change::Select { .. }
                    | Change::Call { .. }
                    | Change::Do { .. }
                    | Change::Dynamic { .. }
                    | Change::DynamicUnknown { .. }
            )
        };
        cx.later().take_while(|i| !ends(i.change)).any(|i| long(i.change))
    } else {
        cx.later_in_transaction().any(|i| !idle(i.change))
    }
}

#[cfg(test)]
mod tests {
    use downhaul_syntax::Dialect;

    use crate::examples::cases;
    use crate::{LintOptions, Severity, lint_series};

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
        let table = "-- history\nCREATE TABLE t (a int PRIMARY KEY, b int);\n-- up\n";
        for (what, warns) in [
            ("LOCK TABLES t WRITE;\nINSERT INTO t VALUES (1, 2), (3, 4);\nUNLOCK TABLES;", false),
            ("LOCK TABLES t WRITE;\nINSERT INTO t SELECT a + 9, b FROM t;\nUNLOCK TABLES;", true),
            ("LOCK TABLES t WRITE;\nUPDATE t SET b = 1;\nUNLOCK TABLES;", true),
            ("LOCK TABLES t WRITE;\nUNLOCK TABLES;\nUPDATE t SET b = 1;", false),
            ("FLUSH TABLES WITH READ LOCK;", true),
            ("FLUSH TABLES t WITH READ LOCK;\nSELECT sum(b) FROM t;\nUNLOCK TABLES;", true),
            ("LOCK TABLES t WRITE;\nALTER TABLE t ADD COLUMN c int;\nUNLOCK TABLES;", false),
            ("FLUSH TABLES t;", false),
        ] {
            let series = crate::examples::series(&format!("{table}{what}"));
            let report = lint_series(&series, &LintOptions::new(Dialect::MariaDb));
            let warned =
                report.findings.iter().any(|f| f.code == "LK12" && f.severity >= Severity::Warning);
            assert_eq!(warned, warns, "{what}");
        }
    }
}
