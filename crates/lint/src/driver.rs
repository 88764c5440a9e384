//! Replays a series of migrations and asks the rules.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use downhaul_catalog::{Catalog, Origin, Problem};
use downhaul_syntax::{
    Change, Dialect, Directive, DirectiveKind, LineIndex, ObjectName, Parsed, Script, Span,
    parse_script,
};

use crate::context::{ChangeContext, HeldLock, MigrationContext, SeriesFacts};
use crate::down;
use crate::effects::{self, Blocks, Effects, Scene, StatementEffects};
use crate::facts::{MigrationFacts, Phase};
use crate::finding::{Draft, Finding, LintReport, Severity, Suppressed};
use crate::input::{LintOptions, MigrationInput, RuleSetting, SourceText};
use crate::queries::{Broken, QueryIndex};
use crate::rule::{Check, Rule};
use crate::rules::{all_rules, unknown_directive, unresolved_query};
use crate::state::State;
use crate::suppress::{self, Allowance};

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
    series: SeriesFacts,
    report: LintReport,
}

/// Session state while the statements of one file are judged.
#[derive(Default)]
struct Session {
    held: Vec<HeldLock>,
    settings: BTreeMap<String, String>,
    /// Names set with `SET LOCAL`.
    local: Vec<String>,
    /// Constraints and unique indexes that the migration dropped so far.
    dropped: Vec<effects::dropped::Dropped>,
    transaction: usize,
    /// Rules that spoke of a transaction, where once is enough.
    said: HashSet<(&'static str, usize)>,
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
        self.doubt |= script.statements.iter().flat_map(|s| s.changes()).any(hides_changes);
    }

    /// Whether the server surely refuses: an object that may have been made outside of the series
    /// is no problem, and what an empty table would take is none either.
    fn is_certain(&self, problem: &Problem, change: &Change) -> bool {
        let reads = matches!(
            change,
            Change::Select { .. }
                | Change::Insert { .. }
                | Change::Update { .. }
                | Change::Delete { .. }
                | Change::Merge { .. }
                | Change::CopyFrom { .. }
        );
        match problem {
            // Which names of a query are tables is not always sure.
            Problem::Missing { kind, name } if reads && kind == "table" => {
                self.history_known && target_of(change).is_some_and(|t| t.to_string() == *name)
            }
            Problem::Missing { kind, .. } => {
                self.history_known || matches!(kind.as_str(), "column" | "constraint" | "trigger")
            }
            Problem::Exists { .. } | Problem::DependsOn { .. } if self.doubt => false,
            Problem::Refused { reason } => !reason.contains("NOT NULL column with default value"),
            _ => true,
        }
    }

    /// SQLite takes a name in double quotes that is no column for a string, but not where only a
    /// column can stand.
    fn is_text_to_sqlite(&self, problem: &Problem, change: &Change, text: &str) -> bool {
        let Problem::Missing { kind, name } = problem else { return false };
        let Some((_, column)) = name.rsplit_once('.').filter(|_| kind == "column") else {
            return false;
        };
        let targets = match change {
            Change::Insert { columns, .. } | Change::Update { columns, .. } => columns.as_slice(),
            Change::CreateIndex { .. }
            | Change::CreateTable { .. }
            | Change::Delete { .. }
            | Change::Select { .. } => &[],
            _ => return false,
        };
        self.options.dialect == Dialect::Sqlite
            && targets.iter().all(|c| c.as_str() != column)
            && text.contains(&format!("\"{column}\""))
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
        let facts_of =
            |source: &'_ SourceText| source.transactional.unwrap_or(migration.transactional);
        let up = match (&migration.up, &up_script) {
            (Some(source), Some(script)) => {
                Some(MigrationFacts::new(source, script, facts_of(source)))
            }
            _ => None,
        };
        let down = match (&migration.down, &down_script) {
            (Some(source), Some(script)) => {
                Some(MigrationFacts::new(source, script, facts_of(source)))
            }
            _ => None,
        };
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

    /// Which of the known queries the up breaks, and by which change.
    fn broken_queries(&mut self, script: &downhaul_syntax::Script, index: usize) -> Vec<Broken> {
        if self.queries.is_empty() {
            return Vec::new();
        }
        // The release that runs sees the schema before all that goes out with this deployment.
        let one = self.options.one_deployment || self.options.baseline.is_some();
        if !one || !self.queries.has_base() {
            self.queries.release_sees(&self.catalog, self.history_known);
        }
        self.queries.broken_by(&self.catalog, script, index)
    }

    /// Remarks about the known queries themselves.
    fn about_queries(&mut self) {
        if !is_on(&unresolved_query::RULE, self.options) {
            return;
        }
        let one = self.options.one_deployment || self.options.baseline.is_some();
        for remark in self.queries.remarks(&self.catalog, self.history_known, one) {
            let rule = &unresolved_query::RULE;
            let severity = match self.options.rules.get(rule.code) {
                Some(RuleSetting::Severity(severity)) => *severity,
                _ => rule.severity,
            };
            match severity {
                Severity::Error => self.report.summary.errors += 1,
                Severity::Warning => self.report.summary.warnings += 1,
                Severity::Info => self.report.summary.infos += 1,
            }
            let mut start = LineIndex::new("").position("", 0);
            (start.line, start.column) = (remark.line, remark.column);
            self.report.findings.push(Finding {
                code: rule.code,
                name: rule.name,
                severity,
                span: Span::new(0, 0),
                start,
                end: start,
                fingerprint: fingerprint(&[rule.code, &remark.source, &remark.text]),
                file: remark.source,
                message: remark.message,
                help: "correct the query, or leave it out of --queries".to_owned(),
                rewrite: None,
                fix: None,
                queries: Vec::new(),
                docs: rule.docs_path(),
            });
        }
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
        let mut session = Session { transaction: usize::MAX, ..Session::default() };
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
                        statement: if item.nested { "" } else { &statement.statement.text },
                        dropped: &session.dropped,
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

    /// Turns drafts into findings: place, severity, suppression.
    fn publish(
        &mut self,
        migration: &MigrationInput,
        up: Option<&MigrationFacts<'_>>,
        down: Option<&MigrationFacts<'_>>,
        drafts: Vec<Drafted>,
    ) {
        let mut up_allowances =
            up.map(|f| suppress::allowances(f.script, f.source)).unwrap_or_default();
        let mut down_allowances =
            down.map(|f| suppress::allowances(f.script, f.source)).unwrap_or_default();
        let mut findings = Vec::new();
        for (rule, draft) in drafts {
            let (facts, allowances): (_, &mut Vec<Allowance>) =
                if draft.in_down { (down, &mut down_allowances) } else { (up, &mut up_allowances) };
            let whole_file = draft.whole_file;
            let finding = self.finding(rule, draft, migration, facts);
            match suppress::allowed(allowances, rule.code, finding.span, whole_file) {
                Some(reason) => {
                    self.report.summary.suppressed += 1;
                    self.report.suppressed.push(Suppressed { finding, reason });
                }
                None => findings.push(finding),
            }
        }
        for (facts, allowances, in_down) in
            [(up, &up_allowances, false), (down, &down_allowances, true)]
        {
            let Some(facts) = facts else { continue };
            for mut draft in self.about_directives(facts, allowances) {
                draft.in_down = in_down;
                findings.push(self.finding(
                    &unknown_directive::RULE,
                    draft,
                    migration,
                    Some(facts),
                ));
            }
        }
        findings.sort_by(|a: &Finding, b| {
            let key = |f: &Finding| {
                (
                    down.is_some_and(|d| d.path == f.file),
                    f.span.start,
                    std::cmp::Reverse(f.severity),
                )
            };
            key(a).cmp(&key(b)).then(a.code.cmp(b.code))
        });
        for finding in &findings {
            match finding.severity {
                Severity::Error => self.report.summary.errors += 1,
                Severity::Warning => self.report.summary.warnings += 1,
                Severity::Info => self.report.summary.infos += 1,
            }
        }
        self.report.findings.extend(findings);
    }

    /// Directives and allowances that do nothing.
    fn about_directives(&self, facts: &MigrationFacts<'_>, allowances: &[Allowance]) -> Vec<Draft> {
        if !is_on(&unknown_directive::RULE, self.options) {
            return Vec::new();
        }
        let unknown = facts.script.directives.iter().filter_map(|d| match &d.kind {
            DirectiveKind::Unknown(text) => Some(unknown_directive::unknown(text).at(d.span)),
            _ => None,
        });
        let idle = allowances.iter().filter_map(|a| match a.rule {
            None => Some(unknown_directive::no_such_rule(&a.written).at(a.span)),
            // A rule that is off, or of another database, cannot be expected to speak.
            Some(rule) if !a.used && is_on(rule, self.options) => {
                Some(unknown_directive::unused(&a.written).at(a.span))
            }
            Some(_) => None,
        });
        unknown.chain(idle).collect()
    }

    fn finding(
        &self,
        rule: &'static Rule,
        draft: Draft,
        migration: &MigrationInput,
        facts: Option<&MigrationFacts<'_>>,
    ) -> Finding {
        let (file, source) = match facts {
            Some(facts) => (facts.path, facts.source),
            None => (path_of(migration), ""),
        };
        let owned;
        let lines = match facts {
            Some(facts) => &facts.lines,
            None => {
                owned = LineIndex::new("");
                &owned
            }
        };
        let span = draft.span.unwrap_or_else(|| {
            facts.and_then(|f| f.script.statements.first()).map_or(Span::new(0, 0), |s| s.span)
        });
        // Statements stand in order and do not overlap.
        let statement = facts.and_then(|f| {
            let at = f.script.statements.partition_point(|s| s.span.end <= span.start);
            f.script.statements.get(at).filter(|s| s.span.start <= span.start)
        });
        let severity = match self.options.rules.get(rule.code) {
            Some(RuleSetting::Severity(severity)) => *severity,
            _ => draft.severity.unwrap_or(rule.severity),
        };
        let text = statement.map_or("", |s| s.text.as_str());
        let in_phases = facts.is_some_and(|f| !draft.in_down && f.phase.is_none());
        let help = match expand_carries(rule, self.options.dialect) && in_phases {
            true if file.ends_with(".sql") => {
                format!("{} (`downhaul expand {file}` writes it in phases)", draft.help)
            }
            _ => draft.help,
        };
        Finding {
            code: rule.code,
            name: rule.name,
            severity,
            file: file.to_owned(),
            span,
            start: lines.position(source, span.start),
            end: lines.position(source, span.end),
            fingerprint: fingerprint(&[rule.code, file, text, span.text(source)]),
            message: draft.message,
            help,
            rewrite: draft.rewrite,
            fix: draft.fix,
            queries: draft.queries,
            docs: rule.docs_path(),
        }
    }
}

impl Session {
    /// A new transaction begins: locks and local settings of the last one are gone.
    fn enter(&mut self, transaction: usize) {
        if self.transaction != transaction {
            self.transaction = transaction;
            self.held.clear();
            for name in self.local.drain(..) {
                self.settings.remove(&name);
            }
        }
    }

    fn note(&mut self, change: &Change) {
        if let Change::SetVariable { name, value, local } = change {
            self.settings.insert(name.clone(), value.clone());
            if *local {
                self.local.push(name.clone());
            }
        }
    }

    fn hold(&mut self, effects: &Effects, line: usize, statement: usize) {
        for lock in effects.locks.iter().filter(|l| l.blocks >= Blocks::Writes) {
            self.held.push(HeldLock {
                table: lock.table.clone(),
                mode: lock.mode,
                blocks: lock.blocks,
                line,
                statement,
            });
        }
    }
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

/// The table that a statement writes.
fn target_of(change: &Change) -> Option<&ObjectName> {
    match change {
        Change::Insert { table, .. }
        | Change::Update { table, .. }
        | Change::Delete { table, .. }
        | Change::Merge { table, .. }
        | Change::CopyFrom { table, .. } => Some(table),
        _ => None,
    }
}

/// FNV-1a over the parts, white space folded.
fn fingerprint(parts: &[&str]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut eat = |byte: u8| {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
    };
    for part in parts {
        for word in part.split_whitespace() {
            word.bytes().for_each(&mut eat);
            eat(b' ');
        }
        eat(0);
    }
    format!("{hash:016x}")
}

/// Whether `downhaul expand` writes phases for what a rule finds.
fn expand_carries(rule: &Rule, dialect: Dialect) -> bool {
    match rule.code {
        "BC01" | "BC03" | "BC06" | "BC07" | "LK05" | "LK06" | "LK08" => dialect != Dialect::Sqlite,
        "BC04" | "BC05" | "LK04" | "LK07" => dialect == Dialect::Postgres,
        _ => false,
    }
}
