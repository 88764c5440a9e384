//! From one schema to another: by plain statements where SQLite has them, else the table is built
//! anew (<https://www.sqlite.org/lang_altertable.html>, section 7).

use downhaul_catalog::{Catalog, changes_without_foreign_keys};
use downhaul_syntax::{Change, Ident, ObjectName};

use crate::op::piece::Side;
use crate::op::{HERE, Refused, refused};

/// What a column gets when its table is built anew, as SQL over the old one.
pub(super) type Value = (Ident, String);

/// Adds the statements that lead from one schema to another. Returns whether a table is built anew.
pub(super) fn lead(
    from: &Catalog,
    to: &Catalog,
    values: &[Value],
    why: &str,
    side: &mut Side,
) -> Result<bool, Refused> {
    let dialect = from.dialect;
    let way = changes_without_foreign_keys(from, to);
    if let Some(reason) = way.blocked.first() {
        return refused(reason.clone(), "write the phases by hand, each with -- downhaul:phase");
    }
    let built = way.changes.iter().any(|c| matches!(c, Change::RenameTable { .. }));
    let mut why = why;
    if built {
        side.sql(
            &format!("{why} SQLite has no statement for it: the table is built anew, in one transaction. Foreign keys are off meanwhile (outside of it, else DROP TABLE would act on rows that refer to it), and every reference is checked before the commit."),
            "PRAGMA foreign_keys = off",
        );
        why = "";
    }
    for change in way.changes {
        let change = match change {
            Change::Insert { table, columns, from_query: Some(query), conflict } => {
                let mut columns = columns;
                for (column, _) in values {
                    let target = to.tables.values().any(|t| t.column(column).is_some());
                    if target && !columns.contains(column) {
                        columns.push(column.clone());
                    }
                }
                let listed: Vec<String> = columns
                    .iter()
                    .map(|column| match values.iter().find(|(name, _)| name == column) {
                        Some((_, value)) => value.clone(),
                        None => dialect.quote_if_needed(column),
                    })
                    .collect();
                let source = query.tables.first().map(|t| dialect.quote_name_if_needed(t));
                let text =
                    format!("SELECT {} FROM {}", listed.join(", "), source.unwrap_or_default());
                let query = downhaul_syntax::Query { text, ..query };
                Change::Insert { table, columns, from_query: Some(query), conflict }
            }
            other => other,
        };
        side.change(why, &change, dialect)?;
        why = "";
    }
    Ok(built)
}

/// The schema behind a change that SQLite itself may not know.
pub(super) fn with(catalog: &Catalog, changes: &[Change]) -> Catalog {
    let mut after = catalog.clone();
    for change in changes {
        after.apply(change, HERE);
    }
    after
}

/// `DROP NOT NULL` of a column.
pub(super) fn nullable(table: &ObjectName, column: &Ident) -> Change {
    Change::DropNotNull { table: table.clone(), column: column.clone() }
}
