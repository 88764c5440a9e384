//! Definitions that take no longer than their lock, on MariaDB: tried without queueing for it first.
//!
//! A row of a table to which foreign keys refer is inserted under a weak lock on the tables that refer to it.
//! Then the same transaction inserts there, as most do that write both, and needs a stronger one. If a
//! definition has queued in between, each waits for the other, and of the two the server ends the
//! transaction (error 1213): an application gets an error that has done nothing wrong. Nobody meets
//! such a deadlock with one who does not wait.

use std::time::{Duration, Instant};

use downhaul_engine::{EngineError, LockBudget, Session};
use downhaul_syntax::{Change, ConstraintKind, Dialect, ObjectName, Statement};

/// Between two tries: transactions of an application are short.
const PAUSE: Duration = Duration::from_millis(3);

/// Runs a definition. A server that was killed while it dropped a trigger may leave the trigger's file
/// behind, of which it knows nothing any more, and which keeps the name from being used again.
pub(super) async fn execute(
    session: &mut dyn Session,
    statement: &Statement,
    text: &str,
    budget: LockBudget,
) -> Result<u64, EngineError> {
    let result = patiently(session, statement, text, budget).await;
    let [Change::CreateTrigger { def: trigger, .. }] = statement.changes() else { return result };
    let taken = matches!(&result, Err(error) if error.to_string().contains("already exists"));
    if !taken || session.dialect() != Dialect::MariaDb {
        return result;
    }
    let name = ObjectName { schema: trigger.table.schema.clone(), name: trigger.name.clone() };
    let schema = match &name.schema {
        Some(schema) => session.dialect().literal(schema.as_str()),
        None => "DATABASE()".to_owned(),
    };
    let known = session
        .number(&format!(
            "SELECT count(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {schema} AND TRIGGER_NAME = {}",
            session.dialect().literal(name.name.as_str())
        ))
        .await?;
    if known > 0 {
        return result;
    }
    let name = session.dialect().quote_name(&name);
    session.execute(&format!("DROP TRIGGER IF EXISTS {name}")).await?;
    patiently(session, statement, text, budget).await
}

/// Runs a definition. Where its lock is all that it takes, it is tried again and again for as long as a
/// lock may be waited for; only then it queues.
async fn patiently(
    session: &mut dyn Session,
    statement: &Statement,
    text: &str,
    budget: LockBudget,
) -> Result<u64, EngineError> {
    // MySQL knows no wait of less than a second.
    if session.dialect() == Dialect::MariaDb && is_brief(statement.changes()) {
        session.execute("SET SESSION lock_wait_timeout = 0").await?;
        let begun = Instant::now();
        let result = loop {
            match session.execute(text).await {
                Err(EngineError::LockTimeout(_)) if begun.elapsed() < budget.lock_timeout => {
                    tokio::time::sleep(PAUSE).await;
                }
                ended => break ended,
            }
        };
        if !matches!(result, Err(EngineError::Disconnected(_))) {
            let seconds = budget.lock_timeout.as_millis().div_ceil(1000).max(1);
            session.execute(&format!("SET SESSION lock_wait_timeout = {seconds}")).await?;
        }
        if !matches!(result, Err(EngineError::LockTimeout(_))) {
            return result;
        }
    }
    session.execute(text).await
}

/// Whether it reads and writes no rows: a try that gets no lock at its end, either, loses nothing.
fn is_brief(changes: &[Change]) -> bool {
    let mut inplace = false;
    for change in changes {
        if let Change::Online { online, .. } = change {
            match online.algorithm.as_deref() {
                Some("instant") => return true,
                algorithm => inplace |= algorithm == Some("inplace"),
            }
        }
    }
    changes.iter().all(|change| match change {
        // In place the server takes one only where it does not look at the rows.
        Change::AddConstraint { constraint, .. } => {
            inplace && matches!(constraint.kind, ConstraintKind::ForeignKey { .. })
        }
        Change::Online { .. }
        | Change::CreateTrigger { .. }
        | Change::DropTrigger { .. }
        | Change::RenameIndex { .. }
        | Change::RenameTable { .. }
        | Change::DropIndex { .. }
        | Change::DropConstraint { .. }
        | Change::SetDefault { .. }
        | Change::DropDefault { .. }
        | Change::CreateView { .. }
        | Change::DropView { .. } => true,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use downhaul_syntax::parse_script;

    use super::*;

    #[test]
    fn what_reads_rows_is_not_brief() {
        for (sql, brief) in [
            ("ALTER TABLE t ADD COLUMN a int, ALGORITHM=INSTANT", true),
            ("ALTER TABLE t ADD COLUMN a int", false),
            ("ALTER TABLE t MODIFY COLUMN a int NOT NULL, ALGORITHM=INPLACE, LOCK=NONE", false),
            ("ALTER TABLE t DROP CONSTRAINT f, ALGORITHM=INPLACE, LOCK=NONE", true),
            (
                "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (id), ALGORITHM=INPLACE, LOCK=NONE",
                true,
            ),
            ("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (id)", false),
            ("ALTER TABLE t ADD UNIQUE KEY u (a), ALGORITHM=INPLACE, LOCK=NONE", false),
            ("ALTER TABLE t RENAME INDEX a TO b, ALGORITHM=INSTANT", true),
            ("ALTER TABLE t DROP INDEX a, ADD INDEX b (a), ALGORITHM=INPLACE", false),
            ("CREATE INDEX i ON t (a) ALGORITHM=INPLACE LOCK=NONE", false),
            ("CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1", true),
            ("RENAME TABLE t TO u", true),
        ] {
            let script = parse_script(&format!("{sql};"), Dialect::MariaDb);
            assert_eq!(is_brief(script.statements[0].changes()), brief, "{sql}");
        }
    }
}
