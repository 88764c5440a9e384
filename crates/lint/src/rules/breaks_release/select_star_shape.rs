//! BC17.

use downhaul_syntax::{Change, Dialect};

use crate::{FaultKind, Severity};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// With the queries of the running release given: reports a column that is added, dropped or
    /// moved on a table which a query reads with `*`, or fills by position.
    ///
    /// ## Why is this bad
    ///
    /// A client that reads `*` gets columns that it does not know, or in another order; PostgreSQL
    /// refuses prepared statements whose result changed ("cached plan must not change result
    /// type"). An `INSERT` without a column list has too few or too many values.
    ///
    /// ## What to do
    ///
    /// Name the columns in the query first.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres queries=SELECT_*_FROM_orders
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
    /// CREATE VIEW open_orders AS SELECT id, note FROM orders;
    /// CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
    /// -- up
    /// ALTER TABLE orders ADD COLUMN code text;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0);
    /// CREATE VIEW open_orders AS SELECT id, note FROM orders;
    /// CREATE FUNCTION price(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';
    /// -- up
    /// ALTER TABLE orders ADD COLUMN code text;
    /// ```
    "BC17" "select-star-shape"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.queries.is_empty() {
        return None;
    }
    let (table, adds) = match cx.change {
        Change::AddColumn { table, .. } => (table, true),
        Change::DropColumn { table, .. } => (table, false),
        Change::ModifyColumn { table, position: Some(_), .. } => (table, false),
        _ => return None,
    };
    if !cx.in_use(table) {
        return None;
    }
    // PostgreSQL lets an insert give fewer values than there are columns.
    let lenient = adds && cx.dialect() == Dialect::Postgres;
    let fails = cx.broken.iter().any(|b| b.faults.iter().any(|f| f.kind == FaultKind::WrongCount));
    let stars = cx.queries.of_star(table).collect::<Vec<_>>();
    let positional: Vec<usize> =
        if lenient { Vec::new() } else { cx.queries.positional(table).collect() };
    if stars.is_empty() && positional.is_empty() && !fails {
        return None;
    }
    let queries = cx.listed(stars.iter().chain(&positional).copied());
    let draft = if fails {
        Draft::new(format!(
            "a query that counts on the columns of `{table}` has another number of them{queries}"
        ))
        .severity(Severity::Error)
    } else if stars.is_empty() {
        Draft::new(format!(
            "an INSERT into `{table}` without a column list fills other columns{queries}"
        ))
    } else {
        Draft::new(format!("a query reads `*` of `{table}`, whose columns change{queries}"))
    };
    Some(draft.help("name the columns in the query first"))
}
