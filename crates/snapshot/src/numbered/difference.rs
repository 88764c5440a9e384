//! What changed between two marks, or between a mark and now.

use downhaul_engine::Session;
use downhaul_syntax::Dialect;

use super::plan::{history_of, make_shown, read_past, temporary};
use super::{concat, differs, mysql, text};
use crate::history::Past;
use crate::mark::Mark;
use crate::store::SnapshotError;
use crate::track::TrackedColumn;

/// Makes the temporary table `name` of what differs, as on PostgreSQL. Within the transaction that
/// [`super::begin_reading`] began: on MySQL temporary tables are emptied with it.
pub(crate) async fn compare(
    session: &mut dyn Session,
    past: &Past<'_>,
    from: &Mark,
    later: Option<&(Past<'_>, &Mark)>,
    both: &[&TrackedColumn],
    name: &str,
) -> Result<(), SnapshotError> {
    let (d, id) = (past.d(), past.tracked.id);
    read_past(session, &temporary(d, "was", id), past, &history_of(past, from)).await?;
    if let Some((later, mark)) = later {
        read_past(session, &temporary(d, "until", id), later, &history_of(later, mark)).await?;
    }
    let body = if past.tracked.has_key() {
        by_key(past, both, later.is_some())
    } else {
        by_content(past, both, later.is_some())
    };
    let texts: Vec<String> =
        (0..both.len()).flat_map(|at| [format!("o{at}"), format!("n{at}")]).collect();
    make_shown(session, name, &body, &texts).await
}

fn by_key(past: &Past<'_>, both: &[&TrackedColumn], later: bool) -> String {
    let (d, id, key) = (past.d(), past.tracked.id, past.keys());
    let one = &key[0];
    let there_now = format!("l.{one} IS NOT NULL");
    let new = |column: &TrackedColumn| {
        let name = past.quoted(column);
        if later {
            format!("(CASE WHEN t.{one} IS NULL THEN l.{name} ELSE t.{name} END)")
        } else {
            format!("l.{name}")
        }
    };
    let there = if later {
        format!("(CASE WHEN t.{one} IS NULL THEN {there_now} ELSE t.downhaul_was END)")
    } else {
        there_now
    };
    let mut tests = vec!["','".to_owned()];
    let mut texts = String::new();
    for (at, column) in both.iter().enumerate() {
        let old = format!("f.{}", past.quoted(column));
        let test = differs(d, column, &old, &new(column));
        tests.push(format!("CASE WHEN {test} THEN '{at},' ELSE '' END"));
        texts.push_str(&format!(
            ", CASE WHEN f.downhaul_was THEN {} END AS o{at}, CASE WHEN {there} THEN {} END AS n{at}",
            text(d, column, &old),
            text(d, column, &new(column))
        ));
    }
    let keys: String = key.iter().enumerate().map(|(at, k)| format!("f.{k} AS k{at}, ")).collect();
    let middle = if later {
        format!(" LEFT JOIN {} AS t ON {}", temporary(d, "until", id), past.match_own("t", "f"))
    } else {
        String::new()
    };
    format!(
        "SELECT * FROM (SELECT {keys}CASE WHEN f.downhaul_was AND {there} THEN 'U' WHEN f.downhaul_was THEN 'D' WHEN {there} THEN 'I' END AS downhaul_change, \
           1 AS copies, {tests} AS changed{texts} FROM {was} AS f LEFT JOIN {live} AS l ON {join}{middle}) AS d \
         WHERE downhaul_change IS NOT NULL AND (downhaul_change <> 'U' OR changed <> ',')",
        tests = concat(d, &tests),
        was = temporary(d, "was", id),
        live = past.tracked.live(),
        join = past.match_live("l", "f"),
    )
}

fn by_content(past: &Past<'_>, both: &[&TrackedColumn], later: bool) -> String {
    let (d, id) = (past.d(), past.tracked.id);
    let names: Vec<String> = both.iter().map(|c| past.quoted(c)).collect();
    let plain = names.join(", ");
    let was = temporary(d, "was", id);
    let source = if later {
        summed(d, &was, &temporary(d, "until", id), both)
    } else {
        format!("SELECT downhaul_content, downhaul_net, {plain} FROM {was}")
    };
    let texts: String = both
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let shown = text(d, column, &format!("s.{}", past.quoted(column)));
            format!(
                ", CASE WHEN s.downhaul_net > 0 THEN {shown} END AS o{at}, CASE WHEN s.downhaul_net < 0 THEN {shown} END AS n{at}"
            )
        })
        .collect();
    format!(
        "SELECT CASE WHEN s.downhaul_net > 0 THEN 'D' ELSE 'I' END AS downhaul_change, abs(s.downhaul_net) AS copies, ',' AS changed{texts} \
         FROM ({source}) AS s WHERE s.downhaul_net <> 0"
    )
}

/// The balance at one mark less that at another one, by content, with these columns.
pub(super) fn summed(d: Dialect, was: &str, until: &str, columns: &[&TrackedColumn]) -> String {
    let names: Vec<String> = columns.iter().map(|c| d.quote(&c.name)).collect();
    let names = names.join(", ");
    // MariaDB takes a member of an ENUM or a SET to have no length where its table was made by CREATE TABLE …
    // AS SELECT, and a UNION leaves nothing of it. Members have 255 characters at most, and a SET 64 of them.
    let values: Vec<String> = columns
        .iter()
        .map(|column| {
            let name = d.quote(&column.name);
            let length = if column.ty.starts_with("enum") { 255 } else { 16_383 };
            if d != Dialect::Sqlite && mysql::is_listed(column) {
                format!("CAST({name} AS CHAR({length})) AS {name}")
            } else {
                name
            }
        })
        .collect();
    let values = values.join(", ");
    // Not by GROUP BY: some servers refuse columns there that it does not name.
    format!(
        "SELECT downhaul_content, downhaul_net, {names} FROM (SELECT u.*, sum(downhaul_one) OVER (PARTITION BY downhaul_content) AS downhaul_net, \
           row_number() OVER (PARTITION BY downhaul_content) AS downhaul_copy FROM (SELECT downhaul_content, downhaul_net AS downhaul_one, {values} FROM {was} \
           UNION ALL SELECT downhaul_content, -downhaul_net AS downhaul_one, {values} FROM {until}) AS u) AS v WHERE downhaul_copy = 1"
    )
}
