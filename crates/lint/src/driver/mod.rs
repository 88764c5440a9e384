//! Replays a series of migrations and asks the rules.

mod certain;
mod known_queries;
mod publish;
mod session;

use std::cell::RefCell;
use std::collections::BTreeSet;

use downhaul_catalog::{Catalog, Origin, Problem};
use downhaul_syntax::{
    Change, Dialect, Directive, DirectiveKind, Parsed, Script, Span, parse_script,
};

use crate::context::{ChangeContext, MigrationContext, SeriesFacts};
use crate::down;
use crate::effects::rebuilt::Remade;
use crate::effects::{self, Effects, Scene, StatementEffects};
use crate::facts::{MigrationFacts, Phase};
use crate::finding::{Draft, LintReport};
use crate::input::{LintOptions, MigrationInput, RuleSetting, SourceText};
use crate::queries::{Broken, QueryIndex};
use crate::rule::{Check, Rule};
use crate::rules::all_rules;
use crate::state::State;
use session::Session;

/// Judges a series of migrations, in the order in which they run.
///
/// Each is parsed once, and each statement of a judged up is judged against the catalog that all
/// before it left. Never panics; time is linear in the number of migrations.
#[must_use]
pub fn lint_series(migrations: &[MigrationInput], options: &LintOptions) -> LintReport {
    let catalog = options.baseline.clone().unwrap_or_else(|| Catalog::new(options.dialect));
    // An edited or late migration stands among those that are out already.
    let first_judged = migrations
        .iter()
        .position(|m| m.judged && !m.edited && !m.out_of_order)
        .unwrap_or(migrations.len());
    let mut run = Run {
        options,
        change_rules: Vec::new(),
        migration_rules: Vec::new(),
        queries: QueryIndex::new(&options.queries, options.dialect),
        paired: migrations.iter().any(|m| m.down.is_some()),
        history_known: options.baseline.is_some(),
        history_broken: false,
        doubt: false,
        catalog,
        seeds: effects::seeds::Seeds::default(),
        series: SeriesFacts { deployment: first_judged, ..SeriesFacts::default() },
        report: LintReport::default(),
    };
    for rule in all_rules().iter().copied().filter(|r| is_on(r, options)) {
        match rule.check {
            Check::Change(check) => run.change_rules.push((rule, check)),
            Check::Migration(check) => run.migration_rules.push((rule, check)),
            Check::Driver => {}
        }
    }
    for (index, migration) in migrations.iter().enumerate() {
        // One at a time: a thread that parses ahead takes as much CPU time and more memory.
        let scripts = Scripts::parse(migration, options.dialect);
        run.series.deployment =
            if options.one_deployment { first_judged.min(index) } else { index };
        if migration.judged {
            run.judge(index, migration, scripts);
        } else {
            run.replay(index, scripts);
        }
        run.remember(migration);
    }
    run.about_queries();
    run.report
}

fn is_on(rule: &Rule, options: &LintOptions) -> bool {
    if !rule.dialects.contains(&options.dialect) {
        return false;
    }
    match options.rules.get(rule.code) {
        Some(RuleSetting::Off) => false,
        Some(RuleSetting::On | RuleSetting::Severity(_)) => true,
        None => rule.default_on,
    }
}

/// The parsed texts of a migration. Of one that is not judged only the up.
struct Scripts {
    up: Option<Script>,
    down: Option<Script>,
}

impl Scripts {
    fn parse(migration: &MigrationInput, dialect: Dialect) -> Self {
        let parse = |source: &SourceText| parse_script(&source.text, dialect);
        Self {
            up: migration.up.as_ref().map(parse),
            down: migration.down.as_ref().filter(|_| migration.judged).map(parse),
        }
    }
}

type ChangeCheck = fn(&ChangeContext<'_>) -> Option<Draft>;
type MigrationCheck = fn(&MigrationContext<'_>) -> Vec<Draft>;

/// A draft and the rule that made it.
type Drafted = (&'static Rule, Draft);

struct Run<'o> {
    options: &'o LintOptions,
    change_rules: Vec<(&'static Rule, ChangeCheck)>,
    migration_rules: Vec<(&'static Rule, MigrationCheck)>,
    queries: QueryIndex,
    paired: bool,
    /// What the catalog lacks does not exist.
    history_known: bool,
    /// A migration named a table that nothing had created: the series is not the whole history.
    history_broken: bool,
    /// Code ran that may have dropped what the catalog still holds.
    doubt: bool,
    catalog: Catalog,
    seeds: effects::seeds::Seeds,
    series: SeriesFacts,
    report: LintReport,
}

impl Run<'_> {
    /// History: replayed, not judged.
    fn replay(&mut self, index: usize, scripts: Scripts) {
        let Some(script) = scripts.up else { return };
        let expands = |d: &Directive| d.kind == DirectiveKind::Phase("expand".to_owned());
        if script.directives.iter().any(expands) {
            self.series.expands += 1;
            self.series.last_expand = Some(index);
        }
        for (_, _, problem) in self.catalog.apply_script(&script, Origin::Series(index)) {
            self.note_history(&problem);
        }
        let state = State {
            catalog: &self.catalog,
            options: self.options,
            deployment: self.series.deployment,
            history_known: self.history_known,
        };
        for statement in &script.statements {
            for change in statement.changes() {
                self.seeds.note(change, &statement.text, &state);
            }
        }
        self.doubt |= script.statements.iter().flat_map(|s| s.changes()).any(hides_changes);
    }

    fn note_history(&mut self, problem: &Problem) {
        if matches!(problem, Problem::Missing { kind, .. } if kind == "table") {
            self.history_broken = true;
        }
    }

    /// What later migrations want to know of this one.
    fn remember(&mut self, migration: &MigrationInput) {
        if self.options.baseline.is_none() {
            self.history_known = !self.history_broken && !self.catalog.tables.is_empty();
        }
        self.series
            .versions
            .entry(migration.version.clone())
            .or_insert_with(|| path_of(migration).to_owned());
    }

    fn judge(&mut self, index: usize, migration: &MigrationInput, scripts: Scripts) {
        self.report.summary.migrations += 1;
        let Scripts { up: up_script, down: down_script } = scripts;
        let up = facts_of(migration, migration.up.as_ref(), up_script.as_ref());
        let down = facts_of(migration, migration.down.as_ref(), down_script.as_ref());
        let replay = down.as_ref().map(|facts| {
            let mut replay = down::replay(
                &self.catalog,
                up_script.as_ref(),
                facts,
                self.options,
                self.history_known,
                index,
            );
            replay.problems.retain(|p| {
                p.known && matches!(p.problem, Problem::Missing { .. })
                    || self.is_certain(&p.problem, p.change)
            });
            replay
        });

        let mut drafts: Vec<Drafted> = Vec::new();
        let mut failures = Vec::new();
        let broken = match &up_script {
            Some(script) => self.broken_queries(script, index),
            None => Vec::new(),
        };
        let effects = match &up {
            Some(facts) => {
                self.judge_up(index, migration, facts, &broken, &mut drafts, &mut failures)
            }
            None => Vec::new(),
        };
        let context = MigrationContext {
            input: migration,
            after: State {
                catalog: &self.catalog,
                options: self.options,
                deployment: self.series.deployment,
                history_known: self.history_known,
            },
            up: up.as_ref(),
            effects: &effects,
            failures: &failures,
            down: down.as_ref(),
            replay: replay.as_ref(),
            series: &self.series,
            paired: self.paired,
        };
        for (rule, check) in &self.migration_rules {
            drafts.extend(check(&context).into_iter().map(|draft| (*rule, draft)));
        }
        if let Some(facts) = &up
            && facts.phase == Some(Phase::Expand)
        {
            self.series.expands += 1;
            self.series.last_expand = Some(index);
        }
        self.report.summary.statements += [&up_script, &down_script]
            .into_iter()
            .flatten()
            .map(|s| s.statements.len())
            .sum::<usize>();
        self.report.summary.not_understood += [&up_script, &down_script]
            .into_iter()
            .flatten()
            .flat_map(|s| &s.statements)
            .filter(|s| matches!(s.parsed, Parsed::Unparsed(_)))
            .count();
        self.publish(migration, up.as_ref(), down.as_ref(), drafts);
    }

    /// Judges each change of the up and applies it. Returns the effects of each item.
    fn judge_up(
        &mut self,
        index: usize,
        migration: &MigrationInput,
        facts: &MigrationFacts<'_>,
        broken: &[Broken],
        drafts: &mut Vec<Drafted>,
        failures: &mut Vec<(Span, Problem)>,
    ) -> Vec<Effects> {
        let mut effects = vec![Effects::none(); facts.items.len()];
        let mut session = Session::new();
        for statement in &facts.statements {
            session.enter(statement.transaction);
            let changes = statement.statement.changes();
            if matches!(statement.statement.parsed, Parsed::Unparsed(_)) {
                self.catalog.uncertain = true;
            }
            let mut whole = Effects::none();
            for clause in self.catalog.begin_statement(changes, &statement.statement.text) {
                let broken: Vec<&Broken> = broken
                    .iter()
                    .filter(|b| b.statement == statement.index && b.clause == clause)
                    .collect();
                let mut unsaid: BTreeSet<usize> = broken.iter().map(|b| b.query).collect();
                let last =
                    statement.items.clone().rev().find(|at| facts.items[*at].clause == clause);
                for at in statement.items.clone() {
                    let item = &facts.items[at];
                    if item.clause != clause {
                        continue;
                    }
                    let state = State {
                        catalog: &self.catalog,
                        options: self.options,
                        deployment: self.series.deployment,
                        history_known: self.history_known,
                    };
                    let scene = Scene {
                        state,
                        settings: &session.settings,
                        online: statement.online,
                        siblings: changes,
                        in_rebuild: facts.in_rebuild(at),
                        remade: Remade::at(at, &facts.items, &facts.rebuilds, &state),
                        statement: if item.nested { "" } else { &statement.statement.text },
                        dropped: &session.dropped,
                        seeds: &self.seeds,
                        later: &facts.items[at + 1..],
                    };
                    let mut mine = effects::effects(item.change, &scene);
                    if !item.nested && !self.catalog.uncertain {
                        for reason in effects::refused::refused(item.change, &scene) {
                            failures.push((item.span, Problem::Refused { reason: reason.clone() }));
                            mine.fails.push(reason);
                        }
                    }
                    // Rules of their own say these.
                    let sent_whole = facts.sent_whole_by.is_some() && !self.options.restore_points;
                    let in_block = statement.in_block || item.nested || sent_whole;
                    mine.fails.extend(effects::refused_in_block::by_circumstance(
                        item.change,
                        &scene,
                        in_block,
                    ));
                    let mut context = ChangeContext {
                        change: item.change,
                        span: item.span,
                        scene: &scene,
                        effects: &mine,
                        facts,
                        statement,
                        index: at,
                        held: &session.held,
                        queries: &self.queries,
                        broken: broken.clone(),
                        named: RefCell::default(),
                        unsaid: BTreeSet::new(),
                    };
                    for (rule, check) in &self.change_rules {
                        if !broken.is_empty() {
                            context.named.borrow_mut().clear();
                            context.unsaid =
                                if last == Some(at) { unsaid.clone() } else { BTreeSet::new() };
                        }
                        if let Some(mut draft) = check(&context) {
                            let named = context.named.take();
                            for broken in broken.iter().filter(|b| named.contains(&b.query)) {
                                unsaid.remove(&broken.query);
                                draft.queries.extend(self.queries.report(broken));
                            }
                            let key = (rule.code, statement.transaction);
                            if draft.once && !session.said.insert(key) {
                                continue;
                            }
                            draft.span.get_or_insert(item.span);
                            drafts.push((*rule, draft));
                        }
                    }
                    let dropped = effects::dropped::drops(item.change, &scene.state);
                    session.dropped.extend(dropped);
                    let text = if item.nested { "" } else { statement.statement.text.as_str() };
                    self.seeds.note(item.change, text, &state);
                    session.note(item.change);
                    self.doubt |= hides_changes(item.change);
                    whole.absorb(&mine);
                    effects[at] = mine;
                }
                let problems = self.catalog.apply(&changes[clause], Origin::Series(index));
                for problem in problems {
                    let said = whole.fails.contains(&problem.to_string());
                    let text = &statement.statement.text;
                    let excused = matches!(problem, Problem::Missing { .. })
                        && (alters_if_exists(text)
                            || self.is_text_to_sqlite(&problem, &changes[clause], text));
                    if !said && !excused && self.is_certain(&problem, &changes[clause]) {
                        let span = facts.script.statements[statement.index]
                            .change_spans
                            .get(clause)
                            .copied()
                            .unwrap_or(statement.statement.span);
                        failures.push((span, problem.clone()));
                        whole.fails.push(problem.to_string());
                    }
                    self.note_history(&problem);
                }
            }
            self.catalog.end_statement();
            session.hold(&whole, statement.line, statement.index);
            if !whole.is_empty() {
                self.report.effects.push(StatementEffects {
                    file: facts.path.to_owned(),
                    version: migration.version.clone(),
                    statement: statement.index,
                    span: statement.statement.span,
                    start: facts.lines.position(facts.source, statement.statement.span.start),
                    effects: whole,
                });
            }
        }
        effects
    }
}

/// What is known of one text of a migration, where there is one.
fn facts_of<'s>(
    migration: &MigrationInput,
    source: Option<&'s SourceText>,
    script: Option<&'s Script>,
) -> Option<MigrationFacts<'s>> {
    let (source, script) = source.zip(script)?;
    let transactional = source.transactional.unwrap_or(migration.transactional);
    Some(MigrationFacts::new(source, script, transactional))
}

/// `ALTER TABLE IF EXISTS …`, of any kind of object.
fn alters_if_exists(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().take(5).map(str::to_uppercase).collect();
    words.first().is_some_and(|w| w == "ALTER")
        && words.windows(2).any(|w| w[0] == "IF" && w[1] == "EXISTS")
}

fn path_of(migration: &MigrationInput) -> &str {
    match (&migration.up, &migration.down) {
        (Some(source), _) | (None, Some(source)) => &source.path,
        (None, None) => &migration.path,
    }
}

/// Code whose statements are not all known.
fn hides_changes(change: &Change) -> bool {
    match change {
        Change::Call { .. } | Change::DynamicUnknown { .. } => true,
        Change::Do { body: changes, .. } | Change::Dynamic { changes, .. } => {
            changes.iter().any(hides_changes)
        }
        _ => false,
    }
}
