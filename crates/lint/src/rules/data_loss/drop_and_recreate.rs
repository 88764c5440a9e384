//! DL07.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a column or table that is dropped and made again under the same name in the same
    /// migration, without its rows being copied.
    ///
    /// ## Why is this bad
    ///
    /// It looks like a change of definition and is the loss of all values.
    ///
    /// ## What to do
    ///
    /// Change the type or rename instead; or add the new one beside the old, copy, then drop.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders DROP COLUMN state;
    /// ALTER TABLE orders ADD COLUMN state integer;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql postgres
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders ADD COLUMN state_no integer;
    /// ```
    "DL07" "drop-and-recreate"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let (what, line) = match cx.change {
        Change::DropColumn { table, column, .. } if cx.column_in_use(table, column) => {
            if cx.column(table, column).is_some_and(|c| c.generated.is_some()) {
                return None;
            }
            let again = |change: &Change| {
                matches!(change, Change::AddColumn { table: t, column: c, .. }
                    if t.name == table.name && c.name == *column)
            };
            let at = cx.later().find(|i| again(i.change))?;
            (format!("`{table}.{column}`"), at.statement)
        }
        Change::DropTable { name, .. } if cx.in_use(name) && !cx.in_rebuild() => {
            let at = cx.later().find(|i| {
                matches!(i.change, Change::CreateTable { def, .. } if def.name.name == name.name)
            })?;
            (format!("`{name}`"), at.statement)
        }
        _ => return None,
    };
    let line = cx.facts.statements.get(line).map_or(0, |s| s.line);
    Some(
        Draft::new(format!(
            "{what} is dropped and made again at line {line}: all its values are lost"
        ))
        .help("change or rename it, or add the new one beside the old, copy, then drop"),
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
                    "sqlite",
                    r#"-- history
CREATE TABLE t (a int);
-- up
DROP TABLE t;
CREATE TABLE t (a text);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
ALTER TABLE orders DROP COLUMN state, ADD COLUMN state integer;"#,
                    true,
                ),
            ],
        );
    }
}
