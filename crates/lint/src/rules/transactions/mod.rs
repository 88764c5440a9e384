//! Transactions and the order of statements.

mod concurrently_in_transaction;
mod fails_outright;

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] = &[&concurrently_in_transaction::RULE, &fails_outright::RULE];
