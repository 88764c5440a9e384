//! What tracking costs and holds.

use std::collections::BTreeMap;

use downhaul_engine::Session;

use super::{Around, Tracked, follow, history};
use crate::mark::Mark;
use crate::store::SnapshotError;

/// What is known of a tracked table.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The table.
    pub tracked: Tracked,
    /// Since when.
    pub since: String,
    /// Events in its history, as the server estimates.
    pub events: i64,
    /// Bytes of its history.
    pub bytes: i64,
    /// Bytes of the table itself.
    pub table_bytes: i64,
    /// Seconds that the history covers.
    pub seconds: i64,
    /// The oldest mark that can be reached.
    pub oldest: Option<String>,
    /// How tracking and table do not fit each other.
    pub drift: Option<follow::Drift>,
}

/// Looks at every tracked table.
pub async fn standing(session: &mut dyn Session) -> Result<Vec<Standing>, SnapshotError> {
    if crate::numbered::is(session.dialect()) {
        return crate::numbered::report::standing(session).await;
    }
    let marks = crate::mark::all(session).await?;
    let (mut found, around) = (Vec::new(), Around::read(session).await?);
    let oldest = oldest(session, &marks).await?;
    let (histories, tables) = (histories(session).await?, tables(session).await?);
    for tracked in super::all(session).await? {
        let Some(table) = tables.get(&tracked.id) else { continue };
        let parts =
            tracked.versions.iter().filter_map(|v| histories.get(&history(tracked.id, v.number)));
        let (events, bytes) = parts.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        let drift = if tracked.relation == 0 {
            Some(follow::Drift::Gone)
        } else {
            follow::drift(session, &around, &tracked).await?
        };
        found.push(Standing {
            since: table.since.clone(),
            seconds: table.seconds,
            events,
            bytes,
            table_bytes: table.bytes,
            oldest: oldest.get(&tracked.id).cloned(),
            drift,
            tracked,
        });
    }
    Ok(found)
}

/// Events (as the server estimates) and bytes of every history, by its name.
async fn histories(
    session: &mut dyn Session,
) -> Result<BTreeMap<String, (i64, i64)>, SnapshotError> {
    let rows = session
        .rows(
            "SELECT 'downhaul.' || c.relname, (CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE pg_catalog.pg_relation_size(c.oid) / 100 END)::bigint, \
               pg_catalog.pg_total_relation_size(c.oid) \
             FROM pg_catalog.pg_class c WHERE c.relnamespace = pg_catalog.to_regnamespace('downhaul') AND c.relkind = 'r' AND c.relname LIKE 'log\\_%'",
        )
        .await?;
    rows.iter().map(|row| Ok((row.text(0).to_owned(), (row.number(1)?, row.number(2)?)))).collect()
}

/// What the server knows of a tracked table.
struct Known {
    since: String,
    seconds: i64,
    bytes: i64,
}

/// Every tracked table, by the number of its tracking.
async fn tables(session: &mut dyn Session) -> Result<BTreeMap<i64, Known>, SnapshotError> {
    if !super::exists(session).await? {
        return Ok(BTreeMap::new());
    }
    let rows = session
        .rows(
            "SELECT t.id, to_char(t.since_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), \
               extract(epoch FROM clock_timestamp() - t.since_at)::bigint, coalesce(sum(pg_catalog.pg_total_relation_size(p.oid)), 0)::bigint \
             FROM downhaul.tracked t LEFT JOIN pg_catalog.pg_class c ON c.oid = t.relation \
             LEFT JOIN LATERAL pg_catalog.pg_partition_tree(CASE c.relkind WHEN 'p' THEN c.oid END) x ON true \
             LEFT JOIN pg_catalog.pg_class p ON p.oid = coalesce(x.relid::oid, c.oid) GROUP BY t.id",
        )
        .await?;
    rows.iter()
        .map(|row| {
            let since = row.text(1).to_owned();
            Ok((row.number(0)?, Known { since, seconds: row.number(2)?, bytes: row.number(3)? }))
        })
        .collect()
}

/// The oldest mark that each tracked table can go back to, by its number. `marks`: oldest first.
async fn oldest(
    session: &mut dyn Session,
    marks: &[Mark],
) -> Result<BTreeMap<i64, String>, SnapshotError> {
    let mut oldest = BTreeMap::new();
    for mark in marks {
        let rows = session
            .rows(&format!(
                "SELECT id FROM downhaul.tracked WHERE NOT {} AND NOT id = ANY('{{{}}}'::bigint[])",
                mark.after("since_xid"),
                oldest.keys().map(i64::to_string).collect::<Vec<_>>().join(",")
            ))
            .await?;
        for row in &rows {
            oldest.insert(row.number(0)?, mark.name.clone());
        }
    }
    Ok(oldest)
}
