//! How a table would be tracked, and which cannot be.

use downhaul_engine::{Session, TableShape};
use downhaul_syntax::{Dialect, ObjectName};

use super::install::{built, fresh, lasting_shape, parts, refused, tracking_of, uniques};
use super::{cascade, mysql, sqlite};
use crate::store::SnapshotError;
use crate::track::Capture;
use crate::track::around::Around;
use crate::track::choose::Facts;
use crate::track::intend::Intent;

/// What is known of a table. Its number is that of its tracking; -1: it is not tracked.
pub(crate) async fn facts(
    session: &mut dyn Session,
    around: &Around,
    name: &ObjectName,
) -> Result<Facts, SnapshotError> {
    let shape = lasting_shape(session, name)
        .await?
        .ok_or_else(|| refused(name, "there is no such table"))?;
    facts_of(session, around, &shape).await
}

/// The same of a table whose form is known.
async fn facts_of(
    session: &mut dyn Session,
    around: &Around,
    shape: &TableShape,
) -> Result<Facts, SnapshotError> {
    let relation = tracking_of(session.dialect(), around, &shape.name).unwrap_or(-1);
    let (rows, bytes) = around.sizes.get(shape.name.name.as_str()).copied().unwrap_or((0, 0));
    Ok(Facts { relation, kind: "r".into(), owned: true, rows, bytes, ..Facts::default() })
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
    // Only of tables shapes are read together.
    if !around.has_shape(d, name) {
        check_kind(session, name).await?;
    }
    let lower = name.name.as_str().to_ascii_lowercase();
    if lower.starts_with("sqlite_") || lower.starts_with("downhaul_") {
        return Err(refused(name, "it is no table of yours"));
    }
    let shape = around.lasting_shape(session, name).await?;
    let shape = shape.ok_or_else(|| refused(name, "there is no such table"))?;
    let facts = facts_of(session, around, &shape).await?;
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

/// Refuses what is no table of SQLite's own.
async fn check_kind(session: &mut dyn Session, name: &ObjectName) -> Result<(), SnapshotError> {
    let literal = session.dialect().literal(name.name.as_str());
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
    Ok(())
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
    let shape = around.lasting_shape(session, name).await?;
    let shape = shape.ok_or_else(|| refused(name, "there is no such table"))?;
    let facts = facts_of(session, around, &shape).await?;
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
    let is_seen = !parts(around, &shape.name).is_empty()
        || built(session, around, &shape.name).await?.is_some();
    if !is_seen {
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
