//! Keeping and giving back on MySQL and MariaDB, where every DDL statement commits by itself.
//!
//! There is no transaction that could hold a migration, so each of its groups keeps what it
//! destroys for itself: a run of DML statements within its own transaction, which has locked every
//! row of the tables in danger before it copies them; a DDL statement under `LOCK TABLES … WRITE`,
//! which stays in force from before the copy until after the statement. The way back goes through
//! the groups in reverse order.
//!
//! Stores are therefore made before (a `CREATE TABLE` commits), filled, and reduced by DML alone.

mod give_back;
mod settle;

use downhaul_engine::{EngineError, Session, TableShape};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use crate::keep::{self, Endangered};
use crate::loss::{Losses, Names};
use crate::store::{Kept, KeptColumn, KeptMode, SnapshotError};
use crate::{added, sql};

pub(crate) use give_back::hold;
pub use give_back::{
    add_row_id, can_hold_early, drop_hold, drop_row_ids, held_before, hold_early, hold_late,
    move_counter, needs_row_id,
};
pub(crate) use settle::mark_keyless;
pub use settle::{rows_are_gone, settle};

/// How a group of statements runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// DML in one transaction: types stay, rows and values change.
    Rows,
    /// One statement that commits by itself.
    Definition,
}

/// The tables, by their names of now, that a group of statements destroys something of which was
/// there before the migration.
pub async fn endangered(
    session: &mut dyn Session,
    losses: &Losses,
    names: &Names,
    kind: GroupKind,
) -> Result<Vec<Endangered>, SnapshotError> {
    let mut found = keep::endangered(session, losses).await?;
    found.retain(|table| names.table_was(&table.shape.name).is_some());
    if kind == GroupKind::Rows {
        for table in &found {
            check_transactional(session, &table.shape.name).await?;
        }
    }
    Ok(found)
}

/// Refuses a table without transactions: what it loses in a failed one stays lost.
pub async fn check_transactional(
    session: &mut dyn Session,
    table: &ObjectName,
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let schema = table.schema.as_ref().map_or("DATABASE()".into(), |s| d.literal(s.as_str()));
    let row = session
        .row(&format!(
            "SELECT t.ENGINE, e.TRANSACTIONS FROM information_schema.TABLES t JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE \
             WHERE t.TABLE_SCHEMA = {schema} AND t.TABLE_NAME = {}",
            d.literal(table.name.as_str())
        ))
        .await?;
    match row {
        Some(row) if row.text(1) != "YES" => Err(SnapshotError::CannotRestore(format!(
            "{table} has the storage engine {}, which knows no transactions, so what the migration changes in it cannot be kept safely; make it InnoDB first",
            row.text(0)
        ))),
        _ => Ok(()),
    }
}

/// Describes the store of one table: columns under their names before the migration, `after`
/// holding their names of now until [`settle`].
#[must_use]
pub fn describe(table: &Endangered, names: &Names, kind: GroupKind, id: i64) -> Kept {
    let Endangered { shape, loss } = table;
    let was = |column: &Ident| names.column_was(&shape.name, column);
    let key: Option<Vec<Ident>> =
        shape.key.iter().map(|k| was(k).filter(|_| !loss.columns.contains(k))).collect();
    let key = key.unwrap_or_default();
    let whole = loss.dropped
        || loss.truncated
        || loss.rows
        || key.is_empty()
        || keep::keys_may_change(shape, loss);
    let mode = if whole || kind == GroupKind::Rows { KeptMode::Copy } else { KeptMode::Columns };
    let columns = shape
        .writable()
        .filter(|c| {
            mode == KeptMode::Copy
                || shape.key.contains(&c.name)
                || loss.columns.contains(&c.name)
                || loss.retyped.contains(&c.name)
        })
        .filter_map(|c| {
            Some(KeptColumn {
                name: was(&c.name)?,
                ty: c.ty.clone(),
                user_type: false,
                after: Some(c.name.clone()),
                after_ty: c.ty.clone(),
                left_as: None,
                follows: loss.follows.contains_key(&c.name),
                formula: loss.follows.get(&c.name).cloned(),
            })
        })
        .collect();
    let table_was = names.table_was(&shape.name).unwrap_or_else(|| shape.name.clone());
    Kept {
        id,
        mode,
        after: Some(shape.name.clone()),
        key,
        columns,
        rows: 0,
        rows_gone: 0,
        sequences: shape.sequences.clone(),
        keyless_after: None,
        digest: String::new(),
        shape: as_it_was(shape, names, &table_was),
        table: table_was,
        tombstone: None,
        packed: false,
        pruned: None,
    }
}

/// The shape of now under the names before the migration, without what the migration added.
fn as_it_was(shape: &TableShape, names: &Names, table: &ObjectName) -> TableShape {
    let was = |column: &Ident| names.column_was(&shape.name, column);
    let mut old = shape.clone();
    old.name = table.clone();
    old.columns.retain_mut(|column| match was(&column.name) {
        Some(name) => {
            column.name = name;
            true
        }
        None => false,
    });
    old.key = shape.key.iter().map(was).collect::<Option<_>>().unwrap_or_default();
    old.foreign_keys.retain_mut(|key| {
        let Some(columns) = key.columns.iter().map(was).collect::<Option<Vec<_>>>() else {
            return false;
        };
        let references: Option<Vec<_>> =
            key.references.iter().map(|c| names.column_was(&key.table, c)).collect();
        match (references, names.table_was(&key.table)) {
            (Some(references), Some(table)) => {
                key.columns = columns;
                key.references = references;
                key.table = table;
                true
            }
            _ => false,
        }
    });
    for sequence in &mut old.sequences {
        sequence.column = sequence.column.as_ref().and_then(was);
    }
    old
}

fn store(session: &dyn Session, kept: &Kept) -> String {
    sql::own(session.dialect(), &kept.store())
}

/// `downhaul_left_3`: where the value goes that the migration left in the third column.
fn left_name(dialect: Dialect, index: usize) -> Ident {
    Ident::stored(dialect, &format!("downhaul_left_{}", index + 1))
}

/// A type that holds the values of another and does not count towards the longest row.
fn left_type(ty: &str) -> String {
    let (base, rest) = match ty.find(')') {
        Some(close) => (&ty[..ty.find('(').unwrap_or(close)], &ty[close + 1..]),
        None => (ty, ""),
    };
    match base {
        "varchar" | "char" => format!("longtext{rest}"),
        "varbinary" | "binary" => "longblob".to_owned(),
        _ => ty.to_owned(),
    }
}

/// Makes the empty store. Commits, as every DDL does.
pub async fn create_store(
    session: &mut dyn Session,
    kept: &Kept,
    kind: GroupKind,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = store(session, kept);
    let twice = kind == GroupKind::Rows;
    let most = (sql::most_columns(dialect) - 2) / if twice { 2 } else { 1 };
    if kept.columns.len() > most {
        let (table, columns) = (kept.table.to_string(), kept.columns.len());
        return Err(SnapshotError::TooWide { table, columns, most });
    }
    // What lies under a number that the journal does not know is what a killed run left.
    session.execute(&format!("DROP TABLE IF EXISTS {store}")).await?;
    let mut parts = vec![
        "downhaul_row bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY".to_owned(),
        "downhaul_op char(1) CHARACTER SET ascii COLLATE ascii_bin NOT NULL".to_owned(),
    ];
    parts.extend(kept.columns.iter().map(|c| format!("{} {} NULL", dialect.quote(&c.name), c.ty)));
    if kind == GroupKind::Rows {
        parts.extend(kept.columns.iter().enumerate().map(|(i, c)| {
            format!("{} {} NULL", dialect.quote(&left_name(dialect, i)), left_type(&c.ty))
        }));
    }
    if !kept.key.is_empty() {
        parts.push(format!("KEY downhaul_key ({})", sql::list(dialect, &kept.key)));
    }
    session
        .execute(&format!(
            "CREATE TABLE {store} ({}) ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
            parts.join(", ")
        ))
        .await?;
    Ok(())
}

/// Throws a store away. What was set aside is no copy of anything, and stays.
pub async fn drop_store(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    if kept.is_aside() {
        return Ok(());
    }
    let store = store(session, kept);
    session.execute(&format!("DROP TABLE IF EXISTS {store}")).await?;
    Ok(())
}

/// An alias can be locked once, and only if no table that is locked has that name. (Several tables
/// are only ever dropped together.)
fn can_lock_aliases(tables: &[(Endangered, Kept)]) -> bool {
    let own = |table: &Endangered| {
        ["p", "s", "k", "r"].iter().any(|a| table.shape.name.name.as_str().eq_ignore_ascii_case(a))
    };
    tables.len() == 1 && !tables.iter().any(|(table, _)| own(table))
}

/// The names under which our statements read the tables in danger and their stores, for
/// `LOCK TABLES`.
#[must_use]
pub fn locks(dialect: Dialect, tables: &[(Endangered, Kept)]) -> String {
    let mut locks = Vec::new();
    let aliases = can_lock_aliases(tables);
    for (table, kept) in tables {
        let live = sql::table(dialect, &table.shape.name);
        let store = sql::own(dialect, &kept.store());
        locks.push(format!("{live} WRITE"));
        locks.push(format!("{store} WRITE"));
        if aliases {
            locks.extend(["p", "s"].map(|alias| format!("{live} AS {alias} WRITE")));
            locks.extend(["k", "r"].map(|alias| format!("{store} AS {alias} WRITE")));
        }
        for (name, alias) in table.loss.read_elsewhere(dialect) {
            locks.push(format!("{} AS {} READ", sql::table(dialect, &name), dialect.quote(&alias)));
        }
    }
    format!("LOCK TABLES {}", locks.join(", "))
}

/// Whether [`settle`] can do its work under [`locks`]: it cannot follow a table that the statement
/// renamed, nor look at a table twice.
#[must_use]
pub fn settles_locked(tables: &[(Endangered, Kept)]) -> bool {
    tables.iter().all(|(table, _)| {
        table.loss.dropped
            || can_lock_aliases(tables)
                && table.loss.renamed_to.is_none()
                && !keep::keys_may_change(&table.shape, &table.loss)
    })
}

/// Copies a table into its store, and counts. Under the table's lock, or within a transaction:
/// then every row is locked first (`FOR UPDATE`, and the gaps between them).
pub async fn fill(
    session: &mut dyn Session,
    table: &Endangered,
    kept: &mut Kept,
    kind: GroupKind,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = store(session, kept);
    let live = sql::table(dialect, &table.shape.name);
    let mut names = vec!["downhaul_op".to_owned()];
    let mut values =
        vec![if kept.mode == KeptMode::Columns { "'U'".to_owned() } else { "'D'".to_owned() }];
    for column in &kept.columns {
        names.push(dialect.quote(&column.name));
        let now = column.after.as_ref().unwrap_or(&column.name);
        values.push(match kept.mode {
            KeptMode::Columns => table.loss.kept_value(now, &column.ty, dialect),
            _ => dialect.quote(now),
        });
    }
    let lock = if kind == GroupKind::Rows { " FOR UPDATE" } else { "" };
    // Of other rows the statement changes nothing: what is written to them until it is known to have ended is not its work.
    let nulls = table.loss.only_nulls().map(|columns| {
        let tests: Vec<String> =
            columns.iter().map(|c| format!("{} IS NULL", dialect.quote(c))).collect();
        tests.join(" OR ")
    });
    let only = nulls.or_else(|| added::only(&table.loss, &table.shape, dialect));
    let only = only.filter(|_| kept.mode == KeptMode::Columns);
    let only = only.map(|test| format!(" WHERE {test}")).unwrap_or_default();
    session
        .execute(&format!(
            "INSERT INTO {store} ({}) SELECT {} FROM {live}{only}{lock}",
            names.join(", "),
            values.join(", ")
        ))
        .await?;
    let counts = session
        .row(&format!("SELECT (SELECT count(*) FROM {store}), (SELECT count(*) FROM {live}{only})"))
        .await?;
    let (stored, there) = match counts {
        Some(row) => (row.number(0)?, row.number(1)?),
        None => (0, -1),
    };
    if stored != there {
        return Err(SnapshotError::NotSound {
            table: table.shape.name.to_string(),
            reason: format!("{stored} rows were kept of {there}"),
        });
    }
    kept.rows = u64::try_from(stored).unwrap_or(0);
    Ok(())
}

/// Sets the session's modes for statements of our own that move rows: every value goes as it is,
/// zero dates and the number 0 of a counter included, and references are checked by ourselves.
/// Returns the statement that sets them back.
pub async fn own_modes(session: &mut dyn Session) -> Result<String, EngineError> {
    let row = session
        .row("SELECT @@SESSION.sql_mode, @@SESSION.foreign_key_checks, @@SESSION.unique_checks")
        .await?;
    let row = row.ok_or_else(|| EngineError::Protocol("no session variables".into()))?;
    session
        .execute(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0, unique_checks = 1",
        )
        .await?;
    Ok(format!(
        "SET SESSION sql_mode = {}, foreign_key_checks = {}, unique_checks = {}",
        session.dialect().literal(row.text(0)),
        row.text(1),
        row.text(2)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_values_do_not_count_towards_the_longest_row() {
        for (ty, expected) in [
            (
                "varchar(9) CHARACTER SET latin1 COLLATE latin1_bin",
                "longtext CHARACTER SET latin1 COLLATE latin1_bin",
            ),
            ("varbinary(30)", "longblob"),
            ("int(10) unsigned", "int(10) unsigned"),
            ("enum('a)','b')", "enum('a)','b')"),
            (
                "text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                "text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            ),
        ] {
            assert_eq!(left_type(ty), expected);
        }
    }
}
