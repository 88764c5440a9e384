//! PostgreSQL: what stands on a part of the schema that has to go, or to be made anew.
//!
//! A view is not dropped while another reads it. What stands on it goes with it, and is made again
//! behind it, as it was before the migration or, where that left it alone, as it is.

use downhaul_engine::{DumpKind, DumpObject, EngineError, ObjectId, SchemaDump, Session};
use downhaul_snapshot::SnapshotError;

use super::Stop;

const TRY: &str = "SAVEPOINT downhaul_try";
const BACK: &str = "ROLLBACK TO SAVEPOINT downhaul_try";
const DONE: &str = "RELEASE SAVEPOINT downhaul_try";

/// Runs the statements that put a part of the schema right; where the first one, which takes it away,
/// is refused because of what stands on it, with that.
pub(super) async fn run(
    session: &mut dyn Session,
    id: &ObjectId,
    statements: &[String],
    (before, after, now): (&SchemaDump, &SchemaDump, &SchemaDump),
) -> Result<(), Stop> {
    let [first, others @ ..] = statements else { return Ok(()) };
    if !matches!(id.kind, DumpKind::View | DumpKind::Function | DumpKind::Constraint) {
        for statement in statements {
            session.execute(statement).await?;
        }
        return Ok(());
    }
    let Err(error) = attempt(session, first).await? else {
        for statement in others {
            session.execute(statement).await?;
        }
        return Ok(());
    };
    // 2BP01: dependent_objects_still_exist (PostgreSQL manual, appendix A).
    if error.failure().is_none_or(|failure| failure.code.as_deref() != Some("2BP01")) {
        return Err(error.into());
    }
    session.execute(&format!("{first} CASCADE")).await?;
    let left = session.dump().await?;
    let gone: Vec<&DumpObject> = now
        .objects
        .iter()
        .filter(|object| object.id != *id && left.get(&object.id).is_none())
        .collect();
    if let Some(holds_data) = gone.iter().find(|object| object.id.kind <= DumpKind::Column) {
        let what = match holds_data.id.kind {
            DumpKind::Function => None,
            kind => Some(format!("{} {}", kind.as_str(), holds_data.id.name)),
        };
        if let Some(what) = what {
            return Err(Stop::Snapshot(SnapshotError::CannotRestore(format!(
                "{} has to be made anew, and {what} stands on it",
                id.name
            ))));
        }
    }
    for statement in others {
        session.execute(statement).await?;
    }
    let again = gone.iter().filter_map(|object| {
        let changed = |dump: &SchemaDump| dump.get(&object.id).map(|o| o.fingerprint.clone());
        match (before.get(&object.id), changed(before) == changed(after)) {
            // The migration changed it: as it was, or not at all.
            (Some(old), false) => Some(old.create.clone()),
            (None, false) => None,
            (_, true) => Some(object.create.clone()),
        }
    });
    make_again(session, again.collect()).await
}

/// Makes objects, each as soon as what it needs is there.
async fn make_again(session: &mut dyn Session, mut open: Vec<String>) -> Result<(), Stop> {
    while !open.is_empty() {
        let mut refused = Vec::new();
        let mut why = None;
        let before = open.len();
        for statement in open {
            if let Err(error) = attempt(session, &statement).await? {
                refused.push(statement);
                why.get_or_insert(error);
            }
        }
        if let Some(error) = why.filter(|_| refused.len() == before) {
            return Err(error.into());
        }
        open = refused;
    }
    Ok(())
}

/// Runs a statement; one that is refused leaves the transaction as it was.
async fn attempt(
    session: &mut dyn Session,
    statement: &str,
) -> Result<Result<(), EngineError>, EngineError> {
    session.execute(TRY).await?;
    match session.execute(statement).await {
        Ok(_) => {
            session.execute(DONE).await?;
            Ok(Ok(()))
        }
        Err(EngineError::Disconnected(why)) => Err(EngineError::Disconnected(why)),
        Err(error) => {
            session.execute(BACK).await?;
            Ok(Err(error))
        }
    }
}
