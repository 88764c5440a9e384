//! A table is emptied and filled anew in its place, so that all that hangs on it stays as it is:
//! grants, policies, views, triggers, statistics. Its history gets the events that changing its rows
//! one by one would have left.

use downhaul_engine::{EngineError, Session};
use downhaul_syntax::Dialect;

use super::apply::failed;
use super::plan::{TablePlan, set_bulk};
use super::statement;
use crate::history::Past;
use crate::sql;
use crate::store::SnapshotError;
use crate::track::{Event, history};

const D: Dialect = Dialect::Postgres;

/// Why a table cannot be filled anew; `None`: it can.
pub(super) async fn obstacle(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
) -> Result<Option<String>, SnapshotError> {
    if !table.tracked.has_key() {
        return Ok(Some("it has no key".to_owned()));
    }
    if table.tracked.partitioned {
        return Ok(Some("it is partitioned".to_owned()));
    }
    if let Some(column) = past.new.first() {
        return Ok(Some(format!("{} came since", column.name)));
    }
    let relation = table.tracked.relation;
    let row = session
        .row(&format!(
            "SELECT (SELECT min(pg_catalog.format('%I', c.relname)) FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
                 WHERE k.contype = 'f' AND k.confrelid = {relation} AND k.conrelid <> {relation}), \
               EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE {relation} IN (inhrelid, inhparent)), \
               EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = {relation} AND rulename <> '_RETURN'), \
               EXISTS (SELECT FROM pg_catalog.pg_publication WHERE puballtables) OR EXISTS (SELECT FROM pg_catalog.pg_publication_tables p \
                 JOIN pg_catalog.pg_class c ON c.relname = p.tablename JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = p.schemaname WHERE c.oid = {relation}), \
               EXISTS (SELECT FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c WHERE c ~* '^default_transaction_isolation=.?(repeatable|serializable)') \
                 OR (SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'default_transaction_isolation') NOT LIKE 'read%'"
        ))
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(if let Some(child) = row.opt(0) {
        Some(format!("{child} refers to it"))
    } else if row.flag(1) {
        Some("it takes part in inheritance".to_owned())
    } else if row.flag(2) {
        Some("it has rules".to_owned())
    } else if row.flag(3) {
        Some("it is published to other servers".to_owned())
    } else if row.flag(4) {
        // PostgreSQL manual §13.6: an older snapshot finds a table empty that was truncated since.
        Some("transactions here keep to one snapshot, which would find it empty".to_owned())
    } else {
        None
    })
}

/// Keeps readers off the table. `Some`: why that was not to be had; then nothing is locked.
pub(super) async fn hold(
    session: &mut dyn Session,
    table: &TablePlan,
) -> Result<Option<String>, SnapshotError> {
    let name = D.quote_name(&table.tracked.name);
    session.execute("SAVEPOINT downhaul_hold").await?;
    match session.execute(&format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")).await {
        Ok(_) => {}
        Err(EngineError::LockTimeout(_)) => {
            session.execute("ROLLBACK TO SAVEPOINT downhaul_hold").await?;
            return Ok(Some("somebody reads it".to_owned()));
        }
        Err(error) => return Err(error.into()),
    }
    // Whoever has a snapshot from before may look at the table later with it, and would find it
    // empty. Most snapshots last as long as a statement.
    let mut old = snapshots(session).await?;
    for _ in 0..LOOKS {
        if old.is_empty() {
            break;
        }
        session.row("SELECT pg_catalog.pg_sleep(0.05)").await?;
        let now = snapshots(session).await?;
        old.retain(|transaction| now.contains(transaction));
    }
    if !old.is_empty() {
        session.execute("ROLLBACK TO SAVEPOINT downhaul_hold").await?;
        return Ok(Some("other transactions have a snapshot that would find it empty".to_owned()));
    }
    session.execute("RELEASE SAVEPOINT downhaul_hold").await?;
    Ok(None)
}

/// Looks at other transactions, 50 ms apart, until their snapshots have gone.
const LOOKS: usize = 20;

/// Other transactions in this database that have a snapshot, or of which that is not to be known.
async fn snapshots(session: &mut dyn Session) -> Result<Vec<String>, SnapshotError> {
    let rows = session
        .rows(
            "SELECT k.virtualxid FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_locks k ON k.pid = a.pid AND k.locktype = 'virtualxid' AND k.granted \
             WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() \
               AND (a.backend_type IS NULL OR a.backend_type = 'client backend' AND a.backend_xmin IS NOT NULL)",
        )
        .await?;
    Ok(rows.iter().map(|row| row.text(0).to_owned()).collect())
}

/// Statements around the filling.
struct Around {
    before: Vec<String>,
    after: Vec<String>,
}

/// Our triggers are off, since the history is written at once; indexes that nothing depends on are
/// built afterwards, in bulk.
async fn around(session: &mut dyn Session, table: &TablePlan) -> Result<Around, SnapshotError> {
    let relation = table.tracked.relation;
    let name = D.quote_name(&table.tracked.name);
    let mut found = Around { before: Vec::new(), after: Vec::new() };
    let indexes = session
        .rows(&format!(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.pg_get_indexdef(i.indexrelid) FROM pg_catalog.pg_index i \
             JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE i.indrelid = {relation} AND i.indisvalid AND i.indisready AND NOT i.indisprimary AND NOT i.indisclustered AND NOT i.indisreplident \
               AND c.reltablespace = 0 \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = c.oid) \
               AND pg_catalog.obj_description(c.oid, 'pg_class') IS NULL \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget >= 0) \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid) \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'x')) \
             ORDER BY i.indexrelid"
        ))
        .await?;
    for index in &indexes {
        found.before.push(format!("DROP INDEX {}", index.text(0)));
        found.after.push(index.text(1).to_owned());
    }
    let triggers = session
        .rows(&format!(
            "SELECT pg_catalog.format('%I', tgname) FROM pg_catalog.pg_trigger WHERE tgrelid = {relation} AND NOT tgisinternal AND tgname LIKE '_downhaul\\_track%'"
        ))
        .await?;
    for trigger in &triggers {
        let trigger = trigger.text(0);
        found.before.push(format!("ALTER TABLE {name} DISABLE TRIGGER {trigger}"));
        found.after.push(format!("ALTER TABLE {name} ENABLE ALWAYS TRIGGER {trigger}"));
    }
    Ok(found)
}

/// Fills the table anew as the plan says. Returns statements for when all checks are done.
pub(super) async fn rewrite(
    session: &mut dyn Session,
    table: &TablePlan,
) -> Result<Vec<String>, SnapshotError> {
    let tracked = &table.tracked;
    let (id, live, plan) = (tracked.id, tracked.live(), statement::name(tracked.id));
    let version = tracked.current();
    let names: Vec<String> = version.columns.iter().map(|c| D.quote(&c.name)).collect();
    let list = names.join(", ");
    let key: Vec<String> = version.key.iter().map(|k| D.quote(k)).collect();
    let join =
        |left: &str, right: &str| sql::keys_match(D, left, &version.key, right, &version.key);
    let before = session.number(&format!("SELECT count(*) FROM {live}")).await?;
    let staying = before - table.updates - table.deletes;
    set_bulk(session, true).await?;
    let stay = format!("pg_temp.downhaul_stay_{id}");
    if staying > 0 {
        session
            .execute(&format!(
                "CREATE TEMPORARY TABLE downhaul_stay_{id} ON COMMIT DROP AS SELECT {list} FROM {live} l \
                 WHERE NOT EXISTS (SELECT FROM {plan} p WHERE {} AND p.downhaul_action IN ('U', 'D'))",
                join("p", "l")
            ))
            .await?;
    }
    record(session, table, staying > 0 || table.deletes > 0).await?;
    let around = around(session, table).await?;
    for statement in &around.before {
        session.execute(statement).await?;
    }
    session.execute(&format!("TRUNCATE {live}")).await?;
    let unchanged =
        if staying > 0 { format!(" UNION ALL SELECT {list} FROM {stay}") } else { String::new() };
    // By key, as an index likes it, and whoever reads the table by its key.
    let written = session
        .execute(&format!(
            "INSERT INTO {} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM \
             (SELECT {list} FROM {plan} WHERE downhaul_action IN ('I', 'U'){unchanged}) s ORDER BY {}",
            D.quote_name(&tracked.name),
            key.join(", ")
        ))
        .await?;
    let wanted = before - table.deletes + table.inserts;
    let now = session.number(&format!("SELECT count(*) FROM {live}")).await?;
    if i64::try_from(written).unwrap_or(0) != wanted || now != wanted {
        return Err(failed(table, format!("{now} rows were written instead of {wanted}")));
    }
    verify(session, table, (&names, staying > 0)).await?;
    set_bulk(session, false).await?;
    let mut after = around.after;
    // How many rows there are; what is known of their values still holds.
    after.push(format!("ANALYZE {} ({})", D.quote_name(&tracked.name), key.join(", ")));
    Ok(after)
}

/// Compares the whole table with what was written into it: by the sum of the hashes of all rows.
/// Where the server has none, rows that stay are compared one by one; those of the plan are in any
/// case by the caller then.
async fn verify(
    session: &mut dyn Session,
    table: &TablePlan,
    (names, some_stay): (&[String], bool),
) -> Result<(), SnapshotError> {
    let tracked = &table.tracked;
    let (id, live) = (tracked.id, tracked.live());
    let version = tracked.current();
    if !hashes(session) {
        if !some_stay {
            return Ok(());
        }
        let other = session
            .number(&format!(
                "SELECT count(*) FROM pg_temp.downhaul_stay_{id} s LEFT JOIN {live} l ON {} WHERE NOT coalesce({}, false)",
                sql::keys_match(D, "l", &version.key, "s", &version.key),
                sql::same_bytes("l", "s", names)
            ))
            .await?;
        if other > 0 {
            return Err(failed(table, format!("{other} rows that should stay did not")));
        }
        return Ok(());
    }
    let columns: Vec<(String, &str)> = version
        .columns
        .iter()
        .map(|c| (D.quote(&c.name), if c.user_type { "" } else { c.ty.as_str() }))
        .collect();
    let sum = |from: &str| {
        let hash = sql::row_hash(&columns);
        format!("SELECT count(*) AS n, coalesce(sum({hash}), 0) AS h FROM {from}")
    };
    let mut parts =
        vec![sum(&format!("{} WHERE downhaul_action IN ('I', 'U')", statement::name(id)))];
    if some_stay {
        parts.push(sum(&format!("pg_temp.downhaul_stay_{id}")));
    }
    let same = session
        .row(&format!(
            "SELECT l.n = p.n AND l.h = p.h FROM ({}) l, (SELECT sum(n) AS n, sum(h) AS h FROM ({}) u) p",
            sum(&live),
            parts.join(" UNION ALL ")
        ))
        .await?;
    if same.is_some_and(|row| row.flag(0)) {
        return Ok(());
    }
    Err(failed(
        table,
        "its rows are not what was written into it: something changed them on the way",
    ))
}

/// The server hashes whole rows.
pub(super) fn hashes(session: &dyn Session) -> bool {
    session.server().major >= 14
}

/// Writes down what the rows are before they go: what the triggers would have written.
async fn record(
    session: &mut dyn Session,
    table: &TablePlan,
    some: bool,
) -> Result<(), SnapshotError> {
    let tracked = &table.tracked;
    let (id, live, plan) = (tracked.id, tracked.live(), statement::name(tracked.id));
    let version = tracked.current();
    let log = history(id, version.number);
    let (mut names, mut values) = (String::new(), String::new());
    for column in &version.columns {
        let (name, cast) = (D.quote(&column.name), if column.user_type { "::text" } else { "" });
        names.push_str(&format!(", {name}"));
        values.push_str(&format!(", l.{name}{cast}"));
    }
    let own = "downhaul_pos, downhaul_xid, downhaul_op";
    let position = format!("(SELECT pg_catalog.nextval('downhaul.log_{id}_seq') AS n OFFSET 0) o");
    let xid = "pg_catalog.pg_current_xact_id()";
    let updated = Event::Updated.letter();
    if table.updates + table.deletes > 0 {
        let (op, from) = if some {
            let join = sql::keys_match(D, "p", &version.key, "l", &version.key);
            (
                format!(
                    "CASE p.downhaul_action WHEN 'D' THEN '{}' ELSE '{updated}' END::\"char\"",
                    Event::Deleted.letter()
                ),
                format!("{live} l JOIN {plan} p ON {join} AND p.downhaul_action IN ('U', 'D')"),
            )
        } else {
            (format!("'{updated}'"), format!("{live} l"))
        };
        session
            .execute(&format!(
                "INSERT INTO {log} ({own}{names}) SELECT o.n, {xid}, {op}{values} FROM {from} CROSS JOIN {position}"
            ))
            .await?;
    }
    if table.inserts > 0 {
        let keyed = |row: &str| -> String {
            version
                .columns
                .iter()
                .filter(|c| version.key.contains(&c.name))
                .map(|c| {
                    let cast = if c.user_type && row == "l." { "::text" } else { "" };
                    format!(", {row}{}{cast}", D.quote(&c.name))
                })
                .collect()
        };
        session
            .execute(&format!(
                "INSERT INTO {log} ({own}{}) SELECT o.n, {xid}, '{}'{} FROM {plan} l CROSS JOIN {position} WHERE l.downhaul_action = 'I'",
                keyed(""),
                Event::Born.letter(),
                keyed("l.")
            ))
            .await?;
    }
    Ok(())
}
