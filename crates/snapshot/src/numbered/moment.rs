//! Marks and restores, as they are written down.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_engine::{EngineError, Row, Session};
use downhaul_syntax::Dialect;

use super::{history, install};
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
    let newest = newest_of(session, std::slice::from_ref(tracked), None).await?;
    Ok(newest.into_values().next().unwrap_or(0))
}

/// Histories that are looked into by one query: while tables are locked, MariaDB goes through all of these with
/// each statement.
const AT_ONCE: usize = 100;

/// The same of tables, by their numbers. `held`: what [`lock`] left without a lock.
async fn newest_of(
    session: &mut dyn Session,
    tables: &[Tracked],
    held: Option<&Unwritten>,
) -> Result<BTreeMap<i64, i64>, SnapshotError> {
    let d = session.dialect();
    let mut histories = Vec::new();
    for tracked in tables {
        // On SQLite numbers go on from form to form.
        let forms = if d == Dialect::Sqlite { tracked.versions.len().saturating_sub(1) } else { 0 };
        let versions = tracked.versions.iter().skip(forms);
        histories.extend(versions.map(|v| (tracked.id, history(d, tracked.id, v.number))));
    }
    let mut newest = BTreeMap::new();
    let unused = match held {
        Some(Unwritten(names)) => names.clone(),
        None if histories.len() > AT_ONCE => unused(session).await?,
        None => BTreeSet::new(),
    };
    let is_used = |(id, table): &(i64, String)| {
        if unused.contains(table) {
            newest.entry(*id).or_insert(0);
        }
        !unused.contains(table)
    };
    histories.retain(is_used);
    for histories in histories.chunks(AT_ONCE) {
        let query = |(id, table): &(i64, String)| {
            format!("SELECT {id}, coalesce(max(downhaul_pos), 0) FROM {table}")
        };
        let queries: Vec<String> = histories.iter().map(query).collect();
        for row in &session.rows(&queries.join(" UNION ALL ")).await? {
            // Pruning leaves the newest one there.
            let known: &mut i64 = newest.entry(row.number(0)?).or_default();
            *known = row.number(1)?.max(*known);
        }
    }
    if d == Dialect::Sqlite {
        given_of_sqlite(session, tables, &mut newest).await?;
    }
    Ok(newest)
}

/// MariaDB: histories into which nobody has written anything. None without the privilege `PROCESS`. (Of the others
/// the counter is no position: a statement may have taken numbers that it did not use, which are given again
/// after a restart.)
async fn unused(session: &mut dyn Session) -> Result<BTreeSet<String>, SnapshotError> {
    if session.dialect() != Dialect::MariaDb {
        return Ok(BTreeSet::new());
    }
    let database = session.row("SELECT DATABASE()").await?;
    let Some(database) = database.and_then(|row| install::file_name(row.text(0))) else {
        return Ok(BTreeSet::new());
    };
    let start = session.dialect().literal(&format!("{database}/downhaul_log_"));
    let rows = session
        .rows(&format!(
            "SELECT SUBSTRING_INDEX(NAME, '/', -1) FROM information_schema.INNODB_SYS_TABLESTATS WHERE AUTOINC = 1 AND LEFT(NAME, {}) = {start}",
            database.len() + "/downhaul_log_".len()
        ))
        .await;
    Ok(rows.unwrap_or_default().iter().map(|row| row.text(0).to_owned()).collect())
}

/// The highest numbers that SQLite has given, where those rows are gone.
async fn given_of_sqlite(
    session: &mut dyn Session,
    tables: &[Tracked],
    newest: &mut BTreeMap<i64, i64>,
) -> Result<(), SnapshotError> {
    let d = Dialect::Sqlite;
    let mut given = BTreeMap::new();
    // It has no index.
    let all = "SELECT name, seq FROM sqlite_sequence WHERE name GLOB 'downhaul_log_*'";
    for row in &session.rows(all).await? {
        given.insert(row.text(0).to_owned(), row.number(1)?);
    }
    for tracked in tables {
        let table = history(d, tracked.id, tracked.current().number);
        let given = given.get(&table).copied();
        let there = newest.entry(tracked.id).or_default();
        if *there > given.unwrap_or(0) {
            // A statement that fails half way (OR FAIL) keeps its rows, but the highest number given is
            // not written down then: it would be given again once those rows are pruned.
            let name = d.literal(&table);
            session
                .execute(&match given {
                    Some(_) => {
                        format!("UPDATE sqlite_sequence SET seq = {there} WHERE name = {name}")
                    }
                    None => {
                        format!("INSERT INTO sqlite_sequence (name, seq) VALUES ({name}, {there})")
                    }
                })
                .await?;
        }
        *there = (*there).max(given.unwrap_or(0));
    }
    Ok(())
}

/// The positions of so many tables fit into 64 KB, however large they are.
const ROOM_IN_64_KB: usize = 2000;

/// Up to so many histories are locked without asking who of them was ever written to.
const FEW: usize = 100;

/// Histories into which nobody had written anything when all the others were locked.
#[derive(Debug, Default)]
pub struct Unwritten(BTreeSet<String>);

/// Waits until nobody has an open transaction that wrote to a tracked table, and lets nobody write
/// until [`unlock`]. Ends the transaction that was begun; its time limits hold.
///
/// To take a lock the server goes through all that it has, so of many histories those are left out that
/// nobody ever wrote to: such a one has given no number, which it does before a row is written, whether or not
/// that is committed, and takes none back. That is asked again once the others are locked. Who writes to one of
/// them after that has committed nothing by then, and has written to none of the others: all of it comes after
/// the mark.
pub async fn lock(session: &mut dyn Session) -> Result<Unwritten, SnapshotError> {
    loop {
        let tables = track::all(session).await?;
        if tables.len() > ROOM_IN_64_KB {
            super::make_room(session).await?;
        }
        let histories: usize = tables.iter().map(|tracked| tracked.versions.len()).sum();
        let unwritten = if histories > FEW { unused(session).await? } else { BTreeSet::new() };
        lock_these(session, &tables, &unwritten).await?;
        // One that went on, or got another form, while this waited has to be locked too.
        let same = track::all(session).await? == tables;
        if same && (unwritten.is_empty() || unused(session).await?.is_superset(&unwritten)) {
            return Ok(Unwritten(unwritten));
        }
        unlock(session).await?;
    }
}

async fn lock_these(
    session: &mut dyn Session,
    tables: &[Tracked],
    unwritten: &BTreeSet<String>,
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let mut locks = Vec::new();
    for tracked in tables {
        if tracked.is_paused() {
            continue;
        }
        // Who changes rows of the table writes to its history. With the tables themselves there were twice as many
        // locks, and to take them the server goes through all that it has with each.
        for version in &tracked.versions {
            let history = history(d, tracked.id, version.number);
            if !unwritten.contains(&history) {
                locks.push(format!("{history} READ"));
            }
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

/// The same while [`lock`] holds.
pub async fn here_held(
    session: &mut dyn Session,
    held: &Unwritten,
) -> Result<(BTreeMap<i64, i64>, BTreeMap<i64, i64>), SnapshotError> {
    let tables = track::all(session).await?;
    of(session, &tables, Some(held)).await
}

/// The same of some tables.
pub(super) async fn here_of(
    session: &mut dyn Session,
    tables: &[Tracked],
) -> Result<(BTreeMap<i64, i64>, BTreeMap<i64, i64>), SnapshotError> {
    of(session, tables, None).await
}

async fn of(
    session: &mut dyn Session,
    tables: &[Tracked],
    held: Option<&Unwritten>,
) -> Result<(BTreeMap<i64, i64>, BTreeMap<i64, i64>), SnapshotError> {
    // What happens to a table that pauses is not written down: such a mark knows nothing of it.
    let goes_on: Vec<Tracked> = tables.iter().filter(|t| !t.is_paused()).cloned().collect();
    let versions = goes_on.iter().map(|t| (t.id, t.current().number)).collect();
    Ok((versions, newest_of(session, &goes_on, held).await?))
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
