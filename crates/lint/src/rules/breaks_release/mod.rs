//! Breaks the release that is still running.

mod add_constraint_on_old_writers;
mod add_required_column;
mod case_or_name_clash;
mod change_collation_or_charset;
mod change_column_type;
mod change_enum;
mod detach_or_drop_partition;
mod drop_column;
mod drop_default;
mod drop_not_null;
mod drop_or_change_view;
mod drop_routine;
mod drop_table;
mod drop_unique_or_pk;
mod known_query_fails;
mod make_generated;
mod modify_drops_attributes;
mod rename_column;
mod rename_table;
mod revoke_or_rls;
mod select_star_shape;
mod set_not_null;
mod table_view_swap;
mod view_shows_fewer_rows;

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
    &drop_or_change_view::RULE,
    &drop_routine::RULE,
    &make_generated::RULE,
    &revoke_or_rls::RULE,
    &detach_or_drop_partition::RULE,
    &change_collation_or_charset::RULE,
    &select_star_shape::RULE,
    &table_view_swap::RULE,
    &case_or_name_clash::RULE,
    &modify_drops_attributes::RULE,
    &drop_not_null::RULE,
    &drop_unique_or_pk::RULE,
    &known_query_fails::RULE,
    &view_shows_fewer_rows::RULE,
];
