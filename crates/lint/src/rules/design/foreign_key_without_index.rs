//! DS07.

use downhaul_catalog::{Index, Table};
use downhaul_syntax::{Change, ConstraintDef, ConstraintKind, Dialect, Ident};

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;
use crate::state::index_leads_with;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a foreign key whose columns no index of the referencing table begins with.
    ///
    /// ## Why is this bad
    ///
    /// A `DELETE` or an update of the key in the referenced table reads the whole referencing table
    /// for each row. MySQL and MariaDB make the index themselves, PostgreSQL and SQLite do not.
    ///
    /// ## What to do
    ///
    /// Create an index on the columns; on a table that holds rows `CONCURRENTLY`, before the
    /// constraint.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres
    /// -- history
    /// CREATE TABLE p (id bigint PRIMARY KEY);
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, p bigint REFERENCES p);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- history
    /// CREATE TABLE p (id bigint PRIMARY KEY);
    /// -- up
    /// CREATE TABLE t (id bigint PRIMARY KEY, p bigint REFERENCES p);
    /// CREATE INDEX t_p ON t (p);
    /// ```
    "DS07" "foreign-key-without-index"
    severity: Warning,
    dialects: &[downhaul_syntax::Dialect::Postgres, downhaul_syntax::Dialect::Sqlite],
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let Some(up) = cx.up else { return Vec::new() };
    let mut out = Vec::new();
    for item in up.items.iter().filter(|i| !i.nested) {
        let (table, constraints): (_, Vec<&ConstraintDef>) = match item.change {
            Change::CreateTable { def, .. } => {
                let inline = def.columns.iter().flat_map(|c| &c.constraints);
                (&def.name, def.constraints.iter().chain(inline).collect())
            }
            Change::AddColumn { table, column, .. } => (table, column.constraints.iter().collect()),
            Change::AddConstraint { table, constraint, .. } => (table, vec![constraint]),
            _ => continue,
        };
        // Judged at the end of the migration, which may have made the index, or dropped the table.
        let Some(known) = cx.after.table(table) else { continue };
        for constraint in constraints {
            let ConstraintKind::ForeignKey { columns, table: to, .. } = &constraint.kind else {
                continue;
            };
            let small = !cx.after.in_use(to) && cx.after.options.small_tables.contains(&to.name);
            if small || covered(known, columns) {
                continue;
            }
            let dialect = cx.after.dialect();
            let names = columns.iter().map(Ident::as_str).collect::<Vec<_>>().join("`, `");
            let quoted: Vec<String> = columns.iter().map(|c| dialect.quote_if_needed(c)).collect();
            let on_line = dialect == Dialect::Postgres && cx.after.populated(table);
            let index = format!(
                "CREATE INDEX {}ON {} ({})",
                if on_line { "CONCURRENTLY " } else { "" },
                dialect.quote_name_if_needed(table),
                quoted.join(", ")
            );
            out.push(
                Draft::new(format!(
                    "no index on `{table}` begins with `{names}`: each delete in `{to}` reads all of it"
                ))
                .help(index)
                .at(if constraint.span.is_empty() { item.span } else { constraint.span }),
            );
        }
    }
    out
}

/// An index, unique constraint or primary key begins with these columns.
fn covered(table: &Table, columns: &[Ident]) -> bool {
    let by_constraint = table.constraints.iter().any(|c| match &c.kind {
        ConstraintKind::PrimaryKey { columns: key, .. }
        | ConstraintKind::Unique { columns: key, .. } => {
            key.len() >= columns.len() && key[..columns.len()].iter().all(|k| columns.contains(k))
        }
        _ => false,
    });
    by_constraint
        || table
            .indexes
            .iter()
            .any(|i| !leaves_rows_out(i, columns) && index_leads_with(&i.parts, columns))
}

/// A partial index serves a foreign key only where all it leaves out is NULL.
fn leaves_rows_out(index: &Index, columns: &[Ident]) -> bool {
    index.predicate.as_ref().is_some_and(|p| {
        let text = p.text.to_lowercase();
        !(text.contains("is not null")
            && !text.contains(" and ")
            && p.columns.iter().all(|c| columns.contains(c)))
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
                    "postgres",
                    "-- history\nCREATE TABLE p (id int PRIMARY KEY);\nCREATE TABLE t (p int);\nCREATE INDEX ON t (p);\n-- up\nALTER TABLE t ADD FOREIGN KEY (p) REFERENCES p NOT VALID;",
                    false,
                ),
                (
                    "postgres",
                    "-- up\nCREATE TABLE p (id int PRIMARY KEY);\nCREATE TABLE t (p int REFERENCES p, q int, PRIMARY KEY (p, q));",
                    false,
                ),
                (
                    "sqlite",
                    "-- up\nCREATE TABLE p (id integer PRIMARY KEY);\nCREATE TABLE t (p int REFERENCES p);",
                    true,
                ),
                (
                    "postgres",
                    "-- up\nCREATE TABLE p (id int PRIMARY KEY);\nCREATE TABLE t (p int REFERENCES p);\nCREATE INDEX ON t (p) WHERE p IS NOT NULL;",
                    false,
                ),
            ],
        );
    }
}
