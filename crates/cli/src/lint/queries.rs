//! Statements that the running release sends, from files.

use std::path::{Path, PathBuf};

use downhaul_lint::{ClientColumn, KnownQuery};
use downhaul_plan::source::read_text;
use downhaul_syntax::{Change, Dialect, Ident, LineIndex, parse_script};
use serde_json::Value;

use super::shown;
use crate::error::CliError;

/// The words that stand for the statements that the server itself has counted.
const LIVE: [&str; 2] = ["live", "pg_stat_statements"];

/// Whether a path of `--queries` means the live view.
#[must_use]
pub fn is_live(path: &Path) -> bool {
    LIVE.iter().any(|word| path.as_os_str() == *word) && !path.exists()
}

/// Reads queries: `.sql` files, sqlx's `query-….json`, and CSV or JSON with a column `query`. Folders
/// are read with all that is below them.
pub fn read(paths: &[PathBuf], dialect: Dialect) -> Result<Vec<KnownQuery>, CliError> {
    let mut queries = Vec::new();
    for path in paths {
        let before = queries.len();
        if path.is_dir() {
            let mut files = Vec::new();
            walk(path, 0, &mut files).map_err(|error| {
                CliError::usage(format!("cannot list `{}`: {error}", path.display()))
            })?;
            files.sort();
            for file in files {
                read_file(&file, dialect, &mut queries)?;
            }
        } else {
            read_file(path, dialect, &mut queries)?;
        }
        if queries.len() == before {
            return Err(CliError::usage(format!("`{}` holds no queries", path.display())).hint(
                "name a folder of .sql files, sqlx's .sqlx, a CSV or JSON export with a column `query`, or `live` beside --database-url",
            ));
        }
    }
    Ok(queries)
}

fn walk(dir: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            if depth < 8 {
                walk(&path, depth + 1, files)?;
            }
        } else if matches!(path.extension().and_then(|e| e.to_str()), Some("sql" | "json" | "csv"))
        {
            files.push(path);
        }
    }
    Ok(())
}

fn read_file(path: &Path, dialect: Dialect, out: &mut Vec<KnownQuery>) -> Result<(), CliError> {
    let text = read_text(path)?;
    let source = shown(path);
    match path.extension().and_then(|e| e.to_str()) {
        Some("json") => {
            // One object, an array of them, or one on each line.
            let mut line = 1;
            let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
            while let Some(value) = values.next() {
                let value = value.map_err(|error| {
                    CliError::usage(format!("`{}` is not JSON: {error}", path.display()))
                })?;
                match value {
                    Value::Array(list) => {
                        out.extend(
                            list.iter()
                                .enumerate()
                                .filter_map(|(at, value)| json_query(value, &source, at + 1)),
                        );
                    }
                    value => out.extend(json_query(&value, &source, line)),
                }
                line = 1 + text[..values.byte_offset()].matches('\n').count();
            }
        }
        Some("csv") => {
            let records = csv(&text);
            let Some((head, rows)) = records.split_first() else { return Ok(()) };
            let column = head.1.iter().position(|name| name.trim().eq_ignore_ascii_case("query"));
            let Some(column) = column else {
                return Err(CliError::usage(format!(
                    "`{}` has no column `query`",
                    path.display()
                ))
                .hint("export it with `COPY (SELECT query, calls FROM pg_stat_statements) TO STDOUT WITH CSV HEADER`"));
            };
            out.extend(rows.iter().filter_map(|(line, fields)| {
                let text = fields.get(column)?.clone();
                Some(KnownQuery { source: source.clone(), line: *line, text, ..recorded() })
            }));
        }
        _ => {
            let lines = LineIndex::new(&text);
            let mut search_path = Vec::new();
            for statement in parse_script(&text, dialect).statements {
                for change in statement.changes() {
                    if let Change::SetVariable { name, value, .. } = change
                        && name.eq_ignore_ascii_case("search_path")
                    {
                        search_path = schemas(value, dialect);
                    }
                }
                let position = lines.position(&text, statement.span.start);
                let mut query = KnownQuery::new(&source, position.line, statement.text);
                query.column = position.column;
                query.search_path.clone_from(&search_path);
                out.push(query);
            }
        }
    }
    Ok(())
}

/// A statement whose text stands in a record of some format.
#[must_use]
pub fn recorded() -> KnownQuery {
    KnownQuery { line: 1, column: 1, verbatim: false, ..KnownQuery::default() }
}

/// `app, "$user", public`
fn schemas(value: &str, dialect: Dialect) -> Vec<Ident> {
    value
        .split(',')
        .map(|part| part.trim().trim_matches('\''))
        .filter(|part| !part.is_empty() && !part.contains("$user"))
        .map(|part| {
            let bare = part.trim_matches('"');
            Ident::new(dialect, bare, bare != part)
        })
        .collect()
}

/// An object with a text `query`: sqlx's describe what the client was built for.
fn json_query(value: &Value, source: &str, line: usize) -> Option<KnownQuery> {
    let text = value.get("query")?.as_str()?.to_owned();
    let mut query = KnownQuery { source: source.to_owned(), line, text, ..recorded() };
    let Some(describe) = value.get("describe") else { return Some(query) };
    let type_name = |ty: &Value| match ty {
        Value::String(name) => name.clone(),
        _ => String::new(),
    };
    if let Some(list) = describe.pointer("/parameters/Left").and_then(Value::as_array) {
        query.parameters = list.iter().map(type_name).collect();
    }
    let nullable = describe.get("nullable").and_then(Value::as_array);
    if let Some(list) = describe.get("columns").and_then(Value::as_array) {
        query.columns = list
            .iter()
            .enumerate()
            .map(|(at, column)| ClientColumn {
                name: column.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
                nullable: nullable.and_then(|n| n.get(at)).and_then(Value::as_bool),
            })
            .collect();
    }
    Some(query)
}

/// Records of a CSV text (RFC 4180) with the line on which each begins.
fn csv(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut records = Vec::new();
    let (mut line, mut begin) = (1, 1);
    let (mut fields, mut field) = (Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\n' {
            line += 1;
        }
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                fields.push(std::mem::take(&mut field));
                records.push((begin, std::mem::take(&mut fields)));
                begin = line;
            }
            c => field.push(c),
        }
    }
    if !field.is_empty() || !fields.is_empty() {
        fields.push(field);
        records.push((begin, fields));
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_span_lines_and_hold_quotes() {
        let got = csv("query,calls\r\n\"SELECT \"\"a\"\",\nb FROM t\",3\nx,1");
        let fields = |f: &[&str]| f.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            got,
            [
                (1, fields(&["query", "calls"])),
                (2, fields(&["SELECT \"a\",\nb FROM t", "3"])),
                (4, fields(&["x", "1"])),
            ]
        );
    }
}
