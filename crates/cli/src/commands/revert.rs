//! `downhaul revert`: back to what a release ran on, with a word before and a report behind.

use downhaul_run::footing::Footing;
use downhaul_run::{Applied, DownPlan};
use downhaul_snapshot::restore::Restored;

use crate::args::{DownArgs, Global, RevertArgs};
use crate::error::CliError;
use crate::exit_code::Code;
use crate::ui::{Style, Ui, count, paint};

/// As `down --to-release`.
pub async fn run(global: &Global, args: &RevertArgs, ui: &Ui) -> Result<Code, CliError> {
    let down = DownArgs {
        place: args.place.clone(),
        to: None,
        to_release: Some(args.to_release.clone()),
        to_time: None,
        steps: 1,
        all: false,
        yes: args.yes,
        preview: args.preview,
        use_edited_down: args.use_edited_down,
        protect: None,
        hooks: args.hooks.clone(),
        waiting: args.waiting.clone(),
    };
    super::down::run(global, &down, ui).await
}

/// Whether the release can live with what comes out.
pub(crate) fn verdict(release: &str, footing: &Footing, plan: &DownPlan, ui: &Ui) {
    ui.line(format!(
        "  {release} ran on {} (run {}, {})",
        footing.head, footing.run.id, footing.run.started_at
    ));
    if footing.is_the_same() {
        ui.line(format!(
            "  {} {release} can live with the result: the schema is the one that it knew",
            paint(Style::Good, "ok     ")
        ));
    }
    let warn = |text: String| ui.line(format!("  {} {text}", paint(Style::Warn, "warning")));
    for label in &footing.strangers {
        warn(format!(
            "{label} was applied after {release} went out, and stays: try {release} with it"
        ));
    }
    for object in &footing.drift {
        warn(format!(
            "{object} was changed by hand, and stays as it is (`downhaul verify` shows how)"
        ));
    }
    for (label, table) in &footing.not_kept {
        warn(format!(
            "{label} destroyed something of {table} and nothing of it is kept (there was none, or it was given up): it comes back empty"
        ));
    }
    if !footing.later.is_empty() && !plan.migrations.is_empty() {
        warn(format!(
            "{} went out since and {} what goes: stop {} first",
            footing.later.join(", "),
            if footing.later.len() == 1 { "needs" } else { "need" },
            if footing.later.len() == 1 { "it" } else { "them" }
        ));
    }
}

/// What came back, what stays as it was written since, and what has no place any more.
pub(crate) fn report(release: &str, footing: &Footing, done: &[Applied], ui: &Ui) {
    ui.line(paint(
        Style::Bold,
        format!("{release} finds what it ran on: {} is the newest", footing.head),
    ));
    let restored: Vec<&Restored> = done.iter().flat_map(|applied| &applied.restored).collect();
    let rows: u64 = restored.iter().map(|r| r.rows).sum();
    let updated: u64 = restored.iter().map(|r| r.updated).sum();
    let kept_new: u64 = restored.iter().map(|r| r.kept_new).sum();
    ui.line(format!(
        "  {} {}, and values in {}",
        paint(Style::Good, "back   "),
        count(rows, "row"),
        count(updated, "row")
    ));
    ui.line(format!(
        "  {} every row that was written since{}",
        paint(Style::Good, "stays  "),
        match kept_new {
            0 => String::new(),
            n => format!(", and {} in place of older ones", count(n, "value")),
        }
    ));
    let mut whole = true;
    for one in &restored {
        let Some(store) = &one.remains_in else { continue };
        whole = false;
        ui.line(format!(
            "  {} {}: {}; the old values lie in {store}",
            paint(Style::Warn, "not    "),
            one.table,
            crate::progress::left_behind(one).join(", ")
        ));
    }
    for object in done.iter().flat_map(|applied| &applied.left) {
        whole = false;
        ui.line(format!("  {} {object} is not as it was", paint(Style::Warn, "not    ")));
    }
    for (label, table) in &footing.not_kept {
        whole = false;
        ui.line(format!(
            "  {} what {label} destroyed of {table}: nothing of it was kept",
            paint(Style::Warn, "not    ")
        ));
    }
    if whole {
        ui.line(format!("  {} nothing was left behind", paint(Style::Good, "ok     ")));
    }
}
