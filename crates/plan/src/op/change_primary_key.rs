//! `DROP CONSTRAINT …, ADD PRIMARY KEY (…)`: another primary key takes the place of the old one in an
//! instant, when nobody counts on the old one any more.

use downhaul_catalog::Table;
use downhaul_syntax::{Change, ConstraintDef, ConstraintKind, Ident, ObjectName, Partitioning};

use super::conversion::{Conv, directive_for};
use super::mend;
use super::names;
use super::pair::{create, drop_constraint, unique_index};
use super::piece::{Piece, Side, Slot};
use super::rules::Rules;
use super::{HERE, Made, Refused, Scene, refused, swap_reference};

/// Where the statement first drops the primary key of a table and adds another one: these two, and what it does
/// beside.
pub(crate) fn split<'c>(
    changes: &'c [Change],
    scene: &Scene<'_>,
) -> Option<(&'c [Change], &'c [Change])> {
    let (key, rest) = changes.split_at_checked(2)?;
    let [Change::DropConstraint { table, name, .. }, Change::AddConstraint { constraint, .. }] =
        key
    else {
        return None;
    };
    let old = scene.now.table(table).and_then(|known| known.constraint(name));
    let is_meant = old.is_some_and(|old| matches!(old.kind, ConstraintKind::PrimaryKey { .. }))
        && matches!(constraint.kind, ConstraintKind::PrimaryKey { using_index: None, .. });
    is_meant.then_some((key, rest))
}

/// Another primary key.
#[allow(clippy::too_many_lines, reason = "what is refused, and both phases, stand side by side")]
pub(crate) fn change_primary_key(changes: &[Change], scene: &Scene<'_>) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let [Change::DropConstraint { table, name: old, .. }, Change::AddConstraint { constraint, .. }] =
        changes
    else {
        return refused("no key is named", "write DROP CONSTRAINT …, ADD PRIMARY KEY (…)");
    };
    let ConstraintKind::PrimaryKey { columns, .. } = &constraint.kind else {
        return refused("no key is named", "write DROP CONSTRAINT …, ADD PRIMARY KEY (…)");
    };
    let known = scene.table(table)?;
    let table = &known.name;
    let before = known.primary_key();
    if matches!(known.partitioning, Some(Partitioning::By(_))) {
        return refused(
            format!("{table} is partitioned: its indexes cannot be built CONCURRENTLY at once"),
            "build a new table beside the old one",
        );
    }
    if let Some(column) = columns.iter().find(|c| known.column(c).is_none()) {
        return refused(
            format!("{table} has no column {column}"),
            "check the name; the migrations before this file decide what is there",
        );
    }
    for other in scene.now.perhaps_referencing(table) {
        for reference in scene.now.table(other).into_iter().flat_map(|t| &t.constraints) {
            if let ConstraintKind::ForeignKey { table: target, referred, .. } = &reference.kind
                && target == table
                && (referred.is_empty() || referred.as_slice() == before)
                && !swap_reference::goes_first(other, reference.name.as_ref(), scene)
            {
                return refused(
                    format!("{other} refers to the key of {table}"),
                    // With both keys there, the server lets a reference to the old columns hold on to the primary one.
                    format!(
                        "let it move to a UNIQUE constraint over the old columns, in this file: before the statement ALTER TABLE {other} DROP CONSTRAINT {name}, behind it ALTER TABLE {table} ADD UNIQUE ({list}), and then ALTER TABLE {other} ADD CONSTRAINT {name} FOREIGN KEY (…) REFERENCES {table} ({list})",
                        name = reference
                            .name
                            .as_ref()
                            .map_or_else(|| "…".to_owned(), Ident::to_string),
                        list =
                            before.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                    ),
                );
            }
        }
    }
    let name = match &constraint.name {
        Some(name) => name.clone(),
        // As the server names it; the old one is gone by then.
        None => match names::fitted(&format!("{}_pkey", table.name)) {
            name if name == old.as_str() => old.clone(),
            name => names::free_part(scene.now, table, &name),
        },
    };
    let (coming, going) = (
        names::free_part(scene.now, table, &format!("{name}_new")),
        names::free_part(scene.now, table, &format!("{name}_old")),
    );
    let build = |side: &mut Side, why: &str, index: &Ident, columns: &[Ident]| {
        side.change(why, &create(unique_index(table, index, columns, dialect)), dialect).map(drop)
    };
    let swap = |side: &mut Side, why: &str, from: &Ident, to: &Ident, index: &Ident| {
        let kind =
            ConstraintKind::PrimaryKey { columns: Vec::new(), using_index: Some(index.clone()) };
        let add = Change::AddConstraint {
            table: table.clone(),
            constraint: ConstraintDef { name: Some(to.clone()), kind, ..constraint.clone() },
            if_not_exists: false,
        };
        side.together(why, table, &[drop_constraint(table, from), add], dialect).map(drop)
    };
    let mut made = Made::default();
    // No two rows can be equal in more columns than those of a key.
    let wider = before.iter().all(|c| columns.contains(c));
    if wider {
        let (mut up, mut down) = (Side::default(), Side::default());
        build(
            &mut up,
            "CONCURRENTLY: writers go on. It holds the old key's columns, so no release can break it, and ON CONFLICT of the new one finds it.",
            &coming,
            columns,
        )?;
        let index = ObjectName { schema: table.schema.clone(), name: coming.clone() };
        down.sql("", format!("DROP INDEX CONCURRENTLY {}", dialect.quote_name_if_needed(&index)));
        made.push(Slot::EXPAND, Piece::made(up, down));
    }
    let not_null = Rules {
        not_null: columns
            .iter()
            .filter(|c| {
                known.column(c).is_some_and(|column| !column.not_null && !is_bound(known, c))
            })
            .map(|c| {
                let base = format!("{}_{c}_not_null", table.name);
                (c.clone(), names::free_part(scene.now, table, &base))
            })
            .collect(),
        constraints: Vec::new(),
    };
    let slot = if not_null.not_null.is_empty() { Slot::CONTRACT } else { Slot::CONTRACT_LATER };
    if slot == Slot::CONTRACT_LATER {
        made.push(Slot::CONTRACT, bound(known, &not_null, scene)?);
        let single = not_null.not_null.len() == 1;
        for (column, _) in &not_null.not_null {
            if directive_for(&scene.forward, column, single).is_none() {
                made.note(format!(
                    "rows in which {table}.{column} is NULL are not filled, and make the last step fail: say how with -- downhaul:forward \"EXPRESSION\" above the statement"
                ));
            }
        }
    }
    let (mut up, mut down) = (Side::default(), Side::default());
    if !wider {
        build(
            &mut up,
            "CONCURRENTLY: writers go on. Unique: the old release must not write duplicates any more.",
            &coming,
            columns,
        )?;
    }
    not_null.promote(table, dialect, &mut up)?;
    swap(
        &mut up,
        "The index is there: the key changes in an instant. The old release is gone, which may say ON CONFLICT with the old one.",
        old,
        &name,
        &coming,
    )?;
    build(&mut down, "Fails where rows are equal in the old key by now.", &going, before)?;
    if wider {
        build(&mut down, "The new release still needs it.", &coming, columns)?;
    }
    swap(&mut down, "", &name, old, &going)?;
    not_null.demote(table, dialect, &mut down, "")?;
    made.push(slot, Piece::made(up, down));
    let list: Vec<String> = before.iter().map(ToString::to_string).collect();
    made.note(format!("down: the rows of {table} have to differ in ({})", list.join(", ")));
    Ok(made)
}

/// Whether the file itself adds the column and binds it: it is filled and `NOT NULL` before the contract.
fn is_bound(known: &Table, column: &Ident) -> bool {
    let added = known.column(column).is_some_and(|column| column.origin == HERE);
    let binds = |check: &str| check.to_lowercase().ends_with("is not null");
    added
        && known.constraints.iter().any(|constraint| {
            matches!(&constraint.kind, ConstraintKind::Check { expr, .. }
                if expr.columns == [column.clone()] && binds(&expr.text))
        })
}

/// Columns that may be NULL hold none from here on: those of a primary key must not, and a CHECK that is proven
/// spares the scan under a strong lock.
fn bound(known: &Table, not_null: &Rules, scene: &Scene<'_>) -> Result<Piece, Refused> {
    let dialect = scene.dialect();
    let table = &known.name;
    let (mut up, mut down) = (Side::default(), Side::default());
    for (column, _) in &not_null.not_null {
        if let Some(directive) = directive_for(&scene.forward, column, not_null.not_null.len() == 1)
        {
            let q = dialect.quote_if_needed(column);
            let fill = Conv::of_directive(directive, known, dialect)?.plain(dialect);
            up.sql(
                "A primary key holds no NULL.",
                mend::update(table, &[(column.clone(), fill)], &format!("{q} IS NULL"), dialect),
            );
        }
    }
    not_null.add(
        table,
        dialect,
        &mut up,
        "Binds what is written from here on: the old release, which may write NULL, must be gone. NOT VALID: no row is read under the lock.",
    )?;
    for (_, check) in &not_null.not_null {
        down.change("", &drop_constraint(table, check), dialect)?;
    }
    Ok(Piece::made(up, down))
}
