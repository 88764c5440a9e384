//! Drafts become findings: their place, severity, suppression and fingerprint.

use downhaul_syntax::{Change, Dialect, DirectiveKind, LineIndex, Span};

use super::{Drafted, Run, is_on, path_of};
use crate::facts::MigrationFacts;
use crate::finding::{Draft, Finding, Severity, Suppressed};
use crate::input::{MigrationInput, RuleSetting};
use crate::rule::Rule;
use crate::rules::unknown_directive;
use crate::suppress::{self, Allowance};

impl Run<'_> {
    /// Turns drafts into findings: place, severity, suppression.
    pub(super) fn publish(
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
            self.report.summary.count(finding.severity);
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

    /// The severity that the settings want, else that of the draft, else that of the rule.
    pub(super) fn severity_of(&self, rule: &Rule, of_draft: Option<Severity>) -> Severity {
        match self.options.rules.get(rule.code) {
            Some(RuleSetting::Severity(severity)) => *severity,
            _ => of_draft.unwrap_or(rule.severity),
        }
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
        let severity = self.severity_of(rule, draft.severity);
        let text = statement.map_or("", |s| s.text.as_str());
        let in_phases = facts.is_some_and(|f| !draft.in_down && f.phase.is_none());
        let changes = statement.map_or(&[][..], |s| s.changes());
        let help = match in_phases && expand_carries(rule, changes, self.options.dialect) {
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

/// FNV-1a over the parts, white space folded.
pub(super) fn fingerprint(parts: &[&str]) -> String {
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

/// Whether `downhaul expand` writes phases for what a rule finds in a statement.
fn expand_carries(rule: &Rule, changes: &[Change], dialect: Dialect) -> bool {
    match rule.code {
        "BC01" | "BC03" | "BC06" | "BC07" | "LK05" | "LK06" | "LK08" => dialect != Dialect::Sqlite,
        "LK04" | "LK07" => dialect == Dialect::Postgres,
        "BC04" => {
            dialect == Dialect::Postgres
                || dialect.is_mysql_family()
                    && changes.iter().all(|c| matches!(c, Change::RenameTable { .. }))
        }
        "BC05" => dialect == Dialect::Postgres || is_another_type(changes, dialect),
        "BC16" | "LK20" => is_another_type(changes, dialect),
        _ => false,
    }
}

/// Whether a statement gives columns another type or another character set in the way of MariaDB and
/// MySQL, and does nothing else.
fn is_another_type(changes: &[Change], dialect: Dialect) -> bool {
    let states_a_type = |change: &Change| match change {
        // What counts or computes by itself is refused.
        Change::ModifyColumn { column, .. } => {
            column.generated.is_none() && !column.auto_increment && column.on_update.is_none()
        }
        Change::ConvertCharset { .. } => true,
        _ => false,
    };
    dialect.is_mysql_family() && !changes.is_empty() && changes.iter().all(states_a_type)
}
