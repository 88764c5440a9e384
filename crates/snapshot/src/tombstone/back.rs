//! Bringing tombstones back.

use std::collections::BTreeSet;

use downhaul_engine::{DumpObject, EngineError, Session, TableShape};
use downhaul_syntax::{Dialect, Ident};

use super::{column, postgres, sqlite};
use crate::restore::{Held, Restored};
use crate::sql;
use crate::store::{Kept, KeptMode, SnapshotError};

/// Tables that went back whole.
#[derive(Debug, Default)]
pub struct Returned {
    /// What came back, one for each.
    pub restored: Vec<Restored>,
    /// What the way back had built upon the new, empty tables, and what therefore has to be built
    /// again upon the old ones, unless it is there.
    pub built_upon: Vec<DumpObject>,
}

/// Makes copies of all tombstones: what they hold then goes back row by row.
pub async fn into_copies(
    session: &mut dyn Session,
    kept: &mut [Kept],
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    for kept in kept.iter_mut().filter(|k| k.is_aside() && k.tombstone.is_some()) {
        if kept.mode == KeptMode::Hidden {
            column::make_copy(session, kept).await?;
            continue;
        }
        let tomb = sql::own(d, &kept.store());
        match d {
            Dialect::Sqlite => sqlite::copy(session, kept, &tomb).await?,
            _ => postgres::copy(session, kept, &tomb).await?,
        }
        session.execute(&format!("DROP TABLE {tomb}")).await?;
    }
    Ok(())
}

/// Moves tombstones back over the empty tables that the way back has made, or makes copies of them
/// where that would not be the same. All of them or none: a row of one may belong to a row of
/// another. Within the transaction of the way back, once the tables have their old columns.
pub async fn bring_back(
    session: &mut dyn Session,
    kept: &mut [Kept],
    held: &[Held],
) -> Result<Returned, SnapshotError> {
    let mut columns = Vec::new();
    for kept in kept.iter_mut().filter(|k| k.mode == KeptMode::Hidden) {
        columns.extend(column::bring_back(session, kept).await?);
    }
    let mut returned = tables(session, kept, held).await?;
    returned.restored.extend(columns);
    Ok(returned)
}

async fn tables(
    session: &mut dyn Session,
    kept: &mut [Kept],
    held: &[Held],
) -> Result<Returned, SnapshotError> {
    if !kept.iter().any(|k| k.mode == KeptMode::Tombstone) {
        return Ok(Returned::default());
    }
    for (kept_one, held) in kept.iter().zip(held).filter(|(k, _)| k.mode == KeptMode::Tombstone) {
        if held.stood
            || !is_made_anew(session, kept_one).await?
            || has_orphans(session, kept, kept_one).await?
        {
            into_copies(session, kept).await?;
            return Ok(Returned::default());
        }
    }
    session.execute("SAVEPOINT downhaul_return").await?;
    match exchange(session, kept).await {
        Ok(returned) => {
            session.execute("RELEASE SAVEPOINT downhaul_return").await?;
            for kept in kept.iter_mut().filter(|k| k.mode == KeptMode::Tombstone) {
                kept.tombstone = None;
            }
            Ok(returned)
        }
        // A name is taken, or a right is missing.
        Err(SnapshotError::Engine(EngineError::Statement(failure)))
            if failure.code.as_deref() != Some("40P01") =>
        {
            session.execute("ROLLBACK TO SAVEPOINT downhaul_return").await?;
            into_copies(session, kept).await?;
            Ok(Returned::default())
        }
        Err(error) => Err(error),
    }
}

async fn exchange(session: &mut dyn Session, kept: &[Kept]) -> Result<Returned, SnapshotError> {
    let tombs: Vec<&Kept> = kept.iter().filter(|k| k.mode == KeptMode::Tombstone).collect();
    let restored = |kept: &Kept| Restored {
        table: kept.table.to_string(),
        rows: kept.rows,
        ..Restored::default()
    };
    if session.dialect() == Dialect::Sqlite {
        for kept in &tombs {
            let table = sql::table(Dialect::Sqlite, &kept.table);
            session.execute(&format!("DROP TABLE {table}")).await?;
            sqlite::unhide(session, kept).await?;
        }
        let restored = tombs.into_iter().map(restored).collect();
        return Ok(Returned { restored, built_upon: Vec::new() });
    }
    let tables: Vec<String> =
        tombs.iter().map(|k| sql::table(Dialect::Postgres, &k.table)).collect();
    let tables = tables.join(", ");
    let mut built_upon = Vec::new();
    session.execute("SAVEPOINT downhaul_exchange").await?;
    match session.execute(&format!("DROP TABLE {tables}")).await {
        Ok(_) => {}
        // dependent_objects_still_exist (PostgreSQL manual, appendix A).
        Err(EngineError::Statement(failure)) if failure.code.as_deref() == Some("2BP01") => {
            session.execute("ROLLBACK TO SAVEPOINT downhaul_exchange").await?;
            let before = session.dump().await?;
            session.execute(&format!("DROP TABLE {tables} CASCADE")).await?;
            let after = session.dump().await?;
            let there: BTreeSet<_> = after.objects.iter().map(|object| &object.id).collect();
            built_upon = before
                .objects
                .iter()
                .filter(|object| !object.part && !there.contains(&object.id))
                .cloned()
                .collect();
        }
        Err(error) => return Err(error.into()),
    }
    for kept in &tombs {
        session.execute(&postgres::unhide(kept).join("; ")).await?;
    }
    Ok(Returned { restored: tombs.into_iter().map(restored).collect(), built_upon })
}

/// Builds again what stood upon the new tables, where nobody else has.
pub async fn rebuild(
    session: &mut dyn Session,
    built_upon: &[DumpObject],
) -> Result<(), SnapshotError> {
    if built_upon.is_empty() {
        return Ok(());
    }
    let now = session.dump().await?;
    for object in built_upon.iter().filter(|object| now.get(&object.id).is_none()) {
        session.execute(&object.create).await?;
    }
    Ok(())
}

/// The table is there, empty, and has the columns that it had; and so has the tombstone.
async fn is_made_anew(session: &mut dyn Session, kept: &Kept) -> Result<bool, SnapshotError> {
    let columns = |shape: &TableShape| -> BTreeSet<(Ident, String, bool)> {
        shape.columns.iter().map(|c| (c.name.clone(), c.ty.clone(), c.generated)).collect()
    };
    let Some(now) = session.table_shape(&kept.table).await? else { return Ok(false) };
    let d = session.dialect();
    let tomb = match d {
        Dialect::Postgres => downhaul_syntax::ObjectName {
            schema: Some(Ident::stored(d, "downhaul")),
            name: Ident::stored(d, &kept.store()),
        },
        _ => downhaul_syntax::ObjectName::bare(Ident::stored(d, &sql::own(d, &kept.store()))),
    };
    let Some(tomb) = session.table_shape(&tomb).await? else { return Ok(false) };
    if columns(&now) != columns(&kept.shape)
        || columns(&tomb) != columns(&kept.shape)
        || now.divided
    {
        return Ok(false);
    }
    let table = sql::table(d, &now.name);
    let row = session.row(&format!("SELECT EXISTS (SELECT 1 FROM {table})")).await?;
    Ok(row.is_some_and(|row| !row.flag(0)))
}

/// A row points to one that was deleted since.
async fn has_orphans(
    session: &mut dyn Session,
    all: &[Kept],
    kept: &Kept,
) -> Result<bool, SnapshotError> {
    const D: Dialect = Dialect::Postgres;
    let tomb = sql::own(D, &kept.store());
    for key in &kept.shape.foreign_keys {
        let Some(parent) = session.table_shape(&key.table).await? else { continue };
        let given: Vec<String> =
            key.columns.iter().map(|c| format!("k.{} IS NOT NULL", D.quote(c))).collect();
        let same: Vec<String> = key
            .columns
            .iter()
            .zip(&key.references)
            .map(|(own, to)| format!("q.{} = k.{}", D.quote(to), D.quote(own)))
            .collect();
        let same = same.join(" AND ");
        let mut absent = vec![format!(
            "NOT EXISTS (SELECT FROM {} q WHERE {same})",
            sql::table(D, &parent.name)
        )];
        for other in all.iter().filter(|other| other.table == parent.name) {
            let columns: Option<Vec<_>> =
                key.references.iter().map(|to| other.column(to)).collect();
            // A copy holds such values as text.
            let Some(columns) = columns else { continue };
            let only = match other.mode {
                KeptMode::Tombstone => "",
                _ if columns.iter().any(|column| column.user_type) => return Ok(true),
                _ => " AND q.downhaul_op = 'D'",
            };
            let store = sql::own(D, &other.store());
            absent.push(format!("NOT EXISTS (SELECT FROM {store} q WHERE {same}{only})"));
        }
        let row = session
            .row(&format!(
                "SELECT EXISTS (SELECT FROM {tomb} k WHERE {} AND {})",
                given.join(" AND "),
                absent.join(" AND ")
            ))
            .await?;
        if row.is_some_and(|row| row.flag(0)) {
            return Ok(true);
        }
    }
    Ok(false)
}
