//! DL01.

use downhaul_syntax::Change;

use crate::Severity;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `DROP COLUMN`, `DROP TABLE`, `DROP SCHEMA` and MySQL `DROP PARTITION` of what may
    /// hold data, and what a table that is made anew by hand leaves out. Where the runner keeps a restore point (Downhaul does) it is information; with
    /// `-- downhaul:protect off` it is an error again.
    ///
    /// ## Why is this bad
    ///
    /// What was dropped is gone: no down can bring the values back.
    ///
    /// ## What to do
    ///
    /// Let Downhaul run the migration, which keeps the values before it drops them; or copy them to
    /// another place first.
    ///
    /// ## Unsafe example
    ///
    /// ```sql postgres no-restore-points
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// ALTER TABLE orders DROP COLUMN note;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE scratch (id int);
    /// DROP TABLE scratch;
    /// ```
    "DL01" "drop-loses-data"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if cx.drops_temporary() {
        return None;
    }
    let verb = match cx.change {
        _ if cx.scene.remade.is_some() => "making the table anew",
        Change::DropColumn { .. }
        | Change::DropTable { .. }
        | Change::DropSchema { .. }
        | Change::MysqlPartition { .. } => "dropping",
        _ => return None,
    };
    let first = cx.effects.loses.first()?;
    let names: Vec<String> = cx
        .effects
        .loses
        .iter()
        .map(|l| match &l.column {
            Some(column) => format!("`{}.{column}`", l.table),
            None => cx.describe(&l.table),
        })
        .collect();
    let draft = if first.partial && first.column.is_none() && cx.scene.remade.is_some() {
        Draft::new(format!("{verb} leaves rows of {} out, by a condition", names.join(", ")))
    } else if cx.scene.remade.is_some() {
        Draft::new(format!("{verb} loses all values of {}", names.join(", ")))
    } else {
        Draft::new(format!("{verb} it loses all values of {}", names.join(", ")))
    };
    Some(if cx.protected(&first.table) {
        draft
            .severity(Severity::Info)
            .help("`downhaul up` keeps them first; another tool would not (`runner = \"other\"`)")
    } else {
        draft.help("let Downhaul keep a restore point, or copy the values to another place first")
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
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
-- up
-- downhaul:protect off
DROP TABLE orders;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a + 1) STORED);
-- up
ALTER TABLE t DROP COLUMN b;"#,
                    false,
                ),
                (
                    "mysql",
                    r#"-- history
CREATE TABLE t (a int) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10));
-- up
ALTER TABLE t DROP PARTITION p0;"#,
                    true,
                ),
            ],
        );
    }
}
