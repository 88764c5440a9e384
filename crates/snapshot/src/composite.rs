//! Rows of wide tables, each carried as one value. Pure.
//!
//! PostgreSQL lets a table have 1,600 columns, a joined row 1,664, and a row that cannot be moved out
//! of line 8,160 bytes (manual, appendix K). A history has columns of its own beside those of the table,
//! and a restore joins three states of each row. So a wide row is carried as one value of a composite
//! type, the *form* of its table, which the server can store out of line. It is opened by `unnest` of
//! an array of one, which takes it apart once; `(row).column` would do so for each column.

use downhaul_syntax::Dialect;

use crate::history::Past;
use crate::sql;
use crate::track::{TrackedColumn, postgres};

const D: Dialect = Dialect::Postgres;

/// So many columns fit three times into a joined row, with some of ours.
const MOST_JOINED: usize = 540;

/// Bytes of a page that a row may fill without what we add to it: at most 250, for the bits of its
/// changed columns and what an event carries.
const ROOM: i64 = 8160 - 250;

/// What a value of a type of any length takes at most if it is moved out of line (`TOAST_POINTER_SIZE`,
/// aligned).
const POINTER: i64 = 24;

/// Whether rows of a table are carried as one value. `lengths`: of its columns' types, below 0 where
/// they vary.
#[must_use]
pub(crate) fn wide(lengths: &[i64]) -> bool {
    let bytes: i64 = lengths.iter().map(|&n| if n < 0 { POINTER } else { n }).sum();
    lengths.len() > MOST_JOINED || bytes > ROOM
}

/// Takes a carried row apart, as an item of FROM.
pub(crate) fn open(row: &str, alias: &str) -> String {
    format!("unnest(ARRAY[{row}]) {alias}")
}

impl Past<'_> {
    /// Rows are carried as one value, `downhaul_row`.
    pub(crate) fn is_composite(&self) -> bool {
        self.tracked.current().composite
    }

    /// Columns in which a temporary table carries a row, quoted: all of them, or the key and the row.
    pub(crate) fn carried(&self) -> Vec<String> {
        if self.is_composite() {
            let mut columns = self.key();
            columns.push("downhaul_row".to_owned());
            return columns;
        }
        self.columns.iter().map(|c| D.quote(&c.name)).collect()
    }

    /// Values of the columns, as one of the table's form.
    pub(crate) fn pack(&self, value: impl Fn(&TrackedColumn) -> String) -> String {
        let newest = self.tracked.current();
        let values: Vec<String> = newest
            .columns
            .iter()
            .map(|column| {
                let known = self.columns.iter().any(|c| c.name == column.name);
                match (known, column.user_type) {
                    (false, _) => "NULL".to_owned(),
                    (true, false) => value(column),
                    (true, true) => format!("({})::text", value(column)),
                }
            })
            .collect();
        format!("ROW({})::{}", values.join(", "), postgres::form(self.tracked.id, newest.number))
    }

    /// The columns of an opened row as those of the live table, without the key.
    fn columns_of(&self, opened: &str) -> Vec<String> {
        let key = &self.tracked.current().key;
        let rest = self.columns.iter().filter(|c| !key.contains(&c.name));
        rest.map(|c| {
            let name = D.quote(&c.name);
            let stored = format!("{opened}.{name}");
            let value = sql::from_store(D, &stored, &c.ty, c.user_type);
            if c.user_type {
                // A domain may refuse NULL, which here says that there is no row.
                return format!("(SELECT {value} WHERE {stored} IS NOT NULL) AS {name}");
            }
            format!("{value} AS {name}")
        })
        .collect()
    }

    /// What a temporary table carries, with the columns of the live table: an item of FROM, without an
    /// alias. `own`: further columns.
    pub(crate) fn opened(&self, source: &str, own: &[&str]) -> String {
        if !self.is_composite() {
            return source.to_owned();
        }
        let mut columns: Vec<String> =
            self.key().iter().map(|k| format!("downhaul_s.{k}")).collect();
        columns.extend(own.iter().map(|name| format!("downhaul_s.{name}")));
        columns.extend(self.columns_of("downhaul_u"));
        format!(
            "(SELECT {} FROM {source} downhaul_s CROSS JOIN LATERAL {})",
            columns.join(", "),
            open("downhaul_s.downhaul_row", "downhaul_u")
        )
    }

    /// FROM: each row of a table by its alias, with its further columns `own`; beside it the live one
    /// as `l`, and the one of `other` by its alias.
    pub(crate) fn beside(
        &self,
        (table, alias, own): (&str, &str, &str),
        live: &str,
        other: Option<(&str, &str, &str)>,
    ) -> String {
        let middle = match other {
            Some((table, other, _)) => {
                format!(" LEFT JOIN {table} {other} ON {}", self.join(other, alias))
            }
            None => String::new(),
        };
        if !self.is_composite() {
            return format!(
                "{table} {alias} LEFT JOIN {live} l ON {}{middle}",
                self.join("l", alias)
            );
        }
        // Joined closed, and opened beside each other: nothing has to hold all columns of a joined row.
        let states = [Some((table, alias, own)), other];
        let (mut closed, mut opened) = (vec!["downhaul_l".to_owned()], String::new());
        for (_, alias, own) in states.into_iter().flatten() {
            let mut columns = Vec::new();
            let key = self.key();
            for (at, name) in key.iter().map(String::as_str).chain([own]).enumerate() {
                closed.push(format!("{alias}.{name} AS {alias}_{at}"));
                columns.push(format!("downhaul_j.{alias}_{at} AS {name}"));
            }
            closed.push(format!("{alias}.downhaul_row AS {alias}_row"));
            columns.extend(self.columns_of("downhaul_u"));
            opened.push_str(&format!(
                " CROSS JOIN LATERAL (SELECT {} FROM {}) {alias}",
                columns.join(", "),
                open(&format!("downhaul_j.{alias}_row"), "downhaul_u")
            ));
        }
        format!(
            "(SELECT {} FROM {table} {alias} LEFT JOIN {live} downhaul_l ON {}{middle} OFFSET 0) downhaul_j CROSS JOIN LATERAL {}{opened}",
            closed.join(", "),
            self.join("downhaul_l", alias),
            open("downhaul_j.downhaul_l", "l"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_by_number_or_by_bytes() {
        assert!(!wide(&[4; 540]));
        assert!(wide(&[1; 541]));
        assert!(!wide(&[-1; 329]));
        assert!(wide(&[-1; 330]));
        assert!(wide(&[16; 508]), "uuid: a row of 508 fills a page");
    }
}
