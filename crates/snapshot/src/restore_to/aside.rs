//! Rows whose unique values change step aside before any row gets another's value: they are taken out for a
//! moment, or, where a foreign key would not let them go, get values that nobody else has.

use std::collections::BTreeSet;

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, Ident};

use super::apply::{assignable, failed};
use super::plan::{TablePlan, unique_columns};
use super::references::Reference;
use super::statement;
use crate::history::Past;
use crate::store::SnapshotError;

const D: Dialect = Dialect::Postgres;

/// How the rows of a table step aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aside {
    /// There are none.
    None,
    /// They are taken out, and come back.
    Out,
    /// They get other values for a moment: assignments.
    Parked(Vec<String>),
    /// They would have to be parked, but a column takes no value that is sure to be nobody's.
    Held(Ident),
}

impl Aside {
    /// No foreign key holds them any more.
    pub(super) fn unhold(&mut self) {
        if *self != Self::None {
            *self = Self::Out;
        }
    }
}

/// The rows that were taken out.
pub(super) fn moving(id: i64) -> String {
    format!("pg_temp.downhaul_moving_{id}")
}

/// How the rows of a table can step aside as the foreign keys are.
pub(super) async fn way(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
    references: &[Reference],
) -> Result<Aside, SnapshotError> {
    if table.moves == 0 {
        return Ok(Aside::None);
    }
    if !references.iter().any(|r| r.holds(table.tracked.relation)) {
        return Ok(Aside::Out);
    }
    let shape = session
        .table_shape(&table.tracked.name)
        .await?
        .ok_or_else(|| failed(table, "the table is gone"))?;
    let unique = unique_columns(session, &table.tracked).await?;
    let bound = bound_columns(session, table).await?;
    let key = &table.tracked.current().key;
    let digest = {
        let texts: Vec<String> = key.iter().map(|k| format!("l.{}::text", D.quote(k))).collect();
        format!("md5(concat_ws(',', {}))", texts.join(", "))
    };
    let mut sets = Vec::new();
    for name in assignable(table, past) {
        if key.contains(name) {
            continue;
        }
        if !unique.contains(name) {
            // What it refers to now may be about to go.
            sets.push(format!("{0} = p.{0}", D.quote(name)));
            continue;
        }
        let Some(column) = shape.column(name) else { continue };
        let value = if bound.contains(name) {
            None
        } else if column.not_null {
            stand_in(&column.ty, &digest)
        } else {
            Some("NULL".to_owned())
        };
        match value {
            Some(value) => sets.push(format!("{} = {value}", D.quote(name))),
            None => return Ok(Aside::Held(name.clone())),
        }
    }
    Ok(Aside::Parked(sets))
}

/// A value of a type that no row is likely to have, and that differs from row to row.
fn stand_in(ty: &str, digest: &str) -> Option<String> {
    let (base, length) = match ty.split_once('(') {
        Some((base, rest)) => (base, rest.trim_end_matches(')').parse::<u32>().ok()),
        None => (ty, None),
    };
    match base {
        "bigint" => Some(format!("-('x' || substr({digest}, 1, 15))::bit(60)::bigint")),
        "integer" => Some(format!("-(('x' || substr({digest}, 1, 7))::bit(28)::integer)")),
        "uuid" => Some(format!("{digest}::uuid")),
        "text" | "character varying" if length.is_none_or(|n| n >= 32) => Some(digest.to_owned()),
        "character" if length.is_some_and(|n| n >= 32) => Some(digest.to_owned()),
        _ => None,
    }
}

/// Columns that do not take just any value of their type: a CHECK names them, or their type has rules, or
/// no two rows may have NULL in them.
async fn bound_columns(
    session: &mut dyn Session,
    table: &TablePlan,
) -> Result<BTreeSet<Ident>, SnapshotError> {
    let relation = table.tracked.relation;
    let rows = session
        .rows(&format!(
            "SELECT a.attname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
             WHERE a.attrelid = {relation} AND a.attnum > 0 AND NOT a.attisdropped AND (t.typtype = 'd' \
               OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = {relation} AND k.contype = 'c' AND a.attnum = ANY(k.conkey)) \
               OR EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = {relation} AND a.attnum = ANY(i.indkey) \
                 AND pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' = 'true'))"
        ))
        .await?;
    Ok(rows.iter().map(|row| Ident::stored(D, row.text(0))).collect())
}

/// Lets them step aside.
pub(super) async fn step_aside(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
    way: &Aside,
) -> Result<(), SnapshotError> {
    let (id, live) = (table.tracked.id, table.tracked.live());
    let plan = statement::name(id);
    let join = past.join("l", "p");
    let wanted = "p.downhaul_action = 'U' AND p.downhaul_moves";
    match way {
        Aside::None => {}
        Aside::Parked(sets) if sets.is_empty() => {}
        Aside::Parked(sets) => {
            session
                .execute(&format!(
                    "UPDATE {live} l SET {} FROM {} p WHERE {join} AND {wanted}",
                    sets.join(", "),
                    past.opened(&plan, &["downhaul_action", "downhaul_moves"])
                ))
                .await?;
        }
        Aside::Out => {
            let all: Vec<String> = table
                .tracked
                .current()
                .columns
                .iter()
                .map(|c| {
                    let name = D.quote(&c.name);
                    let from =
                        if past.columns.iter().any(|p| p.name == c.name) { "p" } else { "l" };
                    format!("{from}.{name} AS {name}")
                })
                .collect();
            let aside = moving(id);
            session
                .execute(&format!(
                    "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} p JOIN {live} l ON {join} WHERE {wanted}",
                    aside.trim_start_matches("pg_temp."),
                    all.join(", "),
                    past.opened(&plan, &["downhaul_action", "downhaul_moves"])
                ))
                .await?;
            session
                .execute(&format!("DELETE FROM {live} l USING {plan} p WHERE {join} AND {wanted}"))
                .await?;
        }
        Aside::Held(name) => {
            return Err(failed(
                table,
                format!(
                    "unique values of {name} have to change places, and there is no value to hold a place with; rows of other tables refer to these rows by a foreign key whose checks somebody has switched off, so that it cannot be taken off for a moment"
                ),
            ));
        }
    }
    Ok(())
}
