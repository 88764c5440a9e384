//! `downhaul schema dump`.

use downhaul_engine::connect;

use crate::args::SchemaArgs;
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::Ui;

/// Prints the schema of the database as statements, without Downhaul's own objects.
pub async fn run(args: &SchemaArgs, ui: &Ui) -> Result<Code, CliError> {
    let crate::args::SchemaCommand::Dump { database_url } = &args.command;
    let target = super::target(database_url.as_deref())?;
    let mut session = connect(&target, false).await?;
    let dump = session.dump().await;
    session.close().await;
    let dump = dump?;
    if dump.objects.is_empty() {
        ui.remark(format!("{target} holds nothing but what every database has"));
        return Ok(Code::Clean);
    }
    ui.line(dump.script().trim_end());
    Ok(Code::Clean)
}
