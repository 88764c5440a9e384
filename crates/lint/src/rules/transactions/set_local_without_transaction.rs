//! TX11.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `SET LOCAL` where no transaction is open.
    ///
    /// ## Why is this bad
    ///
    /// It does nothing (the server only warns): the lock timeout or search path that the next
    /// statement counts on is not set.
    ///
    /// ## What to do
    ///
    /// Use `SET`, and put the old value back; or open a transaction.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// -- downhaul:no-transaction
    /// SET LOCAL lock_timeout = '2s';
    /// CREATE TABLE t (a int);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// SET LOCAL lock_timeout = '2s';
    /// CREATE TABLE t (a int);
    /// ```
    "TX11" "set-local-without-transaction"
    severity: Warning,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::SetVariable { name, local: true, .. } = cx.change else { return None };
    (!cx.statement.in_block).then(|| {
        Draft::new(format!("without a transaction `SET LOCAL {name}` does nothing"))
            .help("use SET, or open a transaction")
    })
}
