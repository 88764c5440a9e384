//! Why a backfill should wait a while, though nobody paused it.

use std::time::{Duration, Instant};

use downhaul_engine::{EngineError, Session};
use downhaul_syntax::Dialect;

/// When a backfill gives way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// A replica is further behind than this (PostgreSQL; where the role may see replicas).
    pub replica_lag: Option<Duration>,
    /// More sessions than this are at work, ours not counted (not SQLite).
    pub active_sessions: Option<u64>,
    /// A query of one value: anything but NULL, false, 0 and an empty text makes it wait, and is
    /// shown as the reason.
    pub query: Option<String>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { replica_lag: Some(Duration::from_secs(5)), active_sessions: None, query: None }
    }
}

/// How often the user's query, and whether others are at work, is asked at most.
const EVERY: Duration = Duration::from_secs(1);

/// For how long others who were seen at work are taken to be there still.
const STAY: Duration = Duration::from_secs(10);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Nothing is in the way.
    Free,
    /// Wait, for this reason.
    Wait(String),
    /// The user's query fails, so nobody knows.
    Unknown(String),
}

/// Asks, and remembers when.
pub(crate) struct Watch {
    throttle: Throttle,
    asked: Option<(Instant, Finding)>,
    /// When others were looked for, and when they were last seen.
    looked: Option<Instant>,
    seen: Option<Instant>,
    /// Our own sessions beside the one that asks; 0 where a pooler hides the number.
    ours: Vec<i64>,
}

impl Watch {
    pub(crate) fn new(throttle: Throttle) -> Self {
        Self { throttle, asked: None, looked: None, seen: None, ours: Vec::new() }
    }

    /// These sessions are ours too: they are no reason to wait.
    pub(crate) fn knows(&mut self, ours: &[i64]) {
        self.ours = ours.to_vec();
    }

    /// What the user's query says is asked anew the next time.
    pub(crate) fn forget(&mut self) {
        self.asked = None;
    }

    /// Whether others are at work beside us: a session that does something, or has done so a moment ago.
    /// Never on SQLite, where nobody knows of anybody.
    pub(crate) async fn others(&mut self, session: &mut dyn Session) -> Result<bool, EngineError> {
        if self.looked.is_none_or(|at| at.elapsed() >= EVERY) {
            self.looked = Some(Instant::now());
            if stirring(session, &self.ours).await? {
                self.seen = Some(Instant::now());
            }
        }
        Ok(self.seen.is_some_and(|at| at.elapsed() < STAY))
    }

    /// Looks around.
    pub(crate) async fn look(&mut self, session: &mut dyn Session) -> Result<Finding, EngineError> {
        if let Some(limit) = self.throttle.replica_lag
            && let Some((replica, lag)) = lag(session).await?
            && lag > limit.as_secs_f64()
        {
            return Ok(Finding::Wait(format!(
                "the replica {replica} is more than {} s behind",
                limit.as_secs()
            )));
        }
        if let Some(limit) = self.throttle.active_sessions
            && let Some(active) = active(session, &self.ours).await?
            && active > limit
        {
            return Ok(Finding::Wait(format!("{active} sessions are at work (limit {limit})")));
        }
        let Some(query) = &self.throttle.query else { return Ok(Finding::Free) };
        if let Some((at, found)) = &self.asked
            && at.elapsed() < EVERY
        {
            return Ok(found.clone());
        }
        let found = match session.rows(query).await {
            Ok(rows) => judged(rows.first().and_then(|row| row.opt(0))),
            Err(error @ EngineError::Disconnected(_)) => return Err(error),
            // Whoever mends the query wants it asked anew.
            Err(error) => return Ok(Finding::Unknown(error.to_string())),
        };
        self.asked = Some((Instant::now(), found.clone()));
        Ok(found)
    }
}

/// What the value of the user's query means.
fn judged(value: Option<&str>) -> Finding {
    match value {
        None | Some("" | "f" | "false" | "0" | "off" | "no") => Finding::Free,
        Some("t" | "true" | "1") => Finding::Wait("the throttle query says so".into()),
        Some(value) => Finding::Wait(format!("the throttle query says: {value}")),
    }
}

/// The slowest replica, and the seconds by which it is behind.
async fn lag(session: &mut dyn Session) -> Result<Option<(String, f64)>, EngineError> {
    if session.dialect() != Dialect::Postgres {
        return Ok(None);
    }
    let row = session
        .row(
            "SELECT application_name, extract(epoch FROM replay_lag) FROM pg_stat_replication \
             WHERE replay_lag IS NOT NULL ORDER BY replay_lag DESC LIMIT 1",
        )
        .await?;
    Ok(row.and_then(|row| Some((row.text(0).to_owned(), row.text(1).parse().ok()?))))
}

/// Whether a session that is not ours is at work, or was within the last second. Where the server does
/// not tell the role what a session does, it counts as one that is.
async fn stirring(session: &mut dyn Session, ours: &[i64]) -> Result<bool, EngineError> {
    let others = |column: &str| without(column, ours);
    let sql = match session.dialect() {
        // Processes of the server itself have no user.
        Dialect::Postgres => format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend' AND pid <> pg_backend_pid(){} AND (state_change IS NULL OR state <> 'idle' OR state_change > clock_timestamp() - interval '1 s')",
            others("pid")
        ),
        Dialect::Mysql | Dialect::MariaDb => format!(
            "SELECT count(*) FROM information_schema.PROCESSLIST WHERE COMMAND NOT IN ('Daemon', 'Binlog Dump', 'Binlog Dump GTID') AND USER <> 'system user' AND ID <> CONNECTION_ID(){} AND (COMMAND <> 'Sleep' OR TIME < 1)",
            others("ID")
        ),
        Dialect::Sqlite => return Ok(false),
    };
    Ok(session.number(&sql).await? > 0)
}

/// Condition that leaves out our own sessions, as far as their numbers are known.
fn without(column: &str, ours: &[i64]) -> String {
    let known: Vec<String> = ours.iter().filter(|id| **id != 0).map(i64::to_string).collect();
    match known.as_slice() {
        [] => String::new(),
        known => format!(" AND {column} NOT IN ({})", known.join(", ")),
    }
}

/// Sessions at work, without our own.
async fn active(session: &mut dyn Session, ours: &[i64]) -> Result<Option<u64>, EngineError> {
    let hidden = ours.iter().filter(|id| **id == 0).count();
    let others = |column: &str| without(column, ours);
    let sql = match session.dialect() {
        Dialect::Postgres => format!(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid(){}",
            others("pid")
        ),
        Dialect::Mysql | Dialect::MariaDb => format!(
            "SELECT count(*) FROM information_schema.PROCESSLIST WHERE COMMAND NOT IN ('Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID') AND USER <> 'system user' AND ID <> CONNECTION_ID(){}",
            others("ID")
        ),
        Dialect::Sqlite => return Ok(None),
    };
    let active = u64::try_from(session.number(&sql).await?).unwrap_or(0);
    // Those behind a pooler are among them, whichever they are.
    Ok(Some(active.saturating_sub(hidden as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_says_something_is_a_reason() {
        for free in [None, Some(""), Some("f"), Some("0"), Some("false")] {
            assert_eq!(judged(free), Finding::Free, "{free:?}");
        }
        let Finding::Wait(why) = judged(Some("checkout is slow")) else { panic!() };
        assert!(why.contains("checkout is slow"));
        assert!(matches!(judged(Some("t")), Finding::Wait(_)));
        assert!(matches!(judged(Some("12")), Finding::Wait(_)));
    }
}
