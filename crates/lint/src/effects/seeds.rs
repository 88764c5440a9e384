//! Rows that the migrations themselves put into tables. Of those that are written down as constants the
//! values are kept in mind: where a key is among them, the same key is refused on every database that
//! these migrations made. Of all others it is known at most how many they are.

use std::collections::HashMap;

use downhaul_syntax::change::InsertConflict;
use downhaul_syntax::{Change, Dialect, Ident, ObjectName};

use super::condition::Given;
use super::inserted;
use super::row_counts::{self, Source};
use crate::state::State;

/// So many rows of a table are kept in mind.
const MOST_ROWS: usize = 300;

/// A table with so many rows from the migrations holds data, and is no list of codes.
const BULK_ROWS: u64 = 100;

/// From so many such tables on, the migrations bring all data along, as a dump does.
const BULK_TABLES: usize = 3;

/// Constants by table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seeds {
    tables: HashMap<ObjectName, Rows>,
    /// Tables that hold [`BULK_ROWS`] or more.
    bulk: usize,
}

#[derive(Clone, Debug, Default)]
struct Rows {
    rows: Vec<HashMap<Ident, String>>,
    /// Rows came from elsewhere too.
    others: bool,
    /// How many were put in, at most; `None` where that is not known.
    count: Count,
}

/// A number of rows, at most.
#[derive(Clone, Copy, Debug)]
struct Count(Option<u64>);

impl Default for Count {
    fn default() -> Self {
        Self(Some(0))
    }
}

impl Count {
    fn add(&mut self, more: Option<u64>) {
        self.0 = self.0.zip(more).map(|(a, b)| a.saturating_add(b));
    }

    fn is_bulk(self) -> bool {
        self.0.is_some_and(|n| n >= BULK_ROWS)
    }
}

impl Seeds {
    /// Takes up what a change does. `statement` is its text, empty where it may not run.
    pub(crate) fn note(&mut self, change: &Change, statement: &str, state: &State<'_>) {
        let name = |table: &ObjectName| state.catalog.normalize(table);
        match change {
            Change::Insert { table, columns, from_query, conflict } => {
                let dialect = state.catalog.dialect;
                let given = match from_query {
                    None => constants(statement, columns, state.table(table), dialect),
                    Some(_) => None,
                };
                let more = match (from_query, &given) {
                    (Some(_), _) => self.selected(statement, state),
                    (None, Some((count, _))) => Some(*count),
                    (None, None) => None,
                };
                let rows = self.tables.entry(name(table)).or_default();
                let was_bulk = rows.count.is_bulk();
                rows.count.add(more);
                self.bulk += usize::from(!was_bulk && rows.count.is_bulk());
                match given {
                    Some((_, new)) if *conflict != InsertConflict::Replace => {
                        let room = MOST_ROWS.saturating_sub(rows.rows.len());
                        rows.others |= new.len() > room;
                        rows.rows.extend(new.into_iter().take(room));
                    }
                    _ => rows.others = true,
                }
            }
            Change::CopyFrom { table, .. } => {
                let rows = self.tables.entry(name(table)).or_default();
                rows.others = true;
                rows.count = Count(None);
            }
            // Which rows are left, and with which keys, is not known.
            Change::Merge { table, .. } => {
                self.doubt(&name(table));
                self.tables.entry(name(table)).or_default().count = Count(None);
            }
            Change::Update { table, .. } | Change::RenameColumn { table, .. } => {
                self.doubt(&name(table));
            }
            Change::Delete { table, .. } => {
                for table in state.truncated(std::slice::from_ref(table), true) {
                    self.doubt(&table);
                }
            }
            Change::Truncate { tables, .. } => {
                for table in state.truncated(tables, true) {
                    self.doubt(&table);
                }
            }
            Change::CreateTable { if_not_exists: true, def }
                if self.tables.contains_key(&name(&def.name)) =>
            {
                self.doubt(&name(&def.name));
            }
            Change::CreateTable { def, .. } => {
                self.tables.remove(&name(&def.name));
                if def.as_query.is_some() {
                    let count = Count(self.selected(statement, state));
                    let rows = Rows { others: true, count, ..Rows::default() };
                    self.tables.insert(name(&def.name), rows);
                }
            }
            Change::DropTable { name: table, .. } => {
                self.tables.remove(&name(table));
            }
            Change::RenameTable { from, to } => {
                self.tables.remove(&name(to));
                if let Some(rows) = self.tables.remove(&name(from)) {
                    let moved = Rows { others: true, count: rows.count, ..Rows::default() };
                    self.tables.insert(name(to), moved);
                }
            }
            Change::Do { body: changes, .. } | Change::Dynamic { changes, .. } => {
                for change in changes {
                    self.note(change, "", state);
                }
            }
            Change::Call { .. } | Change::DynamicUnknown { .. } => {
                self.tables.clear();
                self.bulk = 0;
            }
            _ => {}
        }
    }

    fn doubt(&mut self, table: &ObjectName) {
        if let Some(rows) = self.tables.get_mut(table) {
            *rows = Rows { rows: Vec::new(), others: true, count: rows.count };
        }
    }

    /// How many rows a statement selects, at most.
    fn selected(&self, statement: &str, state: &State<'_>) -> Option<u64> {
        let lookup = |name: &ObjectName| {
            let rows = self.tables.get(&state.catalog.normalize(name))?.count.0?;
            let counter = state.table(name).is_some_and(|t| t.columns.len() == 1);
            Some(Source { rows, counter })
        };
        row_counts::selected(statement, state.catalog.dialect, &lookup)
    }

    /// How many rows the table has, at most. Known only where the migrations bring the data along, as a
    /// dump does: of others it is not to be seen what a release has written since.
    pub(crate) fn count(&self, table: &ObjectName) -> Option<u64> {
        if self.bulk < BULK_TABLES {
            return None;
        }
        self.tables.get(table).map_or(Some(0), |rows| rows.count.0)
    }

    /// A row is known to have these constants in these columns.
    pub(crate) fn holds(&self, table: &ObjectName, key: &[(&Ident, &str)]) -> bool {
        let same = |row: &HashMap<Ident, String>| {
            key.iter().all(|(column, value)| row.get(*column).is_some_and(|v| v == value))
        };
        self.tables.get(table).is_some_and(|t| t.rows.iter().any(same))
    }

    /// Every row that is known of has a constant in this column.
    pub(crate) fn all_give(&self, table: &ObjectName, column: &Ident) -> bool {
        self.tables.get(table).is_some_and(|t| t.rows.iter().all(|row| row.contains_key(column)))
    }

    /// The migrations fill the table with a few constant rows, as they do with settings and lists of
    /// codes: large it is not.
    pub(crate) fn is_list(&self, table: &ObjectName) -> bool {
        self.tables.get(table).is_some_and(|t| !t.rows.is_empty() && !t.others)
    }
}

/// How many rows an `INSERT … VALUES` gives, and the constants of the first of them, by column.
fn constants(
    statement: &str,
    columns: &[Ident],
    table: Option<&downhaul_catalog::Table>,
    dialect: Dialect,
) -> Option<(u64, Vec<HashMap<Ident, String>>)> {
    let targets: Vec<&Ident> = match columns {
        [] => table?.columns.iter().map(|c| &c.name).collect(),
        some => some.iter().collect(),
    };
    let rows = inserted::rows(statement, dialect)?;
    let row = |row: &Vec<&str>| {
        let constant = |(name, text): (&&Ident, &&str)| match inserted::literal(text)? {
            Given::Null => None,
            Given::Number(n) => Some(((*name).clone(), n.to_string())),
            Given::Text(t) => Some(((*name).clone(), t)),
        };
        targets.iter().zip(row).filter_map(constant).collect()
    };
    let count = u64::try_from(rows.len()).ok()?;
    Some((count, rows.iter().take(MOST_ROWS + 1).map(row).collect()))
}
