//! The same on SQLite, where each change of the schema makes it read all of the schema anew.
//!
//! What a migration is about to lose of a short table is copied into a temporary table, compared there
//! with what the migration left, and put into a table that all restore points share. Its columns have no
//! types, so that every value stays what it is.

use downhaul_engine::{ColumnShape, Session, TableShape};
use downhaul_syntax::Dialect;

use super::MOST;
use crate::settle::digest;
use crate::sql;
use crate::store::{Kept, SnapshotError};

const D: Dialect = Dialect::Sqlite;

/// The table of the rows.
pub const TABLE: &str = "downhaul_kept_rows";

/// Columns of it that hold values: those that were kept of a row, and those that the migration left.
const PLACES: usize = 64;

/// Statement that makes the table, unless it is there.
#[must_use]
pub fn definition() -> String {
    let places: Vec<String> = (1..=PLACES).map(|place| format!("c{place}")).collect();
    format!(
        "CREATE TABLE IF NOT EXISTS {TABLE} (store INTEGER NOT NULL, number INTEGER NOT NULL, downhaul_op, {}, \
         PRIMARY KEY (store, number)) WITHOUT ROWID",
        places.join(", ")
    )
}

/// Whether what a table loses can be kept here: it has few rows, and not too many columns.
pub(crate) async fn fits(
    session: &mut dyn Session,
    shape: &TableShape,
    columns: &[&ColumnShape],
) -> Result<bool, SnapshotError> {
    // Each of them may have been changed.
    if columns.len() * 2 > PLACES {
        return Ok(false);
    }
    let table = sql::table(D, &shape.name);
    let rows = session
        .number(&format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {})", MOST + 1))
        .await?;
    Ok(rows <= i64::from(MOST))
}

/// Names of the columns of a store, and where their values stand here.
fn places(kept: &Kept) -> Vec<(String, String)> {
    let names = kept.columns.iter().map(|column| D.quote(&column.name));
    let left = kept.columns.iter().filter_map(|column| column.left_as.as_ref());
    let all = names.chain(left.map(|left| D.quote(left)));
    all.enumerate().map(|(place, name)| (name, format!("c{}", place + 1))).collect()
}

/// Moves the rows of a temporary store here.
pub(crate) async fn pack(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    let store = sql::own(D, &kept.store());
    let (names, places): (Vec<String>, Vec<String>) = places(kept).into_iter().unzip();
    session
        .execute(&format!(
            "INSERT INTO main.{TABLE} (store, number, downhaul_op, {}) SELECT {}, row_number() OVER (), downhaul_op, {} FROM temp.{store}; \
             DROP TABLE temp.{store}",
            places.join(", "),
            kept.id,
            names.join(", "),
        ))
        .await?;
    Ok(())
}

/// Fingerprint of what is kept: that of the store that [`unpack`] makes of it.
pub(super) async fn fingerprint(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<String, SnapshotError> {
    let places = places(kept);
    let place = |name: String| {
        let found = places.iter().find(|(known, _)| *known == name);
        found.map_or(name, |(_, place)| place.clone())
    };
    let mut columns = vec!["downhaul_op".to_owned()];
    for column in &kept.columns {
        columns.push(place(D.quote(&column.name)));
        columns.extend(column.left_as.as_ref().map(|left| place(D.quote(left))));
    }
    Ok(session.digest(&format!("main.{TABLE} WHERE store = {}", kept.id), &columns).await?)
}

/// Makes of it the table that every other restore point has, and compares the two.
pub(super) async fn unpack(
    session: &mut dyn Session,
    kept: &mut Kept,
) -> Result<(), SnapshotError> {
    let store = sql::own(D, &kept.store());
    let (names, places): (Vec<String>, Vec<String>) = places(kept).into_iter().unzip();
    session
        .execute(&format!(
            "CREATE TABLE main.{store} (downhaul_op, {}); \
             INSERT INTO main.{store} SELECT downhaul_op, {} FROM main.{TABLE} WHERE store = {} ORDER BY number; \
             DELETE FROM main.{TABLE} WHERE store = {}",
            names.join(", "),
            places.join(", "),
            kept.id,
            kept.id
        ))
        .await?;
    kept.packed = false;
    let now = digest(session, kept).await?;
    if now == kept.digest {
        return Ok(());
    }
    Err(SnapshotError::NotSound {
        table: kept.table.to_string(),
        reason: format!("its rows read {now} where {} was kept", kept.digest),
    })
}
