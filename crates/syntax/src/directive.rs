//! `-- downhaul:…` comments.

use serde::{Deserialize, Serialize};

use crate::Span;

/// A directive found in a comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directive {
    /// What it asks.
    pub kind: DirectiveKind,
    /// The comment.
    pub span: Span,
}

/// What a directive asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectiveKind {
    /// `-- downhaul:allow RULE[, RULE…] "reason"`: silences rules for the statement that follows
    /// (or that the comment stands in).
    Allow {
        /// Codes or names of rules.
        rules: Vec<String>,
        /// Why.
        reason: Option<String>,
    },
    /// `-- downhaul:allow-file RULE[, RULE…] "reason"`: for the whole file.
    AllowFile {
        /// Codes or names of rules.
        rules: Vec<String>,
        /// Why.
        reason: Option<String>,
    },
    /// `-- downhaul:no-transaction`.
    NoTransaction,
    /// `-- downhaul:phase expand|backfill|contract`.
    Phase(String),
    /// `-- downhaul:protect auto|copy|tombstone|off [TABLE…]`.
    Protect {
        /// The policy.
        policy: String,
        /// Tables it holds for; empty = all.
        tables: Vec<String>,
    },
    /// Begins with `downhaul:` and is none of these.
    Unknown(String),
}
