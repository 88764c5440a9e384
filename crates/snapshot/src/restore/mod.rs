//! The way back: put kept data where it was, and leave what was written since.

mod held;
mod keyed;
mod keyless;

pub(crate) use held::hold_name;
pub use held::{Held, hold};
pub(crate) use keyed::keys_now;

use downhaul_engine::{ColumnShape, Session, TableShape};
use downhaul_syntax::Dialect;
use serde::{Deserialize, Serialize};

use crate::settle::digest;
use crate::store::{Kept, SnapshotError};
use crate::{packed, references, sql};
use keyed::{insert_by_key, update_by_key, verify_by_key};
use keyless::{fill_by_content, insert_bag, replace_all};

/// What came back to one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The table.
    pub table: String,
    /// Rows put back that were gone.
    pub rows: u64,
    /// Rows in which values were put back.
    pub updated: u64,
    /// Columns that were put back.
    pub columns: Vec<String>,
    /// Values that stay as they are because they were written since.
    pub kept_new: u64,
    /// Rows written since that got the default of a column which must have a value.
    #[serde(default)]
    pub defaulted: u64,
    /// Kept rows whose key exists again: the present row stays.
    pub conflicts: u64,
    /// Rows deleted since, whose values therefore have nowhere to go.
    pub orphans: u64,
    /// Lost rows, or values, that point to a row which was deleted since.
    pub parentless: u64,
    /// Where what did not go back still lies.
    pub remains_in: Option<String>,
}

/// Checks that a store is as it was when it was made.
pub async fn check_sound(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    let now = digest(session, kept).await?;
    if now == kept.digest {
        return Ok(());
    }
    Err(SnapshotError::NotSound {
        table: kept.table.to_string(),
        reason: format!(
            "`{}` has been changed since it was made (was {}, is {now})",
            if kept.packed {
                format!("{}, store {}", packed::table(session.dialect()), kept.id)
            } else {
                sql::own(session.dialect(), &kept.store())
            },
            kept.digest
        ),
    })
}

/// Columns that came back and must have a value, which the server does not ask for yet.
fn to_be_filled<'a>(
    kept: &'a Kept,
    now: &'a TableShape,
) -> impl Iterator<Item = &'a ColumnShape> + 'a {
    let lost = kept.lost_columns().filter_map(|column| kept.shape.column(&column.name));
    lost.filter(|column| column.not_null)
        .filter(|column| now.column(&column.name).is_some_and(|now| !now.not_null))
}

/// Checks that every row has a value in the columns that came back and must have one. Rows written
/// while the column was gone have none unless the column's default gave them one.
pub async fn check_filled(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let Some(now) = session.table_shape(&kept.table).await? else { return Ok(()) };
    for column in to_be_filled(kept, &now) {
        let (table, name) = (sql::table(dialect, &now.name), dialect.quote(&column.name));
        let rows =
            session.number(&format!("SELECT count(*) FROM {table} WHERE {name} IS NULL")).await?;
        if rows > 0 {
            return Err(SnapshotError::NoValue {
                table: kept.table.to_string(),
                column: column.name.to_string(),
                rows,
            });
        }
    }
    Ok(())
}

/// PostgreSQL: makes columns that came back bare, so that their values could go in, `NOT NULL` again. What a
/// migration changed of the schema does not tell that where another column took the name meanwhile, which
/// had it too. All are filled ([`check_filled`]).
pub async fn require_values(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let Some(now) = session.table_shape(&kept.table).await? else { return Ok(()) };
    for column in to_be_filled(kept, &now) {
        let (table, name) = (sql::table(dialect, &now.name), dialect.quote(&column.name));
        session.execute(&format!("ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL")).await?;
    }
    Ok(())
}

/// Gives rows written while a column was gone its default, where it must have a value and the down
/// did not say which: what the old release's schema would have given them. Returns how many got one.
async fn give_defaults(
    session: &mut dyn Session,
    kept: &Kept,
    now: &TableShape,
) -> Result<u64, SnapshotError> {
    let dialect = session.dialect();
    let mut rows = 0;
    for column in to_be_filled(kept, now) {
        let Some(default) = column.default.as_ref().filter(|_| !column.generated) else { continue };
        let (table, name) = (sql::table(dialect, &now.name), dialect.quote(&column.name));
        let given = session
            .execute(&format!("UPDATE {table} SET {name} = {default} WHERE {name} IS NULL"))
            .await?;
        rows = rows.max(given);
    }
    Ok(rows)
}

/// Puts the kept data of a migration back, and verifies it. The tables must exist with their old
/// columns. The user's triggers must be off, foreign keys deferred.
///
/// Rows come first, of all tables, then values: a value may point to a row that comes back.
pub async fn restore(
    session: &mut dyn Session,
    all: &[(&Kept, &Held)],
) -> Result<Vec<Restored>, SnapshotError> {
    let keepers: Vec<&Kept> = all.iter().map(|(kept, _)| *kept).collect();
    references::set_aside_orphans(session, &keepers).await?;
    let mut tables = Vec::with_capacity(all.len());
    for (kept, held) in all {
        let Some(now) = session.table_shape(&kept.table).await? else {
            return Err(SnapshotError::CannotRestore(format!(
                "{} does not exist, so its {} kept rows have nowhere to go",
                kept.table, kept.rows
            )));
        };
        let restored = Restored { table: now.name.to_string(), ..Restored::default() };
        tables.push((*kept, *held, now, restored));
    }
    for (kept, _, now, restored) in tables.iter_mut().filter(|(kept, ..)| !kept.key.is_empty()) {
        insert_by_key(session, kept, now, restored).await?;
    }
    for (kept, held, now, restored) in tables.iter_mut().filter(|(kept, ..)| kept.key.is_empty()) {
        if kept.keyless_after.is_some() {
            replace_all(session, kept, held, now, restored).await?;
            continue;
        }
        // Before rows are put in that could be taken for those which only lack columns.
        if kept.lost_columns().next().is_some() && kept.after.is_some() {
            fill_by_content(session, kept, now, restored).await?;
        }
        insert_bag(session, kept, now, restored).await?;
    }
    for (kept, held, now, restored) in tables.iter_mut().filter(|(kept, ..)| !kept.key.is_empty()) {
        update_by_key(session, kept, held, now, restored).await?;
        verify_by_key(session, kept, held, now).await?;
    }
    let mut all = Vec::with_capacity(tables.len());
    for (kept, held, now, mut restored) in tables {
        sequences(session, kept, &now).await?;
        restored.defaulted = give_defaults(session, kept, &now).await?;
        if held.flags && !session.dialect().is_mysql_family() {
            session.execute(&format!("DROP TABLE {}", hold_name(session.dialect(), kept))).await?;
        }
        let store = sql::own(session.dialect(), &kept.store());
        restored.parentless +=
            number(session, format!("SELECT count(*) FROM {store} WHERE downhaul_op = 'O'"))
                .await?;
        if restored.orphans + restored.conflicts + restored.parentless > 0 {
            restored.remains_in = Some(store);
        }
        all.push(restored);
    }
    Ok(all)
}

/// A stored value as a value of the column as it is now.
pub(crate) fn live_value(
    dialect: Dialect,
    row: &str,
    column: &crate::KeptColumn,
    now: &TableShape,
) -> String {
    let value = format!("{row}.{}", dialect.quote(&column.name));
    let ty = now.column(&column.name).map_or(column.ty.as_str(), |c| c.ty.as_str());
    if dialect == Dialect::Postgres && (column.user_type || ty != column.ty) {
        format!("{value}::{ty}")
    } else {
        sql::from_store(dialect, &value, ty, false)
    }
}

/// Columns whose values go back, those that are still missing reported as an error.
fn targets<'a>(
    kept: &'a Kept,
    now: &TableShape,
    wanted: impl Iterator<Item = &'a crate::KeptColumn>,
) -> Result<Vec<&'a crate::KeptColumn>, SnapshotError> {
    wanted
        .map(|column| match now.column(&column.name) {
            Some(c) if c.generated => Ok(None),
            Some(_) => Ok(Some(column)),
            None => Err(SnapshotError::CannotRestore(format!(
                "{} has no column {} any more, so its kept values have nowhere to go",
                kept.table, column.name
            ))),
        })
        .filter_map(Result::transpose)
        .collect()
}

async fn number(session: &mut dyn Session, sql: String) -> Result<u64, SnapshotError> {
    Ok(u64::try_from(session.number(&sql).await?).unwrap_or(0))
}

/// Columns of a row that is put back whole.
fn row_columns<'a>(
    kept: &'a Kept,
    now: &TableShape,
) -> Result<Vec<&'a crate::KeptColumn>, SnapshotError> {
    targets(kept, now, kept.columns.iter())
}

fn insert_head(dialect: Dialect, now: &TableShape, columns: &[&crate::KeptColumn]) -> String {
    let mut names: Vec<String> = columns.iter().map(|c| dialect.quote(&c.name)).collect();
    let overriding = if dialect == Dialect::Postgres
        && columns.iter().any(|c| now.column(&c.name).is_some_and(|c| c.identity_always))
    {
        " OVERRIDING SYSTEM VALUE"
    } else {
        ""
    };
    let mut values: Vec<String> =
        columns.iter().map(|c| live_value(dialect, "k", c, now)).collect();
    if dialect.is_mysql_family() {
        // Columns that an earlier statement of the migration took: their values come after this.
        for column in now.writable().filter(|c| c.not_null && c.default.is_none()) {
            let counted = now.sequences.iter().any(|s| s.column.as_ref() == Some(&column.name));
            let given = columns.iter().any(|c| c.name == column.name);
            if !counted && !given && column.name.as_str() != sql::row_id(dialect) {
                names.push(dialect.quote(&column.name));
                values.push(sql::placeholder(&column.ty).to_owned());
            }
        }
    }
    // A table of PostgreSQL may have no column at all, and rows nevertheless.
    let list = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    format!(
        "INSERT INTO {}{list}{overriding} SELECT {}",
        sql::table(dialect, &now.name),
        values.join(", ")
    )
}

/// Moves the table's sequences on to where they were: never back.
async fn sequences(
    session: &mut dyn Session,
    kept: &Kept,
    now: &TableShape,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    for before in &kept.sequences {
        let current = now.sequences.iter().find(|s| s.column == before.column);
        let behind = current
            .is_none_or(|c| (c.last_value, c.is_called) < (before.last_value, before.is_called));
        if !behind {
            continue;
        }
        let table = dialect.literal(&sql::table(dialect, &now.name));
        match (&before.column, dialect) {
            (Some(column), Dialect::Postgres) if current.is_some() => {
                let column = dialect.literal(column.as_str());
                session
                    .execute(&format!(
                        "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence({table}, {column}), {}, {})",
                        before.last_value, before.is_called
                    ))
                    .await?;
            }
            // Made anew by its definition; who owns it is settled at the end.
            (Some(_), Dialect::Postgres) => {
                let Some(name) = &before.name else { continue };
                let name = dialect.quote_name(name);
                let there = format!(
                    "SELECT pg_catalog.to_regclass({}) IS NOT NULL",
                    dialect.literal(&name)
                );
                if session.row(&there).await?.is_some_and(|row| row.flag(0)) {
                    session
                        .execute(&format!(
                            "SELECT pg_catalog.setval({}, {last}, {called}) FROM {name} WHERE (last_value, is_called) < ({last}, {called})",
                            dialect.literal(&name),
                            last = before.last_value,
                            called = before.is_called,
                        ))
                        .await?;
                }
            }
            (None, Dialect::Sqlite) => {
                // The table exists once an AUTOINCREMENT table does.
                let there = session
                    .row("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'")
                    .await?;
                if there.is_some() {
                    let name = dialect.literal(now.name.name.as_str());
                    session
                        .execute(&format!("DELETE FROM sqlite_sequence WHERE name = {name}"))
                        .await?;
                    session
                        .execute(&format!(
                            "INSERT INTO sqlite_sequence (name, seq) VALUES ({name}, {})",
                            before.last_value
                        ))
                        .await?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
