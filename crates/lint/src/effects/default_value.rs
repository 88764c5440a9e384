//! Which defaults have to be computed for each row.

use downhaul_catalog::Catalog;
use downhaul_syntax::{ColumnDef, Dialect, Expr};

use super::{condition, inserted};

/// Functions of PostgreSQL that are volatile (`pg_proc.provolatile = 'v'`) and may stand in a
/// default. `now()` and its kin are stable: the value is computed once for all rows (measured).
const VOLATILE: &[&str] = &[
    "clock_timestamp",
    "timeofday",
    "random",
    "random_normal",
    "gen_random_uuid",
    "gen_random_bytes",
    "gen_salt",
    "uuidv4",
    "uuidv7",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "nextval",
    "currval",
    "lastval",
    "setval",
    "setseed",
    "pg_sleep",
    "nanoid",
    "gen_ulid",
    "generate_ulid",
    "ulid_generate",
    "uuid_generate_v7",
    "set_config",
];

/// Names that look like a function call but are stable or immutable.
const NOT_VOLATILE: &[&str] = &[
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "transaction_timestamp",
    "statement_timestamp",
    "txid_current",
    "pg_current_xact_id",
    "current_user",
    "session_user",
    "user",
    "current_setting",
    "current_schema",
    "current_database",
];

/// Whether PostgreSQL has to compute this default anew for each existing row, and so rewrites the
/// table when a column is added with it.
pub(crate) fn is_volatile(default: &Expr, catalog: &Catalog) -> bool {
    if catalog.dialect != Dialect::Postgres {
        return false;
    }
    default.functions.iter().any(|name| {
        if VOLATILE.contains(&name.as_str()) {
            return true;
        }
        if NOT_VOLATILE.contains(&name.as_str()) {
            return false;
        }
        // A function of the user's own is volatile unless it says otherwise; a simple SQL function
        // is inlined, and then its body decides (measured).
        catalog.routines.iter().any(|(key, routine)| {
            key.name.name.as_str() == name
                && routine.def.volatility.as_deref().unwrap_or("volatile") == "volatile"
                && !is_inlined(&routine.def)
        })
    })
}

/// A function in SQL that only computes an expression of constants: the planner folds it.
fn is_inlined(routine: &downhaul_syntax::RoutineDef) -> bool {
    routine.language.as_deref() == Some("sql")
        && routine.body.as_deref().is_some_and(|body| {
            let lower = body.to_lowercase();
            !VOLATILE.iter().any(|f| lower.contains(f)) && !lower.contains(" from ")
        })
}

/// A new column whose constant default does not pass its own CHECK: refused where there are rows.
pub(crate) fn default_fails_check(column: &ColumnDef, dialect: Dialect) -> bool {
    let Some(default) = &column.default else { return false };
    let text = default.text.trim().trim_matches(['(', ')']).trim();
    inserted::literal(text).is_some_and(|value| condition::fails_own(column, &value, dialect))
}

/// `NULL`, also cast or in parentheses.
pub(crate) fn is_null(default: &Expr) -> bool {
    let text = default.text.trim().trim_matches(['(', ')']).trim();
    let head = text.split("::").next().unwrap_or(text).trim();
    head.eq_ignore_ascii_case("null")
}
