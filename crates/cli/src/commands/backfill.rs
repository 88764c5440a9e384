//! `downhaul backfill`.

use std::time::Duration;

use downhaul_engine::lock::{Presence, presence};
use downhaul_engine::{EngineError, Session, connect};
use downhaul_plan::Version;
use downhaul_run::backfill::{Backfill, Want, backfills, tell};

use crate::args::{BackfillArgs, BackfillCommand, BackfillPlace, StatusFormat};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Style, Ui, count, duration, paint, thousands};

/// Shows backfills, or tells them what is wanted of them. Works beside the run that does them.
pub async fn run(args: &BackfillArgs, ui: &Ui) -> Result<Code, CliError> {
    match &args.command {
        BackfillCommand::Status { place, all, format } => status(place, *all, *format, ui).await,
        BackfillCommand::Pause { place } => {
            want(place, Want::Pause, "rests behind its present batch", ui).await
        }
        BackfillCommand::Resume { place } => want(place, Want::Resume, "goes on", ui).await,
        BackfillCommand::Speed { percent, place } => {
            let text = match percent.0 {
                Some(percent) => format!("works {percent} % of the time"),
                None => "goes at full speed while nobody else is at work".to_owned(),
            };
            want(place, Want::Speed(percent.0), &text, ui).await
        }
    }
}

async fn open(place: &BackfillPlace) -> Result<Option<Box<dyn Session>>, CliError> {
    let target = super::target(place.database_url.as_deref())?;
    match connect(&target, false).await {
        Ok(session) => Ok(Some(session)),
        Err(EngineError::NoFile { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn status(
    place: &BackfillPlace,
    all: bool,
    format: StatusFormat,
    ui: &Ui,
) -> Result<Code, CliError> {
    let (mut found, at_work) = match open(place).await? {
        Some(mut session) => {
            let found = backfills(&mut *session).await;
            let at_work = at_work(&mut *session).await;
            session.close().await;
            (found?, at_work)
        }
        None => (Vec::new(), None),
    };
    let any = !found.is_empty();
    found.retain(|b| {
        (all || !b.done) && place.of.as_ref().is_none_or(|v| Version::new(v) == b.version)
    });
    if format == StatusFormat::Json {
        ui.line(json(&found, at_work)?);
        return Ok(Code::Clean);
    }
    if found.is_empty() {
        let more = if any { "; --all shows the finished ones" } else { "" };
        ui.line(format!("no backfill is under way{more}"));
    }
    for backfill in &found {
        pretty(backfill, at_work, ui);
    }
    Ok(Code::Clean)
}

/// Whether a run is at work on the database; `None` where nobody can tell from outside.
async fn at_work(session: &mut dyn Session) -> Option<bool> {
    match presence(session).await {
        Ok(Presence::Held(_)) => Some(true),
        Ok(Presence::Free) => Some(false),
        // Who may not look there is told what the backfill itself said last.
        Ok(Presence::Unknown) | Err(_) => None,
    }
}

/// Nobody is at work on it, though it is not at its end.
fn is_cut_off(backfill: &Backfill, at_work: Option<bool>) -> bool {
    !backfill.done && at_work == Some(false)
}

/// What a backfill does now.
fn state(backfill: &Backfill, at_work: Option<bool>) -> (Style, String) {
    let reason = backfill.reason.as_deref().unwrap_or_default();
    // No further: what comes behind it may be a contract.
    let goes_on = match backfill.direction.as_str() {
        "up" => format!("`downhaul up --to {}` continues it", backfill.version),
        _ => "`downhaul down` continues it".to_owned(),
    };
    if backfill.done {
        return (Style::Good, "done".into());
    }
    if is_cut_off(backfill, at_work) {
        let and = if backfill.paused { ", paused: `downhaul backfill resume`, then" } else { ":" };
        return (Style::Bad, format!("cut off, no run is at work{and} {goes_on}"));
    }
    if backfill.paused {
        let text = if reason.starts_with("paused") { reason } else { "paused" };
        (Style::Warn, format!("{text}; `downhaul backfill resume` lets it go on"))
    } else if backfill.is_silent() {
        let silent = duration(Duration::from_secs(backfill.silent));
        (Style::Bad, format!("not heard of for {silent}: where no run is going on, {goes_on}"))
    } else if !reason.is_empty() {
        (Style::Warn, format!("waits: {reason}"))
    } else {
        (Style::Accent, "at work".into())
    }
}

fn pretty(backfill: &Backfill, at_work: Option<bool>, ui: &Ui) {
    let (style, state) = state(backfill, at_work);
    ui.line(format!(
        "{} {} {}  {}",
        paint(Style::Bold, &backfill.version),
        backfill.direction,
        backfill.table,
        paint(style, state)
    ));
    let share = (backfill.passed * 100).checked_div(backfill.total).unwrap_or(0).min(100);
    let share = if backfill.done { 100 } else { share };
    ui.line(format!(
        "  rows        {} of about {} gone over ({share} %), {} changed, about {} left",
        thousands(backfill.passed),
        thousands(backfill.total),
        thousands(backfill.changed),
        thousands(backfill.left())
    ));
    let rests = backfill.paused || backfill.is_silent() || is_cut_off(backfill, at_work);
    let left = match backfill.seconds_left() {
        _ if backfill.done => String::new(),
        _ if rests => " when it was last at work".to_owned(),
        Some(seconds) => format!(", {} left", duration(Duration::from_secs(seconds))),
        None => String::new(),
    };
    ui.line(format!("  rate        {} rows a second{left}", thousands(backfill.rate as u64)));
    ui.line(format!(
        "  batch       {}, {}",
        count(backfill.batch, "row"),
        match backfill.speed {
            Some(percent) => format!("{percent} % of the time at work"),
            None => "at full speed while nobody else is at work".to_owned(),
        }
    ));
    ui.line(format!(
        "  since       {}, last heard of {} ago",
        backfill.started_at,
        duration(Duration::from_secs(backfill.silent))
    ));
}

fn json(found: &[Backfill], at_work: Option<bool>) -> Result<String, CliError> {
    let list: Vec<_> = found
        .iter()
        .map(|b| {
            serde_json::json!({
                "version": b.version.to_string(),
                "direction": b.direction,
                "statement": b.ordinal,
                "table": b.table,
                "rows_passed": b.passed,
                "rows_changed": b.changed,
                "rows_total": b.total,
                "rows_left": b.left(),
                "rows_per_second": b.rate,
                "seconds_left": b.seconds_left().filter(|_| !is_cut_off(b, at_work)),
                "batch": b.batch,
                "speed": b.speed,
                "paused": b.paused,
                "reason": b.reason,
                "done": b.done,
                "cut_off": at_work.map(|_| is_cut_off(b, at_work)),
                "started_at": b.started_at,
                "heard_at": b.at,
                "silent_seconds": b.silent,
            })
        })
        .collect();
    serde_json::to_string_pretty(&serde_json::json!({ "version": 1, "backfills": list }))
        .map_err(|error| CliError::internal(error.to_string()))
}

async fn want(place: &BackfillPlace, want: Want, what: &str, ui: &Ui) -> Result<Code, CliError> {
    let version = place.of.as_ref().map(Version::new);
    let (told, at_work) = match open(place).await? {
        Some(mut session) => {
            let told = tell(&mut *session, version.as_ref(), want).await;
            let at_work = at_work(&mut *session).await;
            session.close().await;
            (told?, at_work)
        }
        None => (0, None),
    };
    if told == 0 {
        return Err(CliError::new(Code::Findings, "no backfill is under way")
            .state("nothing was changed")
            .hint("downhaul backfill status --all"));
    }
    ui.line(format!("{}: {what}", count(told, "backfill")));
    if at_work == Some(false) {
        ui.line(
            "no run is at work now: the next `downhaul up` or `down` that continues it heeds this",
        );
    }
    Ok(Code::Clean)
}
