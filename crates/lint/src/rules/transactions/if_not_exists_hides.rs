//! TX08.

use downhaul_syntax::{Change, IndexPart};

use crate::effects::postgres::beside;
use crate::effects::type_change::{Fit, fit};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `IF NOT EXISTS` on a table, column or index that exists already in another shape.
    ///
    /// ## Why is this bad
    ///
    /// The statement does nothing, and the migration counts as done: the schema is not what the
    /// file says.
    ///
    /// ## What to do
    ///
    /// Alter what is there, or choose another name.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// ALTER TABLE orders ADD COLUMN IF NOT EXISTS note jsonb;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// ALTER TABLE orders ADD COLUMN IF NOT EXISTS note text;
    /// ```
    "TX08" "if-not-exists-hides"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let what = match cx.change {
        Change::CreateTable { def, if_not_exists: true } => {
            let old = cx.table(&def.name)?;
            if old.columns_unknown
                || old.assumed
                || def.columns.is_empty()
                || !def.like.is_empty()
                || !def.inherits.is_empty()
            {
                return None;
            }
            let names = |c: &downhaul_catalog::Column| c.name.clone();
            let same = old.columns.len() == def.columns.len()
                && def.columns.iter().all(|c| old.columns.iter().map(names).any(|n| n == c.name));
            if same {
                return None;
            }
            format!("table `{}` exists with other columns", def.name)
        }
        Change::AddColumn { table, column, if_not_exists: true, .. } => {
            let old = cx.column(table, &column.name)?;
            let (Some(a), Some(b)) = (&old.ty, &column.ty) else { return None };
            if fit(a, b, cx.catalog) == Fit::Same && a.name == b.name {
                return None;
            }
            if b.name.ends_with("serial") {
                return None;
            }
            format!("`{table}.{}` exists as `{}`", column.name, a.raw)
        }
        Change::CreateIndex { index, if_not_exists: true, .. } => {
            let name = beside(index.name.as_ref()?, &index.table);
            let (owner, old) = cx.index(&name, Some(&index.table))?;
            let key = |parts: &[IndexPart]| -> Vec<String> {
                parts.iter().map(|p| p.text.to_lowercase().replace(['"', '`', ' '], "")).collect()
            };
            if key(&old.parts) == key(&index.parts)
                && old.unique == index.unique
                && owner.name.name == index.table.name
            {
                return None;
            }
            format!("index `{}` exists with another definition", old.name)
        }
        _ => return None,
    };
    Some(
        Draft::new(format!("{what}: this statement does nothing"))
            .help("alter what is there, or choose another name"),
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
CREATE TABLE t (a int);
-- up
CREATE TABLE IF NOT EXISTS t (a int, b int);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int);
-- up
CREATE TABLE IF NOT EXISTS t (a int);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a int, b int);
CREATE INDEX i ON t (a);
-- up
CREATE INDEX IF NOT EXISTS i ON t (b);"#,
                    true,
                ),
            ],
        );
    }
}
