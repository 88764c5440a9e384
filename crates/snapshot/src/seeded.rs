//! Rows that a migration adds by itself each time it is applied, under a new number each time.
//!
//! `INSERT INTO kind (name) VALUES ('a')` draws its key from a counter. Its down deletes the row,
//! which is kept; its next up adds the row again, and would find the old one beside it. A down does so
//! too: one that adds a row in the place of those that its up deleted.

use std::collections::BTreeSet;

use downhaul_engine::{ColumnShape, Session};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use crate::restore::{Held, keys_now, live_value};
use crate::sql;
use crate::store::{Kept, SnapshotError};

/// Sets the rows of a store aside that the migration has just added again: their table is one of
/// `inserts`, its key is drawn from a counter, and there are as many rows with the same values in
/// all other columns. The values of columns that are made at the moment of writing do not count.
pub async fn set_aside(
    session: &mut dyn Session,
    kept: &Kept,
    inserts: &BTreeSet<ObjectName>,
) -> Result<(), SnapshotError> {
    if !is_among(inserts, kept) || kept.rows_gone == 0 {
        return Ok(());
    }
    let Some(now) = session.table_shape(&kept.table).await? else { return Ok(()) };
    let counted = |key| now.sequences.iter().any(|s| s.column.as_ref().is_none_or(|c| c == key));
    let [key] = kept.key.as_slice() else { return Ok(()) };
    if !counted(key) {
        return Ok(());
    }
    let dialect = session.dialect();
    let mut tests = Vec::new();
    let mut own = Vec::new();
    for column in kept.columns.iter().filter(|c| c.name != *key) {
        let Some(there) = now.column(&column.name) else { return Ok(()) };
        if there.generated || made_when_written(there) {
            continue;
        }
        let exact = |value: &str, ty: &str| sql::exact(dialect, value, ty);
        let name = dialect.quote(&column.name);
        let past = exact(&live_value(dialect, "k", column, &now), &there.ty);
        let live = exact(&format!("p.{name}"), &there.ty);
        tests.push(sql::same(dialect, &past, &live));
        let (one, other) = (format!("k.{name}"), format!("o.{name}"));
        own.push(sql::same(dialect, &exact(&one, &column.ty), &exact(&other, &column.ty)));
    }
    if tests.is_empty() {
        return Ok(());
    }
    let store = sql::own(dialect, &kept.store());
    let live = sql::table(dialect, &now.name);
    // MySQL does not read the table that it updates, but a copy of it.
    let copy = format!("(SELECT * FROM {store} WHERE downhaul_op IN ('D', 'S')) o");
    session
        .execute(&format!(
            "UPDATE {store} AS k SET downhaul_op = 'S' WHERE k.downhaul_op = 'D' \
             AND (SELECT count(*) FROM {copy} WHERE {}) <= (SELECT count(*) FROM {live} p WHERE {})",
            own.join(" AND "),
            tests.join(" AND ")
        ))
        .await?;
    Ok(())
}

fn is_among(inserts: &BTreeSet<ObjectName>, kept: &Kept) -> bool {
    inserts.iter().any(|table| {
        let apart = table.schema.is_some() && kept.table.schema.is_some();
        table.name == kept.table.name && (!apart || table.schema == kept.table.schema)
    })
}

/// Before a way back that adds rows to one of `inserts`: the unique keys, beside the one that tells
/// rows apart, under which no row stands in the place of a lost one.
pub async fn unclaimed(
    session: &mut dyn Session,
    kept: &Kept,
    inserts: &BTreeSet<ObjectName>,
) -> Result<Vec<Vec<Ident>>, SnapshotError> {
    let mut found = Vec::new();
    if !is_among(inserts, kept) || kept.rows_gone == 0 || kept.key.is_empty() {
        return Ok(found);
    }
    let Some(after) = &kept.after else { return Ok(found) };
    let Some(live) = session.table_shape(after).await? else { return Ok(found) };
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    for columns in unique_keys(session, &live.name).await? {
        // As the columns were called before the migration.
        let mut own = Vec::new();
        let mut tests = vec!["k.downhaul_op = 'D'".to_owned()];
        for column in &columns {
            let Some(kept) = kept.columns.iter().find(|c| c.after.as_ref() == Some(column)) else {
                break;
            };
            own.push(kept.name.clone());
            let value = live_value(dialect, "k", kept, &live);
            tests.push(format!("p.{} = {value}", dialect.quote(column)));
        }
        if own.len() < columns.len() || own == kept.key {
            continue;
        }
        let table = sql::table(dialect, &live.name);
        let claimed = session
            .number(&format!(
                "SELECT count(*) FROM {table} p JOIN {store} k ON {}",
                tests.join(" AND ")
            ))
            .await?;
        if claimed == 0 {
            found.push(own);
        }
    }
    Ok(found)
}

/// Takes away the rows that the way back has written in the place of lost ones, which now come back
/// themselves.
pub async fn give_way(
    session: &mut dyn Session,
    kept: &Kept,
    held: &Held,
) -> Result<(), SnapshotError> {
    if held.unclaimed.is_empty() {
        return Ok(());
    }
    let Some(now) = session.table_shape(&kept.table).await? else { return Ok(()) };
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let table = sql::table(dialect, &now.name);
    for columns in &held.unclaimed {
        let tests: Vec<String> = columns
            .iter()
            .filter_map(|name| kept.column(name).filter(|c| now.column(&c.name).is_some()))
            .map(|c| {
                format!("p.{} = {}", dialect.quote(&c.name), live_value(dialect, "k", c, &now))
            })
            .collect();
        if tests.len() < columns.len() {
            continue;
        }
        let condition = format!(
            "k.downhaul_op = 'D' AND {} AND NOT ({})",
            tests.join(" AND "),
            keys_now(dialect, kept, &now)
        );
        session
            .execute(&format!(
                "DELETE FROM {table} AS p WHERE EXISTS (SELECT 1 FROM {store} k WHERE {condition})"
            ))
            .await?;
    }
    Ok(())
}

/// The columns of each unique index that covers all rows and no expressions.
async fn unique_keys(
    session: &mut dyn Session,
    table: &ObjectName,
) -> Result<Vec<Vec<Ident>>, SnapshotError> {
    let dialect = session.dialect();
    let name = dialect.literal(table.name.as_str());
    let rows = match dialect {
        Dialect::Postgres => {
            let full = dialect.literal(&sql::table(dialect, table));
            session
                .rows(&format!(
                    "SELECT i.indexrelid, a.attname FROM pg_catalog.pg_index i \
                     CROSS JOIN pg_catalog.generate_series(0, i.indnkeyatts - 1) k \
                     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k] \
                     WHERE i.indrelid = {full}::pg_catalog.regclass AND i.indisunique AND i.indisvalid \
                       AND i.indpred IS NULL AND i.indexprs IS NULL ORDER BY i.indexrelid, k"
                ))
                .await?
        }
        Dialect::Sqlite => {
            session
                .rows(&format!(
                    "SELECT l.name, coalesce(i.name, '') FROM pragma_index_list({name}) l \
                     JOIN pragma_index_info(l.name) i WHERE l.\"unique\" AND NOT l.partial ORDER BY l.name, i.seqno"
                ))
                .await?
        }
        // Where no transaction holds the way back, nobody knows after a crash who wrote what.
        Dialect::Mysql | Dialect::MariaDb => Vec::new(),
    };
    let mut keys: Vec<(String, Vec<Ident>)> = Vec::new();
    for row in &rows {
        if keys.last().is_none_or(|(index, _)| index != row.text(0)) {
            keys.push((row.text(0).to_owned(), Vec::new()));
        }
        if let Some((_, columns)) = keys.last_mut() {
            columns.push(Ident::stored(dialect, row.text(1)));
        }
    }
    Ok(keys.into_iter().map(|(_, columns)| columns).collect())
}

/// `DEFAULT now()`, `DEFAULT gen_random_uuid()`: another value at each writing.
fn made_when_written(column: &ColumnShape) -> bool {
    let default = column.default.as_deref().unwrap_or_default().to_ascii_lowercase();
    default.contains('(') || default.contains("current_")
}
