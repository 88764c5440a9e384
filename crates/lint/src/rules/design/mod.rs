//! Design: taste, off by default, save where it breaks other things.

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] = &[];
