//! Small pieces of SQL that differ between the engines.

use downhaul_engine::ColumnShape;
use downhaul_syntax::{Dialect, Ident, ObjectName};

/// Types of PostgreSQL whose `=` means "the same bytes", so that values can be compared as they
/// are. All others are compared as text: numeric (`1.0` and `1.00` are equal), floats (`0` and
/// `-0`), json (no `=` at all), and whatever an extension brings.
const EXACT_TYPES: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "boolean",
    "uuid",
    "date",
    "bytea",
    "oid",
    "timestamp without time zone",
    "timestamp with time zone",
];

/// A value such that two are equal exactly when not a byte differs.
#[must_use]
pub fn exact(dialect: Dialect, value: &str, ty: &str) -> String {
    match dialect {
        // quote() tells apart storage classes too, and no collation makes two texts equal.
        Dialect::Sqlite => format!("quote({value})"),
        _ if EXACT_TYPES.contains(&ty) => value.to_owned(),
        _ => format!("({value})::text COLLATE \"C\""),
    }
}

/// A test that two values differ, NULL being a value.
#[must_use]
pub fn differs(dialect: Dialect, left: &str, right: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("{left} IS NOT {right}"),
        _ => format!("{left} IS DISTINCT FROM {right}"),
    }
}

/// A test that two values are the same, NULL being a value.
#[must_use]
pub fn same(dialect: Dialect, left: &str, right: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("{left} IS {right}"),
        _ => format!("{left} IS NOT DISTINCT FROM {right}"),
    }
}

/// `a.k1 = b.k1 AND a.k2 = b.k2`, so that indexes on either side serve.
#[must_use]
pub fn keys_match(
    dialect: Dialect,
    left: &str,
    left_keys: &[Ident],
    right: &str,
    right_keys: &[Ident],
) -> String {
    debug_assert_eq!(left_keys.len(), right_keys.len());
    left_keys
        .iter()
        .zip(right_keys)
        .map(|(l, r)| format!("{left}.{} = {right}.{}", dialect.quote(l), dialect.quote(r)))
        .collect::<Vec<_>>()
        .join(" AND ")
}

/// How a live value goes into the store: values of types that a migration may drop go as text.
#[must_use]
pub fn to_store(dialect: Dialect, value: &str, column: &ColumnShape) -> String {
    match dialect {
        Dialect::Postgres if column.user_type => format!("{value}::text"),
        _ => value.to_owned(),
    }
}

/// How a stored value becomes a live one of a type again.
#[must_use]
pub fn from_store(dialect: Dialect, value: &str, ty: &str, user_type: bool) -> String {
    match dialect {
        Dialect::Postgres if user_type => format!("{value}::{ty}"),
        _ => value.to_owned(),
    }
}

/// Name of an object of Downhaul's own: in the schema `downhaul`, or with the prefix `downhaul_`.
#[must_use]
pub fn own(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::Postgres => format!("downhaul.{name}"),
        _ => format!("downhaul_{name}"),
    }
}

/// Name of a temporary table of Downhaul's own.
#[must_use]
pub fn temporary(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::Postgres => format!("pg_temp.downhaul_{name}"),
        _ => format!("temp.downhaul_{name}"),
    }
}

/// A list of quoted names.
#[must_use]
pub fn list<'a>(dialect: Dialect, names: impl IntoIterator<Item = &'a Ident>) -> String {
    names.into_iter().map(|name| dialect.quote(name)).collect::<Vec<_>>().join(", ")
}

/// A live table, quoted.
#[must_use]
pub fn table(dialect: Dialect, name: &ObjectName) -> String {
    dialect.quote_name(name)
}
