//! TX05.

use downhaul_syntax::change::TransactionControl;
use downhaul_syntax::{Change, Span};

use crate::Severity;
use crate::facts::MigrationFacts;

use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports `BEGIN`, `COMMIT` and `ROLLBACK` in a file that the runner wraps in a transaction,
    /// and a `BEGIN` that no `COMMIT` follows.
    ///
    /// ## Why is this bad
    ///
    /// A `COMMIT` ends the transaction of the runner: the rest, and the note that the migration is
    /// done, run without one. A transaction that nobody commits is rolled back, and the migration
    /// did nothing.
    ///
    /// ## What to do
    ///
    /// Take them out, or mark the file `-- downhaul:no-transaction`.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE a (id int);
    /// COMMIT;
    /// CREATE TABLE b (id int);
    /// ```
    ///
    /// ```sql
    /// -- up
    /// -- downhaul:no-transaction
    /// BEGIN;
    /// CREATE TABLE a (id int);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// -- downhaul:no-transaction
    /// BEGIN;
    /// CREATE TABLE a (id int);
    /// COMMIT;
    /// ```
    "TX05" "transaction-in-transaction"
    severity: Error,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (facts, in_down) in [(cx.up, false), (cx.down, true)] {
        let Some(facts) = facts else { continue };
        let mut open: Option<Span> = None;
        let mut said = false;
        for item in facts.items.iter().filter(|i| !i.nested) {
            let Change::Transaction { control } = item.change else { continue };
            let mut say = |message: &str, help: &str, severity: Severity, span: Span| {
                let mut draft = Draft::new(message).help(help).severity(severity).at(span);
                draft.in_down = in_down;
                drafts.push(draft);
            };
            match control {
                TransactionControl::Begin => {
                    open = Some(item.span);
                }
                TransactionControl::Commit | TransactionControl::Rollback => {
                    // `BEGIN … COMMIT` around everything is what the runner does anyway.
                    let around = open.is_some() && is_whole_file(facts, item.span);
                    if facts.wrapped && !said && !around {
                        said = true;
                        say(
                            "this ends the transaction of the runner: what follows runs without one",
                            "take it out, or mark the file `-- downhaul:no-transaction`",
                            Severity::Error,
                            item.span,
                        );
                    } else if facts.wrapped && !said {
                        said = true;
                        say(
                            "the runner wraps this file in a transaction already",
                            "take BEGIN and COMMIT out",
                            Severity::Warning,
                            item.span,
                        );
                    }
                    open = None;
                }
                _ => {}
            }
        }
        if let Some(begin) = open
            && !facts.wrapped
        {
            let mut draft = Draft::new("no COMMIT follows: everything from here is rolled back")
                .help("add COMMIT")
                .at(begin);
            draft.in_down = in_down;
            drafts.push(draft);
        }
    }
    drafts
}

/// Nothing but comments follows.
fn is_whole_file(facts: &MigrationFacts<'_>, end: Span) -> bool {
    let first = facts
        .items
        .iter()
        .find(|i| !matches!(i.change, Change::SetVariable { .. } | Change::NoEffect { .. }));
    first.is_some_and(|i| {
        matches!(i.change, Change::Transaction { control: TransactionControl::Begin })
    }) && facts.items.last().is_some_and(|i| i.span == end)
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
BEGIN;
CREATE TABLE a (id int);
COMMIT;"#,
                    true,
                ),
                (
                    "postgres",
                    r#"-- up
CREATE TABLE a (id int);"#,
                    false,
                ),
            ],
        );
    }
}
