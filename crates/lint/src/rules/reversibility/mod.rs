//! Cannot be undone as written.

mod down_does_not_invert;
mod down_fails;
mod missing_down;

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] =
    &[&missing_down::RULE, &down_does_not_invert::RULE, &down_fails::RULE];
