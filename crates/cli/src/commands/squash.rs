//! `downhaul squash`.

use std::path::{Path, PathBuf};

use downhaul_plan::squash::Noted;
use downhaul_plan::{
    LayoutId, Series, SourceMigration, Squashed, Variables, Version, load, load_with_layout, squash,
};
use downhaul_syntax::Dialect;

use super::new::{slug, write_new};
use crate::args::{Global, SquashArgs};
use crate::config::Config;
use crate::error::CliError;
use crate::exit_code::Code;
use crate::lint::beginning::begin;
use crate::lint::select::Group;
use crate::lint::shown;
use crate::ui::{Style, Ui, count, paint};

/// Writes the migrations up to a version as one pair. Needs no database.
pub fn run(global: &Global, args: &SquashArgs, ui: &Ui) -> Result<Code, CliError> {
    let config = Config::load(global)?;
    let dir = config.dir(args.dir.as_deref());
    let series = match args.series.layout {
        Some(layout) => load_with_layout(&dir, layout)?,
        None => load(&dir)?,
    };
    let newest = Version::new(args.newest.as_str());
    let (members, version) = members(&series, &newest)?;
    let base = begin(&config, &args.series, &dir, &[&group(&dir, &series)], ui)?;
    refuse_placeholders(&config, &members, base.dialect)?;
    let squashed = squash(&members, &base)
        .map_err(|refusal| CliError::new(Code::Findings, refusal.what).hint(refusal.next))?;
    let name = slug(&args.name);
    if name.is_empty() {
        return Err(CliError::usage("the name needs at least one letter or digit"));
    }
    let label = format!("{version}_{name}");
    tell(&squashed, members.len(), &label, ui);
    if args.dry_run {
        ui.text(&format!("-- {label}.up.sql\n{}\n", squashed.up));
        ui.text(&format!("-- {label}.down.sql\n{}", squashed.down));
        return Ok(Code::Clean);
    }
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out).map_err(|error| {
            CliError::usage(format!("cannot make `{}`: {error}", out.display()))
        })?;
        return write(out, &label, &squashed, ui);
    }
    if !writes_pairs(series.layout) {
        return Err(CliError::usage(
            "the folder keeps its migrations in a layout that `squash` does not write",
        )
        .hint("--out DIR writes the pair elsewhere; --dry-run prints it"));
    }
    let archive = dir.join("squashed").join(version.as_str());
    put_aside(&members, &archive)?;
    let code = write(&dir, &label, &squashed, ui)?;
    ui.line(format!(
        "the {} that it stands for lie in {}: keep them until every database is at {version} or beyond",
        count(members.len() as u64, "migration"),
        shown(&archive)
    ));
    Ok(code)
}

/// The migrations that become one, and the version of that one as its file states it.
fn members<'s>(
    series: &'s Series,
    newest: &Version,
) -> Result<(Vec<&'s SourceMigration>, Version), CliError> {
    let versioned = || series.migrations.iter().filter(|m| !m.repeatable);
    let Some(at) = versioned().position(|m| m.version == *newest) else {
        return Err(CliError::usage(format!("there is no migration {newest}"))
            .hint("name the newest version that becomes part of the squash"));
    };
    let members: Vec<&SourceMigration> = versioned().take(at + 1).collect();
    if members.len() < 2 {
        return Err(CliError::usage(format!("{newest} is the oldest migration"))
            .hint("name a later one: what is squashed ends with it"));
    }
    let version = members[at].version.clone();
    Ok((members, version))
}

fn group(dir: &Path, series: &Series) -> Group {
    Group {
        path: shown(dir),
        home: dir.to_owned(),
        layout: Some(series.layout),
        stdin: false,
        migrations: series.migrations.iter().map(|m| (m.clone(), false)).collect(),
    }
}

/// A value of today does not belong into a file for every environment.
fn refuse_placeholders(
    config: &Config,
    members: &[&SourceMigration],
    dialect: Dialect,
) -> Result<(), CliError> {
    let Some(values) = &config.variables else { return Ok(()) };
    let variables = Variables::new(values.clone());
    for migration in members {
        let Some(up) = &migration.up else { continue };
        let name = match variables.expand(&up.text, dialect) {
            Ok(expanded) => expanded.used.into_iter().next(),
            Err(unknown) => Some(unknown.name),
        };
        if let Some(name) = name {
            return Err(CliError::new(
                Code::Findings,
                format!("{} has the placeholder `${{{name}}}`", shown(&up.path)),
            )
            .hint("a squash would hold its value; squash up to the version before it"));
        }
    }
    Ok(())
}

/// What became of the statements, on standard error.
fn tell(squashed: &Squashed, members: usize, label: &str, ui: &Ui) {
    ui.remark(format!("{label} stands for {}", count(members as u64, "migration")));
    let list = |word: &str, style: Style, all: &[Noted]| {
        for one in all {
            ui.remark(format!(
                "{} {}:{}: {} ({})",
                paint(style, word),
                shown(&one.path),
                one.line,
                one.text,
                one.why
            ));
        }
    };
    list("as it stands:", Style::Accent, &squashed.kept);
    list("left out:", Style::Dim, &squashed.left_out);
    for what in &squashed.not_undone {
        ui.remark(format!("{} {what}", paint(Style::Warn, "not undone by its down:")));
    }
}

/// Layouts whose files are `<version>_<name>.up.sql` and `.down.sql`.
fn writes_pairs(layout: LayoutId) -> bool {
    matches!(layout, LayoutId::Plain | LayoutId::Sqlx | LayoutId::GolangMigrate)
}

/// Moves the files of migrations into a folder: out of the series, and a series of its own. All of
/// them or none.
fn put_aside(members: &[&SourceMigration], archive: &Path) -> Result<(), CliError> {
    if archive.exists() {
        return Err(CliError::usage(format!("`{}` is there already", archive.display()))
            .hint("delete it, or move it away"));
    }
    std::fs::create_dir_all(archive).map_err(|error| {
        CliError::usage(format!("cannot make `{}`: {error}", archive.display()))
    })?;
    let mut moved: Vec<(PathBuf, PathBuf)> = Vec::new();
    for file in members.iter().flat_map(|m| [&m.up, &m.down]).flatten() {
        let to = archive.join(file.path.file_name().unwrap_or_default());
        if let Err(error) = std::fs::rename(&file.path, &to) {
            for (from, to) in moved {
                let _ = std::fs::rename(to, from);
            }
            let _ = std::fs::remove_dir(archive);
            return Err(CliError::usage(format!("cannot move `{}`: {error}", file.path.display())));
        }
        moved.push((file.path.clone(), to));
    }
    Ok(())
}

fn write(dir: &Path, label: &str, squashed: &Squashed, ui: &Ui) -> Result<Code, CliError> {
    for (suffix, text) in [("up", &squashed.up), ("down", &squashed.down)] {
        let path = dir.join(format!("{label}.{suffix}.sql"));
        write_new(&path, text)?;
        ui.line(shown(&path));
    }
    Ok(Code::Clean)
}
