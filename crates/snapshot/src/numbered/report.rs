//! What tracking costs and holds, and taking away history that is no longer needed.

use std::collections::BTreeMap;

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
    let mut around = Around::with_sizes(session).await?;
    around.look_at(session, &all).await?;
    let histories = histories(session, &all).await?;
    let mut beginnings = BTreeMap::new();
    let seconds = match d {
        Dialect::Sqlite => "CAST((julianday('now') - julianday(since_at)) * 86400 AS INTEGER)",
        _ => {
            "TIMESTAMPDIFF(SECOND, STR_TO_DATE(LEFT(since_at, 19), '%Y-%m-%dT%H:%i:%s'), UTC_TIMESTAMP())"
        }
    };
    let rows = session
        .rows(&format!("SELECT id, since_at, {seconds}, since_mark FROM downhaul_tracked"))
        .await?;
    for row in rows {
        beginnings.insert(row.number(0)?, row);
    }
    let mut found = Vec::new();
    for tracked in all {
        let Some(row) = beginnings.get(&tracked.id) else { continue };
        let (mut events, mut bytes) = (0, 0);
        for version in &tracked.versions {
            let known = histories.get(&history(d, tracked.id, version.number));
            events += known.map_or(0, |(events, _)| *events);
            bytes += known.map_or(0, |(_, bytes)| *bytes);
        }
        let drift = follow::drift(session, &around, &tracked).await?;
        let since = row.number(3)?;
        let oldest = marks.iter().find(|mark| moment::reaches(mark, &tracked, since));
        found.push(Standing {
            since: row.text(1).to_owned(),
            seconds: row.number(2)?,
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

/// Histories that are counted by one query.
const AT_ONCE: usize = 100;

/// Events and bytes of every history, by its name.
async fn histories(
    session: &mut dyn Session,
    all: &[Tracked],
) -> Result<BTreeMap<String, (i64, i64)>, SnapshotError> {
    let d = session.dialect();
    let mut found = BTreeMap::new();
    let names: Vec<String> =
        all.iter().flat_map(|t| t.versions.iter().map(|v| history(d, t.id, v.number))).collect();
    for names in names.chunks(AT_ONCE) {
        let count = |name: &String| format!("SELECT {}, count(*) FROM {name}", d.literal(name));
        let queries: Vec<String> = names.iter().map(count).collect();
        for row in &session.rows(&queries.join(" UNION ALL ")).await? {
            found.insert(row.text(0).to_owned(), (row.number(1)?, 0));
        }
    }
    if d == Dialect::Sqlite {
        // An empty one has one page. Of each other one it looks through the schema.
        let page = session.number("PRAGMA page_size").await?;
        for (name, (events, bytes)) in &mut found {
            *bytes = match events {
                0 => page,
                _ => {
                    let name = d.literal(name);
                    let sum = "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name";
                    session.number(&format!("{sum} = {name}")).await?
                }
            };
        }
        return Ok(found);
    }
    let rows = session
        .rows(
            "SELECT TABLE_NAME, DATA_LENGTH + INDEX_LENGTH FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'downhaul\\_log\\_%'",
        )
        .await?;
    for row in &rows {
        if let Some((_, bytes)) = found.get_mut(row.text(0)) {
            *bytes = row.opt(1).map_or(Ok(0), |_| row.number(1))?;
        }
    }
    Ok(found)
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
