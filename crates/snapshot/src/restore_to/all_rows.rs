//! The first statement after the mark changed every row of a table, and since then rows were only changed:
//! then what the table becomes is what that statement left in the history, whatever came behind it, and
//! nobody needs a copy of it unless the rows are written one by one.
//!
//! Why that is exact. No key came, went or became another one, so the keys are those of the mark. Each event
//! draws its position while it holds the row, so that no event on a row has a position before that of the
//! first statement, which changes no row twice: what it left of a key is the first image of it. And it left
//! one of each key that is there, which is counted by joining both; where the plan is applied at once, by counting
//! both ([`all_differ`]).

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, Ident};

use super::plan::{self, Counts, Events, Request, TablePlan, set_bulk};
use super::rewrite;
use super::statement;
use super::strategy::Wish;
use crate::history::{Images, Past};
use crate::store::SnapshotError;
use crate::track::TrackedColumn;

const D: Dialect = Dialect::Postgres;

/// All rows as they were.
#[derive(Clone, Debug)]
pub(super) struct AllRows {
    pub(super) images: Images,
    /// Rows of the table, now and then.
    pub(super) rows: i64,
    /// The images stand (nearly) in the order of the key.
    pub(super) in_order: bool,
    /// The table can be written anew from them.
    pub(super) in_place: bool,
}

/// The rows of a plan before they are written down.
#[derive(Clone, Debug)]
pub(super) struct Unwritten {
    pub(super) query: String,
    /// Columns over which the table of the plan gets statistics.
    pub(super) columns: String,
    /// Where the rows stand that the table becomes.
    pub(super) all: AllRows,
}

impl Unwritten {
    /// Writes the plan down after all.
    pub(super) async fn write(
        &self,
        session: &mut dyn Session,
        past: &Past<'_>,
    ) -> Result<(), SnapshotError> {
        plan::write(session, past, &self.query, &self.columns, true).await
    }
}

/// What is known of the events after the mark.
pub(super) struct Known<'a> {
    pub(super) events: &'a Events,
    /// Nobody decides by the plan any more.
    pub(super) to_apply: bool,
}

/// The images of all rows of the table, where they stand in the history; then what differs is counted, unless
/// the plan is applied at once and has them all written anyway.
pub(super) async fn find(
    session: &mut dyn Session,
    found: &mut TablePlan,
    request: &Request,
    past: &Past<'_>,
    Known { events, to_apply }: Known<'_>,
    unique: &[Ident],
) -> Result<Option<AllRows>, SnapshotError> {
    if request.scope.filter.is_some() || events.since != 0 {
        return Ok(None);
    }
    let all_comes_back = request.scope.columns.is_empty() && request.wish != Wish::Rows;
    let once = events.once().is_some();
    // Where statements nest, the one that began first ends last.
    let nested = past.tracked.versions.iter().any(|v| v.nested);
    if match once {
        // What one statement changed differs, as a rule: where it is written down anyway, it is counted then.
        true => !all_comes_back,
        false => events.all == 0 || !events.changes_only || nested,
    } {
        return Ok(None);
    }
    let (first, last) = &events.places;
    let Some(images) = past.images_in_place(&request.target, events.positions.0, (first, last))
    else {
        return Ok(None);
    };
    let in_place = all_comes_back && rewrite::obstacle(session, found, past).await?.is_none();
    if once && !in_place || !once && !left_by_most(session, found, &images).await? {
        return Ok(None);
    }
    let in_order = rewrite::in_order(session, found, &images).await?;
    if once
        && to_apply
        && events.changes_only
        && !nested
        && all_differ(session, found, &images, events.all, past).await?
    {
        (found.updates, found.counts) = (events.all, Counts::AtMost);
        return Ok(Some(AllRows { images, rows: events.all, in_order, in_place }));
    }
    let by_merge = in_order && merges(session, found).await?;
    set_bulk(session, true).await?;
    session.execute("SET LOCAL max_parallel_workers_per_gather TO 0").await?;
    session.execute(if by_merge { MERGE } else { HASH }).await?;
    let row = session.row(&tally(found, past, &images, unique)).await?;
    session
        .execute(
            "SET LOCAL max_parallel_workers_per_gather TO DEFAULT; SET LOCAL enable_sort TO DEFAULT; \
             SET LOCAL enable_hashjoin TO DEFAULT; SET LOCAL enable_indexscan TO DEFAULT",
        )
        .await?;
    set_bulk(session, false).await?;
    // Each event is the change of a row that is still there, and there are no other rows.
    let Some(row) = row else { return Ok(None) };
    let rows = row.number(0)?;
    if once && rows != events.all || row.number(1)? != 0 {
        return Ok(None);
    }
    found.updates = row.number(2)?;
    found.moves = row.number(3)?;
    for (at, column) in found.columns.iter().enumerate() {
        let rows = row.number(at + 4)?;
        if rows > 0 {
            found.changed.push((column.name.to_string(), rows));
        }
    }
    Ok(Some(AllRows { images, rows, in_order, in_place }))
}

/// So many images tell whether a statement changed what it touched.
const SAMPLE: i64 = 300;

/// The table has as many rows as one statement left images, and some of these, from all over the history, all
/// differ from their rows. One statement leaves one image of a row, so that where rows only changed and kept
/// their keys, as many images as rows are one of each.
async fn all_differ(
    session: &mut dyn Session,
    found: &TablePlan,
    images: &Images,
    rows: i64,
    past: &Past<'_>,
) -> Result<bool, SnapshotError> {
    let tests = tests(found);
    if tests.is_empty() {
        return Ok(false);
    }
    let (one, live) = (&past.key()[0], found.tracked.live());
    // In parts of a thousandth of a per cent.
    let share = (SAMPLE.saturating_mul(100_000) / rows.max(SAMPLE)).max(1);
    let row = session
        .row(&format!(
            "SELECT count(*), count(*) FILTER (WHERE l.{one} IS NOT NULL AND ({})) FROM ({}) w LEFT JOIN {live} l ON {}",
            tests.join(" OR "),
            images.sample(share),
            past.join("l", "w"),
        ))
        .await?;
    let Some(row) = row else { return Ok(false) };
    if row.number(0)? == 0 || row.number(1)? != row.number(0)? {
        return Ok(false);
    }
    Ok(session.number(&format!("SELECT count(*) FROM {live}")).await? == rows)
}

/// Of a few kinds of rows, which the server cannot know, nobody sorts a million.
const HASH: &str = "SET LOCAL enable_sort TO off";

/// What has its order already is sorted by looking at it once, and then read from one end to the other,
/// instead of from all over the memory. It may take as much of that as a table of hashes would. By an
/// index the rows would be found one by one.
const MERGE: &str = "SET LOCAL enable_hashjoin TO off; SET LOCAL enable_indexscan TO off; \
     SELECT pg_catalog.set_config('work_mem', least(m.setting::float8 * h.setting::float8, m.max_val::float8)::bigint || 'kB', true) \
     FROM pg_catalog.pg_settings m, pg_catalog.pg_settings h WHERE m.name = 'work_mem' AND h.name = 'hash_mem_multiplier'";

/// Types of which many values are compared in no time.
const QUICK: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "uuid",
    "date",
    "timestamp without time zone",
    "timestamp with time zone",
];

/// The rows of the table stand (nearly) in the order of a key that is quick to compare.
async fn merges(session: &mut dyn Session, found: &TablePlan) -> Result<bool, SnapshotError> {
    let version = found.tracked.current();
    let quick = |key| version.column(key).is_some_and(|c| QUICK.contains(&c.ty.as_str()));
    if !version.key.iter().all(quick) {
        return Ok(false);
    }
    let Some(first) = version.key.first() else { return Ok(false) };
    rewrite::sample_in_order(session, found, &D.quote(first), &found.tracked.live(), "true").await
}

/// Of about as many rows as the table has, by its statistics, the first statement left an image, as some pages of
/// the history tell: so nobody joins two tables to find that it changed a part of one.
async fn left_by_most(
    session: &mut dyn Session,
    found: &TablePlan,
    images: &Images,
) -> Result<bool, SnapshotError> {
    let sql = format!(
        "SELECT coalesce((SELECT reltuples::bigint FROM pg_catalog.pg_class WHERE oid = {}), 0)",
        found.tracked.relation
    );
    let known = session.number(&sql).await?;
    let share = rewrite::sample_share(found);
    let sql = format!(
        "SELECT count(*) FROM {} TABLESAMPLE SYSTEM ({share}) REPEATABLE (0) WHERE {}",
        images.table, images.only
    );
    let about = session.number(&sql).await?.saturating_mul(100) / share;
    Ok(about > 0 && about.saturating_mul(4) >= known.saturating_mul(3))
}

/// For each column, whether an image `w` and its row `l` differ in it.
fn tests(found: &TablePlan) -> Vec<String> {
    let differs = |column: &TrackedColumn| {
        let name = D.quote(&column.name);
        statement::differs(column, &format!("w.{name}"), &format!("l.{name}"))
    };
    found.columns.iter().map(differs).collect()
}

/// Rows that have an image, rows and images of which there is no other, those that differ from it, those whose unique values do, and how many
/// differ in each column. Rows of one kind are counted once: a million rows are of few kinds.
fn tally(found: &TablePlan, past: &Past<'_>, images: &Images, unique: &[Ident]) -> String {
    let (columns, tests) = (&found.columns, tests(found));
    let masks = statement::masks(columns.len());
    let bits = statement::bits(&tests);
    let one = &past.key()[0];
    // Of which row there is no other the first number is none that tests make.
    let mut named = Vec::new();
    for (at, (bits, mask)) in bits.iter().zip(&masks).enumerate() {
        let alone = if at == 0 { -1 } else { 0 };
        named.push(format!(
            "CASE WHEN w.downhaul_was AND l.{one} IS NOT NULL THEN {bits} ELSE {alone}::bigint END AS {mask}"
        ));
    }
    let is_both = format!("{} >= 0", masks[0]);
    let live = found.tracked.live();
    // A full join needs an `=` that sorts or hashes, which one of the user's own may not do.
    let version = found.tracked.current();
    let whole = !version.columns.iter().any(|c| version.key.contains(&c.name) && c.user_type);
    let (kind, others) = if whole {
        ("FULL", format!("coalesce(sum(n) FILTER (WHERE NOT {is_both}), 0)"))
    } else {
        (
            "LEFT",
            format!(
                "(SELECT count(*) FROM {live}) - coalesce(sum(n) FILTER (WHERE {is_both}), 0) + coalesce(sum(n) FILTER (WHERE NOT {is_both}), 0)"
            ),
        )
    };
    let changed: Vec<String> = masks.iter().map(|mask| format!("{mask} <> 0")).collect();
    let both = |test: &str| format!("coalesce(sum(n) FILTER (WHERE {is_both} AND ({test})), 0)");
    let mut counts = vec![
        both("true"),
        others,
        both(&changed.join(" OR ")),
        both(&statement::moves(columns.iter().map(|column| &column.name), unique)),
    ];
    counts.extend((0..columns.len()).map(|at| both(&statement::changes(at))));
    let masks = masks.join(", ");
    // The server takes for few what it cannot know, and makes room for few: hence `OFFSET`.
    format!(
        "SELECT {} FROM (SELECT {masks}, count(*) AS n FROM (SELECT {} FROM ({}) w {kind} JOIN {live} l ON {} OFFSET 0) i GROUP BY {masks}) g",
        counts.join(", "),
        named.join(", "),
        images.touched,
        past.join("l", "w"),
    )
}
