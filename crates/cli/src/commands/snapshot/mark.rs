//! `snapshot mark`, `marks`.

use downhaul_engine::{Session, Target};
use downhaul_run::{Options, Runner};
use downhaul_snapshot::mark::{self as marks, Mark};
use downhaul_snapshot::track::{self, Around, follow};
use downhaul_snapshot::whole::{self, WholeFile};

use super::{bytes, database, json, open, snapshot};
use crate::args::StatusFormat;
use crate::args::snapshot::{MarkArgs, MarksArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::progress::Progress;
use crate::ui::{Style, Ui, paint};

/// Makes a mark, or removes one.
pub(super) async fn mark(args: &MarkArgs, ui: &Ui) -> Result<Code, CliError> {
    if args.file || args.delete.is_some() {
        let target = crate::commands::target(args.database.database_url.as_deref())?;
        if let Some(done) = of_file(args, &target, ui).await? {
            return Ok(done);
        }
    }
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
                breaks(&mut *session, ui).await?;
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

/// Tells of tables whose history has a hole by now, so that nobody counts on this mark for them.
async fn breaks(session: &mut dyn Session, ui: &Ui) -> Result<(), CliError> {
    let mut around = Around::read(session).await.map_err(snapshot)?;
    let all = track::all(session).await.map_err(snapshot)?;
    around.look_at(session, &all).await.map_err(snapshot)?;
    for tracked in all {
        if let Some(drift) = follow::drift(session, &around, &tracked).await.map_err(snapshot)? {
            ui.remark(format!(
                "{} not of {}: {}{}",
                paint(Style::Warn, "note:"),
                tracked.label(),
                super::track::drift_word(drift),
                match drift {
                    follow::Drift::Gone => "",
                    _ => "; `downhaul snapshot track` makes its history fit again",
                }
            ));
        }
    }
    Ok(())
}

/// Copies the whole file, or removes such a copy with its mark. `None`: there is none of that name.
async fn of_file(args: &MarkArgs, target: &Target, ui: &Ui) -> Result<Option<Code>, CliError> {
    let path = match database(target) {
        Ok(path) => path,
        Err(error) if args.file => return Err(error),
        Err(_) => return Ok(None),
    };
    let options = Options { who: crate::commands::who(), ..Options::default() };
    if let Some(name) = &args.delete {
        let mut session = open(&args.database).await?;
        let found = whole::named(&mut *session, name).await;
        session.close().await;
        let Some(file) = found.map_err(snapshot)? else { return Ok(None) };
        let mut runner = Runner::open(target, false, options).await?;
        let result = async {
            runner.remove_file(path, name).await?;
            let mark = marks::remove(runner.session(), name).await.map_err(snapshot)?;
            Ok::<_, CliError>(mark)
        }
        .await;
        runner.close().await;
        let with = if result? { "; its mark is gone too, the history stays" } else { "" };
        ui.line(format!("the copy {} is gone{with}", file.located(path).display()));
        return Ok(Some(Code::Clean));
    }
    let name = args.name.as_deref().unwrap_or_default();
    if name.trim().is_empty() {
        return Err(CliError::usage("a mark needs a name"));
    }
    let mut runner = Runner::open(target, false, options).await?;
    let made =
        runner.snapshot_file(path, name, args.into.as_deref(), &mut Progress::new(ui, "")).await;
    runner.close().await;
    let made = made?;
    let rows: i64 = made.file.tables.values().sum();
    ui.line(format!(
        "mark `{}` made at {}: {} of {} in {}, {}",
        made.file.name,
        made.file.at,
        super::rows(rows),
        crate::ui::count(made.file.tables.len() as u64, "table"),
        made.path.display(),
        bytes(made.file.bytes)
    ));
    if made.mark.is_none() {
        ui.line(paint(
            Style::Dim,
            "  no table is tracked, so all of them come back from this copy alone",
        ));
    }
    Ok(Some(Code::Clean))
}

/// A mark in a list, with the copy of the whole file that goes with it; or such a copy alone.
struct Listed {
    name: String,
    at: String,
    who: String,
    mark: Option<Mark>,
    file: Option<WholeFile>,
}

fn listed(marks: Vec<Mark>, mut files: Vec<WholeFile>) -> Vec<Listed> {
    let mut list: Vec<Listed> = marks
        .into_iter()
        .map(|mark| {
            let at = files.iter().position(|file| file.name == mark.name);
            let file = at.map(|at| files.remove(at));
            let (name, time, who) = (mark.name.clone(), mark.at.clone(), mark.who.clone());
            Listed { name, at: time, who, mark: Some(mark), file }
        })
        .collect();
    for file in files {
        let place = list.iter().position(|one| one.at > file.at).unwrap_or(list.len());
        let (name, at, who) = (file.name.clone(), file.at.clone(), file.who.clone());
        list.insert(place, Listed { name, at, who, mark: None, file: Some(file) });
    }
    list
}

/// Lists the marks.
pub(super) async fn marks(args: &MarksArgs, ui: &Ui) -> Result<Code, CliError> {
    let mut session = open(&args.database).await?;
    let found = marks::all(&mut *session).await;
    let files = whole::all(&mut *session).await;
    session.close().await;
    let found = listed(found.map_err(snapshot)?, files.map_err(snapshot)?);
    let target = crate::commands::target(args.database.database_url.as_deref())?;
    let place = |file: &WholeFile| {
        database(&target).map_or_else(|_| file.path.clone(), |path| file.located(path))
    };
    if args.format == StatusFormat::Json {
        let list: Vec<_> = found
            .iter()
            .map(|one| {
                let mut value = match &one.mark {
                    Some(m) => serde_json::json!({
                        "id": m.id, "name": m.name, "origin": m.origin, "at": m.at, "who": m.who,
                        "lsn": m.lsn, "xmax": m.xmax, "running": m.running,
                    }),
                    None => serde_json::json!({ "name": one.name, "at": one.at, "who": one.who }),
                };
                if let Some(file) = &one.file {
                    let path = place(file);
                    value["file"] = serde_json::json!({
                        "path": path, "bytes": file.bytes, "tables": file.tables, "there": path.exists(),
                    });
                }
                value
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
        if let Some(file) = &mark.file {
            let path = place(file);
            let gone = if path.exists() { "" } else { ", which is gone" };
            ui.line(paint(
                Style::Dim,
                format!("      the whole file, {}: {}{gone}", bytes(file.bytes), path.display()),
            ));
        }
    }
    Ok(Code::Clean)
}
