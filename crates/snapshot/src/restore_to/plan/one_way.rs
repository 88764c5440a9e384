//! All tables of a restore row by row, or all of them anew.

use downhaul_engine::Session;

use super::{Plan, TablePlan};
use crate::history::Past;
use crate::restore_to::rewrite;
use crate::restore_to::strategy::{Strategy, Wish};
use crate::store::SnapshotError;

/// Up to this size (bytes) a table is written anew because others of the same restore are.
const SMALL: i64 = 16 << 20;

/// Who takes a snapshot while a restore runs, and keeps to it, finds tables that are written anew as
/// restored, and those that change row by row as they were. So that nobody sees a half of it, all
/// tables of one restore go the same way, unless a person wants it otherwise.
pub(super) async fn choose(
    session: &mut dyn Session,
    plan: &mut Plan,
) -> Result<(), SnapshotError> {
    let anew = |table: &TablePlan| !table.is_empty() && table.strategy == Strategy::Rewrite;
    let Some(large) = plan.tables.iter().find(|t| anew(t)).map(|t| t.tracked.label()) else {
        return Ok(());
    };
    if plan.request.wish != Wish::Auto {
        return Ok(());
    }
    let mut by_rows = None;
    for table in plan.tables.iter().filter(|t| !t.is_empty() && !anew(t)) {
        let size = session
            .number(&format!("SELECT pg_catalog.pg_table_size({})", table.tracked.relation))
            .await?;
        let past = Past::new(&table.tracked, &plan.request.target);
        if size > SMALL || rewrite::obstacle(session, table, &past).await?.is_some() {
            by_rows = Some(table.tracked.label());
            break;
        }
    }
    for table in plan.tables.iter_mut().filter(|t| !t.is_empty()) {
        match &by_rows {
            None if anew(table) => {}
            None => {
                table.strategy = Strategy::Rewrite;
                table.reason = format!("it is small, and {large} is written anew");
            }
            Some(other) if anew(table) => {
                table.strategy = Strategy::Rows;
                table.reason = format!(
                    "{}, but {other} goes row by row, and nobody should see one of them restored and the other not",
                    table.reason
                );
            }
            Some(_) => {}
        }
    }
    Ok(())
}
