//! `ADD COLUMN … serial` (PostgreSQL): the sequence, a column that draws from it, and that the one owns the
//! other, as the manual says what `serial` means (section 8.1.4). Rows that are there get their numbers in
//! batches, in no order that could be foreseen, as with the statement itself.

use downhaul_catalog::Table;
use downhaul_syntax::{Change, ColumnDef};

use super::add_column::{add_column, numbered_at_once};
use super::piece::{Piece, Side, Slot};
use super::{HERE, Made, Refused, Scene};

/// The column of a `serial` type, without constraints of its own.
pub(crate) fn add_serial_column(
    known: &Table,
    column: &ColumnDef,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let (table, dialect) = (&known.name, scene.dialect());
    let add = |column: ColumnDef| Change::AddColumn {
        table: table.clone(),
        column,
        if_not_exists: false,
        position: None,
    };
    // What the server makes of it.
    let mut after = scene.now.clone();
    after.apply(&add(column.clone()), HERE);
    let meant = after.table(table).and_then(|t| t.column(&column.name));
    let sequence = after.sequences.iter().map(|(_, s)| s).find(|s| {
        s.owned_by.as_ref().is_some_and(|(of, owner)| of == table && *owner == column.name)
            && !s.of_identity
    });
    let (Some(meant), Some(sequence)) = (meant, sequence) else {
        return numbered_at_once(table, column);
    };
    let counted = ColumnDef {
        ty: meant.ty.clone(),
        default: meant.default.clone(),
        not_null: true,
        ..column.clone()
    };
    let create = Change::CreateSequence {
        name: sequence.name.clone(),
        if_not_exists: false,
        temporary: false,
        text: sequence.text.clone(),
        owned_by: None,
    };
    let mut made = Made::default();
    made.note(format!(
        "roles that write to {table} and do not own it draw from {0} from the expand phase on: GRANT USAGE ON SEQUENCE {0} in this file",
        sequence.name
    ));
    let (mut up, mut down) = (Side::default(), Side::default());
    up.change("Where the numbers come from.", &create, dialect)?;
    let drop =
        Change::DropSequence { name: sequence.name.clone(), if_exists: false, cascade: false };
    down.change("", &drop, dialect)?;
    made.push(Slot::EXPAND, Piece::made(up, down));
    let mut met = scene.now.clone();
    met.apply(&create, HERE);
    made.append(add_column(&add(counted.clone()), table, &counted, None, &scene.over(&met))?);
    let owned = |owner| Change::AlterSequence {
        name: sequence.name.clone(),
        if_exists: false,
        text: String::new(),
        restart: false,
        owned_by: owner,
    };
    let (mut up, mut down) = (Side::default(), Side::default());
    up.change(
        "It belongs to the column: where the one comes back, the other goes on behind it.",
        &owned(sequence.owned_by.clone()),
        dialect,
    )?;
    down.sql(
        "",
        format!("ALTER SEQUENCE {} OWNED BY NONE", dialect.quote_name_if_needed(&sequence.name)),
    );
    made.push(Slot::EXPAND, Piece::made(up, down));
    Ok(made)
}
