//! PostgreSQL's own types.

/// Types that PostgreSQL brings along and that columns have: values of theirs are compared and cast by what
/// stands in `pg_catalog`.
const PLAIN: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "real",
    "double precision",
    "money",
    "text",
    "varchar",
    "char",
    "bpchar",
    "name",
    "bytea",
    "boolean",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "json",
    "jsonb",
    "uuid",
    "xml",
    "inet",
    "cidr",
    "macaddr",
    "bit",
    "varbit",
    "oid",
];

/// The rest: pseudo types, names that stand for others, types of well-known extensions.
const OTHERS: &[&str] = &[
    "jsonpath",
    "macaddr8",
    "bit varying",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "tsvector",
    "tsquery",
    "xid",
    "xid8",
    "cid",
    "tid",
    "pg_lsn",
    "txid_snapshot",
    "pg_snapshot",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "daterange",
    "int4multirange",
    "int8multirange",
    "nummultirange",
    "tsmultirange",
    "tstzmultirange",
    "datemultirange",
    "record",
    "refcursor",
    "void",
    "trigger",
    "anyelement",
    "citext",
    "hstore",
    "ltree",
    "geometry",
    "geography",
    "vector",
    "aclitem",
    "\"char\"",
    "float",
    "decimal",
    "int",
    "int2",
    "int4",
    "int8",
    "float4",
    "float8",
    "bool",
    "character",
    "character varying",
    "nchar",
    "national character",
    "int2vector",
    "oidvector",
    "gtsvector",
    "unknown",
];

/// Whether columns of a type, by its canonical name, need nothing but `pg_catalog`.
#[must_use]
pub fn is_plain_type(name: &str) -> bool {
    PLAIN.contains(&name)
}

/// Types that every PostgreSQL has, by canonical name, and those that stand for others.
#[must_use]
pub fn is_built_in_type(name: &str) -> bool {
    PLAIN.contains(&name)
        || OTHERS.contains(&name)
        || name.starts_with("reg")
        || name.ends_with("serial")
        || name.starts_with("serial")
        || name.starts_with("interval")
        || name.starts_with('_')
        || name.contains("{{")
}
