//! Rows that the migrations themselves put into tables, as far as they are written down as constants:
//! where a key is among them, the same key is refused on every database that these migrations made.

use std::collections::HashMap;

use downhaul_syntax::change::InsertConflict;
use downhaul_syntax::{Change, Dialect, Ident, ObjectName};

use super::condition::Given;
use super::inserted;
use crate::state::State;

/// So many rows of a table are kept in mind.
const MOST_ROWS: usize = 300;

/// Constants by table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seeds {
    tables: HashMap<ObjectName, Rows>,
}

#[derive(Clone, Debug, Default)]
struct Rows {
    rows: Vec<HashMap<Ident, String>>,
    /// Rows came from elsewhere too.
    others: bool,
}

impl Seeds {
    /// Takes up what a change does. `statement` is its text, empty where it may not run.
    pub(crate) fn note(&mut self, change: &Change, statement: &str, state: &State<'_>) {
        let name = |table: &ObjectName| state.catalog.normalize(table);
        match change {
            Change::Insert { table, columns, from_query, conflict } => {
                let given = from_query.is_none().then(|| {
                    constants(statement, columns, state.table(table), state.catalog.dialect)
                });
                let rows = self.tables.entry(name(table)).or_default();
                match given.flatten() {
                    Some(new) if *conflict != InsertConflict::Replace => {
                        let room = MOST_ROWS.saturating_sub(rows.rows.len());
                        rows.others |= new.len() > room;
                        rows.rows.extend(new.into_iter().take(room));
                    }
                    _ => rows.others = true,
                }
            }
            Change::CopyFrom { table, .. } => {
                self.tables.entry(name(table)).or_default().others = true;
            }
            // Which rows are left, and with which keys, is not known.
            Change::Update { table, .. }
            | Change::Merge { table, .. }
            | Change::RenameColumn { table, .. } => self.doubt(&name(table)),
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
            Change::CreateTable { def, .. } => {
                self.tables.remove(&name(&def.name));
            }
            Change::DropTable { name: table, .. } => {
                self.tables.remove(&name(table));
            }
            Change::RenameTable { from, to } => {
                self.tables.remove(&name(from));
                self.tables.remove(&name(to));
            }
            Change::Do { body: changes, .. } | Change::Dynamic { changes, .. } => {
                for change in changes {
                    self.note(change, "", state);
                }
            }
            Change::Call { .. } | Change::DynamicUnknown { .. } => self.tables.clear(),
            _ => {}
        }
    }

    fn doubt(&mut self, table: &ObjectName) {
        if let Some(rows) = self.tables.get_mut(table) {
            *rows = Rows { rows: Vec::new(), others: true };
        }
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

/// The constants of an `INSERT … VALUES`, by column.
fn constants(
    statement: &str,
    columns: &[Ident],
    table: Option<&downhaul_catalog::Table>,
    dialect: Dialect,
) -> Option<Vec<HashMap<Ident, String>>> {
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
    Some(rows.iter().take(MOST_ROWS + 1).map(row).collect())
}
