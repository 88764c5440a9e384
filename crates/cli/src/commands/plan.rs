//! `downhaul plan`: what `up` will do, before it does it. Changes nothing.

use std::path::Path;

use downhaul_catalog::Catalog;
use downhaul_engine::{EngineError, SchemaDump, catalog_of, connect};
use downhaul_lint::{
    Blocks, LintOptions, LintReport, MigrationInput, SourceText, StatementEffects, lint_series,
};
use downhaul_plan::Version;
use downhaul_run::{Group, UpPlan, UpSelection, plan_up};
use downhaul_syntax::ObjectName;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::args::{Global, PlanArgs, StatusFormat};
use crate::commands::{Site, up::destructive};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::lint::live::server_version;
use crate::ui::{Style, Ui, count, paint, thousands};

/// Everything that is known of a run before it starts.
pub(crate) struct Foreseen {
    pub(crate) plan: UpPlan,
    report: LintReport,
    server: String,
    /// The schema as it is, with sizes.
    catalog: Option<Catalog>,
    /// What must not change between the plan and the run: journal, files, schema.
    pub(crate) fingerprint: Fingerprint,
}

/// sha256 of what a plan rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    journal: String,
    files: String,
    schema: String,
}

impl Fingerprint {
    fn json(&self) -> Value {
        json!({ "journal": self.journal, "files": self.files, "schema": self.schema })
    }

    fn read(value: &Value) -> Option<Self> {
        let part = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        Some(Self { journal: part("journal")?, files: part("files")?, schema: part("schema")? })
    }

    /// What is no longer as it was planned.
    fn moved(&self, now: &Self) -> Vec<&'static str> {
        [
            (self.journal != now.journal, "other migrations are applied now"),
            (self.files != now.files, "the migration files have changed"),
            (self.schema != now.schema, "the schema of the database has changed"),
        ]
        .into_iter()
        .filter_map(|(moved, what)| moved.then_some(what))
        .collect()
    }
}

fn hash(parts: impl IntoIterator<Item = String>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Shows the plan.
pub async fn run(global: &Global, args: &PlanArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    let selection = match (&args.to, args.steps) {
        (Some(version), _) => UpSelection::To(Version::new(version.as_str())),
        (None, Some(steps)) => UpSelection::Steps(steps),
        (None, None) => UpSelection::All,
    };
    let foreseen = foresee(&site, &selection, args.allow_out_of_order).await?;
    let document = document(&foreseen, &site);
    let text = serde_json::to_string_pretty(&document)
        .map_err(|error| CliError::internal(error.to_string()))?;
    if let Some(path) = &args.out {
        std::fs::write(path, format!("{text}\n")).map_err(|error| {
            CliError::usage(format!("cannot write `{}`: {error}", path.display()))
        })?;
    }
    match args.format {
        StatusFormat::Json => ui.line(text),
        StatusFormat::Pretty => {
            pretty(&foreseen, &site, ui);
            if let Some(path) = &args.out {
                let path = path.display();
                ui.line(format!(
                    "\nwritten to {path}; `downhaul up --plan {path}` applies exactly this"
                ));
            }
        }
    }
    Ok(Code::Clean)
}

/// Works out what `up` would do.
pub(crate) async fn foresee(
    site: &Site,
    selection: &UpSelection,
    out_of_order: bool,
) -> Result<Foreseen, CliError> {
    let dialect = site.target.dialect();
    let mut options = LintOptions::new(dialect);
    options.one_deployment = true;
    let (plan, versions, dump, server) = match connect(&site.target, false).await {
        Ok(mut session) => {
            let found = async {
                let plan = plan_up(&mut *session, &site.series, selection, out_of_order).await?;
                let versions = downhaul_run::applied(&mut *session).await?;
                let dump = session.dump().await?;
                let catalog = catalog_of(&mut *session, &dump).await?;
                Ok::<_, downhaul_run::RunError>((plan, versions, dump, catalog))
            }
            .await;
            let server = session.server().clone();
            session.close().await;
            let (plan, versions, dump, catalog) = found?;
            options.baseline = Some(catalog);
            options.server_version = Some(server_version(&server));
            (plan, versions, dump, server.version)
        }
        // `up` makes the file, so everything is pending.
        Err(EngineError::NoFile { .. }) => {
            let plan = downhaul_run::plan_up_of_nothing(&site.series, selection, dialect)?;
            (plan, Vec::new(), SchemaDump::default(), "no such file yet".to_owned())
        }
        Err(error) => return Err(error.into()),
    };
    let inputs: Vec<MigrationInput> = plan
        .migrations
        .iter()
        .map(|migration| {
            let path = migration.up.path.display().to_string();
            MigrationInput {
                path: path.clone(),
                version: migration.version.to_string(),
                name: migration.up.label.clone(),
                up: Some(SourceText::new(path, migration.up.text.clone())),
                down: migration
                    .down()
                    .map(|text| SourceText::new(format!("{}.down.sql", migration.up.label), text)),
                ..MigrationInput::default()
            }
        })
        .collect();
    let report = lint_series(&inputs, &options);
    let fingerprint = Fingerprint {
        journal: hash(versions.iter().map(ToString::to_string)),
        files: hash(plan.migrations.iter().flat_map(|m| {
            [m.version.to_string(), m.up.checksum.raw.clone(), m.down().unwrap_or("").to_owned()]
        })),
        schema: hash(
            dump.objects.iter().flat_map(|o| [format!("{:?}", o.id), o.fingerprint.clone()]),
        ),
    };
    Ok(Foreseen { plan, report, server, catalog: options.baseline, fingerprint })
}

/// Refuses to go on where a written plan is no longer what would happen.
pub(crate) fn check(path: &Path, foreseen: &Foreseen) -> Result<(), CliError> {
    let bad = |why: String| {
        CliError::usage(format!("`{}` is no plan: {why}", path.display()))
            .hint(format!("write one with `downhaul plan --out {}`", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let planned = value
        .get("rests_on")
        .and_then(Fingerprint::read)
        .ok_or_else(|| bad("it does not say what it rests on".into()))?;
    let moved = planned.moved(&foreseen.fingerprint);
    if moved.is_empty() {
        return Ok(());
    }
    Err(CliError::new(Code::Drift, format!("the plan `{}` no longer holds", path.display()))
        .detail(moved.join("\n"))
        .state("nothing was changed")
        .hint("look at the new one with `downhaul plan`"))
}

/// Effects of the statements of one migration, by the byte at which each begins.
fn effects_at<'a>(
    report: &'a LintReport,
    version: &Version,
    start: usize,
) -> Option<&'a StatementEffects> {
    report.effects.iter().find(|e| e.version == version.to_string() && e.span.start == start)
}

fn document(foreseen: &Foreseen, site: &Site) -> Value {
    let dialect = site.target.dialect();
    let migrations: Vec<Value> = foreseen
        .plan
        .migrations
        .iter()
        .map(|migration| {
            let statements: Vec<Value> = migration
                .up
                .statements
                .iter()
                .map(|statement| {
                    let effects =
                        effects_at(&foreseen.report, &migration.version, statement.span.start);
                    json!({ "sql": statement.text, "effects": effects.map(|e| &e.effects) })
                })
                .collect();
            let one = UpPlan { migrations: vec![migration.clone()], waits_at: None };
            json!({
                "version": migration.version.to_string(),
                "label": migration.up.label,
                "file": migration.up.path,
                "one_transaction": migration.up.is_transactional(),
                "statements": statements,
                "keeps": destructive(&one, dialect),
                "has_down": migration.down().is_some(),
            })
        })
        .collect();
    json!({
        "version": 1,
        "database": site.target.to_string(),
        "server": foreseen.server,
        "rests_on": foreseen.fingerprint.json(),
        "migrations": migrations,
    })
}

fn pretty(foreseen: &Foreseen, site: &Site, ui: &Ui) {
    let pending = foreseen.plan.migrations.len() as u64;
    ui.line(format!(
        "{} ({}): {}",
        paint(Style::Bold, &site.target),
        foreseen.server,
        if pending == 0 {
            "nothing is pending".into()
        } else {
            count(pending, "pending migration")
        }
    ));
    for migration in &foreseen.plan.migrations {
        ui.line(format!(
            "\n{} {}",
            paint(Style::Bold, &migration.up.label),
            paint(Style::Dim, how_it_runs(&migration.up.groups)),
        ));
        for (number, statement) in migration.up.statements.iter().enumerate() {
            let mut lines = statement.text.lines();
            let first = lines.next().unwrap_or_default();
            let more = if lines.next().is_some() { " …" } else { "" };
            ui.line(format!("  {:>3}  {first}{more}", number + 1));
            if let Some(found) =
                effects_at(&foreseen.report, &migration.version, statement.span.start)
            {
                for line in describe(found, foreseen.catalog.as_ref()) {
                    ui.line(format!("         {line}"));
                }
            }
        }
        let one = UpPlan { migrations: vec![migration.clone()], waits_at: None };
        for line in destructive(&one, site.target.dialect()) {
            let what = line.split_once(": ").map_or(line.as_str(), |(_, what)| what);
            ui.line(format!("  {} {what}", paint(Style::Accent, "keeps")));
        }
        ui.line(match migration.down() {
            Some(_) => format!("  {}  its down file, and what is kept", paint(Style::Good, "back")),
            None => format!("  {}  there is no down file", paint(Style::Bad, "back")),
        });
    }
}

fn how_it_runs(groups: &[Group]) -> String {
    match groups {
        [] => "does nothing".into(),
        [Group::Transaction(_)] => "in one transaction".into(),
        [Group::Single(_)] => "outside a transaction".into(),
        more => format!("in {} steps: not all of it can run in one transaction", more.len()),
    }
}

/// `orders`, or `orders (41,000,000 rows)` where the server knows.
fn sized(table: &ObjectName, catalog: Option<&Catalog>) -> String {
    match catalog.and_then(|catalog| catalog.table(table)).and_then(|table| table.stats) {
        Some(stats) if stats.rows > 0 => {
            format!("{table} (about {} rows, {} MB)", thousands(stats.rows), stats.bytes >> 20)
        }
        _ => table.to_string(),
    }
}

fn describe(found: &StatementEffects, catalog: Option<&Catalog>) -> Vec<String> {
    let effects = &found.effects;
    let mut lines = Vec::new();
    for lock in effects.locks.iter().filter(|lock| lock.blocks >= Blocks::Writes) {
        lines.push(format!(
            "{} {} {}: blocks {}",
            paint(Style::Warn, "locks "),
            sized(&lock.table, catalog),
            lock.mode,
            lock.blocks.for_people()
        ));
    }
    for (tables, what) in [
        (&effects.rewrites, "rewrites"),
        (&effects.scans, "reads all of"),
        (&effects.builds_indexes, "builds an index over all of"),
    ] {
        for table in tables {
            lines.push(format!("{} {}", paint(Style::Warn, what), sized(table, catalog)));
        }
    }
    for broken in &effects.breaks {
        lines.push(format!("{} {}: {}", paint(Style::Bad, "breaks"), broken.object, broken.reason));
    }
    for loss in &effects.loses {
        let column = loss.column.as_ref().map(|c| format!(".{c}")).unwrap_or_default();
        let part = if loss.partial { "some of " } else { "" };
        lines.push(format!("{} {part}{}{column}", paint(Style::Bad, "loses "), loss.table));
    }
    for failure in &effects.fails {
        lines.push(format!("{} {failure}", paint(Style::Bad, "fails ")));
    }
    lines
}
