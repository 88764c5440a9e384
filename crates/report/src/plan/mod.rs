//! What `up` would do, as a document: for programs, and as a page for people to review.

mod estimate;
mod html;

use downhaul_lint::Effects;
use serde::Serialize;
use serde_json::Value;

pub use estimate::{Estimate, Size, Work, WorkKind, estimate};
pub use html::page;

/// Everything that is known of a run before it starts.
#[derive(Clone, Debug, Serialize)]
pub struct PlanDocument {
    /// Of this format: 1.
    pub version: u32,
    /// Which database, without password.
    pub database: String,
    /// What the server calls itself.
    pub server: String,
    /// What must not have changed when the plan is applied: hashes of journal, files and schema.
    pub rests_on: Value,
    /// All migrations one after the other.
    pub estimate: Estimate,
    /// In the order in which they run.
    pub migrations: Vec<PlannedMigration>,
}

/// A migration of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedMigration {
    /// Version.
    pub version: String,
    /// `0007_slim_customers`.
    pub label: String,
    /// The file.
    pub file: String,
    /// The phase that it declares.
    pub phase: Option<&'static str>,
    /// Whether one transaction holds all of it.
    pub one_transaction: bool,
    /// The same for people: "in one transaction".
    pub runs: String,
    /// How long it may take, keeping included.
    pub estimate: Estimate,
    /// In order.
    pub statements: Vec<PlannedStatement>,
    /// What it destroys and Downhaul keeps first, in words.
    pub keeps: Vec<String>,
    /// The same by table.
    pub kept: Vec<PlannedKeep>,
    /// It is stated again whenever its text has changed, and has no down of its own.
    pub repeatable: bool,
    /// Whether it has a down file.
    pub has_down: bool,
    /// Statements of the way back.
    pub undone_by: Vec<String>,
}

/// A statement of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedStatement {
    /// Its text.
    pub sql: String,
    /// What it does to a running system, where anything.
    pub effects: Option<Effects>,
    /// How long it may take.
    pub estimate: Estimate,
    /// Effects in words, for the page and the terminal.
    #[serde(skip)]
    pub lines: Vec<EffectLine>,
}

/// What is kept of a table.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedKeep {
    /// The table.
    pub table: String,
    /// "drops column fax".
    pub what: String,
    /// "copied", "set aside, not copied"; `None` where the table is not there yet.
    pub how: Option<String>,
    /// At most so many rows, as the server estimates; `None` where nobody knows.
    pub rows: Option<u64>,
    /// At most so many bytes.
    pub bytes: Option<u64>,
}

/// How bad an effect is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Good to know.
    Mild,
    /// Others wait, or it takes long.
    Warn,
    /// Something breaks, fails or is lost.
    Bad,
}

/// An effect in words: `locks`, `orders ACCESS EXCLUSIVE: blocks reads and writes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectLine {
    /// How bad.
    pub weight: Weight,
    /// What kind.
    pub label: &'static str,
    /// Of what.
    pub text: String,
}
