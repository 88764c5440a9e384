//! Security.

mod dynamic_sql_unquoted;
mod grant_to_public;
mod row_security_lifted;
mod secret_in_sql;
mod security_definer_search_path;
mod superuser_or_untrusted;

use crate::Rule;

/// In the order of their codes.
pub(super) static RULES: &[&Rule] = &[
    &grant_to_public::RULE,
    &security_definer_search_path::RULE,
    &secret_in_sql::RULE,
    &row_security_lifted::RULE,
    &superuser_or_untrusted::RULE,
    &dynamic_sql_unquoted::RULE,
];
