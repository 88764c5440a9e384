//! Statements that the running release sends, from files.

use std::path::{Path, PathBuf};

use downhaul_lint::KnownQuery;
use downhaul_plan::source::read_text;
use downhaul_syntax::{Dialect, LineIndex, parse_script};

use super::shown;
use crate::error::CliError;

/// Reads queries: `.sql` files, sqlx's `query-….json`, and CSV with a column `query`. Folders are
/// read with all that is below them.
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
                "name a folder of .sql files, sqlx's .sqlx, or a CSV file with a column `query`",
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
            let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
                CliError::usage(format!("`{}` is not JSON: {error}", path.display()))
            })?;
            if let Some(query) = value.get("query").and_then(|q| q.as_str()) {
                out.push(KnownQuery { source, line: 1, text: query.to_owned() });
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
                Some(KnownQuery { source: source.clone(), line: *line, text })
            }));
        }
        _ => {
            let lines = LineIndex::new(&text);
            out.extend(parse_script(&text, dialect).statements.into_iter().map(|statement| {
                KnownQuery {
                    source: source.clone(),
                    line: lines.position(&text, statement.span.start).line,
                    text: statement.text,
                }
            }));
        }
    }
    Ok(())
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
