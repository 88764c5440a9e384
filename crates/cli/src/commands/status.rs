//! `downhaul status`.

use downhaul_engine::lock::Presence;
use downhaul_engine::{EngineError, connect};
use downhaul_run::{Status, StatusState};

use crate::args::{Global, StatusArgs, StatusFormat};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Style, Ui, count, paint};

/// Shows where the database stands. Needs no right to write.
pub async fn run(global: &Global, args: &StatusArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    let (status, version) = match connect(&site.target, false).await {
        Ok(mut session) => {
            let status = downhaul_run::status::status(&mut *session, &site.series).await;
            let version = session.server().version.clone();
            session.close().await;
            (status?, version)
        }
        // `up` makes the file, so everything is pending.
        Err(EngineError::NoFile { .. }) => {
            (Status::of_nothing(&site.series), "no such file yet".to_owned())
        }
        Err(error) => return Err(error.into()),
    };
    match args.format {
        StatusFormat::Json => ui.line(json(&status)?),
        StatusFormat::Pretty => pretty(&status, &format!("{} ({version})", site.target), ui),
    }
    let pending = status.rows.iter().any(|row| is_pending(row.state))
        || status.repeatables.iter().any(|row| row.pending);
    let code = if args.exit_code && pending { Code::Findings } else { Code::Clean };
    Ok(code)
}

fn is_pending(state: StatusState) -> bool {
    matches!(
        state,
        StatusState::Pending
            | StatusState::OutOfOrder
            | StatusState::Applying
            | StatusState::Reverting
    )
}

fn word(state: StatusState) -> (Style, &'static str) {
    match state {
        StatusState::Applied => (Style::Good, "applied"),
        StatusState::Edited => (Style::Bad, "edited since it was applied"),
        StatusState::FileMissing => (Style::Warn, "applied, file missing"),
        StatusState::Squashed => (Style::Good, "applied, squashed since"),
        StatusState::Pending => (Style::Accent, "pending"),
        StatusState::OutOfOrder => (Style::Warn, "pending, older than an applied one"),
        StatusState::Applying => (Style::Bad, "half applied"),
        StatusState::Reverting => (Style::Bad, "half reverted: `downhaul down` goes on"),
    }
}

fn pretty(status: &Status, database: &str, ui: &Ui) {
    ui.line(paint(Style::Bold, database));
    for row in &status.rows {
        let (style, text) = word(row.state);
        let text = match row.state {
            // No further: what comes behind it may be a contract.
            StatusState::Applying => {
                format!("{text}: `downhaul up --to {}` goes on", row.version)
            }
            _ => text.to_owned(),
        };
        let mut line = format!("  {:<40} {}", row.label, paint(style, text));
        if let (Some(at), Some(by)) = (&row.applied_at, &row.applied_by) {
            line.push_str(&paint(Style::Dim, format!(" {at} by {by}")));
        }
        if !row.has_down {
            line.push_str(&paint(Style::Warn, " no down"));
        }
        ui.line(line);
        for held in &row.held {
            let size = held.bytes.and_then(|n| i64::try_from(n).ok()).map(super::snapshot::bytes);
            let size = size.map(|size| format!(", {size}")).unwrap_or_default();
            let how = if held.set_aside { ", set aside" } else { "" };
            let rows = count(held.rows, "row");
            ui.line(format!("      held: {rows} of {}{how}{size}", held.table));
        }
    }
    for row in &status.repeatables {
        let (style, text) = match (row.pending, row.file_missing, &row.applied_at) {
            (_, true, _) => (Style::Warn, "repeatable, file missing"),
            (true, _, None) => (Style::Accent, "repeatable, pending"),
            (true, _, Some(_)) => (Style::Accent, "repeatable, changed since it ran"),
            (false, ..) => (Style::Good, "repeatable, as it ran last"),
        };
        let mut line = format!("  {:<40} {}", row.name, paint(style, text));
        if let Some(at) = &row.applied_at {
            line.push_str(&paint(Style::Dim, format!(" {at}")));
        }
        ui.line(line);
    }
    let what = match &status.presence {
        Some(Presence::Held(holder)) => format!("is going on: {}", holder.description),
        Some(Presence::Free) => "was cut off; the next `up` or `down` settles it".to_owned(),
        Some(Presence::Unknown) | None => {
            "is going on or was cut off; the next `up` or `down` settles it".to_owned()
        }
    };
    for operation in &status.running {
        ui.line(format!(
            "  {} run {} (`{}`) by {}, begun {}, {what}",
            paint(Style::Warn, "!"),
            operation.id,
            operation.verb,
            operation.who,
            operation.started_at
        ));
    }
    let half = status.count(StatusState::Applying) + status.count(StatusState::Reverting);
    let pending = status.rows.iter().filter(|row| is_pending(row.state)).count() - half;
    let applied = status.rows.len() - pending - half;
    let half = if half > 0 { format!("{half} half done, ") } else { String::new() };
    ui.line(format!("{applied} applied, {half}{pending} pending"));
}

fn json(status: &Status) -> Result<String, CliError> {
    let rows: Vec<serde_json::Value> = status
        .rows
        .iter()
        .map(|row| {
            let state = match row.state {
                StatusState::Applied => "applied",
                StatusState::Edited => "edited",
                StatusState::FileMissing => "file_missing",
                StatusState::Squashed => "squashed",
                StatusState::Pending => "pending",
                StatusState::OutOfOrder => "out_of_order",
                StatusState::Applying => "applying",
                StatusState::Reverting => "reverting",
            };
            serde_json::json!({
                "version": row.version,
                "migration": row.label,
                "state": state,
                "applied_at": row.applied_at,
                "applied_by": row.applied_by,
                "has_down": row.has_down,
                "held": row.held.iter().map(|held| serde_json::json!({
                    "table": held.table,
                    "rows": held.rows,
                    "set_aside": held.set_aside,
                    "bytes": held.bytes,
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    let repeatables: Vec<serde_json::Value> = status
        .repeatables
        .iter()
        .map(|row| {
            serde_json::json!({
                "name": row.name,
                "pending": row.pending,
                "applied_at": row.applied_at,
                "file_missing": row.file_missing,
            })
        })
        .collect();
    let mut document = serde_json::json!({"version": 1, "migrations": rows});
    if !repeatables.is_empty() {
        document["repeatables"] = repeatables.into();
    }
    serde_json::to_string_pretty(&document).map_err(|error| CliError::internal(error.to_string()))
}
