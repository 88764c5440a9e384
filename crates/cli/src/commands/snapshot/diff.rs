//! `snapshot diff`.

use downhaul_snapshot::difference::{self, Difference, RowChange, RowDifference, TableDifference};
use downhaul_snapshot::{SnapshotError, mark as marks};

use super::page;
use super::show::{shorten, shown};
use super::{begin, csv, json, named, open, rows, snapshot};
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
        let found = difference::difference(
            &mut *session,
            (&from, to.as_ref()),
            &tables,
            (args.offset, args.limit),
        )
        .await;
        session.rollback().await?;
        found.map_err(snapshot)
    }
    .await;
    session.close().await;
    let found = result?;
    match args.format {
        DiffFormat::Pretty => pretty(&found, args, ui),
        DiffFormat::Json => ui.line(as_json(&found)?),
        DiffFormat::Csv => as_csv(&found, ui),
        DiffFormat::Html => {
            let to = args.to.as_deref().unwrap_or("now");
            ui.line(page::page(&found, (&args.from, to), (args.offset, args.limit)));
        }
    }
    let differs = found.tables.iter().any(|t| t.total() > 0);
    Ok(if args.exit_code && differs { Code::Findings } else { Code::Clean })
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

fn pretty(found: &Difference, args: &DiffArgs, ui: &Ui) {
    let differing: Vec<&TableDifference> = found.tables.iter().filter(|t| t.total() > 0).collect();
    for table in &differing {
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
        for row in &table.rows {
            ui.line(line(row));
        }
        let shown = table.rows.len() as i64 + i64::try_from(args.offset).unwrap_or(0);
        if args.limit > 0 && table.rows.len() as u64 == args.limit && shown < table.total() {
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

fn as_json(found: &Difference) -> Result<String, CliError> {
    let tables: Vec<_> = found
        .tables
        .iter()
        .map(|t| {
            let rows: Vec<_> = t
                .rows
                .iter()
                .map(|r| {
                    let key: serde_json::Map<_, _> =
                        r.key.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
                    let values: Vec<_> = r
                        .values
                        .iter()
                        .map(|v| serde_json::json!({"column": v.column, "old": v.old, "new": v.new}))
                        .collect();
                    serde_json::json!({"change": word(r.change), "key": key, "copies": r.copies, "values": values})
                })
                .collect();
            serde_json::json!({
                "table": t.table,
                "inserted": t.inserted,
                "updated": t.updated,
                "deleted": t.deleted,
                "columns": t.columns.iter().map(|(c, n)| serde_json::json!({"column": c, "rows": n})).collect::<Vec<_>>(),
                "incomparable": t.incomparable,
                "rows": rows,
            })
        })
        .collect();
    json(&serde_json::json!({"version": 1, "tables": tables, "unreachable": found.unreachable}))
}

fn as_csv(found: &Difference, ui: &Ui) {
    ui.line("table,change,key,column,old,new");
    for table in &found.tables {
        for row in &table.rows {
            let key: Vec<String> = row.key.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let key = key.join(" ");
            for v in &row.values {
                ui.line(csv(&[
                    Some(&table.table),
                    Some(word(row.change)),
                    Some(&key),
                    Some(&v.column),
                    v.old.as_deref(),
                    v.new.as_deref(),
                ]));
            }
        }
    }
    for reason in &found.unreachable {
        ui.remark(format!("{} {reason}", paint(Style::Warn, "left out:")));
    }
}
