//! Rows that a migration adds by itself each time it is applied, under a new number each time.
//!
//! `INSERT INTO kind (name) VALUES ('a')` draws its key from a counter. Its down deletes the row,
//! which is kept; its next up adds the row again, and would find the old one beside it.

use std::collections::BTreeSet;

use downhaul_engine::{ColumnShape, Session};
use downhaul_syntax::ObjectName;

use crate::restore::live_value;
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
    let named = inserts.iter().any(|table| {
        let apart = table.schema.is_some() && kept.table.schema.is_some();
        table.name == kept.table.name && (!apart || table.schema == kept.table.schema)
    });
    if !named || kept.rows_gone == 0 {
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

/// `DEFAULT now()`, `DEFAULT gen_random_uuid()`: another value at each writing.
fn made_when_written(column: &ColumnShape) -> bool {
    let default = column.default.as_deref().unwrap_or_default().to_ascii_lowercase();
    default.contains('(') || default.contains("current_")
}
