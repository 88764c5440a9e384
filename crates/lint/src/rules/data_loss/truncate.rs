//! DL02.

use downhaul_syntax::{Change, ObjectName};

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `TRUNCATE` of a table that existed before this deployment; with `CASCADE` it names
    /// every table that is emptied with it.
    ///
    /// ## Why is this bad
    ///
    /// All rows are gone at once. `CASCADE` empties every table that references it, whatever their
    /// `ON DELETE` says, and the tables that reference those.
    ///
    /// ## What to do
    ///
    /// Delete in batches what may go, and keep the rest. Name every table instead of writing
    /// `CASCADE`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// TRUNCATE customers CASCADE;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE scratch (id int);
    /// TRUNCATE scratch;
    /// ```
    "DL02" "truncate"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::Truncate { tables, cascade, .. } = cx.change else { return None };
    let hit: Vec<&ObjectName> = tables.iter().filter(|t| cx.in_use(t)).collect();
    if hit.is_empty() {
        return None;
    }
    let own: Vec<String> = hit.iter().map(|t| cx.describe(t)).collect();
    let mut message = format!("all rows of {} are lost", own.join(", "));
    if *cascade {
        let named: Vec<ObjectName> = tables.iter().map(|t| cx.catalog.normalize(t)).collect();
        let more: Vec<String> = cx
            .truncated(tables, true)
            .iter()
            .filter(|t| !named.contains(t))
            .map(|t| cx.describe(t))
            .collect();
        if !more.is_empty() {
            message.push_str(&format!(", and with them all rows of {}", more.join(", ")));
        }
    }
    Some(Draft::new(message).help(if *cascade {
        "delete in batches what may go; name every table instead of CASCADE"
    } else {
        "delete in batches what may go"
    }))
}

#[cfg(test)]
mod tests {
    use crate::examples::cases;

    #[test]
    fn cases_of_the_rule() {
        cases(
            &super::RULE,
            &[(
                "mysql",
                r#"-- history
CREATE TABLE t (a int);
-- up
TRUNCATE TABLE t;"#,
                true,
            )],
        );
    }
}
