//! Tables that hold nothing: a way back that drops them loses nothing, so nothing is copied.

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, ObjectName};

use crate::loss::{Losses, TableLoss};
use crate::sql;
use crate::store::SnapshotError;

/// Empties `losses` where every table in it has no row and no counter that was ever used, and returns
/// their names. They are locked as the statement that alters them will lock them, so they stay
/// empty until it runs. Within the migration's transaction. On MySQL, where no transaction holds the
/// statement, nothing is locked: the caller locks them and looks again.
///
/// All or none: where one table has rows, foreign keys may act on the others.
pub async fn set_aside(
    session: &mut dyn Session,
    losses: &mut Losses,
) -> Result<Vec<ObjectName>, SnapshotError> {
    let names: Vec<ObjectName> =
        candidates(losses).unwrap_or_default().into_iter().cloned().collect();
    if names.is_empty() {
        return Ok(names);
    }
    let empty = match session.dialect() {
        Dialect::Postgres => are_empty_on_postgres(session, &names).await?,
        Dialect::Sqlite => are_empty_on_sqlite(session, &names).await?,
        Dialect::Mysql | Dialect::MariaDb => are_empty_on_mysql(session, &names).await?,
    };
    if !empty {
        return Ok(Vec::new());
    }
    losses.tables.retain(|_, loss| !loss.destroys());
    Ok(names)
}

/// Tables of which something is destroyed, if nothing is where they all are empty; `None` where that
/// does not help: more than they is at stake, or they are not locked as a whole.
#[must_use]
pub fn candidates(losses: &Losses) -> Option<Vec<&ObjectName>> {
    let destroyed: Vec<(&ObjectName, &TableLoss)> =
        losses.tables.iter().filter(|(_, loss)| loss.destroys()).collect();
    let hidden = !losses.truncate_cascade.is_empty()
        || !losses.schemas.is_empty()
        || !losses.unreadable.is_empty();
    let whole = destroyed.iter().all(|(_, loss)| takes_the_table(loss));
    (!hidden && whole).then(|| destroyed.into_iter().map(|(name, _)| name).collect())
}

/// Whether the statement locks the whole table by itself; a DELETE does not.
fn takes_the_table(loss: &TableLoss) -> bool {
    loss.dropped || loss.truncated || !loss.columns.is_empty() || !loss.retyped.is_empty()
}

/// Whether these tables hold nothing as far as it is seen without a lock (PostgreSQL). Where they do not,
/// nobody is to be locked out for [`set_aside`] to find that out.
pub async fn seem_empty(
    session: &mut dyn Session,
    names: &[ObjectName],
) -> Result<bool, SnapshotError> {
    let Some(tables) = plain_tables(session, names).await? else { return Ok(false) };
    let found = session.row(&format!("SELECT {}", any_row(&tables))).await?;
    Ok(found.is_some_and(|row| !row.flag(0)))
}

async fn are_empty_on_postgres(
    session: &mut dyn Session,
    names: &[ObjectName],
) -> Result<bool, SnapshotError> {
    let Some(tables) = plain_tables(session, names).await? else { return Ok(false) };
    // READ COMMITTED: the query sees what is committed once the locks are ours.
    let found = session
        .row(&format!(
            "LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE; SELECT {}",
            tables.join(", ONLY "),
            any_row(&tables)
        ))
        .await?;
    Ok(found.is_some_and(|row| !row.flag(0)))
}

fn any_row(tables: &[String]) -> String {
    let tests: Vec<String> =
        tables.iter().map(|table| format!("EXISTS (SELECT FROM ONLY {table})")).collect();
    tests.join(" OR ")
}

/// The tables, quoted; `None` where one of them is of a kind whose rows are not all told so.
async fn plain_tables(
    session: &mut dyn Session,
    names: &[ObjectName],
) -> Result<Option<Vec<String>>, SnapshotError> {
    let d = Dialect::Postgres;
    let quoted: Vec<String> = names.iter().map(|name| d.quote_name(name)).collect();
    // Row security may hide rows from us; what is divided has its rows elsewhere.
    let plain = session
        .ask(
            &["SELECT n.nspname, c.relname FROM unnest(string_to_array($1, chr(1))) v (name) \
             JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(v.name) \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'r' AND NOT c.relispartition AND NOT c.relrowsecurity \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid \
                 WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass \
                   AND d.refobjid = c.oid AND d.deptype IN ('a', 'i') \
                   AND CASE WHEN s.relkind = 'S' THEN pg_catalog.pg_sequence_last_value(s.oid) END IS NOT NULL)"],
            &quoted.join("\u{1}"),
        )
        .await?;
    if plain.len() != names.len() {
        return Ok(None);
    }
    let quoted = |row: &downhaul_engine::Row| {
        format!("{}.{}", d.quote_str(row.text(0)), d.quote_str(row.text(1)))
    };
    Ok(Some(plain.iter().map(quoted).collect()))
}

async fn are_empty_on_sqlite(
    session: &mut dyn Session,
    names: &[ObjectName],
) -> Result<bool, SnapshotError> {
    let d = Dialect::Sqlite;
    if names.iter().any(|name| name.schema.is_some()) {
        return Ok(false);
    }
    // One pass over the texts of the schema, which a long series makes long.
    let list: Vec<String> =
        names.iter().map(|name| d.literal(&name.name.as_str().to_ascii_lowercase())).collect();
    let texts = session
        .rows(&format!(
            "SELECT sql FROM sqlite_schema WHERE type = 'table' AND lower(name) IN ({})",
            list.join(", ")
        ))
        .await?;
    // A counter is kept with its table; a virtual table's rows are its module's.
    let plain = |row: &downhaul_engine::Row| {
        let text = row.text(0).to_ascii_uppercase();
        !text.contains("AUTOINCREMENT") && !text.contains("VIRTUAL")
    };
    if texts.len() != names.len() || !texts.iter().all(plain) {
        return Ok(false);
    }
    let tests: Vec<String> = names
        .iter()
        .map(|name| format!("EXISTS (SELECT 1 FROM {})", sql::table(d, name)))
        .collect();
    Ok(session.number(&format!("SELECT {}", tests.join(" OR "))).await? == 0)
}

async fn are_empty_on_mysql(
    session: &mut dyn Session,
    names: &[ObjectName],
) -> Result<bool, SnapshotError> {
    let d = session.dialect();
    for name in names {
        let schema = match &name.schema {
            Some(schema) => d.literal(schema.as_str()),
            None => "DATABASE()".to_owned(),
        };
        // One table is looked up by its name; all that a table's shape tells takes many times as long.
        let row = session
            .row(&format!(
                "SELECT COALESCE(AUTO_INCREMENT, 0) FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {} AND TABLE_TYPE = 'BASE TABLE'",
                d.literal(name.name.as_str())
            ))
            .await?;
        // A counter that was never used stands at 1.
        if !row.is_some_and(|row| matches!(row.text(0), "0" | "1")) {
            return Ok(false);
        }
        let table = d.quote_name(name);
        if session.number(&format!("SELECT EXISTS (SELECT 1 FROM {table})")).await? != 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
