//! Applies a plan, in the transaction that made it, and verifies it.
//!
//! Foreign keys are off (the caller sees to that before the transaction begins: within one they
//! cannot be switched), so nothing cascades, and rows that would point to nothing are looked for at
//! the end. The user's triggers are taken away and put back; ours stay, so that a restore is history
//! like anything else.

use std::collections::BTreeSet;

use downhaul_engine::Session;

use super::past::differs;
use super::plan::temporary;
use super::{install, moment};
use crate::history::Past;
use crate::mark::{self, Origin, Own};
use crate::merge::OnConflict;
use crate::restore_to::apply::{Context, Done, conflicts, failed};
use crate::restore_to::plan::{Plan, TablePlan};
use crate::restore_to::record;
use crate::store::SnapshotError;

/// Applies; the caller commits. Nothing is left of it if it fails.
pub(crate) async fn apply(
    session: &mut dyn Session,
    plan: &Plan,
    context: &Context<'_>,
) -> Result<Done, SnapshotError> {
    if plan.request.on_conflict == OnConflict::Fail && plan.conflicts() > 0 {
        return Err(conflicts(plan));
    }
    let id = record::next(session).await?;
    let before_name = record::mark_name(id, "before");
    let before =
        mark::make(session, &before_name, Origin::Restore, Own::After, context.who).await?;
    let tables: Vec<&TablePlan> = plan.tables.iter().filter(|t| !t.is_empty()).collect();
    let dangling = dangling(session).await?;
    let triggers = quiet(session, &tables).await?;
    let mut verified = 0;
    for table in &tables {
        let past = Past::new(&table.tracked, &plan.request.target);
        change(session, table, &past).await?;
        verified += verify(session, table, &past).await?;
    }
    for trigger in &triggers {
        session.execute(trigger).await?;
    }
    if !triggers.is_empty() {
        // They were made anew, and ours must be the newest.
        for table in &tables {
            if let Some(shape) = session.table_shape(&table.tracked.name).await? {
                install::install(session, &mut table.tracked.clone(), &shape).await?;
            }
        }
    }
    check_references(session, plan, &dangling).await?;
    let after_name = record::mark_name(id, "after");
    let after = mark::make(session, &after_name, Origin::Restore, Own::Before, context.who).await?;
    let (Some(before), Some(after)) = (before, after) else {
        return Err(SnapshotError::CannotRestore(format!(
            "marks `{before_name}` or `{after_name}` are there already"
        )));
    };
    let d = session.dialect();
    let names: Vec<String> = plan.tables.iter().map(|t| d.quote_name(&t.tracked.name)).collect();
    let names = serde_json::to_string(&names)
        .map_err(|error| SnapshotError::CannotRestore(error.to_string()))?;
    moment::record(
        session,
        id,
        (&plan.request.target.name, &names),
        (&before, &after),
        context.who,
        context.undoes,
    )
    .await?;
    for table in &plan.tables {
        for what in ["was", "until", "plan", "moving"] {
            let name = temporary(what, table.tracked.id);
            session.execute(&format!("DROP TABLE IF EXISTS {name}")).await?;
        }
    }
    Ok(Done { id, before, after, verified, sequences: Vec::new() })
}

/// Rows that point to nothing: child table, row, parent table, number of the key.
async fn dangling(
    session: &mut dyn Session,
) -> Result<BTreeSet<Vec<Option<String>>>, SnapshotError> {
    let rows =
        session.rows("SELECT \"table\", rowid, parent, fkid FROM pragma_foreign_key_check").await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

async fn check_references(
    session: &mut dyn Session,
    plan: &Plan,
    before: &BTreeSet<Vec<Option<String>>>,
) -> Result<(), SnapshotError> {
    let now = dangling(session).await?;
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
    Err(SnapshotError::CannotRestore(format!(
        "{} rows would point to nothing, the first being one of {} that refers to {}: restore both tables together, or leave these rows out with --where",
        new.len(),
        text(0),
        text(2)
    )))
}

/// Takes the user's triggers away. Returns the statements that make them again, in their order.
async fn quiet(
    session: &mut dyn Session,
    tables: &[&TablePlan],
) -> Result<Vec<String>, SnapshotError> {
    let d = session.dialect();
    let names: Vec<String> =
        tables.iter().map(|t| d.literal(t.tracked.name.name.as_str())).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let rows = session
        .rows(&format!(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name COLLATE NOCASE IN ({}) \
             AND name NOT GLOB 'downhaul_*' ORDER BY rowid",
            names.join(", ")
        ))
        .await?;
    let mut back = Vec::with_capacity(rows.len());
    for row in &rows {
        session.execute(&format!("DROP TRIGGER {}", d.quote_str(row.text(0)))).await?;
        back.push(row.text(1).to_owned());
    }
    Ok(back)
}

async fn change(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
) -> Result<(), SnapshotError> {
    let (id, live) = (table.tracked.id, table.tracked.live());
    let plan = temporary("plan", id);
    let names: Vec<String> = past.columns.iter().map(|c| past.quoted(c)).collect();
    let list = names.join(", ");
    if !table.tracked.has_key() {
        return change_counted(session, table, past, &list).await;
    }
    let key = past.keys();
    let join = past.match_live("l", "p");
    let remove = |which: &str| {
        let live_keys: Vec<String> = key.iter().map(|k| format!("l.{k}")).collect();
        format!(
            "DELETE FROM {live} WHERE ({}) IN (SELECT {} FROM {plan} AS p JOIN {live} AS l ON {join} WHERE {which})",
            key.join(", "),
            live_keys.join(", ")
        )
    };
    let moving = temporary("moving", id);
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
        session.execute(&format!("DROP TABLE IF EXISTS {moving}")).await?;
        session
            .execute(&format!(
                "CREATE TABLE {moving} AS SELECT {} FROM {plan} AS p JOIN {live} AS l ON {join} WHERE {which}",
                all.join(", ")
            ))
            .await?;
        session.execute(&remove(which)).await?;
    }
    let sets: Vec<String> = past
        .columns
        .iter()
        .filter(|c| table.changed.iter().any(|(name, _)| *name == c.name.to_string()))
        .map(|c| format!("{0} = p.{0}", past.quoted(c)))
        .collect();
    if table.updates > table.moves && !sets.is_empty() {
        session
            .execute(&format!(
                "UPDATE {live} AS l SET {} FROM {plan} AS p WHERE {join} AND p.downhaul_action = 'U' AND NOT p.downhaul_moves",
                sets.join(", ")
            ))
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
    let live = table.tracked.live();
    let plan = temporary("plan", table.tracked.id);
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

/// Compares every row of the plan with the table. Returns how many.
async fn verify(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
) -> Result<i64, SnapshotError> {
    let live = table.tracked.live();
    let plan = temporary("plan", table.tracked.id);
    let sql = if table.tracked.has_key() {
        let one = &past.keys()[0];
        let tests: Vec<String> = past
            .columns
            .iter()
            .map(|c| {
                let name = past.quoted(c);
                differs(&format!("l.{name}"), &format!("p.{name}"))
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
    let (wrong, looked_at) = (row.number(0)?, row.number(1)?);
    if wrong > 0 {
        return Err(failed(
            table,
            format!("{wrong} of {looked_at} rows are not what they should be after the restore"),
        ));
    }
    Ok(looked_at)
}
