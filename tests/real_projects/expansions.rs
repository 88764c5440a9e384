//! Each up file of a project through `expand`: what comes out runs on a real server, leads where the file does, and back.

use downhaul_catalog::{Catalog, Origin};
use downhaul_kit::{Photograph, Session};
use downhaul_plan::{ExpandOptions, Expansion, expand};
use downhaul_syntax::{Dialect, parse_script};

use crate::place::Place;
use crate::project::{Engine, Pair, Project};
use crate::walk::{bare, photograph, shorten};

/// What became of the up files of a project.
#[derive(Default)]
pub(crate) struct Expanded {
    files: usize,
    /// Safe as they are.
    plain: usize,
    /// In phases.
    phased: usize,
    refused: usize,
    /// Of those in phases: a phase fails on the server, or the last one leads elsewhere.
    differ: usize,
    /// Of those in phases: the way back fails, or leads elsewhere.
    back_differ: usize,
    /// The file itself fails on this server.
    fail: usize,
}

impl Expanded {
    pub(crate) const HEAD: &str = "| project | engine | up files | of these fail here | safe as they are | in phases | refused | phases fail or lead elsewhere | their way back fails or leads elsewhere |\n| --- | --- | --: | --: | --: | --: | --: | --: | --: |";

    pub(crate) fn line(&self, name: &str, engine: &str) -> String {
        let Self { files, fail, plain, phased, refused, differ, back_differ } = self;
        format!(
            "| {} | {engine} | {files} | {fail} | {plain} | {phased} | {refused} | {differ} | {back_differ} |",
            name.replace('+', "/")
        )
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.plain += other.plain;
        self.phased += other.phased;
        self.refused += other.refused;
        self.differ += other.differ;
        self.back_differ += other.back_differ;
        self.fail += other.fail;
    }
}

/// A text in one transaction, as far as the engine has one for it.
async fn run(session: &mut Session, text: &str, dialect: Dialect) -> Result<(), String> {
    let text = bare(text, dialect);
    let text = if dialect.is_mysql_family() { text } else { format!("BEGIN;\n{text}\nCOMMIT") };
    let result = session.try_run(&text).await.map_err(|error| error.to_string());
    if result.is_err() {
        let _ = session.try_run("ROLLBACK").await;
    }
    result
}

fn schema(mut photograph: Photograph) -> Photograph {
    photograph.0.retain(|name, _| !name.starts_with("rows of"));
    photograph
}

/// Forth and back on a copy; `base` has the file itself behind it.
async fn try_phases(
    copy: &Place,
    base: &mut Session,
    (pair, expansion): (&Pair, &Expansion),
    dialect: Dialect,
    found: &mut Expanded,
) {
    let say = |what: &str, why: &str| println!("    {} {what}: {why}", pair.name);
    let mut session = Session::connect(copy.url()).await;
    let before = photograph(&mut session).await;
    let mut done = 0;
    for file in &expansion.files {
        if let Err(why) = run(&mut session, &file.up, dialect).await {
            found.differ += 1;
            say(&format!("{} fails", file.name), &why);
            break;
        }
        done += 1;
    }
    if done == expansion.files.len() {
        let wanted = photograph(base).await;
        let differences = wanted.differences(&photograph(&mut session).await);
        if !differences.is_empty() {
            found.differ += 1;
            say("the phases lead elsewhere", &shorten(&differences));
        }
        for file in expansion.files.iter().rev() {
            if let Err(why) = run(&mut session, &file.down, dialect).await {
                found.back_differ += 1;
                say(&format!("the way back of {} fails", file.name), &why);
                session.close().await;
                return;
            }
        }
        // Rows that a phase changed are kept by the runner, not by the file.
        let differences = schema(before).differences(&schema(photograph(&mut session).await));
        if !differences.is_empty() {
            found.back_differ += 1;
            say("the way back leads elsewhere", &shorten(&differences));
        }
    }
    session.close().await;
}

pub(crate) async fn expansions(project: &Project, pairs: &[Pair], place: &Place) -> Expanded {
    let dialect = match project.engine {
        Engine::Postgres => Dialect::Postgres,
        Engine::MySql => Dialect::MariaDb,
        Engine::Sqlite => Dialect::Sqlite,
    };
    let mut catalog = Catalog::new(dialect);
    let mut found = Expanded { files: pairs.len(), ..Expanded::default() };
    for (n, pair) in pairs.iter().enumerate() {
        let script = parse_script(&pair.up, dialect);
        let phases = match expand(&script, &catalog, "step", ExpandOptions::default()) {
            Ok(expansion) if expansion.files.iter().all(|file| file.phase.is_none()) => {
                found.plain += 1;
                None
            }
            Ok(expansion) => {
                found.phased += 1;
                Some(expansion)
            }
            Err(refusal) => {
                found.refused += 1;
                println!("    {} is refused: {}", pair.name, refusal.what);
                None
            }
        };
        let copy = match &phases {
            Some(_) => Some(place.copy().await),
            None => None,
        };
        let mut base = Session::connect(place.url()).await;
        match base.try_run(&pair.up).await {
            Err(error) => {
                found.fail += 1;
                println!("    {} fails by itself: {error}", pair.name);
                let _ = base.try_run("ROLLBACK").await;
            }
            Ok(()) => {
                if let (Some(copy), Some(expansion)) = (&copy, &phases) {
                    try_phases(copy, &mut base, (pair, expansion), dialect, &mut found).await;
                }
            }
        }
        base.close().await;
        catalog.apply_script(&script, Origin::Series(n));
    }
    found
}
