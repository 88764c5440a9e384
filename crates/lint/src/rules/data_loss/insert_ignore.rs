//! DL09.

use downhaul_syntax::change::InsertConflict;
use downhaul_syntax::{Change, ObjectName};

use crate::Severity;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;
use crate::state::is_one_row;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `INSERT … SELECT` with `IGNORE`, `ON CONFLICT DO NOTHING` or `OR IGNORE`: information
    /// where rows are added to a table that is in use, a warning where they are moved into a new one, or
    /// away from where they were.
    ///
    /// ## Why is this bad
    ///
    /// Rows that clash vanish without a word; MySQL's `IGNORE` also turns values that do not fit
    /// into others. After the copy nobody knows what is missing.
    ///
    /// ## What to do
    ///
    /// Copy without it, and say what shall become of rows that clash.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// CREATE TABLE archive (id bigint PRIMARY KEY, note text);
    /// INSERT INTO archive (id, note) SELECT customer, note FROM orders ON CONFLICT DO NOTHING;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// CREATE TABLE archive (id bigint PRIMARY KEY, note text);
    /// INSERT INTO archive (id, note) SELECT id, note FROM orders;
    /// ```
    "DL09" "insert-ignore"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::Insert { table, from_query: Some(query), conflict: InsertConflict::Ignore, .. } =
        cx.change
    else {
        return None;
    };
    let from = query.tables.iter().find(|t| cx.in_use(t))?;
    if is_one_row(query) {
        return None;
    }
    let draft =
        Draft::new(format!("rows of `{from}` that clash in `{table}` are left out without a word"))
            .help("copy without it, and say what shall become of rows that clash");
    // Beside rows that are there already it is how rows are added once, and none is lost.
    Some(if cx.in_use(table) && !goes_later(cx, from) {
        draft.severity(Severity::Info)
    } else {
        draft
    })
}

/// What was copied is dropped or deleted by the same migration: what was left out is gone.
fn goes_later(cx: &ChangeContext<'_>, from: &ObjectName) -> bool {
    cx.later().any(|i| match i.change {
        Change::DropTable { name, .. } | Change::Delete { table: name, .. } => {
            name.name == from.name
        }
        Change::DropColumn { table, .. } => table.name == from.name,
        Change::Truncate { tables, .. } => tables.iter().any(|t| t.name == from.name),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn rows_that_are_added_or_moved() {
        use crate::Severity;
        use crate::examples::severities;
        let history = "-- history\nCREATE TABLE s (k text PRIMARY KEY, v text);\n\
                       CREATE TABLE a (id bigint PRIMARY KEY, name text);\n-- up\n";
        let copy = "INSERT INTO s (k, v) SELECT name, 'x' FROM a ON CONFLICT DO NOTHING;";
        for (up, expect) in [
            (copy.to_owned(), Severity::Info),
            (format!("{copy}\nDROP TABLE a;"), Severity::Warning),
            (format!("{copy}\nALTER TABLE a DROP COLUMN name;"), Severity::Warning),
        ] {
            let found = severities(&super::RULE, "postgres", &format!("{history}{up}"));
            assert_eq!(found, [expect], "{up}");
        }
    }

    #[test]
    fn aggregates_make_one_row() {
        cases(
            &super::RULE,
            &[
                (
                    "postgres",
                    r#"-- history
CREATE TABLE s (k text PRIMARY KEY, v text);
CREATE TABLE a (id bigint PRIMARY KEY, name text);
-- up
INSERT INTO s (k, v) SELECT 'first', min(id)::text FROM a ON CONFLICT DO NOTHING;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE s (k text PRIMARY KEY, v text);
CREATE TABLE a (id bigint PRIMARY KEY, name text);
-- up
INSERT INTO s (k, v) SELECT name, min(id)::text FROM a GROUP BY name ON CONFLICT DO NOTHING;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE s (k text PRIMARY KEY, v text);
CREATE TABLE a (id bigint PRIMARY KEY, name text);
-- up
INSERT INTO s (k, v) SELECT name, (SELECT max(id) FROM a)::text FROM a ON CONFLICT DO NOTHING;"#,
                    true,
                ),
            ],
        );
    }
}
