//! Who holds the lock, for those who only look.

use downhaul_syntax::Dialect;

use super::{LockHolder, MOST_BESIDE, POSTGRES_KEY, beside_name, current_database, mysql_name};
use crate::EngineError;
use crate::postgres::TRANSACTION_KEY;
use crate::session::Session;

/// Whether a run is at work on a database.
#[derive(Clone, Debug)]
pub enum Presence {
    /// One is, or the server is still busy with what one had sent before it was killed.
    Held(LockHolder),
    /// None is.
    Free,
    /// Nobody but a runner can tell: a file beside a SQLite database, a cluster.
    Unknown,
}

/// Looks whether a run is at work, and takes nothing.
pub async fn presence(session: &mut dyn Session) -> Result<Presence, EngineError> {
    let found = match session.dialect() {
        Dialect::Sqlite => return Ok(Presence::Unknown),
        Dialect::Mysql | Dialect::MariaDb => {
            let database = current_database(session).await?;
            let mut names = vec![mysql_name("run", &database), mysql_name("work", &database)];
            names.extend((1..=MOST_BESIDE).map(|number| beside_name(number, &database)));
            let mut found = None;
            for (at, name) in names.iter().enumerate() {
                if let Some(holder) = mysql_holder(session, name).await? {
                    found = Some(if at == 0 { holder } else { left_behind(&holder) });
                    break;
                }
            }
            // `GET_LOCK` is a node's own.
            if found.is_none() && session.server().cluster {
                return Ok(Presence::Unknown);
            }
            found
        }
        Dialect::Postgres => match postgres_holder(session, POSTGRES_KEY).await? {
            Some(holder) => Some(holder),
            None => postgres_holder(session, TRANSACTION_KEY).await?.map(|h| left_behind(&h)),
        },
    };
    Ok(match found {
        Some(description) => Presence::Held(LockHolder { description }),
        None => Presence::Free,
    })
}

fn left_behind(holder: &str) -> String {
    format!("{holder}, still busy with what an earlier run had sent")
}

pub(super) async fn postgres_holder(
    session: &mut dyn Session,
    key: i64,
) -> Result<Option<String>, EngineError> {
    // A bigint key is shown as two halves (PostgreSQL manual §54.12, pg_locks). Of others' sessions not every
    // role is told the address and the time.
    let row = session
        .row(&format!(
            "SELECT a.pid, a.usename, coalesce(pg_catalog.host(a.client_addr), 'local'), pg_catalog.to_char(a.backend_start, 'HH24:MI:SS') \
             FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
               AND (l.classid::bigint << 32 | l.objid::bigint) = {key} \
               AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) LIMIT 1"
        ))
        .await?;
    Ok(row.map(|row| {
        let since = row.opt(3).map(|at| format!(", connected since {at}")).unwrap_or_default();
        format!("server process {} ({}@{}){since}", row.text(0), row.text(1), row.text(2))
    }))
}

pub(super) async fn mysql_holder(
    session: &mut dyn Session,
    name: &str,
) -> Result<Option<String>, EngineError> {
    // Other users' sessions are shown only to those with the PROCESS privilege.
    let row = session
        .row(&format!(
            "SELECT IS_USED_LOCK('{name}'), p.USER, p.HOST FROM (SELECT 1) one \
             LEFT JOIN information_schema.PROCESSLIST p ON p.ID = IS_USED_LOCK('{name}')"
        ))
        .await?;
    Ok(match row {
        Some(row) if row.opt(0).is_some() => Some(match row.opt(1) {
            Some(user) => {
                format!("server connection {} ({user}@{})", row.text(0), row.text(2))
            }
            None => format!("server connection {}", row.text(0)),
        }),
        _ => None,
    })
}
