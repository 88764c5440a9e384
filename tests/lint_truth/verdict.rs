//! What Downhaul says about each case, against what was measured.

use std::collections::BTreeSet;

use downhaul_lint::{
    DownPolicy, Effects, KnownQuery, LintOptions, LintReport, MigrationInput, Severity, SourceText,
    TransactionMode, lint_series,
};
use downhaul_syntax::{Change, parse_script};

use crate::data::{Case, Engine, Sample, Set};
use crate::probes::only_rows;

/// What a statement may do to a running system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// The server refuses it.
    Refused,
    /// Traffic waits for as long as a table is large.
    Blocks,
    /// Statements of the running release stop working.
    Breaks,
    /// Values are gone.
    Loses,
    /// `IF NOT EXISTS` does nothing: what is there has another shape.
    Hides,
    /// Settings of the session stay changed.
    Leaves,
    /// A role sees more rows than before.
    Shows,
    /// Writes that were accepted are refused.
    Refuses,
    /// Duplicates or orphans are let in.
    Lets,
    /// A write no longer does what it did.
    Stops,
    /// A name that a statement may use is gone.
    Names,
    /// A table or a column is dropped that is empty here.
    Drops,
    /// Numbers are handed out again.
    Repeats,
}

impl Class {
    pub(crate) const ALL: [Self; 13] = [
        Self::Refused,
        Self::Blocks,
        Self::Breaks,
        Self::Loses,
        Self::Hides,
        Self::Leaves,
        Self::Shows,
        Self::Refuses,
        Self::Lets,
        Self::Stops,
        Self::Names,
        Self::Drops,
        Self::Repeats,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Refused => "the server refuses it",
            Self::Blocks => "traffic or replicas wait as long as the table is large",
            Self::Breaks => "statements of the running release fail",
            Self::Loses => "data is gone",
            Self::Hides => "it silently does nothing, for what is there has another shape",
            Self::Leaves => "settings of the session stay changed",
            Self::Shows => "a role sees rows that it did not see",
            Self::Refuses => "writes that were accepted are refused",
            Self::Lets => "duplicates or orphans are let in",
            Self::Stops => "a write no longer does what it did",
            Self::Names => "a name that statements may use is gone",
            Self::Drops => "a table or column is dropped that is empty here",
            Self::Repeats => "a sequence hands out numbers again",
        }
    }
}

/// One case and the findings about it.
pub(crate) struct Judged {
    pub(crate) case: Case,
    pub(crate) measured: BTreeSet<Class>,
    /// Codes of findings of severity warning or error.
    pub(crate) codes: BTreeSet<&'static str>,
    /// The same where the statements of the running release were given.
    pub(crate) told: BTreeSet<&'static str>,
    /// Of all its statements together.
    pub(crate) effects: Effects,
    /// Tables of the setup, as the measurement names them.
    pub(crate) tables: BTreeSet<String>,
}

/// All of one engine.
pub(crate) struct Score {
    pub(crate) engine: Engine,
    pub(crate) set: Set,
    pub(crate) judged: Vec<Judged>,
}

/// Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) hazardous: usize,
    pub(crate) missed: usize,
    pub(crate) harmless: usize,
    pub(crate) false_alarms: usize,
}

impl Counts {
    pub(crate) fn recall(self) -> f64 {
        ratio(self.hazardous - self.missed, self.hazardous, 1.0)
    }

    pub(crate) fn false_alarm_rate(self) -> f64 {
        ratio(self.false_alarms, self.harmless, 0.0)
    }

    pub(crate) fn add(&mut self, measured: bool, said: bool) {
        match (measured, said) {
            (true, said) => {
                self.hazardous += 1;
                self.missed += usize::from(!said);
            }
            (false, said) => {
                self.harmless += 1;
                self.false_alarms += usize::from(said);
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few hundred")]
pub(crate) fn ratio(part: usize, whole: usize, empty: f64) -> f64 {
    if whole == 0 { empty } else { part as f64 / whole as f64 }
}

/// The analyzer on every case: setup and history replayed, the statement judged. As with a runner
/// that bounds its waits for locks and keeps no restore points.
pub(crate) fn score(sample: &Sample) -> Score {
    let mut options = LintOptions::new(sample.engine.dialect());
    options.down = DownPolicy::Ignored;
    options.restore_points = false;
    let mut told = options.clone();
    // Behind a `SET LOCAL ROLE` stands what the release sends.
    told.queries = sample
        .queries
        .iter()
        .map(|(name, text)| {
            let text = text.rsplit("; ").next().unwrap_or(text);
            KnownQuery::new(format!("{name}.sql"), 1, text)
        })
        .collect();
    let tables = tables(&sample.setup, sample.engine);
    let judged = sample
        .cases
        .iter()
        .map(|case| {
            let migration = |version: &str, text: &str, judged: bool| MigrationInput {
                version: version.to_owned(),
                up: Some(SourceText::new(format!("{version}.sql"), text)),
                judged,
                transactional: if case.outside && judged {
                    TransactionMode::None
                } else {
                    TransactionMode::Wrapped
                },
                ..MigrationInput::default()
            };
            let series = [
                migration("1", &sample.setup, false),
                migration("2", &case.history, false),
                migration("3", &case.statement, true),
            ];
            let report = lint_series(&series, &options);
            let mut effects = Effects::none();
            for statement in &report.effects {
                effects.absorb(&statement.effects);
            }
            Judged {
                case: case.clone(),
                measured: measured(sample.engine, case),
                codes: codes(&report),
                told: codes(&lint_series(&series, &told)),
                effects,
                tables: tables.clone(),
            }
        })
        .collect();
    Score { engine: sample.engine, set: sample.set, judged }
}

fn codes(report: &LintReport) -> BTreeSet<&'static str> {
    let alarms = report.findings.iter().filter(|f| f.severity >= Severity::Warning);
    alarms.map(|f| f.code).filter(|code| counts(code)).collect()
}

/// Names of the tables that a setup makes.
fn tables(setup: &str, engine: Engine) -> BTreeSet<String> {
    let script = parse_script(setup, engine.dialect());
    script
        .statements
        .iter()
        .flat_map(|s| s.changes())
        .filter_map(|c| match c {
            Change::CreateTable { def, .. } => {
                Some(def.name.to_string().trim_start_matches("public.").to_owned())
            }
            _ => None,
        })
        .collect()
}

/// Families about what a statement does to a running system, and row security that is lifted; the
/// others (design, security, phases, ways back) have no measured truth here.
fn counts(code: &str) -> bool {
    code == "SE04" || ["BC", "LK", "DL", "TX", "UN"].iter().any(|family| code.starts_with(family))
}

fn measured(engine: Engine, case: &Case) -> BTreeSet<Class> {
    let truth = &case.truth;
    let mut out = BTreeSet::new();
    if truth.fails.is_some() {
        out.insert(Class::Refused);
    }
    // Replicas of MariaDB, and other writers of SQLite, wait for as long as a table is written anew.
    let anew = engine != Engine::Postgres && !truth.rewrites.is_empty();
    if truth.blocks() || anew || !truth.rows.is_empty() {
        out.insert(Class::Blocks);
    }
    if !truth.breaks.is_empty() {
        out.insert(Class::Breaks);
    }
    if !truth.loses.is_empty() {
        out.insert(Class::Loses);
    }
    if !truth.hides.is_empty() {
        out.insert(Class::Hides);
    }
    if !truth.leaves.is_empty() {
        out.insert(Class::Leaves);
    }
    for (set, class) in [
        (&truth.shows, Class::Shows),
        (&truth.refuses, Class::Refuses),
        (&truth.lets, Class::Lets),
        (&truth.stops, Class::Stops),
        (&truth.names, Class::Names),
        (&truth.drops, Class::Drops),
        (&truth.repeats, Class::Repeats),
    ] {
        if !set.is_empty() {
            out.insert(class);
        }
    }
    out
}

impl Judged {
    /// The analyzer says that it may do this.
    pub(crate) fn says(&self, class: Class) -> bool {
        let any = |families: &[&str]| {
            self.codes.iter().any(|c| families.iter().any(|f| c.starts_with(f)))
        };
        match class {
            // Whether rows refuse it is not to be seen from the schema: a warning of any kind
            // about the statement counts.
            Class::Refused => !self.codes.is_empty(),
            Class::Blocks => any(&["LK"]),
            Class::Breaks => any(&["BC", "SE04"]),
            Class::Loses | Class::Drops => any(&["DL"]),
            Class::Hides => any(&["TX08"]),
            Class::Leaves => any(&["TX07"]),
            Class::Shows => any(&["SE04"]),
            Class::Refuses | Class::Lets | Class::Stops | Class::Names => any(&["BC"]),
            Class::Repeats => any(&["DL"]),
        }
    }

    pub(crate) fn missed(&self) -> bool {
        !self.measured.is_empty() && self.codes.is_empty()
    }

    pub(crate) fn false_alarm(&self) -> bool {
        self.measured.is_empty() && !self.codes.is_empty() && !self.idle()
    }

    /// It was there to change rows, and changed none: neither a hazard nor harmless. Where it does more
    /// than that, an alarm about something else is one without need.
    pub(crate) fn idle(&self) -> bool {
        const OF_ROWS: &[&str] = &["DL02", "DL03", "DL08", "DL09", "LK19"];
        let of_rows = || self.codes.iter().all(|code| OF_ROWS.contains(code));
        self.measured.is_empty()
            && self.case.truth.idle
            && (only_rows(&self.case.statement) || of_rows())
    }

    /// With the statements of the release given, a name that none of them uses is no hazard.
    fn hazardous_to_release(&self) -> bool {
        self.measured.iter().any(|class| *class != Class::Names)
    }

    pub(crate) fn missed_with_queries(&self) -> bool {
        self.hazardous_to_release() && self.told.is_empty()
    }

    pub(crate) fn false_alarm_with_queries(&self) -> bool {
        !self.hazardous_to_release() && !self.told.is_empty() && !self.idle()
    }

    /// The verdict is another than the measurement, without or with the queries.
    pub(crate) fn wrong(&self) -> bool {
        self.missed()
            || self.false_alarm()
            || self.missed_with_queries()
            || self.false_alarm_with_queries()
    }

    /// The statement and what ran before it, for people.
    pub(crate) fn title(&self) -> String {
        if self.case.history.is_empty() {
            format!("`{}`", self.case.statement)
        } else {
            format!("`{}` after `{}`", self.case.statement, self.case.history)
        }
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        let codes: Vec<&str> = self.codes.iter().copied().collect();
        let said =
            if codes.is_empty() { String::new() } else { format!("; says {}", codes.join(" ")) };
        format!("{}: {}{said}", self.title(), self.case.truth)
    }
}

impl Score {
    /// Any hazard, any finding.
    pub(crate) fn overall(&self) -> Counts {
        let mut counts = Counts::default();
        for judged in self.judged.iter().filter(|j| !j.idle()) {
            counts.add(!judged.measured.is_empty(), !judged.codes.is_empty());
        }
        counts
    }

    /// The same with the statements of the running release given to the analyzer.
    pub(crate) fn with_queries(&self) -> Counts {
        let mut counts = Counts::default();
        for judged in self.judged.iter().filter(|j| !j.idle()) {
            counts.add(judged.hazardous_to_release(), !judged.told.is_empty());
        }
        counts
    }

    /// One class; what a refused statement would do is not known.
    pub(crate) fn class(&self, class: Class) -> Counts {
        let mut counts = Counts::default();
        for judged in &self.judged {
            if class == Class::Refused {
                if judged.measured.contains(&class) {
                    counts.add(true, judged.says(class));
                }
            } else if !judged.measured.contains(&Class::Refused) {
                counts.add(judged.measured.contains(&class), judged.says(class));
            }
        }
        counts
    }
}
