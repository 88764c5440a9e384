//! Many triggers of SQLite at once.
//!
//! `CREATE TRIGGER` writes a row into the table `sqlite_schema`, and then reads that table from end to end to
//! find it, so that the time for many grows with the square of their number; so does `DROP TRIGGER`. Here all
//! rows are written first, and the schema is read once. A trigger has no pages of its own: its row is all that
//! there is of it, and the same as `CREATE TRIGGER` writes.
//!
//! Why this does no harm: it happens in the transaction that makes (or drops) the histories of these triggers.
//! With `RESET` SQLite reads the whole schema as a program does that opens the file, by the parser of the
//! statements themselves and with their tests (a name that is taken, a table that is none, a text that is no
//! statement), and what it refuses fails here and is rolled back. The statements on the histories give the
//! schema its new number, so that others read it anew, and this session too after a rollback.

use downhaul_engine::Session;
use downhaul_syntax::Dialect;

use super::install::remove_triggers;
use crate::store::SnapshotError;

const D: Dialect = Dialect::Sqlite;

/// Up to so many are made and dropped by their statements.
const FEW: usize = 100;

/// So many rows go into one statement.
const AT_ONCE: usize = 100;

/// A trigger that is to be.
#[derive(Debug)]
pub(super) struct New {
    pub(super) name: String,
    /// The name of its table, as the schema has it.
    pub(super) on: String,
    /// `CREATE TRIGGER name …`, with no more than one space in front of the name.
    pub(super) sql: String,
}

/// Makes triggers. Within a transaction that has made tables.
pub(super) async fn make(session: &mut dyn Session, all: &[New]) -> Result<(), SnapshotError> {
    let mut statements = Vec::new();
    for some in all.chunks(AT_ONCE) {
        let row = |new: &New| {
            let (name, on, sql) = (D.literal(&new.name), D.literal(&new.on), D.literal(&new.sql));
            format!("('trigger', {name}, {on}, 0, {sql})")
        };
        statements.push(format!(
            "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES {}",
            some.iter().map(row).collect::<Vec<_>>().join(", ")
        ));
    }
    if all.len() > FEW && in_schema(session, &statements).await? {
        return Ok(());
    }
    for new in all {
        session.execute(&new.sql).await?;
    }
    Ok(())
}

/// Drops the triggers of these trackings. Within a transaction that then drops tables.
pub(super) async fn remove(session: &mut dyn Session, ids: &[i64]) -> Result<(), SnapshotError> {
    let mut statements = Vec::new();
    for some in ids.chunks(AT_ONCE) {
        let some: Vec<String> = some.iter().map(|id| format!("'{id}'")).collect();
        // What stands between `downhaul_track_` and the next `_`.
        statements.push(format!(
            "DELETE FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'downhaul_track_*_*' \
             AND substr(name, 16, instr(substr(name, 16), '_') - 1) IN ({})",
            some.join(", ")
        ));
    }
    // Each has six and more.
    if ids.len() > FEW / 6 && in_schema(session, &statements).await? {
        return Ok(());
    }
    for id in ids {
        remove_triggers(session, *id).await?;
    }
    Ok(())
}

/// Runs statements that change the table of the schema, and has it read again. False where this SQLite lets
/// nobody do so (`SQLITE_DBCONFIG_DEFENSIVE`), and nothing was done.
async fn in_schema(
    session: &mut dyn Session,
    statements: &[String],
) -> Result<bool, SnapshotError> {
    session.execute("PRAGMA writable_schema = ON").await?;
    let mut done = Ok(0);
    for (at, statement) in statements.iter().enumerate() {
        done = session.execute(statement).await;
        if done.is_err() {
            let _ = session.execute("PRAGMA writable_schema = OFF").await;
            if at == 0 {
                return Ok(false);
            }
            break;
        }
    }
    done?;
    session.execute("PRAGMA writable_schema = RESET").await?;
    // The first statement reads the schema.
    session.number("SELECT count(*) FROM sqlite_schema").await?;
    Ok(true)
}
