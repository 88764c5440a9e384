//! Small pieces of SQL that differ between the engines.

use downhaul_engine::{ColumnShape, exact};
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

/// Columns that a table can have: PostgreSQL manual, appendix K; MariaDB, InnoDB limitations; SQLite,
/// limits.html §2.
pub fn most_columns(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Postgres => 1600,
        Dialect::Mysql | Dialect::MariaDb => 1017,
        Dialect::Sqlite => 2000,
    }
}

/// PostgreSQL: a condition on a row `constraint` of `pg_constraint`, that it may be a foreign key to the
/// table `oid`. By what depends on that table, of which the server has an index; of `confrelid` it has none.
pub(crate) fn refers_to(constraint: &str, oid: &str) -> String {
    format!(
        "{constraint}.confrelid = {oid} AND {constraint}.oid IN (SELECT d.objid FROM pg_catalog.pg_depend d \
           WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = {oid} AND d.classid = 'pg_catalog.pg_constraint'::regclass)"
    )
}

/// PostgreSQL: the table `oid` and whatever is below it in a partition tree, as an array. `= ANY` of it is
/// looked up by an index; `= oid OR IN (SELECT …)` would read the whole catalog.
pub(crate) fn tree(oid: &str) -> String {
    format!(
        "ARRAY(SELECT {oid}::oid UNION SELECT relid::oid FROM pg_catalog.pg_partition_tree({oid}))"
    )
}

/// A value such that two are equal exactly when not a byte differs.
#[must_use]
pub fn exact(dialect: Dialect, value: &str, ty: &str) -> String {
    match dialect {
        Dialect::Sqlite => exact::value(value),
        Dialect::Mysql | Dialect::MariaDb => exact_mysql(value, ty),
        _ if EXACT_TYPES.contains(&ty) => value.to_owned(),
        _ => format!("({value})::text COLLATE \"C\""),
    }
}

/// First word of a type: `varchar` of `varchar(9) CHARACTER SET latin1`.
fn base_type(ty: &str) -> &str {
    ty.split(['(', ' ']).next().unwrap_or(ty)
}

/// MySQL and MariaDB: collations and padding make different texts equal, so texts are compared as
/// bytes; a float by the double that it is, since its text shows six digits only.
fn exact_mysql(value: &str, ty: &str) -> String {
    match base_type(ty) {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "bit" | "date"
        | "datetime" | "timestamp" | "time" | "year" => value.to_owned(),
        "float" => format!("CAST(CAST({value} AS DOUBLE) AS CHAR)"),
        "double" | "json" => format!("CAST({value} AS CHAR)"),
        // By number, since the text of no valid member may be a member's too.
        "enum" | "set" => format!("({value} + 0)"),
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geometrycollection" | "geomcollection" => format!("HEX({value})"),
        // Types that differ: what reads the same is the same.
        "" => format!("CAST(CONVERT({value} USING utf8mb4) AS BINARY)"),
        _ => format!("CAST({value} AS BINARY)"),
    }
}

/// MySQL and MariaDB: a value for a column that must have one until its own comes back.
#[must_use]
pub fn placeholder(ty: &str) -> &'static str {
    match base_type(ty) {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "bit" | "float"
        | "double" | "year" => "0",
        "date" | "datetime" | "timestamp" => "'1970-01-02 00:00:00'",
        "time" => "'00:00:00'",
        "enum" => "1",
        "json" => "'null'",
        "uuid" => "'00000000-0000-0000-0000-000000000000'",
        "inet4" => "'0.0.0.0'",
        "inet6" => "'::'",
        "geometry" | "point" => "ST_GeomFromText('POINT(0 0)')",
        // MariaDB's JSON is a longtext with a CHECK.
        "longtext" => "'null'",
        _ => "''",
    }
}

/// A flag of a `hold` table is set.
#[must_use]
pub fn is_set(dialect: Dialect, flag: &str) -> String {
    match dialect {
        Dialect::Postgres => flag.to_owned(),
        _ => format!("{flag} = 1"),
    }
}

/// Name of the column that tells apart rows without a key. MySQL has none: while data goes back
/// such a table gets one.
#[must_use]
pub fn row_id(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "ctid",
        Dialect::Sqlite => "rowid",
        Dialect::Mysql | Dialect::MariaDb => "downhaul_row",
    }
}

/// What tells apart the rows of a table or its partitions, which all begin with the same `ctid`
/// (PostgreSQL): as a list to select from a row, and as one to compare with.
#[must_use]
pub fn row_place(dialect: Dialect, row: &str) -> String {
    match dialect {
        Dialect::Postgres => format!("{row}tableoid, {row}ctid"),
        _ => format!("{row}{}", row_id(dialect)),
    }
}

/// The same, selected under names of their own: `of_table`, `id`.
#[must_use]
pub fn row_place_named(dialect: Dialect, row: &str) -> String {
    match dialect {
        Dialect::Postgres => {
            format!("{row}tableoid AS downhaul_of_table, {row}ctid AS downhaul_id")
        }
        _ => format!("{row}{} AS downhaul_id", row_id(dialect)),
    }
}

/// Those names.
#[must_use]
pub fn row_place_names(dialect: Dialect, row: &str) -> String {
    match dialect {
        Dialect::Postgres => format!("{row}downhaul_of_table, {row}downhaul_id"),
        _ => format!("{row}downhaul_id"),
    }
}

/// `UPDATE live AS p SET … FROM source ON join`.
#[must_use]
pub fn update_from(
    dialect: Dialect,
    live: &str,
    sets: &[String],
    (source, join): (&str, &str),
    holds: &str,
    test: &str,
) -> String {
    let sets = sets.join(", ");
    if dialect.is_mysql_family() {
        format!("UPDATE {live} AS p JOIN {source} ON {join}{holds} SET {sets} WHERE {test}")
    } else {
        format!("UPDATE {live} AS p SET {sets} FROM {source}{holds} WHERE {join} AND {test}")
    }
}

/// A test that two values differ, NULL being a value.
#[must_use]
pub fn differs(dialect: Dialect, left: &str, right: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("{left} IS NOT {right}"),
        Dialect::Mysql | Dialect::MariaDb => format!("NOT ({left} <=> {right})"),
        _ => format!("{left} IS DISTINCT FROM {right}"),
    }
}

/// A test that a column of a type holds anything but what an expression gives, byte for byte and NULL being a
/// value. Where the two cannot be compared so, what is the same counts as another value, never the other way round.
#[must_use]
pub(crate) fn is_another(dialect: Dialect, column: &str, expr: &str, ty: &str) -> String {
    match dialect {
        Dialect::Postgres => {
            // Texts are compared as they are: a cast would cut what is too long for the column.
            let texts = ["text", "character", "\"char\"", "bpchar", "citext", "name"];
            let expr = if texts.contains(&ty) || ty.starts_with("character") {
                expr.to_owned()
            } else {
                format!("CAST({expr} AS {ty})")
            };
            differs_exactly(column, &expr, ty)
        }
        Dialect::Sqlite => differs(dialect, &exact(dialect, column, ty), &exact(dialect, expr, ty)),
        Dialect::Mysql | Dialect::MariaDb => match base_type(ty) {
            // Of any character set, and whatever its collation takes for equal.
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "json"
            | "enum" | "set" => {
                differs(dialect, &exact(dialect, column, ""), &exact(dialect, expr, ""))
            }
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "bit"
            | "date" | "datetime" | "timestamp" | "time" | "year" => differs(dialect, column, expr),
            _ => differs(dialect, &exact_mysql(column, ty), &exact_mysql(expr, ty)),
        },
    }
}

/// PostgreSQL: a numeric type whose values all have as many digits behind the point.
fn has_scale(ty: &str) -> bool {
    ty.starts_with("numeric(")
}

/// PostgreSQL: a test that two values of one type differ in any way, NULL being a value.
#[must_use]
pub fn differs_exactly(left: &str, right: &str, ty: &str) -> String {
    let d = Dialect::Postgres;
    if has_scale(ty) {
        return differs(d, left, right);
    }
    if ty == "numeric" {
        // Equal numbers are written alike when they have as many digits behind the point; a third of
        // the cost of comparing texts.
        return format!(
            "({} OR {})",
            differs(d, left, right),
            differs(d, &format!("scale({left})"), &format!("scale({right})"))
        );
    }
    differs(d, &exact(d, left, ty), &exact(d, right, ty))
}

/// PostgreSQL 14 and newer: a number of 64 bits for a row, that depends on every byte of its values.
/// `columns`: values with their types.
#[must_use]
pub fn row_hash(columns: &[(String, &str)]) -> String {
    let parts: Vec<String> = columns
        .iter()
        .map(|(value, ty)| {
            if has_scale(ty) {
                // NaN has the hash of NULL.
                format!("{value}, {value} IS NULL")
            } else if *ty == "numeric" {
                // Equal numbers have equal hashes, and so have NULL and those that are none.
                format!(
                    "{value}, scale({value}), CASE WHEN scale({value}) IS NULL THEN {value}::text END"
                )
            } else {
                exact(Dialect::Postgres, value, ty)
            }
        })
        .collect();
    format!("hash_record_extended(ROW({})::record, 0)", parts.join(", "))
}

/// PostgreSQL: a test that not a byte of two rows differs. Rows that look the same may fail it.
#[must_use]
pub fn same_bytes(left: &str, right: &str, columns: &[String]) -> String {
    let row = |alias: &str| {
        let values: Vec<String> = columns.iter().map(|c| format!("{alias}.{c}")).collect();
        format!("ROW({})::record", values.join(", "))
    };
    format!("({} OPERATOR(pg_catalog.*=) {})", row(left), row(right))
}

/// A test that two values are the same, NULL being a value.
#[must_use]
pub fn same(dialect: Dialect, left: &str, right: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("{left} IS {right}"),
        Dialect::Mysql | Dialect::MariaDb => format!("{left} <=> {right}"),
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

/// Now (UTC), as a text that sorts by time: `2026-01-02T03:04:05.678Z`.
#[must_use]
pub fn now(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
        }
        Dialect::Mysql | Dialect::MariaDb => {
            "CONCAT(LEFT(DATE_FORMAT(UTC_TIMESTAMP(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z')"
        }
        Dialect::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
    }
}

/// Name of a temporary table of Downhaul's own.
#[must_use]
pub fn temporary(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::Postgres => format!("pg_temp.downhaul_{name}"),
        // A temporary table of MySQL cannot stand twice in a query, and is gone after a crash.
        Dialect::Mysql | Dialect::MariaDb => format!("downhaul_{name}"),
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
