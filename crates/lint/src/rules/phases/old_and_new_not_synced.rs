//! PH04.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::facts::Phase;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a backfill that fills a new column from an old one of the same table, in a migration
    /// marked `expand` or `backfill`, while no trigger keeps the two in step.
    ///
    /// ## Why is this bad
    ///
    /// Until the new release is out everywhere, the old one goes on writing the old column only: what
    /// it writes after the backfill never reaches the new column.
    ///
    /// ## What to do
    ///
    /// Create a trigger that writes both before the backfill, or make the new column a generated one.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, total int);
    /// -- up
    /// -- downhaul:phase expand
    /// ALTER TABLE orders ADD COLUMN sum bigint;
    /// UPDATE orders SET sum = total WHERE id < 1000;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, total int);
    /// CREATE FUNCTION sync() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.sum := NEW.total; RETURN NEW; END';
    /// -- up
    /// -- downhaul:phase expand
    /// ALTER TABLE orders ADD COLUMN sum bigint;
    /// CREATE TRIGGER orders_sync BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION sync();
    /// UPDATE orders SET sum = total WHERE id < 1000;
    /// ```
    "PH04" "old-and-new-not-synced"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    if !matches!(cx.facts.phase, Some(Phase::Expand | Phase::Backfill)) {
        return None;
    }
    let Change::Update { table, columns, query, .. } = cx.change else { return None };
    let known = cx.table(table).filter(|t| cx.in_use(&t.name))?;
    if !known.triggers.is_empty() {
        return None;
    }
    let trigger_follows = cx.later().any(
        |i| matches!(i.change, Change::CreateTrigger { def, .. } if def.table.name == table.name),
    );
    // Only a column that the series itself added is known to be new to the running release.
    let since = |c: &downhaul_catalog::Column| c.origin > known.origin;
    let new = columns.iter().filter_map(|c| known.column(c)).find(|c| since(c))?;
    let old = query.columns.iter().filter_map(|c| known.column(c)).find(|c| {
        !since(c) && !columns.contains(&c.name) && !known.primary_key().contains(&c.name)
    })?;
    (!trigger_follows).then(|| {
        Draft::new(format!(
            "`{}` is filled from `{}` once; what the running release writes to `{}` afterwards is missed",
            new.name, old.name, old.name
        ))
        .help("create a trigger that writes both before the backfill")
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
                    "-- history\nCREATE TABLE orders (id bigint PRIMARY KEY, total int);\n-- up\nALTER TABLE orders ADD COLUMN sum bigint;\nUPDATE orders SET sum = total WHERE id < 9;",
                    false,
                ),
                (
                    "postgres",
                    "-- history\nCREATE TABLE orders (id bigint PRIMARY KEY, total int);\n-- up\n-- downhaul:phase backfill\nUPDATE orders SET total = 0 WHERE total IS NULL AND id < 9;",
                    false,
                ),
            ],
        );
    }
}
