//! Switching tracking on and off.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_engine::{EngineError, Session, TableShape};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use super::nested::{self, Nesting};
use super::sqlite::{self, Unique};
use super::{cascade, history, mysql, triggers, write};
use crate::stepwise;
use crate::store::SnapshotError;
use crate::track::around::{self, Around};
use crate::track::intend::Intent;
use crate::track::{Tracked, TrackedColumn, Version};

pub(super) fn refused(name: &ObjectName, reason: &str) -> SnapshotError {
    SnapshotError::CannotTrack(format!("{name} cannot be tracked: {reason}"))
}

/// The form of a table as it is; a history needs a key that tells rows apart for good.
pub(crate) async fn lasting_shape(
    session: &mut dyn Session,
    name: &ObjectName,
) -> Result<Option<TableShape>, EngineError> {
    let found = session.table_forms(std::slice::from_ref(name)).await?.into_iter().next().flatten();
    Ok(found.map(TableShape::with_lasting_key))
}

/// The number of the tracking of a table: the one whose triggers stand on it; else the one that has its
/// name, and whose triggers are nowhere.
pub(crate) fn tracking_of(d: Dialect, around: &Around, name: &ObjectName) -> Option<i64> {
    let stand = around.standing_on(d, name.name.as_str());
    let named = around.named.get(&d.quote_name(name)).into_iter().flatten();
    let lost = named.filter(|id| !around.stands_on.contains_key(id));
    stand.iter().chain(lost).max().copied()
}

/// Rules by which two rows may not be the same; and names of those over expressions.
pub(super) async fn uniques(
    session: &mut dyn Session,
    shape: &TableShape,
) -> Result<(Vec<Unique>, Vec<String>), SnapshotError> {
    let d = session.dialect();
    let table = d.literal(shape.name.name.as_str());
    let rows = session
        .rows(&format!(
            "SELECT l.name, x.name, x.coll FROM pragma_index_list({table}) l, pragma_index_xinfo(l.name) x \
             WHERE l.\"unique\" = 1 AND x.key = 1 ORDER BY l.name, x.seqno"
        ))
        .await?;
    let (mut found, mut expressions): (Vec<(String, Unique)>, Vec<String>) =
        (Vec::new(), Vec::new());
    for row in &rows {
        let index = row.text(0);
        if found.last().is_none_or(|(name, _)| name != index) {
            found.push((index.to_owned(), Vec::new()));
        }
        match row.opt(1) {
            None => expressions.push(index.to_owned()),
            Some(column) => {
                if let Some((_, unique)) = found.last_mut() {
                    unique.push((Ident::stored(d, column), row.text(2).to_owned()));
                }
            }
        }
    }
    expressions.dedup();
    found.retain(|(name, _)| !expressions.contains(name));
    let mut uniques: Vec<Unique> = found.into_iter().map(|(_, unique)| unique).collect();
    // An INTEGER PRIMARY KEY has no index of its own.
    let same = |unique: &Unique| unique.iter().map(|(c, _)| c).eq(shape.key.iter());
    if !shape.key.is_empty() && !uniques.iter().any(same) {
        uniques.push(shape.key.iter().map(|k| (k.clone(), "BINARY".to_owned())).collect());
    }
    uniques.sort();
    uniques.dedup();
    Ok((uniques, expressions))
}

/// Whether rows of a table of SQLite have a number beside their key: all do but those of WITHOUT ROWID, in the
/// index of whose key there is none, and those whose number is their key, of which there is no index. (Of what
/// `pragma_table_list` knows it looks at every table.)
pub(super) async fn numbered(
    session: &mut dyn Session,
    shape: &TableShape,
) -> Result<bool, SnapshotError> {
    let table = session.dialect().literal(shape.name.name.as_str());
    let found = session
        .number(&format!(
            "SELECT NOT EXISTS (SELECT 1 FROM pragma_table_info({table}) WHERE pk > 0) \
             OR EXISTS (SELECT 1 FROM pragma_index_list({table}) AS i, pragma_index_xinfo(i.name) AS x WHERE i.origin = 'pk' AND x.cid = -1)"
        ))
        .await?;
    Ok(found > 0)
}

/// What may write to a table of SQLite while one of its statements is at work.
pub(super) fn nesting(around: &Around, tracked: &Tracked, shape: &TableShape) -> Nesting {
    if tracked.has_key() {
        // Its rows are not counted.
        return Nesting::Nothing;
    }
    let name = shape.name.name.as_str();
    let mut found = Nesting::Nothing;
    if shape.triggers.iter().any(|t| !t.as_str().starts_with("downhaul_track_")) {
        found = Nesting::Others;
    }
    for key in around.acting.get(&name.to_ascii_lowercase()).into_iter().flatten() {
        if key.child.eq_ignore_ascii_case(name) {
            return Nesting::Itself;
        }
        found = Nesting::Others;
    }
    found
}

/// The number that InnoDB gave to the table when it was built: TRUNCATE gives it another one. `None`
/// without the right to see it.
pub(super) async fn built(
    session: &mut dyn Session,
    around: &Around,
    name: &ObjectName,
) -> Result<Option<i64>, SnapshotError> {
    if session.dialect() == Dialect::Sqlite {
        return Ok(None);
    }
    if let Some(known) = file_name(name.name.as_str()).and_then(|file| around.built.get(&file)) {
        return Ok(Some(*known));
    }
    let d = session.dialect();
    let file = if d == Dialect::Mysql {
        let database = session.row("SELECT DATABASE()").await?;
        let database = database.map(|row| row.text(0).to_owned()).unwrap_or_default();
        let (Some(database), Some(table)) = (file_name(&database), file_name(name.name.as_str()))
        else {
            return Ok(None);
        };
        format!(
            "information_schema.INNODB_TABLES WHERE CAST(NAME AS BINARY) = CAST({} AS BINARY)",
            d.literal(&format!("{database}/{table}"))
        )
    } else {
        // Names of files: what is no letter or digit is written in another way there.
        format!(
            "information_schema.INNODB_SYS_TABLES WHERE CAST(NAME AS BINARY) = CONCAT(CAST(CONVERT(DATABASE() USING filename) AS BINARY), '/', CAST(CONVERT({} USING filename) AS BINARY))",
            d.literal(name.name.as_str())
        )
    };
    let row = session.row(&format!("SELECT TABLE_ID FROM {file}")).await;
    Ok(match row {
        Ok(Some(row)) => Some(row.number(0)?),
        _ => None,
    })
}

/// The same of the partitions of a table, each of which InnoDB has as a table of its own; none without the right to
/// see them.
pub(super) fn parts(around: &Around, name: &ObjectName) -> Vec<i64> {
    let Some(file) = file_name(name.name.as_str()) else { return Vec::new() };
    // `log#P#p26`, `log#P#p26#SP#p26sp0`; MySQL writes them small. In names of tables a `#` is written otherwise.
    let start = format!("{file}#");
    let named =
        around.built.range(start.clone()..).take_while(|(name, _)| name.starts_with(&start));
    named.map(|(_, number)| *number).collect()
}

/// The same of all tables of this database, by the names of their files; none without the right to see
/// them.
pub(crate) async fn all_built(
    session: &mut dyn Session,
) -> Result<BTreeMap<String, i64>, SnapshotError> {
    let view = match session.dialect() {
        Dialect::Sqlite | Dialect::Postgres => return Ok(BTreeMap::new()),
        Dialect::Mysql => "INNODB_TABLES",
        Dialect::MariaDb => "INNODB_SYS_TABLES",
    };
    let database = session.row("SELECT DATABASE()").await?;
    let Some(database) = database.and_then(|row| file_name(row.text(0))) else {
        return Ok(BTreeMap::new());
    };
    let start = format!("{database}/");
    let rows = session
        .rows(&format!(
            "SELECT SUBSTR(NAME, {}), TABLE_ID FROM information_schema.{view} WHERE LEFT(NAME, {}) = {}",
            start.len() + 1,
            start.len(),
            session.dialect().literal(&start)
        ))
        .await;
    let mut found = BTreeMap::new();
    for row in &rows.unwrap_or_default() {
        found.insert(row.text(0).to_owned(), row.number(1)?);
    }
    Ok(found)
}

/// A name as MySQL writes it in names of files; none where it has other characters than those of ASCII,
/// for which the server has a table of its own.
pub(super) fn file_name(name: &str) -> Option<String> {
    let mut file = String::new();
    for c in name.chars() {
        match c {
            '_' => file.push(c),
            c if c.is_ascii_alphanumeric() => file.push(c),
            c if c.is_ascii() => file.push_str(&format!("@{:04x}", u32::from(c))),
            _ => return None,
        }
    }
    Some(file)
}

/// The form that a table has now. Columns keep their numbers by name; `renamed` says which names
/// were others before.
pub(super) fn version_of(
    shape: &TableShape,
    (tracked, relation): (Option<&Tracked>, i64),
    renamed: &[(Ident, Ident)],
) -> Version {
    let current = tracked.map(Tracked::current);
    let mut next = tracked.map_or(0, |t| {
        t.versions.iter().flat_map(|v| &v.columns).map(|c| c.number).max().unwrap_or(0)
    });
    let mut columns = Vec::new();
    for column in shape.writable() {
        let before = renamed
            .iter()
            .rev()
            .find(|(_, to)| *to == column.name)
            .map_or(&column.name, |(from, _)| from);
        let known = current.and_then(|v| v.column(before)).filter(|c| {
            // Its name may have passed to another one.
            *before != column.name || !renamed.iter().any(|(from, _)| *from == c.name)
        });
        let number = known.map_or_else(
            || {
                next += 1;
                next
            },
            |c| c.number,
        );
        columns.push(TrackedColumn {
            name: column.name.clone(),
            ty: column.ty.clone(),
            user_type: false,
            number,
        });
    }
    // A generated column in the key is not kept, so it cannot tell rows of the history apart.
    let key = if shape.key.iter().all(|k| columns.iter().any(|c| c.name == *k)) {
        shape.key.clone()
    } else {
        Vec::new()
    };
    let number = current.map_or(1, |v| v.number + 1);
    Version { number, relation, columns, key, nested: false, again: false, composite: false }
}

/// Where our triggers stand, whatever the table's name is by now.
pub(crate) fn name_of(around: &Around, id: i64, d: Dialect) -> Option<ObjectName> {
    around.stands_on.get(&id).map(|name| ObjectName::bare(Ident::stored(d, name)))
}

pub(super) async fn remove_triggers(
    session: &mut dyn Session,
    id: i64,
) -> Result<(), SnapshotError> {
    for name in standing(session, id).await? {
        session.execute(&format!("DROP TRIGGER {name}")).await?;
    }
    Ok(())
}

/// The triggers of a tracking that are there.
pub(super) async fn standing(
    session: &mut dyn Session,
    id: i64,
) -> Result<Vec<String>, SnapshotError> {
    let found = session
        .rows(&match session.dialect() {
            Dialect::Sqlite => format!(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'downhaul_track_{id}_*'"
            ),
            _ => format!(
                "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME LIKE 'downhaul\\\\_track\\\\_{id}\\\\_%'"
            ),
        })
        .await?;
    Ok(found.iter().map(|row| row.text(0).to_owned()).collect())
}

/// Makes the triggers of the current version, in place of those that are there. They are then the
/// newest of their table, and the newest ones fire first.
pub(super) async fn reinstall(
    session: &mut dyn Session,
    around: &Around,
    tracked: &mut Tracked,
    shape: &TableShape,
) -> Result<(), SnapshotError> {
    remove_triggers(session, tracked.id).await?;
    install(session, around, tracked, shape).await
}

/// MariaDB and MySQL: the tables on which triggers of a tracking stand.
pub(super) async fn standing_on(
    session: &mut dyn Session,
    id: i64,
) -> Result<BTreeSet<String>, SnapshotError> {
    let rows = session
        .rows(&format!(
            "SELECT DISTINCT EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME LIKE 'downhaul\\_track\\_{id}\\_%'"
        ))
        .await?;
    Ok(rows.iter().map(|row| row.text(0).to_owned()).collect())
}

/// The same where there are none.
pub(super) async fn install(
    session: &mut dyn Session,
    around: &Around,
    tracked: &mut Tracked,
    shape: &TableShape,
) -> Result<(), SnapshotError> {
    if session.dialect() != Dialect::Sqlite {
        // A trigger runs in the modes in which it was made.
        // Where a key came that cannot be followed, the triggers do not suffice, and that is told.
        let recordings = cascade::recordings(tracked, &around.keys).unwrap_or_default();
        let modes = stepwise::own_modes(session).await?;
        let triggers = mysql::triggers(tracked);
        for trigger in &triggers {
            session.execute(&mysql::create_trigger(tracked, trigger)).await?;
        }
        for recording in &recordings {
            let table = session.dialect().quote_str(&recording.table);
            session
                .execute(&format!(
                    "CREATE TRIGGER {} {} ON {table} FOR EACH ROW {}",
                    recording.name, recording.when, recording.body
                ))
                .await?;
        }
        session.execute(&modes).await?;
        tracked.triggers = triggers.into_iter().map(|(name, ..)| name).collect();
        tracked.triggers.extend(recordings.into_iter().map(|recording| recording.name));
        // Triggers do not build a table anew.
        tracked.built = built(session, around, &shape.name).await?;
        tracked.leaves = parts(around, &shape.name);
        return Ok(());
    }
    for (_, statement) in prepare_sqlite(session, around, tracked, shape).await? {
        session.execute(&statement).await?;
    }
    Ok(())
}

/// The triggers that a table of SQLite is to have, as [`sqlite::triggers`]; what they write to is made.
async fn prepare_sqlite(
    session: &mut dyn Session,
    around: &Around,
    tracked: &mut Tracked,
    shape: &TableShape,
) -> Result<Vec<(String, String)>, SnapshotError> {
    let (uniques, _) = uniques(session, shape).await?;
    let nesting = nesting(around, tracked, shape);
    let numbered = numbered(session, shape).await?;
    let notes = nested::name(tracked.id);
    session.execute(&format!("DROP TABLE IF EXISTS {notes}")).await?;
    if nesting != Nesting::Nothing {
        for statement in nested::create(tracked, &uniques) {
            session.execute(&statement).await?;
        }
    }
    let triggers = sqlite::triggers(tracked, &uniques, nesting, numbered);
    tracked.triggers = triggers.iter().map(|(name, _)| name.clone()).collect();
    Ok(triggers)
}

/// A table of which nothing is known yet but its form.
pub(super) fn fresh(shape: &TableShape, id: i64, d: Dialect) -> Tracked {
    Tracked::new(id, shape.name.clone(), d, vec![version_of(shape, (None, id), &[])])
}

/// Begins to track tables. Within a transaction; on SQLite `around` is of that.
pub(crate) async fn track(
    session: &mut dyn Session,
    around: &Around,
    intents: &[Intent],
) -> Result<Vec<Tracked>, SnapshotError> {
    super::ensure(session).await?;
    let d = session.dialect();
    let mut id = session
        .number(match d {
            Dialect::Sqlite => "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'downhaul_tracked'), 0) + 1",
            _ => "SELECT coalesce(max(id), 0) + 1 FROM downhaul_tracked",
        })
        .await?;
    let mut done: Vec<Tracked> = Vec::with_capacity(intents.len());
    let mut made = Vec::new();
    for intent in intents {
        let name = &intent.shape.name;
        let shape = around.lasting_shape(session, name).await?;
        let shape = shape.ok_or_else(|| refused(name, "there is no such table"))?;
        let again = done.iter().any(|tracked| tracked.name == shape.name);
        if again || tracking_of(d, around, &shape.name).is_some() {
            return Err(refused(name, "it is tracked already"));
        }
        // Also past what was left of one that was cut off.
        while d != Dialect::Sqlite && is_there(session, &history(d, id, 1)).await? {
            id += 1;
        }
        let mut tracked = fresh(&shape, id, d);
        for statement in super::create_history(&tracked, 0) {
            session.execute(&statement).await?;
        }
        if d == Dialect::Sqlite {
            let triggers = prepare_sqlite(session, around, &mut tracked, &shape).await?;
            tracked.seen = around.form_with(&tracked, &triggers);
            let on = shape.name.name.as_str();
            made.extend(triggers.into_iter().map(|(name, sql)| triggers::New {
                name,
                on: on.to_owned(),
                sql,
            }));
        } else {
            install(session, around, &mut tracked, &shape).await?;
        }
        write(session, &tracked, true).await?;
        done.push(tracked);
        id += 1;
    }
    triggers::make(session, &made).await?;
    Ok(done)
}

async fn is_there(session: &mut dyn Session, table: &str) -> Result<bool, SnapshotError> {
    let found = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {}",
            session.dialect().literal(table)
        ))
        .await?;
    Ok(found > 0)
}

/// MariaDB and MySQL: names of the triggers of each tracking, by its number, whatever they stand on. To find them
/// the server opens every table that has any.
pub(crate) async fn all_standing(
    session: &mut dyn Session,
) -> Result<BTreeMap<i64, Vec<String>>, SnapshotError> {
    let mut found: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    if !matches!(session.dialect(), Dialect::MariaDb | Dialect::Mysql) {
        return Ok(found);
    }
    let rows = session
        .rows(
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME LIKE 'downhaul\\_track\\_%'",
        )
        .await?;
    for row in &rows {
        if let Some(id) = around::owner(row.text(0)) {
            found.entry(id).or_default().push(row.text(0).to_owned());
        }
    }
    Ok(found)
}

/// Ends the tracking of tables and drops their history. Within a transaction. `standing`: as [`all_standing`].
pub(crate) async fn untrack(
    session: &mut dyn Session,
    tables: &[Tracked],
    standing: &BTreeMap<i64, Vec<String>>,
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    if d == Dialect::Sqlite {
        let ids: Vec<i64> = tables.iter().map(|tracked| tracked.id).collect();
        triggers::remove(session, &ids).await?;
    }
    for tracked in tables {
        for name in standing.get(&tracked.id).into_iter().flatten() {
            session.execute(&format!("DROP TRIGGER IF EXISTS {name}")).await?;
        }
        for version in &tracked.versions {
            let table = history(d, tracked.id, version.number);
            session.execute(&format!("DROP TABLE IF EXISTS {table}")).await?;
        }
        if d == Dialect::Sqlite {
            session.execute(&format!("DROP TABLE IF EXISTS {}", nested::name(tracked.id))).await?;
        }
        session.execute(&format!("DELETE FROM downhaul_tracked WHERE id = {}", tracked.id)).await?;
    }
    Ok(())
}
