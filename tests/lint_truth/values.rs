//! Values at the edges of the types, and values that no row has.

use crate::data::Engine;
use crate::shape::{Column, Kind};

/// A text, quoted.
pub(crate) fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
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
        Kind::Integer if engine != Engine::Sqlite && column.ty.starts_with("smallint") => {
            (30_000 + number).to_string()
        }
        Kind::Integer => (900_000 + number).to_string(),
        Kind::Number => number.to_string(),
        Kind::Text(length) => {
            let word = format!("zzProbe{number}");
            let keep = length.unwrap_or(usize::MAX).min(word.len());
            text(&word[word.len() - keep..])
        }
        Kind::Uuid => text(&format!("99999999-0000-0000-0000-00000000000{number}")),
        Kind::Date => text(&format!("2087-01-0{number}")),
        Kind::Time => text(&format!("2037-01-0{number} 10:00:00")),
        Kind::Labels(_) | Kind::Truth | Kind::Json | Kind::Other => return None,
    })
}

/// The same for a text: that of the copied row, with something before it.
pub(crate) fn like(engine: Engine, column: &Column, number: u32) -> Option<String> {
    let Kind::Text(length) = &column.kind else { return None };
    let (name, keep) = (&column.name, length.unwrap_or(2000));
    Some(match engine {
        Engine::MariaDb => format!("left(concat('9{number}', src.{name}), {keep})"),
        _ => format!("substr('9{number}' || src.{name}, 1, {keep})"),
    })
}

/// NULL, empty, zero, negative, long and large values.
pub(crate) fn edges(engine: Engine, column: &Column) -> Vec<String> {
    let plain = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let quoted = |texts: &[&str]| texts.iter().map(|t| text(t)).collect::<Vec<_>>();
    let mut sql = match &column.kind {
        Kind::Small | Kind::Integer | Kind::Number => {
            plain(&["0", "-1", "120", "30000", "2147483647", "-2147483648", "9223372036854775807"])
        }
        Kind::Text(_) => {
            let mut texts = quoted(&["", " ", "Zz Ü9"]);
            let lengths = [3, 15, 45, 60, 150, 300];
            texts.extend(lengths.map(|n| text(&"z".repeat(n))));
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
        Kind::Labels(labels) => labels.iter().map(|l| text(l)).collect(),
        Kind::Other => Vec::new(),
    };
    sql.push("NULL".to_owned());
    sql
}
