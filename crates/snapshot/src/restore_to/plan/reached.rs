//! Which tables a restore is about.

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, ObjectName};

use crate::mark::{self, Mark};
use crate::store::SnapshotError;
use crate::track::{self, Around, Tracked, follow};

/// The tracked tables of a scope, in step with their live tables, that a mark reaches; and those
/// that it does not.
pub async fn tables(
    session: &mut dyn Session,
    names: &[ObjectName],
    marks: &[&Mark],
) -> Result<(Vec<Tracked>, Vec<String>), SnapshotError> {
    // A policy that hides rows from us makes reading fail, instead of the past look wrong.
    if session.dialect() == Dialect::Postgres {
        // Nor is anything compiled: for hundreds of columns that takes longer than the work itself.
        session.execute("SET LOCAL row_security = off; SET LOCAL jit = off").await?;
    }
    let all = track::all(session).await?;
    let everything = all.clone();
    let (mut found, mut unreachable) = (Vec::new(), Vec::new());
    let wanted: Vec<Tracked> = if names.is_empty() {
        all
    } else {
        let mut wanted = Vec::new();
        for name in names {
            let tracked = track::find(session, &all, name).await?.ok_or_else(|| {
                SnapshotError::CannotTrack(format!(
                    "{name} is not tracked, so nothing is known of its past (`downhaul snapshot status` lists what is{})",
                    otherwise_written(&all, name)
                ))
            })?;
            if !wanted.contains(tracked) {
                wanted.push(tracked.clone());
            }
        }
        wanted
    };
    let around =
        if wanted.is_empty() { Around::default() } else { Around::of(session, &wanted).await? };
    for tracked in wanted {
        let problem = match follow::drift(session, &around, &tracked).await? {
            None => None,
            Some(follow::Drift::Gone) if tracked.was_written_down() => Some(format!(
                "a migration dropped {}: `downhaul down` brings it back, and then its history goes on",
                tracked.label()
            )),
            Some(follow::Drift::Gone) => Some(format!(
                "{0} is gone, and no migration dropped it: its rows went with it, the history holds only those that had changed{1} \
                 (`downhaul snapshot untrack {0}` forgets it)",
                tracked.label(),
                if is_there_again(&everything, &tracked) {
                    "; this is not the table that has its name now"
                } else {
                    "; a table that is made again under its name is tracked anew"
                }
            )),
            Some(follow::Drift::Partitions) => Some(format!(
                "partitions of {} went by hand, with their rows: `downhaul snapshot track {}` begins its history anew",
                tracked.label(),
                tracked.label()
            )),
            Some(follow::Drift::Paused) => Some(format!(
                "a migration that changes {} is under way, or was cut off: `downhaul up` (or `down`) finishes it",
                tracked.label()
            )),
            Some(follow::Drift::Emptied) => Some(format!(
                "{0} was emptied or built anew by hand (TRUNCATE, ALTER, OPTIMIZE), which fires no trigger: of rows that went so \
                 the history has nothing, and `downhaul snapshot track {0}` begins it anew",
                tracked.label()
            )),
            Some(_) => Some(format!(
                "the form of {} was changed by hand: `downhaul snapshot track {}` makes its history fit again",
                tracked.label(),
                tracked.label()
            )),
        };
        if let Some(problem) = problem {
            if names.is_empty() {
                unreachable.push(problem);
                continue;
            }
            return Err(SnapshotError::CannotTrack(problem));
        }
        let mut reachable = true;
        for mark in marks {
            match mark::check_reachable(session, &tracked, mark).await {
                Ok(()) => {}
                Err(error @ SnapshotError::OutOfReach { .. }) if names.is_empty() => {
                    unreachable.push(error.to_string());
                    reachable = false;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if reachable {
            found.push(tracked);
        }
    }
    Ok((found, unreachable))
}

/// Another one is tracked under the name of a table that is gone.
fn is_there_again(all: &[Tracked], gone: &Tracked) -> bool {
    all.iter().any(|other| other.id > gone.id && other.name == gone.name)
}

/// A tracked table whose name is this one but for capitals: the shell takes quotes away, so that `"Audit Log"`
/// comes without them.
fn otherwise_written(all: &[Tracked], name: &ObjectName) -> String {
    let folded = |name: &ObjectName| name.name.as_str().to_lowercase();
    match all.iter().find(|t| folded(&t.name) == folded(name)) {
        Some(tracked) => format!("; one is named '{}'", tracked.label()),
        None => String::new(),
    }
}
