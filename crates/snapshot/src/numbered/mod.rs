//! Tracking where events of a table are numbered in the order in which they happened: SQLite.
//!
//! A mark is then a number for each tracked table: all events up to it come before the mark. The
//! first event of a key after the mark says what the row was: an image carries what it was, a birth
//! says that there was none. So triggers write what is *true at that moment*, before the change, and
//! an event of a change that does not come to pass afterwards (`OR IGNORE`) does no harm.
//!
//! Rows without a key are counted instead: how many of the same content came and went.

pub mod apply;
pub mod difference;
pub mod install;
pub mod moment;
pub mod past;
pub mod plan;
pub mod report;
pub mod sqlite;

use downhaul_engine::Session;
use downhaul_syntax::Dialect;

use crate::sql;
use crate::store::SnapshotError;
use crate::track::Tracked;

/// Whether tracking is by numbers on this engine.
#[must_use]
pub fn is(dialect: Dialect) -> bool {
    dialect == Dialect::Sqlite
}

/// Name of a history table.
#[must_use]
pub fn history(dialect: Dialect, id: i64, version: i64) -> String {
    sql::own(dialect, &format!("log_{id}_{version}"))
}

/// Now, as a text that sorts by time.
pub(crate) fn now(dialect: Dialect) -> &'static str {
    debug_assert!(is(dialect));
    "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
}

/// Whether this database has anything of tracking.
pub(crate) async fn exists(session: &mut dyn Session) -> Result<bool, SnapshotError> {
    let found = session
        .number(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'downhaul_tracked'",
        )
        .await?;
    Ok(found > 0)
}

/// Makes what tracking needs. Within a transaction.
pub(crate) async fn ensure(session: &mut dyn Session) -> Result<(), SnapshotError> {
    if exists(session).await? {
        return Ok(());
    }
    for statement in sqlite::TABLES {
        session.execute(statement).await?;
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
            now(d)
        )
    } else {
        format!(
            "UPDATE downhaul_tracked SET table_name = {name}, detail = {detail} WHERE id = {id}"
        )
    };
    session.execute(&sql).await?;
    Ok(())
}
