//! `downhaul.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::args::Global;
use crate::error::CliError;

/// The name that is looked for, here and in the folders above.
pub const FILE: &str = "downhaul.toml";

/// The configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Folder of the migrations, relative to the file.
    pub dir: Option<PathBuf>,
    /// Dialect of the migrations, for `lint`.
    pub dialect: Option<String>,
    /// Where the file stands.
    #[serde(skip)]
    pub root: PathBuf,
}

impl Config {
    /// Finds and reads the configuration; the default one where there is none.
    pub fn load(global: &Global) -> Result<Self, CliError> {
        let path = match &global.config {
            Some(path) => path.clone(),
            None => match find() {
                Some(path) => path,
                None => return Ok(Self::default()),
            },
        };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            CliError::usage(format!("cannot read `{}`: {error}", path.display()))
                .hint("name another file with --config, or leave it out")
        })?;
        let mut config: Self = toml::from_str(&text).map_err(|error| {
            CliError::usage(format!(
                "`{}` is not a valid configuration:\n{}",
                path.display(),
                error.to_string().trim_end()
            ))
        })?;
        config.root = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(config)
    }

    /// The migrations folder: the argument, else the configuration's, else `migrations`.
    #[must_use]
    pub fn dir(&self, argument: Option<&Path>) -> PathBuf {
        match (argument, &self.dir) {
            (Some(dir), _) => dir.to_owned(),
            (None, Some(dir)) => self.root.join(dir),
            (None, None) => self.root.join("migrations"),
        }
    }
}

fn find() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|dir| dir.join(FILE)).find(|path| path.is_file())
}
