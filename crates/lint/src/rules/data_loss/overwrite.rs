//! DL08.

use downhaul_syntax::change::{InsertConflict, RowFilter};
use downhaul_syntax::{Change, ConstraintKind, ObjectName};

use crate::Severity;

use crate::context::ChangeContext;
use crate::effects::inserted::meets_no_row;
use crate::finding::Draft;
use crate::rule::declare_rule;
use crate::state::fills_nulls;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `INSERT … ON CONFLICT DO UPDATE`, `ON DUPLICATE KEY UPDATE`, `REPLACE INTO`, `MERGE`
    /// and an `UPDATE` with a condition, where they overwrite values that were there before this
    /// deployment. Silent where each column is set to what it is (`ON DUPLICATE KEY UPDATE id = id`).
    /// Information where the runner keeps a restore point, and where the migrations fill the table with
    /// constants and none of them inserted such a key. An `UPDATE` that only fills what is NULL loses
    /// which rows were.
    ///
    /// ## Why is this bad
    ///
    /// The old values are gone. `REPLACE` even deletes the row first: columns that it does not name
    /// lose their values, and rows that reference it go with `ON DELETE CASCADE`.
    ///
    /// ## What to do
    ///
    /// Let Downhaul run the migration, which keeps the old rows; or copy them to another place
    /// first.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres no-restore-points
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// UPDATE orders SET state = 'done' WHERE state = 'finished';
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// INSERT INTO customers (id) VALUES (1);
    /// ```
    "DL08" "overwrite"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (table, how) = match cx.change {
        Change::Insert { conflict: InsertConflict::Update, .. } if keeps_all(cx) => return None,
        Change::Insert { table, conflict: InsertConflict::Update, .. } => {
            (table, "rows that are there already are overwritten")
        }
        Change::Insert { table, conflict: InsertConflict::Replace, .. } if keyless(cx, table) => {
            return None;
        }
        Change::Insert { table, conflict: InsertConflict::Replace, .. } => {
            (table, "rows that are there already are deleted and written anew")
        }
        Change::Merge { query, .. } if only_inserts(&query.text) => return None,
        Change::Merge { table, .. } => (table, "rows that match are overwritten"),
        Change::Update { table, columns, rows: RowFilter::Where(_), .. } => {
            if !columns.iter().any(|c| cx.column_in_use(table, c)) {
                return None;
            }
            (table, "old values are overwritten")
        }
        Change::Delete { table, rows: RowFilter::Where(_), .. } => (table, "rows are deleted"),
        _ => return None,
    };
    if !cx.in_use(table) {
        return None;
    }
    let what = match fills_nulls(cx.change) {
        true => format!(
            "NULLs in {} get a value, and which rows had none is not known afterwards",
            cx.describe(table)
        ),
        false => format!("{how} in {}", cx.describe(table)),
    };
    let draft = Draft::new(what);
    if meets_no_row(cx.change, cx.scene) {
        return Some(
            draft.severity(Severity::Info).help("no migration inserted a row with such a key"),
        );
    }
    Some(if cx.protected(table) {
        draft
            .severity(Severity::Info)
            .help("`downhaul up` keeps them first; another tool would not (`runner = \"other\"`)")
    } else {
        draft.help("let Downhaul keep a restore point, or copy them to another place first")
    })
}

/// `MERGE … WHEN NOT MATCHED THEN INSERT …` and nothing else: what is there stays.
fn only_inserts(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    !words.windows(2).any(|pair| {
        pair[0] == "then" && (pair[1].starts_with("update") || pair[1].starts_with("delete"))
    })
}

/// `ON DUPLICATE KEY UPDATE id = id`, `DO UPDATE SET name = t.name`: a row that is there stays as it is.
fn keeps_all(cx: &ChangeContext<'_>) -> bool {
    let text = cx.statement.statement.text.to_lowercase();
    let behind = ["on duplicate key update ", "do update set "]
        .iter()
        .find_map(|words| text.split_once(words).map(|(_, rest)| rest.trim_end_matches(';')));
    let own = |side: &str| {
        let plain = side.trim().replace(['`', '"'], "");
        let simple = plain.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        let new = plain.starts_with("excluded.") || plain.starts_with("new.");
        (simple && !new).then(|| plain.rsplit('.').next().map(str::to_owned)).flatten()
    };
    behind.is_some_and(|assignments| {
        assignments.split(',').all(|assignment| {
            assignment.split_once('=').is_some_and(|(left, right)| {
                own(left).is_some_and(|left| !left.is_empty() && own(right) == Some(left))
            })
        })
    })
}

/// Nothing in the table is unique, so that no row can be in the way.
fn keyless(cx: &ChangeContext<'_>, table: &ObjectName) -> bool {
    cx.table(table).is_some_and(|t| {
        !t.assumed
            && !t.indexes.iter().any(|i| i.unique)
            && !t.constraints.iter().any(|c| {
                matches!(c.kind, ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. })
            })
    })
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[
                (
                    "mysql no-restore-points",
                    r#"-- history
CREATE TABLE t (a int PRIMARY KEY);
-- up
REPLACE INTO t VALUES (1);"#,
                    true,
                ),
                // One of the rows has drawn this number.
                (
                    "mysql no-restore-points",
                    r#"-- history
CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, v text);
INSERT INTO t (v) VALUES ('a'), ('b');
-- up
REPLACE INTO t (id, v) VALUES (2, 'c');"#,
                    true,
                ),
            ],
        );
    }

    #[test]
    fn a_merge_that_only_inserts() {
        let history = "-- history\nCREATE TABLE t (a int PRIMARY KEY, b int);\n-- up\nMERGE INTO t \
                       USING (VALUES (1, 2)) s (a, b) ON t.a = s.a ";
        for (what, expect) in [
            ("WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.b);", false),
            ("WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.b);", false),
            (
                "WHEN MATCHED THEN UPDATE SET b = s.b WHEN NOT MATCHED THEN INSERT VALUES (s.a, s.b);",
                true,
            ),
            ("WHEN MATCHED THEN\n DELETE;", true),
        ] {
            cases(
                &super::RULE,
                &[("postgres no-restore-points", &format!("{history}{what}"), expect)],
            );
        }
    }

    #[test]
    fn only_null_is_filled() {
        use super::*;
        use downhaul_syntax::{Dialect, parse_script};
        for (text, expect) in [
            ("UPDATE t SET a = 1 WHERE a IS NULL", true),
            ("UPDATE t SET a = 1, b = 2 WHERE t.a IS NULL AND b IS NULL AND id < 5", true),
            ("UPDATE t SET a = 1, b = 2 WHERE a IS NULL", false),
            ("UPDATE t SET a = 1 WHERE a IS NULL OR a = 0", false),
            ("UPDATE t SET a = 1", false),
        ] {
            let script = parse_script(text, Dialect::Postgres);
            let fills = script.statements[0].changes().iter().all(fills_nulls);
            assert_eq!(fills, expect, "{text}");
        }
    }
}
