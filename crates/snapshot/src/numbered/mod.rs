//! Tracking where events of a table are numbered in the order in which they happened: SQLite, MariaDB
//! and MySQL.
//!
//! A mark is then a number for each tracked table: all events up to it come before the mark. The
//! first event of a key after the mark says what the row was: an image carries what it was, a birth
//! says that there was none. So triggers write what is *true at that moment*, before the change, and
//! an event of a change that does not come to pass afterwards (`OR IGNORE`) does no harm.
//!
//! Rows without a key are counted instead: how many of the same content came and went.

pub mod apply;
pub(crate) mod cascade;
mod changed;
pub mod difference;
pub mod follow;
pub mod install;
pub mod intend;
pub mod moment;
pub mod mysql;
pub mod nested;
pub mod past;
pub(crate) mod pause;
pub mod plan;
pub mod report;
pub mod sqlite;
mod straight;
mod triggers;

use downhaul_engine::{EngineError, Session};
use downhaul_syntax::Dialect;

use crate::sql;
use crate::store::SnapshotError;
use crate::track::{Tracked, TrackedColumn};

/// Whether tracking is by numbers on this engine.
#[must_use]
pub fn is(dialect: Dialect) -> bool {
    dialect != Dialect::Postgres
}

/// Name of a history table.
#[must_use]
pub fn history(dialect: Dialect, id: i64, version: i64) -> String {
    sql::own(dialect, &format!("log_{id}_{version}"))
}

/// Whether this database has anything of tracking.
pub(crate) async fn exists(session: &mut dyn Session) -> Result<bool, SnapshotError> {
    let found = session
        .number(match session.dialect() {
            Dialect::Sqlite => {
                // Looked up by its name; `sqlite_schema` is read from end to end.
                "SELECT count(*) FROM pragma_table_info('downhaul_tracked')"
            }
            _ => {
                "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'downhaul_tracked'"
            }
        })
        .await?;
    if found == 0 && session.dialect() != Dialect::Sqlite {
        // Of a table on which an account has no right the server does not even tell that it is there.
        let probe = session.rows("SELECT 1 FROM downhaul_tracked LIMIT 0").await;
        if let Err(EngineError::Statement(failure)) = probe
            && failure.message.contains("command denied")
        {
            return Err(SnapshotError::CannotTrack(
                "this account may not read downhaul_tracked, so nobody can tell whether tables are tracked: \
                 connect as one with rights on the whole database"
                    .to_owned(),
            ));
        }
    }
    Ok(found > 0)
}

/// Makes what tracking needs. Within a transaction.
pub(crate) async fn ensure(session: &mut dyn Session) -> Result<(), SnapshotError> {
    if exists(session).await? {
        return Ok(());
    }
    let tables = match session.dialect() {
        Dialect::Sqlite => sqlite::TABLES,
        _ => mysql::TABLES,
    };
    for statement in tables {
        session.execute(statement).await?;
    }
    Ok(())
}

/// MariaDB and MySQL: what stood in 64 KB in older releases, for some 5,000 tables, gets as much room as it needs.
pub(crate) async fn make_room(session: &mut dyn Session) -> Result<(), SnapshotError> {
    if session.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    for (table, columns) in
        [("downhaul_mark", &["versions", "positions"][..]), ("downhaul_restoration", &["tables"])]
    {
        let narrow = session
            .number(&format!(
                "SELECT count(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{table}' \
                 AND COLUMN_NAME = '{}' AND DATA_TYPE = 'text'",
                columns[0]
            ))
            .await?;
        if narrow > 0 {
            let wide: Vec<String> = columns
                .iter()
                .map(|column| {
                    format!("MODIFY `{column}` LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL")
                })
                .collect();
            session.execute(&format!("ALTER TABLE {table} {}", wide.join(", "))).await?;
        }
    }
    Ok(())
}

/// Every tracked table.
pub(crate) async fn all(session: &mut dyn Session) -> Result<Vec<Tracked>, SnapshotError> {
    if !exists(session).await? {
        return Ok(Vec::new());
    }
    let rows = session.rows("SELECT detail FROM downhaul_tracked ORDER BY id").await?;
    rows.iter()
        .map(|row| {
            serde_json::from_str(row.text(0)).map_err(|error| {
                SnapshotError::CannotTrack(format!("downhaul_tracked cannot be read: {error}"))
            })
        })
        .collect()
}

/// Writes down what is known of a tracked table.
pub(crate) async fn write(
    session: &mut dyn Session,
    tracked: &Tracked,
    new: bool,
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let detail = d.literal(
        &serde_json::to_string(tracked)
            .map_err(|error| SnapshotError::CannotTrack(error.to_string()))?,
    );
    let (id, name) = (tracked.id, d.literal(&d.quote_name(&tracked.name)));
    let sql = if new {
        format!(
            "INSERT INTO downhaul_tracked (id, table_name, since_mark, since_at, detail) \
             SELECT {id}, {name}, (SELECT coalesce(max(id), 0) + 1 FROM downhaul_mark), {}, {detail}",
            sql::now(d)
        )
    } else {
        format!(
            "UPDATE downhaul_tracked SET table_name = {name}, detail = {detail} WHERE id = {id}"
        )
    };
    session.execute(&sql).await?;
    Ok(())
}

/// Statements that make the history table of the current version.
fn create_history(tracked: &Tracked, from: i64) -> Vec<String> {
    match tracked.dialect {
        Dialect::Sqlite => sqlite::create_history(tracked, from),
        _ => mysql::create_history(tracked, from),
    }
}

/// A test that two values differ in any way: by type, or in a byte.
fn differs(dialect: Dialect, column: &TrackedColumn, left: &str, right: &str) -> String {
    match dialect {
        Dialect::Sqlite => sqlite::differs(&column.ty, left, right),
        _ => mysql::differs(column, left, right),
    }
}

/// A value as people read it.
pub(crate) fn text(dialect: Dialect, column: &TrackedColumn, value: &str) -> String {
    match dialect {
        Dialect::Sqlite => sqlite::text(value),
        _ => mysql::text(column, value),
    }
}

/// Texts one after the other.
fn concat(dialect: Dialect, parts: &[String]) -> String {
    match dialect {
        Dialect::Sqlite => parts.join(" || "),
        _ => format!("CONCAT({})", parts.join(", ")),
    }
}

/// Begins to read for a person: nobody waits for that. In place of the transaction that was begun.
pub(crate) async fn begin_reading(session: &mut dyn Session) -> Result<(), SnapshotError> {
    if session.dialect() != Dialect::Sqlite {
        // A copy of rows locks them in every other isolation.
        session
            .execute("ROLLBACK; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION")
            .await?;
        take_any_date(session).await?;
    }
    Ok(())
}

/// Lets this session copy dates that are none, as tables may hold: MySQL refuses that by default. A value that
/// does not fit is refused, whatever the server does by default.
pub(crate) async fn take_any_date(session: &mut dyn Session) -> Result<(), SnapshotError> {
    session
        .execute(
            "SET SESSION sql_mode = CONCAT(REPLACE(REPLACE(REPLACE(@@SESSION.sql_mode, 'NO_ZERO_IN_DATE', ''), 'NO_ZERO_DATE', ''), 'TRADITIONAL', ''), ',STRICT_ALL_TABLES,ALLOW_INVALID_DATES')",
        )
        .await?;
    Ok(())
}
