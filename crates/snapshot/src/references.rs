//! Foreign keys on the way back: a row whose parent was deleted since cannot come back, and a
//! value cannot point to it. Both stay in the store, and are told.

use downhaul_engine::{ForeignKeyShape, Session, TableShape};
use downhaul_syntax::Ident;

use crate::restore::live_value;
use crate::sql;
use crate::store::{Kept, SnapshotError};

/// Marks lost rows (`D`) as `O` whose parent neither is there nor comes back. To be run once the
/// schema is as it was, before any row goes back.
///
/// Parents that are orphans themselves make orphans of their children, hence the rounds; every
/// round but the last marks a row, which bounds them.
pub async fn set_aside_orphans(
    session: &mut dyn Session,
    all: &[&Kept],
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let mut marks = Vec::new();
    for kept in all.iter().filter(|k| k.rows_gone > 0 && k.keyless_after.is_none()) {
        let Some(now) = session.table_shape(&kept.table).await? else { continue };
        for key in &kept.shape.foreign_keys {
            let Some(parent) = session.table_shape(&key.table).await? else { continue };
            let columns: Option<Vec<_>> = key.columns.iter().map(|c| kept.column(c)).collect();
            let Some(columns) = columns.filter(|c| c.len() == key.references.len()) else {
                continue;
            };
            let mut tests = vec!["k.downhaul_op = 'D'".to_owned()];
            tests.extend(
                columns.iter().map(|c| format!("k.{} IS NOT NULL", dialect.quote(&c.name))),
            );
            let live: Vec<String> = columns
                .iter()
                .zip(&key.references)
                .map(|(c, to)| {
                    format!("q.{} = {}", dialect.quote(to), live_value(dialect, "k", c, &now))
                })
                .collect();
            tests.push(format!(
                "NOT EXISTS (SELECT 1 FROM {} q WHERE {})",
                sql::table(dialect, &parent.name),
                live.join(" AND ")
            ));
            for other in all.iter().filter(|o| o.table == parent.name && o.rows_gone > 0) {
                if key.references.iter().any(|to| other.column(to).is_none()) {
                    continue;
                }
                let stored: Vec<String> = columns
                    .iter()
                    .zip(&key.references)
                    .map(|(c, to)| {
                        format!("s.{} = k.{}", dialect.quote(to), dialect.quote(&c.name))
                    })
                    .collect();
                let store = sql::own(dialect, &other.store());
                // MySQL does not read the table that it changes but through a derived one.
                let source = if dialect.is_mysql_family() {
                    format!("(SELECT DISTINCT * FROM {store})")
                } else {
                    store
                };
                tests.push(format!(
                    "NOT EXISTS (SELECT 1 FROM {source} s WHERE s.downhaul_op = 'D' AND {})",
                    stored.join(" AND ")
                ));
            }
            marks.push(format!(
                "UPDATE {} AS k SET downhaul_op = 'O' WHERE {}",
                sql::own(dialect, &kept.store()),
                tests.join(" AND ")
            ));
        }
    }
    loop {
        let mut marked = 0;
        for statement in &marks {
            marked += session.execute(statement).await?;
        }
        if marked == 0 {
            return Ok(());
        }
    }
}

/// A test that the value of `column` that goes back to row `p` points to something; `None` where
/// the column is part of no reference.
pub(crate) async fn guard(
    session: &mut dyn Session,
    kept: &Kept,
    column: &Ident,
    going_back: &[Ident],
    now: &TableShape,
) -> Result<Option<String>, SnapshotError> {
    let dialect = session.dialect();
    let mut tests = Vec::new();
    let keys: Vec<&ForeignKeyShape> =
        kept.shape.foreign_keys.iter().filter(|key| key.columns.contains(column)).collect();
    for key in keys {
        let Some(parent) = session.table_shape(&key.table).await? else { continue };
        if key.columns.len() != key.references.len() {
            continue;
        }
        let mut absent = Vec::new();
        let mut matches = Vec::new();
        for (own, to) in key.columns.iter().zip(&key.references) {
            let value = match kept.column(own) {
                Some(kept) if going_back.contains(own) => live_value(dialect, "k", kept, now),
                _ => format!("p.{}", dialect.quote(own)),
            };
            absent.push(format!("{value} IS NULL"));
            matches.push(format!("q.{} = {value}", dialect.quote(to)));
        }
        let table = sql::table(dialect, &parent.name);
        let source = if dialect.is_mysql_family() && parent.name == now.name {
            format!("(SELECT DISTINCT {} FROM {table})", sql::list(dialect, &key.references))
        } else {
            table
        };
        tests.push(format!(
            "({} OR EXISTS (SELECT 1 FROM {source} q WHERE {}))",
            absent.join(" OR "),
            matches.join(" AND ")
        ));
    }
    Ok((!tests.is_empty()).then(|| tests.join(" AND ")))
}
