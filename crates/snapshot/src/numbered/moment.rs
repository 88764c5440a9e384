//! Marks and restores, as they are written down.

use std::collections::BTreeMap;

use downhaul_engine::{EngineError, Row, Session};
use downhaul_syntax::Dialect;

use super::history;
use crate::mark::{Mark, Origin};
use crate::sql;
use crate::store::SnapshotError;
use crate::track::{self, Tracked};

const COLUMNS: &str = "id, name, origin, at, versions, positions, who";

fn read(row: &Row) -> Result<Mark, EngineError> {
    let map = |column: usize| {
        serde_json::from_str::<BTreeMap<i64, i64>>(row.text(column))
            .map_err(|error| EngineError::Protocol(error.to_string()))
    };
    Ok(Mark {
        id: row.number(0)?,
        name: row.text(1).to_owned(),
        origin: row.text(2).to_owned(),
        at: row.text(3).to_owned(),
        xmax: String::new(),
        running: Vec::new(),
        lsn: String::new(),
        who: row.text(6).to_owned(),
        versions: map(4)?,
        positions: map(5)?,
    })
}

fn json(map: &BTreeMap<i64, i64>) -> Result<String, SnapshotError> {
    serde_json::to_string(map).map_err(|error| SnapshotError::CannotTrack(error.to_string()))
}

/// The number of the newest event of a table. Within a transaction that may write.
pub(super) async fn newest(
    session: &mut dyn Session,
    tracked: &Tracked,
) -> Result<i64, SnapshotError> {
    let d = session.dialect();
    if d != Dialect::Sqlite {
        // Pruning leaves the newest one there.
        let mut newest = 0;
        for version in &tracked.versions {
            let table = history(d, tracked.id, version.number);
            let sql = format!("SELECT coalesce(max(downhaul_pos), 0) FROM {table}");
            newest = newest.max(session.number(&sql).await?);
        }
        return Ok(newest);
    }
    let table = history(d, tracked.id, tracked.current().number);
    let name = d.literal(&table);
    let row = session
        .row(&format!(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = {name}), 0), coalesce(max(downhaul_pos), 0) FROM {table}"
        ))
        .await?;
    let Some(row) = row else { return Ok(0) };
    let (given, there) = (row.number(0)?, row.number(1)?);
    if there > given {
        // A statement that fails half way (OR FAIL) keeps its rows, but the highest number given is
        // not written down then: it would be given again once those rows are pruned.
        session
            .execute(&format!("UPDATE sqlite_sequence SET seq = {there} WHERE name = {name}"))
            .await?;
    }
    Ok(given.max(there))
}

/// Waits until nobody has an open transaction that wrote to a tracked table, and lets nobody write
/// until [`unlock`]. Ends the transaction that was begun; its time limits hold.
pub async fn lock(session: &mut dyn Session) -> Result<(), SnapshotError> {
    loop {
        let tables = track::all(session).await?;
        lock_these(session, &tables).await?;
        // One that went on, or got another form, while this waited has to be locked too.
        if track::all(session).await? == tables {
            return Ok(());
        }
        unlock(session).await?;
    }
}

async fn lock_these(session: &mut dyn Session, tables: &[Tracked]) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let mut locks = Vec::new();
    for tracked in tables {
        if tracked.is_paused() {
            continue;
        }
        if tracked.relation != 0 {
            locks.push(format!("{} READ", tracked.live()));
        }
        for version in &tracked.versions {
            locks.push(format!("{} READ", history(d, tracked.id, version.number)));
        }
    }
    for own in ["tracked", "mark"] {
        locks.push(format!("{} WRITE", sql::own(d, own)));
    }
    // InnoDB heeds LOCK TABLES only where nothing commits by itself (manual, innodb_table_locks).
    session.execute("SET SESSION autocommit = 0").await?;
    let locked = session.execute(&format!("LOCK TABLES {}", locks.join(", "))).await;
    if let Err(error) = locked {
        let _ = unlock(session).await;
        return Err(error.into());
    }
    Ok(())
}

/// Commits, and lets others write again.
pub async fn unlock(session: &mut dyn Session) -> Result<(), SnapshotError> {
    session.execute("COMMIT").await?;
    session.execute("UNLOCK TABLES").await?;
    session.execute("SET SESSION autocommit = 1").await?;
    Ok(())
}

/// This moment: the forms of all tracked tables, and the numbers of their newest events.
pub async fn here(
    session: &mut dyn Session,
) -> Result<(BTreeMap<i64, i64>, BTreeMap<i64, i64>), SnapshotError> {
    let tables = track::all(session).await?;
    here_of(session, &tables).await
}

/// The same of some tables.
pub(super) async fn here_of(
    session: &mut dyn Session,
    tables: &[Tracked],
) -> Result<(BTreeMap<i64, i64>, BTreeMap<i64, i64>), SnapshotError> {
    let (mut versions, mut positions) = (BTreeMap::new(), BTreeMap::new());
    for tracked in tables {
        // What happens to a table that pauses is not written down: such a mark knows nothing of it.
        if tracked.is_paused() {
            continue;
        }
        versions.insert(tracked.id, tracked.current().number);
        positions.insert(tracked.id, newest(session, tracked).await?);
    }
    Ok((versions, positions))
}

/// Makes a mark of a moment. `None`: there is one of this name.
pub async fn make(
    session: &mut dyn Session,
    name: &str,
    origin: Origin,
    (versions, positions): (&BTreeMap<i64, i64>, &BTreeMap<i64, i64>),
    who: &str,
) -> Result<Option<Mark>, SnapshotError> {
    let d = session.dialect();
    let name = d.literal(name);
    let taken =
        session.number(&format!("SELECT count(*) FROM downhaul_mark WHERE name = {name}")).await?;
    if taken > 0 {
        return Ok(None);
    }
    session
        .execute(&format!(
            "INSERT INTO downhaul_mark (name, origin, at, versions, positions, who) VALUES ({name}, {}, {}, {}, {}, {})",
            d.literal(origin.as_str()),
            sql::now(d),
            d.literal(&json(versions)?),
            d.literal(&json(positions)?),
            d.literal(who)
        ))
        .await?;
    let row =
        session.row(&format!("SELECT {COLUMNS} FROM downhaul_mark WHERE name = {name}")).await?;
    Ok(row.as_ref().map(read).transpose()?)
}

/// The mark's name, or the next one that is free.
pub(crate) async fn free(session: &mut dyn Session, name: &str) -> Result<String, SnapshotError> {
    let d = session.dialect();
    let start = format!("{name} #");
    let taken = session
        .number(&format!(
            "SELECT count(*) FROM downhaul_mark WHERE name = {} OR substr(name, 1, {}) = {}",
            d.literal(name),
            start.chars().count(),
            d.literal(&start)
        ))
        .await?;
    Ok(if taken == 0 { name.to_owned() } else { format!("{name} #{}", taken + 1) })
}

/// All marks, oldest first.
pub(crate) async fn all(session: &mut dyn Session) -> Result<Vec<Mark>, SnapshotError> {
    let rows = session.rows(&format!("SELECT {COLUMNS} FROM downhaul_mark ORDER BY id")).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// Whether a table whose history begins with the mark of this number can go back to a mark.
pub(super) fn reaches(mark: &Mark, tracked: &Tracked, since: i64) -> bool {
    mark.id >= since && mark.positions.contains_key(&tracked.id)
}

/// Refuses a mark from before the tracking of a table began.
pub(crate) async fn check_reachable(
    session: &mut dyn Session,
    tracked: &Tracked,
    mark: &Mark,
) -> Result<(), SnapshotError> {
    let row = session
        .row(&format!(
            "SELECT since_mark, since_at FROM downhaul_tracked WHERE id = {}",
            tracked.id
        ))
        .await?
        .ok_or_else(|| SnapshotError::CannotTrack(format!("{} is not tracked", tracked.label())))?;
    if reaches(mark, tracked, row.number(0)?) {
        return Ok(());
    }
    Err(SnapshotError::OutOfReach {
        table: tracked.label(),
        mark: mark.name.clone(),
        since: row.text(1).to_owned(),
    })
}

/// Notes that the history of a table begins now.
pub(super) async fn begin_anew(
    session: &mut dyn Session,
    tracked: &Tracked,
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    session
        .execute(&format!(
            "UPDATE downhaul_tracked SET since_mark = (SELECT coalesce(max(id), 0) + 1 FROM downhaul_mark), since_at = {} WHERE id = {}",
            sql::now(d),
            tracked.id
        ))
        .await?;
    Ok(())
}
