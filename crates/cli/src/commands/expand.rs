//! `downhaul expand`.

use std::path::{Path, PathBuf};

use downhaul_catalog::Origin;
use downhaul_plan::{
    ExpandOptions, Expansion, LayoutId, PhaseFile, SourceFile, SourceMigration, Version, expand,
    load_known, load_with_layout,
};
use downhaul_syntax::{LineIndex, parse_script};

use super::new::{next_version, write_new};
use crate::args::{ExpandArgs, Global};
use crate::config::Config;
use crate::error::CliError;
use crate::exit_code::Code;
use crate::lint::beginning::begin;
use crate::lint::select::{self, Group};
use crate::lint::shown;
use crate::ui::{Style, Ui, paint};

/// Writes a migration as phases, given the schema that the files before it leave.
pub fn run(global: &Global, args: &ExpandArgs, ui: &Ui) -> Result<Code, CliError> {
    let config = Config::load(global)?;
    let place = Place::find(&config, args)?;
    let groups: Vec<&Group> = place.history.iter().chain(std::iter::once(&place.group)).collect();
    let mut before = begin(&config, &args.series, &place.group.home, &groups, ui)?;
    let dialect = before.dialect;
    for (index, migration) in place.before().enumerate() {
        if let Some(up) = &migration.up {
            before.apply_script(&parse_script(&up.text, dialect), Origin::Series(index));
        }
    }
    let (migration, up) = place.subject(args)?;
    let script = parse_script(&up.text, dialect);
    let name = if migration.name.is_empty() { "change" } else { &migration.name };
    let expansion =
        expand(&script, &before, name, ExpandOptions { watch: args.watch }).map_err(|refusal| {
            let lines = LineIndex::new(&up.text);
            let line = lines.position(&up.text, refusal.span.start).line;
            CliError::new(Code::Findings, format!("{}:{line}: {}", shown(&up.path), refusal.what))
                .hint(refusal.next)
        })?;
    for note in &expansion.notes {
        ui.remark(format!("{} {note}", paint(Style::Warn, "note:")));
    }
    for difference in &expansion.remaining {
        ui.remark(format!(
            "{} behind the last phase, {difference}, unlike behind {}",
            paint(Style::Warn, "note:"),
            shown(&up.path)
        ));
    }
    if is_as_it_was(&expansion, &script) {
        ui.line(format!("{} is safe as it stands: it needs no phases", shown(&up.path)));
        return Ok(Code::Clean);
    }
    let versions = place.versions(expansion.files.len())?;
    let files: Vec<(String, &PhaseFile)> = versions
        .into_iter()
        .zip(&expansion.files)
        .map(|(version, file)| (format!("{version}_{}", file.name), file))
        .collect();
    if args.dry_run {
        for (label, file) in &files {
            ui.text(&format!("-- {label}.up.sql\n{}\n", file.up));
            ui.text(&format!("-- {label}.down.sql\n{}\n", file.down));
        }
        return Ok(Code::Clean);
    }
    write(args, &place, migration, &files, ui)?;
    Ok(Code::Clean)
}

/// Whether the one file that comes out says what went in.
fn is_as_it_was(expansion: &Expansion, script: &downhaul_syntax::Script) -> bool {
    let [only] = expansion.files.as_slice() else { return expansion.files.is_empty() };
    let again = parse_script(&only.up, script.dialect);
    only.phase.is_none()
        && again.statements.iter().map(|s| &s.text).eq(script.statements.iter().map(|s| &s.text))
}

/// Where the file stands, and what runs before it.
struct Place {
    /// The series that a draft follows.
    history: Option<Group>,
    /// The file with its neighbours.
    group: Group,
    at: usize,
}

impl Place {
    fn find(config: &Config, args: &ExpandArgs) -> Result<Self, CliError> {
        let dir = config.dir(args.dir.as_deref());
        let selection = select::select(std::slice::from_ref(&args.file), &dir, args.series.layout)?;
        if let Some(problem) = selection.problems.first() {
            return Err(CliError::usage(format!(
                "`{}`:{}: {}",
                problem.file, problem.line, problem.message
            ))
            .hint(problem.help.clone()));
        }
        let found = selection.groups.into_iter().find_map(|group| {
            let at = group.migrations.iter().position(|(_, named)| *named)?;
            Some((group, at))
        });
        let Some((group, at)) = found else {
            return Err(CliError::usage(format!("`{}` is no migration", args.file.display()))
                .hint("name an up file, or a draft of one"));
        };
        let draft = group.layout.is_none() && group.migrations.len() == 1;
        let history = if draft && dir.is_dir() {
            let series = match args.series.layout {
                Some(layout) => Some(load_with_layout(&dir, layout)?),
                None => load_known(&dir)?.map(|(series, _)| series),
            };
            series.map(|series| Group {
                path: shown(&dir),
                home: dir.clone(),
                layout: Some(series.layout),
                stdin: false,
                migrations: series.migrations.into_iter().map(|m| (m, false)).collect(),
            })
        } else {
            None
        };
        Ok(Self { history, group, at })
    }

    /// Migrations that run before the file.
    fn before(&self) -> impl Iterator<Item = &SourceMigration> {
        let history = self.history.iter().flat_map(|group| &group.migrations);
        history.chain(&self.group.migrations[..self.at]).map(|(migration, _)| migration)
    }

    fn subject(&self, args: &ExpandArgs) -> Result<(&SourceMigration, &SourceFile), CliError> {
        let migration = &self.group.migrations[self.at].0;
        match &migration.up {
            Some(up) if !up.program => Ok((migration, up)),
            _ => Err(CliError::usage(format!("`{}` is no up file of SQL", args.file.display()))
                .hint("name the file that leads to the new schema")),
        }
    }

    /// The file belongs to a series, and its phases take its place.
    fn replaces(&self) -> bool {
        self.group.layout.is_some()
    }

    /// Versions for so many migrations, in order.
    fn versions(&self, count: usize) -> Result<Vec<String>, CliError> {
        let own = &self.group.migrations[self.at].0.version;
        let numbered = own.as_str().starts_with(|c: char| c.is_ascii_digit());
        let (first, next) = match &self.history {
            None if numbered => {
                let next = self.group.migrations.get(self.at + 1).map(|(m, _)| &m.version);
                (own.as_str().to_owned(), next)
            }
            history => {
                let all = history.iter().flat_map(|group| &group.migrations);
                (next_version(all.map(|(m, _)| &m.version).max()), None)
            }
        };
        let mut versions = vec![first];
        while versions.len() < count {
            let last = &versions[versions.len() - 1];
            versions.push(following(last));
        }
        let newest = versions.last().map(Version::new);
        if let (Some(newest), Some(next)) = (newest, next)
            && newest >= *next
            && self.replaces()
        {
            return Err(CliError::usage(format!(
                "there is no room for {count} versions between {own} and {next}"
            ))
            .hint("give the file a version behind all others, or write elsewhere with --out DIR"));
        }
        Ok(versions)
    }
}

/// `0007` → `0008`.
fn following(version: &str) -> String {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    let next = digits.parse::<u128>().map_or(1, |n| n + 1);
    format!("{next:0width$}", width = digits.len())
}

/// Layouts whose files are `<version>_<name>.up.sql` and `.down.sql`.
fn writes_pairs(layout: Option<LayoutId>) -> bool {
    matches!(layout, None | Some(LayoutId::Plain | LayoutId::Sqlx | LayoutId::GolangMigrate))
}

fn write(
    args: &ExpandArgs,
    place: &Place,
    migration: &SourceMigration,
    files: &[(String, &PhaseFile)],
    ui: &Ui,
) -> Result<(), CliError> {
    let home = place.history.as_ref().unwrap_or(&place.group);
    let dir: PathBuf = match &args.out {
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(|error| {
                CliError::usage(format!("cannot make `{}`: {error}", dir.display()))
            })?;
            dir.clone()
        }
        None if !writes_pairs(home.layout) => {
            return Err(CliError::usage(
                "the folder keeps its migrations in a layout that `expand` does not write",
            )
            .hint("--out DIR writes pairs of up and down files elsewhere; --dry-run prints them"));
        }
        None => match &migration.up {
            Some(up) if place.history.is_none() => {
                up.path.parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
            }
            _ => home.home.clone(),
        },
    };
    if args.out.is_none() && place.replaces() {
        // Out of the series, but not out of reach.
        for file in [&migration.up, &migration.down].into_iter().flatten() {
            let aside = PathBuf::from(format!("{}.orig", file.path.display()));
            if aside.exists() {
                return Err(CliError::usage(format!("`{}` is there already", aside.display()))
                    .hint("delete it, or move it away"));
            }
            std::fs::rename(&file.path, &aside).map_err(|error| {
                CliError::usage(format!("cannot rename `{}`: {error}", file.path.display()))
            })?;
            ui.remark(format!("{} is kept as {}", shown(&file.path), shown(&aside)));
        }
    }
    for (label, file) in files {
        for (suffix, text) in [("up", &file.up), ("down", &file.down)] {
            let path = dir.join(format!("{label}.{suffix}.sql"));
            write_new(&path, text)?;
            ui.line(shown(&path));
        }
    }
    Ok(())
}
