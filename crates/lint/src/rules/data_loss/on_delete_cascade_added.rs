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
    /// before, and one with `SET NULL` or `SET DEFAULT` in the place of one that refused deletes.
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
    unbound(cx).or_else(|| cascade(cx))
}

/// In the place of a reference that refused it, one lets rows go to which others refer.
fn unbound(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::AddConstraint { table, constraint, .. } = cx.change else { return None };
    let ConstraintKind::ForeignKey {
        table: to,
        columns,
        on_delete: ReferentialAction::SetNull | ReferentialAction::SetDefault,
        ..
    } = &constraint.kind
    else {
        return None;
    };
    let own = cx.catalog.normalize(table);
    let refused = dropped::refused_deletes(cx.scene.dropped, &own, columns);
    (cx.in_use(table) && refused).then(|| {
        Draft::new(format!(
            "rows of `{to}` go from now on though some of `{table}` refer to them, and these lose it"
        ))
        .help("use RESTRICT and delete on purpose, or allow it with a reason")
    })
}

fn cascade(cx: &ChangeContext<'_>) -> Option<Draft> {
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

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn in_the_place_of_one_that_refused() {
        for (old, new, expect) in [
            ("", "ON DELETE SET NULL", true),
            ("", "ON DELETE CASCADE", true),
            ("ON DELETE CASCADE", "ON DELETE SET NULL", false),
            ("ON DELETE CASCADE", "ON DELETE CASCADE", false),
            ("ON DELETE SET NULL", "", false),
        ] {
            let text = format!(
                "-- history\nCREATE TABLE p (id int PRIMARY KEY);\nCREATE TABLE t (a int CONSTRAINT k \
                 REFERENCES p {old});\n-- up\nALTER TABLE t DROP CONSTRAINT k, ADD CONSTRAINT k \
                 FOREIGN KEY (a) REFERENCES p (id) {new} NOT VALID;"
            );
            cases(&super::RULE, &[("postgres", &text, expect)]);
        }
    }
}
