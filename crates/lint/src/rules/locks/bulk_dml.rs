//! LK19.

use downhaul_syntax::change::RowFilter;
use downhaul_syntax::{Change, Dialect, Ident, ObjectName};

use crate::facts::{Phase, Way};

use crate::context::ChangeContext;
use crate::effects::sqlite;
use crate::finding::Draft;
use crate::rule::declare_rule;
use crate::state::is_one_row;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `UPDATE` or `DELETE` of all rows of a populated table in one statement; on SQLite,
    /// MariaDB and MySQL also a copy of all rows, as the rebuild of a table needs it.
    ///
    /// ## Why is this bad
    ///
    /// Every row is locked until the end, the journal of the database and its replicas have to take
    /// all of it at once, and PostgreSQL keeps every old version of every row until then. SQLite has
    /// one writer at a time: all others wait. MariaDB and MySQL lock each row that is copied against
    /// writes until the copy is done.
    ///
    /// ## What to do
    ///
    /// Do it in batches of a few thousand rows, each in a transaction of its own, in a migration
    /// marked `-- downhaul:phase backfill`, apart from changes of the schema.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// UPDATE orders SET note = '';
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// UPDATE orders SET note = '' WHERE id BETWEEN 1 AND 1000;
    /// ```
    "LK19" "bulk-dml"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.dialect() != Dialect::Postgres
        && let Some(draft) = copies_rows(cx)
    {
        return Some(draft);
    }
    let (table, verb) = match cx.change {
        Change::Update { table, rows: RowFilter::All, .. } => (table, "updated"),
        Change::Update { table, rows: RowFilter::Where(condition), .. }
            if fits_each_new_value(cx, table, &condition.text)
                || cx.dialect() == Dialect::Sqlite
                    && asks_for_any_value(cx, table, &condition.text) =>
        {
            (table, "updated")
        }
        Change::Delete { table, rows: RowFilter::All, .. } => (table, "deleted"),
        _ => return None,
    };
    let few = cx.dialect() != Dialect::Postgres && cx.has_few_rows(table);
    if cx.facts.phase == Some(Phase::Backfill) || few || !cx.populated(table) {
        return None;
    }
    Some(
        Draft::new(format!(
            "all rows of {} are {verb} and locked in one statement",
            cx.describe(table)
        ))
        .help("do it in batches, in a migration marked `-- downhaul:phase backfill`"),
    )
}

/// `GROUP BY album_id`: there may be as many groups as rows, unlike of an expression.
fn groups_by_column(words: &[&str]) -> bool {
    let behind = words.iter().skip_while(|w| **w != "group").skip(2);
    let columns: Vec<&str> =
        behind.copied().take_while(|w| !matches!(*w, "having" | "order")).collect();
    let plain = |c: &str| {
        c.starts_with(|c: char| c.is_alphabetic() || "_\"`[".contains(c))
            && !c.contains(['(', '\'', '|', '+'])
    };
    columns.len() == 1 && columns.iter().all(|c| plain(c))
}

/// Lower case, without quotes and brackets.
fn squashed(text: &str) -> String {
    let plain = text.chars().filter(|c| !matches!(c, '(' | ')' | '"' | '`' | '[' | ']'));
    plain.collect::<String>().to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `WHERE path IS NOT NULL AND path <> ''`, or `WHERE songs > 0` of a column that is `NOT NULL`: all rows
/// that have one, which may be as many as there are.
fn asks_for_any_value(cx: &ChangeContext<'_>, table: &ObjectName, condition: &str) -> bool {
    let condition = squashed(condition);
    let column = |c: &str| c.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    let there = |part: &str| {
        let nulls = [" is not null", " not null", " notnull"];
        nulls.iter().find_map(|says| part.strip_suffix(says)).is_some_and(column)
    };
    let filled = |part: &str| {
        let empty = ["''", "0"].iter().find_map(|nothing| part.strip_suffix(nothing));
        let sign = empty.map(str::trim_end).and_then(|p| {
            let unlike = p.strip_suffix("<>").or_else(|| p.strip_suffix("!="));
            unlike.or_else(|| p.strip_suffix('>'))
        });
        sign.is_some_and(|c| column(c.trim()))
    };
    let parts = || condition.split(" and ");
    let given = |part: &str| {
        let name = part.split(['<', '>', '!']).next().unwrap_or_default().trim();
        let name = name.rsplit('.').next().unwrap_or(name);
        cx.column(table, &Ident::new(cx.dialect(), name, false)).is_some_and(|c| c.not_null)
    };
    parts().all(|p| there(p) || filled(p)) && (parts().any(there) || parts().all(given))
}

/// `WHERE moved IS NULL OR moved = 0` of a column that this migration added with that default: all rows
/// hold it.
fn fits_each_new_value(cx: &ChangeContext<'_>, table: &ObjectName, condition: &str) -> bool {
    let condition = squashed(condition);
    if format!(" {condition} ").contains(" and ") {
        return false;
    }
    let added = |name: &str| {
        cx.earlier().filter(|i| !i.nested).find_map(|i| match i.change {
            Change::AddColumn { table: to, column, if_not_exists: false, .. } => {
                (to.name == table.name && column.name.as_str().eq_ignore_ascii_case(name))
                    .then_some(column)
            }
            _ => None,
        })
    };
    condition.split(" or ").any(|part| {
        let (left, value) = match (part.strip_suffix(" is null"), part.split_once(" = ")) {
            (Some(left), _) => (left, None),
            (None, Some((left, value))) => (left, Some(value)),
            (None, None) => return false,
        };
        let name = left.rsplit('.').next().unwrap_or(left).trim();
        added(name).is_some_and(|column| {
            column.generated.is_none()
                && column.identity.is_none()
                && column.default.as_ref().map(|d| squashed(&d.text)).as_deref()
                    == value.map(str::trim)
        })
    })
}

/// SQLite: whoever writes many rows keeps all other writers of the database waiting. InnoDB: rows that
/// are read to be copied stay locked.
fn copies_rows(cx: &ChangeContext<'_>) -> Option<Draft> {
    let query = match cx.change {
        Change::DropTable { name, .. } => return copied_back(cx, name),
        Change::Insert { from_query: Some(query), table, .. }
            if !cx.table(table).is_some_and(|t| t.temporary) =>
        {
            query
        }
        // What is temporary lies in a file of its own.
        Change::CreateTable { def, .. } if !def.temporary => def.as_query.as_ref()?,
        _ => return None,
    };
    let lower = query.text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let limited = words.iter().any(|w| matches!(*w, "where" | "limit" | "join" | "distinct"))
        || words.contains(&"group")
            && !(cx.dialect() == Dialect::Sqlite && groups_by_column(&words));
    let source = query.tables.iter().find(|t| cx.populated(t) && !cx.has_few_rows(t))?;
    let few = cx.scene.seeds.is_list(&cx.catalog.normalize(source)) || fills_few_pages(cx, source);
    let one = is_one_row(query);
    let others = match cx.dialect() {
        Dialect::Sqlite => "nobody else can write to the database meanwhile",
        _ => "writes to them wait until it is done",
    };
    (!limited && !few && !one && cx.table(source).is_some()).then(|| {
        Draft::new(format!(
            "all rows of {} are copied in one statement: {others}",
            cx.describe(source)
        ))
        .help("run it when little is written, or copy in batches")
    })
}

/// `CREATE TABLE … AS` in SQLite, of so many known rows and columns.
fn fills_few_pages(cx: &ChangeContext<'_>, source: &ObjectName) -> bool {
    let Change::CreateTable { def, .. } = cx.change else { return false };
    let (Some(table), Some(rows)) = (cx.table(source), cx.rows_put_in(source)) else {
        return false;
    };
    let Some(query) = def.as_query.as_ref().filter(|_| cx.dialect() == Dialect::Sqlite) else {
        return false;
    };
    let read = table.columns.iter().filter(|c| query.star || query.columns.contains(&c.name));
    // A text that nobody looks up may be long.
    let width = |width| if width == sqlite::TEXT_WIDTH { 5 * width } else { width };
    let row = 4 + read.map(|c| width(sqlite::usual_width(table, Some(&c.name)))).sum::<u64>();
    rows.saturating_mul(row) < sqlite::FEW_BYTES
}

/// The rows of the dropped table wait in a temporary one, and are copied back behind.
fn copied_back(cx: &ChangeContext<'_>, name: &ObjectName) -> Option<Draft> {
    let rebuild = cx.facts.rebuilds.iter().find(|r| r.drop == cx.index)?;
    let meanwhile = cx.table(&rebuild.stand_in).is_some_and(|t| t.temporary);
    let all = cx.populated(name) && !cx.has_few_rows(name);
    (rebuild.way == Way::ThereAndBack && meanwhile && all).then(|| {
        Draft::new(format!(
            "all rows of {} are copied back in one statement: nobody else can write to it meanwhile",
            cx.describe(name)
        ))
        .help("run it when little is written")
    })
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn one_row_of_many() {
        let history = "-- history\nCREATE TABLE a (id INTEGER PRIMARY KEY);\n\
                       CREATE TABLE s (k VARCHAR(20) PRIMARY KEY, v TEXT);\n-- up\nINSERT INTO s SELECT ";
        for (what, expect) in [("'n', count(*) FROM a;", false), ("id, 'x' FROM a;", true)] {
            for dialect in ["sqlite", "mariadb"] {
                cases(&super::RULE, &[(dialect, &format!("{history}{what}"), expect)]);
            }
        }
    }

    #[test]
    fn rows_that_wait_in_a_temporary_table() {
        let text = "-- history\nCREATE TABLE a (id INTEGER PRIMARY KEY, n int);\n-- up\n\
                    CREATE TEMPORARY TABLE x (id INTEGER, n int);\nINSERT INTO x SELECT id, n FROM a;\n\
                    DROP TABLE a;\nCREATE TABLE a (id INTEGER PRIMARY KEY, n int NOT NULL);\n\
                    INSERT INTO a SELECT id, n FROM x;\nDROP TABLE x;";
        cases(&super::RULE, &[("sqlite", text, true)]);
    }

    #[test]
    fn rows_that_a_new_column_picks() {
        cases(
            &super::RULE,
            &[
                (
                    "sqlite",
                    r#"-- history
CREATE TABLE a (id INTEGER PRIMARY KEY, made text, n int);
-- up
ALTER TABLE a ADD COLUMN moved INTEGER DEFAULT 0;
UPDATE a SET moved = strftime('%s', made) WHERE moved IS NULL OR moved = 0;"#,
                    true,
                ),
                (
                    "sqlite",
                    r#"-- history
CREATE TABLE a (id INTEGER PRIMARY KEY, made text, n int);
-- up
ALTER TABLE a ADD COLUMN x TEXT;
UPDATE a SET x = made WHERE x IS NULL;"#,
                    true,
                ),
                (
                    "sqlite",
                    r#"-- history
CREATE TABLE a (id INTEGER PRIMARY KEY, made text, n int);
-- up
ALTER TABLE a ADD COLUMN x TEXT;
UPDATE a SET x = made WHERE x IS NULL AND n = 1;"#,
                    false,
                ),
                (
                    "sqlite",
                    r#"-- history
CREATE TABLE a (id INTEGER PRIMARY KEY, made text, n int);
-- up
ALTER TABLE a ADD COLUMN x TEXT;
UPDATE a SET x = 'old' WHERE made IS NOT NULL AND made != '';"#,
                    true,
                ),
                (
                    "sqlite",
                    r#"-- history
CREATE TABLE a (id INTEGER PRIMARY KEY, made text, n int);
-- up
ALTER TABLE a ADD COLUMN x TEXT DEFAULT '';
UPDATE a SET x = made WHERE x IS NULL;"#,
                    false,
                ),
                (
                    "sqlite",
                    r#"-- history
CREATE TABLE a (id INTEGER PRIMARY KEY, made text, songs int NOT NULL DEFAULT 0);
-- up
ALTER TABLE a ADD COLUMN x TEXT;
UPDATE a SET x = '{}' WHERE songs > 0;"#,
                    true,
                ),
                (
                    "sqlite",
                    r#"-- history
CREATE TABLE a (id INTEGER PRIMARY KEY, made text);
-- up
ALTER TABLE a ADD COLUMN x TEXT;
UPDATE a SET x = 'old' WHERE made <> '';"#,
                    false,
                ),
            ],
        );
    }

    #[test]
    fn tables_that_the_migrations_fill_with_few_rows() {
        let fill = |table: &str, rows: u32| {
            format!(
                "CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT);\n\
                 INSERT INTO {table} WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up \
                 WHERE n < {rows}) SELECT n, 'name ' || n FROM up;\n"
            )
        };
        let data = format!("-- history\n{}{}{}", fill("a", 900), fill("b", 900), fill("c", 900));
        let few = fill("few", 20);
        for (history, expect) in [
            // The migrations bring the data along: they tell how many rows there are.
            (format!("{data}{few}"), false),
            (format!("{data}{}", fill("few", 2_000)), true),
            // They bring a list only: what a release has written to it since is not known.
            (format!("-- history\n{few}"), true),
        ] {
            for what in [
                "UPDATE few SET name = upper(name);",
                "CREATE TABLE x (id INTEGER, name TEXT);\nINSERT INTO x SELECT id, name FROM few;",
            ] {
                cases(&super::RULE, &[("sqlite", &format!("{history}-- up\n{what}"), expect)]);
            }
        }
    }
}
