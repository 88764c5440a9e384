//! `downhaul baseline`.

use downhaul_plan::Version;
use downhaul_run::Runner;

use crate::args::{BaselineArgs, Global};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Ui, count};

/// Records migrations as applied without running them.
pub async fn run(global: &Global, args: &BaselineArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    let version = Version::new(args.newest.as_str());
    let options = super::options(&args.waiting);
    let mut runner = Runner::open(&site.target, false, options).await?;
    let result = runner.baseline(&site.series, &version).await;
    runner.close().await;
    let labels = result?;
    for label in &labels {
        ui.line(format!("  {label}"));
    }
    ui.line(format!(
        "{}: {} recorded as applied, none was run",
        site.target,
        count(labels.len() as u64, "migration")
    ));
    Ok(Code::Clean)
}
