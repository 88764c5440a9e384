//! One file a command.

pub mod backfill;
pub mod baseline;
pub mod config_schema;
pub mod demo;
pub mod down;
pub mod expand;
pub mod explain;
pub(crate) mod foresight;
pub mod gates;
pub mod generate;
pub mod generate_down;
pub mod history;
pub mod init;
pub mod lint;
pub mod new;
pub mod plan;
pub mod prove;
pub mod redo;
pub mod repair;
pub mod revert;
pub mod rules;
pub mod schema;
pub mod snapshot;
pub mod squash;
pub mod status;
pub mod up;
pub mod verify;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use downhaul_engine::lock::MOST_BESIDE;
use downhaul_engine::{LockBudget, Target};
use downhaul_plan::{Series, Variables, load};
use downhaul_run::Options;
use downhaul_snapshot::tombstone::Policy;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::{Global, Place, Protect, Waiting};
use crate::config::Config;
use crate::error::CliError;

/// The migrations and the database that a command works on.
pub(crate) struct Site {
    pub(crate) config: Config,
    pub(crate) series: Series,
    pub(crate) target: Target,
    pub(crate) dir: std::path::PathBuf,
}

/// Reads the migrations and the database URL.
pub(crate) fn site(global: &Global, place: &Place) -> Result<Site, CliError> {
    let config = Config::load(global)?;
    let dir = config.dir(place.dir.as_deref());
    let target = target(place.database_url.as_deref())?;
    let mut series = load(&dir)?;
    series.variables = variables(&config, &place.variables)?.map(Arc::new);
    Ok(Site { config, series, target, dir })
}

/// Values of placeholders: the configuration's, then the environment's, then the arguments'. `None`
/// where neither configuration nor arguments speak of any: then nothing is replaced.
pub(crate) fn variables(
    config: &Config,
    arguments: &[String],
) -> Result<Option<Variables>, CliError> {
    if config.variables.is_none() && arguments.is_empty() {
        return Ok(None);
    }
    let mut values: BTreeMap<String, String> = config.variables.clone().unwrap_or_default();
    values.extend(std::env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str()?.strip_prefix("DOWNHAUL_VAR_")?.to_owned();
        Some((name, value.to_str()?.to_owned()))
    }));
    for argument in arguments {
        let Some((name, value)) = argument.split_once('=').filter(|(name, _)| !name.is_empty())
        else {
            return Err(CliError::usage(format!("`--var {argument}` has no name or no value"))
                .hint("write it as --var name=value"));
        };
        values.insert(name.to_owned(), value.to_owned());
    }
    Ok(Some(Variables::new(values)))
}

/// Reads the database URL.
pub(crate) fn target(url: Option<&str>) -> Result<Target, CliError> {
    let url = url.ok_or_else(|| {
        CliError::usage("no database is named")
            .hint("set DATABASE_URL=postgres://user@host/database (or sqlite:file.db), or use --database-url")
    })?;
    let target = Target::parse(url)?;
    // As the clients of MySQL and MariaDB do.
    Ok(match std::env::var("MYSQL_PWD") {
        Ok(password) if !password.is_empty() => target.or_mysql_password(url, &password),
        _ => target,
    })
}

/// Runner options from the arguments. Ctrl-C, or SIGTERM, asks for a stop at the next safe point; once
/// more, it asks that the server end the statement that it works on.
pub(crate) fn options(waiting: &Waiting) -> Options {
    let stop = Arc::new(AtomicBool::new(false));
    let cancel = Arc::new(AtomicBool::new(false));
    let flags = (Arc::clone(&stop), Arc::clone(&cancel));
    tokio::spawn(async move {
        let mut terminate = signal(SignalKind::terminate()).ok();
        while signalled(&mut terminate).await {
            if flags.0.swap(true, Ordering::Relaxed) {
                flags.1.store(true, Ordering::Relaxed);
            } else {
                // Not through the progress: a bar that is being drawn is redrawn below it.
                let _ = writeln!(
                    std::io::stderr(),
                    "\nstopping at the next safe point; once more (Ctrl-C) ends the running statement too"
                );
            }
        }
    });
    Options {
        lock_patience: Duration::from_secs(waiting.wait),
        budget: LockBudget {
            lock_timeout: Duration::from_millis(waiting.lock_timeout),
            statement_timeout: waiting.statement_timeout.map(Duration::from_millis),
        },
        lock_retry: Duration::from_secs(waiting.lock_retry),
        kill_blockers: waiting.kill_blockers,
        who: who(),
        stop,
        cancel,
        ..Options::default()
    }
}

/// Waits for Ctrl-C or SIGTERM; false where neither can be waited for.
async fn signalled(terminate: &mut Option<Signal>) -> bool {
    let terminated = async {
        match terminate {
            Some(terminate) => terminate.recv().await.is_some(),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.is_ok(),
        terminated = terminated => terminated,
    }
}

/// Says how backfills go on: as the flag says, else as `downhaul.toml` does.
pub(crate) fn backfills(options: &mut Options, site: &Site, parallel: Option<u32>) {
    let config = &site.config.backfill;
    options.throttle = config.throttle();
    options.parallel = parallel.or(config.parallel).unwrap_or(1).clamp(1, MOST_BESIDE);
}

/// Says how what is destroyed is kept: as the flag says, else as `downhaul.toml` does.
pub(crate) fn protect(options: &mut Options, site: &Site, flag: Option<Protect>) {
    let config = &site.config.protect;
    let dialect = site.target.dialect();
    let policy = match flag {
        Some(Protect::Off) => {
            options.protect = false;
            return;
        }
        Some(Protect::Auto) => Policy::Auto,
        Some(Protect::Copy) => Policy::Copy,
        Some(Protect::Tombstone) => Policy::Tombstone,
        None => {
            options.policies = config
                .tables
                .iter()
                .map(|(name, keeping)| (downhaul_run::table_name(name, dialect), (*keeping).into()))
                .collect();
            config.policy.map(Policy::from).unwrap_or_default()
        }
    };
    options.policy = policy;
}

/// `deploy@ci-7 (pid 4711)`.
pub(crate) fn who() -> String {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = var("USER").or_else(|| var("LOGNAME")).unwrap_or_else(account);
    let host = var("HOSTNAME")
        .or_else(|| {
            let name = std::fs::read_to_string("/etc/hostname").ok()?;
            Some(name.trim().to_owned()).filter(|name| !name.is_empty())
        })
        .or_else(|| said_by("uname", &["-n"]))
        .unwrap_or_else(|| "unknown".into());
    format!("{user}@{host} (pid {})", std::process::id())
}

/// Name of the account that this process runs as, where the environment does not tell (cron,
/// containers, services).
fn account() -> String {
    use std::os::unix::fs::MetadataExt;
    let uid = std::fs::metadata("/proc/self").ok().map(|process| process.uid());
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = uid.and_then(|uid| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        })
    });
    named
        .or_else(|| said_by("id", &["-un"]))
        .or_else(|| uid.map(|uid| format!("uid {uid}")))
        .unwrap_or_else(|| "unknown".into())
}

/// One line that a program prints.
fn said_by(program: &str, args: &[&str]) -> Option<String> {
    let output = std::process::Command::new(program)
        .args(args)
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

/// The commit of the migration files: what CI says, else what git says of their folder.
pub(crate) fn commit(dir: &std::path::Path) -> Option<String> {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    var("GITHUB_SHA")
        .or_else(|| var("CI_COMMIT_SHA"))
        .or_else(|| said_by("git", &["-C", dir.to_str()?, "rev-parse", "HEAD"]))
        .filter(|commit| commit.bytes().all(|b| b.is_ascii_hexdigit()))
}
