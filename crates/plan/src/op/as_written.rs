//! Changes that need no phases of their own: each has one phase in which it is harmless.

use downhaul_catalog::{Constraint, Table, render};
use downhaul_syntax::change::InsertConflict;
use downhaul_syntax::{Change, ConstraintKind, Dialect, ObjectKind, ObjectName};

use super::piece::{Piece, Slot};
use super::{HERE, Made, Refused, Scene, refused, replace, swap_reference};

/// A statement as it stands, in the phase in which neither release misses anything.
pub(crate) fn as_written(
    change: &Change,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    if let Change::LockTable { .. } = change {
        let mut made = Made::default();
        made.note("LOCK is left out: the phases are one after the other, and each takes the locks that it needs");
        return Ok(made);
    }
    // It says when the rest of its transaction is checked, as Django writes it behind each foreign key: here each
    // phase ends its own, and the rule that it names may not be there yet.
    if matches!(change, Change::SetVariable { name, .. } if name == "constraints") {
        return Ok(Made::default());
    }
    // What takes its place is made in the same transaction.
    let slot = match replace::makes_room(change, scene)? {
        true => Slot::EXPAND,
        false => slot_of(change, scene)?,
    };
    let mut made = Made::default();
    if let (Change::Update { table, .. }, Slot::BACKFILL) = (change, slot) {
        made.note(format!("the UPDATE of {table} runs in the backfill phase; rows that the old release writes afterwards are not seen by it"));
    }
    if let (Change::Insert { table, .. }, Slot::BACKFILL) = (change, slot) {
        made.note(format!("what the INSERT copies into {table} runs in the backfill phase; rows that the old release writes afterwards are not in it: copy them in a migration of the contract phase, or keep both in step with a trigger of your own"));
    }
    let mut written = piece(change, text, scene, "")?;
    if slot == Slot::BACKFILL
        && let (
            Change::Insert { table, conflict: InsertConflict::Fail, .. },
            Piece::AsWritten { why, text },
        ) = (change, &mut written)
        && scene.dialect() == Dialect::Postgres
        && let Some(target) = scene.now.table(table)
        && target.origin == HERE
        && has_key(target)
    {
        "A table of this file: when it has gone and comes back, so do its rows, and those stay."
            .clone_into(why);
        text.push_str("\nON CONFLICT DO NOTHING");
    }
    made.push(slot, written);
    Ok(made)
}

/// Whether something keeps a row from being there twice.
fn has_key(table: &Table) -> bool {
    let key = |c: &Constraint| {
        matches!(c.kind, ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. })
    };
    table.constraints.iter().any(key)
}

/// The statement as a piece, with the reason for it.
pub(crate) fn piece(
    change: &Change,
    text: Option<&str>,
    scene: &Scene<'_>,
    why: &str,
) -> Result<Piece, Refused> {
    let text = match text {
        Some(text) => text.to_owned(),
        None => match render(change, scene.dialect()) {
            Ok(statements) => statements.join(";\n"),
            Err(error) => {
                return refused(error.to_string(), "write this action as a statement of its own");
            }
        },
    };
    Ok(Piece::AsWritten { why: why.to_owned(), text })
}

/// Whether a query reads a table that was there before the file.
fn reads_live(query: &downhaul_syntax::Query, scene: &Scene<'_>) -> bool {
    query.tables.iter().any(|name| scene.now.table(name).is_some_and(|t| t.origin != HERE))
}

/// The phase in which a change takes nothing from a release that runs.
fn slot_of(change: &Change, scene: &Scene<'_>) -> Result<Slot, Refused> {
    use Change as C;
    Ok(match change {
        // The old release must not miss it.
        C::DropTable { .. }
        | C::DropView { .. }
        | C::DropType { .. }
        | C::DropSequence { .. }
        | C::DropRoutine { .. }
        | C::DropTrigger { .. }
        | C::DropSchema { .. }
        | C::DropExtension { .. }
        | C::DropPolicy { .. }
        | C::DropOther { .. }
        | C::DropDefault { .. }
        | C::Revoke { .. }
        | C::Truncate { .. }
        | C::Delete { .. } => Slot::CONTRACT,
        // A key that goes: ON CONFLICT of the old release needs it. Another rule that goes: the
        // new release breaks it.
        C::DropConstraint { table, name, .. } => {
            let key = scene.now.table(table).and_then(|t| t.constraint(name)).is_some_and(|c| {
                matches!(
                    c.kind,
                    ConstraintKind::PrimaryKey { .. }
                        | ConstraintKind::Unique { .. }
                        | ConstraintKind::Exclude { .. }
                )
            });
            // One that comes again binds until then.
            let again = swap_reference::goes(table, name, scene).is_some();
            if key || again { Slot::CONTRACT } else { Slot::EXPAND }
        }
        C::Update { .. } | C::Merge { .. } => Slot::BACKFILL,
        // Rows of tables that a release writes.
        C::Insert { from_query: Some(query), .. } if reads_live(query, scene) => Slot::BACKFILL,
        C::RenameEnumValue { name, from, .. } => {
            return refused(
                format!("both releases cannot name the value '{from}' of {name} in their own way"),
                "create a new enum type and change the column's type to it: ALTER COLUMN … TYPE … USING …",
            );
        }
        C::DynamicUnknown { .. } | C::Dynamic { .. } | C::Do { .. } | C::Call { .. } => {
            return refused(
                "what this statement does is decided when it runs",
                "put it into a migration of its own, with -- downhaul:phase",
            );
        }
        C::SetSchema { kind: ObjectKind::Table, name, schema } => {
            let other = ObjectName { schema: Some(schema.clone()), name: name.name.clone() };
            return refused(
                format!("both releases ask for {}, and only one schema can have it", name.name),
                format!(
                    "write a migration with -- downhaul:phase expand, in which the old release gets a view in its place, and drop the view in one with -- downhaul:phase contract:\n  ALTER TABLE {name} SET SCHEMA {schema};\n  CREATE VIEW {name} AS SELECT * FROM {other};\nwhere both releases find the table by their search_path, ship the statement alone"
                ),
            );
        }
        C::SetSchema { .. }
        | C::RenameView { .. }
        | C::AddIdentity { .. }
        | C::SetExpression { .. } => {
            return refused(
                "`expand` does not know how to ship this change around a release",
                "write the phases by hand, each with -- downhaul:phase, or ship it alone with a pause",
            );
        }
        C::Vacuum { .. } | C::Cluster { .. } | C::ClientCommand { .. } => {
            return refused("this is no change of the schema", "run it apart from migrations");
        }
        _ => Slot::EXPAND,
    })
}
