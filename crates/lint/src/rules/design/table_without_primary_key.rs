//! DS09.

use downhaul_syntax::{Change, Dialect, Partitioning};

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a new table without a primary key.
    ///
    /// ## Why is this bad
    ///
    /// A row cannot be named: logical replication refuses updates and deletes, online schema change
    /// tools refuse the table, and Downhaul cannot keep what a statement changes in it row by row.
    /// MySQL adds a hidden key of its own.
    ///
    /// ## What to do
    ///
    /// Give it a primary key; a table that joins two others has both references as its key.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (a int, b int);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- up
    /// CREATE TABLE t (a int, b int, PRIMARY KEY (a, b));
    /// ```
    "DS09" "table-without-primary-key"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let Some(up) = cx.up else { return Vec::new() };
    up.items
        .iter()
        .filter_map(|item| {
            let Change::CreateTable { def, .. } = item.change else { return None };
            let partition = matches!(def.partitioning, Some(Partitioning::Of { .. }));
            if def.temporary || partition || !def.inherits.is_empty() || def.as_query.is_some() {
                return None;
            }
            let table = cx.after.table(&def.name)?;
            let rowid = cx.after.dialect() == Dialect::Sqlite && def.columns.is_empty();
            let like = def.like.iter().any(|(_, included)| {
                let included = included.to_lowercase();
                cx.after.dialect() != Dialect::Postgres
                    || included.contains("all")
                    || included.contains("index")
            });
            (table.primary_key().is_empty() && !rowid && !like && !table.columns_unknown).then(|| {
                Draft::new(format!("`{}` has no primary key", def.name))
                    .help("give it one; a table that joins two others has both references as its key")
                    .at(item.span)
            })
        })
        .collect()
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
                    "-- up\nCREATE TABLE t (a int);\nALTER TABLE t ADD PRIMARY KEY (a);",
                    false,
                ),
                ("postgres", "-- up\nCREATE TEMP TABLE t (a int);", false),
                ("mysql", "-- up\nCREATE TABLE t (a int) ENGINE=InnoDB;", true),
                (
                    "postgres",
                    "-- up\nCREATE TABLE p (a int PRIMARY KEY) PARTITION BY LIST (a);\nCREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);",
                    false,
                ),
            ],
        );
    }
}
