//! The catalog that a series begins with.

use std::path::Path;

use downhaul_catalog::{Catalog, Origin};
use downhaul_plan::source::read_text;
use downhaul_syntax::{Dialect, parse_script};

use super::dialect;
use super::select::Group;
use crate::args::Series;
use crate::config::Config;
use crate::error::CliError;
use crate::ui::Ui;

/// The catalog before the first migration, in the dialect that is told or found. One that was
/// found is remarked upon.
pub fn begin(
    config: &Config,
    told: &Series,
    home: &Path,
    groups: &[&Group],
    ui: &Ui,
) -> Result<Catalog, CliError> {
    let found = dialect::find(config, told.dialect, home, groups);
    if !found.told {
        ui.remark(found.remark(home));
    }
    let schema = schema(config, told.schema.as_deref(), found.dialect)?;
    Ok(schema.unwrap_or_else(|| Catalog::new(found.dialect)))
}

/// The catalog of the schema file that is named, by an argument or by the configuration.
pub fn schema(
    config: &Config,
    named: Option<&Path>,
    dialect: Dialect,
) -> Result<Option<Catalog>, CliError> {
    let configured = config.lint.schema.as_ref().map(|path| config.root.join(path));
    let Some(path) = named.map(Path::to_owned).or(configured) else { return Ok(None) };
    let mut catalog = Catalog::new(dialect);
    catalog.apply_script(&parse_script(&read_text(&path)?, dialect), Origin::Baseline);
    Ok(Some(catalog))
}
