//! Rows that a key tells apart: put in, given their values back, and verified.

use downhaul_engine::{Session, TableShape, exact};
use downhaul_syntax::{Dialect, Ident};

use super::held::{Held, hold_name};
use super::{Restored, insert_head, live_value, number, row_columns, targets};
use crate::store::{Kept, SnapshotError};
use crate::{references, sql};

/// The table (`p`) holds another value than the store (`k`).
pub(super) fn unlike(dialect: Dialect, column: &crate::KeptColumn, now: &TableShape) -> String {
    let ty = now.column(&column.name).map_or("", |c| c.ty.as_str());
    let test = sql::differs(
        dialect,
        &sql::exact(dialect, &live_value(dialect, "k", column, now), ty),
        &sql::exact(dialect, &format!("p.{}", dialect.quote(&column.name)), ty),
    );
    match holds_own(dialect, column) {
        Some(own) => format!("({own} AND {test})"),
        None => test,
    }
}

/// Of a column that followed from others: the store holds a value that did not. Where it holds none, nothing
/// goes back: what the column holds by now follows already, or will.
fn holds_own(dialect: Dialect, column: &crate::KeptColumn) -> Option<String> {
    column.follows.then(|| format!("k.{} IS NOT NULL", dialect.quote(&column.name)))
}

/// What a column holds that followed from others and of which nothing goes back. On PostgreSQL the triggers that
/// compute it are off meanwhile, and a row of which other values go back is held to its NOT NULL, also by a CHECK
/// that is not proven (`NOT VALID`): it is computed here.
fn following(dialect: Dialect, column: &crate::KeptColumn, now: &TableShape) -> String {
    let name = dialect.quote(&column.name);
    match &column.formula {
        Some(formula) if dialect == Dialect::Postgres => {
            let table = dialect.quote(&now.name.name);
            format!("coalesce(p.{name}, (SELECT ({formula}) FROM (SELECT p.*) AS {table}))")
        }
        _ => format!("p.{name}"),
    }
}

pub(super) async fn insert_by_key(
    session: &mut dyn Session,
    kept: &Kept,
    now: &TableShape,
    restored: &mut Restored,
) -> Result<(), SnapshotError> {
    if kept.rows_gone == 0 {
        return Ok(());
    }
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let live = sql::table(dialect, &now.name);
    let there = format!("EXISTS (SELECT 1 FROM {live} p WHERE {})", keys_now(dialect, kept, now));
    let columns = row_columns(kept, now)?;
    // A row that is there again, with the same values, is no conflict.
    let other: Vec<String> = columns.iter().map(|column| unlike(dialect, column, now)).collect();
    restored.conflicts += number(
        session,
        format!(
            "SELECT count(*) FROM {store} k JOIN {live} p ON {} WHERE k.downhaul_op = 'D' AND ({})",
            keys_now(dialect, kept, now),
            if other.is_empty() { "1 = 0".to_owned() } else { exact::balanced(&other, " OR ") }
        ),
    )
    .await?;
    let head = insert_head(dialect, now, &columns);
    restored.rows += session
        .execute(&format!("{head} FROM {store} k WHERE k.downhaul_op = 'D' AND NOT {there}"))
        .await?;
    Ok(())
}

pub(super) async fn update_by_key(
    session: &mut dyn Session,
    kept: &Kept,
    held: &Held,
    now: &TableShape,
    restored: &mut Restored,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let live = sql::table(dialect, &now.name);
    if kept.after.is_none() {
        // The whole table was gone: its rows go back whole.
        return Ok(());
    }
    let lost = targets(kept, now, kept.lost_columns())?;
    let changed = if held.flags { targets(kept, now, kept.changed_columns())? } else { Vec::new() };
    if lost.is_empty() && changed.is_empty() {
        return Ok(());
    }
    let mut sets = Vec::new();
    let mut differs = Vec::new();
    let mut dangling = Vec::new();
    let back: Vec<Ident> = lost.iter().chain(&changed).map(|c| c.name.clone()).collect();
    for column in lost.iter().chain(&changed) {
        let name = dialect.quote(&column.name);
        let target = if dialect.is_mysql_family() { format!("p.{name}") } else { name.clone() };
        let mut value = live_value(dialect, "k", column, now);
        let guard = references::guard(session, kept, &column.name, &back, now).await?;
        let test = unlike(dialect, column, now);
        if let Some(own) = holds_own(dialect, column) {
            let follows = following(dialect, column, now);
            value = format!("CASE WHEN {own} THEN {value} ELSE {follows} END");
        }
        match &column.left_as {
            Some(left) if !column.is_lost() => {
                let flag = format!("h.{}", dialect.quote(left));
                let mut flag = sql::is_set(dialect, &flag);
                if let Some(guard) = guard {
                    dangling.push(format!("({flag} AND {test} AND NOT ({guard}))"));
                    flag = format!("({flag} AND {guard})");
                }
                sets.push(format!("{target} = CASE WHEN {flag} THEN {value} ELSE p.{name} END"));
                differs.push(format!("({flag} AND {test})"));
            }
            _ => match guard {
                Some(guard) => {
                    dangling.push(format!("({test} AND NOT ({guard}))"));
                    sets.push(format!(
                        "{target} = CASE WHEN {guard} THEN {value} ELSE p.{name} END"
                    ));
                    differs.push(format!("({test} AND {guard})"));
                }
                None => {
                    sets.push(format!("{target} = {value}"));
                    differs.push(test);
                }
            },
        }
        restored.columns.push(column.name.to_string());
    }
    let holds = if held.flags {
        format!(
            " LEFT JOIN {} h ON {}",
            hold_name(dialect, kept),
            sql::keys_match(dialect, "h", &kept.key, "k", &kept.key)
        )
    } else {
        String::new()
    };
    // GENERATED ALWAYS refuses every value of ours, and there is no OVERRIDING for UPDATE.
    let identities: Vec<String> = back
        .iter()
        .filter(|name| now.column(name).is_some_and(|c| c.identity_always))
        .map(|name| format!("ALTER TABLE {live} ALTER COLUMN {}", dialect.quote(name)))
        .collect();
    for alter in &identities {
        session.execute(&format!("{alter} SET GENERATED BY DEFAULT")).await?;
    }
    if dialect.is_mysql_family() {
        // A column with ON UPDATE CURRENT_TIMESTAMP stays as it is only if it is set.
        for column in now.writable().filter(|c| !back.contains(&c.name)) {
            if column.ty.starts_with("timestamp") || column.ty.starts_with("datetime") {
                let name = dialect.quote(&column.name);
                sets.push(format!("p.{name} = p.{name}"));
            }
        }
    }
    let join = keys_now(dialect, kept, now);
    restored.updated = session
        .execute(&sql::update_from(
            dialect,
            &live,
            &sets,
            (&format!("{store} k"), &join),
            &holds,
            &format!("k.downhaul_op = 'U' AND ({})", exact::balanced(&differs, " OR ")),
        ))
        .await?;
    for alter in &identities {
        session.execute(&format!("{alter} SET GENERATED ALWAYS")).await?;
    }
    let keys = keys_now(dialect, kept, now);
    restored.orphans +=
        number(session, count_orphans(dialect, (&store, &live), kept, &keys)).await?;
    if !dangling.is_empty() {
        restored.parentless += number(
            session,
            format!(
                "SELECT count(*) FROM {store} k JOIN {live} p ON {keys}{holds} WHERE k.downhaul_op = 'U' AND ({})",
                exact::balanced(&dangling, " OR ")
            ),
        )
        .await?;
    }
    if held.flags {
        let untouched = if dialect == Dialect::Postgres { "IS FALSE" } else { "= 0" };
        let touched: Vec<String> = changed
            .iter()
            .filter_map(|c| c.left_as.as_ref())
            .map(|left| {
                format!("sum(CASE WHEN {} {untouched} THEN 1 ELSE 0 END)", dialect.quote(left))
            })
            .collect();
        if !touched.is_empty() {
            restored.kept_new += number(
                session,
                format!(
                    "SELECT coalesce({}, 0) FROM {}",
                    touched.join(" + "),
                    hold_name(dialect, kept)
                ),
            )
            .await?;
        }
    }
    Ok(())
}

/// Query for the number of kept rows that are there no more.
///
/// MySQL: row by row along the key. The server would rather gather all rows from some other index, and lock
/// each entry of it: a writer who changes that column locks the row first and the entry behind it, and was
/// ended as the victim of a deadlock.
fn count_orphans(dialect: Dialect, (store, live): (&str, &str), kept: &Kept, keys: &str) -> String {
    let first = kept.key.iter().find_map(|key| kept.column(key));
    match first {
        Some(column) if dialect.is_mysql_family() => format!(
            "SELECT count(*) FROM {store} k LEFT JOIN {live} p ON {keys} WHERE k.downhaul_op = 'U' AND p.{} IS NULL",
            dialect.quote(&column.name)
        ),
        _ => format!(
            "SELECT count(*) FROM {store} k WHERE k.downhaul_op = 'U' AND NOT EXISTS (SELECT 1 FROM {live} p WHERE {keys})"
        ),
    }
}

pub(super) async fn verify_by_key(
    session: &mut dyn Session,
    kept: &Kept,
    held: &Held,
    now: &TableShape,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let live = sql::table(dialect, &now.name);
    let join = keys_now(dialect, kept, now);
    let mut wrong = number(
        session,
        format!(
            "SELECT count(*) FROM {store} k WHERE k.downhaul_op = 'D' AND NOT EXISTS (SELECT 1 FROM {live} p WHERE {join})"
        ),
    )
    .await?;
    let mut tests = Vec::new();
    let back: Vec<Ident> = kept
        .lost_columns()
        .chain(kept.changed_columns().filter(|_| held.flags))
        .map(|c| c.name.clone())
        .collect();
    let lost =
        if kept.after.is_some() { targets(kept, now, kept.lost_columns())? } else { Vec::new() };
    for column in lost {
        let test = unlike(dialect, column, now);
        tests.push(match references::guard(session, kept, &column.name, &back, now).await? {
            Some(guard) => format!("({test} AND {guard})"),
            None => test,
        });
    }
    if !tests.is_empty() {
        wrong += number(
            session,
            format!(
                "SELECT count(*) FROM {store} k JOIN {live} p ON {join} WHERE k.downhaul_op = 'U' AND ({})",
                exact::balanced(&tests, " OR ")
            ),
        )
        .await?;
    }
    let mut tests = Vec::new();
    for column in kept.changed_columns().filter(|_| held.flags) {
        let Some(left) = &column.left_as else { continue };
        let flag = format!("h.{}", dialect.quote(left));
        let flag = sql::is_set(dialect, &flag);
        let guard = references::guard(session, kept, &column.name, &back, now).await?;
        let guard = guard.map(|guard| format!(" AND {guard}")).unwrap_or_default();
        tests.push(format!("({flag}{guard} AND {})", unlike(dialect, column, now)));
    }
    if !tests.is_empty() {
        let hold = hold_name(dialect, kept);
        let keys = sql::keys_match(dialect, "h", &kept.key, "k", &kept.key);
        wrong += number(
            session,
            format!(
                "SELECT count(*) FROM {store} k JOIN {hold} h ON {keys} JOIN {live} p ON {join} WHERE k.downhaul_op = 'U' AND ({})",
                exact::balanced(&tests, " OR ")
            ),
        )
        .await?;
    }
    if wrong > 0 {
        return Err(SnapshotError::NotSound {
            table: kept.table.to_string(),
            reason: format!("{wrong} rows do not hold their old values after the restore"),
        });
    }
    Ok(())
}

/// `p.key = k.key`, cast where a type that the user made stands in the key.
pub(crate) fn keys_now(dialect: Dialect, kept: &Kept, now: &TableShape) -> String {
    kept.key
        .iter()
        .filter_map(|key| kept.column(key))
        .map(|c| format!("p.{} = {}", dialect.quote(&c.name), live_value(dialect, "k", c, now)))
        .collect::<Vec<_>>()
        .join(" AND ")
}
