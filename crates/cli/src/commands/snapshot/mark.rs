//! `snapshot mark`, `marks`.

use downhaul_snapshot::mark as marks;

use super::{json, open, snapshot};
use crate::args::StatusFormat;
use crate::args::snapshot::{MarkArgs, MarksArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Style, Ui, paint};

/// Makes a mark, or removes one.
pub(super) async fn mark(args: &MarkArgs, ui: &Ui) -> Result<Code, CliError> {
    let mut session = open(&args.database).await?;
    let result = async {
        if let Some(name) = &args.delete {
            if marks::remove(&mut *session, name).await.map_err(snapshot)? {
                ui.line(format!("mark `{name}` is gone; the history stays"));
                return Ok(Code::Clean);
            }
            return Err(CliError::usage(format!("there is no mark `{name}`"))
                .hint("`downhaul snapshot marks` lists them"));
        }
        let name = args.name.as_deref().unwrap_or_default();
        if name.trim().is_empty() {
            return Err(CliError::usage("a mark needs a name"));
        }
        let who = crate::commands::who();
        match downhaul_run::snapshot::mark(&mut *session, name, &who).await? {
            Some(mark) => {
                ui.line(format!("mark `{}` made at {}", mark.name, mark.at));
                if !mark.running.is_empty() {
                    ui.line(paint(
                        Style::Dim,
                        format!(
                            "  {} running transactions come after it as a whole",
                            mark.running.len()
                        ),
                    ));
                }
                Ok(Code::Clean)
            }
            None => Err(CliError::usage(format!("there is a mark `{name}` already"))
                .state("nothing was changed")
                .hint("take another name, or remove it: `downhaul snapshot mark --delete NAME`")),
        }
    }
    .await;
    session.close().await;
    result
}

/// Lists the marks.
pub(super) async fn marks(args: &MarksArgs, ui: &Ui) -> Result<Code, CliError> {
    let mut session = open(&args.database).await?;
    let found = marks::all(&mut *session).await;
    session.close().await;
    let found = found.map_err(snapshot)?;
    if args.format == StatusFormat::Json {
        let list: Vec<_> = found
            .iter()
            .map(|m| {
                serde_json::json!({
                    "id": m.id, "name": m.name, "origin": m.origin, "at": m.at, "who": m.who,
                    "lsn": m.lsn, "xmax": m.xmax, "running": m.running,
                })
            })
            .collect();
        ui.line(json(&serde_json::json!({ "version": 1, "marks": list }))?);
        return Ok(Code::Clean);
    }
    if found.is_empty() {
        ui.line("no marks");
    }
    for mark in &found {
        ui.line(format!(
            "  {:<40} {}",
            mark.name,
            paint(Style::Dim, format!("{} by {}", mark.at, mark.who))
        ));
    }
    Ok(Code::Clean)
}
