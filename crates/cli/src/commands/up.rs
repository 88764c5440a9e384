//! `downhaul up`.

use std::time::Instant;

use downhaul_plan::Version;
use downhaul_run::{Runner, UpPlan, UpSelection};

use crate::args::{Global, UpArgs};
use crate::error::CliError;
use crate::exit_code::Code;
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
        let plan = runner.plan_up(&site.series, &selection).await?;
        if plan.migrations.is_empty() {
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
        let started = Instant::now();
        let done = runner.up(&plan, &mut Progress::new(ui, "")).await?;
        ui.line(format!(
            "{} applied in {}",
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
