//! Views of tables as they were at a mark (`snapshot show --view`). They read the history, so they go with it:
//! one that stayed would show wrong rows where what it reads is pruned, and nothing at all where it is dropped.

use downhaul_engine::Session;
use downhaul_syntax::Dialect;

use crate::mark::Mark;
use crate::store::SnapshotError;
use crate::track::Tracked;
use crate::{numbered, track};

/// A view of a table as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastView {
    /// Its name, quoted.
    pub name: String,
    /// Number of the mark.
    pub mark: i64,
    /// Number of the tracked table; `None` where the server does not tell what the view reads.
    pub tracked: Option<i64>,
}

/// The name of a view, quoted. `local` tells for people which table it is.
pub(crate) fn name(d: Dialect, local: &str, mark: &Mark) -> String {
    // Names hold 63 bytes on PostgreSQL, and 64 characters on MariaDB and MySQL; the mark's number tells
    // views apart.
    if numbered::is(d) {
        let local: String = local.chars().take(30).collect();
        return d.quote_str(&format!("downhaul_{local}_at_{}", mark.id));
    }
    let local: String = local.chars().take(12).collect();
    format!("downhaul.{}", d.quote_str(&format!("{local}_at_{}", mark.id)))
}

/// All of them.
pub async fn all(session: &mut dyn Session) -> Result<Vec<PastView>, SnapshotError> {
    if !track::exists(session).await? {
        return Ok(Vec::new());
    }
    let d = session.dialect();
    // The name, and a text in which the name of a history stands.
    let rows = session
        .rows(match d {
            Dialect::Postgres => {
                "SELECT c.relname, min('downhaul_' || t.relname) FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid \
                 JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass \
                 JOIN pg_catalog.pg_class t ON t.oid = d.refobjid AND t.relnamespace = c.relnamespace AND t.relkind = 'r' AND t.relname ~ '^log_[0-9]+_' \
                 WHERE c.relkind = 'v' AND c.relnamespace = pg_catalog.to_regnamespace('downhaul') GROUP BY c.relname"
            }
            Dialect::Sqlite => {
                "SELECT name, sql FROM sqlite_schema WHERE type = 'view' AND name GLOB 'downhaul_*_at_[0-9]*'"
            }
            Dialect::Mysql | Dialect::MariaDb => {
                "SELECT TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS \
                 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME REGEXP '^downhaul_.*_at_[0-9]+$'"
            }
        })
        .await?;
    let found = rows.iter().filter_map(|row| {
        let mark = row.text(0).rsplit_once("_at_")?.1.parse().ok()?;
        let name = match d {
            Dialect::Postgres => format!("downhaul.{}", d.quote_str(row.text(0))),
            _ => d.quote_str(row.text(0)),
        };
        Some(PastView { name, mark, tracked: row.opt(1).and_then(history_in) })
    });
    Ok(found.collect())
}

/// The number of the tracked table whose history a definition names.
fn history_in(definition: &str) -> Option<i64> {
    let behind = definition.split_once("downhaul_log_")?.1;
    behind.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Those that show what lies before a mark.
pub async fn before(
    session: &mut dyn Session,
    mark: &Mark,
) -> Result<Vec<PastView>, SnapshotError> {
    let mut found = all(session).await?;
    found.retain(|view| view.mark < mark.id);
    Ok(found)
}

/// Those that read the history of some tables.
pub async fn of(
    session: &mut dyn Session,
    tables: &[Tracked],
) -> Result<Vec<PastView>, SnapshotError> {
    let mut found = all(session).await?;
    found.retain(|view| tables.iter().any(|tracked| view.tracked == Some(tracked.id)));
    Ok(found)
}

/// Drops views. On MariaDB and MySQL that ends a transaction.
pub async fn drop(session: &mut dyn Session, views: &[PastView]) -> Result<(), SnapshotError> {
    for view in views {
        session.execute(&format!("DROP VIEW IF EXISTS {}", view.name)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_from_the_name_of_its_history() {
        assert_eq!(history_in("select * from `shop`.`downhaul_log_12_3` `h`"), Some(12));
        assert_eq!(history_in("select 1"), None);
    }
}
