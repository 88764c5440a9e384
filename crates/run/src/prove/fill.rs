//! Rows for empty tables: deterministic, of every type, with NULLs and with awkward texts, and with
//! parents for foreign keys.

use downhaul_catalog::{Catalog, Column, Table};
use downhaul_engine::{EngineError, Session, live_catalog};
use downhaul_syntax::{ConstraintKind, Dialect, Ident, ObjectName, SqlType, TypeDef};

use super::certificate::{Certificate, Counted};

/// Makes rows in every table that has none, parents first. A table whose rules refuse all of them
/// stays empty, and the certificate says so by its count.
pub(super) async fn fill(
    session: &mut dyn Session,
    rows: u64,
    certificate: &mut Certificate,
) -> Result<(), EngineError> {
    let catalog = live_catalog(session).await?;
    for table in in_order(&catalog) {
        let name = session.dialect().quote_name(&table.name);
        let count = session.number(&format!("SELECT count(*) FROM {name}")).await?;
        let mut count = u64::try_from(count).unwrap_or(0);
        if count == 0 {
            for number in 1..=rows {
                // Awkward first; where a rule refuses that, plain.
                for plain in [false, true] {
                    let sql = row(table, &catalog, number, plain);
                    match session.execute(&sql).await {
                        Ok(_) => {
                            count += 1;
                            break;
                        }
                        Err(error @ EngineError::Disconnected(_)) => return Err(error),
                        Err(_) => {}
                    }
                }
                // Rules that none of the first rows could follow are not followed by the others.
                if number == 8 && count == 0 {
                    break;
                }
            }
        }
        let table = table.name.to_string();
        match certificate.tables.iter_mut().find(|c| c.table == table) {
            Some(known) => known.rows = known.rows.max(count),
            None => certificate.tables.push(Counted { table, rows: count }),
        }
    }
    Ok(())
}

/// Tables, those that others refer to first.
fn in_order(catalog: &Catalog) -> Vec<&Table> {
    let mut left: Vec<&Table> = catalog.tables.values().filter(|t| !t.assumed).collect();
    let mut out: Vec<&Table> = Vec::new();
    while !left.is_empty() {
        let ready = left.iter().position(|table| {
            parents(table).iter().all(|parent| {
                *parent == &table.name || !left.iter().any(|other| other.name == **parent)
            })
        });
        // A circle: somebody has to be first.
        out.push(left.remove(ready.unwrap_or(0)));
    }
    out
}

fn parents(table: &Table) -> Vec<&ObjectName> {
    table
        .constraints
        .iter()
        .filter_map(|constraint| match &constraint.kind {
            ConstraintKind::ForeignKey { table, .. } => Some(table),
            _ => None,
        })
        .collect()
}

/// An INSERT of the row with this number.
fn row(table: &Table, catalog: &Catalog, number: u64, plain: bool) -> String {
    let dialect = catalog.dialect;
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for column in &table.columns {
        if column.generated.is_some() || column.identity.is_some() || column.auto_increment {
            continue;
        }
        let key = table.primary_key().contains(&column.name);
        let serial = column.default.as_ref().is_some_and(|d| d.text.contains("nextval"));
        if serial || (column.default.is_some() && number.is_multiple_of(2)) {
            continue;
        }
        let value = if let Some(parent) = referred(table, &column.name, catalog) {
            format!(
                "(SELECT {c} FROM {t} ORDER BY {c} LIMIT 1 OFFSET {})",
                (number - 1) % 7,
                c = dialect.quote(&parent.1),
                t = dialect.quote_name(&parent.0)
            )
        } else if !column.not_null && !key && !plain && number.is_multiple_of(5) {
            "NULL".to_owned()
        } else {
            match value(column, catalog, number, plain || key) {
                Some(value) => value,
                None => continue,
            }
        };
        columns.push(dialect.quote(&column.name));
        values.push(value);
    }
    let name = dialect.quote_name(&table.name);
    if columns.is_empty() {
        return match dialect {
            Dialect::Mysql | Dialect::MariaDb => format!("INSERT INTO {name} () VALUES ()"),
            _ => format!("INSERT INTO {name} DEFAULT VALUES"),
        };
    }
    format!("INSERT INTO {name} ({}) VALUES ({})", columns.join(", "), values.join(", "))
}

/// The column that a foreign key of one or more columns pairs with this one.
fn referred(table: &Table, column: &Ident, catalog: &Catalog) -> Option<(ObjectName, Ident)> {
    table.constraints.iter().find_map(|constraint| match &constraint.kind {
        ConstraintKind::ForeignKey { columns, table: target, referred, .. } => {
            let at = columns.iter().position(|c| c == column)?;
            let there = match referred.get(at) {
                Some(there) => there.clone(),
                None => catalog.table(target)?.primary_key().get(at)?.clone(),
            };
            Some((target.clone(), there))
        }
        _ => None,
    })
}

/// A value for a column; `None` for a type of which nothing is known.
fn value(column: &Column, catalog: &Catalog, number: u64, plain: bool) -> Option<String> {
    let dialect = catalog.dialect;
    let Some(ty) = &column.ty else { return Some(number.to_string()) };
    if ty.dimensions > 0 {
        return Some("'{}'".into());
    }
    let length = |at: usize| ty.args.get(at).and_then(|arg| arg.trim().parse::<usize>().ok());
    let text = |text: String| dialect.literal(&text);
    let day = 1 + number % 28;
    let name = ty.name.to_lowercase();
    Some(match name.as_str() {
        "smallint" | "integer" | "int" | "bigint" | "mediumint" | "oid" | "int8" | "int4" => {
            number.to_string()
        }
        "tinyint" | "year" => (number % 100 + if name == "year" { 2000 } else { 0 }).to_string(),
        "numeric" | "decimal" | "money" => match length(1) {
            Some(scale) if scale > 0 && length(0).unwrap_or(9) > scale => {
                format!("{}.5", number % 10_u64.pow((length(0).unwrap_or(9) - scale).min(9) as u32))
            }
            _ => number.to_string(),
        },
        "real" | "double precision" | "double" | "float" => format!("{number}.25"),
        "boolean" | "bool" => if number.is_multiple_of(2) { "true" } else { "false" }.into(),
        "text" | "varchar" | "bpchar" | "char" | "character" | "citext" | "name" | "clob"
        | "tinytext" | "mediumtext" | "longtext" | "nvarchar" => {
            let made = match number % 4 {
                _ if plain => format!("w{number}"),
                0 => format!("O'Neil \"{number}\" \\ ä☃"),
                1 => format!("  Ann {number} "),
                2 => format!("Zoë Smith{number}"),
                _ => format!("word {number}"),
            };
            let room = length(0).unwrap_or(if name == "char" || name == "bpchar" { 1 } else { 60 });
            let cut: String = if made.chars().count() > room {
                let tail: String = number.to_string();
                tail.chars().rev().take(room).collect::<Vec<_>>().into_iter().rev().collect()
            } else {
                made
            };
            text(cut)
        }
        "date" => format!("'2024-{:02}-{day:02}'", 1 + number % 12),
        "timestamp" | "datetime" => {
            format!("'2024-{:02}-{day:02} 03:04:05'", 1 + number % 12)
        }
        "timestamptz" => format!("'2024-{:02}-{day:02} 03:04:05+00'", 1 + number % 12),
        "time" | "timetz" => format!("'{:02}:04:05'", number % 24),
        "interval" => format!("'{number} minutes'"),
        "uuid" => format!("'00000000-0000-4000-8000-{number:012}'"),
        "json" | "jsonb" => text(format!("{{\"n\": {number}, \"t\": [1, \"a\"]}}")),
        "bytea" => format!("'\\x{number:08x}'"),
        "blob" | "binary" | "varbinary" | "longblob" | "mediumblob" | "tinyblob" => {
            format!("X'{number:08x}'")
        }
        "inet" | "cidr" => format!("'10.0.{}.{}'", number / 250 % 250, number % 250),
        "enum" | "set" => {
            let at = usize::try_from(number).unwrap_or(0) % ty.args.len().max(1);
            text(ty.args.get(at)?.clone())
        }
        _ => {
            let label = label(ty, catalog, number);
            match (label, dialect) {
                (Some(label), _) => text(label),
                (None, Dialect::Sqlite) => number.to_string(),
                (None, _) if column.not_null => text(number.to_string()),
                (None, _) => return None,
            }
        }
    })
}

/// A value of an enum type.
fn label(ty: &SqlType, catalog: &Catalog, number: u64) -> Option<String> {
    let name =
        ObjectName { schema: ty.schema.clone(), name: Ident::stored(catalog.dialect, &ty.name) };
    match &catalog.types.get(&catalog.normalize(&name))?.def {
        TypeDef::Enum(labels) => {
            labels.get(usize::try_from(number).unwrap_or(0) % labels.len().max(1)).cloned()
        }
        _ => None,
    }
}
