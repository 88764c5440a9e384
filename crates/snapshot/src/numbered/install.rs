//! Switching tracking on and off, and keeping it in step with the table.

use std::collections::BTreeMap;

use downhaul_engine::{EngineError, Session, TableShape};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName};

use super::nested::{self, Nesting};
use super::sqlite::{self, Unique};
use super::{cascade, history, moment, mysql, write};
use crate::stepwise;
use crate::store::SnapshotError;
use crate::track::around::{self, Around, Standing, form};
use crate::track::choose::Facts;
use crate::track::follow::{Drift, Endangering, Origin};
use crate::track::intend::Intent;
use crate::track::{self, Capture, Event, Tracked, TrackedColumn, Version};

fn refused(name: &ObjectName, reason: &str) -> SnapshotError {
    SnapshotError::CannotTrack(format!("{name} cannot be tracked: {reason}"))
}

/// A table as it is; a history needs a key that tells rows apart for good.
async fn lasting_shape(
    session: &mut dyn Session,
    name: &ObjectName,
) -> Result<Option<TableShape>, EngineError> {
    Ok(session.table_shape(name).await?.map(TableShape::with_lasting_key))
}

/// What is known of a table. Its number is that of its tracking; -1: it is not tracked.
pub(crate) async fn facts(
    session: &mut dyn Session,
    around: &Around,
    name: &ObjectName,
) -> Result<Facts, SnapshotError> {
    let shape = lasting_shape(session, name)
        .await?
        .ok_or_else(|| refused(name, "there is no such table"))?;
    let relation = tracking_of(session, around, &shape.name).await?.unwrap_or(-1);
    let (rows, bytes) = around.sizes.get(shape.name.name.as_str()).copied().unwrap_or((0, 0));
    Ok(Facts { relation, kind: "r".into(), owned: true, rows, bytes, ..Facts::default() })
}

/// The number of the tracking of a table: the one whose triggers stand on it; else the one that has its
/// name, and whose triggers are nowhere.
async fn tracking_of(
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

/// What may write to a table of SQLite while one of its statements is at work.
async fn nesting(
    session: &mut dyn Session,
    tracked: &Tracked,
    shape: &TableShape,
) -> Result<Nesting, SnapshotError> {
    if tracked.has_key() {
        // Its rows are not counted.
        return Ok(Nesting::Nothing);
    }
    let from = around::acting_keys(session).await?;
    let name = shape.name.name.as_str();
    let mut found = Nesting::Nothing;
    if shape.triggers.iter().any(|t| !t.as_str().starts_with("downhaul_track_")) {
        found = Nesting::Others;
    }
    for key in from.iter().filter(|key| key.parent.eq_ignore_ascii_case(name)) {
        if key.child.eq_ignore_ascii_case(name) {
            return Ok(Nesting::Itself);
        }
        found = Nesting::Others;
    }
    Ok(found)
}

/// Works out how a table would be tracked; refuses those that cannot be.
pub(crate) async fn intend(
    session: &mut dyn Session,
    around: &Around,
    name: &ObjectName,
    wish: Option<Capture>,
) -> Result<Intent, SnapshotError> {
    let d = session.dialect();
    if d != Dialect::Sqlite {
        return intend_mysql(session, around, name, wish).await;
    }
    if wish == Some(Capture::Statement) {
        return Err(refused(name, "SQLite has no statement triggers: leave out --triggers"));
    }
    let literal = d.literal(name.name.as_str());
    let kind = session
        .row(&format!(
            "SELECT type, sql LIKE 'CREATE VIRTUAL %' FROM sqlite_schema WHERE type IN ('table', 'view') AND name = {literal} COLLATE NOCASE"
        ))
        .await?
        .ok_or_else(|| refused(name, "there is no such table"))?;
    if kind.text(0) == "view" {
        return Err(refused(name, "it is a view: track the tables that it reads"));
    }
    if kind.flag(1) {
        return Err(refused(name, "it is virtual: triggers cannot stand on it"));
    }
    let lower = name.name.as_str().to_ascii_lowercase();
    if lower.starts_with("sqlite_") || lower.starts_with("downhaul_") {
        return Err(refused(name, "it is no table of yours"));
    }
    let facts = facts(session, around, name).await?;
    let shape = lasting_shape(session, name)
        .await?
        .ok_or_else(|| refused(name, "there is no such table"))?;
    let columns = shape.writable().count();
    if columns == 0 {
        return Err(refused(name, "it has no column that could be kept"));
    }
    if columns > sqlite::MOST_COLUMNS {
        return Err(refused(
            name,
            &format!("it has {columns} columns; history has room for {}", sqlite::MOST_COLUMNS),
        ));
    }
    let mut warnings = Vec::new();
    if shape.key.is_empty() {
        warnings.push("it has no key without NULLs: rows are told apart by their whole content, and both what a row was and what it became are kept".to_owned());
    }
    for index in uniques(session, &shape).await?.1 {
        warnings.push(format!(
            "rows that INSERT OR REPLACE removes because of {index}, which is over an expression, are kept only while PRAGMA recursive_triggers is ON"
        ));
    }
    Ok(Intent {
        dialect: d,
        shape,
        facts,
        capture: Capture::Row,
        chosen: false,
        reason: "the only ones that SQLite has".into(),
        warnings,
    })
}

/// As [`intend`], on MariaDB and MySQL.
async fn intend_mysql(
    session: &mut dyn Session,
    around: &Around,
    name: &ObjectName,
    wish: Option<Capture>,
) -> Result<Intent, SnapshotError> {
    let d = session.dialect();
    if wish == Some(Capture::Statement) {
        return Err(refused(
            name,
            &format!("{} has no statement triggers: leave out --triggers", server_name(d)),
        ));
    }
    if session.server().cluster || writes_elsewhere(session).await? {
        return Err(refused(
            name,
            "on a cluster no lock keeps the other nodes from writing while a mark is made",
        ));
    }
    if let Some(why) = cannot_make_triggers(session).await? {
        return Err(refused(name, &why));
    }
    let literal = d.literal(name.name.as_str());
    let kind = session
        .row(&format!(
            "SELECT TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {literal}"
        ))
        .await?
        .filter(|_| name.schema.is_none())
        .ok_or_else(|| refused(name, "there is no such table in this database"))?;
    let versioned = kind.text(0) == "SYSTEM VERSIONED";
    match (kind.text(0), kind.text(1)) {
        ("BASE TABLE" | "SYSTEM VERSIONED", "InnoDB") => {}
        ("BASE TABLE" | "SYSTEM VERSIONED", engine) => {
            return Err(refused(
                name,
                &format!(
                    "its engine {engine} knows no transactions, so what is rolled back would be kept as done"
                ),
            ));
        }
        ("VIEW", _) => return Err(refused(name, "it is a view: track the tables that it reads")),
        _ => return Err(refused(name, "it is no table")),
    }
    if name.name.as_str().to_ascii_lowercase().starts_with("downhaul_") {
        return Err(refused(name, "it is no table of yours"));
    }
    let facts = facts(session, around, name).await?;
    let shape = lasting_shape(session, name)
        .await?
        .ok_or_else(|| refused(name, "there is no such table"))?;
    let columns = shape.writable().count();
    if columns == 0 || columns > mysql::MOST_COLUMNS {
        return Err(refused(
            name,
            &format!("it has {columns} columns; history has room for 1 to {}", mysql::MOST_COLUMNS),
        ));
    }
    let recordings = cascade::recordings(&fresh(&shape, 0, d), &around.keys)
        .map_err(|why| refused(name, &why))?;
    let mut warnings = Vec::new();
    let mut from: Vec<&str> = recordings.iter().map(|r| r.table.as_str()).collect();
    from.dedup();
    if !from.is_empty() {
        warnings.push(format!(
            "its rows go or change with those of {}, which fires no trigger of its own on this server: triggers on these tables write that down, and read its rows as each of theirs goes",
            from.join(", ")
        ));
    }
    if versioned {
        // Measured: a statement that waited for the lock of a mark has the time before it.
        warnings.push("the server keeps a history of it too (SYSTEM VERSIONING), by the time at which each statement began, whenever that was committed, so a mark in it would not be exact: triggers write another one".to_owned());
    }
    if shape.key.is_empty() {
        warnings.push("it has no key without NULLs: rows are told apart by their whole content, and both what a row was and what it became are kept".to_owned());
    }
    if built(session, around, &shape.name).await?.is_none() {
        warnings.push("without the PROCESS privilege nobody can see that it was emptied by TRUNCATE, which fires no trigger: use DELETE".to_owned());
    }
    let own: Vec<String> = shape.triggers.iter().map(ToString::to_string).collect();
    if own.iter().any(|name| !name.starts_with("downhaul_")) {
        warnings.push(format!(
            "a restore is refused while it has triggers of its own, which cannot be switched off here: {}",
            own.join(", ")
        ));
    }
    Ok(Intent {
        dialect: d,
        shape,
        facts,
        capture: Capture::Row,
        chosen: false,
        reason: format!("the only ones that {} has", server_name(d)),
        warnings,
    })
}

fn server_name(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Mysql { "MySQL" } else { "MariaDB" }
}

/// A group of MySQL servers, each of which takes writes.
async fn writes_elsewhere(session: &mut dyn Session) -> Result<bool, SnapshotError> {
    // There only where the plugin is.
    let single =
        session.rows("SHOW GLOBAL VARIABLES LIKE 'group_replication_single_primary_mode'").await?;
    Ok(single.first().is_some_and(|row| row.text(1) == "OFF"))
}

/// Where changes are written to the binary log, triggers want a privilege that managed servers rarely
/// give (manual, "Stored Program Binary Logging").
async fn cannot_make_triggers(session: &mut dyn Session) -> Result<Option<String>, SnapshotError> {
    let row = session
        .row(
            "SELECT @@GLOBAL.log_bin AND NOT @@GLOBAL.log_bin_trust_function_creators, \
               EXISTS (SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'SUPER' \
                 AND GRANTEE = CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')), \
               COALESCE(NULLIF(CURRENT_ROLE(), 'NONE'), '')",
        )
        .await?;
    // A role may hold it: the server will say.
    let lacks = row.is_some_and(|row| row.flag(0) && !row.flag(1) && row.text(2).is_empty());
    Ok(lacks.then(|| {
        format!(
            "this server writes a binary log, and then lets only those make triggers who have the SUPER privilege, which {} has not: \
             have log_bin_trust_function_creators = ON set on the server (on managed servers in their parameters), or track as an administrator",
            session.server().user
        )
    }))
}

/// The number that InnoDB gave to the table when it was built: TRUNCATE gives it another one. `None`
/// without the right to see it.
async fn built(
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
fn version_of(
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
    Version { number, relation, columns, key, nested: false, composite: false }
}

/// Where our triggers stand, whatever the table's name is by now.
fn name_of(around: &Around, id: i64, d: Dialect) -> Option<ObjectName> {
    around.stands_on.get(&id).map(|name| ObjectName::bare(Ident::stored(d, name)))
}

async fn remove_triggers(session: &mut dyn Session, id: i64) -> Result<(), SnapshotError> {
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
    for row in &found {
        session.execute(&format!("DROP TRIGGER {}", row.text(0))).await?;
    }
    Ok(())
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

/// The same where there are none.
async fn install(
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
    let nesting = nesting(session, tracked, shape).await?;
    let notes = nested::name(tracked.id);
    session.execute(&format!("DROP TABLE IF EXISTS {notes}")).await?;
    if nesting != Nesting::Nothing {
        for statement in nested::create(tracked, &uniques) {
            session.execute(&statement).await?;
        }
    }
    let triggers = sqlite::triggers(tracked, &uniques, nesting);
    for (_, statement) in &triggers {
        session.execute(statement).await?;
    }
    tracked.triggers = triggers.into_iter().map(|(name, _)| name).collect();
    Ok(())
}

/// A table of which nothing is known yet but its form.
fn fresh(shape: &TableShape, id: i64, d: Dialect) -> Tracked {
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
    tracked.seen = form(session, &tracked).await?;
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

fn same_form(a: &Version, b: &Version) -> bool {
    let columns = |v: &Version| -> Vec<(Ident, String)> {
        v.columns.iter().map(|c| (c.name.clone(), c.ty.clone())).collect()
    };
    columns(a) == columns(b) && a.key == b.key
}

/// Looks whether tracking still fits the table. Reads only.
pub(crate) async fn drift(
    session: &mut dyn Session,
    around: &Around,
    tracked: &Tracked,
) -> Result<Option<Drift>, SnapshotError> {
    if around.is_as_seen(tracked) {
        return Ok(None);
    }
    let stands_on = name_of(around, tracked.id, tracked.dialect);
    let name = stands_on.clone().unwrap_or_else(|| tracked.name.clone());
    let Some(shape) = lasting_shape(session, &name).await? else { return Ok(Some(Drift::Gone)) };
    if !same_form(&version_of(&shape, (Some(tracked), tracked.id), &[]), tracked.current()) {
        return Ok(Some(Drift::Reshaped));
    }
    if stands_on.is_none() {
        return Ok(Some(Drift::Triggers));
    }
    if shape.name != tracked.name {
        return Ok(Some(Drift::Renamed));
    }
    let d = session.dialect();
    if d != Dialect::Sqlite {
        if built(session, around, &shape.name)
            .await?
            .is_some_and(|now| tracked.built.is_some_and(|b| b != now))
        {
            return Ok(Some(Drift::Emptied));
        }
        let Ok(recordings) = cascade::recordings(tracked, &around.keys) else {
            // A foreign key came that no trigger can follow.
            return Ok(Some(Drift::Triggers));
        };
        let own = shape.name.name.as_str();
        let mut wanted: Vec<(&str, &str, &str)> = recordings
            .iter()
            .map(|r| (r.name.as_str(), r.table.as_str(), r.body.as_str()))
            .collect();
        let triggers = mysql::triggers(tracked);
        wanted.extend(triggers.iter().map(|(name, _, body)| (name.as_str(), own, body.as_str())));
        let mut fits = true;
        for (name, table, body) in wanted {
            let all = around.triggers.get(table).map_or(&[][..], Vec::as_slice);
            // Behind ours nobody may change what a row becomes.
            let behind = |ours: &Standing, other: &Standing| {
                ours.before_update
                    && other.before_update
                    && other.order > ours.order
                    && !other.name.starts_with("downhaul_")
            };
            let found = all
                .iter()
                .find(|ours| ours.name == name && !all.iter().any(|other| behind(ours, other)));
            fits &= match found {
                None => false,
                Some(ours) if ours.body == body => true,
                // The view of MySQL garbles names that have a quote in them.
                Some(_) if d == Dialect::Mysql && body.contains("``") => session
                    .row(&format!("SHOW CREATE TRIGGER {name}"))
                    .await?
                    .is_some_and(|row| row.text(2).ends_with(&format!("FOR EACH ROW {body}"))),
                Some(_) => false,
            };
        }
        return Ok((!fits).then_some(Drift::Triggers));
    }
    let rows = session
        .rows(&format!(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = {} COLLATE NOCASE ORDER BY rowid",
            d.literal(shape.name.name.as_str())
        ))
        .await?;
    let (uniques, _) = uniques(session, &shape).await?;
    let nesting = nesting(session, tracked, &shape).await?;
    let wanted = sqlite::triggers(tracked, &uniques, nesting);
    // Ours alone, all of them, and after every other one.
    let ours = rows.iter().skip(rows.len().saturating_sub(wanted.len()));
    let fits = rows.len() >= wanted.len()
        && ours.zip(&wanted).all(|(row, (name, sql))| row.text(0) == name && row.text(1) == sql);
    Ok((!fits).then_some(Drift::Triggers))
}

/// Before a statement of a migration: writes down what its triggers would not see, and takes them
/// away where they would forbid the statement. Within the migration's transaction.
pub(crate) async fn before(
    session: &mut dyn Session,
    endangering: &Endangering,
) -> Result<(), SnapshotError> {
    let name = endangering.table();
    let Some(shape) = lasting_shape(session, name).await? else { return Ok(()) };
    let found = track::all(session).await?.into_iter().find(|t| t.name == shape.name);
    let Some(mut tracked) = found.filter(|t| t.relation != 0) else { return Ok(()) };
    let current = tracked.current().clone();
    let keyed = tracked.has_key();
    let event = match endangering {
        Endangering::Reshape(..) if keyed => Event::Reshaped,
        _ => Event::Truncated,
    };
    session.execute(&sqlite::copy_all(&tracked, &current, event)).await?;
    if event == Event::Truncated {
        tracked.kept_whole = true;
        write(session, &tracked, false).await?;
    }
    if matches!(endangering, Endangering::Reshape(..)) {
        // A trigger that names a column forbids to drop it.
        remove_triggers(session, tracked.id).await?;
    }
    Ok(())
}

/// New names of columns and tables, in the order in which the statement gives them.
fn renamed(changes: &[Change], table: &ObjectName) -> Vec<(Ident, Ident)> {
    changes
        .iter()
        .filter_map(|change| match change {
            Change::RenameColumn { table: of, from, to } if of.name == table.name => {
                Some((from.clone(), to.clone()))
            }
            _ => None,
        })
        .collect()
}

/// Brings tracking back into step with the tables. Within a transaction. Returns what a person
/// should know.
pub(crate) async fn resync(
    session: &mut dyn Session,
    origin: Origin,
    changes: &[Change],
) -> Result<Vec<String>, SnapshotError> {
    let mut notes = Vec::new();
    let all = track::all(session).await?;
    let around = if all.is_empty() { Around::default() } else { Around::read(session).await? };
    for mut tracked in all {
        let broken = if tracked.relation == 0 {
            let Some(shape) = heir(session, &tracked).await? else { continue };
            come_back(session, &around, &mut tracked, &shape).await?
        } else {
            match drift(session, &around, &tracked).await? {
                None if around.is_as_seen(&tracked) => continue,
                None => {
                    tracked.seen = around.form_of(&tracked).cloned();
                    if tracked.seen.is_some() {
                        write(session, &tracked, false).await?;
                    }
                    continue;
                }
                Some(Drift::Gone) => {
                    tracked.relation = 0;
                    false
                }
                Some(drift) => {
                    follow(session, &around, &mut tracked, drift, origin, changes).await?
                }
            }
        };
        tracked.seen = form(session, &tracked).await?;
        write(session, &tracked, false).await?;
        if broken {
            notes.push(format!(
                "the history of {} begins anew: marks from before cannot be reached for it",
                tracked.label()
            ));
            moment::begin_anew(session, &tracked).await?;
        }
    }
    Ok(notes)
}

/// The table that took the place of one that is gone: under its name, or under the one that it had
/// before it was renamed to make room.
async fn heir(
    session: &mut dyn Session,
    tracked: &Tracked,
) -> Result<Option<TableShape>, SnapshotError> {
    for name in [Some(&tracked.name), tracked.former.as_ref()].into_iter().flatten() {
        if let Some(shape) = lasting_shape(session, name).await?
            && !track::all(session).await?.iter().any(|t| t.relation != 0 && t.name == shape.name)
        {
            return Ok(Some(shape));
        }
    }
    Ok(None)
}

/// A table that was dropped is there again. Returns whether the history has a hole.
async fn come_back(
    session: &mut dyn Session,
    around: &Around,
    tracked: &mut Tracked,
    shape: &TableShape,
) -> Result<bool, SnapshotError> {
    let before = tracked.current().clone();
    tracked.relation = tracked.id;
    tracked.name = shape.name.clone();
    tracked.former = None;
    new_version(session, around, tracked, shape, &[]).await?;
    let current = tracked.current().clone();
    session.execute(&sqlite::copy_all(tracked, &current, Event::Born)).await?;
    let whole = std::mem::take(&mut tracked.kept_whole);
    Ok(!whole || keys(&before) != keys(&current))
}

/// The key by column and type: values of another type are not the same keys.
fn keys(version: &Version) -> Vec<(i64, String)> {
    version
        .key
        .iter()
        .filter_map(|k| version.column(k))
        .map(|c| (c.number, c.ty.to_ascii_lowercase()))
        .collect()
}

/// The form or the name of a table changed. Returns whether the history has a hole.
async fn follow(
    session: &mut dyn Session,
    around: &Around,
    tracked: &mut Tracked,
    drift: Drift,
    origin: Origin,
    changes: &[Change],
) -> Result<bool, SnapshotError> {
    let stands_on = name_of(around, tracked.id, tracked.dialect);
    let rebuilt = stands_on.is_none() && origin == Origin::Outside;
    let name = stands_on.unwrap_or_else(|| tracked.name.clone());
    let Some(shape) = lasting_shape(session, &name).await? else { return Ok(false) };
    if shape.name != tracked.name {
        tracked.former = Some(tracked.name.clone());
        tracked.name = shape.name.clone();
    }
    if matches!(drift, Drift::Renamed | Drift::Triggers | Drift::Emptied) {
        // Renaming writes the new name into the triggers, in its own way.
        let before = tracked.triggers.clone();
        reinstall(session, around, tracked, &shape).await?;
        if tracked.triggers.iter().any(|name| !before.contains(name)) {
            // A foreign key came that changes rows, and for an instant nobody wrote that down.
            return Ok(true);
        }
        return Ok(rebuilt || drift != Drift::Renamed && origin == Origin::Outside);
    }
    let before = tracked.current().clone();
    let renamed = renamed(changes, &tracked.name.clone());
    new_version(session, around, tracked, &shape, &renamed).await?;
    let now = tracked.current().clone();
    if keys(&before) != keys(&now) {
        tracked.kept_whole = false;
        return Ok(true);
    }
    let still_there =
        |old: &TrackedColumn| now.columns.iter().any(|c| c.number == old.number && c.ty == old.ty);
    if (origin == Origin::Outside || tracked.dialect != Dialect::Sqlite)
        && (rebuilt || !before.columns.iter().all(still_there))
    {
        return Ok(true);
    }
    if now.key.is_empty() {
        if !std::mem::take(&mut tracked.kept_whole) {
            session.execute(&sqlite::copy_all(tracked, &before, Event::Truncated)).await?;
        }
        session.execute(&sqlite::copy_all(tracked, &now, Event::Born)).await?;
    }
    Ok(false)
}

async fn new_version(
    session: &mut dyn Session,
    around: &Around,
    tracked: &mut Tracked,
    shape: &TableShape,
    renamed: &[(Ident, Ident)],
) -> Result<(), SnapshotError> {
    let from = moment::newest(session, tracked).await?;
    let version = version_of(shape, (Some(tracked), tracked.id), renamed);
    tracked.versions.push(version);
    for statement in super::create_history(tracked, from) {
        session.execute(&statement).await?;
    }
    reinstall(session, around, tracked, shape).await
}
