//! `snapshot prune`.

use std::path::Path;

use downhaul_engine::Session;
use downhaul_run::{Journal, Runner};
use downhaul_snapshot::mark::{self as marks, Mark};
use downhaul_snapshot::restore_to::restorations;
use downhaul_snapshot::track::{prune, report};
use downhaul_snapshot::{views, whole};
use downhaul_syntax::Dialect;

use super::{bytes, database, open, snapshot};
use crate::args::snapshot::PruneArgs;
use crate::error::CliError;
use crate::exit_code::Code;
use crate::progress::Progress;
use crate::ui::{Style, Ui, paint};

/// Drops history that lies before a mark.
pub(super) async fn run(args: &PruneArgs, ui: &Ui) -> Result<Code, CliError> {
    let target = crate::commands::target(args.database.database_url.as_deref())?;
    if let (true, Some(age)) = (args.kept, args.older_than) {
        let seconds = age.as_secs();
        let options = crate::commands::options(&args.waiting);
        let mut runner = Runner::open(&target, false, options).await?;
        let result = give_up(&mut runner, seconds, args.yes, ui).await;
        runner.close().await;
        return result;
    }
    if let (true, Some(age)) = (args.files, args.older_than) {
        let options = crate::commands::options(&args.waiting);
        let mut runner = Runner::open(&target, false, options).await?;
        let path = database(&target)?;
        let result = remove_files(&mut runner, path, age.as_secs(), args.yes, ui).await;
        runner.close().await;
        return result;
    }
    let mut session = open(&args.database).await?;
    let found = async {
        match choose(&mut *session, args, ui).await? {
            Some(mark) => Ok(Some(Consequences::of(&mut *session, mark).await?)),
            None => Ok::<_, CliError>(None),
        }
    }
    .await;
    session.close().await;
    let Some(found) = found? else { return Ok(Code::Clean) };
    found.tell(ui);
    if !args.yes {
        if !ui.can_ask() {
            return Err(CliError::new(Code::Findings, "nobody is there to confirm this")
                .state("nothing was changed")
                .hint("add --yes to go ahead"));
        }
        if !ui.confirm("Drop it?").await {
            ui.line("nothing was changed");
            return Ok(Code::Findings);
        }
    }
    let mut runner = Runner::open(&target, false, crate::commands::options(&args.waiting)).await?;
    let result = runner.prune(&found.mark, &mut Progress::new(ui, "")).await;
    runner.close().await;
    let gone = result?;
    ui.line(format!("{} dropped", crate::ui::count(gone, "event")));
    if gone > 0 {
        ui.line(paint(
            Style::Dim,
            format!("  their room is free for new history; {}", to_the_disk(target.dialect())),
        ));
    }
    Ok(Code::Clean)
}

/// How what is free within the database is given back to the disk.
fn to_the_disk(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "the disk gets it back by VACUUM FULL of the tables downhaul.log_…, while nobody can write to the tracked ones"
        }
        Dialect::Sqlite => "the disk gets it back by VACUUM",
        Dialect::Mysql | Dialect::MariaDb => {
            "the disk gets it back by OPTIMIZE TABLE of the tables downhaul_log_…"
        }
    }
}

/// What goes with the history before a mark.
struct Consequences {
    mark: Mark,
    /// Marks that cannot be reached any more, oldest first.
    marks: Vec<String>,
    /// Restores that cannot be undone any more.
    restores: Vec<i64>,
    /// Views of the past.
    views: Vec<String>,
}

/// Names that are listed, at most.
const LISTED: usize = 10;

impl Consequences {
    async fn of(session: &mut dyn Session, mark: Mark) -> Result<Self, CliError> {
        let all = marks::all(session).await.map_err(snapshot)?;
        let marks: Vec<String> =
            all.into_iter().filter(|m| m.id < mark.id).map(|m| m.name).collect();
        // Only the last one that still stands is ever undone, and it takes both its marks.
        let restores = restorations(session).await.map_err(snapshot)?;
        let restores = restores
            .into_iter()
            .rfind(|r| r.undone_by.is_none())
            .filter(|r| marks.contains(&r.before))
            .map(|r| r.id);
        let views = views::before(session, &mark).await.map_err(snapshot)?;
        Ok(Self {
            mark,
            marks,
            restores: restores.into_iter().collect(),
            views: views.into_iter().map(|view| view.name).collect(),
        })
    }

    fn tell(&self, ui: &Ui) {
        let what = crate::ui::count(self.marks.len() as u64, "mark");
        ui.line(format!(
            "the history before `{}` ({}) goes, and with it {what} that cannot be reached any more",
            self.mark.name, self.mark.at
        ));
        if !self.marks.is_empty() {
            let mut names: Vec<String> =
                self.marks.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
            if let (true, Some(last)) = (self.marks.len() > LISTED, self.marks.last()) {
                names.push(format!("… `{last}`"));
            }
            ui.line(format!("  {}", names.join(", ")));
        }
        for id in &self.restores {
            ui.line(format!("  restore {id} cannot be undone any more"));
        }
        if !self.views.is_empty() {
            ui.line(format!("  the views that show what goes: {}", self.views.join(", ")));
        }
    }
}

/// Gives up what migrations kept and that is old, once somebody has seen what that is.
async fn give_up(runner: &mut Runner, seconds: u64, yes: bool, ui: &Ui) -> Result<Code, CliError> {
    let holdings = runner.kept_before(seconds).await?;
    if holdings.is_empty() {
        ui.line("nothing that is kept is that old");
        return Ok(Code::Clean);
    }
    for holding in &holdings {
        let size = holding.bytes.and_then(|n| i64::try_from(n).ok()).map(bytes);
        let size = size.map(|size| format!(", {size}")).unwrap_or_default();
        ui.line(format!(
            "  {} ({}, {}): {} of {}{size}",
            holding.version,
            holding.direction,
            holding.since,
            crate::ui::count(holding.kept.rows, "row"),
            holding.kept.table
        ));
    }
    let what = crate::ui::count(holdings.len() as u64, "table");
    if !yes {
        if !ui.can_ask() {
            return Err(CliError::new(Code::Findings, "nobody is there to confirm this")
                .state("nothing was changed")
                .hint("add --yes to go ahead"));
        }
        let question = format!(
            "What was kept of {what} is then gone for good, and no `down` brings it back. Give it up?"
        );
        if !ui.confirm(&question).await {
            ui.line("nothing was changed");
            return Ok(Code::Findings);
        }
    }
    runner.give_up(&holdings, &mut Progress::new(ui, "")).await?;
    ui.line(format!("what was kept of {what} is gone"));
    Ok(Code::Clean)
}

/// Removes copies of the whole file that are old, once somebody has seen which.
async fn remove_files(
    runner: &mut Runner,
    path: &Path,
    seconds: u64,
    yes: bool,
    ui: &Ui,
) -> Result<Code, CliError> {
    let limit = ago(runner.session(), seconds).await?;
    let mut files = whole::all(runner.session()).await.map_err(snapshot)?;
    files.retain(|file| file.at <= limit);
    if files.is_empty() {
        ui.line("no copy of the whole file is that old");
        return Ok(Code::Clean);
    }
    for file in &files {
        let place = file.located(path);
        ui.line(format!("  `{}`: {}, {}", file.name, place.display(), bytes(file.bytes)));
    }
    if !yes {
        if !ui.can_ask() {
            return Err(CliError::new(Code::Findings, "nobody is there to confirm this")
                .state("nothing was changed")
                .hint("add --yes to go ahead"));
        }
        if !ui.confirm("Remove them?").await {
            ui.line("nothing was changed");
            return Ok(Code::Findings);
        }
    }
    for file in &files {
        runner.remove_file(path, &file.name).await?;
    }
    ui.line(format!("{} removed", crate::ui::count(files.len() as u64, "file")));
    Ok(Code::Clean)
}

/// The time so many seconds ago, by the clock that makes the marks.
async fn ago(session: &mut dyn Session, seconds: u64) -> Result<String, CliError> {
    Ok(Journal::new(session.dialect()).ago(session, seconds).await?)
}

/// The mark before which history goes; `None` where nothing does, which is told.
async fn choose(
    session: &mut dyn Session,
    args: &PruneArgs,
    ui: &Ui,
) -> Result<Option<Mark>, CliError> {
    if let Some(name) = &args.before {
        return Ok(Some(marks::named(session, name).await.map_err(snapshot)?));
    }
    let all = marks::all(session).await.map_err(snapshot)?;
    if let Some(age) = args.older_than {
        let limit = ago(session, age.as_secs()).await?;
        // The newest one that is that old: what came after it is all younger, or needed by it.
        let found = all.into_iter().rfind(|m| m.at <= limit);
        if found.is_none() {
            ui.line("nothing is that old");
        }
        return Ok(found);
    }
    let Some(size) = &args.keep_size else {
        return Err(CliError::usage("say what goes: --before, --older-than or --keep-size"));
    };
    let wanted = parse_size(size)?;
    let standing = report::standing(session).await.map_err(snapshot)?;
    let mut used = Vec::new();
    for standing in &standing {
        used.push(prune::in_use(session, standing).await.map_err(snapshot)?);
    }
    let (total, files): (i64, i64) = (used.iter().sum(), standing.iter().map(|s| s.bytes).sum());
    if total <= wanted {
        ui.line(if files <= wanted {
            format!("nothing to drop: the history holds {}", bytes(files))
        } else {
            format!(
                "nothing to drop: the history holds {}; its tables take {}, of which the rest is free for new history; {}",
                bytes(total),
                bytes(files),
                to_the_disk(session.dialect())
            )
        });
        return Ok(None);
    }
    // Events are about equally large, so their share is the share of bytes. The newer the mark the more lies
    // before it: the oldest one that is enough is looked for by halves, since each look reads the history.
    let excess = (total - wanted) as f64;
    let (mut low, mut high) = (0, all.len());
    while low < high {
        let middle = low.midpoint(high);
        let mut freed = 0.0;
        for (standing, used) in standing.iter().zip(&used) {
            let (gone, events) =
                prune::share(session, &standing.tracked, &all[middle]).await.map_err(snapshot)?;
            if events > 0 {
                freed += *used as f64 * gone as f64 / events as f64;
            }
        }
        if freed >= excess {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if let Some(mark) = all.get(low) {
        return Ok(Some(mark.clone()));
    }
    let newest = all.last().map_or_else(|| "there is none".to_owned(), |m| format!("`{}`", m.name));
    Err(CliError::new(
        Code::Findings,
        format!("the history holds {}, and no mark is new enough to prune to {size}", bytes(total)),
    )
    .state("nothing was changed")
    .hint(format!(
        "history is dropped up to a mark (the newest: {newest}): make one with `downhaul snapshot mark NAME` and prune --before it"
    )))
}

/// `20GB`, `500MB` in bytes.
fn parse_size(text: &str) -> Result<i64, CliError> {
    let wrong = || CliError::usage(format!("`{text}` is no size: write 20GB or 500MB"));
    let upper = text.to_ascii_uppercase();
    let units = [
        ("TB", 1_000_000_000_000),
        ("GB", 1_000_000_000),
        ("MB", 1_000_000),
        ("KB", 1_000),
        ("B", 1),
    ];
    for (name, unit) in units {
        if let Some(number) = upper.strip_suffix(name) {
            let number: i64 = number.trim().parse().map_err(|_| wrong())?;
            return number.checked_mul(unit).ok_or_else(wrong);
        }
    }
    Err(wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_size("20GB").unwrap(), 20_000_000_000);
        assert_eq!(parse_size("500 mb").unwrap(), 500_000_000);
        assert!(parse_size("GB").is_err() && parse_size("12").is_err());
    }
}
