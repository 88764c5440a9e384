//! `DROP COLUMN` of a column whose values have moved to another table: what the new release writes there,
//! the old one goes on finding here.

use downhaul_catalog::Table;
use downhaul_syntax::{Change, Ident};

use super::as_written::piece;
use super::feed::{Feed, Triggers};
use super::piece::{Piece, Side, Slot};
use super::{HERE, Made, Refused, Scene, refused};
use crate::Direction;

/// The column goes at the contract; until then it follows the row of the other table.
pub(crate) fn move_column(
    change: &Change,
    known: &Table,
    column: &Ident,
    text: Option<&str>,
    feed: &Feed,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let table = &known.name;
    let found = scene.column(table, column)?;
    if found.default.is_some() || known.primary_key().contains(column) || found.generated.is_some()
    {
        return refused(
            format!("{table}.{column} has a default, is part of the key, or is generated"),
            "drop the default in a migration before this one; build a new table beside the old one for the others",
        );
    }
    let source = scene.table(&feed.source)?;
    let triggers = Triggers::of(feed, known, source, scene.now);
    let mut made = Made::default();
    for note in feed.notes(known, source) {
        made.note(note);
    }
    made.note(format!(
        "until the contract whoever changes {table}.{column} writes {source}, and the other way round: two transactions that change both ends of one value at the same instant meet in a deadlock, which the server ends for one of them. Try such a transaction again",
        source = source.name
    ));

    let (mut up, mut down) = (Side::default(), Side::default());
    triggers.lock(&mut up);
    if found.not_null {
        up.change(
            "The new release leaves it out when it inserts. The old one has to bear NULL until there is a row to follow.",
            &Change::DropNotNull { table: table.clone(), column: column.clone() },
            dialect,
        )?;
        made.note(format!(
            "rows of {table} that nothing in {} belongs to hold NULL until the contract, and `down` of the expand phase fails while there are any",
            source.name
        ));
    }
    triggers.create(
        &mut up,
        &format!(
            "What the new release writes to {} the old one finds here. Values are compared: what came from here does not come back.",
            source.name
        ),
    );
    triggers.lock(&mut down);
    triggers.drop(&mut down, "");
    if found.not_null {
        down.change(
            "Fails where the new release has inserted rows that nothing belongs to: fill them first.",
            &Change::SetNotNull { table: table.clone(), column: column.clone() },
            dialect,
        )?;
    }
    let mut refill = Side::default();
    refill.sql(
        "Fills the old place again with what was written since the contract. Nothing to do where contract never ran.",
        triggers.refill(),
    );
    if source.origin == HERE {
        // A table that goes again with the way back of the expand phase: nothing must write to it by then.
        refill.append(down);
        made.push(Slot::BACKFILL, Piece::made(up, refill));
    } else {
        made.push(Slot::EXPAND, Piece::made(up, down));
        made.push(Slot::BACKFILL, Piece::made(Side::default(), refill));
    }
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    triggers.look_after_all(&mut up);
    triggers.drop(&mut up, "The old release is gone: nothing has to follow any more.");
    triggers.lock(&mut down);
    triggers.create(&mut down, "Both places are kept in step again.");
    made.push(Slot::CONTRACT, Piece::made(up, down));
    let why = "Neither release uses it. Downhaul keeps its values, and `down` brings them back.";
    made.push(Slot::CONTRACT, piece(change, text, scene, why)?);
    Ok(made)
}
