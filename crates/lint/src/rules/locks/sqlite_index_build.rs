//! LK26.

use downhaul_syntax::change::ReindexTarget;
use downhaul_syntax::{Change, IndexPart, ObjectName};

use crate::context::ChangeContext;
use crate::effects::sqlite;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `CREATE INDEX` and `REINDEX` on a SQLite table that holds rows. Not where the table is
    /// known to be small: by `--database-url`, by `small-tables` in the configuration, or since the
    /// migrations bring the data along, as a dump does.
    ///
    /// ## Why is this bad
    ///
    /// SQLite has one writer at a time, for the whole database. The build reads all of the table,
    /// sorts it and writes every page of the index in one transaction: all other writers wait as
    /// long, and get `SQLITE_BUSY` where their `busy_timeout` is shorter.
    ///
    /// ## What to do
    ///
    /// Run it when little is written, in a migration of its own, and with a `busy_timeout` of the
    /// release that outlasts it. Several indexes on one large table are better built one by one.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id integer PRIMARY KEY, customer integer, placed text);
    /// -- up
    /// CREATE INDEX orders_customer ON orders (customer);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE orders (id integer PRIMARY KEY, customer integer, placed text);
    /// CREATE INDEX orders_customer ON orders (customer);
    /// ```
    "LK26" "sqlite-index-build"
    severity: Warning,
    dialects: SQLITE,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (table, verb) = match cx.change {
        Change::CreateIndex { index, if_not_exists, .. } => {
            let name = index.name.as_ref();
            if *if_not_exists && name.is_some_and(|n| cx.catalog.index_owner(n).is_some()) {
                return None;
            }
            let built = Built { parts: &index.parts, partial: index.predicate.is_some() };
            if is_short(cx, &index.table, &[built]) {
                return None;
            }
            (index.table.clone(), "building the index")
        }
        Change::Reindex {
            target: ReindexTarget::Table(name) | ReindexTarget::Index(name), ..
        } => (reindexed(cx, name)?, "building the index anew"),
        _ => return None,
    };
    cx.populated(&table).then(|| {
        Draft::new(format!(
            "{verb} reads all of {}, and nobody else can write to the database meanwhile",
            cx.describe(&table)
        ))
        .help("run it when little is written, in a migration of its own")
    })
}

/// An index that is built.
struct Built<'a> {
    parts: &'a [IndexPart],
    /// It has a condition.
    partial: bool,
}

/// The table whose indexes are built anew; `None` where they are short, or nothing is known of them.
fn reindexed(cx: &ChangeContext<'_>, name: &ObjectName) -> Option<ObjectName> {
    let index = cx.index(name, None);
    let table = index.map_or_else(|| cx.table(name), |(table, _)| Some(table))?;
    let all: Vec<Built<'_>> = table
        .indexes
        .iter()
        .filter(|i| index.is_none_or(|(_, one)| one.name == i.name))
        .map(|i| Built { parts: &i.parts, partial: i.predicate.is_some() })
        .collect();
    (!all.is_empty() && !is_short(cx, &table.name, &all)).then(|| table.name.clone())
}

/// The rows are known, and their entries fill a few pages only.
fn is_short(cx: &ChangeContext<'_>, table: &ObjectName, built: &[Built<'_>]) -> bool {
    let Some((known, rows)) = cx.table(table).zip(cx.rows_put_in(table)) else { return false };
    let bytes = built.iter().map(|index| {
        // Length of the record, its header, a pointer to it, and the number of the row.
        let parts = index.parts.iter();
        let width = |part: &IndexPart| sqlite::usual_width(known, part.column.as_ref());
        let entry = 7 + parts.map(width).sum::<u64>();
        rows.saturating_mul(entry) / if index.partial { 3 } else { 1 }
    });
    bytes.sum::<u64>() < sqlite::FEW_BYTES
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    /// Migrations that bring the data along: as many rows in each table as the counter says.
    fn with_rows(rows: u32) -> String {
        let fill = |table: &str, rows: u32| {
            format!(
                "INSERT INTO {table} WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up \
                 WHERE n < {rows}) SELECT n, 'name ' || n FROM up;\n"
            )
        };
        format!(
            "-- history\nCREATE TABLE a (id integer PRIMARY KEY, name text);\n\
             CREATE TABLE b (id integer PRIMARY KEY, name text);\n\
             CREATE TABLE c (id integer PRIMARY KEY, name text);\n\
             CREATE INDEX a_old ON a (name);\n{}{}{}-- up\n",
            fill("a", rows),
            fill("b", 900),
            fill("c", 900),
        )
    }

    #[test]
    fn what_is_known_to_be_small_is_built_at_once() {
        for (rows, expect) in [(1_000, false), (9_000, true)] {
            for what in ["CREATE INDEX a_new ON a (name, id);", "REINDEX a_old;", "REINDEX a;"] {
                cases(&super::RULE, &[("sqlite", &format!("{}{what}", with_rows(rows)), expect)]);
            }
        }
    }

    #[test]
    fn cases_of_the_rule() {
        let table = "-- history\nCREATE TABLE t (id integer PRIMARY KEY, a text);\n\
                     CREATE INDEX t_a ON t (a);\n-- up\n";
        for (what, expect) in [
            ("CREATE UNIQUE INDEX t_b ON t (a, id);", true),
            ("CREATE INDEX IF NOT EXISTS t_b ON t (id);", true),
            ("CREATE INDEX IF NOT EXISTS t_a ON t (a);", false),
            ("REINDEX t_a;", true),
            ("REINDEX t;", true),
            ("CREATE TEMP TABLE s (a text);\nCREATE INDEX s_a ON s (a);", false),
        ] {
            cases(&super::RULE, &[("sqlite", &format!("{table}{what}"), expect)]);
        }
    }
}
