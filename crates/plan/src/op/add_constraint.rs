//! `ADD CONSTRAINT`: first for new rows, then proven for the old ones without blocking anybody.

use downhaul_syntax::{Change, ConstraintDef, ConstraintKind, Ident, ObjectName};

use super::as_written::piece;
use super::names;
use super::pair::{create, drop_constraint, unique_index};
use super::piece::{Piece, Side, Slot};
use super::rules::not_null_check;
use super::{HERE, Made, Refused, Scene, mend, refused};

/// A new constraint.
pub(crate) fn add_constraint(
    change: &Change,
    table: &ObjectName,
    constraint: &ConstraintDef,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let mut made = Made::default();
    // Of a table that this file makes from a query not even the columns need to be known.
    let new_here = scene.now.table(table).is_some_and(|known| known.origin == HERE);
    if new_here {
        made.push(Slot::EXPAND, piece(change, text, scene, "")?);
        return Ok(made);
    }
    let known = scene.table(table)?;
    let ready = match &constraint.kind {
        ConstraintKind::PrimaryKey { using_index, .. }
        | ConstraintKind::Unique { using_index, .. } => using_index.is_some(),
        ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } => constraint.not_valid,
        _ => false,
    };
    if ready {
        made.push(
            Slot::CONTRACT,
            piece(
                change,
                text,
                scene,
                "Binds every writer: the old release must be gone, or keep to it.",
            )?,
        );
        return Ok(made);
    }
    match &constraint.kind {
        ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } => {
            validated(known, constraint, scene, &mut made)?;
        }
        ConstraintKind::Unique { columns, nulls_not_distinct: false, .. } => {
            key(known, constraint, columns, false, scene, &mut made)?;
        }
        ConstraintKind::PrimaryKey { columns, .. } => {
            key(known, constraint, columns, true, scene, &mut made)?;
        }
        _ => {
            return refused(
                "this kind of constraint cannot be added without locking out writers",
                "build it on a new table beside the old one, or take the pause: run it apart with its lock_timeout",
            );
        }
    }
    Ok(made)
}

/// The name that the server would give.
fn name_of(
    table: &downhaul_catalog::Table,
    constraint: &ConstraintDef,
    scene: &Scene<'_>,
) -> Result<Ident, Refused> {
    if let Some(name) = &constraint.name {
        return Ok(name.clone());
    }
    let mut after = scene.now.clone();
    let change = Change::AddConstraint {
        table: table.name.clone(),
        constraint: constraint.clone(),
        if_not_exists: false,
    };
    after.apply(&change, HERE);
    let named = after.table(&table.name).and_then(|t| {
        let new = t
            .constraints
            .iter()
            .find(|c| c.name.as_ref().is_some_and(|name| table.constraint(name).is_none()))?;
        new.name.clone()
    });
    match named {
        Some(name) => Ok(name),
        None => refused("the constraint has no name", "write CONSTRAINT name in front of it"),
    }
}

/// CHECK and FOREIGN KEY: `NOT VALID`, and `VALIDATE` behind the commit, so that no strong lock is
/// held while the table is read.
pub(crate) fn validated(
    table: &downhaul_catalog::Table,
    constraint: &ConstraintDef,
    scene: &Scene<'_>,
    made: &mut Made,
) -> Result<(), Refused> {
    let dialect = scene.dialect();
    let name = name_of(table, constraint, scene)?;
    let light = ConstraintDef { name: Some(name.clone()), not_valid: true, ..constraint.clone() };
    let add = Change::AddConstraint {
        table: table.name.clone(),
        constraint: light.clone(),
        if_not_exists: false,
    };
    let (mut up, mut down) = (Side::default(), Side::default());
    if let Some(sql) = mend::of_constraint(table, constraint, scene)? {
        mend::first(&sql, made);
        up.sql("What the old release wrote since; before the lock is taken.", sql);
    }
    up.change(
        "Binds what is written from here on, by whatever release. NOT VALID: no row is read under the lock.",
        &add,
        dialect,
    )?;
    down.change("", &drop_constraint(&table.name, &name), dialect)?;
    made.push(Slot::CONTRACT, Piece::made(up, down));
    let (mut up, mut down) = (Side::default(), Side::default());
    up.change(
        "Proves the rows that were there before, while others read and write.",
        &Change::ValidateConstraint { table: table.name.clone(), name: name.clone() },
        dialect,
    )?;
    down.change("", &drop_constraint(&table.name, &name), dialect)?;
    down.change("", &add, dialect)?;
    made.push(Slot::CONTRACT_LATER, Piece::made(up, down));
    Ok(())
}

/// UNIQUE and PRIMARY KEY: the index CONCURRENTLY, then the constraint over it.
fn key(
    table: &downhaul_catalog::Table,
    constraint: &ConstraintDef,
    columns: &[Ident],
    primary: bool,
    scene: &Scene<'_>,
    made: &mut Made,
) -> Result<(), Refused> {
    let dialect = scene.dialect();
    if primary && !table.primary_key().is_empty() {
        return refused(
            format!("{} has a primary key", table.name),
            "write both in one statement: DROP CONSTRAINT …, ADD PRIMARY KEY (…)",
        );
    }
    let name = name_of(table, constraint, scene)?;
    let index = unique_index(&table.name, &name, columns, dialect);
    let mut up = Side::default();
    if let Some(sql) = mend::of_constraint(table, constraint, scene)? {
        mend::first(&sql, made);
        up.sql("What the old release wrote since.", sql);
    }
    let mut down = Side::default();
    let nullable: Vec<&Ident> = columns
        .iter()
        .filter(|c| primary && table.column(c).is_some_and(|column| !column.not_null))
        .collect();
    let mut checks = Vec::new();
    for column in &nullable {
        let check = names::free_part(
            scene.now,
            &table.name,
            &format!("{}_{column}_not_null", table.name.name),
        );
        let add = Change::AddConstraint {
            table: table.name.clone(),
            constraint: not_null_check(column, &check, dialect),
            if_not_exists: false,
        };
        let mut light = Side::default();
        light.change(
            "A primary key holds no NULL: first for what is written from here on.",
            &add,
            dialect,
        )?;
        let mut back = Side::default();
        back.change("", &drop_constraint(&table.name, &check), dialect)?;
        made.push(Slot::CONTRACT, Piece::made(light, back));
        checks.push(((*column).clone(), check, add));
    }
    let slot = if checks.is_empty() { Slot::CONTRACT } else { Slot::CONTRACT_LATER };
    up.change(
        "CONCURRENTLY: writers go on. Fails on duplicates, and leaves nothing behind when Downhaul runs it.",
        &create(index),
        dialect,
    )?;
    for (column, check, add) in &checks {
        up.change(
            "Proves it for the rows that were there before; SET NOT NULL then needs no scan.",
            &Change::ValidateConstraint { table: table.name.clone(), name: check.clone() },
            dialect,
        )?;
        up.change(
            "",
            &Change::SetNotNull { table: table.name.clone(), column: column.clone() },
            dialect,
        )?;
        up.change("", &drop_constraint(&table.name, check), dialect)?;
        down.change(
            "",
            &Change::DropNotNull { table: table.name.clone(), column: column.clone() },
            dialect,
        )?;
        down.change("", add, dialect)?;
    }
    let kind = if primary {
        ConstraintKind::PrimaryKey { columns: Vec::new(), using_index: Some(name.clone()) }
    } else {
        ConstraintKind::Unique {
            columns: Vec::new(),
            nulls_not_distinct: false,
            using_index: Some(name.clone()),
        }
    };
    up.change(
        "The index is there: the constraint takes it over in an instant.",
        &Change::AddConstraint {
            table: table.name.clone(),
            constraint: ConstraintDef { name: Some(name.clone()), kind, ..constraint.clone() },
            if_not_exists: false,
        },
        dialect,
    )?;
    let mut back = Side::default();
    back.change("", &drop_constraint(&table.name, &name), dialect)?;
    back.append(down);
    made.push(slot, Piece::made(up, back));
    Ok(())
}
