//! `downhaul gates`, and the gates of `up --phase contract`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use downhaul_engine::{Session, connect, live_catalog};
use downhaul_lint::{LintOptions, MigrationInput, SourceText, lint_series};
use downhaul_plan::{Phase, Version};
use downhaul_run::{
    Evidence, Gate, GateName, GateQuestion, GateState, Runner, UpPlan, UpSelection, gates, plan_up,
};

use super::Site;
use crate::args::{GatesArgs, Global, StatusFormat, UpArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::lint::{live, queries};
use crate::progress::Progress;
use crate::ui::{Style, Ui, count, paint};

/// Shows the gates of pending contracts. Changes nothing, but for `--live`.
pub async fn run(global: &Global, args: &GatesArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    if let Some(release) = &args.live {
        let mut options = downhaul_run::Options { who: super::who(), ..Default::default() };
        options.release = Some(release.clone());
        options.commit = super::commit(&site.dir);
        let mut runner = Runner::open(&site.target, false, options).await?;
        let done = runner.record_live(&mut Progress::new(ui, "")).await;
        runner.close().await;
        done?;
    }
    let mut session = connect(&site.target, false).await?;
    let found = async {
        let selection = UpSelection::Phase {
            last: Phase::Contract,
            unmarked: super::foresight::phases(&site.series, site.target.dialect()),
        };
        let plan = plan_up(&mut *session, &site.series, &selection, true).await?;
        measured(&mut *session, &site, &plan, &args.queries, None).await
    }
    .await;
    session.close().await;
    let found = found?;
    match args.format {
        StatusFormat::Json => ui.line(json(&found)?),
        StatusFormat::Pretty if found.is_empty() => ui.line("no contract is pending"),
        StatusFormat::Pretty => pretty(&found, ui),
    }
    let closed = found.iter().any(|gate| gate.state == GateState::Closed);
    Ok(if closed && args.exit_code { Code::Findings } else { Code::Clean })
}

/// Measures the gates of the contracts in a plan.
async fn measured(
    session: &mut dyn Session,
    site: &Site,
    plan: &UpPlan,
    paths: &[PathBuf],
    live: Option<&str>,
) -> Result<Vec<Gate>, CliError> {
    let contracts: Vec<Version> = plan
        .migrations
        .iter()
        .filter(|m| m.phase() == Some(Phase::Contract))
        .map(|m| m.version.clone())
        .collect();
    if contracts.is_empty() {
        return Ok(Vec::new());
    }
    let evidence = evidence(session, site, plan, paths).await?;
    let question = GateQuestion { rules: site.config.gates.rules()?, contracts, evidence, live };
    Ok(gates(session, &site.series, &question).await?)
}

/// What is known of statements that need what the contracts take away: each is resolved against the
/// live schema, and again after each contract.
async fn evidence(
    session: &mut dyn Session,
    site: &Site,
    plan: &UpPlan,
    paths: &[PathBuf],
) -> Result<BTreeMap<Version, Evidence>, CliError> {
    let dialect = session.dialect();
    let config = &site.config;
    // What the server counts is looked at in any case.
    let configured =
        config.lint.queries.iter().filter(|p| !queries::is_live(p)).map(|p| config.root.join(p));
    let given = paths.iter().filter(|path| !queries::is_live(path)).cloned();
    let files: Vec<PathBuf> = configured.chain(given).collect();
    let mut known = queries::read(&files, dialect)?;
    let mut sources = Vec::new();
    if !known.is_empty() {
        let names: Vec<String> = files.iter().map(|path| crate::lint::shown(path)).collect();
        sources.push(format!("{} of {}", count_queries(known.len()), names.join(", ")));
    }
    if let Some((counted, since)) = live::statements_of_clients(session).await? {
        sources.push(format!("{} of pg_stat_statements{since}", count_queries(counted.len())));
        known.extend(counted);
    }
    let mut out = BTreeMap::new();
    if sources.is_empty() {
        return Ok(out);
    }
    let mut options = LintOptions::new(dialect);
    options.baseline = Some(live_catalog(session).await?);
    options.server_version = Some(live::server_version(session.server()));
    options.queries = known;
    let inputs: Vec<MigrationInput> = plan
        .migrations
        .iter()
        .map(|m| MigrationInput {
            path: m.up.label.clone(),
            version: m.version.to_string(),
            up: Some(SourceText::new(m.version.to_string(), m.up.text.as_str())),
            ..MigrationInput::default()
        })
        .collect();
    let report = lint_series(&inputs, &options);
    for migration in plan.migrations.iter().filter(|m| m.phase() == Some(Phase::Contract)) {
        let mut uses: Vec<String> = report
            .findings
            .iter()
            .filter(|f| f.file == migration.version.as_str())
            .flat_map(|f| &f.queries)
            .map(|broken| {
                let place = match broken.source.as_str() {
                    live::COUNTED => broken.source.clone(),
                    source => format!("{source}:{}", broken.line),
                };
                format!("{place}: {} ({})", one_line(&broken.query), broken.why)
            })
            .collect();
        uses.sort();
        uses.dedup();
        out.insert(migration.version.clone(), Evidence { sources: sources.clone(), uses });
    }
    Ok(out)
}

/// `1 query`, `2 queries`.
pub(crate) fn count_queries(n: usize) -> String {
    if n == 1 { "1 query".into() } else { format!("{n} queries") }
}

/// A statement in one line of at most 80 characters.
fn one_line(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// Refuses a plan with contracts of which a gate is closed, unless a person overrides that gate.
pub(crate) async fn pass(
    runner: &mut Runner,
    site: &Site,
    plan: &UpPlan,
    args: &UpArgs,
    ui: &Ui,
) -> Result<(), CliError> {
    let live = args.release.as_deref();
    let found = measured(runner.session(), site, plan, &args.queries, live).await?;
    let overridden = |name: GateName| args.override_gate.contains(&name);
    let (by_word, closed): (Vec<&Gate>, Vec<&Gate>) = found
        .iter()
        .filter(|gate| gate.state == GateState::Closed)
        .partition(|gate| overridden(gate.name));
    if closed.is_empty() {
        let reason = args.reason.as_deref().unwrap_or_default();
        for gate in by_word {
            let line = format!("{} {}: {reason}", gate.label, gate.name.as_str());
            ui.line(format!(
                "  {} the gate {} of {} is closed ({}) and overridden: {reason}",
                paint(Style::Warn, "note"),
                gate.name.as_str(),
                gate.label,
                one_line(&gate.measured)
            ));
            runner.override_gate(format!("{line} (measured: {})", one_line(&gate.measured)));
        }
        return Ok(());
    }
    let mut detail = String::new();
    for gate in &closed {
        let measured = gate.measured.replace('\n', "\n    ");
        detail.push_str(&format!("{} {}: {measured}\n", gate.label, gate.name.as_str()));
        if !gate.see.is_empty() {
            detail.push_str(&format!("  to open it: {}\n", gate.see));
        }
    }
    let mut names: Vec<&str> = closed.iter().map(|gate| gate.name.as_str()).collect();
    names.dedup();
    let flags: Vec<String> = names.iter().map(|name| format!("--override-gate {name}")).collect();
    Err(CliError::new(
        Code::Findings,
        format!(
            "the contract is not begun: {} closed",
            match names.as_slice() {
                [one] => format!("the gate {one} is"),
                _ => format!("{} are", count(names.len() as u64, "gate")),
            }
        ),
    )
    .detail(detail.trim_end())
    .state("nothing was changed")
    .hint(format!(
        "`downhaul gates` shows them all; to go through deliberately: {} --reason \"…\" (the journal keeps it)",
        flags.join(" ")
    )))
}

fn pretty(found: &[Gate], ui: &Ui) {
    let mut label = "";
    for gate in found {
        if gate.label != label {
            label = &gate.label;
            ui.line(paint(Style::Bold, label));
        }
        let style = match gate.state {
            GateState::Open => Style::Good,
            GateState::Closed => Style::Bad,
            GateState::NotAsked => Style::Dim,
        };
        ui.line(format!(
            "  {:<14} {} {}",
            gate.name.as_str(),
            paint(style, format!("{:<9}", gate.state.as_str())),
            gate.measured.replace('\n', "\n                             ")
        ));
        if !gate.see.is_empty() {
            ui.line(format!("  {:<24} to open it: {}", "", gate.see));
        }
    }
}

fn json(found: &[Gate]) -> Result<String, CliError> {
    let list: Vec<_> = found
        .iter()
        .map(|gate| {
            serde_json::json!({
                "migration": gate.label,
                "gate": gate.name.as_str(),
                "state": gate.state.as_str().replace(' ', "_"),
                "measured": gate.measured,
                "see": gate.see,
            })
        })
        .collect();
    serde_json::to_string_pretty(&serde_json::json!({ "version": 1, "gates": list }))
        .map_err(|error| CliError::internal(error.to_string()))
}
