//! `snapshot restore`.

use std::path::Path;
use std::time::Instant;

use downhaul_engine::Session;
use downhaul_run::{RunError, Runner};
use downhaul_snapshot::mark::{self as marks, Mark};
use downhaul_snapshot::merge::OnConflict;
use downhaul_snapshot::restore_to::{
    self, Plan, Request, Scope, Strategy, TablePlan, Wish, strategy,
};
use downhaul_snapshot::track::install::parse_name_in;
use downhaul_syntax::{Dialect, Ident};
use serde::{Deserialize, Serialize};

use super::{json, moment, names, open, rows, snapshot};
use crate::args::StatusFormat;
use crate::args::snapshot::{Policy, RestoreArgs, Way};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::progress::Progress;
use crate::ui::{Style, Ui, duration, paint};

/// A plan in a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    version: u32,
    to: String,
    keep_since: Option<String>,
    on_conflict: OnConflict,
    tables: Vec<String>,
    r#where: Option<String>,
    columns: Vec<String>,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<serde_json::Value>,
}

/// Shows what a restore would change, or makes it.
pub(super) async fn run(args: &RestoreArgs, ui: &Ui) -> Result<Code, CliError> {
    let target = crate::commands::target(args.database.database_url.as_deref())?;
    let planned = args.plan.as_deref().map(read_plan).transpose()?;
    let mut session = open(&args.database).await?;
    let asked = ask(&mut *session, args, planned.as_ref(), ui).await;
    let (request, undoes) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            session.close().await;
            return Err(error);
        }
    };
    if !args.yes && planned.is_none() {
        let fingerprint = args.out.is_some();
        let started = Instant::now();
        let plan = downhaul_run::snapshot::preview(&mut *session, &request, fingerprint).await;
        let took = started.elapsed();
        session.close().await;
        let plan = plan?;
        if let Some(path) = &args.out {
            write_plan(path, &plan)?;
        }
        if args.format == StatusFormat::Json {
            let mut value = as_json(&plan);
            value["estimated_seconds"] = strategy::estimate(&plan, took).as_secs_f64().into();
            ui.line(json(&value)?);
            return Ok(Code::Clean);
        }
        pretty(&plan, ui);
        if plan.is_empty() {
            return Ok(Code::Clean);
        }
        ui.line(format!(
            "  about {}, judged by this preview, which took {}",
            duration(strategy::estimate(&plan, took)),
            duration(took)
        ));
        let next = match &args.out {
            Some(path) => format!("downhaul snapshot restore --plan {}", path.display()),
            None => "the same command with --yes".to_owned(),
        };
        ui.line(format!("{} nothing was changed; {next} does it", paint(Style::Dim, "preview:")));
        return Ok(Code::Clean);
    }
    session.close().await;
    let mut runner = Runner::open(&target, false, crate::commands::options(&args.waiting)).await?;
    let started = Instant::now();
    let expected = planned.as_ref().map(|p| p.digest.as_str());
    let result = runner.restore(&request, expected, undoes, &mut Progress::new(ui, "")).await;
    runner.close().await;
    let outcome = result.map_err(explain)?;
    if args.format == StatusFormat::Json {
        let mut value = as_json(&outcome.plan);
        value["restore"] = outcome.done.as_ref().map_or(serde_json::Value::Null, |done| {
            serde_json::json!({
                "id": done.id, "before": done.before.name, "after": done.after.name,
                "verified_rows": done.verified, "sequences_advanced": done.sequences, "notes": done.notes,
            })
        });
        ui.line(json(&value)?);
        return Ok(Code::Clean);
    }
    pretty(&outcome.plan, ui);
    if let Some(done) = &outcome.done {
        for note in &done.notes {
            ui.remark(format!("{} {note}", paint(Style::Warn, "note:")));
        }
        ui.line(format!(
            "restored to `{}` in {}; {} compared afterwards, all as they should be",
            request.target.name,
            duration(started.elapsed()),
            rows(done.verified)
        ));
        for sequence in &done.sequences {
            ui.line(format!("  {sequence} was moved on, past the numbers that are in use again"));
        }
        ui.line(paint(
            Style::Dim,
            format!(
                "  this is restore {}: `downhaul snapshot restore --undo` takes it back",
                done.id
            ),
        ));
    }
    Ok(Code::Clean)
}

fn explain(error: RunError) -> CliError {
    error.into()
}

async fn ask(
    session: &mut dyn Session,
    args: &RestoreArgs,
    planned: Option<&PlanFile>,
    ui: &Ui,
) -> Result<(Request, Option<i64>), CliError> {
    let on_conflict = match args.on_conflict {
        Policy::Fail => OnConflict::Fail,
        Policy::KeepNew => OnConflict::KeepNew,
        Policy::RestoreOld => OnConflict::RestoreOld,
    };
    let wish = match args.strategy {
        Way::Auto => Wish::Auto,
        Way::Rows => Wish::Rows,
        Way::Rewrite => Wish::Rewrite,
    };
    if let Some(plan) = planned {
        let until = match &plan.keep_since {
            Some(name) => Some(marks::named(session, name).await.map_err(snapshot)?),
            None => None,
        };
        let request = Request {
            target: marks::named(session, &plan.to).await.map_err(snapshot)?,
            until,
            on_conflict: plan.on_conflict,
            scope: Scope {
                tables: names(session.dialect(), &plan.tables)?,
                filter: plan.r#where.clone(),
                columns: columns(session.dialect(), &plan.columns),
            },
            wish,
        };
        return Ok((request, None));
    }
    if args.undo {
        return undo(session, on_conflict, wish).await;
    }
    let target = moment(session, args.to.as_deref(), args.to_time.as_deref(), ui).await?;
    let until = match args.keep_since.as_deref() {
        None => None,
        Some("") => Some(following(session, &target, ui).await?),
        Some(name) => Some(marks::named(session, name).await.map_err(snapshot)?),
    };
    if let Some(until) = until.as_ref().filter(|until| until.id <= target.id) {
        return Err(CliError::usage(format!(
            "`{}` was not made after `{}`",
            until.name, target.name
        ))
        .state("nothing was changed"));
    }
    if until.is_none() && args.on_conflict != Policy::Fail {
        return Err(CliError::usage(
            "--on-conflict goes with --keep-since: without it nothing that was written since is kept",
        )
        .state("nothing was changed"));
    }
    let scope = Scope {
        tables: names(session.dialect(), &args.table)?,
        filter: args.r#where.clone(),
        columns: columns(session.dialect(), &args.columns),
    };
    Ok((Request { target, until, on_conflict, scope, wish }, None))
}

fn columns(dialect: Dialect, names: &[String]) -> Vec<Ident> {
    names.iter().map(|name| Ident::stored(dialect, name)).collect()
}

/// The mark after a mark.
async fn following(session: &mut dyn Session, target: &Mark, ui: &Ui) -> Result<Mark, CliError> {
    let all = marks::all(session).await.map_err(snapshot)?;
    let next = all.into_iter().find(|m| m.id > target.id).ok_or_else(|| {
        CliError::usage(format!("no mark follows `{}`", target.name))
            .state("nothing was changed")
            .hint("name the mark after which writes are kept: --keep-since MARK")
    })?;
    ui.remark(format!("what was written after `{}` is kept", next.name));
    Ok(next)
}

async fn undo(
    session: &mut dyn Session,
    on_conflict: OnConflict,
    wish: Wish,
) -> Result<(Request, Option<i64>), CliError> {
    let all = restore_to::restorations(session).await.map_err(snapshot)?;
    let last = all.into_iter().rfind(|r| r.undone_by.is_none()).ok_or_else(|| {
        CliError::new(Code::Findings, "no restore was made that could be undone")
            .state("nothing was changed")
    })?;
    let request = Request {
        target: marks::named(session, &last.before).await.map_err(snapshot)?,
        until: Some(marks::named(session, &last.after).await.map_err(snapshot)?),
        on_conflict,
        scope: Scope {
            tables: last
                .tables
                .iter()
                .map(|t| parse_name_in(session.dialect(), t).map_err(snapshot))
                .collect::<Result<_, _>>()?,
            filter: None,
            columns: Vec::new(),
        },
        wish,
    };
    Ok((request, Some(last.id)))
}

fn pretty(plan: &Plan, ui: &Ui) {
    let request = &plan.request;
    ui.line(match &request.until {
        None => format!("back to `{}` ({})", request.target.name, request.target.at),
        Some(until) => format!(
            "back to `{}` ({}), what was written after `{}` kept",
            request.target.name, request.target.at, until.name
        ),
    });
    for table in plan.tables.iter().filter(|t| !t.is_empty() || t.conflicts > 0) {
        one(table, request, ui);
    }
    for line in readers(plan) {
        ui.line(paint(Style::Dim, format!("  {line}")));
    }
    let same = plan.tables.iter().filter(|t| t.is_empty() && t.conflicts == 0).count();
    if plan.is_empty() && plan.conflicts() == 0 {
        ui.line("  nothing differs");
    } else if same > 0 {
        ui.line(paint(
            Style::Dim,
            format!("  {} as they were", crate::ui::count(same as u64, "other table")),
        ));
    }
    for reason in &plan.unreachable {
        ui.remark(format!("{} {reason}", paint(Style::Warn, "left out:")));
    }
}

/// What tables that are written anew mean for those who read them.
fn readers(plan: &Plan) -> Vec<String> {
    let labels = |strategy: Strategy| -> Vec<String> {
        let all = plan.tables.iter().filter(|t| !t.is_empty() && t.strategy == strategy);
        all.map(|t| t.tracked.label()).collect()
    };
    let (anew, rows) = (labels(Strategy::Rewrite), labels(Strategy::Rows));
    if anew.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![format!(
        "whoever reads {} waits until it is done, and finds the restored rows, also with a snapshot from meanwhile",
        anew.join(", ")
    )];
    if !rows.is_empty() {
        lines.push(format!(
            "with such a snapshot {} will still look as before: --strategy auto shows nobody a half of it",
            rows.join(", ")
        ));
    }
    lines
}

fn one(table: &TablePlan, request: &Request, ui: &Ui) {
    let mut parts = Vec::new();
    for (n, what) in
        [(table.updates, "changed"), (table.inserts, "put back"), (table.deletes, "taken out")]
    {
        if n > 0 {
            parts.push(format!("{} {what}", rows(n)));
        }
    }
    if parts.is_empty() {
        parts.push("nothing".into());
    }
    ui.line(format!("  {}: {}", paint(Style::Bold, table.tracked.label()), parts.join(", ")));
    if !table.changed.is_empty() {
        let list: Vec<String> =
            table.changed.iter().map(|(name, n)| format!("{name} in {}", rows(*n))).collect();
        ui.line(format!("      {}", list.join(", ")));
    }
    if !table.reason.is_empty() {
        let how = match table.strategy {
            Strategy::Rows => "row by row",
            Strategy::Rewrite => "written anew as a whole, readers wait",
        };
        ui.line(paint(Style::Dim, format!("      {how}: {}", table.reason)));
    }
    if table.conflicts > 0 {
        let what = match request.on_conflict {
            OnConflict::Fail => {
                "changed again since: choose with --on-conflict keep-new or restore-old"
            }
            OnConflict::KeepNew => "changed again since: what is there now stays",
            OnConflict::RestoreOld => "changed again since: the old values come back",
        };
        ui.line(format!("      {} {} {what}", paint(Style::Warn, "!"), rows(table.conflicts)));
        for example in &table.examples {
            ui.line(paint(Style::Dim, format!("          ({example})")));
        }
    }
    if !table.lost.is_empty() {
        let list: Vec<String> = table.lost.iter().map(ToString::to_string).collect();
        ui.line(format!(
            "      {} no longer there, so their values stay in the history: {}; `downhaul down` brings columns back",
            paint(Style::Warn, "note"),
            list.join(", ")
        ));
    }
}

fn as_json(plan: &Plan) -> serde_json::Value {
    let tables: Vec<_> = plan
        .tables
        .iter()
        .map(|t| {
            serde_json::json!({
                "table": t.tracked.name.to_string(),
                "updates": t.updates,
                "inserts": t.inserts,
                "deletes": t.deletes,
                "conflicts": t.conflicts,
                "conflict_examples": t.examples,
                "strategy": match t.strategy { Strategy::Rows => "rows", Strategy::Rewrite => "rewrite" },
                "strategy_reason": t.reason,
                "readers": match t.strategy { Strategy::Rows => "read on", Strategy::Rewrite => "wait" },
                "columns": t.changed.iter().map(|(c, n)| serde_json::json!({"column": c, "rows": n})).collect::<Vec<_>>(),
                "lost_columns": t.lost.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        })
        .collect();
    serde_json::json!({
        "version": 1,
        "to": plan.request.target.name,
        "keep_since": plan.request.until.as_ref().map(|m| m.name.clone()),
        "tables": tables,
        "unreachable": plan.unreachable,
    })
}

fn write_plan(path: &Path, plan: &Plan) -> Result<(), CliError> {
    let request = &plan.request;
    // All tables by name: one that is tracked later is not part of the plan.
    let tables =
        plan.tables.iter().map(|t| t.tracked.dialect.quote_name(&t.tracked.name)).collect();
    let file = PlanFile {
        version: 1,
        to: request.target.name.clone(),
        keep_since: request.until.as_ref().map(|m| m.name.clone()),
        on_conflict: request.on_conflict,
        tables,
        r#where: request.scope.filter.clone(),
        columns: request.scope.columns.iter().map(|c| c.as_str().to_owned()).collect(),
        digest: plan.digest(),
        preview: Some(as_json(plan)),
    };
    let text = serde_json::to_string_pretty(&file)
        .map_err(|error| CliError::internal(error.to_string()))?;
    std::fs::write(path, text + "\n").map_err(|error| {
        CliError::usage(format!("cannot write `{}`: {error}", path.display()))
            .state("nothing was changed")
    })
}

fn read_plan(path: &Path) -> Result<PlanFile, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::usage(format!("cannot read `{}`: {error}", path.display()))
            .state("nothing was changed")
    })?;
    serde_json::from_str(&text).map_err(|error| {
        CliError::usage(format!("`{}` is not a plan of a restore: {error}", path.display()))
            .state("nothing was changed")
            .hint("downhaul snapshot restore --to MARK --out FILE writes one")
    })
}
