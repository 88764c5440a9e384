//! Another type for a column that counts: the server has no way but to copy the table.
//!
//! Measured on MariaDB 10.11: taking AUTO_INCREMENT from a column and changing the names of two is instant,
//! giving AUTO_INCREMENT to a column that is there is ALGORITHM=COPY only. So no second column can take its
//! place, and the copy is made where the statement asks for it.

use downhaul_catalog::column_def;
use downhaul_syntax::{Change, Dialect, Ident};

use super::modify_column::{in_place, needs_copy};
use super::retype_keys::{is_tied, lock_of, retype_keys};
use super::storage::{is_same, takes_all};
use super::{add, modify};
use crate::op::dependents::Dependents;
use crate::op::names;
use crate::op::piece::{Piece, Side, Slot};
use crate::op::{Made, Refused, Scene, refused};

/// What to write, where nothing but a copy is left.
pub(super) const ASK: &str = "take the pause, and say so: `ALTER TABLE … MODIFY …, ALGORITHM=COPY, LOCK=SHARED` copies the table while writers wait and readers go on; MariaDB from 11.2 copies beside writers (LOCK=NONE)";

/// Whether the statement asks for a copy, of a table whose counting column it changes, or a timestamp.
pub(crate) fn is_asked_for(changes: &[Change], scene: &Scene<'_>) -> bool {
    let [Change::Online { online, .. }, Change::ModifyColumn { table, from, column, .. }] = changes
    else {
        return false;
    };
    let old = scene.now.table(table).and_then(|t| t.column(from));
    let asks = online.algorithm.as_deref() == Some("copy");
    asks && old.is_some_and(|old| {
        let counts = old.auto_increment && !is_same(old, column, scene.dialect());
        counts || *from == column.name && needs_copy(old, column, scene.dialect())
    })
}

/// The column in its new type, by a copy.
pub(crate) fn copy_table(changes: &[Change], scene: &Scene<'_>) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let [Change::Online { online, .. }, change @ Change::ModifyColumn { table, from, column, .. }] =
        changes
    else {
        return refused("no column is named", ASK);
    };
    let known = scene.table(table)?;
    let old = scene.column(table, from)?;
    let table = &known.name;
    if needs_copy(old, column, dialect) {
        let clause = format!(", ALGORITHM=COPY, LOCK={}", lock_of(online.lock.as_deref()));
        let mut made = in_place(change, table, old, column, (Slot::CONTRACT, &clause), scene)?;
        made.note(format!("{table} is copied at the contract, and on the way back from it"));
        return Ok(made);
    }
    if *from != column.name || !column.auto_increment || !takes_all(old, column, known) {
        return refused(
            format!(
                "{table}.{from} gets another name, counts no more, or does not hold all its values"
            ),
            "change its type alone, to a wider one, with AUTO_INCREMENT",
        );
    }
    let lock = lock_of(online.lock.as_deref());
    if is_tied(table, from, scene) {
        return retype_keys(table, old, column, Some(lock), scene);
    }
    let successor = names::free_column(scene.now, table, &format!("{from}_new"));
    let parts = Dependents::of(scene, table, from, &successor)?;
    if let Some((rule, _)) = parts.rules.first() {
        return refused(
            format!(
                "the constraint {} reads {table}.{from}",
                rule.name.as_ref().map(Ident::to_string).unwrap_or_default()
            ),
            "drop it in a migration before this one, and add it again afterwards",
        );
    }
    let clause = format!(", ALGORITHM=COPY, LOCK={lock}");
    let who = match lock {
        "NONE" => "Others read and write meanwhile; a server before MariaDB 11.2 refuses that.",
        "EXCLUSIVE" => "Nobody reads or writes meanwhile.",
        _ => "Writers wait until it is done, readers go on.",
    };
    let mut made = Made::default();
    let (mut up, mut down) = (Side::default(), Side::default());
    add(
        &mut up,
        &format!("The table is copied, since a column that counts is not changed otherwise. {who}"),
        &modify(table, column.clone()),
        &clause,
        dialect,
    )?;
    add(
        &mut down,
        &format!("Copied once more; fails where a number does not fit any more. {who}"),
        &modify(table, column_def(old)),
        &clause,
        dialect,
    )?;
    made.push(Slot::EXPAND, Piece::made(up, down));
    if dialect == Dialect::Mysql && lock == "NONE" {
        return refused("MySQL copies no table beside writers", "write LOCK=SHARED");
    }
    made.note(format!(
        "{table} is copied. {who} Both releases meet the new type at once: one that holds numbers in 32 bits has to be gone before they are used up"
    ));
    Ok(made)
}
