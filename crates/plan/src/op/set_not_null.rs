//! `SET NOT NULL` and `DROP NOT NULL`.

use downhaul_syntax::{Change, Ident, ObjectName};

use super::as_written::piece;
use super::conversion::{Conv, directive_for};
use super::names;
use super::pair::drop_constraint;
use super::piece::{Piece, Side, Slot};
use super::rules::not_null_check;
use super::{Made, Refused, Scene, mend};

/// A column that must not be NULL any more.
pub(crate) fn set_not_null(
    table: &ObjectName,
    column: &Ident,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let known = scene.table(table)?;
    let found = scene.column(table, column)?;
    let mut made = Made::default();
    if found.not_null {
        made.note(format!("{table}.{column} is NOT NULL already"));
        return Ok(made);
    }
    let q = dialect.quote_if_needed(column);
    let fill = match directive_for(&scene.forward, column, true) {
        Some(directive) => Some(Conv::of_directive(directive, known, dialect)?.plain(dialect)),
        None => found.default.as_ref().map(|default| default.text.clone()).or_else(|| {
            let later = scene.defaults.iter();
            let mut of = later.filter(|(of, name, _)| *of == known.name && name == column);
            of.next_back().map(|(.., default)| default.text.clone())
        }),
    };
    let fill = fill.map(|fill| {
        mend::update(&known.name, &[(column.clone(), fill)], &format!("{q} IS NULL"), dialect)
    });
    match &fill {
        Some(fill) => mend::first(fill, &mut made),
        None => made.note(format!(
            "rows in which {table}.{column} is NULL are not filled, and make the last step fail: say how with -- downhaul:forward \"EXPRESSION\" above the statement"
        )),
    }
    let base = format!("{}_{column}_not_null", known.name.name);
    let check = names::free_part(scene.now, &known.name, &base);
    let add = Change::AddConstraint {
        table: known.name.clone(),
        constraint: not_null_check(column, &check, dialect),
        if_not_exists: false,
    };
    let (mut up, mut down) = (Side::default(), Side::default());
    if let Some(fill) = fill {
        up.sql("What the old release wrote since; before the lock is taken.", fill);
    }
    up.change(
        "Binds what is written from here on: the old release, which may write NULL, must be gone. NOT VALID: no row is read under the lock.",
        &add,
        dialect,
    )?;
    down.change("", &drop_constraint(&known.name, &check), dialect)?;
    made.push(Slot::CONTRACT, Piece::made(up, down));
    let (mut up, mut down) = (Side::default(), Side::default());
    up.change(
        "Proves the rows that were there before, while others read and write.",
        &Change::ValidateConstraint { table: known.name.clone(), name: check.clone() },
        dialect,
    )?;
    let set = Change::SetNotNull { table: known.name.clone(), column: column.clone() };
    up.change(
        "The validated CHECK spares SET NOT NULL its scan under a strong lock.",
        &set,
        dialect,
    )?;
    up.change("", &drop_constraint(&known.name, &check), dialect)?;
    down.change("", &add, dialect)?;
    let drop = Change::DropNotNull { table: known.name.clone(), column: column.clone() };
    down.change("", &drop, dialect)?;
    made.push(Slot::CONTRACT_LATER, Piece::made(up, down));
    Ok(made)
}

/// A column that may be NULL from now on.
pub(crate) fn drop_not_null(
    change: &Change,
    table: &ObjectName,
    column: &Ident,
    text: Option<&str>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let dialect = scene.dialect();
    let known = scene.table(table)?;
    let found = scene.column(table, column)?;
    let mut made = Made::default();
    let why = "Instant. From here on the new release may write NULL, and the old one has to bear it when it reads.";
    let back = match directive_for(&scene.back, column, true) {
        Some(directive) => Some(Conv::of_directive(directive, known, dialect)?.plain(dialect)),
        None => found.default.as_ref().map(|default| default.text.clone()),
    };
    let Some(back) = back else {
        made.note(format!(
            "once NULL was written to {table}.{column}, `down` has to fill it and does not know with what: say so with -- downhaul:back \"EXPRESSION\" above the statement"
        ));
        made.push(Slot::EXPAND, piece(change, text, scene, why)?);
        return Ok(made);
    };
    let q = dialect.quote_if_needed(column);
    let (mut up, mut down) = (Side::default(), Side::default());
    up.change(why, change, dialect)?;
    down.sql(
        "What the new release left empty is filled.",
        format!(
            "UPDATE {} SET {q} = {back}\nWHERE {q} IS NULL",
            dialect.quote_name_if_needed(&known.name)
        ),
    );
    let set = Change::SetNotNull { table: known.name.clone(), column: column.clone() };
    down.change("", &set, dialect)?;
    made.push(Slot::EXPAND, Piece::made(up, down));
    Ok(made)
}
