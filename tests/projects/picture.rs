//! What tables hold, and what they must hold after a restore: worked out from the rows alone.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_kit::Session;

use crate::catalog::{Catalog, Column, Table};
use crate::project::Engine;

/// Values of a row as literals, in the order of the columns that may be written.
pub(crate) type Row = Vec<String>;

/// Rows of each table, in order.
pub(crate) type Picture = BTreeMap<String, Vec<Row>>;

pub(crate) type Keyed = BTreeMap<Row, Row>;

impl Table {
    /// Columns that a picture holds, wherever they stand by now.
    pub(crate) fn pictured(&self) -> Vec<&Column> {
        let mut columns: Vec<&Column> = self.columns.iter().filter(|c| !c.computed).collect();
        columns.sort_by(|a, b| a.name.cmp(&b.name));
        columns
    }

    /// Places of the key within a row of a picture; none where two texts may be one key.
    pub(crate) fn key_places(&self, engine: Engine) -> Option<Vec<usize>> {
        let pictured = self.pictured();
        let places: Option<Vec<usize>> = self
            .key
            .iter()
            .map(|at| {
                let column = &self.columns[*at];
                let ty = column.ty.to_lowercase();
                let exact: &[&str] = match engine {
                    Engine::Postgres => {
                        &["smallint", "integer", "bigint", "uuid", "text", "char", "bytea", "date"]
                    }
                    Engine::MySql => &["int", "binary", "uuid", "date"],
                    Engine::Sqlite => &["integer", "bigint", "text", "char", "uuid"],
                };
                let exact = exact.iter().any(|word| ty.contains(word)) && !ty.ends_with("[]");
                if exact { pictured.iter().position(|c| c.name == column.name) } else { None }
            })
            .collect();
        places.filter(|places| !places.is_empty())
    }
}

pub(crate) fn keyed(rows: &[Row], key: &[usize]) -> Keyed {
    rows.iter().map(|row| (key.iter().map(|at| row[*at].clone()).collect(), row.clone())).collect()
}

/// All rows of all tables, with what a condition says of those of one.
pub(crate) async fn picture(catalog: &Catalog, session: &mut Session) -> Picture {
    let mut found = Picture::new();
    for table in &catalog.tables {
        found.insert(table.quoted.clone(), rows(catalog, session, table, "").await);
    }
    found
}

pub(crate) async fn rows(
    catalog: &Catalog,
    session: &mut Session,
    table: &Table,
    which: &str,
) -> Vec<Row> {
    // What is computed has to agree with the rest by itself.
    let list: Vec<String> = table.pictured().iter().map(|c| catalog.reading(c)).collect();
    let list = if list.is_empty() { "1".to_owned() } else { list.join(", ") };
    let only = if table.alone { "ONLY " } else { "" };
    let sql = format!("SELECT {list} FROM {only}{} {which}", table.quoted);
    let text = |value: Option<String>| value.unwrap_or_else(|| "NULL".into());
    let found = session.rows(&sql).await.into_iter();
    let mut found: Vec<Row> = found.map(|row| row.into_iter().map(text).collect()).collect();
    found.sort();
    found
}

/// How many rows came, changed, and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
}

impl Counts {
    pub(crate) fn of(then: &[Row], now: &[Row], key: Option<&[usize]>) -> Self {
        let mut counts = Self::default();
        match key {
            Some(key) => {
                let (then, now) = (keyed(then, key), keyed(now, key));
                for (key, row) in &then {
                    match now.get(key) {
                        None => counts.deleted += 1,
                        Some(other) if other != row => counts.updated += 1,
                        Some(_) => {}
                    }
                }
                counts.inserted = now.keys().filter(|key| !then.contains_key(*key)).count() as u64;
            }
            None => {
                let mut balance: BTreeMap<&Row, i64> = BTreeMap::new();
                for row in now {
                    *balance.entry(row).or_default() += 1;
                }
                for row in then {
                    *balance.entry(row).or_default() -= 1;
                }
                for copies in balance.into_values() {
                    let many = copies.unsigned_abs();
                    if copies > 0 { counts.inserted += many } else { counts.deleted += many }
                }
            }
        }
        counts
    }
}

/// What wins where both sides changed a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Fail,
    KeepNew,
    RestoreOld,
}

impl Policy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::KeepNew => "keep-new",
            Self::RestoreOld => "restore-old",
        }
    }
}

/// The rows of a table, in order, that [`merged`] leaves of three pictures, and how many are in conflict.
pub(crate) fn merged_rows(
    table: &Table,
    engine: Engine,
    pictures: [&Picture; 3],
    policy: Policy,
) -> (Vec<Row>, usize) {
    let places = table.key_places(engine).expect("only such are taken");
    let [base, bad, now] = pictures.map(|picture| keyed(&picture[&table.quoted], &places));
    let (rows, conflicts) = merged(&base, &bad, &now, policy);
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort();
    (rows, conflicts)
}

/// From `base` to `bad` is undone, what came after `bad` stays. Returns the rows and the number of those
/// that both sides changed.
pub(crate) fn merged(base: &Keyed, bad: &Keyed, now: &Keyed, policy: Policy) -> (Keyed, usize) {
    let mut result = Keyed::new();
    let mut conflicts = 0;
    let keys: BTreeSet<&Row> = base.keys().chain(bad.keys()).chain(now.keys()).collect();
    for key in keys {
        let (old, wrong, new) = (base.get(key), bad.get(key), now.get(key));
        let becomes = if old == wrong || new == old {
            new.cloned()
        } else if new == wrong {
            old.cloned()
        } else if let (Some(old), Some(wrong), Some(new)) = (old, wrong, new) {
            let mut meet = false;
            let row = old
                .iter()
                .zip(wrong)
                .zip(new)
                .map(|((old, wrong), new)| {
                    if old == wrong || new == old {
                        new.clone()
                    } else if new == wrong {
                        old.clone()
                    } else {
                        meet = true;
                        if policy == Policy::RestoreOld { old.clone() } else { new.clone() }
                    }
                })
                .collect();
            conflicts += usize::from(meet);
            Some(row)
        } else if old.is_none() && new.is_none() {
            None
        } else {
            conflicts += 1;
            if policy == Policy::RestoreOld { old.cloned() } else { new.cloned() }
        };
        if let Some(row) = becomes {
            result.insert(key.clone(), row);
        }
    }
    (result, conflicts)
}

/// What a picture holds besides, where an earlier one had it: rows that a migration (or a trigger, when it ran) put
/// there stay when it is taken back.
pub(crate) fn without_what_came(found: &Picture, before: &Picture, after: &Picture) -> Picture {
    let without = |(table, rows): (&String, &Vec<Row>)| {
        let (none, mut rows) = (Vec::new(), rows.clone());
        let (old, new) = (before.get(table).unwrap_or(&none), after.get(table).unwrap_or(&none));
        let mut came = new.clone();
        for row in old {
            if let Some(at) = came.iter().position(|other| other == row) {
                came.remove(at);
            }
        }
        for row in came {
            let many = |rows: &[Row]| rows.iter().filter(|other| **other == row).count();
            if many(&rows) > many(old)
                && let Some(at) = rows.iter().position(|other| *other == row)
            {
                rows.remove(at);
            }
        }
        (table.clone(), rows)
    };
    found.iter().map(without).collect()
}

/// Where two pictures differ, table by table; nothing where they do not.
pub(crate) fn differences(wanted: &Picture, found: &Picture) -> Option<String> {
    let mut lines = Vec::new();
    for (table, rows) in wanted {
        let none = Vec::new();
        let now = found.get(table).unwrap_or(&none);
        if rows == now {
            continue;
        }
        lines.push(format!("    {table}: {} rows instead of {}", now.len(), rows.len()));
        for (sign, these, others) in [("-", rows, now), ("+", now, rows)] {
            let only = these.iter().filter(|row| !others.contains(row)).take(4);
            lines.extend(only.map(|row| format!("      {sign} {}", row.join(", "))));
        }
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}
