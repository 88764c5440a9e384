//! What tracking costs and holds, and taking away history that is no longer needed.

use downhaul_engine::Session;
use downhaul_syntax::Dialect;

use super::{follow, history, moment};
use crate::mark::Mark;
use crate::store::SnapshotError;
use crate::track::prune::BATCH;
use crate::track::report::Standing;
use crate::track::{self, Around, Tracked};

/// Looks at every tracked table.
pub(crate) async fn standing(session: &mut dyn Session) -> Result<Vec<Standing>, SnapshotError> {
    let d = session.dialect();
    let all = track::all(session).await?;
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let marks = moment::all(session).await?;
    let around = Around::with_sizes(session).await?;
    let mut found = Vec::new();
    for tracked in all {
        let (mut events, mut bytes) = (0, 0);
        for version in &tracked.versions {
            let table = history(d, tracked.id, version.number);
            events += session.number(&format!("SELECT count(*) FROM {table}")).await?;
            bytes += size(session, &table).await?;
        }
        let row = session
            .row(&format!(
                "SELECT since_at, {}, since_mark FROM downhaul_tracked WHERE id = {}",
                match d {
                    Dialect::Sqlite =>
                        "CAST((julianday('now') - julianday(since_at)) * 86400 AS INTEGER)",
                    _ =>
                        "TIMESTAMPDIFF(SECOND, STR_TO_DATE(LEFT(since_at, 19), '%Y-%m-%dT%H:%i:%s'), UTC_TIMESTAMP())",
                },
                tracked.id
            ))
            .await?;
        let Some(row) = row else { continue };
        let drift = follow::drift(session, &around, &tracked).await?;
        let since = row.number(2)?;
        let oldest = marks.iter().find(|mark| moment::reaches(mark, &tracked, since));
        found.push(Standing {
            since: row.text(0).to_owned(),
            seconds: row.number(1)?,
            events,
            bytes,
            table_bytes: around.sizes.get(tracked.name.name.as_str()).map_or(0, |(_, b)| *b),
            oldest: oldest.map(|mark| mark.name.clone()),
            drift,
            tracked,
        });
    }
    Ok(found)
}

async fn size(session: &mut dyn Session, table: &str) -> Result<i64, SnapshotError> {
    let name = session.dialect().literal(table);
    if session.dialect() != Dialect::Sqlite {
        return Ok(session
            .number(&format!(
                "SELECT coalesce(sum(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {name}"
            ))
            .await?);
    }
    Ok(session
        .number(&format!("SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name = {name}"))
        .await?)
}

/// Deletes at most [`BATCH`] events from before a mark; how many went.
pub(crate) async fn prune(
    session: &mut dyn Session,
    tracked: &Tracked,
    mark: &Mark,
) -> Result<u64, SnapshotError> {
    let d = session.dialect();
    let Some(position) = mark.positions.get(&tracked.id) else { return Ok(0) };
    let newest =
        if d == Dialect::Sqlite { i64::MAX } else { moment::newest(session, tracked).await? };
    for version in &tracked.versions {
        let table = history(d, tracked.id, version.number);
        let sql = match d {
            Dialect::Sqlite => format!(
                "DELETE FROM {table} WHERE downhaul_pos IN (SELECT downhaul_pos FROM {table} WHERE downhaul_pos <= {position} ORDER BY downhaul_pos LIMIT {BATCH})"
            ),
            _ => format!(
                "DELETE FROM {table} WHERE downhaul_pos <= {position} AND downhaul_pos < {newest} ORDER BY downhaul_pos LIMIT {BATCH}"
            ),
        };
        let gone = session.execute(&sql).await?;
        if gone > 0 {
            return Ok(gone);
        }
    }
    Ok(0)
}

/// Notes that marks from before this one can no longer be reached, and removes them.
pub(crate) async fn forget_before(
    session: &mut dyn Session,
    mark: &Mark,
) -> Result<u64, SnapshotError> {
    let removed =
        session.execute(&format!("DELETE FROM downhaul_mark WHERE id < {}", mark.id)).await?;
    let at = session.dialect().literal(&mark.at);
    session
        .execute(&format!(
            "UPDATE downhaul_tracked SET since_at = CASE WHEN since_at < {at} THEN {at} ELSE since_at END, \
             since_mark = CASE WHEN since_mark < {0} THEN {0} ELSE since_mark END",
            mark.id
        ))
        .await?;
    Ok(removed)
}

/// Share of a table's events that lie before a mark, and all of them.
pub(crate) async fn share(
    session: &mut dyn Session,
    tracked: &Tracked,
    mark: &Mark,
) -> Result<(i64, i64), SnapshotError> {
    let d = session.dialect();
    let position = mark.positions.get(&tracked.id).copied().unwrap_or(0);
    let (mut gone, mut events) = (0, 0);
    for version in &tracked.versions {
        let table = history(d, tracked.id, version.number);
        gone += session
            .number(&format!("SELECT count(*) FROM {table} WHERE downhaul_pos <= {position}"))
            .await?;
        events += session.number(&format!("SELECT count(*) FROM {table}")).await?;
    }
    Ok((gone, events))
}
