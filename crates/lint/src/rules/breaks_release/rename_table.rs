//! BC04.

use downhaul_syntax::{Change, Dialect, ObjectKind, ObjectName};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a table or view that gets another name or schema: `RENAME TO`, `RENAME TABLE`, `SET
    /// SCHEMA`.
    ///
    /// ## Why is this bad
    ///
    /// The running release keeps using the old name until it is replaced everywhere.
    ///
    /// ## What to do
    ///
    /// In the same transaction create a view under the old name: a view on one table can be written
    /// through. Drop the view in a later migration.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders RENAME TO purchases;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
    /// -- up
    /// ALTER TABLE orders RENAME TO purchases;
    /// CREATE VIEW orders AS SELECT * FROM purchases;
    /// ```
    "BC04" "rename-table"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (name, what) = match cx.change {
        Change::RenameTable { from, to } => (from, format!("is called `{to}`")),
        Change::SetSchema {
            kind: ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView,
            name,
            schema,
        } => (name, format!("has moved to schema `{schema}`")),
        Change::Rename { kind: ObjectKind::Schema, from, to, .. } => {
            let used = cx.tables_in_schema(&from.name).iter().any(|t| cx.in_use(t));
            if !used || cx.is_contract() {
                return None;
            }
            return Some(
                Draft::new(format!(
                    "the running release still uses the tables of schema `{from}`, which would be \
                     called `{to}`"
                ))
                .help("create the new schema beside the old one and move tables one by one"),
            );
        }
        _ => return None,
    };
    if cx.is_contract() || !cx.relation_in_use(name) || cx.in_rebuild() {
        return None;
    }
    // SQLite writes through no view, unless a trigger does it.
    let written = cx.dialect() != Dialect::Sqlite
        || cx.later().any(
            |i| matches!(i.change, Change::CreateTrigger { def, .. } if def.table.name == name.name),
        );
    let view_follows = written
        && cx.later_in_transaction().any(
            |i| matches!(i.change, Change::CreateView { name: view, .. } if view.name == name.name),
        );
    // A table that takes the old place keeps old statements going: the swap of a copy.
    let table_follows = cx
        .later_in_transaction()
        .any(|i| matches!(i.change, Change::RenameTable { to, .. } if to.name == name.name));
    // Its name is as young as this migration.
    let renamed_here = cx
        .earlier()
        .any(|i| matches!(i.change, Change::RenameTable { to, .. } if to.name == name.name));
    if renamed_here {
        return None;
    }
    if view_follows && let Some(draft) = loses_grants(cx, name) {
        return Some(draft);
    }
    if view_follows || table_follows {
        return None;
    }
    let (readers, severity) = cx.release_use(&name.name, cx.queries.of_table(name));
    Some(
        Draft::new(format!(
            "the running release still uses `{name}`: its statements fail once the table \
             {what}{readers}"
        ))
        .severity(severity)
        .help(format!(
            "in the same transaction create a view `{name}` on the new name, and drop it in a \
             later migration"
        ))
        .rewrite(match cx.change {
            Change::RenameTable { to, .. } => {
                let d = cx.dialect();
                format!(
                    "CREATE VIEW {} AS SELECT * FROM {};",
                    d.quote_name_if_needed(name),
                    d.quote_name_if_needed(to)
                )
            }
            _ => String::new(),
        }),
    )
}

/// A view in the old place has none of the rights that were granted on the table.
fn loses_grants(cx: &ChangeContext<'_>, name: &ObjectName) -> Option<Draft> {
    let mut roles: Vec<&str> = cx.table(name)?.grants.iter().map(|(role, _)| &**role).collect();
    roles.dedup();
    let granted = cx.later().any(|i| {
        matches!(i.change, Change::Grant { objects, .. }
            if objects.iter().any(|o| o.name == name.name || o.name.as_str() == "*"))
    });
    (!roles.is_empty() && !granted).then(|| {
        Draft::new(format!(
            "the view that takes the place of `{name}` is not granted to {}",
            roles.join(", ")
        ))
        .help("grant on the view what was granted on the table")
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
CREATE TABLE a (id int);
-- up
RENAME TABLE a TO b;"#,
                    true,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE a (id int);
-- up
CREATE TABLE a_new (id int);
RENAME TABLE a TO a_old, a_new TO a;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,2) NOT NULL DEFAULT 0, state varchar(20));
-- up
ALTER TABLE orders SET SCHEMA archive;"#,
                    true,
                ),
            ],
        );
    }
}
