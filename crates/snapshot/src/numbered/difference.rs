//! What changed between two marks, or between a mark and now; and tables as they were.

use downhaul_engine::{Row, Session};
use downhaul_syntax::{Ident, ObjectName};

use super::plan::{make_plain, read_past, temporary};
use super::{concat, differs, text};
use crate::difference::{RowChange, RowDifference, TableDifference, ValueChange};
use crate::history::Past;
use crate::mark::Mark;
use crate::restore_to::plan::tables;
use crate::store::SnapshotError;
use crate::track::{Tracked, TrackedColumn};

/// Compares one table.
pub(crate) async fn table(
    session: &mut dyn Session,
    tracked: &Tracked,
    from: &Mark,
    to: Option<&Mark>,
    page: (u64, u64),
) -> Result<TableDifference, SnapshotError> {
    let (d, id) = (tracked.dialect, tracked.id);
    super::begin_reading(session).await?;
    let past = Past::new(tracked, from);
    let later = to.map(|mark| (Past::new(tracked, mark), mark));
    let both: Vec<&TrackedColumn> = past
        .columns
        .iter()
        .copied()
        .filter(|c| {
            later.as_ref().is_none_or(|(later, _)| later.columns.iter().any(|l| l.name == c.name))
        })
        .collect();
    let mut incomparable: Vec<String> = past.lost.iter().map(Ident::to_string).collect();
    incomparable.extend(past.new.iter().map(|c| c.name.to_string()));
    read_past(session, &temporary(d, "was", id), &past, from).await?;
    if let Some((later, mark)) = &later {
        read_past(session, &temporary(d, "until", id), later, mark).await?;
    }
    let body = if tracked.has_key() {
        by_key(&past, &both, later.is_some())
    } else {
        by_content(&past, &both, later.is_some())
    };
    let name = temporary(d, "diff", id);
    make_plain(session, &name, &body).await?;
    let mut found = TableDifference {
        table: tracked.label(),
        inserted: 0,
        updated: 0,
        deleted: 0,
        columns: Vec::new(),
        rows: Vec::new(),
        incomparable,
    };
    read_out(session, tracked, &both, page, &mut found).await?;
    Ok(found)
}

/// As of PostgreSQL; `changed` is a text `,0,2,`.
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
        format!(
            "SELECT downhaul_content, sum(n) AS downhaul_net, {plain} FROM (SELECT downhaul_content, downhaul_net AS n, {plain} FROM {was} \
             UNION ALL SELECT downhaul_content, -downhaul_net AS n, {plain} FROM {}) AS u GROUP BY downhaul_content",
            temporary(d, "until", id)
        )
    } else {
        format!("SELECT * FROM {was}")
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

async fn read_out(
    session: &mut dyn Session,
    tracked: &Tracked,
    both: &[&TrackedColumn],
    (offset, limit): (u64, u64),
    found: &mut TableDifference,
) -> Result<(), SnapshotError> {
    let name = temporary(tracked.dialect, "diff", tracked.id);
    let sum = |change: &str| {
        format!("coalesce(sum(CASE WHEN downhaul_change = '{change}' THEN copies ELSE 0 END), 0)")
    };
    let per_column: String = (0..both.len())
        .map(|at| {
            format!(
                ", coalesce(sum(CASE WHEN downhaul_change = 'U' AND instr(changed, ',{at},') > 0 THEN 1 ELSE 0 END), 0)"
            )
        })
        .collect();
    let counts = session
        .row(&format!("SELECT {}, {}, {}{per_column} FROM {name}", sum("I"), sum("U"), sum("D")))
        .await?;
    if let Some(row) = counts {
        found.inserted = row.number(0)?;
        found.updated = row.number(1)?;
        found.deleted = row.number(2)?;
        for (at, column) in both.iter().enumerate() {
            let rows = row.number(at + 3)?;
            if rows > 0 {
                found.columns.push((column.name.to_string(), rows));
            }
        }
    }
    if limit == 0 || found.total() == 0 {
        return Ok(());
    }
    let key = &tracked.current().key;
    let current = tracked.current();
    let keys: String = key
        .iter()
        .filter_map(|k| current.column(k))
        .enumerate()
        .map(|(at, column)| format!(", {}", text(tracked.dialect, column, &format!("k{at}"))))
        .collect();
    let values: String = (0..both.len()).map(|at| format!(", o{at}, n{at}")).collect();
    let order: Vec<String> = if key.is_empty() {
        (1..=both.len() * 2 + 3).map(|at| at.to_string()).collect()
    } else {
        (0..key.len()).map(|at| format!("d.k{at}")).collect()
    };
    let rows = session
        .rows(&format!(
            "SELECT downhaul_change, copies, changed{keys}{values} FROM {name} AS d ORDER BY {} LIMIT {limit} OFFSET {offset}",
            order.join(", ")
        ))
        .await?;
    for row in &rows {
        found.rows.push(difference(row, key, both)?);
    }
    Ok(())
}

fn difference(
    row: &Row,
    key: &[Ident],
    both: &[&TrackedColumn],
) -> Result<RowDifference, SnapshotError> {
    let changed: Vec<usize> = row.text(2).split(',').filter_map(|at| at.parse().ok()).collect();
    let change = match row.text(0) {
        "I" => RowChange::Inserted,
        "D" => RowChange::Deleted,
        _ => RowChange::Updated,
    };
    let mut values = Vec::new();
    for (at, column) in both.iter().enumerate() {
        let shown = match change {
            RowChange::Updated => changed.contains(&at),
            _ => !key.contains(&column.name),
        };
        if shown {
            let place = 3 + key.len() + at * 2;
            values.push(ValueChange {
                column: column.name.to_string(),
                old: row.opt(place).map(str::to_owned),
                new: row.opt(place + 1).map(str::to_owned),
            });
        }
    }
    let key = key.iter().enumerate();
    Ok(RowDifference {
        change,
        key: key.map(|(at, k)| (k.to_string(), row.text(3 + at).to_owned())).collect(),
        copies: row.number(1)?,
        values,
    })
}

/// Rows of a table as they were at a mark.
pub(crate) async fn show(
    session: &mut dyn Session,
    name: &ObjectName,
    mark: &Mark,
    filter: Option<&str>,
    limit: u64,
) -> Result<(Vec<String>, Vec<Row>), SnapshotError> {
    super::begin_reading(session).await?;
    let (found, _) = tables(session, std::slice::from_ref(name), &[mark]).await?;
    let tracked = found
        .first()
        .ok_or_else(|| SnapshotError::CannotTrack(format!("{name} is not tracked")))?;
    let past = Past::new(tracked, mark);
    let columns: Vec<String> = past.columns.iter().map(|c| c.name.to_string()).collect();
    let texts: Vec<String> =
        past.columns.iter().map(|c| text(tracked.dialect, c, &past.quoted(c))).collect();
    let order = if tracked.has_key() { past.keys().join(", ") } else { "1".to_owned() };
    let filter = filter.map_or_else(|| "1".to_owned(), |filter| format!("(\n{filter}\n)"));
    let rows = session
        .rows(&format!(
            "SELECT {} FROM ({}) AS downhaul_row WHERE {filter} ORDER BY {order} LIMIT {limit}",
            texts.join(", "),
            past.numbered_rows(mark)
        ))
        .await?;
    Ok((columns, rows))
}

/// Statement that makes a view of a table as it was at a mark; and the view's name.
pub(crate) fn view(tracked: &Tracked, mark: &Mark) -> (String, String) {
    let past = Past::new(tracked, mark);
    let name = format!("downhaul_{}_at_{}", tracked.name.name.as_str(), mark.id);
    let view = tracked.dialect.quote_str(&name);
    (format!("CREATE VIEW {view} AS {}", past.numbered_rows(mark)), view)
}
