//! What has to change so that tables are again what they were.

use std::collections::BTreeSet;

use downhaul_engine::{Session, Wanted, lock_tables};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use super::all_rows::{self, AllRows, Unwritten};
use super::missing::Missing;
use super::readers::{self, Onlooker};
use super::rewrite;
use super::row_count;
use super::statement::{self, Query};
use super::strategy::{self, Strategy, Wish};
use crate::history::Past;
use crate::mark::{self, Mark};
use crate::merge::OnConflict;
use crate::numbered;
use crate::sql;
use crate::store::SnapshotError;
use crate::track::{self, Around, Tracked, TrackedColumn, follow, postgres, quiet};
use crate::whole::Source;

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
    let forced = if lock { lift_row_security(session, &busy).await? } else { Vec::new() };
    let mut plan = Plan {
        request: request.clone(),
        tables: Vec::new(),
        unreachable,
        forced,
        missing: Vec::new(),
        earlier,
    };
    for tracked in busy {
        plan.tables.push(table(session, request, tracked, lock).await?);
    }
    for tracked in &quiet {
        plan.tables.push(TablePlan::quiet(request, tracked)?);
    }
    in_one_way(session, &mut plan).await?;
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

/// Up to this size (bytes) a table is written anew because others of the same restore are.
const SMALL: i64 = 16 << 20;

/// Who takes a snapshot while a restore runs, and keeps to it, finds tables that are written anew as
/// restored, and those that change row by row as they were. So that nobody sees a half of it, all
/// tables of one restore go the same way, unless a person wants it otherwise.
async fn in_one_way(session: &mut dyn Session, plan: &mut Plan) -> Result<(), SnapshotError> {
    let anew = |table: &TablePlan| !table.is_empty() && table.strategy == Strategy::Rewrite;
    let Some(large) = plan.tables.iter().find(|t| anew(t)).map(|t| t.tracked.label()) else {
        return Ok(());
    };
    if plan.request.wish != Wish::Auto {
        return Ok(());
    }
    let mut by_rows = None;
    for table in plan.tables.iter().filter(|t| !t.is_empty() && !anew(t)) {
        let size = session
            .number(&format!("SELECT pg_catalog.pg_table_size({})", table.tracked.relation))
            .await?;
        let past = Past::new(&table.tracked, &plan.request.target);
        if size > SMALL || rewrite::obstacle(session, table, &past).await?.is_some() {
            by_rows = Some(table.tracked.label());
            break;
        }
    }
    for table in plan.tables.iter_mut().filter(|t| !t.is_empty()) {
        match &by_rows {
            None if anew(table) => {}
            None => {
                table.strategy = Strategy::Rewrite;
                table.reason = format!("it is small, and {large} is written anew");
            }
            Some(other) if anew(table) => {
                table.strategy = Strategy::Rows;
                table.reason = format!(
                    "{}, but {other} goes row by row, and nobody should see one of them restored and the other not",
                    table.reason
                );
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Row security that binds the owner would hide rows from the plan and from its verification.
async fn lift_row_security(
    session: &mut dyn Session,
    tables: &[Tracked],
) -> Result<Vec<String>, SnapshotError> {
    let mut lifted = Vec::new();
    for tracked in tables {
        let bound = session
            .row(&format!(
                "SELECT c.relforcerowsecurity AND NOT (r.rolsuper OR r.rolbypassrls) FROM pg_catalog.pg_class c, pg_catalog.pg_roles r \
                 WHERE c.oid = {} AND r.rolname = current_user",
                tracked.relation
            ))
            .await?;
        if bound.is_some_and(|row| row.flag(0)) {
            let name = D.quote_name(&tracked.name);
            session.execute(&format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY")).await?;
            lifted.push(name);
        }
    }
    Ok(lifted)
}

/// Puts row security back as it was.
pub(super) async fn force_row_security(
    session: &mut dyn Session,
    plan: &Plan,
) -> Result<(), SnapshotError> {
    for name in &plan.forced {
        session.execute(&format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY")).await?;
    }
    Ok(())
}

/// Columns of unique and exclusion rules, and those that an UPDATE may not assign.
pub(super) async fn unique_columns(
    session: &mut dyn Session,
    tracked: &Tracked,
) -> Result<Vec<Ident>, SnapshotError> {
    let rows = session
        .rows(&format!(
            "SELECT DISTINCT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = {0} AND a.attnum > 0 AND NOT a.attisdropped AND (a.attidentity = 'a' \
               OR EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = {0} AND (i.indisunique OR i.indisexclusion) AND (a.attnum = ANY(i.indkey) \
                 OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = {0} AND d.refobjsubid = a.attnum) \
                 OR EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = {0} AND a.attnum = ANY(k.conkey)))))",
            tracked.relation
        ))
        .await?;
    Ok(rows.iter().map(|row| Ident::stored(D, row.text(0))).collect())
}

/// Columns `GENERATED ALWAYS AS IDENTITY`.
async fn fixed_columns(
    session: &mut dyn Session,
    tracked: &Tracked,
) -> Result<Vec<Ident>, SnapshotError> {
    let rows = session
        .rows(&format!(
            "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attidentity = 'a'",
            tracked.relation
        ))
        .await?;
    Ok(rows.iter().map(|row| Ident::stored(D, row.text(0))).collect())
}

/// The columns that come back, as the scope says.
pub(crate) fn wanted<'a>(
    request: &Request,
    past: &Past<'a>,
) -> Result<Vec<&'a TrackedColumn>, SnapshotError> {
    let columns = &request.scope.columns;
    if !columns.is_empty() && !past.tracked.has_key() {
        return Err(SnapshotError::CannotRestore(format!(
            "{} has no key, so single columns of its rows cannot go back",
            past.tracked.label()
        )));
    }
    if let Some(unknown) =
        columns.iter().find(|name| !past.columns.iter().any(|c| c.name == **name))
    {
        return Err(SnapshotError::CannotRestore(format!(
            "{} has no column {unknown} both at `{}` and now; it has {}",
            past.tracked.label(),
            request.target.name,
            past.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
        )));
    }
    let all = past.columns.iter().copied();
    Ok(all.filter(|c| columns.is_empty() || columns.contains(&c.name)).collect())
}

/// What a history knows of what happened after the mark to which one returns.
pub(super) struct Events {
    pub(super) all: i64,
    /// The first position and the last one.
    pub(super) positions: (i64, i64),
    /// After the mark up to which work is undone.
    pub(super) since: i64,
    /// The first and the last place in the history.
    pub(super) places: (String, String),
    /// Rows changed, and kept their keys; none came and none went.
    pub(super) changes_only: bool,
}

impl Events {
    async fn read(
        session: &mut dyn Session,
        past: &Past<'_>,
        request: &Request,
    ) -> Result<Self, SnapshotError> {
        let query = past.extent_after(&request.target, request.until.as_ref());
        let Some(row) = session.row(&query).await? else {
            return Ok(Self {
                all: 0,
                positions: (0, 0),
                since: 0,
                places: Default::default(),
                changes_only: true,
            });
        };
        Ok(Self {
            all: row.number(0)?,
            positions: (row.number(1)?, row.number(2)?),
            since: row.number(3)?,
            places: (row.text(4).to_owned(), row.text(5).to_owned()),
            changes_only: row.flag(6),
        })
    }

    /// The position of the one statement of which all are.
    pub(super) fn once(&self) -> Option<i64> {
        let (first, last) = self.positions;
        Some(first).filter(|first| self.all > 0 && *first == last)
    }
}

/// A key came into being after the mark to which one returns.
async fn has_births(
    session: &mut dyn Session,
    past: &Past<'_>,
    request: &Request,
    events: &Events,
) -> Result<bool, SnapshotError> {
    if events.changes_only {
        return Ok(false);
    }
    let row = session.row(&past.births_after(&request.target)).await?;
    Ok(row.is_some_and(|row| row.flag(0)))
}

/// The condition of the scope is judged over what the history holds. Of a name that it does not hold, such as
/// a computed column, the server would else take the value of the row that is there now.
pub(crate) async fn judge_condition(
    session: &mut dyn Session,
    request: &Request,
    past: &Past<'_>,
) -> Result<(), SnapshotError> {
    let (Some(filter), d) = (&request.scope.filter, past.tracked.dialect) else { return Ok(()) };
    let held: Vec<&Ident> = past.columns.iter().chain(&past.new).map(|c| &c.name).collect();
    let shape = session.table_shape(&past.tracked.name).await?;
    let columns = shape.as_ref().map_or(&[][..], |shape| &shape.columns);
    let computed: Vec<String> = columns
        .iter()
        .filter(|c| c.generated && !held.contains(&&c.name))
        .map(|c| c.name.to_string())
        .collect();
    if held.is_empty() || computed.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = held.iter().map(|name| d.quote(name)).collect();
    // On lines of its own: the condition may end with a comment.
    let sql = format!(
        "SELECT 1 FROM (SELECT {} FROM {}) AS downhaul_row WHERE 1 = 0 AND (\n{filter}\n)",
        names.join(", "),
        past.tracked.live()
    );
    match session.rows(&sql).await {
        Ok(_) => Ok(()),
        Err(error) => Err(SnapshotError::CannotRestore(format!(
            "the condition cannot be judged over rows of {} as they were: {error}; computed columns ({}) are not part of a history: \
             write out what they are made of",
            past.tracked.label(),
            computed.join(", ")
        ))),
    }
}

async fn table(
    session: &mut dyn Session,
    request: &Request,
    tracked: Tracked,
    to_apply: bool,
) -> Result<TablePlan, SnapshotError> {
    let id = tracked.id;
    let past = Past::new(&tracked, &request.target);
    let scope = &request.scope;
    let key = tracked.current().key.clone();
    let only_columns = !scope.columns.is_empty();
    let wanted = wanted(request, &past)?;
    judge_condition(session, request, &past).await?;
    let (was, until) = (statement::was(id), statement::until(id));
    let read = |past: &Past<'_>, mark: &Mark| {
        if key.is_empty() { past.balance(mark) } else { past.touched(mark) }
    };
    let events = Events::read(session, &past, request).await?;
    let rows = row_count::about(session, &tracked, events.all).await?;
    let in_bulk =
        !key.is_empty() && (strategy::in_bulk(events.all, rows) || request.wish == Wish::Rewrite);
    let mut found = TablePlan::new(&tracked, &wanted, &past);
    found.fixed = fixed_columns(session, &tracked).await?;
    found.rows = rows;
    let unique = unique_columns(session, &tracked).await?;
    let once = events.once().is_some();
    let of_all = match in_bulk {
        true => {
            let known = all_rows::Known { events: &events, to_apply };
            all_rows::find(session, &mut found, request, &past, known, &unique).await?
        }
        false => None,
    };
    let was = if let Some(AllRows { images, .. }) = &of_all {
        format!("({})", images.touched)
    } else if in_bulk && !has_births(session, &past, request, &events).await? {
        format!("({})", past.images(&request.target, once))
    } else {
        make(session, &past, &was, &read(&past, &request.target), "").await?;
        was
    };
    let known_until = match &request.until {
        // Where nothing was written since, whatever is there now is to be undone.
        Some(mark) if events.since > 0 => {
            let later = Past::new(&tracked, mark).comparable(&past);
            make(session, &later, &until, &read(&later, mark), "").await?;
            Some(later.columns.iter().map(|c| c.name.clone()).collect())
        }
        _ => None,
    };
    let query = Query {
        past: &past,
        id,
        was,
        live: tracked.live(),
        wanted: wanted.clone(),
        known_until,
        policy: request.on_conflict,
        only_columns,
        filter: scope.filter.as_deref(),
        unique: &unique,
    };
    let body = if key.is_empty() { query.keyless() } else { query.keyed() };
    let columns = if key.is_empty() {
        String::new()
    } else {
        format!("(downhaul_action, {})", past.key().join(", "))
    };
    match of_all {
        // Nothing has to be written down where nothing differs, or all of it is written anew.
        Some(all) if all.in_place || found.is_empty() => {
            found.unwritten = Some(Unwritten { query: body, columns, all });
        }
        of_all => {
            write(session, &past, &body, &columns, in_bulk).await?;
            if of_all.is_none() {
                count(session, &mut found, &past).await?;
            }
        }
    }
    let share = strategy::by_share(&found, request.wish);
    let obstacle = match share {
        Ok(_) => rewrite::obstacle(session, &found, &past).await?,
        Err(_) => None,
    };
    (found.strategy, found.reason) = strategy::choose(share, obstacle);
    Ok(found)
}

/// Writes a plan down, as the temporary table of its rows.
pub(super) async fn write(
    session: &mut dyn Session,
    past: &Past<'_>,
    query: &str,
    columns: &str,
    in_bulk: bool,
) -> Result<(), SnapshotError> {
    if in_bulk {
        set_bulk(session, true).await?;
        // Workers would hand over each row, which costs more than they spare; and to know how many
        // rows there are, and whether they have an order, few of them need to be looked at.
        session
            .execute("SET LOCAL max_parallel_workers_per_gather TO 0; SET LOCAL default_statistics_target TO 10")
            .await?;
    }
    make(session, past, &statement::name(past.tracked.id), query, columns).await?;
    if in_bulk {
        session
            .execute("SET LOCAL max_parallel_workers_per_gather TO DEFAULT; SET LOCAL default_statistics_target TO DEFAULT")
            .await?;
        set_bulk(session, false).await?;
    }
    Ok(())
}

/// Makes a temporary table of a query, with statistics over `columns` (all of them where that is
/// empty): without, joins take the wrong way, and hours.
async fn make(
    session: &mut dyn Session,
    past: &Past<'_>,
    name: &str,
    query: &str,
    columns: &str,
) -> Result<(), SnapshotError> {
    let (mut with, mut columns) = (String::new(), columns.to_owned());
    if past.is_composite() {
        with = format!(" WITH (toast_tuple_target = {})", postgres::INLINE);
        if columns.is_empty() {
            columns = if past.tracked.has_key() {
                format!("({})", past.key().join(", "))
            } else {
                "(downhaul_content, downhaul_net)".to_owned()
            };
        }
    }
    session
        .execute(&format!("CREATE TEMPORARY TABLE {}{with} ON COMMIT DROP AS {query}", bare(name)))
        .await?;
    session.execute(&format!("ANALYZE {name} {columns}")).await?;
    Ok(())
}

/// Where most of a table is joined, the server is told so: what it knows of a history, or of a
/// temporary table, would make it look up each row by itself.
pub(super) async fn set_bulk(session: &mut dyn Session, on: bool) -> Result<(), SnapshotError> {
    let nested = if on { "off" } else { "DEFAULT" };
    // And a scan does not begin in the middle, where another one happens to be: what is written down has
    // the order of the table.
    session
        .execute(&format!(
            "SET LOCAL enable_nestloop TO {nested}; SET LOCAL synchronize_seqscans TO {nested}"
        ))
        .await?;
    // Such work is what `maintenance_work_mem` is meant for; a query of every day gets far less.
    let memory = if on {
        "SELECT pg_catalog.set_config('work_mem', m.setting || 'kB', true) FROM pg_catalog.pg_settings m, pg_catalog.pg_settings w \
         WHERE m.name = 'maintenance_work_mem' AND w.name = 'work_mem' AND m.setting::bigint > w.setting::bigint"
    } else {
        "SET LOCAL work_mem TO DEFAULT"
    };
    session.execute(memory).await?;
    Ok(())
}

/// Name without its schema: a temporary table cannot be made in a named one.
fn bare(name: &str) -> &str {
    name.strip_prefix("pg_temp.").unwrap_or(name)
}

/// Counts what a written plan changes.
pub(super) async fn count(
    session: &mut dyn Session,
    found: &mut TablePlan,
    past: &Past<'_>,
) -> Result<(), SnapshotError> {
    let name = statement::name(found.tracked.id);
    found.counts = Counts::Exact;
    found.changed.clear();
    let counts = if found.tracked.has_key() {
        // Rows of one kind are counted once: a million rows are of few kinds.
        let kinds = statement::kinds(found.columns.len());
        let columns: String = (0..found.columns.len())
            .map(|at| {
                let changes = statement::changes(at);
                format!(", coalesce(sum(n) FILTER (WHERE downhaul_action = 'U' AND {changes}), 0)")
            })
            .collect();
        format!(
            "SELECT coalesce(sum(n) FILTER (WHERE downhaul_action = 'I'), 0), coalesce(sum(n) FILTER (WHERE downhaul_action = 'U'), 0), \
               coalesce(sum(n) FILTER (WHERE downhaul_action = 'D'), 0), coalesce(sum(n) FILTER (WHERE downhaul_conflict), 0), \
               coalesce(sum(n) FILTER (WHERE downhaul_action = 'U' AND downhaul_moves), 0){columns} \
             FROM (SELECT {kinds}, count(*) AS n FROM {name} GROUP BY {kinds}) g"
        )
    } else {
        format!(
            "SELECT coalesce(sum(downhaul_net) FILTER (WHERE downhaul_net > 0), 0), 0, coalesce(-sum(downhaul_net) FILTER (WHERE downhaul_net < 0), 0), \
               count(*) FILTER (WHERE downhaul_conflict), 0 FROM {name}"
        )
    };
    if let Some(row) = session.row(&counts).await? {
        found.inserts = row.number(0)?;
        found.updates = row.number(1)?;
        found.deletes = row.number(2)?;
        found.conflicts = row.number(3)?;
        found.moves = row.number(4)?;
        if found.tracked.has_key() {
            for (at, column) in found.columns.iter().enumerate() {
                let rows = row.number(at + 5)?;
                if rows > 0 {
                    found.changed.push((column.name.to_string(), rows));
                }
            }
        }
    }
    if found.conflicts > 0 {
        let shown =
            if found.tracked.has_key() { past.key() } else { vec!["downhaul_content".into()] };
        let texts: Vec<String> = shown.iter().map(|k| format!("{k}::text")).collect();
        let rows = session
            .rows(&format!(
                "SELECT concat_ws(', ', {}) FROM {name} WHERE downhaul_conflict ORDER BY 1 LIMIT 5",
                texts.join(", ")
            ))
            .await?;
        found.examples = rows.iter().map(|row| row.text(0).to_owned()).collect();
    }
    Ok(())
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
