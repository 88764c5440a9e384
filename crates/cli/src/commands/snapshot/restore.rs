//! `snapshot restore`.

use std::path::Path;
use std::time::Instant;

use downhaul_engine::{EngineError, Rule, Session, Target};
use downhaul_run::{RunError, Runner};
use downhaul_snapshot::SnapshotError;
use downhaul_snapshot::mark::{self as marks, Mark};
use downhaul_snapshot::merge::OnConflict;
use downhaul_snapshot::restore_to::missing::{Lacking, Missing};
use downhaul_snapshot::restore_to::{
    self, Counts, Plan, Request, Scope, Strategy, TablePlan, Wish, strategy,
};
use downhaul_snapshot::track::name::parse_name_in;
use downhaul_snapshot::whole::{self, Source};
use downhaul_syntax::{Dialect, Ident, ObjectName};
use serde::{Deserialize, Serialize};

use super::{database, json, moment, named, names, open, rows, snapshot};
use crate::args::StatusFormat;
use crate::args::snapshot::{Policy, RestoreArgs, Way};
use crate::error::{BOTH_ENDS, CliError};
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
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    from_file: bool,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<serde_json::Value>,
}

impl PlanFile {
    /// The columns, which are there as the server stores their names.
    fn columns(&self, dialect: Dialect) -> Vec<Ident> {
        self.columns.iter().map(|name| Ident::stored(dialect, name)).collect()
    }
}

/// Shows what a restore would change, or makes it.
pub(super) async fn run(args: &RestoreArgs, ui: &Ui) -> Result<Code, CliError> {
    let target = crate::commands::target(args.database.database_url.as_deref())?;
    if args.whole {
        return whole_file(args, &target, ui).await;
    }
    let planned = args.plan.as_deref().map(read_plan).transpose()?;
    let mut session = open(&args.database).await?;
    let asked = async {
        match from_file(&mut *session, args, planned.as_ref(), &target).await? {
            Some(request) => Ok((request, None)),
            None => ask(&mut *session, args, planned.as_ref(), ui).await,
        }
    }
    .await;
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
        if let Some(source) = &request.source
            && let Err(error) = whole::attach(&mut *session, source).await
        {
            session.close().await;
            return Err(snapshot(error));
        }
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
        if !plan.missing.is_empty() {
            ui.line(format!(
                "{} nothing was changed; as it stands, --yes would be refused, and would change nothing",
                paint(Style::Dim, "preview:")
            ));
            return Ok(Code::Clean);
        }
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
    let mut progress = Progress::new(ui, "");
    let result = match &target {
        Target::Sqlite { path, .. } if request.source.is_some() => {
            runner.restore_from_file(path, &request, expected, &mut progress).await
        }
        _ => {
            runner.restore(&request, expected, undoes, &mut progress).await.map(|done| (done, None))
        }
    };
    runner.close().await;
    let (outcome, kept) = result.map_err(explain)?;
    if args.format == StatusFormat::Json {
        let mut value = as_json(&outcome.plan);
        value["restore"] = outcome.done.as_ref().map_or(serde_json::Value::Null, |done| {
            serde_json::json!({
                "id": done.id, "before": done.before.name, "after": done.after.name,
                "verified_rows": done.verified, "sequences_advanced": done.sequences, "notes": done.notes,
                "kept_in": kept.as_ref().map(|made| &made.file.name),
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
            match &kept {
                None => format!(
                    "  this is restore {}: `downhaul snapshot restore --undo` takes it back",
                    done.id
                ),
                Some(made) => format!(
                    "  not all of these tables are tracked: `downhaul snapshot restore --from-file --to '{}'` takes it back ({})",
                    made.file.name,
                    made.path.display()
                ),
            },
        ));
    }
    Ok(Code::Clean)
}

/// What the server refused of a restore: nothing of it is left, and what can be done.
fn explain(error: RunError) -> CliError {
    let RunError::Snapshot(SnapshotError::Engine(EngineError::Statement(failure))) = &error else {
        return error.into();
    };
    let hint = match failure.breaks() {
        Some(Rule::ForeignKey) => Some(BOTH_ENDS),
        Some(Rule::Unique) => Some(
            "a row that does not go back holds this value: let it go back too (--table, --where and --columns say what does), or leave the other out with --where",
        ),
        Some(Rule::Other) => Some(
            "a rule of now does not hold for rows of then: leave them out with --where, or take the rule away first",
        ),
        None => None,
    };
    let mut error = CliError::from(error);
    if let Some(hint) = hint {
        error = error.state("nothing was changed").hint(hint);
    }
    error
}

async fn ask(
    session: &mut dyn Session,
    args: &RestoreArgs,
    planned: Option<&PlanFile>,
    ui: &Ui,
) -> Result<(Request, Option<i64>), CliError> {
    let on_conflict = policy(args.on_conflict);
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
                columns: plan.columns(session.dialect()),
            },
            wish,
            source: None,
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
        tables: named(session.dialect(), &args.table)?,
        filter: args.r#where.clone(),
        columns: columns(session.dialect(), &args.columns)?,
    };
    Ok((Request { target, until, on_conflict, scope, wish, source: None }, None))
}

/// The restore from a copy of the whole file, if that is what is asked for, or all there is.
async fn from_file(
    session: &mut dyn Session,
    args: &RestoreArgs,
    planned: Option<&PlanFile>,
    target: &Target,
) -> Result<Option<Request>, CliError> {
    let Target::Sqlite { path, .. } = target else {
        if args.from_file {
            database(target)?;
        }
        return Ok(None);
    };
    let Some(name) = planned.map(|plan| plan.to.as_str()).or(args.to.as_deref()) else {
        return Ok(None);
    };
    let files = whole::all(session).await.map_err(snapshot)?;
    let unknown = |name: &str| {
        CliError::usage(format!("no copy of the whole file was made with the mark `{name}`"))
            .state("nothing was changed")
            .hint("`downhaul snapshot marks` lists them; `downhaul snapshot mark NAME --file` makes one")
    };
    let tables = match planned {
        Some(plan) => names(session.dialect(), &plan.tables)?,
        None => named(session.dialect(), &args.table)?,
    };
    let at = files.iter().position(|file| file.name == name);
    let wanted = match planned {
        Some(plan) => plan.from_file,
        // Otherwise only where there is no history of what is asked for.
        None if args.from_file => true,
        None if at.is_none() => false,
        None => {
            let marked = marks::all(session).await.map_err(snapshot)?;
            !marked.iter().any(|mark| mark.name == name)
                || !tables.is_empty()
                    && !whole::all_tracked(session, &tables).await.map_err(snapshot)?
        }
    };
    if !wanted {
        return Ok(None);
    }
    let at = at.ok_or_else(|| unknown(name))?;
    let since = match planned {
        Some(plan) => plan.keep_since.as_deref(),
        None => args.keep_since.as_deref(),
    };
    let until = match since {
        None => None,
        Some("") => Some(files.get(at + 1).ok_or_else(|| unknown("that follows"))?),
        Some(name) => {
            let found = files.iter().position(|file| file.name == name);
            let found = found.ok_or_else(|| unknown(name))?;
            if found <= at {
                return Err(CliError::usage(format!(
                    "`{name}` was not made after `{}`",
                    files[at].name
                ))
                .state("nothing was changed"));
            }
            files.get(found)
        }
    };
    let source = Source {
        target: downhaul_run::whole::check(path, &files[at]).await?,
        until: match until {
            None => None,
            Some(file) => Some(downhaul_run::whole::check(path, file).await?),
        },
    };
    let count = match tables.len() {
        0 => session.tables_of_schema("main").await?.len(),
        count => count,
    };
    Ok(Some(Request {
        target: whole::moment(&files[at], false, count),
        until: until.map(|file| whole::moment(file, true, count)),
        on_conflict: planned.map_or_else(|| policy(args.on_conflict), |plan| plan.on_conflict),
        scope: Scope {
            tables,
            filter: planned.map_or_else(|| args.r#where.clone(), |plan| plan.r#where.clone()),
            columns: match planned {
                Some(plan) => plan.columns(session.dialect()),
                None => columns(session.dialect(), &args.columns)?,
            },
        },
        wish: Wish::Auto,
        source: Some(source),
    }))
}

/// Puts a copy of the whole file in the database's place, or says what that would do.
async fn whole_file(args: &RestoreArgs, target: &Target, ui: &Ui) -> Result<Code, CliError> {
    let path = database(target)?;
    let name = args.to.as_deref().unwrap_or_default();
    let mut session = open(&args.database).await?;
    let found = async {
        let file = whole::named(&mut *session, name).await?;
        Ok::<_, downhaul_snapshot::SnapshotError>((file, whole::tables(&mut *session).await?))
    }
    .await;
    session.close().await;
    let (file, now) = found.map_err(snapshot)?;
    let file = file.ok_or_else(|| {
        CliError::usage(format!("no copy of the whole file was made with the mark `{name}`"))
            .state("nothing was changed")
            .hint("`downhaul snapshot marks` lists them")
    })?;
    ui.line(format!("the whole database back to `{}` ({})", file.name, file.at));
    let mut same = 0;
    let tables: std::collections::BTreeSet<&String> =
        now.keys().chain(file.tables.keys()).collect();
    for table in tables {
        match (now.get(table), file.tables.get(table)) {
            (Some(now), Some(then)) if now == then => same += 1,
            (Some(now), Some(then)) => ui.line(format!("  {table}: {}, now {now}", rows(*then))),
            (None, Some(then)) => ui.line(format!("  {table}: comes back, {}", rows(*then))),
            (Some(now), None) => ui.line(format!("  {table}: goes, {}", rows(*now))),
            (None, None) => {}
        }
    }
    if same > 0 {
        let what = crate::ui::count(same, "table");
        ui.line(paint(
            Style::Dim,
            format!("  {what} with as many rows as now, whatever is in them"),
        ));
    }
    if !args.yes {
        downhaul_run::whole::check(path, &file).await?;
        ui.line(format!(
            "{} nothing was changed; the same command with --yes does it: all that was written since goes, and the database of now is kept beside it",
            paint(Style::Dim, "preview:")
        ));
        return Ok(Code::Clean);
    }
    let runner = Runner::open(target, false, crate::commands::options(&args.waiting)).await?;
    let done = runner.put_back(path, &file).await?;
    ui.line(format!("the database is what it was; the one before is {}", done.kept.display()));
    ui.line(paint(
        Style::Dim,
        format!("  `downhaul snapshot restore --whole --to '{}'` takes it back", done.name),
    ));
    Ok(Code::Clean)
}

fn policy(policy: Policy) -> OnConflict {
    match policy {
        Policy::Fail => OnConflict::Fail,
        Policy::KeepNew => OnConflict::KeepNew,
        Policy::RestoreOld => OnConflict::RestoreOld,
    }
}

/// Names of columns as people write them: one by one, or several with commas between them.
fn columns(dialect: Dialect, lists: &[String]) -> Result<Vec<Ident>, CliError> {
    let one = |name: ObjectName| match name.schema {
        None => Ok(name.name),
        Some(_) => Err(CliError::usage(format!("--columns takes names of columns, not {name}"))
            .state("nothing was changed")
            .hint("name the table with --table; a name with a dot in it goes in quotes")),
    };
    named(dialect, lists)?.into_iter().map(one).collect()
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
    if last.before.is_empty() || last.after.is_empty() {
        return Err(CliError::new(
            Code::SnapshotNotSound,
            format!(
                "restore {} (to `{}`, {}) cannot be undone: its marks were pruned or removed since",
                last.id, last.target, last.at
            ),
        )
        .state("nothing was changed")
        .hint("`downhaul snapshot marks` lists the moments that can still be reached"));
    }
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
        source: None,
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
    if let Some(source) = &request.source {
        ui.line(paint(Style::Dim, format!("  read from {}", source.target.display())));
    }
    for table in plan.tables.iter().filter(|t| !t.is_empty() || t.conflicts > 0) {
        one(table, request, ui);
    }
    for missing in &plan.missing {
        ui.line(points_to_nothing(missing, dialect_of(plan)));
    }
    for line in readers(plan) {
        ui.line(paint(Style::Dim, format!("  {line}")));
    }
    let same = plan.tables.iter().filter(|t| t.is_empty() && t.conflicts == 0).count();
    let gone = plan.tables.iter().filter(|t| t.is_empty() && t.conflicts == 0);
    let gone: Vec<&TablePlan> = gone.filter(|t| !t.lost.is_empty()).collect();
    if plan.is_empty() && plan.conflicts() == 0 {
        ui.line(match (plan.unreachable.is_empty(), gone.is_empty()) {
            (true, true) => "  nothing differs",
            (true, false) => "  nothing differs in the columns that are still there",
            (false, _) => "  nothing differs in the tables that can go back",
        });
    } else if same > 0 {
        ui.line(paint(
            Style::Dim,
            format!("  {} as they were", crate::ui::count(same as u64, "other table")),
        ));
    }
    for table in gone {
        ui.line(format!("  {}", table.tracked.label()));
        lost(table, ui);
    }
    for reason in &plan.unreachable {
        ui.remark(format!("{} {reason}", paint(Style::Warn, "left out:")));
    }
}

fn dialect_of(plan: &Plan) -> Dialect {
    plan.tables.first().map_or(Dialect::Postgres, |table| table.tracked.dialect)
}

/// Why a restore would be refused, and what to type instead.
fn points_to_nothing(missing: &Missing, d: Dialect) -> String {
    let name = |name: &ObjectName| d.quote_name_if_needed(name);
    let (child, parent) = (name(&missing.child), name(&missing.parent));
    let hint = match &missing.lacking {
        Lacking::Tracked(table) => {
            format!("add --table {}, or leave these rows out with --where", name(table))
        }
        Lacking::Untracked(table) => {
            format!(
                "{} is not tracked, so it cannot go back: leave these rows out with --where",
                name(table)
            )
        }
        Lacking::Rows => {
            "not all rows of both tables go back: widen --where, or leave these out".into()
        }
    };
    format!(
        "  {} {} of {child} would refer to rows of {parent} that are not there then: {hint}",
        paint(Style::Warn, "!"),
        rows(missing.rows),
    )
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
    if table.counts == Counts::AtMost {
        ui.line(
            "      all that one statement touched; which of them it left alone was not counted",
        );
    }
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
    lost(table, ui);
}

/// Columns of then that are gone.
fn lost(table: &TablePlan, ui: &Ui) {
    if !table.lost.is_empty() {
        let list: Vec<String> = table.lost.iter().map(ToString::to_string).collect();
        ui.line(format!(
            "      {} no longer there, so their values stay in the history: {}; `downhaul down` brings columns back, and `up` those that a down took",
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
                "counts": match t.counts { Counts::Exact => "exact", Counts::AtMost => "at most" },
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
        "would_point_to_nothing": plan.missing.iter().map(|m| serde_json::json!({
            "table": m.child.to_string(),
            "refers_to": m.parent.to_string(),
            "rows": m.rows,
            "lacks_table": match &m.lacking {
                Lacking::Tracked(table) | Lacking::Untracked(table) => Some(table.to_string()),
                Lacking::Rows => None,
            },
        })).collect::<Vec<_>>(),
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
        from_file: request.source.is_some(),
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
