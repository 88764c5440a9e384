//! How many rows a table has, about (PostgreSQL).
//!
//! Statistics are as old as the last `ANALYZE`, and the size of a table counts versions of rows that are
//! dead. What a restore is about has just been changed as a whole, mostly, and nobody has looked at it since.

use downhaul_engine::Session;

use super::strategy;
use crate::store::SnapshotError;
use crate::track::Tracked;

/// Pages that are looked at: a few milliseconds where the table is in memory.
const PAGES: i64 = 1_000;

/// Where as many rows change as `events` says, those of some pages are counted; else the number only has to be of the
/// right order, and what the server knows does.
pub(super) async fn about(
    session: &mut dyn Session,
    tracked: &Tracked,
    events: i64,
) -> Result<i64, SnapshotError> {
    let relation = tracked.relation;
    if !strategy::are_many(events) {
        let sql = format!(
            "SELECT coalesce((SELECT (CASE WHEN reltuples > 0 THEN reltuples ELSE pg_catalog.pg_relation_size(oid) / 100 END)::bigint \
             FROM pg_catalog.pg_class WHERE oid = {relation}), 0)"
        );
        return Ok(session.number(&sql).await?);
    }
    let sql = format!(
        "SELECT (coalesce((SELECT sum(pg_catalog.pg_relation_size(relid)) FROM pg_catalog.pg_partition_tree({relation})), \
                 pg_catalog.pg_relation_size({relation}), 0) / pg_catalog.current_setting('block_size')::int)::bigint"
    );
    let pages = session.number(&sql).await?.max(PAGES);
    let sql = format!(
        "SELECT (count(*) * {pages} / {PAGES})::bigint FROM {} TABLESAMPLE SYSTEM ((100.0 * {PAGES} / {pages})::real) REPEATABLE (0)",
        tracked.live()
    );
    Ok(session.number(&sql).await?)
}
