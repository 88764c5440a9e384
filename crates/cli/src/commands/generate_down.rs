//! `downhaul generate-down`.

use std::path::{Path, PathBuf};

use downhaul_catalog::{InverseScript, NotInvertedKind, Origin, inverse_script};
use downhaul_plan::source::read_text;
use downhaul_plan::{SourceFile, SourceMigration};
use downhaul_syntax::{LineIndex, Script, parse_script};

use crate::args::{GenerateDownArgs, Global};
use crate::config::Config;
use crate::error::CliError;
use crate::exit_code::Code;
use crate::lint::beginning::begin;
use crate::lint::select::{self, Group};
use crate::lint::shown;
use crate::ui::{Style, Ui, paint};

/// Writes the down of an up file, given the schema that the files before it leave. Ends with 1
/// where the schema does not come back exactly.
pub fn run(global: &Global, args: &GenerateDownArgs, ui: &Ui) -> Result<Code, CliError> {
    let config = Config::load(global)?;
    let (group, at) = locate(&config, args)?;
    let mut before = begin(&config, &args.series, &group.home, &[&group], ui)?;
    let dialect = before.dialect;
    for (index, (migration, _)) in group.migrations[..at].iter().enumerate() {
        if let Some(up) = &migration.up {
            let script = parse_script(&up.text, dialect);
            before.apply_script(&script, Origin::Series(index));
        }
    }
    let migration = &group.migrations[at].0;
    let Some(up) = &migration.up else {
        return Err(CliError::usage(format!("`{}` is no up file", args.file.display()))
            .hint("name the file that leads to the new schema"));
    };
    let script = parse_script(&up.text, dialect);
    let inverse = inverse_script(&script, &before);
    let sql = inverse.sql();
    if args.write {
        let path = down_path(migration, up, args.force)?;
        std::fs::write(&path, &sql).map_err(|error| {
            CliError::usage(format!("cannot write `{}`: {error}", path.display()))
        })?;
        ui.line(format!("wrote {}", shown(&path)));
    } else {
        ui.text(&sql);
    }
    tell(&inverse, &script, up, ui);
    Ok(if inverse.is_exact() { Code::Clean } else { Code::Findings })
}

/// The series that the file belongs to, and its place there.
fn locate(config: &Config, args: &GenerateDownArgs) -> Result<(Group, usize), CliError> {
    let dir = config.dir(args.dir.as_deref());
    let selection = select::select(std::slice::from_ref(&args.file), &dir, args.series.layout)?;
    if let Some(problem) = selection.problems.first() {
        return Err(CliError::usage(format!(
            "`{}`:{}: {}",
            problem.file, problem.line, problem.message
        ))
        .hint(problem.help.clone()));
    }
    selection
        .groups
        .into_iter()
        .find_map(|group| {
            let at = group.migrations.iter().position(|(_, named)| *named)?;
            Some((group, at))
        })
        .ok_or_else(|| {
            CliError::usage(format!("`{}` is no migration", args.file.display()))
                .hint("name an up file of the series")
        })
}

/// Where the down belongs. A file that holds both directions is left alone.
fn down_path(
    migration: &SourceMigration,
    up: &SourceFile,
    force: bool,
) -> Result<PathBuf, CliError> {
    let beside = up.path.file_name().and_then(|name| name.to_str()).and_then(|name| {
        let name = if name == "up.sql" {
            "down.sql".to_owned()
        } else if let Some(stem) = name.strip_suffix(".up.sql") {
            format!("{stem}.down.sql")
        } else {
            let number = name.strip_prefix('V').filter(|rest| rest.starts_with(char::is_numeric));
            format!("U{}", number?)
        };
        Some(up.path.with_file_name(name))
    });
    let path = match &migration.down {
        Some(down) if down.path == up.path => None,
        Some(down) => Some(down.path.clone()),
        None => beside,
    };
    let Some(path) = path else {
        return Err(CliError::usage(format!(
            "the down of `{}` has no file of its own",
            shown(&up.path)
        ))
        .hint("leave --write out, and put what is printed where the down belongs"));
    };
    let has_text = |path: &Path| read_text(path).is_ok_and(|text| !text.trim().is_empty());
    if !force && has_text(&path) {
        return Err(CliError::usage(format!("there is a down file already: `{}`", shown(&path)))
            .hint("compare it with what is printed without --write, or add --force"));
    }
    Ok(path)
}

/// What the down does not bring back, on standard error.
fn tell(inverse: &InverseScript, script: &Script, up: &SourceFile, ui: &Ui) {
    let lines = LineIndex::new(&up.text);
    for item in &inverse.not_inverted {
        let (style, word) = match item.kind {
            NotInvertedKind::Schema => (Style::Bad, "not undone"),
            NotInvertedKind::MayFail => (Style::Warn, "may fail"),
            NotInvertedKind::Data | NotInvertedKind::Stays => (Style::Accent, "data"),
        };
        let line = script
            .statements
            .get(item.statement)
            .map_or(1, |statement| lines.position(&up.text, statement.span.start).line);
        ui.remark(format!(
            "{} {}:{line}: {}",
            paint(style, format!("{word}:")),
            shown(&up.path),
            item.reason
        ));
    }
    for difference in &inverse.remaining {
        ui.remark(format!("{} {difference}", paint(Style::Warn, "differs:")));
    }
    if inverse.not_inverted.iter().any(|item| item.kind == NotInvertedKind::Data) {
        ui.remark(
            "Downhaul's own `down` brings back data that `up` destroyed; this file, run by another \
             tool, brings back the schema only",
        );
    }
}
