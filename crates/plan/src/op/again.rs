//! Views and policies that a file drops and creates again: PostgreSQL asks for that where they read a column
//! that changes its type or goes.
//!
//! Those that come back as they were are left out: what the phases do with the column takes them along. Views
//! that only show more take the place of the old ones at once ([`super::replace`]). All others change at the
//! contract, when only the new release reads them.

use downhaul_catalog::{Catalog, DiffOptions, diff};
use downhaul_syntax::{Change, Dialect, ObjectKind, ObjectName, Script, Statement};

use super::piece::{Piece, Slot};
use super::replace::What;
use super::{HERE, Made, replace};

/// What becomes of the statements about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Nothing: all comes back as it was.
    LeftOut,
    AtContract,
}

/// For each statement, whether it is about what goes and comes back.
pub(crate) fn statements(script: &Script, before: &Catalog) -> Vec<Option<Again>> {
    let mut out = vec![None; script.statements.len()];
    if before.dialect != Dialect::Postgres {
        return out;
    }
    let (mut gone, mut again) = (Vec::new(), Vec::new());
    for change in script.statements.iter().flat_map(Statement::changes) {
        match change {
            Change::DropView { name, materialized: false, .. } if before.view(name).is_none() => {}
            Change::DropView { materialized: false, .. } | Change::DropPolicy { .. } => {
                gone.extend(replace::dropped(change, before).map(|(what, ..)| what));
            }
            Change::CreateView { materialized: false, temporary: false, .. }
            | Change::CreatePolicy { .. } => {
                again.extend(replace::made(change, before).filter(|what| gone.contains(what)));
            }
            _ => {}
        }
    }
    let view = |name: &ObjectName| What::View(before.normalize(name));
    let about = |change: &Change| -> bool {
        let objects: Vec<What> = match change {
            Change::DropView { .. } | Change::DropPolicy { .. } => {
                replace::dropped(change, before).map(|(what, ..)| what).into_iter().collect()
            }
            Change::CreateView { .. } | Change::CreatePolicy { .. } => {
                replace::made(change, before).into_iter().collect()
            }
            Change::Comment { kind: ObjectKind::View, name, .. } => vec![view(name)],
            Change::Grant { objects, .. } => objects.iter().map(view).collect(),
            _ => return false,
        };
        !objects.is_empty() && objects.iter().all(|object| again.contains(object))
    };
    let mut after = before.clone();
    for (at, statement) in script.statements.iter().enumerate() {
        let changes = statement.changes();
        if !changes.is_empty() && changes.iter().all(about) {
            out[at] = Some(Again::AtContract);
            for change in changes {
                after.apply(change, HERE);
            }
        }
    }
    let mut whole = before.clone();
    whole.apply_script(script, HERE);
    let as_it_was = |(statement, again): (&Statement, &Option<Again>)| {
        again.is_none() || !shows_others(statement, before, &whole)
    };
    if diff(before, &after, DiffOptions::default()).is_empty()
        && script.statements.iter().zip(&out).all(as_it_was)
    {
        for one in out.iter_mut().flatten() {
            *one = Again::LeftOut;
        }
    } else if out
        .iter()
        .zip(&script.statements)
        .filter(|(again, _)| again.is_some())
        .flat_map(|(_, statement)| statement.changes())
        .all(|change| replace::at_once(change, script, before))
    {
        out.fill(None);
    }
    out
}

/// Whether a view is created over `*`, and that stands for other columns behind the file.
fn shows_others(statement: &Statement, before: &Catalog, after: &Catalog) -> bool {
    let star = |catalog: &Catalog, name: &ObjectName| catalog.view(name).map(|v| v.star.clone());
    statement.changes().iter().any(|change| {
        matches!(change, Change::CreateView { name, query, .. }
            if query.star && star(before, name) != star(after, name))
    })
}

/// A statement that waits for the contract.
pub(crate) fn at_contract(statement: &Statement) -> Made {
    let mut made = Made::default();
    made.push(Slot::CONTRACT, Piece::as_written(statement.text.clone()));
    // Neither drops rows.
    made.derive(Slot::CONTRACT, &[crate::Direction::Up, crate::Direction::Down]);
    if let [Change::CreateView { name, .. }] = statement.changes() {
        made.note(format!(
            "{name} changes at the contract: until then both releases read it as it was, with what it calls its columns. Where the new release needs it otherwise before that, give it a view of its own"
        ));
    }
    made
}
