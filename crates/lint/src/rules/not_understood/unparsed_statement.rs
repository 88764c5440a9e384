//! UN01.

use downhaul_syntax::parse::SyntaxError;
use downhaul_syntax::{Parsed, Span};

use crate::Severity;
use crate::context::MigrationContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a statement that Downhaul could not read, and text that is broken as a whole (a
    /// string that is not closed).
    ///
    /// ## Why is this bad
    ///
    /// What it does was not judged, and from there on Downhaul cannot be sure what exists.
    ///
    /// ## What to do
    ///
    /// If the statement is right, tell us. Until then review it by hand and allow it with a reason.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// ALTER TABEL orders ADD COLUMN a int;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (a int);
    /// ```
    "UN01" "unparsed-statement"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Migration(check),
}

fn check(cx: &MigrationContext<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (facts, in_down) in [(cx.up, false), (cx.down, true)] {
        let Some(facts) = facts else { continue };
        let mut add = |error: &SyntaxError, place: Span| {
            let mut draft =
                Draft::new(format!("this was not understood, and not judged: {}", error.message))
                    .help("review it by hand; if it is right, please report it")
                    .at(place);
            draft.in_down = in_down;
            // Every runner refuses text that never ends.
            if error.message.contains("not closed") {
                draft = draft.severity(Severity::Error).help("close it: no server takes this file");
            }
            drafts.push(draft);
        };
        for statement in &facts.script.statements {
            if let Parsed::Unparsed(error) = &statement.parsed {
                let inside = statement.span.start <= error.span.start
                    && error.span.end <= statement.span.end;
                add(error, if inside { error.span } else { statement.span });
            }
        }
        for error in &facts.script.errors {
            add(error, error.span);
        }
    }
    drafts
}
