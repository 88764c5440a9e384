//! `downhaul revert`: back to what a release ran on, with a word before and a report behind.

use std::collections::BTreeMap;
use std::path::PathBuf;

use downhaul_catalog::{Catalog, Origin};
use downhaul_lint::{BrokenQuery, LintOptions, MigrationInput, SourceText, lint_series};
use downhaul_run::footing::Footing;
use downhaul_run::takes::{Fate, Rows, Taken};
use downhaul_run::{Applied, DownPlan, TakenBack};
use downhaul_syntax::{Dialect, parse_script};
use serde_json::{Value, json};

use crate::args::{DownArgs, Global, RevertArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::lint::queries;
use crate::ui::{Style, Ui, count, paint};

/// As `down --to-release`.
pub async fn run(global: &Global, args: &RevertArgs, ui: &Ui) -> Result<Code, CliError> {
    let down = DownArgs {
        place: args.place.clone(),
        to: None,
        to_release: Some(args.to_release.clone()),
        to_time: None,
        steps: 1,
        all: false,
        yes: args.yes,
        preview: args.preview,
        queries: args.queries.clone(),
        format: args.format,
        use_edited_down: args.use_edited_down,
        use_generated_down: args.use_generated_down.clone(),
        protect: None,
        parallel: None,
        hooks: args.hooks.clone(),
        waiting: args.waiting.clone(),
    };
    super::down::run(global, &down, ui).await
}

/// What becomes of the statements that a release sends.
#[derive(Debug)]
pub(crate) struct Judged {
    statements: usize,
    /// By what: a migration that the release never saw, or a change by hand.
    broken: Vec<(String, BrokenQuery)>,
    /// Did not fit what the release ran on either, or are not understood: file, line, why.
    unresolved: Vec<(String, usize, String)>,
}

/// How many migrations of an earlier run are named.
const NAMED: usize = 8;

/// Name of what was done by hand, among the migrations.
const BY_HAND: &str = "a change by hand";

/// Resolves the statements of a release against what it ran on, and again with what will stand
/// beside it. `None` where none are given.
pub(crate) fn judge(
    paths: &[PathBuf],
    footing: &Footing,
    dialect: Dialect,
) -> Result<Option<Judged>, CliError> {
    if paths.is_empty() {
        return Ok(None);
    }
    if paths.iter().any(|path| queries::is_live(path)) {
        return Err(CliError::usage("what the server has counted is not what a release sends")
            .hint("name files with --queries instead of `live`"));
    }
    let known = queries::read(paths, dialect)?;
    let statements = known.len();
    let mut catalog = Catalog::new(dialect);
    for up in &footing.ups {
        catalog.apply_script(&parse_script(up, dialect), Origin::Baseline);
    }
    let mut options = LintOptions::new(dialect);
    options.baseline = Some(catalog);
    options.queries = known;
    let by_hand: Vec<&str> = footing.drift.iter().map(|d| d.statement.as_str()).collect();
    let mut texts: Vec<(&str, String)> =
        footing.strangers.iter().map(|s| (s.label.as_str(), s.up.clone())).collect();
    texts.push((BY_HAND, by_hand.join(";\n")));
    let inputs: Vec<MigrationInput> = texts
        .into_iter()
        .map(|(label, text)| MigrationInput {
            path: label.to_owned(),
            version: label.to_owned(),
            up: Some(SourceText::new(label, text)),
            ..MigrationInput::default()
        })
        .collect();
    let report = lint_series(&inputs, &options);
    let mut judged = Judged { statements, broken: Vec::new(), unresolved: Vec::new() };
    for finding in report.findings {
        for query in finding.queries {
            let one = (finding.file.clone(), query);
            if !judged.broken.contains(&one) {
                judged.broken.push(one);
            }
        }
        if finding.name == "unresolved-query" {
            judged.unresolved.push((finding.file, finding.start.line, finding.message));
        }
    }
    Ok(Some(judged))
}

/// Whether the release can live with the result, as far as one can tell.
pub(crate) fn lives(footing: &Footing, judged: Option<&Judged>) -> bool {
    match judged {
        Some(judged) => judged.broken.is_empty(),
        None => footing.is_the_same(),
    }
}

/// Whether the release can live with what comes out.
pub(crate) fn verdict(
    release: &str,
    footing: &Footing,
    judged: Option<&Judged>,
    plan: &DownPlan,
    ui: &Ui,
) {
    ui.line(format!(
        "  {release} ran on {} (run {}, {})",
        footing.head, footing.run.id, footing.run.started_at
    ));
    let good = |text: String| ui.line(format!("  {} {text}", paint(Style::Good, "ok     ")));
    if footing.is_the_same() {
        good(format!("{release} can live with the result: the schema is the one that it knew"));
    }
    let warn = |text: String| ui.line(format!("  {} {text}", paint(Style::Warn, "warning")));
    if let Some(judged) = judged {
        let checked = judged.statements - judged.unresolved.len().min(judged.statements);
        if judged.broken.is_empty() {
            good(format!(
                "{} of {release} find what they name",
                count(checked as u64, "statement")
            ));
        }
        for (by, query) in &judged.broken {
            ui.line(format!(
                "  {} {}:{}: {}, by {by}",
                paint(Style::Bad, "fails  "),
                query.source,
                query.line,
                query.why
            ));
        }
        for (file, line, why) in &judged.unresolved {
            warn(format!("{file}:{line}: {why}"));
        }
    }
    for stranger in &footing.strangers {
        let label = &stranger.label;
        warn(format!(
            "{label} was applied after {release} went out, and stays: try {release} with it"
        ));
    }
    for drifted in &footing.drift {
        warn(format!(
            "{} was changed by hand, and stays as it is (`downhaul verify` shows how)",
            drifted.object
        ));
    }
    for (label, table) in &footing.not_kept {
        warn(format!(
            "{label} destroyed something of {table} and nothing of it is kept (there was none, or it was given up): it comes back empty"
        ));
    }
    if !footing.later.is_empty() && !plan.migrations.is_empty() {
        warn(format!(
            "{} went out since and {} what goes: stop {} first",
            footing.later.join(", "),
            if footing.later.len() == 1 { "needs" } else { "need" },
            if footing.later.len() == 1 { "it" } else { "them" }
        ));
    }
}

/// All of it for programs: what was said before, and, once it is `done`, what came of it.
pub(crate) fn json(
    footing: Option<(&str, &Footing)>,
    judged: Option<&Judged>,
    (plan, takes, dialect): (&DownPlan, &[Vec<Taken>], Dialect),
    done: Option<&TakenBack>,
) -> Value {
    // Before it is done: it takes reading all that is applied.
    let mut astray = if done.is_none() { plan.astray(dialect) } else { BTreeMap::new() };
    let migrations: Vec<Value> = plan
        .migrations
        .iter()
        .enumerate()
        .map(|(at, migration)| {
            let takes_away: Vec<Value> = takes.get(at).into_iter().flatten().map(taken).collect();
            let kept = migration
                .kept
                .iter()
                .map(|kept| json!({ "table": kept.table, "what": kept.what, "rows": kept.rows }));
            let given_up =
                migration.pruned.iter().map(|(table, at)| json!({ "table": table, "at": at }));
            json!({
                "version": migration.version,
                "migration": migration.down.label,
                "applied_at": migration.applied_at(),
                "brings_back": kept.collect::<Vec<_>>(),
                "given_up": given_up.collect::<Vec<_>>(),
                "takes_away": takes_away,
                "generated": migration.generated.is_some(),
                "astray": astray.remove(&migration.version).unwrap_or_default(),
            })
        })
        .collect();
    let mut told = json!({ "version": 1, "migrations": migrations, "done": done.is_some() });
    if let Some((release, footing)) = footing {
        told["release"] = json!({
            "name": release,
            "ran_on": footing.head,
            "run": footing.run.id,
            "at": footing.run.started_at,
            "can_live_with_it": lives(footing, judged),
            "strangers": footing.strangers.iter().map(|s| &s.label).collect::<Vec<_>>(),
            "changed_by_hand": footing.drift.iter().map(|d| &d.object).collect::<Vec<_>>(),
            "not_kept": footing
                .not_kept
                .iter()
                .map(|(migration, table)| json!({ "migration": migration, "table": table }))
                .collect::<Vec<_>>(),
            "stop_first": footing.later,
            "queries": judged.map(|judged| json!({
                "statements": judged.statements,
                "broken": judged
                    .broken
                    .iter()
                    .map(|(by, query)| json!({
                        "by": by,
                        "file": query.source,
                        "line": query.line,
                        "query": query.query,
                        "why": query.why,
                    }))
                    .collect::<Vec<_>>(),
                "unresolved": judged
                    .unresolved
                    .iter()
                    .map(|(file, line, why)| json!({ "file": file, "line": line, "why": why }))
                    .collect::<Vec<_>>(),
            })),
        });
    }
    if let Some(done) = done {
        let all = &done.all;
        told["restored"] = json!(all.restored);
        let kept = all.kept.iter();
        let kept = kept.map(|k| json!({ "table": k.table, "what": k.what, "rows": k.rows }));
        told["kept"] = json!(kept.collect::<Vec<_>>());
        told["completed"] = json!(all.completed);
        told["left"] = json!(all.left);
        told["taken_back_before"] =
            json!(done.before.iter().map(|v| v.as_str()).collect::<Vec<_>>());
    }
    told
}

fn taken(taken: &Taken) -> Value {
    let (rows, counted) = match taken.rows {
        Rows::Exactly(n) => (Some(n), true),
        Rows::About(n) | Rows::Returned(n) => (Some(n), false),
        Rows::Unknown => (None, false),
    };
    let fate = match taken.fate {
        Fate::Copied => "copied",
        Fate::SetAside => "set aside",
        Fate::Gone => "gone",
    };
    json!({ "table": taken.table, "what": taken.what, "rows": rows, "counted": counted, "fate": fate })
}

/// What came back, what stays as it was written since, and what has no place any more: of all of the way
/// back, also where an earlier run of it was cut off.
pub(crate) fn report(about: Option<(&str, &Footing)>, told: &TakenBack, ui: &Ui) {
    if let Some((release, footing)) = about {
        ui.line(paint(
            Style::Bold,
            format!("{release} finds what it ran on: {} is the newest", footing.head),
        ));
    }
    if !told.before.is_empty() {
        let versions: Vec<String> =
            told.before.iter().take(NAMED).map(ToString::to_string).collect();
        let more = if told.before.len() > NAMED { ", …" } else { "" };
        ui.line(format!(
            "  {} what follows counts the {} too that the run before had taken back when it was cut off ({}{more})",
            paint(Style::Accent, "before "),
            count(told.before.len() as u64, "migration"),
            versions.join(", ")
        ));
    }
    let Applied { restored, kept, left, .. } = &told.all;
    let rows: u64 = restored.iter().map(|r| r.rows).sum();
    let updated: u64 = restored.iter().map(|r| r.updated).sum();
    let kept_new: u64 = restored.iter().map(|r| r.kept_new).sum();
    ui.line(format!(
        "  {} {}, and values in {}",
        paint(Style::Good, "back   "),
        count(rows, "row"),
        count(updated, "row")
    ));
    ui.line(format!(
        "  {} every row that was written since{}",
        paint(Style::Good, "stays  "),
        match kept_new {
            0 => String::new(),
            n => format!(", and {} in place of older ones", count(n, "value")),
        }
    ));
    let unknown_to = about.map_or_else(
        || "which goes".to_owned(),
        |(release, _)| format!("which {release} does not know"),
    );
    for kept in kept {
        ui.line(format!(
            "  {} {}: {} ({}), {unknown_to}: kept, and `downhaul up` brings it back",
            paint(Style::Accent, "aside  "),
            kept.table,
            kept.what,
            count(kept.rows, "row")
        ));
    }
    let mut whole = true;
    for one in restored {
        let Some(store) = &one.remains_in else { continue };
        whole = false;
        ui.line(format!(
            "  {} {}: {}; the old values lie in {store}",
            paint(Style::Warn, "not    "),
            one.table,
            crate::progress::left_behind(one).join(", ")
        ));
    }
    for object in left {
        whole = false;
        ui.line(format!("  {} {object} is not as it was", paint(Style::Warn, "not    ")));
    }
    for (label, table) in about.iter().flat_map(|(_, footing)| &footing.not_kept) {
        whole = false;
        ui.line(format!(
            "  {} what {label} destroyed of {table}: nothing of it was kept",
            paint(Style::Warn, "not    ")
        ));
    }
    if whole {
        ui.line(format!("  {} nothing was left behind", paint(Style::Good, "ok     ")));
    }
}
