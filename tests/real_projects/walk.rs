//! One project, migration by migration: up, the bare down beside it, our down, up again.

use std::collections::{BTreeMap, BTreeSet};

use downhaul_catalog::{Catalog, Origin, inverse_script};
use downhaul_engine::Target;
use downhaul_kit::{Photograph, Program, Session};
use downhaul_plan::{Series, load};
use downhaul_run::observer::Silent;
use downhaul_run::{DownSelection, GeneratedDown, Options, Runner, UpSelection};
use downhaul_syntax::{Change, Dialect, parse_script};

use crate::place::Place;
use crate::project::{Pair, Project};

/// Rules that say that a way back is missing, fails, or does not lead back; as a warning or an error.
/// One that speaks of most downs (what users wrote since is lost) or of the up does not count.
const NAMING: &[&str] = &[
    "down-fails",
    "down-does-not-invert",
    "irreversible-by-engine",
    "missing-down",
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
    bare_restore: usize,
    /// Downs that restore all, and were named: false alarms.
    bare_restore_named: usize,
    /// Of the downs that will not do: how often the catalog was asked, how often its way restores.
    generated_tried: usize,
    generated_good: usize,
    ours_refused: usize,
    pub(crate) ours_differ: usize,
    /// The up afterwards leads elsewhere than the first time.
    pub(crate) again_differ: usize,
    again_fail: usize,
    /// Of our downs that were refused or led elsewhere: how often the inverse of the up, taken instead,
    /// leads back.
    instead_good: usize,
}

impl Tally {
    pub(crate) const HEAD: &'static str = "| project | engine | migrations | ups that fail | without a down | bare downs that fail | named before | bare downs that restore another state | named before | bare downs that restore | named before | generated down restores | our downs: refused | another state | up again: fails | another state | taken back by --use-generated-down instead |";

    fn cells(&self) -> String {
        [
            self.migrations,
            self.ups_fail,
            self.no_down,
            self.bare_fail,
            self.bare_fail_named,
            self.bare_differ,
            self.bare_differ_named,
            self.bare_restore,
            self.bare_restore_named,
            self.generated_good,
            self.ours_refused,
            self.ours_differ,
            self.again_fail,
            self.again_differ,
            self.instead_good,
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
        self.bare_restore += other.bare_restore;
        self.bare_restore_named += other.bare_restore_named;
        self.generated_tried += other.generated_tried;
        self.generated_good += other.generated_good;
        self.ours_refused += other.ours_refused;
        self.ours_differ += other.ours_differ;
        self.again_differ += other.again_differ;
        self.again_fail += other.again_fail;
        self.instead_good += other.instead_good;
    }
}

/// `00042` → what the analyzer said of it before anything ran.
fn lint(program: &Program, project: &Project) -> BTreeMap<String, BTreeSet<String>> {
    let outcome = program.run(&[
        "lint",
        "--format",
        "json",
        "--dialect",
        project.engine.dialect(),
        "migrations",
    ]);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", outcome.stderr));
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap() {
        let rule = finding["name"].as_str().unwrap();
        let file = finding["file"].as_str().unwrap().rsplit('/').next().unwrap();
        if NAMING.contains(&rule) && finding["severity"] != "info" {
            named.entry(file[..5].to_owned()).or_default().insert(rule.to_owned());
        }
    }
    named
}

/// A text for a transaction of ours: without its own, and without what refuses one.
pub(crate) fn bare(text: &str, dialect: Dialect) -> String {
    let own = |change: &Change| matches!(change, Change::Transaction { .. });
    let script = parse_script(text, dialect);
    let statements = script.statements.iter().filter(|s| !s.changes().iter().any(own));
    statements
        .map(|s| s.text.replace(" CONCURRENTLY", "").replace(" concurrently", "") + ";\n")
        .collect()
}

fn without_state(mut photograph: Photograph) -> Photograph {
    photograph.0.retain(|name, _| !name.contains("sequence"));
    photograph
}

pub(crate) async fn photograph(session: &mut Session) -> Photograph {
    without_state(Photograph::of(session).await)
}

/// What the down file does by itself.
enum Bare {
    Restores,
    Fails(String),
    Differs(Vec<String>),
}

/// Where everything rolls back, the bare down is tried and taken back.
async fn tried(
    session: &mut Session,
    (down, dialect): (&str, Dialect),
    before: &Photograph,
) -> Bare {
    session.run("BEGIN").await;
    let result = match session.try_run(&bare(down, dialect)).await {
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

pub(crate) fn shorten(lines: &[String]) -> String {
    let all = lines.join("; ").replace('\n', " ");
    all.chars().take(300).collect()
}

/// Downhaul on one database.
struct Ours {
    runner: Runner,
    session: Session,
}

impl Ours {
    async fn on(url: &str) -> Self {
        let target = Target::parse(url).unwrap();
        let runner = Runner::open(&target, true, Options::default()).await.unwrap();
        Self { runner, session: Session::connect(url).await }
    }

    async fn leave(self) {
        self.session.close().await;
        self.runner.close().await;
    }

    /// Back and on again; whether the way back led to where it should.
    async fn there_and_back(
        &mut self,
        step: &Step<'_>,
        (before, after): (&Photograph, &Photograph),
        tally: &mut Tally,
    ) {
        if let Err(error) = take_back(&mut self.runner, &step.series).await {
            tally.ours_refused += 1;
            step.say("our down is refused or fails", &error);
            self.instead(step, before, tally).await;
            return;
        }
        let differences = before.differences(&photograph(&mut self.session).await);
        if !differences.is_empty() {
            tally.ours_differ += 1;
            step.say("our down leads elsewhere", &shorten(&differences));
        }
        if let Err(error) = up(&mut self.runner, &step.series).await {
            tally.again_fail += 1;
            step.say("up again fails", &error);
            return;
        }
        let again = after.differences(&photograph(&mut self.session).await);
        if !again.is_empty() {
            tally.again_differ += 1;
            step.say("up again leads elsewhere", &shorten(&again));
        } else if !differences.is_empty() {
            self.instead(step, before, tally).await;
        }
    }

    /// Back by the inverse of the up, in the place of a down file that does not lead back, and on again.
    async fn instead(&mut self, step: &Step<'_>, before: &Photograph, tally: &mut Tally) {
        let version = step.series.migrations[0].version.to_string();
        self.runner.generate_downs(GeneratedDown::InPlaceOf(vec![version]));
        let result = take_back(&mut self.runner, &step.series).await;
        self.runner.generate_downs(GeneratedDown::Never);
        if let Err(error) = result {
            step.say("--use-generated-down is refused or fails", &error);
            return;
        }
        let differences = before.differences(&photograph(&mut self.session).await);
        if differences.is_empty() {
            tally.instead_good += 1;
        } else {
            step.say("--use-generated-down leads elsewhere", &shorten(&differences));
        }
        if let Err(error) = up(&mut self.runner, &step.series).await {
            tally.again_fail += 1;
            step.say("up again fails after --use-generated-down", &error);
        }
    }
}

/// One migration.
struct Step<'a> {
    pair: &'a Pair,
    /// Only this one: those before it are not read again at every step.
    series: Series,
    /// What the analyzer said of it.
    named: bool,
}

impl Step<'_> {
    fn say(&self, what: &str, why: &str) {
        println!("    {} (named before: {}) {what}: {why}", self.pair.name, self.named);
    }
}

/// A down text by itself, on the database or, where nothing rolls back, on a copy of it.
async fn alone(
    place: &Place,
    ours: &mut Ours,
    (down, dialect): (&str, Dialect),
    before: &Photograph,
) -> Bare {
    if !place.copies_for_trials() {
        return tried(&mut ours.session, (down, dialect), before).await;
    }
    let copy = place.copy().await;
    let mut session = Session::connect(copy.url()).await;
    let empty = parse_script(down, dialect).statements.is_empty();
    let ran = if empty { Ok(()) } else { session.try_run(down).await };
    let result = match ran {
        Err(error) => Bare::Fails(error.to_string()),
        Ok(()) => {
            let differences = before.differences(&photograph(&mut session).await);
            if differences.is_empty() { Bare::Restores } else { Bare::Differs(differences) }
        }
    };
    session.close().await;
    result
}

pub(crate) async fn walk(project: &Project, pairs: &[Pair], place: &Place) -> Tally {
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
    let dialect = Target::parse(place.url()).unwrap().dialect();
    let mut catalog = Catalog::new(dialect);
    let mut ours = Ours::on(place.url()).await;
    let mut tally = Tally { migrations: pairs.len(), ..Tally::default() };
    for (n, pair) in pairs.iter().enumerate() {
        let version = format!("{n:05}");
        let mut series = all.clone();
        series.migrations.retain(|m| m.version.as_str() == version);
        let named = named.get(&version).is_some_and(|rules| !rules.is_empty());
        let step = Step { pair, series, named };
        let before = photograph(&mut ours.session).await;
        if let Err(error) = up(&mut ours.runner, &step.series).await {
            tally.ups_fail += 1;
            step.say("up fails", &error);
            continue;
        }
        let after = photograph(&mut ours.session).await;
        let script = parse_script(&pair.up, dialect);
        let generated = inverse_script(&script, &catalog);
        catalog.apply_script(&script, Origin::Series(n));
        let Some(down) = &pair.down else {
            tally.no_down += 1;
            continue;
        };
        let bare = alone(place, &mut ours, (down, dialect), &before).await;
        let good = matches!(bare, Bare::Restores);
        match bare {
            Bare::Restores => {
                tally.bare_restore += 1;
                tally.bare_restore_named += usize::from(named);
                if named {
                    step.say("false alarm", "the bare down restores all");
                }
            }
            Bare::Fails(why) => {
                tally.bare_fail += 1;
                tally.bare_fail_named += usize::from(named);
                step.say("bare down fails", &why);
            }
            Bare::Differs(lines) => {
                tally.bare_differ += 1;
                tally.bare_differ_named += usize::from(named);
                step.say("bare down leads elsewhere", &shorten(&lines));
            }
        }
        if good {
            ours.there_and_back(&step, (&before, &after), &mut tally).await;
            continue;
        }
        // What the catalog makes of the up, where the file will not do.
        tally.generated_tried += 1;
        if generated.is_exact() {
            match alone(place, &mut ours, (&generated.sql(), dialect), &before).await {
                Bare::Restores => tally.generated_good += 1,
                Bare::Fails(why) => step.say("the generated down fails", &why),
                Bare::Differs(lines) => {
                    step.say("the generated down leads elsewhere", &shorten(&lines));
                }
            }
        } else {
            step.say("no generated down", &format!("{:?}", generated.not_inverted.first()));
        }
        // Ours goes its way on a copy, so that the migrations after this one meet what they should.
        ours.leave().await;
        let copy = place.copy().await;
        let mut there = Ours::on(copy.url()).await;
        there.there_and_back(&step, (&before, &after), &mut tally).await;
        there.leave().await;
        ours = Ours::on(place.url()).await;
    }
    ours.leave().await;
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
