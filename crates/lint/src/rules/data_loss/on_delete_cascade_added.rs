//! DL06.

use downhaul_syntax::{Change, ConstraintDef, ConstraintKind, ReferentialAction};

use crate::context::ChangeContext;
use crate::effects::dropped;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a foreign key with `ON DELETE CASCADE` that is added to a table which existed
    /// before.
    ///
    /// ## Why is this bad
    ///
    /// From now on deleting one row of the other table deletes rows here, also where the running
    /// release counts on being refused.
    ///
    /// ## What to do
    ///
    /// Use `RESTRICT` and delete on purpose.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD CONSTRAINT c FOREIGN KEY (customer) REFERENCES customers ON DELETE CASCADE NOT VALID;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD CONSTRAINT c FOREIGN KEY (customer) REFERENCES customers NOT VALID;
    /// ```
    "DL06" "on-delete-cascade-added"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (table, constraints): (_, Vec<&ConstraintDef>) = match cx.change {
        Change::AddConstraint { table, constraint, .. } => (table, vec![constraint]),
        Change::AddColumn { table, column, .. } => (table, column.constraints.iter().collect()),
        _ => return None,
    };
    if !cx.in_use(table) {
        return None;
    }
    let to = constraints.into_iter().find_map(|c| match &c.kind {
        ConstraintKind::ForeignKey {
            table,
            columns,
            on_delete: ReferentialAction::Cascade,
            ..
        } => Some((table, columns)),
        _ => None,
    })?;
    // Rows get their reference from the new release alone.
    if !to.1.iter().any(|c| cx.column_in_use(table, c)) {
        return None;
    }
    // The same foreign key had it before.
    let before = cx.table(table).is_some_and(|t| {
        t.constraints.iter().any(|c| {
            matches!(&c.kind, ConstraintKind::ForeignKey { columns, on_delete: ReferentialAction::Cascade, .. }
                if columns == to.1)
        })
    });
    let before = before || dropped::cascaded(cx.scene.dropped, &cx.catalog.normalize(table), to.1);
    let replaced = cx.earlier().any(
        |i| matches!(i.change, Change::DropConstraint { table: t, .. } if t.name == table.name),
    );
    if before || replaced && cx.column(table, to.1.first()?).is_none() {
        return None;
    }
    Some(
        Draft::new(format!("deleting a row of `{}` will delete rows of `{table}`", to.0))
            .help("use RESTRICT and delete on purpose, or allow it with a reason"),
    )
}
