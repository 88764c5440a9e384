//! `snapshot show`.

use std::ops::ControlFlow;

use downhaul_engine::{Row, Session};
use downhaul_snapshot::difference;
use downhaul_snapshot::mark::Mark;
use downhaul_snapshot::track::name::parse_name_in;
use downhaul_syntax::ObjectName;

use super::spool::Spool;
use super::{begin, csv, json_line, moment, open, snapshot};
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
        let read = read(&mut *session, args, &table, &mark).await;
        session.rollback().await?;
        let Read { output, gone, more } = read?;
        match output {
            Output::Pretty { columns, rows } => pretty(&columns, &rows, ui),
            Output::Csv(spool) | Output::Json { spool, .. } => spool.pour()?,
        }
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

/// What was read, and is not yet written.
struct Read {
    output: Output,
    /// Columns of then that are gone.
    gone: Vec<String>,
    /// There were more rows than wanted.
    more: bool,
}

async fn read(
    session: &mut dyn Session,
    args: &ShowArgs,
    table: &ObjectName,
    mark: &Mark,
) -> Result<Read, CliError> {
    let shown = difference::show(session, table, mark).await.map_err(snapshot)?;
    let query = shown.query(args.r#where.as_deref(), args.limit.saturating_add(1));
    let mut output = Output::new(args.format, &shown.columns);
    let mut rows = 0;
    let read = session
        .each_row(&query, &mut |row| {
            rows += 1;
            if rows > args.limit {
                ControlFlow::Break(())
            } else {
                output.row(&shown.columns, &row)
            }
        })
        .await;
    read.map_err(|error| snapshot(error.into()))?;
    output.end();
    Ok(Read { output, gone: shown.gone, more: rows > args.limit })
}

enum Output {
    /// Cells, as they are shown: the widths of columns are known at the end.
    Pretty {
        columns: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    Csv(Spool),
    Json {
        spool: Spool,
        begun: bool,
    },
}

impl Output {
    fn new(format: RowFormat, columns: &[String]) -> Self {
        let mut spool = Spool::new();
        match format {
            RowFormat::Pretty => Self::Pretty { columns: columns.to_vec(), rows: Vec::new() },
            RowFormat::Csv => {
                let names: Vec<Option<&str>> = columns.iter().map(|c| Some(c.as_str())).collect();
                let _ = spool.line(&csv(&names));
                Self::Csv(spool)
            }
            RowFormat::Json => {
                let _ = spool.text("{\n  \"version\": 1,\n  \"rows\": [");
                Self::Json { spool, begun: false }
            }
        }
    }

    /// Says whether more is of any use.
    fn row(&mut self, columns: &[String], row: &Row) -> ControlFlow<()> {
        let values = (0..columns.len()).map(|at| row.opt(at));
        match self {
            Self::Pretty { rows, .. } => {
                rows.push(values.map(shown).collect());
                ControlFlow::Continue(())
            }
            Self::Csv(spool) => spool.line(&csv(&values.collect::<Vec<_>>())),
            Self::Json { spool, begun } => {
                let pairs: Vec<String> = columns
                    .iter()
                    .zip(values)
                    .map(|(name, value)| format!("{}: {}", json_line(name), json_line(&value)))
                    .collect();
                let comma = if std::mem::replace(begun, true) { "," } else { "" };
                // A table may have no column at all.
                let object = match pairs.is_empty() {
                    true => "{}".to_owned(),
                    false => format!("{{ {} }}", pairs.join(", ")),
                };
                spool.text(&format!("{comma}\n    {object}"))
            }
        }
    }

    fn end(&mut self) {
        if let Self::Json { spool, begun } = self {
            let _ = spool.line(if *begun { "\n  ]\n}" } else { "]\n}" });
        }
    }
}

fn pretty(columns: &[String], rows: &[Vec<String>], ui: &Ui) {
    let width = |(at, name): (usize, &String)| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.chain([name]).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(width).collect();
    let line = |cells: &[String]| {
        let padded = |(cell, width): (&String, &usize)| {
            format!("{cell}{}", " ".repeat(width - cell.chars().count()))
        };
        let cells: Vec<String> = cells.iter().zip(&widths).map(padded).collect();
        cells.join("  ").trim_end().to_owned()
    };
    ui.line(paint(Style::Bold, line(columns)));
    for row in rows {
        ui.line(line(row));
    }
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
