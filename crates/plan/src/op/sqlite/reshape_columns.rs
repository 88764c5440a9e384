//! Columns split, merged or computed anew, kept in step by triggers.

use downhaul_syntax::{Change, ColumnDef, Ident};

use super::anew::{lead, nullable, with};
use super::rename_column::either;
use super::triggers::{self, Triggers};
use super::unread;
use crate::Direction;
use crate::op::piece::{Piece, Side, Slot};
use crate::op::reshape_columns::Reshape;
use crate::op::sync::Sync;
use crate::op::{Made, Refused, Scene};

/// Columns that take the place of others.
pub(crate) fn reshape_columns(changes: &[Change], scene: &Scene<'_>) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let reshape = Reshape::read(changes, scene)?;
    let (first, second, caution) = (reshape.first(), reshape.second(), reshape.caution());
    let Reshape { known, added, dropped, forward, back } = reshape;
    let table = &known.name;
    let bare = |column: &ColumnDef| Change::AddColumn {
        table: table.clone(),
        column: ColumnDef {
            not_null: false,
            not_null_name: None,
            default: None,
            constraints: Vec::new(),
            ..column.clone()
        },
        if_not_exists: false,
        position: None,
    };
    let mut middle: Vec<Change> = added.iter().map(|c| bare(c)).collect();
    for column in &dropped {
        let found = scene.column(table, column)?;
        unread(known, column, scene)?;
        if found.not_null && found.default.is_none() {
            // An INSERT that knows the new side only must pass before the trigger fills the old one.
            middle.push(nullable(table, column));
            let one_of: Vec<&Ident> =
                std::iter::once(*column).chain(added.iter().map(|c| &c.name)).collect();
            middle.push(either(table, &one_of, dialect));
        }
    }
    let between = with(scene.now, &middle);
    let wanted = with(scene.now, changes);
    let base = added.first().map(|c| c.name.to_string()).unwrap_or_default();
    let (trigger, function) = triggers::name(scene.now, table, &base);
    let sync = Sync {
        dialect,
        table: table.clone(),
        first,
        second,
        forward,
        back,
        required: Vec::new(),
        trigger,
        function,
        schema: None,
    };
    let triggers = Triggers::new(&sync, known, false)?;
    let mut made = Made::default();
    made.note(caution);
    let (mut up, mut down) = (Side::default(), Side::default());
    let built = lead(scene.now, &between, &[], "The new side, empty.", &mut up)?;
    triggers.create(
        &mut up,
        "Whoever writes one side, the other follows. The triggers compare values and ask no client who it is; they stand before the first row is copied, so that none is missed.",
    );
    triggers.drop(&mut down, "");
    lead(&between, scene.now, &[], "", &mut down)?;
    made.push(Slot::EXPAND, Piece::made(up, down));
    if built {
        made.derive(Slot::EXPAND, &[Direction::Up, Direction::Down]);
    }

    let mut up = Side::default();
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
        sync.backfill(),
    );
    made.push(Slot::BACKFILL, Piece::made(up, Side::default()));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    triggers.drop(&mut up, "The old release is gone: nothing has to follow any more.");
    lead(&between, &wanted, &[], "The old side goes, and the new one gets its rules.", &mut up)?;
    let values: Vec<(Ident, String)> = sync
        .first
        .iter()
        .zip(&sync.back)
        .map(|((column, _), conv)| (column.clone(), conv.plain(dialect)))
        .collect();
    let built =
        lead(&wanted, &between, &values, "The old side comes back from the new one.", &mut down)?;
    if !built {
        down.sql("The old side comes back from the new one.", sync.backfill_back());
    }
    triggers.create(&mut down, "");
    made.push(Slot::CONTRACT, Piece::made(up, down));
    Ok(made)
}
