//! Keeping tracking in step with the table: whether it still fits, and what a migration changes.

use downhaul_engine::{Session, TableShape};
use downhaul_syntax::{Change, Dialect, Ident, ObjectName};

use super::install::{
    built, lasting_shape, name_of, nesting, numbered, parts, reinstall, remove_triggers, uniques,
    version_of,
};
use super::{cascade, moment, mysql, pause, sqlite, write};
use crate::store::SnapshotError;
use crate::track::around::{Around, Standing, form};
use crate::track::follow::{Drift, Endangering, Origin};
use crate::track::{self, Event, Tracked, TrackedColumn, UnderWay, Version};

pub(super) fn same_form(a: &Version, b: &Version) -> bool {
    let columns = |v: &Version| -> Vec<(Ident, String)> {
        v.columns.iter().map(|c| (c.name.clone(), c.ty.clone())).collect()
    };
    columns(a) == columns(b) && a.key == b.key
}

/// Looks whether tracking still fits the table. Reads only.
pub(crate) async fn drift(
    session: &mut dyn Session,
    around: &Around,
    tracked: &Tracked,
) -> Result<Option<Drift>, SnapshotError> {
    if around.is_as_seen(tracked) {
        return Ok(None);
    }
    if tracked.is_paused() {
        return Ok(Some(Drift::Paused));
    }
    let stands_on = name_of(around, tracked.id, tracked.dialect);
    let name = stands_on.clone().unwrap_or_else(|| tracked.name.clone());
    let shape = around.lasting_shape(session, &name).await?;
    let Some(shape) = shape else { return Ok(Some(Drift::Gone)) };
    if !same_form(&version_of(&shape, (Some(tracked), tracked.id), &[]), tracked.current()) {
        return Ok(Some(Drift::Reshaped));
    }
    if stands_on.is_none() {
        return Ok(Some(Drift::Triggers));
    }
    if shape.name != tracked.name {
        return Ok(Some(Drift::Renamed));
    }
    let d = session.dialect();
    if d != Dialect::Sqlite {
        if built(session, around, &shape.name)
            .await?
            .is_some_and(|now| tracked.built.is_some_and(|b| b != now))
        {
            return Ok(Some(Drift::Emptied));
        }
        // One that came does no harm: rows are written to it by way of the table.
        let now = parts(around, &shape.name);
        if !around.built.is_empty() && tracked.leaves.iter().any(|known| !now.contains(known)) {
            return Ok(Some(Drift::Emptied));
        }
        let fit = fit(session, around, tracked, shape.name.name.as_str()).await?;
        return Ok((fit != Fit::Exact).then_some(Drift::Triggers));
    }
    let rows = session
        .rows(&format!(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = {} COLLATE NOCASE ORDER BY rowid",
            d.literal(shape.name.name.as_str())
        ))
        .await?;
    let (uniques, _) = uniques(session, &shape).await?;
    let nesting = nesting(around, tracked, &shape);
    let numbered = numbered(session, &shape).await?;
    let wanted = sqlite::triggers(tracked, &uniques, nesting, numbered);
    // Ours alone, all of them, and after every other one.
    let ours = rows.iter().skip(rows.len().saturating_sub(wanted.len()));
    let fits = rows.len() >= wanted.len()
        && ours.zip(&wanted).all(|(row, (name, sql))| row.text(0) == name && row.text(1) == sql);
    Ok((!fits).then_some(Drift::Triggers))
}

/// How the triggers that stand fit a table of MariaDB or MySQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Exact,
    /// One stands for a foreign key that is gone: it writes down what does no harm, but names columns
    /// and tables that may go too.
    TooMany,
    /// Some are missing, or are not as they should be.
    No,
}

async fn fit(
    session: &mut dyn Session,
    around: &Around,
    tracked: &Tracked,
    own: &str,
) -> Result<Fit, SnapshotError> {
    let d = session.dialect();
    let Ok(recordings) = cascade::recordings(tracked, &around.keys) else {
        // A foreign key came that no trigger can follow.
        return Ok(Fit::No);
    };
    let mut wanted: Vec<(&str, &str, &str)> =
        recordings.iter().map(|r| (r.name.as_str(), r.table.as_str(), r.body.as_str())).collect();
    let triggers = mysql::triggers(tracked);
    wanted.extend(triggers.iter().map(|(name, _, body)| (name.as_str(), own, body.as_str())));
    for (name, table, body) in &wanted {
        let all = around.triggers.get(*table).map_or(&[][..], Vec::as_slice);
        // Behind ours nobody may change what a row becomes.
        let behind = |ours: &Standing, other: &Standing| {
            ours.before_update
                && other.before_update
                && other.order > ours.order
                && !other.name.starts_with("downhaul_")
        };
        let found = all
            .iter()
            .find(|ours| ours.name == *name && !all.iter().any(|other| behind(ours, other)));
        let fits = match found {
            None => false,
            Some(ours) if ours.body == *body => true,
            // The view of MySQL garbles names that have a quote in them.
            Some(_) if d == Dialect::Mysql && body.contains("``") => session
                .row(&format!("SHOW CREATE TRIGGER {name}"))
                .await?
                .is_some_and(|row| row.text(2).ends_with(&format!("FOR EACH ROW {body}"))),
            Some(_) => false,
        };
        if !fits {
            return Ok(Fit::No);
        }
    }
    let mut standing = around.ours.get(&tracked.id).into_iter().flatten();
    let more = standing.any(|one| !wanted.iter().any(|(name, ..)| one == name));
    Ok(if more { Fit::TooMany } else { Fit::Exact })
}

/// Before a statement of a migration: writes down what its triggers would not see, and takes them
/// away where they would forbid the statement. Within the migration's transaction.
pub(crate) async fn before(
    session: &mut dyn Session,
    endangering: &Endangering,
) -> Result<(), SnapshotError> {
    let name = endangering.table();
    let Some(shape) = lasting_shape(session, name).await? else { return Ok(()) };
    let found = track::all(session).await?.into_iter().find(|t| t.name == shape.name);
    let Some(mut tracked) = found.filter(|t| t.relation != 0) else { return Ok(()) };
    let current = tracked.current().clone();
    let keyed = tracked.has_key();
    let event = match endangering {
        Endangering::Reshape(..) if keyed => Event::Reshaped,
        _ => Event::Truncated,
    };
    session.execute(&sqlite::copy_all(&tracked, &current, event)).await?;
    if event == Event::Truncated {
        tracked.kept_whole = true;
        write(session, &tracked, false).await?;
    }
    if matches!(endangering, Endangering::Reshape(..)) {
        // A trigger that names a column forbids to drop it.
        remove_triggers(session, tracked.id).await?;
    }
    Ok(())
}

/// New names of columns and tables, in the order in which the statement gives them.
fn renamed(changes: &[Change], table: &ObjectName) -> Vec<(Ident, Ident)> {
    changes
        .iter()
        .filter_map(|change| match change {
            Change::RenameColumn { table: of, from, to } if of.name == table.name => {
                Some((from.clone(), to.clone()))
            }
            _ => None,
        })
        .collect()
}

/// Brings tracking back into step with the tables. Within a transaction. Returns what a person
/// should know.
pub(crate) async fn resync(
    session: &mut dyn Session,
    origin: Origin,
    changes: &[Change],
) -> Result<Vec<String>, SnapshotError> {
    let mut notes = pause::resume(session, None, &[]).await?;
    let all = track::all(session).await?;
    let around = if all.is_empty() { Around::default() } else { Around::of(session, &all).await? };
    for tracked in all {
        notes.extend(resync_one(session, &around, tracked, origin, changes).await?);
    }
    Ok(notes)
}

pub(super) async fn resync_one(
    session: &mut dyn Session,
    around: &Around,
    mut tracked: Tracked,
    origin: Origin,
    changes: &[Change],
) -> Result<Vec<String>, SnapshotError> {
    if matches!(tracked.under_way, Some(UnderWay::Exchanging(_))) {
        let (settled, notes) = pause::settle_exchange(session, tracked).await?;
        let around = Around::read(session).await?;
        let more = Box::pin(resync_one(session, &around, settled, origin, changes)).await?;
        return Ok(notes.into_iter().chain(more).collect());
    }
    let broken = if tracked.relation == 0 {
        let Some(shape) = heir(session, &tracked).await? else { return Ok(Vec::new()) };
        if tracked.dialect != Dialect::Sqlite {
            return pause::come_back(session, &mut tracked, &shape).await;
        }
        come_back(session, around, &mut tracked, &shape).await?
    } else {
        match drift(session, around, &tracked).await? {
            None if around.is_as_seen(&tracked) => return Ok(Vec::new()),
            None => {
                tracked.seen = around.form_of(&tracked).cloned();
                if tracked.seen.is_some() {
                    write(session, &tracked, false).await?;
                }
                return Ok(Vec::new());
            }
            Some(Drift::Gone) => {
                tracked.relation = 0;
                false
            }
            Some(drift) if tracked.dialect == Dialect::Sqlite => {
                follow(session, around, &mut tracked, drift, origin, changes).await?
            }
            Some(drift) => {
                return follow_mysql(session, around, tracked, drift, origin, changes).await;
            }
        }
    };
    tracked.seen = form(session, around, &tracked).await?;
    write(session, &tracked, false).await?;
    if !broken {
        return Ok(Vec::new());
    }
    moment::begin_anew(session, &tracked).await?;
    Ok(vec![pause::begins_anew(&tracked)])
}

/// The table that took the place of one that is gone: under its name, or under the one that it had
/// before it was renamed to make room.
async fn heir(
    session: &mut dyn Session,
    tracked: &Tracked,
) -> Result<Option<TableShape>, SnapshotError> {
    for name in [Some(&tracked.name), tracked.former.as_ref()].into_iter().flatten() {
        if let Some(shape) = lasting_shape(session, name).await?
            && !track::all(session).await?.iter().any(|t| t.relation != 0 && t.name == shape.name)
        {
            return Ok(Some(shape));
        }
    }
    Ok(None)
}

/// A table that was dropped is there again. Returns whether the history has a hole.
async fn come_back(
    session: &mut dyn Session,
    around: &Around,
    tracked: &mut Tracked,
    shape: &TableShape,
) -> Result<bool, SnapshotError> {
    let before = tracked.current().clone();
    tracked.relation = tracked.id;
    tracked.name = shape.name.clone();
    tracked.former = None;
    new_version(session, around, tracked, shape, &[]).await?;
    let current = tracked.current().clone();
    session.execute(&sqlite::copy_all(tracked, &current, Event::Born)).await?;
    let whole = std::mem::take(&mut tracked.kept_whole);
    Ok(!whole || keys(&before) != keys(&current))
}

/// The key by column and type: values of another type are not the same keys.
fn keys(version: &Version) -> Vec<(i64, String)> {
    version
        .key
        .iter()
        .filter_map(|k| version.column(k))
        .map(|c| (c.number, c.ty.to_ascii_lowercase()))
        .collect()
}

/// Whether what tells rows apart is the same across two forms, on MariaDB and MySQL: an integer is the
/// same number whatever its width, and a text in one collation whatever its length.
pub(super) fn keys_are_same(before: &Version, now: &Version) -> bool {
    let parts = |version: &Version| -> Vec<(i64, String)> {
        let of = version.key.iter().filter_map(|k| version.column(k));
        of.map(|c| (c.number, mysql::kind(&c.ty))).collect()
    };
    before.key.len() == now.key.len() && parts(before) == parts(now)
}

/// The form or the name of a table of MariaDB or MySQL changed, and no pause was made for it: a migration
/// added to it, or somebody did something by hand.
async fn follow_mysql(
    session: &mut dyn Session,
    around: &Around,
    mut tracked: Tracked,
    drift: Drift,
    origin: Origin,
    changes: &[Change],
) -> Result<Vec<String>, SnapshotError> {
    let stands_on = name_of(around, tracked.id, tracked.dialect);
    let mut broken = stands_on.is_none() && (origin == Origin::Outside || drift == Drift::Reshaped);
    let name = stands_on.unwrap_or_else(|| tracked.name.clone());
    let Some(shape) = lasting_shape(session, &name).await? else { return Ok(Vec::new()) };
    if shape.name != tracked.name {
        tracked.former = Some(tracked.name.clone());
        tracked.name = shape.name.clone();
    }
    let before = tracked.current().clone();
    let mut version = None;
    if drift == Drift::Reshaped {
        let renamed = renamed(changes, &tracked.name.clone());
        let now = version_of(&shape, (Some(&tracked), tracked.id), &renamed);
        let still_there = |old: &TrackedColumn| {
            now.columns.iter().any(|c| c.number == old.number && c.ty == old.ty)
        };
        broken |= !keys_are_same(&before, &now) || !before.columns.iter().all(still_there);
        if !broken && now.key.is_empty() {
            // Rows of the new form are other rows: all of the old go, and come again.
            return pause::all_anew(session, tracked).await;
        }
        version = Some(now);
    } else if origin == Origin::Outside && drift != Drift::Renamed {
        broken |= drift != Drift::Triggers
            || fit(session, around, &tracked, shape.name.name.as_str()).await? == Fit::No;
    }
    let triggers = tracked.triggers.clone();
    pause::exchange(session, around, &mut tracked, &shape, version).await?;
    // A foreign key came that changes rows, and for an instant nobody wrote that down.
    let had = |name: &String| {
        triggers.iter().any(|old| mysql::trigger_letter(old) == mysql::trigger_letter(name))
    };
    broken |= !tracked.triggers.iter().all(had);
    if !broken {
        return Ok(Vec::new());
    }
    moment::begin_anew(session, &tracked).await?;
    Ok(vec![pause::begins_anew(&tracked)])
}

/// The form or the name of a table changed. Returns whether the history has a hole.
async fn follow(
    session: &mut dyn Session,
    around: &Around,
    tracked: &mut Tracked,
    drift: Drift,
    origin: Origin,
    changes: &[Change],
) -> Result<bool, SnapshotError> {
    let stands_on = name_of(around, tracked.id, tracked.dialect);
    let rebuilt = stands_on.is_none() && origin == Origin::Outside;
    let name = stands_on.unwrap_or_else(|| tracked.name.clone());
    let Some(shape) = lasting_shape(session, &name).await? else { return Ok(false) };
    if shape.name != tracked.name {
        tracked.former = Some(tracked.name.clone());
        tracked.name = shape.name.clone();
    }
    if matches!(drift, Drift::Renamed | Drift::Triggers | Drift::Emptied) {
        // Renaming writes the new name into the triggers, in its own way.
        reinstall(session, around, tracked, &shape).await?;
        return Ok(rebuilt || drift != Drift::Renamed && origin == Origin::Outside);
    }
    let before = tracked.current().clone();
    let renamed = renamed(changes, &tracked.name.clone());
    new_version(session, around, tracked, &shape, &renamed).await?;
    let now = tracked.current().clone();
    if keys(&before) != keys(&now) {
        tracked.kept_whole = false;
        return Ok(true);
    }
    let still_there =
        |old: &TrackedColumn| now.columns.iter().any(|c| c.number == old.number && c.ty == old.ty);
    if origin == Origin::Outside && (rebuilt || !before.columns.iter().all(still_there)) {
        return Ok(true);
    }
    if now.key.is_empty() {
        if !std::mem::take(&mut tracked.kept_whole) {
            session.execute(&sqlite::copy_all(tracked, &before, Event::Truncated)).await?;
        }
        session.execute(&sqlite::copy_all(tracked, &now, Event::Born)).await?;
    }
    Ok(false)
}

async fn new_version(
    session: &mut dyn Session,
    around: &Around,
    tracked: &mut Tracked,
    shape: &TableShape,
    renamed: &[(Ident, Ident)],
) -> Result<(), SnapshotError> {
    let from = moment::newest(session, tracked).await?;
    let version = version_of(shape, (Some(tracked), tracked.id), renamed);
    tracked.versions.push(version);
    for statement in super::create_history(tracked, from) {
        session.execute(&statement).await?;
    }
    reinstall(session, around, tracked, shape).await
}
