//! `downhaul redo`.

use downhaul_run::{DownSelection, Runner, UpSelection};

use crate::args::{Global, RedoArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::progress::Progress;
use crate::ui::{Style, Ui, paint};

/// Takes the last migration back and applies it again: to try a pair while it is written. An edited
/// file is what one redoes for, so both directions may have changed.
pub async fn run(global: &Global, args: &RedoArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    let mut options = super::options(&args.waiting);
    options.edited_down = true;
    options.commit = super::commit(&site.dir);
    let mut runner = Runner::open(&site.target, false, options).await?;
    let result = async {
        let mut down = runner.plan_down(&site.series, &DownSelection::Steps(1)).await?;
        let Some(last) = down.migrations.first() else {
            ui.line(format!("{}: nothing is applied that could be done again", site.target));
            return Ok(Code::Clean);
        };
        ui.line(paint(Style::Bold, &site.target));
        let version = last.version.clone();
        super::down::foresee_locks(&mut down, site.target.dialect());
        runner.down(&down, &mut Progress::new(ui, "")).await?;
        let mut up = runner.plan_up(&site.series, &UpSelection::To(version)).await?;
        super::up::foresee_locks(&mut up, site.target.dialect());
        runner.up(&up, &mut Progress::new(ui, "")).await?;
        Ok(Code::Clean)
    }
    .await;
    runner.close().await;
    result
}
