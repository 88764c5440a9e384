//! Keeping and giving back on MySQL and MariaDB, where every DDL statement commits by itself.
//!
//! There is no transaction that could hold a migration, so each of its groups keeps what it
//! destroys for itself: a run of DML statements within its own transaction, which has locked every
//! row of the tables in danger before it copies them; a DDL statement under `LOCK TABLES … WRITE`,
//! which stays in force from before the copy until after the statement. The way back goes through
//! the groups in reverse order.
//!
//! Stores are therefore made before (a `CREATE TABLE` commits), filled, and reduced by DML alone.

use downhaul_engine::{EngineError, Session, TableShape};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use crate::keep::{self, Endangered};
use crate::loss::{Losses, Names, TableLoss};
use crate::restore::{self, Held};
use crate::settle::{changed, content, digest, join_after, keys_moved, settle_keyless};
use crate::sql;
use crate::store::{Kept, KeptColumn, KeptMode, SnapshotError};

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
            KeptMode::Columns => table.loss.kept_value(now, dialect),
            _ => dialect.quote(now),
        });
    }
    let lock = if kind == GroupKind::Rows { " FOR UPDATE" } else { "" };
    session
        .execute(&format!(
            "INSERT INTO {store} ({}) SELECT {} FROM {live}{lock}",
            names.join(", "),
            values.join(", ")
        ))
        .await?;
    let counts = session
        .row(&format!("SELECT (SELECT count(*) FROM {store}), (SELECT count(*) FROM {live})"))
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

/// After the group: reduces a store to what was really lost. Returns false where that is nothing;
/// the store may then go. May run again after a crash in its midst.
pub async fn settle(
    session: &mut dyn Session,
    kept: &mut Kept,
    loss: &TableLoss,
    names: &Names,
    kind: GroupKind,
) -> Result<bool, SnapshotError> {
    let before = kept.after.clone().unwrap_or_else(|| kept.table.clone());
    let now_name = loss.renamed_to.clone().unwrap_or_else(|| before.clone());
    let now = if loss.dropped { None } else { session.table_shape(&now_name).await? };
    let finally: Vec<Option<Ident>> = kept
        .columns
        .iter()
        .map(|c| c.after.as_ref().and_then(|name| names.column_will_be(&before, name)))
        .collect();
    let may_move = loss.keys_follow
        || kept
            .key
            .iter()
            .filter_map(|k| kept.column(k)?.after.as_ref())
            .any(|name| loss.assigned.contains(name) || loss.retyped.contains(name));
    for column in &mut kept.columns {
        let Some(name) = column.after.clone() else { continue };
        let dropped = loss.columns.contains(&name);
        let name = loss.renamed_columns.get(&name).unwrap_or(&name);
        let there = now.as_ref().filter(|_| !dropped).and_then(|now| now.column(name));
        column.after = there.map(|c| c.name.clone());
        column.after_ty = there.map(|c| c.ty.clone()).unwrap_or_default();
    }
    let store = store(session, kept);
    kept.after = now.as_ref().map(|now| now.name.clone());
    if let Some(now) = &now {
        let key_survives = kept.key.iter().all(|k| kept.column(k).is_some_and(|c| !c.is_lost()));
        if !key_survives {
            kept.key.clear();
        }
        if !kept.key.is_empty() && may_move && keys_moved(session, kept, now).await? {
            // Nothing tells which of the new keys was which of the old ones.
            kept.key.clear();
        }
        if kept.key.is_empty() {
            let table = Endangered { shape: now.clone(), loss: loss.clone() };
            settle_keyless(session, kept, now, &table).await?;
        } else if kept.mode == KeptMode::Copy || !loss.retyped.is_empty() {
            settle_by_key(session, kept, now, kind).await?;
        }
    } else {
        kept.rows_gone = kept.rows;
    }
    let rows =
        session.number(&format!("SELECT count(*) FROM {store} WHERE downhaul_op <> 'L'")).await?;
    kept.rows = u64::try_from(rows).unwrap_or(0);
    if now.is_none() {
        kept.rows_gone = kept.rows;
    }
    if kept.rows == 0 && kept.after.is_some() && kept.lost_columns().next().is_none() {
        return Ok(false);
    }
    kept.digest = digest(session, kept).await?;
    // What later statements of the migration rename is found under its last name.
    if kept.after.is_some()
        && let Some(last) = names.table_will_be(&before)
    {
        kept.after = Some(last);
        for (column, last) in kept.columns.iter_mut().zip(finally) {
            if column.after.is_some() && last.is_some() {
                column.after = last;
            }
        }
    }
    Ok(true)
}

async fn settle_by_key(
    session: &mut dyn Session,
    kept: &mut Kept,
    now: &TableShape,
    kind: GroupKind,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = store(session, kept);
    let live = sql::table(dialect, &now.name);
    let join = join_after(dialect, kept);
    let tests: Vec<(usize, String)> = kept
        .columns
        .iter()
        .enumerate()
        .filter_map(|(i, c)| Some((i, changed(dialect, c)?)))
        .collect();
    let any = if tests.is_empty() {
        "FALSE".to_owned()
    } else {
        tests.iter().map(|(_, test)| format!("({test})")).collect::<Vec<_>>().join(" OR ")
    };
    if kept.lost_columns().next().is_none() {
        session
            .execute(&format!(
                "DELETE k FROM {store} AS k JOIN {live} AS p ON {join} WHERE k.downhaul_op <> 'L' AND NOT ({any})"
            ))
            .await?;
    }
    let mut sets = vec!["k.downhaul_op = 'U'".to_owned()];
    if !tests.is_empty() {
        let sums: Vec<String> = tests
            .iter()
            .map(|(_, test)| format!("COALESCE(MAX(CASE WHEN {test} THEN 1 ELSE 0 END), 0)"))
            .collect();
        let row = session
            .row(&format!(
                "SELECT {} FROM {store} AS k JOIN {live} AS p ON {join}",
                sums.join(", ")
            ))
            .await?;
        for (at, (index, _)) in tests.iter().enumerate() {
            if row.as_ref().is_none_or(|row| row.text(at) != "1") {
                continue;
            }
            let name = left_name(dialect, *index);
            let column = &mut kept.columns[*index];
            let after = column.after.as_ref().unwrap_or(&column.name);
            sets.push(format!("k.{} = p.{}", dialect.quote(&name), dialect.quote(after)));
            if kind == GroupKind::Definition {
                add_left(session, &store, &name, &column.after_ty).await?;
            }
            column.left_as = Some(name);
        }
    }
    session
        .execute(&format!("UPDATE {store} AS k JOIN {live} AS p ON {join} SET {}", sets.join(", ")))
        .await?;
    let gone =
        session.number(&format!("SELECT count(*) FROM {store} WHERE downhaul_op = 'D'")).await?;
    kept.rows_gone = u64::try_from(gone).unwrap_or(0);
    Ok(())
}

/// Adds a column for values that the migration left, unless an earlier try did.
async fn add_left(
    session: &mut dyn Session,
    store: &str,
    name: &Ident,
    ty: &str,
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let there = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {} AND COLUMN_NAME = {}",
            d.literal(store),
            d.literal(name.as_str())
        ))
        .await?;
    if there == 0 {
        let (name, ty) = (d.quote(name), left_type(ty));
        session.execute(&format!("ALTER TABLE {store} ADD COLUMN {name} {ty} NULL")).await?;
    }
    Ok(())
}

/// Columns by which rows without a key are told apart: name and type.
type Content = [(Ident, String)];

/// Marks the rows of a store whose table has no key, see [`settle_keyless`]: `D` rows that are gone,
/// `L` rows that the migration made of them, `U` rows that only lost columns.
pub(crate) async fn mark_keyless(
    session: &mut dyn Session,
    kept: &mut Kept,
    (before, now): (&Content, &Content),
    (gone, new): (i64, i64),
    live: &str,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let store = store(session, kept);
    let numbered = |source: &str, alias: &str, columns: &[(Ident, String)], more: &str| {
        let content = content(dialect, alias, columns);
        format!(
            "(SELECT {more}{content} AS content, row_number() OVER (PARTITION BY {content}) AS copy FROM {source} {alias})"
        )
    };
    let past = numbered(&store, "r", before, "r.downhaul_row AS id, ");
    let present = numbered(live, "s", now, "");
    session
        .execute(&format!(
            "UPDATE {store} SET downhaul_op = 'U' WHERE downhaul_row IN \
               (SELECT m.id FROM (SELECT k.id FROM {past} k JOIN {present} p ON p.content = k.content AND p.copy = k.copy) m)"
        ))
        .await?;
    if gone > 0 && new > 0 {
        let names: Vec<String> = before.iter().map(|(name, _)| dialect.quote(name)).collect();
        let columns: Vec<String> =
            now.iter().map(|(name, _)| format!("s.{}", dialect.quote(name))).collect();
        let values: Vec<String> =
            now.iter().map(|(name, _)| format!("p.{}", dialect.quote(name))).collect();
        let whole = numbered(live, "s", now, &format!("{}, ", columns.join(", ")));
        session
            .execute(&format!(
                "INSERT INTO {store} (downhaul_op, {}) SELECT 'L', {} FROM {whole} p LEFT JOIN {past} k ON k.content = p.content AND k.copy = p.copy \
                 WHERE k.content IS NULL",
                names.join(", "),
                values.join(", ")
            ))
            .await?;
    }
    if kept.lost_columns().next().is_none() {
        session.execute(&format!("DELETE FROM {store} WHERE downhaul_op = 'U'")).await?;
    }
    kept.rows_gone = u64::try_from(gone).unwrap_or(0);
    Ok(())
}

/// Whether a statement whose traces the schema does not show has taken effect: rows that were kept
/// before it are missing. With `all`, only if every one of them is (`TRUNCATE`).
pub async fn rows_are_gone(
    session: &mut dyn Session,
    kept: &Kept,
    all: bool,
) -> Result<bool, SnapshotError> {
    let dialect = session.dialect();
    let store = store(session, kept);
    let Some(name) = &kept.after else { return Ok(true) };
    let Some(now) = session.table_shape(name).await? else { return Ok(true) };
    let live = sql::table(dialect, &now.name);
    let stored = session.number(&format!("SELECT count(*) FROM {store}")).await?;
    let there = if kept.key.is_empty() {
        session.number(&format!("SELECT count(*) FROM {live}")).await?
    } else {
        let join = join_after(dialect, kept);
        session
            .number(&format!("SELECT count(*) FROM {store} AS k JOIN {live} AS p ON {join}"))
            .await?
    };
    Ok(stored > 0 && if all { there == 0 } else { there < stored })
}

/// Makes and fills the table that notes which values are still as the migration left them.
pub(crate) async fn hold(
    session: &mut dyn Session,
    kept: &Kept,
    hold: &str,
    body: &str,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let mut parts: Vec<String> = kept
        .key
        .iter()
        .filter_map(|key| kept.column(key))
        .map(|c| format!("{} {} NULL", dialect.quote(&c.name), c.ty))
        .collect();
    parts.extend(
        kept.changed_columns()
            .filter_map(|c| Some(format!("{} tinyint NULL", dialect.quote(c.left_as.as_ref()?)))),
    );
    parts.push(format!("KEY downhaul_key ({})", sql::list(dialect, &kept.key)));
    session.execute(&format!("CREATE TABLE {hold} ({}) ENGINE=InnoDB", parts.join(", "))).await?;
    session.execute(&format!("INSERT INTO {hold} {body}")).await?;
    Ok(())
}

/// Whether what a group changed can be looked at before the way back begins: no later group
/// touched the same values. `later` are the later groups' stores.
#[must_use]
pub fn can_hold_early(kept: &Kept, later: &[&Kept]) -> bool {
    if kept.mode == KeptMode::Tombstone {
        return true;
    }
    kept.after.is_some()
        && !later.iter().any(|other| {
            other.table == kept.table
                && (other.after.is_none()
                    || other.rows_gone > 0
                    || other.columns.iter().any(|c| {
                        (c.is_lost() || c.left_as.is_some())
                            && kept.column(&c.name).is_some_and(|own| own.left_as.is_some())
                    }))
        })
}

/// [`restore::hold`], such that [`held_before`] finds it after a crash.
pub async fn hold_early(session: &mut dyn Session, kept: &Kept) -> Result<Held, SnapshotError> {
    let held = restore::hold(session, kept).await?;
    let absent = kept.mode == KeptMode::Tombstone && !held.stood;
    if held.keyless_untouched || absent {
        let name = restore::hold_name(session.dialect(), kept);
        session.execute(&format!("DROP TABLE IF EXISTS {name}")).await?;
        session.execute(&format!("CREATE TABLE {name} (untouched int)")).await?;
    }
    Ok(held)
}

/// The same as [`restore::hold`], once everything later has been given back: the table has its
/// names of before the migration again.
pub async fn hold_late(session: &mut dyn Session, kept: &Kept) -> Result<Held, SnapshotError> {
    let mut as_before = kept.clone();
    if kept.after.is_some() {
        as_before.after = Some(kept.table.clone());
    }
    for column in as_before.columns.iter_mut().filter(|c| !c.is_lost()) {
        column.after = Some(column.name.clone());
    }
    restore::hold(session, &as_before).await
}

/// What an earlier, killed run noted by [`restore::hold`].
pub async fn held_before(session: &mut dyn Session, kept: &Kept) -> Result<Held, SnapshotError> {
    let name = restore::hold_name(session.dialect(), kept);
    let there = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{name}'"
        ))
        .await?;
    if kept.mode == KeptMode::Tombstone {
        return Ok(Held {
            flags: false,
            keyless_untouched: false,
            stood: there == 0,
            unclaimed: Vec::new(),
        });
    }
    let keyless = kept.keyless_after.is_some();
    Ok(Held {
        flags: there > 0 && !keyless,
        keyless_untouched: there > 0 && keyless,
        stood: false,
        unclaimed: Vec::new(),
    })
}

/// Forgets what [`restore::hold`] noted.
pub async fn drop_hold(session: &mut dyn Session, kept: &Kept) -> Result<(), EngineError> {
    let name = restore::hold_name(session.dialect(), kept);
    session.execute(&format!("DROP TABLE IF EXISTS {name}")).await.map(drop)
}

/// Whether rows of the table must be told apart by a number while its data goes back.
#[must_use]
pub fn needs_row_id(kept: &Kept) -> bool {
    kept.key.is_empty() && kept.after.is_some() && kept.keyless_after.is_none()
}

/// Gives the rows of a table without a key a number, unless they have it.
pub async fn add_row_id(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    let Some(shape) = session.table_shape(&kept.table).await? else { return Ok(()) };
    let dialect = session.dialect();
    let column = Ident::stored(dialect, sql::row_id(dialect));
    if shape.column(&column).is_none() {
        let live = sql::table(dialect, &shape.name);
        // MySQL takes no default that differs from row to row; a table has one counter at most.
        let numbers = match dialect {
            Dialect::Mysql if shape.sequences.is_empty() => "AUTO_INCREMENT",
            _ => "DEFAULT (UUID_SHORT())",
        };
        let history = with_history(session, &shape.name.name).await?;
        session
            .execute(&format!(
                "{history}ALTER TABLE {live} ADD COLUMN {} bigint unsigned NOT NULL {numbers} INVISIBLE UNIQUE KEY",
                dialect.quote(&column)
            ))
            .await?;
    }
    Ok(())
}

/// What is said before an `ALTER TABLE` of our own of a table of which MariaDB keeps a history, which it
/// refuses otherwise.
async fn with_history(
    session: &mut dyn Session,
    table: &Ident,
) -> Result<&'static str, EngineError> {
    let versioned = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {} AND TABLE_TYPE = 'SYSTEM VERSIONED'",
            session.dialect().literal(table.as_str())
        ))
        .await?;
    Ok(if versioned > 0 { "SET STATEMENT system_versioning_alter_history = KEEP FOR " } else { "" })
}

/// Takes the numbers of [`add_row_id`] away, wherever a killed run left them too.
pub async fn drop_row_ids(session: &mut dyn Session) -> Result<(), EngineError> {
    let d = session.dialect();
    let name = sql::row_id(d);
    let rows = session
        .rows(&format!(
            "SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME = '{name}' AND TABLE_NAME NOT LIKE 'downhaul\\_%'"
        ))
        .await?;
    for row in &rows {
        let table = d.quote_str(row.text(0));
        let history = with_history(session, &Ident::stored(d, row.text(0))).await?;
        session.execute(&format!("{history}ALTER TABLE {table} DROP COLUMN {name}")).await?;
    }
    Ok(())
}

/// Moves the counter of a table on to where it was: never back. Commits.
pub async fn move_counter(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    let Some(now) = session.table_shape(&kept.table).await? else { return Ok(()) };
    for before in &kept.sequences {
        let current = now.sequences.iter().find(|s| s.column == before.column);
        if current.is_some_and(|current| current.last_value < before.last_value) {
            let live = sql::table(session.dialect(), &now.name);
            let next = before.last_value + 1;
            session.execute(&format!("ALTER TABLE {live} AUTO_INCREMENT = {next}")).await?;
        }
    }
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
