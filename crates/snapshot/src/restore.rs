//! The way back: put kept data where it was, and leave what was written since.

use downhaul_engine::{Session, TableShape, exact};
use downhaul_syntax::{Dialect, Ident};
use serde::{Deserialize, Serialize};

use crate::settle::{content, digest, join_after};
use crate::sql;
use crate::store::{Kept, KeptMode, SnapshotError};
use crate::{packed, references};

/// What was noted of one table before the way back began.
#[derive(Clone, Debug)]
pub struct Held {
    /// A temporary table holds, for each row with changed values, which of them are untouched.
    pub(crate) flags: bool,
    /// Rows that cannot be told apart: nobody has written to the table since.
    pub(crate) keyless_untouched: bool,
    /// A table of that name stood there, which the way back did not make.
    pub(crate) stood: bool,
    /// Unique keys of the table under which no other row stood in the place of a lost one: whatever
    /// does so afterwards was written by the way back itself.
    pub unclaimed: Vec<Vec<Ident>>,
}

impl Held {
    /// Anything was noted.
    #[must_use]
    pub fn is_noted(&self) -> bool {
        self.flags || self.keyless_untouched
    }
}

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

/// Before the first statement of the way back: note which changed values are still as the
/// migration left them.
pub async fn hold(session: &mut dyn Session, kept: &Kept) -> Result<Held, SnapshotError> {
    let dialect = session.dialect();
    let mut held =
        Held { flags: false, keyless_untouched: false, stood: false, unclaimed: Vec::new() };
    if kept.mode == KeptMode::Tombstone {
        held.stood = session.table_shape(&kept.table).await?.is_some();
    }
    let Some(after_name) = &kept.after else { return Ok(held) };
    let Some(after) = session.table_shape(after_name).await? else { return Ok(held) };
    let live = sql::table(dialect, &after.name);
    if let Some(left) = &kept.keyless_after {
        let columns: Vec<String> = after.columns.iter().map(|c| dialect.quote(&c.name)).collect();
        held.keyless_untouched = session.digest(&live, &columns).await? == *left;
        return Ok(held);
    }
    let flags: Vec<String> = kept
        .changed_columns()
        .filter_map(|c| {
            let (left, after) = (c.left_as.as_ref()?, c.after.as_ref()?);
            let ty = &c.after_ty;
            let test = sql::same(
                dialect,
                &sql::exact(dialect, &format!("k.{}", dialect.quote(left)), ty),
                &sql::exact(dialect, &format!("p.{}", dialect.quote(after)), ty),
            );
            Some(format!("({test}) AS {}", dialect.quote(left)))
        })
        .collect();
    if flags.is_empty() {
        return Ok(held);
    }
    let store = sql::own(dialect, &kept.store());
    let keys: Vec<String> = kept.key.iter().map(|k| format!("k.{}", dialect.quote(k))).collect();
    let hold = hold_name(dialect, kept);
    session.execute(&format!("DROP TABLE IF EXISTS {hold}")).await?;
    if dialect.is_mysql_family() {
        let body = format!(
            "SELECT {}, {} FROM {store} k JOIN {live} p ON {} WHERE k.downhaul_op = 'U'",
            keys.join(", "),
            flags.join(", "),
            join_after(dialect, kept),
        );
        crate::stepwise::hold(session, kept, &hold, &body).await?;
        held.flags = true;
        return Ok(held);
    }
    session
        .execute(&format!(
            "CREATE TEMPORARY TABLE {} AS SELECT {}, {} FROM {store} k JOIN {live} p ON {} WHERE k.downhaul_op = 'U'",
            hold.rsplit('.').next().unwrap_or(&hold),
            keys.join(", "),
            flags.join(", "),
            join_after(dialect, kept),
        ))
        .await?;
    held.flags = true;
    Ok(held)
}

pub(crate) fn hold_name(dialect: Dialect, kept: &Kept) -> String {
    sql::temporary(dialect, &format!("hold_{}", kept.id))
}

/// Checks that every row has a value in the columns that came back and must have one. Rows written
/// while the column was gone have none unless the column's default gave them one.
pub async fn check_filled(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let Some(now) = session.table_shape(&kept.table).await? else { return Ok(()) };
    for column in kept.lost_columns() {
        let must = kept.shape.column(&column.name).is_some_and(|shape| shape.not_null);
        if !must || now.column(&column.name).is_none_or(|column| column.not_null) {
            continue;
        }
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

async fn update_by_key(
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
        let value = live_value(dialect, "k", column, now);
        let guard = references::guard(session, kept, &column.name, &back, now).await?;
        let ty = now.column(&column.name).map_or("", |c| c.ty.as_str());
        let test = sql::differs(
            dialect,
            &sql::exact(dialect, &value, ty),
            &sql::exact(dialect, &format!("p.{name}"), ty),
        );
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
    restored.orphans += number(
        session,
        format!(
            "SELECT count(*) FROM {store} k WHERE k.downhaul_op = 'U' AND NOT EXISTS (SELECT 1 FROM {live} p WHERE {keys})"
        ),
    )
    .await?;
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

/// `p.key = k.key`, cast where a type that the user made stands in the key.
pub(crate) fn keys_now(dialect: Dialect, kept: &Kept, now: &TableShape) -> String {
    kept.key
        .iter()
        .filter_map(|key| kept.column(key))
        .map(|c| format!("p.{} = {}", dialect.quote(&c.name), live_value(dialect, "k", c, now)))
        .collect::<Vec<_>>()
        .join(" AND ")
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

async fn insert_by_key(
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
    let other: Vec<String> = columns
        .iter()
        .map(|column| {
            let ty = now.column(&column.name).map_or("", |c| c.ty.as_str());
            sql::differs(
                dialect,
                &sql::exact(dialect, &live_value(dialect, "k", column, now), ty),
                &sql::exact(dialect, &format!("p.{}", dialect.quote(&column.name)), ty),
            )
        })
        .collect();
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

async fn verify_by_key(
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
        let ty = now.column(&column.name).map_or("", |c| c.ty.as_str());
        let test = sql::differs(
            dialect,
            &sql::exact(dialect, &live_value(dialect, "k", column, now), ty),
            &sql::exact(dialect, &format!("p.{}", dialect.quote(&column.name)), ty),
        );
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
        let ty = now.column(&column.name).map_or("", |c| c.ty.as_str());
        let flag = format!("h.{}", dialect.quote(left));
        let flag = sql::is_set(dialect, &flag);
        let guard = references::guard(session, kept, &column.name, &back, now).await?;
        let guard = guard.map(|guard| format!(" AND {guard}")).unwrap_or_default();
        tests.push(format!(
            "({flag}{guard} AND {})",
            sql::differs(
                dialect,
                &sql::exact(dialect, &live_value(dialect, "k", column, now), ty),
                &sql::exact(dialect, &format!("p.{}", dialect.quote(&column.name)), ty),
            )
        ));
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

/// Content of the columns that the store and the table share, to tell rows apart without a key.
fn shared(kept: &Kept, now: &TableShape, only_surviving: bool) -> Vec<(Ident, String)> {
    kept.columns
        .iter()
        .filter(|c| !only_surviving || !c.is_lost())
        .filter(|c| now.column(&c.name).is_some_and(|c| !c.generated))
        .map(|c| (c.name.clone(), c.ty.clone()))
        .collect()
}

/// Lost columns of a table without a key: rows are matched by all that they still hold.
async fn fill_by_content(
    session: &mut dyn Session,
    kept: &Kept,
    now: &TableShape,
    restored: &mut Restored,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let live = sql::table(dialect, &now.name);
    let row_id = sql::row_id(dialect);
    let columns = shared(kept, now, true);
    let content = content(dialect, "r", &columns);
    let lost = targets(kept, now, kept.lost_columns())?;
    let numbered = |source: &str, id: &str| {
        format!(
            "(SELECT {id}{content} AS downhaul_content, row_number() OVER (PARTITION BY {content}) AS downhaul_copy, r.* FROM {source} r)"
        )
    };
    let present = format!(
        "(SELECT r.{row_id} AS downhaul_id, {content} AS downhaul_content, row_number() OVER (PARTITION BY {content}) AS downhaul_copy FROM {live} r)"
    );
    let past = numbered(&format!("(SELECT * FROM {store} WHERE downhaul_op = 'U')"), "");
    let sets: Vec<String> = lost
        .iter()
        .map(|c| {
            let alias = if dialect.is_mysql_family() { "p." } else { "" };
            format!("{alias}{} = {}", dialect.quote(&c.name), live_value(dialect, "k", c, now))
        })
        .collect();
    restored.columns = lost.iter().map(|c| c.name.to_string()).collect();
    let source = format!(
        "{present} q JOIN {past} k ON k.downhaul_content = q.downhaul_content AND k.downhaul_copy = q.downhaul_copy"
    );
    let update = if dialect.is_mysql_family() {
        format!(
            "UPDATE {live} AS p JOIN ({source}) ON p.{row_id} = q.downhaul_id SET {}",
            sets.join(", ")
        )
    } else {
        format!(
            "UPDATE {live} AS p SET {} FROM {source} WHERE p.{row_id} = q.downhaul_id",
            sets.join(", ")
        )
    };
    restored.updated = session.execute(&update).await?;
    let wanted =
        number(session, format!("SELECT count(*) FROM {store} WHERE downhaul_op = 'U'")).await?;
    restored.orphans += wanted.saturating_sub(restored.updated);
    Ok(())
}

/// Rows of a table without a key: put back as many copies of each as are missing.
async fn insert_bag(
    session: &mut dyn Session,
    kept: &Kept,
    now: &TableShape,
    restored: &mut Restored,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let live = sql::table(dialect, &now.name);
    let columns = row_columns(kept, now)?;
    let head = insert_head(dialect, now, &columns);
    if kept.after.is_some() {
        if !take_away_left(session, kept, now).await? {
            restored.conflicts += kept.rows_gone;
            return Ok(());
        }
        // The table was never gone, so whatever it holds now is not what is missing.
        restored.rows +=
            session.execute(&format!("{head} FROM {store} k WHERE k.downhaul_op = 'D'")).await?;
        return Ok(());
    }
    let all = shared(kept, now, false);
    let content = content(dialect, "r", &all);
    let present =
        format!("(SELECT {content} AS content, count(*) AS copies FROM {live} r GROUP BY 1)");
    restored.rows += session
        .execute(&format!(
            "{head} FROM (SELECT {content} AS downhaul_content, row_number() OVER (PARTITION BY {content}) AS downhaul_copy, r.* FROM {store} r WHERE downhaul_op = 'D') k \
             LEFT JOIN {present} q ON q.content = k.downhaul_content WHERE q.copies IS NULL OR k.downhaul_copy > q.copies"
        ))
        .await?;
    Ok(())
}

/// Takes away what the migration made of changed rows, so that what they were can go back.
/// Returns false, and takes nothing, where one of them has been changed or deleted since: nothing
/// then tells which of the old rows it was.
async fn take_away_left(
    session: &mut dyn Session,
    kept: &Kept,
    now: &TableShape,
) -> Result<bool, SnapshotError> {
    let dialect = session.dialect();
    let store = sql::own(dialect, &kept.store());
    let left = format!("(SELECT * FROM {store} WHERE downhaul_op = 'L')");
    let wanted = number(session, format!("SELECT count(*) FROM {left} l")).await?;
    if wanted == 0 {
        return Ok(true);
    }
    let live = sql::table(dialect, &now.name);
    let row_id = sql::row_id(dialect);
    let content = content(dialect, "r", &shared(kept, now, true));
    let numbered = |source: &str, id: &str| {
        format!(
            "(SELECT {id}{content} AS content, row_number() OVER (PARTITION BY {content}) AS copy FROM {source} r)"
        )
    };
    let found = format!(
        "{} p JOIN {} k ON k.content = p.content AND k.copy = p.copy",
        numbered(&live, &format!("r.{row_id} AS id, ")),
        numbered(&left, "")
    );
    if number(session, format!("SELECT count(*) FROM {found}")).await? < wanted {
        return Ok(false);
    }
    session
        .execute(&format!(
            "DELETE FROM {live} WHERE {row_id} IN (SELECT found.id FROM (SELECT p.id FROM {found}) found)"
        ))
        .await?;
    Ok(true)
}

/// Changed rows without a key: all or nothing.
async fn replace_all(
    session: &mut dyn Session,
    kept: &Kept,
    held: &Held,
    now: &TableShape,
    restored: &mut Restored,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    if !held.keyless_untouched {
        restored.conflicts += kept.rows;
        return Ok(());
    }
    let live = sql::table(dialect, &now.name);
    let columns = row_columns(kept, now)?;
    let head = insert_head(dialect, now, &columns);
    session.execute(&format!("DELETE FROM {live}")).await?;
    restored.rows +=
        session.execute(&format!("{head} FROM {} k", sql::own(dialect, &kept.store()))).await?;
    Ok(())
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
