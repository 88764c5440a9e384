//! TX03.

use downhaul_syntax::{Change, ObjectName};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports rows that are changed in a transaction which then alters a populated table.
    ///
    /// ## Why is this bad
    ///
    /// The row locks and the table lock are held together until the end. With deferred constraints
    /// PostgreSQL refuses: "cannot ALTER TABLE because it has pending trigger events".
    ///
    /// ## What to do
    ///
    /// Move data in a migration of its own.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// UPDATE orders SET note = '' WHERE note IS NULL;
    /// ALTER TABLE orders ALTER COLUMN note SET DEFAULT '';
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// UPDATE orders SET note = '' WHERE note IS NULL;
    /// ```
    "TX03" "mixed-ddl-and-backfill"
    severity: Warning,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let table = match cx.change {
        Change::Update { table, .. } | Change::Delete { table, .. } => table,
        Change::Insert { table, from_query: Some(_), .. } => table,
        _ => return None,
    };
    if !cx.statement.in_block || !cx.populated(table) {
        return None;
    }
    let next = cx.later_in_transaction().find(|i| alters(i.change, table))?;
    let line = cx.facts.statements[next.statement].line;
    Some(
        Draft::new(format!(
            "rows of {} are changed in the transaction that alters it at line {line}: all locks are held to the end",
            cx.describe(table)
        ))
        .help("move data in a migration of its own")
        .once(),
    )
}

fn alters(change: &Change, table: &ObjectName) -> bool {
    match change {
        Change::AddColumn { table: t, .. }
        | Change::DropColumn { table: t, .. }
        | Change::AlterColumnType { table: t, .. }
        | Change::SetNotNull { table: t, .. }
        | Change::DropNotNull { table: t, .. }
        | Change::SetDefault { table: t, .. }
        | Change::DropDefault { table: t, .. }
        | Change::AddConstraint { table: t, .. }
        | Change::DropConstraint { table: t, .. }
        | Change::RenameColumn { table: t, .. }
        | Change::RenameTable { from: t, .. } => t.name == table.name,
        Change::CreateIndex { index, .. } => index.table.name == table.name,
        _ => false,
    }
}
