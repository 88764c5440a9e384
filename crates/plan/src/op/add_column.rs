//! `ADD COLUMN`: at once where it touches no row, else empty first and filled afterwards.

use downhaul_catalog::{render_type, serial_base};
use downhaul_syntax::{Change, ColumnDef, Dialect, Expr, ObjectName};

use super::add_fed_column::add_fed_column;
use super::add_identity_column::add_identity_column;
use super::add_serial_column::add_serial_column;
use super::as_written::piece;
use super::conversion::Conv;
use super::feed::Holds;
use super::piece::{Piece, Side, Slot};
use super::rules::Rules;
use super::sync::Sync;
use super::{HERE, Made, Refused, Scene, add_constraint, refused, stale, unfilled};
use crate::Direction;

/// Functions that give another value for every row (`pg_proc.provolatile = 'v'`); with one of them
/// as default the server rewrites the table.
pub(crate) const VOLATILE: &[&str] = &[
    "clock_timestamp",
    "timeofday",
    "random",
    "random_normal",
    "gen_random_uuid",
    "gen_random_bytes",
    "uuidv4",
    "uuidv7",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "uuid_generate_v7",
    "nextval",
];

/// A new column.
pub(crate) fn add_column(
    change: &Change,
    table: &ObjectName,
    column: &ColumnDef,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let known = scene.table(table)?;
    let mut made = Made::default();
    if known.origin == HERE {
        made.push(Slot::EXPAND, piece(change, text, scene, "")?);
        return Ok(made);
    }
    let type_name = column.ty.as_ref().map(|ty| render_type(ty, dialect)).unwrap_or_default();
    if column.generated.as_ref().is_some_and(|g| g.stored) {
        return refused(
            format!("{table}.{} is computed for every row while the table is locked", column.name),
            "add a plain column with -- downhaul:forward \"EXPRESSION\" above the statement: it is filled in the background",
        );
    }
    let serial = dialect == Dialect::Postgres
        && column.ty.as_ref().is_some_and(|ty| serial_base(&ty.name).is_some());
    if serial && column.constraints.is_empty() {
        return add_serial_column(known, column, scene);
    }
    if column.identity.is_some() && column.constraints.is_empty() {
        return add_identity_column(known, column, scene);
    }
    if !serial && type_name.to_lowercase().ends_with("serial") {
        return numbered_at_once(table, column);
    }
    if !column.constraints.is_empty() {
        let bare = ColumnDef { constraints: Vec::new(), ..column.clone() };
        let add = Change::AddColumn {
            table: table.clone(),
            column: bare.clone(),
            if_not_exists: false,
            position: None,
        };
        made.append(add_column(&add, table, &bare, None, scene)?);
        let mut met = scene.now.clone();
        met.apply(&add, HERE);
        let scene = scene.over(&met);
        for constraint in &column.constraints {
            let add = Change::AddConstraint {
                table: table.clone(),
                constraint: constraint.clone(),
                if_not_exists: false,
            };
            made.append(add_constraint::add_constraint(&add, table, constraint, None, &scene)?);
        }
        return Ok(made);
    }
    let (forward, column) = match Holds::said_of(column, known, scene, &mut made)? {
        Holds::Fed(fed) => {
            let (feed, column) = *fed;
            add_fed_column(known, &column, &feed, scene, &mut made)?;
            return Ok(made);
        }
        Holds::Computed(conv, column) => (Some(conv), column),
        Holds::Unsaid => (None, Box::new(column.clone())),
    };
    let volatile = column
        .default
        .as_ref()
        .is_some_and(|d| d.functions.iter().any(|f| VOLATILE.contains(&f.as_str())));
    match forward {
        None if !volatile && (!column.not_null || column.default.is_some()) => {
            made.push(Slot::EXPAND, piece(change, text, scene, "")?);
        }
        None if !volatile => {
            return unfilled::refuse(known, &[&column], scene);
        }
        forward => filled(known, &column, forward, scene, &mut made)?,
    }
    Ok(made)
}

/// Refuses a column whose numbers would be given while nobody else can read the table.
pub(crate) fn numbered_at_once(table: &ObjectName, column: &ColumnDef) -> Result<Made, Refused> {
    refused(
        format!("{table}.{} gets a number for every row while the table is locked", column.name),
        "CREATE SEQUENCE, then ADD COLUMN … DEFAULT nextval('…'): that is filled in the background",
    )
}

/// The column comes empty, and is filled behind the writers.
fn filled(
    known: &downhaul_catalog::Table,
    column: &ColumnDef,
    forward: Option<Conv>,
    scene: &Scene<'_>,
    made: &mut Made,
) -> Result<(), Refused> {
    let dialect = scene.dialect();
    let table = &known.name;
    let bare = ColumnDef { not_null: false, not_null_name: None, default: None, ..column.clone() };
    let rules = Rules::of_column(table, column, scene.now);
    let (mut up, mut down) = (Side::default(), Side::default());
    up.change(
        "Empty: this touches no row, and holds its lock for an instant.",
        &Change::AddColumn {
            table: table.clone(),
            column: bare,
            if_not_exists: false,
            position: None,
        },
        dialect,
    )?;
    if let Some(default) = &column.default {
        up.change("New rows get it at once.", &set_default(table, column, default), dialect)?;
    }
    let conv = match (forward, &column.default) {
        (Some(conv), _) => conv,
        (None, Some(default)) => Conv::of_text(&default.text, known, dialect)?,
        (None, None) => {
            return refused(
                "nothing says what the column holds",
                "add -- downhaul:forward \"EXPRESSION\"",
            );
        }
    };
    let named = Sync::named(scene.now, known, column.name.as_str());
    let first = conv.typed_columns(known);
    let computed = !first.is_empty();
    let sync = Sync {
        required: rules.not_null.iter().map(|(c, _)| c.clone()).collect(),
        schema: table.schema.clone().or_else(|| scene.now.default_schema.clone()),
        ..Sync::one_way(table, first, (&column.name, column.ty.as_ref()), &conv, named, dialect)
    };
    // A NOT NULL that unfilled rows would break when somebody else updates them needs the trigger.
    let trigger = computed || column.not_null;
    if trigger {
        let why = "The old release does not know the column: the trigger computes it. What a release writes itself stands.";
        if computed {
            sync.create(&mut up, why);
        } else {
            sync.fill_only(&mut up, why);
        }
        sync.drop(&mut down, "");
    }
    rules.add(
        table,
        dialect,
        &mut up,
        "NOT VALID: rows that are not filled yet are left alone.",
    )?;
    let mut gone = Side::default();
    let drop = Change::DropColumn {
        table: table.clone(),
        column: column.name.clone(),
        if_exists: false,
        cascade: false,
    };
    gone.change("", &drop, dialect)?;
    down.append(if computed { stale::follows(&sync, gone) } else { gone });
    made.push(Slot::EXPAND, Piece::made(up, down));

    let (mut up, mut down) = (Side::default(), Side::default());
    up.sql(
        "Downhaul runs this in small batches, by key. Run by another client it is one long UPDATE.",
        format!(
            "UPDATE {} SET {q} = {}\nWHERE {}",
            dialect.quote_name_if_needed(table),
            conv.plain(dialect),
            conv.unfilled(&column.name, column.not_null, dialect),
            q = dialect.quote_if_needed(&column.name)
        ),
    );
    rules.promote(table, dialect, &mut up)?;
    rules.demote(table, dialect, &mut down, "")?;
    made.push(Slot::BACKFILL, Piece::made(up, down));
    made.derive(Slot::BACKFILL, &[Direction::Up, Direction::Down]);

    if trigger {
        let (mut up, mut down) = (Side::default(), Side::default());
        sync.drop(&mut up, "The old release is gone: the new one writes the column itself.");
        if computed {
            sync.create(&mut down, "");
        } else {
            sync.fill_only(&mut down, "");
        }
        made.push(Slot::CONTRACT, Piece::made(up, down));
    }
    Ok(())
}

fn set_default(table: &ObjectName, column: &ColumnDef, default: &Expr) -> Change {
    Change::SetDefault {
        table: table.clone(),
        column: column.name.clone(),
        default: default.clone(),
    }
}
