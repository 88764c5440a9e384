//! BC03.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a column that gets another name: `RENAME COLUMN`, MySQL `CHANGE old new`.
    ///
    /// ## Why is this bad
    ///
    /// The running release keeps using the old name until it is replaced everywhere; there is no
    /// moment at which both releases work.
    ///
    /// ## What to do
    ///
    /// Add a column with the new name, keep the two in step with a trigger, backfill, release code
    /// that uses the new name, drop the old one later. Where the old name can be a generated column
    /// that repeats the new one, readers go on working.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders RENAME COLUMN note TO remark;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders ADD COLUMN remark text;
    /// ```
    "BC03" "rename-column"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (table, from, to) = match cx.change {
        Change::RenameColumn { table, from, to } => (table, from, to),
        Change::ModifyColumn { table, from, column, .. } => (table, from, &column.name),
        _ => return None,
    };
    if from == to || cx.is_contract() || !cx.column_in_use(table, from) {
        return None;
    }
    let alias_follows = cx.later().any(|i| {
        matches!(i.change, Change::AddColumn { table: t, column, .. }
            if t.name == table.name && column.name == *from)
    });
    if alias_follows {
        return None;
    }
    let (readers, severity) = cx.release_use(from, cx.queries.of_column(table, from));
    Some(
        Draft::new(format!(
            "the running release still calls the column `{table}.{from}`: its statements fail once \
             it is called `{to}`{readers}"
        ))
        .severity(severity)
        .help(format!(
            "add `{to}`, keep both in step with a trigger, backfill, switch the code, then drop \
             `{from}` in a later migration"
        )),
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
                    "mysql",
                    r#"-- history
CREATE TABLE t (id int PRIMARY KEY, a int);
-- up
ALTER TABLE t CHANGE a b int;"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (id int PRIMARY KEY, a int);
-- up
ALTER TABLE t CHANGE a a bigint;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TABLE t (a int);
ALTER TABLE t RENAME a TO b;"#,
                    false,
                ),
            ],
        );
    }
}
