//! `snapshot diff`.

use std::ops::ControlFlow;

use downhaul_engine::Session;
use downhaul_snapshot::SnapshotError;
use downhaul_snapshot::difference::{
    self, Difference, RowChange, RowDifference, TableDifference, ValueChange,
};
use downhaul_snapshot::mark::{self as marks, Mark};
use downhaul_syntax::ObjectName;

use super::page;
use super::show::{shorten, shown};
use super::spool::Spool;
use super::{begin, csv, json_line, named, open, rows, snapshot};
use crate::args::snapshot::{DiffArgs, DiffFormat};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Style, Ui, paint};

/// Shows what changed.
pub(super) async fn run(args: &DiffArgs, ui: &Ui) -> Result<Code, CliError> {
    let mut session = open(&args.database).await?;
    let result = async {
        let tables = named(session.dialect(), &[&args.tables[..], &args.table].concat())?;
        let from = marks::named(&mut *session, &args.from).await.map_err(snapshot)?;
        let to = match &args.to {
            Some(name) => match marks::named(&mut *session, name).await {
                // What people call it, unless somebody named a mark so.
                Err(SnapshotError::UnknownMark { .. }) if name == "now" => None,
                found => Some(found.map_err(snapshot)?),
            },
            None => None,
        };
        if let Some(to) = to.as_ref().filter(|to| to.id < from.id) {
            return Err(CliError::usage(format!("`{}` was made after `{}`", from.name, to.name))
                .hint(format!("downhaul snapshot diff '{}' '{}'", to.name, from.name)));
        }
        begin(&mut *session).await?;
        let read = read(&mut *session, args, (&from, to.as_ref()), &tables).await;
        session.rollback().await?;
        read
    }
    .await;
    session.close().await;
    let Read { found, output } = result?;
    match output {
        Output::Pretty(rows) => pretty(&found, &rows, args, ui),
        Output::Json(spool) | Output::Html(spool) => spool.pour()?,
        Output::Csv(spool) => {
            spool.pour()?;
            left_out(&found, ui);
        }
    }
    let differs = found.tables.iter().any(|t| t.total() > 0);
    Ok(if args.exit_code && differs { Code::Findings } else { Code::Clean })
}

/// What was read, and is not yet written.
struct Read {
    found: Difference,
    output: Output,
}

enum Output {
    /// The lines of the rows of each table that differs.
    Pretty(Vec<Vec<String>>),
    Json(Spool),
    Csv(Spool),
    Html(Spool),
}

async fn read(
    session: &mut dyn Session,
    args: &DiffArgs,
    marks: (&Mark, Option<&Mark>),
    tables: &[ObjectName],
) -> Result<Read, CliError> {
    let found = difference::difference(session, marks, tables).await.map_err(snapshot)?;
    let page = (args.offset, args.limit);
    let mut spool = Spool::new();
    let output = match args.format {
        DiffFormat::Pretty => {
            let mut lines = Vec::new();
            for table in found.tables.iter().filter(|t| t.total() > 0) {
                let mut of_table = Vec::new();
                let mut take = |row: &RowDifference| {
                    of_table.push(line(row));
                    ControlFlow::Continue(())
                };
                table.each_row(session, page, &mut take).await.map_err(snapshot)?;
                lines.push(of_table);
            }
            Output::Pretty(lines)
        }
        DiffFormat::Json => {
            as_json(session, &found, page, &mut spool).await?;
            Output::Json(spool)
        }
        DiffFormat::Csv => {
            let _ = spool.line("table,change,key,column,old,new,copies");
            for table in &found.tables {
                let mut take = |row: &RowDifference| lines_of_csv(table, row, &mut spool);
                table.each_row(session, page, &mut take).await.map_err(snapshot)?;
            }
            Output::Csv(spool)
        }
        DiffFormat::Html => {
            let to = args.to.as_deref().unwrap_or("now");
            let _ = spool.text(&page::head(&found, (&args.from, to)));
            for table in found.tables.iter().filter(|t| t.total() > 0) {
                let _ = spool.text(&page::table(table));
                let mut rows = page::Rows::default();
                let mut take = |row: &RowDifference| spool.text(&rows.row(row));
                let shown = table.each_row(session, page, &mut take).await.map_err(snapshot)?;
                let _ = spool.text(&rows.end(table, page, shown));
            }
            let _ = spool.line(page::END);
            Output::Html(spool)
        }
    };
    Ok(Read { found, output })
}

pub(super) fn counts(inserted: i64, updated: i64, deleted: i64) -> String {
    let mut parts = Vec::new();
    for (n, what) in [(inserted, "inserted"), (updated, "updated"), (deleted, "deleted")] {
        if n > 0 {
            parts.push(format!("{} {what}", rows(n)));
        }
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn pretty(found: &Difference, lines: &[Vec<String>], args: &DiffArgs, ui: &Ui) {
    let differing: Vec<&TableDifference> = found.tables.iter().filter(|t| t.total() > 0).collect();
    for (table, lines) in differing.iter().zip(lines) {
        ui.line(format!(
            "{}: {}",
            paint(Style::Bold, &table.table),
            counts(table.inserted, table.updated, table.deleted)
        ));
        if !table.columns.is_empty() {
            let list: Vec<String> =
                table.columns.iter().map(|(name, n)| format!("{name} in {}", rows(*n))).collect();
            ui.line(format!("  changed: {}", list.join(", ")));
        }
        if !table.incomparable.is_empty() {
            ui.line(format!(
                "  {} not compared, since only one of the moments has it: {}",
                paint(Style::Warn, "note"),
                table.incomparable.join(", ")
            ));
        }
        for line in lines {
            ui.line(line);
        }
        let shown = lines.len() as i64 + i64::try_from(args.offset).unwrap_or(0);
        if args.limit > 0 && lines.len() as u64 == args.limit && shown < table.total() {
            ui.line(paint(Style::Dim, format!("  … --offset {shown} shows the next ones")));
        }
    }
    let same = found.tables.iter().filter(|t| t.total() == 0 && !t.incomparable.is_empty());
    let same: Vec<&TableDifference> = same.collect();
    if differing.is_empty() {
        ui.line(match (found.unreachable.is_empty(), same.is_empty()) {
            (true, true) => "nothing differs",
            (true, false) => "nothing differs in the columns that both moments have",
            (false, _) => "nothing differs in the tables that can be compared",
        });
    }
    for table in same {
        ui.line(format!(
            "  {} {}: not compared, since only one of the moments has it: {}",
            paint(Style::Warn, "note"),
            table.table,
            table.incomparable.join(", ")
        ));
    }
    left_out(found, ui);
}

fn left_out(found: &Difference, ui: &Ui) {
    for reason in &found.unreachable {
        ui.remark(format!("{} {reason}", paint(Style::Warn, "left out:")));
    }
}

fn value(value: Option<&String>) -> String {
    shown(value.map(String::as_str))
}

fn line(row: &RowDifference) -> String {
    let (style, sign) = match row.change {
        RowChange::Inserted => (Style::Good, "+"),
        RowChange::Deleted => (Style::Bad, "-"),
        RowChange::Updated => (Style::Warn, "~"),
    };
    let mut parts: Vec<String> =
        row.key.iter().map(|(name, value)| format!("{name}={}", shorten(value))).collect();
    parts.extend(row.values.iter().map(|v| match row.change {
        RowChange::Inserted => format!("{}={}", v.column, value(v.new.as_ref())),
        RowChange::Deleted => format!("{}={}", v.column, value(v.old.as_ref())),
        RowChange::Updated => {
            format!("{}: {} → {}", v.column, value(v.old.as_ref()), value(v.new.as_ref()))
        }
    }));
    let copies = if row.copies > 1 { format!(" ({} times)", row.copies) } else { String::new() };
    format!("  {} {}{copies}", paint(style, sign), parts.join("  "))
}

pub(super) fn word(change: RowChange) -> &'static str {
    match change {
        RowChange::Inserted => "inserted",
        RowChange::Updated => "updated",
        RowChange::Deleted => "deleted",
    }
}

/// One row a line.
async fn as_json(
    session: &mut dyn Session,
    found: &Difference,
    page: (u64, u64),
    spool: &mut Spool,
) -> Result<(), CliError> {
    let _ = spool.text("{\n  \"version\": 1,\n  \"tables\": [");
    for (at, table) in found.tables.iter().enumerate() {
        let columns: Vec<_> = table
            .columns
            .iter()
            .map(|(c, n)| serde_json::json!({"column": c, "rows": n}))
            .collect();
        let comma = if at > 0 { "," } else { "" };
        let _ = spool.text(&format!(
            "{comma}\n    {{\n      \"table\": {},\n      \"inserted\": {},\n      \"updated\": {},\n      \"deleted\": {},\n      \
             \"columns\": {},\n      \"incomparable\": {},\n      \"rows\": [",
            json_line(&table.table),
            table.inserted,
            table.updated,
            table.deleted,
            json_line(&columns),
            json_line(&table.incomparable)
        ));
        let mut before = "\n        ";
        let mut take = |row: &RowDifference| {
            let line = format!("{before}{}", json_line(&row_as_json(row)));
            before = ",\n        ";
            spool.text(&line)
        };
        let rows = table.each_row(session, page, &mut take).await.map_err(snapshot)?;
        let _ = spool.text(if rows > 0 { "\n      ]\n    }" } else { "]\n    }" });
    }
    let end = if found.tables.is_empty() { "]" } else { "\n  ]" };
    let _ =
        spool.line(&format!("{end},\n  \"unreachable\": {}\n}}", json_line(&found.unreachable)));
    Ok(())
}

fn row_as_json(row: &RowDifference) -> serde_json::Value {
    let key: serde_json::Map<_, _> =
        row.key.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    let value =
        |v: &ValueChange| serde_json::json!({"column": v.column, "old": v.old, "new": v.new});
    let values: Vec<_> = row.values.iter().map(value).collect();
    serde_json::json!({"change": word(row.change), "key": key, "copies": row.copies, "values": values})
}

fn lines_of_csv(
    table: &TableDifference,
    row: &RowDifference,
    spool: &mut Spool,
) -> ControlFlow<()> {
    let key: Vec<String> = row.key.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let key = key.join(" ");
    let copies = row.copies.to_string();
    let mut line = |value: Option<&ValueChange>| {
        spool.line(&csv(&[
            Some(&table.table),
            Some(word(row.change)),
            Some(&key),
            value.map(|v| v.column.as_str()),
            value.and_then(|v| v.old.as_deref()),
            value.and_then(|v| v.new.as_deref()),
            Some(&copies),
        ]))
    };
    // Of a row that is nothing but its key there is a line, too.
    if row.values.is_empty() {
        return line(None);
    }
    row.values.iter().try_for_each(|value| line(Some(value)))
}
