//! What is told while a run goes on: lines for people, bars on a terminal, JSON for programs.

use std::time::{Duration, Instant};

use downhaul_engine::Blocker;
use downhaul_plan::Direction;
use downhaul_run::{Event, Observer};
use downhaul_snapshot::in_parts::Copied;
use downhaul_snapshot::restore::Restored;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::CliError;
use crate::ui::{Style, Ui, count, duration, paint, thousands};

/// What could not go back, and why.
pub(crate) fn left_behind(restored: &Restored) -> Vec<String> {
    let reasons = [
        (restored.orphans, "deleted since"),
        (restored.conflicts, "replaced or changed since"),
        (restored.parentless, "pointing to a row deleted since"),
    ];
    reasons
        .into_iter()
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, why)| format!("{} {why}", count(rows, "row")))
        .collect()
}

/// Shows a run as it goes.
#[derive(Debug)]
pub struct Progress<'a> {
    ui: &'a Ui,
    indent: &'static str,
    notes: Vec<String>,
    bars: Option<Bars>,
    silent: bool,
    copy: Option<Copy>,
}

/// A copy that is going on.
#[derive(Debug)]
struct Copy {
    begun: Instant,
    /// When the next line is due, after the beginning.
    due: Duration,
}

/// When the first line of a copy is due, and how far those after it are apart at the most.
const FIRST: Duration = Duration::from_secs(5);
const APART: Duration = Duration::from_secs(60);

impl Copy {
    fn new() -> Self {
        Self { begun: Instant::now(), due: FIRST }
    }

    /// The line, if one is due after so long: each takes twice as long as the one before.
    fn line(&mut self, table: &str, copied: Copied, passed: Duration) -> Option<String> {
        if passed < self.due {
            return None;
        }
        self.due = passed + passed.min(APART);
        let rows = thousands(copied.rows);
        let Copied { total, about, .. } = copied;
        let done = match (total, about) {
            (0, _) => format!("{rows} rows"),
            (total, true) => format!("{rows} of about {} rows", thousands(total)),
            (total, false) => format!("{rows} of {} rows", thousands(total)),
        };
        // Rows are far below 2^52.
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = copied.rows as f64 / passed.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a time for people")]
        let left = total.saturating_sub(copied.rows) as f64 / rate.max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive")]
        let per_second = thousands(rate as u64);
        let left = match total {
            0 => String::new(),
            _ => format!(", {} left", duration(Duration::from_secs_f64(left.round()))),
        };
        Some(format!("{table}: {done}, {per_second} rows/s{left}"))
    }
}

impl<'a> Progress<'a> {
    /// Shows on an interface.
    #[must_use]
    pub fn new(ui: &'a Ui, indent: &'static str) -> Self {
        Self {
            ui,
            indent,
            notes: Vec::new(),
            bars: ui.can_draw().then(Bars::new),
            silent: false,
            copy: None,
        }
    }

    /// Tells nothing but the events of `--log json`: the result is for a program.
    #[must_use]
    pub fn of_events(ui: &'a Ui) -> Self {
        Self { ui, indent: "", notes: Vec::new(), bars: None, silent: true, copy: None }
    }

    fn line(&self, text: impl AsRef<str>) {
        if self.silent {
            return;
        }
        match &self.bars {
            Some(bars) => bars.all.suspend(|| self.ui.line(text)),
            None => self.ui.line(text),
        }
    }

    fn blockers(&self, blockers: &[Blocker]) {
        for blocker in blockers {
            self.line(format!("{}    {blocker}", self.indent));
        }
    }

    fn restored(&mut self, restored: &Restored) {
        let indent = self.indent;
        let mut parts = Vec::new();
        if restored.rows > 0 {
            parts.push(count(restored.rows, "row"));
        }
        if restored.updated > 0 {
            parts.push(format!(
                "{} in {}",
                restored.columns.join(", "),
                count(restored.updated, "row")
            ));
        }
        if parts.is_empty() {
            parts.push("nothing was missing".into());
        }
        if restored.kept_new > 0 {
            parts.push(match restored.kept_new {
                1 => "1 value written since stays".to_owned(),
                n => format!("{} values written since stay", thousands(n)),
            });
        }
        if restored.defaulted > 0 {
            parts.push(match restored.defaulted {
                1 => "1 row written since gets the default".to_owned(),
                n => format!("{} rows written since get the default", thousands(n)),
            });
        }
        self.notes.push(format!(
            "{indent}    {} {}: {}",
            paint(Style::Accent, "restored"),
            restored.table,
            parts.join("; ")
        ));
        if let Some(store) = &restored.remains_in {
            self.notes.push(format!(
                "{indent}    {} {}; they stay in {store}",
                paint(Style::Warn, "left    "),
                left_behind(restored).join(", "),
            ));
        }
    }
}

impl Observer for Progress<'_> {
    fn event(&mut self, event: Event<'_>) {
        if self.ui.logs_json() {
            self.ui.remark(event_line(&event));
        }
        if let Some(bars) = &mut self.bars {
            bars.event(&event);
        }
        let indent = self.indent;
        match event {
            Event::Keeping { .. } => self.copy = Some(Copy::new()),
            Event::Copying { table, copied } => {
                let copy = self.copy.get_or_insert_with(Copy::new);
                let line = copy.line(table, copied, copy.begun.elapsed());
                if let Some(line) = line.filter(|_| self.bars.is_none()) {
                    self.line(format!("{indent}  {} {line}", paint(Style::Dim, "keeping")));
                }
            }
            Event::Planned { .. }
            | Event::Started { .. }
            | Event::Progress { .. }
            | Event::Statement { .. } => self.copy = None,
            Event::Kept(kept) => self.notes.push(format!(
                "{indent}    {} {}: {} ({})",
                paint(Style::Accent, "kept    "),
                kept.table,
                kept.what,
                count(kept.rows, "row")
            )),
            Event::Completed { object, done } => self.notes.push(if done {
                format!(
                    "{indent}    {} {object}, which the down file forgot",
                    paint(Style::Accent, "mended  ")
                )
            } else {
                format!(
                    "{indent}    {} {object} differs from what it was; it holds data, so it is left",
                    paint(Style::Warn, "differs ")
                )
            }),
            Event::Forgotten { object, why, by_hand } => {
                self.notes.push(format!(
                    "{indent}    {} {object}, which the down file forgot: {why}",
                    paint(Style::Warn, "missing ")
                ));
                self.notes.push(format!("{indent}             by hand: {by_hand}"));
            }
            Event::Restored(restored) => self.restored(restored),
            Event::Waiting { blockers, pause, queued } => {
                let what = if queued {
                    "a lock is held by another session; rolled back, trying again in"
                } else {
                    "a long transaction uses the table; not queueing behind it, looking again in"
                };
                self.line(format!(
                    "{indent}  {} {what} {}",
                    paint(Style::Warn, "waiting"),
                    duration(pause)
                ));
                self.blockers(blockers);
            }
            Event::Held { blockers } => {
                self.line(format!(
                    "{indent}  {} for older transactions to end; nobody queues behind this statement",
                    paint(Style::Dim, "waiting"),
                ));
                self.blockers(blockers);
            }
            Event::Ended(blocker) => {
                self.line(format!("{indent}  {} {blocker}", paint(Style::Warn, "ended  ")));
            }
            Event::Done { label, direction, took } => {
                let arrow = match direction {
                    Direction::Up => "↑",
                    Direction::Down => "↓",
                };
                self.line(format!(
                    "{indent}  {} {label:<40} {}",
                    paint(Style::Good, arrow),
                    paint(Style::Dim, duration(took))
                ));
                for note in std::mem::take(&mut self.notes) {
                    self.line(note);
                }
            }
            Event::Note(text) => {
                self.line(format!("{indent}  {} {text}", paint(Style::Dim, "note")));
            }
        }
    }
}

/// Two bars: migrations, and the statement or copy that is going on.
#[derive(Debug)]
struct Bars {
    all: MultiProgress,
    migrations: ProgressBar,
    work: Option<ProgressBar>,
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let migrations = all.add(ProgressBar::no_length());
        migrations.set_style(style("{spinner} {bar:24} {pos}/{len}  {per_sec}, {eta} left  {msg}"));
        Self { all, migrations, work: None }
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Planned { migrations } => {
                self.migrations.set_length(*migrations as u64);
                self.migrations.enable_steady_tick(Duration::from_millis(200));
            }
            Event::Started { label, .. } => self.migrations.set_message((*label).to_owned()),
            Event::Keeping { table } => {
                let work = self.work();
                work.set_style(style("  {spinner} keeping {msg}  {elapsed}"));
                work.set_message((*table).to_owned());
                work.enable_steady_tick(Duration::from_millis(200));
            }
            Event::Copying { table, copied } => {
                let work = self.work();
                if copied.total > 0 {
                    let about = if copied.about { "~" } else { "" };
                    work.set_style(style(&format!(
                        "  {{bar:12}} {{percent}}%  {{human_pos}} of {about}{{human_len}} rows, {{per_sec}}, {{eta}} left  {{msg}}"
                    )));
                    work.set_length(copied.total);
                } else {
                    work.set_style(style("  {spinner} {human_pos} rows, {per_sec}  {msg}"));
                }
                work.set_position(copied.rows);
                work.set_message(format!("keeping {table}"));
            }
            Event::Progress { what, done, total } => {
                let work = self.work();
                if *total > 0 {
                    work.set_style(style("  {bar:24} {percent}%  {per_sec}, {eta} left  {msg}"));
                    work.set_length(*total);
                } else {
                    work.set_style(style("  {spinner} {human_pos}  {per_sec}  {msg}"));
                }
                work.set_position(*done);
                work.set_message((*what).to_owned());
            }
            Event::Kept(_) | Event::Statement { .. } => self.rest(),
            Event::Done { .. } => {
                self.rest();
                self.migrations.inc(1);
            }
            _ => {}
        }
    }

    fn work(&mut self) -> &ProgressBar {
        let all = &self.all;
        self.work.get_or_insert_with(|| all.add(ProgressBar::no_length()))
    }

    fn rest(&mut self) {
        if let Some(work) = self.work.take() {
            work.finish_and_clear();
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.rest();
        self.migrations.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("templates are fixed, and each was drawn by a test")
        .progress_chars("━╸ ")
}

/// Now, as the journal writes it.
fn now() -> String {
    crate::moment::iso(Timestamp::now())
}

fn line(event: &str, fields: Value) -> String {
    let mut object = json!({ "version": 1, "at": now(), "event": event });
    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
        object.extend(fields);
    }
    object.to_string()
}

/// An error, with what state the database is in, as one line.
#[must_use]
pub(crate) fn error_line(error: &CliError) -> String {
    line(
        "error",
        json!({
            "message": error.message,
            "detail": error.detail,
            "state": error.state,
            "next": error.hint,
            "exit_code": error.code as i32,
        }),
    )
}

fn blocker(blocker: &Blocker) -> Value {
    json!({
        "pid": blocker.id,
        "user": blocker.user,
        "client": blocker.client,
        "application": blocker.application,
        "state": blocker.state,
        "query": blocker.query,
        "transaction_ms": blocker.transaction.map(millis),
        "idle_ms": blocker.idle.map(millis),
        "holds": blocker.holds,
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An event as one line; the fields are documented in docs/json-format.md.
fn event_line(event: &Event<'_>) -> String {
    let list = |blockers: &[Blocker]| blockers.iter().map(blocker).collect::<Vec<_>>();
    match event {
        Event::Planned { migrations } => line("planned", json!({ "migrations": migrations })),
        Event::Started { label, direction, statements } => line(
            "started",
            json!({ "migration": label, "direction": direction, "statements": statements }),
        ),
        Event::Keeping { table } => line("keeping", json!({ "table": table })),
        Event::Copying { table, copied } => line(
            "copying",
            json!({
                "table": table,
                "rows": copied.rows,
                "total": copied.total,
                "estimated": copied.about,
            }),
        ),
        Event::Kept(kept) => {
            line("kept", json!({ "table": kept.table, "what": kept.what, "rows": kept.rows }))
        }
        Event::Statement { sql, took } => {
            line("statement", json!({ "sql": sql, "ms": millis(*took) }))
        }
        Event::Progress { what, done, total } => {
            line("progress", json!({ "what": what, "done": done, "total": total }))
        }
        Event::Waiting { blockers, pause, queued } => line(
            "waiting",
            json!({ "queued": queued, "pause_ms": millis(*pause), "blockers": list(blockers) }),
        ),
        Event::Held { blockers } => line("held", json!({ "blockers": list(blockers) })),
        Event::Ended(ended) => line("ended", json!({ "blocker": blocker(ended) })),
        Event::Completed { object, done } => {
            line("completed", json!({ "object": object, "done": done }))
        }
        Event::Forgotten { object, why, by_hand } => {
            line("forgotten", json!({ "object": object, "why": why, "by_hand": by_hand }))
        }
        Event::Restored(restored) => line(
            "restored",
            json!({
                "table": restored.table,
                "rows": restored.rows,
                "updated": restored.updated,
                "columns": restored.columns,
                "kept_new": restored.kept_new,
                "defaulted": restored.defaulted,
                "conflicts": restored.conflicts,
                "orphans": restored.orphans,
                "parentless": restored.parentless,
                "remains_in": restored.remains_in,
            }),
        ),
        Event::Done { label, direction, took } => {
            line("done", json!({ "migration": label, "direction": direction, "ms": millis(*took) }))
        }
        Event::Note(text) => line("note", json!({ "text": text })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    /// Every template is valid, and the bars show rate and time left.
    #[test]
    fn bars_are_drawn() {
        let term = InMemoryTerm::new(10, 140);
        let mut bars = Bars::new();
        // Without a refresh rate every drawing that is asked for is done; with one, whether a
        // drawing comes too soon after the last is a matter of the machine's load.
        bars.all.set_draw_target(ProgressDrawTarget::term_like(Box::new(term.clone())));
        bars.event(&Event::Planned { migrations: 4 });
        bars.event(&Event::Started { label: "0007_slim", direction: Direction::Up, statements: 2 });
        bars.event(&Event::Keeping { table: "orders" });
        let copied = Copied { rows: 1_500_000, total: 3_000_000, about: true };
        bars.event(&Event::Copying { table: "orders", copied: Copied { total: 0, ..copied } });
        bars.event(&Event::Copying { table: "orders", copied });
        bars.work.iter().for_each(ProgressBar::force_draw);
        let shown = term.contents();
        assert!(shown.contains("50%  1,500,000 of ~3,000,000 rows"), "{shown}");
        assert!(shown.contains("left  keeping orders"), "{shown}");
        bars.event(&Event::Progress { what: "index: building", done: 0, total: 0 });
        bars.event(&Event::Progress { what: "index: building", done: 25, total: 100 });
        bars.work.iter().for_each(ProgressBar::force_draw);
        bars.migrations.force_draw();
        let shown = term.contents();
        assert!(shown.contains("0/4") && shown.contains("0007_slim"), "{shown}");
        assert!(shown.contains("25%") && shown.contains("left"), "{shown}");
        bars.event(&Event::Done {
            label: "0007_slim",
            direction: Direction::Up,
            took: Duration::ZERO,
        });
        bars.migrations.force_draw();
        assert!(term.contents().contains("1/4"), "{}", term.contents());
        drop(bars);
        assert_eq!(term.contents(), "");
    }

    /// A long copy has a line now and then, ever more rarely.
    #[test]
    fn a_copy_is_told_of_in_lines() {
        let mut copy = Copy::new();
        let copied = Copied { rows: 1_000_000, total: 4_000_000, about: false };
        let second = Duration::from_secs(1);
        assert_eq!(copy.line("orders", copied, second), None);
        assert_eq!(
            copy.line("orders", copied, 10 * second).as_deref(),
            Some("orders: 1,000,000 of 4,000,000 rows, 100,000 rows/s, 30.0 s left")
        );
        assert_eq!(copy.line("orders", copied, 19 * second), None);
        let unknown = Copied { total: 0, ..copied };
        assert_eq!(
            copy.line("orders", unknown, 20 * second).as_deref(),
            Some("orders: 1,000,000 rows, 50,000 rows/s")
        );
        assert_eq!(copy.line("orders", unknown, 39 * second), None);
    }
}
