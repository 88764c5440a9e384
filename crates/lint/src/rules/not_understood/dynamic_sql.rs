//! UN02.

use downhaul_syntax::Change;

use crate::Severity;
use crate::context::ChangeContext;
use crate::finding::Draft;
use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports SQL that is put together when it runs (`EXECUTE`, `PREPARE`) and could not be read,
    /// and commands of a client that read other files (`\i`, `SOURCE`).
    ///
    /// ## Why is this bad
    ///
    /// What it does was not judged.
    ///
    /// ## What to do
    ///
    /// Write the statement out, or review it by hand and allow it with a reason.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// DO $$
    /// DECLARE q text;
    /// BEGIN
    ///   SELECT string_agg(x, ';') INTO q FROM statements;
    ///   EXECUTE q;
    /// END $$;
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- up
    /// CREATE TABLE t (a int);
    /// ```
    "UN02" "dynamic-sql"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Change(check),
}

fn check(cx: &ChangeContext<'_>) -> Option<Draft> {
    match cx.change {
        Change::DynamicUnknown { text } => {
            let brief: String = text.chars().take(60).collect();
            let subject = if brief.trim().is_empty() {
                "dynamic SQL".to_owned()
            } else {
                format!("`{}`", brief.trim())
            };
            // Everything but some names is known, and was judged.
            let names_only = text.contains("{{");
            Some(if names_only {
                Draft::new(format!(
                    "{subject}: which objects it touches is only known when it runs"
                ))
                .severity(Severity::Info)
                .help("name the objects, or review it by hand")
            } else {
                Draft::new(format!("{subject} is put together when it runs, and was not judged"))
                    .help("write the statement out, or review it by hand")
            })
        }
        Change::ClientCommand { text } => {
            let word = text.trim_start_matches('\\').split_whitespace().next().unwrap_or("");
            let reads = ["i", "ir", "include", "include_relative", "source", "."];
            reads.contains(&word.to_lowercase().as_str()).then(|| {
                Draft::new(format!("`{}` reads another file, which was not judged", text.trim()))
                    .help("give that file to the linter too")
            })
        }
        _ => None,
    }
}
