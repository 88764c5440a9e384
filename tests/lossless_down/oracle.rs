//! What every table must hold after the way back, worked out from photographs of its rows.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_kit::Session;
use downhaul_kit::random::Sql;

use crate::generate::{Key, Table, quote};

pub type Row = BTreeMap<String, Option<String>>;

/// Rows by key; rows without a key by their number in sorted order.
pub type Rows = BTreeMap<Vec<Option<String>>, Row>;

/// The rows of a table, exact to the last bit of each value.
pub async fn photograph(session: &mut Session, sql: Sql, table: &Table) -> Rows {
    let names = table.column_names();
    let list: Vec<String> = names
        .iter()
        .map(|n| match sql {
            Sql::Sqlite => format!("quote({})", quote(sql, n)),
            Sql::Postgres => format!("{}::text", quote(sql, n)),
            Sql::MariaDb => {
                let bytes = table.columns.iter().any(|c| {
                    c.name == **n
                        && ["blob", "varbinary", "bit"].iter().any(|t| c.ty.name.starts_with(t))
                });
                format!("{}({})", if bytes { "HEX" } else { "CONCAT" }, quote(sql, n))
            }
        })
        .collect();
    let mut found: Vec<Row> = session
        .rows(&format!("SELECT {} FROM {}", list.join(", "), quote(sql, &table.name)))
        .await
        .into_iter()
        .map(|row| names.iter().cloned().zip(row).collect())
        .collect();
    found.sort();
    let mut rows = Rows::new();
    for (number, row) in found.into_iter().enumerate() {
        let key = match table.key {
            Key::None => vec![Some(format!("{number:06}"))],
            _ => table.key_columns().iter().map(|k| row[*k].clone()).collect(),
        };
        assert!(rows.insert(key, row).is_none(), "a key twice in {}", table.name);
    }
    rows
}

/// What must be there: what was destroyed by the migration is back, what was written since stays.
pub fn expected(table_before: &Table, table_after: &Table, a: &Rows, b: &Rows, c: &Rows) -> Rows {
    if table_after.dropped {
        return a.clone();
    }
    if table_before.key == Key::None {
        return expected_bag(table_before, table_after, a, b, c);
    }
    let mut rows = Rows::new();
    for key in a.keys().chain(c.keys()).collect::<BTreeSet<_>>() {
        let row = match (a.get(key), b.get(key), c.get(key)) {
            (Some(old), None, None) => old.clone(),
            // Deleted since.
            (_, Some(_), None) | (None, None, None) => continue,
            (old, left, Some(new)) => table_before
                .column_names()
                .into_iter()
                .map(|column| {
                    let written = new.get(&column);
                    let untouched = left.is_some_and(|left| left.get(&column) == written);
                    let suffix = table_after
                        .columns
                        .iter()
                        .find(|c| c.name == column)
                        .map_or("", |c| c.suffix);
                    let value = match (written, old) {
                        (Some(_), Some(old)) if untouched => old[&column].clone(),
                        (Some(Some(new)), _) if new == "NaN" => Some(new.clone()),
                        (Some(new), _) => new.as_ref().map(|new| format!("{new}{suffix}")),
                        (None, Some(old)) => old[&column].clone(),
                        // A new row has no old value for a column that was gone: anything.
                        (None, None) => Some("*".into()),
                    };
                    (column, value)
                })
                .collect(),
        };
        rows.insert(key.clone(), row);
    }
    rows
}

/// Rows without a key: all old ones, and the new ones by their marker `n >= 1000`.
fn expected_bag(before: &Table, after: &Table, a: &Rows, _b: &Rows, c: &Rows) -> Rows {
    let is_new = |row: &Row| {
        row["n"].as_deref().and_then(|n| n.parse::<i64>().ok()).is_some_and(|n| n >= 1000)
    };
    let known = after.column_names();
    let mut all: Vec<Row> = a.values().cloned().collect();
    all.extend(c.values().filter(|row| is_new(row)).map(|row| {
        before
            .column_names()
            .into_iter()
            .map(|column| {
                let value =
                    if known.contains(&column) { row[&column].clone() } else { Some("*".into()) };
                (column, value)
            })
            .collect()
    }));
    // Sorted as `photograph` sorts: new rows are told apart by `n` in the comparison below.
    all.into_iter().enumerate().map(|(i, row)| (vec![Some(format!("{i:06}"))], row)).collect()
}

/// Takes out the rows whose parent is gone: they cannot come back, and stay in the store.
pub fn without_orphans(tables: &[Table], expected: &mut [Rows]) {
    loop {
        let mut removed = false;
        for (number, table) in tables.iter().enumerate() {
            let Some(parent) = &table.parent else { continue };
            let there: BTreeSet<Option<String>> =
                expected[parent.table].values().map(|row| row["id"].clone()).collect();
            let before = expected[number].len();
            // SQLite's quote() writes NULL out.
            let absent = |value: &Option<String>| matches!(value.as_deref(), None | Some("NULL"));
            expected[number]
                .retain(|_, row| absent(&row["parent"]) || there.contains(&row["parent"]));
            removed |= expected[number].len() != before;
        }
        if !removed {
            return;
        }
    }
}

/// Says how two contents differ; `*` in what is expected stands for any value.
pub fn differences(table: &Table, expected: &Rows, actual: &Rows) -> Vec<String> {
    let mut found = Vec::new();
    if table.key == Key::None {
        // Pair them off as bags.
        let mut left: Vec<&Row> = actual.values().collect();
        for row in expected.values() {
            match left.iter().position(|other| same(row, other)) {
                Some(at) => drop(left.swap_remove(at)),
                None => found.push(format!("missing {row:?}")),
            }
        }
        found.extend(left.iter().map(|row| format!("unexpected {row:?}")));
        return found;
    }
    for (key, row) in expected {
        match actual.get(key) {
            None => found.push(format!("missing {row:?}")),
            Some(other) if !same(row, other) => {
                found.push(format!("row {key:?}\n    expected {row:?}\n    found    {other:?}"));
            }
            Some(_) => {}
        }
    }
    found.extend(
        actual
            .iter()
            .filter(|(k, _)| !expected.contains_key(*k))
            .map(|(_, r)| format!("unexpected {r:?}")),
    );
    found
}

fn same(expected: &Row, actual: &Row) -> bool {
    expected.len() == actual.len()
        && expected.iter().all(|(c, v)| {
            v.as_deref() == Some("*") || actual.get(c).is_some_and(|other| v == other)
        })
}
