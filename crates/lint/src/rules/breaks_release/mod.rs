//! Breaks the release that is still running.

mod add_constraint_on_old_writers;
mod add_required_column;
mod change_column_type;
mod change_enum;
mod drop_column;
mod drop_default;
mod drop_table;
mod rename_column;
mod rename_table;
mod set_not_null;

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] = &[
    &drop_column::RULE,
    &drop_table::RULE,
    &rename_column::RULE,
    &rename_table::RULE,
    &change_column_type::RULE,
    &add_required_column::RULE,
    &set_not_null::RULE,
    &drop_default::RULE,
    &add_constraint_on_old_writers::RULE,
    &change_enum::RULE,
];
