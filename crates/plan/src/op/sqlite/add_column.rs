//! `ADD COLUMN`: at once where it touches no row, else empty first and filled afterwards.

use downhaul_syntax::{Change, ColumnDef, ObjectName};

use super::anew::{lead, with};
use super::triggers::{self, Triggers};
use crate::Direction;
use crate::op::as_written::piece;
use crate::op::conversion::{Conv, directive_for};
use crate::op::piece::{Piece, Side, Slot};
use crate::op::sync::Sync;
use crate::op::{HERE, Made, Refused, Scene, refused, stale};

/// A new column.
pub(crate) fn add_column(
    change: &Change,
    table: &ObjectName,
    column: &ColumnDef,
    text: &str,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let known = scene.table(table)?;
    let mut made = Made::default();
    let forward = directive_for(&scene.forward, &column.name, true)
        .map(|directive| Conv::of_directive(directive, known, dialect))
        .transpose()?;
    if known.origin == HERE {
        made.push(Slot::EXPAND, piece(change, Some(text), scene, "")?);
        return Ok(made);
    }
    let mut trial = scene.now.clone();
    let takes_it = trial.apply(change, HERE).is_empty();
    let conv = match forward {
        None if takes_it => {
            made.push(Slot::EXPAND, piece(change, Some(text), scene, "")?);
            return Ok(made);
        }
        Some(conv) => conv,
        None => match &column.default {
            // One that SQLite takes for new tables only: CURRENT_TIMESTAMP, an expression.
            Some(default) => Conv::of_text(&default.text, known, dialect)?,
            None => {
                return refused(
                    format!(
                        "{table}.{} cannot be added to a table with rows as it stands, and nothing says what they hold",
                        column.name
                    ),
                    "give it a constant DEFAULT, or say how it is computed with -- downhaul:forward \"EXPRESSION\" above the statement; leave out generated and unique columns, and add their rules afterwards",
                );
            }
        },
    };
    if column.generated.is_some() {
        return refused(
            format!("{table}.{} is generated", column.name),
            "add a plain column with -- downhaul:forward \"EXPRESSION\" above the statement",
        );
    }
    let table = &known.name;
    let bare = ColumnDef {
        not_null: false,
        not_null_name: None,
        default: None,
        constraints: Vec::new(),
        ..column.clone()
    };
    let as_is = bare.not_null == column.not_null
        && column.default.is_none()
        && column.constraints.is_empty();
    let added = |column: ColumnDef| Change::AddColumn {
        table: table.clone(),
        column,
        if_not_exists: false,
        position: None,
    };
    let between = with(scene.now, &[added(bare)]);
    let wanted = with(scene.now, std::slice::from_ref(change));
    let named = triggers::name(scene.now, table, column.name.as_str());
    let first = conv.typed_columns(known);
    let computed = !first.is_empty();
    let sync =
        Sync::one_way(table, first, (&column.name, column.ty.as_ref()), &conv, named, dialect);
    let triggers = Triggers::new(&sync, known, !computed)?;
    let (mut up, mut down) = (Side::default(), Side::default());
    lead(scene.now, &between, &[], "Empty: this touches no row.", &mut up)?;
    triggers.create(
        &mut up,
        "The old release does not know the column: the triggers compute it. What a release writes itself stands.",
    );
    triggers.drop(&mut down, "");
    let mut gone = Side::default();
    lead(&between, scene.now, &[], "", &mut gone)?;
    down.append(if computed { stale::follows(&sync, gone) } else { gone });
    made.push(Slot::EXPAND, Piece::made(up, down));

    let mut up = Side::default();
    let q = dialect.quote_if_needed(&column.name);
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
        format!(
            "UPDATE {} SET {q} = {}\nWHERE {}",
            dialect.quote_name_if_needed(table),
            conv.plain(dialect),
            conv.unfilled(&column.name, column.not_null, dialect)
        ),
    );
    made.push(Slot::BACKFILL, Piece::made(up, Side::default()));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    let (mut up, mut down) = (Side::default(), Side::default());
    triggers.drop(&mut up, "The old release is gone: the new one writes the column itself.");
    if !as_is {
        lead(&between, &wanted, &[], "Every row is filled: its rules bind from here on.", &mut up)?;
        lead(&wanted, &between, &[], "", &mut down)?;
        made.derive(Slot::CONTRACT, &[Direction::Up, Direction::Down]);
    }
    triggers.create(&mut down, "");
    made.push(Slot::CONTRACT, Piece::made(up, down));
    Ok(made)
}
