//! What has to change in one table: its plan is a temporary table with a row for each row that differs.

use downhaul_engine::Session;
use downhaul_syntax::Ident;

use super::{Counts, D, Request, TablePlan};
use crate::history::Past;
use crate::mark::Mark;
use crate::restore_to::all_rows::{self, AllRows, Unwritten};
use crate::restore_to::statement::{self, Query};
use crate::restore_to::strategy::{self, Wish};
use crate::restore_to::{rewrite, row_count};
use crate::store::SnapshotError;
use crate::track::{Tracked, TrackedColumn, postgres};

/// Columns of unique and exclusion rules, and those that an UPDATE may not assign.
pub(in crate::restore_to) async fn unique_columns(
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
pub(in crate::restore_to) struct Events {
    pub(in crate::restore_to) all: i64,
    /// The first position and the last one.
    pub(in crate::restore_to) positions: (i64, i64),
    /// After the mark up to which work is undone.
    pub(in crate::restore_to) since: i64,
    /// The first and the last place in the history.
    pub(in crate::restore_to) places: (String, String),
    /// Rows changed, and kept their keys; none came and none went.
    pub(in crate::restore_to) changes_only: bool,
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
    pub(in crate::restore_to) fn once(&self) -> Option<i64> {
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

/// Works out what has to change in a table, and how it is written back.
pub(super) async fn plan(
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
pub(in crate::restore_to) async fn write(
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
pub(in crate::restore_to) async fn set_bulk(
    session: &mut dyn Session,
    on: bool,
) -> Result<(), SnapshotError> {
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
pub(in crate::restore_to) async fn count(
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
