//! `downhaul plan`: what `up` will do, before it does it. Changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use downhaul_catalog::Catalog;
use downhaul_engine::{EngineError, SchemaDump, catalog_of, connect};
use downhaul_lint::{
    Blocks, Effects, LintOptions, LintReport, MigrationInput, SourceText, StatementEffects,
    lint_series,
};
use downhaul_plan::{Phase, Version};
use downhaul_report::plan::{
    EffectLine, Estimate, PlanDocument, PlannedKeep, PlannedMigration, PlannedStatement, Size,
    Weight, Work, WorkKind, estimate, page,
};
use downhaul_run::{
    Group, Options, PlannedRepeatable, PlannedUp, Prepared, UpPlan, UpSelection, keeping, plan_up,
};
use downhaul_snapshot::tombstone::Choice;
use downhaul_syntax::change::RowFilter;
use downhaul_syntax::{Change, Dialect, ObjectName, Statement, parse_script};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::args::{Global, PlanArgs, PlanFormat};
use crate::commands::{Site, up::what_is_lost};
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
    /// How the tables of each migration are kept, as far as they are there already.
    keeping: BTreeMap<Version, BTreeMap<ObjectName, Choice>>,
    /// Anything is kept at all.
    protected: bool,
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
    let mut options = Options::default();
    super::protect(&mut options, &site, args.protect);
    let foreseen = foresee(&site, &selection, args.allow_out_of_order, &options).await?;
    let document = document(&foreseen, &site);
    let text = if args.format == PlanFormat::Html {
        page(&document)
    } else {
        let text = serde_json::to_string_pretty(&document)
            .map_err(|error| CliError::internal(error.to_string()))?;
        text + "\n"
    };
    if let Some(path) = &args.out {
        std::fs::write(path, &text).map_err(|error| {
            CliError::usage(format!("cannot write `{}`: {error}", path.display()))
        })?;
    }
    match (args.format, &args.out) {
        (PlanFormat::Json, _) | (PlanFormat::Html, None) => ui.text(&text),
        (PlanFormat::Html, Some(path)) => ui.line(format!("written to {}", path.display())),
        (PlanFormat::Pretty, out) => {
            pretty(&document, ui);
            if let Some(path) = out {
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
    run: &Options,
) -> Result<Foreseen, CliError> {
    let dialect = site.target.dialect();
    let mut options = LintOptions::new(dialect);
    options.one_deployment = true;
    let (plan, versions, dump, server, keeping) = match connect(&site.target, false).await {
        Ok(mut session) => {
            let found = async {
                let plan = plan_up(&mut *session, &site.series, selection, out_of_order).await?;
                let versions = downhaul_run::applied(&mut *session).await?;
                let dump = session.dump().await?;
                let catalog = catalog_of(&mut *session, &dump).await?;
                let mut kept = BTreeMap::new();
                for migration in &plan.migrations {
                    let found = keeping(&mut *session, &migration.up, run).await?;
                    kept.insert(migration.version.clone(), found);
                }
                Ok::<_, downhaul_run::RunError>((plan, versions, dump, catalog, kept))
            }
            .await;
            let server = session.server().clone();
            session.close().await;
            let (plan, versions, dump, catalog, kept) = found?;
            options.baseline = Some(catalog);
            options.server_version = Some(server_version(&server));
            (plan, versions, dump, server.version, kept)
        }
        // `up` makes the file, so everything is pending.
        Err(EngineError::NoFile { .. }) => {
            let plan = downhaul_run::plan_up_of_nothing(&site.series, selection, dialect)?;
            (
                plan,
                Vec::new(),
                SchemaDump::default(),
                "no such file yet".to_owned(),
                BTreeMap::new(),
            )
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
        .chain(plan.repeatables.iter().map(|repeatable| {
            let path = repeatable.up.path.display().to_string();
            MigrationInput {
                path: path.clone(),
                version: repeatable.name.clone(),
                name: repeatable.up.label.clone(),
                up: Some(SourceText::new(path, repeatable.up.text.clone())),
                ..MigrationInput::default()
            }
        }))
        .collect();
    let report = lint_series(&inputs, &options);
    let fingerprint = Fingerprint {
        journal: hash(versions.iter().map(ToString::to_string)),
        files: hash(
            plan.migrations
                .iter()
                .flat_map(|m| {
                    [
                        m.version.to_string(),
                        m.up.checksum.raw.clone(),
                        m.down().unwrap_or("").to_owned(),
                    ]
                })
                .chain(
                    plan.repeatables
                        .iter()
                        .flat_map(|r| [r.name.clone(), r.up.checksum.raw.clone()]),
                ),
        ),
        schema: hash(
            dump.objects.iter().flat_map(|o| [format!("{:?}", o.id), o.fingerprint.clone()]),
        ),
    };
    let catalog = options.baseline;
    let protected = run.protect;
    Ok(Foreseen { plan, report, server, catalog, keeping, protected, fingerprint })
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

fn document(foreseen: &Foreseen, site: &Site) -> PlanDocument {
    let dialect = site.target.dialect();
    let catalog = foreseen.catalog.as_ref();
    let plan = &foreseen.plan;
    let versioned = plan.migrations.iter().map(|m| planned(foreseen, &m.into(), dialect, catalog));
    let repeatable =
        plan.repeatables.iter().map(|r| planned(foreseen, &r.into(), dialect, catalog));
    let migrations: Vec<PlannedMigration> = versioned.chain(repeatable).collect();
    PlanDocument {
        version: 1,
        database: site.target.to_string(),
        server: foreseen.server.clone(),
        rests_on: foreseen.fingerprint.json(),
        estimate: migrations.iter().fold(Estimate::default(), |sum, m| sum.and(m.estimate)),
        migrations,
    }
}

/// What a plan tells of: a versioned migration, or a repeatable one, whose version is its name.
struct Item<'a> {
    version: Version,
    up: &'a Prepared,
    phase: Option<Phase>,
    down: Option<&'a str>,
    repeatable: bool,
}

impl<'a> From<&'a PlannedUp> for Item<'a> {
    fn from(migration: &'a PlannedUp) -> Self {
        Self {
            version: migration.version.clone(),
            up: &migration.up,
            phase: migration.phase(),
            down: migration.down(),
            repeatable: false,
        }
    }
}

impl<'a> From<&'a PlannedRepeatable> for Item<'a> {
    fn from(repeatable: &'a PlannedRepeatable) -> Self {
        Self {
            version: Version::new(repeatable.name.as_str()),
            up: &repeatable.up,
            phase: None,
            down: None,
            repeatable: true,
        }
    }
}

fn planned(
    foreseen: &Foreseen,
    migration: &Item<'_>,
    dialect: Dialect,
    catalog: Option<&Catalog>,
) -> PlannedMigration {
    let statements: Vec<PlannedStatement> = migration
        .up
        .statements
        .iter()
        .map(|statement| {
            let found = effects_at(&foreseen.report, &migration.version, statement.span.start);
            let effects = found.map(|found| &found.effects);
            PlannedStatement {
                sql: statement.shown().to_owned(),
                effects: effects.cloned(),
                estimate: estimate(dialect, &work(statement, effects, catalog)),
                lines: effects.map(|effects| describe(effects, catalog)).unwrap_or_default(),
            }
        })
        .collect();
    let losses = migration.up.losses(&migration.up.statements, dialect);
    let kept: Vec<PlannedKeep> = losses
        .tables
        .iter()
        .filter(|(_, loss)| foreseen.protected && loss.destroys())
        .map(|(table, loss)| {
            let size = size_of(table, catalog);
            let choice = foreseen.keeping.get(&migration.version).and_then(|of| of.get(table));
            PlannedKeep {
                table: table.to_string(),
                what: what_is_lost(loss),
                how: choice.map(|choice| how_it_is_kept(choice, dialect)),
                rows: size.map(|size| size.rows),
                bytes: size.map(|size| size.bytes),
            }
        })
        .collect();
    let keeping: Vec<Work> = losses
        .tables
        .iter()
        .filter(|(table, loss)| {
            let aside = foreseen
                .keeping
                .get(&migration.version)
                .is_some_and(|of| of.get(table).is_some_and(Choice::is_aside));
            let here = is_made_here(table, &migration.up.statements);
            foreseen.protected && loss.destroys() && !here && !aside
        })
        .map(|(table, loss)| Work {
            kind: WorkKind::Keep,
            size: size_of(table, catalog),
            whole: loss.dropped || loss.truncated || !loss.columns.is_empty(),
        })
        .collect();
    let keeps = keeping_time(dialect, &keeping);
    PlannedMigration {
        version: migration.version.to_string(),
        label: migration.up.label.clone(),
        file: migration.up.path.display().to_string(),
        phase: migration.phase.map(Phase::as_str),
        one_transaction: migration.up.is_transactional(),
        runs: how_it_runs(&migration.up.groups),
        estimate: statements.iter().fold(keeps, |sum, s| sum.and(s.estimate)),
        statements,
        keeps: kept.iter().map(|kept| format!("{}: {}", kept.table, kept.what)).collect(),
        kept,
        repeatable: migration.repeatable,
        has_down: migration.down.is_some(),
        undone_by: migration
            .down
            .map(|text| {
                let script = parse_script(text, dialect);
                script.statements.into_iter().map(|statement| statement.text).collect()
            })
            .unwrap_or_default(),
    }
}

fn keeping_time(dialect: Dialect, keeping: &[Work]) -> Estimate {
    if keeping.is_empty() { Estimate::default() } else { estimate(dialect, keeping) }
}

/// How a table is kept, for people.
fn how_it_is_kept(choice: &Choice, dialect: Dialect) -> String {
    match choice {
        Choice::Tombstone => "set aside, not copied".into(),
        Choice::Hidden if dialect.is_mysql_family() => "made invisible, not copied".into(),
        Choice::Hidden => {
            "renamed, not copied; `SELECT *` still sees it, and `INSERT` without column names"
                .into()
        }
        Choice::Copy { why: None } => "copied".into(),
        Choice::Copy { why: Some(why) } => format!("copied, not set aside: {why}"),
    }
}

/// A table that does not exist before the migration has no rows to keep.
fn is_made_here(table: &ObjectName, statements: &[Statement]) -> bool {
    statements.iter().flat_map(Statement::changes).any(
        |change| matches!(change, Change::CreateTable { def, .. } if def.name.name == table.name),
    )
}

fn size_of(table: &ObjectName, catalog: Option<&Catalog>) -> Option<Size> {
    let stats = catalog?.table(table)?.stats?;
    Some(Size { rows: stats.rows, bytes: stats.bytes })
}

/// What of a statement grows with the size of a table.
fn work(statement: &Statement, effects: Option<&Effects>, catalog: Option<&Catalog>) -> Vec<Work> {
    let mut work = Vec::new();
    let mut add = |kind, table: &ObjectName, whole| {
        work.push(Work { kind, size: size_of(table, catalog), whole });
    };
    if let Some(effects) = effects {
        for (tables, kind) in [
            (&effects.rewrites, WorkKind::Rewrite),
            (&effects.scans, WorkKind::Scan),
            (&effects.builds_indexes, WorkKind::Index),
        ] {
            for table in tables {
                // A rewrite writes its indexes too.
                if kind == WorkKind::Index && effects.rewrites.contains(table) {
                    continue;
                }
                add(kind, table, true);
            }
        }
    }
    for change in statement.changes() {
        let (Change::Update { table, .. } | Change::Delete { table, .. }) = change else {
            continue;
        };
        let whole = matches!(
            change,
            Change::Update { rows: RowFilter::All, .. }
                | Change::Delete { rows: RowFilter::All, .. }
        );
        add(WorkKind::Write, table, whole);
    }
    work
}

fn pretty(document: &PlanDocument, ui: &Ui) {
    let repeatable = document.migrations.iter().filter(|m| m.repeatable).count() as u64;
    let pending = document.migrations.len() as u64 - repeatable;
    let also = count(repeatable, "repeatable migration");
    ui.line(format!(
        "{} ({}): {}",
        paint(Style::Bold, &document.database),
        document.server,
        match (pending, repeatable) {
            (0, 0) => "nothing is pending".into(),
            (0, _) => also,
            (_, 0) => count(pending, "pending migration"),
            (_, _) => format!("{} and {also}", count(pending, "pending migration")),
        }
    ));
    for migration in &document.migrations {
        let phase = migration.phase.map(|phase| format!(", phase {phase}")).unwrap_or_default();
        ui.line(format!(
            "\n{} {}",
            paint(Style::Bold, &migration.label),
            paint(Style::Dim, format!("{}{phase}", migration.runs)),
        ));
        for (number, statement) in migration.statements.iter().enumerate() {
            let mut lines = statement.sql.lines();
            let first = lines.next().unwrap_or_default();
            let more = if lines.next().is_some() { " …" } else { "" };
            ui.line(format!("  {:>3}  {first}{more}", number + 1));
            for line in &statement.lines {
                let style = match line.weight {
                    Weight::Bad => Style::Bad,
                    Weight::Mild | Weight::Warn => Style::Warn,
                };
                let label = paint(style, format!("{:<6}", line.label));
                ui.line(format!("         {label} {}", line.text));
            }
            if !statement.estimate.at_once() {
                let takes = paint(Style::Warn, "takes ");
                ui.line(format!("         {takes} {} (estimate)", statement.estimate));
            }
        }
        for kept in &migration.kept {
            let size = match (kept.rows, kept.bytes) {
                (Some(rows), Some(bytes)) if rows > 0 => format!(
                    " (at most about {} rows, {} MB)",
                    thousands(rows),
                    bytes.div_ceil(1 << 20)
                ),
                _ => String::new(),
            };
            let how = kept.how.as_ref().map(|how| format!(", {how}")).unwrap_or_default();
            ui.line(format!(
                "  {} {}: {}{how}{size}",
                paint(Style::Accent, "keeps"),
                kept.table,
                kept.what
            ));
        }
        ui.line(if migration.repeatable {
            let back = paint(Style::Good, "back");
            format!("  {back}  the text that was stated before, or what it makes is dropped")
        } else if migration.has_down {
            format!("  {}  its down file, and what is kept", paint(Style::Good, "back"))
        } else {
            format!("  {}  there is no down file", paint(Style::Bad, "back"))
        });
        if !migration.estimate.at_once() {
            let time = paint(Style::Dim, "time");
            ui.line(format!(
                "  {time}  {} in all (estimate; waiting for locks not included)",
                migration.estimate
            ));
        }
    }
}

fn how_it_runs(groups: &[Group]) -> String {
    match groups {
        [] => "does nothing".into(),
        [Group::Transaction(_)] => "in one transaction".into(),
        [Group::Single(_)] => "outside a transaction".into(),
        [Group::Batched(_)] => "in small batches".into(),
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

fn describe(effects: &Effects, catalog: Option<&Catalog>) -> Vec<EffectLine> {
    let mut lines = Vec::new();
    let mut add = |weight, label, text| lines.push(EffectLine { weight, label, text });
    for lock in effects.locks.iter().filter(|lock| lock.blocks >= Blocks::Writes) {
        let table = sized(&lock.table, catalog);
        add(
            Weight::Warn,
            "locks",
            format!("{table} {}: blocks {}", lock.mode, lock.blocks.for_people()),
        );
    }
    for table in &effects.rewrites {
        add(Weight::Warn, "rewrites", sized(table, catalog));
    }
    for table in &effects.scans {
        add(Weight::Mild, "reads", format!("all of {}", sized(table, catalog)));
    }
    for table in &effects.builds_indexes {
        add(Weight::Mild, "builds", format!("an index over all of {}", sized(table, catalog)));
    }
    for broken in &effects.breaks {
        add(Weight::Bad, "breaks", format!("{}: {}", broken.object, broken.reason));
    }
    for loss in &effects.loses {
        let column = loss.column.as_ref().map(|c| format!(".{c}")).unwrap_or_default();
        let part = if loss.partial { "some of " } else { "" };
        add(Weight::Bad, "loses", format!("{part}{}{column}", loss.table));
    }
    for failure in &effects.fails {
        add(Weight::Bad, "fails", failure.clone());
    }
    lines
}
