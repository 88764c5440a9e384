//! Values at the edges of the types, and values that no row has.

use crate::data::Engine;
use crate::shape::{Column, Kind};

/// One value of a probe.
pub(crate) struct Value {
    /// For the files.
    pub(crate) name: String,
    pub(crate) sql: String,
}

impl Value {
    /// A text, quoted.
    pub(crate) fn text(text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// How unlikely it is that a fresh value of this column is taken: dates fall out of partitions,
/// numbers out of their range.
pub(crate) fn awkward(column: &Column) -> u8 {
    match column.kind {
        Kind::Integer | Kind::Uuid => 0,
        Kind::Text(_) => 1,
        Kind::Number => 2,
        _ => 3,
    }
}

/// The `number`th value that no row has.
pub(crate) fn fresh(engine: Engine, column: &Column, number: u32) -> Option<String> {
    Some(match &column.kind {
        Kind::Small => (100 + number).to_string(),
        Kind::Integer if engine == Engine::Postgres && column.ty.starts_with("smallint") => {
            (30_000 + number).to_string()
        }
        Kind::Integer => (900_000 + number).to_string(),
        Kind::Number => number.to_string(),
        Kind::Text(length) => {
            let text = format!("zzProbe{number}");
            let keep = length.unwrap_or(usize::MAX).min(text.len());
            Value::text(&text[text.len() - keep..])
        }
        Kind::Uuid => Value::text(&format!("99999999-0000-0000-0000-00000000000{number}")),
        Kind::Date => Value::text(&format!("2087-01-0{number}")),
        Kind::Time => Value::text(&format!("2037-01-0{number} 10:00:00")),
        Kind::Labels(_) | Kind::Truth | Kind::Json | Kind::Other => return None,
    })
}

/// NULL, empty, zero, negative, long and large values.
pub(crate) fn edges(engine: Engine, column: &Column) -> Vec<Value> {
    let plain = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let quoted = |texts: &[&str]| texts.iter().map(|t| Value::text(t)).collect::<Vec<_>>();
    let mut sql = match &column.kind {
        Kind::Small | Kind::Integer | Kind::Number => plain(&[
            "0",
            "-1",
            "7",
            "120",
            "5000",
            "30000",
            "100000",
            "20000000",
            "2147483647",
            "-2147483648",
            "9223372036854775807",
        ]),
        Kind::Text(_) => {
            let mut texts = quoted(&["", " ", "Zz Ü9", "a@b.c"]);
            let lengths = [1, 3, 7, 15, 25, 45, 70, 150, 300, 5000];
            texts.extend(lengths.map(|n| Value::text(&"z".repeat(n))));
            texts
        }
        Kind::Date => quoted(&["0001-01-01", "1900-01-01", "2030-06-15", "9999-12-31"]),
        Kind::Time => {
            quoted(&["1900-01-01 00:00:00", "2030-06-15 12:00:00", "9999-12-31 00:00:00"])
        }
        Kind::Uuid => quoted(&["00000000-0000-0000-0000-000000000000"]),
        Kind::Truth => match engine {
            Engine::Postgres => plain(&["true", "false"]),
            _ => plain(&["1", "0"]),
        },
        Kind::Json => quoted(&["{}", "[]", "\"x\""]),
        Kind::Labels(labels) => labels.iter().map(|l| Value::text(l)).collect(),
        Kind::Other => Vec::new(),
    };
    sql.push("NULL".to_owned());
    sql.into_iter().map(|sql| Value { name: sql.clone(), sql }).collect()
}
