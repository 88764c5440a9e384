//! `downhaul history`.

use downhaul_engine::{EngineError, connect};
use downhaul_run::{Journal, Operation};

use crate::args::{Global, HistoryArgs, StatusFormat};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Style, Ui, paint};

/// Shows what was run on this database, by whom, and how it ended. Needs no right to write.
pub async fn run(_global: &Global, args: &HistoryArgs, ui: &Ui) -> Result<Code, CliError> {
    let target = super::target(args.database_url.as_deref())?;
    let (operations, notes) = match connect(&target, false).await {
        Ok(mut session) => {
            let journal = Journal::new(session.dialect());
            let found = async {
                if journal.exists(&mut *session).await? {
                    let operations = journal.operations(&mut *session, args.limit).await?;
                    let notes = journal.notes(&mut *session, &operations).await?;
                    Ok((operations, notes))
                } else {
                    Ok::<_, EngineError>((Vec::new(), Vec::new()))
                }
            }
            .await;
            session.close().await;
            found?
        }
        Err(EngineError::NoFile { .. }) => (Vec::new(), Vec::new()),
        Err(error) => return Err(error.into()),
    };
    match args.format {
        StatusFormat::Json => ui.line(json(&operations, &notes)?),
        StatusFormat::Pretty if operations.is_empty() => {
            ui.line(format!("{target}: nothing was ever run here"));
        }
        StatusFormat::Pretty => {
            for operation in operations.iter().rev() {
                pretty(operation, ui);
                for (_, kind, detail) in notes.iter().filter(|(of, ..)| *of == operation.id) {
                    ui.line(format!("         {kind} {detail}"));
                }
            }
        }
    }
    Ok(Code::Clean)
}

fn versions(operation: &Operation) -> Vec<String> {
    serde_json::from_str(&operation.versions).unwrap_or_default()
}

fn pretty(operation: &Operation, ui: &Ui) {
    let style = match operation.state.as_str() {
        "done" => Style::Good,
        "failed" => Style::Bad,
        _ => Style::Warn,
    };
    let versions = versions(operation);
    let which = match versions.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, .., last] => format!("{first} … {last} ({})", versions.len()),
    };
    let mut release =
        operation.release.as_ref().map(|label| format!(" for {label}")).unwrap_or_default();
    if let Some(commit) = &operation.commit {
        release.push_str(&format!(" at {}", &commit[..commit.len().min(12)]));
    }
    ui.line(format!(
        "{:>5}  {:<8} {} {which}{release}  {}",
        operation.id,
        operation.verb,
        paint(style, format!("{:<11}", operation.state)),
        paint(Style::Dim, format!("{} by {}", operation.started_at, operation.who)),
    ));
    if let Some(error) = &operation.error {
        ui.line(format!("         {error}"));
    }
}

fn json(operations: &[Operation], notes: &[(i64, String, String)]) -> Result<String, CliError> {
    let list: Vec<_> = operations
        .iter()
        .map(|o| {
            serde_json::json!({
                "id": o.id,
                "verb": o.verb,
                "versions": versions(o),
                "state": o.state,
                "started_at": o.started_at,
                "finished_at": o.finished_at,
                "who": o.who,
                "release": o.release,
                "commit": o.commit,
                "notes": notes
                    .iter()
                    .filter(|(of, ..)| *of == o.id)
                    .map(|(_, kind, text)| serde_json::json!({ "kind": kind, "text": text }))
                    .collect::<Vec<_>>(),
                "head": o.head.as_ref().map(ToString::to_string),
                "error": o.error,
            })
        })
        .collect();
    serde_json::to_string_pretty(&serde_json::json!({ "version": 1, "operations": list }))
        .map_err(|error| CliError::internal(error.to_string()))
}
