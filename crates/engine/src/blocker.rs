//! Who stands in the way of a lock.

use std::fmt;
use std::time::Duration;

use downhaul_syntax::ObjectName;

/// A lock that a statement is going to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLock {
    /// The table.
    pub table: ObjectName,
    /// As the server calls it: `ACCESS EXCLUSIVE`. MySQL and MariaDB: anything, since a definition
    /// always needs the whole table for a moment.
    pub mode: String,
}

/// A session that holds, or may hold, what another one waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// Process id of its server process, or number of its connection.
    pub id: i64,
    /// Whose it is.
    pub user: String,
    /// From where: an address, or `local`.
    pub client: String,
    /// What it calls itself; may be empty.
    pub application: String,
    /// What it does: `active`, `idle in transaction`; empty where we may not see it.
    pub state: String,
    /// Its last statement, cut short; empty where we may not see it.
    pub query: String,
    /// How long its transaction has been open, where we may see it.
    pub transaction: Option<Duration>,
    /// How long it has done nothing inside that transaction.
    pub idle: Option<Duration>,
    /// `ACCESS SHARE on orders`; empty where the server does not tell.
    pub holds: String,
    /// Why it must not be ended, whatever its age.
    pub protected: Option<String>,
}

impl Blocker {
    /// Whether it does nothing in an open transaction, has done so for this long, and is nobody
    /// whose end would surprise.
    #[must_use]
    pub fn may_be_ended(&self, after: Duration) -> bool {
        self.protected.is_none() && self.idle.is_some_and(|idle| idle >= after)
    }
}

/// `pid 4711 (app@10.0.0.5, "report"): idle in transaction for 5 min, open for 12 min, holds …: SELECT …`
impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} ({}@{}", self.id, self.user, self.client)?;
        if !self.application.is_empty() {
            write!(f, ", {}", self.application)?;
        }
        f.write_str(")")?;
        let mut parts = Vec::new();
        match (&self.state, self.idle) {
            (state, Some(idle)) if !state.is_empty() => {
                parts.push(format!("{state} for {}", span(idle)));
            }
            (state, _) if !state.is_empty() => parts.push(state.clone()),
            _ => {}
        }
        if let Some(open) = self.transaction {
            parts.push(format!("transaction open for {}", span(open)));
        }
        if !self.holds.is_empty() {
            parts.push(format!("holds {}", self.holds));
        }
        if !parts.is_empty() {
            write!(f, ": {}", parts.join(", "))?;
        }
        if !self.query.is_empty() {
            write!(f, ": {}", self.query)?;
        }
        Ok(())
    }
}

/// `800 ms`, `12 s`, `5 min 3 s`, `2 h 5 min`.
fn span(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        s @ 1..=119 => format!("{s} s"),
        s @ 120..=7199 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s / 60 % 60),
    }
}

/// A query on one line, at most so long.
pub(crate) fn short(query: &str) -> String {
    let flat = query.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &flat[..at]),
        None => flat,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocker_is_described_and_only_the_idle_are_ended() {
        let mut blocker = Blocker {
            id: 4711,
            user: "app".into(),
            client: "10.0.0.5".into(),
            application: "report".into(),
            state: "idle in transaction".into(),
            query: short("SELECT *\n  FROM orders"),
            transaction: Some(Duration::from_secs(725)),
            idle: Some(Duration::from_secs(61)),
            holds: "AccessShareLock on orders".into(),
            protected: None,
        };
        assert_eq!(
            blocker.to_string(),
            "pid 4711 (app@10.0.0.5, report): idle in transaction for 61 s, transaction open for 12 min 5 s, \
             holds AccessShareLock on orders: SELECT * FROM orders"
        );
        assert!(blocker.may_be_ended(Duration::from_secs(60)));
        assert!(!blocker.may_be_ended(Duration::from_secs(62)));
        blocker.protected = Some("it is a superuser's".into());
        assert!(!blocker.may_be_ended(Duration::ZERO));
        blocker = Blocker { protected: None, idle: None, state: "active".into(), ..blocker };
        assert!(!blocker.may_be_ended(Duration::ZERO));
        assert_eq!(short(&"x".repeat(200)).chars().count(), 81);
    }
}
