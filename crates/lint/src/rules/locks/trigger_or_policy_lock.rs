//! LK18.

use downhaul_syntax::{Change, ObjectKind};

use crate::Severity;
use crate::effects::Blocks;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports triggers, rules and policies that are created, dropped, enabled or disabled on a
    /// populated table. A warning where the table is known to be large or hot, or where the runner
    /// does not bound waits.
    ///
    /// ## Why is this bad
    ///
    /// Creating a trigger blocks writes, dropping one, a rule or a policy blocks reads too:
    /// shortly, but every query waits behind it while it waits.
    ///
    /// ## What to do
    ///
    /// Use a lock timeout and try again, as Downhaul does.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    /// -- up
    /// CREATE TRIGGER g BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f();
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (a int);
    /// CREATE POLICY p ON t USING (true);
    /// ```
    "LK18" "trigger-or-policy-lock"
    severity: Info,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let table = match cx.change {
        Change::CreateTrigger { def, .. } => &def.table,
        Change::DropTrigger { table: Some(table), .. }
        | Change::SetTriggerEnabled { table, .. }
        | Change::CreatePolicy { table, .. }
        | Change::AlterPolicy { table, .. }
        | Change::DropPolicy { table, .. }
        | Change::CreateOther { kind: ObjectKind::Rule, table: Some(table), .. }
        | Change::DropOther { kind: ObjectKind::Rule, table: Some(table), .. } => table,
        _ => return None,
    };
    if !cx.populated(table) {
        return None;
    }
    let blocks = cx.effects.blocks(&cx.catalog.normalize(table));
    if blocks < Blocks::Writes {
        return None;
    }
    let severity = if cx.is_large(table) { Severity::Warning } else { cx.brief_lock() };
    Some(
        Draft::new(format!(
            "{} on {} wait while this is done",
            blocks.for_people(),
            cx.describe(table)
        ))
        .severity(severity)
        .help("use a lock timeout and try again"),
    )
}
