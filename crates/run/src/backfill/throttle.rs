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

/// How often the user's query is asked at most.
const EVERY: Duration = Duration::from_secs(1);

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
}

impl Watch {
    pub(crate) fn new(throttle: Throttle) -> Self {
        Self { throttle, asked: None }
    }

    /// What the user's query says is asked anew the next time.
    pub(crate) fn forget(&mut self) {
        self.asked = None;
    }

    /// Looks around.
    pub(crate) async fn look(&mut self, session: &mut dyn Session) -> Result<Finding, EngineError> {
        if let Some(limit) = self.throttle.replica_lag
            && let Some(lag) = lag(session).await?
            && lag > limit.as_secs_f64()
        {
            return Ok(Finding::Wait(format!(
                "a replica is {lag:.0} s behind (limit {} s)",
                limit.as_secs()
            )));
        }
        if let Some(limit) = self.throttle.active_sessions
            && let Some(active) = active(session).await?
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

/// Seconds by which the slowest replica is behind.
async fn lag(session: &mut dyn Session) -> Result<Option<f64>, EngineError> {
    if session.dialect() != Dialect::Postgres {
        return Ok(None);
    }
    let row =
        session.row("SELECT max(extract(epoch FROM replay_lag)) FROM pg_stat_replication").await?;
    Ok(row.and_then(|row| row.opt(0).and_then(|lag| lag.parse().ok())))
}

/// Sessions at work, without this one.
async fn active(session: &mut dyn Session) -> Result<Option<u64>, EngineError> {
    let sql = match session.dialect() {
        Dialect::Postgres => {
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        }
        Dialect::Mysql | Dialect::MariaDb => {
            "SELECT count(*) FROM information_schema.PROCESSLIST WHERE COMMAND NOT IN ('Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID') AND USER <> 'system user' AND ID <> CONNECTION_ID()"
        }
        Dialect::Sqlite => return Ok(None),
    };
    Ok(u64::try_from(session.number(sql).await?).ok())
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
