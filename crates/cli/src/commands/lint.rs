//! `downhaul lint`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use downhaul_lint::{
    DownPolicy, Finding, LintOptions, LintReport, MigrationInput, ServerVersion, Severity,
    SourceText, TransactionMode, lint_series,
};
use downhaul_plan::{LayoutId, SourceFile, Version};
use downhaul_report::{Document, Format, JudgedSeries, Look, Problem, render, write};
use downhaul_syntax::{Dialect, Ident};

use crate::args::{FailOn, Global, LintArgs, LintFormat};
use crate::config::{Config, Runner};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::lint::changed::{Change, Changes, changes};
use crate::lint::dialect::{self, Found};
use crate::lint::live::{self, Live};
use crate::lint::select::{self, Group, Selection, Stdin};
use crate::lint::settings::Settings;
use crate::lint::values::Values;
use crate::lint::{baseline, beginning, queries, shown};
use crate::ui::{Style, Ui, count, paint};

/// Judges, reports, and says by the exit code whether something is wrong.
pub fn run(global: &Global, args: &LintArgs, ui: &Ui) -> Result<Code, CliError> {
    let config = Config::load(global)?;
    let settings = Settings::new(&config.lint, args)?;
    let layout = match (&args.layout, &config.lint.layout) {
        (Some(layout), _) => Some(*layout),
        (None, Some(name)) => Some(name.parse::<LayoutId>().map_err(|error| {
            let all = LayoutId::ALL.map(LayoutId::as_str).join(", ");
            CliError::usage(format!("{error} in the configuration")).hint(format!("one of {all}"))
        })?),
        (None, None) => None,
    };
    let mut selection = selection(&config, args, layout)?;
    for remark in &selection.remarks {
        ui.remark(format!("{} {remark}", paint(Style::Dim, "note:")));
    }
    if selection.groups.is_empty() && selection.problems.is_empty() {
        if args.paths.is_empty() {
            ui.remark("there is nothing to judge yet: the folder of the migrations holds no SQL");
            return Ok(Code::Clean);
        }
        return Err(CliError::usage("the paths hold no SQL files")
            .hint("name files that end with .sql, or the folder that holds them"));
    }
    let live = match &args.database_url {
        Some(url) => {
            let counted = query_paths(&config, args).iter().any(|path| queries::is_live(path));
            Some(crate::block_on(live::read(url, counted))?)
        }
        None => None,
    };
    if live.as_ref().is_some_and(|live| live.applied.is_none()) && args.paths.is_empty() {
        ui.remark(format!(
            "{} this database has no journal of Downhaul's, so every migration counts as pending; name the new files, or use --changed",
            paint(Style::Dim, "note:")
        ));
    }
    let mut work = Work::new(&config, args, &settings, &selection.groups);
    work.values = Values::new(super::variables(&config, &args.variables)?);
    work.live = live;
    work.judge(&mut selection.groups, ui)?;
    let Work { mut findings, report, files, series, problems, .. } = work;
    selection.problems.extend(problems);

    let known = baseline_file(&config, args);
    if args.write_baseline {
        let path = known.unwrap_or_else(|| config.root.join(baseline::FILE));
        baseline::write(&path, &findings)?;
        ui.remark(format!(
            "wrote {} to {}",
            count(findings.len() as u64, "finding"),
            path.display()
        ));
        return Ok(Code::Clean);
    }
    let in_baseline = match known {
        Some(path) => baseline::subtract(&mut findings, &baseline::read(&path)?),
        None => 0,
    };

    let document = Document {
        tool_version: env!("CARGO_PKG_VERSION"),
        series: &series,
        findings: &findings,
        effects: &report.effects,
        summary: report.summary,
        problems: &selection.problems,
        files: &files,
        in_baseline,
    };
    publish(&document, args, ui)?;
    let fail_on = args.fail_on.or(config.lint.fail_on).unwrap_or_default();
    let code = if !selection.problems.is_empty() {
        Code::Usage
    } else if findings.iter().any(|finding| fails(finding, fail_on)) {
        Code::Findings
    } else {
        Code::Clean
    };
    // The program ends here: taking all of this apart piece by piece would be lost time.
    std::mem::forget((selection, findings, report, files));
    Ok(code)
}

fn fails(finding: &Finding, fail_on: FailOn) -> bool {
    match fail_on {
        FailOn::Error => finding.severity == Severity::Error,
        FailOn::Warning => finding.severity >= Severity::Warning,
        FailOn::Info => true,
        FailOn::Never => false,
    }
}

fn publish(document: &Document<'_>, args: &LintArgs, ui: &Ui) -> Result<(), CliError> {
    let format = match args.format {
        LintFormat::Pretty => Format::Pretty,
        LintFormat::Json => Format::Json,
        LintFormat::Sarif => Format::Sarif,
        LintFormat::Github => Format::Github,
        LintFormat::Gitlab => Format::Gitlab,
        LintFormat::Junit => Format::Junit,
    };
    let look = Look { color: args.output.is_none() && ui.colors(), width: ui.width() };
    match &args.output {
        Some(path) => std::fs::File::create(path)
            .and_then(|file| {
                let mut out = BufWriter::with_capacity(1 << 16, file);
                write(document, format, &look, &mut out)?;
                out.flush()
            })
            .map_err(|error| {
                CliError::usage(format!("cannot write `{}`: {error}", path.display()))
                    .hint("name another file with --output")
            }),
        None if format == Format::Json => {
            ui.write(|out| write(document, format, &look, out));
            Ok(())
        }
        None => {
            ui.text(&render(document, format, &look));
            Ok(())
        }
    }
}

/// The files that are asked for.
fn selection(
    config: &Config,
    args: &LintArgs,
    layout: Option<LayoutId>,
) -> Result<Selection, CliError> {
    let default_dir = config.dir(args.dir.as_deref());
    let is_stdin = |path: &PathBuf| path.as_os_str() == "-";
    let paths: Vec<PathBuf> = args.paths.iter().filter(|p| !is_stdin(p)).cloned().collect();
    let mut selection = if args.paths.is_empty() {
        // The folder of the migrations is a series, whatever its files are called.
        if !default_dir.is_dir() {
            return Err(CliError::usage(format!(
                "there is no migrations folder `{}`",
                default_dir.display()
            ))
            .hint("name files or folders: `downhaul lint PATH…`; `downhaul init` makes a folder"));
        }
        if select::has_sql(&default_dir) {
            select::select(&[default_dir], Path::new(""), layout)?
        } else {
            Selection::default()
        }
    } else {
        select::select(&paths, &default_dir, layout)?
    };
    if args.paths.iter().any(is_stdin) {
        if args.changed {
            return Err(CliError::usage("git knows nothing of standard input")
                .hint("leave --changed or `-` out"));
        }
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|error| CliError::usage(format!("cannot read standard input: {error}")))?;
        let stdin = Stdin { name: args.stdin_name.clone(), bytes, history: args.dir.clone() };
        select::select_stdin(stdin, layout, &mut selection)?;
    }
    Ok(selection)
}

/// Where the queries of the running release are.
fn query_paths(config: &Config, args: &LintArgs) -> Vec<PathBuf> {
    let configured = config
        .lint
        .queries
        .iter()
        .map(|path| if queries::is_live(path) { path.clone() } else { config.root.join(path) });
    configured.chain(args.queries.iter().cloned()).collect()
}

fn baseline_file(config: &Config, args: &LintArgs) -> Option<PathBuf> {
    let configured = || config.lint.baseline.as_ref().map(|path| config.root.join(path));
    args.baseline.clone().or_else(configured)
}

/// The run over all series.
struct Work<'a> {
    config: &'a Config,
    args: &'a LintArgs,
    settings: &'a Settings,
    dialects: HashMap<PathBuf, Found>,
    changes: HashMap<PathBuf, Changes>,
    live: Option<Live>,
    /// Findings that are to be reported.
    findings: Vec<Finding>,
    /// Effects and counts of all series.
    report: LintReport,
    files: BTreeMap<String, String>,
    series: Vec<JudgedSeries>,
    /// What the files lack, beside what could not be read.
    problems: Vec<Problem>,
    values: Values,
}

impl<'a> Work<'a> {
    fn new(
        config: &'a Config,
        args: &'a LintArgs,
        settings: &'a Settings,
        groups: &[Group],
    ) -> Self {
        let mut homes: BTreeMap<&Path, Vec<&Group>> = BTreeMap::new();
        for group in groups {
            homes.entry(&group.home).or_default().push(group);
        }
        let dialects = homes
            .into_iter()
            .map(|(home, groups)| {
                (home.to_owned(), dialect::find(config, args.dialect, home, &groups))
            })
            .collect();
        Self {
            config,
            args,
            settings,
            dialects,
            changes: HashMap::new(),
            live: None,
            findings: Vec::new(),
            report: LintReport::default(),
            files: BTreeMap::new(),
            series: Vec::new(),
            problems: Vec::new(),
            values: Values::default(),
        }
    }

    fn judge(&mut self, groups: &mut [Group], ui: &Ui) -> Result<(), CliError> {
        for (home, found) in self.dialects.iter().filter(|(_, found)| !found.told) {
            ui.remark(found.remark(home));
        }
        if self.args.changed {
            for group in &*groups {
                if !self.changes.contains_key(&group.home) {
                    let found = changes(&group.home, self.args.since.as_deref())?;
                    ui.remark(format!(
                        "{} files changed since {}",
                        paint(Style::Dim, "note:"),
                        found.base
                    ));
                    self.changes.insert(group.home.clone(), found);
                }
            }
        }
        let mut options: HashMap<Dialect, LintOptions> = HashMap::new();
        for group in groups {
            let found = self.dialects[&group.home].clone();
            let options = match options.entry(found.dialect) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert(self.options(found.dialect)?)
                }
            };
            let mut inputs = self.inputs(group);
            self.values.expand(&mut inputs, found.dialect, &mut self.problems);
            if self.args.changed && !inputs.iter().any(|input| input.judged) {
                continue;
            }
            let configured = options.down;
            if group.stdin {
                options.down = DownPolicy::Ignored;
            }
            let report = lint_series(&inputs, options);
            options.down = configured;
            self.take(group, &found, inputs, report);
        }
        Ok(())
    }

    /// Options of the analyzer for one dialect.
    fn options(&self, dialect: Dialect) -> Result<LintOptions, CliError> {
        let lint = &self.config.lint;
        let mut options = LintOptions::new(dialect);
        let version = self.args.server_version.as_ref().or(lint.server_version.as_ref());
        if let Some(version) = version {
            let version: ServerVersion =
                version.parse().map_err(|error| CliError::usage(format!("{error}")))?;
            options.server_version = Some(version);
        }
        options.rules = self.settings.for_run();
        options.one_deployment = self.args.one_deployment || self.args.changed;
        if let Some(downs) = lint.down {
            options.down = downs.into();
        }
        if lint.runner == Some(Runner::Other) {
            options.restore_points = false;
            options.lock_budget = false;
        }
        options.small_tables =
            lint.tables.small.iter().map(|name| Ident::new(dialect, name, false)).collect();
        let (counted, paths): (Vec<PathBuf>, Vec<PathBuf>) = query_paths(self.config, self.args)
            .into_iter()
            .partition(|path| queries::is_live(path));
        options.queries = queries::read(&paths, dialect)?;
        if !counted.is_empty() {
            let Some(live) = &self.live else {
                return Err(CliError::usage("the statements of which database?")
                    .hint("give --database-url beside `--queries live`"));
            };
            options.queries.extend(live.queries.iter().cloned());
        }
        let named = self.args.schema.as_deref();
        if let Some(catalog) = beginning::schema(self.config, named, dialect)? {
            options.baseline = Some(catalog);
        }
        if let Some(live) = &self.live {
            if live.catalog.dialect != dialect {
                return Err(CliError::usage(format!(
                    "the migrations are {}, the database is {}",
                    dialect.as_str(),
                    live.catalog.dialect.as_str()
                ))
                .hint("name another --database-url, or the --dialect of the files"));
            }
            options.baseline = Some(live.catalog.clone());
            options.server_version.get_or_insert(live.version);
        }
        Ok(options)
    }

    /// Migrations of a group as the analyzer takes them: the texts go with them.
    fn inputs(&self, group: &mut Group) -> Vec<MigrationInput> {
        let changes = self.changes.get(&group.home);
        let of = |file: Option<&SourceFile>| file.and_then(|f| changes.and_then(|c| c.of(&f.path)));
        // The newest migration that the base has.
        let newest_old = changes.and_then(|_| {
            group
                .migrations
                .iter()
                .rposition(|(m, _)| !m.repeatable && of(m.up.as_ref()) != Some(Change::New))
        });
        let sent_whole_by = group
            .layout
            .filter(|layout| layout.sends_whole())
            .filter(|_| self.config.lint.runner != Some(Runner::Downhaul))
            .map(LayoutId::as_str);
        let text_of = |file: &mut SourceFile| source_text(file, sent_whole_by);
        let gaps = gaps(group);
        let elsewhere: Vec<(Version, String)> = changes.map_or_else(Vec::new, |changes| {
            let came = changes.elsewhere.iter();
            let version = |path: &PathBuf| version_below(&group.home, path);
            let shown = |path: &Path| format!("`{}` of {}", shown(path), changes.base);
            came.filter_map(|path| Some((version(path)?, shown(path)))).collect()
        });
        let home = group.home.clone();
        let Group { migrations, path, .. } = group;
        migrations
            .iter_mut()
            .enumerate()
            // What a live schema holds already is not replayed once more.
            .filter(|(_, (migration, wanted))| match &self.live {
                None => true,
                Some(Live { applied: Some(applied), .. }) => !applied.contains(&migration.version),
                Some(Live { applied: None, .. }) => *wanted,
            })
            .map(|(at, (migration, wanted))| {
                let up_change = of(migration.up.as_ref());
                let down_change = of(migration.down.as_ref());
                let touched = changes.is_none() || up_change.is_some() || down_change.is_some();
                let first = migration.up.as_ref().or(migration.down.as_ref());
                let own = first
                    .filter(|_| up_change == Some(Change::New) && !migration.repeatable)
                    .and_then(|file| version_below(&home, &file.path));
                let meets = |is: fn(&Version, &Version) -> bool| {
                    let own = own.as_ref()?;
                    elsewhere.iter().find(|(other, _)| is(other, own)).map(|(_, path)| path.clone())
                };
                MigrationInput {
                    path: first.map_or_else(|| path.clone(), |file| shown(&file.path)),
                    version: migration.version.to_string(),
                    name: migration.name.clone(),
                    up: migration.up.as_mut().map(&text_of),
                    down: migration.down.as_mut().map(&text_of),
                    transactional: TransactionMode::Wrapped,
                    judged: *wanted && touched,
                    repeatable: migration.repeatable,
                    after_gap: gaps.contains(&at),
                    edited: up_change == Some(Change::Edited) && !migration.repeatable,
                    out_of_order: up_change == Some(Change::New)
                        && newest_old.is_some_and(|newest| at < newest),
                    clashes_with: meets(Version::eq),
                    overtaken_by: meets(Version::gt),
                }
            })
            .collect()
    }

    /// Takes up what the analyzer said of a group.
    fn take(
        &mut self,
        group: &Group,
        found: &Found,
        inputs: Vec<MigrationInput>,
        mut report: LintReport,
    ) {
        self.values.to_files(&mut report);
        let root = std::fs::canonicalize(&self.config.root).unwrap_or_default();
        let relative = |file: &str| {
            let full = std::fs::canonicalize(file).unwrap_or_else(|_| PathBuf::from(file));
            let inside = full.strip_prefix(&root).unwrap_or(&full);
            inside.to_string_lossy().replace('\\', "/")
        };
        self.settings.apply(&mut report.findings, &report.effects, relative);
        if let Some(changes) = self.changes.get(&group.home) {
            report.findings.retain(|finding| {
                let path = Path::new(&finding.file);
                // What is said of a query belongs to no migration.
                !path.is_file() || finding.code == "UN04" || changes.of(path).is_some()
            });
        }
        for input in inputs {
            if input.judged {
                for source in [input.up, input.down].into_iter().flatten() {
                    let text = self.values.own_text(&source.path).unwrap_or(source.text);
                    self.files.insert(source.path, text);
                }
            }
        }
        let summary = &mut self.report.summary;
        summary.migrations += report.summary.migrations;
        summary.statements += report.summary.statements;
        summary.not_understood += report.summary.not_understood;
        summary.suppressed += report.summary.suppressed;
        self.report.effects.append(&mut report.effects);
        // A query that several series do not know is said once.
        report.findings.retain(|finding| {
            finding.code != "UN04"
                || !self.findings.iter().any(|f| f.fingerprint == finding.fingerprint)
        });
        self.findings.append(&mut report.findings);
        self.series.push(JudgedSeries {
            path: group.path.clone(),
            layout: group.layout.map_or("loose", LayoutId::as_str).to_owned(),
            dialect: found.dialect,
            dialect_from: found.from.clone(),
        });
    }
}

/// Migrations before which a number is missing, where the versions of the group count upwards one by
/// one (at least three of them do, and one gap in four is the most): other numbers are times.
fn gaps(group: &Group) -> BTreeSet<usize> {
    let numbers: Vec<(usize, u64)> = group
        .migrations
        .iter()
        .enumerate()
        .filter(|(_, (migration, _))| !migration.repeatable)
        .filter_map(|(at, (migration, _))| Some((at, migration.version.as_str().parse().ok()?)))
        .collect();
    let steps: Vec<u64> = numbers.windows(2).map(|w| w[1].1.saturating_sub(w[0].1)).collect();
    let gaps = steps.iter().filter(|step| **step > 1).count();
    let counts = steps.iter().filter(|step| **step == 1).count() >= 2 && gaps * 4 <= steps.len();
    if !counts || steps.iter().any(|step| *step > 10) {
        return BTreeSet::new();
    }
    let behind = numbers.iter().skip(1).zip(&steps);
    behind.filter(|(_, step)| **step > 1).map(|((at, _), _)| *at).collect()
}

/// The version in the name of a file below a folder of migrations, or in that of its own folder.
fn version_below(home: &Path, file: &Path) -> Option<Version> {
    let full = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let home = if home.as_os_str().is_empty() { Path::new(".") } else { home };
    // A file of another branch is not there: only its folder may be.
    let file = match file.parent() {
        Some(parent) => full(parent).join(file.file_name()?),
        None => file.to_owned(),
    };
    let inside = file.strip_prefix(full(home)).ok()?;
    let name = inside.components().next()?.as_os_str().to_str()?;
    let version = name.split_once('_').map_or(name, |(version, _)| version);
    version.contains(|c: char| c.is_ascii_digit()).then(|| Version::new(version))
}

/// Takes the text of a file.
fn source_text(file: &mut SourceFile, sent_whole_by: Option<&str>) -> SourceText {
    // A statement that only its tool could write out: the schema behind it is not known.
    let sql = if file.program { "{{program}}".to_owned() } else { std::mem::take(&mut file.text) };
    let mut text = SourceText::new(shown(&file.path), sql);
    text.sent_whole_by = sent_whole_by.map(str::to_owned);
    text.transactional = Some(match file.transaction {
        downhaul_plan::TransactionMode::Wrapped => TransactionMode::Wrapped,
        downhaul_plan::TransactionMode::None => TransactionMode::None,
    });
    text
}
