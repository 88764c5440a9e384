//! What statements do to tables, as the server itself tells while they are under way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use downhaul_engine::{EngineError, LockBudget, Session};
use downhaul_syntax::Dialect;

use super::certificate::Statement;
use crate::prepare::{Group, Prepared};

/// What was seen of a statement.
pub(super) struct Seen {
    sql: String,
    locks: Vec<String>,
    rewrites: Vec<String>,
}

/// Tables of the user with the file that holds each.
async fn files(session: &mut dyn Session) -> Result<BTreeMap<String, String>, EngineError> {
    let rows = session
        .rows(
            "SELECT CAST(CAST(c.oid AS regclass) AS text), coalesce(CAST(pg_relation_filenode(c.oid) AS text), '') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'downhaul') AND n.nspname NOT LIKE 'pg\\_%'",
        )
        .await?;
    Ok(rows.iter().map(|row| (row.text(0).to_owned(), row.text(1).to_owned())).collect())
}

/// Locks of this transaction on tables.
async fn locks(session: &mut dyn Session) -> Result<BTreeSet<(String, String)>, EngineError> {
    let rows = session
        .rows(
            "SELECT CAST(CAST(l.relation AS regclass) AS text), l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() AND l.granted AND c.relkind IN ('r', 'p')",
        )
        .await?;
    Ok(rows.iter().map(|row| (row.text(0).to_owned(), row.text(1).to_owned())).collect())
}

/// Runs the statements of a migration up to the first that refuses a transaction, watches each, and
/// takes everything back. PostgreSQL only: elsewhere nothing tells.
pub(super) async fn statements(
    session: &mut dyn Session,
    prepared: &Prepared,
) -> Result<Vec<Seen>, EngineError> {
    let mut seen = Vec::new();
    if session.dialect() != Dialect::Postgres {
        return Ok(seen);
    }
    session.begin(LockBudget::default()).await?;
    let there = files(session).await?;
    let mut before = there.clone();
    let mut held = locks(session).await?;
    'all: for group in &prepared.groups {
        let Group::Transaction(members) = group else { break };
        for index in members {
            let statement = &prepared.statements[*index];
            // What fails here fails in the rehearsal itself, where it is told.
            if session.execute(&statement.text).await.is_err() {
                break 'all;
            }
            let now = locks(session).await?;
            let after = files(session).await?;
            seen.push(Seen {
                sql: statement.shown().to_owned(),
                locks: now
                    .difference(&held)
                    .filter(|(table, _)| there.contains_key(table))
                    .map(|(table, mode)| format!("{table} {mode}"))
                    .collect(),
                rewrites: after
                    .iter()
                    .filter(|(table, file)| before.get(*table).is_some_and(|b| b != *file))
                    .map(|(table, _)| table.clone())
                    .collect(),
            });
            (before, held) = (after, now);
        }
    }
    session.rollback().await?;
    Ok(seen)
}

/// What ran, with what was seen of it.
pub(super) fn joined(ran: Vec<(String, Duration)>, mut seen: Vec<Seen>) -> Vec<Statement> {
    ran.into_iter()
        .map(|(sql, took)| {
            let found = seen.iter().position(|s| s.sql == sql).map(|at| seen.remove(at));
            let (locks, rewrites) = found.map(|s| (s.locks, s.rewrites)).unzip();
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            Statement { sql, micros, locks, rewrites }
        })
        .collect()
}
