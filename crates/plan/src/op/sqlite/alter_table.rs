//! What SQLite has no `ALTER TABLE` for: types, NOT NULL, defaults, constraints.

use downhaul_catalog::render_type;
use downhaul_syntax::{Change, ConstraintDef, ConstraintKind, Dialect, Expr, Ident, ObjectName};

use super::anew::{lead, with};
use super::is_key_column;
use crate::op::as_written::piece;
use crate::op::conversion::{Conv, directive_for};
use crate::op::piece::{Piece, Side, Slot};
use crate::op::{HERE, Made, Refused, Scene, mend, refused, reverse};

/// One change that builds the table anew, and back.
pub(crate) fn anew(
    change: &Change,
    table: &ObjectName,
    slot: Slot,
    why: &str,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    scene.table(table)?;
    let after = with(scene.now, std::slice::from_ref(change));
    let (mut up, mut down) = (Side::default(), Side::default());
    lead(scene.now, &after, &[], why, &mut up)?;
    lead(&after, scene.now, &[], "", &mut down)?;
    let mut made = Made::default();
    if up.is_empty() {
        made.note(format!("nothing of {table} changes"));
        return Ok(made);
    }
    made.push(slot, Piece::made(up, down));
    made.note(lasting(table));
    Ok(made)
}

/// What building a table anew costs.
fn lasting(table: &ObjectName) -> String {
    format!(
        "{table} is copied while writers wait: measure with `downhaul prove` or on a copy how long that takes"
    )
}

/// `SET NOT NULL`.
pub(crate) fn set_not_null(
    change: &Change,
    table: &ObjectName,
    column: &Ident,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let (known, found) = (scene.table(table)?, scene.column(table, column)?);
    let dialect = scene.dialect();
    let fill = match directive_for(&scene.forward, column, true) {
        Some(directive) => Some(Conv::of_directive(directive, known, dialect)?.plain(dialect)),
        None => found.default.as_ref().map(|default| default.text.clone()),
    };
    let q = dialect.quote_if_needed(column);
    let mend = fill.map(|fill| {
        mend::update(&known.name, &[(column.clone(), fill)], &format!("{q} IS NULL"), dialect)
    });
    let why = "The old release, which may write NULL, must be gone.";
    ruled(change, &known.name, mend, why, scene, || {
        format!(
            "rows in which {table}.{column} is NULL are not filled, and make the last step fail: say how with -- downhaul:forward \"EXPRESSION\" above the statement"
        )
    })
}

/// A rule that rows have to meet: they are mended, then it binds.
fn ruled(
    change: &Change,
    table: &ObjectName,
    mend: Option<String>,
    why: &str,
    scene: &Scene<'_>,
    unmended: impl Fn() -> String,
) -> Result<Made, Refused> {
    let mut made = Made::default();
    match &mend {
        Some(sql) => mend::first(sql, &mut made),
        None => made.note(unmended()),
    }
    let after = with(scene.now, std::slice::from_ref(change));
    let (mut up, mut down) = (Side::default(), Side::default());
    if let Some(sql) = mend {
        up.sql("What the old release wrote since.", sql);
    }
    lead(scene.now, &after, &[], why, &mut up)?;
    lead(&after, scene.now, &[], "", &mut down)?;
    made.push(Slot::CONTRACT, Piece::made(up, down));
    made.note(lasting(table));
    Ok(made)
}

/// `DROP NOT NULL`.
pub(crate) fn drop_not_null(
    change: &Change,
    table: &ObjectName,
    column: &Ident,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let (known, found) = (scene.table(table)?, scene.column(table, column)?);
    let dialect = scene.dialect();
    let back = match directive_for(&scene.back, column, true) {
        Some(directive) => Some(Conv::of_directive(directive, known, dialect)?.plain(dialect)),
        None => found.default.as_ref().map(|default| default.text.clone()),
    };
    let after = with(scene.now, std::slice::from_ref(change));
    let mut made = Made::default();
    let (mut up, mut down) = (Side::default(), Side::default());
    let why = "From here on the new release may write NULL, and the old one has to bear it when it reads.";
    lead(scene.now, &after, &[], why, &mut up)?;
    match back {
        Some(back) => {
            let q = dialect.quote_if_needed(column);
            let empty = format!("{q} IS NULL");
            down.sql(
                "What the new release left empty is filled.",
                mend::update(&known.name, &[(column.clone(), back)], &empty, dialect),
            );
        }
        None => made.note(format!(
            "once NULL was written to {table}.{column}, `down` has to fill it and does not know with what: say so with -- downhaul:back \"EXPRESSION\" above the statement"
        )),
    }
    lead(&after, scene.now, &[], "", &mut down)?;
    if up.is_empty() {
        made.note(format!("{table}.{column} may be NULL already"));
        return Ok(made);
    }
    made.push(Slot::EXPAND, Piece::made(up, down));
    made.note(lasting(&known.name));
    Ok(made)
}

/// `ALTER COLUMN … TYPE`. Both releases name the column alike, so there is one moment at which it
/// changes; without USING a value is stored as the new type takes it, which loses nothing: what does
/// not fit stays as it is.
pub(crate) fn retype(
    change: &Change,
    table: &ObjectName,
    column: &Ident,
    using: Option<&Expr>,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let (known, found) = (scene.table(table)?, scene.column(table, column)?);
    let dialect = scene.dialect();
    if is_key_column(known, column) || found.generated.is_some() {
        return refused(
            format!("{table}.{column} is part of the primary key, or generated"),
            "build a new table beside the old one",
        );
    }
    let forward = match (directive_for(&scene.forward, column, true), using) {
        (Some(directive), _) => Some(Conv::of_directive(directive, known, dialect)?),
        (None, Some(using)) => Some(Conv::of_text(&using.text, known, dialect)?),
        (None, None) => None,
    };
    let back = directive_for(&scene.back, column, true)
        .map(|directive| Conv::of_directive(directive, known, dialect))
        .transpose()?;
    if let (Some(forward), None) = (&forward, &back) {
        let old = found.ty.as_ref().map(|ty| render_type(ty, dialect)).unwrap_or_default();
        return refused(
            format!("nothing says how {table}.{column} becomes what it was again"),
            reverse::say_how(forward, column, &old, dialect),
        );
    }
    let mut changed = change.clone();
    if let Change::AlterColumnType { collation, .. } = &mut changed
        && collation.is_none()
    {
        // In the statement, PostgreSQL's, silence means the collation of the type. Here it belongs to the column:
        // comparisons and unique indexes that go by it (NOCASE) would take other values for equal.
        collation.clone_from(&found.collation);
    }
    let after = with(scene.now, std::slice::from_ref(&changed));
    let value = |conv: &Option<Conv>| -> Vec<(Ident, String)> {
        conv.iter().map(|conv| (column.clone(), conv.plain(dialect))).collect()
    };
    let (mut up, mut down) = (Side::default(), Side::default());
    lead(scene.now, &after, &value(&forward), "", &mut up)?;
    lead(&after, scene.now, &value(&back), "", &mut down)?;
    let mut made = Made::default();
    if let (true, Some(forward), Some(back)) = (up.is_empty(), &forward, &back) {
        // The type stays, the values change.
        let all = |conv: &Conv| {
            let value = conv.plain(dialect);
            mend::update(&known.name, &[(column.clone(), value)], "true", dialect)
        };
        up.sql("", all(forward));
        down.sql("", all(back));
    }
    if up.is_empty() {
        made.note(format!("{table}.{column} has that type already"));
        return Ok(made);
    }
    made.push(Slot::EXPAND, Piece::made(up, down));
    made.note(format!(
        "{table}.{column} changes its type at one moment, for both releases: SQLite gives either what the column holds"
    ));
    made.note(lasting(&known.name));
    Ok(made)
}

/// `ADD CONSTRAINT`.
pub(crate) fn add_constraint(
    change: &Change,
    table: &ObjectName,
    constraint: &ConstraintDef,
    scene: &Scene<'_>,
) -> Result<Made, Refused> {
    let known = scene.table(table)?;
    if known.origin == HERE {
        let mut made = Made::default();
        made.push(Slot::EXPAND, piece(change, None, scene, "")?);
        return Ok(made);
    }
    if matches!(constraint.kind, ConstraintKind::PrimaryKey { .. }) {
        return refused(
            "the key of a table is how its rows are stored",
            "build a new table beside the old one",
        );
    }
    debug_assert_eq!(scene.dialect(), Dialect::Sqlite);
    let mend = mend::of_constraint(known, constraint, scene)?;
    let why = "The old release may break it: it must be gone.";
    ruled(change, &known.name, mend, why, scene, || {
        "rows that break the new rule make the last step fail: say what they get with -- downhaul:forward COLUMN \"EXPRESSION\" above the statement".to_owned()
    })
}
