//! BC08.

use downhaul_syntax::Change;

use crate::effects::logical::required;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `NOT NULL` column that loses its default, its identity or its `AUTO_INCREMENT`, on
    /// a table that existed before this deployment. Also where the same migration added the column
    /// with that default.
    ///
    /// ## Why is this bad
    ///
    /// The running release may leave the column out of its inserts, which are refused from then on.
    /// Some frameworks add a column with a default and drop the default in the same migration: the
    /// release that does not know the column then cannot insert.
    ///
    /// ## What to do
    ///
    /// Keep the default until the release that writes the column is everywhere, and drop it in the
    /// contract phase.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN total DROP DEFAULT;
    /// ```
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders ADD COLUMN n int NOT NULL DEFAULT 0;
    /// ALTER TABLE orders ALTER COLUMN n DROP DEFAULT;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// -- downhaul:phase contract
    /// ALTER TABLE orders ALTER COLUMN total DROP DEFAULT;
    /// ```
    "BC08" "drop-default"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (table, column) = match cx.change {
        Change::DropDefault { table, column } | Change::DropIdentity { table, column, .. } => {
            (table, column)
        }
        Change::ModifyColumn { table, from, column, .. }
            if column.not_null && required(column, cx.catalog) =>
        {
            (table, from)
        }
        _ => return None,
    };
    if cx.is_contract() || !cx.in_use(table) {
        return None;
    }
    let filled = match cx.column(table, column) {
        Some(c) => c.not_null && (c.default.is_some() || c.identity.is_some() || c.auto_increment),
        None => {
            !matches!(cx.change, Change::ModifyColumn { .. }) && cx.column_in_use(table, column)
        }
    };
    // A new default may follow.
    let again = cx.later().any(|i| {
        matches!(i.change, Change::SetDefault { table: t, column: c, .. }
            | Change::AddIdentity { table: t, column: c, .. }
            | Change::DropNotNull { table: t, column: c }
            | Change::DropColumn { table: t, column: c, .. }
            if t.name == table.name && c == column)
    });
    if !filled || again {
        return None;
    }
    let (writers, severity) = cx.release_writes(cx.queries.of_table(table));
    Some(
        Draft::new(format!(
            "inserts of the running release that leave out `{table}.{column}` are refused without \
             its default{writers}"
        ))
        .severity(severity)
        .help("keep it until the release that writes the column is everywhere"),
    )
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
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders ALTER COLUMN note DROP DEFAULT;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders ALTER COLUMN total DROP DEFAULT;
ALTER TABLE orders ALTER COLUMN total SET DEFAULT 1;"#,
                    false,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a int NOT NULL DEFAULT 1);
-- up
ALTER TABLE t MODIFY a bigint NOT NULL;"#,
                    true,
                ),
            ],
        );
    }
}
