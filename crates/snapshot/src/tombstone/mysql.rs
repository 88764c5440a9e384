//! Setting a table of MariaDB or MySQL aside, and bringing it back.
//!
//! Every statement commits by itself. So each step here is one statement, and can be told to have been
//! done by looking whether a table of that name is there.

use downhaul_engine::{DumpKind, EngineError, Session};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName, Statement};

use super::{Choice, LARGE, Obstacles, Policy, Tombstone, mysql_column};
use crate::keep::Endangered;
use crate::loss::{Names, losses};
use crate::restore::{Held, Restored};
use crate::sql;
use crate::stepwise::{self, GroupKind};
use crate::store::{Kept, KeptMode, SnapshotError};

/// The first foreign key of a table is called so by the server unless it has a name of its own.
const UNNAMED: &str = "_ibfk_";

/// Decides how a table is kept; those that go with it in one statement are all set aside, or none.
pub(super) async fn choose(
    session: &mut dyn Session,
    table: &Endangered,
    policy: Policy,
    statements: &[&Statement],
) -> Result<Choice, SnapshotError> {
    let name = &table.shape.name;
    let names = |change: &Change| match change {
        Change::DropTable { name, .. } => Some(name.clone()),
        _ => None,
    };
    let at = statements.iter().position(|statement| {
        statement.changes().iter().any(|change| names(change).is_some_and(|found| found == *name))
    });
    let Some(at) = at else { return Ok(Choice::PLAIN) };
    let together: Option<Vec<ObjectName>> = statements[at].changes().iter().map(names).collect();
    let Some(together) = together else {
        return Ok(Choice::copy("it is dropped by a statement that does other things too"));
    };
    let before = losses(statements[..at].iter().copied(), session.dialect());
    let mut large = policy == Policy::Tombstone;
    for one in &together {
        let found = obstacles(session, one, &together).await?;
        large |= found.bytes >= LARGE;
        let changed = before.tables.get(one).is_some_and(|loss| loss.altered);
        let made = statements[..at].iter().flat_map(|s| s.changes()).any(|change| {
            matches!(change, Change::CreateTable { def, .. } if def.name == *one)
                || matches!(change, Change::RenameTable { to, .. } if to == one)
        });
        let why = match found.why {
            _ if changed || made => Some("the migration changes it before it drops it".to_owned()),
            Some(why) => Some(why.to_owned()),
            None => None,
        };
        if let Some(why) = why {
            let small = policy == Policy::Auto && !large;
            return Ok(match one == name {
                _ if small => Choice::PLAIN,
                true => Choice::copy(&why),
                false => Choice::copy(&format!("it is dropped together with {one}, and {why}")),
            });
        }
    }
    Ok(if large { Choice::Tombstone } else { Choice::PLAIN })
}

/// What stands against setting a table aside that goes `together` with others.
async fn obstacles(
    session: &mut dyn Session,
    name: &ObjectName,
    together: &[ObjectName],
) -> Result<Obstacles, SnapshotError> {
    let d = session.dialect();
    let nothing = |why| Obstacles { bytes: 0, why: Some(why) };
    let Some(shape) = session.table_shape(name).await? else {
        return Ok(nothing("there is no such table"));
    };
    if shape.name.schema.is_some() {
        return Ok(nothing("it is in another database"));
    }
    let literal = d.literal(shape.name.name.as_str());
    let size = session
        .row(&format!(
            "SELECT coalesce(DATA_LENGTH, 0), TABLE_TYPE = 'SYSTEM VERSIONED' FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {literal}"
        ))
        .await?;
    // A copy would hold none of the history that the server keeps of a table.
    let versioned = size.as_ref().is_some_and(|row| row.flag(1));
    let bytes = size.and_then(|row| row.text(0).parse().ok()).unwrap_or(0);
    let bytes = if versioned { LARGE.max(bytes) } else { bytes };
    let why = if shape.referenced_by.iter().any(|other| !together.contains(other)) {
        // The server refuses to drop it; renamed, it would keep the references.
        Some("other tables refer to it")
    } else if d == Dialect::Mysql && has_named_checks(session, &literal).await? {
        // They would stand in the way of their like in the table that takes its place.
        Some("its checks have names, which on MySQL are shared by the whole database")
    } else {
        None
    };
    Ok(Obstacles { bytes, why })
}

async fn has_named_checks(session: &mut dyn Session, table: &str) -> Result<bool, EngineError> {
    let named = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {table} \
             AND CONSTRAINT_TYPE = 'CHECK' AND CONSTRAINT_NAME NOT LIKE CONCAT(REPLACE(TABLE_NAME, '_', '\\\\_'), '\\\\_chk\\\\_%')"
        ))
        .await?;
    Ok(named > 0)
}

/// Describes the tombstone that a table, or columns of it, will become.
pub async fn announce(
    session: &mut dyn Session,
    table: &Endangered,
    names: &Names,
    id: i64,
) -> Result<Kept, SnapshotError> {
    if !table.loss.dropped {
        return mysql_column::announce(session, table, names, id).await;
    }
    let d = session.dialect();
    let live = sql::table(d, &table.shape.name);
    let row = session
        .row(&format!(
            "SELECT coalesce(DATA_LENGTH, 0), coalesce(DATA_LENGTH + INDEX_LENGTH, 0), coalesce(TABLE_ROWS, 0) \
             FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {}",
            d.literal(table.shape.name.name.as_str())
        ))
        .await?
        .unwrap_or(downhaul_engine::Row(Vec::new()));
    let number = |column: usize| row.text(column).parse::<u64>().unwrap_or(0);
    let mut kept = stepwise::describe(table, names, GroupKind::Definition, id);
    kept.rows = if number(0) < LARGE {
        let rows = session.number(&format!("SELECT count(*) FROM {live}")).await?;
        u64::try_from(rows).unwrap_or(0)
    } else {
        number(2)
    };
    kept.rows_gone = kept.rows;
    kept.mode = KeptMode::Tombstone;
    kept.after = None;
    for column in &mut kept.columns {
        column.after = None;
        column.after_ty = String::new();
    }
    let foreign_keys = match table.shape.foreign_keys.as_slice() {
        [] => Vec::new(),
        _ => foreign_keys(session, &table.shape.name).await?,
    };
    kept.tombstone = Some(Tombstone { bytes: number(1), foreign_keys, ..Tombstone::default() });
    Ok(kept)
}

/// What is said behind `ADD` to make each foreign key of a table. The server gives those without a
/// name of their own a number, and the index that it makes for one is called by its name, or else by
/// its column: so a name that is such a number is left out where the same number will be given.
async fn foreign_keys(
    session: &mut dyn Session,
    table: &ObjectName,
) -> Result<Vec<String>, SnapshotError> {
    let d = session.dialect();
    let dump = session.dump().await?;
    let alter = format!("ALTER TABLE {} ADD ", d.quote_name(table));
    let mut keys: Vec<(Option<u32>, String)> = dump
        .objects
        .iter()
        .filter(|object| object.id.kind == DumpKind::ForeignKey)
        .filter_map(|object| object.create.strip_prefix(&alter))
        .map(|clause| (numbered(clause, table), clause.to_owned()))
        .collect();
    keys.sort();
    let numbers: Vec<u32> = keys.iter().filter_map(|(number, _)| *number).collect();
    let in_order = (1..).zip(&numbers).all(|(at, number)| at == *number);
    // Those with a name first, so that no number is taken by them.
    Ok(keys
        .into_iter()
        .map(|(number, clause)| match (number, clause.find(" FOREIGN KEY ")) {
            (Some(_), Some(at)) if in_order => clause[at + 1..].to_owned(),
            _ => clause,
        })
        .collect())
}

/// The number in ``CONSTRAINT `orders_ibfk_2` FOREIGN KEY …`` of `orders`.
fn numbered(clause: &str, table: &ObjectName) -> Option<u32> {
    let name = clause.strip_prefix("CONSTRAINT `")?.split('`').next()?;
    name.strip_prefix(table.name.as_str())?.strip_prefix(UNNAMED)?.parse().ok()
}

/// Whether a table of this name is there, in the current database.
async fn is_there(session: &mut dyn Session, name: &str) -> Result<bool, EngineError> {
    let d = session.dialect();
    let found = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {}",
            d.literal(name)
        ))
        .await?;
    Ok(found > 0)
}

fn tomb(dialect: Dialect, kept: &Kept) -> String {
    sql::own(dialect, &kept.store())
}

/// Whether the table, or the columns, have been set aside.
pub async fn is_aside(session: &mut dyn Session, kept: &Kept) -> Result<bool, EngineError> {
    if kept.mode == KeptMode::Hidden {
        return mysql_column::is_aside(session, kept).await;
    }
    let tomb = tomb(session.dialect(), kept);
    is_there(session, &tomb).await
}

/// The statement that sets a table aside, as one step; `None` where an earlier try did.
pub async fn hide(session: &mut dyn Session, kept: &Kept) -> Result<Option<String>, SnapshotError> {
    if kept.mode == KeptMode::Hidden {
        return mysql_column::hide(session, kept).await;
    }
    if is_aside(session, kept).await? {
        return Ok(None);
    }
    let d = session.dialect();
    let Some(shape) = session.table_shape(&kept.table).await? else {
        return Err(SnapshotError::NotSound {
            table: kept.table.to_string(),
            reason: "somebody has dropped it".into(),
        });
    };
    let (live, tomb) = (sql::table(d, &kept.table), tomb(d, kept));
    if shape.foreign_keys.is_empty() {
        return Ok(Some(format!("RENAME TABLE {live} TO {tomb}")));
    }
    // Out of sight they would still act, and keep rows from being deleted.
    let keys: Vec<String> = shape
        .foreign_keys
        .iter()
        .filter_map(|key| Some(format!("DROP FOREIGN KEY {}", d.quote(key.name.as_ref()?))))
        .collect();
    Ok(Some(format!("ALTER TABLE {live} {}, RENAME TO {tomb}", keys.join(", "))))
}

/// The statements that take the triggers off a table that was set aside: their names are the
/// database's.
pub async fn strip(session: &mut dyn Session, kept: &Kept) -> Result<Vec<String>, SnapshotError> {
    if kept.mode == KeptMode::Hidden {
        return Ok(Vec::new());
    }
    let d = session.dialect();
    let name = ObjectName::bare(Ident::stored(d, &tomb(d, kept)));
    let triggers = session.table_shape(&name).await?.map(|shape| shape.triggers);
    let triggers = triggers.unwrap_or_default();
    Ok(triggers
        .iter()
        .map(|trigger| format!("DROP TRIGGER IF EXISTS {}", d.quote(trigger)))
        .collect())
}

/// Puts a tombstone where it was, under its old name. Foreign keys must not be checked.
pub async fn unhide(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    if kept.mode == KeptMode::Hidden {
        return mysql_column::unhide(session, kept).await;
    }
    let d = session.dialect();
    let (live, tomb) = (sql::table(d, &kept.table), tomb(d, kept));
    session.execute(&format!("ALTER TABLE {tomb} RENAME TO {live}")).await?;
    give_foreign_keys(session, kept).await
}

/// Gives a table that has come back its foreign keys, unless it has them.
async fn give_foreign_keys(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let clauses = kept.tombstone.as_ref().map(|t| t.foreign_keys.as_slice()).unwrap_or_default();
    let Some(now) = session.table_shape(&kept.table).await? else { return Ok(()) };
    if !clauses.is_empty() && now.foreign_keys.is_empty() {
        let live = sql::table(d, &now.name);
        let add: Vec<String> = clauses.iter().map(|clause| format!("ADD {clause}")).collect();
        session.execute(&format!("ALTER TABLE {live} {}", add.join(", "))).await?;
    }
    Ok(())
}

/// What a tombstone looks like: a change of it means that somebody altered or dropped it.
pub(super) async fn signature(
    session: &mut dyn Session,
    kept: &Kept,
) -> Result<String, SnapshotError> {
    let d = session.dialect();
    let tomb = d.literal(&tomb(d, kept));
    let rows = session
        .rows(&format!(
            "SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {tomb} ORDER BY ORDINAL_POSITION"
        ))
        .await?;
    if rows.is_empty() {
        return Ok("columns:none".into());
    }
    let columns: Vec<String> =
        rows.iter().map(|row| format!("{} {}", row.text(0), row.text(1))).collect();
    // MySQL 9 has no md5() any more.
    let row = session.row(&format!("SELECT sha2({}, 256)", d.literal(&columns.join(",")))).await?;
    Ok(format!("columns:{}", row.as_ref().map_or("", |row| row.text(0))))
}

/// How a tombstone can go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// An earlier try brought it back.
    Done,
    /// As it is: the way back has made the table anew, and nobody has written to it.
    Whole,
    /// Row by row.
    AsCopy,
}

/// Finds out how a tombstone can go back. The tables that come back with it must be there already, or
/// as tombstones of `all`.
pub async fn how_back(
    session: &mut dyn Session,
    all: &[Kept],
    kept: &Kept,
    held: &Held,
) -> Result<Return, SnapshotError> {
    if !is_aside(session, kept).await? {
        return Ok(Return::Done);
    }
    if kept.mode == KeptMode::Hidden {
        return Ok(Return::Whole);
    }
    let d = session.dialect();
    if let Some(now) = session.table_shape(&kept.table).await? {
        let anew = !held.stood && same_columns(session, kept, &now).await?;
        if !anew || has_rows(session, &sql::table(d, &now.name)).await? {
            return Ok(Return::AsCopy);
        }
    }
    let orphans = has_orphans(session, all, kept).await?;
    Ok(if orphans { Return::AsCopy } else { Return::Whole })
}

async fn has_rows(session: &mut dyn Session, table: &str) -> Result<bool, EngineError> {
    Ok(session.number(&format!("SELECT EXISTS (SELECT 1 FROM {table})")).await? != 0)
}

/// The table, the tombstone, and what is known of it have the same columns.
async fn same_columns(
    session: &mut dyn Session,
    kept: &Kept,
    now: &downhaul_engine::TableShape,
) -> Result<bool, SnapshotError> {
    let d = session.dialect();
    let columns = |shape: &downhaul_engine::TableShape| -> std::collections::BTreeSet<_> {
        shape.columns.iter().map(|c| (c.name.clone(), c.ty.clone(), c.generated)).collect()
    };
    let name = ObjectName::bare(Ident::stored(d, &tomb(d, kept)));
    let Some(tomb) = session.table_shape(&name).await? else { return Ok(false) };
    Ok(columns(now) == columns(&kept.shape) && columns(&tomb) == columns(&kept.shape))
}

/// A row points to one that was deleted since.
async fn has_orphans(
    session: &mut dyn Session,
    all: &[Kept],
    kept: &Kept,
) -> Result<bool, SnapshotError> {
    let d = session.dialect();
    let own = tomb(d, kept);
    for key in &kept.shape.foreign_keys {
        let given: Vec<String> =
            key.columns.iter().map(|c| format!("k.{} IS NOT NULL", d.quote(c))).collect();
        let same: Vec<String> = key
            .columns
            .iter()
            .zip(&key.references)
            .map(|(own, to)| format!("q.{} = k.{}", d.quote(to), d.quote(own)))
            .collect();
        let same = same.join(" AND ");
        let mut parents = Vec::new();
        if key.table != kept.table
            && let Some(parent) = session.table_shape(&key.table).await?
        {
            parents.push((sql::table(d, &parent.name), ""));
        }
        for other in all.iter().filter(|other| other.table == key.table) {
            if key.references.iter().any(|to| other.column(to).is_none()) {
                continue;
            }
            let tombstone = other.mode == KeptMode::Tombstone;
            if tombstone && !is_aside(session, other).await? {
                continue;
            }
            let only = if tombstone { "" } else { " AND q.downhaul_op = 'D'" };
            parents.push((sql::own(d, &other.store()), only));
        }
        let absent: Vec<String> = parents
            .iter()
            .map(|(parent, only)| {
                format!("NOT EXISTS (SELECT 1 FROM {parent} q WHERE {same}{only})")
            })
            .collect();
        let found = session
            .number(&format!(
                "SELECT EXISTS (SELECT 1 FROM {own} k WHERE {} AND {})",
                given.join(" AND "),
                if absent.is_empty() { "1 = 1".to_owned() } else { absent.join(" AND ") }
            ))
            .await?;
        if found != 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Puts a tombstone in the place of the empty table that the way back has made. False, and nothing has
/// happened, where somebody has written to that one by now. References must not be checked
/// ([`stepwise::own_modes`]), triggers of the new table be out of the way.
pub async fn exchange(session: &mut dyn Session, kept: &Kept) -> Result<bool, SnapshotError> {
    if kept.mode == KeptMode::Hidden {
        return mysql_column::exchange(session, kept).await;
    }
    let d = session.dialect();
    let (live, tomb) = (sql::table(d, &kept.table), tomb(d, kept));
    if session.table_shape(&kept.table).await?.is_some() {
        session.execute(&format!("LOCK TABLES {live} WRITE, {tomb} WRITE")).await?;
        if has_rows(session, &live).await? {
            session.execute("UNLOCK TABLES").await?;
            return Ok(false);
        }
        let dropped = session.execute(&format!("DROP TABLE {live}")).await;
        session.execute("UNLOCK TABLES").await?;
        dropped?;
    }
    unhide(session, kept).await?;
    Ok(true)
}

/// What an earlier try may have left undone for a table that it brought back, and what to tell of it.
pub async fn returned(session: &mut dyn Session, kept: &Kept) -> Result<Restored, SnapshotError> {
    if kept.mode == KeptMode::Hidden {
        return Ok(mysql_column::returned(kept));
    }
    give_foreign_keys(session, kept).await?;
    Ok(Restored { table: kept.table.to_string(), rows: kept.rows, ..Restored::default() })
}

/// Makes the empty store into which [`fill_copy`] copies a tombstone; describes the copy.
pub async fn begin_copy(session: &mut dyn Session, kept: &Kept) -> Result<Kept, SnapshotError> {
    let mode = if kept.mode == KeptMode::Hidden { KeptMode::Columns } else { KeptMode::Copy };
    let copy = Kept { mode, tombstone: None, ..kept.clone() };
    stepwise::create_store(session, &copy, GroupKind::Definition).await?;
    Ok(copy)
}

/// Copies a tombstone into the store of `copy`. Within a transaction.
pub async fn fill_copy(
    session: &mut dyn Session,
    kept: &Kept,
    copy: &mut Kept,
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let (store, tomb) = (sql::own(d, &copy.store()), tomb(d, kept));
    if kept.mode == KeptMode::Hidden {
        mysql_column::fill_copy(session, kept, copy).await?;
        let rows = session.number(&format!("SELECT count(*) FROM {store}")).await?;
        copy.rows = u64::try_from(rows).unwrap_or(0);
        copy.digest = crate::settle::digest(session, copy).await?;
        return Ok(());
    }
    let names: Vec<String> = copy.columns.iter().map(|c| d.quote(&c.name)).collect();
    let comma = if names.is_empty() { "" } else { ", " };
    let names = names.join(", ");
    session
        .execute(&format!(
            "INSERT INTO {store} (downhaul_op{comma}{names}) SELECT 'D'{comma}{names} FROM {tomb}"
        ))
        .await?;
    let rows = session.number(&format!("SELECT count(*) FROM {store}")).await?;
    copy.rows = u64::try_from(rows).unwrap_or(0);
    copy.rows_gone = copy.rows;
    copy.digest = crate::settle::digest(session, copy).await?;
    Ok(())
}

/// Drops a tombstone of which there is a copy.
pub async fn drop_copied(session: &mut dyn Session, kept: &Kept) -> Result<(), EngineError> {
    if kept.mode == KeptMode::Hidden {
        return mysql_column::drop_copied(session, kept).await;
    }
    let tomb = tomb(session.dialect(), kept);
    session.execute(&format!("DROP TABLE IF EXISTS {tomb}")).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_unnamed_keys_are_read() {
        let table = ObjectName::bare(Ident::stored(Dialect::MariaDb, "t"));
        for (clause, expected) in [
            ("CONSTRAINT `t_ibfk_2` FOREIGN KEY (`s`) REFERENCES `t` (`id`)", Some(2)),
            ("CONSTRAINT `fk_p` FOREIGN KEY (`s`) REFERENCES `t` (`id`)", None),
            ("CONSTRAINT `tt_ibfk_2` FOREIGN KEY (`s`) REFERENCES `t` (`id`)", None),
        ] {
            assert_eq!(numbered(clause, &table), expected, "{clause}");
        }
    }
}
