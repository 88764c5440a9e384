//! `downhaul up`.

use std::time::Instant;

use downhaul_plan::{Direction, Version};
use downhaul_run::{Runner, UpPlan, UpSelection};
use downhaul_snapshot::loss::TableLoss;

use crate::args::{Global, PhaseName, UpArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::hooks::{Hooked, Hooks};
use crate::progress::Progress;
use crate::ui::{Style, Ui, count, duration, paint};

/// Applies what is pending.
pub async fn run(global: &Global, args: &UpArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    let mut options = super::options(&args.waiting);
    super::protect(&mut options, &site, args.protect);
    options.protect &= !args.unprotected;
    let unprotected = !options.protect;
    options.out_of_order = args.allow_out_of_order;
    options.release.clone_from(&args.release);
    options.commit = super::commit(&site.dir);
    super::backfills(&mut options, &site, args.parallel);
    let dialect = site.target.dialect();
    let selection = match (&args.to, args.steps, args.phase) {
        (Some(version), ..) => UpSelection::To(Version::new(version.as_str())),
        (None, Some(steps), _) => UpSelection::Steps(steps),
        (None, None, Some(phase)) => UpSelection::Phase {
            last: phase.into(),
            unmarked: super::foresight::phases(&site.series, dialect),
        },
        (None, None, None) => UpSelection::All,
    };
    if let Some(path) = &args.plan {
        let foreseen =
            super::plan::foresee(&site, &selection, args.allow_out_of_order, &options).await?;
        super::plan::check(path, &foreseen)?;
    }
    let mut runner = Runner::open(&site.target, true, options).await?;
    let result = async {
        let mut plan = runner.plan_up(&site.series, &selection).await?;
        if plan.is_empty() {
            // Marks the release, if one is named.
            runner.up(&plan, &mut Progress::new(ui, "")).await?;
            let waits = waits(&plan);
            ui.line(match &args.release {
                _ if !waits.is_empty() => {
                    format!("{}: nothing to do in this phase{waits}", site.target)
                }
                Some(release) => {
                    format!("{}: nothing is pending; {release} is recorded", site.target)
                }
                None => format!("{}: nothing is pending", site.target),
            });
            return Ok(Code::Clean);
        }
        ui.line(format!(
            "{}: {}",
            paint(Style::Bold, &site.target),
            count(plan.migrations.len() as u64, "pending migration")
        ));
        for repeatable in &plan.repeatables {
            let why = if repeatable.again { "has changed" } else { "is new" };
            ui.line(format!("  repeatable {} {why}", repeatable.name));
        }
        if let Some(file) = &args.require_proof {
            super::prove::demand(file, &plan, &mut runner)?;
        }
        if args.phase == Some(PhaseName::Contract) || site.config.gates.always {
            super::gates::pass(&mut runner, &site, &plan, args, ui).await?;
        }
        let destructive = destructive(&plan, dialect);
        if !destructive.is_empty() && !args.yes && ui.can_ask() {
            for line in &destructive {
                ui.line(format!("  {line}"));
            }
            let question = if unprotected {
                "Nothing of this will be kept. Apply?"
            } else {
                "What they destroy is kept, and `downhaul down` brings it back. Apply?"
            };
            if !ui.confirm(question).await {
                ui.line("nothing was changed");
                return Ok(Code::Findings);
            }
        }
        foresee_locks(&mut plan, dialect);
        let mut hooks = Hooks::new(
            &site.config,
            args.hooks.no_hooks,
            "up",
            &site.target.to_string(),
            args.release.as_deref(),
        );
        let versioned = plan.migrations.iter().map(|m| m.up.label.as_str());
        let repeatable = plan.repeatables.iter().map(|r| r.up.label.as_str());
        let labels: Vec<&str> = versioned.chain(repeatable).collect();
        hooks.before_run(Direction::Up, &labels)?;
        let started = Instant::now();
        let result = runner.up(&plan, &mut Hooked::new(&hooks, Progress::new(ui, ""))).await;
        let error = result.as_ref().err().map(ToString::to_string);
        if let Some(note) = hooks.after_run(error.as_deref()) {
            ui.line(format!("  {} {note}", paint(Style::Warn, "note")));
        }
        let done = result?;
        let repeated = match plan.repeatables.len() {
            0 => String::new(),
            n => format!(" and {}", count(n as u64, "repeatable migration")),
        };
        ui.line(format!(
            "{}{repeated} applied in {}{}",
            count(done.len() as u64, "migration"),
            duration(started.elapsed()),
            waits(&plan)
        ));
        Ok(Code::Clean)
    }
    .await;
    runner.close().await;
    result
}

/// Why a plan of one phase ends where it does.
fn waits(plan: &UpPlan) -> String {
    plan.waits_at
        .as_ref()
        .map(|(label, phase)| format!("; {label} waits for its phase ({phase})"))
        .unwrap_or_default()
}

/// Works out which locks the statements of a plan take.
pub(crate) fn foresee_locks(plan: &mut UpPlan, dialect: downhaul_syntax::Dialect) {
    let mut migrations: Vec<_> =
        plan.migrations.iter_mut().map(|m| (&m.version, &mut m.up)).collect();
    super::foresight::foresee(&mut migrations, dialect);
}

/// What a plan destroys, a line for each table.
pub(crate) fn destructive(plan: &UpPlan, dialect: downhaul_syntax::Dialect) -> Vec<String> {
    let mut lines = Vec::new();
    for migration in &plan.migrations {
        let losses = migration.up.losses(&migration.up.statements, dialect);
        for (table, loss) in losses.tables.iter().filter(|(_, loss)| loss.destroys()) {
            lines.push(format!("{}: {table}: {}", migration.up.label, what_is_lost(loss)));
        }
    }
    lines
}

/// What a migration destroys of a table, in words.
pub(crate) fn what_is_lost(loss: &TableLoss) -> String {
    let mut what = Vec::new();
    if loss.dropped {
        what.push("drops the table".to_owned());
    }
    if loss.truncated {
        what.push("empties the table".to_owned());
    }
    what.extend(loss.columns.iter().map(|column| format!("drops column {column}")));
    what.extend(loss.retyped.iter().map(|column| format!("changes the type of {column}")));
    if loss.rows {
        what.push("changes or deletes rows".to_owned());
    }
    what.join(", ")
}
