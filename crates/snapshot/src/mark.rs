//! Marks: moments to which one can return.
//!
//! A mark is not a time but a set of transactions: those that were committed when it was made.
//! What a transaction wrote that was still running then comes after the mark as a whole, whatever
//! it had written already; no writer waits for a mark, and no mark for a writer.

use std::collections::BTreeMap;

use downhaul_engine::{EngineError, LockBudget, Row, Session};
use downhaul_syntax::Dialect;

use crate::numbered;
use crate::store::SnapshotError;
use crate::track;

const D: Dialect = Dialect::Postgres;

/// Why a mark was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A person asked for it.
    Person,
    /// A migration begins or has ended.
    Migration,
    /// A restore begins or has ended.
    Restore,
}

impl Origin {
    /// As written in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Migration => "migration",
            Self::Restore => "restore",
        }
    }
}

/// Whether what the current transaction has written itself lies before the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// It comes after.
    After,
    /// It comes before.
    Before,
}

/// A mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Number; newer marks have higher ones.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Why it was made.
    pub origin: String,
    /// When, for people.
    pub at: String,
    /// Transactions from this number on come after the mark.
    pub xmax: String,
    /// Transactions below `xmax` that come after it all the same: they were running.
    pub running: Vec<String>,
    /// Place in the write-ahead log.
    pub lsn: String,
    /// Who made it.
    pub who: String,
    /// Form that each tracked table had, by its number.
    pub versions: BTreeMap<i64, i64>,
    /// Number of the newest event of each tracked table, where events are numbered.
    pub positions: BTreeMap<i64, i64>,
}

impl Mark {
    /// A test that a transaction comes after the mark.
    #[must_use]
    pub fn after(&self, xid: &str) -> String {
        // Cheaper than pg_visible_in_snapshot() by far on millions of rows.
        let later = format!("{xid} >= '{}'::xid8", self.xmax);
        if self.running.is_empty() {
            later
        } else {
            let list: Vec<String> = self.running.iter().map(|x| format!("'{x}'::xid8")).collect();
            format!("({later} OR {xid} IN ({}))", list.join(", "))
        }
    }
}

/// A number that no mark had. That of a removed one is not given again: the way back from a restore, and views of
/// the past, go by it.
const NEXT_ID: &str = "SELECT greatest((SELECT max(id) FROM downhaul.mark), (SELECT max(greatest(before_mark, after_mark)) FROM downhaul.restoration), \
     (SELECT max(substring(relname FROM '_at_([0-9]{1,18})$')::bigint) FROM pg_catalog.pg_class \
      WHERE relkind = 'v' AND relnamespace = pg_catalog.to_regnamespace('downhaul')), 0) + 1";

const COLUMNS: &str = "id, name, origin, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), \
     snap_max::text, array_to_string(running, ','), lsn::text, who, versions::text";

fn read(row: &Row) -> Result<Mark, EngineError> {
    Ok(Mark {
        id: row.number(0)?,
        name: row.text(1).to_owned(),
        origin: row.text(2).to_owned(),
        at: row.text(3).to_owned(),
        xmax: row.text(4).to_owned(),
        running: row.text(5).split(',').filter(|x| !x.is_empty()).map(str::to_owned).collect(),
        lsn: row.text(6).to_owned(),
        who: row.text(7).to_owned(),
        versions: serde_json::from_str(row.text(8))
            .map_err(|error| EngineError::Protocol(error.to_string()))?,
        positions: BTreeMap::new(),
    })
}

/// Makes a mark. In a transaction that has written before, `own` says on which side that lies.
/// `None`: there is a mark of this name already.
pub async fn make(
    session: &mut dyn Session,
    name: &str,
    origin: Origin,
    own: Own,
    who: &str,
) -> Result<Option<Mark>, SnapshotError> {
    if numbered::is(session.dialect()) {
        // Whoever writes waits for the transaction in which this is asked, so both sides are one.
        let (versions, positions) = numbered::moment::here(session).await?;
        return numbered::moment::make(session, name, origin, (&versions, &positions), who).await;
    }
    let name = D.literal(name);
    // A snapshot leaves its own transaction out of those that run, and may be older than its
    // number: both sides have to be said.
    let (xmax, running) = match own {
        Own::After => (
            "pg_catalog.pg_snapshot_xmax(s)",
            "CASE WHEN x < pg_catalog.pg_snapshot_xmax(s) THEN ARRAY[x] ELSE '{}'::xid8[] END",
        ),
        Own::Before => (
            "greatest(pg_catalog.pg_snapshot_xmax(s), (x::text::bigint + 1)::text::xid8)",
            "ARRAY(SELECT g::text::xid8 FROM generate_series(pg_catalog.pg_snapshot_xmax(s)::text::bigint, x::text::bigint - 1) g)",
        ),
    };
    // One statement has one snapshot: what the lists say was so at the same moment.
    let sql = format!(
        "INSERT INTO downhaul.mark (id, name, origin, at, snap_min, snap_max, running, lsn, versions, sequences, who) \
         SELECT ({NEXT_ID}), {name}, {}, pg_catalog.clock_timestamp(), \
           pg_catalog.pg_snapshot_xmin(s), {xmax}, \
           ARRAY(SELECT i FROM pg_catalog.pg_snapshot_xip(s) i) || {running}, \
           CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE pg_catalog.pg_current_wal_lsn() END, \
           (SELECT coalesce(jsonb_object_agg(id::text, version), '{{}}') FROM downhaul.tracked), \
           (SELECT coalesce(jsonb_object_agg(n.nspname || '.' || c.relname, \
              CASE WHEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT, USAGE') THEN pg_catalog.pg_sequence_last_value(c.oid) END), '{{}}') \
            FROM downhaul.tracked t JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = t.relation \
            JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid AND c.relkind = 'S' \
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname <> 'downhaul'), {} \
         FROM (SELECT pg_catalog.pg_current_snapshot() AS s, pg_catalog.pg_current_xact_id() AS x OFFSET 0) now \
         ON CONFLICT (name) DO NOTHING RETURNING {COLUMNS}",
        D.literal(origin.as_str()),
        D.literal(who),
    );
    let row = session.row(&sql).await?;
    Ok(row.as_ref().map(read).transpose()?)
}

/// Makes a mark of its own, outside of any transaction: beside whatever runs on PostgreSQL, where
/// neither waits for the other; else when nobody writes to the tracked tables, for an instant.
pub async fn alone(
    session: &mut dyn Session,
    budget: LockBudget,
    name: &str,
    origin: Origin,
    who: &str,
) -> Result<Option<Mark>, SnapshotError> {
    if session.dialect() == Dialect::Postgres {
        return make(session, name, origin, Own::After, who).await;
    }
    session.begin(budget).await?;
    let locks = session.dialect() != Dialect::Sqlite;
    let made = async {
        if !locks {
            return make(session, name, origin, Own::After, who).await;
        }
        let held = numbered::moment::lock(session).await?;
        let (versions, positions) = numbered::moment::here_held(session, &held).await?;
        numbered::moment::make(session, name, origin, (&versions, &positions), who).await
    }
    .await;
    if made.is_err() {
        session.rollback().await?;
    }
    if locks {
        numbered::moment::unlock(session).await?;
    }
    session.commit().await.or_else(|error| if made.is_err() { Ok(()) } else { Err(error) })?;
    made
}

/// The mark's name where that is free, else with a number.
pub async fn free_name(session: &mut dyn Session, name: &str) -> Result<String, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::moment::free(session, name).await;
    }
    free(session, name).await
}

/// The forms of all tracked tables, as a mark notes them.
pub async fn versions(session: &mut dyn Session) -> Result<String, SnapshotError> {
    if numbered::is(session.dialect()) {
        let here = numbered::moment::here(session).await?;
        return serde_json::to_string(&here)
            .map_err(|error| SnapshotError::CannotTrack(error.to_string()));
    }
    let row = session
        .row("SELECT coalesce(jsonb_object_agg(id::text, version), '{}')::text FROM downhaul.tracked")
        .await?;
    Ok(row.map_or_else(|| "{}".to_owned(), |row| row.text(0).to_owned()))
}

/// Two marks at the end of a transaction that differ in nothing but what it did itself: to go back
/// from the second to the first undoes this transaction and no other. `versions`: the forms of
/// tables before it. Names that are taken get a number.
pub async fn around(
    session: &mut dyn Session,
    (before, after): (&str, &str),
    versions: &str,
    who: &str,
) -> Result<(), SnapshotError> {
    if numbered::is(session.dialect()) {
        return around_numbered(session, (before, after), versions, who).await;
    }
    let (before, after) = (free(session, before).await?, free(session, after).await?);
    let Some(first) = make(session, &before, Origin::Migration, Own::After, who).await? else {
        return Err(SnapshotError::CannotTrack(format!("there is a mark `{before}` already")));
    };
    let id = first.id;
    // The second one sees what the first one does, and this transaction.
    session
        .execute(&format!(
            "INSERT INTO downhaul.mark (id, name, origin, at, snap_min, snap_max, running, lsn, versions, sequences, who) \
             SELECT id + 1, {}, origin, at, snap_min, greatest(snap_max, (x::text::bigint + 1)::text::xid8), \
               array_remove(running, x) || ARRAY(SELECT g::text::xid8 FROM generate_series(snap_max::text::bigint, x::text::bigint - 1) g), \
               lsn, versions, sequences, who FROM downhaul.mark, (SELECT pg_catalog.pg_current_xact_id() AS x) own WHERE id = {id}",
            D.literal(&after)
        ))
        .await?;
    session
        .execute(&format!(
            "UPDATE downhaul.mark SET versions = {}::jsonb WHERE id = {id}",
            D.literal(versions)
        ))
        .await?;
    Ok(())
}

/// The same where events are numbered: `versions` is the moment before.
async fn around_numbered(
    session: &mut dyn Session,
    (before, after): (&str, &str),
    versions: &str,
    who: &str,
) -> Result<(), SnapshotError> {
    let (forms, positions): (BTreeMap<i64, i64>, BTreeMap<i64, i64>) =
        serde_json::from_str(versions)
            .map_err(|error| SnapshotError::CannotTrack(error.to_string()))?;
    let now = numbered::moment::here(session).await?;
    for (name, forms, positions) in [(before, &forms, &positions), (after, &now.0, &now.1)] {
        let name = numbered::moment::free(session, name).await?;
        numbered::moment::make(session, &name, Origin::Migration, (forms, positions), who).await?;
    }
    Ok(())
}

async fn free(session: &mut dyn Session, name: &str) -> Result<String, SnapshotError> {
    let like = D.literal(name);
    let taken = session
        .number(&format!(
            "SELECT count(*) FROM downhaul.mark WHERE name = {like} OR starts_with(name, {like} || ' #')"
        ))
        .await?;
    Ok(if taken == 0 { name.to_owned() } else { format!("{name} #{}", taken + 1) })
}

/// All marks, oldest first.
pub async fn all(session: &mut dyn Session) -> Result<Vec<Mark>, SnapshotError> {
    if !track::exists(session).await? {
        return Ok(Vec::new());
    }
    if numbered::is(session.dialect()) {
        return numbered::moment::all(session).await;
    }
    let rows = session.rows(&format!("SELECT {COLUMNS} FROM downhaul.mark ORDER BY id")).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// The mark of this name.
pub async fn named(session: &mut dyn Session, name: &str) -> Result<Mark, SnapshotError> {
    let marks = all(session).await?;
    let found = marks.iter().find(|m| m.name == name).cloned();
    found.ok_or_else(|| SnapshotError::UnknownMark {
        name: name.to_owned(),
        known: marks.iter().rev().take(5).map(|m| m.name.clone()).collect(),
    })
}

/// The newest mark that was made at or before a time: on PostgreSQL one that the server reads, else
/// one in UTC as marks have it.
pub async fn at_time(session: &mut dyn Session, time: &str) -> Result<Mark, SnapshotError> {
    track::check_engine(session)?;
    if numbered::is(session.dialect()) {
        let found = all(session).await?.into_iter().rfind(|mark| mark.at.as_str() <= time);
        return found.ok_or_else(|| {
            SnapshotError::CannotTrack(format!("no mark was made at or before {time}"))
        });
    }
    let row = if track::exists(session).await? {
        session
            .row(&format!(
                "SELECT {COLUMNS} FROM downhaul.mark WHERE at <= {}::timestamptz ORDER BY id DESC LIMIT 1",
                D.literal(time)
            ))
            .await?
    } else {
        None
    };
    match row {
        Some(row) => Ok(read(&row)?),
        None => Err(SnapshotError::CannotTrack(format!("no mark was made at or before {time}"))),
    }
}

/// Removes a mark. Returns whether it was there.
pub async fn remove(session: &mut dyn Session, name: &str) -> Result<bool, SnapshotError> {
    if !track::exists(session).await? {
        return Ok(false);
    }
    let d = session.dialect();
    let removed = session
        .execute(&format!(
            "DELETE FROM {} WHERE name = {}",
            crate::sql::own(d, "mark"),
            d.literal(name)
        ))
        .await?;
    Ok(removed > 0)
}

/// Refuses a mark from before the tracking of a table began.
pub async fn check_reachable(
    session: &mut dyn Session,
    tracked: &track::Tracked,
    mark: &Mark,
) -> Result<(), SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::moment::check_reachable(session, tracked, mark).await;
    }
    let too_old = session
        .row(&format!(
            "SELECT {}, to_char(since_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"') FROM downhaul.tracked WHERE id = {}",
            mark.after("since_xid"),
            tracked.id
        ))
        .await?;
    match too_old {
        Some(row) if !row.flag(0) => Ok(()),
        Some(row) => Err(SnapshotError::OutOfReach {
            table: tracked.label(),
            mark: mark.name.clone(),
            since: row.text(1).to_owned(),
        }),
        None => Err(SnapshotError::CannotTrack(format!("{} is not tracked", tracked.label()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_transactions_come_after() {
        let mut mark = Mark {
            id: 1,
            name: "m".into(),
            origin: "person".into(),
            at: String::new(),
            xmax: "9".into(),
            running: Vec::new(),
            lsn: String::new(),
            who: String::new(),
            versions: BTreeMap::new(),
            positions: BTreeMap::new(),
        };
        assert_eq!(mark.after("x"), "x >= '9'::xid8");
        mark.running = vec!["5".into(), "7".into()];
        assert_eq!(mark.after("x"), "(x >= '9'::xid8 OR x IN ('5'::xid8, '7'::xid8))");
    }
}
