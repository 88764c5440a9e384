//! `downhaul verify`.

use downhaul_engine::connect;
use downhaul_run::{DriftKind, Verification, verify};

use crate::args::{Global, StatusFormat, VerifyArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Style, Ui, count, paint};

/// Compares files, journal, schema and kept data. Changes nothing.
pub async fn run(global: &Global, args: &VerifyArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    let mut session = connect(&site.target, false).await?;
    let found = verify(&mut *session, &site.series).await;
    session.close().await;
    let found = found?;
    match args.format {
        StatusFormat::Json => ui.line(json(&found)?),
        StatusFormat::Pretty => {
            ui.line(paint(Style::Bold, &site.target));
            pretty(&found, ui);
        }
    }
    Ok(if found.is_clean() {
        Code::Clean
    } else if found.unsound.is_empty() {
        Code::Drift
    } else {
        Code::SnapshotNotSound
    })
}

fn pretty(found: &Verification, ui: &Ui) {
    let ok = paint(Style::Good, "ok     ");
    if found.edited.is_empty() {
        ui.line(format!(
            "  {ok} {}: no file has been changed since",
            count(found.applied as u64, "applied migration")
        ));
    }
    for (name, diff) in &found.edited {
        ui.line(format!("  {} {name} since it was applied", paint(Style::Bad, "edited ")));
        show_diff(diff, ui);
    }
    for label in &found.missing {
        ui.line(format!(
            "  {} {label} is not on disk; the journal keeps its text",
            paint(Style::Warn, "missing")
        ));
    }
    for label in &found.half_done {
        ui.line(format!(
            "  {} {label}: `downhaul status` says how to go on",
            paint(Style::Bad, "half   ")
        ));
    }
    match &found.drift {
        None => ui.line(format!(
            "  {} no run has recorded the schema yet, so it cannot be compared",
            paint(Style::Dim, "unknown")
        )),
        Some(drift) if drift.is_empty() => {
            ui.line(format!("  {ok} the schema is as the last run left it"));
        }
        Some(drift) => {
            for change in drift {
                let what = match change.kind {
                    DriftKind::Added => "was added behind the journal's back",
                    DriftKind::Removed => "was removed behind the journal's back",
                    DriftKind::Changed => "was changed behind the journal's back",
                };
                ui.line(format!("  {} {} {what}", paint(Style::Bad, "drift  "), change.object));
                show_diff(&change.diff, ui);
            }
        }
    }
    if found.unsound.is_empty() {
        ui.line(format!(
            "  {ok} {} kept of {}, every one as it was kept",
            count(found.kept.1, "row"),
            count(found.kept.0 as u64, "table")
        ));
    }
    for reason in &found.unsound {
        ui.line(format!("  {} {reason}", paint(Style::Bad, "unsound")));
    }
}

fn show_diff(diff: &str, ui: &Ui) {
    for line in diff.lines() {
        let style = match line.chars().next() {
            Some('+') => Style::Good,
            Some('-') => Style::Bad,
            _ => Style::Dim,
        };
        ui.line(format!("          {}", paint(style, line)));
    }
}

fn json(found: &Verification) -> Result<String, CliError> {
    let edited: Vec<_> = found
        .edited
        .iter()
        .map(|(file, diff)| serde_json::json!({ "file": file, "diff": diff }))
        .collect();
    let drift = found.drift.as_ref().map(|drift| {
        drift
            .iter()
            .map(|d| {
                let kind = match d.kind {
                    DriftKind::Added => "added",
                    DriftKind::Removed => "removed",
                    DriftKind::Changed => "changed",
                };
                serde_json::json!({ "object": d.object, "kind": kind, "diff": d.diff })
            })
            .collect::<Vec<_>>()
    });
    serde_json::to_string_pretty(&serde_json::json!({
        "version": 1,
        "clean": found.is_clean(),
        "applied": found.applied,
        "edited": edited,
        "missing": found.missing,
        "half_done": found.half_done,
        "drift": drift,
        "kept": { "tables": found.kept.0, "rows": found.kept.1 },
        "unsound": found.unsound,
    }))
    .map_err(|error| CliError::internal(error.to_string()))
}
