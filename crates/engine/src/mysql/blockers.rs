//! Who holds metadata or row locks, as far as the server tells.
//!
//! MySQL 8 shows metadata locks in `performance_schema.metadata_locks`; MariaDB there too, if the
//! performance schema and its instrument are on, or by the plugin `METADATA_LOCK_INFO`. Where
//! neither is to be had, only open InnoDB transactions are seen, not the tables that they use.

use std::time::Duration;

use downhaul_syntax::Dialect;

use super::MySql;
use crate::blocker::{Blocker, TableLock, short};
use crate::session::{Row, Session};
use crate::{EngineError, StatementFailure};

/// Where metadata locks can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetadataLocks {
    /// `performance_schema.metadata_locks`.
    PerformanceSchema,
    /// `information_schema.METADATA_LOCK_INFO` (MariaDB).
    Plugin,
    /// Nowhere.
    Hidden,
}

/// Finds out where metadata locks can be read by this user.
pub(super) async fn metadata_locks(session: &mut MySql) -> MetadataLocks {
    let plugin = session
        .rows("SELECT count(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'METADATA_LOCK_INFO' AND PLUGIN_STATUS = 'ACTIVE'")
        .await;
    if plugin.is_ok_and(|rows| rows.first().is_some_and(|row| row.text(0) == "1")) {
        return MetadataLocks::Plugin;
    }
    let instrument = session
        .rows("SELECT count(*) FROM performance_schema.setup_instruments WHERE NAME = 'wait/lock/metadata/sql/mdl' AND ENABLED = 'YES'")
        .await;
    if instrument.is_ok_and(|rows| rows.first().is_some_and(|row| row.text(0) == "1")) {
        return MetadataLocks::PerformanceSchema;
    }
    MetadataLocks::Hidden
}

/// What is told of a session; `t` may be missing.
const ABOUT: &str = "p.ID, p.USER, SUBSTRING_INDEX(p.HOST, ':', 1), p.COMMAND, COALESCE(p.INFO, t.trx_query, ''), \
     TIMESTAMPDIFF(SECOND, t.trx_started, NOW()), p.TIME, p.USER = SUBSTRING_INDEX(CURRENT_USER(), '@', 1)";

fn blocker(row: &Row) -> Result<Blocker, EngineError> {
    let seconds = |column: usize| -> Result<Option<Duration>, EngineError> {
        row.opt(column)
            .map(|_| Ok(Duration::from_secs(u64::try_from(row.number(column)?).unwrap_or(0))))
            .transpose()
    };
    let sleeps = row.text(3) == "Sleep";
    let (user, command) = (row.text(1), row.text(3));
    // Accounts that administer the server, unless it is our own: nobody expects them to be ended.
    let protected = if user == "system user" || user == "event_scheduler" || command == "Daemon" {
        Some("it is the server's own")
    } else if command.starts_with("Binlog Dump") || command.starts_with("Slave") {
        Some("it replicates")
    } else if !row.flag(7) && matches!(user, "root" | "mysql.session" | "mariadb.sys") {
        Some("it is an administrator's")
    } else if row.opt(8).is_some() {
        Some("it is a run of Downhaul")
    } else {
        None
    };
    Ok(Blocker {
        id: row.number(0)?,
        user: user.to_owned(),
        client: if row.text(2).is_empty() { "local".into() } else { row.text(2).to_owned() },
        application: String::new(),
        state: if sleeps { "idle in transaction".into() } else { "active".into() },
        query: short(row.text(4)),
        transaction: seconds(5)?,
        idle: if sleeps { seconds(6)? } else { None },
        holds: row.text(9).to_owned(),
        protected: protected.map(str::to_owned),
    })
}

/// Column 8: the session holds a lock of ours.
fn ours(database: &str) -> String {
    let names = ["run", "work"].map(|purpose| {
        let name = crate::lock::mysql_name(purpose, database);
        format!("IF(IS_USED_LOCK('{name}') = p.ID, 1, NULL)")
    });
    format!("COALESCE({})", names.join(", "))
}

async fn database(session: &mut MySql) -> Result<String, EngineError> {
    let rows = session.rows("SELECT DATABASE()").await?;
    Ok(rows.first().map(|row| row.text(0).to_owned()).unwrap_or_default())
}

const OPEN: &str = "information_schema.PROCESSLIST p LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID";

/// Sessions that hold metadata locks on these tables. Empty where the server does not tell.
pub(super) async fn holders(
    session: &mut MySql,
    needs: &[TableLock],
) -> Result<Vec<Blocker>, EngineError> {
    let source = session.metadata_locks().await;
    if needs.is_empty() || source == MetadataLocks::Hidden {
        return Ok(Vec::new());
    }
    let d = Dialect::MariaDb;
    let database = database(session).await?;
    let (schema, table) = match source {
        MetadataLocks::Plugin => ("m.TABLE_SCHEMA", "m.TABLE_NAME"),
        _ => ("m.OBJECT_SCHEMA", "m.OBJECT_NAME"),
    };
    let wanted: Vec<String> = needs
        .iter()
        .map(|need| {
            let of = need.table.schema.as_ref().map_or(database.as_str(), |s| s.as_str());
            format!(
                "({schema} = {} AND {table} = {})",
                d.literal(of),
                d.literal(need.table.name.as_str())
            )
        })
        .collect();
    let wanted = wanted.join(" OR ");
    let ours = ours(&database);
    let sql = match source {
        MetadataLocks::Plugin => format!(
            "SELECT {ABOUT}, {ours}, GROUP_CONCAT(DISTINCT m.LOCK_MODE, ' on ', m.TABLE_NAME SEPARATOR ', ') \
             FROM information_schema.METADATA_LOCK_INFO m JOIN {OPEN} ON p.ID = m.THREAD_ID \
             WHERE p.ID <> CONNECTION_ID() AND ({wanted}) GROUP BY p.ID ORDER BY t.trx_started LIMIT 10"
        ),
        _ => format!(
            "SELECT {ABOUT}, {ours}, GROUP_CONCAT(DISTINCT m.LOCK_TYPE, ' on ', m.OBJECT_NAME SEPARATOR ', ') \
             FROM performance_schema.metadata_locks m JOIN performance_schema.threads th ON th.THREAD_ID = m.OWNER_THREAD_ID \
               JOIN {OPEN} ON p.ID = th.PROCESSLIST_ID \
             WHERE p.ID <> CONNECTION_ID() AND m.OBJECT_TYPE = 'TABLE' AND m.LOCK_STATUS = 'GRANTED' AND ({wanted}) \
             GROUP BY p.ID ORDER BY t.trx_started LIMIT 10"
        ),
    };
    session.rows(&sql).await?.iter().map(blocker).collect()
}

/// Sessions that another session waits for at this moment for a row.
pub(super) async fn blockers_of(
    session: &mut MySql,
    waiting: i64,
) -> Result<Vec<Blocker>, EngineError> {
    let database = database(session).await?;
    let ours = ours(&database);
    let waits = if session.server().dialect == Dialect::MariaDb {
        format!(
            "SELECT b.trx_mysql_thread_id FROM information_schema.INNODB_LOCK_WAITS w \
             JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id \
             JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id WHERE r.trx_mysql_thread_id = {waiting}"
        )
    } else {
        format!(
            "SELECT b.PROCESSLIST_ID FROM performance_schema.data_lock_waits w \
             JOIN performance_schema.threads r ON r.THREAD_ID = w.REQUESTING_THREAD_ID \
             JOIN performance_schema.threads b ON b.THREAD_ID = w.BLOCKING_THREAD_ID WHERE r.PROCESSLIST_ID = {waiting}"
        )
    };
    let sql = format!(
        "SELECT {ABOUT}, {ours}, 'row locks' FROM {OPEN} WHERE p.ID IN ({waits}) ORDER BY t.trx_started LIMIT 10"
    );
    session.rows(&sql).await?.iter().map(blocker).collect()
}

/// Sessions with the oldest open transactions. Needs the PROCESS privilege.
pub(super) async fn oldest(session: &mut MySql) -> Result<Vec<Blocker>, EngineError> {
    let database = database(session).await?;
    let ours = ours(&database);
    let sql = format!(
        "SELECT {ABOUT}, {ours}, '' FROM {OPEN} \
         WHERE p.DB = DATABASE() AND p.ID <> CONNECTION_ID() AND t.trx_started IS NOT NULL ORDER BY t.trx_started LIMIT 3"
    );
    session.rows(&sql).await?.iter().map(blocker).collect()
}

/// Ends a session if it is still as idle as it was; false where it no longer is.
pub(super) async fn end_idle(
    session: &mut MySql,
    id: i64,
    idle: Duration,
) -> Result<bool, EngineError> {
    let still = session
        .rows(&format!(
            "SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = {id} AND COMMAND = 'Sleep' AND TIME >= {}",
            idle.as_secs()
        ))
        .await?;
    if still.is_empty() {
        return Ok(false);
    }
    match session.execute(&format!("KILL CONNECTION {id}")).await {
        Ok(_) => Ok(true),
        // 1094: no such thread; it has gone by itself.
        Err(EngineError::Statement(failure)) if failure.code.as_deref() == Some("1094") => Ok(false),
        // 1095: not the owner of the thread.
        Err(EngineError::Statement(failure)) if failure.code.as_deref() == Some("1095") => {
            Err(EngineError::Statement(StatementFailure {
                detail: Some("GRANT CONNECTION ADMIN ON *.* (MySQL: CONNECTION_ADMIN) lets a user end other users' sessions".into()),
                ..failure
            }))
        }
        Err(error) => Err(error),
    }
}
