//! Expand, backfill, contract.

mod backfill_not_batched;
mod contract_in_expand;
mod contract_too_soon;
mod contract_without_expand;
mod old_and_new_not_synced;

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] = &[
    &contract_in_expand::RULE,
    &contract_without_expand::RULE,
    &backfill_not_batched::RULE,
    &old_and_new_not_synced::RULE,
    &contract_too_soon::RULE,
];
