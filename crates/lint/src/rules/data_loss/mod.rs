//! Loses data.

mod cascade;
mod drop_and_recreate;
mod drop_loses_data;
mod insert_ignore;
mod lossy_cast;
mod on_delete_cascade_added;
mod overwrite;
mod sequence_reset;
mod truncate;
mod unbounded_delete_update;

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] = &[
    &drop_loses_data::RULE,
    &truncate::RULE,
    &unbounded_delete_update::RULE,
    &lossy_cast::RULE,
    &cascade::RULE,
    &on_delete_cascade_added::RULE,
    &drop_and_recreate::RULE,
    &overwrite::RULE,
    &insert_ignore::RULE,
    &sequence_reset::RULE,
];
