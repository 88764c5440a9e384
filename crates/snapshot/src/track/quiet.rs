//! Tables on which nothing happened: of thousands that are tracked, most.

use std::collections::BTreeSet;

use downhaul_engine::Session;

use super::Tracked;
use crate::mark::Mark;
use crate::numbered;
use crate::store::SnapshotError;

/// Histories that are looked into by one query.
const AT_ONCE: usize = 100;

/// Numbers of the tables that may have changed since any of these marks. Of the others nothing needs to be
/// compared, locked or made. On PostgreSQL those whose history is no empty file: that is seen whether or
/// not who wrote has committed, and without a lock on it.
pub(crate) async fn touched(
    session: &mut dyn Session,
    tables: &[Tracked],
    marks: &[&Mark],
) -> Result<BTreeSet<i64>, SnapshotError> {
    let mut found = BTreeSet::new();
    if tables.is_empty() {
        return Ok(found);
    }
    if !numbered::is(session.dialect()) {
        let rows = session
            .rows(
                "SELECT DISTINCT split_part(relname, '_', 2) FROM pg_catalog.pg_class WHERE relnamespace = 'downhaul'::regnamespace \
                 AND relkind = 'r' AND relname LIKE 'log\\_%' AND pg_catalog.pg_relation_size(oid) > 0",
            )
            .await?;
        found.extend(rows.iter().filter_map(|row| row.text(0).parse::<i64>().ok()));
        return Ok(found);
    }
    for tables in tables.chunks(AT_ONCE) {
        let mut queries = Vec::new();
        for tracked in tables {
            // A mark that knows nothing of a table comes before all of its history.
            let position =
                marks.iter().map(|m| m.positions.get(&tracked.id).copied().unwrap_or(-1)).min();
            for version in &tracked.versions {
                let table = numbered::history(tracked.dialect, tracked.id, version.number);
                queries.push(format!(
                    "SELECT {} FROM (SELECT 1) AS one WHERE EXISTS (SELECT 1 FROM {table} WHERE downhaul_pos > {})",
                    tracked.id,
                    position.unwrap_or(-1)
                ));
            }
        }
        for row in &session.rows(&queries.join(" UNION ALL ")).await? {
            found.insert(row.number(0)?);
        }
    }
    Ok(found)
}
