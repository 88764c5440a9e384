//! `snapshot show`.

use downhaul_engine::Row;
use downhaul_snapshot::difference;
use downhaul_snapshot::track::name::parse_name_in;

use super::{begin, csv, json, moment, open, snapshot};
use crate::args::snapshot::{RowFormat, ShowArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Style, Ui, paint, thousands};

/// Shows a table as it was, or makes a view of it.
pub(super) async fn run(args: &ShowArgs, ui: &Ui) -> Result<Code, CliError> {
    let mut session = open(&args.database).await?;
    let result = async {
        let table = parse_name_in(session.dialect(), &args.table).map_err(snapshot)?;
        let (as_of, at_time) = (args.moment.as_of.as_deref(), args.moment.at_time.as_deref());
        let mark = moment(&mut *session, as_of, at_time, ui).await?;
        if args.view {
            let (sql, name) =
                difference::view(&mut *session, &table, &mark).await.map_err(snapshot)?;
            session.execute(&sql).await?;
            ui.line(format!("{name} shows {} as it was at `{}`", args.table, mark.name));
            ui.line(paint(
                Style::Dim,
                format!(
                    "  DROP VIEW {name} when it is no longer needed: it holds the form of the table"
                ),
            ));
            return Ok(Code::Clean);
        }
        begin(&mut *session).await?;
        let found = difference::show(
            &mut *session,
            &table,
            &mark,
            args.r#where.as_deref(),
            args.limit.saturating_add(1),
        )
        .await;
        session.rollback().await?;
        let difference::Shown { columns, mut rows, gone } = found.map_err(snapshot)?;
        let more = rows.len() as u64 > args.limit;
        rows.truncate(usize::try_from(args.limit).unwrap_or(usize::MAX));
        print(args.format, &columns, &rows, ui)?;
        if !gone.is_empty() {
            ui.remark(format!(
                "{} gone since, so not shown: {}; `downhaul down` brings columns back, and `up` those that a down took",
                paint(Style::Warn, "note:"),
                gone.join(", ")
            ));
        }
        if more {
            ui.remark(format!(
                "only the first {} rows are shown: --limit N shows more, --where SQL looks closer",
                thousands(args.limit)
            ));
        }
        Ok(Code::Clean)
    }
    .await;
    session.close().await;
    result
}

fn print(format: RowFormat, columns: &[String], rows: &[Row], ui: &Ui) -> Result<(), CliError> {
    match format {
        RowFormat::Json => {
            let list: Vec<serde_json::Value> = rows
                .iter()
                .map(|row| {
                    let values = columns.iter().enumerate().map(|(at, name)| {
                        (name.clone(), row.opt(at).map_or(serde_json::Value::Null, Into::into))
                    });
                    serde_json::Value::Object(values.collect())
                })
                .collect();
            ui.line(json(&serde_json::json!({ "version": 1, "rows": list }))?);
        }
        RowFormat::Csv => {
            let names: Vec<Option<&str>> = columns.iter().map(|c| Some(c.as_str())).collect();
            ui.line(csv(&names));
            for row in rows {
                let values: Vec<Option<&str>> = (0..columns.len()).map(|at| row.opt(at)).collect();
                ui.line(csv(&values));
            }
        }
        RowFormat::Pretty => {
            let shown = |row: &Row, at: usize| shown(row.opt(at));
            let widths: Vec<usize> = columns
                .iter()
                .enumerate()
                .map(|(at, name)| {
                    rows.iter()
                        .map(|row| shown(row, at).chars().count())
                        .chain([name.chars().count()])
                        .max()
                        .unwrap_or(0)
                })
                .collect();
            let line = |cells: Vec<String>| {
                let cells: Vec<String> = cells
                    .iter()
                    .zip(&widths)
                    .map(|(cell, width)| {
                        format!("{cell}{}", " ".repeat(width - cell.chars().count()))
                    })
                    .collect();
                cells.join("  ").trim_end().to_owned()
            };
            ui.line(paint(Style::Bold, line(columns.to_vec())));
            for row in rows {
                ui.line(line((0..columns.len()).map(|at| shown(row, at)).collect()));
            }
        }
    }
    Ok(())
}

/// A value for people: an empty text, and one that reads `NULL`, in quotes, so that neither is taken for no value
/// at all.
pub(super) fn shown(value: Option<&str>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some(text @ ("" | "NULL")) => format!("'{text}'"),
        Some(text) => shorten(text),
    }
}

/// A value on one line, at most 60 characters. What would move the cursor, change colours or turn the direction of
/// writing is shown by a sign: values come from anywhere.
pub(super) fn shorten(text: &str) -> String {
    let sign = |c: char| match c {
        '\n' => '⏎',
        '\u{7f}' => '␡',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('·'),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '·',
        '\u{2028}' | '\u{2029}' => '⏎',
        c if c.is_control() => '·',
        c => c,
    };
    let text: String = text.chars().take(61).map(sign).collect();
    if text.chars().count() <= 60 {
        return text;
    }
    let start: String = text.chars().take(59).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_told_from_an_empty_one() {
        assert_eq!(shown(None), "NULL");
        assert_eq!(shown(Some("")), "''");
        assert_eq!(shown(Some("NULL")), "'NULL'");
        assert_eq!(shown(Some("x")), "x");
    }

    #[test]
    fn a_value_cannot_steer_the_terminal() {
        assert_eq!(shorten("a\u{1b}[2Jb\r\nc\u{7f}\u{9b}d\u{202e}e"), "a␛[2Jb␍⏎c␡·d·e");
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shorten(&"é".repeat(60)).chars().count(), 60);
        let cut = shorten(&"é".repeat(3_000_000));
        assert!(cut.chars().count() == 60 && cut.ends_with('…'), "{cut}");
    }
}
