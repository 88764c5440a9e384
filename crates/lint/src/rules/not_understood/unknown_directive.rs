//! UN03.

use downhaul_syntax::misread;

use crate::finding::{Draft, Severity};
use crate::rules::suggest_rule;

use crate::rule::declare_rule;

declare_rule! {
    /// ## What it does
    ///
    /// Reports a `downhaul:` comment that Downhaul does not know, an allowance that names no rule,
    /// and an allowance that silences nothing.
    ///
    /// ## Why is this bad
    ///
    /// A misspelt directive does not do what it was written for: with `downhaul:phase contrct` a column would go before
    /// the release. `downhaul up` and `expand` refuse such a file, and it is an error. An allowance that is no longer needed
    /// hides the next finding of that rule.
    ///
    /// ## What to do
    ///
    /// Correct it or take it out.
    ///
    /// ## Unsafe example
    ///
    /// ```sql
    /// -- up
    /// -- downhaul:no-transactions
    /// CREATE TABLE t (a int);
    /// ```
    ///
    /// ```sql
    /// -- up
    /// -- downhaul:allow drop-column "gone for good"
    /// CREATE TABLE t (a int);
    /// ```
    ///
    /// ## Safe example
    ///
    /// ```sql
    /// -- history
    /// CREATE TABLE customers (id bigint PRIMARY KEY);
    /// CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, note text, state varchar(20), total numeric(10,4) NOT NULL);
    /// -- up
    /// -- downhaul:allow drop-column "nobody reads it"
    /// ALTER TABLE orders DROP COLUMN note;
    /// ```
    "UN03" "unknown-directive"
    severity: Warning,
    dialects: ALL,
    default: on,
    since: "0.1.0",
    check: Driver,
}

/// A directive that is none.
pub(crate) fn unknown(text: &str) -> Draft {
    let (what, next) = misread(text);
    let draft = Draft::new(what).help(next);
    // `up` refuses all but allowances.
    if text.starts_with("allow") { draft } else { draft.severity(Severity::Error) }
}

/// An allowance that names no rule.
pub(crate) fn no_such_rule(written: &str) -> Draft {
    let draft = Draft::new(format!("there is no rule called `{written}`"));
    match suggest_rule(written) {
        Some(name) => draft.help(format!("did you mean `{name}`?")),
        None => draft.help("`downhaul rules` lists them all"),
    }
}

/// An allowance that silences nothing.
pub(crate) fn unused(written: &str) -> Draft {
    Draft::new(format!("allowing `{written}` silences nothing here")).help("take the comment out")
}
