//! Switching tracking on and off.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_engine::{EngineError, Session, TableShape};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use super::nested::{self, Nesting};
use super::sqlite::{self, Unique};
use super::{cascade, history, mysql, write};
use crate::stepwise;
use crate::store::SnapshotError;
use crate::track::around::{Around, form};
use crate::track::intend::Intent;
use crate::track::{Tracked, TrackedColumn, Version};

pub(super) fn refused(name: &ObjectName, reason: &str) -> SnapshotError {
    SnapshotError::CannotTrack(format!("{name} cannot be tracked: {reason}"))
}

/// A table as it is; a history needs a key that tells rows apart for good.
pub(super) async fn lasting_shape(
    session: &mut dyn Session,
    name: &ObjectName,
) -> Result<Option<TableShape>, EngineError> {
    Ok(session.table_shape(name).await?.map(TableShape::with_lasting_key))
}

/// The number of the tracking of a table: the one whose triggers stand on it; else the one that has its
/// name, and whose triggers are nowhere.
pub(crate) async fn tracking_of(
    session: &mut dyn Session,
    around: &Around,
    name: &ObjectName,
) -> Result<Option<i64>, SnapshotError> {
    if !super::exists(session).await? {
        return Ok(None);
    }
    let d = session.dialect();
    let table = name.name.as_str();
    let stand: Vec<String> =
        around
            .stands_on
            .iter()
            .filter(|(_, on)| {
                if d == Dialect::Sqlite { on.eq_ignore_ascii_case(table) } else { *on == table }
            })
            .map(|(id, _)| id.to_string())
            .collect();
    let rows = session
        .rows(&format!(
            "SELECT id FROM downhaul_tracked WHERE table_name = {}{}",
            d.literal(&d.quote_name(name)),
            if stand.is_empty() {
                String::new()
            } else {
                format!(" OR id IN ({})", stand.join(", "))
            }
        ))
        .await?;
    let mut found = None;
    for row in &rows {
        let id = row.number(0)?;
        if stand.contains(&id.to_string()) || !around.stands_on.contains_key(&id) {
            found = Some(id);
        }
    }
    Ok(found)
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

/// Whether rows of a table of SQLite have a number beside their key: all do but those of WITHOUT ROWID,
/// and those whose number is their key, of which there is no index.
pub(super) async fn numbered(
    session: &mut dyn Session,
    shape: &TableShape,
) -> Result<bool, SnapshotError> {
    let table = session.dialect().literal(shape.name.name.as_str());
    let found = session
        .number(&format!(
            "SELECT count(*) FROM pragma_table_list({table}) AS t WHERE t.schema = 'main' AND NOT t.wr \
             AND (EXISTS (SELECT 1 FROM pragma_index_list({table}) WHERE origin = 'pk') \
               OR NOT EXISTS (SELECT 1 FROM pragma_table_info({table}) WHERE pk > 0))"
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
    for key in around.acting.iter().filter(|key| key.parent.eq_ignore_ascii_case(name)) {
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
fn file_name(name: &str) -> Option<String> {
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
pub(super) fn name_of(around: &Around, id: i64, d: Dialect) -> Option<ObjectName> {
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
        return Ok(());
    }
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
    for (_, statement) in &triggers {
        session.execute(statement).await?;
    }
    tracked.triggers = triggers.into_iter().map(|(name, _)| name).collect();
    Ok(())
}

/// A table of which nothing is known yet but its form.
pub(super) fn fresh(shape: &TableShape, id: i64, d: Dialect) -> Tracked {
    Tracked::new(id, shape.name.clone(), d, vec![version_of(shape, (None, id), &[])])
}

/// Begins to track a table. Within a transaction.
pub(crate) async fn track(
    session: &mut dyn Session,
    around: &Around,
    intent: &Intent,
) -> Result<Tracked, SnapshotError> {
    super::ensure(session).await?;
    let d = session.dialect();
    let name = &intent.shape.name;
    let shape = lasting_shape(session, name)
        .await?
        .ok_or_else(|| refused(name, "there is no such table"))?;
    if tracking_of(session, around, &shape.name).await?.is_some() {
        return Err(refused(name, "it is tracked already"));
    }
    let mut id = session
        .number(match d {
            Dialect::Sqlite => "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'downhaul_tracked'), 0) + 1",
            _ => "SELECT coalesce(max(id), 0) + 1 FROM downhaul_tracked",
        })
        .await?;
    // Also past what was left of one that was cut off.
    while d != Dialect::Sqlite && is_there(session, &history(d, id, 1)).await? {
        id += 1;
    }
    let mut tracked = fresh(&shape, id, d);
    for statement in super::create_history(&tracked, 0) {
        session.execute(&statement).await?;
    }
    install(session, around, &mut tracked, &shape).await?;
    tracked.seen = form(session, around, &tracked).await?;
    write(session, &tracked, true).await?;
    Ok(tracked)
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

/// Ends the tracking of a table and drops its history.
pub(crate) async fn untrack(
    session: &mut dyn Session,
    tracked: &Tracked,
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    remove_triggers(session, tracked.id).await?;
    for version in &tracked.versions {
        let table = history(d, tracked.id, version.number);
        session.execute(&format!("DROP TABLE IF EXISTS {table}")).await?;
    }
    if d == Dialect::Sqlite {
        session.execute(&format!("DROP TABLE IF EXISTS {}", nested::name(tracked.id))).await?;
    }
    session.execute(&format!("DELETE FROM downhaul_tracked WHERE id = {}", tracked.id)).await?;
    Ok(())
}
