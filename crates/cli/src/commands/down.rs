//! `downhaul down`.

use std::time::Instant;

use downhaul_engine::Target;
use downhaul_plan::{Direction, Version};
use downhaul_run::takes::{Fate, Rows, Taken};
use downhaul_run::{DownPlan, DownSelection, GeneratedDown, Runner, TakenBack};
use downhaul_syntax::Dialect;

use crate::args::{DownArgs, Global, StatusFormat};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::hooks::{Hooked, Hooks};
use crate::progress::Progress;
use crate::ui::{Style, Ui, count, duration, paint};

/// Takes migrations back.
pub async fn run(global: &Global, args: &DownArgs, ui: &Ui) -> Result<Code, CliError> {
    let site = super::site(global, &args.place)?;
    let mut options = super::options(&args.waiting);
    super::protect(&mut options, &site, args.protect);
    super::backfills(&mut options, &site, args.parallel);
    options.edited_down = args.use_edited_down;
    options.generated_down = match args.use_generated_down.as_deref() {
        None => GeneratedDown::Never,
        Some([]) => GeneratedDown::Missing,
        Some(versions) => GeneratedDown::InPlaceOf(versions.to_vec()),
    };
    options.commit = super::commit(&site.dir);
    let selection = match (&args.to, &args.to_release, &args.to_time) {
        (Some(version), ..) => DownSelection::To(Version::new(version.as_str())),
        (None, Some(release), _) => DownSelection::ToRelease(release.clone()),
        (None, None, Some(time)) => DownSelection::ToTime(time.clone()),
        (None, None, None) if args.all => DownSelection::All,
        (None, None, None) => DownSelection::Steps(args.steps),
    };
    let for_programs = args.format == StatusFormat::Json;
    if for_programs && !args.yes && !args.preview {
        return Err(CliError::usage("--format json asks nobody").hint("add --yes or --preview"));
    }
    let mut runner = Runner::open(&site.target, false, options).await?;
    let result = async {
        let mut plan = runner.plan_down(&site.series, &selection).await?;
        let nothing = plan.migrations.is_empty();
        if nothing && !for_programs {
            ui.line(nothing_to_do(args, &site.target));
            if !plan.taken_before().is_empty() {
                // The run before was cut off when all was done, but not told.
                let footing = match &args.to_release {
                    Some(release) => Some((release, runner.footing(release, &plan).await?)),
                    None => None,
                };
                let about = footing.as_ref().map(|(release, footing)| (release.as_str(), footing));
                let told = runner.whole_way_back(&plan, Vec::new()).await?;
                super::revert::report(about, &told, ui);
            }
            return Ok(Code::Clean);
        }
        if !for_programs {
            ui.line(format!(
                "{}: {} to take back",
                paint(Style::Bold, &site.target),
                count(plan.migrations.len() as u64, "migration")
            ));
        }
        let footing = match &args.to_release {
            Some(release) => Some((release.as_str(), runner.footing(release, &plan).await?)),
            None => None,
        };
        let judged = match &footing {
            Some((_, footing)) => {
                super::revert::judge(&args.queries, footing, site.target.dialect())?
            }
            None => None,
        };
        let about = footing.as_ref().map(|(release, footing)| (*release, footing));
        let tell = |plan: &DownPlan, takes: &[Vec<Taken>], done: Option<&TakenBack>| {
            let dialect = site.target.dialect();
            let told = super::revert::json(about, judged.as_ref(), (plan, takes, dialect), done);
            ui.text(&format!("{told:#}\n"));
        };
        if for_programs && nothing && !plan.taken_before().is_empty() {
            tell(&plan, &[], Some(&runner.whole_way_back(&plan, Vec::new()).await?));
            return Ok(Code::Clean);
        }
        if for_programs && (args.preview || nothing) {
            let takes = runner.takes_away(&plan).await?;
            tell(&plan, &takes, None);
            return Ok(Code::Clean);
        }
        if let Some((release, footing)) = about.filter(|_| !for_programs) {
            super::revert::verdict(release, footing, judged.as_ref(), &plan, ui);
        }
        if args.preview {
            preview(
                &plan,
                &site.target,
                &runner.takes_away(&plan).await?,
                args.to_time.is_some(),
                ui,
            );
            return Ok(Code::Clean);
        }
        if !args.yes {
            preview(
                &plan,
                &site.target,
                &runner.takes_away(&plan).await?,
                args.to_time.is_some(),
                ui,
            );
            if !ui.can_ask() {
                return Err(CliError::new(Code::Findings, "nobody is there to confirm this")
                    .state("nothing was changed")
                    .hint("add --yes to go ahead"));
            }
            if !ui.confirm("Take them back?").await {
                ui.line("nothing was changed");
                return Ok(Code::Findings);
            }
        }
        if args.yes && !for_programs {
            for migration in plan.migrations.iter().filter(|m| m.generated.is_some()) {
                let note = paint(Style::Warn, "note");
                let label = &migration.down.label;
                ui.line(format!("  {note} {label} is taken back by the inverse of its up"));
            }
        }
        foresee_locks(&mut plan, site.target.dialect());
        let database = site.target.to_string();
        let mut hooks = Hooks::new(&site.config, args.hooks.no_hooks, "down", &database, None);
        let labels: Vec<&str> = plan.migrations.iter().map(|m| m.down.label.as_str()).collect();
        hooks.before_run(Direction::Down, &labels)?;
        let started = Instant::now();
        let progress = if for_programs { Progress::of_events(ui) } else { Progress::new(ui, "") };
        let result = runner.down(&plan, &mut Hooked::new(&hooks, progress)).await;
        let error = result.as_ref().err().map(ToString::to_string);
        if let Some(note) = hooks.after_run(error.as_deref()) {
            let note = format!("  {} {note}", paint(Style::Warn, "note"));
            if for_programs { ui.remark(note) } else { ui.line(note) }
        }
        let done = result?;
        let here = count(done.len() as u64, "migration");
        let told = runner.whole_way_back(&plan, done).await?;
        if for_programs {
            tell(&plan, &[], Some(&told));
            return Ok(Code::Clean);
        }
        ui.line(format!("{here} taken back in {}", duration(started.elapsed())));
        if about.is_some() || !told.before.is_empty() {
            super::revert::report(about, &told, ui);
        }
        Ok(Code::Clean)
    }
    .await;
    runner.close().await;
    result
}

/// Why there is nothing to take back.
fn nothing_to_do(args: &DownArgs, target: &Target) -> String {
    match (&args.to_release, &args.to_time) {
        (_, Some(time)) => format!("{target}: nothing was applied after {time}"),
        (Some(release), None) => format!(
            "{target}: {release} ran on what is applied now; nothing is applied that could be taken back"
        ),
        (None, None) => format!("{target}: nothing is applied that could be taken back"),
    }
}

/// Works out which locks the statements of a plan take.
pub(crate) fn foresee_locks(plan: &mut DownPlan, dialect: Dialect) {
    let mut migrations: Vec<_> =
        plan.migrations.iter_mut().map(|m| (&m.version, &mut m.down)).collect();
    super::foresight::foresee(&mut migrations, dialect);
}

/// How many things that a down leaves are named.
const NAMED: usize = 5;

fn preview(plan: &DownPlan, target: &Target, takes: &[Vec<Taken>], with_times: bool, ui: &Ui) {
    let astray = plan.astray(target.dialect());
    for (migration, takes) in plan.migrations.iter().zip(takes) {
        let when = if with_times {
            paint(Style::Dim, format!("  applied {}", migration.applied_at()))
        } else {
            String::new()
        };
        ui.line(format!("  {} {}{when}", paint(Style::Warn, "↓"), migration.down.label));
        if let Some(squash) = &migration.squashed {
            ui.line(format!(
                "      {}",
                paint(
                    Style::Dim,
                    format!("squashed into {squash} since; its own down is in the journal")
                )
            ));
        }
        if let Some(notes) = &migration.generated {
            let from = "generated: the inverse of its up, as it ran:";
            ui.line(format!("      {}", paint(Style::Warn, from)));
            for note in notes {
                ui.line(format!("      {} {note}", paint(Style::Warn, "note")));
            }
        }
        for statement in &migration.down.statements {
            let mut lines = statement.shown().lines();
            let first = lines.next().unwrap_or_default();
            let more = if lines.next().is_some() { " …" } else { "" };
            ui.line(format!("      {}{more}", paint(Style::Dim, first)));
        }
        for taken in takes {
            takes_away(taken, target.dialect(), ui);
        }
        for kept in &migration.kept {
            ui.line(format!(
                "      {} {}: {} ({})",
                paint(Style::Accent, "brings back"),
                kept.table,
                kept.what,
                count(kept.rows, "row")
            ));
        }
        for (table, when) in &migration.pruned {
            ui.line(format!(
                "      {} what was kept of {table} was given up on {when}: it does not come back",
                paint(Style::Bad, "gone")
            ));
        }
        if let Some(told) = astray.get(&migration.version) {
            for one in told.iter().take(NAMED) {
                ui.line(format!("      {} {one}", paint(Style::Warn, "astray")));
            }
            if let Some(more) = told.len().checked_sub(NAMED).filter(|more| *more > 0) {
                ui.line(format!("      {} and {more} more", paint(Style::Warn, "astray")));
            }
            ui.line(format!(
                "      {} --use-generated-down={} runs the inverse of its up instead",
                paint(Style::Warn, "instead"),
                migration.down.label
            ));
        }
        if migration.kept.is_empty() && migration.pruned.is_empty() {
            ui.line(format!("      {}", paint(Style::Dim, "no data was destroyed by its up")));
        }
    }
    ui.line("  what was written since stays");
}

/// What goes with a table or a column, and where it will lie.
fn takes_away(taken: &Taken, dialect: Dialect, ui: &Ui) {
    let rows = match taken.rows {
        Rows::Exactly(n) => format!(" ({})", count(n, "row")),
        Rows::About(n) => format!(" (about {})", count(n, "row")),
        Rows::Returned(n) => format!(" ({}, just brought back)", count(n, "row")),
        Rows::Unknown => String::new(),
    };
    let own = |name: &str| match dialect {
        Dialect::Postgres => format!("downhaul.{name}_…"),
        _ => format!("downhaul_{name}_…"),
    };
    let none = taken.rows == Rows::Exactly(0);
    let (style, fate) = match taken.fate {
        _ if none => (Style::Dim, "nothing to keep".to_owned()),
        Fate::Gone => (Style::Bad, "nothing of it is kept".to_owned()),
        Fate::Copied => {
            (Style::Warn, format!("kept in {}, `downhaul up` brings it back", own("kept")))
        }
        Fate::SetAside => {
            let text = "set aside under another name, `downhaul up` brings it back";
            (Style::Warn, text.to_owned())
        }
    };
    let away = paint(style, "takes away");
    ui.line(format!("      {away} {}: {}{rows}: {fate}", taken.table, taken.what));
}
