//! One statement changed every row of a table, and that is all that happened since the mark: then what the
//! table becomes is what that statement left in the history, and nobody needs a copy of it unless the rows are
//! written one by one.

use downhaul_engine::Session;
use downhaul_syntax::{Dialect, Ident};

use super::plan::{self, Events, Request, TablePlan, set_bulk};
use super::rewrite;
use super::statement;
use super::strategy::Wish;
use crate::history::{Images, Past};
use crate::store::SnapshotError;

const D: Dialect = Dialect::Postgres;

/// The rows of a plan before they are written down.
#[derive(Clone, Debug)]
pub(super) struct Unwritten {
    pub(super) query: String,
    /// Columns over which the table of the plan gets statistics.
    pub(super) columns: String,
    /// Rows of the table, now and then.
    pub(super) all: i64,
    /// Where the rows stand that the table becomes.
    pub(super) images: Images,
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

/// The images of all rows of the table, where they stand in the history; then what differs is counted.
pub(super) async fn find(
    session: &mut dyn Session,
    found: &mut TablePlan,
    request: &Request,
    past: &Past<'_>,
    events: &Events,
    unique: &[Ident],
) -> Result<Option<Images>, SnapshotError> {
    let all_comes_back = request.scope.columns.is_empty()
        && request.scope.filter.is_none()
        && events.since == 0
        && request.wish != Wish::Rows;
    let Some(position) = events.once.filter(|_| all_comes_back) else { return Ok(None) };
    let places = (events.places.0.as_str(), events.places.1.as_str());
    let Some(images) = past.images_in_place(&request.target, position, places) else {
        return Ok(None);
    };
    if rewrite::obstacle(session, found, past).await?.is_some() {
        return Ok(None);
    }
    set_bulk(session, true).await?;
    // Of a few kinds of rows, which the server cannot know, nobody sorts a million.
    session
        .execute("SET LOCAL max_parallel_workers_per_gather TO 0; SET LOCAL enable_sort TO off")
        .await?;
    let row = session.row(&tally(found, past, &images, unique)).await?;
    session
        .execute("SET LOCAL max_parallel_workers_per_gather TO DEFAULT; SET LOCAL enable_sort TO DEFAULT")
        .await?;
    set_bulk(session, false).await?;
    // Each event is the change of a row that is still there, and there are no other rows.
    let Some(row) = row else { return Ok(None) };
    if row.number(0)? != events.all || row.number(1)? != 0 {
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
    Ok(Some(images))
}

/// Rows that have an image, others, those that differ from it, those whose unique values do, and how many
/// differ in each column. Rows of one kind are counted once: a million rows are of few kinds.
fn tally(found: &TablePlan, past: &Past<'_>, images: &Images, unique: &[Ident]) -> String {
    let columns = &found.columns;
    let tests: Vec<String> = columns
        .iter()
        .map(|column| {
            let name = D.quote(&column.name);
            statement::differs(column, &format!("w.{name}"), &format!("l.{name}"))
        })
        .collect();
    let masks = statement::masks(columns.len());
    let bits = statement::bits(&tests);
    let named: String =
        bits.iter().zip(&masks).map(|(bits, mask)| format!(", {bits} AS {mask}")).collect();
    let live = found.tracked.live();
    let one = &past.key()[0];
    // A full join needs an `=` that sorts or hashes, which one of the user's own may not do.
    let key = &found.tracked.current().key;
    let whole = !columns.iter().any(|column| key.contains(&column.name) && column.user_type);
    let (kind, others) = if whole {
        ("FULL", "coalesce(sum(n) FILTER (WHERE NOT downhaul_both), 0)".to_owned())
    } else {
        (
            "LEFT",
            format!(
                "(SELECT count(*) FROM {live}) - coalesce(sum(n) FILTER (WHERE downhaul_both), 0)"
            ),
        )
    };
    let changed: Vec<String> = masks.iter().map(|mask| format!("{mask} <> 0")).collect();
    let both =
        |test: &str| format!("coalesce(sum(n) FILTER (WHERE downhaul_both AND ({test})), 0)");
    let mut counts = vec![
        both("true"),
        others,
        both(&changed.join(" OR ")),
        both(&statement::moves(columns.iter().map(|column| &column.name), unique)),
    ];
    counts.extend((0..columns.len()).map(|at| both(&statement::changes(at))));
    format!(
        "SELECT {} FROM (SELECT w.downhaul_was IS NOT NULL AND l.{one} IS NOT NULL AS downhaul_both{named}, count(*) AS n \
         FROM ({}) w {kind} JOIN {live} l ON {} GROUP BY downhaul_both, {}) g",
        counts.join(", "),
        images.touched,
        past.join("l", "w"),
        masks.join(", "),
    )
}
