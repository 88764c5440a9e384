//! BC06.

use downhaul_syntax::Change;

use crate::effects::logical::required;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a new column that is `NOT NULL` and has no default, on a table that existed before
    /// this deployment.
    ///
    /// ## Why is this bad
    ///
    /// On PostgreSQL and SQLite the statement fails as soon as the table holds a row. MySQL fills
    /// the rows with an invented value (0, an empty string, the zero date). In any case inserts of
    /// the running release, which do not know the column, are refused.
    ///
    /// ## What to do
    ///
    /// Give it a constant default (on PostgreSQL 11 and later, MySQL 8 and MariaDB that writes no
    /// row anew), or add it nullable, backfill, and demand a value later.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders ADD COLUMN channel text NOT NULL;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders ADD COLUMN channel text NOT NULL DEFAULT 'web';
    /// ```
    "BC06" "add-required-column"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::AddColumn { table, column, if_not_exists, .. } = cx.change else { return None };
    if !required(column, cx.catalog) || !cx.in_use(table) {
        return None;
    }
    if *if_not_exists && cx.column(table, &column.name).is_some() {
        return None;
    }
    let name = &column.name;
    let what = if cx.dialect().is_mysql_family() {
        format!(
            "existing rows of `{table}` silently get an invented value for `{name}`, and inserts of the running release are refused"
        )
    } else {
        format!(
            "adding `{name}` fails if `{table}` holds a row, and inserts of the running release are refused"
        )
    };
    let writers = cx.broken_queries(cx.queries.of_table(table));
    Some(
        Draft::new(format!("{what}: it is NOT NULL and has no default{writers}"))
            .help("give it a default, or add it nullable, backfill it, and demand a value later"),
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
ALTER TABLE orders ADD COLUMN n serial NOT NULL;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders ADD COLUMN n int GENERATED ALWAYS AS IDENTITY;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders ADD COLUMN n int NOT NULL DEFAULT NULL;"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a int);
-- up
ALTER TABLE t ADD b int NOT NULL;"#,
                    true,
                ),
                (
                    "sqlite",
                    r#"-- history
CREATE TABLE t (a int);
-- up
ALTER TABLE t ADD b int NOT NULL;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TABLE t (a int);
ALTER TABLE t ADD b int NOT NULL;"#,
                    false,
                ),
            ],
        );
    }
}
