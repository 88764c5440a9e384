//! What has to change so that tables are again what they were.

mod one_way;
mod reached;
mod row_security;
mod table;

use std::collections::BTreeSet;

use downhaul_engine::{Session, Wanted, lock_tables};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use super::all_rows::Unwritten;
use super::missing::Missing;
use super::readers::{self, Onlooker};
use super::strategy::{self, Strategy, Wish};
use crate::history::Past;
use crate::mark::Mark;
use crate::merge::OnConflict;
use crate::numbered;
use crate::sql;
use crate::store::SnapshotError;
use crate::track::{self, Tracked, TrackedColumn, quiet};
use crate::whole::Source;

pub use self::reached::tables;
pub(super) use self::row_security::force_row_security;
pub(super) use self::table::{Events, count, set_bulk, unique_columns, write};
pub(crate) use self::table::{judge_condition, wanted};

const D: Dialect = Dialect::Postgres;

/// Which rows and values come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// These tables; all tracked ones that the mark reaches where none is named.
    pub tables: Vec<ObjectName>,
    /// Rows for which this condition holds, then or now.
    pub filter: Option<String>,
    /// These columns.
    pub columns: Vec<Ident>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The mark to which one returns.
    pub target: Mark,
    /// What was written after this mark is kept; `None`: nothing is.
    pub until: Option<Mark>,
    /// What happens where both changed the same.
    pub on_conflict: OnConflict,
    /// Which rows and values.
    pub scope: Scope,
    /// How rows are written back.
    pub wish: Wish,
    /// SQLite: snapshots of the whole file in which tables are as they were, in place of a history.
    pub source: Option<Source>,
}

/// How a plan knows how many rows differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counts {
    /// Each of them was compared.
    #[default]
    Exact,
    /// All rows are written as they were, and of those that were looked at each differed: others may be what they
    /// were already.
    AtMost,
}

/// What changes in one table.
#[derive(Clone, Debug)]
pub struct TablePlan {
    /// The table.
    pub tracked: Tracked,
    /// Columns that come back.
    pub columns: Vec<TrackedColumn>,
    /// Rows that come back.
    pub inserts: i64,
    /// Rows that change.
    pub updates: i64,
    /// Rows that go.
    pub deletes: i64,
    /// Rows in conflict, whatever becomes of them.
    pub conflicts: i64,
    /// Rows whose unique values change.
    pub moves: i64,
    /// Changed columns with the number of rows; none where the counts are not exact.
    pub changed: Vec<(String, i64)>,
    /// How the counts are known.
    pub counts: Counts,
    /// Keys of some rows in conflict.
    pub examples: Vec<String>,
    /// Columns of then that are gone, so that their values stay in the history.
    pub lost: Vec<Ident>,
    /// Identity columns that an UPDATE cannot assign.
    pub fixed: Vec<Ident>,
    /// Rows now, as the server estimates.
    pub rows: i64,
    /// Fingerprint of the plan.
    pub digest: String,
    /// How the rows are written back.
    pub strategy: Strategy,
    /// Why.
    pub reason: String,
    /// Nothing happened to it, so nothing was compared.
    pub(crate) quiet: bool,
    /// PostgreSQL: the rows of the plan are only counted so far.
    pub(super) unwritten: Option<Unwritten>,
}

impl TablePlan {
    /// Nothing is known yet but what comes back.
    pub(crate) fn new(tracked: &Tracked, columns: &[&TrackedColumn], past: &Past<'_>) -> Self {
        Self {
            tracked: tracked.clone(),
            columns: columns.iter().copied().cloned().collect(),
            inserts: 0,
            updates: 0,
            deletes: 0,
            conflicts: 0,
            moves: 0,
            changed: Vec::new(),
            counts: Counts::Exact,
            examples: Vec::new(),
            lost: past.lost.clone(),
            fixed: Vec::new(),
            rows: 0,
            digest: String::new(),
            strategy: Strategy::Rows,
            reason: String::new(),
            quiet: false,
            unwritten: None,
        }
    }

    /// Of a table to which nothing happened.
    pub(crate) fn quiet(request: &Request, tracked: &Tracked) -> Result<Self, SnapshotError> {
        let past = Past::new(tracked, &request.target);
        let wanted = wanted(request, &past)?;
        Ok(Self { quiet: true, ..Self::new(tracked, &wanted, &past) })
    }

    /// Rows that differ.
    #[must_use]
    pub fn changes(&self) -> i64 {
        self.inserts + self.updates + self.deletes
    }

    /// So much of the table differs that an index helps nobody to find it.
    pub(super) fn in_bulk(&self) -> bool {
        self.tracked.has_key()
            && (self.strategy == Strategy::Rewrite || strategy::in_bulk(self.changes(), self.rows))
    }

    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes() == 0
    }
}

/// What changes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What was asked for.
    pub request: Request,
    /// Tables, the empty ones too.
    pub tables: Vec<TablePlan>,
    /// Tracked tables that the mark does not reach, with the reason.
    pub unreachable: Vec<String>,
    /// Tables, quoted, whose row security does not bind their owner until the plan is applied.
    pub(crate) forced: Vec<String>,
    /// Rows that would point to nothing, where a preview has asked ([`super::missing`]).
    pub missing: Vec<Missing>,
    /// PostgreSQL: who had a snapshot when the tables were locked.
    pub(crate) earlier: Vec<Onlooker>,
}

impl Plan {
    /// Rows in conflict.
    #[must_use]
    pub fn conflicts(&self) -> i64 {
        self.tables.iter().map(|t| t.conflicts).sum()
    }

    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(TablePlan::is_empty)
    }

    /// One text for all that will be done.
    #[must_use]
    pub fn digest(&self) -> String {
        let parts: Vec<String> =
            self.tables.iter().map(|t| format!("{}={}", t.tracked.id, t.digest)).collect();
        parts.join(";")
    }
}

/// Locks the tables, if it is to be applied, and works out what has to change. Within a transaction, which
/// holds the plan.
pub async fn plan(
    session: &mut dyn Session,
    request: &Request,
    lock: bool,
) -> Result<Plan, SnapshotError> {
    track::check_engine(session)?;
    if numbered::is(session.dialect()) {
        return numbered::plan::plan(session, request, lock).await;
    }
    let mut marks = vec![&request.target];
    marks.extend(&request.until);
    let (mut found, unreachable) = tables(session, &request.scope.tables, &marks).await?;
    found.sort_by_key(|t| t.relation);
    let touched = lock_touched(session, request, &found, lock).await?;
    // Whoever takes a snapshot from here on sees all that was ever written to these tables by others.
    let earlier = if lock { readers::with_snapshots(session).await? } else { Vec::new() };
    let (busy, quiet): (Vec<Tracked>, Vec<Tracked>) =
        found.into_iter().partition(|t| touched.contains(&t.id));
    let forced =
        if lock { row_security::lift_row_security(session, &busy).await? } else { Vec::new() };
    let mut plan = Plan {
        request: request.clone(),
        tables: Vec::new(),
        unreachable,
        forced,
        missing: Vec::new(),
        earlier,
    };
    for tracked in busy {
        plan.tables.push(table::plan(session, request, tracked, lock).await?);
    }
    for tracked in &quiet {
        plan.tables.push(TablePlan::quiet(request, tracked)?);
    }
    one_way::choose(session, &mut plan).await?;
    if plan.is_empty() {
        force_row_security(session, &plan).await?;
    }
    Ok(plan)
}

/// Locks the tables that may have changed since the mark against writers; their numbers. Of the others
/// none needs a lock: what is written to them from now on comes after the restore.
async fn lock_touched(
    session: &mut dyn Session,
    request: &Request,
    found: &[Tracked],
    lock: bool,
) -> Result<BTreeSet<i64>, SnapshotError> {
    let mut locked: BTreeSet<i64> = BTreeSet::new();
    loop {
        let mut touched = match request.scope.filter {
            None => quiet::touched(session, found, &[&request.target]).await?,
            // Whether a condition can be understood is told in any case.
            Some(_) => found.iter().map(|t| t.id).collect(),
        };
        touched.retain(|id| !locked.contains(id) && found.iter().any(|t| t.id == *id));
        // Readers go on. In one order for everybody, and before anything is read.
        let names: Vec<String> = found
            .iter()
            .filter(|t| touched.contains(&t.id))
            .map(|t| D.quote_name(&t.name))
            .collect();
        let none_held = locked.is_empty();
        locked.append(&mut touched);
        if names.is_empty() || !lock {
            return Ok(locked);
        }
        if none_held {
            let wanted: Vec<Wanted> =
                names.into_iter().map(|name| (name, "EXCLUSIVE".to_owned())).collect();
            lock_tables(session, &wanted).await?;
        } else {
            // Not waited for, since others may wait for those that are held. The next try has them all.
            let names = names.join(", ");
            session.execute(&format!("LOCK TABLE {names} IN EXCLUSIVE MODE NOWAIT")).await?;
        }
        // Whom this waited for may have written to others.
    }
}

/// Fingerprint of the rows of now that a plan would change or take away, in the columns that would go back: what
/// somebody writes to them after the plan was looked at is not what was looked at.
async fn as_they_are(
    session: &mut dyn Session,
    table: &TablePlan,
    past: &Past<'_>,
    request: &Request,
    plan: &str,
) -> Result<String, SnapshotError> {
    let d = session.dialect();
    let all = if request.scope.columns.is_empty() { &past.new[..] } else { &[] };
    let columns: Vec<String> = if past.is_composite() {
        vec!["l::text".into()]
    } else {
        let names = table.columns.iter().chain(all.iter().copied()).map(|c| &c.name);
        names.map(|name| format!("l.{}", d.quote(name))).collect()
    };
    let same: Vec<String> = past.key().iter().map(|key| format!("l.{key} = p.{key}")).collect();
    let rows = format!("{plan} p JOIN {} l ON {}", table.tracked.live(), same.join(" AND "));
    Ok(session.digest(&rows, &columns).await?)
}

/// Fills in the fingerprints of a plan: only where it is compared with another one.
pub async fn fingerprint(session: &mut dyn Session, plan: &mut Plan) -> Result<(), SnapshotError> {
    let d = session.dialect();
    for table in plan.tables.iter_mut().filter(|table| !table.quiet) {
        let tracked = table.tracked.clone();
        let past = Past::new(&tracked, &plan.request.target);
        if let Some(rows) = table.unwritten.take() {
            rows.write(session, &past).await?;
            if table.counts == Counts::AtMost {
                count(session, table, &past).await?;
            }
        }
        if crate::numbered::is(d) {
            crate::numbered::plan::only_what_changes(session, table).await?;
        }
        let mut columns: Vec<String> = if table.tracked.has_key() {
            vec!["downhaul_action".into(), "downhaul_conflict".into()]
        } else {
            vec!["downhaul_net".into()]
        };
        if past.is_composite() {
            columns.extend(past.carried());
        } else {
            columns.extend(past.columns.iter().map(|c| d.quote(&c.name)));
        }
        let name = sql::temporary(d, &format!("plan_{}", table.tracked.id));
        table.digest = session.digest(&name, &columns).await?;
        if table.tracked.has_key() {
            let now = as_they_are(session, table, &past, &plan.request, &name).await?;
            table.digest = format!("{}/{now}", table.digest);
        }
    }
    Ok(())
}
