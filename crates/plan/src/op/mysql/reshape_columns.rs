//! Columns split, merged or computed anew, kept in step by triggers.

use downhaul_syntax::{Change, ColumnDef, Expr};

use super::rename_column::{drop_default, no_default, set_default, state_default};
use super::{INPLACE, INSTANT, add, added, default_of, dropped, modify, stated, triggers};
use crate::Direction;
use crate::op::piece::{Piece, Side, Slot};
use crate::op::reshape_columns::Reshape;
use crate::op::sync::Sync;
use crate::op::{Made, Refused, Scene, refused};

/// Columns that take the place of others.
pub(crate) fn reshape_columns(changes: &[Change], scene: &Scene<'_>) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let reshape = Reshape::read(changes, scene)?;
    let (first, second, caution) = (reshape.first(), reshape.second(), reshape.caution());
    let Reshape { known, added: new, dropped: gone, forward, back } = reshape;
    let table = &known.name;
    for column in &gone {
        let indexed = known
            .indexes
            .iter()
            .any(|index| index.parts.iter().any(|p| p.column.as_ref() == Some(*column)));
        if indexed {
            return refused(
                format!("{table}.{column} is part of an index"),
                "drop the index in a migration before this one, and build it over the new columns afterwards",
            );
        }
    }
    let follows: Vec<Option<Expr>> = new
        .iter()
        .zip(&forward)
        .map(|(column, conv)| {
            let needed = column.not_null && column.default.is_none();
            if needed { default_of(conv, dialect) } else { None }
        })
        .collect();
    let bare = |column: &ColumnDef| ColumnDef {
        not_null: false,
        not_null_name: None,
        default: None,
        ..column.clone()
    };
    let base = new.first().map(|c| c.name.to_string()).unwrap_or_default();
    let (trigger, function) = triggers::name(scene.now, table, &base);
    let sync = Sync {
        dialect,
        table: table.clone(),
        first,
        second,
        forward,
        back,
        required: new.iter().filter(|c| c.not_null).map(|c| c.name.clone()).collect(),
        trigger,
        function,
        schema: None,
    };
    let mut made = Made::default();
    made.note(caution);
    let (mut up, mut down) = (Side::default(), Side::default());
    for column in &new {
        add(&mut up, "Empty: this touches no row.", &added(table, bare(column)), INSTANT, dialect)?;
    }
    triggers::create(
        &sync,
        &mut up,
        "Whoever writes one side, the other follows. The triggers compare values and ask no client who it is.",
    );
    triggers::drop(&sync, &mut down, "");
    for column in new.iter().rev() {
        add(&mut down, "", &dropped(table, &column.name), INPLACE, dialect)?;
    }
    made.push(Slot::EXPAND, Piece::made(up, down));

    let (mut up, mut down) = (Side::default(), Side::default());
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
        sync.backfill(),
    );
    down.sql(
        "Fills the old side again with what was written after contract. Nothing to do where contract never ran.",
        sync.backfill_back(),
    );
    // All at once: a row that has one of them from its default and not yet the others would be taken for one
    // that a release wrote.
    let full = new.iter().zip(&follows).filter(|(column, _)| column.not_null);
    let full: Vec<Change> = full
        .map(|(column, follows)| {
            modify(table, ColumnDef { not_null: true, default: follows.clone(), ..bare(column) })
        })
        .collect();
    let empty = new.iter().filter(|column| column.not_null);
    let empty: Vec<Change> = empty.map(|column| modify(table, bare(column))).collect();
    let together = |side: &mut Side, why: &str, changes: &[Change]| {
        if !changes.is_empty() {
            side.together(why, table, changes, dialect)?;
            if let Some(step) = side.steps.last_mut() {
                step.sql.push_str(INPLACE);
            }
        }
        Ok(())
    };
    together(&mut up, "Every row is filled.", &full)?;
    for column in &gone {
        let found = scene.column(table, column)?;
        if found.not_null {
            let state = |not_null| modify(table, stated(found, column, not_null));
            add(
                &mut up,
                "From here on the old side may be empty, as it is when the way back from contract brings it back.",
                &state(false),
                INPLACE,
                dialect,
            )?;
            add(&mut down, "", &state(true), INPLACE, dialect)?;
        }
    }
    together(&mut down, "", &empty)?;
    made.push(Slot::BACKFILL, Piece::made(up, down));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    // While the triggers stand: without both, the new release could not leave such a column out.
    for (column, follows) in new.iter().zip(&follows) {
        if column.default.is_some() {
            state_default(&mut up, table, (*column).clone(), dialect)?;
        } else if follows.is_some() {
            add(&mut up, "", &drop_default(table, &column.name), "", dialect)?;
        }
    }
    triggers::drop(&sync, &mut up, "The old release is gone: nothing has to follow any more.");
    for column in &gone {
        let found = scene.column(table, column)?;
        add(&mut up, "", &dropped(table, column), INPLACE, dialect)?;
        let empty = ColumnDef { default: None, ..stated(found, column, false) };
        add(
            &mut down,
            "The old side comes back empty; `down` of the backfill fills it.",
            &added(table, empty),
            INSTANT,
            dialect,
        )?;
        state_default(&mut down, table, stated(found, column, false), dialect)?;
    }
    triggers::create(&sync, &mut down, "Both sides follow each other again.");
    for column in new.iter().filter(|c| c.default.is_some()) {
        add(&mut down, "", &no_default(table, (*column).clone(), dialect), "", dialect)?;
    }
    for (column, follows) in new.iter().zip(&follows) {
        if let Some(follows) = follows {
            set_default(&mut down, table, &column.name, follows, dialect)?;
        }
    }
    made.push(Slot::CONTRACT, Piece::made(up, down));
    made.derive(Slot::CONTRACT, &[Direction::Up]);
    Ok(made)
}
