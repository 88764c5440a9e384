//! SQLite: the same phases, by other means.
//!
//! One writer at a time and definitions in transactions make much of it easy: no state in between is
//! ever seen. What `ALTER TABLE` cannot do, the table is built anew for, which also takes the forms of
//! `ALTER TABLE` that SQLite itself does not know: they say what is meant. Triggers cannot change the
//! row that is about to be written, so they write it again, behind it.

mod add_column;
mod alter_table;
mod anew;
mod drop_column;
mod rename_column;
mod reshape_columns;
mod triggers;

use downhaul_syntax::{Change, ConstraintKind, Ident, ObjectName, Statement};

use anew::with;
use downhaul_catalog::render;

use super::piece::Slot;
use super::{HERE, Made, Refused, Scene, as_written, refused, replace};

pub(crate) use reshape_columns::reshape_columns;

/// The pieces of one statement.
pub(crate) fn statement(statement: &Statement, scene: &Scene<'_>) -> Result<Made, Refused> {
    match statement.changes() {
        [only] => one_change(only, &statement.text, scene),
        several @ [.., Change::RenameColumn { .. }] => one_behind_the_other(several, scene),
        _ => refused(
            "SQLite takes one action per ALTER TABLE",
            "write each action as a statement of its own; several together are for columns that take the place of others, with -- downhaul:forward and -- downhaul:back",
        ),
    }
}

/// Changes of a table that are done in the expand phase, and then a rename: what several statements come to.
fn one_behind_the_other(changes: &[Change], scene: &Scene<'_>) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let mut made = Made::default();
    let mut met = scene.now.clone();
    for change in changes {
        let text = render(change, dialect).map(|all| all.join(";\n")).unwrap_or_default();
        let one = one_change(change, &text, &scene.over(&met))?;
        if !matches!(change, Change::RenameColumn { .. })
            && one.pieces.iter().any(|(slot, _)| *slot != Slot::EXPAND)
        {
            return refused(
                "SQLite takes one action per ALTER TABLE",
                "write each action as a statement of its own, in a file of its own",
            );
        }
        met = with(&met, std::slice::from_ref(change));
        made.append(one);
    }
    Ok(made)
}

fn one_change(change: &Change, text: &str, scene: &Scene<'_>) -> Result<Made, Refused> {
    use Change as C;
    match change {
        C::RenameColumn { table, from, to } => rename_column::rename_column(table, from, to, scene),
        C::RenameTable { from, to } => renamed_table(from, to, scene),
        C::AddColumn { table, column, .. } => {
            add_column::add_column(change, table, column, text, scene)
        }
        C::DropColumn { table, column, .. } => {
            drop_column::drop_column(change, table, column, text, scene)
        }
        C::SetNotNull { table, column } => alter_table::set_not_null(change, table, column, scene),
        C::DropNotNull { table, column } => {
            alter_table::drop_not_null(change, table, column, scene)
        }
        C::AlterColumnType { table, column, using, .. } => {
            alter_table::retype(change, table, column, using.as_ref(), scene)
        }
        C::SetDefault { table, .. } => {
            alter_table::anew(change, table, Slot::EXPAND, "For new rows.", scene)
        }
        C::DropDefault { table, .. } => alter_table::anew(
            change,
            table,
            Slot::CONTRACT,
            "The old release may count on the default: it must be gone.",
            scene,
        ),
        C::AddConstraint { table, constraint, .. } => {
            alter_table::add_constraint(change, table, constraint, scene)
        }
        C::DropConstraint { table, name, .. } => {
            let known = scene.table(table)?;
            let key = known.constraint(name).is_some_and(|c| {
                matches!(c.kind, ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. })
            });
            let slot = if key { Slot::CONTRACT } else { Slot::EXPAND };
            alter_table::anew(change, table, slot, "A rule that goes.", scene)
        }
        C::CreateIndex { index, .. } => {
            let existed = scene.now.table(&index.table).is_some_and(|t| t.origin != HERE);
            let slot = if index.unique && existed { Slot::CONTRACT } else { Slot::EXPAND };
            if slot == Slot::CONTRACT && replace::takes_over(change, scene) {
                return refused(
                    "a unique index takes the name of another one, which the old release may be fast only because of",
                    "give it a name of its own, and drop the other one: both go through the phases then",
                );
            }
            let mut made = Made::default();
            let why = if slot == Slot::CONTRACT {
                "Unique: the old release must not write duplicates any more."
            } else {
                ""
            };
            made.push(slot, as_written::piece(change, Some(text), scene, why)?);
            Ok(made)
        }
        C::DropIndex { .. } => {
            let mut made = Made::default();
            if replace::makes_room(change, scene)? {
                let why = "Another one takes its name in this transaction.";
                made.push(Slot::EXPAND, as_written::piece(change, Some(text), scene, why)?);
                return Ok(made);
            }
            let why = "The old release may be fast only because of it: it goes last.";
            made.push(Slot::CONTRACT, as_written::piece(change, Some(text), scene, why)?);
            Ok(made)
        }
        _ => as_written::as_written(change, Some(text), scene),
    }
}

/// Two names at once are not to be had; a table built anew by hand is a change said in other words.
fn renamed_table(from: &ObjectName, to: &ObjectName, scene: &Scene<'_>) -> Result<Made, Refused> {
    if scene.now.table(from).is_some_and(|t| t.origin == HERE) {
        return match scene.by_hand.iter().find(|(of, _)| *of == scene.now.normalize(to)) {
            Some((_, Some(lines))) => refused(
                format!("the file builds {to} anew by hand"),
                format!(
                    "say what changes instead, each in a file of its own, also where SQLite does not know the statement (`expand` builds the table anew, and brings its rows along):\n{lines}"
                ),
            ),
            _ => refused(
                format!("the file builds {to} anew by hand"),
                "say what changes instead, one ALTER TABLE each (ALTER COLUMN … TYPE, SET NOT NULL, ADD CONSTRAINT …), also where SQLite does not know the statement: `expand` builds the table anew",
            ),
        };
    }
    refused(
        format!(
            "{from} cannot bear two names at once: SQLite takes no ON CONFLICT, and gives no last_insert_rowid(), through a view"
        ),
        "keep the name, or create a view with the new name for readers and leave the table alone",
    )
}

/// Refuses to take a column away that a view goes on reading.
fn unread(
    table: &downhaul_catalog::Table,
    column: &Ident,
    scene: &Scene<'_>,
) -> Result<(), Refused> {
    for (view, found) in &scene.now.views {
        let reads = found.reads.iter().any(|r| r.table == table.name && r.column == *column)
            || found.query.tables.contains(&table.name) && found.query.columns.contains(column);
        if reads {
            return refused(
                format!("the view {view} reads {}.{column}", table.name),
                "drop the view in a migration before this one, and create it over the new columns in one behind it",
            );
        }
    }
    if let Some(found) = scene.now.triggers_naming(&table.name, column).iter().find(|m| m.certain) {
        let trigger = found.trigger;
        return refused(
            format!(
                "the trigger {} on {} names {}.{column}",
                trigger.name, trigger.table, table.name
            ),
            "drop the trigger in a migration before this one, and create it in one behind it, without the column",
        );
    }
    Ok(())
}

/// Whether the column is part of the primary key.
fn is_key_column(table: &downhaul_catalog::Table, column: &Ident) -> bool {
    table.primary_key().contains(column)
}
