//! Statements of the running release, by what they mention.

use std::collections::HashMap;

use downhaul_syntax::{Change, Dialect, Ident, ObjectName, Query, parse_script};

use crate::input::KnownQuery;

/// One statement of the running release.
pub(crate) struct IndexedQuery {
    /// `src/orders.rs:12`.
    pub(crate) place: String,
    pub(crate) text: String,
    pub(crate) tables: Vec<ObjectName>,
    pub(crate) columns: Vec<Ident>,
    pub(crate) star: bool,
    pub(crate) functions: Vec<String>,
    /// `INSERT` without a column list.
    pub(crate) positional_insert: Option<ObjectName>,
    /// Tables it inserts into, with the columns it gives.
    pub(crate) inserts: Vec<(ObjectName, Vec<Ident>)>,
}

/// All known statements, findable by table name in constant time.
#[derive(Default)]
pub(crate) struct QueryIndex {
    pub(crate) queries: Vec<IndexedQuery>,
    by_table: HashMap<Ident, Vec<usize>>,
    by_function: HashMap<String, Vec<usize>>,
}

impl QueryIndex {
    pub(crate) fn new(queries: &[KnownQuery], dialect: Dialect) -> Self {
        let mut index = Self::default();
        for known in queries {
            let script = parse_script(&known.text, dialect);
            for statement in &script.statements {
                let mut query = IndexedQuery {
                    place: format!("{}:{}", known.source, known.line),
                    text: statement.text.split_whitespace().collect::<Vec<_>>().join(" "),
                    tables: Vec::new(),
                    columns: Vec::new(),
                    star: false,
                    functions: Vec::new(),
                    positional_insert: None,
                    inserts: Vec::new(),
                };
                for change in statement.changes() {
                    read_change(change, &mut query);
                }
                index.add(query);
            }
        }
        index
    }

    fn add(&mut self, query: IndexedQuery) {
        let at = self.queries.len();
        for table in &query.tables {
            let list = self.by_table.entry(table.name.clone()).or_default();
            if list.last() != Some(&at) {
                list.push(at);
            }
        }
        for function in &query.functions {
            self.by_function.entry(function.clone()).or_default().push(at);
        }
        self.queries.push(query);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// Statements that name the table or view.
    pub(crate) fn of_table<'a>(
        &'a self,
        table: &ObjectName,
    ) -> impl Iterator<Item = &'a IndexedQuery> + use<'a> {
        let table = table.clone();
        self.by_table
            .get(&table.name)
            .into_iter()
            .flatten()
            .map(|i| &self.queries[*i])
            .filter(move |q| q.tables.iter().any(|t| same_table(t, &table)))
    }

    /// Statements that name the column of the table, by name.
    pub(crate) fn of_column<'a>(
        &'a self,
        table: &ObjectName,
        column: &Ident,
    ) -> impl Iterator<Item = &'a IndexedQuery> + use<'a> {
        let column = column.clone();
        self.of_table(table).filter(move |q| q.columns.contains(&column))
    }

    /// Inserts into the table that give the column no value.
    pub(crate) fn inserts_without<'a>(
        &'a self,
        table: &ObjectName,
        column: &Ident,
    ) -> impl Iterator<Item = &'a IndexedQuery> + use<'a> {
        let (table, column) = (table.clone(), column.clone());
        self.of_table(&table).filter(move |q| {
            q.inserts.iter().any(|(t, columns)| {
                t.name == table.name && !columns.is_empty() && !columns.contains(&column)
            })
        })
    }

    /// Statements that call the routine.
    pub(crate) fn of_function<'a>(
        &'a self,
        name: &ObjectName,
    ) -> impl Iterator<Item = &'a IndexedQuery> + use<'a> {
        self.by_function
            .get(&name.name.as_str().to_lowercase())
            .into_iter()
            .flatten()
            .map(|i| &self.queries[*i])
    }
}

fn same_table(a: &ObjectName, b: &ObjectName) -> bool {
    a.name == b.name && (a.schema.is_none() || b.schema.is_none() || a.schema == b.schema)
}

fn read_change(change: &Change, query: &mut IndexedQuery) {
    match change {
        Change::Select { query: q } => read_query(q, query),
        Change::Insert { table, columns, from_query, .. } => {
            query.tables.push(table.clone());
            query.columns.extend(columns.iter().cloned());
            query.inserts.push((table.clone(), columns.clone()));
            if columns.is_empty() {
                query.positional_insert = Some(table.clone());
            }
            if let Some(q) = from_query {
                read_query(q, query);
            }
        }
        Change::Update { table, columns, query: q, .. } => {
            query.tables.push(table.clone());
            query.columns.extend(columns.iter().cloned());
            read_query(q, query);
        }
        Change::Delete { table, query: q, .. } | Change::Merge { table, query: q } => {
            query.tables.push(table.clone());
            read_query(q, query);
        }
        Change::Truncate { tables, .. } => query.tables.extend(tables.iter().cloned()),
        Change::CopyFrom { table, .. } => query.tables.push(table.clone()),
        Change::Call { name } => query.functions.push(name.name.as_str().to_lowercase()),
        _ => {}
    }
}

fn read_query(from: &Query, into: &mut IndexedQuery) {
    into.tables.extend(from.tables.iter().cloned());
    into.columns.extend(from.columns.iter().cloned());
    into.functions.extend(from.functions.iter().cloned());
    into.star |= from.star;
}
