//! `DROP PRIMARY KEY, ADD PRIMARY KEY (…)`: the rows are stored anew by the other key, in the background.

use downhaul_catalog::Table;
use downhaul_syntax::{Change, ConstraintKind, Ident};

use super::INPLACE;
use crate::op::piece::{Piece, Side, Slot};
use crate::op::{Made, Refused, Scene, refused};

/// Whether the statement drops the primary key of a table and adds another one.
pub(crate) fn is_meant(changes: &[Change]) -> bool {
    matches!(
        changes,
        [Change::DropPrimaryKey { .. }, Change::AddConstraint { constraint, .. }]
            if matches!(constraint.kind, ConstraintKind::PrimaryKey { .. })
    )
}

/// Another primary key.
pub(crate) fn change_primary_key(changes: &[Change], scene: &Scene<'_>) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let [Change::DropPrimaryKey { table }, Change::AddConstraint { constraint, .. }] = changes
    else {
        return refused("no key is named", "write DROP PRIMARY KEY, ADD PRIMARY KEY (…)");
    };
    let ConstraintKind::PrimaryKey { columns, .. } = &constraint.kind else {
        return refused("no key is named", "write DROP PRIMARY KEY, ADD PRIMARY KEY (…)");
    };
    let known = scene.table(table)?;
    let table = &known.name;
    let before = known.primary_key().to_vec();
    if known.partitioning.is_some() {
        return refused(
            format!(
                "{table} is partitioned, and a key holds every column that it is partitioned by"
            ),
            "build a new table beside the old one",
        );
    }
    if let Some(column) =
        columns.iter().find(|c| known.column(c).is_none_or(|column| !column.not_null))
    {
        return refused(
            format!("{table}.{column} may be NULL, and a primary key holds none"),
            "make it NOT NULL in a migration before this one: `expand` takes MODIFY … NOT NULL through the phases",
        );
    }
    let counts = known.columns.iter().find(|c| c.auto_increment).map(|c| &c.name);
    if let Some(counts) = counts
        && columns.first() != Some(counts)
        && !leads_another_key(known, counts)
    {
        return refused(
            format!("{table}.{counts} is AUTO_INCREMENT, and has to come first in some key"),
            format!("add an index that begins with {counts} in a migration before this one"),
        );
    }
    for other in scene.now.perhaps_referencing(table) {
        for reference in scene.now.table(other).into_iter().flat_map(|t| &t.constraints) {
            if let ConstraintKind::ForeignKey { table: target, referred, .. } = &reference.kind
                && target == table
            {
                let referred = if referred.is_empty() { &before } else { referred };
                if !columns.starts_with(referred) && !serves(known, referred) {
                    return refused(
                        format!("{other} refers to the key of {table}"),
                        "add a UNIQUE key over the old columns in a migration before this one: the reference goes on by it",
                    );
                }
            }
        }
    }
    let list = |columns: &[Ident]| {
        columns.iter().map(|c| dialect.quote_if_needed(c)).collect::<Vec<_>>().join(", ")
    };
    let change = |columns: &[Ident]| {
        format!(
            "ALTER TABLE {} DROP PRIMARY KEY, ADD PRIMARY KEY ({}){INPLACE}",
            dialect.quote_name_if_needed(table),
            list(columns)
        )
    };
    let mut made = Made::default();
    let (mut up, mut down) = (Side::default(), Side::default());
    up.sql(
        "The rows are stored anew in the background, while others read and write. The old release is gone, which may count on the old key (ON DUPLICATE KEY UPDATE, REPLACE).",
        change(columns),
    );
    down.sql("Fails where rows are equal in the old key by now.", change(&before));
    made.push(Slot::CONTRACT, Piece::made(up, down));
    made.note(format!("down: the rows of {table} have to differ in ({})", list(&before)));
    Ok(made)
}

/// Whether an index other than the primary key begins with a column.
fn leads_another_key(table: &Table, column: &Ident) -> bool {
    serves(table, std::slice::from_ref(column))
}

/// Whether an index other than the primary key begins with these columns.
fn serves(table: &Table, columns: &[Ident]) -> bool {
    let index = table.indexes.iter().any(|index| {
        let parts: Vec<&Ident> = index.parts.iter().map_while(|p| p.column.as_ref()).collect();
        parts.len() >= columns.len() && parts.iter().zip(columns).all(|(a, b)| *a == b)
    });
    index
        || table.constraints.iter().any(|constraint| {
            matches!(&constraint.kind, ConstraintKind::Unique { columns: key, .. }
                if key.starts_with(columns))
        })
}
