//! TX02.

use downhaul_syntax::Change;

use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a label that is added to an enum and used in the same transaction.
    ///
    /// ## Why is this bad
    ///
    /// PostgreSQL refuses it: "unsafe use of new value" (SQLSTATE 55P04). Before version 12 even
    /// the `ADD VALUE` fails inside a transaction.
    ///
    /// ## What to do
    ///
    /// Use the label in a later migration. In a type that the same transaction created it is fine.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// ALTER TYPE state ADD VALUE 'closed';
    /// ALTER TABLE orders ADD COLUMN s state DEFAULT 'closed';
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
    /// CREATE TYPE state AS ENUM ('open');
    /// -- up
    /// ALTER TYPE state ADD VALUE 'closed';
    /// ALTER TABLE orders ADD COLUMN s state DEFAULT 'open';
    /// ```
    "TX02" "enum-value-used-in-same-transaction"
    severity: Error,
    dialects: POSTGRES,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    let Change::AddEnumValue { name, value, .. } = cx.change else { return None };
    if !cx.statement.in_block {
        return None;
    }
    let here = cx.earlier().any(|i| {
        matches!(i.change, Change::CreateType { name: n, .. } if n.name == name.name)
            && cx.facts.statements[i.statement].transaction == cx.statement.transaction
    });
    if here {
        return None;
    }
    let literal = format!("'{}'", value.replace('\'', "''"));
    let user = cx.later_in_transaction().find(|i| {
        let uses = !matches!(
            i.change,
            Change::AddEnumValue { .. }
                | Change::Comment { .. }
                | Change::CreateRoutine { .. }
                | Change::SetVariable { .. }
                | Change::NoEffect { .. }
        );
        uses && i.span.text(cx.facts.source).contains(&literal)
    })?;
    let line = cx.facts.statements[user.statement].line;
    Some(
        Draft::new(format!(
            "'{value}' is used at line {line}, before the transaction that adds it has ended"
        ))
        .help("use it in a later migration"),
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
                    r#"-- up
CREATE TYPE s AS ENUM ('a');
ALTER TYPE s ADD VALUE 'b';
CREATE TABLE t (c s DEFAULT 'b');"#,
                    false,
                ),
                (
                    "postgres",
                    r#"-- history
CREATE TABLE orders (id bigint PRIMARY KEY, note text, total numeric(10,4) NOT NULL);
CREATE TYPE state AS ENUM ('open');
-- up
-- downhaul:no-transaction
ALTER TYPE state ADD VALUE 'closed';
ALTER TABLE orders ADD COLUMN s state DEFAULT 'closed';"#,
                    false,
                ),
            ],
        );
    }
}
