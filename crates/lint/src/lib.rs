//! Rules that judge a migration against the schema it meets.
//!
//! [`lint_series`] replays a series of migrations into one catalog and judges each statement
//! against the catalog that it meets: a column made by the same deployment is no loss when it is
//! dropped, an index on a new table blocks nobody, a type change that only widens a `varchar`
//! rewrites nothing. One rule is one file in `rules/<hazard>/`; its doc comment is its
//! documentation, and the examples in it are its tests.
//!
//! Absent on purpose: I/O, async, any output format (that is `downhaul-report`).

mod context;
mod docs;
mod down;
mod driver;
pub mod effects;
#[cfg(test)]
mod examples;
mod facts;
mod finding;
mod input;
mod queries;
mod rule;
mod rules;
mod state;
mod suppress;

pub use docs::{explain, lock_page, rule_index_page, rule_page, rule_pages};
pub use driver::lint_series;
pub use effects::{
    Blocks, Break, Effects, LOCK_FACTS_SETUP, LockEffect, LockFact, Loss, StatementEffects, Use,
    Versions, lock_facts,
};
pub use finding::{Edit, Finding, Fix, LintReport, Severity, Summary, Suppressed};
pub use input::{
    ClientColumn, DownPolicy, KnownQuery, LintOptions, MigrationInput, ParseVersionError,
    RuleSetting, ServerVersion, SourceText, TransactionMode,
};
pub use queries::{BrokenQuery, FaultKind};
pub use rule::{Hazard, Rule};
pub use rules::{all_rules, find_rule, suggest_rule};
pub use state::fills_nulls;
