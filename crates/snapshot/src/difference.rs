//! What changed in tracked tables between two marks, or between a mark and now.

use downhaul_engine::{Row, Session};
use downhaul_syntax::{Dialect, Ident, ObjectName};

use crate::history::Past;
use crate::mark::Mark;
use crate::numbered;
use crate::restore_to::plan::tables;
use crate::sql;
use crate::store::SnapshotError;
use crate::track::{Tracked, TrackedColumn};

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
    /// The first rows, by key.
    pub rows: Vec<RowDifference>,
    /// Columns that only one of the moments has.
    pub incomparable: Vec<String>,
}

impl TableDifference {
    /// Rows that differ.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.inserted + self.updated + self.deleted
    }
}

/// All differences, and tables that could not be compared with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Tables, those without a difference too.
    pub tables: Vec<TableDifference>,
    /// Why tracked tables are missing.
    pub unreachable: Vec<String>,
}

/// Compares. At most `limit` rows of each table are read out, from `offset` on. Within a
/// transaction that is rolled back afterwards.
pub async fn difference(
    session: &mut dyn Session,
    (from, to): (&Mark, Option<&Mark>),
    names: &[ObjectName],
    (offset, limit): (u64, u64),
) -> Result<Difference, SnapshotError> {
    let mut marks = vec![from];
    marks.extend(to);
    let (found, unreachable) = tables(session, names, &marks).await?;
    let mut differences = Vec::with_capacity(found.len());
    for tracked in &found {
        differences.push(table(session, tracked, from, to, (offset, limit)).await?);
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
    from: &Mark,
    to: Option<&Mark>,
    page: (u64, u64),
) -> Result<TableDifference, SnapshotError> {
    let past = Past::new(tracked, from);
    let later = to.map(|mark| (Past::new(tracked, mark), mark));
    let (both, incomparable) = compared(&past, later.as_ref().map(|(later, _)| later));
    let name = sql::temporary(tracked.dialect, &format!("diff_{}", tracked.id));
    if numbered::is(session.dialect()) {
        numbered::difference::compare(session, &past, from, later.as_ref(), &both, &name).await?;
    } else {
        compare(session, &past, from, later.as_ref(), &both, &name).await?;
    }
    let mut found = TableDifference {
        table: tracked.label(),
        inserted: 0,
        updated: 0,
        deleted: 0,
        columns: Vec::new(),
        rows: Vec::new(),
        incomparable,
    };
    read_out(session, tracked, &both, page, &mut found, &name).await?;
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
    let read = |past: &Past<'_>, mark: &Mark| {
        if keyed { past.touched(mark) } else { past.balance(mark) }
    };
    session
        .execute(&format!(
            "CREATE TEMPORARY TABLE downhaul_from_{id} ON COMMIT DROP AS {}",
            read(past, from)
        ))
        .await?;
    session.execute(&format!("ANALYZE pg_temp.downhaul_from_{id}")).await?;
    if let Some((later, mark)) = later {
        session
            .execute(&format!(
                "CREATE TEMPORARY TABLE downhaul_to_{id} ON COMMIT DROP AS {}",
                read(later, mark)
            ))
            .await?;
        session.execute(&format!("ANALYZE pg_temp.downhaul_to_{id}")).await?;
    }
    let body = if keyed {
        by_key(tracked, past, both, later.is_some())
    } else {
        by_content(tracked, both, later.is_some())
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
    let mut texts = String::new();
    for (at, column) in both.iter().enumerate() {
        let old = format!("f.{}", D.quote(&column.name));
        let test = differs(column, &old, &new(column));
        tests.push(format!("CASE WHEN {test} THEN {at} END"));
        texts.push_str(&format!(
            ", CASE WHEN f.downhaul_was THEN {old}::text END AS o{at}, CASE WHEN {there} THEN ({})::text END AS n{at}",
            new(column)
        ));
    }
    let keys: String = key.iter().enumerate().map(|(at, k)| format!("f.{k} AS k{at}, ")).collect();
    let middle = if later {
        format!(" LEFT JOIN pg_temp.downhaul_to_{id} t ON {}", past.join("t", "f"))
    } else {
        String::new()
    };
    format!(
        "SELECT * FROM (SELECT {keys}CASE WHEN f.downhaul_was AND {there} THEN 'U' WHEN f.downhaul_was THEN 'D' WHEN {there} THEN 'I' END AS downhaul_change, \
           1::bigint AS copies, ',' || array_to_string(array_remove(ARRAY[{tests}]::int[], NULL), ',') || ',' AS changed{texts} \
         FROM pg_temp.downhaul_from_{id} f LEFT JOIN {live} l ON {join}{middle}) d \
         WHERE downhaul_change IS NOT NULL AND (downhaul_change <> 'U' OR changed <> ',,')",
        tests = tests.join(", "),
        live = tracked.live(),
        join = past.join("l", "f"),
    )
}

fn by_content(tracked: &Tracked, both: &[&TrackedColumn], later: bool) -> String {
    let id = tracked.id;
    let mut texts = String::new();
    let source = if later {
        let columns: String = both
            .iter()
            .map(|c| format!(", coalesce(f.{0}, t.{0}) AS {0}", D.quote(&c.name)))
            .collect();
        format!(
            "(SELECT coalesce(f.downhaul_net, 0) - coalesce(t.downhaul_net, 0) AS downhaul_net{columns} \
             FROM pg_temp.downhaul_from_{id} f FULL JOIN pg_temp.downhaul_to_{id} t ON t.downhaul_content = f.downhaul_content)"
        )
    } else {
        format!("pg_temp.downhaul_from_{id}")
    };
    for (at, column) in both.iter().enumerate() {
        let name = D.quote(&column.name);
        texts.push_str(&format!(
            ", CASE WHEN s.downhaul_net > 0 THEN s.{name}::text END AS o{at}, CASE WHEN s.downhaul_net < 0 THEN s.{name}::text END AS n{at}"
        ));
    }
    format!(
        "SELECT CASE WHEN s.downhaul_net > 0 THEN 'D' ELSE 'I' END AS downhaul_change, abs(s.downhaul_net)::bigint AS copies, \
         ',' AS changed{texts} FROM {source} s WHERE s.downhaul_net <> 0"
    )
}

/// A value as people read it.
fn text(d: Dialect, column: &TrackedColumn, value: &str) -> String {
    if numbered::is(d) { numbered::text(d, column, value) } else { format!("{value}::text") }
}

async fn read_out(
    session: &mut dyn Session,
    tracked: &Tracked,
    both: &[&TrackedColumn],
    (offset, limit): (u64, u64),
    found: &mut TableDifference,
    table: &str,
) -> Result<(), SnapshotError> {
    let d = tracked.dialect;
    let find = if d == Dialect::Postgres { "strpos" } else { "instr" };
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
    if limit == 0 || found.total() == 0 {
        return Ok(());
    }
    let current = tracked.current();
    let key = &current.key;
    let keys: String = key
        .iter()
        .filter_map(|k| current.column(k))
        .enumerate()
        .map(|(at, column)| format!(", {}", text(d, column, &format!("k{at}"))))
        .collect();
    let values: String = (0..both.len()).map(|at| format!(", o{at}, n{at}")).collect();
    let order: Vec<String> = if key.is_empty() {
        (1..=both.len() * 2 + 3).map(|at| at.to_string()).collect()
    } else {
        (0..key.len()).map(|at| format!("d.k{at}")).collect()
    };
    let rows = session
        .rows(&format!(
            "SELECT downhaul_change, copies, changed{keys}{values} FROM {table} AS d ORDER BY {} LIMIT {limit} OFFSET {offset}",
            order.join(", ")
        ))
        .await?;
    for row in &rows {
        found.rows.push(one(row, key, both)?);
    }
    Ok(())
}

fn one(row: &Row, key: &[Ident], both: &[&TrackedColumn]) -> Result<RowDifference, SnapshotError> {
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

/// Rows of a table as they were at a mark: the column names, and the rows. Within a transaction.
pub async fn show(
    session: &mut dyn Session,
    name: &ObjectName,
    mark: &Mark,
    filter: Option<&str>,
    limit: u64,
) -> Result<(Vec<String>, Vec<Row>), SnapshotError> {
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
    let order = if tracked.has_key() { past.key().join(", ") } else { "1".to_owned() };
    let filter = filter.map_or_else(|| "1 = 1".to_owned(), |filter| format!("(\n{filter}\n)"));
    let rows = session
        .rows(&format!(
            "SELECT {} FROM ({}) AS downhaul_row WHERE {filter} ORDER BY {order} LIMIT {limit}",
            texts.join(", "),
            past.rows(mark)
        ))
        .await?;
    Ok((columns, rows))
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
    if numbered::is(session.dialect()) {
        return Ok(numbered::difference::view(tracked, mark));
    }
    let past = Past::new(tracked, mark);
    // A name holds 63 bytes; the mark's number tells views apart.
    let local: String = tracked.name.name.as_str().chars().take(15).collect();
    let view = format!("downhaul.{}", D.quote_str(&format!("{local}_at_{}", mark.id)));
    Ok((format!("CREATE OR REPLACE VIEW {view} AS {}", past.rows(mark)), view))
}
