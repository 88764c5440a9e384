//! LK14.

use downhaul_syntax::change::RowFilter;
use downhaul_syntax::{Change, ConstraintKind, ObjectName};

use crate::Severity;
use crate::effects::Blocks;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a scan, an index build or a change of rows in a transaction that already holds an
    /// `ACCESS EXCLUSIVE` lock on a populated table, and says which statement took it.
    ///
    /// ## Why is this bad
    ///
    /// A short lock becomes a long one: nobody reads or writes the table until the whole
    /// transaction is over.
    ///
    /// ## What to do
    ///
    /// Put the statement in a migration of its own.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// ALTER TABLE orders ADD COLUMN channel text;
    /// UPDATE orders SET channel = 'web';
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
    /// ALTER TABLE orders ADD COLUMN channel text;
    /// ALTER TABLE orders ALTER COLUMN channel SET DEFAULT 'web';
    /// ```
    "LK14" "statement-after-strong-lock"
    severity: Error,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    copied_under_lock(cx).or_else(|| under_strong_lock(cx))
}

/// Rows are copied from a table that nobody can write to until the transaction ends, as after a
/// foreign key to it.
fn copied_under_lock(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::Insert { from_query: Some(query), .. } = cx.change else { return None };
    let tables: Vec<_> = query.tables.iter().map(|t| cx.catalog.normalize(t)).collect();
    let held = cx.held.iter().find(|h| {
        h.blocks == Blocks::Writes && tables.contains(&h.table) && cx.populated(&h.table)
    })?;
    Some(
        Draft::new(format!(
            "copying rows of {} while line {} holds {} on it: nobody can write there until this is \
             done",
            cx.describe(&held.table),
            held.line,
            held.mode
        ))
        .severity(Severity::Warning)
        .help("add the foreign key behind the copy, NOT VALID, or copy in a migration of its own")
        .once(),
    )
}

fn under_strong_lock(cx: &ChangeContext<'_>) -> Option<Draft> {
    let held = cx.held.iter().find(|h| {
        h.blocks >= Blocks::Reads && h.statement != cx.statement.index && cx.populated(&h.table)
    })?;
    let (what, sure) = match cx.change {
        // These have rules of their own, and the lock is part of what they say.
        Change::ValidateConstraint { .. } => return None,
        Change::Update { table, rows, .. } | Change::Delete { table, rows, .. }
            if cx.populated(table) =>
        {
            (format!("changing rows of {}", cx.describe(table)), *rows == RowFilter::All)
        }
        Change::Insert { from_query: Some(query), .. } => {
            let from = cx.populated_of(&query.tables);
            let first = from.first()?;
            (format!("copying rows of {}", cx.describe(first)), true)
        }
        Change::Insert { .. } | Change::Update { .. } | Change::Delete { .. } => return None,
        Change::SetSequenceValue { .. } => {
            let table = largest_sought(cx)?;
            (format!("looking for the largest number in {}", cx.describe(table)), true)
        }
        // With no row that refers, PostgreSQL does not read the referenced table (run on 15).
        Change::AddConstraint { table, constraint, .. }
            if matches!(constraint.kind, ConstraintKind::ForeignKey { .. })
                && !cx.in_use(table)
                && !cx.earlier().any(|i| fills(i.change, table)) =>
        {
            return None;
        }
        _ => {
            let long = [&cx.effects.rewrites, &cx.effects.builds_indexes, &cx.effects.scans];
            let table =
                long.into_iter().find_map(|tables| cx.populated_of(tables).first().copied())?;
            let what = if cx.effects.rewrites.contains(table) {
                "writing anew"
            } else if cx.effects.builds_indexes.contains(table) {
                "building an index on"
            } else {
                "reading all of"
            };
            (format!("{what} {}", cx.describe(table)), true)
        }
    };
    let draft = Draft::new(format!(
        "{what} while line {} holds {} on `{}`, which nobody can read or write until this is done",
        held.line, held.mode, held.table
    ))
    .help("put it in a migration of its own");
    Some(if sure { draft } else { draft.severity(Severity::Warning) }.once())
}

/// The table that `setval('s', max(id))` reads all of, for no index leads to the largest.
fn largest_sought<'a>(cx: &ChangeContext<'a>) -> Option<&'a ObjectName> {
    let query = cx.statement.statement.changes().iter().find_map(|c| match c {
        Change::Select { query } => Some(query),
        _ => None,
    })?;
    let [table] = &query.tables[..] else { return None };
    let flat: String = query.text.split_whitespace().collect();
    let lower = flat.to_lowercase().replace('"', "");
    let column = lower.split("max(").nth(1)?.split(')').next()?.rsplit('.').next()?.to_owned();
    let known = cx.table(table).filter(|t| !t.assumed)?;
    let column = known.columns.iter().find(|c| c.name.as_str().eq_ignore_ascii_case(&column))?;
    (cx.populated(table) && !cx.is_indexed(table, &column.name)).then_some(table)
}

fn fills(change: &Change, table: &ObjectName) -> bool {
    match change {
        Change::Insert { table: into, .. }
        | Change::Merge { table: into, .. }
        | Change::CopyFrom { table: into, .. } => into.name == table.name,
        Change::CreateTable { def, .. } => def.as_query.is_some() && def.name.name == table.name,
        Change::Call { .. } | Change::DynamicUnknown { .. } => true,
        _ => false,
    }
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
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
-- up
ALTER TABLE orders ADD COLUMN a int;
CREATE INDEX i ON orders (a);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
-- up
ALTER TABLE orders ADD COLUMN a int;
INSERT INTO customers VALUES (1);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE runs (id bigint NOT NULL, log text);
-- up
CREATE SEQUENCE runs_id_seq OWNED BY runs.id;
ALTER TABLE runs ALTER COLUMN id SET DEFAULT nextval('runs_id_seq');
SELECT setval('runs_id_seq', MAX(id)) FROM runs;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE runs (id bigint PRIMARY KEY, log text);
-- up
CREATE SEQUENCE runs_id_seq OWNED BY runs.id;
ALTER TABLE runs ALTER COLUMN id SET DEFAULT nextval('runs_id_seq');
SELECT setval('runs_id_seq', (SELECT MAX(id) FROM runs));"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TABLE t (a int);
ALTER TABLE t ADD b int;
UPDATE t SET b = 1;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY);
-- up
ALTER TABLE orders ADD COLUMN a int;
CREATE TABLE lines (id bigint PRIMARY KEY, customer bigint);
ALTER TABLE lines ADD FOREIGN KEY (customer) REFERENCES customers (id);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY);
-- up
ALTER TABLE orders ADD COLUMN a int;
CREATE TABLE lines (id bigint PRIMARY KEY, customer bigint);
INSERT INTO lines VALUES (1, 1);
ALTER TABLE lines ADD FOREIGN KEY (customer) REFERENCES customers (id);"#,
                    true,
                ),
            ],
        );
    }
}
