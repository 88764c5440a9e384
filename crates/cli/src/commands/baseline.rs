//! `downhaul baseline`.

use downhaul_catalog::{Catalog, Origin};
use downhaul_plan::{Series, Version};
use downhaul_run::Runner;
use downhaul_syntax::{Dialect, parse_script};

use crate::args::{BaselineArgs, Global};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Style, Ui, count, paint};

/// Records migrations as applied without running them.
pub async fn run(global: &Global, args: &BaselineArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    let version = Version::new(args.newest.as_str());
    let options = super::options(&args.waiting);
    let mut runner = Runner::open(&site.target, false, options).await?;
    let live = runner.session().dump().await;
    let result = runner.baseline(&site.series, &version).await;
    runner.close().await;
    let labels = result?;
    for label in &labels {
        ui.line(format!("  {label}"));
    }
    // What cannot be read is not warned of.
    let live = live.map(|dump| dump.script()).ok();
    let dialect = site.target.dialect();
    for table in
        live.map(|live| missing(&site.series, &version, &live, dialect)).unwrap_or_default()
    {
        ui.line(format!(
            "  {} this database has no table {table}, which these migrations make: is it the right version, and the right database?",
            paint(Style::Warn, "warning")
        ));
    }
    ui.line(format!(
        "{}: {} recorded as applied, none was run",
        site.target,
        count(labels.len() as u64, "migration")
    ));
    Ok(Code::Clean)
}

/// Tables that the migrations leave and the database does not have.
fn missing(series: &Series, newest: &Version, live: &str, dialect: Dialect) -> Vec<String> {
    let mut there = Catalog::new(dialect);
    there.apply_script(&parse_script(live, dialect), Origin::Baseline);
    let mut wanted = Catalog::new(dialect);
    let versioned = series.migrations.iter().filter(|m| !m.repeatable && m.version <= *newest);
    for (at, migration) in versioned.enumerate() {
        if let Some(up) = migration.up.as_ref().filter(|up| !up.program) {
            wanted.apply_script(&parse_script(&up.text, dialect), Origin::Series(at));
        }
    }
    let absent = |name: &&downhaul_syntax::ObjectName| {
        !there.tables.contains_key(*name) && !there.views.contains_key(*name)
    };
    wanted
        .tables
        .iter()
        .filter(|(_, table)| !table.assumed && !table.temporary)
        .map(|(name, _)| name)
        .filter(absent)
        .map(ToString::to_string)
        .collect()
}
