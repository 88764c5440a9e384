//! What changed in tracked tables between two marks, or between a mark and now.

use std::ops::ControlFlow;

use downhaul_engine::{Row, Session};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use crate::history::Past;
use crate::mark::Mark;
use crate::numbered;
use crate::restore_to::plan::tables;
use crate::sql;
use crate::store::SnapshotError;
use crate::track::{Tracked, TrackedColumn, postgres, quiet};
use crate::views;

const D: Dialect = Dialect::Postgres;

/// What happened to a row between the two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// It came.
    Inserted,
    /// It changed.
    Updated,
    /// It went.
    Deleted,
}

/// A value then and later; `None` is NULL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueChange {
    /// Column.
    pub column: String,
    /// Value at the first moment; `None` also where the row was not there.
    pub old: Option<String>,
    /// Value at the second moment.
    pub new: Option<String>,
}

/// A row that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowDifference {
    /// What happened to it.
    pub change: RowChange,
    /// Its key; empty where the table has none.
    pub key: Vec<(String, String)>,
    /// How many of the same, where the table has no key; else 1.
    pub copies: i64,
    /// Values: those that differ, or all of a row that came or went.
    pub values: Vec<ValueChange>,
}

/// What differs in one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableDifference {
    /// Name for people.
    pub table: String,
    /// Rows that came.
    pub inserted: i64,
    /// Rows that changed.
    pub updated: i64,
    /// Rows that went.
    pub deleted: i64,
    /// Changed columns with the number of rows.
    pub columns: Vec<(String, i64)>,
    /// Columns that only one of the moments has.
    pub incomparable: Vec<String>,
    /// Where the rows that differ are.
    pub rows: DifferingRows,
}

impl TableDifference {
    /// Rows that differ.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.inserted + self.updated + self.deleted
    }

    /// Hands over rows that differ, in the order of their keys: at most `limit`, from `offset` on, for as long as
    /// `take` wants more. Within the transaction in which they were compared. Returns how many there were.
    pub async fn each_row(
        &self,
        session: &mut dyn Session,
        (offset, limit): (u64, u64),
        take: &mut (dyn FnMut(&RowDifference) -> ControlFlow<()> + Send),
    ) -> Result<u64, SnapshotError> {
        if limit == 0 || self.total() == 0 {
            return Ok(0);
        }
        let DifferingRows { key, columns, arrays, .. } = &self.rows;
        let query = format!("{} LIMIT {limit} OFFSET {offset}", self.rows.query);
        let (mut handed, mut failed) = (0, None);
        session
            .each_row(&query, &mut |row| match one(&row, key, columns, *arrays) {
                Ok(row) => {
                    handed += 1;
                    take(&row)
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            })
            .await?;
        failed.map_or(Ok(handed), Err)
    }
}

/// A temporary table of the rows that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DifferingRows {
    /// What reads it, in order.
    query: String,
    /// Key of the table.
    key: Vec<Ident>,
    /// Columns that were compared.
    columns: Vec<Ident>,
    /// Values of a row stand in an array.
    arrays: bool,
}

/// All differences, and tables that could not be compared with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Tables, those without a difference too.
    pub tables: Vec<TableDifference>,
    /// Why tracked tables are missing.
    pub unreachable: Vec<String>,
}

/// Compares. Within a transaction that is rolled back afterwards, when the rows have been read.
pub async fn difference(
    session: &mut dyn Session,
    (from, to): (&Mark, Option<&Mark>),
    names: &[ObjectName],
) -> Result<Difference, SnapshotError> {
    if numbered::is(session.dialect()) {
        numbered::begin_reading(session).await?;
    }
    let mut marks = vec![from];
    marks.extend(to);
    let (found, unreachable) = tables(session, names, &marks).await?;
    let mut differences = Vec::with_capacity(found.len());
    let touched = quiet::touched(session, &found, &marks).await?;
    for tracked in &found {
        let quiet = !touched.contains(&tracked.id);
        differences.push(table(session, tracked, (from, to, quiet)).await?);
    }
    Ok(Difference { tables: differences, unreachable })
}

/// Columns that are compared, and the names of those that cannot be.
fn compared<'a>(
    past: &Past<'a>,
    later: Option<&Past<'_>>,
) -> (Vec<&'a TrackedColumn>, Vec<String>) {
    let both = past
        .columns
        .iter()
        .copied()
        .filter(|c| later.is_none_or(|later| later.columns.iter().any(|l| l.name == c.name)))
        .collect();
    let mut incomparable: Vec<String> = past.lost.iter().map(Ident::to_string).collect();
    incomparable.extend(past.new.iter().map(|c| c.name.to_string()));
    (both, incomparable)
}

async fn table(
    session: &mut dyn Session,
    tracked: &Tracked,
    (from, to, quiet): (&Mark, Option<&Mark>, bool),
) -> Result<TableDifference, SnapshotError> {
    let mut past = Past::new(tracked, from);
    let later = to.map(|mark| (Past::new(tracked, mark).comparable(&past), mark));
    if let Some((later, _)) = &later {
        past = past.comparable(later);
    }
    let (both, incomparable) = compared(&past, later.as_ref().map(|(later, _)| later));
    let mut found = TableDifference {
        table: tracked.label(),
        inserted: 0,
        updated: 0,
        deleted: 0,
        columns: Vec::new(),
        incomparable,
        rows: DifferingRows::default(),
    };
    if quiet {
        return Ok(found);
    }
    let name = sql::temporary(tracked.dialect, &format!("diff_{}", tracked.id));
    if numbered::is(session.dialect()) {
        numbered::difference::compare(session, &past, from, later.as_ref(), &both, &name).await?;
    } else {
        compare(session, &past, from, later.as_ref(), &both, &name).await?;
    }
    count(session, tracked, &both, &mut found, &name).await?;
    found.rows = differing(tracked, &both, &name);
    Ok(found)
}

/// Makes the temporary table `name` of what differs: key columns `k0`…, `downhaul_change`, `copies`,
/// `changed` (a text `,0,2,`: places of the columns that differ), and texts `o0`… (then) and
/// `n0`… (later).
async fn compare(
    session: &mut dyn Session,
    past: &Past<'_>,
    from: &Mark,
    later: Option<&(Past<'_>, &Mark)>,
    both: &[&TrackedColumn],
    name: &str,
) -> Result<(), SnapshotError> {
    let tracked = past.tracked;
    let id = tracked.id;
    let keyed = tracked.has_key();
    let (with, analyzed) = if past.is_composite() {
        let columns = if keyed { past.key().join(", ") } else { "downhaul_content".to_owned() };
        (format!(" WITH (toast_tuple_target = {})", postgres::INLINE), format!(" ({columns})"))
    } else {
        (String::new(), String::new())
    };
    let read = |past: &Past<'_>, mark: &Mark| {
        if keyed { past.touched(mark) } else { past.balance(mark) }
    };
    session
        .execute(&format!(
            "CREATE TEMPORARY TABLE downhaul_from_{id}{with} ON COMMIT DROP AS {}",
            read(past, from)
        ))
        .await?;
    session.execute(&format!("ANALYZE pg_temp.downhaul_from_{id}{analyzed}")).await?;
    if let Some((later, mark)) = later {
        session
            .execute(&format!(
                "CREATE TEMPORARY TABLE downhaul_to_{id}{with} ON COMMIT DROP AS {}",
                read(later, mark)
            ))
            .await?;
        session.execute(&format!("ANALYZE pg_temp.downhaul_to_{id}{analyzed}")).await?;
    }
    let body = if keyed {
        by_key(tracked, past, both, later.is_some())
    } else {
        by_content(past, both, later.is_some())
    };
    let bare = name.trim_start_matches("pg_temp.");
    session.execute(&format!("CREATE TEMPORARY TABLE {bare} ON COMMIT DROP AS {body}")).await?;
    Ok(())
}

fn differs(column: &TrackedColumn, left: &str, right: &str) -> String {
    let ty = if column.user_type { "" } else { column.ty.as_str() };
    sql::differs(D, &sql::exact(D, left, ty), &sql::exact(D, right, ty))
}

fn by_key(tracked: &Tracked, past: &Past<'_>, both: &[&TrackedColumn], later: bool) -> String {
    let (id, key) = (tracked.id, past.key());
    let there_now = format!("l.{} IS NOT NULL", key[0]);
    let new = |column: &TrackedColumn| {
        let name = D.quote(&column.name);
        if later {
            format!("CASE WHEN t.{} IS NULL THEN l.{name} ELSE t.{name} END", key[0])
        } else {
            format!("l.{name}")
        }
    };
    let there = if later {
        format!("(CASE WHEN t.{} IS NULL THEN {there_now} ELSE t.downhaul_was END)", key[0])
    } else {
        there_now
    };
    let mut tests = Vec::new();
    let mut values = Vec::new();
    for (at, column) in both.iter().enumerate() {
        let old = format!("f.{}", D.quote(&column.name));
        let test = differs(column, &old, &new(column));
        tests.push(format!("CASE WHEN {test} THEN {at} END"));
        values.push((format!("{old}::text"), format!("({})::text", new(column))));
    }
    let texts = texts(past, "f.downhaul_was", &there, &values);
    let keys: String = key.iter().enumerate().map(|(at, k)| format!("f.{k} AS k{at}, ")).collect();
    let (first, second) =
        (format!("pg_temp.downhaul_from_{id}"), format!("pg_temp.downhaul_to_{id}"));
    let other = later.then_some((second.as_str(), "t", "downhaul_was"));
    let states = past.beside((&first, "f", "downhaul_was"), &tracked.live(), other);
    format!(
        "SELECT * FROM (SELECT {keys}CASE WHEN f.downhaul_was AND {there} THEN 'U' WHEN f.downhaul_was THEN 'D' WHEN {there} THEN 'I' END AS downhaul_change, \
           1::bigint AS copies, ',' || array_to_string(array_remove(ARRAY[{tests}]::int[], NULL), ',') || ',' AS changed{texts} \
         FROM {states}) d \
         WHERE downhaul_change IS NOT NULL AND (downhaul_change <> 'U' OR changed <> ',,')",
        tests = tests.join(", "),
    )
}

/// What a row was and what it became, as texts where the row was there: a column for each value, or an
/// array of them.
fn texts(past: &Past<'_>, was: &str, there: &str, values: &[(String, String)]) -> String {
    if past.is_composite() {
        let old: Vec<&str> = values.iter().map(|(old, _)| old.as_str()).collect();
        let new: Vec<&str> = values.iter().map(|(_, new)| new.as_str()).collect();
        return format!(
            ", CASE WHEN {was} THEN ARRAY[{}]::text[] END AS downhaul_old, CASE WHEN {there} THEN ARRAY[{}]::text[] END AS downhaul_new",
            old.join(", "),
            new.join(", ")
        );
    }
    let each = values.iter().enumerate().map(|(at, (old, new))| {
        format!(
            ", CASE WHEN {was} THEN {old} END AS o{at}, CASE WHEN {there} THEN {new} END AS n{at}"
        )
    });
    each.collect()
}

fn by_content(past: &Past<'_>, both: &[&TrackedColumn], later: bool) -> String {
    let id = past.tracked.id;
    let source = if later {
        let names: Vec<String> = if past.is_composite() {
            past.carried()
        } else {
            both.iter().map(|c| D.quote(&c.name)).collect()
        };
        let columns: String =
            names.iter().map(|name| format!(", coalesce(f.{name}, t.{name}) AS {name}")).collect();
        format!(
            "(SELECT coalesce(f.downhaul_net, 0) - coalesce(t.downhaul_net, 0) AS downhaul_net{columns} \
             FROM pg_temp.downhaul_from_{id} f FULL JOIN pg_temp.downhaul_to_{id} t ON t.downhaul_content = f.downhaul_content)"
        )
    } else {
        format!("pg_temp.downhaul_from_{id}")
    };
    let values: Vec<(String, String)> = both
        .iter()
        .map(|column| format!("s.{}::text", D.quote(&column.name)))
        .map(|text| (text.clone(), text))
        .collect();
    let texts = texts(past, "s.downhaul_net > 0", "s.downhaul_net < 0", &values);
    let source = past.opened(&source, &["downhaul_net"]);
    format!(
        "SELECT CASE WHEN s.downhaul_net > 0 THEN 'D' ELSE 'I' END AS downhaul_change, abs(s.downhaul_net)::bigint AS copies, \
         ',' AS changed{texts} FROM {source} s WHERE s.downhaul_net <> 0"
    )
}

/// A value as people read it.
fn text(d: Dialect, column: &TrackedColumn, value: &str) -> String {
    if numbered::is(d) { numbered::text(d, column, value) } else { format!("{value}::text") }
}

async fn count(
    session: &mut dyn Session,
    tracked: &Tracked,
    both: &[&TrackedColumn],
    found: &mut TableDifference,
    table: &str,
) -> Result<(), SnapshotError> {
    let find = if tracked.dialect == Dialect::Postgres { "strpos" } else { "instr" };
    let sum = |change: &str| {
        format!("coalesce(sum(CASE WHEN downhaul_change = '{change}' THEN copies ELSE 0 END), 0)")
    };
    let per_column: String = (0..both.len())
        .map(|at| {
            format!(
                ", coalesce(sum(CASE WHEN downhaul_change = 'U' AND {find}(changed, ',{at},') > 0 THEN 1 ELSE 0 END), 0)"
            )
        })
        .collect();
    let counts = session
        .row(&format!("SELECT {}, {}, {}{per_column} FROM {table}", sum("I"), sum("U"), sum("D")))
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
    Ok(())
}

fn differing(tracked: &Tracked, both: &[&TrackedColumn], table: &str) -> DifferingRows {
    let (d, current) = (tracked.dialect, tracked.current());
    let key = &current.key;
    let keys: String = key
        .iter()
        .filter_map(|k| current.column(k))
        .enumerate()
        .map(|(at, column)| format!(", {}", text(d, column, &format!("k{at}"))))
        .collect();
    let arrays = current.composite;
    let values: String = if arrays {
        ", to_json(downhaul_old), to_json(downhaul_new)".to_owned()
    } else {
        (0..both.len()).map(|at| format!(", o{at}, n{at}")).collect()
    };
    let order: Vec<String> = if key.is_empty() && arrays {
        ["1", "2", "3", "downhaul_old", "downhaul_new"].map(str::to_owned).to_vec()
    } else if key.is_empty() {
        (1..=both.len() * 2 + 3).map(|at| at.to_string()).collect()
    } else {
        (0..key.len()).map(|at| format!("d.k{at}")).collect()
    };
    DifferingRows {
        query: format!(
            "SELECT downhaul_change, copies, changed{keys}{values} FROM {table} AS d ORDER BY {}",
            order.join(", ")
        ),
        key: key.clone(),
        columns: both.iter().map(|column| column.name.clone()).collect(),
        arrays,
    }
}

fn one(
    row: &Row,
    key: &[Ident],
    both: &[Ident],
    arrays: bool,
) -> Result<RowDifference, SnapshotError> {
    let list = |place: usize| -> Result<Vec<Option<String>>, SnapshotError> {
        let texts = row.opt(place).filter(|_| arrays).map(serde_json::from_str).transpose();
        texts
            .map(Option::unwrap_or_default)
            .map_err(|error| SnapshotError::CannotTrack(format!("a row cannot be read: {error}")))
    };
    let (then, later) = (list(3 + key.len())?, list(4 + key.len())?);
    let text = |at: usize, new: bool| {
        if arrays {
            let side = if new { &later } else { &then };
            return side.get(at).cloned().flatten();
        }
        row.opt(3 + key.len() + at * 2 + usize::from(new)).map(str::to_owned)
    };
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
            _ => !key.contains(column),
        };
        if shown {
            values.push(ValueChange {
                column: column.to_string(),
                old: text(at, false),
                new: text(at, true),
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

/// A table as it was.
#[derive(Debug)]
pub struct Shown {
    /// Columns, by the names that they have now.
    pub columns: Vec<String>,
    /// Columns of then that are gone.
    pub gone: Vec<String>,
    rows: String,
    order: String,
}

impl Shown {
    /// What reads rows of it, a text for each column, in the order of their keys. Within the transaction in which it was looked
    /// up.
    #[must_use]
    pub fn query(&self, filter: Option<&str>, limit: u64) -> String {
        let filter = filter.map_or_else(|| "1 = 1".to_owned(), |filter| format!("(\n{filter}\n)"));
        format!("{} WHERE {filter} {}LIMIT {limit}", self.rows, self.order)
    }
}

/// A table as it was at a mark. Within a transaction.
pub async fn show(
    session: &mut dyn Session,
    name: &ObjectName,
    mark: &Mark,
) -> Result<Shown, SnapshotError> {
    if numbered::is(session.dialect()) {
        numbered::begin_reading(session).await?;
    }
    let names = std::slice::from_ref(name);
    let (found, _) = tables(session, names, &[mark]).await?;
    let tracked = found
        .first()
        .ok_or_else(|| SnapshotError::CannotTrack(format!("{name} is not tracked")))?;
    let d = tracked.dialect;
    let past = Past::new(tracked, mark);
    let columns: Vec<String> = past.columns.iter().map(|c| c.name.to_string()).collect();
    let texts: Vec<String> = past.columns.iter().map(|c| text(d, c, &d.quote(&c.name))).collect();
    let order = match (tracked.has_key(), texts.is_empty()) {
        (true, _) => format!("ORDER BY {} ", past.key().join(", ")),
        (false, false) => "ORDER BY 1 ".to_owned(),
        (false, true) => String::new(),
    };
    let rows = format!("SELECT {} FROM ({}) AS downhaul_row", texts.join(", "), past.rows(mark));
    let gone = past.lost.iter().map(ToString::to_string).collect();
    Ok(Shown { columns, gone, rows, order })
}

/// Statement that makes a view of a table as it was at a mark, in the schema `downhaul`; and the
/// view's name.
pub async fn view(
    session: &mut dyn Session,
    name: &ObjectName,
    mark: &Mark,
) -> Result<(String, String), SnapshotError> {
    let names = std::slice::from_ref(name);
    let (found, _) = tables(session, names, &[mark]).await?;
    let tracked = found
        .first()
        .ok_or_else(|| SnapshotError::CannotTrack(format!("{name} is not tracked")))?;
    let d = session.dialect();
    let mut view = views::name(d, tracked.name.name.as_str(), mark);
    let mut there = views::all(session).await?;
    if there.iter().any(|known| known.name == view && known.tracked != Some(tracked.id)) {
        // Of another table, whose name begins as this one's does.
        view = views::name(d, &tracked.id.to_string(), mark);
    }
    let past = Past::new(tracked, mark);
    if numbered::is(d) {
        // SQLite knows no OR REPLACE.
        there.retain(|known| known.name == view);
        views::drop(session, &there).await?;
        return Ok((format!("CREATE VIEW {view} AS {}", past.numbered_rows(mark)), view));
    }
    Ok((format!("CREATE OR REPLACE VIEW {view} AS {}", past.rows(mark)), view))
}
