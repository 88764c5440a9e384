//! Not understood.

mod dynamic_sql;
pub(crate) mod unknown_directive;
mod unparsed_statement;
pub(crate) mod unresolved_query;

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] = &[
    &unparsed_statement::RULE,
    &dynamic_sql::RULE,
    &unknown_directive::RULE,
    &unresolved_query::RULE,
];
