//! Which tables a transaction locks together on PostgreSQL ([`downhaul_engine::lock_tables`] says how).

mod first;

use downhaul_engine::Wanted;
use downhaul_syntax::{Change, Dialect, ObjectName, Statement};

pub(super) use first::{Needed, at_first, locks_several};

/// The tables of a statement that locks several in one mode, and does not say how long it waits.
pub(super) fn of_statement(statement: &Statement, dialect: Dialect) -> Option<Vec<Wanted>> {
    let (tables, mode) = locked_together(statement)?;
    if dialect != Dialect::Postgres {
        return None;
    }
    let wanted = |table: &ObjectName| (dialect.quote_name_if_needed(table), mode.to_uppercase());
    Some(tables.iter().map(wanted).collect())
}

fn locked_together(statement: &Statement) -> Option<(&[ObjectName], &str)> {
    let [Change::LockTable { tables, mode }] = statement.changes() else { return None };
    let says_more = statement
        .text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| word.eq_ignore_ascii_case("nowait") || word.eq_ignore_ascii_case("only"));
    (tables.len() > 1 && !says_more).then_some((tables, mode))
}
