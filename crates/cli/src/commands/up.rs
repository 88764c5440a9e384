//! `downhaul up`.

use std::time::Instant;

use downhaul_plan::{Direction, Version};
use downhaul_run::{Runner, UpPlan, UpSelection};

use crate::args::{Global, UpArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::hooks::{Hooked, Hooks};
use crate::ui::{Progress, Style, Ui, count, duration, paint};

/// Applies what is pending.
pub async fn run(global: &Global, args: &UpArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    let mut options = super::options(&args.waiting);
    options.protect = !args.unprotected;
    options.out_of_order = args.allow_out_of_order;
    options.release.clone_from(&args.release);
    let selection = match (&args.to, args.steps) {
        (Some(version), _) => UpSelection::To(Version::new(version.as_str())),
        (None, Some(steps)) => UpSelection::Steps(steps),
        (None, None) => UpSelection::All,
    };
    let dialect = site.target.dialect();
    if let Some(path) = &args.plan {
        let foreseen = super::plan::foresee(&site, &selection, args.allow_out_of_order).await?;
        super::plan::check(path, &foreseen)?;
    }
    let mut runner = Runner::open(&site.target, true, options).await?;
    let result = async {
        let mut plan = runner.plan_up(&site.series, &selection).await?;
        if args.plan.is_some() && !plan.repeatables.is_empty() {
            // A plan file says nothing of them, and exactly what it says is done.
            ui.line(
                "  note repeatable migrations have changed; `downhaul up` without --plan runs them",
            );
            plan.repeatables.clear();
        }
        if plan.is_empty() {
            // Marks the release, if one is named.
            runner.up(&plan, &mut Progress::new(ui, "")).await?;
            ui.line(match &args.release {
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
        let destructive = destructive(&plan, dialect);
        if !destructive.is_empty() && !args.yes && ui.can_ask() {
            for line in &destructive {
                ui.line(format!("  {line}"));
            }
            let question = if args.unprotected {
                "Nothing of this will be kept. Apply?"
            } else {
                "What they destroy is kept, and `downhaul down` brings it back. Apply?"
            };
            if !ui.confirm(question) {
                ui.line("nothing was changed");
                return Ok(Code::Findings);
            }
        }
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
            "{}{repeated} applied in {}",
            count(done.len() as u64, "migration"),
            duration(started.elapsed())
        ));
        Ok(Code::Clean)
    }
    .await;
    runner.close().await;
    result
}

/// What a plan destroys, a line for each table.
pub(crate) fn destructive(plan: &UpPlan, dialect: downhaul_syntax::Dialect) -> Vec<String> {
    let mut lines = Vec::new();
    for migration in &plan.migrations {
        let losses = migration.up.losses(&migration.up.statements, dialect);
        for (table, loss) in losses.tables.iter().filter(|(_, loss)| loss.destroys()) {
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
            lines.push(format!("{}: {table}: {}", migration.up.label, what.join(", ")));
        }
    }
    lines
}
