//! A large table is copied part by part, so that somebody can be told how far it is. Within the
//! migration's transaction, which holds the table against everybody who writes: all parts together are
//! what one statement would have copied, and both are counted afterwards.

use std::time::{Duration, Instant};

use downhaul_engine::{Session, TableShape};
use downhaul_syntax::Dialect;

use crate::sql;
use crate::store::SnapshotError;

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Rows so far.
    pub rows: u64,
    /// Rows in all; 0 where nobody knows.
    pub total: u64,
    /// That is an estimate, and not counted.
    pub about: bool,
}

/// Is told how far a copy is.
pub type Tell<'a> = &'a mut (dyn FnMut(Copied) + Send);

/// How long a part shall take.
const AIM: Duration = Duration::from_millis(500);

/// Pages of PostgreSQL of the first part (16 MB); what has no more is copied at once.
const PAGES: u64 = 2048;

/// Rows of the first part on SQLite.
const ROWS: u64 = 20_000;

/// The size of the next part, from that of the last one and how long it took.
fn next_size(size: u64, took: Duration, least: u64) -> u64 {
    let fitting = size as f64 * AIM.as_secs_f64() / took.as_secs_f64().max(0.001);
    // A float that does not fit becomes the largest number.
    (fitting as u64).clamp(least, size.saturating_mul(4))
}

/// Pages of a table of PostgreSQL, if it can be copied page by page and is worth it: an index by the
/// place of rows is none, and before PostgreSQL 14 each part would read the whole table.
pub(crate) async fn pages(
    session: &mut dyn Session,
    shape: &TableShape,
) -> Result<Option<u64>, SnapshotError> {
    if session.server().major < 14 || shape.divided {
        return Ok(None);
    }
    let name = session.dialect().literal(&sql::table(session.dialect(), &shape.name));
    let pages = session
        .number(&format!(
            "SELECT pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::bigint FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_am a ON a.oid = c.relam \
             WHERE c.oid = {name}::pg_catalog.regclass AND c.relkind = 'r' AND a.amname = 'heap' \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)"
        ))
        .await?;
    Ok(u64::try_from(pages).ok().filter(|pages| *pages > PAGES))
}

/// Runs `insert`, a statement without a condition that reads one table of so many pages, part by part; of rows that
/// meet `only`, where there is one.
pub(crate) async fn by_pages(
    session: &mut dyn Session,
    (insert, only): (&str, Option<&str>),
    pages: u64,
    tell: Tell<'_>,
) -> Result<(), SnapshotError> {
    let (mut rows, mut from, mut size) = (0_u64, 0_u64, PAGES);
    let and = only.map(|test| format!(" AND {test}")).unwrap_or_default();
    while from < pages {
        let to = from.saturating_add(size);
        let begun = Instant::now();
        let end = if to < pages { format!(" AND ctid < '({to},0)'") } else { String::new() };
        rows += session.execute(&format!("{insert} WHERE ctid >= '({from},0)'{end}{and}")).await?;
        from = to.min(pages);
        // As many in a page as in those before.
        let total = u128::from(rows) * u128::from(pages) / u128::from(from);
        tell(Copied { rows, total: u64::try_from(total).unwrap_or(0), about: from < pages });
        size = next_size(size, begun.elapsed(), PAGES);
    }
    Ok(())
}

/// Copies a table of SQLite in the order of its row numbers, part by part; false where it has none, or
/// few rows, and nothing was done. `rows` is how many there are.
pub(crate) async fn by_row_numbers(
    session: &mut dyn Session,
    shape: &TableShape,
    (insert, only): (&str, Option<&str>),
    total: u64,
    tell: Tell<'_>,
) -> Result<bool, SnapshotError> {
    if total <= ROWS {
        return Ok(false);
    }
    let d = Dialect::Sqlite;
    let table = sql::table(d, &shape.name);
    let ordinary = session
        .number(&format!(
            "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND name = {} COLLATE NOCASE AND type = 'table' AND wr = 0",
            d.literal(shape.name.name.as_str())
        ))
        .await?;
    // Each of the three names the row number unless a column has it.
    let names = ["rowid", "_rowid_", "oid"];
    let taken =
        |name: &str| shape.columns.iter().any(|c| c.name.as_str().eq_ignore_ascii_case(name));
    let Some(number) = names.into_iter().find(|name| !taken(name)) else { return Ok(false) };
    if ordinary != 1 {
        return Ok(false);
    }
    let (mut rows, mut size) = (0_u64, ROWS);
    let mut behind = String::new();
    let and = only.map(|test| format!(" AND {test}")).unwrap_or_default();
    loop {
        let begun = Instant::now();
        let last = session
            .row(&format!(
                "SELECT max(n) FROM (SELECT {number} AS n FROM {table}{behind} ORDER BY {number} LIMIT {size})"
            ))
            .await?;
        let Some(last) = last.and_then(|row| row.opt(0).map(str::to_owned)) else { break };
        let part = if behind.is_empty() { " WHERE ".to_owned() } else { format!("{behind} AND ") };
        rows += session.execute(&format!("{insert}{part}{number} <= {last}{and}")).await?;
        tell(Copied { rows, total, about: false });
        behind = format!(" WHERE {number} > {last}");
        size = next_size(size, begun.elapsed(), ROWS);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_and_shrink_to_take_half_a_second() {
        assert_eq!(next_size(2048, Duration::from_millis(10), 2048), 8192);
        assert_eq!(next_size(8192, Duration::from_secs(1), 2048), 4096);
        assert_eq!(next_size(2048, Duration::from_secs(100), 2048), 2048);
    }
}
