//! One project, migration by migration: up, the bare down beside it, our down, up again.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_engine::Target;
use downhaul_kit::{Photograph, Program, Session};
use downhaul_plan::{Series, load};
use downhaul_run::observer::Silent;
use downhaul_run::{DownSelection, Options, Runner, UpSelection};

use crate::project::{Engine, Pair, Project};

/// Rules that say that a way back is missing, fails, or does not lead back.
const NAMING: &[&str] = &[
    "down-fails",
    "down-does-not-invert",
    "down-loses-data",
    "fails-outright",
    "irreversible-by-engine",
    "missing-down",
    "up-not-recoverable",
    "unparsed-statement",
];

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    migrations: usize,
    ups_fail: usize,
    no_down: usize,
    bare_fail: usize,
    bare_fail_named: usize,
    bare_differ: usize,
    bare_differ_named: usize,
    ours_refused: usize,
    pub(crate) ours_differ: usize,
    /// The up afterwards leads elsewhere than the first time.
    pub(crate) again_differ: usize,
    again_fail: usize,
}

impl Tally {
    pub(crate) const HEAD: &'static str = "| project | engine | migrations | ups that fail | without a down | bare downs that fail | named before | bare downs that restore another state | named before | our downs: refused | another state | up again: fails | another state |";

    fn cells(&self) -> String {
        [
            self.migrations,
            self.ups_fail,
            self.no_down,
            self.bare_fail,
            self.bare_fail_named,
            self.bare_differ,
            self.bare_differ_named,
            self.ours_refused,
            self.ours_differ,
            self.again_fail,
            self.again_differ,
        ]
        .map(|n| n.to_string())
        .join(" | ")
    }

    pub(crate) fn line(&self, project: &Project) -> String {
        let name = project.name.replace('+', "/");
        format!("| {name} | {} | {} |", project.engine.name(), self.cells())
    }

    pub(crate) fn sum(&self) -> String {
        format!("| all | | {} |", self.cells())
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.migrations += other.migrations;
        self.ups_fail += other.ups_fail;
        self.no_down += other.no_down;
        self.bare_fail += other.bare_fail;
        self.bare_fail_named += other.bare_fail_named;
        self.bare_differ += other.bare_differ;
        self.bare_differ_named += other.bare_differ_named;
        self.ours_refused += other.ours_refused;
        self.ours_differ += other.ours_differ;
        self.again_differ += other.again_differ;
        self.again_fail += other.again_fail;
    }
}

/// `00042` → what the analyzer said of it before anything ran.
fn lint(program: &Program, project: &Project) -> BTreeMap<String, BTreeSet<String>> {
    let outcome = program.run(&[
        "lint", "--format", "json", "--dialect", project.engine.dialect(), "migrations",
    ]);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", outcome.stderr));
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap() {
        let rule = finding["name"].as_str().unwrap();
        let file = finding["file"].as_str().unwrap().rsplit('/').next().unwrap();
        if NAMING.contains(&rule) {
            named.entry(file[..5].to_owned()).or_default().insert(rule.to_owned());
        }
    }
    named
}

/// A text for a transaction of ours: without its own, and without what refuses one.
fn bare(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let word = line.trim().trim_end_matches(';').to_ascii_uppercase();
        if !["BEGIN", "COMMIT", "BEGIN TRANSACTION", "START TRANSACTION"].contains(&word.as_str()) {
            out.push_str(&line.replace(" CONCURRENTLY", "").replace(" concurrently", ""));
            out.push('\n');
        }
    }
    out
}

fn without_state(mut photograph: Photograph) -> Photograph {
    photograph.0.retain(|name, _| !name.contains("sequence"));
    photograph
}

async fn photograph(session: &mut Session) -> Photograph {
    without_state(Photograph::of(session).await)
}

/// What the down file does by itself.
enum Bare {
    Restores,
    Fails(String),
    Differs(Vec<String>),
}

/// Where everything rolls back, the bare down is tried and taken back.
async fn tried(session: &mut Session, down: &str, before: &Photograph) -> Bare {
    session.run("BEGIN").await;
    let result = match session.try_run(&bare(down)).await {
        Err(error) => Bare::Fails(error.to_string()),
        Ok(()) => {
            let differences = before.differences(&photograph(session).await);
            if differences.is_empty() { Bare::Restores } else { Bare::Differs(differences) }
        }
    };
    // What the down set for its session ends with it; some errors have rolled back already.
    let _ = session.try_run("ROLLBACK").await;
    result
}

/// A second database for an engine where nothing rolls back: there the bare files alone run.
struct Beside {
    session: Session,
    applied: Vec<String>,
}

impl Beside {
    async fn tried(&mut self, pair: &Pair) -> Bare {
        let before = photograph(&mut self.session).await;
        if let Err(error) = self.session.try_run(&pair.up).await {
            return Bare::Fails(format!("the up: {error}"));
        }
        self.applied.push(pair.up.clone());
        let after = photograph(&mut self.session).await;
        let down = self.session.try_run(pair.down.as_deref().unwrap_or_default()).await;
        let result = match down {
            Err(error) => Bare::Fails(error.to_string()),
            Ok(()) => {
                let differences = before.differences(&photograph(&mut self.session).await);
                if differences.is_empty() { Bare::Restores } else { Bare::Differs(differences) }
            }
        };
        let again = self.session.try_run(&pair.up).await.is_ok();
        if !again || photograph(&mut self.session).await != after {
            self.rebuild().await;
        }
        result
    }

    async fn rebuild(&mut self) {
        let name = self.session.value("SELECT DATABASE()").await.unwrap();
        let sql = format!("DROP DATABASE `{name}`; CREATE DATABASE `{name}`; USE `{name}`");
        self.session.run(&sql).await;
        for up in &self.applied {
            self.session.run(up).await;
        }
    }
}

fn shorten(lines: &[String]) -> String {
    let all = lines.join("; ").replace('\n', " ");
    all.chars().take(300).collect()
}

pub(crate) async fn walk(project: &Project, pairs: &[Pair], url: &str, beside: &str) -> Tally {
    let path = std::env::var("DOWNHAUL_PROGRAM");
    let program = Program::new(path.unwrap_or_else(|_| env!("CARGO_BIN_EXE_downhaul").to_owned()));
    for (n, pair) in pairs.iter().enumerate() {
        program.write(&format!("migrations/{n:05}_step.up.sql"), &pair.up);
        if let Some(down) = &pair.down {
            program.write(&format!("migrations/{n:05}_step.down.sql"), down);
        }
    }
    let named = lint(&program, project);
    let all: Series = load(&program.dir().join("migrations")).unwrap();
    let target = Target::parse(url).unwrap();
    let mut runner = Runner::open(&target, true, Options::default()).await.unwrap();
    let mut session = Session::connect(url).await;
    let mut beside = if beside.is_empty() {
        None
    } else {
        Some(Beside { session: Session::connect(beside).await, applied: Vec::new() })
    };
    let mut tally = Tally { migrations: pairs.len(), ..Tally::default() };
    let say = |pair: &Pair, what: &str, why: &str| println!("    {} {what}: {why}", pair.name);
    for (n, pair) in pairs.iter().enumerate() {
        let version = format!("{n:05}");
        let is_named = named.get(&version).is_some_and(|rules| !rules.is_empty());
        // Only this one: those before it are not read again at every step.
        let mut series = Series { layout: all.layout, migrations: all.migrations.clone() };
        series.migrations.retain(|m| m.version.as_str() == version);
        let before = photograph(&mut session).await;
        if let Err(error) = up(&mut runner, &series).await {
            tally.ups_fail += 1;
            say(pair, "up fails", &error);
            continue;
        }
        let after = photograph(&mut session).await;
        let Some(down) = &pair.down else {
            tally.no_down += 1;
            continue;
        };
        let result = match &mut beside {
            Some(beside) => beside.tried(pair).await,
            None => tried(&mut session, down, &before).await,
        };
        match result {
            Bare::Restores => {}
            Bare::Fails(why) => {
                tally.bare_fail += 1;
                tally.bare_fail_named += usize::from(is_named);
                say(pair, &format!("bare down fails (named before: {is_named})"), &why);
            }
            Bare::Differs(lines) => {
                tally.bare_differ += 1;
                tally.bare_differ_named += usize::from(is_named);
                say(
                    pair,
                    &format!("bare down leads elsewhere (named before: {is_named})"),
                    &shorten(&lines),
                );
            }
        }
        if let Err(error) = take_back(&mut runner, &series).await {
            tally.ours_refused += 1;
            say(pair, "our down is refused or fails", &error);
            // Half done or not: the way on must be open.
            if let Err(error) = up(&mut runner, &series).await {
                let _ = take_back(&mut runner, &series).await;
                say(pair, "and the up after it", &error);
            }
            continue;
        }
        let differences = before.differences(&photograph(&mut session).await);
        if !differences.is_empty() {
            tally.ours_differ += 1;
            say(pair, "our down leads elsewhere", &shorten(&differences));
        }
        if let Err(error) = up(&mut runner, &series).await {
            tally.again_fail += 1;
            say(pair, "up again fails", &error);
            continue;
        }
        let differences = after.differences(&photograph(&mut session).await);
        if !differences.is_empty() {
            tally.again_differ += 1;
            say(pair, "up again leads elsewhere", &shorten(&differences));
        }
    }
    session.close().await;
    runner.close().await;
    if project.engine == Engine::MySql
        && let Some(beside) = beside
    {
        beside.session.close().await;
    }
    tally
}

async fn up(runner: &mut Runner, series: &Series) -> Result<(), String> {
    let result = async {
        let plan = runner.plan_up(series, &UpSelection::Steps(1)).await?;
        runner.up(&plan, &mut Silent).await
    };
    result.await.map(drop).map_err(|error| explain(&error))
}

async fn take_back(runner: &mut Runner, series: &Series) -> Result<(), String> {
    let result = async {
        let plan = runner.plan_down(series, &DownSelection::Steps(1)).await?;
        runner.down(&plan, &mut Silent).await
    };
    result.await.map(drop).map_err(|error| explain(&error))
}

/// An error with what caused it, in one line.
fn explain(error: &downhaul_run::RunError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    if let downhaul_run::RunError::Failed { statement, .. }
    | downhaul_run::RunError::Partial { statement, .. } = error
    {
        text.push_str(&format!(": {} in {}", statement.error, statement.sql));
    }
    text.replace('\n', " ").chars().take(300).collect()
}
