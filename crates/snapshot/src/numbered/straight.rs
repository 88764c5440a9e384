//! The plan of a whole reset in one reading of the history.
//!
//! Events are read in the order of their numbers and each row's first one is compared with the row as it is,
//! at once: nobody sorts them, and what the table was is written down once, as the plan, whose key keeps later
//! events of a row out. That a row is as it was is known only then, so such rows are in it too, without an
//! action. That wants a history whose events after the mark are all of one form, and a key that can be one.

use downhaul_engine::Session;
use downhaul_syntax::Dialect;

use super::changed::{any_of, bits, masks};
use super::plan::{drop_temporary, temporary};
use super::{differs, history, mysql};
use crate::history::Past;
use crate::restore_to::plan::Request;
use crate::store::SnapshotError;
use crate::track::{self, TrackedColumn};

/// Whether a plan can be made so: also where what was written since is kept, and nothing was.
pub(super) async fn fits(
    session: &mut dyn Session,
    request: &Request,
    past: &Past<'_>,
) -> Result<bool, SnapshotError> {
    if !can_be(request, past) {
        return Ok(false);
    }
    let Some(until) = &request.until else { return Ok(true) };
    let tracked = past.tracked;
    let number = tracked.current().number;
    let position = until.positions.get(&tracked.id);
    let Some(position) = position.filter(|_| until.versions.get(&tracked.id) == Some(&number))
    else {
        return Ok(false);
    };
    let since = session
        .rows(&format!(
            "SELECT 1 FROM {} WHERE downhaul_pos > {position} LIMIT 1",
            history(tracked.dialect, tracked.id, number)
        ))
        .await?;
    Ok(since.is_empty())
}

fn can_be(request: &Request, past: &Past<'_>) -> bool {
    let tracked = past.tracked;
    let current = tracked.current();
    let one_form = request.target.versions.get(&tracked.id) == Some(&current.number);
    let known = request.target.positions.contains_key(&tracked.id);
    let indexed =
        tracked.dialect == Dialect::Sqlite || !mysql::index(current, &current.key).is_empty();
    let whole = request.source.is_none() && request.scope.filter.is_none();
    // A key column that the mark does not have cannot be read from its past.
    let keys = current.key.iter().all(|k| past.columns.iter().any(|c| c.name == *k));
    tracked.has_key() && one_form && known && indexed && whole && keys
}

/// Makes the plan.
pub(super) async fn make(
    session: &mut dyn Session,
    past: &Past<'_>,
    request: &Request,
    wanted: &[&TrackedColumn],
    unique: &[downhaul_syntax::Ident],
) -> Result<(), SnapshotError> {
    let (d, id) = (past.d(), past.tracked.id);
    let name = temporary(d, "plan", id);
    drop_temporary(session, &name).await?;
    session.execute(&table(past, &request.scope.columns, wanted, unique, &name)).await?;
    session.execute(&fill(past, request, wanted, &name)).await?;
    Ok(())
}

/// The statement that makes the table of the plan.
fn table(
    past: &Past<'_>,
    only: &[downhaul_syntax::Ident],
    wanted: &[&TrackedColumn],
    unique: &[downhaul_syntax::Ident],
    name: &str,
) -> String {
    let d = past.d();
    let lite = d == Dialect::Sqlite;
    let keys = past.keys();
    let mut parts: Vec<String> = past
        .columns
        .iter()
        .map(|c| {
            let column = past.quoted(c);
            let must = if keys.contains(&column) { "NOT NULL" } else { "NULL" };
            // Without an affinity a value stays what it is.
            if lite { column } else { format!("{column} {} {must}", c.ty) }
        })
        .collect();
    let number = if lite { "INTEGER" } else { "BIGINT" };
    let flag = if lite { "INTEGER" } else { "TINYINT" };
    parts.push(format!("downhaul_was {flag} NOT NULL, downhaul_there {flag} NOT NULL"));
    parts.extend(masks(wanted.len()).iter().map(|mask| format!("{mask} {number} NOT NULL")));
    let changed = any_of(0..wanted.len());
    let others = if only.is_empty() {
        " WHEN downhaul_was <> 0 THEN 'I' WHEN downhaul_there <> 0 THEN 'D'"
    } else {
        ""
    };
    let text = if lite { "TEXT" } else { "CHAR(1) CHARACTER SET ascii COLLATE ascii_bin" };
    let places = wanted.iter().enumerate().filter(|(_, c)| unique.contains(&c.name));
    let moves = any_of(places.map(|(at, _)| at));
    parts.push(format!(
        "downhaul_action {text} GENERATED ALWAYS AS (CASE WHEN downhaul_was <> 0 AND downhaul_there <> 0 \
         THEN CASE WHEN {changed} THEN 'U' END{others} END) VIRTUAL"
    ));
    parts.push(format!("downhaul_conflict {flag} NOT NULL DEFAULT 0"));
    parts.push(format!(
        "downhaul_moves {flag} GENERATED ALWAYS AS (CASE WHEN downhaul_was <> 0 AND downhaul_there <> 0 AND {moves} THEN 1 ELSE 0 END) VIRTUAL"
    ));
    parts.push(format!("PRIMARY KEY ({})", keys.join(", ")));
    let parts = parts.join(", ");
    if lite {
        format!("CREATE TABLE {name} ({parts}) WITHOUT ROWID")
    } else {
        format!("CREATE TEMPORARY TABLE {name} ({parts})")
    }
}

/// The statement that fills it.
fn fill(past: &Past<'_>, request: &Request, wanted: &[&TrackedColumn], name: &str) -> String {
    let d = past.d();
    let lite = d == Dialect::Sqlite;
    let keys = past.keys();
    let one = &keys[0];
    let (mut list, mut values) = (Vec::new(), Vec::new());
    for column in &past.columns {
        let quoted = past.quoted(column);
        let comes = keys.contains(&quoted) || wanted.iter().any(|c| c.name == column.name);
        values.push(if comes {
            format!("w.{quoted}")
        } else {
            format!("CASE WHEN l.{one} IS NULL THEN w.{quoted} ELSE l.{quoted} END")
        });
        list.push(quoted);
    }
    list.extend(["downhaul_was", "downhaul_there"].map(str::to_owned));
    values.push(format!("w.downhaul_op IN ({})", track::IMAGES));
    values.push(format!("l.{one} IS NOT NULL"));
    list.extend(masks(wanted.len()));
    let tests: Vec<String> = wanted
        .iter()
        .map(|c| {
            let quoted = past.quoted(c);
            differs(d, c, &format!("w.{quoted}"), &format!("l.{quoted}"))
        })
        .collect();
    values.extend(bits(&tests));
    let position = request.target.positions.get(&past.tracked.id).copied().unwrap_or(0);
    let (join, in_order, known) = if lite {
        // What cannot be refused by the key is refused by nothing else here.
        ("LEFT JOIN", "", "DO NOTHING".to_owned())
    } else {
        ("LEFT JOIN", " FORCE INDEX (PRIMARY)", format!("downhaul_was = {name}.downhaul_was"))
    };
    let known = if lite {
        format!("ON CONFLICT ({}) {known}", keys.join(", "))
    } else {
        format!("ON DUPLICATE KEY UPDATE {known}")
    };
    format!(
        "INSERT INTO {name} ({}) SELECT {} FROM {} AS w{in_order} {join} {} AS l ON {} \
         WHERE w.downhaul_pos > {position} AND w.downhaul_op IN ({}, {}) ORDER BY w.downhaul_pos {known}",
        list.join(", "),
        values.join(", "),
        history(d, past.tracked.id, past.tracked.current().number),
        past.tracked.live(),
        past.match_live("l", "w"),
        track::IMAGES,
        track::BIRTHS,
    )
}
