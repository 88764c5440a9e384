//! `downhaul.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use downhaul_lint::DownPolicy;
use downhaul_run::{GateRules, Throttle, UnusedRule};
use downhaul_snapshot::tombstone::Policy;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::args::{DialectName, FailOn, Global};
use crate::error::CliError;

/// The name that is looked for, here and in the folders above.
pub const FILE: &str = "downhaul.toml";

/// Configuration of Downhaul: `downhaul.toml`, found in the current folder or one above.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Folder of the migrations, relative to this file.
    pub dir: Option<PathBuf>,
    /// Dialect of the migrations.
    pub dialect: Option<DialectName>,
    /// How `downhaul lint` judges.
    #[serde(default)]
    pub lint: LintConfig,
    /// What stands for `${name}` in migration files. Where this section is, even empty, or --var is
    /// given, placeholders are replaced; else the files go to the server as they are.
    pub variables: Option<BTreeMap<String, String>>,
    /// How what migrations destroy is kept, where they do not say so themselves.
    #[serde(default)]
    pub protect: ProtectConfig,
    /// Commands that run before and after.
    #[serde(default)]
    pub hooks: HookConfig,
    /// When a backfill gives way.
    #[serde(default)]
    pub backfill: BackfillConfig,
    /// What has to hold before a contract.
    #[serde(default)]
    pub gates: GateConfig,
    /// Where the file stands.
    #[serde(skip)]
    pub root: PathBuf,
}

/// How `downhaul lint` judges.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LintConfig {
    /// Rules that are not reported: codes (LK01), names (index-not-concurrent), families (LK), or
    /// `all`.
    pub allow: Vec<String>,
    /// Rules that are reported as info; switches them on.
    pub info: Vec<String>,
    /// Rules that are reported as warnings; switches them on.
    pub warn: Vec<String>,
    /// Rules that are reported as errors; switches them on.
    pub deny: Vec<String>,
    /// Rules of which the default is off, and that are reported at their own severity.
    pub enable: Vec<String>,
    /// Severity from which on the exit code is 1 (default: error).
    pub fail_on: Option<FailOn>,
    /// Layout of the migrations (default: found out).
    pub layout: Option<String>,
    /// Version of the server, such as "15" or "8.0.29".
    pub server_version: Option<String>,
    /// When a missing down is a finding (default: auto, where the files come in pairs).
    pub down: Option<Downs>,
    /// What runs the migrations. `downhaul` (the default) keeps restore points and bounds every wait
    /// for a lock; `other` does neither, and is judged so.
    pub runner: Option<Runner>,
    /// File of known findings, relative to this file.
    pub baseline: Option<PathBuf>,
    /// Statements that the running release sends, relative to this file.
    pub queries: Vec<PathBuf>,
    /// Schema that is there before the first migration, relative to this file.
    pub schema: Option<PathBuf>,
    /// What is known of tables.
    pub tables: TableHints,
    /// Settings for some files; where several match, the last one wins.
    pub path: Vec<PathConfig>,
}

/// How what migrations destroy is kept, where they do not say so themselves.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ProtectConfig {
    /// Of all tables (default: auto).
    pub policy: Option<Keeping>,
    /// Of single tables: `orders = "tombstone"`; on PostgreSQL also of columns that are to be renamed when
    /// they are dropped: `"orders.note" = "tombstone"`.
    pub tables: BTreeMap<String, Keeping>,
}

/// How what is destroyed is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Keeping {
    /// Small tables are copied, large ones that are dropped are set aside.
    Auto,
    /// Everything is copied.
    Copy,
    /// Tables that are dropped are set aside wherever that can be done.
    Tombstone,
}

impl From<Keeping> for Policy {
    fn from(keeping: Keeping) -> Self {
        match keeping {
            Keeping::Auto => Self::Auto,
            Keeping::Copy => Self::Copy,
            Keeping::Tombstone => Self::Tombstone,
        }
    }
}

/// Commands that run before and after `up`, `down` and `redo`, in the folder of this file, with what
/// happens as JSON on standard input. One that fails before stops with nothing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct HookConfig {
    /// Before a run that has something to do.
    pub before_run: Vec<String>,
    /// After it, whether it succeeded or not.
    pub after_run: Vec<String>,
    /// Before each migration.
    pub before_migration: Vec<String>,
    /// After each migration that succeeded.
    pub after_migration: Vec<String>,
    /// Seconds that each command may take (default: 60).
    pub timeout: Option<u64>,
}

/// When a backfill gives way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BackfillConfig {
    /// A replica is further behind than so many seconds; 0 never waits for replicas (default: 5;
    /// PostgreSQL, where the role may see replicas).
    pub replica_lag: Option<u64>,
    /// More sessions than this are at work (not SQLite).
    pub active_sessions: Option<u64>,
    /// A query of one value: anything but NULL, false, 0 and an empty text makes the backfill wait,
    /// and is shown as the reason. Where it fails, the backfill pauses.
    pub throttle_query: Option<String>,
    /// Sessions that fill a table at once, each in a part of it, 1 to 32 (default: 1; not SQLite).
    #[schemars(range(min = 1, max = 32))]
    pub parallel: Option<u32>,
}

impl BackfillConfig {
    /// For the executor.
    #[must_use]
    pub fn throttle(&self) -> Throttle {
        Throttle {
            replica_lag: match self.replica_lag {
                None => Throttle::default().replica_lag,
                Some(0) => None,
                Some(seconds) => Some(Duration::from_secs(seconds)),
            },
            active_sessions: self.active_sessions,
            query: self.throttle_query.clone(),
        }
    }
}

/// What has to hold before a contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GateConfig {
    /// Time between the end of the backfill, or the release being live, and the contract: "36h",
    /// "2d" (default: none).
    pub soak: Option<String>,
    /// Time for which no release has written what a watch looks at (`expand --watch`): "1h"
    /// (default: 10min).
    pub quiet: Option<String>,
    /// The release of the expand phase has to be named and live (default: false: asked only where
    /// the expand phase was applied with --release).
    pub release: bool,
    /// How much has to be known of the uses of what goes (default: known).
    pub unused: Option<Unused>,
    /// Asked before every `up` that runs a contract, not only with `--phase contract`.
    pub always: bool,
}

/// How much has to be known of the uses of what goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unused {
    /// Nothing is asked.
    Off,
    /// A statement that is known to need it closes the gate.
    Known,
    /// The gate is closed, too, if there was nothing to look at.
    Proof,
}

impl GateConfig {
    /// For the executor.
    pub fn rules(&self) -> Result<GateRules, CliError> {
        let span = |name: &str, text: &Option<String>, default: Duration| match text {
            None => Ok(default),
            Some(text) => crate::moment::span(text)
                .map_err(|why| CliError::usage(format!("[gates] {name} = \"{text}\": {why}"))),
        };
        let soak = span("soak", &self.soak, Duration::ZERO)?;
        let quiet = span("quiet", &self.quiet, Duration::from_secs(600))?;
        let unused = match self.unused {
            Some(Unused::Off) => UnusedRule::Off,
            Some(Unused::Proof) => UnusedRule::Proof,
            Some(Unused::Known) | None => UnusedRule::Known,
        };
        Ok(GateRules { soak, quiet, release: self.release, unused })
    }
}

/// What is known of tables.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TableHints {
    /// Small tables: locks on them are not reported.
    pub small: Vec<String>,
    /// Large tables: a rewrite, scan or index build of them is an error.
    pub large: Vec<String>,
    /// Tables with much traffic: a lock on them that blocks reads or writes is an error.
    pub hot: Vec<String>,
}

/// Settings for some files.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PathConfig {
    /// Which files, relative to the configuration file: `*` and `?` stay in one folder, `**` does
    /// not.
    pub glob: String,
    /// Rules that are not reported.
    pub allow: Vec<String>,
    /// Rules that are reported as info.
    pub info: Vec<String>,
    /// Rules that are reported as warnings.
    pub warn: Vec<String>,
    /// Rules that are reported as errors.
    pub deny: Vec<String>,
    /// Rules that are reported at their own severity.
    pub enable: Vec<String>,
    /// Dialect of these files.
    pub dialect: Option<DialectName>,
}

/// When a missing down is a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Downs {
    /// Where the files come in pairs.
    Auto,
    /// Always.
    Required,
    /// Never.
    Ignored,
}

impl From<Downs> for DownPolicy {
    fn from(downs: Downs) -> Self {
        match downs {
            Downs::Auto => Self::Auto,
            Downs::Required => Self::Required,
            Downs::Ignored => Self::Ignored,
        }
    }
}

/// What runs the migrations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Runner {
    /// `downhaul up`.
    #[default]
    Downhaul,
    /// Another tool.
    Other,
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

    /// The JSON Schema of the file.
    #[must_use]
    pub fn schema() -> String {
        let schema = schemars::schema_for!(Self);
        let mut text = serde_json::to_string_pretty(&schema)
            .expect("a schema is JSON, and writing to a String cannot fail");
        text.push('\n');
        text
    }
}

fn find() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|dir| dir.join(FILE)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_configuration_is_read_and_a_typo_is_refused() {
        let text = r#"
            dir = "db/migrations"
            dialect = "postgres"

            [lint]
            allow = ["DS"]
            deny = ["missing-down"]
            fail-on = "warning"
            down = "required"
            runner = "other"

            [lint.tables]
            small = ["countries"]
            hot = ["orders"]

            [[lint.path]]
            glob = "legacy/**"
            allow = ["all"]
        "#;
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.lint.fail_on, Some(FailOn::Warning));
        assert_eq!(config.lint.tables.hot, ["orders"]);
        assert_eq!(config.lint.path[0].glob, "legacy/**");
        for typo in ["dirr = 'x'", "[lint]\nalow = []", "[[lint.path]]\nglobs = 'x'"] {
            assert!(toml::from_str::<Config>(typo).is_err(), "{typo}");
        }
    }
}
