//! Who holds what a statement will wait for, and how to end it.

use std::time::Duration;

use downhaul_syntax::Dialect;

use super::Postgres;
use crate::blocker::{Blocker, TableLock, short};
use crate::session::{Row, Session};
use crate::{EngineError, StatementFailure};

/// Lock modes, weakest first, as `LOCK TABLE` and `pg_locks` call them.
const MODES: [(&str, &str); 8] = [
    ("ACCESS SHARE", "AccessShareLock"),
    ("ROW SHARE", "RowShareLock"),
    ("ROW EXCLUSIVE", "RowExclusiveLock"),
    ("SHARE UPDATE EXCLUSIVE", "ShareUpdateExclusiveLock"),
    ("SHARE", "ShareLock"),
    ("SHARE ROW EXCLUSIVE", "ShareRowExclusiveLock"),
    ("EXCLUSIVE", "ExclusiveLock"),
    ("ACCESS EXCLUSIVE", "AccessExclusiveLock"),
];

/// For each of [`MODES`], those with which it conflicts, a bit for each, the weakest being the lowest
/// (PostgreSQL manual, table 13.2).
const CONFLICTS: [u8; 8] = [
    0b1000_0000,
    0b1100_0000,
    0b1111_0000,
    0b1111_1000,
    0b1110_1100,
    0b1111_1100,
    0b1111_1110,
    0b1111_1111,
];

/// Modes with which a mode conflicts; of an unknown one, with all.
fn conflicts(mode: &str) -> Vec<&'static str> {
    let at = MODES.iter().position(|(name, _)| *name == mode).unwrap_or(MODES.len() - 1);
    let with = |(bit, (_, own)): (usize, &(&'static str, &'static str))| {
        (CONFLICTS[at] & (1 << bit) != 0).then_some(*own)
    };
    MODES.iter().enumerate().filter_map(with).collect()
}

/// What is told of a session. Others' state, times and query are NULL to those who may not see
/// them (`pg_read_all_stats`).
const ABOUT: &str = "a.pid, coalesce(a.usename, ''), coalesce(host(a.client_addr), 'local'), coalesce(a.application_name, ''), \
     coalesce(a.state, ''), coalesce(a.query, ''), \
     (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint, \
     CASE WHEN a.state LIKE 'idle in transaction%' THEN (extract(epoch FROM clock_timestamp() - a.state_change) * 1000)::bigint END, \
     a.backend_type, coalesce(r.rolsuper, false) AND a.usename <> current_user";

fn blocker(row: &Row) -> Result<Blocker, EngineError> {
    let time = |column: usize| -> Result<Option<Duration>, EngineError> {
        row.opt(column)
            .map(|_| Ok(Duration::from_millis(u64::try_from(row.number(column)?).unwrap_or(0))))
            .transpose()
    };
    let protected = if row.text(3) == "downhaul" {
        Some("it is a run of Downhaul")
    } else if row.text(8) != "client backend" {
        Some("it is the server's own")
    } else if row.flag(9) {
        Some("it is a superuser's")
    } else {
        None
    };
    Ok(Blocker {
        id: row.number(0)?,
        user: row.text(1).to_owned(),
        client: row.text(2).to_owned(),
        application: row.text(3).to_owned(),
        state: row.text(4).to_owned(),
        query: short(row.text(5)),
        transaction: time(6)?,
        idle: time(7)?,
        holds: row.text(10).to_owned(),
        protected: protected.map(str::to_owned),
    })
}

const FROM: &str = "FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
     LEFT JOIN pg_catalog.pg_roles r ON r.rolname = a.usename";

/// Lists the locks of a session's group.
const HOLDS: &str = "string_agg(DISTINCT l.mode || ' on ' || l.relation::regclass::text, ', ')";

const GROUP: &str = "GROUP BY a.pid, a.usename, a.client_addr, a.application_name, a.state, a.query, a.xact_start, a.state_change, a.backend_type, r.rolsuper ORDER BY a.xact_start NULLS LAST LIMIT 10";

/// Sessions that hold locks with which these conflict.
pub(super) async fn holders(
    session: &mut Postgres,
    needs: &[TableLock],
) -> Result<Vec<Blocker>, EngineError> {
    if needs.is_empty() {
        return Ok(Vec::new());
    }
    // Asked before each try, so the text of the query is always the same, and what it is about a list.
    let d = Dialect::Postgres;
    let mut wanted = Vec::new();
    for need in needs {
        for mode in conflicts(&need.mode) {
            wanted.push(format!("{mode} {}", d.quote_name(&need.table)));
        }
    }
    let query = format!(
        "SELECT {ABOUT}, {HOLDS} {FROM} WHERE l.locktype = 'relation' AND l.granted AND a.pid <> pg_backend_pid() \
           AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
           AND (l.relation, l.mode) IN ( \
             SELECT to_regclass(substr(line, strpos(line, ' ') + 1)), split_part(line, ' ', 1) \
             FROM unnest(string_to_array($1, chr(1))) w(line)) {GROUP}"
    );
    let rows = session.ask(&[&query], &wanted.join("\u{1}")).await?;
    rows.iter().map(blocker).collect()
}

/// Sessions that another session waits for at this moment.
pub(super) async fn blockers_of(
    session: &mut Postgres,
    waiting: i64,
) -> Result<Vec<Blocker>, EngineError> {
    // The locks that matter: those on relations that the waiter has or wants too.
    let rows = session
        .rows(&format!(
            "SELECT {ABOUT}, string_agg(DISTINCT l.mode || ' on ' || l.relation::regclass::text, ', ') \
               FILTER (WHERE l.locktype = 'relation' AND l.granted AND l.relation IN (SELECT w.relation FROM pg_catalog.pg_locks w WHERE w.pid = {waiting} AND NOT w.granted)) \
             {FROM} WHERE a.pid = ANY (pg_catalog.pg_blocking_pids({waiting})) {GROUP}"
        ))
        .await?;
    rows.iter().map(blocker).collect()
}

/// Sessions with the oldest open transactions that hold anything of the user's.
pub(super) async fn oldest(session: &mut Postgres) -> Result<Vec<Blocker>, EngineError> {
    let rows = session
        .rows(&format!(
            "SELECT {ABOUT}, {HOLDS} {FROM} \
             WHERE a.pid <> pg_backend_pid() AND a.datname = current_database() AND a.xact_start IS NOT NULL \
               AND l.locktype = 'relation' AND l.granted \
               AND l.relation IN (SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'downhaul')) \
             {GROUP}"
        ))
        .await?;
    rows.iter().take(3).map(blocker).collect()
}

/// Ends a session if it is still as idle as it was; false where it no longer is.
pub(super) async fn end_idle(
    session: &mut Postgres,
    id: i64,
    idle: Duration,
) -> Result<bool, EngineError> {
    // One statement looks and ends, so that nobody is hit who has just gone on.
    let rows = session
        .rows(&format!(
            "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a WHERE a.pid = {id} \
               AND a.state LIKE 'idle in transaction%' AND a.state_change <= clock_timestamp() - interval '{} milliseconds'",
            idle.as_millis()
        ))
        .await
        .map_err(|error| match error {
            EngineError::Statement(failure) if failure.code.as_deref() == Some("42501") => {
                EngineError::Statement(StatementFailure {
                    detail: Some("GRANT pg_signal_backend lets a user end other users' sessions".into()),
                    ..failure
                })
            }
            error => error,
        })?;
    Ok(rows.first().is_some_and(|row| row.flag(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_symmetric() {
        for (name, own) in MODES {
            for (other, other_own) in MODES {
                assert_eq!(
                    conflicts(name).contains(&other_own),
                    conflicts(other).contains(&own),
                    "{name} and {other}"
                );
            }
        }
        assert_eq!(conflicts("SHARE").len(), 5);
        assert_eq!(conflicts("what is this").len(), 8);
    }
}
