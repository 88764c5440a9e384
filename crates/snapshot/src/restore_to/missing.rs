//! Rows that would point to nothing if a plan were applied as it stands: rows that come back to refer to rows of
//! another table that are gone, and rows that go though others refer to them. Such a restore is refused; the
//! preview says so, and which table would have to go back too.
//!
//! Where all of both tables goes back to the same mark they fit each other, and nothing is asked.

use downhaul_engine::{EngineError, ForeignKeyShape, Session};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use super::plan::{Plan, TablePlan};
use crate::history::Past;
use crate::sql;
use crate::store::SnapshotError;
use crate::track;

/// Rows of a table that would point to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Their table.
    pub child: ObjectName,
    /// To which they refer.
    pub parent: ObjectName,
    /// How many.
    pub rows: i64,
    /// Which of the two is to go back too.
    pub lacking: Lacking,
}

/// What a plan leaves out so that rows would point to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// A tracked table.
    Tracked(ObjectName),
    /// A table of whose past nothing is known.
    Untracked(ObjectName),
    /// Both go back, but not all of their rows.
    Rows,
}

/// Finds them. Within the transaction that made the plan, at its end: a server that lets nobody read a table to
/// which a key refers fails here, and nothing is known of that key then.
pub async fn find(session: &mut dyn Session, plan: &Plan) -> Result<Vec<Missing>, SnapshotError> {
    match look(session, plan).await {
        Err(SnapshotError::Engine(EngineError::Statement(_))) => Ok(Vec::new()),
        found => found,
    }
}

async fn look(session: &mut dyn Session, plan: &Plan) -> Result<Vec<Missing>, SnapshotError> {
    let mut found = Vec::new();
    for table in plan.tables.iter().filter(|t| !t.is_empty()) {
        let Some(shape) = session.table_shape(&table.tracked.name).await? else { continue };
        if table.inserts + table.updates > 0 {
            for key in &shape.foreign_keys {
                let rows = comes_without(session, plan, table, key).await?;
                add(session, plan, &mut found, (&shape.name, &key.table), &key.table, rows).await?;
            }
        }
        if table.deletes == 0 || !table.tracked.has_key() {
            continue;
        }
        for child in &shape.referenced_by {
            let Some(other) = session.table_shape(child).await? else { continue };
            for key in other.foreign_keys.iter().filter(|key| key.table == shape.name) {
                let rows = goes_from(session, plan, table, child, key).await?;
                add(session, plan, &mut found, (child, &shape.name), child, rows).await?;
            }
        }
    }
    Ok(found)
}

async fn add(
    session: &mut dyn Session,
    plan: &Plan,
    found: &mut Vec<Missing>,
    (child, parent): (&ObjectName, &ObjectName),
    lacking: &ObjectName,
    rows: i64,
) -> Result<(), SnapshotError> {
    if rows == 0 {
        return Ok(());
    }
    let lacking = if of(plan, lacking).is_some() {
        Lacking::Rows
    } else if track::all(session).await?.iter().any(|t| t.name == *lacking) {
        Lacking::Tracked(lacking.clone())
    } else {
        Lacking::Untracked(lacking.clone())
    };
    found.push(Missing { child: child.clone(), parent: parent.clone(), rows, lacking });
    Ok(())
}

fn of<'a>(plan: &'a Plan, name: &ObjectName) -> Option<&'a TablePlan> {
    plan.tables.iter().find(|t| t.tracked.name == *name)
}

/// All of the tables goes back, to one mark.
fn is_whole(plan: &Plan) -> bool {
    let scope = &plan.request.scope;
    plan.request.until.is_none() && scope.filter.is_none() && scope.columns.is_empty()
}

/// The rows of a table's plan: an item of FROM, without an alias.
fn rows_of(plan: &Plan, table: &TablePlan) -> String {
    let (d, id) = (table.tracked.dialect, table.tracked.id);
    if let Some(unwritten) = &table.unwritten {
        return format!("({})", unwritten.query);
    }
    let own: &[&str] = match table.tracked.has_key() {
        true => &["downhaul_action"],
        false => &["downhaul_net"],
    };
    Past::new(&table.tracked, &plan.request.target)
        .opened(&sql::temporary(d, &format!("plan_{id}")), own)
}

/// Rows that come back, or get other values, and whose parent is not there.
async fn comes_without(
    session: &mut dyn Session,
    plan: &Plan,
    table: &TablePlan,
    key: &ForeignKeyShape,
) -> Result<i64, SnapshotError> {
    let d = table.tracked.dialect;
    let parent = of(plan, &key.table);
    let past = Past::new(&table.tracked, &plan.request.target);
    let known = |name: &Ident| past.columns.iter().any(|c| c.name == *name);
    if key.columns.len() != key.references.len() || !key.columns.iter().all(known) {
        return Ok(0);
    }
    // Nothing was planned of a table to which nothing happened: what is there stays.
    let planned = parent.filter(|parent| !parent.is_empty());
    if parent.is_some() && is_whole(plan) {
        return Ok(0);
    }
    // MySQL opens a temporary table once in a query.
    let twice =
        planned.is_some_and(|p| p.tracked.id == table.tracked.id) || table.unwritten.is_some();
    if d == Dialect::Mysql && twice {
        return Ok(0);
    }
    let (which, count) = match table.tracked.has_key() {
        true => ("c.downhaul_action IN ('I', 'U')", "count(*)"),
        false => ("c.downhaul_net > 0", "coalesce(sum(c.downhaul_net), 0)"),
    };
    let mut tests = vec![which.to_owned()];
    tests.extend(key.columns.iter().map(|name| format!("c.{} IS NOT NULL", d.quote(name))));
    let same = |other: &str| sql::keys_match(d, other, &key.references, "c", &key.columns);
    let mut stays = String::new();
    if let Some(planned) =
        planned.filter(|p| p.deletes > 0 && p.tracked.has_key() && d != Dialect::Mysql)
    {
        let own = &planned.tracked.current().key;
        stays = format!(
            " AND NOT EXISTS (SELECT 1 FROM {} AS g WHERE g.downhaul_action = 'D' AND {})",
            rows_of(plan, planned),
            sql::keys_match(d, "g", own, "q", own)
        );
    }
    tests.push(format!(
        "NOT EXISTS (SELECT 1 FROM {} AS q WHERE {}{stays})",
        sql::table(d, &key.table),
        same("q")
    ));
    if let Some(planned) = planned {
        let past = Past::new(&planned.tracked, &plan.request.target);
        if !key.references.iter().all(|name| past.columns.iter().any(|c| c.name == *name)) {
            return Ok(0);
        }
        let comes = match planned.tracked.has_key() {
            true => "p.downhaul_action IN ('I', 'U')",
            false => "p.downhaul_net > 0",
        };
        tests.push(format!(
            "NOT EXISTS (SELECT 1 FROM {} AS p WHERE {comes} AND {})",
            rows_of(plan, planned),
            same("p")
        ));
    }
    let query =
        format!("SELECT {count} FROM {} AS c WHERE {}", rows_of(plan, table), tests.join(" AND "));
    Ok(session.number(&query).await?)
}

/// Rows of another table that refer to rows that go.
async fn goes_from(
    session: &mut dyn Session,
    plan: &Plan,
    table: &TablePlan,
    child: &ObjectName,
    key: &ForeignKeyShape,
) -> Result<i64, SnapshotError> {
    let d = table.tracked.dialect;
    let other = of(plan, child);
    let twice = *child == table.tracked.name || table.unwritten.is_some();
    if key.columns.len() != key.references.len()
        || other.is_some() && is_whole(plan)
        || other.is_some_and(|o| !o.tracked.has_key())
        || d == Dialect::Mysql && twice
    {
        return Ok(0);
    }
    let own = &table.tracked.current().key;
    let mut tests = vec![
        "p.downhaul_action = 'D'".to_owned(),
        sql::keys_match(d, "c", &key.columns, "q", &key.references),
    ];
    if let Some(other) = other.filter(|other| !other.is_empty()) {
        let key = &other.tracked.current().key;
        tests.push(format!(
            "NOT EXISTS (SELECT 1 FROM {} AS o WHERE o.downhaul_action IN ('U', 'D') AND {})",
            rows_of(plan, other),
            sql::keys_match(d, "o", key, "c", key)
        ));
    }
    let query = format!(
        "SELECT count(*) FROM {} AS p JOIN {} AS q ON {} JOIN {} AS c ON {}",
        rows_of(plan, table),
        table.tracked.live(),
        sql::keys_match(d, "q", own, "p", own),
        sql::table(d, child),
        tests.join(" AND ")
    );
    Ok(session.number(&query).await?)
}
