//! Rows that a new rule does not allow, mended before it binds.

use downhaul_catalog::Table;
use downhaul_syntax::{ConstraintDef, ConstraintKind, Dialect, Ident, ObjectName};

use super::conversion::{Conv, directive_for};
use super::piece::{Piece, Side, Slot};
use super::{Made, Refused, Scene};

/// `UPDATE … SET … WHERE …`.
pub(crate) fn update(
    table: &ObjectName,
    values: &[(Ident, String)],
    broken: &str,
    dialect: Dialect,
) -> String {
    let set: Vec<String> =
        values.iter().map(|(c, v)| format!("{} = {v}", dialect.quote_if_needed(c))).collect();
    format!("UPDATE {} SET {}\nWHERE {broken}", dialect.quote_name_if_needed(table), set.join(", "))
}

/// The `UPDATE` for rows that break a constraint, where `-- downhaul:forward` says what they get.
pub(crate) fn of_constraint(
    table: &Table,
    constraint: &ConstraintDef,
    scene: &Scene<'_>,
) -> Result<Option<String>, Refused> {
    let dialect = scene.dialect();
    let q = |c: &Ident| dialect.quote_if_needed(c);
    let name = dialect.quote_name_if_needed(&table.name);
    let (columns, broken) = match &constraint.kind {
        ConstraintKind::Check { expr, .. } => {
            let columns: Vec<Ident> =
                expr.columns.iter().filter(|c| table.column(c).is_some()).cloned().collect();
            (columns, format!("NOT ({})", expr.text))
        }
        ConstraintKind::ForeignKey { columns, table: target, referred, .. } => {
            let parent = scene.now.table(target);
            let key = if referred.is_empty() {
                parent.map(|t| t.primary_key().to_vec()).unwrap_or_default()
            } else {
                referred.clone()
            };
            if key.len() != columns.len() {
                return Ok(None);
            }
            let set: Vec<String> =
                columns.iter().map(|c| format!("{} IS NOT NULL", q(c))).collect();
            let met: Vec<String> = columns
                .iter()
                .zip(&key)
                .map(|(c, k)| format!("parent.{} = {name}.{}", q(k), q(c)))
                .collect();
            let broken = format!(
                "{} AND NOT EXISTS (SELECT 1 FROM {} AS parent WHERE {})",
                set.join(" AND "),
                dialect.quote_name_if_needed(target),
                met.join(" AND ")
            );
            (columns.clone(), broken)
        }
        ConstraintKind::Unique { columns, .. } => {
            let row = match dialect {
                Dialect::Postgres => "ctid".to_owned(),
                Dialect::Sqlite => "rowid".to_owned(),
                Dialect::Mysql | Dialect::MariaDb => return Ok(None),
            };
            let same: Vec<String> =
                columns.iter().map(|c| format!("earlier.{0} = {name}.{0}", q(c))).collect();
            let broken = format!(
                "EXISTS (SELECT 1 FROM {name} AS earlier WHERE {} AND earlier.{row} < {name}.{row})",
                same.join(" AND ")
            );
            (columns.clone(), broken)
        }
        _ => return Ok(None),
    };
    let mut values = Vec::new();
    for column in &columns {
        if let Some(directive) = directive_for(&scene.forward, column, columns.len() == 1) {
            let conv = Conv::of_directive(directive, table, dialect)?;
            values.push((column.clone(), conv.plain(dialect)));
        }
    }
    Ok((!values.is_empty()).then(|| update(&table.name, &values, &broken, dialect)))
}

/// Mends what is there, in the backfill phase.
pub(crate) fn first(sql: &str, made: &mut Made) {
    let mut up = Side::default();
    up.sql(
        "Rows that the new rule does not allow get another value. Downhaul keeps what they held, so this is one transaction: where that would take long, fill in batches of your own first.",
        sql,
    );
    made.push(Slot::BACKFILL, Piece::made(up, Side::default()));
}
