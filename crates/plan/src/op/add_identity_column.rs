//! `ADD COLUMN … GENERATED … AS IDENTITY` (PostgreSQL). The server numbers all rows while the table is locked, and
//! takes a column for an identity only once none of them is empty: so it comes as a `serial` one, filled in the
//! background, and becomes the identity at the switch, in an instant, counting on where the sequence stands.

use downhaul_catalog::Table;
use downhaul_syntax::{Change, ColumnDef, Expr, Ident, ObjectKind, ObjectName, Statement};

use super::add_serial_column::add_serial_column;
use super::piece::{Piece, Side, Slot};
use super::{HERE, Made, Refused, Scene, names, refused};
use crate::Direction;

/// Refuses an identity whose sequence counts otherwise than by default: of its options nothing is known.
pub(crate) fn check(
    statement: &Statement,
    changes: &[Change],
    scene: &Scene<'_>,
) -> Result<(), Refused> {
    let adds = |change: &Change| {
        matches!(change, Change::AddColumn { table, column, .. }
            if column.identity.is_some() && scene.now.table(table).is_some_and(|t| t.origin != HERE))
    };
    let words = statement.text.to_lowercase();
    let has_options = words
        .match_indices("identity")
        .any(|(at, word)| words[at + word.len()..].trim_start().starts_with('('));
    if has_options && changes.iter().any(adds) {
        return refused(
            "an identity with options is added",
            "write it without them, and set them in a migration behind this one: ALTER TABLE … ALTER COLUMN … SET INCREMENT BY …, SET CACHE …",
        );
    }
    Ok(())
}

/// The identity column, without constraints of its own.
pub(crate) fn add_identity_column(
    known: &Table,
    column: &ColumnDef,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let (table, dialect) = (&known.name, scene.dialect());
    let Some(identity) = column.identity else {
        return refused(format!("{table}.{} is no identity", column.name), "write it as a serial");
    };
    let Some(mut ty) = column.ty.clone() else {
        return refused(format!("{table}.{} has no type", column.name), "give it one: bigint");
    };
    let serial = match ty.name.as_str() {
        "smallint" => "smallserial",
        "integer" => "serial",
        "bigint" => "bigserial",
        _ => {
            return refused(
                format!("{table}.{} is an identity, and its type does not count", column.name),
                "make it a smallint, an integer or a bigint",
            );
        }
    };
    serial.clone_into(&mut ty.name);
    let counted = ColumnDef { identity: None, ty: Some(ty), ..column.clone() };
    let mut made = add_serial_column(known, &counted, scene)?;
    made.notes.clear();
    // An identity leaves nothing for the trigger that fills what others update.
    for (slot, piece) in made.pieces.iter_mut().filter(|(slot, _)| *slot == Slot::CONTRACT) {
        *slot = Slot::SWITCH;
        if let Piece::Made { up, .. } = piece
            && let Some(first) = up.steps.first_mut()
        {
            "Every row has its number.".clone_into(&mut first.why);
        }
    }

    let mut filled = scene.now.clone();
    let add = |column: &ColumnDef| Change::AddColumn {
        table: table.clone(),
        column: column.clone(),
        if_not_exists: false,
        position: None,
    };
    filled.apply(&add(&counted), HERE);
    let owned = |now: &downhaul_catalog::Catalog| {
        let is = |owner: &(ObjectName, Ident)| owner.0 == *table && owner.1 == column.name;
        let mut all = now.sequences.values();
        all.find(|s| s.owned_by.as_ref().is_some_and(is)).cloned()
    };
    let default =
        filled.table(table).and_then(|t| t.column(&column.name)).and_then(|c| c.default.clone());
    let (Some(sequence), Some(default)) = (owned(&filled), default) else {
        return refused(
            format!("the sequence of {table}.{} is not known", column.name),
            "write the phases by hand",
        );
    };
    draw(known, &sequence.name, scene, &mut made)?;
    made.note(format!(
        "until the switch, who writes to {table} draws from {}, and roles that do not own the table need the right to: the phases grant it to those to which migrations grant INSERT. State others in a migration before this one (GRANT INSERT ON {table} TO …)",
        sequence.name
    ));

    let base = format!("{}_spare", sequence.name.name);
    let aside = ObjectName {
        schema: sequence.name.schema.clone(),
        name: names::free_part(&filled, table, &base),
    };
    let rename = |from: &ObjectName, to: &ObjectName| Change::Rename {
        kind: ObjectKind::Sequence,
        table: None,
        from: from.clone(),
        to: to.name.clone(),
    };
    let goes_on = |from: &ObjectName, to: &ObjectName| {
        format!(
            "SELECT setval({}, last_value, is_called) FROM {}",
            dialect.literal(&dialect.quote_name_if_needed(to)),
            dialect.quote_name_if_needed(from)
        )
    };
    let drop_default = Change::DropDefault { table: table.clone(), column: column.name.clone() };
    let set_default = |default: Expr| Change::SetDefault {
        table: table.clone(),
        column: column.name.clone(),
        default,
    };
    let counts =
        Change::AddIdentity { table: table.clone(), column: column.name.clone(), identity };
    let counts_no_more = Change::DropIdentity {
        table: table.clone(),
        column: column.name.clone(),
        if_exists: false,
    };
    let drop_spare = Change::DropSequence { name: aside.clone(), if_exists: false, cascade: false };
    let (mut up, mut down) = (Side::default(), Side::default());
    up.change(
        "No row is empty: the column becomes the identity, and goes on counting where its sequence stands. Nothing is read.",
        &drop_default,
        dialect,
    )?;
    up.change("", &rename(&sequence.name, &aside), dialect)?;
    up.change("", &counts, dialect)?;
    up.sql("", goes_on(&aside, &sequence.name));
    up.change("", &drop_spare, dialect)?;

    down.sql(
        "Nobody draws a number from the one while the other takes its place.",
        format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", dialect.quote_name_if_needed(table)),
    );
    let create = Change::CreateSequence {
        name: aside.clone(),
        if_not_exists: false,
        temporary: false,
        text: sequence.text.clone(),
        owned_by: None,
    };
    down.change("", &create, dialect)?;
    down.sql("", goes_on(&sequence.name, &aside));
    down.change("", &counts_no_more, dialect)?;
    down.change("", &rename(&aside, &sequence.name), dialect)?;
    let own = Change::AlterSequence {
        name: sequence.name.clone(),
        if_exists: false,
        text: String::new(),
        restart: false,
        owned_by: sequence.owned_by.clone(),
    };
    down.change("", &own, dialect)?;
    down.change("", &set_default(default), dialect)?;
    if let Some(grant) = grants(known, &sequence.name) {
        down.change("", &grant, dialect)?;
    }
    made.push(Slot::SWITCH, Piece::made(up, down));
    made.derive(Slot::SWITCH, &[Direction::Up, Direction::Down]);
    Ok(made)
}

/// Who may write rows draws numbers for them while the sequence is one of its own.
fn draw(
    known: &Table,
    sequence: &ObjectName,
    scene: &Scene<'_>,
    made: &mut Made,
) -> Result<(), Refused> {
    let mut up = Side::default();
    if let Some(grant) = grants(known, sequence) {
        up.change("Who may write rows draws their numbers.", &grant, scene.dialect())?;
    }
    if !up.is_empty() {
        // They go with the sequence.
        made.push(Slot::EXPAND, Piece::made(up, Side::default()));
    }
    Ok(())
}

/// The right to draw, for all roles to which migrations have granted that they write rows.
fn grants(known: &Table, sequence: &ObjectName) -> Option<Change> {
    let mut to: Vec<String> = Vec::new();
    for (role, privilege) in &known.grants {
        let writes =
            ["INSERT", "ALL", "UPDATE"].iter().any(|p| privilege.to_uppercase().starts_with(p));
        if writes && !to.contains(role) {
            to.push(role.clone());
        }
    }
    (!to.is_empty()).then(|| Change::Grant {
        privileges: vec!["USAGE".to_owned()],
        kind: ObjectKind::Sequence,
        objects: vec![sequence.clone()],
        to,
    })
}
