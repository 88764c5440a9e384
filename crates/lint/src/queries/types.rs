//! Types of expressions, as far as they decide whether PostgreSQL takes a query.
//!
//! MySQL, MariaDB and SQLite convert between types as they please: there every type is
//! [`Ty::Any`], and only what a column takes is looked at.

use downhaul_catalog::Catalog;
use downhaul_syntax::{Dialect, ObjectName, SqlType, TypeDef};

/// A type, coarsely.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ty {
    /// Not known, or of no interest.
    Any,
    /// `NULL`.
    Null,
    /// A string literal: takes the type that the surroundings want.
    Str(String),
    Int,
    Numeric,
    Float,
    Text,
    Bool,
    Date,
    Time,
    Stamp,
    Interval,
    Uuid,
    Json,
    Jsonb,
    Bytea,
    Net,
    Enum(ObjectName),
    Array(Box<Ty>),
}

impl Ty {
    /// What the type of a column comes to.
    pub(super) fn of(ty: &SqlType, catalog: &Catalog) -> Self {
        if catalog.dialect != Dialect::Postgres {
            return Self::Any;
        }
        if ty.dimensions > 0 {
            let mut element = ty.clone();
            element.dimensions = 0;
            return Self::Array(Box::new(Self::of(&element, catalog)));
        }
        match ty.name.as_str() {
            "smallint" | "integer" | "bigint" | "serial" | "bigserial" | "smallserial" => Self::Int,
            "numeric" => Self::Numeric,
            "real" | "double precision" => Self::Float,
            "text" | "varchar" | "char" | "bpchar" | "name" => Self::Text,
            "boolean" => Self::Bool,
            "date" => Self::Date,
            "time" | "timetz" => Self::Time,
            "timestamp" | "timestamptz" => Self::Stamp,
            "interval" => Self::Interval,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "bytea" => Self::Bytea,
            "inet" | "cidr" => Self::Net,
            _ => {
                let name = super::scope::type_name(ty, catalog);
                match catalog.types.get(&name).map(|t| &t.def) {
                    Some(TypeDef::Enum(_)) => Self::Enum(name),
                    Some(TypeDef::Domain { base, .. }) if base.name != ty.name => {
                        Self::of(base, catalog)
                    }
                    _ => Self::Any,
                }
            }
        }
    }

    /// The type that a client (sqlx) says it sends or expects.
    pub(super) fn of_client(name: &str) -> Self {
        if let Some(element) = name.strip_suffix("Array").or_else(|| name.strip_suffix("[]")) {
            return Self::Array(Box::new(Self::of_client(element)));
        }
        match name.to_ascii_lowercase().as_str() {
            "int2" | "int4" | "int8" | "smallint" | "integer" | "bigint" => Self::Int,
            "numeric" => Self::Numeric,
            "float4" | "float8" | "real" | "double precision" => Self::Float,
            "text" | "varchar" | "bpchar" | "name" | "char" => Self::Text,
            "bool" | "boolean" => Self::Bool,
            "date" => Self::Date,
            "time" | "timetz" => Self::Time,
            "timestamp" | "timestamptz" => Self::Stamp,
            "interval" => Self::Interval,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "bytea" => Self::Bytea,
            "inet" | "cidr" => Self::Net,
            _ => Self::Any,
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Numeric | Self::Float)
    }

    /// It says nothing that could clash.
    pub(super) fn is_vague(&self) -> bool {
        matches!(self, Self::Any | Self::Null | Self::Str(_))
    }

    pub(super) fn is_textual(&self) -> bool {
        self.is_vague() || *self == Self::Text
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Any => "any".into(),
            Self::Null => "null".into(),
            Self::Str(_) => "a string literal".into(),
            Self::Int => "an integer".into(),
            Self::Numeric => "numeric".into(),
            Self::Float => "a floating-point number".into(),
            Self::Text => "text".into(),
            Self::Bool => "boolean".into(),
            Self::Date => "date".into(),
            Self::Time => "time".into(),
            Self::Stamp => "timestamp".into(),
            Self::Interval => "interval".into(),
            Self::Uuid => "uuid".into(),
            Self::Json => "json".into(),
            Self::Jsonb => "jsonb".into(),
            Self::Bytea => "bytea".into(),
            Self::Net => "inet".into(),
            Self::Enum(name) => format!("enum `{name}`"),
            Self::Array(of) => format!("an array of {}", of.name()),
        }
    }

    /// Whether PostgreSQL compares the two.
    pub(super) fn compares(&self, other: &Self, catalog: &Catalog) -> bool {
        match (self, other) {
            (Self::Json, Self::Null | Self::Any) | (Self::Null | Self::Any, Self::Json) => true,
            // There is no `json = json`.
            (Self::Json, _) | (_, Self::Json) => false,
            (Self::Str(text), to) | (to, Self::Str(text)) => reads_as(text, to, catalog),
            _ => self.joins(other),
        }
    }

    /// Whether the two come to one type: arms of `CASE`, `COALESCE`, `UNION`.
    pub(super) fn unites(&self, other: &Self, catalog: &Catalog) -> bool {
        match (self, other) {
            (Self::Str(text), to) | (to, Self::Str(text)) => reads_as(text, to, catalog),
            (Self::Json, Self::Json) => true,
            _ => self.joins(other),
        }
    }

    fn joins(&self, other: &Self) -> bool {
        if self.is_vague() || other.is_vague() || self == other {
            return true;
        }
        match (self, other) {
            (Self::Array(a), Self::Array(b)) => {
                a == b || a.is_vague() || b.is_vague() || a.is_number() && b.is_number()
            }
            (Self::Date, Self::Stamp) | (Self::Stamp, Self::Date) => true,
            (Self::Time, Self::Interval) | (Self::Interval, Self::Time) => true,
            (a, b) => a.is_number() && b.is_number(),
        }
    }

    /// Whether a column of this type takes the value in an `INSERT` or `UPDATE`.
    pub(super) fn takes(&self, value: &Self, catalog: &Catalog) -> bool {
        match (self, value) {
            (to, Self::Str(text)) => reads_as(text, to, catalog),
            (Self::Any, _) | (_, Self::Any | Self::Null) => true,
            // To text there is an assignment cast from everything.
            (Self::Text, _) => true,
            (Self::Array(to), Self::Array(from)) => to.takes(from, catalog),
            (Self::Json | Self::Jsonb, Self::Json | Self::Jsonb) => true,
            (Self::Date | Self::Stamp | Self::Time, Self::Stamp)
            | (Self::Stamp, Self::Date)
            | (Self::Time, Self::Interval)
            | (Self::Interval, Self::Time) => true,
            (to, from) => to == from || to.is_number() && from.is_number(),
        }
    }
}

/// Whether a string literal is a value of the type.
fn reads_as(text: &str, ty: &Ty, catalog: &Catalog) -> bool {
    let text = text.trim();
    match ty {
        Ty::Int => {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
        }
        Ty::Numeric | Ty::Float => text.parse::<f64>().is_ok(),
        Ty::Bool => {
            let lower = text.to_ascii_lowercase();
            matches!(lower.as_str(), "1" | "0" | "on" | "of" | "off")
                || !lower.is_empty()
                    && ["true", "false", "yes", "no"].iter().any(|w| w.starts_with(&lower))
        }
        Ty::Uuid => {
            let hex = text.bytes().filter(u8::is_ascii_hexdigit).count();
            hex == 32
                && text.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'-' | b'{' | b'}'))
        }
        Ty::Enum(name) => match catalog.types.get(name).map(|t| &t.def) {
            Some(TypeDef::Enum(labels)) => labels.iter().any(|l| l == text),
            _ => true,
        },
        Ty::Date | Ty::Stamp => {
            text.bytes().any(|b| b.is_ascii_digit())
                || matches!(
                    text.to_ascii_lowercase().as_str(),
                    "now" | "today" | "yesterday" | "tomorrow" | "infinity" | "-infinity" | "epoch"
                )
        }
        Ty::Array(_) => text.starts_with(['{', '[']),
        Ty::Json | Ty::Jsonb => {
            text.starts_with(['{', '[', '"', '-'])
                || matches!(text, "null" | "true" | "false")
                || text.starts_with(|c: char| c.is_ascii_digit())
        }
        _ => true,
    }
}
