//! BC03.

use downhaul_syntax::{Change, Ident, ObjectName};

use super::drop_column::left_in_trigger;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a column that gets another name: `RENAME COLUMN`, MySQL `CHANGE old new`. On MariaDB and MySQL also, in any
    /// phase, a trigger that goes on calling it by the old one (those of the other servers follow).
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
    if from != to
        && cx.scene.state.catalog.dialect.is_mysql_family()
        && let Some(draft) = left_in_trigger(cx, table, from)
    {
        return Some(draft);
    }
    if from == to || cx.is_contract() || !cx.column_in_use(table, from) {
        return None;
    }
    let follows = cx.later().find_map(|i| match i.change {
        Change::AddColumn { table: t, column, .. } if t.name == table.name => {
            (column.name == *from).then_some(column)
        }
        _ => None,
    });
    if let Some(alias) = follows {
        return if alias.generated.is_some() { None } else { another(cx, table, from, to) };
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

/// A new column has the old name: whether it holds what the old one did, and whether rows that are
/// written without the renamed one are taken.
fn another(cx: &ChangeContext<'_>, table: &ObjectName, from: &Ident, to: &Ident) -> Option<Draft> {
    let of_table = |t: &ObjectName| t.name == table.name;
    let filled = cx.later().any(|i| {
        matches!(i.change, Change::Update { table: t, columns, .. }
            if of_table(t) && columns.contains(from))
    });
    let eased = cx.later().any(|i| match i.change {
        Change::DropNotNull { table: t, column } | Change::DropColumn { table: t, column, .. } => {
            of_table(t) && column == to
        }
        Change::SetDefault { table: t, column, .. } => of_table(t) && column == to,
        _ => false,
    });
    let demanded = !eased
        && cx.column(table, from).is_some_and(|c| {
            let given = c.default.is_some() || c.identity.is_some() || c.auto_increment;
            c.not_null && !given && c.generated.is_none()
        });
    let (readers, severity) = cx.release_use(from, cx.queries.of_column(table, from));
    let what = if demanded {
        format!("its inserts do not name `{to}`, which must not be NULL, and are refused")
    } else {
        format!("it reads an empty column, for the values are in `{to}`")
    };
    (demanded || !filled).then(|| {
        Draft::new(format!(
            "the running release takes the new `{table}.{from}` for the old one: {what}{readers}"
        ))
        .severity(severity)
        .help(format!("leave `{from}` as it is, and add the new column under another name"))
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

    #[test]
    fn another_column_under_the_old_name() {
        for (column, up, expect) in [
            ("a text NOT NULL", "ALTER TABLE t ADD COLUMN a text;", true),
            ("a text", "ALTER TABLE t ADD COLUMN a text;", true),
            ("a text", "ALTER TABLE t ADD COLUMN a int; UPDATE t SET a = length(b);", false),
            (
                "a text NOT NULL",
                "ALTER TABLE t ADD COLUMN a int; UPDATE t SET a = length(b);",
                true,
            ),
            (
                "a text NOT NULL",
                "ALTER TABLE t ADD COLUMN a text GENERATED ALWAYS AS (b) VIRTUAL;",
                false,
            ),
        ] {
            let text = format!(
                "-- history\nCREATE TABLE t (id integer PRIMARY KEY, {column});\n-- up\n\
                 ALTER TABLE t RENAME COLUMN a TO b;\n{up}"
            );
            cases(&super::RULE, &[("sqlite", &text, expect)]);
        }
    }
}
