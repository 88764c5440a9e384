//! What was restored, and the way back from it.

use downhaul_engine::Session;

use super::apply::Context;
use super::plan::Plan;
use crate::mark::Mark;
use crate::store::SnapshotError;
use crate::{numbered, sql, track};

/// A restore that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restoration {
    /// Number.
    pub id: i64,
    /// When.
    pub at: String,
    /// By whom.
    pub who: String,
    /// To which mark.
    pub target: String,
    /// Mark before it.
    pub before: String,
    /// Mark after it.
    pub after: String,
    /// Tables, quoted.
    pub tables: Vec<String>,
    /// The restore that undid this one.
    pub undone_by: Option<i64>,
}

pub(crate) fn mark_name(id: i64, side: &str) -> String {
    format!("{side} restore {id}")
}

pub(crate) async fn next(session: &mut dyn Session) -> Result<i64, SnapshotError> {
    let table = sql::own(session.dialect(), "restoration");
    Ok(session.number(&format!("SELECT coalesce(max(id), 0) + 1 FROM {table}")).await?)
}

/// Writes down a restore.
pub(crate) async fn write(
    session: &mut dyn Session,
    id: i64,
    plan: &Plan,
    (before, after): (&Mark, &Mark),
    context: &Context<'_>,
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    // On tables that were left alone others may have written meanwhile, which is not for us to undo.
    let changed = plan.tables.iter().filter(|t| !t.is_empty());
    let tables: Vec<String> = changed.map(|t| d.quote_name(&t.tracked.name)).collect();
    let tables = serde_json::to_string(&tables)
        .map_err(|error| SnapshotError::CannotRestore(error.to_string()))?;
    let undoes = context.undoes.map_or_else(|| "NULL".to_owned(), |id| id.to_string());
    let now = if numbered::is(d) { sql::now(d) } else { "clock_timestamp()" };
    let own = sql::own(d, "restoration");
    session
        .execute(&format!(
            "INSERT INTO {own} (id, at, who, target, before_mark, after_mark, tables, undoes) \
             VALUES ({id}, {now}, {}, {}, {}, {}, {}, {undoes})",
            d.literal(context.who),
            d.literal(&plan.request.target.name),
            before.id,
            after.id,
            d.literal(&tables)
        ))
        .await?;
    if let Some(undone) = context.undoes {
        session.execute(&format!("UPDATE {own} SET undone_by = {id} WHERE id = {undone}")).await?;
    }
    Ok(())
}

/// Every restore, oldest first.
pub async fn restorations(session: &mut dyn Session) -> Result<Vec<Restoration>, SnapshotError> {
    if !track::exists(session).await? {
        return Ok(Vec::new());
    }
    let d = session.dialect();
    let at = if numbered::is(d) {
        "r.at"
    } else {
        "to_char(r.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    };
    let rows = session
        .rows(&format!(
            "SELECT r.id, {at}, r.who, r.target, coalesce(b.name, ''), coalesce(a.name, ''), r.tables, r.undone_by \
             FROM {} r LEFT JOIN {mark} b ON b.id = r.before_mark LEFT JOIN {mark} a ON a.id = r.after_mark ORDER BY r.id",
            sql::own(d, "restoration"),
            mark = sql::own(d, "mark"),
        ))
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Restoration {
                id: row.number(0)?,
                at: row.text(1).to_owned(),
                who: row.text(2).to_owned(),
                target: row.text(3).to_owned(),
                before: row.text(4).to_owned(),
                after: row.text(5).to_owned(),
                tables: serde_json::from_str(row.text(6)).unwrap_or_default(),
                undone_by: row.opt(7).and_then(|id| id.parse().ok()),
            })
        })
        .collect()
}
