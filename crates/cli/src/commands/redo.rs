//! `downhaul redo`.

use downhaul_plan::Direction;
use downhaul_run::{DownSelection, Runner, UpSelection};

use crate::args::{Global, RedoArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::hooks::{Hooked, Hooks};
use crate::progress::Progress;
use crate::ui::{Style, Ui, paint};

/// Takes the last migration back and applies it again: to try a pair while it is written. An edited
/// file is what one redoes for, so both directions may have changed.
pub async fn run(global: &Global, args: &RedoArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    let mut options = super::options(&args.waiting);
    super::backfills(&mut options, &site, None);
    options.edited_down = true;
    options.commit = super::commit(&site.dir);
    let mut runner = Runner::open(&site.target, false, options).await?;
    let result = async {
        let mut down = runner.plan_down(&site.series, &DownSelection::Steps(1)).await?;
        let Some(last) = down.migrations.first() else {
            ui.line(format!("{}: nothing is applied that could be done again", site.target));
            return Ok(Code::Clean);
        };
        if let Some(squash) = &last.squashed {
            return Err(CliError::new(
                Code::Findings,
                format!("{} was squashed into {squash}, which stands for others too", last.down.label),
            )
            .state("nothing was changed")
            .hint("`downhaul down` takes it back as it was applied; --dir names the folder of the old files"));
        }
        ui.line(paint(Style::Bold, &site.target));
        let version = last.version.clone();
        let database = site.target.to_string();
        let mut hooks = Hooks::new(&site.config, args.hooks.no_hooks, "redo", &database, None);
        hooks.before_run(Direction::Down, &[last.down.label.as_str()])?;
        super::down::foresee_locks(&mut down, site.target.dialect());
        let result = async {
            runner.down(&down, &mut Hooked::new(&hooks, Progress::new(ui, ""))).await?;
            let mut up = runner.plan_up(&site.series, &UpSelection::To(version)).await?;
            super::up::foresee_locks(&mut up, site.target.dialect());
            runner.up(&up, &mut Hooked::new(&hooks, Progress::new(ui, ""))).await
        }
        .await;
        let error = result.as_ref().err().map(ToString::to_string);
        if let Some(note) = hooks.after_run(error.as_deref()) {
            ui.line(format!("  {} {note}", paint(Style::Warn, "note")));
        }
        result?;
        Ok(Code::Clean)
    }
    .await;
    runner.close().await;
    result
}
