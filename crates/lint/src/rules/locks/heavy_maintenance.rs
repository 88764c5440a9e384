//! LK11.

use downhaul_catalog::Table;
use downhaul_syntax::change::ReindexTarget;
use downhaul_syntax::{Change, ConstraintKind, Dialect, ObjectName};

use crate::Severity;
use crate::effects::Blocks;
use crate::effects::postgres::stays_in_tablespace;
use crate::effects::sqlite;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports what writes a whole table anew for upkeep: `VACUUM FULL`, `CLUSTER`, `SET LOGGED`,
    /// `SET UNLOGGED`, `SET TABLESPACE`, `SET ACCESS METHOD`, `REFRESH MATERIALIZED VIEW` without
    /// `CONCURRENTLY`, `OPTIMIZE TABLE`, `ALTER TABLE … ENGINE=` and `FORCE`, SQLite `VACUUM`.
    /// SQLite's `ANALYZE` too, unless `PRAGMA analysis_limit` is set: it reads every index.
    ///
    /// ## Why is this bad
    ///
    /// The table is locked for as long as it takes to copy it: on PostgreSQL nobody reads or
    /// writes.
    ///
    /// ## What to do
    ///
    /// Use `pg_repack`, `REFRESH … CONCURRENTLY` (needs a unique index), or an online schema change
    /// tool; otherwise a maintenance window.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// REFRESH MATERIALIZED VIEW totals;
    /// ```
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// -- up
    /// -- downhaul:no-transaction
    /// VACUUM FULL orders;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
    /// CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
    /// CREATE UNIQUE INDEX totals_one ON totals (customer);
    /// -- up
    /// REFRESH MATERIALIZED VIEW CONCURRENTLY totals;
    /// ```
    "LK11" "heavy-maintenance"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (what, all) = match cx.change {
        Change::Vacuum { full: true, tables } => {
            let sqlite = cx.dialect() == Dialect::Sqlite;
            (if sqlite { "VACUUM" } else { "VACUUM FULL" }, tables.is_empty())
        }
        Change::Cluster { table } => ("CLUSTER", table.is_none()),
        Change::SetLogged { .. } => ("changing whether it is logged", false),
        change if stays_in_tablespace(change, &cx.scene.state) => return None,
        Change::SetTablespace { .. } => ("moving it to another tablespace", false),
        Change::SetAccessMethod { .. } => ("changing its access method", false),
        Change::RefreshMaterializedView { concurrently: false, name, .. } => {
            let view = cx.catalog.view(name);
            if view.is_some_and(|v| v.no_data || !cx.existed(v.origin))
                || view.is_none() && cx.surely_absent_view(name)
            {
                return None;
            }
            return Some(
                Draft::new(format!("readers of `{name}` wait until it is filled anew"))
                    .help("use REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index"),
            );
        }
        Change::CreateView { name, materialized: true, no_data: false, .. } => {
            return filled_behind_a_lock(cx, name);
        }
        Change::Reindex { target: ReindexTarget::Database, .. }
            if cx.dialect() == Dialect::Sqlite =>
        {
            return cx.catalog.tables.keys().any(|t| cx.in_use(t)).then(|| {
                Draft::new("REINDEX builds every index anew while writes wait")
                    .help("name the one index that needs it")
                    .severity(Severity::Warning)
            });
        }
        Change::Analyze { tables } if cx.dialect() == Dialect::Sqlite => {
            return analyzed(cx, tables);
        }
        Change::OptimizeTable { .. } => ("OPTIMIZE TABLE", false),
        Change::SetTableOptions { .. } => ("changing its engine or row format", false),
        Change::MysqlTableVerb { .. } => ("this", false),
        _ => return None,
    };
    let tables = cx.populated_of(&cx.effects.rewrites);
    if tables.is_empty() && !all {
        return None;
    }
    let waits = cx.effects.locks.iter().map(|l| l.blocks).max().unwrap_or(Blocks::Reads);
    let names: Vec<String> = tables.iter().map(|t| cx.describe(t)).collect();
    let names = if all { "every table".to_owned() } else { names.join(", ") };
    let draft = if waits >= Blocks::Writes || all {
        Draft::new(format!("{what} writes {names} anew while {} wait", waits.for_people()))
    } else {
        Draft::new(format!("{what} writes {names} anew: replicas fall behind for as long"))
            .severity(Severity::Warning)
    };
    Some(draft.help("use an online tool (pg_repack, gh-ost), or a maintenance window"))
}

/// How many SQLite has of a table, those of its keys included.
fn indexes(table: &Table) -> u64 {
    let keys = table.constraints.iter().filter(|c| {
        matches!(c.kind, ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. })
    });
    u64::try_from(table.indexes.iter().count() + keys.count()).unwrap_or(u64::MAX)
}

/// SQLite reads every index in full for its statistics, and holds the only writer meanwhile, unless a
/// limit is set.
fn analyzed(cx: &ChangeContext<'_>, names: &[ObjectName]) -> Option<Draft> {
    /// Rows that an index keeps a sample of, and what one fills.
    const SAMPLES: u64 = 24;
    const SAMPLE_BYTES: u64 = 80;
    /// Entries that are read at once.
    const MANY: u64 = 1_000_000;
    let limit = cx.scene.settings.get("analysis_limit").map_or("0", |limit| limit.trim());
    if limit != "0" {
        return None;
    }
    let tables = cx.catalog.tables.values().filter(|t| {
        let index = |name: &ObjectName| t.indexes.named(&name.name).is_some();
        (names.is_empty() || names.iter().any(|n| n.name == t.name.name || index(n)))
            && indexes(t) > 0
            && cx.in_use(&t.name)
    });
    // Entries that are read, and bytes that are written; `None` where the rows are not known.
    let mut known = Some((0_u64, 0_u64));
    for table in tables {
        let indexes = indexes(table);
        if cx.rows_put_in(&table.name).is_none() && !cx.populated(&table.name) {
            continue;
        }
        known = known.zip(cx.rows_put_in(&table.name)).map(|((read, written), rows)| {
            let samples = rows.min(SAMPLES).saturating_mul(SAMPLE_BYTES);
            let more = samples.saturating_mul(indexes);
            (read.saturating_add(rows.saturating_mul(indexes)), written.saturating_add(more))
        });
    }
    known.is_none_or(|(read, written)| read > MANY || written > sqlite::FEW_BYTES).then(|| {
        Draft::new("ANALYZE reads every index in full, and nobody else can write meanwhile")
            .help("set `PRAGMA analysis_limit = 400` before, or use `PRAGMA optimize`")
            .severity(Severity::Warning)
    })
}

/// A materialized view is dropped and made again: its readers wait for the query.
fn filled_behind_a_lock(cx: &ChangeContext<'_>, name: &ObjectName) -> Option<Draft> {
    let transaction = cx.statement.transaction;
    let dropped = cx.earlier().any(|i| {
        matches!(i.change, Change::DropView { name: old, .. } if old.name == name.name)
            && cx.facts.statements[i.statement].transaction == transaction
    });
    dropped.then(|| {
        Draft::new(format!("readers of `{name}` wait until it is filled anew"))
            .help("make it under another name, fill it, and swap the names")
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
                ("sqlite", "-- history\nCREATE TABLE t (a int);\n-- up\nREINDEX;", true),
                (
                    "sqlite",
                    "-- history\nCREATE TABLE t (a int);\nCREATE INDEX i ON t (a);\n-- up\nANALYZE;",
                    true,
                ),
                (
                    "sqlite",
                    "-- history\nCREATE TABLE t (a int);\nCREATE INDEX i ON t (a);\n-- up\n\
                     PRAGMA analysis_limit = 400;\nANALYZE;",
                    false,
                ),
                ("sqlite", "-- history\nCREATE TABLE t (a int);\n-- up\nANALYZE t;", false),
                (
                    "sqlite",
                    "-- history\nCREATE TABLE t (a int, b int UNIQUE);\n-- up\nANALYZE t;",
                    true,
                ),
                (
                    "sqlite",
                    "-- history\nCREATE TABLE t (a int);\nCREATE INDEX i ON t (a);\n-- up\nREINDEX i;",
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
-- up
ALTER TABLE orders SET UNLOGGED;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
-- up
ALTER TABLE orders SET LOGGED;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
-- up
CLUSTER orders USING orders_pkey;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, total numeric(10,2) NOT NULL);
CREATE MATERIALIZED VIEW totals AS SELECT customer, total FROM orders;
-- up
ALTER TABLE orders SET TABLESPACE fast;"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a int) ENGINE=InnoDB;
-- up
ALTER TABLE t ENGINE=MyISAM;"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a int);
-- up
ALTER TABLE t COMMENT="x";"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- up
VACUUM t;"#,
                    false,
                ),
            ],
        );
    }
}
