//! Transactions and the order of statements.

mod concurrently_in_transaction;
mod enum_value_used_in_same_transaction;
mod failed_concurrently_left_invalid;
mod fails_outright;
mod if_not_exists_hides;
mod implicit_commit;
mod inline_references_ignored;
mod mixed_ddl_and_backfill;
mod session_state_leaks;
mod set_local_without_transaction;
mod several_non_transactional;
mod transaction_in_transaction;

use downhaul_syntax::Change;

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] = &[
    &concurrently_in_transaction::RULE,
    &enum_value_used_in_same_transaction::RULE,
    &mixed_ddl_and_backfill::RULE,
    &implicit_commit::RULE,
    &transaction_in_transaction::RULE,
    &several_non_transactional::RULE,
    &session_state_leaks::RULE,
    &if_not_exists_hides::RULE,
    &failed_concurrently_left_invalid::RULE,
    &fails_outright::RULE,
    &set_local_without_transaction::RULE,
    &inline_references_ignored::RULE,
];

/// Whether MySQL and MariaDB commit before and after it (manual, "Statements That Cause an
/// Implicit Commit").
pub(super) fn commits(change: &Change) -> bool {
    match change {
        Change::CreateTable { def, .. } => !def.temporary,
        Change::Select { .. }
        | Change::SetVariable { .. }
        | Change::Transaction { .. }
        | Change::NoEffect { .. }
        | Change::Call { .. }
        | Change::Do { .. }
        | Change::Dynamic { .. }
        | Change::DynamicUnknown { .. }
        | Change::ClientCommand { .. }
        | Change::CopyFrom { .. }
        | Change::SetSequenceValue { .. } => false,
        change => !change.is_dml(),
    }
}
