//! `downhaul snapshot`: one file a command.

mod diff;
mod mark;
mod page;
mod prune;
mod restore;
mod show;
mod spool;
mod track;

use std::path::Path;

use downhaul_engine::{LockBudget, Session, Target, connect};
use downhaul_run::RunError;
use downhaul_snapshot::SnapshotError;
use downhaul_snapshot::mark::{self as marks, Mark};
use downhaul_snapshot::track::name::parse_name_in;
use downhaul_syntax::{Dialect, ObjectName};

use crate::args::snapshot::{Database, SnapshotArgs, SnapshotCommand};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Style, Ui, paint};

/// Runs a command of `snapshot`.
pub async fn run(args: &SnapshotArgs, ui: &Ui) -> Result<Code, CliError> {
    match &args.command {
        SnapshotCommand::Track(args) => track::track(args, ui).await,
        SnapshotCommand::Untrack(args) => track::untrack(args, ui).await,
        SnapshotCommand::Status(args) => track::status(args, ui).await,
        SnapshotCommand::Mark(args) => mark::mark(args, ui).await,
        SnapshotCommand::Marks(args) => mark::marks(args, ui).await,
        SnapshotCommand::Show(args) => show::run(args, ui).await,
        SnapshotCommand::Diff(args) => diff::run(args, ui).await,
        SnapshotCommand::Restore(args) => restore::run(args, ui).await,
        SnapshotCommand::Prune(args) => prune::run(args, ui).await,
    }
}

/// The file that is the database.
fn database(target: &Target) -> Result<&Path, CliError> {
    match target {
        Target::Sqlite { path, .. } => Ok(path),
        _ => Err(CliError::usage("a copy of the whole database as a file is for SQLite alone")
            .state("nothing was changed")
            .hint("`downhaul snapshot track` keeps the history of tables on every engine")),
    }
}

/// Opens a session.
async fn open(database: &Database) -> Result<Box<dyn Session>, CliError> {
    let target = super::target(database.database_url.as_deref())?;
    Ok(connect(&target, false).await?)
}

fn snapshot(error: SnapshotError) -> CliError {
    RunError::Snapshot(error).into()
}

/// Names of tables, one by one.
fn names(dialect: Dialect, tables: &[String]) -> Result<Vec<ObjectName>, CliError> {
    tables.iter().map(|table| parse_name_in(dialect, table).map_err(snapshot)).collect()
}

/// Names of tables as people write them: one by one, or several with commas between them.
fn named(dialect: Dialect, lists: &[String]) -> Result<Vec<ObjectName>, CliError> {
    let tables: Vec<String> =
        lists.iter().flat_map(|list| listed(list)).map(|name| name.trim().to_owned()).collect();
    names(dialect, &tables)
}

/// The parts of a list; a comma within quotes belongs to a name. Quotes stand around a name or a part of it
/// (`"shop"."orders"`): one in the middle is a character of a name that is not quoted.
fn listed(list: &str) -> impl Iterator<Item = &str> {
    let (mut quote, mut begins) = (None, true);
    list.split(move |c: char| {
        quote = match quote {
            Some(open) if c == open => None,
            None if begins && matches!(c, '"' | '`') => Some(c),
            other => other,
        };
        // Two quotes within quotes are one: the second opens again what the first has closed.
        begins = match c {
            ',' | '.' => true,
            '"' | '`' => begins,
            _ => quote.is_some() || begins && c.is_whitespace(),
        };
        c == ',' && quote.is_none()
    })
}

/// The mark of this name, or the newest one at or before a time, which is then told.
async fn moment(
    session: &mut dyn Session,
    name: Option<&str>,
    time: Option<&str>,
    ui: &Ui,
) -> Result<Mark, CliError> {
    match (name, time) {
        (Some(name), _) => marks::named(session, name).await.map_err(snapshot),
        (None, Some(time)) => {
            let utc = match session.dialect() {
                Dialect::Postgres => time.to_owned(),
                _ => crate::moment::utc(time).map_err(CliError::usage)?,
            };
            let mark = marks::at_time(session, &utc).await.map_err(snapshot)?;
            ui.remark(format!(
                "the newest mark at or before {time} is `{}`, made at {}",
                mark.name, mark.at
            ));
            if crate::moment::is_to_come(time) {
                ui.remark(format!(
                    "{} that time is still to come: without a zone times are UTC (with one: 2026-01-02T03:04+02:00)",
                    paint(Style::Warn, "note:")
                ));
            }
            Ok(mark)
        }
        (None, None) => Err(CliError::usage("no mark is named")),
    }
}

/// Begins a transaction for reading; it is rolled back by the caller.
async fn begin(session: &mut dyn Session) -> Result<(), CliError> {
    Ok(session.begin(LockBudget::default()).await?)
}

/// `1.5 MB`.
pub(crate) fn bytes(n: i64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// A number for people.
fn rows(n: i64) -> String {
    crate::ui::count(u64::try_from(n).unwrap_or(0), "row")
}

fn json(value: &serde_json::Value) -> Result<String, CliError> {
    serde_json::to_string_pretty(value).map_err(|error| CliError::internal(error.to_string()))
}

/// A value as JSON on one line.
fn json_line<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("texts, numbers and lists of them are JSON")
}

/// A line of CSV (RFC 4180). NULL is an empty field, an empty text is `""`.
fn csv(fields: &[Option<&str>]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|field| match field {
            None => String::new(),
            Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            Some(text) => (*text).to_owned(),
        })
        .collect();
    fields.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_are_no_ends() {
        for (list, parts) in [
            ("a,b", &["a", "b"][..]),
            (r#""a,b", c"#, &[r#""a,b""#, " c"]),
            (r#""a ""b, c""","d""#, &[r#""a ""b, c""""#, r#""d""#]),
            (r#"shop."a,b",c"#, &[r#"shop."a,b""#, "c"]),
            ("c`d,person", &["c`d", "person"]),
            ("`c``,d`,person", &["`c``,d`", "person"]),
        ] {
            assert_eq!(listed(list).collect::<Vec<_>>(), parts, "{list}");
        }
    }

    #[test]
    fn sizes_and_fields_read_well() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500_000), "1.5 MB");
        assert_eq!(csv(&[Some("a"), None, Some(""), Some("x,\"y\"")]), "a,,\"\",\"x,\"\"y\"\"\"");
    }
}
