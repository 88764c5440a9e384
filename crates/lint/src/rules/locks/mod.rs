//! Blocks traffic.

mod add_column_check_scans;
mod add_column_rewrites;
mod add_constraint_validated;
mod add_unique_or_pk_builds_index;
mod attach_partition_scans;
mod bulk_dml;
mod detach_not_concurrent;
mod drop_index_not_concurrent;
mod heavy_maintenance;
mod index_dropped_before_its_successor;
mod index_not_concurrent;
mod lock_table;
mod mysql_copy_algorithm;
mod mysql_fk_checks;
mod new_fk_locks_referenced;
mod no_lock_timeout;
mod reindex_not_concurrent;
mod set_not_null_scans;
mod several_strong_locks;
mod sqlite_index_build;
mod sqlite_table_rebuild;
mod state_algorithm;
mod statement_after_strong_lock;
mod trigger_or_policy_lock;
mod type_change_rewrites;
mod validate_with_other_locks;

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
    &validate_with_other_locks::RULE,
    &heavy_maintenance::RULE,
    &lock_table::RULE,
    &no_lock_timeout::RULE,
    &statement_after_strong_lock::RULE,
    &several_strong_locks::RULE,
    &attach_partition_scans::RULE,
    &detach_not_concurrent::RULE,
    &trigger_or_policy_lock::RULE,
    &bulk_dml::RULE,
    &mysql_copy_algorithm::RULE,
    &mysql_fk_checks::RULE,
    &sqlite_table_rebuild::RULE,
    &new_fk_locks_referenced::RULE,
    &index_dropped_before_its_successor::RULE,
    &state_algorithm::RULE,
    &sqlite_index_build::RULE,
];
