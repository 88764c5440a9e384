//! `snapshot prune`.

use std::path::Path;

use downhaul_engine::Session;
use downhaul_run::{Journal, Runner};
use downhaul_snapshot::mark::{self as marks, Mark};
use downhaul_snapshot::track::{prune, report};
use downhaul_snapshot::whole;

use super::{bytes, database, open, snapshot};
use crate::args::snapshot::PruneArgs;
use crate::error::CliError;
use crate::exit_code::Code;
use crate::progress::Progress;
use crate::ui::{Ui, thousands};

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
    let chosen = choose(&mut *session, args).await;
    let all = marks::all(&mut *session).await;
    session.close().await;
    let Some(mark) = chosen? else {
        ui.line("nothing is that old or that large");
        return Ok(Code::Clean);
    };
    let before = all.map_err(snapshot)?.iter().filter(|m| m.id < mark.id).count();
    ui.line(format!(
        "the history before `{}` ({}) goes, and with it {} that cannot be reached any more",
        mark.name,
        mark.at,
        crate::ui::count(before as u64, "mark")
    ));
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
    let result = runner.prune(&mark, &mut Progress::new(ui, "")).await;
    runner.close().await;
    ui.line(format!("{} events dropped", thousands(result?)));
    Ok(Code::Clean)
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

async fn choose(session: &mut dyn Session, args: &PruneArgs) -> Result<Option<Mark>, CliError> {
    if let Some(name) = &args.before {
        return Ok(Some(marks::named(session, name).await.map_err(snapshot)?));
    }
    let all = marks::all(session).await.map_err(snapshot)?;
    if let Some(age) = args.older_than {
        let limit = ago(session, age.as_secs()).await?;
        // The newest one that is that old: what came after it is all younger, or needed by it.
        return Ok(all.into_iter().rfind(|m| m.at <= limit));
    }
    let Some(size) = &args.keep_size else {
        return Err(CliError::usage("say what goes: --before, --older-than or --keep-size"));
    };
    let wanted = parse_size(size)?;
    let standing = report::standing(session).await.map_err(snapshot)?;
    let total: i64 = standing.iter().map(|s| s.bytes).sum();
    if total <= wanted {
        return Ok(None);
    }
    // Events are about equally large, so their share is the share of bytes.
    let excess = total - wanted;
    for mark in &all {
        let mut freed = 0.0;
        for standing in &standing {
            let (gone, events) =
                prune::share(session, &standing.tracked, mark).await.map_err(snapshot)?;
            if events > 0 {
                freed += standing.bytes as f64 * gone as f64 / events as f64;
            }
        }
        if freed >= excess as f64 {
            return Ok(Some(mark.clone()));
        }
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
