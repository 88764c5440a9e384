//! LK07.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a change of type that writes the table anew, builds its indexes anew or reads all
    /// rows, on a table that holds rows. Knows the ones that cost nothing: a longer `varchar`,
    /// `varchar` to `text`, a larger `numeric` of the same scale, `cidr` to `inet`, more fractional
    /// seconds, `timestamp` to `timestamptz` while the session's time zone is UTC.
    ///
    /// ## Why is this bad
    ///
    /// Everything happens under an `ACCESS EXCLUSIVE` lock: nobody reads or writes until it is
    /// done. A CHECK on the column makes even a free change read all rows (measured).
    ///
    /// ## What to do
    ///
    /// Add a column of the new type, keep both in step with a trigger, backfill in batches, switch
    /// the code, drop the old column.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN note TYPE varchar(100);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
    /// CREATE INDEX orders_note ON orders (note);
    /// -- up
    /// ALTER TABLE orders ALTER COLUMN state TYPE varchar(100);
    /// ```
    "LK07" "type-change-rewrites"
    severity: Error,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::AlterColumnType { table, column, ty, .. } = cx.change else { return None };
    let own = cx.describe(table);
    let old = cx.column(table, column).and_then(|c| c.ty.as_ref());
    let was = old.map_or_else(String::new, |o| format!("`{}` to ", o.raw));
    let help = "add a column of the new type, keep both in step with a trigger, backfill in batches, switch the code, drop the old column";
    if cx.hits(&cx.effects.rewrites, table) {
        let draft = if old.is_some() {
            Draft::new(format!(
                "changing `{column}` from {was}`{}` writes {own} and its indexes anew while reads and writes wait",
                ty.raw
            ))
        } else {
            Draft::new(format!(
                "changing `{column}` to `{}` may write {own} anew while reads and writes wait: the old type is not known here",
                ty.raw
            ))
        };
        return Some(draft.help(help));
    }
    if cx.hits(&cx.effects.builds_indexes, table) {
        return Some(
            Draft::new(format!(
                "changing `{column}` from {was}`{}` builds the indexes on it anew while reads and writes on {own} wait",
                ty.raw
            ))
            .help("drop the indexes, change the type, build them again CONCURRENTLY"),
        );
    }
    if cx.hits(&cx.effects.scans, table) {
        return Some(
            Draft::new(format!(
                "a CHECK on `{column}` makes this change read all of {own} while reads and writes wait"
            ))
            .help("drop the CHECK, change the type, add the CHECK NOT VALID, validate it later"),
        );
    }
    None
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
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
ALTER TABLE orders ALTER COLUMN state TYPE text;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
ALTER TABLE orders ALTER COLUMN state TYPE text USING state::text;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
ALTER TABLE orders ALTER COLUMN state TYPE text USING lower(state);"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
ALTER TABLE orders ALTER COLUMN total TYPE numeric(20,2);"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text, state varchar(20), total numeric(10,2) NOT NULL);
CREATE INDEX orders_note ON orders (note);
-- up
ALTER TABLE orders ALTER COLUMN id TYPE integer;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a timestamp);
-- up
SET timezone = 'UTC';
ALTER TABLE t ALTER a TYPE timestamptz;"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a timestamp);
-- up
ALTER TABLE t ALTER a TYPE timestamptz;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE t (a varchar(5) CHECK (a <> ''));
-- up
ALTER TABLE t ALTER a TYPE varchar(9);"#,
                    true,
                ),
            ],
        );
    }
}
