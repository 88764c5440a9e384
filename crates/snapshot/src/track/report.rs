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
    for tracked in super::all(session).await? {
        let parts: Vec<String> = tracked
            .versions
            .iter()
            .map(|v| format!("pg_catalog.to_regclass('{}')", history(tracked.id, v.number)))
            .collect();
        let row = session
            .row(&format!(
                "SELECT to_char(t.since_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), \
                   extract(epoch FROM clock_timestamp() - t.since_at)::bigint, \
                   coalesce((SELECT sum(CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE pg_catalog.pg_relation_size(c.oid) / 100 END) FROM pg_catalog.pg_class c WHERE c.oid IN ({0})), 0)::bigint, \
                   coalesce((SELECT sum(pg_catalog.pg_total_relation_size(c.oid)) FROM pg_catalog.pg_class c WHERE c.oid IN ({0})), 0)::bigint, \
                   coalesce((SELECT sum(pg_catalog.pg_total_relation_size(c.oid)) FROM pg_catalog.pg_class c WHERE c.oid = ANY (ARRAY(SELECT t.relation UNION SELECT relid::oid FROM pg_catalog.pg_partition_tree(t.relation)))), 0)::bigint \
                 FROM downhaul.tracked t WHERE t.id = {1}",
                parts.join(", "),
                tracked.id
            ))
            .await?;
        let Some(row) = row else { continue };
        let drift = if tracked.relation == 0 {
            Some(follow::Drift::Gone)
        } else {
            follow::drift(session, &around, &tracked).await?
        };
        found.push(Standing {
            since: row.text(0).to_owned(),
            seconds: row.number(1)?,
            events: row.number(2)?,
            bytes: row.number(3)?,
            table_bytes: row.number(4)?,
            oldest: oldest.get(&tracked.id).cloned(),
            drift,
            tracked,
        });
    }
    Ok(found)
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
