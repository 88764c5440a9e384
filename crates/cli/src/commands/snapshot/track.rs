//! `snapshot track`, `untrack`, `status`.

use std::collections::BTreeMap;

use downhaul_run::Runner;
use downhaul_snapshot::track::follow::{self, Drift};
use downhaul_snapshot::track::intend::{self, Intent};
use downhaul_snapshot::track::report::{self, Standing};
use downhaul_snapshot::track::{self, Around, Capture, Tracked};
use downhaul_syntax::Dialect;

use super::{bytes, json, named, open, rows, snapshot};
use crate::args::StatusFormat;
use crate::args::snapshot::{SnapshotStatusArgs, TrackArgs, Triggers, UntrackArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::progress::Progress;
use crate::ui::{Style, Ui, count, paint};

/// Switches tracking on.
pub(super) async fn track(args: &TrackArgs, ui: &Ui) -> Result<Code, CliError> {
    let wish = match args.triggers {
        Triggers::Auto => None,
        Triggers::Statement => Some(Capture::Statement),
        Triggers::Row => Some(Capture::Row),
    };
    let target = crate::commands::target(args.database.database_url.as_deref())?;
    let mut session = open(&args.database).await?;
    let looked = async {
        let mut around = Around::with_sizes(&mut *session).await.map_err(snapshot)?;
        let wanted = if args.all {
            intend::untracked(&mut *session, &around).await.map_err(snapshot)?
        } else {
            named(session.dialect(), &args.tables)?
        };
        around.read_shapes(&mut *session, &wanted).await.map_err(snapshot)?;
        let known = track::all(&mut *session).await.map_err(snapshot)?;
        let known: BTreeMap<i64, &Tracked> = known.iter().map(|t| (t.relation, t)).collect();
        let (mut intents, mut fits, mut mend) = (Vec::new(), Vec::new(), false);
        for name in &wanted {
            let intent = match intend::intend(&mut *session, &around, name, wish).await {
                Ok(intent) => intent,
                // One that cannot be is no reason not to track the others.
                Err(error) if args.all => {
                    ui.remark(format!("{} {error}", paint(Style::Warn, "left out:")));
                    continue;
                }
                Err(error) => return Err(snapshot(error)),
            };
            match known.get(&intent.facts.relation) {
                Some(tracked) => {
                    let drift = follow::drift(&mut *session, &around, tracked).await;
                    let drift = drift.map_err(snapshot)?;
                    mend |= drift.is_some();
                    fits.push((tracked.label(), drift));
                }
                None => intents.push(intent),
            }
        }
        Ok::<_, CliError>((intents, fits, mend))
    }
    .await;
    session.close().await;
    let (intents, fits, mend) = looked?;
    ui.line(paint(Style::Bold, &target));
    for (label, drift) in &fits {
        ui.line(match drift {
            None => format!("  {label} is tracked already"),
            Some(Drift::Paused) => format!(
                "  {label} is tracked; a migration was cut off that had its triggers out of the way, and its history goes on"
            ),
            Some(_) => format!(
                "  {label} is tracked; its form was changed by hand, and its history is made to fit"
            ),
        });
    }
    for intent in &intents {
        cost(intent, ui);
    }
    if intents.is_empty() && !mend {
        ui.line("nothing to do");
        return Ok(Code::Clean);
    }
    if !intents.is_empty() {
        for note in notes(intents[0].dialect) {
            ui.line(format!("  {} {note}", paint(Style::Warn, "note")));
        }
    }
    if !args.yes {
        if !ui.can_ask() {
            return Err(CliError::new(Code::Findings, "nobody is there to confirm this")
                .state("nothing was changed")
                .hint("add --yes to go ahead"));
        }
        if !ui.confirm("Track them?").await {
            ui.line("nothing was changed");
            return Ok(Code::Findings);
        }
    }
    let mut runner = Runner::open(&target, false, crate::commands::options(&args.waiting)).await?;
    let result = async {
        let mut progress = Progress::new(ui, "");
        if mend {
            for note in runner.resync(&mut progress).await? {
                ui.line(format!("  {} {note}", paint(Style::Warn, "note")));
            }
        }
        let done = runner.track(&intents, &mut progress).await?;
        if !done.is_empty() {
            ui.line(format!(
                "{} tracked; `downhaul snapshot mark NAME` names a moment to return to",
                count(done.len() as u64, "table")
            ));
        }
        Ok(Code::Clean)
    }
    .await;
    runner.close().await;
    result
}

/// What to know before any table of this engine is tracked.
fn notes(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Sqlite => &[
            "change columns with `downhaul up` alone: while a table is tracked SQLite refuses to drop a column by hand, and a table rebuilt by hand loses its triggers, until `downhaul snapshot track TABLE` is run again",
        ],
        Dialect::MariaDb | Dialect::Mysql => &[
            "TRUNCATE by hand fires no trigger: its rows are not kept; `snapshot status` says that it happened where the PROCESS privilege lets it",
            "change columns with `downhaul up` alone: after a column is dropped or renamed by hand every write to its table fails, until `downhaul snapshot track TABLE` is run again",
            "a mark waits for open transactions that wrote to tracked tables, and nobody writes to them meanwhile",
        ],
        _ => &[
            "TRUNCATE copies the rows first, and is refused in REPEATABLE READ and SERIALIZABLE transactions",
            "change columns with `downhaul up` alone: after a column is dropped or renamed by hand every write to its table fails, until `downhaul snapshot track TABLE` is run again",
        ],
    }
}

/// Bytes below which nobody asks how many rows a table has.
const SMALL: i64 = 128 << 10;

/// What tracking a table will cost, from what was measured (docs/benchmarks.md).
fn cost(intent: &Intent, ui: &Ui) {
    let facts = &intent.facts;
    let kind = match intent.capture {
        Capture::Statement => "statement triggers",
        Capture::Row => "row triggers",
    };
    // How many rows there are is the server's guess, and one of its worst where they are few.
    let size = if facts.bytes < SMALL {
        format!("small ({})", bytes(facts.bytes))
    } else {
        format!("about {}, {}", rows(facts.rows), bytes(facts.bytes))
    };
    ui.line(format!("  {}: {size}; {kind}: {}", intent.shape.name, intent.reason));
    let (bulk, single) = match (intent.dialect, intent.capture) {
        (Dialect::Sqlite, _) => ("3", "2"),
        (Dialect::MariaDb | Dialect::Mysql, _) => ("4", "2"),
        (_, Capture::Statement) => ("1.3", "1.5"),
        (_, Capture::Row) => ("2.1", "1.3"),
    };
    let each = facts.bytes_of_an_event();
    let growth = match facts.bytes_a_day() {
        Some(a_day) => format!(", about {} a day at the present rate", bytes(a_day)),
        None => String::new(),
    };
    ui.line(paint(
        Style::Dim,
        format!(
            "      writing costs about {bulk} times the CPU in bulk, {single} times for single rows; history grows by about {} for each changed or deleted row{growth}",
            bytes(each)
        ),
    ));
    for warning in &intent.warnings {
        ui.line(format!("      {} {warning}", paint(Style::Warn, "note")));
    }
}

/// Switches tracking off.
pub(super) async fn untrack(args: &UntrackArgs, ui: &Ui) -> Result<Code, CliError> {
    let target = crate::commands::target(args.database.database_url.as_deref())?;
    let mut session = open(&args.database).await?;
    let found = async {
        let standing = report::standing(&mut *session).await.map_err(snapshot)?;
        if args.all {
            return Ok(standing);
        }
        let mut wanted = Vec::new();
        for name in named(session.dialect(), &args.tables)? {
            let full = session.table_shape(&name).await?.map_or(name.clone(), |shape| shape.name);
            let one = standing.iter().find(|s| s.tracked.name == full).ok_or_else(|| {
                CliError::new(Code::Findings, format!("{name} is not tracked"))
                    .state("nothing was changed")
                    .hint("`downhaul snapshot status` lists the tables that are")
            })?;
            wanted.push(one.clone());
        }
        Ok::<_, CliError>(wanted)
    }
    .await;
    session.close().await;
    let found = found?;
    if found.is_empty() {
        ui.line(format!("{target}: no table is tracked"));
        return Ok(Code::Clean);
    }
    for standing in &found {
        ui.line(format!(
            "  {}{}: its history since {} ({}) goes, and with it every way back to a mark",
            standing.tracked.label(),
            if standing.drift == Some(Drift::Gone) { " (the table is gone)" } else { "" },
            standing.since,
            bytes(standing.bytes)
        ));
    }
    if !args.yes {
        if !ui.can_ask() {
            return Err(CliError::new(Code::Findings, "nobody is there to confirm this")
                .state("nothing was changed")
                .hint("add --yes to go ahead"));
        }
        if !ui.confirm("Drop their history?").await {
            ui.line("nothing was changed");
            return Ok(Code::Findings);
        }
    }
    let tables: Vec<Tracked> = found.into_iter().map(|s| s.tracked).collect();
    let mut runner = Runner::open(&target, false, crate::commands::options(&args.waiting)).await?;
    let result = runner.untrack(&tables, &mut Progress::new(ui, "")).await;
    runner.close().await;
    result?;
    ui.line(format!("{} no longer tracked", count(tables.len() as u64, "table")));
    Ok(Code::Clean)
}

/// Shows what is tracked.
pub(super) async fn status(args: &SnapshotStatusArgs, ui: &Ui) -> Result<Code, CliError> {
    let target = crate::commands::target(args.database.database_url.as_deref())?;
    let mut session = open(&args.database).await?;
    let found = report::standing(&mut *session).await;
    session.close().await;
    let found = found.map_err(snapshot)?;
    if args.format == StatusFormat::Json {
        ui.line(json(&serde_json::json!({
            "version": 1,
            "tables": found.iter().map(as_json).collect::<Vec<_>>(),
        }))?);
    } else if found.is_empty() {
        ui.line(format!("{target}: no table is tracked; `downhaul snapshot track TABLE` begins"));
    } else {
        ui.line(paint(Style::Bold, &target));
        for standing in &found {
            pretty(standing, ui);
        }
    }
    let drifted = found.iter().any(|s| s.drift.is_some());
    Ok(if drifted { Code::Drift } else { Code::Clean })
}

fn capture_word(capture: Capture) -> &'static str {
    match capture {
        Capture::Statement => "statement triggers",
        Capture::Row => "row triggers",
    }
}

pub(super) fn drift_word(drift: Drift) -> &'static str {
    match drift {
        Drift::Gone => "the table is gone",
        Drift::Renamed => "it was renamed by hand",
        Drift::Reshaped => "its columns or its key were changed by hand: writes may fail",
        Drift::Emptied => {
            "it was emptied or built anew behind the triggers (TRUNCATE, ALTER, OPTIMIZE): changes may be lost"
        }
        Drift::Partitions => "a partition was detached or dropped by hand, and its rows with it",
        Drift::Paused => {
            "its history pauses while a migration changes it; if none runs, one was cut off: run it again"
        }
        Drift::Triggers => "triggers are missing or no longer suffice: changes may be lost",
    }
}

fn pretty(standing: &Standing, ui: &Ui) {
    let tracked = &standing.tracked;
    let growth = if standing.seconds >= 60 {
        let a_day = standing.bytes as f64 * 86_400.0 / standing.seconds as f64;
        format!(", {} a day", bytes(a_day as i64))
    } else {
        String::new()
    };
    ui.line(format!(
        "  {:<30} {} since {}; history {}{growth}; table {}",
        tracked.label(),
        capture_word(tracked.capture),
        standing.since,
        bytes(standing.bytes),
        bytes(standing.table_bytes)
    ));
    match &standing.oldest {
        Some(mark) => ui.line(paint(Style::Dim, format!("      reaches back to mark `{mark}`"))),
        None => ui.line(paint(
            Style::Dim,
            "      no mark since: `downhaul snapshot mark NAME` makes one",
        )),
    }
    if let Some(drift) = standing.drift {
        let next = if drift == Drift::Gone && tracked.was_written_down() {
            "a migration dropped it: its history goes on when it is there again".to_owned()
        } else if drift == Drift::Gone {
            format!(
                "no migration dropped it, so its rows went with it; `downhaul snapshot untrack {}` forgets it",
                tracked.label()
            )
        } else {
            format!("`downhaul snapshot track {}` makes its history fit again", tracked.label())
        };
        ui.line(format!("      {} {}; {next}", paint(Style::Bad, "!"), drift_word(drift)));
    }
}

fn as_json(standing: &Standing) -> serde_json::Value {
    let tracked = &standing.tracked;
    serde_json::json!({
        "table": tracked.name.to_string(),
        "triggers": match tracked.capture { Capture::Statement => "statement", Capture::Row => "row" },
        "since": standing.since,
        "key": tracked.current().key.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "forms": tracked.versions.len(),
        "history_bytes": standing.bytes,
        "table_bytes": standing.table_bytes,
        "oldest_mark": standing.oldest,
        "drift": standing.drift.map(drift_word),
    })
}
