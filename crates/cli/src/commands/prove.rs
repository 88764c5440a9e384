//! `downhaul prove`, and the proof that `up --require-proof` demands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use downhaul_engine::{EngineError, Target, connect};
use downhaul_plan::source::read_text;
use downhaul_plan::{Phase, Version};
use downhaul_run::prove::{Certificate, Proven, Rehearsal, ReleaseQuery, rehearse};
use downhaul_run::{Runner, Silent, UpPlan, applied};
use downhaul_syntax::Dialect;

use super::Site;
use crate::args::{Global, ProveArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::lint::queries;
use crate::ui::{Style, Ui, count, paint};

/// Rehearses what is pending on a database of its own, and writes a certificate.
pub async fn run(global: &Global, args: &ProveArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    let (applied, dialect) = present(&site).await?;
    let mut rehearsal = Rehearsal {
        applied,
        phases: phases(&site),
        rows: args.rows,
        fill: args.fill.as_deref().map(read_text).transpose()?,
        old: read_queries(&args.old_queries, dialect)?,
        new: read_queries(&args.new_queries, dialect)?,
        beside: None,
    };
    let scratch = Scratch::make(&site.target).await?;
    rehearsal.beside = Some(scratch.target.clone());
    ui.remark(format!("rehearsing on {}", scratch.target));
    let mut options = super::options(&args.waiting);
    super::backfills(&mut options, &site, None);
    let result = async {
        let mut runner = Runner::open(&scratch.target, true, options).await?;
        let result = rehearse(&mut runner, &site.series, &rehearsal, &mut Silent).await;
        runner.close().await;
        Ok::<Certificate, CliError>(result?)
    }
    .await;
    if args.keep {
        ui.remark(format!("the database of the rehearsal is left: {}", scratch.target));
        scratch.keep();
    } else {
        scratch.drop(&site.target).await?;
    }
    let certificate = result.map_err(|error| {
        // What the runner says of its database is about the one that is gone by now.
        let detail = match (&error.detail, &error.hint) {
            (Some(detail), _) => detail.clone(),
            (None, hint) => hint.clone().unwrap_or_default(),
        };
        CliError::new(Code::Findings, format!("the rehearsal stopped: {}", error.message))
            .detail(detail)
            .state("the given database was only read; no certificate was written")
            .hint("mend the migration, or fill the tables yourself with --fill FILE")
    })?;
    let text = certificate.to_json().map_err(|error| CliError::internal(error.to_string()))?;
    std::fs::write(&args.out, format!("{text}\n")).map_err(|error| {
        CliError::usage(format!("cannot write `{}`: {error}", args.out.display()))
    })?;
    tell(&certificate, &args.out, ui);
    Ok(if certificate.holds() { Code::Clean } else { Code::Findings })
}

/// Versions that the given database has, and its dialect as the server tells it. A database that is
/// not there yet has none.
async fn present(site: &Site) -> Result<(Vec<Version>, Dialect), CliError> {
    match connect(&site.target, false).await {
        Ok(mut session) => {
            let found = applied(&mut *session).await;
            let dialect = session.dialect();
            session.close().await;
            let mut found = found?;
            found.retain(|version| site.series.migrations.iter().any(|m| m.version == *version));
            Ok((found, dialect))
        }
        Err(EngineError::NoFile { .. }) => Ok((Vec::new(), site.target.dialect())),
        Err(error) => Err(error.into()),
    }
}

/// The phase of every migration: as it says, else as it is found to be.
fn phases(site: &Site) -> BTreeMap<Version, Phase> {
    let dialect = site.target.dialect();
    let mut phases = super::foresight::phases(&site.series, dialect);
    for migration in &site.series.migrations {
        if let Some(phase) = migration.phase(dialect) {
            phases.insert(migration.version.clone(), phase);
        }
    }
    phases
}

fn read_queries(paths: &[PathBuf], dialect: Dialect) -> Result<Vec<ReleaseQuery>, CliError> {
    let known = queries::read(paths, dialect)?;
    Ok(known
        .into_iter()
        .map(|query| ReleaseQuery {
            place: format!("{}:{}", query.source, query.line),
            text: query.text,
        })
        .collect())
}

/// A database that is made for one rehearsal.
struct Scratch {
    target: Target,
    place: Place,
}

/// Where the database of a rehearsal is.
enum Place {
    /// On the server, under this name.
    Server(String),
    /// A file in a folder of its own, which nobody else may read. All that lies beside the file goes with
    /// the folder: the journal, the lock of the run. Nobody can be waiting for that lock, since nobody
    /// else knows the name.
    Folder(tempfile::TempDir),
}

impl Scratch {
    async fn make(given: &Target) -> Result<Self, CliError> {
        if let Target::Sqlite { .. } = given {
            let made = tempfile::Builder::new().prefix("downhaul_prove_").tempdir();
            let folder = made.map_err(|error| {
                let place = std::env::temp_dir();
                CliError::usage(format!(
                    "no folder for the rehearsal in `{}`: {error}",
                    place.display()
                ))
                .state("nothing was changed")
                .hint("name another one by TMPDIR")
            })?;
            let path = folder.path().join("rehearsal.db");
            let target = Target::Sqlite { path, read_only: false };
            return Ok(Self { target, place: Place::Folder(folder) });
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("downhaul_prove_{}_{}", std::process::id(), now.subsec_nanos());
        let mut session = connect(given, false).await?;
        let sql = format!("CREATE DATABASE {}", session.dialect().quote_str(&name));
        let made = session.execute(&sql).await;
        session.close().await;
        made.map_err(|error| {
            CliError::new(Code::FailedUnchanged, format!("no database for the rehearsal: {error}"))
                .state("nothing was changed")
                .hint("the user needs the right to create databases (PostgreSQL: ALTER ROLE … CREATEDB); or rehearse on another server with --database-url")
        })?;
        Ok(Self { target: given.with_database(&name), place: Place::Server(name) })
    }

    /// Leaves the database to whoever wants to look at it.
    fn keep(self) {
        if let Place::Folder(folder) = self.place {
            let _ = folder.keep();
        }
    }

    async fn drop(self, given: &Target) -> Result<(), CliError> {
        match self.place {
            Place::Server(name) => {
                let mut session = connect(given, false).await?;
                let sql = format!("DROP DATABASE {}", session.dialect().quote_str(&name));
                let done = session.execute(&sql).await;
                session.close().await;
                done?;
            }
            Place::Folder(folder) => {
                let path = folder.path().to_owned();
                folder.close().map_err(|error| {
                    CliError::internal(format!("cannot remove `{}`: {error}", path.display()))
                })?;
            }
        }
        Ok(())
    }
}

fn tell(certificate: &Certificate, out: &Path, ui: &Ui) {
    for migration in &certificate.migrations {
        let (style, word) = match came_back(migration) {
            true => (Style::Good, "comes back"),
            false => (Style::Bad, "does not come back"),
        };
        let ms = |time: Option<u64>| time.map_or("-".to_owned(), |ms| format!("{ms} ms"));
        ui.line(format!(
            "{}  {}  up {} ms, down {}, up again {}",
            migration.label,
            paint(style, word),
            migration.up_ms,
            ms(migration.down_ms),
            ms(migration.again_ms)
        ));
        for statement in &migration.statements {
            let locks = statement.locks.as_deref().unwrap_or_default();
            let strong: Vec<&str> = locks
                .iter()
                .filter(|lock| {
                    lock.ends_with("AccessExclusiveLock")
                        || lock.ends_with("ShareRowExclusiveLock")
                        || lock.ends_with(" ShareLock")
                })
                .map(String::as_str)
                .collect();
            let rewrites = statement.rewrites.as_deref().unwrap_or_default();
            if strong.is_empty() && rewrites.is_empty() {
                continue;
            }
            let sql: Vec<&str> = statement.sql.split_whitespace().collect();
            let sql: String = sql.join(" ").chars().take(70).collect();
            let mut what = strong.join(", ");
            if !rewrites.is_empty() {
                what.push_str(&format!("; rewrites {}", rewrites.join(", ")));
            }
            ui.line(format!("    {sql}: {}", what.trim_start_matches("; ")));
        }
    }
    let empty: Vec<&str> =
        certificate.tables.iter().filter(|t| t.rows == 0).map(|t| t.table.as_str()).collect();
    if !empty.is_empty() {
        ui.line(format!(
            "{} no row could be made for {}: give rows with --fill FILE",
            paint(Style::Warn, "note"),
            empty.join(", ")
        ));
    }
    for problem in &certificate.problems {
        ui.line(format!("{} {problem}", paint(Style::Bad, "problem")));
    }
    let (old, new) = certificate.queries;
    ui.line(format!(
        "{}: {} on {}, {} of the old and {} of the new release, run {} times; certificate in {}",
        if certificate.holds() { "proven" } else { "not proven" },
        count(certificate.migrations.len() as u64, "migration"),
        certificate.server,
        super::gates::count_queries(old),
        super::gates::count_queries(new),
        certificate.queries_run,
        out.display()
    ));
}

fn came_back(migration: &Proven) -> bool {
    migration.schema_comes_back && migration.goes_up_again
}

/// Refuses a plan that a certificate does not prove.
pub(crate) fn demand(file: &Path, plan: &UpPlan, runner: &mut Runner) -> Result<(), CliError> {
    let refuse = |why: String| {
        CliError::new(
            Code::Findings,
            format!("`{}` does not prove this run: {why}", file.display()),
        )
        .state("nothing was changed")
        .hint("downhaul prove, on a server of the same version, with the files as they are now")
    };
    let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let certificate = Certificate::parse(&text).map_err(|error| refuse(error.to_string()))?;
    let session = runner.session();
    let (server, dialect) = (session.server().version.clone(), session.dialect());
    certificate.check(plan, &server, dialect).map_err(|error| refuse(error.to_string()))
}
