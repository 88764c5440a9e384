//! Applies a plan, in the transaction that made it, and verifies it.
//!
//! The order, over all tables, so that no rule of the schema is broken on the way and no action of
//! a foreign key finds a row to act on: rows whose unique values change step aside; other rows get
//! their values; rows go; rows that stepped aside come back; rows come. Foreign keys are deferred,
//! which the owner of a table may do without checking a row again, and those that cannot wait taken off
//! where no order suits them; user triggers are off; ours stay on, so that a restore is history like
//! anything else.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use downhaul_engine::{EngineError, Session};
use downhaul_syntax::{Dialect, Ident};

use super::aside::{self, Aside};
use super::plan::{self, Counts, Plan, TablePlan, force_row_security, set_bulk};
use super::references::{self, Reference};
use super::{Strategy, readers, record, rewrite, statement};
use crate::history::Past;
use crate::mark::{self, Mark, Origin, Own};
use crate::merge::OnConflict;
use crate::sql;
use crate::store::{SnapshotError, counted};

const D: Dialect = Dialect::Postgres;

/// What a restore did.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its number, for `--undo`; 0 where it was not recorded, since it touched tables without a history.
    pub id: i64,
    /// The mark before it.
    pub before: Mark,
    /// The mark after it.
    pub after: Mark,
    /// Rows compared with the plan afterwards.
    pub verified: i64,
    /// Sequences that had to be moved on.
    pub sequences: Vec<String>,
    /// Tables that were written another way than the preview says, with the reason.
    pub notes: Vec<String>,
}

/// Who restores, and what.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// For the record.
    pub who: &'a str,
    /// The restore that this one undoes.
    pub undoes: Option<i64>,
}

pub(crate) fn failed(table: &TablePlan, what: impl Into<String>) -> SnapshotError {
    SnapshotError::CannotRestore(format!("{}: {}", table.tracked.label(), what.into()))
}

/// Applies; the caller commits. Nothing is left of it if it fails.
pub async fn apply(
    session: &mut dyn Session,
    plan: &Plan,
    context: &Context<'_>,
) -> Result<Done, SnapshotError> {
    if crate::numbered::is(session.dialect()) {
        return crate::numbered::apply::apply(session, plan, context).await;
    }
    if plan.request.on_conflict == OnConflict::Fail && plan.conflicts() > 0 {
        return Err(conflicts(plan));
    }
    let id = record::next(session).await?;
    let before_name = record::mark_name(id, "before");
    let before =
        mark::make(session, &before_name, Origin::Restore, Own::After, context.who).await?;
    let tables: Vec<&TablePlan> = plan.tables.iter().filter(|t| !t.is_empty()).collect();
    let mut references = references::references(session, &tables).await?;
    let (mut rewritten, mut tables): (Vec<&TablePlan>, Vec<&TablePlan>) =
        tables.into_iter().partition(|t| t.strategy == Strategy::Rewrite);
    let mut notes = Vec::new();
    if let Some(reason) = readers::keep_off(session, &rewritten, &plan.earlier).await? {
        for table in &rewritten {
            notes.push(format!("{}: row by row, since {reason}", table.tracked.label()));
        }
        tables.append(&mut rewritten);
    }
    let mut written = Vec::with_capacity(tables.len());
    for table in tables {
        written.push(write_down(session, table, plan).await?);
    }
    let tables: Vec<&TablePlan> = written.iter().map(|table| &**table).collect();
    let all: Vec<&TablePlan> = tables.iter().chain(&rewritten).copied().collect();
    let mut back = Back { check: Vec::new(), on: Vec::new() };
    let groups = references::circles(&tables, &references);
    let in_order: Vec<&TablePlan> = groups.iter().flatten().copied().collect();
    let mut in_the_way: BTreeSet<usize> =
        references::within_circles(&groups, &references).into_iter().collect();
    let mut ways = BTreeMap::new();
    for table in tables.iter().filter(|t| t.tracked.has_key()) {
        let past = Past::new(&table.tracked, &plan.request.target);
        let way = aside::way(session, table, &past, &references).await?;
        if let Aside::Held(_) = way {
            let holds = |r: &Reference| r.holds(table.tracked.relation);
            in_the_way.extend((0..references.len()).filter(|at| holds(&references[*at])));
        }
        ways.insert(table.tracked.id, way);
        in_the_way.extend(references::handed_over(session, table, &past, &references).await?);
    }
    notes.extend(references::take_off(session, &in_the_way, &mut references, &mut back).await?);
    quiet(session, &all, &references, &mut back).await?;
    let mut applied = BTreeMap::new();
    for table in &rewritten {
        // Before anything else: a table with checks put off cannot be emptied.
        back.on.extend(rewrite::rewrite(session, table).await?);
    }
    for table in &tables {
        let past = Past::new(&table.tracked, &plan.request.target);
        if let Some(way) = ways.get_mut(&table.tracked.id) {
            if !references.iter().any(|r| r.holds(table.tracked.relation)) {
                way.unhold();
            }
            aside::step_aside(session, table, &past, way).await?;
            update(session, table, &past, "downhaul_action = 'U' AND NOT downhaul_moves").await?;
        }
    }
    for table in &in_order {
        let past = Past::new(&table.tracked, &plan.request.target);
        check_actions(session, table, &tables, &references).await?;
        delete(session, table, &past).await?;
    }
    for table in in_order.iter().rev() {
        let past = Past::new(&table.tracked, &plan.request.target);
        match ways.get(&table.tracked.id) {
            Some(Aside::Out) => come_back(session, table).await?,
            Some(Aside::Parked(_)) => {
                update(session, table, &past, "downhaul_action = 'U' AND downhaul_moves").await?;
            }
            Some(Aside::None | Aside::Held(_)) | None => {}
        }
        insert(session, table, &past).await?;
    }
    for statement in &back.check {
        session.execute(statement).await?;
    }
    for table in &tables {
        let past = Past::new(&table.tracked, &plan.request.target);
        applied.insert(table.tracked.id, verify(session, table, &past).await?);
    }
    for table in &rewritten {
        // The whole table was compared when it was filled.
        applied.insert(table.tracked.id, table.changes());
    }
    let sequences = advance_sequences(session, &all).await?;
    for statement in back.on {
        session.execute(&statement).await.map_err(left_behind)?;
    }
    force_row_security(session, plan).await?;
    let after_name = record::mark_name(id, "after");
    let after = mark::make(session, &after_name, Origin::Restore, Own::Before, context.who).await?;
    let (Some(before), Some(after)) = (before, after) else {
        return Err(SnapshotError::CannotRestore(format!(
            "marks `{before_name}` or `{after_name}` are there already"
        )));
    };
    record::write(session, id, plan, (&before, &after), context).await?;
    Ok(Done { id, before, after, verified: applied.values().sum(), sequences, notes })
}

/// Writes the rows of a plan down, where they were only counted, and counts them, where they were not.
async fn write_down<'a>(
    session: &mut dyn Session,
    table: &'a TablePlan,
    plan: &Plan,
) -> Result<Cow<'a, TablePlan>, SnapshotError> {
    let Some(rows) = &table.unwritten else { return Ok(Cow::Borrowed(table)) };
    let past = Past::new(&table.tracked, &plan.request.target);
    rows.write(session, &past).await?;
    if table.counts == Counts::Exact {
        return Ok(Cow::Borrowed(table));
    }
    let mut counted = table.clone();
    plan::count(session, &mut counted, &past).await?;
    Ok(Cow::Owned(counted))
}

pub(crate) fn conflicts(plan: &Plan) -> SnapshotError {
    let which = plan
        .tables
        .iter()
        .filter(|t| t.conflicts > 0)
        .map(|t| {
            let more = usize::try_from(t.conflicts).unwrap_or(0) > t.examples.len();
            format!(
                "{}: {}{}",
                t.tracked.label(),
                t.examples.iter().map(|e| format!("({e})")).collect::<Vec<_>>().join(" "),
                if more { " …" } else { "" }
            )
        })
        .collect();
    SnapshotError::Conflicts { rows: plan.conflicts(), which }
}

/// What has to be done at the end.
pub(super) struct Back {
    /// Checks what was put off.
    pub(super) check: Vec<String>,
    /// Puts everything back as it was.
    pub(super) on: Vec<String>,
}

/// Puts off the checks of foreign keys and switches off the user's triggers.
async fn quiet(
    session: &mut dyn Session,
    tables: &[&TablePlan],
    references: &[Reference],
    back: &mut Back,
) -> Result<(), SnapshotError> {
    for reference in references.iter().filter(|r| !r.deferrable && !r.off) {
        let (child, name) = (&reference.child_name, &reference.name);
        session
            .execute(&format!(
                "ALTER TABLE {child} ALTER CONSTRAINT {name} DEFERRABLE INITIALLY DEFERRED"
            ))
            .await?;
        back.on.push(format!("ALTER TABLE {child} ALTER CONSTRAINT {name} NOT DEFERRABLE"));
    }
    if !tables.is_empty() {
        session.execute("SET CONSTRAINTS ALL DEFERRED").await?;
        back.check.push("SET CONSTRAINTS ALL IMMEDIATE".to_owned());
    }
    for table in tables {
        let relation = table.tracked.relation;
        // Of partitions too: a trigger may stand on one of them alone.
        let triggers = session
            .rows(&format!(
                "SELECT pg_catalog.format('%I', t.tgname), t.tgenabled, pg_catalog.format('%I.%I', n.nspname, c.relname) \
                 FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE t.tgrelid = ANY ({}) \
                   AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgname NOT LIKE '_downhaul\\_track%'",
                sql::tree(&relation.to_string())
            ))
            .await?;
        for trigger in &triggers {
            let (name, on) = (trigger.text(0), trigger.text(2));
            session.execute(&format!("ALTER TABLE {on} DISABLE TRIGGER {name}")).await?;
            let how = match trigger.text(1) {
                "A" => "ENABLE ALWAYS TRIGGER",
                "R" => "ENABLE REPLICA TRIGGER",
                _ => "ENABLE TRIGGER",
            };
            back.on.push(format!("ALTER TABLE {on} {how} {name}"));
        }
    }
    Ok(())
}

pub(super) fn assignable<'a>(table: &'a TablePlan, past: &'a Past<'_>) -> Vec<&'a Ident> {
    // Only what differs somewhere: fewer indexes are touched, and nothing else can go wrong.
    past.columns
        .iter()
        .filter(|c| table.changed.iter().any(|(name, _)| *name == c.name.to_string()))
        // These change only in rows that are taken out and put in again.
        .filter(|c| !table.fixed.contains(&c.name))
        .map(|c| &c.name)
        .collect()
}

async fn update(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
    which: &str,
) -> Result<(), SnapshotError> {
    if table.updates == 0 {
        return Ok(());
    }
    let sets: Vec<String> =
        assignable(table, past).iter().map(|name| format!("{0} = p.{0}", D.quote(name))).collect();
    if sets.is_empty() {
        return Ok(());
    }
    set_bulk(session, table.in_bulk()).await?;
    session
        .execute(&format!(
            "UPDATE {} l SET {} FROM (SELECT * FROM {} q WHERE {which}) p WHERE {}",
            table.tracked.live(),
            sets.join(", "),
            past.opened(&statement::name(table.tracked.id), &["downhaul_action", "downhaul_moves"]),
            past.join("l", "p")
        ))
        .await?;
    set_bulk(session, false).await
}

/// Refuses where a row that goes would take others with it, or change them.
async fn check_actions(
    session: &mut dyn Session,
    table: &TablePlan,
    tables: &[&TablePlan],
    references: &[Reference],
) -> Result<(), SnapshotError> {
    if table.deletes == 0 || !table.tracked.has_key() {
        return Ok(());
    }
    let relation = table.tracked.relation;
    for reference in references.iter().filter(|r| r.parent == relation && r.acts && !r.off) {
        let join: Vec<String> =
            reference.columns.iter().map(|(own, other)| format!("c.{own} = g.{other}")).collect();
        let goes_too = tables
            .iter()
            .find(|t| t.tracked.relation == reference.child && t.tracked.has_key())
            .map(|child| {
                let key = &child.tracked.current().key;
                format!(
                    " AND NOT EXISTS (SELECT FROM {} q WHERE q.downhaul_action = 'D' AND {})",
                    statement::name(child.tracked.id),
                    sql::keys_match(D, "q", key, "c", key)
                )
            })
            .unwrap_or_default();
        // The parent's own columns may have changed: they are read from the live row.
        let found = session
            .number(&format!(
                "SELECT count(*) FROM {} c JOIN (SELECT l.* FROM {} l JOIN {} p ON {} WHERE p.downhaul_action = 'D') g ON {} WHERE true{goes_too}",
                reference.child_name,
                table.tracked.live(),
                statement::name(table.tracked.id),
                sql::keys_match(D, "l", &table.tracked.current().key, "p", &table.tracked.current().key),
                join.join(" AND ")
            ))
            .await?;
        if found > 0 {
            return Err(failed(
                table,
                format!(
                    "{} of {} refer to rows that would go, and would go or change with them: restore that table too, or leave these rows out with --where",
                    counted(found),
                    reference.child_name
                ),
            ));
        }
    }
    Ok(())
}

/// What putting a foreign key back means where a row refers to one that is gone.
fn left_behind(error: EngineError) -> SnapshotError {
    match error.failure() {
        Some(failure) if failure.code.as_deref() == Some("23503") => {
            let detail = failure.detail.as_deref().unwrap_or_default();
            SnapshotError::CannotRestore(format!(
                "{}: {detail} Rows refer to others that would go: restore their table too, or leave these rows out with --where",
                failure.message
            ))
        }
        _ => error.into(),
    }
}

async fn delete(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
) -> Result<(), SnapshotError> {
    if table.deletes == 0 {
        return Ok(());
    }
    let (live, plan) = (table.tracked.live(), statement::name(table.tracked.id));
    if table.tracked.has_key() {
        session
            .execute(&format!(
                "DELETE FROM {live} l USING {plan} p WHERE {} AND p.downhaul_action = 'D'",
                past.join("l", "p")
            ))
            .await?;
        return Ok(());
    }
    let content = past.content("l");
    session
        .execute(&format!(
            "DELETE FROM {live} WHERE (tableoid, ctid) IN (SELECT of_table, at FROM (SELECT l.tableoid AS of_table, l.ctid AS at, p.downhaul_net, \
               row_number() OVER (PARTITION BY p.downhaul_content) AS copy FROM {live} l JOIN {plan} p ON p.downhaul_content = {content} \
               WHERE p.downhaul_net < 0) x WHERE copy <= -downhaul_net)"
        ))
        .await?;
    Ok(())
}

/// Rows that were taken out go in again, with their new values.
async fn come_back(session: &mut dyn Session, table: &TablePlan) -> Result<(), SnapshotError> {
    let names: Vec<String> =
        table.tracked.current().columns.iter().map(|c| D.quote(&c.name)).collect();
    session
        .execute(&format!(
            "INSERT INTO {} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM {}",
            D.quote_name(&table.tracked.name),
            aside::moving(table.tracked.id),
            list = names.join(", "),
        ))
        .await?;
    Ok(())
}

async fn insert(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
) -> Result<(), SnapshotError> {
    if table.inserts == 0 {
        return Ok(());
    }
    let names: Vec<String> = past.columns.iter().map(|c| D.quote(&c.name)).collect();
    let plan = statement::name(table.tracked.id);
    let from = if table.tracked.has_key() {
        let plan = past.opened(&plan, &["downhaul_action"]);
        format!("{plan} p WHERE downhaul_action = 'I'")
    } else {
        let plan = past.opened(&plan, &["downhaul_net"]);
        format!("{plan} p, generate_series(1, downhaul_net)")
    };
    let list = names.join(", ");
    // Empty parentheses are none.
    let into = if list.is_empty() { String::new() } else { format!("({list})") };
    session
        .execute(&format!(
            "INSERT INTO {} {into} OVERRIDING SYSTEM VALUE SELECT {list} FROM {from}",
            D.quote_name(&table.tracked.name),
        ))
        .await?;
    Ok(())
}

/// Compares every row of the plan with the table. Returns how many.
async fn verify(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
) -> Result<i64, SnapshotError> {
    let (live, plan) = (table.tracked.live(), statement::name(table.tracked.id));
    let (wrong, looked_at) = if table.tracked.has_key() {
        let one = past.key().swap_remove(0);
        let differs: Vec<String> = past
            .columns
            .iter()
            .map(|c| {
                let name = D.quote(&c.name);
                statement::differs(c, &format!("l.{name}"), &format!("p.{name}"))
            })
            .collect();
        let names: Vec<String> = past.columns.iter().map(|c| D.quote(&c.name)).collect();
        set_bulk(session, table.in_bulk()).await?;
        let row = session
            .row(&format!(
                "SELECT count(*) FILTER (WHERE wrong), count(*) FROM (SELECT CASE p.downhaul_action WHEN 'D' THEN l.{one} IS NOT NULL \
                   ELSE l.{one} IS NULL OR NOT {same} AND ({differs}) END AS wrong \
                 FROM {states} WHERE p.downhaul_action <> '-'{fence}) v",
                same = sql::same_bytes("l", "p", &names),
                differs = differs.join(" OR "),
                states = past.beside((&plan, "p", "downhaul_action"), &live, None),
                // What counts keeps the first row that it meets, with all its columns.
                fence = if past.is_composite() { " OFFSET 0" } else { "" },
            ))
            .await?;
        set_bulk(session, false).await?;
        row.map_or(Ok((0, 0)), |row| Ok::<_, SnapshotError>((row.number(0)?, row.number(1)?)))?
    } else {
        let content = past.content("l");
        let row = session
            .row(&format!(
                "SELECT count(*) FILTER (WHERE coalesce(n.rows, 0) <> p.downhaul_now + p.downhaul_net), count(*) FROM {plan} p LEFT JOIN \
                   (SELECT {content} AS content, count(*) AS rows FROM {live} l GROUP BY 1) n ON n.content = p.downhaul_content"
            ))
            .await?;
        row.map_or(Ok((0, 0)), |row| Ok::<_, SnapshotError>((row.number(0)?, row.number(1)?)))?
    };
    judged(table, wrong, looked_at)
}

/// What a comparison of the plan with the table came to: how many rows were looked at, or that some
/// are wrong.
pub(crate) fn judged(table: &TablePlan, wrong: i64, looked_at: i64) -> Result<i64, SnapshotError> {
    if wrong == 0 {
        return Ok(looked_at);
    }
    Err(failed(
        table,
        format!(
            "{wrong} of {looked_at} rows are not what they should be after the restore: a rule or a policy changed them on the way"
        ),
    ))
}

/// Numbers that are in use again must not be handed out again; they are never moved back.
async fn advance_sequences(
    session: &mut dyn Session,
    tables: &[&TablePlan],
) -> Result<Vec<String>, SnapshotError> {
    let mut moved = Vec::new();
    for table in tables.iter().filter(|t| t.inserts > 0) {
        let owned = session
            .rows(&format!(
                "SELECT pg_catalog.format('%I.%I', n.nspname, s.relname), pg_catalog.format('%I', a.attname), q.seqincrement > 0, q.seqmin, q.seqmax \
                 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
                 JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid \
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
                 WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = {} AND d.deptype IN ('a', 'i') \
                   AND a.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype)",
                table.tracked.relation
            ))
            .await?;
        for row in &owned {
            let (sequence, column) = (row.text(0), row.text(1));
            let (most, beyond) = if row.flag(2) { ("max", ">") } else { ("min", "<") };
            let literal = D.literal(sequence);
            // A value beyond what the sequence gives out is nothing that it could come to.
            let (least, greatest) = (row.number(3)?, row.number(4)?);
            let done = session
                .rows(&format!(
                    "SELECT pg_catalog.setval({literal}::regclass, t.most) FROM (SELECT {most}({column})::bigint AS most FROM {} WHERE {column} BETWEEN '{least}'::bigint AND '{greatest}'::bigint) t, {sequence} s \
                     WHERE t.most {beyond} s.last_value",
                    table.tracked.live()
                ))
                .await?;
            if !done.is_empty() {
                moved.push(sequence.to_owned());
            }
        }
    }
    Ok(moved)
}
