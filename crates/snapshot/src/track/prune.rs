//! Taking away history that is no longer needed.

use downhaul_engine::Session;
use downhaul_syntax::Dialect;

use super::report::Standing;
use super::{Tracked, history};
use crate::mark::Mark;
use crate::numbered;
use crate::store::SnapshotError;

/// Rows deleted in one transaction.
pub const BATCH: u64 = 20_000;

/// One step of pruning: deletes at most [`BATCH`] events from before a mark. Returns how many went;
/// 0 means that nothing is left to prune. Within a transaction.
///
/// Events from before a mark are needed by no mark from it on: those that come after any of these
/// come after it too.
pub async fn step(
    session: &mut dyn Session,
    tracked: &Tracked,
    mark: &Mark,
) -> Result<u64, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::report::prune(session, tracked, mark).await;
    }
    for version in &tracked.versions {
        let table = history(tracked.id, version.number);
        let gone = session
            .execute(&format!(
                "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE NOT ({}) LIMIT {BATCH}))",
                mark.after("downhaul_xid")
            ))
            .await?;
        if gone > 0 {
            return Ok(gone);
        }
    }
    Ok(0)
}

/// Notes that marks from before this one can no longer be reached, and removes them. Within a
/// transaction, before the first [`step`].
pub async fn forget_before(session: &mut dyn Session, mark: &Mark) -> Result<u64, SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::report::forget_before(session, mark).await;
    }
    let removed =
        session.execute(&format!("DELETE FROM downhaul.mark WHERE id < {}", mark.id)).await?;
    // The history of each table begins with the last transaction that the mark holds.
    session
        .execute(&format!(
            "UPDATE downhaul.tracked SET since_at = greatest(since_at, {}::timestamptz)",
            Dialect::Postgres.literal(&mark.at)
        ))
        .await?;
    Ok(removed)
}

/// How many of a table's events lie before a mark, and how many there are.
pub async fn share(
    session: &mut dyn Session,
    tracked: &Tracked,
    mark: &Mark,
) -> Result<(i64, i64), SnapshotError> {
    if numbered::is(session.dialect()) {
        return numbered::report::share(session, tracked, mark).await;
    }
    let (mut gone, mut events) = (0, 0);
    for version in &tracked.versions {
        let table = history(tracked.id, version.number);
        let row = session
            .row(&format!(
                "SELECT count(*) FILTER (WHERE NOT ({})), count(*) FROM {table}",
                mark.after("downhaul_xid")
            ))
            .await?;
        if let Some(row) = row {
            gone += row.number(0)?;
            events += row.number(1)?;
        }
    }
    Ok((gone, events))
}

/// Pages of a history that are looked at to learn how many are in use.
const SAMPLE: i64 = 20_000;

/// Bytes of a table's history that hold events. On PostgreSQL its files keep the size that they have once had:
/// what was pruned is free for new events, and is not to be counted, or each further pruning to a size would
/// take as much again.
pub async fn in_use(session: &mut dyn Session, standing: &Standing) -> Result<i64, SnapshotError> {
    if numbered::is(session.dialect()) {
        return Ok(standing.bytes);
    }
    let mut sum = 0;
    for version in &standing.tracked.versions {
        let table = history(standing.tracked.id, version.number);
        let row = session
            .row(&format!(
                "SELECT pg_catalog.pg_relation_size('{table}') / pg_catalog.current_setting('block_size')::bigint, pg_catalog.pg_total_relation_size('{table}')"
            ))
            .await?;
        let Some(row) = row else { continue };
        let (pages, bytes) = (row.number(0)?, row.number(1)?);
        if pages == 0 {
            continue;
        }
        let (sample, share) = match pages > SAMPLE {
            false => (String::new(), 1.0),
            true => {
                let share = SAMPLE as f64 / pages as f64;
                (format!("TABLESAMPLE SYSTEM ({})", share * 100.0), share)
            }
        };
        // As texts, for a position has no other way to its page.
        let used = session
            .number(&format!(
                "SELECT count(DISTINCT split_part(ctid::text, ',', 1)) FROM {table} {sample}"
            ))
            .await?;
        sum += (bytes as f64 * (used as f64 / (pages as f64 * share)).min(1.0)) as i64;
    }
    Ok(sum)
}
