//! Commands that run before and after each run and each migration.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use downhaul_plan::Direction;
use downhaul_run::{Event, Observer};
use serde_json::{Value, json};

use crate::config::{Config, HookConfig};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::progress::Progress;

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    BeforeRun,
    AfterRun,
    BeforeMigration,
    AfterMigration,
}

impl Moment {
    fn as_str(self) -> &'static str {
        match self {
            Self::BeforeRun => "before-run",
            Self::AfterRun => "after-run",
            Self::BeforeMigration => "before-migration",
            Self::AfterMigration => "after-migration",
        }
    }
}

/// The hooks of one run and what they are told.
#[derive(Clone, Debug)]
pub struct Hooks {
    commands: HookConfig,
    folder: PathBuf,
    facts: Value,
}

impl Hooks {
    /// The configuration's hooks, or none. `verb` is the command, `database` its URL without the
    /// password.
    #[must_use]
    pub fn new(
        config: &Config,
        off: bool,
        verb: &str,
        database: &str,
        release: Option<&str>,
    ) -> Self {
        let commands = if off { HookConfig::default() } else { config.hooks.clone() };
        let folder = if config.root.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            config.root.clone()
        };
        let facts = json!({ "verb": verb, "database": database, "release": release });
        Self { commands, folder, facts }
    }

    /// Runs the hooks before a run of these migrations.
    ///
    /// # Errors
    /// When one fails: then nothing may be changed.
    pub fn before_run(&mut self, direction: Direction, labels: &[&str]) -> Result<(), CliError> {
        if let Value::Object(facts) = &mut self.facts {
            facts.insert("direction".into(), json!(direction.to_string()));
            facts.insert("migrations".into(), json!(labels));
        }
        self.run(Moment::BeforeRun, json!({})).map_err(|reason| {
            CliError::new(Code::Findings, format!("a before-run hook stopped this run: {reason}"))
                .state("no migration ran")
                .hint("mend what the hook complains of, or run without hooks: --no-hooks")
        })
    }

    /// Runs the hooks after a run. Says why one failed; what was done is done.
    #[must_use]
    pub fn after_run(&self, error: Option<&str>) -> Option<String> {
        let outcome = if error.is_some() { "failed" } else { "done" };
        let told = json!({ "outcome": outcome, "error": error });
        let failed = self.run(Moment::AfterRun, told).err()?;
        Some(format!("an after-run hook failed: {failed}"))
    }

    fn run(&self, moment: Moment, more: Value) -> Result<(), String> {
        let commands = match moment {
            Moment::BeforeRun => &self.commands.before_run,
            Moment::AfterRun => &self.commands.after_run,
            Moment::BeforeMigration => &self.commands.before_migration,
            Moment::AfterMigration => &self.commands.after_migration,
        };
        if commands.is_empty() {
            return Ok(());
        }
        let mut told = json!({ "event": moment.as_str() });
        for part in [&self.facts, &more] {
            if let (Value::Object(told), Value::Object(part)) = (&mut told, part) {
                told.extend(part.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        let limit = Duration::from_secs(self.commands.timeout.unwrap_or(60));
        for command in commands {
            self.command(command, &told, limit)
                .map_err(|reason| format!("`{command}` {reason}"))?;
        }
        Ok(())
    }

    /// Runs one command. Its output goes where ours goes.
    fn command(&self, command: &str, told: &Value, limit: Duration) -> Result<(), String> {
        let mut shell = shell(command);
        shell.current_dir(&self.folder).stdin(Stdio::piped());
        // What is secret stays with us.
        shell.env_remove("DATABASE_URL");
        let mut child = shell.spawn().map_err(|error| format!("cannot be run: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A hook need not read what it is told.
            let _ = writeln!(stdin, "{told}");
        }
        let begun = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("ended with {status}")),
                Ok(None) if begun.elapsed() >= limit => {
                    kill(&mut child);
                    return Err(format!("did not end within {} s", limit.as_secs()));
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Err(error) => return Err(format!("cannot be waited for: {error}")),
            }
        }
    }
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut shell = Command::new("sh");
    // A group of its own: what the command has started ends with it.
    shell.args(["-c", command]).process_group(0);
    shell
}

#[cfg(not(unix))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.args(["/C", command]);
    shell
}

fn kill(child: &mut Child) {
    #[cfg(unix)]
    {
        let group = format!("-{}", child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    }
    // The group is gone, or there was none.
    let _ = child.kill();
    let _ = child.wait();
}

/// Shows a run, and runs the hooks of each migration.
#[derive(Debug)]
pub struct Hooked<'a> {
    hooks: &'a Hooks,
    progress: Progress<'a>,
}

impl<'a> Hooked<'a> {
    /// Shows on an interface.
    #[must_use]
    pub fn new(hooks: &'a Hooks, progress: Progress<'a>) -> Self {
        Self { hooks, progress }
    }
}

impl Observer for Hooked<'_> {
    fn event(&mut self, event: Event<'_>) {
        let done = match &event {
            Event::Done { label, direction, took } => Some(json!({
                "migration": label,
                "direction": direction.to_string(),
                "duration_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                "outcome": "done",
            })),
            _ => None,
        };
        self.progress.event(event);
        if let Some(told) = done
            && let Err(reason) = self.hooks.run(Moment::AfterMigration, told)
        {
            let note = format!("an after-migration hook failed: {reason}");
            self.progress.event(Event::Note(&note));
        }
    }

    fn comes_between(&self) -> bool {
        let commands = &self.hooks.commands;
        !commands.before_migration.is_empty() || !commands.after_migration.is_empty()
    }

    fn allow(&mut self, label: &str, direction: Direction) -> Result<(), String> {
        let told = json!({ "migration": label, "direction": direction.to_string() });
        self.hooks.run(Moment::BeforeMigration, told)
    }
}
