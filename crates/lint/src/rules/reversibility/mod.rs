//! Cannot be undone as written.

mod down_breaks_new_release;
mod down_does_not_invert;
mod down_fails;
mod down_loses_data;
mod edited_after_apply;
mod irreversible_by_engine;
mod missing_down;
mod order_and_version;
mod partial_failure;
mod up_not_recoverable;

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] = &[
    &missing_down::RULE,
    &down_does_not_invert::RULE,
    &down_loses_data::RULE,
    &up_not_recoverable::RULE,
    &irreversible_by_engine::RULE,
    &partial_failure::RULE,
    &edited_after_apply::RULE,
    &order_and_version::RULE,
    &down_breaks_new_release::RULE,
    &down_fails::RULE,
];
