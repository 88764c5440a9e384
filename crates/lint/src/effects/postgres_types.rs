//! What PostgreSQL knows of its own types: their names, what is cast on assignment, which literals
//! they take.

use downhaul_syntax::{Dialect, Ident, ObjectName, SqlType, TypeDef};

use super::Scene;

pub(super) fn type_name(ty: &SqlType) -> ObjectName {
    ObjectName { schema: ty.schema.clone(), name: Ident::stored(Dialect::Postgres, &ty.name) }
}

/// Extensions that bring no types.
pub(super) const WITHOUT_TYPES: &[&str] = &[
    "plpgsql",
    "pg_trgm",
    "pgcrypto",
    "uuid-ossp",
    "btree_gin",
    "btree_gist",
    "pg_stat_statements",
    "unaccent",
    "fuzzystrmatch",
    "pgstattuple",
    "pg_buffercache",
    "intarray",
];

/// Types of one word.
pub(super) const SIMPLE_TYPES: &[&str] = &[
    "text",
    "trigger",
    "void",
    "boolean",
    "bigint",
    "integer",
    "smallint",
    "uuid",
    "jsonb",
    "json",
    "numeric",
    "date",
    "real",
    "timestamptz",
    "timestamp",
    "interval",
    "bytea",
    "varchar",
];

/// Other spellings of them.
pub(super) const SPELLINGS: &[(&str, &str)] = &[
    ("int", "integer"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("int2", "smallint"),
    ("bool", "boolean"),
    ("decimal", "numeric"),
    ("float4", "real"),
    ("timestamp with time zone", "timestamptz"),
    ("timestamp without time zone", "timestamp"),
    ("character varying", "varchar"),
];

/// The content of a default that is one quoted literal.
pub(super) fn quoted(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    (!inner.contains('\'')).then_some(inner)
}

/// Whether a literal can be a value of a type, the labels of an enum included; `true` where that is
/// not known.
pub(super) fn can_be(literal: &str, ty: &SqlType, scene: &Scene<'_>) -> bool {
    let catalog = scene.state.catalog;
    literal_fits(literal, ty)
        && match catalog.types.get(&catalog.normalize(&type_name(ty))).map(|t| &t.def) {
            Some(TypeDef::Enum(labels)) if ty.dimensions == 0 => {
                labels.iter().any(|l| l == literal)
            }
            _ => true,
        }
}

/// Whether a literal can be a value of a built-in type; `true` where that is not known.
pub(super) fn literal_fits(literal: &str, ty: &SqlType) -> bool {
    if ty.dimensions > 0 {
        return literal.trim_start().starts_with(['{', '[']);
    }
    let literal = literal.trim();
    match ty.name.as_str() {
        "integer" | "bigint" | "smallint" => {
            let digits = literal.trim_start_matches(['-', '+']);
            !digits.is_empty()
                && digits.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && digits.as_bytes()[0].is_ascii_digit()
        }
        "boolean" => {
            let lower = literal.to_lowercase();
            ["true", "false", "yes", "no", "on", "off", "1", "0"]
                .iter()
                .any(|w| !lower.is_empty() && w.starts_with(&lower))
        }
        "uuid" => literal.bytes().filter(u8::is_ascii_hexdigit).count() == 32,
        _ => true,
    }
}

/// Families of types between whose members PostgreSQL casts on assignment (`pg_cast`).
pub(super) fn family(ty: &SqlType) -> Option<&'static str> {
    Some(match ty.name.as_str() {
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => "number",
        "text" | "varchar" | "char" | "bpchar" => "text",
        "boolean" => "boolean",
        "date" | "timestamp" | "timestamptz" => "moment",
        "json" | "jsonb" => "json",
        "uuid" => "uuid",
        "bytea" => "bytea",
        _ => return None,
    })
}

/// Whether PostgreSQL casts values on assignment; `None` where that is not known.
pub(super) fn assignable(from: &SqlType, to: &SqlType) -> Option<bool> {
    if from.schema.is_some() || to.schema.is_some() {
        return None;
    }
    if from.dimensions > 0 || to.dimensions > 0 {
        return None;
    }
    let target = family(to)?;
    // Everything can be written as text.
    if target == "text" {
        return Some(true);
    }
    Some(family(from)? == target)
}
