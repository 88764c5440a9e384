//! Loses data.

mod cascade;
mod drop_loses_data;
mod lossy_cast;
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
];
