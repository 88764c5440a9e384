//! Tracking pauses while a migration changes what its triggers name, where each statement commits by
//! itself: MariaDB and MySQL.
//!
//! Before the statement, while nobody can write to the table, all its rows are written down as they are, and
//! the moment; then its triggers go, and the statement runs with no lock of ours. After it triggers of the
//! new form are made, and while nobody can write again, every row that is there is noted as new, in place of
//! whatever was noted since that moment. Whoever reads from a mark before finds the first image of each row,
//! and that those that came meanwhile were not there; from a mark after, nothing of all this. What others
//! wrote between the two is not noted one by one, but no mark lies between: one that is made then knows
//! nothing of the table.
//!
//! That a table pauses is written down with its rows, in one transaction. So whenever a run is killed, the
//! next one finds the moment up to which the history is whole, and ends the pause as any other.

use std::collections::BTreeSet;

use downhaul_engine::{EngineError, LockBudget, Session, TableShape};
use downhaul_syntax::{Change, ConstraintKind, Ident, ObjectName};

use super::follow::{keys_are_same, same_form};
use super::install::{install, lasting_shape, remove_triggers, standing, standing_on, version_of};
use super::{cascade, create_history, follow, history, moment, mysql, write};
use crate::sql;
use crate::stepwise;
use crate::store::SnapshotError;
use crate::track::around::Around;
use crate::track::follow::{Drift, Origin};
use crate::track::{self, Event, Exchange, Pause, Tracked, TrackedColumn, UnderWay, Version};

/// What a statement gives another name of a table that it takes out from under its triggers; `None`: it
/// does no such thing.
fn danger(
    tracked: &Tracked,
    (ancestors, database): (&BTreeSet<String>, &str),
    changes: &[Change],
) -> Option<Pause> {
    let mut names = Pause::default();
    let mut own_names = vec![tracked.name.name.clone()];
    let mut hit = false;
    let here = |name: &ObjectName| name.schema.as_ref().is_none_or(|s| s.as_str() == database);
    for change in changes {
        let own = |table: &ObjectName| here(table) && own_names.contains(&table.name);
        // A trigger on a table to which rows of this one refer names columns of all on the way.
        let near = |table: &ObjectName| {
            own(table) || here(table) && ancestors.contains(&table.name.as_str().to_lowercase())
        };
        match change {
            Change::RenameColumn { table, from, to } => {
                hit |= near(table);
                if own(table) {
                    names.columns.push((from.clone(), to.clone()));
                }
            }
            Change::ModifyColumn { table, from, column, .. } => {
                hit |= near(table);
                if own(table) && *from != column.name {
                    names.columns.push((from.clone(), column.name.clone()));
                }
            }
            Change::DropColumn { table, .. }
            | Change::AlterColumnType { table, .. }
            | Change::ConvertCharset { table, .. }
            | Change::DropTable { name: table, .. } => hit |= near(table),
            Change::AddConstraint { table, constraint, .. } => {
                hit |= match constraint.kind {
                    ConstraintKind::ForeignKey { .. } => near(table),
                    ConstraintKind::PrimaryKey { .. } => own(table),
                    _ => false,
                };
            }
            Change::DropPrimaryKey { table } => hit |= own(table),
            Change::MysqlTableVerb { table, verb } => {
                hit |= own(table) && verb.to_lowercase().contains("tablespace");
            }
            Change::Truncate { tables, .. } => hit |= tables.iter().any(own),
            Change::MysqlPartition { table, verb, text } => {
                let elsewhere = matches!(verb.to_lowercase().as_str(), "exchange" | "convert");
                let named =
                    text.to_lowercase().contains(&tracked.name.name.as_str().to_lowercase());
                hit |= own(table) || elsewhere && named;
            }
            Change::RenameTable { from, to } => {
                hit |= near(from);
                if own(from) {
                    own_names.push(to.name.clone());
                    names.table = Some(to.clone());
                }
            }
            _ => {}
        }
    }
    hit.then_some(names)
}

/// Before a statement of a migration: tables whose triggers it endangers pause. `also`: tables that are
/// about to change otherwise. Returns what a person should know.
pub(crate) async fn pause(
    session: &mut dyn Session,
    budget: LockBudget,
    changes: &[Change],
    also: &[ObjectName],
) -> Result<Vec<String>, SnapshotError> {
    let mut notes = Vec::new();
    let all: Vec<Tracked> =
        track::all(session).await?.into_iter().filter(|t| t.relation != 0).collect();
    if all.is_empty() {
        return Ok(notes);
    }
    let keys = cascade::keys(session).await?;
    let database = session.row("SELECT DATABASE()").await?;
    let database = database.map(|row| row.text(0).to_owned()).unwrap_or_default();
    for tracked in all {
        let ancestors = cascade::ancestors(tracked.name.name.as_str(), &keys);
        let found = danger(&tracked, (&ancestors, &database), changes);
        let found = found.or_else(|| {
            also.iter().any(|name| name.name == tracked.name.name).then(Pause::default)
        });
        let Some(names) = found else { continue };
        notes.extend(pause_one(session, budget, tracked.id, names).await?);
    }
    Ok(notes)
}

async fn pause_one(
    session: &mut dyn Session,
    budget: LockBudget,
    id: i64,
    names: Pause,
) -> Result<Vec<String>, SnapshotError> {
    let mut notes = Vec::new();
    let Some(mut tracked) = one(session, id).await? else { return Ok(notes) };
    if let Some(pause) = tracked.pause().cloned() {
        if (&pause.columns, &pause.table) != (&names.columns, &names.table) {
            let Pause { at, broken, .. } = pause;
            tracked.under_way = Some(UnderWay::Paused(Pause { at, broken, ..names }));
            session.begin(budget).await?;
            write(session, &tracked, false).await?;
            session.commit().await?;
        }
    } else {
        let around = Around::read(session).await?;
        if follow::drift(session, &around, &tracked).await?.is_some() {
            // By hand, or what a killed run left: its rows cannot be written down in a form that is no longer.
            session.begin(budget).await?;
            let made = follow::resync_one(session, &around, tracked, Origin::Outside, &[]).await;
            end(session, &made).await?;
            notes = made?;
            match one(session, id).await? {
                Some(found) if found.relation != 0 => tracked = found,
                _ => return Ok(notes),
            }
        }
        session.begin(budget).await?;
        let made = write_down(session, &mut tracked, names).await;
        end(session, &made).await?;
        made?;
    }
    // For its limits.
    session.begin(budget).await?;
    let removed = remove_triggers(session, id).await;
    end(session, &removed).await?;
    removed.map(|()| notes)
}

/// Ends a transaction that was begun for its limits, as its work ended.
async fn end<T>(
    session: &mut dyn Session,
    made: &Result<T, SnapshotError>,
) -> Result<(), EngineError> {
    if made.is_ok() {
        return session.commit().await;
    }
    // After a broken connection there is nothing to roll back.
    let _ = session.rollback().await;
    Ok(())
}

pub(super) async fn one(
    session: &mut dyn Session,
    id: i64,
) -> Result<Option<Tracked>, SnapshotError> {
    Ok(track::all(session).await?.into_iter().find(|t| t.id == id))
}

/// Writes down all rows of a table, and that it pauses.
async fn write_down(
    session: &mut dyn Session,
    tracked: &mut Tracked,
    names: Pause,
) -> Result<(), SnapshotError> {
    let event = if tracked.has_key() { Event::Reshaped } else { Event::Truncated };
    let current = tracked.current().clone();
    hold(session, tracked, &[]).await?;
    let modes = stepwise::own_modes(session).await;
    let written = async {
        session.execute(&mysql::copy_all(tracked, &current, event)).await?;
        let at = moment::newest(session, tracked).await?;
        tracked.under_way = Some(UnderWay::Paused(Pause { at, ..names }));
        write(session, tracked, false).await
    }
    .await;
    release(session, &written).await?;
    session.execute(&modes?).await?;
    written
}

/// Lets nobody write to a table, to its history, nor to others; waits until all who wrote have ended.
/// Within a transaction, which it ends; the limits of that one hold.
async fn hold(
    session: &mut dyn Session,
    tracked: &Tracked,
    others: &[String],
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let mut names: BTreeSet<String> = BTreeSet::from([tracked.live(), sql::own(d, "tracked")]);
    names.extend(tracked.versions.iter().map(|v| history(d, tracked.id, v.number)));
    names.extend(others.iter().map(|name| d.quote_str(name)));
    let mut locks: Vec<String> = names.iter().map(|name| format!("{name} WRITE")).collect();
    locks.push(format!("{} READ", sql::own(d, "mark")));
    // As for a mark: InnoDB heeds LOCK TABLES only where nothing commits by itself.
    session.execute("SET SESSION autocommit = 0").await?;
    let locked = session.execute(&format!("LOCK TABLES {}", locks.join(", "))).await;
    if let Err(error) = locked {
        let _ = moment::unlock(session).await;
        return Err(error.into());
    }
    Ok(())
}

/// Ends [`hold`]: what was written meanwhile is committed, if all went well.
async fn release<T>(
    session: &mut dyn Session,
    made: &Result<T, SnapshotError>,
) -> Result<(), SnapshotError> {
    if made.is_err() {
        // After a broken connection there is nothing to release.
        let _ = session.execute("ROLLBACK").await;
        let _ = moment::unlock(session).await;
        return Ok(());
    }
    moment::unlock(session).await
}

/// After a statement, or where an earlier run was cut off: tables that pause take their new form, and are
/// followed again unless `again` says that the migration will have them pause once more. `took`: whether
/// the statement that gave names took effect, where that is known. Within a transaction, for its limits;
/// returns what a person should know.
pub(crate) async fn resume(
    session: &mut dyn Session,
    took: Option<bool>,
    again: &[Change],
) -> Result<Vec<String>, SnapshotError> {
    let mut notes = Vec::new();
    let all = track::all(session).await?;
    let pauses = |t: &Tracked| t.relation != 0 && t.pause().is_some();
    if !all.iter().any(|t| pauses(t) || records(t)) {
        return Ok(notes);
    }
    let keys = cascade::keys(session).await?;
    let database = session.row("SELECT DATABASE()").await?;
    let database = database.map(|row| row.text(0).to_owned()).unwrap_or_default();
    for mut tracked in all.into_iter().filter(pauses) {
        if !reshape(session, &mut tracked, took).await? {
            continue;
        }
        let ancestors = cascade::ancestors(tracked.name.name.as_str(), &keys);
        if danger(&tracked, (&ancestors, &database), again).is_none() {
            notes.extend(go_on(session, &mut tracked).await?);
        }
    }
    // Where a foreign key went, what stood for it may name what goes next.
    let others = track::all(session).await?.into_iter();
    let others: Vec<Tracked> = others.filter(|t| t.under_way.is_none() && records(t)).collect();
    let around = if others.is_empty() { Around::default() } else { Around::read(session).await? };
    for tracked in others {
        if follow::drift(session, &around, &tracked).await? == Some(Drift::Triggers) {
            let origin = Origin::Migration;
            notes.extend(follow::resync_one(session, &around, tracked, origin, &[]).await?);
        }
    }
    Ok(notes)
}

/// Triggers on other tables write down what becomes of its rows.
fn records(tracked: &Tracked) -> bool {
    let other = |name: &String| mysql::trigger_letter(name).starts_with('c');
    tracked.relation != 0 && tracked.triggers.iter().any(other)
}

/// A table that pauses takes the name and the form that it has now. False: it is gone.
async fn reshape(
    session: &mut dyn Session,
    tracked: &mut Tracked,
    took: Option<bool>,
) -> Result<bool, SnapshotError> {
    let Some(mut pause) = tracked.pause().cloned() else { return Ok(true) };
    let (table, columns) = (pause.table.take(), std::mem::take(&mut pause.columns));
    let old = tracked.name.clone();
    let mut shape = None;
    if let Some(new) = &table
        && took != Some(false)
        && new.schema.is_none()
    {
        let there = lasting_shape(session, new).await?;
        // Under both names there is a table: who of them is it? Only the statement's end tells.
        let unclear =
            took.is_none() && there.is_some() && lasting_shape(session, &old).await?.is_some();
        pause.broken |= unclear;
        shape = there.filter(|_| !unclear);
    }
    if shape.is_none() && (table.is_none() || took != Some(true)) {
        shape = lasting_shape(session, &old).await?;
    }
    let Some(shape) = shape else {
        // Its rows are written down; it may come back.
        tracked.relation = 0;
        tracked.under_way = Some(UnderWay::Paused(pause));
        write(session, tracked, false).await?;
        return Ok(false);
    };
    if shape.name != old {
        tracked.former = Some(old);
        tracked.name = shape.name.clone();
    }
    let renamed = match took {
        Some(true) => columns,
        Some(false) => Vec::new(),
        None => {
            let has = |name: &Ident| shape.columns.iter().any(|c| c.name == *name);
            let had = |name: &Ident| tracked.current().column(name).is_some();
            let unclear = columns.iter().any(|(from, to)| had(to) && has(from));
            pause.broken |= unclear;
            columns.into_iter().filter(|(from, to)| has(to) && !has(from)).collect()
        }
    };
    adopt(session, tracked, &shape, &renamed, &mut pause).await?;
    tracked.under_way = Some(UnderWay::Paused(pause));
    write(session, tracked, false).await?;
    Ok(true)
}

/// Notes the form of now, and makes its history, if it is another one.
async fn adopt(
    session: &mut dyn Session,
    tracked: &mut Tracked,
    shape: &TableShape,
    renamed: &[(Ident, Ident)],
    pause: &mut Pause,
) -> Result<(), SnapshotError> {
    let version = version_of(shape, (Some(tracked), tracked.id), renamed);
    let before = tracked.current();
    if same_form(&version, before) && numbers(&version) == numbers(before) {
        return Ok(());
    }
    pause.broken |= !keys_are_same(before, &version)
        || version.key.is_empty() && !before.columns.iter().all(|old| is_itself(old, &version));
    add_version(session, tracked, version).await
}

fn numbers(version: &Version) -> Vec<i64> {
    version.columns.iter().map(|c| c.number).collect()
}

/// A column of before is gone, or what it was: rows that nothing but their content tells apart are
/// compared by it.
fn is_itself(old: &TrackedColumn, now: &Version) -> bool {
    now.columns.iter().all(|c| c.number != old.number || c.ty == old.ty)
}

/// Makes the history of another form of a table, behind all that was written of it.
pub(super) async fn add_version(
    session: &mut dyn Session,
    tracked: &mut Tracked,
    version: Version,
) -> Result<(), SnapshotError> {
    let from = moment::newest(session, tracked).await?;
    let table = history(session.dialect(), tracked.id, version.number);
    tracked.versions.push(version);
    // What a run that was cut off made and nobody wrote down.
    session.execute(&format!("DROP TABLE IF EXISTS {table}")).await?;
    for statement in create_history(tracked, from) {
        session.execute(&statement).await?;
    }
    Ok(())
}

/// Ends the pause of a table that is there in the form that is noted.
async fn go_on(
    session: &mut dyn Session,
    tracked: &mut Tracked,
) -> Result<Vec<String>, SnapshotError> {
    let d = session.dialect();
    loop {
        let around = Around::read(session).await?;
        remove_triggers(session, tracked.id).await?;
        let Some(shape) = lasting_shape(session, &tracked.name).await? else {
            return Ok(Vec::new());
        };
        install(session, &around, tracked, &shape).await?;
        hold(session, tracked, &[]).await?;
        let shape = lasting_shape(session, &tracked.name).await;
        let fits = shape.map(|shape| {
            shape.is_some_and(|shape| {
                let now = version_of(&shape, (Some(tracked), tracked.id), &[]);
                same_form(&now, tracked.current())
            })
        });
        if matches!(fits, Ok(true)) {
            break;
        }
        // The server went on with the statement of a run that was killed.
        moment::unlock(session).await?;
        fits?;
        if !reshape(session, tracked, None).await? {
            return Ok(Vec::new());
        }
    }
    let Some(pause) = tracked.pause().cloned() else { return Ok(Vec::new()) };
    let modes = stepwise::own_modes(session).await;
    let written = async {
        for version in &tracked.versions {
            let table = history(d, tracked.id, version.number);
            session
                .execute(&format!("DELETE FROM {table} WHERE downhaul_pos > {}", pause.at))
                .await?;
        }
        let current = tracked.current().clone();
        session.execute(&mysql::copy_all(tracked, &current, Event::Born)).await?;
        tracked.under_way = None;
        write(session, tracked, false).await?;
        if pause.broken {
            moment::begin_anew(session, tracked).await?;
        }
        Ok(())
    }
    .await;
    release(session, &written).await?;
    session.execute(&modes?).await?;
    written?;
    Ok(if pause.broken { vec![begins_anew(tracked)] } else { Vec::new() })
}

pub(super) fn begins_anew(tracked: &Tracked) -> String {
    format!(
        "the history of {} begins anew: marks from before cannot be reached for it",
        tracked.label()
    )
}

/// A table that was gone is there again. Its pause goes on until its rows are noted as new; one that was
/// dropped by hand had none, and its history has a hole.
pub(super) async fn come_back(
    session: &mut dyn Session,
    tracked: &mut Tracked,
    shape: &TableShape,
) -> Result<Vec<String>, SnapshotError> {
    tracked.relation = tracked.id;
    tracked.name = shape.name.clone();
    tracked.former = None;
    let mut pause = match tracked.pause() {
        Some(pause) => pause.clone(),
        None => {
            let at = moment::newest(session, tracked).await?;
            Pause { at, broken: true, ..Pause::default() }
        }
    };
    adopt(session, tracked, shape, &[], &mut pause).await?;
    tracked.under_way = Some(UnderWay::Paused(pause));
    write(session, tracked, false).await?;
    go_on(session, tracked).await
}

/// Makes the triggers of a table's form of now in place of those that are there, while nobody can write:
/// what those wrote comes before what these will. `version`: another form, which has all columns of before.
pub(super) async fn exchange(
    session: &mut dyn Session,
    around: &Around,
    tracked: &mut Tracked,
    shape: &TableShape,
    version: Option<Version>,
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let before = tracked.clone();
    let is_new = version.is_some();
    if let Some(version) = version {
        add_version(session, tracked, version).await?;
    }
    tracked.generation += 1;
    let recordings = cascade::recordings(tracked, &around.keys).unwrap_or_default();
    tracked.triggers = mysql::triggers(tracked).into_iter().map(|(name, ..)| name).collect();
    tracked.triggers.extend(recordings.iter().map(|recording| recording.name.clone()));
    let mut others: BTreeSet<String> = standing_on(session, tracked.id).await?;
    others.extend(recordings.into_iter().map(|recording| recording.table));
    hold(session, tracked, &others.into_iter().collect::<Vec<_>>()).await?;
    let made = async {
        let at = moment::newest(session, tracked).await?;
        let under_way = UnderWay::Exchanging(Box::new(Exchange { at, next: tracked.clone() }));
        let marked = Tracked { under_way: Some(under_way), ..before };
        write(session, &marked, false).await?;
        session.execute("COMMIT").await?;
        if is_new {
            let table = history(d, tracked.id, tracked.current().number);
            session.execute(&format!("ALTER TABLE {table} AUTO_INCREMENT = {}", at + 1)).await?;
        }
        install(session, around, tracked, shape).await?;
        remove_others(session, tracked).await?;
        write(session, tracked, false).await
    }
    .await;
    release(session, &made).await?;
    made
}

/// Takes away the triggers of a tracking that are not those of its table as it is.
async fn remove_others(session: &mut dyn Session, tracked: &Tracked) -> Result<(), SnapshotError> {
    for name in standing(session, tracked.id).await? {
        if !tracked.triggers.contains(&name) {
            session.execute(&format!("DROP TRIGGER {name}")).await?;
        }
    }
    Ok(())
}

/// Ends an exchange in whose midst a run was cut off: of the two sets of triggers one is whole, and what it
/// wrote since is the history. Returns also what a person should know.
pub(super) async fn settle_exchange(
    session: &mut dyn Session,
    tracked: Tracked,
) -> Result<(Tracked, Vec<String>), SnapshotError> {
    let d = session.dialect();
    let before = Tracked { under_way: None, ..tracked.clone() };
    let Some(UnderWay::Exchanging(exchange)) = tracked.under_way else {
        return Ok((tracked, Vec::new()));
    };
    let Exchange { at, next } = *exchange;
    if lasting_shape(session, &next.name).await?.is_none() {
        // By hand: whoever follows it finds that it is gone.
        write(session, &before, false).await?;
        return Ok((before, Vec::new()));
    }
    let others: Vec<String> = standing_on(session, next.id).await?.into_iter().collect();
    hold(session, &next, &others).await?;
    let settled = async {
        let there = standing(session, next.id).await?;
        let is_whole = next.triggers.iter().all(|name| there.contains(name));
        let (old, new) = (before.current().number, next.current().number);
        let (winner, other) = if is_whole { (next, old) } else { (before, new) };
        if old != new {
            // Of the other set some may have been missing.
            let table = history(d, winner.id, other);
            session.execute(&format!("DELETE FROM {table} WHERE downhaul_pos > {at}")).await?;
        }
        remove_others(session, &winner).await?;
        write(session, &winner, false).await?;
        // Both sets wrote down rows that are counted.
        let twice = old == new && !winner.has_key();
        if twice {
            moment::begin_anew(session, &winner).await?;
        }
        let notes = if twice { vec![begins_anew(&winner)] } else { Vec::new() };
        Ok((winner, notes))
    }
    .await;
    release(session, &settled).await?;
    settled
}

/// A table whose rows nothing but their content tells apart got another form, and its triggers still fit:
/// all of its rows go, and come again in that form.
pub(super) async fn all_anew(
    session: &mut dyn Session,
    mut tracked: Tracked,
) -> Result<Vec<String>, SnapshotError> {
    write_down(session, &mut tracked, Pause::default()).await?;
    if !reshape(session, &mut tracked, Some(false)).await? {
        return Ok(Vec::new());
    }
    go_on(session, &mut tracked).await
}

#[cfg(test)]
mod tests {
    use downhaul_syntax::{Dialect, parse_script};

    use super::*;

    /// What a statement takes out from under the triggers of the table `t`, whose rows go with those of `p`.
    fn of(sql: &str) -> Option<Pause> {
        let d = Dialect::MariaDb;
        let version = Version {
            number: 1,
            relation: 1,
            columns: Vec::new(),
            key: Vec::new(),
            nested: false,
            composite: false,
            again: false,
        };
        let name = ObjectName::bare(Ident::stored(d, "t"));
        let tracked = Tracked::new(1, name, d, vec![version]);
        let script = parse_script(&format!("{sql};"), d);
        let ancestors = BTreeSet::from(["p".to_owned()]);
        danger(&tracked, (&ancestors, "shop"), script.statements[0].changes())
    }

    #[test]
    fn what_triggers_name_is_in_danger() {
        for sql in [
            "ALTER TABLE t DROP COLUMN a",
            "ALTER TABLE shop.T MODIFY a bigint",
            "ALTER TABLE t CHANGE a b int",
            "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4",
            "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b)",
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES x (id) ON DELETE CASCADE",
            "ALTER TABLE t DROP PARTITION p1",
            "ALTER TABLE x EXCHANGE PARTITION p1 WITH TABLE t",
            "DROP TABLE x, t",
            "TRUNCATE t",
            "RENAME TABLE x TO y, t TO u",
            "ALTER TABLE p DROP COLUMN a",
            "ALTER TABLE p RENAME COLUMN a TO b",
            "DROP TABLE p",
        ] {
            assert!(of(sql).is_some(), "{sql}");
        }
        for sql in [
            "ALTER TABLE t ADD COLUMN a int",
            "ALTER TABLE t ADD INDEX (a), ALTER a SET DEFAULT 3",
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)",
            "ALTER TABLE x DROP COLUMN a",
            "ALTER TABLE other.t DROP COLUMN a",
            "ALTER TABLE p DROP PARTITION p1",
            "UPDATE t SET a = 1",
        ] {
            assert_eq!(of(sql), None, "{sql}");
        }
    }

    #[test]
    fn names_are_followed_through_a_statement() {
        let d = Dialect::MariaDb;
        let name = |text: &str| Ident::stored(d, text);
        let found = of("ALTER TABLE t CHANGE a b int, CHANGE b a int, DROP c").unwrap_or_default();
        assert_eq!(found.columns, [(name("a"), name("b")), (name("b"), name("a"))]);
        let found = of("RENAME TABLE t TO old, new TO t").unwrap_or_default();
        assert_eq!(found.table, Some(ObjectName::bare(name("old"))));
        let found = of("ALTER TABLE p RENAME COLUMN a TO b").unwrap_or_default();
        assert_eq!((found.columns, found.table), (Vec::new(), None));
    }
}
