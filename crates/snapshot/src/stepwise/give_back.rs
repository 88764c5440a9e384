//! What is noted on the way back, and made ready for it: which values are still as the migration left
//! them, numbers for rows without a key, counters.

use downhaul_engine::{EngineError, Session};
use downhaul_syntax::{Dialect, Ident};

use crate::restore::{self, Held};
use crate::sql;
use crate::store::{Kept, KeptMode, SnapshotError};

/// Makes and fills the table that notes which values are still as the migration left them.
pub(crate) async fn hold(
    session: &mut dyn Session,
    kept: &Kept,
    hold: &str,
    body: &str,
) -> Result<(), SnapshotError> {
    let dialect = session.dialect();
    let mut parts: Vec<String> = kept
        .key
        .iter()
        .filter_map(|key| kept.column(key))
        .map(|c| format!("{} {} NULL", dialect.quote(&c.name), c.ty))
        .collect();
    parts.extend(
        kept.changed_columns()
            .filter_map(|c| Some(format!("{} tinyint NULL", dialect.quote(c.left_as.as_ref()?)))),
    );
    parts.push(format!("KEY downhaul_key ({})", sql::list(dialect, &kept.key)));
    session.execute(&format!("CREATE TABLE {hold} ({}) ENGINE=InnoDB", parts.join(", "))).await?;
    session.execute(&format!("INSERT INTO {hold} {body}")).await?;
    Ok(())
}

/// Whether what a group changed can be looked at before the way back begins: no later group
/// touched the same values. `later` are the later groups' stores.
#[must_use]
pub fn can_hold_early(kept: &Kept, later: &[&Kept]) -> bool {
    if kept.mode == KeptMode::Tombstone {
        return true;
    }
    kept.after.is_some()
        && !later.iter().any(|other| {
            other.table == kept.table
                && (other.after.is_none()
                    || other.rows_gone > 0
                    || other.columns.iter().any(|c| {
                        (c.is_lost() || c.left_as.is_some())
                            && kept.column(&c.name).is_some_and(|own| own.left_as.is_some())
                    }))
        })
}

/// [`restore::hold`], such that [`held_before`] finds it after a crash.
pub async fn hold_early(session: &mut dyn Session, kept: &Kept) -> Result<Held, SnapshotError> {
    let held = restore::hold(session, kept).await?;
    let absent = kept.mode == KeptMode::Tombstone && !held.stood;
    if held.keyless_untouched || absent {
        let name = restore::hold_name(session.dialect(), kept);
        session.execute(&format!("DROP TABLE IF EXISTS {name}")).await?;
        session.execute(&format!("CREATE TABLE {name} (untouched int)")).await?;
    }
    Ok(held)
}

/// The same as [`restore::hold`], once everything later has been given back: the table has its
/// names of before the migration again.
pub async fn hold_late(session: &mut dyn Session, kept: &Kept) -> Result<Held, SnapshotError> {
    let mut as_before = kept.clone();
    if kept.after.is_some() {
        as_before.after = Some(kept.table.clone());
    }
    for column in as_before.columns.iter_mut().filter(|c| !c.is_lost()) {
        column.after = Some(column.name.clone());
    }
    restore::hold(session, &as_before).await
}

/// What an earlier, killed run noted by [`restore::hold`].
pub async fn held_before(session: &mut dyn Session, kept: &Kept) -> Result<Held, SnapshotError> {
    let name = restore::hold_name(session.dialect(), kept);
    let there = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{name}'"
        ))
        .await?;
    if kept.mode == KeptMode::Tombstone {
        return Ok(Held {
            flags: false,
            keyless_untouched: false,
            stood: there == 0,
            unclaimed: Vec::new(),
        });
    }
    let keyless = kept.keyless_after.is_some();
    Ok(Held {
        flags: there > 0 && !keyless,
        keyless_untouched: there > 0 && keyless,
        stood: false,
        unclaimed: Vec::new(),
    })
}

/// Forgets what [`restore::hold`] noted.
pub async fn drop_hold(session: &mut dyn Session, kept: &Kept) -> Result<(), EngineError> {
    let name = restore::hold_name(session.dialect(), kept);
    session.execute(&format!("DROP TABLE IF EXISTS {name}")).await.map(drop)
}

/// Whether rows of the table must be told apart by a number while its data goes back.
#[must_use]
pub fn needs_row_id(kept: &Kept) -> bool {
    kept.key.is_empty() && kept.after.is_some() && kept.keyless_after.is_none()
}

/// Gives the rows of a table without a key a number, unless they have it.
pub async fn add_row_id(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    let Some(shape) = session.table_shape(&kept.table).await? else { return Ok(()) };
    let dialect = session.dialect();
    let column = Ident::stored(dialect, sql::row_id(dialect));
    if shape.column(&column).is_none() {
        let live = sql::table(dialect, &shape.name);
        // MySQL takes no default that differs from row to row; a table has one counter at most.
        let numbers = match dialect {
            Dialect::Mysql if shape.sequences.is_empty() => "AUTO_INCREMENT",
            _ => "DEFAULT (UUID_SHORT())",
        };
        let history = with_history(session, &shape.name.name).await?;
        session
            .execute(&format!(
                "{history}ALTER TABLE {live} ADD COLUMN {} bigint unsigned NOT NULL {numbers} INVISIBLE UNIQUE KEY",
                dialect.quote(&column)
            ))
            .await?;
    }
    Ok(())
}

/// What is said before an `ALTER TABLE` of our own of a table of which MariaDB keeps a history, which it
/// refuses otherwise.
async fn with_history(
    session: &mut dyn Session,
    table: &Ident,
) -> Result<&'static str, EngineError> {
    let versioned = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {} AND TABLE_TYPE = 'SYSTEM VERSIONED'",
            session.dialect().literal(table.as_str())
        ))
        .await?;
    Ok(if versioned > 0 { "SET STATEMENT system_versioning_alter_history = KEEP FOR " } else { "" })
}

/// Takes the numbers of [`add_row_id`] away, wherever a killed run left them too.
pub async fn drop_row_ids(session: &mut dyn Session) -> Result<(), EngineError> {
    let d = session.dialect();
    let name = sql::row_id(d);
    let rows = session
        .rows(&format!(
            "SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME = '{name}' AND TABLE_NAME NOT LIKE 'downhaul\\_%'"
        ))
        .await?;
    for row in &rows {
        let table = d.quote_str(row.text(0));
        let history = with_history(session, &Ident::stored(d, row.text(0))).await?;
        session.execute(&format!("{history}ALTER TABLE {table} DROP COLUMN {name}")).await?;
    }
    Ok(())
}

/// Moves the counter of a table on to where it was: never back. Commits.
pub async fn move_counter(session: &mut dyn Session, kept: &Kept) -> Result<(), SnapshotError> {
    let Some(now) = session.table_shape(&kept.table).await? else { return Ok(()) };
    for before in &kept.sequences {
        let current = now.sequences.iter().find(|s| s.column == before.column);
        if current.is_some_and(|current| current.last_value < before.last_value) {
            let live = sql::table(session.dialect(), &now.name);
            let next = before.last_value + 1;
            session.execute(&format!("ALTER TABLE {live} AUTO_INCREMENT = {next}")).await?;
        }
    }
    Ok(())
}
