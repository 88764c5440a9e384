//! Blocks traffic.

mod add_column_check_scans;
mod add_column_rewrites;
mod add_constraint_validated;
mod add_unique_or_pk_builds_index;
mod drop_index_not_concurrent;
mod index_not_concurrent;
mod reindex_not_concurrent;
mod set_not_null_scans;
mod type_change_rewrites;

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] = &[
    &index_not_concurrent::RULE,
    &drop_index_not_concurrent::RULE,
    &reindex_not_concurrent::RULE,
    &add_constraint_validated::RULE,
    &add_unique_or_pk_builds_index::RULE,
    &set_not_null_scans::RULE,
    &type_change_rewrites::RULE,
    &add_column_rewrites::RULE,
    &add_column_check_scans::RULE,
];
