//! Security.

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] = &[];
