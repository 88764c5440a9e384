//! `downhaul repair`.

use downhaul_engine::connect;
use downhaul_plan::Version;
use downhaul_run::{Runner, verify};

use crate::args::{Global, RepairArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Ui, count};

/// Takes what is there now for what was meant, after a person has looked at it.
pub async fn run(global: &Global, args: &RepairArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    let mut session = connect(&site.target, false).await?;
    let found = verify(&mut *session, &site.series).await;
    session.close().await;
    let found = found?;
    let versions: Vec<Version> = args.accept.iter().map(|v| Version::new(v.as_str())).collect();
    if versions.is_empty() && !args.accept_drift && found.is_clean() {
        ui.line(format!("{}: there is nothing to repair", site.target));
        return Ok(Code::Clean);
    }
    if versions.is_empty() && !args.accept_drift {
        ui.line(format!("{}: nothing was changed", site.target));
        ui.line(format!(
            "  {}, {}",
            count(found.edited.len() as u64, "edited file"),
            count(found.drift.as_ref().map_or(0, Vec::len) as u64, "schema difference"),
        ));
        ui.line("  `downhaul verify` shows them; then say --accept VERSION for a file, --accept-drift for the schema");
        return Ok(Code::Findings);
    }
    let mut runner = Runner::open(&site.target, false, super::options(&args.waiting)).await?;
    let result = async {
        let accepted = runner.accept_edited(&site.series, &versions).await?;
        if args.accept_drift {
            runner.accept_drift().await?;
        }
        Ok::<_, CliError>(accepted)
    }
    .await;
    runner.close().await;
    let accepted = result?;
    if accepted.is_empty() && !versions.is_empty() {
        ui.line(
            "  nothing to accept: what was applied is in the journal, and a squash stands for it",
        );
    }
    for label in accepted {
        ui.line(format!("  {label}: its files are now what the journal says was applied"));
    }
    if args.accept_drift {
        ui.line("  the schema as it is now is what the next `verify` compares with");
    }
    Ok(Code::Clean)
}
