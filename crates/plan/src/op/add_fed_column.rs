//! `ADD COLUMN` with a value from another table.

use downhaul_catalog::Table;
use downhaul_syntax::{Change, ColumnDef};

use super::feed::{Feed, Triggers};
use super::piece::{Piece, Side, Slot};
use super::rules::Rules;
use super::{Made, Refused, Scene, stale};
use crate::Direction;

/// The column comes empty, is filled behind the writers, and both tables keep it in step.
pub(crate) fn add_fed_column(
    known: &Table,
    column: &ColumnDef,
    feed: &Feed,
    scene: &Scene<'_>,
    made: &mut Made,
) -> Result<(), Refused> {
    let dialect = scene.dialect();
    let table = &known.name;
    feed.refuse_default(table, column)?;
    let source = scene.table(&feed.source)?;
    let triggers = Triggers::of(feed, known, source, scene.now);
    let rules = Rules::of_column(table, column, scene.now);
    for note in feed.notes(known, source) {
        made.note(note);
    }
    made.note(feed.note_on_locks("FOR SHARE"));
    made.note(feed.note_on_own_values());

    let (mut up, mut down) = (Side::default(), Side::default());
    triggers.lock(&mut up);
    let bare = ColumnDef { not_null: false, not_null_name: None, default: None, ..column.clone() };
    up.change(
        "Empty: this touches no row.",
        &Change::AddColumn {
            table: table.clone(),
            column: bare,
            if_not_exists: false,
            position: None,
        },
        dialect,
    )?;
    triggers.create(
        &mut up,
        "The old release does not know the column: the trigger looks it up. What a release writes itself stands. It has the rights of its owner, since who writes the one table need not be allowed to use the other.",
    );
    rules.add(
        table,
        dialect,
        &mut up,
        "NOT VALID: rows that are not filled yet are left alone.",
    )?;
    triggers.lock(&mut down);
    triggers.drop(&mut down, "");
    let mut gone = Side::default();
    let drop = Change::DropColumn {
        table: table.clone(),
        column: column.name.clone(),
        if_exists: false,
        cascade: false,
    };
    gone.change("", &drop, dialect)?;
    down.append(stale::as_computed(&column.name, &feed.lookup(""), gone));
    made.push(Slot::EXPAND, Piece::made(up, down));

    let (mut up, mut down) = (Side::default(), Side::default());
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE. FOR SHARE: what is read does not change before the batch is committed.",
        triggers.backfill(),
    );
    rules.promote(table, dialect, &mut up)?;
    rules.demote(table, dialect, &mut down, "")?;
    made.push(Slot::BACKFILL, Piece::made(up, down));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    triggers.look_after_all(&mut up);
    triggers.drop(&mut up, "The old release is gone: the new one writes the column itself.");
    triggers.lock(&mut down);
    triggers.create(&mut down, "Both tables are kept in step again.");
    made.push(Slot::CONTRACT, Piece::made(up, down));
    made.derive(Slot::CONTRACT, &[Direction::Up]);
    Ok(())
}
