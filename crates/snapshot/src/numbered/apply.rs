//! Applies a plan, in the transaction that made it, and verifies it.
//!
//! Foreign keys are off (the caller sees to that before the transaction begins: within one they
//! cannot be switched), so nothing cascades, and rows that would point to nothing are looked for at
//! the end. The user's triggers are taken away and put back; ours stay, so that a restore is history
//! like anything else.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, Ident, ObjectName};

use super::plan::{drop_temporary, make_plain, temporary};
use super::{differs, history, install, moment};
use crate::history::Past;
use crate::mark::{self, Mark, Origin, Own};
use crate::merge::OnConflict;
use crate::restore_to::apply::{Context, Done, conflicts, failed, judged};
use crate::restore_to::plan::{Plan, TablePlan};
use crate::restore_to::record;
use crate::stepwise;
use crate::store::SnapshotError;
use crate::track::{self, Around, Event, Tracked, TrackedColumn};
use crate::whole;

/// To look up one row costs as much as to read so many in their order, or fewer.
const READ_ALL: i64 = 4;

/// SQLite: where so many rows change, our triggers stand aside and what they would write is written at once.
/// (To make a trigger it reads the whole schema.)
const AT_ONCE: i64 = 1000;

/// Applies; the caller commits. Nothing is left of it if it fails.
pub(crate) async fn apply(
    session: &mut dyn Session,
    plan: &Plan,
    context: &Context<'_>,
) -> Result<Done, SnapshotError> {
    if plan.request.on_conflict == OnConflict::Fail && plan.conflicts() > 0 {
        return Err(conflicts(plan));
    }
    let from_file = plan.request.source.is_some();
    let names: Vec<ObjectName> = plan.tables.iter().map(|t| t.tracked.name.clone()).collect();
    // Of what is not tracked nobody writes a history, so there are no marks to return to.
    let recorded = !from_file || whole::all_tracked(session, &names).await?;
    let begun = if recorded { Some(begin(session, plan, context).await?) } else { None };
    let tables: Vec<&TablePlan> = plan.tables.iter().filter(|t| !t.is_empty()).collect();
    let references = references(session, &tables).await?;
    let dangling = dangling(session, &references).await?;
    let modes = match session.dialect() {
        Dialect::Sqlite => None,
        _ => Some(stepwise::own_modes(session).await?),
    };
    let aside: BTreeSet<i64> = tables
        .iter()
        .filter(|t| !from_file && stands_aside(t))
        .map(|table| table.tracked.id)
        .collect();
    let triggers = quiet(session, &tables, &aside).await?;
    let mut verified = 0;
    for table in &tables {
        let past = Past::new(&table.tracked, &plan.request.target);
        if aside.contains(&table.tracked.id) {
            write_history(session, table, &past).await?;
        }
        change(session, table, &past).await?;
        verified += verify(session, table, &past).await?;
    }
    for trigger in &triggers {
        session.execute(&trigger.sql).await?;
    }
    // Where ours stayed the user's are newer now, and ours must be the newest.
    let stayed = |t: &&&TablePlan| {
        let id = t.tracked.id;
        !aside.contains(&id) && triggers.iter().any(|away| away.table == id)
    };
    let older: Vec<&&TablePlan> = tables.iter().filter(stayed).collect();
    if !older.is_empty() {
        let around = Around::read(session).await?;
        for table in older {
            let Some(shape) = session.table_shape(&table.tracked.name).await? else { continue };
            let mut tracked = table.tracked.clone();
            if from_file {
                let all = if recorded { track::all(session).await? } else { Vec::new() };
                let Some(ours) = all.into_iter().find(|t| t.name == shape.name) else { continue };
                tracked = ours;
            }
            install::reinstall(session, &around, &mut tracked, &shape).await?;
        }
    }
    check_references(session, plan, &references, &dangling).await?;
    if let Some(modes) = modes {
        session.execute(&modes).await?;
    }
    let (id, before, after) = match begun {
        None => (0, plan.request.target.clone(), plan.request.target.clone()),
        Some((id, before)) => {
            let name = record::mark_name(id, "after");
            let after = set_mark(session, &name, Own::Before, (plan, context)).await?;
            let after = after.ok_or_else(|| taken(&name))?;
            record::write(session, id, plan, (&before, &after), context).await?;
            (id, before, after)
        }
    };
    let d = session.dialect();
    for table in plan.tables.iter().filter(|table| !table.quiet) {
        for what in ["was", "until", "plan", "moving"] {
            drop_temporary(session, &temporary(d, what, table.tracked.id)).await?;
        }
    }
    Ok(Done { id, before, after, verified, sequences: Vec::new(), notes: Vec::new() })
}

/// The number of a restore, and the mark before it.
async fn begin(
    session: &mut dyn Session,
    plan: &Plan,
    context: &Context<'_>,
) -> Result<(i64, Mark), SnapshotError> {
    let id = record::next(session).await?;
    let name = record::mark_name(id, "before");
    let before = set_mark(session, &name, Own::After, (plan, context)).await?;
    Ok((id, before.ok_or_else(|| taken(&name))?))
}

fn taken(name: &str) -> SnapshotError {
    SnapshotError::CannotRestore(format!("a mark `{name}` is there already"))
}

/// A foreign key that touches a table that changes: child, parent, pairs of columns.
struct Reference {
    child: ObjectName,
    parent: ObjectName,
    columns: Vec<(Ident, Ident)>,
}

/// Foreign keys from and to tables, where the server does not check them all at once for us.
async fn references_of(
    session: &mut dyn Session,
    tables: &[&Tracked],
) -> Result<Vec<Reference>, SnapshotError> {
    let mut found: Vec<Reference> = Vec::new();
    if session.dialect() == Dialect::Sqlite {
        return Ok(found);
    }
    let mut children: Vec<ObjectName> = Vec::new();
    for tracked in tables {
        let Some(shape) = session.table_shape(&tracked.name).await? else { continue };
        children.push(shape.name);
        children.extend(shape.referenced_by);
    }
    children.sort();
    children.dedup();
    for child in children {
        let Some(shape) = session.table_shape(&child).await? else { continue };
        for key in shape.foreign_keys {
            if !tables.iter().any(|t| t.name == child || t.name == key.table) {
                continue;
            }
            found.push(Reference {
                child: child.clone(),
                parent: key.table,
                columns: key.columns.into_iter().zip(key.references).collect(),
            });
        }
    }
    Ok(found)
}

async fn references(
    session: &mut dyn Session,
    tables: &[&TablePlan],
) -> Result<Vec<Reference>, SnapshotError> {
    let tracked: Vec<&Tracked> = tables.iter().map(|t| &t.tracked).collect();
    references_of(session, &tracked).await
}

/// Locks every row of the tables of a restore, and the gaps between them: whoever wrote to them has
/// ended then, and nobody writes until the transaction ends. (LOCK TABLES wants each alias of each
/// table named, and none twice.)
/// Returns how many rows each has.
pub(super) async fn lock(
    session: &mut dyn Session,
    tables: &[Tracked],
) -> Result<BTreeMap<i64, i64>, SnapshotError> {
    let mut rows = BTreeMap::new();
    for tracked in tables {
        // By another index each row would be looked up to be locked, at five times the cost.
        let count = format!("SELECT count(*) FROM {} USE INDEX () FOR UPDATE", tracked.live());
        rows.insert(tracked.id, session.number(&count).await?);
    }
    Ok(rows)
}

/// A mark beside a restore. Where others may be writing to other tables it holds those of the
/// restore alone.
async fn set_mark(
    session: &mut dyn Session,
    name: &str,
    own: Own,
    (plan, context): (&Plan, &Context<'_>),
) -> Result<Option<Mark>, SnapshotError> {
    if session.dialect() == Dialect::Sqlite {
        return mark::make(session, name, Origin::Restore, own, context.who).await;
    }
    let tables: Vec<Tracked> = plan.tables.iter().map(|t| t.tracked.clone()).collect();
    let (versions, positions) = moment::here_of(session, &tables).await?;
    moment::make(session, name, Origin::Restore, (&versions, &positions), context.who).await
}

/// Rows that point to nothing: child table, row, parent table, number of the key. Or, where the
/// server has no list of them: how many there are of each foreign key.
async fn dangling(
    session: &mut dyn Session,
    references: &[Reference],
) -> Result<BTreeSet<Vec<Option<String>>>, SnapshotError> {
    let d = session.dialect();
    if d != Dialect::Sqlite {
        let mut found = BTreeSet::new();
        for (number, reference) in references.iter().enumerate() {
            let tests = |test: &dyn Fn(&(Ident, Ident)) -> String| {
                reference.columns.iter().map(test).collect::<Vec<_>>().join(" AND ")
            };
            let rows = session
                .number(&format!(
                    "SELECT count(*) FROM {} AS c WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS q WHERE {})",
                    d.quote_name(&reference.child),
                    tests(&|(own, _)| format!("c.{} IS NOT NULL", d.quote(own))),
                    d.quote_name(&reference.parent),
                    tests(&|(own, other)| format!("c.{} = q.{}", d.quote(own), d.quote(other))),
                ))
                .await?;
            for row in 0..rows {
                found.insert(
                    [
                        reference.child.name.as_str().to_owned(),
                        row.to_string(),
                        reference.parent.name.as_str().to_owned(),
                        number.to_string(),
                    ]
                    .into_iter()
                    .map(Some)
                    .collect(),
                );
            }
        }
        return Ok(found);
    }

    let rows =
        session.rows("SELECT \"table\", rowid, parent, fkid FROM pragma_foreign_key_check").await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

async fn check_references(
    session: &mut dyn Session,
    plan: &Plan,
    references: &[Reference],
    before: &BTreeSet<Vec<Option<String>>>,
) -> Result<(), SnapshotError> {
    let now = dangling(session, references).await?;
    // Rows without a number of their own (WITHOUT ROWID) are told by how many there are.
    let scope = &plan.request.scope;
    let whole = plan.request.until.is_none() && scope.filter.is_none() && scope.columns.is_empty();
    let goes_back = |name: Option<&String>| {
        let found = |t: &TablePlan| {
            name.is_some_and(|n| n.eq_ignore_ascii_case(t.tracked.name.name.as_str()))
        };
        plan.tables.iter().any(found)
    };
    let new: Vec<_> = now
        .difference(before)
        // Where both tables are wholly what they were, so is this: foreign keys are off by default.
        .filter(|row| {
            !(whole && [0, 2].iter().all(|at| goes_back(row.get(*at).and_then(Option::as_ref))))
        })
        .collect();
    let Some(first) = new.first() else { return Ok(()) };
    let text = |at: usize| first.get(at).and_then(Option::as_deref).unwrap_or("");
    let rows = i64::try_from(new.len()).unwrap_or(i64::MAX);
    let (child, parent) = (text(0).to_owned(), text(2).to_owned());
    Err(SnapshotError::PointsToNothing { rows, child, parent })
}

/// Whether our triggers of a table stand aside: what they would write of so many rows is written by one statement.
fn stands_aside(table: &TablePlan) -> bool {
    table.tracked.dialect == Dialect::Sqlite
        && table.tracked.has_key()
        && table.changes() >= AT_ONCE
}

/// SQLite: writes into the history what a plan is about to do to a table with a key, as the triggers of the table
/// would. Nobody else writes before the transaction ends.
async fn write_history(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
) -> Result<(), SnapshotError> {
    let (d, id) = (table.tracked.dialect, table.tracked.id);
    let current = table.tracked.current();
    let log = history(d, id, current.number);
    let plan = temporary(d, "plan", id);
    let all: Vec<String> = current.columns.iter().map(|c| d.quote(&c.name)).collect();
    let values: Vec<String> = all.iter().map(|column| format!("l.{column}")).collect();
    session
        .execute(&format!(
            "INSERT INTO {log} (downhaul_op, {}) SELECT CASE p.downhaul_action WHEN 'U' THEN '{}' ELSE '{}' END, {} \
             FROM {plan} AS p CROSS JOIN {} AS l ON {} WHERE p.downhaul_action IN ('U', 'D')",
            all.join(", "),
            Event::Updated.letter(),
            Event::Deleted.letter(),
            values.join(", "),
            table.tracked.live(),
            past.match_live("l", "p"),
        ))
        .await?;
    let keys = past.keys().join(", ");
    session
        .execute(&format!(
            "INSERT INTO {log} (downhaul_op, {keys}) SELECT '{}', {keys} FROM {plan} WHERE downhaul_action = 'I'",
            Event::Born.letter()
        ))
        .await?;
    Ok(())
}

/// A trigger that was taken away.
struct Away {
    /// The tracking of its table.
    table: i64,
    sql: String,
}

/// Takes triggers away: the user's, and ours of the tables of which they stand aside. Returns the statements that
/// make them again, in their order.
async fn quiet(
    session: &mut dyn Session,
    tables: &[&TablePlan],
    aside: &BTreeSet<i64>,
) -> Result<Vec<Away>, SnapshotError> {
    let d = session.dialect();
    let names: Vec<String> =
        tables.iter().map(|t| d.literal(t.tracked.name.name.as_str())).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    if d != Dialect::Sqlite {
        // To take them away would end the transaction.
        for table in tables {
            let Some(shape) = session.table_shape(&table.tracked.name).await? else { continue };
            let own: Vec<String> = shape
                .triggers
                .iter()
                .map(ToString::to_string)
                .filter(|name| !name.starts_with("downhaul_"))
                .collect();
            if !own.is_empty() {
                return Err(failed(
                    table,
                    format!(
                        "its triggers would fire during the restore, and this server cannot switch them off: drop them before and make them again afterwards ({})",
                        own.join(", ")
                    ),
                ));
            }
        }
        return Ok(Vec::new());
    }
    let rows = session
        .rows(&format!(
            "SELECT name, sql, tbl_name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name COLLATE NOCASE IN ({}) ORDER BY rowid",
            names.join(", ")
        ))
        .await?;
    let mut back = Vec::with_capacity(rows.len());
    for row in &rows {
        let of = |t: &&&TablePlan| t.tracked.name.name.as_str().eq_ignore_ascii_case(row.text(2));
        let Some(table) = tables.iter().find(of).map(|t| t.tracked.id) else { continue };
        if row.text(0).starts_with("downhaul_") && !aside.contains(&table) {
            continue;
        }
        session.execute(&format!("DROP TRIGGER {}", d.quote_str(row.text(0)))).await?;
        back.push(Away { table, sql: row.text(1).to_owned() });
    }
    Ok(back)
}

async fn change(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
) -> Result<(), SnapshotError> {
    let (d, id, live) = (table.tracked.dialect, table.tracked.id, table.tracked.live());
    let plan = temporary(d, "plan", id);
    let names: Vec<String> = past.columns.iter().map(|c| past.quoted(c)).collect();
    let list = names.join(", ");
    if !table.tracked.has_key() {
        return change_counted(session, table, past, &list).await;
    }
    let key = past.keys();
    let join = past.match_live("l", "p");
    let remove = |which: &str| {
        if d != Dialect::Sqlite {
            return format!("DELETE l FROM {live} AS l JOIN {plan} AS p ON {join} WHERE {which}");
        }
        let live_keys: Vec<String> = key.iter().map(|k| format!("l.{k}")).collect();
        format!(
            "DELETE FROM {live} WHERE ({}) IN (SELECT {} FROM {plan} AS p JOIN {live} AS l ON {join} WHERE {which})",
            key.join(", "),
            live_keys.join(", ")
        )
    };
    let moving = temporary(d, "moving", id);
    if table.moves > 0 {
        // Rows with other unique values step aside: they may change places.
        let current = &table.tracked.current().columns;
        let all: Vec<String> = current
            .iter()
            .map(|c| {
                let name = past.quoted(c);
                let from = if past.columns.iter().any(|p| p.name == c.name) { "p" } else { "l" };
                format!("{from}.{name} AS {name}")
            })
            .collect();
        let which = "p.downhaul_action = 'U' AND p.downhaul_moves";
        let rows = format!(
            "SELECT {} FROM {plan} AS p JOIN {live} AS l ON {join} WHERE {which}",
            all.join(", ")
        );
        make_plain(session, &moving, &rows).await?;
        session.execute(&remove(which)).await?;
    }
    // MariaDB and MySQL write the time into some columns of a row that changes (`ON UPDATE`), unless
    // they are named.
    let clock = |c: &TrackedColumn| {
        d != Dialect::Sqlite && ["timestamp", "datetime"].iter().any(|ty| c.ty.starts_with(ty))
    };
    let changed =
        |c: &TrackedColumn| table.changed.iter().any(|(name, _)| *name == c.name.to_string());
    let sets: Vec<String> = past
        .columns
        .iter()
        .map(|c| (*c, "p"))
        .chain(past.new.iter().map(|c| (*c, "l")))
        .filter(|(c, from)| clock(c) || *from == "p" && changed(c))
        .map(|(c, from)| match d {
            Dialect::Sqlite => format!("{0} = {from}.{0}", past.quoted(c)),
            _ => format!("l.{0} = {from}.{0}", past.quoted(c)),
        })
        .collect();
    if table.updates > table.moves && !sets.is_empty() {
        let sets = sets.join(", ");
        let which = "p.downhaul_action = 'U' AND NOT p.downhaul_moves";
        session
            .execute(&match d {
                Dialect::Sqlite => {
                    format!(
                        "UPDATE {live} AS l SET {sets} FROM {plan} AS p WHERE {join} AND {which}"
                    )
                }
                // A row of the first table is changed as it is met; those of another one are written down before.
                // So where many change, that one is the table itself, all of whose rows are read then.
                _ if table.updates > table.rows / READ_ALL => format!(
                    "UPDATE {live} AS l STRAIGHT_JOIN {plan} AS p ON {join} SET {sets} WHERE {which}"
                ),
                _ => format!(
                    "UPDATE {live} AS l JOIN {plan} AS p ON {join} SET {sets} WHERE {which}"
                ),
            })
            .await?;
    }
    if table.deletes > 0 {
        session.execute(&remove("p.downhaul_action = 'D'")).await?;
    }
    if table.moves > 0 {
        let all: Vec<String> =
            table.tracked.current().columns.iter().map(|c| past.quoted(c)).collect();
        session
            .execute(&format!("INSERT INTO {live} ({0}) SELECT {0} FROM {moving}", all.join(", ")))
            .await?;
    }
    if table.inserts > 0 {
        session
            .execute(&format!(
                "INSERT INTO {live} ({list}) SELECT {list} FROM {plan} WHERE downhaul_action = 'I'"
            ))
            .await?;
    }
    Ok(())
}

/// A table without a key: so many rows of a content go, so many come.
async fn change_counted(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
    list: &str,
) -> Result<(), SnapshotError> {
    let (d, live) = (table.tracked.dialect, table.tracked.live());
    let plan = temporary(d, "plan", table.tracked.id);
    if d != Dialect::Sqlite {
        return change_one_by_one(session, past, list, (&live, &plan)).await;
    }
    let row = super::sqlite::row_number(table.tracked.current());
    if table.deletes > 0 {
        session
            .execute(&format!(
                "DELETE FROM {live} WHERE {row} IN (SELECT downhaul_at FROM (SELECT l.{row} AS downhaul_at, p.downhaul_net AS net, \
                   row_number() OVER (PARTITION BY p.downhaul_content) AS copy FROM {live} AS l JOIN {plan} AS p ON p.downhaul_content = {} \
                   WHERE p.downhaul_net < 0) WHERE copy <= -net)",
                past.numbered_content("l")
            ))
            .await?;
    }
    if table.inserts > 0 {
        session
            .execute(&format!(
                "INSERT INTO {live} ({list}) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                   WHERE i < (SELECT coalesce(max(downhaul_net), 0) FROM {plan})) \
                 SELECT {list} FROM {plan} AS p JOIN n ON n.i <= p.downhaul_net"
            ))
            .await?;
    }
    Ok(())
}

/// The same where rows without a key have no number: a content at a time.
async fn change_one_by_one(
    session: &mut dyn Session,
    past: &Past<'_>,
    list: &str,
    (live, plan): (&str, &str),
) -> Result<(), SnapshotError> {
    let d = session.dialect();
    let going = session
        .rows(&format!(
            "SELECT downhaul_content, -downhaul_net FROM {plan} AS p WHERE downhaul_net < 0"
        ))
        .await?;
    for row in &going {
        session
            .execute(&format!(
                "DELETE FROM {live} WHERE {} = {} LIMIT {}",
                past.numbered_content(live),
                d.literal(row.text(0)),
                row.number(1)?
            ))
            .await?;
    }
    let most =
        session.number(&format!("SELECT coalesce(max(downhaul_net), 0) FROM {plan}")).await?;
    for copy in 1..=most {
        session
            .execute(&format!(
                "INSERT INTO {live} ({list}) SELECT {list} FROM {plan} WHERE downhaul_net >= {copy}"
            ))
            .await?;
    }
    Ok(())
}

/// Compares every row of the plan with the table. Returns how many.
async fn verify(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
) -> Result<i64, SnapshotError> {
    let (d, live) = (table.tracked.dialect, table.tracked.live());
    let plan = temporary(d, "plan", table.tracked.id);
    let sql = if table.tracked.has_key() {
        let one = &past.keys()[0];
        let tests: Vec<String> = past
            .columns
            .iter()
            .map(|c| {
                let name = past.quoted(c);
                differs(d, c, &format!("l.{name}"), &format!("p.{name}"))
            })
            .collect();
        format!(
            "SELECT coalesce(sum(CASE WHEN p.downhaul_action = 'D' THEN l.{one} IS NOT NULL ELSE l.{one} IS NULL OR {} END), 0), count(*) \
             FROM {plan} AS p LEFT JOIN {live} AS l ON {} WHERE p.downhaul_action <> '-'",
            tests.join(" OR "),
            past.match_live("l", "p")
        )
    } else {
        format!(
            "SELECT coalesce(sum(coalesce(n.copies, 0) <> p.downhaul_now + p.downhaul_net), 0), count(*) FROM {plan} AS p LEFT JOIN \
               (SELECT {} AS content, count(*) AS copies FROM {live} AS l GROUP BY 1) AS n ON n.content = p.downhaul_content",
            past.numbered_content("l")
        )
    };
    let Some(row) = session.row(&sql).await? else { return Ok(0) };
    judged(table, row.number(0)?, row.number(1)?)
}
